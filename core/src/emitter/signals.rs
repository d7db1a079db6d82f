//! SIGTERM and SIGINT: shut down within 5 s, then go on as the host would have.
//!
//! Guarantees: installed only when the configuration asks for it, once per process. A handler that the
//! host had stays and is called, too; where there was none, the default action follows the shutdown.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::bus::Bus;
use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

static EMITTERS: Mutex<Vec<Weak<Bus>>> = Mutex::new(Vec::new());

static BY_HOST: AtomicBool = AtomicBool::new(false);

/// Leaves `handle_signals` to the host's language, in all emitters opened from now on: for a runtime that
/// must own the handlers itself (Go). It asks [`handle_signals`](crate::config::Config::handle_signals) and
/// shuts down within [`SIGNAL_LIMIT`].
pub fn leave_signals_to_host() {
    BY_HOST.store(true, Ordering::Relaxed);
}

/// How long a shutdown on a signal may take.
pub const SIGNAL_LIMIT: Duration = Duration::from_secs(5);

/// Has this emitter shut down on a signal.
pub(super) fn handle(bus: Weak<Bus>) -> Result<()> {
    if BY_HOST.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut emitters = lock(&EMITTERS);
    let first = emitters.is_empty();
    emitters.retain(|bus| bus.strong_count() > 0);
    emitters.push(bus);
    if !first {
        return Ok(());
    }
    let caught = caught_signals();
    let failed = |e: std::io::Error| {
        Error::unsupported(format!("signals cannot be handled here: {e}")).at("handle_signals")
    };
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
    std::thread::Builder::new()
        .name("sinkwell-signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                let buses: Vec<_> = lock(&EMITTERS).iter().filter_map(Weak::upgrade).collect();
                for bus in buses {
                    bus.shut_down(SIGNAL_LIMIT);
                }
                let host_had_one = caught & (1 << (signal - 1)) != 0;
                if !host_had_one {
                    // Only fails for signals that have no default action.
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
            }
        })
        .map_err(failed)?;
    Ok(())
}

/// The signals for which this process has a handler, as the kernel knows them: a bit each.
fn caught_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
