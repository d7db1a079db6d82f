//! Metrics that policies derive.

use super::*;
use crate::Wait;

/// The lines of what policies derive, without those that say what they are.
fn derived(emitter: &Emitter) -> Vec<String> {
    let text = emitter.prometheus();
    let own = |line: &&str| !line.starts_with('#') && !line.starts_with("sinkwell_");
    text.lines().filter(own).map(str::to_owned).collect()
}

fn metrics(overrides: &str) -> String {
    format!("metrics: {{ mode: Enabled, provider: {{ type: Prometheus }}, overrides: [ {overrides} ] }}")
}

const CALLS: &str = "{ name: tool.calls, type: Counter, value: { cel: 'event.type == \"tool.invocation\"' }, dimensions: [ { key: tool, value: { attribute: tool } }, { key: outcome, value: { attribute: outcome } } ] }";

#[test]
fn an_event_counts_once_whatever_is_filtered_or_sampled_and_however_many_lanes_there_are() {
    let documents = [
        policy(
            "counts",
            EMITTER,
            &metrics(&format!(
                "{CALLS}, {{ name: all, type: Counter }}, {{ name: cost.micros, type: Counter, value: {{ attribute: amount_micros }}, dimensions: [ {{ key: currency, value: {{ attribute: currency }} }}, {{ key: from, value: {{ literal: agents }} }} ] }}"
            )),
        ),
        policy("thin", THIN, "sampling: { rate: { numerator: 1, denominator: 1000 }, key: event }"),
        policy("none", "{ kind: Lane, name: other }", "events: { mode: Disabled }"),
    ];
    let rig = Rig::new(&format!("telemetry:\n{}", documents.concat()));
    for n in 0..300 {
        let outcome = if n % 3 == 0 { "error" } else { "ok" };
        rig.emit("tool.invocation", &format!(r#"{{"outcome":"{outcome}","tool":"search"}}"#));
    }
    rig.emit("tool.invocation", r#"{"tool":"clock"}"#);
    rig.emit("com.x", r#"{"tool":"no \"tool\""}"#);
    // A terminal event counts as any other does.
    rig.emit("cost.estimated", r#"{"amount_micros":2500,"currency":"EUR","rate_table_version":"1"}"#);
    rig.emit("cost.estimated", r#"{"amount_micros":1,"currency":"EUR","rate_table_version":"1"}"#);
    let expected = [
        "all_total 304",
        r#"cost_micros_total{currency="EUR",from="agents"} 2501"#,
        r#"tool_calls_total{outcome="error",tool="search"} 100"#,
        r#"tool_calls_total{outcome="ok",tool="search"} 200"#,
        r#"tool_calls_total{tool="clock"} 1"#,
    ];
    assert_eq!(derived(&rig.emitter), expected);
    // Delivering adds nothing.
    let text = rig.emitter.prometheus();
    assert!(text.contains("# HELP tool_calls_total tool.calls\n# TYPE tool_calls_total counter\n"), "{text}");
    rig.emitter.flush(Duration::from_secs(5));
    assert_eq!(derived(&rig.emitter), expected);
}

#[test]
fn a_histogram_says_how_values_are_distributed() {
    let histogram = "{ name: tokens, type: Histogram, unit: '{token}', description: Tokens of a call, value: { attribute: n }, buckets: [ 1, 10, 100.5 ], dimensions: [ { key: model, value: { attribute: gen_ai.request.model } } ] }";
    let rig = Rig::new(&format!("telemetry:\n{}", policy("p", EMITTER, &metrics(histogram))));
    for n in ["0", "1", "2", "10", "100.5", "100.75", "1000000"] {
        rig.emit("com.x", &format!(r#"{{"gen_ai":{{"request":{{"model":"a\\b\"c\nd"}}}},"n":{n}}}"#));
    }
    rig.emit("com.x", r#"{"n":"seven"}"#);
    rig.emit("com.x", "{}");
    let model = r#"model="a\\b\"c\nd""#;
    assert_eq!(
        derived(&rig.emitter),
        [
            format!("tokens_bucket{{{model},le=\"1\"}} 2"),
            format!("tokens_bucket{{{model},le=\"10\"}} 4"),
            format!("tokens_bucket{{{model},le=\"100.5\"}} 5"),
            format!("tokens_bucket{{{model},le=\"+Inf\"}} 7"),
            format!("tokens_sum{{{model}}} 1000214.25"),
            format!("tokens_count{{{model}}} 7"),
        ]
    );
    let text = rig.emitter.prometheus();
    assert!(text.contains("# HELP tokens Tokens of a call ({token})\n# TYPE tokens histogram\n"), "{text}");
}

#[test]
fn a_dimension_shows_nothing_that_redaction_hides() {
    let all = "{ name: by.mail, type: Counter, dimensions: [ { key: mail, value: { attribute: mail } } ] }, { name: by.subject, type: Counter, dimensions: [ { key: subject, value: { cel: event.subject } } ] }";
    let redaction =
        "governance: { content: { redaction: { id: r, detectors: [email], paths: [ '$.mail' ] } } }\n";
    let rig = Rig::new(&format!("{redaction}telemetry:\n{}", policy("p", EMITTER, &metrics(all))));
    for (mail, subject) in
        [("jane@example.com", "to jane@example.com"), ("joe@example.com", "to joe@example.com"), ("x", "y")]
    {
        for _ in 0..3 {
            let mut input = EventInput::new("com.x");
            let data = format!(r#"{{"mail":"{mail}"}}"#);
            input.data = Data::Json(data.as_bytes());
            input.subject = Some(subject);
            rig.emitter.emit(input).unwrap();
        }
    }
    let text = rig.emitter.prometheus();
    assert!(!text.contains("jane") && !text.contains("joe") && !text.contains("\"x\""), "{text}");
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let lines = derived(&rig.emitter);
    let of =
        |name: &str| lines.iter().filter(|line| line.starts_with(name)).map(|line| count(line)).sum::<u64>();
    assert_eq!((of("by_mail_total"), of("by_subject_total")), (9, 9), "{lines:?}");
    assert!(lines.contains(&r#"by_subject_total{subject="y"} 3"#.to_owned()), "{lines:?}");
}

#[test]
fn sets_of_dimensions_are_limited_and_so_is_each() {
    let by = "{ name: by, type: Counter, dimensions: [ { key: n, value: { attribute: n } }, { key: long, value: { attribute: long } } ] }";
    let rig = Rig::new(&format!("telemetry:\n{}", policy("p", EMITTER, &metrics(by))));
    let long = "é".repeat(1000);
    for n in 0..2010 {
        rig.emit("com.x", &format!(r#"{{"long":"x{long}","n":{n}}}"#));
    }
    rig.emit("com.x", &format!(r#"{{"long":"x{long}","n":7}}"#));
    let lines = derived(&rig.emitter);
    assert_eq!(lines.len(), 2001);
    assert!(lines.contains(&r#"by_total{otel_metric_overflow="true"} 10"#.to_owned()));
    // Cut at a whole character: 1 + 2 * 127 of 256 bytes.
    assert!(lines.contains(&format!("by_total{{long=\"x{}\",n=\"7\"}} 2", "é".repeat(127))), "{}", lines[8]);
}

#[test]
fn the_most_specific_policy_counts_and_a_lane_has_none() {
    let count = |by: &str| {
        metrics(&format!(
            "{{ name: calls, type: Counter, dimensions: [ {{ key: by, value: {{ literal: {by} }} }} ] }}"
        ))
    };
    let documents = [
        policy("lane", THIN, &count("lane")),
        policy("agent", "{ kind: Agent, name: a2 }", &count("agent")),
        policy("tenant", "{ kind: Tenant, name: away }", "metrics: { mode: Disabled, overrides: [] }"),
        policy("emitter", EMITTER, &count("emitter")),
    ];
    let rig = Rig::new(&format!("telemetry:\n{}", documents.concat()));
    for (agent, tenant) in
        [(None, None), (Some("a2"), None), (Some("a2"), Some("away")), (None, Some("away"))]
    {
        let mut input = EventInput::new("com.x");
        (input.agent, input.tenant) = (agent, tenant);
        rig.emitter.emit(input).unwrap();
    }
    assert_eq!(derived(&rig.emitter), [r#"calls_total{by="agent"} 2"#, r#"calls_total{by="emitter"} 1"#]);
    assert_eq!(
        rig.conditions(),
        [
            "agent Agent/a2: Accepted=True Accepted",
            "agent Agent/a2: Programmed=True Programmed",
            "emitter Emitter/: Accepted=True Accepted",
            "emitter Emitter/: Programmed=True Programmed",
            "lane Lane/thin: Accepted=True Accepted",
            "lane Lane/thin: Programmed=True PartiallyProgrammed",
            "tenant Tenant/away: Accepted=True Accepted",
            "tenant Tenant/away: Programmed=True Programmed",
        ]
    );
}

#[test]
fn reading_policies_anew_sets_nothing_back() {
    let dir = TempDir::new();
    let path = dir.path().join("policies.yaml");
    let write = |overrides: &str| {
        let document = policy("p", EMITTER, &metrics(overrides));
        std::fs::write(&path, document.trim_start().trim_start_matches("- ")).unwrap();
    };
    write("{ name: calls, type: Counter }, { name: gone, type: Counter }");
    let rig = Rig::new(&format!("telemetry: [ {} ]\n", path.display()));
    rig.emit("com.x", r#"{"n":1}"#);
    write(
        "{ name: calls, type: Counter }, { name: sizes, type: Histogram, value: { attribute: n }, buckets: [ 1 ] }",
    );
    rig.emitter.reload_policies().unwrap();
    rig.emit("com.x", r#"{"n":1}"#);
    let sizes = [r#"sizes_bucket{le="1"} 1"#, r#"sizes_bucket{le="+Inf"} 1"#, "sizes_sum 1", "sizes_count 1"];
    assert_eq!(derived(&rig.emitter), [&["calls_total 2"], &sizes[..]].concat());
    // A document that turned bad: the last good one goes on counting.
    std::fs::write(&path, "spec: [").unwrap();
    rig.emitter.reload_policies().unwrap();
    rig.emit("com.x", "{}");
    assert_eq!(derived(&rig.emitter), [&["calls_total 3"], &sizes[..]].concat());
    // Another kind of instrument is another instrument.
    write("{ name: calls, type: Histogram, value: { literal: 2 }, buckets: [ 1 ] }");
    rig.emitter.reload_policies().unwrap();
    assert_eq!(derived(&rig.emitter), [""; 0]);
    rig.emit("com.x", "{}");
    assert_eq!(
        derived(&rig.emitter),
        [r#"calls_bucket{le="1"} 0"#, r#"calls_bucket{le="+Inf"} 1"#, "calls_sum 2", "calls_count 1"]
    );
}

#[test]
fn metrics_alone_are_no_business_of_lanes_and_need_none_that_may_be_shaped() {
    let dir = TempDir::new();
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\nlanes:\n  - {{ id: whole, classes: [audit], sink: {{ file: {{ path: {}/whole }} }} }}\ntelemetry:\n{}",
        dir.path().display(),
        policy("p", EMITTER, &metrics("{ name: all, type: Counter }"))
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let rig = Rig { dir, emitter: Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap() };
    rig.emit("com.x", "{}");
    assert_eq!(derived(&rig.emitter), ["all_total 1"]);
    assert_eq!(
        rig.conditions(),
        ["p Emitter/: Accepted=True Accepted", "p Emitter/: Programmed=True Programmed"]
    );
}

#[test]
fn what_metrics_may_not_say_is_refused_with_its_field() {
    let cases = [
        ("{ type: Counter }", "overrides[0].name"),
        ("{ name: a }", "overrides[0].type"),
        ("{ name: a, type: Gauge }", "overrides[0].type"),
        ("{ name: 1a, type: Counter }", "overrides[0].name"),
        ("{ name: sinkwell.lane.admitted, type: Counter }", "overrides[0].name"),
        ("{ name: a.b, type: Counter }, { name: a_b, type: Counter }", "overrides[1].name"),
        ("{ name: a, type: Counter, value: { literal: x } }", "overrides[0].value"),
        ("{ name: a, type: Histogram }", "overrides[0].value"),
        ("{ name: a, type: Counter, buckets: [ 1 ] }", "overrides[0].buckets"),
        ("{ name: a, type: Histogram, value: { attribute: n }, buckets: [ 2, 1 ] }", "overrides[0].buckets"),
        ("{ name: a, type: Histogram, value: { attribute: n }, buckets: [] }", "overrides[0].buckets"),
        (
            "{ name: a, type: Counter, dimensions: [ { key: le, value: { literal: x } } ] }",
            "overrides[0].dimensions[0].key",
        ),
        (
            "{ name: a, type: Counter, dimensions: [ { key: b.c, value: { literal: x } }, { key: b_c, value: { literal: x } } ] }",
            "overrides[0].dimensions[1].key",
        ),
        ("{ name: a, type: Counter, value: { cel: '1 +' } }", "overrides[0].value.cel"),
    ];
    for (overrides, field) in cases {
        let rig = Rig::new(&format!("telemetry:\n{}", policy("p", EMITTER, &metrics(overrides))));
        let status = String::from_utf8(rig.emitter.policy_status()).unwrap();
        assert!(status.contains(&format!("\"field\":\"spec.metrics.{field}\"")), "{overrides}: {status}");
        rig.emit("com.x", "{}");
        assert_eq!(derived(&rig.emitter), [""; 0], "inert");
    }
    let reported = [
        ("metrics: { provider: { type: OTLP, lane: nowhere }, overrides: [] }", "spec.metrics.provider.lane"),
        ("metrics: { provider: { lane: thin }, semconv: latest }", "spec.metrics.provider.lane"),
        ("metrics: { mode: Enabled }", "spec.metrics"),
    ];
    for (spec, field) in reported {
        let rig = Rig::new(&format!("telemetry:\n{}", policy("p", EMITTER, spec)));
        let status = String::from_utf8(rig.emitter.policy_status()).unwrap();
        assert!(status.contains(&format!("\"field\":\"{field}\"")), "{status}");
        assert_eq!(rig.conditions()[1], "p Emitter/: Programmed=True PartiallyProgrammed");
    }
}

#[test]
fn an_event_that_enters_no_lane_counts_nowhere() {
    let dir = TempDir::new();
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\nlanes:\n  - {{ id: tight, overflow: block, queue: {{ events: 3, terminal_reserve: 1 }}, sink: {{ file: {{ path: {}/tight }} }} }}\ntelemetry:\n{}",
        dir.path().display(),
        policy("p", EMITTER, &metrics("{ name: all, type: Counter }"))
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap();
    let taken = (0..10).filter(|_| emitter.emit_with(EventInput::new("com.x"), Wait::Never).is_ok()).count();
    assert!((1..10).contains(&taken));
    assert_eq!(derived(&emitter), [format!("all_total {taken}")]);
}

#[test]
fn keys_that_are_one_to_prometheus_make_one_series_there() {
    let count = |key: &str| {
        metrics(&format!(
            "{{ name: calls, type: Counter, dimensions: [ {{ key: {key}, value: {{ literal: x }} }} ] }}"
        ))
    };
    let documents =
        [policy("one", "{ kind: Agent, name: a2 }", &count("a.b")), policy("other", EMITTER, &count("a_b"))];
    let rig = Rig::new(&format!("telemetry:\n{}", documents.concat()));
    for agent in [None, Some("a2")] {
        rig.emitter.emit(EventInput { agent, ..EventInput::new("com.x") }).unwrap();
    }
    assert_eq!(derived(&rig.emitter), [r#"calls_total{a_b="x"} 2"#]);
}

#[test]
fn threads_that_emit_at_once_lose_no_count() {
    const EACH: usize = 500;
    let rig = Rig::new(&format!("telemetry:\n{}", policy("p", EMITTER, &metrics(CALLS))));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..EACH {
                    rig.emit("tool.invocation", &format!(r#"{{"tool":"t{}"}}"#, n % 5));
                }
            });
        }
    });
    let each = 4 * EACH / 5;
    let expected: Vec<_> = (0..5).map(|n| format!("tool_calls_total{{tool=\"t{n}\"}} {each}")).collect();
    assert_eq!(derived(&rig.emitter), expected);
}

fn conventions(rest: &str) -> String {
    format!("telemetry:\n{}", super::policy("m", "{ kind: Emitter }", &format!("metrics: {{ {rest} }}")))
}

#[test]
fn the_conventions_instruments_are_derived_by_name_of_version() {
    let rig = Rig::new(&conventions("semconv: latest"));
    let usage = r#"{"source.family":"model","provider":"openai","model":"gpt","input_tokens":70,"output_tokens":5,"duration_ms":1500}"#;
    rig.emit("model.usage", usage);
    // What sums up others counts no token twice.
    rig.emit("model.usage", r#"{"source.family":"run","input_tokens":70,"output_tokens":5}"#);
    rig.emit(
        "tool.invocation",
        r#"{"tool":"search","outcome":"ok","mcp.method.name":"tools/call","duration_ms":40}"#,
    );
    rig.emit("policy.decision", r#"{"decision":"deny","rule":"r"}"#);
    let all = derived(&rig.emitter);
    let model = r#"gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt""#;
    let unknown = r#"gen_ai_token_modality="unknown""#;
    for line in [
        format!("gen_ai_client_inference_usage_input_tokens_total{{{model},{unknown}}} 70"),
        format!("gen_ai_client_inference_usage_output_tokens_total{{{model},{unknown}}} 5"),
        format!("gen_ai_client_inference_operation_output_tokens_count{{{model}}} 1"),
        format!("gen_ai_client_inference_operation_input_tokens_bucket{{{model},le=\"64\"}} 0"),
        format!("gen_ai_client_inference_operation_input_tokens_bucket{{{model},le=\"256\"}} 1"),
        format!("gen_ai_client_inference_duration_sum{{{model}}} 1.5"),
        format!("gen_ai_client_inference_duration_bucket{{{model},le=\"1.28\"}} 0"),
        r#"mcp_client_operation_duration_sum{gen_ai_tool_name="search",mcp_method_name="tools/call"} 0.04"#
            .into(),
        r#"gen_ai_execute_tool_duration_sum{gen_ai_tool_name="search"} 0.04"#.into(),
        r#"agent_tool_calls_total{gen_ai_tool_name="search",outcome="ok"} 1"#.into(),
        r#"agent_decisions_total{decision="deny",rule="r"} 1"#.into(),
    ] {
        assert!(all.contains(&line), "{line}\n{}", all.join("\n"));
    }
    assert!(!all.iter().any(|line| line.contains("token_usage")));
    assert_eq!(rig.conditions()[1], "m Emitter/: Programmed=True Programmed");

    // The names before that: tokens without their modality, calls of any kind in one instrument.
    let rig = Rig::new(&conventions("semconv: genai"));
    rig.emit("model.usage", usage);
    let all = derived(&rig.emitter);
    for line in [
        format!("gen_ai_client_inference_usage_input_tokens_total{{{model}}} 70"),
        format!("gen_ai_client_operation_duration_sum{{{model}}} 1.5"),
    ] {
        assert!(all.contains(&line), "{line}\n{}", all.join("\n"));
    }

    // Before that: both kinds of token in one instrument.
    let rig = Rig::new(&conventions("semconv: 1.40.0"));
    rig.emit("model.usage", usage);
    let all = derived(&rig.emitter);
    for (kind, sum) in [("input", 70), ("output", 5)] {
        let line = format!("gen_ai_client_token_usage_sum{{{model},gen_ai_token_type=\"{kind}\"}} {sum}");
        assert!(all.contains(&line), "{line}\n{}", all.join("\n"));
    }
    let rig = Rig::new(&conventions("semconv: '0.9'"));
    assert_eq!(rig.conditions(), ["m Emitter/: Accepted=False Invalid"]);
}

#[test]
fn an_override_is_a_view_of_a_conventions_instrument() {
    let rig = Rig::new(&conventions(
        "semconv: latest, overrides: [ { name: agent.decisions, mode: Disabled }, \
         { name: agent.tool.calls, dimensions: [ { key: tenant, value: { cel: event.tenant } }, { key: outcome, value: { literal: any } } ] }, \
         { name: gen_ai.client.inference.duration, buckets: [ 1, 2 ] }, \
         { name: gen_ai.client.inference.usage.output_tokens, value: { literal: 2 } } ]",
    ));
    rig.emit("tool.invocation", r#"{"tool":"search","outcome":"error"}"#);
    rig.emit("policy.decision", r#"{"decision":"deny"}"#);
    rig.emit("model.usage", r#"{"source.family":"model","duration_ms":1500}"#);
    let all = derived(&rig.emitter);
    let call = r#"agent_tool_calls_total{gen_ai_tool_name="search",outcome="any",tenant="acme"} 1"#;
    assert!(all.iter().any(|line| line == call), "{}", all.join("\n"));
    assert!(!all.iter().any(|line| line.starts_with("agent_decisions")));
    let durations: Vec<_> =
        all.iter().filter(|line| line.starts_with("gen_ai_client_inference_duration_bucket")).collect();
    assert_eq!(durations.len(), 3, "{durations:?}");
    // What the conventions add in parts is added once where it has a value of its own.
    let output: Vec<_> = all
        .iter()
        .filter(|line| line.contains("output_tokens_total{") || line.contains("output_tokens_total "))
        .collect();
    assert!(output.len() == 1 && output[0].ends_with("} 6"), "{output:?}");
}

/// The conventions of generative AI, "Inference token metrics": each counter by modality, where what no provider broke down
/// is of an unknown one; its subsets beside it; 0 of a call that failed without usage.
#[test]
fn tokens_are_counted_by_their_modality() {
    let rig = Rig::new(&conventions("semconv: genai-0.1.0"));
    let emit = |usage: &str| rig.emit("model.usage", &format!(r#"{{"source.family":"model",{usage}}}"#));
    emit(
        r#""input_tokens":100,"gen_ai.usage.text.input_tokens":60,"gen_ai.usage.image.input_tokens":30,"cached_tokens":20,"gen_ai.usage.text.cache_read.input_tokens":20,"gen_ai.usage.cache_write.input_tokens":7"#,
    );
    emit(r#""input_tokens":11,"output_tokens":9,"reasoning_tokens":4,"gen_ai.usage.audio.output_tokens":9"#);
    emit(r#""gen_ai.usage.cache_creation.input_tokens":2,"gen_ai.response.time_to_first_chunk":0.03"#);
    emit(r#""error.type":"timeout""#);
    let all = derived(&rig.emitter);
    let counted: Vec<_> = all
        .iter()
        .filter_map(|line| line.strip_prefix("gen_ai_client_inference_usage_"))
        .map(|line| line.replace(r#"gen_ai_operation_name="chat",gen_ai_token_modality="#, ""))
        .collect();
    assert_eq!(
        counted,
        [
            r#"cache_read_input_tokens_total{"text"} 20"#,
            r#"cache_read_input_tokens_total{"unknown"} 0"#,
            r#"cache_write_input_tokens_total{"unknown"} 9"#,
            r#"input_tokens_total{"image"} 30"#,
            r#"input_tokens_total{"text"} 60"#,
            r#"input_tokens_total{"unknown"} 21"#,
            r#"output_tokens_total{"audio"} 9"#,
            r#"output_tokens_total{"unknown"} 0"#,
            r#"reasoning_output_tokens_total{"unknown"} 4"#,
        ],
        "{}",
        all.join("\n")
    );
    for line in [
        r#"gen_ai_client_inference_operation_input_tokens_count{error_type="timeout",gen_ai_operation_name="chat"} 1"#,
        r#"gen_ai_client_inference_operation_input_tokens_sum{error_type="timeout",gen_ai_operation_name="chat"} 0"#,
        r#"gen_ai_client_inference_operation_input_tokens_sum{gen_ai_operation_name="chat"} 111"#,
        r#"gen_ai_client_inference_time_to_first_chunk_bucket{gen_ai_operation_name="chat",le="0.04"} 1"#,
        r#"gen_ai_client_inference_time_to_first_chunk_bucket{gen_ai_operation_name="chat",le="0.02"} 0"#,
    ] {
        assert!(all.iter().any(|known| known == line), "{line}\n{}", all.join("\n"));
    }
}

#[test]
fn a_run_is_an_agents_or_a_workflows_and_an_mcp_call_is_of_what_it_is_of() {
    let rig = Rig::new(&conventions("semconv: latest"));
    rig.emit(
        "run.completed",
        r#"{"terminal_status":"completed","duration_ms":1500,"gen_ai.agent.name":"buyer"}"#,
    );
    rig.emit("run.failed", r#"{"terminal_status":"failed","duration_ms":500,"error.type":"x"}"#);
    rig.emit(
        "run.completed",
        r#"{"terminal_status":"completed","duration_ms":70000,"gen_ai.operation.name":"invoke_workflow","gen_ai.workflow.name":"crew"}"#,
    );
    let mcp = r#"{"tool":"greeting","duration_ms":40,"mcp.method.name":"prompts/get","gen_ai.prompt.name":"greeting","network.transport":"pipe"}"#;
    rig.emit("tool.invocation", mcp);
    let all = derived(&rig.emitter);
    let sums: Vec<_> = all.iter().filter(|line| line.contains("_sum{")).collect();
    assert_eq!(
        sums,
        [
            r#"gen_ai_invoke_agent_duration_sum{error_type="x"} 0.5"#,
            r#"gen_ai_invoke_agent_duration_sum{gen_ai_agent_name="buyer"} 1.5"#,
            r#"gen_ai_workflow_duration_sum{gen_ai_workflow_name="crew"} 70"#,
            r#"mcp_client_operation_duration_sum{gen_ai_prompt_name="greeting",mcp_method_name="prompts/get",network_transport="pipe"} 0.04"#,
        ],
        "{}",
        all.join("\n")
    );
}

/// What servers say of the calls that they answered is told apart from what their clients say.
#[test]
fn servers_have_instruments_of_their_own() {
    for version in ["latest", "genai", "1.40.0"] {
        let rig = Rig::new(&conventions(&format!("semconv: {version}")));
        let usage = r#""source.family":"model","output_tokens":11,"gen_ai.response.time_to_first_chunk":0.5"#;
        rig.emit("model.usage", &format!(r#"{{{usage},"duration_ms":1500,"span_kind":"server"}}"#));
        rig.emit(
            "model.usage",
            &format!(r#"{{{usage},"duration_ms":1500,"span_kind":"server","error.type":"x"}}"#),
        );
        rig.emit("model.usage", &format!(r#"{{{usage},"span_kind":"client","duration_ms":7000}}"#));
        for (kind, millis) in [("server", 40), ("client", 50)] {
            let call = r#""tool":"search","mcp.method.name":"tools/call","gen_ai.tool.name":"search""#;
            rig.emit(
                "tool.invocation",
                &format!(r#"{{{call},"duration_ms":{millis},"span_kind":"{kind}"}}"#),
            );
            // Its housekeeping is no invocation of a tool, and takes time all the same.
            let list = r#""name":"tools/list","mcp.method.name":"tools/list""#;
            rig.emit("span", &format!(r#"{{{list},"duration_ms":{millis},"span_kind":"{kind}"}}"#));
        }
        let all = derived(&rig.emitter);
        let sums: Vec<_> = all
            .iter()
            .filter(|line| {
                line.contains("_sum{")
                    && (line.contains("server_")
                        || line.contains("mcp_client")
                        || line.contains("client_inference_duration")
                        || line.contains("client_operation_duration"))
            })
            .map(|line| line.replace(r#"gen_ai_operation_name="chat""#, "").replace(",}", "}"))
            .collect();
        let client = if version == "latest" {
            "gen_ai_client_inference_duration"
        } else {
            "gen_ai_client_operation_duration"
        };
        assert_eq!(
            sums,
            [
                &format!("{client}_sum{{}} 7"),
                r#"gen_ai_server_request_duration_sum{error_type="x"} 1.5"#,
                "gen_ai_server_request_duration_sum{} 1.5",
                "gen_ai_server_time_per_output_token_sum{} 0.1",
                "gen_ai_server_time_to_first_token_sum{} 0.5",
                r#"mcp_client_operation_duration_sum{gen_ai_tool_name="search",mcp_method_name="tools/call"} 0.05"#,
                r#"mcp_client_operation_duration_sum{mcp_method_name="tools/list"} 0.05"#,
                r#"mcp_server_operation_duration_sum{gen_ai_tool_name="search",mcp_method_name="tools/call"} 0.04"#,
                r#"mcp_server_operation_duration_sum{mcp_method_name="tools/list"} 0.04"#,
            ],
            "{version}: {}",
            all.join("\n")
        );
    }
}

/// A host's own histograms get every value once, in its bucket, each reader for itself.
#[test]
fn readers_of_histograms_are_given_each_value_once() {
    let rig = Rig::new(&conventions(
        "overrides: [ { name: took, type: Histogram, unit: ms, value: { attribute: n }, buckets: [ 1, 10 ], \
         dimensions: [ { key: of, value: { attribute: of } } ] }, { name: count, type: Counter } ]",
    ));
    let emit = |of: &str, values: &[f64]| {
        for n in values {
            rig.emit("com.x", &format!(r#"{{"of":"{of}","n":{n}}}"#));
        }
    };
    emit("a", &[0.5, 1.0]);
    let (one, told) = rig.emitter.recordings(0);
    assert_eq!((told.len(), told[0].name.as_str(), &*told[0].unit), (1, "took", "ms"), "no counter");
    assert_eq!(
        (&*told[0].ends, told[0].points.len()),
        (&[1.0, 10.0][..], 0),
        "its histogram is not there yet"
    );
    let read = |reader: u32| {
        let (number, told) = rig.emitter.recordings(reader);
        assert_eq!(number, reader);
        let points = told[0].points.iter();
        points.map(|point| (point.attributes[0].1.clone(), point.values.clone())).collect::<Vec<_>>()
    };
    let of = |of: &str, values: &[(f64, u64)]| (of.to_owned(), values.to_vec());
    assert_eq!(read(one), [of("a", &[(0.75, 2)])]);
    assert_eq!(read(one), []);
    emit("a", &[2.0, 4.0, 99.0]);
    emit("b", &[10.0]);
    let (other, _) = rig.emitter.recordings(0);
    assert_ne!(one, other);
    assert_eq!(read(one), [of("a", &[(3.0, 2), (99.0, 1)]), of("b", &[(10.0, 1)])]);
    assert_eq!(read(other), [of("a", &[(0.75, 2), (3.0, 2), (99.0, 1)]), of("b", &[(10.0, 1)])]);
    // Whoever has not asked for the longest is forgotten.
    for _ in 0..15 {
        rig.emitter.recordings(0);
    }
    emit("b", &[20.0]);
    assert_eq!(read(other), [of("b", &[(20.0, 1)])]);
    assert_ne!(rig.emitter.recordings(one).0, one);
    let json = crate::host::recordings_json(&rig.emitter, other);
    assert!(parse(&json).is_ok_and(|all| all.get("recordings").is_some_and(|all| all.items().len() == 1)));
}
