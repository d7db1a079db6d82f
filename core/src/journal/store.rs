//! The owner's side of a sub-journal: append, sync, acknowledge, reclaim.
//!
//! Guarantees: an append is written whole or refused whole; [`Journal::sync`] covers every append before
//! it; a segment is reclaimed only when all of it is acknowledged and the cursor that says so is durable.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::adopt::Adopted;
use super::cursor::CursorFile;
use super::dir::{self, Claim, Identity, Owned};
use super::heads::{Head, Heads};
use super::io::{error, no_room};
use super::read::Records;
use super::record::{Kind, Position, Record, Salt, encode, size};
use super::segment::{Active, DATA, complete};
use crate::error::{Error, Result};
use crate::seam::{Fs, Random, UnixNanos, Uuid};
use crate::settings::JournalConfig;

/// Why an append was refused. Nothing of it counts as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The budget, the floor of free space or the disk leaves no room. The journal is unchanged: append the same
    /// records again once something has been acknowledged.
    Full(Error),
    /// A write or sync failed, now or before. This journal takes nothing any more: drop it and open another, which
    /// adopts what can be read of it.
    Failed(Error),
    /// These records together are larger than half of the budget, and would not fit even into an empty journal: append
    /// fewer at a time. A single record that is too large can never be journaled.
    TooLarge(Error),
}

impl AppendError {
    /// The error to report.
    #[must_use]
    pub fn error(&self) -> &Error {
        match self {
            Self::Full(e) | Self::Failed(e) | Self::TooLarge(e) => e,
        }
    }
}

impl From<AppendError> for Error {
    fn from(e: AppendError) -> Self {
        match e {
            AppendError::Full(e) | AppendError::Failed(e) | AppendError::TooLarge(e) => e,
        }
    }
}

/// What a journal takes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of its files, allocated ahead included.
    pub bytes: u64,
    /// Its segment files, spare ones not counted.
    pub segments: usize,
    /// Envelopes appended and not acknowledged.
    pub unacknowledged: u64,
}

/// The smallest and the largest segment. In between it is a 16th of the budget, and never more than a quarter of it.
const SEGMENT: std::ops::RangeInclusive<u64> = (1 << 16)..=(8 << 20);

/// The journal of one durable lane in this process. No threads, no clock: whoever holds it appends, syncs
/// and acknowledges.
pub struct Journal {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) random: Arc<dyn Random>,
    pub(super) dir: PathBuf,
    pub(super) budget: u64,
    pub(super) floor: u64,
    pub(super) segment_size: u64,
    pub(super) owned: Owned,
    pub(super) cursor: CursorFile,
    pub(super) heads: Heads,
    /// Whether there are inherited heads that none of our segments holds yet.
    pub(super) heads_pending: bool,
    /// Full segments, oldest first.
    pub(super) full: VecDeque<Full>,
    pub(super) active: Option<Active>,
    pub(super) spares: Vec<(PathBuf, u64)>,
    pub(super) next_number: u64,
    pub(super) last: Position,
    synced: Position,
    pub(super) failed: Option<Error>,
    /// See [`Journal::keep_from`].
    pub(super) kept_from: Option<Position>,
    pub(super) buffer: Vec<u8>,
}

/// A segment that takes no more records.
pub(super) struct Full {
    pub(super) path: PathBuf,
    pub(super) last: Position,
    pub(super) size: u64,
}

