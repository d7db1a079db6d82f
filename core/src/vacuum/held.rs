//! Lines that come in parts.
//!
//! Guarantees: while a line waits for its end, what follows it waits behind it, so that order stays; never more than a
//! bound: then all that waits goes through as it is, and the rest of such a line after it. Parts are joined within one
//! stream, never across streams.

use super::wrap::{About, Stream};
use std::ops::Range;

/// A line that waits for its end.
pub(super) struct Join {
    pub(super) stream: Stream,
    pub(super) text: Vec<u8>,
    pub(super) about: About,
    /// The number of its first part.
    pub(super) index: u64,
    /// It went through: what comes of it goes through, too.
    pub(super) given_up: bool,
    /// It was flagged when it was given up.
    pub(super) counted: bool,
}

impl Join {
    pub(super) fn new(stream: Stream, text: Vec<u8>, about: About, index: u64) -> Self {
        Self { stream, text, about, index, given_up: false, counted: false }
    }
}

/// A line that stands behind one that waits: where it lies, and of which stream's join it is a part.
struct Waiting {
    at: Range<usize>,
    part_of: Option<Stream>,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Held {
    raw: Vec<u8>,
    lines: Vec<Waiting>,
    joins: Vec<Join>,
}

impl Held {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a line has begun that has not ended, also one that was given up.
    pub(super) fn has_begun(&self) -> bool {
        !self.joins.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.raw.len() + self.joins.iter().map(|join| join.text.len()).sum::<usize>()
    }

    pub(super) fn join(&mut self, stream: Stream) -> Option<&mut Join> {
        self.joins.iter_mut().find(|join| join.stream == stream)
    }

    pub(super) fn begin(&mut self, join: Join) {
        self.joins.push(join);
    }

    pub(super) fn end(&mut self, stream: Stream) -> Option<Join> {
        let at = self.joins.iter().position(|join| join.stream == stream)?;
        Some(self.joins.swap_remove(at))
    }

    /// Any line that waits for its end, the one that began first before the others.
    pub(super) fn first(&self) -> Option<Stream> {
        self.joins.iter().min_by_key(|join| join.index).map(|join| join.stream)
    }

    pub(super) fn wait(&mut self, line: &[u8], part_of: Option<Stream>) {
        let from = self.raw.len();
        self.raw.extend_from_slice(line);
        self.lines.push(Waiting { at: from..self.raw.len(), part_of });
    }

    /// The parts of a join that became an event go; or they are lines as others now.
    pub(super) fn settle(&mut self, stream: Stream, taken: bool) {
        if taken {
            self.lines.retain(|line| line.part_of != Some(stream));
        } else {
            let parts = self.lines.iter_mut().filter(|line| line.part_of == Some(stream));
            parts.for_each(|line| line.part_of = None);
        }
    }

    /// Gives up every line that waits for its end; calls `each` for those that have not been before.
    pub(super) fn give_up(&mut self, mut each: impl FnMut(&mut Join)) {
        for join in self.joins.iter_mut().filter(|join| !join.given_up) {
            each(join);
            join.given_up = true;
            join.text = Vec::new();
        }
    }

    /// What waits, if it waits for nothing any more: its bytes, and how many lines they are.
    pub(super) fn release(&mut self) -> Option<(Vec<u8>, u64)> {
        if self.lines.is_empty() || self.joins.iter().any(|join| !join.given_up) {
            return None;
        }
        let lines = std::mem::take(&mut self.lines);
        let raw = std::mem::take(&mut self.raw);
        let mut out = Vec::with_capacity(raw.len());
        for line in &lines {
            // The last line of a part of the stream may have had no end.
            if out.last().is_some_and(|last| *last != b'\n') {
                out.push(b'\n');
            }
            out.extend_from_slice(&raw[line.at.clone()]);
        }
        Some((out, lines.len() as u64))
    }
}
