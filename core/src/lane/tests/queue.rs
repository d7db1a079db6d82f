//! The queue by itself, one rule of docs/LANES.md after the other. The model test covers their mixture.

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
