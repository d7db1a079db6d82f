//! Checking an audit database from the ground up.
//!
//! Guarantees: every leaf is recomputed from the sealed bytes, every stored node from the leaves, every
//! column compared with the bytes, every stub with the retention envelope that allows it, the schema with
//! its text, and indexes with tables; whatever disagrees is a finding with its place. This check cannot see that the
//! whole history was rewritten. A tree head kept elsewhere (`VerifyOptions::heads`) shows that, and so do the
//! signatures, which `sinkwell verify` checks on the same database.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use super::db::{AuditDb, size};
use super::line::{Line, LineReader};
use super::merkle::{Frontier, leaf_hash};
use super::note::TreeHead;
use super::{number, schema, sequence, unreadable, unsql};
use crate::error::Result;
use crate::event::EventId;
use crate::hex;
use crate::json::Value;
use crate::seam::Uuid;
use crate::sink::EnvelopeHash;

/// Findings reported one by one; the rest are only counted.
const REPORTED: usize = 1_000;

/// What else to check against.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Tree heads kept elsewhere: the log must still begin with each.
    pub heads: Vec<TreeHead>,
}

/// What is wrong: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuditFindingKind {
    /// The sealed bytes do not have the hash that the leaf states.
    Altered,
    /// A column disagrees with the sealed bytes.
    Column,
    /// An envelope is gone without a retention envelope that allows it, or a leaf is missing.
    Removed,
    /// A stored node of the tree is not the one that the leaves give.
    Tree,
    /// The log does not begin with the leaves of a tree head that was kept.
    Head,
    /// A trigger, table or index is missing or changed.
    Schema,
    /// SQLite finds the file damaged.
    Damaged,
    /// A place in a stream is claimed by two envelopes; both are kept.
    Conflict,
}

impl AuditFindingKind {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Column => "column",
            Self::Removed => "removed",
            Self::Tree => "tree",
            Self::Head => "head",
            Self::Schema => "schema",
            Self::Damaged => "damaged",
            Self::Conflict => "conflict",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFinding {
    /// What is wrong.
    pub kind: AuditFindingKind,
    /// The leaf it is about.
    pub index: Option<u64>,
    /// The place in its stream.
    pub place: Option<(Uuid, u64)>,
    /// The finding in words.
    pub note: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// The head, recomputed from the sealed bytes and the stubs.
    pub head: TreeHead,
    /// Envelopes present.
    pub envelopes: u64,
    /// Stubs.
    pub erased: u64,
    /// Contested places.
    pub conflicts: u64,
    /// The first thousand findings.
    pub findings: Vec<AuditFinding>,
    /// How many there are in all.
    pub found: u64,
}

impl AuditReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.found == 0
    }

    fn add(&mut self, kind: AuditFindingKind, leaf: Option<&Leaf>, note: impl Into<String>) {
        self.found += 1;
        if self.findings.len() < REPORTED {
            self.findings.push(AuditFinding {
                kind,
                index: leaf.map(|leaf| leaf.index),
                place: leaf.map(|leaf| (leaf.streamid, leaf.sequence)),
                note: note.into(),
            });
        }
    }

    /// The report as JSON (docs/AUDIT.md).
    #[must_use]
    pub fn to_value(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            let mut members = vec![("kind".to_owned(), finding.kind.name().into())];
            if let Some(index) = finding.index {
                members.push(("index".into(), number(index)));
            }
            if let Some((streamid, at)) = finding.place {
                members.push(("streamid".into(), streamid.to_string().into()));
                members.push(("sequence".into(), sequence(at).into()));
            }
            members.push(("note".into(), finding.note.as_str().into()));
            Value::Object(members)
        });
        Value::Object(vec![
            ("verdict".into(), if self.sound() { "sound" } else { "findings" }.into()),
            ("origin".into(), self.head.origin.as_str().into()),
            ("size".into(), number(self.head.size)),
            ("root".into(), hex::text(&self.head.root).into()),
            ("envelopes".into(), number(self.envelopes)),
            ("erased".into(), number(self.erased)),
            ("conflicts".into(), number(self.conflicts)),
            ("found".into(), number(self.found)),
            ("findings".into(), Value::Array(findings.collect())),
        ])
    }
}

