//! Callers, lanes' threads and sinks under schedules that a scheduler chooses (shuttle: at random, and by
//! probabilistic concurrency testing, which finds any bug of so few switches with a known chance).
//!
//! Guarantees checked under every schedule tried: no deadlock and no lost wake-up (a time-out never helps here:
//! the scheduler's waits have none), every receipt ends, the counters balance whenever somebody looks, and what
//! a lane says it delivered is what its sink got, in the order of the stream.
//!
//! Not covered: orderings weaker than sequential consistency, the journal (files), and sinks' own clients; those
//! are for ThreadSanitizer and the crash loop.
//!
//! `SCHEDULES` is how many of each kind (default 300).

use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;
use sinkwell::config::Source;
use sinkwell::event::Data;
use sinkwell::host::{HostSinkSpec, Opening};
use sinkwell::receipt::{EndState, Stage};
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::{Emitter, EventInput, Receipt};

const LONG: Duration = Duration::from_secs(3600);

type Deliver = Arc<dyn Fn(&[Envelope]) -> Answers + Send + Sync>;

struct Closure(Deliver);

impl Sink for Closure {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        (self.0)(batch)
    }

    fn idempotent(&self) -> bool {
        true
    }
}

fn sink(
    name: &str,
    keys: &str,
    deliver: impl Fn(&[Envelope]) -> Answers + Send + Sync + 'static,
) -> HostSinkSpec {
    let deliver: Deliver = Arc::new(deliver);
    HostSinkSpec {
        name: name.to_owned(),
        classes: Vec::new(),
        lane: Some(keys.to_owned()),
        make: Arc::new(move || Ok(Box::new(Closure(Arc::clone(&deliver))))),
    }
}

fn open(sinks: Vec<HostSinkSpec>) -> Arc<Emitter> {
    let text = "agent: { id: own }\nheartbeat: off\n".to_owned();
    let source = Source::Text { text, name: None, format: Default::default() };
    let opening = Opening { source, sinks, signer: None, manual: false };
    Arc::new(sinkwell::host::open(opening, &SystemEnv::default()).unwrap())
}

fn emit(emitter: &Emitter) -> sinkwell::Result<Receipt> {
    let mut input = EventInput::new("com.example.step");
    input.data = Data::Json(b"{}");
    emitter.emit(input)
}

fn balanced(emitter: &Emitter) {
    for (lane, c) in emitter.counters() {
        assert_eq!(c.admitted, c.delivered + c.dropped + c.rejected + c.pending, "{lane}: {c:?}");
    }
}

