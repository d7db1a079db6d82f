//! Envelopes as log records, read back by an independent decoder.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use proptest::prelude::*;
use prost::Message;

use super::receiver::Lines;
use super::{batch, envelope, envelope_with, facts, from_bytes, settings, sink_of};
use crate::json::{self, Value};
use crate::sink::Envelope;
use crate::sinks::otlp::request::{GRPC_PREFIX, Next, RequestWriter};
use crate::sinks::otlp::semconv::Names;
use crate::sinks::otlp::{OtlpBody, OtlpConfig};

fn writer(config: &OtlpConfig) -> RequestWriter {
    let settings = settings(config, &[]).unwrap();
    RequestWriter::new(&settings.resource, settings.body, settings.max_request_bytes)
}

fn encode(config: &OtlpConfig, batch: &[Envelope]) -> ExportLogsServiceRequest {
    match writer(config).next(batch) {
        Next::Request { message, envelopes } => {
            assert_eq!(envelopes, batch.len());
            assert_eq!(message[1..5], u32::try_from(message.len() - GRPC_PREFIX).unwrap().to_be_bytes());
            ExportLogsServiceRequest::decode(&message[GRPC_PREFIX..]).unwrap()
        }
        Next::TooLarge { .. } | Next::Malformed => panic!("no request"),
    }
}

fn record(config: &OtlpConfig, envelope: &Envelope) -> LogRecord {
    let request = encode(config, std::slice::from_ref(envelope));
    request.resource_logs[0].scope_logs[0].log_records[0].clone()
}

fn plain(value: &AnyValue) -> Value {
    match value.value.as_ref() {
        None => Value::Null,
        Some(Any::StringValue(s)) => Value::String(s.clone()),
        Some(Any::BoolValue(b)) => Value::Bool(*b),
        Some(Any::IntValue(i)) => Value::Int(*i),
        Some(Any::DoubleValue(d)) => Value::Float(*d),
        Some(Any::ArrayValue(list)) => Value::Array(list.values.iter().map(plain).collect()),
        Some(Any::KvlistValue(map)) => Value::Object(map.values.iter().map(pair).collect()),
        Some(other) => panic!("{other:?}"),
    }
}

fn pair(pair: &KeyValue) -> (String, Value) {
    (pair.key.clone(), plain(pair.value.as_ref().unwrap()))
}

/// The attributes; a key that comes twice is an error.
fn attributes(record: &LogRecord) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    for (key, value) in record.attributes.iter().map(pair) {
        assert!(map.insert(key.clone(), value).is_none(), "{key} twice");
    }
    map
}

/// The attributes that come from `data`.
fn data_attributes(data: &str) -> BTreeMap<String, Value> {
    let record = record(&OtlpConfig::default(), &envelope_with(1, data, &[]));
    let mut map = attributes(&record);
    map.retain(|key, _| !key.starts_with("cloudevents.") && !key.starts_with("sinkwell."));
    map
}

fn tree(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap()
}

