//! `sinkwell graph` as an auditor runs it: the example in `examples/authority.json`, and what a tampered file says.

mod common;

use std::path::{Path, PathBuf};

use common::{LONG, Place, at, text};
use sinkwell::event::read_event;
use sinkwell::json::{ObjectWriter, Value, parse};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the example emits, in a file and in an audit database.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    let example = parse(&std::fs::read(root().join("examples/authority.json")).unwrap()).unwrap();
    // JSON is YAML, a member a line.
    let config = at(&example, "config");
    let lines: Vec<String> =
        config.members().iter().map(|(key, value)| format!("{key}: {}", value.to_json())).collect();
    let lanes = "lanes:\n- { id: file, sink: { file: { path: logs/events.ndjson } } }\n\
                 - { id: audit, sink: { audit_chain: { path: audit.db } } }\n";
    let emitter = place.open_as(&format!("{}\n{lanes}", lines.join("\n")));
    let mut writer = ObjectWriter::new();
    for step in at(&example, "steps").items() {
        let event = step.to_canonical().unwrap();
        read_event(&event, emitter.depth_limit(), &mut writer, |input| emitter.emit(input)).unwrap();
    }
    for (lane, left) in emitter.shutdown(LONG) {
        assert_eq!(left.pending, 0, "{lane}");
    }
    place
}

/// Holds what the command printed against a file of the examples.
fn held(file: &str, printed: &str) {
    let path = root().join("examples").join(file);
    if std::env::var_os("SINKWELL_BLESS").is_some() {
        std::fs::write(&path, printed).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(printed, expected, "SINKWELL_BLESS=1 writes {}", path.display());
}

#[test]
fn the_example_says_why_each_action_was_allowed() {
    let place = place("authority");
    let key = place.key();
    let line = ["graph", "--key", &key];
    let said = place.run(&[&line[..], &["logs"]].concat()).ends(1).out;
    held("authority.txt", &said);
    held("authority.mmd", &place.run(&[&line[..], &["--format", "mermaid", "logs"]].concat()).ends(1).out);
    // The documentation shows both.
    let page = std::fs::read_to_string(root().join("docs/GRAPH.md")).unwrap();
    assert!(page.contains(said.trim_end()), "docs/GRAPH.md shows another text");
    let drawn = std::fs::read_to_string(root().join("examples/authority.mmd")).unwrap();
    assert!(page.contains(drawn.trim_end()), "docs/GRAPH.md shows another picture");
    // A database, both lanes together and standard input say the same.
    let all = place.read("logs/events.ndjson");
    for paths in [&["audit.db"][..], &["logs", "audit.db"]] {
        let again = place.run(&[&line[..], paths].concat()).ends(1).out;
        assert_eq!(again, said, "{paths:?}");
    }
    assert_eq!(place.run_with(&line, all.as_bytes()).ends(1).out, said);
}

#[test]
fn what_is_asked_for_is_all_that_counts() {
    let place = place("authority-parts");
    let key = place.key();
    let run = |more: &[&str]| place.run(&[&["graph", "--key", &key][..], more, &["logs"]].concat());
    let said = run(&["--event", "search-1"]).ends(0).out;
    assert!(said.contains("It was allowed by the rule tools-in-scope of tools 2026.1"), "{said}");
    assert!(!said.contains("tried to call"), "{said}");
    run(&["--agent", "urn:example:planner"]).ends(0);
    run(&["--since", "2026-01-01T09:05:31Z"]).ends(0);
    let of_run = run(&["--run", "plan", "--format", "json"]).ends(1).json();
    let all = run(&["--format", "json"]).ends(1).json();
    assert_eq!(of_run, all, "the run help is one that plan began");
    assert_eq!(at(&all, "findings").items().len(), 1);
    assert_eq!(text(&all, "findings.0.kind"), "expired_authority");
    assert_eq!(text(&all, "findings.0.node"), "event:mail-1");
    assert!(at(&all, "nodes").items().iter().all(|node| {
        node.get("envelope").is_none_or(|envelope| envelope.get("verified") == Some(&Value::Bool(true)))
    }));
    let dot = run(&["--format", "dot"]).ends(1).out;
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}'), "{dot}");
    run(&["--event", "nobody"]).ends(2);
    run(&["--since", "yesterday"]).ends(2);
    // Without a key anyone could have made it.
    let said = place.run(&["graph", "--event", "search-1", "logs"]).ends(1).out;
    assert!(said.contains("no key was given"), "{said}");
}

#[test]
fn a_decision_that_was_turned_lets_nothing() {
    let place = place("authority-forged");
    let lines = place.read("logs/events.ndjson");
    let forged = lines.replacen(r#""decision":"deny""#, r#""decision":"allow""#, 1);
    assert_ne!(lines, forged);
    // And the act is said to have gone through.
    let forged = forged.replacen(r#""outcome":"denied""#, r#""outcome":"ok""#, 1);
    place.write("forged.ndjson", &forged);
    let json =
        place.run(&["graph", "--key", &place.key(), "--format", "json", "forged.ndjson"]).ends(1).json();
    assert_eq!(text(&json, "verdict"), "findings");
    let found: Vec<_> =
        at(&json, "findings").items().iter().map(|of| (text(of, "kind"), text(of, "node"))).collect();
    assert!(found.contains(&("unverified", "event:pay-1")), "{found:?}");
}
