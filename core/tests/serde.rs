//! The feature `serde`: any `Serialize` as an event's data, with the bytes and the refusals of its JSON text; envelopes and
//! reports read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::json::{JsonError, ObjectWriter, Value, parse_into};
use sinkwell::memory::MemorySink;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::Sink;
use sinkwell::verify::{Options as Verifying, Report, Verifier};
use sinkwell::{Emitter, Event, EventInput, HostSink, Options, SignedGovernanceEvent};

type Written = Result<String, (Option<String>, String)>;

fn written(write: impl FnOnce(&mut ObjectWriter) -> Result<(), JsonError>) -> Written {
    let mut writer = ObjectWriter::new();
    write(&mut writer).map_err(|e| (e.path().map(str::to_owned), e.message().to_owned()))?;
    Ok(String::from_utf8(writer.finish().unwrap().bytes().to_vec()).unwrap())
}

fn ours<T: Serialize + ?Sized>(data: &T) -> Written {
    written(|writer| writer.serialize(data))
}

/// Through the text that serde_json writes, as somebody does without the feature.
fn through_json<T: Serialize + ?Sized>(data: &T) -> Written {
    let text = serde_json::to_vec(data).unwrap();
    written(|writer| parse_into(&text, writer))
}

fn refused<T: Serialize + ?Sized>(data: &T) -> (String, String) {
    let (path, message) = ours(data).unwrap_err();
    (path.unwrap_or_default(), message)
}

#[derive(Clone, Debug, Serialize)]
enum Variant {
    Unit,
    New(Box<Any>),
    Tuple(i64, Option<bool>),
    #[serde(rename = "struct")]
    Struct {
        z: f64,
        a: String,
    },
}

#[derive(Clone, Debug, Serialize)]
struct Unit;

#[derive(Clone, Debug, Serialize)]
struct New(Vec<Any>);

#[derive(Clone, Debug, Serialize)]
struct Flat {
    tail: u16,
    #[serde(flatten)]
    rest: BTreeMap<String, Any>,
}

/// Whatever serde's data model has.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Any {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    Small(i8),
    Float(f64),
    Single(f32),
    Char(char),
    Text(String),
    Option(Option<Box<Any>>),
    Unit(Unit),
    Tuple((u8, f32, String)),
    Fixed([i16; 3]),
    List(New),
    Map(BTreeMap<String, Any>),
    Variant(Variant),
    Flat(Flat),
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]{0,2}", "\\PC{0,3}", Just("\u{1F600}".to_owned()), Just("\u{FFFD}".to_owned())]
}

fn leaf() -> impl Strategy<Value = Any> {
    let text = prop_oneof!["\\PC{0,12}", "[\\x00-\\x1f\"\\\\]{0,4}"];
    // serde_json writes NaN and infinities as null; here they are refused (below).
    let float = prop_oneof![30 => -1e6..1e6f64, 10 => -1.0..1e-300, 1 => any::<f64>()]
        .prop_filter("finite", |f| f.is_finite());
    let single = prop_oneof![30 => -1e3..1e3f32, 1 => any::<f32>()].prop_filter("finite", |f| f.is_finite());
    prop_oneof![
        any::<bool>().prop_map(Any::Bool),
        prop_oneof![30 => -(1i64 << 53) + 1..1 << 53, 1 => any::<i64>()].prop_map(Any::Signed),
        prop_oneof![30 => 0..1u64 << 53, 1 => any::<u64>()].prop_map(Any::Unsigned),
        prop_oneof![30 => -9..1i128 << 53, 1 => any::<i128>()].prop_map(Any::Wide),
        any::<i8>().prop_map(Any::Small),
        float.prop_map(Any::Float),
        single.clone().prop_map(Any::Single),
        any::<char>().prop_map(Any::Char),
        text.clone().prop_map(Any::Text),
        Just(Any::Unit(Unit)),
        Just(Any::Option(None)),
        Just(Any::Variant(Variant::Unit)),
        (any::<u8>(), single, text).prop_map(Any::Tuple),
        any::<[i16; 3]>().prop_map(Any::Fixed),
        (-9..9i64, any::<Option<bool>>()).prop_map(|(n, b)| Any::Variant(Variant::Tuple(n, b))),
    ]
}

