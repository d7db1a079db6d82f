//! What is known of one stream while envelopes arrive.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::chain::{ANY_AGENT, Added, Budget, Chain, Covered, Link, Marks, NO_AGENT};
use super::coverage;
use super::deeds::Told;
use super::findings::Findings;
use super::options::TrustedKey;
use super::own::{LostRange, Mode, Own};
use super::place::Place;
use super::ranges::Ranges;
use super::report::FindingKind;
use super::short::Short;
use crate::envelope::line::{Envelope, Stub};
use crate::seam::Uuid;

/// A time in the form that envelopes have; such times sort as text.
pub(super) type Time = [u8; 30];

/// An end of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) sequence: u64,
    pub(super) time: Time,
    pub(super) place: Place,
}

/// The lowest and the highest of some envelopes.
#[derive(Debug, Default)]
pub(super) struct Ends(pub(super) Option<(End, End)>);

impl Ends {
    pub(super) fn observe(&mut self, end: End) {
        match &mut self.0 {
            None => self.0 = Some((end, end)),
            Some((first, last)) => {
                if end.sequence < first.sequence {
                    *first = end;
                }
                if end.sequence >= last.sequence {
                    *last = end;
                }
            }
        }
    }
}

/// The lines without a good signature of their own that have the lowest number, each with its short hash. Which of them is
/// the envelope that counts, if any, only the chain knows in the end: the others are forged.
#[derive(Debug, Default)]
pub(super) struct Lowest(SmallVec<[(End, u64); 1]>);

impl Lowest {
    /// More lines with one number are hostile, and which of them is read first is of no use to anybody.
    const MOST: usize = 16;

    fn observe(&mut self, end: End, hash: u64) {
        if self.0.first().is_some_and(|(lowest, _)| end.sequence < lowest.sequence) {
            self.0.clear();
        }
        let same = self.0.first().is_none_or(|(lowest, _)| end.sequence == lowest.sequence);
        if same && self.0.len() < Self::MOST {
            self.0.push((end, hash));
        }
    }

    /// The one that is covered, and stands in the chain.
    pub(super) fn covered(&self, chain: &Chain) -> Option<End> {
        let stands = |&&(end, hash): &&(End, u64)| chain.covered(end.sequence) == Some(hash);
        self.0.iter().find(stands).map(|&(end, _)| end)
    }
}

/// A loss that the stream declares.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) lane: Option<u32>,
    pub(super) streamid: Option<Uuid>,
    pub(super) agentid: Option<Box<str>>,
    pub(super) ranges: Vec<LostRange>,
    /// The declaration itself.
    pub(super) sequence: u64,
    pub(super) place: Place,
}

/// An id, and the data in which authorization edges are looked for.
pub(super) type EdgeData = (Box<str>, Option<Box<[u8]>>);

/// What an envelope says that concerns a verifier; believed once a signature covers it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) sequence: u64,
    /// It has no `prevhash`: it says that it is its stream's first.
    pub(super) begins: bool,
    pub(super) time: Option<Time>,
    pub(super) place: Place,
    pub(super) own: Own,
    /// What is wrong with its form; nothing else that it says is then believed.
    pub(super) malformed: Option<String>,
    /// Its id and the data in which authorization edges are looked for, where these are asked for.
    pub(super) edges: Option<EdgeData>,
    /// What it says of a deed.
    pub(super) deed: Option<Told>,
    /// What it says of coverage, where that is asked for.
    pub(super) coverage: Option<Box<coverage::Told>>,
}

