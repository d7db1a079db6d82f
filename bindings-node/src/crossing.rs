//! How an event comes from JavaScript: as one string with all text, and a table of numbers that says what each part of
//! the string is.
//!
//! Guarantees: the table is not trusted: if it does not fit the text, the result is [`NotInTable`], and JavaScript then
//! sends the event as JSON, whose reader says what is wrong. Strings cross unchanged; one with a lone surrogate is
//! `NotInTable`. `lib/crossing.ts`, which writes table and text, bounds their size; memory that a large event's text
//! took here is given back.
//!
//! `lib/crossing.ts` also documents the table's layout. The table saves parsing JSON text again, and sending keys:
//! objects with the same keys in the same order share a shape, which is sent once.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use napi::bindgen_prelude::{Float64Array, FromNapiValue, FunctionCallContext, Int32Array};
use napi::sys;
use napi_derive::napi;
use sinkwell::event::{Data, Trace};
use sinkwell::json::{JsonError, ObjectWriter};
use sinkwell::{Error, EventInput};

use crate::layout::{
    AGENT, ARRAY, ATTEMPT, CAUSATION, CHILD, CORRELATION, DATA, END, FALSE, FIRST, FLAGS, ID, INSIDE,
    LONGEST, NONE, NULL, NUMBER, OBJECT, OPTIONS, PATIENT, REST, RUN, SEVERITY, SPAN_ID, SUBJECT, TABLE,
    TENANT, TERMINAL, TEXT, TIME, TRACE_FLAGS, TRACE_ID, TRACE_STATE, TRUE, TURN, TYPE,
};

/// The event cannot be read from the table: it has to come as JSON.
pub(crate) struct NotInTable;

impl From<JsonError> for NotInTable {
    fn from(_: JsonError) -> Self {
        Self
    }
}

type Read<T> = std::result::Result<T, NotInTable>;

/// How an event is to be emitted.
#[derive(Clone, Copy)]
pub(crate) struct Emitting {
    /// Whether it is emitted from inside a sink of the host's.
    pub(crate) inside: bool,
    /// Whether the caller can wait for room without holding this thread.
    pub(crate) patient: bool,
    /// How long the caller has waited so far, in milliseconds.
    pub(crate) waited: f64,
}

/// The keys of an object in their own order, and the canonical order if that is another one.
struct Shape {
    keys: Box<[Box<str>]>,
    order: Option<Box<[usize]>>,
}

impl Shape {
    fn new(keys: Vec<String>) -> Self {
        let keys: Box<[Box<str>]> = keys.into_iter().map(Into::into).collect();
        let mut order: Box<[usize]> = (0..keys.len()).collect();
        // By UTF-16 units, as RFC 8785 requires. The writer would sort them too; sorting once per shape is cheaper.
        order.sort_by(|&a, &b| keys[a].encode_utf16().cmp(keys[b].encode_utf16()));
        let order = (!order.is_sorted()).then_some(order);
        Self { keys, order }
    }
}

/// The table and the text of one thread, and what is needed to read them.
pub(crate) struct Table {
    integers: Int32Array,
    numbers: Float64Array,
    shapes: Vec<Shape>,
    writer: ObjectWriter,
    units: Vec<u16>,
    text: String,
    places: Vec<Place>,
}

/// The table of a thread, as JavaScript sees it.
#[napi]
pub struct Crossing {
    pub(crate) table: Rc<RefCell<Table>>,
}

#[napi]
impl Crossing {
    /// What JavaScript writes into. It must not be given to anybody else.
    #[napi(constructor)]
    pub fn new(integers: Int32Array, numbers: Float64Array) -> Self {
        let (shapes, writer) = (Vec::new(), ObjectWriter::new());
        let (units, text, places) = (Vec::new(), String::new(), Vec::new());
        let table = Table { integers, numbers, shapes, writer, units, text, places };
        Self { table: Rc::new(RefCell::new(table)) }
    }

    /// Makes a shape known; the answer is its number. The keys have no lone surrogates.
    #[napi(catch_unwind)]
    pub fn shape(&self, keys: Vec<String>) -> u32 {
        let shapes = &mut self.table.borrow_mut().shapes;
        shapes.push(Shape::new(keys));
        u32::try_from(shapes.len() - 1).unwrap_or(u32::MAX)
    }

    /// Forgets all shapes.
    #[napi(catch_unwind)]
    pub fn forget(&self) {
        self.table.borrow_mut().shapes.clear();
    }
}

/// A value of JavaScript's that has not been looked at.
struct Raw(sys::napi_value);

impl FromNapiValue for Raw {
    unsafe fn from_napi_value(_: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Self(value))
    }
}

impl Table {
    fn at(&self, place: usize) -> i32 {
        self.integers.get(place).copied().unwrap_or(NONE)
    }

    pub(crate) fn emitting(&self) -> Emitting {
        let flags = self.at(FLAGS);
        let waited = self.numbers.first().copied().unwrap_or_default();
        Emitting { inside: flags & INSIDE != 0, patient: flags & PATIENT != 0, waited }
    }

