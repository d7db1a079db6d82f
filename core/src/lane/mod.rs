//! One lane: everything between the emitter and one sink.
//!
//! Guarantees: lanes share nothing but the frozen event, so a sink that is slow, failing, hung, panicking
//! or refusing changes nothing for the others or for the caller, save where docs/LANES.md says so. When a lane loses an
//! event, it counts the loss in the same lock section, declares it in the stream that the event belonged to, and tells
//! the `siem` and `audit` lanes once per episode of loss.
//!
//! How: [`queue`] decides which events find room. [`Lane`] is what callers touch: queue, counters, losses and health
//! under one lock that is never held while sealing or delivering. [`control`] decides what the lane does next: a state
//! machine without threads or clocks. [`worker`] runs it on a thread (and the sink on another, so that a sink that
//! hangs can be told from one that is slow); [`crate::Emitter::drain`] runs it on the caller's thread.

mod acts;
mod after;
pub(crate) mod bus;
pub(crate) mod checkpoint;
pub(crate) mod control;
mod core;
mod counters;
mod deadletter;
pub(crate) mod durable;
mod health;
mod loss;
mod own;
mod queue;
mod sealer;
mod shape;
mod tail;
mod tracked;
mod voice;
pub(crate) mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use after::{After, Lost};
pub(crate) use bus::{Bus, Gate, LaneSet};
pub(crate) use checkpoint::CheckpointFile;
pub(crate) use core::{Ask, LaneCore};
use core::{Phase, note_drop};
pub use counters::Counters;
pub use health::{Cursor, Health, LaneState, StateRecord};
pub use loss::Reason;
pub(crate) use own::{Breach, Fact, Note, Why};
pub(crate) use queue::{Entry, Offer, Queue};
pub(crate) use sealer::{SealContext, Sealer};
pub use shape::Filter;
pub(crate) use shape::{InForce, Measuring, Route, Shapable, Shaping, may_be_shaped};
pub use tracked::{Admission, EndState, Ending, Sealed, Stage};
pub(crate) use tracked::{Aim, Follow, Fresh, Tracked};

use crate::seam::Instant;
use crate::settings::{LaneConfig, Overflow, QueueCapacity, QueueConfig};
use crate::sink::{Failure, FailureKind, Moved, SinkClass, Traffic};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use crate::timeline::Timeline;

/// The part of a lane that callers and its worker share.
pub(crate) struct LaneShared {
    pub(crate) core: Mutex<LaneCore>,
    /// The worker waits here.
    pub(crate) work: Condvar,
    /// Callers that want room wait here, and so do callers of `flush`.
    pub(crate) room: Condvar,
}

/// A lane. Shared by the emitter, its receipts and the lane's worker.
pub struct Lane {
    id: Arc<str>,
    /// Its place among the emitter's lanes, and so in every receipt.
    pub(crate) index: usize,
    pub(crate) config: LaneConfig,
    pub(crate) shared: LaneShared,
    pub(crate) timeline: Arc<Timeline>,
    capacity: QueueCapacity,
    /// Where its sinks note what they move.
    traffic: Vec<Arc<Traffic>>,
}

/// What is called when there may be room.
pub(crate) type RoomWaiter = Box<dyn FnOnce() + Send>;

/// Callbacks of callers who wait for room without blocking a thread.
pub(crate) struct RoomWaiters(Vec<RoomWaiter>);

impl RoomWaiters {
    /// Calls them. No lock may be held.
    pub(crate) fn run(self) {
        for waiter in self.0 {
            crate::reentry::inside(waiter);
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", self.id)
    }
}

impl Lane {
    pub(crate) fn new(
        config: LaneConfig,
        index: usize,
        ceilings: &QueueConfig,
        timeline: Arc<Timeline>,
    ) -> Self {
        let capacity = config.capacity(ceilings);
        let core = LaneCore::new(Queue::new(capacity, config.overflow), Health::new(timeline.unix_nanos()));
        Self {
            id: config.id.as_str().into(),
            index,
            config,
            shared: LaneShared { core: Mutex::new(core), work: Condvar::new(), room: Condvar::new() },
            timeline,
            capacity,
            traffic: Vec::new(),
        }
    }

