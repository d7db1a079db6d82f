//! Reads one line as an envelope: for the verifier, the audit chain and the journal.
//!
//! Guarantees: never panics, whatever the bytes. A line that is canonical already (as every sink writes it) is read in
//! one scan and hashed as slices of itself. Any other JSON is put in canonical form first, so that an envelope proves
//! the same after a pipeline has re-serialized it.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::digest::{EventDigest, envelope_hash, event_digest};
use crate::hex;
use crate::json::{MAX_SAFE_INTEGER, Scan, Span, Value, parse, unescape};
use crate::seam::Uuid;
use crate::sink::EnvelopeHash;

/// The schemas that sinkwell writes; the version follows.
const SCHEMA: &str = "https://sinkwell.dev/schemas/governance-event/";

/// What a line turned out to be.
pub(crate) enum Line<'a> {
    /// An envelope, perhaps a wrong one.
    Envelope(Box<Envelope<'a>>),
    /// What retention left of an envelope.
    Stub(Stub<'a>),
    /// A stub in the wrong form, which still says where it stands. `begins`: it has no `prevhash`.
    BadStub { streamid: Uuid, sequence: u64, begins: bool },
    /// Something else, and why; `json` if it is at least a whole JSON text.
    Other { note: String, json: bool },
}

/// What retention leaves of an envelope.
pub(crate) struct Stub<'a> {
    pub(crate) streamid: Uuid,
    pub(crate) sequence: u64,
    pub(crate) prev: Option<EnvelopeHash>,
    pub(crate) hash: EnvelopeHash,
    pub(crate) digest: EventDigest,
    pub(crate) seal: Seal<'a>,
}

/// An envelope, as slices of its canonical bytes.
pub(crate) struct Envelope<'a> {
    pub(crate) streamid: Uuid,
    pub(crate) sequence: u64,
    pub(crate) prev: Option<[u8; 32]>,
    pub(crate) agentid: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
    pub(crate) event_type: Cow<'a, str>,
    pub(crate) time: Cow<'a, str>,
    pub(crate) recordedtime: Cow<'a, str>,
    /// Whether `origin` is `core`; only as trustworthy as the signature.
    pub(crate) core: bool,
    /// The canonical bytes of `data`.
    pub(crate) data: &'a [u8],
    pub(crate) has_disclosures: bool,
    pub(crate) has_authz: bool,
    /// `data.phase`, where it is a string.
    pub(crate) phase: Option<Cow<'a, str>>,
    pub(crate) seal: Seal<'a>,
    /// Whether the line was already canonical.
    pub(crate) canonical: bool,
    /// The version of a schema that this verifier does not know.
    pub(crate) unknown_schema: Option<String>,
    /// What is wrong with its form.
    pub(crate) form: Option<String>,
    /// Its canonical bytes.
    text: &'a [u8],
    /// Where its attributes are in these bytes.
    members: &'a [Span],
    /// The pieces that its event digest covers.
    event: Pieces<'a>,
    /// The pieces that its hash covers beside the event digest.
    place: Place<'a>,
    /// `keyid`, `sigalg` and `signature`, as they stand there.
    signature_members: [Option<&'a [u8]>; 3],
}

/// What is said of a stub in the wrong form.
pub(crate) const BAD_STUB: &str = "a stub, but not in the form that stubs have";

/// The value by which a stub says that it is one.
const STUB: &[u8] = b"\"sinkwell-v1\"";

/// A canonical object without some of its members: the pieces between these.
type Pieces<'a> = smallvec::SmallVec<[&'a [u8]; 9]>;

/// The members of an envelope's place, as they stand in its canonical bytes.
#[derive(Clone, Copy)]
struct Place<'a> {
    prevhash: Option<&'a [u8]>,
    recordedtime: Option<&'a [u8]>,
    sequence: Option<&'a [u8]>,
    streamid: Option<&'a [u8]>,
}

impl Place<'_> {
    fn hash(&self, digest: &EventDigest) -> EnvelopeHash {
        let mut object = smallvec::SmallVec::<[u8; 288]>::from_slice(b"{");
        let members = [
            ("prevhash", self.prevhash),
            ("recordedtime", self.recordedtime),
            ("sequence", self.sequence),
            ("streamid", self.streamid),
        ];
        for (name, value) in members {
            let Some(value) = value else { continue };
            if object.len() > 1 {
                object.push(b',');
            }
            object.push(b'"');
            object.extend_from_slice(name.as_bytes());
            object.extend_from_slice(b"\":");
            object.extend_from_slice(value);
        }
        object.push(b'}');
        envelope_hash([object.as_slice()], digest)
    }
}

