//! Deeds: intents, and the results that say what came of them (docs/DEEDS.md).
//!
//! Guarantees: some 100 bytes for each intent without a result and each result without an intent, 16 for each deed that
//! has both; only covered envelopes count. An intent and its result belong together by the intent's id and the agent,
//! in whichever streams they stand: a stream may end between the two. Where both stand in one stream, their order counts.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use smallvec::SmallVec;

use super::place::Place;
use super::report::{int, object};
use crate::envelope::line::Envelope;
pub use crate::event::UnfinishedDeed;
use crate::json::{Value, parse};
use crate::terminal::Safe;

/// What an envelope says of a deed.
#[derive(Debug)]
pub(super) struct Told {
    /// Whether it is the result.
    result: bool,
    /// The agent and the intent's id, as a hash.
    deed: u64,
    /// The envelope's own id, as a hash.
    id: u64,
    /// The outcome of a result, where deeds are asked for.
    outcome: Option<Box<str>>,
    /// What is known of an intent, where deeds are asked for.
    facts: Option<Box<Facts>>,
}

/// What is known of an intent, for people.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    id: String,
    agentid: String,
    event_type: String,
    time: String,
    subject: Option<String>,
    runid: Option<String>,
    tool: Option<String>,
}

/// A place in a stream.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) stream: usize,
    pub(super) sequence: u64,
    pub(super) place: Place,
    facts: Option<Box<Facts>>,
}

/// What of a deed waits for its other half.
#[derive(Default)]
struct Open {
    intents: SmallVec<[At; 1]>,
    results: SmallVec<[(u64, At); 1]>,
}

/// What is wrong with an envelope of a deed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is another result of the same deed.
    Second,
    /// The result stands before the intent in their stream.
    Early,
}

/// All deeds of the input.
#[derive(Default)]
pub(super) struct Deeds {
    state: RandomState,
    open: HashMap<u64, Open>,
    /// The deeds that have an intent and a result in one stream, each with the hash of its result's id.
    done: HashMap<u64, u64>,
    intents: u64,
    outcomes: BTreeMap<Box<str>, u64>,
}

/// What is left when all input has been read.
pub(super) struct Rest {
    pub(super) unfinished: Vec<At>,
    pub(super) without_intent: Vec<At>,
}

impl Deeds {
    /// What an envelope says of a deed, if anything. `detailed`: deeds are asked for.
    pub(super) fn read(&self, envelope: &Envelope<'_>, detailed: bool) -> Option<Told> {
        let phase = envelope.phase.as_deref().filter(|_| !envelope.core)?;
        let result = match phase {
            "intent" => false,
            "result" => true,
            _ => return None,
        };
        let text = |name: &str| {
            let raw = envelope.attribute(name)?;
            parse(raw).ok()?.as_str().map(str::to_owned)
        };
        let intent = if result { text("causationid").unwrap_or_default() } else { envelope.id.to_string() };
        let data = detailed.then(|| parse(envelope.data).ok()).flatten();
        let member = |name: &str| data.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let facts = (detailed && !result).then(|| {
            Box::new(Facts {
                id: envelope.id.to_string(),
                agentid: envelope.agentid.to_string(),
                event_type: envelope.event_type.to_string(),
                time: envelope.time.to_string(),
                subject: text("subject"),
                runid: text("runid"),
                tool: member("tool"),
            })
        });
        Some(Told {
            result,
            deed: self.state.hash_one((&*envelope.agentid, intent)),
            id: self.state.hash_one(&*envelope.id),
            outcome: member("outcome").filter(|_| result).map(Into::into),
            facts,
        })
    }

    /// Takes what a covered envelope says; the answer is what is wrong, and where.
    pub(super) fn take(
        &mut self,
        told: Told,
        stream: usize,
        sequence: u64,
        place: Place,
    ) -> SmallVec<[(Fault, At); 1]> {
        let mut faults = SmallVec::new();
        let at = At { stream, sequence, place, facts: told.facts };
        let known = self.done.get(&told.deed).copied();
        let open = self.open.entry(told.deed).or_default();
        if told.result {
            let known = known.or_else(|| open.results.first().map(|(id, _)| *id));
            match known {
                Some(id) if id != told.id => faults.push((Fault::Second, at.clone())),
                Some(_) => {}
                None => *self.outcomes.entry(told.outcome.unwrap_or_default()).or_default() += 1,
            }
            match open.intents.iter().position(|intent| intent.stream == stream) {
                Some(i) => {
                    let intent = open.intents.remove(i);
                    if intent.sequence > sequence {
                        faults.push((Fault::Early, at));
                    }
                    self.done.entry(told.deed).or_insert(told.id);
                }
                None if faults.is_empty() => open.results.push((told.id, at)),
                // It is reported already.
                None => {}
            }
        } else {
            if known.is_none() && open.intents.is_empty() {
                self.intents += 1;
            }
            match open.results.iter().position(|(_, result)| result.stream == stream) {
                Some(i) => {
                    let (id, result) = open.results.remove(i);
                    if result.sequence < sequence {
                        faults.push((Fault::Early, result));
                    }
                    self.done.entry(told.deed).or_insert(id);
                }
                None => open.intents.push(at),
            }
        }
        if open.intents.is_empty() && open.results.is_empty() {
            self.open.remove(&told.deed);
        }
        faults
    }

