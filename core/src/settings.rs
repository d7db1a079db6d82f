//! What a configuration document says, once it has been read: plain data with the defaults filled in.

use std::path::PathBuf;
use std::time::Duration;

pub use crate::key::{KeyConfig, KeySource, SignMode, SignatureAlgorithm};
use crate::seam::{Access, UnixNanos};
use crate::secret::Secret;
use crate::sink::{SinkClass, SinkConfig};

/// A whole document (docs/CONFIG.md).
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent that emits.
    pub agent: AgentConfig,
    /// URI-reference of the producer; default: the agent id, percent-encoded where it must be. The loader
    /// always fills it in.
    pub source: Option<String>,
    /// Prefix of built-in types; default `dev.sinkwell.`.
    pub type_prefix: String,
    /// Ids of events follow each other within a process rather than being random; both are UUIDs of version 7.
    pub derived_ids: bool,
    /// The sealing key; without one envelopes are unsigned.
    pub key: Option<KeyConfig>,
    /// Where durable lanes keep what is not yet acknowledged.
    pub journal: Option<JournalConfig>,
    /// How often each lane emits a heartbeat with its counters; `None` is `off`. Default 30 s.
    pub heartbeat: Option<Duration>,
    /// Ceilings for every lane.
    pub queue: QueueConfig,
    /// Overflow policy for lanes that set none.
    pub overflow: Option<Overflow>,
    /// The lanes, in order; ids are unique.
    pub lanes: Vec<LaneConfig>,
    /// Whether the configuration names no lane, so that `lanes` is one `console` on stderr. An emitter that is opened
    /// with host sinks leaves this lane out.
    pub lanes_defaulted: bool,
    /// A second place for checkpoints.
    pub checkpoint: Option<CheckpointTarget>,
    /// On SIGTERM and SIGINT, deliver at once what is queued; unless the host handles the signal, then drain for at
    /// most 5 s and end the process.
    pub handle_signals: bool,
    /// Size and depth limits.
    pub limits: Limits,
    /// Directory of dead-letter files; default: the journal's.
    pub dead_letter: Option<OwnPath>,
    /// The key for keyed hashes in redaction.
    pub redaction_hash_key: Option<Secret>,
    /// The governance policy.
    pub governance: Option<Governance>,
    /// Telemetry policies, inline or as files. They are read when the emitter opens, as a bad one must not prevent
    /// that.
    pub telemetry: Vec<TelemetrySource>,
    /// How often files of policies are looked at for changes; `None`: never.
    pub watch_policies: Option<Duration>,
    /// Where the emitter runs, which the targets of policies select by.
    pub target: PolicyTarget,
    /// How metrics leave the process.
    pub metrics: MetricsConfig,
    /// Settings for events made from log streams; without them the vacuum is off.
    pub vacuum: Option<VacuumConfig>,
    /// A fixed clock and seed; only with `SINKWELL_TESTING=1`.
    pub testing: Option<Testing>,
    /// `SINKWELL_DISABLED=true`: every call is a cheap no-op.
    pub disabled: bool,
    /// Warnings met while reading, for the host's logger.
    pub warnings: Vec<String>,
}

/// An entry of `telemetry`.
#[derive(Clone, Debug)]
pub enum TelemetrySource {
    /// A file of documents.
    File(PathBuf),
    /// A document within the configuration.
    Inline {
        /// Where it stands, as errors name it.
        place: String,
        /// What it says.
        document: InlineDocument,
    },
}

/// A policy document within the configuration, not yet read.
#[derive(Clone)]
pub struct InlineDocument(pub(crate) crate::document::tree::Node);

impl std::fmt::Debug for InlineDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InlineDocument")
    }
}

/// `vacuum`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VacuumConfig {
    /// The ids of the lanes that get its events; `None`: all.
    pub transports: Option<Vec<String>>,
    /// The database of cursors; `None`: progress is not remembered.
    pub cursors: Option<PathBuf>,
}

/// `metrics`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where a Prometheus server can read them; `None`: nowhere.
    pub listen: Option<std::net::SocketAddr>,
    /// How often they are sent, where a policy has them sent. Default 60 s.
    pub every: Duration,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: None, every: Duration::from_secs(60) }
    }
}

/// `target`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyTarget {
    /// The Kubernetes namespace, or what the deployment has instead.
    pub namespace: Option<String>,
    /// The gateway.
    pub gateway: Option<String>,
}

