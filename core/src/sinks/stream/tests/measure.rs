//! What an event takes on the wire and of the processor, beside others, on the same batches in one run; `make bench` has it
//! (`BENCH_ONLY=stream`):
//! `cargo test --release -p sinkwell --features intake --lib sinks::stream::tests::measure -- --ignored --nocapture --test-threads=1`,
//! or one table of `bytes`, `encoding`, `decoding` and `send::sending`.
//!
//! Bytes do not depend on what else the machine does, but for the differences of times, which are small where events follow each
//! other as fast as they can be emitted. Processor time does, so candidates take turns within each round; a ratio is the
//! median of the ratios of all rounds.

mod send;

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;

use rustix::time::ClockId;

use super::{EACH, Load, Sealed, events};
use crate::sink::Envelope;
use crate::sinks::otlp::http::Compression;
use crate::sinks::otlp::{Facts, OtlpConfig, OtlpSink, Settings};
use crate::sinks::stream::compact::{Encoder, floor};
use crate::sinks::stream::proto::frame_batch;

/// The ways in which an agent may seal.
const WAYS: [(&str, &str); 4] =
    [("each", "random"), ("each", "derived"), ("batch", "random"), ("batch", "derived")];
const BATCHES: [usize; 3] = [10, 100, 1000];

fn otlp() -> OtlpSink {
    let config = OtlpConfig { endpoint: Some("http://localhost:4318".into()), ..OtlpConfig::default() };
    let settings = Settings::resolve(&config, &|_| None, &Facts::default(), super::Duration::from_secs(1));
    OtlpSink::new(settings.unwrap(), std::sync::Arc::new(crate::seam::SystemClock::default())).unwrap()
}

fn ndjson(batch: &[Envelope]) -> Vec<u8> {
    batch.iter().flat_map(|envelope| envelope.bytes.iter().chain(b"\n")).copied().collect()
}

fn gzip_6(bytes: &[u8]) -> usize {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap().len()
}

/// All batches as the messages of one stream.
fn streamed(lines: &[Envelope], batch: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new().unwrap();
    lines.chunks(batch).map(|part| encoder.encode(part, usize::MAX).unwrap().unwrap()).collect()
}

