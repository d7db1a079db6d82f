//! Every SQLite connection of this process to a file is opened, lent and closed here.
//!
//! Guarantees:
//! - No ordinary descriptor of a file that SQLite has open in this process is ever closed by us. The operating system
//!   drops all of a process's locks on a file as soon as the process closes *any* descriptor of it; the next process
//!   that reads the log then takes itself for the last one and deletes the write-ahead log under its writer. Code that
//!   only looks at a file uses [`look`] or [`open_plain`], which refuse SQLite's files.
//! - No connection is open across a fork. A child inherits what SQLite remembers of its locks, but not the locks
//!   themselves: it would believe that it holds them. [`quiesce`] closes all connections and lets none be opened until
//!   [`resume`] or [`child`]; whoever needs one next opens it again. A thread that writes, or that waits for another
//!   process's lock, gives its connection back as soon as it sees that a [fork waits](fork_waits), and does its work
//!   again afterwards. A connection that is not given back in time stays the parent's: the child refuses its files,
//!   with a message that says so.
//! - A connection whose files were taken away is [condemned](Connections::condemn). Its database is opened again only
//!   when this process has no other connection to it: SQLite keeps one memory of a log per database and process, and
//!   would mix the old log with the new.
//!
//! How: a [`Connections`] knows how to open one database; [`Connections::lend`] lends its connection, and opens it if
//! need be. All state is under one lock that is never held while a file is touched.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, ErrorKind, Result};
use crate::seam::FileId;

/// How long a fork waits for threads that are inside SQLite. The thread that forks may hold its language's only lock,
/// so that everything else waits with it.
const QUIESCE_LIMIT: Duration = Duration::from_millis(100);

/// How long a fork waits for threads that write: they give way at once, unless they wait for the disk in a sync.
const WRITERS_LIMIT: Duration = Duration::from_secs(2);

/// How long SQLite sleeps at most between two tries for a lock that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How long an opening waits until condemned connections to the same database are closed.
const CONDEMNED_LIMIT: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    /// The process that this state belongs to ([`crate::seam::fork::generation`]).
    generation: u32,
    /// A fork is under way: nothing is lent or opened.
    frozen: bool,
    /// Connections lent, being opened or being closed.
    busy: usize,
    /// How many of these write.
    writing: usize,
    /// The path that is being opened or looked at; one at a time, so that no file becomes a database meanwhile.
    opening: Option<PathBuf>,
    next: u64,
    known: HashMap<u64, Known>,
    /// In a child: files that its parent had open when it was forked.
    inherited: HashSet<FileId>,
}

/// A connection.
struct Known {
    /// The database, its log and its shared memory, as far as they exist.
    files: Vec<FileId>,
    /// The connection, while it is not lent.
    idle: Option<Connection>,
    condemned: bool,
    /// It is being closed, which can delete its log. The operating system then gives the log's inode to the next file
    /// that anybody creates, while it still stands in `files`.
    closing: bool,
}

impl Known {
    /// The connection to close, where it is not lent.
    fn close(&mut self) -> Option<Connection> {
        let conn = self.idle.take()?;
        self.closing = true;
        Some(conn)
    }
}

#[derive(Default)]
struct Registry {
    state: Mutex<State>,
    /// Notified when a connection was given back, opened or closed, or a fork waits.
    change: Condvar,
    /// The same as `frozen`, for code that must not take the lock.
    fork_waits: AtomicBool,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);

thread_local! {
    /// From [`quiesce`] to [`resume`] or [`child`], so that the child finds the lock free.
    static HELD: RefCell<Option<MutexGuard<'static, State>>> = const { RefCell::new(None) };

    /// How long the connection that this thread was lent last waits for another process's lock.
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Whether a fork waits for connections to be given back. A thread that writes then rolls back, gives its connection
/// back, and does the same work again afterwards.
pub(crate) fn fork_waits() -> bool {
    REGISTRY.fork_waits.load(Ordering::Relaxed)
}

/// Has a connection wait for other processes' locks, for as long as its [`Connections`] allow and no fork waits.
///
/// # Errors
/// As SQLite says.
pub(crate) fn be_patient(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.busy_handler(Some(wait_for_lock))
}

/// SQLite's busy handler: whether to try again after this many tries for one lock.
fn wait_for_lock(tries: i32) -> bool {
    let pause = |n: u32| Duration::from_millis(u64::from(n) + 1).min(LOCK_PAUSE);
    let tries = u32::try_from(tries).unwrap_or(u32::MAX);
    let ramp = u32::try_from(LOCK_PAUSE.as_millis()).unwrap_or(u32::MAX);
    let before: Duration =
        (0..tries.min(ramp)).map(pause).sum::<Duration>() + LOCK_PAUSE * tries.saturating_sub(ramp);
    if fork_waits() || before >= PATIENCE.get() {
        return false;
    }
    let state = REGISTRY.state.lock().unwrap_or_else(PoisonError::into_inner);
    drop(REGISTRY.change.wait_timeout_while(state, pause(tries), |state| !state.frozen));
    !fork_waits()
}

fn state() -> MutexGuard<'static, State> {
    let mut state = REGISTRY.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.inherit();
    state
}

