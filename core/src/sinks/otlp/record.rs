//! One sealed envelope as one OTLP `LogRecord` (docs/OTLP.md), straight from its canonical bytes.
//!
//! | field | from |
//! | --- | --- |
//! | `time_unix_nano`, `observed_time_unix_nano` | `time`, `recordedtime` |
//! | `severity_number`, `severity_text` | `severitynumber`, `severitytext` |
//! | `event_name` | `type` |
//! | `trace_id`, `span_id`, `flags` | `traceparent` |
//! | `body` | the whole line as a string, as a map, or nothing |
//! | `attributes` `cloudevents.*` | `id`, `source`, `specversion`, `subject`, `type` |
//! | `attributes` `sinkwell.*` | every other attribute of the envelope that no field holds |
//! | other `attributes` | `data`, flattened: `{"a":{"b":1}}` is `a.b` |
//!
//! Guarantees: keys of attributes are unique, as OTLP demands. The envelope's own attributes cannot be
//! imitated: a member of `data` that would be called `cloudevents.…` or `sinkwell.…` stays in the body
//! only. Of two members of `data` that flatten to the same name, the less nested one is taken (the look-up
//! rule of docs/spec/events.md). Disclosed content appears under the names of the GenAI conventions; undisclosed
//! content cannot appear, because it is not in the bytes.

use std::sync::LazyLock;

use super::OtlpBody;
use crate::hex;
use crate::sink::Envelope;

use super::genai;
use super::pattern::{Came, Does, Member, Pattern, Patterns, is_reserved};
use super::scan::{Malformed, Raw, Scanner, Token};
use super::semconv::Names;
use super::value::{
    DEEPEST, head_of, lead_of, put_pair, put_pair_after, put_pair_nested, put_string, put_value, scalar,
};
use super::wire::{
    Field, Fields, close, fixed32_tag, fixed64_tag, len_tag, open, put_bytes, put_head, varint_tag,
};

/// `ScopeLogs.log_records`
const RECORD: u8 = len_tag(2);

const TIME: u8 = fixed64_tag(1);
const SEVERITY_NUMBER: u8 = varint_tag(2);
const SEVERITY_TEXT: u8 = len_tag(3);
const BODY: u8 = len_tag(5);
/// `LogRecord.attributes`
pub(super) const ATTRIBUTES: u8 = len_tag(6);
const FLAGS: u8 = fixed32_tag(8);
const TRACE_ID: u8 = len_tag(9);
const SPAN_ID: u8 = len_tag(10);
const OBSERVED_TIME: u8 = fixed64_tag(11);
const EVENT_NAME: u8 = len_tag(12);

/// Writes records; keeps its buffers, and what lines looked like before.
#[derive(Default)]
pub(super) struct RecordWriter {
    patterns: Patterns,
    flat: Flat,
}

/// What comes before the hashes of an envelope, which no line says of itself.
static HASHES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    ["sinkwell.hash", "sinkwell.event.digest"].map(|name| lead_of(ATTRIBUTES, &head_of(name.as_bytes()), 64))
});

impl RecordWriter {
    /// Appends `envelope` as a field of `ScopeLogs`; on an error nothing is appended.
    pub(super) fn put(
        &mut self,
        out: &mut Vec<u8>,
        envelope: &Envelope,
        body: OtlpBody,
        names: &Names,
    ) -> Result<(), Malformed> {
        let start = out.len();
        // With its line in the body, a record is between 128 bytes and 16 KiB but for rare ones.
        let record = open(out, RECORD, 2);
        let result = self.fields(out, envelope, body, names);
        match result {
            Ok(()) => close(out, record),
            Err(Malformed) => out.truncate(start),
        }
        result
    }

    fn fields(
        &mut self,
        out: &mut Vec<u8>,
        envelope: &Envelope,
        body: OtlpBody,
        names: &Names,
    ) -> Result<(), Malformed> {
        out.push(TIME);
        out.extend_from_slice(&envelope.time.max(0).to_le_bytes());
        out.push(OBSERVED_TIME);
        out.extend_from_slice(&envelope.recordedtime.max(0).to_le_bytes());
        out.extend_from_slice(&[SEVERITY_NUMBER, envelope.severity & 0x7F]);
        let pattern = self.patterns.of(&envelope.event_type);
        members(out, &envelope.bytes, pattern, &mut self.flat, names)?;
        // What a receiver de-duplicates by, and what is the same in every lane: nobody has to hash for them.
        for (lead, value) in HASHES.iter().zip([&envelope.hash, &envelope.digest]) {
            out.extend_from_slice(lead);
            hex::push(out, value);
        }
        match body {
            OtlpBody::String => put_string(out, BODY, &envelope.bytes),
            OtlpBody::Map => {
                let mut scanner = Scanner::new(&envelope.bytes);
                let token = scanner.token()?;
                put_value(out, BODY, &mut scanner, &token, 0, &mut self.flat.scratch)?;
            }
            OtlpBody::None => {}
        }
        Ok(())
    }
}

