//! Batches between sealing and the sink's acknowledgement, and the calls of the sink that carry them.
//!
//! Guarantees: batches stand in the order in which they were sealed, and keep their place while the sink has them, so
//! that the cursor moves contiguously whatever the order of the answers. What a dead process left is sent alone, before
//! anything newer.

use std::collections::VecDeque;
use std::time::Duration;

use crate::lane::sealer::{Item, Payload};
use crate::seam::{Instant, Uuid};
use crate::settings::BatchConfig;
use crate::sink::Envelope;

/// The last envelope that the sink has of the batches behind one that is not settled: the cursor moves there when that
/// one is settled.
pub(super) type Ahead = Option<(Uuid, u64)>;

/// A call of the sink that carries a batch.
#[derive(Clone, Copy)]
pub(super) struct Flight {
    id: u64,
    pub(super) since: Instant,
    /// The call has run past the lane's timeout.
    pub(super) overdue: bool,
}

/// Envelopes that go to the sink together.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// The call that carries it, while the sink has it.
    flight: Option<Flight>,
    /// When it first failed.
    pub(super) failing_since: Option<Instant>,
    /// It holds what a dead process left.
    replayed: bool,
    pub(super) ahead: Ahead,
    /// The batch of a durable lane is journaled but not yet given to the sink: it may still grow.
    grows: bool,
    /// How long it may wait to grow; `None`: it is sent as soon as possible.
    lingers: Option<Instant>,
    /// Bytes of its envelopes, while it grows.
    bytes: usize,
}

impl Batch {
    fn new(items: Vec<Item>) -> Self {
        Self {
            items,
            flight: None,
            failing_since: None,
            replayed: false,
            ahead: None,
            grows: false,
            lingers: None,
            bytes: 0,
        }
    }

    /// A batch of a durable lane. It is on disk, so its delivery may wait for more envelopes, for as long as its oldest
    /// event may linger. A batch that holds an own envelope does not wait.
    fn growing(items: Vec<Item>, linger: Duration) -> Self {
        let mut lingers: Option<Instant> = None;
        let mut at_once = false;
        for item in &items {
            match &item.payload {
                Payload::Event(tracked) => {
                    let until = tracked.event.made.after(linger);
                    lingers = Some(lingers.map_or(until, |before| before.min(until)));
                }
                _ => at_once = true,
            }
        }
        let bytes = items.iter().map(|item| item.envelope.bytes.len()).sum();
        Self { grows: true, lingers: lingers.filter(|_| !at_once), bytes, ..Self::new(items) }
    }

    /// Takes the envelopes of the next batch if both together are within the limits; else gives `next` back.
    fn grow(&mut self, next: Self, limits: &BatchConfig) -> Option<Self> {
        let fits = self.items.len() + next.items.len() <= limits.events
            && self.bytes.saturating_add(next.bytes) <= limits.bytes;
        if !(fits && self.grows && next.grows && self.flight.is_none()) {
            return Some(next);
        }
        self.lingers = match (self.lingers, next.lingers) {
            (Some(one), Some(other)) => Some(one.min(other)),
            _ => None,
        };
        self.bytes += next.bytes;
        self.items.extend(next.items);
        None
    }

    fn is_due(&self, now: Instant, limits: &BatchConfig) -> bool {
        self.lingers.is_none_or(|until| now >= until)
            || self.items.len() >= limits.events
            || self.bytes >= limits.bytes
    }

    /// The rest of this batch, to be sent separately.
    pub(super) fn part(&self, items: Vec<Item>, ahead: Ahead) -> Self {
        Self { failing_since: self.failing_since, replayed: self.replayed, ahead, ..Self::new(items) }
    }
}

/// Whether the next batch may go.
pub(super) enum Next {
    /// There is none.
    None,
    /// It waits to grow, until the given time at the latest.
    Lingers(Option<Instant>),
    Due,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Flights {
    /// Oldest first.
    batches: VecDeque<Batch>,
    /// Calls of the sink so far.
    calls: u64,
}

impl Flights {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Envelopes that are sealed and not acknowledged.
    pub(super) fn envelopes(&self) -> usize {
        self.batches.iter().map(|batch| batch.items.len()).sum()
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.batches.iter().flat_map(|batch| &batch.items)
    }

