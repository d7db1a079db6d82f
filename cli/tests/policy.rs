//! `sinkwell policy check` and `sinkwell policy explain` as a person runs them.

mod common;

use std::time::Duration;

use common::{Place, at, text};
use sinkwell::event::Data;
use sinkwell::json::{Value, parse};
use sinkwell::{Emitter, EventInput};

/// A document with that name, on one target.
fn policy(name: &str, target: &str, spec: &str) -> String {
    format!(
        "apiVersion: sinkwell.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: {name} }}\nspec:\n  targetRefs: [ {target} ]\n{spec}"
    )
}

const THIN: &str = "{ kind: Lane, name: thin }";

const SHAPED: &str = r#"  events:
    keep: [ { cel: 'event.data.decision == "deny"' } ]
    matches:
      - { cel: 'event.data.http.status >= 500' }
      - { cel: 'event.severity >= WARN' }
    fields:
      - { key: env, value: { literal: production } }
      - { key: mail, value: { attribute: user.email } }
    drop: [ debug_trace ]
"#;

/// The lanes `thin` and, of the class `audit`, `whole`, with what else the configuration says.
fn lanes(rest: &str) -> String {
    format!(
        "lanes:\n  - {{ id: thin, sink: {{ file: {{ path: thin.ndjson }} }} }}\n  - {{ id: whole, classes: [audit], sink: {{ file: {{ path: whole.ndjson }} }} }}\n{rest}"
    )
}

/// The lane of an explanation.
fn lane<'v>(explained: &'v Value, id: &str) -> &'v Value {
    at(explained, "lanes").items().iter().find(|lane| text(lane, "lane") == id).unwrap()
}

/// What each rule came to.
fn outcomes(lane: &Value) -> Vec<(String, String)> {
    let rules = at(lane, "rules").items().iter();
    rules.map(|rule| (text(rule, "rule").to_owned(), text(rule, "outcome").to_owned())).collect()
}

#[test]
fn check_says_what_becomes_of_each_document_and_target() {
    let place = Place::new("policy-check");
    place.write("good.yaml", policy("good", THIN, SHAPED));
    let run = place.run(&["policy", "check", "good.yaml"]).ends(0);
    assert_eq!(run.out, "good: Lane thin: Accepted\ngood: Lane thin: Programmed\n");

    // Two documents in a file: what is wrong with the second is placed by the file's lines.
    let two =
        format!("{}---\n{}", policy("a", THIN, SHAPED), policy("b", THIN, "  events: { mtches: [] }\n"));
    let line = 2 + two.lines().take_while(|line| *line != "---").count() + 5;
    place.write("two.yaml", two);
    let run = place.run(&["policy", "check", "two.yaml"]).ends(1);
    assert_eq!(
        run.out,
        format!(
            "a: Lane thin: Accepted\na: Lane thin: Programmed\nb: Lane thin: Invalid: spec.events.mtches: two.yaml:{line}:13: this field is not known; did you mean `matches`?\n"
        )
    );

    // Of two on one target the first by name holds; in whatever order they are given.
    place.write("also.yaml", policy("also", THIN, "  events: { mode: Disabled }\n"));
    let one = place.run(&["policy", "check", "good.yaml", "also.yaml"]).ends(1);
    assert_eq!(
        one.out,
        "also: Lane thin: Accepted\nalso: Lane thin: Programmed\ngood: Lane thin: Conflicted: spec.targetRefs[0]: also has this target: it is older, or comes first by name\n"
    );
    let other = place.run(&["policy", "check", "also.yaml", "good.yaml"]).ends(1);
    assert_eq!(other.out, one.out);

    // A rule that does not compile says at which byte.
    place.write("cel.yaml", policy("cel", THIN, "  events: { matches: [ { cel: 'event.data.x ==' } ] }\n"));
    let run = place.run(&["policy", "check", "cel.yaml"]).ends(1);
    let start =
        "cel: Lane thin: Invalid: spec.events.matches[0].cel: cel.yaml:6:31: at byte 15 of the expression: ";
    assert!(run.out.starts_with(start), "{}", run.out);

    let run = place.run(&["policy", "check", "absent.yaml"]).ends(1);
    assert!(run.out.contains("Invalid: absent.yaml: the file cannot be read: "), "{}", run.out);
    assert!(place.run(&["policy", "check"]).ends(2).err.contains("<FILE>"), "something is to be checked");
}

