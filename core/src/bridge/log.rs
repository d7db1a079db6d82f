//! The log bridge: a record of any language's logging in, one event out.
//!
//! Guarantees: this is the only place that says what becomes of a log record; bindings convert their record into the
//! object below and add nothing. The same record gives the same event in every language (`tests/vectors/logs`). A
//! record's message, its attributes and the text of its exception may be people's words: they become content parts
//! (class `message`), which leave the process only through the gates, and never go into `data`. No record is refused
//! for what it holds: a value that JSON cannot carry is written as text ([`Plain`](crate::json::Plain)), a member of
//! the wrong form is left out, text beyond the limit is cut; `respelled` in `data` counts these changes.
//!
//! | part | `role` | |
//! | --- | --- | --- |
//! | the message | | `text/plain` |
//! | the attributes | `attributes` | `application/json`, an object |
//! | the exception | `exception` | `text/plain`: its stack trace, or its type and message |
//!
//! A record, all of it optional; `attributes` come last, as a record of too many values keeps the first:
//!
//! | member | |
//! | --- | --- |
//! | `scale` | whose numbers `level` is in: `logging`, `pino`, `slog`, `loglevel`; absent: OpenTelemetry's, 1 to 24 |
//! | `level` | a number of the scale, or a name (`warning`, `ERROR`) |
//! | `level_name` | what the record's own language calls the level |
//! | `logger` | the logger's name |
//! | `time` | RFC 3339 |
//! | `time_unix_nano` | nanoseconds since 1970, as decimal digits in a string; wins over `time` |
//! | `message` | the text, formatted |
//! | `attributes` | an object: what was bound to the logger and given with the record, scopes and groups nested |
//! | `exception` | `{type, message, stack}` |
//! | `code` | `{function, module, file, line}`: where in the program |
//! | `event_id`, `event_name` | what .NET calls the kind of record |
//! | `trace_id`, `span_id`, `flags`, `state` | W3C trace context |
//! | `run`, `turn`, `attempt`, `correlation`, `causation`, `agent`, `subject` | as those of an event |
//! | `ambient` | `{run, turn, attempt, correlation, causation, agent}`: the run that the calling code works for; what the record says itself goes before ([`Ambient`]) |
//! | `permit` | the most that the words may be captured, as a content part's; default `off` |

use sha2::{Digest as _, Sha256};

use super::{Door, LEFT_OUT, Told, context};
use crate::content::mode_from_name;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Ambient, EventInput, check_attribute};
use crate::hex;
use crate::json::{ObjectWriter, Spelled, Value, read_plain};
use crate::seam::parse_time;
use crate::settings::ContentMode;
use crate::types::{LevelScale, Severity};

type Members = Vec<(String, Value)>;

/// The members of a record.
const MEMBERS: [&str; 25] = [
    "scale",
    "level",
    "level_name",
    "logger",
    "time",
    "time_unix_nano",
    "message",
    "attributes",
    "exception",
    "code",
    "event_id",
    "event_name",
    "trace_id",
    "span_id",
    "flags",
    "state",
    "run",
    "turn",
    "attempt",
    "correlation",
    "causation",
    "agent",
    "subject",
    "ambient",
    "permit",
];

/// The longest name of a logger, level, type or place in the program that `data` takes, in bytes.
pub(super) const NAME: usize = 256;

/// What a part's mark, names and digest need beside its text.
const MARK: usize = 128;

/// The event of a log record: an object as [`read_event`](crate::event::read_event) takes one. `record` is an object as
/// JSON text or as a stream of values.
///
/// # Errors
/// `invalid_argument`: the bytes are neither.
pub fn event_of_log(record: &[u8]) -> Result<Value> {
    let record = read_plain(record).map_err(|e| {
        Error::invalid_argument(format!("a log record is an object, as JSON or as values: {}", e.message()))
            .at("record")
    })?;
    Ok(event_of_record(&record))
}

/// [`event_of_log`] as JSON text.
///
/// # Errors
/// As [`event_of_log`].
pub fn event_of_log_json(record: &[u8]) -> Result<Vec<u8>> {
    Ok(event_of_log(record)?.to_json().into_bytes())
}

/// [`event_of_log`] of a record that was built value by value.
#[must_use]
pub fn event_of_record(record: &Spelled) -> Value {
    Log::read(record).event(None)
}

