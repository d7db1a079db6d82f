//! The chain of one stream, as far as it is known: runs of consecutive envelopes, and which of them a good
//! signature covers.
//!
//! Guarantees: 12 bytes per envelope (a hash kept short, under a fresh key, and its marks) and never more than an
//! eighth on top, plus a fixed amount per run; an envelope in order costs O(1), in any order O(log n) amortized. Every
//! link between two neighbours is compared exactly once, when the later of the two arrives. An envelope is covered
//! by its own good signature, or by one that the chain leads back from, over links that were compared and found
//! equal; whatever is not covered conflicts with nothing. What does not fit the chain is kept within [`Budget`].

use std::collections::{BTreeMap, VecDeque};

use smallvec::SmallVec;

use super::place::Place;
use super::ranges::{self, Range};

/// What is known of an envelope, in 32 bits: flags, the key that covers it, its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks(u32);

impl Marks {
    /// Its own signature is good (or no key was given, so that all are taken as they are).
    const GOOD: u32 = 1;
    /// A good signature covers it.
    const COVERED: u32 = 1 << 1;
    /// Its `prevhash` was compared with the hash of the one before it, and is equal.
    const LINKED: u32 = 1 << 2;
    /// Something is wrong with it, and a finding already says so.
    const NOTED: u32 = 1 << 3;
    /// It has no signature of its own.
    const UNSIGNED: u32 = 1 << 4;
    /// Only its stub is there: what retention left of it.
    const STUB: u32 = 1 << 5;

    /// What is known of an envelope of `agent` when it arrives. `key`: its own signature is good, and made by that
    /// key.
    pub(super) fn new(agent: u16, key: Option<u8>) -> Self {
        let own = key.map_or(0, |key| Self::GOOD | Self::COVERED | u32::from(key) << 8);
        Self(u32::from(agent) << 16 | own)
    }

    /// The same marks, for an envelope without a signature.
    pub(super) fn unsigned(self) -> Self {
        Self(self.0 | Self::UNSIGNED)
    }

    /// The same marks, for an envelope that a finding reports as wrong.
    pub(super) fn noted(self) -> Self {
        Self(self.0 | Self::NOTED)
    }

    /// The same marks, for a stub.
    pub(super) fn stub(self) -> Self {
        Self(self.0 | Self::STUB)
    }

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    pub(super) fn is_good(self) -> bool {
        self.has(Self::GOOD)
    }

    pub(super) fn is_covered(self) -> bool {
        self.has(Self::COVERED)
    }

    pub(super) fn is_noted(self) -> bool {
        self.has(Self::NOTED)
    }

    pub(super) fn is_unsigned(self) -> bool {
        self.has(Self::UNSIGNED)
    }

    pub(super) fn is_stub(self) -> bool {
        self.has(Self::STUB)
    }

    pub(super) fn key(self) -> u8 {
        (self.0 >> 8) as u8
    }

    pub(super) fn agent(self) -> u16 {
        (self.0 >> 16) as u16
    }

    fn cover(&mut self, key: u8) {
        if !self.is_covered() {
            self.0 = self.0 & !0xFF00 | Self::COVERED | u32::from(key) << 8;
        }
    }

    fn link(&mut self, equal: bool) {
        self.0 = self.0 & !Self::LINKED | if equal { Self::LINKED } else { 0 };
    }
}

/// An envelope, as the chain takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) hash: u64,
    pub(super) prev: Option<u64>,
    pub(super) marks: Marks,
    pub(super) place: Place,
    /// Where another envelope with the same number was read before, if one was and its place is known.
    pub(super) held: Option<Place>,
}

/// Consecutive envelopes; the key in the map is the sequence of the first.
#[derive(Debug)]
struct Run {
    hashes: VecDeque<u64>,
    marks: VecDeque<Marks>,
    /// The first one's `prevhash`, if it has one.
    prev: Option<u64>,
    /// Where the first one is.
    place: Place,
}

/// Two neighbours whose link was compared and does not hold: the `prevhash` that the later one has instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) prev: Option<u64>,
    pub(super) place: Place,
}

