//! Content policy over time and between lanes: two files from one run, replay by today's policy, and policies
//! that are refused at load.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sinkwell::config::{Config, ContentMode, SignatureAlgorithm, Source};
use sinkwell::content::{Part, strip};
use sinkwell::json::{Value, parse};
use sinkwell::key::{VerifyingKey, generate};
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::memory::MemorySink;
use sinkwell::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::verify::{TrustedKey, Verdict, Verifier};
use sinkwell::{Emitter, ErrorKind, EventInput, HostSink, Options};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-policy-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        generate(SignatureAlgorithm::Ed25519, &path.join("agent.pem")).unwrap();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(text: String) -> sinkwell::Result<Config> {
    Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default())
}

fn policy(mode: &str, window: &str) -> String {
    format!(
        "governance: {{ content: {{ mode: off, classes: {{ prompt: {mode} }}, redaction: {{ id: pii-1, detectors: [email] }}, \
         retention: {{ class: short, window: {window} }}, sampling: {{ key: run, rate: {{ numerator: 1, denominator: 1 }} }} }} }}\n"
    )
}

fn document(dir: &Path, rest: &str) -> String {
    let dir = dir.display().to_string();
    format!(
        "agent: {{ id: a1 }}\nkey: {{ id: k1, ed25519: {{ file: '{dir}/agent.pem' }} }}\n{}",
        rest.replace("{dir}", &dir)
    )
}

fn prompt(text: &str) -> EventInput<'static> {
    let mut input = EventInput::new("com.example.turn");
    input.run = Some("r-1");
    input.content.push(Part::text("prompt", text).permit(ContentMode::Raw));
    input
}

fn verdict(place: &Place, lines: &[Vec<u8>]) -> Verdict {
    let key = VerifyingKey::from_file(&place.0.join("agent.pem.pub")).unwrap();
    let options = sinkwell::verify::Options { keys: vec![TrustedKey::new("k1", key)], ..Default::default() };
    let mut verifier = Verifier::new(options);
    let text = lines.join(&b'\n');
    verifier.read(&mut &text[..], "lines").unwrap();
    verifier.finish().unwrap().verdict
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    std::fs::read(path).unwrap().trim_ascii_end().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn the_file_with_the_prompt_stripped_equals_the_one_without() {
    let place = Place::new("two-files");
    let rest = policy("raw", "30d")
        + "lanes:\n- { id: see, sink: { file: { path: '{dir}/see.ndjson' } }, content: { mode: raw, classes: [prompt] } }\n\
           - { id: blind, sink: { file: { path: '{dir}/blind.ndjson' } } }\n";
    let emitter = Emitter::open(Options::new(load(document(&place.0, &rest)).unwrap())).unwrap();
    for n in 0..5 {
        emitter.emit(prompt(&format!("question {n}"))).unwrap();
    }
    emitter.shutdown(Duration::from_secs(10));
    let (see, blind) = (lines(&place.0.join("see.ndjson")), lines(&place.0.join("blind.ndjson")));
    assert_eq!((verdict(&place, &see), verdict(&place, &blind)), (Verdict::Sound, Verdict::Sound));
    assert!(see.concat().windows(10).any(|window| window == b"question 3"));
    assert!(!blind.concat().windows(8).any(|window| window == b"question"));
    let stripped: Vec<Vec<u8>> = see.iter().map(|line| strip(line).unwrap()).collect();
    assert_eq!(verdict(&place, &stripped), Verdict::Sound);
    // Equal but for the stream's own attributes.
    let of_host = |lines: &[Vec<u8>]| -> Vec<Value> {
        let values = lines.iter().map(|line| parse(line).unwrap());
        let host = values.filter(|value| value.get("origin").is_none());
        host.map(|value| {
            let own = ["streamid", "sequence", "prevhash", "recordedtime", "signature"];
            Value::Object(
                value.members().iter().filter(|(key, _)| !own.contains(&key.as_str())).cloned().collect(),
            )
        })
        .collect()
    };
    assert_eq!(of_host(&stripped).len(), 5);
    assert_eq!(of_host(&stripped), of_host(&blind));
}

/// Is away.
struct Away;

impl Sink for Away {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        Answers::Retry(Failure::new(FailureKind::Network, "away"), None)
    }
}

