//! What policies have sent: metrics that say how many events there were, whatever was sampled away.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sinkwell::config::{Config, Format, Source};
use sinkwell::event::Data;
use sinkwell::json::{self, Value};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

use crate::collector::{Collector, Dir};
use crate::scenarios::{PATIENCE, Ports, await_ready, grpc, sink, to_file};

const POLICY: &str = "
telemetry:
  - apiVersion: sinkwell.dev/v1alpha1
    kind: TelemetryPolicy
    metadata: { name: thin }
    spec:
      targetRefs: [ { kind: Lane, name: collector } ]
      sampling: { rate: { numerator: 1, denominator: 10 }, key: event }
  - apiVersion: sinkwell.dev/v1alpha1
    kind: TelemetryPolicy
    metadata: { name: counts }
    spec:
      targetRefs: [ { kind: Emitter } ]
      metrics:
        provider: { type: OTLP, lane: collector }
        semconv: latest
        overrides:
          - { name: gen_ai.client.inference.usage.output_tokens, mode: Disabled }
          - name: agent.tool.calls
            type: Counter
            dimensions: [ { key: env, value: { literal: test } }, { key: by.tenant, value: { cel: event.tenant } } ]
          - name: by.number
            type: Counter
            value: { cel: 'event.type == \"tool.invocation\"' }
            dimensions: [ { key: n, value: { attribute: n } } ]
          - { name: tool.duration, type: Histogram, unit: ms, value: { attribute: duration_ms }, buckets: [ 10, 100 ] }
";

pub(crate) fn open(endpoint: &str, protocol: &str) -> Emitter {
    let document = format!(
        "agent: {{ id: \"urn:agent:metrics\" }}\nmetrics: {{ every: 200ms }}\nlanes:\n  - id: collector\n    sink: {{ otlp: {{ endpoint: \"{endpoint}\", protocol: {protocol}, compression: gzip }} }}\n    overflow: block\n{POLICY}",
    );
    let source = Source::Text { text: document, name: None, format: Format::Yaml };
    Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap()
}

pub(crate) fn emit(emitter: &Emitter, event_type: &str, data: &str) {
    let mut event = EventInput::new(event_type);
    event.data = Data::Json(data.as_bytes());
    emitter.emit(event).unwrap();
}

/// What a file exporter wrote last of each metric and set of attributes: kind, unit and value, and whether a value ever
/// fell.
#[derive(Debug, Default)]
struct Seen {
    points: BTreeMap<String, (String, String, f64)>,
    fell: bool,
}

pub(crate) fn items(of: &Value, key: &str) -> Vec<Value> {
    of.get(key).map(Value::items).unwrap_or_default().to_vec()
}

pub(crate) fn number(of: &Value, keys: &[&str]) -> Option<f64> {
    let value = keys.iter().find_map(|key| of.get(key))?;
    // 64-bit integers are strings in protobuf's JSON.
    value.as_str().and_then(|text| text.parse().ok()).or(match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        _ => None,
    })
}

fn metrics(path: &Path) -> Seen {
    let mut seen = Seen::default();
    let text = fs::read_to_string(path).unwrap_or_default();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let request = json::parse(line.as_bytes()).unwrap();
        let scopes = items(&request, "resourceMetrics").into_iter().flat_map(|r| items(&r, "scopeMetrics"));
        for metric in scopes.flat_map(|scope| items(&scope, "metrics")) {
            let name = metric.get("name").and_then(Value::as_str).unwrap().to_owned();
            let unit = metric.get("unit").and_then(Value::as_str).unwrap_or_default().to_owned();
            for kind in ["sum", "gauge", "histogram"] {
                let Some(data) = metric.get(kind) else { continue };
                if kind != "gauge" {
                    assert_eq!(number(data, &["aggregationTemporality"]), Some(2.0), "{name} is cumulative");
                }
                for point in items(data, "dataPoints") {
                    let attributes: BTreeMap<String, String> = items(&point, "attributes")
                        .iter()
                        .map(|pair| {
                            let value = pair.get("value").unwrap();
                            let text = value.get("stringValue").and_then(Value::as_str).map(str::to_owned);
                            let text = text.unwrap_or_else(|| value.to_json());
                            (pair.get("key").and_then(Value::as_str).unwrap().to_owned(), text)
                        })
                        .collect();
                    let key = format!("{name}{attributes:?}");
                    let value = number(&point, &["asInt", "asDouble", "count"]).unwrap();
                    if kind == "histogram" {
                        let ends: Vec<_> = items(&point, "explicitBounds");
                        let counts: Vec<_> = items(&point, "bucketCounts");
                        assert_eq!(counts.len(), ends.len() + 1, "{name}");
                        for (i, count) in counts.iter().enumerate() {
                            let count = count.as_str().unwrap().parse().unwrap();
                            seen.points.insert(format!("{key}#{i}"), (kind.to_owned(), unit.clone(), count));
                        }
                    }
                    let before = seen.points.insert(key, (kind.to_owned(), unit.clone(), value));
                    seen.fell |= kind != "gauge" && before.is_some_and(|(_, _, before)| before > value);
                }
            }
        }
    }
    seen
}

