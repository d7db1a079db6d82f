//! Room for the next append: adding segments within budget and floor, and removing acknowledged ones.
//!
//! Guarantees: while envelopes wait, the budget keeps room for one more segment, so that acknowledged segments can
//! always be removed; a durable segment holds the heads at any time; a failure to find room changes nothing.

use std::path::PathBuf;

use super::dir;
use super::io::error;
use super::record::{Kind, Position, array, encode};
use super::segment::{Active, DATA, Header, Name};
use super::store::{AppendError, Full, Journal};
use crate::error::{Error, Result};

/// How many acknowledged segments are kept for reuse.
const SPARES: usize = 2;

impl Journal {
    /// Makes sure that the active segment has room for `needed` bytes.
    pub(super) fn make_room(&mut self, needed: u64) -> Result<(), AppendError> {
        if self.active.as_ref().is_some_and(|active| active.room() >= needed) && !self.heads_pending {
            return Ok(());
        }
        self.sync().map_err(AppendError::Failed)?;
        if let Some(active) = self.active.take() {
            self.full.push_back(Full { path: active.path.clone(), last: self.last, size: active.size() });
            self.reclaim_or_later()?;
        }
        let wanted = DATA as u64 + self.heads.size() + needed;
        let size = wanted.max(self.segment_size).next_multiple_of(4096);
        let spare = match self.spares.iter().position(|&(_, spare)| spare >= wanted) {
            Some(i) => Some(self.spares.swap_remove(i)),
            None => {
                match self.find_space(size) {
                    Err(AppendError::Full(_)) if self.kept_from.take().is_some() => {
                        // Now the room is needed.
                        self.reclaim_or_later()?;
                        self.find_space(size)?;
                    }
                    found => found?,
                }
                None
            }
        };
        match self.start(size, spare.clone()) {
            Ok(active) => {
                self.active = Some(active);
                self.heads_pending = false;
                self.reclaim_or_later()
            }
            Err(e) => {
                if let Some((path, _)) = spare {
                    // Whatever its name is now, it holds nothing; at worst the heir removes it.
                    let _ = self.fs.remove_file(&path);
                }
                let path = self.owned.path.clone();
                Err(self.refuse(&path, "add a segment to the journal", &e))
            }
        }
    }

    /// A new segment that begins with the heads, all of it durable.
    pub(super) fn start(&mut self, size: u64, spare: Option<(PathBuf, u64)>) -> std::io::Result<Active> {
        let number = self.next_number;
        let scope = format!("journal/{}/{}", self.owned.identity.lane, self.owned.path.display());
        let random = self.random.bytes16(&scope, number);
        let salt = u64::from_le_bytes(array(&random, 0));
        let header = Header { reused: spare.is_some(), salt, number, base: self.last };
        let size = spare.as_ref().map_or(size, |&(_, size)| size);
        let spare = spare.as_ref().map(|(path, _)| path.as_path());
        self.buffer.clear();
        for head in self.heads.sorted() {
            encode(&mut self.buffer, header.seed(), Kind::Head, self.last, &head.as_record());
        }
        let active = Active::create(&*self.fs, &self.owned.path, header, size, spare, &self.buffer)?;
        self.next_number += 1;
        Ok(active)
    }

    /// Makes sure that a new segment of `size` bytes may be added; spare ones that are too small go first.
    fn find_space(&mut self, size: u64) -> Result<(), AppendError> {
        let full = match self.check_space(size) {
            Err(full @ AppendError::Full(_)) if !self.spares.is_empty() => full,
            checked => return checked,
        };
        for (spare, _) in std::mem::take(&mut self.spares) {
            if self.fs.remove_file(&spare).is_err() {
                return Err(full);
            }
        }
        self.check_space(size)
    }

    /// Whether the budget and the disk leave room for a new segment of `size` bytes.
    fn check_space(&mut self, size: u64) -> Result<(), AppendError> {
        let used = dir::bytes_used(&*self.fs, &self.dir).map_err(|e| self.cannot_measure(&e))?;
        // Room for one more segment is kept back while envelopes wait. A journal without waiting envelopes may use it:
        // its heads go there.
        let waiting = self.full.iter().any(|full| full.last > self.cursor.position());
        let reserve = if waiting { self.segment_size } else { 0 };
        if used + size + reserve > self.budget {
            return Err(AppendError::Full(
                Error::journal(format!(
                    "the journal's budget of {} bytes is used up by envelopes that are not acknowledged; \
                     mend the sink, or raise journal.budget",
                    self.budget
                ))
                .at(self.dir.display().to_string()),
            ));
        }
        let free = self.fs.free_space(&self.dir).map_err(|e| self.cannot_measure(&e))?;
        if free < self.floor.saturating_add(size) {
            return Err(AppendError::Full(
                Error::journal(format!(
                    "{free} bytes are free on the journal's file system, and journal.floor keeps {} of them \
                     free; free space there, or lower the floor",
                    self.floor
                ))
                .at(self.dir.display().to_string()),
            ));
        }
        Ok(())
    }

    fn cannot_measure(&mut self, cause: &std::io::Error) -> AppendError {
        let dir = self.dir.clone();
        AppendError::Failed(self.fail(&dir, "measure the journal", cause))
    }

    /// As [`Journal::reclaim`], but only a failure that ends the journal is an error.
    fn reclaim_or_later(&mut self) -> Result<(), AppendError> {
        match self.reclaim() {
            Err(e) if self.failed.is_some() => Err(AppendError::Failed(e)),
            _ => Ok(()),
        }
    }

    /// The last position whose segment may go.
    fn removable(&self) -> Position {
        let acknowledged = self.cursor.position();
        let Some(kept) = self.kept_from else { return acknowledged };
        let held =
            self.full.iter().filter(|full| full.last <= acknowledged).map(|full| full.size).sum::<u64>();
        if held > self.budget / 8 {
            acknowledged
        } else {
            acknowledged.min(Position(kept.0.saturating_sub(1)))
        }
    }

    /// Removes, or keeps for reuse, full segments that are acknowledged as a whole.
    pub(super) fn reclaim(&mut self) -> Result<()> {
        let acknowledged = self.removable();
        if self.full.front().is_none_or(|full| full.last > acknowledged) {
            return Ok(());
        }
        if let Err(e) = self.cursor.sync() {
            let path = self.owned.path.join(dir::CURSOR);
            return Err(self.fail(&path, "sync the journal's cursor", &e));
        }
        // While no segment is active, the newest full one is the only one that holds the heads.
        while (self.active.is_some() || self.full.len() > 1)
            && let Some(full) = self.full.front().filter(|full| full.last <= acknowledged)
        {
            // A segment that cannot be removed now is tried again at the next acknowledgement: nothing is lost by that.
            let fail = |e| error(&full.path, "reclaim a segment of the journal", &e);
            let keep = self.spares.len() < SPARES && full.size == self.segment_size;
            match Name::parse(&full.path) {
                Some(Name::Segment(number)) if keep => {
                    let spare = Name::Spare(number).within(&self.owned.path);
                    self.fs.rename(&full.path, &spare).map_err(fail)?;
                    self.spares.push((spare, full.size));
                }
                _ => self.fs.remove_file(&full.path).map_err(fail)?,
            }
            self.full.pop_front();
        }
        Ok(())
    }
}
