//! Reads batches, and gives back their lines.
//!
//! Guarantees: never panics; what a batch makes the decoder keep or write is bounded ([`Bounds`]); lines are given out only
//! if the batch's check holds, so they are the encoder's. After a [`Defect`] the state is unknown, and the stream ends.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation, OutBuffer};

use super::bits::{BitReader, Bytes, unzigzag};
use super::table::{
    BY_DIFFERENCE, BY_ENTRY, BY_VALUE, CHAIN, Decimal, ENTRY, FARTHEST, HEX_BACK, Kind, LAST_MARK,
    MOST_NUMBERS, NEAR, NEW, NUMBER_BACK, ONCE, PLAIN, RESET, SAME, SCALES, TEXT_BACK, UUID_BACK, V7_BITS,
    v7,
};
use super::{
    AROUND, CHECK, Defect, MOST_COLUMNS, MOST_EVENTS, MOST_SCHEMAS, MOST_SKELETON, MOST_STATE, MOST_VALUES,
    PLACE, SMALL, WINDOW, checked,
};
use crate::envelope::line::{Line, Reader, Signature};
use crate::hex;
use crate::seam::{Uuid, format_time};
use crate::sink::{Envelope, EnvelopeHash};

/// What one stream may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of all lines of a batch.
    pub(crate) batch: usize,
    /// Bytes of state.
    pub(crate) state: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // The encoder begins afresh well below it.
        Self { batch: 32 << 20, state: 4 * MOST_STATE }
    }
}

/// A line as it was given to the encoder.
pub(crate) enum Rebuilt {
    /// An envelope, and its signature if that is noted.
    #[cfg_attr(not(feature = "intake"), allow(dead_code, reason = "only the intake looks at it"))]
    Envelope(Envelope, Option<Signature>),
    /// Anything else.
    Other(Box<[u8]>),
}

impl Rebuilt {
    /// The line, without a newline.
    pub(crate) fn line(&self) -> &[u8] {
        match self {
            Self::Envelope(envelope, _) => &envelope.bytes,
            Self::Other(line) => line,
        }
    }
}

/// The other end of a stream.
pub(crate) struct Decoder {
    state: State,
    zstd: Zstd<'static>,
    reader: Reader,
    bounds: Bounds,
    signatures: bool,
}

#[derive(Default)]
struct State {
    schemas: Vec<Schema>,
    columns: Vec<Column>,
    streams: HashMap<Uuid, (u64, EnvelopeHash)>,
    bytes: usize,
}

struct Schema {
    /// What stands before each place, and behind the last.
    pieces: Vec<Box<[u8]>>,
    places: Vec<Place>,
    time: Option<usize>,
    stream: Option<usize>,
}

/// A place of a schema: what it remembers, and what this batch says of it.
struct Place {
    kind: Kind,
    length: usize,
    column: usize,
    text: Arc<[u8]>,
    uuid: Option<[u8; 16]>,
    yes: bool,
    number: Decimal,
    entries: Vec<Decimal>,
    batch: VecDeque<Said>,
}

/// What a batch says of one value.
enum Said {
    Same,
    Once(Arc<[u8]>),
    Entry(Arc<[u8]>),
    Back(usize),
    Number(Decimal),
    Bool(bool),
    Difference(i64),
    Plain([u8; 16]),
    /// The random bits in two parts, so that none of these takes more room than it must: there are many.
    V7 {
        after: i64,
        high: u16,
        low: u64,
    },
    Near {
        chain: bool,
        after: i64,
        from: i64,
    },
}

#[derive(Default)]
struct Column {
    entries: Vec<Arc<[u8]>>,
    /// Ids and digests, the newest last.
    ids: VecDeque<Arc<[u8]>>,
    /// Of the last of the chain, and of the newest that was sent with random bits.
    near: u128,
    random: u128,
    time: i64,
}

/// Of random bits that fit.
fn v7_said(after: i64, random: u128) -> Said {
    Said::V7 { after, high: (random >> 64) as u16, low: random as u64 }
}

