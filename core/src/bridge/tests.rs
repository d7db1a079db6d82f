use std::time::Duration;

use super::Door as _;
use super::names::SpanNames;
use super::{emit_span, events_of_span};
use crate::config::{Config, Source};
use crate::emitter::{Emitter, Options, Wait};
use crate::json::Value;
use crate::seam::SystemEnv;

#[test]
fn the_data_file_has_every_name() {
    let names = SpanNames::get();
    for name in [
        &names.operation,
        &names.tool,
        &names.prompt,
        &names.run,
        &names.conversation,
        &names.method,
        &names.error,
        &names.exception,
        &names.input_messages,
        &names.output_messages,
        &names.system_instructions,
        &names.tool_arguments,
        &names.tool_result,
        &names.sandbox,
        &names.sandbox_kind,
        &names.sandbox_resource,
        &names.saga,
        &names.saga_step,
        &names.saga_span,
    ] {
        assert!(!name.is_empty(), "{names:?}");
    }
    for set in [
        &names.agent_operations,
        &names.tool_operations,
        &names.model_operations,
        &names.kept,
        &names.cancelled,
        &names.timed_out,
    ] {
        assert!(!set.is_empty() && !set.contains(""), "{set:?}");
    }
    assert!(!names.aliases.is_empty() && !names.dialects.is_empty());
    for content in [
        &names.input_messages,
        &names.output_messages,
        &names.system_instructions,
        &names.tool_arguments,
        &names.tool_result,
    ] {
        assert!(!names.kept.contains(content), "{content} is content");
    }
}

/// Numbers and truth values are kept of what has no name that the conventions give to words.
#[test]
fn a_result_that_is_a_number_is_content_by_whatever_name() {
    for (operation, name) in [
        ("execute_tool", "gen_ai.tool.call.result"),
        ("execute_tool", "ai.toolCall.result"),
        ("execute_tool", "output.value"),
        ("chat", "output.value"),
        ("chat", "gen_ai.completion.0.content"),
        ("other", "traceloop.entity.output"),
    ] {
        let span = format!(
            r#"{{"name":"n","start_unix_nano":"1","end_unix_nano":"2","attributes":
            {{"gen_ai.operation.name":"{operation}","{name}":471100,"app.cache.hit":true}}}}"#
        );
        for event in events_of_span(span.as_bytes()).unwrap() {
            let data = event.get("data").map(Value::to_json).unwrap_or_default();
            assert!(data.contains("app.cache.hit") && !data.contains("471100"), "{name}: {data}");
        }
    }
}

fn emitter() -> Emitter {
    let document =
        r#"{"agent":{"id":"a"},"limits":{"envelope":"4KiB"},"lanes":[{"id":"m","sink":"memory"}]}"#;
    let config = Config::load(Source::Mapping(document.into()), &SystemEnv::default()).unwrap();
    Emitter::open(Options::new(config)).unwrap()
}

#[test]
fn content_that_is_too_large_does_not_keep_the_event_back() {
    let emitter = emitter();
    let words = "word ".repeat(2_000);
    let span = format!(
        r#"{{"name":"chat m","end_unix_nano":"1","attributes":{{"gen_ai.operation.name":"chat",
            "gen_ai.usage.input_tokens":3,"gen_ai.input.messages":"{words}"}}}}"#
    );
    assert_eq!(emit_span(&emitter, span.as_bytes(), &Wait::Allowed).unwrap(), 1);
    emitter.shutdown(Duration::from_secs(10));
    assert_eq!(emitter.counters()[0].1.fields().iter().find(|(name, _)| *name == "delivered").unwrap().1, 1);
    let mut event = events_of_span(span.as_bytes()).unwrap().remove(0);
    assert!(super::event::leave_content(&mut event));
    assert!(!super::event::leave_content(&mut event));
    let data = event.get("data").unwrap();
    assert_eq!(data.get("content_left_out"), Some(&Value::Int(1)));
    assert_eq!(data.get("input_tokens"), Some(&Value::Int(3)));
}

#[test]
fn cancellations_and_timeouts_of_the_jvm_are_known_by_their_names() {
    for (kind, outcome) in [
        ("java.util.concurrent.CancellationException", "cancelled"),
        ("kotlinx.coroutines.JobCancellationException", "cancelled"),
        ("java.lang.InterruptedException", "cancelled"),
        ("java.net.SocketTimeoutException", "timeout"),
        ("java.net.http.HttpTimeoutException", "timeout"),
        ("java.net.http.HttpConnectTimeoutException", "timeout"),
        ("kotlinx.coroutines.TimeoutCancellationException", "timeout"),
        ("java.net.SocketException", "error"),
    ] {
        assert_eq!(super::outcome_of_error(kind), outcome, "{kind}");
    }
}

