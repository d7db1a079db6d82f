//! The short way: an event from single values, through the process's default emitter.

use std::cell::Cell;
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
pub struct Event<'a> {
    event_type: &'a str,
    /// What is not its type and its data, once something is said: each call moves the builder, which is small for that.
    rest: Option<Box<EventInput<'a>>>,
    data: Members<'a>,
}

impl std::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nothing = EventInput::new(self.event_type);
        let input = self.rest.as_deref().unwrap_or(&nothing);
        f.debug_struct("Event").field("input", input).field("data", &self.data).finish()
    }
}

#[derive(Default)]
struct Members<'a> {
    /// What goes before the others: any value of the host's.
    #[cfg(feature = "serde")]
    serialized: Option<&'a dyn crate::json::Members>,
    one_by_one: Kept,
    of: std::marker::PhantomData<&'a ()>,
}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they are the host's, and a debug print ends up in logs.
        write!(f, "{} members", self.one_by_one.0.as_ref().map_or(0, |written| written.given))?;
        #[cfg(feature = "serde")]
        if self.serialized.is_some() {
            f.write_str(" and a value")?;
        }
        Ok(())
    }
}

impl Members<'_> {
    /// The object as it was written member by member, if it has nothing else.
    fn alone(&mut self) -> Result<Option<&ObjectWriter>, JsonError> {
        #[cfg(feature = "serde")]
        if self.serialized.is_some() {
            return Ok(None);
        }
        self.one_by_one.0.as_mut().map_or(Ok(None), |written| written.end())
    }

    fn write(&self, writer: &mut ObjectWriter) -> Result<(), JsonError> {
        writer.begin_object()?;
        #[cfg(feature = "serde")]
        if let Some(value) = self.serialized {
            value.write_members(writer)?;
        }
        if let Some(written) = &self.one_by_one.0 {
            written.write_into(writer)?;
        }
        writer.end_object()
    }
}

/// Members that were given one by one, each written when it came: nobody has to own its key and its text until `emit`.
#[derive(Default)]
struct Written {
    /// An object that is still open.
    writer: ObjectWriter,
    /// How many members were given.
    given: usize,
    /// Lists and objects, and of which member each is the value; the writer has `null` there. Only the emitter knows how deep
    /// they may nest.
    nested: Vec<(usize, Value)>,
    /// What the writer refused; how many members it has before that.
    refused: Option<(usize, JsonError)>,
}

impl Written {
    fn begin(&mut self) {
        self.writer.reset(1);
        self.given = 0;
        self.nested.clear();
        // One object may always be open.
        self.refused = self.writer.begin_object().err().map(|e| (0, e));
    }

    fn put(&mut self, key: &str, value: Value) {
        let at = self.given;
        self.given += 1;
        // What is refused first is what `emit` says.
        if self.refused.is_none()
            && let Err(e) = self.write(key, value, at)
        {
            self.refused = Some((at, e));
        }
    }

    fn write(&mut self, key: &str, value: Value, at: usize) -> Result<(), JsonError> {
        value.write_member(key, &mut self.writer)?;
        if matches!(value, Value::Array(_) | Value::Object(_)) {
            self.nested.push((at, value));
        }
        Ok(())
    }

    /// Ends the object, unless values are left that it does not have.
    fn end(&mut self) -> Result<Option<&ObjectWriter>, JsonError> {
        if !self.nested.is_empty() {
            return Ok(None);
        }
        if let Some((_, e)) = self.refused.take() {
            return Err(e);
        }
        self.writer.end_object()?;
        Ok(Some(&self.writer))
    }

    /// Writes the members into an object that is open, with all values.
    fn write_into(&self, writer: &mut ObjectWriter) -> Result<(), JsonError> {
        let mut nested = self.nested.iter().peekable();
        let whole = self.refused.as_ref().map_or(self.given, |(whole, _)| *whole);
        for (at, (key, value, escaped)) in self.writer.written().take(whole).enumerate() {
            writer.key(key)?;
            match nested.next_if(|(of, _)| *of == at) {
                Some((_, value)) => value.write_into(writer)?,
                None => writer.ready(value, escaped)?,
            }
        }
        self.refused.as_ref().map_or(Ok(()), |(_, e)| Err(e.clone()))
    }
}

/// How many bytes of an event's members a thread keeps room for: a large event must not hold memory for ever.
const ROOM: usize = 64 << 10;

