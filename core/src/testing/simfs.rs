//! A file system in memory that can lose its power, and fail at every call.
//!
//! Every file and directory has two contents: what a reader sees, and what is on the disk. Between them
//! lie the changes that no sync has covered. [`SimFs::lose_power`] applies a random choice of them: of
//! writes any 512-byte sectors in any order, of a directory's changes a prefix. A failed sync does the
//! same and then forgets the rest, as Linux does: later syncs succeed and cover nothing of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::seam::{Fs, FsFile, Stat};

const SECTOR: usize = 512;

/// SplitMix64: the same faults for the same seed.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }
}

enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Default)]
struct File {
    seen: Vec<u8>,
    disk: Vec<u8>,
    pending: Vec<Change>,
    /// The handle that holds the lock.
    lock: Option<u64>,
    sync_failed: bool,
}

type Entries = BTreeMap<String, Node>;
/// One atomic change of a directory: names and what they then are.
type DirChange = Vec<(String, Option<Node>)>;

#[derive(Default)]
struct Dir {
    seen: Entries,
    disk: Entries,
    pending: Vec<DirChange>,
}

#[derive(Clone)]
enum Node {
    File(Arc<Mutex<File>>),
    Dir(Arc<Mutex<Dir>>),
}

struct World {
    rng: Rng,
    /// One call in so many fails; 0: none.
    fault_rate: u64,
    /// How many calls failed.
    faults: u64,
    /// Handles of an earlier life are dead.
    life: u64,
    handles: u64,
    /// How many more bytes files may grow by; `None`: as many as they like.
    room: Option<usize>,
    /// After so many more syncs the power goes, before the next one.
    power: Option<u64>,
    /// The power is gone: whoever still runs reaches nothing.
    dark: bool,
}

/// The file system.
#[derive(Clone)]
pub(crate) struct SimFs {
    world: Arc<Mutex<World>>,
    root: Arc<Mutex<Dir>>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap()
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn enospc() -> io::Error {
    io::Error::from_raw_os_error(28)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl World {
    fn fails(&mut self) -> bool {
        let rate = self.fault_rate;
        let fails = self.rng.one_in(rate);
        self.faults += u64::from(fails);
        fails
    }

    /// Whether the power goes before this sync.
    fn goes_dark(&mut self) -> bool {
        let dark = self.power == Some(0);
        self.power = self.power.and_then(|left| left.checked_sub(1));
        self.dark |= dark;
        dark
    }

    /// Fails now and then, for want of space or for no reason.
    fn check(&mut self) -> io::Result<()> {
        if self.dark {
            return Err(eio());
        }
        if !self.fails() {
            return Ok(());
        }
        Err(if self.rng.one_in(3) { enospc() } else { eio() })
    }
}

impl SimFs {
    pub(crate) fn new(seed: u64) -> Self {
        let world = World {
            rng: Rng(seed),
            fault_rate: 0,
            faults: 0,
            life: 0,
            handles: 0,
            room: None,
            power: None,
            dark: false,
        };
        Self { world: Arc::new(Mutex::new(world)), root: Arc::default() }
    }

    /// One call in `n` fails from now on; none with 0.
    pub(crate) fn fail_one_in(&self, n: u64) {
        lock(&self.world).fault_rate = n;
    }

    /// The disk is full once files have grown by so many bytes; `None`: never.
    pub(crate) fn leave_room(&self, bytes: Option<usize>) {
        lock(&self.world).room = bytes;
    }

    pub(crate) fn faults(&self) -> u64 {
        lock(&self.world).faults
    }

    /// The process is gone: what it wrote is seen by the next, its locks are free.
    pub(crate) fn kill(&self) {
        lock(&self.world).life += 1;
        each_file(&self.root, &mut |file| file.lock = None);
    }

    /// The machine is gone: so is what was not synced, or only some of it.
    pub(crate) fn lose_power(&self) {
        self.kill();
        let mut world = lock(&self.world);
        lose(&self.root, &mut world.rng);
    }

    /// The machine is gone, and with it everything that no sync covered: each write, cut, rename and removal.
    pub(crate) fn lose_all_unsynced(&self) {
        self.kill();
        forget(&self.root);
        let mut world = lock(&self.world);
        (world.power, world.dark) = (None, false);
    }

    /// The power goes before the `n`-th sync from now on, counted from 0; nothing can be reached until
    /// [`SimFs::lose_all_unsynced`] has shown what is left.
    pub(crate) fn lose_power_at_sync(&self, n: u64) {
        lock(&self.world).power = Some(n);
    }

    /// Whether it has.
    pub(crate) fn is_dark(&self) -> bool {
        lock(&self.world).dark
    }

    /// Cuts or extends the file behind its owner's back.
    pub(crate) fn cut(&self, path: &Path, len: usize) {
        let Ok(Node::File(file)) = self.node(path) else { panic!("no file {}", path.display()) };
        lock(&file).seen.resize(len, 0);
    }

    /// Whether a sync of a file below `path` ever failed.
    pub(crate) fn sync_failed(&self, path: &Path) -> bool {
        let mut failed = false;
        if let Ok(Node::Dir(dir)) = self.node(path) {
            each_file(&dir, &mut |file| failed |= file.sync_failed);
        }
        failed
    }

    /// Flips one bit of the file, as the disk would.
    pub(crate) fn flip(&self, path: &Path, byte: usize, bit: u8) {
        let Ok(Node::File(file)) = self.node(path) else { panic!("no file {}", path.display()) };
        let mut file = lock(&file);
        file.seen[byte] ^= 1 << bit;
    }

    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let Ok(Node::File(file)) = self.node(path) else { panic!("no file {}", path.display()) };
        let file = lock(&file);
        file.seen.clone()
    }

    fn dir(&self, path: &Path) -> io::Result<Arc<Mutex<Dir>>> {
        let mut at = Arc::clone(&self.root);
        for part in path.strip_prefix("/").unwrap_or(path) {
            let next = match lock(&at).seen.get(part.to_str().unwrap()) {
                Some(Node::Dir(dir)) => Arc::clone(dir),
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(not_found()),
            };
            at = next;
        }
        Ok(at)
    }

    fn parent(&self, path: &Path) -> io::Result<(Arc<Mutex<Dir>>, String)> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok((self.dir(path.parent().unwrap())?, name))
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        let (dir, name) = self.parent(path)?;
        let node = lock(&dir).seen.get(&name).cloned();
        node.ok_or_else(not_found)
    }