    pub(super) fn items_mut(&mut self) -> impl Iterator<Item = &mut Item> {
        self.batches.iter_mut().flat_map(|batch| &mut batch.items)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Item> {
        self.batches.drain(..).flat_map(|batch| batch.items)
    }

    /// Calls of the sink that are under way.
    pub(super) fn under_way(&self) -> usize {
        self.batches.iter().filter(|batch| batch.flight.is_some()).count()
    }

    /// Whether every batch has been given to the sink.
    pub(super) fn all_away(&self) -> bool {
        self.batches.iter().all(|batch| batch.flight.is_some())
    }

    /// Whether nothing may be sent beside the calls under way: one is late, or holds what a dead process left.
    pub(super) fn stand_alone(&self) -> bool {
        self.batches.iter().any(|batch| batch.replayed || batch.flight.is_some_and(|flight| flight.overdue))
    }

    /// Whether a batch with what a dead process left is waiting or under way.
    pub(super) fn hold_replayed(&self) -> bool {
        self.batches.front().is_some_and(|batch| batch.replayed)
    }

    /// Marks the calls that have run past this timeout. Answers whether one has since the last time, and when the next
    /// one will have.
    pub(super) fn look_for_late(&mut self, now: Instant, timeout: Duration) -> (bool, Option<Instant>) {
        let mut next: Option<Instant> = None;
        let mut late = false;
        for flight in self.batches.iter_mut().filter_map(|batch| batch.flight.as_mut()) {
            let deadline = flight.since.after(timeout);
            if now >= deadline {
                late |= !std::mem::replace(&mut flight.overdue, true);
            } else {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        }
        (late, next)
    }

    /// Counts the calls that are under way as begun now.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        for flight in self.batches.iter_mut().filter_map(|batch| batch.flight.as_mut()) {
            flight.since = now;
        }
    }

    /// No batch waits to grow any more.
    pub(super) fn hurry(&mut self) {
        self.batches.iter_mut().for_each(|batch| batch.lingers = None);
    }

    pub(super) fn push(&mut self, items: Vec<Item>) {
        self.batches.push_back(Batch::new(items));
    }

    /// Adds journaled envelopes: to the last batch if it may grow, else as a batch of their own.
    pub(super) fn push_journaled(&mut self, items: Vec<Item>, limits: &BatchConfig) {
        let next = Batch::growing(items, limits.linger);
        let next = match self.batches.back_mut() {
            Some(last) => last.grow(next, limits),
            None => Some(next),
        };
        self.batches.extend(next);
    }

    /// Adds a batch that a dead process left, before all others.
    pub(super) fn push_replayed(&mut self, items: Vec<Item>) {
        self.batches.push_front(Batch { replayed: true, ..Batch::new(items) });
    }

    /// Puts a batch, or a part of it, back in the place where it was taken out.
    pub(super) fn put_back(&mut self, at: usize, batch: Batch) {
        self.batches.insert(at, batch);
    }

    /// Whether the first batch that has not been given to the sink may go.
    pub(super) fn next(&self, now: Instant, limits: &BatchConfig) -> Next {
        match self.batches.iter().find(|batch| batch.flight.is_none()) {
            None => Next::None,
            Some(batch) if batch.is_due(now, limits) => Next::Due,
            Some(batch) => Next::Lingers(batch.lingers),
        }
    }

    /// Sends the first batch that has not been given to the sink: answers the number of the call, and the envelopes.
    pub(super) fn send(&mut self, now: Instant) -> Option<(u64, Vec<Envelope>)> {
        let batch = self.batches.iter_mut().find(|batch| batch.flight.is_none())?;
        self.calls += 1;
        batch.grows = false;
        batch.flight = Some(Flight { id: self.calls, since: now, overdue: false });
        batch.items.iter_mut().for_each(|item| item.tries += 1);
        Some((self.calls, batch.items.iter().map(|item| item.envelope.clone()).collect()))
    }

    /// The sink has answered this call: takes its batch out, and answers its place, too.
    pub(super) fn land(&mut self, call: u64) -> Option<(usize, Flight, Batch)> {
        let of = |batch: &Batch| batch.flight.is_some_and(|flight| flight.id == call);
        let at = self.batches.iter().position(of)?;
        let mut batch = self.batches.remove(at)?;
        let flight = batch.flight.take()?;
        Some((at, flight, batch))
    }

    /// The sink has the batch that stood in place `at` up to this envelope. If an older batch is not settled yet, it
    /// will move the cursor there, and the answer is `true`; else the caller moves it.
    pub(super) fn leave_to_older(&mut self, at: usize, ahead: Ahead) -> bool {
        let older = at.checked_sub(1).and_then(|before| self.batches.get_mut(before));
        older.map(|batch| batch.ahead = ahead).is_some()
    }
}
