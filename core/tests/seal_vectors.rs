//! `tests/vectors/seal/`: a sealed line in, its hash and what its signature is worth out (tests/vectors/README.md has the
//! schema). The core's own tests compare the texts that are hashed as well (`envelope::tests`).

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Case, cases};
use sinkwell::json::Value;
use sinkwell::key::VerifyingKey;
use sinkwell::verify::{FindingKind, Options, Report, TrustedKey, Verifier};

fn report(line: &str, keys: Vec<TrustedKey>) -> Report {
    let mut verifier = Verifier::new(Options { keys, partial: true, ..Options::default() });
    verifier.read(&mut line.as_bytes(), "line").unwrap();
    verifier.finish().unwrap()
}

fn keys(case: &Case) -> Vec<TrustedKey> {
    let key = |key: &Value| {
        case.only(key, &["id", "hmac_base64", "spki_pem"]);
        let trusted = match key.get("spki_pem").and_then(Value::as_str) {
            Some(pem) => VerifyingKey::from_bytes(pem.as_bytes()),
            None => VerifyingKey::hmac(&STANDARD.decode(case.text(key, "hmac_base64")).expect("base64")),
        };
        TrustedKey::new(case.text(key, "id"), trusted.expect("a key"))
    };
    case.member(&case.value, "keys").items().iter().map(key).collect()
}

#[test]
fn every_line_has_its_hash_and_its_signature_is_worth_what_it_is() {
    for case in cases("seal") {
        case.only(&case.value, &["name", "about", "keys", "cases"]);
        let all = case.member(&case.value, "cases").items();
        assert!(!all.is_empty(), "{}: nothing in it", case.name);
        for one in all {
            case.only(one, &["name", "line", "event", "place", "digest", "hash", "signature"]);
            let (name, line) = (case.text(one, "name"), case.text(one, "line"));
            let said = case.text(one, "signature");
            let head = report(line, Vec::new()).streams[0].head.clone();
            // A signature that is not even base64 is wrong without a key.
            let hashed =
                head.as_deref() == Some(case.text(one, "hash")) || (head.is_none() && said == "wrong");
            assert!(hashed, "{}: {name}: {head:?}", case.name);
            let report = report(line, keys(&case));
            let found = |kind| report.all_findings().any(|finding| finding.kind == kind);
            let wrong = found(FindingKind::Altered) || found(FindingKind::UnknownKey);
            let expected = (said == "none", said == "wrong");
            assert_eq!((found(FindingKind::Unsigned), wrong), expected, "{}: {name}: {report}", case.name);
        }
    }
}
