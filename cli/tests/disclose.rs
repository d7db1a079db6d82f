//! `sinkwell disclose` as a person runs it.

use std::io::Write as _;
use std::process::{Command, Stdio};

const DIGEST_OF_HELLO: &str = "1b266deb9dc2d5c96fcd60b6dda0dc346f759b125ec810cb45849867c6d52aa9";
const SALT: &str = "AAECAwQFBgcICQoLDA0ODw==";

/// Runs the command on `input`: exit status, stdout, stderr.
fn run(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .arg("disclose")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// An envelope with one part, and with its disclosure if `text` is given.
fn envelope(text: Option<&str>) -> String {
    let disclosures = text.map_or_else(String::new, |text| {
        format!(",\"disclosures\":[{{\"part\":0,\"salt\":\"{SALT}\",\"text\":\"{text}\"}}]")
    });
    format!(
        "{{\"data\":{{\"content\":[{{\"class\":\"prompt\",\"digest\":\"{DIGEST_OF_HELLO}\",\"mode\":\"raw\",\"size\":5}}]{disclosures}}},\"id\":\"1\"}}\n"
    )
}

#[test]
fn strip_takes_the_disclosures_and_nothing_else() {
    let input = envelope(Some("hello")) + "\n" + &envelope(None);
    let (status, out, _) = run(&["strip"], &input);
    assert_eq!((status, out), (Some(0), envelope(None).repeat(2)));
}

#[test]
fn a_line_that_does_not_end_is_not_read_to_its_end() {
    let input = "a".repeat(17 << 20) + "\n" + &envelope(Some("hello"));
    let (status, out, _) = run(&["check"], &input);
    let says = "-:1: envelope: a line of more than 16777216 bytes is no envelope\n2 envelopes, 1 disclosures, 1 altered\n";
    assert_eq!((status, out.as_str()), (Some(1), says));
    let (status, out, err) = run(&["strip"], &input);
    assert_eq!((status, out), (Some(1), envelope(None)));
    assert!(err.contains("-:1: a line of more than"), "{err}");
}

#[test]
fn strip_leaves_out_what_it_cannot_read() {
    let input = envelope(Some("hello")) + "{\"data\":{\"disclosures\":[{\"text\":\"canary";
    let (status, out, err) = run(&["strip", "-"], &input);
    assert_eq!((status, out), (Some(1), envelope(None)));
    assert!(err.contains("-:2") && !err.contains("canary"), "{err}");
}

#[test]
fn check_finds_what_was_altered() {
    let (status, out, _) = run(&["check"], &(envelope(Some("hello")) + &envelope(None)));
    assert_eq!((status, out.as_str()), (Some(0), "2 envelopes, 1 disclosures, 0 altered\n"));
    let (status, out, _) = run(&["check"], &envelope(Some("jello")));
    assert_eq!(status, Some(1));
    assert!(out.starts_with("-:1: data.disclosures[0]: ") && !out.contains("jello"), "{out}");
}

#[test]
fn a_file_that_is_not_there_is_exit_2() {
    let (status, out, err) = run(&["check", "no/such/file.ndjson"], "");
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("no/such/file.ndjson"), "{err}");
}
