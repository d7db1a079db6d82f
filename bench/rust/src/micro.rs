//! Writing, sealing, handing over, encoding, verifying, each beside the physical limit: what the same bytes cost the bare
//! primitive.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use sinkwell::event::Data;
use sinkwell::json::{ObjectWriter, Value, parse, parse_into};
use sinkwell::key::VerifyingKey;
use sinkwell::otlp::{Facts, OtlpSink, Settings};
use sinkwell::seam::SystemClock;
use sinkwell::sink::{Answers, Envelope, Sink};
use sinkwell::verify::{self, TrustedKey, Verifier};
use sinkwell::{Emitter, EventInput, HostSink, Options};

use crate::measure::own_cpu;
use crate::table::{Row, Spread};
use crate::{Failure, candidates, event};

const HMAC: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31,
];

/// Nanoseconds per call since then, on the clock of the thread: all that is measured here happens on one.
fn since(start: f64, calls: u64) -> f64 {
    (own_cpu() - start) * 1e9 / calls as f64
}

/// Nanoseconds per call.
fn time(calls: u64, mut call: impl FnMut()) -> f64 {
    let start = own_cpu();
    for _ in 0..calls {
        call();
    }
    since(start, calls)
}

/// A document with so many lanes to a sink that forgets, each with room for so many events.
fn roomy(lanes: usize, events: u64, algorithm: &str) -> String {
    let queue = events + events / 8 + 16;
    let lane = |i| format!(r#"{{"id":"lane{i}","queue":{{"events":{queue}}},"sink":"null"}}"#);
    let lanes = (0..lanes).map(lane).collect::<Vec<_>>().join(",");
    // The emitter's own ceiling goes in front.
    let ceiling = format!(r#"{{"queue":{{"events":{}}},"#, events * 2);
    candidates::document(&lanes, algorithm).replacen('{', &ceiling, 1)
}

/// Emits so many events.
fn emit(emitter: &Emitter, events: u64) -> Result<(), Failure> {
    let mut writer = ObjectWriter::new();
    for n in 0..events {
        event::write(&mut writer, n.cast_signed()).map_err(|e| e.message().to_owned())?;
        emitter.emit(EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) })?;
    }
    Ok(())
}

/// Emits and seals so many events without threads; answers nanoseconds per event of emitting, and nanoseconds per
/// event of sealing (and a sink that forgets).
fn seal(algorithm: &str, events: u64) -> Result<(f64, f64), Failure> {
    let emitter = candidates::open(&roomy(1, events, algorithm), true)?;
    let start = own_cpu();
    emit(&emitter, events)?;
    let emitting = since(start, events);
    let start = own_cpu();
    let mut left = events;
    while left > 0 {
        let drained = emitter.drain("lane0")?;
        if drained.count == 0 {
            return Err("nothing was drained".into());
        }
        left -= drained.count;
    }
    Ok((emitting, since(start, events)))
}

/// Keeps what it is given.
struct Keeper(Arc<Mutex<Vec<Envelope>>>);

impl Sink for Keeper {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(batch);
        Answers::Acknowledged
    }
}

/// Sealed envelopes, as a sink gets them, sinkwell's own among them.
fn envelopes(algorithm: &str, events: u64) -> Result<Vec<Envelope>, Failure> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let lane = r#"{"id":"out","overflow":"block","sink":{"host":"keeper"}}"#;
    let config = candidates::config(&candidates::document(lane, algorithm))?;
    let lane = config.lanes.first().ok_or("there is a lane")?.clone();
    let into = Arc::clone(&kept);
    let make = Arc::new(move || Ok(Box::new(Keeper(Arc::clone(&into))) as Box<dyn Sink>));
    let sinks = vec![HostSink { name: "keeper".to_owned(), lane, make }];
    let emitter = Emitter::open(Options { sinks, ..Options::new(config) })?;
    emit(&emitter, events)?;
    emitter.shutdown(Duration::from_secs(60));
    let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok(kept)
}

/// Sealed lines.
fn lines(algorithm: &str, events: u64) -> Result<Vec<Vec<u8>>, Failure> {
    Ok(envelopes(algorithm, events)?.iter().map(|envelope| envelope.bytes.to_vec()).collect())
}

/// What an SDK would send of the same event: its attributes, and no line.
fn record(data: &Value) -> LogRecord {
    let attributes = data.members().iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) => Some(any_value::Value::StringValue(text.clone())),
            Value::Int(int) => Some(any_value::Value::IntValue(*int)),
            Value::Float(float) => Some(any_value::Value::DoubleValue(*float)),
            Value::Bool(bool) => Some(any_value::Value::BoolValue(*bool)),
            // The event has none of these.
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        KeyValue { key: key.clone(), value: Some(AnyValue { value }), ..KeyValue::default() }
    });
    LogRecord { attributes: attributes.collect(), event_name: event::TYPE.to_owned(), ..LogRecord::default() }
}

