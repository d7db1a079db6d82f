//! What a sub-journal holds: its segments read through once.
//!
//! Guarantees: nothing is written. The numbering of positions tells which envelopes should be there; each that is not
//! is in a [`Damage`], with the sequences that its stream is missing.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::heads::{Head, Heads};
use super::io::error;
use super::record::{FoundRecord, Kind, Position};
use super::scan::{Scan, Step};
use super::segment::{BadHeader, Name, VERSION, load};
use crate::error::{Error, Result};
use crate::seam::{Fs, Uuid};

/// What kind of damage was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The last record was begun and not finished: the write that a crash cut short. It was never synced.
    TornTail,
    /// Bytes before a whole record that are no record.
    Hole,
    /// A segment whose header cannot be read.
    Header,
    /// Envelopes are missing whose bytes are nowhere: the end of a segment, or a segment as a whole.
    Missing,
}

impl DamageKind {
    /// The name, as reports show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TornTail => "torn_tail",
            Self::Hole => "hole",
            Self::Header => "header",
            Self::Missing => "missing",
        }
    }
}

/// Sequences of a stream that are missing; inclusive. Numbers that the stream itself declared as skipped
/// may be among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRange {
    /// The stream.
    pub streamid: Uuid,
    /// First missing sequence.
    pub from: u64,
    /// Last missing sequence.
    pub to: u64,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What.
    pub kind: DamageKind,
    /// The file.
    pub path: PathBuf,
    /// The bytes of the file: from, to (exclusive).
    pub bytes: (u64, u64),
    /// The positions of the lost envelopes, inclusive; `None` if it is known that none is lost.
    pub positions: Option<(Position, Position)>,
    /// The sequences of the lost envelopes by stream, as far as what follows the damage shows them.
    pub lost: Vec<LostRange>,
}

impl Damage {
    /// How many envelopes are lost.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.positions.map_or(0, |(from, to)| to.0 - from.0 + 1)
    }
}

/// One segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The last envelope that is in it or lost with it.
    pub(super) last: Position,
    pub(super) damaged: bool,
    /// Whether it holds no envelope: its making may have been cut short, so that it lacks the heads.
    pub(super) empty: bool,
}

/// What a sub-journal holds.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) segments: Vec<Segment>,
    pub(super) heads: Heads,
    pub(super) damage: Vec<Damage>,
    pub(super) acknowledged: Position,
    pub(super) last: Position,
    /// Whole envelopes behind the cursor.
    pub(super) unacknowledged: u64,
    pub(super) bytes: u64,
    /// For each stream its last sequence, and how many damages were known when that was seen.
    seen: HashMap<Uuid, (u64, usize)>,
    /// Whether the last damage came after the last whole record, so that it explains what is missing next.
    fresh: bool,
}

/// Whether the owner may be writing meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Gone,
    /// Segments may come and go while they are read, and a half-written record is no damage.
    Alive,
}

impl Survey {
    /// Reads the sub-journal at `dir`, whose cursor is at `cursor` (`None`: it cannot be read).
    pub(super) fn take(fs: &dyn Fs, dir: &Path, cursor: Option<Position>, owner: Owner) -> Result<Self> {
        let mut survey = Self { acknowledged: cursor.unwrap_or_default(), ..Self::default() };
        let mut expected = cursor;
        let entries = fs.list(dir).map_err(|e| error(dir, "list the journal's directory", &e))?;
        for path in entries {
            let Some(Name::Segment(number)) = Name::parse(&path) else { continue };
            let (header, bytes) = match load(fs, &path) {
                Ok(loaded) => loaded,
                Err(e) if e.kind() == io::ErrorKind::NotFound && owner == Owner::Alive => continue,
                Err(e) => return Err(error(&path, "read a segment of the journal", &e)),
            };
            survey.bytes += bytes.len() as u64;
            let header = match header {
                Ok(header) if header.number == number => header,
                // The power failed while an acknowledged segment was being reused as this newer one.
                Ok(_) => continue,
                Err(BadHeader::Version(version)) => return Err(other_version(&path, version)),
                Err(BadHeader::Damaged) => {
                    survey.unreadable(path, bytes.len());
                    continue;
                }
            };
            if expected.is_none() {
                // Without a cursor all that is there counts as unacknowledged, and nothing before it.
                survey.acknowledged = header.base;
                survey.last = header.base;
                expected = Some(header.base);
            }
            survey.missing_until(&path, header.base, bytes.len());
            survey.segment(path, &bytes, header.seed(), header.reused);
        }
        if owner == Owner::Alive {
            survey.damage.clear();
        }
        survey.last = survey.last.max(survey.acknowledged);
        Ok(survey)
    }

