//! Somebody else removes, replaces or cuts the files while they are written.

use std::path::Path;

use super::*;
use crate::seam::sqlite::beside;
use crate::sink::{Failure, FailureKind};

/// What somebody does to the files of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    RemoveLog,
    RemoveLogAndMemory,
    RemoveMemory,
    ReplaceLog,
    CutLog,
    RemoveDatabase,
    RemoveAll,
    ReplaceDatabase,
    RemoveDirectory,
}

impl Deed {
    const TO_THE_LOG: [Self; 5] =
        [Self::RemoveLog, Self::RemoveLogAndMemory, Self::RemoveMemory, Self::ReplaceLog, Self::CutLog];

    fn act(self, path: &Path) {
        let (log, memory) = (beside(path, "-wal"), beside(path, "-shm"));
        let remove = |path: &Path| std::fs::remove_file(path).unwrap();
        match self {
            Self::RemoveLog => remove(&log),
            Self::RemoveMemory => remove(&memory),
            Self::RemoveLogAndMemory => {
                remove(&log);
                remove(&memory);
            }
            Self::ReplaceLog => {
                let other = beside(path, ".other");
                std::fs::write(&other, b"").unwrap();
                std::fs::rename(&other, &log).unwrap();
            }
            Self::CutLog => std::fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap(),
            Self::RemoveDatabase => remove(path),
            Self::RemoveAll => [path, &log, &memory].into_iter().for_each(remove),
            Self::ReplaceDatabase => {
                let other = beside(path, ".other");
                let mut fresh = AuditSink::open(AuditOptions::new(&other)).unwrap();
                assert_eq!(fresh.deliver(&Sealer::new(99).some(3)), Answers::Acknowledged);
                drop(fresh);
                std::fs::rename(&other, path).unwrap();
            }
            Self::RemoveDirectory => std::fs::remove_dir_all(path.parent().unwrap()).unwrap(),
        }
    }
}

struct Victim {
    dir: TempDir,
    path: PathBuf,
    sink: AuditSink,
    next: usize,
    acknowledged: Vec<Envelope>,
}

/// Sealed once, as there are many victims.
fn sealed() -> &'static [Envelope] {
    static SEALED: std::sync::OnceLock<Vec<Envelope>> = std::sync::OnceLock::new();
    SEALED.get_or_init(|| Sealer::new(1).some(1500))
}

impl Victim {
    fn new() -> Self {
        let dir = TempDir::new();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        let path = dir.path().join("in/audit.db");
        let sink = AuditSink::open(AuditOptions::new(&path)).unwrap();
        sink.checkpoint_at(FRAMES);
        Self { dir, path, sink, next: 0, acknowledged: Vec::new() }
    }

    /// Delivers as a lane does, until it is acknowledged; returns the failures on the way.
    fn deliver(&mut self, batch: &[Envelope]) -> Vec<Failure> {
        let mut failures = Vec::new();
        loop {
            match self.sink.deliver(batch) {
                Answers::Acknowledged => break,
                Answers::Retry(failure, None) => failures.push(failure),
                other => panic!("{other:?}"),
            }
            assert!(failures.len() < 4, "{failures:?}");
        }
        self.acknowledged.extend_from_slice(batch);
        failures
    }

    fn some(&mut self, n: usize) -> Vec<Failure> {
        self.next += n;
        self.deliver(&sealed()[self.next - n..self.next])
    }

    /// Acts as if the process were killed: nothing is closed, and only the files that the paths lead to are left.
    /// Returns a copy's folder, the acknowledged lines that are missing in it, and the report on it.
    fn kill(self) -> (TempDir, Vec<Vec<u8>>, AuditReport) {
        let Self { dir, path, sink, acknowledged, .. } = self;
        let copy = dir.path().join("copy.db");
        for end in ["", "-wal"] {
            let from = beside(&path, end);
            if from.exists() {
                std::fs::copy(from, beside(&copy, end)).unwrap();
            }
        }
        // The handle lives on: a killed process closes nothing.
        let _alive = sink;
        let db = AuditDb::open_read(&copy).unwrap();
        let mut out = Vec::new();
        db.export(&mut out).unwrap();
        let there: std::collections::HashSet<&[u8]> = out.split(|&byte| byte == b'\n').collect();
        let missing = acknowledged
            .iter()
            .filter(|envelope| !there.contains(&*envelope.bytes))
            .map(|envelope| envelope.bytes.to_vec())
            .collect();
        let report = db.verify(&VerifyOptions::default()).unwrap();
        (dir, missing, report)
    }
}

