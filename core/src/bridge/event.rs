//! Which span is which event.

use super::content;
use super::names::Names;
use super::span::{Span, Status};
use crate::json::Value;
use crate::seam::{UnixNanos, format_time};
use crate::usage::span_usage;

type Members = Vec<(String, Value)>;

/// Says in `data` how many content parts, or attributes with content, did not come along.
const LEFT_OUT: &str = "content_left_out";

/// How what a span stands for ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    Error,
    Cancelled,
    TimedOut,
}

impl Outcome {
    /// What an error of this type says of how something ended.
    fn of_error(kind: &str, names: &Names) -> Self {
        // `asyncio.CancelledError`, `context.Canceled`, `*url.Error`: the last part is the name.
        let kind = kind.rsplit(['.', ':', '*', '/']).next().unwrap_or(kind);
        if names.cancelled.contains(kind) {
            Self::Cancelled
        } else if names.timed_out.contains(kind) {
            Self::TimedOut
        } else {
            Self::Error
        }
    }

    /// As `tool.invocation` has it.
    const fn of_tool(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timeout",
        }
    }
}

/// The `outcome` of a `tool.invocation` that ended with an error of this type: `error`, `cancelled` or `timeout`.
#[must_use]
pub fn outcome_of_error(kind: &str) -> &'static str {
    Outcome::of_error(kind, Names::get()).of_tool()
}

/// The events of a span.
pub(super) fn of(span: &Span<'_>) -> Vec<Value> {
    let names = Names::get();
    let maker = Maker { span, names, operation: operation(span, names) };
    let Some(end) = span.end else {
        return if maker.is(&names.agent_operations) { vec![maker.started()] } else { Vec::new() };
    };
    maker.ended(end)
}

/// Takes the content off an event; whether there was any.
pub(super) fn leave_content(event: &mut Value) -> bool {
    let Value::Object(members) = event else { return false };
    let Some(at) = members.iter().position(|(key, _)| key == "content") else { return false };
    let parts = i64::try_from(members.remove(at).1.items().len()).unwrap_or(i64::MAX);
    if let Some((_, Value::Object(data))) = members.iter_mut().find(|(key, _)| key == "data") {
        let before = data.iter().find(|(key, _)| key == LEFT_OUT).and_then(|(_, n)| n.as_i64());
        data.retain(|(key, _)| key != LEFT_OUT);
        data.push((LEFT_OUT.to_owned(), Value::Int(before.unwrap_or(0).saturating_add(parts))));
    }
    true
}

/// The operation, by the conventions or a dialect.
fn operation<'a>(span: &Span<'a>, names: &'a Names) -> Option<&'a str> {
    let dialect = || {
        names
            .dialects
            .iter()
            .find_map(|(attribute, operations)| operations.get(span.text(attribute)?).map(String::as_str))
    };
    span.text(&names.operation).or_else(dialect)
}

/// Whether a dialect knows the span and does not call it a model's: its tokens are then a sum of what the models' spans
/// within it say, and would be counted twice.
fn sums_up(span: &Span<'_>, names: &Names, operation: Option<&str>) -> bool {
    operation.is_none() && names.dialects.iter().any(|(attribute, _)| span.text(attribute).is_some())
}

struct Maker<'a> {
    span: &'a Span<'a>,
    names: &'a Names,
    operation: Option<&'a str>,
}