impl Journal {
    /// Makes a journal of its own for `lane` in `config.dir`, and takes over what dead processes left there
    /// for the same lane and the same kind of sink, oldest first.
    ///
    /// The directory is made if its parent exists.
    ///
    /// # Errors
    /// Kind `journal`, naming the path: the directory cannot be made, read or written, or another version
    /// of sinkwell wrote it. Nothing in it has been changed then.
    pub fn open(
        fs: Arc<dyn Fs>,
        random: Arc<dyn Random>,
        config: &JournalConfig,
        lane: &str,
        sink: &str,
        now: UnixNanos,
    ) -> Result<(Self, Vec<Adopted>)> {
        dir::prepare(&*fs, &config.dir)?;
        dir::sweep(&*fs, &config.dir);
        let adopted = adopt_all(&fs, &config.dir, lane, sink)?;
        let identity = Identity { lane: lane.to_owned(), sink: sink.to_owned(), pid: std::process::id() };
        let scope = format!("journal/{lane}");
        let (owned, cursor) =
            dir::create(&*fs, &config.dir, identity, |n| Uuid::v7(now, random.bytes16(&scope, n)))?;
        let mut heads = Heads::default();
        for head in adopted.iter().flat_map(Adopted::heads) {
            heads.inherit(head);
        }
        let journal = Self {
            fs,
            random,
            dir: config.dir.clone(),
            budget: config.budget,
            floor: config.floor,
            segment_size: (config.budget / 16).clamp(*SEGMENT.start(), *SEGMENT.end()).min(config.budget / 4)
                / 4096
                * 4096,
            owned,
            cursor,
            heads_pending: !heads.is_empty(),
            heads,
            full: VecDeque::new(),
            active: None,
            spares: Vec::new(),
            next_number: 1,
            last: Position(0),
            synced: Position(0),
            failed: None,
            kept_from: None,
            buffer: Vec::new(),
        };
        Ok((journal, adopted))
    }

