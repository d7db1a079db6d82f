//! The graph in words: why each action was allowed.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use super::facts::{Act, Fact, What};
use super::judge::time;
use super::{EdgeKind, End, Graph, NodeKind, Standing};
use crate::terminal::Safe;
use crate::verify::report::Verdict;
use crate::verify::text::plural;

/// Actions that are told of; all are in the other forms.
const SHOWN: usize = 200;

/// Delegations of a chain that are told of.
const LINKS: usize = 8;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind| self.nodes.iter().filter(|node| node.kind == kind).count() as u64;
        write!(f, "{}: ", self.verdict.name())?;
        let kinds = [
            (NodeKind::Action, "action"),
            (NodeKind::Decision, "decision"),
            (NodeKind::Delegation, "delegation"),
            (NodeKind::Run, "run"),
            (NodeKind::Agent, "agent"),
        ];
        let counts = kinds.map(|(kind, name)| plural(count(kind), name));
        writeln!(f, "{}; {}", counts.join(", "), plural(self.findings.len() as u64, "finding"))?;
        match self.verdict {
            Verdict::Unchecked => {
                writeln!(f, "no key was given: anyone could have made this (give --key ID=FILE)")?
            }
            Verdict::Findings => {
                writeln!(f, "the input does not verify; sinkwell verify says what and where")?
            }
            Verdict::Sound | Verdict::Incomplete => {}
        }
        for found in &self.findings {
            let node = &self.nodes[found.node];
            writeln!(
                f,
                "  {:<18} {} {}: {}",
                found.kind.name(),
                node.kind.name(),
                Safe(&node.name),
                Safe(&found.note)
            )?;
        }
        let of = Of::new(self);
        let actions: Vec<usize> =
            (0..self.nodes.len()).filter(|&node| self.nodes[node].kind == NodeKind::Action).collect();
        for &node in actions.iter().take(SHOWN) {
            if let Some(fact) = self.fact(node) {
                writeln!(f, "\n{}", of.paragraph(node, fact))?;
            }
        }
        if actions.len() > SHOWN {
            writeln!(
                f,
                "\n… and {} more (--run, --agent, --since or --event choose)",
                actions.len() - SHOWN
            )?;
        }
        Ok(())
    }
}

/// A graph with its edges by their ends.
struct Of<'g> {
    graph: &'g Graph,
    to: HashMap<(usize, EdgeKind), Vec<usize>>,
    results: HashMap<usize, usize>,
    findings: HashMap<usize, Vec<&'g str>>,
}

impl<'g> Of<'g> {
    fn new(graph: &'g Graph) -> Self {
        let mut of = Self { graph, to: HashMap::new(), results: HashMap::new(), findings: HashMap::new() };
        for edge in &graph.edges {
            let (&End::Node(from), &End::Node(to)) = (&edge.from, &edge.to) else { continue };
            match edge.kind {
                // Asked for from the event that names it.
                EdgeKind::Authorized => of.to.entry((to, edge.kind)).or_default().push(from),
                EdgeKind::Caused if graph.nodes[to].kind == NodeKind::Result => {
                    of.results.entry(from).or_insert(to);
                }
                _ => of.to.entry((from, edge.kind)).or_default().push(to),
            }
        }
        for found in &graph.findings {
            of.findings.entry(found.node).or_default().push(&found.note);
        }
        of
    }

    fn first(&self, node: usize, kind: EdgeKind) -> Option<usize> {
        self.to.get(&(node, kind))?.first().copied()
    }

    /// Why an action was allowed, as far as the envelopes say.
    fn paragraph(&self, node: usize, fact: &Fact) -> String {
        let mut text = format!("{}  {} ", time(fact.at), Safe(&fact.agent));
        let act = match &fact.what {
            What::Act(act) => act,
            _ => return text,
        };
        let outcome = self.outcome(node, act);
        let tried = if matches!(outcome, Some("denied" | "refused")) { "tried to call" } else { "called" };
        let _ = match &act.tool {
            Some(tool) => write!(text, "{tried} {}", Safe(tool)),
            None => write!(text, "did {}", Safe(&fact.event_type)),
        };
        if let Some(run) = &fact.run {
            let _ = write!(text, " in the run {}", Safe(run));
        }
        let _ = write!(text, " ({}). ", Safe(&fact.id));
        self.decided(node, &mut text);
        self.authority(node, &mut text);
        match outcome {
            Some(outcome) => {
                let _ = write!(text, " Outcome: {}.", Safe(outcome));
            }
            None => text.push_str(" Nothing says how it ended."),
        }
        text.push_str(match self.graph.standing(node) {
            Some(Standing::Verified) => " Its envelope is verified.",
            Some(Standing::Unchecked) => " No key was given, so nobody vouches for its envelope.",
            _ => " NO SIGNATURE COVERS ITS ENVELOPE.",
        });
        for note in self.findings.get(&node).into_iter().flatten() {
            let _ = write!(text, " BUT: {}.", Safe(note));
        }
        text
    }

