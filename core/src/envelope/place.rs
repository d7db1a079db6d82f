//! The place of an envelope as it is hashed.
//!
//! Guarantees: [`PlaceText::hash`] answers what [`envelope_hash`] does of the same members.
//!
//! How: each member of a place is as long in every envelope as in the others, so a stream keeps the text that is hashed,
//! padded to whole blocks as SHA-256 pads it, and only what differs is written anew. The envelope's
//! line takes its members from there, too.

use std::ops::Range;

use super::digest::{END_OF_TEXT, EventDigest, PLACE, bits, envelope_hash, padded, sha256_of};
use super::wire::sequence_text;
use crate::hex;
use crate::seam::{UnixNanos, Uuid, time_text};
use crate::sink::EnvelopeHash;

const PREVHASH_LEAD: &[u8] = b"{\"prevhash\":\"";
const RECORDED_LEAD: &[u8] = b"\",\"recordedtime\":\"";
const SEQUENCE_LEAD: &[u8] = b"\",\"sequence\":\"";
const STREAM_LEAD: &[u8] = b"\",\"streamid\":\"";
const END: &[u8] = b"\"}\n";

const PREVHASH: Range<usize> = after(PLACE.len(), PREVHASH_LEAD, 64);
const RECORDED: Range<usize> = after(PREVHASH.end, RECORDED_LEAD, 30);
const SEQUENCE: Range<usize> = after(RECORDED.end, SEQUENCE_LEAD, 20);
const STREAM: Range<usize> = after(SEQUENCE.end, STREAM_LEAD, 36);
const DIGEST: Range<usize> = after(STREAM.end, END, 32);

/// Where `len` bytes stand that come after `lead`, which begins at `start`.
const fn after(start: usize, lead: &[u8], len: usize) -> Range<usize> {
    start + lead.len()..start + lead.len() + len
}

const BLOCKS: usize = padded(DIGEST.end) / 64;

/// See the module's head.
pub(super) struct PlaceText {
    blocks: [[u8; 64]; BLOCKS],
    /// The envelope is the first of its stream, and has no `prevhash`.
    first: bool,
}

impl PlaceText {
    pub(super) fn of(streamid: Uuid) -> Self {
        let mut place = Self { blocks: [[0; 64]; BLOCKS], first: true };
        let text = place.blocks.as_flattened_mut();
        let mut put = |at: usize, bytes: &[u8]| text[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, PLACE);
        put(PLACE.len(), PREVHASH_LEAD);
        put(PREVHASH.end, RECORDED_LEAD);
        put(RECORDED.end, SEQUENCE_LEAD);
        put(SEQUENCE.end, STREAM_LEAD);
        put(STREAM.start, &streamid.encode());
        put(STREAM.end, END);
        put(DIGEST.end, &[END_OF_TEXT]);
        put(BLOCKS * 64 - 8, &bits(DIGEST.end));
        place
    }

    /// Writes what is the next envelope's own.
    pub(super) fn set(&mut self, prevhash: Option<&EnvelopeHash>, recordedtime: UnixNanos, sequence: u64) {
        self.first = prevhash.is_none();
        let text = self.blocks.as_flattened_mut();
        if let Some(prevhash) = prevhash {
            text[PREVHASH].copy_from_slice(&hex::of_hash(prevhash));
        }
        text[RECORDED].copy_from_slice(&time_text(recordedtime));
        text[SEQUENCE].copy_from_slice(&sequence_text(sequence));
    }

    /// `"prevhash":"…","recordedtime":"…"`, or only the latter.
    pub(super) fn before_run(&self) -> &[u8] {
        let start = if self.first { PREVHASH.end + 2 } else { PLACE.len() + 1 };
        &self.blocks.as_flattened()[start..RECORDED.end + 1]
    }

    /// `,"sequence":"…"`
    pub(super) fn sequence(&self) -> &[u8] {
        &self.blocks.as_flattened()[RECORDED.end + 1..SEQUENCE.end + 1]
    }

    /// `,"streamid":"…"`
    pub(super) fn stream(&self) -> &[u8] {
        &self.blocks.as_flattened()[SEQUENCE.end + 1..STREAM.end + 1]
    }

    /// The hash of the envelope, whose event has this digest.
    pub(super) fn hash(&mut self, digest: &EventDigest) -> EnvelopeHash {
        if self.first {
            return envelope_hash([b"{", self.before_run(), self.sequence(), self.stream(), b"}"], digest);
        }
        self.blocks.as_flattened_mut()[DIGEST].copy_from_slice(digest);
        sha256_of(&self.blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_kept_hashes_as_its_members_do() {
        let streamid = Uuid([0x5a; 16]);
        let mut place = PlaceText::of(streamid);
        let mut prevhash = None;
        for (sequence, time) in [(1, 0), (2, 1_764_000_000_123_456_789), (999_999, 7), (1 << 52, i64::MAX)] {
            place.set(prevhash.as_ref(), time, sequence);
            let mut object = String::from("{");
            if let Some(prevhash) = &prevhash {
                object += &format!(r#""prevhash":"{}","#, hex::text(prevhash));
            }
            let mut at = Vec::new();
            crate::seam::format_time(&mut at, time);
            let at = String::from_utf8(at).unwrap();
            object +=
                &format!(r#""recordedtime":"{at}","sequence":"{sequence:020}","streamid":"{streamid}"}}"#);
            let members = [b"{", place.before_run(), place.sequence(), place.stream(), b"}"].concat();
            assert_eq!(String::from_utf8(members).unwrap(), object);
            let digest = [sequence as u8; 32];
            let hash = place.hash(&digest);
            assert_eq!(hash, envelope_hash([object.as_bytes()], &digest), "{object}");
            prevhash = Some(hash);
        }
    }
}
