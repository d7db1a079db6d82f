//! Kuadrant's `TelemetryPolicy`: labels of its metrics, and members of its decision logs, by expressions.

use super::{Checked as _, Reader, dialect, entry, join, list, map, text};
use crate::document::tree::{Entry, Node, Value};

/// Kuadrant's counters, as what decisions say.
const COUNTERS: [(&str, &str); 2] = [
    ("authorized_calls", r#"event.type == "policy.decision" && event.data.decision == "allow""#),
    ("limited_calls", r#"event.type == "policy.decision" && event.data.decision == "deny""#),
];

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) {
    let Some(spec) = reader.shell(node) else { return };
    reader.map(spec, "spec", &["targetRef", "metrics", "logging"]);
    reader.targets(spec, &["Gateway"]);
    let labels = section(reader, spec, "metrics", "labels");
    let fields = section(reader, spec, "logging", "fields");
    if labels.is_none() && fields.is_none() && reader.issues.invalid.is_empty() {
        reader.wrong(spec.mark, "spec", "has neither metrics.default.labels nor logging.default.fields");
    }
    if let Some((mark, entries)) = labels {
        let mut dimensions = Vec::new();
        for Entry { key, node, .. } in entries {
            let field = format!("spec.metrics.default.labels.{key}");
            let Some(source) = reader.text(node, &field).map(str::to_owned) else { continue };
            for counter in 0..COUNTERS.len() {
                let ours = format!("spec.metrics.overrides[{counter}].dimensions[{}]", dimensions.len());
                reader.called(ours, field.clone());
            }
            let value = map(node.mark, [("cel", text(node.mark, &dialect::expression(&source)))]);
            dimensions.push(map(node.mark, [("key", text(node.mark, key)), ("value", value)]));
        }
        let of = |(name, cel): (&str, &str)| {
            map(
                mark,
                [
                    ("name", text(mark, name)),
                    ("type", text(mark, "Counter")),
                    ("value", map(mark, [("cel", text(mark, cel))])),
                    ("dimensions", list(mark, dimensions.clone())),
                ],
            )
        };
        reader.metrics.push(entry("overrides", list(mark, COUNTERS.map(of).into())));
    }
    for Entry { key, node, .. } in fields.map(|(_, entries)| entries).into_iter().flatten() {
        let field = format!("spec.logging.default.fields.{key}");
        let Some(source) = reader.text(node, &field).map(str::to_owned) else { continue };
        let value = map(node.mark, [("cel", text(node.mark, &dialect::expression(&source)))]);
        reader.add_field(node, key, value, &field);
    }
}

/// The map at `spec.NAME.default.MEMBER`.
fn section<'n>(
    reader: &mut Reader<'_>,
    spec: &'n Node,
    name: &str,
    member: &str,
) -> Option<(crate::document::tree::Mark, &'n [Entry])> {
    let node = spec.get(name)?;
    let field = join("spec", name);
    reader.map(node, &field, &["default"]);
    let Some(default) = node.get("default") else {
        reader.wrong(node.mark, &join(&field, "default"), "is missing");
        return None;
    };
    let field = join(&field, "default");
    reader.map(default, &field, &[member]);
    let at = join(&field, member);
    match default.get(member) {
        Some(Node { mark, value: Value::Map(entries) }) if !entries.is_empty() => Some((*mark, entries)),
        Some(other) => {
            reader.wrong(other.mark, &at, "expected at least one name with an expression");
            None
        }
        None => {
            reader.wrong(default.mark, &at, "is missing");
            None
        }
    }
}
