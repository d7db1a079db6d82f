//! Lending, condemning, looking; what a fork leaves open. No process is forked here: the tests of the bindings do.

use rusqlite::OpenFlags;

use super::*;
use crate::seam::Fs as _;
use crate::testing::TempDir;

fn connections(path: &Path) -> Connections {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    Connections::writer(path, flags, Duration::from_secs(60))
}

fn lend(connections: &Connections) -> (Lent, bool) {
    connections.lend(|| Ok(()), |_| Ok(())).unwrap()
}

#[test]
fn a_connection_is_lent_again_and_a_second_one_only_while_it_is_out() {
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    let connections = connections(&path);
    let (first, fresh) = lend(&connections);
    assert!(fresh);
    let (second, fresh) = lend(&connections);
    assert!(fresh);
    let kept = first.id;
    drop(second);
    drop(first);
    let (again, fresh) = lend(&connections);
    assert!(!fresh && again.id == kept);
    drop(again);
    drop(connections);
    assert!(!state().known.contains_key(&kept), "it is closed with its owner");
}

#[test]
fn what_could_not_be_prepared_is_not_kept() {
    let dir = TempDir::new();
    let connections = connections(&dir.path().join("a.db"));
    let refused = connections.lend(|| Ok(()), |_| Err(Error::internal("no")));
    assert_eq!(refused.err().unwrap().message(), "no");
    assert!(lend(&connections).1, "and the turn is free");
}

#[test]
fn a_file_that_sqlite_has_open_is_nobody_elses_to_open() {
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    std::fs::write(dir.path().join("plain"), "text").unwrap();
    let connections = connections(&path);
    let (lent, _) = lend(&connections);
    lent.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t(x)").unwrap();
    std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
    std::fs::hard_link(&path, dir.path().join("hard")).unwrap();
    for name in ["a.db", "link", "hard"] {
        let name = dir.path().join(name);
        let seen = look(&name, |_| -> io::Result<()> { panic!("it was opened") }).unwrap();
        assert!(matches!(seen, Seen::InUse));
        assert_eq!(open_plain(&name).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        let fs = crate::seam::SharedFs(crate::seam::Access { links: true, ..Default::default() });
        for opened in
            [fs.open(&name, false), fs.open(&name, true), fs.open_append(&name), fs.open_read(&name)]
        {
            assert_eq!(opened.err().unwrap().kind(), io::ErrorKind::ResourceBusy);
        }
    }
    open_plain(&dir.path().join("plain")).unwrap();
    assert_eq!(open_plain(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    drop(lent);
    drop(connections);
    open_plain(&path).unwrap();
}

#[test]
fn a_new_file_is_not_taken_for_the_log_that_was_deleted_at_its_inode() {
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    // File systems that give an inode again at once do so within a few rounds.
    let rounds = 100;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                let log = |conn: &mut Connection| {
                    let made = "PRAGMA journal_mode = wal; PRAGMA synchronous = off; CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES (1)";
                    conn.execute_batch(made).map_err(|e| Error::internal(e.to_string()))
                };
                connections(&path).lend(|| Ok(()), log).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let plain = dir.path().join("plain");
        while !done.load(Ordering::Relaxed) {
            std::fs::write(&plain, "text").unwrap();
            assert!(matches!(look(&plain, |_| Ok(())).unwrap(), Seen::Plain(())));
            open_plain(&plain).unwrap();
            std::fs::remove_file(&plain).unwrap();
        }
    });
}

#[test]
fn a_condemned_database_is_opened_again_only_when_nobody_here_holds_the_old_one() {
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    let (one, other) = (connections(&path), connections(&path));
    let (held, _) = lend(&one);
    drop(lend(&other));
    let idle = other.current.get().unwrap().1;
    other.condemn(FileId::of(&path).unwrap());
    assert!(!state().known.contains_key(&idle), "an idle one is closed at once");
    let refused = other.lend(|| Ok(()), |_| Ok(())).err().unwrap();
    assert!(refused.message().contains("still holds the old one"), "{refused}");
    drop(held);
    assert!(lend(&other).1);
    assert!(lend(&one).1, "its own is another one, too");
}

#[test]
fn what_a_fork_left_open_is_refused_in_the_child_and_not_closed() {
    // With a state of its own, as all tests share that of the process.
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE t(x)").unwrap();
    let file = FileId::of(&path).unwrap();
    let mut state = State { generation: crate::seam::fork::generation().wrapping_sub(1), ..State::default() };
    state.known.insert(1, Known { files: vec![file], idle: Some(conn), condemned: false, closing: false });
    state.frozen = true;
    state.busy = 3;
    state.opening = Some(path);
    state.inherit();
    assert!(state.known.is_empty() && !state.frozen && state.busy == 0 && state.opening.is_none());
    assert!(state.inherited.contains(&file));
}

#[test]
fn a_fork_waits_a_tenth_of_a_second_at_most_for_who_is_inside_sqlite() {
    const { assert!(QUIESCE_LIMIT.as_millis() <= 100) };
    let registry = Registry::default();
    let conn = || Some(Connection::open_in_memory().unwrap());
    {
        let mut state = registry.state.lock().unwrap();
        state.generation = crate::seam::fork::generation();
        state.busy = 1;
        state.known.insert(1, Known { files: Vec::new(), idle: conn(), condemned: false, closing: false });
        state.known.insert(2, Known { files: Vec::new(), idle: None, condemned: false, closing: false });
    }
    // Never given back: without a limit this would not return.
    let idle = registry.freeze(QUIESCE_LIMIT, WRITERS_LIMIT);
    assert_eq!(idle.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1], "the one in use stays");
    let state = registry.state.lock().unwrap();
    assert!(state.frozen && state.busy == 1);
}

