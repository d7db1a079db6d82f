//! `sinkwell deeds`: what a crash left, as an operator asks for it.

mod common;

use std::process::Command;

use common::{at, text};
use sinkwell::json::{Value, parse};

/// The lines of a case of the verifier's vectors, in a file; the command's status and its output.
fn asked(case: &str, format: &str) -> (Option<i32>, String) {
    let vector = format!("{}/../tests/vectors/verify/{case}.json", env!("CARGO_MANIFEST_DIR"));
    let vector = parse(&std::fs::read(vector).unwrap()).unwrap();
    let lines =
        at(&vector, "inputs.0.lines").items().iter().map(|line| line.as_str().unwrap().to_owned() + "\n");
    let path =
        std::env::temp_dir().join(format!("sinkwell-deeds-{case}-{format}-{}.ndjson", std::process::id()));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .args(["deeds", "--format", format])
        .arg(&path)
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn what_is_unfinished_is_listed_with_what_is_known() {
    let (status, out) = asked("deed_unfinished", "json");
    let found = parse(out.trim().as_bytes()).unwrap();
    assert_eq!((status, at(&found, "intents")), (Some(1), &Value::Int(2)));
    assert_eq!(at(&found, "outcomes.error"), &Value::Int(1));
    assert_eq!(at(&found, "unfinished").items().len(), 1);
    assert_eq!(text(&found, "unfinished.0.tool"), "pay");
    assert_eq!(at(&found, "unfinished.0.sequence"), &Value::Int(3));
    let (status, out) = asked("deed_unfinished", "text");
    assert_eq!(status, Some(1));
    assert!(out.contains("2 intended; 1 error; 1 unfinished") && out.contains("tool pay"), "{out}");
}

#[test]
fn nothing_unfinished_is_good() {
    let (status, out) = asked("deed", "text");
    assert_eq!((status, out.trim()), (Some(0), "deeds: 1 intended; 1 ok; 0 unfinished"));
}
