//! A sink of one's own in the form that every language has: a name, classes, an `async` `emit` for one event, and `health`.
//!
//! Guarantees: one call at a time for each batch that is in flight, in the order of the stream. What a sink does (fail, hang,
//! panic) is an answer to its own lane, and to nobody else. Records get the type of its error, never its text.
//!
//! How: a lane's delivery thread runs the sink's futures, by itself or on the runtime that the host names
//! ([`AsyncSink::run_on`]). [`sink::Sink`](crate::sink::Sink) is the other form: it takes batches and answers for each event.

use std::any::type_name;
use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use crate::config::Source;
use crate::emitter::{Emitter, Options};
use crate::error::Result;
use crate::host::{self, HostSinkSpec, Opening};
use crate::seam::SystemEnv;
use crate::signed::SignedGovernanceEvent;
use crate::sink::{Answer, Answers, Envelope, Outcome, Said, Sink, SinkClass, SinkHealth};

/// A destination for sealed events.
///
/// ```
/// use std::collections::HashSet;
/// use std::time::Duration;
/// use sinkwell::config::Source;
/// use sinkwell::sink::SinkClass;
/// use sinkwell::{AsyncSink, Event, GovernanceEventSink, SignedGovernanceEvent, SinkError};
///
/// struct Defender {
///     classes: HashSet<SinkClass>,
/// }
///
/// impl GovernanceEventSink for Defender {
///     fn name(&self) -> &str {
///         "defender"
///     }
///     fn classes(&self) -> &HashSet<SinkClass> {
///         &self.classes
///     }
///     async fn emit(&self, event: &SignedGovernanceEvent) -> Result<(), SinkError> {
///         if event.bytes().len() > 64 * 1024 {
///             return Err(SinkError::rejected("too large for this receiver"));
///         }
///         std::fs::metadata("/").map_err(SinkError::retry)?;
///         Ok(())
///     }
/// }
///
/// # fn main() -> sinkwell::Result<()> {
/// let document = r#"{"agent":{"id":"urn:example:agent"},"lanes":[]}"#;
/// let defender = Defender { classes: HashSet::from([SinkClass::Siem]) };
/// let emitter = sinkwell::open(Source::Mapping(document.to_owned()), [AsyncSink::new(defender)])?;
/// Event::new("tool.invocation").with("tool", "search").with("outcome", "ok").emit_to(&emitter)?;
/// let report = emitter.shutdown(Duration::from_secs(5));
/// assert_eq!(report[0].0, "defender");
/// # Ok(())
/// # }
/// ```
pub trait GovernanceEventSink: Send + Sync + 'static {
    /// What the sink is called: its lane's id, unless a lane names another.
    fn name(&self) -> &str;

    /// What the sink is for.
    fn classes(&self) -> &HashSet<SinkClass>;

    /// Takes one event. An error says whether it is tried again.
    fn emit(
        &self,
        event: &SignedGovernanceEvent,
    ) -> impl Future<Output = std::result::Result<(), SinkError>> + Send;

    /// Says how the sink is; asked after a batch that it did not take.
    fn health(&self) -> impl Future<Output = SinkHealth> + Send {
        std::future::ready(SinkHealth { healthy: true, detail: None })
    }

    /// Whether a repeat does no harm: its lane's `in_flight` may then be more than one batch.
    fn idempotent(&self) -> bool {
        false
    }
}

/// Why a sink did not take an event.
pub struct SinkError {
    outcome: Outcome,
    /// The type of the error: all that records say of it.
    name: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

impl SinkError {
    fn new<E: Into<Box<dyn StdError + Send + Sync>>>(outcome: Outcome, error: E) -> Self {
        let name = type_name::<E>();
        // A text has no type that would say anything.
        let is_text = matches!(name, "&str" | "alloc::string::String");
        Self { outcome, name: if is_text { "" } else { name }, source: error.into() }
    }

    /// Not now: the event is tried again, with increasing delays. Takes an error of any type, or a text.
    pub fn retry<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::new(Outcome::Retry(None), error)
    }

    /// As [`retry`](Self::retry), but not before so long.
    pub fn retry_after<E: Into<Box<dyn StdError + Send + Sync>>>(after: Duration, error: E) -> Self {
        Self::new(Outcome::Retry(Some(after)), error)
    }

    /// Never: the event is declared lost, and not tried again.
    pub fn rejected<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::new(Outcome::Refused, error)
    }

    /// Nobody will ever know whether it arrived: it is declared as maybe lost, and not tried again.
    pub fn uncertain<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::new(Outcome::Uncertain, error)
    }

    fn answer(&self) -> Answer {
        self.outcome.answer(self.name, Some(self.source.to_string()))
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinkError({:?}: {:?})", self.outcome, self.source)
    }
}

impl StdError for SinkError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

impl From<std::io::Error> for SinkError {
    fn from(error: std::io::Error) -> Self {
        Self::retry(error)
    }
}

/// What a delivery thread has to run to its end.
pub type Task<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send + 'a)>;

type Run = dyn Fn(Task<'_>) + Send + Sync;

/// A sink of one's own, and how its lane is made.
pub struct AsyncSink {
    sink: Arc<dyn Erased>,
    lane: Option<String>,
    run: Arc<Run>,
}

impl fmt::Debug for AsyncSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncSink({})", self.sink.name())
    }
}

impl AsyncSink {
    /// A sink whose futures need no runtime: the lane's delivery thread polls them.
    pub fn new(sink: impl GovernanceEventSink) -> Self {
        Self { sink: Arc::new(sink), lane: None, run: Arc::new(|task| block_on(task)) }
    }

