//! Envelopes in the order in which they were appended, one segment in memory at a time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::io::error;
use super::record::{Kind, Position, Stored};
use super::scan::{Scan, Step};
use super::segment::{Name, load};
use crate::error::Result;
use crate::seam::{Fs, Uuid};

/// Envelopes of a sub-journal, oldest first. A segment that was reclaimed meanwhile is passed over: all of
/// it is acknowledged.
pub struct Records {
    fs: Arc<dyn Fs>,
    paths: VecDeque<PathBuf>,
    /// From the segment that was loaded last.
    loaded: std::vec::IntoIter<Stored>,
    /// The last position not wanted; later, the last one given.
    after: Position,
    until: Position,
}

impl Records {
    /// Those in `paths` behind `after` and up to `until`.
    pub(super) fn new(
        fs: Arc<dyn Fs>,
        paths: impl IntoIterator<Item = PathBuf>,
        after: Position,
        until: Position,
    ) -> Self {
        Self { fs, paths: paths.into_iter().collect(), loaded: Vec::new().into_iter(), after, until }
    }

    fn load(&self, path: &Path) -> Result<Vec<Stored>> {
        let (header, bytes) = match load(&*self.fs, path) {
            Ok(loaded) => loaded,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(error(path, "read a segment of the journal", &e)),
        };
        // Whoever listed the segment has reported it if it cannot be read, or is another one by now.
        let Ok(header) = header else { return Ok(Vec::new()) };
        if Name::parse(path) != Some(Name::Segment(header.number)) {
            return Ok(Vec::new());
        }
        let wanted = Scan::new(&bytes, header.seed(), header.reused).filter_map(|step| match step {
            Step::Record(found)
                if found.kind == Kind::Envelope
                    && found.position > self.after
                    && found.position <= self.until =>
            {
                Some(found.to_stored())
            }
            _ => None,
        });
        Ok(wanted.collect())
    }
}

impl Iterator for Records {
    type Item = Result<Stored>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(stored) = self.loaded.next() {
                self.after = stored.position;
                return Some(Ok(stored));
            }
            let path = self.paths.pop_front()?;
            match self.load(&path) {
                Ok(loaded) => self.loaded = loaded.into_iter(),
                Err(e) => {
                    self.paths.clear();
                    return Some(Err(e));
                }
            }
        }
    }
}

/// The position of the first envelope with that place in that stream.
pub(super) fn find(records: Records, streamid: Uuid, sequence: u64) -> Result<Option<Position>> {
    for stored in records {
        let stored = stored?;
        if stored.streamid == streamid && stored.sequence == sequence {
            return Ok(Some(stored.position));
        }
    }
    Ok(None)
}
