//! A host's signer: signing inputs to Python, signatures back, on a thread of Python's own (see [`crate::sink`]).

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sinkwell::key::HostSigner;

use crate::sink::Reply;

type Signatures = Result<Vec<Vec<u8>>, String>;

/// Signing inputs for a host's signer.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct SignJob {
    inputs: Vec<Vec<u8>>,
    reply: Arc<Reply<Signatures>>,
}

#[pymethods]
impl SignJob {
    #[getter]
    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.inputs.iter().map(|input| PyBytes::new(py, input)))
    }

    fn answer(&self, signatures: Vec<Vec<u8>>) {
        self.reply.put(Ok(signatures));
    }

    fn fail(&self, text: String) {
        self.reply.put(Err(text));
    }
}

impl Drop for SignJob {
    fn drop(&mut self) {
        self.reply.put(Err("the signer dropped the batch without an answer".to_owned()));
    }
}

/// The core's end of a host's signer. `runner` is Python's (`sinkwell/_sinks.py`).
pub(crate) struct Bridge {
    runner: Py<PyAny>,
}

impl Bridge {
    pub(crate) fn shared(runner: &Bound<'_, PyAny>) -> Arc<dyn HostSigner> {
        Arc::new(Self { runner: runner.clone().unbind() })
    }
}

impl HostSigner for Bridge {
    fn sign(&self, inputs: &[&[u8]]) -> Signatures {
        let reply = Reply::new();
        let inputs = inputs.iter().map(|input| input.to_vec()).collect();
        let mut job = Some(SignJob { inputs, reply: Arc::clone(&reply) });
        Python::try_attach(|py| {
            let Some(job) = job.take() else { return };
            drop(Bound::new(py, job).and_then(|job| self.runner.call_method1(py, "sign", (job,))));
        });
        drop(job);
        reply.take()
    }
}
