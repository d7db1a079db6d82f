//! What the bridge needs of an emitter, so that it stands below it.

use std::sync::Arc;

use super::Runs;
use crate::error::{Error, Result};
use crate::json::{ObjectWriter, Value};

/// Where the bridge's events go: an [`Emitter`](crate::Emitter).
pub trait Door {
    /// What says whether a call may wait.
    type Waiter<'a>: ?Sized;

    /// Emits an event, an object as [`read_event`](crate::event::read_event) takes one.
    ///
    /// # Errors
    /// As [`Emitter::emit`](crate::Emitter::emit); no room is `backpressure`, as what is told of does not come again.
    fn emit_value(&self, event: &Value, writer: &mut ObjectWriter, waiter: &Self::Waiter<'_>) -> Result<()>;

    /// Asks this process's open spans; `None` where there is no emitter in it.
    fn with_runs<T>(&self, ask: impl FnOnce(&Runs) -> T) -> Option<T>;

    /// The largest envelope, in bytes.
    fn envelope_limit(&self) -> usize;

    /// Counts a record that could not be emitted in any form.
    fn note_refused(&self);

    /// Something that was told of is no event: whoever told of it asks for no answer, so the host's logger is told.
    fn not_emitted(&self, what: Told, error: &Error);
}

/// What a bridge is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A record of a log.
    Log,
    /// A span that started or ended: each of its events counts.
    Span,
}

impl<D: Door> Door for Arc<D> {
    type Waiter<'a> = D::Waiter<'a>;

    fn emit_value(&self, event: &Value, writer: &mut ObjectWriter, waiter: &Self::Waiter<'_>) -> Result<()> {
        (**self).emit_value(event, writer, waiter)
    }

    fn with_runs<T>(&self, ask: impl FnOnce(&Runs) -> T) -> Option<T> {
        (**self).with_runs(ask)
    }

    fn envelope_limit(&self) -> usize {
        (**self).envelope_limit()
    }

    fn note_refused(&self) {
        (**self).note_refused();
    }

    fn not_emitted(&self, what: Told, error: &Error) {
        (**self).not_emitted(what, error);
    }
}
