//! The checkpoint file when its place is full, hangs, is removed, or is not safely ours.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::seam::{FsFile, ManualClock};
use crate::testing::simfs::SimFs;
use crate::testing::{TempDir, envelope_of};

const PATH: &str = "/c.ndjson";
const LONG: Duration = Duration::from_secs(60);

fn checkpoint(stream: u8, n: u64) -> Envelope {
    envelope_of(format!("{{\"stream\":{stream},\"n\":{n:05}}}"), stream, n)
}

fn target(path: &str) -> OwnPath {
    OwnPath { path: path.into(), access: Access::default() }
}

fn inline(fs: &SimFs) -> CheckpointFile {
    CheckpointFile::open_in(Arc::new(fs.clone()), Arc::new(ManualClock::new(0)), target(PATH), true).unwrap()
}

fn held(fs: &SimFs) -> String {
    String::from_utf8(fs.bytes(Path::new(PATH))).unwrap()
}

#[test]
fn on_a_full_disk_there_are_whole_lines_only_and_all_of_them_later() {
    let fs = SimFs::new(1);
    let file = inline(&fs);
    file.push(&checkpoint(1, 1));
    let one = held(&fs);
    for room in 0..one.len() {
        fs.leave_room(Some(room));
        file.push(&checkpoint(1, 2));
        assert_eq!(held(&fs), one, "with room for {room} bytes");
        assert_eq!(file.health().state, LaneState::Failed);
    }
    fs.leave_room(None);
    file.push(&checkpoint(1, 3));
    assert_eq!(held(&fs).lines().count(), one.len() + 2, "what failed was kept and tried again");
    assert_eq!(file.health().state, LaneState::Healthy);
}

#[test]
fn what_was_written_is_there_whenever_the_power_goes() {
    let mut points = 0;
    loop {
        let fs = SimFs::new(points);
        fs.lose_power_at_sync(points);
        let file = inline(&fs);
        for n in 0..4 {
            file.push(&checkpoint(1, n));
        }
        let written = lock(&file.shared.state).written;
        let dark = fs.is_dark();
        fs.lose_all_unsynced();
        let lines = if written > 0 { held(&fs).lines().count() as u64 } else { 0 };
        assert!(lines >= written, "power gone at sync {points}: {lines} of {written}");
        if !dark {
            break;
        }
        points += 1;
    }
    assert!(points >= 5, "{points} sync points");
}

#[test]
fn a_file_that_is_taken_away_is_said_and_its_streams_are_written_again() {
    let fs = SimFs::new(1);
    let file = inline(&fs);
    for (stream, n) in [(1, 1), (1, 2), (2, 1)] {
        file.push(&checkpoint(stream, n));
    }
    fs.remove_file(Path::new(PATH)).unwrap();
    file.push(&checkpoint(3, 1));
    assert_eq!(
        held(&fs),
        "{\"stream\":1,\"n\":00002}\n{\"stream\":2,\"n\":00001}\n{\"stream\":3,\"n\":00001}\n"
    );
    let health = file.health();
    assert_eq!(health.failure, Some(FailureKind::Storage), "{health:?}");
    assert!(health.summary.unwrap().contains("moved or replaced by somebody else"));
    // Cut: the same.
    fs.cut(Path::new(PATH), 0);
    file.push(&checkpoint(3, 2));
    assert_eq!(held(&fs).lines().count(), 4);
}

/// A file system in which every opening of a file blocks until the test lets it go on.
struct Stalled {
    fs: SimFs,
    asked: Mutex<Sender<()>>,
    let_go: Mutex<Receiver<()>>,
}

