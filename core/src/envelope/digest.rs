//! What is hashed of an envelope, and what is signed (docs/spec/envelope.md, "Digest, hash, signature").
//!
//! Guarantees: the sealer, the verifier, the journal and the audit chain all hash by these three functions, so they
//! cannot disagree. Each input begins with a word of its own, so that an input of one function is never one of another.

use sha2::{Digest, Sha256};

use crate::sink::EnvelopeHash;

/// SHA-256 of an event without its place: the same in every lane that seals it in the same form.
pub(crate) type EventDigest = [u8; 32];

const EVENT: &[u8] = b"sinkwell-event-v1\n";
const PLACE: &[u8] = b"sinkwell-place-v1\n";
const SEAL: &[u8; 17] = b"sinkwell-seal-v1\n";

/// The digest of an event. `parts`, joined, are the RFC 8785 form of its envelope without the members of its place, its
/// signature members and `data.disclosures`.
pub(crate) fn event_digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> EventDigest {
    let mut hash = Sha256::new_with_prefix(EVENT);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The hash of an envelope. `place`, joined, is the RFC 8785 form of the object of `prevhash` (if there is one),
/// `recordedtime`, `sequence` and `streamid`.
pub(crate) fn envelope_hash<'a>(
    place: impl IntoIterator<Item = &'a [u8]>,
    digest: &EventDigest,
) -> EnvelopeHash {
    // A place has about 260 bytes: they are gathered first, so that the hash takes whole blocks.
    let mut input = smallvec::SmallVec::<[u8; 320]>::from_slice(PLACE);
    for part in place {
        input.extend_from_slice(part);
    }
    input.push(b'\n');
    input.extend_from_slice(digest);
    Sha256::digest(&input).into()
}

/// The 49 bytes that a signature of an envelope with this hash signs.
pub(crate) fn seal_message(hash: &EnvelopeHash) -> [u8; 49] {
    let mut message = [0; 49];
    message[..17].copy_from_slice(SEAL);
    message[17..].copy_from_slice(hash);
    message
}