thread_local! {
    /// What the last event of this thread was built in: its buffers have grown to what events here need.
    static SPARE: Cell<Option<Box<Written>>> = const { Cell::new(None) };
}

/// What is written, once something is; its room goes back to the thread.
#[derive(Default)]
struct Kept(Option<Box<Written>>);

impl Kept {
    #[inline]
    fn get(&mut self) -> &mut Written {
        self.0.get_or_insert_with(|| {
            // While a thread ends nothing is kept any more.
            let mut written = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
            written.begin();
            written
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(mut written) = self.0.take() {
            written.nested.clear();
            written.refused = None;
            if written.writer.room() <= ROOM {
                _ = SPARE.try_with(|spare| spare.set(Some(written)));
            }
        }
    }
}

impl<'a> Event<'a> {
    /// A built-in type, or any reverse-DNS type of the host's own.
    #[must_use]
    pub fn new(event_type: &'a str) -> Self {
        Self { event_type, rest: None, data: Members::default() }
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
    #[inline]
    pub fn with(mut self, key: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.data.one_by_one.get().put(key.as_ref(), value.into());
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
        self.rest().subject = Some(subject);
        self
    }

    /// The agent run.
    #[must_use]
    pub fn run(mut self, run: &'a str) -> Self {
        self.rest().run = Some(run);
        self
    }

    /// The turn in the run.
    #[must_use]
    pub fn turn(mut self, turn: &'a str) -> Self {
        self.rest().turn = Some(turn);
        self
    }

    /// The attempt in the turn.
    #[must_use]
    pub fn attempt(mut self, attempt: &'a str) -> Self {
        self.rest().attempt = Some(attempt);
        self
    }

    /// The id of the event that caused this one.
    #[must_use]
    pub fn causation(mut self, id: &'a str) -> Self {
        self.rest().causation = Some(id);
        self
    }

    /// The id of the whole conversation.
    #[must_use]
    pub fn correlation(mut self, id: &'a str) -> Self {
        self.rest().correlation = Some(id);
        self
    }

    /// The trace context. Without it, and with the feature `opentelemetry`, that of the span that is active on this thread;
    /// else none.
    #[must_use]
    pub fn trace(mut self, trace: Trace<'a>) -> Self {
        self.rest().trace = Some(trace);
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
        self.rest().content.push(part);
        self
    }

    /// `trace` … `fatal`; default by type.
    #[must_use]
    pub fn severity(mut self, severity: &'a str) -> Self {
        self.rest().severity = Some(severity);
        self
    }

    /// Emits it. [`EventInput`] has everything else that an event can say.
    ///
    /// # Errors
    /// As [`Emitter::emit`].
    pub fn emit_to(self, emitter: &Emitter) -> Result<Receipt> {
        let here = self.here();
        let (mut data, input) = self.parts();
        if let Some(writer) = data.alone().map_err(|e| invalid_data(&e))? {
            return emitter.emit(whole(input, writer, here.as_ref()));
        }
        with_writer(emitter.depth_limit(), |writer| {
            data.write(writer).map_err(|e| invalid_data(&e))?;
            emitter.emit(whole(input, writer, here.as_ref()))
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
        if self.rest.as_ref().is_none_or(|rest| rest.trace.is_none()) { active() } else { None }
    }

    fn rest(&mut self) -> &mut EventInput<'a> {
        let event_type = self.event_type;
        self.rest.get_or_insert_with(|| Box::new(EventInput::new(event_type)))
    }

    /// Its data, and all else.
    fn parts(self) -> (Members<'a>, EventInput<'a>) {
        let Self { event_type, rest, data } = self;
        (data, rest.map_or_else(|| EventInput::new(event_type), |rest| *rest))
    }

    /// Its data, written, and all else.
    fn written(self, emitter: &Emitter) -> Result<(ObjectWriter, EventInput<'a>)> {
        let (data, input) = self.parts();
        let mut writer = ObjectWriter::with_depth(emitter.depth_limit());
        data.write(&mut writer).map_err(|e| invalid_data(&e))?;
        Ok((writer, input))
    }
}

/// An event with its data, and with the trace context of the calling code where it names none.
fn whole<'e>(mut input: EventInput<'e>, data: &'e ObjectWriter, here: Option<&'e Active>) -> EventInput<'e> {
    input.data = Data::Object(data);
    input.trace = input.trace.or_else(|| here.map(Active::trace));
    input
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
