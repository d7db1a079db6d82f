//! Metrics on their way out: what policies derive from events, and what the emitter says of itself, sent where policies
//! ask for it.
//!
//! Guarantees: nothing runs while no policy sends metrics. What is read is everything so far, so a sending that is lost
//! changes no sum. A receiver that is slow, away or refuses holds up neither an event nor another
//! receiver's next turn by more than one time-out; the host's logger hears of it once a minute. A flush and a shutdown
//! send what there is, within their own time.
//!
//! How: a thread of its own reads and sends, every so often and when it is asked. A manual emitter has none, and sends in
//! its flush.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::{self, Repeat};
use crate::error::Result;
use crate::policy::telemetry::Provider;
use crate::reentry;
use crate::seam::{Stopwatch, UnixNanos};
use crate::sink::{Reading, Reporter};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, thread};
use crate::timeline::Timeline;

/// The most that one sending to one receiver may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// What a last sending may take where nothing is left of a shutdown's time.
pub(super) const LAST: Duration = Duration::from_millis(500);

/// What is to be sent where.
pub(super) type Source = Box<dyn Fn() -> Vec<(Provider, Vec<Reading>)> + Send + Sync>;
/// Makes what sends to a receiver.
pub(super) type Maker = Box<dyn Fn(&Provider) -> Result<Box<dyn Reporter>> + Send + Sync>;

/// See the module's head.
pub(super) struct Exporter(Arc<Shared>);

struct Shared {
    every: Duration,
    source: Source,
    make: Maker,
    timeline: Arc<Timeline>,
    state: Mutex<State>,
    changed: Condvar,
    /// Held while sending. One that no policy names now may be named again, and then has to know what it has told.
    senders: Mutex<HashMap<Provider, Sender>>,
    manual: bool,
}

#[derive(Default)]
struct State {
    running: bool,
    /// Sendings that were asked for, and those that are over.
    asked: u64,
    done: u64,
    stop: bool,
}

#[derive(Default)]
struct Sender {
    reporter: Option<Box<dyn Reporter>>,
    said: Repeat,
}

impl Exporter {
    pub(super) fn new(
        every: Duration,
        timeline: Arc<Timeline>,
        manual: bool,
        source: Source,
        make: Maker,
    ) -> Self {
        Self(Arc::new(Shared {
            every,
            source,
            make,
            timeline,
            state: Mutex::default(),
            changed: Condvar::new(),
            senders: Mutex::default(),
            manual,
        }))
    }

    /// There is something to send from now on.
    pub(super) fn start(&self) {
        let mut state = lock(&self.0.state);
        if state.running || state.stop || self.0.manual {
            return;
        }
        let of = Arc::clone(&self.0);
        let spawned = thread::Builder::new()
            .name("sinkwell-metrics".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || of.run());
        match spawned {
            Ok(_) => state.running = true,
            Err(e) => diagnostics::warn(&format!("metrics are not sent: no thread for it: {}", e.kind())),
        }
    }

    /// Sends now; waits for it no longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        if self.0.manual {
            let _ = reentry::inside(|| self.0.send(timeout));
            return;
        }
        let mut state = lock(&self.0.state);
        if !state.running {
            return;
        }
        state.asked += 1;
        let asked = state.asked;
        self.0.changed.notify_all();
        drop(self.0.wait(state, timeout, |state| state.running && state.done < asked));
    }

    /// Sends once more and ends; waits for it no longer than `timeout`.
    pub(super) fn stop(&self, timeout: Duration) {
        if self.0.manual {
            let stopped = std::mem::replace(&mut lock(&self.0.state).stop, true);
            if !stopped {
                let _ = reentry::inside(|| self.0.send(timeout));
            }
            return;
        }
        let mut state = lock(&self.0.state);
        state.stop = true;
        self.0.changed.notify_all();
        drop(self.0.wait(state, timeout, |state| state.running));
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let state = lock(&self.state);
            let idle = |state: &State| !state.stop && state.asked == state.done;
            let state = self.wait(state, self.every, idle);
            let (asked, stop) = (state.asked, state.stop);
            drop(state);
            if reentry::inside(|| self.send(LIMIT)).is_none() {
                diagnostics::warn("metrics are not sent: the thread that sends them failed; please report");
            }
            let mut state = lock(&self.state);
            state.done = asked;
            state.running = !stop;
            self.changed.notify_all();
            if stop {
                return;
            }
        }
    }

    fn wait<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        timeout: Duration,
        goes_on: impl Fn(&State) -> bool,
    ) -> MutexGuard<'s, State> {
        let start = Stopwatch::start();
        while goes_on(&state) {
            let left = start.left(timeout);
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        state
    }

    fn send(&self, limit: Duration) {
        let start = Stopwatch::start();
        let mut senders = lock(&self.senders);
        let all = (self.source)();
        let now: UnixNanos = self.timeline.unix_nanos();
        for (provider, readings) in all {
            let sender = senders.entry(provider.clone()).or_default();
            let left = start.left(limit).min(LIMIT);
            let sent = match &mut sender.reporter {
                Some(reporter) => reporter.report(&readings, now, left).map_err(|failure| failure.summary),
                made => match (self.make)(&provider) {
                    Err(e) => Err(e.to_string()),
                    Ok(reporter) => {
                        let reporter = made.insert(reporter);
                        reporter.report(&readings, now, left).map_err(|failure| failure.summary)
                    }
                },
            };
            let moment = self.timeline.now();
            if let Err(why) = sent
                && sender.said.may_speak(moment)
            {
                sender.said.speak(moment);
                diagnostics::warn(&format!("metrics: {why}; the next reading has them again"));
            }
        }
    }
}