/// A value takes at least so many bytes of a batch's lines, with what is around it in its envelope and what of the bound
/// is left unused: 3 MiB of lines fit a bound of 16 MiB, whatever their values.
const LEAST_OF_VALUE: usize = 16;

/// What an id costs beside its bytes.
const OF_ID: usize = 48;

const DEFECT_BACK: Defect = Defect("it refers to what is not there");
const DEFECT_CODE: Defect = Defect("a code that its kind does not have");
const DEFECT_SCHEMA: Defect = Defect("a schema has more values than a line may have, or values of no length");
const DEFECT_STATE: Defect = Defect("the state of the stream would grow beyond what is allowed");

impl Decoder {
    /// A stream's decoder, before its first batch.
    pub(crate) fn new(bounds: Bounds) -> std::io::Result<Self> {
        let mut zstd = Zstd::new()?;
        zstd.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Self { state: State::default(), zstd, reader: Reader::default(), bounds, signatures: false })
    }

    #[cfg(feature = "intake")]
    /// Whether signatures are noted: whoever verifies need not read the lines again.
    pub(crate) fn noting_signatures(self, signatures: bool) -> Self {
        Self { signatures, ..self }
    }

    /// Bytes of state, near enough.
    #[cfg(test)]
    pub(crate) fn state_bytes(&self) -> usize {
        self.state.bytes
    }

    /// The lines of a batch.
    ///
    /// # Errors
    /// What is wrong with it: the stream cannot go on.
    pub(crate) fn decode(&mut self, batch: &[u8]) -> Result<Vec<Rebuilt>, Defect> {
        let mut batch = Bytes(batch);
        let check = batch.take(CHECK)?;
        let plain = self.decompress(batch.counted()?)?;
        let mut raw = Bytes(batch.counted()?);
        let mut bits = BitReader::new(batch.0);
        let mut plain = Bytes(&plain);
        match plain.byte()? {
            0 => {}
            RESET => self.state = State::default(),
            _ => return Err(Defect("a batch of a form that is not known")),
        }
        self.state.define(&mut plain, self.bounds.state)?;
        let count = plain.size(MOST_EVENTS)?;
        let mut order = Vec::with_capacity(count.min(plain.0.len()));
        let mut counts = vec![0_usize; self.state.schemas.len() + 1];
        let mut appearance = Vec::new();
        for _ in 0..count {
            let number = plain.size(self.state.schemas.len())?;
            order.push(number);
            counts[number] += 1;
            if counts[number] == 1 && number > 0 {
                appearance.push(number - 1);
            }
        }
        // What a batch says of each value is kept until its lines are written: no more values than such lines can have.
        let mut values = self.bounds.batch / LEAST_OF_VALUE;
        for number in appearance {
            let events = counts[number + 1];
            let schema = &mut self.state.schemas[number];
            self.state.bytes += schema.read(events, &mut values, &mut plain, &mut raw, &mut bits)?;
        }
        let mut rebuilt = Vec::with_capacity(order.len());
        let mut line = Vec::new();
        let mut left = self.bounds.batch;
        let mut found = 0;
        for number in order {
            line.clear();
            match number.checked_sub(1) {
                Some(number) => self.state.event(number, &mut line, left)?,
                None => line.extend_from_slice(plain.counted()?),
            }
            left = left.checked_sub(line.len()).ok_or(Defect("the batch is larger than allowed"))?;
            found = checked(found, &line);
            let envelope = match self.reader.read(&line) {
                Line::Envelope(envelope) => {
                    let signature = if self.signatures { envelope.seal.to_signature() } else { None };
                    Some((envelope.for_sink(), signature))
                }
                _ => None,
            };
            rebuilt.push(match envelope {
                Some((parts, signature)) => {
                    self.state.streams.insert(parts.streamid, (parts.sequence, parts.hash));
                    let bytes = line.as_slice().into();
                    Rebuilt::Envelope(Envelope::new(crate::sink::EnvelopeInner { bytes, ..parts }), signature)
                }
                None => Rebuilt::Other(line.as_slice().into()),
            });
        }
        if !plain.0.is_empty() || !raw.0.is_empty() || !bits.at_end() {
            return Err(Defect("the batch has more bytes than it says"));
        }
        if found.to_le_bytes() != *check {
            return Err(Defect("the rebuilt lines are not those that were sent"));
        }
        if self.state.bytes + self.state.streams.len() * 128 > self.bounds.state {
            return Err(DEFECT_STATE);
        }
        Ok(rebuilt)
    }

    fn decompress(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Defect> {
        let mut out = Vec::new();
        let mut input = InBuffer::around(bytes);
        let mut at = 0;
        loop {
            if at == out.len() {
                if at > self.bounds.batch + MOST_SKELETON * 64 {
                    return Err(Defect("the batch is larger than allowed"));
                }
                out.resize((at * 2).max(bytes.len() * 4).clamp(4096, at + (8 << 20)), 0);
            }
            let mut output = OutBuffer::around_pos(&mut out[..], at);
            let hint = self.zstd.run(&mut input, &mut output).map_err(|_| Defect("zstd cannot read it"))?;
            at = output.pos();
            if hint == 0 {
                return Err(Defect("the compressed stream has ended"));
            }
            // What is left in the context comes out only if there was room for it.
            if input.pos() == bytes.len() && at < out.len() {
                break;
            }
        }
        out.truncate(at);
        Ok(out)
    }
}

