//! The one connection that writes.
//!
//! Guarantees: a batch is one transaction, on disk when it is acknowledged; after any failure nothing of
//! it is there. Several processes may write to one file in turn: a process that finds the file changed by another
//! reads the tree's edge again. A forked child never touches its parent's connection.
//!
//! A database or log that somebody else removes, replaces or cuts is a failure of the delivery that finds it,
//! and nothing is acknowledged into files without a name: both are looked at after each commit, before it is
//! acknowledged ([`Watch`]). What was acknowledged since the last WAL checkpoint may have gone with the log, so
//! it is kept until then, and appended again to what is there now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use super::line::{Line, LineReader};
use super::merkle::{Frontier, leaf_hash};
use super::note::{TreeHead, check_origin};
use super::watch::{Log, Taken, Watch};
use super::{db, schema, sql, unsql};
use crate::error::{Error, ErrorKind, Result};
use crate::seam::sqlite::{self, Connections, Lent};
use crate::seam::{Clock, Fs, Random, RealFs, SystemClock, SystemRandom, Uuid};
use crate::sink::{Envelope, EnvelopeHash, Failure, FailureKind};

/// How an audit database is opened for writing.
#[derive(Clone)]
pub struct AuditOptions {
    /// The file; made, 0600, if it is not there.
    pub path: PathBuf,
    /// The log's name in tree heads, fixed when the file is made. Default: `sinkwell-audit/` and a UUID.
    pub origin: Option<String>,
    /// How long to wait for another process that writes. Default 5 s.
    pub busy: Duration,
    /// The file system that makes the file; its pages are SQLite's own business.
    pub fs: Arc<dyn Fs>,
    /// For the default origin.
    pub clock: Arc<dyn Clock>,
    /// For the default origin.
    pub random: Arc<dyn Random>,
}

impl AuditOptions {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            origin: None,
            busy: Duration::from_secs(5),
            fs: Arc::new(RealFs),
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(SystemRandom),
        }
    }
}

/// How many names, and how many streams, are remembered; when there are more, all are forgotten and looked up again.
const REMEMBERED: usize = 65_536;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum NameKind {
    Type = 1,
    Agent = 2,
    Run = 3,
    Tenant = 4,
}

struct Stream {
    no: i64,
    /// The highest sequence stored: an envelope beyond it can't be a repeat, and needs no look-up.
    last: u64,
}

/// What is remembered of the database's content.
#[derive(Default)]
struct Memory {
    frontier: Frontier,
    streams: HashMap<Uuid, Stream>,
    names: HashMap<(NameKind, String), i64>,
    /// SQLite's counter of other connections' commits, when this was read.
    data_version: i64,
}

pub(super) struct Writer {
    connections: Connections,
    /// The files of the connection, once it is open.
    watch: Option<Watch>,
    kept: Kept,
    /// A failure of the files that no delivery has reported yet.
    untold: Option<Failure>,
    /// A delivery has reported the failure of the files, and not all envelopes are appended again yet.
    told: bool,
    memory: Option<Memory>,
    reader: LineReader,
    /// The process, counted by forks, to which `kept` belongs.
    generation: u32,
    options: AuditOptions,
    /// From how many frames on the log is moved into the database; a test that wants many WAL checkpoints sets it
    /// lower.
    pub(super) log_frames: u64,
    pub(super) origin: String,
}

/// Envelopes that were acknowledged and may be in the write-ahead log only.
#[derive(Default)]
struct Kept {
    envelopes: Vec<Envelope>,
    bytes: usize,
    /// The connection is a new one, and it is not known yet whether all these envelopes are in its files.
    owed: bool,
}

impl Kept {
    fn add(&mut self, batch: &[Envelope]) {
        self.envelopes.extend_from_slice(batch);
        self.bytes += batch.iter().map(|envelope| envelope.bytes.len() + KEPT_EACH).sum::<usize>();
    }

    fn clear(&mut self) {
        // The vector is replaced, so that the memory of a large burst is given back.
        *self = Self { owed: self.owed, ..Self::default() };
    }
}

/// From how many frames on the write-ahead log is moved into the database after a commit: SQLite's own default.
const LOG_FRAMES: u64 = 1000;

