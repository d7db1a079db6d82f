//! The emitter as Python sees it.
//!
//! Guarantees: `emit` takes the arguments as they are, walks `data` once, and releases the GIL only when it
//! has to wait for room; on a thread that runs an event loop it does not wait. Everything that may take long releases
//! the GIL, also the ending of an emitter that Python drops.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyList, PyMapping, PyString};
use sinkwell::bridge::Door;
use sinkwell::config::Source;
use sinkwell::content::Part;
use sinkwell::event::{Ambient, Data, Trace, invalid_data};
use sinkwell::host::{self, HostSinkSpec, Opening};
use sinkwell::json::{ObjectWriter, Value};
use sinkwell::seam::SystemEnv;
use sinkwell::{Attempt, Error, EventInput, SHUTDOWN_LIMIT, Wait, Waiter};

use crate::convert::{self, text};
use crate::error::{OrRaise as _, guarded, raise};
use crate::receipt::Receipt;
use crate::wait::Room;

/// Every emitter that may have to be ended when the process ends. Locked only while the GIL is held, so that
/// a fork never finds it locked.
static OPEN: Mutex<Vec<Weak<sinkwell::Emitter>>> = Mutex::new(Vec::new());

/// See `sinkwell.Emitter`.
#[pyclass(frozen, subclass, weakref, module = "sinkwell._native")]
pub(crate) struct Emitter {
    pub(crate) inner: ManuallyDrop<Arc<sinkwell::Emitter>>,
    manual: bool,
}

impl Drop for Emitter {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let inner = unsafe { ManuallyDrop::take(&mut self.inner) };
        // Ending may wait for host sinks, which need the GIL. Once the interpreter has ended there are none.
        let mut inner = Some(inner);
        let _ = Python::try_attach(|py| py.detach(|| drop(inner.take())));
    }
}

/// What the environment of this process says, and what its program is called.
fn environment(py: Python<'_>) -> PyResult<SystemEnv> {
    static PROGRAM: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let name: Option<String> = PROGRAM.import(py, "sinkwell._process", "program")?.call0()?.extract()?;
    Ok(name.map_or_else(SystemEnv::default, SystemEnv::with_program))
}

fn source(config: Option<&Bound<'_, PyAny>>) -> PyResult<Source> {
    let Some(config) = config else { return Ok(Source::Environment) };
    if config.is_instance_of::<PyString>() || config.hasattr("__fspath__")? {
        return Ok(Source::Path(config.extract()?));
    }
    if config.cast::<PyMapping>().is_err() {
        // The core has the error for a configuration that is no mapping: it is given one of the same kind.
        let other = if config.is_instance_of::<PyList>() { "[]" } else { "0" };
        return Ok(Source::Mapping(other.to_owned()));
    }
    convert::to_json(config, |e| {
        let error = Error::invalid_config(e.message().to_owned());
        match e.path() {
            Some(path) => error.at(path),
            None => error,
        }
    })
    .map(Source::Mapping)
}

