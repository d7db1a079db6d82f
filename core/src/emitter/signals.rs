//! SIGTERM and SIGINT, if the configuration has sinkwell handle them.
//!
//! Guarantees: on the signal every emitter delivers what is queued at once, and goes on accepting events. If the host
//! has a handler, or ignores the signal, that stays so, and the host decides when the process ends. If nobody else
//! handles the signal, the emitters drain for at most [`SIGNAL_LIMIT`], and the process ends as the signal's default
//! action would end it; process 1 of a container, for which the kernel has no default action, exits with 128 + n. A
//! forked child that has not opened its emitters again has the default action, as if sinkwell were not there.
//!
//! How: the handler only sets a mark and writes to a pipe; one thread does the rest. A host whose language keeps its
//! own table of handlers (Python) registers a function with [`place_signal_handlers`]. The handlers that this function
//! puts into the table call [`end_on_signal`], so that nothing is lost when a server restores the handlers that it
//! found and raises the signal again.

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

/// The emitters of this process that handle signals.
static EMITTERS: PerProcess<Mutex<Vec<Weak<Bus>>>> = PerProcess::new();

static BY_HOST: AtomicBool = AtomicBool::new(false);

/// The signals for which a handler of the host decides, one bit each, once our handlers are installed.
static IN_CHARGE: AtomicU64 = AtomicU64::new(0);

/// The signals for which our handlers are installed.
static PLACED: AtomicU64 = AtomicU64::new(0);

/// A thread of this process is about to end it because of a signal.
static ENDING: PerProcess<AtomicBool> = PerProcess::new();

/// Set in a forked child that has not opened its emitters: signals take their default action.
static PARENTS: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

static PLACE: OnceLock<fn(&[i32])> = OnceLock::new();

/// Leaves `handle_signals` to the host's language, for all emitters opened from now on, as its runtime must own the
/// handlers (Go, .NET, Node). The language then checks [`handle_signals`](crate::settings::Config::handle_signals),
/// calls [`push_on_signal`] at once, and, if nobody else handles the signal, calls [`end_on_signal`], which ends the
/// process within [`SIGNAL_LIMIT`].
pub fn leave_signals_to_host() {
    BY_HOST.store(true, Ordering::Relaxed);
}

/// Has `place` called before handlers are installed for the first time, for a language that keeps its own table of
/// handlers. `place` gets the signals that nobody in this process handles, neither by the language's table nor outside
/// it (a C server that embeds the language, such as uWSGI, has handlers of which the table knows nothing). The handlers
/// that `place` installs must call [`end_on_signal`].
pub fn place_signal_handlers(place: fn(&[i32])) {
    let _ = PLACE.set(place);
}

/// How long a process may still run after a signal that nobody else handles.
pub const SIGNAL_LIMIT: Duration = Duration::from_secs(5);

/// In a forked child: the thread that handles signals exists only in the parent.
fn leave_signals_to_parent() {
    if PLACED.load(Ordering::Relaxed) != 0 {
        PARENTS.store(true, Ordering::Relaxed);
    }
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// From now on this emitter delivers at once on a signal, and is drained if the process ends by it.
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

/// Has every emitter that handles signals deliver at once what it holds. The emitters go on accepting events; the call
/// waits for nothing.
pub fn push_on_signal() {
    buses().iter().for_each(|bus| bus.hurry());
}

/// Drains the emitters that handle signals, for at most [`SIGNAL_LIMIT`], and ends the process as the default action of
/// `signal` would. If another thread is doing so already, only waits for [`SIGNAL_LIMIT`] and returns.
pub fn end_on_signal(signal: i32) {
    if ENDING.get().swap(true, Ordering::AcqRel) {
        crate::seam::pause(SIGNAL_LIMIT);
        return;
    }
    let buses = buses();
    buses.iter().for_each(|bus| bus.hurry());
    // All at the same time, so that one that hangs does not take the others' time.
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

/// Whether a signal has arrived that ends this process.
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