/// What an envelope's own signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    Good(Option<usize>),
    Unsigned,
    Noted,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: Uuid,
    /// Its agent, as the first good envelope names it, or the first envelope if none is good.
    pub(super) agentid: Box<str>,
    pub(super) agent_proven: bool,
    /// Agents that envelopes of this stream name; the chain keeps an agent as its index in this list.
    agents: Vec<Box<str>>,
    /// The index of the stream's own agent in `agents`.
    agent: u16,
    /// Stubs signed by keys that may seal for some agents only (number and key): they wait until the stream's agent is
    /// known.
    stubs_by_key: Vec<(u64, usize)>,
    /// Whether the signature of any such stub was accepted.
    pub(super) stubs_proven: bool,
    pub(super) envelopes: u64,
    /// All envelopes whose hash is known, covered or not.
    pub(super) chain: Chain,
    /// Numbers that are claimed only by envelopes or stubs that cannot be read well enough to hash them.
    pub(super) filled: Ranges,
    /// The numbers of lines that have no good signature and no `prevhash`: they claim to begin the stream.
    begun: Vec<u64>,
    /// The places of stubs and of envelopes that wait for a signature: only the first of each run on consecutive lines.
    places: BTreeMap<u64, Place>,
    /// What envelopes say that no signature covers yet, by sequence and short hash.
    waiting: BTreeMap<(u64, u64), Said>,
    /// For each hole that a covered declaration names: its first number, and the hash before it.
    pub(super) bridges: Vec<(u64, u64)>,
    /// Which envelopes are signed, from which number on.
    pub(super) modes: BTreeMap<u64, Mode>,
    /// The numbers that a believed `retention` says were erased.
    pub(super) erasable: Ranges,
    /// Missing numbers that a believed declaration accounts for.
    pub(super) declared: Ranges,
    pub(super) good: Ends,
    pub(super) bad: Ends,
    /// The lowest envelope that waits, or waited, for a signature.
    pub(super) lowest: Lowest,
    /// The last good envelope's sequence and hash.
    pub(super) head: Option<(u64, [u8; 32])>,
    /// The source and sequence of the last arrival.
    arrived: Option<(u32, u64)>,
    pub(super) closed: Option<u64>,
    /// The number that the stream that follows this one names as its last, if the hash is right too.
    pub(super) followed: u64,
    /// The number it begins with, where it follows another stream.
    pub(super) start: Option<u64>,
    /// The latest `recordedtime`.
    pub(super) heard: Option<Time>,
    pub(super) lane: Option<u32>,
    /// Whether the input holds only checkpoints of it: such a stream may be another lane's, whose checkpoints this lane
    /// takes.
    pub(super) only_checkpoints: bool,
    /// The highest number that a checkpoint names.
    pub(super) checkpointed: u64,
    /// Keys that announced their retirement, and when.
    retired: Vec<(usize, u64)>,
    /// Signatures of a retired key no longer count, so that coverage must be computed again.
    pub(super) disowned: bool,
    /// The highest sequence that each key signed, and its place.
    sealed_by: Vec<(usize, u64, Place)>,
    pub(super) losses: Vec<Loss>,
    pub(super) findings: Findings,
}

/// Envelopes that have just become covered: usually one, in a stream that signs each.
pub(super) type Newly = SmallVec<[Covered; 4]>;

/// What became of an envelope.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// It counts as an envelope of its own, and what it says waits in the stream until a signature covers it.
    pub(super) kept: bool,
    /// The envelopes that became covered by its arrival, perhaps itself among them.
    pub(super) covered: Newly,
}

/// The most keys that a verifier takes: the chain has one byte for the key that covers an envelope.
pub(super) const MOST_KEYS: usize = 254;

/// The index of a key as the chain keeps it; `u8::MAX` stands for none.
fn key_mark(key: Option<usize>) -> u8 {
    key.and_then(|key| u8::try_from(key).ok()).unwrap_or(u8::MAX)
}

impl Stream {
    pub(super) fn new(id: Uuid) -> Self {
        Self {
            id,
            agentid: "".into(),
            agent_proven: false,
            agents: Vec::new(),
            agent: 0,
            stubs_by_key: Vec::new(),
            stubs_proven: false,
            envelopes: 0,
            chain: Chain::default(),
            filled: Ranges::default(),
            begun: Vec::new(),
            places: BTreeMap::new(),
            waiting: BTreeMap::new(),
            bridges: Vec::new(),
            modes: BTreeMap::new(),
            erasable: Ranges::default(),
            declared: Ranges::default(),
            good: Ends::default(),
            bad: Ends::default(),
            lowest: Lowest::default(),
            head: None,
            arrived: None,
            closed: None,
            followed: 0,
            start: None,
            heard: None,
            lane: None,
            only_checkpoints: true,
            checkpointed: 0,
            retired: Vec::new(),
            disowned: false,
            sealed_by: Vec::new(),
            losses: Vec::new(),
            findings: Findings::default(),
        }
    }