#[pymethods]
impl Emitter {
    /// Opens an emitter, or takes the process's default one. Called by `sinkwell/_emitter.py` only.
    #[new]
    #[pyo3(signature = (config, sinks, signer, manual, plugin, *, default = false, configure = false))]
    #[allow(clippy::too_many_arguments, reason = "called by name from sinkwell/_emitter.py only")]
    fn new(
        py: Python<'_>,
        config: Option<&Bound<'_, PyAny>>,
        sinks: Vec<Bound<'_, PyAny>>,
        signer: Option<Bound<'_, PyAny>>,
        manual: bool,
        plugin: Py<PyAny>,
        default: bool,
        configure: bool,
    ) -> PyResult<Self> {
        let env = environment(py)?;
        if default {
            let inner = guarded(py, || py.detach(|| host::default_emitter(&env)).or_raise(py))?;
            return Ok(Self { inner: ManuallyDrop::new(inner), manual: false });
        }
        let opening = Opening {
            source: source(config)?,
            sinks: sinks.iter().map(crate::sink::spec).collect::<PyResult<Vec<HostSinkSpec>>>()?,
            signer: signer.map(|signer| crate::signer::Bridge::shared(&signer)),
            manual,
        };
        guarded(py, || {
            let mut find = |name: &str| Python::attach(|py| crate::sink::find(plugin.bind(py), name));
            if configure {
                let inner =
                    py.detach(|| host::configure_default_with(opening, &env, &mut find)).or_raise(py)?;
                return Ok(Self { inner: ManuallyDrop::new(inner), manual: false });
            }
            let inner = Arc::new(py.detach(|| host::open_with(opening, &env, &mut find)).or_raise(py)?);
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|emitter| emitter.strong_count() > 0);
            open.push(Arc::downgrade(&inner));
            Ok(Self { inner: ManuallyDrop::new(inner), manual })
        })
    }

    /// Emit an event: check it, complete it and hand it to every lane. Returns at once, with a receipt.
    ///
    /// ``type`` is a built-in type (``tool.invocation``, ``policy.decision``, ``run.completed``, ...) or one of your own in
    /// reverse-DNS form (``com.example.thing``); ``data`` is a mapping of what JSON can carry, by default empty, and is
    /// held to the type's schema. Keyword arguments, all optional:
    ///
    /// - ``subject``: what it is about, as ``tool:search``.
    /// - ``run``, ``turn``, ``attempt``: ids of the agent run and its parts; without them the ambient run's
    ///   (``sinkwell.run``).
    /// - ``severity``: ``trace``, ``debug``, ``info``, ``warn``, ``error`` or ``fatal``; by default as the type says.
    /// - ``terminal``: for a type of your own, whether losing it would falsify a run; by default no.
    /// - ``content``: parts made by ``sinkwell.part``: the words of people, which leave the process only as far as the
    ///   content policy lets them.
    /// - ``agent``, ``tenant``: another than the emitter's own, if its ``agent.allow`` matches.
    /// - ``time``: when it occurred, as an aware ``datetime`` or RFC 3339 text; by default now.
    /// - ``id``: your own, 1 to 128 printable ASCII characters; by default a new UUID of version 7.
    /// - ``causation``, ``correlation``: ids of the event that caused it and of the whole conversation.
    /// - ``trace``: ``{"trace_id", "span_id", "flags", "state"}``; by default OpenTelemetry's active span, if the program
    ///   uses OpenTelemetry.
    /// - ``child``: for content, the name of the child agent or extension that the event comes from.
    ///
    /// It waits only where a blocking lane (``audit``, ``siem``) has no room, for that lane's ``block_timeout`` at most (30 s
    /// unless configured), and never on a thread that runs an event loop: there ``await`` the emitter's ``aemit``.
    ///
    /// Raises ``InvalidEvent`` (with the place in ``where``), ``Backpressure`` (no room within the limit),
    /// ``RequiredSinkUnavailable`` (governance forbids going on), ``Closed``: the event is then in no lane.
    #[pyo3(signature = (
        r#type, data = None, *, subject = None, run = None, turn = None, attempt = None, severity = None,
        terminal = None, content = None, agent = None, tenant = None, time = None, id = None,
        causation = None, correlation = None, trace = None, child = None, _room = None, _may_wait = true
    ))]
    #[allow(clippy::too_many_arguments, reason = "an event's members are keyword arguments in Python")]
    fn emit(
        &self,
        py: Python<'_>,
        r#type: &Bound<'_, PyAny>,
        data: Option<&Bound<'_, PyAny>>,
        subject: Option<&Bound<'_, PyAny>>,
        run: Option<&Bound<'_, PyAny>>,
        turn: Option<&Bound<'_, PyAny>>,
        attempt: Option<&Bound<'_, PyAny>>,
        severity: Option<&Bound<'_, PyAny>>,
        terminal: Option<bool>,
        content: Option<&Bound<'_, PyAny>>,
        agent: Option<&Bound<'_, PyAny>>,
        tenant: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        id: Option<&Bound<'_, PyAny>>,
        causation: Option<&Bound<'_, PyAny>>,
        correlation: Option<&Bound<'_, PyAny>>,
        trace: Option<&Bound<'_, PyAny>>,
        child: Option<&Bound<'_, PyAny>>,
        _room: Option<&Bound<'_, Room>>,
        _may_wait: bool,
    ) -> PyResult<Receipt> {
        let event = Arguments {
            event_type: r#type,
            data,
            subject,
            run,
            turn,
            attempt,
            severity,
            terminal,
            content,
            agent,
            tenant,
            time,
            id,
            causation,
            correlation,
            trace,
            child,
        };
        guarded(py, || event.emit(py, &self.inner, &Caller { py, room: _room, may_wait: _may_wait }))
    }

    /// Emit the events that a span stands for (as ``sinkwell.events_of_span`` makes them), and say how many.
    ///
    /// Raises as ``emit`` does.
    fn emit_span(&self, py: Python<'_>, span: &Bound<'_, PyAny>) -> PyResult<usize> {
        let span = crate::plain::spelled(span)?.value;
        let waiter = Caller { py, room: None, may_wait: true };
        guarded(py, || sinkwell::bridge::emit_span_value(&*self.inner, &span, &waiter).or_raise(py))
    }

    /// Emit the events that a step of a framework's run stands for, and say how many (``docs/STEPS.md``).
    ///
    /// A step has a ``kind`` (``run``, ``agent``, ``model``, ``tool``, ``decision``, ``retrieval``, ``handoff``) and an
    /// ``id``, and may have ``parent``, ``name``, ``start_unix_nano``, ``end_unix_nano``, ``outcome``, ``error_type``,
    /// ``attributes``, ``usage``, ``input``, ``output`` and more. Waits for room as ``emit`` does. Raises as ``emit`` does,
    /// and ``InvalidArgument`` for what is no step.
    fn emit_step(&self, py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<usize> {
        let step = crate::plain::spelled(step)?.value;
        let waiter = Caller { py, room: None, may_wait: true };
        guarded(py, || sinkwell::bridge::emit_step_value(&*self.inner, &step, &waiter).or_raise(py))
    }

    /// The intent of a tool's call that is a deed, as keyword arguments of ``deed``.
    fn _step_intent<'py>(&self, py: Python<'py>, step: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let step = crate::plain::spelled(step)?.value;
        let event = guarded(py, || sinkwell::bridge::intent_of_step(&*self.inner, &step).or_raise(py))?;
        convert::from_json(py, event.to_json().as_bytes())
    }

    /// What the deed says of the call's end: ``data`` and ``content``.
    fn _step_result<'py>(&self, py: Python<'py>, step: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let step = crate::plain::spelled(step)?.value;
        let waiter = Caller { py, room: None, may_wait: true };
        let result =
            guarded(py, || sinkwell::bridge::result_of_step(&*self.inner, &step, &waiter).or_raise(py))?;
        convert::from_json(py, &result.to_json())
    }

    /// Emit a log record as a ``log.record``, whatever it says; see ``sinkwell.event_of_log``.
    ///
    /// Waits for room as ``emit`` does. Raises ``Backpressure``, ``Closed`` or ``RequiredSinkUnavailable`` only.
    fn emit_log(&self, py: Python<'_>, record: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut record = crate::plain::spelled(record)?;
        let place = place(py)?;
        if let (Value::Object(members), Some(place)) = (&mut record.value, &place)
            && !members.iter().any(|(member, _)| member == "ambient")
        {
            let here = ambient(place).or_raise(py)?;
            // The core decides which of these the record takes.
            let here = [
                ("run", here.run),
                ("turn", here.turn),
                ("attempt", here.attempt),
                ("correlation", here.correlation),
                ("causation", here.causation),
                ("agent", here.agent),
            ];
            let here = here.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
            members.push(("ambient".to_owned(), Value::Object(here.collect())));
        }
        let waiter = Caller { py, room: None, may_wait: true };
        guarded(py, || sinkwell::bridge::emit_record(&*self.inner, &record, &waiter).or_raise(py))
    }

    /// Raise ``RequiredSinkUnavailable`` where ``emit`` would, because governance requires a sink that is not healthy.
    fn ensure_ready(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.ensure_ready()).or_raise(py)
    }

    /// Whether what the program does may go on; where not, governance forbids it.
    fn _may_go_on(&self, py: Python<'_>) -> bool {
        py.detach(|| self.inner.may_go_on()).is_ok()
    }

    /// Counters by lane, each lane's from one moment: ``admitted`` (= ``delivered`` + ``dropped`` + ``rejected`` +
    /// ``pending``), ``filtered``, ``sealed``, ``journaled``, ``retried``, ``own``, ``bytes``, ``oldest_pending_ms``, and by
    /// reason ``dropped_by``, ``rejected_by``, ``filtered_by``.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_json(py, &py.detach(|| host::counters_json(&self.inner)))
    }

    /// The deeds of processes before this one that have an intent and no result, the oldest first: ``id``, ``type``, ``time``,
    /// ``agentid``, ``streamid``, ``sequence``, ``where``, and where the intent has them ``subject``, ``runid``, ``tool``.
    fn unfinished<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let deeds = py.detach(|| self.inner.unfinished_json()).or_raise(py)?;
        convert::from_json(py, &deeds)
    }

    /// What became of each policy document: its conditions by target, and its counters.
    fn policy_status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_json(py, &py.detach(|| self.inner.policy_status()))
    }

    /// Reads the telemetry policies again and puts them in force as one set.
    fn reload_policies(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.reload_policies()).map_err(|e| raise(py, &e))
    }

    /// How each lane is: ``state`` (``starting``, ``healthy``, ``degraded``, ``failed``, ``closed``), ``since``, the kind of
    /// ``failure``, its ``summary`` and the sink's own ``detail``, how far it has ``acked``, its ``classes``.
    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_json(py, &py.detach(|| host::health_json(&self.inner)))
    }

    /// Events that ``emit`` turned away: ``Closed``, ``Backpressure``, ``RequiredSinkUnavailable``.
    #[getter]
    fn refused(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.inner.refused())
    }

    /// Events that wait in a lane to be sealed. Raises ``InvalidArgument`` for a lane that does not exist.
    fn queued(&self, py: Python<'_>, lane: &str) -> PyResult<usize> {
        py.detach(|| self.inner.queued(lane)).or_raise(py)
    }

    /// The counters and states of every lane as Prometheus text.
    fn prometheus(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.prometheus())
    }

    fn _metrics(&self, py: Python<'_>) -> String {
        String::from_utf8(py.detach(|| sinkwell::host::metrics_json(&self.inner))).unwrap_or_default()
    }

    fn _recordings(&self, py: Python<'_>, reader: u32) -> String {
        let json = py.detach(|| sinkwell::host::recordings_json(&self.inner, reader));
        String::from_utf8(json).unwrap_or_default()
    }

    fn _drain<'py>(&self, py: Python<'py>, lane: &str) -> PyResult<Bound<'py, PyAny>> {
        let drained = guarded(py, || py.detach(|| self.inner.drain(lane)).or_raise(py))?;
        convert::from_json(py, &host::drained_json(&drained))
    }

    fn _flush<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let limit = limit(py, timeout)?;
        let report = self.patiently(py, move |emitter| emitter.flush(limit))?;
        convert::from_json(py, &host::report_json(&report))
    }

    #[pyo3(signature = (timeout, inside = false))]
    fn _shutdown<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        inside: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let limit = limit(py, timeout)?;
        if inside && !self.manual {
            // It would wait for the sink that asks: it begins to, and says what is left now.
            let emitter = Arc::clone(&self.inner);
            let run = move || drop(emitter.shutdown(limit));
            let spawned = std::thread::Builder::new().name("sinkwell-flush".into()).spawn(run);
            spawned.map_err(|e| raise(py, &Error::internal(format!("no thread to end it on: {e}"))))?;
            let report = self.patiently(py, |emitter| emitter.flush(Duration::ZERO))?;
            return convert::from_json(py, &host::report_json(&report));
        }
        let report = self.patiently(py, move |emitter| emitter.shutdown(limit))?;
        convert::from_json(py, &host::report_json(&report))
    }

    /// Whether it has been shut down.
    #[getter]
    fn _closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn _add_sink(&self, py: Python<'_>, sink: &Bound<'_, PyAny>) -> PyResult<()> {
        let spec = crate::sink::spec(sink)?;
        let env = environment(py)?;
        guarded(py, || py.detach(|| host::add_sink(&self.inner, spec, &env)).or_raise(py))
    }

    fn _repair(&self, py: Python<'_>, lane: &str, streamid: &str, sequence: u64) -> PyResult<()> {
        py.detach(|| host::repair(&self.inner, lane, streamid, sequence)).or_raise(py)
    }

    fn _change_key(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        signer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let section = convert::to_json(key, |e| Error::invalid_config(e.to_string()).at("key"))?;
        let signer = signer.map(crate::signer::Bridge::shared);
        let env = environment(py)?;
        guarded(py, || {
            let key = host::load_key(&section, signer, &env).or_raise(py)?;
            py.detach(|| self.inner.change_key(&key)).or_raise(py)
        })
    }
}