/// The result of adding an envelope to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// No envelope had its number so far.
    New,
    /// The same envelope was there already. `better`: this copy has a good signature, and the earlier copies had none.
    /// `first`: the earlier copies had wrong signatures, so that this copy is the first that counts.
    Same { better: bool, first: bool },
    /// Another envelope has its number. `conflict`: both are good.
    Rival { conflict: bool },
}

/// A hole between runs, or before the first.
#[derive(Debug)]
pub(super) struct Hole {
    pub(super) range: Range,
    /// Whether the envelope after the hole follows, by its `prevhash`, the one before it.
    pub(super) unbroken: bool,
    /// Whether the envelope after the hole says of itself that it begins the stream.
    pub(super) begins: bool,
    /// The envelope after the hole.
    pub(super) place: Place,
}

/// An envelope that a signature has come to cover, by the key that made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covered {
    pub(super) sequence: u64,
    pub(super) hash: u64,
    pub(super) key: u8,
    pub(super) agent: u16,
}

/// The memory that one input may spend on envelopes that do not fit the chain or wait for a signature.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    /// Something was refused for lack of room.
    pub(super) exhausted: bool,
}

impl Budget {
    /// 64 MiB (docs/spec/envelope.md, "Good means covered").
    pub(super) const BYTES: usize = 64 << 20;

    pub(super) fn new() -> Self {
        Self { left: Self::BYTES, exhausted: false }
    }

    /// Takes so many bytes; `false` if fewer are left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            self.exhausted = true;
            return false;
        }
        self.left -= bytes;
        true
    }

    /// Gives back bytes that are no longer used.
    pub(super) fn give(&mut self, bytes: usize) {
        self.left = (self.left + bytes).min(Self::BYTES);
    }
}

/// The memory of a broken link or a rival, maps included.
const KEPT: usize = 96;

/// What [`Chain::settle`] found, by number, each with its place.
pub(super) struct Settled {
    /// A second envelope is covered there.
    pub(super) conflicts: Vec<(u64, Place)>,
    /// Another envelope than before stands there.
    pub(super) moved: Vec<(u64, Place)>,
}

/// The agent of stubs, which do not say whose they are.
pub(super) const ANY_AGENT: u16 = u16::MAX;

/// The agent of envelopes when the stream already names as many agents as are told apart.
pub(super) const NO_AGENT: u16 = u16::MAX - 1;

/// The chain of one stream.
#[derive(Debug, Default)]
pub(super) struct Chain {
    runs: BTreeMap<u64, Run>,
    broken: BTreeMap<u64, Broken>,
    /// Envelopes whose number another envelope holds in `runs`.
    rivals: BTreeMap<u64, Vec<Link>>,
}

/// Makes room for `more`, and for at least an eighth of the length, so that growing costs linear time in total.
fn reserve<T>(list: &mut VecDeque<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 8 + 4));
    }
}

impl Run {
    fn push(&mut self, hash: u64, marks: Marks) {
        reserve(&mut self.hashes, 1);
        reserve(&mut self.marks, 1);
        self.hashes.push_back(hash);
        self.marks.push_back(marks);
    }

    fn push_front(&mut self, hash: u64, marks: Marks) {
        reserve(&mut self.hashes, 1);
        reserve(&mut self.marks, 1);
        self.hashes.push_front(hash);
        self.marks.push_front(marks);
    }

    /// Appends the run that follows this one. The shorter of the two is moved, so that joining costs O(log n) per
    /// envelope.
    fn append(&mut self, mut right: Self) {
        if self.hashes.len() >= right.hashes.len() {
            reserve(&mut self.hashes, right.hashes.len());
            reserve(&mut self.marks, right.marks.len());
            self.hashes.append(&mut right.hashes);
            self.marks.append(&mut right.marks);
        } else {
            reserve(&mut right.hashes, self.hashes.len());
            reserve(&mut right.marks, self.marks.len());
            while let (Some(hash), Some(marks)) = (self.hashes.pop_back(), self.marks.pop_back()) {
                right.hashes.push_front(hash);
                right.marks.push_front(marks);
            }
            self.hashes = right.hashes;
            self.marks = right.marks;
        }
    }
}

