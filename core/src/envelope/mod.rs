//! The envelope: a frozen event's place in a stream, written once as canonical bytes.
//!
//! Guarantees: the line is the RFC 8785 form of the whole envelope. What happened and where it stands are hashed
//! separately ([`digest`]). The event digest is over the line's own bytes without place, signature and disclosures, and
//! lanes that seal an event in the same form share it. The hash is over place and digest, and is all that a signature
//! covers. So a chain needs no signature, and an envelope that has its hash can be signed later.

pub(crate) mod digest;
pub(crate) mod line;
mod place;
mod prepare;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use digest::{EventDigest, seal_message};
pub(crate) use prepare::{ContentRules, Prepared, Redacted};
pub(crate) use wire::{
    Opening, SealError, Sealing, StreamText, Wire, members_len, push_sequence, seal, sign_later,
};

/// `dataschema` of every envelope this version seals.
pub const DATA_SCHEMA: &str = "https://sinkwell.dev/schemas/governance-event/1.0";

/// Sequences have 20 digits and stay below this bound (docs/spec/envelope.md).
pub const SEQUENCE_BOUND: u64 = 1 << 53;