/// How often a wait checks for signals.
const ASK: Duration = Duration::from_millis(100);

impl Emitter {
    /// Runs work that may wait long on a thread of its own, so that Ctrl-C interrupts the caller; the work goes on. A
    /// manual emitter's work runs on the caller's thread.
    fn patiently<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&sinkwell::Emitter) -> T + Send + 'static,
    ) -> PyResult<T> {
        let emitter = Arc::clone(&self.inner);
        let (done, report) = std::sync::mpsc::channel();
        // After an interrupt nobody receives the result.
        let run = move || drop(done.send(work(&emitter)));
        if self.manual {
            guarded(py, || {
                py.detach(run);
                Ok(())
            })?;
        } else {
            let spawned = std::thread::Builder::new().name("sinkwell-flush".into()).spawn(run);
            let no_thread = |e: std::io::Error| Error::internal(format!("no thread to wait on: {e}"));
            spawned.map_err(|e| raise(py, &no_thread(e)))?;
        }
        let report = Mutex::new(report);
        let wait = || report.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(ASK);
        loop {
            match py.detach(wait) {
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(raise(
                        py,
                        &Error::internal("the wait ended without an answer; please report"),
                    ));
                }
            }
        }
    }
}

fn limit(py: Python<'_>, timeout: Option<f64>) -> PyResult<Duration> {
    timeout.map_or(Ok(SHUTDOWN_LIMIT), |seconds| convert::seconds(py, Some(seconds)))
}

