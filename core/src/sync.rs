//! Locks as this crate uses them: a panic while a lock is held does not poison it, because every panic is contained and
//! marks what it touched as failed.
//!
//! With the feature `shuttle`, the locks, atomics and threads of the emitter, the lanes and the receipts are those of a
//! scheduler that tries many schedules (tests/schedules). Locks that don't come from this module are never held where
//! that scheduler switches threads.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic},
    thread, thread_local,
};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic},
    thread, thread_local,
};

use std::sync::PoisonError;

/// Locks the mutex, even if a thread panicked while holding it.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
