//! Each rule of each form, with what its document is told.

use crate::policy::telemetry::document::{self, Policy};
use crate::policy::telemetry::facts::Paths;

fn read(text: &str) -> Policy {
    let node = document::tree(text, "in").unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    document::read(&node, "in", 0, &mut Paths::default())
}

/// The fields that a document is refused for, and those that are not honoured.
fn told(text: &str) -> (Vec<String>, Vec<String>) {
    let policy = read(text);
    let fields = |issues: &[document::Issue]| issues.iter().map(|issue| issue.field.clone()).collect();
    (fields(&policy.invalid), fields(&policy.unhonoured))
}

fn newest(tracing: &str) -> String {
    format!(
        "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XTelemetryPolicy\nmetadata: {{ name: p, namespace: n }}\n\
         spec:\n  targetRefs: [ {{ group: gateway.networking.k8s.io, kind: Gateway, name: g }} ]\n  tracing: {tracing}\n"
    )
}

/// What the definition of `XTelemetryPolicy` accepts and refuses, case by case.
#[test]
fn the_newest_form_is_held_to_its_own_rules() {
    let provider = "provider: { backendRef: { name: otel, port: 4317 } }";
    let enabled = |rest: &str| format!("{{ mode: Enabled, {provider}, {rest} }}");
    for (tracing, refused) in [
        (enabled("samplingRate: { numerator: 50 }"), None),
        (enabled("serviceName: my-gateway.service, spanName: HTTP GET"), None),
        (enabled("attributes: [ { name: env, sourceType: Literal, literalValue: prod } ]"), None),
        (enabled("attributes: [ { name: m, sourceType: Header, headerName: X-User-ID } ]"), None),
        (
            enabled("attributes: [ { name: m, sourceType: Attribute, attributeKey: http.request.method } ]"),
            None,
        ),
        (
            enabled("parentBasedSampling: { mode: Enabled, samplingRate: { numerator: 1, denominator: 2 } }"),
            None,
        ),
        (enabled("parentBasedSampling: { mode: Disabled }"), None),
        ("{ mode: Disabled }".into(), None),
        ("{ mode: ImplementationDefault }".into(), None),
        ("{}".into(), None),
        ("{ mode: On }".into(), Some("spec.tracing.mode")),
        ("{ mode: Enabled }".into(), Some("spec.tracing.provider")),
        (format!("{{ mode: Disabled, {provider} }}"), Some("spec.tracing.provider")),
        (format!("{{ {provider} }}"), Some("spec.tracing.provider")),
        ("{ mode: Disabled, samplingRate: { numerator: 1 } }".into(), Some("spec.tracing.samplingRate")),
        ("{ mode: Disabled, parentBasedSampling: {} }".into(), Some("spec.tracing.parentBasedSampling")),
        ("{ mode: Disabled, serviceName: s }".into(), Some("spec.tracing.serviceName")),
        ("{ mode: Disabled, spanName: s }".into(), Some("spec.tracing.spanName")),
        ("{ mode: Disabled, attributes: [] }".into(), Some("spec.tracing.attributes")),
        ("{ samplingRate: { numerator: 1 } }".into(), Some("spec.tracing.samplingRate")),
        (enabled("samplingRate: { numerator: 3, denominator: 2 }"), Some("spec.tracing.samplingRate")),
        (enabled("samplingRate: { numerator: 1, denominator: 0 }"), Some("spec.tracing.samplingRate")),
        (enabled("samplingRate: { numerator: -1 }"), Some("spec.tracing.samplingRate.numerator")),
        (enabled("samplingRate: { percent: 5 }"), Some("spec.tracing.samplingRate.percent")),
        (
            enabled("parentBasedSampling: { mode: Disabled, samplingRate: { numerator: 1 } }"),
            Some("spec.tracing.parentBasedSampling.samplingRate"),
        ),
        (
            enabled("parentBasedSampling: { samplingRate: { numerator: 1 } }"),
            Some("spec.tracing.parentBasedSampling.samplingRate"),
        ),
        (enabled("serviceName: Upper"), Some("spec.tracing.serviceName")),
        (enabled("serviceName: a..b"), Some("spec.tracing.serviceName")),
        (enabled(&format!("spanName: {}", "x".repeat(257))), Some("spec.tracing.spanName")),
        (
            enabled("attributes: [ { name: a, sourceType: Header, literalValue: x } ]"),
            Some("spec.tracing.attributes[0].headerName"),
        ),
        (
            enabled("attributes: [ { name: a, sourceType: Literal, literalValue: x, headerName: y } ]"),
            Some("spec.tracing.attributes[0].headerName"),
        ),
        (
            enabled("attributes: [ { name: a, sourceType: Attribute } ]"),
            Some("spec.tracing.attributes[0].attributeKey"),
        ),
        (
            enabled("attributes: [ { name: a, sourceType: Attribute, attributeKey: Http } ]"),
            Some("spec.tracing.attributes[0].attributeKey"),
        ),
        (
            enabled("attributes: [ { name: a, sourceType: Metadata } ]"),
            Some("spec.tracing.attributes[0].sourceType"),
        ),
        (
            enabled("attributes: [ { name: 'a b', sourceType: Literal, literalValue: x } ]"),
            Some("spec.tracing.attributes[0].name"),
        ),
        (
            enabled(
                "attributes: [ { name: a, sourceType: Literal, literalValue: x }, { name: a, sourceType: Literal, literalValue: y } ]",
            ),
            Some("spec.tracing.attributes[1].name"),
        ),
        (
            "{ mode: Enabled, provider: { backendRef: { port: 4317 } } }".into(),
            Some("spec.tracing.provider.backendRef.name"),
        ),
        (
            "{ mode: Enabled, provider: { backendRef: { name: x } } }".into(),
            Some("spec.tracing.provider.backendRef.port"),
        ),
        (
            format!(
                "{{ mode: Enabled, provider: {{ backendRef: {{ name: x, port: 1 }}, headers: [{}] }} }}",
                vec!["{ name: a, value: b }"; 17].join(", ")
            ),
            Some("spec.tracing.provider.headers"),
        ),
        (enabled("context: [ W3C ]"), Some("spec.tracing.context")),
    ] {
        let (invalid, unhonoured) = told(&newest(&tracing));
        assert_eq!(invalid.first().map(String::as_str), refused, "{tracing}: {invalid:?}");
        let sends = tracing.contains("mode: Enabled") && !tracing.starts_with("{ mode: Disabled");
        assert!(refused.is_some() || sends != unhonoured.is_empty(), "{tracing}: {unhonoured:?}");
    }
}