    /// Where this sub-journal lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.owned.path
    }

    /// The newest known stream of `agentid`, of this process or an earlier one: the next stream's `follows` names it.
    #[must_use]
    pub fn head(&self, agentid: &str) -> Option<&Head> {
        self.heads.get(agentid)
    }

    /// The last position appended; 0 when nothing was.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// The last position that a sync covers.
    #[must_use]
    pub fn synced(&self) -> Position {
        self.synced
    }

    /// The last position acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> Position {
        self.cursor.position()
    }

    /// The failure that ended this journal, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// Appends `records`, all or none, and gives the position of the last one; they are numbered without
    /// gaps. Durable only after [`Journal::sync`].
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&mut self, records: &[Record<'_>]) -> Result<Position, AppendError> {
        self.usable().map_err(AppendError::Failed)?;
        let mut needed = 0;
        for record in records {
            let size = size(record).ok_or_else(|| self.too_large())?;
            needed += size as u64;
        }
        // A new segment and the one before it must fit into the budget together.
        if needed.saturating_add(self.heads.size() + DATA as u64 + 4096) > self.budget / 2 {
            return Err(self.too_large());
        }
        self.make_room(needed)?;
        let Some(active) = &mut self.active else { return Err(AppendError::Failed(internal())) };

        self.buffer.clear();
        let seed: Salt = active.header.seed();
        let mut position = self.last;
        for record in records {
            position.0 += 1;
            encode(&mut self.buffer, seed, Kind::Envelope, position, record);
        }
        if let Err(e) = active.append(&self.buffer) {
            let path = active.path.clone();
            return Err(self.refuse(&path, "write to the journal", &e));
        }
        for record in records {
            self.heads.note(record);
        }
        self.last = position;
        Ok(position)
    }

    /// Makes everything appended durable, and gives the last position covered.
    ///
    /// # Errors
    /// A failed sync is final, and so is a file that somebody else removed, replaced or cut: see
    /// [`AppendError::Failed`].
    pub fn sync(&mut self) -> Result<Position> {
        self.usable()?;
        if let Some(active) = &mut self.active
            && let Err(e) = active.sync()
        {
            let path = active.path.clone();
            return Err(self.fail(&path, "sync the journal", &e));
        }
        self.intact()?;
        self.synced = self.last;
        Ok(self.synced)
    }

    /// Compares the journal's files with their paths: whether the next process can find what is in this journal, so
    /// that nothing counts as on disk that somebody else removed, replaced or cut.
    fn intact(&mut self) -> Result<()> {
        let fs = Arc::clone(&self.fs);
        if let Some(active) = &self.active
            && let Err(e) = active.check(&*fs)
        {
            let path = active.path.clone();
            return Err(self.fail(&path, "keep the journal", &e));
        }
        if let Err(e) = self.owned.check(&*fs) {
            let path = self.owned.path.join(dir::OWNER);
            return Err(self.fail(&path, "keep the journal", &e));
        }
        let cursor = self.owned.path.join(dir::CURSOR);
        if let Err(e) = self.cursor.check(&*fs, &cursor) {
            return Err(self.fail(&cursor, "keep the journal", &e));
        }
        let gone = self
            .full
            .iter()
            .find_map(|full| complete(&*fs, &full.path, full.size).err().map(|e| (full.path.clone(), e)));
        match gone {
            Some((path, e)) => Err(self.fail(&path, "keep the journal", &e)),
            None => Ok(()),
        }
    }

    /// Everything up to `position` has been delivered: it will not be sent again, and its segment is removed once all
    /// of it is acknowledged. The operating system has the position at once, the disk later: after a power failure the
    /// last acknowledgements may be forgotten, and their envelopes sent again.
    ///
    /// # Errors
    /// The cursor cannot be written: what was acknowledged may be sent again after a crash. Or a segment
    /// cannot be removed: the next acknowledgement tries again. [`Journal::failure`] tells whether the
    /// journal goes on.
    pub fn ack(&mut self, position: Position) -> Result<()> {
        self.usable()?;
        if position > self.last {
            return Err(Error::invalid_argument(format!(
                "position {} was never appended; the last one is {}",
                position.0, self.last.0
            )));
        }
        if let Err(e) = self.cursor.advance(position) {
            return Err(self.refuse_cursor(&e));
        }
        self.reclaim()
    }

    /// Has what was appended from here on stay on disk although it is acknowledged, until nothing is asked for any more,
    /// or as long as nobody needs the room: at most an eighth of the budget.
    pub fn keep_from(&mut self, position: Option<Position>) {
        self.kept_from = position;
    }

    /// Envelopes still on disk behind `after`, acknowledged or not, oldest first: for `repair`.
    ///
    /// # Errors
    /// None now; the iterator yields them.
    pub fn read_from(&self, after: Position) -> Result<Records> {
        self.owned.check_process()?;
        let paths = self.full.iter().map(|full| full.path.clone());
        let paths = paths.chain(self.active.as_ref().map(|active| active.path.clone()));
        Ok(Records::new(Arc::clone(&self.fs), paths, after, self.last))
    }

    /// The position of an envelope that is still on disk.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn find(&self, streamid: Uuid, sequence: u64) -> Result<Option<Position>> {
        super::read::find(self.read_from(Position(0))?, streamid, sequence)
    }

    /// What this sub-journal takes on disk.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let full: u64 = self.full.iter().map(|full| full.size).sum();
        let spare: u64 = self.spares.iter().map(|(_, size)| size).sum();
        Usage {
            bytes: full + spare + self.active.as_ref().map_or(0, Active::size),
            segments: self.full.len() + usize::from(self.active.is_some()),
            unacknowledged: self.last.0 - self.cursor.position().0,
        }
    }

    /// Ends this sub-journal in good order: everything is synced, and nothing stays allocated ahead. What is not
    /// acknowledged, or is to be kept, stays for the next process, and so do, in a few hundred bytes, the heads of the streams.
    ///
    /// # Errors
    /// As of [`Journal::sync`]. Nothing that was durable is lost.
    pub fn close(mut self) -> Result<()> {
        self.sync()?;
        let path = self.owned.path.clone();
        let fail = |e: &std::io::Error| error(&path, "close the journal", e);
        for (spare, _) in std::mem::take(&mut self.spares) {
            self.fs.remove_file(&spare).map_err(|e| fail(&e))?;
        }
        self.cursor.sync().map_err(|e| fail(&e))?;
        if self.last > self.cursor.position() || self.kept_from.is_some() {
            return self.active.as_mut().map_or(Ok(()), |active| active.trim().map_err(|e| fail(&e)));
        }
        if self.heads.is_empty() {
            return dir::remove(&*self.fs, &path).map_err(|e| fail(&e));
        }
        // Only the heads are needed: a segment just large enough for them takes the place of all others.
        let old = self.active.take().map(|active| active.path);
        let size = DATA as u64 + self.heads.size();
        let active = self.start(size, None).map_err(|e| fail(&e))?;
        self.active = Some(active);
        for path in self.full.drain(..).map(|full| full.path).chain(old) {
            self.fs.remove_file(&path).map_err(|e| fail(&e))?;
        }
        Ok(())
    }

    /// Writes the inherited heads, so that the sub-journals that they came from can be deleted.
    pub(super) fn keep_heads(&mut self) -> Result<(), AppendError> {
        self.usable().map_err(AppendError::Failed)?;
        if self.heads_pending {
            self.make_room(0)?;
        }
        Ok(())
    }

    fn usable(&self) -> Result<()> {
        self.owned.check_process()?;
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// `Full` if there was no room, else a final failure.
    pub(super) fn refuse(&mut self, path: &Path, what: &str, cause: &std::io::Error) -> AppendError {
        if no_room(cause) {
            return AppendError::Full(error(path, what, cause));
        }
        AppendError::Failed(self.fail(path, what, cause))
    }

    fn refuse_cursor(&mut self, cause: &std::io::Error) -> Error {
        let path = self.owned.path.join(dir::CURSOR);
        self.refuse(&path, "write the journal's cursor", cause).into()
    }

    /// Ends this journal: nothing is written to it any more.
    pub(super) fn fail(&mut self, path: &Path, what: &str, cause: &std::io::Error) -> Error {
        let error = error(path, what, cause);
        self.failed = Some(error.clone());
        if let Some(active) = self.active.take() {
            // Takes no more records, but can still be read.
            self.full.push_back(Full { path: active.path.clone(), last: self.last, size: active.size() });
        }
        error
    }

    fn too_large(&self) -> AppendError {
        AppendError::TooLarge(
            Error::journal(format!(
                "these envelopes are larger than half of the journal's budget of {} bytes; raise journal.budget",
                self.budget
            ))
            .at(self.dir.display().to_string()),
        )
    }
}

