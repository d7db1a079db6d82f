//! Reading a segment back, whatever has happened to it.
//!
//! Guarantees: every whole record of the segment is found, in order, even behind damage; bytes between two records that
//! are no record are reported as a hole; the log ends behind the last record.
//!
//! A hole before a later record is damage. Bytes behind the last record cannot be told from bytes that were never
//! written, with one exception: a record with a whole header and a payload that is not whole is a torn tail. It was
//! never synced, as then its payload would be whole, or a later record would follow.

use super::record::{Absent, FoundRecord, Salt, decode};
use super::segment::DATA;

/// One thing found in a segment.
pub(super) enum Step<'a> {
    /// A whole record.
    Record(FoundRecord<'a>),
    /// Bytes before a record that are no record: from, to.
    Hole(usize, usize),
    /// The end: from here on no record is whole. `torn`: one was begun.
    End { at: usize, torn: bool },
}

/// Walks a segment's bytes.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    salt: Salt,
    at: usize,
    /// Whether the bytes behind the records were zero when the records were written.
    zeroed: bool,
    done: bool,
}

impl<'a> Scan<'a> {
    /// Walks `bytes`, the whole file.
    pub(super) fn new(bytes: &'a [u8], salt: Salt, reused: bool) -> Self {
        Self { bytes, salt, at: DATA, zeroed: !reused, done: false }
    }

    /// The next place, at or after `from`, where a whole record begins; and whether a torn one was passed.
    fn resync(&self, mut from: usize) -> (Option<usize>, bool) {
        let mut torn = false;
        while from + 8 <= self.bytes.len() {
            // Zeros are no header, and most of what an unfinished segment holds.
            if self.bytes[from..from + 8] != [0; 8] {
                match decode(&self.bytes[from..], self.salt) {
                    Ok(_) => return (Some(from), torn),
                    Err(Absent::Torn) => torn = true,
                    Err(Absent::Nothing) => {}
                }
            }
            from += 8;
        }
        (None, torn)
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if self.done {
            return None;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Ok(found) = decode(rest, self.salt) {
            self.at += found.size;
            return Some(Step::Record(found));
        }
        let (next, torn) = self.resync(self.at);
        // The padding of the last record may be cut off.
        let from = self.at.min(self.bytes.len());
        if let Some(next) = next {
            self.at = next;
            return Some(Step::Hole(from, next));
        }
        self.done = true;
        let begun = self.zeroed && rest.iter().take(8).any(|&b| b != 0);
        Some(Step::End { at: from, torn: torn || begun })
    }
}