/// Events of a run: `SINKWELL_MEASURE_EVENTS`, 10 000.
fn count() -> usize {
    std::env::var("SINKWELL_MEASURE_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

/// Rounds of what takes turns: `SINKWELL_MEASURE_ROUNDS`, 7.
fn rounds() -> usize {
    std::env::var("SINKWELL_MEASURE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(7)
}

/// Microseconds of processor that each candidate took, in each round.
fn take_turns(clock: ClockId, candidates: &mut [&mut dyn FnMut()]) -> Vec<Vec<f64>> {
    let now = || {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let mut took = vec![Vec::new(); candidates.len()];
    // The first round warms up. Whoever is first in one is last in the next.
    for round in 0..=rounds() {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let start = now();
            candidates[at]();
            if round > 0 {
                took[at].push(now() - start);
            }
        }
    }
    took
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// What the first takes of what the second takes.
fn ratio(took: &[Vec<f64>], first: usize, second: usize) -> f64 {
    median(took[first].iter().zip(&took[second]).map(|(first, second)| first / second).collect())
}

/// The bytes of an event, beside the floor.
#[test]
#[ignore = "a measurement"]
fn bytes() {
    for load in [Load::Agent, Load::Demo, Load::Text, Load::Content] {
        println!("\n### {load:?}: bytes of an event on the wire, in batches of\n");
        println!(
            "| | {} | | of the floor, in thousands |\n| --- | --- | --- | --- | --- | --- |",
            BATCHES.map(|n| n.to_string()).join(" | ")
        );
        let mut floors = String::new();
        for (sign, ids) in WAYS {
            // By batch, then by candidate.
            let mut sizes = vec![Vec::new(); 6];
            let (mut of_floor, mut line) = (0.0, 0);
            for batch in BATCHES {
                let lines = events(count(), load, Sealed { sign, batch, ids, ..EACH });
                let n = lines.len() as f64;
                let mut sink = otlp();
                let mut with = |compression: Compression| -> usize {
                    let parts = lines.chunks(batch).map(|part| sink.encoded(part));
                    parts.map(|part| compression.compress(&part, Vec::new()).unwrap().len()).sum()
                };
                arrow(&lines, batch, &format!("{load:?}-{sign}-{ids}-{batch:04}"));
                let stream = streamed(&lines, batch);
                let framed: usize =
                    stream.iter().enumerate().map(|(n, part)| frame_batch(n as u64 + 1, part).len()).sum();
                let mut all = vec![framed, with(Compression::Gzip), with(Compression::Zstd)];
                let mut sink = otlp();
                let level = |bytes: &[u8], level| zstd::bulk::compress(bytes, level).unwrap().len();
                all.push(lines.chunks(batch).map(|part| level(&sink.encoded(part), 6)).sum());
                all.push(lines.chunks(batch).map(|part| level(&ndjson(part), 6)).sum());
                all.push(lines.chunks(batch).map(|part| gzip_6(&ndjson(part))).sum());
                sizes.iter_mut().zip(&all).for_each(|(sizes, &size)| sizes.push(size as f64 / n));
                if batch == 1000 {
                    line = lines.iter().map(|line| line.bytes.len() + 1).sum::<usize>() / lines.len();
                    let floor = floor(&lines);
                    let total = floor.values().sum::<f64>() / n;
                    of_floor = sizes[0][2] / total;
                    let mut parts: Vec<_> = floor.into_iter().collect();
                    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
                    let rest: f64 = parts.iter().skip(10).map(|part| part.1 / n).sum();
                    let parts = parts.iter().take(10).map(|(what, size)| {
                        let what = what.rsplit_once(' ').map_or(what.as_str(), |(what, _)| what);
                        format!("{what} {:.2}", size / n)
                    });
                    floors += &format!(
                        "floor of `sign: {sign}`, `ids: {ids}`: {total:.1} B: {}; all others {rest:.2}\n\n",
                        parts.collect::<Vec<_>>().join("; ")
                    );
                }
            }
            let names = [
                "stream",
                "OTLP with gzip, as the sink sends it",
                "OTLP with zstd, as the sink sends it",
                "OTLP with zstd, level 6",
                "lines with zstd, level 6",
                "lines with gzip, level 6",
            ];
            println!("| **`sign: {sign}`, `ids: {ids}`**, {line} B as a line | | | | | |");
            for (at, (name, sizes_of)) in names.iter().zip(&sizes).enumerate() {
                let times = sizes_of[2] / sizes[0][2];
                let end = if at == 0 { format!(" | {of_floor:.3}") } else { format!("{times:.2} × | ") };
                let cells: Vec<_> = sizes_of.iter().map(|size| format!("{size:.1}")).collect();
                println!("| {name} | {} | {end} |", cells.join(" | "));
            }
        }
        println!("\n{floors}");
    }
}

/// Leaves the batches as OTLP where `bench/arrow` looks for them (`SINKWELL_MEASURE_ARROW`, a folder).
fn arrow(lines: &[Envelope], batch: usize, name: &str) {
    let Ok(folder) = std::env::var("SINKWELL_MEASURE_ARROW") else { return };
    let folder = std::path::Path::new(&folder).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut sink = otlp();
    for (n, part) in lines.chunks(batch).enumerate() {
        std::fs::write(folder.join(format!("{n:06}.otlp")), sink.encoded(part)).unwrap();
    }
    std::fs::write(folder.join("events"), lines.len().to_string()).unwrap();
}

/// What encoding takes beside gzip at level 6 over the same lines.
#[test]
#[ignore = "a measurement"]
fn encoding() {
    println!("### Encoding: µs of processor for an event, on one thread\n");
    println!(
        "| | stream | gzip -6 over the lines | stream ÷ gzip | OTLP with zstd |\n| --- | --- | --- | --- | --- |"
    );
    for (sign, ids) in WAYS {
        for batch in BATCHES {
            let lines = events(count(), Load::Agent, Sealed { sign, batch, ids, ..EACH });
            let texts: Vec<_> = lines.chunks(batch).map(ndjson).collect();
            let mut sink = otlp();
            let took = take_turns(
                ClockId::ThreadCPUTime,
                &mut [
                    &mut || drop(std::hint::black_box(streamed(&lines, batch))),
                    &mut || texts.iter().for_each(|text| _ = std::hint::black_box(gzip_6(text))),
                    &mut || {
                        for part in lines.chunks(batch) {
                            let bytes = sink.encoded(part);
                            std::hint::black_box(Compression::Zstd.compress(&bytes, Vec::new()).unwrap());
                        }
                    },
                ],
            );
            let each = |at: usize| median(took[at].clone()) / lines.len() as f64;
            println!(
                "| `{sign}`, `{ids}`, batches of {batch} | {:.2} | {:.2} | {:.2} | {:.2} |",
                each(0),
                each(1),
                ratio(&took, 0, 1),
                each(2)
            );
        }
    }
}

/// What an intake takes to rebuild and to verify.
#[cfg(feature = "intake")]
#[test]
#[ignore = "a measurement"]
fn decoding() {
    use super::events_and_key;
    use crate::envelope::line::Signature;
    use crate::intake::Watch;
    use crate::sinks::stream::compact::{Bounds, Decoder, Rebuilt};

    println!("\n### Decoding and verifying (HMAC): envelopes a second of one core\n");
    println!("| | decoded | decoded and verified |\n| --- | --- | --- |");
    for sign in ["each", "batch"] {
        for batch in BATCHES {
            let sealed = Sealed { alg: "hmac_sha256", sign, batch, ..EACH };
            let (lines, key) = events_and_key(count(), Load::Agent, sealed);
            let messages = streamed(&lines, batch);
            let decode = |verified: bool, see: &mut dyn FnMut(&Envelope, Option<&Signature>)| {
                let mut decoder = Decoder::new(Bounds::default()).unwrap().noting_signatures(verified);
                for rebuilt in messages.iter().flat_map(|message| decoder.decode(message).unwrap()) {
                    let Rebuilt::Envelope(envelope, signature) = rebuilt else { panic!("no envelope") };
                    see(&envelope, signature.as_ref());
                }
            };
            let took = take_turns(
                ClockId::ThreadCPUTime,
                &mut [&mut || decode(false, &mut |_, _| ()), &mut || {
                    let mut watch = Watch::new(vec![key.clone()]);
                    decode(true, &mut |envelope, signature| assert_eq!(watch.see(envelope, signature), 0));
                    assert_eq!(watch.finish(), 0);
                }],
            );
            let rate = |at: usize| lines.len() as f64 * 1e6 / median(took[at].clone());
            println!("| `{sign}`, batches of {batch} | {:.0} | {:.0} |", rate(0), rate(1));
        }
    }
}

/// Whatever else is measured, these must not be worse than they were: the bytes of an event, in batches of 100 and 1000.
#[test]
fn an_event_takes_few_bytes() {
    let mut most = BTreeMap::new();
    for (batch, sign, ids, limit) in [
        (100, "each", "random", 113.0),
        (100, "batch", "random", 53.0),
        (100, "batch", "derived", 43.5),
        (1000, "batch", "random", 50.0),
    ] {
        let lines = events(3000, Load::Agent, Sealed { sign, batch, ids, ..EACH });
        let size: usize = streamed(&lines, batch).iter().map(Vec::len).sum();
        let bytes = size as f64 / lines.len() as f64;
        most.insert((batch, sign, ids), bytes);
        assert!(bytes < limit, "{most:?}");
        let mut sink = otlp();
        let otlp: usize = lines
            .chunks(batch)
            .map(|part| Compression::Zstd.compress(&sink.encoded(part), Vec::new()).unwrap().len())
            .sum();
        assert!(otlp as f64 / size as f64 > 2.2, "{most:?} {otlp} {size}");
    }
    let distinct: HashSet<_> = most.values().map(|bytes| bytes.to_bits()).collect();
    assert_eq!(distinct.len(), most.len());
}
