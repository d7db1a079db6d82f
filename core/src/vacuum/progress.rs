//! Which nonces are done in which lane, and so where the cursors stand.
//!
//! Guarantees: a nonce counts in a lane wholly or not at all: it is done there when the log of it was read to its end and
//! each of its events is delivered, filtered, or refused for good. A cursor moves over nonces that are done, in the order in
//! which they were read, and stands before one that ended otherwise until that one is read again. What a cursor has passed is
//! not taken again; nor is what is on its way. No thread of a lane waits for the database.
//!
//! How: each nonce hears as a [`Follow`] what becomes of its events, by counts per lane. Whoever reads the next nonce, ends
//! one or is asked to [`settle`](Progress::settle) writes down what has moved; so does a thread that waits for it, where
//! the emitter has threads.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::cursors::{Cursor, Cursors, Marks};
use crate::diagnostics;
use crate::error::Result;
use crate::lane::{EndState, Ending, Follow, Lane, Reason};
use crate::seam::fork::PerProcess;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex, lock, thread};

/// One lane's part of a nonce.
struct Part {
    durable: bool,
    /// Events that have not ended, and one for as long as the log is being read.
    open: AtomicU32,
    /// Events that a durable lane has not written down, and one for as long as the log is being read.
    unjournaled: AtomicU32,
    /// One of them will never be written down.
    unwritten: AtomicBool,
    /// One of them ended as nothing that counts.
    undone: AtomicBool,
}

impl Part {
    fn is_done(&self) -> bool {
        // In this order: what is undone is so before it is over.
        self.open.load(Ordering::Acquire) == 0 && !self.is_undone()
    }

    fn is_undone(&self) -> bool {
        self.undone.load(Ordering::Acquire)
    }

    fn journaled(&self) -> bool {
        self.durable
            && self.unjournaled.load(Ordering::Acquire) == 0
            && !self.unwritten.load(Ordering::Acquire)
            && !self.is_undone()
    }
}

/// A nonce on its way.
pub(super) struct Nonce {
    nonce: u64,
    parts: Box<[Part]>,
    signal: Arc<Signal>,
}

impl Nonce {
    /// The log was read to its end, or, `whole` being false, not: then the nonce counts nowhere.
    fn end(&self, whole: bool) {
        for part in &self.parts {
            if !whole {
                part.undone.store(true, Ordering::Release);
            }
            part.unjournaled.fetch_sub(1, Ordering::AcqRel);
            part.open.fetch_sub(1, Ordering::AcqRel);
        }
        self.signal.moved();
    }
}

impl Follow for Nonce {
    fn entered(&self, lane: usize, durable: bool) {
        let Some(part) = self.parts.get(lane) else { return };
        part.open.fetch_add(1, Ordering::AcqRel);
        if durable {
            part.unjournaled.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn journaled(&self, lane: usize, written: bool) {
        let Some(part) = self.parts.get(lane) else { return };
        if !written {
            part.unwritten.store(true, Ordering::Release);
        }
        if part.unjournaled.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.signal.moved();
        }
    }

    fn ended(&self, lane: usize, ending: &Ending) {
        let Some(part) = self.parts.get(lane) else { return };
        if !counts(ending) {
            part.undone.store(true, Ordering::Release);
        }
        if part.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.signal.moved();
        }
    }
}

/// Whether an event that ended so will never have to be sent again.
fn counts(ending: &Ending) -> bool {
    const FOR_GOOD: [Reason; 3] = [Reason::Rejected, Reason::TooLarge, Reason::Serialization];
    match ending.state {
        EndState::Delivered | EndState::Filtered => true,
        EndState::Lost => FOR_GOOD.iter().any(|reason| ending.reason == Some(reason.name())),
        EndState::Uncertain => false,
    }
}

/// Something has moved.
#[derive(Default)]
struct Signal {
    state: Mutex<Moved>,
    change: Condvar,
}

#[derive(Default, Clone, Copy)]
struct Moved {
    moved: bool,
    over: bool,
}

impl Signal {
    fn moved(&self) {
        lock(&self.state).moved = true;
        self.change.notify_one();
    }

    /// Waits until something has moved; `false`: nobody moves anything any more.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        while !state.moved && !state.over {
            state = self.change.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        std::mem::take(&mut state.moved) || !state.over
    }
}

/// One lane's way through a process's log.
#[derive(Default)]
struct Line {
    marks: Marks,
    /// The largest nonce that was taken here.
    last: Option<u64>,
    /// Nonces on their way, in the order in which they were read.
    waiting: VecDeque<Arc<Nonce>>,
    /// The marks are not as the database has them.
    moved: bool,
}

impl Line {
    fn of(marks: Marks) -> Self {
        Self { marks, last: marks.taken(), ..Self::default() }
    }

    /// Whether a nonce is on its way here.
    fn awaits(&self, nonce: u64) -> bool {
        self.waiting.iter().any(|waiting| waiting.nonce == nonce)
    }

    /// Moves the marks as far as they go.
    fn settle(&mut self, lane: usize) {
        let before = self.marks;
        if let Some(at) = self.waiting.iter().position(|nonce| nonce.parts[lane].is_undone()) {
            self.marks.undone = Some(self.waiting[at].nonce);
            // What is on its way behind it counts when it is read again, in its order.
            self.waiting.truncate(at);
            self.last = self.waiting.back().map(|nonce| nonce.nonce).max(self.marks.taken());
        }
        while let Some(front) = self.waiting.front().filter(|front| front.parts[lane].is_done()) {
            self.marks.delivered = self.marks.delivered.max(Some(front.nonce));
            if self.marks.undone == Some(front.nonce) {
                self.marks.undone = None;
            }
            self.waiting.pop_front();
        }
        for nonce in self.waiting.iter().take_while(|nonce| nonce.parts[lane].journaled()) {
            self.marks.journaled = self.marks.journaled.max(Some(nonce.nonce));
        }
        self.moved |= self.marks != before;
    }
}