/// The number of frames from which on the log is moved, and of envelopes in a delivery: a few deliveries lie between
/// two WAL checkpoints.
const FRAMES: u64 = 60;
const PART: usize = 4;

/// Two WAL checkpoints lie so many deliveries apart here.
fn steps() -> u64 {
    let mut victim = Victim::new();
    let mut first = None;
    for step in 0.. {
        victim.some(PART);
        let db = rusqlite_log(&victim.path);
        if db.0 == db.1 {
            match first {
                None => first = Some(step),
                Some(first) => return step - first,
            }
        }
    }
    unreachable!()
}

/// Frames in the log, and in the database.
fn rusqlite_log(path: &Path) -> (i64, i64) {
    let conn =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    conn.query_row("SELECT count(*) FROM leaf", [], |row| row.get::<_, i64>(0)).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| Ok((row.get(1)?, row.get(2)?))).unwrap()
}

#[test]
fn whatever_becomes_of_the_log_at_any_step_between_two_checkpoints_no_acknowledged_envelope_is_missing() {
    let steps = steps();
    assert!(steps > 3, "{steps}: there is something between two checkpoints");
    let mut lost_without = 0;
    for deed in Deed::TO_THE_LOG {
        for step in 1..=steps + 1 {
            let mut victim = Victim::new();
            for _ in 0..step {
                assert_eq!(victim.some(PART), []);
            }
            let before = victim.acknowledged.len();
            deed.act(&victim.path);
            let failures = victim.some(3);
            assert_eq!(failures.len(), 1, "{deed:?} at {step}: {failures:?}");
            assert_eq!(failures[0].kind, FailureKind::Storage);
            assert!(failures[0].summary.contains("by somebody else"), "{failures:?}");
            let detail = failures[0].detail.clone().unwrap();
            assert!(detail.contains("opened again"), "{detail}");
            lost_without += usize::from(!detail.contains(" 0 had gone"));
            assert_eq!(victim.some(5), [], "{deed:?}: it goes on");
            let (_dir, missing, report) = victim.kill();
            assert!(missing.is_empty(), "{deed:?} at {step}: {} of {before} are missing", missing.len());
            assert!(report.sound(), "{deed:?} at {step}: {report:?}");
        }
    }
    assert!(lost_without > 0, "something had to be appended again");
}

#[test]
fn what_is_removed_after_the_last_commit_is_seen_when_the_sink_ends() {
    for deed in Deed::TO_THE_LOG {
        let mut victim = Victim::new();
        victim.some(40);
        deed.act(&victim.path);
        let Victim { dir: _dir, path, sink, acknowledged, .. } = victim;
        drop(sink);
        let db = AuditDb::open_read(&path).unwrap();
        assert_eq!(db.head().unwrap().size, acknowledged.len() as u64, "{deed:?}");
    }
}

#[test]
fn a_database_that_is_removed_or_replaced_is_a_failure_and_goes_on_in_what_is_there_now() {
    for (deed, says, others) in [
        (Deed::RemoveDatabase, "removed", 0),
        (Deed::RemoveAll, "removed", 0),
        (Deed::ReplaceDatabase, "replaced", 3),
    ] {
        let mut victim = Victim::new();
        victim.some(10);
        deed.act(&victim.path);
        let failures = victim.some(3);
        assert_eq!(failures.len(), 1, "{deed:?}: {failures:?}");
        assert_eq!(failures[0].kind, FailureKind::Storage);
        // The log of another database that is left there would be read into this one.
        let aside = std::fs::read_dir(victim.path.parent().unwrap()).unwrap().flatten();
        let aside =
            aside.filter(|entry| entry.file_name().to_string_lossy().contains("-wal.replaced-")).count();
        assert_eq!(aside, usize::from(deed != Deed::RemoveAll), "{deed:?}");
        assert!(failures[0].summary.contains(says), "{deed:?}: {failures:?}");
        assert!(victim.sink.health().healthy, "it was delivered since");
        // All of it was acknowledged since the last WAL checkpoint, so all of it is there.
        let (_dir, missing, report) = victim.kill();
        assert!(missing.is_empty(), "{deed:?}: {} are missing", missing.len());
        assert_eq!(report.envelopes, 13 + others, "{deed:?}");
        assert!(report.sound(), "{deed:?}: {report:?}");
    }
}

