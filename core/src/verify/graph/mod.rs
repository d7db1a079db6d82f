//! The authorization graph: who did what, by whose leave, from envelopes alone.
//!
//! Guarantees: every edge was read from a member of an envelope, and names it; nothing is inferred from the order or the
//! likeness of events. What no signature covers is shown and marked, and authorizes nothing. A finding is about what is
//! there, never about how it is asked for: what is selected decides only which are shown. Linear in the input but for
//! sorting; at most [`MOST`] envelopes are part of a graph.
//!
//! How: while the verifier reads, [`facts`] keeps what an envelope says of authority. Once it is known what is covered,
//! [`build`] makes nodes and edges of that, and [`judge`] finds what does not hold. [`text`] and [`draw`] show it.

mod build;
mod draw;
mod facts;
mod judge;
mod select;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use self::facts::Fact;
use super::place::{Place, Sources};
use super::report::{Report, Verdict};
use super::verifier::Verifier;
use crate::envelope::line::Envelope;
use crate::error::{Error, Result};
use crate::seam::UnixNanos;

/// Most envelopes that are part of a graph.
const MOST: usize = 1_000_000;

/// Which part of a graph is shown: what fits all that is said, and what that rests on.
#[derive(Clone, Debug, Default)]
pub struct GraphFilter {
    /// A run, with those that it began.
    pub run: Option<String>,
    /// An agent.
    pub agent: Option<String>,
    /// What happened then or later.
    pub since: Option<UnixNanos>,
    /// One event, by its id.
    pub event: Option<String>,
}

/// What is a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum NodeKind {
    Principal,
    Agent,
    Delegation,
    Decision,
    Action,
    Result,
    Run,
}

impl NodeKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Agent => "agent",
            Self::Delegation => "delegation",
            Self::Decision => "decision",
            Self::Action => "action",
            Self::Result => "result",
            Self::Run => "run",
        }
    }
}

/// How far an envelope can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// A good signature covers it.
    Verified,
    /// No key was given; form and chain hold.
    Unchecked,
    /// Nothing covers it.
    Unverified,
}

struct Node {
    kind: NodeKind,
    /// The event's id; of a principal, an agent and a run its name.
    name: Box<str>,
    /// The envelope; of a run the one that began it, or else the first that told of it.
    fact: Option<usize>,
    /// When a run was last heard of.
    last: UnixNanos,
    /// How a run ended.
    ended: Option<Box<str>>,
    /// A run's goal.
    goal: Option<Box<str>>,
    /// The node that revoked a delegation, the earliest.
    revoked: Option<usize>,
}

/// What an edge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum EdgeKind {
    ActedFor,
    DelegatedBy,
    IssuedBy,
    DecidedBy,
    Authorized,
    Caused,
    PartOf,
}

impl EdgeKind {
    const fn name(self) -> &'static str {
        match self {
            Self::ActedFor => "acted_for",
            Self::DelegatedBy => "delegated_by",
            Self::IssuedBy => "issued_by",
            Self::DecidedBy => "decided_by",
            Self::Authorized => "authorized",
            Self::Caused => "caused",
            Self::PartOf => "part_of",
        }
    }
}

/// An end of an edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum End {
    Node(usize),
    /// An event's id, or a run's, that nothing in the input has.
    Missing(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Edge {
    kind: EdgeKind,
    from: End,
    to: End,
    member: &'static str,
}

/// What does not hold in a graph, as one of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GraphFindingKind {
    /// An action that nothing let.
    NoDecision,
    /// An action that went on though it was denied.
    AfterDeny,
    /// An authority that had expired at the time.
    ExpiredAuthority,
    /// An authority that had been revoked by then.
    RevokedAuthority,
    /// An authority that was refused.
    RefusedAuthority,
    /// A delegation that lets more than the one it came from.
    WidenedScope,
    /// What leads back to itself.
    Cycle,
    /// An edge to what is not in the input, or is something else.
    EdgeToNothing,
    /// It rests on what no signature covers.
    Unverified,
    /// Two events of one id that say different things.
    AmbiguousId,
}

