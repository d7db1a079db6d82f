//! Files of lines that are appended to: by the `file` sink, for checkpoints, for dead letters.
//!
//! Guarantees: an append is there whole or not at all, even on a full disk. A line that a crash left unfinished is
//! moved aside when the file is opened, and never appended to. Nothing counts as written before the path and the
//! descriptor were found to be the same file, with the length that it must then have. A file that somebody else
//! removed, replaced, cut or wrote to is [`Trouble::Taken`], and must be opened again. A roll-back never extends a
//! file.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::seam::{Fs, FsFile, Stat, UnixNanos};

/// Why nothing was appended.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// As the operating system says.
    Io(io::Error),
    /// The file is not as we left it.
    Taken(Taken),
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => e.fmt(f),
            Self::Taken(taken) => taken.fmt(f),
        }
    }
}

/// What somebody else did to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was removed: what was in it is gone.
    Removed,
    /// The path names another file, or none; what was in it is in the file that was moved.
    Moved,
    /// It is shorter than what was written to it.
    Cut(u64, u64),
    /// It is longer than what was written to it.
    Grown(u64, u64),
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("the file was removed by somebody else"),
            Self::Moved => f.write_str("the file was moved or replaced by somebody else"),
            Self::Cut(from, to) => write!(f, "the file was cut by somebody else from {from} to {to} bytes"),
            Self::Grown(from, to) => {
                write!(f, "somebody else wrote to the file: {to} bytes where {from} were written")
            }
        }
    }
}

/// A file that is open for appending. See the module's head.
pub(crate) struct LineFile {
    path: PathBuf,
    file: Box<dyn FsFile>,
    /// What it was when it was opened; `len` is what it is now.
    at: Stat,
    /// What is in it is in doubt: it must be opened again.
    doubtful: bool,
}

impl LineFile {
    /// Opens the file, makes it if need be, and locks it; `None` if somebody else has the lock. With `durable` its name
    /// survives a power failure, and so do directories that were made for it.
    pub(crate) fn open(fs: &dyn Fs, path: &Path, durable: bool) -> io::Result<Option<Self>> {
        let fresh = if durable { missing(fs, path)? } else { Vec::new() };
        let mut file = fs.open_append(path)?;
        let mut at = file.stat()?;
        if at.regular {
            if !file.try_lock()? {
                return Ok(None);
            }
            at.len = set_torn_line_aside(fs, &mut *file, path, durable)?;
            // Between our opening and our locking of the file, its owner may have moved it away.
            if !fs.stat(path)?.same_file(&at) {
                return Err(io::Error::other("the file was replaced while it was opened; it is tried again"));
            }
        }
        for dir in fresh {
            fs.sync_dir(&dir)?;
        }
        Ok(Some(Self { path: path.to_owned(), file, at, doubtful: false }))
    }

    /// Opens a file to which several processes append in turn; its name is durable. Waits for the others at most
    /// `limit`.
    pub(crate) fn open_in_turn(fs: &dyn Fs, path: &Path, limit: Duration) -> io::Result<Self> {
        const LOOK: Duration = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(file) = Self::open(fs, path, true)? {
                return Ok(file);
            }
            if waited >= limit {
                return Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    format!("another process has held its lock for {limit:?}"),
                ));
            }
            crate::seam::pause(LOOK);
            waited += LOOK;
        }
    }

    /// Moves everything from `from` on into `PATH.torn`: the whole lines of a write that was cut off before its end.
    pub(crate) fn set_aside(&mut self, fs: &dyn Fs, from: u64, durable: bool) -> io::Result<()> {
        if from >= self.at.len {
            return Ok(());
        }
        let mut reader = fs.open_read(&self.path)?;
        move_aside(fs, &mut *reader, &self.path, from..self.at.len, durable)?;
        self.file.set_len(from)?;
        self.at.len = from;
        Ok(())
    }

    /// Which file it is, and how long.
    pub(crate) fn stat(&self) -> Stat {
        self.at
    }

    /// How many bytes were written to it; 0 for a pipe or a device.
    pub(crate) fn len(&self) -> u64 {
        self.at.len
    }

    pub(crate) fn created(&mut self) -> Option<UnixNanos> {
        self.file.created()
    }

    /// Whether it has a length and a name of its own, and can be rotated.
    pub(crate) fn is_regular(&self) -> bool {
        self.at.regular
    }

    /// Whether it must be opened again before anything is written.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Checks that the file and its path are as we left them.
    pub(crate) fn check(&mut self, fs: &dyn Fs) -> Result<(), Trouble> {
        self.check_len(fs, self.at.len)
    }

    fn check_len(&mut self, fs: &dyn Fs, len: u64) -> Result<(), Trouble> {
        if !self.at.regular {
            return Ok(());
        }
        let held = self.file.stat()?;
        let named = match fs.stat(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            named => Some(named?),
        };
        let taken = if held.names == 0 {
            Taken::Removed
        } else if !named.is_some_and(|named| named.same_file(&held)) {
            Taken::Moved
        } else if held.len < len {
            Taken::Cut(len, held.len)
        } else if held.len > len {
            Taken::Grown(len, held.len)
        } else {
            return Ok(());
        };
        self.doubtful = true;
        Err(Trouble::Taken(taken))
    }

    /// Appends whole lines, all or none; with `sync` they are on disk then.
    pub(crate) fn append(&mut self, fs: &dyn Fs, bytes: &[u8], sync: bool) -> Result<(), Trouble> {
        self.check(fs)?;
        let end = self.at.len + bytes.len() as u64;
        let written = append_all(&mut *self.file, bytes)
            .and_then(|()| if sync && self.at.regular { self.file.sync_data() } else { Ok(()) })
            .map_err(Trouble::Io)
            .and_then(|()| self.check_len(fs, end));
        match written {
            Ok(()) => {
                if self.at.regular {
                    self.at.len = end;
                }
                Ok(())
            }
            Err(e) => {
                self.roll_back();
                Err(e)
            }
        }
    }

    /// Takes back the last append: cuts the file to `len` bytes.
    pub(crate) fn cut_to(&mut self, len: u64) {
        self.at.len = len;
        self.roll_back();
    }

    /// Cuts off what the last append wrote, and only that: a file that somebody else has cut further stays as it is. If
    /// the file cannot be cut, it must be opened again, which sets a torn line aside.
    fn roll_back(&mut self) {
        if self.doubtful {
            return;
        }
        let cut = match self.file.len() {
            Ok(len) if len > self.at.len => self.file.set_len(self.at.len).is_ok(),
            Ok(len) => len == self.at.len,
            Err(_) => false,
        };
        self.doubtful = !cut;
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| self.doubtful = true)
    }
}