/// The encoding of a batch, per event.
fn encode(batch: &[Envelope], rounds: u64, table: &mut Table) -> Result<(), Failure> {
    let config = sinkwell::config::OtlpConfig::default();
    let settings = Settings::resolve(&config, &|_| None, &Facts::default(), Duration::from_secs(10))?;
    let mut sink = OtlpSink::new(settings, Arc::new(SystemClock::default()))?;
    let data = parse(&batch[0].bytes).map_err(|e| e.message().to_owned())?;
    let one = record(data.get("data").ok_or("an envelope has data")?);
    let scope = ScopeLogs { log_records: vec![one; batch.len()], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![resource] };
    let (count, size) = sink.request_size(batch).ok_or("a batch makes a request")?;
    if count != batch.len() {
        return Err("a batch fits into a request".into());
    }
    let (bytes, events) = (vec![b'x'; size], batch.len() as f64);
    let question = "encode as OTLP";
    let mut copy = Vec::with_capacity(size);
    let copied = time(rounds, || {
        copy.clear();
        copy.extend_from_slice(black_box(&bytes));
        black_box(&copy);
    });
    table.put(question, "memcpy of the request", copied / events, None);
    let prost = time(rounds, || drop(black_box(black_box(&request).encode_to_vec())));
    table.put(question, "prost, the attributes alone, structures at hand", prost / events, None);
    let built = time(rounds, || drop(black_box(black_box(&request).clone().encode_to_vec())));
    table.put(question, "prost, the attributes alone, structures built", built / events, None);
    let ours = time(rounds, || {
        black_box(sink.request_size(black_box(batch)));
    });
    let beside = Some("prost, the attributes alone, structures built");
    table.put(question, "sealed line and its attributes", ours / events, beside);
    Ok(())
}

/// What handing a ready event over costs the caller: to nobody, to lanes that nobody takes from, to lanes that work.
fn hand_over(events: u64, table: &mut Table) -> Result<(), Failure> {
    let question = "hand a ready event over";
    let ready: Arc<[u8]> = vec![b'x'; 500].into();
    let queue = Mutex::new(VecDeque::with_capacity(usize::try_from(events)?));
    let bare = time(events, || {
        let mut queue = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        queue.push_back(Arc::clone(black_box(&ready)));
    });
    table.put(question, "a mutex and a VecDeque", bare, None);
    let (sender, receiver) = mpsc::sync_channel(10_000);
    let taker = std::thread::spawn(move || receiver.into_iter().for_each(|event: Arc<[u8]>| drop(event)));
    let channel = time(events, || drop(sender.send(Arc::clone(black_box(&ready)))));
    drop(sender);
    taker.join().map_err(|_| "the taker panicked")?;
    table.put(question, "a channel of std, to a thread that takes", channel, None);
    let mut writer = ObjectWriter::new();
    event::write(&mut writer, 7).map_err(|e| e.message().to_owned())?;
    for (lanes, manual, who) in [
        (1, true, "emit to one lane that nobody takes from"),
        (3, true, "emit to three lanes that nobody takes from"),
        (1, false, "emit to one lane that works"),
        (3, false, "emit to three lanes that work"),
    ] {
        let emitter = candidates::open(&roomy(lanes, events, "hmac"), manual)?;
        let mut failed = None;
        let each = time(events, || {
            let input = EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) };
            if let Err(e) = emitter.emit(input) {
                failed.get_or_insert(e);
            }
        });
        if let Some(e) = failed {
            return Err(e.into());
        }
        table.put(question, who, each, Some("a mutex and a VecDeque"));
    }
    // In memory that has been used before, as in a lane that keeps up; above, each event takes fresh pages.
    for (lanes, who) in [
        (0, "emit while disabled: the event and its receipt are made"),
        (1, "emit to one lane, drained every 256 events"),
        (3, "emit to three lanes, drained every 256 events"),
    ] {
        table.put(question, who, drained(lanes, events, &writer)?, Some("a mutex and a VecDeque"));
    }
    Ok(())
}

pub(crate) const BURST: u64 = 256;

/// A manual emitter with so many lanes, or one that is disabled.
pub(crate) fn quiet(lanes: usize) -> Result<Emitter, Failure> {
    quiet_signing(lanes, "hmac")
}

/// As [`quiet`], with a key of this kind.
fn quiet_signing(lanes: usize, algorithm: &str) -> Result<Emitter, Failure> {
    let config = candidates::config(&roomy(lanes.max(1), 2 * BURST, algorithm))?;
    let config = sinkwell::config::Config { disabled: lanes == 0, ..config };
    Ok(Emitter::open(Options { manual: true, ..Options::new(config) })?)
}

