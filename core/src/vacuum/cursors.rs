//! How far each lane has got with each process's log: a database of cursors.
//!
//! Guarantees: a cursor moves up only, but for [`Cursors::set`] and [`Cursors::remove`]; several processes may use one file.
//! What was written last may be lost with the power, and is then sent again under the same ids: never the other way round.
//!
//! How: SQLite, one row per process and lane, opened and lent by [`crate::seam::sqlite`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};

use crate::error::{Error, ErrorKind, Result};
use crate::json::Value;
use crate::seam::fork::PerProcess;
use crate::seam::sqlite::{self, Connections};
use crate::seam::{Fs as _, RealFs};
use crate::sync::{Mutex, lock};

/// `PRAGMA application_id`: "SnkV".
const APPLICATION: i32 = 0x536E_6B56;
/// `PRAGMA user_version`.
const VERSION: i32 = 1;
/// How long it waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often something that a fork or another process stood in the way of is tried.
const TRIES: usize = 8;

/// How far a lane has got with a process's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The largest nonce up to which all is done: delivered, filtered, or refused for good.
    pub delivered: Option<u64>,
    /// On a durable lane: the largest nonce up to which all is in its journal.
    pub journaled: Option<u64>,
    /// A nonce that ended undone, at which the cursor stands until it is read again.
    pub undone: Option<u64>,
}

impl Marks {
    /// The nonce up to which nothing is taken again.
    #[must_use]
    pub fn taken(&self) -> Option<u64> {
        self.delivered.max(self.journaled)
    }
}

/// One cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Whose log.
    pub process: String,
    /// The lane's id.
    pub lane: String,
    /// How far it has got.
    pub marks: Marks,
}

impl Cursor {
    /// As JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let Marks { delivered, journaled, undone } = self.marks;
        let int = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok()).map_or(Value::Null, Value::Int);
        let members = [
            ("process", Value::from(self.process.as_str())),
            ("lane", Value::from(self.lane.as_str())),
            ("delivered", int(delivered)),
            ("journaled", int(journaled)),
            ("undone", int(undone)),
        ];
        Value::Object(members.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }
}

/// A database of cursors.
pub struct Cursors {
    path: PathBuf,
    connections: PerProcess<Mutex<Option<Connections>>>,
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursors({})", self.path.display())
    }
}

