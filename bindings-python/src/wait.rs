//! Awaitables: from a callback on a lane's thread to a future of the caller's event loop.
//!
//! Guarantees: a lane never takes the GIL nor waits for Python; a wait costs memory and no thread; however
//! many waits end at once, a loop is woken once for all of them. A wait that was cancelled, or whose loop
//! has ended, is silently dropped.
//!
//! How: the callback puts the wait that ended into its loop's [`Inbox`]. If the loop has not been woken yet, it hands
//! the inbox to the process's one notifier thread, which takes the GIL and calls `call_soon_threadsafe`. The loop then
//! empties the inbox ([`Mailbox`]).

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use sinkwell::diagnostics::Level;
use sinkwell::receipt::Stage;

use crate::error::OrRaise as _;
use crate::receipt::outcome;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait that has ended.
enum Ended {
    /// A receipt reached its stage.
    Receipt { future: Py<PyAny>, receipt: sinkwell::Receipt, stage: Stage },
    /// A lane has room, or an intent is settled.
    Room { future: Py<PyAny> },
}

/// The waits of one event loop that have ended, and of which the loop does not know yet.
struct Inbox {
    event_loop: Py<PyAny>,
    ended: Mutex<Ends>,
}

#[derive(Default)]
struct Ends {
    list: Vec<Ended>,
    /// Whether the loop has been woken for them.
    asked: bool,
}

impl Inbox {
    fn put(self: &Arc<Self>, ended: Ended) {
        let mut ends = lock(&self.ended);
        ends.list.push(ended);
        if !std::mem::replace(&mut ends.asked, true) {
            drop(ends);
            notify(Note::Wake(Arc::clone(self)));
        }
    }
}

/// Empties an inbox, on its loop's thread.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Mailbox {
    inbox: Arc<Inbox>,
}

#[pymethods]
impl Mailbox {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let list = {
            let mut ends = lock(&self.inbox.ended);
            ends.asked = false;
            std::mem::take(&mut ends.list)
        };
        for ended in list {
            match ended {
                Ended::Receipt { future, receipt, stage } => {
                    resolve(future.bind(py), outcome(py, &receipt, stage))?;
                }
                Ended::Room { future } => resolve(future.bind(py), Ok(py.None().into_bound(py)))?,
            }
        }
        Ok(())
    }
}

fn resolve(future: &Bound<'_, PyAny>, result: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match result {
        Ok(value) => future.call_method1(pyo3::intern!(py, "set_result"), (value,))?,
        Err(e) => future.call_method1(pyo3::intern!(py, "set_exception"), (e,))?,
    };
    Ok(())
}

thread_local! {
    /// The inbox of the loop that this thread ran last. It keeps the loop alive, so that comparing by
    /// identity is safe.
    static INBOX: RefCell<Option<Arc<Inbox>>> = const { RefCell::new(None) };
}

/// The running loop of this thread, and its inbox.
///
/// # Errors
/// `RuntimeError`: none runs.
fn inbox(py: Python<'_>) -> PyResult<Arc<Inbox>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let event_loop = RUNNING.import(py, "asyncio", "get_running_loop")?.call0()?;
    let cached = INBOX.with(|cached| cached.borrow().clone());
    if let Some(inbox) = cached.filter(|inbox| inbox.event_loop.is(&event_loop)) {
        return Ok(inbox);
    }
    let inbox = Arc::new(Inbox { event_loop: event_loop.unbind(), ended: Mutex::default() });
    // Dropping the last inbox may drop its loop, which may run the host's code: not while the cell is borrowed.
    drop(INBOX.with(|cached| cached.replace(Some(Arc::clone(&inbox)))));
    Ok(inbox)
}

fn new_future<'py>(py: Python<'py>, inbox: &Inbox) -> PyResult<Bound<'py, PyAny>> {
    inbox.event_loop.bind(py).call_method0(pyo3::intern!(py, "create_future"))
}

/// A future of the running loop that resolves when the receipt reaches the stage.
pub(crate) fn future<'py>(
    py: Python<'py>,
    receipt: &sinkwell::Receipt,
    stage: Stage,
) -> PyResult<Bound<'py, PyAny>> {
    let inbox = inbox(py)?;
    let future = new_future(py, &inbox)?;
    if stage == Stage::Delivered && receipt.reached(stage) {
        resolve(&future, outcome(py, receipt, stage))?;
        return Ok(future);
    }
    let (ended, of) = (future.clone().unbind(), receipt.clone());
    receipt
        .on(stage, move || inbox.put(Ended::Receipt { future: ended, receipt: of, stage }))
        .or_raise(py)?;
    Ok(future)
}

/// A future of the running loop that resolves when there is nothing more to wait for about an intent.
pub(crate) fn settled<'py>(
    py: Python<'py>,
    intent: Option<&sinkwell::deed::Intent>,
) -> PyResult<Bound<'py, PyAny>> {
    let inbox = inbox(py)?;
    let future = new_future(py, &inbox)?;
    match intent.filter(|intent| !intent.is_settled()) {
        None => resolve(&future, Ok(py.None().into_bound(py)))?,
        Some(intent) => {
            let ended = future.clone().unbind();
            intent.on_settled(move || inbox.put(Ended::Room { future: ended }));
        }
    }
    Ok(future)
}

