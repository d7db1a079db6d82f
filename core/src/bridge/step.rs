//! Steps: what a framework for agents tells of a run while it goes on, in one neutral form.
//!
//! Guarantees: an integration says what happened, in the words of its framework, and holds no rule: a step becomes a
//! span with conventional attributes, and so the same events as a span that says the same (`event`, `runs`, `content`).
//! The same steps give the same events in every language (`tests/vectors/steps`). A run has one start and one end,
//! however often it is told. Hidden reasoning is dropped, and people's words become content parts.
//!
//! How: an agent's step is told when it starts and again when it ends; any other when it ends, and when it starts too
//! if others are inside it. A tool's call that is a deed is told by [`intent_of_step`] and [`result_of_step`]: the
//! deed's intent and result are then its events. Ids are the framework's own. The id of an agent's step is the run's,
//! that of a deed or a handoff is the event's, so that what it leads to can name it as its cause.
//!
//! | kind | events |
//! | --- | --- |
//! | `run`, `agent` | as an agent's span: `run.started`, then `run.completed`, `run.failed` or `run.cancelled` |
//! | `tool` | `tool.invocation`; a denied one also a `policy.decision`; one that must be asked for only that |
//! | `model` | `model.usage` |
//! | `decision` | `policy.decision` |
//! | `handoff` | `run.progress` with `step: handoff` and `to`, the agent that goes on |
//! | `retrieval` | `span` |
//!
//! A step, all but `kind` and `id` optional:
//!
//! | member | |
//! | --- | --- |
//! | `kind` | one of those above |
//! | `id`, `parent` | 1 to 128 printable ASCII characters: the step's, and that of the step around it |
//! | `name` | of the agent, tool, model, rule or store; of a handoff, the agent that goes on |
//! | `run` | the run that it belongs to, or is part of, where no known step is around it |
//! | `causation` | the id of the event that caused it |
//! | `start_unix_nano`, `end_unix_nano` | as a span's; without an end it has just started |
//! | `outcome` | `ok`, `error`, `denied`, `timeout`, `cancelled`, `asked` (it waits for a person); by default as `error_type` says, else `ok` |
//! | `error_type` | the class of the error that ended it |
//! | `decision` | of a `decision`: `allow`, `deny`, `ask`, `indeterminate` |
//! | `attributes` | an object, by the GenAI and MCP conventions |
//! | `usage`, `usage_of` | a usage object, and whose form it has (as `usage_from_json` knows them; `otel` by default) |
//! | `input`, `output`, `system` | messages; of a `tool` and a `retrieval` the arguments and the result |
//! | `content` | further content parts |
//! | `trace_id`, `span_id`, `flags`, `state`, `permit` | as a span's |

use super::door::{Door, Told};
use super::emit_all;
use super::event::{self, Outcome};
use super::names::SpanNames;
use super::runs::Place;
use super::span::Span;
use crate::error::{Error, Result};
use crate::json::{Value, read_plain};
use crate::usage::usage_from_json;

type Members = Vec<(String, Value)>;

/// The members of a step.
const MEMBERS: [&str; 23] = [
    "kind",
    "id",
    "parent",
    "name",
    "run",
    "causation",
    "start_unix_nano",
    "end_unix_nano",
    "outcome",
    "error_type",
    "decision",
    "attributes",
    "usage",
    "usage_of",
    "input",
    "output",
    "system",
    "content",
    "trace_id",
    "span_id",
    "flags",
    "state",
    "permit",
];

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Agent,
    Model,
    Tool,
    Decision,
    Retrieval,
    Handoff,
}

impl Kind {
    const ALL: [(&'static str, Self); 7] = [
        ("run", Self::Run),
        ("agent", Self::Agent),
        ("model", Self::Model),
        ("tool", Self::Tool),
        ("decision", Self::Decision),
        ("retrieval", Self::Retrieval),
        ("handoff", Self::Handoff),
    ];

    /// The operation that a span of this kind has.
    const fn operation(self) -> Option<&'static str> {
        match self {
            Self::Run => Some("invoke_workflow"),
            Self::Agent => Some("invoke_agent"),
            Self::Model => Some("chat"),
            Self::Tool => Some("execute_tool"),
            Self::Retrieval => Some("retrieval"),
            Self::Decision | Self::Handoff => None,
        }
    }