/// The log is also moved when kept envelopes have this many bytes.
const KEPT_BYTES: usize = 8 << 20;

/// When kept envelopes have more bytes than this, as a reader keeps the log from being moved, deliveries fail.
const KEPT_LIMIT: usize = 64 << 20;

/// The memory of a kept envelope besides its bytes, roughly.
const KEPT_EACH: usize = 256;

/// Why a batch was not stored.
enum Stopped {
    /// A fork waits for the connection: the batch is stored again once it is over.
    Fork,
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Stopped {
    fn from(e: rusqlite::Error) -> Self {
        let busy = e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
        if busy && sqlite::fork_waits() { Self::Fork } else { Self::Sql(e) }
    }
}

/// The result of storing a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Appended {
    /// New leaves.
    pub(super) added: u64,
    /// How many of them claim a place in a stream that an envelope with another hash had.
    pub(super) conflicts: u64,
}

impl Writer {
    pub(super) fn open(options: AuditOptions) -> Result<Self> {
        let place = options.path.display().to_string();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut writer = Self {
            connections: Connections::writer(&options.path, flags, options.busy),
            watch: None,
            kept: Kept::default(),
            untold: None,
            told: false,
            memory: None,
            reader: LineReader::default(),
            generation: crate::seam::fork::generation(),
            options,
            log_frames: LOG_FRAMES,
            origin: String::new(),
        };
        writer.lend().map_err(|e| e.at(place))?;
        Ok(writer)
    }

    /// The connection of this process, opened if it is not open.
    fn lend(&mut self) -> Result<Lent> {
        if self.generation != crate::seam::fork::generation() {
            // After a fork: the parent keeps what it acknowledged, and the child begins with nothing.
            self.generation = crate::seam::fork::generation();
            self.kept = Kept::default();
            self.untold = None;
            self.told = false;
            self.watch = None;
        }
        let Self { connections, options, watch, .. } = self;
        let mut opened = None;
        let (lent, fresh) = connections.lend(
            || {
                if let Some(before) = watch {
                    before.set_log_aside(&*options.fs).map_err(|e| {
                        let text = format!("the log of the database that was there cannot be set aside: {e}");
                        Error::new(ErrorKind::Sink, text)
                    })?;
                }
                make(options)
            },
            |conn| {
                let origin = prepare(conn, options)?;
                let watch = Watch::new(&options.path, conn).map_err(|text| {
                    Error::new(ErrorKind::Sink, format!("the audit database cannot be opened: {text}"))
                })?;
                opened = Some((origin, watch));
                Ok(())
            },
        )?;
        if let (true, Some((origin, watch))) = (fresh, opened) {
            self.origin = origin;
            let before = self.watch.replace(watch).map(|watch| watch.database());
            if !self.told && before.is_some() && before != self.watch.as_ref().map(Watch::database) {
                // The database was replaced while it was closed for a fork.
                self.untold = Some(Failure::new(FailureKind::Storage, Taken::Database("replaced").summary()));
            }
            self.memory = None;
            self.kept.owed = !self.kept.envelopes.is_empty();
        }
        Ok(lent)
    }

    /// The connection, after it was made sure that everything acknowledged is in the files that the paths lead to.
    fn ready(&mut self) -> Result<Lent, Failure> {
        let lent = self.lend().map_err(unavailable)?;
        let lent = self.look(lent)?;
        if !self.kept.owed {
            return Ok(lent);
        }
        let (lent, missing) = self.restore(lent)?;
        if missing > 0 && !std::mem::take(&mut self.told) {
            let failure = Failure::new(FailureKind::Storage, Taken::Log("removed").summary())
                .detail(format!("{missing} acknowledged envelopes had gone with it and were appended again"));
            self.untold.get_or_insert(failure);
        }
        Ok(lent)
    }

