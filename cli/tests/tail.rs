//! `sinkwell tail` as a person runs it, on a file that stands and on one that grows and is rotated.

mod common;

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use common::Place;

const FILE: &str = "lanes:\n- { id: file, sink: { file: { path: events.ndjson } } }\n";

#[test]
fn it_shows_what_is_asked_for_one_line_each() {
    let place = Place::new("tail");
    place.emitted(FILE, 6);
    let count = |arguments: &[&str]| {
        let run = place.run(&[&["tail", "events.ndjson"], arguments].concat()).ends(0);
        run.out.lines().count()
    };
    assert_eq!(count(&[]), 8);
    assert_eq!(count(&["--type", "tool.*"]), 6);
    assert_eq!(count(&["--type", "dev.sinkwell.tool.invocation", "--run", "r-1"]), 2);
    assert_eq!(count(&["--type", "audit.chain"]), 2);
    assert_eq!(count(&["--agent", "urn:example:buyer"]), 8);
    assert_eq!(count(&["--agent", "urn:example"]), 0);
    assert_eq!(count(&["--run", "r-2", "--type", "policy.*"]), 0);
    let line = place.run(&["tail", "--run", "r-1", "events.ndjson"]).ends(0).out;
    assert!(line.contains("dev.sinkwell.tool.invocation r-1 n=1 outcome=ok tool=search"), "{line}");
    // As `events.ndjson*` gives them, where several processes wrote.
    place.write("events.ndjson.17", place.read("events.ndjson"));
    assert_eq!(count(&["events.ndjson.17"]), 16);
    let both = place.run(&["tail", "--follow", "events.ndjson", "events.ndjson.17"]).ends(2);
    assert!(both.err.contains("--follow follows one file"), "{}", both.err);
}

#[test]
fn standard_input_junk_and_half_lines_are_taken_as_they_are() {
    let place = Place::new("tail-junk");
    place.emitted(FILE, 2);
    let junk = b"\xff\xfe not JSON\n{\"another\":\"tool's\"}\n\n".to_vec();
    let all = [junk.clone(), place.read("events.ndjson").into_bytes(), junk, b"{\"half".to_vec()].concat();
    for path in [&[][..], &["-"]] {
        let run = place.run_with(&[&["tail"], path].concat(), &all).ends(0);
        assert_eq!(run.out.lines().count(), 4);
    }
    // A last line without its newline is shown as well.
    let text = place.read("events.ndjson");
    assert_eq!(place.run_with(&["tail"], text.trim_end().as_bytes()).ends(0).out.lines().count(), 4);
    let run = place.run(&["tail", "none.ndjson"]).ends(2);
    assert!(run.err.contains("none.ndjson"), "{}", run.err);
}

#[test]
fn following_goes_on_through_growth_half_lines_and_rotation() {
    let place = Place::new("tail-follow");
    place.emitted(FILE, 3);
    let all: Vec<String> = place.read("events.ndjson").lines().map(|line| line.to_owned() + "\n").collect();
    place.write("live.ndjson", all[..2].concat());
    let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .args(["tail", "--follow", "--type", "tool.*", &place.path("live.ndjson")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Each step waits for what it should show, so that the next one comes after it.
    assert!(shown.next().unwrap().contains("n=0"));
    let mut live = OpenOptions::new().append(true).open(place.path("live.ndjson")).unwrap();
    let (half, rest) = all[2].split_at(100);
    live.write_all(half.as_bytes()).unwrap();
    live.write_all(rest.as_bytes()).unwrap();
    assert!(shown.next().unwrap().contains("n=1"));
    std::fs::rename(place.path("live.ndjson"), place.path("live.ndjson.1")).unwrap();
    place.write("live.ndjson", &all[3]);
    assert!(shown.next().unwrap().contains("n=2"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn following_loses_nothing_however_fast_the_file_is_rotated() {
    let place = Place::new("tail-fast");
    place.emitted(FILE, 30);
    let all: Vec<String> = place.read("events.ndjson").lines().map(|line| line.to_owned() + "\n").collect();
    place.write("live.ndjson", all[..2].concat());
    place.write(&format!("live.ndjson.{:020}", 5), "{\"old\":1}\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .args(["tail", "--follow", "--type", "tool.*", &place.path("live.ndjson")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(shown.next().unwrap().contains("n=0"));
    // Twenty-five files come and go before anybody can look.
    let rotate = |n: u64| {
        std::fs::rename(place.path("live.ndjson"), place.path(&format!("live.ndjson.{:020}", 10 + n)))
            .unwrap();
        place.write("live.ndjson", &all[2 + usize::try_from(n).unwrap()]);
    };
    (0..25).for_each(rotate);
    for n in 1..=25 {
        let line = shown.next().unwrap();
        assert!(line.contains(&format!("n={n} ")), "{line} where n={n} was due");
    }
    // What was removed before it could be read is said.
    std::fs::remove_file(place.path("live.ndjson")).unwrap();
    place.write(&format!("live.ndjson.{:020}", 36), &all[28]);
    place.write("live.ndjson", &all[29]);
    assert!(said.next().unwrap().contains("removed before"), "it is said");
    child.kill().unwrap();
    child.wait().unwrap();
}