/// For the awaitable `emit`: a future that resolves when a lane that had no room has some.
#[pyclass(frozen, module = "sinkwell._native")]
pub(crate) struct Room {
    inbox: Arc<Inbox>,
    future: Py<PyAny>,
    /// How long the caller has waited so far.
    pub(crate) waited: Duration,
}

impl Room {
    /// The callback for the lane without room. The lane calls it under a lock, so that it runs no Python code.
    pub(crate) fn expect(&self, py: Python<'_>) -> Box<dyn FnOnce() + Send> {
        let (inbox, future) = (Arc::clone(&self.inbox), self.future.clone_ref(py));
        Box::new(move || inbox.put(Ended::Room { future }))
    }
}

#[pymethods]
impl Room {
    #[new]
    fn new(py: Python<'_>, waited: f64) -> PyResult<Self> {
        let inbox = inbox(py)?;
        let future = new_future(py, &inbox)?.unbind();
        Ok(Self { inbox, future, waited: crate::convert::seconds(py, Some(waited))? })
    }

    /// Resolves when there is room again.
    #[getter]
    fn future(&self, py: Python<'_>) -> Py<PyAny> {
        self.future.clone_ref(py)
    }
}

pyo3::create_exception!(_native, NoRoom, PyException, "No room yet: how many seconds to wait, all together.");

/// For the awaitable `emit`, not for users: wait and come again.
pub(crate) fn no_room(limit: Duration) -> PyErr {
    NoRoom::new_err(limit.as_secs_f64())
}

/// What the notifier thread has to tell Python.
enum Note {
    Wake(Arc<Inbox>),
    Log(Level, String),
}

/// The one thread through which the core's threads reach Python.
struct Notifier {
    generation: u32,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    notes: Vec<Note>,
    thread: Option<JoinHandle<()>>,
    stopped: bool,
}

static NOTIFIER: arc_swap::ArcSwapOption<Notifier> = arc_swap::ArcSwapOption::const_empty();

/// This process's notifier. A forked child leaves its parent's alone, locks and all, and makes its own.
fn notifier() -> Arc<Notifier> {
    let generation = sinkwell::fork::generation();
    loop {
        let current = NOTIFIER.load_full();
        if let Some(notifier) = &current
            && notifier.generation == generation
        {
            return Arc::clone(notifier);
        }
        let fresh = Notifier { generation, state: Mutex::default(), ready: Condvar::new() };
        let before = NOTIFIER.compare_and_swap(&current, Some(Arc::new(fresh)));
        // After a fork, the parent's notifier may be locked by a thread that does not exist here: it is never freed.
        std::mem::forget(before);
    }
}

fn notify(note: Note) {
    let notifier = notifier();
    let mut state = lock(&notifier.state);
    if state.stopped {
        // Python is ending: nobody can be told, and Python objects may no longer be released.
        std::mem::forget(note);
        return;
    }
    state.notes.push(note);
    if state.thread.is_none() {
        let of = Arc::clone(&notifier);
        let spawned = std::thread::Builder::new().name("sinkwell-python".into()).spawn(move || of.run());
        // If no thread could be started, the next note tries again.
        state.thread = spawned.ok();
    }
    drop(state);
    notifier.ready.notify_one();
}

impl Notifier {
    fn run(&self) {
        loop {
            let notes = {
                let mut state = lock(&self.state);
                while state.notes.is_empty() && !state.stopped {
                    state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.notes.is_empty() {
                    return;
                }
                std::mem::take(&mut state.notes)
            };
            let mut notes = Some(notes);
            Python::try_attach(|py| {
                for note in notes.take().unwrap_or_default() {
                    // The loop was closed, or the logger raised an exception: nobody else can be told.
                    let _ = tell(py, note);
                }
            });
            // Without an interpreter, Python objects may no longer be released.
            std::mem::forget(notes);
        }
    }
}

fn tell(py: Python<'_>, note: Note) -> PyResult<()> {
    match note {
        Note::Wake(inbox) => {
            let event_loop = inbox.event_loop.clone_ref(py);
            let mailbox = Bound::new(py, Mailbox { inbox })?;
            event_loop.call_method1(py, pyo3::intern!(py, "call_soon_threadsafe"), (mailbox,))?;
        }
        Note::Log(level, message) => {
            static LOG: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let level = match level {
                Level::Error => "error",
                Level::Warn => "warning",
                Level::Info => "info",
            };
            LOG.import(py, "sinkwell._process", "log")?.call1((level, message))?;
        }
    }
    Ok(())
}

/// Sends the core's diagnostics to Python's `logging`, from the notifier's thread: the core may be holding
/// a lock while it warns.
pub(crate) fn log(level: Level, message: &str) {
    notify(Note::Log(level, message.to_owned()));
}

/// Ends the notifier once it has told everything that it was given. To be called without the GIL.
pub(crate) fn stop() {
    let notifier = notifier();
    let thread = {
        let mut state = lock(&notifier.state);
        state.stopped = true;
        state.thread.take()
    };
    notifier.ready.notify_all();
    if let Some(thread) = thread {
        // The thread runs no code that can panic.
        let _ = thread.join();
    }
}
