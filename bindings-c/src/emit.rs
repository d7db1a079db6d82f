//! Emitting: with waiting, without waiting, and how a host waits for room without holding a thread.

use std::time::Duration;

use sinkwell::event::read_event;
use sinkwell::json::ObjectWriter;
use sinkwell::{Attempt, Emitter, Error, EventInput, Result, Wait};

use crate::bytes::SinkwellBytes;
use crate::completion::{Completion, SinkwellCallback};
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, at_mut, guard};
use crate::event::SinkwellEvent;
use crate::receipt::{SinkwellReceipt, put_receipt};

/// `wait` of an emit: for room in blocking lanes, on this thread, up to their `block_timeout`.
pub const SINKWELL_WAIT: i32 = 0;
/// `wait` of an emit: never, as this thread runs an event loop; `backpressure` instead.
pub const SINKWELL_NO_WAIT: i32 = 1;
/// `wait` of an emit: never, as this is a sink of the host's, or a callback of sinkwell's, on a thread of the
/// host's own. A lane without room drops the event as `reentrant`. (On the thread that sinkwell called, it knows
/// by itself.)
pub const SINKWELL_INSIDE: i32 = 2;

/// Emits an event. `receipt` may be NULL for who does not want one.
///
/// # Ownership
/// The event stays the caller's; `receipt` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `event` and what it points to are valid for the call; `receipt` and `error` are
/// NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit(
    emitter: *const SinkwellEmitter,
    event: *const SinkwellEvent,
    wait: i32,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (event, wait) = (at(event, "event")?, read_wait(wait)?);
            let emitted = event.with_input(emitter, |input| emitter.emit_with(input, wait))?;
            put_receipt(receipt, emitted);
            Ok(())
        })
    }
}

/// Emits an event given as one JSON object, with the members of `SinkwellEvent` by their names in the
/// documentation (`type`, `data`, `trace: {trace_id, span_id, flags, state}`, `content: […]`, …).
///
/// # Ownership
/// As `sinkwell_emit`.
///
/// # Safety
/// As `sinkwell_emit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit_json(
    emitter: *const SinkwellEmitter,
    event: SinkwellBytes,
    wait: i32,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let wait = read_wait(wait)?;
            let emitted = read_json(emitter, event, |input| emitter.emit_with(input, wait))?;
            put_receipt(receipt, emitted);
            Ok(())
        })
    }
}

/// Emits an event without waiting on this thread. Where a blocking lane has no room it returns 0 with
/// `receipted` 0 and `limit_ms` set: the caller waits for `sinkwell_on_room`, at most until it has waited for
/// `limit_ms` in all, and calls again with how long it has `waited_ms` so far. After that it is
/// `backpressure`. Otherwise `receipted` is 1.
///
/// # Ownership
/// As `sinkwell_emit`.
///
/// # Safety
/// As `sinkwell_emit`; `receipted` and `limit_ms` are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_try_emit(
    emitter: *const SinkwellEmitter,
    event: *const SinkwellEvent,
    waited_ms: u64,
    receipted: *mut u8,
    limit_ms: *mut u64,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (receipted, limit_ms) = (at_mut(receipted, "receipted")?, at_mut(limit_ms, "limit_ms")?);
            let waited = Duration::from_millis(waited_ms);
            let attempt = at(event, "event")?.with_input(emitter, |input| emitter.try_emit(input, waited))?;
            attempted(attempt, receipted, limit_ms, receipt);
            Ok(())
        })
    }
}

/// `sinkwell_try_emit` for an event given as one JSON object.
///
/// # Ownership
/// As `sinkwell_emit`.
///
/// # Safety
/// As `sinkwell_try_emit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_try_emit_json(
    emitter: *const SinkwellEmitter,
    event: SinkwellBytes,
    waited_ms: u64,
    receipted: *mut u8,
    limit_ms: *mut u64,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (receipted, limit_ms) = (at_mut(receipted, "receipted")?, at_mut(limit_ms, "limit_ms")?);
            let waited = Duration::from_millis(waited_ms);
            let attempt = read_json(emitter, event, |input| emitter.try_emit(input, waited))?;
            attempted(attempt, receipted, limit_ms, receipt);
            Ok(())
        })
    }
}

/// Calls back when the blocking lanes that have no room may have some again, or at once if they have: with a
/// status of 0 and no bytes. A status other than 0 returned means that the callback will not come.
///
/// # Ownership
/// The token is the host's to free once the callback came.
///
/// # Safety
/// `emitter` is an emitter; `callback` may be called from any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_on_room(
    emitter: *const SinkwellEmitter,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            Completion::new(token, callback)?
                .start(|completion| emitter.on_room(move || completion.tell(Ok(Vec::new()))))
        })
    }
}

pub(crate) fn read_wait(wait: i32) -> Result<Wait> {
    match wait {
        SINKWELL_WAIT => Ok(Wait::Allowed),
        SINKWELL_NO_WAIT => Ok(Wait::Never),
        SINKWELL_INSIDE => Ok(Wait::Inside),
        _ => {
            Err(Error::invalid_argument("must be SINKWELL_WAIT, SINKWELL_NO_WAIT or SINKWELL_INSIDE")
                .at("wait"))
        }
    }
}

/// # Safety
/// `receipt` is NULL or valid for a write.
unsafe fn attempted(
    attempt: Attempt,
    receipted: &mut u8,
    limit_ms: &mut u64,
    receipt: *mut *mut SinkwellReceipt,
) {
    match attempt {
        Attempt::Accepted(accepted) => {
            (*receipted, *limit_ms) = (1, 0);
            // SAFETY: the caller's promise.
            unsafe { put_receipt(receipt, accepted) };
        }
        Attempt::NoRoom(limit) => (*receipted, *limit_ms) = (0, milliseconds(limit)),
    }
}

/// Rounded up, so that a caller that waits so many milliseconds has waited for the whole limit.
pub(crate) fn milliseconds(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// # Safety
/// `event` is borrowed for the call.
unsafe fn read_json<T>(
    emitter: &Emitter,
    event: SinkwellBytes,
    emit: impl FnOnce(EventInput<'_>) -> Result<T>,
) -> Result<T> {
    // SAFETY: the caller's promise.
    let text = unsafe { event.get("event")? }.unwrap_or_default();
    read_event(text, emitter.depth_limit(), &mut ObjectWriter::new(), emit)
}
