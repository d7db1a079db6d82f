//! What concerns the whole process: forks and signals.
//!
//! Guarantees: nothing here takes the GIL while a fork waits for it; every fork of the process is noticed, also one
//! that Python does not know of (a C library's, uWSGI's).

use std::sync::Once;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// Only the main interpreter has threads of the core: they would call sinks, loggers and event loops of another one from outside it,
/// and its end would end the emitters of all. Servers say how to stay in the main one.
pub(crate) fn refuse_other_interpreters() -> PyResult<()> {
    // SAFETY: the GIL is held, so that there is a current interpreter, which stays.
    let number = unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
    if number == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "sinkwell runs in the main interpreter only, and this is another one; under mod_wsgi, say WSGIApplicationGroup %{GLOBAL}",
    ))
}

/// Registers handlers that run at every fork of the process: a child then gets lanes and streams of its own, on first
/// use, and holds none of its parent's locks.
pub(crate) fn watch_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers wait for no lock that anybody holds for long, and the child's handler makes only system
        // calls. Registering fails only without memory, and then no emitter can be opened either.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

unsafe extern "C" fn before() {
    sinkwell::fork::prepare();
}

unsafe extern "C" fn in_parent() {
    sinkwell::fork::parent();
}

unsafe extern "C" fn in_child() {
    sinkwell::fork::child(|fd| {
        // SAFETY: the child inherited this descriptor, and nothing in the child uses it. Its number stays open on
        // /dev/null, so that code that still knows the number does no harm.
        unsafe {
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if null >= 0 {
                libc::dup2(null, fd);
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                libc::close(null);
            } else {
                libc::close(fd);
            }
        }
    });
}

/// Enters the core's signal handlers in Python's own table of handlers: if a server later restores what it found there
/// and raises the signal again, the core's handlers run.
pub(crate) fn watch_signals() {
    sinkwell::place_signal_handlers(|free| {
        Python::try_attach(|py| {
            let placed = py
                .import("sinkwell._process")
                .and_then(|process| process.call_method1("place_signal_handlers", (free.to_vec(),)));
            // If that failed, the handlers that the core set in the operating system still work.
            drop(placed);
        });
    });
}

/// Drains, and ends the process as the signal's default action would; not while another thread is at it.
#[pyfunction]
#[pyo3(name = "_end_on_signal")]
pub(crate) fn end_on_signal(py: Python<'_>, signal: i32) {
    if !sinkwell::is_ending_on_signal() {
        py.detach(|| sinkwell::end_on_signal(signal));
    }
}

/// How many forks lie between this process and the one that loaded the library.
#[pyfunction]
#[pyo3(name = "_generation")]
pub(crate) fn generation() -> u32 {
    sinkwell::fork::generation()
}