/// The directories to sync after `path` has been made: its own, and those above it that must be made as well.
fn missing(fs: &dyn Fs, path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for (at, dir) in path.ancestors().zip(path.ancestors().skip(1)) {
        match fs.stat(at) {
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::NotFound => dirs.push(directory(dir).to_owned()),
            Err(e) => return Err(e),
        }
    }
    Ok(dirs)
}

fn directory(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    directory(path.parent().unwrap_or(Path::new("")))
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn append_all(file: &mut dyn FsFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Moves a last line without its newline into `PATH.torn` and answers the file's length without it.
fn set_torn_line_aside(fs: &dyn Fs, file: &mut dyn FsFile, path: &Path, durable: bool) -> io::Result<u64> {
    let len = file.len()?;
    if len == 0 {
        return Ok(0);
    }
    let mut reader = fs.open_read(path)?;
    let mut block = vec![0; 64 * 1024];
    // Finds where the last line begins, from the end.
    let mut whole = len;
    while whole > 0 {
        let start = whole.saturating_sub(block.len() as u64);
        let size = usize::try_from(whole - start).unwrap_or(block.len());
        read_exact(&mut *reader, start, &mut block[..size])?;
        let newline = block[..size].iter().rposition(|&b| b == b'\n');
        whole = newline.map_or(start, |at| start + at as u64 + 1);
        if newline.is_some() {
            break;
        }
    }
    if whole == len {
        return Ok(len);
    }
    move_aside(fs, &mut *reader, path, whole..len, durable)?;
    file.set_len(whole)?;
    Ok(whole)
}

/// Appends a part of the file at `path` to `PATH.torn`, with a newline at its end, and syncs it.
fn move_aside(
    fs: &dyn Fs,
    reader: &mut dyn FsFile,
    path: &Path,
    part: Range<u64>,
    durable: bool,
) -> io::Result<()> {
    let beside = with_suffix(path, ".torn");
    let fresh = if durable { missing(fs, &beside)? } else { Vec::new() };
    let mut aside = fs.open_append(&beside)?;
    let mut block = vec![0; 64 * 1024];
    let mut at = part.start;
    let mut last = b'\n';
    while at < part.end {
        let size = usize::try_from(part.end - at).unwrap_or(block.len()).min(block.len());
        read_exact(reader, at, &mut block[..size])?;
        append_all(&mut *aside, &block[..size])?;
        last = block[size - 1];
        at += size as u64;
    }
    if last != b'\n' {
        append_all(&mut *aside, b"\n")?;
    }
    aside.sync_data()?;
    for dir in fresh {
        fs.sync_dir(&dir)?;
    }
    Ok(())
}

pub(crate) fn read_exact(file: &mut dyn FsFile, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match file.read_at(offset, buf) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                offset += n as u64;
                buf = &mut buf[n..];
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
