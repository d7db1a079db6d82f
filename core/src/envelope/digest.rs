//! What is hashed of an envelope, and what is signed (docs/spec/envelope.md, "Digest, hash, signature").
//!
//! Guarantees: the sealer, the verifier, the journal and the audit chain all hash by these three functions, so they
//! cannot disagree. Each input begins with a word of its own, so that an input of one function is never one of another.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use crate::sink::EnvelopeHash;

/// SHA-256 of an event without its place: the same in every lane that seals it in the same form.
pub(crate) type EventDigest = [u8; 32];

const EVENT: &[u8] = b"sinkwell-event-v1\n";
pub(super) const PLACE: &[u8] = b"sinkwell-place-v1\n";
const SEAL: &[u8; 17] = b"sinkwell-seal-v1\n";

/// The digest of an event. `parts`, joined, are the RFC 8785 form of its envelope without the members of its place, its
/// signature members and `data.disclosures`.
pub(crate) fn event_digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> EventDigest {
    joined(std::iter::once(EVENT).chain(parts))
}

/// As [`event_digest`], for whoever has memory to gather the parts in: all of it is hashed at once. What `room` held is gone.
pub(super) fn event_digest_in<'a>(
    room: &mut Vec<u8>,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> EventDigest {
    room.clear();
    room.extend_from_slice(EVENT);
    parts.into_iter().for_each(|part| room.extend_from_slice(part));
    let len = room.len();
    room.push(END_OF_TEXT);
    room.resize(padded(len) - 8, 0);
    room.extend_from_slice(&bits(len));
    sha256_of(room.as_chunks().0)
}

/// What follows a text in its last blocks (FIPS 180-4, 5.1.1): a bit, zeros, and how many bits the text has.
pub(super) const END_OF_TEXT: u8 = 0x80;

pub(super) const fn bits(len: usize) -> [u8; 8] {
    (len as u64 * 8).to_be_bytes()
}

/// How long a text of `len` bytes is with that, in whole blocks.
pub(super) const fn padded(len: usize) -> usize {
    (len + 1 + 8).div_ceil(64) * 64
}

/// SHA-256 of a text that ends as it has to.
pub(super) fn sha256_of(blocks: &[[u8; 64]]) -> [u8; 32] {
    // FIPS 180-4, 5.3.3.
    let mut state = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    compress256(&mut state, blocks);
    let mut hash = [0; 32];
    let (words, _) = hash.as_chunks_mut();
    words.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
}

/// The hash of an envelope. `place`, joined, is the RFC 8785 form of the object of `prevhash` (if there is one),
/// `recordedtime`, `sequence` and `streamid`.
pub(crate) fn envelope_hash<'a>(
    place: impl IntoIterator<Item = &'a [u8]>,
    digest: &'a EventDigest,
) -> EnvelopeHash {
    joined(std::iter::once(PLACE).chain(place).chain([b"\n".as_slice(), digest]))
}

/// SHA-256 of these parts, one after the other. Short ones are gathered first, as a place of ours is as a whole, so that the
/// hash takes whole blocks; long ones are taken from where they are.
fn joined<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut gathered = [0; 512];
    let (mut hash, mut len) = (Sha256::new(), 0);
    for part in parts {
        if let Some(room) = gathered.get_mut(len..len + part.len()) {
            room.copy_from_slice(part);
            len += part.len();
        } else {
            hash.update(&gathered[..len]);
            hash.update(part);
            len = 0;
        }
    }
    hash.update(&gathered[..len]);
    hash.finalize().into()
}

/// The 49 bytes that a signature of an envelope with this hash signs.
pub(crate) fn seal_message(hash: &EnvelopeHash) -> [u8; 49] {
    let mut message = [0; 49];
    message[..17].copy_from_slice(SEAL);
    message[17..].copy_from_slice(hash);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gathered_in_memory_at_hand_is_hashed_as_the_library_hashes_it() {
        let text: Vec<u8> = (0_u8..=255).cycle().take(700).collect();
        let mut room = b"what was there before".to_vec();
        for len in 0..text.len() {
            let parts = [&text[..len / 3], &[], &text[len / 3..len]];
            assert_eq!(event_digest_in(&mut room, parts), event_digest(parts), "{len}");
        }
    }

    #[test]
    fn what_is_gathered_is_hashed_as_if_it_were_joined() {
        // Below, at and beyond what is gathered, by one long part and by many short ones.
        for len in [0, 200, 301, 461, 462, 463, 493, 494, 495, 5000] {
            let place: Vec<u8> = (0_u8..=255).cycle().take(len).collect();
            for parts in [1, 7, 64, 5000] {
                let joined = [PLACE, &place, b"\n", &[7; 32]].concat();
                let expected: EnvelopeHash = Sha256::digest(joined).into();
                assert_eq!(envelope_hash(place.chunks(parts), &[7; 32]), expected, "{len} in {parts}");
            }
        }
    }
}
