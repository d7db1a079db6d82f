//! The short way: an event from single values, through the process's default emitter.

use std::time::Duration;

use crate::emitter::{Emitter, LaneReport};
use crate::error::Result;
use crate::event::{Data, EventInput, invalid_data, with_writer};
use crate::host;
use crate::json::{JsonError, ObjectWriter, Value};
use crate::receipt::Receipt;
use crate::seam::SystemEnv;

/// An event to emit, built member by member.
///
/// ```
/// # fn main() -> sinkwell::Result<()> {
/// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
/// # let config = sinkwell::config::Config::load(
/// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
/// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
/// use sinkwell::Event;
///
/// let receipt = Event::new("tool.invocation").with("tool", "search").with("outcome", "ok").emit_to(&emitter)?;
/// assert_eq!(receipt.lanes().count(), 1);
/// let refused = Event::new("tool.invocation").with("tool", f64::NAN).emit_to(&emitter).unwrap_err();
/// assert_eq!(refused.place(), Some("data.tool"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Event<'a> {
    input: EventInput<'a>,
    data: Members<'a>,
}

#[derive(Default)]
struct Members<'a> {
    /// What goes before the others: any value of the host's.
    #[cfg(feature = "serde")]
    serialized: Option<&'a dyn crate::json::Members>,
    one_by_one: Vec<(String, Value)>,
    of: std::marker::PhantomData<&'a ()>,
}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they are the host's, and a debug print ends up in logs.
        write!(f, "{} members", self.one_by_one.len())?;
        #[cfg(feature = "serde")]
        if self.serialized.is_some() {
            f.write_str(" and a value")?;
        }
        Ok(())
    }
}

impl Members<'_> {
    fn write(&self, writer: &mut ObjectWriter) -> Result<(), JsonError> {
        writer.begin_object()?;
        #[cfg(feature = "serde")]
        if let Some(value) = self.serialized {
            value.write_members(writer)?;
        }
        for (key, value) in &self.one_by_one {
            writer.key(key)?;
            value.write_into(writer)?;
        }
        writer.end_object()
    }
}

impl<'a> Event<'a> {
    /// A built-in type, or any reverse-DNS type of the host's own.
    #[must_use]
    pub fn new(event_type: &'a str) -> Self {
        Self { input: EventInput::new(event_type), data: Members::default() }
    }

    /// Adds a member to its data. A key that is given twice makes `emit` refuse the event.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.data.one_by_one.push((key.into(), value.into()));
        self
    }

    /// Gives it data that any `Serialize` says: a struct or a map, whose members it writes straight into the event. Members
    /// that [`with`](Self::with) adds come beside them. Of several values the last one counts.
    ///
    /// `emit` refuses what the event cannot carry, and names its path: NaN, an integer outside ±(2^53−1), bytes, a key that
    /// is no string, a key that is there twice, a value nested too deep. `None` is `null`, and enums are written as
    /// serde_json writes them.
    ///
    /// ```
    /// # fn main() -> sinkwell::Result<()> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use serde::Serialize;
    /// use sinkwell::Event;
    ///
    /// #[derive(Serialize)]
    /// struct Search<'a> {
    ///     tool: &'a str,
    ///     outcome: &'a str,
    ///     score: f64,
    /// }
    ///
    /// let found = Search { tool: "search", outcome: "ok", score: 0.75 };
    /// Event::new("tool.invocation").data(&found).emit_to(&emitter)?;
    ///
    /// let lost = Search { score: f64::NAN, ..found };
    /// let refused = Event::new("tool.invocation").data(&lost).emit_to(&emitter).unwrap_err();
    /// assert_eq!(refused.place(), Some("data.score"));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "serde")]
    #[must_use]
    pub fn data(mut self, data: &'a impl serde_core::ser::Serialize) -> Self {
        self.data.serialized = Some(data);
        self
    }

    /// What it is about.
    #[must_use]
    pub fn subject(mut self, subject: &'a str) -> Self {
        self.input.subject = Some(subject);
        self
    }

    /// The agent run.
    #[must_use]
    pub fn run(mut self, run: &'a str) -> Self {
        self.input.run = Some(run);
        self
    }

    /// `trace` … `fatal`; default by type.
    #[must_use]
    pub fn severity(mut self, severity: &'a str) -> Self {
        self.input.severity = Some(severity);
        self
    }

    /// Emits it. [`EventInput`] has everything else that an event can say.
    ///
    /// # Errors
    /// As [`Emitter::emit`].
    pub fn emit_to(self, emitter: &Emitter) -> Result<Receipt> {
        with_writer(emitter.depth_limit(), |writer| {
            self.data.write(writer).map_err(|e| invalid_data(&e))?;
            emitter.emit(EventInput { data: Data::Object(writer), ..self.input })
        })
    }
}

/// Emits through the process's default emitter, which opens from the environment on first use.
///
/// Rust has no hook for the end of a process: a program that uses `emit` must call [`shutdown`] before it ends.
///
/// # Errors
/// As [`host::default_emitter`] and [`Emitter::emit`].
pub fn emit(event: Event<'_>) -> Result<Receipt> {
    event.emit_to(&*host::default_emitter(&SystemEnv::default())?)
}

/// Ends the process's default emitter, if there is one, as far as `timeout` allows, and says what is left.
pub fn shutdown(timeout: Duration) -> Vec<(String, LaneReport)> {
    host::take_default().map(|emitter| emitter.shutdown(timeout)).unwrap_or_default()
}