    /// What has no other half anywhere in the input.
    pub(super) fn finish(&mut self) -> Rest {
        let mut rest = Rest { unfinished: Vec::new(), without_intent: Vec::new() };
        for (deed, open) in std::mem::take(&mut self.open) {
            if self.done.contains_key(&deed) {
                continue;
            }
            if open.results.is_empty() {
                let mut intents = open.intents.into_vec();
                intents.sort_by_key(|at| at.place);
                rest.unfinished.extend(intents.into_iter().next());
            } else if open.intents.is_empty() {
                rest.without_intent.extend(open.results.into_iter().map(|(_, at)| at));
            }
        }
        rest.unfinished.sort_by_key(|at| at.place);
        rest.without_intent.sort_by_key(|at| at.place);
        rest
    }

    /// How many deeds have an intent, and how those ended that have a result.
    pub(super) fn counts(&self) -> (u64, BTreeMap<String, u64>) {
        (self.intents, self.outcomes.iter().map(|(name, n)| (name.to_string(), *n)).collect())
    }
}

impl Told {
    /// The bytes that it holds.
    pub(super) fn size(&self) -> usize {
        let facts = |f: &Facts| {
            let more = [&f.subject, &f.runid, &f.tool].into_iter().flatten().map(String::len).sum::<usize>();
            f.id.len() + f.agentid.len() + f.event_type.len() + f.time.len() + more
        };
        // What `sinkwell deeds` asks for counts only up to 1 KiB, as with edges.
        48 + self.facts.as_deref().map_or(0, facts).min(1024)
    }
}

/// What the input says of deeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeedsReport {
    /// How many were intended.
    pub intents: u64,
    /// How many results there are, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Those of which nothing says how they ended, the oldest first.
    pub unfinished: Vec<UnfinishedDeed>,
}

impl UnfinishedDeed {
    pub(super) fn new(at: &At, streamid: String, place: String) -> Option<Self> {
        let facts = at.facts.as_deref()?.clone();
        Some(Self {
            id: facts.id,
            agentid: facts.agentid,
            event_type: facts.event_type,
            time: facts.time,
            subject: facts.subject,
            runid: facts.runid,
            tool: facts.tool,
            streamid,
            sequence: at.sequence,
            place,
        })
    }
}

impl DeedsReport {
    /// The object of `sinkwell deeds --format json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let outcomes = self.outcomes.iter().map(|(name, n)| (name.clone(), int(*n))).collect();
        object([
            ("intents", int(self.intents)),
            ("outcomes", Value::Object(outcomes)),
            ("unfinished", Value::Array(self.unfinished.iter().map(UnfinishedDeed::to_json).collect())),
        ])
    }
}

impl std::fmt::Display for DeedsReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ended: Vec<String> =
            self.outcomes.iter().map(|(name, n)| format!("{n} {}", Safe(name))).collect();
        let ended = if ended.is_empty() { "no result".to_owned() } else { ended.join(", ") };
        writeln!(f, "deeds: {} intended; {ended}; {} unfinished", self.intents, self.unfinished.len())?;
        for deed in &self.unfinished {
            writeln!(f, "\n{}  {}", Safe(&deed.time), Safe(&deed.id))?;
            write!(f, "  {}", Safe(&deed.event_type))?;
            for (name, value) in [("tool", &deed.tool), ("subject", &deed.subject), ("run", &deed.runid)] {
                if let Some(value) = value {
                    write!(f, ", {name} {}", Safe(value))?;
                }
            }
            let agent = Safe(&deed.agentid);
            writeln!(f, "\n  agent {agent}, stream {}, sequence {}", deed.streamid, deed.sequence)?;
            writeln!(f, "  {}: nothing says whether it was done, or how it ended", Safe(&deed.place))?;
        }
        Ok(())
    }
}
