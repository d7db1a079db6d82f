//! What does not hold in a graph.

use std::collections::HashMap;

use super::facts::{Authority, Decision, Fact, What, covers};
use super::{Edge, EdgeKind, End, Found, Graph, GraphFindingKind, NodeKind, Standing};
use crate::seam::UnixNanos;

/// What the chain of an authority comes to: of each kind the first that ends it.
#[derive(Clone, Copy, Default)]
struct Chain {
    /// When it expires, and by which node.
    expires: Option<(UnixNanos, usize)>,
    revoked: Option<(UnixNanos, usize)>,
    refused: Option<usize>,
    unverified: Option<usize>,
    /// The nearest that says what it lets.
    scope: Option<usize>,
}

fn earlier(a: Option<(UnixNanos, usize)>, b: Option<(UnixNanos, usize)>) -> Option<(UnixNanos, usize)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

struct Judge<'g> {
    graph: &'g mut Graph,
    chains: HashMap<usize, Chain>,
    /// By node: those that it is a delegation of, or acts under.
    authorities: HashMap<usize, Vec<usize>>,
    delegated_by: HashMap<usize, usize>,
    decided_by: HashMap<usize, usize>,
    /// Decisions that a later one denied, and when.
    denied_later: HashMap<usize, (UnixNanos, usize)>,
}

pub(super) fn judge(graph: &mut Graph) {
    let mut judge = Judge {
        graph,
        chains: HashMap::new(),
        authorities: HashMap::new(),
        delegated_by: HashMap::new(),
        decided_by: HashMap::new(),
        denied_later: HashMap::new(),
    };
    judge.revoke();
    judge.index();
    for node in 0..judge.graph.nodes.len() {
        match judge.graph.nodes[node].kind {
            NodeKind::Delegation => judge.delegation(node),
            NodeKind::Action => judge.action(node),
            _ => {}
        }
    }
    judge.unknown_runs();
    judge.cycles();
    let graph = judge.graph;
    graph.findings.sort_by_key(|found| (found.node, found.kind));
}