    pub(crate) fn with_traffic(self, traffic: Vec<Arc<Traffic>>) -> Self {
        Self { traffic, ..self }
    }

    /// The lane's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn id_arc(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// What its sink is for.
    #[must_use]
    pub fn classes(&self) -> &[SinkClass] {
        &self.config.classes
    }

    /// Whether it has a journal.
    #[must_use]
    pub fn durable(&self) -> bool {
        self.config.durable
    }

    pub(crate) fn is_blocking(&self) -> bool {
        self.config.overflow == Overflow::Block
    }

    pub(crate) fn watches_losses(&self) -> bool {
        self.config.classes.iter().any(|class| matches!(class, SinkClass::Siem | SinkClass::Audit))
    }

    /// See [`shape::may_be_shaped`].
    pub(crate) fn may_be_shaped(&self) -> bool {
        shape::may_be_shaped(&self.config.classes)
    }

    /// Counts an event that a policy keeps out of this lane.
    pub(crate) fn filtered(&self, filter: Filter) {
        self.lock().counters.filter(filter);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, LaneCore> {
        lock(&self.shared.core)
    }

    /// One consistent snapshot.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.reading(&self.lock())
    }

    /// How many events are delivered and pending, and how many of the pending ones the journal has on disk, at one
    /// moment.
    pub(crate) fn held(&self) -> (u64, u64, u64) {
        let core = self.lock();
        (core.counters.delivered, core.counters.pending, core.in_journal)
    }

    /// The counters of `core`, with the age of the oldest queued event filled in.
    pub(crate) fn reading(&self, core: &LaneCore) -> Counters {
        let mut counters = core.counters.clone();
        if let Some(front) = core.queue.front() {
            let age = self.timeline.now().since(front.event.made);
            counters.oldest_pending_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        }
        counters.moved = self.traffic.iter().map(|traffic| traffic.read()).reduce(Moved::and);
        counters
    }

    /// The lane's health, as the host sees it.
    #[must_use]
    pub fn health(&self) -> Health {
        let core = self.lock();
        let mut health = core.health.clone();
        // What the sink said of itself belongs to a failure: once the sink works again, it is old news.
        if let (Some(kind), Some(says)) = (health.failure, &core.says) {
            let words = health.detail.iter().chain([says]).map(String::as_str).collect::<Vec<_>>().join("; ");
            health.detail = Failure::new(kind, "").detail(words).detail;
        }
        health
    }

    /// How many events wait to be sealed.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.lock().queue.len()
    }

    /// Has the lane deliver what is queued at once, because somebody waits for it.
    pub(crate) fn hurry(&self) {
        self.ask(Ask::Hurry);
    }

    /// Asks the lane for something; answers how many flushes it has been asked for.
    pub(crate) fn ask(&self, what: Ask) -> u64 {
        let closes = matches!(what, Ask::Close(_));
        let mut core = self.lock();
        if core.take(what) {
            self.wake(&mut core);
        }
        if closes {
            // Callers that wait for room look again: a closing lane may not give them any.
            self.shared.room.notify_all();
        }
        core.asked
    }

    /// Wakes the worker, wherever it sleeps.
    pub(crate) fn wake(&self, core: &mut LaneCore) {
        core.attention = true;
        if core.phase != Phase::Busy {
            core.phase = Phase::Busy;
            self.shared.work.notify_all();
        }
    }

    /// Offers an event; with `block` this never waits. The caller runs `after` once it holds no lane's lock: a
    /// callback of a receipt may emit.
    #[inline]
    pub(crate) fn offer(
        &self,
        core: &mut LaneCore,
        tracked: &Arc<Tracked>,
        after: &mut After,
    ) -> (Admission, u32) {
        core.counters.admit();
        tracked.enters(self.index, self.config.durable);
        // That the lane itself has failed is seen here: an emitter that was shut down does not come here.
        if !core.life.takes() || !core.queue.put(tracked) {
            return self.offer_full(core, tracked, after);
        }
        if core.hear_drop && !core.dropped.is_empty() {
            self.tell_drop(core);
        }
        self.nudge(core, after);
        (Admission::Enqueued, 0)
    }