    /// Any keys of a lane, as a JSON object: `{"overflow":"block","queue":{"events":64}}`.
    #[must_use]
    pub fn lane(mut self, keys: impl Into<String>) -> Self {
        self.lane = Some(keys.into());
        self
    }

    /// How the lane's delivery thread runs the sink's futures. With tokio: `.run_on(move |task| handle.block_on(task))`,
    /// where `handle` is a `tokio::runtime::Handle`. `run` returns when the task has ended, and may block until then.
    #[must_use]
    pub fn run_on(mut self, run: impl Fn(Task<'_>) + Send + Sync + 'static) -> Self {
        self.run = Arc::new(run);
        self
    }

    fn spec(self) -> HostSinkSpec {
        let mut classes: Vec<String> =
            self.sink.classes().iter().map(|class| class.name().to_owned()).collect();
        classes.sort_unstable();
        let name = self.sink.name().to_owned();
        let Self { sink, lane, run } = self;
        let make = Arc::new(move || {
            Ok(Box::new(Courier { sink: Arc::clone(&sink), run: Arc::clone(&run) }) as Box<dyn Sink>)
        });
        HostSinkSpec { name, classes, lane, make }
    }
}

/// Opens an emitter with sinks of one's own, which count as required sinks. A sink gets the lane that names it
/// (`sink: { host: NAME }`), or one of its own. With a signer, too, or for the default emitter: [`Options::load`].
///
/// # Errors
/// As [`Config::load`](crate::config::Config::load) and [`Emitter::open`].
pub fn open(source: Source, sinks: impl IntoIterator<Item = AsyncSink>) -> Result<Emitter> {
    Emitter::open(Options::load(source, sinks)?)
}

impl Options {
    /// Reads a configuration, with sinks of one's own, as [`open`] does: for [`Emitter::open`] or
    /// [`configure`](crate::configure), with a `signer` where the configuration asks for one.
    ///
    /// ```
    /// use sinkwell::{Emitter, Options, config::Source};
    ///
    /// # fn main() -> sinkwell::Result<()> {
    /// let document = r#"{"agent":{"id":"urn:example:agent"},"lanes":["memory"]}"#;
    /// let emitter = Emitter::open(Options::load(Source::Mapping(document.to_owned()), [])?)?;
    /// # drop(emitter);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Config::load`](crate::config::Config::load).
    pub fn load(source: Source, sinks: impl IntoIterator<Item = AsyncSink>) -> Result<Self> {
        let sinks = sinks.into_iter().map(AsyncSink::spec).collect();
        host::options(
            Opening { source, sinks, signer: None, manual: false },
            &SystemEnv::default(),
            &mut |_| Ok(None),
        )
    }
}

impl Emitter {
    /// Adds a sink of one's own, which gets a lane.
    ///
    /// # Errors
    /// `invalid_config`, as for any lane; `closed`.
    pub fn add_async_sink(&self, sink: AsyncSink) -> Result<()> {
        host::add_sink(self, sink.spec(), &SystemEnv::default())
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`GovernanceEventSink`] of any type.
trait Erased: Send + Sync {
    fn name(&self) -> &str;
    fn classes(&self) -> &HashSet<SinkClass>;
    fn idempotent(&self) -> bool;
    /// Gives it the events one after the other, up to the first that is to be tried again.
    fn emit_all<'a>(&'a self, batch: &'a [Envelope]) -> Boxed<'a, Vec<Answer>>;
    fn health(&self) -> Boxed<'_, SinkHealth>;
}

impl<S: GovernanceEventSink> Erased for S {
    fn name(&self) -> &str {
        GovernanceEventSink::name(self)
    }

    fn classes(&self) -> &HashSet<SinkClass> {
        GovernanceEventSink::classes(self)
    }

    fn idempotent(&self) -> bool {
        GovernanceEventSink::idempotent(self)
    }

    fn emit_all<'a>(&'a self, batch: &'a [Envelope]) -> Boxed<'a, Vec<Answer>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(batch.len());
            for envelope in batch {
                let event = SignedGovernanceEvent::from(envelope.clone());
                let answer = match self.emit(&event).await {
                    Ok(()) => Answer::Acknowledged,
                    Err(error) => error.answer(),
                };
                // What comes after it must not overtake it.
                let stop = matches!(answer, Answer::Retry(..));
                answers.push(answer);
                if stop {
                    break;
                }
            }
            answers
        })
    }

    fn health(&self) -> Boxed<'_, SinkHealth> {
        Box::pin(GovernanceEventSink::health(self))
    }
}

/// A lane's end of it.
struct Courier {
    sink: Arc<dyn Erased>,
    run: Arc<Run>,
}

impl Courier {
    /// Runs a future; `None`: the host's runtime did not run it to its end.
    fn run<T: Send>(&self, future: Boxed<'_, T>) -> Option<T> {
        let mut result = None;
        {
            let task = pin!(async { result = Some(future.await) });
            (self.run)(task);
        }
        result
    }
}

impl Sink for Courier {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        match self.run(self.sink.emit_all(batch)) {
            Some(answers) => Said::OneByOne(answers).answers(batch.len()),
            None => Said::Nonsense("its runtime ended before the delivery".to_owned()).answers(batch.len()),
        }
    }

    fn idempotent(&self) -> bool {
        self.sink.idempotent()
    }

    fn health(&mut self) -> SinkHealth {
        let unknown = || SinkHealth { healthy: false, detail: Some("no answer".to_owned()) };
        self.run(self.sink.health()).unwrap_or_else(unknown)
    }
}

/// Wakes the thread that polls.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future on this thread until it has ended.
fn block_on(mut task: Task<'_>) {
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    while task.as_mut().poll(&mut context) == Poll::Pending {
        std::thread::park();
    }
}
