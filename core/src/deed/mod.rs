//! Deeds: acts with an outside effect (a tool call, a payment, a message) that happen only once their intent is safe.
//!
//! Guarantees: the act begins only after its intent, an event with `data.phase: intent`, is as safe as asked; if that
//! fails or the deadline passes, the act does not run and the error names why. However the act ends, a second event of
//! the same type says so (`phase: result`, the intent's id as `causation`, `outcome`, `duration_ms`, `error.type`).
//! Both are terminal: no policy filters them, and no queue evicts them. Nothing is done twice, nothing is undone, and
//! nothing that a sink says changes the act's own result. What a crash leaves is an intent without a result, which
//! `verify` and `sinkwell deeds` list.
//!
//! How: [`Emitter::intend`] lets the intent enter its lanes, an [`Intent`] waits there ([`intent`]), [`Emitter::act`]
//! makes it a [`Deed`] or refuses, and [`Emitter::end_deed`] seals the result ([`result`]). Bindings call these, and
//! wait where their language waits; [`Emitter::deed`] and [`Emitter::deed_async`] put them together for Rust
//! ([`forms`]).

mod forms;
mod intent;
mod result;
mod unfinished;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use forms::{Act, DeedError};
pub use intent::{Intended, Intent};
pub use result::{Deed, End, Ended, Outcome};

use crate::error::{Error, Result};

#[allow(unused_imports, reason = "named in the documentation above")]
use crate::emitter::Emitter;

/// When an intent counts as safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Every durable lane that it entered has it on disk.
    Journaled,
    /// A sink of every class that governance requires has acknowledged it.
    Delivered,
    /// It is in a lane's queue, in memory.
    Enqueued,
}

impl Until {
    /// The one of that name.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "journaled" => Ok(Self::Journaled),
            "delivered" => Ok(Self::Delivered),
            "enqueued" => Ok(Self::Enqueued),
            _ => Err(Error::invalid_argument(
                "a deed waits until its intent is \"journaled\", \"delivered\" or \"enqueued\"",
            )
            .at("until")),
        }
    }

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journaled => "journaled",
            Self::Delivered => "delivered",
            Self::Enqueued => "enqueued",
        }
    }
}

/// What a deed waits for, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When the intent is safe. By default `journaled` where any lane that it enters is durable; else `delivered` where
    /// governance requires a class; else `enqueued`.
    pub until: Option<Until>,
    /// How long the act may be held up, room in full lanes included.
    pub timeout: Duration,
}

impl Terms {
    /// The longest wait unless the host says another.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

impl Default for Terms {
    fn default() -> Self {
        Self { until: None, timeout: Self::TIMEOUT }
    }
}
