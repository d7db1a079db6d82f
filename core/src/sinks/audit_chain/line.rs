//! What the database needs to know of a sealed line, taken from its bytes.
//!
//! Guarantees: attributes come from the sealed bytes, never from what travelled beside them; the hash is
//! that of docs/spec/envelope.md, recomputed.

use crate::envelope::line as envelope;
use crate::json::{self, Canonical, JsonError, ObjectWriter, Value};
use crate::seam::{Uuid, parse_time};
use crate::sink::EnvelopeHash;

/// Deeper than any envelope that a configuration allows.
const DEPTH: usize = 512;

/// Reads lines; keeps its buffers.
#[derive(Default)]
pub(super) struct LineReader {
    whole: ObjectWriter,
    lines: envelope::Reader,
}

/// One sealed line, read.
pub(super) struct Line<'a> {
    whole: Canonical<'a>,
}

impl LineReader {
    /// Reads a line.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Line<'_>, JsonError> {
        self.whole.reset(DEPTH);
        json::parse_into(bytes, &mut self.whole)?;
        Ok(Line { whole: self.whole.finish()? })
    }

    /// The hash of an envelope, by its sealed bytes.
    pub(super) fn hash(&mut self, bytes: &[u8]) -> Result<EnvelopeHash, JsonError> {
        match self.lines.read(bytes) {
            envelope::Line::Envelope(envelope) => Ok(envelope.hash()),
            envelope::Line::Stub(_) | envelope::Line::BadStub { .. } => {
                Err(JsonError::new("a stub, no envelope"))
            }
            envelope::Line::Other { note, .. } => Err(JsonError::new(note)),
        }
    }

    /// What retention leaves of an envelope, as a line; `None` if the bytes are none.
    pub(super) fn stub(&mut self, bytes: &[u8]) -> Option<String> {
        match self.lines.read(bytes) {
            envelope::Line::Envelope(envelope) => Some(envelope.stub()),
            _ => None,
        }
    }

    /// Place and hash of a stub.
    pub(super) fn stub_place(&mut self, stub: &[u8]) -> Option<(Uuid, u64, EnvelopeHash)> {
        match self.lines.read(stub) {
            envelope::Line::Stub(stub) => Some((stub.streamid, stub.sequence, stub.hash)),
            _ => None,
        }
    }
}

/// The text of a canonical JSON string.
fn string(value: &[u8]) -> Option<String> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return json::parse(value).ok()?.as_str().map(str::to_owned);
    }
    String::from_utf8(inner.to_vec()).ok()
}

impl Line<'_> {
    /// A string attribute.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        string(self.whole.get(key)?)
    }

    /// A UUID attribute.
    pub(super) fn uuid(&self, key: &str) -> Option<Uuid> {
        Uuid::parse(&self.text(key)?)
    }

    /// A time attribute, in nanoseconds since 1970.
    pub(super) fn time(&self, key: &str) -> Option<i64> {
        parse_time(&self.text(key)?)
    }

    /// The sequence.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.text("sequence")?.parse().ok()
    }

    /// The severity number.
    pub(super) fn severity(&self) -> Option<i64> {
        std::str::from_utf8(self.whole.get("severitynumber")?).ok()?.parse().ok()
    }

    /// Whether sinkwell made it about itself.
    pub(super) fn own(&self) -> bool {
        self.whole.get("origin") == Some(b"\"core\"")
    }

    /// The ranges that this envelope allows to be erased, when it is a `retention` of sinkwell's own.
    pub(super) fn retention(&self) -> Option<Vec<(Uuid, u64, u64)>> {
        if !self.own() || !self.text("type")?.ends_with("audit.chain") {
            return None;
        }
        let data = json::parse(self.whole.get("data")?).ok()?;
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