/// Waits until the file's last word on `key` is `value`.
fn await_value(path: &Path, key: &str, value: f64) -> Seen {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = metrics(path);
        if seen.points.get(key).is_some_and(|(_, _, known)| *known == value) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{key} is not {value} but {:?}", seen.points.get(key));
        thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn metrics_arrive(binary: &Path) -> String {
    let mut counts = Vec::new();
    for protocol in ["grpc", "http/protobuf"] {
        let (dir, ports) = (Dir::new(), Ports::new());
        let out = dir.path("out.json");
        let with_metrics = to_file(&ports, ("", ""), &out).replace(
            "  pipelines:\n",
            "  pipelines:\n    metrics: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [file] }\n",
        );
        let mut collector = Collector::start(binary, &dir, "collector", &with_metrics);
        await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
        let port = if protocol == "grpc" { ports.grpc } else { ports.http };
        let emitter = open(&format!("http://127.0.0.1:{port}"), protocol);
        let calls = |emitter: &Emitter, from: u32, to: u32| {
            for n in from..to {
                let data = format!(r#"{{"tool":"search","outcome":"ok","duration_ms":{},"n":{n}}}"#, n % 200);
                emit(emitter, "tool.invocation", &data);
            }
        };
        calls(&emitter, 0, 2500);
        emit(
            &emitter,
            "model.usage",
            r#"{"source.family":"model","input_tokens":70,"output_tokens":5,"gen_ai.operation.name":"chat","duration_ms":1500}"#,
        );
        let name_of = |seen: &Seen, name: &str| {
            seen.points
                .keys()
                .filter(|key| key.starts_with(name) && !key.contains('#'))
                .cloned()
                .collect::<Vec<_>>()
        };
        // Away, and what it missed is in the next reading.
        collector.stop();
        calls(&emitter, 2500, 3000);
        collector.restart();
        let seen = {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let seen = metrics(&out);
                let total: f64 =
                    name_of(&seen, "agent.tool.calls").iter().map(|key| seen.points[key].2).sum();
                if total == 3000.0 {
                    break seen;
                }
                assert!(Instant::now() < deadline, "{total}: {}", collector.log());
                thread::sleep(Duration::from_millis(50));
            }
        };
        let keys = name_of(&seen, "agent.tool.calls");
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert!(keys[0].contains(r#""env": "test""#), "the view's dimension: {keys:?}");
        // Beyond 2 000 sets of dimensions.
        await_value(&out, r#"by.number{"otel.metric.overflow": "{\"boolValue\":true}"}"#, 1000.0);
        let seen = await_value(&out, "tool.duration{}#2", 3000.0 / 200.0 * 99.0 + 1.0);
        assert_eq!(seen.points["tool.duration{}"], ("histogram".into(), "ms".into(), 3001.0));
        assert_eq!(seen.points["tool.duration{}#0"].2, 3000.0 / 200.0 * 11.0);
        assert!(
            name_of(&seen, "gen_ai.client.inference.usage.output_tokens").is_empty(),
            "dropped by a view"
        );
        let tokens = name_of(&seen, "gen_ai.client.inference.usage.input_tokens");
        assert_eq!(tokens.len(), 1);
        assert_eq!(seen.points[&tokens[0]].2, 70.0);
        emitter.flush(PATIENCE);
        // What policies kept out of the lane counts in what the emitter says of itself.
        let filtered = emitter.counters()[0].1.filtered;
        assert!(filtered > 2000, "{filtered}");
        let key = r#"sinkwell.lane.filtered{"lane": "collector"}"#;
        let seen = await_value(&out, key, filtered as f64);
        assert!(!seen.fell, "a sum never falls");
        emitter.shutdown(PATIENCE);
        collector.stop();
        counts
            .push(format!("{protocol}: {} points of 3000 calls, {filtered} sampled out", seen.points.len()));
    }
    counts.join("; ")
}

const TRACES: &str = "
telemetry:
  - apiVersion: sinkwell.dev/v1alpha1
    kind: TelemetryPolicy
    metadata: { name: half }
    spec:
      targetRefs: [ { kind: Lane, name: collector } ]
      events: { fields: [ { key: env, value: { literal: test } } ] }
      sampling:
        rate: { numerator: 1, denominator: 2 }
        parentBased: { mode: Enabled, rate: { numerator: 1, denominator: 2 } }
";

/// A trace's id whose low 56 bits are spread over all there are.
fn trace_id(n: u64) -> String {
    format!("{:016x}{:016x}", n + 1, (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Emits the spans of a trace, the innermost first, as SDKs end them.
fn emit_trace(emitter: &Emitter, n: u64, flags: u8) {
    let id = trace_id(n);
    let span = |own: u64, parent: u64, name: &str, said: &str, attributes: &str| {
        let parent =
            if parent == 0 { String::new() } else { format!(r#""parent_span_id":"{parent:016x}","#) };
        let text = format!(
            r#"{{"name":"{name}","trace_id":"{id}","span_id":"{own:016x}",{parent}"flags":{flags},"state":"ot=th:0,vendor=x","start_unix_nano":"1767225600000000000","end_unix_nano":"1767225600250000000",{said}"attributes":{{{attributes}}}}}"#
        );
        sinkwell::bridge::emit_span(emitter, text.as_bytes(), &sinkwell::Wait::Allowed).unwrap();
    };
    span(
        3,
        2,
        "execute_tool search",
        r#""kind":"server","events":[{"name":"cache.miss","time_unix_nano":"1767225600100000000","attributes":{"cache.size":3,"words":"MARKER"}}],"links":[{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}],"#,
        r#""gen_ai.operation.name":"execute_tool","gen_ai.tool.name":"search""#,
    );
    span(
        2,
        1,
        "chat large",
        "",
        r#""gen_ai.operation.name":"chat","gen_ai.request.model":"large","gen_ai.usage.input_tokens":7"#,
    );
    span(
        1,
        0,
        "invoke_agent buyer",
        "",
        r#""gen_ai.operation.name":"invoke_agent","gen_ai.agent.name":"buyer""#,
    );
}

pub(crate) fn traces_arrive(binary: &Path) -> String {
    let mut counts = Vec::new();
    for protocol in ["grpc", "http/protobuf"] {
        let (dir, ports) = (Dir::new(), Ports::new());
        let out = dir.path("out.json");
        // A file for each signal: one exporter of both is closed with the first pipeline that ends, whatever the other
        // still holds.
        let of_spans = dir.path("spans.json");
        let with_traces = to_file(&ports, ("", ""), &out)
            .replace(
                "exporters:\n",
                &format!(
                    "exporters:\n  file/spans: {{ path: \"{}\", flush_interval: 100ms, append: true }}\n",
                    of_spans.display()
                ),
            )
            .replace(
                "  pipelines:\n",
                "  pipelines:\n    traces: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [file/spans] }\n",
            );
        let mut collector = Collector::start(binary, &dir, "collector", &with_traces);
        await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
        let port = if protocol == "grpc" { ports.grpc } else { ports.http };
        let document = format!(
            "agent: {{ id: \"urn:agent:traces\" }}\nlanes:\n  - id: collector\n    sink: {{ otlp: {{ endpoint: \"http://127.0.0.1:{port}\", protocol: {protocol}, signals: [logs, traces] }} }}\n    overflow: block\n    retry: {{ initial: 20ms, cap: 200ms }}\n    breaker: {{ open: 200ms }}\n{TRACES}",
        );
        let source = Source::Text { text: document, name: None, format: Format::Yaml };
        let emitter =
            Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap();
        (0..100).for_each(|n| emit_trace(&emitter, n, 1));
        // One that the SDK did not sample.
        emit_trace(&emitter, 1000, 0);
        // An event of the host's inside a span is no span.
        let mut event = EventInput::new("tool.invocation");
        event.data = Data::Json(br#"{"tool":"own","duration_ms":5}"#);
        let own = trace_id(2000);
        event.trace = Some(sinkwell::event::Trace {
            trace_id: &own,
            span_id: "00000000000000aa",
            flags: 1,
            state: None,
        });
        emitter.emit(event).unwrap();
        emitter.flush(PATIENCE);
        collector.stop();
        (100..200).for_each(|n| emit_trace(&emitter, n, 1));
        collector.restart();
        emitter.flush(PATIENCE);
        emitter.shutdown(PATIENCE);
        collector.stop();

        let mut spans: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let text = fs::read_to_string(&of_spans).unwrap();
        for line in text.lines() {
            let request = json::parse(line.as_bytes()).unwrap();
            let scopes = items(&request, "resourceSpans").into_iter().flat_map(|r| items(&r, "scopeSpans"));
            for span in scopes.flat_map(|scope| items(&scope, "spans")) {
                let trace = span.get("traceId").and_then(Value::as_str).unwrap().to_owned();
                spans.entry(trace).or_default().push(span);
            }
        }
        let expected: Vec<String> = (0..200)
            .map(trace_id)
            .filter(|id| u64::from_str_radix(&id[18..], 16).unwrap() >= 1 << 55)
            .collect();
        let found: Vec<_> = spans.keys().cloned().collect();
        let mut sorted = expected.clone();
        sorted.sort();
        assert_eq!(found, sorted, "whole traces or none, by the trace's own randomness");
        assert!((70..130).contains(&expected.len()), "{}", expected.len());
        for of_trace in spans.values() {
            let member = |span: &Value, key: &str| {
                span.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let mut shown: Vec<_> = of_trace
                .iter()
                .map(|span| {
                    assert_eq!(member(span, "traceState"), "ot=th:8,vendor=x");
                    assert_eq!(member(span, "startTimeUnixNano"), "1767225600000000000");
                    assert_eq!(member(span, "endTimeUnixNano"), "1767225600250000000");
                    let happened: Vec<_> = items(span, "events")
                        .iter()
                        .map(|event| (member(event, "name"), member(event, "timeUnixNano")))
                        .collect();
                    let linked: Vec<_> =
                        items(span, "links").iter().map(|link| member(link, "traceId")).collect();
                    let kind = number(span, &["kind"]).unwrap();
                    let (kinds, lists) = match member(span, "spanId").as_str() {
                        "0000000000000003" => (2.0, 1),
                        "0000000000000002" => (3.0, 0),
                        _ => (1.0, 0),
                    };
                    assert_eq!((kind, happened.len(), linked.len()), (kinds, lists, lists));
                    if lists == 1 {
                        assert_eq!(happened, [("cache.miss".to_owned(), "1767225600100000000".to_owned())]);
                        assert_eq!(linked, ["4bf92f3577b34da6a3ce929d0e0e4736"]);
                    }
                    let attributes = items(span, "attributes");
                    let env =
                        attributes.iter().any(|pair| pair.get("key").and_then(Value::as_str) == Some("env"));
                    (member(span, "spanId"), member(span, "parentSpanId"), member(span, "name"), env)
                })
                .collect();
            shown.sort();
            let id = |n: u64| if n == 0 { String::new() } else { format!("{n:016x}") };
            // No policy shapes a terminal event: the run's and the usage's; the call has the field that was added.
            assert_eq!(
                shown,
                [
                    (id(1), id(0), "invoke_agent buyer".to_owned(), false),
                    (id(2), id(1), "chat large".to_owned(), false),
                    (id(3), id(2), "execute_tool search".to_owned(), true),
                ]
            );
        }
        // Terminal events are records all the same, of every trace.
        let lines = crate::collector::bodies(&out);
        let of = |kind: &str| lines.keys().filter(|line| line.contains(kind)).count();
        assert_eq!((of("\"dev.sinkwell.run.completed\""), of("\"dev.sinkwell.model.usage\"")), (201, 201));
        assert_eq!(
            of("\"dev.sinkwell.tool.invocation\""),
            expected.len() + usize::from(of("\"tool\":\"own\"") == 1)
        );
        counts.push(format!("{protocol}: {} of 200 traces, {} spans", spans.len(), 3 * spans.len()));
    }
    counts.join("; ")
}
