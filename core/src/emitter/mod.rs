//! The emitter: checks, completes and freezes an event, and hands it to every lane.
//!
//! Guarantees: an event whose `emit` returns an error has entered no lane. `emit` waits only for room in a blocking
//! lane, and never longer than that lane allows. An accepted event ends in every lane as its receipt says. When a
//! required sink is not healthy, `emit` fails if the governance policy says so, and no environment variable changes
//! that. After a fork the child gets lanes and streams of its own.

mod admit;
mod awaited;
mod door;
mod export;
mod metrics;
mod open;
mod part;
mod report;
mod scrape;
mod signals;
mod unheard;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

pub(crate) use awaited::Awaited;
pub use metrics::{Metric, MetricKind, MetricPoint};
pub(crate) use open::UNUSED_JOURNAL;
pub use open::{HostSink, Options, SinkFactory};
use part::{Held, Part};
pub use report::{Drained, LaneReport, Where};
pub use signals::{
    SIGNAL_LIMIT, end_on_signal, is_ending_on_signal, leave_signals_to_host, place_signal_handlers,
    push_on_signal,
};

use crate::error::{Error, ErrorKind, Result};
use crate::event::deeds::Half;
use crate::event::{EventInput, Freezer, Phase};
use crate::key::SigningKey;
use crate::lane::control::{Control, Pause, Step};
use crate::lane::{Aim, Ask, Bus, Counters, Fresh, Health, Lane, checkpoint, worker};
use crate::policy::telemetry::{self, Bound};
use crate::receipt::Receipt;
use crate::reentry;
use crate::seam::fork::{PerProcess, Process};
use crate::seam::{Instant, Stopwatch};
use crate::sink::{Reading, Sink, SinkClass};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// Whether an `emit` may wait for room in a blocking lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Up to the lanes' `block_timeout`.
    Allowed,
    /// Never, as the thread runs an event loop: `emit` fails with `backpressure` instead.
    Never,
    /// Not on this thread: the caller has waited this long already, by [`Emitter::on_room`] or
    /// [`Waiter::when_room`].
    Elsewhere(Duration),
    /// Never, as the thread runs a host's sink: where the event would have to wait, it is dropped as `reentrant`.
    Inside,
}

/// How a host waits for room. Called only when a blocking lane is full, as the check can be slow, and as a host's lock
/// (Python's) must be released while waiting.
pub trait Waiter {
    /// Whether this call may wait.
    fn may_wait(&self) -> Wait;

    /// Waits, by calling `wait`.
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }

    /// The longest that this call may wait, where the lanes allow longer.
    fn at_most(&self) -> Duration {
        Duration::MAX
    }

    /// For [`Wait::Elsewhere`]: what to call, once, when the full lane has room again. This function and what it
    /// returns are both called under the lane's lock, so that no room is missed: neither may wait for anything.
    fn when_room(&self) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }
}

impl Waiter for Wait {
    fn may_wait(&self) -> Wait {
        *self
    }
}

/// The result of [`Emitter::try_emit`].
#[derive(Debug)]
pub enum Attempt {
    /// The event is in the lanes.
    Accepted(Receipt),
    /// The event is in no lane, as a blocking one has no room. The caller may wait for room this long, over all
    /// attempts together.
    NoRoom(Duration),
}

impl Attempt {
    /// The receipt, for a caller who does not wait for room.
    fn receipt(self) -> Result<Receipt> {
        match self {
            Self::Accepted(receipt) => Ok(receipt),
            Self::NoRoom(limit) => Err(no_room(limit)),
        }
    }
}

#[cold]
fn no_room(limit: Duration) -> Error {
    Error::new(
        ErrorKind::Backpressure,
        format!("a blocking lane has no room; wait up to {limit:?} by on_room and try again"),
    )
}