    pub(super) fn end(envelope: &Envelope<'_>, place: Place) -> End {
        let time = envelope.time.as_bytes().try_into().unwrap_or([0; 30]);
        End { sequence: envelope.sequence, time, place }
    }

    /// The index of an agent in `agents`, to which it is added if it is new.
    fn agent(&mut self, name: &str, budget: &mut Budget) -> u16 {
        if let Some(at) = self.agents.iter().position(|agent| **agent == *name) {
            return u16::try_from(at).unwrap_or(NO_AGENT);
        }
        // A stream has one agent; more of them mean that it was tampered with.
        if self.agents.len() >= 64 || !budget.take(name.len()) {
            return NO_AGENT;
        }
        self.agents.push(name.into());
        u16::try_from(self.agents.len() - 1).unwrap_or(NO_AGENT)
    }

    /// Takes an envelope of an unknown schema, which cannot be hashed: it fills the number that it claims.
    pub(super) fn fill(&mut self, envelope: &Envelope<'_>, place: Place) {
        if self.agentid.is_empty() {
            self.agentid = (*envelope.agentid).into();
        }
        self.bad.observe(Self::end(envelope, place));
        self.fill_number(envelope.sequence, envelope.prev.is_none());
    }

    /// Fills a number that a line claims which cannot be hashed; `begins`: the line has no `prevhash`.
    pub(super) fn fill_number(&mut self, sequence: u64, begins: bool) {
        self.only_checkpoints = false;
        self.filled.insert(sequence, sequence);
        if begins {
            self.begins(sequence);
        }
    }

    /// Notes the number of a line that claims to begin the stream, and that perhaps no signature will cover.
    fn begins(&mut self, sequence: u64) {
        if self.begun.len() < 64 {
            self.begun.push(sequence);
        }
    }

    /// The lowest number of an uncovered line that claims to begin the stream.
    pub(super) fn lowest_begun(&self) -> Option<u64> {
        let covered = |sequence: u64| self.chain.marks(sequence).is_some_and(Marks::is_covered);
        self.begun.iter().copied().filter(|&sequence| !covered(sequence)).min()
    }

