//! Somebody with the file and SQLite, but without sinkwell: what triggers stop, and what `verify` finds
//! once the triggers are gone.

use rusqlite::Connection;

use super::*;

fn log() -> Log {
    let mut log = Log::new();
    log.deliver(&Sealer::new(1).some(520));
    log
}

/// The kinds that `verify` finds after `sql` was run without triggers and constraints.
fn after(sql: &str) -> Vec<AuditFindingKind> {
    let log = log();
    let db = Connection::open(&log.path).unwrap();
    let triggers: Vec<(String, String)> = db
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (name, _) in &triggers {
        db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    db.execute_batch(sql).unwrap();
    for (_, text) in &triggers {
        db.execute_batch(text).unwrap();
    }
    let report = log.verify();
    let mut kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn triggers_stop_every_change_but_an_append() {
    let log = log();
    let db = Connection::open(&log.path).unwrap();
    let one = "SELECT leaf, id, type, agent, run, tenant, time, recordedtime, severity, own, subject";
    for sql in [
        "UPDATE envelope SET severity = 1 WHERE leaf = 3",
        "UPDATE envelope SET sealed = '{}' WHERE leaf = 3",
        "DELETE FROM envelope WHERE leaf = 3",
        "DELETE FROM envelope",
        &format!("REPLACE INTO envelope {one}, '{{}}' FROM envelope WHERE leaf = 3"),
        &format!("REPLACE INTO envelope {one}, '{{}}' FROM envelope WHERE leaf = 519"),
        "UPDATE leaf SET hash = zeroblob(32) WHERE leaf = 3",
        "UPDATE OR REPLACE leaf SET leaf = 4 WHERE leaf = 3",
        "DELETE FROM leaf WHERE leaf = 519",
        "REPLACE INTO leaf SELECT leaf, stream, sequence, zeroblob(32) FROM leaf WHERE leaf = 519",
        "INSERT INTO leaf VALUES (1000, 1, 1000, zeroblob(32))",
        "INSERT INTO leaf VALUES (-1, 1, 1000, zeroblob(32))",
        "INSERT INTO stub VALUES (3, '')",
        "INSERT INTO erasure VALUES (1, 1, 500, 3)",
        "UPDATE node SET hash = zeroblob(32)",
        "DELETE FROM node",
        "REPLACE INTO node SELECT level, idx, zeroblob(32) FROM node",
        "UPDATE name SET text = 'other'",
        "DELETE FROM name",
        "REPLACE INTO name SELECT no, kind, 'other' FROM name",
        "REPLACE INTO name(kind, text) SELECT kind, text FROM name",
        "UPDATE stream SET streamid = zeroblob(16)",
        "DELETE FROM stream",
        "REPLACE INTO stream SELECT no, zeroblob(16) FROM stream",
        "UPDATE meta SET value = 'other'",
        "REPLACE INTO meta VALUES ('origin', 'other')",
        "DELETE FROM meta",
        "INSERT INTO conflict VALUES (3, 2)",
    ] {
        let e = db.execute_batch(sql).expect_err(sql);
        assert_eq!(e.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{sql}: {e}");
    }
    drop(db);
    let report = log.verify();
    assert!(report.sound(), "{report:?}");
}

#[test]
fn with_triggers_out_of_the_way_every_change_is_found() {
    use AuditFindingKind as Kind;
    for (sql, expected) in [
        (
            "UPDATE envelope SET sealed = replace(sealed, 'marker', 'market') WHERE leaf = 3",
            &[Kind::Altered, Kind::Tree][..],
        ),
        ("UPDATE envelope SET sealed = 'gone' WHERE leaf = 3", &[Kind::Altered]),
        ("UPDATE leaf SET hash = zeroblob(32) WHERE leaf = 3", &[Kind::Altered]),
        ("UPDATE envelope SET subject = 'tool:other' WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE envelope SET time = time + 1 WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE envelope SET recordedtime = 0 WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE envelope SET own = 1 WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE envelope SET severity = 1 WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE envelope SET run = NULL WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE envelope SET id = zeroblob(16) WHERE leaf = 519", &[Kind::Column]),
        ("UPDATE name SET text = 'other' WHERE kind = 2", &[Kind::Column]),
        ("UPDATE name SET kind = 4 WHERE kind = 2", &[Kind::Column]),
        ("UPDATE stream SET streamid = zeroblob(16)", &[Kind::Column]),
        ("UPDATE leaf SET sequence = 9999 WHERE leaf = 519", &[Kind::Column]),
        ("DELETE FROM envelope WHERE leaf = 519", &[Kind::Removed]),
        (
            "DELETE FROM envelope WHERE leaf = 519; INSERT INTO stub VALUES (519, '')",
            &[Kind::Removed, Kind::Altered],
        ),
        ("INSERT INTO stub VALUES (519, '')", &[Kind::Removed, Kind::Schema]),
        ("DELETE FROM leaf WHERE leaf = 517", &[Kind::Removed, Kind::Schema]),
        ("UPDATE node SET hash = zeroblob(32) WHERE idx = 1", &[Kind::Tree]),
        ("DELETE FROM node WHERE idx = 1", &[Kind::Tree]),
        ("INSERT INTO node VALUES (1, 7, zeroblob(32))", &[Kind::Schema]),
        ("INSERT INTO conflict VALUES (3, 2)", &[Kind::Conflict]),
        ("DROP INDEX envelope_run", &[Kind::Schema]),
        ("CREATE TRIGGER more AFTER INSERT ON leaf BEGIN SELECT 1; END", &[Kind::Schema]),
    ] {
        assert_eq!(after(sql), expected, "{sql}");
    }
}

#[test]
fn a_trigger_that_is_gone_or_weaker_is_found_by_itself() {
    let log = log();
    let db = Connection::open(&log.path).unwrap();
    db.execute_batch("DROP TRIGGER envelope_update").unwrap();
    let report = log.verify();
    assert_eq!(report.found, 1);
    assert!(report.findings[0].note.contains("envelope_update is missing"), "{report:?}");
    db.execute_batch("CREATE TRIGGER envelope_update BEFORE UPDATE ON envelope BEGIN SELECT 1; END").unwrap();
    let report = log.verify();
    assert!(report.findings[0].note.contains("envelope_update was changed"), "{report:?}");
}

#[test]
fn an_index_that_hides_rows_is_found() {
    let log = log();
    let db = Connection::open(&log.path).unwrap();
    // A partial index under the text of the whole one: look-ups by run find one run, and seem complete.
    let text: String =
        db.query_row("SELECT sql FROM sqlite_schema WHERE name = 'envelope_run'", [], |r| r.get(0)).unwrap();
    db.execute_batch("DROP INDEX envelope_run; CREATE INDEX envelope_run ON envelope(run) WHERE run = 3;")
        .unwrap();
    db.execute_batch("PRAGMA writable_schema = ON").unwrap();
    db.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = 'envelope_run'", [text]).unwrap();
    drop(db);
    let report = log.verify();
    assert!(report.findings.iter().any(|finding| finding.kind == AuditFindingKind::Damaged), "{report:?}");
}

#[test]
fn a_history_rewritten_as_a_whole_shows_against_a_kept_head() {
    let kept = log().db().head().unwrap();
    let mut rewritten = Log::new();
    let mut sealer = Sealer::new(1);
    rewritten.deliver(&[sealer.seal(Said::default())]);
    rewritten.deliver(&sealer.some(600));
    let against = |head: TreeHead| rewritten.db().verify(&VerifyOptions { heads: vec![head] }).unwrap();
    assert!(rewritten.verify().sound(), "by itself it is sound");
    assert_eq!(against(kept.clone()).findings[0].kind, AuditFindingKind::Head);
    let longer = TreeHead { size: 10_000, ..kept.clone() };
    assert!(against(longer).findings[0].note.contains("ends before"));
    let other = TreeHead { origin: "example.com/other".into(), ..kept };
    assert!(against(other).findings[0].note.contains("another log"));
    let own = rewritten.db().prove(&Locator::Index(0), Some(17)).unwrap().head;
    assert!(against(own).sound());
}
