//! What the database needs to know of a sealed line, taken from its bytes.
//!
//! Guarantees: attributes come from the sealed bytes, never from what travelled beside them; the hash is
//! that of envelope.md, recomputed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::json::{self, Canonical, JsonError, ObjectWriter, Value, write_string};
use crate::seam::{Uuid, parse_time};
use crate::sink::EnvelopeHash;

/// What every signing input begins with.
const PREFIX: &[u8] = b"sinkwell-event-v1\n";

/// Deeper than any envelope that a configuration allows.
const DEPTH: usize = 512;

/// Reads lines; keeps its buffers.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    whole: ObjectWriter,
    data: ObjectWriter,
    input: Vec<u8>,
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

    /// The hash of an envelope: SHA-256 over its signing input and raw signature.
    pub(super) fn hash(&mut self, bytes: &[u8]) -> Result<EnvelopeHash, JsonError> {
        let Self { whole, data, input } = self;
        whole.reset(DEPTH);
        json::parse_into(bytes, whole)?;
        let whole = whole.finish()?;
        input.clear();
        input.extend_from_slice(PREFIX);
        let mut signature = Vec::new();
        input.push(b'{');
        for (key, value) in whole.members() {
            match key {
                "signature" => {
                    let text = string(value).ok_or_else(|| JsonError::new("signature must be a string"))?;
                    signature = STANDARD
                        .decode(text)
                        .map_err(|_| JsonError::new("signature must be standard base64"))?;
                    continue;
                }
                "data" => {
                    data.reset(DEPTH);
                    json::parse_into(value, data)?;
                    member(input, key);
                    input.push(b'{');
                    for (key, value) in data.finish()?.members().filter(|(key, _)| *key != "disclosures") {
                        member(input, key);
                        input.extend_from_slice(value);
                    }
                    input.push(b'}');
                    continue;
                }
                _ => {}
            }
            member(input, key);
            input.extend_from_slice(value);
        }
        input.push(b'}');
        let mut hash = Sha256::new();
        hash.update(&*input);
        hash.update(&signature);
        Ok(hash.finalize().into())
    }
}

/// Appends `"key":`, after a comma unless it is the first.
fn member(out: &mut Vec<u8>, key: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write_string(out, key);
    out.push(b':');
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

    /// The hash of the one before it.
    pub(super) fn prevhash(&self) -> Option<EnvelopeHash> {
        super::parse_hash(&self.text("prevhash")?)
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
