//! The envelope: a frozen event's place in a stream, written once as canonical bytes.
//!
//! Guarantees: the line is the RFC 8785 form of the whole envelope; signature and hash are over the line's
//! own bytes without the members `signature` and `data.disclosures` (envelope.md). Nothing is serialized
//! twice: attributes are written in canonical order as they are, the signature is spliced in.

mod prepare;
mod wire;

pub(crate) use prepare::{ContentRules, Prepared};
pub(crate) use wire::{SealError, Sealing, Wire, push_hex, push_sequence, seal};

/// What is signed and hashed begins with these bytes.
pub const SIGNING_DOMAIN: &[u8] = b"sinkwell-event-v1\n";

/// `dataschema` of every envelope this version seals.
pub const DATA_SCHEMA: &str = "https://sinkwell.dev/schemas/governance-event/1.0";

/// Sequences have 20 digits and stay below this bound (envelope.md).
pub const SEQUENCE_BOUND: u64 = 1 << 53;
