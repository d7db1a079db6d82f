//! Appending, whole or not at all, to files that others can change, too.

use super::*;
use crate::seam::RealFs;
use crate::testing::TempDir;
use crate::testing::simfs::SimFs;

const PATH: &str = "/f";

fn open(fs: &dyn Fs) -> LineFile {
    LineFile::open(fs, Path::new(PATH), true).unwrap().unwrap()
}

#[test]
fn a_roll_back_cuts_off_what_was_written_and_never_extends() {
    let fs = SimFs::new(1);
    let mut file = open(&fs);
    file.append(&fs, b"one\n", false).unwrap();
    fs.leave_room(Some(2));
    assert!(matches!(file.append(&fs, b"two\n", false), Err(Trouble::Io(_))));
    assert_eq!((fs.bytes(Path::new(PATH)), file.is_doubtful()), (b"one\n".to_vec(), false));
    // Somebody cuts the file while a write fails: it stays as the other one left it.
    fs.cut(Path::new(PATH), 1);
    file.roll_back();
    assert_eq!(fs.bytes(Path::new(PATH)), b"o");
    assert!(file.is_doubtful(), "it is opened afresh");
    drop(file);
    fs.leave_room(None);
    open(&fs).append(&fs, b"three\n", false).unwrap();
    assert_eq!(fs.bytes(Path::new(PATH)), b"three\n");
    assert_eq!(fs.bytes(Path::new("/f.torn")), b"o\n");
}

#[test]
fn what_somebody_else_did_to_the_file_is_told_before_anything_is_written() {
    type Deed = fn(&Path);
    type Expected = fn(&Taken) -> bool;
    let deeds: [(Deed, Expected); 5] = [
        (|path| std::fs::remove_file(path).unwrap(), |taken| *taken == Taken::Removed),
        (|path| std::fs::rename(path, path.with_extension("1")).unwrap(), |taken| *taken == Taken::Moved),
        (
            |path| {
                std::fs::rename(path, path.with_extension("1")).unwrap();
                std::fs::write(path, "another\n").unwrap();
            },
            |taken| *taken == Taken::Moved,
        ),
        (
            |path| std::fs::File::options().write(true).open(path).unwrap().set_len(2).unwrap(),
            |taken| *taken == Taken::Cut(4, 2),
        ),
        (
            |path| {
                use std::io::Write as _;
                std::fs::File::options().append(true).open(path).unwrap().write_all(b"his").unwrap();
            },
            |taken| *taken == Taken::Grown(4, 7),
        ),
    ];
    for (n, (deed, expected)) in deeds.into_iter().enumerate() {
        let dir = TempDir::new();
        let path = dir.path().join("f");
        let mut file = LineFile::open(&RealFs, &path, false).unwrap().unwrap();
        file.append(&RealFs, b"one\n", false).unwrap();
        deed(&path);
        let before = std::fs::read(&path).ok();
        let Err(Trouble::Taken(taken)) = file.append(&RealFs, b"two\n", false) else {
            panic!("{n}: written unseen")
        };
        assert!(expected(&taken), "{n}: {taken:?}");
        assert!(file.is_doubtful());
        assert_eq!(std::fs::read(&path).ok(), before, "{n}: nothing was written");
    }
}

/// A file that is taken away while it is written to.
struct Hostile {
    fs: SimFs,
    at: std::sync::atomic::AtomicU32,
}

impl Fs for Hostile {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn FsFile>> {
        self.fs.open(path, create)
    }
    fn create_new(&self, path: &Path) -> io::Result<()> {
        self.fs.create_new(path)
    }
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.fs.open_read(path)
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        // The check at the start of an append sees the file; before the second check the file is gone.
        if self.at.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            self.fs.remove_file(path)?;
        }
        self.fs.stat(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.fs.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.fs.remove_dir(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.fs.create_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.fs.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.fs.remove_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.fs.sync_dir(path)
    }
    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.fs.free_space(path)
    }
}

#[test]
fn a_file_that_goes_while_it_is_written_to_holds_nothing() {
    let fs = SimFs::new(1);
    let mut file = open(&fs);
    let hostile = Hostile { fs: fs.clone(), at: Default::default() };
    let trouble = file.append(&hostile, b"one\n", true).unwrap_err();
    // The path no longer names the file; only the descriptor tells whether it has another name.
    assert!(matches!(trouble, Trouble::Taken(Taken::Removed | Taken::Moved)), "{trouble:?}");
    assert!(file.is_doubtful());
}

#[test]
fn processes_take_turns_and_nobody_waits_for_ever() {
    let fs = SimFs::new(1);
    let held = open(&fs);
    let limit = Duration::from_millis(20);
    let e = LineFile::open_in_turn(&fs, Path::new(PATH), limit).err().unwrap();
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    drop(held);
    assert!(LineFile::open_in_turn(&fs, Path::new(PATH), limit).is_ok());
}
