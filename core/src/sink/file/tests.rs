//! What a file holds: through rotation, restarts, full disks and faults at every call.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::seam::{ManualClock, Uuid};
use crate::sink::{Answer, EnvelopeInner, FailureKind};
use crate::testing::TempDir;
use crate::testing::simfs::{Rng, SimFs};

const START: u64 = 1_767_225_600_000_000_000;

/// A line `<n padded to len bytes>`.
fn line(n: u64, len: usize) -> Envelope {
    Envelope::new(EnvelopeInner {
        bytes: format!("{n:0len$}").into_bytes().into(),
        id: Uuid([0; 16]),
        event_type: "t".into(),
        own: false,
        terminal: false,
        streamid: Uuid([0; 16]),
        sequence: n,
        hash: [0; 32],
        prevhash: None,
        agentid: "a".into(),
        time: 0,
        recordedtime: 0,
        severity: 9,
    })
}

fn lines(range: std::ops::Range<u64>) -> Vec<Envelope> {
    range.map(|n| line(n, 9)).collect()
}

fn config(path: &Path) -> FileConfig {
    FileConfig { path: path.to_owned(), rotate_bytes: None, rotate_age: None, keep: None, fsync: false }
}

/// The names in a folder but for `before`, and what is in each.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_file_is_rotated_before_it_outgrows_its_size_and_the_oldest_go() {
    let dir = TempDir::new();
    let path = dir.path().join("e.ndjson");
    let clock = Arc::new(ManualClock::new(START));
    let limits = FileConfig { rotate_bytes: Some(35), keep: Some(2), ..config(&path) };
    let mut sink = FileSink::open_in(Arc::new(RealFs), clock, limits).unwrap();
    // Three lines of ten bytes fit; one batch may need several files.
    assert_eq!(sink.deliver(&lines(0..8)), Answers::Acknowledged);
    let held = files(dir.path());
    let stamp = |n| format!("e.ndjson.{:020}", START + n);
    let names: Vec<_> = held.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["e.ndjson".to_owned(), stamp(0), stamp(1)], "the clock stands, the names differ");
    assert_eq!(held[1].1, "000000000\n000000001\n000000002\n");
    assert_eq!(held[0].1, "000000006\n000000007\n");
    // A line that is larger than the limit has a file of its own.
    assert_eq!(sink.deliver(&[line(8, 50), line(9, 9)]), Answers::Acknowledged);
    let held = files(dir.path());
    assert_eq!(held.len(), 3, "{held:?}");
    assert_eq!((held[0].1.as_str(), held[2].1.len()), ("000000009\n", 51));
    assert_eq!(held[1].1, "000000006\n000000007\n", "the two newest are kept");
}

#[test]
fn a_file_is_rotated_when_it_is_old_and_a_restart_does_not_make_it_young() {
    let dir = TempDir::new();
    let path = dir.path().join("e.ndjson");
    let hour = Duration::from_secs(3600);
    let limits = FileConfig { rotate_age: Some(hour), ..config(&path) };
    let now = SystemClock::default().unix_nanos().unsigned_abs();
    let clock = Arc::new(ManualClock::new(now));
    let open = || FileSink::open_in(Arc::new(RealFs), Arc::clone(&clock) as _, limits.clone()).unwrap();
    let mut sink = open();
    clock.advance(hour * 2);
    sink.deliver(&lines(0..2));
    assert_eq!(files(dir.path()).len(), 1, "an empty file has no age");
    clock.advance(hour / 2);
    sink.deliver(&lines(2..3));
    assert_eq!(files(dir.path()).len(), 1);
    clock.advance(hour / 2);
    sink.deliver(&lines(3..4));
    let held = files(dir.path());
    assert_eq!((held.len(), held[0].1.as_str()), (2, "000000003\n"));
    // Where the file system knows when a file was made, the next process does, too.
    drop(sink);
    clock.advance(hour * 3);
    let born = RealFs.open_read(&path).unwrap().created().is_some();
    open().deliver(&lines(4..5));
    assert_eq!(files(dir.path()).len(), if born { 3 } else { 2 });
}