/// Whether governance forbids going on without the default emitter, which an error of this kind kept from being had.
#[pyfunction]
#[pyo3(name = "_default_forbids")]
pub(crate) fn default_forbids(py: Python<'_>, kind: &str) -> PyResult<bool> {
    let env = environment(py)?;
    Ok(py.detach(|| host::default_forbids(kind, &env)))
}

/// Ends every emitter of this process, each within the core's own limit. For the end of the process; the
/// notifier ends too, so that no thread of ours enters Python after this.
#[pyfunction]
#[pyo3(name = "_end_all")]
pub(crate) fn end_all(py: Python<'_>) {
    let mut emitters: Vec<_> = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.drain(..).filter_map(|emitter| emitter.upgrade()).collect()
    };
    py.detach(|| {
        emitters.extend(host::take_default());
        for emitter in emitters {
            emitter.shutdown(SHUTDOWN_LIMIT);
        }
        crate::wait::stop();
    });
}

/// Has every emitter of this process deliver what it holds, within the core's own limit: the process is about to become
/// another program.
#[pyfunction]
#[pyo3(name = "_flush_all")]
pub(crate) fn flush_all(py: Python<'_>) {
    let mut emitters: Vec<_> = {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(Weak::upgrade).collect()
    };
    py.detach(|| {
        emitters.extend(host::open_default());
        for emitter in emitters.iter().filter(|emitter| emitter.is_of_this_process()) {
            emitter.flush(SHUTDOWN_LIMIT);
        }
    });
}

