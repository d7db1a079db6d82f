//! What the policy grants to a part, and what a lane may see of it.

use crate::glob;
use crate::seam::UnixNanos;
use crate::settings::{ContentCeiling, ContentMode, ContentPolicy};

/// Whose content it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) class: &'a str,
    pub(super) tenant: Option<&'a str>,
    pub(super) agent: Option<&'a str>,
    /// The child agent or extension it comes from.
    pub(super) child: Option<&'a str>,
}

/// The policy's answer.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) mode: ContentMode,
    /// The key of the policy that gave it; none without a policy.
    pub(super) rule: Option<String>,
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| glob::matches(pattern, text))
}

fn holds(patterns: &[String], value: Option<&str>) -> bool {
    patterns.is_empty() || value.is_some_and(|value| any(patterns, value))
}

/// The mode granted. If a class's rule is for other tenants or agents, the default applies; if the rule has expired,
/// the default applies, lowered to `redacted_summary` at most. Content of children is `off` unless the policy names
/// them.
pub(super) fn grant(policy: Option<&ContentPolicy>, subject: &Subject<'_>, now: UnixNanos) -> Grant {
    let Some(policy) = policy else {
        return Grant { mode: ContentMode::Off, rule: None };
    };
    if let Some(child) = subject.child
        && !any(&policy.children, child)
    {
        return Grant { mode: ContentMode::Off, rule: Some("governance.content.children".into()) };
    }
    let rule = policy.classes.iter().find(|(class, _)| class == subject.class).map(|(_, rule)| rule);
    match rule {
        Some(rule) if holds(&rule.tenants, subject.tenant) && holds(&rule.agents, subject.agent) => Grant {
            mode: if rule.expires.is_some_and(|expires| now >= expires) {
                policy.mode.min(ContentMode::RedactedSummary)
            } else {
                rule.mode
            },
            rule: Some(format!("governance.content.classes.{}", subject.class)),
        },
        _ => Grant { mode: policy.mode, rule: Some("governance.content.mode".into()) },
    }
}

/// The most that a lane sees of `class`: its ceiling if it names the class, else `off`.
#[must_use]
pub fn view(ceiling: &ContentCeiling, class: &str) -> ContentMode {
    if ceiling.classes.iter().any(|named| named == class) { ceiling.mode } else { ContentMode::Off }
}
