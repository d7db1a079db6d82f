//! The event as C gives it: borrowed UTF-8 for the attributes, JSON bytes for the data.
//!
//! The only check here is for text that is not UTF-8, which the core's types cannot hold.

use std::sync::Arc;

use sinkwell::content::{Body, Part};
use sinkwell::event::{Data, Trace};
use sinkwell::json::Value;
use sinkwell::{Emitter, Error, EventInput, Result};

use crate::bytes::{SinkwellBytes, not_utf8};
use crate::slice::Slice;
use crate::values::with_values;

/// `data_form`: a JSON object as text; the core scans it once.
pub const SINKWELL_DATA_JSON: u8 = 0;
/// `data_form`: an object as a stream of values, each a tag of one byte and what it announces: `{` members `}`, a
/// member being `k`, length, UTF-8, and a value; `[` values `]`; `s`, length, UTF-8; `i` and a 64-bit integer; `d` and
/// a double; `t`, `f` and `n` for true, false and null; `j`, length, JSON text, for whatever that says. Lengths are
/// 32-bit; they, and numbers, are little-endian and not aligned. Cheaper to write and to read than text. What JSON cannot
/// carry has tags, too, which data refuses by its path, and spans and log records spell: `z`, length, decimal digits, for
/// an integer of any size; `b`, length, bytes; `u`, length, UTF-8 that says what the value is, for one that could not be
/// read.
pub const SINKWELL_DATA_VALUES: u8 = 1;

/// An event. Zero it, then set what the event has: `data` NULL means that the event does not say. Only
/// `event_type` is required. All of it is borrowed for the call.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellEvent {
    /// A built-in type, or any reverse-DNS type of the host's own.
    pub event_type: SinkwellBytes,
    /// An object, as `data_form` says.
    pub data: SinkwellBytes,
    /// What it is about.
    pub subject: SinkwellBytes,
    /// `trace` … `fatal`; default by type.
    pub severity: SinkwellBytes,
    /// The agent run.
    pub run: SinkwellBytes,
    /// The run around it: `parent_run` in the data of an event about a run (`run.*`) that does not say it itself.
    pub parent_run: SinkwellBytes,
    /// The turn in the run.
    pub turn: SinkwellBytes,
    /// The attempt in the turn.
    pub attempt: SinkwellBytes,
    /// Another agent than the emitter's.
    pub agent: SinkwellBytes,
    /// Another tenant than the emitter's.
    pub tenant: SinkwellBytes,
    /// RFC 3339; default now.
    pub time: SinkwellBytes,
    /// 1 to 128 printable ASCII characters; default a new UUIDv7.
    pub id: SinkwellBytes,
    /// Id of the event that caused this one.
    pub causation: SinkwellBytes,
    /// Id of the whole conversation.
    pub correlation: SinkwellBytes,
    /// For content: the child agent or extension it comes from.
    pub child: SinkwellBytes,
    /// Trace context: 32 hex digits. Trace and span id come together; what is no trace context is left out.
    pub trace_id: SinkwellBytes,
    /// 16 hex digits.
    pub span_id: SinkwellBytes,
    /// `tracestate`
    pub trace_state: SinkwellBytes,
    /// Content parts.
    pub content: *const SinkwellPart,
    /// How many.
    pub content_len: u64,
    /// W3C trace flags.
    pub trace_flags: u8,
    /// 0 not said, 1 not terminal, 2 terminal.
    pub terminal: u8,
    /// One of `SINKWELL_DATA_*`.
    pub data_form: u8,
    /// Zeros.
    pub reserved: [u8; 5],
}

/// A content part: `content_class`, and one of `text` and `bytes`, are required.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellPart {
    /// `prompt`, `completion`, `tool_result`, …
    pub content_class: SinkwellBytes,
    /// Media type.
    pub mediatype: SinkwellBytes,
    /// The content, if it is text.
    pub text: SinkwellBytes,
    /// The content, if it is not.
    pub bytes: SinkwellBytes,
    /// `user`, `assistant`, …
    pub role: SinkwellBytes,
    /// A reference into the host's own content store.
    pub reference: SinkwellBytes,
    /// What may be said of it instead.
    pub summary: SinkwellBytes,
    /// The most its source permits: `off`, `redacted_summary`, `content_ref`, `raw`.
    pub permit: SinkwellBytes,
    /// Its tokens; counts only with `has_tokens`.
    pub tokens: u64,
    /// 1 if `tokens` is said.
    pub has_tokens: u8,
    /// Zeros.
    pub reserved: [u8; 7],
}

/// # Safety
/// As [`SinkwellBytes::get`].
#[inline]
unsafe fn text<'a>(bytes: SinkwellBytes, name: &str) -> Result<Option<&'a str>> {
    // Most are absent.
    if bytes.data.is_null() && bytes.len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { text_at(bytes, || name.to_owned()) }
}

/// As [`text`]; the closure makes the name, and is called for an error only.
///
/// # Safety
/// As [`SinkwellBytes::get`].
unsafe fn text_at<'a>(bytes: SinkwellBytes, name: impl Fn() -> String) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    match unsafe { bytes.get_at(&name)? } {
        None => Ok(None),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(e) => Err(not_utf8(&e, Error::invalid_event).at(name())),
        },
    }
}

