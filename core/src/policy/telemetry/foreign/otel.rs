//! OpenTelemetry's telemetry policies: rules that know nothing of each other, each with what it matches and what becomes
//! of that.
//!
//! A document holds one (`id`, `log`, `metric` or `trace`), or many under `policies`; it is about the whole emitter. What
//! one keeps, no other drops; a matcher of what is not there, or is of another type, does not match.

use super::{Checked as _, Reader, dialect, entry, join, list, map, text};
use crate::document::tree::{Entry, Node, Text, Value};

const MEMBERS: [&str; 9] = [
    "id",
    "name",
    "description",
    "enabled",
    "created_at_unix_nano",
    "modified_at_unix_nano",
    "labels",
    "log",
    "metric",
];

pub(super) fn is_one(node: &Node) -> bool {
    let has = |node: &Node, key: &str| node.get(key).is_some();
    has(node, "policies") || (has(node, "id") && ["log", "metric", "trace"].iter().any(|key| has(node, key)))
}

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) {
    let mut rules = Rules::default();
    let mut name = "opentelemetry".to_owned();
    if let Some(policies) = node.get("policies") {
        reader.map(node, "", &["policies"]);
        for (at, policy) in reader.list(policies, "policies", 1000).iter().enumerate() {
            one(reader, policy, &format!("policies[{at}]"), &mut rules);
        }
    } else {
        if let Some(Value::Text(Text { text, .. })) = node.get("id").map(|id| &id.value) {
            name.clone_from(text);
        }
        one(reader, node, "", &mut rules);
    }
    reader.metadata = Some(map(node.mark, [("name", text(node.mark, &name))]));
    for (key, rules) in [("keep", rules.keep), ("discard", rules.discard)] {
        if !rules.is_empty() {
            for (at, (_, field)) in rules.iter().enumerate() {
                reader.called(format!("spec.events.{key}[{at}]"), field.clone());
            }
            let rules = rules.into_iter().map(|(rule, _)| rule).collect();
            reader.events.push(entry(key, list(node.mark, rules)));
        }
    }
}

#[derive(Default)]
struct Rules {
    keep: Vec<(Node, String)>,
    discard: Vec<(Node, String)>,
}

fn one(reader: &mut Reader<'_>, node: &Node, field: &str, rules: &mut Rules) {
    let mut known = MEMBERS.to_vec();
    known.push("trace");
    reader.map(node, field, &known);
    if node.get("id").is_none() {
        reader.wrong(node.mark, &join(field, "id"), "is missing");
    }
    if let Some(enabled) = node.get("enabled")
        && reader.truth(enabled, &join(field, "enabled")) == Some(false)
    {
        return;
    }
    let targets: Vec<&str> =
        ["log", "metric", "trace"].into_iter().filter(|key| node.get(key).is_some()).collect();
    let [target] = targets.as_slice() else {
        return reader.wrong(node.mark, field, "expected one of log, metric, trace");
    };
    let Some(body) = node.get(target) else { return };
    let field = join(field, target);
    match *target {
        "log" => log(reader, body, &field, rules),
        "metric" => {
            let message = "the metrics of the host do not come this way: spec.metrics says what is derived";
            reader.not_honoured(body.mark, &field, message);
        }
        _ => reader.not_honoured(body.mark, &field, "a policy samples all spans of a lane: see spec.tracing"),
    }
}

fn log(reader: &mut Reader<'_>, node: &Node, field: &str, rules: &mut Rules) {
    reader.map(node, field, &["match", "keep", "transform", "sample_key"]);
    for key in ["transform", "sample_key"] {
        if let Some(given) = node.get(key) {
            let message = "members are added and dropped for all events of a lane, not for some";
            reader.not_honoured(given.mark, &join(field, key), message);
        }
    }
    let at = join(field, "match");
    let Some(matchers) = node.get("match") else {
        return reader.wrong(node.mark, &at, "is missing");
    };
    let mut terms = Vec::new();
    let mut whole = true;
    for (i, matcher) in reader.list(matchers, &at, 32).iter().enumerate() {
        match term(reader, matcher, &format!("{at}[{i}]")) {
            Some(term) => terms.push(term),
            None => whole = false,
        }
    }
    let keep = match node.get("keep").map(|keep| &keep.value) {
        None => "all".to_owned(),
        Some(Value::Text(Text { text, .. })) => text.to_ascii_lowercase(),
        Some(Value::Bool(keep)) => if *keep { "all" } else { "none" }.to_owned(),
        Some(_) => String::new(),
    };
    // Without a matcher it matches nothing; with one that cannot be read it would match too much.
    if terms.is_empty() || !whole {
        return;
    }
    let cel = map(node.mark, [("cel", text(node.mark, &terms.join(" && ")))]);
    match keep.as_str() {
        "all" | "keep" => rules.keep.push((cel, field.to_owned())),
        "none" | "drop" => rules.discard.push((cel, field.to_owned())),
        share if share.ends_with('%') || share.contains('/') => {
            let message = "a share of some events: spec.sampling samples all events of a lane alike";
            reader.not_honoured(node.mark, &join(field, "keep"), message);
        }
        _ => reader.wrong(
            node.mark,
            &join(field, "keep"),
            "expected all, none, a share (25%) or a rate (100/s)",
        ),
    }
}

