//! A span as bindings hand it over, its attributes under their conventional names.

use std::collections::{BTreeMap, HashMap};

use super::context;
use super::details::{Happened, KINDS};
use super::names::SpanNames;
use super::step::Step;
use crate::error::{Error, Result};
use crate::json::Value;
use crate::seam::UnixNanos;
use crate::settings::ContentMode;

/// The members of a span.
const MEMBERS: [&str; 16] = [
    "name",
    "kind",
    "trace_id",
    "span_id",
    "parent_span_id",
    "parent_is_remote",
    "flags",
    "state",
    "start_unix_nano",
    "end_unix_nano",
    "status",
    "raised",
    "attributes",
    "events",
    "links",
    "permit",
];

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Unset,
    Ok,
    Error,
    /// A saga undoes an earlier step.
    Compensating,
}

impl Status {
    const ALL: [Self; 4] = [Self::Unset, Self::Ok, Self::Error, Self::Compensating];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Compensating => "compensating",
        }
    }
}

/// A span, borrowed from the object it was read from.
pub(super) struct Span<'a> {
    pub(super) name: &'a str,
    /// One of [`KINDS`].
    pub(super) kind: Option<&'a str>,
    /// The trace context, as an event takes one.
    pub(super) trace: Option<Value>,
    pub(super) trace_id: Option<&'a str>,
    pub(super) span_id: Option<&'a str>,
    /// The span that this one is part of, if it is an id.
    pub(super) parent_span_id: Option<&'a str>,
    /// Whether the parent span belongs to another process.
    pub(super) parent_is_remote: bool,
    pub(super) start: Option<UnixNanos>,
    pub(super) end: Option<UnixNanos>,
    pub(super) status: Status,
    /// The type of the exception that the span recorded last.
    pub(super) exception: Option<&'a str>,
    /// The type of the exception that left the span, where the language shows it and the SDK did not record it.
    pub(super) raised: Option<&'a str>,
    /// The operation, by the conventions or a dialect.
    pub(super) operation: Option<&'a str>,
    pub(super) permit: Option<&'a str>,
    /// What it says besides, if a framework told it as a step.
    pub(super) step: Option<Step<'a>>,
    /// Spans that this one has to do with.
    pub(super) links: &'a [Value],
    /// What happened during it.
    pub(super) happened: Vec<Happened<'a>>,
    attributes: Vec<(&'a str, &'a Value)>,
    /// Messages that were spelled member by member, under the name of the attribute that they stand for.
    messages: Vec<(&'static str, Value)>,
}

impl<'a> Span<'a> {
    /// Reads a span. Null counts as absent.
    pub(super) fn read(value: &'a Value) -> Result<Self> {
        let Value::Object(members) = value else {
            return Err(invalid(format!("a span is an object, not {}", value.type_name()), "span"));
        };
        // An unknown key may be content in the wrong place: the error does not quote it.
        if members.iter().any(|(key, _)| !MEMBERS.contains(&key.as_str())) {
            return Err(invalid(format!("an unknown member; a span has {}", MEMBERS.join(", ")), "span"));
        }
        let names = SpanNames::get();
        let name = text(value, "name")?.ok_or_else(|| invalid("is missing", "span.name"))?;
        let status = match text(value, "status")? {
            None => Status::Unset,
            Some(given) => {
                Status::ALL.into_iter().find(|status| status.name() == given).ok_or_else(|| {
                    let all: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
                    invalid(format!("must be one of {}", all.join(", ")), "span.status")
                })?
            }
        };
        let permit = text(value, "permit")?;
        if permit.is_some_and(|given| !ContentMode::ALL.iter().any(|mode| mode.name() == given)) {
            let all: Vec<_> = ContentMode::ALL.iter().map(|mode| mode.name()).collect();
            return Err(invalid(format!("must be one of {}", all.join(", ")), "span.permit"));
        }
        let kind = text(value, "kind")?;
        if kind.is_some_and(|given| !KINDS.contains(&given)) {
            return Err(invalid(format!("must be one of {}", KINDS.join(", ")), "span.kind"));
        }
        let (mut happened, mut exception) = (Vec::new(), None);
        for event in list(value, "events")? {
            let attributes = event.get("attributes");
            let kind = attributes.and_then(|attributes| attributes.get(&names.exception));
            exception = kind.and_then(Value::as_str).or(exception);
            happened.push(Happened {
                name: event.get("name").and_then(Value::as_str),
                time: moment_in(event, "time_unix_nano", "events.time_unix_nano")?,
                attributes: attributes.map(Value::members).unwrap_or_default(),
            });
        }
        let given = object(value, "attributes")?;
        let operation = operation(given, names);
        let is_call = given.iter().any(|(name, value)| *name == names.method && value.as_str().is_some());
        let stands_for = match operation {
            Some(operation) if names.agent_operations.contains(operation) => "agent",
            Some(operation) if names.tool_operations.contains(operation) => "tool",
            _ if is_call => "tool",
            _ => "model",
        };
        Ok(Self {
            name,
            kind,
            trace: trace(value)?,
            trace_id: text(value, "trace_id")?,
            span_id: text(value, "span_id")?,
            parent_span_id: text(value, "parent_span_id")?.filter(|id| is_span_id(id)),
            parent_is_remote: truth(value, "parent_is_remote")?,
            start: moment(value, "start_unix_nano")?,
            end: moment(value, "end_unix_nano")?,
            status,
            exception,
            raised: text(value, "raised")?.filter(|kind| !kind.is_empty()),
            operation,
            permit,
            step: None,
            links: list(value, "links")?,
            happened,
            attributes: translated(given, names, stands_for),
            messages: unflattened(given, names),
        })
    }

