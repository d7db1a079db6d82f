//! The state of a lane that callers, other lanes and the lane's own controller share, under one lock.
//!
//! Guarantees: nothing outside `lane` sees a field: callers change it by [`Ask`], and read it by the methods of
//! [`LaneCore`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::tracked::Tracked;
use super::{Counters, Health, Lane, Note, Queue, Reason, RoomWaiter, own};
use crate::key::SigningKey;
use crate::seam::{Instant, Uuid};
use crate::sink::Envelope;

/// How many checkpoints of other lanes one lane holds for delivery: the newest ones.
const FOREIGN: usize = 65_536;

/// How many agents' drops are counted apart until the controller next collects them: memory stays bounded while a sink
/// hangs.
const AGENTS: usize = 4096;

/// Events of one agent that were dropped, by reason.
pub(crate) type Dropped = [u64; Reason::ALL.len()];

pub(super) fn note_drop(dropped: &mut HashMap<Box<str>, Dropped>, tracked: &Tracked, reason: Reason) {
    let agent = tracked.event.agent();
    if let Some(counts) = dropped.get_mut(agent) {
        counts[reason as usize] += 1;
        return;
    }
    let agent = if dropped.len() < AGENTS { agent } else { "" };
    dropped.entry(agent.into()).or_default()[reason as usize] += 1;
}

/// Where the worker is, so that a caller wakes it only when that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Looking for work: it will see by itself what comes.
    Busy,
    /// Asleep until a batch's linger is over; woken early only by a full batch or a hurry.
    Lingering,
    /// Asleep with nothing queued: the next event wakes it.
    Idle,
    /// Asleep until the sink answers or a back-off is over: no event wakes it.
    Waiting,
    /// Asleep, and about to be woken: see [`super::After`].
    Woken,
}

/// Where a lane's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Takes events.
    Open,
    /// A shutdown has begun; the lane gives up at `until`.
    Closing { until: Instant },
    /// `closed` is sealed: nothing may enter any more. What is in flight has until `until`, if a shutdown set a limit.
    Shut { until: Option<Instant> },
    /// The worker has ended: nothing moves any more.
    Ended,
}

impl Life {
    /// Begins a shutdown, or shortens the time of one that has begun.
    fn close(&mut self, by: Instant) {
        *self = match *self {
            Self::Open => Self::Closing { until: by },
            Self::Closing { until } => Self::Closing { until: until.min(by) },
            Self::Shut { until } => Self::Shut { until: Some(until.map_or(by, |until| until.min(by))) },
            Self::Ended => Self::Ended,
        };
    }

    /// From now on nothing may enter.
    pub(super) fn shut(&mut self) {
        if self.takes() {
            *self = Self::Shut { until: self.until() };
        }
    }

    /// Whether the lane accepts events and notes.
    pub(super) fn takes(self) -> bool {
        matches!(self, Self::Open | Self::Closing { .. })
    }

    /// When a shutdown gives up.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Closing { until } => Some(until),
            Self::Shut { until } => until,
            Self::Open | Self::Ended => None,
        }
    }
}

/// What others can ask of a lane.
pub(crate) enum Ask {
    /// Do not linger: somebody waits for what is queued.
    Hurry,
    /// Deliver and declare what it holds; ends episodes of loss.
    Flush,
    /// Deliver what it holds, close its streams and end, at the given time at the latest.
    Close(Instant),
    /// Seal with another key from now on.
    Key(SigningKey),
    /// Send again what the journal holds of a stream, from that sequence on.
    Repair(Uuid, u64),
    /// Say something about another part of the emitter.
    Note(Note),
    /// Deliver a checkpoint of another lane.
    Foreign(Envelope),
}