#[test]
fn targets_are_held_to_each_forms_rules() {
    let spec = |targets: &str| {
        newest("{}")
            .replace("targetRefs: [ { group: gateway.networking.k8s.io, kind: Gateway, name: g } ]", targets)
    };
    let gateway = "{ kind: Gateway, name: g }";
    let seventeen: Vec<String> = (0..17).map(|n| format!("{{ kind: Gateway, name: g{n} }}")).collect();
    for (targets, refused) in [
        (format!("targetRefs: [ {gateway} ]"), None),
        ("targetRefs: []".into(), Some("spec.targetRefs")),
        (String::new(), Some("spec.targetRefs")),
        (format!("targetRefs: [ {gateway}, {gateway} ]"), Some("spec.targetRefs[1]")),
        (format!("targetRefs: [ {} ]", seventeen.join(", ")), Some("spec.targetRefs")),
        ("targetRefs: [ { kind: Service, name: s } ]".into(), Some("spec.targetRefs[0].kind")),
        ("targetRefs: [ { kind: Gateway } ]".into(), Some("spec.targetRefs[0]")),
        ("targetRefs: [ { group: apps, kind: Gateway, name: g } ]".into(), Some("spec.targetRefs[0].group")),
    ] {
        let (invalid, _) = told(&spec(&targets));
        assert_eq!(invalid.first().map(String::as_str), refused, "{targets}: {invalid:?}");
    }
}

