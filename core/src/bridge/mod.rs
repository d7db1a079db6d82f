//! Turns other telemetry into events: spans of any tracing SDK, here, steps of frameworks ([`step`]), and log records
//! ([`log`]).
//!
//! Guarantees of the span bridge: this is the only place that says which span is which event; bindings convert their SDK's span
//! into the JSON object below and add nothing. The same span gives the same events in every language
//! (`tests/vectors/spans`). What the conventions call content becomes content parts, which leave the process only
//! through the gates, and never goes into `data`; hidden reasoning is dropped. Of other attributes `data` gets numbers,
//! booleans and those texts that are known by their names to hold no people's words (`kept` in `semconv.json`). Any
//! other text is dropped, and so is a status's description.
//!
//! | span | events |
//! | --- | --- |
//! | an agent's (`invoke_agent`) that starts, is given without an end | `run.started` |
//! | an agent's that ended | `run.completed`, `run.failed` or `run.cancelled`; `model.usage` of the family `run` if it counts tokens |
//! | a tool's (`execute_tool`), an MCP call of a tool, prompt or resource | `tool.invocation`; a denied one is a `policy.decision`, too, and one that waits for approval only that |
//! | a guardrail's that says how it went, an approval | `policy.decision` |
//! | a model's (`chat`, `embeddings`, …), or any other that counts tokens | `model.usage` |
//! | a saga's step | `run.progress` |
//! | a sandbox's, with a kind that `sandbox.event` knows | `sandbox.event` |
//! | any other that ended | `span` |
//!
//! Tokens are not counted twice where spans are nested: the innermost model span is the model's usage, the tokens on an
//! agent's span have the family `run`, and those on a framework's span around model spans (`ai.embedMany`) are ignored.
//!
//! How: [`span`] reads the object, whose values may be wider than JSON's ([`Plain`](crate::json::Plain) spells them), and
//! translates dialects; [`names`] are the conventions' names, from their one data file; [`event`] turns the span into
//! events; [`details`] adds its kind, links and what happened during it; [`runs`] knows which span is inside which;
//! [`content`] takes messages apart.
//!
//! A span, all but `name` optional:
//!
//! | member | |
//! | --- | --- |
//! | `name` | the span's name |
//! | `trace_id`, `span_id`, `flags`, `state` | W3C trace context: hex digits, 0 to 255, `tracestate` |
//! | `parent_span_id`, `parent_is_remote` | the span around it; whether that is another process's |
//! | `start_unix_nano`, `end_unix_nano` | decimal digits in a string; without an end the span has just started |
//! | `status` | `unset`, `ok`, `error`, `compensating` |
//! | `raised` | the type of the exception that left the span, where the language shows it and the SDK records none |
//! | `attributes` | an object |
//! | `kind` | `internal`, `server`, `client`, `producer`, `consumer` |
//! | `events` | list of `{name, time_unix_nano, attributes}` |
//! | `links` | list of `{trace_id, span_id, flags, state, attributes}` |
//! | `permit` | the most that content may be captured, as a content part's; default `off` |

mod content;
mod context;
mod details;
mod door;
mod event;
mod log;
mod names;
#[cfg(feature = "tracing")]
mod record;
mod runs;
mod span;
mod step;

#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::json::{ObjectWriter, Value, read_plain};

pub use log::{emit_log, emit_record, event_of_log, event_of_log_json, event_of_record};

/// The member of `data` that says how many content parts, or attributes with content, were left out.
const LEFT_OUT: &str = "content_left_out";

pub use door::{Door, Told};
pub use event::outcome_of_error;
#[cfg(feature = "tracing")]
pub(crate) use record::{Record, emit_direct};
pub use runs::Runs;
pub use step::{
    StepResult, emit_step, emit_step_value, intent_of_step, intent_of_step_json, result_of_step,
    result_of_step_json,
};

/// The events that a span stands for, each an object as [`read_event`](crate::event::read_event) takes one.
///
/// # Errors
/// `invalid_argument`, with the member: the text is no span.
pub fn events_of_span(span: &[u8]) -> Result<Vec<Value>> {
    events_of_value(&read(span)?)
}