/// Writes the members of a line, by steps of the pattern as far as they fit, and one by one where they don't.
fn members(
    out: &mut Vec<u8>,
    line: &[u8],
    pattern: &mut Pattern,
    flat: &mut Flat,
    names: &Names,
) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(line);
    let Token::Object = scanner.token()? else { return Err(Malformed) };
    // Where in the pattern we are; and, within `data`, where that began, in the line and in what is written.
    let (mut step, mut next, mut first, mut data) = (0, 0, true, None);
    loop {
        while let Some(known) = pattern.step(&mut step, next)
            && known.within == data.is_some()
            && !(known.closes && flat.collide())
            && let Some((len, written)) = pattern.fits(known, scanner.rest(), first)
        {
            scanner.pass(len);
            written.iter().for_each(|part| out.extend_from_slice(part));
            if let Some(member) = pattern.unwritten(known) {
                flat.value(out, member, &mut scanner, names)?;
            }
            flat.dotted |= known.dotted;
            flat.nested |= known.nested;
            first = known.opens;
            if known.opens {
                data = Some((scanner.clone(), out.len()));
                flat.begin();
            } else if known.closes {
                data = None;
            }
            next = known.members.end;
        }
        let Some(key) = scanner.member(&mut first)? else {
            // The end of `data`, or of the line.
            let Some((begin, start)) = data.take() else { break };
            if flat.collide() {
                next = again(out, pattern, flat, (&mut scanner, begin, start), names)?;
            } else {
                next = pattern.after_data();
            }
            continue;
        };
        let in_data = data.is_some();
        if key.plain() == Some(b"disclosures".as_slice())
            && let Some((begin, start)) = data.take()
        {
            next = again(out, pattern, flat, (&mut scanner, begin, start), names)?;
            first = false;
            continue;
        }
        let found = pattern.find(next, key.written(), in_data);
        if !in_data && key.plain() == Some(b"data".as_slice()) {
            let Token::Object = scanner.token()? else { return Err(Malformed) };
            let whole = match found {
                Some(at) => {
                    next = at + 1;
                    pattern.member(at).is_none_or(|member| member.does == Does::Whole)
                }
                None => match pattern.open(next) {
                    Some(within) => {
                        next = within;
                        false
                    }
                    None => true,
                },
            };
            if whole {
                flat.data(out, &mut scanner, names)?;
            } else {
                data = Some((scanner.clone(), out.len()));
                first = true;
                flat.begin();
            }
            continue;
        }
        if let Some(at) = found {
            next = at + 1;
            let known = pattern.member(at).and_then(|member| member.same(scanner.rest()));
            if let Some((written, [dotted, nested], len)) = known {
                out.extend_from_slice(written);
                flat.dotted |= dotted;
                flat.nested |= nested;
                scanner.pass(len);
            } else {
                pattern.varies(at);
                let Some(member) = pattern.member(at) else { return Err(Malformed) };
                flat.value(out, member, &mut scanner, names)?;
            }
            continue;
        }
        let member = flat.member_of(&key, in_data, names)?;
        let (start, rest) = (out.len(), scanner.rest());
        let before = (std::mem::take(&mut flat.dotted), std::mem::take(&mut flat.nested));
        flat.value(out, &member, &mut scanner, names)?;
        let value = &rest[..rest.len() - scanner.rest().len()];
        let came = Came { value, written: &out[start..], dotted: flat.dotted, nested: flat.nested };
        next = pattern.learn(next, member, &came);
        flat.dotted |= before.0;
        flat.nested |= before.1;
    }
    if scanner.ended() { Ok(()) } else { Err(Malformed) }
}

/// Writes `data` from its beginning once more, as a whole; answers what comes after it in the pattern. Two of its
/// attributes may have the same name, or some of it is handed on as conventions want it.
fn again<'a>(
    out: &mut Vec<u8>,
    pattern: &mut Pattern,
    flat: &mut Flat,
    (scanner, begin, start): (&mut Scanner<'a>, Scanner<'a>, usize),
    names: &Names,
) -> Result<usize, Malformed> {
    out.truncate(start);
    *scanner = begin;
    flat.data(out, scanner, names)?;
    Ok(pattern.give_up_data())
}

