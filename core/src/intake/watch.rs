//! Verifies what goes through, as it goes.
//!
//! Guarantees: an envelope whose own signature is wrong, or whose chain does not fit the one before it, is said at once,
//! with its place; one that no signature has covered when the intake stops is said then. It marks; it keeps nothing out,
//! and `sinkwell verify` over what was written has the last word: a gap that is declared later is no finding there.
//! Memory: some 100 bytes a stream, of at most [`MOST`] streams.

use std::collections::HashMap;

use crate::envelope::line::{Line, Reader, Signature};
use crate::envelope::seal_message;
use crate::seam::Uuid;
use crate::sink::{Envelope, EnvelopeHash};
use crate::verify::TrustedKey;

/// Streams that are watched at a time; the one idle longest is let go, and what of it is not covered is said.
const MOST: usize = 16 * 1024;

/// See the module's head.
pub(crate) struct Watch {
    keys: Vec<TrustedKey>,
    streams: HashMap<Uuid, Stream>,
    reader: Reader,
    turn: u64,
}

struct Stream {
    sequence: u64,
    hash: EnvelopeHash,
    /// The first that no signature covers yet.
    open_from: Option<u64>,
    turn: u64,
}

impl Watch {
    pub(crate) fn new(keys: Vec<TrustedKey>) -> Self {
        Self { keys, streams: HashMap::new(), reader: Reader::default(), turn: 0 }
    }

    /// Looks at an envelope, of which the signature is read from the line unless it is noted beside it; how many findings
    /// that makes.
    pub(crate) fn see(&mut self, envelope: &Envelope, signature: Option<&Signature>) -> u64 {
        let (streamid, sequence) = (envelope.streamid, envelope.sequence);
        let mut findings = 0;
        let mut say = |what: &str| {
            findings += 1;
            crate::diagnostics::warn(&format!("{streamid} {sequence}: {what}"));
        };
        self.turn += 1;
        let known = self.streams.get(&streamid);
        if known.is_some_and(|stream| sequence <= stream.sequence) {
            // A repeat, or what an older batch brings late: the verifier of the whole tells which.
            return 0;
        }
        let follows = known.is_none_or(|stream| envelope.prevhash == Some(stream.hash));
        if !follows {
            say("the chain does not lead here from the envelope before it");
        }
        let covered = is_signed(&mut self.reader, &self.keys, envelope, signature).unwrap_or_else(|wrong| {
            say(wrong);
            false
        });
        let open_from = match known.and_then(|stream| stream.open_from) {
            _ if covered => None,
            Some(from) => Some(from),
            None => Some(sequence),
        };
        let hash = envelope.hash;
        self.streams.insert(streamid, Stream { sequence, hash, open_from, turn: self.turn });
        if self.streams.len() > MOST {
            findings += self.let_go();
        }
        findings
    }

    fn let_go(&mut self) -> u64 {
        let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.turn).map(|(id, _)| *id);
        let gone = oldest.and_then(|id| self.streams.remove(&id).map(|stream| (id, stream)));
        gone.map_or(0, |(id, stream)| uncovered(id, &stream))
    }

    /// Nothing more comes: how many findings that makes.
    pub(crate) fn finish(&mut self) -> u64 {
        self.streams.drain().map(|(id, stream)| uncovered(id, &stream)).sum()
    }
}

/// Whether the envelope has a good signature; what is wrong with the one that it has.
fn is_signed(
    reader: &mut Reader,
    keys: &[TrustedKey],
    envelope: &Envelope,
    noted: Option<&Signature>,
) -> Result<bool, &'static str> {
    if !envelope.signed {
        return Ok(false);
    }
    let read = match noted {
        Some(_) => None,
        None => match reader.read(&envelope.bytes) {
            Line::Envelope(line) => line.seal.to_signature(),
            _ => None,
        },
    };
    let Some(signature) = noted.or(read.as_ref()) else { return Ok(false) };
    let key = keys.iter().find(|key| key.id == *signature.keyid && key.may_seal_for(&envelope.agentid));
    let key = key.ok_or("no key that was given has its keyid")?;
    let named = *signature.sigalg == *key.key.algorithm().name();
    if named && key.key.verify(&[&seal_message(&envelope.hash)], &signature.bytes) {
        Ok(true)
    } else {
        Err("the signature is wrong")
    }
}

fn uncovered(id: Uuid, stream: &Stream) -> u64 {
    let Some(from) = stream.open_from else { return 0 };
    crate::diagnostics::warn(&format!("{id} {from}–{}: no signature covers these", stream.sequence));
    1
}
