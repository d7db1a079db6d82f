//! Which run a span belongs to.
//!
//! Guarantees: each agent's span is a run of its own, with the run around it as `parent_run`; a run has one start and one
//! end, whatever its attributes say later, and however many instrumentations describe it. What happens inside a run's span
//! (other spans, events with its trace context) is known to belong to it for as long as the span is open.
//! What is remembered is bounded, and nothing is kept of a trace that has ended but the ids of its runs.
//!
//! How: every span that starts is noted with the run around it. The first run of a trace that began here has the trace's id,
//! so that other processes' parts of the trace name it, too; any other has the trace's and its span's. A call id that the
//! framework gives is taken instead, unless the run has started without it.

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
    /// The start of the run is to be told.
    pub(super) starts: bool,
    /// The span's end is the run's.
    pub(super) ends: bool,
}

impl Place {
    /// Of a span of which nothing is known but itself.
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
    /// The run that what is inside belongs to.
    run: Option<Arc<str>>,
    parent_run: Option<Arc<str>>,
    /// The span is that run.
    own: bool,
    /// It came from another process, with what is around it.
    remote: bool,
}

#[derive(Default)]
struct Known {
    open: HashMap<Key, Open>,
    order: VecDeque<Key>,
    /// Runs that have started here.
    runs: HashSet<Arc<str>>,
    runs_order: VecDeque<Arc<str>>,
    /// Something was forgotten: a span without a start may have had one.
    overflowed: bool,
}

/// The open spans of an emitter.
#[derive(Default)]
pub struct Runs {
    known: Mutex<Known>,
    /// How many are open, so that an emitter without spans asks nothing.
    open: AtomicUsize,
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runs({} open)", self.open.load(Ordering::Relaxed))
    }
}

impl Runs {
    /// Where a span belongs that starts or has ended.
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
            // Told twice.
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
            // Only its end says that it is an agent's: it starts, and ends, now.
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
            // Whose parent is not known is somebody else's part of the trace.
            None => (None, true),
        }
    }

    /// What a span is, with that run around it.
    fn opened(&mut self, span: &Span<'_>, (around, remote): (Option<Arc<str>>, bool)) -> (Open, Place) {
        let remote = remote || span.parent_is_remote;
        if !is_agent(span) {
            let run = named(span).map(Arc::from).or(around);
            return (Open { run, parent_run: None, own: false, remote }, Place::default());
        }
        let given = named(span);
        if given.is_some_and(|given| around.as_deref() == Some(given)) {
            // A second description of the run around it.
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
        // Those that have ended lie in the order until their turn comes.
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