/// One leaf's own columns.
struct Leaf {
    index: u64,
    streamid: Uuid,
    sequence: u64,
    hash: EnvelopeHash,
}

impl AuditDb {
    /// Checks everything: every leaf against its sealed bytes, every stored node against the leaves, every column
    /// against the bytes, every stub against the retention that allows it, and the database's schema and indexes.
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read at all.
    pub fn verify(&self, options: &VerifyOptions) -> Result<AuditReport> {
        self.snapshot(|conn| {
            let head = TreeHead { origin: self.origin().to_owned(), size: 0, root: [0; 32] };
            let mut report =
                AuditReport { head, envelopes: 0, erased: 0, conflicts: 0, findings: Vec::new(), found: 0 };
            check_schema(conn, &mut report)?;
            check_file(conn, &mut report).map_err(|e| unreadable(&e))?;
            Rows::new(conn, options)
                .map_err(|e| unreadable(&e))?
                .check(conn, &mut report)
                .map_err(|e| unreadable(&e))?;
            Ok(report)
        })
    }
}

fn check_schema(conn: &Connection, report: &mut AuditReport) -> Result<()> {
    let expected = schema::expected()?;
    let found = schema::objects(conn).map_err(|e| unreadable(&e))?;
    for (name, text) in &expected {
        match found.iter().find(|(other, _)| other == name) {
            None => report.add(AuditFindingKind::Schema, None, format!("{name} is missing")),
            Some((_, other)) if other != text => {
                report.add(AuditFindingKind::Schema, None, format!("{name} was changed"));
            }
            Some(_) => {}
        }
    }
    for (name, _) in found.iter().filter(|(name, _)| !expected.iter().any(|(other, _)| other == name)) {
        report.add(AuditFindingKind::Schema, None, format!("{name} does not belong here"));
    }
    Ok(())
}

/// SQLite's own check: pages, and that every index has all rows, as a look-up could otherwise miss some.
fn check_file(conn: &Connection, report: &mut AuditReport) -> rusqlite::Result<()> {
    let mut check = conn.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let note: String = row.get(0)?;
        if note != "ok" {
            report.add(AuditFindingKind::Damaged, None, note);
        }
    }
    Ok(())
}

/// The ranges that retention envelopes allow to be erased: by stream, first and last sequence, and the leaf of the
/// retention envelope.
type Allowed = HashMap<Uuid, Vec<(u64, u64, u64)>>;

/// The pass over all leaves.
struct Rows<'a> {
    reader: LineReader,
    frontier: Frontier,
    /// Heads not yet reached, the largest first.
    heads: Vec<&'a TreeHead>,
    allowed: Allowed,
    nodes: u64,
}

