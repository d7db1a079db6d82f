//! The decoder, fed with what a stranger might send: good batches that were damaged as bytes, damaged inside their
//! compressed part, or made up.
//!
//! The oracle: it never panics, what it keeps stays within its bound, and a line that it gives out is one that was sent.

use super::super::super::tests::{EACH, Load, Rng, Sealed, events};
use super::*;

/// A batch taken apart.
struct Parts {
    check: [u8; CHECK],
    plain: Vec<u8>,
    raw: Vec<u8>,
    bits: Vec<u8>,
}

/// The good batches of a stream, and their lines.
fn good(load: Load, size: usize) -> (Vec<Vec<u8>>, Vec<Parts>, Vec<Envelope>, usize) {
    let lines = events(60, load, if size == 20 { EACH } else { Sealed { sign: "batch", ..EACH } });
    let mut encoder = Encoder::new().unwrap();
    let batches: Vec<_> =
        lines.chunks(size).map(|part| encoder.encode(part, 1 << 30).unwrap().unwrap()).collect();
    let mut zstd = zstd::stream::raw::Decoder::new().unwrap();
    let parts = batches
        .iter()
        .map(|batch| {
            use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
            let mut batch = bits::Bytes(batch);
            let check = batch.take(CHECK).unwrap().try_into().unwrap();
            let mut input = InBuffer::around(batch.counted().unwrap());
            let mut plain = vec![0; 1 << 20];
            let mut output = OutBuffer::around(&mut plain[..]);
            zstd.run(&mut input, &mut output).unwrap();
            let len = output.pos();
            plain.truncate(len);
            Parts { check, plain, raw: batch.counted().unwrap().to_vec(), bits: batch.0.to_vec() }
        })
        .collect();
    (batches, parts, lines, size)
}

fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=random.next() % 3 {
        let at = (random.next() % (bytes.len() as u64 + 1)) as usize;
        let some = 1 + (random.next() % 16) as usize;
        match random.next() % 6 {
            0 if at < bytes.len() => bytes[at] ^= 1 << (random.next() % 8),
            // Small numbers, and the largest, are what counts and codes are made of.
            1 if at < bytes.len() => {
                bytes[at] = [0, 1, 2, 3, 4, 16, 17, 0x7F, 0xFF][(random.next() % 9) as usize]
            }
            2 => drop(bytes.drain(at..(at + some).min(bytes.len()))),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..(at + some).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.insert(at, random.next() as u8),
        }
    }
}

#[test]
fn fuzz_what_a_stranger_sends_an_intake() {
    let streams = [good(Load::Agent, 20), good(Load::Content, 12), good(Load::Text, 30)];
    let bounds = Bounds { batch: 1 << 18, state: 1 << 18 };
    let (mut taken, mut refused) = (0, 0);
    crate::testing::fuzz(500, |seed| {
        let random = &mut Rng(seed);
        let (batches, parts, lines, size) = &streams[(random.next() % 3) as usize];
        let bad = (random.next() % batches.len() as u64) as usize;
        let inside = !random.next().is_multiple_of(4);
        let mut forger = Forger::new(1);
        let mut decoder = Decoder::new(bounds).unwrap();
        for n in 0..=bad + 1 {
            let Some(part) = parts.get(n) else { break };
            let batch = if inside {
                let (mut plain, mut raw, mut bits) =
                    (part.plain.clone(), part.raw.clone(), part.bits.clone());
                if n == bad {
                    match random.next() % 8 {
                        0 => damage(random, &mut raw),
                        1 => damage(random, &mut bits),
                        // Only what is defined and counted.
                        2 => {
                            let mut head: Vec<u8> = plain.drain(..plain.len().min(64)).collect();
                            damage(random, &mut head);
                            plain.splice(0..0, head);
                        }
                        _ => damage(random, &mut plain),
                    }
                }
                forger.batch(part.check, &plain, &raw, &bits)
            } else {
                let mut batch = batches[n].clone();
                if n == bad {
                    damage(random, &mut batch);
                }
                batch
            };
            let decoded = decoder.decode(&batch);
            assert!(decoder.state_bytes() < 2 * bounds.state + bounds.batch, "{}", decoder.state_bytes());
            match decoded {
                Ok(rebuilt) => {
                    taken += 1;
                    let sent = &lines[n * *size..];
                    assert!(rebuilt.iter().zip(sent).all(|(a, b)| a.line() == &*b.bytes));
                }
                Err(_) => {
                    refused += 1;
                    break;
                }
            }
        }
    });
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
}
