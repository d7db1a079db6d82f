mod metrics;
mod shape;

use std::time::Duration;

use super::*;
use crate::event::Data;
use crate::receipt::Stage;
use crate::seam::SystemEnv;
use crate::settings::Config;
use crate::testing::TempDir;

fn config(text: &str) -> Config {
    let source =
        crate::config::Source::Text { text: text.to_owned(), name: None, format: Default::default() };
    Config::load(source, &SystemEnv::default()).unwrap()
}

fn tool(emitter: &Emitter, n: usize) -> Result<Receipt> {
    let data = format!(r#"{{"tool":"search","outcome":"ok","n":{n}}}"#);
    let mut input = EventInput::new("tool.invocation");
    input.data = Data::Json(data.as_bytes());
    emitter.emit(input)
}

#[test]
fn events_reach_a_file_sealed_and_in_order() {
    let dir = TempDir::new();
    let path = dir.path().join("events.ndjson");
    let key = dir.path().join("k");
    crate::key::generate(crate::settings::SignatureAlgorithm::HmacSha256, &key).unwrap();
    let text = format!(
        "agent: {{ id: a1 }}\nkey: {{ id: k1, hmac_sha256: {{ file: {} }} }}\nlanes:\n  - sink: {{ file: {{ path: {} }} }}\n",
        key.display(),
        path.display()
    );
    let emitter = Emitter::open(Options::new(config(&text))).unwrap();
    let receipts: Vec<_> = (0..3000).map(|n| tool(&emitter, n).unwrap()).collect();
    receipts[2999].wait(Stage::Delivered, Duration::from_secs(10)).unwrap();
    let endings = receipts[7].endings();
    assert_eq!(endings[0].1.as_ref().unwrap().state, crate::receipt::EndState::Delivered);
    let report = emitter.shutdown(Duration::from_secs(5));
    assert_eq!(report[0].1, LaneReport { delivered: 3000, pending: 0, journaled: 0, place: Where::None });
    let lines = std::fs::read_to_string(&path).unwrap();
    // opened, 3000 events, two checkpoints, closed
    assert_eq!(lines.lines().count(), 3004, "{}", lines.lines().next().unwrap());
    for line in lines.lines() {
        let value = crate::json::parse(line.as_bytes()).unwrap();
        assert_eq!(value.to_canonical().unwrap(), line.as_bytes());
    }
    assert_eq!(emitter.emit(EventInput::new("com.x")).unwrap_err().kind(), ErrorKind::Closed);
}

const POLICY: &str = r#"
governance:
  version: "1"
  content:
    mode: off
    classes: { prompt: { mode: raw } }
    redaction: { id: pii-1, detectors: [email] }
    retention: { class: short, window: 30d }
    sampling: { key: run, rate: { numerator: 1, denominator: 1 } }
    limits: { bytes: 64KiB }
"#;

#[test]
fn one_event_two_lanes_one_may_see_and_both_verify() {
    let dir = TempDir::new();
    let at = |name: &str| dir.path().join(name);
    let key = crate::key::generate(crate::settings::SignatureAlgorithm::Ed25519, &at("agent.pem")).unwrap();
    let text = format!(
        "agent: {{ id: a1 }}\nkey: {{ id: k1, ed25519: {{ file: {} }} }}\nlanes:\n  - {{ id: see, sink: {{ file: {{ path: {} }} }}, content: {{ mode: raw, classes: [prompt] }} }}\n  - {{ id: blind, sink: {{ file: {{ path: {} }} }} }}\n{POLICY}",
        key.path.display(),
        at("see.ndjson").display(),
        at("blind.ndjson").display()
    );
    let emitter = Emitter::open(Options::new(config(&text))).unwrap();
    let mut input = EventInput::new("com.example.chat");
    input.data = Data::Json(br#"{"note":"to a@example.com","zz":1}"#);
    input.content.push(
        crate::content::Part::text("prompt", "MARKER mail b@example.com")
            .permit(crate::settings::ContentMode::Raw),
    );
    let receipt = emitter.emit(input).unwrap();
    receipt.wait(Stage::Delivered, Duration::from_secs(5)).unwrap();
    assert!(receipt.salt(0).is_some());
    emitter.shutdown(Duration::from_secs(5));
    let see = std::fs::read_to_string(at("see.ndjson")).unwrap();
    let blind = std::fs::read_to_string(at("blind.ndjson")).unwrap();
    assert!(see.contains("MARKER mail [email]"), "{see}");
    assert!(!blind.contains("MARKER") && !see.contains("b@example.com") && !see.contains("a@example.com"));
    let public = crate::key::VerifyingKey::from_named(key.public.unwrap()).unwrap();
    for file in [at("see.ndjson"), at("blind.ndjson")] {
        let mut options = crate::verify::Options::default();
        options.keys.push(crate::verify::TrustedKey::new("k1", public.clone()));
        let mut verifier = crate::verify::Verifier::new(options);
        verifier.read_path(&file).unwrap();
        let report = verifier.finish().unwrap();
        assert_eq!(report.verdict, crate::verify::Verdict::Sound, "{report:?}");
    }
}

/// A host that says whether its thread may wait, and counts how often it is asked.
#[derive(Default)]
struct Host {
    place: Option<Wait>,
    asked: std::cell::Cell<u32>,
    room: Arc<AtomicBool>,
}

impl Waiter for Host {
    fn may_wait(&self) -> Wait {
        self.asked.set(self.asked.get() + 1);
        self.place.unwrap_or(Wait::Allowed)
    }

    fn when_room(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let room = Arc::clone(&self.room);
        Some(Box::new(move || room.store(true, Ordering::Release)))
    }
}

/// A manual emitter whose one blocking lane has room for one event.
fn tight() -> Emitter {
    let text = "agent: { id: a1 }\nheartbeat: off\nlanes:\n  - { id: tight, sink: 'null', overflow: block, queue: { events: 2, terminal_reserve: 1 } }\n";
    Emitter::open(Options { manual: true, ..Options::new(config(text)) }).unwrap()
}

#[test]
fn a_host_is_asked_only_when_there_is_no_room() {
    let emitter = tight();
    let host = Host { place: Some(Wait::Never), ..Host::default() };
    assert!(matches!(emitter.emit_waiting(EventInput::new("com.x"), &host), Ok(Attempt::Accepted(_))));
    assert_eq!(host.asked.get(), 0);
    let refused = emitter.emit_waiting(EventInput::new("com.x"), &host).unwrap_err();
    assert_eq!((refused.kind(), host.asked.get(), emitter.refused()), (ErrorKind::Backpressure, 1, 1));
}

#[test]
fn inside_a_hosts_sink_the_event_goes_as_reentrant() {
    let emitter = tight();
    emitter.emit(EventInput::new("com.x")).unwrap();
    let host = Host { place: Some(Wait::Inside), ..Host::default() };
    let Ok(Attempt::Accepted(receipt)) = emitter.emit_waiting(EventInput::new("com.x"), &host) else {
        panic!("it waits for nothing")
    };
    assert_eq!(receipt.lanes().next().unwrap().1.to_string(), "dropped: reentrant");
}

#[test]
fn who_waits_elsewhere_is_called_when_there_is_room() {
    let emitter = tight();
    emitter.emit(EventInput::new("com.x")).unwrap();
    let host = Host { place: Some(Wait::Elsewhere(Duration::ZERO)), ..Host::default() };
    assert!(matches!(emitter.emit_waiting(EventInput::new("com.x"), &host), Ok(Attempt::NoRoom(_))));
    assert!(!host.room.load(Ordering::Acquire));
    assert_eq!(emitter.refused(), 0);
    emitter.drain("tight").unwrap();
    assert!(host.room.load(Ordering::Acquire));
    assert!(matches!(emitter.emit_waiting(EventInput::new("com.x"), &host), Ok(Attempt::Accepted(_))));
}

#[test]
fn waits_for_room_on_a_stuck_lane_end_when_their_callers_give_up() {
    let emitter = tight();
    emitter.emit(EventInput::new("com.x")).unwrap();
    let limit = emitter.lanes()[0].config.block_timeout;
    let held = || emitter.lanes()[0].lock().waiting_for_room();
    let ask = |waited: Duration| {
        let host = Host { place: Some(Wait::Elsewhere(waited)), ..Host::default() };
        (emitter.emit_waiting(EventInput::new("com.x"), &host), host.room)
    };
    // Each of them gives up a nanosecond later, that is, before the next one is checked.
    let rooms: Vec<_> = (0..100).map(|_| ask(limit - Duration::from_nanos(1)).1).collect();
    assert!(held() <= 1, "{}", held());
    // If a waiter's time is over, nothing else may ever wake it, so it must be called now.
    let refused = ask(limit).0.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Backpressure);
    assert_eq!(held(), 0);
    assert!(rooms.iter().all(|room| room.load(Ordering::Acquire)), "called, so a binding keeps none either");
    // A waiter whose time is not over stays.
    let waits = ask(Duration::ZERO).1;
    ask(limit).0.unwrap_err();
    assert_eq!(held(), 1);
    assert!(!waits.load(Ordering::Acquire));
}

/// Takes everything.
struct Takes;

impl Sink for Takes {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[crate::sink::Envelope]) -> crate::sink::Answers {
        crate::sink::Answers::Acknowledged
    }
}

