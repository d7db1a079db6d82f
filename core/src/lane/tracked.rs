//! One event in flight: what every lane did with it, and how it ended there.
//!
//! Guarantees: every lane that took the event ends it once, and only the first ending counts; whoever waits for a stage
//! is told exactly once. Lanes write here; a [`Receipt`](crate::receipt::Receipt) reads.

use std::ops::Index;
use std::sync::Arc;

use super::{Reason, Shaping};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::seam::{UnixNanos, Uuid};
use crate::sink::EnvelopeHash;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use crate::sync::{Mutex, lock};

/// What a receipt can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Every durable lane that took the event has it on disk.
    Journaled,
    /// Every lane that took the event has ended it: its sink acknowledged it, or it will not arrive.
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
    /// The code that a [`Slot`] keeps.
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
    /// Nobody can know: the receiver refused some of a batch without saying which, or the emitter ended first.
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// The stream.
    pub streamid: Uuid,
    /// Its number there.
    pub sequence: u64,
    /// The envelope's hash.
    pub hash: EnvelopeHash,
    /// The digest of the event: the same in every lane that sealed the event in the same form.
    pub digest: [u8; 32],
}

/// Hashes as envelopes and `sinkwell verify` write them.
impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed")
            .field("streamid", &self.streamid)
            .field("sequence", &self.sequence)
            .field("hash", &format_args!("{}", crate::hex::text(&self.hash)))
            .field("digest", &format_args!("{}", crate::hex::text(&self.digest)))
            .finish()
    }
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

/// Is told what becomes of an event in each lane that takes it, at once. Its calls run on a lane's thread, perhaps
/// under the lane's lock, so they must not wait for anything.
pub(crate) trait Follow: Send + Sync {
    /// The event is about to be queued by the lane, or lost at once.
    fn entered(&self, lane: usize, durable: bool);

    /// A durable lane that took the event has it on disk (`written`), or never will.
    fn journaled(&self, lane: usize, written: bool);

    /// The event has ended in the lane.
    fn ended(&self, lane: usize, ending: &Ending);
}

/// Which lanes an event is meant for, beside what policies say, and who is told what becomes of it there.
pub(crate) struct Aim<'a> {
    /// Whether the lane with this index is to get it.
    pub(crate) lanes: &'a dyn Fn(usize) -> bool,
    pub(crate) follow: Option<Arc<dyn Follow>>,
}

/// Called once, on a lane's thread.
pub(crate) type Waiter = Box<dyn FnOnce() + Send>;

/// For up to so many lanes, an event and its receipt need no allocation per lane.
const FEW: usize = 4;

/// The part of an event in flight that lanes and receipts share.
pub(crate) struct Tracked {
    pub(crate) event: Event,
    /// Made by the first lane that seals the event, if another lane or a receipt may ask for it; `None` when it cannot be
    /// sealed. Boxed, so that an event that waits, and the caller who makes it, have no room to do with what only sealing needs.
    pub(crate) prepared: std::sync::OnceLock<Option<Box<crate::envelope::Prepared>>>,
    /// The policies that routed the event. They also shape it, even if others are in force by then.
    pub(crate) shaping: Option<Arc<dyn Shaping>>,
    pub(crate) follow: Option<Arc<dyn Follow>>,
    /// Receipts that can still ask how it ended.
    watchers: AtomicU32,
    /// Lanes in which the event has not ended. All that will take it are counted before the first does, so that none can
    /// be the last while another has yet to get it.
    open: AtomicU32,
    /// Durable lanes that do not have the event on disk yet; counted as `open` is.
    unjournaled: AtomicU32,
    slots: Slots,
    waiters: Mutex<Option<Box<Waiters>>>,
    /// A durable lane's journal failed before it had the event.
    journal_failed: AtomicBool,
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
    /// The lane's [`Admission`] of the event, as [`Admission::encode`] writes it.
    admission: AtomicU8,
    /// How many queued events the lane evicted for this one.
    evicted: AtomicU32,
    ending: Mutex<Option<Box<Ending>>>,
}

// 0: not the lane's.
const OPEN: u8 = 1;
const JOURNALED: u8 = 2;
const ENDED: u8 = 3;
/// The event ended before a durable lane had it on disk.
const ENDED_UNWRITTEN: u8 = 4;

/// An event that is in no lane yet. It is made where it stays, as it is large: to hand it from one to the next would be to copy
/// it each time.
pub(crate) struct Fresh(Arc<Tracked>);

impl Fresh {
    /// One that `freeze` makes.
    ///
    /// # Errors
    /// Those of `freeze`.
    #[inline]
    pub(crate) fn make(freeze: impl FnOnce(&mut Event) -> Result<()>) -> Result<Self> {
        let mut fresh = Self(Arc::default());
        freeze(&mut fresh.own().event)?;
        Ok(fresh)
    }

    fn own(&mut self) -> &mut Tracked {
        Arc::get_mut(&mut self.0).expect("nobody else has an event that is in no lane")
    }

