//! Nodes and edges out of facts.

use std::collections::{HashMap, HashSet};

use super::facts::{Fact, What};
use super::{Collector, Edge, EdgeKind, End, Found, Graph, GraphFindingKind, Node, NodeKind, Standing};
use crate::seam::UnixNanos;
use crate::verify::place::Sources;
use crate::verify::report::Verdict;

struct Builder {
    graph: Graph,
    /// Event ids, and the nodes that they are.
    events: HashMap<Box<str>, usize>,
    named: HashMap<(NodeKind, Box<str>), usize>,
    seen: HashSet<Edge>,
}

/// What an id leads to.
enum Target {
    Node(usize),
    /// An event that is no part of the graph.
    Elsewhere,
    Missing,
}

pub(super) fn build(
    mut collector: Collector,
    standing: Vec<Standing>,
    sources: Sources,
    verdict: Verdict,
) -> Graph {
    let facts = std::mem::take(&mut collector.facts);
    let graph = Graph {
        facts,
        standing,
        sources,
        nodes: Vec::new(),
        edges: Vec::new(),
        findings: Vec::new(),
        verdict,
    };
    let mut builder = Builder { graph, events: HashMap::new(), named: HashMap::new(), seen: HashSet::new() };
    let chosen = builder.choose();
    for &fact in &chosen {
        builder.node_of(fact);
    }
    builder.tell_results(&chosen);
    for &fact in &chosen {
        builder.edges_of(fact, &collector);
    }
    builder.graph
}

impl Builder {
    /// Of the facts of one event the one that is believed most, of these one that no policy shaped for its lane, and of
    /// these the first; in the order of time.
    fn choose(&mut self) -> Vec<usize> {
        let Graph { facts, standing, .. } = &self.graph;
        let mut best: HashMap<&str, usize> = HashMap::with_capacity(facts.len());
        let mut ambiguous: Vec<usize> = Vec::new();
        for (at, fact) in facts.iter().enumerate() {
            let held = best.entry(&fact.id).or_insert(at);
            if *held == at {
                continue;
            }
            let other = &facts[*held];
            let differs = standing[at] == standing[*held] && !same(fact, other);
            if (standing[at], fact.viewed) < (standing[*held], other.viewed) {
                *held = at;
            }
            if differs {
                ambiguous.push(*held);
            }
        }
        let mut chosen: Vec<usize> = best.into_values().collect();
        let place = |&at: &usize| (facts[at].at, facts[at].streamid.0, facts[at].sequence);
        chosen.sort_unstable_by_key(place);
        let those: HashSet<usize> = chosen.iter().copied().collect();
        ambiguous.retain(|at| those.contains(at));
        ambiguous.sort_unstable();
        ambiguous.dedup();
        for at in ambiguous {
            let node = self.node_of(at);
            let note = "another event has the same id and says something else".to_owned();
            self.graph.findings.push(Found { kind: GraphFindingKind::AmbiguousId, node, note });
        }
        chosen
    }

