//! Sets of sequence numbers, kept as ranges.

use std::collections::BTreeMap;

/// An inclusive range of sequence numbers.
pub(super) type Range = (u64, u64);

/// How many numbers a range has.
pub(super) fn len((from, to): Range) -> u64 {
    (to - from).saturating_add(1)
}

/// The parts of `range` that none of the ranges `there`, which come in order, holds.
pub(super) fn missing_of((from, to): Range, there: impl Iterator<Item = Range>) -> Vec<Range> {
    let mut out = Vec::new();
    let mut next = from;
    for (start, end) in there {
        if end < next {
            continue;
        }
        if start > next {
            out.push((next, start - 1));
        }
        next = end.saturating_add(1);
    }
    if next <= to {
        out.push((next, to));
    }
    out
}

/// A set of sequence numbers: inclusive ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `from..=to`.
    pub(super) fn insert(&mut self, mut from: u64, mut to: u64) {
        if let Some((&start, &end)) = self.0.range(..=from).next_back()
            && end.saturating_add(1) >= from
        {
            if end >= to {
                return;
            }
            from = start;
        }
        while let Some((&start, &end)) = self.0.range(from..=to.saturating_add(1)).next() {
            self.0.remove(&start);
            to = to.max(end);
        }
        self.0.insert(from, to);
    }

    /// Removes one number.
    pub(super) fn remove(&mut self, n: u64) {
        let Some((&start, &end)) = self.0.range(..=n).next_back() else { return };
        if end < n {
            return;
        }
        self.0.remove(&start);
        if start < n {
            self.0.insert(start, n - 1);
        }
        if n < end {
            self.0.insert(n + 1, end);
        }
    }

    /// Whether `n` is in the set.
    pub(super) fn contains(&self, n: u64) -> bool {
        self.0.range(..=n).next_back().is_some_and(|(_, &end)| end >= n)
    }

    /// The parts of `range` that are not in the set.
    pub(super) fn missing_of(&self, (from, to): Range) -> Vec<Range> {
        let before = self.0.range(..from).next_back();
        let there = before.into_iter().chain(self.0.range(from..=to));
        missing_of((from, to), there.map(|(&start, &end)| (start, end)))
    }

    /// The parts of `ranges` that are not in the set.
    pub(super) fn missing_of_all(&self, ranges: &[Range]) -> Vec<Range> {
        ranges.iter().flat_map(|&range| self.missing_of(range)).collect()
    }

    /// The ranges, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range> {
        self.0.iter().map(|(&from, &to)| (from, to))
    }

    /// The highest number.
    pub(super) fn last(&self) -> Option<u64> {
        self.0.last_key_value().map(|(_, &to)| to)
    }

    /// How many numbers the set has.
    pub(super) fn count(&self) -> u64 {
        self.iter().fold(0, |n, range| n.saturating_add(len(range)))
    }
}
