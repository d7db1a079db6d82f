//! What a file holds: through rotation, restarts, full disks and faults at every call.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::seam::{Access, ManualClock, RealFs};
use crate::sink::{Answer, FailureKind};
use crate::testing::simfs::{Rng, SimFs};
use crate::testing::{TempDir, envelope_of};

const START: u64 = 1_767_225_600_000_000_000;

/// A line `<n padded to len bytes>`.
fn line(n: u64, len: usize) -> Envelope {
    envelope_of(format!("{n:0len$}"), 0, n)
}

fn lines(range: std::ops::Range<u64>) -> Vec<Envelope> {
    range.map(|n| line(n, 9)).collect()
}

fn config(path: &Path) -> FileConfig {
    FileConfig {
        path: path.to_owned(),
        rotate_bytes: None,
        rotate_age: None,
        keep: None,
        fsync: false,
        access: Access::default(),
    }
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
    // The first sink is gone: the next one that opens gets its file.
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
        // There is room for a line and a half: a write is kept as a whole or not at all.
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
        // Rotation syncs, and a sync that fails may lose whatever was not synced before: so rotation is tried only with
        // `fsync`.
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

#[test]
fn a_file_that_somebody_takes_away_is_a_failure_that_says_what_was_in_it() {
    type Deed = fn(&Path);
    let deeds: [(Deed, &str, &str); 4] = [
        (
            |path| std::fs::remove_file(path).unwrap(),
            "removed",
            "2 acknowledged envelopes were in it, and went",
        ),
        (
            |path| std::fs::remove_dir_all(path.parent().unwrap()).unwrap(),
            "removed",
            "2 acknowledged envelopes were in it, and went",
        ),
        (
            |path| std::fs::rename(path, path.with_extension("old")).unwrap(),
            "moved",
            "2 acknowledged envelopes were in it, and are only where it is now",
        ),
        (
            |path| std::fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap(),
            "cut by somebody else from 20 to 0",
            "where a copy was kept",
        ),
    ];
    for (deed, what, which) in deeds {
        let dir = TempDir::new();
        let path = dir.path().join("sub/e.ndjson");
        let mut sink = FileSink::open(config(&path)).unwrap();
        assert_eq!(sink.deliver(&lines(0..2)), Answers::Acknowledged);
        deed(&path);
        let Answers::Retry(failure, None) = sink.deliver(&lines(2..4)) else {
            panic!("{what}: acknowledged")
        };
        assert_eq!((failure.kind, failure.lost), (FailureKind::Storage, true), "{failure:?}");
        assert!(failure.summary.contains(what) && failure.summary.contains(which), "{failure:?}");
        assert!(
            !failure.summary.contains(dir.path().to_str().unwrap()),
            "a record names no path: {failure:?}"
        );
        // What was not acknowledged is in the next one, whole and once.
        assert_eq!(sink.deliver(&lines(2..4)), Answers::Acknowledged);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "000000002\n000000003\n", "{what}");
    }
}

#[test]
fn after_copytruncate_and_a_full_disk_there_is_no_nul() {
    let (fs, path) = (SimFs::new(1), Path::new("/e"));
    let clock = Arc::new(ManualClock::new(START));
    let mut sink = FileSink::open_in(Arc::new(fs.clone()), clock, config(path)).unwrap();
    assert_eq!(sink.deliver(&lines(0..3)), Answers::Acknowledged);
    fs.cut(path, 0);
    fs.leave_room(Some(15));
    for _ in 0..3 {
        assert!(matches!(sink.deliver(&lines(3..5)), Answers::Retry(..)));
        assert_eq!(fs.bytes(path), b"", "rolled back to what is there");
    }
    fs.leave_room(None);
    assert_eq!(sink.deliver(&lines(3..5)), Answers::Acknowledged);
    assert_eq!(fs.bytes(path), b"000000003\n000000004\n");
}

#[test]
fn rotation_never_renames_a_file_that_is_not_ours() {
    let dir = TempDir::new();
    let path = dir.path().join("e");
    let limits = FileConfig { rotate_bytes: Some(20), keep: Some(0), ..config(&path) };
    let mut sink = FileSink::open(limits).unwrap();
    assert_eq!(sink.deliver(&lines(0..2)), Answers::Acknowledged);
    std::fs::rename(&path, dir.path().join("kept")).unwrap();
    std::fs::write(&path, "somebody else's\n").unwrap();
    assert!(matches!(sink.deliver(&lines(2..3)), Answers::Retry(failure, None) if failure.lost));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("kept")).unwrap(), "000000000\n000000001\n");
}

/// Power is lost before each sync in turn, and with it everything that was not synced. What was delivered with `fsync`
/// is there, also after rotation and when torn lines are set aside.
#[test]
fn what_was_delivered_with_fsync_is_there_whenever_the_power_goes() {
    let path = Path::new("/logs/e");
    let clock = Arc::new(ManualClock::new(START));
    let limits = FileConfig { rotate_bytes: Some(45), fsync: true, ..config(path) };
    let mut points = 0;
    loop {
        let fs = SimFs::new(points);
        fs.create_dir(Path::new("/logs")).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        fs.lose_power_at_sync(points);
        let mut acknowledged = 0;
        for life in 0..3 {
            let opened = FileSink::open_in(Arc::new(fs.clone()), Arc::clone(&clock) as _, limits.clone());
            let Ok(mut sink) = opened else { break };
            for n in 0..6 {
                let from = life * 12 + n * 2;
                if sink.deliver(&lines(from..from + 2)) != Answers::Acknowledged {
                    break;
                }
                acknowledged = from + 2;
            }
            if fs.is_dark() {
                break;
            }
            // A half line that a crash left.
            drop(sink);
            let mut torn = fs.open(path, false).unwrap();
            torn.append(b"half").unwrap();
            fs.kill();
        }
        let dark = fs.is_dark();
        fs.lose_all_unsynced();
        let mut held: Vec<u64> = Vec::new();
        for name in fs.list(Path::new("/logs")).unwrap() {
            let text = String::from_utf8(fs.bytes(&name)).unwrap();
            held.extend(text.lines().filter_map(|line| line.parse::<u64>().ok()));
        }
        for n in 0..acknowledged {
            assert!(
                held.contains(&n),
                "power gone at sync {points}: {n} of {acknowledged} is missing: {held:?}"
            );
        }
        if !dark {
            break;
        }
        points += 1;
    }
    assert!(points > 20, "{points} sync points show nothing");
}

