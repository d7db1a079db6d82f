//! Replay: an envelope sealed earlier, judged by today's policy.
//!
//! Guarantees: disclosures are only removed, never added, and nothing signed is touched, so the envelope
//! verifies as before. A disclosure is kept only if it was granted when sealed, today's policy grants `raw`
//! to its class, tenant, agent and child under the same redaction policy, the part is within today's limits and
//! today's sample, the lane may see it, and both the window that was sealed and today's are open. A fact that the
//! envelope does not state counts against disclosure.

use crate::content::disclosure::{member_mut, parse_line, remove};
use crate::content::gate::section_gates;
use crate::content::grant::{Subject, grant, view};
use crate::content::prepared::within_limits;
use crate::content::sampling::{Keys, decide};
use crate::error::{Error, Result};
use crate::json::Value;
use crate::seam::{UnixNanos, parse_time};
use crate::settings::{ContentCeiling, ContentMode, ContentPolicy, SamplingConfig};

/// The line with the disclosures that a lane under `ceiling` may have today; canonical, without a newline.
///
/// # Errors
/// Kind `verification`: the line is not an envelope.
pub fn rejudge(
    line: &[u8],
    policy: Option<&ContentPolicy>,
    ceiling: &ContentCeiling,
    now: UnixNanos,
) -> Result<Vec<u8>> {
    let mut envelope = parse_line(line)?;
    let taken = member_mut(&mut envelope, "data").and_then(|data| remove(data, "disclosures"));
    if let Some(disclosures) = taken {
        let kept = allowed(&envelope, &disclosures, policy, ceiling, now);
        if let Some(Value::Object(members)) = member_mut(&mut envelope, "data")
            && !kept.is_empty()
        {
            members.push(("disclosures".to_owned(), Value::Array(kept)));
        }
    }
    envelope.to_canonical().map_err(|e| Error::verification(e.message()))
}

/// Those of an envelope's disclosures that may be kept.
fn allowed(
    envelope: &Value,
    disclosures: &Value,
    policy: Option<&ContentPolicy>,
    ceiling: &ContentCeiling,
    now: UnixNanos,
) -> Vec<Value> {
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    let Some(data) = envelope.get("data") else { return Vec::new() };
    // `child_or_extension` says whose words they are: `false` for the agent's own, else `true` or the child's name.
    let child = match data.get("capture").and_then(|capture| capture.get("child_or_extension")) {
        Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(""),
        Some(Value::String(name)) => Some(name.as_str()),
        _ => return Vec::new(),
    };
    if !section_gates(policy).is_empty()
        || !windows_open(envelope, data, policy, now)
        || !in_sample(envelope, data, policy.and_then(|policy| policy.sampling.as_ref()))
    {
        return Vec::new();
    }
    let allowed = |disclosure: &&Value| {
        let Some((index, part)) = part_of(data, disclosure) else { return false };
        let class = part.get("class").and_then(Value::as_str).unwrap_or_default();
        let subject = Subject { class, tenant: text("tenantid"), agent: text("agentid"), child };
        let count = |name: &str| part.get(name).and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok());
        let medium = disclosure.get("text").is_none();
        part.get("mode").and_then(Value::as_str) == Some(ContentMode::Raw.name())
            && count("size").is_some_and(|size| within_limits(policy, size, index, count("tokens"), medium))
            && view(ceiling, class) == ContentMode::Raw
            && grant(policy, &subject, now).mode == ContentMode::Raw
    };
    disclosures.items().iter().filter(allowed).cloned().collect()
}

fn part_of<'a>(data: &'a Value, disclosure: &Value) -> Option<(usize, &'a Value)> {
    let index = usize::try_from(disclosure.get("part")?.as_i64()?).ok()?;
    Some((index, data.get("content")?.items().get(index)?))
}

/// Whether the event was sampled when sealed, and is in today's sample: that is the same sample if key and rate are,
/// else the envelope's ids decide.
fn in_sample(envelope: &Value, data: &Value, sampling: Option<&SamplingConfig>) -> bool {
    let Some(config) = sampling else { return false };
    let Some(sealed) = data.get("capture").and_then(|capture| capture.get("sampling")) else { return false };
    let rate = |name: &str| {
        let n = sealed.get("rate").and_then(|rate| rate.get(name)).and_then(Value::as_i64);
        n.and_then(|n| u64::try_from(n).ok())
    };
    if sealed.get("included").and_then(Value::as_bool) != Some(true) {
        return false;
    }
    if sealed.get("key").and_then(Value::as_str) == Some(config.key.as_str())
        && (rate("numerator"), rate("denominator")) == (Some(config.numerator), Some(config.denominator))
    {
        return true;
    }
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    let trace = text("traceparent").and_then(|parent| parent.get(3..35));
    text("id").is_some_and(|event| decide(config, &Keys { run: text("runid"), trace, event }))
}

/// Whether the sealed window and today's are both open, under the redaction policy that has run.
fn windows_open(envelope: &Value, data: &Value, policy: Option<&ContentPolicy>, now: UnixNanos) -> bool {
    let time = |name: &str| envelope.get(name).and_then(Value::as_str).and_then(parse_time);
    let (Some(policy), Some(capture)) = (policy, data.get("capture")) else { return false };
    let (Some(occurred), Some(recorded)) = (time("time"), time("recordedtime")) else { return false };
    let (Some(retention), Some(redaction)) = (&policy.retention, &policy.redaction) else { return false };
    let sealed = capture
        .get("retention")
        .and_then(|r| r.get("until"))
        .and_then(Value::as_str)
        .and_then(parse_time)
        .is_some_and(|until| now < until);
    let window = i64::try_from(retention.window.as_nanos()).unwrap_or(i64::MAX);
    let redacted = capture.get("redaction_policy").and_then(Value::as_str) == Some(redaction.id.as_str());
    sealed && now < occurred.min(recorded).saturating_add(window) && redacted
}
