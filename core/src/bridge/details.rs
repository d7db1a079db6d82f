//! What a span says beside its attributes: its kind, its links to other spans, and what happened during it.
//!
//! They are members of the data of the event that the span came to, so that policies see them, and a lane that sends
//! spans can give them back:
//!
//! | member | |
//! | --- | --- |
//! | `span_kind` | `internal`, `server`, `client`, `producer` or `consumer` |
//! | `span_links` | list of `{trace_id, span_id, flags, state, attributes}` |
//! | `span_events` | list of `{name, time, attributes}` |
//! | `span_links_left_out`, `span_events_left_out` | how many are not there, where any are not |
//!
//! Guarantees: the same rule as for a span's attributes holds for theirs, so that no message, argument or stack trace gets
//! into `data`. A name that is no single word may be a sentence somebody said: that event is left out, and counted. Each list
//! is bounded, in number and in bytes.

use super::context;
use super::event::{Members, is_kept};
use super::names::SpanNames;
use super::span::Span;
use crate::json::Value;
use crate::seam::UnixNanos;

/// The kinds of spans, as OpenTelemetry calls them.
pub(super) const KINDS: [&str; 5] = ["internal", "server", "client", "producer", "consumer"];

/// As many as an SDK keeps of a span unless somebody says otherwise.
const MOST: usize = 128;
/// Bytes of one list.
const MOST_BYTES: usize = 16 * 1024;
/// Bytes of an event's name.
const MOST_NAME: usize = 128;

const LISTS: [(&str, &str); 2] =
    [("span_links", "span_links_left_out"), ("span_events", "span_events_left_out")];

/// Something that happened during a span.
pub(super) struct Happened<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) time: Option<UnixNanos>,
    pub(super) attributes: &'a [(String, Value)],
}

/// Adds what the span says of these to the data of the event that it came to.
pub(super) fn add(span: &Span<'_>, names: &SpanNames, data: &mut Members) {
    if let Some(kind) = span.kind {
        data.push(("span_kind".to_owned(), kind.into()));
    }
    let links = span.links.iter().map(|given| link(given, names));
    let events = span.happened.iter().map(|given| event(given, names));
    for ((list, left_out), (kept, left)) in LISTS.into_iter().zip([bounded(links), bounded(events)]) {
        if !kept.is_empty() {
            data.push((list.to_owned(), Value::Array(kept)));
        }
        if left > 0 {
            data.push((left_out.to_owned(), Value::Int(left)));
        }
    }
}

/// Those that may be there and fit, and how many are not there.
fn bounded(items: impl Iterator<Item = Option<Value>>) -> (Vec<Value>, i64) {
    let (mut kept, mut left, mut room) = (Vec::new(), 0, MOST_BYTES);
    for item in items {
        let item = item.filter(|_| kept.len() < MOST).map(|item| (item.to_json().len(), item));
        match item {
            Some((size, item)) if size <= room => {
                room -= size;
                kept.push(item);
            }
            _ => left += 1,
        }
    }
    (kept, left)
}

fn link(given: &Value, names: &SpanNames) -> Option<Value> {
    let (Some(Value::Object(mut members)), _) = context::trace_if_good(given) else { return None };
    let attributes = given.get("attributes").map(Value::members).unwrap_or_default();
    put_attributes(&mut members, attributes, names);
    Some(Value::Object(members))
}

fn event(given: &Happened<'_>, names: &SpanNames) -> Option<Value> {
    let name = given.name.filter(|name| is_word(name))?;
    let mut members = vec![("name".to_owned(), name.into())];
    members.extend(given.time.map(|time| ("time".to_owned(), context::moment(time))));
    put_attributes(&mut members, given.attributes, names);
    Some(Value::Object(members))
}

fn put_attributes(members: &mut Members, given: &[(String, Value)], names: &SpanNames) {
    let kept = given.iter().filter(|(name, value)| {
        is_kept(name, value, names) || (*name == names.exception && value.as_str().is_some())
    });
    let kept: Members = kept.cloned().collect();
    if !kept.is_empty() {
        members.push(("attributes".to_owned(), Value::Object(kept)));
    }
}

fn is_word(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':');
    !name.is_empty() && name.len() <= MOST_NAME && name.bytes().all(letter)
}

/// Removes both lists from an event; returns whether there were any.
pub(super) fn leave(event: &mut Value) -> bool {
    let Value::Object(members) = event else { return false };
    let data = members.iter_mut().find(|(key, _)| key == "data");
    let Some((_, Value::Object(data))) = data else { return false };
    let mut left = false;
    for (list, left_out) in LISTS {
        let Some(at) = data.iter().position(|(key, _)| key == list) else { continue };
        let count = i64::try_from(data.remove(at).1.items().len()).unwrap_or(i64::MAX);
        let before = data.iter().find(|(key, _)| key == left_out).and_then(|(_, n)| n.as_i64()).unwrap_or(0);
        data.retain(|(key, _)| key != left_out);
        data.push((left_out.to_owned(), Value::Int(before.saturating_add(count))));
        left = true;
    }
    left
}
