//! When a lane tries its sink: back-off, circuit breaker and probes.
//!
//! Guarantees: after a failure the wait is drawn with full jitter below a limit that doubles, and is never shorter than
//! what the receiver asked for, up to [`MOST_DELAY`]. After `breaker.failures` in a row, or a failure of
//! authentication, the wait is `breaker.open`. One acknowledgement ends all of it. While a sink fails and nothing is
//! queued, an own envelope is sent now and then to find out whether the sink works again.
//!
//! How: it is told the time and what happened, and answers when to try; it knows neither a clock nor the lane.

use std::time::Duration;

use crate::seam::Instant;
use crate::settings::LaneConfig;
use crate::sink::{Failure, FailureKind};

/// The longest delay that a receiver, or a host's sink, can ask for.
const MOST_DELAY: Duration = Duration::from_secs(300);

/// How often a lane that is ending tries: a shutdown does not sit out a long back-off.
const CLOSING: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Pacing {
    /// No delivery before that.
    not_before: Option<Instant>,
    last_failure: Instant,
    /// Failures since the sink last acknowledged something.
    failures: u32,
    /// Envelopes that the sink refused since it last acknowledged something.
    refusals: u32,
    /// The breaker is open, or the wait is as long as if it were.
    open: bool,
    /// When to send an own envelope as a probe to a sink that failed, if nothing else is to be delivered.
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

    /// Until when the lane waits after a failure; may be in the past.
    pub(super) fn waits(&self, closing: bool) -> Option<Instant> {
        self.not_before.map(|at| if closing { at.min(self.last_failure.after(CLOSING)) } else { at })
    }

    /// Ends the wait.
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

    /// Whether the answer to a call that began at `began` no longer says anything about the sink, as another call has
    /// failed since.
    pub(super) fn is_stale(&self, began: Instant) -> bool {
        self.not_before.is_some() && began <= self.last_failure
    }

    /// The sink has acknowledged something.
    pub(super) fn works(&mut self) {
        let Self { last_failure, draws, .. } = *self;
        *self = Self { draws, ..Self::new(last_failure) };
    }

    /// Counts a failure and decides when to try next. `after` is the delay that the receiver asked for. `draw` gives
    /// the random number with this index in the lane's sequence.
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
        // A receiver may slow the lane down, but not silence it.
        let wait = wait.max(after.unwrap_or_default().min(MOST_DELAY));
        // A sink that gets nothing for longer than an open breaker lasts does not count as healthy meanwhile.
        self.open |= wait > config.breaker.open;
        let at = now.after(wait);
        self.not_before = Some(at);
        self.probe = Some(at);
    }

    /// Counts a refused envelope; answers whether so many were refused in a row that the sink counts as failed.
    pub(super) fn refused(&mut self, now: Instant, config: &LaneConfig) -> bool {
        self.refusals += 1;
        let failed = self.refusals >= config.breaker.failures;
        if failed {
            self.probe.get_or_insert(now.after(config.breaker.open));
        }
        failed
    }

    /// When to send a probe.
    pub(super) fn probe(&self) -> Option<Instant> {
        self.probe
    }

    /// A probe was sealed: sets the time of the next one.
    pub(super) fn probed(&mut self, now: Instant, config: &LaneConfig) {
        self.probe = Some(now.after(config.breaker.open));
    }
}
