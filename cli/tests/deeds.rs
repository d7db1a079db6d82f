//! `sinkwell deeds`: what a crash left, as an operator asks for it.

mod common;

use std::process::Command;

use common::{at, text};
use sinkwell::json::{Value, parse};

/// The lines of a case of the verifier's vectors, in a file; the command's status, its output and what it says beside it.
fn asked(case: &str, format: &str, keyed: bool) -> (Option<i32>, String, String) {
    let vector = format!("{}/../tests/vectors/verify/{case}.json", env!("CARGO_MANIFEST_DIR"));
    let vector = parse(&std::fs::read(vector).unwrap()).unwrap();
    let lines =
        at(&vector, "inputs.0.lines").items().iter().map(|line| line.as_str().unwrap().to_owned() + "\n");
    let path =
        std::env::temp_dir().join(format!("sinkwell-deeds-{case}-{format}-{}.ndjson", std::process::id()));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let key = path.with_extension("key");
    // As the vectors have it.
    std::fs::write(&key, (0..32).collect::<Vec<u8>>()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinkwell"));
    command.args(["deeds", "--format", format]).arg(&path);
    if keyed {
        command.arg("--key").arg(format!("k1=hmac:{}", key.display()));
    }
    let ran = command.output().unwrap();
    for made in [path, key] {
        std::fs::remove_file(made).unwrap();
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

#[test]
fn what_is_unfinished_is_listed_with_what_is_known() {
    let (status, out, _) = asked("deed_unfinished", "json", true);
    let found = parse(out.trim().as_bytes()).unwrap();
    assert_eq!((status, at(&found, "intents")), (Some(1), &Value::Int(2)));
    assert_eq!(at(&found, "outcomes.error"), &Value::Int(1));
    assert_eq!(at(&found, "unfinished").items().len(), 1);
    assert_eq!(text(&found, "unfinished.0.tool"), "pay");
    assert_eq!(at(&found, "unfinished.0.sequence"), &Value::Int(3));
    let (status, out, _) = asked("deed_unfinished", "text", true);
    assert_eq!(status, Some(1));
    assert!(out.contains("2 intended; 1 error; 1 unfinished") && out.contains("tool pay"), "{out}");
}

#[test]
fn nothing_unfinished_is_good() {
    let (status, out, said) = asked("deed", "text", true);
    assert_eq!((status, out.trim(), &*said), (Some(0), "deeds: 1 intended; 1 ok; 0 unfinished", ""));
}

#[test]
fn without_a_key_nothing_is_good() {
    let (status, out, said) = asked("deed", "json", false);
    assert_eq!((status, at(&parse(out.trim().as_bytes()).unwrap(), "intents")), (Some(1), &Value::Int(1)));
    assert!(said.starts_with("sinkwell: no key was given"), "{said}");
}
