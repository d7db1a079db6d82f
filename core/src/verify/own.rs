//! What sinkwell's own envelopes say (events.md, "Own envelopes").

use std::borrow::Cow;

use super::envelope::{Envelope, hash_of_hex, sequence, short};
use super::ranges::Range;
use crate::json::{Value, parse};
use crate::seam::Uuid;

/// A statement that a stream holds, at `sequence`, the envelope with this hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) streamid: Uuid,
    pub(super) sequence: u64,
    pub(super) hash: u64,
}

/// A range of a loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct LostRange {
    /// The stream, if the range names one.
    pub(super) streamid: Option<Uuid>,
    pub(super) range: Range,
    pub(super) maybe: bool,
}

/// What an own envelope says, as far as it concerns a verifier.
#[derive(Debug)]
pub(super) enum Own {
    /// The stream begins.
    Opened { lane: Option<String>, follows: Option<Head> },
    /// Where streams stood.
    Checkpoint { lane: Option<String>, heads: Vec<Head>, closed: bool },
    /// Where the other streams of the lane stand.
    Heartbeat { lane: Option<String>, heads: Vec<Head> },
    /// The key that sealed it is used no more.
    KeyRetiring,
    /// What retention removed.
    Retention { ranges: Vec<(Uuid, Range)> },
    /// What was lost.
    Loss { reason: String, count: u64, lane: Option<String>, streamid: Option<Uuid>, ranges: Vec<LostRange> },
    /// Anything else.
    Other,
}

/// Reasons of a loss (events.md).
const REASONS: [&str; 8] = [
    "overflow",
    "reentrant",
    "too_large",
    "rejected",
    "gave_up",
    "uncertain",
    "journal_damage",
    "serialization",
];

/// Reads an envelope whose `origin` is `core`. The caller knows whether it may be believed.
pub(super) fn read(envelope: &Envelope<'_>) -> Own {
    let Ok(data) = parse(envelope.data) else { return Own::Other };
    let lane = text(&data, "lane").map(Cow::into_owned);
    // The prefix of built-in types is configurable.
    let is = |name: &str| envelope.event_type.ends_with(name);
    if is("audit.chain") {
        return chain(&data, lane);
    }
    if is("heartbeat") {
        let heads = data.get("heads").map_or(&[][..], Value::items);
        return Own::Heartbeat { lane, heads: heads.iter().filter_map(head).collect() };
    }
    if is("policy.breach") {
        return loss(&data, lane).unwrap_or(Own::Other);
    }
    Own::Other
}

fn chain(data: &Value, lane: Option<String>) -> Own {
    let action = text(data, "action").unwrap_or_default();
    match &*action {
        "opened" => Own::Opened { lane, follows: data.get("follows").and_then(head) },
        "checkpoint" | "closed" => {
            let streams = data.get("streams").map_or(&[][..], Value::items);
            let heads = head(data).into_iter().chain(streams.iter().filter_map(head)).collect();
            Own::Checkpoint { lane, heads, closed: action == "closed" }
        }
        "key_retiring" => Own::KeyRetiring,
        "retention" => {
            let ranges = data.get("ranges").map_or(&[][..], Value::items);
            let ranges = ranges.iter().filter_map(|range| Some((stream(range)?, bounds(range)?)));
            Own::Retention { ranges: ranges.collect() }
        }
        _ => Own::Other,
    }
}

fn loss(data: &Value, lane: Option<String>) -> Option<Own> {
    let reason = text(data, "reason")?.into_owned();
    let listed = data.get("lost").map(Value::items);
    let count = data.get("count").and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok());
    if listed.is_none() && !(count.is_some() && REASONS.contains(&reason.as_str())) {
        return None;
    }
    let ranges: Vec<LostRange> = listed
        .unwrap_or_default()
        .iter()
        .filter_map(|range| {
            let maybe = range.get("maybe").and_then(Value::as_bool) == Some(true);
            Some(LostRange { streamid: stream(range), range: bounds(range)?, maybe })
        })
        .collect();
    let count = count.unwrap_or_else(|| {
        ranges.iter().filter(|range| !range.maybe).map(|range| super::ranges::len(range.range)).sum()
    });
    Some(Own::Loss { reason, count, lane, streamid: stream(data), ranges })
}

fn text<'a>(value: &'a Value, key: &str) -> Option<Cow<'a, str>> {
    value.get(key).and_then(Value::as_str).map(Cow::Borrowed)
}

fn stream(value: &Value) -> Option<Uuid> {
    value.get("streamid").and_then(Value::as_str).and_then(Uuid::parse)
}

fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_str).and_then(sequence)
}

fn bounds(value: &Value) -> Option<Range> {
    let range = (number(value, "from")?, number(value, "to")?);
    (range.0 <= range.1).then_some(range)
}

fn head(value: &Value) -> Option<Head> {
    let hash = value.get("head").and_then(Value::as_str)?;
    Some(Head {
        streamid: stream(value)?,
        sequence: number(value, "sequence")?,
        hash: short(&hash_of_hex(hash.as_bytes())?),
    })
}
