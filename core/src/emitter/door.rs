//! What of the emitter the bridge calls.

use super::{Attempt, Emitter, Waiter};
use crate::bridge::{Door, Runs, Told};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventInput, read_value};
use crate::json::{ObjectWriter, Value};

impl Door for Emitter {
    type Waiter<'a> = dyn Waiter + 'a;

    fn emit_value(
        &self,
        event: &Value,
        of_span: bool,
        writer: &mut ObjectWriter,
        waiter: &Self::Waiter<'_>,
    ) -> Result<()> {
        read_value(event, self.depth_limit(), writer, |input| {
            self.emit_input(EventInput { of_span, ..input }, waiter)
        })
    }

    fn emit_input(&self, event: EventInput<'_>, waiter: &Self::Waiter<'_>) -> Result<()> {
        match self.emit_waiting(event, waiter)? {
            Attempt::Accepted(_) => Ok(()),
            // A span ends only once, so the caller cannot emit it again later.
            Attempt::NoRoom(_) => Err(Error::new(ErrorKind::Backpressure, "a blocking lane has no room")),
        }
    }

    fn with_runs<T>(&self, ask: impl FnOnce(&Runs) -> T) -> Option<T> {
        self.current().ok().map(|inner| ask(&inner.runs))
    }

    fn envelope_limit(&self) -> usize {
        self.options.config.limits.envelope
    }

    fn note_refused(&self) {
        self.inner.load().refuse();
    }

    fn not_emitted(&self, what: Told, error: &Error) {
        let now = self.inner.load().freezer.timeline.now();
        if let Some(said) = self.unheard.count(what, error, now) {
            crate::diagnostics::warn(&said);
        }
    }
}