impl GraphFindingKind {
    /// The public name, `after_deny` for example.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDecision => "no_decision",
            Self::AfterDeny => "after_deny",
            Self::ExpiredAuthority => "expired_authority",
            Self::RevokedAuthority => "revoked_authority",
            Self::RefusedAuthority => "refused_authority",
            Self::WidenedScope => "widened_scope",
            Self::Cycle => "cycle",
            Self::EdgeToNothing => "edge_to_nothing",
            Self::Unverified => "unverified",
            Self::AmbiguousId => "ambiguous_id",
        }
    }
}

struct Found {
    kind: GraphFindingKind,
    node: usize,
    note: String,
}

/// One finding, as others may ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFinding {
    /// What.
    pub kind: GraphFindingKind,
    /// The event's id, or the run's.
    pub id: String,
    /// For people.
    pub note: String,
}

/// The graph, and what was found in it.
pub struct Graph {
    facts: Vec<Fact>,
    /// By fact.
    standing: Vec<Standing>,
    sources: Sources,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    findings: Vec<Found>,
    verdict: Verdict,
}

impl Graph {
    /// What was found, in the order of nodes.
    #[must_use]
    pub fn findings(&self) -> Vec<GraphFinding> {
        let of = |found: &Found| GraphFinding {
            kind: found.kind,
            id: self.nodes[found.node].name.to_string(),
            note: found.note.clone(),
        };
        self.findings.iter().map(of).collect()
    }

    fn fact(&self, node: usize) -> Option<&Fact> {
        self.nodes[node].fact.map(|fact| &self.facts[fact])
    }

    fn standing(&self, node: usize) -> Option<Standing> {
        self.nodes[node].fact.map(|fact| self.standing[fact])
    }
}

/// What is kept while envelopes are read.
#[derive(Default)]
pub(super) struct Collector {
    facts: Vec<Fact>,
    /// Of every event, its id's hash.
    ids: HashSet<u64>,
    hasher: RandomState,
    overflow: bool,
}

impl Collector {
    pub(super) fn take(&mut self, envelope: &Envelope<'_>, hash: &[u8; 32], place: Place) {
        if envelope.form.is_some() {
            return;
        }
        self.ids.insert(self.hasher.hash_one(&*envelope.id));
        let Some(fact) = facts::read(envelope, hash, place) else { return };
        if self.facts.len() < MOST {
            self.facts.push(fact);
        } else {
            self.overflow = true;
        }
    }

    fn has(&self, id: &str) -> bool {
        self.ids.contains(&self.hasher.hash_one(id))
    }
}

impl Verifier {
    /// Judges all that was read, as [`finish`](Self::finish) does, and answers the graph of it; the verifier's options
    /// must ask for one ([`Options::graph`](super::Options)).
    ///
    /// # Errors
    /// As [`finish`](Self::finish). Kind `invalid_argument`: the options do not ask for a graph, or it has too many
    /// nodes, or what is asked for is not in it.
    pub fn graph(mut self, filter: &GraphFilter) -> Result<(Report, Graph)> {
        let Some(collector) = self.state.graph.take() else {
            return Err(Error::invalid_argument("the options of this verifier ask for no graph"));
        };
        if collector.overflow {
            let what = format!(
                "more than {MOST} envelopes say something of authority, which is as many as one graph takes; \
                 give fewer files"
            );
            return Err(Error::invalid_argument(what));
        }
        let sources = self.state.sources.clone();
        let keyed = !self.state.options.keys.is_empty();
        let (report, settled) = self.settle()?;
        let standing = |fact: &Fact| match settled.covering(fact.streamid, fact.sequence, &fact.hash) {
            None => Standing::Unverified,
            Some(_) if keyed => Standing::Verified,
            Some(_) => Standing::Unchecked,
        };
        let standing = collector.facts.iter().map(standing).collect();
        let mut graph = build::build(collector, standing, sources, report.verdict);
        judge::judge(&mut graph);
        select::select(&mut graph, filter)?;
        Ok((report, graph))
    }
}
