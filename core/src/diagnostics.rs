//! Warnings for the host's own logger.
//!
//! Guarantees: no secret and no content is ever logged. Until the host sets a logger, diagnostics go to stderr.
//! `SINKWELL_LOG` sets the level (`off`, `error`, `warn` (default), `info`).

use std::ffi::OsStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::seam::Instant;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is lost or wrong.
    Error,
    /// Something should be looked at.
    Warn,
    /// Mere information.
    Info,
}

type Logger = Arc<dyn Fn(Level, &str) + Send + Sync>;

static LOGGER: OnceLock<Logger> = OnceLock::new();
static MOST: OnceLock<Option<Level>> = OnceLock::new();

/// Sends diagnostics to the host's logger. The first call wins.
pub fn set_logger(logger: impl Fn(Level, &str) + Send + Sync + 'static) {
    let _ = LOGGER.set(Arc::new(logger));
}

fn most() -> Option<Level> {
    *MOST.get_or_init(|| match crate::seam::var_os("SINKWELL_LOG").as_deref().and_then(OsStr::to_str) {
        Some("off") => None,
        Some("error") => Some(Level::Error),
        Some("info" | "debug" | "trace") => Some(Level::Info),
        _ => Some(Level::Warn),
    })
}

fn log(level: Level, message: &str) {
    if most().is_none_or(|most| level > most) {
        return;
    }
    match LOGGER.get() {
        Some(logger) => {
            crate::reentry::inside(|| logger(level, message));
        }
        // Without a logger; if even that fails, nobody is left to be told.
        None => drop(to_stderr(message)),
    }
}

/// Writes a diagnostic to standard error, as happens without a logger. It is one write, so that no line of a lane or of
/// another process comes in between.
///
/// # Errors
/// As the operating system says.
pub fn to_stderr(message: &str) -> std::io::Result<()> {
    crate::seam::to_stderr(&format!("sinkwell: {message}\n"))
}

/// How often the same thing is logged again while it goes on.
pub(crate) const EVERY: Duration = Duration::from_secs(60);

/// When one thing was last logged: at first at once, then at most once in [`EVERY`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeat(Option<Instant>);

impl Repeat {
    /// Whether it may be logged now.
    pub(crate) fn may_speak(self, now: Instant) -> bool {
        self.0.is_none_or(|at| now >= at.after(EVERY))
    }

    /// When it may be logged again; `None`: it never was.
    pub(crate) fn due(self) -> Option<Instant> {
        self.0.map(|at| at.after(EVERY))
    }

    /// It is being logged; whether it was before.
    pub(crate) fn speak(&mut self, now: Instant) -> bool {
        self.0.replace(now).is_some()
    }
}

pub(crate) fn warn(message: &str) {
    log(Level::Warn, message);
}

pub(crate) fn info(message: &str) {
    log(Level::Info, message);
}