    /// Checks that the open files are still those that the paths lead to. If not, the database is opened again at once,
    /// and the envelopes that may have been lost with the files are appended again, before the failure is returned.
    fn look(&mut self, lent: Lent) -> Result<Lent, Failure> {
        let Some(watch) = &mut self.watch else { return Ok(lent) };
        let taken = match watch.look(&lent) {
            Ok(log) => {
                if log.is_ok_and(Log::is_moved) && !self.kept.owed {
                    self.kept.clear();
                }
                return Ok(lent);
            }
            Err(taken) => taken,
        };
        let failure = Failure::new(FailureKind::Storage, taken.summary());
        self.connections.condemn(watch.database());
        drop(lent);
        self.memory = None;
        // The failure that is returned here reports it.
        self.told = true;
        self.untold = None;
        let kept = self.kept.envelopes.len();
        let outcome = self
            .lend()
            .map_err(|e| e.message().to_owned())
            .and_then(|lent| self.restore(lent).map_err(|failure| failure.detail.unwrap_or(failure.summary)));
        let detail = match outcome {
            Ok((_, missing)) => {
                self.told = false;
                format!(
                    "it was opened again; of {kept} envelopes acknowledged since the last WAL checkpoint {missing} had gone with it and were appended again"
                )
            }
            Err(why) => format!(
                "it is opened again with the next delivery, and {kept} envelopes acknowledged since the last WAL checkpoint are appended again; now it cannot: {why}"
            ),
        };
        Err(failure.detail(detail))
    }

    /// Appends all kept envelopes again; those that are still in the database are dropped as repeats. Returns how many
    /// were missing.
    fn restore(&mut self, mut lent: Lent) -> Result<(Lent, u64), Failure> {
        let done = loop {
            let kept = std::mem::take(&mut self.kept.envelopes);
            let stored = self.store(&mut lent, &kept);
            self.kept.envelopes = kept;
            match stored {
                Ok(done) => break done,
                Err(Stopped::Fork) => {
                    drop(lent);
                    lent = self.lend().map_err(unavailable)?;
                }
                Err(Stopped::Sql(e)) => return Err(failure(&e)),
            }
        };
        let taken = self.watch.as_mut().and_then(|watch| watch.look(&lent).err());
        if let Some(taken) = taken {
            // The files were taken once more: the next call finds that too, and opens the database again.
            return Err(Failure::new(FailureKind::Storage, taken.summary()));
        }
        self.kept.owed = false;
        Ok((lent, done.added))
    }

    /// The connection for everything but deliveries. If the files were taken, the next delivery reports that too.
    pub(super) fn connection(&mut self) -> Result<Lent> {
        match self.ready() {
            Ok(lent) => Ok(lent),
            Err(failure) => {
                let text =
                    format!("{}: {}", failure.summary, failure.detail.as_deref().unwrap_or("try again"));
                self.untold.get_or_insert(failure);
                Err(Error::new(ErrorKind::Sink, text))
            }
        }
    }

    /// Stores a batch in one transaction.
    pub(super) fn append(&mut self, batch: &[Envelope]) -> Result<Appended, Failure> {
        loop {
            match self.append_once(batch)? {
                Some(done) => return Ok(done),
                // The connection was given back for a fork; it is lent again when the fork is over.
                None => debug_assert!(!batch.is_empty()),
            }
        }
    }

    /// Stores a batch; `None` if a fork waits for the connection, and nothing was stored.
    fn append_once(&mut self, batch: &[Envelope]) -> Result<Option<Appended>, Failure> {
        let mut lent = self.ready()?;
        if let Some(failure) = self.untold.take() {
            return Err(failure);
        }
        self.relieve(&lent);
        if self.kept.bytes > KEPT_LIMIT {
            return Err(Failure::new(
                FailureKind::Storage,
                "a reader keeps the audit database's log from being checkpointed",
            )
            .detail("end whoever reads the database for so long, a backup for instance; nothing is lost meanwhile"));
        }
        match self.store(&mut lent, batch) {
            Ok(done) => {
                let lent = self.look(lent)?;
                self.kept.add(batch);
                self.relieve(&lent);
                Ok(Some(done))
            }
            Err(Stopped::Fork) => Ok(None),
            Err(Stopped::Sql(e)) => {
                // The files may have been taken: if so, that is the failure to return.
                self.look(lent)?;
                Err(failure(&e))
            }
        }
    }

