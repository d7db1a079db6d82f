//! Lending, condemning, looking; what a fork leaves open. No process is forked here: the tests of the bindings do.

use rusqlite::OpenFlags;

use super::*;
use crate::seam::Fs as _;
use crate::testing::TempDir;

fn connections(path: &Path) -> Connections {
    Connections::writer(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
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
    // Of a state of its own, as that of the process is every test's.
    let dir = TempDir::new();
    let path = dir.path().join("a.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE t(x)").unwrap();
    let file = FileId::of(&path).unwrap();
    let mut state = State { generation: crate::fork::generation().wrapping_sub(1), ..State::default() };
    state.known.insert(1, Known { files: vec![file], idle: Some(conn), condemned: false });
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
    let registry = Registry { state: Mutex::default(), change: Condvar::new() };
    let conn = || Some(Connection::open_in_memory().unwrap());
    {
        let mut state = registry.state.lock().unwrap();
        state.generation = crate::fork::generation();
        state.busy = 1;
        state.known.insert(1, Known { files: Vec::new(), idle: conn(), condemned: false });
        state.known.insert(2, Known { files: Vec::new(), idle: None, condemned: false });
    }
    // Never given back: without a limit this would not return.
    let idle = registry.freeze(QUIESCE_LIMIT);
    assert_eq!(idle.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1], "the one in use stays");
    let state = registry.state.lock().unwrap();
    assert!(state.frozen && state.busy == 1);
}
