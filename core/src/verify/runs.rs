//! The chain of one stream, as far as it is known: runs of consecutive envelopes.
//!
//! Guarantees: 8 bytes per envelope (its hash, cut to 64 bits) and never more than an eighth on top, plus a
//! fixed amount per run; an envelope in order costs O(1), in any order O(log n) amortized. Every link between two
//! neighbours is checked exactly once, when the later of the two arrives.

use std::collections::{BTreeMap, VecDeque};

use super::place::Place;
use super::ranges::Range;

/// Consecutive envelopes; the key in the map is the sequence of the first.
#[derive(Debug)]
struct Run {
    hashes: VecDeque<u64>,
    /// The first one's `prevhash`, if it has one.
    prev: Option<u64>,
    /// Where the first one is.
    place: Place,
}

/// What came of adding an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is new; `broken` lists those whose `prevhash` is not the hash of the one before them.
    New { broken: Vec<(u64, Place)> },
    /// Its number is taken by the same envelope.
    Same,
    /// Its number is taken by another one.
    Other,
}

/// A hole between runs, or before the first.
#[derive(Debug)]
pub(super) struct Hole {
    pub(super) range: Range,
    /// Whether the envelope after the hole follows, by its `prevhash`, the one before it.
    pub(super) unbroken: bool,
    /// The envelope after the hole.
    pub(super) place: Place,
}

/// The runs of one stream.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: BTreeMap<u64, Run>,
    /// Hashes that lost the contest for their number: a link to one of them is not broken.
    others: Vec<(u64, u64)>,
}

/// Makes room for `more`, by an eighth at least, so that growing stays linear in total.
fn reserve(hashes: &mut VecDeque<u64>, more: usize) {
    if hashes.capacity() - hashes.len() < more {
        hashes.reserve_exact(more.max(hashes.len() / 8 + 4));
    }
}

fn push(hashes: &mut VecDeque<u64>, front: bool, hash: u64) {
    reserve(hashes, 1);
    if front { hashes.push_front(hash) } else { hashes.push_back(hash) }
}

impl Runs {
    /// The run that holds `sequence`, and the place in it.
    fn find(&self, sequence: u64) -> Option<(&Run, usize)> {
        let (start, run) = self.runs.range(..=sequence).next_back()?;
        let at = usize::try_from(sequence - start).ok()?;
        (at < run.hashes.len()).then_some((run, at))
    }

    /// The hash at `sequence`.
    pub(super) fn get(&self, sequence: u64) -> Option<u64> {
        self.find(sequence).map(|(run, at)| run.hashes[at])
    }

    /// Whether an envelope with this hash was seen at `sequence`.
    pub(super) fn holds(&self, sequence: u64, hash: u64) -> bool {
        self.get(sequence) == Some(hash) || self.others.contains(&(sequence, hash))
    }

    /// Remembers that another envelope claimed `sequence`.
    fn contest(&mut self, sequence: u64, hash: u64) {
        if self.others.len() < 1024 {
            self.others.push((sequence, hash));
        }
    }

    /// Whether `prev` is the hash of an envelope at `sequence`.
    fn linked(&self, sequence: u64, hash: u64, prev: Option<u64>) -> bool {
        prev == Some(hash) || prev.is_some_and(|prev| self.others.contains(&(sequence, prev)))
    }

    /// Puts `hash` at a number that is taken: a good envelope in the place of what was only claimed.
    pub(super) fn replace(&mut self, sequence: u64, hash: u64) {
        if let Some((start, run)) = self.runs.range_mut(..=sequence).next_back()
            && let Ok(at) = usize::try_from(sequence - start)
            && let Some(slot) = run.hashes.get_mut(at)
        {
            *slot = hash;
        }
    }

    /// Adds an envelope.
    pub(super) fn add(&mut self, sequence: u64, hash: u64, prev: Option<u64>, place: Place) -> Added {
        let mut broken = Vec::new();
        let left = self.runs.range(..=sequence).next_back().map(|(&start, run)| (start, run.hashes.len()));
        let mut left_start = None;
        if let Some((start, length)) = left {
            let offset = sequence - start;
            if offset < length as u64 {
                let taken = self.get(sequence);
                if taken == Some(hash) {
                    return Added::Same;
                }
                self.contest(sequence, hash);
                return Added::Other;
            }
            if offset == length as u64 {
                left_start = Some(start);
            }
        }
        let right = sequence.checked_add(1).and_then(|next| self.runs.remove(&next));
        if let Some(run) = &right
            && !self.linked(sequence, hash, run.prev)
        {
            broken.push((sequence + 1, run.place));
        }
        let joined = left_start.and_then(|start| {
            let last = self.runs.get(&start)?.hashes.back().copied()?;
            if !self.linked(sequence - 1, last, prev) {
                broken.push((sequence, place));
            }
            self.runs.get_mut(&start)
        });
        match (joined, right) {
            (Some(left), None) => push(&mut left.hashes, false, hash),
            (Some(left), Some(mut right)) => {
                push(&mut left.hashes, false, hash);
                // The shorter is moved, so that joining costs O(log n) per envelope.
                if left.hashes.len() >= right.hashes.len() {
                    reserve(&mut left.hashes, right.hashes.len());
                    left.hashes.append(&mut right.hashes);
                } else {
                    reserve(&mut right.hashes, left.hashes.len());
                    while let Some(hash) = left.hashes.pop_back() {
                        right.hashes.push_front(hash);
                    }
                    left.hashes = right.hashes;
                }
            }
            (None, Some(mut right)) => {
                push(&mut right.hashes, true, hash);
                right.prev = prev;
                right.place = place;
                self.runs.insert(sequence, right);
            }
            (None, None) => {
                let mut hashes = VecDeque::new();
                push(&mut hashes, false, hash);
                self.runs.insert(sequence, Run { hashes, prev, place });
            }
        }
        Added::New { broken }
    }

    /// The lowest number, its `prevhash` and its place.
    pub(super) fn first(&self) -> Option<(u64, Option<u64>, Place)> {
        self.runs.first_key_value().map(|(&start, run)| (start, run.prev, run.place))
    }

    /// The highest number.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(&start, run)| start + (run.hashes.len() as u64 - 1))
    }

    /// What the hashes take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.runs.values().map(|run| run.hashes.capacity() * size_of::<u64>()).sum()
    }

    /// The holes between the runs, in order.
    pub(super) fn holes(&self) -> impl Iterator<Item = Hole> {
        self.runs.iter().zip(self.runs.iter().skip(1)).map(|((&start, left), (&next, right))| {
            let end = start + (left.hashes.len() as u64 - 1);
            let unbroken = left.hashes.back().is_some_and(|&last| self.linked(end, last, right.prev));
            Hole { range: (end + 1, next - 1), unbroken, place: right.place }
        })
    }

    /// Runs that say of themselves that they begin the stream, though others come before them.
    pub(super) fn false_starts(&self) -> impl Iterator<Item = (u64, Place)> {
        self.runs.iter().skip(1).filter(|(_, run)| run.prev.is_none()).map(|(&start, run)| (start, run.place))
    }

    /// What of `range` is in no run.
    pub(super) fn missing_of(&self, (from, to): Range) -> Vec<Range> {
        let mut out = Vec::new();
        let mut next = from;
        let before = self.runs.range(..from).next_back();
        for (&start, run) in before.into_iter().chain(self.runs.range(from..=to)) {
            let end = start + (run.hashes.len() as u64 - 1);
            if end < next {
                continue;
            }
            if start > next {
                out.push((next, start - 1));
            }
            next = end + 1;
        }
        if next <= to {
            out.push((next, to));
        }
        out
    }
}