    /// Takes an envelope of a known schema; `said` is what it says, to be believed once a signature covers it.
    pub(super) fn take(
        &mut self,
        envelope: &Envelope<'_>,
        hash: &[u8; 32],
        mut own: Signed,
        said: Option<Said>,
        place: Place,
        (short, budget): (&Short, &mut Budget),
    ) -> Taken {
        let sequence = envelope.sequence;
        if let Signed::Good(key) = own {
            if self.agent_proven && *self.agentid != *envelope.agentid {
                self.findings.at(FindingKind::Altered, sequence, place, OTHER_AGENT);
                own = Signed::Noted;
            }
            let retiring = said.as_ref().is_some_and(|said| matches!(said.own, Own::KeyRetiring { .. }));
            if own != Signed::Noted
                && let Some(key) = key
                && !retiring
                && self.retired.iter().any(|&(retired, at)| retired == key && sequence > at)
            {
                self.findings.at(FindingKind::RetiredKey, sequence, place, RETIRED);
                own = Signed::Noted;
            }
        }
        let agent = self.agent(&envelope.agentid, budget);
        let marks = match own {
            Signed::Good(key) => Marks::new(agent, Some(key_mark(key))),
            Signed::Unsigned => Marks::new(agent, None),
            Signed::Noted => Marks::new(agent, None).noted(),
        };
        let marks = if envelope.seal.is_absent() { marks.unsigned() } else { marks };
        let kept = short.of(hash);
        let link = Link {
            sequence,
            hash: kept,
            prev: envelope.prev.as_ref().map(|prev| short.of(prev)),
            marks,
            place,
            held: self.place(sequence),
        };
        let good = matches!(own, Signed::Good(_));
        let was_stub = self.chain.marks(sequence).is_some_and(Marks::is_stub);
        let mut taken = Taken::default();
        match self.chain.add(link, budget) {
            Added::Same { better, first } => {
                if was_stub || own == Signed::Noted {
                    self.envelopes += 1;
                } else if !first {
                    let note = "the same envelope again: a retry";
                    self.findings.at(FindingKind::Duplicate, sequence, place, note);
                }
                if !better {
                    if was_stub && self.chain.marks(sequence).is_some_and(Marks::is_covered) {
                        self.wait(kept, said, budget);
                        let key = self.chain.marks(sequence).map_or(u8::MAX, Marks::key);
                        taken.covered.push(Covered { sequence, hash: kept, key, agent });
                    }
                    return taken;
                }
            }
            Added::Rival { conflict } => {
                self.envelopes += 1;
                self.only_checkpoints &= good;
                if conflict {
                    let note =
                        "another envelope with this sequence is good as well: forged, or a forked stream";
                    self.findings.at(FindingKind::Conflict, sequence, place, note);
                } else {
                    self.wait(kept, said, budget);
                }
                return taken;
            }
            Added::New => {
                self.envelopes += 1;
                self.arrive(sequence, place);
            }
        }
        self.wait(kept, said, budget);
        taken.kept = true;
        let Signed::Good(key) = own else {
            self.only_checkpoints = false;
            if self.agentid.is_empty() {
                self.agentid = (*envelope.agentid).into();
            }
            self.lowest.observe(Self::end(envelope, place), kept);
            self.note_place(sequence, place);
            if envelope.prev.is_none() {
                self.begins(sequence);
            }
            self.chain.spread(sequence, &mut taken.covered);
            return taken;
        };
        if !self.agent_proven {
            self.agent = agent;
            self.agentid = (*envelope.agentid).into();
            self.agent_proven = true;
        }
        self.filled.remove(sequence);
        if self.head.is_none_or(|(at, _)| sequence >= at) {
            self.head = Some((sequence, *hash));
        }
        self.good.observe(Self::end(envelope, place));
        if let Ok(time) = envelope.recordedtime.as_bytes().try_into() {
            self.heard = self.heard.max(Some(time));
        }
        if let Some(key) = key {
            self.sealed(key, sequence, place);
        }
        if self.closed.is_some_and(|closed| sequence > closed) {
            self.findings.at(FindingKind::AfterClose, sequence, place, AFTER_CLOSE);
        }
        taken.covered.push(Covered { sequence, hash: kept, key: key_mark(key), agent });
        self.chain.spread(sequence, &mut taken.covered);
        taken
    }

    /// Spreads coverage as far as it reaches; see [`Chain::settle`]. `believe` is called with each envelope that
    /// becomes covered and what it said, and returns the bridges that it declares.
    pub(super) fn settle(&mut self, mut believe: impl FnMut(Covered, Option<Said>) -> Vec<(u64, u64)>) {
        let Self { chain, bridges, waiting, findings, .. } = self;
        let mut bridges = bridges.clone();
        let settled = chain.settle(&mut bridges, |covered| {
            believe(covered, waiting.remove(&(covered.sequence, covered.hash)))
        });
        for (sequence, place) in settled.conflicts {
            let note = "another envelope with this sequence is good as well: forged, or a forked stream";
            findings.at(FindingKind::Conflict, sequence, place, note);
        }
        for (sequence, place) in settled.moved {
            // The places behind it are counted on from here: they stay what they were.
            let next = self.place(sequence + 1);
            self.note_place(sequence, place);
            if let Some(next) = next {
                self.note_place(sequence + 1, next);
            }
        }
    }

    /// Whether a covered envelope names another agent than that of its stream; if so, reports it.
    pub(super) fn is_of_another(&mut self, covered: Covered) -> bool {
        if covered.agent == self.agent || covered.agent == ANY_AGENT || !self.agent_proven {
            return false;
        }
        let at = covered.sequence;
        if !self.chain.marks(at).is_some_and(Marks::is_noted) {
            self.findings.add(FindingKind::Altered, Some((at, at)), self.place(at), OTHER_AGENT);
        }
        true
    }

