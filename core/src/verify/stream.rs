//! What is known of one stream while envelopes arrive.

use std::collections::BTreeMap;

use super::envelope::{Envelope, Stub, short};
use super::findings::Findings;
use super::own::LostRange;
use super::place::Place;
use super::ranges::Ranges;
use super::report::FindingKind;
use super::runs::{Added, Runs};
use crate::seam::Uuid;

/// A time as envelopes write it; these sort as text.
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
    fn observe(&mut self, end: End) {
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

/// A loss that the stream declares.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) lane: Option<u32>,
    pub(super) streamid: Option<Uuid>,
    pub(super) ranges: Vec<LostRange>,
    /// The declaration itself.
    pub(super) sequence: u64,
    pub(super) place: Place,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: Uuid,
    /// Its agent, by the first good envelope; by the first at all, if none is.
    pub(super) agentid: Box<str>,
    pub(super) agent_proven: bool,
    pub(super) envelopes: u64,
    /// Good envelopes and stubs.
    pub(super) runs: Runs,
    /// Numbers that only envelopes claim which failed their own check.
    pub(super) filled: Ranges,
    /// The lowest such number whose envelope says that it begins the stream.
    pub(super) filled_start: Option<u64>,
    /// Numbers of which only a stub is there.
    pub(super) stubs: Ranges,
    /// Where stubs are: the first of each run whose lines follow one another.
    stub_places: BTreeMap<u64, Place>,
    /// What a believed `retention` covers.
    pub(super) erasable: Ranges,
    /// Missing numbers that a believed declaration accounts for.
    pub(super) declared: Ranges,
    pub(super) good: Ends,
    pub(super) bad: Ends,
    /// The last good envelope's sequence and hash.
    pub(super) head: Option<(u64, [u8; 32])>,
    /// The source and sequence of the last arrival.
    arrived: Option<(u32, u64)>,
    pub(super) closed: Option<u64>,
    /// The number it begins with, where it follows another stream.
    pub(super) start: Option<u64>,
    /// The latest `recordedtime`.
    pub(super) heard: Option<Time>,
    pub(super) lane: Option<u32>,
    /// Whether all that is there are checkpoints: such a stream may be another lane's, whose checkpoints
    /// this one takes.
    pub(super) only_checkpoints: bool,
    /// Keys that announced their retirement, and when.
    retired: Vec<(usize, u64)>,
    /// The highest sequence of each key.
    sealed_by: Vec<(usize, u64, Place)>,
    pub(super) losses: Vec<Loss>,
    pub(super) findings: Findings,
}

/// What became of an envelope.
pub(super) enum Taken {
    /// It is in the chain, and what it says may be believed.
    Believed,
    /// It is a repeat, or fails.
    Not,
}

impl Stream {
    pub(super) fn new(id: Uuid) -> Self {
        Self {
            id,
            agentid: "".into(),
            agent_proven: false,
            envelopes: 0,
            runs: Runs::default(),
            filled: Ranges::default(),
            filled_start: None,
            stubs: Ranges::default(),
            stub_places: BTreeMap::new(),
            erasable: Ranges::default(),
            declared: Ranges::default(),
            good: Ends::default(),
            bad: Ends::default(),
            head: None,
            arrived: None,
            closed: None,
            start: None,
            heard: None,
            lane: None,
            only_checkpoints: true,
            retired: Vec::new(),
            sealed_by: Vec::new(),
            losses: Vec::new(),
            findings: Findings::default(),
        }
    }

    fn end(envelope: &Envelope<'_>, place: Place) -> End {
        let time = envelope.time.as_bytes().try_into().unwrap_or([0; 30]);
        End { sequence: envelope.sequence, time, place }
    }

    /// Takes an envelope that failed its own check: it fills the number that it claims.
    pub(super) fn fill(&mut self, envelope: &Envelope<'_>, place: Place) {
        let sequence = envelope.sequence;
        if self.agentid.is_empty() {
            self.agentid = (*envelope.agentid).into();
        }
        self.only_checkpoints = false;
        self.bad.observe(Self::end(envelope, place));
        if self.runs.get(sequence).is_none() {
            self.filled.insert(sequence, sequence);
            if envelope.prev.is_none() {
                self.filled_start = Some(self.filled_start.map_or(sequence, |start| start.min(sequence)));
            }
        }
    }