    /// Has the worker look at what was dropped.
    #[cold]
    fn tell_drop(&self, core: &mut LaneCore) {
        core.hear_drop = false;
        self.wake(core);
    }

    /// As [`offer`](Self::offer), where there is no room, or no more room ever.
    #[cold]
    fn offer_full(&self, core: &mut LaneCore, tracked: &Arc<Tracked>, after: &mut After) -> (Admission, u32) {
        if !core.life.takes() {
            self.lose(core, tracked, Reason::GaveUp, after);
            return (Admission::Dropped(Reason::GaveUp), 0);
        }
        let LaneCore { queue, counters, dropped, .. } = core;
        let (offer, back) = queue.offer(Arc::clone(tracked), |gone| {
            counters.drop_pending(Reason::Overflow, 1);
            note_drop(dropped, &gone, Reason::Overflow);
            after.lost.push(Lost { lane: self.index, tracked: gone, reason: Reason::Overflow });
        });
        drop(back);
        let outcome = match offer {
            Offer::Taken { evicted } => (Admission::Enqueued, u32::try_from(evicted).unwrap_or(u32::MAX)),
            Offer::TooLarge => (Admission::Dropped(Reason::TooLarge), 0),
            // `emit` waits before it offers an event to a full blocking lane; where it must not wait, the event is
            // lost.
            Offer::Full => (Admission::Dropped(Reason::Reentrant), 0),
            Offer::Dropped => (Admission::Dropped(Reason::Overflow), 0),
        };
        if let Admission::Dropped(reason) = outcome.0 {
            self.lose(core, tracked, reason, after);
            let news = (tracked.event.terminal && !core.terminal_lost)
                || (self.config.overflow == Overflow::FailSink
                    && reason == Reason::Overflow
                    && !core.overflowed);
            core.terminal_lost |= tracked.event.terminal;
            core.overflowed |= self.config.overflow == Overflow::FailSink && reason == Reason::Overflow;
            if news {
                self.wake(core);
            }
        }
        if core.hear_drop && !core.dropped.is_empty() {
            self.tell_drop(core);
        }
        self.nudge(core, after);
        outcome
    }

    /// Notes that the worker is to be woken, if the new event changes what the worker would do.
    #[inline]
    fn nudge(&self, core: &mut LaneCore, after: &mut After) {
        let wake = match core.phase {
            Phase::Busy | Phase::Waiting | Phase::Woken => false,
            Phase::Idle => true,
            Phase::Lingering => {
                core.queue.len() >= self.config.batch.events || core.queue.bytes() >= self.config.batch.bytes
            }
        };
        if wake {
            core.attention = true;
            core.phase = Phase::Woken;
            after.sleepers.push(self.index);
        }
    }

    /// Counts an event that is lost before it was sealed, and notes it for a declaration.
    fn lose(&self, core: &mut LaneCore, tracked: &Arc<Tracked>, reason: Reason, after: &mut After) {
        core.counters.drop_pending(reason, 1);
        note_drop(&mut core.dropped, tracked, reason);
        after.lost.push(Lost { lane: self.index, tracked: Arc::clone(tracked), reason });
    }

    pub(crate) fn tell_lost(&self, lost: &Lost) {
        lost.tracked.end(self.index, self.config.durable, || Ending {
            state: EndState::Lost,
            reason: Some(lost.reason.name()),
            sealed: None,
            when: self.timeline.unix_nanos(),
        });
    }

    /// Whether a blocking lane has room for it now.
    pub(crate) fn has_room(&self, core: &LaneCore, cost: usize, terminal: bool) -> bool {
        !core.full && core.queue.has_room(cost, terminal)
    }