    /// The attribute that has the step's name.
    const fn named(self) -> Option<&'static str> {
        match self {
            Self::Run => Some("gen_ai.workflow.name"),
            Self::Agent => Some("gen_ai.agent.name"),
            Self::Model => Some("gen_ai.request.model"),
            Self::Tool => Some("gen_ai.tool.name"),
            Self::Retrieval => Some("gen_ai.data_source.id"),
            Self::Decision => Some("guardrail.name"),
            Self::Handoff => None,
        }
    }
}

/// What a step says and no span can.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    pub(super) parent: Option<&'a str>,
    pub(super) run: Option<&'a str>,
    pub(super) causation: Option<&'a str>,
    pub(super) outcome: Option<Outcome>,
    pub(super) content: &'a [Value],
    /// Whether it is told as a deed, so that its event has its id from the start.
    pub(super) deed: bool,
}

impl Step<'_> {
    /// Whether it is a run of its own.
    pub(super) fn is_run(&self) -> bool {
        matches!(self.kind, Kind::Run | Kind::Agent)
    }
}

/// The members of a step that tell how a tool's call ended, for a deed's result: `data`, and `content` where there is any.
#[derive(Debug)]
pub struct StepResult {
    /// What the result shall hold.
    pub data: Value,
    /// Content parts, as an event takes them: a list.
    pub content: Value,
}

impl StepResult {
    /// As JSON text: an object.
    #[must_use]
    pub fn to_json(self) -> Vec<u8> {
        let members = vec![("data".to_owned(), self.data), ("content".to_owned(), self.content)];
        Value::Object(members).to_json().into_bytes()
    }
}

/// Emits the events that a step stands for; returns how many. `step` is an object, as JSON text or as a stream of
/// values. All events are tried, even when one is refused; the first refusal is then the result, and the host's logger
/// hears of each.
///
/// # Errors
/// `invalid_argument`, with the member: it is no step. Those of [`Emitter::emit`](crate::Emitter::emit).
pub fn emit_step<D: Door>(emitter: &D, step: &[u8], waiter: &D::Waiter<'_>) -> Result<usize> {
    let step = read(step).inspect_err(|e| emitter.not_emitted(Told::Step, e))?;
    emit_step_value(emitter, &step, waiter)
}

/// [`emit_step`] of a step that was built value by value, by [`Plain`](crate::json::Plain).
///
/// # Errors
/// As [`emit_step`].
pub fn emit_step_value<D: Door>(emitter: &D, step: &Value, waiter: &D::Waiter<'_>) -> Result<usize> {
    let events = placed(emitter, step, false, |span, place| Ok(event::of(span, place)))
        .inspect_err(|e| emitter.not_emitted(Told::Step, e))?;
    emit_all(emitter, Told::Step, events, None, waiter)
}

/// The intent of a tool's call that is a deed: an event, as [`read_event`](crate::event::read_event) takes one. The step
/// has started, and others may be inside it from now on, until [`result_of_step`].
///
/// # Errors
/// `invalid_argument`, with the member: it is no step, or none of a tool that has started.
pub fn intent_of_step<D: Door>(emitter: &D, step: &Value) -> Result<Value> {
    placed(emitter, step, true, |span, place| {
        if span.end.is_some() {
            return Err(invalid("has an end; tell of it by its result", "end_unix_nano"));
        }
        Ok(event::intent(span, place))
    })
}

/// [`intent_of_step`] of a step as bytes, as JSON text.
///
/// # Errors
/// As [`intent_of_step`].
pub fn intent_of_step_json<D: Door>(emitter: &D, step: &[u8]) -> Result<Vec<u8>> {
    Ok(intent_of_step(emitter, &read(step)?)?.to_json().into_bytes())
}

