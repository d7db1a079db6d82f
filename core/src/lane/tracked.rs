//! One event in flight: what every lane did with it, and how it ended there.
//!
//! Guarantees: every lane that took the event ends it once, and only the first ending counts; whoever waits for a stage
//! is told exactly once. Lanes write here; a [`Receipt`](crate::receipt::Receipt) reads.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Reason, Shaping};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::seam::{UnixNanos, Uuid};
use crate::sink::EnvelopeHash;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use crate::sync::{Mutex, lock};

/// How far a wait goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Every durable lane that took the event has it on disk.
    Journaled,
    /// Every lane's sink acknowledged it, or said that it never will.
    Delivered,
}

impl Stage {
    /// The stage of that name.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "journaled" => Ok(Self::Journaled),
            "delivered" => Ok(Self::Delivered),
            _ => {
                Err(Error::invalid_argument("a receipt is awaited as \"journaled\" or \"delivered\"")
                    .at("stage"))
            }
        }
    }
}

/// What a lane did with an event when it was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is queued.
    Enqueued,
    /// A policy keeps it out of this lane.
    Filtered,
    /// It was lost at once.
    Dropped(Reason),
}

impl Admission {
    /// For a [`Slot`].
    fn encode(self) -> u8 {
        match self {
            Self::Filtered => 0,
            Self::Enqueued => 1,
            Self::Dropped(reason) => 2 + reason as u8,
        }
    }

    fn decode(code: u8) -> Self {
        match code {
            0 => Self::Filtered,
            1 => Self::Enqueued,
            code => Self::Dropped(Reason::ALL[usize::from(code) - 2]),
        }
    }
}

impl std::fmt::Display for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Enqueued => f.write_str("enqueued"),
            Self::Filtered => f.write_str("filtered"),
            Self::Dropped(reason) => write!(f, "dropped: {}", reason.name()),
        }
    }
}

/// How an event ended in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndState {
    /// The sink has it.
    Delivered,
    /// It will not arrive.
    Lost,
    /// Nobody can know: the receiver refused some of a batch, or the emitter ended first.
    Uncertain,
    /// A policy kept it out.
    Filtered,
}

impl EndState {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Lost => "lost",
            Self::Uncertain => "uncertain",
            Self::Filtered => "filtered",
        }
    }
}

/// Where an event was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The stream.
    pub streamid: Uuid,
    /// Its number there.
    pub sequence: u64,
    /// The envelope's hash.
    pub hash: EnvelopeHash,
    /// The digest of its event: the same in every lane that sealed it in the same form.
    pub digest: [u8; 32],
}

/// How an event ended in a lane, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub state: EndState,
    /// Why, for `lost` and `uncertain`: a name of [`Reason`], or `shutdown`.
    pub reason: Option<&'static str>,
    /// Where it was sealed, if it came to that.
    pub sealed: Option<Sealed>,
    /// When.
    pub when: UnixNanos,
}

/// Hears what becomes of an event in each lane that takes it, as it happens: on a lane's thread, perhaps under its lock, so
/// it must not wait for anything.
pub(crate) trait Follow: Send + Sync {
    /// The lane is going to take it, or to lose it.
    fn entered(&self, lane: usize, durable: bool);

    /// A durable lane that took it has it on disk; or, `false`, never will.
    fn journaled(&self, lane: usize, written: bool);

    /// It ended in the lane.
    fn ended(&self, lane: usize, ending: &Ending);
}

/// Where an event is to go, beside what policies say, and who hears of it there.
pub(crate) struct Aim<'a> {
    /// Whether the lane with this index is to get it.
    pub(crate) lanes: &'a dyn Fn(usize) -> bool,
    pub(crate) follow: Option<Arc<dyn Follow>>,
}

/// Called once, on a lane's thread.
pub(crate) type Waiter = Box<dyn FnOnce() + Send>;

/// Up to so many lanes, an event and its receipt need no allocation per lane.
const FEW: usize = 4;