    /// Accepts the signatures of the waiting stubs whose key may seal for `agent`, and reports the others.
    pub(super) fn prove_stubs(&mut self, keys: &[TrustedKey], agent: &str) -> Newly {
        let mut covered = Newly::new();
        for (sequence, key) in std::mem::take(&mut self.stubs_by_key) {
            if keys.get(key).is_some_and(|key| key.covers(agent)) {
                self.chain.prove(sequence, key_mark(Some(key)));
                self.stubs_proven = true;
                self.chain.spread(sequence, &mut covered);
            } else {
                let note = "a stub: the key is not bound to the agent of this stream";
                self.findings.add(
                    FindingKind::Altered,
                    Some((sequence, sequence)),
                    self.place(sequence),
                    note,
                );
                self.chain.note(sequence);
            }
        }
        covered
    }

    /// Keeps what an envelope says until a signature covers it.
    fn wait(&mut self, hash: u64, said: Option<Said>, budget: &mut Budget) {
        if let Some(said) = said
            && budget.take(said.size())
        {
            self.waiting.insert((said.sequence, hash), said);
        }
    }

    /// What an envelope said that is covered now; frees its memory.
    pub(super) fn heard_of(&mut self, covered: Covered, budget: &mut Budget) -> Option<Said> {
        if self.waiting.is_empty() {
            return None;
        }
        let said = self.waiting.remove(&(covered.sequence, covered.hash))?;
        budget.give(said.size());
        Some(said)
    }

    fn arrive(&mut self, sequence: u64, place: Place) {
        if self.arrived.is_some_and(|(source, last)| source == place.source && sequence < last) {
            let note = "it stands behind envelopes that follow it";
            self.findings.at(FindingKind::Reordered, sequence, place, note);
        }
        self.arrived = Some((place.source, sequence));
    }

    fn sealed(&mut self, key: usize, sequence: u64, place: Place) {
        match self.sealed_by.iter_mut().find(|(k, _, _)| *k == key) {
            Some((_, last, at)) if *last < sequence => (*last, *at) = (sequence, place),
            Some(_) => {}
            None => self.sealed_by.push((key, sequence, place)),
        }
    }

    /// Takes a stub; `own` is what its own signature is worth.
    pub(super) fn stub(
        &mut self,
        stub: &Stub<'_>,
        own: Signed,
        place: Place,
        (keys, short, budget): (&[TrustedKey], &Short, &mut Budget),
    ) -> Newly {
        let sequence = stub.sequence;
        let own = match own {
            // The key may seal for some agents only, and a stub does not name its agent: it waits.
            Signed::Good(Some(key)) if keys[key].agent.is_some() => {
                self.stubs_by_key.push((sequence, key));
                Signed::Unsigned
            }
            own => own,
        };
        let marks = match own {
            Signed::Good(key) => Marks::new(ANY_AGENT, Some(key_mark(key))),
            Signed::Unsigned => Marks::new(ANY_AGENT, None),
            Signed::Noted => Marks::new(ANY_AGENT, None).noted(),
        };
        let marks = if stub.seal.is_absent() { marks.unsigned() } else { marks };
        let prev = stub.prev.as_ref().map(|prev| short.of(prev));
        let held = self.place(sequence);
        let link = Link { sequence, hash: short.of(&stub.hash), prev, marks: marks.stub(), place, held };
        let was_stub = self.chain.marks(sequence).is_some_and(Marks::is_stub);
        let mut covered = Newly::new();
        match self.chain.add(link, budget) {
            Added::Same { first, .. } => {
                if was_stub && !first && own != Signed::Noted {
                    self.findings.at(FindingKind::Duplicate, sequence, place, "the same stub again");
                }
            }
            Added::Rival { conflict } => {
                if conflict {
                    let note = "a stub has the hash of another envelope than the one that is there";
                    self.findings.at(FindingKind::Altered, sequence, place, note);
                }
            }
            Added::New => {
                self.arrive(sequence, place);
                self.filled.remove(sequence);
                self.note_place(sequence, place);
                if matches!(own, Signed::Good(_)) && self.head.is_none_or(|(at, _)| sequence >= at) {
                    self.head = Some((sequence, stub.hash));
                }
                self.chain.spread(sequence, &mut covered);
            }
        }
        covered
    }

