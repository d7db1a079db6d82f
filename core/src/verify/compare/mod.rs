//! Compares what two sinks of one emitter hold, event by event: whether they were told the same.
//!
//! Guarantees: an event is the same on both sides if its digest is, wherever in whatever stream each side has it;
//! lanes that may see different content differ only in what content lets them differ in, and that is a note. Only what
//! a good signature covers takes part. An event on one side alone is a finding unless something explains it: a loss
//! that the other side declares for that agent, a part that the other side's files do not cover, or the count of what
//! its lane filtered. Beside the verifier's memory at most 32 bytes per event of either side, and a bounded amount for
//! what is reported. The report names members that differ, and never shows their values.
//!
//! How: both sides are verified as `verify` does. Then each is read three more times ([`side`]): to collect ids and
//! digests as sorted lists; to find the first and the last common event of each stream; and to write the report.
//! [`members`] finds the members that differ.

mod members;
mod report;
mod side;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub use report::{Comparison, Counts, Difference, DifferenceKind, Only, Pair, Spot};

use self::side::{Entry, Held, Scope, Seen, Side};
use super::options::{Options, TrustedKey};
use super::short::Short;
use crate::error::{Error, Result};

/// How to compare. The default has no key, so that nothing can be better than `unchecked`.
#[derive(Clone, Debug, Default)]
pub struct CompareOptions {
    /// Whom to trust.
    pub keys: Vec<TrustedKey>,
    /// Compare each lane of one side with each lane of the other, instead of all with all.
    pub by_lane: bool,
    /// Notes and declared losses count as findings for the exit status.
    pub strict: bool,
    /// Both sides are parts of what was written, as files of a rotated set are.
    pub partial: bool,
}

/// Most lanes of a side that are compared one by one.
const MOST_LANES: usize = 16;

/// Compares what is at two paths: a file, an audit database, or a directory of files, as for
/// [`Verifier::read_path`](super::Verifier::read_path). `progress` hears every so often how many bytes were read.
///
/// # Errors
/// Kind `verification`: one cannot be read, can be read only once, or holds no envelope. Kind `invalid_argument`: too
/// many lanes or keys.
pub fn compare(
    a: &Path,
    b: &Path,
    options: &CompareOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Comparison> {
    let verifying = || Options {
        keys: options.keys.clone(),
        strict: options.strict,
        partial: options.partial,
        ..Options::default()
    };
    let mut read = 0;
    let mut progress = |bytes: u64| {
        read += bytes;
        progress(read);
    };
    let a = Side::verify(a, verifying(), &mut progress)?;
    let b = Side::verify(b, verifying(), &mut progress)?;
    let mut pairs = Vec::new();
    if options.by_lane {
        let (of_a, of_b) = (lanes(&a)?, lanes(&b)?);
        for &here in &of_a {
            for &there in &of_b {
                pairs.push(pair((&a, Some(here)), (&b, Some(there)), &mut progress)?);
            }
        }
    } else {
        pairs.push(pair((&a, None), (&b, None), &mut progress)?);
    }
    Ok(Comparison::new(a.report, b.report, pairs, options.strict))
}

fn lanes(side: &Side) -> Result<Vec<Option<u32>>> {
    let lanes = side.lanes();
    if lanes.len() > MOST_LANES {
        let what = format!(
            "{} lanes in one input, of which at most {MOST_LANES} are compared one by one; name files of fewer",
            lanes.len()
        );
        return Err(Error::invalid_argument(what).at(side.name()));
    }
    Ok(lanes)
}

/// Which sides have an event, and whether in the same form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// On both sides, in the same form; the other side may have only its stub.
    Same,
    /// On both sides, and one has a form of it that the other has not.
    Differs,
    /// On this side alone.
    Only,
}

/// The lowest and the highest event of a stream that the other side has as well, and the streams of the other side
/// that hold them.
#[derive(Clone, Copy, Debug)]
struct Common {
    first: (u64, Entry),
    last: (u64, Entry),
    before: Option<usize>,
    behind: Option<usize>,
}

/// By stream.
type Commons = BTreeMap<usize, Common>;

