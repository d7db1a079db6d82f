//! Several processes at one place, and a process whose output has gone: each with a real process.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::verify::{Verdict, Verifier};
use sinkwell::{Emitter, ErrorKind, EventInput, Options, Receipt, Result};

const DIR: &str = "SINKWELL_TEST_PROCESSES_DIR";
const NAME: &str = "SINKWELL_TEST_PROCESSES_NAME";
const LONG: Duration = Duration::from_secs(60);

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-processes-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A test of this file that is a program, in a process of its own.
    fn command(&self, program: &str, name: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", program, "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, &self.0)
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        command
    }

    fn start(&self, program: &str, name: &str) -> Child {
        self.command(program, name).spawn().unwrap()
    }

    /// The files whose names begin so, and all of their lines.
    fn files(&self, start: &str) -> (Vec<String>, Vec<u8>) {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(start) && self.0.join(name).is_file())
            .collect();
        names.sort();
        let bytes = names.iter().flat_map(|name| std::fs::read(self.0.join(name)).unwrap()).collect();
        (names, bytes)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path, rest: &str) -> Result<Emitter> {
    let text =
        format!("agent: {{ id: urn:a }}\nheartbeat: off\n{}", rest.replace("{dir}", dir.to_str().unwrap()));
    let config =
        Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default())?;
    Emitter::open(Options::new(config))
}

fn emit(emitter: &Emitter, text: &str) -> Receipt {
    let data = format!(r#"{{"text":"{text}"}}"#);
    emitter
        .emit(EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.step") })
        .unwrap()
}

const DURABLE: &str = "journal: { dir: '{dir}/journal', floor: 0 }\nlanes:\n\
    - { id: log, classes: [audit], sink: { file: { path: '{dir}/events.ndjson' } } }\n";

fn dir() -> PathBuf {
    std::env::var_os(DIR).expect("started by another test").into()
}

/// Everything in the input is whole, and nothing is missing; nobody gave a key.
fn unharmed(lines: &[u8]) -> Vec<sinkwell::json::Value> {
    let mut verifier = Verifier::new(Default::default());
    verifier.read(&mut &*lines, "all").unwrap();
    let report = verifier.finish().unwrap();
    assert_eq!(report.verdict, Verdict::Unchecked, "{report}");
    let parse = |line: &[u8]| sinkwell::json::parse(line).unwrap();
    lines.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
}

#[test]
#[ignore = "a program that other tests start"]
fn durable_program() {
    let emitter = open(&dir(), DURABLE).unwrap();
    let name = std::env::var(NAME).unwrap();
    println!("\nopen");
    // All of them are open before any goes on.
    let _ = std::io::stdin().read(&mut [0]);
    for n in 0..20 {
        emit(&emitter, &format!("{name}-{n}")).wait(Stage::Journaled, LONG).unwrap();
    }
    if name.ends_with('x') {
        // Without an end: as if killed.
        std::process::exit(0);
    }
    assert!(emitter.shutdown(LONG).iter().all(|(_, left)| left.pending == 0));
    std::process::exit(0);
}

#[test]
fn ten_processes_at_one_journal_and_one_file_lose_nothing_and_mix_nothing() {
    let place = Place::new("ten");
    let mut children: Vec<Child> = (0..10)
        .map(|n| place.start("durable_program", &format!("{n}{}", if n % 3 == 0 { "x" } else { "" })))
        .collect();
    for child in &mut children {
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "open"), "a process did not open");
    }
    for child in &mut children {
        drop(child.stdin.take());
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // The next process takes over what those left that did not end in order.
    let emitter = open(&place.0, DURABLE).unwrap();
    assert!(emitter.shutdown(LONG).iter().all(|(_, left)| left.pending == 0));
    let (names, lines) = place.files("events.ndjson");
    assert_eq!(names.len(), 10, "one writer each: {names:?}");
    let texts: HashSet<String> = unharmed(&lines)
        .iter()
        .filter_map(|e| Some(e.get("data")?.get("text")?.as_str()?.to_owned()))
        .collect();
    assert_eq!(texts.len(), 200, "twenty of each");
    // All is acknowledged: the journals of the dead are gone.
    let fs: std::sync::Arc<dyn sinkwell::seam::Fs> = std::sync::Arc::new(sinkwell::seam::RealFs);
    let left = sinkwell::journal::list(&fs, &place.0.join("journal")).unwrap().journals;
    assert!(left.iter().all(|sub| sub.unacknowledged == 0 && !sub.in_use), "something is left");
}

#[test]
fn a_journal_that_cannot_be_had_is_one_clear_error_and_nothing_is_harmed() {
    let place = Place::new("cannot");
    std::fs::write(place.0.join("file"), "somebody's").unwrap();
    std::fs::create_dir(place.0.join("newer")).unwrap();
    std::fs::write(place.0.join("newer/sinkwell-journal"), "sinkwell-journal 9\n").unwrap();
    let before = place.files("").0;
    for (dir, says) in [
        ("file", "not"),
        ("file/below", "journal.dir"),
        ("missing/below", "create the directory"),
        ("newer", "version"),
        ("/proc/sinkwell", "journal.dir"),
    ] {
        let rest = format!(
            "journal: {{ dir: '{}' }}\nlanes:\n- {{ durable: true, sink: memory }}\n",
            place.0.join(dir).display()
        );
        let e = open(&place.0, &rest).err().unwrap_or_else(|| panic!("{dir} opened"));
        assert_eq!(e.kind(), ErrorKind::Journal, "{dir}: {e}");
        assert!(e.place().is_some_and(|at| at.contains(dir)) && e.message().contains(says), "{dir}: {e}");
    }
    assert_eq!(place.files("").0, before);
    assert_eq!(std::fs::read(place.0.join("file")).unwrap(), b"somebody's");
    assert_eq!(std::fs::read(place.0.join("newer/sinkwell-journal")).unwrap(), b"sinkwell-journal 9\n");
}

#[test]
#[ignore = "a program that another test starts"]
fn stdout_program() {
    let rest = "lanes:\n- { id: out, sink: stdout, retry: { initial: 1ms, cap: 1ms }, breaker: { failures: 2 } }\n\
                - { id: file, sink: { file: { path: '{dir}/events.ndjson' } } }\n";
    let emitter = open(&dir(), rest).unwrap();
    println!("\nopen");
    // Until nobody reads standard output any more.
    let _ = std::io::stdin().read(&mut [0]);
    let receipts: Vec<_> = (0..50).map(|n| emit(&emitter, &format!("{n}"))).collect();
    let left = emitter.shutdown(Duration::from_secs(1));
    assert_eq!((left[0].1.pending, left[1].1.pending), (50, 0), "{left:?}");
    let health = emitter.health().remove(0).1;
    assert_eq!(health.failure, Some(sinkwell::sink::FailureKind::Network), "{health:?}");
    assert!(receipts.iter().all(|receipt| receipt.endings()[0].1.is_some()), "no receipt hangs");
    std::process::exit(17);
}

#[test]
fn a_closed_pipe_on_stdout_is_a_failure_and_not_a_crash() {
    let place = Place::new("pipe");
    let mut child = place.start("stdout_program", "");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "open"));
    drop(lines);
    drop(child.stdin.take());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(17), "it ends as it wants to: {status}");
    let (_, lines) = place.files("events.ndjson");
    let failed = unharmed(&lines).into_iter().filter(|e| {
        let of = |key| e.get(key).and_then(|value| value.as_str());
        of("origin") == Some("core") && of("type").is_some_and(|name| name.ends_with("sink.failed"))
    });
    assert!(failed.count() >= 1, "the other lane was told");
}

