//! A sealed envelope as host sinks get it: the exact bytes, and what the core knows without parsing them.
//! `sinkwell.SignedGovernanceEvent` (`sinkwell/_event.py`) gives the attributes by name.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sinkwell::verify::{Verdict, verify_envelope};

/// See `sinkwell.SignedGovernanceEvent`.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Envelope {
    inner: sinkwell::sink::Envelope,
}

impl Envelope {
    pub(crate) fn new(inner: sinkwell::sink::Envelope) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Envelope {
    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.bytes)
    }

    #[getter]
    fn hash(&self) -> String {
        self.inner.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[getter]
    fn digest(&self) -> String {
        self.inner.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[getter]
    fn own(&self) -> bool {
        self.inner.own
    }

    #[getter]
    fn terminal(&self) -> bool {
        self.inner.terminal
    }

    fn verify(&self, py: Python<'_>, keys: Vec<crate::tools::Key>) -> PyResult<bool> {
        let keys = crate::tools::trusted(py, keys)?;
        Ok(py.detach(|| verify_envelope(&self.inner.bytes, &keys).0) == Verdict::Sound)
    }
}
