//! A lane's queue: which events find room in it.
//!
//! Guarantees: every operation is O(1) in the queue's length, amortized over what it evicts, whatever the
//! mix of terminal and other events and of runs. Events leave in the order in which they entered. A
//! terminal event is never evicted.
//!
//! How: entries stand in a ring in the order in which they came, so that a caller who adds one only writes, where the lane's
//! thread only read: what the one has written, the other's processor has to fetch before it can read it. What an entry counts
//! for stands beside it, as the event itself is the caller's memory. Only the oldest of all, of those that are not terminal, and
//! of those of one run ever leave; one that leaves from among others leaves a gap, and an eviction that makes gaps more
//! than the entries closes them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::settings::{Overflow, QueueCapacity};

/// So many gaps may always be.
const GAPS: usize = 64;

/// What the queue needs to know of an entry.
pub(crate) trait Entry {
    /// Bytes it counts for.
    fn cost(&self) -> usize;
    /// Whether it may never be evicted.
    fn terminal(&self) -> bool;
    /// The run it belongs to.
    fn run(&self) -> Option<&str>;
}

/// What became of an entry that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is in, and so many others were evicted for it.
    Taken {
        /// How many.
        evicted: usize,
    },
    /// No room now; the caller may wait (`block`).
    Full,
    /// It is dropped: there is no room, and the overflow policy evicts nothing for it.
    Dropped,
    /// It could never fit.
    TooLarge,
}

struct Place<T> {
    /// `None` is a gap.
    item: Option<T>,
    cost: usize,
    terminal: bool,
}

impl<T> Place<T> {
    fn is_loose(&self) -> bool {
        self.item.is_some() && !self.terminal
    }
}

/// The entries of one run that are not terminal.
#[derive(Default)]
struct Run {
    /// By their numbers, the oldest first.
    places: VecDeque<u64>,
    bytes: usize,
}

/// Whether an entry could ever fit.
pub(crate) fn could_fit(c: &QueueCapacity, cost: usize, terminal: bool) -> bool {
    if terminal {
        cost <= c.bytes
    } else {
        cost <= c.bytes - c.reserved_bytes && c.events > c.reserved_events
    }
}

/// See the module's head.
pub(crate) struct Queue<T> {
    /// The first of them is no gap.
    places: VecDeque<Place<T>>,
    /// The number of the first place; places are numbered as they come.
    first: u64,
    /// No entry before the place with this number may be evicted.
    loose_from: u64,
    runs: Option<HashMap<Arc<str>, Run>>,
    count: usize,
    bytes: usize,
    loose_count: usize,
    loose_bytes: usize,
    capacity: QueueCapacity,
    overflow: Overflow,
}

