//! The journal directory: whose it is, and the sub-journals in it.
//!
//! Guarantees: a sub-journal appears under its name only once it is locked, described and durable. If its lock can be
//! taken, its process is gone. A directory with another layout is left alone; one that others may write to, or that is
//! reached by a link, is used only if the configuration allows it.

use std::io;
use std::path::{Path, PathBuf};

use super::cursor::CursorFile;
use super::io::{error, read_all, read_path, write_all};
use super::segment::{Name, intact};
use super::survey::other_version;
use crate::error::{Error, Result};
use crate::json::{self, Value};
use crate::seam::fork::Process;
use crate::seam::{Fs, FsFile, Stat, Uuid};

const MARKER: &str = "sinkwell-journal";
const MARKER_PREFIX: &str = "sinkwell-journal ";
const MARKER_TEXT: &str = "sinkwell-journal 1\n";
pub(super) const OWNER: &str = "owner";
pub(super) const CURSOR: &str = "cursor";
pub(super) const DAMAGED: &str = "damaged";
const UNFINISHED: &str = ".new";

/// Whose sub-journal it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The lane's id.
    pub lane: String,
    /// The kind of its sink.
    pub sink: String,
    /// The process that made it.
    pub pid: u32,
}

impl Identity {
    fn to_json(&self) -> Vec<u8> {
        let value = Value::Object(vec![
            ("lane".into(), Value::from(self.lane.as_str())),
            ("pid".into(), Value::Int(i64::from(self.pid))),
            ("sink".into(), Value::from(self.sink.as_str())),
        ]);
        // Strings and a small integer always have a canonical form.
        value.to_canonical().unwrap_or_default()
    }

    fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        Some(Self {
            lane: value.get("lane")?.as_str()?.to_owned(),
            sink: value.get("sink")?.as_str()?.to_owned(),
            pid: u32::try_from(value.get("pid")?.as_i64()?).ok()?,
        })
    }
}

/// Makes sure that `dir` is a journal directory of this layout; creates it in a parent that exists.
pub(super) fn prepare(fs: &dyn Fs, dir: &Path) -> Result<()> {
    match fs.create_dir(dir) {
        Ok(()) => {}
        // Whoever can write to the directory could also put a forged history there.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs.check_dir(dir).map_err(|e| error(dir, "use the journal's directory", &e))?;
        }
        // On a read-only file system the directory may exist all the same: the first write will tell.
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem && fs.list(dir).is_ok() => {}
        Err(e) => return Err(error(dir, "create the journal's directory", &e)),
    }
    if check(fs, dir)? {
        return Ok(());
    }
    // The marker is made only after the directory itself is durable, so that the marker proves that, too.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs.sync_dir(parent).map_err(|e| error(parent, "make the journal's directory durable", &e))?;
    let marker = dir.join(MARKER);
    let write = || {
        let mut file = fs.open(&marker, true)?;
        write_all(&mut *file, 0, MARKER_TEXT.as_bytes())?;
        file.sync_data()?;
        fs.sync_dir(dir)
    };
    write().map_err(|e| error(&marker, "write to the journal's directory", &e))
}

/// Whether `dir` has this layout's marker; the marker of another layout is an error. An unfinished marker counts as
/// none.
pub(super) fn check(fs: &dyn Fs, dir: &Path) -> Result<bool> {
    let marker = dir.join(MARKER);
    let text = match read_path(fs, &marker) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(error(&marker, "read the journal's mark", &e)),
    };
    if text == MARKER_TEXT.as_bytes() {
        return Ok(true);
    }
    if MARKER_TEXT.as_bytes().starts_with(&text) {
        return Ok(false);
    }
    let version = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.strip_prefix(MARKER_PREFIX)?.trim_end().parse().ok());
    Err(match version {
        Some(version) => other_version(&marker, version),
        None => Error::journal(
            "this file is not the mark of a sinkwell journal; set journal.dir to another directory",
        )
        .at(marker.display().to_string()),
    })
}

