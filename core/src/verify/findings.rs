//! Collects findings in bounded memory.

use std::borrow::Cow;

use super::place::{Place, Sources};
use super::report::{Finding, FindingKind, Verdict, Weight};

/// How many findings of one kind are kept one by one, per stream; the rest are counted.
const KEPT: usize = 1000;

/// A finding whose place is not yet text.
#[derive(Debug)]
struct Entry {
    kind: FindingKind,
    weight: Weight,
    range: Option<(u64, u64)>,
    place: Option<Place>,
    note: Cow<'static, str>,
    /// How many more of this kind there are.
    more: u64,
}

/// The findings of one stream, or those of none.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Entry>);

impl Findings {
    /// Adds a finding that bears on the verdict as its kind does.
    pub(super) fn add(
        &mut self,
        kind: FindingKind,
        range: Option<(u64, u64)>,
        place: Option<Place>,
        note: impl Into<Cow<'static, str>>,
    ) {
        self.add_as(kind.weight(), kind, range, place, note);
    }

    /// Adds a finding about one envelope.
    pub(super) fn at(
        &mut self,
        kind: FindingKind,
        sequence: u64,
        place: Place,
        note: impl Into<Cow<'static, str>>,
    ) {
        self.add(kind, Some((sequence, sequence)), Some(place), note);
    }

    /// Adds a finding whose weight is not that of its kind.
    pub(super) fn add_as(
        &mut self,
        weight: Weight,
        kind: FindingKind,
        range: Option<(u64, u64)>,
        place: Option<Place>,
        note: impl Into<Cow<'static, str>>,
    ) {
        let note = note.into();
        // In a stream without signatures, or signed by a key that was not given, neighbours become one finding.
        if matches!(kind, FindingKind::Unsigned | FindingKind::UnknownKey)
            && let (Some(last), Some((from, to))) = (self.0.last_mut(), range)
            && last.kind == kind
            && last.note == note
            && let Some((_, end)) = &mut last.range
            && *end + 1 == from
        {
            *end = to;
            return;
        }
        if self.0.len() >= KEPT {
            let same = self.0.iter().filter(|found| found.kind == kind).count();
            if same >= KEPT
                && let Some(last) = self.0.iter_mut().rev().find(|found| found.kind == kind)
            {
                last.more += 1;
                return;
            }
        }
        self.0.push(Entry { kind, weight, range, place, note, more: 0 });
    }

    /// Extends the finding about `sequence` back to `from`: the envelopes from there on have no signature of their own,
    /// and would have been covered through that one. Returns whether there is such a finding.
    pub(super) fn reach_back(&mut self, sequence: u64, from: u64, place: Option<Place>) -> bool {
        let wrong = [
            FindingKind::Altered,
            FindingKind::UnknownKey,
            FindingKind::RetiredKey,
            FindingKind::UnknownSchema,
            FindingKind::Malformed,
        ];
        let found = self.0.iter_mut().rev().find(|found| {
            wrong.contains(&found.kind) && found.range.is_some_and(|(first, _)| first == sequence)
        });
        let Some(found) = found else { return false };
        found.range = found.range.map(|(_, to)| (from, to));
        found.place = place.or(found.place);
        true
    }

    /// `verdict`, or the worse one that the findings make of it.
    pub(super) fn judge(&self, verdict: Verdict, strict: bool) -> Verdict {
        self.0.iter().fold(verdict, |worst, found| {
            worst.max(match found.weight {
                Weight::Finding => Verdict::Findings,
                Weight::Incomplete => Verdict::Incomplete,
                Weight::Note if strict => Verdict::Findings,
                Weight::Note => Verdict::Sound,
            })
        })
    }

    /// The findings for the report, in the order of sequences.
    pub(super) fn finish(mut self, sources: &Sources) -> Vec<Finding> {
        self.0.sort_by_key(|found| found.range.map_or(u64::MAX, |(from, _)| from));
        self.0.dedup_by(|next, last| {
            let all = [FindingKind::Unsigned, FindingKind::UnknownKey];
            let (Some((from, to)), Some((_, end))) = (next.range, &mut last.range) else { return false };
            let one = all.contains(&next.kind) && next.kind == last.kind && next.note == last.note;
            let joined = one && *end + 1 == from;
            if joined {
                *end = to;
            }
            joined
        });
        self.0
            .into_iter()
            .map(|found| Finding {
                kind: found.kind,
                from: found.range.map(|(from, _)| from),
                to: found.range.map(|(_, to)| to),
                place: found.place.map(|place| sources.show(place)),
                more: found.more,
                note: match found.more {
                    0 => found.note.into_owned(),
                    more => format!("{}; and {more} more of this kind", found.note),
                },
            })
            .collect()
    }
}
