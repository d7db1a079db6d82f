//! The queue by itself, one rule of docs/LANES.md after the other. The model test covers their mixture.

use super::rig::Dice;
use crate::lane::queue::{Entry, Offer, Queue};
use crate::settings::{Overflow, QueueCapacity};

#[derive(Debug, PartialEq)]
struct E(u32, usize, bool, Option<&'static str>);

impl Entry for E {
    fn cost(&self) -> usize {
        self.1
    }
    fn terminal(&self) -> bool {
        self.2
    }
    fn run(&self) -> Option<&str> {
        self.3
    }
}

fn queue(overflow: Overflow) -> Queue<E> {
    Queue::new(QueueCapacity { events: 4, bytes: 100, reserved_events: 1, reserved_bytes: 20 }, overflow)
}

fn put(queue: &mut Queue<E>, e: E) -> (Offer, Vec<u32>) {
    let mut gone = Vec::new();
    let (offer, _) = queue.offer(e, |e| gone.push(e.0));
    (offer, gone)
}

fn rest(mut queue: Queue<E>) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop()).map(|e| e.0).collect()
}

#[test]
fn progress_never_fills_the_reserve() {
    for overflow in [Overflow::Block, Overflow::DropProgress, Overflow::FailSink, Overflow::CoalesceByRun] {
        let mut q = queue(overflow);
        for n in 0..3 {
            assert_eq!(put(&mut q, E(n, 1, false, None)).0, Offer::Taken { evicted: 0 });
        }
        let full = if overflow == Overflow::Block { Offer::Full } else { Offer::Dropped };
        assert_eq!(put(&mut q, E(3, 1, false, None)).0, full);
        assert_eq!(put(&mut q, E(4, 1, true, None)).0, Offer::Taken { evicted: 0 });
        assert_eq!(rest(q), [0, 1, 2, 4]);
    }
    // In bytes as well.
    let mut q = queue(Overflow::DropProgress);
    assert_eq!(put(&mut q, E(0, 80, false, None)).0, Offer::Taken { evicted: 0 });
    assert_eq!(put(&mut q, E(1, 1, false, None)).0, Offer::Dropped);
    assert_eq!(put(&mut q, E(2, 20, true, None)).0, Offer::Taken { evicted: 0 });
}

#[test]
fn a_terminal_event_evicts_the_oldest_progress_and_nothing_else() {
    for overflow in [Overflow::DropOldest, Overflow::DropProgress, Overflow::FailSink] {
        let mut q = queue(overflow);
        for n in 0..3 {
            put(&mut q, E(n, 10, false, None));
        }
        put(&mut q, E(3, 10, true, None));
        assert_eq!(put(&mut q, E(4, 80, true, None)), (Offer::Taken { evicted: 2 }, vec![0, 1]));
        assert_eq!(
            put(&mut q, E(5, 20, true, None)),
            (Offer::Dropped, vec![]),
            "evicting all would not help"
        );
        assert_eq!(rest(q), [2, 3, 4]);
    }
    let mut q = queue(Overflow::Block);
    for n in 0..4 {
        put(&mut q, E(n, 1, n == 3, None));
    }
    assert_eq!(put(&mut q, E(9, 1, true, None)), (Offer::Full, vec![]), "a blocking lane never evicts");
}

#[test]
fn coalescing_replaces_the_oldest_of_the_same_run() {
    let mut q = queue(Overflow::CoalesceByRun);
    put(&mut q, E(0, 1, false, Some("a")));
    put(&mut q, E(1, 1, false, Some("b")));
    put(&mut q, E(2, 1, false, Some("b")));
    assert_eq!(put(&mut q, E(3, 1, false, Some("b"))), (Offer::Taken { evicted: 1 }, vec![1]));
    assert_eq!(put(&mut q, E(4, 1, false, Some("c"))), (Offer::Dropped, vec![]));
    assert_eq!(put(&mut q, E(5, 1, false, None)), (Offer::Dropped, vec![]));
    // A terminal event of the run is not coalesced away.
    assert_eq!(put(&mut q, E(6, 1, true, Some("c"))), (Offer::Taken { evicted: 0 }, vec![]));
    assert_eq!(put(&mut q, E(7, 1, false, Some("c"))), (Offer::Dropped, vec![]));
    assert_eq!(rest(q), [0, 2, 3, 6]);
}

#[test]
fn what_could_never_fit_evicts_nothing() {
    let mut q = queue(Overflow::DropOldest);
    put(&mut q, E(0, 10, false, None));
    assert_eq!(put(&mut q, E(1, 101, true, None)), (Offer::TooLarge, vec![]));
    assert_eq!(put(&mut q, E(2, 81, false, None)), (Offer::TooLarge, vec![]));
    assert_eq!(rest(q), [0]);
}

