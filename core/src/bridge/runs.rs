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

use super::event::is_agent;
use super::names::SpanNames;
use super::span::Span;
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
}

impl Place {
    /// The place of a span when no other span is known.
    pub(super) fn alone(span: &Span<'_>) -> Self {
        let is_agent = is_agent(span);
        let run = named(span).or(span.trace_id).map(Arc::from);
        Self { run, parent_run: None, starts: is_agent && span.end.is_none(), ends: is_agent }
    }
}

/// The run that a span itself names.
fn named<'a>(span: &Span<'a>) -> Option<&'a str> {
    let names = SpanNames::get();
    span.text(&names.run).or_else(|| span.text(&names.saga))
}

/// A trace's id and a span's.
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
        let Some(key) = span.trace_id.zip(span.span_id).and_then(|(trace, span)| key(trace, span)) else {
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
                return Place { run: open.run, parent_run: open.parent_run, starts: false, ends: true };
            }
            // At its start it was not known to be an agent's span: its run starts and ends now.
            Some(open) if is_agent(span) => {
                let (open, place) = self.opened(span, (open.run, open.remote));
                (open, place.starts)
            }
            Some(open) => (open, false),
            None => {
                let around = self.around(span, key);
                let (open, place) = self.opened(span, around);
                (open, place.starts && !self.overflowed)
            }
        };
        if open.own {
            return Place { run: open.run, parent_run: open.parent_run, starts, ends: true };
        }
        let run = named.or(open.run).or_else(|| span.trace_id.map(Arc::from));
        Place { run, parent_run: None, starts: false, ends: false }
    }

    /// The run around a span that starts, and whether it comes from another process.
    fn around(&self, span: &Span<'_>, key: Key) -> (Option<Arc<str>>, bool) {
        let Some(parent) = span.parent_span_id else { return (None, false) };
        let parent = u64::from_str_radix(parent, 16).ok().and_then(|parent| self.open.get(&(key.0, parent)));
        match parent {
            Some(parent) => (parent.run.clone(), parent.remote),
            // The parent is unknown, so that it belongs to another process.
            None => (None, true),
        }
    }

    /// The entry for a span that starts inside the run `around`, and the span's place.
    fn opened(&mut self, span: &Span<'_>, (around, remote): (Option<Arc<str>>, bool)) -> (Open, Place) {
        let remote = remote || span.parent_is_remote;
        if !is_agent(span) {
            let run = named(span).map(Arc::from).or(around);
            return (Open { run, parent_run: None, own: false, remote }, Place::default());
        }
        let given = named(span);
        if given.is_some_and(|given| around.as_deref() == Some(given)) {
            // The span names the run around it: another instrumentation's span of the same call.
            return (Open { run: around, parent_run: None, own: false, remote }, Place::default());
        }
        let whole = span.trace_id.filter(|_| around.is_none() && !remote);
        let fresh = |run: &&str| !self.runs.contains(*run);
        let run = given.filter(fresh).or_else(|| whole.filter(fresh)).map_or_else(
            || format!("{}-{}", span.trace_id.unwrap_or_default(), span.span_id.unwrap_or_default()).into(),
            Arc::from,
        );
        self.began(&run);
        let place =
            Place { run: Some(Arc::clone(&run)), parent_run: around.clone(), starts: true, ends: false };
        (Open { run: Some(run), parent_run: around, own: true, remote }, place)
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
