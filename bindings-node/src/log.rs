//! Log records, spans and steps from JavaScript, as streams of values; and pino's lines, which are read here so that no number is
//! rounded on its way.

use std::sync::Arc;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sinkwell::bridge::{self, emit_log, emit_record};
use sinkwell::json::{Spelled, Value, parse, read_plain};
use sinkwell::{Emitter, Error, Result, Wait};

use crate::deed::Given;
use crate::emitter::{NativeEmitter, text};
use crate::error::thrown;
use crate::event_loop::EventLoop;

/// The event that a log record stands for, as JSON.
#[napi(catch_unwind)]
pub fn event_of_log(record: Buffer) -> napi::Result<String> {
    bridge::event_of_log_json(&record).map(text).map_err(thrown)
}

/// The events that a span stands for, as JSON.
#[napi(catch_unwind)]
pub fn events_of_span(span: Buffer) -> napi::Result<String> {
    bridge::events_of_span_json(&span).map(text).map_err(thrown)
}

/// What a pino logger calls the members of its lines.
#[napi(object, object_to_js = false)]
pub struct PinoKeys {
    /// `messageKey`
    pub message: String,
    /// `errorKey`
    pub error: String,
    /// The most that words may be captured.
    pub permit: Option<String>,
    /// The names of levels, by their numbers, as a JSON object.
    pub labels: Option<String>,
}

/// What came of a tool's call, as a deed's result takes it.
#[napi(object, object_from_js = false)]
pub struct SaidOfCall {
    /// An object, as JSON.
    pub data: String,
    /// A list of parts, as JSON.
    pub content: String,
}

#[napi]
impl NativeEmitter {
    /// Emits the events that a span stands for, and says how many. Never waits; `inside` as for `emit`.
    #[napi(catch_unwind)]
    pub fn emit_span(&self, span: Buffer, inside: bool) -> napi::Result<u32> {
        let emitted = bridge::emit_span(self.get()?, &span, &never(inside)).map_err(thrown)?;
        Ok(u32::try_from(emitted).unwrap_or(u32::MAX))
    }

    /// Emits the events that a step stands for, and says how many. Never waits; `inside` as for `emit`.
    #[napi(catch_unwind)]
    pub fn emit_step(&self, step: Buffer, inside: bool) -> napi::Result<u32> {
        let emitted = bridge::emit_step(self.get()?, &step, &never(inside)).map_err(thrown)?;
        Ok(u32::try_from(emitted).unwrap_or(u32::MAX))
    }

    /// The intent of a tool's call that is a deed.
    #[napi(catch_unwind)]
    pub fn step_intent(&self, step: Buffer) -> napi::Result<Given> {
        let intent = bridge::intent_of_step_json(self.get()?, &step).map_err(thrown)?;
        let Ok(Value::Object(mut members)) = parse(&intent) else {
            return Err(thrown(Error::internal("an intent is no object")));
        };
        let mut take = |name: &str| {
            let at = members.iter().position(|(key, _)| key == name)?;
            Some(members.remove(at).1)
        };
        let event_type = take("type").as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let data = take("data").map(|data| data.to_json());
        Ok(Given { event_type, data, rest: Some(Value::Object(members).to_json()) })
    }

    /// What the deed says of the call's end. Never waits; `inside` as for `emit`.
    #[napi(catch_unwind)]
    pub fn step_result(&self, step: Buffer, inside: bool) -> napi::Result<SaidOfCall> {
        let result = bridge::result_of_step_json(self.get()?, &step, &never(inside)).map_err(thrown)?;
        let result = parse(&result).map_err(|_| thrown(Error::internal("a result is no object")))?;
        let text = |name: &str| result.get(name).map(Value::to_json).unwrap_or_default();
        Ok(SaidOfCall { data: text("data"), content: text("content") })
    }

    /// Emits a log record. Never waits; `inside` as for `emit`.
    #[napi(catch_unwind)]
    pub fn emit_log(&self, record: Buffer, inside: bool) -> napi::Result<()> {
        emit_log(self.get()?, &record, &never(inside)).map_err(thrown)
    }

    /// Emits lines of pino's, waiting for room on a thread of its own.
    #[napi(catch_unwind)]
    pub fn emit_pino(
        &self,
        event_loop: &EventLoop,
        token: u32,
        lines: Buffer,
        keys: PinoKeys,
    ) -> napi::Result<()> {
        let emitter = Arc::clone(self.get()?);
        let lines = lines.to_vec();
        event_loop.shared.run(token, move || emit_lines(&emitter, &lines, &keys).map(|()| String::new()));
        Ok(())
    }
}

fn never(inside: bool) -> Wait {
    if inside { Wait::Inside } else { Wait::Never }
}

/// Emits all lines, even when one is refused; returns the first refusal.
fn emit_lines(emitter: &Emitter, lines: &[u8], keys: &PinoKeys) -> Result<()> {
    let labels = keys.labels.as_deref().and_then(|labels| read_plain(labels.as_bytes()).ok());
    let labels = labels.map_or(Value::Null, |labels| labels.value);
    let mut refusal = None;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        // A line that is no object was not written by pino: the whole line becomes the message.
        let message = |text: Value| Value::Object(vec![(keys.message.clone(), text)]);
        let read = match read_plain(line) {
            Ok(Spelled { value: value @ Value::Object(_), respelled }) => Spelled { value, respelled },
            _ => Spelled { value: message(String::from_utf8_lossy(line).into_owned().into()), respelled: 1 },
        };
        let emitted = emit_record(emitter, &record(read, keys, &labels), &Wait::Allowed);
        refusal = refusal.or(emitted.err());
    }
    refusal.map_or(Ok(()), Err)
}

