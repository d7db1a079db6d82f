//! A hundred thousand envelopes: queries and proofs are right wherever in the log they reach, and the file stays small.
//! bench/audit measures how long they take; `make soak` runs it with ten million envelopes and checks the bounds.

use super::*;

const ROWS: u64 = 100_000;
const BATCH: u64 = 500;

#[test]
fn a_hundred_thousand_envelopes_answer_wherever_they_lie() {
    let mut log = Log::new();
    let mut sealers: Vec<Sealer> = (1..=10).map(Sealer::new).collect();
    let mut sealed = 0;
    for batch in 0..ROWS / BATCH {
        let at = (batch % 10) as usize;
        let envelopes = sealers[at].some(BATCH);
        sealed += envelopes.iter().map(|envelope| envelope.bytes.len() as u64).sum::<u64>();
        log.deliver(&envelopes);
    }

    let db = log.db();
    let head = db.head().unwrap();
    assert_eq!(head.size, ROWS);
    for i in 0..31_u64 {
        // Places all over the log.
        let leaf = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ROWS;
        assert!(db.prove(&Locator::Index(leaf), None).unwrap().verify());
        assert!(db.consistency(leaf + 1, None).unwrap().verify());
        let run = Some(format!("run-{}", leaf / 100));
        let found = db.query(&Filter { run, limit: Some(100), ..Filter::default() }).unwrap();
        assert_eq!(found.len(), if leaf < 100 { 90 } else { 100 }, "ten agents have such a run");
        let agent = Some(format!("urn:example:agent:{}", 1 + leaf % 10));
        let found = db
            .query(&Filter { agent, after: Some(leaf / 2), limit: Some(100), ..Filter::default() })
            .unwrap();
        assert_eq!(found.len(), 100);
    }
    drop(log.sink);
    let size = std::fs::metadata(&log.path).unwrap().len();
    assert!(size * 2 <= sealed * 3, "{size} bytes for {sealed} sealed ones");
}
