//! A sink that hangs, panics, fails or emits harms nobody but its own lane.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use sinkwell::lane::Reason;
use sinkwell::receipt::{Admission, EndState, Stage};
use sinkwell::sink::Answers;
use sinkwell::verify::Verdict;
use sinkwell::{Emitter, ErrorKind};

use super::support::{away, emit, judge, lines, open, sink};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_sink_that_hangs_for_ever_holds_up_neither_the_others_nor_shutdown() {
    let (hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hung = sink("hung", r#"{"overflow":"drop_oldest","queue":{"events":64}}"#, move |_| {
        let _ = held.lock().unwrap().recv();
        Answers::Acknowledged
    });
    let good = sink("good", r#"{"overflow":"block"}"#, |_| Answers::Acknowledged);
    let emitter = open("", vec![hung, good]);
    let receipts: Vec<_> = (0..500).map(|n| emit(&emitter, n, None).unwrap()).collect();
    let start = Instant::now();
    let report = emitter.shutdown(Duration::from_secs(1));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!((report[1].1.delivered, report[1].1.pending), (500, 0));
    for receipt in &receipts {
        assert!(receipt.reached(Stage::Delivered), "no receipt hangs");
        assert_eq!(receipt.endings()[1].1.as_ref().unwrap().state, EndState::Delivered);
        assert_ne!(receipt.endings()[0].1.as_ref().unwrap().state, EndState::Delivered);
    }
    let c = emitter.counters().remove(0).1;
    assert_eq!(c.admitted, c.delivered + c.dropped + c.rejected + c.pending);
    drop(hold);
}

#[test]
fn a_panic_in_a_sink_is_a_failure_like_any_other() {
    let calls = AtomicUsize::new(0);
    let flaky = sink("flaky", r#"{"overflow":"block","retry":{"initial":"1ms"}}"#, move |_| {
        assert!(calls.fetch_add(1, Ordering::SeqCst) > 2, "on purpose");
        Answers::Acknowledged
    });
    let emitter = open("", vec![flaky]);
    let receipt = emit(&emitter, 1, None).unwrap();
    receipt.wait(Stage::Delivered, LONG).unwrap();
    assert_eq!(receipt.endings()[0].1.as_ref().unwrap().state, EndState::Delivered);
}

#[test]
fn two_blocking_lanes_that_fail_at_once_and_report_into_each_other() {
    let away_now = Arc::new(AtomicBool::new(true));
    let got: [Arc<Mutex<Vec<u8>>>; 2] = Default::default();
    let sinks = (0..2)
        .map(|i| {
            let (down, got) = (Arc::clone(&away_now), Arc::clone(&got[i]));
            let keys = r#"{"overflow":"block","classes":["audit"],"queue":{"events":8},"block_timeout":"50ms","retry":{"initial":"1ms","cap":"2ms"},"breaker":{"failures":1000000}}"#;
            sink(["a", "b"][i], keys, move |batch| {
                if down.load(Ordering::SeqCst) {
                    return Answers::Retry(away(), None);
                }
                lines(&mut got.lock().unwrap(), batch);
                Answers::Acknowledged
            })
        })
        .collect();
    let emitter = open("", sinks);
    let (mut taken, mut refused) = (Vec::new(), 0);
    for n in 0..2000 {
        match emit(&emitter, n, None) {
            Ok(receipt) => taken.push(receipt),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Backpressure);
                refused += 1;
                if refused == 3 {
                    break;
                }
            }
        }
    }
    assert_eq!(emitter.refused(), 3);
    away_now.store(false, Ordering::SeqCst);
    for receipt in &taken {
        receipt.wait(Stage::Delivered, LONG).unwrap();
    }
    emitter.shutdown(LONG);
    for got in &got {
        let got = got.lock().unwrap();
        let report = judge(&got);
        assert_eq!(report.verdict, Verdict::Sound, "{report:#?}");
        let text = String::from_utf8_lossy(&got);
        assert!(text.contains("sink.recovered"), "told of the other's or its own recovery");
    }
    for (_, c) in emitter.counters() {
        assert_eq!((c.delivered, c.dropped, c.pending), (taken.len() as u64, 0, 0));
    }
}

#[test]
fn a_sink_that_emits_into_its_own_full_lane_neither_waits_nor_recurses() {
    let emitter: Arc<OnceLock<Emitter>> = Arc::default();
    let got: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (inner, into) = (Arc::clone(&emitter), Arc::clone(&got));
    let outcomes: Arc<Mutex<Vec<Admission>>> = Arc::default();
    let seen = Arc::clone(&outcomes);
    let own = sink("own", r#"{"overflow":"block","queue":{"events":4}}"#, move |batch| {
        lines(&mut into.lock().unwrap(), batch);
        if batch.iter().any(|e| !e.own)
            && seen.lock().unwrap().len() < 40
            && let Some(emitter) = inner.get()
        {
            for n in 0..10 {
                // Refused once the test has shut the emitter down.
                let Ok(receipt) = emit(emitter, 1000 + n, None) else { break };
                seen.lock().unwrap().push(receipt.lanes().next().unwrap().1);
            }
        }
        Answers::Acknowledged
    });
    emitter.set(open("", vec![own])).unwrap();
    let emitter = emitter.get().unwrap();
    emit(emitter, 0, None).unwrap().wait(Stage::Delivered, LONG).unwrap();
    emitter.shutdown(LONG);
    let outcomes = outcomes.lock().unwrap();
    assert!(outcomes.contains(&Admission::Dropped(Reason::Reentrant)), "{outcomes:?}");
    let c = emitter.counters().remove(0).1;
    let report = judge(&got.lock().unwrap());
    assert_eq!(report.verdict, Verdict::Incomplete, "{report:#?}");
    assert_eq!(report.lost.get("reentrant"), Some(&c.dropped));
    assert_eq!(c.admitted, c.delivered + c.dropped);
}

#[test]
fn a_signer_that_fails_is_named_as_what_failed() {
    struct Away;
    impl sinkwell::key::HostSigner for Away {
        fn sign(&self, _: &[&[u8]]) -> std::result::Result<Vec<Vec<u8>>, String> {
            Err("the key service is away".to_owned())
        }
    }
    let text = "agent: { id: own }\nkey: { id: k, alg: ed25519, signer: host }\n".to_owned();
    let emitter = sinkwell::host::open(
        sinkwell::host::Opening {
            source: sinkwell::config::Source::Text { text, name: None, format: Default::default() },
            sinks: vec![sink("good", r#"{"overflow":"block"}"#, |_| Answers::Acknowledged)],
            signer: Some(Arc::new(Away)),
            manual: true,
        },
        &sinkwell::seam::SystemEnv::default(),
    )
    .unwrap();
    emit(&emitter, 1, None).unwrap();
    emitter.drain("good").unwrap();
    let health = emitter.health().remove(0).1;
    assert_eq!(health.failure, Some(sinkwell::sink::FailureKind::Signer), "{health:?}");
    assert_eq!(health.detail.as_deref(), Some("the key service is away"));
}
