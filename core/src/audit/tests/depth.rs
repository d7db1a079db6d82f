//! A hundred thousand envelopes: what must not depend on the depth does not. `make soak` has ten million, and
//! bench/audit the figures; here are medians against the same bounds, so that a busy machine is no failure.

use std::time::{Duration, Instant};

use super::*;

const ROWS: u64 = 100_000;
const BATCH: u64 = 500;

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(mut work: impl FnMut(u64)) -> Duration {
    let mut times: Vec<_> = (0..31)
        .map(|i: u64| {
            let begin = Instant::now();
            // Places all over the log.
            work(i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ROWS);
            begin.elapsed()
        })
        .collect();
    median(&mut times)
}

#[test]
fn a_hundred_thousand_envelopes_are_as_quick_as_the_first() {
    let mut log = Log::new();
    let mut sealers: Vec<Sealer> = (1..=10).map(Sealer::new).collect();
    let (mut spent, mut sealed) = (Vec::new(), 0);
    for batch in 0..ROWS / BATCH {
        let at = (batch % 10) as usize;
        let envelopes = sealers[at].some(BATCH);
        sealed += envelopes.iter().map(|envelope| envelope.bytes.len() as u64).sum::<u64>();
        let begin = Instant::now();
        log.deliver(&envelopes);
        spent.push(begin.elapsed());
    }
    let tenth = spent.len() / 10;
    let (first, last) = (median(&mut spent[..tenth]), median(&mut spent[9 * tenth..]));
    assert!(last < first * 2, "a batch took {first:?} at the start and {last:?} at the end");

    let db = log.db();
    let head = db.head().unwrap();
    assert_eq!(head.size, ROWS);
    for (what, bound, took) in [
        ("head", 5, timed(|_| assert_eq!(db.head().unwrap().root, head.root))),
        ("prove", 5, timed(|leaf| assert!(db.prove(&Locator::Index(leaf), None).unwrap().verify()))),
        ("consistency", 5, timed(|leaf| assert!(db.consistency(leaf + 1, None).unwrap().verify()))),
        (
            "query by run",
            20,
            timed(|leaf| {
                let run = Some(format!("run-{}", leaf / 100));
                let found = db.query(&Filter { run, limit: Some(100), ..Filter::default() }).unwrap();
                assert_eq!(found.len(), if leaf < 100 { 90 } else { 100 }, "ten agents have such a run");
            }),
        ),
        (
            "query by agent",
            20,
            timed(|leaf| {
                let agent = Some(format!("urn:example:agent:{}", 1 + leaf % 10));
                let after = Some(leaf / 2);
                let found = db.query(&Filter { agent, after, limit: Some(100), ..Filter::default() });
                assert_eq!(found.unwrap().len(), 100);
            }),
        ),
    ] {
        assert!(took < Duration::from_millis(bound), "{what} took {took:?}, over {bound} ms");
    }
    drop(log.sink);
    let size = std::fs::metadata(&log.path).unwrap().len();
    assert!(size * 2 <= sealed * 3, "{size} bytes for {sealed} sealed ones");
}
