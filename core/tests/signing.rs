//! `key.sign: batch`: one signature a batch and stream, and what a crash, a slow signer or a stranger makes of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinkwell::config::{Config, SignMode, SignatureAlgorithm, Source};
use sinkwell::journal::{Journal, Record};
use sinkwell::json::{Value, parse};
use sinkwell::key::{HostSigner, SigningKey, VerifyingKey, generate};
use sinkwell::receipt::Stage;
use sinkwell::seam::{RealFs, SystemEnv, SystemRandom, Uuid, parse_time};
use sinkwell::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::verify::{Options as VerifyOptions, Report, TrustedKey, Verdict, Verifier};
use sinkwell::{Emitter, ErrorKind, EventInput, HostSink, Options};

const LONG: Duration = Duration::from_secs(30);

/// A folder with a key pair, which goes when the test ends.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-signing-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        generate(SignatureAlgorithm::Ed25519, &path.join("agent.pem")).unwrap();
        Self(path)
    }

    fn config(&self, key: &str, rest: &str) -> Config {
        let text = format!("agent: {{ id: 'urn:example:agent' }}\nheartbeat: off\nkey: {key}\n{rest}")
            .replace("{dir}", &self.0.display().to_string());
        Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default())
            .unwrap()
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join(file)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn verify(&self, text: &str) -> Report {
        self.verify_by(&[("k1", "agent.pem.pub")], text)
    }

    fn verify_by(&self, keys: &[(&str, &str)], text: &str) -> Report {
        let key = |file: &str| VerifyingKey::from_named(self.0.join(file)).unwrap();
        let keys = keys.iter().map(|(id, file)| TrustedKey::new(*id, key(file))).collect();
        let options = VerifyOptions { keys, ..Default::default() };
        let mut verifier = Verifier::new(options);
        verifier.read(&mut text.as_bytes(), "in").unwrap();
        verifier.finish().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const BATCH: &str = "{ id: k1, sign: batch, ed25519: { file: '{dir}/agent.pem' } }";
const FILE: &str = "lanes:\n- { id: events, sink: { file: { path: '{dir}/events.ndjson' } }, batch: { events: 64, linger: 1h } }\n";

fn emit(emitter: &Emitter, count: usize) {
    for n in 0..count {
        let mut event = EventInput::new("com.example.step");
        event.run = Some(if n % 2 == 0 { "r-1" } else { "r-2" });
        emitter.emit(event).unwrap();
    }
}

fn signed(line: &str) -> bool {
    line.contains("\"signature\":")
}

#[test]
fn one_signature_a_batch_covers_all_of_it() {
    let place = Place::new("batch");
    let emitter = Emitter::open(Options::new(place.config(BATCH, FILE))).unwrap();
    emit(&emitter, 640);
    emitter.shutdown(LONG);
    let lines = place.lines("events.ndjson");
    let signatures = lines.iter().filter(|line| signed(line)).count();
    // 640 events in batches of 64, `opened` and `closed`.
    assert_eq!(lines.len(), 642);
    assert!((10..=24).contains(&signatures), "{signatures} signatures");
    assert!(lines[0].contains("\"sign\":\"batch\""), "{}", lines[0]);
    let report = place.verify(&lines.join("\n"));
    assert_eq!((report.verdict, report.unsigned), (Verdict::Sound, 0), "{report}");

    // Each signed envelope that is taken away is missed.
    for at in (0..lines.len()).filter(|&at| signed(&lines[at])) {
        let mut without = lines.clone();
        without.remove(at);
        let report = place.verify(&without.join("\n"));
        // The end of a stream that nobody closed is unproven, and said to be.
        let expected = if at + 1 == lines.len() { (Verdict::Sound, 1) } else { (Verdict::Findings, 0) };
        assert_eq!((report.verdict, report.open), expected, "without {at}: {report}");
    }
    // The end before its signature: nothing covers it.
    let last = lines.iter().rposition(|line| signed(line) && !line.contains("closed")).unwrap();
    let report = place.verify(&lines[..last].join("\n"));
    assert_eq!(report.verdict, Verdict::Findings, "{report}");
    assert!(report.unsigned > 0, "{report}");
}

/// A signer that takes its time, and counts.
struct Slow {
    key: ed25519_dalek::SigningKey,
    calls: AtomicUsize,
    inputs: AtomicUsize,
    refuse: AtomicUsize,
}

impl HostSigner for Slow {
    fn sign(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        use ed25519_dalek::Signer as _;
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.refuse.load(Ordering::Relaxed) > 0 {
            self.refuse.fetch_sub(1, Ordering::Relaxed);
            return Err("throttled".into());
        }
        self.inputs.fetch_add(inputs.len(), Ordering::Relaxed);
        assert!(inputs.iter().all(|input| input.len() == 49 && input.starts_with(b"sinkwell-seal-v1\n")));
        Ok(inputs.iter().map(|input| self.key.sign(input).to_bytes().to_vec()).collect())
    }
}

/// Its owner would believe that it signs.
#[test]
fn a_signer_that_no_key_asks_for_is_refused() {
    let place = Place::new("unasked");
    let file = place.config("{ id: k1, ed25519: { file: '{dir}/agent.pem' } }", FILE);
    let text = "lanes: ['null']".to_owned();
    let none =
        Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default());
    for config in [file, none.unwrap()] {
        let mut options = Options::new(config);
        options.signer = Some(Arc::new(Slow {
            key: ed25519_dalek::SigningKey::from_bytes(&[7; 32]),
            calls: AtomicUsize::new(0),
            inputs: AtomicUsize::new(0),
            refuse: AtomicUsize::new(0),
        }));
        let e = Emitter::open(options).unwrap_err();
        assert_eq!((e.kind(), e.place()), (ErrorKind::Key, Some("key.signer")), "{e}");
    }
}

