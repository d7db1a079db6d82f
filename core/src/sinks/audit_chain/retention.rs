//! Retention: envelopes become stubs, by a policy that a sealed envelope names.
//!
//! Guarantees: an envelope is erased only when a stored `retention` envelope of sinkwell's own covers its
//! place, and only its stub remains (its place, the digest of its event, its signature); its bytes, attributes and
//! index entries are overwritten in the file, and the write-ahead log is emptied. Envelopes that sinkwell
//! made about itself stay: they declare losses and erasures, and hold no content.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::line::LineReader;
use super::writer::Writer;
use super::{bad_argument, sql, unreadable, unsql};
use crate::error::{Error, ErrorKind, Result};
use crate::hex;
use crate::seam::{UnixNanos, Uuid};
use crate::sink::EnvelopeHash;
use crate::sink::ErasedRange;

/// Envelopes erased in one transaction.
const STEP: usize = 1_000;

/// The result of applying a retention envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Envelopes that became stubs.
    pub erased: u64,
}

/// The ranges of envelopes recorded before `cutoff`, at most `limit` envelopes.
pub(super) fn plan(conn: &Connection, cutoff: UnixNanos, limit: u64) -> Result<Vec<ErasedRange>> {
    let read = || -> rusqlite::Result<Vec<ErasedRange>> {
        let tx = conn.unchecked_transaction()?;
        let mut old = tx.prepare_cached(
            "SELECT l.stream, l.sequence, e.agent FROM (
               SELECT leaf FROM envelope INDEXED BY envelope_recordedtime
               WHERE recordedtime < ?1 AND own = 0 ORDER BY recordedtime LIMIT ?2) o
             JOIN leaf l ON l.leaf = o.leaf JOIN envelope e ON e.leaf = o.leaf
             ORDER BY l.stream, l.sequence",
        )?;
        // A range may include own envelopes and stubs, but no envelope of a host that must stay.
        let mut between = tx.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM leaf l JOIN envelope e ON e.leaf = l.leaf
             WHERE l.stream = ?1 AND l.sequence > ?2 AND l.sequence < ?3 AND e.own = 0)",
        )?;
        let mut ranges: Vec<(i64, i64, i64, i64)> = Vec::new();
        let mut rows = old.query(params![cutoff, sql(limit)])?;
        while let Some(row) = rows.next()? {
            let (stream, at, agent): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            match ranges.last_mut() {
                Some((of, _, to, whose))
                    if *of == stream
                        && *whose == agent
                        && (at <= *to + 1
                            || !between.query_row([stream, *to, at], |r| r.get::<_, bool>(0))?) =>
                {
                    *to = at;
                }
                _ => ranges.push((stream, at, at, agent)),
            }
        }
        let mut streamid = tx.prepare_cached("SELECT streamid FROM stream WHERE no = ?1")?;
        let mut agentid = tx.prepare_cached("SELECT text FROM name WHERE no = ?1")?;
        ranges
            .into_iter()
            .map(|(stream, from, to, agent)| {
                let streamid = Uuid(streamid.query_row([stream], |r| r.get(0))?);
                let agentid = agentid.query_row([agent], |r| r.get(0))?;
                Ok(ErasedRange { streamid, agentid, from: unsql(from), to: unsql(to) })
            })
            .collect()
    };
    read().map_err(|e| unreadable(&e))
}

/// A range to erase, with the database's own number for the stream.
pub(super) struct Admitted {
    stream: i64,
    /// Moves on as envelopes are erased, so that none is read twice.
    from: i64,
    to: i64,
    /// The leaf of the retention envelope.
    leaf: i64,
    /// Whether nothing is left to erase.
    pub(super) done: bool,
}

