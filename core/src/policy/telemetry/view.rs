//! A lane's view of an event: members added and dropped.
//!
//! Guarantees: what comes out is canonical; what was done is in it as `view`; an event to which nothing is done stays
//! as it is, byte for byte.

use super::cel::{Machine, Outcome, Val};
use super::document::{Events, FieldValue};
use super::facts::{Finder, with_workspace};
use super::raw::{self, Items, Raw};
use super::sampling::{self, Decision};
use crate::envelope::Redacted;
use crate::event::Event;
use crate::json::{self, Value, compare_keys, write_f64, write_string};

/// What a view is made by.
pub(super) struct Shape<'a> {
    /// The policy, or the policies, by name.
    pub(super) policy: &'a str,
    pub(super) events: Option<(&'a Events, &'a Finder)>,
    pub(super) sampled: Option<Decision>,
}

/// A member that is added: its key and its value as canonical JSON.
type Added = (String, Vec<u8>);

/// Names under which what was sampled says so; a host's own of these names make way.
const THRESHOLD: &str = "sampling.threshold";
const RANDOMNESS: &str = "sampling.randomness";

/// Makes the view of a redacted event; `None` where nothing is done. `failed` counts expressions that came to nothing.
pub(super) fn view(
    shape: &Shape<'_>,
    event: &Event,
    redacted: &Redacted,
    failed: &mut dyn FnMut(Outcome),
) -> Option<Vec<u8>> {
    let data = redacted.data(event);
    let mut added: Vec<Added> = Vec::new();
    if let Some((events, finder)) = shape.events.filter(|(events, _)| !events.fields.is_empty()) {
        with_workspace(|workspace| {
            let machine = Machine::new(event, finder.find(data, workspace)).showing(redacted);
            for field in &events.fields {
                let value = match &field.value {
                    FieldValue::Literal(literal) => Some(literal.clone()),
                    FieldValue::Slot(slot) => written(first(machine.slot(*slot))),
                    FieldValue::Cel(program) => {
                        let value = machine.value(program);
                        if let Val::Fault(fault) = value {
                            failed(Outcome::Fault(fault));
                        }
                        written(value)
                    }
                };
                added.extend(value.map(|value| (field.key.clone(), value)));
            }
        });
    }
    // Before `drop`, so that a policy that adds a key and drops it does neither.
    let dropped_keys = shape.events.map(|(events, _)| events.drop.as_slice()).unwrap_or_default();
    added.retain(|(key, _)| !dropped_keys.iter().any(|(dropped, _)| dropped == key));
    if let Some(decision) = shape.sampled {
        // A field of these names makes way as a host's own member does.
        added.retain(|(key, _)| key != THRESHOLD && key != RANDOMNESS);
        if let Some(threshold) = decision.threshold {
            added.push((THRESHOLD.to_owned(), quoted(&sampling::threshold_digits(threshold))));
        }
        if let Some(randomness) = decision.randomness {
            added.push((RANDOMNESS.to_owned(), quoted(&sampling::digits(randomness))));
        }
    }
    let mut value = None;
    let mut dropped = Vec::new();
    let own = [THRESHOLD, RANDOMNESS].into_iter().filter(|_| shape.sampled.is_some());
    for (key, readings) in dropped_keys.iter().map(|(key, readings)| (key.as_str(), readings.as_slice())) {
        let there = readings.iter().find(|reading| is_there(data, reading));
        if let Some(reading) = there {
            let tree = value.get_or_insert_with(|| json::parse(data).ok());
            if tree.as_mut().is_some_and(|tree| remove(tree, reading)) {
                dropped.push(key.to_owned());
            }
        }
    }
    for key in own {
        let escaped = raw::escaped(key);
        if raw::member(data, &escaped).is_some() && !added.iter().any(|(added, _)| added == key) {
            let tree = value.get_or_insert_with(|| json::parse(data).ok());
            if tree.as_mut().is_some_and(|tree| remove(tree, &[key.to_owned()])) {
                dropped.push(key.to_owned());
            }
        }
    }
    if added.is_empty() && dropped.is_empty() {
        return None;
    }
    let base = value.flatten().and_then(|tree| tree.to_canonical().ok());
    let base = base.as_deref().unwrap_or(data);
    added.push(("view".to_owned(), note(shape.policy, &added, dropped)));
    Some(merge(base, added))
}

