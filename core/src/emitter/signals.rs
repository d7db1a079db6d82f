//! SIGTERM and SIGINT, where the configuration asks for it.
//!
//! Guarantees: on the signal, everything queued is pushed out at once, and every emitter goes on accepting. A
//! handler that the host had, and a signal that it ignores, stay in charge: the end is then the process's own.
//! Where nobody else handles the signal, the emitters drain for [`SIGNAL_LIMIT`] at most and the process ends as
//! the signal's default action would end it; as process 1 of a container, which has no default action, with
//! 128 + n. A forked child that has not opened its emitters again has the default action, as if sinkwell were
//! not there.
//!
//! How: a handler that only marks and writes to a pipe; one thread does the rest. A host whose language has a
//! handler table of its own (Python) says so by [`place_signal_handlers`]: what it places there leads to
//! [`end_on_signal`], so that a server that restores what it found, and then raises the signal again, loses nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, Weak};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::error::{Error, Result};
use crate::lane::Bus;
use crate::seam::fork::{self, PerProcess};
use crate::sync::{Mutex, lock};

/// The emitters of this process that ask for it.
static EMITTERS: PerProcess<Mutex<Vec<Weak<Bus>>>> = PerProcess::new();

static BY_HOST: AtomicBool = AtomicBool::new(false);

/// The signals that a handler of the host's is in charge of, a bit each, once ours are in place.
static IN_CHARGE: AtomicU64 = AtomicU64::new(0);

/// The signals for which ours are in place.
static PLACED: AtomicU64 = AtomicU64::new(0);

/// Somebody of this process is about to end it on a signal.
static ENDING: PerProcess<AtomicBool> = PerProcess::new();

/// A forked child has not opened its emitters: the default action it is.
static PARENTS: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

static PLACE: OnceLock<fn(&[i32])> = OnceLock::new();

/// Leaves `handle_signals` to the host's language, in all emitters opened from now on: for a runtime that
/// must own the handlers itself (Go, .NET, Node). It asks
/// [`handle_signals`](crate::settings::Config::handle_signals), pushes out at once ([`push_on_signal`]), and where nobody
/// else handles the signal ends within [`SIGNAL_LIMIT`] ([`end_on_signal`]).
pub fn leave_signals_to_host() {
    BY_HOST.store(true, Ordering::Relaxed);
}

/// Has `place` called before handlers are placed for the first time, for a language that keeps a table of handlers
/// of its own: with the signals that nobody in this process handles, the language's own table or not (a server in C
/// that runs it, as uWSGI, has handlers of which it knows nothing). What it places there for one of these is to call
/// [`end_on_signal`].
pub fn place_signal_handlers(place: fn(&[i32])) {
    let _ = PLACE.set(place);
}

/// How long a process may go on for after a signal that nobody else handles.
pub const SIGNAL_LIMIT: Duration = Duration::from_secs(5);

/// In a forked child: the thread that handles signals is its parent's.
fn leave_signals_to_parent() {
    if PLACED.load(Ordering::Relaxed) != 0 {
        PARENTS.store(true, Ordering::Relaxed);
    }
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Has this emitter pushed out, and where nobody else is in charge ended, on a signal.
pub(super) fn handle(bus: Weak<Bus>) -> Result<()> {
    let emitters = EMITTERS.get();
    let mut emitters = lock(&emitters);
    let first = emitters.is_empty();
    emitters.retain(|bus| bus.strong_count() > 0);
    emitters.push(bus);
    if !first || BY_HOST.load(Ordering::Relaxed) {
        return Ok(());
    }
    let failed = |e: std::io::Error| {
        Error::unsupported(format!("signals cannot be handled here: {e}")).at("handle_signals")
    };
    let mut ours = PLACED.load(Ordering::Acquire);
    if ours == 0 {
        let (caught, ignored) = (dispositions("SigCgt:"), dispositions("SigIgn:"));
        let ours_now: Vec<i32> =
            [SIGTERM, SIGINT].into_iter().filter(|signal| ignored & bit(*signal) == 0).collect();
        if let Some(place) = PLACE.get() {
            let free: Vec<i32> =
                ours_now.iter().copied().filter(|signal| caught & bit(*signal) == 0).collect();
            place(&free);
        }
        IN_CHARGE.store(caught, Ordering::Release);
        for signal in &ours_now {
            if caught & bit(*signal) == 0 {
                signal_hook::flag::register_conditional_default(*signal, Arc::clone(&PARENTS))
                    .map_err(failed)?;
            }
            ours |= bit(*signal);
        }
        if ours == 0 {
            return Ok(());
        }
    }
    fork::in_child(leave_signals_to_parent);
    let mine = [SIGTERM, SIGINT].into_iter().filter(|signal| ours & bit(*signal) != 0);
    let mut signals = Signals::new(mine).map_err(failed)?;
    PLACED.store(ours, Ordering::Release);
    std::thread::Builder::new()
        .name("sinkwell-signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if IN_CHARGE.load(Ordering::Acquire) & bit(signal) == 0 {
                    end_on_signal(signal);
                } else {
                    push_on_signal();
                }
            }
        })
        .map_err(failed)?;
    PARENTS.store(false, Ordering::Release);
    Ok(())
}

fn buses() -> Vec<Arc<Bus>> {
    lock(&EMITTERS.get()).iter().filter_map(Weak::upgrade).collect()
}

/// Has what the emitters that handle signals hold pushed out at once; they go on accepting. Waits for nothing.
pub fn push_on_signal() {
    buses().iter().for_each(|bus| bus.hurry());
}

/// Drains what handles signals, for [`SIGNAL_LIMIT`] at most, and ends the process as the default action of
/// `signal` would. Returns only where another thread is at it already, after the time that this one has.
pub fn end_on_signal(signal: i32) {
    if ENDING.get().swap(true, Ordering::AcqRel) {
        crate::seam::pause(SIGNAL_LIMIT);
        return;
    }
    let buses = buses();
    buses.iter().for_each(|bus| bus.hurry());
    // At once, as one that hangs must not take the time of the others.
    std::thread::scope(|scope| {
        for bus in &buses {
            scope.spawn(move || bus.end(SIGNAL_LIMIT));
        }
    });
    if rustix::process::getpid().is_init() {
        // The kernel gives no default action to the first process of a container.
        low_level::exit(128 + signal);
    }
    // Only fails for signals that have no default action.
    let _ = low_level::emulate_default_handler(signal);
}

/// Whether a signal has been taken that ends this process.
#[must_use]
pub fn is_ending_on_signal() -> bool {
    ENDING.get().load(Ordering::Acquire)
}

/// Signals of this process as the kernel knows them, a bit each: those with a handler, or those that are ignored.
fn dispositions(which: &str) -> u64 {
    let status = crate::seam::read(Path::new("/proc/self/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let mask = status.lines().find_map(|line| line.strip_prefix(which));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