impl State {
    /// In a child: the parent's connections are never touched again, not even closed, as closing would end the parent's
    /// log; files of connections that could not be closed before the fork are refused.
    fn inherit(&mut self) {
        let generation = crate::seam::fork::generation();
        if self.generation == generation {
            return;
        }
        let known = std::mem::take(&mut self.known);
        self.inherited.extend(known.values().flat_map(|known| known.files.iter().copied()));
        std::mem::forget(known);
        self.inherited.extend(self.opening.take().and_then(|path| FileId::of(&path).ok()));
        self.busy = 0;
        self.writing = 0;
        self.frozen = false;
        self.generation = generation;
    }

    fn any(&self, file: FileId, which: impl Fn(&Known) -> bool) -> bool {
        self.known.values().any(|known| which(known) && known.files.contains(&file))
    }

    fn condemned(&self, file: FileId) -> bool {
        self.known.values().any(|known| known.condemned && known.files.first() == Some(&file))
    }
}

impl Registry {
    /// Stops lending and opening. Answers the idle connections, once none is in use or `limit` is over (`writers`, for
    /// those that write).
    fn freeze(&self, limit: Duration, writers: Duration) -> Vec<(u64, Connection)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.inherit();
        state.frozen = true;
        self.fork_waits.store(true, Ordering::Relaxed);
        self.change.notify_all();
        let (state, _) = self
            .change
            .wait_timeout_while(state, limit, |state| state.busy > 0)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .change
            .wait_timeout_while(state, writers.saturating_sub(limit), |state| state.writing > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.known.iter_mut().filter_map(|(&id, known)| Some((id, known.close()?))).collect()
    }
}

/// To be called before a fork: closes every idle connection, and lets none be opened until [`resume`] or [`child`],
/// which the same thread calls. Waits at most a tenth of a second for connections in use; for those that write, which
/// give way as soon as a slow disk has synced, at most two seconds. Takes no lock under which a thread waits for
/// anything, and closing syncs nothing.
pub fn quiesce() {
    // Two handlers of one process may both call it.
    if HELD.with(|held| held.borrow().is_some()) {
        return;
    }
    let idle = REGISTRY.freeze(QUIESCE_LIMIT, WRITERS_LIMIT);
    let ids: Vec<u64> = idle.iter().map(|(id, _)| *id).collect();
    for (_, conn) in idle {
        close_leaving_log(conn);
    }
    let mut state = state();
    for id in ids {
        state.known.remove(&id);
    }
    HELD.with(|held| *held.borrow_mut() = Some(state));
}

/// After a fork, in the parent: connections may be opened again.
pub fn resume() {
    if let Some(mut state) = HELD.with(|held| held.borrow_mut().take()) {
        state.frozen = false;
        REGISTRY.fork_waits.store(false, Ordering::Relaxed);
        drop(state);
        REGISTRY.change.notify_all();
    }
}

/// To be called after a fork in the child, once [`crate::seam::fork::note_child`] has been called: forgets the parent's
/// connections without closing them.
pub fn child() {
    if let Some(mut state) = HELD.with(|held| held.borrow_mut().take()) {
        state.inherit();
        state.frozen = false;
    }
    REGISTRY.fork_waits.store(false, Ordering::Relaxed);
}

/// Closes a connection without checkpointing or deleting its log: the log may belong to another process by now.
fn close_leaving_log(conn: Connection) {
    let _ = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    drop(conn);
}

/// The turn to open a database or to look at a file: one thread at a time has it.
struct Turn;

