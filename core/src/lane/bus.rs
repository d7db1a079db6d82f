//! What lanes tell each other, and what of it the caller sees.
//!
//! Guarantees: no lane's lock is held here while another's is taken; the caller notices a lane's state only through
//! required sinks, by [`Bus::ready`].

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::checkpoint::CheckpointFile;
use super::{Ask, Breach, Fact, InForce, Lane, LaneState, Note, StateRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::key::SigningKey;
use crate::reentry;
use crate::seam::{Instant, Stopwatch};
use crate::settings::{CheckpointTarget, OnUnhealthy, RequiredSink};
use crate::sink::{Envelope, SinkClass};
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, lock};

/// How much longer than the deadline a lane may take to tell its receipts how their events ended.
const GRACE: Duration = Duration::from_millis(250);

/// The lanes as they are now.
pub(crate) struct LaneSet {
    pub(crate) lanes: Arc<[Arc<Lane>]>,
    /// Indices of the lanes with `overflow: block`.
    pub(crate) blocking: Vec<usize>,
    /// Indices of the others.
    pub(crate) others: Vec<usize>,
    /// Indices of the lanes that policies may shape.
    pub(crate) open: Vec<usize>,
    /// The policies in force, bound to these lanes.
    pub(crate) in_force: InForce,
}

#[cold]
fn has_been_shut_down() -> Error {
    Error::new(ErrorKind::Closed, "the emitter has been shut down; open another")
}

/// Binds a set of policies to the lanes that there are.
pub(crate) type Bind = Arc<dyn Fn(&[Arc<Lane>]) -> InForce + Send + Sync>;

impl LaneSet {
    fn new(lanes: Vec<Arc<Lane>>, in_force: InForce) -> Self {
        let (blocking, others) = (0..lanes.len()).partition(|&i| lanes[i].is_blocking());
        let open = (0..lanes.len()).filter(|&i| lanes[i].may_be_shaped()).collect();
        Self { lanes: lanes.into(), blocking, others, open, in_force }
    }
}

/// What every `emit` passes.
pub(crate) struct Gate {
    /// Whether the emitter takes no more events.
    closed: bool,
    /// The lanes, as in [`Bus::set`].
    pub(crate) set: Arc<LaneSet>,
}

/// See the module's head.
pub(crate) struct Bus {
    set: ArcSwap<LaneSet>,
    /// See [`Bus::adding`].
    adding: Mutex<()>,
    reloading: Mutex<()>,
    /// Binds the policies in force when a lane comes or goes.
    bind: Mutex<Option<Bind>>,
    required: Vec<RequiredSink>,
    /// A bit per class that `fail_closed` finds without a healthy sink.
    failing: AtomicU8,
    /// Whether each required class was healthy when last looked at.
    seen: Mutex<Vec<Option<bool>>>,
    changed: Condvar,
    checkpoint: Option<CheckpointTarget>,
    checkpoint_file: Option<CheckpointFile>,
    key: Mutex<Option<SigningKey>>,
    /// An `emit` holds the read lock while its event enters the lanes, and takes the set of lanes from here rather than from
    /// `set`, which is for everybody else: who holds a lane's lock may not wait here.
    gate: RwLock<Gate>,
    /// Every required class was healthy once: from now on each change is declared.
    opened: AtomicBool,
}

impl Bus {
    pub(crate) fn new(
        required: Vec<RequiredSink>,
        checkpoint: Option<CheckpointTarget>,
        checkpoint_file: Option<CheckpointFile>,
        key: Option<SigningKey>,
    ) -> Self {
        let set = Arc::new(LaneSet::new(Vec::new(), InForce::default()));
        Self {
            set: ArcSwap::new(Arc::clone(&set)),
            adding: Mutex::default(),
            reloading: Mutex::default(),
            bind: Mutex::default(),
            seen: Mutex::new(vec![None; required.len()]),
            required,
            failing: AtomicU8::new(0),
            changed: Condvar::new(),
            checkpoint,
            checkpoint_file,
            key: Mutex::new(key),
            gate: RwLock::new(Gate { closed: false, set }),
            opened: AtomicBool::new(false),
        }
    }