#[test]
fn sinks_that_are_added_at_the_same_time_are_all_there() {
    let emitter = Emitter::open(Options::new(config(
        "agent: { id: a1 }\nheartbeat: off\nlanes:\n  - { id: first, sink: memory }\n",
    )))
    .unwrap();
    const THREADS: usize = 4;
    let barrier = Arc::new(std::sync::Barrier::new(THREADS));
    let sink = |id: String| {
        let barrier = Arc::clone(&barrier);
        let make: SinkFactory = Arc::new(move || {
            // All of them have found their id free, and none has been added yet.
            barrier.wait();
            Ok(Box::new(Takes))
        });
        let text = format!("agent: {{ id: a1 }}\nlanes:\n  - {{ id: {id}, sink: memory }}\n");
        HostSink { name: id, lane: config(&text).lanes[0].clone(), make }
    };
    for round in 0..20 {
        let add = |thread: usize| emitter.add_sink(sink(format!("lane-{round}-{thread}")));
        let add = &add;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || add(thread))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        let lanes = emitter.lanes();
        assert_eq!(lanes.len(), 1 + (round + 1) * THREADS);
        assert!(
            lanes.iter().enumerate().all(|(place, lane)| lane.index == place),
            "each has a place of its own"
        );
    }
    let lanes = emitter.lanes().len();
    let same = || emitter.add_sink(sink("same".into()));
    let same = &same;
    let added = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(same)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
    });
    assert_eq!((added, emitter.lanes().len()), (1, lanes + 1), "one id, one lane");
    emitter.shutdown(Duration::from_secs(5));
}

