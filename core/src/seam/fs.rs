//! The file system, as much of it as the pipeline uses.
//!
//! Guarantees: files are created 0600 and directories 0700; locks are advisory, exclusive and end with the process. A
//! file is opened for writing only if it is ours: a regular file that belongs to this user, that nobody else may write,
//! and that is not reached through a symbolic link as the path's last part. Everything else is refused with a message
//! that says what to do, unless an [`Access`] allows it. Tests replace [`RealFs`] by one that writes short, fails a
//! sync, or fills up.

#[cfg(test)]
mod tests;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt as _, MetadataExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::FlockOperation;

use super::UnixNanos;

/// Identity and length of a file: of the one that a path names now, or of the one that a descriptor writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The device that holds it.
    pub device: u64,
    /// Its inode number there.
    pub inode: u64,
    /// Its length in bytes.
    pub len: u64,
    /// How many names it has; 0: it was removed, and is gone once it is closed.
    pub names: u64,
    /// Whether it is a regular file, not a pipe or a device: it has a length, and can be cut.
    pub regular: bool,
}

impl Stat {
    /// Whether both are the same file.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<Metadata> for Stat {
    fn from(of: Metadata) -> Self {
        let regular = of.file_type().is_file();
        Self { device: of.dev(), inode: of.ino(), len: of.len(), names: of.nlink(), regular }
    }
}

/// What may be opened for writing although it is not safely ours. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A symbolic link as the last part of a path is followed.
    pub links: bool,
    /// Files and directories that others may write, or that belong to another user.
    pub shared_write: bool,
    /// Pipes and devices.
    pub pipes: bool,
}

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
    /// When the file was made, as nanoseconds since 1970; `None` if the system does not say.
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
    /// Which file it is, and how long.
    ///
    /// # Errors
    /// As the operating system says.
    fn stat(&mut self) -> io::Result<Stat>;
    /// Takes the exclusive advisory lock, if nobody holds it.
    ///
    /// # Errors
    /// As the operating system says.
    fn try_lock(&mut self) -> io::Result<bool>;
    /// Takes the shared advisory lock, if nobody holds the exclusive one; for code that only looks.
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
    /// Creates an empty file, 0600; a file that is there already is not opened.
    ///
    /// # Errors
    /// As the operating system says; `AlreadyExists` when it does.
    fn create_new(&self, path: &Path) -> io::Result<()>;
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
    /// Which file the path names now, links followed.
    ///
    /// # Errors
    /// As the operating system says; `NotFound` when it names none.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Whether an existing directory is safely ours to write to.
    ///
    /// # Errors
    /// It is not, or as the operating system says.
    fn check_dir(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }
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

/// The file that a path leads to, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

impl FileId {
    /// The id of the file that a path leads to now. Nothing is opened, so nobody's locks are affected.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::and_len(path).map(|(id, _)| id)
    }

    /// The same, with the file's length in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn and_len(path: &Path) -> io::Result<(Self, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path)?;
        Ok((Self { device: found.dev(), inode: found.ino() }, found.len()))
    }

    /// Whether this process has a descriptor of this file that was opened by that path; `None` if the system does not
    /// say (Linux does).
    #[must_use]
    pub fn is_held(self, path: &Path) -> Option<bool> {
        let path = path.canonicalize().ok()?;
        let mut descriptors = std::fs::read_dir("/proc/self/fd").ok()?.flatten();
        Some(descriptors.any(|descriptor| {
            let descriptor = descriptor.path();
            // Only descriptors with this name are examined: others may be on storage that does not answer.
            std::fs::read_link(&descriptor).is_ok_and(|name| name == path)
                && Self::of(&descriptor).is_ok_and(|id| id == self)
        }))
    }
}

/// The operating system's file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealFs;

impl Fs for RealFs {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn FsFile>> {
        open_both(path, create, Access::default())
    }

    fn create_new(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        open_append(path, Access::default())
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        crate::seam::sqlite::refuse_ours(path)?;
        // Without `NONBLOCK`, a pipe that somebody put there would be waited for until another writes to it.
        let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(no_regular_file(Access::default()));
        }
        Ok(Box::new(RealFile::new(file)))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        std::fs::metadata(path).map(Stat::from)
    }

    fn check_dir(&self, path: &Path) -> io::Result<()> {
        check_dir(path, Access::default())
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

/// [`RealFs`], but what the configuration allows may be opened for writing, too.
#[derive(Debug, Default, Clone, Copy)]
pub struct SharedFs(pub Access);

impl Fs for SharedFs {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn FsFile>> {
        open_both(path, create, self.0)
    }

    fn create_new(&self, path: &Path) -> io::Result<()> {
        match RealFs.create_new(path) {
            // A link that leads to nothing yet: the file that it leads to is created.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && self.0.links && !path.exists() => {
                open_both(path, true, self.0).map(drop)
            }
            done => done,
        }
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        open_append(path, self.0)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.open_read(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        RealFs.stat(path)
    }

    fn check_dir(&self, path: &Path) -> io::Result<()> {
        check_dir(path, self.0)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealFs.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        RealFs.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.sync_dir(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        RealFs.free_space(path)
    }
}

/// Whether the path is one of this process's own streams, such as `/dev/stdout`: a link to whatever the process was
/// started with.
fn is_own_stream(path: &Path) -> bool {
    path == Path::new("/dev/stdout")
        || path == Path::new("/dev/stderr")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}

fn refused(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, message.into())
}

fn is_a_link() -> io::Error {
    refused(
        "it is a symbolic link, and what it points to may be somebody else's; name the file itself, or allow it with `allow_links: true`",
    )
}

/// Whether only this user (or root, who needs no permission) may change it.
fn check_owner(of: &Metadata, access: Access) -> io::Result<()> {
    if access.shared_write {
        return Ok(());
    }
    let mode = of.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(refused(format!(
            "others may write to it (mode {mode:04o}); run `chmod go-w` on it, or allow it with `allow_shared_write: true`"
        )));
    }
    let (owner, user) = (of.uid(), rustix::process::geteuid().as_raw());
    if owner != user && owner != 0 {
        return Err(refused(format!(
            "it belongs to another user (uid {owner}, not {user}); `chown` it, or allow it with `allow_shared_write: true`"
        )));
    }
    Ok(())
}

