//! Reading an audit database: head, proofs.
//!
//! Guarantees: nothing is written; every answer describes one state of the log, whatever is appended meanwhile.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::merkle::{self, Hash, Nodes};
use super::note::TreeHead;
use super::{bad_argument, number, schema, sequence, sql, unreadable, unsql};
use crate::error::{Error, Result};
use crate::event::EventId;
use crate::hex;
use crate::json::Value;
use crate::seam::Uuid;
use crate::seam::sqlite::{self, Connections, Seen};
use crate::sink::EnvelopeHash;

/// How long a reader waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// An audit database, opened for reading.
pub struct AuditDb {
    connections: Connections,
    origin: String,
}

/// Names a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// By the event's id; the first leaf, if several have it.
    Id(EventId),
    /// By its place in a stream; the first leaf, if several claim it.
    Place {
        /// The stream.
        streamid: Uuid,
        /// The sequence.
        sequence: u64,
    },
    /// By its index in the tree, from 0.
    Index(u64),
}

/// Shows that an envelope is in the tree of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The head: origin, size, root.
    pub head: TreeHead,
    /// The leaf's index, from 0.
    pub index: u64,
    /// The envelope's stream.
    pub streamid: Uuid,
    /// The envelope's sequence.
    pub sequence: u64,
    /// The envelope's hash, of which the leaf is made.
    pub hash: EnvelopeHash,
    /// The path, from the leaf up.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Whether it holds.
    #[must_use]
    pub fn verify(&self) -> bool {
        let leaf = merkle::leaf_hash(&self.hash);
        merkle::verify_inclusion(&leaf, self.index, self.head.size, &self.path, &self.head.root)
    }

    /// The JSON form (docs/AUDIT.md).
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(vec![
            ("proof".into(), "sinkwell-inclusion-v1".into()),
            ("origin".into(), self.head.origin.as_str().into()),
            ("size".into(), number(self.head.size)),
            ("root".into(), hex::text(&self.head.root).into()),
            ("index".into(), number(self.index)),
            ("streamid".into(), self.streamid.to_string().into()),
            ("sequence".into(), sequence(self.sequence).into()),
            ("hash".into(), hex::text(&self.hash).into()),
            ("path".into(), hashes(&self.path)),
        ])
    }
}

/// Shows that a log only grew between two heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The earlier head.
    pub old: TreeHead,
    /// The later head.
    pub new: TreeHead,
    /// The path.
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Whether it holds.
    #[must_use]
    pub fn verify(&self) -> bool {
        let (old, new) = (&self.old, &self.new);
        merkle::verify_consistency(old.size, new.size, &old.root, &new.root, &self.path)
    }

    /// The JSON form (docs/AUDIT.md).
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(vec![
            ("proof".into(), "sinkwell-consistency-v1".into()),
            ("origin".into(), self.new.origin.as_str().into()),
            ("old_size".into(), number(self.old.size)),
            ("old_root".into(), hex::text(&self.old.root).into()),
            ("new_size".into(), number(self.new.size)),
            ("new_root".into(), hex::text(&self.new.root).into()),
            ("path".into(), hashes(&self.path)),
        ])
    }
}

fn hashes(path: &[Hash]) -> Value {
    Value::Array(path.iter().map(|hash| hex::text(hash).into()).collect())
}

impl AuditDb {
    /// Whether this is a SQLite database, by the file's first bytes; [`open_read`](Self::open_read) then tells whether
    /// it is an audit log. Nothing is taken out of a pipe, and a database that this process has open is not opened
    /// again.
    #[must_use]
    pub fn is_one(path: impl AsRef<Path>) -> bool {
        use std::io::Read as _;
        let path = path.as_ref();
        crate::seam::metadata(path).is_ok_and(|found| found.is_file())
            && match sqlite::look(path, |file| {
                let mut magic = [0; 16];
                file.read_exact(&mut magic).map(|()| magic)
            }) {
                Ok(Seen::InUse) => true,
                Ok(Seen::Plain(magic)) => &magic == b"SQLite format 3\0",
                Err(_) => false,
            }
    }