impl<'a> Rows<'a> {
    fn new(conn: &Connection, options: &'a VerifyOptions) -> rusqlite::Result<Self> {
        let mut heads: Vec<_> = options.heads.iter().collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.size));
        let mut reader = LineReader::default();
        let allowed = allowed(conn, &mut reader)?;
        Ok(Self { reader, frontier: Frontier::default(), heads, allowed, nodes: 0 })
    }

    fn check(mut self, conn: &Connection, report: &mut AuditReport) -> rusqlite::Result<()> {
        self.meet_heads(report);
        let mut select = conn.prepare(
            "SELECT l.leaf, s.streamid, l.sequence, l.hash, e.leaf, u.leaf, u.stub, c.first,
               e.id, t.text, a.text, r.text, n.text, e.time, e.recordedtime, e.severity, e.own, e.subject,
               e.sealed
             FROM leaf l LEFT JOIN stream s ON s.no = l.stream
             LEFT JOIN envelope e ON e.leaf = l.leaf LEFT JOIN stub u ON u.leaf = l.leaf
             LEFT JOIN conflict c ON c.leaf = l.leaf
             LEFT JOIN name t ON t.no = e.type AND t.kind = 1 LEFT JOIN name a ON a.no = e.agent AND a.kind = 2
             LEFT JOIN name r ON r.no = e.run AND r.kind = 3 LEFT JOIN name n ON n.no = e.tenant AND n.kind = 4
             ORDER BY l.leaf",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let leaf = Leaf {
                index: unsql(row.get(0)?),
                streamid: Uuid(row.get::<_, Option<[u8; 16]>>(1)?.unwrap_or_default()),
                sequence: unsql(row.get(2)?),
                hash: row.get(3)?,
            };
            if leaf.index != self.frontier.size() {
                let note = format!("leaf {} should come here", self.frontier.size());
                report.add(AuditFindingKind::Removed, Some(&leaf), note);
            }
            let computed = self.envelope(row, &leaf, report)?;
            self.append(conn, &leaf, computed.unwrap_or(leaf.hash), report)?;
            self.meet_heads(report);
        }
        for head in &self.heads {
            let note = format!("the log ends before a kept head of {} leaves", head.size);
            report.add(AuditFindingKind::Head, None, note);
        }
        self.leftovers(conn, report)?;
        report.head.size = self.frontier.size();
        report.head.root = self.frontier.root();
        Ok(())
    }

    /// Checks the envelope or stub of a leaf; returns the hash of the sealed bytes, if they are there.
    fn envelope(
        &mut self,
        row: &Row<'_>,
        leaf: &Leaf,
        report: &mut AuditReport,
    ) -> rusqlite::Result<Option<EnvelopeHash>> {
        let (present, erased) = (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<i64>>(5)?);
        if let Some(first) = row.get::<_, Option<i64>>(7)? {
            report.conflicts += 1;
            let note = format!("leaf {first} has the same place and another hash");
            report.add(AuditFindingKind::Conflict, Some(leaf), note);
        }
        if erased.is_some() {
            report.erased += 1;
            if !self.may_be_erased(leaf) {
                let note = "erased, and no retention envelope covers it";
                report.add(AuditFindingKind::Removed, Some(leaf), note);
            }
        }
        match (present, erased) {
            (None, None) => {
                report.add(AuditFindingKind::Removed, Some(leaf), "the envelope is gone, without a stub");
                return Ok(None);
            }
            (None, Some(_)) => {
                // The stub must still give the leaf's place and hash.
                let stub = row.get_ref(6)?.as_str()?.as_bytes();
                if self.reader.stub_place(stub) != Some((leaf.streamid, leaf.sequence, leaf.hash)) {
                    report.add(AuditFindingKind::Altered, Some(leaf), "the stub is not that of the hash");
                }
                return Ok(None);
            }
            (Some(_), Some(_)) => {
                report.add(AuditFindingKind::Schema, Some(leaf), "both an envelope and its stub");
            }
            (Some(_), None) => {}
        }
        report.envelopes += 1;
        let sealed = row.get_ref(18)?.as_str()?.as_bytes();
        let Ok(line) = self.reader.read(sealed) else {
            report.add(AuditFindingKind::Altered, Some(leaf), "the bytes are no sealed line");
            return Ok(None);
        };
        let hash = line.hash();
        if hash != leaf.hash {
            report.add(AuditFindingKind::Altered, Some(leaf), "the bytes are not those of the hash");
        }
        for column in columns(row, leaf, &line)? {
            report.add(AuditFindingKind::Column, Some(leaf), format!("{column} is not as sealed"));
        }
        Ok(Some(hash))
    }

    fn may_be_erased(&self, leaf: &Leaf) -> bool {
        self.allowed.get(&leaf.streamid).is_some_and(|ranges| {
            ranges.iter().any(|&(from, to, by)| (from..=to).contains(&leaf.sequence) && leaf.index < by)
        })
    }

    /// Appends a leaf to the recomputed tree, and compares the nodes that it completes with the stored ones.
    fn append(
        &mut self,
        conn: &Connection,
        leaf: &Leaf,
        hash: EnvelopeHash,
        report: &mut AuditReport,
    ) -> rusqlite::Result<()> {
        use rusqlite::OptionalExtension as _;
        let mut completed = Vec::new();
        self.frontier.push(leaf_hash(&hash), |node| completed.push(node));
        for node in completed {
            self.nodes += 1;
            let stored: Option<EnvelopeHash> = conn
                .prepare_cached("SELECT hash FROM node WHERE level = ?1 AND idx = ?2")?
                .query_row(rusqlite::params![node.level, super::sql(node.index)], |r| r.get(0))
                .optional()?;
            if stored != Some(node.hash) {
                let note = format!(
                    "the stored node {} of level {} is not that of its leaves",
                    node.index, node.level
                );
                report.add(AuditFindingKind::Tree, Some(leaf), note);
            }
        }
        Ok(())
    }

    /// Compares the tree with every kept head of this size.
    fn meet_heads(&mut self, report: &mut AuditReport) {
        while let Some(head) = self.heads.pop_if(|head| head.size == self.frontier.size()) {
            if head.origin != report.head.origin {
                let note = format!("a kept head is of another log, {:?}", head.origin);
                report.add(AuditFindingKind::Head, None, note);
            } else if head.root != self.frontier.root() {
                let note = format!("the log does not begin with the kept head of {} leaves", head.size);
                report.add(AuditFindingKind::Head, None, note);
            }
        }
    }

    /// Rows that belong to no leaf or to no tree.
    fn leftovers(&self, conn: &Connection, report: &mut AuditReport) -> rusqlite::Result<()> {
        let count = |table: &str| -> rusqlite::Result<u64> {
            conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).map(unsql)
        };
        for (table, known) in [
            ("envelope", report.envelopes),
            ("stub", report.erased),
            ("node", self.nodes),
            ("conflict", report.conflicts),
        ] {
            let rows = count(table)?;
            if rows > known {
                let note = format!("{} rows of {table} belong to no leaf", rows - known);
                report.add(AuditFindingKind::Schema, None, note);
            }
        }
        debug_assert!(size(conn)? >= self.frontier.size());
        Ok(())
    }
}