/// The first proposal's own example, and what of it events cannot honour.
#[test]
fn the_first_proposal_loads() {
    let text = "apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TelemetryPolicy
metadata: { name: standard-telemetry, namespace: prod-ns }
spec:
  targetRef: { group: gateway.networking.k8s.io, kind: Gateway, name: my-gateway }
  tracing:
    provider: { type: OTLP, endpoint: 'otel-collector.monitoring.svc:4317' }
    samplingRate: { percent: 5 }
    parentBasedSampling: { enabled: true, samplingRate: { percent: 50 } }
    context: [ W3C, B3 ]
    customAttributes: [ { attributeName: env, literalValue: production } ]
  metrics:
    enabled: true
    provider: { type: Prometheus }
    overrides:
      - { name: request_count, type: Counter, dimensions: [ { key: model_id, fromHeader: x-model-id } ] }
      - { name: latency, type: Histogram }
  accessLogs:
    enable: true
    format: JSON
    matches: [ { path: /api/v1/sensitive }, { cel: response.code >= 500 } ]
    fields: [ start_time, response_code, x-token-usage, mcp.task.name, upstream_cluster ]
";
    let policy = read(text);
    assert!(policy.invalid.is_empty(), "{:?}", policy.invalid);
    assert_eq!(policy.name, "prod-ns/standard-telemetry");
    let unhonoured: Vec<_> = policy.unhonoured.iter().map(|issue| issue.field.as_str()).collect();
    assert_eq!(
        unhonoured,
        [
            "spec.tracing.provider",
            "spec.tracing.context[1]",
            "spec.tracing.customAttributes",
            "spec.metrics.overrides[1]",
            "spec.accessLogs.format",
            "spec.accessLogs.fields[4]",
        ]
    );
    assert!(
        policy.unhonoured.iter().all(|issue| issue.message.starts_with("in:")),
        "{:?}",
        policy.unhonoured
    );
    let spans = policy.tracing.unwrap();
    let sampling = spans.sampling.unwrap();
    assert!(!spans.disabled);
    assert_eq!((sampling.rate, sampling.parent), ((5, 100), Some((50, 100))));
    let events = policy.events.unwrap();
    let rules: Vec<_> = events.rules().map(|rule| rule.field.as_str()).collect();
    assert_eq!(rules, ["spec.accessLogs.matches[0].path", "spec.accessLogs.matches[1].cel"]);
    // What has its own name in data is there already.
    let keys: Vec<_> = events.fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(keys, ["start_time", "response_code", "x-token-usage"]);
    assert_eq!(policy.metrics.unwrap().metrics.len(), 1);
    assert_eq!(policy.targets[0].field, "spec.targetRef");
}

