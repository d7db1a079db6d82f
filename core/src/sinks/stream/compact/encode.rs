//! Writes batches.
//!
//! Guarantees: every line is sent, as columns or as it is; a batch that is too large is refused before anything of the
//! encoder's state has changed. State is bounded: at [`MOST_STATE`] it begins afresh.

use std::hash::BuildHasher as _;
use std::io;

use foldhash::fast::{FixedState, RandomState};
use zstd::stream::raw::{CParameter, Encoder as Zstd, InBuffer, Operation, OutBuffer};

use super::bits::{BitWriter, class, put_varint, zigzag};
use super::table::{
    BY_DIFFERENCE, BY_ENTRY, BY_VALUE, CHAIN, Decimal, ENTRY, FARTHEST, HEX_BACK, Kind, MOST_NUMBERS, NEAR,
    NEW, NUMBER_BACK, ONCE, PLAIN, RESET, SAME, SCALES, TEXT_BACK, UUID_BACK, V7_BITS, v7_parts,
};
use super::walk::{How, Leaf, Parsed, Walk};
use super::{AROUND, MOST_COLUMNS, MOST_EVENTS, MOST_SCHEMAS, MOST_STATE, PLACE, SMALL, WINDOW, checked};
use crate::seam::Uuid;
use crate::sink::{Envelope, EnvelopeHash};

type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// The level of zstd: columns are small, so that a high one costs little.
const LEVEL: i32 = 6;
/// A text no longer than this is kept when it is first seen.
const SHORT: usize = 48;
/// A longer one when it is seen so often.
const SIGHTINGS: u8 = 3;
/// A text longer than this is never kept.
const LONGEST: usize = 4096;
/// Of how many long texts it is known how often they were seen.
const MOST_SEEN: usize = 4096;
/// New schemas of one batch; what needs more is sent with `data` as it is written.
const MOST_NEW: usize = 128;
/// Most streams whose heads are known.
const MOST_STREAMS: usize = 4096;
/// Most digits of a value that is hexadecimal.
const MOST_DIGITS: usize = 128;
/// For so many values a place keeps the room from batch to batch: there are many places.
const KEPT: usize = 64;

/// A batch is larger than the peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// One end of a stream: what it has sent, the other end knows.
pub(crate) struct Encoder {
    state: State,
    zstd: Zstd<'static>,
    walk: Walk,
    /// Whether the next batch begins with empty state.
    reset: bool,
    /// Bytes of the last batch before compression.
    pub(crate) uncompressed: usize,
    /// Schemas and entries of dictionaries that were ever defined.
    pub(crate) defined: u64,
}

#[derive(Default)]
struct State {
    schemas: Vec<Schema>,
    by_skeleton: HashMap<Box<[u8]>, usize>,
    columns: Vec<Column>,
    by_path: HashMap<(Kind, u64), usize>,
    streams: HashMap<Uuid, (u64, EnvelopeHash)>,
    bytes: usize,
    /// Schemas and entries.
    live: u64,
}

struct Schema {
    places: Vec<Place>,
    /// The place of the event's time, and of its stream.
    in_batch: u32,
}

/// What a place of a schema remembers, and what it has to send of this batch.
struct Place {
    kind: Kind,
    length: u8,
    column: usize,
    last: Vec<u8>,
    number: Decimal,
    entries: Vec<Decimal>,
    out: Out,
}

#[derive(Default)]
struct Out {
    varies: bool,
    codes: Vec<u64>,
    text: Vec<u8>,
    raw: Vec<u8>,
    bits: Vec<(u128, u8)>,
    numbers: Vec<Decimal>,
}

#[derive(Default)]
struct Column {
    /// Texts.
    entries: HashMap<Box<[u8]>, usize>,
    seen: HashMap<u64, u8>,
    /// Ids and digests: how many there were, and where each was last.
    ids: HashMap<[u8; 16], u64>,
    long: HashMap<Box<[u8]>, u64>,
    count: u64,
    near: u128,
    random: u128,
    time: i64,
}