#[test]
fn a_hosts_signer_gets_many_of_one_stream_in_one_call_and_may_fail_in_between() {
    for mode in ["each", "batch"] {
        let place = Place::new(&format!("host-{mode}"));
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key();
        let signer = Arc::new(Slow {
            key,
            calls: AtomicUsize::new(0),
            inputs: AtomicUsize::new(0),
            refuse: AtomicUsize::new(2),
        });
        let host = format!("{{ id: k1, alg: ed25519, signer: host, sign: {mode} }}");
        let mut options = Options::new(place.config(&host, FILE));
        options.signer = Some(signer.clone());
        let emitter = Emitter::open(options).unwrap();
        emit(&emitter, 256);
        emitter.shutdown(LONG);
        let lines = place.lines("events.ndjson");
        let steps = lines.iter().filter(|line| line.contains("com.example.step")).count();
        assert_eq!(steps, 256, "{mode}");
        use ed25519_dalek::pkcs8::EncodePublicKey as _;
        let pem = public.to_public_key_pem(Default::default()).unwrap();
        std::fs::write(place.0.join("agent.pem.pub"), pem).unwrap();
        let report = place.verify(&lines.join("\n"));
        assert_eq!(report.verdict, Verdict::Sound, "{mode}: {report}");
        let (calls, inputs) = (signer.calls.load(Ordering::Relaxed), signer.inputs.load(Ordering::Relaxed));
        assert!(calls < 20, "{mode}: {calls} calls");
        assert_eq!(inputs, lines.iter().filter(|line| signed(line)).count(), "{mode}");
        assert!(
            if mode == "each" { inputs == lines.len() } else { inputs < 20 },
            "{mode}: {inputs} signatures"
        );
    }
}

