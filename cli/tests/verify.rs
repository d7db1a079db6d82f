//! `sinkwell verify` as an analyst runs it: what it reads, what it prints, how it ends.

mod common;

use common::{Place, at, kinds, text};
use sinkwell::json::Value;

const FILE: &str = "lanes:\n- { id: file, sink: { file: { path: events.ndjson } } }\n";

fn place(name: &str) -> Place {
    let place = Place::new(name);
    place.emitted(FILE, 5);
    place
}

#[test]
fn a_sound_file_is_exit_0_in_text_and_json() {
    let place = place("sound");
    let said = place.run(&["verify", "--key", &place.key(), "events.ndjson"]).ends(0).out;
    assert!(said.starts_with("sound") && said.contains("urn:example:buyer"), "{said}");
    let report = place.run(&["verify", "--key", &place.key(), "--format", "json", "events.ndjson"]).ends(0);
    assert_eq!(report.out.lines().count(), 1);
    let report = report.json();
    let members: Vec<_> = report.members().iter().map(|(key, _)| key.as_str()).collect();
    let expected =
        ["verdict", "envelopes", "unsigned", "malformed", "streams", "open", "lost", "erased", "findings"];
    assert_eq!(members, expected);
    assert_eq!((text(&report, "verdict"), at(&report, "envelopes")), ("sound", &Value::Int(7)));
    assert_eq!(at(&report, "streams.0.closed"), &Value::Bool(true));
    assert_eq!(at(&report, "streams.0.last.sequence"), &Value::Int(7));
    assert_eq!(text(&report, "streams.0.head").len(), 64);
}

#[test]
fn it_reads_standard_input_files_folders_and_audit_databases() {
    let place = Place::new("inputs");
    let both = "lanes:\n- { id: file, sink: { file: { path: logs/events.ndjson } } }\n\
                - { id: audit, sink: { audit_chain: { path: audit.db } } }\n";
    place.emitted(both, 5);
    let key = place.key();
    let line = ["verify", "--format", "json", "--key", &key];
    let all = place.read("logs/events.ndjson");
    for more in [&[][..], &["-"]] {
        let report = place.run_with(&[&line[..], more].concat(), all.as_bytes()).ends(0).json();
        assert_eq!(text(&report, "verdict"), "sound");
    }
    for path in ["logs", "logs/events.ndjson", "audit.db"] {
        let report = place.run(&[&line[..], &[path]].concat()).ends(0).json();
        assert_eq!(at(&report, "envelopes"), &Value::Int(7), "{path}");
    }
    // One stream per lane: together they are two.
    let report = place.run(&[&line[..], &["logs", "audit.db"]].concat()).ends(0).json();
    assert_eq!(at(&report, "streams").items().len(), 2);
}

#[test]
fn findings_are_exit_1_and_say_where() {
    let place = place("findings");
    let lines: Vec<String> = place.read("events.ndjson").lines().map(|line| line.to_owned() + "\n").collect();
    let altered = lines.concat().replacen("\"n\":1,", "\"n\":9,", 1);
    let forged = lines[2].replacen("\"n\":1,", "\"n\":9,", 1);
    for (content, kind, place_of_it) in [
        (altered, "altered", "changed.ndjson:3"),
        ([&lines[..2], &lines[3..]].concat().concat(), "removed", "changed.ndjson:3"),
        (lines[1..].concat(), "removed", "changed.ndjson:1"),
        (lines.concat() + "not an envelope\n", "malformed", "changed.ndjson:8"),
        (lines.concat() + &forged, "altered", "changed.ndjson:8"),
    ] {
        place.write("changed.ndjson", content);
        let run = place.run(&["verify", "--format", "json", "--key", &place.key(), "changed.ndjson"]).ends(1);
        let report = run.json();
        assert_eq!(text(&report, "verdict"), "findings");
        assert_eq!(kinds(&report), [kind], "{}", run.out);
        let said = place.run(&["verify", "--key", &place.key(), "changed.ndjson"]).ends(1).out;
        assert!(said.contains(kind) && said.contains(place_of_it), "{place_of_it}: {said}");
    }
}

#[test]
fn without_a_key_and_with_strict_the_verdict_is_another() {
    let place = place("verdicts");
    let unchecked = place.run(&["verify", "--format", "json", "events.ndjson"]).ends(1).json();
    assert_eq!(text(&unchecked, "verdict"), "unchecked");
    // A retry: harmless, but not for the strict.
    let first = place.read("events.ndjson").lines().next().unwrap().to_owned() + "\n";
    place.write("twice.ndjson", place.read("events.ndjson") + &first);
    let key = place.key();
    place.run(&["verify", "--key", &key, "twice.ndjson"]).ends(0);
    let strict =
        place.run(&["verify", "--key", &key, "--strict", "--format", "json", "twice.ndjson"]).ends(1);
    assert!(kinds(&strict.json()).contains(&"duplicate"));
    // The end of a rotated set: what lies before is missing, unless it is said to be elsewhere.
    let rest: String =
        place.read("events.ndjson").lines().skip(3).map(|line| line.to_owned() + "\n").collect();
    place.write("rest.ndjson", rest);
    place.run(&["verify", "--key", &key, "rest.ndjson"]).ends(1);
    place.run(&["verify", "--key", &key, "--partial", "rest.ndjson"]).ends(0);
    // A key that is bound to others.
    let bound = format!("{key},agent=urn:other:*");
    let report = place.run(&["verify", "--key", &bound, "--format", "json", "events.ndjson"]).ends(1).json();
    assert!(kinds(&report).contains(&"altered"));
}

