//! Deeds, through emitters that are opened as hosts open them.

use std::io::Error as Failed;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::config::Source;
use crate::emitter::{Attempt, Emitter, Options, Wait};
use crate::error::ErrorKind;
use crate::event::{Data, EventInput};
use crate::host::{self, HostSinkSpec, Opening};
use crate::json::{Value, parse};
use crate::lane::durable::GIVEN_FS;
use crate::receipt::Stage;
use crate::seam::{Fs, SystemEnv};
use crate::settings::Config;
use crate::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::testing::TempDir;
use crate::testing::simfs::SimFs;

fn config(text: &str) -> Config {
    let source = Source::Text { text: text.to_owned(), name: None, format: Default::default() };
    Config::load(source, &SystemEnv::default()).unwrap()
}

fn pay() -> EventInput<'static> {
    EventInput {
        data: Data::Json(br#"{"amount":3,"tool":"pay"}"#),
        subject: Some("tool:pay"),
        run: Some("r1"),
        ..EventInput::new("tool.invocation")
    }
}

/// A durable lane into a file.
fn durable(dir: &TempDir, more: &str) -> Emitter {
    let at = |name: &str| dir.path().join(name).display().to_string();
    Emitter::open(Options::new(config(&format!(
        "agent: {{ id: a1 }}\nheartbeat: off\njournal: {{ dir: {} }}\nlanes:\n  - {{ id: log, durable: true, sink: {{ file: {{ path: {} }} }} }}\n{more}",
        at("journal"),
        at("out.ndjson")
    ))))
    .unwrap()
}

/// The events that are not sinkwell's own.
fn events(dir: &TempDir, emitter: &Emitter) -> Vec<Value> {
    emitter.shutdown(Duration::from_secs(10));
    let text = std::fs::read_to_string(dir.path().join("out.ndjson")).unwrap();
    let all = text.lines().map(|line| parse(line.as_bytes()).unwrap());
    all.filter(|event| event.get("origin").is_none()).collect()
}

fn data<'a>(event: &'a Value, member: &str) -> Option<&'a str> {
    event.get("data").unwrap().get(member).and_then(Value::as_str)
}

