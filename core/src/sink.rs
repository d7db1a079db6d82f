//! Where envelopes end up: the contract between a lane and its sink.
//!
//! Guarantees: a sink takes a batch of sealed envelopes and answers for each; its lane queues, retries, times out,
//! isolates and declares. A sink gets one call at a time (for several batches in flight the lane has as many sinks),
//! always from a delivery thread of the lane (or, with a manual emitter, from the thread that drains), and may block
//! there.
//!
//! How: [`Sink`] is what a lane calls. A [`Kind`] describes a kind of sink before there is one: its name, its possible
//! classes, its keys, and how its [`Settings`] are read. The settings make the sink and examine themselves for
//! `doctor`. [`crate::sinks`] lists the kinds of this build.

mod id;
mod reading;
mod said;
mod traffic;

pub use id::EventId;
pub(crate) use id::LONGEST as LONGEST_ID;
pub(crate) use reading::{OVERFLOW, Point, Reading, ReadingKind, Reporter};
pub use said::{Outcome, Said};
#[cfg(feature = "otlp")]
pub(crate) use traffic::Stateful;
pub(crate) use traffic::{FIELDS, Moved, Traffic};

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::document::keys::Key;
use crate::document::reader::Cursor;
use crate::error::Result;
use crate::home::Home;
use crate::json::Value;
use crate::key::SigningKey;
use crate::seam::{Instant, UnixNanos, Uuid};

/// SHA-256 of an envelope's place and event digest (docs/spec/envelope.md).
pub type EnvelopeHash = [u8; 32];

/// A sealed envelope on its way to a sink.
#[derive(Clone)]
pub struct Envelope(Arc<EnvelopeInner>);

/// What an [`Envelope`] is made of.
pub struct EnvelopeInner {
    /// The line: the RFC 8785 form of the whole envelope, without a newline.
    pub bytes: Vec<u8>,
    /// The event's id.
    pub id: EventId,
    /// The full type, as on the wire.
    pub event_type: Arc<str>,
    /// Whether sinkwell made it about itself (`origin: core`).
    pub own: bool,
    /// Whether losing it would make a run's outcome look other than it was.
    pub terminal: bool,
    /// Whether it carries a signature of its own; if not, a later signature in its stream covers it.
    pub signed: bool,
    /// The stream it belongs to.
    pub streamid: Uuid,
    /// Its place in the stream.
    pub sequence: u64,
    /// Its hash: idempotency key, audit leaf, `prevhash` of the next.
    pub hash: EnvelopeHash,
    /// SHA-256 of the event without its place: the same in every lane that seals it in the same form.
    pub digest: [u8; 32],
    /// The hash of the one before it; `None` for the first.
    pub prevhash: Option<EnvelopeHash>,
    /// The emitting agent.
    pub agentid: Arc<str>,
    /// When it occurred.
    pub time: UnixNanos,
    /// When it was sealed.
    pub recordedtime: UnixNanos,
    /// `TRACE` 1 … `FATAL` 21.
    pub severity: u8,
    /// Set if it is what a finished span came to, and policies send that on as a span, too.
    pub span: Option<SpanForm>,
}

/// What policies decided of a span beside its envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanForm {
    /// What becomes of the threshold in its `tracestate`.
    pub threshold: SpanThreshold,
}

/// What becomes of the sampling threshold in a span's `tracestate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanThreshold {
    /// It stays as it came: nobody sampled.
    #[default]
    Brought,
    /// This, of 56 bits.
    Set(u64),
    /// None: how many spans this one stands for is not known.
    Unknown,
}

impl Envelope {
    /// Wraps a sealed envelope.
    #[must_use]
    pub fn new(inner: EnvelopeInner) -> Self {
        Self(Arc::new(inner))
    }

    /// Whether nobody else holds it.
    pub(crate) fn is_sole(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some()
    }

    /// Takes the line out, and leaves an empty one, if nobody else holds the envelope.
    pub(crate) fn take_line(&mut self) -> Vec<u8> {
        Arc::get_mut(&mut self.0).map(|inner| std::mem::take(&mut inner.bytes)).unwrap_or_default()
    }

    /// Wraps another sealed envelope, in this one's memory if nobody else holds it.
    pub(crate) fn renew(mut self, inner: EnvelopeInner) -> Self {
        match Arc::get_mut(&mut self.0) {
            Some(place) => {
                *place = inner;
                self
            }
            None => Self::new(inner),
        }
    }

