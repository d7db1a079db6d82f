//! The feature `opentelemetry`: the SDK's spans as events, and its active span as the context of what is traced.

use std::sync::Arc;

use opentelemetry::trace::{
    Link, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value as Given};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanProcessor as _};
use sinkwell::config::{Config, Source};
use sinkwell::event::Trace;
use sinkwell::json::Value;
use sinkwell::memory::MemorySink;
use sinkwell::opentelemetry::SpanProcessor;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::{Emitter, Event, HostSink, Options, SignedGovernanceEvent};

fn emitter() -> (Arc<Emitter>, MemorySink) {
    emitter_of(MemorySink::default(), true)
}

fn emitter_of<S: Sink + Clone + Sync + 'static>(kept: S, manual: bool) -> (Arc<Emitter>, S) {
    let lane = r#"{"id":"out","sink":{"host":"kept"}}"#;
    let document = format!(r#"{{"agent":{{"id":"a"}},"heartbeat":"off","lanes":[{lane}]}}"#);
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let sink = kept.clone();
    let make = Arc::new(move || Ok(Box::new(sink.clone()) as Box<dyn Sink>));
    let sinks = vec![HostSink { name: "kept".to_owned(), lane: config.lanes[0].clone(), make }];
    (Arc::new(Emitter::open(Options { manual, sinks, ..Options::new(config) }).unwrap()), kept)
}

fn events(emitter: &Emitter, kept: &MemorySink) -> Vec<SignedGovernanceEvent> {
    emitter.drain("out").unwrap();
    let events = kept.envelopes().into_iter().map(SignedGovernanceEvent::from);
    events.filter(|event| !event.is_own()).collect()
}

fn types(events: &[SignedGovernanceEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_type().trim_start_matches("dev.sinkwell.")).collect()
}

fn provider(emitter: &Arc<Emitter>) -> SdkTracerProvider {
    let processor = SpanProcessor::new().emitter(Arc::clone(emitter));
    SdkTracerProvider::builder().with_span_processor(processor).build()
}

#[test]
fn spans_are_what_they_stand_for_and_belong_to_their_run() {
    let (emitter, kept) = emitter();
    let provider = provider(&emitter);
    let tracer = provider.tracer("agent");
    let agent = tracer.build(
        tracer
            .span_builder("invoke_agent buyer")
            .with_attributes([KeyValue::new("gen_ai.operation.name", "invoke_agent")]),
    );
    let context = Context::current_with_span(agent);
    let mut tool = tracer.build_with_context(
        tracer.span_builder("execute_tool lookup").with_attributes([
            KeyValue::new("gen_ai.operation.name", "execute_tool"),
            KeyValue::new("gen_ai.tool.name", "lookup"),
            KeyValue::new("gen_ai.tool.call.arguments", "Jane Doe"),
            KeyValue::new("wide", i64::MAX),
            KeyValue::new("ratio", f64::NAN),
            KeyValue::new("list", Given::Array(Array::String(vec![StringValue::from("x")]))),
        ]),
        &context,
    );
    tool.record_error(&std::io::Error::other("Jane is away"));
    tool.set_status(Status::error("Jane is away"));
    tool.end();
    context.span().end();
    let events = events(&emitter, &kept);
    assert_eq!(types(&events), ["run.started", "tool.invocation", "run.completed"]);
    let run = events[0].run_id().unwrap();
    assert!(events.iter().all(|event| event.run_id() == Some(run)));
    assert_eq!(events[1].data().get("outcome").and_then(Value::as_str), Some("error"));
    assert!(!String::from_utf8_lossy(events[1].bytes()).contains("Jane"));
    let span = context.span().span_context().clone();
    let expected = format!("00-{}-{}-01", span.trace_id(), span.span_id());
    assert_eq!(events[2].traceparent(), Some(expected.as_str()));
}