#[test]
fn an_act_runs_between_its_intent_on_disk_and_its_result() {
    let dir = TempDir::new();
    let emitter = durable(&dir, "");
    let paid = emitter.deed(pay(), |deed| {
        assert!(deed.intent().reached(Stage::Journaled), "the intent is on disk when the act runs");
        deed.result(&parse(br#"{"receipt":"x1"}"#).unwrap()).unwrap();
        Ok::<_, Failed>(7)
    });
    assert_eq!(paid.unwrap(), 7);
    let events = events(&dir, &emitter);
    let [intent, result] = &events[..] else { panic!("{events:?}") };
    assert_eq!((data(intent, "phase"), data(result, "phase")), (Some("intent"), Some("result")));
    assert_eq!((data(result, "outcome"), data(result, "tool")), (Some("ok"), Some("pay")));
    assert_eq!((data(result, "receipt"), data(result, "error.type")), (Some("x1"), None));
    assert_eq!(result.get("data").unwrap().get("amount"), None, "only what the type requires is said again");
    assert!(result.get("data").unwrap().get("duration_ms").is_some());
    assert_eq!(result.get("causationid"), intent.get("id"));
    for same in ["subject", "runid", "agentid", "type"] {
        assert_eq!((result.get(same).is_some(), result.get(same)), (true, intent.get(same)), "{same}");
    }
}

#[test]
fn however_an_act_ends_its_result_says_so() {
    let dir = TempDir::new();
    let emitter = durable(&dir, "");
    let failed = emitter.deed(pay(), |_| Err::<(), _>(Failed::other("secret words")));
    assert!(matches!(failed, Err(DeedError::Failed(e)) if e.to_string() == "secret words"));
    let denied = emitter.deed(pay(), |deed| {
        deed.result(&parse(br#"{"outcome":"denied"}"#).unwrap()).unwrap();
        Err::<(), _>(Failed::other("no"))
    });
    assert!(denied.is_err());
    // What the host said before it failed is not believed.
    let claimed = emitter.deed(pay(), |deed| {
        deed.result(&parse(br#"{"outcome":"ok"}"#).unwrap()).unwrap();
        Err::<(), _>(Failed::other("no"))
    });
    assert!(claimed.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(emitter.deed(pay(), |_| -> Result<(), Failed> { panic!("in the act") }));
    }));
    assert!(panicked.is_err());
    let ends: Vec<_> = events(&dir, &emitter)
        .iter()
        .filter(|event| data(event, "phase") == Some("result"))
        .map(|event| {
            (data(event, "outcome").unwrap().to_owned(), data(event, "error.type").map(str::to_owned))
        })
        .collect();
    let io = Some("std::io::error::Error".to_owned());
    let end = |outcome: &str, error: Option<String>| (outcome.to_owned(), error);
    assert_eq!(
        ends,
        [
            end("error", io.clone()),
            end("denied", io.clone()),
            end("error", io),
            end("error", Some("panic".into()))
        ]
    );
    let text = std::fs::read_to_string(dir.path().join("out.ndjson")).unwrap();
    assert!(!text.contains("secret words"), "an error is told by its type only");
}

#[test]
fn what_is_said_of_a_result_is_held_to_the_type_at_once() {
    let dir = TempDir::new();
    let emitter = durable(&dir, "");
    emitter
        .deed(pay(), |deed| {
            let refused = |text: &str| {
                let e = deed_result(deed, text).unwrap_err();
                (e.kind(), e.place().map(str::to_owned))
            };
            fn deed_result(deed: &mut Act<'_>, text: &str) -> Result<()> {
                deed.result(&parse(text.as_bytes()).unwrap())
            }
            let mut refused = refused;
            let invalid = |place: &str| (ErrorKind::InvalidEvent, Some(place.to_owned()));
            assert_eq!(refused(r#"{"outcome":"fine"}"#), invalid("data.outcome"));
            assert_eq!(refused(r#"{"tool":3}"#), invalid("data.tool"));
            assert_eq!(refused(r#"{"phase":"intent"}"#), invalid("data.phase"));
            Ok::<_, Failed>(())
        })
        .unwrap();
    // Neither may an intent say how it ends, nor a plain event that it is a deed's.
    let ended = EventInput { data: Data::Json(br#"{"tool":"t","outcome":"ok"}"#), ..pay() };
    let Err(DeedError::Refused(e)) = emitter.deed(ended, |_| Ok::<_, Failed>(())) else { panic!() };
    assert_eq!((e.kind(), e.place()), (ErrorKind::InvalidEvent, Some("data.outcome")));
    let data = Data::Json(br#"{"tool":"t","phase":"intent"}"#);
    for posing in [pay(), EventInput::new("com.example.act")].map(|event| EventInput { data, ..event }) {
        let e = emitter.emit(posing.clone()).unwrap_err();
        assert_eq!((e.kind(), e.place()), (ErrorKind::InvalidEvent, Some("data.phase")));
        let Err(DeedError::Refused(e)) = emitter.deed(posing, |_| Ok::<_, Failed>(())) else { panic!() };
        assert_eq!(e.place(), Some("data.phase"));
    }
    let idle = EventInput { terminal: Some(false), ..EventInput::new("com.example.act") };
    let Err(DeedError::Refused(e)) = emitter.deed(idle, |_| Ok::<_, Failed>(())) else { panic!() };
    assert_eq!(e.place(), Some("terminal"));
    assert_eq!(events(&dir, &emitter).len(), 2);
}

type Deliver = Arc<dyn Fn(&[Envelope]) -> Answers + Send + Sync>;

struct Closure(Deliver);

impl Sink for Closure {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        (self.0)(batch)
    }
}

/// An emitter with one host sink; `keys` are its lane's, as JSON.
fn with_sink(name: &str, keys: &str, text: &str, deliver: Deliver, manual: bool) -> Result<Emitter> {
    let sink = HostSinkSpec {
        name: name.to_owned(),
        classes: Vec::new(),
        lane: Some(keys.to_owned()),
        make: Arc::new(move || Ok(Box::new(Closure(Arc::clone(&deliver))))),
    };
    let source = Source::Text { text: text.to_owned(), name: None, format: Default::default() };
    host::open(Opening { source, sinks: vec![sink], signer: None, manual }, &SystemEnv::default())
}

const REQUIRED: &str =
    "agent: { id: a1 }\nheartbeat: off\ngovernance: { version: '1', requires_sink: siem }\n";

fn with_siem(deliver: impl Fn(&[Envelope]) -> Answers + Send + Sync + 'static, manual: bool) -> Emitter {
    let keys = r#"{"classes":["siem"],"batch":{"linger":"1h"},"retry":{"initial":"1h","cap":"1h"},"breaker":{"failures":1}}"#;
    with_sink("siem", keys, REQUIRED, Arc::new(deliver), manual).unwrap()
}

#[test]
fn by_default_the_required_sink_has_the_intent_before_the_act() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let emitter = with_siem(
        move |batch| {
            let texts = batch.iter().map(|envelope| String::from_utf8_lossy(&envelope.bytes).into_owned());
            log.lock().unwrap().extend(texts);
            Answers::Acknowledged
        },
        false,
    );
    let held = || seen.lock().unwrap().iter().filter(|line| line.contains(r#""phase":"intent""#)).count();
    // It lingers for an hour, unless somebody waits.
    let seen_by_act = emitter.deed(pay(), |_| Ok::<_, Failed>(held()));
    assert_eq!(seen_by_act.unwrap(), 1);
}

#[test]
fn while_a_required_sink_is_down_the_act_does_not_run() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let emitter = with_siem(
        move |_| {
            if is_down.load(Ordering::SeqCst) {
                Answers::Retry(Failure::new(FailureKind::Network, "away"), None)
            } else {
                Answers::Acknowledged
            }
        },
        false,
    );
    emitter.deed(pay(), |_| Ok::<_, Failed>(())).unwrap();
    emitter.flush(Duration::from_secs(10));
    down.store(true, Ordering::SeqCst);
    let mut ran = false;
    // The first that meets the failure waits for the acknowledgement; the next hears that governance forbids it.
    let terms = Terms { timeout: Duration::from_millis(20), ..Terms::default() };
    let first = emitter.deed_with(pay(), terms, |_| {
        ran = true;
        Ok::<_, Failed>(())
    });
    emitter.flush(Duration::from_millis(20));
    let refused = match first {
        Err(DeedError::Refused(e)) => e,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused.kind(), ErrorKind::Timeout | ErrorKind::RequiredSinkUnavailable), "{refused}");
    let Err(DeedError::Refused(second)) = emitter.deed_with(pay(), terms, |_| {
        ran = true;
        Ok::<_, Failed>(())
    }) else {
        panic!("the act ran")
    };
    assert_eq!(second.kind(), ErrorKind::RequiredSinkUnavailable, "{second}");
    assert!(second.message().contains("siem"), "{second}");
    assert!(!ran);
}

#[test]
fn a_deadline_that_passes_refuses_and_seals_that() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    let emitter = with_siem(
        move |batch| {
            if batch.iter().any(|envelope| envelope.bytes.windows(6).any(|part| part == b"intent")) {
                // Until the test has seen the deadline pass.
                let _ = gate.lock().unwrap().recv();
            }
            let texts = batch.iter().map(|envelope| String::from_utf8_lossy(&envelope.bytes).into_owned());
            log.lock().unwrap().extend(texts);
            Answers::Acknowledged
        },
        false,
    );
    let terms = Terms { timeout: Duration::from_millis(20), ..Terms::default() };
    let Err(DeedError::Refused(e)) =
        emitter.deed_with(pay(), terms, |_| -> Result<(), Failed> { panic!("the act ran") })
    else {
        panic!()
    };
    assert_eq!((e.kind(), e.place()), (ErrorKind::Timeout, Some("siem")), "{e}");
    drop(open);
    emitter.shutdown(Duration::from_secs(10));
    let lines = lines.lock().unwrap();
    let result = lines.iter().find(|line| line.contains(r#""phase":"result""#)).unwrap();
    assert!(
        result.contains(r#""outcome":"refused""#) && result.contains(r#""error.type":"timeout""#),
        "{result}"
    );
}

#[test]
fn a_manual_emitter_drains_what_the_deed_waits_for() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let taken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&taken);
    let emitter = with_siem(
        move |batch| {
            if is_down.load(Ordering::SeqCst) {
                return Answers::Retry(Failure::new(FailureKind::Network, "away"), None);
            }
            *count.lock().unwrap() += batch.len();
            Answers::Acknowledged
        },
        true,
    );
    let before = *taken.lock().unwrap();
    let seen_by_act = emitter.deed(pay(), |_| Ok::<_, Failed>(*taken.lock().unwrap()));
    assert_eq!(seen_by_act.unwrap(), before + 1);
    down.store(true, Ordering::SeqCst);
    let refused = emitter.deed(pay(), |_| -> Result<(), Failed> { panic!("the act ran") });
    assert!(matches!(refused, Err(DeedError::Refused(e)) if e.kind() == ErrorKind::RequiredSinkUnavailable));
}

#[test]
fn terms_that_nothing_can_meet_are_refused() {
    let emitter =
        Emitter::open(Options::new(config("agent: { id: a1 }\nheartbeat: off\nlanes: [ memory ]\n")))
            .unwrap();
    let asked = |until| {
        let terms = Terms { until: Some(until), ..Terms::default() };
        match emitter.deed_with(pay(), terms, |_| Ok::<_, Failed>(())) {
            Ok(()) => None,
            Err(DeedError::Refused(e)) => Some((e.kind(), e.place().map(str::to_owned))),
            Err(DeedError::Failed(_)) => unreachable!(),
        }
    };
    let at = Some("until".to_owned());
    assert_eq!(asked(Until::Delivered), Some((ErrorKind::InvalidArgument, at.clone())));
    assert_eq!(asked(Until::Journaled), Some((ErrorKind::Unsupported, at)));
    assert_eq!(asked(Until::Enqueued), None);
}

#[test]
fn a_thread_that_runs_an_event_loop_or_a_sink_is_told_of_the_other_form() {
    let emitter =
        Emitter::open(Options::new(config("agent: { id: a1 }\nheartbeat: off\nlanes: [ memory ]\n")))
            .unwrap();
    let begin = |wait: Wait| emitter.begin_deed(pay(), Terms::default(), &wait, &mut || true).unwrap_err();
    let error = begin(Wait::Never);
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("awaitable form"), "{error}");
    assert_eq!(begin(Wait::Inside).kind(), ErrorKind::InvalidArgument);
    let awaited = emitter.intend(pay(), Terms::default(), &Wait::Inside).unwrap_err();
    assert_eq!(awaited.kind(), ErrorKind::InvalidArgument);
    let inside = crate::reentry::inside(|| begin(Wait::Allowed)).unwrap();
    assert_eq!(inside.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn no_policy_keeps_a_deed_from_a_lane() {
    let dir = TempDir::new();
    let policy = "telemetry:\n  - { apiVersion: sinkwell.dev/v1alpha1, kind: TelemetryPolicy, metadata: { name: p }, spec: { targetRefs: [ { kind: Emitter, name: a1 } ], events: { mode: Disabled } } }\n";
    let emitter = durable(&dir, policy);
    emitter.emit(pay()).unwrap();
    emitter.deed(pay(), |_| Ok::<_, Failed>(())).unwrap();
    let phases: Vec<_> =
        events(&dir, &emitter).iter().map(|event| data(event, "phase").map(str::to_owned)).collect();
    assert_eq!(phases, [Some("intent".to_owned()), Some("result".to_owned())], "the plain event is filtered");
}

/// Polls once, with a waker that tells.
fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[derive(Default)]
struct Woken(crate::sync::Mutex<bool>, crate::sync::Condvar);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        *lock(&self.0) = true;
        self.1.notify_all();
    }
}

impl Woken {
    fn wait(&self) {
        let woken = self.1.wait_while(lock(&self.0), |woken| !*woken).unwrap();
        drop(woken);
        *lock(&self.0) = false;
    }
}

#[test]
fn the_awaited_form_is_woken_and_blocks_nothing() {
    let dir = TempDir::new();
    let emitter = durable(&dir, "");
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let never = std::future::pending();
    let mut deed =
        Box::pin(emitter.deed_async(pay(), Terms::default(), never, async |deed: &mut Act<'_>| {
            assert!(deed.intent().reached(Stage::Journaled));
            Ok::<_, Failed>(1)
        }));
    let done = loop {
        match poll_once(&mut deed, &waker) {
            Poll::Ready(done) => break done,
            Poll::Pending => woken.wait(),
        }
    };
    assert_eq!(done.unwrap(), 1);
    // Dropped in the act, it was cancelled.
    let act = async |_: &mut Act<'_>| -> Result<(), Failed> { std::future::pending().await };
    let mut dropped = Box::pin(emitter.deed_async(pay(), Terms::default(), std::future::pending(), act));
    while emitter.counters()[0].1.journaled < 3 {
        assert!(poll_once(&mut dropped, &waker).is_pending());
        std::thread::yield_now();
    }
    assert!(poll_once(&mut dropped, &waker).is_pending());
    drop(dropped);
    let outcomes: Vec<_> =
        events(&dir, &emitter).iter().filter_map(|event| data(event, "outcome").map(str::to_owned)).collect();
    assert_eq!(outcomes, ["ok", "cancelled"]);
}

#[test]
fn a_forked_child_gives_no_result_for_its_parent() {
    let dir = TempDir::new();
    let emitter = durable(&dir, "");
    let mut deed = emitter.begin_deed(pay(), Terms::default(), &Wait::Allowed, &mut || true).unwrap();
    deed.pretend_of(crate::seam::fork::Process::another());
    let end = End { outcome: Outcome::Ok, error_type: None };
    assert!(matches!(emitter.end_deed(&mut deed, end, &Wait::Never), Ok(Ended::Done(None))));
    assert_eq!(events(&dir, &emitter).len(), 1);
}

#[test]
fn a_forked_child_does_not_do_its_parents_act_nor_refuses_it() {
    let dir = TempDir::new();
    let emitter = durable(&dir, "");
    for given_up in [false, true] {
        let Intended::Entered(mut intent) =
            emitter.intend(pay(), Terms::default(), &Wait::Elsewhere(Duration::ZERO)).unwrap()
        else {
            panic!()
        };
        intent.wait(Duration::MAX, &mut || true);
        intent.pretend_of(crate::seam::fork::Process::another());
        if given_up {
            emitter.withdraw(intent);
        } else {
            assert_eq!(emitter.act(intent).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }
    assert_eq!(events(&dir, &emitter).len(), 2, "two intents, and no result");
}

#[test]
fn a_wait_that_is_given_up_begins_no_deed_even_if_the_intent_is_safe_by_now() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    let emitter = with_siem(
        move |batch| {
            let texts = batch.iter().map(|envelope| String::from_utf8_lossy(&envelope.bytes).into_owned());
            let texts: Vec<_> = texts.collect();
            if texts.iter().any(|text| text.contains(r#""phase":"intent""#)) {
                let _ = gate.lock().unwrap().recv();
            }
            log.lock().unwrap().extend(texts);
            Answers::Acknowledged
        },
        false,
    );
    let mut open = Some(open);
    let begun = emitter.begin_deed(pay(), Terms::default(), &Wait::Allowed, &mut || {
        open.take();
        while emitter.counters()[0].1.pending > 0 {
            std::thread::yield_now();
        }
        false
    });
    assert_eq!(begun.unwrap_err().kind(), ErrorKind::Timeout);
    emitter.shutdown(Duration::from_secs(10));
    let lines = lines.lock().unwrap();
    let results: Vec<_> = lines.iter().filter(|line| line.contains(r#""phase":"result""#)).collect();
    assert!(matches!(results[..], [line] if line.contains(r#""outcome":"refused""#)), "{results:?}");
}

#[test]
fn who_waits_elsewhere_for_room_hears_when_the_deeds_time_is_over() {
    let keys = r#"{"classes":["siem"],"queue":{"events":2}}"#;
    let emitter = with_sink("siem", keys, REQUIRED, Arc::new(|_| Answers::Acknowledged), true).unwrap();
    let end = || EventInput::new("run.completed");
    while let Ok(Attempt::Accepted(_)) = emitter.try_emit(end(), Duration::ZERO) {}
    let terms = Terms { timeout: Duration::from_secs(3), ..Terms::default() };
    let ask = |waited: u64| emitter.intend(pay(), terms, &Wait::Elsewhere(Duration::from_secs(waited)));
    assert!(matches!(ask(2), Ok(Intended::NoRoom(limit)) if limit == terms.timeout));
    let over = ask(3).unwrap_err();
    assert_eq!(over.kind(), ErrorKind::Backpressure);
    assert!(over.message().contains("3s"), "{over}");
}

/// Runs deeds on a disk that goes dark at the `n`-th sync; answers the ids of the intents whose acts ran, and whether it
/// went dark.
fn deeds_until_dark(fs: &SimFs, n: u64, journal: &str) -> (Vec<String>, bool) {
    let mut acts = Vec::new();
    fs.lose_power_at_sync(n);
    // It never takes anything, so that the journal keeps all.
    let away: Deliver = Arc::new(|_| Answers::Retry(Failure::new(FailureKind::Network, "away"), None));
    let keys = r#"{"classes":["audit"],"durable":true,"breaker":{"failures":1}}"#;
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\njournal: {{ dir: {journal}, floor: 0, budget: 4MiB }}\n"
    );
    let emitter = match with_sink("log", keys, &text, away, true) {
        Ok(emitter) => emitter,
        Err(_) if fs.is_dark() => return (acts, true),
        Err(e) => panic!("{e}"),
    };
    for _ in 0..6 {
        let ran = emitter.deed(pay(), |deed| {
            acts.push(deed.intent().id().to_string());
            Ok::<_, Failed>(())
        });
        match ran {
            Ok(()) => {}
            Err(_) if fs.is_dark() => break,
            Err(e) => panic!("{e}"),
        }
    }
    let dark = fs.is_dark();
    std::mem::forget(emitter);
    (acts, dark)
}

#[test]
fn whatever_sync_the_power_goes_at_each_act_that_ran_has_its_intent_on_disk() {
    let journal = std::path::PathBuf::from("/journal");
    let mut ran = 0;
    let mut last = 0;
    for n in 0.. {
        let fs = SimFs::new(n);
        let shared: Arc<dyn Fs> = Arc::new(fs.clone());
        GIVEN_FS.set(Some(Arc::clone(&shared)));
        let (acts, dark) = deeds_until_dark(&fs, n, &journal.display().to_string());
        fs.lose_all_unsynced();
        GIVEN_FS.set(None);
        let mut kept = Vec::new();
        for sub in crate::journal::list(&shared, &journal).map(|all| all.journals).unwrap_or_default() {
            for stored in sub.read_from(crate::journal::Position(0)) {
                let line = parse(&stored.unwrap().bytes).unwrap();
                if line.get("origin").is_none() && data(&line, "phase") == Some("intent") {
                    kept.push(line.get("id").unwrap().as_str().unwrap().to_owned());
                }
            }
        }
        assert!(acts.iter().all(|id| kept.contains(id)), "dark at sync {n}: {acts:?} ran, {kept:?} are kept");
        ran += acts.len();
        last = n;
        if !dark {
            assert_eq!(acts.len(), 6);
            break;
        }
    }
    assert!(last > 8 && ran > 20, "{last} sync points, {ran} acts");
}

#[test]
fn the_next_process_is_told_what_is_unfinished() {
    let dir = TempDir::new();
    let before = durable(&dir, "");
    assert_eq!(before.unfinished().unwrap(), []);
    before.deed(pay(), |_| Ok::<_, Failed>(())).unwrap();
    // What it would say of its end finds the emitter closed: for the next one that is a process that died meanwhile.
    let cut_off = before.deed(pay(), |act| {
        before.shutdown(Duration::from_secs(10));
        Ok::<_, Failed>(act.intent().id().to_string())
    });
    drop(before);
    let after = durable(&dir, "");
    let deeds = after.unfinished().unwrap();
    assert_eq!(deeds.iter().map(|deed| &*deed.id).collect::<Vec<_>>(), [cut_off.unwrap()]);
    let deed = &deeds[0];
    assert_eq!((&*deed.agentid, &*deed.event_type), ("a1", "dev.sinkwell.tool.invocation"));
    assert_eq!(
        (deed.subject.as_deref(), deed.runid.as_deref(), deed.tool.as_deref()),
        (Some("tool:pay"), Some("r1"), Some("pay"))
    );
    assert!(deed.place.contains("journal"), "{}", deed.place);
    // It is told of the processes before it, not of itself.
    after.deed(pay(), |_| Ok::<_, Failed>(())).unwrap();
    assert_eq!(after.unfinished().unwrap().len(), 1);
    after.shutdown(Duration::from_secs(10));
    drop(after);
    assert_eq!(durable(&dir, "").unfinished().unwrap(), []);
}
