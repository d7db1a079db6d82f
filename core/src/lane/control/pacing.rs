//! When a lane tries its sink: back-off, circuit breaker and probes.
//!
//! Guarantees: after a failure the wait is drawn with full jitter below a limit that doubles, and is never shorter than
//! what the receiver asked for, up to [`MOST_DELAY`]; after `breaker.failures` in a row, or a failure of
//! authentication, it is `breaker.open`. One acknowledgement ends all of it. While a sink fails and nothing is queued, an own
//! envelope asks now and then whether it works again.
//!
//! How: it is told what happened and the time, and is asked; it has neither clock nor lane.

use std::time::Duration;

use crate::seam::Instant;
use crate::settings::LaneConfig;
use crate::sink::{Failure, FailureKind};

/// The longest delay that a receiver, or a host's sink, can ask for.
const MOST_DELAY: Duration = Duration::from_secs(300);

/// How often a lane tries that is to end: a shutdown does not sit out a long back-off.
const CLOSING: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Pacing {
    /// No delivery before that.
    not_before: Option<Instant>,
    last_failure: Instant,
    /// Failures since the sink last acknowledged something.
    failures: u32,
    /// Envelopes refused since then.
    refusals: u32,
    /// The breaker is open, or the wait is as long as if it were.
    open: bool,
    /// When an own envelope asks a sink that failed whether it works again, if nothing else is to be delivered.
    probe: Option<Instant>,
    /// Back-offs drawn so far.
    draws: u64,
}

impl Pacing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            not_before: None,
            last_failure: now,
            failures: 0,
            refusals: 0,
            open: false,
            probe: None,
            draws: 0,
        }
    }

    /// Until when the lane waits after a failure, whether or not that is over.
    pub(super) fn waits(&self, closing: bool) -> Option<Instant> {
        self.not_before.map(|at| if closing { at.min(self.last_failure.after(CLOSING)) } else { at })
    }

    /// The wait is over, or need not be kept.
    pub(super) fn go_on(&mut self) {
        self.not_before = None;
    }

    /// Whether nothing has failed since the last acknowledgement.
    pub(super) fn is_smooth(&self) -> bool {
        self.failures == 0
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the answer to a call that began then says nothing of the sink any more: another one has failed since.
    pub(super) fn is_stale(&self, began: Instant) -> bool {
        self.not_before.is_some() && began <= self.last_failure
    }

    /// The sink has acknowledged something.
    pub(super) fn works(&mut self) {
        let Self { last_failure, draws, .. } = *self;
        *self = Self { draws, ..Self::new(last_failure) };
    }

    /// Counts a failure and decides when to try next. `after`: the receiver's own wish. `draw`: the random number of
    /// this place in the lane's sequence.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        failure: &Failure,
        after: Option<Duration>,
        config: &LaneConfig,
        draw: impl FnOnce(u64) -> u64,
    ) {
        self.last_failure = now;
        self.failures += 1;
        let wait = if self.failures >= config.breaker.failures || failure.kind == FailureKind::Auth {
            self.open = true;
            config.breaker.open
        } else {
            let doubled = config.retry.initial.saturating_mul(1 << (self.failures - 1).min(16));
            self.draws += 1;
            let fraction = draw(self.draws) as f64 / u64::MAX as f64;
            doubled.min(config.retry.cap).mul_f64(fraction)
        };
        // A receiver may ask for patience, not for silence.
        let wait = wait.max(after.unwrap_or_default().min(MOST_DELAY));
        // Whoever is not tried for longer than an open breaker would keep him is not healthy in the meantime.
        self.open |= wait > config.breaker.open;
        let at = now.after(wait);
        self.not_before = Some(at);
        self.probe = Some(at);
    }

    /// The sink refused an envelope; whether it has refused so many in a row that it counts as failed.
    pub(super) fn refused(&mut self, now: Instant, config: &LaneConfig) -> bool {
        self.refusals += 1;
        let failed = self.refusals >= config.breaker.failures;
        if failed {
            self.probe.get_or_insert(now.after(config.breaker.open));
        }
        failed
    }

    /// When the sink is to be asked whether it works again.
    pub(super) fn probe(&self) -> Option<Instant> {
        self.probe
    }

    /// It is being asked.
    pub(super) fn probed(&mut self, now: Instant, config: &LaneConfig) {
        self.probe = Some(now.after(config.breaker.open));
    }
}