    /// Moves a large write-ahead log into the database, after which the kept envelopes can be dropped.
    fn relieve(&mut self, lent: &Lent) {
        let Ok(mut log) = Log::look(lent) else { return };
        if log.frames >= self.log_frames || self.kept.bytes >= KEPT_BYTES {
            match Log::checkpoint(lent) {
                Ok(after) => log = after,
                Err(_) => return,
            }
        }
        if log.is_moved() {
            self.kept.clear();
        }
    }

    /// Stores a batch in one transaction. After a failure, or when a fork waits, nothing of it is stored.
    fn store(&mut self, conn: &mut Connection, batch: &[Envelope]) -> Result<Appended, Stopped> {
        let mut memory = self.memory.take();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = recall(&tx, &mut memory)?;
        let mut done = Appended::default();
        for envelope in batch {
            if sqlite::fork_waits() {
                return Err(Stopped::Fork);
            }
            add(&tx, known, &mut self.reader, envelope, &mut done)?;
        }
        tx.commit()?;
        // Put back only after a commit: after a failure the memory no longer fits and is read again.
        self.memory = memory;
        Ok(done)
    }

    /// The tree as it is now.
    pub(super) fn head(&mut self) -> Result<TreeHead> {
        let lent = self.connection()?;
        let mut memory = self.memory.take();
        let mut read = || -> rusqlite::Result<(u64, [u8; 32])> {
            let tx = lent.unchecked_transaction()?;
            let frontier = &recall(&tx, &mut memory)?.frontier;
            Ok((frontier.size(), frontier.root()))
        };
        let (size, root) = read().map_err(|e| super::unreadable(&e))?;
        self.memory = memory;
        Ok(TreeHead { origin: self.origin.clone(), size, root })
    }

    /// Runs `work` in a writing transaction; remembered names are forgotten, as `work` may delete some.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut lent = self.connection()?;
        if let Some(memory) = &mut self.memory {
            memory.names.clear();
        }
        let run = || {
            let tx = lent.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&tx)?;
            tx.commit()?;
            Ok(result)
        };
        let done = run().map_err(|e: rusqlite::Error| {
            Error::new(ErrorKind::Sink, format!("the audit database cannot be written: {e}"))
        })?;
        drop(lent);
        // Checks that the log still is where it was, with what was written.
        drop(self.connection()?);
        Ok(done)
    }

    /// Moves the whole log into the database and empties it; `false` if a reader kept it from that.
    pub(super) fn empty_log(&mut self) -> Result<bool> {
        let lent = self.connection()?;
        let busy: bool =
            lent.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(|e| {
                Error::new(ErrorKind::Sink, format!("the audit database's log cannot be emptied: {e}"))
            })?;
        if !busy {
            self.kept.clear();
        }
        Ok(!busy)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The last chance to find that the log was removed. A forked child doesn't look, as the envelopes are its
        // parent's.
        if self.generation == crate::seam::fork::generation()
            && !self.kept.envelopes.is_empty()
            && let Err(failure) = self.ready()
        {
            let detail = failure.detail.unwrap_or_default();
            crate::diagnostics::warn(&format!("{}: {detail}", failure.summary));
        }
    }
}

/// Makes the file if it is not there.
fn make(options: &AuditOptions) -> Result<()> {
    // SQLite gives its -wal and -shm files the mode of the database, so that the database must be made with the right
    // one first. A file that is there already is not opened, as closing it would drop SQLite's locks on it.
    match options.fs.create_new(&options.path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::new(
            ErrorKind::Sink,
            format!(
                "the audit database cannot be opened for writing: {e}; give a path in a directory that exists and can be written"
            ),
        )),
        _ => Ok(()),
    }
}