impl Encoder {
    /// A stream's encoder, before its first batch.
    ///
    /// # Errors
    /// zstd has no memory.
    pub(crate) fn new() -> io::Result<Self> {
        Self::at_level(LEVEL)
    }

    pub(super) fn at_level(level: i32) -> io::Result<Self> {
        let mut zstd = Zstd::new(level)?;
        zstd.set_parameter(CParameter::WindowLog(WINDOW))?;
        Ok(Self {
            state: State::default(),
            zstd,
            walk: Walk::default(),
            reset: true,
            uncompressed: 0,
            defined: 0,
        })
    }

    /// Schemas and entries of dictionaries that it refers to.
    pub(crate) fn live(&self) -> u64 {
        self.state.live
    }

    /// Bytes of state, near enough.
    pub(crate) fn state_bytes(&self) -> usize {
        self.state.bytes
    }

    /// The bytes of a batch.
    ///
    /// # Errors
    /// `Ok(Err(TooLarge))`: lines of more than `most` bytes; nothing has changed. Else zstd failed, and with it the
    /// stream.
    pub(crate) fn encode(
        &mut self,
        batch: &[Envelope],
        most: usize,
    ) -> io::Result<Result<Vec<u8>, TooLarge>> {
        let size: usize = batch.iter().map(|envelope| envelope.bytes.len() + 1).sum();
        if size > most || batch.len() > MOST_EVENTS {
            return Ok(Err(TooLarge));
        }
        let reset = std::mem::take(&mut self.reset) || self.state.bytes > MOST_STATE;
        if reset {
            self.state = State::default();
        }
        let before = self.live();
        let mut plain = vec![if reset { RESET } else { 0 }];
        let mut defined = Vec::new();
        let (mut new, mut order) = (0, Vec::with_capacity(batch.len()));
        let mut literal = Vec::new();
        let mut check = 0;
        for envelope in batch {
            let line = &envelope.bytes;
            check = checked(check, line);
            let schema = self.schema(line, &mut defined, &mut new);
            order.push(schema.map_or(0, |schema| schema + 1));
            match schema {
                Some(schema) => self.event(schema, line),
                None => {
                    put_varint(&mut literal, line.len() as u64);
                    literal.extend_from_slice(line);
                }
            }
            self.state.streams.insert(envelope.streamid, (envelope.sequence, envelope.hash));
        }
        // The decoder keeps as many: so many are a reason to begin afresh.
        self.reset = self.state.streams.len() > MOST_STREAMS;
        put_varint(&mut plain, new as u64);
        plain.append(&mut defined);
        put_varint(&mut plain, batch.len() as u64);
        order.iter().for_each(|&number| put_varint(&mut plain, number as u64));
        let (mut raw, mut bits) = (Vec::new(), BitWriter::default());
        let schemas = &mut self.state.schemas;
        for number in &order {
            if let Some(schema) = number.checked_sub(1).map(|number| &mut schemas[number])
                && std::mem::take(&mut schema.in_batch) > 0
            {
                self.state.bytes += schema.write(&mut plain, &mut raw, &mut bits);
            }
        }
        plain.append(&mut literal);
        self.defined += self.live() - before;
        let compressed = self.compress(&plain)?;
        let mut out = Vec::with_capacity(compressed.len() + raw.len() + 64);
        out.extend_from_slice(&check.to_le_bytes());
        put_varint(&mut out, compressed.len() as u64);
        out.extend_from_slice(&compressed);
        put_varint(&mut out, raw.len() as u64);
        out.append(&mut raw);
        let mut bits = bits.finish();
        self.uncompressed = out.len() - compressed.len() + plain.len() + bits.len();
        out.append(&mut bits);
        Ok(Ok(out))
    }

