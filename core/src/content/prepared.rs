//! An event's content: decided, redacted and committed to once per event, then written for each lane.
//!
//! Guarantees: decision, salts and digests are made once per event and so are the same in every lane; a lane
//! sees the lower of what is granted and its own ceiling; a body that was not redacted is committed to and never
//! written. Bodies are shared with the event unless redaction changed them, so that content costs one hash more, and
//! nothing in a lane that may not see it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::content::disclosure::{Salt, commit};
use crate::content::gate::{Gate, Gates, lowest, section_gates};
use crate::content::grant::{Subject, grant, view};
use crate::content::sampling::{self, Keys};
use crate::content::{Body, Part, Redactor};
use crate::hex;
use crate::json::{Value, write_string};
use crate::seam::{UnixNanos, format_time};
use crate::settings::{ContentCeiling, ContentMode, ContentPolicy};

/// What of the event the decision depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFacts<'a> {
    /// The event's tenant.
    pub tenant: Option<&'a str>,
    /// The event's agent.
    pub agent: Option<&'a str>,
    /// The child agent or extension it comes from, as `agent:researcher`; empty for one without a name.
    pub child: Option<&'a str>,
    /// The ids that sampling may go by.
    pub keys: Keys<'a>,
    /// When it occurred: the retention window begins then, or now if that is earlier.
    pub time: UnixNanos,
}

/// The content of one event, ready to be written for any lane.
pub struct Prepared {
    parts: Vec<PreparedPart>,
    capture: Vec<u8>,
    /// When the retention window ends.
    closes: Option<UnixNanos>,
}

struct PreparedPart {
    class: String,
    mediatype: String,
    role: Option<String>,
    summary: Option<String>,
    reference: Option<String>,
    tokens: Option<u64>,
    mode: ContentMode,
    digest: [u8; 32],
    salt: Salt,
    body: Body,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({} parts)", self.parts.len())
    }
}

/// A part's text after redaction, and whether it was redacted.
struct Redacted {
    body: Body,
    summary: Option<String>,
    reference: Option<String>,
    done: bool,
}

fn redact(part: &Part, redactor: Option<&Redactor>) -> Redacted {
    let Some(redactor) = redactor else {
        return Redacted {
            body: part.body.clone(),
            summary: part.summary.clone(),
            reference: part.reference.clone(),
            done: false,
        };
    };
    let body = redactor.redact_body(&part.body);
    // A summary or a reference that could not be redacted is left out.
    let text = |text: &Option<String>| {
        text.as_deref().and_then(|text| redactor.redact_text(text).ok()).map(std::borrow::Cow::into_owned)
    };
    Redacted {
        done: body.is_ok(),
        body: body.unwrap_or_else(|_| part.body.clone()),
        summary: text(&part.summary),
        reference: text(&part.reference),
    }
}

/// Whether a part is within today's limits for its size, its place among the parts, its tokens and, where it is media,
/// for media.
pub(super) fn within_limits(
    policy: Option<&ContentPolicy>,
    bytes: u64,
    index: usize,
    tokens: Option<u64>,
    medium: bool,
) -> bool {
    let limits = policy.map(|p| p.limits).unwrap_or_default();
    let within = |value: u64, limit: Option<u64>| limit.is_none_or(|limit| value <= limit);
    bytes > 0
        && within(bytes, limits.bytes)
        && within(index as u64 + 1, limits.parts)
        // A part whose tokens were not counted can't be shown to be within a limit of tokens.
        && limits.tokens.is_none_or(|limit| tokens.is_some_and(|tokens| tokens <= limit))
        && (!medium || within(bytes, limits.media_bytes))
}

