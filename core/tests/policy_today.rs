//! Content policy over time and between lanes: two files from one run, replay by today's policy, and policies
//! that are refused at load.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sinkwell::config::{Config, ContentMode, SignatureAlgorithm, Source};
use sinkwell::content::{Part, strip};
use sinkwell::json::{Value, parse};
use sinkwell::key::{VerifyingKey, generate};
use sinkwell::memory::MemorySink;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
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
    let key = VerifyingKey::from_named(place.0.join("agent.pem.pub")).unwrap();
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
    let lines = replay_of(&place, prompt("MARKER"), today);
    (verdict(&place, &lines), lines.concat())
}

/// Journals the event under a policy that grants `raw`, then delivers it from a new emitter under `today`'s: what
/// was delivered.
fn replay_of(place: &Place, input: EventInput<'_>, today: &str) -> Vec<Vec<u8>> {
    let before = durable(place, &policy("raw", "30d"), Arc::new(|| Ok(Box::new(Away))));
    before.emit(input).unwrap().wait(Stage::Journaled, Duration::from_secs(10)).unwrap();
    before.shutdown(Duration::from_millis(50));
    drop(before);
    let memory = MemorySink::default();
    let kept = memory.clone();
    let after = durable(place, today, Arc::new(move || Ok(Box::new(Store(kept.clone())))));
    // What the first one left goes before anything newer.
    let newer = after.emit(EventInput::new("com.example.newer")).unwrap();
    newer.wait(Stage::Delivered, Duration::from_secs(10)).unwrap();
    after.shutdown(Duration::from_secs(10));
    let lines: Vec<Vec<u8>> = memory.envelopes().iter().map(|envelope| envelope.bytes.to_vec()).collect();
    assert!(lines.concat().windows(16).any(|window| window == b"com.example.turn"), "it was not replayed");
    lines
}