/// A line of pino's as a log record.
///
/// pino writes its own members first and the message last, and the program's members may have the same names. So the
/// first `level` and `time` are pino's, and the last message.
fn record(line: Spelled, keys: &PinoKeys, labels: &Value) -> Spelled {
    let Spelled { value, mut respelled } = line;
    let Value::Object(mut members) = value else { return Spelled { value, respelled } };
    let mut record: Vec<(String, Value)> = Vec::new();
    let mut put = |name: &str, value: Value| record.push((name.to_owned(), value));
    let take = |members: &mut Vec<(String, Value)>, at: Option<usize>| at.map(|at| members.remove(at).1);
    let find = |members: &[(String, Value)], key: &str| members.iter().position(|(name, _)| name == key);

    put("scale", "pino".into());
    if let Some(keep) = &keys.permit {
        put("permit", keep.as_str().into());
    }
    let at = find(&members, "level");
    if let Some(level) = take(&mut members, at) {
        let number = match &level {
            Value::String(name) => {
                // A formatter wrote the level's name; `labels` has the numbers of custom levels.
                let known = labels.members().iter().find(|(_, label)| label.as_str() == Some(name));
                known.and_then(|(number, _)| number.parse::<i64>().ok())
            }
            _ => None,
        };
        if let Some(label) = labels.get(&level.to_json()) {
            put("level_name", label.clone());
        } else if number.is_some() {
            put("level_name", level.clone());
        }
        put("level", number.map_or(level, Value::Int));
    }
    let at = find(&members, "name");
    if let Some(name) = take(&mut members, at) {
        put("logger", name);
    }
    let at = find(&members, "time").filter(|at| moment(&members[*at].1).is_some());
    if let Some((name, time)) = take(&mut members, at).and_then(|time| moment(&time)) {
        put(name, time);
    }
    trace(&mut members, &mut put);
    // Members of one name are numbered when the line is read, so that the last one has the highest number.
    let last = (2..).map(|n| format!("{}#{n}", keys.message)).take_while(|key| find(&members, key).is_some());
    let message = last.last().unwrap_or_else(|| keys.message.clone());
    respelled -= u64::from(message != keys.message && respelled > 0);
    let at = find(&members, &message);
    if let Some(message) = take(&mut members, at) {
        put("message", message);
    }
    let at = find(&members, &keys.error);
    if let Some(error) = take(&mut members, at) {
        put("exception", exception(&error));
        // Further members of the error (its code, its causes) go into the attributes.
        if let Value::Object(said) = error {
            let own = said.into_iter().filter(|(name, _)| !matches!(&**name, "type" | "message" | "stack"));
            let own: Vec<_> = own.collect();
            if !own.is_empty() {
                members.push((keys.error.clone(), Value::Object(own)));
            }
        }
    }
    if !members.is_empty() {
        put("attributes", Value::Object(members));
    }
    Spelled { value: Value::Object(record), respelled }
}

/// The time of a line: milliseconds since 1970; seconds, if milliseconds would give a time in the first weeks of 1970;
/// or text.
fn moment(time: &Value) -> Option<(&'static str, Value)> {
    #[allow(clippy::cast_possible_truncation, reason = "between 0 and the year 2262")]
    let nanos = |millis: f64| {
        let millis = if millis < 1e10 { millis * 1e3 } else { millis };
        (0.0..9.2e12).contains(&millis).then(|| Value::String(((millis * 1e6) as i64).to_string()))
    };
    match time {
        #[allow(clippy::cast_precision_loss, reason = "pino has milliseconds")]
        Value::Int(millis) => Some(("time_unix_nano", nanos(*millis as f64)?)),
        Value::Float(millis) => Some(("time_unix_nano", nanos(*millis)?)),
        Value::String(text) if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('T') => {
            Some(("time", time.clone()))
        }
        _ => None,
    }
}

/// What OpenTelemetry's instrumentation of pino puts into a line.
fn trace(members: &mut Vec<(String, Value)>, put: &mut impl FnMut(&str, Value)) {
    let hex = |name: &str, len: usize| {
        let text = members.iter().find(|(key, _)| key == name)?.1.as_str()?;
        (text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_owned())
    };
    let (Some(trace), Some(span)) = (hex("trace_id", 32), hex("span_id", 16)) else { return };
    let flags = hex("trace_flags", 2).and_then(|flags| i64::from_str_radix(&flags, 16).ok());
    members.retain(|(key, _)| {
        key != "trace_id" && key != "span_id" && (key != "trace_flags" || flags.is_none())
    });
    put("trace_id", trace.into());
    put("span_id", span.into());
    if let Some(flags) = flags {
        put("flags", Value::Int(flags));
    }
}

fn exception(error: &Value) -> Value {
    match error {
        Value::Object(_) => {
            let said = ["type", "message", "stack"].into_iter();
            let said = said.filter_map(|name| Some((name.to_owned(), error.get(name)?.clone())));
            let said: Vec<_> = said.collect();
            // An error of another form is taken as its JSON text.
            if said.is_empty() { Value::String(error.to_json()) } else { Value::Object(said) }
        }
        other => other.clone(),
    }
}