#[inline(never)]
pub(crate) fn empty(emitter: &Emitter, lanes: usize) -> sinkwell::Result<()> {
    for i in 0..lanes {
        while emitter.drain(&format!("lane{i}"))?.count > 0 {}
    }
    Ok(())
}

/// Nanoseconds per emit of a ready event to so many lanes, which this thread empties between two bursts.
fn drained(lanes: usize, events: u64, ready: &ObjectWriter) -> Result<f64, Failure> {
    let emitter = quiet(lanes)?;
    let (mut spent, mut emitted) = (0.0, 0);
    while emitted < events {
        let start = own_cpu();
        burst(&emitter, ready, BURST)?;
        spent += own_cpu() - start;
        emitted += BURST;
        empty(&emitter, lanes)?;
    }
    Ok(spent * 1e9 / emitted as f64)
}

/// A question's figures, round by round.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, String, Vec<f64>, Option<String>)>);

impl Table {
    /// `beside`: the figure of the same question that it is held against.
    pub(crate) fn put(&mut self, question: &str, who: &str, value: f64, beside: Option<&str>) {
        match self.0.iter_mut().find(|(q, w, ..)| q == question && w == who) {
            Some((_, _, values, _)) => values.push(value),
            None => self.0.push((question.into(), who.into(), vec![value], beside.map(Into::into))),
        }
    }

    pub(crate) fn rows(self, rows: &mut Vec<Row>) {
        let medians: Vec<_> = self
            .0
            .iter()
            .filter_map(|(q, w, values, _)| Some((q.clone(), w.clone(), Spread::of(values.clone())?.median)))
            .collect();
        for (question, candidate, values, beside) in self.0 {
            let other = beside.and_then(|b| medians.iter().find(|(q, w, _)| *q == question && *w == b));
            let Some(spread) = Spread::of(values) else { continue };
            let ratio = other.map(|(_, _, median)| spread.median / median);
            rows.push(Row { question, candidate, figure: "ns".into(), spread, ratio });
        }
    }
}

/// One burst, in a function of its own, so that a profiler can count nothing else.
#[inline(never)]
fn burst(emitter: &Emitter, ready: &ObjectWriter, events: u64) -> sinkwell::Result<()> {
    for _ in 0..events {
        drop(emitter.emit(EventInput { data: Data::Object(ready), ..EventInput::new(event::TYPE) })?);
    }
    Ok(())
}