/// `agent`
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// DID or other stable id; default `urn:sinkwell:agent:` and `OTEL_SERVICE_NAME`, else the program's name.
    pub id: String,
    /// Tenant scope.
    pub tenant: Option<String>,
    /// Globs that an event's own `agent` or `tenant` must match; default: none.
    pub allow: Vec<String>,
}

/// `journal`
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// The directory.
    pub dir: PathBuf,
    /// When to sync.
    pub sync: SyncPolicy,
    /// Most bytes kept on disk. Default 1 GiB.
    pub budget: u64,
    /// Free bytes that must stay on the file system. Default 256 MiB.
    pub floor: u64,
    /// `allow_links` and `allow_shared_write`, for the directory and everything in it.
    pub access: Access,
}

/// `journal.sync`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before anything is `journaled`.
    Always,
    /// At most this much later.
    Every(Duration),
    /// When the operating system decides: survives the end of the process, but not a power failure.
    Os,
}

/// `queue`: ceilings at the top level, wishes in a lane. The lower value counts; of `terminal_reserve` the higher.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueConfig {
    /// Most events.
    pub events: Option<usize>,
    /// Most bytes.
    pub bytes: Option<usize>,
    /// Events kept free for terminal ones.
    pub terminal_reserve: Option<usize>,
}

/// What happens to an event that finds no room (docs/LANES.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The caller waits.
    Block,
    /// The oldest non-terminal events are dropped.
    DropOldest,
    /// The new event is dropped.
    DropProgress,
    /// The oldest queued events of the same run are dropped.
    CoalesceByRun,
    /// The new event is dropped, and the lane is marked failed.
    FailSink,
}

impl Overflow {
    /// Every policy.
    pub const ALL: [Self; 5] =
        [Self::Block, Self::DropOldest, Self::DropProgress, Self::CoalesceByRun, Self::FailSink];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropOldest => "drop_oldest",
            Self::DropProgress => "drop_progress",
            Self::CoalesceByRun => "coalesce_by_run",
            Self::FailSink => "fail_sink",
        }
    }
}

/// One lane, with every default filled in.
#[derive(Clone, Debug)]
pub struct LaneConfig {
    /// Unique id; default: the sink's kind.
    pub id: String,
    /// What the sink is for; never empty.
    pub classes: Vec<SinkClass>,
    /// The sink.
    pub sink: SinkConfig,
    /// The lane's own wishes, below the emitter's ceilings.
    pub queue: QueueConfig,
    /// Resolved: the lane's, else the emitter's, else by class.
    pub overflow: Overflow,
    /// How long an emit may wait for room. Default 30 s.
    pub block_timeout: Duration,
    /// How envelopes are grouped.
    pub batch: BatchConfig,
    /// How long one delivery may take. Default 10 s.
    pub timeout: Duration,
    /// Tries after a failure.
    pub retry: RetryConfig,
    /// When to stop trying for a while.
    pub breaker: BreakerConfig,
    /// Resolved: on for `audit` and `siem` when a journal directory is set.
    pub durable: bool,
    /// When the lane's journal syncs; default: what `journal.sync` says.
    pub sync: SyncPolicy,
    /// Batches in flight; more than one only for idempotent sinks. Default 1.
    pub in_flight: usize,
    /// The most content that this lane may get.
    pub content: ContentCeiling,
    /// Most streams open at once. Default 1 024.
    pub streams: usize,
}

/// `batch`
#[derive(Clone, Copy, Debug)]
pub struct BatchConfig {
    /// Default 512.
    pub events: usize,
    /// Default 1 MiB.
    pub bytes: usize,
    /// Default 200 ms, 0 for stdout and stderr.
    pub linger: Duration,
}

/// `retry`
#[derive(Clone, Copy, Debug)]
pub struct RetryConfig {
    /// First delay. Default 500 ms; doubles, with full jitter.
    pub initial: Duration,
    /// Longest delay. Default 30 s.
    pub cap: Duration,
    /// When to give up; `None` never (audit, siem and durable lanes). Default 5 min.
    pub give_up: Option<Duration>,
}

/// `breaker`
#[derive(Clone, Copy, Debug)]
pub struct BreakerConfig {
    /// Failures in a row that open it. Default 5.
    pub failures: u32,
    /// How long it stays open before one probe. Default 60 s.
    pub open: Duration,
}