fn internal() -> Error {
    Error::internal("the journal has no active segment")
}

/// Takes over every sub-journal of the lane whose process is gone.
fn adopt_all(fs: &Arc<dyn Fs>, dir: &Path, lane: &str, sink: &str) -> Result<Vec<Adopted>> {
    let mut adopted = Vec::new();
    let mut held = Vec::new();
    let mut take = |path: PathBuf, held: &mut Vec<PathBuf>| -> Result<()> {
        match dir::claim(&**fs, &path, |id| id.lane == lane && id.sink == sink)? {
            Claim::Ours(owned) => adopted.push(Adopted::open(Arc::clone(fs), owned)?),
            Claim::Held => held.push(path),
            Claim::Foreign | Claim::Gone => {}
        }
        Ok(())
    };
    for path in dir::subdirectories(&**fs, dir)? {
        take(path, &mut held)?;
    }
    // They may have been held only for an instant, by somebody who looks: `sinkwell journal ls` locks a sub-journal
    // meanwhile.
    for path in held {
        take(path, &mut Vec::new())?;
    }
    Ok(adopted)
}

#[cfg(test)]
impl Journal {
    /// Makes the journal look as if this process were a child of the one that opened it.
    pub(super) fn pretend_forked(&mut self) {
        self.owned.process = crate::seam::fork::Process::another();
    }
}