/// Takes events and hands them to its lanes. Cheap to share behind an `Arc`; every method may be called from any
/// thread.
pub struct Emitter {
    inner: Part,
    /// What a forked child needs to open an emitter of its own.
    options: Arc<Options>,
    /// Held while a forked child opens its part; keeps the last failure of that.
    reopening: PerProcess<Mutex<Option<Failed>>>,
    /// Records and spans from bridges that were refused, and how many of them the host's logger was told.
    unheard: unheard::Unheard,
    beside: PerProcess<Mutex<Option<Arc<dyn Beside>>>>,
}

/// An opening in a forked child that failed. It is not tried again until as much time has passed as it took, so that a
/// required sink that is down does not delay every call.
struct Failed {
    at: Stopwatch,
    /// How long no new opening is tried.
    lasts: Duration,
    error: Error,
}

/// What a module above keeps beside an emitter, one in each process.
pub(crate) trait Beside: std::any::Any + Send + Sync {
    /// The lanes have been flushed, or have ended.
    fn settle(&self);
}

/// What belongs to one process.
pub(crate) struct Inner {
    process: Process,
    freezer: Freezer,
    bus: Arc<Bus>,
    context: Arc<crate::lane::SealContext>,
    /// The policies in force, as last bound to the lanes, for [`Emitter::policy_status`].
    policies: Arc<ArcSwapOption<Bound>>,
    /// What policies derive from events.
    instruments: Arc<telemetry::Registry>,
    closed: AtomicBool,
    refused: Arc<AtomicU64>,
    /// What metrics are read from.
    gauges: metrics::Gauges,
    exporter: export::Exporter,
    scrape: Mutex<Option<scrape::Scrape>>,
    watch: Mutex<Option<watch::Watch>>,
    manual: Option<Vec<Mutex<Manual>>>,
    disabled: bool,
    /// The open spans of each source that reports spans.
    runs: crate::bridge::Runs,
    /// What the journals of dead processes hold of deeds.
    deeds_before: Mutex<Vec<Half>>,
}

/// A lane without threads.
pub(crate) struct Manual {
    control: Control,
    sink: Box<dyn Sink>,
}

impl std::fmt::Debug for Emitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter").field("lanes", &self.inner.load().bus.lanes()).finish_non_exhaustive()
    }
}

impl Emitter {
    /// Opens an emitter: loads the key, starts the lanes, and waits until every required class has a
    /// healthy sink.
    ///
    /// # Errors
    /// `invalid_config`, `policy`, `key`, `journal`, `required_sink_unavailable`: nothing is left running.
    pub fn open(options: Options) -> Result<Self> {
        Self::open_by(Arc::new(options), &mut |_| {})
    }

    /// As [`open`](Self::open), with options that another emitter may have been opened with. `tell` is told what the opening waits
    /// for, before it does.
    pub(crate) fn open_by(options: Arc<Options>, tell: &mut dyn FnMut(&Awaited)) -> Result<Self> {
        let seen = watch::Seen::now(&options.config);
        let inner = Arc::new(open::open(&options, false, tell)?);
        let emitter = Self {
            inner: Part::of(Arc::clone(&inner)),
            options,
            reopening: PerProcess::new(),
            unheard: unheard::Unheard::new(),
            beside: PerProcess::new(),
        };
        watch::Watch::start(&inner, &emitter.options, seen);
        Ok(emitter)
    }

