//! The last acknowledged position of a sub-journal.
//!
//! Guarantees: what is read back is a position that was acknowledged once, or 0. If the cursor is lost or torn,
//! envelopes are sent again; none is ever skipped.
//!
//! Two slots of 512 bytes, written in turn, so that one is whole at any time:
//!
//! ```text
//!  0  8 bytes  "SWCURSOR"
//!  8  u64      how often it was written: the higher of two whole slots counts
//! 16  u64      position
//! 24  u32      CRC32C of the bytes before
//! ```

use std::io;
use std::path::Path;

use super::io::{read_up_to, write_all};
use super::record::{Position, array};
use super::segment::intact;
use crate::seam::{Fs, FsFile, Stat};

const MAGIC: &[u8; 8] = b"SWCURSOR";
const SLOT: usize = 512;
const USED: usize = 28;

pub(super) struct CursorFile {
    file: Box<dyn FsFile>,
    /// Which file that is: it stays the same as long as it is open.
    held: Stat,
    writes: u64,
    position: Position,
    dirty: bool,
}

impl CursorFile {
    /// Makes a cursor file and syncs it; the caller syncs the directory.
    pub(super) fn create(fs: &dyn Fs, path: &Path) -> io::Result<Self> {
        let mut file = fs.open(path, true)?;
        write_all(&mut *file, 0, &[0; 2 * SLOT])?;
        file.sync_data()?;
        Ok(Self { held: file.stat()?, file, writes: 0, position: Position(0), dirty: false })
    }

    /// Opens a cursor file, and makes it if it is not there.
    pub(super) fn open(fs: &dyn Fs, path: &Path) -> io::Result<Self> {
        let mut file = fs.open(path, true)?;
        let (writes, position) = parse(&read_up_to(&mut *file, 0, 2 * SLOT)?);
        Ok(Self { held: file.stat()?, file, writes, position, dirty: false })
    }

    /// The position in the file at `path`, without opening it for writing.
    pub(super) fn peek(fs: &dyn Fs, path: &Path) -> io::Result<Option<Position>> {
        match fs.open_read(path) {
            Ok(mut file) => {
                let (writes, position) = parse(&read_up_to(&mut *file, 0, 2 * SLOT)?);
                Ok((writes > 0).then_some(position))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// The position, unless the file never held one.
    pub(super) fn known(&self) -> Option<Position> {
        (self.writes > 0).then_some(self.position)
    }

    /// Sets the position that the segments tell, if the file has none.
    pub(super) fn assume(&mut self, position: Position) {
        self.position = self.position.max(position);
    }

    /// Moves to `position`, in the operating system's memory; never backwards.
    pub(super) fn advance(&mut self, position: Position) -> io::Result<()> {
        if position <= self.position {
            return Ok(());
        }
        let writes = self.writes + 1;
        let mut slot = [0; USED];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..16].copy_from_slice(&writes.to_le_bytes());
        slot[16..24].copy_from_slice(&position.0.to_le_bytes());
        let check = crc32c::crc32c(&slot[..24]);
        slot[24..].copy_from_slice(&check.to_le_bytes());
        write_all(&mut *self.file, (writes % 2) * SLOT as u64, &slot)?;
        (self.writes, self.position, self.dirty) = (writes, position, true);
        Ok(())
    }

    /// Whether the path still names this file.
    pub(super) fn check(&self, fs: &dyn Fs, path: &Path) -> io::Result<()> {
        intact(fs, path, &self.held, 0)
    }

    /// Makes the position durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> (u64, Position) {
    let slots = [bytes.get(..USED), bytes.get(SLOT..SLOT + USED)];
    slots
        .into_iter()
        .flatten()
        .filter(|slot| slot[..8] == *MAGIC && crc32c::crc32c(&slot[..24]).to_le_bytes() == slot[24..])
        .map(|slot| (u64::from_le_bytes(array(slot, 8)), Position(u64::from_le_bytes(array(slot, 16)))))
        .max()
        .unwrap_or((0, Position(0)))
}