    fn compress(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = vec![0; zstd::zstd_safe::compress_bound(plain.len()) + 64];
        let mut at = 0;
        let mut input = InBuffer::around(plain);
        while input.pos() < plain.len() {
            let mut output = OutBuffer::around_pos(&mut out[..], at);
            self.zstd.run(&mut input, &mut output)?;
            at = output.pos();
            if at == out.len() {
                out.resize(at * 2, 0);
            }
        }
        loop {
            let mut output = OutBuffer::around_pos(&mut out[..], at);
            let left = self.zstd.flush(&mut output)?;
            at = output.pos();
            if left == 0 {
                break;
            }
            out.resize(out.len() * 2, 0);
        }
        out.truncate(at);
        Ok(out)
    }

    /// The schema of a line, which is now split; `None`: it goes as it is.
    fn schema(&mut self, line: &[u8], defined: &mut Vec<u8>, new: &mut usize) -> Option<usize> {
        for coarse in [false, true] {
            if !self.walk.run(line, How { coarse, paths: false }) {
                continue;
            }
            if let Some(&schema) = self.state.by_skeleton.get(&*self.walk.skeleton) {
                return Some(schema);
            }
            // A wealth of shapes is none that pays: it goes coarsely, and what is new even so goes as it is.
            let most = if coarse { 2 * MOST_NEW } else { MOST_NEW };
            let crowded = self.state.schemas.len() >= MOST_SCHEMAS / if coarse { 1 } else { 2 };
            if *new < most && !crowded && self.state.columns.len() + self.walk.leaves.len() < MOST_COLUMNS {
                *new += 1;
                // Which members they are is asked only now.
                self.walk.run(line, How { coarse, paths: true });
                return Some(self.state.define(&self.walk, defined));
            }
        }
        None
    }

    /// Notes what is to be sent of an event, which was split last.
    fn event(&mut self, schema: usize, line: &[u8]) {
        let State { schemas, columns, streams, bytes, live, .. } = &mut self.state;
        let schema = &mut schemas[schema];
        schema.in_batch += 1;
        let leaves = &self.walk.leaves;
        // What others refer to comes first.
        let (mut time, mut stream) = (0, None);
        for leaf in leaves {
            match (leaf.kind, leaf.parsed) {
                (Kind::EventTime, Parsed::Time(at)) => time = at,
                (Kind::Stream, Parsed::Uuid(uuid)) => stream = Some(Uuid(uuid)),
                _ => {}
            }
        }
        let head = stream.and_then(|stream| streams.get(&stream));
        for (place, leaf) in schema.places.iter_mut().zip(leaves) {
            let text = &line[leaf.at.clone()];
            let column = &mut columns[place.column];
            match (leaf.kind, leaf.parsed) {
                (Kind::Text | Kind::Json, _) => *live += u64::from(place.text(column, text, bytes)),
                (Kind::Number, Parsed::Number(number)) => place.out.numbers.push(number),
                (Kind::Bool, Parsed::Bool(yes)) => place.bool(yes),
                (Kind::EventTime | Kind::Time, Parsed::Time(at)) => {
                    let difference = at.wrapping_sub(column.time);
                    column.time = at;
                    place.difference(difference);
                }
                (Kind::Uuid | Kind::Stream, Parsed::Uuid(uuid)) => place.uuid(column, &uuid, time, bytes),
                (Kind::Hex, _) => place.hex(column, text, bytes),
                (Kind::Base64, _) => place.base64(text),
                (Kind::Sequence, Parsed::Sequence(number)) => {
                    let expected = head.map_or(0, |head| head.0) + 1;
                    place.difference(number.cast_signed() - expected.cast_signed());
                }
                (Kind::Previous, _) => {
                    let hash: Option<EnvelopeHash> = crate::hex::read(text);
                    match (hash, head) {
                        (Some(hash), Some(head)) if head.1 == hash => place.out.codes.push(SAME),
                        (hash, _) => {
                            place.out.varies = true;
                            place.out.codes.push(NEW);
                            place.out.raw.extend_from_slice(&hash.unwrap_or_default());
                        }
                    }
                }
                // A kind has what it parses to.
                _ => {}
            }
        }
    }
}