#[test]
fn an_event_is_found_in_the_audit_log_by_the_hosts_own_id() {
    use crate::sinks::audit_chain::{AuditDb, Locator, VerifyOptions};
    let dir = TempDir::new();
    let path = dir.path().join("audit.db");
    let text = format!(
        "agent: {{ id: a }}\nheartbeat: off\nlanes:\n  - sink: {{ audit_chain: {{ path: {} }} }}\n",
        path.display()
    );
    let emitter = Emitter::open(Options::new(config(&text))).unwrap();
    for id in ["order 7/a", "0123456789abcdef", "x"] {
        let receipt = emitter.emit(EventInput { id: Some(id), ..EventInput::new("com.x") }).unwrap();
        assert_eq!(receipt.id().to_string(), id);
    }
    let made = emitter.emit(EventInput::new("com.x")).unwrap().id().to_string();
    emitter.shutdown(Duration::from_secs(5));
    let db = AuditDb::open_read(&path).unwrap();
    let places: Vec<u64> = ["order 7/a", "0123456789abcdef", "x", &made]
        .into_iter()
        .map(|id| db.prove(&Locator::Id(crate::event::EventId::read(id).unwrap()), None).unwrap().sequence)
        .collect();
    assert_eq!(places, [2, 3, 4, 5]);
    let report = db.verify(&VerifyOptions::default()).unwrap();
    assert!(report.findings.is_empty(), "{report:?}");
}

#[test]
fn an_event_about_a_run_says_which_run_started_it() {
    let dir = TempDir::new();
    let path = dir.path().join("events.ndjson");
    let text = format!(
        "agent: {{ id: a }}\nheartbeat: off\nlanes:\n  - sink: {{ file: {{ path: {} }} }}\n",
        path.display()
    );
    let emitter = Emitter::open(Options::new(config(&text))).unwrap();
    let here = crate::event::Ambient { run: Some("r"), parent_run: Some("p\"q"), ..Default::default() };
    for (event_type, data) in [
        ("run.started", ""),
        ("run.progress", r#"{"a":1,"step":"s"}"#),
        ("dev.sinkwell.run.completed", r#"{"parent_run":"own","zz":1}"#),
        ("tool.invocation", r#"{"tool":"t"}"#),
    ] {
        let mut input = EventInput::new(event_type);
        if !data.is_empty() {
            input.data = Data::Json(data.as_bytes());
        }
        emitter.emit(input.within(&here)).unwrap();
    }
    emitter.shutdown(Duration::from_secs(5));
    let lines = std::fs::read_to_string(&path).unwrap();
    let data: Vec<String> = lines
        .lines()
        .map(|line| crate::json::parse(line.as_bytes()).unwrap())
        .filter(|event| event.get("origin").is_none())
        .map(|event| {
            assert_eq!(event.get("runid").and_then(crate::json::Value::as_str), Some("r"));
            event.get("data").unwrap().to_json()
        })
        .collect();
    assert_eq!(
        data,
        [
            r#"{"parent_run":"p\"q"}"#,
            r#"{"a":1,"parent_run":"p\"q","step":"s"}"#,
            r#"{"parent_run":"own","zz":1}"#,
            r#"{"tool":"t"}"#
        ]
    );
}
