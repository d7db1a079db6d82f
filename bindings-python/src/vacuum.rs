//! Logs of Python's: their bytes in as they come, what goes through out.
//!
//! Guarantee: the GIL is let go of while the log is looked at and while an event waits for room; on a thread that runs an
//! event loop, and inside a sink of the host's, nothing waits.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sinkwell::vacuum::{Asked, Drawing};

use crate::convert;
use crate::emitter::{Emitter, may_wait};
use crate::error::{OrRaise as _, guarded};

/// A log that is being read; made by ``Emitter.vacuum`` only.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Vacuum {
    emitter: Arc<sinkwell::Emitter>,
    drawing: Mutex<Drawing>,
}

#[pymethods]
impl Vacuum {
    #[new]
    fn new(py: Python<'_>, emitter: &Bound<'_, Emitter>, options: &str) -> PyResult<Self> {
        let emitter = Arc::clone(&emitter.get().inner);
        guarded(py, || {
            let started = py.detach(|| emitter.start_vacuum(Asked::from_json(options.as_bytes())?));
            Ok(Self { drawing: Mutex::new(started.or_raise(py)?), emitter: Arc::clone(&emitter) })
        })
    }

    /// Takes the next bytes; answers with what goes through.
    fn push<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let wait = may_wait(py);
        let passed = guarded(py, || {
            py.detach(|| {
                let mut out = Vec::new();
                let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
                drawing.push(data, &self.emitter, &wait, &mut out).map(|()| out)
            })
            .or_raise(py)
        })?;
        Ok(PyBytes::new(py, &passed))
    }

    /// Ends the log, ``whole`` or broken off; answers with what goes through, and the report.
    fn finish<'py>(
        &self,
        py: Python<'py>,
        whole: bool,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyAny>)> {
        let wait = may_wait(py);
        let (passed, report) = guarded(py, || {
            py.detach(|| {
                let mut out = Vec::new();
                let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
                let report = drawing.finish(whole, &self.emitter, &wait, &mut out)?;
                Ok((out, report.to_value().to_json()))
            })
            .or_raise(py)
        })?;
        Ok((PyBytes::new(py, &passed), convert::from_json(py, report.as_bytes())?))
    }
}