    /// Opens a database for reading, also while it is written to.
    ///
    /// # Errors
    /// Kind `verification`: it cannot be read. Kind `sink`: it is no audit database. Kind `unsupported`: it
    /// is of a newer version.
    pub fn open_read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let located = |e: Error| e.at(super::writer::place(path));
        let open = |name: &Path, flags| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | flags;
            let connections = Connections::reader(path, name.to_owned(), flags, PATIENCE);
            let mut kind = schema::Kind::Empty;
            connections.lend(
                || Ok(()),
                |conn| {
                    configure(conn)?;
                    kind = schema::recognise(conn)?;
                    Ok(())
                },
            )?;
            Ok::<_, Error>((connections, kind))
        };
        let (connections, kind) = match open(path, OpenFlags::empty()) {
            // A database with a write-ahead log needs files beside it, which a read-only medium cannot hold. If there
            // is no such log, the database can be read without them.
            Err(e) if e.kind() == crate::ErrorKind::Verification && at_rest(path) => {
                open(&immutable(path), OpenFlags::SQLITE_OPEN_URI).map_err(|_| e)
            }
            other => other,
        }
        .map_err(located)?;
        if kind == schema::Kind::Empty {
            return Err(located(Error::verification(
                "this database is empty: nothing was ever written to it",
            )));
        }
        let (lent, _) = connections.lend(|| Ok(()), configure).map_err(located)?;
        let origin = origin(&lent).map_err(located)?;
        drop(lent);
        Ok(Self { connections, origin })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Runs `read` on one state of the log.
    pub(super) fn snapshot<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let (lent, _) = self.connections.lend(|| Ok(()), configure)?;
        let tx = lent.unchecked_transaction().map_err(|e| unreadable(&e))?;
        read(&tx)
    }

    /// The tree head now.
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read.
    pub fn head(&self) -> Result<TreeHead> {
        self.snapshot(|conn| self.head_at(conn, size(conn).map_err(|e| unreadable(&e))?))
    }

    /// The head that the tree had at `size`; the caller has checked that the tree is that large.
    pub(super) fn head_at(&self, conn: &Connection, size: u64) -> Result<TreeHead> {
        let root = merkle::root_at(&Stored(conn), size).map_err(|e| unreadable(&e))?;
        Ok(TreeHead { origin: self.origin.clone(), size, root })
    }

    /// Proves that an envelope is in the tree, at its size now or at an earlier `size`.
    ///
    /// # Errors
    /// Kind `invalid_argument`: no such envelope, or not yet in a tree of that size.
    pub fn prove(&self, what: &Locator, size: Option<u64>) -> Result<InclusionProof> {
        self.snapshot(|conn| {
            let size = bounded(conn, size)?;
            let (index, streamid, sequence, hash) = locate(conn, what)?;
            if index >= size {
                return Err(bad_argument(format!(
                    "the envelope is leaf {index}, so not in the tree of {size} leaves; ask for a size above {index}"
                )));
            }
            let path =
                merkle::inclusion_path(&Stored(conn), index, size).map_err(|e| unreadable(&e))?;
            let head = self.head_at(conn, size)?;
            Ok(InclusionProof { head, index, streamid, sequence, hash, path })
        })
    }

    /// Proves that the tree of `new` leaves (default: all of them) begins with the tree of `old` leaves.
    ///
    /// # Errors
    /// Kind `invalid_argument`: sizes out of order or beyond the log.
    pub fn consistency(&self, old: u64, new: Option<u64>) -> Result<ConsistencyProof> {
        self.snapshot(|conn| {
            let new = bounded(conn, new)?;
            if old > new {
                return Err(bad_argument(format!("the old size {old} is beyond the new size {new}")));
            }
            let path = merkle::consistency_path(&Stored(conn), old, new).map_err(|e| unreadable(&e))?;
            Ok(ConsistencyProof { old: self.head_at(conn, old)?, new: self.head_at(conn, new)?, path })
        })
    }
}