#[test]
fn every_attribute_of_an_envelope_has_its_place() {
    let extra = [
        ("subject", r#""tool:search""#),
        ("runid", r#""r-1""#),
        ("traceparent", r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#),
        ("tracestate", r#""a=b""#),
        ("somethingnew", r#""of 1.7""#),
    ];
    let envelope = envelope_with(7, r#"{"outcome":"ok"}"#, &extra);
    let record = record(&OtlpConfig::default(), &envelope);
    assert_eq!(record.time_unix_nano, super::NOW + 1);
    assert_eq!(record.observed_time_unix_nano, super::NOW + 2);
    assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "INFO"));
    assert_eq!(record.event_name, "dev.sinkwell.tool.invocation");
    assert_eq!(record.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(record.span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(record.flags, 1);
    assert_eq!(
        plain(record.body.as_ref().unwrap()),
        Value::String(String::from_utf8(envelope.bytes.to_vec()).unwrap())
    );
    let attributes = attributes(&record);
    let expected = [
        ("cloudevents.event_id", "0198c000-0000-7000-8000-000000000007"),
        ("cloudevents.event_source", "urn:a"),
        ("cloudevents.event_spec_version", "1.0"),
        ("cloudevents.event_subject", "tool:search"),
        ("cloudevents.event_type", "dev.sinkwell.tool.invocation"),
        ("outcome", "ok"),
        ("sinkwell.agentid", "urn:a"),
        ("sinkwell.datacontenttype", "application/json"),
        ("sinkwell.dataschema", "https://sinkwell.dev/schemas/governance-event/1.0"),
        ("sinkwell.event.digest", &"00".repeat(32)),
        ("sinkwell.hash", &"00".repeat(32)),
        ("sinkwell.prevhash", &"ab".repeat(32)),
        ("sinkwell.runid", "r-1"),
        ("sinkwell.sequence", "00000000000000000007"),
        ("sinkwell.somethingnew", "of 1.7"),
        ("sinkwell.streamid", "0198c000-0000-7000-8000-000000000000"),
        ("sinkwell.tracestate", "a=b"),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(k, v)| (k.to_owned(), Value::from(v))).into();
    assert_eq!(attributes, expected);
}

#[test]
fn a_traceparent_that_is_none_stays_an_attribute() {
    for bad in [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "é",
    ] {
        let quoted = format!("\"{bad}\"");
        let record = record(&OtlpConfig::default(), &envelope_with(1, "{}", &[("traceparent", &quoted)]));
        assert!(record.trace_id.is_empty() && record.span_id.is_empty(), "{bad}");
        assert_eq!(attributes(&record)["sinkwell.traceparent"], bad.into());
    }
}

#[test]
fn data_is_flattened_with_the_types_it_has() {
    let given = data_attributes(
        r#"{"a":{"b":{"c":1}},"big":1e21,"deep":[[1,null,{"x":"y"}]],"empty":{},"error.type":"t\"\n\u0001é","f":1.5,"n":null,"neg":-3,"t":true,"list":[]}"#,
    );
    let expected = [
        ("a.b.c", tree("1")),
        ("big", Value::Float(1e21)),
        ("deep", tree(r#"[[1,null,{"x":"y"}]]"#)),
        ("error.type", "t\"\n\u{1}é".into()),
        ("f", Value::Float(1.5)),
        ("list", Value::Array(Vec::new())),
        ("neg", Value::Int(-3)),
        ("t", Value::Bool(true)),
    ];
    assert_eq!(given, expected.map(|(k, v)| (k.to_owned(), v)).into());
}

#[test]
fn of_two_members_with_one_name_the_less_nested_is_taken() {
    let given = data_attributes(r#"{"":{"a":0},"a":{"b":1,"c":{"d":2}},"a.b":3,"a.c":{"d":4},"a.c.d":5}"#);
    let expected = [("a", 0), ("a.b", 3), ("a.c.d", 5)];
    assert_eq!(given, expected.map(|(k, v)| (k.to_owned(), Value::Int(v))).into());
}

#[test]
fn data_cannot_imitate_the_envelope() {
    let data = r#"{"cloudevents.event_id":"forged","sinkwell":{"agentid":"forged"},"sinkwell.sequence":"9"}"#;
    let attributes = attributes(&record(&OtlpConfig::default(), &envelope_with(1, data, &[])));
    assert_eq!(attributes["sinkwell.agentid"], "urn:a".into());
    assert_eq!(attributes["sinkwell.sequence"], "00000000000000000001".into());
    assert!(!attributes.values().any(|value| *value == "forged".into()));
}

#[test]
fn names_of_the_conventions_are_sent_as_they_are() {
    let names = Names::get();
    assert!(names.data.len() > 20 && names.schema_url.starts_with("https://opentelemetry.io/schemas/"));
    assert!(!format!("{names:?}").contains("\"\""), "{names:?}");
    let members: Vec<_> = names.data.iter().map(|name| (name.clone(), Value::from("v"))).collect();
    let data = String::from_utf8(Value::Object(members).to_canonical().unwrap()).unwrap();
    assert!(data_attributes(&data).keys().eq(names.data.iter().collect::<std::collections::BTreeSet<_>>()));
}

#[test]
fn disclosed_content_has_the_names_of_the_conventions_and_undisclosed_none() {
    let commitments = r#"[{"class":"prompt","mediatype":"text/plain"},{"class":"completion","mediatype":"text/plain"},{"class":"system","mediatype":"text/plain"},{"class":"tool_arguments","mediatype":"application/json"},{"class":"tool_result","mediatype":"text/plain"},{"class":"prompt","mediatype":"image/png","role":"user"},{"class":"memory","mediatype":"text/plain"}]"#;
    let disclosures = r#"[{"part":0,"salt":"s","text":"hi"},{"part":1,"salt":"s","text":"hello"},{"part":2,"salt":"s","text":"be kind"},{"part":3,"salt":"s","text":"{}"},{"part":4,"salt":"s","text":"42"},{"bytes":"AAEC","part":5,"salt":"s"},{"part":6,"salt":"s","text":"remembered"}]"#;
    let undisclosed = data_attributes(&format!(r#"{{"content":{commitments}}}"#));
    assert_eq!(undisclosed.keys().collect::<Vec<_>>(), ["content"]);

    let given = data_attributes(&format!(r#"{{"content":{commitments},"disclosures":{disclosures}}}"#));
    let message = |role: &str, parts: &str| format!(r#"[{{"parts":[{parts}],"role":"{role}"}}]"#);
    let text = |content: &str| format!(r#"{{"content":"{content}","type":"text"}}"#);
    let image = r#"{"content":"AAEC","mime_type":"image/png","modality":"image","type":"blob"}"#;
    let input =
        format!(r#"[{{"parts":[{}],"role":"user"}},{{"parts":[{image}],"role":"user"}}]"#, text("hi"));
    let expected = [
        ("content", tree(commitments)),
        ("gen_ai.input.messages", tree(&input)),
        ("gen_ai.output.messages", tree(&message("assistant", &text("hello")))),
        ("gen_ai.system_instructions", tree(&format!("[{}]", text("be kind")))),
        ("gen_ai.tool.call.arguments", "{}".into()),
        ("gen_ai.tool.call.result", "42".into()),
    ];
    assert_eq!(given, expected.map(|(k, v)| (k.to_owned(), v)).into());
}

#[test]
fn what_the_host_named_by_convention_itself_comes_first() {
    let data = r#"{"content":[{"class":"tool_result"}],"disclosures":[{"part":0,"text":"ours"}],"gen_ai.tool.call.result":"theirs"}"#;
    assert_eq!(data_attributes(data)["gen_ai.tool.call.result"], "theirs".into());
}

#[test]
fn the_body_is_string_map_or_none() {
    let envelope = envelope(1);
    let body = |body| record(&OtlpConfig { body, ..OtlpConfig::default() }, &envelope).body;
    assert_eq!(body(OtlpBody::None), None);
    let map = plain(&body(OtlpBody::Map).unwrap());
    assert_eq!(map.to_canonical().unwrap(), envelope.bytes.to_vec());
}

#[test]
fn nesting_deeper_than_receivers_bear_becomes_text() {
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let given = data_attributes(&format!(r#"{{"deep":{deep}}}"#));
    let mut value = &given["deep"];
    let mut levels = 0;
    while let Value::Array(items) = value {
        value = &items[0];
        levels += 1;
    }
    assert_eq!(levels, 16);
    assert_eq!(*value, Value::String(format!("{}1{}", "[".repeat(24), "]".repeat(24))));
}

#[test]
fn the_resource_says_who_sends() {
    let config = OtlpConfig { resource: vec![("team".into(), "doc".into())], ..OtlpConfig::default() };
    let variables =
        [("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,team=env,a%2Fb=x%2Cy"), ("OTEL_SERVICE_NAME", "shop")];
    let settings = settings(&config, &variables).unwrap();
    let mut writer = RequestWriter::new(&settings.resource, settings.body, settings.max_request_bytes);
    let Next::Request { message, .. } = writer.next(&batch(1)) else { panic!("no request") };
    let request = ExportLogsServiceRequest::decode(&message[GRPC_PREFIX..]).unwrap();
    let logs = &request.resource_logs[0];
    assert_eq!(logs.schema_url, Names::get().schema_url);
    let scope = logs.scope_logs[0].scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("sinkwell", env!("CARGO_PKG_VERSION")));
    let given: BTreeMap<_, _> = logs.resource.as_ref().unwrap().attributes.iter().map(pair).collect();
    let text = [
        ("a/b", "x,y"),
        ("host.arch", if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }),
        ("host.name", "box"),
        ("os.type", "linux"),
        ("process.executable.name", "agent"),
        ("process.executable.path", "/opt/agent"),
        ("service.name", "shop"),
        ("team", "doc"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "sinkwell"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let mut expected: BTreeMap<_, _> = text.map(|(k, v)| (k.to_owned(), Value::from(v))).into();
    expected.insert("process.pid".into(), Value::Int(i64::from(facts().pid)));
    assert_eq!(given, expected);
}

#[test]
fn requests_hold_as_much_as_fits_and_no_more() {
    let config = OtlpConfig { max_request_bytes: Some(16 * 1024), ..OtlpConfig::default() };
    let batch = batch(40);
    let mut writer = writer(&config);
    let (mut rest, mut lines, mut requests) = (&batch[..], Vec::new(), 0);
    while !rest.is_empty() {
        let Next::Request { message, envelopes } = writer.next(rest) else { panic!("no request") };
        let size = message.len() - GRPC_PREFIX;
        assert!(size <= 16 * 1024);
        assert!(rest.len() == envelopes || size > 14 * 1024, "{size} bytes, though more were there");
        lines.extend(ExportLogsServiceRequest::decode(&message[GRPC_PREFIX..]).unwrap().lines());
        rest = &rest[envelopes..];
        requests += 1;
    }
    assert!(requests > 1);
    let sent: Vec<_> = batch.iter().map(|e| String::from_utf8(e.bytes.to_vec()).unwrap()).collect();
    assert_eq!(lines, sent);
    // What a request would hold is what it holds.
    let Next::Request { message, envelopes } = writer.next(&batch) else { panic!("no request") };
    let mut sink = sink_of(&config, &[]);
    assert_eq!(sink.request_size(&batch), Some((envelopes, message.len() - GRPC_PREFIX)));
    assert_eq!(sink.request_size(&[]), None);
    assert_eq!(
        sink.request_size(&[envelope_with(1, &format!(r#"{{"v":"{}"}}"#, "x".repeat(17_000)), &[])]),
        None
    );
}

#[test]
fn no_prefix_of_an_envelope_is_one_and_none_panics() {
    let whole = envelope_with(1, r#"{"a":[1,{"b":"\u0001"}],"c":{"d":1.5e-7},"e":true,"n":null}"#, &[]);
    for end in 0..whole.bytes.len() {
        let cut = from_bytes(1, whole.bytes[..end].to_vec());
        assert!(matches!(writer(&OtlpConfig::default()).next(&[cut]), Next::Malformed), "{end}");
    }
}

#[test]
fn strings_of_any_length_with_an_escape_anywhere_arrive() {
    for len in 0..80 {
        for (at, escape) in (0..=len).flat_map(|at| [(at, "\""), (at, "\\")]) {
            let text = format!("{}{escape}{}", "x".repeat(at), "x".repeat(len - at));
            let data = Value::Object(vec![("v".into(), text.as_str().into())]).to_canonical().unwrap();
            let given = data_attributes(std::str::from_utf8(&data).unwrap());
            assert_eq!(given["v"], Value::from(text.as_str()));
        }
    }
}

#[test]
fn numbers_are_integers_as_far_as_every_reader_of_json_has_them() {
    for (text, value) in [
        ("0", Value::Int(0)),
        ("-7", Value::Int(-7)),
        ("9007199254740991", Value::Int(9_007_199_254_740_991)),
        ("-9007199254740991", Value::Int(-9_007_199_254_740_991)),
        ("9007199254740992", Value::Float(9_007_199_254_740_992.0)),
        ("123456789012345678", Value::Float(123_456_789_012_345_678.0)),
        ("123456789012345680000", Value::Float(123_456_789_012_345_680_000.0)),
        ("1e+21", Value::Float(1e21)),
        ("-0.25", Value::Float(-0.25)),
    ] {
        assert_eq!(data_attributes(&format!(r#"{{"v":{text}}}"#))["v"], value, "{text}");
    }
}

/// Any JSON that `data` can be, canonical or not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::Float),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map("[a-c.\"\n]{0,3}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Flattens as the documentation says, without a thought to speed.
fn flatten(path: &str, top: bool, value: &Value, depth: usize, out: &mut Vec<(String, usize, Value)>) {
    if let Value::Object(members) = value {
        for (key, value) in members {
            let path = if top || path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            flatten(&path, false, value, if top { 0 } else { depth + 1 }, out);
        }
    } else if !matches!(value, Value::Null) && !path.is_empty() {
        out.push((path.to_owned(), depth, value.clone()));
    }
}

/// Members of `data` as JSON text, with values that are each other's beginnings.
fn any_members() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    prop::collection::btree_map(
        prop::sample::select(vec![
            "aa",
            "ab",
            "a.b",
            "content",
            "disclosures",
            "sinkwell.x",
            "type",
            "id\\n",
        ]),
        prop::sample::select(vec![
            "1",
            "12",
            "1.5",
            "-1",
            "\"\"",
            "\"a\"",
            "\"a,\"",
            "\"a\\\"\"",
            "true",
            "null",
            "[1]",
            "[{\"class\":\"prompt\",\"part\":0,\"text\":\"x\"}]",
            "{\"b\":2}",
        ]),
        0..6,
    )
}

fn object(members: &BTreeMap<&str, &str>) -> String {
    let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The request for one envelope; none for what is no envelope.
fn request(writer: &mut RequestWriter, envelope: &Envelope) -> Option<Vec<u8>> {
    match writer.next(std::slice::from_ref(envelope)) {
        Next::Request { message, .. } => Some(message.to_vec()),
        Next::TooLarge { .. } | Next::Malformed => None,
    }
}

proptest! {
    #[test]
    fn any_data_is_flattened_as_documented(members in prop::collection::btree_map("[a-c.\"\n]{0,3}", any_json(), 0..5)) {
        let data = Value::Object(members.into_iter().collect());
        // As the canonical form has it: members sorted, numbers as JSON keeps them.
        let canonical = tree(std::str::from_utf8(&data.to_canonical().unwrap()).unwrap());
        let mut flat = Vec::new();
        flatten("", true, &canonical, 0, &mut flat);
        let mut expected: BTreeMap<String, (usize, Value)> = BTreeMap::new();
        for (key, depth, value) in flat {
            match expected.get(&key) {
                Some((known, _)) if *known <= depth => {}
                _ => { expected.insert(key, (depth, value)); }
            }
        }
        let text = String::from_utf8(data.to_canonical().unwrap()).unwrap();
        let given = data_attributes(&text);
        let expected: BTreeMap<_, _> = expected.into_iter().map(|(key, (_, value))| (key, value)).collect();
        prop_assert_eq!(given, expected);
    }

    /// Values that are each other's beginnings, in members that come and go: what lines looked like before changes nothing
    /// of what a line comes to.
    #[test]
    fn a_line_is_written_as_if_it_were_the_first(
        lines in prop::collection::vec(any_members(), 1..40),
        turn in prop::sample::select(vec!["1", "\"2\"", "\"22\""]),
    ) {
        let config = OtlpConfig::default();
        let mut one = writer(&config);
        for (members, n) in lines.iter().zip(1..) {
            let extra: &[(&str, &str)] = if n % 3 == 0 { &[("turnid", turn), ("runid", "\"r\"")] } else { &[] };
            let envelope = envelope_with(n, &object(members), extra);
            prop_assert_eq!(request(&mut one, &envelope), request(&mut writer(&config), &envelope));
        }
    }

    /// And what is no envelope is none, although it looks like one that was met before.
    #[test]
    fn a_broken_line_is_as_broken_as_if_it_were_the_first(
        lines in prop::collection::vec(any_members(), 1..6),
        breaks in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, prop::sample::select(b"{}[]\",:\\a1".to_vec())), 1..30),
    ) {
        let config = OtlpConfig::default();
        let mut one = writer(&config);
        let good: Vec<Envelope> = lines.iter().zip(1..).map(|(members, n)| envelope_with(n, &object(members), &[])).collect();
        for (n, (at, how, byte)) in (0..).zip(&breaks) {
            let envelope = &good[n % good.len()];
            prop_assert_eq!(request(&mut one, envelope), request(&mut writer(&config), envelope));
            let mut text = envelope.bytes.to_vec();
            let at = at.index(text.len());
            match how {
                0 => { text.remove(at); }
                1 => text.insert(at, *byte),
                2 => text[at] = *byte,
                _ => text.truncate(at),
            }
            let broken = from_bytes(1, text);
            prop_assert_eq!(request(&mut one, &broken), request(&mut writer(&config), &broken));
        }
    }

    #[test]
    fn any_map_body_is_the_envelope(value in any_json()) {
        let text = String::from_utf8(Value::Object(vec![("v".into(), value)]).to_canonical().unwrap()).unwrap();
        let envelope = envelope_with(1, &text, &[]);
        let config = OtlpConfig { body: OtlpBody::Map, ..OtlpConfig::default() };
        let body = plain(record(&config, &envelope).body.as_ref().unwrap());
        prop_assert_eq!(body.to_canonical().unwrap(), envelope.bytes.to_vec());
    }

    #[test]
    fn no_bytes_panic(mut text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\u01ae.tn ".to_vec()), 0..60)) {
        let _ = writer(&OtlpConfig::default()).next(&[from_bytes(1, text.clone())]);
        text.splice(0..0, *b"{\"data\":");
        let _ = writer(&OtlpConfig::default()).next(&[from_bytes(1, text)]);
    }
}
