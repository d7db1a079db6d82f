//! Where envelopes end up: the contract between a lane and its sink.
//!
//! Guarantees: a sink takes a batch of sealed envelopes and answers for each; queueing, retrying, timing
//! out, isolating and declaring are the lane's. One call at a time, always from the lane's own delivery
//! thread (or, with a manual emitter, from the thread that drains); a sink may block there.
//!
//! How: [`Sink`] is what a lane calls. [`Kind`] is what a kind of sink is known by before there is one: its name, what
//! it may be for, its keys, how its [`Settings`] are read; the settings make the sink and examine themselves for
//! `doctor`. The kinds of this build stand in [`crate::sinks`].

mod id;
mod said;

pub use id::EventId;
pub(crate) use id::LONGEST as LONGEST_ID;
pub use said::{Outcome, Said};

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::document::keys::Key;
use crate::document::reader::Cursor;
use crate::error::Result;
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
    pub bytes: Box<[u8]>,
    /// The event's id.
    pub id: EventId,
    /// The full type, as on the wire.
    pub event_type: Arc<str>,
    /// Whether sinkwell made it about itself (`origin: core`).
    pub own: bool,
    /// Whether losing it would falsify a run's outcome.
    pub terminal: bool,
    /// Whether it carries a signature of its own; without one, a later one of its stream covers it.
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
}

impl Envelope {
    /// Wraps a sealed envelope.
    #[must_use]
    pub fn new(inner: EnvelopeInner) -> Self {
        Self(Arc::new(inner))
    }

    /// All but the line, which stays empty.
    pub(crate) fn parts(&self) -> EnvelopeInner {
        let e = &**self;
        EnvelopeInner {
            bytes: Box::default(),
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
        // Never the bytes: they may hold what policy lets only this lane's sink see.
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
    /// The other end cannot be reached: a receiver, a proxy, whoever reads a pipe.
    Network,
    /// A delivery took longer than the lane's `timeout`.
    Timeout,
    /// The receiver refused for good.
    Rejected,
    /// An envelope could not be put in the receiver's form.
    Serialization,
    /// The receiver does not know the schema.
    Schema,
    /// The receiver does not accept our credentials; nothing is lost, all waits.
    Auth,
    /// The sink's own code failed (a panic, an exception).
    Panic,
    /// What the sink writes to cannot be written: a file, a disk, the audit database.
    Storage,
    /// The key's holder did not sign; all waits, as nothing is sent unsigned.
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

/// A failure as a sink reports it. `summary` goes into sealed records, so it holds only what is ours to
/// say (an error kind, a status code); `detail`, bounded, only into the health that the host sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// For records: never the text of a receiver or of a host's exception.
    pub summary: String,
    /// For the host's eyes.
    pub detail: Option<String>,
    /// What was acknowledged before may be gone: the lane has failed, also if the next try succeeds, and the record
    /// of its recovery says of what.
    pub lost: bool,
}

impl Failure {
    /// A failure whose summary is all there is to say.
    pub fn new(kind: FailureKind, summary: impl Into<String>) -> Self {
        Self { kind, summary: summary.into(), detail: None, lost: false }
    }

    /// The same failure, of which it is known that what was acknowledged before may be gone.
    #[must_use]
    pub fn lost(mut self) -> Self {
        self.lost = true;
        self
    }

    /// The same failure with text for the host, cut to 512 bytes.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(512));
        self.detail = Some(detail);
        self
    }
}

impl Failure {
    /// An error of the operating system: of whoever reads a pipe, or of what holds the file.
    pub(crate) fn of_io(e: &io::Error) -> Self {
        let kind = match e.kind() {
            io::ErrorKind::BrokenPipe => FailureKind::Network,
            _ => FailureKind::Storage,
        };
        Self::new(kind, format!("cannot write: {}", e.kind())).detail(e.to_string())
    }
}

/// A sink's answer for one envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Acknowledged,
    /// It will never be taken: dead-lettered and declared.
    Refused(Failure),
    /// Nobody will ever know: the receiver would not say. Declared lost with `maybe`, and not tried again.
    Uncertain(Failure),
    /// Not now: tried again, not before `after` if the receiver asked for that.
    Retry(Failure, Option<Duration>),
}