#[test]
fn files_are_for_their_owner_alone() {
    let dir = TempDir::new();
    let path = dir.path().join("new/e.ndjson");
    let limits = FileConfig { rotate_bytes: Some(10), ..config(&path) };
    std::fs::create_dir(dir.path().join("new")).unwrap();
    std::fs::write(&path, "torn").unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut sink = FileSink::open(limits).unwrap();
    sink.deliver(&lines(0..3));
    assert_eq!(files(path.parent().unwrap()).len(), 3);
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_torn_last_line_is_moved_aside() {
    for (before, kept, torn) in [
        ("whole\ntor", "whole\n", Some("tor\n")),
        ("torn", "", Some("torn\n")),
        ("whole\n", "whole\n", None),
        ("", "", None),
    ] {
        let dir = TempDir::new();
        let path = dir.path().join("e");
        std::fs::write(&path, before).unwrap();
        FileSink::open(config(&path)).unwrap().deliver(&lines(1..2));
        let mut expected = vec![("e".to_owned(), format!("{kept}000000001\n"))];
        expected.extend(torn.map(|torn| ("e.torn".to_owned(), torn.to_owned())));
        assert_eq!(files(dir.path()), expected, "{before:?}");
    }
    // One that is longer than what is read at a time, beside the torn line of an earlier time.
    let dir = TempDir::new();
    let path = dir.path().join("e");
    let long = "x".repeat(200_000);
    std::fs::write(&path, format!("whole\n{long}")).unwrap();
    std::fs::write(dir.path().join("e.torn"), "earlier\n").unwrap();
    drop(FileSink::open(config(&path)).unwrap());
    assert_eq!(
        files(dir.path()),
        [("e".to_owned(), "whole\n".to_owned()), ("e.torn".to_owned(), format!("earlier\n{long}\n"))]
    );
}

#[test]
fn there_is_one_writer_per_file() {
    let dir = TempDir::new();
    let path = dir.path().join("e");
    let pid = std::process::id();
    let mut sinks: Vec<_> = (0..3).map(|_| FileSink::open(config(&path)).unwrap()).collect();
    for (n, sink) in (0..).zip(&mut sinks) {
        sink.deliver(&lines(n..n + 1));
    }
    let names = ["e".to_owned(), format!("e.{pid}"), format!("e.{pid}.1")];
    let expected: Vec<_> =
        names.into_iter().enumerate().map(|(n, name)| (name, format!("{n:09}\n"))).collect();
    assert_eq!(files(dir.path()), expected);
    // The first is gone: who opens next has its file again.
    drop(sinks);
    FileSink::open(config(&path)).unwrap().deliver(&lines(3..4));
    assert_eq!(files(dir.path())[0].1, "000000000\n000000003\n");
}

#[test]
fn a_full_disk_takes_nothing_away_and_leaves_no_half_line() {
    let (fs, path) = (SimFs::new(1), Path::new("/e"));
    let clock = Arc::new(ManualClock::new(START));
    let mut sink = FileSink::open_in(Arc::new(fs.clone()), clock, config(path)).unwrap();
    assert_eq!(sink.deliver(&lines(0..2)), Answers::Acknowledged);
    fs.leave_room(Some(15));
    for _ in 0..2 {
        // Room for a line and a half: all or nothing of what is written at once.
        let Answers::Retry(failure, None) = sink.deliver(&lines(2..5)) else { panic!("not a failure") };
        assert!(
            failure.kind == FailureKind::Storage && failure.summary.contains("cannot write"),
            "{failure:?}"
        );
        assert_eq!(fs.bytes(path), b"000000000\n000000001\n");
    }
    fs.leave_room(None);
    assert_eq!(sink.deliver(&lines(2..5)), Answers::Acknowledged);
    assert_eq!(fs.bytes(path).len(), 50);
}

/// Whatever fails and whenever the process dies: what was acknowledged is there once or more, whole and in
/// order, and no line is half another's.
#[test]
fn nothing_acknowledged_is_lost_under_faults_at_every_call() {
    let rounds = crate::testing::soak() * 300;
    let (mut faults, mut torn) = (0, 0);
    for seed in 0..rounds {
        let (fs, path) = (SimFs::new(seed), Path::new("/e"));
        let mut rng = Rng(seed);
        let clock = Arc::new(ManualClock::new(START));
        // Rotation syncs, and a sync that fails may lose what none has covered before: so only with `fsync`.
        let fsync = rng.one_in(2);
        let limits =
            FileConfig { rotate_bytes: (fsync && rng.one_in(2)).then_some(60), fsync, ..config(path) };
        let mut sent = 0;
        for _ in 0..4 {
            fs.fail_one_in(3 + rng.below(6));
            let opened = FileSink::open_in(Arc::new(fs.clone()), Arc::clone(&clock) as _, limits.clone());
            let Ok(mut sink) = opened else { continue };
            for _ in 0..rng.below(12) {
                clock.advance(Duration::from_secs(1));
                let batch = lines(sent..sent + 1 + rng.below(4));
                match sink.deliver(&batch) {
                    Answers::Acknowledged => sent += batch.len() as u64,
                    Answers::Each(each) => {
                        sent +=
                            each.iter().take_while(|answer| **answer == Answer::Acknowledged).count() as u64;
                    }
                    _ => {}
                }
            }
            fs.kill();
        }
        faults += fs.faults();
        fs.fail_one_in(0);
        drop(FileSink::open_in(Arc::new(fs.clone()), clock, limits).unwrap());
        let mut held = Vec::new();
        let mut names: Vec<_> = fs.list(Path::new("/")).unwrap();
        torn += usize::from(names.iter().any(|name| name.ends_with("e.torn")));
        names.retain(|name| !name.ends_with("e.torn"));
        // `/e` itself is the newest.
        names.rotate_left(1);
        for name in names {
            let text = String::from_utf8(fs.bytes(&name)).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "seed {seed}: {name:?} ends in {text:?}");
            for line in text.lines() {
                assert_eq!(line.len(), 9, "seed {seed}: {line:?} is no line");
                held.push(line.parse::<u64>().unwrap());
            }
        }
        // Repeats are allowed, gaps and other orders are not.
        let mut next = 0;
        for n in held {
            assert!(n <= next, "seed {seed}: {n} where {next} was due");
            next = next.max(n + 1);
        }
        assert!(next >= sent, "seed {seed}: {sent} were acknowledged, {next} are there");
    }
    assert!(faults > rounds && torn > 0, "{faults} faults and {torn} torn lines show nothing");
}
