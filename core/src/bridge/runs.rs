//! Which run a span belongs to.
//!
//! Guarantees: each agent's span is a run of its own, with the run around it as `parent_run`; a run has one start and one
//! end, whatever its attributes say later, and however many instrumentations describe it. What happens inside a run's span
//! (other spans, events with its trace context) is known to belong to it for as long as the span is open.
//! Memory is bounded, and of a trace that has ended only the ids of its runs are kept.
//!
//! How: every span that starts is noted with the run around it. A call id that the framework gives is the run's id,
//! unless the run has started without it. Else the first run of a trace that began in this process has the trace's id,
//! which other processes' parts of the trace know too, and any other run has the trace's and its span's id.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::event::is_agent;
use super::names::SpanNames;
use super::span::Span;
use super::step::Step;
use crate::event::Trace;
use crate::sync::{Mutex, lock};

/// The most spans that are open at once, and the most ids of runs that are remembered.
const MOST: usize = 16_384;

/// Where a span belongs.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) run: Option<Arc<str>>,
    pub(super) parent_run: Option<Arc<str>>,
    /// Whether `run.started` must be emitted.
    pub(super) starts: bool,
    /// Whether the end of the span is the end of the run.
    pub(super) ends: bool,
    /// Whether it tells once more of a run that has ended: it stands for no event.
    pub(super) again: bool,
    /// The event that caused it: the intent of the deed that it is inside.
    pub(super) causation: Option<Arc<str>>,
}

impl Place {
    /// The place of a span when no other span is known.
    pub(super) fn alone(span: &Span<'_>) -> Self {
        let is_agent = is_agent(span);
        let run = named(span).or(span.trace_id).map(Arc::from);
        let starts = is_agent && span.end.is_none();
        Self { run, starts, ends: is_agent, ..Self::default() }
    }
}

/// The run that a span itself names.
fn named<'a>(span: &Span<'a>) -> Option<&'a str> {
    let names = SpanNames::get();
    if let Some(step) = span.step.filter(Step::is_run) {
        return Some(step.id);
    }
    span.text(&names.run).or_else(|| span.text(&names.saga))
}

/// A trace's id and a span's; of a step a digest of its id.
type Key = (u128, u64);

/// An open span.
struct Open {
    /// The run to which everything inside the span belongs.
    run: Option<Arc<str>>,
    parent_run: Option<Arc<str>>,
    /// Whether the span is that run's own.
    own: bool,
    /// Whether a span around it belongs to another process.
    remote: bool,
    /// The event that causes what is inside it.
    causes: Option<Arc<str>>,
}

/// What is around a span that starts.
#[derive(Default)]
struct Around {
    run: Option<Arc<str>>,
    /// Whether it comes from another process.
    remote: bool,
    cause: Option<Arc<str>>,
}

#[derive(Default)]
struct Known {
    open: HashMap<Key, Open>,
    order: VecDeque<Key>,
    /// Runs that have started here.
    runs: HashSet<Arc<str>>,
    runs_order: VecDeque<Arc<str>>,
    /// Whether open spans were forgotten for lack of room: a span that ends without a known start may have had one.
    overflowed: bool,
}

/// The open spans of an emitter.
#[derive(Default)]
pub struct Runs {
    known: Mutex<Known>,
    /// How many are open: an emitter without spans need not take the lock.
    open: AtomicUsize,
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runs({} open)", self.open.load(Ordering::Relaxed))
    }
}

impl Runs {
    /// Notes that a span starts or ends; returns where it belongs.
    pub(super) fn place(&self, span: &Span<'_>) -> Place {
        let Some(key) = key_of(span) else {
            let mut place = Place::alone(span);
            place.starts |= place.ends;
            return place;
        };
        let mut known = lock(&self.known);
        let place = if span.end.is_none() { known.start(span, key) } else { known.end(span, key) };
        self.open.store(known.open.len(), Ordering::Relaxed);
        place
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.known).open.len()
    }

    /// The run around whatever happens in this span.
    pub(crate) fn around(&self, trace: &Trace<'_>) -> Option<Arc<str>> {
        if self.open.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let key = key(trace.trace_id, trace.span_id)?;
        lock(&self.known).open.get(&key).and_then(|open| open.run.clone())
    }
}

fn key_of(span: &Span<'_>) -> Option<Key> {
    match &span.step {
        Some(step) => Some(key_of_step(step.id)),
        None => span.trace_id.zip(span.span_id).and_then(|(trace, span)| key(trace, span)),
    }
}

/// The key of the span around a span, if it says one.
fn key_around(span: &Span<'_>, key: Key) -> Option<Key> {
    match &span.step {
        Some(step) => step.parent.map(key_of_step),
        None => Some((key.0, u64::from_str_radix(span.parent_span_id?, 16).ok()?)),
    }
}

/// A framework's ids are texts of any form. A digest of them meets no trace's id.
fn key_of_step(id: &str) -> Key {
    let digest: [u8; 32] = Sha256::new_with_prefix(b"sinkwell-step-v1\n").chain_update(id).finalize().into();
    let half =
        |from: usize| digest[from..from + 8].iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    ((u128::from(half(0)) << 64) | u128::from(half(8)), half(16))
}

