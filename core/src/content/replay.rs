//! Replay: an envelope sealed earlier, judged by today's policy.
//!
//! Guarantees: only disclosures are taken away, never added, and nothing signed is touched, so the envelope
//! verifies as before. A disclosure goes on only if it was granted when sealed, today's policy grants `raw`
//! to its class, tenant and agent under the same redaction policy, the lane may see it, and both the window
//! that was sealed and today's are open.

use crate::config::{ContentCeiling, ContentMode, ContentPolicy};
use crate::content::disclosure::{member_mut, parse_line, remove};
use crate::content::grant::{Subject, grant, view};
use crate::error::{Error, Result};
use crate::json::Value;
use crate::seam::{UnixNanos, parse_time};

/// The line with the disclosures that a lane under `ceiling` may have today; canonical, without a newline.
/// `child` names the child agent or extension the event came from, as it did when it was sealed.
///
/// # Errors
/// Kind `verification`: the line is not an envelope.
pub fn rejudge(
    line: &[u8],
    policy: Option<&ContentPolicy>,
    ceiling: &ContentCeiling,
    child: Option<&str>,
    now: UnixNanos,
) -> Result<Vec<u8>> {
    let mut envelope = parse_line(line)?;
    let string = |name: &str| envelope.get(name).and_then(Value::as_str).map(str::to_owned);
    let (tenant, agent) = (string("tenantid"), string("agentid"));
    let time = string("time").as_deref().and_then(parse_time);
    let Some(data) = member_mut(&mut envelope, "data") else { return Ok(line.to_vec()) };
    if let Some(disclosures) = remove(data, "disclosures") {
        let open = windows_open(data, policy, time, now);
        let kept: Vec<Value> = disclosures
            .items()
            .iter()
            .filter(|disclosure| {
                let Some(part) = part_of(data, disclosure) else { return false };
                let class = part.get("class").and_then(Value::as_str).unwrap_or_default();
                let subject = Subject { class, tenant: tenant.as_deref(), agent: agent.as_deref(), child };
                open && part.get("mode").and_then(Value::as_str) == Some(ContentMode::Raw.name())
                    && view(ceiling, class) == ContentMode::Raw
                    && grant(policy, &subject, now).mode == ContentMode::Raw
            })
            .cloned()
            .collect();
        if let Value::Object(members) = data
            && !kept.is_empty()
        {
            members.push(("disclosures".to_owned(), Value::Array(kept)));
        }
    }
    envelope.to_canonical().map_err(|e| Error::verification(e.message()))
}

fn part_of<'a>(data: &'a Value, disclosure: &Value) -> Option<&'a Value> {
    let index = usize::try_from(disclosure.get("part")?.as_i64()?).ok()?;
    data.get("content")?.items().get(index)
}

/// Whether the sealed window and today's are both open, under the redaction policy that has run.
fn windows_open(
    data: &Value,
    policy: Option<&ContentPolicy>,
    time: Option<UnixNanos>,
    now: UnixNanos,
) -> bool {
    let (Some(policy), Some(capture), Some(time)) = (policy, data.get("capture"), time) else { return false };
    let (Some(retention), Some(redaction)) = (&policy.retention, &policy.redaction) else { return false };
    let sealed = capture
        .get("retention")
        .and_then(|r| r.get("until"))
        .and_then(Value::as_str)
        .and_then(parse_time)
        .is_some_and(|until| now < until);
    let window = i64::try_from(retention.window.as_nanos()).unwrap_or(i64::MAX);
    let redacted = capture.get("redaction_policy").and_then(Value::as_str) == Some(redaction.id.as_str());
    sealed && now < time.saturating_add(window) && redacted
}
