//! Reads batches, of ours and of others, and gives back their lines.

use std::collections::HashMap;
use std::io::Read as _;

use super::{
    ABSENT, AROUND, ENTRY, FLAT_PATTERN, FLAT_RAW, FLAT_SCHEMA, FLAT_VALUES, ID, INTEGER, Layout, POSITIONS,
    RAW, STRING, STRUCTURED, STRUCTURED_PATTERN, STRUCTURED_VALUES, TEXT,
};
use crate::envelope::line::{Line, Reader};
use crate::sink::Envelope;
use crate::sinks::otlp::http::{Field, Fields};
use crate::sinks::stream::compact::{Bounds, Defect, MOST_EVENTS, Rebuilt};

/// The largest window of zstd that is read, as a power of 2.
const WINDOW: u32 = 23;
/// Values of one log at most.
const MOST_VALUES: usize = 1024;

/// The other end of a stream.
pub(crate) struct Decoder {
    layout: &'static Layout,
    /// Whether batches are compressed with zstd.
    zstd: bool,
    patterns: HashMap<u64, Pattern>,
    entries: HashMap<u64, Box<[u8]>>,
    bytes: usize,
    reader: Reader,
    bounds: Bounds,
}

struct Pattern {
    template: Box<[u8]>,
    /// Where values go, as bytes of the template, ascending.
    at: Vec<usize>,
}

impl Pattern {
    fn bytes(&self) -> usize {
        self.template.len() + 8 * self.at.len() + AROUND
    }
}

/// A value of a log.
enum Value<'a> {
    Integer(i64),
    Text(&'a [u8]),
    Entry(u64),
    /// Of a kind whose text nobody knows.
    Other,
}

const DEFECT_FORM: Defect = Defect("a batch is no sequence of datums");
const DEFECT_BACK: Defect = Defect("it refers to what is not there");
const DEFECT_STATE: Defect = Defect("the state of the stream would grow beyond what is allowed");
const DEFECT_LARGE: Defect = Defect("the batch is larger than allowed");

impl Decoder {
    /// A stream's decoder, before its first batch.
    pub(crate) fn new(layout: &'static Layout, zstd: bool, bounds: Bounds) -> Self {
        let (patterns, entries) = (HashMap::new(), HashMap::new());
        Self { layout, zstd, patterns, entries, bytes: 0, reader: Reader::default(), bounds }
    }

    /// Bytes of state, near enough.
    #[cfg(test)]
    pub(super) fn state_bytes(&self) -> usize {
        self.bytes
    }

    /// The lines of a batch.
    ///
    /// # Errors
    /// What is wrong with it: the stream cannot go on.
    pub(crate) fn decode(&mut self, batch: &[u8]) -> Result<Vec<Rebuilt>, Defect> {
        let sequence = if self.zstd { self.decompress(batch)? } else { batch.to_vec() };
        let (mut rebuilt, mut left, mut last) = (Vec::new(), self.bounds.batch, None);
        let mut fields = Fields::new(&sequence);
        for field in fields.by_ref() {
            let (1, Field::Bytes(datum)) = field else { continue };
            let mut within = Fields::new(datum);
            let Some((number, Field::Bytes(message))) = within.next() else { return Err(DEFECT_FORM) };
            let layout = self.layout;
            match u8::try_from(number) {
                Ok(n) if n == layout.pattern_define => last = Some(self.pattern(message)?),
                Ok(n) if n == layout.entry_define => self.entry(message)?,
                Ok(n) if n == layout.pattern_delete => {
                    let gone = self.patterns.remove(&id(message)?);
                    self.bytes -= gone.map_or(0, |gone| gone.bytes());
                }
                Ok(n) if n == layout.entry_delete => {
                    let gone = self.entries.remove(&id(message)?);
                    self.bytes -= gone.map_or(0, |gone| gone.len() + AROUND);
                }
                Ok(n) if n == layout.log => {
                    if rebuilt.len() == MOST_EVENTS {
                        return Err(DEFECT_LARGE);
                    }
                    let line = self.line(message, &mut last, left)?;
                    left = left.checked_sub(line.len() + 1).ok_or(DEFECT_LARGE)?;
                    rebuilt.push(self.read(line));
                }
                // Of JSON schemas lines cannot be rebuilt byte for byte: their logs are no envelopes.
                Ok(3 | 8) if layout.flat => {}
                _ => return Err(Defect("a datum that this intake does not read")),
            }
        }
        if fields.is_broken() {
            return Err(DEFECT_FORM);
        }
        Ok(rebuilt)
    }

