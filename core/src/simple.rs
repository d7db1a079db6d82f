//! The short way: an event from single values, through the process's default emitter.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::active::{Active, active};
use crate::content::Part;
use crate::deed::{Act, DeedError, Terms};
use crate::emitter::{Emitter, LaneReport, Options};
use crate::error::Result;
use crate::event::{Data, EventInput, Trace, invalid_data, with_writer};
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

    /// Adds a member to its data: a text, a number, a boolean, a [`Value`], and lists and options of these; nothing is `null`. A
    /// key that is given twice makes `emit` refuse the event, and so do NaN and an integer outside ±(2^53−1), which not every
    /// reader takes for the same number.
    ///
    /// ```
    /// # fn main() -> sinkwell::Result<()> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use sinkwell::Event;
    ///
    /// let (tool, hits, next) = (String::from("search"), vec!["a", "b"], None::<u64>);
    /// Event::new("tool.invocation")
    ///     .with("tool", &tool)
    ///     .with("count", hits.len())
    ///     .with("hits", hits)
    ///     .with("next", next)
    ///     .emit_to(&emitter)?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// The turn in the run.
    #[must_use]
    pub fn turn(mut self, turn: &'a str) -> Self {
        self.input.turn = Some(turn);
        self
    }

    /// The attempt in the turn.
    #[must_use]
    pub fn attempt(mut self, attempt: &'a str) -> Self {
        self.input.attempt = Some(attempt);
        self
    }

    /// The id of the event that caused this one.
    #[must_use]
    pub fn causation(mut self, id: &'a str) -> Self {
        self.input.causation = Some(id);
        self
    }

    /// The id of the whole conversation.
    #[must_use]
    pub fn correlation(mut self, id: &'a str) -> Self {
        self.input.correlation = Some(id);
        self
    }

    /// The trace context. Without it, and with the feature `opentelemetry`, that of the span that is active on this thread;
    /// else none.
    #[must_use]
    pub fn trace(mut self, trace: Trace<'a>) -> Self {
        self.input.trace = Some(trace);
        self
    }

    /// Adds a content part: people's words, a prompt, a result. It leaves the process only as far as the part, the content
    /// policy and the sink let it; by default that is not at all.
    ///
    /// ```
    /// # fn main() -> sinkwell::Result<()> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use sinkwell::{Event, content::Part};
    ///
    /// let query = Part::text("tool_arguments", "where is my parcel?");
    /// Event::new("tool.invocation").with("tool", "search").content(query).emit_to(&emitter)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn content(mut self, part: Part) -> Self {
        self.input.content.push(part);
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
        let here = self.here();
        with_writer(emitter.depth_limit(), |writer| {
            self.data.write(writer).map_err(|e| invalid_data(&e))?;
            emitter.emit(whole(self.input, writer, here.as_ref()))
        })
    }

    /// Does `act` once this event, as its intent, is safe: [`Emitter::deed`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use sinkwell::Event;
    ///
    /// let sent = Event::new("tool.invocation").with("tool", "mail").deed_on(&emitter, |_| {
    ///     // The mail is sent here, and only if its intent is safe.
    ///     Ok::<_, std::io::Error>(1)
    /// })?;
    /// assert_eq!(sent, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Emitter::deed`].
    pub fn deed_on<T, E>(
        self,
        emitter: &Emitter,
        act: impl FnOnce(&mut Act<'_>) -> Result<T, E>,
    ) -> Result<T, DeedError<E>> {
        let here = self.here();
        let (writer, input) = self.written(emitter).map_err(DeedError::Refused)?;
        emitter.deed(whole(input, &writer, here.as_ref()), act)
    }

    /// As [`deed_on`](Self::deed_on), without blocking a thread: [`Emitter::deed_async`].
    ///
    /// # Errors
    /// As [`Emitter::deed_async`].
    pub fn deed_async_on<T, E>(
        self,
        emitter: &Emitter,
        deadline: impl Future<Output = ()>,
        act: impl AsyncFnOnce(&mut Act<'_>) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, DeedError<E>>> {
        let here = self.here();
        // Before anything is awaited: values of the host's need not go to another thread.
        let written = self.written(emitter);
        async move {
            let (writer, input) = written.map_err(DeedError::Refused)?;
            let event = whole(input, &writer, here.as_ref());
            emitter.deed_async(event, Terms::default(), deadline, act).await
        }
    }

    /// The trace context of the calling code, where the event names none.
    fn here(&self) -> Option<Active> {
        if self.input.trace.is_none() { active() } else { None }
    }

    /// Its data, and all else.
    fn written(self, emitter: &Emitter) -> Result<(ObjectWriter, EventInput<'a>)> {
        let mut writer = ObjectWriter::with_depth(emitter.depth_limit());
        self.data.write(&mut writer).map_err(|e| invalid_data(&e))?;
        Ok((writer, self.input))
    }
}

/// An event with its data, and with the trace context of the calling code where it names none.
fn whole<'e>(input: EventInput<'e>, data: &'e ObjectWriter, here: Option<&'e Active>) -> EventInput<'e> {
    let trace = input.trace.or_else(|| here.map(Active::trace));
    EventInput { data: Data::Object(data), trace, ..input }
}

