//! Makes text from outside the program (headers of a request, a client's own id) fit for an event, by the rules in the
//! core, so that nothing that a client sends makes an emit fail.

use sinkwell::event::{outside_text, outside_trace};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::error::{SinkwellError, at_mut, guard};

/// A W3C trace context; zeros, with `known` 0, where there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellTrace {
    /// 32 hex digits.
    pub trace_id: [u8; 32],
    /// 16 hex digits.
    pub span_id: [u8; 16],
    /// W3C trace flags.
    pub flags: u8,
    /// 1 if it is one.
    pub known: u8,
    /// Zeros.
    pub reserved: [u8; 6],
}

/// Text of a stranger's (a request id, a session's name; bytes of any kind) as an attribute can hold it: what is no UTF-8,
/// and each control character, becomes U+FFFD, and what is longer than 256 bytes is cut. Nothing where nothing is left but
/// blanks.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `text` is borrowed for the call; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_outside_text(
    text: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let text = outside_text(text.get("text")?.unwrap_or_default());
            put(out, || text.unwrap_or_default().into_bytes());
            Ok(())
        })
    }
}

/// Reads a `traceparent` header (W3C Trace Context). One that is none is no error: `known` is 0 then.
///
/// # Ownership
/// `trace` stays the caller's.
///
/// # Safety
/// `traceparent` is borrowed for the call; `trace` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_outside_trace(
    traceparent: SinkwellBytes,
    trace: *mut SinkwellTrace,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let out = at_mut(trace, "trace")?;
            *out =
                SinkwellTrace { trace_id: [0; 32], span_id: [0; 16], flags: 0, known: 0, reserved: [0; 6] };
            if let Some(read) = outside_trace(traceparent.get("traceparent")?.unwrap_or_default()) {
                out.trace_id.copy_from_slice(read.trace_id.as_bytes());
                out.span_id.copy_from_slice(read.span_id.as_bytes());
                (out.flags, out.known) = (read.flags, 1);
            }
            Ok(())
        })
    }
}