/// The first `count` of these lines, as the journal of a process that has died.
fn left_behind(config: &Config, lines: &[String], count: usize) {
    let journal = config.journal.as_ref().unwrap();
    let (mut journal, _) =
        Journal::open(Arc::new(RealFs), Arc::new(SystemRandom), journal, "events", "file", 1).unwrap();
    let values: Vec<Value> = lines.iter().map(|line| parse(line.as_bytes()).unwrap()).collect();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap().to_owned();
    let unhex = |text: &str| -> [u8; 32] {
        let bytes: Vec<u8> =
            (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
        bytes.try_into().unwrap()
    };
    let records: Vec<Record<'_>> = (0..count)
        .map(|i| Record {
            streamid: Uuid::parse(&text(&values[i], "streamid")).unwrap(),
            agentid: "urn:example:agent",
            sequence: i as u64 + 1,
            hash: unhex(&text(&values[i + 1], "prevhash")),
            digest: [0; 32],
            recordedtime: parse_time(&text(&values[i], "recordedtime")).unwrap(),
            own: i == 0,
            terminal: false,
            closes: false,
            span: None,
            signed: signed(&lines[i]),
            bytes: lines[i].as_bytes(),
        })
        .collect();
    journal.append(&records).unwrap();
    journal.sync().unwrap();
}

/// What was given to it, batch by batch.
struct Batches(Arc<Mutex<Vec<Vec<Envelope>>>>);

impl Sink for Batches {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.0.lock().unwrap().push(batch.to_vec());
        Answers::Acknowledged
    }

    fn idempotent(&self) -> bool {
        true
    }
}

/// A file that a process is killed over must not end with what was acknowledged and has no signature behind it: nobody would
/// send that again, and the next process sets aside what nothing covers.
#[test]
fn what_is_replayed_goes_with_the_signature_that_covers_it() {
    let place = Place::new("replayed");
    let emitter = Emitter::open(Options::new(place.config(BATCH, FILE))).unwrap();
    emit(&emitter, 120);
    emitter.shutdown(LONG);
    let lines = place.lines("events.ndjson");
    // `opened`, a group of 64 and what was left at the end.
    let last = lines[..121].iter().rposition(|line| signed(line)).unwrap() + 1;
    let rest = "journal: { dir: '{dir}/state' }\nlanes:\n- { id: events, durable: true, sink: { host: given }, batch: { events: 16 } }\n";
    let config = place.config(BATCH, rest);
    left_behind(&config, &lines, last);

    let given: Arc<Mutex<Vec<Vec<Envelope>>>> = Arc::default();
    let lane = config.lanes[0].clone();
    let mut options = Options::new(config);
    let to = Arc::clone(&given);
    options.sinks.push(HostSink {
        name: "given".into(),
        lane,
        make: Arc::new(move || Ok(Box::new(Batches(Arc::clone(&to))) as Box<dyn Sink>)),
    });
    let emitter = Emitter::open(options).unwrap();
    emitter.shutdown(LONG);
    let given = given.lock().unwrap();
    let arrived: usize = given.iter().map(Vec::len).sum();
    assert!(arrived >= last, "{arrived} of {last}");
    for (at, batch) in given.iter().enumerate() {
        for envelope in batch {
            let behind = batch.iter().rfind(|other| other.streamid == envelope.streamid).unwrap();
            assert!(behind.signed, "batch {at} of {} ends without a signature", batch.len());
        }
    }
}

#[test]
fn what_a_dead_process_had_not_signed_is_cut_and_declared() {
    let place = Place::new("tail");
    let emitter = Emitter::open(Options::new(place.config(BATCH, FILE))).unwrap();
    emit(&emitter, 20);
    emitter.shutdown(LONG);
    let lines = place.lines("events.ndjson");
    // What a write that was cut short leaves: `opened`, and three events without the signature that ends them.
    let durable = "journal: { dir: '{dir}/state' }\nlanes:\n- { id: events, durable: true, sink: { file: { path: '{dir}/after.ndjson' } } }\n";
    let config = place.config(BATCH, durable);
    assert!(signed(&lines[0]) && lines[1..4].iter().all(|line| !signed(line)));
    left_behind(&config, &lines, 4);
    let opened = parse(lines[1].as_bytes()).unwrap();
    let opened = opened.get("prevhash").and_then(Value::as_str).unwrap().to_owned();

    let emitter = Emitter::open(Options::new(config)).unwrap();
    emit(&emitter, 1);
    emitter.shutdown(LONG);
    let after = place.lines("after.ndjson");
    assert_eq!(after[0], lines[0], "what was signed is sent as it was");
    assert!(lines[1..4].iter().all(|line| !after.contains(line)), "what nothing covers is not sent");
    // The next stream goes on from what was signed.
    assert!(after.iter().any(|line| line.contains("\"follows\"") && line.contains(&opened)), "{after:#?}");
    let report = place.verify(&after.join("\n"));
    assert_eq!(report.verdict, Verdict::Incomplete, "{report}");
    assert_eq!(report.lost.get("journal_damage"), Some(&3), "{report}");
}