fn key(trace: &str, span: &str) -> Option<Key> {
    if trace.len() != 32 || span.len() != 16 {
        return None;
    }
    Some((u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?))
}

impl Known {
    fn start(&mut self, span: &Span<'_>, key: Key) -> Place {
        if self.open.contains_key(&key) {
            // The same start was told twice.
            return Place::default();
        }
        let around = self.around(span, key);
        let (open, place) = self.opened(span, around);
        self.note(key, open);
        place
    }

    fn end(&mut self, span: &Span<'_>, key: Key) -> Place {
        let noted = self.open.remove(&key);
        let named = named(span).map(Arc::from);
        let (open, starts) = match noted {
            Some(open) if open.own => {
                return Place { run: open.run, parent_run: open.parent_run, ends: true, ..Place::default() };
            }
            // At its start it was not known to be an agent's span: its run starts and ends now.
            Some(open) if is_agent(span) => {
                let around = Around { run: open.run, remote: open.remote, cause: open.causes };
                let (open, place) = self.opened(span, around);
                if place.again {
                    return place;
                }
                (open, place.starts)
            }
            Some(open) => (open, false),
            None => {
                let around = self.around(span, key);
                let (open, place) = self.opened(span, around);
                if place.again {
                    return place;
                }
                (open, place.starts && !self.overflowed)
            }
        };
        if open.own {
            return Place {
                run: open.run,
                parent_run: open.parent_run,
                starts,
                ends: true,
                ..Place::default()
            };
        }
        let run = named.or(open.run).or_else(|| span.trace_id.map(Arc::from));
        // A deed is not its own cause.
        let causation = open.causes.filter(|cause| span.step.is_none_or(|step| step.id != &**cause));
        Place { run, causation, ..Place::default() }
    }

    /// The run around a span that starts, and whether it comes from another process.
    fn around(&self, span: &Span<'_>, key: Key) -> Around {
        match key_around(span, key).map(|key| self.open.get(&key)) {
            Some(Some(parent)) => {
                Around { run: parent.run.clone(), remote: parent.remote, cause: parent.causes.clone() }
            }
            _ => match &span.step {
                Some(step) => Around { run: step.run.map(Arc::from), ..Around::default() },
                // The parent is unknown, so that it belongs to another process.
                None => Around { remote: span.parent_span_id.is_some(), ..Around::default() },
            },
        }
    }

    /// The entry for a span that starts inside the run `around`, and the span's place.
    fn opened(&mut self, span: &Span<'_>, around: Around) -> (Open, Place) {
        let Around { run: around, remote, cause } = around;
        let remote = remote || span.parent_is_remote;
        if !is_agent(span) {
            let run = named(span).map(Arc::from).or(around);
            let causes =
                span.step.filter(|step| step.deed).map(|step| Arc::from(step.id)).or_else(|| cause.clone());
            let told = run.clone().or_else(|| span.trace_id.map(Arc::from));
            let place = Place { run: told, causation: cause, ..Place::default() };
            return (Open { run, parent_run: None, own: false, remote, causes }, place);
        }
        let given = named(span);
        if given.is_some_and(|given| around.as_deref() == Some(given)) {
            // The span names the run around it: another instrumentation's span of the same call.
            let open = Open { run: around, parent_run: None, own: false, remote, causes: None };
            return (open, Place { again: span.step.is_some(), ..Place::default() });
        }
        if let Some(step) = span.step.filter(|step| self.runs.contains(step.id)) {
            // Its run has been told of: a second integration, or a run that goes on under its old id.
            let run = Some(Arc::from(step.id));
            let open = Open { run, parent_run: None, own: false, remote, causes: None };
            return (open, Place { again: true, ..Place::default() });
        }
        let whole = span.trace_id.filter(|_| around.is_none() && !remote);
        let fresh = |run: &&str| !self.runs.contains(*run);
        let run = given.filter(fresh).or_else(|| whole.filter(fresh)).map_or_else(
            || format!("{}-{}", span.trace_id.unwrap_or_default(), span.span_id.unwrap_or_default()).into(),
            Arc::from,
        );
        self.began(&run);
        let place = Place {
            run: Some(Arc::clone(&run)),
            parent_run: around.clone(),
            starts: true,
            causation: cause,
            ..Place::default()
        };
        (Open { run: Some(run), parent_run: around, own: true, remote, causes: None }, place)
    }

    fn began(&mut self, run: &Arc<str>) {
        if self.runs.insert(Arc::clone(run)) {
            self.runs_order.push_back(Arc::clone(run));
            if self.runs_order.len() > MOST
                && let Some(oldest) = self.runs_order.pop_front()
            {
                self.runs.remove(&oldest);
            }
        }
    }

    fn note(&mut self, key: Key, open: Open) {
        self.open.insert(key, open);
        self.order.push_back(key);
        // `order` still holds spans that have ended; they are dropped when they come to its front.
        while self.open.len() > MOST || self.order.len() > MOST.max(2 * self.open.len()) {
            let Some(oldest) = self.order.pop_front() else { break };
            if !self.open.contains_key(&oldest) {
                continue;
            }
            if self.open.len() > MOST {
                self.open.remove(&oldest);
                self.overflowed = true;
            } else {
                self.order.push_back(oldest);
            }
        }
    }
}