/// Writes values as attributes, those of `data` flattened.
#[derive(Default)]
pub(super) struct Flat {
    /// The name of the attribute being written.
    path: Vec<u8>,
    /// For strings with escapes.
    scratch: Vec<u8>,
    /// What `data` has given so far: where each attribute begins, and how deep it was nested.
    given: Vec<(usize, usize)>,
    /// Two of them may have the same name: a name has a dot of its own and an object was flattened, or
    /// content was added by convention.
    dotted: bool,
    nested: bool,
}

impl Flat {
    /// To be called when `data` begins.
    fn begin(&mut self) {
        self.given.clear();
        self.dotted = false;
        self.nested = false;
    }

    /// Whether two attributes of `data` may have the same name.
    fn collide(&self) -> bool {
        self.dotted && self.nested
    }

    /// A member that is met for the first time.
    fn member_of(&mut self, key: &Raw<'_>, in_data: bool, names: &Names) -> Result<Member, Malformed> {
        self.path.clear();
        if in_data {
            key.unescape(&mut self.path)?;
            return Ok(Member::new(key.written(), &self.path, Does::Data));
        }
        // Attribute names of CloudEvents have nothing to escape.
        let key = key.plain().ok_or(Malformed)?;
        let does = match key {
            b"time" | b"recordedtime" | b"severitynumber" => Does::Nothing,
            b"severitytext" => Does::SeverityText,
            b"traceparent" => Does::Trace,
            b"type" => Does::Type,
            _ => Does::Attribute,
        };
        let name = match names.envelope(key) {
            Some(name) => name,
            None => {
                self.path.extend_from_slice(b"sinkwell.");
                self.path.extend_from_slice(key);
                &self.path
            }
        };
        Ok(Member::new(key, name, does))
    }

    /// Writes what a member's value, which comes next, becomes.
    fn value<'a>(
        &mut self,
        out: &mut Vec<u8>,
        member: &Member,
        scanner: &mut Scanner<'a>,
        names: &Names,
    ) -> Result<(), Malformed> {
        if member.does == Does::Data {
            self.dotted |= is_dotted(&member.name);
            if member.head.is_empty() || matches!(scanner.rest().first(), Some(b'{' | b'[')) {
                self.path.clear();
                self.path.extend_from_slice(&member.name);
                return self.member(out, scanner, 0);
            }
        }
        let token = scanner.token()?;
        if !member.head.is_empty() && token.is_scalar() {
            put_pair_after(out, ATTRIBUTES, &member.head, scalar(&token, &mut self.scratch)?);
            return Ok(());
        }
        match member.does {
            Does::Nothing => {}
            Does::Whole if matches!(token, Token::Object) => self.data(out, scanner, names)?,
            Does::Whole => return Err(Malformed),
            Does::SeverityText => put_bytes(out, SEVERITY_TEXT, token.text(&mut self.scratch)?),
            Does::Trace if put_trace(out, token.text(&mut self.scratch)?) => {}
            does => {
                if does == Does::Type {
                    put_bytes(out, EVENT_NAME, token.text(&mut self.scratch)?);
                }
                put_attribute(out, &member.name, scanner, &token, &mut self.scratch)?;
            }
        }
        Ok(())
    }

    /// Writes `data`, of which the bracket has been read.
    fn data<'a>(
        &mut self,
        out: &mut Vec<u8>,
        scanner: &mut Scanner<'a>,
        names: &Names,
    ) -> Result<(), Malformed> {
        self.begin();
        let mut content = None;
        let mut first = true;
        while let Some(key) = scanner.member(&mut first)? {
            match key.plain() {
                // Handed on below, as conventions want it.
                Some(b"disclosures") => {
                    let disclosures = scanner.skip()?;
                    if let Some(content) = content {
                        let start = out.len();
                        genai::put(out, content, disclosures, names)?;
                        self.note(out, start);
                    }
                    continue;
                }
                Some(b"content") => content = Some(scanner.clone().skip()?),
                _ => {}
            }
            self.path.clear();
            key.unescape(&mut self.path)?;
            self.dotted |= is_dotted(&self.path);
            self.member(out, scanner, 0)?;
        }
        if self.collide() {
            self.unique(out);
        }
        Ok(())
    }

    /// Notes the attributes that were written by convention from `start` on.
    fn note(&mut self, out: &[u8], start: usize) {
        let mut fields = Fields::new(&out[start..]);
        let mut at = start;
        while let Some((_, Field::Bytes(bytes))) = fields.next() {
            // What the host named itself comes first.
            self.given.push((at, usize::MAX));
            at += super::wire::field_len(bytes.len());
        }
        self.dotted = true;
        self.nested = true;
    }

    /// The member of `data` whose name is in `path`.
    fn member<'a>(
        &mut self,
        out: &mut Vec<u8>,
        scanner: &mut Scanner<'a>,
        depth: usize,
    ) -> Result<(), Malformed> {
        let token = scanner.token()?;
        if matches!(token, Token::Object) && depth < DEEPEST {
            self.nested = true;
            let base = self.path.len();
            let mut first = true;
            while let Some(key) = scanner.member(&mut first)? {
                if base > 0 {
                    self.path.push(b'.');
                }
                let name = self.path.len();
                key.unescape(&mut self.path)?;
                self.dotted |= is_dotted(&self.path[name..]);
                self.member(out, scanner, depth + 1)?;
                self.path.truncate(base);
            }
            return Ok(());
        }
        let start = out.len();
        put_attribute(out, &self.path, scanner, &token, &mut self.scratch)?;
        if is_reserved(&self.path) {
            out.truncate(start);
        } else if out.len() > start {
            self.given.push((start, depth));
        }
        Ok(())
    }

    /// Leaves of attributes with the same name only the least nested. Rare: most events never come here.
    fn unique(&mut self, out: &mut Vec<u8>) {
        let Some(&(start, _)) = self.given.first() else { return };
        let tail = out.split_off(start);
        let end = |i: usize| self.given.get(i + 1).map_or(tail.len(), |next| next.0 - start);
        let field = |i: usize| &tail[self.given[i].0 - start..end(i)];
        let mut order: Vec<usize> = (0..self.given.len()).collect();
        order.sort_by_key(|&i| (name_of(field(i)), self.given[i].1, i));
        order.dedup_by(|later, first| name_of(field(*later)) == name_of(field(*first)));
        order.sort_unstable();
        for i in order {
            out.extend_from_slice(field(i));
        }
    }
}

