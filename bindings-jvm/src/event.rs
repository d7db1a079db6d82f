//! The event as Kotlin writes it: one buffer of fields, each a number of one byte, a length of 32 bits (little-endian),
//! and so many bytes.
//!
//! | field | |
//! | --- | --- |
//! | 1 … 14 | UTF-8: type, subject, severity, run, parent run, turn, attempt, agent, tenant, time, id, causation, correlation, child |
//! | 15 … 18 | UTF-8: the trace context's trace id, span id and state; one byte: its flags |
//! | 19 | one byte: whether it is terminal |
//! | 20 | the data: a stream of values (`sinkwell::json::stream_into` has the table of tags) |
//! | 21 | the data: JSON text |
//! | 30 | nothing: a content part begins; what follows is about it |
//! | 31 … 37 | UTF-8, of the part: class, mediatype, role, ref, summary, permit, text |
//! | 38 | the part's bytes |
//! | 39 | the part's tokens: 64 bits |
//! | 41 … 47 | UTF-8, of the code around: run, parent run, turn, attempt, causation, correlation, agent |
//!
//! A text that is not UTF-8 (a lone surrogate, as its three bytes) is refused here, as the core's types cannot hold it; in
//! data, by the core.

use std::cell::RefCell;
use std::sync::Arc;

use sinkwell::content::{Body, Part};
use sinkwell::event::{Ambient, Data, Trace, invalid_data};
use sinkwell::json::{ObjectWriter, StreamError, Value, stream_into};
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

/// The names of a part's members, from field 31 on.
const MEMBERS: [&str; 7] = ["class", "mediatype", "role", "ref", "summary", "permit", "text"];

/// Reads the fields of a buffer and passes the event to `then`. `depth` is the limit for data.
pub(crate) fn with_input<T>(
    buffer: &[u8],
    depth: usize,
    then: impl FnOnce(EventInput<'_>) -> Result<T>,
) -> Result<T> {
    let fields = Fields::read(buffer)?;
    match fields.data {
        Given::Nothing => then(fields.input(Data::None)?),
        Given::Json(text) => then(fields.input(Data::Json(text))?),
        Given::Stream(stream) => {
            let run = |writer: &mut ObjectWriter| {
                writer.reset(depth);
                stream_into(stream, writer).map_err(|e| match e {
                    StreamError::Broken => broken(),
                    StreamError::Refused(e) => invalid_data(&e),
                })?;
                then(fields.input(Data::Object(writer))?)
            };
            WRITER.with(|writer| match writer.try_borrow_mut() {
                Ok(mut writer) => run(&mut writer),
                // This emit runs inside another one of the same thread.
                Err(_) => run(&mut ObjectWriter::new()),
            })
        }
    }
}

#[derive(Clone, Copy)]
enum Given<'a> {
    Nothing,
    Stream(&'a [u8]),
    Json(&'a [u8]),
}

/// What a buffer says, as it stands there.
struct Fields<'a> {
    texts: [Option<&'a [u8]>; 15],
    trace: [Option<&'a [u8]>; 3],
    flags: u8,
    terminal: Option<bool>,
    data: Given<'a>,
    parts: Vec<Given_<'a>>,
    around: Option<[Option<&'a [u8]>; 7]>,
}

/// A part as it stands in the buffer.
#[derive(Default)]
struct Given_<'a> {
    members: [Option<&'a [u8]>; 7],
    bytes: Option<&'a [u8]>,
    tokens: Option<i64>,
}

impl<'a> Fields<'a> {
    fn read(mut rest: &'a [u8]) -> Result<Self> {
        let mut fields = Self {
            texts: [None; 15],
            trace: [None; 3],
            flags: 0,
            terminal: None,
            data: Given::Nothing,
            parts: Vec::new(),
            around: None,
        };
        while let [number, l0, l1, l2, l3, after @ ..] = rest {
            let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            let (bytes, after) = after.split_at_checked(length).ok_or_else(broken)?;
            rest = after;
            fields.field(*number, bytes)?;
        }
        if rest.is_empty() { Ok(fields) } else { Err(broken()) }
    }

    fn field(&mut self, number: u8, bytes: &'a [u8]) -> Result<()> {
        match (usize::from(number), bytes) {
            (at @ 1..=14, bytes) => self.texts[at] = Some(bytes),
            (15, bytes) => self.trace[0] = Some(bytes),
            (16, bytes) => self.trace[1] = Some(bytes),
            (17, bytes) => self.trace[2] = Some(bytes),
            (18, [flags]) => self.flags = *flags,
            (19, [terminal]) => self.terminal = Some(*terminal != 0),
            (20, stream) => self.data = Given::Stream(stream),
            (21, text) => self.data = Given::Json(text),
            (30, []) => self.parts.push(Given_::default()),
            (at @ 31..=37, bytes) => self.part()?.members[at - 31] = Some(bytes),
            (38, bytes) => self.part()?.bytes = Some(bytes),
            (39, bytes) => {
                self.part()?.tokens = Some(i64::from_le_bytes(bytes.try_into().map_err(|_| broken())?));
            }
            (at @ 41..=47, bytes) => self.around.get_or_insert_default()[at - 41] = Some(bytes),
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn part(&mut self) -> Result<&mut Given_<'a>> {
        self.parts.last_mut().ok_or_else(broken)
    }

    /// The event with its data.
    fn input(&self, data: Data<'a>) -> Result<EventInput<'a>> {
        let text = |at: usize| {
            self.texts[at].map_or(Ok(None), |bytes| utf8(bytes, || TEXTS[at].to_owned()).map(Some))
        };
        // A trace context comes from other processes: what is no text there, the core leaves out.
        let foreign =
            |at: usize| self.trace[at].map(|bytes| std::str::from_utf8(bytes).unwrap_or("\u{FFFD}"));
        let trace = match (foreign(0), foreign(1)) {
            (None, None) => None,
            (trace_id, span_id) => Some(Trace {
                trace_id: trace_id.unwrap_or_default(),
                span_id: span_id.unwrap_or_default(),
                flags: self.flags,
                state: foreign(2),
            }),
        };
        let content = self
            .parts
            .iter()
            .enumerate()
            .map(|(i, part)| part.read(&format!("content[{i}]")))
            .collect::<Result<_>>()?;
        let input = EventInput {
            event_type: text(1)?.unwrap_or_default(),
            data,
            subject: text(2)?,
            content,
            severity: text(3)?,
            terminal: self.terminal,
            run: text(4)?,
            parent_run: text(5)?,
            of_span: false,
            ready: None,
            turn: text(6)?,
            attempt: text(7)?,
            trace,
            agent: text(8)?,
            tenant: text(9)?,
            time: text(10)?,
            id: text(11)?,
            causation: text(12)?,
            correlation: text(13)?,
            child: text(14)?,
        };
        let Some(around) = &self.around else { return Ok(input) };
        let [run, parent_run, turn, attempt, causation, correlation, agent] = around;
        let given = |name: &str, bytes: &Option<&'a [u8]>| {
            bytes.map_or(Ok(None), |bytes| utf8(bytes, || name.to_owned()).map(Some))
        };
        Ok(input.within(&Ambient {
            run: given("run", run)?,
            parent_run: given("parent_run", parent_run)?,
            turn: given("turn", turn)?,
            attempt: given("attempt", attempt)?,
            causation: given("causation", causation)?,
            correlation: given("correlation", correlation)?,
            agent: given("agent", agent)?,
        }))
    }
}

impl Given_<'_> {
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