/// The three attributes that a key brings.
pub(crate) struct Seal<'a> {
    pub(crate) sigalg: Option<Cow<'a, str>>,
    pub(crate) keyid: Option<Cow<'a, str>>,
    /// Decoded; `None` inside when it is not base64.
    pub(crate) signature: Option<Option<Vec<u8>>>,
    /// Whether one of the three is no string.
    pub(crate) odd: bool,
}

impl Envelope<'_> {
    /// Its canonical bytes, all of them.
    pub(crate) fn text(&self) -> &[u8] {
        self.text
    }

    /// An attribute, as it stands there.
    pub(crate) fn attribute(&self, name: &str) -> Option<&[u8]> {
        let member = self.members.iter().find(|span| &self.text[span.key.clone()] == name.as_bytes())?;
        Some(&self.text[member.value.clone()])
    }

    /// An attribute that is a string.
    pub(crate) fn string(&self, name: &str) -> Option<Cow<'_, str>> {
        string(self.attribute(name)?)
    }

    /// The event digest and the hash.
    pub(crate) fn hashes(&self) -> (EventDigest, EnvelopeHash) {
        let digest = event_digest(self.event.iter().copied());
        (digest, self.place.hash(&digest))
    }

    pub(crate) fn hash(&self) -> EnvelopeHash {
        self.hashes().1
    }

    /// As a sink is given it, but for its line, which is left empty.
    pub(crate) fn for_sink(&self) -> crate::sink::EnvelopeInner {
        use crate::seam::parse_time;
        let (digest, hash) = self.hashes();
        let recordedtime = parse_time(&self.recordedtime).unwrap_or_default();
        let severity =
            self.attribute("severitynumber").and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
        crate::sink::EnvelopeInner {
            bytes: Vec::new(),
            id: crate::sink::EventId::read(&self.id).unwrap_or(crate::sink::EventId::Uuid(Uuid([0; 16]))),
            event_type: self.event_type.as_ref().into(),
            own: self.core,
            terminal: false,
            signed: !self.seal.is_absent(),
            streamid: self.streamid,
            sequence: self.sequence,
            hash,
            digest,
            prevhash: self.prev,
            agentid: self.agentid.as_ref().into(),
            time: parse_time(&self.time).unwrap_or(recordedtime),
            recordedtime,
            severity: severity.unwrap_or(9),
            span: None,
        }
    }

    /// What retention leaves of it: place, digest and signature members, as a canonical line.
    pub(crate) fn stub(&self) -> String {
        let mut digest = b"\"".to_vec();
        hex::push(&mut digest, &self.hashes().0);
        digest.push(b'"');
        let members = [
            ("eventdigest", Some(digest.as_slice())),
            ("keyid", self.signature_members[0]),
            ("prevhash", self.place.prevhash),
            ("recordedtime", self.place.recordedtime),
            ("sequence", self.place.sequence),
            ("sigalg", self.signature_members[1]),
            ("signature", self.signature_members[2]),
            ("streamid", self.place.streamid),
            ("stub", Some(STUB)),
        ];
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some(format!("\"{name}\":{}", String::from_utf8_lossy(value?))));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// A signature without its line.
#[cfg(any(feature = "intake", all(test, feature = "otlp")))]
#[cfg_attr(not(feature = "intake"), allow(dead_code, reason = "only the intake looks at it"))]
pub(crate) struct Signature {
    pub(crate) keyid: Box<str>,
    pub(crate) sigalg: Box<str>,
    /// Empty where it is not base64.
    pub(crate) bytes: Box<[u8]>,
}

impl Seal<'_> {
    /// The signature, if there is one.
    #[cfg(any(feature = "intake", all(test, feature = "otlp")))]
    pub(crate) fn to_signature(&self) -> Option<Signature> {
        Some(Signature {
            bytes: self.signature.as_ref()?.as_deref().unwrap_or_default().into(),
            keyid: self.keyid.as_deref().unwrap_or_default().into(),
            sigalg: self.sigalg.as_deref().unwrap_or_default().into(),
        })
    }

    /// Whether none of the signature members is there.
    pub(crate) fn is_absent(&self) -> bool {
        self.sigalg.is_none() && self.keyid.is_none() && self.signature.is_none()
    }
}