/// Hands bursts of a ready event to so many lanes and empties them in between, without a look at the thread's clock: to be
/// run under callgrind, which counts instructions whatever else the machine does. Prints the fastest burst.
pub(crate) fn bursts(lanes: usize, bursts: usize, algorithm: &str) -> Result<(), Failure> {
    let emitter = quiet_signing(lanes, algorithm)?;
    let mut writer = ObjectWriter::new();
    event::write(&mut writer, 7).map_err(|e| e.message().to_owned())?;
    let (mut emitting, mut sealing) = (Duration::MAX, Duration::MAX);
    for _ in 0..bursts {
        let start = Instant::now();
        burst(&emitter, &writer, BURST)?;
        emitting = emitting.min(start.elapsed());
        let start = Instant::now();
        empty(&emitter, lanes)?;
        sealing = sealing.min(start.elapsed());
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / BURST as f64;
    println!("{lanes} lanes, ns an event: emitted in {:.0}, sealed in {:.0}", each(emitting), each(sealing));
    Ok(())
}

/// What sealing costs the lanes' threads when so many lanes take the same event, per event: their digest is computed once.
pub(crate) fn shared(rounds: usize, quick: bool, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let bursts = if quick { 20 } else { 200 };
    let mut writer = ObjectWriter::new();
    event::write(&mut writer, 7).map_err(|e| e.message().to_owned())?;
    let mut table = Table::default();
    for _ in 0..rounds {
        for algorithm in ["hmac", "hmac-batch", "ed25519-batch"] {
            for (lanes, who) in [(1, "one lane"), (2, "two lanes"), (3, "three lanes")] {
                let emitter = quiet_signing(lanes, algorithm)?;
                let mut spent = 0.0;
                for _ in 0..bursts {
                    burst(&emitter, &writer, BURST)?;
                    let start = own_cpu();
                    empty(&emitter, lanes)?;
                    spent += own_cpu() - start;
                }
                let beside = (lanes > 1).then_some("one lane");
                let question = format!("seal an event, {algorithm}");
                table.put(&question, who, spent * 1e9 / (bursts * BURST) as f64, beside);
            }
        }
    }
    table.rows(rows);
    Ok(())
}

/// What handing over costs, alone: for whoever tunes it.
pub(crate) fn hand_over_alone(rounds: usize, quick: bool, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let mut table = Table::default();
    for _ in 0..rounds {
        hand_over(if quick { 5_000 } else { 50_000 }, &mut table)?;
    }
    table.rows(rows);
    Ok(())
}

/// All of them, in turn, round by round.
pub(crate) fn measure(rounds: usize, quick: bool, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let n = if quick { 5_000 } else { 50_000 };
    let mut table = Table::default();
    let hmac_lines = lines("hmac", n)?;
    // As many as make what a verifier does once count for little.
    let ed_lines = lines("ed25519", n.max(50_000) / 10)?;
    let line = hmac_lines.get(100).ok_or("no lines")?;
    let value = parse(line).map_err(|e| e.message().to_owned())?;
    let mut writer = ObjectWriter::new();
    let mut sink = Vec::new();
    let mac = Hmac::<Sha256>::new_from_slice(&HMAC)?;
    let key = SigningKey::from_bytes(&HMAC);
    let public = key.verifying_key();
    // Each another message, as a verifier meets them: the same one again and again would teach the processor its branches.
    let signed: Vec<_> = ed_lines.iter().take(1000).map(|line| (line, key.sign(line))).collect();
    let batch: Vec<_> = envelopes("hmac", 512)?.into_iter().filter(|envelope| !envelope.own).collect();
    for _ in 0..rounds {
        hand_over(n, &mut table)?;
        encode(&batch, n / 512, &mut table)?;
        let write = "write the data";
        table.put(
            write,
            "memcpy",
            time(n, || {
                sink.clear();
                sink.extend_from_slice(black_box(line));
                black_box(&sink);
            }),
            None,
        );
        table.put(
            write,
            "canonical, from values",
            time(n, || drop(black_box(event::write(&mut writer, 7)))),
            Some("memcpy"),
        );
        let data = {
            event::write(&mut writer, 7).map_err(|e| e.message().to_owned())?;
            writer.finish().map_err(|e| e.message().to_owned())?.bytes().to_vec()
        };
        table.put(
            write,
            "canonical, from JSON text",
            time(n, || {
                writer.reset(64);
                drop(black_box(parse_into(&data, &mut writer)));
            }),
            Some("memcpy"),
        );
        let whole = time(n, || {
            writer.reset(64);
            drop(black_box(value.write_into(&mut writer)));
        });
        let hash = time(n, || {
            black_box(Sha256::digest(black_box(line)));
        });
        let signing = time(n, || {
            let mut mac = mac.clone();
            mac.update(black_box(line));
            black_box(mac.finalize());
        });
        let ed = time(n / 10, || {
            black_box(key.sign(black_box(line)));
        });
        let mut at = 0;
        let checking = time(n / 10, || {
            let (line, signature) = &signed[at % signed.len()];
            at += 1;
            drop(black_box(public.verify(black_box(line), signature)));
        });
        for (algorithm, sign, events) in [("hmac", signing, n), ("ed25519", ed, n / 10)] {
            let question = format!("seal, {algorithm}");
            table.put(&question, "canonical write alone", whole, None);
            table.put(&question, "signature alone", sign, None);
            table.put(&question, "SHA-256 alone", hash, None);
            table.put(&question, "sum of the three", whole + sign + hash, None);
            let (emitting, sealing) = seal(algorithm, events)?;
            table.put(&question, "emit, its event included", emitting, None);
            table.put(&question, "seal and deliver to nothing", sealing, Some("sum of the three"));
            table.put(&question, "both", emitting + sealing, Some("sum of the three"));
        }
        for (algorithm, lines, bare) in [("hmac", &hmac_lines, signing), ("ed25519", &ed_lines, checking)] {
            let question = format!("verify, {algorithm}");
            table.put(&question, "signature check alone", bare, None);
            let key = if algorithm == "hmac" { VerifyingKey::hmac(&HMAC)? } else { ed25519(lines)? };
            let options =
                verify::Options { keys: vec![TrustedKey::new("k1", key)], ..verify::Options::default() };
            let mut verifier = Verifier::new(options);
            let start = own_cpu();
            verifier.read_items(lines.iter().map(Ok), "lines")?;
            let each = since(start, lines.len() as u64);
            let report = verifier.finish()?;
            black_box(&report);
            table.put(&question, "verifier, per envelope", each, Some("signature check alone"));
        }
    }
    table.rows(rows);
    Ok(())
}

/// The public half of the test key of RFC 8410.
fn ed25519(_lines: &[Vec<u8>]) -> Result<VerifyingKey, Failure> {
    Ok(VerifyingKey::from_bytes(
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    )?)
}