/// A second key pair, as `next.pem`, that signs in this mode.
fn next_key(place: &Place, mode: SignMode) -> SigningKey {
    let path = place.0.join("next.pem");
    generate(SignatureAlgorithm::Ed25519, &path).unwrap();
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&std::fs::read_to_string(&path).unwrap()).unwrap();
    SigningKey::ed25519("k2", key).signing(mode)
}

const BOTH: &[(&str, &str)] = &[("k1", "agent.pem.pub"), ("k2", "next.pem.pub")];

#[test]
fn the_old_key_signs_what_it_sealed_before_it_retires() {
    let place = Place::new("change");
    let emitter = Emitter::open(Options::new(place.config(BATCH, FILE))).unwrap();
    emit(&emitter, 70);
    emitter.change_key(&next_key(&place, SignMode::Batch)).unwrap();
    emit(&emitter, 70);
    emitter.shutdown(LONG);
    let lines = place.lines("events.ndjson");
    let report = place.verify_by(BOTH, &lines.join("\n"));
    assert_eq!((report.verdict, report.unsigned), (Verdict::Sound, 0), "{report}");
    let by = |line: &str, key: &str| line.contains(&format!("\"keyid\":\"{key}\",\"prevhash\""));
    let retiring = lines.iter().position(|line| line.contains("\"key_retiring\"")).unwrap();
    let active = lines.iter().position(|line| line.contains("\"key_active\"")).unwrap();
    assert!(signed(&lines[retiring]) && signed(&lines[active]));
    assert!(lines[active + 1..].iter().all(|line| !by(line, "k1")), "the old key signs nothing more");
    assert!(lines[..=retiring].iter().all(|line| !by(line, "k2")));
    // Whoever has the old key only verifies all that it sealed.
    let report = place.verify(&lines[..=retiring].join("\n"));
    assert_eq!((report.verdict, report.unsigned, report.open), (Verdict::Sound, 0, 1), "{report}");
}

#[test]
fn a_signer_that_is_dead_keeps_no_lane_waiting_once_another_key_is_there() {
    // What it fails at first: what is sealed already, or the announcement of its own end; and what the next one does.
    for (mode, next, dead_at_first) in [
        ("each", SignMode::Batch, true),
        ("batch", SignMode::Batch, true),
        ("each", SignMode::Each, false),
        ("batch", SignMode::Each, false),
    ] {
        let place = Place::new(&format!("dead-{mode}-{next:?}-{dead_at_first}"));
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        use ed25519_dalek::pkcs8::EncodePublicKey as _;
        let pem = key.verifying_key().to_public_key_pem(Default::default()).unwrap();
        let refuse = if dead_at_first { usize::MAX } else { 0 };
        let signer = Arc::new(Slow {
            key,
            calls: AtomicUsize::new(0),
            inputs: AtomicUsize::new(0),
            refuse: AtomicUsize::new(refuse),
        });
        let host = format!("{{ id: k1, alg: ed25519, signer: host, sign: {mode} }}");
        let lane = "lanes:\n- { id: events, sink: { file: { path: '{dir}/events.ndjson' } }, batch: { events: 8, linger: 1ms }, retry: { initial: 1ms, cap: 2ms }, breaker: { failures: 3, open: 1h } }\n";
        let mut options = Options::new(place.config(&host, lane));
        options.signer = Some(signer.clone());
        let emitter = Emitter::open(options).unwrap();
        emit(&emitter, 20);
        if !dead_at_first {
            emitter.flush(LONG);
            signer.refuse.store(usize::MAX, Ordering::Relaxed);
            emit(&emitter, 1);
        }
        emitter.change_key(&next_key(&place, next)).unwrap();
        emit(&emitter, 20);
        for (_, left) in emitter.shutdown(LONG) {
            assert_eq!(left.pending, 0, "{mode}");
        }
        std::fs::write(place.0.join("agent.pem.pub"), pem).unwrap();
        let lines = place.lines("events.ndjson");
        let report = place.verify_by(BOTH, &lines.join("\n"));
        assert_eq!(
            (report.verdict, report.unsigned, report.open),
            (Verdict::Sound, 0, 0),
            "{mode}: {report}"
        );
        let steps = lines.iter().filter(|line| line.contains("com.example.step")).count();
        assert_eq!(steps, if dead_at_first { 40 } else { 41 });
        // It was not given up before it had had its tries.
        assert!(signer.calls.load(Ordering::Relaxed) >= 3, "{mode}");
    }
}