thread_local! {
    static WRITER: RefCell<ObjectWriter> = RefCell::new(ObjectWriter::new());
}

/// An event's keyword arguments, from a dictionary.
pub(crate) struct Keywords<'py> {
    values: [Option<Bound<'py, PyAny>>; 14],
    terminal: Option<bool>,
}

const KEYWORDS: [&str; 14] = [
    "subject",
    "run",
    "turn",
    "attempt",
    "severity",
    "content",
    "agent",
    "tenant",
    "time",
    "id",
    "causation",
    "correlation",
    "trace",
    "child",
];

impl<'py> Keywords<'py> {
    /// # Errors
    /// `TypeError`: a name that `emit` does not take either.
    pub(crate) fn read(event: &Bound<'py, PyDict>) -> PyResult<Self> {
        let mut read = Self { values: Default::default(), terminal: None };
        for (name, value) in event.iter() {
            let name: String = name.extract()?;
            if name == "terminal" {
                read.terminal = value.extract()?;
                continue;
            }
            let Some(at) = KEYWORDS.iter().position(|known| **known == *name) else {
                let what = format!("an event takes no keyword argument '{name}'");
                return Err(pyo3::exceptions::PyTypeError::new_err(what));
            };
            read.values[at] = (!value.is_none()).then_some(value);
        }
        Ok(read)
    }