/// The columns that disagree with the sealed bytes.
fn columns(row: &Row<'_>, leaf: &Leaf, line: &Line<'_>) -> rusqlite::Result<Vec<&'static str>> {
    let text = |column: usize| row.get::<_, Option<String>>(column);
    let pairs = [
        ("streamid", line.streamid() == leaf.streamid),
        ("sequence", line.sequence() == leaf.sequence),
        ("id", line.text("id").and_then(|id| EventId::read(&id)).map(|id| id.index()) == row.get(8)?),
        ("type", line.text("type") == text(9)?),
        ("agentid", line.text("agentid") == text(10)?),
        ("runid", line.text("runid") == text(11)?),
        ("tenantid", line.text("tenantid") == text(12)?),
        ("time", line.time("time") == row.get(13)?),
        ("recordedtime", line.time("recordedtime") == row.get(14)?),
        ("severitynumber", line.severity() == row.get(15)?),
        ("origin", line.own() == row.get::<_, bool>(16)?),
        ("subject", line.text("subject") == text(17)?),
    ];
    Ok(pairs.into_iter().filter(|(_, same)| !same).map(|(column, _)| column).collect())
}

/// What the retention envelopes in the log allow, read from their sealed bytes if those are intact.
fn allowed(conn: &Connection, reader: &mut LineReader) -> rusqlite::Result<Allowed> {
    let mut allowed: Allowed = HashMap::new();
    let mut select = conn.prepare(
        "SELECT e.leaf, e.sealed, l.hash FROM name t JOIN envelope e ON e.type = t.no
         JOIN leaf l ON l.leaf = e.leaf WHERE t.kind = 1 AND t.text GLOB '*audit.chain' AND e.own = 1",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let sealed = row.get_ref(1)?.as_str()?.as_bytes();
        let Ok(line) = reader.read(sealed) else { continue };
        if line.hash() != row.get::<_, EnvelopeHash>(2)? {
            continue;
        }
        let ranges = line.retention();
        for (streamid, from, to) in ranges.unwrap_or_default() {
            allowed.entry(streamid).or_default().push((from, to, unsql(row.get(0)?)));
        }
    }
    Ok(allowed)
}
