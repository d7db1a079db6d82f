//! Whole reads and writes over the file-system seam, and what its errors mean to the journal.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::seam::{Fs, FsFile};

/// Writes all of `bytes`, however short the single writes are.
pub(super) fn write_all(file: &mut dyn FsFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                offset += n as u64;
                bytes = &bytes[n..];
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Reads up to `len` bytes from `offset`, less only at the end of the file.
pub(super) fn read_up_to(file: &mut dyn FsFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut at = 0;
    while at < len {
        match file.read_at(offset + at as u64, &mut bytes[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(at);
    Ok(bytes)
}

pub(super) fn read_all(file: &mut dyn FsFile) -> io::Result<Vec<u8>> {
    let len = file.len()?;
    read_up_to(file, 0, usize::try_from(len).unwrap_or(usize::MAX))
}

/// The whole file at `path`, opened for reading only.
pub(super) fn read_path(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    read_all(&mut *fs.open_read(path)?)
}

/// Whether there was no room: the disk is full, or the user's share of it.
pub(super) fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error of kind `journal` about `path`: what could not be done, why, and what to do.
pub(super) fn error(path: &Path, what: &str, cause: &io::Error) -> Error {
    let remedy = match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user the directory, mode 0700, or set journal.dir to another"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "set journal.dir to a directory on a file system that can be written"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that file system, or set journal.dir to another"
        }
        io::ErrorKind::NotFound => "create the directory that is missing, or set journal.dir to another",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "set journal.dir to a directory",
        io::ErrorKind::Other => "leave the journal's directory to sinkwell; another journal is begun",
        _ => "check the disk; what was acknowledged before is kept",
    };
    Error::journal(format!("cannot {what}: {cause}; {remedy}")).at(path.display().to_string())
}
