//! Locks as this crate uses them: a panic while one is held poisons nothing, because whoever panics is
//! contained and what it touched is marked failed.
//!
//! With the feature `shuttle` the emitter's, the lanes' and the receipts' locks, atomics and threads are those of
//! a scheduler that tries schedules (tests/schedules); what is not taken from here is never held over one of its
//! switches.

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

/// Locks, also after a panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
