//! Finding envelopes, and exporting the whole log.

use std::ops::ControlFlow;

use rusqlite::{Connection, params_from_iter};

use super::db::AuditDb;
use super::{bad_argument, number, sql, unreadable, unsql};
use crate::error::Result;
use crate::hex;
use crate::json::Value;
use crate::seam::UnixNanos;
use crate::sink::EnvelopeHash;

/// What to look for; an envelope must fit all members that are set.
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
    /// Return at most so many, the oldest leaves first.
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
            ("hash".into(), hex::text(&self.hash).into()),
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
                    "SELECT l.leaf, coalesce(e.sealed, t.stub) FROM leaf l
                     LEFT JOIN envelope e ON e.leaf = l.leaf LEFT JOIN stub t ON t.leaf = l.leaf
                     WHERE l.leaf >= ?1 ORDER BY l.leaf",
                )
                .map_err(bad)?;
            let mut rows = select.query([sql(from)]).map_err(bad)?;
            let mut count = 0;
            while let Some(row) = rows.next().map_err(bad)? {
                let index = unsql(row.get(0).map_err(bad)?);
                // A leaf with neither envelope nor stub becomes an empty line, which no reader takes for an envelope.
                let line = row.get_ref(1).and_then(|line| Ok(line.as_str_or_null()?)).map_err(bad)?;
                count += 1;
                if each(index, line.unwrap_or_default().as_bytes())?.is_break() {
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
}

/// A condition that an index can look up.
struct Condition {
    index: &'static str,
    text: &'static str,
    values: Vec<i64>,
}

const OF_TYPE: &str = "type = ?";

fn of_type(event_type: i64) -> Condition {
    Condition { index: "envelope_type", text: OF_TYPE, values: vec![event_type] }
}

/// Rows are counted up to this number to find the condition that fits the fewest.
const COUNTED: i64 = 10_000;

fn find(conn: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Found>> {
    let Some(mut conditions) = conditions(conn, filter)? else { return Ok(Vec::new()) };
    let types = match &filter.event_type {
        Some(glob) => types(conn, glob)?,
        None => return select(conn, &mut conditions, filter),
    };
    // One query for each type, as the index on type gives the rows of one type in the order of the log.
    let mut found = Vec::new();
    for event_type in types {
        conditions.retain(|condition| condition.text != OF_TYPE);
        conditions.push(of_type(event_type));
        found.extend(select(conn, &mut conditions, filter)?);
    }
    found.sort_unstable_by_key(|found| found.index);
    found.truncate(filter.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    Ok(found)
}

/// The conditions except that on the type; `None` if one names a run, agent or tenant that the log does not know.
fn conditions(conn: &Connection, filter: &Filter) -> rusqlite::Result<Option<Vec<Condition>>> {
    let mut conditions = Vec::new();
    for (index, text, kind, wanted) in [
        ("envelope_run", "run = ?", 3, &filter.run),
        ("envelope_agent", "agent = ?", 2, &filter.agent),
        ("envelope_tenant", "tenant = ?", 4, &filter.tenant),
    ] {
        let Some(wanted) = wanted else { continue };
        let Some(no) = name(conn, kind, wanted)? else { return Ok(None) };
        conditions.push(Condition { index, text, values: vec![no] });
    }
    if filter.since.is_some() || filter.until.is_some() {
        let values = vec![filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX)];
        conditions.push(Condition { index: "envelope_time", text: "time >= ? AND time < ?", values });
    }
    Ok(Some(conditions))
}

/// Calls `each` with every envelope that fits a filter, its `limit` aside, in no order: its leaf, its sealed line, and
/// whether an earlier leaf has the same event, by id and agent.
pub(super) fn for_each_fitting(
    conn: &Connection,
    filter: &Filter,
    mut each: impl FnMut(u64, &[u8], bool) -> Result<()>,
) -> Result<()> {
    let bad = |e: rusqlite::Error| unreadable(&e);
    let Some(mut conditions) = conditions(conn, filter).map_err(bad)? else { return Ok(()) };
    let types = match &filter.event_type {
        Some(glob) => types(conn, glob).map_err(bad)?.into_iter().map(Some).collect(),
        None => vec![None],
    };
    for event_type in types {
        conditions.retain(|condition| condition.text != OF_TYPE);
        conditions.extend(event_type.map(of_type));
        let (chosen, values) = chosen(conn, &mut conditions, filter);
        let text = format!(
            "SELECT f.leaf, e.sealed, EXISTS(
               SELECT 1 FROM envelope o WHERE o.id = e.id AND o.agent = e.agent AND o.leaf < e.leaf)
             FROM ({chosen}) f JOIN envelope e ON e.leaf = f.leaf"
        );
        let mut select = conn.prepare_cached(&text).map_err(bad)?;
        let mut rows = select.query(params_from_iter(values)).map_err(bad)?;
        while let Some(row) = rows.next().map_err(bad)? {
            let leaf = unsql(row.get(0).map_err(bad)?);
            let repeat = row.get(2).map_err(bad)?;
            let sealed = row.get_ref(1).and_then(|line| Ok(line.as_str()?)).map_err(bad)?;
            each(leaf, sealed.as_bytes(), repeat)?;
        }
    }
    Ok(())
}

/// The envelopes that fit all conditions.
fn select(conn: &Connection, conditions: &mut [Condition], filter: &Filter) -> rusqlite::Result<Vec<Found>> {
    let (chosen, mut values) = chosen(conn, conditions, filter);
    values.push(filter.limit.map_or(-1, sql));
    // Sealed bytes are fetched last, and only for the rows that are returned.
    let text = format!(
        "SELECT l.leaf, l.hash, e.sealed FROM ({chosen} ORDER BY leaf LIMIT ?) f
         JOIN leaf l ON l.leaf = f.leaf JOIN envelope e ON e.leaf = f.leaf ORDER BY f.leaf"
    );
    conn.prepare_cached(&text)?
        .query_map(params_from_iter(values), |r| {
            Ok(Found { index: unsql(r.get(0)?), hash: r.get(1)?, line: r.get(2)? })
        })?
        .collect()
}

/// A statement that gives the leaves that fit all conditions, looked up by the condition that fits the fewest rows; and
/// its values.
fn chosen(conn: &Connection, conditions: &mut [Condition], filter: &Filter) -> (String, Vec<i64>) {
    conditions.sort_by_cached_key(|condition| {
        let text = format!(
            "SELECT count(*) FROM (SELECT 1 FROM envelope INDEXED BY {} WHERE {} LIMIT {COUNTED})",
            condition.index, condition.text
        );
        conn.prepare_cached(&text)
            .and_then(|mut count| count.query_row(params_from_iter(&condition.values), |r| r.get(0)))
            .unwrap_or(COUNTED)
    });
    let by = conditions.first().map_or(String::new(), |first| format!("INDEXED BY {}", first.index));
    let mut text = format!("SELECT leaf FROM envelope {by} WHERE leaf > ?");
    let mut values = vec![filter.after.map_or(-1, sql)];
    for condition in conditions.iter() {
        text.push_str(" AND ");
        text.push_str(condition.text);
        values.extend(&condition.values);
    }
    (text, values)
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