/// A process's log, line by line of the lanes, in their order.
type Log = Vec<(Arc<str>, Line)>;

#[derive(Default)]
struct State {
    logs: HashMap<Box<str>, Log>,
    mover: bool,
    /// The database failed, and that was said.
    failed: bool,
}

/// This process's part.
#[derive(Default)]
struct Ours {
    state: Mutex<State>,
    signal: Arc<Signal>,
}

/// See the module's head.
pub(super) struct Progress {
    cursors: Cursors,
    ours: PerProcess<Ours>,
}

/// A nonce that is being read; dropped before its end, it counts nowhere.
pub(super) struct Reading {
    /// By the lanes' indices: the nonce up to which the lane has all, for those that have this one.
    pub(super) passed: Vec<Option<u64>>,
    follow: Option<Arc<Nonce>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({:?})", self.passed)
    }
}

impl Reading {
    pub(super) fn follow(&self) -> Option<Arc<dyn Follow>> {
        self.follow.clone().map(|nonce| nonce as Arc<dyn Follow>)
    }

    /// The log was read to its end; `whole`: and every event of it was sent.
    pub(super) fn end(&mut self, whole: bool) {
        if let Some(nonce) = self.follow.take() {
            nonce.end(whole);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl Progress {
    pub(super) fn new(cursors: Cursors) -> Self {
        Self { cursors, ours: PerProcess::new() }
    }

    /// Begins to read a nonce of a process's log for those of the lanes that `chosen` says.
    ///
    /// # Errors
    /// `sink`: the cursors cannot be read.
    pub(super) fn begin(
        &self,
        process: &str,
        nonce: u64,
        lanes: &[Arc<Lane>],
        chosen: impl Fn(usize) -> bool,
    ) -> Result<Reading> {
        self.settle();
        let ours = self.ours.get();
        let mut state = lock(&ours.state);
        if !state.logs.contains_key(process) {
            state.logs.insert(process.into(), self.load(process, lanes)?);
        }
        let log = state.logs.entry(process.into()).or_default();
        for lane in &lanes[log.len().min(lanes.len())..] {
            log.push((lane.id_arc(), Line::default()));
        }
        let part = |lane: &Arc<Lane>| Part {
            durable: lane.durable(),
            open: AtomicU32::new(1),
            unjournaled: AtomicU32::new(1),
            unwritten: AtomicBool::new(false),
            undone: AtomicBool::new(false),
        };
        let begun = Arc::new(Nonce {
            nonce,
            parts: lanes.iter().map(part).collect(),
            signal: Arc::clone(&ours.signal),
        });
        let mut passed = vec![None; lanes.len()];
        let mut followed = false;
        for (i, (_, line)) in log.iter_mut().enumerate().take(lanes.len()).filter(|(i, _)| chosen(*i)) {
            if let Some(taken) = line.last.filter(|taken| nonce <= *taken) {
                passed[i] = Some(taken);
            } else if line.marks.undone.is_none_or(|undone| nonce <= undone || line.awaits(undone)) {
                line.last = Some(nonce);
                line.waiting.push_back(Arc::clone(&begun));
                followed = true;
            }
        }
        Ok(Reading { passed, follow: followed.then_some(begun) })
    }

    fn load(&self, process: &str, lanes: &[Arc<Lane>]) -> Result<Log> {
        let known = self.cursors.read(process)?;
        let line = |lane: &Arc<Lane>| {
            let marks = known.iter().find(|(id, _)| *id == lane.id()).map(|(_, marks)| *marks);
            (lane.id_arc(), Line::of(marks.unwrap_or_default()))
        };
        Ok(lanes.iter().map(line).collect())
    }

    /// Has a thread write down what moves.
    pub(super) fn watch(self: &Arc<Self>) {
        let ours = self.ours.get();
        if std::mem::replace(&mut lock(&ours.state).mover, true) {
            return;
        }
        let (progress, signal) = (Arc::downgrade(self), Arc::clone(&ours.signal));
        let mover = thread::Builder::new().name("sinkwell-cursors".to_owned()).spawn(move || {
            while signal.wait() {
                let Some(progress) = progress.upgrade() else { return };
                progress.settle();
            }
        });
        // Without it cursors move when the next nonce is read.
        drop(mover);
    }

    /// Writes down what has moved. What cannot be written is tried again with what moves next, and said once.
    pub(super) fn settle(&self) {
        let ours = self.ours.get();
        let mut state = lock(&ours.state);
        let mut moved = Vec::new();
        for (process, log) in &mut state.logs {
            for (lane, (id, line)) in log.iter_mut().enumerate() {
                line.settle(lane);
                if line.moved {
                    moved.push(Cursor {
                        process: (**process).to_owned(),
                        lane: id.to_string(),
                        marks: line.marks,
                    });
                }
            }
        }
        if !moved.is_empty() {
            if let Err(e) = self.cursors.advance(&moved) {
                if !std::mem::replace(&mut state.failed, true) {
                    diagnostics::warn(&format!("the vacuum's cursors stay where they are: {e}"));
                }
                return;
            }
            state.failed = false;
        }
        for (_, line) in state.logs.values_mut().flatten() {
            line.moved = false;
        }
        // What nobody waits for is read again when it is asked for.
        state.logs.retain(|_, log| log.iter().any(|(_, line)| !line.waiting.is_empty()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.settle();
        let ours = self.ours.get();
        lock(&ours.signal.state).over = true;
        ours.signal.change.notify_all();
    }
}
