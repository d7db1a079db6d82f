//! Writing one envelope.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smallvec::SmallVec;

use super::digest::{EventDigest, event_digest_in, seal_message};
use super::place::PlaceText;
use crate::content::Redactor;
use crate::error::Error;
use crate::event::{Attribute, Event, EventId};
use crate::json::write_string;
use crate::key::{Signature, SigningKey};
use crate::seam::{UnixNanos, Uuid, format_time};
use crate::sink::{Envelope, EnvelopeHash, EnvelopeInner, SpanForm};
use crate::types::Severity;

/// The parts of an event's envelope that are the same in every lane, escaped and in canonical order. Made
/// by the first lane that seals the event.
pub(crate) struct Wire {
    /// Of most events so short that they need no memory of their own.
    bytes: SmallVec<[u8; 192]>,
    /// End of what stands between `agentid` and the value of `data`.
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
    /// `,"policyversion":"…"`, if there is one.
    policy: Box<[u8]>,
    /// `,"source":"…","specversion":"1.0"`
    source: Box<[u8]>,
    place: PlaceText,
}

impl StreamText {
    pub(crate) fn of(agent: &str, source: &str, policy_version: Option<&str>, streamid: Uuid) -> Self {
        let (mut first, mut policy, mut then) = (vec![b'{'], Vec::new(), Vec::new());
        member(&mut first, false, "agentid", agent);
        if let Some(version) = policy_version {
            member(&mut policy, true, "policyversion", version);
        }
        member(&mut then, true, "source", source);
        then.extend_from_slice(b",\"specversion\":\"1.0\"");
        let place = PlaceText::of(streamid);
        Self { agent: first.into(), policy: policy.into(), source: then.into(), place }
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
    /// What `out` held is gone.
    pub(crate) fn of(event: &Event, shown: &Shown, out: &mut Vec<u8>) -> Self {
        let shown_as = |attribute: Attribute| {
            shown.attributes[attribute as usize].as_deref().or_else(|| event.attribute(attribute))
        };
        out.clear();
        for attribute in [Attribute::Attempt, Attribute::Causation, Attribute::Correlation] {
            if let Some(value) = shown_as(attribute) {
                member(out, false, attribute.name(), value);
            }
        }
        out.extend_from_slice(b"\"data\":");
        let head = out.len();
        if let Some(run) = shown_as(Attribute::Run) {
            member(out, true, "runid", run);
        }
        let run = out.len();
        if let Some(subject) = shown_as(Attribute::Subject) {
            member(out, true, "subject", subject);
        }
        if let Some(tenant) = shown.tenant.as_deref().or_else(|| event.tenant()) {
            member(out, true, "tenantid", tenant);
        }
        out.extend_from_slice(b",\"time\":\"");
        format_time(out, event.time);
        out.push(b'"');
        for attribute in [Attribute::Traceparent, Attribute::Tracestate, Attribute::Turn] {
            if let Some(value) = shown_as(attribute) {
                member(out, true, attribute.name(), value);
            }
        }
        member(out, true, "type", event.event_type());
        out.push(b'}');
        Self { bytes: SmallVec::from_slice(out), head, run }
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

/// What stands between `data` and the id.
const AFTER_DATA: &[u8] = b",\"datacontenttype\":\"application/json\",\"dataschema\":\"https://sinkwell.dev/schemas/governance-event/1.0\",\"id\":";

/// What stands between `sequence` and the key's members.
const fn severity_members(severity: Severity) -> &'static [u8] {
    match severity {
        Severity::Trace => b",\"severitynumber\":1,\"severitytext\":\"TRACE\"",
        Severity::Debug => b",\"severitynumber\":5,\"severitytext\":\"DEBUG\"",
        Severity::Info => b",\"severitynumber\":9,\"severitytext\":\"INFO\"",
        Severity::Warn => b",\"severitynumber\":13,\"severitytext\":\"WARN\"",
        Severity::Error => b",\"severitynumber\":17,\"severitytext\":\"ERROR\"",
        Severity::Fatal => b",\"severitynumber\":21,\"severitytext\":\"FATAL\"",
    }
}

/// Writes and hashes an envelope whose stream says `text`. With `key` it is signed at once; without, the answer says where
/// a later signature ([`sign_later`]) must be put. `room` is how many bytes the signature members may take. `scratch` is
/// reused between calls.
///
/// The line is written once, in the memory that it stays in: its length is known beforehand, and so is where the signature
/// goes. `spare` is an envelope that nobody needs any more, in whose memory this one is put.
///
/// # Errors
/// See [`SealError`].
pub(crate) fn seal(
    s: &Sealing<'_>,
    text: &mut StreamText,
    key: Option<&SigningKey>,
    room: usize,
    spare: &mut Vec<Envelope>,
    scratch: &mut Vec<u8>,
) -> Result<(Envelope, Opening), SealError> {
    text.place.set(s.prevhash.as_ref(), s.recordedtime, s.sequence);
    let uuid;
    let id: &[u8] = match &s.event.id {
        EventId::Uuid(id) => {
            uuid = quoted(id);
            &uuid
        }
        EventId::Own(id) => {
            scratch.clear();
            write_string(scratch, id);
            scratch.as_slice()
        }
    };
    let (policy, origin) = (&*text.policy, if s.own { &b",\"origin\":\"core\""[..] } else { &[] });
    let place = &text.place;
    let severity = severity_members(s.event.severity);
    let len = text.agent.len()
        + s.wire.bytes.len()
        + s.data.len()
        + AFTER_DATA.len()
        + id.len()
        + origin.len()
        + policy.len()
        + 1
        + place.before_run().len()
        + place.sequence().len()
        + severity.len()
        + text.source.len()
        + place.stream().len();
    if len - s.disclosed.len() + room > s.limit {
        return Err(SealError::TooLarge);
    }
    // 64 bytes at most become 88 characters at most.
    let mut signature = [b'='; 88];
    let signature_len = key.map_or(0, |key| key.signature_len().div_ceil(3) * 4);
    let of_key =
        key.map_or(0, |key| key.members().id.len() + key.members().algorithm.len() + signature_len + 1);

    let mut spare = spare.pop();
    let mut out = spare.as_mut().map(Envelope::take_line).unwrap_or_default();
    out.clear();
    out.reserve_exact(len + of_key);
    out.extend_from_slice(&text.agent);
    out.extend_from_slice(s.wire.head());
    // The hash covers the slices around the disclosures, around the key's members and around those of the place.
    let disclosed = out.len() + s.disclosed.start..out.len() + s.disclosed.end;
    out.extend_from_slice(s.data);
    out.extend_from_slice(AFTER_DATA);
    out.extend_from_slice(id);
    let keyid = out.len();
    if let Some(key) = key {
        out.extend_from_slice(&key.members().id);
    }
    let keyid = keyid..out.len();
    out.extend_from_slice(origin);
    out.extend_from_slice(policy);
    let before = out.len();
    out.push(b',');
    out.extend_from_slice(place.before_run());
    let before = before..out.len();
    out.extend_from_slice(s.wire.run());
    let sequence = out.len();
    out.extend_from_slice(place.sequence());
    let sequence = sequence..out.len();
    out.extend_from_slice(severity);
    let sigalg = out.len();
    if let Some(key) = key {
        out.extend_from_slice(&key.members().algorithm);
        out.extend_from_slice(&signature[..signature_len]);
        out.push(b'"');
    }
    let sigalg = sigalg..out.len();
    out.extend_from_slice(&text.source);
    let stream = out.len();
    out.extend_from_slice(place.stream());
    let stream = stream..out.len();
    out.extend_from_slice(s.wire.tail());
    debug_assert_eq!(out.len(), len + of_key);

    let digest = match s.digest.and_then(OnceLock::get) {
        Some(digest) => *digest,
        None => {
            // Most events disclose nothing: the first part goes on into the second.
            let split = if disclosed.is_empty() { keyid.start } else { disclosed.start };
            let parts: [&[u8]; 7] = [
                &out[..split],
                &out[split.max(disclosed.end)..keyid.start],
                &out[keyid.end..before.start],
                &out[before.end..sequence.start],
                &out[sequence.end..sigalg.start],
                &out[sigalg.end..stream.start],
                &out[stream.end..],
            ];
            let digest = event_digest_in(scratch, parts);
            if let Some(shared) = s.digest {
                // Two lanes that come at the same time both compute it, rather than one waiting for the other.
                let _ = shared.set(digest);
            }
            digest
        }
    };
    let hash = text.place.hash(&digest);
    if let Some(key) = key {
        let n = encoded(&key.sign_local(&seal_message(&hash)), &mut signature);
        // Before the closing quote.
        let end = sigalg.end - 1;
        out[end - n..end].copy_from_slice(&signature[..n]);
    }
    let inner = EnvelopeInner {
        bytes: out,
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
    };
    let envelope = match spare {
        Some(spare) => spare.renew(inner),
        None => Envelope::new(inner),
    };
    Ok((envelope, Opening { keyid: keyid.start, sigalg: sigalg.start }))
}

/// A UUID as a JSON string.
fn quoted(id: &Uuid) -> [u8; 38] {
    let mut quoted = [b'"'; 38];
    quoted[1..37].copy_from_slice(&id.encode());
    quoted
}

/// Writes a signature in base64; answers its length.
fn encoded(signature: &Signature, out: &mut [u8; 88]) -> usize {
    STANDARD.encode_slice(signature, out).unwrap_or_default()
}

/// Puts the signature members into an unsigned line.
fn signed_line(line: &[u8], at: Opening, key: &SigningKey, signature: &Signature) -> Vec<u8> {
    let mut text = [0; 88];
    let n = encoded(signature, &mut text);
    let members = key.members();
    let parts: [&[u8]; 7] = [
        &line[..at.keyid],
        &members.id,
        &line[at.keyid..at.sigalg],
        &members.algorithm,
        &text[..n],
        b"\"",
        &line[at.sigalg..],
    ];
    parts.concat()
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
    out.extend_from_slice(&sequence_text(sequence));
}

/// What [`push_sequence`] appends.
pub(super) fn sequence_text(sequence: u64) -> [u8; 20] {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(sequence).as_bytes();
    let mut padded = [b'0'; 20];
    padded[20 - digits.len()..].copy_from_slice(digits);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_it_stands_says_what_is_said_elsewhere() {
        for severity in Severity::ALL {
            let (number, text) = (severity.number(), severity.text());
            let members = format!(r#","severitynumber":{number},"severitytext":"{text}""#);
            assert_eq!(severity_members(severity), members.as_bytes());
        }
        let schema = format!(r#""dataschema":"{}","#, crate::envelope::DATA_SCHEMA);
        assert!(std::str::from_utf8(AFTER_DATA).unwrap().contains(&schema));
    }
}
