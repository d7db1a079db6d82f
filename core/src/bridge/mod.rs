//! The span bridge: a finished span of any tracing SDK in, events out.
//!
//! Guarantees: this is the only place that says which span is which event; bindings convert their SDK's span
//! into the JSON object below and add nothing. The same span gives the same events in every language
//! (`tests/vectors/spans`). What the conventions call content becomes content parts, which leave only through
//! the gates, never `data`; hidden reasoning becomes nothing. Of other attributes `data` gets numbers,
//! booleans and the texts whose names are known to hold no words of people (`kept` in `semconv.json`); any
//! other text stays behind, and so does a status's description.
//!
//! | span | events |
//! | --- | --- |
//! | an agent's (`invoke_agent`) that starts, is given without an end | `run.started` |
//! | an agent's that ended | `run.completed`, `run.failed` or `run.cancelled`; `model.usage` of the family `run` if it counts tokens |
//! | a tool's (`execute_tool`), any MCP call's | `tool.invocation` |
//! | a model's (`chat`, `embeddings`, …), or any other that counts tokens | `model.usage` |
//! | a saga's step | `run.progress` |
//! | a sandbox's, with a kind that `sandbox.event` knows | `sandbox.event` |
//! | any other that ended | `span` |
//!
//! Of model spans within each other only the innermost is a model's usage: what an agent's span counts is of the family
//! `run`, and a framework's span around its models' (`ai.embedMany`) counts nothing.
//!
//! How: [`span`] reads the object and translates dialects; [`names`] are the conventions' names, from their one
//! data file; [`event`] decides; [`content`] takes messages apart.
//!
//! A span, all but `name` optional:
//!
//! | member | |
//! | --- | --- |
//! | `name` | the span's name |
//! | `trace_id`, `span_id`, `flags`, `state` | W3C trace context: hex digits, 0 to 255, `tracestate` |
//! | `start_unix_nano`, `end_unix_nano` | decimal digits in a string; without an end the span has just started |
//! | `status` | `unset`, `ok`, `error`, `compensating` |
//! | `attributes` | an object; what JSON cannot say comes as OTLP/JSON has it: a string |
//! | `events` | list of `{name, attributes}`; of those only `exception.type` is read |
//! | `permit` | the most that content may be captured, as a content part's; default `off` |

mod content;
mod event;
mod names;
mod span;

#[cfg(test)]
mod tests;

use crate::emitter::{Attempt, Emitter, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::event::read_value;
use crate::json::{self, ObjectWriter, Value};

pub use event::outcome_of_error;

/// The events that a span stands for, each an object as [`read_event`](crate::event::read_event) takes one.
///
/// # Errors
/// `invalid_argument`, with the member: the text is no span.
pub fn events_of_span(span: &[u8]) -> Result<Vec<Value>> {
    let value = json::parse(span).map_err(|e| {
        let error = Error::invalid_argument(format!("a span is a JSON object: {}", e.message()));
        error.at(e.path().map_or_else(|| "span".to_owned(), |path| format!("span.{path}")))
    })?;
    Ok(event::of(&span::Span::read(&value)?))
}

/// [`events_of_span`] as JSON text: a list.
///
/// # Errors
/// As [`events_of_span`].
pub fn events_of_span_json(span: &[u8]) -> Result<Vec<u8>> {
    Ok(Value::Array(events_of_span(span)?).to_json().into_bytes())
}

/// Emits the events that a span stands for; answers how many. What one of them lacks keeps no other back: the
/// first refusal is the answer when all have been tried. An event too large with its content goes without.
///
/// # Errors
/// As [`events_of_span`] and [`Emitter::emit`].
pub fn emit_span(emitter: &Emitter, span: &[u8], waiter: &dyn Waiter) -> Result<usize> {
    let mut writer = ObjectWriter::new();
    let (mut emitted, mut refusal) = (0, None);
    for mut event in events_of_span(span)? {
        let mut tried = emit(emitter, &event, &mut writer, waiter);
        if matches!(&tried, Err(e) if e.kind() == ErrorKind::InvalidEvent) && event::leave_content(&mut event)
        {
            tried = emit(emitter, &event, &mut writer, waiter);
        }
        match tried {
            Ok(()) => emitted += 1,
            Err(e) => refusal = refusal.or(Some(e)),
        }
    }
    refusal.map_or(Ok(emitted), Err)
}

fn emit(emitter: &Emitter, event: &Value, writer: &mut ObjectWriter, waiter: &dyn Waiter) -> Result<()> {
    read_value(event, emitter.depth_limit(), writer, |input| match emitter.emit_waiting(input, waiter)? {
        Attempt::Accepted(_) => Ok(()),
        // A span that ended does not come again: there is no later to wait for.
        Attempt::NoRoom(_) => Err(Error::new(ErrorKind::Backpressure, "a blocking lane has no room")),
    })
}
