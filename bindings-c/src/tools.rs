//! What needs no emitter: the decision about content as a value, and what sinks can and cannot do.

use sinkwell::seam::Env as _;
use sinkwell::{Emitter, content};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emitter::system;
use crate::error::{SinkwellError, guard};

/// Decides about the capture of content without emitting: a request as a JSON object (`policy`, `sink`,
/// `requested_mode`, `class`, …) gives `{"requested", "effective", "allowed", "reason", "failed", …}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `request` is text; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_evaluate_content_capture(
    request: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let request = request.required("request")?;
            let decision = content::evaluate_json(request.as_bytes(), system(None).now())?;
            put(out, || decision);
            Ok(())
        })
    }
}

/// What sinks can and cannot do, as a JSON object for those who must show it.
///
/// # Ownership
/// The text lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_authority_boundary() -> SinkwellBytes {
    SinkwellBytes::of(Emitter::authority_boundary().as_bytes())
}
