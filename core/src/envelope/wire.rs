//! Writing one envelope.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::DATA_SCHEMA;
use super::digest::{EventDigest, envelope_hash, event_digest, seal_message};
use crate::content::Redactor;
use crate::error::Error;
use crate::event::{Attribute, Event, EventId};
use crate::hex;
use crate::json::write_string;
use crate::key::{Signature, SigningKey};
use crate::seam::{UnixNanos, Uuid, format_time};
use crate::sink::{Envelope, EnvelopeHash, EnvelopeInner, SpanForm};

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

/// What every envelope of a stream says alike, written once.
pub(crate) struct StreamText {
    /// `{"agentid":"…",`
    agent: Box<[u8]>,
    /// `,"source":"…","specversion":"1.0"`
    source: Box<[u8]>,
    /// `,"streamid":"…"`
    stream: Box<[u8]>,
}

impl StreamText {
    pub(crate) fn of(agent: &str, source: &str, streamid: Uuid) -> Self {
        let (mut first, mut then, mut last) = (vec![b'{'], Vec::new(), Vec::new());
        member(&mut first, false, "agentid", agent);
        member(&mut then, true, "source", source);
        then.extend_from_slice(b",\"specversion\":\"1.0\"");
        last.extend_from_slice(b",\"streamid\":\"");
        last.extend_from_slice(&streamid.encode());
        last.push(b'"');
        Self { agent: first.into(), source: then.into(), stream: last.into() }
    }
}

/// The attributes that are sealed in place of the event's own, if redaction changed them.
#[derive(Default)]
pub(crate) struct Shown {
    attributes: [Option<Box<str>>; Attribute::COUNT],
    tenant: Option<Box<str>>,
}

impl Shown {
    /// The ids of an event, redacted, and the subject as it was redacted with its data.
    ///
    /// # Errors
    /// One that cannot be redacted.
    pub(crate) fn of(event: &Event, redactor: &Redactor, subject: Option<String>) -> Result<Self, Error> {
        let redacted = |id: Option<&str>| match id.map(|id| redactor.redact_id(id)).transpose()? {
            Some(Cow::Owned(hash)) => Ok::<_, Error>(Some(hash.into_boxed_str())),
            _ => Ok(None),
        };
        let mut shown = Self { tenant: redacted(event.tenant())?, ..Self::default() };
        for id in Attribute::IDS {
            shown.attributes[id as usize] = redacted(event.attribute(id))?;
        }
        shown.attributes[Attribute::Subject as usize] = subject.map(String::into_boxed_str);
        Ok(shown)
    }

    /// Whether redaction changed an attribute.
    pub(crate) fn differs(&self) -> bool {
        self.tenant.is_some() || self.attributes.iter().any(Option::is_some)
    }