fn anything() -> impl Strategy<Value = Any> {
    leaf().prop_recursive(5, 40, 5, |inner| {
        let map = prop::collection::btree_map(key(), inner.clone(), 0..5).boxed();
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| Any::List(New(items))),
            map.clone().prop_map(Any::Map),
            (any::<u16>(), map).prop_map(|(tail, rest)| Any::Flat(Flat { tail, rest })),
            inner.clone().prop_map(|value| Any::Option(Some(Box::new(value)))),
            inner.prop_map(|value| Any::Variant(Variant::New(Box::new(value)))),
            (-1e3..1e3, key()).prop_map(|(z, a)| Any::Variant(Variant::Struct { z, a })),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_bytes_and_the_refusals_are_those_of_the_json_text(
        members in prop::collection::btree_map(key(), anything(), 0..6),
    ) {
        let (ours, text) = (ours(&members), through_json(&members));
        // Two values far out are refused in other words: an i128 has no bound there that the text's reader would name.
        match (&ours, &text) {
            (Err((ours, _)), Err((text, _))) => prop_assert_eq!(ours, text),
            _ => prop_assert_eq!(ours, text),
        }
    }
}

#[derive(Serialize)]
struct At<T> {
    first: u8,
    list: Vec<BTreeMap<&'static str, T>>,
}

fn at<T>(value: T) -> At<T> {
    At { first: 1, list: vec![BTreeMap::from([("k", value)])] }
}

#[test]
fn refusals_name_their_path_in_the_words_of_the_writer() {
    const UNSAFE: &str = "outside ±(2^53−1)";
    let deep = (0..70).fold(serde_json::json!(1), |value, _| serde_json::json!([value]));
    for (refusal, words) in [
        (refused(&at(f64::NAN)), "NaN and infinities have no JSON form"),
        (refused(&at(f32::INFINITY)), "NaN and infinities have no JSON form"),
        (refused(&at(1i64 << 53)), UNSAFE),
        (refused(&at(u64::MAX)), UNSAFE),
        (refused(&at(u128::MAX)), UNSAFE),
        (refused(&at(i128::MIN)), UNSAFE),
        (refused(&at(1e21)), UNSAFE),
        (refused(&at(Bytes(b"x"))), "bytes have no JSON form"),
        (refused(&at(Failing)), "no reading today"),
    ] {
        assert_eq!(refusal.0, "list[0].k", "{}", refusal.1);
        assert!(refusal.1.contains(words), "{}", refusal.1);
    }
    let keys = [
        (refused(&at(BTreeMap::from([(7, 1)]))), "list[0].k.7", "a key must be a string, not a number"),
        (refused(&at(BTreeMap::from([(true, 1)]))), "list[0].k.true", "not a boolean"),
        (refused(&at(BTreeMap::from([(None::<&str>, 1)]))), "list[0].k.<null>", "not null"),
        (refused(&at(BTreeMap::from([([1], 1)]))), "list[0].k.<a list>", "not a list"),
    ];
    for (refusal, path, words) in keys {
        assert_eq!(refusal.0, path);
        assert!(refusal.1.contains(words), "{}", refusal.1);
    }
    let (path, words) = refused(&at(deep));
    assert!(
        path.starts_with("list[0].k[0][0]") && words.contains("nested deeper than 64"),
        "{path}: {words}"
    );
    let (path, words) = refused(&Twice { tail: 1, rest: BTreeMap::from([("tail", 2)]) });
    assert_eq!((path.as_str(), words.as_str()), ("tail", "the key \"tail\" is there twice"));
    for (path, words) in [refused(&1), refused("text"), refused(&()), refused(&[1]), refused(&None::<u8>)] {
        assert_eq!((path.as_str(), words.as_str()), ("", "data must be an object"));
    }
}

#[derive(Serialize)]
struct Twice {
    tail: u8,
    #[serde(flatten)]
    rest: BTreeMap<&'static str, u8>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no reading today"))
    }
}

