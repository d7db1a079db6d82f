//! The keys of a configuration, but for those of the sinks, which stand in their folders.

use crate::document::keys::{ALLOW_LINKS, ALLOW_SHARED_WRITE, Form, Key};
use crate::settings::DETECTORS;

const EVERY: Form = Form::Table(ONLY_EVERY);
const CLASS: Form = Form::Word(&["siem", "audit", "observability", "debug"]);
const OVERFLOW: Form = Form::Word(&[
    "block",
    "drop_oldest",
    "drop_progress",
    "coalesce_by_run",
    "fail_sink",
    // As OpenTelemetry's governance proposal calls them; read with a warning.
    "drop_non_terminal_progress",
    "coalesce_progress_by_run",
    "fail_sink_not_run",
]);
const MODE: Form = Form::Any(&[
    Form::Word(&[
        "off",
        "redacted_summary",
        "content_ref",
        "raw",
        // Read with a warning.
        "metadata_only",
        "payload_refs",
        "raw_content",
    ]),
    Form::Bool,
]);
const SYNC: Form = Form::Any(&[Form::Word(&["always", "os"]), EVERY]);
const NAMES: Form = Form::List(&Form::Text);
const MOST_DEPTH: u64 = crate::json::MAX_DATA_DEPTH as u64;
/// The most of what is counted in 32 bits.
const U32: u64 = u32::MAX as u64;

/// At the top.
pub(super) const TOP: &[Key] = &[
    Key::new("agent", Form::Table(AGENT), "", "whose events these are"),
    Key::new("source", Form::Text, "the agent's id", "URI-reference of the producer"),
    Key::new("type_prefix", Form::Text, "`dev.sinkwell.`", "prefix of built-in types"),
    Key::new(
        "ids",
        Form::Word(&["random", "derived"]),
        "`random`",
        "the ids of events, which are UUIDs of version 7 either way: `derived` has, in place of 74 random bits, a number that is random once in each process and then counts, so that a `stream` sends some ten bytes less for each event; who knows one id can guess the next",
    ),
    Key::new("key", Form::Table(KEY), "none: envelopes are unsigned", "what seals"),
    Key::new("journal", Form::Table(JOURNAL), "none: no lane is durable", "a warning where no lane uses it"),
    Key::new(
        "heartbeat",
        Form::Any(&[EVERY, Form::Word(&["off"]), Form::Bool]),
        "`{ every: 30s }`",
        "or `off`; how often each lane tells its counters",
    ),
    Key::new("queue", Form::Table(QUEUE), "none", "ceilings for every lane; keys as in a lane"),
    Key::new("overflow", OVERFLOW, "by class", "for lanes that do not say"),
    Key::new("lanes", Form::List(&Form::Any(&[Form::Text, Form::Table(LANE)])), "one `console`", "below"),
    Key::new("checkpoint", Form::Table(CHECKPOINT), "none", "a second place for checkpoints; one of the two"),
    Key::new(
        "handle_signals",
        Form::Bool,
        "`false`",
        "on SIGTERM and SIGINT what is queued goes out at once and every emitter goes on accepting; a handler that the host had before, or an ignored signal, stays in charge of the end; where nobody else handles it, drain for 5 s at most, close the streams, and end as the default action would (process 1: exit with 128 + n)",
    ),
    Key::new("limits", Form::Table(LIMITS), "", "what an event may be"),
    Key::new("dead_letter", Form::Table(DEAD_LETTER), "the journal's", "what receivers refuse for good"),
    Key::new("redaction", Form::Table(REDACTION_KEY), "none", "the policy itself is governance's"),
    Key::new(
        "governance",
        Form::Any(&[Form::Path, Form::Table(GOVERNANCE)]),
        "none",
        "below; in place, or the path of a file",
    ),
    Key::new(
        "telemetry",
        Form::Free,
        "none",
        "a list of telemetry policies: documents in place, or paths of files of them ([POLICY.md](POLICY.md)); a bad one is inert, and holds up nothing",
    ),
    Key::new(
        "watch_policies",
        Form::Duration,
        "never: a program calls for it",
        "how often the files of `telemetry` are looked at: what has changed is in force from then on, and what has turned bad leaves the last good one in force; at least `10ms`",
    ),
    Key::new(
        "target",
        Form::Table(TARGET),
        "none",
        "what the emitter runs in, for policies with such a target",
    ),
    Key::new(
        "metrics",
        Form::Table(METRICS),
        "",
        "how what policies derive from events, and the emitter's own counters, leave the process ([POLICY.md](POLICY.md))",
    ),
    Key::new(
        "vacuum",
        Form::Table(VACUUM),
        "none: the vacuum is off",
        "events out of log streams ([VACUUM.md](VACUUM.md))",
    ),
    Key::new(
        "testing",
        Form::Table(TESTING),
        "none",
        "refused unless `SINKWELL_TESTING=1`: fixes time, ids and salts",
    ),
];