    /// Everything but the line, which is left empty.
    pub(crate) fn parts(&self) -> EnvelopeInner {
        let e = &**self;
        EnvelopeInner {
            bytes: Vec::new(),
            id: e.id.clone(),
            event_type: Arc::clone(&e.event_type),
            own: e.own,
            terminal: e.terminal,
            signed: e.signed,
            streamid: e.streamid,
            sequence: e.sequence,
            hash: e.hash,
            digest: e.digest,
            prevhash: e.prevhash,
            agentid: Arc::clone(&e.agentid),
            time: e.time,
            recordedtime: e.recordedtime,
            severity: e.severity,
            span: e.span,
        }
    }
}

impl std::ops::Deref for Envelope {
    type Target = EnvelopeInner;
    fn deref(&self) -> &EnvelopeInner {
        &self.0
    }
}

impl fmt::Debug for EnvelopeInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: they may hold content that only this lane's sink may see.
        write!(f, "Envelope({} {} {}/{})", self.event_type, self.id, self.streamid, self.sequence)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// What a sink is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SinkClass {
    /// Security monitoring: nothing may be dropped.
    Siem,
    /// The audit log: nothing may be dropped.
    Audit,
    /// Dashboards, traces, logs.
    Observability,
    /// For developers.
    Debug,
}

impl SinkClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Siem, Self::Audit, Self::Observability, Self::Debug];

    /// The public name, `siem` for example.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Siem => "siem",
            Self::Audit => "audit",
            Self::Observability => "observability",
            Self::Debug => "debug",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// Why a delivery failed (docs/LANES.md, "Health"): a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The queue overflowed under `fail_sink`.
    Overflow,
    /// The receiver, a proxy, or the reader of a pipe cannot be reached.
    Network,
    /// A delivery took longer than the lane's `timeout`.
    Timeout,
    /// The receiver refused for good.
    Rejected,
    /// An envelope could not be put in the receiver's form.
    Serialization,
    /// The receiver does not know the schema.
    Schema,
    /// The receiver does not accept our credentials; nothing is lost, as everything waits.
    Auth,
    /// The sink's own code failed (a panic, an exception).
    Panic,
    /// The file, disk or audit database that the sink writes to cannot be written.
    Storage,
    /// The key's signer did not sign; everything waits, as nothing is sent unsigned.
    Signer,
    /// The lane's journal cannot be written.
    Journal,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Overflow,
        Self::Network,
        Self::Timeout,
        Self::Rejected,
        Self::Serialization,
        Self::Schema,
        Self::Auth,
        Self::Panic,
        Self::Storage,
        Self::Signer,
        Self::Journal,
    ];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Serialization => "serialization",
            Self::Schema => "schema",
            Self::Auth => "auth",
            Self::Panic => "panic",
            Self::Storage => "storage",
            Self::Signer => "signer",
            Self::Journal => "journal",
        }
    }
}

/// A failure as a sink reports it. `summary` is sealed into records, so it must hold no words of others, only an error
/// kind or a status code, for instance. `detail`, which is cut to 512 bytes, is shown only in the health that the host
/// sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// For sealed records: never the text of a receiver or of a host's exception.
    pub summary: String,
    /// Only for the host.
    pub detail: Option<String>,
    /// Envelopes that were acknowledged before may be lost: the lane counts as failed even if the next try succeeds,
    /// and the record of its recovery says so.
    pub lost: bool,
}

impl Failure {
    /// A failure without text for the host.
    pub fn new(kind: FailureKind, summary: impl Into<String>) -> Self {
        Self { kind, summary: on_one_line(summary.into()), detail: None, lost: false }
    }

    /// The same failure, with the mark that acknowledged envelopes may be lost.
    #[must_use]
    pub fn lost(mut self) -> Self {
        self.lost = true;
        self
    }

    /// The same failure with text for the host, on one line and cut to 512 bytes.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        let mut detail = on_one_line(detail.into());
        detail.truncate(crate::terminal::boundary(&detail, 512));
        self.detail = Some(detail);
        self
    }
}

/// What does something to a terminal, or begins another line, as an escape: the words are a receiver's, or the name of a host's
/// exception.
pub(crate) fn on_one_line(text: String) -> String {
    if text.contains(crate::terminal::is_hazard) { crate::terminal::Safe(&text).to_string() } else { text }
}

impl Failure {
    /// The failure for an error of the operating system: `network` if the reader of a pipe is gone, else `storage`.
    pub(crate) fn of_io(e: &io::Error) -> Self {
        let kind = match e.kind() {
            io::ErrorKind::BrokenPipe => FailureKind::Network,
            _ => FailureKind::Storage,
        };
        // In the system's own words, which name no path; of many errors the standard library's kind says nothing.
        let why = match e.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code).to_string(),
            None => e.kind().to_string(),
        };
        Self::new(kind, format!("cannot write: {why}")).detail(e.to_string())
    }
}

