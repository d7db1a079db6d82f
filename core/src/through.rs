//! The emitter that a layer or processor of somebody else's telemetry emits through.
//!
//! Guarantees: what a thread does while it emits or opens the default emitter, what runs within a sink, and what sinkwell's own
//! threads do is left out: it would feed itself. If the default emitter cannot be opened, the host's logger hears of it once a minute.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostics::{self, Repeat};
use crate::emitter::{Emitter, Wait};
use crate::host;
use crate::reentry;
use crate::seam::{Clock as _, SystemClock, SystemEnv};

/// An emitter of the host's, or the process's default one.
pub(crate) struct Through {
    pub(crate) emitter: Option<Arc<Emitter>>,
    pub(crate) wait: Wait,
    /// When it was last said that the default emitter cannot be opened.
    said: Mutex<Repeat>,
}

impl Default for Through {
    fn default() -> Self {
        Self { emitter: None, wait: Wait::Never, said: Mutex::default() }
    }
}

impl Through {
    /// Calls `emit` with the emitter, unless what happens on this thread is left out. `what` names what is not emitted.
    pub(crate) fn with(&self, what: &str, emit: impl FnOnce(&Emitter)) {
        if reentry::is_inside() || host::opens_default() {
            return;
        }
        let Some(_emitting) = Emitting::enter() else { return };
        match &self.emitter {
            Some(emitter) => emit(emitter),
            None => match host::default_emitter(&SystemEnv::default()) {
                Ok(emitter) => emit(&emitter),
                Err(e) => {
                    self.cannot_open(&format!("{what} are not emitted, as no emitter can be opened: {e}"))
                }
            },
        }
    }

    /// The emitter, if it is open.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn open(&self) -> Option<Arc<Emitter>> {
        self.emitter.clone().or_else(host::open_default)
    }

    fn cannot_open(&self, warning: &str) {
        let now = SystemClock::default().now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.may_speak(now) {
            said.speak(now);
            drop(said);
            diagnostics::warn(warning);
        }
    }
}

thread_local! {
    /// Whether this thread is emitting; `None`: it is one of sinkwell's own.
    static EMITTING: Cell<Option<bool>> = Cell::new(if is_own_thread() { None } else { Some(false) });
}

fn is_own_thread() -> bool {
    std::thread::current().name().is_some_and(|name| name.starts_with("sinkwell"))
}

/// Whether what happens on this thread now is left out.
#[cfg(feature = "tracing")]
pub(crate) fn is_left_out() -> bool {
    reentry::is_inside() || EMITTING.try_with(Cell::get) != Ok(Some(false))
}

/// Held while this thread emits.
struct Emitting;

impl Emitting {
    fn enter() -> Option<Self> {
        if EMITTING.try_with(Cell::get) != Ok(Some(false)) {
            return None;
        }
        EMITTING.set(Some(true));
        Some(Self)
    }
}

impl Drop for Emitting {
    fn drop(&mut self) {
        let _ = EMITTING.try_with(|emitting| emitting.set(Some(false)));
    }
}