    /// This process's part; a forked child opens its own on first use.
    fn current(&self) -> Result<Held<'_>> {
        self.current_by(&Wait::Allowed)
    }

    /// As [`current`](Self::current); opening may take long, so `waiter` lets go of the host's lock meanwhile.
    #[inline]
    fn current_by(&self, waiter: &dyn Waiter) -> Result<Held<'_>> {
        let inner = self.inner.load();
        if inner.process.is_this() { Ok(inner) } else { self.current_anew(waiter) }
    }

    /// As [`current_by`](Self::current_by), in a forked child.
    #[cold]
    fn current_anew(&self, waiter: &dyn Waiter) -> Result<Held<'_>> {
        // A sink that emits while it takes its lane's first envelope would wait for itself.
        let inside = reentry::is_inside() || waiter.may_wait() == Wait::Inside;
        let mut opened = Ok(());
        waiter.pause(&mut || opened = self.reopen(inside));
        opened?;
        Ok(self.inner.load())
    }

    fn reopen(&self, inside: bool) -> Result<()> {
        let reopening = self.reopening.get();
        let mut failed = if inside {
            reopening.try_lock().map_err(|_| {
                Error::new(
                    ErrorKind::Backpressure,
                    "the emitter is being opened in this forked child, and waits for the sink that calls it",
                )
            })?
        } else {
            lock(&reopening)
        };
        let inner = self.inner.load();
        if inner.process.is_this() {
            return Ok(());
        }
        if inner.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::Closed,
                "the emitter was shut down before this process was forked",
            ));
        }
        let start = Stopwatch::start();
        if let Some(failed) = failed.as_ref().filter(|failed| failed.at.elapsed() < failed.lasts) {
            return Err(failed.error.clone());
        }
        let fresh = open::open(&self.options, true, &mut |_| {}).inspect_err(|error| {
            let lasts = start.elapsed().max(Duration::from_secs(1));
            *failed = Some(Failed { at: Stopwatch::start(), lasts, error: error.clone() });
        })?;
        if let Some(policies) = &*inner.policies.load() {
            // The policies in force here may be newer than the files were at the start, or good where a file is bad
            // now.
            open::put_in_force(&fresh, &self.options.config, policies.loaded());
        }
        let fresh = Arc::new(fresh);
        // What is in force is what the parent had read, whatever the files hold now.
        watch::Watch::start(&fresh, &self.options, watch::Seen::default());
        self.inner.replace(fresh);
        Ok(())
    }

    /// Whether it is open in this process. A forked child opens its own part on first use.
    #[must_use]
    pub fn is_of_this_process(&self) -> bool {
        let inner = self.inner.load();
        inner.process.is_this() && !inner.closed.load(Ordering::Acquire)
    }

    /// Emits an event. Waits for room in blocking lanes, up to their `block_timeout`.
    ///
    /// # Errors
    /// `invalid_event`, `backpressure`, `required_sink_unavailable`, `closed`: the event is in no lane.
    pub fn emit(&self, mut input: EventInput<'_>) -> Result<Receipt> {
        self.enter(&mut input, None, &Wait::Allowed, None)?.receipt()
    }

    /// Emits an event, saying whether it may wait.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_with(&self, mut input: EventInput<'_>, wait: Wait) -> Result<Receipt> {
        self.enter(&mut input, None, &wait, None)?.receipt()
    }

    /// Emits an event. `waiter` is called, and waits, only when a blocking lane has no room.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_waiting(&self, mut input: EventInput<'_>, waiter: &dyn Waiter) -> Result<Attempt> {
        self.enter(&mut input, None, waiter, None)
    }

    /// As [`emit_waiting`](Self::emit_waiting), for a caller who wants no receipt: nothing of the event is kept for one. Answers
    /// how long the caller may wait for room, over all attempts together, where a blocking lane has none and the event is in no
    /// lane.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn put_waiting(&self, mut input: EventInput<'_>, waiter: &dyn Waiter) -> Result<Option<Duration>> {
        let inner = self.current_by(waiter)?;
        let event = inner.complete(&mut input, None)?;
        if inner.disabled { Ok(None) } else { inner.admit_unwatched(event, waiter) }
    }

    /// As [`emit_waiting`](Self::emit_waiting), but only to the lanes that `aim` names. Required sinks stay required;
    /// the caller answers for the lanes that it leaves out.
    pub(crate) fn emit_aimed(
        &self,
        mut input: EventInput<'_>,
        waiter: &dyn Waiter,
        aim: Option<&Aim<'_>>,
    ) -> Result<Attempt> {
        self.enter(&mut input, None, waiter, aim)
    }

    /// As [`emit_aimed`](Self::emit_aimed), for an event of a deed, too. A deed's result is taken while a required sink
    /// is down: the act has happened, so to refuse the event would only lose what came of it.
    pub(crate) fn enter(
        &self,
        input: &mut EventInput<'_>,
        phase: Option<Phase>,
        waiter: &dyn Waiter,
        aim: Option<&Aim<'_>>,
    ) -> Result<Attempt> {
        let inner = self.current_by(waiter)?;
        let event = inner.complete(input, phase)?;
        if inner.disabled {
            let tracked = event.for_lanes(1, 0, std::iter::empty(), None, None);
            return Ok(Attempt::Accepted(Receipt::first(tracked, Arc::from(Vec::new()))));
        }
        inner.admit(event, waiter, aim)
    }

    /// Emits an event without waiting on this thread. On [`Attempt::NoRoom`] the caller waits, with
    /// [`on_room`](Self::on_room) or a timer, and tries again, saying how long it has `waited` so far.
    ///
    /// # Errors
    /// As [`emit`](Self::emit); `backpressure` if `waited` has reached the lanes' `block_timeout`.
    pub fn try_emit(&self, input: EventInput<'_>, waited: Duration) -> Result<Attempt> {
        self.emit_waiting(input, &Wait::Elsewhere(waited))
    }

    /// Calls `done` once: when a blocking lane that is full now has room again, or at once if none is full. So a caller
    /// can wait without blocking a thread.
    pub fn on_room(&self, done: impl FnOnce() + Send + 'static) -> Result<()> {
        self.current()?.on_room(Box::new(done));
        Ok(())
    }

    /// Checks whether `emit` would be accepted now.
    ///
    /// # Errors
    /// `closed`, `required_sink_unavailable`.
    pub fn ensure_ready(&self) -> Result<()> {
        self.current()?.ready()
    }

    /// Checks whether what a caller does may go on: telemetry costs it only where governance fails closed. An emitter that has been
    /// shut down, or cannot be opened in this forked child, forbids nothing by that alone.
    ///
    /// # Errors
    /// As [`ensure_ready`](Self::ensure_ready), where governance forbids going on.
    #[doc(hidden)]
    pub fn may_go_on(&self) -> Result<()> {
        self.ensure_ready().or_else(|error| {
            let fails_closed =
                self.config().governance.as_ref().is_some_and(|governance| governance.fails_closed());
            match error.kind() {
                ErrorKind::RequiredSinkUnavailable => Err(error),
                _ if fails_closed => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// What the journals that this process took over hold of deeds.
    pub(crate) fn deeds_before(&self) -> Result<Vec<Half>> {
        Ok(lock(&self.current()?.deeds_before).clone())
    }

    /// The configuration that it was opened with.
    #[must_use]
    pub fn config(&self) -> &crate::settings::Config {
        &self.options.config
    }

    /// Whether it has no threads.
    pub(crate) fn is_manual(&self) -> bool {
        self.options.manual
    }

    /// The classes that governance requires, while this process has an emitter.
    pub(crate) fn required(&self) -> Vec<SinkClass> {
        self.current().map(|inner| inner.bus.required()).unwrap_or_default()
    }

    /// Whether `SINKWELL_DISABLED` makes every call a no-op.
    pub(crate) fn is_disabled(&self) -> bool {
        self.options.config.disabled
    }

    /// Monotonic time, by the clock of the emitter.
    pub(crate) fn now(&self) -> Instant {
        self.inner.load().freezer.timeline.now()
    }

    /// How long something has lasted that began at `start`: nothing where `testing` fixes the time.
    pub(crate) fn lasted(&self, start: Instant) -> Duration {
        self.inner.load().freezer.timeline.lasted(start)
    }

    /// The prefix of the built-in types.
    pub(crate) fn type_prefix(&self) -> String {
        self.inner.load().freezer.identity.prefix.clone()
    }

    /// The limit of depth for `data`, for bindings that write into an [`crate::json::ObjectWriter`].
    #[must_use]
    pub fn depth_limit(&self) -> usize {
        self.options.config.limits.depth
    }

    /// The lanes, in the order of the configuration; none in a forked child that cannot open its own.
    #[must_use]
    pub fn lanes(&self) -> Arc<[Arc<Lane>]> {
        self.current().map_or_else(|_| Arc::from(Vec::new()), |inner| inner.bus.lanes())
    }

    /// Whether it has been shut down, for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.load().closed.load(Ordering::Acquire)
    }

    fn lane(&self, id: &str) -> Result<Arc<Lane>> {
        self.lanes().iter().find(|lane| lane.id() == id).cloned().ok_or_else(|| {
            let known: Vec<String> = self.lanes().iter().map(|lane| lane.id().to_owned()).collect();
            Error::invalid_argument(format!("no lane has this id; there are {}", known.join(", "))).at(id)
        })
    }

    /// Counters per lane.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, Counters)> {
        self.lanes().iter().map(|lane| (lane.id().to_owned(), lane.counters())).collect()
    }

    /// Health per lane.
    #[must_use]
    pub fn health(&self) -> Vec<(String, Health)> {
        self.lanes().iter().map(|lane| (lane.id().to_owned(), lane.health())).collect()
    }

    /// The health of the checkpoint file, if the configuration names one, and the name under which reports list it,
    /// which no lane can have.
    #[must_use]
    pub fn checkpoint_health(&self) -> Option<(&'static str, Health)> {
        let inner = self.current().ok()?;
        inner.bus.checkpoint_file().map(|file| (checkpoint::NAME, file.health()))
    }

    /// How many events `emit` turned away with `closed`, `backpressure` or, under `fail_closed`,
    /// `required_sink_unavailable`.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.current().map_or(0, |inner| inner.refused.load(Ordering::Relaxed))
    }

    /// How many events wait in a lane to be sealed.
    ///
    /// # Errors
    /// `invalid_argument`: no such lane.
    pub fn queued(&self, lane: &str) -> Result<usize> {
        self.lane(lane).map(|lane| lane.queued())
    }

    /// Delivers what a lane of a manual emitter holds, on the caller's thread, until the lane is empty or a delivery
    /// fails.
    ///
    /// # Errors
    /// `invalid_argument`: the emitter is not manual, or has no such lane.
    pub fn drain(&self, lane: &str) -> Result<Drained> {
        let inner = self.current()?;
        let lane = self.lane(lane)?;
        let Some(manual) = &inner.manual else {
            return Err(Error::invalid_argument(
                "only an emitter opened with manual: true is drained; use flush",
            ));
        };
        let Some(manual) = manual.get(lane.index) else {
            return Err(Error::invalid_argument("this lane is not manual").at(lane.id()));
        };
        let mut manual = manual.try_lock().map_err(|_| {
            Error::invalid_argument("the lane is being drained already: a sink may not drain itself")
                .at(lane.id())
        })?;
        Ok(drain(&lane, &mut manual))
    }

    /// Adds a lane for a host's sink while the emitter runs.
    ///
    /// # Errors
    /// `invalid_config`: the id is taken. `closed`.
    pub fn add_sink(&self, sink: HostSink) -> Result<()> {
        let inner = self.current()?;
        inner.ready_or_failing()?;
        open::add(&inner, &self.options, sink)
    }

    /// Reads the documents under `telemetry` again and puts them in force as one set: each event is routed and shaped
    /// either by the old set or by the new one. A document that was good and has become bad stays in force as it was;
    /// [`policy_status`](Self::policy_status) says what became of each.
    ///
    /// # Errors
    /// `closed`.
    pub fn reload_policies(&self) -> Result<()> {
        let inner = self.current()?;
        inner.ready_or_failing()?;
        open::reload(&inner, &self.options.config);
        Ok(())
    }

    /// What became of each policy document, as JSON: `{policies: [{policy, source, targets: [{kind, name, conditions}],
    /// counters, rules}]}` (docs/POLICY.md).
    #[must_use]
    pub fn policy_status(&self) -> Vec<u8> {
        let inner = self.current().ok();
        let policies = inner.as_ref().and_then(|inner| inner.policies.load_full());
        telemetry::status_json(policies.as_deref())
    }

    /// Seals with another key from the next envelope on; every open stream announces the change.
    ///
    /// # Errors
    /// `invalid_argument`: the emitter has no key yet, or the new one has the same id. `closed`.
    pub fn change_key(&self, key: &SigningKey) -> Result<()> {
        let inner = self.current()?;
        inner.ready_or_failing()?;
        inner.bus.change_key(key)
    }

    /// Has a durable lane send again what its journal still holds of a stream, from `sequence` on: with the same hashes
    /// and signatures, and the disclosures that today's policy allows. Nothing is sealed anew.
    ///
    /// # Errors
    /// `invalid_argument`: no such lane. `unsupported`: the lane is not durable.
    pub fn repair(&self, lane: &str, streamid: crate::seam::Uuid, sequence: u64) -> Result<()> {
        let inner = self.current()?;
        inner.ready_or_failing()?;
        let lane = self.lane(lane)?;
        if !lane.durable() {
            return Err(Error::unsupported("only a durable lane has what to repair from; set journal.dir")
                .at(lane.id()));
        }
        lane.ask(Ask::Repair(streamid, sequence));
        Ok(())
    }

    /// Waits until every lane has delivered or declared lost what it was given, or until `timeout` is over.
    pub fn flush(&self, timeout: Duration) -> Vec<(String, LaneReport)> {
        let Ok(inner) = self.current() else { return Vec::new() };
        let start = Stopwatch::start();
        inner.flush(timeout);
        if let Some(file) = inner.bus.checkpoint_file().filter(|_| !reentry::is_inside()) {
            file.flush(start.left(timeout));
        }
        if !reentry::is_inside() {
            inner.exporter.flush(start.left(timeout));
        }
        self.settle();
        inner.report()
    }

    /// Ends the emitter: accepts no more events, delivers what is queued and closes every stream, as far as `timeout`
    /// allows. A sink that hangs is abandoned. May be called again.
    pub fn shutdown(&self, timeout: Duration) -> Vec<(String, LaneReport)> {
        let inner = self.inner.load();
        if !inner.process.is_this() {
            // A forked child that never used the emitter has no part to end.
            return Vec::new();
        }
        inner.shutdown(timeout);
        self.say_rest();
        self.settle();
        inner.report()
    }

    fn settle(&self) {
        let beside = lock(&self.beside.get()).clone();
        if let Some(beside) = beside {
            beside.settle();
        }
    }

    /// What is kept beside this emitter in this process, made where there is none.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn beside(&self, make: impl FnOnce() -> Result<Arc<dyn Beside>>) -> Result<Arc<dyn Beside>> {
        let beside = self.beside.get();
        let mut beside = lock(&beside);
        if let Some(known) = &*beside {
            return Ok(Arc::clone(known));
        }
        Ok(Arc::clone(beside.insert(make()?)))
    }

    /// Logs what bridges were refused and the host's logger was not told yet.
    fn say_rest(&self) {
        let now = self.inner.load().freezer.timeline.now();
        self.unheard.rest(now).iter().for_each(|said| crate::diagnostics::warn(said));
    }

    /// The counters of every lane, and what policies derive from events, in the Prometheus text format.
    #[must_use]
    pub fn prometheus(&self) -> String {
        self.current().map(|inner| inner.gauges.prometheus()).unwrap_or_default()
    }

    /// The same values as instruments, for a host's OpenTelemetry meter.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.current().map(|inner| inner.gauges.own()).unwrap_or_default()
    }

    /// What the instruments read that policies derive from events.
    pub(crate) fn derived(&self) -> Vec<Reading> {
        self.current().map(|inner| inner.instruments.readings()).unwrap_or_default()
    }

    /// What a reader of histograms is to record now, and its number.
    pub(crate) fn recordings(&self, reader: u32) -> (u32, Vec<telemetry::Recording>) {
        self.current().map(|inner| inner.instruments.recordings(reader)).unwrap_or_default()
    }

    /// What sinks can and cannot do, as a JSON object for those who must prove it (docs/LANES.md).
    #[must_use]
    pub fn authority_boundary() -> &'static str {
        report::AUTHORITY_BOUNDARY
    }
}