    /// An attribute as redaction left it, if redaction changed it.
    pub(crate) fn attribute(&self, attribute: Attribute) -> Option<&str> {
        self.attributes[attribute as usize].as_deref()
    }

    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

impl Wire {
    pub(crate) fn of(event: &Event, shown: &Shown) -> Self {
        let shown_as = |attribute: Attribute| {
            shown.attributes[attribute as usize].as_deref().or_else(|| event.attribute(attribute))
        };
        // About as large as the result, so that it need not be moved or shrunk: it lives no longer than its event.
        let mut out = Vec::with_capacity(192 + event.names_len());
        for attribute in [Attribute::Attempt, Attribute::Causation, Attribute::Correlation] {
            if let Some(value) = shown_as(attribute) {
                member(&mut out, false, attribute.name(), value);
            }
        }
        let head = out.len();
        if let Some(run) = shown_as(Attribute::Run) {
            member(&mut out, true, "runid", run);
        }
        let run = out.len();
        if let Some(subject) = shown_as(Attribute::Subject) {
            member(&mut out, true, "subject", subject);
        }
        if let Some(tenant) = shown.tenant.as_deref().or_else(|| event.tenant()) {
            member(&mut out, true, "tenantid", tenant);
        }
        out.extend_from_slice(b",\"time\":\"");
        format_time(&mut out, event.time);
        out.push(b'"');
        for attribute in [Attribute::Traceparent, Attribute::Tracestate, Attribute::Turn] {
            if let Some(value) = shown_as(attribute) {
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
    /// The bytes of `data` that hold its disclosures, with their comma: the digest does not cover them.
    pub(crate) disclosed: Range<usize>,
    /// Where lanes that seal this event in the same form keep its digest: the first lane sets it.
    pub(crate) digest: Option<&'a OnceLock<EventDigest>>,
    /// Most bytes of the envelope without its disclosures.
    pub(crate) limit: usize,
    pub(crate) own: bool,
    pub(crate) text: &'a StreamText,
    pub(crate) policy_version: Option<&'a str>,
    pub(crate) streamid: Uuid,
    pub(crate) sequence: u64,
    pub(crate) prevhash: Option<EnvelopeHash>,
    pub(crate) recordedtime: UnixNanos,
    /// See [`EnvelopeInner::span`].
    pub(crate) span: Option<SpanForm>,
}

/// Why an envelope was not sealed; nothing was changed then.
#[derive(Debug)]
pub(crate) enum SealError {
    /// Redaction or policy made the event larger than an envelope may be.
    TooLarge,
}

/// Where in an unsigned line the signature members go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    keyid: usize,
    sigalg: usize,
}

/// Writes and hashes an envelope. With `key` it is signed at once; without, the answer says where a later signature
/// ([`sign_later`]) must be put. `room` is how many bytes the signature members may take. `scratch` is reused between
/// calls.
///
/// # Errors
/// See [`SealError`].
pub(crate) fn seal(
    s: &Sealing<'_>,
    key: Option<&SigningKey>,
    room: usize,
    scratch: &mut Vec<u8>,
) -> Result<(Envelope, Opening), SealError> {
    let out = scratch;
    out.clear();
    out.extend_from_slice(&s.text.agent);
    out.extend_from_slice(s.wire.head());
    out.extend_from_slice(b"\"data\":");
    // The hash covers the slices around the disclosures and around the members of the place.
    let disclosed = out.len() + s.disclosed.start..out.len() + s.disclosed.end;
    out.extend_from_slice(s.data);
    out.extend_from_slice(b",\"datacontenttype\":\"application/json\",\"dataschema\":\"");
    out.extend_from_slice(DATA_SCHEMA.as_bytes());
    out.push(b'"');
    match &s.event.id {
        EventId::Uuid(id) => {
            out.extend_from_slice(b",\"id\":\"");
            out.extend_from_slice(&id.encode());
            out.push(b'"');
        }
        EventId::Own(id) => member(out, true, "id", id),
    }
    let keyid = out.len();
    if s.own {
        out.extend_from_slice(b",\"origin\":\"core\"");
    }
    if let Some(version) = s.policy_version {
        member(out, true, "policyversion", version);
    }
    let before = out.len();
    if let Some(prevhash) = &s.prevhash {
        out.extend_from_slice(b",\"prevhash\":\"");
        hex::push(out, prevhash);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"recordedtime\":\"");
    format_time(out, s.recordedtime);
    out.push(b'"');
    let before = before..out.len();
    out.extend_from_slice(s.wire.run());
    let sequence = out.len();
    out.extend_from_slice(b",\"sequence\":\"");
    push_sequence(out, s.sequence);
    out.push(b'"');
    let sequence = sequence..out.len();
    out.extend_from_slice(b",\"severitynumber\":");
    out.extend_from_slice(itoa::Buffer::new().format(s.event.severity.number()).as_bytes());
    out.extend_from_slice(b",\"severitytext\":\"");
    out.extend_from_slice(s.event.severity.text().as_bytes());
    out.push(b'"');
    let sigalg = out.len();
    out.extend_from_slice(&s.text.source);
    let stream = out.len();
    out.extend_from_slice(&s.text.stream);
    let stream = stream..out.len();
    out.extend_from_slice(s.wire.tail());

    if out.len() - disclosed.len() + room > s.limit {
        return Err(SealError::TooLarge);
    }
    let digest = match s.digest.and_then(OnceLock::get) {
        Some(digest) => *digest,
        None => {
            // Most events disclose nothing: the first part goes on into the second.
            let split = if disclosed.is_empty() { before.start } else { disclosed.start };
            let digest = event_digest([
                &out[..split],
                &out[split.max(disclosed.end)..before.start],
                &out[before.end..sequence.start],
                &out[sequence.end..stream.start],
                &out[stream.end..],
            ]);
            if let Some(shared) = s.digest {
                // Two lanes that come at the same time both compute it, rather than one waiting for the other.
                let _ = shared.set(digest);
            }
            digest
        }
    };
    // In the line, a comma precedes the first member of the place; in the hashed object it does not.
    let place = [b"{", &out[before.start + 1..before.end], &out[sequence], &out[stream], b"}"];
    let hash = envelope_hash(place, &digest);
    let opening = Opening { keyid, sigalg };
    let bytes = match key {
        Some(key) => signed_line(out, opening, key, &key.sign_local(&seal_message(&hash))),
        None => out.as_slice().into(),
    };
    let envelope = Envelope::new(EnvelopeInner {
        bytes,
        id: s.event.id.clone(),
        event_type: Arc::clone(s.event_type),
        own: s.own,
        terminal: s.event.terminal,
        signed: key.is_some(),
        streamid: s.streamid,
        sequence: s.sequence,
        span: s.span,
        hash,
        digest,
        prevhash: s.prevhash,
        agentid: Arc::clone(s.agent),
        time: s.event.time,
        recordedtime: s.recordedtime,
        severity: s.event.severity.number(),
    });
    Ok((envelope, opening))
}

/// Puts the signature members into an unsigned line.
fn signed_line(line: &[u8], at: Opening, key: &SigningKey, signature: &Signature) -> Box<[u8]> {
    let mut encoded = [0; 88];
    // 64 bytes at most become 88 characters at most.
    let n = STANDARD.encode_slice(signature, &mut encoded).unwrap_or_default();
    let mut out = Vec::with_capacity(line.len() + members_len(key));
    out.extend_from_slice(&line[..at.keyid]);
    member(&mut out, true, "keyid", key.id());
    out.extend_from_slice(&line[at.keyid..at.sigalg]);
    out.extend_from_slice(b",\"sigalg\":\"");
    out.extend_from_slice(key.algorithm().name().as_bytes());
    out.extend_from_slice(b"\",\"signature\":\"");
    out.extend_from_slice(&encoded[..n]);
    out.push(b'"');
    out.extend_from_slice(&line[at.sigalg..]);
    out.into_boxed_slice()
}

/// How many bytes of a line the signature members of this key take (at least: characters of its id that JSON escapes
/// take more).
pub(crate) fn members_len(key: &SigningKey) -> usize {
    let signature = key.signature_len().div_ceil(3) * 4;
    11 + key.id().len() + 12 + key.algorithm().name().len() + 15 + signature
}

/// Adds a signature, made for its hash, to an envelope that was sealed before.
pub(crate) fn sign_later(
    envelope: &Envelope,
    at: Opening,
    key: &SigningKey,
    signature: &Signature,
) -> Envelope {
    let inner = EnvelopeInner {
        bytes: signed_line(&envelope.bytes, at, key, signature),
        signed: true,
        ..envelope.parts()
    };
    Envelope::new(inner)
}

/// Twenty decimal digits, zero-padded.
pub(crate) fn push_sequence(out: &mut Vec<u8>, sequence: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(sequence).as_bytes();
    let mut padded = [b'0'; 20];
    padded[20 - digits.len()..].copy_from_slice(digits);
    out.extend_from_slice(&padded);
}
