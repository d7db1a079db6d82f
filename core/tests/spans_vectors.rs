//! `tests/vectors/spans/`: a span in, events out, as every language runs them.
//!
//! `SINKWELL_BLESS=1` writes what the core answers into the files, to be read before it is kept.

use std::path::Path;

use sinkwell::bridge::events_of_span;
use sinkwell::json::Value;

mod common;
use common::cases;

#[test]
fn spans_are_the_events_that_the_vectors_say() {
    let bless = std::env::var_os("SINKWELL_BLESS").is_some();
    for mut file in cases("spans") {
        file.only(&file.value, &["name", "about", "cases"]);
        let list = file.member(&file.value, "cases").items().to_vec();
        assert!(!list.is_empty(), "{}: no cases", file.name);
        let mut blessed = Vec::new();
        for case in &list {
            file.only(case, &["name", "span", "events", "error"]);
            let name = format!("{}: {}", file.name, file.text(case, "name"));
            let span = file.member(case, "span").to_json();
            let got = events_of_span(span.as_bytes());
            // What the cases call MARKER are the words of people where no gate is.
            let json = got.iter().flatten().map(Value::to_json).collect::<String>();
            assert!(!json.contains("MARKER"), "{name}: {json}");
            let answer = match &got {
                Ok(events) => ("events".to_owned(), Value::Array(events.clone())),
                Err(e) => (
                    "error".to_owned(),
                    Value::Object(vec![
                        ("kind".into(), e.kind().name().into()),
                        ("where".into(), e.place().unwrap_or_default().into()),
                    ]),
                ),
            };
            if bless {
                let mut members = case.members().to_vec();
                members.retain(|(key, _)| key != "events" && key != "error");
                members.push(answer);
                blessed.push(Value::Object(members));
            } else {
                let text = |value: &Value| String::from_utf8(value.to_canonical().unwrap()).unwrap();
                let want = case.get(&answer.0).unwrap_or_else(|| panic!("{name}: {}", text(&answer.1)));
                assert_eq!(text(&answer.1), text(want), "{name}");
            }
        }
        if bless {
            if let Value::Object(members) = &mut file.value {
                members.retain(|(key, _)| key != "cases");
                members.push(("cases".into(), Value::Array(blessed)));
            }
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/spans");
            std::fs::write(path.join(format!("{}.json", file.name)), file.value.to_json() + "\n").unwrap();
        }
    }
}

#[test]
fn what_is_no_json_object_is_no_span() {
    for (text, place) in
        [("", "span"), ("[]", "span"), (r#"{"name":"a","attributes":[]}"#, "span.attributes")]
    {
        let e = events_of_span(text.as_bytes()).unwrap_err();
        assert_eq!((e.kind().name(), e.place()), ("invalid_argument", Some(place)), "{text}");
    }
}