impl Maker<'_> {
    fn is(&self, operations: &std::collections::HashSet<String>) -> bool {
        self.operation.is_some_and(|operation| operations.contains(operation))
    }

    fn started(&self) -> Value {
        self.event("run.started", self.kept(), self.span.start, None, content::Content::default())
    }

    fn ended(&self, end: UnixNanos) -> Vec<Value> {
        let (span, names) = (self.span, self.names);
        let mut data = self.kept();
        if let Some(start) = span.start {
            #[allow(
                clippy::cast_precision_loss,
                reason = "a duration in nanoseconds, shown in milliseconds"
            )]
            put(&mut data, "duration_ms", Value::Float(end.saturating_sub(start).max(0) as f64 / 1e6));
        }
        let content = content::of(span, names);
        if self.is(&names.agent_operations) {
            return self.run(data, end, content);
        }
        let method = span.text(&names.method);
        if self.is(&names.tool_operations) || method.is_some() {
            let tool =
                span.text(&names.tool).or_else(|| span.text(&names.prompt)).or(method).unwrap_or(span.name);
            put(&mut data, "tool", tool.into());
            put(&mut data, "outcome", self.outcome().of_tool().into());
            return vec![self.event(
                "tool.invocation",
                data,
                Some(end),
                Some(format!("tool:{tool}")),
                content,
            )];
        }
        let usage = span_usage(span.attributes());
        let counts = usage.iter().any(|(name, _)| name.ends_with("_tokens"));
        if self.is(&names.model_operations) || (counts && !sums_up(span, names, self.operation)) {
            return vec![self.usage("model", data, usage, end, content)];
        }
        vec![self.other(data, end, content)]
    }

    fn run(&self, mut data: Members, end: UnixNanos, content: content::Content) -> Vec<Value> {
        let usage = span_usage(self.span.attributes());
        let counts = usage.iter().any(|(name, _)| name.ends_with("_tokens"));
        let usage = counts.then(|| {
            let kept = data.clone();
            self.usage("run", kept, usage, end, content::Content::default())
        });
        let (event_type, status) = match self.outcome() {
            Outcome::Ok => ("run.completed", "completed"),
            Outcome::Error => ("run.failed", "failed"),
            Outcome::Cancelled => ("run.cancelled", "cancelled"),
            Outcome::TimedOut => ("run.failed", "timed_out"),
        };
        put(&mut data, "terminal_status", status.into());
        let ended = self.event(event_type, data, Some(end), None, content);
        usage.into_iter().chain([ended]).collect()
    }

    fn usage(
        &self,
        family: &str,
        mut data: Members,
        usage: Members,
        end: UnixNanos,
        content: content::Content,
    ) -> Value {
        put(&mut data, "source.family", family.into());
        for (name, value) in usage {
            put(&mut data, &name, value);
        }
        self.event("model.usage", data, Some(end), None, content)
    }

    /// A step of a saga, something of a sandbox, or any span.
    fn other(&self, mut data: Members, end: UnixNanos, content: content::Content) -> Value {
        const KINDS: [&str; 6] = ["created", "started", "stopped", "limit", "violation", "escape"];
        let (span, names) = (self.span, self.names);
        put(&mut data, "name", span.name.into());
        put(&mut data, "status", span.status.name().into());
        let step = span.name.strip_prefix(names.saga_span.as_str());
        if step.is_some() || span.get(&names.saga).is_some() {
            let step = span.text(&names.saga_step).or(step).unwrap_or(span.name);
            put(&mut data, "step", step.into());
            return self.event("run.progress", data, Some(end), None, content);
        }
        if let Some(kind) = span.text(&names.sandbox_kind).filter(|kind| KINDS.contains(kind)) {
            put(&mut data, "kind", kind.into());
            for (member, name) in [("sandbox", &names.sandbox), ("resource", &names.sandbox_resource)] {
                if let Some(text) = span.text(name) {
                    put(&mut data, member, text.into());
                }
            }
            return self.event("sandbox.event", data, Some(end), None, content);
        }
        self.event("span", data, Some(end), None, content)
    }

    /// What `data` may say of the span's own attributes.
    fn kept(&self) -> Members {
        let names = self.names;
        let mut data = Members::new();
        for (name, value) in self.span.attributes() {
            let keep = match value {
                // A name without a namespace may be one that a type of event knows in another sense.
                Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                    name.contains('.') && *name != names.error
                }
                Value::String(_) => names.kept.contains(*name),
                Value::Array(items) => {
                    names.kept.contains(*name)
                        && *name != names.error
                        && items.iter().all(|item| item.as_str().is_some())
                }
                _ => false,
            };
            if keep {
                put(&mut data, name, (*value).clone());
            }
        }
        if let Some(operation) = self.operation {
            put(&mut data, &names.operation, operation.into());
        }
        // An exception that the span outlived is no error of its own.
        let exception = self.span.exception.filter(|_| self.span.status == Status::Error);
        if let Some(kind) = exception.filter(|_| self.span.get(&names.error).is_none()) {
            put(&mut data, &names.error, kind.into());
        }
        data
    }

    fn outcome(&self) -> Outcome {
        let (span, names) = (self.span, self.names);
        let error = span.text(&names.error).or(span.exception);
        let failed = span.status == Status::Error || span.text(&names.error).is_some();
        if failed {
            error.map_or(Outcome::Error, |error| Outcome::of_error(error, names))
        } else {
            Outcome::Ok
        }
    }

    fn event(
        &self,
        event_type: &str,
        mut data: Members,
        when: Option<UnixNanos>,
        subject: Option<String>,
        content: content::Content,
    ) -> Value {
        let (span, names) = (self.span, self.names);
        if content.left_out > 0 {
            put(&mut data, LEFT_OUT, Value::Int(content.left_out));
        }
        let mut event =
            vec![("type".to_owned(), event_type.into()), ("data".to_owned(), Value::Object(data))];
        let mut say =
            |name: &str, value: Option<Value>| event.extend(value.map(|value| (name.to_owned(), value)));
        say("subject", subject.map(Value::String));
        say("run", span.text(&names.run).or(span.text(&names.saga)).or(span.trace_id).map(Value::from));
        say("correlation", span.text(&names.conversation).map(Value::from));
        say("trace", span.trace.clone());
        say("time", when.map(moment));
        say("content", Some(Value::Array(content.parts)).filter(|parts| !parts.items().is_empty()));
        Value::Object(event)
    }
}

/// Sets a member; ours win over a span's.
fn put(data: &mut Members, name: &str, value: Value) {
    match data.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => data.push((name.to_owned(), value)),
    }
}

fn moment(nanos: UnixNanos) -> Value {
    let mut text = Vec::with_capacity(30);
    format_time(&mut text, nanos);
    Value::String(String::from_utf8(text).unwrap_or_default())
}