#[test]
fn whatever_a_span_says_its_events_are_admitted() {
    let emitter = emitter();
    let attributes = [
        r#""error.type":7"#,
        r#""error.type":["a"]"#,
        r#""gen_ai.tool.name":["x"]"#,
        r#""gen_ai.tool.name":"""#,
        r#""gen_ai.usage.input_tokens":-1,"gen_ai.usage.output_tokens":"3""#,
        r#""gen_ai.usage.output_tokens":2.5"#,
        r#""content":"x","capture":1,"disclosures":[1],"provenance":3,"authz":true"#,
        r#""tool":4,"outcome":9,"duration_ms":"x","name":2,"status":3,"kind":true"#,
        r#""gen_ai.input.messages":"[{\"role\":\"a b\",\"parts\":[7,null,{\"type\":\"blob\",\"content\":\"?\"}]}]""#,
        r#""gen_ai.output.messages":[{"role":"assistant","content":{"a":1}}]"#,
        r#""gen_ai.system_instructions":{"x":1}"#,
        r#""sandbox.kind":"started","sandbox.id":7"#,
        r#""agent.saga.id":7"#,
        r#""gen_ai.conversation.id":7,"gen_ai.agent.call.id":true"#,
    ];
    for operation in ["invoke_agent", "execute_tool", "chat", "other", ""] {
        for attribute in attributes {
            for end in [r#","end_unix_nano":"9223372036854775807""#, ""] {
                let span = format!(
                    r#"{{"name":"","start_unix_nano":"2"{end},"attributes":{{"gen_ai.operation.name":"{operation}",{attribute}}}}}"#
                );
                emit_span(&emitter, span.as_bytes(), &Wait::Allowed)
                    .unwrap_or_else(|e| panic!("{span}: {e}"));
            }
        }
    }
    emitter.shutdown(Duration::from_secs(10));
}

/// Emits the spans of a trace as a tracer would, and keeps each event's type, run and parent run.
struct Trace {
    emitter: Emitter,
    path: std::path::PathBuf,
    _dir: crate::testing::TempDir,
}

impl Trace {
    fn new() -> Self {
        let dir = crate::testing::TempDir::new();
        let path = dir.path().join("events.ndjson");
        let document = format!(
            r#"{{"agent":{{"id":"a"}},"heartbeat":"off","lanes":[{{"sink":{{"file":{{"path":"{}"}}}}}}]}}"#,
            path.display()
        );
        let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
        Self { emitter: Emitter::open(Options::new(config)).unwrap(), path, _dir: dir }
    }

