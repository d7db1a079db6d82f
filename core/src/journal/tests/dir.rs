//! One directory, many processes, and directories that cannot be used.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::support::*;
use crate::error::ErrorKind;
use crate::journal::{Position, Removed, list, remove_acknowledged};
use crate::seam::{Fs, RealFs};
use crate::testing::TempDir;

fn real() -> Arc<dyn Fs> {
    Arc::new(RealFs)
}

/// Names, lengths and contents of everything below `dir`.
fn snapshot(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(snapshot(&path));
        } else {
            all.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_directory_without_a_parent_is_an_error_that_names_it() {
    let dir = TempDir::new();
    let state = dir.path().join("missing/state");
    let error = open_with(real(), &config(&state), "audit").err().unwrap();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Journal, state.to_str()));
    assert!(error.message().contains("create the directory"), "{error}");
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn a_file_in_its_place_is_an_error() {
    let dir = TempDir::new();
    let state = dir.path().join("state");
    std::fs::write(&state, "precious").unwrap();
    let error = open_with(real(), &config(&state), "audit").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Journal);
    assert_eq!(std::fs::read(&state).unwrap(), b"precious");
}

#[test]
fn another_version_is_an_error_and_left_alone() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    append(&mut journal, &samples(0..3));
    journal.sync().unwrap();
    let segment = journal.path().join("0000000001.log");
    drop(journal);

    // The whole directory.
    std::fs::write(dir.path().join("sinkwell-journal"), "sinkwell-journal 2\n").unwrap();
    let before = snapshot(dir.path());
    for error in [
        open_with(real(), &config(dir.path()), "audit").err().unwrap(),
        list(&real(), dir.path()).err().unwrap(),
        remove_acknowledged(&real(), dir.path()).unwrap_err(),
    ] {
        assert!(error.message().contains("version 2"), "{error}");
        assert!(error.place().unwrap().ends_with("sinkwell-journal"), "{error}");
    }
    assert_eq!(snapshot(dir.path()), before);
    std::fs::write(dir.path().join("sinkwell-journal"), "sinkwell-journal 1\n").unwrap();

    // One segment.
    let mut bytes = std::fs::read(&segment).unwrap();
    for copy in [0, 2048] {
        bytes[copy + 8] = 9;
        let check = crc32c::crc32c(&bytes[copy..copy + 40]);
        bytes[copy + 40..copy + 44].copy_from_slice(&check.to_le_bytes());
    }
    std::fs::write(&segment, bytes).unwrap();
    let before = snapshot(dir.path());
    let error = open_with(real(), &config(dir.path()), "audit").err().unwrap();
    assert!(error.message().contains("version 9"), "{error}");
    assert_eq!(error.place(), segment.to_str());
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn a_directory_that_is_something_else_is_an_error() {
    let dir = TempDir::new();
    std::fs::write(dir.path().join("sinkwell-journal"), "shopping list").unwrap();
    let error = open_with(real(), &config(dir.path()), "audit").err().unwrap();
    assert!(error.message().contains("not the mark"), "{error}");
    assert_eq!(std::fs::read(dir.path().join("sinkwell-journal")).unwrap(), b"shopping list");
}

/// The real file system, but every change is refused with `errno`.
#[derive(Clone)]
struct Refusing(i32);

impl Refusing {
    fn error<T>(&self) -> std::io::Result<T> {
        Err(std::io::Error::from_raw_os_error(self.0))
    }
}

impl Fs for Refusing {
    fn open(&self, path: &Path, create: bool) -> std::io::Result<Box<dyn crate::seam::FsFile>> {
        if create { self.error() } else { RealFs.open(path, false) }
    }
    fn create_new(&self, _: &Path) -> std::io::Result<()> {
        self.error()
    }
    fn open_read(&self, path: &Path) -> std::io::Result<Box<dyn crate::seam::FsFile>> {
        RealFs.open_read(path)
    }
    fn stat(&self, path: &Path) -> std::io::Result<crate::seam::Stat> {
        RealFs.stat(path)
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        if path.exists() { Err(std::io::ErrorKind::AlreadyExists.into()) } else { self.error() }
    }
    fn create_dir_all(&self, _: &Path) -> std::io::Result<()> {
        self.error()
    }
    fn remove_dir(&self, _: &Path) -> std::io::Result<()> {
        self.error()
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
        RealFs.list(path)
    }
    fn rename(&self, _: &Path, _: &Path) -> std::io::Result<()> {
        self.error()
    }
    fn remove_file(&self, _: &Path) -> std::io::Result<()> {
        self.error()
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        RealFs.sync_dir(path)
    }
    fn free_space(&self, path: &Path) -> std::io::Result<u64> {
        RealFs.free_space(path)
    }
}

#[test]
fn read_only_forbidden_and_full_are_each_a_clear_error() {
    const EACCES: i32 = 13;
    const ENOSPC: i32 = 28;
    const EROFS: i32 = 30;
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    append(&mut journal, &samples(0..3));
    journal.sync().unwrap();
    drop(journal);
    let before = snapshot(dir.path());
    for (errno, says) in [(EACCES, "mode 0700"), (ENOSPC, "free space"), (EROFS, "can be written")] {
        for path in [dir.path().to_owned(), dir.path().join("new")] {
            let error = open_with(Arc::new(Refusing(errno)), &config(&path), "audit").err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Journal);
            assert!(error.message().contains(says), "{error}");
            assert!(error.place().unwrap().starts_with(path.to_str().unwrap()), "{error}");
        }
        assert_eq!(snapshot(dir.path()), before);
        // Looking needs no permission to write.
        assert_eq!(list(&(Arc::new(Refusing(errno)) as _), dir.path()).unwrap().journals.len(), 1);
    }
    assert_eq!(open(dir.path()).1[0].unacknowledged(), 3);
}

