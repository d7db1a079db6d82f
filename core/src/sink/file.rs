//! `file`: one canonical line per envelope, appended; rotated by size and age.
//!
//! Guarantees: files are 0600; there is one locked writer per file (a second process writes `PATH.<pid>`);
//! a line that a crash left unfinished is moved aside when the file is opened, never appended to; what was
//! acknowledged was written whole. A full disk is a failure that is tried again: the part of a batch that
//! did not fit is cut off first, so no torn line stays behind.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::stream::{first_arrived, io_failure};
use super::{Answers, Envelope, Failure, Sink, SinkHealth};
use crate::config::FileConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::seam::{Clock, Fs, FsFile, RealFs, SystemClock, UnixNanos};

/// See the module's head.
pub(crate) struct FileSink {
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    config: FileConfig,
    /// The file in use: the configured one, or `PATH.<pid>`.
    path: PathBuf,
    file: Option<Box<dyn FsFile>>,
    size: u64,
    began: UnixNanos,
    buf: Vec<u8>,
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl FileSink {
    pub(crate) fn open(config: FileConfig) -> Result<Self> {
        Self::open_in(Arc::new(RealFs), Arc::new(SystemClock::default()), config)
    }

    fn open_in(fs: Arc<dyn Fs>, clock: Arc<dyn Clock>, config: FileConfig) -> Result<Self> {
        let path = config.path.clone();
        let mut sink = Self { fs, clock, config, path, file: None, size: 0, began: 0, buf: Vec::new() };
        sink.reopen().map_err(|e| {
            Error::new(ErrorKind::Sink, format!("the file cannot be written: {e}"))
                .at(sink.path.display().to_string())
        })?;
        Ok(sink)
    }

    /// Opens and locks the file, or one beside it that nobody else writes.
    fn reopen(&mut self) -> io::Result<()> {
        let mut path = self.path.clone();
        let mut file = self.fs.open_append(&path)?;
        let mut n = 0;
        while !file.try_lock()? {
            let pid = std::process::id();
            // With a number where another emitter of this process has that one, too.
            let suffix = if n == 0 { format!(".{pid}") } else { format!(".{pid}.{n}") };
            path = with_suffix(&self.config.path, &suffix);
            file = self.fs.open_append(&path)?;
            n += 1;
        }
        self.size = set_torn_line_aside(&*self.fs, &mut *file, &path)?;
        // Age counts from the file's own birth where that is known, so that a restart does not reset it.
        let born = if self.size > 0 { file.created() } else { None };
        self.began = born.unwrap_or_else(|| self.clock.unix_nanos());
        self.path = path;
        self.file = Some(file);
        Ok(())
    }

    /// Whether a line of `next` bytes belongs into the next file, with `buffered` bytes still to be written.
    /// A line larger than the limit gets a file of its own.
    fn due(&self, buffered: u64, next: u64) -> bool {
        let held = self.size + buffered;
        let age = self.clock.unix_nanos().saturating_sub(self.began);
        let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
        let too_large = self.config.rotate_bytes.is_some_and(|limit| held > 0 && held + next > limit);
        too_large || self.config.rotate_age.is_some_and(|limit| self.size > 0 && age >= limit)
    }

    /// `PATH` becomes `PATH.<time>`, a new `PATH` begins; the oldest beyond `keep` go.
    fn rotate(&mut self) -> io::Result<()> {
        let mut rotated = rotated_files(&*self.fs, &self.path)?;
        // Later than every other also where the clock stands or was set back: the names are the order.
        let last = rotated.last().map_or(0, |(stamp, _)| stamp + 1);
        let now = last.max(u64::try_from(self.clock.unix_nanos()).unwrap_or(0));
        let to = with_suffix(&self.path, &format!(".{now:020}"));
        if let Some(file) = &mut self.file
            && let Err(e) = file.sync_data()
        {
            // What is in the file now is in doubt: it is looked at again.
            self.file = None;
            return Err(e);
        }
        self.fs.rename(&self.path, &to)?;
        self.file = None;
        rotated.push((now, to));
        if let Some(keep) = self.config.keep {
            let excess = rotated.len().saturating_sub(keep);
            for (_, old) in &rotated[..excess] {
                self.fs.remove_file(old)?;
            }
        }
        Ok(())
    }

    /// Appends what is in the buffer, whole or not at all.
    fn append(&mut self) -> io::Result<()> {
        if self.size == 0 {
            self.began = self.clock.unix_nanos();
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let result = append_all(&mut **file, &self.buf)
            .and_then(|()| if self.config.fsync { file.sync_data() } else { Ok(()) });
        match result {
            Ok(()) => {
                self.size += self.buf.len() as u64;
                Ok(())
            }
            Err(e) => {
                // Cut off what was written of it. Where even that fails, the file is opened afresh, which
                // sets the torn line aside.
                if file.set_len(self.size).is_err() {
                    self.file = None;
                }
                Err(e)
            }
        }
    }
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

/// The files that rotation left beside `path`, with their stamps, oldest first.
fn rotated_files(fs: &dyn Fs, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stamp = |entry: &Path| {
        let entry = entry.file_name()?.to_string_lossy().into_owned();
        let stamp = entry.strip_prefix(&name)?.strip_prefix('.')?;
        (stamp.len() == 20).then(|| stamp.parse().ok())?
    };
    let mut found: Vec<_> =
        fs.list(dir)?.into_iter().filter_map(|entry| Some((stamp(&entry)?, entry))).collect();
    found.sort();
    Ok(found)
}

/// Moves a last line without its newline into `PATH.torn` and answers the file's length without it.
fn set_torn_line_aside(fs: &dyn Fs, file: &mut dyn FsFile, path: &Path) -> io::Result<u64> {
    let len = file.len()?;
    if len == 0 {
        return Ok(0);
    }
    let mut reader = fs.open_read(path)?;
    let mut block = vec![0; 64 * 1024];
    // Where the last line begins, looked for from the end.
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
    let mut aside = fs.open_append(&with_suffix(path, ".torn"))?;
    let mut at = whole;
    while at < len {
        let size = usize::try_from(len - at).unwrap_or(block.len()).min(block.len());
        read_exact(&mut *reader, at, &mut block[..size])?;
        append_all(&mut *aside, &block[..size])?;
        at += size as u64;
    }
    append_all(&mut *aside, b"\n")?;
    aside.sync_data()?;
    file.set_len(whole)?;
    Ok(whole)
}

fn read_exact(file: &mut dyn FsFile, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
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

impl Sink for FileSink {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut done = 0;
        while done < batch.len() {
            if self.file.is_none()
                && let Err(e) = self.reopen()
            {
                return first_arrived(done, batch.len(), &io_failure(&e));
            }
            self.buf.clear();
            let mut upto = done;
            while let Some(envelope) = batch.get(upto) {
                if self.due(self.buf.len() as u64, envelope.bytes.len() as u64 + 1) {
                    break;
                }
                self.buf.extend_from_slice(&envelope.bytes);
                self.buf.push(b'\n');
                upto += 1;
            }
            match if upto == done { self.rotate() } else { self.append() } {
                Ok(()) => done = upto,
                Err(e) => return first_arrived(done, batch.len(), &io_failure(&e)),
            }
        }
        Answers::Acknowledged
    }

    fn health(&mut self) -> SinkHealth {
        SinkHealth { healthy: self.file.is_some(), detail: Some(format!("writing {}", self.path.display())) }
    }

    fn flush(&mut self) -> std::result::Result<(), Failure> {
        match &mut self.file {
            Some(file) => file.sync_data().map_err(|e| io_failure(&e)),
            None => Ok(()),
        }
    }
}