impl Chain {
    /// The run that holds `sequence`, and the place in it.
    fn find(&self, sequence: u64) -> Option<(&Run, usize)> {
        let (start, run) = self.runs.range(..=sequence).next_back()?;
        let at = usize::try_from(sequence - start).ok()?;
        (at < run.hashes.len()).then_some((run, at))
    }

    fn find_mut(&mut self, sequence: u64) -> Option<(&mut Run, usize)> {
        let (start, run) = self.runs.range_mut(..=sequence).next_back()?;
        let at = usize::try_from(sequence - start).ok()?;
        (at < run.hashes.len()).then_some((run, at))
    }

    /// The hash at `sequence`.
    #[cfg(test)]
    pub(super) fn get(&self, sequence: u64) -> Option<u64> {
        self.find(sequence).map(|(run, at)| run.hashes[at])
    }

    /// The hash at `sequence`, if a signature covers the envelope that stands there.
    pub(super) fn covered(&self, sequence: u64) -> Option<u64> {
        self.find(sequence).filter(|(run, at)| run.marks[*at].is_covered()).map(|(run, at)| run.hashes[at])
    }

    /// What is known of the envelope at `sequence`.
    pub(super) fn marks(&self, sequence: u64) -> Option<Marks> {
        self.find(sequence).map(|(run, at)| run.marks[at])
    }

    /// Whether a covered envelope with this hash was seen at `sequence`; `None` if that cannot be told yet.
    pub(super) fn holds(&self, sequence: u64, hash: u64) -> Option<bool> {
        let (run, at) = self.find(sequence)?;
        let rivals = self.rivals.get(&sequence).map_or(&[][..], Vec::as_slice);
        if (run.marks[at].is_covered() && run.hashes[at] == hash)
            || rivals.iter().any(|rival| rival.marks.is_covered() && rival.hash == hash)
        {
            return Some(true);
        }
        run.marks[at].is_covered().then_some(false)
    }

    pub(super) fn add(&mut self, link: Link, budget: &mut Budget) -> Added {
        let Link { sequence, hash, marks, place, .. } = link;
        let left = self.runs.range(..=sequence).next_back().map(|(&start, run)| (start, run.hashes.len()));
        let mut left_start = None;
        if let Some((start, length)) = left {
            let offset = sequence - start;
            if offset < length as u64 {
                return self.contest(link, budget);
            }
            if offset == length as u64 {
                left_start = Some(start);
            }
        }
        let mut marks = marks;
        if let Some(start) = left_start {
            let before = self.runs.get(&start).and_then(|run| run.hashes.back().copied());
            let equal = before.is_some() && before == link.prev;
            marks.link(equal);
            if !equal {
                self.note_broken(sequence, link.prev, place, budget);
            }
        }
        let right = self.runs.remove(&(sequence + 1)).map(|mut right| {
            let equal = right.prev == Some(hash);
            if let Some(first) = right.marks.front_mut() {
                first.link(equal);
            }
            if !equal {
                self.note_broken(sequence + 1, right.prev, right.place, budget);
            }
            right
        });
        match (left_start.and_then(|start| self.runs.get_mut(&start)), right) {
            (Some(left), right) => {
                left.push(hash, marks);
                if let Some(right) = right {
                    left.append(right);
                }
            }
            (None, Some(mut right)) => {
                right.push_front(hash, marks);
                right.prev = link.prev;
                right.place = place;
                self.runs.insert(sequence, right);
            }
            (None, None) => {
                let mut run = Run { hashes: VecDeque::new(), marks: VecDeque::new(), prev: link.prev, place };
                run.push(hash, marks);
                self.runs.insert(sequence, run);
            }
        }
        Added::New
    }

    fn note_broken(&mut self, sequence: u64, prev: Option<u64>, place: Place, budget: &mut Budget) {
        if budget.take(KEPT) {
            self.broken.insert(sequence, Broken { prev, place });
        }
    }