fn check_file(of: &Metadata, access: Access) -> io::Result<()> {
    let kind = of.file_type();
    if kind.is_file() {
        return check_owner(of, access);
    }
    if access.pipes && kind.is_fifo() {
        return check_owner(of, access);
    }
    if access.pipes && kind.is_char_device() {
        return Ok(());
    }
    Err(no_regular_file(access))
}

fn no_regular_file(access: Access) -> io::Error {
    let instead =
        if access.pipes { "a regular file, a pipe or a character device" } else { "a regular file" };
    refused(format!("it is no regular file; name {instead}"))
}

fn check_dir(path: &Path, access: Access) -> io::Result<()> {
    let mut of = std::fs::symlink_metadata(path)?;
    if of.file_type().is_symlink() {
        if !access.links {
            return Err(is_a_link());
        }
        of = std::fs::metadata(path)?;
    }
    if !of.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    check_owner(&of, access)
}

/// Checks whether an existing file, such as a database, may be opened for writing by code that is not ours.
///
/// # Errors
/// It may not, or as the operating system says; a file that is not there is no error.
pub fn check_path(path: &Path, access: Access) -> io::Result<()> {
    let mut of = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        of => of?,
    };
    if of.file_type().is_symlink() {
        if !access.links {
            return Err(is_a_link());
        }
        of = match std::fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            of => of?,
        };
    }
    check_file(&of, access)
}

/// Opens a file that is safely ours, or that `access` allows.
fn open_checked(path: &Path, access: Access, options: &mut OpenOptions) -> io::Result<File> {
    crate::seam::sqlite::refuse_ours(path)?;
    if access.pipes && is_own_stream(path) {
        return options.open(path);
    }
    // Without `NONBLOCK`, opening a pipe that nobody reads would block for as long as nobody does; for files it has no
    // effect.
    let mut flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
    if !access.links {
        flags |= rustix::fs::OFlags::NOFOLLOW;
    }
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).map_err(|e| match e.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() && !access.links => is_a_link(),
        // A pipe that nobody reads, or a socket.
        Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => {
            match std::fs::metadata(path).map(|of| check_file(&of, access)) {
                Ok(Ok(())) => {
                    io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads this pipe; start its reader")
                }
                Ok(Err(refused)) => refused,
                Err(gone) => gone,
            }
        }
        _ => e,
    })?;
    let of = file.metadata()?;
    check_file(&of, access)?;
    if !of.is_file() {
        // From here on, whoever writes waits for the reader.
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags - rustix::fs::OFlags::NONBLOCK)?;
    }
    Ok(file)
}

fn open_both(path: &Path, create: bool, access: Access) -> io::Result<Box<dyn FsFile>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false);
    Ok(Box::new(RealFile::new(open_checked(path, access, &mut options)?)))
}

fn open_append(path: &Path, access: Access) -> io::Result<Box<dyn FsFile>> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        RealFs.create_dir_all(dir)?;
    }
    let mut options = OpenOptions::new();
    Ok(Box::new(RealFile::new(open_checked(path, access, options.append(true).create(true))?)))
}

/// A path that a later change of the working directory does not move.
#[must_use]
pub fn absolute(path: &Path) -> PathBuf {
    // Without a working directory, the path stays as it is.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

struct RealFile {
    file: File,
    /// The process that locked it.
    locked: Option<u32>,
}

impl RealFile {
    fn new(file: File) -> Self {
        Self { file, locked: None }
    }

    /// Takes a lock, and notes it for a child that inherits the descriptor.
    fn lock(&mut self, how: FlockOperation) -> io::Result<bool> {
        crate::seam::fork::locks(|locks| {
            let taken = match rustix::fs::flock(&self.file, how) {
                Ok(()) => true,
                Err(rustix::io::Errno::WOULDBLOCK) => false,
                Err(e) => return Err(e.into()),
            };
            if taken && self.locked.is_none() {
                locks.push(self.file.as_raw_fd());
                self.locked = Some(crate::seam::fork::generation());
            }
            Ok(taken)
        })
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        if self.locked != Some(crate::seam::fork::generation()) {
            // It is not locked, or was locked by the process that this one was forked from, whose lock it is.
            return;
        }
        crate::seam::fork::locks(|locks| {
            // Unlocked explicitly, as closing has no effect while a child has the descriptor, too. If this fails, the
            // lock ends with the process.
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
        // Without an offset: the file may be a pipe, or may be cut by somebody who rotates it.
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

    fn stat(&mut self) -> io::Result<Stat> {
        self.file.metadata().map(Stat::from)
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

/// Creates a file, 0600, empty if it was there.
///
/// # Errors
/// As the operating system says.
pub fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