/// A reusable reader of lines.
#[derive(Default)]
pub(crate) struct Reader {
    scan: Scan,
    canonical: Vec<u8>,
}

/// The members of an envelope that the verifier looks at, as raw JSON.
#[derive(Default)]
struct Raw<'a> {
    agentid: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    datacontenttype: Option<&'a [u8]>,
    dataschema: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    keyid: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    prevhash: Option<&'a [u8]>,
    recordedtime: Option<&'a [u8]>,
    sequence: Option<&'a [u8]>,
    severitynumber: Option<&'a [u8]>,
    severitytext: Option<&'a [u8]>,
    sigalg: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    specversion: Option<&'a [u8]>,
    streamid: Option<&'a [u8]>,
    stub: Option<&'a [u8]>,
    eventdigest: Option<&'a [u8]>,
    time: Option<&'a [u8]>,
    event_type: Option<&'a [u8]>,
    /// An attribute that is null or empty.
    empty: Option<&'a [u8]>,
}

impl<'a> Raw<'a> {
    fn new(text: &'a [u8], members: &[Span]) -> Self {
        let mut raw = Self::default();
        for Span { key, value } in members {
            let value = &text[value.clone()];
            if value == b"null" || value == b"\"\"" {
                raw.empty = Some(&text[key.clone()]);
            }
            let slot = match &text[key.clone()] {
                b"agentid" => &mut raw.agentid,
                b"data" => &mut raw.data,
                b"datacontenttype" => &mut raw.datacontenttype,
                b"dataschema" => &mut raw.dataschema,
                b"eventdigest" => &mut raw.eventdigest,
                b"id" => &mut raw.id,
                b"keyid" => &mut raw.keyid,
                b"origin" => &mut raw.origin,
                b"prevhash" => &mut raw.prevhash,
                b"recordedtime" => &mut raw.recordedtime,
                b"sequence" => &mut raw.sequence,
                b"severitynumber" => &mut raw.severitynumber,
                b"severitytext" => &mut raw.severitytext,
                b"sigalg" => &mut raw.sigalg,
                b"signature" => &mut raw.signature,
                b"source" => &mut raw.source,
                b"specversion" => &mut raw.specversion,
                b"streamid" => &mut raw.streamid,
                b"stub" => &mut raw.stub,
                b"time" => &mut raw.time,
                b"type" => &mut raw.event_type,
                _ => continue,
            };
            *slot = Some(value);
        }
        raw
    }

    fn stream(&self) -> Option<Uuid> {
        Uuid::parse(&string(self.streamid?)?)
    }

    fn sequence(&self) -> Option<u64> {
        sequence(&string(self.sequence?)?)
    }