pub(super) const VACUUM: &[Key] = &[
    Key::new(
        "transports",
        NAMES,
        "every lane",
        "the ids of the lanes that get what is found; none at all: off. `SINKWELL_VACUUM_TRANSPORTS` wins",
    ),
    Key::new(
        "cursors",
        Form::Path,
        "none",
        "a database that holds how far each lane has got with each process's log",
    ),
];

pub(super) const METRICS: &[Key] = &[
    Key::new(
        "listen",
        Form::Any(&[Form::Int(0, u16::MAX as u64), Form::Text]),
        "none",
        "a port of the loopback, or `ADDRESS:PORT`: there `GET /metrics` answers with the Prometheus text, and nothing else is answered; whoever reaches it can read it",
    ),
    Key::new(
        "every",
        Form::Duration,
        "`OTEL_METRIC_EXPORT_INTERVAL`, else `60s`",
        "how often metrics are sent, where a policy has them sent",
    ),
];

pub(super) const TARGET: &[Key] = &[
    Key::new("namespace", Form::Text, "none", "the Kubernetes namespace, or what stands for one"),
    Key::new("gateway", Form::Text, "none", "the gateway"),
];

pub(super) const AGENT: &[Key] = &[
    Key::new(
        "id",
        Form::Text,
        "`urn:sinkwell:agent:` and `OTEL_SERVICE_NAME`, else the program's name",
        "a DID or another stable id",
    ),
    Key::new("tenant", Form::Text, "none", "tenant scope"),
    Key::new("allow", NAMES, "none", "globs that an event's own `agent` or `tenant` must match"),
];

pub(super) const KEY: &[Key] = &[
    Key::required("id", Form::Text, "a look-up hint in every envelope"),
    Key::new("ed25519", Form::Table(ED25519), "", "an Ed25519 key, PKCS#8 PEM; one of the three"),
    Key::new("hmac_sha256", Form::Table(HMAC), "", "at least 32 bytes, as they are"),
    Key::new("signer", Form::Word(&["host"]), "", "the program signs; then `alg` says how"),
    Key::new("alg", Form::Word(&["ed25519", "hmac-sha256", "hmac_sha256"]), "", "with `signer` only"),
    Key::new(
        "sign",
        Form::Word(&["each", "batch"]),
        "`each`",
        "`each`: every envelope is signed; `batch`: one of each stream in whatever is journaled, sent or written by itself, and the chain carries it to the others ([spec/envelope.md](spec/envelope.md))",
    ),
    Key::new("allow_group_readable", Form::Bool, "`false`", "a key file that others can read is refused"),
];

pub(super) const ED25519: &[Key] = &[
    Key::new("file", Form::Path, "", "one of the three"),
    Key::new("env", Form::Text, "", "the name of an environment variable"),
    Key::new("pem", Form::Text, "", "the key itself"),
];

pub(super) const HMAC: &[Key] = &[
    Key::new("file", Form::Path, "", "one of the three"),
    Key::new("env", Form::Text, "", "the name of an environment variable"),
    Key::new("base64", Form::Text, "", "the key itself"),
];

pub(super) const JOURNAL: &[Key] = &[
    Key::required("dir", Form::Path, "a directory, made 0700"),
    Key::new(
        "sync",
        SYNC,
        "`always`",
        "or `{ every: 5ms }`; or `os`, which survives the process, not the power",
    ),
    Key::new(
        "budget",
        Form::Size,
        "1 GiB",
        "most bytes on disk; a durable lane at its limit stands as if full",
    ),
    Key::new("floor", Form::Size, "256 MiB", "free bytes that stay on the file system"),
    ALLOW_LINKS,
    ALLOW_SHARED_WRITE,
];

pub(super) const ONLY_EVERY: &[Key] = &[Key::required("every", Form::Duration, "")];

pub(super) const QUEUE: &[Key] = &[
    Key::new("events", Form::Int(1, 1 << 30), "10 000", "the lower of the lane's and the top's"),
    Key::new("bytes", Form::Size, "64 MiB", "likewise"),
    Key::new(
        "terminal_reserve",
        Form::Int(0, 1 << 30),
        "1/16",
        "events kept free for terminal ones; the higher of the two",
    ),
];

