//! The segment: one file of the log, allocated before it is written.
//!
//! Guarantees: a segment's name, header and allocation are durable before the first record is written there, so that
//! what a sync of the file covers can be found again. A record is written past the bytes that the disk already holds
//! (zeros or stale ones) only if its batch is so large that the cost of that hardly counts.
//!
//! ```text
//!    0  8 bytes  "SWJOURNL"
//!    8  u32      version of the layout
//!   12  u32      1 when the file held an older segment: what follows the records is then stale
//!   16  u64      salt
//!   24  u64      number, as in the file's name
//!   32  u64      position before the first envelope
//!   40  u32      CRC32C of the bytes before
//! 2048           the same again, should the first copy be damaged
//! 4096           records, each at a multiple of 8
//! ```
//!
//! A sync is fast only when it writes nothing but data: `fallocate` reserves the blocks, and zeros written
//! a [`RUNWAY`] ahead turn them from reserved into written, which otherwise every sync would have to record.

use std::io;
use std::path::{Path, PathBuf};

use super::io::{read_up_to, write_all};
use super::record::{Position, Salt, array};
use crate::seam::{Fs, FsFile, Stat};

/// The layout this build writes and reads.
pub(super) const VERSION: u32 = 2;
/// Where records begin.
pub(super) const DATA: usize = 4096;
const MAGIC: &[u8; 8] = b"SWJOURNL";
const COPY: usize = 2048;
const USED: usize = 44;
/// How far ahead of the records zeros are written.
const RUNWAY: u64 = 1 << 20;
/// A write of this size hardly feels the cost of its own change of extents; zeros written ahead of it would only double
/// it.
const LARGE: usize = 1 << 18;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) reused: bool,
    pub(super) salt: u64,
    pub(super) number: u64,
    /// The position before its first envelope.
    pub(super) base: Position,
}

/// Why a header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Version(u32),
    Damaged,
}

impl Header {
    /// Where the checksums of the records start.
    pub(super) fn seed(&self) -> Salt {
        crc32c::crc32c(&self.salt.to_le_bytes())
    }

    fn encode(&self) -> Vec<u8> {
        let mut copy = [0; USED];
        copy[..8].copy_from_slice(MAGIC);
        copy[8..12].copy_from_slice(&VERSION.to_le_bytes());
        copy[12..16].copy_from_slice(&u32::from(self.reused).to_le_bytes());
        copy[16..24].copy_from_slice(&self.salt.to_le_bytes());
        copy[24..32].copy_from_slice(&self.number.to_le_bytes());
        copy[32..40].copy_from_slice(&self.base.0.to_le_bytes());
        let check = crc32c::crc32c(&copy[..40]);
        copy[40..].copy_from_slice(&check.to_le_bytes());
        let mut block = vec![0; DATA];
        block[..USED].copy_from_slice(&copy);
        block[COPY..COPY + USED].copy_from_slice(&copy);
        block
    }

    /// Reads the header of a segment from its first bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let copies = [bytes.get(..USED), bytes.get(COPY..COPY + USED)];
        let whole = copies
            .into_iter()
            .flatten()
            .find(|copy| copy[..8] == *MAGIC && crc32c::crc32c(&copy[..40]).to_le_bytes() == copy[40..]);
        let Some(copy) = whole else { return Err(BadHeader::Damaged) };
        let version = u32::from_le_bytes(array(copy, 8));
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        Ok(Self {
            reused: copy[12] != 0,
            salt: u64::from_le_bytes(array(copy, 16)),
            number: u64::from_le_bytes(array(copy, 24)),
            base: Position(u64::from_le_bytes(array(copy, 32))),
        })
    }
}

/// What a file of a sub-journal is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Segment(u64),
    Spare(u64),
}

impl Name {
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if let Some(number) = name.strip_prefix("spare.") {
            return number.parse().ok().map(Self::Spare);
        }
        name.strip_suffix(".log")?.parse().ok().map(Self::Segment)
    }

    pub(super) fn within(self, dir: &Path) -> PathBuf {
        match self {
            Self::Segment(number) => dir.join(format!("{number:010}.log")),
            Self::Spare(number) => dir.join(format!("spare.{number:010}")),
        }
    }
}

/// The segment that is being written.
pub(super) struct Active {
    pub(super) header: Header,
    pub(super) path: PathBuf,
    file: Box<dyn FsFile>,
    /// Which file that is: it stays the same as long as it is open.
    held: Stat,
    size: u64,
    /// Where the next record goes.
    tail: u64,
    /// Up to where the disk blocks have been written at least once.
    written: u64,
    dirty: bool,
}

