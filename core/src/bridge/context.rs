//! Trace context and time of spans and log records.
//!
//! Guarantees: a trace context from outside the program (a header, baggage) that is malformed is left out, by the rule
//! that holds for events too (`event::usable_trace`); the event is not refused for it.

use crate::event::{Trace, usable_trace};
use crate::json::Value;
use crate::seam::{UnixNanos, format_time};

/// The trace context in the members of an object, in the form that an event takes, and whether any of it was left out.
pub(super) fn trace_if_good(given: &Value) -> (Option<Value>, bool) {
    let of = |name: &str| given.get(name).filter(|value| **value != Value::Null);
    let text = |name: &str| of(name).and_then(Value::as_str);
    if of("trace_id").is_none() && of("span_id").is_none() {
        return (None, false);
    }
    let flags =
        of("flags").map_or(Some(0), |flags| flags.as_i64().and_then(|flags| u8::try_from(flags).ok()));
    let said = Trace {
        trace_id: text("trace_id").unwrap_or_default(),
        span_id: text("span_id").unwrap_or_default(),
        flags: flags.unwrap_or_default(),
        state: text("state"),
    };
    let Some(kept) = usable_trace(&said) else { return (None, true) };
    let mut members: Vec<(String, Value)> =
        vec![("trace_id".to_owned(), kept.trace_id.into()), ("span_id".to_owned(), kept.span_id.into())];
    if of("flags").is_some() && flags.is_some() {
        members.push(("flags".to_owned(), i64::from(kept.flags).into()));
    }
    members.extend(kept.state.map(|state| ("state".to_owned(), state.into())));
    let lost_state = kept.state.is_none() && of("state").is_some_and(|state| state.as_str() != Some(""));
    (Some(Value::Object(members)), flags.is_none() || lost_state)
}

/// A time in the form that an event takes.
pub(super) fn moment(nanos: UnixNanos) -> Value {
    let mut text = Vec::with_capacity(30);
    format_time(&mut text, nanos);
    Value::String(String::from_utf8(text).unwrap_or_default())
}