/// Every byte of every file under a folder.
fn every_byte(folder: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { every_byte(&path) } else { std::fs::read(path).unwrap() })
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn what_was_masked_once_stays_masked() {
    const SECRET: &str = "jane.masked@example.com";
    let with = |redaction: &str| {
        policy("raw", "365d")
            .replace("{ id: pii-1, detectors: [email] }", &format!("{{ id: pii-1, {redaction} }}"))
    };
    // Whatever today's policy would leave alone, and however long it would keep it.
    for (name, today, discloses) in [
        ("stays-same", policy("raw", "30d"), true),
        ("stays-other", with("detectors: [iban]"), true),
        ("stays-kept", with("keep: ['[a-z.]+@example\\.com']"), true),
        ("stays-dropped", with("replace: drop"), true),
        ("stays-expired", policy("raw", "1ms"), false),
        ("stays-none", String::new(), false),
    ] {
        let place = Place::new(name);
        let mut input = prompt(&format!("MARKER {SECRET}"));
        input.content[0].summary = Some(format!("mail {SECRET}"));
        input.content[0].reference = Some(format!("store:{SECRET}"));
        input.subject = Some(SECRET);
        let lines = replay_of(&place, input, &today);
        let delivered = lines.concat();
        assert_eq!(
            holds(&delivered, "MARKER [email]"),
            discloses,
            "{name}: {}",
            String::from_utf8_lossy(&delivered)
        );
        assert!(
            holds(&delivered, "\"subject\":\"[email]\"") && holds(&delivered, "\"mail [email]\""),
            "{name}"
        );
        assert!(!holds(&delivered, SECRET), "{name}: delivered");
        assert!(!holds(&every_byte(&place.0), SECRET), "{name}: in a file");
        assert!(matches!(verdict(&place, &lines), Verdict::Sound), "{name}");
        // What is disclosed is what was committed to, and it goes without a trace.
        for line in &lines {
            sinkwell::content::check_disclosures(&parse(line).unwrap()).unwrap();
            let stripped = strip(line).unwrap();
            assert!(!holds(&stripped, "MARKER") && !holds(&stripped, SECRET), "{name}: stripped");
        }
    }
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

/// Whoever reads lines reads all that can be sealed: `data` at the deepest that may be configured, and the line around it.
#[test]
fn what_nests_as_deep_as_it_may_is_stripped_replayed_and_verified() {
    let place = Place::new("deep");
    let text = format!("{{\"deep\":{}{}}}", "[".repeat(511), "]".repeat(511));
    let deep = || {
        let mut input = prompt("MARKER");
        input.data = sinkwell::event::Data::Json(text.as_bytes());
        input
    };
    let limits = policy("raw", "30d") + "limits: { depth: 512 }\n";
    let before = durable(&place, &limits, Arc::new(|| Ok(Box::new(Away))));
    before.emit(deep()).unwrap().wait(Stage::Journaled, Duration::from_secs(10)).unwrap();
    before.shutdown(Duration::from_millis(50));
    drop(before);
    let memory = MemorySink::default();
    let kept = memory.clone();
    let today = policy("off", "30d") + "limits: { depth: 512 }\n";
    let after = durable(&place, &today, Arc::new(move || Ok(Box::new(Store(kept.clone())))));
    after.emit(deep()).unwrap().wait(Stage::Delivered, Duration::from_secs(10)).unwrap();
    after.shutdown(Duration::from_secs(10));
    let lines: Vec<Vec<u8>> = memory.envelopes().iter().map(|envelope| envelope.bytes.to_vec()).collect();
    let all = String::from_utf8(lines.concat()).unwrap();
    assert_eq!(all.matches(&text[1..text.len() - 1]).count(), 2);
    assert!(!all.contains("MARKER"));
    assert_eq!(verdict(&place, &lines), Verdict::Sound);
}

fn memory(config: &str) -> (Emitter, MemorySink) {
    let memory = MemorySink::default();
    let kept = memory.clone();
    let config =
        load(format!("{config}lanes:\n- {{ id: m, classes: [debug], sink: {{ host: store }} }}\n")).unwrap();
    let make: sinkwell::SinkFactory = Arc::new(move || Ok(Box::new(Store(kept.clone()))));
    let sinks = vec![HostSink { name: "store".into(), lane: config.lanes[0].clone(), make }];
    (Emitter::open(Options { config, sinks, signer: None, manual: false }).unwrap(), memory)
}

/// The host's envelopes, and all that was written.
fn written(emitter: &Emitter, memory: &MemorySink) -> (Vec<Value>, String) {
    emitter.shutdown(Duration::from_secs(10));
    let lines: Vec<Vec<u8>> = memory.envelopes().iter().map(|envelope| envelope.bytes.to_vec()).collect();
    let values = lines.iter().map(|line| parse(line).unwrap());
    (values.filter(|v| v.get("origin").is_none()).collect(), String::from_utf8(lines.concat()).unwrap())
}

/// An id of the host's own is kept as it is, but for people's words: then the receipt has it as it is sealed.
#[test]
fn an_own_id_is_kept_or_hashed_and_the_receipt_has_it_as_sealed() {
    let (emitter, sink) = memory(
        "agent: { id: a1 }\ngovernance: { content: { redaction: { id: pii-1, detectors: [email] } } }\n",
    );
    let (plain, words) = ("order 7/\"a\"", "bob@example.com/7");
    let emit = |id: Option<&str>, causation: Option<&str>| {
        let input = EventInput { id, causation, ..EventInput::new("com.example.own") };
        emitter.emit(input).unwrap().id().to_string()
    };
    let receipts =
        [emit(Some(plain), None), emit(Some(words), None), emit(None, Some(words)), emit(None, Some(plain))];
    let (events, all) = written(&emitter, &sink);
    assert!(!all.contains("bob@"), "{all}");
    let text = |event: &Value, name: &str| event.get(name).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(receipts.to_vec(), events.iter().map(|event| text(event, "id")).collect::<Vec<_>>());
    assert_eq!(receipts[0], plain);
    assert!(receipts[1].starts_with("[id:"), "{}", receipts[1]);
    assert_eq!(text(&events[2], "causationid"), receipts[1]);
    assert_eq!(text(&events[3], "causationid"), plain);
}

/// Ids that are people's words are hashed, by one key wherever they stand, and what refers to them still does.
#[test]
fn ids_and_subjects_are_redacted_and_links_survive() {
    let rules = "agent: { id: a1, tenant: ann@example.com }\n\
                 governance: { content: { redaction: { id: pii-1, detectors: [email], patterns: { case: 'C-[0-9]+' } } } }\n";
    let data = br#"{"authz":{"decision":"C-77","delegated_by":"bob@example.com","identity":"i-1"},"correction_ref":"cost of C-78","note":"C-77 bob@example.com","parent_run":"bob@example.com"}"#;
    let (emitter, sink) = memory(rules);
    let ours = emitter.emit(EventInput::new("com.example.first")).unwrap().id().to_string();
    let mut input = EventInput::new("com.example.turn");
    input.data = sinkwell::event::Data::Json(data);
    input.subject = Some("mail to bob@example.com about C-77 in /home/bob/x");
    input.run = Some("bob@example.com");
    input.turn = Some("C-77");
    input.attempt = Some("attempt-1");
    input.correlation = Some("bob@example.com/1");
    input.causation = Some(&ours);
    emitter.emit(input).unwrap();
    let (events, all) = written(&emitter, &sink);
    for word in ["bob@", "ann@", "C-7", "/home"] {
        assert!(!all.contains(word), "{word} is in {all}");
    }
    let event = &events[1];
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap();
    let data = event.get("data").unwrap();
    let authz = data.get("authz").unwrap();
    for name in ["tenantid", "runid", "turnid", "correlationid"] {
        let id = text(name);
        assert!(id.starts_with("[id:") && id.len() == 21, "{name}: {id}");
    }
    assert_eq!(data.get("parent_run").unwrap().as_str(), Some(text("runid")));
    assert_eq!(authz.get("delegated_by").unwrap().as_str(), Some(text("runid")));
    assert_eq!(authz.get("decision").unwrap().as_str(), Some(text("turnid")));
    assert!(data.get("correction_ref").unwrap().as_str().unwrap().starts_with("[id:"));
    assert_ne!(text("runid"), text("correlationid"));
    // In which nothing is found, they stay.
    assert_eq!((text("attemptid"), authz.get("identity").unwrap().as_str()), ("attempt-1", Some("i-1")));
    assert_eq!(text("causationid"), ours);
    // What is no id is redacted as data is.
    assert_eq!(text("subject"), "mail to [email] about [case] in [path#1]");
    assert_eq!(data.get("note").unwrap().as_str(), Some("[case] [email]"));
    // Whatever emitter of the process seals it, an id is the same; with a key of the policy's in every process.
    let (other, sink) = memory(rules);
    let mut input = EventInput::new("com.example.turn");
    input.run = Some("bob@example.com");
    other.emit(input).unwrap();
    assert_eq!(written(&other, &sink).0[0].get("runid"), event.get("runid"));
    let place = Place::new("hash-key");
    std::fs::write(place.0.join("hash.key"), [7; 32]).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(place.0.join("hash.key"), private).unwrap();
    let keyed = format!("{rules}redaction: {{ hash_key: {{ file: '{}/hash.key' }} }}\n", place.0.display());
    let (third, sink) = memory(&keyed);
    let mut input = EventInput::new("com.example.turn");
    input.run = Some("bob@example.com");
    third.emit(input).unwrap();
    let hashed = written(&third, &sink).0[0].get("runid").cloned();
    // HMAC-SHA256 under 32 bytes of 7 over "id", a newline and the id, its first 8 bytes.
    assert_eq!(hashed, Some(Value::from("[id:e2f00bdbdb535e1f]")));
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
