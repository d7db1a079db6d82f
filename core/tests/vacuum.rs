//! What a line of a log can set of the envelope: nothing but its type and its time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sinkwell::config::{Config, Source};
use sinkwell::json::{Value, parse};
use sinkwell::memory::MemorySink;
use sinkwell::seam::SystemEnv;
use sinkwell::vacuum::{Asked, Intake};
use sinkwell::{Emitter, HostSink, Options, Wait};

/// Every attribute that an envelope has, and every member that an event can be given.
const ATTRIBUTES: [&str; 37] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    "recordedtime",
    "agentid",
    "agent",
    "tenantid",
    "tenant",
    "runid",
    "run",
    "turnid",
    "turn",
    "attemptid",
    "attempt",
    "correlationid",
    "correlation",
    "causationid",
    "causation",
    "severity",
    "severitytext",
    "severitynumber",
    "traceparent",
    "tracestate",
    "trace",
    "streamid",
    "sequence",
    "prevhash",
    "signature",
    "sigalg",
    "keyid",
    "origin",
    "policyversion",
];

fn emitter() -> (Emitter, MemorySink) {
    let memory = MemorySink::default();
    let kept = memory.clone();
    let text =
        r#"{"agent":{"id":"urn:example:agent","tenant":"acme","allow":["*"]},"heartbeat":"off","lanes":[]}"#;
    let config = Config::load(Source::Mapping(text.to_owned()), &SystemEnv::default()).unwrap();
    let lane = sinkwell::config::Config::load(
        Source::Mapping(r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned()),
        &SystemEnv::default(),
    )
    .unwrap()
    .lanes[0]
        .clone();
    let sinks = vec![HostSink {
        name: "memory".into(),
        lane,
        make: Arc::new(move || Ok(Box::new(kept.clone()) as _)),
    }];
    (Emitter::open(Options { config, sinks, signer: None, manual: false }).unwrap(), memory)
}

fn envelopes(log: &str) -> Vec<Value> {
    let (emitter, memory) = emitter();
    let mut drawing = Intake::to_all(None).start(&emitter, Asked::default()).unwrap();
    let mut out = Vec::new();
    let report = drawing.read(&mut log.as_bytes(), &emitter, &Wait::Allowed, &mut out).unwrap();
    emitter.shutdown(Duration::from_secs(60));
    let passed = String::from_utf8(out).unwrap();
    assert_eq!(passed, "", "{report:?}");
    memory
        .envelopes()
        .iter()
        .filter(|envelope| !envelope.own)
        .map(|envelope| parse(&envelope.bytes).unwrap())
        .collect()
}

/// An envelope without what is another's in each envelope.
fn bare(envelope: &Value) -> Vec<(String, Value)> {
    const OWN: [&str; 7] = ["data", "id", "recordedtime", "sequence", "prevhash", "streamid", "time"];
    envelope.members().iter().filter(|(key, _)| !OWN.contains(&key.as_str())).cloned().collect()
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::from("urn:example:forged")),
        Just(Value::from("core")),
        Just(Value::from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        Just(Value::from("00000000-0000-7000-8000-000000000000")),
        (-5..5_i64).prop_map(Value::Int),
        Just(Value::Array(vec![Value::from("x")])),
        Just(Value::Object(vec![("id".to_owned(), Value::from("x"))])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_line_sets_no_attribute_of_the_envelope(
        members in proptest::collection::btree_map(proptest::sample::select(&ATTRIBUTES[..]), value(), 0..=ATTRIBUTES.len()),
    ) {
        let mut line = vec![("_e".to_owned(), Value::Int(1))];
        line.extend(members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let log = format!("{{\"_e\":1}}\n{}\n", Value::Object(line).to_json());
        let sealed = envelopes(&log);
        prop_assert_eq!(bare(&sealed[0]), bare(&sealed[1]), "the line set an attribute");
        // All that it says is in its data, as it was.
        let data = sealed[1].get("data").unwrap();
        for (key, value) in &members {
            prop_assert_eq!(data.get(key), Some(value));
        }
    }
}

#[test]
fn the_keys_that_imitate_attributes_are_all_there_are() {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/governance-event/1.0/envelope.json");
    let schema = parse(&std::fs::read(schema).unwrap()).unwrap();
    // The time is the line's to say.
    let all = schema.get("properties").unwrap().members().iter().map(|(name, _)| name.as_str());
    let missing: Vec<&str> = all.filter(|name| *name != "time" && !ATTRIBUTES.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn type_and_time_are_the_lines_to_say() {
    let log = concat!(
        "{\"_e\":1,\"_type\":\"com.example.order\",\"timestamp\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"_e\":1,\"_type\":\"tool.invocation\",\"tool\":\"t\",\"origin\":\"core\"}\n",
        "{\"_e\":1,\"_type\":\"audit.chain\",\"action\":\"retention\"}\n",
        "{\"_e\":1,\"content\":[{\"kind\":\"prompt\"}],\"disclosures\":[],\"capture\":{},\"view\":{},\"lost\":1,\"phase\":\"x\"}\n",
    );
    let sealed = envelopes(log);
    let text = |at: usize, key: &str| sealed[at].get(key).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(text(0, "type"), "com.example.order");
    assert_eq!(text(0, "time"), "2026-01-31T12:00:00.000000000Z");
    assert_eq!(text(1, "type"), "dev.sinkwell.tool.invocation");
    assert_eq!(text(2, "type"), "dev.sinkwell.vacuum.event");
    assert_eq!(sealed[2].get("data").unwrap().get("_type"), Some(&Value::from("audit.chain")));
    let data = sealed[3].get("data").unwrap();
    for name in ["content", "disclosures", "capture", "view", "lost", "phase"] {
        assert!(data.get(name).is_none() && data.get(&format!("_{name}")).is_some(), "{name}");
    }
    assert!(sealed.iter().all(|envelope| envelope.get("origin").is_none()));
}
