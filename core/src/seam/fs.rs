//! The file system, as much of it as the pipeline uses.
//!
//! Guarantees: files are created 0600 and directories 0700; locks are advisory, exclusive and end with the
//! process. Tests replace [`RealFs`] by one that writes short, fails a sync, or fills up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::FlockOperation;

use super::UnixNanos;

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "a file is asked for its length only to find its end")]
pub trait FsFile: Send {
    /// Writes at the given offset; may write less than asked.
    ///
    /// # Errors
    /// As the operating system says.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Writes at the end of a file that was opened for it ([`Fs::open_append`]); may write less than asked.
    ///
    /// # Errors
    /// As the operating system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.len()?;
        self.write_at(end, bytes)
    }
    /// When the file was made, as nanoseconds since 1970; `None` where nobody knows.
    fn created(&mut self) -> Option<UnixNanos> {
        None
    }
    /// Reads at the given offset; 0 is the end.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// `fdatasync`.
    ///
    /// # Errors
    /// As the operating system says. What was written since the last good sync is then in doubt.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Cuts or extends the file.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// The file's length in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn len(&mut self) -> io::Result<u64>;
    /// Takes the exclusive advisory lock, if nobody holds it.
    ///
    /// # Errors
    /// As the operating system says.
    fn try_lock(&mut self) -> io::Result<bool>;
    /// Takes the shared advisory lock, if nobody holds the exclusive one; for looking only.
    ///
    /// # Errors
    /// As the operating system says.
    fn try_lock_shared(&mut self) -> io::Result<bool>;
    /// Reserves disk blocks up to `len`, without changing what is read.
    ///
    /// # Errors
    /// As the operating system says; a file system that cannot is no error.
    fn preallocate(&mut self, len: u64) -> io::Result<()>;
}

/// The file system.
pub trait Fs: Send + Sync {
    /// Opens for reading and writing; creates it, 0600, if `create`.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn FsFile>>;
    /// Opens for [`FsFile::append`]; creates it, 0600, and its directory, 0700.
    ///
    /// # Errors
    /// As the operating system says.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.open(path, true)
    }
    /// Opens an existing file for reading only.
    ///
    /// # Errors
    /// As the operating system says.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Creates a directory, 0700, in one that exists.
    ///
    /// # Errors
    /// As the operating system says; `AlreadyExists` when it does.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its parents, 0700.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Renames, replacing.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Free bytes on the file system that holds `path`.
    ///
    /// # Errors
    /// As the operating system says.
    fn free_space(&self, path: &Path) -> io::Result<u64>;
}

/// The operating system's file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealFs;

impl Fs for RealFs {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(RealFile::new(file)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(RealFile::new(append_file(path)?)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(RealFile::new(File::open(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries =
            std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

struct RealFile {
    file: File,
    /// In which process it was locked.
    locked: Option<u32>,
}

impl RealFile {
    fn new(file: File) -> Self {
        Self { file, locked: None }
    }

    /// Takes a lock, and notes it for a child that inherits the descriptor.
    fn lock(&mut self, how: FlockOperation) -> io::Result<bool> {
        crate::fork::locks(|locks| {
            let taken = match rustix::fs::flock(&self.file, how) {
                Ok(()) => true,
                Err(rustix::io::Errno::WOULDBLOCK) => false,
                Err(e) => return Err(e.into()),
            };
            if taken && self.locked.is_none() {
                locks.push(self.file.as_raw_fd());
                self.locked = Some(crate::fork::generation());
            }
            Ok(taken)
        })
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        if self.locked != Some(crate::fork::generation()) {
            // Not locked, or by the process that this one was forked from: the lock is that one's.
            return;
        }
        crate::fork::locks(|locks| {
            // Not by closing, which does nothing while some child has the descriptor as well. What cannot be
            // unlocked is so when the process ends.
            let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
            locks.retain(|fd| *fd != self.file.as_raw_fd());
        });
    }
}

impl FsFile for RealFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // No offset: the file may be a pipe, or be cut by somebody who rotates it.
        self.file.write(bytes)
    }

    fn created(&mut self) -> Option<UnixNanos> {
        let created = self.file.metadata().and_then(|metadata| metadata.created()).ok()?;
        i64::try_from(created.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        self.lock(FlockOperation::NonBlockingLockExclusive)
    }

    fn try_lock_shared(&mut self) -> io::Result<bool> {
        self.lock(FlockOperation::NonBlockingLockShared)
    }

    fn preallocate(&mut self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, len) {
            Err(e) if e != rustix::io::Errno::OPNOTSUPP => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// Opens for appending; creates it, 0600, and its directory, 0700.
///
/// # Errors
/// As the operating system says.
pub fn append_file(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        RealFs.create_dir_all(dir)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Creates a file, 0600, empty if it was there.
///
/// # Errors
/// As the operating system says.
pub fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
