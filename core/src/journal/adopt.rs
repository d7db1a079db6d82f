//! The side of the heir, that is, of the process that adopts the sub-journal of a dead one.
//!
//! Guarantees: nothing is added to the sub-journal; its envelopes are given out byte for byte, oldest first; it is
//! deleted only once all of them are acknowledged and its heads are kept elsewhere. Segments in which something could
//! not be read are set aside instead of deleted.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::cursor::CursorFile;
use super::dir::{self, Identity, Owned};
use super::heads::Head;
use super::io::error;
use super::read::{self, Records};
use super::record::Position;
use super::store::{AppendError, Journal};
use super::survey::{Damage, Owner, Segment, Survey};
use crate::error::{Error, Result};
use crate::seam::{Fs, Uuid};

/// What a dead process of the same lane left.
pub struct Adopted {
    fs: Arc<dyn Fs>,
    owned: Owned,
    cursor: CursorFile,
    segments: VecDeque<Segment>,
    heads: Vec<Head>,
    damage: Vec<Damage>,
    last: Position,
    unacknowledged: u64,
    finished: bool,
}

impl Adopted {
    pub(super) fn open(fs: Arc<dyn Fs>, owned: Owned) -> Result<Self> {
        let path = owned.path.join(dir::CURSOR);
        let mut cursor =
            CursorFile::open(&*fs, &path).map_err(|e| error(&path, "read the journal's cursor", &e))?;
        let survey = Survey::take(&*fs, &owned.path, cursor.known(), Owner::Gone)?;
        cursor.assume(survey.acknowledged);
        // The dead process's last writes may be only in the operating system's memory. They are synced first, as a
        // receiver must never hold what the journal then loses in a power failure.
        if let Some(newest) = survey.segments.last() {
            fs.open(&newest.path, false)
                .and_then(|mut file| file.sync_data())
                .map_err(|e| error(&newest.path, "sync an abandoned journal", &e))?;
        }
        Ok(Self {
            fs,
            owned,
            cursor,
            heads: survey.heads.sorted().into_iter().cloned().collect(),
            segments: survey.segments.into(),
            damage: survey.damage,
            last: survey.last,
            unacknowledged: survey.unacknowledged,
            finished: false,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.owned.path
    }

    /// Whose it was.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.owned.identity
    }

    /// The last known envelope of each agent's newest stream.
    #[must_use]
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// What could not be read, to be declared.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The last position in it; what is not acknowledged up to here must be sent again.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// The last position acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> Position {
        self.cursor.position()
    }

    /// How many envelopes waited when it was adopted.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.unacknowledged
    }

    /// The envelopes that are not acknowledged, oldest first.
    #[must_use]
    pub fn records(&self) -> Records {
        self.read_from(self.cursor.position())
    }

    /// Envelopes still on disk behind `after`, acknowledged or not, oldest first.
    #[must_use]
    pub fn read_from(&self, after: Position) -> Records {
        let paths = self.segments.iter().map(|segment| segment.path.clone());
        Records::new(Arc::clone(&self.fs), paths, after, self.last)
    }

    /// The position of an envelope that is still on disk.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn find(&self, streamid: Uuid, sequence: u64) -> Result<Option<Position>> {
        read::find(self.read_from(Position(0)), streamid, sequence)
    }

    /// Everything up to `position` has been delivered. Segments that are fully acknowledged are deleted; damaged ones
    /// are set aside.
    ///
    /// # Errors
    /// The cursor cannot be written, or a segment not removed; what was acknowledged may be sent again.
    pub fn ack(&mut self, position: Position) -> Result<()> {
        self.owned.check_process()?;
        if position > self.last {
            return Err(Error::invalid_argument(format!(
                "position {} is not in this journal; its last one is {}",
                position.0, self.last.0
            )));
        }
        let cursor = self.owned.path.join(dir::CURSOR);
        let failed = |e| error(&cursor, "write the journal's cursor", &e);
        self.cursor.advance(position).map_err(failed)?;
        let acknowledged = self.cursor.position();
        // The newest segment stays to the end, as it holds the heads. If it holds no envelopes, its making may have
        // been cut short, and the one before it must stay for the heads.
        let stay = if self.segments.back().is_some_and(|newest| newest.empty) { 2 } else { 1 };
        if self.segments.len() <= stay || self.segments[0].last > acknowledged {
            return Ok(());
        }
        self.cursor.sync().map_err(failed)?;
        while self.segments.len() > stay && self.segments[0].last <= acknowledged {
            self.drop_first()?;
        }
        Ok(())
    }

    /// Deletes this sub-journal, all of which is acknowledged; `journal` keeps its heads.
    ///
    /// # Errors
    /// Not everything is acknowledged, `journal` cannot take the heads now, or a file cannot be removed.
    /// It can be called again.
    pub fn finish(&mut self, journal: &mut Journal) -> Result<(), AppendError> {
        self.owned.check_process().map_err(AppendError::Failed)?;
        if self.finished {
            return Ok(());
        }
        if self.cursor.position() < self.last {
            let left = self.last.0 - self.cursor.position().0;
            let message = format!("{left} envelopes of this journal are not acknowledged yet");
            return Err(AppendError::Full(Error::journal(message).at(self.owned.path.display().to_string())));
        }
        journal.keep_heads()?;
        self.remove().map_err(AppendError::Failed)
    }

    /// Deletes this sub-journal without keeping its heads anywhere.
    pub(super) fn remove(&mut self) -> Result<()> {
        while !self.segments.is_empty() {
            self.drop_first()?;
        }
        let path = &self.owned.path;
        dir::remove(&*self.fs, path).map_err(|e| error(path, "remove a finished journal", &e))?;
        self.finished = true;
        Ok(())
    }

    fn drop_first(&mut self) -> Result<()> {
        let Some(segment) = self.segments.front() else { return Ok(()) };
        let done = if segment.damaged {
            dir::set_aside(&*self.fs, &self.owned.path, &segment.path).map(|_| ())
        } else {
            self.fs.remove_file(&segment.path)
        };
        match done {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(error(&segment.path, "remove a segment of the journal", &e))
            }
            _ => {
                self.segments.pop_front();
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for Adopted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { last, unacknowledged, damage, .. } = self;
        write!(f, "Adopted({}, {unacknowledged} of {} waiting, ", self.owned.path.display(), last.0)?;
        write!(f, "{} damaged)", damage.len())
    }
}
