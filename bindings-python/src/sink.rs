//! Host sinks: from a lane's delivery thread to Python code, and back.
//!
//! Guarantees: the lane's thread enters Python only to hand a job over; the host's code runs on a thread or
//! loop of Python's own, so that neither an exception nor the end of the interpreter unwinds through a lane.
//! A job is answered exactly once: if Python dropped it or could not take it, the delivery failed. Sealed records get
//! only the type of an exception; its text goes to the health that the host sees.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;
use sinkwell::Error;
use sinkwell::home::Home;
use sinkwell::host::HostSinkSpec;
use sinkwell::sink::{Answer, Answers, Envelope, Outcome, Said, Sink, SinkHealth};

use crate::convert;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A slot for Python's answer, for which a thread waits.
pub(crate) struct Reply<T> {
    answer: Mutex<Option<T>>,
    ready: Condvar,
}

impl<T> Reply<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(None), ready: Condvar::new() })
    }

    /// The first answer counts.
    pub(crate) fn put(&self, answer: T) {
        lock(&self.answer).get_or_insert(answer);
        self.ready.notify_all();
    }

    /// Waits for the answer. The lane that called has its own time-out.
    pub(crate) fn take(&self) -> T {
        let mut answer = lock(&self.answer);
        loop {
            match answer.take() {
                Some(answer) => return answer,
                None => answer = self.ready.wait(answer).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A batch for a host's sink.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct DeliverJob {
    batch: Vec<Envelope>,
    reply: Arc<Reply<Said>>,
}

/// One answer as Python gives it: `None` is an acknowledgement; else `refused`, `uncertain` or `retry`, the type
/// of the exception and its text; or `nonsense` and the type of what is no answer.
type PyAnswer = Option<(String, String, String)>;

fn answer(given: PyAnswer) -> Answer {
    let Some((outcome, name, detail)) = given else { return Answer::Acknowledged };
    let outcome = match outcome.as_str() {
        "refused" => Outcome::Refused,
        "uncertain" => Outcome::Uncertain,
        "nonsense" => Outcome::Nonsense,
        _ => Outcome::Retry(None),
    };
    outcome.answer(&name, Some(detail))
}

#[pymethods]
impl DeliverJob {
    #[getter]
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = PyList::empty(py);
        for envelope in &self.batch {
            events.append(crate::event::Envelope::new(envelope.clone()).into_pyobject(py)?)?;
        }
        Ok(events)
    }

    /// An answer for each envelope that a sink was given by itself, as far as it came.
    fn answer_first(&self, answers: Vec<PyAnswer>) {
        self.reply.put(Said::OneByOne(answers.into_iter().map(answer).collect()));
    }

    /// An answer for each envelope of the batch, in order.
    fn answer_each(&self, answers: Vec<PyAnswer>) {
        self.reply.put(Said::Each(answers.into_iter().map(answer).collect()));
    }

    /// One answer for the batch.
    fn answer_as_one(&self, given: PyAnswer) {
        self.reply.put(Said::AsOne(answer(given)));
    }

    /// What is no answer, by the name of its type.
    fn nonsense(&self, what: String) {
        self.reply.put(Said::Nonsense(what));
    }
}

impl Drop for DeliverJob {
    fn drop(&mut self) {
        let dropped = Outcome::Retry(None).answer("the sink dropped the batch without an answer", None);
        self.reply.put(Said::AsOne(dropped));
    }
}

/// A question for a host's sink: how it is.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct HealthJob {
    reply: Arc<Reply<SinkHealth>>,
}

#[pymethods]
impl HealthJob {
    #[pyo3(signature = (healthy, detail))]
    fn answer(&self, healthy: bool, detail: Option<String>) {
        self.reply.put(SinkHealth { healthy, detail });
    }
}

impl Drop for HealthJob {
    fn drop(&mut self) {
        self.reply.put(SinkHealth { healthy: false, detail: Some("no answer".to_owned()) });
    }
}

/// A lane's end of a host's sink. `runner` is Python's (`sinkwell/_sinks.py`).
struct Bridge {
    runner: Py<PyAny>,
    idempotent: bool,
}

