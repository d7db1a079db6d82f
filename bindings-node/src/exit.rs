//! The end of a process of which only worker threads have loaded the package.
//!
//! Guarantees: the default emitter ends where the process ends in good order, also where no JavaScript of the main thread's can
//! end it, since that never loaded the package.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::time::Duration;

use napi_derive::napi;
use sinkwell::host::take_default;

use crate::error::thrown;
use crate::verify::duration;

unsafe extern "C" {
    /// C's own.
    fn atexit(call: extern "C" fn()) -> c_int;
}

static LIMIT: OnceLock<Duration> = OnceLock::new();

extern "C" fn end() {
    // Where the main thread has the package, it has ended the emitter by now.
    if let Some(emitter) = take_default() {
        emitter.shutdown(LIMIT.get().copied().unwrap_or_default());
    }
}

/// Has the default emitter end with the process, within this time, where it has not ended by then: to be called by a worker
/// thread.
#[napi(catch_unwind)]
pub fn end_default_with_process(timeout: f64) -> napi::Result<()> {
    let timeout = duration(timeout).map_err(thrown)?;
    LIMIT.get_or_init(|| {
        // SAFETY: the function takes nothing, unwinds into nothing (the core catches its own panics), and needs only this
        // library, whose threads keep it loaded while there is an emitter to end; where it is unloaded before, C calls the
        // function then. If there is no room for it, the process ends as it did without.
        let _ = unsafe { atexit(end) };
        timeout
    });
    Ok(())
}
