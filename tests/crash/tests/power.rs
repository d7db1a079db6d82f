//! Power that goes at every sync of an audit database: what was acknowledged is there when it is back.
//!
//! A kill does not show that, as the page cache survives it. So SQLite is given a file system of ours, over its own, which
//! writes down what was written and what was synced. When the power goes, the files are made anew from what was synced and
//! from some of what was not: a write may be there, or not, or only its beginning.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::ffi;
use sinkwell::audit::{AuditDb, VerifyOptions};
use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

// --- the disk -----------------------------------------------------------------------------------------------

enum Op {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Default)]
struct Kept {
    ops: Vec<Op>,
    /// So many of them are synced.
    synced: usize,
    /// It was removed, and the directory not synced since: it may be there again.
    removed: bool,
}

#[derive(Default)]
struct Disk {
    dir: PathBuf,
    files: BTreeMap<PathBuf, Kept>,
    syncs: u64,
    /// The power goes at this sync, before it has done anything.
    dark_at: Option<u64>,
    dark: bool,
    /// Syncs say that they were done, and do nothing.
    lies: bool,
}

static DISK: LazyLock<Mutex<Disk>> = LazyLock::new(Mutex::default);

fn disk() -> MutexGuard<'static, Disk> {
    DISK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    fn file(&mut self, path: &Path) -> &mut Kept {
        self.files.entry(path.to_owned()).or_default()
    }

    /// Whether the power is on for this file; those of a run that is over do not count.
    fn is_on(&self, path: &Path) -> bool {
        !(self.dark && path.starts_with(&self.dir))
    }

    fn sync(&mut self, path: &Path) -> bool {
        if !path.starts_with(&self.dir) {
            return true;
        }
        if self.dark {
            return false;
        }
        self.syncs += 1;
        if self.dark_at == Some(self.syncs) {
            self.dark = true;
            return false;
        }
        if !self.lies {
            let file = self.file(path);
            file.synced = file.ops.len();
            // SQLite's own file system syncs the directory of a new log with its first sync.
            self.files.retain(|_, file| !file.removed);
        }
        true
    }

    /// The files as they may be when the power is back.
    fn restore(&self, to: &Path, chance: &mut Chance) {
        for (path, file) in &self.files {
            let name = path.file_name().unwrap();
            if !path.starts_with(&self.dir) || file.removed && chance.one_in(2) {
                continue;
            }
            let mut content = Vec::new();
            for (n, op) in file.ops.iter().enumerate() {
                match op {
                    _ if n >= file.synced && chance.one_in(2) => {}
                    Op::Cut(len) => content.truncate(*len),
                    Op::Write(at, bytes) => {
                        let torn = n >= file.synced && chance.one_in(4);
                        let bytes = if torn { &bytes[..chance.below(bytes.len())] } else { &bytes[..] };
                        if content.len() < at + bytes.len() {
                            content.resize(at + bytes.len(), 0);
                        }
                        content[*at..at + bytes.len()].copy_from_slice(bytes);
                    }
                }
            }
            let path = to.join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// Numbers that a seed decides.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

// --- SQLite's file system, over its own ---------------------------------------------------------------------

/// In front of the file of SQLite's own file system, which lies right behind it.
#[repr(C)]
struct Shim {
    base: ffi::sqlite3_file,
    /// A `Box<PathBuf>`, or null: what is no database or log is not looked at.
    path: *mut PathBuf,
}

/// What SQLite is given: a static never moves.
struct Vfs(ffi::sqlite3_vfs);

// SAFETY: SQLite itself guards what it changes in it.
unsafe impl Sync for Vfs {}
// SAFETY: as above.
unsafe impl Send for Vfs {}

static VFS: OnceLock<Vfs> = OnceLock::new();

/// SQLite's own.
fn own() -> *mut ffi::sqlite3_vfs {
    VFS.get().map_or(std::ptr::null_mut(), |vfs| vfs.0.pAppData.cast())
}

/// # Safety
/// `file` is one that [`open`] opened.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> (*mut ffi::sqlite3_file, &'static ffi::sqlite3_io_methods) {
    // SAFETY: `szOsFile` has room for both, and a file that is open has methods, which are static.
    unsafe {
        let inner = file.cast::<u8>().add(size_of::<Shim>()).cast::<ffi::sqlite3_file>();
        (inner, &*(*inner).pMethods)
    }
}

/// # Safety
/// `file` is one that [`open`] opened.
unsafe fn path(file: *mut ffi::sqlite3_file) -> Option<&'static Path> {
    // SAFETY: the path lives until the file is closed, and no method runs after that.
    unsafe { (*file.cast::<Shim>()).path.as_ref().map(PathBuf::as_path) }
}

