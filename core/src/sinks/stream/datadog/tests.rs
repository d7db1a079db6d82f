use super::*;
use crate::sink::Envelope;
use crate::sinks::stream::compact::{Bounds, Rebuilt};
use crate::sinks::stream::tests::{EACH, Load, Rng, Sealed, events};

const TAGS_OF: &str = "service:sinkwell,ddsource:sinkwell";

fn pair(layout: &'static Layout) -> (Encoder, Decoder) {
    (Encoder::new(layout, TAGS_OF).unwrap(), Decoder::new(layout, true, Bounds::default()))
}

fn assert_same(rebuilt: &[Rebuilt], part: &[Envelope]) {
    assert!(rebuilt.iter().all(|line| matches!(line, Rebuilt::Envelope(..))));
    assert!(rebuilt.iter().map(Rebuilt::line).eq(part.iter().map(|envelope| &*envelope.bytes)));
}

#[test]
fn envelopes_come_back_bit_for_bit_and_cost_less_than_otlp() {
    for layout in LAYOUTS {
        for load in [Load::Agent, Load::Demo, Load::Text, Load::Content] {
            let (mut encoder, mut decoder) = pair(layout);
            let lines = events(1500, load, EACH);
            let mut size = 0;
            for part in lines.chunks(100) {
                let bytes = encoder.encode(part).unwrap();
                size += bytes.len();
                assert_same(&decoder.decode(&bytes).unwrap(), part);
            }
            let each = size as f64 / lines.len() as f64;
            println!("{} {load:?}: {each:.1} B", layout.name);
            if load == Load::Agent {
                assert!(each < 250.0, "{each}");
            }
        }
    }
}

#[test]
fn arbitrary_events_come_back_bit_for_bit() {
    for layout in LAYOUTS {
        let (mut encoder, mut decoder) = pair(layout);
        for seed in 100..103 * crate::testing::soak() {
            let envelopes = crate::sinks::stream::tests::whatever(seed);
            for part in envelopes.chunks(1 + seed as usize % 50) {
                assert_same(&decoder.decode(&encoder.encode(part).unwrap()).unwrap(), part);
            }
        }
    }
}

#[test]
fn state_begins_afresh_at_both_ends_before_it_is_too_large() {
    for layout in LAYOUTS {
        let (mut encoder, mut decoder) = pair(layout);
        let lines = events(300, Load::Agent, Sealed { sign: "batch", ..EACH });
        let (mut random, mut highest, mut afresh) = (Rng(3), 0, 0);
        for _ in 0..400 {
            // The same envelopes with words that come twice, and never again.
            let words: Vec<Envelope> = lines[..12]
                .iter()
                .flat_map(|envelope| {
                    let word = format!("\"acme{:016x}", random.next()).repeat(20).replace('"', "");
                    let line = String::from_utf8(envelope.bytes.to_vec()).unwrap();
                    let line = line.replace("\"acme", &format!("\"{word}"));
                    let parts = envelope.parts();
                    let one = Envelope::new(crate::sink::EnvelopeInner { bytes: line.into_bytes(), ..parts });
                    [one.clone(), one.clone(), one]
                })
                .collect();
            let before = encoder.state_bytes();
            let rebuilt = decoder.decode(&encoder.encode(&words).unwrap()).unwrap();
            assert!(rebuilt.iter().map(Rebuilt::line).eq(words.iter().map(|envelope| &*envelope.bytes)));
            afresh += u32::from(encoder.state_bytes() < before);
            highest = highest.max(encoder.state_bytes()).max(decoder.state_bytes());
        }
        assert!(afresh > 0 && highest < 3 * MOST_STATE, "{afresh} times, {highest} bytes");
    }
}

#[test]
fn what_recurs_within_a_batch_is_said_afresh_in_the_next() {
    // A receiver that forgets the log before between batches, and one that does not, read the same.
    let (mut encoder, mut decoder) = pair(&STATEFUL_STREAM);
    let lines = events(40, Load::Demo, EACH);
    let first = encoder.encode(&lines).unwrap();
    let second = encoder.encode(&lines).unwrap();
    decoder.decode(&first).unwrap();
    // One that has not seen the first batch knows neither patterns nor entries.
    let (_, mut stranger) = pair(&STATEFUL_STREAM);
    assert!(stranger.decode(&second).is_err());
    assert_same(&decoder.decode(&second).unwrap(), &lines);
    // All definitions were in the first.
    assert!(second.len() < first.len());
}

/// A log of strangers, as text.
fn alone(layout: &'static Layout, datums: &[(u8, Vec<u8>)]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut sequence = Vec::new();
    for (number, message) in datums {
        let mut datum = Vec::new();
        crate::sinks::otlp::http::put_bytes(&mut datum, bytes(*number), message);
        crate::sinks::otlp::http::put_bytes(&mut sequence, bytes(1), &datum);
    }
    let mut decoder = Decoder::new(layout, false, Bounds { batch: 1 << 16, state: 1 << 16 });
    let rebuilt = decoder.decode(&sequence).map_err(|defect| defect.0)?;
    Ok(rebuilt.iter().map(|line| line.line().to_vec()).collect())
}