#[test]
fn looking_at_a_journal_in_use_changes_nothing() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    append(&mut journal, &samples(0..30));
    journal.sync().unwrap();
    journal.ack(Position(10)).unwrap();
    let before = snapshot(dir.path());
    let overview = list(&real(), dir.path()).unwrap();
    let sub = &overview.journals[0];
    assert!(sub.in_use);
    assert_eq!((sub.acknowledged, sub.last, sub.unacknowledged), (Position(10), Position(30), 20));
    assert_same(sub.read_from(sub.acknowledged), &samples(10..30));
    assert_eq!(
        remove_acknowledged(&real(), dir.path()).unwrap(),
        [Removed::InUse(journal.path().to_owned())]
    );
    assert_eq!(snapshot(dir.path()), before);
    append(&mut journal, &samples(30..40));
    journal.sync().unwrap();
}

#[test]
fn removing_the_acknowledged_keeps_what_waits() {
    let dir = TempDir::new();
    let (mut waiting, _) = open(dir.path());
    let (mut done, _) = open(dir.path());
    append(&mut waiting, &samples(0..30));
    append(&mut done, &samples(30..40));
    for (journal, acknowledged) in [(&mut waiting, 29), (&mut done, 10)] {
        journal.sync().unwrap();
        journal.ack(Position(acknowledged)).unwrap();
    }
    let paths = (waiting.path().to_owned(), done.path().to_owned());
    drop((waiting, done));
    assert_eq!(
        remove_acknowledged(&real(), dir.path()).unwrap(),
        [Removed::Part(paths.0, 1), Removed::Whole(paths.1.clone())]
    );
    assert!(!paths.1.exists());
    assert_same(open(dir.path()).1[0].records(), &samples(29..30));
}

#[test]
fn what_a_dead_maker_left_unfinished_is_swept_and_a_living_one_is_not_disturbed() {
    let dir = TempDir::new();
    open(dir.path());
    let id = "0190f3a0-0000-7000-8000-000000000001.new";
    let dead = dir.path().join(format!("audit.{id}"));
    std::fs::create_dir(&dead).unwrap();
    std::fs::write(dead.join("owner"), "{}").unwrap();
    let starting = dir.path().join(format!("other.{id}"));
    std::fs::create_dir(&starting).unwrap();
    std::fs::write(starting.join("owner"), "").unwrap();
    open(dir.path());
    assert!(!dead.exists() && starting.exists());
}

const CHILD: &str = "SINKWELL_TEST_JOURNAL_CHILD";

#[test]
#[ignore = "run by ten_processes_share_a_directory, in processes of their own"]
fn child() {
    let dir = std::env::var_os(CHILD).expect("the directory");
    let (mut journal, adopted) = open(Path::new(&dir));
    // Every process keeps what it adopted, so an envelope that two of them adopted would be printed twice.
    for old in &adopted {
        for stored in old.records() {
            println!("adopted {}", stored.unwrap().recordedtime);
        }
    }
    let first = u64::from(std::process::id()) * 1000;
    let mine: Vec<_> = (first..first + 10).map(|n| Sample::new(n, 50)).collect();
    append(&mut journal, &mine);
    journal.sync().unwrap();
    println!("wrote {first}");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    // As a crash: nothing is closed.
    std::process::abort();
}

#[test]
fn ten_processes_share_a_directory() {
    use std::io::{BufRead, BufReader};
    let dir = TempDir::new();
    // What a dead process left is adopted by exactly one of those that start together.
    let (mut journal, _) = open(dir.path());
    append(&mut journal, &samples(0..5));
    journal.sync().unwrap();
    drop(journal);

    let mut children: Vec<_> = (0..10)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["journal::tests::dir::child", "--exact", "--ignored", "--nocapture"])
                .env(CHILD, dir.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let (mut wrote, mut adopted) = (Vec::new(), Vec::new());
    for child in &mut children {
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, n)) = line.split_once("adopted ") {
                adopted.push(n.parse::<u64>().unwrap());
            }
            if let Some((_, n)) = line.split_once("wrote ") {
                wrote.push(n.parse::<u64>().unwrap());
                break;
            }
        }
    }
    adopted.sort_unstable();
    assert_eq!((wrote.len(), adopted), (10, (0..5).collect()));
    assert_eq!(list(&real(), dir.path()).unwrap().journals.iter().filter(|sub| sub.in_use).count(), 11);
    assert!(open(dir.path()).1.is_empty(), "all are in use");
    for mut child in children {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    let (_, adopted) = open(dir.path());
    let mut found: Vec<_> =
        adopted.iter().flat_map(|old| old.records()).map(|s| s.unwrap().recordedtime as u64).collect();
    let mut expected: Vec<_> = wrote.iter().flat_map(|&n| n..n + 10).chain(0..5).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