/// Makes a connection ready to write; returns the log's name.
fn prepare(conn: &mut Connection, options: &AuditOptions) -> Result<String> {
    let refused = |e: rusqlite::Error| {
        Error::new(ErrorKind::Sink, format!("the audit database cannot be opened for writing: {e}"))
    };
    sqlite::be_patient(conn).map_err(refused)?;
    if schema::recognise(conn)? == schema::Kind::Empty {
        schema::prepare_empty(conn).map_err(refused)?;
    }
    configure(conn).map_err(refused)?;
    let origin = match &options.origin {
        Some(origin) => origin.clone(),
        None => {
            let random = options.random.bytes16("audit-origin", 0);
            format!("sinkwell-audit/{}", Uuid::v7(options.clock.unix_nanos(), random))
        }
    };
    check_origin(&origin)?;
    schema::migrate(conn, &origin)?;
    let stored = db::origin(conn)?;
    if options.origin.as_ref().is_some_and(|wanted| *wanted != stored) {
        return Err(Error::invalid_config(format!(
            "this audit log was made under the origin {stored:?}, which cannot change; use that one or another file"
        )));
    }
    Ok(stored)
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // FULL syncs the log at every commit: what was acknowledged survives a power cut, not only a crash.
    conn.pragma_update(None, "synchronous", "full")?;
    // What retention erases is overwritten, not just unlinked.
    conn.pragma_update(None, "secure_delete", "on")?;
    conn.pragma_update(None, "recursive_triggers", "on")?;
    conn.pragma_update(None, "trusted_schema", "off")?;
    // Keeps data of the log out of temporary files: also the pages that SQLite saves before each statement that a
    // trigger may abort.
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -65_536)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // The writer moves the log itself, after checking that its paths still lead to this log and database.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Checks whether another process wrote to the file since the memory was read, and if so, reads the tree's edge again
/// and forgets streams and names.
fn recall<'m>(conn: &Connection, memory: &'m mut Option<Memory>) -> rusqlite::Result<&'m mut Memory> {
    let data_version = conn.prepare_cached("PRAGMA data_version")?.query_row([], |r| r.get(0))?;
    let stale = memory.as_ref().is_none_or(|memory| memory.data_version != data_version);
    if stale {
        let frontier = Frontier::load(&db::Stored(conn), db::size(conn)?)?;
        *memory = Some(Memory { frontier, data_version, ..Memory::default() });
    }
    let memory = memory.get_or_insert_default();
    if memory.streams.len() > REMEMBERED {
        memory.streams.clear();
    }
    if memory.names.len() > REMEMBERED {
        memory.names.clear();
    }
    Ok(memory)
}

/// Adds one envelope, unless its hash is there already at its place.
fn add(
    conn: &Connection,
    memory: &mut Memory,
    reader: &mut LineReader,
    envelope: &Envelope,
    done: &mut Appended,
) -> rusqlite::Result<()> {
    let stream = stream_no(conn, memory, envelope.streamid)?;
    let mut conflict = None;
    if envelope.sequence <= stream.last {
        let mut held = conn.prepare_cached(
            "SELECT leaf, hash FROM leaf WHERE stream = ?1 AND sequence = ?2 ORDER BY leaf",
        )?;
        let mut rows = held.query(params![stream.no, sql(envelope.sequence)])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, EnvelopeHash>(1)? == envelope.hash {
                return Ok(());
            }
            conflict.get_or_insert(row.get::<_, i64>(0)?);
        }
    }
    stream.last = stream.last.max(envelope.sequence);
    let no = stream.no;
    let leaf = sql(memory.frontier.size());
    conn.prepare_cached("INSERT INTO leaf(leaf, stream, sequence, hash) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![leaf, no, sql(envelope.sequence), envelope.hash])?;
    insert(conn, memory, reader, envelope, leaf)?;
    if let Some(first) = conflict {
        conn.prepare_cached("INSERT INTO conflict(leaf, first) VALUES (?1, ?2)")?.execute([leaf, first])?;
        done.conflicts += 1;
    }
    let mut completed = Vec::new();
    memory.frontier.push(leaf_hash(&envelope.hash), |node| completed.push(node));
    for node in completed {
        conn.prepare_cached("INSERT INTO node(level, idx, hash) VALUES (?1, ?2, ?3)")?.execute(params![
            node.level,
            sql(node.index),
            node.hash
        ])?;
    }
    done.added += 1;
    Ok(())
}

