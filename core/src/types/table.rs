//! The built-in types: the table of docs/spec/events.md as data. `schemas/governance-event/1.0/` says the same in JSON
//! Schema, and a test holds the two together.

use super::severity::Severity;
use super::shape::Shape::{self, Amount, Bool, Count, Either, Integer, List, Object, OneOf, Text, Texts};
use crate::json::words::same;

/// A built-in type of event.
#[derive(Debug)]
pub struct Builtin {
    pub(super) name: &'static str,
    pub(super) terminal: bool,
    pub(super) own_only: bool,
    pub(super) severity: Severity,
    /// The members that the table names, sorted by name.
    pub(super) members: &'static [Member],
    /// The required members, one bit each, by their index.
    pub(super) required: u32,
    /// How the value of one member changes the default severity.
    pub(super) raised: Option<Raised>,
}

/// A member of `data` that the table names.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: Shape,
}

/// A default severity that depends on the data.
#[derive(Debug)]
pub(super) struct Raised {
    pub(super) member: &'static str,
    /// The values that raise it.
    pub(super) values: &'static [&'static str],
    pub(super) to: Severity,
}

impl Builtin {
    /// The name without prefix, as in `policy.decision`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether losing such an event would falsify a run's outcome, usage, cost or a sink's state.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The severity of such an event, unless its data or the host says another.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// Whether only sinkwell itself makes such events; they are refused from hosts.
    #[must_use]
    pub const fn is_own_only(&self) -> bool {
        self.own_only
    }

    /// The names of the members that it requires.
    pub fn required(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().filter(|member| member.required).map(|member| member.name)
    }

    /// Every built-in type, sorted by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        BUILTIN
    }

    /// The built-in type of this name, which must be without prefix.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTIN.iter().find(|builtin| same(builtin.name.as_bytes(), name.as_bytes()))
    }
}

const fn required(name: &'static str, shape: Shape) -> Member {
    Member { name, required: true, shape }
}

const fn known(name: &'static str, shape: Shape) -> Member {
    Member { name, required: false, shape }
}

const fn required_of(members: &[Member]) -> u32 {
    let (mut bits, mut at) = (0, 0);
    while at < members.len() {
        bits |= (members[at].required as u32) << at;
        at += 1;
    }
    bits
}

const fn plain(name: &'static str, members: &'static [Member]) -> Builtin {
    Builtin {
        name,
        terminal: false,
        own_only: false,
        severity: Severity::Info,
        members,
        required: required_of(members),
        raised: None,
    }
}

const fn terminal(name: &'static str, severity: Severity, members: &'static [Member]) -> Builtin {
    Builtin {
        name,
        terminal: true,
        own_only: false,
        severity,
        members,
        required: required_of(members),
        raised: None,
    }
}

/// A type that only sinkwell makes: `emit` refuses it, so it has no members to check.
const fn own(name: &'static str, terminal: bool, severity: Severity) -> Builtin {
    Builtin { name, terminal, own_only: true, severity, members: &[], required: 0, raised: None }
}

const TEXT_OR_NUMBER: Shape = Either(&Text, &Amount);
const TEXT_OR_TEXTS: Shape = Either(&Text, &Texts);

const RUN: &[Member] = &[known("goal", Text), known("parent_run", Text), known("step", TEXT_OR_NUMBER)];

/// A run's end, with the statuses that fit its type.
macro_rules! run_end {
    ($($status:literal),*) => {
        &[
            known("duration_ms", Amount),
            known("error.type", Text),
            known("goal", Text),
            known("parent_run", Text),
            known("step", TEXT_OR_NUMBER),
            known("terminal_status", OneOf(&[$($status),*])),
        ]
    };
}

const COST_STATUS: Shape = OneOf(&["estimated", "provider_reported", "corrected"]);

