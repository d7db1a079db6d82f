//! `tests/vectors/logs/`: a log record in, an event out, as every language runs them.
//!
//! `SINKWELL_BLESS=1` writes what the core answers into the files, to be read before it is kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sinkwell::bridge::{emit_log, event_of_record};
use sinkwell::config::{Config, Source};
use sinkwell::json::{Plain, Value, parse};
use sinkwell::memory::MemorySink;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, HostSink, Options, Wait};

mod common;
use common::cases;

/// Writes a record as a host would, with the values that JSON has not (`$double`, `$integer`, `$bytes`).
fn write(plain: &mut Plain, value: &Value) {
    use base64::Engine as _;
    let marked = |name: &str| value.get(name).and_then(Value::as_str).filter(|_| value.members().len() == 1);
    match value {
        _ if marked("$double").is_some() => plain.double(marked("$double").unwrap().parse().unwrap()),
        _ if marked("$integer").is_some() => plain.integer(marked("$integer").unwrap().parse().unwrap()),
        _ if marked("$bytes").is_some() => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(marked("$bytes").unwrap());
            plain.binary(&bytes.unwrap());
        }
        Value::Null => plain.nothing(),
        Value::Bool(truth) => plain.truth(*truth),
        Value::Int(integer) => plain.integer((*integer).into()),
        Value::Float(double) => plain.double(*double),
        Value::String(text) => plain.text(text.as_bytes()),
        Value::Array(items) => {
            plain.list();
            items.iter().for_each(|item| write(plain, item));
            plain.end();
        }
        Value::Object(members) => {
            plain.object();
            for (key, member) in members {
                plain.name(key);
                write(plain, member);
            }
            plain.end();
        }
    }
}

#[test]
fn records_are_the_events_that_the_vectors_say() {
    let bless = std::env::var_os("SINKWELL_BLESS").is_some();
    for mut file in cases("logs") {
        file.only(&file.value, &["name", "about", "cases"]);
        let list = file.member(&file.value, "cases").items().to_vec();
        assert!(!list.is_empty(), "{}: no cases", file.name);
        let mut blessed = Vec::new();
        for case in &list {
            file.only(case, &["name", "record", "event"]);
            let name = format!("{}: {}", file.name, file.text(case, "name"));
            let mut plain = Plain::new();
            write(&mut plain, file.member(case, "record"));
            let got = event_of_record(&plain.finish());
            // What the cases call MARKER are the words of people: they are in content, and nowhere else.
            let Value::Object(members) = &got else { panic!("{name}: no object") };
            for (member, value) in members.iter().filter(|(member, _)| member != "content") {
                assert!(!value.to_json().contains("MARKER"), "{name}: {member}");
            }
            let text = |value: &Value| String::from_utf8(value.to_canonical().unwrap()).unwrap();
            if bless {
                let mut members = case.members().to_vec();
                members.retain(|(key, _)| key != "event");
                members.push(("event".to_owned(), got));
                blessed.push(Value::Object(members));
            } else {
                assert_eq!(text(&got), text(file.member(case, "event")), "{name}");
            }
        }
        if bless {
            if let Value::Object(members) = &mut file.value {
                members.retain(|(key, _)| key != "cases");
                members.push(("cases".into(), Value::Array(blessed)));
            }
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/logs");
            std::fs::write(path.join(format!("{}.json", file.name)), file.value.to_json() + "\n").unwrap();
        }
    }
}

/// An emitter with an envelope of at most 4 KiB whose lane may see every word, and its sink.
fn open() -> (Emitter, MemorySink) {
    let document = r#"{"agent":{"id":"a"},"limits":{"envelope":"4KiB"},"heartbeat":"off",
        "governance":{"content":{"mode":"raw","redaction":{"id":"none","detectors":[]},
        "retention":{"class":"short","window":"30d"},"sampling":{"key":"event","rate":{"numerator":1,"denominator":1}},
        "limits":{"bytes":"1MiB"}}},
        "lanes":[{"id":"m","sink":{"host":"m"},"content":{"mode":"raw","classes":["message"]}}]}"#;
    let config = Config::load(Source::Mapping(document.into()), &SystemEnv::default()).unwrap();
    let memory = MemorySink::default();
    let kept = memory.clone();
    let make = Arc::new(move || Ok(Box::new(kept.clone()) as Box<dyn sinkwell::sink::Sink>));
    let sinks = vec![HostSink { name: "m".into(), lane: config.lanes[0].clone(), make }];
    (Emitter::open(Options { config, sinks, signer: None, manual: false }).unwrap(), memory)
}

