//! Events out of log streams: a log's bytes in as they come, what goes through out.

use std::sync::{Arc, Mutex, PoisonError};

use sinkwell::vacuum::{Asked, Drawing};
use sinkwell::{Emitter, Wait};

use crate::emitter::NativeEmitter;
use crate::error::{Failure, guarded};

/// A log that is being read.
#[derive(uniffi::Object)]
pub struct NativeVacuum {
    emitter: Arc<Emitter>,
    drawing: Mutex<Drawing>,
}

/// How a log ended.
#[derive(uniffi::Record)]
pub struct Drawn {
    passed: Vec<u8>,
    report: String,
}

#[uniffi::export]
impl NativeEmitter {
    /// Begins to read a log; `options` is JSON: process, nonce, format.
    fn vacuum(&self, options: String) -> Result<Arc<NativeVacuum>, Failure> {
        let drawing = guarded(|| self.emitter.start_vacuum(Asked::from_json(options.as_bytes())?))?;
        Ok(Arc::new(NativeVacuum { emitter: Arc::clone(&self.emitter), drawing: Mutex::new(drawing) }))
    }
}

#[uniffi::export]
impl NativeVacuum {
    /// Takes the next bytes; answers with what goes through. Waits for room on this thread.
    fn push(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        guarded(|| drawing.push(&bytes, &self.emitter, &Wait::Allowed, &mut out))?;
        Ok(out)
    }

    /// Ends the log, whole or broken off.
    fn finish(&self, whole: bool) -> Result<Drawn, Failure> {
        let mut passed = Vec::new();
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        let report = guarded(|| drawing.finish(whole, &self.emitter, &Wait::Allowed, &mut passed))?;
        Ok(Drawn { passed, report: report.to_value().to_json() })
    }
}