impl Prepared {
    /// Decides, redacts and commits, as of `now`; `None` without parts. `salt` gives the salt of the part
    /// with that index. `redactor` is the one compiled from `policy`.
    #[must_use]
    pub fn new(
        parts: &[Part],
        event: &EventFacts<'_>,
        policy: Option<&ContentPolicy>,
        redactor: Option<&Redactor>,
        mut salt: impl FnMut(usize) -> Salt,
        now: UnixNanos,
    ) -> Option<Self> {
        if parts.is_empty() {
            return None;
        }
        // A host may give a time years from now: the window begins no later than now.
        let begins = event.time.min(now);
        let closes = policy
            .and_then(|p| p.retention.as_ref())
            .map(|r| begins.saturating_add(i64::try_from(r.window.as_nanos()).unwrap_or(i64::MAX)));
        let sampled = policy
            .and_then(|p| p.sampling.as_ref())
            .map(|config| (config, sampling::decide(config, &event.keys)));
        let mut prepared = Vec::with_capacity(parts.len());
        let mut decisions = Vec::with_capacity(parts.len());
        let mut refs: Vec<String> = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let redacted = redact(part, redactor);
            let subject =
                Subject { class: &part.class, tenant: event.tenant, agent: event.agent, child: event.child };
            let granted = grant(policy, &subject, now);
            let mut failed = Gates::default();
            if part.permit == ContentMode::Raw {
                failed = section_gates(policy);
                failed.add_if(Gate::Policy, granted.mode != ContentMode::Raw);
                failed.add_if(Gate::Redaction, !redacted.done);
                failed.add_if(Gate::Retention, closes.is_none_or(|closes| now >= closes));
                failed.add_if(Gate::Sampling, sampled.is_none_or(|(_, included)| !included));
                let bytes = redacted.body.as_bytes().len() as u64;
                let medium = matches!(part.body, Body::Bytes(_));
                failed.add_if(Gate::Limits, !within_limits(policy, bytes, i, part.tokens, medium));
            }
            let mode = lowest(&[part.permit, granted.mode], failed);
            decisions.push(decision(part.permit, mode, failed));
            refs.extend(granted.rule.filter(|rule| !refs.contains(rule)));
            let salt = salt(i);
            prepared.push(PreparedPart {
                class: part.class.clone(),
                mediatype: part.mediatype.clone(),
                role: part.role.clone(),
                tokens: part.tokens,
                mode,
                digest: commit(redacted.body.as_bytes(), &salt),
                salt,
                body: redacted.body,
                summary: redacted.summary,
                reference: redacted.reference,
            });
        }
        let child = match event.child {
            None => false.into(),
            // A name that cannot be redacted is left out.
            Some(name) => match redactor.map_or(Ok(name.into()), |redactor| redactor.redact_text(name)) {
                Ok(name) if !name.is_empty() => name.as_ref().into(),
                _ => true.into(),
            },
        };
        let capture = capture(decisions, policy, closes, sampled.map(|(_, included)| included), child, refs);
        Some(Self { parts: prepared, capture, closes })
    }

    /// How many parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Always `false`: without parts there is no `Prepared`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The salt of a part, for a host that asks for it.
    #[must_use]
    pub fn salt(&self, part: usize) -> Option<&Salt> {
        self.parts.get(part).map(|part| &part.salt)
    }

    /// The canonical JSON of `data.capture`: the same in every lane.
    #[must_use]
    pub fn capture_json(&self) -> &[u8] {
        &self.capture
    }

    /// Appends the canonical JSON of `data.content` as a lane under `ceiling` sees it.
    pub fn append_content(&self, out: &mut Vec<u8>, ceiling: &ContentCeiling) {
        out.push(b'[');
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            part.append(out, view(ceiling, &part.class));
        }
        out.push(b']');
    }

    /// Appends the canonical JSON of `data.disclosures` for a lane under `ceiling`, as of `now`. Appends
    /// nothing and says `false` when there is nothing to disclose: the member is then left out.
    pub fn append_disclosures(&self, out: &mut Vec<u8>, ceiling: &ContentCeiling, now: UnixNanos) -> bool {
        if self.closes.is_none_or(|closes| now >= closes) {
            return false;
        }
        let mut any = false;
        for (i, part) in self.parts.iter().enumerate() {
            if part.mode.min(view(ceiling, &part.class)) == ContentMode::Raw {
                out.push(if any { b',' } else { b'[' });
                part.append_disclosure(out, i);
                any = true;
            }
        }
        if any {
            out.push(b']');
        }
        any
    }
}

