//! `file`: one canonical line per envelope, appended; rotated by size and age.
//!
//! Guarantees: files are 0600; there is one locked writer per file (a second process writes `PATH.<pid>`);
//! a line that a crash left unfinished is moved aside when the file is opened, never appended to; what was
//! acknowledged was written whole. A full disk is a failure that is tried again: the part of a batch that
//! did not fit is cut off first, so no torn line stays behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::stream::{first_arrived, io_failure};
use super::{Answers, Envelope, Failure, Sink, SinkHealth};
use crate::config::FileConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::seam::append_file;

/// See the module's head.
pub(crate) struct FileSink {
    config: FileConfig,
    /// The file in use: the configured one, or `PATH.<pid>`.
    path: PathBuf,
    file: Option<File>,
    size: u64,
    opened: SystemTime,
    buf: Vec<u8>,
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl FileSink {
    pub(crate) fn open(config: FileConfig) -> Result<Self> {
        let path = config.path.clone();
        let mut sink =
            Self { config, path, file: None, size: 0, opened: SystemTime::UNIX_EPOCH, buf: Vec::new() };
        sink.reopen().map_err(|e| {
            Error::new(ErrorKind::Sink, format!("the file cannot be written: {e}"))
                .at(sink.path.display().to_string())
        })?;
        Ok(sink)
    }

    /// Opens and locks the file, or one beside it that nobody else writes.
    fn reopen(&mut self) -> io::Result<()> {
        let mut file = append_file(&self.path)?;
        if file.try_lock().is_err() {
            self.path = with_suffix(&self.config.path, &format!(".{}", std::process::id()));
            let mut n = 1;
            loop {
                file = append_file(&self.path)?;
                if file.try_lock().is_ok() {
                    break;
                }
                // Another emitter of this process has that one, too.
                self.path = with_suffix(&self.config.path, &format!(".{}.{n}", std::process::id()));
                n += 1;
            }
        }
        self.size = set_torn_line_aside(&file, &self.path)?;
        // Age counts from the file's own birth where that is known, so that a restart does not reset it.
        self.opened = file.metadata()?.created().unwrap_or_else(|_| SystemTime::now());
        if self.size == 0 {
            self.opened = SystemTime::now();
        }
        self.file = Some(file);
        Ok(())
    }

    fn due(&self, next: u64) -> bool {
        let too_large =
            self.config.rotate_bytes.is_some_and(|limit| self.size > 0 && self.size + next > limit);
        let too_old = self
            .config
            .rotate_age
            .is_some_and(|limit| self.size > 0 && self.opened.elapsed().unwrap_or(Duration::ZERO) >= limit);
        too_large || too_old
    }

    /// `PATH` becomes `PATH.<time>`, a new `PATH` begins; the oldest beyond `keep` go.
    fn rotate(&mut self) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut nanos = now.as_nanos();
        let mut to = with_suffix(&self.path, &format!(".{nanos:020}"));
        while to.exists() {
            nanos += 1;
            to = with_suffix(&self.path, &format!(".{nanos:020}"));
        }
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        std::fs::rename(&self.path, &to)?;
        self.file = None;
        self.reopen()?;
        if let Some(keep) = self.config.keep {
            let mut rotated = rotated_files(&self.path)?;
            rotated.sort();
            let excess = rotated.len().saturating_sub(keep);
            for old in rotated.into_iter().take(excess) {
                std::fs::remove_file(old)?;
            }
        }
        Ok(())
    }

    /// Appends what is in the buffer, whole or not at all.
    fn append(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let result = file
            .write_all(&self.buf)
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

/// The files that rotation left beside `path`.
fn rotated_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let entry_name = entry.file_name().to_string_lossy().into_owned();
        let stamp = entry_name.strip_prefix(&name).and_then(|rest| rest.strip_prefix('.'));
        if stamp.is_some_and(|stamp| stamp.len() == 20 && stamp.bytes().all(|b| b.is_ascii_digit())) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Moves a last line without its newline into `PATH.torn` and answers the file's length without it.
fn set_torn_line_aside(file: &File, path: &Path) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let mut reader = File::open(path)?;
    let mut torn: Vec<u8> = Vec::new();
    let mut end = len;
    let mut block = vec![0; 64 * 1024];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let size = usize::try_from(end - start).unwrap_or(block.len());
        reader.seek(SeekFrom::Start(start))?;
        reader.read_exact(&mut block[..size])?;
        let newline = block[..size].iter().rposition(|&b| b == b'\n');
        let keep = newline.map_or(0, |at| at + 1);
        torn.splice(0..0, block[keep..size].iter().copied());
        end = start;
        if newline.is_some() {
            break;
        }
    }
    if torn.is_empty() {
        return Ok(len);
    }
    torn.push(b'\n');
    let mut aside = append_file(&with_suffix(path, ".torn"))?;
    aside.write_all(&torn)?;
    aside.sync_data()?;
    let whole = len - (torn.len() as u64 - 1);
    file.set_len(whole)?;
    Ok(whole)
}

impl Sink for FileSink {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut done = 0;
        let mut failure: Option<Failure> = None;
        while done < batch.len() {
            self.buf.clear();
            let mut upto = done;
            while upto < batch.len() {
                let next = batch[upto].bytes.len() as u64 + 1;
                if self.due(self.buf.len() as u64 + next) {
                    break;
                }
                self.buf.extend_from_slice(&batch[upto].bytes);
                self.buf.push(b'\n');
                upto += 1;
            }
            let result =
                if upto == done { self.rotate().map(|()| false) } else { self.append().map(|()| true) };
            match result {
                Ok(wrote) => {
                    if wrote {
                        done = upto;
                    }
                    // A single line larger than the limit gets a file of its own.
                    if !wrote && self.due(0) && self.size == 0 {
                        break;
                    }
                }
                Err(e) => {
                    failure = Some(io_failure(&e));
                    break;
                }
            }
        }
        match failure {
            None => Answers::Acknowledged,
            Some(failure) => first_arrived(done, batch.len(), &failure),
        }
    }

    fn health(&mut self) -> SinkHealth {
        SinkHealth { healthy: self.file.is_some(), detail: Some(format!("writing {}", self.path.display())) }
    }

    fn flush(&mut self) -> std::result::Result<(), Failure> {
        match &self.file {
            Some(file) => file.sync_data().map_err(|e| io_failure(&e)),
            None => Ok(()),
        }
    }
}