    /// The event, with its type and data.
    pub(crate) fn event<'a>(
        &'a self,
        event_type: &'a Bound<'py, PyAny>,
        data: Option<&'a Bound<'py, PyAny>>,
    ) -> Arguments<'a, 'py> {
        let [
            subject,
            run,
            turn,
            attempt,
            severity,
            content,
            agent,
            tenant,
            time,
            id,
            causation,
            correlation,
            trace,
            child,
        ] = self.values.each_ref().map(Option::as_ref);
        Arguments {
            event_type,
            data,
            subject,
            run,
            turn,
            attempt,
            severity,
            terminal: self.terminal,
            content,
            agent,
            tenant,
            time,
            id,
            causation,
            correlation,
            trace,
            child,
        }
    }
}

/// An event as Python gives it.
pub(crate) struct Arguments<'a, 'py> {
    event_type: &'a Bound<'py, PyAny>,
    data: Option<&'a Bound<'py, PyAny>>,
    subject: Option<&'a Bound<'py, PyAny>>,
    run: Option<&'a Bound<'py, PyAny>>,
    turn: Option<&'a Bound<'py, PyAny>>,
    attempt: Option<&'a Bound<'py, PyAny>>,
    severity: Option<&'a Bound<'py, PyAny>>,
    terminal: Option<bool>,
    content: Option<&'a Bound<'py, PyAny>>,
    agent: Option<&'a Bound<'py, PyAny>>,
    tenant: Option<&'a Bound<'py, PyAny>>,
    time: Option<&'a Bound<'py, PyAny>>,
    id: Option<&'a Bound<'py, PyAny>>,
    causation: Option<&'a Bound<'py, PyAny>>,
    correlation: Option<&'a Bound<'py, PyAny>>,
    trace: Option<&'a Bound<'py, PyAny>>,
    child: Option<&'a Bound<'py, PyAny>>,
}

impl Arguments<'_, '_> {
    fn emit(
        &self,
        py: Python<'_>,
        emitter: &Arc<sinkwell::Emitter>,
        caller: &Caller<'_, '_>,
    ) -> PyResult<Receipt> {
        match self.with(py, emitter, |input| emitter.emit_waiting(input, caller))? {
            Attempt::Accepted(receipt) => Ok(Receipt::new(receipt)),
            Attempt::NoRoom(limit) => Err(crate::wait::no_room(limit)),
        }
    }

