//! The database's schema: making it, recognising it, migrating it.
//!
//! Guarantees: a file that is no audit database, or one of a newer version, is refused before anything in it is
//! changed; each migration runs in one transaction.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, ErrorKind, Result};

/// `PRAGMA application_id` of audit databases: "SnkW".
pub(super) const APPLICATION_ID: i32 = 0x536E_6B57;

/// The version that this build writes: `PRAGMA user_version`.
pub(super) const VERSION: i32 = 2;

/// The oldest version that this build reads: earlier versions hashed the leaves differently.
const OLDEST: i32 = 2;

/// The scripts: the first makes a database of version [`OLDEST`], and each later one takes it to the next version.
/// Never change one that was released.
const MIGRATIONS: [&str; (VERSION - OLDEST + 1) as usize] = [include_str!("schema.sql")];

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing in it yet.
    Empty,
    /// An audit database of this version.
    Audit(i32),
}

/// Recognises a database without changing it.
pub(super) fn recognise(conn: &Connection) -> Result<Kind> {
    let pragma = |name: &str| -> rusqlite::Result<i32> { conn.pragma_query_value(None, name, |r| r.get(0)) };
    let read = || -> rusqlite::Result<(i32, i32, i64)> {
        let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    match read() {
        Ok((0, 0, 0)) => Ok(Kind::Empty),
        Ok((APPLICATION_ID, version, _)) if (OLDEST..=VERSION).contains(&version) => {
            only_tables(conn)?;
            Ok(Kind::Audit(version))
        }
        Ok((APPLICATION_ID, version, _)) if version < OLDEST => Err(Error::unsupported(format!(
            "this audit database has version {version}, whose envelopes were hashed in another form; keep it for the sinkwell that wrote it and give another path, nothing was changed"
        ))),
        Ok((APPLICATION_ID, version, _)) => Err(Error::unsupported(format!(
            "this audit database has version {version}, and this build knows versions up to {VERSION}; use a newer sinkwell, nothing was changed"
        ))),
        Ok(_) => Err(foreign()),
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => Err(foreign()),
        Err(e) => Err(super::unreadable(&e)),
    }
}

/// Refuses a database in which something that would be read as a table is none: a view that somebody made in its place can
/// have rows without end.
fn only_tables(conn: &Connection) -> Result<()> {
    const READ: [&str; 9] =
        ["meta", "stream", "name", "leaf", "envelope", "conflict", "node", "erasure", "stub"];
    let mut found = None;
    // As the statement, which nothing in the database can stand in for; `sqlite_schema` may say anything, and a table of the
    // pragma's name would be asked in its place.
    let asked = conn.pragma_query(Some("main"), "table_list", |row| {
        let (name, kind): (String, String) = (row.get("name")?, row.get("type")?);
        if kind != "table" && READ.iter().any(|read| name.eq_ignore_ascii_case(read)) {
            found = Some(name);
        }
        Ok(())
    });
    asked.map_err(|e| super::unreadable(&e))?;
    match found {
        None => Ok(()),
        Some(name) => Err(Error::verification(format!(
            "{name:?} is no table in this database: sinkwell did not make it so, and nothing in it is read"
        ))),
    }
}

fn foreign() -> Error {
    Error::new(
        ErrorKind::Sink,
        "this file is not a sinkwell audit database; give another path, nothing was changed",
    )
}

/// Settings that must be made before the first table.
pub(super) fn prepare_empty(conn: &Connection) -> rusqlite::Result<()> {
    // Rows have about a kilobyte: with SQLite's usual pages of 4 096 bytes, a sixth of each page would stay empty.
    conn.pragma_update(None, "page_size", 8192)
}

/// Brings a database to this version; returns whether it was empty.
pub(super) fn migrate(conn: &mut Connection, origin: &str) -> Result<()> {
    let failed = |e: rusqlite::Error| {
        Error::new(ErrorKind::Sink, format!("the audit database cannot be brought to this version: {e}"))
    };
    loop {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Another process may have done it while this one waited for the lock.
        let from = match recognise(&tx)? {
            Kind::Audit(VERSION) => return Ok(()),
            Kind::Audit(version) => version,
            Kind::Empty => OLDEST - 1,
        };
        let step = usize::try_from(from - (OLDEST - 1)).unwrap_or(0);
        tx.execute_batch(MIGRATIONS[step]).map_err(failed)?;
        if step == 0 {
            tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            tx.execute("INSERT INTO meta(key, value) VALUES ('origin', ?1)", [origin]).map_err(failed)?;
        }
        tx.pragma_update(None, "user_version", from + 1).map_err(failed)?;
        tx.commit().map_err(failed)?;
    }
}

/// Every table, index, trigger and view that a database of this version has, by name, with its text.
pub(super) fn expected() -> Result<Vec<(String, String)>> {
    let read = || {
        let conn = Connection::open_in_memory()?;
        for migration in MIGRATIONS {
            conn.execute_batch(migration)?;
        }
        objects(&conn)
    };
    read().map_err(|e| Error::internal(format!("the audit schema cannot be made: {e}")))
}

/// Every table, index, trigger and view of a database; what SQLite keeps for itself is left out.
pub(super) fn objects(conn: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    conn.prepare(
        "SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY name",
    )?
    .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
    .collect()
}
