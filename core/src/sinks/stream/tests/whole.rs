//! What an emitter seals comes back bit for bit, whatever the events: arbitrary data, attributes and content, envelopes of
//! sinkwell's own, keys that change, both ways to sign, both kinds of ids, batches of any size.

use std::sync::Arc;
use std::time::Duration;

use super::{EACH, Load, Rng, Sealed, events};
use crate::config::Source;
use crate::content::Part;
use crate::emitter::{Emitter, HostSink, Options};
use crate::event::{Data, EventInput};
use crate::key::SigningKey;
use crate::seam::SystemEnv;
use crate::settings::Config;
use crate::sink::Envelope;
use crate::sinks::memory::MemorySink;
use crate::sinks::stream::compact::{Bounds, Decoder, Encoder};
use crate::testing::TempDir;

const AWKWARD: [&str; 20] = [
    "1e21",
    "-0",
    "-0.0",
    "0",
    "1e-7",
    "5e-324",
    "1.7976931348623157e308",
    "9007199254740991",
    "-9007199254740991",
    "0.1",
    "12.50",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    r#""""#,
    r#""caf\u00e9 \ud83d\ude00""#,
    r#""2026-01-01T00:00:00.000000000Z""#,
    r#""0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91""#,
];

fn value(random: &mut Rng, depth: u32) -> String {
    let many = random.next() % 5;
    match random.next() % 10 {
        0 if depth < 30 => {
            let members = (0..many).map(|n| format!(r#""k{n}":{}"#, value(random, depth + 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        1 if depth < 30 => {
            format!("[{}]", (0..many * 5).map(|_| value(random, depth + 8)).collect::<Vec<_>>().join(","))
        }
        // Deeper than any place of a schema.
        2 => format!("{}1{}", "[".repeat(40 - depth as usize), "]".repeat(40 - depth as usize)),
        3 => {
            format!("{}", (random.next() as i64 >> (random.next() % 64)).clamp(-(1 << 53) + 1, (1 << 53) - 1))
        }
        4 => {
            let float = f64::from_bits(random.next());
            if float.is_finite() { format!("{float:e}") } else { "0".to_owned() }
        }
        5 => format!(r#""{:016x}""#, random.next()),
        6 => format!(r#""{}""#, "word ".repeat((random.next() % 200) as usize)),
        _ => AWKWARD[(random.next() % AWKWARD.len() as u64) as usize].to_owned(),
    }
}

/// The envelopes of one emitter whose host does whatever it likes.
pub(in crate::sinks::stream) fn whatever(seed: u64) -> Vec<Envelope> {
    let random = &mut Rng(seed);
    let dir = TempDir::new();
    let key = dir.path().join("k1");
    crate::key::generate(crate::settings::SignatureAlgorithm::Ed25519, &key).unwrap();
    let (sign, ids) =
        (["each", "batch"][(seed % 2) as usize], ["random", "derived"][(seed / 2 % 2) as usize]);
    let text = format!(
        "agent: {{ id: 'urn:example:a', allow: ['urn:example:*'] }}\nheartbeat: {{ every: 100ms }}\nids: {ids}\n\
         key: {{ id: k1, ed25519: {{ file: {} }}, sign: {sign} }}\n\
         lanes: [ {{ id: out, sink: {{ host: out }}, batch: {{ events: {}, linger: 1ms }} }} ]\n",
        key.display(),
        1 + random.next() % 60,
    );
    let config =
        Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default());
    let config = config.unwrap();
    let memory = MemorySink::keeping(1 << 20);
    let kept = memory.clone();
    let lane = config.lanes[0].clone();
    let sinks =
        vec![HostSink { name: "out".into(), lane, make: Arc::new(move || Ok(Box::new(kept.clone()))) }];
    let emitter = Emitter::open(Options { config, sinks, signer: None, manual: false }).unwrap();
    let mut taken = 0;
    for n in 0..120 {
        let data = format!(r#"{{"a":{},"b":{},"n":{n}}}"#, value(random, 0), value(random, 0));
        let words: Vec<String> = (0..4).map(|_| format!("x{}", random.next() % 9)).collect();
        let mut input = EventInput::new(
            ["com.example.a", "com.example.b.c", "org.other.d"][(random.next() % 3) as usize],
        );
        input.data = Data::Json(data.as_bytes());
        let maybe = |random: &mut Rng, n: usize| random.next().is_multiple_of(2).then(|| words[n].as_str());
        input.subject = maybe(random, 0);
        input.run = maybe(random, 1);
        input.turn = maybe(random, 2);
        input.correlation = maybe(random, 3);
        input.agent = random.next().is_multiple_of(3).then_some("urn:example:b");
        input.id = random.next().is_multiple_of(5).then_some("an id of its own");
        input.id = input.id.filter(|_| n % 50 == 0);
        if random.next().is_multiple_of(4) {
            input.content = vec![Part::text("prompt", words.join(" ").repeat(5).as_str())];
        }
        taken += u64::from(emitter.emit(input).is_ok());
        if n % 40 == 20 {
            emitter.flush(Duration::from_secs(60));
            emitter.change_key(&SigningKey::hmac(&format!("h{n}"), &[n as u8; 32]).unwrap()).unwrap();
        }
    }
    emitter.shutdown(Duration::from_secs(60));
    assert!(taken > 60, "{taken}");
    memory.envelopes()
}

#[test]
fn arbitrary_events_of_an_emitter_come_back_bit_for_bit() {
    let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new(Bounds::default()).unwrap());
    let (mut own, mut lines) = (0, 0);
    for seed in 0..8 * crate::testing::soak() {
        let envelopes = whatever(seed);
        own += envelopes.iter().filter(|envelope| envelope.own).count();
        lines += envelopes.len();
        let random = &mut Rng(seed);
        let mut rest = &envelopes[..];
        while !rest.is_empty() {
            let (part, after) = rest.split_at((1 + random.next() % 100).min(rest.len() as u64) as usize);
            rest = after;
            let rebuilt = decoder.decode(&encoder.encode(part, usize::MAX).unwrap().unwrap()).unwrap();
            assert!(
                rebuilt.iter().map(|line| line.line()).eq(part.iter().map(|envelope| &*envelope.bytes)),
                "seed {seed}"
            );
        }
    }
    assert!(own > 16 && lines > 500, "{own} of {lines}");
}

/// `SINKWELL_STREAM_EVENTS` envelopes (10⁷) over one stream, of every load and both ways to sign.
#[test]
#[ignore = "minutes: make soak"]
fn ten_million_envelopes_come_back_bit_for_bit() {
    let most =
        std::env::var("SINKWELL_STREAM_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new(Bounds::default()).unwrap());
    let (mut total, mut round, mut state) = (0_usize, 0_usize, 0);
    while total < most {
        let load = [Load::Agent, Load::Text, Load::Content, Load::Demo][round % 4];
        let sealed = Sealed {
            sign: ["each", "batch"][round / 4 % 2],
            ids: ["random", "derived"][round / 8 % 2],
            ..EACH
        };
        let lines = events(20_000.min(most), load, sealed);
        for part in lines.chunks([10, 100, 1000][round % 3]) {
            let rebuilt = decoder.decode(&encoder.encode(part, usize::MAX).unwrap().unwrap()).unwrap();
            assert!(rebuilt.iter().map(|line| line.line()).eq(part.iter().map(|envelope| &*envelope.bytes)));
            state = state.max(encoder.state_bytes()).max(decoder.state_bytes());
        }
        total += lines.len();
        round += 1;
    }
    println!("{total} envelopes, at most {state} bytes of state");
    assert!(state < 16 << 20);
}