/// # Safety
/// `name` is null or a string of SQLite's.
unsafe fn name_of(name: *const c_char) -> Option<PathBuf> {
    // SAFETY: the caller's promise.
    (!name.is_null()).then(|| OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()).into())
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room of `szOsFile` bytes; the rest is passed on as it came.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let inner = file.cast::<u8>().add(size_of::<Shim>()).cast::<ffi::sqlite3_file>();
        let done = ((*own()).xOpen.unwrap())(own(), name, inner, flags, out);
        if done != ffi::SQLITE_OK {
            return done;
        }
        let path = name_of(name);
        if let Some(path) = &path {
            disk().file(path).removed = false;
        }
        let shim = file.cast::<Shim>();
        (*shim).path = path.map_or(std::ptr::null_mut(), |path| Box::into_raw(Box::new(path)));
        (*file).pMethods = &METHODS;
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, synced: c_int) -> c_int {
    // SAFETY: SQLite's own name, passed on.
    unsafe {
        if let Some(path) = name_of(name) {
            let mut disk = disk();
            if !disk.is_on(&path) {
                return ffi::SQLITE_IOERR_DELETE;
            }
            if synced != 0 && !disk.lies {
                disk.files.remove(&path);
            } else {
                disk.file(&path).removed = true;
            }
        }
        ((*own()).xDelete.unwrap())(own(), name, synced)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: an open file; its path is freed once.
    unsafe {
        let (inner, methods) = inner(file);
        let shim = file.cast::<Shim>();
        if !(*shim).path.is_null() {
            drop(Box::from_raw((*shim).path));
            (*shim).path = std::ptr::null_mut();
        }
        (methods.xClose.unwrap())(inner)
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, n: c_int, at: i64) -> c_int {
    // SAFETY: an open file, and `n` bytes.
    unsafe {
        if let Some(path) = path(file) {
            let mut disk = disk();
            if !disk.is_on(path) {
                return ffi::SQLITE_IOERR_WRITE;
            }
            let written = std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(n).unwrap());
            disk.file(path).ops.push(Op::Write(usize::try_from(at).unwrap(), written.to_vec()));
        }
        let (inner, methods) = inner(file);
        (methods.xWrite.unwrap())(inner, bytes, n, at)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: an open file.
    unsafe {
        if let Some(path) = path(file) {
            let mut disk = disk();
            if !disk.is_on(path) {
                return ffi::SQLITE_IOERR_TRUNCATE;
            }
            disk.file(path).ops.push(Op::Cut(usize::try_from(len).unwrap()));
        }
        let (inner, methods) = inner(file);
        (methods.xTruncate.unwrap())(inner, len)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // Nothing is really synced: the machine that runs this keeps its power.
    // SAFETY: an open file.
    match unsafe { path(file) } {
        Some(path) if !disk().sync(path) => ffi::SQLITE_IOERR_FSYNC,
        _ => ffi::SQLITE_OK,
    }
}

/// Methods that pass on what they are given.
macro_rules! passed_on {
    ($($name:ident = $method:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($argument: $kind),*) $(-> $result)? {
            // SAFETY: an open file, and arguments as SQLite gave them.
            unsafe {
                let (inner, methods) = inner(file);
                (methods.$method.unwrap())(inner, $($argument),*)
            }
        })*
    };
}

passed_on! {
    read = xRead(to: *mut c_void, n: c_int, at: i64) -> c_int;
    file_size = xFileSize(out: *mut i64) -> c_int;
    lock = xLock(level: c_int) -> c_int;
    unlock = xUnlock(level: c_int) -> c_int;
    check_reserved_lock = xCheckReservedLock(out: *mut c_int) -> c_int;
    file_control = xFileControl(op: c_int, argument: *mut c_void) -> c_int;
    sector_size = xSectorSize() -> c_int;
    device_characteristics = xDeviceCharacteristics() -> c_int;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int;
    shm_lock = xShmLock(offset: c_int, n: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int;
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// From now on every database of this process is on the disk that loses power.
fn install() {
    // SAFETY: SQLite's own file system is there for good, and so is the copy of it, which says how much room both files
    // need. Nothing of SQLite is used before this.
    unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
        let own = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!own.is_null());
        let mut vfs = *own;
        vfs.szOsFile += c_int::try_from(size_of::<Shim>()).unwrap();
        vfs.pNext = std::ptr::null_mut();
        vfs.zName = c"power".as_ptr();
        vfs.pAppData = own.cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        let vfs = VFS.get_or_init(|| Vfs(vfs));
        assert_eq!(ffi::sqlite3_vfs_register((&raw const vfs.0).cast_mut(), 1), ffi::SQLITE_OK);
    }
}

// --- what is promised ---------------------------------------------------------------------------------------

/// Events of a run; enough for the log to be moved into the database on the way.
const EVENTS: usize = 70;

fn config(dir: &Path) -> Config {
    let text = format!(
        "agent: {{ id: 'urn:example:agent' }}\nheartbeat: off\nlanes:\n\
         - {{ id: log, retry: {{ initial: 1ms, cap: 1ms }}, batch: {{ linger: 0ms }}, \
         sink: {{ audit_chain: {{ path: '{}/audit.db' }} }} }}\n",
        dir.display()
    );
    Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default())
        .unwrap()
}

/// Emits until all is delivered or the power is gone; answers with the ids of what was acknowledged.
fn run(dir: &Path, dark_at: Option<u64>, lies: bool) -> Vec<String> {
    *disk() = Disk { dir: dir.to_owned(), dark_at, lies, ..Disk::default() };
    // Large, so that few of them fill a log.
    let data = format!("{{\"text\":\"{}\"}}", "x".repeat(60_000));
    let mut acknowledged = Vec::new();
    let Ok(emitter) = Emitter::open(Options::new(config(dir))) else {
        assert!(disk().dark, "it opens while there is power");
        return acknowledged;
    };
    'events: for _ in 0..EVENTS {
        let input = EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.n") };
        let Ok(receipt) = emitter.emit(input) else { break };
        while receipt.wait(Stage::Delivered, Duration::from_millis(20)).is_err() {
            if disk().dark {
                break 'events;
            }
        }
        acknowledged.push(receipt.id().to_string());
    }
    // What is written from now on is not there in any case.
    disk().dark = true;
    emitter.shutdown(Duration::ZERO);
    acknowledged
}

