//! Errors of the core as exceptions: one class per kind, all of `sinkwell.Error`.
//!
//! The classes are Python's (`sinkwell/_errors.py`), so that they can also be `ValueError` or `TimeoutError`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use sinkwell::{Error, ErrorKind};

static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception for an error of the core.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let make = || MAKE.import(py, "sinkwell._errors", "_make");
    let made = make()
        .and_then(|make| make.call1((error.kind().name(), error.message(), error.place())))
        .map(PyErr::from_value);
    made.unwrap_or_else(|e| e)
}

/// A result of the core as one of Python.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for sinkwell::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|e| raise(py, &e))
    }
}

/// Runs a call; a panic in the core becomes an error of the kind `internal`.
pub(crate) fn guarded<T>(py: Python<'_>, f: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(raise(py, &internal(panic.as_ref()))))
}

fn internal(panic: &(dyn Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic");
    Error::new(ErrorKind::Internal, format!("{what}; please report"))
}
