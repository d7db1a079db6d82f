//! Where envelopes end up: the contract between a lane and its sink.
//!
//! Guarantees: a sink takes a batch of sealed envelopes and answers for each; queueing, retrying, timing
//! out, isolating and declaring are the lane's. One call at a time, always from the lane's own delivery
//! thread (or, with a manual emitter, from the thread that drains); a sink may block there.

pub(crate) mod builtin;
mod console;
mod file;
pub mod memory;
mod stream;

pub(crate) use stream::to_stderr;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::LaneConfig;
use crate::seam::{UnixNanos, Uuid};

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
    pub id: Uuid,
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
            id: e.id,
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

/// Why a delivery failed (lanes.md): a closed list.
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
        if detail.len() > 512 {
            let mut end = 512;
            while !detail.is_char_boundary(end) {
                end -= 1;
            }
            detail.truncate(end);
        }
        self.detail = Some(detail);
        self
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

    /// The lane it is for, told once before anything else: its `timeout`, say.
    fn attach(&mut self, lane: &LaneConfig) {
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