/// The part of an event in flight that lanes and receipts share.
pub(crate) struct Tracked {
    pub(crate) event: Event,
    /// Made by the first lane that seals the event; `None` when it cannot be sealed.
    pub(crate) prepared: std::sync::OnceLock<Option<crate::envelope::Prepared>>,
    /// The policies that routed it, which also shape it, whatever is in force by then.
    pub(crate) shaping: Option<Arc<dyn Shaping>>,
    pub(crate) follow: Option<Arc<dyn Follow>>,
    /// Receipts that can still ask how it ended.
    watchers: AtomicU32,
    /// Lanes that have not ended.
    open: AtomicU32,
    /// Durable lanes that have it not on disk.
    unjournaled: AtomicU32,
    slots: SmallVec<[Slot; FEW]>,
    waiters: Mutex<Option<Box<Waiters>>>,
    /// A durable lane could not write it down.
    journal_failed: AtomicBool,
    /// For the queue's age, and the linger of its batch.
    pub(crate) enqueued_at: crate::seam::Instant,
}

#[derive(Default)]
struct Waiters {
    journaled: Vec<Waiter>,
    delivered: Vec<Waiter>,
}

impl Waiters {
    fn at(&mut self, stage: Stage) -> &mut Vec<Waiter> {
        match stage {
            Stage::Journaled => &mut self.journaled,
            Stage::Delivered => &mut self.delivered,
        }
    }
}

#[derive(Default)]
struct Slot {
    /// One of the constants below.
    phase: AtomicU8,
    /// What the lane did with it at once, as [`Admission::encode`] says.
    admission: AtomicU8,
    /// How many other events of the lane went for it.
    evicted: AtomicU32,
    ending: Mutex<Option<Box<Ending>>>,
}

// 0: not the lane's.
const OPEN: u8 = 1;
const JOURNALED: u8 = 2;
const ENDED: u8 = 3;
/// Ended before a durable lane had it on disk.
const ENDED_UNWRITTEN: u8 = 4;

impl Tracked {
    /// An event that `lanes` lanes, `durable` of them with a journal, are about to take.
    pub(crate) fn new(event: Event, lanes: usize, at: crate::seam::Instant) -> Self {
        Self {
            event,
            prepared: std::sync::OnceLock::new(),
            shaping: None,
            follow: None,
            watchers: AtomicU32::new(0),
            open: AtomicU32::new(1),
            unjournaled: AtomicU32::new(1),
            slots: (0..lanes).map(|_| Slot::default()).collect(),
            waiters: Mutex::default(),
            journal_failed: AtomicBool::new(false),
            enqueued_at: at,
        }
    }