    /// Takes the text over from the argument of a call.
    pub(crate) fn take(&mut self, call: &FunctionCallContext<'_>) -> napi::Result<()> {
        let wrong = || crate::error::thrown(Error::internal("a text that is not as long as the table says"));
        let length = usize::try_from(self.at(TEXT)).map_err(|_| wrong())?;
        let given: Raw = call.get(0)?;
        self.units.clear();
        // One more, for the zero that is written after it.
        self.units.reserve(length + 1);
        let mut taken = 0;
        // SAFETY: the environment is the call's, the value its argument, and there is room for `length + 1` units.
        let status = unsafe {
            sys::napi_get_value_string_utf16(
                call.env.raw(),
                given.0,
                self.units.as_mut_ptr(),
                length + 1,
                &mut taken,
            )
        };
        if status != sys::Status::napi_ok || taken != length {
            return Err(wrong());
        }
        // SAFETY: so many units have been written.
        unsafe { self.units.set_len(length) };
        Ok(())
    }

    /// Gives back the room of a text that was larger than most.
    pub(crate) fn shrink(&mut self) {
        if self.units.capacity() > LONGEST {
            self.units = Vec::new();
            self.text = String::new();
        }
    }

    /// Reads the event, and passes it to `f` with its other members, if they came as JSON.
    pub(crate) fn read<T>(
        &mut self,
        depth: usize,
        f: impl FnOnce(EventInput<'_>, Option<&str>) -> T,
    ) -> Read<T> {
        let Self { integers, numbers, shapes, writer, units, text, places } = self;
        places.clear();
        let end = place(integers, END)?;
        let mut reader = Reader {
            integers: integers.get(..end).ok_or(NotInTable)?,
            numbers,
            plain: narrow(units, text),
            units,
            at: Place { integer: FIRST, number: 1, unit: 0 },
            text,
            shapes,
            writer,
            places,
        };
        let (kind, rest) = (integer(integers, DATA)?, integer(integers, REST)?);
        let event_type = reader.string(integer(integers, TYPE)?)?;
        let options = reader.options(place(integers, OPTIONS)?)?;
        let rest = (rest != NONE).then(|| reader.string(rest)).transpose()?;
        let json = match kind {
            NONE => None,
            TABLE => {
                reader.writer.reset(depth);
                let first = reader.integer()?;
                reader.value(first)?;
                None
            }
            length => Some(reader.string(length)?),
        };
        if reader.at.integer != end || reader.at.unit != reader.units.len() {
            return Err(NotInTable);
        }
        let data = match &json {
            Some(json) => Data::Json(text[json.clone()].as_bytes()),
            None if kind == TABLE => Data::Object(writer),
            None => Data::None,
        };
        let input = EventInput { event_type: &text[event_type], data, ..options.input(text) };
        Ok(f(input, rest.map(|rest| &text[rest])))
    }
}

fn integer(integers: &[i32], at: usize) -> Read<i32> {
    integers.get(at).copied().ok_or(NotInTable)
}

fn place(integers: &[i32], at: usize) -> Read<usize> {
    usize::try_from(integer(integers, at)?).map_err(|_| NotInTable)
}

/// Copies the units to `text` if all of them are ASCII, so that positions are the same in both; else returns `false`.
fn narrow(units: &[u16], text: &mut String) -> bool {
    text.clear();
    let plain = units.iter().fold(0, |all, unit| all | unit) < 0x80;
    if plain {
        let mut bytes = std::mem::take(text).into_bytes();
        #[allow(clippy::cast_possible_truncation, reason = "looked at above")]
        bytes.extend(units.iter().map(|&unit| unit as u8));
        *text = String::from_utf8(bytes).unwrap_or_default();
    }
    plain
}

/// Where the other members of an event stand in the text.
#[derive(Default)]
struct Options {
    strings: [Option<Range<usize>>; TRACE_STATE + 1],
    terminal: Option<bool>,
    trace_flags: u8,
}

impl Options {
    fn input<'a>(self, text: &'a str) -> EventInput<'a> {
        let string = |member: usize| self.strings[member].clone().map(|range| &text[range]);
        let (trace_id, span_id) = (string(TRACE_ID), string(SPAN_ID));
        let trace = (trace_id.is_some() || span_id.is_some()).then(|| Trace {
            trace_id: trace_id.unwrap_or_default(),
            span_id: span_id.unwrap_or_default(),
            flags: self.trace_flags,
            state: string(TRACE_STATE),
        });
        EventInput {
            subject: string(SUBJECT),
            severity: string(SEVERITY),
            terminal: self.terminal,
            run: string(RUN),
            turn: string(TURN),
            attempt: string(ATTEMPT),
            trace,
            agent: string(AGENT),
            tenant: string(TENANT),
            time: string(TIME),
            id: string(ID),
            causation: string(CAUSATION),
            correlation: string(CORRELATION),
            child: string(CHILD),
            ..EventInput::default()
        }
    }
}