impl State {
    fn define(&mut self, plain: &mut Bytes<'_>, most: usize) -> Result<(), Defect> {
        let new = plain.size(MOST_SCHEMAS)?;
        if self.schemas.len() + new > MOST_SCHEMAS {
            return Err(DEFECT_STATE);
        }
        for _ in 0..new {
            let len = plain.size(MOST_SKELETON)?;
            let schema = self.schema(plain.take(len)?, plain)?;
            self.bytes += len + PLACE * (schema.places.len() + 1);
            self.schemas.push(schema);
            if self.bytes > most {
                return Err(DEFECT_STATE);
            }
        }
        Ok(())
    }

    fn schema(&mut self, skeleton: &[u8], plain: &mut Bytes<'_>) -> Result<Schema, Defect> {
        let mut schema = Schema { pieces: Vec::new(), places: Vec::new(), time: None, stream: None };
        let mut rest = Bytes(skeleton);
        loop {
            let end = rest.0.iter().position(|&byte| byte <= LAST_MARK).unwrap_or(rest.0.len());
            schema.pieces.push(rest.take(end)?.into());
            if rest.0.is_empty() {
                break;
            }
            let kind = Kind::of_mark(rest.byte()?).ok_or(Defect("a kind of value that is not known"))?;
            let length = if kind.has_length() { rest.byte()?.into() } else { 0 };
            if schema.places.len() == MOST_VALUES || (kind.has_length() && length == 0) {
                return Err(DEFECT_SCHEMA);
            }
            match kind {
                Kind::EventTime => schema.time = Some(schema.places.len()),
                Kind::Stream => schema.stream = Some(schema.places.len()),
                _ => {}
            }
            schema.places.push(Place {
                kind,
                length,
                column: 0,
                text: Arc::new([]),
                uuid: None,
                yes: false,
                number: Decimal::default(),
                entries: Vec::new(),
                batch: VecDeque::new(),
            });
        }
        for place in &mut schema.places {
            place.column = plain.size(self.columns.len())?;
            if place.column == self.columns.len() {
                if self.columns.len() == MOST_COLUMNS {
                    return Err(DEFECT_STATE);
                }
                self.columns.push(Column::default());
                self.bytes += AROUND;
            }
        }
        Ok(schema)
    }

