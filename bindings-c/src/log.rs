//! The log bridge: turns a record of any logging library into an event, by the rules in the core.

use sinkwell::bridge;

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emit::read_wait;
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, guard};

/// Emits a log record as a `log.record`. `record` is an object, as JSON text or as a stream of values
/// (`SINKWELL_DATA_VALUES`, which also carries bytes, text that is not UTF-8, integers of any size, and says what could
/// not be read): `{"scale", "level", "level_name", "logger", "time", "time_unix_nano", "message", "attributes", "exception",
/// "code", "event_id", "event_name", "trace_id", "span_id", "flags", "state", "run", "turn", "attempt", "correlation",
/// "causation", "agent", "subject", "ambient", "permit"}`, all optional. No record is refused for what it says: values are spelled, and words
/// beyond the limit cut; the event says how many.
///
/// # Ownership
/// The record stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `record` is borrowed for the call; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit_log(
    emitter: *const SinkwellEmitter,
    record: SinkwellBytes,
    wait: i32,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            let record = record.get("record")?.unwrap_or_default();
            bridge::emit_log(&emitter.emitter, record, &read_wait(wait)?)
        })
    }
}

/// The event that a log record stands for, without emitting it: as `sinkwell_emit_json` takes one.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `record` is borrowed for the call; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_event_of_log(
    record: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let event = bridge::event_of_log_json(record.get("record")?.unwrap_or_default())?;
            put(out, || event);
            Ok(())
        })
    }
}