    fn outcome(&self, node: usize, act: &'g Act) -> Option<&'g str> {
        let result = || match &self.graph.fact(*self.results.get(&node)?)?.what {
            What::Act(result) => result.outcome.as_deref(),
            _ => None,
        };
        act.outcome.as_deref().or_else(result)
    }

    fn decided(&self, node: usize, text: &mut String) {
        let decision = self.first(node, EdgeKind::DecidedBy).and_then(|by| self.graph.fact(by));
        let Some(Fact { what: What::Decision(decision), id, at, .. }) = decision else {
            text.push_str("No decision about it is there.");
            return;
        };
        text.push_str(match &*decision.verdict {
            "allow" => "It was allowed",
            "deny" => "It was denied",
            "ask" => "Somebody was to be asked",
            _ => "It was not decided",
        });
        if decision.shadow {
            text.push_str(" (reckoned, not enforced)");
        }
        let ruleset = [&decision.ruleset, &decision.version].into_iter().flatten();
        let ruleset = ruleset.map(|part| Safe(part).to_string()).collect::<Vec<_>>().join(" ");
        match &decision.rule {
            Some(rule) => {
                let _ = write!(text, " by the rule {}", Safe(rule));
            }
            None if decision.implicit => text.push_str(" by default"),
            None => {}
        }
        if !ruleset.is_empty() {
            let _ = write!(text, " of {ruleset}");
        }
        let _ = write!(text, " at {} ({}", time(*at), Safe(id));
        if let Some(took) = &decision.took {
            let _ = write!(text, ", {took} ms");
        }
        text.push(')');
        if let Some(reason) = &decision.reason {
            let _ = write!(text, ": {}", Safe(reason));
        }
        text.push('.');
    }

    fn authority(&self, node: usize, text: &mut String) {
        if let Some(principal) = self.first(node, EdgeKind::ActedFor) {
            let _ = write!(text, " It acted for {}.", Safe(&self.graph.nodes[principal].name));
        }
        let above =
            |node| self.first(node, EdgeKind::DelegatedBy).or_else(|| self.first(node, EdgeKind::Authorized));
        let Some(mut at) = self.first(node, EdgeKind::Authorized).or_else(|| above(node)) else {
            text.push_str(" Under whose authority it does not say.");
            return;
        };
        text.push_str(" Its authority is ");
        let mut seen = HashSet::new();
        for link in 0.. {
            if !seen.insert(at) {
                text.push_str(", and so round again");
                break;
            }
            if link == LINKS {
                text.push_str(", which came from more");
                break;
            }
            if link > 0 {
                text.push_str(", which came from ");
            }
            self.link(at, text);
            match above(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        text.push('.');
    }

    fn link(&self, node: usize, text: &mut String) {
        let _ = write!(text, "{}", Safe(&self.graph.nodes[node].name));
        let Some(Fact { what: What::Authority(authority), agent, .. }) = self.graph.fact(node) else {
            return;
        };
        let mut said: Vec<String> = Vec::new();
        if let Some(identity) = &authority.identity {
            said.push(format!("to {}", Safe(identity)));
        }
        said.push(format!(
            "{} by {}",
            Safe(&authority.assertion),
            Safe(authority.issuer.as_ref().unwrap_or(agent))
        ));
        if let Some(scope) = &authority.scope {
            let words: Vec<String> = scope.iter().take(8).map(|word| Safe(word).to_string()).collect();
            let more = if scope.len() > words.len() { " …" } else { "" };
            said.push(format!("for {}{more}", words.join(" ")));
        }
        if let Some(expires) = authority.expires {
            said.push(format!("until {}", time(expires)));
        }
        if let Some(revoked) = self.graph.nodes[node].revoked.and_then(|by| self.graph.fact(by)) {
            let by = match &revoked.what {
                What::Authority(revoked) => revoked.revoked_by.as_deref(),
                _ => None,
            };
            let by = by.map(|by| format!(" by {}", Safe(by))).unwrap_or_default();
            said.push(format!("revoked at {}{by}", time(revoked.at)));
        }
        let _ = write!(text, " ({})", said.join(", "));
    }
}