/// How much of a content part may be seen, from low to high (docs/CONTENT.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ContentMode {
    /// Metadata only.
    #[default]
    Off,
    /// And the summary.
    RedactedSummary,
    /// And the reference.
    ContentRef,
    /// And the disclosure.
    Raw,
}

impl ContentMode {
    /// Every mode, from low to high.
    pub const ALL: [Self; 4] = [Self::Off, Self::RedactedSummary, Self::ContentRef, Self::Raw];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::RedactedSummary => "redacted_summary",
            Self::ContentRef => "content_ref",
            Self::Raw => "raw",
        }
    }
}

/// `content` of a lane: how much content it may get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentCeiling {
    /// The highest mode.
    pub mode: ContentMode,
    /// The content classes that it holds for.
    pub classes: Vec<String>,
}

/// A file or directory that sinkwell writes to, and what is allowed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPath {
    /// Where it is.
    pub path: PathBuf,
    /// `allow_links`, `allow_shared_write`.
    pub access: Access,
}

/// `checkpoint`
#[derive(Clone, Debug)]
pub enum CheckpointTarget {
    /// Append to a file.
    File(OwnPath),
    /// Send to the lane with this id.
    Lane(String),
}

/// `limits`
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of an envelope. Default 1 MiB.
    pub envelope: usize,
    /// Deepest nesting of `data`. Default 64.
    pub depth: usize,
}

/// `testing`
#[derive(Clone, Copy, Debug)]
pub struct Testing {
    /// Where the clock stands at the start.
    pub clock: UnixNanos,
    /// How far each event moves it.
    pub step: Duration,
    /// Seed of ids and salts.
    pub seed: u64,
}

/// `governance` (docs/CONFIG.md).
#[derive(Clone, Debug, Default)]
pub struct Governance {
    /// Becomes `policyversion`.
    pub version: Option<String>,
    /// Classes that must have a healthy sink.
    pub required: Vec<RequiredSink>,
    /// The heartbeat that governance wants; it can only make the emitter's own more frequent.
    pub heartbeat: Option<Duration>,
    /// Audit or siem lanes that may drop, by id.
    pub allow_drop: Vec<String>,
    /// The content policy; absent: off for every class.
    pub content: Option<ContentPolicy>,
}

impl Governance {
    /// Whether what must not happen without telemetry must not happen while a required class has no healthy sink.
    pub(crate) fn fails_closed(&self) -> bool {
        self.required.iter().any(|required| required.on_unhealthy == OnUnhealthy::FailClosed)
    }
}

/// One of `governance.required_sinks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequiredSink {
    /// The class.
    pub class: SinkClass,
    /// What to do at run time when it has no healthy sink.
    pub on_unhealthy: OnUnhealthy,
}

/// `on_unhealthy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnhealthy {
    /// Every `emit` and `ensure_ready` fails until it is healthy again.
    #[default]
    FailClosed,
    /// Events flow to the rest, a `policy.breach` is emitted.
    Degrade,
    /// A `policy.breach` of severity error.
    AlertOnly,
}

/// `governance.content` (docs/CONTENT.md).
#[derive(Clone, Debug, Default)]
pub struct ContentPolicy {
    /// Default mode of every class.
    pub mode: ContentMode,
    /// By class.
    pub classes: Vec<(String, ContentRule)>,
    /// The redaction policy.
    pub redaction: Option<RedactionConfig>,
    /// The retention class and window.
    pub retention: Option<RetentionConfig>,
    /// Deterministic sampling.
    pub sampling: Option<SamplingConfig>,
    /// Limits.
    pub limits: ContentLimits,
    /// Child agents and extensions included by name.
    pub children: Vec<String>,
}

/// One of `governance.content.classes`.
#[derive(Clone, Debug, Default)]
pub struct ContentRule {
    /// The mode granted.
    pub mode: ContentMode,
    /// Tenants it holds for (globs); empty: all.
    pub tenants: Vec<String>,
    /// Agents it holds for (globs); empty: all.
    pub agents: Vec<String>,
    /// When it ends.
    pub expires: Option<UnixNanos>,
}

