//! Batches between sealing and the sink's acknowledgement, and the calls of the sink that carry them.
//!
//! Guarantees: batches stand in the order in which they were sealed, and keep their place while they are away, so that
//! the cursor moves contiguously whatever the order of the answers. What a dead process left is sent alone, before
//! anything newer.

use std::collections::VecDeque;
use std::time::Duration;

use crate::lane::sealer::{Item, Payload};
use crate::seam::{Instant, Uuid};
use crate::settings::BatchConfig;
use crate::sink::Envelope;

/// The last envelope of a batch that the sink has, behind one that it has not: the cursor moves there when that one is
/// settled.
pub(super) type Ahead = Option<(Uuid, u64)>;

/// A batch's call of the sink.
#[derive(Clone, Copy)]
pub(super) struct Flight {
    id: u64,
    pub(super) since: Instant,
    /// It has run past the lane's timeout.
    pub(super) overdue: bool,
}

/// Envelopes that go to the sink together.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// While the sink has it.
    flight: Option<Flight>,
    /// When it first failed.
    pub(super) failing_since: Option<Instant>,
    /// It holds what a dead process left.
    replayed: bool,
    pub(super) ahead: Ahead,
    /// Of a durable lane, journaled and not given to the sink yet: it may still grow.
    grows: bool,
    /// Until when it may wait to grow; `None`: it goes as soon as it can.
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

    /// Of a durable lane: it is on disk, so its delivery may wait for more, as long as an event of its own would
    /// have. Own envelopes wait for nothing.
    fn growing(items: Vec<Item>, linger: Duration) -> Self {
        let mut lingers: Option<Instant> = None;
        let mut at_once = false;
        for item in &items {
            match &item.payload {
                Payload::Event(tracked) => {
                    let until = tracked.enqueued_at.after(linger);
                    lingers = Some(lingers.map_or(until, |before| before.min(until)));
                }
                _ => at_once = true,
            }
        }
        let bytes = items.iter().map(|item| item.envelope.bytes.len()).sum();
        Self { grows: true, lingers: lingers.filter(|_| !at_once), bytes, ..Self::new(items) }
    }

    /// Takes the envelopes of the next batch, if both together are within these limits; else gives it back.
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

    /// What is left of it, to be sent by itself.
    pub(super) fn part(&self, items: Vec<Item>, ahead: Ahead) -> Self {
        Self { failing_since: self.failing_since, replayed: self.replayed, ahead, ..Self::new(items) }
    }
}

/// Whether the next batch may go.
pub(super) enum Next {
    /// There is none.
    None,
    /// It waits to grow, until then at the latest.
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

    /// Whether no batch waits to be sent.
    pub(super) fn all_away(&self) -> bool {
        self.batches.iter().all(|batch| batch.flight.is_some())
    }

    /// Whether nothing may be sent beside these: one is late, or holds what a dead process left.
    pub(super) fn stand_alone(&self) -> bool {
        self.batches.iter().any(|batch| batch.replayed || batch.flight.is_some_and(|flight| flight.overdue))
    }

    /// Whether what a dead process left is to be sent or away.
    pub(super) fn hold_replayed(&self) -> bool {
        self.batches.front().is_some_and(|batch| batch.replayed)
    }

    /// Marks the calls that have run past this timeout. Whether one has since the last time, and when the next one
    /// will have.
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

    /// The calls that are under way count as begun now.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        for flight in self.batches.iter_mut().filter_map(|batch| batch.flight.as_mut()) {
            flight.since = now;
        }
    }

    /// Nothing waits to grow any more.
    pub(super) fn hurry(&mut self) {
        self.batches.iter_mut().for_each(|batch| batch.lingers = None);
    }

    /// Adds a batch.
    pub(super) fn push(&mut self, items: Vec<Item>) {
        self.batches.push_back(Batch::new(items));
    }

    /// Adds what is in the journal, to the last batch where that may grow.
    pub(super) fn push_journaled(&mut self, items: Vec<Item>, limits: &BatchConfig) {
        let next = Batch::growing(items, limits.linger);
        let next = match self.batches.back_mut() {
            Some(last) => last.grow(next, limits),
            None => Some(next),
        };
        self.batches.extend(next);
    }

    /// Adds what a dead process left, before everything else.
    pub(super) fn push_replayed(&mut self, items: Vec<Item>) {
        self.batches.push_front(Batch { replayed: true, ..Batch::new(items) });
    }

    /// Puts back what was taken out of that place, or a part of it.
    pub(super) fn put_back(&mut self, at: usize, batch: Batch) {
        self.batches.insert(at, batch);
    }

    /// The first batch that is not away.
    pub(super) fn next(&self, now: Instant, limits: &BatchConfig) -> Next {
        match self.batches.iter().find(|batch| batch.flight.is_none()) {
            None => Next::None,
            Some(batch) if batch.is_due(now, limits) => Next::Due,
            Some(batch) => Next::Lingers(batch.lingers),
        }
    }

    /// Sends it: the number of the call, and what the sink is given.
    pub(super) fn send(&mut self, now: Instant) -> Option<(u64, Vec<Envelope>)> {
        let batch = self.batches.iter_mut().find(|batch| batch.flight.is_none())?;
        self.calls += 1;
        batch.grows = false;
        batch.flight = Some(Flight { id: self.calls, since: now, overdue: false });
        batch.items.iter_mut().for_each(|item| item.tries += 1);
        Some((self.calls, batch.items.iter().map(|item| item.envelope.clone()).collect()))
    }

    /// The sink has answered this call: takes its batch out, with the place that it had.
    pub(super) fn land(&mut self, call: u64) -> Option<(usize, Flight, Batch)> {
        let of = |batch: &Batch| batch.flight.is_some_and(|flight| flight.id == call);
        let at = self.batches.iter().position(of)?;
        let mut batch = self.batches.remove(at)?;
        let flight = batch.flight.take()?;
        Some((at, flight, batch))
    }

    /// Of a batch that stood in this place the sink has all up to that envelope. If an older one is still away, that
    /// one moves the cursor once it is settled; else the caller does.
    pub(super) fn leave_to_older(&mut self, at: usize, ahead: Ahead) -> bool {
        let older = at.checked_sub(1).and_then(|before| self.batches.get_mut(before));
        older.map(|batch| batch.ahead = ahead).is_some()
    }
}