    /// The attribute of this conventional name.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The attribute of this conventional name, if it is a text that says something.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The messages that were spelled member by member and stand for this attribute.
    pub(super) fn messages(&self, name: &str) -> Option<&Value> {
        self.messages.iter().find(|(meant, _)| *meant == name).map(|(_, value)| value)
    }

    /// The attributes, each once, under their conventional names.
    pub(super) fn attributes(&self) -> &[(&'a str, &'a Value)] {
        &self.attributes
    }
}

/// The operation: the value of the conventional attribute, or the translation by the first dialect that knows it.
fn operation<'a>(given: &'a [(String, Value)], names: &'static SpanNames) -> Option<&'a str> {
    let text = |name: &str| {
        let (_, value) = given.iter().find(|(known, _)| known == name)?;
        value.as_str().filter(|text| !text.is_empty())
    };
    let dialect = || {
        let word = |(attribute, operations): &'static (String, HashMap<String, String>)| {
            operations.get(text(attribute)?).map(String::as_str)
        };
        names.dialects.iter().find_map(word)
    };
    text(&names.operation).or_else(dialect)
}

/// The attributes with aliases replaced by conventional names. An attribute under its conventional name goes first; of
/// several aliases for one name the first counts.
fn translated<'a>(
    given: &'a [(String, Value)],
    names: &'static SpanNames,
    kind: &str,
) -> Vec<(&'a str, &'a Value)> {
    let of_kind = names.aliases_of.get(kind);
    let meant = |name: &str| {
        let special = of_kind.and_then(|names| names.get(name));
        special.or_else(|| names.aliases.get(name)).map(String::as_str)
    };
    let mut all: Vec<(&str, &Value)> = given
        .iter()
        .filter(|(name, value)| *value != Value::Null && meant(name).is_none())
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    for (name, value) in given {
        if let Some(meant) = meant(name)
            && *value != Value::Null
            && !all.iter().any(|(known, _)| *known == meant)
        {
            all.push((meant, value));
        }
    }
    all
}

/// The most messages that are put together from attributes.
const MOST_MESSAGES: usize = 1_024;

/// Messages of dialects that spell them as `llm.input_messages.0.message.content`.
fn unflattened(given: &[(String, Value)], names: &'static SpanNames) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for form in &names.flattened {
        let mut messages: BTreeMap<usize, Vec<(String, Value)>> = BTreeMap::new();
        for (name, value) in given {
            let Some((number, member)) =
                name.strip_prefix(form.prefix.as_str()).and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let member = match member {
                _ if member == form.role => "role",
                _ if member == form.content => "content",
                _ => continue,
            };
            let Ok(number) = number.parse() else { continue };
            if *value != Value::Null && (messages.len() < MOST_MESSAGES || messages.contains_key(&number)) {
                messages.entry(number).or_default().push((member.to_owned(), value.clone()));
            }
        }
        if !messages.is_empty() {
            let list = messages.into_values().map(Value::Object).collect();
            all.push((form.meant.as_str(), Value::Array(list)));
        }
    }
    all
}

/// Whether it is a W3C span id: not all zeros.
fn is_span_id(text: &str) -> bool {
    text.len() == 16
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && text.bytes().any(|b| b != b'0')
}

fn invalid(message: impl Into<String>, place: &str) -> Error {
    Error::invalid_argument(message).at(place)
}

fn wrong(value: &Value, wanted: &str, member: &str) -> Error {
    invalid(format!("must be {wanted}, not {}", value.type_name()), &format!("span.{member}"))
}

fn text<'a>(span: &'a Value, member: &str) -> Result<Option<&'a str>> {
    text_in(span, member, member)
}

/// The text of a member whose place in the span is this.
fn text_in<'a>(of: &'a Value, member: &str, place: &str) -> Result<Option<&'a str>> {
    match of.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(other, "a string", place)),
    }
}

fn truth(span: &Value, member: &str) -> Result<bool> {
    match span.get(member) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(other) => Err(wrong(other, "true or false", member)),
    }
}

fn object<'a>(span: &'a Value, member: &str) -> Result<&'a [(String, Value)]> {
    match span.get(member) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Object(members)) => Ok(members),
        Some(other) => Err(wrong(other, "an object", member)),
    }
}

fn list<'a>(span: &'a Value, member: &str) -> Result<&'a [Value]> {
    match span.get(member) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(wrong(other, "a list", member)),
    }
}

/// Nanoseconds since 1970, as digits: a JSON number cannot count so far.
fn moment(span: &Value, member: &str) -> Result<Option<UnixNanos>> {
    moment_in(span, member, member)
}

fn moment_in(of: &Value, member: &str, place: &str) -> Result<Option<UnixNanos>> {
    let Some(digits) = text_in(of, member, place)? else { return Ok(None) };
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(nanos) if whole => Ok(Some(nanos)),
        _ => Err(invalid("must be nanoseconds since 1970, as decimal digits", &format!("span.{place}"))),
    }
}

/// The trace context. A member of a wrong type is the binding's fault, and refused; a malformed id may come from
/// outside the program, and is left out.
fn trace(span: &Value) -> Result<Option<Value>> {
    for member in ["trace_id", "span_id", "state"] {
        text(span, member)?;
    }
    Ok(context::trace_if_good(span).0)
}
