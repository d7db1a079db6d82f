//! What strangers say of themselves: the core reads it, so that every language reads it alike.

use napi::bindgen_prelude::Latin1String;
use napi_derive::napi;
use sinkwell::event;

/// The place in a trace that a `traceparent` names.
#[napi(object, object_from_js = false)]
pub struct OutsideTrace {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// 1 is sampled.
    pub flags: u8,
}

/// A stranger's text as an attribute can hold it; none if nothing but blanks is left. Each character is a byte of the
/// header, as Node hands headers over.
#[napi]
#[must_use]
pub fn outside_text(header: Latin1String) -> Option<String> {
    event::outside_text(&header)
}

/// Reads a `traceparent` (W3C Trace Context); none if it is invalid.
#[napi]
#[must_use]
pub fn outside_trace(traceparent: String) -> Option<OutsideTrace> {
    event::outside_trace(traceparent.as_bytes()).map(|trace| OutsideTrace {
        trace_id: trace.trace_id.to_owned(),
        span_id: trace.span_id.to_owned(),
        flags: trace.flags,
    })
}
