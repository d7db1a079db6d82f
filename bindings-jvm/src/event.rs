//! The event as Kotlin writes it: one buffer of fields, each a number of one byte, a length of 32 bits (little-endian),
//! and so many bytes.
//!
//! | field | |
//! | --- | --- |
//! | 1 … 14 | UTF-8: type, subject, severity, run, parent run, turn, attempt, agent, tenant, time, id, causation, correlation, child |
//! | 15 … 18 | UTF-8: the trace context's trace id, span id and state; one byte: its flags |
//! | 19 | one byte: whether it is terminal |
//! | 20 | the data: a stream of values (`core/src/json/stream.rs` has the table of tags) |
//! | 21 | the data: JSON text |
//! | 22 | type and data: 32 bits, which type and keys they have ([`know`](crate::keys::know)), and a stream of their values |
//! | 30 | nothing: a content part begins; what follows is about it |
//! | 31 … 37 | UTF-8, of the part: class, mediatype, role, ref, summary, permit, text |
//! | 38 | the part's bytes |
//! | 39 | the part's tokens: 64 bits |
//! | 41 … 47 | UTF-8, of the code around: run, parent run, turn, attempt, causation, correlation, agent |
//!
//! An event that is emitted brings the texts of its data beside the buffer, as the UTF-16 that the JVM has them in.
//!
//! A text that is not UTF-8 (a lone surrogate, as its three bytes) is refused here, as the core's types cannot hold it; in
//! data, by the core.

use std::cell::RefCell;
use std::mem::take;
use std::sync::Arc;

use sinkwell::content::{Body, Part};
use sinkwell::event::{Ambient, Data, Trace, invalid_data};
use sinkwell::json::{ObjectWriter, StreamError, Value, stream_apart_into, values_into};
use sinkwell::{Error, EventInput, Result};

thread_local! {
    static WRITER: RefCell<ObjectWriter> = RefCell::new(ObjectWriter::new());
}

/// The names of the text fields, by their numbers.
const TEXTS: [&str; 15] = [
    "",
    "type",
    "subject",
    "severity",
    "run",
    "parent_run",
    "turn",
    "attempt",
    "agent",
    "tenant",
    "time",
    "id",
    "causation",
    "correlation",
    "child",
];

/// The names of what the code around says, from field 41 on.
const AROUND: [&str; 7] = ["run", "parent_run", "turn", "attempt", "causation", "correlation", "agent"];

/// The names of a part's members, from field 31 on.
const MEMBERS: [&str; 7] = ["class", "mediatype", "role", "ref", "summary", "permit", "text"];

