//! `tests/vectors/verify/`: files of envelopes in, reports out (tests/vectors/README.md has the schema).

mod common;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Case, cases};
use sinkwell::Result;
use sinkwell::json::Value;
use sinkwell::key::VerifyingKey;
use sinkwell::verify::{Finding, FindingKind, Options, Report, TrustedKey, Verifier};

type Outcome = std::result::Result<(), String>;

#[test]
fn every_case_gives_the_report_that_it_expects() {
    let mut failures = Vec::new();
    for case in cases("verify") {
        if let Err(failure) = run(&case) {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every kind of finding appears in some case, so that none goes untested.
#[test]
fn every_kind_of_finding_has_a_case() {
    let all: String = cases("verify").map(|case| case.value.to_json()).collect();
    for kind in FindingKind::ALL {
        assert!(all.contains(&format!("\"kind\":\"{}\"", kind.name())), "no case for {}", kind.name());
    }
}

fn run(case: &Case) -> Outcome {
    case.only(&case.value, &["name", "about", "inputs", "checkpoints", "keys", "options", "expected"]);
    let expected = case.member(&case.value, "expected");
    // What a person gives, he gives at hand or in a file.
    let in_file =
        case.member(&case.value, "keys").items().iter().any(|key| key.get("given_base64").is_some());
    for in_file in if in_file { &[false, true][..] } else { &[false] } {
        let report = verify(case, *in_file);
        if let Some(kind) = expected.get("error") {
            case.only(expected, &["error", "message"]);
            let parts: Vec<String> =
                expected.get("message").map_or(&[][..], Value::items).iter().map(text_of).collect();
            match report {
                Err(e)
                    if Some(e.kind().name()) == kind.as_str()
                        && parts.iter().all(|part| e.message().contains(part.as_str())) => {}
                other => return Err(format!("expected an error of kind {kind:?}, got {other:?}")),
            }
            continue;
        }
        let report = report.map_err(|e| e.to_string())?;
        compare(case, expected, &report).map_err(|difference| format!("{difference}\n{report}"))?;
    }
    Ok(())
}

fn verify(case: &Case, in_file: bool) -> Result<Report> {
    let mut verifier = Verifier::new(options(case, in_file)?);
    for file in case.member(&case.value, "inputs").items() {
        verifier.read(&mut text(case, file).as_bytes(), case.text(file, "name"))?;
    }
    for file in case.value.get("checkpoints").map_or(&[][..], Value::items) {
        verifier.read_checkpoints_from(&mut text(case, file).as_bytes(), case.text(file, "name"))?;
    }
    verifier.finish()
}

fn text(case: &Case, file: &Value) -> String {
    case.only(file, &["name", "lines", "tail"]);
    let mut text = String::new();
    for line in case.member(file, "lines").items() {
        text.push_str(line.as_str().expect("a line is a string"));
        text.push('\n');
    }
    text + file.get("tail").and_then(Value::as_str).unwrap_or_default()
}

fn key(case: &Case, key: &Value, in_file: bool) -> Result<VerifyingKey> {
    case.only(key, &["id", "hmac_base64", "spki_pem", "given_base64", "name", "agent"]);
    let decoded = |member| STANDARD.decode(case.text(key, member)).expect("base64");
    if let Some(pem) = key.get("spki_pem").and_then(Value::as_str) {
        return VerifyingKey::from_bytes(pem.as_bytes());
    }
    if key.get("hmac_base64").is_some() {
        return VerifyingKey::hmac(&decoded("hmac_base64"));
    }
    let name = key.get("name").and_then(Value::as_str).unwrap_or_default();
    let given = decoded("given_base64");
    if in_file {
        let file = std::env::temp_dir().join(format!("sinkwell-{}-{}", std::process::id(), case.name));
        std::fs::write(&file, given).unwrap();
        let read = VerifyingKey::from_named(format!("{name}{}", file.display()));
        std::fs::remove_file(&file).unwrap();
        return read;
    }
    VerifyingKey::from_bytes(&[name.as_bytes(), &given].concat())
}

fn options(case: &Case, in_file: bool) -> Result<Options> {
    let keys = case.member(&case.value, "keys").items().iter().map(|given| {
        let mut trusted = TrustedKey::new(case.text(given, "id"), key(case, given, in_file)?);
        trusted.agent = given.get("agent").and_then(Value::as_str).map(str::to_owned);
        Ok(trusted)
    });
    let keys = keys.collect::<Result<_>>()?;
    let options = case.member(&case.value, "options");
    case.only(options, &["strict", "partial", "edges", "silence", "lanes"]);
    let flag = |name| options.get(name).and_then(Value::as_bool).unwrap_or(false);
    let silence =
        options.get("silence").and_then(Value::as_str).map(|text| match text.split_at(text.len() - 1) {
            (n, "s") => Duration::from_secs(n.parse().expect("seconds")),
            (n, "m") => Duration::from_secs(60 * n.parse::<u64>().expect("minutes")),
            _ => panic!("{}: silence {text:?}", case.name),
        });
    Ok(Options {
        keys,
        silence,
        edges: flag("edges"),
        strict: flag("strict"),
        partial: flag("partial"),
        lanes: options.get("lanes").map_or(&[][..], Value::items).iter().map(text_of).collect(),
        ..Options::default()
    })
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn compare(case: &Case, expected: &Value, report: &Report) -> Outcome {
    case.only(
        expected,
        &[
            "verdict",
            "exit",
            "envelopes",
            "unsigned",
            "malformed",
            "streams",
            "open",
            "lost",
            "erased",
            "findings",
        ],
    );
    let got = report.to_json();
    for key in ["verdict", "envelopes", "unsigned", "malformed", "open", "lost", "erased"] {
        same(key, expected.get(key), got.get(key))?;
    }
    same("exit", expected.get("exit"), Some(&Value::Int(i64::from(!report.is_good()))))?;
    findings("of no stream", case, case.member(expected, "findings"), &report.findings)?;
    let streams = case.member(expected, "streams").items();
    if streams.len() != report.streams.len() {
        return Err(format!("{} streams, expected {}", report.streams.len(), streams.len()));
    }
    let all = got.get("streams").map_or(&[][..], Value::items);
    for ((expected, got), report) in streams.iter().zip(all).zip(&report.streams) {
        case.only(expected, &["streamid", "verdict", "envelopes", "closed", "findings"]);
        for key in ["streamid", "verdict", "envelopes", "closed"] {
            same(key, expected.get(key), got.get(key))?;
        }
        findings(&report.streamid, case, case.member(expected, "findings"), &report.findings)?;
    }
    Ok(())
}

fn same(key: &str, expected: Option<&Value>, got: Option<&Value>) -> Outcome {
    match expected {
        Some(expected) if Some(expected) != got => Err(format!("{key}: {got:?}, expected {expected:?}")),
        _ => Ok(()),
    }
}

/// Kind, range and place of each, in any order.
fn findings(what: &str, case: &Case, expected: &Value, got: &[Finding]) -> Outcome {
    let show = |kind: &str, from: Option<i64>, to: Option<i64>, place: Option<&str>| {
        format!("{kind} {from:?} {to:?} {place:?}")
    };
    let int = |n: u64| i64::try_from(n).ok();
    let mut expected: Vec<String> = expected
        .items()
        .iter()
        .map(|finding| {
            case.only(finding, &["kind", "from", "to", "where"]);
            let int = |key| finding.get(key).and_then(Value::as_i64);
            let place = finding.get("where").and_then(Value::as_str);
            show(case.text(finding, "kind"), int("from"), int("to"), place)
        })
        .collect();
    let mut got: Vec<String> = got
        .iter()
        .map(|f| show(f.kind.name(), f.from.and_then(int), f.to.and_then(int), f.place.as_deref()))
        .collect();
    expected.sort();
    got.sort();
    if expected == got { Ok(()) } else { Err(format!("{what}: {got:#?}, expected {expected:#?}")) }
}