/// What the deed of a tool's call shall say of its end. A refusal is emitted here as the decision that it is.
///
/// # Errors
/// As [`intent_of_step`], of a step without an end.
pub fn result_of_step<D: Door>(emitter: &D, step: &Value, waiter: &D::Waiter<'_>) -> Result<StepResult> {
    let mut events = placed(emitter, step, true, |span, place| {
        if span.end.is_none() {
            return Err(invalid("is missing", "end_unix_nano"));
        }
        Ok(event::of(span, place))
    })?;
    let is_call = |event: &Value| event.get("type").and_then(Value::as_str) == Some("tool.invocation");
    let called = events.iter().position(is_call).map(|at| events.remove(at));
    // The act has ended: what is wrong with the record of a decision is said to the host's logger.
    drop(emit_all(emitter, Told::Step, events, None, waiter));
    let Some(Value::Object(mut members)) = called else {
        let asked = vec![("outcome".to_owned(), "denied".into())];
        return Ok(StepResult { data: Value::Object(asked), content: Value::Array(Vec::new()) });
    };
    let mut take = |name: &str| {
        let at = members.iter().position(|(key, _)| key == name)?;
        Some(members.swap_remove(at).1)
    };
    let mut data = take("data").unwrap_or_else(|| Value::Object(Vec::new()));
    if let Value::Object(data) = &mut data {
        // The deed has measured its act itself.
        data.retain(|(name, _)| name != "duration_ms");
    }
    Ok(StepResult { data, content: take("content").unwrap_or_else(|| Value::Array(Vec::new())) })
}

/// [`result_of_step`] of a step as bytes, as JSON text.
///
/// # Errors
/// As [`result_of_step`].
pub fn result_of_step_json<D: Door>(emitter: &D, step: &[u8], waiter: &D::Waiter<'_>) -> Result<Vec<u8>> {
    Ok(result_of_step(emitter, &read(step)?, waiter)?.to_json())
}

fn read(step: &[u8]) -> Result<Value> {
    let step = read_plain(step).map_err(|e| {
        let error =
            Error::invalid_argument(format!("a step is an object, as JSON or as values: {}", e.message()));
        error.at(e.path().map_or_else(|| "step".to_owned(), |path| format!("step.{path}")))
    })?;
    Ok(step.value)
}

/// Reads a step and notes where it belongs; `f` makes of that what is asked for.
fn placed<D: Door, T>(
    emitter: &D,
    value: &Value,
    deed: bool,
    f: impl FnOnce(&Span<'_>, &Place) -> Result<T>,
) -> Result<T> {
    let mut step = understood(value)?;
    if deed && step.kind != Kind::Tool {
        return Err(invalid("must be tool, where the step is a deed", "kind"));
    }
    step.deed = deed;
    let spelled = spelled(value, &step)?;
    let mut span = Span::read(&spelled).map_err(|e| {
        let place =
            e.place().and_then(|place| place.strip_prefix("span.")).map(|rest| format!("step.{rest}"));
        let message = e.message().to_owned();
        Error::invalid_argument(message).at(place.unwrap_or_else(|| "step".to_owned()))
    })?;
    span.step = Some(step);
    let place = emitter.with_runs(|runs| runs.place(&span)).unwrap_or_else(|| Place::alone(&span));
    f(&span, &place)
}

fn understood(value: &Value) -> Result<Step<'_>> {
    let Value::Object(members) = value else {
        return Err(
            Error::invalid_argument(format!("a step is an object, not {}", value.type_name())).at("step")
        );
    };
    // An unknown key may be content in the wrong place: the error does not quote it.
    if members.iter().any(|(key, _)| !MEMBERS.contains(&key.as_str())) {
        let known = MEMBERS.join(", ");
        return Err(Error::invalid_argument(format!("an unknown member; a step has {known}")).at("step"));
    }
    let kind = one_of(value, "kind", &Kind::ALL)?.ok_or_else(|| invalid("is missing", "kind"))?;
    let id = id(value, "id")?.ok_or_else(|| invalid("is missing", "id"))?;
    let content = match value.get("content") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(parts)) => parts,
        Some(other) => return Err(invalid(format!("must be a list, not {}", other.type_name()), "content")),
    };
    Ok(Step {
        kind,
        id,
        parent: self::id(value, "parent")?,
        run: self::id(value, "run")?,
        causation: self::id(value, "causation")?,
        outcome: one_of(value, "outcome", &Outcome::ALL)?,
        content,
        deed: false,
    })
}