fn schedules(test: impl Fn() + Send + Sync + Copy + 'static) {
    let number = std::env::var("SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    shuttle::check_random(test, number);
    shuttle::check_pct(test, number, 3);
}

/// What a sink got of the host's events: stream and sequence, in the order of arrival.
#[derive(Clone, Default)]
struct Got(Arc<Mutex<Vec<u64>>>);

impl Got {
    fn take(&self, batch: &[Envelope]) {
        let host = batch.iter().filter(|envelope| !envelope.own);
        self.0.lock().unwrap().extend(host.map(|envelope| envelope.sequence));
    }

    fn all(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

const KEYS: &str = r#""batch":{"linger":"0ms","events":2}"#;

#[test]
fn a_blocking_lane_and_one_that_drops_end_every_receipt() {
    schedules(|| {
        let (kept, dropped) = (Got::default(), Got::default());
        let (into, other) = (kept.clone(), dropped.clone());
        let emitter = open(vec![
            sink(
                "keeps",
                &format!(r#"{{"overflow":"block","queue":{{"events":2}},{KEYS}}}"#),
                move |batch| {
                    into.take(batch);
                    Answers::Acknowledged
                },
            ),
            sink(
                "drops",
                &format!(r#"{{"overflow":"drop_oldest","queue":{{"events":2}},{KEYS}}}"#),
                move |batch| {
                    other.take(batch);
                    Answers::Acknowledged
                },
            ),
        ]);
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let emitter = Arc::clone(&emitter);
                thread::spawn(move || {
                    let receipts: Vec<Receipt> = (0..3).map(|_| emit(&emitter).unwrap()).collect();
                    balanced(&emitter);
                    receipts
                })
            })
            .collect();
        let receipts: Vec<Receipt> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        emitter.shutdown(LONG);
        balanced(&emitter);
        let counters = emitter.counters();
        assert_eq!(counters[0].1.delivered, 6);
        assert_eq!(counters[1].1.delivered + counters[1].1.dropped, 6);
        for (got, (_, counters)) in [&kept, &dropped].into_iter().zip(&counters) {
            let got = got.all();
            assert_eq!(got.len() as u64, counters.delivered);
            assert!(got.is_sorted(), "{got:?}");
        }
        for receipt in &receipts {
            assert!(receipt.reached(Stage::Delivered));
            for (_, ending) in receipt.endings() {
                assert!(matches!(ending.unwrap().state, EndState::Delivered | EndState::Lost));
            }
        }
    });
}

#[test]
fn a_shutdown_beside_emits_loses_nothing_that_was_accepted() {
    schedules(|| {
        let got = Got::default();
        let into = got.clone();
        let emitter = open(vec![sink("keeps", &format!(r#"{{"overflow":"block",{KEYS}}}"#), move |batch| {
            into.take(batch);
            Answers::Acknowledged
        })]);
        let caller = {
            let emitter = Arc::clone(&emitter);
            thread::spawn(move || (0..3).filter_map(|_| emit(&emitter).ok()).collect::<Vec<_>>())
        };
        emitter.shutdown(LONG);
        let receipts = caller.join().unwrap();
        // A second shutdown waits for the first.
        emitter.shutdown(LONG);
        assert_eq!(got.all().len(), receipts.len());
        assert!(receipts.iter().all(|receipt| receipt.reached(Stage::Delivered)));
        assert_eq!(emitter.counters()[0].1.delivered + emitter.refused(), 3);
        balanced(&emitter);
    });
}

#[test]
fn two_lanes_that_report_into_each_other_and_a_sink_that_emits_do_not_deadlock() {
    schedules(|| {
        let inner: Arc<std::sync::OnceLock<Arc<Emitter>>> = Arc::default();
        let (again, calls) = (Arc::clone(&inner), Arc::new(AtomicUsize::new(0)));
        let refuses = || {
            let calls = AtomicUsize::new(0);
            move |_: &[Envelope]| match calls.fetch_add(1, Ordering::SeqCst) {
                1 => Answers::RefusedBatch(Failure::new(FailureKind::Rejected, "no")),
                _ => Answers::Acknowledged,
            }
        };
        let siem = format!(r#"{{"classes":["siem"],"overflow":"block","queue":{{"events":2}},{KEYS}}}"#);
        let counted = Arc::clone(&calls);
        let emitter = open(vec![
            sink("one", &siem, refuses()),
            sink("two", &siem, refuses()),
            sink("emits", &format!(r#"{{"overflow":"block","queue":{{"events":2}},{KEYS}}}"#), move |_| {
                // Into its own full lane, twice: it never waits.
                if counted.fetch_add(1, Ordering::SeqCst) < 2
                    && let Some(emitter) = again.get()
                {
                    let _ = emit(emitter);
                }
                Answers::Acknowledged
            }),
        ]);
        assert!(inner.set(Arc::clone(&emitter)).is_ok());
        let caller = {
            let emitter = Arc::clone(&emitter);
            thread::spawn(move || (0..3).map(|_| emit(&emitter).unwrap()).collect::<Vec<_>>())
        };
        let receipts = caller.join().unwrap();
        emitter.flush(LONG);
        balanced(&emitter);
        emitter.shutdown(LONG);
        assert!(receipts.iter().all(|receipt| receipt.reached(Stage::Delivered)));
        let losses: u64 = emitter.counters().iter().map(|(_, c)| c.pending).sum();
        assert_eq!(losses, 0);
    });
}

#[test]
fn several_calls_at_once_of_an_idempotent_sink() {
    schedules(|| {
        let got = Got::default();
        let into = got.clone();
        let keys = format!(r#"{{"overflow":"block","order":2,{KEYS}}}"#);
        let emitter = open(vec![sink("many", &keys, move |batch| {
            into.take(batch);
            Answers::Acknowledged
        })]);
        let receipts: Vec<Receipt> = (0..6).map(|_| emit(&emitter).unwrap()).collect();
        emitter.shutdown(LONG);
        let mut got = got.all();
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len(), 6);
        assert!(receipts.iter().all(|receipt| receipt.reached(Stage::Delivered)));
        let acked = emitter.health()[0].1.acked.unwrap();
        assert_eq!(acked.sequence, *got.last().unwrap() + 1, "`closed` follows the last event");
    });
}

#[test]
fn lanes_that_sleep_are_all_woken() {
    schedules(|| {
        // Nobody flushes, nobody waits for a receipt: what is not woken by the event itself sleeps for ever.
        let delivered: Arc<(Mutex<usize>, Condvar)> = Arc::default();
        let sinks = ["a", "b", "c"].map(|name| {
            let delivered = Arc::clone(&delivered);
            sink(name, &format!(r#"{{"overflow":"block",{KEYS}}}"#), move |batch| {
                *delivered.0.lock().unwrap() += batch.iter().filter(|envelope| !envelope.own).count();
                delivered.1.notify_all();
                Answers::Acknowledged
            })
        });
        let emitter = open(sinks.into());
        let callers = [0, 1].map(|_| {
            let emitter = Arc::clone(&emitter);
            thread::spawn(move || drop(emit(&emitter).unwrap()))
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let mut count = delivered.0.lock().unwrap();
        while *count < 6 {
            count = delivered.1.wait(count).unwrap();
        }
        drop(count);
        emitter.shutdown(LONG);
    });
}

#[test]
fn a_receipt_wakes_whoever_waits_for_it() {
    schedules(|| {
        let emitter = open(vec![sink("keeps", &format!(r#"{{"overflow":"block",{KEYS}}}"#), |_| {
            Answers::Acknowledged
        })]);
        let receipt = emit(&emitter).unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&called);
        receipt
            .on(Stage::Delivered, move || {
                count.fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
        let waiter = {
            let receipt = receipt.clone();
            thread::spawn(move || receipt.wait(Stage::Delivered, LONG).is_ok())
        };
        assert!(waiter.join().unwrap());
        emitter.shutdown(LONG);
        assert_eq!(called.load(Ordering::SeqCst), 1, "once");
    });
}