    /// To be called before an event enters the lanes; no shutdown begins before the guard is dropped.
    ///
    /// # Errors
    /// `closed`.
    #[inline]
    pub(crate) fn enter(&self) -> Result<RwLockReadGuard<'_, Gate>> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        if gate.closed { Err(has_been_shut_down()) } else { Ok(gate) }
    }

    /// From now on no event enters, and no lane is added.
    pub(crate) fn close(&self) {
        let _alone = self.adding();
        self.gate.write().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    pub(crate) fn set(&self) -> arc_swap::Guard<Arc<LaneSet>> {
        self.set.load()
    }

    pub(crate) fn lanes(&self) -> Arc<[Arc<Lane>]> {
        Arc::clone(&self.set.load().lanes)
    }

    /// Held while a lane is added or the last one taken away, as both read the set of lanes and then replace it; and while the
    /// emitter closes, so that no lane comes after that.
    pub(crate) fn adding(&self) -> MutexGuard<'_, ()> {
        lock(&self.adding)
    }

    /// Adds a lane; see [`adding`](Self::adding).
    pub(crate) fn add(&self, lane: Arc<Lane>) {
        let mut lanes: Vec<_> = self.set.load().lanes.to_vec();
        lanes.push(lane);
        self.store(lanes);
    }

    pub(crate) fn remove_last(&self) {
        let mut lanes: Vec<_> = self.set.load().lanes.to_vec();
        lanes.pop();
        self.store(lanes);
    }

    /// Puts other policies in force; `bind` binds them to the lanes of this emitter.
    pub(crate) fn shape(&self, bind: Bind) {
        let _alone = self.adding();
        *lock(&self.bind) = Some(bind);
        self.store(self.set.load().lanes.to_vec());
    }

    /// Held while policies are read anew, so that one caller at a time does so.
    pub(crate) fn reloading(&self) -> MutexGuard<'_, ()> {
        lock(&self.reloading)
    }

    fn store(&self, lanes: Vec<Arc<Lane>>) {
        let in_force = lock(&self.bind).as_ref().map(|bind| bind(&lanes)).unwrap_or_default();
        let set = Arc::new(LaneSet::new(lanes, in_force));
        self.set.store(Arc::clone(&set));
        // Waits for those who are entering the lanes, which nobody does for long.
        let before =
            std::mem::replace(&mut self.gate.write().unwrap_or_else(PoisonError::into_inner).set, set);
        drop(before);
    }

    pub(crate) fn key(&self) -> Option<SigningKey> {
        lock(&self.key).clone()
    }

    pub(crate) fn change_key(&self, key: &SigningKey) -> Result<()> {
        let mut current = lock(&self.key);
        match &*current {
            None => {
                return Err(Error::invalid_argument(
                    "this emitter seals without a key; open another one with the key in its configuration",
                ));
            }
            Some(old) if old.id() == key.id() => {
                return Err(Error::invalid_argument("the new key needs an id of its own").at("key.id"));
            }
            Some(_) => {}
        }
        *current = Some(key.clone());
        for lane in self.lanes().iter() {
            lane.ask(Ask::Key(key.clone()));
        }
        Ok(())
    }

    /// Tells the other lanes at once that a lane's state has changed.
    pub(crate) fn announce(&self, from: usize, record: StateRecord) {
        for lane in self.lanes().iter().filter(|lane| lane.index != from) {
            lane.ask(Ask::Note(Note::State(record.clone())));
        }
    }

    /// Tells every other `siem` and `audit` lane of an episode of losses that is over.
    pub(crate) fn tell_losses(&self, from: usize, fact: Fact) {
        for lane in self.lanes().iter().filter(|lane| lane.index != from && lane.watches_losses()) {
            lane.ask(Ask::Note(Note::Fact(fact.clone())));
        }
    }

    /// Tells every other `siem` lane the head of an audit chain.
    pub(crate) fn tell_tree_head(&self, from: usize, note: Note) {
        let siem = |lane: &&Arc<Lane>| lane.index != from && lane.classes().contains(&SinkClass::Siem);
        for lane in self.lanes().iter().filter(siem) {
            lane.ask(Ask::Note(note.clone()));
        }
    }

    /// Whether this lane is the one that gets the other lanes' checkpoints.
    pub(crate) fn takes_checkpoints(&self, lane: &Lane) -> bool {
        matches!(&self.checkpoint, Some(CheckpointTarget::Lane(id)) if lane.id() == id)
    }

    /// Hands a checkpoint that its own lane's sink has acknowledged to the second place: a lane or a file.
    pub(crate) fn checkpoint(&self, from: usize, envelope: &Envelope) {
        match &self.checkpoint {
            None => {}
            Some(CheckpointTarget::File(_)) => {
                if let Some(file) = &self.checkpoint_file {
                    file.push(envelope);
                }
            }
            Some(CheckpointTarget::Lane(id)) => {
                let lanes = self.lanes();
                if let Some(lane) = lanes.iter().find(|lane| lane.id() == id && lane.index != from) {
                    lane.ask(Ask::Foreign(envelope.clone()));
                }
            }
        }
    }

    pub(crate) fn checkpoint_file(&self) -> Option<&CheckpointFile> {
        self.checkpoint_file.as_ref()
    }

    /// Whether the class has a healthy sink: one that takes what it is given, or is between two tries and
    /// still holds everything.
    fn healthy(&self, class: SinkClass) -> bool {
        self.lanes().iter().filter(|lane| lane.classes().contains(&class)).any(|lane| {
            let health = lane.health();
            matches!(health.state, LaneState::Healthy | LaneState::Degraded) && health.acked.is_some()
        })
    }

    /// To be called when some lane's state has changed: looks at the required classes again.
    pub(crate) fn state_changed(&self) {
        let mut breaches = Vec::new();
        {
            let mut seen = lock(&self.seen);
            let mut failing = 0;
            for (required, seen) in self.required.iter().zip(seen.iter_mut()) {
                let healthy = self.healthy(required.class);
                if !healthy && required.on_unhealthy == OnUnhealthy::FailClosed {
                    failing |= 1 << (required.class as u8);
                }
                let news = seen.replace(healthy).is_some_and(|before| before != healthy);
                if news && self.opened.load(Ordering::Acquire) {
                    breaches.push(Breach {
                        class: required.class,
                        action: match required.on_unhealthy {
                            OnUnhealthy::FailClosed => "fail_closed",
                            OnUnhealthy::Degrade => "degrade",
                            OnUnhealthy::AlertOnly => "alert_only",
                        },
                        recovered: healthy,
                    });
                }
            }
            self.failing.store(failing, Ordering::Release);
        }
        self.changed.notify_all();
        for breach in breaches {
            for lane in self.lanes().iter() {
                lane.ask(Ask::Note(Note::Breach(breach.clone())));
            }
        }
    }

    /// An error if governance demands that no event is accepted now.
    pub(crate) fn ready(&self) -> Result<()> {
        let failing = self.failing.load(Ordering::Acquire);
        if failing == 0 {
            return Ok(());
        }
        let classes = SinkClass::ALL.into_iter().filter(|class| failing & (1 << (*class as u8)) != 0);
        Err(self.unavailable(&classes.collect::<Vec<_>>()))
    }

    /// The error that names the classes without a healthy sink, and why.
    pub(crate) fn unavailable(&self, classes: &[SinkClass]) -> Error {
        let names: Vec<&str> = classes.iter().map(|class| class.name()).collect();
        let lanes: Vec<String> = self
            .lanes()
            .iter()
            .filter(|lane| lane.classes().iter().any(|class| classes.contains(class)))
            .map(|lane| {
                let health = lane.health();
                let why = health.summary.map_or_else(String::new, |summary| format!(": {summary}"));
                format!("lane {:?} is {}{why}", lane.id(), health.state.name())
            })
            .collect();
        let why = if lanes.is_empty() {
            "no lane has it: add one, or give open a sink of your own that has".to_owned()
        } else {
            format!("{}; mend the sink, and emitting goes on by itself", lanes.join("; "))
        };
        Error::new(
            ErrorKind::RequiredSinkUnavailable,
            format!("governance requires a healthy sink of class {}; {why}", names.join(", ")),
        )
        .at("governance.required_sinks")
    }

    /// The error for a class whose sinks would all have to be run by the thread that waits for them.
    pub(crate) fn held(&self, class: SinkClass, lanes: &[String]) -> Error {
        let lanes: Vec<String> = lanes.iter().map(|lane| format!("{lane:?}")).collect();
        Error::new(
            ErrorKind::RequiredSinkUnavailable,
            format!(
                "governance requires a healthy sink of class {}; the event loop that runs what there is (lane {}) is this thread's own, \
                 which would wait for itself, or has ended: await the opening instead, as by `await configure(…)`",
                class.name(),
                lanes.join(", ")
            ),
        )
        .at("governance.required_sinks")
    }

    /// Waits until every required class is healthy.
    ///
    /// # Errors
    /// `required_sink_unavailable`, naming the classes, when `timeout` is over.
    pub(crate) fn await_required(&self, timeout: Duration) -> Result<()> {
        let start = Stopwatch::start();
        loop {
            self.state_changed();
            let seen = lock(&self.seen);
            let missing: Vec<SinkClass> = self
                .required
                .iter()
                .zip(seen.iter())
                .filter(|(_, healthy)| **healthy != Some(true))
                .map(|(required, _)| required.class)
                .collect();
            if missing.is_empty() {
                self.opened.store(true, Ordering::Release);
                return Ok(());
            }
            let left = start.left(timeout);
            if left.is_zero() {
                drop(seen);
                return Err(self.unavailable(&missing));
            }
            // Bounded, so that a change that comes between the look and the wait delays the caller only a little.
            let nap = left.min(Duration::from_millis(20));
            drop(self.changed.wait_timeout(seen, nap).unwrap_or_else(std::sync::PoisonError::into_inner));
        }
    }

    /// The classes that governance requires.
    pub(crate) fn required(&self) -> Vec<SinkClass> {
        self.required.iter().map(|required| required.class).collect()
    }

    pub(crate) fn requires(&self, class: SinkClass) -> bool {
        self.required.iter().any(|required| required.class == class)
    }
}