static BUILTIN: &[Builtin] = &[
    own("audit.chain", true, Severity::Info),
    terminal(
        "cost.corrected",
        Severity::Info,
        &[
            required("amount_micros", Integer),
            required("correction_ref", Text),
            required("currency", Text),
            required("rate_table_version", Text),
            known("status", COST_STATUS),
        ],
    ),
    terminal(
        "cost.estimated",
        Severity::Info,
        &[
            required("amount_micros", Integer),
            required("currency", Text),
            required("rate_table_version", Text),
            known("status", COST_STATUS),
        ],
    ),
    terminal(
        "coverage",
        Severity::Info,
        &[
            known("package", Text),
            required("seam", Text),
            required("state", OneOf(&["watching", "stopped"])),
            known("version", Text),
        ],
    ),
    own("heartbeat", false, Severity::Info),
    plain(
        "identity.assertion",
        &[
            required("assertion", OneOf(&["issued", "verified", "refused", "exchanged", "revoked"])),
            known("audience", TEXT_OR_TEXTS),
            known("expires", TEXT_OR_NUMBER),
            known("identity", Text),
            known("issuer", Text),
            known("method", Text),
            known("revoked_by", Text),
            known("scope", TEXT_OR_TEXTS),
        ],
    ),
    plain("log.record", &[known("logger", Text), known("message", Text)]),
    terminal(
        "model.usage",
        Severity::Info,
        &[
            known("bytes", Count),
            known("cached_tokens", Count),
            known("input_tokens", Count),
            known("media_ms", Amount),
            known("model", Text),
            known("output_tokens", Count),
            known("provider", Text),
            known("reasoning_tokens", Count),
            required("source.family", OneOf(&["model", "run", "subagent"])),
            known("total_tokens", Count),
        ],
    ),
    terminal(
        "policy.breach",
        Severity::Error,
        &[known("action", Text), known("count", Count), required("reason", Text), known("rule", Text)],
    ),
    Builtin {
        raised: Some(Raised { member: "decision", values: &["deny"], to: Severity::Warn }),
        ..plain(
            "policy.decision",
            &[
                known("action", Text),
                required("decision", OneOf(&["allow", "deny", "ask", "indeterminate"])),
                known("duration_ms", Amount),
                known("evaluated_rules", Either(&Count, &List)),
                known("implicit", Bool),
                known("input_digest", Text),
                known("reason", Text),
                known("rule", Text),
                known("ruleset", Text),
                known("ruleset_version", Text),
                known("shadow", Bool),
            ],
        )
    },
    terminal("run.cancelled", Severity::Warn, run_end!("cancelled", "timed_out", "unknown")),
    terminal("run.completed", Severity::Info, run_end!("completed", "unknown")),
    terminal("run.failed", Severity::Error, run_end!("failed", "timed_out", "unknown")),
    plain("run.progress", RUN),
    plain("run.started", RUN),
    Builtin {
        raised: Some(Raised { member: "kind", values: &["violation", "escape"], to: Severity::Error }),
        ..plain(
            "sandbox.event",
            &[
                required("kind", OneOf(&["created", "started", "stopped", "limit", "violation", "escape"])),
                known("limit", TEXT_OR_NUMBER),
                known("resource", Text),
                known("sandbox", Text),
                known("used", TEXT_OR_NUMBER),
            ],
        )
    },
    own("sink.failed", true, Severity::Error),
    own("sink.recovered", true, Severity::Info),
    plain(
        "span",
        &[known("duration_ms", Amount), known("name", Text), known("status", Either(&Text, &Object(&[])))],
    ),
    Builtin {
        raised: Some(Raised {
            member: "outcome",
            values: &["error", "denied", "timeout", "cancelled", "refused"],
            to: Severity::Warn,
        }),
        ..plain(
            "tool.invocation",
            &[
                known("duration_ms", Amount),
                known("error.type", Text),
                known("outcome", OneOf(&["ok", "error", "denied", "timeout", "cancelled", "refused"])),
                required("tool", Text),
            ],
        )
    },
    plain(
        "vacuum.event",
        &[known("index", Count), known("nonce", Either(&Text, &Integer)), known("process", TEXT_OR_NUMBER)],
    ),
];

/// The member, allowed in any event, that says by whose authority it happened.
static AUTHZ: Member = known(
    "authz",
    Object(&[("decision", Text), ("delegated_by", Text), ("identity", Text), ("principal", Text)]),
);

/// The member, allowed in any event, that says where its facts come from.
static PROVENANCE: Member = known(
    "provenance",
    Object(&[
        ("event_family", Text),
        ("event_kind", Text),
        ("model", Text),
        ("policy_refs", Texts),
        ("provider", Text),
        ("redaction_policy", Text),
        ("runtime_fingerprint", Text),
        ("source_cursor", TEXT_OR_NUMBER),
        ("tool", Text),
    ]),
);

/// The member of this name, if it is one that any event may carry.
pub(super) fn common(name: &str) -> Option<&'static Member> {
    match name {
        "authz" => Some(&AUTHZ),
        "provenance" => Some(&PROVENANCE),
        _ => None,
    }
}

/// The names that [`common`] and [`reserved`] know.
pub(super) const KNOWN: [&str; 7] =
    ["authz", "provenance", "capture", "content", "phase", "view", "disclosures"];

/// For each first letter the lengths that [`KNOWN`] names have which begin with it, one bit each.
const LENGTHS: [u16; 256] = {
    let (mut lengths, mut at) = ([0; 256], 0);
    while at < KNOWN.len() {
        let name = KNOWN[at].as_bytes();
        lengths[name[0] as usize] |= 1 << name.len();
        at += 1;
    }
    lengths
};

/// Whether [`common`] or [`reserved`] may know the name; where not, they need not be asked. Most members are of the host's
/// own, and this is looked at for each.
#[inline]
pub(super) fn may_be_known(name: &[u8]) -> bool {
    name.len() < 16 && name.first().is_some_and(|first| LENGTHS[usize::from(*first)] >> name.len() & 1 == 1)
}

/// For a member of `data` that only sinkwell writes: what a host should do instead.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    Some(match name {
        "capture" => "sinkwell seals here what content capture decided; give the member another name",
        "content" => "content parts do not travel in data; pass them as the event's content",
        "phase" => {
            "sinkwell seals here which of a deed's two events it is; use a deed, or give the member another name"
        }
        "view" => "sinkwell seals here what a policy did to the event; give the member another name",
        "disclosures" => "only sinkwell discloses content; pass the parts as the event's content",
        _ => return None,
    })
}