/// Appends `,"name":value`, or without the comma directly after a bracket.
fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    separator(out, name);
    write_string(out, value);
}

fn separator(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write_string(out, name);
    out.push(b':');
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    separator(out, name);
    out.extend_from_slice(value.to_string().as_bytes());
}

impl PreparedPart {
    /// Members in canonical order.
    fn append(&self, out: &mut Vec<u8>, ceiling: ContentMode) {
        let shown = self.mode.min(ceiling);
        out.push(b'{');
        member(out, "class", &self.class);
        separator(out, "digest");
        out.push(b'"');
        hex::push(out, &self.digest);
        out.push(b'"');
        member(out, "mediatype", &self.mediatype);
        member(out, "mode", self.mode.name());
        if let Some(reference) = self.reference.as_deref().filter(|_| shown >= ContentMode::ContentRef) {
            member(out, "ref", reference);
        }
        if let Some(role) = &self.role {
            member(out, "role", role);
        }
        number(out, "size", self.body.as_bytes().len() as u64);
        if let Some(summary) = self.summary.as_deref().filter(|_| shown >= ContentMode::RedactedSummary) {
            member(out, "summary", summary);
        }
        if let Some(tokens) = self.tokens {
            number(out, "tokens", tokens);
        }
        out.push(b'}');
    }

    fn append_disclosure(&self, out: &mut Vec<u8>, index: usize) {
        out.push(b'{');
        if let Body::Bytes(bytes) = &self.body {
            member(out, "bytes", &STANDARD.encode(bytes));
        }
        number(out, "part", index as u64);
        member(out, "salt", &STANDARD.encode(self.salt));
        if let Body::Text(text) = &self.body {
            member(out, "text", text);
        }
        out.push(b'}');
    }
}

fn decision(requested: ContentMode, effective: ContentMode, failed: Gates) -> Value {
    let mut members = vec![
        ("effective".to_owned(), Value::from(effective.name())),
        ("failed".to_owned(), Value::Array(failed.iter().map(|gate| gate.name().into()).collect())),
        ("requested".to_owned(), requested.name().into()),
    ];
    if let Some(reason) = failed.first() {
        members.push(("reason".to_owned(), reason.name().into()));
    }
    Value::Object(members)
}

fn capture(
    parts: Vec<Value>,
    policy: Option<&ContentPolicy>,
    closes: Option<UnixNanos>,
    sampled: Option<bool>,
    child: Value,
    refs: Vec<String>,
) -> Vec<u8> {
    let object = |members: Vec<(&str, Value)>| {
        Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    };
    let count = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let mut members = vec![
        // Without it a replay cannot tell whose words these are.
        ("child_or_extension", child),
        ("parts", Value::Array(parts)),
        ("policy_refs", Value::Array(refs.into_iter().map(Value::String).collect())),
    ];
    if let Some(redaction) = policy.and_then(|p| p.redaction.as_ref()) {
        members.push(("redaction_policy", redaction.id.as_str().into()));
    }
    if let (Some(retention), Some(closes)) = (policy.and_then(|p| p.retention.as_ref()), closes) {
        let mut until = Vec::new();
        format_time(&mut until, closes);
        let until = String::from_utf8(until).unwrap_or_default();
        members.push((
            "retention",
            object(vec![("class", retention.class.as_str().into()), ("until", until.into())]),
        ));
    }
    if let (Some(sampling), Some(included)) = (policy.and_then(|p| p.sampling.as_ref()), sampled) {
        members.push((
            "sampling",
            object(vec![
                ("included", included.into()),
                ("key", sampling.key.as_str().into()),
                (
                    "rate",
                    object(vec![
                        ("denominator", count(sampling.denominator)),
                        ("numerator", count(sampling.numerator)),
                    ]),
                ),
            ]),
        ));
    }
    // Only integers could lack a canonical form, and the configuration that they come from bounds them.
    object(members).to_canonical().unwrap_or_else(|_| b"{}".to_vec())
}