impl State {
    fn define(&mut self, walk: &Walk, defined: &mut Vec<u8>) -> usize {
        put_varint(defined, walk.skeleton.len() as u64);
        defined.extend_from_slice(&walk.skeleton);
        let mut places = Vec::with_capacity(walk.leaves.len());
        for leaf in &walk.leaves {
            let column = self.column(leaf);
            put_varint(defined, column as u64);
            let length = if let Parsed::Bytes(count) = leaf.parsed { count } else { 0 };
            places.push(Place {
                kind: leaf.kind,
                length,
                column,
                last: Vec::new(),
                number: Decimal::default(),
                entries: Vec::new(),
                out: Out::default(),
            });
        }
        self.bytes += walk.skeleton.len() + PLACE * (places.len() + 1);
        self.live += 1;
        let number = self.schemas.len();
        self.schemas.push(Schema { places, in_batch: 0 });
        self.by_skeleton.insert(walk.skeleton.as_slice().into(), number);
        number
    }

    /// The column of a value: ids and digests of one length share one, so that they can refer to each other.
    fn column(&mut self, leaf: &Leaf) -> usize {
        let (kind, path) = match (leaf.kind, leaf.parsed) {
            (kind @ (Kind::Uuid | Kind::Stream), _) => (kind, 0),
            (Kind::Hex, Parsed::Bytes(count)) => (Kind::Hex, count.into()),
            (kind, _) => (kind, leaf.path),
        };
        let next = self.columns.len();
        let number = *self.by_path.entry((kind, path)).or_insert(next);
        if number == next {
            self.columns.push(Column::default());
            self.bytes += AROUND;
        }
        number
    }
}

impl Place {
    fn code(&mut self, code: u64) {
        self.out.varies |= code != SAME;
        self.out.codes.push(code);
    }

    /// Whether that made an entry.
    fn text(&mut self, column: &mut Column, text: &[u8], bytes: &mut usize) -> bool {
        if self.last == text {
            self.code(SAME);
            return false;
        }
        *bytes = (*bytes + text.len()).saturating_sub(self.last.len());
        refill(&mut self.last, text);
        if let Some(&entry) = column.entries.get(text) {
            self.code((column.entries.len() - 1 - entry) as u64 + TEXT_BACK);
            return false;
        }
        let keep = text.len() <= SHORT || (text.len() <= LONGEST && column.seen_often(text, bytes));
        self.code(if keep { ENTRY } else { ONCE });
        put_varint(&mut self.out.text, text.len() as u64);
        self.out.text.extend_from_slice(text);
        if keep {
            column.entries.insert(text.into(), column.entries.len());
            *bytes += text.len() + AROUND;
        }
        keep
    }

    fn bool(&mut self, yes: bool) {
        let same = self.last.first().is_some_and(|&last| last == u8::from(yes));
        // The first is sent, whatever it is.
        self.out.varies |= !same;
        refill(&mut self.last, &[yes.into()]);
        self.out.codes.push(yes.into());
    }

    fn difference(&mut self, difference: i64) {
        let value = zigzag(difference);
        self.out.varies |= value != 0;
        self.out.codes.push(class(value).into());
        self.out.bits.push((value.into(), class(value).saturating_sub(1)));
    }