/// The sub-journals in `dir`, in the order in which they were made.
pub(super) fn subdirectories(fs: &dyn Fs, dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs.list(dir).map_err(|e| error(dir, "list the journal's directory", &e))?;
    let mut found: Vec<(Uuid, PathBuf)> =
        entries.into_iter().filter_map(|path| Some((id_of(&path)?, path))).collect();
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn id_of(path: &Path) -> Option<Uuid> {
    let (_, id) = path.file_name()?.to_str()?.rsplit_once('.')?;
    Uuid::parse(id)
}

/// A sub-journal that no other process can touch as long as this value lives.
pub(super) struct Owned {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// Holds the lock as long as it is open.
    _lock: Box<dyn FsFile>,
    /// Which file that is.
    held: Stat,
    /// Whose it is.
    pub(super) process: Process,
}

impl Owned {
    /// # Errors
    /// Kind `journal`: it is the parent's of this forked child.
    pub(super) fn check_process(&self) -> Result<()> {
        if self.process.is_this() {
            return Ok(());
        }
        Err(Error::journal("this journal belongs to the parent process; open one for this process")
            .at(self.path.display().to_string()))
    }

    /// Whether the sub-journal can still be found and taken over by the next process.
    pub(super) fn check(&self, fs: &dyn Fs) -> io::Result<()> {
        intact(fs, &self.path.join(OWNER), &self.held, 0)
    }
}

/// Makes a sub-journal for `identity`, under the first id that is free.
pub(super) fn create(
    fs: &dyn Fs,
    dir: &Path,
    identity: Identity,
    mut id: impl FnMut(u64) -> Uuid,
) -> Result<(Owned, CursorFile)> {
    let name: String =
        identity.lane.chars().take(64).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // With a fixed clock and seed, ids repeat from run to run and from process to process, so several are tried.
    for n in 0.. {
        let path = dir.join(format!("{name}.{}", id(n)));
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        if fs.list(&path).is_ok() {
            continue;
        }
        match fs.create_dir(&unfinished) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(error(dir, "create a journal", &e)),
        }
        match make(fs, dir, &unfinished, &path, &identity) {
            Ok((mut owner, cursor)) => {
                let held = owner.stat().map_err(|e| error(&path, "create a journal", &e))?;
                return Ok((Owned { path, identity, _lock: owner, held, process: Process::this() }, cursor));
            }
            Err(e) => {
                // Only our own empty files are in there; if something stays, the next start sweeps it away.
                let _ = remove(fs, &unfinished);
                // Another process took the same id between our look and our rename.
                if !matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) {
                    return Err(error(&unfinished, "create a journal", &e));
                }
            }
        }
    }
    Err(Error::internal("no id is free for a journal").at(dir.display().to_string()))
}

fn make(
    fs: &dyn Fs,
    dir: &Path,
    unfinished: &Path,
    path: &Path,
    identity: &Identity,
) -> io::Result<(Box<dyn FsFile>, CursorFile)> {
    let mut owner = fs.open(&unfinished.join(OWNER), true)?;
    if !owner.try_lock()? {
        return Err(io::Error::other("its lock is held by another process"));
    }
    let cursor = CursorFile::create(fs, &unfinished.join(CURSOR))?;
    write_all(&mut *owner, 0, &identity.to_json())?;
    owner.sync_data()?;
    fs.sync_dir(unfinished)?;
    fs.rename(unfinished, path)?;
    fs.sync_dir(dir)?;
    Ok((owner, cursor))
}

/// Who holds a sub-journal.
pub(super) enum Claim {
    /// We do now: its process is gone.
    Ours(Owned),
    /// Its process lives, or another heir was faster.
    Held,
    /// It belongs to another lane, or cannot be attributed.
    Foreign,
    /// It is not there any more.
    Gone,
}