    fn handle(&self, file: &Arc<Mutex<File>>) -> Box<dyn FsFile> {
        let mut world = lock(&self.world);
        world.handles += 1;
        let (id, life) = (world.handles, world.life);
        Box::new(SimFile {
            world: Arc::clone(&self.world),
            root: Arc::clone(&self.root),
            file: Arc::clone(file),
            id,
            life,
        })
    }
}

fn change(dir: &Mutex<Dir>, change: DirChange) {
    let mut dir = lock(dir);
    for (name, node) in &change {
        match node {
            Some(node) => dir.seen.insert(name.clone(), node.clone()),
            None => dir.seen.remove(name),
        };
    }
    dir.pending.push(change);
}

fn each_file(dir: &Mutex<Dir>, f: &mut dyn FnMut(&mut File)) {
    let nodes: Vec<Node> = lock(dir).seen.values().cloned().collect();
    for node in nodes {
        match node {
            Node::File(file) => f(&mut lock(&file)),
            Node::Dir(dir) => each_file(&dir, f),
        }
    }
}

fn names_of(dir: &Mutex<Dir>, file: &Arc<Mutex<File>>) -> u64 {
    let nodes: Vec<Node> = lock(dir).seen.values().cloned().collect();
    let one = |node: &Node| match node {
        Node::File(other) => u64::from(Arc::ptr_eq(other, file)),
        Node::Dir(dir) => names_of(dir, file),
    };
    nodes.iter().map(one).sum()
}

fn stat_of(root: &Mutex<Dir>, file: &Arc<Mutex<File>>) -> Stat {
    let names = names_of(root, file);
    let len = lock(file).seen.len() as u64;
    Stat { device: 1, inode: Arc::as_ptr(file) as u64, len, names, regular: true }
}