    /// Writes the next event of a schema.
    fn event(&mut self, number: usize, line: &mut Vec<u8>, most: usize) -> Result<(), Defect> {
        let Self { schemas, columns, streams, bytes, .. } = self;
        let Schema { pieces, places, time, stream } = &mut schemas[number];
        // What others refer to comes first: the event's time, then its stream.
        let mut event_time = 0;
        if let Some(at) = *time {
            event_time = places[at].time(columns)?;
        }
        let mut head = None;
        if let Some(at) = *stream {
            let uuid = places[at].uuid(columns, event_time, bytes)?;
            head = streams.get(&Uuid(uuid)).copied();
        }
        for (at, piece) in pieces.iter().enumerate() {
            line.extend_from_slice(piece);
            let Some(place) = places.get_mut(at) else { break };
            match place.kind {
                Kind::Text | Kind::Json => {
                    place.text(&mut columns[place.column], bytes)?;
                    line.extend_from_slice(&place.text);
                }
                Kind::Number => {
                    match place.batch.pop_front() {
                        Some(Said::Number(number)) => place.number = number,
                        None => {}
                        _ => return Err(DEFECT_CODE),
                    }
                    place.number.write(line);
                }
                Kind::Bool => {
                    match place.batch.pop_front() {
                        Some(Said::Bool(yes)) => place.yes = yes,
                        None => {}
                        _ => return Err(DEFECT_CODE),
                    }
                    line.extend_from_slice(if place.yes { b"true" } else { b"false" });
                }
                Kind::EventTime => {
                    let time = if Some(at) == *time { event_time } else { place.time(columns)? };
                    format_time(line, time);
                }
                Kind::Time => format_time(line, place.time(columns)?),
                Kind::Uuid => {
                    let uuid = place.uuid(columns, event_time, bytes)?;
                    line.extend_from_slice(&Uuid(uuid).encode());
                }
                Kind::Stream => {
                    let uuid = match place.uuid {
                        Some(uuid) if Some(at) == *stream => uuid,
                        _ => place.uuid(columns, event_time, bytes)?,
                    };
                    line.extend_from_slice(&Uuid(uuid).encode());
                }
                Kind::Hex => {
                    place.hex(&mut columns[place.column], bytes)?;
                    hex::push(line, &place.text);
                }
                Kind::Base64 => match place.batch.pop_front() {
                    Some(Said::Once(raw)) => {
                        let from = line.len();
                        line.resize(from + raw.len().div_ceil(3) * 4, 0);
                        STANDARD.encode_slice(raw, &mut line[from..]).map_err(|_| DEFECT_CODE)?;
                    }
                    _ => return Err(DEFECT_CODE),
                },
                Kind::Previous => match (place.batch.pop_front(), head) {
                    (None | Some(Said::Same), Some((_, hash))) => hex::push(line, &hash),
                    (Some(Said::Once(hash)), _) => hex::push(line, &hash),
                    _ => return Err(DEFECT_BACK),
                },
                Kind::Sequence => {
                    let difference = match place.batch.pop_front() {
                        None => 0,
                        Some(Said::Difference(difference)) => difference,
                        _ => return Err(DEFECT_CODE),
                    };
                    let expected = head.map_or(0, |head| head.0) + 1;
                    let number = u64::try_from(expected.cast_signed().wrapping_add(difference));
                    crate::envelope::push_sequence(line, number.map_err(|_| DEFECT_CODE)?);
                }
            }
            if line.len() > most {
                return Err(Defect("the batch is larger than allowed"));
            }
        }
        Ok(())
    }
}

impl Schema {
    /// Reads what a batch says of this many events; how many bytes of state that makes.
    fn read(
        &mut self,
        events: usize,
        values: &mut usize,
        plain: &mut Bytes<'_>,
        raw: &mut Bytes<'_>,
        bits: &mut BitReader<'_>,
    ) -> Result<usize, Defect> {
        let mut learned = 0;
        let asked = self.places.iter().filter(|place| !place.kind.always_sent()).count();
        let varying = plain.take(asked.div_ceil(8))?;
        let mut at = 0;
        for place in &mut self.places {
            place.batch.clear();
            let sent = place.kind.always_sent() || {
                at += 1;
                varying[(at - 1) / 8] >> ((at - 1) % 8) & 1 == 1
            };
            if sent {
                *values = values.checked_sub(events).ok_or(Defect("the batch is larger than allowed"))?;
                let before = place.entries.len();
                place.read(events, plain, raw, bits)?;
                learned += SMALL * (place.entries.len() - before);
            }
        }
        Ok(learned)
    }
}

