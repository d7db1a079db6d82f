//! A lane's queue: which events find room in it.
//!
//! Guarantees: every operation is O(1) in the queue's length, amortized over what it evicts, whatever the
//! mix of terminal and other events and of runs. Events leave in the order in which they entered. A
//! terminal event is never evicted.
//!
//! How: entries live in a slab and are threaded on up to three doubly linked lists: all in order, the
//! non-terminal ones in order, and, for `coalesce_by_run` only, those of one run in order.

use std::collections::HashMap;
use std::sync::Arc;

use crate::settings::{Overflow, QueueCapacity};

const NONE: u32 = u32::MAX;

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

#[derive(Clone, Copy)]
struct Links {
    prev: u32,
    next: u32,
}

const UNLINKED: Links = Links { prev: NONE, next: NONE };

#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

const EMPTY: List = List { head: NONE, tail: NONE };

/// Which of an entry's links a list uses.
#[derive(Clone, Copy)]
enum By {
    Order = 0,
    NonTerminal = 1,
    Run = 2,
}

struct Node<T> {
    item: Option<T>,
    links: [Links; 3],
    /// For a free slot: the next free one is in `links[0].next`.
    cost: usize,
}

struct Run {
    list: List,
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
    nodes: Vec<Node<T>>,
    free: u32,
    order: List,
    non_terminal: List,
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
            nodes: Vec::new(),
            free: NONE,
            order: EMPTY,
            non_terminal: EMPTY,
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
        self.nodes.get(self.order.head as usize)?.item.as_ref()
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
            let item = self.remove(self.non_terminal.head)?;
            evict(item);
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
            let head = self.runs.as_ref()?.get(item.run()?)?.list.head;
            let gone = self.remove(head)?;
            evict(gone);
            evicted += 1;
        }
        Some(evicted)
    }

    fn push(&mut self, item: T, cost: usize, terminal: bool) {
        let run = if terminal || self.runs.is_none() { None } else { item.run().map(Arc::<str>::from) };
        let last = |list: &List| Links { prev: list.tail, next: NONE };
        let loose = if terminal { UNLINKED } else { last(&self.non_terminal) };
        let node = Node { item: Some(item), links: [last(&self.order), loose, UNLINKED], cost };
        let at = if let Some(place) = self.nodes.get_mut(self.free as usize) {
            let at = self.free;
            self.free = place.links[0].next;
            *place = node;
            at
        } else {
            self.nodes.push(node);
            // A queue's capacity in events is far below 2^32; configuration bounds it.
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        };
        let nodes = &mut self.nodes;
        append(nodes, &mut self.order, at, By::Order);
        self.count += 1;
        self.bytes += cost;
        if !terminal {
            append(nodes, &mut self.non_terminal, at, By::NonTerminal);
            self.loose_count += 1;
            self.loose_bytes += cost;
            if let (Some(runs), Some(run)) = (&mut self.runs, run) {
                let run = runs.entry(run).or_insert(Run { list: EMPTY, bytes: 0 });
                nodes[at as usize].links[By::Run as usize] = last(&run.list);
                append(nodes, &mut run.list, at, By::Run);
                run.bytes += cost;
            }
        }
    }

    /// The oldest entry.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.remove(self.order.head)
    }

    fn remove(&mut self, at: u32) -> Option<T> {
        let node = self.nodes.get_mut(at as usize)?;
        let item = node.item.take()?;
        let cost = node.cost;
        let nodes = &mut self.nodes;
        unlink(nodes, &mut self.order, at, By::Order);
        self.count -= 1;
        self.bytes -= cost;
        if !item.terminal() {
            unlink(nodes, &mut self.non_terminal, at, By::NonTerminal);
            self.loose_count -= 1;
            self.loose_bytes -= cost;
            if let (Some(runs), Some(name)) = (&mut self.runs, item.run())
                && let Some(run) = runs.get_mut(name)
            {
                unlink(nodes, &mut run.list, at, By::Run);
                run.bytes -= cost;
                if run.list.head == NONE {
                    runs.remove(name);
                }
            }
        }
        nodes[at as usize].links[0].next = self.free;
        self.free = at;
        Some(item)
    }
}

/// Puts an entry, whose own links say so already, at the end of a list.
#[inline]
fn append<T>(nodes: &mut [Node<T>], list: &mut List, at: u32, by: By) {
    // There is no entry with the number `NONE`.
    match nodes.get_mut(list.tail as usize) {
        Some(before) => before.links[by as usize].next = at,
        None => list.head = at,
    }
    list.tail = at;
}

fn unlink<T>(nodes: &mut [Node<T>], list: &mut List, at: u32, by: By) {
    let Links { prev, next } = nodes[at as usize].links[by as usize];
    if prev == NONE {
        list.head = next;
    } else {
        nodes[prev as usize].links[by as usize].next = next;
    }
    if next == NONE {
        list.tail = prev;
    } else {
        nodes[next as usize].links[by as usize].prev = prev;
    }
}
