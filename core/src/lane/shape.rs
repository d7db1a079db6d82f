//! Where policies affect what lanes get: an event's route before admission, and a lane's view of it before sealing.
//!
//! Guarantees, whatever implements [`Shaping`]: policies never see a terminal event or an own envelope ([`Shapable`]
//! cannot be made of one), and a lane of the class `audit` or `siem` can neither be filtered nor get a view of its own.
//! An event carries the set of policies that routed it, so that the same set shapes it. An emitter without policies
//! only checks one `Option`.

use std::ops::Deref;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::envelope::Redacted;
use crate::event::Event;
use crate::sink::{SinkClass, SpanForm};

/// Why a policy keeps an event out of a lane: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Filter {
    /// The policy sends this lane no events at all: `mode: Disabled`.
    Disabled,
    /// There are rules of `matches`, and none matched.
    Matches,
    /// A rule said that it is to be dropped.
    Drop,
    /// It was sampled out.
    Sampling,
}

impl Filter {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Disabled, Self::Matches, Self::Drop, Self::Sampling];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Matches => "matches",
            Self::Drop => "drop",
            Self::Sampling => "sampling",
        }
    }
}

/// Whether a policy may filter or shape what a lane of these classes gets: not for a class whose users rely on complete
/// records.
pub(crate) fn may_be_shaped(classes: &[SinkClass]) -> bool {
    !classes.iter().any(|class| matches!(class, SinkClass::Siem | SinkClass::Audit))
}

/// An event that a policy may shape: one that is not terminal.
#[derive(Clone, Copy)]
pub(crate) struct Shapable<'a>(&'a Event);

impl<'a> Shapable<'a> {
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        (!event.terminal).then_some(Self(event))
    }
}

impl<'a> Deref for Shapable<'a> {
    type Target = &'a Event;

    fn deref(&self) -> &&'a Event {
        &self.0
    }
}

/// A set of policies in force, bound to the emitter's lanes.
pub(crate) trait Shaping: Send + Sync {
    /// Decides which lanes the event is for. Runs on the caller's thread; an event that finds no room may be routed
    /// again, so nothing is counted here.
    fn route(&self, event: Shapable<'_>, route: &mut Route<'_>);

    /// To be called when the event has entered the lanes of its route: only now it counts.
    fn routed(&self, event: Shapable<'_>, route: &Route<'_>);

    /// Whether [`view`](Self::view) may have anything to say: where not, events need not carry the set.
    fn has_views(&self) -> bool;

    /// What becomes of the span that this event is of, terminal or not, beside the event; `None`: the lane does not get
    /// it as a span.
    fn span(&self, lane: usize, event: &Event) -> Option<SpanForm>;

    /// The event's `data` as the lane with this index is to see it, in canonical form; `None`: as redaction left it.
    fn view(&self, lane: usize, event: Shapable<'_>, redacted: &Redacted) -> Option<Vec<u8>>;
}

/// Adds events to the instruments that policies derive.
pub(crate) trait Measuring: Send + Sync {
    /// The event has entered its lanes. Called once for each, terminal or not, also where every lane filters it.
    fn measure(&self, event: &Event);
}

/// The policies in force, bound to the emitter's lanes; `None` where they say nothing.
#[derive(Clone, Default)]
pub(crate) struct InForce {
    pub(crate) shaping: Option<Arc<dyn Shaping>>,
    pub(crate) measuring: Option<Arc<dyn Measuring>>,
}

/// What policies decided about an event for one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdict {
    filter: Option<Filter>,
    /// Whatever the [`Shaping`] that decided wants to remember.
    note: u64,
}

/// Which lanes an event enters, by their index.
pub(crate) struct Route<'a> {
    /// The lanes that policies may say anything about.
    open: &'a [usize],
    /// What was decided for all of them,
    alike: Verdict,
    /// or for each.
    each: SmallVec<[Verdict; 8]>,
}

impl<'a> Route<'a> {
    /// `open`: the lanes that may be shaped.
    pub(crate) fn new(open: &'a [usize]) -> Self {
        Self { open, alike: Verdict::default(), each: SmallVec::new() }
    }

    /// Why no lane that may be shaped gets the event, and a note to remember.
    pub(crate) fn decide_alike(&mut self, filter: Option<Filter>, note: u64) {
        self.alike = Verdict { filter, note };
    }

    /// Calls `decide` for each lane that may be shaped: it answers why the lane does not get the event, and a note to
    /// remember.
    pub(crate) fn decide(&mut self, mut decide: impl FnMut(usize) -> (Option<Filter>, u64)) {
        self.each = self
            .open
            .iter()
            .map(|&lane| decide(lane))
            .map(|(filter, note)| Verdict { filter, note })
            .collect();
    }

    /// Calls `each` with what was decided, and the lanes that it was decided for.
    #[inline]
    pub(crate) fn verdicts(&self, mut each: impl FnMut(&[usize], Option<Filter>, u64)) {
        if self.each.is_empty() {
            each(self.open, self.alike.filter, self.alike.note);
        }
        for (lane, verdict) in self.open.chunks(1).zip(&self.each) {
            each(lane, verdict.filter, verdict.note);
        }
    }

    /// Whether every lane gets the event.
    pub(crate) fn is_whole(&self) -> bool {
        self.alike.filter.is_none() && self.each.iter().all(|verdict| verdict.filter.is_none())
    }

    /// Why the lane does not get the event.
    pub(crate) fn filter(&self, lane: usize) -> Option<Filter> {
        let at = self.open.iter().position(|open| *open == lane)?;
        self.each.get(at).unwrap_or(&self.alike).filter
    }
}
