//! The audit chain: the audit log as one more consumer of the event stream.
//!
//! Guarantees: an acknowledged envelope is on disk (WAL, `synchronous=FULL`) and never changes again; a
//! repeat of the same hash is dropped, another hash at the same place of a stream is kept beside the first
//! as a conflict; only retention removes anything, and only under a sealed envelope that says so, leaving
//! stubs with which every proof still holds. Other tampering is possible, but `verify` finds it, or anybody who kept a
//! tree head.
//!
//! How: one SQLite file. `leaf` has a row for every leaf of an RFC 9162 tree over the envelopes' hashes,
//! `envelope` the sealed bytes and what is looked up in them, `stub` what retention left. Writing is
//! [`AuditSink`] (a lane's [`Sink`](crate::sink::Sink)) and its [`AuditHandle`]; reading is [`AuditDb`].
//! docs/AUDIT.md describes file, tree, proofs and notes for people who read them without sinkwell.

mod call;
mod check;
mod db;
mod decimal;
mod group;
mod line;
pub mod merkle;
mod note;
mod query;
mod retention;
mod schema;
mod settings;
mod sink;
mod upkeep;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

/// Sealed envelopes of one stream, for tests elsewhere.
#[cfg(test)]
pub(crate) fn sealed(n: u64) -> Vec<crate::sink::Envelope> {
    tests::Sealer::new(1).some(n)
}

pub use call::{call, head, moment};
pub use check::{AuditFinding, AuditFindingKind, AuditReport, VerifyOptions};
pub use db::{AuditDb, ConsistencyProof, InclusionProof, Locator};
pub use group::{Group, Grouping, Groups, Member, Total};
pub use note::{Note, TreeHead, verifier_key};
pub use query::{Filter, Found};
pub use retention::Retained;
pub(super) use settings::KIND;
pub use settings::{AuditConfig, AuditRetention};
pub use sink::{AuditHandle, AuditSink};
pub use writer::AuditOptions;

use crate::error::{Error, ErrorKind};
use crate::json::Value;
pub use crate::sink::ErasedRange;

/// Reads a decimal number without sign or leading zero, as tree heads write sizes.
fn parse_count(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// A count as a JSON number; SQLite's row numbers bound it to 63 bits, and no log gets near 2^53.
fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A sequence as the wire writes it.
fn sequence(n: u64) -> String {
    format!("{n:020}")
}

/// A count as SQLite keeps it.
fn sql(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A count as SQLite kept it.
fn unsql(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// An error of SQLite while reading. Its text names pages, tables and files, never a value.
fn unreadable(e: &rusqlite::Error) -> Error {
    Error::verification(format!("the audit database cannot be read: {e}"))
}

fn bad_argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