/// A sink that refuses for good, by their number, some events of each batch until they are alone; keeps the rest.
struct Picky {
    refuses: fn(u64) -> bool,
    kept: Arc<Mutex<Vec<Envelope>>>,
}

impl Sink for Picky {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        if batch.iter().any(|envelope| !envelope.own && (self.refuses)(envelope.sequence)) {
            return Answers::RefusedBatch(Failure::new(FailureKind::Rejected, "not this one"));
        }
        self.kept.lock().unwrap().extend(batch.iter().cloned());
        Answers::Acknowledged
    }
}

#[test]
fn what_leaves_a_batch_leaves_nothing_uncovered() {
    // One in the middle, the one that carries the batch's signature, all of a batch, every second.
    let cases: [fn(u64) -> bool; 4] =
        [|n| n == 20, |n| n == 64, |n| (2..=64).contains(&n), |n| n.is_multiple_of(2) && n < 200];
    for (case, refuses) in cases.into_iter().enumerate() {
        let place = Place::new(&format!("picky-{case}"));
        let lanes = "lanes:\n- { id: picky, classes: [debug], sink: { host: picky }, batch: { events: 63, linger: 1h }, retry: { initial: 1ms, cap: 2ms } }\ndead_letter: { dir: '{dir}/dead' }\n";
        let config = place.config(BATCH, lanes);
        let kept = Arc::new(Mutex::new(Vec::new()));
        let lane = config.lanes[0].clone();
        let mut options = Options::new(config);
        let to = Arc::clone(&kept);
        options.sinks.push(HostSink {
            name: "picky".into(),
            lane,
            make: Arc::new(move || Ok(Box::new(Picky { refuses, kept: Arc::clone(&to) }) as Box<dyn Sink>)),
        });
        let emitter = Emitter::open(options).unwrap();
        emit(&emitter, 63 * 4);
        emitter.flush(LONG);
        emitter.shutdown(LONG);
        let lines: Vec<String> =
            kept.lock().unwrap().iter().map(|e| String::from_utf8(e.bytes.to_vec()).unwrap()).collect();
        let report = place.verify(&lines.join("\n"));
        assert_eq!((report.verdict, report.unsigned), (Verdict::Incomplete, 0), "{case}: {report}");
        // What left the batch is kept as it was sealed: it neither got a signature nor lost one.
        let dead = place.lines("dead/picky.dead.ndjson");
        assert_eq!(report.lost.get("rejected"), Some(&(dead.len() as u64)), "{case}: {report}");
        let report = place.verify(&[lines, dead].concat().join("\n"));
        assert_eq!(report.unsigned, 0, "{case}: {report}");
        assert!(report.verdict <= Verdict::Incomplete, "{case}: {report}");
    }
}

/// A signer that is far away: 50 ms a call, whatever it is asked for.
struct Far(Slow);

impl HostSigner for Far {
    fn sign(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        // The distance itself, not a wait for something to happen.
        std::thread::sleep(Duration::from_millis(50));
        self.0.sign(inputs)
    }
}

