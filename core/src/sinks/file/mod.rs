//! `file`: one canonical line per envelope, appended; rotated by size and age.
//!
//! Guarantees: files are 0600; there is one locked writer per file (a second process writes `PATH.<pid>`);
//! a line that a crash left unfinished is moved aside when the file is opened, never appended to; what was
//! acknowledged was written whole, into the file that the path names. With `fsync` it survives a loss of power, the
//! file's name too. A full disk is a failure that is tried again: the part of a batch that did not fit is cut off
//! first, so no torn line stays behind. Envelopes that one signature covers are in one file; if a process dies before
//! it has written the signature, the lines that it should have covered are moved aside like a torn line ([`tail`]). If
//! somebody else removed, moved, cut or wrote to the file, the delivery fails and says how many acknowledged envelopes
//! were in it; then another file is begun.

mod settings;
mod tail;
#[cfg(test)]
mod tests;

pub use settings::FileConfig;
pub(super) use settings::KIND;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::lines::{LineFile, Taken, Trouble, parent, with_suffix};
use crate::seam::fork::PerProcess;
use crate::seam::{Access, Clock, Fs, SharedFs, SystemClock, UnixNanos, absolute};
use crate::sink::{Answers, Envelope, Failure, FailureKind, Sink, SinkHealth};
use crate::sync::{Mutex, lock};

/// The `file` sink.
pub(crate) struct FileSink {
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    config: FileConfig,
    /// The file in use: the configured one, or `PATH.<pid>`.
    path: PathBuf,
    file: Option<LineFile>,
    /// Envelopes acknowledged into the file since it was opened.
    held: u64,
    began: UnixNanos,
    buf: Vec<u8>,
    writing: Option<Writing>,
}

/// The files that sinks of this process write, to tell a second emitter from a second process.
static HERE: PerProcess<Mutex<Vec<PathBuf>>> = PerProcess::new();

/// An entry of [`HERE`], removed when it is dropped.
struct Writing(PathBuf);

impl Writing {
    fn begin(path: &Path) -> Self {
        lock(&HERE.get()).push(path.to_owned());
        Self(path.to_owned())
    }

    fn is_here(path: &Path) -> bool {
        lock(&HERE.get()).iter().any(|here| here == path)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let here = HERE.get();
        let mut here = lock(&here);
        if let Some(at) = here.iter().position(|path| *path == self.0) {
            here.swap_remove(at);
        }
    }
}

impl FileSink {
    pub(crate) fn open(mut config: FileConfig) -> Result<Self> {
        config.path = absolute(&config.path);
        let fs = SharedFs(Access { pipes: true, ..config.access });
        Self::open_in(Arc::new(fs), Arc::new(SystemClock::default()), config)
    }

    fn open_in(fs: Arc<dyn Fs>, clock: Arc<dyn Clock>, config: FileConfig) -> Result<Self> {
        let path = config.path.clone();
        let mut sink =
            Self { fs, clock, config, path, file: None, held: 0, began: 0, buf: Vec::new(), writing: None };
        match sink.reopen() {
            // A pipe whose reader may come yet: each delivery looks for it.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(sink),
            Err(e) => Err(Error::new(ErrorKind::Sink, format!("the file cannot be written: {e}"))
                .at(sink.path.display().to_string())),
            Ok(()) => Ok(sink),
        }
    }

    /// Opens and locks the file, or, if somebody else writes it, a file beside it.
    fn reopen(&mut self) -> io::Result<()> {
        self.file = None;
        self.writing = None;
        let mut path = self.path.clone();
        let mut n = 0;
        let mut file = loop {
            if let Some(file) = LineFile::open(&*self.fs, &path, self.config.fsync)? {
                break file;
            }
            let pid = std::process::id();
            // With a number if another emitter of this process writes that file too.
            let suffix = if n == 0 { format!(".{pid}") } else { format!(".{pid}.{n}") };
            path = with_suffix(&self.config.path, &suffix);
            n += 1;
        };
        if file.is_regular() && file.len() > 0 {
            let covered = tail::covered_len(&*self.fs, &path, file.len())?;
            file.set_aside(&*self.fs, covered, self.config.fsync)?;
        }
        if path != self.path {
            self.say_where(&path);
        }
        self.writing = Some(Writing::begin(&path));
        // The age counts from when the file was created, if that is known, so that a restart does not reset it.
        let born = if file.len() > 0 { file.created() } else { None };
        self.began = born.unwrap_or_else(|| self.clock.unix_nanos());
        self.path = path;
        self.held = 0;
        self.file = Some(file);
        Ok(())
    }

    /// Tells the host's logger that another file is written, because somebody else writes the one that was configured.
    /// If that is another process, as in servers with several, it is only information. If it is another emitter of this
    /// process, it is a warning, as that is often a mistake (a notebook's cell that ran twice).
    fn say_where(&self, path: &Path) {
        let (asked, instead) = (self.config.path.display(), path.display());
        if Writing::is_here(&self.config.path) {
            crate::diagnostics::warn(&format!(
                "another emitter of this process writes {asked}, so this one writes {instead}: shut the other one down \
                 first, or verify both files"
            ));
        } else {
            crate::diagnostics::info(&format!(
                "another process writes {asked}, so this one writes {instead}"
            ));
        }
    }

    /// Whether a line of `next` bytes belongs into the next file, with `buffered` bytes still to be written.
    /// A line larger than the limit gets a file of its own.
    fn due(&self, buffered: u64, next: u64) -> bool {
        let Some(file) = self.file.as_ref().filter(|file| file.is_regular()) else { return false };
        let held = file.len() + buffered;
        let age = self.clock.unix_nanos().saturating_sub(self.began);
        let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
        let too_large = self.config.rotate_bytes.is_some_and(|limit| held > 0 && held + next > limit);
        too_large || self.config.rotate_age.is_some_and(|limit| file.len() > 0 && age >= limit)
    }

