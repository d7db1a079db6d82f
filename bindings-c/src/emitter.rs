//! The emitter's handle, which every call about an emitter takes, and how it is freed.

use std::sync::Arc;

use sinkwell::Emitter;

use crate::error::free;

/// An emitter: a handle, freed by `sinkwell_emitter_free`. All calls may come from any thread.
#[derive(Debug)]
pub struct SinkwellEmitter {
    pub(crate) emitter: Arc<Emitter>,
}

pub(crate) fn handle(emitter: Arc<Emitter>) -> *mut SinkwellEmitter {
    Box::into_raw(Box::new(SinkwellEmitter { emitter }))
}

/// Frees a handle and sets it to NULL. The last handle of an emitter that was not shut down does that, within
/// five seconds, on this thread: call `sinkwell_shutdown` first.
///
/// # Ownership
/// Takes the handle.
///
/// # Safety
/// `emitter` is NULL, or points to NULL or an emitter that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emitter_free(emitter: *mut *mut SinkwellEmitter) {
    // SAFETY: the caller's promise.
    unsafe { free(emitter) };
}