impl Place {
    fn read(
        &mut self,
        events: usize,
        plain: &mut Bytes<'_>,
        raw: &mut Bytes<'_>,
        bits: &mut BitReader<'_>,
    ) -> Result<(), Defect> {
        match self.kind {
            Kind::Number => return self.numbers(events, plain, bits),
            Kind::Base64 => {
                for _ in 0..events {
                    self.batch.push_back(Said::Once(raw.take(self.length)?.into()));
                }
                return Ok(());
            }
            _ => {}
        }
        let mut codes = Vec::with_capacity(events.min(plain.0.len()));
        for _ in 0..events {
            codes.push(plain.varint()?);
        }
        for code in codes {
            let back = |from: u64| usize::try_from(code - from).map_err(|_| DEFECT_BACK);
            let said = match (self.kind, code) {
                (Kind::Bool, 0 | 1) => Said::Bool(code == 1),
                (Kind::EventTime | Kind::Time | Kind::Sequence, 0..=64) => {
                    Said::Difference(unzigzag(bits.number(code as u8)?))
                }
                (Kind::Bool | Kind::EventTime | Kind::Time | Kind::Sequence, _) => return Err(DEFECT_CODE),
                (_, SAME) => Said::Same,
                (Kind::Previous, NEW) => Said::Once(raw.take(32)?.into()),
                (Kind::Text | Kind::Json, ONCE) => Said::Once(plain.counted()?.into()),
                (Kind::Text | Kind::Json, ENTRY) => Said::Entry(plain.counted()?.into()),
                (Kind::Text | Kind::Json, _) => Said::Back(back(TEXT_BACK)?),
                (Kind::Hex, NEW) => Said::Once(raw.take(self.length)?.into()),
                (Kind::Hex, _) => Said::Back(back(HEX_BACK)?),
                (Kind::Uuid | Kind::Stream, NEW) => v7_said(unzigzag(plain.varint()?), bits.take(V7_BITS)?),
                (Kind::Uuid | Kind::Stream, PLAIN) => {
                    Said::Plain(raw.take(16)?.try_into().map_err(|_| DEFECT_CODE)?)
                }
                (Kind::Uuid | Kind::Stream, NEAR | CHAIN) => Said::Near {
                    chain: code == NEAR,
                    after: unzigzag(plain.varint()?),
                    from: unzigzag(plain.varint()?),
                },
                (Kind::Uuid | Kind::Stream, _) => Said::Back(back(UUID_BACK)?),
                _ => return Err(DEFECT_CODE),
            };
            self.batch.push_back(said);
        }
        Ok(())
    }

    fn numbers(
        &mut self,
        events: usize,
        plain: &mut Bytes<'_>,
        bits: &mut BitReader<'_>,
    ) -> Result<(), Defect> {
        let mode = plain.byte()?;
        let mut last = self.number;
        if mode == BY_ENTRY {
            let mut codes = Vec::with_capacity(events.min(plain.0.len()));
            for _ in 0..events {
                codes.push(plain.varint()?);
            }
            for code in codes {
                last = match code {
                    SAME => last,
                    NEW => {
                        let mantissa = unzigzag(plain.varint()?);
                        let number = Decimal { mantissa, scale: plain.byte()? };
                        if self.entries.len() < MOST_NUMBERS {
                            self.entries.push(number);
                        }
                        number
                    }
                    back => {
                        let back = usize::try_from(back - NUMBER_BACK).map_err(|_| DEFECT_BACK)?;
                        let at = self.entries.len().checked_sub(back.saturating_add(1)).ok_or(DEFECT_BACK)?;
                        self.entries[at]
                    }
                };
                self.batch.push_back(Said::Number(last));
            }
            return Ok(());
        }
        let (scales, mode) = (mode & SCALES != 0, mode & !SCALES);
        if mode != BY_VALUE && mode != BY_DIFFERENCE {
            return Err(DEFECT_CODE);
        }
        let scales = if scales { Some(plain.take(events)?) } else { None };
        for at in 0..events {
            let value = unzigzag(bits.number(plain.byte()?)?);
            let mantissa = if mode == BY_DIFFERENCE { last.mantissa.wrapping_add(value) } else { value };
            last = Decimal { mantissa, scale: scales.map_or(last.scale, |scales| scales[at]) };
            self.batch.push_back(Said::Number(last));
        }
        Ok(())
    }