pub(super) const CHECKPOINT: &[Key] = &[
    Key::new("file", Form::Path, "none", "checkpoints are appended there too"),
    Key::new("lane", Form::Text, "none", "or sent to the lane of this id"),
    ALLOW_LINKS,
    ALLOW_SHARED_WRITE,
];

pub(super) const LIMITS: &[Key] = &[
    Key::new("envelope", Form::Size, "1 MiB", "at least 1 KiB; larger events are `invalid_event`"),
    Key::new("depth", Form::Int(1, MOST_DEPTH), "64", "deepest nesting of `data`"),
];

pub(super) const DEAD_LETTER: &[Key] =
    &[Key::required("dir", Form::Path, "a directory"), ALLOW_LINKS, ALLOW_SHARED_WRITE];

pub(super) const REDACTION_KEY: &[Key] = &[Key::new(
    "hash_key",
    Form::Table(HASH_KEY),
    "none",
    "`{ file }` or `{ env }`, at least 32 bytes; for `replace: hash`, and for ids, whose hash without it is this process's own",
)];

pub(super) const HASH_KEY: &[Key] = &[
    Key::new("file", Form::Path, "", "one of the two"),
    Key::new("env", Form::Text, "", "the name of an environment variable"),
];

pub(super) const TESTING: &[Key] = &[
    Key::required("clock", Form::Time, "where time stands,"),
    Key::new("step", Form::Duration, "1 ms", "how far each event moves it,"),
    Key::new("seed", Form::Int(0, u64::MAX), "0", "and ids and salts"),
];

/// An item of `lanes`.
pub(super) const LANE: &[Key] = &[
    Key::new("id", Form::Text, "the sink's kind", "unique; up to 64 letters, digits, `.`, `_`, `-`"),
    Key::required("sink", Form::Sink, "one of the sinks below"),
    Key::new(
        "preset",
        Form::Word(&["agent_telemetry"]),
        "none",
        "`agent_telemetry`: 64 events, reserve 4, `drop_progress`",
    ),
    Key::new("classes", Form::List(&CLASS), "by sink", "of `siem`, `audit`, `observability`, `debug`"),
    Key::new("queue", Form::Table(QUEUE), "", "what waits, and how much of it"),
    Key::new(
        "overflow",
        OVERFLOW,
        "`block` for `audit` and `siem`, else `drop_oldest`",
        "`block`, `drop_oldest`, `drop_progress`, `coalesce_by_run`, `fail_sink`",
    ),
    Key::new("block_timeout", Form::Duration, "30 s", "then `backpressure`"),
    Key::new("batch", Form::Table(BATCH), "", "how envelopes are grouped"),
    Key::new("timeout", Form::Duration, "10 s", "one delivery"),
    Key::new("retry", Form::Table(RETRY), "", "tries after a failure"),
    Key::new("breaker", Form::Table(BREAKER), "", "when to stop trying for a while"),
    Key::new(
        "durable",
        Form::Bool,
        "on for `audit` and `siem` with a journal",
        "what waits is in the journal",
    ),
    Key::new("sync", SYNC, "`journal.sync`", "for this lane"),
    Key::new("in_flight", Form::Int(1, 256), "1", "batches in flight; more for idempotent sinks only"),
    Key::former("order", Form::Int(1, 256), "the former name of `in_flight`"),
    Key::new(
        "content",
        Form::Any(&[MODE, Form::Table(CEILING)]),
        "`off`",
        "the most this lane may see: [CONTENT.md](CONTENT.md)",
    ),
    Key::new("streams", Form::Int(1, 1 << 24), "1 024", "most streams open at once"),
];

pub(super) const BATCH: &[Key] = &[
    Key::new("events", Form::Int(1, 1 << 20), "512", "most envelopes"),
    Key::new("bytes", Form::Size, "1 MiB", "most bytes"),
    Key::new(
        "linger",
        Form::Duration,
        "200 ms; 0 for stdout, stderr, console",
        "how long delivery waits for a batch to fill; a durable lane writes to its journal at once",
    ),
];

pub(super) const RETRY: &[Key] = &[
    Key::new("initial", Form::Duration, "500 ms", "first delay; doubles, full jitter"),
    Key::new("cap", Form::Duration, "30 s", "longest delay"),
    Key::new(
        "give_up",
        Form::Any(&[Form::Word(&["never"]), Form::Duration]),
        "5 min; `never` for `audit`, `siem` and durable lanes",
        "after so long without an answer",
    ),
];