    /// Renames `PATH` to `PATH.<time>`, begins a new `PATH`, and deletes the oldest files beyond `keep`.
    fn rotate(&mut self) -> std::result::Result<(), Trouble> {
        let mut rotated = rotated_files(&*self.fs, &self.path)?;
        // Later than all others, even if the clock stands still or was set back: the names give the order.
        let last = rotated.last().map_or(0, |(stamp, _)| stamp + 1);
        let now = last.max(u64::try_from(self.clock.unix_nanos()).unwrap_or(0));
        let to = with_suffix(&self.path, &format!(".{now:020}"));
        if let Some(file) = &mut self.file {
            file.sync()?;
            // The path may lead to somebody else's file by now, which must not be renamed.
            file.check(&*self.fs)?;
        }
        self.fs.rename(&self.path, &to)?;
        self.file = None;
        if self.config.fsync {
            self.fs.sync_dir(parent(&self.path))?;
        }
        rotated.push((now, to));
        if let Some(keep) = self.config.keep {
            let excess = rotated.len().saturating_sub(keep);
            for (_, old) in &rotated[..excess] {
                self.fs.remove_file(old)?;
            }
        }
        Ok(())
    }

    /// Appends the whole buffer or nothing.
    fn append(&mut self) -> std::result::Result<(), Trouble> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.len() == 0 {
            self.began = self.clock.unix_nanos();
        }
        file.append(&*self.fs, &self.buf, self.config.fsync)
    }

    /// The failure to answer with. If the state of the file is in doubt, it is closed, and the next delivery opens it
    /// again.
    fn failure(&mut self, trouble: &Trouble) -> Failure {
        if self.file.as_ref().is_none_or(LineFile::is_doubtful) {
            self.file = None;
        }
        match trouble {
            Trouble::Io(e) => Failure::of_io(e),
            Trouble::Taken(taken) => taken_failure(taken, self.held, &self.path),
        }
    }
}

/// The failure when somebody else did something to the file: it says what is known of the envelopes that were
/// acknowledged into it.
fn taken_failure(taken: &Taken, held: u64, path: &Path) -> Failure {
    let of = match held {
        0 => "no acknowledged envelope of this process was in it".to_owned(),
        1 => "1 acknowledged envelope was in it".to_owned(),
        n => format!("{n} acknowledged envelopes were in it"),
    };
    let end = match taken {
        _ if held == 0 => "",
        Taken::Removed => ", and went with it",
        Taken::Moved => ", and are only where it is now",
        Taken::Cut(..) => ", and are there only as far as it reaches, or where a copy was kept",
        Taken::Grown(..) => ", and are still there",
    };
    let failure = Failure::new(FailureKind::Storage, format!("{taken}; {of}{end}")).lost();
    failure.detail(format!(
        "{}: {taken}; {of}{end}; another is begun. Let `rotate` and `keep` do what was done to it",
        path.display()
    ))
}

/// The files that rotation left beside `path`, with their stamps, oldest first.
fn rotated_files(fs: &dyn Fs, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stamp = |entry: &Path| {
        let entry = entry.file_name()?.to_string_lossy().into_owned();
        let stamp = entry.strip_prefix(&name)?.strip_prefix('.')?;
        (stamp.len() == 20).then(|| stamp.parse().ok())?
    };
    let mut found: Vec<_> =
        fs.list(parent(path))?.into_iter().filter_map(|entry| Some((stamp(&entry)?, entry))).collect();
    found.sort();
    Ok(found)
}

/// The end of the shortest part of a batch, beginning at `from`, in which the last envelope of each stream is signed.
/// If there is no such part, it is one envelope long.
fn covered_end(batch: &[Envelope], from: usize) -> usize {
    // The usual cases: each envelope is signed, or none is.
    if batch[from].signed || !batch[from..].iter().any(|envelope| envelope.signed) {
        return from + 1;
    }
    let mut open = HashSet::new();
    for (at, envelope) in batch.iter().enumerate().skip(from) {
        if envelope.signed {
            open.remove(&envelope.streamid);
        } else {
            open.insert(envelope.streamid);
        }
        if open.is_empty() {
            return at + 1;
        }
    }
    from + 1
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
                return Answers::first_arrived(done, batch.len(), &Failure::of_io(&e));
            }
            self.buf.clear();
            let mut upto = done;
            while upto < batch.len() {
                // Envelopes that one signature covers go into one file.
                let end = covered_end(batch, upto);
                let bytes: usize = batch[upto..end].iter().map(|envelope| envelope.bytes.len() + 1).sum();
                if self.due(self.buf.len() as u64, bytes as u64) {
                    break;
                }
                for envelope in &batch[upto..end] {
                    self.buf.extend_from_slice(&envelope.bytes);
                    self.buf.push(b'\n');
                }
                upto = end;
            }
            match if upto == done { self.rotate() } else { self.append() } {
                Ok(()) => {
                    self.held += (upto - done) as u64;
                    done = upto;
                }
                Err(trouble) => {
                    let failure = self.failure(&trouble);
                    return Answers::first_arrived(done, batch.len(), &failure);
                }
            }
        }
        Answers::Acknowledged
    }

    fn health(&mut self) -> SinkHealth {
        SinkHealth { healthy: self.file.is_some(), detail: Some(format!("writing {}", self.path.display())) }
    }

    fn flush(&mut self) -> std::result::Result<(), Failure> {
        match &mut self.file {
            Some(file) if file.is_regular() => file.sync().map_err(|e| Failure::of_io(&e)),
            _ => Ok(()),
        }
    }
}
