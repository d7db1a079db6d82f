//! Which process this is: a forked child must not touch its parent's threads, files, locks or random pool.
//!
//! Guarantees: one relaxed load ([`generation`]) tells whether something was made in a parent process, so that `emit`
//! can afford the check. [`prepare`] takes no lock under which a thread may wait for the host's language or for a sink,
//! so a fork cannot wait for itself. A child never waits for a lock that a thread of its parent held.
//!
//! How: a binding has `pthread_atfork` call [`prepare`], [`parent`] and [`child`], all on the thread that forks. So
//! every fork of the process is noticed, even one that the host's language does not know of. In the child only a mark
//! is set and the descriptors of locks are given away; whatever is used there opens again on first use. [`PerProcess`]
//! is for what several threads of one process share.

use std::cell::RefCell;
use std::ops::Deref;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the library.
#[must_use]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// One of the processes that were forked from each other. What only its maker may use remembers its maker as a
/// `Process`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This process.
    pub(crate) fn this() -> Self {
        Self(generation())
    }

    /// A process other than this one.
    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self(generation().wrapping_sub(1))
    }

    /// Whether it is this process, and not a parent of it.
    pub(crate) fn is_this(self) -> bool {
        self == Self::this()
    }
}

/// Descriptors whose files are locked. A lock belongs to the open file, which parent and child share: as long as a
/// child has the descriptor open, the lock of a parent that died is still held.
static LOCKS: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

thread_local! {
    /// From [`prepare`] to [`parent`] or [`child`], so that the child finds the lock free and the list whole.
    static HELD: RefCell<Option<MutexGuard<'static, Vec<RawFd>>>> = const { RefCell::new(None) };
}

/// Runs `change` on the list of locked descriptors, so that no fork comes between taking a lock and noting it.
pub(crate) fn locks<T>(change: impl FnOnce(&mut Vec<RawFd>) -> T) -> T {
    change(&mut LOCKS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// To be called before a fork: closes what a child must not share, or takes it so that the child can let go of it.
pub fn prepare() {
    super::sqlite::quiesce();
    HELD.with(|held| {
        let mut held = held.borrow_mut();
        if held.is_none() {
            *held = Some(LOCKS.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
}

/// To be called in the parent after a fork for which [`prepare`] was called, also after one that failed.
pub fn parent() {
    HELD.with(|held| drop(held.borrow_mut().take()));
    super::sqlite::resume();
}

/// To be called in a forked child, before anything else of sinkwell runs there. `replace` gets each descriptor that
/// holds a lock of the parent's, and must put something harmless in its place (`dup2` of `/dev/null`). Then the lock
/// ends with the parent, and code that still knows the descriptor's number does no harm.
pub fn child(mut replace: impl FnMut(RawFd)) {
    note_child();
    HELD.with(|held| {
        if let Some(mut locks) = held.borrow_mut().take() {
            locks.drain(..).for_each(&mut replace);
        }
    });
}

/// As [`child`], for callers that cannot replace descriptors: the parent's locks stay held for as long as the child
/// lives.
pub fn note_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    super::sqlite::child();
    if let Some(run) = IN_CHILD.get() {
        run();
    }
}

/// See [`in_child`].
static IN_CHILD: OnceLock<fn()> = OnceLock::new();

/// Has every forked child run this before anything else of sinkwell; `run` may only do what a signal handler may do.
/// The first call wins, as only the module that has installed signal handlers needs it.
pub(crate) fn in_child(run: fn()) {
    let _ = IN_CHILD.set(run);
}

/// What the threads of one process share, made on first use. A forked child makes its own, as the parent's may be
/// locked by a thread that does not exist in the child.
pub struct PerProcess<T> {
    current: ArcSwapOption<Of<T>>,
}

struct Of<T> {
    generation: u32,
    it: T,
}

/// This process's part of a [`PerProcess`].
pub struct Mine<T>(Arc<Of<T>>);

impl<T> Deref for Mine<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.it
    }
}

impl<T: Default> PerProcess<T> {
    /// Nothing is made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { current: ArcSwapOption::const_empty() }
    }

    /// This process's value.
    pub fn get(&self) -> Mine<T> {
        let generation = generation();
        loop {
            let current = self.current.load_full();
            if let Some(mine) = &current
                && mine.generation == generation
            {
                return Mine(Arc::clone(mine));
            }
            let fresh = Of { generation, it: T::default() };
            let before = self.current.compare_and_swap(&current, Some(Arc::new(fresh)));
            // The parent's value is never freed, as dropping it may touch what the parent's threads held. If another
            // thread of this process was faster, only a reference count leaks.
            std::mem::forget(before);
            std::mem::forget(current);
        }
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PerProcess")
    }
}
