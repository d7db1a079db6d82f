//! A process with a durable lane is killed again and again: what it was told is journaled, is delivered.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sinkwell::Emitter;
use sinkwell::receipt::Stage;
use sinkwell::verify::Verdict;

use super::support::{TempDir, emit, judge, open, soak};

const DIR: &str = "SINKWELL_TEST_CRASH_DIR";
const LONG: Duration = Duration::from_secs(60);

fn durable(dir: &Path) -> Emitter {
    let (journal, out) = (dir.join("journal"), dir.join("events.ndjson"));
    open(
        &format!(
            "journal: {{ dir: \"{}\" }}\nlanes:\n  - {{ id: log, durable: true, overflow: block, batch: {{ events: 32 }}, sink: {{ file: {{ path: \"{}\" }} }} }}\n",
            journal.display(),
            out.display()
        ),
        Vec::new(),
    )
}

/// The part of the process that is killed: the test below starts this test with a directory.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let emitter = durable(Path::new(&dir));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let emitter = &emitter;
            scope.spawn(move || {
                for n in 0.. {
                    let receipt = emit(emitter, thread * 1_000_000 + n, None).unwrap();
                    if n % 3 == 0 {
                        receipt.wait(Stage::Journaled, LONG).unwrap();
                        // One write, so that a line is whole or not there.
                        let line = format!("journaled {}\n", receipt.id());
                        if std::io::stdout().write_all(line.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn what_was_journaled_survives_being_killed() {
    let dir = TempDir::new();
    let kills = 60 * soak();
    let mut promised = HashSet::new();
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let most = usize::try_from(1 + kill * 7 % 41).unwrap();
        let ids = |line: String| line.split_once("journaled ").map(|(_, id)| id.to_owned());
        promised.extend(lines.by_ref().filter_map(ids).take(most));
        child.kill().unwrap();
        promised.extend(lines.filter_map(ids).filter(|id| id.len() == 36));
        child.wait().unwrap();
    }
    let emitter = durable(dir.path());
    emitter.flush(LONG);
    let report = emitter.shutdown(LONG);
    assert_eq!(report[0].1.pending, 0);
    let text = std::fs::read(dir.path().join("events.ndjson")).unwrap();
    let delivered: HashSet<String> = text
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| sinkwell::json::parse(line).unwrap().get("id").unwrap().as_str().unwrap().to_owned())
        .collect();
    let missing: Vec<_> = promised.difference(&delivered).collect();
    assert!(missing.is_empty(), "{} of {} promised are missing: {missing:?}", missing.len(), promised.len());
    let report = judge(&text);
    assert!(report.verdict <= Verdict::Incomplete, "{:#?}", report.streams);
    println!("{kills} kills, {} promised, {} streams", promised.len(), report.streams.len());
}
