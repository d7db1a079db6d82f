//! The feature `tracing`: what a program traces, as events.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::json::Value;
use sinkwell::memory::MemorySink;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Sink};
use sinkwell::tracing::Layer;
use sinkwell::{Emitter, Event, HostSink, Options, SignedGovernanceEvent};
use tracing::{error, info, info_span, warn};
use tracing_subscriber::prelude::*;

fn emitter(manual: bool, sink: impl Sink + Clone + Sync + 'static) -> Arc<Emitter> {
    let lane = r#"{"id":"out","queue":{"events":64},"sink":{"host":"given"}}"#;
    let document = format!(r#"{{"agent":{{"id":"a"}},"heartbeat":"off","lanes":[{lane}]}}"#);
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let make = Arc::new(move || Ok(Box::new(sink.clone()) as Box<dyn Sink>));
    let sinks = vec![HostSink { name: "given".to_owned(), lane: config.lanes[0].clone(), make }];
    Arc::new(Emitter::open(Options { manual, sinks, ..Options::new(config) }).unwrap())
}

/// What a program traces, as events, sinkwell's own left out.
fn traced(program: impl FnOnce()) -> Vec<SignedGovernanceEvent> {
    traced_by(Layer::new(), program)
}

fn traced_by(layer: Layer, program: impl FnOnce()) -> Vec<SignedGovernanceEvent> {
    let kept = MemorySink::default();
    let emitter = emitter(true, kept.clone());
    let subscriber = tracing_subscriber::registry().with(layer.emitter(Arc::clone(&emitter)));
    tracing::subscriber::with_default(subscriber, program);
    emitter.drain("out").unwrap();
    let events = kept.envelopes().into_iter().map(SignedGovernanceEvent::from);
    events.filter(|event| !event.is_own()).collect()
}

fn types(events: &[SignedGovernanceEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_type().trim_start_matches("dev.sinkwell.")).collect()
}

/// Roles and classes of the content, of which nothing may be read here.
fn parts(event: &SignedGovernanceEvent) -> Vec<&str> {
    let role = |part: &'_ Value| part.get("role").and_then(Value::as_str).map(str::to_owned);
    let parts = event.data().get("content").map(Value::items).unwrap_or_default();
    assert!(parts.iter().all(|part| part.get("class").and_then(Value::as_str) == Some("message")));
    parts
        .iter()
        .map(|part| match role(part).as_deref() {
            None => "message",
            Some("attributes") => "attributes",
            Some("exception") => "exception",
            Some(other) => panic!("{other}"),
        })
        .collect()
}

#[derive(Debug)]
struct Failure(std::io::Error);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the ticket of Jane Doe cannot be read")
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_event_is_a_log_record_whose_words_stay_inside() {
    let line = line!() + 3;
    let events = traced(|| {
        let failure = Failure(std::io::Error::other("gone"));
        warn!(target: "app::tickets", attempt = 3, who = %"Jane Doe", error = &failure as &dyn std::error::Error, "Jane Doe waits");
        info!("plain");
    });
    assert_eq!(types(&events), ["log.record", "log.record"]);
    let event = &events[0];
    assert_eq!(event.severity_text(), Some("WARN"));
    let code = event.data().get("code").unwrap();
    assert_eq!(code.get("line"), Some(&Value::Int(line.into())));
    assert_eq!(code.get("module").and_then(Value::as_str), Some(module_path!()));
    assert_eq!(event.data().get("logger").and_then(Value::as_str), Some("app::tickets"));
    assert_eq!(event.data().get("level").and_then(Value::as_str), Some("WARN"));
    assert_eq!(parts(event), ["message", "attributes", "exception"]);
    assert_eq!(parts(&events[1]), ["message"]);
    let line = String::from_utf8(event.bytes().to_vec()).unwrap();
    assert!(!line.contains("Jane") && !line.contains("gone"), "{line}");
}

#[test]
fn values_that_json_cannot_carry_are_counted_and_no_record_is_refused() {
    let events = traced(|| {
        info!(nan = f64::NAN, wide = u64::MAX, wider = u128::MAX, fine = 1.5, text = ?[1, 2]);
        info!(message = "x".repeat(2 << 20));
    });
    assert_eq!(types(&events), ["log.record", "log.record"]);
    assert_eq!(events[0].data().get("respelled"), Some(&Value::Int(3)));
    assert_eq!(parts(&events[0]), ["attributes"]);
    // Too large for an envelope: cut, and still there.
    assert_eq!(events[1].data().get("respelled"), Some(&Value::Int(1)));
    assert_eq!(parts(&events[1]), ["message"]);
}

/// A field of an earlier one's name is kept under another, which is counted; names that only look alike are not.
#[test]
fn a_name_that_comes_twice_is_counted_once() {
    let events = traced(|| {
        info!(first = 1, second = 2, first = 3);
        info!(abc = 1, aabc = 2, bbc = 3, cbc = 4, acb = 5, bca = 6, r#bac = 7, cab = 8);
    });
    assert_eq!(events[0].data().get("respelled"), Some(&Value::Int(1)));
    assert_eq!(events[1].data().get("respelled"), None);
}

macro_rules! from_ten_places {
    ($tens:literal: $($ones:literal)*) => {
        [$((concat!("place", $tens, $ones), || info!(target: concat!("place", $tens, $ones), "here"))),*]
    };
}

/// What is kept of a place in the code is that place's, however many there are.
#[test]
fn every_event_says_where_it_is_from() {
    type Place = (&'static str, fn());
    let places: [[Place; 10]; 3] = [
        from_ten_places!("0": "0" "1" "2" "3" "4" "5" "6" "7" "8" "9"),
        from_ten_places!("1": "0" "1" "2" "3" "4" "5" "6" "7" "8" "9"),
        from_ten_places!("2": "0" "1" "2" "3" "4" "5" "6" "7" "8" "9"),
    ];
    let twice = || places.iter().flatten().chain(places.iter().rev().flatten());
    let events = traced(|| twice().for_each(|(_, trace)| trace()));
    assert_eq!(events.len(), 60);
    for (event, (place, _)) in events.iter().zip(twice()) {
        assert_eq!(event.data().get("logger").and_then(Value::as_str), Some(*place));
    }
}

#[test]
fn an_agents_span_is_a_run_and_what_happens_inside_belongs_to_it() {
    let events = traced(|| {
        let agent = info_span!(
            "agent",
            otel.name = "invoke_agent buyer",
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = "buyer"
        );
        agent.in_scope(|| {
            let tool = info_span!(
                "tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = tracing::field::Empty,
                gen_ai.tool.call.arguments = "Jane Doe's address"
            );
            tool.record("gen_ai.tool.name", "lookup");
            tool.in_scope(|| error!("no such address"));
            drop(tool);
            info_span!("inner", rows = 2).in_scope(|| ());
        });
        drop(agent);
        info!("outside");
    });
    let expected = ["run.started", "log.record", "tool.invocation", "span", "run.completed", "log.record"];
    assert_eq!(types(&events), expected);
    let (inside, outside) = (&events[..5], &events[5]);
    let run = inside[0].run_id().unwrap();
    assert!(inside.iter().all(|event| event.run_id() == Some(run)), "{inside:?}");
    assert_eq!(outside.run_id(), None);
    assert_eq!(outside.traceparent(), None);
    // One trace; the log record has the context of the tool's span.
    let ids = |event: &SignedGovernanceEvent| event.traceparent().unwrap()[3..52].to_owned();
    assert!(inside.iter().all(|event| ids(event)[..32] == ids(&inside[0])[..32]));
    assert_eq!(ids(&inside[1]), ids(&inside[2]));
    let tool = inside[2].data();
    assert_eq!(tool.get("tool").and_then(Value::as_str), Some("lookup"));
    // An error was traced in it.
    assert_eq!(tool.get("outcome").and_then(Value::as_str), Some("error"));
    assert!(!String::from_utf8_lossy(inside[2].bytes()).contains("Jane"));
}

#[test]
fn spans_can_be_left_to_others() {
    let events = traced_by(Layer::new().spans(false), || {
        info_span!("a").in_scope(|| info!("in a span"));
    });
    assert_eq!(types(&events), ["log.record"]);
}

#[test]
fn what_the_log_crate_says_keeps_its_logger() {
    // For the whole process; the other tests do not log.
    tracing_log::LogTracer::init().unwrap();
    let events = traced(|| tracing_log::log::warn!(target: "old::module", "said"));
    assert_eq!(types(&events), ["log.record"]);
    let data = events[0].data();
    assert_eq!(data.get("logger").and_then(Value::as_str), Some("old::module"));
    assert!(data.get("code").unwrap().get("line").is_some());
    // The fields by which it was carried are no attributes.
    assert_eq!(parts(&events[0]), ["message"]);
}

#[test]
fn a_value_may_trace_while_it_is_read() {
    struct Telling;
    impl std::fmt::Debug for Telling {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            warn!("inner");
            f.write_str("told")
        }
    }
    let events = traced(|| info!(value = ?Telling, "outer"));
    // Whether the inner one is let through is for `tracing` to say; the outer one is whole in any case.
    assert_eq!(parts(events.last().unwrap()), ["message", "attributes"]);
}

/// A sink that traces, as its HTTP client might.
#[derive(Clone, Default)]
struct Chatty(Arc<(Mutex<u64>, Condvar)>);

impl Sink for Chatty {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        info_span!("request").in_scope(|| info!("delivering {}", batch.len()));
        *self.0.0.lock().unwrap() += batch.iter().filter(|envelope| !envelope.own).count() as u64;
        self.0.1.notify_all();
        Answers::Acknowledged
    }
}

#[test]
fn what_a_sink_traces_does_not_feed_itself() {
    for manual in [true, false] {
        let sink = Chatty::default();
        let emitter = emitter(manual, sink.clone());
        let subscriber = tracing_subscriber::registry().with(Layer::new().emitter(Arc::clone(&emitter)));
        // The lane's threads have no subscriber but a global one: this stands for one.
        let _ = tracing::subscriber::set_global_default(subscriber);
        info!("one");
        let receipt = Event::new("com.example.two").emit_to(&emitter).unwrap();
        if manual {
            emitter.drain("out").unwrap();
        } else {
            receipt.wait(Stage::Delivered, Duration::from_secs(30)).unwrap();
        }
        emitter.shutdown(Duration::from_secs(30));
        // With the emitter that the global subscriber has, "one", too.
        assert_eq!(*sink.0.0.lock().unwrap(), if manual { 2 } else { 1 });
    }
}