/// The step as a span.
fn spelled(step: &Value, known: &Step<'_>) -> Result<Value> {
    let names = SpanNames::get();
    let name = text(step, "name")?.filter(|name| !name.is_empty());
    let error = text(step, "error_type")?.filter(|kind| !kind.is_empty());
    let mut attributes = match step.get("attributes") {
        None | Some(Value::Null) => Members::new(),
        Some(Value::Object(members)) => members.clone(),
        Some(other) => {
            return Err(invalid(format!("must be an object, not {}", other.type_name()), "attributes"));
        }
    };
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| *value != Value::Null)
            && !attributes.iter().any(|(known, _)| known == name)
        {
            attributes.push((name.to_owned(), value));
        }
    };
    // The decision's word goes first: the attribute of that name counts where several are given.
    if known.kind == Kind::Decision {
        const WORDS: [(&str, &str); 4] =
            [("allow", "allow"), ("deny", "deny"), ("ask", "ask"), ("indeterminate", "indeterminate")];
        let word = one_of(step, "decision", &WORDS)?.ok_or_else(|| invalid("is missing", "decision"))?;
        say(names.decision.first().map_or("", String::as_str), Some(word.into()));
    }
    say(&names.operation, known.kind.operation().map(Value::from));
    if let Some(attribute) = known.kind.named() {
        say(attribute, name.map(Value::from));
    }
    say(&names.error, error.map(Value::from));
    for (attribute, value) in usage(step)? {
        say(attribute, Some(value));
    }
    let is_call = matches!(known.kind, Kind::Tool | Kind::Retrieval);
    let (input, output) = if is_call {
        (&names.tool_arguments, &names.tool_result)
    } else {
        (&names.input_messages, &names.output_messages)
    };
    for (attribute, member) in [(input, "input"), (output, "output"), (&names.system_instructions, "system")]
    {
        say(attribute, step.get(member).cloned());
    }
    let ended = step.get("end_unix_nano").is_some_and(|end| *end != Value::Null);
    let failed = known.outcome.map_or(error.is_some(), |outcome| outcome != Outcome::Ok);
    let status = match (ended, failed) {
        (false, _) => "unset",
        (true, false) => "ok",
        (true, true) => "error",
    };
    let mut span = vec![
        ("name".to_owned(), name.unwrap_or_default().into()),
        ("status".to_owned(), status.into()),
        ("attributes".to_owned(), Value::Object(attributes)),
    ];
    for member in ["start_unix_nano", "end_unix_nano", "trace_id", "span_id", "flags", "state", "permit"] {
        span.extend(step.get(member).map(|value| (member.to_owned(), value.clone())));
    }
    Ok(Value::Object(span))
}

/// The counts of a usage object, under conventional names. One that cannot be read is left out, as a step is not refused
/// for what a provider answered.
fn usage(step: &Value) -> Result<Vec<(&'static str, Value)>> {
    const NAMES: [(&str, &str); 7] = [
        ("input_tokens", "gen_ai.usage.input_tokens"),
        ("output_tokens", "gen_ai.usage.output_tokens"),
        ("cached_tokens", "gen_ai.usage.cache_read.input_tokens"),
        ("reasoning_tokens", "gen_ai.usage.reasoning.output_tokens"),
        ("total_tokens", "gen_ai.usage.total_tokens"),
        ("provider", "gen_ai.provider.name"),
        ("model", "gen_ai.response.model"),
    ];
    let of = text(step, "usage_of")?.unwrap_or("otel");
    let Some(usage @ Value::Object(_)) = step.get("usage") else { return Ok(Vec::new()) };
    let read = usage_from_json(of, usage.to_json().as_bytes());
    if let Err(e) = &read
        && e.place() == Some("provider")
    {
        return Err(invalid(e.message().to_owned(), "usage_of"));
    }
    let Some(read) = read.ok().and_then(|data| crate::json::parse(&data).ok()) else { return Ok(Vec::new()) };
    let taken = |(member, attribute): (&str, &'static str)| Some((attribute, read.get(member)?.clone()));
    Ok(NAMES.into_iter().filter_map(taken).collect())
}

fn invalid(message: impl Into<String>, member: &str) -> Error {
    Error::invalid_argument(message).at(format!("step.{member}"))
}

fn text<'a>(step: &'a Value, member: &str) -> Result<Option<&'a str>> {
    match step.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(invalid(format!("must be a string, not {}", other.type_name()), member)),
    }
}

fn id<'a>(step: &'a Value, member: &str) -> Result<Option<&'a str>> {
    let Some(text) = text(step, member)? else { return Ok(None) };
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Ok(Some(text));
    }
    Err(invalid("must be 1 to 128 printable ASCII characters", member))
}

fn one_of<T: Copy>(step: &Value, member: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    let Some(text) = text(step, member)? else { return Ok(None) };
    match known.iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            Err(invalid(format!("must be one of {}", names.join(", ")), member))
        }
    }
}