impl Turn {
    fn take(path: &Path) -> Self {
        let state = state();
        let mut state = REGISTRY
            .change
            .wait_while(state, |state| state.frozen || state.opening.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        state.opening = Some(path.to_owned());
        state.busy += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = state();
        state.opening = None;
        state.busy -= 1;
        drop(state);
        REGISTRY.change.notify_all();
    }
}

/// What [`look`] found.
pub(crate) enum Seen<T> {
    /// SQLite has the file open here: it is a database's, and nobody else may touch it.
    InUse,
    /// The file is not SQLite's; what `read` answered.
    Plain(T),
}

/// Reads something from a file that may be a database, and closes the file before anybody here can open it as one.
///
/// # Errors
/// As the operating system says.
pub(crate) fn look<T>(path: &Path, read: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<Seen<T>> {
    let _turn = Turn::take(path);
    if is_ours(path)? {
        return Ok(Seen::InUse);
    }
    read(&mut File::open(path)?).map(Seen::Plain)
}

/// Opens a file for reading that is not a database. A file that SQLite has open in this process is refused, as closing
/// it would drop SQLite's locks.
///
/// # Errors
/// Kind `ResourceBusy`: SQLite has it open in this process. Else as the operating system says.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let _turn = Turn::take(path);
    refuse_ours(path)?;
    File::open(path)
}

/// Whether a path leads to a file that SQLite has open in this process.
pub(crate) fn is_open_here(path: &Path) -> bool {
    // A pipe, or a path that names nothing, is no database.
    is_ours(path).unwrap_or(false)
}

/// Whether a path leads to a file of a connection. Where that connection is being closed, it is waited for: the path may
/// lead to a new file that has the inode of its deleted log.
fn is_ours(path: &Path) -> io::Result<bool> {
    loop {
        let file = FileId::of(path)?;
        let state = state();
        if state.any(file, |known| !known.closing) {
            return Ok(true);
        }
        if !state.any(file, |known| known.closing) {
            return Ok(false);
        }
        let closing = |state: &mut State| state.any(file, |known| known.closing);
        drop(REGISTRY.change.wait_while(state, closing));
    }
}

/// Refuses a file that only SQLite may open in this process. This does not cover a file that is opened as a database
/// afterwards; [`open_plain`] takes a turn for that.
///
/// # Errors
/// Kind `ResourceBusy`: SQLite has it open in this process.
pub(crate) fn refuse_ours(path: &Path) -> io::Result<()> {
    if is_open_here(path) {
        return Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "it belongs to a database that this process has open; give the database itself, or copy it first",
        ));
    }
    Ok(())
}

/// How one database is opened, and its connection, which the registry keeps while nobody uses it.
pub(crate) struct Connections {
    path: PathBuf,
    /// What SQLite is to open: the path, or a URI of it.
    name: PathBuf,
    flags: OpenFlags,
    /// The id of the connection to lend again, and the process that opened it.
    current: Cell<Option<(u32, u64)>>,
    /// Whether the connection only reads, so that it leaves the log as it is when it is closed.
    reader: bool,
    /// How long it waits for another process's lock.
    patience: Duration,
}

impl Connections {
    /// Nothing is opened yet.
    pub(crate) fn writer(path: impl Into<PathBuf>, flags: OpenFlags, patience: Duration) -> Self {
        let path = path.into();
        Self { name: path.clone(), path, flags, current: Cell::new(None), reader: false, patience }
    }

    /// Nothing is opened yet. A reader never empties or deletes a log; `name` may be a URI of the path.
    pub(crate) fn reader(
        path: impl Into<PathBuf>,
        name: PathBuf,
        flags: OpenFlags,
        patience: Duration,
    ) -> Self {
        Self { path: path.into(), name, flags, current: Cell::new(None), reader: true, patience }
    }

    /// Lends the connection. If there is none, `make` prepares the file, and `fresh` the new connection; the answer
    /// says whether it is new. While the connection is lent, others who ask get another one.
    ///
    /// # Errors
    /// Those of `make` and `fresh`; kind `sink`, for a reader `verification`: SQLite cannot open it, or this
    /// process cannot share it.
    pub(crate) fn lend(
        &self,
        make: impl FnOnce() -> Result<()>,
        fresh: impl FnOnce(&mut Connection) -> Result<()>,
    ) -> Result<(Lent, bool)> {
        PATIENCE.set(self.patience);
        if let Some(lent) = self.again() {
            return Ok((lent, false));
        }
        let turn = Turn::take(&self.path);
        make()?;
        let kind = if self.reader { ErrorKind::Verification } else { ErrorKind::Sink };
        if let Ok(file) = FileId::of(&self.path) {
            free(file).map_err(|text| Error::new(kind, text))?;
        }
        let mut conn = Connection::open_with_flags(&self.name, self.flags)
            .map_err(|e| Error::new(kind, format!("the database cannot be opened: {e}")))?;
        let (id, generation) = {
            let mut state = state();
            state.next += 1;
            let id = state.next;
            state.known.insert(
                id,
                Known { files: files_of(&self.path), idle: None, condemned: false, closing: false },
            );
            state.busy += 1;
            state.writing += usize::from(!self.reader);
            (id, state.generation)
        };
        let prepared = fresh(&mut conn);
        // By now its log exists, too.
        if let Some(known) = state().known.get_mut(&id) {
            known.files = files_of(&self.path);
        }
        let kept = self.current.get().is_none_or(|(_, before)| !state().known.contains_key(&before));
        let lent = Lent { conn: Some(conn), id, generation, reader: self.reader, kept };
        drop(turn);
        if let Err(e) = prepared {
            lent.give_up();
            return Err(e);
        }
        if kept {
            self.current.set(Some((generation, id)));
        }
        Ok((lent, true))
    }

