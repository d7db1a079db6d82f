//! Looking things up, and getting everything out again.

use std::ops::ControlFlow;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params_from_iter};

use super::db::{AuditDb, Stored};
use super::{bad_argument, hex, number, sequence, sql, unreadable, unsql};
use crate::error::Result;
use crate::json::Value;
use crate::seam::{UnixNanos, Uuid};
use crate::sink::EnvelopeHash;

/// What to look for; everything given must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A glob (`*`, `?`, `[a-z]`) over the type, with or without sinkwell's own prefix.
    pub event_type: Option<String>,
    /// The emitting agent's id.
    pub agent: Option<String>,
    /// The run's id.
    pub run: Option<String>,
    /// The tenant's id.
    pub tenant: Option<String>,
    /// Not before this time of occurrence.
    pub since: Option<UnixNanos>,
    /// Before this time of occurrence.
    pub until: Option<UnixNanos>,
    /// At most so many, the oldest leaves first.
    pub limit: Option<u64>,
    /// Only leaves after this one: the `index` of the last one found, to go on from there.
    pub after: Option<u64>,
}

/// An envelope that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its leaf's index.
    pub index: u64,
    /// Its hash.
    pub hash: EnvelopeHash,
    /// The sealed line, as it was delivered.
    pub line: String,
}

impl Found {
    /// As JSON: `index`, `hash`, `envelope`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let envelope = crate::json::parse(self.line.as_bytes()).unwrap_or(Value::Null);
        Value::Object(vec![
            ("index".into(), number(self.index)),
            ("hash".into(), hex(&self.hash).into()),
            ("envelope".into(), envelope),
        ])
    }
}

impl AuditDb {
    /// The envelopes that fit a filter, in the order of the log. What retention erased is not found.
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read.
    pub fn query(&self, filter: &Filter) -> Result<Vec<Found>> {
        self.snapshot(|conn| find(conn, filter).map_err(|e| unreadable(&e)))
    }

    /// Calls `each` with every line of the log from the leaf `from` on, in order: sealed lines as they were
    /// delivered, stubs where retention erased. Without a newline. Returns how many there were.
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read, or a leaf has lost its envelope. What `each` says.
    pub fn for_each_line(
        &self,
        from: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        self.snapshot(|conn| {
            let bad = |e: rusqlite::Error| unreadable(&e);
            let mut select = conn
                .prepare_cached(
                    "SELECT l.leaf, s.streamid, l.sequence, l.hash, e.sealed, t.prevhash
                     FROM leaf l JOIN stream s ON s.no = l.stream
                     LEFT JOIN envelope e ON e.leaf = l.leaf LEFT JOIN stub t ON t.leaf = l.leaf
                     WHERE l.leaf >= ?1 ORDER BY l.leaf",
                )
                .map_err(bad)?;
            let mut rows = select.query([sql(from)]).map_err(bad)?;
            let mut count = 0;
            while let Some(row) = rows.next().map_err(bad)? {
                let index = unsql(row.get(0).map_err(bad)?);
                let sealed = row.get_ref(4).map_err(bad)?;
                count += 1;
                let flow = match sealed.as_str_or_null() {
                    Ok(Some(line)) => each(index, line.as_bytes())?,
                    _ => each(index, &stub_line(row).map_err(bad)?)?,
                };
                if flow.is_break() {
                    break;
                }
            }
            Ok(count)
        })
    }

    /// Writes the whole log as lines (NDJSON), stubs included; returns how many.
    ///
    /// # Errors
    /// As [`for_each_line`](Self::for_each_line); kind `invalid_argument` when `out` cannot be written.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64> {
        let failed = |e: std::io::Error| bad_argument(format!("the export cannot be written: {e}"));
        let count = self.for_each_line(0, |_, line| {
            out.write_all(line).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
            Ok(ControlFlow::Continue(()))
        })?;
        out.flush().map_err(failed)?;
        Ok(count)
    }

    /// The envelope's hash of one leaf, for those who keep their own tree.
    ///
    /// # Errors
    /// Kind `verification`: no such leaf.
    pub fn leaf(&self, index: u64) -> Result<super::merkle::Hash> {
        use super::merkle::Nodes as _;
        let hashes = Stored(&self.conn).hashes(0, index, index + 1).map_err(|e| unreadable(&e))?;
        Ok(hashes[0])
    }
}