    /// Adds an envelope whose number another one, or another copy of it, already has.
    fn contest(&mut self, link: Link, budget: &mut Budget) -> Added {
        let Some((run, at)) = self.find_mut(link.sequence) else { return Added::New };
        let held = run.marks[at];
        if run.hashes[at] == link.hash {
            let better = link.marks.is_good() && !held.is_good();
            // Copies with a wrong signature don't count: the first copy without one is the envelope, not a repeat of
            // it.
            let first = held.is_noted() && !link.marks.is_noted();
            if better {
                // The hash is the same, so that the result of comparing its link stays. A stub whose whole envelope
                // arrives is a stub no longer.
                let linked = held.0 & Marks::LINKED;
                run.marks[at] = Marks(link.marks.0 | linked);
            } else if first {
                run.marks[at].0 &= !Marks::NOTED;
            }
            if held.is_stub() && !link.marks.is_stub() {
                run.marks[at].0 = run.marks[at].0 & 0xFFFF & !Marks::STUB | link.marks.0 & 0xFFFF_0000;
            }
            return Added::Same { better, first };
        }
        if let Some(rivals) = self.rivals.get_mut(&link.sequence)
            && let Some(same) = rivals.iter_mut().find(|rival| rival.hash == link.hash)
        {
            let better = link.marks.is_good() && !same.marks.is_good();
            if !better {
                return Added::Same { better, first: false };
            }
            // This copy of the rival has a good signature, and the earlier ones had none.
            same.marks = link.marks;
            if held.is_covered() {
                return Added::Rival { conflict: true };
            }
            self.swap(link.sequence, link.hash);
            return Added::New;
        }
        let conflict = link.marks.is_good() && held.is_covered();
        if budget.take(KEPT) {
            self.rivals.entry(link.sequence).or_default().push(link);
            if link.marks.is_good() && !held.is_covered() {
                self.swap(link.sequence, link.hash);
                return Added::New;
            }
        }
        Added::Rival { conflict }
    }

    /// Puts the rival with this hash into the run, and the envelope that was there among the rivals.
    fn swap(&mut self, sequence: u64, hash: u64) {
        let Some(rivals) = self.rivals.get_mut(&sequence) else { return };
        let Some(index) = rivals.iter().position(|rival| rival.hash == hash) else { return };
        let rival = rivals[index];
        let Some((&start, run)) = self.runs.range_mut(..=sequence).next_back() else { return };
        let Some(at) = usize::try_from(sequence - start).ok().filter(|&at| at < run.hashes.len()) else {
            return;
        };
        let before = at.checked_sub(1).map(|before| run.hashes[before]);
        // The envelope that stands here now. Its `prevhash` is not kept, but follows from its link: if that held, it is
        // the hash before it, else it stands in `broken`.
        let held = Link {
            sequence,
            hash: run.hashes[at],
            prev: match (at, before) {
                (0, _) => run.prev,
                (_, before) if run.marks[at].has(Marks::LINKED) => before,
                _ => self.broken.get(&sequence).and_then(|broken| broken.prev),
            },
            marks: run.marks[at],
            place: match (at, rival.held) {
                (_, Some(place)) => place,
                (0, None) => run.place,
                _ => self.broken.get(&sequence).map_or(rival.place, |broken| broken.place),
            },
            held: None,
        };
        rivals[index] = held;
        let mut marks = rival.marks;
        if at == 0 {
            run.prev = rival.prev;
            run.place = rival.place;
        } else {
            let equal = before == rival.prev;
            marks.link(equal);
            if equal {
                self.broken.remove(&sequence);
            } else {
                self.broken.insert(sequence, Broken { prev: rival.prev, place: rival.place });
            }
        }
        let old = std::mem::replace(&mut run.hashes[at], hash);
        run.marks[at] = marks;
        if let Some(next) = run.marks.get_mut(at + 1) {
            // The next one's `prevhash`: if its link held, it is the hash that stood here, else it stands in `broken`.
            let named = if next.has(Marks::LINKED) {
                Some(old)
            } else {
                self.broken.get(&(sequence + 1)).and_then(|broken| broken.prev)
            };
            let equal = named == Some(hash);
            next.link(equal);
            if equal {
                self.broken.remove(&(sequence + 1));
            } else {
                let place = self.broken.get(&(sequence + 1)).map_or(rival.place, |broken| broken.place);
                self.broken.insert(sequence + 1, Broken { prev: named, place });
            }
        }
    }