/// Finds the retention envelope and stores the ranges that its sealed bytes allow to be erased.
pub(super) fn admit(writer: &mut Writer, retention: &EnvelopeHash) -> Result<Vec<Admitted>> {
    let admitted = writer.transaction(|tx| {
        let Some((leaf, sealed)) = tx
            .prepare_cached(
                "SELECT e.leaf, e.sealed FROM name t JOIN envelope e ON e.type = t.no
                 JOIN leaf l ON l.leaf = e.leaf
                 WHERE t.kind = 1 AND t.text GLOB '*audit.chain' AND e.own = 1 AND l.hash = ?1",
            )?
            .query_row([retention], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))
            .optional()?
        else {
            return Ok(None);
        };
        let mut reader = LineReader::default();
        let Some(ranges) = reader.read(sealed.as_bytes()).ok().and_then(|line| line.retention()) else {
            return Ok(None);
        };
        let mut admitted = Vec::new();
        for (streamid, from, to) in ranges {
            let stream = tx
                .prepare_cached("SELECT no FROM stream WHERE streamid = ?1")?
                .query_row([streamid.0], |r| r.get(0))
                .optional()?;
            // A stream that is not in this log has nothing to erase.
            let Some(stream) = stream else { continue };
            let range = Admitted { stream, from: sql(from), to: sql(to), leaf, done: false };
            let values = params![range.stream, range.from, range.to, leaf];
            let there: bool = tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM erasure
                     WHERE stream = ?1 AND first = ?2 AND last = ?3 AND leaf = ?4)",
                )?
                .query_row(values, |r| r.get(0))?;
            if !there {
                tx.prepare_cached("INSERT INTO erasure(stream, first, last, leaf) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(values)?;
            }
            admitted.push(range);
        }
        Ok(Some(admitted))
    })?;
    admitted.ok_or_else(|| {
        bad_argument(format!(
            "no retention envelope with the hash {} is in this audit log; seal one and deliver it first",
            hex::text(retention)
        ))
    })
}

/// Erases the next envelopes of a range; returns how many.
pub(super) fn erase_some(writer: &mut Writer, range: &mut Admitted) -> Result<u64> {
    let (erased, last) = writer.transaction(|tx| {
        let mut doomed = tx.prepare_cached(
            "SELECT l.leaf, e.sealed, e.type, e.agent, e.run, e.tenant, l.sequence
             FROM leaf l JOIN envelope e ON e.leaf = l.leaf
             WHERE l.stream = ?1 AND l.sequence BETWEEN ?2 AND ?3 AND l.leaf < ?4 AND e.own = 0
             ORDER BY l.sequence LIMIT ?5",
        )?;
        let mut stub = tx.prepare_cached("INSERT INTO stub(leaf, stub) VALUES (?1, ?2)")?;
        let mut reader = LineReader::default();
        let mut names = BTreeSet::new();
        let mut stubs = Vec::new();
        let mut last = range.from;
        let mut rows =
            doomed.query(params![range.stream, range.from, range.to, range.leaf, sql(STEP as u64)])?;
        while let Some(row) = rows.next()? {
            // If the bytes can no longer be read as an envelope, the stub is empty, which `verify` reports.
            let stub = reader.read(row.get_ref(1)?.as_bytes()?).map(|line| line.stub()).unwrap_or_default();
            stubs.push((row.get::<_, i64>(0)?, stub));
            for column in 2..6 {
                names.extend(row.get::<_, Option<i64>>(column)?);
            }
            last = row.get(6)?;
        }
        drop(rows);
        for (leaf, line) in &stubs {
            stub.execute(params![leaf, line])?;
        }
        // A name that no envelope uses any longer would tell something about the erased ones.
        let mut forget = tx.prepare_cached(
            "DELETE FROM name WHERE no = ?1
             AND NOT EXISTS (SELECT 1 FROM envelope WHERE type = ?1)
             AND NOT EXISTS (SELECT 1 FROM envelope WHERE agent = ?1)
             AND NOT EXISTS (SELECT 1 FROM envelope WHERE run = ?1)
             AND NOT EXISTS (SELECT 1 FROM envelope WHERE tenant = ?1)",
        )?;
        for no in names {
            forget.execute([no])?;
        }
        Ok((stubs.len(), last))
    })?;
    // More envelopes may claim the last sequence than this step took, so that the next step begins with it.
    range.from = last;
    range.done = erased < STEP;
    Ok(erased as u64)
}

/// Empties SQLite's write-ahead log, in which the erased bytes would stay readable.
pub(super) fn settle(writer: &mut Writer) -> Result<()> {
    if !writer.empty_log()? {
        return Err(Error::new(
            ErrorKind::Sink,
            "the envelopes are erased, but a reader keeps the database's log from being emptied; call again when it is done",
        ));
    }
    Ok(())
}
