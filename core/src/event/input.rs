//! The event as host code gives it.

use crate::content::Part;
use crate::error::{Error, Result};
use crate::json::{self, ObjectWriter, Value};
use crate::settings::ContentMode;
use crate::types::Severity;

/// Data of an event.
#[derive(Clone, Copy, Default)]
pub enum Data<'a> {
    /// None: `{}` on the wire.
    #[default]
    None,
    /// A JSON object as text.
    Json(&'a [u8]),
    /// An object written by a binding, or by Rust code.
    Object(&'a ObjectWriter),
}

impl std::fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they are the host's, and a debug print ends up in logs.
        match self {
            Self::None => f.write_str("none"),
            Self::Json(text) => write!(f, "json({} bytes)", text.len()),
            Self::Object(_) => f.write_str("object"),
        }
    }
}

/// Trace context (W3C). It comes from other processes: an invalid one is left out, and never makes an event fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    /// 32 hex digits.
    pub trace_id: &'a str,
    /// 16 hex digits.
    pub span_id: &'a str,
    /// Trace flags; 1 is sampled.
    pub flags: u8,
    /// `tracestate`
    pub state: Option<&'a str>,
}

/// An event as host code gives it (docs/spec/envelope.md). Only `event_type` is required.
#[derive(Clone, Debug, Default)]
pub struct EventInput<'a> {
    /// A built-in type, or any reverse-DNS type of the host's own.
    pub event_type: &'a str,
    /// The attributes of the event.
    pub data: Data<'a>,
    /// What it is about.
    pub subject: Option<&'a str>,
    /// Content parts.
    pub content: Vec<Part>,
    /// `trace` … `fatal` in any case, or OpenTelemetry's number, `1` to `24`; default by type.
    pub severity: Option<&'a str>,
    /// For a host's own type: whether losing the event would make a run's outcome look other than it was.
    pub terminal: Option<bool>,
    /// The agent run.
    pub run: Option<&'a str>,
    /// The run that started this one: `data.parent_run` of an event about a run (`run.*`) that does not say it itself.
    pub parent_run: Option<&'a str>,
    /// The turn in the run.
    pub turn: Option<&'a str>,
    /// The attempt in the turn.
    pub attempt: Option<&'a str>,
    /// Trace context; left out if it is invalid.
    pub trace: Option<Trace<'a>>,
    /// Another agent than the emitter's; must match `agent.allow`.
    pub agent: Option<&'a str>,
    /// Another tenant than the emitter's; must match `agent.allow`.
    pub tenant: Option<&'a str>,
    /// RFC 3339; default now.
    pub time: Option<&'a str>,
    /// The host's own, 1 to 128 printable ASCII characters; default a new UUIDv7.
    pub id: Option<&'a str>,
    /// Id of the event that caused this one.
    pub causation: Option<&'a str>,
    /// Id of the whole conversation.
    pub correlation: Option<&'a str>,
    /// For content: whether the event comes from a child agent or an extension, and its name.
    pub child: Option<&'a str>,
    /// Whether it is what a finished span of its trace context came to: of the span bridge's alone.
    #[doc(hidden)]
    pub of_span: bool,
}

/// A log record of which nothing has to be asked again, in place of an [`EventInput`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    /// What the type asks for.
    pub(crate) data: Written<'a>,
    pub(crate) severity: Severity,
    pub(crate) words: Words<'a>,
    pub(crate) trace: Option<Trace<'a>>,
}

/// Canonical data.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Written<'a> {
    /// The event gets a copy.
    Here(&'a [u8]),
    /// Kept as long as the process: many events have it, and none need copy it.
    Always(&'static [u8]),
}

/// The texts of a log record that are content: each a part of the class `message`, unless it is empty. All are UTF-8.
#[doc(hidden)]
#[derive(Clone, Copy, Default)]
pub struct Words<'a> {
    pub(crate) message: &'a [u8],
    /// An object's text.
    pub(crate) attributes: &'a [u8],
    pub(crate) exception: &'a [u8],
    pub(crate) permit: ContentMode,
}

impl std::fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words({} bytes)", self.len())
    }
}

const CLASS: &str = "message";
const TEXT: &str = "text/plain";

impl<'a> Words<'a> {
    /// Each text, with its media type and its role.
    fn each(&self) -> impl Iterator<Item = (&'a [u8], &'static str, Option<&'static str>)> {
        let all = [
            (self.message, TEXT, None),
            (self.attributes, "application/json", Some("attributes")),
            (self.exception, TEXT, Some("exception")),
        ];
        all.into_iter().filter(|(text, ..)| !text.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all of them.
    pub(crate) fn len(&self) -> usize {
        self.message.len() + self.attributes.len() + self.exception.len()
    }

    /// As content parts.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let part = |(text, mediatype, role): (&[u8], &str, Option<&str>)| {
            let text = std::str::from_utf8(text).unwrap_or_default();
            let mut part = Part::text(CLASS, text).permit(self.permit);
            mediatype.clone_into(&mut part.mediatype);
            part.role = role.map(str::to_owned);
            part
        };
        self.each().map(part).collect()
    }

    /// What these parts cost ([`Part::cost`]).
    pub(crate) fn cost(&self) -> usize {
        let cost = |(text, mediatype, role): (&[u8], &str, Option<&str>)| {
            Part::FIXED_COST + text.len() + CLASS.len() + mediatype.len() + role.map_or(0, str::len)
        };
        self.each().map(cost).sum()
    }
}