/// How far the table and the text have been read.
#[derive(Clone, Copy)]
struct Place {
    integer: usize,
    number: usize,
    unit: usize,
}

struct Reader<'a> {
    integers: &'a [i32],
    numbers: &'a [f64],
    units: &'a [u16],
    at: Place,
    plain: bool,
    text: &'a mut String,
    shapes: &'a [Shape],
    writer: &'a mut ObjectWriter,
    /// Where the values of open objects begin, for objects whose members are written in another order.
    places: &'a mut Vec<Place>,
}

impl<'a> Reader<'a> {
    fn integer(&mut self) -> Read<i32> {
        let integer = self.integers.get(self.at.integer).copied().ok_or(NotInTable)?;
        self.at.integer += 1;
        Ok(integer)
    }

    /// Skips a string of so many UTF-16 units; returns its range in `units`.
    fn pass(&mut self, length: i32) -> Read<Range<usize>> {
        let start = self.at.unit;
        let end = start + usize::try_from(length).map_err(|_| NotInTable)?;
        if end > self.units.len() {
            return Err(NotInTable);
        }
        self.at.unit = end;
        Ok(start..end)
    }

    /// Reads the next string, of so many UTF-16 units; returns its range in `text`.
    fn string(&mut self, length: i32) -> Read<Range<usize>> {
        let string = self.pass(length)?;
        if self.plain {
            return Ok(string);
        }
        let start = self.text.len();
        for char in char::decode_utf16(self.units[string].iter().copied()) {
            self.text.push(char.map_err(|_| NotInTable)?);
        }
        Ok(start..self.text.len())
    }

    fn options(&mut self, count: usize) -> Read<Options> {
        let mut options = Options::default();
        for _ in 0..count {
            let (which, value) = (self.integer()?, self.integer()?);
            match which {
                TERMINAL => options.terminal = Some(value != 0),
                TRACE_FLAGS => options.trace_flags = u8::try_from(value).map_err(|_| NotInTable)?,
                string => {
                    let place = usize::try_from(string).map_err(|_| NotInTable)?;
                    *options.strings.get_mut(place).ok_or(NotInTable)? = Some(self.string(value)?);
                }
            }
        }
        Ok(options)
    }

    /// Writes the value that begins with `what`.
    fn value(&mut self, what: i32) -> Read<()> {
        match what {
            NUMBER => self.number()?,
            TRUE => self.writer.bool(true)?,
            FALSE => self.writer.bool(false)?,
            NULL => self.writer.null()?,
            OBJECT => self.object()?,
            ARRAY => {
                self.writer.begin_array()?;
                for _ in 0..self.integer()? {
                    self.next_value()?;
                }
                self.writer.end_array()?;
            }
            length => {
                let range = self.string(length)?;
                self.writer.string(&self.text[range])?;
            }
        }
        Ok(())
    }

    fn next_value(&mut self) -> Read<()> {
        let what = self.integer()?;
        self.value(what)
    }

    fn shape(&mut self) -> Read<&'a Shape> {
        let number = usize::try_from(self.integer()?).map_err(|_| NotInTable)?;
        self.shapes.get(number).ok_or(NotInTable)
    }

    fn object(&mut self) -> Read<()> {
        let shape = self.shape()?;
        self.writer.begin_object()?;
        match &shape.order {
            None => {
                for key in &shape.keys {
                    self.writer.key(key)?;
                    self.next_value()?;
                }
            }
            Some(order) => {
                let first = self.places.len();
                for _ in &shape.keys {
                    self.places.push(self.at);
                    self.skip()?;
                }
                let end = self.at;
                for &i in order {
                    self.at = self.places[first + i];
                    self.writer.key(&shape.keys[i])?;
                    self.next_value()?;
                }
                self.places.truncate(first);
                self.at = end;
            }
        }
        Ok(self.writer.end_object()?)
    }

    /// Skips a value.
    fn skip(&mut self) -> Read<()> {
        match self.integer()? {
            NUMBER => self.at.number += 1,
            TRUE | FALSE | NULL => {}
            OBJECT => {
                for _ in &self.shape()?.keys {
                    self.skip()?;
                }
            }
            ARRAY => {
                for _ in 0..self.integer()? {
                    self.skip()?;
                }
            }
            length => {
                self.pass(length)?;
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Read<()> {
        let number = *self.numbers.get(self.at.number).ok_or(NotInTable)?;
        self.at.number += 1;
        #[allow(clippy::cast_possible_truncation, reason = "compared")]
        let integer = number as i64;
        // A whole number is written faster as an integer; the writer refuses unsafe and non-finite numbers in either
        // form.
        #[allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "whether it is the same number")]
        if integer as f64 == number {
            self.writer.int(i128::from(integer))?;
        } else {
            self.writer.float(number)?;
        }
        Ok(())
    }
}
