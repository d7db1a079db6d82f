//! Writes batches.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use zstd::bulk::Compressor;

use super::{
    ABSENT, AROUND, ENTRY, FLAT_PATTERN, FLAT_RAW, FLAT_SCHEMA, FLAT_SERVICE, FLAT_STATUS, FLAT_TAGS,
    FLAT_VALUES, ID, INTEGER, Layout, MOST_STATE, PARAMETERS, POSITIONS, RAW, STRING, STRUCTURED,
    STRUCTURED_PATTERN, STRUCTURED_VALUES, TAGS, TEXT, TIMESTAMP, bytes, varint,
};
use crate::sink::Envelope;
use crate::sinks::otlp::http::{put_bytes, put_varint};
use crate::sinks::stream::compact::walk::{How, Kind, Leaf, Parsed, Walk};

/// The level of zstd.
const LEVEL: i32 = 6;
/// A text no longer than this is defined when it comes for the second time, a longer one for the third.
const SHORT: usize = 24;
/// A text longer than this is never defined.
const LONGEST: usize = 4096;
/// Of how many texts it is known how often they came.
const MOST_SEEN: usize = 16 * 1024;
/// Ids below are taken: 0 is as before, 1 is none.
const FIRST: u64 = 2;

/// One end of a stream: what it has defined, the other end knows.
pub(in crate::sinks::stream) struct Encoder {
    layout: &'static Layout,
    tags: Box<str>,
    walk: Walk,
    zstd: Compressor<'static>,
    state: State,
    /// Ids are never given twice.
    next: u64,
    /// Bytes of the last batch before compression.
    pub(in crate::sinks::stream) uncompressed: usize,
    /// Patterns and entries that were ever defined.
    pub(in crate::sinks::stream) defined: u64,
}

#[derive(Default)]
struct State {
    /// By skeleton.
    patterns: HashMap<Box<[u8]>, u64>,
    entries: HashMap<Box<[u8]>, u64>,
    seen: HashMap<u64, u8>,
    bytes: usize,
}

/// What a log leaves out because it is as in the one before, within a batch.
#[derive(Default)]
struct Before {
    time: Option<i64>,
    pattern: Option<u64>,
    told: bool,
}

impl Encoder {
    /// A stream's encoder, before its first batch. `tags` go with every log.
    ///
    /// # Errors
    /// zstd has no memory.
    pub(in crate::sinks::stream) fn new(layout: &'static Layout, tags: &str) -> io::Result<Self> {
        Ok(Self {
            layout,
            tags: tags.into(),
            walk: Walk::default(),
            zstd: Compressor::new(LEVEL)?,
            state: State::default(),
            next: FIRST,
            uncompressed: 0,
            defined: 0,
        })
    }

    /// Patterns and entries that it refers to.
    pub(in crate::sinks::stream) fn live(&self) -> u64 {
        (self.state.patterns.len() + self.state.entries.len()) as u64
    }

    /// Bytes of state, near enough.
    pub(in crate::sinks::stream) fn state_bytes(&self) -> usize {
        self.state.bytes + self.state.seen.len() * 16
    }

    /// The bytes of a batch.
    ///
    /// # Errors
    /// zstd failed, and with it the stream.
    pub(in crate::sinks::stream) fn encode(&mut self, batch: &[Envelope]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        if self.state.bytes > MOST_STATE {
            self.begin_afresh(&mut out);
        }
        let mut before = Before::default();
        for envelope in batch {
            self.log(envelope, &mut before, &mut out);
        }
        self.uncompressed = out.len();
        self.zstd.compress(&out)
    }

    /// Deletes whatever was defined.
    fn begin_afresh(&mut self, out: &mut Vec<u8>) {
        let State { patterns, entries, .. } = std::mem::take(&mut self.state);
        let gone = |number: u8, id: u64, out: &mut Vec<u8>| {
            let mut message = vec![varint(ID)];
            put_varint(&mut message, id);
            datum(out, number, &message);
        };
        patterns.into_values().for_each(|id| gone(self.layout.pattern_delete, id, out));
        entries.into_values().for_each(|id| gone(self.layout.entry_delete, id, out));
    }

    fn log(&mut self, envelope: &Envelope, before: &mut Before, out: &mut Vec<u8>) {
        let line = &envelope.bytes;
        // Milliseconds; none of them is 0, which would be no time.
        let time = envelope.time.div_euclid(1_000_000);
        let delta = before.time.map_or(time, |before| time - before);
        before.time = Some(time);
        let mut log = Vec::with_capacity(256);
        if delta != 0 {
            log.push(varint(TIMESTAMP));
            put_varint(&mut log, ((delta << 1) ^ (delta >> 63)).cast_unsigned());
        }
        let pattern = self.pattern(line, out);
        if !std::mem::replace(&mut before.told, true) {
            let tags = self.tags.clone();
            let tags = self.entry(tags.as_bytes(), out);
            if self.layout.flat {
                for (field, id) in
                    [(FLAT_STATUS, ABSENT), (FLAT_SERVICE, ABSENT), (FLAT_TAGS, tags), (FLAT_SCHEMA, ABSENT)]
                {
                    log.push(varint(field));
                    put_varint(&mut log, id);
                }
            } else {
                let mut value = vec![varint(ENTRY)];
                put_varint(&mut value, tags);
                let mut set = Vec::new();
                put_bytes(&mut set, bytes(1), &value);
                put_bytes(&mut log, bytes(TAGS), &set);
            }
        }
        match pattern {
            None => put_bytes(&mut log, bytes(if self.layout.flat { FLAT_RAW } else { RAW }), line),
            Some(id) => {
                let mut within = Vec::new();
                let (to, pattern, values) = match self.layout.flat {
                    true => (&mut log, FLAT_PATTERN, FLAT_VALUES),
                    false => (&mut within, STRUCTURED_PATTERN, STRUCTURED_VALUES),
                };
                if before.pattern.replace(id) != Some(id) {
                    to.push(varint(pattern));
                    put_varint(to, id);
                }
                let leaves = std::mem::take(&mut self.walk.leaves);
                for leaf in &leaves {
                    self.value(leaf, line, bytes(values), to, out);
                }
                self.walk.leaves = leaves;
                if !self.layout.flat {
                    put_bytes(&mut log, bytes(STRUCTURED), &within);
                }
            }
        }
        datum(out, self.layout.log, &log);
    }

