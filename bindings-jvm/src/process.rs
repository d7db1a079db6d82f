//! What concerns the whole process: the environment, signals, the logger, and that this library stays.

use std::sync::Once;

use sinkwell::diagnostics::{self, Level};
use sinkwell::seam::SystemEnv;

use crate::mail::{Mail, post};

/// The environment, as the configuration sees it.
pub(crate) fn system(program: Option<&str>) -> SystemEnv {
    program.map_or_else(SystemEnv::default, SystemEnv::with_program)
}

/// Called once per class loader, before anything else: diagnostics go to the JVM's logger; signals are the JVM's, which
/// runs its shutdown hooks; and this library stays where it is, as its threads may run when the class loader is gone.
#[uniffi::export]
fn begin() -> String {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        sinkwell::leave_signals_to_host();
        diagnostics::set_logger(|level, message| {
            let level = match level {
                Level::Error => 1,
                Level::Warn => 2,
                Level::Info => 3,
            };
            post(Mail::Log { level, message: message.to_owned() });
        });
        stay();
    });
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Has the loader never unload this library: a class loader that is collected closes it, while threads of the core may
/// still be in it.
fn stay() {
    // SAFETY: `dladdr` fills in what it is given, about an address in this library; `dlopen` gets the name that the loader
    // itself uses, which lives as long as the library.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(stay as *const () as *const libc::c_void, &raw mut info) != 0
            && !info.dli_fname.is_null()
        {
            libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}
