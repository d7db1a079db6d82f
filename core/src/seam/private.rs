//! Files that hold a secret: never read if others can read them, too, and never written over another file.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// How a public key in PEM form begins.
pub(crate) const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----";
/// The message for a public key where a private one is needed.
pub(crate) const PUBLIC_KEY: &str = "this is a public key; sealing needs the private one (PKCS#8 PEM), which `sinkwell keys new` writes \
                      beside it, without .pub";

/// A kind of files that hold a secret, as messages name them.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// What such a file holds.
    what: &'static str,
    file: &'static str,
    /// What lets a group read it.
    allow: &'static str,
}

impl Kept {
    const SEALING_KEY: Self =
        Self { what: "private key", file: "key file", allow: "key.allow_group_readable: true" };

    /// The key of the intake's certificate.
    #[cfg(feature = "intake")]
    pub(crate) const INTAKE_KEY: Self = Self { allow: INTAKE_ALLOWS, ..Self::SEALING_KEY };

    /// What an intake lets its peers in for.
    #[cfg(feature = "intake")]
    pub(crate) const TOKENS: Self =
        Self { what: "file of tokens", file: "file of tokens", allow: INTAKE_ALLOWS };
}

#[cfg(feature = "intake")]
const INTAKE_ALLOWS: &str = "--allow-group-readable";

/// Reads a private key's file, refusing one that others can read.
pub(crate) fn read_private(path: &Path, allow_group_readable: bool) -> Result<Zeroizing<Vec<u8>>> {
    read_kept(path, Kept::SEALING_KEY, allow_group_readable).map_err(|e| {
        // A public key may have any permissions.
        if is_public(path) { Error::key(PUBLIC_KEY).at(path.display().to_string()) } else { e }
    })
}

/// Reads a file that holds a secret, refusing one that others can read.
pub(crate) fn read_kept(path: &Path, kept: Kept, allow_group_readable: bool) -> Result<Zeroizing<Vec<u8>>> {
    let Kept { what, file, allow } = kept;
    let place = path.display().to_string();
    let unreadable = |e: std::io::Error| Error::key(format!("the {file} cannot be read: {e}")).at(&*place);
    let mut opened = std::fs::File::open(path).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.mode() & 0o777;
    let forbidden = if allow_group_readable { 0o027 } else { OTHERS };
    if mode & forbidden != 0 {
        let remedy = if mode & 0o007 == 0 { format!(", or allow it with {allow}") } else { String::new() };
        return Err(Error::key(others_read(what, mode) + &remedy).at(place));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    opened.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// What is wrong with a private key's file that others can read, where it is not refused for that.
#[cfg(feature = "otlp")]
pub(crate) fn others_read_key(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
    (mode & OTHERS != 0).then(|| others_read(Kept::SEALING_KEY.what, mode))
}

fn others_read(what: &str, mode: u32) -> String {
    format!("others can read this {what} (mode {mode:04o}); run `chmod 600` on it")
}

/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;

/// Whether a file holds a public key in PEM form.
fn is_public(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).trim_start().starts_with(PUBLIC_PEM)
}

/// Removes what [`write_new`] made, as far as that can be done.
pub(crate) fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Writes a new file with these permissions, synced, and leaves none where that fails; never over one that is there.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let place = path.display().to_string();
    let result =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            // On a full disk half of it, or nothing, is there: no key, and in the way of the next try.
            file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| remove(path))
        });
    result.map_err(|e| {
        let what = if e.kind() == std::io::ErrorKind::AlreadyExists {
            "there is a file of that name already; nothing was changed".to_owned()
        } else {
            format!("the key file cannot be written: {e}")
        };
        Error::key(what).at(place)
    })
}