/// What a queue is, said plainly: a list.
struct Plain {
    held: Vec<E>,
    capacity: QueueCapacity,
    overflow: Overflow,
}

impl Plain {
    fn room(&self, cost: usize, terminal: bool) -> bool {
        let c = &self.capacity;
        let bytes = |all: bool| self.held.iter().filter(|e| all || !e.2).map(|e| e.1).sum::<usize>();
        let loose = self.held.iter().filter(|e| !e.2).count();
        self.held.len() < c.events
            && bytes(true) + cost <= c.bytes
            && (terminal
                || (loose < c.events - c.reserved_events
                    && bytes(false) + cost <= c.bytes - c.reserved_bytes))
    }

    /// What is evicted for it, if it comes in.
    fn offer(&mut self, e: E) -> Option<Vec<u32>> {
        let E(_, cost, terminal, run) = e;
        let may_go = |held: &E| match self.overflow {
            _ if held.2 => false,
            Overflow::DropOldest => true,
            Overflow::DropProgress | Overflow::FailSink => terminal,
            Overflow::CoalesceByRun => terminal || (run.is_some() && held.3 == run),
            Overflow::Block => false,
        };
        let may_go: Vec<u32> = self.held.iter().filter(|held| may_go(held)).map(|held| held.0).collect();
        let mut most = Self { held: Vec::new(), ..*self };
        most.held
            .extend(self.held.iter().filter(|held| !may_go.contains(&held.0)).map(|e| E(e.0, e.1, e.2, e.3)));
        if !most.room(cost, terminal) {
            return None;
        }
        let mut gone = Vec::new();
        while !self.room(cost, terminal) {
            let next = may_go[gone.len()];
            self.held.retain(|held| held.0 != next);
            gone.push(next);
        }
        self.held.push(e);
        Some(gone)
    }
}

#[test]
fn whatever_comes_and_goes_a_queue_is_what_a_plain_list_is() {
    let mut dice = Dice::new(0x5eed);
    let capacity = QueueCapacity { events: 300, bytes: 3_000, reserved_events: 40, reserved_bytes: 400 };
    for overflow in [
        Overflow::Block,
        Overflow::DropOldest,
        Overflow::DropProgress,
        Overflow::FailSink,
        Overflow::CoalesceByRun,
    ] {
        let mut queue = Queue::new(capacity, overflow);
        let mut plain = Plain { held: Vec::new(), capacity, overflow };
        let mut evicted = 0;
        for n in 0..6_000 {
            // Long times in which almost nothing leaves in order, and some in which nearly all does.
            let leaves = if n / 1_500 % 2 == 0 { 20 } else { 2 };
            if dice.below(leaves) == 0 {
                let first = (!plain.held.is_empty()).then(|| plain.held.remove(0));
                assert_eq!(queue.front_cost(), first.as_ref().map(|e| e.1), "{n}");
                assert_eq!(queue.pop(), first, "{n}");
                continue;
            }
            let run = [None, Some("a"), Some("b"), Some("c")][dice.below(4) as usize];
            let (cost, terminal) = (dice.below(20) as usize, dice.below(12) == 0);
            let (offer, gone) = put(&mut queue, E(n, cost, terminal, run));
            match plain.offer(E(n, cost, terminal, run)) {
                Some(expected) => {
                    assert_eq!((offer, &gone), (Offer::Taken { evicted: expected.len() }, &expected), "{n}");
                    evicted += gone.len();
                }
                None => assert!(matches!(offer, Offer::Full | Offer::Dropped) && gone.is_empty(), "{n}"),
            }
            assert_eq!(queue.len(), plain.held.len(), "{n}");
            assert_eq!(queue.bytes(), plain.held.iter().map(|e| e.1).sum::<usize>(), "{n}");
            assert!(queue.places() <= 2 * queue.len() + 65, "gaps are closed: {n}");
        }
        assert_eq!(evicted > 500, matches!(overflow, Overflow::DropOldest | Overflow::CoalesceByRun));
        assert_eq!(rest(queue), plain.held.iter().map(|e| e.0).collect::<Vec<_>>());
    }
}

#[test]
fn a_terminal_event_that_stays_at_the_front_keeps_no_room_for_those_that_were_evicted_behind_it() {
    for overflow in [Overflow::DropOldest, Overflow::CoalesceByRun] {
        let capacity = QueueCapacity { events: 10, bytes: 1_000, reserved_events: 2, reserved_bytes: 0 };
        let mut queue = Queue::new(capacity, overflow);
        put(&mut queue, E(0, 1, true, Some("a")));
        for n in 1..100_000 {
            put(&mut queue, E(n, 1, false, Some("a")));
            assert!(queue.places() <= 90, "{}", queue.places());
        }
        assert_eq!(rest(queue), [0, 99_992, 99_993, 99_994, 99_995, 99_996, 99_997, 99_998, 99_999]);
    }
}
