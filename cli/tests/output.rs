//! What the command prints: to a reader that has gone, and words that would act on a terminal.

mod common;

use std::process::{Command, Stdio};

use common::{LONG, Place};
use sinkwell::EventInput;
use sinkwell::event::Data;

const LANES: &str = "journal: { dir: state }\nlanes:\n- { id: file, sink: { file: { path: events.ndjson } } }\n\
                     - { id: audit, sink: { audit_chain: { path: audit.db } } }\n";

/// Every way to print, as arguments.
const PRINTING: [&[&str]; 16] = [
    &["tail", "events.ndjson"],
    &["verify", "events.ndjson"],
    &["verify", "--format", "json", "events.ndjson"],
    &["audit", "verify", "audit.db"],
    &["audit", "verify", "--format", "json", "audit.db"],
    &["audit", "head", "audit.db"],
    &["audit", "prove", "--index", "0", "audit.db"],
    &["audit", "consistency", "audit.db", "1"],
    &["audit", "query", "audit.db"],
    &["audit", "query", "--format", "json", "audit.db"],
    &["audit", "export", "audit.db"],
    &["disclose", "strip", "events.ndjson"],
    &["disclose", "check", "events.ndjson"],
    &["journal", "show", "state"],
    &["journal", "ls", "state"],
    &["doctor", "--config", "sinkwell.yaml"],
];

#[test]
fn a_reader_that_went_away_ends_it_quietly_everywhere() {
    let place = Place::new("pipe");
    place.emitted(LANES, 200);
    // `keys new` makes a file, so it prints once.
    for arguments in PRINTING.into_iter().chain([&["keys", "new", "new.pem"][..]]) {
        let read_by_all = place.run(arguments);
        let _ = std::fs::remove_file(place.path("new.pem"));
        let _ = std::fs::remove_file(place.path("new.pem.pub"));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
            .args(arguments)
            .current_dir(place.path(""))
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!((run.status.code(), &*said), (read_by_all.status, ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_no_defect() {
    let place = Place::new("full");
    place.emitted(LANES, 1);
    let run = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .args(["disclose", "strip", "events.ndjson"])
        .current_dir(place.path(""))
        .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.starts_with("sinkwell: sink: standard output cannot be written"), "{said}");
    assert_eq!(run.status.code(), Some(2));
}

#[test]
fn nobody_reads_why_it_failed_and_it_still_says_so_by_its_status() {
    let place = Place::new("pipe-stderr");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .args(["verify", "none.ndjson"])
        .current_dir(place.path(""))
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn words_of_strangers_are_text_on_a_terminal() {
    let place = Place::new("hostile");
    let emitter = place.open(LANES);
    let input = EventInput {
        subject: Some("tool:\u{202e}gnp.exe\u{200b}"),
        data: Data::Json("{\"x\":\"a\\u001b[2J\\n\u{9b}31m\u{2066}b\",\"\u{202d}k\":1}".as_bytes()),
        ..EventInput::new("com.example.hostile")
    };
    emitter.emit(input).unwrap();
    for (lane, left) in emitter.shutdown(LONG) {
        assert_eq!(left.pending, 0, "{lane}");
    }
    let path = place.path("no\u{1b}[2Jsuch.ndjson");
    let commands: [&[&str]; 4] = [
        &["tail", "events.ndjson"],
        &["audit", "query", "audit.db"],
        &["verify", "events.ndjson"],
        &["verify", &path],
    ];
    for arguments in commands {
        let run = place.run(arguments);
        for text in [&run.out, &run.err] {
            let acts = text.chars().find(|&c| c != '\n' && sinkwell::terminal::is_hazard(c));
            assert_eq!(acts, None, "{arguments:?}: {text:?}");
        }
    }
    let shown = place.run(&["tail", "--type", "com.example.*", "events.ndjson"]).ends(0).out;
    assert!(shown.contains("tool:\\u{202e}gnp.exe\\u{200b}"), "{shown}");
    assert!(shown.contains("x=a\\u{1b}[2J\\u{a}\\u{9b}31m\\u{2066}b"), "{shown}");
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[test]
fn arguments_that_a_stranger_wrote_are_text_too() {
    let place = Place::new("arguments");
    // As `sinkwell verify *` has them where somebody made files of these names.
    for (name, shown) in [
        ("--silence=\u{1b}]52;c;aGk=\u{7}\u{202e}", "\\u{1b}]52;c;aGk=\\u{7}\\u{202e}"),
        ("--\u{9b}31m\nsinkwell: sound", "--\\u{9b}31m\\u{a}sinkwell: sound"),
    ] {
        let run = place.run(&["verify", name]);
        assert_eq!((run.status, &*run.out), (Some(2), ""));
        assert!(run.err.starts_with("error: ") && run.err.contains(shown), "{:?}", run.err);
        let acts = run.err.chars().find(|&c| c != '\n' && sinkwell::terminal::is_hazard(c));
        assert_eq!(acts, None, "{:?}", run.err);
    }
    assert_eq!(
        place.run(&["verify", "--help"]).ends(0).out.lines().nth(2),
        Some("Usage: sinkwell verify [OPTIONS] [PATH]...")
    );
}

#[test]
fn a_name_with_a_line_feed_makes_no_line_of_its_own() {
    let place = Place::new("lines");
    for arguments in [&["verify", "no\nsinkwell: sound"][..], &["tail", "no\nsinkwell: sound"]] {
        let said = place.run(arguments).ends(2).err;
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("no\\u{a}sinkwell: sound"), "{said}");
    }
}
