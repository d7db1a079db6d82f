use std::sync::Arc;

use super::*;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_ring_ends_every_wait_however_close_it_comes() {
    for _ in 0..2_000 {
        let bell = Arc::new(Bell::default());
        let other = Arc::clone(&bell);
        let ringing = std::thread::spawn(move || other.ring());
        assert_eq!(bell.wait(LONG, &mut || true), Waited::Rung);
        ringing.join().unwrap();
        // And what has rung has rung.
        assert_eq!(bell.wait(Duration::ZERO, &mut || false), Waited::Rung);
    }
}

#[test]
fn a_wait_ends_with_its_limit_and_with_whoever_asked_for_it() {
    let bell = Bell::default();
    assert_eq!(bell.wait(Duration::ZERO, &mut || true), Waited::Over);
    assert_eq!(bell.wait(Duration::from_millis(2), &mut || true), Waited::Over);
    assert_eq!(bell.wait(LONG, &mut || false), Waited::GivenUp);
}

#[test]
fn looks_in_vain_make_looks_seldom_and_others_make_them_frequent_again() {
    if crate::seam::processors() < 2 {
        return;
    }
    let looks = Looks::new();
    // How many waits slept at once before one looked again.
    let slept = |looks: &Looks, seen: bool| {
        let mut slept = 0;
        loop {
            let mut looked = false;
            let done = looks.wait().look(LONG, || {
                looked = true;
                seen
            });
            assert_eq!(done, looked && seen);
            if looked {
                return slept;
            }
            slept += 1;
        }
    };
    let vain: Vec<_> = (0..10).map(|_| slept(&looks, false)).collect();
    assert_eq!(vain, [0, 1, 4, 16, 64, 64, 64, 64, 64, 64]);
    let seen: Vec<_> = (0..10).map(|_| slept(&looks, true)).collect();
    assert_eq!(seen, [64, 32, 16, 8, 4, 2, 1, 0, 0, 0]);
}

#[test]
fn only_one_who_waits_alone_and_may_wait_looks() {
    let looks = Looks::new();
    let (first, second) = (looks.wait(), looks.wait());
    assert!(!first.look(LONG, || panic!("it looks")));
    drop(second);
    assert!(first.look(LONG, || true) || crate::seam::processors() < 2);
    // Nor does one that is not to wait for so long.
    assert!(!first.look(Duration::ZERO, || panic!("it looks")));
}