#[test]
#[ignore = "a program that another test starts"]
fn two_lines_program() {
    for n in 0..3 {
        sinkwell::emit(sinkwell::Event::new("com.example.step").with("n", n).with("text", "x").run("r-1"))
            .unwrap();
    }
    let twice = sinkwell::Event::new("com.example.step").with("n", 1).with("n", 2);
    assert_eq!(sinkwell::emit(twice).unwrap_err().kind(), ErrorKind::InvalidEvent);
    let left = sinkwell::shutdown(LONG);
    assert!(left.iter().all(|(_, left)| left.pending == 0));
    std::process::exit(0);
}

#[test]
fn two_lines_are_enough_where_the_environment_says_the_rest() {
    let place = Place::new("two-lines");
    std::fs::write(
        place.0.join("sinkwell.yaml"),
        "agent: { id: urn:a }\nlanes: [ { sink: { file: { path: events.ndjson } } } ]\n",
    )
    .unwrap();
    let mut command = place.command("two_lines_program", "");
    assert!(command.env("SINKWELL_CONFIG", place.0.join("sinkwell.yaml")).status().unwrap().success());
    let steps = unharmed(&place.files("events.ndjson").1);
    let of = |e: &sinkwell::json::Value| {
        let number = e.get("data").and_then(|data| data.get("n")).and_then(sinkwell::json::Value::as_i64);
        number.filter(|_| e.get("runid").and_then(|run| run.as_str()) == Some("r-1"))
    };
    assert_eq!(steps.iter().filter_map(of).collect::<Vec<_>>(), [0, 1, 2]);
}
