//! `datadog`: sealed envelopes over the published stateful logs intake (docs/spec/stream.md).
//!
//! Guarantees: what a peer of the same layout rebuilds are the lines, byte for byte. State is bounded at both ends: when the
//! encoder's has grown to [`MOST_STATE`], it deletes what it defined and begins afresh. Whatever the bytes, the decoder never
//! panics, and its memory and work are bounded.
//!
//! How: a line is split as for `compact` into what recurs and its values. What recurs is a pattern, with the places where
//! values go; a value that comes again is an entry of the dictionary, a whole number is one, everything else is text. Each
//! batch is compressed by itself, and what refers to the log before starts over with it. Schemas of JSON are not used: keys
//! and values do not say how a line was written.

#[cfg(any(test, feature = "intake"))]
mod decode;
mod encode;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "intake"))]
pub(crate) use decode::Decoder;
pub(super) use encode::Encoder;

/// Bytes of state at which an encoder begins afresh. Peers of `StatefulStream` are asked for [`REQUESTED`].
const MOST_STATE: usize = 1 << 20;
/// What `dd-state-request-bytes` says, as the published client does.
pub(super) const REQUESTED: &str = "5242880";

/// What either end counts as state beside the bytes themselves: for each definition.
const AROUND: usize = 64;

/// The numbers of the fields that differ between the two paths.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What a configuration calls it.
    pub(crate) name: &'static str,
    /// Where it is found.
    pub(crate) path: &'static str,
    pattern_define: u8,
    pattern_delete: u8,
    entry_define: u8,
    entry_delete: u8,
    log: u8,
    /// Whether a log is one message with ids, rather than messages within it.
    flat: bool,
}

/// `StatefulLogsService`, as in `github.com/DataDog/agent-payload/v5` 5.0.215.
pub(crate) const LOGS_STREAM: Layout = Layout {
    name: "LogsStream",
    path: "/datadog.intake.stateful.StatefulLogsService/LogsStream",
    pattern_define: 1,
    pattern_delete: 2,
    entry_define: 3,
    entry_delete: 4,
    log: 6,
    flat: false,
};

/// `StatefulIntake`, as the published client of it speaks.
pub(crate) const STATEFUL_STREAM: Layout = Layout {
    name: "StatefulStream",
    path: "/datadog.intake.stateful.StatefulIntake/StatefulStream",
    entry_define: 1,
    pattern_define: 2,
    log: 4,
    entry_delete: 6,
    pattern_delete: 7,
    flat: true,
};

/// Both.
#[cfg(any(test, feature = "intake"))]
pub(crate) const LAYOUTS: [&Layout; 2] = [&LOGS_STREAM, &STATEFUL_STREAM];

/// Says that a member has no value, where 0 says that it is as before.
const ABSENT: u64 = 1;

// Fields of what both have in common: a definition has an id and a text, a value is one of these,
const ID: u8 = 1;
const TEXT: u8 = 2;
const PARAMETERS: u8 = 3;
const POSITIONS: u8 = 4;
const INTEGER: u8 = 1;
const STRING: u8 = 3;
const ENTRY: u8 = 4;
// a log of `LogsStream` has these,
const TIMESTAMP: u8 = 1;
const STRUCTURED: u8 = 2;
const RAW: u8 = 3;
const TAGS: u8 = 4;
const STRUCTURED_PATTERN: u8 = 1;
const STRUCTURED_VALUES: u8 = 2;
// and one of `StatefulStream` these.
const FLAT_STATUS: u8 = 2;
const FLAT_SERVICE: u8 = 3;
const FLAT_TAGS: u8 = 4;
const FLAT_PATTERN: u8 = 5;
const FLAT_VALUES: u8 = 6;
const FLAT_RAW: u8 = 7;
const FLAT_SCHEMA: u8 = 8;

const fn varint(field: u8) -> u8 {
    field << 3
}

const fn bytes(field: u8) -> u8 {
    field << 3 | 2
}

/// For the intake's tests: a batch of what the sender of these lines has defined, and the lines as one that needs it.
#[cfg(all(test, feature = "intake"))]
pub(crate) fn snapshot(layout: &'static Layout, lines: &[crate::sink::Envelope]) -> (Vec<u8>, Vec<u8>) {
    use crate::sinks::otlp::http::{Field, Fields, put_bytes};
    let mut encoder = Encoder::new(layout, "a:b").unwrap();
    let known = zstd::decode_all(&*encoder.encode(lines).unwrap()).unwrap();
    let mut definitions = Vec::new();
    for (_, field) in Fields::new(&known) {
        if let Field::Bytes(datum) = field
            && datum[0] != bytes(layout.log)
        {
            put_bytes(&mut definitions, bytes(1), datum);
        }
    }
    (zstd::encode_all(&*definitions, 1).unwrap(), encoder.encode(lines).unwrap())
}