fn pair((a, in_a): (&Side, Scope), (b, in_b): (&Side, Scope), progress: &mut dyn FnMut(u64)) -> Result<Pair> {
    let short = Short::default();
    let held_a = a.collect(in_a, &short, progress)?;
    let held_b = b.collect(in_b, &short, progress)?;
    let mut pair = Pair::new(a.lane_name(in_a), b.lane_name(in_b));
    let differing = judge(&held_a, &held_b, &mut pair);
    let standing = |entry: Entry, other: &Held| {
        if differing.binary_search(&entry.0).is_ok() {
            Standing::Differs
        } else if other.has_id(entry.0) || other.has_stub(entry.1) {
            Standing::Same
        } else {
            Standing::Only
        }
    };

    // Second reading: the common events of each stream, and which differences are more than lanes may have.
    let mut commons_a = Commons::new();
    let mut core_a: Vec<Entry> = Vec::new();
    a.each(in_a, progress, &mut |seen| {
        let Seen::Event(event) = seen else { return };
        let entry = event.entry(&short);
        let found = standing(entry, &held_b);
        meet(&mut commons_a, found, event.stream, event.envelope.sequence, entry);
        if found == Standing::Differs {
            side::push(&mut core_a, (entry.0, members::core(event.envelope, &short)));
        }
    })?;
    let mut commons_b = Commons::new();
    let mut core_b: Vec<Entry> = Vec::new();
    let mut places = Places::of(&commons_a);
    b.each(in_b, progress, &mut |seen| match seen {
        Seen::Event(event) => {
            let entry = event.entry(&short);
            let found = standing(entry, &held_a);
            meet(&mut commons_b, found, event.stream, event.envelope.sequence, entry);
            places.event(entry, event.stream);
            if found == Standing::Differs {
                side::push(&mut core_b, (entry.0, members::core(event.envelope, &short)));
            }
        }
        Seen::Stub { digest, stream } => places.stub(short.of(&digest), stream),
        Seen::Own { .. } => {}
    })?;
    places.give(&mut commons_a);
    for list in [&mut core_a, &mut core_b] {
        list.sort_unstable();
        list.dedup();
    }
    for &id in &differing {
        let by_view = side::of_id(&core_a, id) == side::of_id(&core_b, id);
        if by_view {
            pair.counts.view_differs += 1;
        } else {
            pair.counts.differs += 1;
        }
    }

    // Third reading: the report.
    let mut places = Places::of(&commons_b);
    let mut keeper = members::Keeper::default();
    let mut explain = Explain::new((b, in_b), &held_b);
    a.each(in_a, progress, &mut |seen| match seen {
        Seen::Event(event) => {
            let entry = event.entry(&short);
            places.event(entry, event.stream);
            match standing(entry, &held_b) {
                Standing::Same => {}
                Standing::Differs => {
                    let by_view = side::of_id(&core_a, entry.0) == side::of_id(&core_b, entry.0);
                    if !held_b.entries.binary_search(&entry).is_ok_and(|_| held_a.has_another(entry)) {
                        keeper.keep(entry.0, by_view, &event);
                    }
                }
                Standing::Only => {
                    let (kind, note) = explain.of(&event, commons_a.get(&event.stream));
                    pair.only(true, kind, &event, note);
                }
            }
        }
        Seen::Stub { digest, stream } => places.stub(short.of(&digest), stream),
        Seen::Own { .. } => {}
    })?;
    places.give(&mut commons_b);
    let mut explain = Explain::new((a, in_a), &held_a);
    b.each(in_b, progress, &mut |seen| {
        let Seen::Event(event) = seen else { return };
        let entry = event.entry(&short);
        match standing(entry, &held_a) {
            Standing::Same => {}
            Standing::Differs => {
                if !held_a.entries.binary_search(&entry).is_ok_and(|_| held_b.has_another(entry)) {
                    keeper.meet(entry.0, &event, &mut pair);
                }
            }
            Standing::Only => {
                let (kind, note) = explain.of(&event, commons_b.get(&event.stream));
                pair.only(false, kind, &event, note);
            }
        }
    })?;
    pair.finish(held_a.entries.is_empty() && held_b.entries.is_empty());
    Ok(pair)
}

