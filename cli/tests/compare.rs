//! `sinkwell compare` as an auditor runs it: were SIEM and audit told the same?

mod common;

use common::{Place, at, text};
use sinkwell::json::Value;

const BOTH: &str = "lanes:\n- { id: siem, sink: { file: { path: siem/events.ndjson } } }\n\
                    - { id: audit, sink: { audit_chain: { path: audit.db } } }\n";

/// The kinds of all differences.
fn kinds(report: &Value) -> Vec<&str> {
    let pairs = at(report, "pairs").items().iter();
    pairs.flat_map(|pair| at(pair, "differences").items()).map(|one| text(one, "kind")).collect()
}

#[test]
fn a_file_and_a_database_of_one_emitter_were_told_the_same() {
    let place = Place::new("compare-same");
    place.emitted(BOTH, 5);
    let key = place.key();
    for (a, b) in [("siem/events.ndjson", "audit.db"), ("audit.db", "siem")] {
        let said = place.run(&["compare", "--key", &key, a, b]).ends(0).out;
        assert!(
            said.starts_with("sound: ") && said.contains("\n5 events the same on both sides\n"),
            "{said}"
        );
        let report = place.run(&["compare", "--key", &key, "--format", "json", a, b]).ends(0);
        assert_eq!(report.out.lines().count(), 1);
        let report = report.json();
        let members: Vec<_> = report.members().iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(members, ["verdict", "a", "b", "pairs"]);
        assert_eq!((text(&report, "verdict"), text(&report, "a.verdict")), ("sound", "sound"));
        assert_eq!(at(&report, "pairs.0.same"), &Value::Int(5));
    }
    let report =
        place.run(&["compare", "--by", "lane", "--key", &key, "--format", "json", "siem", "audit.db"]);
    let report = report.ends(0).json();
    assert_eq!((text(&report, "pairs.0.a"), text(&report, "pairs.0.b")), ("siem", "audit"));
    // Without a key anyone could have made them.
    let report = place.run(&["compare", "--format", "json", "siem", "audit.db"]).ends(1).json();
    assert_eq!(text(&report, "verdict"), "unchecked");
}

#[test]
fn what_is_missing_cut_off_or_forged_is_told_apart() {
    let place = Place::new("compare-apart");
    place.emitted(BOTH, 5);
    let key = place.key();
    let lines: Vec<String> =
        place.read("siem/events.ndjson").lines().map(|line| line.to_owned() + "\n").collect();
    let forged = lines[2].replacen("\"n\":1,", "\"n\":9,", 1);
    for (content, strict, exit, verdict, expected) in [
        // An event taken out: the chain says so as well.
        ([&lines[..2], &lines[3..]].concat().concat(), false, 1, "findings", &["only_in"][..]),
        // The tail: nobody closed it there.
        (lines[..4].concat(), false, 0, "sound", &["not_covered"; 2]),
        (lines[..4].concat(), true, 1, "findings", &["not_covered"; 2]),
        // What no signature covers takes no part.
        (lines.concat() + &forged, false, 1, "findings", &[]),
        (
            [&lines[..2], std::slice::from_ref(&forged), &lines[3..]].concat().concat(),
            false,
            1,
            "findings",
            &["only_in"],
        ),
    ] {
        place.write("siem.ndjson", content);
        let mut line = vec!["compare", "--key", &key, "--format", "json", "siem.ndjson", "audit.db"];
        if strict {
            line.insert(1, "--strict");
        }
        let report = place.run(&line).ends(exit).json();
        assert_eq!((text(&report, "verdict"), &kinds(&report)[..]), (verdict, expected));
    }
}

#[test]
fn what_cannot_be_compared_is_exit_2_and_says_why() {
    let place = Place::new("compare-cannot");
    place.emitted(BOTH, 1);
    place.write("empty.ndjson", "");
    for (a, b, says) in [
        ("none.ndjson", "audit.db", "none.ndjson"),
        ("empty.ndjson", "audit.db", "empty.ndjson"),
        ("audit.db", "empty.ndjson", "empty.ndjson"),
        ("audit.db", "/dev/stdin", "more than once"),
    ] {
        let run = place.run(&["compare", "--key", &place.key(), a, b]).ends(2);
        assert!(run.err.contains(says) && run.out.is_empty(), "{a} {b}: {}{}", run.out, run.err);
    }
    place.run(&["compare", "audit.db"]).ends(2);
}

#[test]
fn two_emitters_have_nothing_in_common() {
    let place = Place::new("compare-others");
    let one = |path: &str| format!("lanes:\n- {{ id: file, sink: {{ file: {{ path: {path} }} }} }}\n");
    place.emitted(&one("one.ndjson"), 2);
    place.emitted(&one("two.ndjson"), 2);
    let key = place.key();
    let report = place.run(&["compare", "--key", &key, "--format", "json", "one.ndjson", "two.ndjson"]);
    let report = report.ends(1).json();
    assert!(kinds(&report).contains(&"nothing_in_common"), "{}", report.to_json());
}