    /// The event, for those of so many lanes: each by its index, and whether it is durable. All that will take it or lose it are
    /// counted before any of them has it.
    #[inline]
    pub(crate) fn for_lanes(
        mut self,
        receipts: u32,
        of: usize,
        lanes: impl Iterator<Item = (usize, bool)>,
        shaping: Option<Arc<dyn Shaping>>,
        follow: Option<Arc<dyn Follow>>,
    ) -> Arc<Tracked> {
        if of > FEW || shaping.is_some() || follow.is_some() {
            self.equip(of, shaping, follow);
        }
        // Nobody else sees any of it before the lanes do.
        let tracked = &*self.0;
        let (mut open, mut unjournaled) = (0, 0);
        for (lane, durable) in lanes {
            // Mostly the lane queues the event, and evicts none for it.
            tracked.slots[lane].phase.store(OPEN, Ordering::Relaxed);
            tracked.slots[lane].admission.store(Admission::Enqueued.encode(), Ordering::Relaxed);
            open += 1;
            unjournaled += u32::from(durable);
        }
        tracked.open.store(open, Ordering::Relaxed);
        tracked.unjournaled.store(unjournaled, Ordering::Relaxed);
        tracked.watchers.store(receipts, Ordering::Relaxed);
        self.0
    }

    /// With what few events have.
    #[inline(never)]
    fn equip(&mut self, lanes: usize, shaping: Option<Arc<dyn Shaping>>, follow: Option<Arc<dyn Follow>>) {
        let own = self.own();
        (own.shaping, own.follow) = (shaping, follow);
        if lanes > FEW {
            own.slots = Slots::Many((0..lanes).map(|_| Slot::default()).collect());
        }
    }
}

impl std::ops::Deref for Fresh {
    type Target = Event;

    #[inline]
    fn deref(&self) -> &Event {
        &self.0.event
    }
}

/// What each of the emitter's lanes did with an event.
#[cfg_attr(
    feature = "shuttle",
    allow(clippy::large_enum_variant, reason = "a scheduler's atomics are large")
)]
enum Slots {
    Few([Slot; FEW]),
    Many(Box<[Slot]>),
}

impl Index<usize> for Slots {
    type Output = Slot;

    #[inline]
    fn index(&self, lane: usize) -> &Slot {
        match self {
            Self::Few(slots) => &slots[lane],
            Self::Many(slots) => &slots[lane],
        }
    }
}

impl Default for Tracked {
    /// Before there is an event.
    #[inline]
    fn default() -> Self {
        Self {
            event: Event::blank(),
            prepared: std::sync::OnceLock::new(),
            shaping: None,
            follow: None,
            watchers: AtomicU32::new(0),
            open: AtomicU32::new(0),
            unjournaled: AtomicU32::new(0),
            slots: Slots::Few(Default::default()),
            waiters: Mutex::default(),
            journal_failed: AtomicBool::new(false),
        }
    }
}

impl Tracked {
    /// Whether the lane that asks, in which the event has not ended, is the only one of which that holds.
    pub(super) fn is_in_one_lane(&self) -> bool {
        self.open.load(Ordering::Acquire) == 1
    }

    /// To be called before the lane with this index queues the event or loses it.
    pub(crate) fn enters(&self, lane: usize, durable: bool) {
        if let Some(follow) = &self.follow {
            follow.entered(lane, durable);
        }
    }

    /// Records what the lane with this index did with the event, and how many queued events it evicted for it, if that is not
    /// what mostly happens: by now the lane's thread may be at work on the event, so that to write here is to wait for it.
    #[inline]
    pub(crate) fn admitted(&self, lane: usize, (admission, evicted): (Admission, u32)) {
        if admission != Admission::Enqueued || evicted > 0 {
            self.not_only_queued(lane, admission, evicted);
        }
    }

    #[cold]
    fn not_only_queued(&self, lane: usize, admission: Admission, evicted: u32) {
        self.slots[lane].admission.store(admission.encode(), Ordering::Release);
        self.slots[lane].evicted.store(evicted, Ordering::Release);
    }

    fn countdown(&self, counter: &AtomicU32, stage: Stage) {
        if counter.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiters = lock(&self.waiters).as_mut().map(|waiters| std::mem::take(waiters.at(stage)));
            for waiter in waiters.into_iter().flatten() {
                waiter();
            }
        }
    }

    /// The lane's journal failed before it had the event; the lane goes on without a journal.
    pub(crate) fn not_journaled(&self, lane: usize) {
        self.journal_failed.store(true, Ordering::Release);
        self.journaled_by(lane, false);
    }

    /// The lane has the event on disk.
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

    /// The event has ended in the lane. Only the first ending counts.
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

/// What receipts call.
impl Tracked {
    /// Counts a receipt that is a copy of another one.
    pub(crate) fn watch(&self) {
        self.watchers.fetch_add(1, Ordering::AcqRel);
    }

    /// A receipt is gone.
    pub(crate) fn unwatch(&self) {
        self.watchers.fetch_sub(1, Ordering::AcqRel);
    }

    /// What the lane with this index did with the event when it was emitted.
    pub(crate) fn admission(&self, lane: usize) -> Admission {
        Admission::decode(self.slots[lane].admission.load(Ordering::Acquire))
    }

    /// How many queued events the lane evicted for this one.
    pub(crate) fn evicted(&self, lane: usize) -> u32 {
        self.slots[lane].evicted.load(Ordering::Acquire)
    }

    /// How it ended in the lane, if it has.
    pub(crate) fn ending(&self, lane: usize) -> Option<Ending> {
        lock(&self.slots[lane].ending).as_deref().cloned()
    }

    /// Whether the event ended in the lane, a durable one, before it was on disk.
    pub(crate) fn ended_unwritten(&self, lane: usize) -> bool {
        self.slots[lane].phase.load(Ordering::Acquire) == ENDED_UNWRITTEN
    }

    /// Whether a durable lane's journal failed before it had the event.
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

    /// Has `waiter` called when the stage is reached; gives it back if the stage is reached already.
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
