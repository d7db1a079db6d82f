//! Looking into a journal directory from outside, for `sinkwell journal` and `doctor`.
//!
//! Guarantees: [`list`] writes nothing, and holds the lock of a dead sub-journal only while it looks;
//! [`remove_acknowledged`] leaves every sub-journal alone whose process lives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::adopt::Adopted;
use super::cursor::CursorFile;
use super::dir::{self, Claim, Identity};
use super::heads::Head;
use super::io::error;
use super::read::Records;
use super::record::Position;
use super::survey::{Damage, DamageKind, Owner, Survey};
use crate::error::{Error, Result};
use crate::seam::Fs;

/// A journal directory, as it was at one instant.
pub struct Overview {
    /// Its sub-journals, in the order in which they were made.
    pub journals: Vec<SubJournal>,
    /// Segments that were set aside because something in them could not be read.
    pub damaged: Vec<PathBuf>,
}

/// One sub-journal, seen from outside.
pub struct SubJournal {
    /// Where it lies.
    pub path: PathBuf,
    /// Whose it is; `None` when that cannot be read, and nobody will adopt it.
    pub identity: Option<Identity>,
    /// Whether a process has it in use.
    pub in_use: bool,
    /// The last position acknowledged.
    pub acknowledged: Position,
    /// The last position there is.
    pub last: Position,
    /// Envelopes that wait to be delivered.
    pub unacknowledged: u64,
    /// Bytes of its segments, allocated ahead included.
    pub bytes: u64,
    /// The last known envelope of each agent's newest stream.
    pub heads: Vec<Head>,
    /// What could not be read; always empty while it is in use.
    pub damage: Vec<Damage>,
    fs: Arc<dyn Fs>,
    segments: Vec<PathBuf>,
}

impl SubJournal {
    /// Its envelopes behind `after`, oldest first.
    #[must_use]
    pub fn read_from(&self, after: Position) -> Records {
        Records::new(Arc::clone(&self.fs), self.segments.clone(), after, self.last)
    }

    /// Its segment files.
    #[must_use]
    pub fn segments(&self) -> &[PathBuf] {
        &self.segments
    }
}

/// Looks at every sub-journal in `dir`.
///
/// # Errors
/// There is no journal, it cannot be read, or another version of sinkwell wrote it.
pub fn list(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Overview> {
    let mut journals = Vec::new();
    for path in subdirectories(&**fs, dir)? {
        journals.extend(look(fs, &path)?);
    }
    let damaged = fs.list(&dir.join(dir::DAMAGED)).unwrap_or_default();
    Ok(Overview { journals, damaged })
}

fn subdirectories(fs: &dyn Fs, dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = dir::subdirectories(fs, dir)?;
    if dir::check(fs, dir)? {
        return Ok(entries);
    }
    Err(Error::journal("there is no journal here; give the directory that journal.dir names")
        .at(dir.display().to_string()))
}

fn look(fs: &Arc<dyn Fs>, path: &Path) -> Result<Option<SubJournal>> {
    let fail = |e: &io::Error| error(path, "look into a journal", e);
    let (identity, in_use) = match dir::look(&**fs, path) {
        Ok(seen) => seen,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(&e)),
    };
    let cursor = CursorFile::peek(&**fs, &path.join(dir::CURSOR)).map_err(|e| fail(&e))?;
    let owner = if in_use { Owner::Alive } else { Owner::Gone };
    let survey = match Survey::take(&**fs, path, cursor, owner) {
        Ok(survey) => survey,
        // The heir finished it while we looked.
        Err(_) if fs.open_read(&path.join(dir::OWNER)).is_err() => return Ok(None),
        Err(e) => return Err(e),
    };
    Ok(Some(SubJournal {
        path: path.to_owned(),
        identity,
        in_use,
        acknowledged: survey.acknowledged,
        last: survey.last,
        unacknowledged: survey.unacknowledged,
        bytes: survey.bytes,
        heads: survey.heads.sorted().into_iter().cloned().collect(),
        damage: survey.damage,
        fs: Arc::clone(fs),
        segments: survey.segments.into_iter().map(|segment| segment.path).collect(),
    }))
}

/// What [`remove_acknowledged`] did with a sub-journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Its process lives: left alone.
    InUse(PathBuf),
    /// Nobody can tell whose it is: left alone.
    Unknown(PathBuf),
    /// Everything in it was acknowledged: deleted.
    Whole(PathBuf),
    /// Its acknowledged segments were deleted; so many envelopes still wait.
    Part(PathBuf, u64),
}

/// Deletes, from sub-journals of dead processes, what has been acknowledged.
///
/// # Errors
/// As of [`list`], or a file cannot be removed.
pub fn remove_acknowledged(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Vec<Removed>> {
    let entries = subdirectories(&**fs, dir)?;
    let mut removed = Vec::new();
    for path in entries {
        let owned = match dir::claim(&**fs, &path, |_| true)? {
            Claim::Ours(owned) => owned,
            Claim::Held => {
                removed.push(Removed::InUse(path));
                continue;
            }
            Claim::Foreign => {
                removed.push(Removed::Unknown(path));
                continue;
            }
            Claim::Gone => continue,
        };
        let mut adopted = Adopted::open(Arc::clone(fs), owned)?;
        // An heir has yet to declare the damage, even if nothing else is left.
        let declared = adopted.damage().iter().all(|damage| damage.kind == DamageKind::TornTail);
        if declared && adopted.acknowledged() >= adopted.last() {
            adopted.remove()?;
            removed.push(Removed::Whole(path));
        } else {
            let position = adopted.acknowledged();
            adopted.ack(position)?;
            removed.push(Removed::Part(path, adopted.unacknowledged()));
        }
    }
    Ok(removed)
}
