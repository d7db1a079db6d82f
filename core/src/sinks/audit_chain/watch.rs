//! Whether the files that the connection writes are still the ones that their paths lead to.
//!
//! Guarantees: no file is opened to find out, as closing it would drop SQLite's locks. docs/AUDIT.md ("Foreign hands")
//! says what cannot be seen this way.
//!
//! How: device and inode of database, write-ahead log and shared memory, as they were when the connection was
//! opened, against those that the paths lead to now; and their lengths against what SQLite says must be there.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::seam::sqlite::beside;
use crate::seam::{FileId, Fs};

/// The bytes before the first frame of a write-ahead log, and those before the page in each frame (SQLite's file
/// format, 4.1).
const LOG_HEAD: u64 = 32;
const FRAME_HEAD: u64 = 24;

/// A write-ahead log: how many frames it has, and how many of them were moved into the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) frames: u64,
    pub(super) moved: u64,
}

impl Log {
    /// Whether all of it is in the database and synced there, so that nothing would be lost with the log.
    pub(super) fn is_moved(self) -> bool {
        self.frames == self.moved
    }

    /// How the log is now.
    pub(super) fn look(conn: &Connection) -> rusqlite::Result<Self> {
        Self::ask(conn, "PRAGMA wal_checkpoint(NOOP)")
    }

    /// Moves as much of it into the database as readers allow.
    pub(super) fn checkpoint(conn: &Connection) -> rusqlite::Result<Self> {
        Self::ask(conn, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn ask(conn: &Connection, pragma: &str) -> rusqlite::Result<Self> {
        conn.prepare_cached(pragma)?.query_row([], |row| {
            let (frames, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
            // -1: the log has not been opened yet.
            Ok(Self { frames: frames.max(0).cast_unsigned(), moved: moved.max(0).cast_unsigned() })
        })
    }
}

/// Which file somebody else tampered with, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// To the database.
    Database(&'static str),
    /// To its write-ahead log or shared memory.
    Log(&'static str),
}

impl Taken {
    /// The text for sealed records and for health.
    pub(super) fn summary(self) -> String {
        match self {
            Self::Database(what) => format!("the audit database was {what} by somebody else"),
            Self::Log(what) => format!("the audit database's write-ahead log was {what} by somebody else"),
        }
    }
}

/// A file as it was when it was opened.
struct Watched {
    path: PathBuf,
    id: FileId,
    /// The least length that it must have.
    len: u64,
}

impl Watched {
    fn new(path: PathBuf) -> io::Result<Self> {
        let (id, len) = FileId::and_len(&path)?;
        Ok(Self { path, id, len })
    }

    /// What somebody else did to it, if anything.
    fn changed(&self) -> Option<&'static str> {
        match FileId::and_len(&self.path) {
            Ok((id, _)) if id != self.id => Some("replaced"),
            Ok((_, len)) if len < self.len => Some("cut short"),
            Ok(_) => None,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Some("removed"),
            Err(_) => Some("put out of reach"),
        }
    }
}

/// The files of one connection.
pub(super) struct Watch {
    database: Watched,
    log: Watched,
    memory: Watched,
    page: u64,
}

impl Watch {
    /// The files that a new connection has open; it must have read from the database once.
    ///
    /// # Errors
    /// One of them is gone or replaced already; text for people.
    pub(super) fn new(path: &Path, conn: &Connection) -> Result<Self, String> {
        let gone = |e: io::Error| format!("a file of it was removed while it was opened: {e}");
        // SQLite follows links, and keeps its log beside what they lead to.
        let real = conn.path().map_or(path, Path::new);
        let mut log = Watched::new(beside(real, "-wal")).map_err(gone)?;
        let memory = Watched::new(beside(real, "-shm")).map_err(gone)?;
        let database = Watched::new(path.to_owned()).map_err(gone)?;
        for file in [&database, &log, &memory] {
            if file.id.is_held(&file.path) == Some(false) {
                return Err("a file of it was replaced while it was opened".into());
            }
        }
        // The least length of the log follows from its frames; see `must_be`.
        log.len = 0;
        let page = conn.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0));
        let page = page.map_err(|e| e.to_string())?.max(0).cast_unsigned();
        Ok(Self { database, log, memory, page })
    }

    /// The database itself.
    pub(super) fn database(&self) -> FileId {
        self.database.id
    }

    /// The state of the log, or what somebody else did to one of the files.
    pub(super) fn look(&mut self, conn: &Connection) -> Result<rusqlite::Result<Log>, Taken> {
        let mut log = Log::look(conn);
        self.log.len = self.must_be(&log);
        let mut cut = self.log.changed();
        if cut == Some("cut short") {
            // Another process may rightly have emptied the log between asking SQLite and looking at the file.
            log = Log::look(conn);
            self.log.len = self.must_be(&log);
            cut = self.log.changed();
        }
        if let Some(what) = self.database.changed() {
            return Err(Taken::Database(what));
        }
        if let Some(what) = cut.or_else(|| self.memory.changed()) {
            return Err(Taken::Log(what));
        }
        if let Ok((_, len)) = FileId::and_len(&self.database.path) {
            self.database.len = len;
        }
        Ok(log)
    }

    /// To be called before the database is opened again. If the database is gone or was replaced, its log is set aside,
    /// for inspection: SQLite finds a log by its name only, and would read it into the database that is there now. The
    /// shared memory is removed, as it is of no more use.
    ///
    /// # Errors
    /// As the operating system says.
    pub(super) fn set_log_aside(&self, fs: &dyn Fs) -> io::Result<()> {
        let is = |file: &Watched| FileId::of(&file.path).is_ok_and(|id| id == file.id);
        if is(&self.database) {
            return Ok(());
        }
        if is(&self.log) {
            let aside = beside(&self.log.path, &format!(".replaced-{}", self.log.id.inode));
            fs.rename(&self.log.path, &aside)?;
        }
        if is(&self.memory) {
            fs.remove_file(&self.memory.path)?;
        }
        Ok(())
    }

    fn must_be(&self, log: &rusqlite::Result<Log>) -> u64 {
        match log {
            Ok(Log { frames: 0, .. }) | Err(_) => 0,
            Ok(log) => LOG_HEAD.saturating_add(log.frames.saturating_mul(FRAME_HEAD + self.page)),
        }
    }
}