#[test]
fn logs_of_others_are_read_as_their_page_says() {
    // Pattern 7, "a-é-b", with values behind "a-" and "é-": places are characters.
    let pattern = [&[8, 7, 18, 6][..], "a-é-b".as_bytes(), &[24, 2, 34, 2, 2, 4]].concat();
    let entry = vec![8, 9, 18, 2, b'o', b'k'];
    // Places one by one, rather than packed, are the same.
    let unpacked = [&[8, 7, 18, 6][..], "a-é-b".as_bytes(), &[32, 2, 32, 4]].concat();
    let within = [18, 2, 8, 5, 18, 2, 32, 9];
    let structured = [&[18, 8][..], &within].concat();
    for pattern in [pattern.clone(), unpacked] {
        // The pattern is not named: it is the one just defined.
        let got = alone(&LOGS_STREAM, &[(1, pattern), (3, entry.clone()), (6, structured.clone())]);
        assert_eq!(got.unwrap(), ["a-5é-okb".as_bytes()]);
    }
    let flat = vec![50, 2, 8, 5, 50, 2, 32, 9];
    let datums = [(2, pattern.clone()), (1, entry.clone()), (4, flat)];
    assert_eq!(alone(&STATEFUL_STREAM, &datums).unwrap(), ["a-5é-okb".as_bytes()]);
    // A log with a schema is no envelope's: it is taken, so that it can be refused by itself.
    let schema = vec![64, 3, 50, 2, 8, 5, 50, 2, 32, 9];
    let datums = [(2, pattern.clone()), (1, entry.clone()), (4, schema)];
    assert_eq!(alone(&STATEFUL_STREAM, &datums).unwrap(), [b""]);
    // What an older layout of this path has in place of a log is not taken for what it is now.
    assert!(alone(&LOGS_STREAM, &[(5, vec![8, 2])]).is_err());
    // Ids never defined, deleted, or of more values than there are places.
    let deleted = [(1, pattern.clone()), (3, entry.clone()), (4, vec![8, 9]), (6, structured.clone())];
    assert!(alone(&LOGS_STREAM, &deleted).is_err());
    assert!(alone(&LOGS_STREAM, &[(3, entry.clone()), (6, structured)]).is_err());
    let more = vec![18, 12, 18, 2, 8, 5, 18, 2, 8, 5, 18, 2, 8, 5];
    assert!(alone(&LOGS_STREAM, &[(1, pattern), (6, more)]).is_err());
}

#[test]
fn a_hostile_peer_costs_no_more_than_allowed() {
    let large = |id: u64| [&[8, id as u8, 18, 0xA0, 0x9C, 1][..], &vec![b'x'; 20_000]].concat();
    let many: Vec<_> = (2..9).map(|id| (3, large(id))).collect();
    assert_eq!(alone(&LOGS_STREAM, &many), Err("the state of the stream would grow beyond what is allowed"));
    // One entry, a thousand times in one log.
    let values = [18, 2, 32, 2].repeat(1000);
    let mut log = vec![18];
    crate::sinks::otlp::http::put_varint(&mut log, values.len() as u64 + 2);
    log.extend([8, 3]);
    log.extend(values);
    let mut pattern = vec![8, 3, 18, 0, 34];
    crate::sinks::otlp::http::put_varint(&mut pattern, 1000);
    pattern.extend([0; 1000]);
    let got = alone(&LOGS_STREAM, &[(3, large(2)), (1, pattern), (6, log)]);
    assert_eq!(got, Err("the batch is larger than allowed"));
    // Gigabytes in few bytes.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    let mut decoder = Decoder::new(&LOGS_STREAM, true, Bounds { batch: 1 << 16, state: 1 << 16 });
    assert_eq!(decoder.decode(&bomb).err().map(|e| e.0), Some("the batch is larger than allowed"));
}

#[test]
fn fuzz_what_a_stranger_sends_over_a_published_path() {
    let lines = events(60, Load::Demo, EACH);
    let batches: Vec<_> = LAYOUTS.map(|layout| (layout, pair(layout).0.encode(&lines).unwrap())).into();
    crate::testing::fuzz(300, |seed| {
        let mut random = Rng(seed);
        let (layout, batch) = &batches[(seed % 2) as usize];
        let mut bytes = zstd::bulk::decompress(batch, 1 << 24).unwrap();
        for _ in 0..1 + random.next() % 8 {
            let at = (random.next() % bytes.len() as u64) as usize;
            match random.next() % 3 {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => {
                    bytes.remove(at);
                    bytes.push(0);
                }
            }
        }
        let bounds = Bounds { batch: 1 << 20, state: 1 << 18 };
        let mut decoder = Decoder::new(layout, false, bounds);
        if let Ok(rebuilt) = decoder.decode(&bytes) {
            assert!(rebuilt.iter().map(|line| line.line().len()).sum::<usize>() <= bounds.batch);
            assert!(decoder.state_bytes() <= bounds.state);
        }
    });
}