    /// Marks the envelope at `sequence` as having a good signature of its own, which could not be judged before.
    pub(super) fn prove(&mut self, sequence: u64, key: u8) {
        if let Some((run, at)) = self.find_mut(sequence) {
            run.marks[at].cover(key);
            run.marks[at].0 = run.marks[at].0 & !Marks::NOTED | Marks::GOOD;
        }
    }

    /// Spreads coverage around the envelope at `sequence`, which has just arrived: to it from the one after it, and
    /// from it to those before it.
    pub(super) fn spread(&mut self, sequence: u64, out: &mut impl Extend<Covered>) {
        let Some((run, at)) = self.find_mut(sequence) else { return };
        let mut cover = |run: &mut Run, at: usize, sequence: u64, key: u8| {
            run.marks[at].cover(key);
            out.extend([Covered { sequence, hash: run.hashes[at], key, agent: run.marks[at].agent() }]);
        };
        if let Some(&next) = run.marks.get(at + 1)
            && next.is_covered()
            && next.has(Marks::LINKED)
            && !run.marks[at].is_covered()
        {
            cover(run, at, sequence, next.key());
        }
        let mut at = at;
        let mut sequence = sequence;
        while at > 0
            && run.marks[at].is_covered()
            && run.marks[at].has(Marks::LINKED)
            && !run.marks[at - 1].is_covered()
        {
            let key = run.marks[at].key();
            at -= 1;
            sequence -= 1;
            cover(run, at, sequence, key);
        }
    }

    /// Spreads coverage as far as it reaches, from the highest number down: over holes that were declared or over which
    /// the chain is unbroken, past envelopes that were inserted in between, and to rivals. `bridges` are what covered
    /// declarations of losses say of holes: the first missing number, and the hash before it. `covered` is called for
    /// each envelope that becomes covered, and returns further bridges. Returns the numbers at which a second envelope
    /// turned out to be covered as well, and those at which another envelope stands now, each with its place.
    pub(super) fn settle(
        &mut self,
        bridges: &mut Vec<(u64, u64)>,
        mut covered: impl FnMut(Covered) -> Vec<(u64, u64)>,
    ) -> Settled {
        struct Want {
            hash: u64,
            key: u8,
        }
        /// How many hashes are looked for at once; an input that needs more than a few is hostile.
        const WANTS: usize = 16;
        let mut conflicts = Vec::new();
        let mut swaps = Vec::new();
        let mut wants: SmallVec<[Want; WANTS]> = SmallVec::new();
        let answer = |wants: &mut SmallVec<[Want; WANTS]>, hash: u64| {
            let at = wants.iter().position(|want| want.hash == hash)?;
            Some(wants.remove(at).key)
        };
        let ask = |wants: &mut SmallVec<[Want; WANTS]>, want: Want| {
            if wants.len() == WANTS {
                wants.remove(0);
            }
            wants.push(want);
        };
        let mut latest = 0;
        for (&start, run) in self.runs.iter_mut().rev() {
            for at in (0..run.hashes.len()).rev() {
                let sequence = start + at as u64;
                let (hash, agent) = (run.hashes[at], run.marks[at].agent());
                bridges.retain(|&(from, prev)| {
                    let here = from == sequence + 1;
                    if here {
                        ask(&mut wants, Want { hash: prev, key: latest });
                    }
                    !here && from <= sequence
                });
                if !wants.is_empty()
                    && let Some(key) = answer(&mut wants, hash)
                    && !run.marks[at].is_covered()
                {
                    run.marks[at].cover(key);
                    bridges.extend(covered(Covered { sequence, hash, key, agent }));
                }
                let mut named_by_rivals: SmallVec<[Want; 2]> = SmallVec::new();
                if let Some(rivals) = self.rivals.get_mut(&sequence) {
                    for rival in rivals.iter_mut() {
                        if rival.marks.is_covered() {
                            let key = rival.marks.key();
                            named_by_rivals.extend(rival.prev.map(|hash| Want { hash, key }));
                            continue;
                        }
                        let Some(key) = answer(&mut wants, rival.hash) else { continue };
                        rival.marks.cover(key);
                        let agent = rival.marks.agent();
                        bridges.extend(covered(Covered { sequence, hash: rival.hash, key, agent }));
                        if run.marks[at].is_covered() {
                            conflicts.push((sequence, rival.place));
                        } else {
                            swaps.push((sequence, rival.hash, rival.place));
                        }
                        named_by_rivals.extend(rival.prev.map(|hash| Want { hash, key }));
                    }
                }
                for want in named_by_rivals {
                    ask(&mut wants, want);
                }
                let marks = run.marks[at];
                if !marks.is_covered() {
                    continue;
                }
                latest = marks.key();
                let below = at.checked_sub(1).map(|below| run.marks[below]);
                if marks.has(Marks::LINKED) && below.is_some_and(Marks::is_covered) {
                    continue;
                }
                let named = match at {
                    0 => run.prev,
                    _ if marks.has(Marks::LINKED) => Some(run.hashes[at - 1]),
                    _ => self.broken.get(&sequence).and_then(|broken| broken.prev),
                };
                if let Some(hash) = named {
                    ask(&mut wants, Want { hash, key: marks.key() });
                }
            }
        }
        let mut moved = Vec::with_capacity(swaps.len());
        for (sequence, hash, place) in swaps {
            self.swap(sequence, hash);
            moved.push((sequence, place));
        }
        Settled { conflicts, moved }
    }

