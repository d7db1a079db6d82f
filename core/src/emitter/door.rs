//! What of the emitter the bridge calls.

use super::{Emitter, Waiter};
use crate::bridge::{Door, Runs, Told};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventInput, Ready, read_value};
use crate::json::{ObjectWriter, Value};
use crate::lane::Fresh;

fn no_room() -> Error {
    Error::new(ErrorKind::Backpressure, "a blocking lane has no room")
}

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
            match self.put_waiting(EventInput { of_span, ..input }, waiter)? {
                None => Ok(()),
                // A span ends only once, so the caller cannot emit it again later.
                Some(_) => Err(no_room()),
            }
        })
    }

    fn emit_ready(&self, record: &Ready<'_>, waiter: &Self::Waiter<'_>) -> Result<()> {
        let inner = self.current_by(waiter)?;
        inner.ready().inspect_err(|_| inner.refuse())?;
        let run = record.trace.as_ref().and_then(|trace| inner.runs.around(trace));
        let event = Fresh::make(|event| inner.freezer.freeze_record(event, record, run.as_deref()))?;
        if inner.disabled || inner.admit_unwatched(event, waiter)?.is_none() {
            Ok(())
        } else {
            Err(no_room())
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
