//! The sender, fed with what a stranger might answer: statuses that are right, early, late, missing, twice, of batches that
//! were never sent, refusals of envelopes that are none, damaged bytes, in pieces of any size.
//!
//! The oracle: it never panics, it keeps what the state machine promises, and it takes a batch as delivered only if its
//! answer, read by other code than ours, says OK for the oldest batch in flight.

use prost::Message as _;

use super::super::super::proto::{MOST_STATUS, Messages, Status, frame};
use super::super::super::tests::Rng;
use super::*;

/// `BatchStatus`, as another implementation reads it.
#[derive(Clone, PartialEq, prost::Message)]
struct Theirs {
    #[prost(uint64, tag = "1")]
    batch_id: u64,
    #[prost(uint64, tag = "2")]
    status: u64,
}

fn answer(random: &mut Rng, oldest: u64) -> Vec<u8> {
    let batch = match random.next() % 10 {
        0 => 0,
        1 => oldest + 1,
        2 => oldest.saturating_sub(1),
        3 => random.next(),
        _ => oldest,
    };
    let ok = !random.next().is_multiple_of(6);
    let refused = match random.next() % 6 {
        0 => vec![((random.next() % 20) as usize, "no\u{1b}[31m".to_owned()), (usize::MAX, String::new())],
        _ => Vec::new(),
    };
    let mut bytes = frame(&Status { batch, ok, refused }.encode());
    if random.next().is_multiple_of(8) {
        for _ in 0..=random.next() % 3 {
            let at = (random.next() % bytes.len() as u64) as usize;
            match random.next() % 3 {
                0 => bytes[at] ^= 1 << (random.next() % 8),
                1 => bytes.insert(at, random.next() as u8),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
    }
    bytes
}

#[test]
fn fuzz_what_a_stranger_answers_a_sender() {
    let (mut delivered, mut ended) = (0_u64, 0_u64);
    crate::testing::fuzz(20_000, |seed| {
        let random = &mut Rng(seed);
        let mut world = World::new();
        let mut messages = Messages::new(MOST_STATUS);
        for _ in 0..30 {
            if world.waiting.len() < 3 {
                submit(&mut world, 1 + random.next() % 2);
            }
            if let (State::Disconnected { .. }, Some(due)) = (world.machine.state(), world.machine.due()) {
                world.now = world.now.max(due);
                world.happen(Happened::Tick);
            }
            let Some(stream) = world.stream else { continue };
            if !world.opened {
                // A new stream begins with nothing half read.
                messages = Messages::new(MOST_STATUS);
                world.happen(Happened::Opened { stream });
            }
            let oldest = world.flying.front().map_or(world.sent, |flying| flying.0);
            let bytes = answer(random, oldest);
            let mut rest = &bytes[..];
            while !rest.is_empty() && world.stream == Some(stream) {
                let (piece, after) = rest.split_at((1 + random.next() % 9).min(rest.len() as u64) as usize);
                rest = after;
                messages.push(piece);
                let message = match messages.next() {
                    Ok(None) => continue,
                    Ok(Some(message)) => message,
                    Err(_) => {
                        ended += 1;
                        world.happen(Happened::Ended { stream, end: End::Lost });
                        break;
                    }
                };
                let Some(status) = Status::decode(&message) else {
                    ended += 1;
                    world.happen(Happened::Ended { stream, end: End::Lost });
                    break;
                };
                assert!(status.refused.len() <= MOST_STATUS);
                let flying = world.flying.front().copied();
                let commands = world.happen(Happened::Status {
                    stream,
                    batch: status.batch,
                    ok: status.ok,
                    whole: status.refused.is_empty(),
                });
                for (job, outcome) in answers(&commands) {
                    if outcome == Outcome::Delivered {
                        delivered += 1;
                        assert_eq!(flying, Some((status.batch, job)));
                        // Where the other reads anything at all, it reads the same.
                        if let Ok(theirs) = Theirs::decode(&message[..]) {
                            assert_eq!((theirs.batch_id, theirs.status), (status.batch, 1));
                        }
                    }
                }
            }
        }
    });
    assert!(delivered > 0 && ended > 0, "{delivered} {ended}");
}
