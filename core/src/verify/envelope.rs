//! One line, read as an envelope.
//!
//! Guarantees: never panics, whatever the bytes. A line that is canonical already (as every sink writes it)
//! is read in one scan and hashed as slices of itself; any other JSON is put in canonical form first, so
//! that a pipeline that re-serialized an envelope changes nothing about what it proves.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::json::{MAX_SAFE_INTEGER, Scan, Span, Value, parse, unescape};
use crate::seam::Uuid;

/// What every signing input begins with.
const PREFIX: &[u8] = b"sinkwell-event-v1\n";

/// The schemas that sinkwell writes; what follows is the version.
const SCHEMA: &str = "https://sinkwell.dev/schemas/governance-event/";

/// What a line turned out to be.
pub(super) enum Line<'a> {
    /// An envelope, perhaps a wrong one.
    Envelope(Box<Envelope<'a>>),
    /// What retention left of one.
    Stub(Stub),
    /// Something else, and why; `json` if it is at least a whole JSON text.
    Other { note: String, json: bool },
}

/// What retention leaves of an envelope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub {
    pub(super) streamid: Uuid,
    pub(super) sequence: u64,
    pub(super) prev: Option<[u8; 32]>,
    pub(super) hash: [u8; 32],
}

/// An envelope, as slices of its canonical bytes.
pub(super) struct Envelope<'a> {
    pub(super) streamid: Uuid,
    pub(super) sequence: u64,
    pub(super) prev: Option<[u8; 32]>,
    pub(super) agentid: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) event_type: Cow<'a, str>,
    pub(super) time: Cow<'a, str>,
    pub(super) recordedtime: Cow<'a, str>,
    /// `origin` is `core`; worth as much as the signature.
    pub(super) core: bool,
    /// The canonical bytes of `data`.
    pub(super) data: &'a [u8],
    pub(super) has_disclosures: bool,
    pub(super) has_authz: bool,
    pub(super) seal: Seal<'a>,
    /// Whether the line was canonical as it stood.
    pub(super) canonical: bool,
    /// The version of a schema that this verifier does not know.
    pub(super) unknown_schema: Option<String>,
    /// What is wrong with its form.
    pub(super) form: Option<String>,
    /// The signing input without its prefix, in pieces.
    input: [&'a [u8]; 3],
}

/// The three attributes that a key brings.
pub(super) struct Seal<'a> {
    pub(super) sigalg: Option<Cow<'a, str>>,
    pub(super) keyid: Option<Cow<'a, str>>,
    /// Decoded; `None` inside when it is not base64.
    pub(super) signature: Option<Option<Vec<u8>>>,
}

impl Envelope<'_> {
    /// The signing input, in pieces.
    pub(super) fn signing_input(&self) -> [&[u8]; 4] {
        [PREFIX, self.input[0], self.input[1], self.input[2]]
    }

    /// The hash: over signing input and raw signature.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in self.signing_input() {
            hash.update(part);
        }
        if let Some(Some(signature)) = &self.seal.signature {
            hash.update(signature);
        }
        hash.finalize().into()
    }
}

/// A reusable reader of lines.
#[derive(Default)]
pub(super) struct Reader {
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
    hash: Option<&'a [u8]>,
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
                b"hash" => &mut raw.hash,
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
    pub(super) fn read<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
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
            return match stub(&raw) {
                Some(stub) => Line::Stub(stub),
                None => {
                    Line::Other { note: "a stub, but not in the form that stubs have".into(), json: true }
                }
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
            seal: Seal {
                sigalg: raw.sigalg.map(|alg| string(alg).unwrap_or_default()),
                keyid: raw.keyid.map(|id| string(id).unwrap_or_default()),
                signature: raw
                    .signature
                    .map(|signature| string(signature).and_then(|s| STANDARD.decode(s.as_bytes()).ok())),
            },
            canonical,
            unknown_schema: raw.unknown_schema(),
            form: raw.form(),
            input: signing_input(text, self.scan.members(), self.scan.nested(), disclosures),
        }))
    }
}

/// Puts any JSON object in canonical form; or why not, and whether it is JSON at all.
fn rewrite(line: &[u8], out: &mut Vec<u8>) -> Result<(), (String, bool)> {
    let value = parse(line).map_err(|e| (format!("no envelope: {e}"), false))?;
    if !matches!(value, Value::Object(_)) {
        return Err((format!("no envelope: {} instead of an object", value.type_name()), true));
    }
    out.clear();
    value.write_canonical(out).map_err(|e| (format!("no envelope: {e}"), true))
}

/// The canonical bytes without the members `signature` and `data.disclosures`, in pieces.
fn signing_input<'a>(
    text: &'a [u8],
    members: &[Span],
    nested: &[Span],
    disclosures: Option<usize>,
) -> [&'a [u8]; 3] {
    let signature = members.iter().position(|span| &text[span.key.clone()] == b"signature");
    // `data` sorts before `signature`, so these are in order.
    let mut cuts = [text.len()..text.len(), text.len()..text.len()];
    let mut n = 0;
    for (list, index) in [(nested, disclosures), (members, signature)] {
        if let Some(index) = index {
            cuts[n] = cut(list, index);
            n += 1;
        }
    }
    [&text[..cuts[0].start], &text[cuts[0].end..cuts[1].start], &text[cuts[1].end..]]
}

/// The bytes to leave out so that a member is gone: itself and one comma, if it has a neighbour.
fn cut(members: &[Span], index: usize) -> std::ops::Range<usize> {
    let this = &members[index];
    match (index.checked_sub(1).map(|i| &members[i]), members.get(index + 1)) {
        (Some(before), _) => before.value.end..this.value.end,
        (None, Some(after)) => this.key.start - 1..after.key.start - 1,
        (None, None) => this.key.start - 1..this.value.end,
    }
}

fn stub(raw: &Raw<'_>) -> Option<Stub> {
    if raw.stub? != b"\"sinkwell-v1\"" {
        return None;
    }
    let prev = match raw.prevhash {
        Some(hash) => Some(hex32(hash)?),
        None => None,
    };
    Some(Stub { streamid: raw.stream()?, sequence: raw.sequence()?, prev, hash: hex32(raw.hash?)? })
}

/// The text of a JSON string.
fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    unescape(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// Reads a sequence: 20 decimal digits, 1 to 2^53 − 1.
pub(super) fn sequence(text: &str) -> Option<u64> {
    if text.len() != 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| (1..=MAX_SAFE_INTEGER).contains(n))
}

/// Reads 64 lower-case hex digits in quotes.
fn hex32(raw: &[u8]) -> Option<[u8; 32]> {
    hash_of_hex(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// Reads 64 lower-case hex digits.
pub(super) fn hash_of_hex(hex: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let hex: &[u8; 64] = hex.try_into().ok()?;
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// The first 64 bits of a hash: what the verifier keeps of it.
pub(super) fn short(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |n, &byte| n << 8 | u64::from(byte))
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