    /// Finds the ends of the good envelopes again, after coverage was taken back.
    pub(super) fn end_again(&mut self) {
        let covered = self.chain.iter().filter(|(_, marks)| marks.is_covered()).map(|(sequence, _)| sequence);
        let Some((first, last)) = self.good.0 else { return };
        match covered.last() {
            None => self.good.0 = None,
            Some(end) if end == last.sequence => {}
            Some(end) if end == first.sequence => self.good.0 = Some((first, first)),
            Some(end) => {
                let place = self.place(end).unwrap_or(first.place);
                self.good.0 = Some((first, End { sequence: end, time: first.time, place }));
            }
        }
        self.head = self.head.filter(|&(at, _)| self.good.0.is_some_and(|(_, last)| last.sequence == at));
        self.closed = self.closed.filter(|&at| self.chain.marks(at).is_some_and(Marks::is_covered));
    }

    /// The place of the envelope `sequence`, counted on from the nearest place that is noted at or before it.
    pub(super) fn place(&self, sequence: u64) -> Option<Place> {
        let (start, place) = self.places.range(..=sequence).next_back()?;
        Some(Place { line: place.line.saturating_add(sequence - start), ..*place })
    }

    fn note_place(&mut self, sequence: u64, place: Place) {
        /// At most so many places are kept, in whatever order the lines stand.
        const MOST: usize = 4096;
        if self.place(sequence) != Some(place) && self.places.len() < MOST {
            self.places.insert(sequence, place);
        }
    }

    /// The stream is closed at `sequence`.
    pub(super) fn close(&mut self, sequence: u64) {
        self.closed = Some(self.closed.map_or(sequence, |closed| closed.min(sequence)));
        if let Some((_, last)) = self.good.0
            && last.sequence > sequence
        {
            let range = Some((sequence + 1, last.sequence));
            self.findings.add(FindingKind::AfterClose, range, Some(last.place), AFTER_CLOSE);
        }
    }

    /// The key seals nothing after `sequence`.
    pub(super) fn retire(&mut self, key: usize, sequence: u64) {
        if self.retired.iter().any(|&(retired, at)| retired == key && at <= sequence) {
            return;
        }
        self.retired.push((key, sequence));
        let late = self.sealed_by.iter().find(|&&(k, last, _)| k == key && last > sequence);
        if let Some(&(_, last, place)) = late {
            // Signatures that the key made after this number are worth nothing, and envelopes that only they cover are
            // uncovered.
            for at in self.chain.disown(key_mark(Some(key)), sequence) {
                let place = if at == last { Some(place) } else { self.place(at) };
                self.findings.add(FindingKind::RetiredKey, Some((at, at)), place, RETIRED);
            }
            self.disowned = true;
        }
    }

    /// Which envelopes are signed at `sequence`; `None` if no covered envelope says so.
    pub(super) fn mode(&self, sequence: u64) -> Option<Mode> {
        self.modes.range(..=sequence).next_back().map(|(_, &mode)| mode)
    }

    /// The highest number that anything claims.
    pub(super) fn last_claimed(&self) -> u64 {
        self.chain.last().max(self.filled.last()).unwrap_or(0)
    }
}

impl Said {
    fn size(&self) -> usize {
        let edges =
            self.edges.as_ref().map_or(0, |(id, data)| id.len() + data.as_ref().map_or(0, |data| data.len()));
        // The data of edges counts only up to 1 KiB: a user who asks for edges accepts memory beyond the bounds.
        let coverage = self.coverage.as_ref().map_or(0, |told| told.size());
        self.own.size() + edges.min(1024) + self.deed.as_ref().map_or(0, Told::size) + coverage
    }
}

const OTHER_AGENT: &str = "agentid is not that of the stream";
const RETIRED: &str = "sealed by a key after the stream announced its retirement";
const AFTER_CLOSE: &str = "the stream was closed before it";
