//! The core's diagnostics, for the host's own log.

use std::sync::Mutex;

use napi_derive::napi;
use sinkwell::diagnostics::{Level, set_logger, to_stderr};

use crate::event_loop::{EventLoop, lock};

static TO: Mutex<Option<std::sync::Weak<crate::event_loop::Shared>>> = Mutex::new(None);

/// Sends diagnostics to this environment, unless another one that still runs has them.
#[napi(catch_unwind)]
pub fn log_to(event_loop: &EventLoop) {
    let mut to = lock(&TO);
    if to.as_ref().and_then(std::sync::Weak::upgrade).is_some() {
        return;
    }
    *to = Some(std::sync::Arc::downgrade(&event_loop.shared));
    drop(to);
    set_logger(|level, text| {
        let shared = lock(&TO).as_ref().and_then(std::sync::Weak::upgrade);
        let level = match level {
            Level::Error => 0,
            Level::Warn => 1,
            Level::Info => 2,
        };
        if !shared.is_some_and(|shared| shared.log(level, text)) {
            // If standard error is closed, that is no failure of the program.
            let _ = to_stderr(text);
        }
    });
}
