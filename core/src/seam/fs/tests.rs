//! What is opened for writing, and what is refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::testing::TempDir;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Opens a path for writing in every way; answers the message of the refusal, which must be the same for each.
fn open(path: &Path, access: Access) -> Result<(), String> {
    let fs = SharedFs(access);
    let results = [fs.open(path, true).map(drop), fs.open_append(path).map(drop), check_path(path, access)];
    let texts: Vec<_> = results.into_iter().map(|result| result.map_err(|e| e.to_string())).collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    texts[0].clone()
}

const STRICT: Access = Access { links: false, shared_write: false, pipes: false };
const LINKS: Access = Access { links: true, ..STRICT };
const SHARED: Access = Access { shared_write: true, ..STRICT };
const PIPES: Access = Access { pipes: true, ..STRICT };

#[test]
fn only_what_is_ours_is_opened_for_writing() {
    let dir = TempDir::new();
    let file = dir.path().join("file");
    std::fs::write(&file, "kept\n").unwrap();
    assert_eq!(open(&file, STRICT), Ok(()));

    for (bits, fine) in
        [(0o600, true), (0o644, true), (0o640, true), (0o666, false), (0o620, false), (0o602, false)]
    {
        mode(&file, bits);
        match open(&file, STRICT) {
            Ok(()) => assert!(fine, "{bits:o}"),
            Err(text) => {
                assert!(
                    !fine && text.contains("chmod go-w") && text.contains("allow_shared_write: true"),
                    "{text}"
                );
            }
        }
        assert_eq!(open(&file, SHARED), Ok(()), "{bits:o}");
    }
    mode(&file, 0o600);

    let link = dir.path().join("link");
    symlink(&file, &link).unwrap();
    for access in [STRICT, SHARED, PIPES] {
        assert!(open(&link, access).unwrap_err().contains("allow_links: true"));
    }
    assert_eq!(open(&link, LINKS), Ok(()));
    mode(&file, 0o666);
    assert!(open(&link, LINKS).unwrap_err().contains("0666"), "what a link leads to is held to the same");
    mode(&file, 0o600);

    // A link that leads nowhere makes no file where it points.
    let dangling = dir.path().join("dangling");
    symlink(dir.path().join("nowhere"), &dangling).unwrap();
    assert!(open(&dangling, STRICT).unwrap_err().contains("symbolic link"));
    assert!(!dir.path().join("nowhere").exists());
    assert_eq!(std::fs::read(&file).unwrap(), b"kept\n");
}

#[test]
fn pipes_and_devices_only_where_they_make_sense_and_nothing_waits_to_be_refused() {
    let dir = TempDir::new();
    let pipe = dir.path().join("pipe");
    let how = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, how, 0).unwrap();
    // Nobody reads the pipe: the call must return all the same.
    assert!(open(&pipe, STRICT).unwrap_err().contains("no regular file"));
    let null = Path::new("/dev/null");
    assert!(open(null, STRICT).unwrap_err().contains("no regular file"));
    assert_eq!(open(null, PIPES), Ok(()));
    assert!(SharedFs(PIPES).open_append(Path::new("/dev/stderr")).is_ok());
    assert!(check_path(dir.path(), PIPES).unwrap_err().to_string().contains("no regular file"));
}

#[test]
fn a_directory_that_others_may_write_to_is_not_ours() {
    let dir = TempDir::new();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    mode(&inner, 0o700);
    let link = dir.path().join("link");
    symlink(&inner, &link).unwrap();
    let check = |path: &Path, access| SharedFs(access).check_dir(path).map_err(|e| e.to_string());
    assert_eq!(check(&inner, STRICT), Ok(()));
    assert!(check(&link, STRICT).unwrap_err().contains("allow_links"));
    assert_eq!(check(&link, LINKS), Ok(()));
    mode(&inner, 0o777);
    assert!(check(&inner, STRICT).unwrap_err().contains("0777"));
    assert!(check(&link, LINKS).unwrap_err().contains("0777"));
    assert_eq!(check(&inner, SHARED), Ok(()));
}

#[test]
fn another_users_file_is_not_ours() {
    let dir = TempDir::new();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    // Only root can give a file away. Other users would have only files of root's to test with, which count as their
    // own.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
        assert!(open(&file, STRICT).unwrap_err().contains("uid 12345"));
        assert_eq!(open(&file, SHARED), Ok(()));
    }
}