/// What callers and worker share, under one lock.
pub(crate) struct LaneCore {
    pub(super) life: Life,
    pub(super) queue: Queue<Arc<Tracked>>,
    pub(super) counters: Counters,
    /// Dropped before sealing, by agent: for the sealer to declare.
    pub(super) dropped: HashMap<Box<str>, Dropped>,
    /// The controller wants to be woken by the next drop, even while it waits for its sink.
    pub(super) hear_drop: bool,
    /// The size of the event that last found no room, and whether it was terminal.
    wanted: (usize, bool),
    /// A terminal event was lost since the controller last looked.
    pub(super) terminal_lost: bool,
    /// What others ask this lane to seal in its own stream.
    pub(super) notes: Vec<Note>,
    /// Checkpoints of other lanes that this one delivers.
    pub(super) foreign: Vec<Envelope>,
    pub(super) health: Health,
    /// What the host's sink said of itself when it last did not take a batch.
    pub(super) says: Option<String>,
    pub(super) phase: Phase,
    /// Somebody waits for what is queued: do not linger.
    pub(super) hurry: bool,
    /// Marked failed by `fail_sink` until an acknowledgement below half of the capacity.
    pub(super) overflowed: bool,
    /// Callers waiting for room.
    pub(super) waiting: usize,
    /// Whether the lane holds nothing: nothing queued, in flight, in retry or still to be declared.
    pub(super) at_rest: bool,
    /// How many flushes were asked for, and (`flushed`) up to which of them `at_rest` is an answer.
    pub(super) asked: u64,
    /// A flush was asked for since the controller last looked: it ends episodes of loss.
    pub(super) flushing: bool,
    pub(super) flushed: u64,
    /// Something other than an event has come: the worker must look.
    pub(super) attention: bool,
    /// Lanes whose workers this lane's worker wakes as soon as it is awake itself: see [`super::After`].
    pub(super) relay: Vec<Arc<Lane>>,
    /// The sink's answers for batches in flight, by the number of the call.
    pub(super) answers: Vec<(u64, crate::sink::Answers)>,
    /// Threads that call the sink and have not ended.
    pub(super) couriers: usize,
    /// The sink has said that it will never take anything again.
    pub(super) gone: bool,
    /// Waiters without a thread: what to call when there is room again, and when each gives up.
    pub(super) room_waiters: VecDeque<(Instant, RoomWaiter)>,
    /// The key to seal with from now on.
    pub(super) new_key: Option<SigningKey>,
    /// For `repair`: the stream, and the sequence from which on it is sent again.
    pub(super) repair: Option<(crate::seam::Uuid, u64)>,
    /// The journal is full: the lane behaves as if its queue were full.
    pub(super) full: bool,
    /// How many of the pending events the journal has on disk.
    pub(super) in_journal: u64,
}

impl LaneCore {
    pub(super) fn new(queue: Queue<Arc<Tracked>>, health: Health) -> Self {
        Self {
            life: Life::Open,
            queue,
            counters: Counters::default(),
            dropped: HashMap::new(),
            hear_drop: true,
            wanted: (1, false),
            terminal_lost: false,
            notes: Vec::new(),
            foreign: Vec::new(),
            health,
            says: None,
            phase: Phase::Busy,
            hurry: false,
            overflowed: false,
            waiting: 0,
            at_rest: false,
            asked: 0,
            flushing: false,
            flushed: 0,
            attention: false,
            relay: Vec::new(),
            answers: Vec::new(),
            couriers: 0,
            gone: false,
            room_waiters: VecDeque::new(),
            new_key: None,
            repair: None,
            full: false,
            in_journal: 0,
        }
    }

    /// Records what is asked; answers whether the worker must look.
    pub(super) fn take(&mut self, ask: Ask) -> bool {
        match ask {
            Ask::Hurry => self.hurry = true,
            Ask::Flush => {
                self.asked += 1;
                self.hurry = true;
                self.flushing = true;
            }
            Ask::Close(by) => self.life.close(by),
            Ask::Key(key) => self.new_key = Some(key),
            Ask::Repair(stream, from) => self.repair = Some((stream, from)),
            Ask::Note(_) | Ask::Foreign(_) if !self.life.takes() => return false,
            Ask::Note(note) => own::merge(&mut self.notes, note),
            Ask::Foreign(envelope) => {
                if self.foreign.len() >= FOREIGN {
                    self.foreign.remove(0);
                }
                self.foreign.push(envelope);
            }
        }
        true
    }

    /// Whether a shutdown has begun.
    pub(crate) fn is_closing(&self) -> bool {
        self.life != Life::Open
    }

    /// Whether the lane's worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.life == Life::Ended
    }

    /// How many callbacks wait for room.
    #[cfg(test)]
    pub(crate) fn waiting_for_room(&self) -> usize {
        self.room_waiters.len()
    }

    /// Records how much room an `emit` lacked, and whether its event is terminal.
    pub(crate) fn want(&mut self, cost: usize, terminal: bool) {
        self.wanted = (cost, terminal);
    }

    /// The size of the event that last found no room, and whether it was terminal.
    pub(crate) fn wanted(&self) -> (usize, bool) {
        self.wanted
    }
}
