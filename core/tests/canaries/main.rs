//! Canaries (docs/CONTENT.md, "What is proven, and how"): a unique marker in everything that must not leave, under every combination
//! of gates, through every sink; then every byte that came out is searched.
//!
//! The emitters run in a child process, whose standard output and error are read as well. What a marker may
//! be found in is reckoned here from docs/CONTENT.md, not asked of the core. A lane that may see a part must have
//! it: a search that finds nothing anywhere proves nothing.

mod agent;
mod marker;
mod receiver;
mod search;

use std::path::Path;
use std::process::Command;

use agent::{CHILD, Combination};
use search::{Report, Verdict};

/// What runs in the child: every emitter, in the folder that the variable names.
#[test]
#[ignore = "a child process of the next test"]
fn child() {
    let dir = std::env::var_os(CHILD).expect("started by the next test");
    agent::run_all(Path::new(&dir));
}

#[test]
fn content_is_found_where_policy_says_and_nowhere_else() {
    let dir = search::Folder::new("canaries");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir.path())
        .env("SINKWELL_LOG", "info")
        .env_remove("SINKWELL_CONFIG")
        .output()
        .unwrap();
    std::fs::write(dir.path().join("stdout"), &output.stdout).unwrap();
    std::fs::write(dir.path().join("stderr"), &output.stderr).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let end = told
        .lines()
        .rev()
        .filter(|line| !line.starts_with('{') && !line.contains(" INFO "))
        .take(20)
        .collect::<Vec<_>>();
    assert!(output.status.success(), "the end, backwards: {end:#?}");

    let mut report = Report::default();
    for combination in Combination::all() {
        let folder = dir.path().join(combination.name());
        report.add(&search::search(&folder, &combination.markers()));
        agent::verify(&folder, &combination);
    }
    let all: Vec<_> = Combination::all().flat_map(|combination| combination.markers()).collect();
    report.add(&search::search_files(&[dir.path().join("stdout"), dir.path().join("stderr")], &all));
    print!("{report}");
    let leaks: Vec<_> = report.finds.iter().filter(|find| find.verdict != Verdict::Expected).collect();
    assert!(leaks.is_empty(), "{} wrong: {:#?}", leaks.len(), &leaks[..leaks.len().min(20)]);
    assert!(report.found > 0 && report.places > 128 * 10);
}