/// Emits a log record, as [`event_of_log`] takes one. If the bytes are no record, the event's message says so: a log
/// line is never dropped for its form.
///
/// # Errors
/// `closed`, `backpressure`, `required_sink_unavailable`; never for what the record holds. As code that logs looks at
/// no result, the emitter also counts these errors and tells the host's logger: of the first, then once a minute.
pub fn emit_log<D: Door>(emitter: &D, record: &[u8], waiter: &D::Waiter<'_>) -> Result<()> {
    let record = read_plain(record).unwrap_or_else(|_| Spelled {
        value: Value::Object(vec![(
            "message".to_owned(),
            match std::str::from_utf8(record) {
                Ok(line) => line.into(),
                Err(_) => format!("[unreadable: a log record of {} bytes]", record.len()).into(),
            },
        )]),
        respelled: 1,
    });
    emit_record(emitter, &record, waiter)
}

/// [`emit_log`] of a record that was built value by value.
///
/// # Errors
/// As [`emit_log`].
pub fn emit_record<D: Door>(emitter: &D, record: &Spelled, waiter: &D::Waiter<'_>) -> Result<()> {
    try_record(emitter, record, waiter).inspect_err(|e| emitter.not_emitted(Told::Log, e))
}

fn try_record<D: Door>(emitter: &D, record: &Spelled, waiter: &D::Waiter<'_>) -> Result<()> {
    let mut log = Log::read(record);
    let mut writer = ObjectWriter::new();
    let limit = emitter.envelope_limit();
    // Whole, then with its text cut, then without text: a record that is not too large takes the first.
    for room in [None, Some(limit / 8), Some(limit / 64), Some(0)] {
        let mut tried = emitter.emit_value(&log.event(room), false, &mut writer, waiter);
        if matches!(&tried, Err(e) if e.kind() == ErrorKind::InvalidEvent && e.place() == Some("agent")) {
            // `agent.allow` refuses the record's agent: the event then gets the emitter's own.
            log.attributes.retain(|(member, _)| member != "agent");
            log.respelled = log.respelled.saturating_add(1);
            tried = emitter.emit_value(&log.event(room), false, &mut writer, waiter);
        }
        match tried {
            Err(e) if e.kind() == ErrorKind::InvalidEvent => {}
            other => return other,
        }
    }
    let nothing =
        Log { respelled: log.respelled.saturating_add(1), severity: log.severity, ..Log::default() };
    emitter.emit_value(&nothing.event(Some(0)), false, &mut writer, waiter).inspect_err(|e| {
        if e.kind() == ErrorKind::InvalidEvent {
            emitter.note_refused();
        }
    })
}

/// A record, read.
#[derive(Default)]
struct Log {
    severity: Severity,
    data: Members,
    /// Members of the event itself, as `time` and `run`.
    attributes: Members,
    /// Role and text of each part.
    words: Vec<Words>,
    permit: Option<ContentMode>,
    respelled: u64,
}

struct Words {
    role: Option<&'static str>,
    mediatype: &'static str,
    text: String,
}

impl Log {
    fn read(record: &Spelled) -> Self {
        let mut log = Self { respelled: record.respelled, ..Self::default() };
        let Value::Object(members) = &record.value else {
            log.respelled = log.respelled.saturating_add(1);
            log.say(None, text_of(&record.value));
            return log;
        };
        let of = |name: &str| record.value.get(name).filter(|value| **value != Value::Null);
        log.level(of("scale"), of("level"), of("level_name"));
        for name in ["logger", "event_name"] {
            log.name(name, of(name));
        }
        log.name("error.type", of("exception").and_then(|exception| exception.get("type")));
        if let Some(id) = of("event_id") {
            match id {
                Value::Int(_) => log.data.push(("event_id".to_owned(), id.clone())),
                other => log.name("event_id", Some(other)),
            }
        }
        log.code(of("code"));
        log.time(of("time"), of("time_unix_nano"));
        log.context(&record.value);
        log.permit = match of("permit").map(|mode| mode.as_str().and_then(mode_from_name)) {
            Some(None) => {
                log.respelled += 1;
                None
            }
            Some(mode) => mode,
            None => None,
        };
        if let Some(message) = of("message") {
            log.say(None, text_of(message));
        }
        log.attributes_of(members, of("attributes"));
        if let Some(exception) = of("exception") {
            log.say(Some("exception"), exception_text(exception));
        }
        log
    }