pub(super) const BREAKER: &[Key] = &[
    Key::new("failures", Form::Int(1, 1_000_000), "5", "in a row"),
    Key::new("open", Form::Duration, "60 s", "then one probe"),
];

pub(super) const CEILING: &[Key] = &[
    Key::new("mode", MODE, "`off`", "`off`, `redacted_summary`, `content_ref`, `raw`"),
    Key::new("classes", NAMES, "none", "of these classes only"),
];

pub(super) const GOVERNANCE: &[Key] = &[
    Key::new("version", Form::Text, "none", "sealed as `policyversion`"),
    Key::new(
        "required_sinks",
        Form::List(&Form::Table(REQUIRED)),
        "none",
        "list of `class`, `health` (`required`), `on_unhealthy` (`fail_closed`, `degrade`, `alert_only`)",
    ),
    Key::new("requires_sink", CLASS, "none", "one class, `fail_closed`"),
    Key::new("heartbeat", EVERY, "none", "can only be more frequent than the emitter's own"),
    Key::new("allow_drop", NAMES, "none", "ids of `audit` or `siem` lanes that may drop"),
    Key::new("content", Form::Table(CONTENT), "off for every class", "[CONTENT.md](CONTENT.md)"),
];

pub(super) const REQUIRED: &[Key] = &[
    Key::required("class", CLASS, ""),
    Key::new("health", Form::Word(&["required"]), "`required`", ""),
    Key::new("on_unhealthy", Form::Word(&["fail_closed", "degrade", "alert_only"]), "`fail_closed`", ""),
];

pub(super) const CONTENT: &[Key] = &[
    Key::new("mode", MODE, "`off`", "for classes without a rule"),
    Key::new(
        "classes",
        Form::Map(&Form::Any(&[MODE, Form::Table(RULE)])),
        "none",
        "per class a mode, or `mode`, `tenants`, `agents`, `expires`",
    ),
    Key::new("redaction", Form::Table(REDACTION), "none", "what is masked, everywhere"),
    Key::new("retention", Form::Table(RETENTION), "none", "how long content may be sent"),
    Key::new("sampling", Form::Table(SAMPLING), "none", "of which keys content is captured"),
    Key::new("limits", Form::Table(CONTENT_LIMITS), "none", "of parts"),
    Key::new("children", NAMES, "none", "child agents and extensions included by name"),
];

pub(super) const RULE: &[Key] = &[
    Key::required("mode", MODE, ""),
    Key::new("tenants", NAMES, "all", "globs"),
    Key::new("agents", NAMES, "all", "globs"),
    Key::new("expires", Form::Time, "never", "a date, or a time"),
];

pub(super) const REDACTION: &[Key] = &[
    Key::required("id", Form::Text, "sealed"),
    Key::new("detectors", Form::List(&Form::Word(&DETECTORS)), "all", "by name"),
    Key::new("paths", NAMES, "none", "members of `data`: `$.user.name`"),
    Key::new("patterns", Form::Map(&Form::Text), "none", "by name, linear-time regular expressions"),
    Key::new(
        "keep",
        NAMES,
        "none",
        "regular expressions of what detectors leave alone: [CONTENT.md](CONTENT.md#your-own-rules)",
    ),
    Key::new("replace", Form::Word(&["mask", "drop", "hash"]), "`mask`", "what takes the place of a find"),
    Key::new(
        "keep_identifiers",
        Form::Bool,
        "`false`",
        "leave account ids, credential ids, remote handles and file paths as they are",
    ),
];

pub(super) const RETENTION: &[Key] = &[
    Key::required("class", Form::Text, "the retention class"),
    Key::required("window", Form::Duration, "how long after the event's time content may be sent"),
];

pub(super) const SAMPLING: &[Key] = &[
    Key::new("key", Form::Word(&["run", "trace", "event"]), "`run`", "what is kept or left out whole"),
    Key::required("rate", Form::Table(RATE), "of the keys"),
];

pub(super) const RATE: &[Key] = &[
    Key::required("numerator", Form::Int(0, U32), "so many of"),
    Key::required("denominator", Form::Int(1, U32), "so many"),
];

pub(super) const CONTENT_LIMITS: &[Key] = &[
    Key::new("bytes", Form::Size, "none", "of one part"),
    Key::new("parts", Form::Int(1, u64::MAX), "none", "of one event"),
    Key::new("tokens", Form::Int(1, u64::MAX), "none", "of one part"),
    Key::new("media_bytes", Form::Size, "none", "of one part that is not text"),
];