    /// Waits until the lane may have room, at most `limit`.
    pub(crate) fn wait_room<'a>(
        &'a self,
        mut core: MutexGuard<'a, LaneCore>,
        limit: Duration,
    ) -> MutexGuard<'a, LaneCore> {
        core.waiting += 1;
        core.hurry = true;
        self.wake(&mut core);
        let (mut core, _) =
            self.shared.room.wait_timeout(core, limit).unwrap_or_else(std::sync::PoisonError::into_inner);
        core.waiting -= 1;
        core
    }

    fn wait_until(&self, deadline: Instant, reached: impl Fn(&LaneCore) -> bool) {
        let mut core = self.lock();
        core.waiting += 1;
        while !reached(&core) && !core.has_ended() {
            let left = deadline.since(self.now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.room.wait_timeout(core, left);
            core = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        core.waiting -= 1;
    }

    /// Waits until the lane has answered the flush with the number `asked` (see [`Lane::ask`]) or a later one and holds
    /// nothing, or until its sink is gone for good.
    pub(crate) fn wait_flush(&self, asked: u64, deadline: Instant) {
        self.wait_until(deadline, |core| core.gone || (core.flushed >= asked && core.at_rest));
    }

    /// Waits until the lane has ended, whatever its sink does.
    pub(crate) fn wait_ended(&self, deadline: Instant) {
        self.wait_until(deadline, LaneCore::has_ended);
    }

    /// If the lane has not ended at the end of a shutdown, logs what it holds: its own thread, which logs that
    /// otherwise, is held up.
    pub(crate) fn say_stuck(&self) {
        let core = self.lock();
        let said = if core.has_ended() { None } else { voice::stuck(self.id(), core.counters.pending) };
        drop(core);
        if let Some(said) = said {
            crate::diagnostics::warn(&said);
        }
    }

    /// Waits until the lane has ended, its sink's thread included.
    pub(crate) fn wait_end(&self, deadline: Instant) {
        self.wait_ended(deadline);
        let mut core = self.lock();
        while core.couriers > 0 {
            let left = deadline.since(self.now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.room.wait_timeout(core, left);
            core = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Whether an entry could ever find room.
    pub(crate) fn could_fit(&self, cost: usize, terminal: bool) -> bool {
        queue::could_fit(&self.capacity, cost, terminal)
    }

    /// To be called when events have left the queue. The caller [runs](RoomWaiters::run) the answer once the lock is
    /// free: a callback may emit.
    #[must_use]
    pub(crate) fn made_room(&self, core: &mut LaneCore) -> RoomWaiters {
        if core.waiting > 0 {
            self.shared.room.notify_all();
        }
        RoomWaiters(std::mem::take(&mut core.room_waiters).into_iter().map(|(_, waiter)| waiter).collect())
    }

    /// Has `waiter` called when there may be room, or when `until` is over. Answers the earlier waiters whose time is
    /// over, as a lane that is stuck would keep them for ever; the caller [runs](RoomWaiters::run) them once the lock
    /// is free. Each waiter checks by itself whether there is room.
    #[must_use]
    pub(crate) fn wait_for_room(
        &self,
        core: &mut LaneCore,
        until: Instant,
        waiter: Option<RoomWaiter>,
    ) -> RoomWaiters {
        let over = self.given_up(core);
        core.room_waiters.extend(waiter.map(|waiter| (until, waiter)));
        core.hurry = true;
        self.wake(core);
        over
    }

    /// Takes out the waiters whose time is over; the caller [runs](RoomWaiters::run) them once the lock is free. All
    /// waiters of a lane wait equally long, so the list is ordered by time; a waiter that stands behind a later one is
    /// taken out with that one.
    #[must_use]
    pub(crate) fn given_up(&self, core: &mut LaneCore) -> RoomWaiters {
        let now = self.now();
        let over = core.room_waiters.iter().take_while(|(until, _)| *until <= now).count();
        RoomWaiters(core.room_waiters.drain(..over).map(|(_, waiter)| waiter).collect())
    }

    pub(crate) fn now(&self) -> Instant {
        self.timeline.now()
    }

    pub(crate) fn overflow_failure(&self) -> Failure {
        Failure::new(FailureKind::Overflow, "the queue is full")
    }
}