    fn seal(&self) -> Seal<'a> {
        Seal {
            sigalg: self.sigalg.map(|alg| string(alg).unwrap_or_default()),
            keyid: self.keyid.map(|id| string(id).unwrap_or_default()),
            signature: self
                .signature
                .map(|signature| string(signature).and_then(|s| STANDARD.decode(s.as_bytes()).ok())),
            odd: [self.sigalg, self.keyid, self.signature]
                .into_iter()
                .flatten()
                .any(|raw| string(raw).is_none()),
        }
    }

    fn place(&self) -> Place<'a> {
        Place {
            prevhash: self.prevhash,
            recordedtime: self.recordedtime,
            sequence: self.sequence,
            streamid: self.streamid,
        }
    }

    /// What is wrong with the form of an envelope that has a place in a stream.
    fn form(&self) -> Option<String> {
        let text = |raw: Option<&'a [u8]>| raw.and_then(string).filter(|s| !s.is_empty());
        let checks: [(&str, bool); 13] = [
            ("specversion", self.specversion == Some(b"\"1.0\"")),
            ("id", text(self.id).is_some()),
            ("source", text(self.source).is_some()),
            ("type", text(self.event_type).is_some_and(|s| is_type(&s))),
            ("time", text(self.time).is_some_and(|s| is_time(s.as_bytes()))),
            ("recordedtime", text(self.recordedtime).is_some_and(|s| is_time(s.as_bytes()))),
            ("datacontenttype", self.datacontenttype == Some(b"\"application/json\"")),
            ("dataschema", text(self.dataschema).is_some_and(|s| s.starts_with(SCHEMA))),
            ("data", self.data.is_some_and(|data| data.first() == Some(&b'{'))),
            ("agentid", text(self.agentid).is_some()),
            ("severitytext", self.severity_matches()),
            ("origin", self.origin.is_none_or(|origin| origin == b"\"core\"")),
            ("prevhash", self.prevhash.is_none_or(|hash| hex32(hash).is_some())),
        ];
        if let Some((name, _)) = checks.iter().find(|(_, good)| !good) {
            return Some(format!("the attribute {name} is missing or not in the form that an envelope has"));
        }
        self.empty.map(|key| format!("the attribute {} is null or empty", String::from_utf8_lossy(key)))
    }

    fn severity_matches(&self) -> bool {
        matches!(
            (self.severitytext, self.severitynumber),
            (Some(b"\"TRACE\""), Some(b"1"))
                | (Some(b"\"DEBUG\""), Some(b"5"))
                | (Some(b"\"INFO\""), Some(b"9"))
                | (Some(b"\"WARN\""), Some(b"13"))
                | (Some(b"\"ERROR\""), Some(b"17"))
                | (Some(b"\"FATAL\""), Some(b"21"))
        )
    }

    /// The version of the schema, if its major is not 1.
    fn unknown_schema(&self) -> Option<String> {
        let schema = string(self.dataschema?)?;
        let version = schema.strip_prefix(SCHEMA)?;
        (version.split('.').next() != Some("1")).then(|| version.to_owned())
    }
}

impl Reader {
    /// Reads a line without its newline.
    pub(crate) fn read<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let canonical = self.scan.run(line, "data");
        let text = if canonical {
            line
        } else {
            match rewrite(line, &mut self.canonical) {
                Ok(()) if self.scan.run(&self.canonical, "data") => &self.canonical[..],
                Ok(()) => return Line::Other { note: "no envelope: nested too deep".into(), json: true },
                Err((note, json)) => return Line::Other { note, json },
            }
        };
        let raw = Raw::new(text, self.scan.members());
        if raw.stub.is_some() {
            return match stub(&raw, self.scan.members().len()) {
                Some(stub) => Line::Stub(stub),
                None => match (raw.stream(), raw.sequence()) {
                    (Some(streamid), Some(sequence)) => {
                        Line::BadStub { streamid, sequence, begins: raw.prevhash.is_none() }
                    }
                    _ => Line::Other { note: BAD_STUB.into(), json: true },
                },
            };
        }
        let (Some(streamid), Some(sequence)) = (raw.stream(), raw.sequence()) else {
            return Line::Other {
                note: "no envelope: a JSON object without the streamid and sequence of one".into(),
                json: true,
            };
        };
        let own = |raw: Option<&'a [u8]>| raw.and_then(string).unwrap_or_default();
        let nested = |key: &[u8]| self.scan.nested().iter().position(|span| &text[span.key.clone()] == key);
        let disclosures = nested(b"disclosures");
        Line::Envelope(Box::new(Envelope {
            streamid,
            sequence,
            prev: raw.prevhash.and_then(hex32),
            agentid: own(raw.agentid),
            id: own(raw.id),
            event_type: own(raw.event_type),
            time: own(raw.time),
            recordedtime: own(raw.recordedtime),
            core: raw.origin == Some(b"\"core\""),
            data: raw.data.unwrap_or(b"{}"),
            has_disclosures: disclosures.is_some(),
            has_authz: nested(b"authz").is_some(),
            phase: nested(b"phase").and_then(|at| string(&text[self.scan.nested()[at].value.clone()])),
            seal: raw.seal(),
            canonical,
            unknown_schema: raw.unknown_schema(),
            form: raw.form(),
            text,
            members: self.scan.members(),
            event: event_pieces(text, self.scan.members(), self.scan.nested(), disclosures),
            place: raw.place(),
            signature_members: [raw.keyid, raw.sigalg, raw.signature],
        }))
    }
}