/// Counts the events that are the same; returns the ids of events of which one side has a form that the other lacks.
fn judge(a: &Held, b: &Held, pair: &mut Pair) -> Vec<u64> {
    let mut differing = Vec::new();
    let (mut left, mut right) = (a.entries.as_slice(), b.entries.as_slice());
    while let Some(&(id, _)) = left.first() {
        let here = side::take_id(&mut left, id);
        while right.first().is_some_and(|&(other, _)| other < id) {
            let other = right[0].0;
            for entry in side::take_id(&mut right, other) {
                pair.counts.same += u64::from(a.has_stub(entry.1));
            }
        }
        let there = side::take_id(&mut right, id);
        if there.is_empty() {
            pair.counts.same += here.iter().filter(|entry| b.has_stub(entry.1)).count() as u64;
            continue;
        }
        let missing = |these: &[Entry], those: &[Entry], other: &Held| {
            these.iter().any(|entry| those.binary_search(entry).is_err() && !other.has_stub(entry.1))
        };
        if missing(here, there, b) || missing(there, here, a) {
            side::push(&mut differing, id);
        } else {
            pair.counts.same += 1;
        }
    }
    for entry in right {
        pair.counts.same += u64::from(a.has_stub(entry.1));
    }
    differing
}

/// Notes that both sides have an event of `stream`.
fn meet(commons: &mut Commons, found: Standing, stream: usize, sequence: u64, entry: Entry) {
    if found == Standing::Only {
        return;
    }
    let at = (sequence, entry);
    let common = commons.entry(stream).or_insert(Common { first: at, last: at, before: None, behind: None });
    if sequence < common.first.0 {
        common.first = at;
    }
    if sequence > common.last.0 {
        common.last = at;
    }
}

/// Finds the streams of the other side that hold the first and the last common event of each stream.
struct Places {
    /// The other side's stream, by the event's id.
    ids: HashMap<u64, Option<usize>>,
    digests: HashMap<u64, Option<usize>>,
}

impl Places {
    fn of(commons: &Commons) -> Self {
        let ends = || commons.values().flat_map(|common| [common.first.1, common.last.1]);
        Self {
            ids: ends().map(|(id, _)| (id, None)).collect(),
            digests: ends().map(|(_, digest)| (digest, None)).collect(),
        }
    }

    fn event(&mut self, entry: Entry, stream: usize) {
        if let Some(at) = self.ids.get_mut(&entry.0) {
            at.get_or_insert(stream);
        }
    }

    fn stub(&mut self, digest: u64, stream: usize) {
        if let Some(at) = self.digests.get_mut(&digest) {
            at.get_or_insert(stream);
        }
    }

    fn give(self, commons: &mut Commons) {
        let of = |(id, digest): Entry| {
            self.ids.get(&id).copied().flatten().or_else(|| self.digests.get(&digest).copied().flatten())
        };
        for common in commons.values_mut() {
            common.before = of(common.first.1);
            common.behind = of(common.last.1);
        }
    }
}

/// Says why an event is not on the other side.
struct Explain<'a> {
    other: &'a Side,
    held: &'a Held,
    /// How many declared losses of the other side explain no event so far, by agent.
    lost: HashMap<Box<str>, u64>,
    filtered: u64,
}

impl<'a> Explain<'a> {
    fn new((other, scope): (&'a Side, Scope), held: &'a Held) -> Self {
        Self {
            other,
            held,
            lost: other.lost(scope),
            filtered: held.filtered.values().copied().fold(0, u64::saturating_add),
        }
    }

    fn of(&mut self, event: &side::Event<'_, '_>, common: Option<&Common>) -> (Only, &'static str) {
        let envelope = event.envelope;
        let stream = |at: Option<usize>| at.and_then(|at| self.other.stream(at));
        let (covers, apart) = match common {
            Some(common) if envelope.sequence < common.first.0 => (
                stream(common.before).is_none_or(|stream| stream.begins),
                "it stands before what the other side has of this stream, whose beginning is not there",
            ),
            Some(common) if envelope.sequence > common.last.0 => (
                stream(common.behind).is_none_or(|stream| stream.closed),
                "it stands behind what the other side has of this stream, which nobody closed there",
            ),
            Some(_) => (true, ""),
            None => (
                self.held.reaches(&envelope.time) || self.held.reaches(&envelope.recordedtime),
                "the other side has nothing of this stream, and nothing of that time",
            ),
        };
        if !covers {
            return (Only::NotCovered, apart);
        }
        if let Some(lost) = self.lost.get_mut(&*envelope.agentid).filter(|lost| **lost > 0) {
            *lost -= 1;
            return (Only::DeclaredLoss, "the other side declares that many events of this agent lost");
        }
        if self.filtered > 0 {
            self.filtered -= 1;
            return (Only::PerhapsFiltered, "the other side's lane counts that many events that it filtered");
        }
        (Only::Unexplained, "nothing on the other side accounts for it")
    }
}
