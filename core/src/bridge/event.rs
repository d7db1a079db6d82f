//! Turns a span into its events.

use super::LEFT_OUT;
use super::content;
use super::context::moment;
use super::details;
use super::names::SpanNames;
use super::runs::Place;
use super::span::{Span, Status};
use super::step::{Kind, Step};
use crate::json::{Value, parse};
use crate::seam::UnixNanos;
use crate::usage::span_usage;

pub(super) type Members = Vec<(String, Value)>;

/// How the run, call or step that a span describes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    Error,
    Cancelled,
    TimedOut,
    /// A guardrail, a policy or a person refused it.
    Denied,
    /// It stopped because a person must be asked first.
    Asked,
}

impl Outcome {
    /// By the names that steps have for them.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("ok", Self::Ok),
        ("error", Self::Error),
        ("denied", Self::Denied),
        ("timeout", Self::TimedOut),
        ("cancelled", Self::Cancelled),
        ("asked", Self::Asked),
    ];

    /// The outcome that an error of this type stands for.
    fn of_error(kind: &str, names: &SpanNames) -> Self {
        let kind = last_part(kind);
        let sets = [
            (&names.cancelled, Self::Cancelled),
            (&names.timed_out, Self::TimedOut),
            (&names.denied, Self::Denied),
            (&names.asked, Self::Asked),
        ];
        sets.into_iter().find(|(set, _)| set.contains(kind)).map_or(Self::Error, |(_, outcome)| outcome)
    }

    /// As `tool.invocation` has it.
    const fn of_tool(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timeout",
            // A call that waits for approval did not happen.
            Self::Denied | Self::Asked => "denied",
        }
    }
}

/// `asyncio.CancelledError`, `context.Canceled`, `*url.Error`: the last part is the name.
fn last_part(kind: &str) -> &str {
    kind.rsplit(['.', ':', '*', '/']).next().unwrap_or(kind)
}

/// The `outcome` of a `tool.invocation` that ended with an error of this type: `error`, `cancelled`, `timeout` or `denied`.
#[must_use]
pub fn outcome_of_error(kind: &str) -> &'static str {
    Outcome::of_error(kind, SpanNames::get()).of_tool()
}

/// The events of a span; `place` says to which run it belongs.
pub(super) fn of(span: &Span<'_>, place: &Place) -> Vec<Value> {
    let names = SpanNames::get();
    if place.again {
        return Vec::new();
    }
    let maker = Maker { span, names, place };
    let Some(end) = span.end else {
        return if place.starts { vec![maker.started()] } else { Vec::new() };
    };
    let started = place.starts.then(|| maker.started());
    let mut ended = maker.ended(end);
    // Of several events the last is what the span came to.
    if let Some(Value::Object(members)) = ended.last_mut()
        && let Some((_, Value::Object(data))) = members.iter_mut().find(|(key, _)| key == "data")
    {
        details::add(span, names, data);
    }
    started.into_iter().chain(ended).collect()
}

/// Whether `data` may hold an attribute.
pub(super) fn is_kept(name: &str, value: &Value, names: &SpanNames) -> bool {
    match value {
        // An attribute without a namespace could have the name of a member that means something else in the event.
        // A number can be what a tool answered.
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            name.contains('.') && *name != names.error && !names.is_content(name)
        }
        Value::String(_) => names.kept.contains(name),
        Value::Array(items) => {
            names.kept.contains(name)
                && *name != names.error
                && items.iter().all(|item| item.as_str().is_some())
        }
        _ => false,
    }
}

/// The intent of a tool's call that is about to be made.
pub(super) fn intent(span: &Span<'_>, place: &Place) -> Value {
    let maker = Maker { span, names: SpanNames::get(), place };
    let mut data = maker.kept();
    let tool = maker.tool_name();
    put(&mut data, "tool", tool.into());
    let subject = Some(format!("tool:{tool}"));
    maker.event("tool.invocation", data, None, subject, content::of(span, maker.names))
}

/// Whether it is the span of an agent: each such span is a run.
pub(super) fn is_agent(span: &Span<'_>) -> bool {
    span.operation.is_some_and(|operation| SpanNames::get().agent_operations.contains(operation))
}

/// Removes the content from an event; returns whether there was any.
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

/// Whether the span is of a framework's dialect and not a model's call: its tokens are then the sum of those of the
/// model spans within it, and would be counted twice.
fn sums_up(span: &Span<'_>, names: &SpanNames) -> bool {
    span.operation.is_none() && names.dialects.iter().any(|(attribute, _)| span.text(attribute).is_some())
}

struct Maker<'a> {
    span: &'a Span<'a>,
    names: &'a SpanNames,
    place: &'a Place,
}