impl<T: Entry> Queue<T> {
    pub(crate) fn new(capacity: QueueCapacity, overflow: Overflow) -> Self {
        Self {
            places: VecDeque::new(),
            first: 0,
            loose_from: 0,
            runs: (overflow == Overflow::CoalesceByRun).then(HashMap::new),
            count: 0,
            bytes: 0,
            loose_count: 0,
            loose_bytes: 0,
            capacity,
            overflow,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entry that leaves next.
    pub(crate) fn front(&self) -> Option<&T> {
        self.places.front()?.item.as_ref()
    }

    /// What the entry that leaves next counts for.
    pub(crate) fn front_cost(&self) -> Option<usize> {
        self.places.front().map(|place| place.cost)
    }

    pub(crate) fn capacity(&self) -> QueueCapacity {
        self.capacity
    }

    /// Whether there is room without evicting anything.
    pub(crate) fn has_room(&self, cost: usize, terminal: bool) -> bool {
        let c = &self.capacity;
        self.count < c.events
            && self.bytes + cost <= c.bytes
            && (terminal
                || (self.loose_count < c.events - c.reserved_events
                    && self.loose_bytes + cost <= c.bytes - c.reserved_bytes))
    }

    /// Takes the entry if there is room for it without evicting anything.
    #[inline]
    pub(crate) fn put(&mut self, item: &T) -> bool
    where
        T: Clone,
    {
        let (cost, terminal) = (item.cost(), item.terminal());
        let room = self.has_room(cost, terminal);
        if room {
            self.push(item.clone(), cost, terminal);
        }
        room
    }

    /// Offers an entry under the queue's overflow policy; `evict` gets each entry that is evicted for it.
    pub(crate) fn offer(&mut self, item: T, mut evict: impl FnMut(T)) -> (Offer, Option<T>) {
        let (cost, terminal) = (item.cost(), item.terminal());
        // What has room now could fit.
        if self.has_room(cost, terminal) {
            self.push(item, cost, terminal);
            return (Offer::Taken { evicted: 0 }, None);
        }
        if !could_fit(&self.capacity, cost, terminal) {
            return (Offer::TooLarge, Some(item));
        }
        let evictable = match (self.overflow, terminal) {
            (Overflow::Block, _) => return (Offer::Full, Some(item)),
            (_, true) | (Overflow::DropOldest, false) => self.evict_oldest(cost, terminal, &mut evict),
            (Overflow::CoalesceByRun, false) => self.evict_run(&item, cost, &mut evict),
            (Overflow::DropProgress | Overflow::FailSink, false) => None,
        };
        match evictable {
            Some(evicted) => {
                self.push(item, cost, terminal);
                (Offer::Taken { evicted }, None)
            }
            None => (Offer::Dropped, Some(item)),
        }
    }

    /// Evicts the oldest non-terminal entries until there is room; none if that would not help.
    fn evict_oldest(&mut self, cost: usize, terminal: bool, evict: &mut impl FnMut(T)) -> Option<usize> {
        let c = &self.capacity;
        if self.count - self.loose_count >= c.events || self.bytes - self.loose_bytes + cost > c.bytes {
            return None;
        }
        let mut evicted = 0;
        while !self.has_room(cost, terminal) {
            let oldest = self.oldest_loose()?;
            evict(self.take(oldest)?);
            evicted += 1;
        }
        Some(evicted)
    }

    /// Evicts the oldest non-terminal entries of the same run until there is room; none if that would not
    /// help.
    fn evict_run(&mut self, item: &T, cost: usize, evict: &mut impl FnMut(T)) -> Option<usize> {
        let run = self.runs.as_ref()?.get(item.run()?)?;
        let c = &self.capacity;
        let bytes_help = self.bytes - run.bytes + cost <= c.bytes
            && self.loose_bytes - run.bytes + cost <= c.bytes - c.reserved_bytes;
        if !bytes_help {
            return None;
        }
        let mut evicted = 0;
        while !self.has_room(cost, false) {
            let oldest = *self.runs.as_ref()?.get(item.run()?)?.places.front()?;
            evict(self.take(oldest)?);
            evicted += 1;
        }
        Some(evicted)
    }

    fn push(&mut self, item: T, cost: usize, terminal: bool) {
        self.count += 1;
        self.bytes += cost;
        if !terminal {
            self.loose_count += 1;
            self.loose_bytes += cost;
            if let (Some(runs), Some(name)) = (&mut self.runs, item.run()) {
                let run = match runs.get_mut(name) {
                    Some(run) => run,
                    None => runs.entry(name.into()).or_default(),
                };
                run.places.push_back(self.first + self.places.len() as u64);
                run.bytes += cost;
            }
        }
        self.places.push_back(Place { item: Some(item), cost, terminal });
    }

    /// The oldest entry.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.take(self.first)
    }

    /// The number of the oldest entry that may be evicted.
    fn oldest_loose(&mut self) -> Option<u64> {
        let from = self.loose_from.max(self.first);
        let passed = usize::try_from(from - self.first).ok()?;
        let found = self.places.iter().skip(passed).position(Place::is_loose);
        self.loose_from = match found {
            Some(further) => from + further as u64,
            None => self.first + self.places.len() as u64,
        };
        found.map(|_| self.loose_from)
    }

    /// Takes the entry with this number out: the oldest of all, of those that are not terminal, or of those of its run.
    fn take(&mut self, number: u64) -> Option<T> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let place = self.places.get_mut(at)?;
        let item = place.item.take()?;
        let (cost, terminal) = (place.cost, place.terminal);
        self.count -= 1;
        self.bytes -= cost;
        if !terminal {
            self.loose_count -= 1;
            self.loose_bytes -= cost;
            if let (Some(runs), Some(name)) = (&mut self.runs, item.run())
                && let Some(run) = runs.get_mut(name)
            {
                run.places.pop_front();
                run.bytes -= cost;
                if run.places.is_empty() {
                    runs.remove(name);
                }
            }
        }
        if at == 0 {
            while self.places.front().is_some_and(|place| place.item.is_none()) {
                self.places.pop_front();
                self.first += 1;
            }
        } else if self.places.len() - self.count > self.count + GAPS {
            self.close_gaps();
        }
        Some(item)
    }

    /// Numbers the entries anew, without gaps. As many have been evicted since the last time as are looked at here.
    fn close_gaps(&mut self) {
        self.places.retain(|place| place.item.is_some());
        self.loose_from = self.first;
        let Some(runs) = &mut self.runs else { return };
        runs.values_mut().for_each(|run| run.places.clear());
        for (number, place) in (self.first..).zip(&self.places) {
            if let (false, Some(item)) = (place.terminal, &place.item)
                && let Some(run) = item.run().and_then(|name| runs.get_mut(name))
            {
                run.places.push_back(number);
            }
        }
    }

    /// How many places there are, gaps among them.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }
}
