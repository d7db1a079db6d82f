//! Reads of what is used as it is, once: files and folders at given paths, and this process's own environment.
//!
//! Whatever is written, or must survive a failure, goes through [`Fs`](super::Fs) instead.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// No key and no bundle of certificates is longer.
const LONGEST: u64 = 16 << 20;

/// All of a file that is small: a key, certificates.
///
/// # Errors
/// As the operating system says; or the file is longer than any such file, or has no end (a device).
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    // In one piece where its length is known, so that of a secret no other copy is left.
    let length = file.metadata()?.len().min(LONGEST) + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        let what = format!("it has more than {} MiB; is this the right file?", LONGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// Metadata of a file or folder; for a link, of its target.
///
/// # Errors
/// As the operating system says.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    std::fs::metadata(path)
}

/// Whether something is there, and can be seen.
pub(crate) fn exists(path: &Path) -> bool {
    metadata(path).is_ok()
}

/// The paths of all that is in a folder, in no order.
///
/// # Errors
/// As the operating system says.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// An environment variable, whatever it holds.
pub(crate) fn var_os(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The file that this process runs.
#[cfg(feature = "otlp")]
pub(crate) fn executable() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

/// How many threads of this process can run at once, as far as that was known when it was first asked.
pub(crate) fn processors() -> usize {
    static COUNT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