    fn uuid(&mut self, column: &mut Column, uuid: &[u8; 16], time: i64, bytes: &mut usize) {
        if self.last == uuid {
            return self.code(SAME);
        }
        refill(&mut self.last, uuid);
        let back =
            column.ids.get(uuid).map(|at| column.count - 1 - at).filter(|&back| back < FARTHEST as u64);
        match (back, v7_parts(uuid)) {
            (Some(back), _) => self.code(back + UUID_BACK),
            (None, Some((millis, random))) => {
                // Neighbours of a counter, rather than chance. Ids of others, between them, break no chain.
                let near = |before: u128| {
                    let near = i64::try_from(random.cast_signed() - before.cast_signed()).ok();
                    near.filter(|near| near.unsigned_abs() < 1 << 24)
                };
                let found = near(column.near).map(|near| (NEAR, near));
                let found = found.or_else(|| near(column.random).map(|near| (CHAIN, near)));
                self.code(found.map_or(NEW, |(code, _)| code));
                put_varint(&mut self.out.text, zigzag(millis - time.div_euclid(1_000_000)));
                match found {
                    Some((_, near)) => {
                        put_varint(&mut self.out.text, zigzag(near));
                        column.near = random;
                    }
                    None => {
                        self.out.bits.push((random, V7_BITS));
                        column.random = random;
                    }
                }
            }
            (None, None) => {
                self.code(PLAIN);
                self.out.raw.extend_from_slice(uuid);
            }
        }
        if column.ids.len() > 2 * FARTHEST {
            let oldest = column.count.saturating_sub(FARTHEST as u64);
            column.ids.retain(|_, at| *at >= oldest);
            *bytes = bytes.saturating_sub(FARTHEST * AROUND);
        }
        if column.ids.insert(*uuid, column.count).is_none() {
            *bytes += AROUND;
        }
        column.count += 1;
    }

    fn hex(&mut self, column: &mut Column, digits: &[u8], bytes: &mut usize) {
        if self.last == digits {
            return self.code(SAME);
        }
        refill(&mut self.last, digits);
        let mut value = [0; MOST_DIGITS / 2];
        let value = &mut value[..digits.len() / 2];
        for (byte, pair) in value.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        let value = &*value;
        let back = column.long.get(value).map(|at| column.count - 1 - at);
        match back.filter(|&back| back < FARTHEST as u64) {
            Some(back) => self.code(back + HEX_BACK),
            None => {
                self.code(NEW);
                self.out.raw.extend_from_slice(value);
            }
        }
        if column.long.len() > 2 * FARTHEST {
            let oldest = column.count.saturating_sub(FARTHEST as u64);
            column.long.retain(|_, at| *at >= oldest);
            *bytes = bytes.saturating_sub(FARTHEST * AROUND);
        }
        if column.long.insert(value.into(), column.count).is_none() {
            *bytes += AROUND;
        }
        column.count += 1;
    }

    fn base64(&mut self, text: &[u8]) {
        use base64::Engine as _;
        let before = self.out.raw.len();
        // Splitting the line has read it already.
        let _ = base64::engine::general_purpose::STANDARD.decode_vec(text, &mut self.out.raw);
        debug_assert_eq!(self.out.raw.len() - before, usize::from(self.length));
    }
}

/// Puts this in place of what was there. A place that once held much does not keep the room for it.
fn refill<T: Copy>(out: &mut Vec<T>, with: &[T]) {
    if out.capacity() > KEPT.max(4 * with.len()) {
        *out = Vec::new();
    }
    out.clear();
    out.extend_from_slice(with);
}

fn digit(digit: u8) -> u8 {
    if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 }
}

impl Column {
    /// Whether a long text has come often enough to be kept.
    fn seen_often(&mut self, text: &[u8], bytes: &mut usize) -> bool {
        let hash = FixedState::default().hash_one(text);
        if self.seen.len() >= MOST_SEEN {
            *bytes = bytes.saturating_sub(SMALL * self.seen.len());
            self.seen.clear();
        }
        let seen = self.seen.entry(hash).or_insert(0);
        if *seen == 0 {
            *bytes += SMALL;
        }
        *seen += 1;
        *seen >= SIGHTINGS
    }
}