    /// Pairs of neighbours that are both covered and whose link does not hold: the later one of each pair.
    pub(super) fn broken_links(&self) -> Vec<(u64, Place)> {
        let covered = |sequence| self.marks(sequence).is_some_and(Marks::is_covered);
        self.broken
            .iter()
            .filter(|&(&sequence, broken)| {
                let rivals = self.rivals.get(&(sequence - 1)).map_or(&[][..], Vec::as_slice);
                covered(sequence)
                    && covered(sequence - 1)
                    && !rivals.iter().any(|rival| rival.marks.is_covered() && Some(rival.hash) == broken.prev)
            })
            .map(|(&sequence, broken)| (sequence, broken.place))
            .collect()
    }

    /// The rivals that no signature covers.
    pub(super) fn uncovered_rivals(&self) -> impl Iterator<Item = &Link> {
        self.rivals.values().flatten().filter(|rival| !rival.marks.is_covered())
    }

    /// Whether each covered stub of `range` is covered by a key that `may` accepts.
    pub(super) fn stubs_are_of(&self, (from, to): Range, may: impl Fn(u8) -> bool) -> bool {
        let before = self.runs.range(..from).next_back();
        before.into_iter().chain(self.runs.range(from..=to)).all(|(&start, run)| {
            let first =
                usize::try_from(from.saturating_sub(start)).unwrap_or(usize::MAX).min(run.marks.len());
            let end = usize::try_from((to - start.min(to)).saturating_add(1)).unwrap_or(usize::MAX);
            let end = if start > to { first } else { end.clamp(first, run.marks.len()) };
            run.marks.range(first..end).all(|m| !m.is_stub() || !m.is_covered() || may(m.key()))
        })
    }

