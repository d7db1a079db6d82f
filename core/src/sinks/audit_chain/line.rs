//! What the database needs to know of a sealed line, taken from its bytes.
//!
//! Guarantees: attributes come from the sealed bytes, never from what travelled beside them; the hash is
//! that of docs/spec/envelope.md, recomputed.

use crate::envelope::line::{Envelope, Line as Read, Reader};
use crate::json::{self, JsonError, Value};
use crate::seam::{Uuid, parse_time};
use crate::sink::EnvelopeHash;

/// Reads lines; keeps its buffers between two lines.
#[derive(Default)]
pub(super) struct LineReader(Reader);

/// One sealed line, read.
pub(super) struct Line<'a>(Box<Envelope<'a>>);

impl LineReader {
    /// Reads an envelope.
    pub(super) fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Line<'a>, JsonError> {
        match self.0.read(bytes) {
            Read::Envelope(envelope) => Ok(Line(envelope)),
            Read::Stub(_) | Read::BadStub { .. } => Err(JsonError::new("a stub, no envelope")),
            Read::Other { note, .. } => Err(JsonError::new(note)),
        }
    }

    /// Place and hash of a stub.
    pub(super) fn stub_place(&mut self, stub: &[u8]) -> Option<(Uuid, u64, EnvelopeHash)> {
        match self.0.read(stub) {
            Read::Stub(stub) => Some((stub.streamid, stub.sequence, stub.hash)),
            _ => None,
        }
    }
}

impl Line<'_> {
    /// The hash of the envelope, by its sealed bytes.
    pub(super) fn hash(&self) -> EnvelopeHash {
        self.0.hash()
    }

    /// What retention leaves of the envelope, as a line.
    pub(super) fn stub(&self) -> String {
        self.0.stub()
    }

    pub(super) fn streamid(&self) -> Uuid {
        self.0.streamid
    }

    pub(super) fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// A string attribute.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.0.string(key).map(Into::into)
    }

    /// A time attribute, in nanoseconds since 1970.
    pub(super) fn time(&self, key: &str) -> Option<i64> {
        parse_time(&self.0.string(key)?)
    }

    /// The severity number.
    pub(super) fn severity(&self) -> Option<i64> {
        std::str::from_utf8(self.0.attribute("severitynumber")?).ok()?.parse().ok()
    }

    /// Whether sinkwell made it about itself.
    pub(super) fn own(&self) -> bool {
        self.0.core
    }

    /// The ranges that this envelope allows to be erased, when it is a `retention` of sinkwell's own.
    pub(super) fn retention(&self) -> Option<Vec<(Uuid, u64, u64)>> {
        if !self.own() || !self.0.event_type.ends_with("audit.chain") {
            return None;
        }
        let data = json::parse(self.0.data).ok()?;
        if data.get("action").and_then(Value::as_str) != Some("retention") {
            return None;
        }
        let text = |range: &Value, key: &str| range.get(key).and_then(Value::as_str).map(str::to_owned);
        data.get("ranges")?
            .items()
            .iter()
            .map(|range| {
                let streamid = Uuid::parse(&text(range, "streamid")?)?;
                Some((streamid, text(range, "from")?.parse().ok()?, text(range, "to")?.parse().ok()?))
            })
            .collect()
    }
}
