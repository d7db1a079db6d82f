//! What policies do to spans, beside the events that the spans came to.

use std::sync::{Arc, Mutex};

use super::*;
use crate::config::{HostName, LaneConfig, SinkConfig};
use crate::sink::{Answers, Envelope, Failure, FailureKind, Sink, SpanForm, SpanThreshold};
use crate::{HostSink, Wait};

type Seen = Arc<Mutex<Vec<(String, Option<SpanForm>)>>>;

/// Whether the receiver answers, beside what it was given.
struct Spans(Seen, bool);

impl Sink for Spans {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        if !self.1 {
            return Answers::Retry(Failure::new(FailureKind::Network, "away"), None);
        }
        let mut seen = self.0.lock().unwrap();
        for envelope in batch.iter().filter(|envelope| !envelope.own) {
            let parent =
                parse(&envelope.bytes).unwrap().get("traceparent").and_then(Value::as_str).map(str::to_owned);
            let kind = envelope.event_type.trim_start_matches("dev.sinkwell.");
            seen.push((format!("{kind} {}", &parent.unwrap_or_default()[..]), envelope.span));
        }
        Answers::Acknowledged
    }
}

/// What a lane `spans` gets of a tool's and a model's span in each of these traces, with these flags.
fn sent(spec: &str, traces: &[(&str, u8)]) -> Vec<(String, Option<SpanForm>)> {
    let seen = Seen::default();
    let of_sink = Arc::clone(&seen);
    let telemetry =
        if spec.is_empty() { String::new() } else { policy("p", "{ kind: Lane, name: spans }", spec) };
    let telemetry = if spec.is_empty() { telemetry } else { format!("telemetry:\n{telemetry}") };
    let rig = Rig::with(TempDir::new(), &telemetry, |config| {
        let lane = LaneConfig {
            id: "spans".to_owned(),
            sink: SinkConfig::new(HostName("spans".to_owned())),
            ..config.lanes[0].clone()
        };
        let make = Arc::new(move || Ok(Box::new(Spans(Arc::clone(&of_sink), true)) as Box<dyn Sink>));
        vec![HostSink { name: "spans".to_owned(), lane, make }]
    });
    for (id, flags) in traces {
        for (span, operation) in [(1, "execute_tool"), (2, "chat")] {
            let text = format!(
                r#"{{"name":"x","trace_id":"{id}","span_id":"{span:016x}","flags":{flags},"start_unix_nano":"1","end_unix_nano":"2","attributes":{{"gen_ai.operation.name":"{operation}","gen_ai.tool.name":"t"}}}}"#
            );
            crate::bridge::emit_span(&rig.emitter, text.as_bytes(), &Wait::Allowed).unwrap();
        }
    }
    rig.emit("com.x", "{}");
    rig.emitter.shutdown(Duration::from_secs(5));
    let seen = seen.lock().unwrap();
    let short = |(name, form): &(String, Option<SpanForm>)| {
        let (kind, parent) = name.split_once(' ').unwrap();
        (format!("{kind} {}", parent.get(33..35).unwrap_or_default()), *form)
    };
    seen.iter().map(short).collect()
}

const LOW: &str = "0af7651916cd43dd8400000000000001";
const HIGH: &str = "0af7651916cd43dd84ff000000000002";

fn form(threshold: SpanThreshold) -> Option<SpanForm> {
    Some(SpanForm { threshold })
}

#[test]
fn without_a_word_of_policies_a_span_goes_as_it_is_and_an_event_is_no_span() {
    let brought = form(SpanThreshold::Brought);
    for spec in ["", "events: { fields: [ { key: a, value: { literal: 1 } } ] }"] {
        assert_eq!(
            sent(spec, &[(LOW, 1)]),
            [
                ("tool.invocation 01".to_owned(), brought),
                ("model.usage 01".to_owned(), brought),
                ("com.x ".to_owned(), None)
            ]
        );
    }
}

#[test]
fn spans_are_sampled_with_their_trace_and_no_terminal_event_is() {
    let half = form(SpanThreshold::Set(1 << 55));
    let sampling = "sampling: { rate: { numerator: 1, denominator: 2 } }";
    // The usage of the trace that is left out is there, and no span.
    assert_eq!(
        sent(sampling, &[(LOW, 1), (HIGH, 1)]),
        [
            ("model.usage 01".to_owned(), None),
            ("tool.invocation 02".to_owned(), half),
            ("model.usage 02".to_owned(), half),
            ("com.x ".to_owned(), None)
        ]
    );
    // Spans may have a share of their own.
    let own = "tracing: { sampling: { rate: { numerator: 1, denominator: 2 } } }";
    let of_both = sent(own, &[(LOW, 1), (HIGH, 1)]);
    assert_eq!(of_both[0], ("tool.invocation 01".to_owned(), None));
    assert_eq!(of_both[2], ("tool.invocation 02".to_owned(), half));
    let none = sent("tracing: { mode: Disabled }", &[(HIGH, 1)]);
    assert!(none.len() == 3 && none.iter().all(|(_, form)| form.is_none()));
    // As the parent was.
    let parent =
        "tracing: { sampling: { rate: { numerator: 1, denominator: 1 }, parentBased: { mode: Enabled } } }";
    let of_parents = sent(parent, &[(LOW, 1), (HIGH, 0)]);
    // Of a parent of which nobody said how it was sampled nobody knows how many it stands for.
    assert_eq!(of_parents[1], ("model.usage 01".to_owned(), form(SpanThreshold::Unknown)));
    assert_eq!(of_parents[3], ("model.usage 02".to_owned(), None));
    // What is not by the trace says nothing of it.
    let by_run = "tracing: { sampling: { rate: { numerator: 1, denominator: 1 }, key: event } }";
    assert_eq!(sent(by_run, &[(LOW, 1)])[0].1, form(SpanThreshold::Unknown));
}

