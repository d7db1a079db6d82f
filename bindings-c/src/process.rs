//! What concerns the whole process: the version, the logger, forks and signals.

use std::sync::Once;

use sinkwell::diagnostics::{self, Level};
use sinkwell::seam::SystemEnv;

use crate::bytes::SinkwellBytes;
use crate::error::{SinkwellError, guard};

/// Something is lost or wrong.
pub const SINKWELL_LOG_ERROR: i32 = 1;
/// Something should be looked at.
pub const SINKWELL_LOG_WARN: i32 = 2;
/// For the curious.
pub const SINKWELL_LOG_INFO: i32 = 3;

/// Takes a diagnostic: `level` is one of `SINKWELL_LOG_*`, `message` is borrowed for the call. It comes from
/// any thread and must not block; an emit from inside it never waits.
pub type SinkwellLogger = Option<unsafe extern "C" fn(user: u64, level: i32, message: SinkwellBytes)>;

/// The version of the library, as `0.1.0`.
///
/// # Ownership
/// The text lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_version() -> SinkwellBytes {
    SinkwellBytes::of(env!("CARGO_PKG_VERSION").as_bytes())
}

/// Sends diagnostics to the host's logger, for as long as the process lives. The first call wins.
///
/// # Ownership
/// `user` stays the host's and must live as long as the process.
///
/// # Safety
/// `logger` may be called from any thread, at any time; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_set_logger(
    user: u64,
    logger: SinkwellLogger,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let logger = logger.ok_or_else(|| sinkwell::Error::invalid_argument("is NULL").at("logger"))?;
            diagnostics::set_logger(move |level, message| {
                let level = match level {
                    Level::Error => SINKWELL_LOG_ERROR,
                    Level::Warn => SINKWELL_LOG_WARN,
                    Level::Info => SINKWELL_LOG_INFO,
                };
                logger(user, level, SinkwellBytes::of(message.as_bytes()));
            });
            Ok(())
        })
    }
}

/// Leaves `handle_signals` to the host's language, in all emitters opened from now on: for a runtime that must
/// own the handlers itself. It asks `sinkwell_handles_signals` of each emitter, calls `sinkwell_push_on_signal` when a
/// signal comes, and where nobody else handles it `sinkwell_end_on_signal`, which takes no more than the milliseconds
/// returned here.
///
/// # Ownership
/// Nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_signals_by_host() -> u64 {
    sinkwell::leave_signals_to_host();
    u64::try_from(sinkwell::SIGNAL_LIMIT.as_millis()).unwrap_or(u64::MAX)
}

/// Has what the emitters that handle signals hold pushed out at once; they go on accepting. Waits for nothing.
///
/// # Ownership
/// Nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_push_on_signal() {
    // Nobody can be told of a panic here; events that are queued stay queued.
    let _ = std::panic::catch_unwind(sinkwell::push_on_signal);
}

/// Drains the emitters that handle signals, within the limit of `sinkwell_signals_by_host`, and ends the process as the
/// default action of `signal` would; as the first process of a container, which has none, with 128 + `signal`. For a
/// thread of the host's own, never for a handler; the signal must not be blocked there. Returns only where another thread
/// ends the process already.
///
/// # Ownership
/// Nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_end_on_signal(signal: i32) {
    let _ = std::panic::catch_unwind(|| sinkwell::end_on_signal(signal));
}

/// The environment, as the configuration sees it.
pub(crate) fn system(program: Option<&str>) -> SystemEnv {
    program.map_or_else(SystemEnv::default, SystemEnv::with_program)
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