#[test]
fn a_directory_that_is_gone_is_a_failure_until_it_is_back() {
    let mut victim = Victim::new();
    victim.some(10);
    Deed::RemoveDirectory.act(&victim.path);
    let batch = &sealed()[10..13];
    for _ in 0..3 {
        let Answers::Retry(failure, None) = victim.sink.deliver(batch) else { panic!("acknowledged") };
        assert_eq!(failure.kind, FailureKind::Storage, "{failure:?}");
        let health = victim.sink.health();
        assert!(!health.healthy && health.detail.is_some());
    }
    std::fs::create_dir(victim.path.parent().unwrap()).unwrap();
    assert_eq!(victim.deliver(batch), []);
    let (_dir, missing, report) = victim.kill();
    assert!(missing.is_empty());
    assert!(report.sound(), "{report:?}");
}

#[test]
fn looking_at_a_database_by_plain_reads_drops_nobodys_lock() {
    let mut victim = Victim::new();
    victim.some(10);
    // Each of these once opened and closed the file by itself.
    assert!(AuditDb::is_one(&victim.path));
    let options = crate::verify::Options::default();
    let mut verifier = crate::verify::Verifier::new(options);
    verifier.read_path(&victim.path).unwrap();
    for end in ["", "-wal", "-shm"] {
        let e = crate::seam::sqlite::open_plain(&beside(&victim.path, end)).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::ResourceBusy, "{end}");
    }
    let second = AuditSink::open(AuditOptions::new(&victim.path)).unwrap();
    drop(second);
    drop(AuditDb::open_read(&victim.path).unwrap());
    // If this process's locks are gone, another process takes itself for the last one that has the database open, and
    // removes the log when it ends.
    let script = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sinks::audit_chain::tests::taken::stranger", "--ignored", "--test-threads=1"])
        .env(STRANGER, &victim.path)
        .output()
        .unwrap();
    assert!(script.status.success(), "{script:?}");
    assert!(beside(&victim.path, "-wal").exists(), "the log was removed under its writer");
    assert_eq!(victim.some(5), []);
}

const STRANGER: &str = "SINKWELL_TEST_AUDIT_STRANGER";

/// Not a test of its own: somebody with SQLite and nothing of ours, who reads the database and ends.
#[test]
#[ignore = "started by another test"]
fn stranger() {
    let path = std::env::var(STRANGER).expect("started by another test");
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.query_row("SELECT count(*) FROM leaf", [], |row| row.get::<_, i64>(0)).unwrap();
}

#[test]
fn a_reader_that_keeps_the_log_from_being_moved_keeps_what_was_acknowledged_in_memory() {
    let mut victim = Victim::new();
    victim.some(10);
    let reader = AuditDb::open_read(&victim.path).unwrap();
    reader
        .snapshot(|conn| {
            conn.query_row("SELECT count(*) FROM leaf", [], |row| row.get::<_, i64>(0)).unwrap();
            for _ in 0..30 {
                assert_eq!(victim.some(40), []);
            }
            Ok(())
        })
        .unwrap();
    drop(reader);
    Deed::RemoveLogAndMemory.act(&victim.path);
    assert_eq!(victim.some(1).len(), 1);
    let (_dir, missing, report) = victim.kill();
    assert!(missing.is_empty(), "{}", missing.len());
    assert!(report.sound(), "{report:?}");
}