fn apply(entries: &mut Entries, change: &DirChange) {
    for (name, node) in change {
        match node {
            Some(node) => entries.insert(name.clone(), node.clone()),
            None => entries.remove(name),
        };
    }
}

fn lose(dir: &Mutex<Dir>, rng: &mut Rng) {
    let mut dir = lock(dir);
    let keep = usize::try_from(rng.below(dir.pending.len() as u64 + 1)).unwrap();
    let pending = std::mem::take(&mut dir.pending);
    for change in &pending[..keep] {
        apply(&mut dir.disk, change);
    }
    dir.seen = dir.disk.clone();
    for node in dir.seen.values() {
        match node {
            Node::File(file) => {
                let mut file = lock(file);
                file.settle(rng);
                file.seen = file.disk.clone();
            }
            Node::Dir(dir) => lose(dir, rng),
        }
    }
}

fn forget(dir: &Mutex<Dir>) {
    let mut dir = lock(dir);
    dir.pending.clear();
    dir.seen = dir.disk.clone();
    for node in dir.seen.values() {
        match node {
            Node::File(file) => {
                let mut file = lock(file);
                file.pending.clear();
                file.seen = file.disk.clone();
            }
            Node::Dir(dir) => forget(dir),
        }
    }
}

impl File {
    /// Brings a random choice of what is pending to the disk, and forgets the rest.
    fn settle(&mut self, rng: &mut Rng) {
        let all = rng.one_in(4);
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Len(len) => {
                    if all || rng.one_in(2) {
                        self.disk.resize(len, 0);
                    }
                }
                Change::Write(at, bytes) => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let to = bytes.len().min(((at + from) / SECTOR + 1) * SECTOR - at);
                        if all || rng.one_in(2) {
                            put(&mut self.disk, at + from, &bytes[from..to]);
                        }
                        from = to;
                    }
                }
            }
        }
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Len(len) => self.disk.resize(len, 0),
                Change::Write(at, bytes) => put(&mut self.disk, at, &bytes),
            }
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

struct SimFile {
    world: Arc<Mutex<World>>,
    root: Arc<Mutex<Dir>>,
    file: Arc<Mutex<File>>,
    id: u64,
    life: u64,
}

impl SimFile {
    /// The world, if this handle belongs to a living process.
    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = lock(&self.world);
        if world.life == self.life && !world.dark { Ok(world) } else { Err(eio()) }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut file = lock(&self.file);
        if file.lock == Some(self.id) {
            file.lock = None;
        }
    }
}

