//! Writing one envelope.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{DATA_SCHEMA, SIGNING_DOMAIN};
use crate::event::{Attribute, Event};
use crate::json::write_string;
use crate::key::{Signature, SigningKey};
use crate::seam::{UnixNanos, Uuid, format_time};
use crate::sink::{Envelope, EnvelopeHash, EnvelopeInner};

/// The parts of an event's envelope that are the same in every lane, escaped and in canonical order. Made
/// by the first lane that seals the event.
pub(crate) struct Wire {
    bytes: Vec<u8>,
    /// End of what stands between `agentid` and `data`.
    head: usize,
    /// End of `,"runid":"…"`.
    run: usize,
}

/// Appends `"name":"value",` or `,"name":"value"`.
fn member(out: &mut Vec<u8>, comma_first: bool, name: &str, value: &str) {
    if comma_first {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(out, value);
    if !comma_first {
        out.push(b',');
    }
}

impl Wire {
    pub(crate) fn of(event: &Event) -> Self {
        // About what it comes to, so that it is neither moved nor cut: it lives no longer than its event.
        let mut out = Vec::with_capacity(192 + event.names_len());
        for attribute in [Attribute::Attempt, Attribute::Causation, Attribute::Correlation] {
            if let Some(value) = event.attribute(attribute) {
                member(&mut out, false, attribute.name(), value);
            }
        }
        let head = out.len();
        if let Some(run) = event.attribute(Attribute::Run) {
            member(&mut out, true, "runid", run);
        }
        let run = out.len();
        if let Some(subject) = event.attribute(Attribute::Subject) {
            member(&mut out, true, "subject", subject);
        }
        if let Some(tenant) = event.tenant() {
            member(&mut out, true, "tenantid", tenant);
        }
        out.extend_from_slice(b",\"time\":\"");
        format_time(&mut out, event.time);
        out.push(b'"');
        for attribute in [Attribute::Traceparent, Attribute::Tracestate, Attribute::Turn] {
            if let Some(value) = event.attribute(attribute) {
                member(&mut out, true, attribute.name(), value);
            }
        }
        member(&mut out, true, "type", event.event_type());
        out.push(b'}');
        Self { bytes: out, head, run }
    }

    fn head(&self) -> &[u8] {
        &self.bytes[..self.head]
    }

    fn run(&self) -> &[u8] {
        &self.bytes[self.head..self.run]
    }

    fn tail(&self) -> &[u8] {
        &self.bytes[self.run..]
    }
}

/// What sealing adds to an event.
pub(crate) struct Sealing<'a> {
    pub(crate) event: &'a Event,
    /// The event's agent and type, as the lane's own copies: no other thread counts references to them.
    pub(crate) agent: &'a Arc<str>,
    pub(crate) event_type: &'a Arc<str>,
    pub(crate) wire: &'a Wire,
    /// `data` as it is sealed: redacted, with commitments and what this lane may see.
    pub(crate) data: &'a [u8],
    /// The bytes of `data` that hold its disclosures, with their comma: outside of the signature.
    pub(crate) disclosed: Range<usize>,
    /// Most bytes of the envelope without its disclosures.
    pub(crate) limit: usize,
    pub(crate) own: bool,
    pub(crate) source: &'a str,
    pub(crate) policy_version: Option<&'a str>,
    pub(crate) streamid: Uuid,
    pub(crate) sequence: u64,
    pub(crate) prevhash: Option<EnvelopeHash>,
    pub(crate) recordedtime: UnixNanos,
}

/// Why an envelope was not sealed; nothing has happened then.
#[derive(Debug)]
pub(crate) enum SealError {
    /// The host's signer failed, in its own words.
    Signer(String),
    /// Redaction or policy made the event larger than an envelope may be.
    TooLarge,
}