#[test]
fn kind_links_and_what_happened_travel() {
    let (emitter, kept) = emitter();
    let provider = provider(&emitter);
    let tracer = provider.tracer("agent");
    let around = tracer.start("around").span_context().clone();
    let words = || KeyValue::new("words", "Jane is away");
    let mut span = tracer.build(
        tracer.span_builder("GET /cart").with_kind(SpanKind::Server).with_links(vec![Link::new(
            around.clone(),
            vec![KeyValue::new("link.n", 1), words()],
            0,
        )]),
    );
    let when = std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_001, 5);
    span.add_event_with_timestamp("cache.miss", when, vec![KeyValue::new("cache.size", 3), words()]);
    span.add_event("Jane is away", Vec::new());
    span.end();
    let events = events(&emitter, &kept);
    let data = events.last().unwrap().data();
    let json = |member: &str| data.get(member).map(Value::to_json).unwrap_or_default();
    assert_eq!(json("span_kind"), r#""server""#);
    let (trace, own, flags) = (around.trace_id(), around.span_id(), around.trace_flags().to_u8());
    assert_eq!(
        json("span_links"),
        format!(
            r#"[{{"attributes":{{"link.n":1}},"flags":{flags},"span_id":"{own}","trace_id":"{trace}"}}]"#
        )
    );
    assert_eq!(
        json("span_events"),
        r#"[{"attributes":{"cache.size":3},"name":"cache.miss","time":"2023-11-14T22:13:21.000000005Z"}]"#
    );
    assert_eq!(json("span_events_left_out"), "1");
    assert!(events.iter().all(|event| !String::from_utf8_lossy(event.bytes()).contains("Jane")));
}

/// Takes nothing.
#[derive(Clone)]
struct Away;

impl Sink for Away {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        Answers::Retry(Failure::new(FailureKind::Network, "away"), None)
    }
}

#[test]
fn a_flush_waits_for_the_lanes() {
    let (emitter, kept) = emitter_of(MemorySink::default(), false);
    let delivering = provider(&emitter);
    delivering.tracer("agent").in_span("work", |_| ());
    delivering.force_flush().unwrap();
    assert!(kept.envelopes().iter().any(|envelope| !envelope.own));

    let (emitter, _) = emitter_of(Away, false);
    provider(&emitter).tracer("agent").in_span("work", |_| ());
    let limit = std::time::Duration::from_millis(1);
    let away = SpanProcessor::new().emitter(Arc::clone(&emitter)).shutdown_with_timeout(limit);
    assert!(matches!(away, Err(OTelSdkError::Timeout(_))), "{away:?}");
    emitter.shutdown(std::time::Duration::ZERO);
}

#[cfg(feature = "tracing")]
#[test]
fn what_is_traced_has_the_context_of_the_active_span() {
    use tracing_subscriber::prelude::*;
    let (emitter, kept) = emitter();
    let provider = SdkTracerProvider::builder().build();
    let layer = sinkwell::tracing::Layer::new().spans(false).emitter(Arc::clone(&emitter));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        provider.tracer("agent").in_span("work", |_| tracing::info!("inside"));
        tracing::info!("outside");
    });
    let events = events(&emitter, &kept);
    assert_eq!(types(&events), ["log.record", "log.record"]);
    assert!(events[0].traceparent().is_some_and(|trace| trace.ends_with("-01")));
    assert_eq!(events[1].traceparent(), None);
}

#[test]
fn an_event_has_the_context_of_the_active_span() {
    let (emitter, kept) = emitter();
    let provider = SdkTracerProvider::builder().build();
    let event = || Event::new("com.example.n").with("n", 1);
    let mut expected = None;
    provider.tracer("agent").in_span("work", |context| {
        let span = context.span().span_context().clone();
        expected = Some(format!("00-{}-{}-01", span.trace_id(), span.span_id()));
        event().emit_to(&emitter).unwrap();
        event().deed_on(&emitter, |_| Ok::<_, std::io::Error>(())).unwrap();
        // What it says itself goes before.
        let (trace_id, span_id) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        event().trace(Trace { trace_id, span_id, flags: 0, state: None }).emit_to(&emitter).unwrap();
    });
    event().emit_to(&emitter).unwrap();
    let events = events(&emitter, &kept);
    let traces: Vec<_> = events.iter().map(SignedGovernanceEvent::traceparent).collect();
    let (here, own) = (expected.as_deref(), Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
    assert_eq!(traces, [here, here, here, own, None]);
}
