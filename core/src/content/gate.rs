//! The seven gates in front of `raw`, and the decision as a value.
//!
//! Guarantees: pure; the same request gets the same answer in every language (`tests/vectors/content`).
//! Anything missing from a request closes its gate. The effective mode is the lowest of what was requested,
//! what the policy grants, what the lane may see, and, when `raw` was requested and a gate failed,
//! `redacted_summary`. Only requests for `raw` go through the gates; for lower modes the lowest mode decides alone.

use std::io;
use std::path::Path;

use crate::content::grant::{self, grant, view};
use crate::content::part::mode_from_name;
use crate::content::validate_class;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Value};
use crate::seam::{Env, UnixNanos};
use crate::secret::Secret;
use crate::settings::{ContentCeiling, ContentMode, ContentPolicy};

/// One gate, in the order in which they are passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Gate {
    /// The part permits capture.
    Source,
    /// The lane names this class and allows `raw`.
    Sink,
    /// The content policy grants `raw` to this class, tenant and agent, and has not expired.
    Policy,
    /// A redaction policy is required, named, and has run.
    Redaction,
    /// A retention class and window are declared and still open.
    Retention,
    /// The policy requires sampling, and its key is included.
    Sampling,
    /// The part is not empty, and within every limit.
    Limits,
}

impl Gate {
    /// Every gate, in order.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Sink,
        Self::Policy,
        Self::Redaction,
        Self::Retention,
        Self::Sampling,
        Self::Limits,
    ];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Policy => "policy",
            Self::Redaction => "redaction",
            Self::Retention => "retention",
            Self::Sampling => "sampling",
            Self::Limits => "limits",
        }
    }
}

/// A set of gates; iterates in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates(u8);

impl Gates {
    /// Adds `gate` when it `failed`.
    pub fn add_if(&mut self, gate: Gate, failed: bool) {
        self.0 |= u8::from(failed) << gate as u8;
    }

    /// Whether none is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its gates, in order.
    pub fn iter(self) -> impl Iterator<Item = Gate> {
        Gate::ALL.into_iter().filter(move |gate| self.0 & (1 << *gate as u8) != 0)
    }

    /// The first, which is the reason given.
    #[must_use]
    pub fn first(self) -> Option<Gate> {
        self.iter().next()
    }
}

/// The lowest of `modes`, brought down to `redacted_summary` when a gate has failed.
pub(super) fn lowest(modes: &[ContentMode], failed: Gates) -> ContentMode {
    let cap = if failed.is_empty() { ContentMode::Raw } else { ContentMode::RedactedSummary };
    modes.iter().copied().fold(cap, ContentMode::min)
}

/// What is asked of [`evaluate`] (docs/CONTENT.md).
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `governance.content`; absent: off for every class.
    pub policy: Option<&'a ContentPolicy>,
    /// The lane's ceiling.
    pub sink: &'a ContentCeiling,
    /// The mode wanted.
    pub requested_mode: ContentMode,
    /// The part's class.
    pub class: &'a str,
    /// The event's tenant.
    pub tenant: Option<&'a str>,
    /// The event's agent.
    pub agent: Option<&'a str>,
    /// Gate 1.
    pub source_permits_content: bool,
    /// Whether the retention window is open.
    pub retention_active: bool,
    /// Whether the sampling key is included.
    pub deterministic_sample_included: bool,
    /// Bytes of the part.
    pub requested_bytes: u64,
    /// The redaction policy that has run.
    pub redaction_policy_id: Option<&'a str>,
    /// The child agent or extension it comes from; empty for one without a name.
    pub child_or_extension: Option<&'a str>,
}

/// What [`evaluate`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The mode wanted.
    pub requested: ContentMode,
    /// The mode granted.
    pub effective: ContentMode,
    /// The gates that failed; the first is the reason. Always empty below `raw`.
    pub failed: Gates,
    /// The redaction policy in force.
    pub redaction_policy_id: Option<String>,
    /// The keys of the policy that decided, as `governance.content.classes.prompt`.
    pub policy_refs: Vec<String>,
}

