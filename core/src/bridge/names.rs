//! The names that spans are read by: the section `spans` of the conventions' one data file.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::json::{Value, parse};

/// The section, read.
#[derive(Debug, Default)]
pub(super) struct SpanNames {
    pub(super) operation: String,
    pub(super) tool: String,
    pub(super) prompt: String,
    /// The id of one call of an agent.
    pub(super) run: String,
    pub(super) conversation: String,
    /// The method of an MCP call.
    pub(super) method: String,
    pub(super) error: String,
    pub(super) exception: String,
    pub(super) input_messages: String,
    pub(super) output_messages: String,
    pub(super) system_instructions: String,
    pub(super) tool_arguments: String,
    pub(super) tool_result: String,
    pub(super) sandbox: String,
    pub(super) sandbox_kind: String,
    pub(super) sandbox_resource: String,
    pub(super) saga: String,
    pub(super) saga_step: String,
    /// The prefix of the names of saga steps' spans.
    pub(super) saga_span: String,
    pub(super) agent_operations: HashSet<String>,
    pub(super) tool_operations: HashSet<String>,
    pub(super) model_operations: HashSet<String>,
    pub(super) guardrail_operations: HashSet<String>,
    /// MCP's methods that call a tool, prompt or resource; the others are its own housekeeping.
    pub(super) tool_methods: HashSet<String>,
    /// The method that calls a tool; the name of such a span begins with it.
    pub(super) tool_call: String,
    /// A guardrail's name.
    pub(super) guardrail: String,
    /// Whether a guardrail tripped.
    pub(super) triggered: Vec<String>,
    /// Attributes that hold a decision; `decisions` says what their values mean.
    pub(super) decision: Vec<String>,
    pub(super) decisions: HashMap<String, String>,
    /// Names of spans that wait for a person, whose attribute `decision` is the answer.
    pub(super) approval_spans: HashSet<String>,
    /// Booleans that are true when a call failed although its transport reports no error.
    pub(super) failed: Vec<String>,
    /// The `error.type` of such a call.
    pub(super) tool_error: String,
    /// Attributes whose texts `data` may hold.
    pub(super) kept: HashSet<String>,
    /// Another name of a conventional attribute: older conventions', a framework's own.
    pub(super) aliases: HashMap<String, String>,
    /// Names that mean something else by the kind of span: `tool`, `agent`, `model`.
    pub(super) aliases_of: HashMap<String, HashMap<String, String>>,
    /// Messages spelled as one attribute for each of their members.
    pub(super) flattened: Vec<Flattened>,
    /// By attribute: what its values are called as operations.
    pub(super) dialects: Vec<(String, HashMap<String, String>)>,
    /// The last parts of `error.type` that mean cancelled, and below those that mean timed out and denied.
    pub(super) cancelled: HashSet<String>,
    pub(super) timed_out: HashSet<String>,
    pub(super) denied: HashSet<String>,
    /// Somebody is asked first.
    pub(super) asked: HashSet<String>,
    /// Exceptions that are a normal way to end, and no error.
    pub(super) unremarkable: HashSet<String>,
}

/// Attributes `PREFIX.N.ROLE` and `PREFIX.N.CONTENT`, which are the message `N` of another attribute.
#[derive(Debug, Default)]
pub(super) struct Flattened {
    pub(super) prefix: String,
    pub(super) role: String,
    pub(super) content: String,
    pub(super) meant: String,
}

static NAMES: LazyLock<SpanNames> = LazyLock::new(|| {
    // The file is compiled in: a test checks it, so that callers need not handle an error.
    let file = parse(include_bytes!("../sinks/otlp/semconv.json")).unwrap_or(Value::Null);
    let (Some(spans), Some(content)) = (file.get("spans"), file.get("content")) else {
        return SpanNames::default();
    };
    let texts = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let name = |key: &str| spans.get(key).map(texts).unwrap_or_default();
    let content = |key: &str| content.get(key).map(texts).unwrap_or_default();
    let set = |key: &str| spans.get(key).map(Value::items).unwrap_or_default().iter().map(texts).collect();
    let map = |of: &Value| of.members().iter().map(|(key, value)| (key.clone(), texts(value))).collect();
    let list = |key: &str| spans.get(key).map(Value::items).unwrap_or_default().iter().map(texts).collect();
    let maps = spans.get("aliases_of").map(Value::members).unwrap_or_default();
    let flattened = spans.get("flattened").map(Value::items).unwrap_or_default();
    let dialects = spans.get("dialects").map(Value::members).unwrap_or_default();
    SpanNames {
        operation: name("operation"),
        tool: name("tool"),
        prompt: name("prompt"),
        run: name("run"),
        conversation: name("conversation"),
        method: name("method"),
        error: name("error"),
        exception: name("exception"),
        input_messages: content("input_messages"),
        output_messages: content("output_messages"),
        system_instructions: content("system_instructions"),
        tool_arguments: content("tool_arguments"),
        tool_result: content("tool_result"),
        sandbox: name("sandbox"),
        sandbox_kind: name("sandbox_kind"),
        sandbox_resource: name("sandbox_resource"),
        saga: name("saga"),
        saga_step: name("saga_step"),
        saga_span: name("saga_span"),
        agent_operations: set("agent_operations"),
        tool_operations: set("tool_operations"),
        model_operations: set("model_operations"),
        guardrail_operations: set("guardrail_operations"),
        tool_methods: set("tool_methods"),
        tool_call: name("tool_call"),
        guardrail: name("guardrail"),
        triggered: list("triggered"),
        decision: list("decision"),
        decisions: spans.get("decisions").map(map).unwrap_or_default(),
        approval_spans: set("approval_spans"),
        failed: list("failed"),
        tool_error: name("tool_error"),
        kept: set("kept"),
        aliases: spans.get("aliases").map(map).unwrap_or_default(),
        dialects: dialects.iter().map(|(attribute, values)| (attribute.clone(), map(values))).collect(),
        aliases_of: maps.iter().map(|(kind, names)| (kind.clone(), map(names))).collect(),
        flattened: flattened
            .iter()
            .map(|one| {
                let of = |key: &str| one.get(key).map(texts).unwrap_or_default();
                Flattened {
                    prefix: of("prefix"),
                    role: of("role"),
                    content: of("content"),
                    meant: of("meant"),
                }
            })
            .collect(),
        cancelled: set("cancelled"),
        timed_out: set("timed_out"),
        denied: set("denied"),
        asked: set("asked"),
        unremarkable: set("unremarkable"),
    }
});

impl SpanNames {
    /// Whether an attribute is somebody's words, by its own name or another of it: such become content parts, or nothing.
    pub(super) fn is_content(&self, name: &str) -> bool {
        let is = |name: &str| {
            [
                &self.input_messages,
                &self.output_messages,
                &self.system_instructions,
                &self.tool_arguments,
                &self.tool_result,
            ]
            .iter()
            .any(|content| *content == name)
        };
        is(name)
            || self.aliases.get(name).is_some_and(|meant| is(meant))
            || self.aliases_of.values().filter_map(|aliases| aliases.get(name)).any(|meant| is(meant))
            || self.flattened.iter().any(|one| name.starts_with(&one.prefix) && name.ends_with(&one.content))
    }

    /// The names of the version this build knows.
    pub(super) fn get() -> &'static Self {
        &NAMES
    }
}