    /// Passes the event to `f`, as the core takes it.
    pub(crate) fn with<T>(
        &self,
        py: Python<'_>,
        emitter: &Arc<sinkwell::Emitter>,
        f: impl FnOnce(EventInput<'_>) -> sinkwell::Result<T>,
    ) -> PyResult<T> {
        WRITER.with(|writer| match writer.try_borrow_mut() {
            Ok(mut writer) => self.with_writer(py, emitter, &mut writer, f),
            // An emit from inside an emit of the same thread: a signal handler, or a mapping of the host's
            // own that emits while it is walked.
            Err(_) => self.with_writer(py, emitter, &mut ObjectWriter::new(), f),
        })
    }

    fn with_writer<T>(
        &self,
        py: Python<'_>,
        emitter: &Arc<sinkwell::Emitter>,
        writer: &mut ObjectWriter,
        f: impl FnOnce(EventInput<'_>) -> sinkwell::Result<T>,
    ) -> PyResult<T> {
        let data = match self.data {
            None => Data::None,
            Some(data) => {
                writer.reset(emitter.depth_limit());
                writer.limit_to(Door::envelope_limit(&**emitter));
                convert::write_object(writer, data).map_err(|e| convert::raise(py, e, invalid_data))?;
                Data::Object(writer)
            }
        };
        let content = self.content.map_or_else(|| Ok(Vec::new()), parts)?;
        let time = self.time.map(moment).transpose()?;
        let trace = match self.trace {
            Some(trace) => Some(trace.clone()),
            None => active_trace(py)?,
        };
        let trace = trace.as_ref().map(TraceParts::read).transpose()?;
        let place = place(py)?;
        // OpenTelemetry's severity number, as text: the core checks it.
        let number = self.severity.filter(|given| given.is_exact_instance_of::<PyInt>());
        let number = number.map(|number| number.str().map(|text| text.to_string())).transpose()?;
        let input = || -> sinkwell::Result<EventInput<'_>> {
            Ok(EventInput {
                event_type: text("type", Some(self.event_type))?.unwrap_or_default(),
                data,
                subject: text("subject", self.subject)?,
                content,
                severity: match &number {
                    Some(number) => Some(number),
                    None => text("severity", self.severity)?,
                },
                terminal: self.terminal,
                run: text("run", self.run)?,
                parent_run: None,
                of_span: false,
                turn: text("turn", self.turn)?,
                attempt: text("attempt", self.attempt)?,
                trace: trace.as_ref().map(TraceParts::borrow),
                agent: text("agent", self.agent)?,
                tenant: text("tenant", self.tenant)?,
                time: text("time", time.as_ref())?,
                id: text("id", self.id)?,
                causation: text("causation", self.causation)?,
                correlation: text("correlation", self.correlation)?,
                child: text("child", self.child)?,
            }
            .within(&place.as_ref().map(ambient).transpose()?.unwrap_or_default()))
        };
        input().and_then(f).or_raise(py)
    }
}

/// Says whether the calling thread may wait; asked only when a blocking lane has no room.
pub(crate) struct Caller<'a, 'py> {
    pub(crate) py: Python<'py>,
    pub(crate) room: Option<&'a Bound<'py, Room>>,
    /// Whether this call may wait for room at all.
    pub(crate) may_wait: bool,
}

/// The function of `sinkwell/_context.py` that returns the ambient run and turn of the calling code; unset until a
/// program enters a run.
static PLACE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// From now on, `emit` asks `get` where it is called.
#[pyfunction]
#[pyo3(name = "_look_around")]
pub(crate) fn look_around(py: Python<'_>, get: Py<PyAny>) {
    let _ = PLACE.set(py, get);
}

/// The function of `sinkwell/_context.py` that returns the trace context of the request that the calling code answers; unset
/// until a program answers one.
static TRACE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// From now on, `emit` asks `get` where no span is active.
#[pyfunction]
#[pyo3(name = "_look_for_trace")]
pub(crate) fn look_for_trace(py: Python<'_>, get: Py<PyAny>) {
    let _ = TRACE.set(py, get);
}

type Place<'py> = [Bound<'py, PyAny>; 7];

fn place(py: Python<'_>) -> PyResult<Option<Place<'_>>> {
    let Some(get) = PLACE.get(py) else { return Ok(None) };
    let place = get.bind(py).call0()?;
    if place.is_none() {
        return Ok(None);
    }
    Ok(Some(place.extract()?))
}

fn ambient<'a>(place: &'a Place<'_>) -> sinkwell::Result<Ambient<'a>> {
    let [run, parent_run, turn, attempt, causation, correlation, agent] = place;
    fn given<'a>(name: &str, value: &'a Bound<'_, PyAny>) -> sinkwell::Result<Option<&'a str>> {
        text(name, (!value.is_none()).then_some(value))
    }
    Ok(Ambient {
        run: given("run", run)?,
        parent_run: given("parent_run", parent_run)?,
        turn: given("turn", turn)?,
        attempt: given("attempt", attempt)?,
        causation: given("causation", causation)?,
        correlation: given("correlation", correlation)?,
        agent: given("agent", agent)?,
    })
}

/// Whether this thread may wait, asked ahead of a call that lets go of the GIL.
pub(crate) fn may_wait(py: Python<'_>) -> Wait {
    Caller { py, room: None, may_wait: true }.may_wait()
}

impl Waiter for Caller<'_, '_> {
    fn may_wait(&self) -> Wait {
        static PLACE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let place = PLACE.import(self.py, "sinkwell._process", "place").and_then(|place| place.call0());
        match place.and_then(|place| place.extract::<String>()).as_deref() {
            Ok("sink") => Wait::Inside,
            Ok("loop") => self.room.map_or(Wait::Never, |room| Wait::Elsewhere(room.get().waited)),
            Ok("thread") if self.may_wait => Wait::Allowed,
            _ => Wait::Never,
        }
    }

    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        self.py.detach(wait);
    }

    fn when_room(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.room.map(|room| room.get().expect(self.py))
    }
}