/// Puts any JSON object in canonical form. The error says why that failed, and whether the text is JSON at all.
fn rewrite(line: &[u8], out: &mut Vec<u8>) -> Result<(), (String, bool)> {
    let value = parse(line).map_err(|e| (format!("no envelope: {e}"), false))?;
    if !matches!(value, Value::Object(_)) {
        return Err((format!("no envelope: {} instead of an object", value.type_name()), true));
    }
    out.clear();
    value.write_canonical(out).map_err(|e| (format!("no envelope: {e}"), true))
}

/// The canonical bytes without place, signature members and `data.disclosures`, in pieces.
fn event_pieces<'a>(
    text: &'a [u8],
    members: &[Span],
    nested: &[Span],
    disclosures: Option<usize>,
) -> Pieces<'a> {
    let apart = |span: &Span| {
        matches!(
            &text[span.key.clone()],
            b"keyid" | b"prevhash" | b"recordedtime" | b"sequence" | b"sigalg" | b"signature" | b"streamid"
        )
    };
    // `data` sorts before all the members that are left out, so the cuts come in order.
    let mut pieces = Pieces::new();
    let mut from = 0;
    if let Some(index) = disclosures {
        let cut = cut(nested, index);
        pieces.push(&text[..cut.start]);
        from = cut.end;
    }
    // Each member is cut together with one comma: the one before it, or, if everything before it is cut, too, the one
    // behind it.
    let mut kept = false;
    for (index, span) in members.iter().enumerate() {
        if !apart(span) {
            kept = true;
            continue;
        }
        let out: Range<usize> = match (kept, members.get(index + 1)) {
            (true, _) => members[index - 1].value.end..span.value.end,
            (false, Some(next)) => span.key.start - 1..next.key.start - 1,
            (false, None) => span.key.start - 1..span.value.end,
        };
        pieces.push(&text[from..out.start.max(from)]);
        from = out.end;
    }
    pieces.push(&text[from..]);
    pieces
}

/// The bytes to leave out so that a member is gone: itself and one comma, if it has a neighbour.
fn cut(members: &[Span], index: usize) -> Range<usize> {
    let this = &members[index];
    match (index.checked_sub(1).map(|i| &members[i]), members.get(index + 1)) {
        (Some(before), _) => before.value.end..this.value.end,
        (None, Some(after)) => this.key.start - 1..after.key.start - 1,
        (None, None) => this.key.start - 1..this.value.end,
    }
}

fn stub<'a>(raw: &Raw<'a>, members: usize) -> Option<Stub<'a>> {
    let known = [raw.keyid, raw.prevhash, raw.sigalg, raw.signature].into_iter().flatten().count() + 5;
    // A stub with an unknown member is refused, as no signature would cover that member.
    if raw.stub? != STUB || members != known {
        return None;
    }
    let prev = match raw.prevhash {
        Some(hash) => Some(hex32(hash)?),
        None => None,
    };
    string(raw.recordedtime?).filter(|time| is_time(time.as_bytes()))?;
    let digest = hex32(raw.eventdigest?)?;
    let (streamid, sequence) = (raw.stream()?, raw.sequence()?);
    Some(Stub { streamid, sequence, prev, hash: raw.place().hash(&digest), digest, seal: raw.seal() })
}

/// The text of a JSON string.
fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    unescape(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// Reads a sequence: 20 decimal digits, 1 to 2^53 − 1.
pub(crate) fn sequence(text: &str) -> Option<u64> {
    if text.len() != 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| (1..=MAX_SAFE_INTEGER).contains(n))
}

/// Reads 64 lower-case hex digits in quotes.
fn hex32(raw: &[u8]) -> Option<[u8; 32]> {
    hex::read(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

fn is_type(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether `text` is `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`.
fn is_time(text: &[u8]) -> bool {
    const FORM: &[u8; 30] = b"0000-00-00T00:00:00.000000000Z";
    let two = |at: usize| (text[at] - b'0') * 10 + (text[at + 1] - b'0');
    text.len() == FORM.len()
        && text.iter().zip(FORM).all(|(b, form)| if *form == b'0' { b.is_ascii_digit() } else { b == form })
        && (1..=12).contains(&two(5))
        && (1..=31).contains(&two(8))
        && two(11) < 24
        && two(14) < 60
        && two(17) < 61
}
