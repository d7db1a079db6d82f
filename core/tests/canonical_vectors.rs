//! `tests/vectors/canonical/`: RFC 8785's own samples among them (tests/vectors/README.md has the schema).

mod common;

use common::cases;
use sinkwell::json::{Scan, Value, parse, write_f64};

#[test]
fn every_number_and_text_has_its_canonical_form() {
    for case in cases("canonical") {
        case.only(&case.value, &["name", "about", "numbers", "texts"]);
        let list = |key| case.value.get(key).map_or(&[][..], Value::items);
        assert!(list("numbers").len() + list("texts").len() > 0, "{}: nothing in it", case.name);
        for number in list("numbers") {
            case.only(number, &["ieee754", "json"]);
            let bits = u64::from_str_radix(case.text(number, "ieee754"), 16).unwrap();
            let mut out = Vec::new();
            let written =
                write_f64(&mut out, f64::from_bits(bits)).ok().map(|()| String::from_utf8(out).unwrap());
            let expected = case.member(number, "json").as_str();
            assert_eq!(written.as_deref(), expected, "{}: {bits:016x}", case.name);
            if let Some(expected) = expected {
                assert!(Scan::new().run(format!("{{\"n\":{expected}}}").as_bytes(), ""), "{expected}");
            }
        }
        for text in list("texts") {
            case.only(text, &["json", "canonical"]);
            let json = case.text(text, "json");
            let form = parse(json.as_bytes()).ok().and_then(|value| value.to_canonical().ok());
            let form = form.map(|form| String::from_utf8(form).unwrap());
            let expected = case.member(text, "canonical").as_str();
            assert_eq!(form.as_deref(), expected, "{}: {json}", case.name);
            if let Some(expected) = expected {
                assert!(Scan::new().run(expected.as_bytes(), ""), "{expected}");
                assert_eq!(Scan::new().run(json.as_bytes(), ""), json == expected, "{json}");
            }
        }
    }
}
