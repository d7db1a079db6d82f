//! Steps of frameworks for agents, given as objects, become events by the rules in the core.

use sinkwell::bridge;

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emit::read_wait;
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, guard};
use crate::span::counted;

/// Emits the events that a step stands for. It is an object, as JSON text or as a stream of values (as for
/// `sinkwell_emit_span`): `{"kind", "id", "parent", "name", "run", "causation", "start_unix_nano", "end_unix_nano",
/// "outcome", "error_type", "decision", "attributes", "usage", "usage_of", "input", "output", "system", "content",
/// "trace_id", "span_id", "flags", "state", "permit"}`, all but `kind` and `id` optional (docs/STEPS.md). `emitted` is how
/// many then. An error says what was wrong with the first that was refused; the others are emitted all the same.
///
/// # Ownership
/// The step stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `step` is borrowed for the call; `emitted` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit_step(
    emitter: *const SinkwellEmitter,
    step: SinkwellBytes,
    wait: i32,
    emitted: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        counted(emitter, emitted, error, |emitter| {
            bridge::emit_step(emitter, step.get("step")?.unwrap_or_default(), &read_wait(wait)?)
        })
    }
}

/// The intent of a tool's call that is a deed: an event as `sinkwell_emit_json` takes one, for the intent of a deed. Other
/// steps may be inside it until `sinkwell_step_result`, which must follow also where the deed was refused.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `step` is borrowed for the call; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_step_intent(
    emitter: *const SinkwellEmitter,
    step: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            let step = step.get("step")?.unwrap_or_default();
            let event = bridge::intent_of_step_json(&emitter.emitter, step)?;
            put(out, || event);
            Ok(())
        })
    }
}

/// What the deed of a tool's call says of its end: the JSON object `{"data", "content"}`, for the deed's result. A refusal
/// is emitted here as the decision that it is.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `step` is borrowed for the call; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_step_result(
    emitter: *const SinkwellEmitter,
    step: SinkwellBytes,
    wait: i32,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            let step = step.get("step")?.unwrap_or_default();
            let result = bridge::result_of_step_json(&emitter.emitter, step, &read_wait(wait)?)?;
            put(out, || result);
            Ok(())
        })
    }
}