/// Text of a trace context, which comes from other processes. If it is not UTF-8, a replacement character takes its
/// place, so that the core leaves the trace context out.
///
/// # Safety
/// As [`SinkwellBytes::get`].
unsafe fn foreign<'a>(bytes: SinkwellBytes, name: &str) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes.get(name)? };
    Ok(bytes.map(|bytes| std::str::from_utf8(bytes).unwrap_or("\u{FFFD}")))
}

impl SinkwellEvent {
    /// Calls `emit` with the event in the form that the core takes.
    ///
    /// # Safety
    /// Every part of it is borrowed for the call.
    pub(crate) unsafe fn with_input<T>(
        &self,
        emitter: &Emitter,
        emit: impl FnOnce(EventInput<'_>) -> Result<T>,
    ) -> Result<T> {
        // SAFETY: the caller's promise, for all of them.
        unsafe {
            match (self.data_form, self.data.get("data")?) {
                (SINKWELL_DATA_JSON, Some(text)) => emit(self.input(Data::Json(text))?),
                (SINKWELL_DATA_VALUES, Some(stream)) => {
                    with_values(stream, emitter.depth_limit(), |writer| {
                        emit(self.input(Data::Object(writer))?)
                    })
                }
                (SINKWELL_DATA_JSON | SINKWELL_DATA_VALUES, None) => emit(self.input(Data::None)?),
                _ => Err(Error::invalid_argument("must be one of SINKWELL_DATA_*").at("data_form")),
            }
        }
    }

    /// The event with its data, borrowing everything but content.
    ///
    /// # Safety
    /// Every part of it is borrowed for `'a`.
    unsafe fn input<'a>(&self, data: Data<'a>) -> Result<EventInput<'a>> {
        // SAFETY: the caller's promise, for all of them.
        unsafe {
            let trace =
                match (foreign(self.trace_id, "trace.trace_id")?, foreign(self.span_id, "trace.span_id")?) {
                    (None, None) => None,
                    (trace_id, span_id) => Some(Trace {
                        trace_id: trace_id.unwrap_or_default(),
                        span_id: span_id.unwrap_or_default(),
                        flags: self.trace_flags,
                        state: foreign(self.trace_state, "trace.state")?,
                    }),
                };
            Ok(EventInput {
                event_type: text(self.event_type, "type")?.unwrap_or_default(),
                data,
                subject: text(self.subject, "subject")?,
                content: parts(self.content, self.content_len)?,
                severity: text(self.severity, "severity")?,
                terminal: match self.terminal {
                    0 => None,
                    1 => Some(false),
                    2 => Some(true),
                    _ => return Err(Error::invalid_argument("must be 0, 1 or 2").at("terminal")),
                },
                run: text(self.run, "run")?,
                parent_run: text(self.parent_run, "parent_run")?,
                turn: text(self.turn, "turn")?,
                attempt: text(self.attempt, "attempt")?,
                trace,
                agent: text(self.agent, "agent")?,
                tenant: text(self.tenant, "tenant")?,
                time: text(self.time, "time")?,
                id: text(self.id, "id")?,
                causation: text(self.causation, "causation")?,
                correlation: text(self.correlation, "correlation")?,
                child: text(self.child, "child")?,
                of_span: false,
            })
        }
    }
}

/// # Safety
/// `parts` is NULL or points to `len` parts.
unsafe fn parts(parts: *const SinkwellPart, len: u64) -> Result<Vec<Part>> {
    // SAFETY: the caller's promise.
    let parts = unsafe { Slice::new(parts, len).get(|| "content".to_owned())? };
    // SAFETY: the caller's promise, for each.
    parts.iter().enumerate().map(|(i, part)| unsafe { part.read(&format!("content[{i}]")) }).collect()
}

impl SinkwellPart {
    /// Reads the small members with the core's own reader, and takes the body unchanged.
    ///
    /// # Safety
    /// Every part of it is borrowed for the call.
    unsafe fn read(&self, at: &str) -> Result<Part> {
        // SAFETY: the caller's promise.
        let read = |bytes, member: &str| unsafe { text_at(bytes, || format!("{at}.{member}")) };
        let small = [
            ("class", self.content_class),
            ("mediatype", self.mediatype),
            ("role", self.role),
            ("ref", self.reference),
            ("summary", self.summary),
            ("permit", self.permit),
        ];
        let mut members = Vec::with_capacity(8);
        for (name, bytes) in small {
            if let Some(text) = read(bytes, name)? {
                members.push((name.to_owned(), text.into()));
            }
        }
        if self.has_tokens != 0 {
            let tokens = i64::try_from(self.tokens).unwrap_or(i64::MAX);
            members.push(("tokens".to_owned(), tokens.into()));
        }
        // SAFETY: the caller's promise.
        let (as_text, as_bytes) =
            (read(self.text, "text")?, unsafe { self.bytes.get_at(|| format!("{at}.bytes"))? });
        // The core's reader gets an empty body of the same kind, so that it refuses a part with two bodies or none.
        let empty = || Value::from("");
        if as_text.is_some() {
            members.push(("text".to_owned(), empty()));
        }
        if as_bytes.is_some() {
            members.push(("bytes".to_owned(), empty()));
        }
        let mut part = Part::from_value(&Value::Object(members), at)?;
        part.body = match (as_text, as_bytes) {
            (Some(text), _) => Body::Text(Arc::from(text)),
            (None, bytes) => Body::Bytes(Arc::from(bytes.unwrap_or_default())),
        };
        Ok(part)
    }
}