impl Bridge {
    /// Hands a job over. If that fails, the job is dropped, which answers it.
    fn submit<J: pyo3::PyClass + Into<pyo3::PyClassInitializer<J>>>(&self, method: &str, job: J) {
        let mut job = Some(job);
        Python::try_attach(|py| {
            let Some(job) = job.take() else { return };
            let submitted = Bound::new(py, job).and_then(|job| self.runner.call_method1(py, method, (job,)));
            // Dropping the exception drops its frames and with them the job, which answers it.
            drop(submitted);
        });
    }
}

impl Sink for Bridge {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let reply = Reply::new();
        self.submit("deliver", DeliverJob { batch: batch.to_vec(), reply: Arc::clone(&reply) });
        reply.take().answers(batch.len())
    }

    fn idempotent(&self) -> bool {
        self.idempotent
    }

    fn home(&self) -> Option<Arc<dyn Home>> {
        Some(Arc::new(Runner(Python::try_attach(|py| self.runner.clone_ref(py))?)))
    }

    fn health(&mut self) -> SinkHealth {
        let reply = Reply::new();
        self.submit("health", HealthJob { reply: Arc::clone(&reply) });
        reply.take()
    }
}

/// Where a sink's code runs, as Python knows it: an asynchronous one on the event loop of the thread that gave it.
struct Runner(Py<PyAny>);

impl Home for Runner {
    fn is_held(&self) -> bool {
        let held = Python::try_attach(|py| {
            self.0.call_method0(py, "is_held").and_then(|held| held.extract::<bool>(py))
        });
        matches!(held, Some(Ok(true)))
    }

    fn leave(&self) -> Option<Box<dyn Any>> {
        Some(Box::new(Python::try_attach(Away::new)?.ok()?))
    }
}

/// While this thread waits: if it runs an event loop, sinks at home there run elsewhere. Holds what Python calls to end that.
pub(crate) struct Away(Py<PyAny>);

impl Away {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        static LEAVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        Ok(Self(LEAVE.import(py, "sinkwell._sinks", "leave")?.call0()?.unbind()))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        Python::try_attach(|py| drop(self.0.call0(py)));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        Python::try_attach(|py| {
            // Ends the runner's thread, if it has one; nobody can be told of an exception.
            drop(self.runner.call_method0(py, "close"));
        });
    }
}

/// A host's sink as `_sinks.py` describes it: name, classes, keys of a lane, and what makes its runner.
pub(crate) fn spec(described: &Bound<'_, PyAny>) -> PyResult<HostSinkSpec> {
    let lane = described.getattr("lane")?;
    let lane = (!lane.is_none())
        .then(|| convert::to_json(&lane, |e| Error::invalid_config(e.to_string())))
        .transpose()?;
    let make: Py<PyAny> = described.getattr("runner")?.unbind();
    let idempotent: bool = described.getattr("idempotent")?.extract()?;
    Ok(HostSinkSpec {
        name: described.getattr("name")?.extract()?,
        classes: described.getattr("classes")?.extract()?,
        lane,
        make: Arc::new(move || {
            let made = Python::try_attach(|py| make.call0(py));
            let failed = |what: String| Error::new(sinkwell::ErrorKind::Sink, what);
            match made {
                Some(Ok(runner)) => Ok(Box::new(Bridge { runner, idempotent }) as Box<dyn Sink>),
                Some(Err(e)) => Err(failed(format!("the host's sink cannot be made: {}", type_name(&e)))),
                None => Err(failed("the interpreter has ended".to_owned())),
            }
        }),
    })
}

/// The sink of a plug-in; `None` where no package brings one of this name.
pub(crate) fn find(plugin: &Bound<'_, PyAny>, name: &str) -> sinkwell::Result<Option<HostSinkSpec>> {
    let found = plugin.call1((name,)).and_then(|found| (!found.is_none()).then(|| spec(&found)).transpose());
    found.map_err(|e| {
        let what = format!("the plug-in of this name cannot be loaded: {}", type_name(&e));
        Error::new(sinkwell::ErrorKind::Sink, what).at(name)
    })
}

/// The type of an exception: all that a record may say of it.
pub(crate) fn type_name(e: &PyErr) -> String {
    Python::attach(|py| e.get_type(py).name().map_or_else(|_| "exception".to_owned(), |n| n.to_string()))
}
