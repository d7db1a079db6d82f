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

use super::OtlpBody;
use crate::hex;
use crate::sink::Envelope;

use super::genai;
use super::repeat::{Found, Repeats};
use super::scan::{Malformed, Scanner, Token};
use super::semconv::Names;
use super::value::{DEEPEST, Scalar, put_pair, put_pair_nested, put_string, put_value, scalar};
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

/// Writes records; keeps its buffers.
#[derive(Default)]
pub(super) struct RecordWriter {
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
    /// Of the envelope's own members, and of those of `data`.
    of_line: Repeats,
    of_data: Repeats,
}

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

        let mut scanner = Scanner::new(&envelope.bytes);
        let Token::Object = scanner.token()? else { return Err(Malformed) };
        let mut first = true;
        while let Some(key) = scanner.member(&mut first)? {
            // Attribute names of CloudEvents have nothing to escape.
            let key = key.plain().ok_or(Malformed)?;
            if key == b"data" {
                self.data(out, &mut scanner, names)?;
                continue;
            }
            let (start, rest) = (out.len(), scanner.rest());
            let place = match self.of_line.find(key, rest) {
                Found::Same { len, written, .. } => {
                    out.extend_from_slice(written);
                    scanner.pass(len);
                    continue;
                }
                Found::Other(place) => place,
            };
            let token = scanner.token()?;
            match key {
                b"time" | b"recordedtime" | b"severitynumber" => {}
                b"severitytext" => put_bytes(out, SEVERITY_TEXT, token.text(&mut self.scratch)?),
                b"traceparent" if put_trace(out, token.text(&mut self.scratch)?) => {}
                _ => {
                    if key == b"type" {
                        put_bytes(out, EVENT_NAME, token.text(&mut self.scratch)?);
                    }
                    let name = match names.envelope(key) {
                        Some(name) => name,
                        None => {
                            self.path.clear();
                            self.path.extend_from_slice(b"sinkwell.");
                            self.path.extend_from_slice(key);
                            &self.path
                        }
                    };
                    put_attribute(out, name, &mut scanner, &token, &mut self.scratch)?;
                }
            }
            if let Some(place) = place
                && token.is_scalar()
            {
                let value = &rest[..rest.len() - scanner.rest().len()];
                self.of_line.keep(place, key, value, &out[start..], false);
            }
        }
        if !scanner.ended() {
            return Err(Malformed);
        }
        // What a receiver de-duplicates by, and what is the same in every lane: nobody has to hash for them.
        for (name, value) in
            [(&b"sinkwell.hash"[..], &envelope.hash), (&b"sinkwell.event.digest"[..], &envelope.digest)]
        {
            self.scratch.clear();
            hex::push(&mut self.scratch, value);
            put_pair(out, ATTRIBUTES, name, Scalar::String(&self.scratch));
        }
        match body {
            OtlpBody::String => put_string(out, BODY, &envelope.bytes),
            OtlpBody::Map => {
                let mut scanner = Scanner::new(&envelope.bytes);
                let token = scanner.token()?;
                put_value(out, BODY, &mut scanner, &token, 0, &mut self.scratch)?;
            }
            OtlpBody::None => {}
        }
        Ok(())
    }

    fn data<'a>(
        &mut self,
        out: &mut Vec<u8>,
        scanner: &mut Scanner<'a>,
        names: &Names,
    ) -> Result<(), Malformed> {
        self.path.clear();
        self.given.clear();
        self.dotted = false;
        self.nested = false;
        let Token::Object = scanner.token()? else { return Err(Malformed) };
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
            let (start, rest) = (out.len(), scanner.rest());
            let place = match self.of_data.find(key.written(), rest) {
                Found::Same { len, written, dotted } => {
                    out.extend_from_slice(written);
                    if !written.is_empty() {
                        self.given.push((start, 0));
                    }
                    self.dotted |= dotted;
                    scanner.pass(len);
                    continue;
                }
                Found::Other(place) => place,
            };
            self.path.clear();
            key.unescape(&mut self.path)?;
            let dotted = self.path.is_empty() || self.path.contains(&b'.');
            self.dotted |= dotted;
            self.member(out, scanner, 0)?;
            if let Some(place) = place
                && !matches!(rest.first(), Some(b'{' | b'['))
            {
                let value = &rest[..rest.len() - scanner.rest().len()];
                self.of_data.keep(place, key.written(), value, &out[start..], dotted);
            }
        }
        if self.dotted && self.nested {
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
                self.dotted |= self.path[name..].is_empty() || self.path[name..].contains(&b'.');
                self.member(out, scanner, depth + 1)?;
                self.path.truncate(base);
            }
            return Ok(());
        }
        let start = out.len();
        put_attribute(out, &self.path, scanner, &token, &mut self.scratch)?;
        if self.path.is_empty()
            || self.path.starts_with(b"cloudevents.")
            || self.path.starts_with(b"sinkwell.")
        {
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
