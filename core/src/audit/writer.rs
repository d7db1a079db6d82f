//! The one connection that writes.
//!
//! Guarantees: a batch is one transaction, on disk when it is acknowledged; after any failure nothing of
//! it is there. Several processes may write to one file in turn: who finds the file changed by another
//! reads the tree's edge again. A forked child never touches its parent's connection.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use super::line::{Line, LineReader};
use super::merkle::{Frontier, leaf_hash};
use super::note::{TreeHead, check_origin};
use super::{db, schema, sql, unsql};
use crate::error::{Error, ErrorKind, Result};
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

/// Names and streams remembered, each; beyond it they are looked up again.
const REMEMBERED: usize = 65_536;

/// What a name is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum NameKind {
    Type = 1,
    Agent = 2,
    Run = 3,
    Tenant = 4,
}

struct Stream {
    no: i64,
    /// The highest sequence stored: what lies beyond it needs no look-up.
    last: u64,
}

/// What the database says, remembered.
#[derive(Default)]
struct Memory {
    frontier: Frontier,
    streams: HashMap<Uuid, Stream>,
    names: HashMap<(NameKind, String), i64>,
    /// SQLite's counter of other connections' commits, when this was read.
    data_version: i64,
}

pub(super) struct Writer {
    conn: Connection,
    memory: Option<Memory>,
    reader: LineReader,
    /// The process that made the connection.
    generation: u32,
    options: AuditOptions,
    pub(super) origin: String,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Appended {
    /// New leaves.
    pub(super) added: u64,
    /// Of them, with a place in a stream that another hash had.
    pub(super) conflicts: u64,
}

impl Writer {
    pub(super) fn open(options: AuditOptions) -> Result<Self> {
        let place = options.path.display().to_string();
        let (conn, origin) = connect(&options).map_err(|e| e.at(place))?;
        Ok(Self {
            conn,
            memory: None,
            reader: LineReader::default(),
            generation: crate::fork::generation(),
            options,
            origin,
        })
    }

    /// Makes the connection this process's own.
    fn own(&mut self) -> Result<()> {
        if self.generation == crate::fork::generation() {
            return Ok(());
        }
        let fresh = Self::open(self.options.clone())?;
        // Even closing the parent's connection here would drop the locks that the parent relies on.
        std::mem::forget(std::mem::replace(&mut self.conn, fresh.conn));
        self.memory = None;
        self.generation = fresh.generation;
        Ok(())
    }

    /// The connection, this process's own.
    pub(super) fn connection(&mut self) -> Result<&Connection> {
        self.own()?;
        Ok(&self.conn)
    }

    /// Stores a batch in one transaction.
    pub(super) fn append(&mut self, batch: &[Envelope]) -> Result<Appended, Failure> {
        self.own().map_err(|e| {
            Failure::new(FailureKind::Storage, "audit database unavailable").detail(e.message())
        })?;
        let mut memory = self.memory.take();
        let tx =
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| failure(&e))?;
        let done = recall(&tx, &mut memory)
            .and_then(|memory| {
                let mut done = Appended::default();
                for envelope in batch {
                    add(&tx, memory, &mut self.reader, envelope, &mut done)?;
                }
                Ok(done)
            })
            .and_then(|done| tx.commit().map(|()| done))
            .map_err(|e| failure(&e))?;
        // Only now: after a failure the memory is read from the file again.
        self.memory = memory;
        Ok(done)
    }

    /// The tree as it is now.
    pub(super) fn head(&mut self) -> Result<TreeHead> {
        self.own()?;
        let mut memory = self.memory.take();
        let mut read = || -> rusqlite::Result<(u64, [u8; 32])> {
            let tx = self.conn.unchecked_transaction()?;
            let frontier = &recall(&tx, &mut memory)?.frontier;
            Ok((frontier.size(), frontier.root()))
        };
        let (size, root) = read().map_err(|e| super::unreadable(&e))?;
        self.memory = memory;
        Ok(TreeHead { origin: self.origin.clone(), size, root })
    }

    /// Runs `work` in a writing transaction; the names remembered are forgotten, as `work` may erase some.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.own()?;
        if let Some(memory) = &mut self.memory {
            memory.names.clear();
        }
        let run = || {
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&tx)?;
            tx.commit()?;
            Ok(result)
        };
        run().map_err(|e: rusqlite::Error| {
            Error::new(ErrorKind::Sink, format!("the audit database cannot be written: {e}"))
        })
    }
}

/// Opens or makes the file.
fn connect(options: &AuditOptions) -> Result<(Connection, String)> {
    let path = &options.path;
    let no_file = |e: std::io::Error| {
        Error::new(
            ErrorKind::Sink,
            format!(
                "the audit database cannot be opened for writing: {e}; give a path in a directory that exists and can be written"
            ),
        )
    };
    // SQLite gives its -wal and -shm files the mode of the database, so the mode is ours to set first.
    drop(options.fs.open(path, true).map_err(no_file)?);
    let refused = |e: rusqlite::Error| {
        Error::new(ErrorKind::Sink, format!("the audit database cannot be opened for writing: {e}"))
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(refused)?;
    conn.busy_timeout(options.busy).map_err(refused)?;
    if schema::recognise(&conn)? == schema::Kind::Empty {
        schema::prepare_empty(&conn).map_err(refused)?;
    }
    configure(&conn).map_err(refused)?;
    let origin = match &options.origin {
        Some(origin) => origin.clone(),
        None => {
            let random = options.random.bytes16("audit-origin", 0);
            format!("sinkwell-audit/{}", Uuid::v7(options.clock.unix_nanos(), random))
        }
    };
    check_origin(&origin)?;
    schema::migrate(&mut conn, &origin)?;
    let stored = db::origin(&conn)?;
    if options.origin.as_ref().is_some_and(|wanted| *wanted != stored) {
        return Err(Error::invalid_config(format!(
            "this audit log was made under the origin {stored:?}, which cannot change; use that one or another file"
        )));
    }
    Ok((conn, stored))
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // FULL syncs the log at every commit: what was acknowledged survives a power cut, not only a crash.
    conn.pragma_update(None, "synchronous", "full")?;
    // What retention erases is overwritten, not just unlinked.
    conn.pragma_update(None, "secure_delete", "on")?;
    conn.pragma_update(None, "recursive_triggers", "on")?;
    conn.pragma_update(None, "trusted_schema", "off")?;
    // Nothing of the log in temporary files; and SQLite saves pages before each statement that a trigger
    // may end, which would otherwise be a file as well.
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -65_536)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Looks for the number of conflicts' and streams' sake whether another process wrote, and reads again what
/// it changed.
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

/// Adds the row of sealed bytes and what is looked up in them.
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
        envelope.id.0,
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

/// What a lane is told when SQLite refuses: all of it can pass, so the lane tries again.
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