impl FsFile for SimFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.world()?;
        let (mut n, mut result) = (bytes.len(), None);
        if world.fails() {
            n = usize::try_from(world.rng.below(bytes.len() as u64 + 1)).unwrap();
            result = match world.rng.below(4) {
                0 => Some(enospc()),
                1 => Some(eio()),
                2 => Some(io::ErrorKind::Interrupted.into()),
                _ => None,
            };
            if n == 0 && result.is_none() {
                n = 1;
            }
        }
        let mut file = lock(&self.file);
        let at = usize::try_from(offset).unwrap();
        if let Some(room) = &mut world.room {
            let grown = (at + n).saturating_sub(file.seen.len());
            if grown > *room {
                n -= grown - *room;
                // What fits is written; the next call, for the rest, fails.
                result = result.or_else(|| (n == 0).then(enospc));
            }
            *room -= grown.min(*room);
        }
        put(&mut file.seen, at, &bytes[..n]);
        file.pending.push(Change::Write(at, bytes[..n].to_vec()));
        result.map_or(Ok(n), Err)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = lock(&self.file).seen.len();
        let result = self.write_at(end as u64, bytes);
        if result.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::Interrupted) {
            // Who is interrupted has not appended anything: another try would append it twice.
            let mut file = lock(&self.file);
            file.seen.truncate(end);
            file.pending.push(Change::Len(end));
        }
        result
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut world = self.world()?;
        let file = lock(&self.file);
        let at = usize::try_from(offset).unwrap().min(file.seen.len());
        let mut n = buf.len().min(file.seen.len() - at);
        if world.fails() {
            if n < 2 || world.rng.one_in(2) {
                return Err(eio());
            }
            n /= 2;
        }
        buf[..n].copy_from_slice(&file.seen[at..at + n]);
        Ok(n)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut world = self.world()?;
        if world.goes_dark() {
            return Err(eio());
        }
        let mut file = lock(&self.file);
        if world.fails() {
            file.settle(&mut world.rng);
            file.sync_failed = true;
            return Err(eio());
        }
        file.sync();
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.world()?.check()?;
        let mut file = lock(&self.file);
        let len = usize::try_from(len).unwrap();
        file.seen.resize(len, 0);
        file.pending.push(Change::Len(len));
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        self.world()?.check()?;
        Ok(lock(&self.file).seen.len() as u64)
    }

    fn stat(&mut self) -> io::Result<Stat> {
        self.world()?.check()?;
        Ok(stat_of(&self.root, &self.file))
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        self.world()?.check()?;
        let mut file = lock(&self.file);
        let free = file.lock.is_none_or(|holder| holder == self.id);
        if free {
            file.lock = Some(self.id);
        }
        Ok(free)
    }

    fn try_lock_shared(&mut self) -> io::Result<bool> {
        self.world()?.check()?;
        Ok(lock(&self.file).lock.is_none())
    }

    fn preallocate(&mut self, _len: u64) -> io::Result<()> {
        self.world()?.check()
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn FsFile>> {
        lock(&self.world).check()?;
        let (dir, name) = self.parent(path)?;
        let found = lock(&dir).seen.get(&name).cloned();
        let file = match found {
            Some(Node::File(file)) => file,
            Some(Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            None if create => {
                let file = Arc::<Mutex<File>>::default();
                change(&dir, vec![(name, Some(Node::File(Arc::clone(&file))))]);
                file
            }
            None => return Err(not_found()),
        };
        Ok(self.handle(&file))
    }

    fn create_new(&self, path: &Path) -> io::Result<()> {
        lock(&self.world).check()?;
        let (dir, name) = self.parent(path)?;
        if lock(&dir).seen.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        change(&dir, vec![(name, Some(Node::File(Arc::default())))]);
        Ok(())
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.open(path, false)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        lock(&self.world).check()?;
        if path == Path::new("/") {
            return Ok(Stat { device: 1, inode: 0, len: 0, names: 1, regular: false });
        }
        match self.node(path)? {
            Node::File(file) => Ok(stat_of(&self.root, &file)),
            Node::Dir(dir) => {
                Ok(Stat { device: 1, inode: Arc::as_ptr(&dir) as u64, len: 0, names: 1, regular: false })
            }
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        lock(&self.world).check()?;
        let (dir, name) = self.parent(path)?;
        if lock(&dir).seen.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        change(&dir, vec![(name, Some(Node::Dir(Arc::default())))]);
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        lock(&self.world).check()?;
        let (dir, name) = self.parent(path)?;
        let inner = self.dir(path)?;
        if !lock(&inner).seen.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        change(&dir, vec![(name, None)]);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        lock(&self.world).check()?;
        let dir = self.dir(path)?;
        let names = lock(&dir).seen.keys().map(|name| path.join(name)).collect();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.world).check()?;
        let node = self.node(from)?;
        let ((from, old), (to, new)) = (self.parent(from)?, self.parent(to)?);
        if Arc::ptr_eq(&from, &to) {
            change(&from, vec![(old, None), (new, Some(node))]);
        } else {
            change(&to, vec![(new, Some(node))]);
            change(&from, vec![(old, None)]);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        lock(&self.world).check()?;
        let (dir, name) = self.parent(path)?;
        if !lock(&dir).seen.contains_key(&name) {
            return Err(not_found());
        }
        change(&dir, vec![(name, None)]);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        {
            let mut world = lock(&self.world);
            world.check()?;
            if world.goes_dark() {
                return Err(eio());
            }
        }
        let dir = self.dir(path)?;
        let mut dir = lock(&dir);
        for change in std::mem::take(&mut dir.pending) {
            apply(&mut dir.disk, &change);
        }
        Ok(())
    }

    fn free_space(&self, _path: &Path) -> io::Result<u64> {
        lock(&self.world).check()?;
        Ok(u64::MAX)
    }
}