/// Adds the row of sealed bytes, with the columns by which they are found.
fn insert(
    conn: &Connection,
    memory: &mut Memory,
    reader: &mut LineReader,
    envelope: &Envelope,
    leaf: i64,
) -> rusqlite::Result<()> {
    let not_ours = |e: &dyn std::fmt::Display| {
        rusqlite::Error::ToSqlConversionFailure(format!("not a sealed line: {e}").into())
    };
    let sealed = std::str::from_utf8(&envelope.bytes).map_err(|e| not_ours(&e))?;
    let line: Line<'_> = reader.read(&envelope.bytes).map_err(|e| not_ours(&e))?;
    let mut name = |kind, text: &str| name_no(conn, &mut memory.names, kind, text);
    let event_type = name(NameKind::Type, &envelope.event_type)?;
    let agent = name(NameKind::Agent, &envelope.agentid)?;
    let run = line.text("runid").map(|run| name(NameKind::Run, &run)).transpose()?;
    let tenant = line.text("tenantid").map(|tenant| name(NameKind::Tenant, &tenant)).transpose()?;
    conn.prepare_cached(
        "INSERT INTO envelope(leaf, id, type, agent, run, tenant, time, recordedtime, severity, own, subject, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        leaf,
        envelope.id.index(),
        event_type,
        agent,
        run,
        tenant,
        envelope.time,
        envelope.recordedtime,
        envelope.severity,
        envelope.own,
        line.text("subject"),
        sealed,
    ])?;
    Ok(())
}

fn stream_no<'m>(
    conn: &Connection,
    memory: &'m mut Memory,
    streamid: Uuid,
) -> rusqlite::Result<&'m mut Stream> {
    use std::collections::hash_map::Entry;
    match memory.streams.entry(streamid) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => {
            let known = conn
                .prepare_cached("SELECT no FROM stream WHERE streamid = ?1")?
                .query_row([streamid.0], |r| r.get(0))
                .optional()?;
            let stream = match known {
                Some(no) => Stream {
                    no,
                    last: conn
                        .prepare_cached("SELECT max(sequence) FROM leaf WHERE stream = ?1")?
                        .query_row([no], |r| r.get::<_, Option<i64>>(0))?
                        .map_or(0, unsql),
                },
                None => {
                    conn.prepare_cached("INSERT INTO stream(streamid) VALUES (?1)")?.execute([streamid.0])?;
                    Stream { no: conn.last_insert_rowid(), last: 0 }
                }
            };
            Ok(entry.insert(stream))
        }
    }
}

fn name_no(
    conn: &Connection,
    names: &mut HashMap<(NameKind, String), i64>,
    kind: NameKind,
    text: &str,
) -> rusqlite::Result<i64> {
    let key = (kind, text.to_owned());
    if let Some(no) = names.get(&key) {
        return Ok(*no);
    }
    let known = conn
        .prepare_cached("SELECT no FROM name WHERE kind = ?1 AND text = ?2")?
        .query_row(params![kind as i64, text], |r| r.get(0))
        .optional()?;
    let no = match known {
        Some(no) => no,
        None => {
            conn.prepare_cached("INSERT INTO name(kind, text) VALUES (?1, ?2)")?
                .execute(params![kind as i64, text])?;
            conn.last_insert_rowid()
        }
    };
    names.insert(key, no);
    Ok(no)
}

fn unavailable(e: Error) -> Failure {
    Failure::new(FailureKind::Storage, "the audit database cannot be opened").detail(e.message())
}

/// The failure for an error of SQLite. The lane tries again, except for an envelope that is no sealed line (kind
/// `serialization`), which no try would store.
fn failure(e: &rusqlite::Error) -> Failure {
    use rusqlite::ErrorCode as Code;
    if matches!(e, rusqlite::Error::ToSqlConversionFailure(_)) {
        return Failure::new(FailureKind::Serialization, "an envelope is not a sealed line")
            .detail(e.to_string());
    }
    let summary = match e.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "another process holds the audit database",
        Some(Code::DiskFull) => "no space for the audit database",
        Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => {
            "the audit database cannot be written"
        }
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => "the audit database is damaged",
        Some(Code::ConstraintViolation) => "the audit database refused an append",
        _ => "the audit database failed",
    };
    Failure::new(FailureKind::Storage, summary).detail(e.to_string())
}

/// The database's path, for messages.
pub(super) fn place(path: &Path) -> String {
    path.display().to_string()
}
