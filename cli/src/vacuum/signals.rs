//! A signal while a log is read.
//!
//! Guarantees: what was read and waits for its end (a torn line, the parts of a long one) goes through, or out as an event,
//! before the process ends; what is queued goes out, too, as the core has it. A standard output that nobody reads, or a lane
//! that lets wait, holds the end up for no longer than [`PATIENCE`].

use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sinkwell::{end_on_signal, leave_signals_to_host};

use super::{Draw as _, Sending};

/// How long what was read last may take to be dealt with.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(10);

static SENDING: OnceLock<Arc<Mutex<Sending>>> = OnceLock::new();

/// Has signals come here and nowhere else, but for those that this process was started to ignore (`nohup`); before an
/// emitter is opened that handles them.
pub(super) fn place() {
    leave_signals_to_host();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let heard =
        [SIGTERM, SIGINT].into_iter().filter(|signal| ignored.unwrap_or(0) & (1 << (signal - 1)) == 0);
    let Ok(mut signals) = Signals::new(heard) else { return };
    std::thread::spawn(move || signals.forever().for_each(end));
}

/// What a signal is to end.
pub(super) fn ends(sending: &Arc<Mutex<Sending>>) {
    let _ = SENDING.set(Arc::clone(sending));
}

fn end(signal: i32) {
    // Held until the process has ended, so that nothing more is read in.
    let mut held = SENDING.get().and_then(|sending| {
        (0..PATIENCE.as_millis() / STEP.as_millis()).find_map(|_| match sending.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(STEP);
                None
            }
        })
    });
    if let Some(held) = &mut held {
        // Where it cannot go, nobody is left to be told.
        let _ = held.finish(false);
    }
    end_on_signal(signal);
}
