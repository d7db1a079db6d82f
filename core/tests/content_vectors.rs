//! The content vectors (tests/vectors/README.md), as every language runs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sinkwell::content::{self, sampling};
use sinkwell::json::{self, Value};

/// 2026-11-21T00:00:00Z; the vectors hold at any time between 2001 and 2250.
const NOW: i64 = 1_795_219_200_000_000_000;

/// The cases of a group, at least `least` of them.
fn cases(group: &str, least: usize) -> Vec<Value> {
    let path = format!("{}/../tests/vectors/content/{group}.json", env!("CARGO_MANIFEST_DIR"));
    let file = json::parse(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(text(&file, "group"), group);
    let cases = file.get("cases").unwrap().items().to_vec();
    assert!(cases.len() >= least, "{group} has only {} cases", cases.len());
    cases
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_else(|| panic!("{member} is missing"))
}

fn decided(group: &str, least: usize) {
    for case in cases(group, least) {
        let request = case.get("request").unwrap().to_canonical().unwrap();
        let answer = content::evaluate_json(&request, NOW).unwrap();
        let want = case.get("answer").unwrap().to_canonical().unwrap();
        assert_eq!(
            String::from_utf8(answer).unwrap(),
            String::from_utf8(want).unwrap(),
            "{group}: {}",
            text(&case, "name")
        );
    }
}

#[test]
fn all_combinations_of_gates() {
    decided("gates", 4 * 128);
}

#[test]
fn all_combinations_of_modes() {
    decided("modes", 128);
}

#[test]
fn each_way_of_a_gate() {
    decided("ways", 40);
}

#[test]
fn requests_that_are_errors() {
    for case in cases("refused", 15) {
        let request = case.get("request").unwrap().to_canonical().unwrap();
        let e = content::evaluate_json(&request, NOW).unwrap_err();
        let want = case.get("error").unwrap();
        assert_eq!(
            (e.kind().name(), e.place()),
            (text(want, "kind"), want.get("where").and_then(Value::as_str)),
            "{}",
            text(&case, "name")
        );
    }
}

#[test]
fn sampling_is_the_same_everywhere() {
    for case in cases("sampling", 300) {
        let rate = case.get("rate").unwrap();
        let part = |name: &str| u64::try_from(rate.get(name).and_then(Value::as_i64).unwrap()).unwrap();
        assert_eq!(
            Some(sampling::included(text(&case, "key"), part("numerator"), part("denominator"))),
            case.get("included").and_then(Value::as_bool),
            "{}",
            text(&case, "name")
        );
    }
}

#[test]
fn commitments_are_the_same_everywhere() {
    for case in cases("commitments", 18) {
        let bytes = STANDARD.decode(text(&case, "bytes")).unwrap();
        let salt = STANDARD.decode(text(&case, "salt")).unwrap().try_into().unwrap();
        let digest: String =
            content::commit(&bytes, &salt).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, text(&case, "digest"), "{}", text(&case, "name"));
    }
}