#[test]
fn keys_that_are_text_are_keys() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Unit {
        A,
    }
    assert_eq!(ours(&BTreeMap::from([('c', 1)])).as_deref(), Ok(r#"{"c":1}"#));
    assert_eq!(ours(&BTreeMap::from([(Unit::A, 1)])).as_deref(), Ok(r#"{"A":1}"#));
    assert_eq!(ours(&BTreeMap::from([(Some("s"), 1)])).as_deref(), Ok(r#"{"s":1}"#));
}

#[test]
fn an_enum_that_holds_something_can_be_the_whole_of_the_data() {
    #[derive(Serialize)]
    enum Whole {
        Struct { b: u8, a: u8 },
        Tuple(u8, u8),
        New(Option<u8>),
    }
    for (value, expected) in [
        (Whole::Struct { b: 1, a: 2 }, r#"{"Struct":{"a":2,"b":1}}"#),
        (Whole::Tuple(1, 2), r#"{"Tuple":[1,2]}"#),
        (Whole::New(None), r#"{"New":null}"#),
    ] {
        assert_eq!(ours(&value).as_deref(), Ok(expected));
        assert_eq!(ours(&Some(&value)).as_deref(), Ok(expected));
    }
}

/// Somebody in the tree may have turned on serde_json's `arbitrary_precision` or `raw_value`.
#[test]
fn numbers_and_texts_that_serde_json_keeps_as_they_are_go_in_as_what_they_say() {
    #[derive(Clone, Serialize)]
    #[serde(rename = "$serde_json::private::Number")]
    struct Number {
        #[serde(rename = "$serde_json::private::Number")]
        text: &'static str,
    }
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct Raw {
        #[serde(rename = "$serde_json::private::RawValue")]
        text: &'static str,
    }
    let number = |text| BTreeMap::from([("n", Number { text })]);
    assert_eq!(ours(&number("1.50")).as_deref(), Ok(r#"{"n":1.5}"#));
    assert_eq!(refused(&number("9007199254740993")).0, "n");
    let raw = BTreeMap::from([("r", Raw { text: r#"{ "b": [1, 2.0], "a": null }"# })]);
    assert_eq!(ours(&raw).as_deref(), Ok(r#"{"r":{"a":null,"b":[1,2]}}"#));
    assert_eq!(refused(&BTreeMap::from([("r", Raw { text: r#"{"a": [}"# })])).0, "r.a[0]");
}

/// An emitter without threads, and what its lane has delivered.
fn emitter(more: &str) -> (Emitter, MemorySink) {
    let document =
        format!(r#"{{"agent":{{"id":"a"}},"lanes":[{{"id":"out","sink":{{"host":"kept"}}}}]{more}}}"#);
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let kept = MemorySink::default();
    let sink = kept.clone();
    let make = Arc::new(move || Ok(Box::new(sink.clone()) as Box<dyn Sink>));
    let sinks = vec![HostSink { name: "kept".to_owned(), lane: config.lanes[0].clone(), make }];
    (Emitter::open(Options { manual: true, sinks, ..Options::new(config) }).unwrap(), kept)
}

fn lines(emitter: &Emitter, kept: &MemorySink) -> Vec<Vec<u8>> {
    emitter.drain("out").unwrap();
    kept.envelopes().iter().map(|envelope| envelope.bytes.to_vec()).collect()
}

#[test]
fn data_and_single_members_make_one_object() {
    #[derive(Serialize)]
    struct Call {
        tool: &'static str,
        outcome: &'static str,
    }
    let (emitter, kept) = emitter(r#","limits":{"depth":2}"#);
    let call = Call { tool: "search", outcome: "ok" };
    Event::new("tool.invocation").with("zone", "b").data(&call).with("area", 1).emit_to(&emitter).unwrap();
    let refused =
        Event::new("tool.invocation").data(&call).with("tool", "other").emit_to(&emitter).unwrap_err();
    assert_eq!(refused.place(), Some("data.tool"));
    // The limit is the emitter's own.
    let deep = BTreeMap::from([("a", [[1]])]);
    let refused = Event::new("com.example.deep").data(&deep).emit_to(&emitter).unwrap_err();
    assert_eq!(refused.place(), Some("data.a[0]"));
    let events: Vec<SignedGovernanceEvent> =
        lines(&emitter, &kept).iter().map(|line| serde_json::from_slice(line).unwrap()).collect();
    let event = events.iter().find(|event| !event.is_own()).unwrap();
    assert_eq!(event.data().to_json(), r#"{"area":1,"outcome":"ok","tool":"search","zone":"b"}"#);
}

/// A value that emits while it is read must not meet the buffer that is being written.
#[test]
fn a_value_may_emit_while_it_is_written() {
    struct Telling<'a>(&'a Emitter);
    impl Serialize for Telling<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            Event::new("com.example.inner").data(&BTreeMap::from([("inner", 1)])).emit_to(self.0).unwrap();
            serializer.serialize_str("outer")
        }
    }
    let (emitter, kept) = emitter("");
    let data = BTreeMap::from([("said", Telling(&emitter))]);
    Event::new("com.example.outer").data(&data).emit_to(&emitter).unwrap();
    let said: Vec<String> = lines(&emitter, &kept)
        .iter()
        .map(|line| SignedGovernanceEvent::from_line(line).unwrap())
        .filter(|event| !event.is_own())
        .map(|event| event.data().to_json())
        .collect();
    assert_eq!(said, [r#"{"inner":1}"#, r#"{"said":"outer"}"#]);
}

#[test]
fn envelopes_are_read_back_with_their_bytes() {
    let (emitter, kept) = emitter("");
    Event::new("tool.invocation").with("tool", "s").with("outcome", "ok").run("r").emit_to(&emitter).unwrap();
    for line in lines(&emitter, &kept) {
        let event: SignedGovernanceEvent = serde_json::from_slice(&line).unwrap();
        assert_eq!(event.bytes(), line);
        // What other software wrote anew, in an order of its own, is the same envelope.
        let pretty = serde_json::to_string_pretty(&event).unwrap();
        let again: SignedGovernanceEvent = serde_json::from_str(&pretty).unwrap();
        assert_eq!(again.bytes(), line);
        assert_eq!(again.idempotency_key(), event.idempotency_key());
    }
    assert!(serde_json::from_str::<SignedGovernanceEvent>("{}").is_err());
    assert!(serde_json::from_str::<SignedGovernanceEvent>(r#"{"id":"a","id":"b"}"#).is_err());
}

#[test]
fn a_report_is_read_back_as_it_was() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/verify");
    let mut verifier = Verifier::new(Verifying::default());
    for case in ["altered_chain", "after_close", "conflict"] {
        let case = std::fs::read(folder.join(case).with_extension("json")).unwrap();
        let case: serde_json::Value = serde_json::from_slice(&case).unwrap();
        let lines = case["inputs"][0]["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        verifier.read_items(lines.map(Ok), "lines").unwrap();
    }
    let report = verifier.finish().unwrap();
    assert!(report.all_findings().count() > 2 && !report.streams.is_empty());
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(text, report.to_json().to_json());
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let odd = text.replacen("\"erased\"", "\"erazed\"", 1);
    let error = serde_json::from_str::<Report>(&odd).unwrap_err().to_string();
    assert!(error.contains("erased is missing"), "{error}");
}

#[test]
fn a_json_value_comes_from_and_goes_to_any_format() {
    let text = r#"{"b":[1,-2,0.5,true,null],"a":{"k":"v"},"big":1e300}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(value.to_json(), text.replace("1e300", "1e+300"));
    #[derive(Deserialize, Serialize)]
    struct Holder {
        value: Value,
    }
    let holder: Holder = serde_json::from_str(r#"{"value":{"x":3.0}}"#).unwrap();
    assert_eq!(serde_json::to_string(&holder).unwrap(), r#"{"value":{"x":3}}"#);
    assert_eq!(ours(&holder).as_deref(), Ok(r#"{"value":{"x":3}}"#));
    assert!(serde_json::from_str::<Value>(r#"{"a":1,"a":2}"#).is_err());
}

/// A dozen members, as many events have.
#[derive(Serialize)]
struct Dozen {
    a: &'static str,
    b: &'static str,
    c: String,
    d: i64,
    e: u32,
    f: f64,
    g: bool,
    h: Option<&'static str>,
    i: [u8; 3],
    j: BTreeMap<&'static str, f32>,
    k: char,
    l: Option<u64>,
}

#[test]
fn a_struct_costs_no_allocation_beyond_the_events() {
    let document = r#"{"agent":{"id":"a"},"lanes":["null"]}"#.to_owned();
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    // What is left of an emit when no lane is on: the event and its receipt are made.
    let emitter = Emitter::open(Options::new(Config { disabled: true, ..config })).unwrap();
    let data = Dozen {
        a: "search",
        b: "a text with \"quotes\" and\nlines",
        c: "owned".to_owned(),
        d: -7,
        e: 9,
        f: 18.25,
        g: true,
        h: None,
        i: [1, 2, 3],
        j: BTreeMap::from([("x", 0.1)]),
        k: 'k',
        l: Some(3),
    };
    let mut writer = ObjectWriter::new();
    writer.serialize(&data).unwrap();
    let ready = || {
        let input = EventInput { data: Data::Object(&writer), ..EventInput::new("com.example.dozen") };
        drop(emitter.emit(input).unwrap());
    };
    let serialized = || drop(Event::new("com.example.dozen").data(&data).emit_to(&emitter).unwrap());
    // The first time, buffers that the thread keeps grow.
    ready();
    serialized();
    let counted = |emit: &dyn Fn()| allocation_counter::measure(emit).count_total;
    let (ready, serialized) = (counted(&ready), counted(&serialized));
    assert!(ready > 0);
    assert_eq!(serialized, ready);
}