impl Maker<'_> {
    fn is(&self, operations: &std::collections::HashSet<String>) -> bool {
        self.span.operation.is_some_and(|operation| operations.contains(operation))
    }

    fn started(&self) -> Value {
        let mut data = self.kept();
        data.retain(|(name, _)| *name != self.names.error);
        self.of_parent(&mut data);
        // A span repeats at its end what it said at its start.
        let content = match self.span.step {
            Some(_) if self.span.end.is_none() => content::of(self.span, self.names),
            _ => content::Content::default(),
        };
        self.event("run.started", data, self.span.start, None, content)
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
        if self.place.ends {
            return self.run(data, end, content);
        }
        if span.step.is_some_and(|step| step.kind == Kind::Handoff) {
            put(&mut data, "step", "handoff".into());
            put(&mut data, "to", span.name.into());
            return vec![self.event("run.progress", data, Some(end), None, content)];
        }
        let method = span.text(&names.method);
        let is_call = method.is_some_and(|method| names.tool_methods.contains(method));
        if is_call || (self.is(&names.tool_operations) && method.is_none()) {
            return self.tool(data, end, content);
        }
        if let Some(decision) = self.decided() {
            return vec![self.decision(decision, data, end, content)];
        }
        let usage = span_usage(span.attributes());
        let counts = usage.iter().any(|(name, _)| name.ends_with("_tokens"));
        if self.is(&names.model_operations) || (counts && !sums_up(span, names)) {
            return vec![self.usage("model", data, usage, end, content)];
        }
        vec![self.other(data, end, content)]
    }

    /// The events of a tool's call: the call, the refusal with it, or only the question whether it may happen.
    fn tool(&self, mut data: Members, end: UnixNanos, content: content::Content) -> Vec<Value> {
        let tool = self.tool_name();
        put(&mut data, "tool", tool.into());
        let outcome = self.outcome();
        if outcome == Outcome::Asked {
            // It waits for approval: nothing was called.
            return vec![self.decision("ask", data, end, content)];
        }
        let denied = (outcome == Outcome::Denied)
            .then(|| self.decision("deny", data.clone(), end, content::Content::default()));
        put(&mut data, "outcome", outcome.of_tool().into());
        let subject = Some(format!("tool:{tool}"));
        let called = self.event("tool.invocation", data, Some(end), subject, content);
        denied.into_iter().chain([called]).collect()
    }

    fn tool_name(&self) -> &str {
        let (span, names) = (self.span, self.names);
        let named = || {
            let rest = span.name.strip_prefix(names.tool_call.as_str())?.trim_start_matches([' ', '.', '/']);
            Some(rest).filter(|rest| !rest.is_empty())
        };
        span.text(&names.tool)
            .or_else(|| span.text(&names.prompt))
            .or_else(named)
            .or_else(|| span.text(&names.method))
            .unwrap_or(span.name)
    }

    /// What a guardrail, a policy or a person decided, if that is what the span is about.
    fn decided(&self) -> Option<&str> {
        let (span, names) = (self.span, self.names);
        let meaning = |name: &str| {
            let word = span.text(name)?.to_ascii_lowercase();
            names.decisions.get(word.as_str()).map(String::as_str)
        };
        if let Some(decision) = names.decision.iter().find_map(|name| meaning(name)) {
            return Some(decision);
        }
        if names.approval_spans.contains(span.name) {
            return meaning("decision");
        }
        if !self.is(&names.guardrail_operations) {
            return None;
        }
        let tripped = names.triggered.iter().find_map(|name| match span.get(name) {
            Some(Value::Bool(tripped)) => Some(*tripped),
            _ => None,
        });
        match tripped {
            Some(true) => Some("deny"),
            Some(false) => Some("allow"),
            // The span doesn't say what the guardrail decided. That no exception was raised is no permission.
            None => (self.outcome() == Outcome::Denied).then_some("deny"),
        }
    }

    fn decision(
        &self,
        decision: &str,
        mut data: Members,
        end: UnixNanos,
        content: content::Content,
    ) -> Value {
        let (span, names) = (self.span, self.names);
        put(&mut data, "decision", decision.into());
        if let Some(rule) =
            span.text(&names.guardrail).or(Some(span.name).filter(|_| self.is(&names.guardrail_operations)))
        {
            put(&mut data, "rule", rule.into());
        }
        let tool = span.text(&names.tool).or_else(|| {
            let called = self.is(&names.tool_operations) || span.text(&names.method).is_some();
            called.then(|| self.tool_name())
        });
        self.event("policy.decision", data, Some(end), tool.map(|tool| format!("tool:{tool}")), content)
    }

    /// Adds the id of the run that this run is part of.
    fn of_parent(&self, data: &mut Members) {
        if let Some(parent) = &self.place.parent_run {
            put(data, "parent_run", Value::from(&**parent));
        }
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
            Outcome::Denied => ("run.failed", "failed"),
            // The run stopped to ask a person; whether it will go on is not known.
            Outcome::Asked => ("run.completed", "unknown"),
        };
        let decided = match self.outcome() {
            // Of a framework's run the decision is told by a step of its own.
            _ if self.span.step.is_some() => None,
            Outcome::Denied => Some("deny"),
            Outcome::Asked => Some("ask"),
            _ => None,
        };
        let decided =
            decided.map(|decision| self.decision(decision, data.clone(), end, content::Content::default()));
        put(&mut data, "terminal_status", status.into());
        self.of_parent(&mut data);
        let ended = self.event(event_type, data, Some(end), None, content);
        decided.into_iter().chain(usage).chain([ended]).collect()
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

    /// Those of the span's attributes that `data` may hold.
    fn kept(&self) -> Members {
        let names = self.names;
        let mut data = Members::new();
        for (name, value) in self.span.attributes() {
            if is_kept(name, value, names) {
                put(&mut data, name, (*value).clone());
            }
        }
        if let Some(operation) = self.span.operation {
            put(&mut data, &names.operation, operation.into());
        }
        // A span that recorded an exception and still ended well did not fail.
        let outcome = self.outcome();
        let exception = match outcome {
            Outcome::Ok => None,
            _ => self.exception(),
        };
        let kind = exception.or_else(|| self.said_failed().then_some(names.tool_error.as_str()));
        if let Some(kind) = kind.filter(|_| self.span.get(&names.error).is_none()) {
            put(&mut data, &names.error, kind.into());
        }
        if let Some(parent) = self.span.parent_span_id {
            put(&mut data, "parent_span_id", parent.into());
        }
        data
    }

    /// Whether a call returned a result that says that the call failed.
    fn said_failed(&self) -> bool {
        let (span, names) = (self.span, self.names);
        let says =
            |value: &Value| names.failed.iter().any(|name| value.get(name) == Some(&Value::Bool(true)));
        let said = names.failed.iter().any(|name| span.get(name) == Some(&Value::Bool(true)));
        said || span.get(&names.tool_result).is_some_and(|result| match result {
            Value::String(text) if text.trim_start().starts_with('{') => {
                parse(text.as_bytes()).is_ok_and(|result| says(&result))
            }
            result => says(result),
        })
    }

    /// The type of the exception that ended it, if one did. What the SDK recorded goes first if the span's status is
    /// `error`, else what the language shows (`raised`).
    fn exception(&self) -> Option<&str> {
        let (recorded, raised) = (self.span.exception, self.span.raised);
        if self.span.status == Status::Error { recorded.or(raised) } else { raised.or(recorded) }
    }

    fn outcome(&self) -> Outcome {
        let (span, names) = (self.span, self.names);
        if let Some(told) = span.step.and_then(|step| step.outcome) {
            // A result that says that the call failed goes before what its framework makes of it.
            return if told == Outcome::Ok && self.said_failed() { Outcome::Error } else { told };
        }
        let conventional = span.text(&names.error);
        let error = conventional.or(self.exception());
        let special = error.map_or(Outcome::Error, |error| Outcome::of_error(error, names));
        let failed = span.status == Status::Error || conventional.is_some();
        // Some SDKs report only plain errors: when an exception such as a cancellation leaves a span, its status stays
        // unset.
        let left = span.status == Status::Unset
            && span.raised.is_some_and(|error| !names.unremarkable.contains(last_part(error)));
        match special {
            Outcome::Error => {
                if failed || left || self.said_failed() {
                    Outcome::Error
                } else {
                    Outcome::Ok
                }
            }
            outcome if failed || span.status == Status::Unset => outcome,
            _ if self.said_failed() => Outcome::Error,
            _ => Outcome::Ok,
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
        say("run", self.place.run.as_deref().map(Value::from));
        let step = span.step.as_ref();
        let ends = span.end.is_some();
        let is_event = |step: &&Step<'_>| step.kind == Kind::Handoff || (step.deed && !ends);
        say("id", step.filter(is_event).map(|step| step.id.into()));
        // What a deed's end decides was caused by its intent, which has the step's id.
        let cause = step
            .and_then(|step| if step.deed && ends { Some(step.id) } else { step.causation })
            .or(self.place.causation.as_deref());
        say("causation", cause.map(Value::from));
        say("correlation", span.text(&names.conversation).map(Value::from));
        say("trace", span.trace.clone());
        say("time", when.map(moment));
        say("content", Some(Value::Array(content.parts)).filter(|parts| !parts.items().is_empty()));
        Value::Object(event)
    }
}

/// Sets a member of `data`; replaces the span's attribute of that name.
fn put(data: &mut Members, name: &str, value: Value) {
    match data.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => data.push((name.to_owned(), value)),
    }
}