/// A sink's answer for one envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it.
    Acknowledged,
    /// The receiver will never take it: it is dead-lettered and declared lost.
    Refused(Failure),
    /// Nobody will ever know whether the receiver has it: it is declared lost with `maybe`, and not tried again.
    Uncertain(Failure),
    /// Not now: it is tried again, after the delay that the receiver asked for, if it asked.
    Retry(Failure, Option<Duration>),
}

/// A sink's answer for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The receiver has all of them.
    Acknowledged,
    /// The receiver has none of them yet: the whole batch is tried again.
    Retry(Failure, Option<Duration>),
    /// The sink can never be called again in this process, as the runtime of its language has ended. Like `Retry`, but
    /// neither a flush nor a shutdown waits for the sink any more.
    Gone(Failure),
    /// The receiver refused the batch as a whole, for good: the lane splits it until the refused envelope is alone.
    RefusedBatch(Failure),
    /// The receiver took the batch except for this many, and did not say which (`partial_success`).
    Partial {
        /// How many it refused.
        refused: u64,
        /// Why, for the records.
        failure: Failure,
    },
    /// One answer per envelope, in order.
    Each(Vec<Answer>),
}

impl Answers {
    /// The answers when only the first `done` envelopes arrived.
    pub(crate) fn first_arrived(done: usize, of: usize, failure: &Failure) -> Self {
        if done == 0 {
            return Self::Retry(failure.clone(), None);
        }
        let answer = |i| if i < done { Answer::Acknowledged } else { Answer::Retry(failure.clone(), None) };
        Self::Each((0..of).map(answer).collect())
    }

    /// Whether all of the batch is there.
    pub(crate) fn all_there(&self) -> bool {
        match self {
            Self::Acknowledged => true,
            Self::Each(each) => each.iter().all(|answer| *answer == Answer::Acknowledged),
            _ => false,
        }
    }
}

/// A sink's own word on its health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkHealth {
    /// Whether it could take a batch now.
    pub healthy: bool,
    /// Text for the host.
    pub detail: Option<String>,
}

/// A destination for sealed envelopes.
pub trait Sink: Send {
    /// The kind of sink, as in the configuration: `file`, `otlp`, `host`.
    fn kind(&self) -> &'static str;

    /// Tells the sink which lane it is for; called once, before anything else.
    fn attach(&mut self, lane: &Attached<'_>) {
        let _ = lane;
    }

    /// Takes a batch, oldest envelope first, and answers for it. May block; the lane limits the time. Batches come in
    /// the order of the stream.
    fn deliver(&mut self, batch: &[Envelope]) -> Answers;

    /// Whether the same envelope may be delivered twice without harm, so that several batches may be in flight.
    fn idempotent(&self) -> bool {
        false
    }

    /// The sink's health. A lane asks a host's sink after each batch that it did not take, to show its `detail` in
    /// [`Health::detail`](crate::lane::Health::detail) beside the failure's; the lane's state depends on deliveries
    /// alone. A call that hangs is contained like a delivery that hangs.
    fn health(&mut self) -> SinkHealth {
        SinkHealth { healthy: true, detail: None }
    }

    /// Writes out what the sink itself holds (buffers, unsynced data). Called at a flush and before the sink is
    /// dropped.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The event loop that runs it, where a thread that waits for the sink may be the one that runs that loop.
    #[doc(hidden)]
    fn home(&self) -> Option<Arc<dyn Home>> {
        None
    }
}

/// What a sink is told of the lane it is for.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// The lane's id.
    pub id: &'a str,
    /// How long one delivery may take before the lane gives up on it.
    pub timeout: Duration,
}

/// A kind of sink: what is known before a sink of it is made.
pub struct Kind {
    /// As the configuration names it.
    pub name: &'static str,
    /// What it is, in a sentence for the documentation.
    pub about: &'static str,
    /// The classes that a lane may give it; the first is the default.
    pub classes: &'static [SinkClass],
    /// How long its lane waits for a batch to fill, unless the lane says.
    pub linger: Duration,
    /// The keys of its settings.
    pub keys: &'static [Key],
    /// What a sink is that the configuration names by its word alone, without settings.
    pub(crate) alone: Alone,
    /// Reads the settings under the kind's word.
    pub(crate) read: fn(&Cursor<'_>) -> Result<SinkConfig>,
}

/// What a sink is that the configuration names by its word alone.
pub(crate) enum Alone {
    /// One with these settings.
    Default(fn() -> SinkConfig),
    /// An error: says what the sink needs, and how to write it.
    Needs(&'static str),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.name)
    }
}

/// The settings of one sink, as its kind has read them.
pub trait Settings: Any + fmt::Debug + Send + Sync {
    /// Its kind.
    fn kind(&self) -> &'static Kind;