#[test]
fn check_knows_the_emitter_that_a_configuration_describes() {
    let place = Place::new("policy-check-config");
    place.write("good.yaml", policy("good", THIN, SHAPED));
    let targets = "{ kind: Lane, name: thick }, { kind: Lane, name: whole }, { kind: Namespace, name: test }";
    place.write("lost.yaml", policy("lost", targets, "  events: { mode: Disabled }\n"));
    let config = "target: { namespace: prod }\ntelemetry: [ good.yaml ]\n";
    place.emitted(&lanes(config), 0);
    // Its own policies come with it.
    let run = place.run(&["policy", "check", "--config", "sinkwell.yaml"]).ends(0);
    assert_eq!(run.out, "good: Lane thin: Accepted\ngood: Lane thin: Programmed\n");
    let run = place.run(&["policy", "check", "--config", "sinkwell.yaml", "lost.yaml"]).ends(1);
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(
        lines[2..],
        [
            "lost: Lane thick: TargetNotFound: spec.targetRefs[0]: no lane has this id; there are thin, whole",
            "lost: Lane whole: Invalid: spec.targetRefs[1]: the lane's classes are audit; no policy touches audit or siem",
            "lost: Namespace test: TargetNotFound: spec.targetRefs[2]: the emitter's target.namespace is \"prod\"",
        ]
    );
    assert_eq!(place.run(&["policy", "check", "--config", "absent.yaml"]).ends(2).out, "");
}

#[test]
fn check_in_json_is_the_status_that_a_program_reads() {
    let place = Place::new("policy-check-json");
    place.write("good.yaml", policy("good", THIN, SHAPED));
    place.write("bad.yaml", policy("bad", THIN, "  events: { mode: true }\n"));
    let emitter = place.open(&lanes("telemetry: [ good.yaml, bad.yaml ]\n"));
    let status = parse(&emitter.policy_status()).unwrap();
    emitter.shutdown(common::LONG);
    let run = place.run(&["policy", "check", "--config", "sinkwell.yaml", "--format", "json"]).ends(1);
    assert_eq!(run.out.trim(), status.to_json());
}