fn configure(conn: &mut Connection) -> Result<()> {
    sqlite::be_patient(conn).map_err(|e| unreadable(&e))
}

/// Whether the database can be read without a write-ahead log: there is none beside it, or it is empty.
fn at_rest(path: &Path) -> bool {
    crate::seam::metadata(&sqlite::beside(path, "-wal")).map_or(true, |log| log.len() == 0)
}

/// The URI that tells SQLite that nothing changes the file while it is read.
fn immutable(path: &Path) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

/// The log's name, as fixed when it was made.
pub(super) fn origin(conn: &Connection) -> Result<String> {
    conn.query_row("SELECT value FROM meta WHERE key = 'origin'", [], |r| r.get(0))
        .map_err(|e| unreadable(&e))
}

/// How many leaves there are.
pub(super) fn size(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT coalesce(max(leaf) + 1, 0) FROM leaf")?.query_row([], |r| r.get(0)).map(unsql)
}

/// The size asked for, or all.
fn bounded(conn: &Connection, asked: Option<u64>) -> Result<u64> {
    let size = size(conn).map_err(|e| unreadable(&e))?;
    match asked {
        Some(asked) if asked > size => {
            Err(bad_argument(format!("the size {asked} is beyond the log, which has {size} leaves")))
        }
        asked => Ok(asked.unwrap_or(size)),
    }
}

fn locate(conn: &Connection, what: &Locator) -> Result<(u64, Uuid, u64, EnvelopeHash)> {
    let query = |from: &str, values: &[&dyn rusqlite::ToSql]| {
        conn.prepare_cached(&format!(
            "SELECT l.leaf, s.streamid, l.sequence, l.hash FROM {from} ORDER BY l.leaf LIMIT 1"
        ))?
        .query_row(values, |r| {
            Ok((unsql(r.get(0)?), Uuid(r.get(1)?), unsql(r.get(2)?), r.get::<_, EnvelopeHash>(3)?))
        })
        .optional()
    };
    let found = match what {
        Locator::Id(id) => query(
            "envelope e JOIN leaf l ON l.leaf = e.leaf JOIN stream s ON s.no = l.stream WHERE e.id = ?1",
            &[&id.index()],
        ),
        Locator::Place { streamid, sequence } => query(
            "stream s JOIN leaf l ON l.stream = s.no WHERE s.streamid = ?1 AND l.sequence = ?2",
            &[&streamid.0, &sql(*sequence)],
        ),
        Locator::Index(index) => {
            query("leaf l JOIN stream s ON s.no = l.stream WHERE l.leaf = ?1", &[&sql(*index)])
        }
    };
    found.map_err(|e| unreadable(&e))?.ok_or_else(|| {
        bad_argument("no such envelope in this audit log (one that retention erased is found by stream and sequence, or by index)")
    })
}

/// The tree as the database keeps it.
pub(super) struct Stored<'a>(pub(super) &'a Connection);

impl Nodes for Stored<'_> {
    type Error = rusqlite::Error;

    fn hashes(&self, level: u32, from: u64, to: u64) -> rusqlite::Result<Vec<Hash>> {
        let (from_row, to_row) = (sql(from), sql(to));
        let hashes: Vec<Hash> = if level == 0 {
            self.0
                .prepare_cached("SELECT hash FROM leaf WHERE leaf >= ?1 AND leaf < ?2 ORDER BY leaf")?
                .query_map([from_row, to_row], |r| r.get(0).map(|hash| merkle::leaf_hash(&hash)))?
                .collect::<rusqlite::Result<_>>()?
        } else {
            self.0
                .prepare_cached(
                    "SELECT hash FROM node WHERE level = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx",
                )?
                .query_map(params![level, from_row, to_row], |r| r.get(0))?
                .collect::<rusqlite::Result<_>>()?
        };
        // If nodes are missing, no proof must be made of the others.
        if hashes.len() as u64 == to - from { Ok(hashes) } else { Err(rusqlite::Error::QueryReturnedNoRows) }
    }
}