    /// Every sequence number that an envelope holds, with its marks, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Marks)> {
        self.runs.iter().flat_map(|(&start, run)| (start..).zip(run.marks.iter().copied()))
    }

    /// The first number after `sequence` at which there is an envelope.
    pub(super) fn next_after(&self, sequence: u64) -> Option<(u64, Marks)> {
        if let Some(marks) = self.marks(sequence + 1) {
            return Some((sequence + 1, marks));
        }
        let (&start, run) = self.runs.range(sequence + 1..).next()?;
        Some((start, *run.marks.front()?))
    }

    /// The lowest number, its `prevhash` and its place.
    pub(super) fn first(&self) -> Option<(u64, Option<u64>, Place)> {
        self.runs.first_key_value().map(|(&start, run)| (start, run.prev, run.place))
    }

    /// The highest number.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(&start, run)| start + (run.hashes.len() as u64 - 1))
    }

    /// The memory of hashes and marks, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.runs
            .values()
            .map(|run| run.hashes.capacity() * size_of::<u64>() + run.marks.capacity() * size_of::<Marks>())
            .sum()
    }

    /// The `prevhash` of the covered envelope at `sequence`, and its place, if it does not follow the envelope that
    /// stands before it: because there is none, or because the link does not hold.
    fn names(&self, sequence: u64) -> Option<(Option<u64>, Place)> {
        if let Some(run) = self.runs.get(&sequence) {
            return Some((run.prev, run.place));
        }
        self.broken.get(&sequence).map(|broken| (broken.prev, broken.place))
    }

    /// The numbers between one covered envelope and the next, whether uncovered envelopes stand there or not.
    pub(super) fn holes(&self) -> Vec<Hole> {
        let mut holes = Vec::new();
        let mut before: Option<(u64, u64)> = None;
        for (&start, run) in &self.runs {
            for (at, _) in run.marks.iter().enumerate().filter(|(_, marks)| marks.is_covered()) {
                let sequence = start + at as u64;
                if let Some((last, hash)) = before
                    && last + 1 < sequence
                    && let Some((prev, place)) = self.names(sequence)
                {
                    let rivals = self.rivals.get(&last).map_or(&[][..], Vec::as_slice);
                    let unbroken = prev.is_some_and(|prev| {
                        prev == hash
                            || rivals.iter().any(|rival| rival.marks.is_covered() && rival.hash == prev)
                    });
                    holes.push(Hole {
                        range: (last + 1, sequence - 1),
                        unbroken,
                        begins: prev.is_none(),
                        place,
                    });
                }
                before = Some((sequence, run.hashes[at]));
            }
        }
        holes
    }

    /// The number of the lowest covered envelope, whether it has no `prevhash`, and its place.
    pub(super) fn first_covered(&self) -> Option<(u64, bool, Option<Place>)> {
        let (sequence, marks) = self.iter().find(|(_, marks)| marks.is_covered())?;
        let named = self.names(sequence);
        let begins = !marks.has(Marks::LINKED) && named.is_some_and(|(prev, _)| prev.is_none());
        Some((sequence, begins, named.map(|(_, place)| place)))
    }

    /// Takes back the coverage by signatures that a key made after `sequence`; returns the numbers that it signed. Also
    /// resets all coverage that is not an envelope's own, which the caller must compute again.
    pub(super) fn disown(&mut self, key: u8, sequence: u64) -> Vec<u64> {
        let mut signed = Vec::new();
        for (&start, run) in &mut self.runs {
            for (at, marks) in run.marks.iter_mut().enumerate() {
                let here = start + at as u64;
                if marks.is_good() && marks.key() == key && here > sequence {
                    signed.push(here);
                    marks.0 = marks.0 & !(Marks::GOOD | Marks::COVERED) | Marks::NOTED;
                } else if !marks.is_good() {
                    marks.0 &= !Marks::COVERED;
                }
            }
        }
        signed
    }

    /// Notes that a finding reports the envelope at `sequence`.
    pub(super) fn note(&mut self, sequence: u64) {
        if let Some((run, at)) = self.find_mut(sequence) {
            run.marks[at].0 |= Marks::NOTED;
        }
    }

    /// The numbers of `range` at which there is no envelope.
    pub(super) fn missing_of(&self, (from, to): Range) -> Vec<Range> {
        let before = self.runs.range(..from).next_back();
        let there = before.into_iter().chain(self.runs.range(from..=to));
        ranges::missing_of(
            (from, to),
            there.map(|(&start, run)| (start, start + (run.hashes.len() as u64 - 1))),
        )
    }
}
