//! Time and ids of one emitter, real or fixed by `testing`.
//!
//! Guarantees: with `testing`, the times and ids of an event or a lane depend only on the seed and on how many came
//! before in that emitter or lane, so the order in which threads run does not matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::seam::{Clock, Instant, Random, SeededRandom, Series, SystemClock, SystemRandom, UnixNanos};
use crate::settings::Testing;

#[cfg(test)]
thread_local! {
    /// The clock of the next emitter that a test opens on this thread.
    pub(crate) static GIVEN: std::cell::Cell<Option<Arc<dyn Clock>>> = const { std::cell::Cell::new(None) };
}

/// Where an emitter takes time and randomness from.
pub(crate) struct Timeline {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    fixed: Option<Fixed>,
    /// Ids follow each other rather than being random.
    derived: bool,
}

struct Fixed {
    start: UnixNanos,
    step: UnixNanos,
    events: AtomicU64,
}

impl Timeline {
    /// The system's clock and randomness, or what `testing` fixes.
    pub(crate) fn new(testing: Option<&Testing>, derived: bool) -> Self {
        Self { derived, ..Self::of(testing) }
    }

    fn of(testing: Option<&Testing>) -> Self {
        #[cfg(test)]
        if let Some(clock) = GIVEN.take() {
            return Self::with(clock, Arc::new(SystemRandom));
        }
        match testing {
            None => Self::with(Arc::new(SystemClock::default()), Arc::new(SystemRandom)),
            Some(testing) => Self {
                clock: Arc::new(SystemClock::default()),
                random: Arc::new(SeededRandom::new(testing.seed)),
                fixed: Some(Fixed {
                    start: testing.clock,
                    step: nanos(testing.step),
                    events: AtomicU64::new(0),
                }),
                derived: false,
            },
        }
    }

    /// With a clock and randomness that a test provides.
    pub(crate) fn with(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, fixed: None, derived: false }
    }

    /// Time of the next event, by both clocks, and what of its id is no time.
    #[inline]
    pub(crate) fn event(&self) -> (UnixNanos, Instant, [u8; 16]) {
        let (unix, now) = self.clock.both();
        match &self.fixed {
            None if self.derived => (unix, now, Series::bytes16()),
            None => (unix, now, self.random.bytes16("", 0)),
            Some(fixed) => {
                let (unix, bytes) = self.fixed_event(fixed);
                (unix, now, bytes)
            }
        }
    }

    #[inline(never)]
    fn fixed_event(&self, fixed: &Fixed) -> (UnixNanos, [u8; 16]) {
        let n = fixed.events.fetch_add(1, Ordering::SeqCst);
        let bytes = match self.derived {
            true => Series::nth(u128::from_be_bytes(self.random.bytes16("ids", 0)), n),
            false => self.random.bytes16("event", n),
        };
        (fixed.at(n), bytes)
    }

    /// What of the id of the `n`-th envelope of a lane about itself is no time.
    pub(crate) fn own(&self, lane: &str, n: u64) -> [u8; 16] {
        match (&self.fixed, self.derived) {
            (None, true) => Series::bytes16(),
            _ => self.random.bytes16(&format!("own:{lane}"), n),
        }
    }

    /// The recorded time of the `n`-th envelope of a lane.
    pub(crate) fn recorded(&self, n: u64) -> UnixNanos {
        match &self.fixed {
            None => self.clock.unix_nanos(),
            Some(fixed) => fixed.at(n),
        }
    }

    /// Random bytes for the `n`-th thing that `scope` names.
    pub(crate) fn bytes16(&self, scope: &str, n: u64) -> [u8; 16] {
        self.random.bytes16(scope, n)
    }

    /// The time at which content of an event with the time `event` is judged: now, or with `testing` the event's own
    /// time.
    pub(crate) fn judged_at(&self, event: UnixNanos) -> UnixNanos {
        match &self.fixed {
            None => self.clock.unix_nanos(),
            Some(_) => event,
        }
    }

    /// Wall-clock time, for what stands in no envelope.
    pub(crate) fn unix_nanos(&self) -> UnixNanos {
        self.clock.unix_nanos()
    }

    /// How long something has lasted that began at `start`; nothing with `testing`, as events say it.
    pub(crate) fn lasted(&self, start: Instant) -> Duration {
        match &self.fixed {
            None => self.clock.now().since(start),
            Some(_) => Duration::ZERO,
        }
    }

    /// Monotonic time for deadlines.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl Fixed {
    fn at(&self, n: u64) -> UnixNanos {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        self.start.saturating_add(self.step.saturating_mul(n))
    }
}

fn nanos(duration: Duration) -> UnixNanos {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