/// `{"hash":…,"prevhash"?:…,"sequence":…,"streamid":…,"stub":"sinkwell-v1"}`: canonical like every line.
fn stub_line(row: &Row<'_>) -> rusqlite::Result<Vec<u8>> {
    let hash: EnvelopeHash = row.get(3)?;
    let mut line = format!("{{\"hash\":\"{}\"", hex(&hash));
    if let Some(prevhash) = row.get::<_, Option<EnvelopeHash>>(5)? {
        line.push_str(&format!(",\"prevhash\":\"{}\"", hex(&prevhash)));
    }
    line.push_str(&format!(
        ",\"sequence\":\"{}\",\"streamid\":\"{}\",\"stub\":\"sinkwell-v1\"}}",
        sequence(unsql(row.get(2)?)),
        Uuid(row.get(1)?)
    ));
    Ok(line.into_bytes())
}

fn find(conn: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Found>> {
    let mut sql_text = String::from(
        "SELECT e.leaf, l.hash, e.sealed FROM envelope e JOIN leaf l ON l.leaf = e.leaf WHERE 1",
    );
    let mut values: Vec<SqlValue> = Vec::new();
    let mut also = |condition: &str, value: SqlValue| {
        values.push(value);
        sql_text.push_str(" AND ");
        sql_text.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    for (column, kind, wanted) in
        [("run", 3, &filter.run), ("agent", 2, &filter.agent), ("tenant", 4, &filter.tenant)]
    {
        let Some(wanted) = wanted else { continue };
        match name(conn, kind, wanted)? {
            Some(no) => also(&format!("e.{column} = ?"), SqlValue::Integer(no)),
            None => return Ok(Vec::new()),
        }
    }
    if let Some(glob) = &filter.event_type {
        let types = types(conn, glob)?;
        // Numbers of ours, so their text needs no parameters.
        let list = types.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        also(&format!("e.type IN ({list}) AND ?"), SqlValue::Integer(1));
    }
    if let Some(since) = filter.since {
        also("e.time >= ?", SqlValue::Integer(since));
    }
    if let Some(until) = filter.until {
        also("e.time < ?", SqlValue::Integer(until));
    }
    if let Some(after) = filter.after {
        also("e.leaf > ?", SqlValue::Integer(sql(after)));
    }
    values.push(SqlValue::Integer(filter.limit.map_or(-1, sql)));
    sql_text.push_str(&format!(" ORDER BY e.leaf LIMIT ?{}", values.len()));
    conn.prepare_cached(&sql_text)?
        .query_map(params_from_iter(values), |r| {
            Ok(Found { index: unsql(r.get(0)?), hash: r.get(1)?, line: r.get(2)? })
        })?
        .collect()
}

fn name(conn: &Connection, kind: i64, text: &str) -> rusqlite::Result<Option<i64>> {
    use rusqlite::OptionalExtension as _;
    conn.prepare_cached("SELECT no FROM name WHERE kind = ?1 AND text = ?2")?
        .query_row(rusqlite::params![kind, text], |r| r.get(0))
        .optional()
}

fn types(conn: &Connection, glob: &str) -> rusqlite::Result<Vec<i64>> {
    conn.prepare_cached(
        "SELECT no FROM name WHERE kind = 1 AND (text GLOB ?1 OR text GLOB 'dev.sinkwell.' || ?1)",
    )?
    .query_map([glob], |r| r.get(0))?
    .collect()
}