/// [`events_of_span`] of a span that was built value by value, by [`Plain`](crate::json::Plain).
///
/// # Errors
/// As [`events_of_span`].
pub fn events_of_value(span: &Value) -> Result<Vec<Value>> {
    placed(span, &runs::Place::alone)
}

fn read(span: &[u8]) -> Result<Value> {
    let span = read_plain(span).map_err(|e| {
        let error =
            Error::invalid_argument(format!("a span is an object, as JSON or as values: {}", e.message()));
        error.at(e.path().map_or_else(|| "span".to_owned(), |path| format!("span.{path}")))
    })?;
    Ok(span.value)
}

fn placed(span: &Value, place: &dyn Fn(&span::Span<'_>) -> runs::Place) -> Result<Vec<Value>> {
    let span = span::Span::read(span)?;
    Ok(event::of(&span, &place(&span)))
}

/// [`events_of_span`] as JSON text: a list.
///
/// # Errors
/// As [`events_of_span`].
pub fn events_of_span_json(span: &[u8]) -> Result<Vec<u8>> {
    Ok(Value::Array(events_of_span(span)?).to_json().into_bytes())
}

/// Emits the events that a span stands for; returns how many. If it is given every span when it starts and again when
/// it ends, it knows which run each belongs to: everything inside an agent's span, events with its trace context
/// included, belongs to that run, and the run of an agent within another has the other as `parent_run`. All events are
/// tried, even when one is refused; the first refusal is then the result, and the host's logger hears of each, as for
/// log records. An event that is too large is emitted without its content, and then without links and events.
///
/// # Errors
/// As [`events_of_span`] and [`Emitter::emit`](crate::Emitter::emit).
pub fn emit_span<D: Door>(emitter: &D, span: &[u8], waiter: &D::Waiter<'_>) -> Result<usize> {
    let span = read(span).inspect_err(|e| emitter.not_emitted(Told::Span, e))?;
    emit_span_value(emitter, &span, waiter)
}

/// [`emit_span`] of a span that was built value by value, by [`Plain`](crate::json::Plain).
///
/// # Errors
/// As [`emit_span`].
pub fn emit_span_value<D: Door>(emitter: &D, span: &Value, waiter: &D::Waiter<'_>) -> Result<usize> {
    let place = |span: &span::Span<'_>| {
        emitter.with_runs(|runs| runs.place(span)).unwrap_or_else(|| runs::Place::alone(span))
    };
    let events = placed(span, &place).inspect_err(|e| emitter.not_emitted(Told::Span, e))?;
    // Of several events of a span that ended the last is about its end.
    let last = span
        .get("end_unix_nano")
        .is_some_and(|end| *end != Value::Null)
        .then(|| events.len().wrapping_sub(1));
    emit_all(emitter, Told::Span, events, last, waiter)
}

/// Emits events, all of them, even when one is refused; `of_span` is the one that says how a span ended.
fn emit_all<D: Door>(
    emitter: &D,
    told: Told,
    events: Vec<Value>,
    of_span: Option<usize>,
    waiter: &D::Waiter<'_>,
) -> Result<usize> {
    let mut writer = ObjectWriter::new();
    let (mut emitted, mut refusal) = (0, None);
    for (i, mut event) in events.into_iter().enumerate() {
        let of_span = of_span == Some(i);
        let mut tried = emitter.emit_value(&event, of_span, &mut writer, waiter);
        for leave in [event::leave_content, details::leave] {
            if matches!(&tried, Err(e) if e.kind() == ErrorKind::InvalidEvent) && leave(&mut event) {
                tried = emitter.emit_value(&event, of_span, &mut writer, waiter);
            }
        }
        match tried {
            Ok(()) => emitted += 1,
            Err(e) => {
                emitter.not_emitted(told, &e);
                refusal = refusal.or(Some(e));
            }
        }
    }
    refusal.map_or(Ok(emitted), Err)
}
