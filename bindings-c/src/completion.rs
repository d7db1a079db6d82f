//! Completions: `callback(token, status, bytes)`, exactly once.
//!
//! A [`Completion`] that is dropped without a result calls back with `closed`, so that nobody waits for ever. If its
//! operation never started, it doesn't call back at all, as the function's status has told the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sinkwell::json::Value;
use sinkwell::{Error, ErrorKind, Result};

use crate::bytes::SinkwellBytes;
use crate::error::contain;

/// Tells how an operation ended: `status` is 0 and `bytes` its result, or `status` is an error's code and
/// `bytes` the JSON object `{"kind", "code", "message", "where"}`. `bytes` are borrowed for the call. It comes
/// from any thread, also from inside the function that started the operation; it must not block.
pub type SinkwellCallback = Option<unsafe extern "C" fn(token: u64, status: i32, bytes: SinkwellBytes)>;

/// A callback of the host's that is called exactly once.
pub(crate) struct Completion {
    token: u64,
    callback: unsafe extern "C" fn(u64, i32, SinkwellBytes),
    armed: AtomicBool,
}

impl Completion {
    pub(crate) fn new(token: u64, callback: SinkwellCallback) -> Result<Arc<Self>> {
        let callback = callback.ok_or_else(|| Error::invalid_argument("is NULL").at("callback"))?;
        Ok(Arc::new(Self { token, callback, armed: AtomicBool::new(true) }))
    }

    /// Calls back with the result, unless it has called back before.
    pub(crate) fn tell(&self, result: Result<Vec<u8>>) {
        if self.armed.swap(false, Ordering::AcqRel) {
            let (status, bytes) = match result {
                Ok(bytes) => (0, bytes),
                Err(e) => (i32::from(e.code()), error_json(&e)),
            };
            // SAFETY: the host gave the callback for this token and keeps it callable until it came.
            unsafe { (self.callback)(self.token, status, SinkwellBytes::of(&bytes)) };
        }
    }

    /// Runs `run` and calls back with its result; a panic becomes the error `internal`.
    pub(crate) fn tell_from(&self, run: impl FnOnce() -> Result<Vec<u8>>) {
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            contain(panic);
            Err(Error::internal("a defect of sinkwell was contained; please report it"))
        });
        self.tell(result);
    }

    /// Starts an operation. If it does not start, this returns the error, and the callback is not called.
    pub(crate) fn start(self: Arc<Self>, start: impl FnOnce(Arc<Self>) -> Result<()>) -> Result<()> {
        let caught = catch_unwind(AssertUnwindSafe(|| start(Arc::clone(&self))));
        let result = caught.unwrap_or_else(|panic| {
            contain(panic);
            Err(Error::internal("a defect of sinkwell was contained; please report it"))
        });
        // If the callback was called already, the operation did start: the status must be 0.
        if result.is_err() && !self.armed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        result
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.tell(Err(Error::new(ErrorKind::Closed, "the emitter ended before this did")));
    }
}

/// `{"kind", "code", "message", "where"}`
fn error_json(error: &Error) -> Vec<u8> {
    let value = Value::Object(vec![
        ("kind".into(), error.kind().name().into()),
        ("code".into(), i64::from(error.code()).into()),
        ("message".into(), error.message().into()),
        ("where".into(), error.place().map_or(Value::Null, Into::into)),
    ]);
    value.to_canonical().unwrap_or_default()
}
