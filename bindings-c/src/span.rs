//! The span bridge: turns a span of a tracing SDK, given as an object, into events, by the rules in the core.

use sinkwell::{Emitter, Result, bridge};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emit::read_wait;
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, guard};

/// Emits the events that a span stands for. It is an object, as JSON text or as a stream of values
/// (`SINKWELL_DATA_VALUES`, whose bytes, doubles and integers that JSON cannot carry are spelled here): `{"name", "kind", "trace_id", "span_id", "flags", "state",
/// "start_unix_nano", "end_unix_nano", "status", "attributes", "events", "links", "permit"}`, all but the name optional;
/// times are decimal digits in a string, and without an end the span has just started. `emitted` is how many
/// then. An error says what was wrong with the first that was refused; the others are emitted all the same.
///
/// # Ownership
/// The span stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `span` is borrowed for the call; `emitted` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit_span(
    emitter: *const SinkwellEmitter,
    span: SinkwellBytes,
    wait: i32,
    emitted: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        counted(emitter, emitted, error, |emitter| {
            bridge::emit_span(emitter, span.get("span")?.unwrap_or_default(), &read_wait(wait)?)
        })
    }
}

/// Runs what emits, and says how many events it emitted.
///
/// # Safety
/// `emitter` is an emitter; `emitted` and `error` are NULL or valid for a write.
pub(crate) unsafe fn counted(
    emitter: *const SinkwellEmitter,
    emitted: *mut u64,
    error: *mut SinkwellError,
    emit: impl FnOnce(&Emitter) -> Result<usize>,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let count = emit(&at(emitter, "emitter")?.emitter)?;
            if let Some(emitted) = emitted.as_mut() {
                *emitted = count as u64;
            }
            Ok(())
        })
    }
}

/// The events that a span stands for, without emitting them: a JSON list of events as `sinkwell_emit_json` takes
/// them.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `span` is borrowed for the call; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_events_of_span(
    span: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let events = bridge::events_of_span_json(span.get("span")?.unwrap_or_default())?;
            put(out, || events);
            Ok(())
        })
    }
}