/// Whether a name could be that of a member of a flattened object.
fn is_dotted(name: &[u8]) -> bool {
    name.is_empty() || name.contains(&b'.')
}

/// Writes the value that `token` begins as an attribute.
fn put_attribute<'a>(
    out: &mut Vec<u8>,
    name: &[u8],
    scanner: &mut Scanner<'a>,
    token: &Token<'a>,
    scratch: &mut Vec<u8>,
) -> Result<(), Malformed> {
    match token {
        Token::Object | Token::Array => put_pair_nested(out, ATTRIBUTES, name, scanner, token, scratch),
        // An attribute without a value is no attribute.
        Token::Null => Ok(()),
        token => {
            put_pair(out, ATTRIBUTES, name, scalar(token, scratch)?);
            Ok(())
        }
    }
}

/// The key of an attribute as written.
fn name_of(field: &[u8]) -> &[u8] {
    let Some((_, Field::Bytes(pair))) = Fields::new(field).next() else { return &[] };
    let Some((_, Field::Bytes(key))) = Fields::new(pair).next() else { return &[] };
    key
}

/// Writes what a W3C `traceparent` holds; `false`, and nothing, if it is none.
fn put_trace(out: &mut Vec<u8>, traceparent: &[u8]) -> bool {
    let Some((trace, span, flags)) = parse_traceparent(traceparent) else { return false };
    put_head(out, TRACE_ID, trace.len());
    out.extend_from_slice(&trace);
    put_head(out, SPAN_ID, span.len());
    out.extend_from_slice(&span);
    out.push(FLAGS);
    out.extend_from_slice(&u32::from(flags).to_le_bytes());
    true
}

pub(super) fn parse_traceparent(text: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let well_formed = text.len() >= 55
        && (text.len() == 55 || text[55] == b'-')
        && [2, 35, 52].iter().all(|&at| text[at] == b'-')
        && text[..2] != *b"ff"
        && (text.len() == 55 || text[..2] != *b"00");
    if !well_formed {
        return None;
    }
    let _: [u8; 1] = hex::read(&text[..2])?;
    let trace = hex::read(&text[3..35])?;
    let span = hex::read(&text[36..52])?;
    let [flags] = hex::read(&text[53..55])?;
    (trace != [0; 16] && span != [0; 8]).then_some((trace, span, flags))
}
