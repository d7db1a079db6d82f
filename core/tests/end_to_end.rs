//! docs/END-TO-END.md, row by row: what the application, the receiver and the verifier see of each failure.
//! (The Collector's rows are in tests/collector.)

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinkwell::config::{Config, SignatureAlgorithm, Source};
use sinkwell::event::Data;
use sinkwell::key::{VerifyingKey, generate};
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Sink};
use sinkwell::verify::{Report, TrustedKey, Verdict, Verifier};
use sinkwell::{Emitter, ErrorKind, EventInput, HostSink, Options, Receipt};

const CHILD: &str = "SINKWELL_END_TO_END";
const LONG: Duration = Duration::from_secs(30);

/// A folder with a key pair, which goes when the test ends.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-e2e-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        generate(SignatureAlgorithm::Ed25519, &path.join("agent.pem")).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn verify(&self, files: &[&str], checkpoints: Option<&str>) -> Report {
        let key = VerifyingKey::from_named(self.at("agent.pem.pub")).unwrap();
        let options =
            sinkwell::verify::Options { keys: vec![TrustedKey::new("k1", key)], ..Default::default() };
        let mut verifier = Verifier::new(options);
        if let Some(checkpoints) = checkpoints {
            verifier.read_checkpoints(&self.at(checkpoints)).unwrap();
        }
        for file in files {
            verifier.read_path(&self.at(file)).unwrap();
        }
        verifier.finish().unwrap()
    }

    /// How many different lines hold it: a repeat is the same bytes.
    fn lines(&self, file: &str, what: &str) -> usize {
        let text = std::fs::read_to_string(self.at(file)).unwrap();
        text.lines().filter(|line| line.contains(what)).collect::<HashSet<_>>().len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(folder: &Path, rest: &str) -> Config {
    let dir = folder.display();
    let text = format!(
        "agent: {{ id: 'urn:example:agent' }}\nkey: {{ id: k1, ed25519: {{ file: '{dir}/agent.pem' }} }}\n{}",
        rest.replace("{dir}", &dir.to_string())
    );
    Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default())
        .unwrap()
}

fn open(folder: &Path, rest: &str) -> Emitter {
    Emitter::open(Options::new(config(folder, rest))).unwrap()
}