    fn level(&mut self, scale: Option<&Value>, level: Option<&Value>, name: Option<&Value>) {
        let given = scale.and_then(Value::as_str);
        let scale = given.and_then(|given| LevelScale::ALL.into_iter().find(|scale| scale.name() == given));
        self.respelled += u64::from(given.is_some() && scale.is_none());
        let number = match level {
            Some(Value::Int(number)) => Some(*number),
            #[allow(clippy::cast_possible_truncation, reason = "a cast saturates, as is meant")]
            Some(Value::Float(number)) => Some(number.floor() as i64),
            // A level with more digits than a JSON number can hold.
            Some(Value::String(text)) => text
                .parse::<i128>()
                .ok()
                .map(|number| i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })),
            _ => None,
        };
        let named = level.and_then(Value::as_str).or(name.and_then(Value::as_str));
        let severity = match (number, scale) {
            (Some(number), Some(scale)) => Some(Severity::of_level(scale, number)),
            (Some(number), None) => Some(Severity::of_number(number.clamp(1, 24).unsigned_abs())),
            (None, _) => named.and_then(Severity::of_log_level),
        };
        self.respelled += u64::from(severity.is_none() && level.is_some());
        self.severity = severity.unwrap_or_default();
        self.name("level", name.or(level));
    }

    /// Takes a name into `data`: a text, or a number or boolean in its place.
    fn name(&mut self, member: &str, value: Option<&Value>) {
        let Some(value) = value.filter(|value| **value != Value::Null) else { return };
        let (text, fits) = match value {
            Value::String(text) => (text.clone(), true),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => (value.to_json(), true),
            // Lists and objects may hold anything.
            other => (format!("[{}]", other.type_name()), false),
        };
        let (text, cut) = short(text);
        self.respelled += u64::from(!fits) + u64::from(cut);
        self.data.push((member.to_owned(), text.into()));
    }

    fn code(&mut self, code: Option<&Value>) {
        let Some(code) = code else { return };
        let mut kept = Vec::new();
        for member in ["function", "module", "file", "line"] {
            match code.get(member) {
                Some(Value::String(text)) => {
                    let (text, cut) = short(text.clone());
                    self.respelled += u64::from(cut);
                    kept.push((member.to_owned(), text.into()));
                }
                Some(number @ Value::Int(_)) => kept.push((member.to_owned(), number.clone())),
                Some(Value::Null) | None => {}
                Some(_) => self.respelled += 1,
            }
        }
        if !kept.is_empty() {
            self.data.push(("code".to_owned(), Value::Object(kept)));
        }
    }

    fn time(&mut self, text: Option<&Value>, nanos: Option<&Value>) {
        let counted = nanos.and_then(|nanos| match nanos {
            Value::Int(nanos) => Some(*nanos),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        });
        let time = counted
            .filter(|nanos| *nanos >= 0)
            .or_else(|| parse_time(text?.as_str()?).filter(|nanos| *nanos >= 0));
        // The time is malformed: it is left out, so that the event gets the current time.
        self.respelled += u64::from(time.is_none() && (text.is_some() || nanos.is_some()));
        self.attributes.extend(time.map(|time| ("time".to_owned(), context::moment(time))));
    }

    fn context(&mut self, record: &Value) {
        let (trace, odd) = context::trace_if_good(record);
        self.respelled += u64::from(odd);
        self.attributes.extend(trace.map(|trace| ("trace".to_owned(), trace)));
        let here = record.get("ambient").unwrap_or(&Value::Null);
        let ambient = Ambient {
            run: self.id(here, "run"),
            turn: self.id(here, "turn"),
            attempt: self.id(here, "attempt"),
            causation: self.id(here, "causation"),
            correlation: self.id(here, "correlation"),
            agent: self.id(here, "agent"),
            // Only events about a run itself have one, and a log record is none.
            parent_run: None,
        };
        let said = EventInput {
            run: self.id(record, "run"),
            turn: self.id(record, "turn"),
            attempt: self.id(record, "attempt"),
            causation: self.id(record, "causation"),
            correlation: self.id(record, "correlation"),
            agent: self.id(record, "agent"),
            subject: self.id(record, "subject"),
            ..EventInput::new("")
        };
        let taken = said.within(&ambient);
        let taken = [
            ("run", taken.run),
            ("turn", taken.turn),
            ("attempt", taken.attempt),
            ("correlation", taken.correlation),
            ("causation", taken.causation),
            ("agent", taken.agent),
            ("subject", taken.subject),
        ];
        self.attributes
            .extend(taken.into_iter().filter_map(|(member, text)| Some((member.to_owned(), text?.into()))));
    }

    /// A member that goes into the event unchanged; left out if it has the wrong form or is too long.
    fn id<'a>(&mut self, object: &'a Value, member: &str) -> Option<&'a str> {
        match object.get(member) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if check_attribute(member, text).is_ok() && text.len() <= 4 * NAME => {
                Some(text)
            }
            Some(_) => {
                self.respelled += 1;
                None
            }
        }
    }

    /// The attributes as one content part, with any unknown members of the record, so that what a binding puts in the
    /// wrong place is not lost.
    fn attributes_of(&mut self, record: &[(String, Value)], given: Option<&Value>) {
        let mut all = match given {
            None => Vec::new(),
            Some(Value::Object(members)) => members.clone(),
            Some(other) => {
                self.respelled += 1;
                vec![("attributes".to_owned(), other.clone())]
            }
        };
        for (member, value) in record.iter().filter(|(member, _)| !MEMBERS.contains(&member.as_str())) {
            self.respelled += 1;
            all.push((member.clone(), value.clone()));
        }
        if !all.is_empty() {
            let text = Value::Object(all).to_json();
            self.words.push(Words { role: Some("attributes"), mediatype: "application/json", text });
        }
    }

    fn say(&mut self, role: Option<&'static str>, text: String) {
        if !text.is_empty() {
            self.words.push(Words { role, mediatype: "text/plain", text });
        }
    }

    /// The event; `room` limits its text, in bytes.
    fn event(&self, room: Option<usize>) -> Value {
        let mut respelled = self.respelled;
        let mut parts = Vec::new();
        for words in self.words.iter().filter(|_| room != Some(0)) {
            let (text, mediatype) = match room {
                Some(room) if words.text.len() > room => {
                    respelled = respelled.saturating_add(1);
                    (cut(&words.text, room), "text/plain")
                }
                _ => (words.text.clone(), words.mediatype),
            };
            let mut part: Members = vec![
                ("class".to_owned(), "message".into()),
                ("mediatype".to_owned(), mediatype.into()),
                ("text".to_owned(), text.into()),
            ];
            part.extend(words.role.map(|role| ("role".to_owned(), role.into())));
            part.extend(self.permit.map(|permit| ("permit".to_owned(), permit.name().into())));
            parts.push(Value::Object(part));
        }
        let mut data = self.data.clone();
        let left = i64::try_from(self.words.len() - parts.len()).unwrap_or(i64::MAX);
        for (member, count) in [(LEFT_OUT, left), ("respelled", i64::try_from(respelled).unwrap_or(i64::MAX))]
        {
            if count > 0 {
                data.push((member.to_owned(), Value::Int(count)));
            }
        }
        let mut event: Members = vec![
            ("type".to_owned(), "log.record".into()),
            ("data".to_owned(), Value::Object(data)),
            ("severity".to_owned(), self.severity.name().into()),
        ];
        event.extend(self.attributes.iter().cloned());
        if !parts.is_empty() {
            event.push(("content".to_owned(), Value::Array(parts)));
        }
        Value::Object(event)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_json(), str::to_owned)
}

/// The text of an exception: its stack trace, which in most languages contains type and message, else these two.
fn exception_text(exception: &Value) -> String {
    let text = |name: &str| exception.get(name).filter(|value| **value != Value::Null).map(text_of);
    match (text("type"), text("message"), text("stack")) {
        (_, Some(message), Some(stack)) if !stack.contains(&message) => format!("{message}\n{stack}"),
        (_, _, Some(stack)) => stack,
        (Some(kind), Some(message), None) => format!("{kind}: {message}"),
        (kind, message, None) => message.or(kind).unwrap_or_else(|| text_of(exception)),
    }
}

/// A name cut to what `data` takes, and whether it had to be cut.
fn short(text: String) -> (String, bool) {
    if text.len() <= NAME { (text, false) } else { (cut(&text, NAME + MARK), true) }
}

/// The beginning of a text, and a mark with the whole text's length and digest, by which it can be recognized.
fn cut(text: &str, room: usize) -> String {
    let end = crate::terminal::boundary(text, room.saturating_sub(MARK));
    let digest = hex::text(&Sha256::digest(text));
    format!("{}… [cut: {} bytes, sha256 {digest}]", &text[..end], text.len())
}
