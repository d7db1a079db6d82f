//! Appending, repeating, contesting; several writers; what is refused.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::error::ErrorKind;

#[test]
fn what_was_delivered_comes_out_as_it_went_in() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let batch = sealer.some(600);
    for part in batch.chunks(7) {
        log.deliver(part);
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 600);
    for (line, envelope) in lines.iter().zip(&batch) {
        assert_eq!(line.as_bytes(), &*envelope.bytes);
    }
    let report = log.verify();
    assert!(report.sound(), "{report:?}");
    assert_eq!((report.envelopes, report.erased, report.conflicts), (600, 0, 0));
    let head = log.db().head().unwrap();
    assert_eq!(head, log.sink.handle().head().unwrap());
    assert_eq!(head, report.head);
}

#[test]
fn a_repeat_is_dropped_and_another_hash_at_the_same_place_is_kept_as_a_conflict() {
    let mut log = Log::new();
    let (mut one, mut other) = (Sealer::new(1), Sealer::new(1));
    let batch = one.some(5);
    log.deliver(&batch);
    log.deliver(&batch[2..]);
    assert_eq!(log.db().head().unwrap().size, 5);
    // Opened again, the sink knows nothing but the file, and drops the repeat all the same.
    log.sink = AuditSink::open(AuditOptions::new(&log.path)).unwrap();
    log.deliver(&batch);
    assert_eq!(log.db().head().unwrap().size, 5);

    let forged = other.seal(Said { subject: Some("forged".into()), ..Said::default() });
    assert_eq!((forged.streamid, forged.sequence), (batch[0].streamid, 1));
    log.deliver(std::slice::from_ref(&forged));
    log.deliver(std::slice::from_ref(&forged));
    log.deliver(&batch[..1]);
    let report = log.verify();
    assert_eq!((report.envelopes, report.conflicts), (6, 1));
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].kind, AuditFindingKind::Conflict);
    assert_eq!(report.findings[0].index, Some(5));
    assert_eq!(log.lines()[5].as_bytes(), &*forged.bytes);
}