impl Bus {
    /// Has every lane deliver what it holds without lingering, and waits for nothing.
    pub(crate) fn hurry(&self) {
        self.lanes().iter().for_each(|lane| lane.hurry());
    }

    /// For the end of the process: delivers what is queued for half of the time while the emitter still accepts events,
    /// then shuts down.
    pub(crate) fn end(&self, timeout: Duration) {
        let lanes = self.lanes();
        let Some(clock) = lanes.first().map(|lane| Arc::clone(&lane.timeline)) else { return };
        let (deadline, half) = (clock.now().after(timeout), clock.now().after(timeout / 2));
        self.flush(half);
        self.shut_down(deadline.since(clock.now()));
    }

    /// Has every lane deliver and declare what it holds; waits until they have, or `deadline`.
    pub(crate) fn flush(&self, deadline: Instant) {
        let lanes = self.lanes();
        let asked: Vec<u64> = lanes.iter().map(|lane| lane.ask(Ask::Flush)).collect();
        for (lane, asked) in lanes.iter().zip(asked) {
            lane.wait_flush(asked, deadline);
        }
    }

    /// Waits until every lane has ended, for a shutdown that another thread has begun.
    pub(crate) fn await_end(&self, timeout: Duration) {
        let lanes = self.lanes();
        let Some(clock) = lanes.first().map(|lane| Arc::clone(&lane.timeline)) else { return };
        let deadline = clock.now().after(timeout);
        if !reentry::is_inside() {
            lanes.iter().for_each(|lane| lane.wait_end(deadline));
        }
    }