#[test]
fn what_cannot_be_done_is_exit_2_and_says_why() {
    let place = place("cannot");
    let key = place.key();
    place.write("short.key", "thirty-one bytes are one too f");
    place.write("empty.ndjson", "");
    place.write("other.db", [b"SQLite format 3\0".as_slice(), &[0; 84]].concat());
    for (arguments, says) in [
        (&["verify", "--key", &key, "none.ndjson"][..], "none.ndjson"),
        (&["verify", "--key", &key, "empty.ndjson"], "no envelope"),
        (&["verify", "--key", "k1=none.pem", "events.ndjson"], "none.pem"),
        (&["verify", "--key", "k1=hmac:short.key", "events.ndjson"], "32"),
        (&["verify", "--key", "agent.key", "events.ndjson"], "ID=FILE"),
        (&["verify", "--key", &key, "--checkpoint", "empty.ndjson", "events.ndjson"], "empty.ndjson"),
        (&["verify", "--key", &key, "other.db"], "other.db"),
        (&["verify", "--silence", "90", "events.ndjson"], "unit"),
        (&["verify", "--unknown"], "--unknown"),
    ] {
        let run = place.run(arguments).ends(2);
        assert!(run.err.contains(says) && run.out.is_empty(), "{arguments:?}: {}{}", run.out, run.err);
    }
    place.run_with(&["verify", "--key", &key], b"").ends(2);
}

#[test]
fn silence_and_edges_are_found_when_asked_for() {
    let place = place("asked");
    let key = place.key();
    let text_of = place.read("events.ndjson");
    // Without its `closed`, and with another stream that goes on for two minutes.
    let open: String = text_of.lines().take(4).map(|line| line.to_owned() + "\n").collect();
    place.write("open.ndjson", &open);
    place.run(&["verify", "--key", &key, "--silence", "90s", "open.ndjson"]).ends(0);
    let later = "testing: { clock: \"2125-01-01T00:00:00Z\", step: 1ms, seed: 1 }\n\
                 lanes:\n- { id: file, sink: { file: { path: later.ndjson } } }\n";
    place.emitted(later, 1);
    place.run(&["verify", "--key", &key, "open.ndjson", "later.ndjson"]).ends(0);
    let line =
        ["verify", "--key", &key, "--silence", "90s", "--format", "json", "open.ndjson", "later.ndjson"];
    assert_eq!(kinds(&place.run(&line).ends(1).json()), ["silence", "open"]);
    place.run(&["verify", "--key", &key, "--edges", "--strict", "events.ndjson"]).ends(0);
}

#[test]
fn a_public_key_in_another_form_is_no_hmac_key() {
    let place = Place::new("key-forms");
    place.emitted(FILE, 1);
    place.run(&["keys", "new", "agent.pem"]).ends(0);
    let pem = place.read("agent.pem.pub");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    place.write("bom.pem", format!("\u{feff}{pem}"));
    place.write("comment.pem", format!("# the agent's key\n{pem}"));
    place.write("der", [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &[7; 32]].concat());
    place.write("jwk.json", format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{body}"}}"#));
    place.write("openssh.pub", format!("ssh-ed25519 {body} agent"));
    place.write("hex", "ab".repeat(32));
    for file in ["bom.pem", "comment.pem", "der", "jwk.json", "openssh.pub", "hex", "agent.key"] {
        // Without a name both are named; as what it is not it is refused as well.
        let run = place.run(&["verify", "--key", &format!("k1={file}"), "events.ndjson"]).ends(2);
        let named = [format!("ed25519:{file}"), format!("hmac:{file}")];
        assert!(named.iter().all(|form| run.err.contains(form)), "{file}: {}", run.err);
        place.run(&["verify", "--key", &format!("k1=ed25519:{file}"), "events.ndjson"]).ends(2);
    }
    place.run(&["verify", "--key", "k1=hmac:agent.pem.pub", "events.ndjson"]).ends(2);
    place.run(&["verify", "--key", "k1=ed25519:agent.pem", "events.ndjson"]).ends(2);
    place.run(&["verify", "--key", "k1=hmac:agent.key", "events.ndjson"]).ends(0);
    for form in ["k1=agent.pem.pub", "k1=ed25519:agent.pem.pub"] {
        // Usable, and not the key that sealed.
        place.run(&["verify", "--key", form, "events.ndjson"]).ends(1);
    }
}