/// How many of them are missing when the power is back; what is there must be whole.
fn missing(acknowledged: &[String], back: &Path, chance: &mut Chance) -> usize {
    std::fs::create_dir(back).unwrap();
    disk().restore(back, chance);
    let path = back.join("audit.db");
    let mut out = Vec::new();
    match AuditDb::open_read(&path) {
        Ok(db) => {
            let lies = disk().lies;
            let exported = db.export(&mut out);
            assert!(lies || exported.is_ok(), "{exported:?}");
            let report = db.verify(&VerifyOptions::default());
            assert!(lies || report.as_ref().is_ok_and(|report| report.sound()), "{report:?}");
        }
        Err(e) => assert!(acknowledged.is_empty() || disk().lies, "{e}"),
    }
    let text = String::from_utf8(out).unwrap();
    let there: HashMap<&str, ()> =
        text.lines().filter_map(|line| Some((line.split("\"id\":\"").nth(1)?.get(..36)?, ()))).collect();
    acknowledged.iter().filter(|id| !there.contains_key(id.as_str())).count()
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-power-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn sub(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_acknowledged_is_there_whenever_the_power_goes() {
    install();
    let folder = Folder::new();
    let seed: u64 = std::env::var("SINKWELL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let soak = std::env::var("SINKWELL_SOAK").is_ok();
    // A run without a fault says how many syncs there are.
    let all = run(&folder.sub("whole"), None, false);
    let syncs = disk().syncs;
    assert_eq!(all.len(), EVENTS);
    let moved = disk().files.iter().any(|(path, file)| path.ends_with("audit.db") && file.ops.len() > 100);
    assert!(moved, "the log was moved into the database on the way");
    let (mut points, mut files, mut events) = (0, 0, 0);
    for at in 1..=syncs {
        // All of the beginning and of a move of the log; elsewhere some.
        if !(soak || at < 10 || at % 4 == 0 || (50..62).contains(&at)) {
            continue;
        }
        let acknowledged = run(&folder.sub(&format!("at-{at}")), Some(at), false);
        points += 1;
        for n in 0..4 {
            let mut chance = Chance(seed ^ at << 8 ^ n);
            let back = folder.0.join(format!("back-{at}-{n}"));
            assert_eq!(
                missing(&acknowledged, &back, &mut chance),
                0,
                "power gone at sync {at}, seed {seed}, {n}"
            );
            files += 1;
            events += acknowledged.len();
            std::fs::remove_dir_all(back).unwrap();
        }
        std::fs::remove_dir_all(folder.0.join(format!("at-{at}"))).unwrap();
    }
    println!("{points} of {syncs} syncs, {files} databases, {events} acknowledged events looked for");
    // That this test can fail: a disk that only says that it synced.
    let acknowledged = run(&folder.sub("lies"), Some(60), true);
    assert!(!acknowledged.is_empty());
    let lost: usize = (0..8)
        .map(|n| missing(&acknowledged, &folder.0.join(format!("lost-{n}")), &mut Chance(seed + n)))
        .sum();
    assert!(lost > 0, "a disk that lies loses what was acknowledged");
}