/// Reads the fields of a buffer and passes the event to `then`. `units` are those of the texts of data that stand apart, `depth` is
/// the limit for data.
pub(crate) fn with_input<T>(
    buffer: &[u8],
    units: &[u16],
    depth: usize,
    then: impl FnOnce(EventInput<'_>) -> Result<T>,
) -> Result<T> {
    // An event is large, so it is made where it stays until it is passed on.
    let run = |writer: &mut ObjectWriter| {
        let mut fields = Fields::default();
        fields.read(buffer)?;
        fields.complete()?;
        let Fields { mut input, data, .. } = fields;
        let (keys, stream) = match data {
            Given::Nothing => return then(input),
            Given::Json(text) => {
                input.data = Data::Json(text);
                return then(input);
            }
            Given::Stream(stream) => (None, stream),
            Given::Values(numbered) => {
                let (number, stream) = numbered.split_first_chunk().ok_or_else(broken)?;
                let known = crate::keys::known(u32::from_le_bytes(*number)).ok_or_else(broken)?;
                input.event_type = &known.event_type;
                (Some(&known.keys), stream)
            }
        };
        writer.reset(depth);
        match keys {
            Some(keys) => values_into(keys, stream, units, writer),
            None => stream_apart_into(stream, units, writer),
        }
        .map_err(|e| match e {
            StreamError::Broken => broken(),
            StreamError::Refused(e) => invalid_data(&e),
        })?;
        input.data = Data::Object(writer);
        then(input)
    };
    WRITER.with(|writer| match writer.try_borrow_mut() {
        Ok(mut writer) => run(&mut writer),
        // This emit runs inside another one of the same thread.
        Err(_) => run(&mut ObjectWriter::new()),
    })
}

#[derive(Clone, Copy, Default)]
enum Given<'a> {
    #[default]
    Nothing,
    Stream(&'a [u8]),
    Values(&'a [u8]),
    Json(&'a [u8]),
}

/// What a buffer says: what is there as it is stands in `input` at once.
#[derive(Default)]
struct Fields<'a> {
    input: EventInput<'a>,
    trace: [Option<&'a [u8]>; 3],
    flags: u8,
    data: Given<'a>,
    parts: Vec<GivenPart<'a>>,
    around: Option<Ambient<'a>>,
}

/// A part as it stands in the buffer.
#[derive(Default)]
struct GivenPart<'a> {
    members: [Option<&'a [u8]>; 7],
    bytes: Option<&'a [u8]>,
    tokens: Option<i64>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, mut rest: &'a [u8]) -> Result<()> {
        while let [number, l0, l1, l2, l3, after @ ..] = rest {
            let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            let (bytes, after) = after.split_at_checked(length).ok_or_else(broken)?;
            rest = after;
            self.field(*number, bytes)?;
        }
        if rest.is_empty() { Ok(()) } else { Err(broken()) }
    }

    fn field(&mut self, number: u8, bytes: &'a [u8]) -> Result<()> {
        match (usize::from(number), bytes) {
            (at @ 1..=14, bytes) => self.text(at, utf8(bytes, || TEXTS[at].to_owned())?),
            (at @ 15..=17, bytes) => self.trace[at - 15] = Some(bytes),
            (18, [flags]) => self.flags = *flags,
            (19, [terminal]) => self.input.terminal = Some(*terminal != 0),
            (20, stream) => self.data = Given::Stream(stream),
            (21, text) => self.data = Given::Json(text),
            (22, numbered) => self.data = Given::Values(numbered),
            (30, []) => self.parts.push(GivenPart::default()),
            (at @ 31..=37, bytes) => self.part()?.members[at - 31] = Some(bytes),
            (38, bytes) => self.part()?.bytes = Some(bytes),
            (39, bytes) => {
                self.part()?.tokens = Some(i64::from_le_bytes(bytes.try_into().map_err(|_| broken())?));
            }
            (at @ 41..=47, bytes) => self.ambient(at, utf8(bytes, || AROUND[at - 41].to_owned())?),
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn text(&mut self, number: usize, text: &'a str) {
        let input = &mut self.input;
        let member = match number {
            1 => return input.event_type = text,
            2 => &mut input.subject,
            3 => &mut input.severity,
            4 => &mut input.run,
            5 => &mut input.parent_run,
            6 => &mut input.turn,
            7 => &mut input.attempt,
            8 => &mut input.agent,
            9 => &mut input.tenant,
            10 => &mut input.time,
            11 => &mut input.id,
            12 => &mut input.causation,
            13 => &mut input.correlation,
            _ => &mut input.child,
        };
        *member = Some(text);
    }

    fn ambient(&mut self, number: usize, text: &'a str) {
        let around = self.around.get_or_insert_default();
        let member = match number {
            41 => &mut around.run,
            42 => &mut around.parent_run,
            43 => &mut around.turn,
            44 => &mut around.attempt,
            45 => &mut around.causation,
            46 => &mut around.correlation,
            _ => &mut around.agent,
        };
        *member = Some(text);
    }

    fn part(&mut self) -> Result<&mut GivenPart<'a>> {
        self.parts.last_mut().ok_or_else(broken)
    }

    /// What of the event needs more than one field.
    fn complete(&mut self) -> Result<()> {
        let [trace_id, span_id, state] = self.trace;
        if trace_id.is_some() || span_id.is_some() {
            // A trace context comes from other processes: what is no text there, the core leaves out.
            let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).unwrap_or("\u{FFFD}");
            self.input.trace = Some(Trace {
                trace_id: trace_id.map(text).unwrap_or_default(),
                span_id: span_id.map(text).unwrap_or_default(),
                flags: self.flags,
                state: state.map(text),
            });
        }
        for (i, part) in self.parts.iter().enumerate() {
            self.input.content.push(part.read(&format!("content[{i}]"))?);
        }
        if let Some(around) = self.around.take() {
            self.input = take(&mut self.input).within(&around);
        }
        Ok(())
    }
}

impl GivenPart<'_> {
    /// Reads the small members with the core's own reader, and takes the body unchanged.
    fn read(&self, at: &str) -> Result<Part> {
        let mut members = Vec::with_capacity(9);
        let mut text = None;
        for (name, bytes) in MEMBERS.iter().zip(self.members) {
            let Some(bytes) = bytes else { continue };
            let value = utf8(bytes, || format!("{at}.{name}"))?;
            // The core's reader gets an empty body of the same kind, so that it refuses a part with two bodies or none.
            if *name == "text" {
                text = Some(value);
                members.push(((*name).to_owned(), Value::from("")));
            } else {
                members.push(((*name).to_owned(), value.into()));
            }
        }
        if let Some(tokens) = self.tokens {
            members.push(("tokens".to_owned(), tokens.into()));
        }
        if self.bytes.is_some() {
            members.push(("bytes".to_owned(), Value::from("")));
        }
        let mut part = Part::from_value(&Value::Object(members), at)?;
        part.body = match (text, self.bytes) {
            (Some(text), _) => Body::Text(Arc::from(text)),
            (None, bytes) => Body::Bytes(Arc::from(bytes.unwrap_or_default())),
        };
        Ok(part)
    }
}

fn utf8(bytes: &[u8], place: impl FnOnce() -> String) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Error::invalid_event("holds a lone surrogate, which UTF-8 cannot carry; replace it before you emit")
            .at(place())
    })
}

fn broken() -> Error {
    Error::internal("the event's buffer is broken; please report")
}