    fn decompress(&self, batch: &[u8]) -> Result<Vec<u8>, Defect> {
        const BROKEN: Defect = Defect("zstd cannot read it");
        let mut zstd = zstd::stream::read::Decoder::with_buffer(batch).map_err(|_| BROKEN)?;
        zstd.window_log_max(WINDOW).map_err(|_| BROKEN)?;
        // Definitions and what is around values are more than the lines, in a first batch.
        let most = 2 * self.bounds.batch + (1 << 20);
        let mut out = Vec::new();
        zstd.take(most as u64 + 1).read_to_end(&mut out).map_err(|_| BROKEN)?;
        if out.len() > most { Err(DEFECT_LARGE) } else { Ok(out) }
    }

    fn read(&mut self, line: Vec<u8>) -> Rebuilt {
        let found = match self.reader.read(&line) {
            Line::Envelope(envelope) => Some(envelope.for_sink()),
            _ => None,
        };
        match found {
            Some(parts) => {
                Rebuilt::Envelope(Envelope::new(crate::sink::EnvelopeInner { bytes: line, ..parts }), None)
            }
            None => Rebuilt::Other(line.into_boxed_slice()),
        }
    }

    fn grow(&mut self, by: usize, less: usize) -> Result<(), Defect> {
        self.bytes = self.bytes + by - less;
        if self.bytes > self.bounds.state { Err(DEFECT_STATE) } else { Ok(()) }
    }

    /// Defines a pattern, or another of the same id; answers that.
    fn pattern(&mut self, message: &[u8]) -> Result<u64, Defect> {
        let (mut id, mut template, mut places) = (0, &[][..], Vec::new());
        let mut fields = Fields::new(message);
        for (number, field) in fields.by_ref() {
            match (u8::try_from(number), field) {
                (Ok(ID), Field::Varint(value)) => id = value,
                (Ok(TEXT), Field::Bytes(text)) => template = text,
                (Ok(POSITIONS), Field::Varint(place)) => places.push(place),
                (Ok(POSITIONS), Field::Bytes(packed)) => {
                    let mut packed = packed;
                    while !packed.is_empty() {
                        places.push(varint_of(&mut packed)?);
                        if places.len() > MOST_VALUES {
                            return Err(DEFECT_STATE);
                        }
                    }
                }
                _ => {}
            }
        }
        if fields.is_broken() || places.len() > MOST_VALUES {
            return Err(DEFECT_FORM);
        }
        let text = std::str::from_utf8(template).map_err(|_| DEFECT_FORM)?;
        // Characters, of which each may be several bytes.
        let mut at = Vec::with_capacity(places.len());
        let (mut before, mut from) = (0, 0);
        for place in places {
            let more = usize::try_from(place).ok().and_then(|place| place.checked_sub(before));
            let more = more.ok_or(DEFECT_FORM)?;
            let rest = &text[from..];
            from += match rest.is_ascii() {
                true if more <= rest.len() => more,
                true => return Err(DEFECT_FORM),
                false => {
                    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
                    ends.nth(more).ok_or(DEFECT_FORM)?
                }
            };
            before += more;
            at.push(from);
        }
        let pattern = Pattern { template: template.into(), at };
        let by = pattern.bytes();
        let gone = self.patterns.insert(id, pattern).map_or(0, |gone| gone.bytes());
        self.grow(by, gone)?;
        Ok(id)
    }

    fn entry(&mut self, message: &[u8]) -> Result<(), Defect> {
        let (mut id, mut value) = (0, &[][..]);
        let mut fields = Fields::new(message);
        for (number, field) in fields.by_ref() {
            match (u8::try_from(number), field) {
                (Ok(ID), Field::Varint(number)) => id = number,
                (Ok(TEXT), Field::Bytes(text)) => value = text,
                _ => {}
            }
        }
        if fields.is_broken() || id == 0 {
            return Err(DEFECT_FORM);
        }
        let gone = self.entries.insert(id, value.into()).map_or(0, |gone| gone.len() + AROUND);
        self.grow(value.len() + AROUND, gone)
    }