/// Content parts, from the objects that `sinkwell.part` makes: mappings.
pub(crate) fn parts(content: &Bound<'_, PyAny>) -> PyResult<Vec<Part>> {
    let py = content.py();
    let wrong = |place: &str| {
        raise(py, &Error::invalid_event("must be a list of parts; make them with sinkwell.part").at(place))
    };
    // A text, and a part alone, can be gone through, too.
    if content.is_instance_of::<PyString>() || content.is_instance_of::<PyMapping>() {
        return Err(wrong("content"));
    }
    let list = content
        .try_iter()
        .and_then(|items| items.collect::<PyResult<Vec<_>>>())
        .map_err(|_| wrong("content"))?;
    let mut parts = Vec::with_capacity(list.len());
    for (i, part) in list.iter().enumerate() {
        let place = format!("content[{i}]");
        // Only the path of the refusal: its text could quote people's words.
        let text = convert::to_json(part, |e| {
            let path = e.path().map_or_else(|| place.clone(), |path| format!("{place}.{path}"));
            Error::invalid_event(e.message().to_owned()).at(path)
        })?;
        let value: Value = sinkwell::json::parse(text.as_bytes())
            .map_err(|e| raise(py, &Error::invalid_event(e.message().to_owned()).at(&*place)))?;
        parts.push(Part::from_value(&value, &place).or_raise(py)?);
    }
    Ok(parts)
}

/// `time` as RFC 3339 text: as given, or from an aware `datetime`.
fn moment<'py>(time: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static FORMAT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if time.is_instance_of::<PyString>() {
        return Ok(time.clone());
    }
    let py = time.py();
    let text = FORMAT.import(py, "sinkwell._process", "moment")?.call1((time,))?;
    if text.is_none() {
        let error = Error::invalid_event("must be RFC 3339 text or a datetime with a time zone");
        return Err(raise(py, &error.at("time")));
    }
    Ok(text)
}

/// The active OpenTelemetry span's context, else that of the request that is being answered.
fn active_trace(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    if let Some(span) = active_span(py)? {
        return Ok(Some(span));
    }
    let Some(get) = TRACE.get(py) else { return Ok(None) };
    let trace = get.bind(py).call0()?;
    Ok((!trace.is_none()).then_some(trace))
}

/// Where nobody has imported OpenTelemetry, there is none.
fn active_span(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static ACTIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if ACTIVE.get(py).is_none() {
        let modules = MODULES.get_or_try_init(py, || -> PyResult<_> {
            Ok(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind())
        })?;
        if !modules.bind(py).contains(pyo3::intern!(py, "opentelemetry.trace"))? {
            return Ok(None);
        }
    }
    let active = ACTIVE.import(py, "sinkwell._trace", "active")?.call0()?;
    Ok((!active.is_none()).then_some(active))
}

/// A trace context, from a mapping.
struct TraceParts {
    trace_id: String,
    span_id: String,
    flags: u8,
    state: Option<String>,
}

impl TraceParts {
    fn read(trace: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = trace.py();
        let member = |name: &'static str| -> PyResult<Option<Bound<'_, PyAny>>> {
            let value = trace.call_method1("get", (name,)).map_err(|_| {
                let error = Error::invalid_event("must be a mapping of trace_id, span_id, flags and state");
                raise(py, &error.at("trace"))
            })?;
            Ok((!value.is_none()).then_some(value))
        };
        let string = |name: &'static str| -> PyResult<Option<String>> {
            let value = member(name)?;
            // A trace context comes from other processes: if a member is no valid text, the core leaves the context
            // out.
            if let Some(text) = value.as_ref().and_then(|value| value.cast::<PyString>().ok()) {
                return Ok(Some(text.to_string_lossy().into_owned()));
            }
            let text = text(&format!("trace.{name}"), value.as_ref()).or_raise(py)?.map(str::to_owned);
            Ok(text)
        };
        let flags = member("flags")?.map_or(Ok(0), |flags| {
            flags.extract().map_err(|_| {
                raise(py, &Error::invalid_event("must be a number from 0 to 255").at("trace.flags"))
            })
        })?;
        Ok(Self {
            trace_id: string("trace_id")?.unwrap_or_default(),
            span_id: string("span_id")?.unwrap_or_default(),
            flags,
            state: string("state")?,
        })
    }

    fn borrow(&self) -> Trace<'_> {
        Trace {
            trace_id: &self.trace_id,
            span_id: &self.span_id,
            flags: self.flags,
            state: self.state.as_deref(),
        }
    }
}