/// Takes the sub-journal at `path` if its process is gone and `wanted` says that it is ours to take.
pub(super) fn claim(fs: &dyn Fs, path: &Path, wanted: impl Fn(&Identity) -> bool) -> Result<Claim> {
    let owner_path = path.join(OWNER);
    let fail = |e: &io::Error| error(&owner_path, "take over an abandoned journal", e);
    let mut owner = match fs.open(&owner_path, false) {
        Ok(owner) => owner,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // Only its directory is left: a crash interrupted `remove`.
            let _ = fs.remove_dir(path);
            return Ok(Claim::Gone);
        }
        Err(e) => return Err(fail(&e)),
    };
    let Some(identity) = Identity::from_json(&read_all(&mut *owner).map_err(|e| fail(&e))?) else {
        return Ok(Claim::Foreign);
    };
    if !wanted(&identity) {
        return Ok(Claim::Foreign);
    }
    if !owner.try_lock().map_err(|e| fail(&e))? {
        return Ok(Claim::Held);
    }
    // The previous heir may have finished and deleted it between our opening and our locking of the file.
    match fs.open_read(&owner_path) {
        Ok(_) => {
            let held = owner.stat().map_err(|e| fail(&e))?;
            Ok(Claim::Ours(Owned {
                path: path.to_owned(),
                identity,
                _lock: owner,
                held,
                process: Process::this(),
            }))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Claim::Gone),
        Err(e) => Err(fail(&e)),
    }
}

/// The identity of the sub-journal at `path`, and whether its process lives; for looking only.
pub(super) fn look(fs: &dyn Fs, path: &Path) -> io::Result<(Option<Identity>, bool)> {
    let mut owner = fs.open_read(&path.join(OWNER))?;
    let identity = Identity::from_json(&read_all(&mut *owner)?);
    // We hold the lock as long as this function runs; an heir that finds it locked tries again.
    let free = owner.try_lock_shared()?;
    Ok((identity, !free))
}

/// Removes what processes that died while making a sub-journal left behind.
pub(super) fn sweep(fs: &dyn Fs, dir: &Path) {
    for path in fs.list(dir).unwrap_or_default() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(id) = name.strip_suffix(UNFINISHED) else { continue };
        if id_of(Path::new(id)).is_none() {
            continue;
        }
        // A process that makes a sub-journal locks this file before it writes to it. If there is something in it and no
        // lock, that process is dead.
        if let Ok(mut owner) = fs.open(&path.join(OWNER), false)
            && matches!(owner.len(), Ok(1..))
            && matches!(owner.try_lock(), Ok(true))
        {
            // Garbage that cannot be removed does no harm.
            let _ = remove(fs, &path);
        }
    }
}

/// Deletes a sub-journal, its identity last, so that what a crash leaves can still be attributed.
pub(super) fn remove(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    let owner = path.join(OWNER);
    for entry in fs.list(path)? {
        if entry != owner {
            fs.remove_file(&entry)?;
        }
    }
    match fs.remove_file(&owner) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs.remove_dir(path)
}

/// Moves a segment in which something could not be read to the folder for damaged ones, where people look.
pub(super) fn set_aside(fs: &dyn Fs, sub: &Path, segment: &Path) -> io::Result<PathBuf> {
    let dir = sub.parent().unwrap_or(Path::new(".")).join(DAMAGED);
    match fs.create_dir(&dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let to = dir.join(format!("{}.{}", name(sub), name(segment)));
    fs.rename(segment, &to)?;
    fs.sync_dir(&dir)?;
    Ok(to)
}

/// Bytes of all segments in the journal directory: those of other processes, spare and damaged ones too.
pub(super) fn bytes_used(fs: &dyn Fs, dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    let damaged = dir.join(DAMAGED);
    for path in fs.list(dir)? {
        if id_of(&path).is_none() && path != damaged {
            continue;
        }
        // Other processes add and remove files while we count.
        let files = fs.list(&path).unwrap_or_default();
        for file in files.iter().filter(|file| path == damaged || Name::parse(file).is_some()) {
            total += fs.open_read(file).and_then(|mut file| file.len()).unwrap_or(0);
        }
    }
    Ok(total)
}
