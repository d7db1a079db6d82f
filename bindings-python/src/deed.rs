//! Deeds as Python sees them: what `sinkwell/_deed.py` calls. It waits where Python waits; every rule is the core's.
//!
//! Guarantees: a wait lets go of the GIL, and no lock is held meanwhile; what is dropped without an end seals one, so that
//! a signal's exception between two lines of Python leaves no deed open.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sinkwell::deed::{self, Deed, End, Ended, Intended, Outcome, Terms, Until};
use sinkwell::json::Value;

use crate::convert;
use crate::emitter::{Caller, Emitter, Keywords, parts};
use crate::error::{OrRaise as _, guarded};
use crate::wait::{self, Room};

/// Something of the core's that is used up. It is taken out while it is used: whoever holds the GIL must not wait here for
/// a thread that needs it to go on.
struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    fn new(held: T) -> Self {
        Self(Mutex::new(Some(held)))
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put_back(&self, held: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}

/// A deed that was let happen. Dropped without an end, it was given up.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Act {
    emitter: Arc<sinkwell::Emitter>,
    deed: Slot<Deed>,
    id: String,
}

impl Act {
    fn of(emitter: &Arc<sinkwell::Emitter>, deed: Deed) -> Self {
        let id = deed.intent().id().to_string();
        Self { emitter: Arc::clone(emitter), deed: Slot::new(deed), id }
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if let Some(deed) = self.deed.take() {
            self.emitter.give_up_deed(deed);
        }
    }
}

#[pymethods]
impl Act {
    /// Blocks until the act may begin, or raises why it may not.
    #[new]
    fn begin(
        py: Python<'_>,
        emitter: PyRef<'_, Emitter>,
        r#type: &Bound<'_, PyAny>,
        data: Option<&Bound<'_, PyAny>>,
        event: &Bound<'_, PyDict>,
        until: Option<&str>,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let terms = terms(py, until, timeout)?;
        let keywords = Keywords::read(event)?;
        let caller = Caller { py, room: None, may_wait: true };
        let mut interrupt = None;
        let mut go_on = || {
            interrupt = Python::attach(|py| py.check_signals()).err();
            interrupt.is_none()
        };
        let inner = Arc::clone(&emitter.inner);
        let begun = guarded(py, || {
            keywords
                .event(r#type, data)
                .with(py, &inner, |input| inner.begin_deed(input, terms, &caller, &mut go_on))
        });
        match interrupt {
            Some(e) => Err(e),
            None => begun.map(|deed| Self::of(&inner, deed)),
        }
    }

    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// What the host says of the result.
    fn say(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        content: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let text = convert::to_json(data, sinkwell::event::invalid_data)?;
        let value: Value = sinkwell::json::parse(text.as_bytes())
            .map_err(|e| sinkwell::event::invalid_data(&e))
            .or_raise(py)?;
        let content = content.map_or_else(|| Ok(Vec::new()), parts)?;
        let ended =
            || sinkwell::Error::invalid_argument("the deed has ended; say what came of it before it ends");
        let mut deed = self.deed.take().ok_or_else(ended).or_raise(py)?;
        let said = guarded(py, || self.emitter.say_of_deed(&mut deed, &value, content).or_raise(py));
        self.deed.put_back(deed);
        said
    }

    /// Seals the result. The act has happened: what is wrong with its record is logged by the core, and raised nowhere.
    /// Raises `_NoRoom` where `room` is given.
    #[pyo3(signature = (outcome, error_type = None, room = None))]
    fn end(
        &self,
        py: Python<'_>,
        outcome: &str,
        error_type: Option<&str>,
        room: Option<&Bound<'_, Room>>,
    ) -> PyResult<()> {
        let outcome = Outcome::parse(outcome).or_raise(py)?;
        let caller = Caller { py, room, may_wait: true };
        let Some(mut deed) = self.deed.take() else { return Ok(()) };
        let end = End { outcome, error_type };
        match guarded(py, || Ok(self.emitter.end_deed(&mut deed, end, &caller)))? {
            Ok(Ended::NoRoom(limit)) => {
                self.deed.put_back(deed);
                Err(wait::no_room(limit))
            }
            Ok(Ended::Done(_)) | Err(_) => Ok(()),
        }
    }
}

/// An intent that is on its way to safety, in an event loop. Dropped, it is withdrawn.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Intent {
    emitter: Arc<sinkwell::Emitter>,
    intent: Slot<deed::Intent>,
    timeout: f64,
}

impl Drop for Intent {
    fn drop(&mut self) {
        self.withdraw();
    }
}

#[pymethods]
impl Intent {
    /// Raises `_NoRoom`.
    #[new]
    #[allow(clippy::too_many_arguments, reason = "called from sinkwell/_deed.py only")]
    fn new(
        py: Python<'_>,
        emitter: PyRef<'_, Emitter>,
        r#type: &Bound<'_, PyAny>,
        data: Option<&Bound<'_, PyAny>>,
        event: &Bound<'_, PyDict>,
        until: Option<&str>,
        timeout: Option<f64>,
        room: &Bound<'_, Room>,
    ) -> PyResult<Self> {
        let terms = terms(py, until, timeout)?;
        let keywords = Keywords::read(event)?;
        let caller = Caller { py, room: Some(room), may_wait: true };
        let inner = Arc::clone(&emitter.inner);
        let intended = guarded(py, || {
            keywords.event(r#type, data).with(py, &inner, |input| inner.intend(input, terms, &caller))
        })?;
        match intended {
            Intended::Entered(intent) => {
                let timeout = intent.timeout().as_secs_f64();
                Ok(Self { emitter: inner, intent: Slot::new(intent), timeout })
            }
            Intended::NoRoom(limit) => Err(wait::no_room(limit)),
        }
    }

    /// How many seconds the act may be held up.
    #[getter]
    fn timeout(&self) -> f64 {
        self.timeout
    }

    /// Resolves when there is nothing more to wait for.
    fn settled<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let intent = self.intent.take();
        let future = wait::settled(py, intent.as_ref());
        if let Some(intent) = intent {
            self.intent.put_back(intent);
        }
        future
    }

    /// Lets the deed begin, or raises why not.
    fn act(&self, py: Python<'_>) -> PyResult<Act> {
        let gone = || sinkwell::Error::internal("the deed has begun before; please report");
        let intent = self.intent.take().ok_or_else(gone).or_raise(py)?;
        guarded(py, || self.emitter.act(intent).or_raise(py)).map(|deed| Act::of(&self.emitter, deed))
    }

    /// Nobody waits for it any more.
    fn withdraw(&self) {
        if let Some(intent) = self.intent.take() {
            self.emitter.withdraw(intent);
        }
    }
}

fn terms(py: Python<'_>, until: Option<&str>, timeout: Option<f64>) -> PyResult<Terms> {
    let until = until.map(Until::parse).transpose().or_raise(py)?;
    let timeout = timeout.map_or(Ok(Terms::TIMEOUT), |seconds| convert::seconds(py, Some(seconds)))?;
    Ok(Terms { until, timeout })
}
