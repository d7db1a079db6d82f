//! Receipts: what became of one event in each lane.
//!
//! Guarantees: every lane that took the event ends as `delivered`, `lost` or `uncertain`, once; whoever
//! waits is told exactly once; waiting takes memory and nothing else; no wait outlives the emitter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lane::{Lane, Reason, Shaping};
use crate::seam::{UnixNanos, Uuid};
use crate::sink::EnvelopeHash;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex, lock};

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

type Waiter = Box<dyn FnOnce() + Send>;

/// Up to so many lanes, an event and its receipt need no allocation per lane.
const FEW: usize = 4;

/// The part of an event in flight that lanes and receipts share.
pub(crate) struct Tracked {
    pub(crate) event: Event,
    /// Made by the first lane that seals the event; `None` when it cannot be sealed.
    pub(crate) prepared: std::sync::OnceLock<Option<crate::envelope::Prepared>>,
    /// The policies that routed it, which also shape it, whatever is in force by then.
    pub(crate) shaping: Option<Arc<dyn Shaping>>,
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
        self.journaled(lane);
    }

    /// The lane has it on disk.
    pub(crate) fn journaled(&self, lane: usize) {
        let slot = &self.slots[lane];
        if slot.phase.compare_exchange(OPEN, JOURNALED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
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
        if self.watchers.load(Ordering::Acquire) > 0 {
            *held = Some(Box::new(ending()));
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

impl crate::lane::Entry for Arc<Tracked> {
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

/// What `emit` returns.
pub struct Receipt {
    tracked: Arc<Tracked>,
    lanes: Arc<[Arc<Lane>]>,
    /// The process that emitted: in a forked child nothing moves it, and its locks may be held for ever.
    generation: u32,
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        let mut copy = Self::new(Arc::clone(&self.tracked), Arc::clone(&self.lanes));
        copy.generation = self.generation;
        copy
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.tracked.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("id", &self.id())
            .field("lanes", &self.lanes().collect::<Vec<_>>())
            .finish()
    }
}

impl Receipt {
    /// To be made before a lane can have ended the event, or its ending is not kept.
    pub(crate) fn new(tracked: Arc<Tracked>, lanes: Arc<[Arc<Lane>]>) -> Self {
        tracked.watchers.fetch_add(1, Ordering::AcqRel);
        Self { tracked, lanes, generation: crate::fork::generation() }
    }

    /// The lanes, each with its part of the event.
    fn slots(&self) -> impl Iterator<Item = (&Arc<Lane>, Admission, &Slot)> {
        let slots = self.lanes.iter().zip(&self.tracked.slots);
        slots.map(|(lane, slot)| (lane, Admission::decode(slot.admission.load(Ordering::Acquire)), slot))
    }

    /// The event's id, the same in every lane.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.tracked.event.id
    }

    /// What each lane did with it when it was emitted, in the order of the lanes.
    pub fn lanes(&self) -> impl Iterator<Item = (&str, Admission)> {
        self.slots().map(|(lane, admission, _)| (lane.id(), admission))
    }

    /// How many queued events of each lane went for it; lanes where none did are left out.
    pub fn evicted(&self) -> impl Iterator<Item = (&str, u32)> {
        let evicted = self.slots().map(|(lane, _, slot)| (lane.id(), slot.evicted.load(Ordering::Acquire)));
        evicted.filter(|(_, evicted)| *evicted > 0)
    }

    /// The salt of a content part, with which the host can prove what was said; `None` before the event is
    /// sealed, and for a part that there is not.
    #[must_use]
    pub fn salt(&self, part: usize) -> Option<[u8; 16]> {
        self.tracked.prepared.get()?.as_ref()?.content.as_ref()?.salt(part).copied()
    }

    /// Whether the stage is reached.
    #[must_use]
    pub fn reached(&self, stage: Stage) -> bool {
        let tracked = &self.tracked;
        match stage {
            Stage::Journaled => tracked.unjournaled.load(Ordering::Acquire) == 0,
            Stage::Delivered => tracked.open.load(Ordering::Acquire) == 0,
        }
    }

    /// Whether it is of the process that this one was forked from.
    fn is_inherited(&self) -> bool {
        self.generation != crate::fork::generation()
    }

    /// How it ended in each lane, in the order of the lanes; `None` where it has not.
    #[must_use]
    pub fn endings(&self) -> Vec<(&str, Option<Ending>)> {
        let tracked = &self.tracked;
        let inherited = self.is_inherited();
        let all = self.slots();
        all.map(|(lane, admission, slot)| {
            let ending = match admission {
                Admission::Enqueued if inherited => None,
                Admission::Enqueued => lock(&slot.ending).as_deref().cloned(),
                Admission::Filtered => Some(Ending {
                    state: EndState::Filtered,
                    reason: None,
                    sealed: None,
                    when: tracked.event.time,
                }),
                Admission::Dropped(reason) => Some(Ending {
                    state: EndState::Lost,
                    reason: Some(reason.name()),
                    sealed: None,
                    when: tracked.event.time,
                }),
            };
            (lane.id(), ending)
        })
        .collect()
    }

    /// Calls `done` once, when the stage is reached or the emitter has ended; at once if it already is.
    /// `done` runs on a lane's thread and must not block.
    ///
    /// # Errors
    /// `unsupported`: `journaled`, and no lane that took the event is durable; or the receipt is of the process that
    /// this one was forked from.
    pub fn on(&self, stage: Stage, done: impl FnOnce() + Send + 'static) -> Result<()> {
        self.check(stage)?;
        let tracked = &self.tracked;
        {
            let mut waiters = lock(&tracked.waiters);
            if !self.reached(stage) {
                // The receipt stays watched for as long as somebody waits.
                let receipt = self.clone();
                let waiter: Waiter = Box::new(move || {
                    crate::lane::reentry::inside(done);
                    drop(receipt);
                });
                waiters.get_or_insert_default().at(stage).push(waiter);
                drop(waiters);
                self.hurry();
                return Ok(());
            }
        }
        done();
        Ok(())
    }

    /// Waits until the stage is reached.
    ///
    /// # Errors
    /// `timeout`; `unsupported` as in [`on`](Self::on); `journal` when a durable lane ended the event
    /// without having it on disk.
    pub fn wait(&self, stage: Stage, timeout: Duration) -> Result<()> {
        self.wait_while(stage, timeout, &mut || true)
    }

    /// As [`wait`](Self::wait), asking `go_on` ten times a second: for hosts whose waits can be interrupted.
    /// Where it says no, the wait ends as with a time-out.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while(&self, stage: Stage, timeout: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<()> {
        const ASK: Duration = Duration::from_millis(100);
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let signal = Arc::clone(&shared);
        self.on(stage, move || {
            *lock(&signal.0) = true;
            signal.1.notify_all();
        })?;
        let start = Instant::now();
        loop {
            let left = timeout.saturating_sub(start.elapsed());
            let mut reached = lock(&shared.0);
            if !*reached {
                let waited = shared.1.wait_timeout(reached, left.min(ASK));
                reached = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            }
            if *reached {
                break;
            }
            // Whoever resolves the wait never waits for what the host does in `go_on`.
            drop(reached);
            if left.is_zero() || !go_on() {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "not {} within {timeout:?} in {}; the event is still on its way there, and health() says how the \
                         sink is",
                        match stage {
                            Stage::Journaled => "journaled",
                            Stage::Delivered => "delivered",
                        },
                        self.awaited()
                    ),
                ));
            }
        }
        self.check_journaled(stage)
    }

    /// The lanes that it has not ended in.
    fn awaited(&self) -> String {
        let lanes: Vec<String> = self
            .endings()
            .into_iter()
            .filter(|(_, ending)| ending.is_none())
            .map(|(lane, _)| format!("lane {lane:?}"))
            .collect();
        if lanes.is_empty() { "every lane".to_owned() } else { lanes.join(", ") }
    }

    /// An error if the stage is `journaled` and a durable lane ended the event without having it on disk.
    ///
    /// # Errors
    /// `journal`.
    pub fn check_journaled(&self, stage: Stage) -> Result<()> {
        if self.is_inherited() {
            return Ok(());
        }
        if stage == Stage::Journaled {
            if self.tracked.journal_failed.load(Ordering::Acquire) {
                return Err(Error::journal(
                    "the journal failed before the event was on disk; it is still being delivered from memory",
                ));
            }
            for (lane, admission, slot) in self.slots() {
                let unwritten = slot.phase.load(Ordering::Acquire) == ENDED_UNWRITTEN;
                if admission == Admission::Enqueued && unwritten {
                    let reason = lock(&slot.ending).as_ref().and_then(|ending| ending.reason);
                    return Err(Error::journal(format!(
                        "the event ended before it was on disk: {}",
                        reason.unwrap_or_default()
                    ))
                    .at(lane.id()));
                }
            }
        }
        Ok(())
    }

    fn check(&self, stage: Stage) -> Result<()> {
        if self.is_inherited() {
            return Err(Error::unsupported(
                "this receipt is of the process that this one was forked from: it can be awaited only there",
            ));
        }
        let durable =
            self.slots().any(|(lane, admission, _)| lane.durable() && admission == Admission::Enqueued);
        if stage == Stage::Journaled && !durable {
            return Err(Error::unsupported(
                "no durable lane took this event; set journal.dir, and durable: true on a lane",
            ));
        }
        Ok(())
    }

    /// Somebody waits: lanes that linger need not.
    fn hurry(&self) {
        for (lane, admission, _) in self.slots() {
            if admission == Admission::Enqueued {
                lane.hurry();
            }
        }
    }
}