/// Keeps what it gets; of the same kind as the one that was away, as only such a lane may adopt.
struct Store(MemorySink);

impl Sink for Store {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.0.deliver(batch)
    }
}

fn durable(place: &Place, policy: &str, sink: sinkwell::SinkFactory) -> Emitter {
    let rest = format!(
        "journal: {{ dir: '{{dir}}/state', floor: 0 }}\n{policy}lanes:\n- {{ id: evidence, classes: [audit], sink: {{ host: store }}, \
         content: {{ mode: raw, classes: [prompt] }} }}\n"
    );
    let config = load(document(&place.0, &rest)).unwrap();
    let sinks = vec![HostSink { name: "store".into(), lane: config.lanes[0].clone(), make: sink }];
    Emitter::open(Options { config, sinks, signer: None, manual: false }).unwrap()
}

/// Journals one event under a policy that grants `raw`, then delivers it from a new emitter under `today`'s.
fn replayed(name: &str, today: &str) -> (Verdict, Vec<u8>) {
    let place = Place::new(name);
    let before = durable(&place, &policy("raw", "30d"), Arc::new(|| Ok(Box::new(Away))));
    before.emit(prompt("MARKER")).unwrap().wait(Stage::Journaled, Duration::from_secs(10)).unwrap();
    before.shutdown(Duration::from_millis(50));
    drop(before);
    let memory = MemorySink::default();
    let kept = memory.clone();
    let after = durable(&place, today, Arc::new(move || Ok(Box::new(Store(kept.clone())))));
    // What the first one left goes before anything newer.
    let newer = after.emit(EventInput::new("com.example.newer")).unwrap();
    newer.wait(Stage::Delivered, Duration::from_secs(10)).unwrap();
    after.shutdown(Duration::from_secs(10));
    let lines: Vec<Vec<u8>> = memory.envelopes().iter().map(|envelope| envelope.bytes.to_vec()).collect();
    assert!(lines.concat().windows(16).any(|window| window == b"com.example.turn"), "it was not replayed");
    (verdict(&place, &lines), lines.concat())
}

#[test]
fn a_replay_discloses_what_todays_policy_allows() {
    for (name, today, discloses) in [
        ("same", policy("raw", "30d"), true),
        ("lower", policy("off", "30d"), false),
        ("expired", policy("raw", "1ms"), false),
        ("none", String::new(), false),
    ] {
        let (verdict, bytes) = replayed(name, &today);
        assert_eq!(bytes.windows(6).any(|window| window == b"MARKER"), discloses, "{name}");
        assert!(matches!(verdict, Verdict::Sound), "{name}: {verdict:?}");
    }
}

#[test]
fn policies_that_cannot_hold_are_refused_with_their_place() {
    let cases = [
        ("mode: rwa", "content.mode"),
        ("classes: { promt: raw }", "content.classes.promt"),
        ("classes: { reasoning: raw }", "content.classes.reasoning"),
        ("classes: { prompt: { mode: raw, expires: 2020-01-01 } }", "expires"),
        ("classes: { prompt: { mode: raw, tenants: [] } }", "tenants"),
        ("redaction: pii-1", "redaction"),
        ("redaction: { id: p, detectors: [emial] }", "detectors"),
        ("redaction: { id: p, patterns: { x: '(' } }", "patterns.x"),
        ("redaction: { id: p, paths: [user] }", "paths"),
        ("redaction: { id: p, replace: hash }", "replace"),
        ("sampling: { rate: { numerator: 2, denominator: 1 } }", "numerator"),
        ("limits: { byte: 1 }", "limits.byte"),
    ];
    for (content, place) in cases {
        let error = load(format!("governance:\n  content:\n    {content}\n")).expect_err(content);
        assert_eq!(error.kind(), ErrorKind::Policy, "{content}: {error}");
        assert!(
            error.place().is_some_and(|at| at.contains(place) && at.contains(":3:")),
            "{content}: {error}"
        );
    }
    // A ceiling above the grant loads, with a warning: the grant holds.
    let text =
        policy("off", "30d") + "lanes:\n- { sink: stdout, content: { mode: raw, classes: [prompt] } }\n";
    let config = load(text).unwrap();
    assert!(config.warnings.iter().any(|warning| warning.contains("which holds")), "{:?}", config.warnings);
}
