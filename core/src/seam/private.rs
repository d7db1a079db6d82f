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

/// Reads a private key's file, refusing one that others can read.
pub(crate) fn read_private(path: &Path, allow_group_readable: bool) -> Result<Zeroizing<Vec<u8>>> {
    let place = path.display().to_string();
    let unreadable = |e: std::io::Error| Error::key(format!("the key file cannot be read: {e}")).at(&*place);
    let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
    let forbidden = if allow_group_readable { 0o027 } else { 0o077 };
    if mode & forbidden != 0 {
        // A public key may have any permissions.
        if is_public(path) {
            return Err(Error::key(PUBLIC_KEY).at(place));
        }
        let remedy = if mode & 0o007 == 0 { ", or allow it with key.allow_group_readable: true" } else { "" };
        return Err(Error::key(format!(
            "others can read this private key (mode {mode:04o}); run `chmod 600` on it{remedy}"
        ))
        .at(place));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(unreadable)
}

/// Whether a file holds a public key in PEM form.
fn is_public(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).trim_start().starts_with(PUBLIC_PEM)
}

/// Writes a new file with these permissions, synced; never over one that is there.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let place = path.display().to_string();
    let result =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
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
