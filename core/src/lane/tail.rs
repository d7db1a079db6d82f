//! What a dead process had sealed but not yet signed, at the end of its journal.
//!
//! Guarantees: nothing vouches for the envelopes behind a stream's last signed one. So they are cut: declared lost,
//! never sent, and named by no `follows`. If a crash interrupts a write, this costs only the group of envelopes that
//! was being written; and nobody without the key can append lines that the next process would vouch for. If today's key
//! is another than the one that signed, only the presence of a signature can be checked. A stream without any signature
//! on disk is left as it is, as it may have had no key.

use std::collections::{BTreeSet, HashMap};

use subtle::ConstantTimeEq as _;

use super::loss::LostRange;
use super::own::StreamHead;
use crate::envelope::line::{Line, Reader};
use crate::envelope::seal_message;
use crate::journal::{Adopted, Position};
use crate::key::SigningKey;
use crate::seam::Uuid;

/// What is cut from a dead process's journal.
#[derive(Default)]
pub(super) struct Tail {
    /// The positions of the cut envelopes.
    pub(super) positions: BTreeSet<u64>,
    /// The last signed envelope of each stream that has one.
    pub(super) heads: HashMap<Uuid, StreamHead>,
    /// The sequences of the cut envelopes.
    pub(super) lost: Vec<LostRange>,
    /// How many of them are host events.
    pub(super) events: u64,
}

/// What is known of a record on disk.
struct Seen {
    position: Position,
    head: StreamHead,
    signed: bool,
    own: bool,
}

impl Tail {
    /// Reads what is on disk of a dead process's journal; `key` is the one that seals now.
    pub(super) fn of(adopted: &Adopted, key: Option<&SigningKey>) -> Self {
        if adopted.unacknowledged() == 0 {
            // The usual case, after an orderly end: there is nothing to cut, and so nothing to read.
            return Self::default();
        }
        let mut streams: HashMap<Uuid, Vec<Seen>> = HashMap::new();
        // What cannot be read is damage, which the journal reports itself.
        for stored in adopted.read_from(Position(0)).map_while(Result::ok) {
            let head = StreamHead { streamid: stored.streamid, sequence: stored.sequence, head: stored.hash };
            let seen = Seen { position: stored.position, head, signed: stored.signed, own: stored.own };
            streams.entry(stored.streamid).or_default().push(seen);
        }
        let mut tail = Self::default();
        for (streamid, seen) in streams {
            let vouched = |seen: &Seen| seen.signed && is_good(adopted, seen.position, key);
            let Some(last) = seen.iter().rposition(vouched) else { continue };
            tail.heads.insert(streamid, seen[last].head);
            for cut in seen[last + 1..].iter().filter(|cut| cut.position > adopted.acknowledged()) {
                tail.positions.insert(cut.position.0);
                tail.events += u64::from(!cut.own);
                let at = cut.head.sequence;
                let range =
                    LostRange { from: at, to: at, prev: None, streamid: Some(streamid), maybe: false };
                tail.lost.push(range);
            }
        }
        tail.lost.sort_by_key(|range| (range.streamid.map(|id| id.0), range.from));
        tail
    }
}

/// Whether the signature of the record at `position` is good, as far as `key` can tell.
fn is_good(adopted: &Adopted, position: Position, key: Option<&SigningKey>) -> bool {
    let Some(Ok(stored)) = adopted.read_from(Position(position.0 - 1)).next() else { return false };
    let mut reader = Reader::default();
    let Line::Envelope(envelope) = reader.read(&stored.bytes) else { return false };
    let Some(key) = key.filter(|key| key.is_local() && envelope.seal.keyid.as_deref() == Some(&**key.id()))
    else {
        return true;
    };
    // Both algorithms give the same signature for the same message.
    let expected = key.sign_local(&seal_message(&envelope.hash()));
    envelope
        .seal
        .signature
        .as_ref()
        .and_then(Option::as_ref)
        .is_some_and(|signature| bool::from(signature.as_slice().ct_eq(&expected)))
}
