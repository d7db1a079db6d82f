//! Flushing and ending: on the caller's thread, or on a thread of sinkwell's that calls back.

use std::sync::Arc;
use std::time::Duration;

use sinkwell::{Error, Result, host};

use crate::bytes::{SinkwellOwned, put};
use crate::completion::{Completion, SinkwellCallback};
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, guard};

/// Waits on this thread until every lane has delivered what it was given, or `timeout_ms` is over:
/// `{lane: {"delivered", "pending", "where"}}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_flush(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let report = at(emitter, "emitter")?.emitter.flush(Duration::from_millis(timeout_ms));
            put(out, || host::report_json(&report));
            Ok(())
        })
    }
}

/// Ends the emitter within `timeout_ms`; the report is that of `sinkwell_flush`. Safe to call again.
///
/// # Ownership
/// `out` is owned by the caller then; the handle stays valid until it is freed.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_shutdown(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let report = at(emitter, "emitter")?.emitter.shutdown(Duration::from_millis(timeout_ms));
            put(out, || host::report_json(&report));
            Ok(())
        })
    }
}

/// `sinkwell_flush` on a thread of sinkwell's own; the report is what the callback gets.
///
/// # Ownership
/// The token is the host's to free once the callback came; the emitter may be freed meanwhile.
///
/// # Safety
/// `emitter` is an emitter; `callback` may be called from any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_flush_on(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = Arc::clone(&at(emitter, "emitter")?.emitter);
            on_own_thread(token, callback, move || {
                host::report_json(&emitter.flush(Duration::from_millis(timeout_ms)))
            })
        })
    }
}

/// `sinkwell_shutdown` on a thread of sinkwell's own; the report is what the callback gets.
///
/// # Ownership
/// As `sinkwell_flush_on`.
///
/// # Safety
/// As `sinkwell_flush_on`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_shutdown_on(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = Arc::clone(&at(emitter, "emitter")?.emitter);
            on_own_thread(token, callback, move || {
                host::report_json(&emitter.shutdown(Duration::from_millis(timeout_ms)))
            })
        })
    }
}

/// Runs a flush or a shutdown, which may take long, on a thread of its own. Both are rare enough for that.
fn on_own_thread(
    token: u64,
    callback: SinkwellCallback,
    run: impl FnOnce() -> Vec<u8> + Send + 'static,
) -> Result<()> {
    Completion::new(token, callback)?.start(|completion| {
        std::thread::Builder::new()
            .name("sinkwell-flush".into())
            .spawn(move || completion.tell_from(|| Ok(run())))
            .map(drop)
            .map_err(|e| Error::internal(format!("no thread to wait on: {e}")))
    })
}