/// Opens the process's default emitter with what the program gives, instead of from the environment: before its first event. After
/// [`shutdown`] the next use opens it again, with what was given last.
///
/// ```
/// # fn main() -> sinkwell::Result<()> {
/// use sinkwell::{Event, Options, config::{Config, Source}, emit, seam::SystemEnv};
///
/// let document = r#"{"agent": {"id": "urn:example:buyer"}, "lanes": ["memory"]}"#;
/// let config = Config::load(Source::Mapping(document.to_owned()), &SystemEnv::default())?;
/// let emitter = sinkwell::configure(Options::new(config))?;
///
/// emit(Event::new("tool.invocation").with("tool", "search"))?;
/// assert_eq!(emitter.counters()[0].1.admitted, 1);
/// sinkwell::shutdown(std::time::Duration::from_secs(5));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Emitter::open`]; `invalid_argument` if it is open already, as its events would then go to two emitters; `closed` as for
/// [`default_emitter`].
pub fn configure(options: Options) -> Result<Arc<Emitter>> {
    host::configure_default_as(|| Ok(options))
}

/// The process's default emitter, for all that [`emit`] does not do: it opens on first use, and again after [`shutdown`], with what
/// [`configure`] was given last, else from the environment.
///
/// # Errors
/// As [`Emitter::open`] and [`Config::load`](crate::config::Config::load); `closed` while it is being opened, for what runs for
/// that on the same thread (a sink's maker, a logger) and what is inside a sink: it would wait for itself.
pub fn default_emitter() -> Result<Arc<Emitter>> {
    host::default_emitter(&SystemEnv::default())
}

/// Emits through the process's default emitter, which opens on first use: with what [`configure`] was given, else from the
/// environment.
///
/// Rust has no hook for the end of a process: a program that uses `emit` must call [`shutdown`] before it ends.
///
/// # Errors
/// As [`default_emitter`] and [`Emitter::emit`].
pub fn emit(event: Event<'_>) -> Result<Receipt> {
    event.emit_to(&*default_emitter()?)
}

/// Delivers what the process's default emitter has, if it is open, as far as `timeout` allows, and says what is left.
pub fn flush(timeout: Duration) -> Vec<(String, LaneReport)> {
    host::open_default().map(|emitter| emitter.flush(timeout)).unwrap_or_default()
}

/// Ends the process's default emitter, if there is one, as far as `timeout` allows, and says what is left.
pub fn shutdown(timeout: Duration) -> Vec<(String, LaneReport)> {
    host::take_default().map(|emitter| emitter.shutdown(timeout)).unwrap_or_default()
}
