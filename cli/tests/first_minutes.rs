//! docs/FIRST-MINUTES.md in Rust: its programs are those beside this file, its commands are run, and say what stands there, with
//! `…` for what differs from run to run.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use common::Place;

/// What a program of the page does, in a process of its own: this one, which [`CARGO`] started.
macro_rules! programs {
    ($($name:ident),*) => {
        $(mod $name {
            include!(concat!("first_minutes/", stringify!($name), ".rs"));

            #[test]
            #[ignore = "a program that another test starts"]
            fn program() {
                // What follows is the program's.
                println!("\n@@");
                let code = i32::from(main().is_err());
                std::process::exit(code);
            }
        })*

        /// Each program's name, and its text.
        const PROGRAMS: &[(&str, &str)] = &[
            $((stringify!($name), include_str!(concat!("first_minutes/", stringify!($name), ".rs")))),*
        ];
    };
}

programs!(first, wrong, away);

/// `cargo run --bin NAME`, of a program that is built already.
const CARGO: &str = r#"#!/bin/sh
"$PROGRAMS" --exact "$3::program" --ignored --nocapture --test-threads=1 2>&1 | sed '1,/^@@$/d'
"#;

/// The commands of a console, each with what it says.
fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in block.split_inclusive('\n') {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.trim_end().to_owned(), String::new())),
            (None, Some((_, says))) => says.push_str(line),
            (None, None) => panic!("a block begins with a command: {block}"),
        }
    }
    commands
}

/// Whether a line is what stands there, where `…` stands for any text.
fn is_as_told(line: &str, told: &str) -> bool {
    let mut parts = told.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn the_first_ten_minutes_are_as_they_are_told() {
    let page = format!("{}/../docs/FIRST-MINUTES.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## Rust\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let place = Place::new("first-minutes");
    std::fs::create_dir(place.path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sinkwell"), place.path("bin/sinkwell")).unwrap();
    let cargo = place.write("bin/cargo", CARGO);
    std::fs::set_permissions(cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place.path("bin"), std::env::var("PATH").unwrap());
    let mut programs = PROGRAMS.iter();
    let mut ran = 0;
    for block in section.split("\n```").skip(1).step_by(2) {
        if let Some(program) = block.strip_prefix("rust\n") {
            let (name, text) = programs.next().unwrap();
            assert_eq!(format!("{program}\n"), *text, "cli/tests/first_minutes/{name}.rs");
            continue;
        }
        for (command, told) in commands(&format!("{}\n", block.strip_prefix("console\n").unwrap())) {
            if ["cargo new ", "cargo add ", "cargo install "].iter().any(|start| command.starts_with(start)) {
                continue;
            }
            let done = Command::new("bash")
                .args(["-c", &format!("{{ {command}\n}} 2>&1")])
                .current_dir(place.path(""))
                .env("PATH", &path)
                .env("PROGRAMS", std::env::current_exe().unwrap())
                .output()
                .unwrap();
            let said = String::from_utf8(done.stdout).unwrap();
            let same = said.lines().count() == told.lines().count()
                && said.lines().zip(told.lines()).all(|(line, told)| is_as_told(line, told));
            assert!(same, "$ {command}\n{said}\nnot\n{told}");
            ran += 1;
        }
    }
    assert!(programs.next().is_none() && ran >= 8, "{ran}");
}
