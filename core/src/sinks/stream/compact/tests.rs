mod fuzz;

use super::super::tests::{EACH, Load, Sealed, events};
use super::*;
use crate::sink::Envelope;

/// What comes back, against what went in, in batches of so many; bytes on the wire.
fn through(encoder: &mut Encoder, decoder: &mut Decoder, lines: &[Envelope], batch: usize) -> usize {
    let mut size = 0;
    for part in lines.chunks(batch) {
        let bytes = encoder.encode(part, 1 << 30).unwrap().unwrap();
        size += bytes.len();
        let rebuilt = decoder.decode(&bytes).unwrap_or_else(|defect| panic!("{defect:?}"));
        assert_eq!(rebuilt.len(), part.len());
        for (rebuilt, sent) in rebuilt.iter().zip(part) {
            assert_eq!(String::from_utf8_lossy(rebuilt.line()), String::from_utf8_lossy(&sent.bytes));
        }
    }
    size
}

fn ends() -> (Encoder, Decoder) {
    (Encoder::new().unwrap(), Decoder::new(Bounds::default()).unwrap())
}

#[test]
fn every_load_comes_back_bit_for_bit() {
    for load in [Load::Agent, Load::Text, Load::Content, Load::Demo] {
        for sealed in [EACH, Sealed { alg: "hmac_sha256", sign: "batch", batch: 50, ids: "derived" }] {
            let lines = events(600, load, sealed);
            for batch in [1, 10, 100, 1000] {
                let (mut encoder, mut decoder) = ends();
                through(&mut encoder, &mut decoder, &lines, batch);
            }
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn sizes() {
    for load in [Load::Agent, Load::Demo, Load::Text, Load::Content] {
        for batch in [10, 100, 1000] {
            for sign in ["each", "batch"] {
                let lines = events(10_000, load, Sealed { sign, batch, ..EACH });
                let raw: usize = lines.iter().map(|line| line.bytes.len() + 1).sum();
                for level in [1, 3, 6, 9, 12, 19] {
                    let mut encoder = Encoder::at_level(level).unwrap();
                    let mut decoder = Decoder::new(Bounds::default()).unwrap();
                    let size = through(&mut encoder, &mut decoder, &lines, batch);
                    println!(
                        "{load:?} batch {batch} sign {sign} level {level}: {} events, {} raw, {:.1} compact",
                        lines.len(),
                        raw / lines.len(),
                        size as f64 / lines.len() as f64
                    );
                }
            }
        }
    }
}

/// A line as the sink gets it, whatever it is.
fn envelope(line: &[u8]) -> Envelope {
    match crate::envelope::line::Reader::default().read(line) {
        crate::envelope::line::Line::Envelope(envelope) => {
            Envelope::new(crate::sink::EnvelopeInner { bytes: line.into(), ..envelope.for_sink() })
        }
        _ => {
            let other = crate::testing::envelope_of(String::new(), 0xEE, 1);
            Envelope::new(crate::sink::EnvelopeInner { bytes: line.into(), ..other.parts() })
        }
    }
}

use super::super::tests::Rng;

/// Values that are awkward in one way or another.
const AWKWARD: [&str; 38] = [
    "0",
    "-1",
    "1e21",
    "1e-7",
    "-1.5e300",
    "0.1",
    "-0.5",
    "123456789012345680000",
    "9007199254740991",
    "0.000001",
    "12.50",
    "-0",
    "00",
    "1.",
    ".5",
    "999999999999999999",
    "1000000000000000000",
    "-999999999999999999",
    "null",
    "true",
    "false",
    "\"\"",
    "\"\\u001f\"",
    "\"\\\"\\\\\"",
    "\"caf\u{e9} \u{1f600}\"",
    "{}",
    "[]",
    "[[[[[[[[[[1]]]]]]]]]]",
    "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]",
    "\"2026-01-01T00:00:00.000000000Z\"",
    "\"2026-02-30T00:00:00.000000000Z\"",
    "\"0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91\"",
    "\"0193F9A2-7C1E-7B52-A1F4-5D0C2F6E8B91\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
    "\"sha256:aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb\"",
    "\"sha256:\"",
    "\"9999-12-31T23:59:59.999999999Z\"",
];

fn value(random: &mut Rng, depth: usize) -> String {
    let many = random.next() % 4;
    match random.next() % 12 {
        0 if depth < 12 => {
            let members = (0..many).map(|n| format!("\"k{n}\":{}", value(random, depth + 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        1 if depth < 12 => {
            format!("[{}]", (0..many).map(|_| value(random, depth + 1)).collect::<Vec<_>>().join(","))
        }
        2 => format!("{}", random.next() as i64 >> (random.next() % 64)),
        3 => format!("\"{}\"", "x".repeat((random.next() % 5000) as usize)),
        4 => format!("\"{:016x}\"", random.next()),
        5 => format!("\"word{}\"", random.next() % 5),
        _ => AWKWARD[(random.next() % AWKWARD.len() as u64) as usize].to_owned(),
    }
}

/// A line made of awkward values: mostly an envelope, whose place may fit the one before it or not.
fn line(random: &mut Rng, heads: &mut [Option<(u64, [u8; 32])>; 3]) -> Vec<u8> {
    if random.next().is_multiple_of(20) {
        return (0..random.next() % 60).map(|_| random.next() as u8).collect();
    }
    let which = (random.next() % 3) as usize;
    let chance = random.next();
    let (sequence, prev) = match heads[which] {
        Some((sequence, hash)) if !chance.is_multiple_of(7) => {
            (sequence + 1 + u64::from(chance.is_multiple_of(5)), Some(hash))
        }
        _ => (1 + random.next() % (1 << 52), chance.is_multiple_of(2).then_some([chance as u8; 32])),
    };
    let prev = prev.map_or(String::new(), |hash| format!(",\"prevhash\":\"{}\"", crate::hex::text(&hash)));
    let signature = match random.next() % 4 {
        0 => String::new(),
        1 => ",\"signature\":\"AAAA\"".to_owned(),
        n => {
            use base64::Engine as _;
            let bytes = vec![random.next() as u8; if n == 2 { 32 } else { 64 }];
            format!(",\"signature\":\"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes))
        }
    };
    format!(
        r#"{{"agentid":"a","data":{},"id":{},"more":{}{prev},"recordedtime":{},"sequence":"{sequence:020}"{signature},"streamid":"0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b9{which}","time":{}}}"#,
        value(random, 0),
        value(random, 0),
        value(random, 0),
        value(random, 0),
        if random.next().is_multiple_of(3) { value(random, 0) } else { "\"2026-01-01T00:00:00.000000001Z\"".to_owned() },
    )
    .into_bytes()
}

#[test]
fn arbitrary_lines_come_back_bit_for_bit() {
    for seed in 0..150 * crate::testing::soak() {
        let random = &mut Rng(seed);
        let mut heads = [None; 3];
        let (mut encoder, mut decoder) = ends();
        let batches = 1 + random.next() % 12;
        for _ in 0..batches {
            let count = random.next() % 40;
            let lines: Vec<Envelope> = (0..count)
                .map(|_| {
                    let envelope = envelope(&line(random, &mut heads));
                    if envelope.streamid.0[0] == 1 {
                        heads[usize::from(envelope.streamid.0[15] & 3) % 3] =
                            Some((envelope.sequence, envelope.hash));
                    }
                    envelope
                })
                .collect();
            through(&mut encoder, &mut decoder, &lines, lines.len().max(1));
        }
    }
}

#[test]
fn an_empty_batch_is_one() {
    let (mut encoder, mut decoder) = ends();
    let bytes = encoder.encode(&[], 100).unwrap().unwrap();
    assert!(decoder.decode(&bytes).unwrap().is_empty());
}

#[test]
fn what_is_too_large_changes_nothing() {
    let lines = events(60, Load::Agent, EACH);
    let (mut encoder, mut decoder) = ends();
    through(&mut encoder, &mut decoder, &lines[..20], 10);
    let before = encoder.state_bytes();
    assert!(encoder.encode(&lines, 1000).unwrap().is_err());
    assert_eq!(encoder.state_bytes(), before);
    through(&mut encoder, &mut decoder, &lines[20..], 10);
}

#[test]
fn state_begins_afresh_before_it_is_too_large() {
    let (mut encoder, mut decoder) = ends();
    let mut most = 0;
    for n in 0..120_u64 {
        // A text of its own in each, and now and then a shape of its own.
        let lines: Vec<Envelope> = (0..1000_u64)
            .map(|k| {
                let text = format!("{:x}", n * 7919 + k * 104_729);
                envelope(format!(r#"{{"agentid":"{text}","k{}":1}}"#, (n * 1000 + k) % 5000).as_bytes())
            })
            .collect();
        through(&mut encoder, &mut decoder, &lines, 1000);
        most = most.max(encoder.state_bytes());
        assert!(decoder.state_bytes() <= 4 * MOST_STATE);
    }
    assert!(most > MOST_STATE && most < 2 * MOST_STATE, "{most}");
    assert!(encoder.state_bytes() < most, "it was emptied");
}

#[test]
fn a_hostile_batch_is_a_defect_and_no_panic() {
    let lines = events(150, Load::Agent, EACH);
    let (mut encoder, _) = ends();
    let good: Vec<Vec<u8>> =
        lines.chunks(50).map(|part| encoder.encode(part, 1 << 30).unwrap().unwrap()).collect();
    let random = &mut Rng(1);
    let bounds = Bounds { batch: 1 << 20, state: 1 << 20 };
    for _ in 0..200 * crate::testing::soak() {
        let mut decoder = Decoder::new(bounds).unwrap();
        let bad = random.next() % good.len() as u64;
        for (n, batch) in good.iter().enumerate() {
            let mut batch = batch.clone();
            if n as u64 == bad {
                for _ in 0..1 + random.next() % 4 {
                    let at = (random.next() % batch.len() as u64) as usize;
                    match random.next() % 3 {
                        0 => batch[at] = random.next() as u8,
                        1 => drop(batch.drain(at..(at + 1 + (random.next() % 20) as usize).min(batch.len()))),
                        _ => batch.insert(at, random.next() as u8),
                    }
                    if batch.is_empty() {
                        break;
                    }
                }
            }
            match decoder.decode(&batch) {
                // What is given out is what was sent: nothing else fits the check.
                Ok(rebuilt) => {
                    assert!(rebuilt.iter().zip(&lines[n * 50..]).all(|(a, b)| a.line() == &*b.bytes));
                }
                Err(_) => break,
            }
        }
    }
}

/// Makes batches around plain parts.
struct Forger(zstd::stream::raw::Encoder<'static>);

impl Forger {
    fn new(level: i32) -> Self {
        let mut zstd = zstd::stream::raw::Encoder::new(level).unwrap();
        zstd.set_parameter(zstd::stream::raw::CParameter::WindowLog(WINDOW)).unwrap();
        Self(zstd)
    }

    fn batch(&mut self, check: [u8; CHECK], plain: &[u8], raw: &[u8], bits: &[u8]) -> Vec<u8> {
        use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
        let mut out = vec![0; plain.len() + 1024];
        let mut output = OutBuffer::around(&mut out[..]);
        let mut input = InBuffer::around(plain);
        while input.pos() < plain.len() {
            self.0.run(&mut input, &mut output).unwrap();
        }
        assert_eq!(self.0.flush(&mut output).unwrap(), 0);
        let len = output.pos();
        let mut batch = check.to_vec();
        bits::put_varint(&mut batch, len as u64);
        batch.extend_from_slice(&out[..len]);
        bits::put_varint(&mut batch, raw.len() as u64);
        batch.extend_from_slice(raw);
        batch.extend_from_slice(bits);
        batch
    }
}

/// With a check that fits no line.
fn batch_of(plain: &[u8]) -> Vec<u8> {
    Forger::new(19).batch([0; CHECK], plain, &[], &[])
}

/// The check of these lines.
fn check_of(lines: &[&[u8]]) -> [u8; CHECK] {
    lines.iter().fold(0, |check, line| checked(check, line)).to_le_bytes()
}

#[test]
fn what_would_grow_without_end_is_refused() {
    let defect = |plain: &[u8]| {
        let mut decoder = Decoder::new(Bounds { batch: 1 << 16, state: 1 << 16 }).unwrap();
        match decoder.decode(&batch_of(plain)) {
            Err(Defect(what)) => what,
            Ok(_) => panic!("it was taken"),
        }
    };
    // Megabytes of nothing in a few bytes.
    let mut bomb = vec![table::RESET, 0, 1, 0];
    bits::put_varint(&mut bomb, 64 << 20);
    bomb.resize(64 << 20, b' ');
    assert_eq!(defect(&bomb), "the batch is larger than allowed");
    // One entry, referred to by ever so many events.
    let mut many = vec![table::RESET, 1, 1, 1, 0];
    let count = 2000_usize;
    bits::put_varint(&mut many, count as u64);
    many.extend(vec![1; count]);
    many.push(1);
    many.push(2);
    many.extend(vec![0; count - 1]);
    bits::put_varint(&mut many, 1000);
    many.extend(vec![b'x'; 1000]);
    assert_eq!(defect(&many), "the batch is larger than allowed");
    // Ids never defined, kinds that are none, columns out of nowhere, too many schemas.
    assert_eq!(defect(&[table::RESET, 1, 1, 1, 0, 1, 1, 1, 9]), DEFECT_BACK_TEXT);
    assert_eq!(defect(&[table::RESET, 1, 1, 30, 0, 0]), "a kind of value that is not known");
    assert_eq!(defect(&[table::RESET, 1, 1, 1, 1, 0]), "a count or a length is beyond what is allowed");
    assert_eq!(defect(&[table::RESET, 0xFF, 0xFF, 3]), "a count or a length is beyond what is allowed");
    assert_eq!(defect(&[table::RESET, 0, 1, 1]), "a count or a length is beyond what is allowed");
    assert_eq!(defect(&[7]), "a batch of a form that is not known");
    assert_eq!(defect(&[]), "the batch ends early");
}

#[test]
fn a_definition_is_bounded_by_what_it_makes_the_decoder_keep() {
    let defect = |plain: &[u8]| {
        let mut decoder = Decoder::new(Bounds { batch: 1 << 16, state: 1 << 16 }).unwrap();
        decoder.decode(&batch_of(plain)).err().map(|defect| defect.0)
    };
    // More values than any line of an encoder has.
    let mut wide = vec![table::RESET, 1];
    bits::put_varint(&mut wide, MOST_VALUES as u64 + 1);
    wide.extend(vec![table::Kind::Bool as u8; MOST_VALUES + 1]);
    wide.extend(vec![0; MOST_VALUES + 1]);
    assert_eq!(defect(&wide), Some(DEFECT_SCHEMA_TEXT));
    // Values without bytes, of which there could be any number in a batch of none.
    let base64 = table::Kind::Base64 as u8;
    assert_eq!(defect(&[table::RESET, 1, 2, base64, 0, 0]), Some(DEFECT_SCHEMA_TEXT));
    // Many schemas, each of which is allowed, in one batch.
    let mut decoder = Decoder::new(Bounds { batch: 1 << 20, state: 1 << 20 }).unwrap();
    let mut many = vec![table::RESET];
    bits::put_varint(&mut many, 1000);
    for _ in 0..1000 {
        bits::put_varint(&mut many, 200);
        many.extend(vec![table::Kind::Bool as u8; 200]);
        many.extend(vec![0; 200]);
    }
    let defect = decoder.decode(&batch_of(&many)).err().map(|defect| defect.0);
    assert_eq!(defect, Some("the state of the stream would grow beyond what is allowed"));
    assert!(decoder.state_bytes() < (1 << 20) + PLACE * (MOST_VALUES + 1));
}

#[test]
fn values_that_make_no_lines_are_bounded() {
    // A thousand events of 200 empty texts: few bytes, and two hundred thousand values.
    let mut plain = vec![table::RESET, 1];
    bits::put_varint(&mut plain, 200);
    plain.extend(vec![table::Kind::Text as u8; 200]);
    plain.extend(vec![0; 200]);
    bits::put_varint(&mut plain, 1000);
    plain.extend(vec![1; 1000]);
    plain.extend(vec![0xFF; 25]);
    plain.extend(vec![0; 200_000]);
    let decoded =
        |batch| Decoder::new(Bounds { batch, state: 1 << 20 }).unwrap().decode(&batch_of(&plain)).err();
    assert_eq!(decoded(1 << 20), Some(Defect("the batch is larger than allowed")));
    assert_eq!(decoded(1 << 23), Some(Defect("the rebuilt lines are not those that were sent")));
}

#[test]
fn what_places_remember_counts_as_state() {
    // Each place of many keeps its last text, which no dictionary has: each of them is small, all of them are not.
    let (mut encoder, mut decoder) = ends();
    let mut most = 0;
    for n in 0..60_u64 {
        let lines: Vec<Envelope> = (0..8_u64)
            .map(|k| {
                let text = format!("{:x}", n * 8 + k).repeat(40_000);
                envelope(format!(r#"{{"agentid":"a","k{}":"{text}"}}"#, n * 8 + k).as_bytes())
            })
            .collect();
        through(&mut encoder, &mut decoder, &lines, 8);
        most = most.max(encoder.state_bytes());
        assert!(
            encoder.state_bytes() >= decoder.state_bytes(),
            "either end counts the same, or the writer more"
        );
    }
    assert!(most > MOST_STATE && most < 2 * MOST_STATE, "{most}");
    // A peer that does not begin afresh is refused.
    let mut forger = Forger::new(1);
    let mut decoder = Decoder::new(Bounds { batch: 1 << 20, state: 1 << 20 }).unwrap();
    let mut taken = 0;
    let last = loop {
        let line = format!("{{\"k\":\"{}\"}}", "x".repeat(100_000));
        let mut plain = vec![u8::from(taken == 0), 1, 9];
        plain.extend(b"{\"k\":\"\x01\"}");
        bits::put_varint(&mut plain, 0);
        bits::put_varint(&mut plain, 1);
        bits::put_varint(&mut plain, taken + 1);
        plain.extend([1, 1]);
        bits::put_varint(&mut plain, 100_000);
        plain.extend("x".repeat(100_000).bytes());
        match decoder.decode(&forger.batch(check_of(&[line.as_bytes()]), &plain, &[], &[])) {
            Ok(_) => taken += 1,
            Err(Defect(what)) => break what,
        }
    };
    assert_eq!(last, "the state of the stream would grow beyond what is allowed");
    assert!((5..12).contains(&taken), "{taken}");
}

const DEFECT_SCHEMA_TEXT: &str = "a schema has more values than a line may have, or values of no length";
const DEFECT_BACK_TEXT: &str = "it refers to what is not there";

/// Where the batches lie that every decoder must read.
fn vector(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/stream").join(name)
}

/// `SINKWELL_BLESS=1` writes them anew; `tests/independent/compact.py` reads them as well.
#[test]
fn the_vectors_are_read() {
    let path = vector("agent.batches");
    if std::env::var_os("SINKWELL_BLESS").is_some() {
        let mut lines = events(220, Load::Agent, Sealed { batch: 50, ..EACH });
        lines.extend(events(
            60,
            Load::Content,
            Sealed { alg: "hmac_sha256", sign: "batch", batch: 20, ids: "derived" },
        ));
        lines.extend(events(22, Load::Demo, EACH));
        lines.extend(events(30, Load::Text, EACH));
        let (mut batches, mut text) = (Vec::new(), Vec::new());
        let mut encoder = Encoder::new().unwrap();
        for part in lines.chunks(40) {
            let bytes = encoder.encode(part, 1 << 30).unwrap().unwrap();
            batches.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
            batches.extend_from_slice(&bytes);
            for line in part {
                text.extend_from_slice(&line.bytes);
                text.push(b'\n');
            }
        }
        std::fs::create_dir_all(vector("")).unwrap();
        std::fs::write(&path, batches).unwrap();
        std::fs::write(vector("agent.ndjson"), text).unwrap();
    }
    let (batches, mut rest) = (std::fs::read(&path).unwrap(), Vec::new());
    let mut decoder = Decoder::new(Bounds::default()).unwrap();
    let mut at = 0;
    while at < batches.len() {
        let length = u32::from_be_bytes(batches[at..at + 4].try_into().unwrap()) as usize;
        for rebuilt in decoder.decode(&batches[at + 4..at + 4 + length]).unwrap() {
            rest.extend_from_slice(rebuilt.line());
            rest.push(b'\n');
        }
        at += 4 + length;
    }
    assert!(at > 0 && rest == std::fs::read(vector("agent.ndjson")).unwrap());
}
