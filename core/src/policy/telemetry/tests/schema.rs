//! The schema for editors says what the reader reads: the same members everywhere, and the same words.

use std::collections::BTreeSet;

use crate::json::{Value, parse};
use crate::policy::telemetry::document;
use crate::policy::telemetry::facts::Paths;

const SCHEMA: &str = include_str!("../../../../../schemas/telemetry-policy/v1alpha1/policy.json");

/// What the reader tells of a document.
fn told(text: &str) -> Vec<(String, String)> {
    let node = document::tree(text, "in").unwrap();
    let policy = document::read(&node, "in", 0, &mut Paths::default());
    policy.invalid.into_iter().map(|issue| (issue.field, issue.message)).collect()
}

/// Behind these words, what the reader knows at a field.
fn list_after(text: &str, field: &str, words: &str) -> BTreeSet<String> {
    let told = told(text);
    let message = told.iter().find(|(at, message)| at == field && message.contains(words));
    let (_, message) = message.unwrap_or_else(|| panic!("{field}: {told:?}"));
    let names = message.split(words).nth(1).unwrap();
    names.trim().split(", ").map(str::to_owned).collect()
}

/// The schema at the place of a member; `[]` is a list's item.
fn at<'s>(root: &'s Value, path: &str) -> &'s Value {
    let resolve = |mut node: &'s Value| {
        while let Some(name) = node.get("$ref").and_then(Value::as_str) {
            node = root.get("$defs").unwrap().get(name.strip_prefix("#/$defs/").unwrap()).unwrap();
        }
        node
    };
    path.split('.').filter(|step| !step.is_empty()).fold(resolve(root), |node, step| {
        let found = match step {
            "[]" => node.get("items"),
            name => node.get("properties").and_then(|members| members.get(name)),
        };
        resolve(found.unwrap_or_else(|| panic!("{path}: no {step}")))
    })
}

fn document(spec: &str) -> String {
    format!(
        "apiVersion: sinkwell.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: p }}\nspec: {{ {spec} }}\n"
    )
}

#[test]
fn every_object_has_the_members_that_the_reader_knows() {
    let root = parse(SCHEMA.as_bytes()).unwrap();
    // A document with a member that nobody would mean, where in it that is, and where the schema says it.
    let mut shells = vec![
        ("qqqqqqqqqq: 1\n".to_owned(), "qqqqqqqqqq", ""),
        ("metadata: { qqqqqqqqqq: 1 }\n".to_owned(), "metadata.qqqqqqqqqq", "metadata"),
    ];
    for (spec, field, path) in [
        ("qqqqqqqqqq: 1", "spec.qqqqqqqqqq", "spec"),
        ("targetRefs: [ { qqqqqqqqqq: 1 } ]", "spec.targetRefs[0].qqqqqqqqqq", "spec.targetRefs.[]"),
        ("events: { qqqqqqqqqq: 1 }", "spec.events.qqqqqqqqqq", "spec.events"),
        ("events: { keep: [ { qqqqqqqqqq: 1 } ] }", "spec.events.keep[0].qqqqqqqqqq", "spec.events.keep.[]"),
        (
            "events: { fields: [ { qqqqqqqqqq: 1 } ] }",
            "spec.events.fields[0].qqqqqqqqqq",
            "spec.events.fields.[]",
        ),
        (
            "events: { fields: [ { key: a, value: { qqqqqqqqqq: 1 } } ] }",
            "spec.events.fields[0].value.qqqqqqqqqq",
            "spec.events.fields.[].value",
        ),
        ("sampling: { qqqqqqqqqq: 1 }", "spec.sampling.qqqqqqqqqq", "spec.sampling"),
        ("sampling: { rate: { qqqqqqqqqq: 1 } }", "spec.sampling.rate.qqqqqqqqqq", "spec.sampling.rate"),
        (
            "sampling: { parentBased: { qqqqqqqqqq: 1 } }",
            "spec.sampling.parentBased.qqqqqqqqqq",
            "spec.sampling.parentBased",
        ),
        ("tracing: { qqqqqqqqqq: 1 }", "spec.tracing.qqqqqqqqqq", "spec.tracing"),
        ("metrics: { qqqqqqqqqq: 1 }", "spec.metrics.qqqqqqqqqq", "spec.metrics"),
        (
            "metrics: { provider: { qqqqqqqqqq: 1 } }",
            "spec.metrics.provider.qqqqqqqqqq",
            "spec.metrics.provider",
        ),
        (
            "metrics: { overrides: [ { qqqqqqqqqq: 1 } ] }",
            "spec.metrics.overrides[0].qqqqqqqqqq",
            "spec.metrics.overrides.[]",
        ),
        (
            "metrics: { overrides: [ { dimensions: [ { qqqqqqqqqq: 1 } ] } ] }",
            "spec.metrics.overrides[0].dimensions[0].qqqqqqqqqq",
            "spec.metrics.overrides.[].dimensions.[]",
        ),
    ] {
        shells.push((document(spec), field, path));
    }
    let count = shells.len();
    for (text, field, path) in shells {
        let schema = at(&root, path);
        let known = list_after(&text, field, "; there are ");
        let members: BTreeSet<_> =
            schema.get("properties").unwrap().members().iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(members, known, "{path}");
        // What Kubernetes puts into metadata is no fault of the document.
        let open = schema.get("additionalProperties") != Some(&Value::Bool(false));
        assert!(!open, "{path} lets members that the reader refuses");
    }
    assert_eq!(count, SCHEMA.matches("\"properties\"").count(), "an object of the schema is not looked at");
}

#[test]
fn every_word_is_one_that_the_reader_knows() {
    let root = parse(SCHEMA.as_bytes()).unwrap();
    for (spec, field, path) in [
        ("targetRefs: [ { kind: Q } ]", "spec.targetRefs[0].kind", "spec.targetRefs.[].kind"),
        ("events: { mode: Q }", "spec.events.mode", "spec.events.mode"),
        ("sampling: { mode: Q }", "spec.sampling.mode", "spec.sampling.mode"),
        ("metrics: { semconv: Q }", "spec.metrics.semconv", "spec.metrics.semconv"),
        ("metrics: { provider: { type: Q } }", "spec.metrics.provider.type", "spec.metrics.provider.type"),
        (
            "metrics: { overrides: [ { type: Q } ] }",
            "spec.metrics.overrides[0].type",
            "spec.metrics.overrides.[].type",
        ),
    ] {
        let words =
            at(&root, path).get("enum").unwrap().items().iter().map(|word| word.as_str().unwrap().to_owned());
        assert_eq!(
            words.collect::<BTreeSet<_>>(),
            list_after(&document(spec), field, "expected one of "),
            "{path}"
        );
    }
    assert_eq!(SCHEMA.matches("\"enum\"").count(), 6);
}