impl<'a> EventInput<'a> {
    /// An event of that type without data.
    #[must_use]
    pub fn new(event_type: &'a str) -> Self {
        Self { event_type, ..Self::default() }
    }
}

/// The members of an event given as one JSON object.
const MEMBERS: &[&str] = &[
    "type",
    "data",
    "subject",
    "content",
    "severity",
    "terminal",
    "run",
    "turn",
    "attempt",
    "trace",
    "agent",
    "tenant",
    "time",
    "id",
    "causation",
    "correlation",
    "child",
];

/// Reads a whole event from one JSON object and passes it to `f`, for hosts that pass bytes to the core. `writer` is
/// reused between calls; `depth` is the limit for `data`.
///
/// # Errors
/// Kind `invalid_event`, with the path.
pub fn read_event<T>(
    text: &[u8],
    depth: usize,
    writer: &mut ObjectWriter,
    f: impl FnOnce(EventInput<'_>) -> Result<T>,
) -> Result<T> {
    // The tree is for the few attributes; data goes through the writer, which checks it.
    read_value(&json::parse(text).map_err(|e| invalid(&e))?, depth, writer, f)
}

/// Reads an event's `content`: a list of parts, or null.
///
/// # Errors
/// Kind `invalid_event`, with the path.
pub(crate) fn read_parts(content: &Value) -> Result<Vec<Part>> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::Array(parts) => {
            let read = |(i, part)| Part::from_value(part, &format!("content[{i}]"));
            parts.iter().enumerate().map(read).collect()
        }
        other => {
            Err(Error::invalid_event(format!("must be a list, not {}", other.type_name())).at("content"))
        }
    }
}

/// As [`read_event`], from an object that was read already.
pub(crate) fn read_value<T>(
    event: &Value,
    depth: usize,
    writer: &mut ObjectWriter,
    f: impl FnOnce(EventInput<'_>) -> Result<T>,
) -> Result<T> {
    let Value::Object(members) = event else {
        return Err(Error::invalid_event("an event must be a JSON object"));
    };
    if let Some((key, _)) = members.iter().find(|(key, _)| !MEMBERS.contains(&key.as_str())) {
        return Err(Error::invalid_event(format!(
            "an event has no member {key:?}; put attributes of your own into data"
        ))
        .at(key.clone()));
    }
    let text = |key: &str| match event.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.as_str())),
        Some(other) => {
            Err(Error::invalid_event(format!("must be a string, not {}", other.type_name())).at(key))
        }
    };
    let data = match event.get("data") {
        None | Some(Value::Null) => Data::None,
        Some(object @ Value::Object(_)) => {
            writer.reset(depth);
            object.write_into(writer).map_err(|e| invalid_data(&e))?;
            Data::Object(writer)
        }
        Some(other) => {
            return Err(
                Error::invalid_event(format!("must be an object, not {}", other.type_name())).at("data")
            );
        }
    };
    let number;
    let severity = match event.get("severity") {
        Some(Value::Int(given)) => {
            number = given.to_string();
            Some(number.as_str())
        }
        _ => text("severity")?,
    };
    let trace = match event.get("trace") {
        None | Some(Value::Null) => None,
        Some(trace) => Some(read_trace(trace)?),
    };
    let content = event.get("content").map_or(Ok(Vec::new()), read_parts)?;
    let terminal = match event.get("terminal") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(b)) => Some(*b),
        Some(other) => {
            return Err(
                Error::invalid_event(format!("must be a boolean, not {}", other.type_name())).at("terminal")
            );
        }
    };
    f(EventInput {
        event_type: text("type")?.unwrap_or_default(),
        data,
        subject: text("subject")?,
        content,
        severity,
        terminal,
        run: text("run")?,
        parent_run: None,
        turn: text("turn")?,
        attempt: text("attempt")?,
        trace,
        agent: text("agent")?,
        tenant: text("tenant")?,
        time: text("time")?,
        id: text("id")?,
        causation: text("causation")?,
        correlation: text("correlation")?,
        child: text("child")?,
        of_span: false,
    })
}

fn read_trace(value: &Value) -> Result<Trace<'_>> {
    let text = |key: &str| match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.as_str())),
        Some(_) => Err(Error::invalid_event("must be a string").at(format!("trace.{key}"))),
    };
    let flags = match value.get("flags") {
        None | Some(Value::Null) => 0,
        Some(flags) => flags
            .as_i64()
            .and_then(|flags| u8::try_from(flags).ok())
            .ok_or_else(|| Error::invalid_event("must be a number from 0 to 255").at("trace.flags"))?,
    };
    Ok(Trace {
        trace_id: text("trace_id")?.unwrap_or_default(),
        span_id: text("span_id")?.unwrap_or_default(),
        flags,
        state: text("state")?,
    })
}

/// An error of the JSON layer, as an error about the event.
fn invalid(e: &json::JsonError) -> Error {
    let error = Error::invalid_event(e.to_string());
    match e.path() {
        Some(path) => error.at(path),
        None => error,
    }
}

/// An error of the JSON layer, as an error about the event's data.
#[must_use]
pub fn invalid_data(e: &json::JsonError) -> Error {
    let place = e.path().map_or_else(|| "data".to_owned(), |path| format!("data.{path}"));
    Error::invalid_event(e.to_string()).at(place)
}