fn emit(emitter: &Emitter, n: usize) -> sinkwell::Result<Receipt> {
    let data = format!(r#"{{"n":{n}}}"#);
    emitter.emit(EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.step") })
}

const DURABLE: &str = "journal: { dir: '{dir}/state', floor: 0 }\n\
    lanes:\n- { id: evidence, classes: [audit], sink: { file: { path: '{dir}/events.ndjson' } } }\n";

/// Emits durably, says how far it has come, and never ends by itself.
#[test]
#[ignore = "a child process of the next test"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(CHILD).expect("started by the next test"));
    let emitter = open(&folder, DURABLE);
    for n in 0.. {
        emit(&emitter, n).unwrap().wait(Stage::Journaled, LONG).unwrap();
        println!("journaled {n}");
    }
}

#[test]
fn a_killed_process_loses_nothing_journaled_and_the_next_one_goes_on() {
    let place = Place::new("killed");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, &place.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let journaled = told.filter(|line| line.contains("journaled")).take(50).count();
    child.kill().unwrap();
    child.wait().unwrap();

    let next = open(&place.0, DURABLE);
    emit(&next, 1_000_000).unwrap();
    let ended = next.shutdown(LONG);
    assert_eq!(ended[0].1.pending, 0, "{ended:?}");
    for n in 0..journaled {
        assert_eq!(place.lines("events.ndjson", &format!("{{\"n\":{n}}}")), 1, "event {n}");
    }
    assert_eq!(place.lines("events.ndjson", "\"n\":1000000"), 1);
    assert_eq!(place.lines("events.ndjson", "\"follows\""), 1);
    let report = place.verify(&["events.ndjson"], None);
    assert!(matches!(report.verdict, Verdict::Sound | Verdict::Incomplete), "{report}");
}

/// Takes nothing until it is let.
struct Gate {
    open: Arc<Mutex<mpsc::Receiver<()>>>,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl Sink for Gate {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        // An error means that nobody holds the gate any more.
        let _ = self.open.lock().unwrap().recv();
        let mut lines = self.lines.lock().unwrap();
        for envelope in batch {
            lines.extend_from_slice(&envelope.bytes);
            lines.push(b'\n');
        }
        Answers::Acknowledged
    }
}

#[test]
fn a_full_queue_drops_what_the_policy_says_and_declares_it() {
    let place = Place::new("full");
    let (gate, behind) = mpsc::channel();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let config = config(
        &place.0,
        "lanes:\n- { id: slow, sink: { host: gate }, overflow: drop_oldest, queue: { events: 16 }, timeout: 1h }\n",
    );
    let (open, kept) = (Arc::new(Mutex::new(behind)), Arc::clone(&lines));
    let sink = HostSink {
        name: "gate".into(),
        lane: config.lanes[0].clone(),
        make: Arc::new(move || Ok(Box::new(Gate { open: Arc::clone(&open), lines: Arc::clone(&kept) }))),
    };
    let options = Options { config, sinks: vec![sink], signer: None, manual: false };
    let emitter = Emitter::open(options).unwrap();
    let receipts: Vec<_> = (0..2000).map(|n| emit(&emitter, n).unwrap()).collect();
    drop(gate);
    let ended = emitter.shutdown(LONG);
    assert_eq!(ended[0].1.pending, 0);
    let counters = emitter.counters().pop().unwrap().1;
    assert!(counters.dropped > 0);
    assert_eq!(counters.admitted, counters.delivered + counters.dropped, "{counters:?}");
    let lost = receipts
        .iter()
        .filter(|receipt| receipt.endings()[0].1.as_ref().unwrap().state == sinkwell::receipt::EndState::Lost)
        .count();
    assert_eq!(lost as u64, counters.dropped);
    std::fs::write(place.at("events.ndjson"), &*lines.lock().unwrap()).unwrap();
    let report = place.verify(&["events.ndjson"], None);
    assert_eq!(report.verdict, Verdict::Incomplete, "{report}");
    assert_eq!(report.lost.values().sum::<u64>(), counters.dropped, "{report}");
}

#[test]
fn without_a_network_a_durable_lane_keeps_all_and_the_next_process_delivers() {
    let place = Place::new("network");
    let lane = |port: u16| {
        format!(
            "journal: {{ dir: '{{dir}}/state', floor: 0 }}\nlanes:\n- {{ id: collector, durable: true, timeout: 2s, \
             retry: {{ initial: 10ms, cap: 10ms }}, sink: {{ otlp: {{ endpoint: 'http://127.0.0.1:{port}', protocol: http/protobuf }} }} }}\n"
        )
    };
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let emitter = open(&place.0, &lane(port));
    let receipts: Vec<_> = (0..20).map(|n| emit(&emitter, n).unwrap()).collect();
    for receipt in &receipts {
        receipt.wait(Stage::Journaled, LONG).unwrap();
    }
    let left = emitter.shutdown(Duration::from_millis(500));
    assert_eq!((left[0].1.pending, left[0].1.place), (20, sinkwell::Where::Journal));
    let health = emitter.health().pop().unwrap().1;
    assert_eq!(health.failure, Some(sinkwell::sink::FailureKind::Network), "{health:?}");

    let (listener, bodies) = receiver();
    let next = open(&place.0, &lane(listener));
    // What the first one left goes before anything newer.
    emit(&next, 20).unwrap().wait(Stage::Delivered, LONG).unwrap();
    assert_eq!(next.shutdown(LONG)[0].1.pending, 0);
    let text = String::from_utf8_lossy(&bodies.lock().unwrap()).into_owned();
    for n in 0..=20 {
        assert!(text.contains(&format!("{{\"n\":{n}}}")), "event {n}");
    }
}

/// An HTTP receiver that takes everything.
fn receiver() -> (u16, Arc<Mutex<Vec<u8>>>) {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            loop {
                let (mut line, mut length) = (String::new(), 0);
                while line != "\r\n" {
                    line.clear();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        break;
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                if length == 0 || reader.read_exact(&mut body).is_err() {
                    break;
                }
                kept.lock().unwrap().append(&mut body);
                let answer =
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                let _ = reader.get_mut().write_all(answer);
            }
        }
    });
    (port, bodies)
}