impl Fs for Stalled {
    fn open(&self, path: &Path, create: bool) -> std::io::Result<Box<dyn FsFile>> {
        let _ = lock(&self.asked).send(());
        let _ = lock(&self.let_go).recv();
        self.fs.open(path, create)
    }
    fn create_new(&self, path: &Path) -> std::io::Result<()> {
        self.fs.create_new(path)
    }
    fn open_read(&self, path: &Path) -> std::io::Result<Box<dyn FsFile>> {
        self.fs.open_read(path)
    }
    fn stat(&self, path: &Path) -> std::io::Result<Stat> {
        self.fs.stat(path)
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        self.fs.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> std::io::Result<()> {
        self.fs.remove_dir(path)
    }
    fn create_dir_all(&self, path: &Path) -> std::io::Result<()> {
        self.fs.create_dir_all(path)
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<PathBuf>> {
        self.fs.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.fs.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> std::io::Result<()> {
        self.fs.remove_file(path)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.fs.sync_dir(path)
    }
    fn free_space(&self, path: &Path) -> std::io::Result<u64> {
        self.fs.free_space(path)
    }
}

#[test]
fn a_place_that_hangs_holds_up_nobody_says_so_and_holds_a_bounded_number() {
    let fs = SimFs::new(1);
    let ((asked, was_asked), (go, let_go)) = (channel(), channel());
    let stalled = Stalled { fs: fs.clone(), asked: Mutex::new(asked), let_go: Mutex::new(let_go) };
    let clock = Arc::new(ManualClock::new(0));
    let file =
        CheckpointFile::open_in(Arc::new(stalled), Arc::clone(&clock) as _, target(PATH), false).unwrap();
    file.push(&checkpoint(1, 0));
    was_asked.recv().unwrap();
    // The write is under way and hangs: none of these pushes waits.
    for n in 1..=ROOM as u64 + 10 {
        file.push(&checkpoint(1, n));
    }
    assert_eq!(lock(&file.shared.state).waiting.len(), ROOM);
    assert_eq!(file.health().state, LaneState::Starting);
    clock.advance(STALLED);
    let health = file.health();
    assert_eq!((health.state, health.failure), (LaneState::Failed, Some(FailureKind::Timeout)));
    assert!(health.detail.unwrap().contains("10 given up"), "the oldest went, and are counted");
    // Neither a flush nor a shutdown waits longer than it may.
    file.flush(Duration::from_millis(1));
    // It comes back: the newest is there.
    go.send(()).unwrap();
    go.send(()).unwrap();
    file.flush(LONG);
    file.flush(LONG);
    assert_eq!(file.health().state, LaneState::Healthy);
    assert!(held(&fs).ends_with(&format!("{{\"stream\":1,\"n\":{:05}}}\n", ROOM + 10)));
    file.close(LONG);
    assert_eq!(file.health().state, LaneState::Closed);
}

/// What the lanes are told to seal.
fn heard(file: &CheckpointFile) -> Receiver<StateRecord> {
    let (said, hears) = channel();
    let said = Mutex::new(said);
    file.listen(Box::new(move |record| lock(&said).send(record).unwrap()));
    hears
}

#[test]
fn every_change_of_its_state_is_told_once() {
    let fs = SimFs::new(1);
    let file = inline(&fs);
    let hears = heard(&file);
    let all = || -> Vec<_> { hears.try_iter().map(|record| (record.state, record.failure)).collect() };
    file.push(&checkpoint(1, 1));
    assert_eq!(all(), [], "that it works is no news");
    fs.leave_room(Some(0));
    for n in 2..5 {
        file.push(&checkpoint(1, n));
    }
    assert_eq!(all(), [(LaneState::Failed, Some(FailureKind::Storage))]);
    fs.leave_room(None);
    file.push(&checkpoint(1, 5));
    file.push(&checkpoint(1, 6));
    assert_eq!(all(), [(LaneState::Healthy, None)]);
    fs.remove_file(Path::new(PATH)).unwrap();
    file.push(&checkpoint(1, 7));
    assert_eq!(all(), [(LaneState::Healthy, Some(FailureKind::Storage))], "it failed, and is healthy");
}

#[test]
fn that_a_write_hangs_is_told_by_who_brings_the_next_checkpoint() {
    let ((asked, was_asked), (go, let_go)) = (channel(), channel());
    let stalled = Stalled { fs: SimFs::new(1), asked: Mutex::new(asked), let_go: Mutex::new(let_go) };
    let clock = Arc::new(ManualClock::new(0));
    let file =
        CheckpointFile::open_in(Arc::new(stalled), Arc::clone(&clock) as _, target(PATH), false).unwrap();
    let hears = heard(&file);
    file.push(&checkpoint(1, 0));
    was_asked.recv().unwrap();
    file.push(&checkpoint(1, 1));
    assert!(hears.try_recv().is_err());
    clock.advance(STALLED);
    file.push(&checkpoint(1, 2));
    file.push(&checkpoint(1, 3));
    let failure = |record: StateRecord| (record.state, record.failure);
    assert_eq!(failure(hears.recv().unwrap()), (LaneState::Failed, Some(FailureKind::Timeout)));
    go.send(()).unwrap();
    assert_eq!(failure(hears.recv().unwrap()), (LaneState::Healthy, None));
    go.send(()).unwrap();
    file.close(LONG);
    assert!(hears.try_recv().is_err());
}

#[test]
fn a_shutdown_leaves_a_place_that_hangs_behind() {
    let ((asked, was_asked), (_go, let_go)) = (channel(), channel());
    let stalled = Stalled { fs: SimFs::new(1), asked: Mutex::new(asked), let_go: Mutex::new(let_go) };
    let clock = Arc::new(ManualClock::new(0));
    let file = CheckpointFile::open_in(Arc::new(stalled), clock, target(PATH), false).unwrap();
    file.push(&checkpoint(1, 0));
    was_asked.recv().unwrap();
    file.close(Duration::from_millis(1));
    assert_ne!(file.health().state, LaneState::Closed, "what is left is not hidden");
}

#[test]
fn a_path_that_is_not_ours_is_refused_at_open() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = TempDir::new();
    let real = dir.path().join("real");
    std::fs::write(&real, "").unwrap();
    let link = dir.path().join("link");
    symlink(&real, &link).unwrap();
    for inline in [true, false] {
        let target = OwnPath { path: link.clone(), access: Access::default() };
        let e = CheckpointFile::open(target.clone(), inline).err().unwrap();
        assert!(e.message().contains("allow_links"), "{e}");
        let access = Access { links: true, ..Access::default() };
        assert!(CheckpointFile::open(OwnPath { access, ..target }, inline).is_ok());
    }
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o666)).unwrap();
    let e = CheckpointFile::open(target(real.to_str().unwrap()), false).err().unwrap();
    assert!(e.message().contains("0666") && e.message().contains("allow_shared_write"), "{e}");
}