impl Decision {
    /// Whether all that was requested is granted.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.effective == self.requested
    }

    /// The first gate that failed.
    #[must_use]
    pub fn reason(&self) -> Option<Gate> {
        self.failed.first()
    }

    /// The decision as canonical JSON; `reason` and `redaction_policy_id` are `null` when there is none.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let text = |s: &str| Value::from(s);
        let value = Value::Object(vec![
            ("allowed".into(), self.allowed().into()),
            ("effective".into(), text(self.effective.name())),
            ("failed".into(), Value::Array(self.failed.iter().map(|gate| text(gate.name())).collect())),
            ("policy_refs".into(), Value::Array(self.policy_refs.iter().map(|r| text(r)).collect())),
            ("reason".into(), self.reason().map_or(Value::Null, |gate| text(gate.name()))),
            ("redaction_policy_id".into(), self.redaction_policy_id.as_deref().map_or(Value::Null, text)),
            ("requested".into(), text(self.requested.name())),
        ]);
        // Strings and booleans always have a canonical form.
        value.to_canonical().unwrap_or_default()
    }
}

/// The gates that the policy's sections close for every part.
pub(super) fn section_gates(policy: Option<&ContentPolicy>) -> Gates {
    let mut failed = Gates::default();
    let redaction = policy.and_then(|p| p.redaction.as_ref());
    failed.add_if(Gate::Redaction, redaction.is_none_or(|r| r.id.is_empty()));
    failed.add_if(Gate::Retention, policy.is_none_or(|p| p.retention.is_none()));
    failed.add_if(Gate::Sampling, policy.is_none_or(|p| p.sampling.is_none()));
    failed
}

/// `evaluate_content_capture`: the decision for one part and one lane, as of `now`.
#[must_use]
pub fn evaluate(request: &Request<'_>, now: UnixNanos) -> Decision {
    let subject = grant::Subject {
        class: request.class,
        tenant: request.tenant,
        agent: request.agent,
        child: request.child_or_extension,
    };
    let granted = grant(request.policy, &subject, now);
    let ceiling = view(request.sink, request.class);
    let redaction = request.policy.and_then(|p| p.redaction.as_ref());
    let mut failed = Gates::default();
    if request.requested_mode == ContentMode::Raw {
        failed = section_gates(request.policy);
        failed.add_if(Gate::Source, !request.source_permits_content);
        failed.add_if(Gate::Sink, ceiling != ContentMode::Raw);
        failed.add_if(Gate::Policy, granted.mode != ContentMode::Raw);
        failed.add_if(
            Gate::Redaction,
            redaction.is_some_and(|r| Some(r.id.as_str()) != request.redaction_policy_id),
        );
        failed.add_if(Gate::Retention, !request.retention_active);
        failed.add_if(Gate::Sampling, !request.deterministic_sample_included);
        let limit = request.policy.and_then(|p| p.limits.bytes).unwrap_or(u64::MAX);
        failed.add_if(Gate::Limits, request.requested_bytes == 0 || request.requested_bytes > limit);
    }
    Decision {
        requested: request.requested_mode,
        effective: lowest(&[request.requested_mode, granted.mode, ceiling], failed),
        failed,
        redaction_policy_id: redaction.map(|r| r.id.clone()),
        policy_refs: granted.rule.into_iter().collect(),
    }
}

const MEMBERS: [&str; 12] = [
    "policy",
    "sink",
    "requested_mode",
    "class",
    "tenant",
    "agent",
    "source_permits_content",
    "retention_active",
    "deterministic_sample_included",
    "requested_bytes",
    "redaction_policy_id",
    "child_or_extension",
];