/// What is decided of a span is decided once: it is journaled with the envelope, so that a process that sends what another
/// left behind sends the same spans.
#[test]
fn spans_that_a_process_left_behind_go_as_spans() {
    let dir = TempDir::new();
    let open = |answers: bool, telemetry: &str| {
        let seen = Seen::default();
        let of_sink = Arc::clone(&seen);
        let text = format!(
            "agent: {{ id: a1 }}\nheartbeat: off\njournal: {{ dir: {} }}\nlanes:\n  - {{ id: spans, sink: 'null', durable: true }}\n{telemetry}",
            dir.path().join("journal").display()
        );
        let source = Source::Text { text, name: None, format: Default::default() };
        let config = Config::load(source, &SystemEnv::default()).unwrap();
        let lane =
            LaneConfig { sink: SinkConfig::new(HostName("spans".to_owned())), ..config.lanes[0].clone() };
        let make = Arc::new(move || Ok(Box::new(Spans(Arc::clone(&of_sink), answers)) as Box<dyn Sink>));
        let sinks = vec![HostSink { name: "spans".to_owned(), lane, make }];
        let config = Config { lanes: Vec::new(), ..config };
        (Emitter::open(Options { sinks, ..Options::new(config) }).unwrap(), seen)
    };
    let halves =
        policy("p", "{ kind: Lane, name: spans }", "sampling: { rate: { numerator: 1, denominator: 2 } }");
    let (emitter, seen) = open(false, &format!("telemetry:\n{halves}"));
    for (operation, id) in [("chat", HIGH), ("chat", LOW), ("execute_tool", HIGH)] {
        let text = format!(
            r#"{{"name":"x","trace_id":"{id}","span_id":"0000000000000001","flags":1,"end_unix_nano":"2","attributes":{{"gen_ai.operation.name":"{operation}"}}}}"#
        );
        crate::bridge::emit_span(&emitter, text.as_bytes(), &Wait::Allowed).unwrap();
    }
    emitter.emit(EventInput::new("com.x")).unwrap();
    emitter.shutdown(Duration::from_secs(1));
    assert!(seen.lock().unwrap().is_empty());
    // Another process, without policies: what was decided is decided.
    let (emitter, seen) = open(true, "");
    emitter.flush(Duration::from_secs(30));
    emitter.shutdown(Duration::from_secs(30));
    let forms: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(name, form)| (name.split(' ').next().unwrap().to_owned(), *form))
        .collect();
    let half = form(SpanThreshold::Set(1 << 55));
    let of = |kind: &str, form| (kind.to_owned(), form);
    assert_eq!(
        forms,
        [of("model.usage", half), of("model.usage", None), of("tool.invocation", half), of("com.x", None)]
    );
}

/// The span of a terminal event goes where its event would go if policies could keep it out.
#[test]
fn what_keeps_events_out_keeps_their_spans_out_too() {
    let brought = form(SpanThreshold::Brought);
    let kinds = |spec: &str| {
        let sent = sent(spec, &[(HIGH, 1)]);
        sent.into_iter()
            .map(|(kind, form)| (kind.split(' ').next().unwrap().to_owned(), form))
            .collect::<Vec<_>>()
    };
    let of = |kind: &str, form| (kind.to_owned(), form);
    assert_eq!(kinds("events: { mode: Disabled }"), [of("model.usage", None)]);
    let tools = "events: { matches: [ { cel: 'event.type == \"tool.invocation\"' } ] }";
    assert_eq!(kinds(tools), [of("tool.invocation", brought), of("model.usage", None)]);
    // A rule that exempts exempts the span, too; only what comes of the share of spans alone it does not touch.
    let kept = "events: { keep: [ { cel: 'event.type == \"model.usage\"' } ] }";
    let none = "sampling: { rate: { numerator: 0, denominator: 1 } }";
    // The event of no trace has no key, so it is kept.
    let kinds_kept = kinds(&format!("{kept}, {none}"));
    assert_eq!(kinds_kept, [of("model.usage", form(SpanThreshold::Set(0))), of("com.x", None)]);
    let of_spans = kinds(&format!("{kept}, tracing: {{ {none} }}"));
    assert!(of_spans.len() == 3 && of_spans.iter().all(|(_, form)| form.is_none()));
}

#[test]
fn what_tracing_may_not_say_is_refused() {
    for (spec, field) in [
        ("tracing: { mode: On }", "spec.tracing.mode"),
        ("tracing: { sampling: { precision: 3 } }", "spec.tracing.sampling.rate"),
        ("tracing: { spanName: x }", "spec.tracing.spanName"),
    ] {
        let rig = Rig::new(&format!("telemetry:\n{}", policy("p", THIN, spec)));
        let status = String::from_utf8(rig.emitter.policy_status()).unwrap();
        assert!(status.contains(&format!("\"field\":\"{field}\"")), "{spec}: {status}");
    }
}
