//! What the bridge needs of an emitter, as a trait: the bridge must not import the emitter, which stands above it.

use std::sync::Arc;

use super::Runs;
use crate::error::{Error, Result};
use crate::event::Ready;
use crate::json::{ObjectWriter, Value};

/// Where the bridge's events go: an [`Emitter`](crate::Emitter).
pub trait Door {
    /// The caller's answer to whether a call may wait ([`Waiter`](crate::Waiter) for an emitter).
    type Waiter<'a>: ?Sized;

    /// Emits an event, an object as [`read_event`](crate::event::read_event) takes one; `of_span`: it is what a finished
    /// span came to.
    ///
    /// # Errors
    /// As [`Emitter::emit`](crate::Emitter::emit); no room is the error `backpressure`, because a log record or a span
    /// is not offered again.
    fn emit_value(
        &self,
        event: &Value,
        of_span: bool,
        writer: &mut ObjectWriter,
        waiter: &Self::Waiter<'_>,
    ) -> Result<()>;

    /// Emits a log record; no room is the error `backpressure`, as in [`emit_value`](Self::emit_value).
    ///
    /// # Errors
    /// As [`Emitter::emit`](crate::Emitter::emit).
    fn emit_ready(&self, record: &Ready<'_>, waiter: &Self::Waiter<'_>) -> Result<()>;

    /// Calls `ask` with the open spans of this process; `None` where the process has no emitter.
    fn with_runs<T>(&self, ask: impl FnOnce(&Runs) -> T) -> Option<T>;

    /// The largest envelope, in bytes.
    fn envelope_limit(&self) -> usize;

    /// Counts a record that could not be emitted in any form.
    fn note_refused(&self);

    /// Tells the host's logger that no event came of a log record or a span: code that logs or traces looks at no
    /// result.
    fn not_emitted(&self, what: Told, error: &Error);
}

/// What a bridge was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A log record.
    Log,
    /// A span that started or ended; each of its events is counted.
    Span,
    /// A step of a framework's run; each of its events is counted.
    Step,
}

impl<D: Door> Door for Arc<D> {
    type Waiter<'a> = D::Waiter<'a>;

    fn emit_value(
        &self,
        event: &Value,
        of_span: bool,
        writer: &mut ObjectWriter,
        waiter: &Self::Waiter<'_>,
    ) -> Result<()> {
        (**self).emit_value(event, of_span, writer, waiter)
    }

    fn emit_ready(&self, record: &Ready<'_>, waiter: &Self::Waiter<'_>) -> Result<()> {
        (**self).emit_ready(record, waiter)
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