impl Schema {
    /// Writes what its events of this batch are; how many bytes of state that makes.
    fn write(&mut self, plain: &mut Vec<u8>, raw: &mut Vec<u8>, bits: &mut BitWriter) -> usize {
        let mut learned = 0;
        let mut varying =
            vec![0_u8; self.places.iter().filter(|place| !place.kind.always_sent()).count().div_ceil(8)];
        let asked = self.places.iter_mut().filter(|place| !place.kind.always_sent());
        for (at, place) in asked.enumerate() {
            if place.kind == Kind::Number {
                place.out.varies = place.out.numbers.iter().any(|number| *number != place.number);
            }
            varying[at / 8] |= u8::from(place.out.varies) << (at % 8);
        }
        plain.append(&mut varying);
        for place in &mut self.places {
            let mut out = std::mem::take(&mut place.out);
            if out.varies {
                if place.kind == Kind::Number {
                    learned += place.numbers(&out.numbers, plain, bits);
                } else {
                    out.codes.iter().for_each(|&code| put_varint(plain, code));
                    plain.extend_from_slice(&out.text);
                    out.bits.iter().for_each(|&(value, count)| bits.put(value, count));
                }
            }
            raw.extend_from_slice(&out.raw);
            // The room is used again.
            out.clear();
            place.out = out;
        }
        learned
    }
}

impl Out {
    fn clear(&mut self) {
        self.varies = false;
        refill(&mut self.codes, &[]);
        refill(&mut self.text, &[]);
        refill(&mut self.raw, &[]);
        refill(&mut self.bits, &[]);
        refill(&mut self.numbers, &[]);
    }
}

impl Place {
    /// Writes the numbers of a batch in the form that is likely to be shortest; how many bytes of state that makes.
    fn numbers(&mut self, numbers: &[Decimal], plain: &mut Vec<u8>, bits: &mut BitWriter) -> usize {
        let before = self.number;
        let (mut by_value, mut by_difference, mut by_entry) = (0, 0, 0);
        let (mut last, known) = (before, self.entries.len());
        let entries = &mut self.entries;
        let mut codes = Vec::with_capacity(numbers.len());
        for &number in numbers {
            // An eighth of a byte each; a class takes about three.
            by_value += 3 + u32::from(class(zigzag(number.mantissa)).saturating_sub(1));
            by_difference += 3 + u32::from(class(zigzag(number.mantissa - last.mantissa)).saturating_sub(1));
            let code = match entries.iter().position(|entry| *entry == number) {
                _ if number == last => SAME,
                Some(at) => (entries.len() - 1 - at) as u64 + NUMBER_BACK,
                None => NEW,
            };
            by_entry += match code {
                SAME => 1,
                NEW => 16 + u32::from(class(zigzag(number.mantissa))),
                _ => 5,
            };
            if code == NEW && entries.len() < MOST_NUMBERS {
                entries.push(number);
            }
            codes.push(code);
            last = number;
        }
        self.number = last;
        if by_entry <= by_value.min(by_difference) {
            let learned = SMALL * (entries.len() - known);
            plain.push(BY_ENTRY);
            codes.iter().for_each(|&code| put_varint(plain, code));
            for (number, _) in numbers.iter().zip(&codes).filter(|(_, code)| **code == NEW) {
                put_varint(plain, zigzag(number.mantissa));
                plain.push(number.scale);
            }
            return learned;
        }
        entries.truncate(known);
        let scales = numbers.iter().any(|number| number.scale != before.scale);
        let mode = if by_value <= by_difference { BY_VALUE } else { BY_DIFFERENCE };
        plain.push(mode | if scales { SCALES } else { 0 });
        if scales {
            plain.extend(numbers.iter().map(|number| number.scale));
        }
        let mut last = before.mantissa;
        for number in numbers {
            let value = number.mantissa - if mode == BY_DIFFERENCE { last } else { 0 };
            last = number.mantissa;
            plain.push(class(zigzag(value)));
            bits.put_rest(zigzag(value));
        }
        0
    }
}