/// A sink's answer for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// All are there.
    Acknowledged,
    /// None is there now; the whole batch is tried again.
    Retry(Failure, Option<Duration>),
    /// The sink can never be called again in this process, as the runtime it is written in has ended: like
    /// `Retry`, but neither a flush nor a shutdown waits for it any more.
    Gone(Failure),
    /// The receiver refused the batch as one, for good: the lane splits it until the offender is alone.
    RefusedBatch(Failure),
    /// The receiver took the batch but for this many, and would not say which (`partial_success`).
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
    /// For a batch of which the first `done` arrived.
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

/// How a sink says it is.
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

    /// The lane it is for, told once before anything else.
    fn attach(&mut self, lane: &Attached<'_>) {
        let _ = lane;
    }

    /// Takes a batch, oldest first, and answers for it. May block; the lane times it. The order of
    /// batches is the order of the stream.
    fn deliver(&mut self, batch: &[Envelope]) -> Answers;

    /// Whether a repeat of the same envelope does no harm, so that several batches may be in flight.
    fn idempotent(&self) -> bool {
        false
    }

    /// How it is. A lane asks after each batch that a host's sink did not take, for the words that
    /// [`Health::detail`](crate::lane::Health::detail) shows beside the failure's own; its state follows from
    /// deliveries alone. A call that hangs is contained like a delivery that does.
    fn health(&mut self) -> SinkHealth {
        SinkHealth { healthy: true, detail: None }
    }

    /// Puts what the sink itself holds back where it belongs (buffers, syncs). Called at a flush and
    /// before the sink is dropped.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
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

/// A kind of sink: what is known of it before there is one.
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
    /// Settings of a sink that is named by its word alone.
    pub(crate) alone: Alone,
    /// Reads what stands under its word.
    pub(crate) read: fn(&Cursor<'_>) -> Result<SinkConfig>,
}

/// What a sink is that is named by its word alone.
pub(crate) enum Alone {
    /// One with these settings.
    Default(fn() -> SinkConfig),
    /// Nothing: what it needs, and how to write it.
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

    /// Makes the sink. The first call to it, before it is used, says which lane it is for.
    ///
    /// # Errors
    /// `invalid_config` or `sink`: it cannot be made as configured.
    fn make(&self, making: &Making<'_>) -> Result<Made>;

    /// What `sinkwell doctor` can tell without delivering anything.
    fn examine(&self, making: &Making<'_>) -> Examined;

    /// The name of the host's sink, where it is one.
    fn host(&self) -> Option<&str> {
        None
    }
}

/// What a sink is made with beside its own settings.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// The lane's `timeout`.
    pub timeout: Duration,
    /// The prefix of built-in types.
    pub type_prefix: &'a str,
}

/// A sink, and what it needs to have said.
pub struct Made {
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// What its lane asks beside delivering.
    pub upkeep: Option<Box<dyn Upkeep>>,
}

impl Made {
    /// A sink that needs nothing more.
    pub fn new(sink: impl Sink + 'static) -> Self {
        Self { sink: Box::new(sink), upkeep: None }
    }
}

/// What a sink says of itself in its lane's stream, beside taking deliveries; asked on the lane's own thread.
pub trait Upkeep: Send {
    /// When it wants to be asked next.
    fn due(&self) -> Option<Instant>;

    /// What it announces now. What follows from it is done once the announcement is acknowledged.
    fn plan(&mut self, now: Instant, unix: UnixNanos) -> Option<Announcement>;

    /// An announcement of that hash has been acknowledged.
    fn announced(&mut self, hash: &EnvelopeHash);

    /// What other lanes are told once `every` more envelopes are there.
    fn head(&self, every: u64, key: Option<&SigningKey>) -> Option<Announcement>;
}

/// What a sink's [`Upkeep`] announces.
#[derive(Clone, Debug)]
pub enum Announcement {
    /// These envelopes are about to become stubs.
    Retention {
        /// The policy's name.
        policy: String,
        /// Which envelopes.
        ranges: Vec<ErasedRange>,
    },
    /// The root of its log.
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

/// How it stands with something that `sinkwell doctor` examines.
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

/// What a sink's settings come to before anything is delivered.
#[derive(Clone, Debug)]
pub enum Examined {
    /// That is all there is to say.
    Found(Grade, String),
    /// Nothing speaks against it: a sealed stream is delivered, as the agent would.
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