#[test]
fn explain_says_rule_by_rule_what_becomes_of_an_event() {
    let place = Place::new("policy-explain");
    place.write("p.yaml", policy("p", THIN, SHAPED));
    let explain = |event: &str| {
        place.write("e.json", event);
        place.run(&["policy", "explain", "p.yaml", "--event", "e.json"]).ends(0).json()
    };
    let rule = |rule: &str, outcome: &str| (format!("spec.events.{rule}"), outcome.to_owned());

    let explained = explain(r#"{"type":"com.x","data":{"http":{"status":503},"debug_trace":"x"}}"#);
    let thin = lane(&explained, "thin");
    assert_eq!((text(thin, "events"), text(thin, "verdict")), ("p", "kept"));
    assert_eq!(text(thin, "decided_by"), "spec.events.matches[0]");
    assert_eq!(
        outcomes(thin),
        [rule("keep[0]", "absent"), rule("matches[0]", "true"), rule("matches[1]", "false")]
    );
    assert_eq!(
        at(thin, "data").to_json(),
        r#"{"env":"production","http":{"status":503},"view":{"added":["env"],"dropped":["debug_trace"],"policy":"p"}}"#
    );
    // A lane that no policy names is as it would be without any.
    let other = lane(&explained, "any other lane");
    assert_eq!(at(other, "data").to_json(), r#"{"debug_trace":"x","http":{"status":503}}"#);
    assert!(other.get("events").is_none());

    let explained = explain(r#"{"type":"com.x","data":{"http":{"status":"503"}},"severity":"info"}"#);
    let thin = lane(&explained, "thin");
    assert_eq!(text(thin, "verdict"), "filtered: matches");
    assert_eq!(outcomes(thin)[1], rule("matches[0]", "type"));
    assert!(thin.get("data").is_none() && thin.get("decided_by").is_none());

    let explained = explain(r#"{"type":"policy.breach","data":{"reason":"r"}}"#);
    let thin = lane(&explained, "thin");
    assert_eq!((text(thin, "verdict"), text(thin, "why")), ("kept", "no policy touches a terminal event"));
}

#[test]
fn explain_gives_the_randomness_and_the_threshold() {
    let place = Place::new("policy-explain-sampling");
    place.write(
        "p.yaml",
        policy("p", THIN, "  sampling: { rate: { numerator: 1, denominator: 2 }, key: run }\n"),
    );
    // SHA-256 of "sinkwell-sample-v1\nrun-1" and "sinkwell-sample-v1\nrun-4" by another program: their last 14 digits.
    const RUNS: [(&str, &str, bool); 2] =
        [("run-1", "1e85c1b861b8e6", false), ("run-4", "9fa3f30b42a3af", true)];
    for (run, randomness, kept) in RUNS {
        place.write("e.json", format!(r#"{{"type":"com.x","data":{{}},"run":"{run}"}}"#));
        let explained = place.run(&["policy", "explain", "p.yaml", "--event", "e.json"]).ends(0).json();
        let thin = lane(&explained, "thin");
        assert_eq!(text(thin, "sampled.randomness"), randomness);
        assert_eq!(text(thin, "sampled.threshold"), "80000000000000");
        assert_eq!(text(thin, "verdict"), if kept { "kept" } else { "filtered: sampling" });
    }
    place.write("e.json", r#"{"type":"com.x","data":{}}"#);
    let explained = place.run(&["policy", "explain", "p.yaml", "--event", "e.json"]).ends(0).json();
    let sampled = at(lane(&explained, "thin"), "sampled");
    assert_eq!(sampled.to_json(), r#"{"kept":true}"#, "without the key: kept, and nobody can reckon with it");
}

#[test]
fn explain_shows_what_an_emitter_of_that_configuration_writes() {
    const EVENTS: [(&str, &str); 6] = [
        ("com.x", r#"{"http.status":503,"user.email":"jane@example.com"}"#),
        ("com.x", r#"{"http":{"status":200},"user":{"email":"jane@example.com"}}"#),
        ("com.x", r#"{"debug_trace":"x","env":"test","http":{"status":500},"note":"to jane@example.com"}"#),
        ("policy.decision", r#"{"debug_trace":"x","decision":"deny"}"#),
        ("policy.decision", r#"{"decision":"allow"}"#),
        ("policy.breach", r#"{"debug_trace":"jane@example.com","reason":"r"}"#),
    ];
    let place = Place::new("policy-explain-emitter");
    place.write("p.yaml", policy("p", THIN, SHAPED));
    let config = "governance: { content: { redaction: { id: pii-1, detectors: [email] } } }\n";
    let emitter: Emitter = place.open(&lanes(&format!("{config}telemetry: [ p.yaml ]\n")));
    let mut told: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    for (event_type, data) in EVENTS {
        emitter
            .emit(EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new(event_type) })
            .unwrap();
        place.write("e.json", format!(r#"{{"type":"{event_type}","data":{data}}}"#));
        let run = place.run(&["policy", "explain", "--config", "sinkwell.yaml", "--event", "e.json"]).ends(0);
        assert!(!run.out.contains("jane@"), "what an emitter redacts is shown to nobody: {}", run.out);
        let explained = run.json();
        for (id, told) in ["thin", "whole"].iter().zip(&mut told) {
            told.extend(lane(&explained, id).get("data").map(Value::to_json));
        }
    }
    emitter.shutdown(Duration::from_secs(20));
    for (id, told) in ["thin", "whole"].iter().zip(&told) {
        let lines = place.read(&format!("{id}.ndjson"));
        let events = lines.lines().filter(|line| !line.contains(r#""origin":"core""#));
        let data: Vec<_> =
            events.map(|line| parse(line.as_bytes()).unwrap().get("data").unwrap().to_json()).collect();
        assert_eq!(*told, data, "{id}");
    }
}

#[test]
fn explain_refuses_what_is_no_event() {
    let place = Place::new("policy-explain-refused");
    place.write("p.yaml", policy("p", THIN, SHAPED));
    for (event, said) in [
        ("[]", "invalid_event"),
        (r#"{"type":"com.x","data":[]}"#, "invalid_event"),
        (r#"{"type":"com.x","dat":{}}"#, "invalid_event"),
        (r#"{"type":"tool.invocation","data":{}}"#, "invalid_event"),
    ] {
        place.write("e.json", event);
        let run = place.run(&["policy", "explain", "p.yaml", "--event", "e.json"]).ends(2);
        assert!(run.err.contains(said), "{event}: {}", run.err);
        assert_eq!(run.out, "");
    }
    let run = place.run(&["policy", "explain", "p.yaml", "--event", "absent.json"]).ends(2);
    assert!(run.err.contains("the event cannot be read") && run.err.contains("absent.json"), "{}", run.err);
}

#[test]
fn what_is_json_stays_json_whatever_is_in_it() {
    let place = Place::new("policy-json");
    let name = "a\u{202e}b\u{9b}31m";
    place.write(
        "odd.yaml",
        policy(
            &format!("{name:?}").replace("\\u{202e}", "\\u202e").replace("\\u{9b}", "\\u009b"),
            THIN,
            SHAPED,
        ),
    );
    let checked = place.run(&["policy", "check", "--format", "json", "odd.yaml"]).ends(0).json();
    assert_eq!(text(&checked, "policies.0.policy"), name);
    place.write(
        "event.json",
        format!(r#"{{"type":"tool.invocation","data":{{"tool":"{name}","outcome":"ok"}}}}"#),
    );
    let explained = place.run(&["policy", "explain", "odd.yaml", "--event", "event.json"]).ends(0).json();
    assert_eq!(text(lane(&explained, "any other lane"), "data.tool"), name);
}