    /// Takes an envelope that is good by itself; `key` is the one that sealed it.
    pub(super) fn take(
        &mut self,
        envelope: &Envelope<'_>,
        key: Option<usize>,
        retiring: bool,
        place: Place,
    ) -> Taken {
        let sequence = envelope.sequence;
        if self.agent_proven && *self.agentid != *envelope.agentid {
            let note = "agentid is not that of the stream";
            self.envelopes += 1;
            self.fill(envelope, place);
            self.findings.at(FindingKind::Altered, sequence, place, note);
            return Taken::Not;
        }
        if let Some(key) = key
            && !retiring
            && self.retired.iter().any(|&(retired, at)| retired == key && sequence > at)
        {
            self.envelopes += 1;
            self.fill(envelope, place);
            self.findings.at(FindingKind::RetiredKey, sequence, place, RETIRED);
            return Taken::Not;
        }
        let hash = envelope.hash();
        let is_stub = self.stubs.contains(sequence);
        match self.runs.add(sequence, short(&hash), envelope.prev.as_ref().map(short), place) {
            Added::Same if is_stub => self.unstub(sequence),
            Added::Same => {
                self.findings.at(FindingKind::Duplicate, sequence, place, "the same envelope again: a retry");
                return Taken::Not;
            }
            Added::Other if is_stub => {
                let note = "a stub with the hash of another envelope stands for it";
                self.findings.at(FindingKind::Altered, sequence, place, note);
                self.runs.replace(sequence, short(&hash));
                self.unstub(sequence);
            }
            Added::Other => {
                self.envelopes += 1;
                let note = "another envelope with this sequence is good as well: forged, or a forked stream";
                self.findings.at(FindingKind::Conflict, sequence, place, note);
                return Taken::Not;
            }
            Added::New { broken } => self.broken(broken),
        }
        self.envelopes += 1;
        if !self.agent_proven {
            self.agentid = (*envelope.agentid).into();
            self.agent_proven = true;
        }
        self.filled.remove(sequence);
        if self.filled_start == Some(sequence) {
            self.filled_start = None;
        }
        if self.head.is_none_or(|(at, _)| sequence >= at) {
            self.head = Some((sequence, hash));
        }
        self.good.observe(Self::end(envelope, place));
        if let Ok(time) = envelope.recordedtime.as_bytes().try_into() {
            self.heard = self.heard.max(Some(time));
        }
        self.arrive(sequence, place);
        if let Some(key) = key {
            self.sealed(key, sequence, place);
        }
        if self.closed.is_some_and(|closed| sequence > closed) {
            self.findings.at(FindingKind::AfterClose, sequence, place, AFTER_CLOSE);
        }
        Taken::Believed
    }

    fn unstub(&mut self, sequence: u64) {
        self.stubs.remove(sequence);
    }

    fn broken(&mut self, broken: Vec<(u64, Place)>) {
        for (sequence, place) in broken {
            let note = "prevhash is not the hash of the envelope before it: one of the two was changed";
            self.findings.at(FindingKind::Altered, sequence, place, note);
        }
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

    /// Takes a stub.
    pub(super) fn stub(&mut self, stub: &Stub, place: Place) {
        let sequence = stub.sequence;
        match self.runs.add(sequence, short(&stub.hash), stub.prev.as_ref().map(short), place) {
            Added::Same => {}
            Added::Other => {
                let note = "a stub has the hash of another envelope than the one that is there";
                self.findings.at(FindingKind::Altered, sequence, place, note);
            }
            Added::New { broken } => {
                self.broken(broken);
                self.arrive(sequence, place);
                self.filled.remove(sequence);
                self.note_stub_place(sequence, place);
                self.stubs.insert(sequence, sequence);
                if self.head.is_none_or(|(at, _)| sequence >= at) {
                    self.head = Some((sequence, stub.hash));
                }
            }
        }
    }

    /// Where the stub of `sequence` is, or one before it.
    pub(super) fn stub_place(&self, sequence: u64) -> Option<Place> {
        let (start, place) = self.stub_places.range(..=sequence).next_back()?;
        Some(Place { line: place.line + (sequence - start), ..*place })
    }

    fn note_stub_place(&mut self, sequence: u64, place: Place) {
        /// However stubs lie, their places take no more than this.
        const MOST: usize = 4096;
        if self.stub_place(sequence) != Some(place) && self.stub_places.len() < MOST {
            self.stub_places.insert(sequence, place);
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
        if let Some(&(_, last, place)) =
            self.sealed_by.iter().find(|&&(k, last, _)| k == key && last > sequence)
        {
            self.findings.at(FindingKind::RetiredKey, last, place, RETIRED);
        }
    }

    /// The highest number that anything claims.
    pub(super) fn last_claimed(&self) -> u64 {
        self.runs.last().max(self.filled.last()).unwrap_or(0)
    }
}

const RETIRED: &str = "sealed by a key after the stream announced its retirement";
const AFTER_CLOSE: &str = "the stream was closed before it";
