//! Replies: how a host's sink or signer answers, once, from any thread, now or later.
//!
//! The lane's own thread waits for the answer, as it waits for a sink that blocks; the lane has the time-out. A reply
//! that is freed unanswered counts as a failure.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The end through which the host answers with a `T`; it keeps alive what the host may read until then.
pub(crate) struct Reply<T, K> {
    sender: SyncSender<T>,
    /// Kept for the views that the host was given.
    _kept: K,
}

/// A reply, and the receiver of its answer.
pub(crate) fn reply<T, K>(kept: K) -> (Reply<T, K>, Receiver<T>) {
    let (sender, receiver) = sync_channel(1);
    (Reply { sender, _kept: kept }, receiver)
}

impl<T, K> Reply<T, K> {
    /// Sends the answer; does nothing if nobody waits any more.
    pub(crate) fn send(self, answer: T) {
        let _ = self.sender.try_send(answer);
    }
}

/// Takes the reply behind a handle and sets the handle to NULL.
///
/// # Safety
/// `handle` is NULL, or points to NULL or a handle made of a boxed `T`.
pub(crate) unsafe fn take<T>(handle: *mut *mut T) -> sinkwell::Result<Box<T>> {
    // SAFETY: the caller's promise.
    unsafe {
        let place = crate::error::at_mut(handle, "reply")?;
        let taken = std::mem::replace(place, std::ptr::null_mut());
        if taken.is_null() {
            return Err(sinkwell::Error::invalid_argument("this reply was answered already").at("reply"));
        }
        Ok(Box::from_raw(taken))
    }
}