    /// The text of a log; empty where nobody can know it.
    fn line(&self, log: &[u8], last: &mut Option<u64>, most: usize) -> Result<Vec<u8>, Defect> {
        let mut parts = Parts::default();
        let mut fields = Fields::new(log);
        for (number, field) in fields.by_ref() {
            let number = u8::try_from(number).unwrap_or_default();
            match (self.layout.flat, number, field) {
                (false, RAW, Field::Bytes(raw)) | (true, FLAT_RAW, Field::Bytes(raw)) => {
                    parts.raw = Some(raw);
                }
                (false, STRUCTURED, Field::Bytes(message)) => parts.structured(message)?,
                (true, FLAT_PATTERN, Field::Varint(id)) => parts.pattern = id,
                (true, FLAT_VALUES, Field::Bytes(message)) => parts.value(message)?,
                (true, FLAT_SCHEMA, Field::Varint(id)) => parts.foreign |= id != 0 && id != ABSENT,
                _ => {}
            }
        }
        if fields.is_broken() {
            return Err(DEFECT_FORM);
        }
        if let Some(raw) = parts.raw {
            return Ok(raw.into());
        }
        if parts.pattern != 0 {
            *last = Some(parts.pattern);
        }
        let pattern = last.and_then(|id| self.patterns.get(&id)).ok_or(DEFECT_BACK)?;
        if pattern.at.len() != parts.values.len() {
            return Err(Defect("a log has more or fewer values than its pattern has places"));
        }
        let (mut line, mut from) = (Vec::new(), 0);
        for (at, value) in pattern.at.iter().zip(&parts.values) {
            line.extend_from_slice(&pattern.template[from..*at]);
            from = *at;
            match value {
                Value::Integer(number) => {
                    line.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
                }
                Value::Text(text) => line.extend_from_slice(text),
                Value::Entry(id) => line.extend_from_slice(self.entries.get(id).ok_or(DEFECT_BACK)?),
                Value::Other => parts.foreign = true,
            }
            if line.len() > most {
                return Err(DEFECT_LARGE);
            }
        }
        line.extend_from_slice(&pattern.template[from..]);
        if parts.foreign {
            line.clear();
        }
        Ok(line)
    }
}

/// What a log says of its line.
#[derive(Default)]
struct Parts<'a> {
    raw: Option<&'a [u8]>,
    pattern: u64,
    values: Vec<Value<'a>>,
    /// It has parts from which no line can be rebuilt byte for byte.
    foreign: bool,
}

impl<'a> Parts<'a> {
    fn structured(&mut self, message: &'a [u8]) -> Result<(), Defect> {
        let mut fields = Fields::new(message);
        for (number, field) in fields.by_ref() {
            match (u8::try_from(number), field) {
                (Ok(STRUCTURED_PATTERN), Field::Varint(id)) => self.pattern = id,
                (Ok(STRUCTURED_VALUES), Field::Bytes(message)) => self.value(message)?,
                _ => self.foreign = true,
            }
        }
        if fields.is_broken() { Err(DEFECT_FORM) } else { Ok(()) }
    }

    fn value(&mut self, message: &'a [u8]) -> Result<(), Defect> {
        if self.values.len() == MOST_VALUES {
            return Err(DEFECT_LARGE);
        }
        let mut value = Value::Other;
        let mut fields = Fields::new(message);
        for (number, field) in fields.by_ref() {
            value = match (u8::try_from(number), field) {
                (Ok(INTEGER), Field::Varint(number)) => Value::Integer(number.cast_signed()),
                (Ok(STRING), Field::Bytes(text)) => Value::Text(text),
                (Ok(ENTRY), Field::Varint(id)) => Value::Entry(id),
                _ => Value::Other,
            };
        }
        self.values.push(value);
        if fields.is_broken() { Err(DEFECT_FORM) } else { Ok(()) }
    }
}

fn id(message: &[u8]) -> Result<u64, Defect> {
    let mut fields = Fields::new(message);
    match fields.next() {
        Some((1, Field::Varint(id))) => Ok(id),
        _ => Err(DEFECT_FORM),
    }
}

fn varint_of(bytes: &mut &[u8]) -> Result<u64, Defect> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(DEFECT_FORM)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DEFECT_FORM)
}
