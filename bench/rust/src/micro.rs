//! Sealing, verifying and their parts, each beside the physical limit: what the same bytes cost the bare
//! primitive.

use std::hint::black_box;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use sinkwell::EventInput;
use sinkwell::event::Data;
use sinkwell::json::{ObjectWriter, parse, parse_into};
use sinkwell::key::VerifyingKey;
use sinkwell::verify::{self, TrustedKey, Verifier};

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

/// Emits and seals so many events without threads; answers nanoseconds per event of emitting, nanoseconds per
/// event of sealing (and a sink that forgets), and the lines.
fn seal(algorithm: &str, events: u64) -> Result<(f64, f64), Failure> {
    let lane = format!(r#"{{"id":"out","queue":{{"events":{0}}},"sink":"null"}}"#, events + events / 8 + 16);
    let emitter = candidates::open(
        &candidates::document(&lane, algorithm).replacen(
            '{',
            &format!(r#"{{"queue":{{"events":{}}},"#, events * 2),
            1,
        ),
        true,
    )?;
    let mut writer = ObjectWriter::new();
    let start = own_cpu();
    for n in 0..events {
        event::write(&mut writer, n.cast_signed()).map_err(|e| e.message().to_owned())?;
        emitter.emit(EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) })?;
    }
    let emitting = since(start, events);
    let start = own_cpu();
    let mut left = events;
    while left > 0 {
        let drained = emitter.drain("out")?;
        if drained.count == 0 {
            return Err("nothing was drained".into());
        }
        left -= drained.count;
    }
    Ok((emitting, since(start, events)))
}

/// Sealed lines in memory.
fn lines(algorithm: &str, events: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let path = std::env::temp_dir().join(format!("sinkwell-bench-{}.ndjson", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let lane = format!(r#"{{"id":"out","overflow":"block","sink":{{"file":{{"path":{path:?}}}}}}}"#);
    let emitter = candidates::open(&candidates::document(&lane, algorithm), false)?;
    let mut writer = ObjectWriter::new();
    for n in 0..events {
        event::write(&mut writer, n.cast_signed()).map_err(|e| e.message().to_owned())?;
        emitter.emit(EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) })?;
    }
    emitter.shutdown(Duration::from_secs(60));
    let text = std::fs::read(&path)?;
    std::fs::remove_file(&path)?;
    Ok(text.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect())
}

/// A question's figures, round by round.
#[derive(Default)]
struct Table(Vec<(String, String, Vec<f64>, Option<String>)>);

impl Table {
    /// `beside`: the figure of the same question that it is held against.
    fn put(&mut self, question: &str, who: &str, value: f64, beside: Option<&str>) {
        match self.0.iter_mut().find(|(q, w, ..)| q == question && w == who) {
            Some((_, _, values, _)) => values.push(value),
            None => self.0.push((question.into(), who.into(), vec![value], beside.map(Into::into))),
        }
    }

    fn rows(self, rows: &mut Vec<Row>) {
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
    for _ in 0..rounds {
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
            let key = if algorithm == "hmac" { VerifyingKey::from_bytes(&HMAC)? } else { ed25519(lines)? };
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
