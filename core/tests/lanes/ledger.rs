//! Many events and many agents: the ledger balances, and the verifier's account is the counters'.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinkwell::sink::{Answer, Answers};
use sinkwell::verify::{Verdict, Verifier};

use super::support::{away, emit, judge, lines, open, read, sink, soak, verifier};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn ten_thousand_agents_are_one_story() {
    let got: Arc<Mutex<Vec<u8>>> = Arc::default();
    let into = Arc::clone(&got);
    let keys = r#"{"overflow":"block","streams":64}"#;
    let emitter = open(
        "",
        vec![sink("all", keys, move |batch| {
            lines(&mut into.lock().unwrap(), batch);
            Answers::Acknowledged
        })],
    );
    for n in 0..10_000 {
        emit(&emitter, n, Some(&format!("agent-{n}"))).unwrap();
        // Some come back, to a stream that names the one before it.
        emit(&emitter, n, Some(&format!("agent-{}", n % 100))).unwrap();
    }
    emitter.shutdown(LONG);
    let report = judge(&got.lock().unwrap());
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings);
    assert!(report.streams.len() >= 10_001);
    assert_eq!(emitter.counters()[0].1.delivered, 20_000);
}

/// Resident memory of this process: now and at its highest, in KiB.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    (field("VmRSS:").unwrap_or(0), field("VmHWM:").unwrap_or(0))
}

/// Sinks that fail, refuse and take in part, by a fixed pattern of their own calls. What they got is judged as
/// it comes, so that memory is the product's.
#[test]
fn the_ledger_balances_through_four_failing_lanes() {
    let events = 1_000_000 * soak();
    let before = memory().0;
    let got: Vec<Arc<Mutex<Verifier>>> = (0..4).map(|_| Arc::new(Mutex::new(verifier()))).collect();
    let policies = ["block", "drop_oldest", "drop_progress", "coalesce_by_run"];
    let sinks = policies.iter().zip(&got).enumerate().map(|(i, (policy, got))| {
        let got = Arc::clone(got);
        let calls = AtomicU64::new(i as u64);
        let keys = format!(
            r#"{{"overflow":"{policy}","queue":{{"events":2000}},"retry":{{"initial":"1ms","cap":"2ms"}},"breaker":{{"failures":1000000}}}}"#
        );
        sink(policy, &keys, move |batch| match calls.fetch_add(1, Ordering::SeqCst) % 11 {
            3 => Answers::Retry(away(), None),
            5 => {
                let each = batch.iter().enumerate().map(|(n, e)| match n % 7 {
                    1 => Answer::Refused(away()),
                    2 => Answer::Retry(away(), None),
                    _ => {
                        read(&got, std::slice::from_ref(e));
                        Answer::Acknowledged
                    }
                });
                Answers::Each(each.collect())
            }
            _ => {
                read(&got, batch);
                Answers::Acknowledged
            }
        })
    });
    let emitter = open("", sinks.collect());
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let emitter = &emitter;
            scope.spawn(move || {
                for n in 0..events / 2 {
                    emit(emitter, n, (n % 3 == 0).then_some(["agent-a", "agent-b"][thread])).unwrap();
                    if n % 1000 == 0 {
                        for (_, c) in emitter.counters() {
                            assert_eq!(c.admitted, c.delivered + c.dropped + c.rejected + c.pending);
                        }
                    }
                }
            });
        }
    });
    emitter.shutdown(LONG);
    for ((lane, c), got) in emitter.counters().into_iter().zip(&got) {
        assert_eq!(c.admitted, events, "{lane}");
        assert_eq!(c.admitted, c.delivered + c.dropped + c.rejected, "{lane}");
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for (reason, n) in c.dropped_by().chain(c.rejected_by()) {
            *counted.entry(reason.name().to_owned()).or_default() += n;
        }
        let got = std::mem::replace(&mut *got.lock().unwrap(), verifier());
        let report = got.finish().unwrap();
        assert!(report.verdict <= Verdict::Incomplete, "{lane}: {:?}", report.streams);
        assert_eq!(report.lost, counted, "{lane}");
        println!("{lane}: {} of {} delivered, lost {counted:?}", c.delivered, c.admitted);
    }
    let (now, peak) = memory();
    println!(
        "resident before: {before} KiB, after: {now} KiB, at its highest (of the whole process): {peak} KiB"
    );
    // Four queues of 2 000 events of some 260 bytes, what is sealed and not yet acknowledged, and the verifiers'
    // 16 bytes for each of four envelopes: far below this, and far below what the events themselves would be.
    let limit = 200 * 1024 + 4 * 16 * events / 1024;
    assert!(now.saturating_sub(before) < limit, "grew by {} KiB, over {limit}", now - before);
}