    /// The pattern of a line, which is now split; `None`: it goes as it is.
    fn pattern(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<u64> {
        for coarse in [false, true] {
            if !self.walk.run(line, How { coarse, paths: false }) {
                continue;
            }
            if let Some(&id) = self.state.patterns.get(&*self.walk.skeleton) {
                return Some(id);
            }
            // A wealth of patterns is none that pays. Places are counted in characters, which are bytes only in ASCII.
            let crowded = self.state.patterns.len() >= if coarse { 1024 } else { 512 };
            if !crowded && self.walk.skeleton.is_ascii() {
                return Some(self.define(line, out));
            }
        }
        None
    }

    fn define(&mut self, line: &[u8], out: &mut Vec<u8>) -> u64 {
        let id = self.id();
        let (mut template, mut positions, mut at) = (Vec::new(), Vec::new(), 0);
        for leaf in &self.walk.leaves {
            template.extend_from_slice(&line[at..leaf.at.start]);
            put_varint(&mut positions, template.len() as u64);
            at = leaf.at.end;
        }
        template.extend_from_slice(&line[at..]);
        let mut message = vec![varint(ID)];
        put_varint(&mut message, id);
        put_bytes(&mut message, bytes(TEXT), &template);
        message.push(varint(PARAMETERS));
        put_varint(&mut message, self.walk.leaves.len() as u64);
        put_bytes(&mut message, bytes(POSITIONS), &positions);
        datum(out, self.layout.pattern_define, &message);
        self.state.bytes += self.walk.skeleton.len() + 8 * self.walk.leaves.len() + AROUND;
        self.state.patterns.insert(self.walk.skeleton.as_slice().into(), id);
        id
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.defined += 1;
        self.next - 1
    }

    fn value(&mut self, leaf: &Leaf, line: &[u8], tag: u8, to: &mut Vec<u8>, out: &mut Vec<u8>) {
        let text = &line[leaf.at.clone()];
        let mut value = Vec::with_capacity(text.len() + 4);
        match leaf.parsed {
            Parsed::Number(number) if number.scale == 0 => {
                value.push(varint(INTEGER));
                put_varint(&mut value, number.mantissa.cast_unsigned());
            }
            _ => match self.known(text, leaf.kind, out) {
                Some(id) => {
                    value.push(varint(ENTRY));
                    put_varint(&mut value, id);
                }
                None => put_bytes(&mut value, bytes(STRING), text),
            },
        }
        put_bytes(to, tag, &value);
    }

    /// The entry of a text, which may become one now.
    fn known(&mut self, text: &[u8], kind: Kind, out: &mut Vec<u8>) -> Option<u64> {
        // What never comes again, and what is as short as a reference.
        if matches!(kind, Kind::Base64 | Kind::Previous | Kind::Sequence) || text.len() < 3 {
            return None;
        }
        if let Some(&id) = self.state.entries.get(text) {
            return Some(id);
        }
        let mut hash = DefaultHasher::new();
        text.hash(&mut hash);
        if self.state.seen.len() >= MOST_SEEN {
            self.state.seen.clear();
        }
        let seen = self.state.seen.entry(hash.finish()).or_insert(0);
        *seen += 1;
        let often = *seen >= if text.len() <= SHORT { 2 } else { 3 };
        (often && text.len() <= LONGEST).then(|| self.entry(text, out))
    }

    fn entry(&mut self, text: &[u8], out: &mut Vec<u8>) -> u64 {
        if let Some(&id) = self.state.entries.get(text) {
            return id;
        }
        let id = self.id();
        let mut message = vec![varint(ID)];
        put_varint(&mut message, id);
        put_bytes(&mut message, bytes(TEXT), text);
        datum(out, self.layout.entry_define, &message);
        self.state.bytes += text.len() + AROUND;
        self.state.entries.insert(text.into(), id);
        id
    }
}

/// Appends a datum to a sequence of them.
fn datum(out: &mut Vec<u8>, number: u8, message: &[u8]) {
    let mut datum = Vec::with_capacity(message.len() + 4);
    put_bytes(&mut datum, bytes(number), message);
    put_bytes(out, bytes(1), &datum);
}