    /// The connection, where there is one.
    fn again(&self) -> Option<Lent> {
        let (generation, id) = self.current.get()?;
        let state = state();
        let mut state =
            REGISTRY.change.wait_while(state, |state| state.frozen).unwrap_or_else(PoisonError::into_inner);
        if state.generation != generation {
            return None;
        }
        let conn = state.known.get_mut(&id).and_then(|known| known.idle.take())?;
        state.busy += 1;
        state.writing += usize::from(!self.reader);
        Some(Lent { conn: Some(conn), id, generation, reader: self.reader, kept: true })
    }

    /// To be called when the database's files were taken away: all connections of this process to the database `file`
    /// are closed as they come back, and their log is left as it is.
    pub(crate) fn condemn(&self, file: FileId) {
        self.current.set(None);
        let mut state = state();
        let mut idle = Vec::new();
        for (&id, known) in &mut state.known {
            if known.files.first() == Some(&file) {
                known.condemned = true;
                idle.extend(known.close().map(|conn| (id, conn)));
            }
        }
        state.busy += idle.len();
        drop(state);
        for (id, conn) in idle {
            close_leaving_log(conn);
            forget(id);
        }
    }
}

/// The database, its log and its shared memory, as far as they exist; the database first.
fn files_of(path: &Path) -> Vec<FileId> {
    ["", "-wal", "-shm"].iter().filter_map(|end| FileId::of(&beside(path, end)).ok()).collect()
}

/// The path of a file that SQLite keeps beside a database.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Whether a database may be opened in this process; the error says why not.
fn free(file: FileId) -> std::result::Result<(), &'static str> {
    let state = state();
    if state.inherited.contains(&file) {
        return Err(
            "this process was forked while its parent was inside this database, so SQLite cannot use it safely here; start the process anew (spawn, exec), or give it a database of its own",
        );
    }
    let waited = REGISTRY
        .change
        .wait_timeout_while(state, CONDEMNED_LIMIT, |state| state.condemned(file))
        .unwrap_or_else(PoisonError::into_inner);
    if waited.1.timed_out() {
        return Err(
            "the database's log was removed, and a reader in this process still holds the old one; it is opened again when that is done",
        );
    }
    Ok(())
}

/// Forgets a connection that is closed.
fn forget(id: u64) {
    let mut state = state();
    state.known.remove(&id);
    state.busy -= 1;
    drop(state);
    REGISTRY.change.notify_all();
}

impl Drop for Connections {
    fn drop(&mut self) {
        if let Some(lent) = self.again() {
            lent.give_up();
        }
    }
}

/// A connection, until it is dropped.
pub(crate) struct Lent {
    conn: Option<Connection>,
    id: u64,
    generation: u32,
    reader: bool,
    /// Whether the connection goes back to the registry, to be lent again.
    kept: bool,
}

impl Lent {
    pub(crate) fn give_up(mut self) {
        self.end(true);
    }

    fn end(&mut self, close: bool) {
        let Some(conn) = self.conn.take() else { return };
        if self.generation != crate::seam::fork::generation() {
            std::mem::forget(conn);
            return;
        }
        let mut state = state();
        let condemned = match state.known.get_mut(&self.id) {
            Some(known) if !known.condemned && !close => {
                known.idle = Some(conn);
                state.busy -= 1;
                state.writing -= usize::from(!self.reader);
                drop(state);
                REGISTRY.change.notify_all();
                return;
            }
            Some(known) => {
                known.closing = true;
                known.condemned
            }
            None => true,
        };
        drop(state);
        if condemned || self.reader {
            close_leaving_log(conn);
        } else {
            drop(conn);
        }
        // A fork waits for a writer until its connection is closed.
        REGISTRY.state.lock().unwrap_or_else(PoisonError::into_inner).writing -= usize::from(!self.reader);
        forget(self.id);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.end(!self.kept);
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.conn {
            Some(conn) => conn,
            None => unreachable!("only `end` takes it, and nothing comes after"),
        }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.conn {
            Some(conn) => conn,
            None => unreachable!("only `end` takes it, and nothing comes after"),
        }
    }
}

#[cfg(test)]
mod tests;