#[test]
fn every_proof_holds_and_says_which_envelope_it_is_about() {
    let mut log = Log::new();
    let batch = Sealer::new(1).some(300);
    log.deliver(&batch);
    let db = log.db();
    let head = db.head().unwrap();
    for (index, envelope) in batch.iter().enumerate().step_by(17) {
        let by_id = db.prove(&Locator::Id(envelope.id.clone()), None).unwrap();
        let place = Locator::Place { streamid: envelope.streamid, sequence: envelope.sequence };
        assert_eq!(db.prove(&place, None).unwrap(), by_id);
        assert_eq!(db.prove(&Locator::Index(index as u64), None).unwrap(), by_id);
        assert_eq!((by_id.hash, by_id.index, &by_id.head), (envelope.hash, index as u64, &head));
        assert!(by_id.verify());
        let earlier = db.prove(&Locator::Id(envelope.id.clone()), Some(index as u64 + 1)).unwrap();
        assert!(earlier.verify());
        let step = db.consistency(earlier.head.size, None).unwrap();
        assert!(step.verify());
        assert_eq!((step.old.root, step.new.root), (earlier.head.root, head.root));
    }
    let late = db.prove(&Locator::Index(10), Some(10)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::InvalidArgument);
    assert!(late.message().contains("above 10"), "{late}");
    assert_eq!(db.prove(&Locator::Index(300), None).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(db.consistency(5, Some(301)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(db.consistency(6, Some(5)).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn queries_find_what_fits_in_the_order_of_the_log() {
    let mut log = Log::new();
    let (mut one, mut two) = (Sealer::new(1), Sealer::new(2));
    log.deliver(&one.some(30));
    log.deliver(&two.some(30));
    let denied = two.seal(Said {
        event_type: Some("dev.sinkwell.policy.decision"),
        run: Some("it's \"odd\"".into()),
        ..Said::default()
    });
    log.deliver(std::slice::from_ref(&denied));
    let db = log.db();
    let indices = |filter: Filter| -> Vec<u64> {
        db.query(&filter).unwrap().into_iter().map(|found| found.index).collect()
    };
    let all = Filter::default;
    assert_eq!(indices(all()).len(), 61);
    assert_eq!(
        indices(Filter { run: Some("run-2".into()), ..all() }),
        [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58]
    );
    let two_only = Filter {
        run: Some("run-2".into()),
        agent: Some("urn:example:agent:2".into()),
        limit: Some(3),
        ..all()
    };
    assert_eq!(indices(two_only.clone()), [49, 50, 51]);
    assert_eq!(indices(Filter { after: Some(51), ..two_only }), [52, 53, 54]);
    for glob in ["policy.*", "dev.sinkwell.policy.*", "*.decision", "policy.decisio?"] {
        assert_eq!(indices(Filter { event_type: Some(glob.into()), ..all() }), [60], "{glob}");
    }
    assert_eq!(indices(Filter { event_type: Some("nothing".into()), ..all() }), []);
    assert_eq!(indices(Filter { run: Some("it's \"odd\"".into()), ..all() }), [60]);
    assert_eq!(indices(Filter { tenant: Some("acme".into()), ..all() }).len(), 60);
    assert_eq!(indices(Filter { tenant: Some("other".into()), ..all() }), []);
    let second = START + 1_000_000_000;
    assert_eq!(
        indices(Filter { since: Some(second), until: Some(second + 2_000_000_000), ..all() }),
        [1, 2, 31, 32]
    );
    let found = &db.query(&Filter { event_type: Some("policy.*".into()), ..all() }).unwrap()[0];
    assert_eq!(found.line.as_bytes(), &*denied.bytes);
    assert_eq!(found.hash, denied.hash);
}

#[test]
fn two_writers_take_turns() {
    let mut log = Log::new();
    let mut second = AuditSink::open(AuditOptions::new(&log.path)).unwrap();
    let (mut one, mut two) = (Sealer::new(1), Sealer::new(2));
    for _ in 0..40 {
        log.deliver(&one.some(9));
        assert_eq!(second.deliver(&two.some(11)), Answers::Acknowledged);
    }
    let report = log.verify();
    assert!(report.sound(), "{report:?}");
    assert_eq!(report.envelopes, 800);
    assert_eq!(log.sink.handle().head().unwrap(), second.handle().head().unwrap());
}

#[test]
fn a_lock_held_too_long_is_a_failure_to_try_again_and_leaves_nothing_behind() {
    let log = Log::new();
    let mut options = AuditOptions::new(&log.path);
    options.busy = std::time::Duration::from_millis(1);
    let mut sink = AuditSink::open(options).unwrap();
    let batch = Sealer::new(1).some(3);
    let other = rusqlite::Connection::open(&log.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let Answers::Retry(failure, None) = sink.deliver(&batch) else { panic!("not a retry") };
    assert!(failure.summary.contains("another process"), "{failure:?}");
    assert!(!sink.health().healthy);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sink.deliver(&batch), Answers::Acknowledged);
    assert!(sink.health().healthy);
    assert!(log.verify().sound());
}

#[test]
fn a_line_that_is_none_is_refused_alone() {
    let mut log = Log::new();
    let mut batch = Sealer::new(1).some(3);
    let bad = EnvelopeInner {
        bytes: (*b"{\"not\":").into(),
        event_type: "x".into(),
        agentid: "a".into(),
        ..inner(&batch[1])
    };
    batch[1] = Envelope::new(bad);
    let Answers::Each(answers) = log.sink.deliver(&batch) else { panic!("not one answer each") };
    use crate::sink::Answer;
    assert!(matches!(&answers[..], [Answer::Acknowledged, Answer::Refused(_), Answer::Acknowledged]));
    let report = log.verify();
    assert!(report.sound(), "{report:?}");
    assert_eq!(report.envelopes, 2);
}

fn inner(e: &Envelope) -> EnvelopeInner {
    EnvelopeInner { bytes: e.bytes.clone(), ..e.parts() }
}

#[test]
fn heads_are_due_by_growth_and_after_an_opening() {
    let mut log = Log::new();
    let handle = log.sink.handle();
    assert_eq!(handle.take_tree_head(1).unwrap(), None, "an empty log has nothing to announce");
    let mut sealer = Sealer::new(1);
    log.deliver(&sealer.some(10));
    assert_eq!(handle.take_tree_head(11).unwrap(), None);
    assert_eq!(handle.take_tree_head(10).unwrap().unwrap().size, 10);
    assert_eq!(handle.take_tree_head(1).unwrap(), None);
    let again = AuditSink::open(AuditOptions::new(&log.path)).unwrap();
    assert_eq!(again.handle().take_tree_head(1).unwrap().unwrap().size, 10);
}

#[test]
fn files_are_for_their_owner_only() {
    let mut log = Log::new();
    log.deliver(&Sealer::new(1).some(3));
    let mut seen = 0;
    for entry in std::fs::read_dir(log.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert_eq!(seen, 3, "the database, its log and its shared memory");
}

#[test]
fn what_is_not_ours_or_newer_is_refused_and_not_touched() {
    let dir = TempDir::new();
    let foreign = dir.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database, but longer than a header of SQLite could be: ".repeat(20))
        .unwrap();
    let newer = dir.path().join("newer.db");
    drop(AuditSink::open(AuditOptions::new(&newer)).unwrap());
    rusqlite::Connection::open(&newer)
        .unwrap()
        .execute_batch("PRAGMA user_version = 3; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let older = dir.path().join("older.db");
    drop(AuditSink::open(AuditOptions::new(&older)).unwrap());
    rusqlite::Connection::open(&older)
        .unwrap()
        .execute_batch("PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    for (path, kind, says) in [
        (&foreign, ErrorKind::Sink, "not a sinkwell audit database"),
        (&text, ErrorKind::Sink, "not a sinkwell audit database"),
        (&newer, ErrorKind::Unsupported, "newer sinkwell"),
        (&older, ErrorKind::Unsupported, "another form"),
    ] {
        let before = std::fs::read(path).unwrap();
        let e = AuditSink::open(AuditOptions::new(path)).err().unwrap();
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.message().contains(says), "{e}");
        assert!(e.place().unwrap().ends_with(path.file_name().unwrap().to_str().unwrap()));
        let e = AuditDb::open_read(path).err().unwrap();
        assert_eq!(e.kind(), kind, "{e}");
        assert_eq!(std::fs::read(path).unwrap(), before, "{path:?} was touched");
    }
    let nowhere = AuditSink::open(AuditOptions::new(dir.path().join("no/such/audit.db"))).err().unwrap();
    assert_eq!(nowhere.kind(), ErrorKind::Sink);
    assert!(AuditDb::open_read(dir.path().join("none.db")).is_err());
}

#[test]
fn a_log_keeps_the_origin_it_was_made_with() {
    let log = Log::new();
    let mut options = AuditOptions::new(&log.path);
    options.origin = Some("example.com/other".into());
    let e = AuditSink::open(options.clone()).err().unwrap();
    assert!(e.message().contains("example.com/audit"), "{e}");
    for bad in ["", "two words", "a+b", "sinkwell-event-v1"] {
        options.path = log.dir.path().join("fresh.db");
        options.origin = Some(bad.into());
        assert_eq!(
            AuditSink::open(options.clone()).err().unwrap().kind(),
            ErrorKind::InvalidConfig,
            "{bad:?}"
        );
    }
    let fresh = AuditSink::open(AuditOptions::new(log.dir.path().join("fresh.db"))).unwrap();
    assert!(fresh.handle().head().unwrap().origin.starts_with("sinkwell-audit/"));
}