#[test]
fn a_signer_of_50_ms_a_call_has_room_for_ten_thousand_events_a_second() {
    const EVENTS: usize = 20_000;
    for mode in ["each", "batch"] {
        let place = Place::new(&format!("far-{mode}"));
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        use ed25519_dalek::pkcs8::EncodePublicKey as _;
        let pem = key.verifying_key().to_public_key_pem(Default::default()).unwrap();
        std::fs::write(place.0.join("agent.pem.pub"), pem).unwrap();
        let (calls, inputs, refuse) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let signer = Arc::new(Far(Slow { key, calls, inputs, refuse }));
        let host = format!("{{ id: k1, alg: ed25519, signer: host, sign: {mode} }}");
        // As docs/KEYS.md says: batches of what comes in while a call is under way, twice over.
        let lane = "lanes:\n- { id: events, overflow: block, queue: { events: 10000 }, batch: { events: 2048, bytes: 4MiB, linger: 1h }, sink: { file: { path: '{dir}/events.ndjson' } } }\n";
        let mut options = Options::new(place.config(&host, lane));
        options.signer = Some(signer.clone());
        let emitter = Emitter::open(options).unwrap();
        // Many more than the queue holds: whoever emits waits, and nothing is lost.
        emit(&emitter, EVENTS);
        for (_, left) in emitter.shutdown(LONG) {
            assert_eq!(left.pending, 0, "{mode}");
        }
        // What the calls took is less than what so many events have time for.
        let calls = u32::try_from(signer.0.calls.load(Ordering::Relaxed)).unwrap();
        let taken = Duration::from_millis(50) * calls;
        assert!(taken <= Duration::from_secs(EVENTS as u64 / 10_000), "{mode}: {calls} calls");
        let lines = place.lines("events.ndjson");
        let steps = lines.iter().filter(|line| line.contains("com.example.step")).count();
        assert_eq!(steps, EVENTS, "{mode}");
        let report = place.verify(&lines.join("\n"));
        assert_eq!((report.verdict, report.unsigned), (Verdict::Sound, 0), "{mode}: {report}");
    }
}

/// A signer that does not return from its second call until the test lets it.
struct Hung(ed25519_dalek::SigningKey, AtomicUsize, Mutex<Receiver<()>>);

impl HostSigner for Hung {
    fn sign(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        use ed25519_dalek::Signer as _;
        if self.1.fetch_add(1, Ordering::SeqCst) == 1 {
            let _ = self.2.lock().unwrap().recv();
        }
        Ok(inputs.iter().map(|input| self.0.sign(input).to_bytes().to_vec()).collect())
    }
}

#[test]
fn a_required_lane_whose_signer_does_not_answer_is_not_ready_until_it_does() {
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    let place = Place::new("hung");
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let public = key.verifying_key();
    let (release, held) = channel();
    let signer = Arc::new(Hung(key, AtomicUsize::new(0), Mutex::new(held)));
    let rest = "governance: { required_sinks: [ { class: audit, on_unhealthy: fail_closed } ] }\nlanes:\n- { id: events, \
                classes: [audit], timeout: 1s, sink: { file: { path: '{dir}/events.ndjson' } }, batch: { linger: 1ms } }\n";
    let mut options = Options::new(place.config("{ id: k1, alg: ed25519, signer: host }", rest));
    options.signer = Some(signer.clone());
    let emitter = Emitter::open(options).unwrap();
    let first = emitter.emit(EventInput::new("com.example.first")).unwrap();
    while emitter.ensure_ready().is_ok() {
        std::thread::yield_now();
    }
    let refused = emitter.emit(EventInput::new("com.example.second")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RequiredSinkUnavailable);
    assert!(!first.reached(Stage::Delivered));
    let health = emitter.health().into_iter().next().unwrap().1;
    assert_eq!((health.state.name(), health.failure.map(FailureKind::name)), ("failed", Some("signer")));
    assert_eq!(signer.1.load(Ordering::SeqCst), 2, "one call at a time");
    drop(release);
    while emitter.ensure_ready().is_err() {
        std::thread::yield_now();
    }
    emitter.shutdown(LONG);
    assert!(first.reached(Stage::Delivered));
    let pem = public.to_public_key_pem(Default::default()).unwrap();
    std::fs::write(place.0.join("agent.pem.pub"), pem).unwrap();
    let lines = place.lines("events.ndjson");
    assert!(lines.iter().any(|line| line.contains("com.example.first")));
    let report = place.verify(&lines.join("\n"));
    assert_eq!(report.verdict, Verdict::Sound, "{report}");
}