    /// Ends every lane: delivers what is queued and closes every stream, as far as `timeout` allows. A sink that hangs
    /// is abandoned.
    pub(crate) fn shut_down(&self, timeout: Duration) {
        let lanes = self.lanes();
        let Some(clock) = lanes.first().map(|lane| Arc::clone(&lane.timeline)) else { return };
        let deadline = clock.now().after(timeout);
        let inside = reentry::is_inside();
        self.close();
        // With one that was being added.
        let lanes = self.lanes();
        if !inside {
            // Lanes pass declarations and records to each other: deliver these before any lane closes.
            let half = clock.now().after(timeout / 2);
            self.flush(half);
            self.flush(half);
        }
        // With the deadline the lane gives up by itself, also when nobody waits for it.
        let end = |lane: &Lane| {
            lane.ask(Ask::Close(deadline));
        };
        if inside {
            lanes.iter().for_each(|lane| end(lane));
            return;
        }
        // The lane that takes the others' checkpoints closes last, so that it gets theirs of `closed`. If one of the
        // others hangs, half of the time is left for it.
        let (last, first): (Vec<_>, Vec<_>) = lanes.iter().partition(|lane| self.takes_checkpoints(lane));
        first.iter().for_each(|lane| end(lane));
        if !last.is_empty() {
            let now = clock.now();
            let half = now.after(deadline.since(now) / 2);
            first.iter().for_each(|lane| lane.wait_end(half));
            last.iter().for_each(|lane| end(lane));
        }
        for lane in lanes.iter() {
            lane.wait_end(deadline);
        }
        // The lane's own thread ends at once when its time is over, unless a signer of the host's or a disk holds it up.
        let grace = clock.now().after(GRACE).max(deadline);
        for lane in lanes.iter() {
            lane.wait_ended(grace);
            lane.say_stuck();
        }
        if let Some(file) = &self.checkpoint_file {
            file.close(grace.since(clock.now()).max(GRACE));
        }
    }
}