    fn add(&mut self, kind: NodeKind, name: &str, fact: Option<usize>) -> usize {
        let node = Node {
            kind,
            name: name.into(),
            fact,
            last: UnixNanos::MIN,
            ended: None,
            goal: None,
            revoked: None,
        };
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    fn named(&mut self, kind: NodeKind, name: &str) -> usize {
        if let Some(&node) = self.named.get(&(kind, name.into())) {
            return node;
        }
        let node = self.add(kind, name, None);
        self.named.insert((kind, name.into()), node);
        node
    }

    fn node_of(&mut self, at: usize) -> usize {
        if let Some(&node) = self.events.get(&self.graph.facts[at].id) {
            return node;
        }
        let fact = &self.graph.facts[at];
        let id = fact.id.clone();
        let kind = match &fact.what {
            What::Authority(_) => NodeKind::Delegation,
            What::Decision(_) => NodeKind::Decision,
            What::Act(_) => NodeKind::Action,
            What::Run(run) => {
                let at_time = fact.at;
                let (ended, goal, started) = (run.ended.clone(), run.goal.clone(), run.started);
                // One that names no run is one of its own.
                let name = fact.run.clone().unwrap_or_else(|| id.clone());
                let node = self.named(NodeKind::Run, &name);
                let of = &mut self.graph.nodes[node];
                of.last = at_time.max(of.last);
                of.ended = ended.or(of.ended.take());
                of.goal = of.goal.take().or(goal);
                if started || of.fact.is_none() {
                    of.fact = Some(at);
                }
                self.events.insert(id, node);
                return node;
            }
        };
        let node = self.add(kind, &id, Some(at));
        self.events.insert(id, node);
        node
    }

    /// Tells results from actions: a result has an outcome, and an act without one as its cause.
    fn tell_results(&mut self, chosen: &[usize]) {
        for &at in chosen {
            let fact = &self.graph.facts[at];
            let What::Act(act) = &fact.what else { continue };
            let cause = fact.cause.as_deref().and_then(|cause| self.events.get(cause));
            let of_act = cause.and_then(|&cause| self.graph.fact(cause)).is_some_and(|cause| {
                cause.event_type == fact.event_type
                    && matches!(&cause.what, What::Act(cause) if cause.outcome.is_none())
            });
            let phase = act.phase.as_deref();
            let is_result = phase == Some("result") || (of_act && act.outcome.is_some() && phase.is_none());
            if is_result && let Some(&node) = self.events.get(&fact.id) {
                self.graph.nodes[node].kind = NodeKind::Result;
            }
        }
    }

    fn target(&self, id: &str, collector: &Collector) -> Target {
        match self.events.get(id) {
            Some(&node) => Target::Node(node),
            None if collector.has(id) => Target::Elsewhere,
            None => Target::Missing,
        }
    }

    fn edge(&mut self, kind: EdgeKind, from: End, to: End, member: &'static str) {
        let edge = Edge { kind, from, to, member };
        if self.seen.insert(edge.clone()) {
            self.graph.edges.push(edge);
        }
    }

    fn edge_to_nothing(&mut self, node: usize, note: String) {
        self.graph.findings.push(Found { kind: GraphFindingKind::EdgeToNothing, node, note });
    }

    fn edges_of(&mut self, at: usize, collector: &Collector) {
        let node = self.node_of(at);
        let fact = &self.graph.facts[at];
        let (agent, run, cause) = (fact.agent.clone(), fact.run.clone(), fact.cause.clone());
        let principal = fact.principal.clone();
        let issuer = match &fact.what {
            What::Authority(authority) => authority.issuer.clone(),
            _ => None,
        };
        let parent = match &fact.what {
            What::Run(run) => run.parent.clone(),
            _ => None,
        };
        let links = [
            ("data.authz.identity", fact.identity.clone(), EdgeKind::Authorized, NodeKind::Delegation),
            ("data.authz.decision", fact.decision.clone(), EdgeKind::DecidedBy, NodeKind::Decision),
            (
                "data.authz.delegated_by",
                fact.delegated_by.clone(),
                EdgeKind::DelegatedBy,
                NodeKind::Delegation,
            ),
        ];
        let here = End::Node(node);
        let (who, member) = match issuer {
            Some(issuer) => (self.named(NodeKind::Principal, &issuer), "data.issuer"),
            None => (self.named(NodeKind::Agent, &agent), "agentid"),
        };
        self.edge(EdgeKind::IssuedBy, here.clone(), End::Node(who), member);
        if let Some(principal) = principal {
            let principal = self.named(NodeKind::Principal, &principal);
            self.edge(EdgeKind::ActedFor, here.clone(), End::Node(principal), "data.authz.principal");
        }
        let mut decided = false;
        for (member, id, kind, expected) in links {
            let Some(id) = id else { continue };
            decided |= kind == EdgeKind::DecidedBy;
            let other = match self.target(&id, collector) {
                Target::Node(other) => {
                    if self.graph.nodes[other].kind != expected {
                        let note = format!("{member} leads to {id:?}, which is no {}", expected.name());
                        self.edge_to_nothing(node, note);
                    }
                    End::Node(other)
                }
                Target::Elsewhere => {
                    let note = format!("{member} leads to {id:?}, which is no {}", expected.name());
                    self.edge_to_nothing(node, note);
                    continue;
                }
                Target::Missing => {
                    let note = format!("{member} leads to {id:?}, which is no envelope of the input");
                    self.edge_to_nothing(node, note);
                    End::Missing(id)
                }
            };
            // Whoever has authority gives it.
            let (from, to) =
                if kind == EdgeKind::Authorized { (other, here.clone()) } else { (here.clone(), other) };
            self.edge(kind, from, to, member);
        }
        if let Some(cause) = cause {
            match self.target(&cause, collector) {
                Target::Node(cause) => {
                    let is_decision = self.graph.nodes[cause].kind == NodeKind::Decision;
                    if is_decision && !decided && self.graph.nodes[node].kind == NodeKind::Action {
                        self.edge(EdgeKind::DecidedBy, here.clone(), End::Node(cause), "causationid");
                    }
                    self.edge(EdgeKind::Caused, End::Node(cause), here.clone(), "causationid");
                }
                Target::Elsewhere => {}
                Target::Missing => {
                    let note = format!("causationid leads to {cause:?}, which is no envelope of the input");
                    self.edge_to_nothing(node, note);
                    self.edge(EdgeKind::Caused, End::Missing(cause), here.clone(), "causationid");
                }
            }
        }
        if let Some(run) = run
            && self.graph.nodes[node].kind != NodeKind::Run
        {
            let run = self.named(NodeKind::Run, &run);
            self.edge(EdgeKind::PartOf, here.clone(), End::Node(run), "runid");
        }
        if let Some(parent) = parent {
            let parent = self.named(NodeKind::Run, &parent);
            self.edge(EdgeKind::PartOf, here, End::Node(parent), "data.parent_run");
        }
    }
}

/// Whether two envelopes tell the same of one event. Lanes may see different content, and members that a policy added
/// or dropped for one of them; never different authority.
fn same(a: &Fact, b: &Fact) -> bool {
    let of = |fact: &Fact| {
        let links =
            [&fact.identity, &fact.decision, &fact.delegated_by, &fact.principal, &fact.run, &fact.cause];
        (fact.agent.clone(), fact.event_type.clone(), fact.at, links.map(Clone::clone))
    };
    let what = if a.viewed || b.viewed { a.what.agrees(&b.what) } else { a.what == b.what };
    of(a) == of(b) && what
}
