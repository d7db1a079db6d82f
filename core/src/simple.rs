//! The short way: an event from single values, through the process's default emitter.

use std::time::Duration;

use crate::emitter::{Emitter, LaneReport};
use crate::error::Result;
use crate::event::{Data, EventInput, invalid_data};
use crate::host;
use crate::json::{ObjectWriter, Value};
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
    data: Members,
}

struct Members(Vec<(String, Value)>);

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they are the host's, and a debug print ends up in logs.
        write!(f, "{} members", self.0.len())
    }
}

impl<'a> Event<'a> {
    /// A built-in type, or any reverse-DNS type of the host's own.
    #[must_use]
    pub fn new(event_type: &'a str) -> Self {
        Self { input: EventInput::new(event_type), data: Members(Vec::new()) }
    }

    /// Adds a member to its data. A key that is given twice makes `emit` refuse the event.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.data.0.push((key.into(), value.into()));
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
        let mut writer = ObjectWriter::new();
        writer.reset(emitter.depth_limit());
        Value::Object(self.data.0).write_into(&mut writer).map_err(|e| invalid_data(&e))?;
        emitter.emit(EventInput { data: Data::Object(&writer), ..self.input })
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