/// `governance.content.redaction`
#[derive(Clone, Debug, Default)]
pub struct RedactionConfig {
    /// The policy's id, sealed.
    pub id: String,
    /// Named detectors.
    pub detectors: Vec<String>,
    /// JSON-path rules into `data`.
    pub paths: Vec<String>,
    /// The host's own patterns: name, linear-time regular expression.
    pub patterns: Vec<(String, String)>,
    /// What detectors must not replace: linear-time regular expressions.
    pub keep: Vec<String>,
    /// What replaces a match.
    pub replace: Replacement,
    /// Leave provider account ids, credential ids, remote handles and file paths as they are.
    pub keep_identifiers: bool,
}

/// `redaction.replace`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replacement {
    /// `[email]`
    #[default]
    Mask,
    /// Nothing.
    Drop,
    /// A keyed hash, so that equal values stay joinable; needs `redaction.hash_key`.
    Hash,
}

/// `governance.content.retention`
#[derive(Clone, Debug)]
pub struct RetentionConfig {
    /// The retention class.
    pub class: String,
    /// How long content may be sent after the event's time.
    pub window: Duration,
}

/// `governance.content.sampling`
#[derive(Clone, Debug)]
pub struct SamplingConfig {
    /// `run`, `trace` or `event`.
    pub key: String,
    /// How many of `denominator` keys are included.
    pub numerator: u64,
    /// Above 0, at least `numerator`.
    pub denominator: u64,
}

/// `governance.content.limits`; `None` is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContentLimits {
    /// Bytes of one part.
    pub bytes: Option<u64>,
    /// Parts of one event.
    pub parts: Option<u64>,
    /// Tokens of one part.
    pub tokens: Option<u64>,
    /// Bytes of one part that is not text.
    pub media_bytes: Option<u64>,
}

impl Config {
    /// How often lanes emit heartbeats, `None` for never: as the emitter is configured, or more often if governance
    /// wants that.
    #[must_use]
    pub fn heartbeat_every(&self) -> Option<Duration> {
        let governed = self.governance.as_ref().and_then(|governance| governance.heartbeat);
        [self.heartbeat, governed].into_iter().flatten().min()
    }
}

/// What a lane's queue may hold, after the lane's wishes and the emitter's ceilings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueCapacity {
    /// Most events.
    pub events: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Events that only terminal ones may fill.
    pub reserved_events: usize,
    /// Bytes that only terminal events may fill.
    pub reserved_bytes: usize,
}

/// Default of `queue.events`.
pub const DEFAULT_QUEUE_EVENTS: usize = 10_000;
/// Default of `queue.bytes`: 64 MiB.
pub const DEFAULT_QUEUE_BYTES: usize = 64 << 20;

impl LaneConfig {
    /// The lane's queue under the emitter's `ceilings`: the lower of the two capacities, and the higher of the two
    /// reserves, which is at most the capacity. A lane without a wish counts as wishing the default, so that a higher
    /// ceiling does not raise it. Without any wish the reserve is 1/16, and at least one event.
    #[must_use]
    pub fn capacity(&self, ceilings: &QueueConfig) -> QueueCapacity {
        let lower = |lane: Option<usize>, ceiling: Option<usize>, default| {
            lane.unwrap_or(default).min(ceiling.unwrap_or(usize::MAX))
        };
        let events = lower(self.queue.events, ceilings.events, DEFAULT_QUEUE_EVENTS);
        let bytes = lower(self.queue.bytes, ceilings.bytes, DEFAULT_QUEUE_BYTES);
        let reserve = self.queue.terminal_reserve.max(ceilings.terminal_reserve);
        QueueCapacity {
            events,
            bytes,
            reserved_events: reserve.unwrap_or((events / 16).max(1)).min(events),
            reserved_bytes: if reserve == Some(0) { 0 } else { bytes / 16 },
        }
    }

    /// Whether the lane is for `audit` or `siem`, so that it may lose nothing unless governance allows it.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        is_evidence(&self.classes)
    }
}

/// Whether one of the classes is `audit` or `siem`.
pub(crate) fn is_evidence(classes: &[SinkClass]) -> bool {
    classes.iter().any(|class| matches!(class, SinkClass::Audit | SinkClass::Siem))
}

/// The content classes that sinkwell names; a host may have its own beside them.
pub const CONTENT_CLASSES: [&str; 8] =
    ["prompt", "system", "completion", "tool_arguments", "tool_result", "memory", "file", "message"];
/// The named detectors.
pub const DETECTORS: [&str; 13] = [
    "email", "phone", "card", "iban", "ip", "jwt", "aws", "gcp", "azure", "github", "pem", "bearer",
    "secrets",
];