    fn time(&mut self, columns: &mut [Column]) -> Result<i64, Defect> {
        let column = &mut columns[self.column];
        match self.batch.pop_front() {
            None => {}
            Some(Said::Difference(difference)) => column.time = column.time.wrapping_add(difference),
            _ => return Err(DEFECT_CODE),
        }
        Ok(column.time)
    }

    /// Its last text, which it remembers.
    fn keep(&mut self, text: Arc<[u8]>, bytes: &mut usize) {
        *bytes = (*bytes + text.len()).saturating_sub(self.text.len());
        self.text = text;
    }

    fn text(&mut self, column: &mut Column, bytes: &mut usize) -> Result<(), Defect> {
        match self.batch.pop_front() {
            None | Some(Said::Same) => return Ok(()),
            Some(Said::Once(text)) => self.keep(text, bytes),
            Some(Said::Entry(text)) => {
                *bytes += text.len() + AROUND;
                column.entries.push(Arc::clone(&text));
                self.keep(text, bytes);
            }
            Some(Said::Back(back)) => {
                let at = column.entries.len().checked_sub(back.saturating_add(1)).ok_or(DEFECT_BACK)?;
                self.keep(Arc::clone(&column.entries[at]), bytes);
            }
            _ => return Err(DEFECT_CODE),
        }
        Ok(())
    }

    fn uuid(&mut self, columns: &mut [Column], time: i64, bytes: &mut usize) -> Result<[u8; 16], Defect> {
        let column = &mut columns[self.column];
        let millis = time.div_euclid(1_000_000);
        let uuid = match self.batch.pop_front() {
            None | Some(Said::Same) => return self.uuid.ok_or(DEFECT_BACK),
            Some(Said::Plain(uuid)) => uuid,
            Some(Said::V7 { after, high, low }) => {
                let random = u128::from(high) << 64 | u128::from(low);
                column.random = random;
                v7(millis.wrapping_add(after), random).ok_or(Defect("a UUID's time is none"))?
            }
            Some(Said::Near { chain, after, from }) => {
                let before = if chain { column.near } else { column.random };
                let random = before.wrapping_add_signed(from.into()) & ((1 << V7_BITS) - 1);
                column.near = random;
                v7(millis.wrapping_add(after), random).ok_or(Defect("a UUID's time is none"))?
            }
            Some(Said::Back(back)) => column.back(back)?.as_ref().try_into().map_err(|_| DEFECT_BACK)?,
            _ => return Err(DEFECT_CODE),
        };
        column.push(uuid.as_slice().into(), bytes);
        self.uuid = Some(uuid);
        Ok(uuid)
    }

    fn hex(&mut self, column: &mut Column, bytes: &mut usize) -> Result<(), Defect> {
        self.text = match self.batch.pop_front() {
            None | Some(Said::Same) => return Ok(()),
            Some(Said::Once(value)) => value,
            Some(Said::Back(back)) => column.back(back)?,
            _ => return Err(DEFECT_CODE),
        };
        column.push(Arc::clone(&self.text), bytes);
        Ok(())
    }
}

impl Column {
    fn back(&self, back: usize) -> Result<Arc<[u8]>, Defect> {
        let at = self.ids.len().checked_sub(back.checked_add(1).ok_or(DEFECT_BACK)?).ok_or(DEFECT_BACK)?;
        Ok(Arc::clone(&self.ids[at]))
    }

    fn push(&mut self, id: Arc<[u8]>, bytes: &mut usize) {
        if self.ids.len() == FARTHEST {
            let oldest = self.ids.pop_front().map_or(0, |oldest| oldest.len());
            *bytes = bytes.saturating_sub(oldest + OF_ID);
        }
        *bytes += id.len() + OF_ID;
        self.ids.push_back(id);
    }
}
