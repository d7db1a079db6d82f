//! The printers of `examples/printers`, each run through the vacuum.

mod common;

use std::process::{Command, Stdio};

use common::Place;
use sinkwell::json::parse;

const DATA: &str = r#"{"action":"transfer","index":0,"note":"a \"quoted\"\nline, ü 🌍","value":7}"#;

/// Runs a printer of which `tool` is needed. Without it the test is skipped, and says so.
fn printed(tool: &str, run: impl FnOnce(&str, &Place) -> Command, file: &str) {
    let there = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        eprintln!("{file}: SKIPPED (no {tool} on PATH)");
        return;
    }
    let place = Place::new(&format!("printer-{file}"));
    let path = format!("{}/../examples/printers/{file}", env!("CARGO_MANIFEST_DIR"));
    let out = run(&path, &place).output().unwrap();
    assert!(out.status.success(), "{file}: {}", String::from_utf8_lossy(&out.stderr));
    let log = place.write("printed.log", out.stdout);
    let swept = place.run(&["vacuum", "--dry-run", "--format", "plain", &log]);
    let event =
        parse(swept.out.trim_end().as_bytes()).unwrap_or_else(|e| panic!("{file}: {e}: {}", swept.out));
    let data = event.get("data").unwrap().to_canonical().unwrap();
    assert_eq!(String::from_utf8(data).unwrap(), DATA, "{file}");
}

fn plainly(tool: &'static str) -> impl FnOnce(&str, &Place) -> Command {
    move |path, _| {
        let mut command = Command::new(tool);
        command.arg(path);
        command
    }
}

#[test]
fn python() {
    printed("python3", plainly("python3"), "printer.py");
}

#[test]
fn javascript() {
    printed("node", plainly("node"), "printer.js");
}

#[test]
fn lua() {
    printed("lua", plainly("lua"), "printer.lua");
}

#[test]
fn shell_with_jq() {
    printed("jq", plainly("bash"), "printer.sh");
}

#[test]
fn rust() {
    let compiled = |path: &str, place: &Place| {
        let program = place.path("printer");
        let built = Command::new("rustc").args(["--edition", "2024", "-o", &program, path]).status().unwrap();
        assert!(built.success());
        Command::new(program)
    };
    printed("rustc", compiled, "printer.rs");
}

#[test]
fn go() {
    let run = |path: &str, place: &Place| {
        let mut command = Command::new("go");
        command.args(["run", path]).env("GOFLAGS", "").current_dir(place.path(""));
        command
    };
    printed("go", run, "printer.go");
}

#[test]
fn csharp() {
    // A file as a program: .NET 10.
    let run = |path: &str, place: &Place| {
        let copy = place.path("printer.cs");
        std::fs::copy(path, &copy).unwrap();
        let mut command = Command::new("dotnet");
        command.args(["run", &copy]).current_dir(place.path("")).env("DOTNET_NOLOGO", "1");
        command
    };
    printed("dotnet", run, "printer.cs");
}