impl Cursors {
    /// Opens a database; it is made, 0600, if it is not there.
    ///
    /// # Errors
    /// `sink`: it cannot be opened, or is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let cursors = Self { path: path.into(), connections: PerProcess::new() };
        cursors.read("")?;
        Ok(cursors)
    }

    /// As [`open`](Self::open), of one that is there.
    ///
    /// # Errors
    /// `invalid_argument`: it is not. Else as [`open`](Self::open).
    pub fn open_known(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if !crate::seam::exists(&path) {
            let text = "there is no such database of cursors; the first nonce that is read makes it";
            return Err(Error::invalid_argument(text).at(path.display().to_string()));
        }
        Self::open(path)
    }

    /// Every lane's marks of a process's log.
    ///
    /// # Errors
    /// `sink`: the database cannot be read.
    pub fn read(&self, process: &str) -> Result<Vec<(String, Marks)>> {
        let rows = self.select("WHERE process = ?1 ORDER BY lane", &[&process])?;
        Ok(rows.into_iter().map(|cursor| (cursor.lane, cursor.marks)).collect())
    }

    /// Every cursor, by process and lane.
    ///
    /// # Errors
    /// `sink`: the database cannot be read.
    pub fn list(&self) -> Result<Vec<Cursor>> {
        self.select("ORDER BY process, lane", &[])
    }

    fn select(&self, clause: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Cursor>> {
        self.with(|conn| {
            let text = format!("SELECT process, lane, delivered, journaled, undone FROM cursor {clause}");
            let mut statement = conn.prepare_cached(&text)?;
            statement.query_map(values, row)?.collect()
        })
    }

    /// Moves cursors up, in one transaction; `undone` is set as given.
    ///
    /// # Errors
    /// `sink`: they cannot be written.
    pub fn advance(&self, cursors: &[Cursor]) -> Result<()> {
        self.with(|conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for Cursor { process, lane, marks } in cursors {
                tx.prepare_cached(
                    "INSERT INTO cursor(process, lane, delivered, journaled, undone) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET delivered = max(delivered, excluded.delivered),
                     journaled = max(journaled, excluded.journaled), undone = excluded.undone",
                )?
                .execute(params![
                    process,
                    lane,
                    number(marks.delivered),
                    number(marks.journaled),
                    number(marks.undone)
                ])?;
            }
            tx.commit()
        })
    }

    /// Puts a cursor at a nonce, lower or higher; without one, to before the first.
    ///
    /// # Errors
    /// `sink`: it cannot be written.
    pub fn set(&self, process: &str, lane: &str, nonce: Option<u64>) -> Result<()> {
        self.with(|conn| {
            let text =
                "INSERT INTO cursor(process, lane, delivered, journaled, undone) VALUES (?1, ?2, ?3, ?3, -1)
                 ON CONFLICT DO UPDATE SET delivered = ?3, journaled = ?3, undone = -1";
            conn.execute(text, params![process, lane, number(nonce)]).map(drop)
        })
    }

    /// Forgets a process's cursors, all or that of one lane; answers how many there were.
    ///
    /// # Errors
    /// `sink`: they cannot be written.
    pub fn remove(&self, process: &str, lane: Option<&str>) -> Result<usize> {
        self.with(|conn| {
            let text = "DELETE FROM cursor WHERE process = ?1 AND (?2 IS NULL OR lane = ?2)";
            conn.execute(text, params![process, lane])
        })
    }

    fn with<T>(&self, run: impl Fn(&mut Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connections = self.connections.get();
        let mut connections = lock(&connections);
        let connections = connections.get_or_insert_with(|| {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connections::writer(&self.path, flags, PATIENCE)
        });
        let mut tries = 0;
        loop {
            let (mut lent, _) = connections.lend(|| make(&self.path), prepare).map_err(|e| self.at(e))?;
            match run(&mut lent) {
                Ok(done) => return Ok(done),
                // A fork waits for this connection, or another process has not given way in time.
                Err(e) if tries < TRIES && (sqlite::fork_waits() || is_busy(&e)) => tries += 1,
                Err(e) => {
                    let text = format!("the database of cursors cannot be used: {e}");
                    return Err(self.at(Error::new(ErrorKind::Sink, text)));
                }
            }
        }
    }

    fn at(&self, error: Error) -> Error {
        error.at(self.path.display().to_string())
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// A file that is there is not opened: closing it again would drop SQLite's locks on it.
fn make(path: &Path) -> Result<()> {
    match RealFs.create_new(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            let text = format!(
                "the database of cursors cannot be made: {e}; give a path in a folder that exists and can be written"
            );
            Err(Error::new(ErrorKind::Sink, text))
        }
        _ => Ok(()),
    }
}

fn prepare(conn: &mut Connection) -> Result<()> {
    let failed = |e: rusqlite::Error| {
        if e.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
            return foreign();
        }
        Error::new(ErrorKind::Sink, format!("the database of cursors cannot be opened: {e}"))
    };
    sqlite::be_patient(conn).map_err(failed)?;
    let is_ours = |conn: &Connection| -> rusqlite::Result<Option<bool>> {
        let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let (id, version) = (pragma("application_id")?, pragma("user_version")?);
        Ok((tables > 0 || id != 0).then_some((id, version) == (APPLICATION, VERSION)))
    };
    match is_ours(conn).map_err(failed)? {
        Some(true) => {}
        Some(false) => return Err(foreign()),
        None => {
            conn.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
            // Another process may have made it while this one waited.
            if is_ours(&tx).map_err(failed)?.is_none() {
                tx.execute_batch(
                    "CREATE TABLE cursor(process TEXT NOT NULL, lane TEXT NOT NULL, delivered INTEGER NOT NULL,
                     journaled INTEGER NOT NULL, undone INTEGER NOT NULL, PRIMARY KEY (process, lane))
                     STRICT, WITHOUT ROWID",
                )
                .map_err(failed)?;
                tx.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
                tx.pragma_update(None, "user_version", VERSION).map_err(failed)?;
            }
            tx.commit().map_err(failed)?;
        }
    }
    conn.pragma_update(None, "synchronous", "normal").map_err(failed)
}

fn foreign() -> Error {
    Error::new(
        ErrorKind::Sink,
        "this file is not a database of cursors that this build knows; give another path, nothing was changed",
    )
}

/// -1 is none.
fn number(nonce: Option<u64>) -> i64 {
    nonce.and_then(|nonce| i64::try_from(nonce).ok()).unwrap_or(-1)
}

fn row(row: &Row<'_>) -> rusqlite::Result<Cursor> {
    let nonce = |at: usize| row.get::<_, i64>(at).map(|n| u64::try_from(n).ok());
    let marks = Marks { delivered: nonce(2)?, journaled: nonce(3)?, undone: nonce(4)? };
    Ok(Cursor { process: row.get(0)?, lane: row.get(1)?, marks })
}