impl Active {
    /// Makes segment `header.number` of `size` bytes in `dir`, from the spare file if there is one. `first` are its
    /// first records, which become durable with the header.
    ///
    /// A failure leaves no segment behind, or an empty one that the next attempt replaces.
    pub(super) fn create(
        fs: &dyn Fs,
        dir: &Path,
        header: Header,
        size: u64,
        spare: Option<&Path>,
        first: &[u8],
    ) -> io::Result<Self> {
        let made = Name::Spare(header.number).within(dir);
        let from = spare.unwrap_or(&made);
        let mut file = fs.open(from, spare.is_none())?;
        let runway = if spare.is_none() { size.min(DATA as u64 + RUNWAY) } else { size };
        let prepare = |file: &mut dyn FsFile| {
            if spare.is_none() {
                file.preallocate(size)?;
                file.set_len(size)?;
                zero(file, DATA as u64, runway)?;
            }
            write_all(file, 0, &header.encode())?;
            write_all(file, DATA as u64, first)?;
            file.sync_data()
        };
        if let Err(e) = prepare(&mut *file) {
            if spare.is_none() {
                // If this fails, too, only a spare file is left behind; the first error is the one to report.
                let _ = fs.remove_file(from);
            }
            return Err(e);
        }
        let path = Name::Segment(header.number).within(dir);
        fs.rename(from, &path)?;
        fs.sync_dir(dir)?;
        let tail = (DATA + first.len()) as u64;
        let held = file.stat()?;
        Ok(Self { header, path, file, held, size, tail, written: runway.max(tail), dirty: false })
    }

    pub(super) fn room(&self) -> u64 {
        self.size - self.tail
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Writes `bytes`, which fit, behind what is there. After an error the tail is where it was.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.tail + bytes.len() as u64;
        if end > self.written && bytes.len() < LARGE {
            let ahead = self.size.min(self.written.max(self.tail) + RUNWAY);
            zero(&mut *self.file, self.written, ahead)?;
            self.written = ahead;
            self.dirty = true;
        }
        self.dirty = true;
        write_all(&mut *self.file, self.tail, bytes)?;
        self.tail = end;
        self.written = self.written.max(end);
        Ok(())
    }

    /// Makes everything appended durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Whether the path still names the file that is written, in its whole length.
    pub(super) fn check(&self, fs: &dyn Fs) -> io::Result<()> {
        intact(fs, &self.path, &self.held, self.size)
    }

    /// Cuts the file behind its last record: it will not grow any more.
    pub(super) fn trim(&mut self) -> io::Result<()> {
        self.file.set_len(self.tail)?;
        self.size = self.tail;
        self.file.sync_data()
    }
}

/// An error if `path` no longer names the file that is held open, or if that file is shorter than it was made.
pub(super) fn intact(fs: &dyn Fs, path: &Path, held: &Stat, size: u64) -> io::Result<()> {
    let named = named(fs, path)?;
    if !named.same_file(held) { Err(replaced()) } else { whole(&named, size) }
}

fn named(fs: &dyn Fs, path: &Path) -> io::Result<Stat> {
    fs.stat(path).map_err(|e| if e.kind() == io::ErrorKind::NotFound { replaced() } else { e })
}

fn replaced() -> io::Error {
    io::Error::other("it was removed or replaced by somebody else while it was in use")
}

fn whole(named: &Stat, size: u64) -> io::Result<()> {
    if named.len >= size {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "it was cut by somebody else from {size} to {} bytes while it was in use",
        named.len
    )))
}

/// An error if there is no file of at least that length at `path`.
pub(super) fn complete(fs: &dyn Fs, path: &Path, size: u64) -> io::Result<()> {
    whole(&named(fs, path)?, size)
}

fn zero(file: &mut dyn FsFile, mut from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    while from < to {
        let n = ZEROS.len().min(usize::try_from(to - from).unwrap_or(usize::MAX));
        write_all(file, from, &ZEROS[..n])?;
        from += n as u64;
    }
    Ok(())
}

/// The header of the segment at `path`, and the whole file.
pub(super) fn load(fs: &dyn Fs, path: &Path) -> io::Result<(Result<Header, BadHeader>, Vec<u8>)> {
    let mut file = fs.open_read(path)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let bytes = read_up_to(&mut *file, 0, len)?;
    Ok((Header::decode(&bytes), bytes))
}