/// The records, as sealed.
fn sealed(memory: &MemorySink) -> Vec<Value> {
    let lines = memory.envelopes().into_iter().filter(|envelope| !envelope.own);
    lines.map(|envelope| parse(&envelope.bytes).unwrap()).collect()
}

#[test]
fn no_log_record_is_refused_for_what_it_says() {
    let (emitter, memory) = open();
    let long = "word \\u0001\\\" ".repeat(2_000);
    let deep = "[".repeat(400) + &"]".repeat(400);
    let many = format!("[{}0]", "0,".repeat(20_000));
    let name = "n".repeat(20_000);
    let records: Vec<Vec<u8>> = [
        String::new(),
        "a line of no form at all".into(),
        "{\"message\":".into(),
        "[]".into(),
        "null".into(),
        format!(r#"{{"message":"{long}"}}"#),
        format!(r#"{{"message":"{long}","attributes":{{"a":"{long}"}},"exception":{{"stack":"{long}"}}}}"#),
        format!(r#"{{"message":"m","attributes":{{"a":{deep},"b":{many}}}}}"#),
        format!(
            r#"{{"logger":"{name}","level":"{name}","event_name":"{name}","run":"{name}","exception":{{"type":"{name}"}}}}"#
        ),
        format!(r#"{{"message":"m","code":{{"function":"{name}","module":"{name}","file":"{name}"}}}}"#),
        r#"{"permit":"raw","message":"a","message":"b","attributes":{"a":1,"a":2,"a#2":3}}"#.into(),
        r#"{"permit":"raw","message":"\ud800 \udc00 \ud83d\ude00","attributes":{"n":12345678901234567890,"m":1e999,"x":NaN,"y":-Infinity}}"#
            .into(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .chain([b"{\"message\":\"\xff\xfe\"}".to_vec(), b"{k\x01\x00\x00\x00as".to_vec(), vec![0xFF; 64]])
    .collect();
    for record in &records {
        emit_log(&emitter, record, &Wait::Allowed).unwrap();
    }
    emitter.shutdown(Duration::from_secs(20));
    assert_eq!((sealed(&memory).len(), emitter.refused()), (records.len(), 0));
    let text = sealed(&memory).iter().map(Value::to_json).collect::<String>();
    for spelled in
        [r#"\"n\":\"12345678901234567890\""#, r#"\"m\":\"1e999\""#, r#"\"y\":\"-Infinity\""#, r#"\"a#3\":2"#]
    {
        assert!(text.contains(spelled), "{spelled}");
    }
}

#[test]
fn words_beyond_the_limit_are_cut_with_their_length_and_digest() {
    let (emitter, memory) = open();
    let words = "wörd ".repeat(4_000);
    let record = format!(r#"{{"level":"error","message":"{words}","permit":"raw"}}"#);
    emit_log(&emitter, record.as_bytes(), &Wait::Allowed).unwrap();
    emitter.shutdown(Duration::from_secs(20));
    let record = sealed(&memory).remove(0);
    assert_eq!(record.get("severitytext").and_then(Value::as_str), Some("ERROR"));
    let data = record.get("data").unwrap();
    assert_eq!(data.get("respelled"), Some(&Value::Int(1)));
    let text =
        data.get("disclosures").unwrap().items()[0].get("text").and_then(Value::as_str).unwrap().to_owned();
    // By `python3 -c "import hashlib; print(hashlib.sha256(('wörd ' * 4000).encode()).hexdigest())"`.
    const DIGEST: &str = "d03b3065c0ab4f3a1c2493241254c3a11e0994f9c873559bb133c3af83a4ff57";
    assert!(text.starts_with("wörd wörd") && text.len() <= 512, "{text}");
    assert!(text.ends_with(&format!("… [cut: 24000 bytes, sha256 {DIGEST}]")), "{text}");
}