    fn tell(&self, span: u64, parent: u64, end: bool, operation: &str, more: &str) {
        let end = if end { r#""end_unix_nano":"2","# } else { "" };
        let parent =
            if parent == 0 { String::new() } else { format!(r#""parent_span_id":"{parent:016x}","#) };
        let span = format!(
            r#"{{"name":"{operation} x","trace_id":"{:032x}","span_id":"{span:016x}",{parent}"start_unix_nano":"1",{end}
                "attributes":{{"gen_ai.operation.name":"{operation}"{more}}}}}"#,
            7
        );
        emit_span(&self.emitter, span.as_bytes(), &Wait::Allowed).unwrap();
    }

    fn start(&self, span: u64, parent: u64, operation: &str) {
        self.tell(span, parent, false, operation, "");
    }

    fn end(&self, span: u64, parent: u64, operation: &str) {
        self.tell(span, parent, true, operation, "");
    }

    fn events(self) -> Vec<[String; 3]> {
        self.emitter.shutdown(Duration::from_secs(10));
        let text = std::fs::read_to_string(&self.path).unwrap();
        let events = text.lines().map(|line| crate::json::parse(line.as_bytes()).unwrap());
        let of = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        events
            .filter(|event| event.get("origin").is_none())
            .map(|event| {
                let kind = of(event.get("type"));
                let parent = of(event.get("data").and_then(|data| data.get("parent_run")));
                [kind.trim_start_matches("dev.sinkwell.").to_owned(), of(event.get("runid")), parent]
            })
            .collect()
    }
}

const WHOLE: &str = "00000000000000000000000000000007";

fn own(span: u64) -> String {
    format!("{WHOLE}-{span:016x}")
}

fn rows(want: &[(&str, &str, &str)]) -> Vec<[String; 3]> {
    want.iter().map(|(a, b, c)| [(*a).to_owned(), (*b).to_owned(), (*c).to_owned()]).collect()
}

#[test]
fn an_agent_within_an_agent_is_a_run_of_its_own() {
    let trace = Trace::new();
    trace.start(1, 0, "invoke_agent");
    trace.start(2, 1, "invoke_agent");
    trace.start(3, 2, "execute_tool");
    trace.end(3, 2, "execute_tool");
    trace.end(2, 1, "invoke_agent");
    trace.start(4, 1, "invoke_agent");
    trace.end(4, 1, "invoke_agent");
    trace.end(1, 0, "invoke_agent");
    // Another one in the same trace, after the first.
    trace.start(5, 0, "invoke_agent");
    trace.end(5, 0, "invoke_agent");
    let (two, four, five) = (own(2), own(4), own(5));
    assert_eq!(
        trace.events(),
        rows(&[
            ("run.started", WHOLE, ""),
            ("run.started", &two, WHOLE),
            ("tool.invocation", &two, ""),
            ("run.completed", &two, WHOLE),
            ("run.started", &four, WHOLE),
            ("run.completed", &four, WHOLE),
            ("run.completed", WHOLE, ""),
            ("run.started", &five, ""),
            ("run.completed", &five, ""),
        ])
    );
}

#[test]
fn a_run_keeps_its_id_whatever_is_said_later_and_starts_and_ends_once() {
    let trace = Trace::new();
    let call = r#","gen_ai.agent.call.id":"call-1""#;
    // Named too late.
    trace.start(1, 0, "invoke_agent");
    trace.tell(1, 0, true, "invoke_agent", call);
    // Named in time, and described twice.
    trace.tell(2, 0, false, "invoke_agent", call);
    trace.tell(3, 2, false, "invoke_agent", call);
    trace.tell(3, 2, true, "invoke_agent", call);
    trace.tell(2, 0, true, "invoke_agent", call);
    // Told twice.
    trace.start(4, 0, "invoke_agent");
    trace.start(4, 0, "invoke_agent");
    trace.end(4, 0, "invoke_agent");
    // Only its end says what it is.
    trace.start(5, 0, "");
    trace.end(5, 0, "invoke_agent");
    let (four, five) = (own(4), own(5));
    let events = trace.events();
    assert_eq!(
        events,
        rows(&[
            ("run.started", WHOLE, ""),
            ("run.completed", WHOLE, ""),
            ("run.started", "call-1", ""),
            ("span", "call-1", ""),
            ("run.completed", "call-1", ""),
            ("run.started", &four, ""),
            ("run.completed", &four, ""),
            ("run.started", &five, ""),
            ("run.completed", &five, ""),
        ])
    );
}

#[test]
fn a_part_of_another_process_is_no_second_run_of_the_same_id() {
    let trace = Trace::new();
    trace.start(2, 1, "serve");
    trace.start(3, 2, "invoke_agent");
    trace.end(3, 2, "invoke_agent");
    trace.end(2, 1, "serve");
    let three = own(3);
    assert_eq!(
        trace.events(),
        rows(&[("run.started", &three, ""), ("run.completed", &three, ""), ("span", WHOLE, "")])
    );
}

#[test]
fn an_event_inside_a_runs_span_belongs_to_the_run() {
    let trace = Trace::new();
    trace.start(1, 0, "invoke_agent");
    trace.start(2, 1, "invoke_agent");
    trace.start(3, 2, "work");
    let emit = |span: &str, run: Option<&str>| {
        let mut input = crate::event::EventInput::new("com.example.x");
        input.run = run;
        input.trace = Some(crate::event::Trace { trace_id: WHOLE, span_id: span, flags: 1, state: None });
        trace.emitter.emit(input).unwrap();
    };
    emit("0000000000000003", None);
    emit("0000000000000001", None);
    emit("0000000000000003", Some("said"));
    trace.end(3, 2, "work");
    emit("0000000000000003", None);
    let two = own(2);
    let want = [
        ("com.example.x", two.as_str()),
        ("com.example.x", WHOLE),
        ("com.example.x", "said"),
        ("span", &two),
        ("com.example.x", ""),
    ];
    let got: Vec<_> = trace.events().split_off(2);
    assert_eq!(got, rows(&want.map(|(kind, run)| (kind, run, ""))));
}

#[test]
fn spans_that_never_end_are_forgotten_and_bounded() {
    let trace = Trace::new();
    for span in 1..40_000 {
        trace.start(span, 0, "work");
    }
    trace.emitter.with_runs(|runs| assert!(runs.len() <= 16_384)).unwrap();
}

#[test]
fn a_span_may_hold_values_that_json_does_not() {
    let span = br#"{"name":"work","end_unix_nano":"1","state":"a\tb","attributes":{"a.b":NaN,"a.c":12345678901234567890,"a.d":1e300,"a.e":2}}"#;
    let events = events_of_span(span).unwrap();
    // A text under an unknown name is dropped, a number is kept, and nothing is refused.
    assert_eq!(events[0].get("data").unwrap().get("a.e"), Some(&Value::Int(2)));
    let kept = br#"{"name":"work","end_unix_nano":"1","attributes":{"http.route":"\ud800","gen_ai.response.id":NaN}}"#;
    let data = events_of_span(kept).unwrap().remove(0);
    let data = data.get("data").unwrap();
    assert_eq!(data.get("http.route").and_then(Value::as_str), Some("\u{FFFD}"));
    assert_eq!(data.get("gen_ai.response.id").and_then(Value::as_str), Some("NaN"));
}