#[test]
fn pipes_and_devices_are_written_to_as_they_are() {
    let null = FileConfig { rotate_bytes: Some(5), fsync: false, ..config(Path::new("/dev/null")) };
    let mut sinks: Vec<_> = (0..2).map(|_| FileSink::open(null.clone()).unwrap()).collect();
    for sink in &mut sinks {
        assert_eq!(sink.deliver(&lines(0..4)), Answers::Acknowledged);
        assert_eq!(sink.path, Path::new("/dev/null"), "a device has no other beside it");
    }
    let dir = TempDir::new();
    let path = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    // Nobody reads yet, which neither the opening nor a delivery waits for.
    let mut sink = FileSink::open(config(&path)).unwrap();
    let Answers::Retry(failure, _) = sink.deliver(&lines(0..1)) else { panic!("nobody has these lines") };
    assert_eq!(failure.kind, FailureKind::Network, "{failure:?}");
    let reader = {
        let path = path.clone();
        std::thread::spawn(move || std::fs::read_to_string(path).unwrap())
    };
    while sink.deliver(&lines(0..1)) != Answers::Acknowledged {
        std::thread::yield_now();
    }
    assert_eq!(sink.deliver(&lines(1..2)), Answers::Acknowledged);
    drop(sink);
    assert_eq!(reader.join().unwrap(), "000000000\n000000001\n");
}

/// A line as an envelope's, of a stream named by one byte.
fn sealed(stream: u8, sequence: u64, signed: bool) -> Envelope {
    let seal = if signed { r#""keyid":"k","sigalg":"ed25519","signature":"AA==","# } else { "" };
    let streamid = crate::seam::Uuid([stream; 16]);
    let line = format!(r#"{{{seal}"sequence":"{sequence:020}","streamid":"{streamid}"}}"#);
    let envelope = envelope_of(line, stream, sequence);
    let bytes = envelope.bytes.clone();
    Envelope::new(crate::sink::EnvelopeInner { bytes, signed, ..envelope.parts() })
}

#[test]
fn what_a_cut_off_write_left_without_a_signature_is_set_aside() {
    let text = |all: &[(u8, u64, bool)]| -> String {
        let lines = all.iter().map(|&(stream, sequence, signed)| sealed(stream, sequence, signed));
        lines.map(|e| String::from_utf8(e.bytes.to_vec()).unwrap() + "\n").collect()
    };
    // More than the first block that is searched.
    let long: Vec<_> = (2..3000).map(|n| (1, n, false)).collect();
    for (stays, goes) in [
        (vec![(1, 1, true)], vec![(1, 2, false), (1, 3, false)]),
        (vec![(1, 1, true)], long),
        (vec![(1, 1, true), (2, 1, true)], vec![(1, 2, false), (2, 2, false)]),
        // Lines of a stream that is not signed, or of which no line shows that it is.
        (vec![(1, 1, false), (1, 2, false)], vec![]),
        (vec![(1, 1, true), (1, 2, false), (2, 1, false)], vec![]),
        // Covered lines.
        (vec![(1, 1, true), (1, 2, false), (1, 3, true)], vec![]),
    ] {
        let dir = TempDir::new();
        let path = dir.path().join("e.ndjson");
        std::fs::write(&path, text(&stays) + &text(&goes)).unwrap();
        let mut sink =
            FileSink::open_in(Arc::new(RealFs), Arc::new(ManualClock::new(START)), config(&path)).unwrap();
        assert_eq!(sink.deliver(&[sealed(3, 1, true)]), Answers::Acknowledged);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text(&stays) + &text(&[(3, 1, true)]));
        let aside = std::fs::read_to_string(dir.path().join("e.ndjson.torn")).unwrap_or_default();
        assert_eq!(aside, text(&goes));
    }
}

#[test]
fn rotation_parts_nothing_that_one_signature_covers() {
    let dir = TempDir::new();
    let path = dir.path().join("e.ndjson");
    let batch: Vec<_> = [(1, false), (2, false), (1, true), (2, true), (1, false), (1, true), (2, false)]
        .into_iter()
        .enumerate()
        .map(|(n, (stream, signed))| sealed(stream, n as u64 + 1, signed))
        .collect();
    // Each line would be one too many.
    let limits = FileConfig { rotate_bytes: Some(1), ..config(&path) };
    let mut sink = FileSink::open_in(Arc::new(RealFs), Arc::new(ManualClock::new(START)), limits).unwrap();
    assert_eq!(sink.deliver(&batch), Answers::Acknowledged);
    let mut counts: Vec<_> = files(dir.path()).iter().map(|(_, text)| text.lines().count()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 4]);
}

#[test]
fn a_failure_says_in_the_systems_words_what_was_wrong() {
    for (errno, says) in
        [(rustix::io::Errno::IO, "Input/output error"), (rustix::io::Errno::MFILE, "open files")]
    {
        let failure = Failure::of_io(&errno.into());
        assert!(failure.summary.contains(says), "{failure:?}");
    }
}
