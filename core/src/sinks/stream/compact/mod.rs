//! `compact`: sealed envelopes as columns, over a stream on which both ends remember (docs/spec/stream.md).
//!
//! Guarantees: the decoder gives back the lines that the encoder was given, bit for bit, or says that it does not: each
//! batch carries a check of its lines. Whatever the bytes, the decoder never panics, and its memory and work are bounded.
//! The encoder's state is bounded, too: when it has grown to [`MOST_STATE`], it begins afresh, and says so in the batch.
//!
//! How: a line is split ([`walk`]) into a skeleton, which is the line with marks in place of its values, and the values.
//! A skeleton is sent once, as a schema. The values of one place are sent together, as differences to what is expected
//! of their kind ([`table`]): what can be compressed goes through one zstd context, what cannot stands beside it
//! ([`bits`]). State changes in the order of events at both ends, whatever the order on the wire.

mod bits;
#[cfg(any(test, feature = "intake"))]
mod decode;
mod encode;
#[cfg(test)]
mod floor;
mod table;
pub(in crate::sinks::stream) mod walk;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "intake"))]
pub(crate) use decode::{Bounds, Decoder, Rebuilt};
pub(crate) use encode::{Encoder, TooLarge};
#[cfg(test)]
pub(super) use floor::floor;

/// The version in the stream's header.
pub(crate) const VERSION: &str = "1";

/// Bytes of state at which an encoder begins afresh.
const MOST_STATE: usize = 4 << 20;

/// The window of zstd, as a power of 2: what either end keeps for it.
const WINDOW: u32 = 20;

/// Most events of a batch.
pub(super) const MOST_EVENTS: usize = 1 << 16;

/// Most bytes of a skeleton.
const MOST_SKELETON: usize = 16 * 1024;

/// Most schemas at a time.
const MOST_SCHEMAS: usize = 4096;

/// Most columns at a time.
const MOST_COLUMNS: usize = 1 << 16;

/// Most values of one line.
const MOST_VALUES: usize = 256;

/// What either end counts as state beside the bytes themselves, so that both count alike: a place of a schema,
const PLACE: usize = 192;
/// an entry of a dictionary, an id or a column,
const AROUND: usize = 64;
/// and a number of a place's dictionary, or the hash of a text that was seen.
const SMALL: usize = 16;

/// Bytes of the check that begins each batch: CRC-32C over its lines, each with a newline, the lowest byte first. It finds
/// defects, at a tenth of what a hash would cost; what somebody altered is found by chain and signatures.
#[cfg(any(test, feature = "intake"))]
const CHECK: usize = 4;

/// The check, with one more line.
fn checked(check: u32, line: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(check, line), b"\n")
}

/// What is wrong with a batch, in our own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(any(test, feature = "intake"))]
pub(crate) struct Defect(pub(crate) &'static str);

/// An encoder, for the intake's tests.
#[cfg(all(test, feature = "intake"))]
pub(crate) fn encoder() -> Encoder {
    Encoder::new().expect("zstd has memory")
}