#[test]
fn a_journal_without_room_is_backpressure_and_never_a_silent_drop() {
    let place = Place::new("disk");
    let rest = "journal: { dir: '{dir}/state', floor: 1000000TiB }\n\
        lanes:\n- { id: evidence, classes: [audit], sink: { file: { path: '{dir}/events.ndjson' } }, \
        queue: { events: 4 }, block_timeout: 50ms }\n";
    let emitter = open(&place.0, rest);
    let mut taken = 0;
    let refused = loop {
        match emit(&emitter, taken) {
            Ok(_) => taken += 1,
            Err(e) => break e,
        }
        assert!(taken < 10_000, "nothing was ever refused");
    };
    assert_eq!(refused.kind(), ErrorKind::Backpressure);
    assert_eq!(emitter.refused(), 1);
    let counters = emitter.counters().pop().unwrap().1;
    assert_eq!((counters.admitted, counters.dropped), (taken as u64, 0));
    emitter.shutdown(Duration::from_millis(100));
}

#[test]
fn a_full_disk_under_a_file_keeps_what_it_holds_and_says_so() {
    let place = Place::new("enospc");
    let full = "lanes:\n- { id: full, sink: { file: { path: /dev/full } }, retry: { initial: 1ms, cap: 1ms } }\n\
        - { id: other, sink: { file: { path: '{dir}/other.ndjson' } } }\n";
    let emitter = open(&place.0, full);
    for n in 0..10 {
        emit(&emitter, n).unwrap();
    }
    let left = emitter.shutdown(Duration::from_secs(2));
    assert_eq!(left[0].1.pending, 10, "{left:?}");
    assert_eq!(left[1].1.pending, 0, "{left:?}");
    let health = emitter.health().remove(0).1;
    assert_eq!(health.failure, Some(sinkwell::sink::FailureKind::Storage), "{health:?}");
    // The other lane has it, sealed: this sink failed.
    assert!(place.lines("other.ndjson", "sink.failed") >= 1);
    assert_eq!(place.verify(&["other.ndjson"], None).verdict, Verdict::Sound);
}

#[test]
fn what_a_lost_host_took_with_it_shows_against_checkpoints_kept_elsewhere() {
    let place = Place::new("host");
    let rest = "checkpoint: { file: '{dir}/elsewhere.ndjson' }\n\
        lanes:\n- { id: file, sink: { file: { path: '{dir}/events.ndjson' } } }\n";
    for run in 0..2 {
        let emitter = open(&place.0, rest);
        for n in 0..10 {
            emit(&emitter, run * 100 + n).unwrap();
        }
        assert_eq!(emitter.shutdown(LONG)[0].1.pending, 0);
    }
    let whole = place.verify(&["events.ndjson"], Some("elsewhere.ndjson"));
    assert_eq!(whole.verdict, Verdict::Sound, "{whole}");
    let text = std::fs::read_to_string(place.at("events.ndjson")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // A tail cut off; then a stream that is gone as a whole.
    for (kept, finding) in [(lines.len() - 3, "truncated"), (lines.len() / 2, "missing_stream")] {
        std::fs::write(place.at("cut.ndjson"), lines[..kept].join("\n") + "\n").unwrap();
        let report = place.verify(&["cut.ndjson"], Some("elsewhere.ndjson"));
        assert_eq!(report.verdict, Verdict::Findings, "{report}");
        assert!(report.to_json().to_json().contains(finding), "{finding}: {report}");
        assert_eq!(
            place.verify(&["cut.ndjson"], None).verdict,
            Verdict::Sound,
            "without them it cannot show"
        );
    }
}
