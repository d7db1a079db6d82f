//! The journal: what survives a crash, and how (docs/spec/journal.md).
//!
//! # Guarantees
//!
//! - What [`Journal::sync`] covered is there after `kill -9` and after power loss, byte for byte, in order.
//! - Nothing is ever read back that was not appended: every record is checksummed under a salt of its
//!   segment, so neither stale bytes nor bytes inside an envelope can pass for a record.
//! - One owner: a [`Journal`] is a sub-journal of its own inside the directory, held by a lock that ends
//!   with the process. What a dead process left is handed to the next one of the same lane and the same
//!   kind of sink, as [`Adopted`], and is deleted only once all of it is acknowledged.
//! - Nothing counts as on disk before the files of the sub-journal were compared with their paths: a file that somebody
//!   else removed, replaced or cut is a failure like a failed sync.
//! - A failed write or sync is final: nothing is written to that sub-journal again. A full disk or budget
//!   is not a failure: the append is refused whole, and can be tried again.
//! - Damage is never deleted and never hides what lies behind it: see [`Damage`].
//! - A forked child that holds its parent's journal is refused everything.
//!
//! # How
//!
//! ```text
//! DIR/                            0700
//!   sinkwell-journal              "sinkwell-journal 1\n": whose directory this is, and which layout
//!   LANE.UUID/                    one sub-journal: one lane of one process
//!     owner                       JSON: lane, sink, pid; locked (flock) while the process lives
//!     cursor                      the last acknowledged position, in two slots (see `cursor`)
//!     0000000001.log              segments, oldest first (see `segment`, `record`)
//!     0000000002.log
//!     spare.0000000003            an acknowledged segment, waiting to be used again
//!   damaged/                      segments in which something could not be read, kept for inspection
//! ```
//!
//! A segment is allocated, and its next stretch overwritten with zeros, before records go there: a sync
//! then has only the record's own pages to write, no file size and no extents. Read [`record`] for the
//! bytes, [`segment`] for writing them, [`scan`] and [`survey`] for reading them back, [`store`] and
//! [`room`] for the owner's side, [`adopt`] for the heir's.

mod adopt;
mod cursor;
mod dir;
mod heads;
mod inspect;
mod io;
mod read;
mod record;
mod room;
mod scan;
mod schedule;
mod segment;
mod store;
mod survey;

#[cfg(test)]
mod tests;

pub use adopt::Adopted;
pub use dir::Identity;
pub use heads::Head;
pub use inspect::{Overview, Removed, SubJournal, list, remove_acknowledged};
pub use read::Records;
pub use record::{Position, Record, Stored};
pub use schedule::SyncSchedule;
pub use store::{AppendError, Journal, Usage};
pub use survey::{Damage, DamageKind, LostRange};
