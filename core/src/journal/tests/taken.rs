//! Others who change files in the journal's directory, and power failures at every sync.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::support::*;
use crate::journal::Journal;
use crate::seam::{Access, Fs};
use crate::testing::TempDir;
use crate::testing::simfs::SimFs;

/// A journal with a full segment, an active one, and something in each that is not acknowledged.
fn filled(dir: &Path) -> Journal {
    let mut config = config(dir);
    config.budget = 1 << 20;
    let (mut journal, _) = open_with(Arc::new(crate::seam::RealFs), &config, "audit").unwrap();
    for n in 0..3 {
        append(&mut journal, &[Sample::new(n, 40_000)]);
    }
    journal.sync().unwrap();
    assert!(journal.usage().segments > 1);
    journal
}

#[test]
fn nothing_is_on_disk_that_somebody_took_away() {
    type Deed = fn(&Path);
    let segment = |sub: &Path, newest: bool| -> PathBuf {
        let mut logs: Vec<_> = std::fs::read_dir(sub)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        if newest { logs.pop().unwrap() } else { logs.swap_remove(0) }
    };
    fn remove(path: &Path) {
        std::fs::remove_file(path).unwrap();
    }
    let deeds: [(&str, Deed); 5] = [
        ("its directory", |sub| std::fs::remove_dir_all(sub.parent().unwrap()).unwrap()),
        ("the sub-journal", |sub| std::fs::rename(sub, sub.with_extension("moved")).unwrap()),
        ("the owner", |sub| remove(&sub.join("owner"))),
        ("the cursor", |sub| remove(&sub.join("cursor"))),
        ("the owner, replaced", |sub| {
            let text = std::fs::read(sub.join("owner")).unwrap();
            remove(&sub.join("owner"));
            std::fs::write(sub.join("owner"), text).unwrap();
        }),
    ];
    let check = |what: &str, deed: &dyn Fn(&Path)| {
        let dir = TempDir::new();
        let root = dir.path().join("j");
        let mut journal = filled(&root);
        deed(journal.path());
        append(&mut journal, &[Sample::new(9, 40)]);
        let e = journal.sync().err().unwrap_or_else(|| panic!("{what} is gone, and all is well"));
        assert!(e.message().contains("by somebody else"), "{what}: {e}");
        assert!(journal.failure().is_some(), "it takes nothing any more");
        // Another one is begun in its place.
        let mut another = filled(&root);
        append(&mut another, &[Sample::new(9, 40)]);
        another.sync().unwrap();
    };
    for (what, deed) in deeds {
        check(what, &deed);
    }
    check("the newest segment", &|sub| remove(&segment(sub, true)));
    check("the oldest segment", &|sub| remove(&segment(sub, false)));
    check("part of the newest segment", &|sub| {
        std::fs::File::options().write(true).open(segment(sub, true)).unwrap().set_len(5000).unwrap();
    });
}

#[test]
fn a_directory_that_is_not_safely_ours_is_refused_unless_that_is_allowed() {
    let dir = TempDir::new();
    let real = dir.path().join("real");
    drop(filled(&real));
    let link = dir.path().join("link");
    symlink(&real, &link).unwrap();
    let open = |path: &Path, access: Access| {
        let mut config = config(path);
        config.access = access;
        open_with(Arc::new(crate::seam::SharedFs(access)), &config, "audit").map(drop)
    };
    let e = open(&link, Access::default()).unwrap_err();
    assert!(e.message().contains("allow_links: true"), "{e}");
    open(&link, Access { links: true, ..Access::default() }).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o777)).unwrap();
    let e = open(&real, Access::default()).unwrap_err();
    assert!(e.message().contains("0777") && e.message().contains("allow_shared_write: true"), "{e}");
    open(&real, Access { shared_write: true, ..Access::default() }).unwrap();
}

/// The power fails before each sync in turn, and takes every write, cut, rename and removal that no sync covered.
#[test]
fn what_was_journaled_is_there_whenever_the_power_goes() {
    let mut points = 0;
    loop {
        let fs = SimFs::new(points);
        let shared: Arc<dyn Fs> = Arc::new(fs.clone());
        let mut config = config(Path::new("/j"));
        config.budget = 1 << 20;
        fs.lose_power_at_sync(points);
        let (mut journaled, mut acknowledged) = (0, 0);
        if let Ok((mut journal, _)) = open_with(Arc::clone(&shared), &config, "audit") {
            for n in 0..12 {
                let sample = Sample::new(n, 30_000);
                let Ok(last) = journal.append(&[sample.record()]) else { break };
                if journal.sync().is_err() {
                    break;
                }
                journaled = n + 1;
                // Segments are reclaimed, and used again.
                if n >= 4 {
                    acknowledged = n - 3;
                    if journal.ack(crate::journal::Position(last.0 - 4)).is_err() {
                        break;
                    }
                }
            }
        }
        let dark = fs.is_dark();
        fs.lose_all_unsynced();
        let (_journal, adopted) = open_with(shared, &config, "audit").unwrap();
        let held: Vec<_> =
            adopted.iter().flat_map(|one| one.records().map(Result::unwrap).collect::<Vec<_>>()).collect();
        for n in acknowledged..journaled {
            let sample = Sample::new(n, 30_000);
            assert!(
                held.iter().any(|stored| sample.is(stored)),
                "power gone at sync {points}: {n} of {journaled} is missing"
            );
        }
        if !dark {
            break;
        }
        points += 1;
    }
    assert!(points > 15, "{points} sync points show nothing");
}