    /// Makes the sink. The lane calls [`Sink::attach`] before it uses the sink.
    ///
    /// # Errors
    /// `invalid_config` or `sink`: it cannot be made as configured.
    fn make(&self, making: &Making<'_>) -> Result<Made>;

    /// What `sinkwell doctor` can tell before it delivers anything.
    fn examine(&self, making: &Making<'_>) -> Examined;

    /// The name of the host's sink, if the settings name one.
    fn host(&self) -> Option<&str> {
        None
    }
}

/// What making a sink needs beside the sink's own settings.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// The lane's `timeout`.
    pub timeout: Duration,
    /// The prefix of built-in types.
    pub type_prefix: &'a str,
}

/// A sink that was made, with what its lane must do for it.
pub struct Made {
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// Set if the sink has announcements to make in its lane's stream.
    pub upkeep: Option<Box<dyn Upkeep>>,
    /// Where it notes what it moves.
    pub(crate) traffic: Vec<Arc<Traffic>>,
}

impl Made {
    /// A sink without announcements.
    pub fn new(sink: impl Sink + 'static) -> Self {
        Self { sink: Box::new(sink), upkeep: None, traffic: Vec::new() }
    }
}

/// The announcements that a sink makes in its lane's stream, beside taking deliveries. Called on the lane's own thread.
pub trait Upkeep: Send {
    /// When to call [`plan`](Self::plan) next.
    fn due(&self) -> Option<Instant>;

    /// What the sink announces now. It acts on the announcement only once that is acknowledged.
    fn plan(&mut self, now: Instant, unix: UnixNanos) -> Option<Announcement>;

    /// The announcement in the envelope with this hash has been acknowledged.
    fn announced(&mut self, hash: &EnvelopeHash);

    /// The head of its log, for other lanes, if the log has grown by at least `every` envelopes since the last head.
    fn head(&self, every: u64, key: Option<&SigningKey>) -> Option<Announcement>;
}

/// What a sink's [`Upkeep`] announces.
#[derive(Clone, Debug)]
pub enum Announcement {
    /// These envelopes will be turned into stubs.
    Retention {
        /// The policy's name.
        policy: String,
        /// Which envelopes.
        ranges: Vec<ErasedRange>,
    },
    /// The root of the sink's log.
    TreeHead {
        /// How many envelopes it covers.
        size: u64,
        /// Their root.
        root: [u8; 32],
        /// The signed note.
        note: String,
    },
}

/// A range of a stream to be erased, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedRange {
    /// The stream.
    pub streamid: Uuid,
    /// Its agent, for whom the key that seals the retention must be allowed to speak.
    pub agentid: String,
    /// The first sequence.
    pub from: u64,
    /// The last sequence.
    pub to: u64,
}

impl ErasedRange {
    /// As the `ranges` of a `retention` envelope hold it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(vec![
            ("streamid".into(), self.streamid.to_string().into()),
            ("agentid".into(), self.agentid.as_str().into()),
            ("from".into(), format!("{:020}", self.from).into()),
            ("to".into(), format!("{:020}", self.to).into()),
        ])
    }
}

/// The grade of something that `sinkwell doctor` examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// It works.
    Good,
    /// It could not be tried from here, or there is nothing to try.
    Untried,
    /// It works, but not as most would want it.
    Warning,
    /// It does not work.
    Wrong,
}

/// What a sink's settings say about themselves before anything is delivered.
#[derive(Clone, Debug)]
pub enum Examined {
    /// A finding; nothing need be delivered.
    Found(Grade, String),
    /// Nothing found: `doctor` goes on to deliver a sealed stream, as the agent would.
    Deliver,
}

/// The settings of a lane's sink.
#[derive(Clone)]
pub struct SinkConfig(Arc<dyn Settings>);

impl SinkConfig {
    /// Of these settings.
    pub fn new(settings: impl Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// The kind of sink, as the configuration names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind().name
    }

    /// What is known of its kind.
    pub(crate) fn settings_kind(&self) -> &'static Kind {
        self.0.kind()
    }

    /// The settings, if they are of that type.
    #[must_use]
    pub fn get<T: Settings>(&self) -> Option<&T> {
        let settings: &dyn Any = &*self.0;
        settings.downcast_ref()
    }
}

impl std::ops::Deref for SinkConfig {
    type Target = dyn Settings;
    fn deref(&self) -> &(dyn Settings + 'static) {
        &*self.0
    }
}

impl fmt::Debug for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