/// What a fork would find: whether a connection to the file would be inherited by the child.
fn fork_finds(path: &Path) -> bool {
    let file = FileId::of(path).unwrap();
    quiesce();
    let left = HELD.with(|held| held.borrow().as_ref().unwrap().any(file, |_| true));
    resume();
    left
}

/// Runs an ignored test in a process of its own, as a fork closes the connections of every test.
fn alone(test: &str) {
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("sqlite::tests::{test}"), "--ignored", "--test-threads=1"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn a_fork_is_given_way_to() {
    alone("who_is_inside_a_batch_gives_way_to_a_fork_and_stores_it_afterwards");
    alone("who_waits_for_another_processs_lock_gives_way_to_a_fork");
}

#[test]
#[ignore = "started by another test"]
fn who_is_inside_a_batch_gives_way_to_a_fork_and_stores_it_afterwards() {
    use crate::sink::{Answers, Sink as _};
    use crate::sinks::audit_chain::{AuditDb, AuditOptions, AuditSink};
    let dir = TempDir::new();
    let path = dir.path().join("audit.db");
    let mut sink = AuditSink::open(AuditOptions::new(&path)).unwrap();
    let batch = crate::sinks::audit_chain::sealed(20_000);
    let whole = std::time::Instant::now();
    assert_eq!(sink.deliver(&batch[..2_000]), Answers::Acknowledged);
    let whole = whole.elapsed() * 9;
    assert!(whole > QUIESCE_LIMIT, "{whole:?}: the rest takes longer than a fork waits for anybody");
    let size = batch.len() as u64;
    let writes = std::thread::spawn(move || (sink.deliver(&batch[2_000..]), sink));
    let mut forks = 0;
    while !writes.is_finished() {
        // Forks once the sink is in the middle of the batch.
        if state().writing > 0 && forks < 5 {
            let before = std::time::Instant::now();
            assert!(!fork_finds(&path), "the child could not use it");
            assert!(before.elapsed() < whole / 2, "it was waited for to the end");
            forks += 1;
        }
        std::thread::yield_now();
    }
    let (answer, sink) = writes.join().unwrap();
    assert!(forks > 0);
    assert_eq!(answer, Answers::Acknowledged);
    drop(sink);
    assert_eq!(AuditDb::open_read(&path).unwrap().head().unwrap().size, size);
}

#[test]
#[ignore = "started by another test"]
fn who_waits_for_another_processs_lock_gives_way_to_a_fork() {
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    // As another process: SQLite keeps locks of two connections apart.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t(x); BEGIN IMMEDIATE").unwrap();
    let waits = connections(&path);
    let (started, inside) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let patient = |conn: &mut Connection| be_patient(conn).map_err(|e| Error::internal(e.to_string()));
        let (lent, _) = waits.lend(|| Ok(()), patient).unwrap();
        started.send(()).unwrap();
        let busy = lent.execute_batch("BEGIN IMMEDIATE").unwrap_err();
        let gave_way = fork_waits();
        drop(lent);
        (busy.sqlite_error_code(), gave_way)
    });
    inside.recv().unwrap();
    assert!(!fork_finds(&path));
    assert_eq!(waiter.join().unwrap(), (Some(rusqlite::ErrorCode::DatabaseBusy), true));
}

#[test]
fn a_lock_is_waited_for_as_long_as_was_said() {
    PATIENCE.set(Duration::from_millis(25));
    let tries = (0..).take_while(|&n| wait_for_lock(n)).count();
    // 1 + 2 + … + 6 ms are below that, and 7 more are not.
    assert_eq!(tries, 7);
    PATIENCE.set(Duration::ZERO);
    assert!(!wait_for_lock(0));
    assert!(!wait_for_lock(i32::MAX));
}