    /// The lane with this index is going to take it.
    pub(crate) fn enter(&self, lane: usize, durable: bool) {
        if let Some(follow) = &self.follow {
            follow.entered(lane, durable);
        }
        self.slots[lane].phase.store(OPEN, Ordering::Release);
        self.open.fetch_add(1, Ordering::AcqRel);
        if durable {
            self.unjournaled.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// What the lane with this index did with it, and how many others went for it.
    pub(crate) fn admitted(&self, lane: usize, (admission, evicted): (Admission, u32)) {
        self.slots[lane].admission.store(admission.encode(), Ordering::Release);
        self.slots[lane].evicted.store(evicted, Ordering::Release);
    }

    /// All lanes that take it have been entered.
    pub(crate) fn entered(&self) {
        self.countdown(&self.unjournaled, Stage::Journaled);
        self.countdown(&self.open, Stage::Delivered);
    }

    fn countdown(&self, counter: &AtomicU32, stage: Stage) {
        if counter.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiters = lock(&self.waiters).as_mut().map(|waiters| std::mem::take(waiters.at(stage)));
            for waiter in waiters.into_iter().flatten() {
                waiter();
            }
        }
    }

    /// The lane's journal failed before it was on disk; it goes on without.
    pub(crate) fn not_journaled(&self, lane: usize) {
        self.journal_failed.store(true, Ordering::Release);
        self.journaled_by(lane, false);
    }

    /// The lane has it on disk.
    pub(crate) fn journaled(&self, lane: usize) {
        self.journaled_by(lane, true);
    }

    fn journaled_by(&self, lane: usize, written: bool) {
        let slot = &self.slots[lane];
        if slot.phase.compare_exchange(OPEN, JOURNALED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            if let Some(follow) = &self.follow {
                follow.journaled(lane, written);
            }
            self.countdown(&self.unjournaled, Stage::Journaled);
        }
    }

    /// It ended in the lane. Only the first ending counts.
    pub(crate) fn end(&self, lane: usize, durable: bool, ending: impl FnOnce() -> Ending) {
        let slot = &self.slots[lane];
        let mut held = lock(&slot.ending);
        let phase = slot.phase.load(Ordering::Acquire);
        if !matches!(phase, OPEN | JOURNALED) {
            return;
        }
        let watched = self.watchers.load(Ordering::Acquire) > 0;
        if watched || self.follow.is_some() {
            let ending = ending();
            if let Some(follow) = &self.follow {
                if durable && phase == OPEN {
                    follow.journaled(lane, false);
                }
                follow.ended(lane, &ending);
            }
            if watched {
                *held = Some(Box::new(ending));
            }
        }
        let unwritten = durable && phase == OPEN;
        // A lane journals and ends an event on the same thread, so nothing comes between load and store.
        slot.phase.store(if unwritten { ENDED_UNWRITTEN } else { ENDED }, Ordering::Release);
        drop(held);
        if unwritten {
            self.countdown(&self.unjournaled, Stage::Journaled);
        }
        self.countdown(&self.open, Stage::Delivered);
    }
}

/// What receipts ask.
impl Tracked {
    /// A receipt is there; to be said before a lane can have ended the event, or its ending is not kept.
    pub(crate) fn watch(&self) {
        self.watchers.fetch_add(1, Ordering::AcqRel);
    }

    /// A receipt is gone.
    pub(crate) fn unwatch(&self) {
        self.watchers.fetch_sub(1, Ordering::AcqRel);
    }

    /// What the lane with this index did with it at once.
    pub(crate) fn admission(&self, lane: usize) -> Admission {
        Admission::decode(self.slots[lane].admission.load(Ordering::Acquire))
    }

    /// How many queued events of the lane went for it.
    pub(crate) fn evicted(&self, lane: usize) -> u32 {
        self.slots[lane].evicted.load(Ordering::Acquire)
    }

    /// How it ended in the lane, if it has.
    pub(crate) fn ending(&self, lane: usize) -> Option<Ending> {
        lock(&self.slots[lane].ending).as_deref().cloned()
    }

    /// Whether it ended in the lane, a durable one, before it was on disk.
    pub(crate) fn ended_unwritten(&self, lane: usize) -> bool {
        self.slots[lane].phase.load(Ordering::Acquire) == ENDED_UNWRITTEN
    }

    /// Whether a durable lane could not write it down, and goes on without.
    pub(crate) fn journal_failed(&self) -> bool {
        self.journal_failed.load(Ordering::Acquire)
    }

    /// Whether the stage is reached in every lane.
    pub(crate) fn reached(&self, stage: Stage) -> bool {
        match stage {
            Stage::Journaled => self.unjournaled.load(Ordering::Acquire) == 0,
            Stage::Delivered => self.open.load(Ordering::Acquire) == 0,
        }
    }

    /// Has `waiter` called when the stage is reached. Gives it back where that is already so.
    pub(crate) fn wait(&self, stage: Stage, waiter: Waiter) -> Option<Waiter> {
        let mut waiters = lock(&self.waiters);
        if self.reached(stage) {
            return Some(waiter);
        }
        waiters.get_or_insert_default().at(stage).push(waiter);
        None
    }
}

impl super::Entry for Arc<Tracked> {
    fn cost(&self) -> usize {
        self.event.cost()
    }
    fn terminal(&self) -> bool {
        self.event.terminal
    }
    fn run(&self) -> Option<&str> {
        self.event.attribute(crate::event::Attribute::Run)
    }
}