/// Writes, signs and hashes an envelope. `scratch` is reused between calls.
///
/// # Errors
/// See [`SealError`].
pub(crate) fn seal(
    s: &Sealing<'_>,
    key: Option<&SigningKey>,
    scratch: &mut Vec<u8>,
) -> Result<Envelope, SealError> {
    let out = scratch;
    out.clear();
    out.extend_from_slice(b"{\"agentid\":");
    write_string(out, s.agent);
    out.push(b',');
    out.extend_from_slice(s.wire.head());
    out.extend_from_slice(b"\"data\":");
    // What is signed are the slices around the disclosures and the signature.
    let disclosed = out.len() + s.disclosed.start..out.len() + s.disclosed.end;
    out.extend_from_slice(s.data);
    out.extend_from_slice(b",\"datacontenttype\":\"application/json\",\"dataschema\":\"");
    out.extend_from_slice(DATA_SCHEMA.as_bytes());
    out.extend_from_slice(b"\",\"id\":\"");
    out.extend_from_slice(&s.event.id.encode());
    out.push(b'"');
    if let Some(key) = key {
        member(out, true, "keyid", key.id());
    }
    if s.own {
        out.extend_from_slice(b",\"origin\":\"core\"");
    }
    if let Some(version) = s.policy_version {
        member(out, true, "policyversion", version);
    }
    if let Some(prevhash) = &s.prevhash {
        out.extend_from_slice(b",\"prevhash\":\"");
        push_hex(out, prevhash);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"recordedtime\":\"");
    format_time(out, s.recordedtime);
    out.push(b'"');
    out.extend_from_slice(s.wire.run());
    out.extend_from_slice(b",\"sequence\":\"");
    push_sequence(out, s.sequence);
    out.extend_from_slice(b"\",\"severitynumber\":");
    out.extend_from_slice(itoa::Buffer::new().format(s.event.severity.number()).as_bytes());
    out.extend_from_slice(b",\"severitytext\":\"");
    out.extend_from_slice(s.event.severity.text().as_bytes());
    out.push(b'"');
    if let Some(key) = key {
        out.extend_from_slice(b",\"sigalg\":\"");
        out.extend_from_slice(key.algorithm().name().as_bytes());
        out.push(b'"');
    }
    let signature_at = out.len();
    member(out, true, "source", s.source);
    out.extend_from_slice(b",\"specversion\":\"1.0\",\"streamid\":\"");
    out.extend_from_slice(&s.streamid.encode());
    out.push(b'"');
    out.extend_from_slice(s.wire.tail());

    let signature_room = key.map_or(0, |key| key.signature_len() * 4 / 3 + 18);
    if out.len() - disclosed.len() + signature_room > s.limit {
        return Err(SealError::TooLarge);
    }
    let signed = [SIGNING_DOMAIN, &out[..disclosed.start], &out[disclosed.end..]];
    let signature = match key {
        Some(key) => key.sign(&signed).map_err(SealError::Signer)?,
        None => Signature::new(),
    };
    let mut hash = Sha256::new();
    for part in signed {
        hash.update(part);
    }
    hash.update(&signature);
    let hash = hash.finalize().into();

    let bytes = if signature.is_empty() {
        out.as_slice().into()
    } else {
        const NAME: &[u8] = b",\"signature\":\"";
        let mut encoded = [0; 88];
        // 64 bytes at most become 88 characters at most.
        let n =
            STANDARD.encode_slice(&signature, &mut encoded).map_err(|e| SealError::Signer(e.to_string()))?;
        let mut line = Vec::with_capacity(out.len() + NAME.len() + n + 1);
        line.extend_from_slice(&out[..signature_at]);
        line.extend_from_slice(NAME);
        line.extend_from_slice(&encoded[..n]);
        line.push(b'"');
        line.extend_from_slice(&out[signature_at..]);
        line.into_boxed_slice()
    };
    Ok(Envelope::new(EnvelopeInner {
        bytes,
        id: s.event.id,
        event_type: Arc::clone(s.event_type),
        own: s.own,
        terminal: s.event.terminal,
        streamid: s.streamid,
        sequence: s.sequence,
        hash,
        prevhash: s.prevhash,
        agentid: Arc::clone(s.agent),
        time: s.event.time,
        recordedtime: s.recordedtime,
        severity: s.event.severity.number(),
    }))
}

pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let at = out.len();
    out.resize(at + 2 * bytes.len(), 0);
    for (pair, byte) in out[at..].chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
}

/// Twenty decimal digits, zero-padded.
pub(crate) fn push_sequence(out: &mut Vec<u8>, sequence: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(sequence).as_bytes();
    let mut padded = [b'0'; 20];
    padded[20 - digits.len()..].copy_from_slice(digits);
    out.extend_from_slice(&padded);
}