/// How long an emitter may take to end when the host sets no limit: when it is dropped, or the process ends.
pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

impl Drop for Emitter {
    fn drop(&mut self) {
        let inner = self.inner.load();
        if inner.process.is_this() && !inner.closed.load(Ordering::Acquire) {
            inner.shutdown(SHUTDOWN_LIMIT);
        }
        self.say_rest();
    }
}

fn drain(lane: &Lane, manual: &mut Manual) -> Drained {
    let before = lane.counters().delivered;
    let Manual { control, sink } = manual;
    let mut failed = false;
    loop {
        match control.step(lane.now(), !failed) {
            Step::Deliver(call, batch) => {
                let answers = worker::deliver(&mut **sink, &batch);
                drop(batch);
                worker::keep_own_word(lane, &mut **sink, answers.all_there());
                control.answer(call, answers, lane.now());
                failed |= control.backs_off();
            }
            Step::Wait(Some(at), Pause::Other) if !failed && at <= lane.now() => {}
            Step::Wait(..) | Step::Done => break,
        }
    }
    let records = control.take_records();
    Drained { count: lane.counters().delivered - before, records }
}

impl Inner {
    /// An error if the emitter is closed; required sinks don't matter here.
    fn ready_or_failing(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the emitter has been shut down; open another"));
        }
        Ok(())
    }

    fn ready(&self) -> Result<()> {
        self.ready_or_failing()?;
        self.bus.ready()
    }

    /// Checks and completes an event that is to enter lanes now.
    #[inline]
    fn complete(&self, input: &mut EventInput<'_>, phase: Option<Phase>) -> Result<Fresh> {
        let ready = if phase == Some(Phase::Result) { self.ready_or_failing() } else { self.ready() };
        ready.inspect_err(|_| self.refuse())?;
        let run = input.run.is_none().then_some(input.trace).flatten();
        // For as long as that run.
        let run = run.and_then(|trace| self.runs.around(&trace));
        Fresh::make(|event| self.freezer.freeze_into(event, input, run.as_deref(), phase))
    }

    fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self, timeout: Duration) {
        let clock = &self.freezer.timeline;
        let deadline = clock.now().after(timeout);
        if reentry::is_inside() {
            // A sink that flushes its own emitter would wait for itself.
            return;
        }
        // Twice, as declarations of the first round go to other lanes.
        for _ in 0..2 {
            if let Some(manual) = &self.manual {
                for (lane, manual) in self.bus.lanes().iter().zip(manual) {
                    lane.ask(Ask::Flush);
                    if let Ok(mut manual) = manual.try_lock() {
                        drain(lane, &mut manual);
                    }
                }
                continue;
            }
            self.bus.flush(deadline);
        }
    }

    pub(crate) fn shutdown(&self, timeout: Duration) {
        let start = Stopwatch::start();
        self.end(timeout);
        // Lanes first: what they say of their ends is counted.
        if !reentry::is_inside() {
            self.exporter.stop(start.left(timeout).max(export::LAST.min(timeout)));
        }
        drop(lock(&self.scrape).take());
        drop(lock(&self.watch).take());
    }

    fn end(&self, timeout: Duration) {
        if self.closed.swap(true, Ordering::AcqRel) {
            // Another thread ends the emitter or has ended it: the caller wants to see that end.
            if self.manual.is_none() {
                self.bus.await_end(timeout);
            }
            return;
        }
        let Some(manual) = &self.manual else {
            self.bus.shut_down(timeout);
            return;
        };
        self.bus.close();
        self.flush(timeout);
        let lanes = self.bus.lanes();
        let mut all: Vec<_> = lanes.iter().zip(manual).collect();
        // The same order as in `Bus::shut_down`.
        all.sort_by_key(|(lane, _)| self.bus.takes_checkpoints(lane));
        for (lane, manual) in all {
            lane.ask(Ask::Close(Instant::NEVER));
            if let Ok(mut manual) = manual.try_lock() {
                drain(lane, &mut manual);
                lane.ask(Ask::Close(lane.now()));
                drain(lane, &mut manual);
                let _ = reentry::inside(|| manual.sink.flush());
            }
        }
    }
}
