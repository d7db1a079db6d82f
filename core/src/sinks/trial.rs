//! What `sinkwell doctor` can tell of files without writing an event.

use std::io;
use std::path::{Path, PathBuf};

use crate::seam::{Access, Fs, SharedFs, exists};
use crate::sink::{Examined, Grade};

/// A file that cannot be written, is not there yet, or is another process's at the moment, is all there is to say;
/// any other can be tried.
pub(crate) fn file(path: &Path, access: Access) -> Examined {
    let fs = SharedFs(access);
    let there = exists(path);
    if crate::seam::sqlite::is_open_here(path) {
        // Not to be opened by anybody else, not even for a look: closing it would drop SQLite's locks.
        return Examined::Found(Grade::Good, format!("{} is in use by this process", path.display()));
    }
    if let Err(e) = writable_file(&fs, path) {
        let text = format!("{}: {e}; make it writable, or change its path", path.display());
        return Examined::Found(Grade::Wrong, text);
    }
    if !there {
        return Examined::Found(Grade::Good, format!("{} will be made", path.display()));
    }
    match fs.open(path, false).and_then(|mut file| file.try_lock()) {
        Ok(false) => Examined::Found(Grade::Good, format!("{} is in use by a process", path.display())),
        _ => Examined::Deliver,
    }
}

/// The nearest folder above that is there.
pub(crate) fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| exists(path)).unwrap_or(Path::new("."))
}

/// Whether files can be made in a folder, or the folder itself could be.
pub(crate) fn writable_folder(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = if exists(dir) {
        fs.check_dir(dir)?;
        dir
    } else {
        parent
    };
    let trial: PathBuf = dir.join(format!(".sinkwell-doctor-{}", std::process::id()));
    drop(fs.open(&trial, true)?);
    fs.remove_file(&trial)
}

/// Whether a file can be written, or made.
pub(crate) fn writable_file(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    if exists(path) {
        return fs.open(path, false).map(|_| ());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs.list(parent)?;
    writable_folder(fs, parent)
}