/// One matcher as an expression.
fn term(reader: &mut Reader<'_>, node: &Node, field: &str) -> Option<String> {
    const SUBJECTS: [&str; 4] = ["log_field", "log_attribute", "resource_attribute", "scope_attribute"];
    const TESTS: [&str; 6] = ["exact", "regex", "exists", "starts_with", "ends_with", "contains"];
    let known: Vec<&str> = SUBJECTS.into_iter().chain(TESTS).chain(["negate", "case_insensitive"]).collect();
    let entries = reader.map(node, field, &known);
    let pick = |of: &[&str]| {
        let mut found = entries.iter().filter(|entry| of.contains(&entry.key.as_str()));
        found.next().filter(|_| found.next().is_none())
    };
    let (Some(subject), Some(test)) = (pick(&SUBJECTS), pick(&TESTS)) else {
        let message = format!("expected one of {}, and one of {}", SUBJECTS.join(", "), TESTS.join(", "));
        reader.wrong(node.mark, field, &message);
        return None;
    };
    let flag = |reader: &mut Reader<'_>, key: &str| {
        node.get(key).and_then(|given| reader.truth(given, &join(field, key))).unwrap_or(false)
    };
    let (negate, blind) = (flag(reader, "negate"), flag(reader, "case_insensitive"));
    let value = &test.node;
    let at = join(field, &test.key);
    let of = path(reader, subject, field)?;
    let positive = if test.key == "exists" {
        let there = reader.truth(value, &at)?;
        if !of.starts_with("event.data") {
            reader.not_honoured(value.mark, &at, "this is in every event, or in none");
            return None;
        }
        if there { format!("has({of})") } else { format!("!has({of})") }
    } else {
        let text = reader.text(value, &at).map(str::to_owned)?;
        if of == "event.severity" {
            let level = text.to_ascii_uppercase();
            let known = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].contains(&level.as_str());
            if test.key != "exact" || !known {
                reader.not_honoured(
                    value.mark,
                    &at,
                    "a severity is one of TRACE to FATAL, and is only compared",
                );
                return None;
            }
            format!("event.severity == {level}")
        } else if test.key == "regex" || blind {
            let pattern = match test.key.as_str() {
                "regex" => text.clone(),
                "starts_with" => format!("^{}", escape(&text)),
                "ends_with" => format!("{}$", escape(&text)),
                "contains" => escape(&text),
                _ => format!("^{}$", escape(&text)),
            };
            let pattern = if blind { format!("(?i){pattern}") } else { pattern };
            format!("{of}.matches({})", dialect::quoted(&pattern))
        } else {
            let quoted = dialect::quoted(&text);
            match test.key.as_str() {
                "exact" => format!("{of} == {quoted}"),
                "starts_with" => format!("{of}.startsWith({quoted})"),
                "ends_with" => format!("{of}.endsWith({quoted})"),
                _ => format!("{of}.contains({quoted})"),
            }
        }
    };
    Some(if negate { format!("!({positive})") } else { format!("({positive})") })
}

/// What a matcher looks at.
fn path(reader: &mut Reader<'_>, subject: &Entry, field: &str) -> Option<String> {
    let Entry { key, node, .. } = subject;
    let at = join(field, key);
    if key == "log_field" {
        let name = reader.text(node, &at)?.to_ascii_lowercase();
        return match name.trim_start_matches("log_field_") {
            "severity_text" => Some("event.severity".to_owned()),
            "event_name" => Some("event.type".to_owned()),
            "trace_id" => Some("event.trace".to_owned()),
            "span_id" => Some("event.span".to_owned()),
            _ => {
                reader.not_honoured(node.mark, &at, "an event has no such field, or it is content");
                None
            }
        };
    }
    if key != "log_attribute" {
        reader.not_honoured(node.mark, &at, "all events of an emitter have the same resource and scope");
        return None;
    }
    let steps: Vec<String> = match &node.value {
        Value::List(_) => {
            let items = reader.list(node, &at, 8);
            items.iter().filter_map(|item| reader.text(item, &at).map(str::to_owned)).collect()
        }
        _ => vec![reader.text(node, &at)?.to_owned()],
    };
    (!steps.is_empty()).then(|| {
        let steps: String = steps.iter().map(|step| format!("[{}]", dialect::quoted(step))).collect();
        format!("event.data{steps}")
    })
}

/// A text as a pattern that matches it alone.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
