//! Receipts as Python sees them.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sinkwell::host;
use sinkwell::receipt::Stage;

use crate::convert;
use crate::error::{OrRaise as _, guarded, raise};
use crate::wait;

/// What became of one event in each lane: what `emit` returns. It can be awaited in the process that emitted.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Receipt {
    inner: sinkwell::Receipt,
}

impl Receipt {
    pub(crate) fn new(inner: sinkwell::Receipt) -> Self {
        Self { inner }
    }
}

/// What an awaitable resolves to: how the event ended in each lane, or why the wait failed.
pub(crate) fn outcome<'py>(
    py: Python<'py>,
    receipt: &sinkwell::Receipt,
    stage: Stage,
) -> PyResult<Bound<'py, PyAny>> {
    receipt.check_journaled(stage).or_raise(py)?;
    convert::from_json(py, &host::endings_json(receipt))
}

#[pymethods]
impl Receipt {
    /// The event's id, the same in every lane.
    #[getter]
    fn id(&self) -> String {
        self.inner.id().to_string()
    }

    /// By lane, how the event was taken: ``enqueued``, ``filtered``, or ``dropped: `` and why.
    #[getter]
    fn lanes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let lanes = PyDict::new(py);
        for (lane, admission) in self.inner.lanes() {
            lanes.set_item(lane, admission.to_string())?;
        }
        Ok(lanes)
    }

    /// By lane, how many events this one pushed out.
    #[getter]
    fn evicted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let evicted = PyDict::new(py);
        for (lane, count) in self.inner.evicted() {
            evicted.set_item(lane, count)?;
        }
        Ok(evicted)
    }

    /// Wait until every lane reached a ``stage`` (``journaled``: on disk in the durable lanes; ``delivered``: the sinks have
    /// acknowledged it), ``timeout`` seconds at most, or without limit. Ctrl-C comes through.
    ///
    /// Returns by lane how the event ended: ``state`` (``delivered``, ``lost``, ``uncertain``, ``filtered``), ``reason``,
    /// ``streamid``, ``sequence``, ``hash``, ``when``; a loss is an answer. Raises ``Timeout``, which names the lanes,
    /// ``Unsupported`` where no lane is durable, ``Journal``.
    #[pyo3(signature = (stage, timeout = None))]
    fn wait<'py>(&self, py: Python<'py>, stage: &str, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let stage = Stage::parse(stage).or_raise(py)?;
        let limit = convert::seconds(py, timeout)?;
        // It would wait for a sink of the loop that it holds up.
        let _away = if self.inner.reached(stage) { None } else { Some(crate::sink::Away::new(py)?) };
        let mut interrupt = None;
        let waited = guarded(py, || {
            let mut go_on = || {
                interrupt = Python::attach(|py| py.check_signals()).err();
                interrupt.is_none()
            };
            Ok(py.detach(|| self.inner.wait_while(stage, limit, &mut go_on)))
        })?;
        match interrupt {
            Some(e) => Err(e),
            None => waited.map_err(|e| raise(py, &e)).and_then(|()| outcome(py, &self.inner, stage)),
        }
    }

    /// An awaitable, for the running event loop, of what ``wait("delivered")`` returns.
    fn delivered<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wait::future(py, &self.inner, Stage::Delivered)
    }

    /// An awaitable, for the running event loop, of what ``wait("journaled")`` returns.
    fn journaled<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wait::future(py, &self.inner, Stage::Journaled)
    }

    /// The salt of a content part; `None` before the event is sealed, or where there is no such part.
    fn salt<'py>(&self, py: Python<'py>, part: usize) -> Option<Bound<'py, PyBytes>> {
        self.inner.salt(part).map(|salt| PyBytes::new(py, &salt))
    }

    fn __repr__(&self) -> String {
        let lanes: Vec<_> =
            self.inner.lanes().map(|(lane, admission)| format!("{lane}: {admission}")).collect();
        format!("<Receipt {} {{{}}}>", self.inner.id(), lanes.join(", "))
    }
}