/// [`evaluate`] for every language: a request as JSON, the decision as canonical JSON. `policy` is the
/// `governance.content` section, `sink` a lane's `content`. `requested_mode` and `class` are required; any other member
/// that is absent or `null` closes its gate.
///
/// # Errors
/// `invalid_argument` for the request, `policy` for the policy in it, each with its place.
pub fn evaluate_json(request: &[u8], now: UnixNanos) -> Result<Vec<u8>> {
    let value = json::parse(request)
        .map_err(|e| Error::invalid_argument(format!("the request is not JSON: {}", e.message())))?;
    let wrong = |place: &str, message: &str| Error::invalid_argument(message).at(place);
    let Value::Object(members) = &value else {
        return Err(Error::invalid_argument("the request must be an object"));
    };
    if let Some((key, _)) = members.iter().find(|(key, _)| !MEMBERS.contains(&key.as_str())) {
        return Err(wrong(key, &format!("an unknown member; a request has {}", MEMBERS.join(", "))));
    }
    let present = |name: &str| value.get(name).filter(|v| **v != Value::Null);
    let string = |name: &str| {
        present(name).map(|v| v.as_str().ok_or_else(|| wrong(name, "must be a string"))).transpose()
    };
    let flag = |name: &str| {
        present(name).map_or(Ok(false), |v| v.as_bool().ok_or_else(|| wrong(name, "must be true or false")))
    };
    let requested_mode = string("requested_mode")?
        .and_then(mode_from_name)
        .ok_or_else(|| wrong("requested_mode", "must be off, redacted_summary, content_ref or raw"))?;
    let class = string("class")?.ok_or_else(|| wrong("class", "is missing"))?;
    validate_class(class).map_err(|e| wrong("class", e.message()))?;
    let requested_bytes = match present("requested_bytes") {
        None => 0,
        Some(v) => v
            .as_i64()
            .and_then(|n| u64::try_from(n).ok())
            .ok_or_else(|| wrong("requested_bytes", "must be an integer of at least 0"))?,
    };
    let child_or_extension = match present("child_or_extension") {
        None | Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(""),
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => return Err(wrong("child_or_extension", "must be its name, true or false")),
    };
    let outside = Nothing { now };
    let policy = present("policy")
        .map(|v| {
            ContentPolicy::parse(&document(v)?, &outside).map_err(|e| below("policy", ErrorKind::Policy, &e))
        })
        .transpose()?;
    let sink = match present("sink") {
        None => ContentCeiling::default(),
        Some(v) => ContentCeiling::parse(&document(v)?, &outside)
            .map_err(|e| below("sink", ErrorKind::InvalidArgument, &e))?,
    };
    let decision = evaluate(
        &Request {
            policy: policy.as_ref(),
            sink: &sink,
            requested_mode,
            class,
            tenant: string("tenant")?,
            agent: string("agent")?,
            source_permits_content: flag("source_permits_content")?,
            retention_active: flag("retention_active")?,
            deterministic_sample_included: flag("deterministic_sample_included")?,
            requested_bytes,
            redaction_policy_id: string("redaction_policy_id")?,
            child_or_extension,
        },
        now,
    );
    Ok(decision.to_json())
}

/// The environment in which a request's policy is read: a clock, and no files or variables.
struct Nothing {
    now: UnixNanos,
}

impl Env for Nothing {
    fn var(&self, _name: &str) -> Option<String> {
        None
    }

    fn program(&self) -> Option<String> {
        None
    }

    fn now(&self) -> UnixNanos {
        self.now
    }

    fn read(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_private(&self, _path: &Path) -> Result<Secret> {
        Err(Error::unsupported("a request reads no files"))
    }
}

/// A value of the request as the document that the reader of configurations takes.
fn document(value: &Value) -> Result<String> {
    let bytes = value.to_canonical().map_err(|e| Error::invalid_argument(e.message()))?;
    String::from_utf8(bytes).map_err(|_| Error::internal("canonical JSON is UTF-8"))
}

/// The error of a document that is the member `name` of the request.
fn below(name: &str, kind: ErrorKind, error: &Error) -> Error {
    // The reader calls a document without a name `configuration`: here that is the member as a whole.
    let within = error.place().filter(|place| *place != "configuration");
    let place = within.map_or_else(|| name.to_owned(), |place| format!("{name}.{place}"));
    Error::new(kind, error.message()).at(place)
}