#[test]
fn the_drafts_between_load() {
    let text = "apiVersion: gateway.networking.k8s.io/v1alpha1
kind: TelemetryPolicy
metadata: { name: draft }
spec:
  targetRefs: [ { group: gateway.networking.k8s.io, kind: Gateway, name: g }, { kind: HTTPRoute, name: r } ]
  tracing: { mode: \"Off\", customAttributes: [ { name: env, type: Literal, literalValue: x } ] }
  metrics:
    mode: \"On\"
    overrides:
      - name: example.com/http/request_count
        type: Counter
        attributes:
          - { name: x-model-id, type: Header, headerName: X-Model-Id }
          - { name: task, type: Metadata, metadataKey: my.custom.task }
          - { name: method, type: Reference, attributeRef: http.request.method }
          - { name: env, type: Literal, literalValue: production }
  accessLogs:
    mode: \"Off\"
    matches: 'response.code >= 500'
    fields:
      - { path: [ http, response, status ], type: Reference, attributeRef: http.response.status_code }
      - { name: start_time, type: Standard, standardValue: RequestStartTime }
      - { name: other, type: Standard, standardValue: Nothing }
";
    let policy = read(text);
    assert!(policy.invalid.is_empty(), "{:?}", policy.invalid);
    assert!(policy.tracing.unwrap().disabled);
    let events = policy.events.unwrap();
    assert!(events.disabled);
    let keys: Vec<_> = events.fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(keys, ["http.response.status", "start_time"]);
    let metrics = policy.metrics.unwrap().metrics;
    assert_eq!(metrics[0].dimensions.len(), 4);
    let unhonoured: Vec<_> = policy.unhonoured.iter().map(|issue| issue.field.as_str()).collect();
    assert_eq!(unhonoured, ["spec.tracing.customAttributes", "spec.accessLogs.fields[2].standardValue"]);
    for (wrong, field) in [
        ("tracing: { mode: Perhaps }", "spec.tracing.mode"),
        ("tracing: { samplingRate: { percent: 101 } }", "spec.tracing.samplingRate.percent"),
        ("tracing: { samplingRate: { numerator: 2, denominator: 1 } }", "spec.tracing.samplingRate"),
        ("metrics: { enabled: 1 }", "spec.metrics.enabled"),
        ("metrics: { overrides: [ { type: Counter } ] }", "spec.metrics.overrides[0].name"),
        ("metrics: { overrides: [ { name: 'a b', type: Counter } ] }", "spec.metrics.overrides[0]"),
        ("accessLogs: { matches: 'response.code >=' }", "spec.accessLogs.matches"),
        ("accessLogs: { matches: [ { path: /a, cel: b } ] }", "spec.accessLogs.matches[0]"),
        (
            "accessLogs: { fields: [ { name: capture, type: Literal, literalValue: x } ] }",
            "spec.accessLogs.fields[0]",
        ),
        ("accessLogs: { fields: [ { name: a, type: Header } ] }", "spec.accessLogs.fields[0].headerName"),
        ("logs: {}", "spec.logs"),
    ] {
        let text = format!(
            "apiVersion: agentic.networking.x-k8s.io/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: d }}\n\
             spec:\n  targetRefs: [ {{ kind: Namespace, name: n }} ]\n  {wrong}\n"
        );
        let (invalid, _) = told(&text);
        assert_eq!(invalid.first().map(String::as_str), Some(field), "{wrong}: {invalid:?}");
    }
}

#[test]
fn kuadrants_labels_are_dimensions_of_its_counters() {
    let document = |spec: &str| {
        format!(
            "apiVersion: extensions.kuadrant.io/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: k }}\n\
             spec:\n  targetRef: {{ group: gateway.networking.k8s.io, kind: Gateway, name: g }}\n  {spec}\n"
        )
    };
    let policy = read(&document(
        "metrics: { default: { labels: { user: auth.identity.userid, model: \"request.headers['x-model']\" } } }\n  \
         logging: { default: { fields: { path: request.path } } }",
    ));
    assert!(policy.invalid.is_empty() && policy.unhonoured.is_empty(), "{:?}", policy.invalid);
    let metrics = policy.metrics.unwrap().metrics;
    let names: Vec<_> =
        metrics.iter().map(|metric| (metric.name.as_str(), metric.dimensions.len())).collect();
    assert_eq!(names, [("authorized_calls", 2), ("limited_calls", 2)]);
    assert_eq!(policy.events.unwrap().fields[0].key, "path");
    for (spec, field) in [
        ("metrics: {}", "spec.metrics.default"),
        ("metrics: { default: {} }", "spec.metrics.default.labels"),
        ("metrics: { default: { labels: {} } }", "spec.metrics.default.labels"),
        ("metrics: { default: { labels: { a: 'b >' } } }", "spec.metrics.default.labels.a"),
        ("", "spec"),
    ] {
        assert_eq!(told(&document(spec)).0.first().map(String::as_str), Some(field), "{spec}");
    }
}

#[test]
fn opentelemetrys_policies_are_rules_of_one() {
    let policy = read(
        "policies:
  - { id: a, log: { match: [ { log_attribute: [ tool ], exact: clock }, { log_field: severity_text, exact: info } ], keep: none } }
  - { id: b, log: { match: [ { log_attribute: tool, regex: '^c', negate: true } ], keep: all } }
  - { id: c, enabled: false, log: { match: [ { log_attribute: x, exists: true } ], keep: none } }
  - { id: d, log: { match: [ { log_attribute: x, exists: true } ], keep: 25% } }
  - { id: e, trace: { match: [], keep: { percentage: 10 } } }
  - { id: f, metric: { match: [], keep: false } }
  - { id: g, log: { match: [ { log_field: body, regex: x } ], keep: none } }
  - { id: h, log: { match: [], keep: none } }
",
    );
    assert!(policy.invalid.is_empty(), "{:?}", policy.invalid);
    let events = policy.events.unwrap();
    let rules: Vec<_> = events.rules().map(|rule| rule.field.as_str()).collect();
    assert_eq!(rules, ["policies[1].log", "policies[0].log"]);
    let unhonoured: Vec<_> = policy.unhonoured.iter().map(|issue| issue.field.as_str()).collect();
    let expected = [
        "policies[3].log.keep",
        "policies[4].trace",
        "policies[5].metric",
        "policies[6].log.match[0].log_field",
    ];
    assert_eq!(unhonoured, expected);
    for (wrong, field) in [
        ("log: { match: [ { log_attribute: a } ], keep: none }", "log.match[0]"),
        ("log: { match: [ { log_attribute: a, exact: b, regex: c } ], keep: none }", "log.match[0]"),
        ("log: { match: [ { log_attribute: a, regex: '(' } ], keep: none }", "log"),
        ("log: { match: [ { log_attribute: a, exact: b } ], keep: perhaps }", "log.keep"),
        ("log: { match: [ { log_attribute: a, exists: 1 } ], keep: none }", "log.match[0].exists"),
        ("log: { keep: none }", "log.match"),
        ("log: {}\nmetric: {}", ""),
        ("log: { match: [], keep: all, more: 1 }", "log.more"),
    ] {
        let (invalid, _) = told(&format!("id: x\n{wrong}\n"));
        assert_eq!(invalid.first().map(String::as_str), Some(field), "{wrong}: {invalid:?}");
    }
}

/// Whatever stands in a foreign document, it is read to its end.
#[test]
fn no_document_is_too_odd() {
    let values =
        ["1", "-1", "x", "[]", "{}", "[ 1 ]", "{ a: 1 }", "true", "null", "''", "[ { } ]", "[ [ ] ]"];
    let fields = [
        "targetRefs",
        "targetRef",
        "tracing",
        "metrics",
        "accessLogs",
        "logging",
        "policies",
        "log",
        "metadata",
    ];
    for kind in [
        "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XTelemetryPolicy",
        "apiVersion: gateway.networking.k8s.io/v1\nkind: TelemetryPolicy",
        "apiVersion: extensions.kuadrant.io/v1alpha1\nkind: TelemetryPolicy",
        "id: x\nlog: {}",
    ] {
        for field in fields {
            for value in values {
                let policy = read(&format!("{kind}\nspec: {{ {field}: {value} }}\n"));
                assert!(!policy.invalid.is_empty());
                for inner in [
                    "mode",
                    "overrides",
                    "fields",
                    "matches",
                    "provider",
                    "default",
                    "samplingRate",
                    "attributes",
                ] {
                    let policy = read(&format!("{kind}\nspec: {{ {field}: {{ {inner}: {value} }} }}\n"));
                    assert!(!policy.invalid.is_empty());
                }
            }
        }
    }
}