impl Judge<'_> {
    fn find(&mut self, kind: GraphFindingKind, node: usize, note: String) {
        self.graph.findings.push(Found { kind, node, note });
    }

    fn authority(&self, node: usize) -> Option<(&Fact, &Authority)> {
        match self.graph.fact(node) {
            Some(fact @ Fact { what: What::Authority(authority), .. }) => Some((fact, authority)),
            _ => None,
        }
    }

    fn decision(&self, node: usize) -> Option<(&Fact, &Decision)> {
        match self.graph.fact(node) {
            Some(fact @ Fact { what: What::Decision(decision), .. }) => Some((fact, decision)),
            _ => None,
        }
    }

    /// Whether it gives authority: a revocation gives none.
    fn gives(&self, node: usize) -> bool {
        self.authority(node).is_some_and(|(_, authority)| &*authority.assertion != "revoked")
    }

    /// Puts revocations down to what they revoke: the authority that is their cause, or else the one that they come
    /// from, or else all that was given to their identity before. (Their `authz.identity` is under whose leave they
    /// were made.)
    fn revoke(&mut self) {
        let mut named: HashMap<usize, (EdgeKind, usize)> = HashMap::new();
        for edge in &self.graph.edges {
            let (&End::Node(from), &End::Node(to)) = (&edge.from, &edge.to) else { continue };
            let (this, other) = match edge.kind {
                EdgeKind::Caused => (to, from),
                EdgeKind::DelegatedBy => (from, to),
                _ => continue,
            };
            if self.gives(other) {
                let held = named.entry(this).or_insert((edge.kind, other));
                if edge.kind == EdgeKind::Caused {
                    *held = (edge.kind, other);
                }
            }
        }
        let mut by_node: HashMap<usize, (UnixNanos, usize)> = HashMap::new();
        let mut by_identity: HashMap<Box<str>, Vec<(UnixNanos, usize)>> = HashMap::new();
        for node in 0..self.graph.nodes.len() {
            let believed = self.graph.standing(node) != Some(Standing::Unverified);
            let Some((fact, authority)) = self.authority(node).filter(|_| believed && !self.gives(node))
            else {
                continue;
            };
            let at = (fact.at, node);
            if let Some(&(_, other)) = named.get(&node) {
                let held = by_node.entry(other).or_insert(at);
                *held = at.min(*held);
            } else if let Some(identity) = &authority.identity {
                by_identity.entry(identity.clone()).or_default().push(at);
            }
        }
        for times in by_identity.values_mut() {
            times.sort_unstable();
        }
        for node in 0..self.graph.nodes.len() {
            if !self.gives(node) {
                continue;
            }
            let Some((fact, authority)) = self.authority(node) else { continue };
            let of_identity = authority.identity.as_ref().and_then(|identity| by_identity.get(identity));
            let later = of_identity
                .and_then(|times| times.get(times.partition_point(|&(at, _)| at < fact.at)).copied());
            let revoked = earlier(by_node.get(&node).copied(), later);
            self.graph.nodes[node].revoked = revoked.map(|(_, by)| by);
        }
    }

    fn index(&mut self) {
        for Edge { kind, from, to, .. } in &self.graph.edges {
            let (&End::Node(from), &End::Node(to)) = (from, to) else { continue };
            match kind {
                EdgeKind::DelegatedBy if self.gives(to) => {
                    self.authorities.entry(from).or_default().push(to);
                    self.delegated_by.entry(from).or_insert(to);
                }
                EdgeKind::Authorized if self.gives(from) => {
                    self.authorities.entry(to).or_default().push(from);
                }
                EdgeKind::DecidedBy if self.graph.nodes[to].kind == NodeKind::Decision => {
                    self.decided_by.entry(from).or_insert(to);
                }
                EdgeKind::Caused => {
                    let Some((first, _)) = self.decision(from) else { continue };
                    let Some((later, decision)) = self.decision(to) else { continue };
                    let believed = self.graph.standing(to) != Some(Standing::Unverified);
                    if believed && later.at >= first.at && &*decision.verdict == "deny" && !decision.shadow {
                        let denied = (later.at, to);
                        let held = self.denied_later.entry(from).or_insert(denied);
                        *held = denied.min(*held);
                    }
                }
                _ => {}
            }
        }
        let givers: Vec<usize> = (0..self.graph.nodes.len()).filter(|&node| self.gives(node)).collect();
        for node in givers {
            self.reckon(node);
        }
    }

    /// Reckons the chain of an authority, those that it came from first, on a stack of its own.
    fn reckon(&mut self, node: usize) {
        let mut stack = vec![(node, false)];
        let mut begun: HashMap<usize, ()> = HashMap::new();
        while let Some((node, parents_done)) = stack.pop() {
            if self.chains.contains_key(&node) {
                continue;
            }
            let parents = self.authorities.get(&node).map_or(&[][..], Vec::as_slice);
            if !parents_done {
                // What leads back to itself is a finding of its own, and goes no further here.
                if begun.insert(node, ()).is_some() {
                    continue;
                }
                stack.push((node, true));
                stack.extend(parents.iter().map(|&parent| (parent, false)));
                continue;
            }
            let mut chain = self.itself(node);
            for parent in parents {
                let Some(of) = self.chains.get(parent) else { continue };
                chain.expires = earlier(chain.expires, of.expires);
                chain.revoked = earlier(chain.revoked, of.revoked);
                chain.refused = chain.refused.or(of.refused);
                chain.unverified = chain.unverified.or(of.unverified);
            }
            let inherited = || self.chains.get(self.delegated_by.get(&node)?)?.scope;
            chain.scope = chain.scope.or_else(inherited);
            self.chains.insert(node, chain);
        }
    }

    /// What an authority says of itself.
    fn itself(&self, node: usize) -> Chain {
        let Some((_, authority)) = self.authority(node) else { return Chain::default() };
        let revoked = self.graph.nodes[node].revoked.and_then(|by| Some((self.graph.fact(by)?.at, node)));
        Chain {
            expires: authority.expires.map(|at| (at, node)),
            revoked,
            refused: (&*authority.assertion == "refused").then_some(node),
            unverified: (self.graph.standing(node) == Some(Standing::Unverified)).then_some(node),
            scope: authority.scope.is_some().then_some(node),
        }
    }

    /// What is wrong with the authorities that a node rests on, at its time.
    fn rests_on(&mut self, node: usize) {
        let Some(at) = self.graph.fact(node).map(|fact| fact.at) else { return };
        let parents = self.authorities.get(&node).map_or(&[][..], Vec::as_slice);
        let mut all = Chain::default();
        for of in parents.iter().filter_map(|parent| self.chains.get(parent)) {
            all.expires = earlier(all.expires, of.expires);
            all.revoked = earlier(all.revoked, of.revoked);
            all.refused = all.refused.or(of.refused);
            all.unverified = all.unverified.or(of.unverified);
        }
        let name = |node: usize| self.graph.nodes[node].name.clone();
        let mut found = Vec::new();
        if let Some((expired, by)) = all.expires.filter(|&(expired, _)| expired <= at) {
            let note = format!("the authority {:?} expired at {}, before this", name(by), time(expired));
            found.push((GraphFindingKind::ExpiredAuthority, note));
        }
        if let Some((revoked, by)) = all.revoked.filter(|&(revoked, _)| revoked <= at) {
            let note = format!("the authority {:?} was revoked at {}, before this", name(by), time(revoked));
            found.push((GraphFindingKind::RevokedAuthority, note));
        }
        if let Some(by) = all.refused {
            let note = format!("the authority {:?} was refused", name(by));
            found.push((GraphFindingKind::RefusedAuthority, note));
        }
        if let Some(by) = all.unverified {
            let note = format!("no signature covers the authority {:?}", name(by));
            found.push((GraphFindingKind::Unverified, note));
        }
        for (kind, note) in found {
            self.find(kind, node, note);
        }
    }

    fn delegation(&mut self, node: usize) {
        if !self.gives(node) {
            return;
        }
        self.rests_on(node);
        let wider = self.delegated_by.get(&node).and_then(|parent| self.chains.get(parent)?.scope);
        let (Some(wider), Some((_, authority))) = (wider, self.authority(node)) else { return };
        let (Some(scope), Some((from, Authority { scope: Some(within), .. }))) =
            (&authority.scope, self.authority(wider))
        else {
            return;
        };
        let beyond: Vec<&str> =
            scope.iter().map(|word| &**word).filter(|word| !covers(within, word)).collect();
        let Some(first) = beyond.first() else { return };
        let more = match beyond.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let note = format!("it lets {first:?}{more}, which {:?}, where it comes from, does not", from.id);
        self.find(GraphFindingKind::WidenedScope, node, note);
    }

    fn action(&mut self, node: usize) {
        let Some(fact) = self.graph.fact(node) else { return };
        let What::Act(act) = &fact.what else { return };
        // What was kept from happening needs nobody's leave.
        if matches!(act.outcome.as_deref(), Some("denied" | "refused")) {
            return;
        }
        let governed = act.governed;
        // Named, and not there: the edge is what was found.
        let named = fact.decision.is_some();
        let place = (fact.at, fact.streamid, fact.sequence);
        self.rests_on(node);
        let Some(&by) = self.decided_by.get(&node) else {
            if governed && !named {
                let note = "nothing says that it was let: no data.authz.decision".to_owned();
                self.find(GraphFindingKind::NoDecision, node, note);
            }
            return;
        };
        let Some((decided, decision)) = self.decision(by) else { return };
        let id = decided.id.clone();
        let after = decided.streamid == place.1 && decided.sequence > place.2;
        let found = match &*decision.verdict {
            "deny" if decision.shadow => None,
            "deny" => Some((GraphFindingKind::AfterDeny, format!("the decision {id:?} denied it"))),
            "allow" => match self.denied_later.get(&by).filter(|(at, _)| *at <= place.0) {
                Some(&(_, later)) => {
                    let later = &self.graph.nodes[later].name;
                    let note = format!("the decision {id:?} let it, and {later:?} denied it before it ran");
                    Some((GraphFindingKind::AfterDeny, note))
                }
                None if after => {
                    let note = format!("the decision {id:?} was taken after it");
                    Some((GraphFindingKind::NoDecision, note))
                }
                None => None,
            },
            other => {
                let note = format!("the decision {id:?} is {other:?}: nobody let it");
                Some((GraphFindingKind::NoDecision, note))
            }
        };
        if let Some((kind, note)) = found {
            self.find(kind, node, note);
        }
        if self.graph.standing(by) == Some(Standing::Unverified) {
            let note = format!("no signature covers the decision {id:?}");
            self.find(GraphFindingKind::Unverified, node, note);
        }
    }

    /// Runs that others name as their parent, and of which nothing else is there.
    fn unknown_runs(&mut self) {
        let mut told: Vec<bool> = self.graph.nodes.iter().map(|node| node.fact.is_some()).collect();
        let parents = |edge: &&Edge| edge.kind == EdgeKind::PartOf && edge.member == "data.parent_run";
        for edge in self.graph.edges.iter().filter(|edge| edge.kind == EdgeKind::PartOf && !parents(edge)) {
            if let End::Node(run) = edge.to {
                told[run] = true;
            }
        }
        let mut found = Vec::new();
        for edge in self.graph.edges.iter().filter(parents) {
            if let (&End::Node(node), &End::Node(run)) = (&edge.from, &edge.to)
                && !told[run]
            {
                let name = &self.graph.nodes[run].name;
                found.push((
                    node,
                    format!("data.parent_run leads to {name:?}, a run of which nothing here tells"),
                ));
            }
        }
        for (node, note) in found {
            self.find(GraphFindingKind::EdgeToNothing, node, note);
        }
    }

    /// Delegations, causes and runs that lead back to themselves; each round is found once.
    fn cycles(&mut self) {
        let mut found = Vec::new();
        for (kind, what) in
            [(EdgeKind::DelegatedBy, "delegation"), (EdgeKind::Caused, "cause"), (EdgeKind::PartOf, "run")]
        {
            // Each node leads to at most one: an event has one cause, a run one parent.
            let mut next: HashMap<usize, usize> = HashMap::new();
            for edge in self.graph.edges.iter().filter(|edge| edge.kind == kind) {
                if let (&End::Node(from), &End::Node(to)) = (&edge.from, &edge.to) {
                    let (of, to) = if kind == EdgeKind::Caused { (to, from) } else { (from, to) };
                    next.entry(of).or_insert(to);
                }
            }
            // The walk on which a node was first seen.
            let mut seen: HashMap<usize, usize> = HashMap::new();
            for walk in 0..self.graph.nodes.len() {
                let mut node = walk;
                while !seen.contains_key(&node) {
                    seen.insert(node, walk);
                    let Some(&to) = next.get(&node) else { break };
                    node = to;
                    if seen.get(&node) == Some(&walk) {
                        found.push((around(node, &next), what));
                        break;
                    }
                }
            }
        }
        for (round, what) in found {
            let Some(&first) = round.iter().min() else { continue };
            let note = match round.len() {
                1 => format!("it is its own {what}"),
                n => format!("a {what} that leads back to itself over {n} of them"),
            };
            self.find(GraphFindingKind::Cycle, first, note);
        }
    }
}

/// The nodes of the round that `node` is in.
fn around(node: usize, next: &HashMap<usize, usize>) -> Vec<usize> {
    let mut round = vec![node];
    let mut at = node;
    while let Some(&to) = next.get(&at).filter(|&&to| to != node) {
        round.push(to);
        at = to;
    }
    round
}

pub(super) fn time(at: UnixNanos) -> String {
    let mut text = Vec::new();
    crate::seam::format_time(&mut text, at);
    let text = String::from_utf8(text).unwrap_or_default();
    // Whole seconds are shown so.
    text.strip_suffix(".000000000Z").map_or(text.clone(), |whole| format!("{whole}Z"))
}