/// `{"added": …, "dropped": …, "policy": …}`
fn note(policy: &str, added: &[Added], mut dropped: Vec<String>) -> Vec<u8> {
    let list = |mut keys: Vec<String>| {
        keys.sort();
        Value::Array(keys.into_iter().map(Value::String).collect())
    };
    let mut members = Vec::new();
    if !added.is_empty() {
        members.push(("added".to_owned(), list(added.iter().map(|(key, _)| key.clone()).collect())));
    }
    if !dropped.is_empty() {
        members.push(("dropped".to_owned(), list(std::mem::take(&mut dropped))));
    }
    members.push(("policy".to_owned(), Value::String(policy.to_owned())));
    Value::Object(members).to_canonical().unwrap_or_else(|_| b"{}".to_vec())
}

/// Puts members into an object, in the order of its keys and in place of those that have their names.
fn merge(base: &[u8], mut added: Vec<Added>) -> Vec<u8> {
    added.sort_by(|(a, _), (b, _)| compare_keys(a, b));
    let more: usize = added.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    let mut out = Vec::with_capacity(base.len() + more);
    out.push(b'{');
    let comma = |out: &mut Vec<u8>| {
        if out.len() > 1 {
            out.push(b',');
        }
    };
    let put = |out: &mut Vec<u8>, (key, value): &Added| {
        comma(out);
        write_string(out, key);
        out.push(b':');
        out.extend_from_slice(value);
    };
    let mut next = added.iter().peekable();
    for (key, value) in raw::Members::of(base) {
        let name = json::unescape(key).unwrap_or_default();
        while let Some(member) = next.next_if(|(added, _)| compare_keys(added, &name).is_lt()) {
            put(&mut out, member);
        }
        if let Some(member) = next.next_if(|(added, _)| *added == *name) {
            put(&mut out, member);
            continue;
        }
        comma(&mut out);
        out.push(b'"');
        out.extend_from_slice(key);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
    }
    next.for_each(|member| put(&mut out, member));
    out.push(b'}');
    out
}

fn is_there(data: &[u8], reading: &[String]) -> bool {
    let mut at = data;
    for key in reading {
        if at.first() != Some(&b'{') {
            return false;
        }
        match raw::member(at, &raw::escaped(key)) {
            Some(value) => at = value,
            None => return false,
        }
    }
    true
}

fn remove(value: &mut Value, reading: &[String]) -> bool {
    let (Value::Object(members), Some((key, rest))) = (value, reading.split_first()) else { return false };
    let Some(at) = members.iter().position(|(name, _)| name == key) else { return false };
    if rest.is_empty() {
        members.remove(at);
        return true;
    }
    remove(&mut members[at].1, rest)
}

/// OpenTelemetry writes a header as a list of its values: the first stands for it.
fn first(value: Val<'_>) -> Val<'_> {
    let Val::Array(text) = value else { return value };
    match Items::of(text).next().and_then(Raw::of) {
        Some(Raw::Text(text, false)) => Val::Text(text),
        _ => value,
    }
}

/// A value as canonical JSON.
fn written(value: Val<'_>) -> Option<Vec<u8>> {
    Some(match value {
        Val::Fault(_) | Val::List(_) => return None,
        Val::Null => b"null".to_vec(),
        Val::Bool(value) => if value { "true" } else { "false" }.as_bytes().to_vec(),
        // As data holds them: a larger one is not the same number to every reader.
        Val::Int(number) if number.unsigned_abs() > json::MAX_SAFE_INTEGER => return None,
        Val::Int(number) => number.to_string().into_bytes(),
        Val::Double(number) if number.is_finite() => {
            let mut out = Vec::new();
            write_f64(&mut out, number).ok()?;
            out
        }
        Val::Double(_) => return None,
        Val::Text(text) => quoted(std::str::from_utf8(text).ok()?),
        Val::Object(text) | Val::Array(text) => text.to_vec(),
    })
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}