    fn segment(&mut self, path: PathBuf, bytes: &[u8], seed: u32, reused: bool) {
        let (mut damaged, mut empty) = (false, true);
        for step in Scan::new(bytes, seed, reused) {
            match step {
                Step::Record(found) => {
                    empty &= found.kind == Kind::Head;
                    self.record(&path, &found, bytes.len());
                }
                Step::Hole(from, to) => {
                    damaged = true;
                    self.report(DamageKind::Hole, &path, from, to);
                }
                Step::End { at, torn: true } => {
                    self.report(DamageKind::TornTail, &path, at, bytes.len());
                }
                Step::End { .. } => {}
            }
        }
        self.segments.push(Segment { path, last: self.last, damaged, empty });
    }

    fn record(&mut self, path: &Path, found: &FoundRecord<'_>, len: usize) {
        let r = &found.record;
        if found.kind == Kind::Envelope {
            self.missing_until(path, Position(found.position.0 - 1), len);
            self.last = found.position;
            self.unacknowledged += u64::from(found.position > self.acknowledged);
            self.heads.note(r);
        } else {
            self.missing_until(path, found.position, len);
            self.heads.inherit(&Head::of(r));
        }
        self.fresh = false;
        let first = if found.kind == Kind::Envelope { r.sequence } else { r.sequence + 1 };
        if let Some(&(last, known)) = self.seen.get(&r.streamid)
            && let Some(damage) = self.damage[known..].iter_mut().rev().find(|d| d.positions.is_some())
            && first > last + 1
        {
            damage.lost.push(LostRange { streamid: r.streamid, from: last + 1, to: first - 1 });
        }
        let last = self.seen.get(&r.streamid).map_or(r.sequence, |&(last, _)| last.max(r.sequence));
        self.seen.insert(r.streamid, (last, self.damage.len()));
    }

    /// All envelopes up to `position` must have been seen by now; the others are lost.
    fn missing_until(&mut self, path: &Path, position: Position, len: usize) {
        let from = Position(self.last.0.max(self.acknowledged.0) + 1);
        if position >= from {
            // The damage just reported explains the loss; if there is none, nothing is left of these envelopes.
            match self.damage.last_mut() {
                Some(d) if self.fresh && d.positions.is_none() => d.positions = Some((from, position)),
                _ => {
                    self.report(DamageKind::Missing, path, len, len);
                    if let Some(d) = self.damage.last_mut() {
                        d.positions = Some((from, position));
                    }
                }
            }
        }
        self.last = self.last.max(position);
    }

    fn report(&mut self, kind: DamageKind, path: &Path, from: usize, to: usize) {
        self.damage.push(Damage {
            kind,
            path: path.to_owned(),
            bytes: (from as u64, to as u64),
            positions: None,
            lost: Vec::new(),
        });
        self.fresh = true;
    }

    fn unreadable(&mut self, path: PathBuf, len: usize) {
        self.report(DamageKind::Header, &path, 0, len);
        self.segments.push(Segment { path, last: self.last, damaged: true, empty: true });
    }
}

/// The error for a journal that another version wrote.
pub(super) fn other_version(path: &Path, version: u32) -> Error {
    Error::journal(format!(
        "this journal has layout version {version}, and this build reads version {VERSION}; let the version \
         that wrote it deliver what is left, or set journal.dir to another directory"
    ))
    .at(path.display().to_string())
}
