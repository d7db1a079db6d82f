//! Events out of log streams: a log's bytes in as they come, what goes through out.

use std::sync::{Arc, Mutex, PoisonError};

use sinkwell::Emitter;
use sinkwell::vacuum::{Asked, Drawing};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emit::read_wait;
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, free, guard};

/// A log that is being read: a handle, freed by `sinkwell_vacuum_free`. Its calls may come from any thread, one at a time.
#[derive(Debug)]
pub struct SinkwellVacuum {
    emitter: Arc<Emitter>,
    drawing: Mutex<Drawing>,
}

/// Begins to read a log. `options` is a JSON object `{"process", "nonce", "format"}`, all optional, or absent: whose log it is;
/// the message, block or batch of it, from 0 to 2^53-1; what carries the lines (`auto`, `plain`, `docker`, `cri`, `lambda`,
/// `journald`). Off, and everything goes through, until the configuration (`vacuum`) or SINKWELL_VACUUM_TRANSPORTS says
/// otherwise.
///
/// # Ownership
/// `vacuum` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `options` is borrowed for the call; `vacuum` is valid for a write; `error` is NULL or valid for
/// a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_vacuum_start(
    emitter: *const SinkwellEmitter,
    options: SinkwellBytes,
    vacuum: *mut *mut SinkwellVacuum,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = Arc::clone(&at(emitter, "emitter")?.emitter);
            let asked = Asked::from_json(options.get("options")?.unwrap_or_default())?;
            let drawing = Mutex::new(emitter.start_vacuum(asked)?);
            if vacuum.is_null() {
                return Err(sinkwell::Error::invalid_argument("is NULL").at("vacuum"));
            }
            vacuum.write(Box::into_raw(Box::new(SinkwellVacuum { emitter, drawing })));
            Ok(())
        })
    }
}

/// Takes the next bytes of the log, cut anywhere; `passed` is what goes through: all lines that are no events, byte for byte.
/// An event that cannot be sent is no error: its line goes through, and the report counts it. `wait` as for `sinkwell_emit`.
///
/// # Ownership
/// `passed` is owned by the caller then.
///
/// # Safety
/// `vacuum` is a vacuum; `bytes` is borrowed for the call; `passed` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_vacuum_push(
    vacuum: *const SinkwellVacuum,
    bytes: SinkwellBytes,
    wait: i32,
    passed: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let SinkwellVacuum { emitter, drawing } = at(vacuum, "vacuum")?;
            let bytes = bytes.get("bytes")?.unwrap_or_default();
            let mut out = Vec::new();
            let mut drawing = drawing.lock().unwrap_or_else(PoisonError::into_inner);
            drawing.push(bytes, emitter, &read_wait(wait)?, &mut out)?;
            put(passed, || out);
            Ok(())
        })
    }
}

/// Ends the log: what is not finished is taken as it stands. `whole` is 0 where it could not be read to its end: its nonce
/// does not count then. `report` is `{"lines", "events", "skipped", "passed", "too_large", "too_deep", "refused", "unsent",
/// "integers_as_strings", "formats": {format: n}}`, and as they apply `"skipped_by": [{"lane", "nonce", "cursor", "events"}]`,
/// `"first_refusal"` and `"first_unsent": {"line", "why"}`.
///
/// # Ownership
/// `passed` and `report` are owned by the caller then.
///
/// # Safety
/// `vacuum` is a vacuum; `passed`, `report` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_vacuum_finish(
    vacuum: *const SinkwellVacuum,
    whole: u8,
    wait: i32,
    passed: *mut SinkwellOwned,
    report: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let SinkwellVacuum { emitter, drawing } = at(vacuum, "vacuum")?;
            let mut out = Vec::new();
            let mut drawing = drawing.lock().unwrap_or_else(PoisonError::into_inner);
            let done = drawing.finish(whole != 0, emitter, &read_wait(wait)?, &mut out)?;
            put(passed, || out);
            put(report, || done.to_value().to_json().into_bytes());
            Ok(())
        })
    }
}

/// Frees a vacuum and sets it to NULL. The nonce of a log that was not finished does not count.
///
/// # Ownership
/// Takes the handle.
///
/// # Safety
/// `vacuum` is NULL, or points to NULL or a vacuum that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_vacuum_free(vacuum: *mut *mut SinkwellVacuum) {
    // SAFETY: the caller's promise.
    unsafe { free(vacuum) };
}
