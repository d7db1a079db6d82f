//! What sinkwell's own envelopes say (docs/spec/events.md, "Own envelopes").

use std::borrow::Cow;

use super::ranges::Range;
use super::short::Short;
use crate::envelope::line::{Envelope, sequence};
use crate::json::{Value, parse};
use crate::seam::Uuid;

/// A statement that a stream holds, at `sequence`, the envelope with this hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimedHead {
    pub(super) streamid: Uuid,
    pub(super) sequence: u64,
    pub(super) hash: u64,
}

/// A head, and the agent whose stream it is said to be.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) head: ClaimedHead,
    pub(super) agentid: Option<Box<str>>,
}

/// Which envelopes of a stream are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    None,
    Each,
    Batch,
}

/// A range of a loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct LostRange {
    /// The stream, if the range names one.
    pub(super) streamid: Option<Uuid>,
    pub(super) range: Range,
    pub(super) maybe: bool,
    /// The hash before the first of them.
    pub(super) prev: Option<u64>,
}

/// A range that retention erases.
#[derive(Clone, Debug)]
pub(super) struct ErasedRange {
    pub(super) streamid: Uuid,
    pub(super) agentid: Box<str>,
    pub(super) range: Range,
}

/// What an own envelope says, as far as it concerns a verifier.
#[derive(Debug)]
pub(super) enum Own {
    /// The stream begins.
    Opened { lane: Option<String>, follows: Option<ClaimedHead>, sign: Option<Mode> },
    /// Where streams stood.
    Checkpoint { lane: Option<String>, heads: Vec<Named>, closed: bool },
    /// Where the other streams of the lane stand.
    Heartbeat { lane: Option<String>, heads: Vec<Named> },
    /// A key signs nothing more.
    KeyRetiring { keyid: Option<String> },
    /// Another key signs from here on.
    KeyActive { sign: Option<Mode> },
    /// What retention removed.
    Retention { ranges: Vec<ErasedRange> },
    /// What was lost.
    Loss {
        reason: String,
        count: u64,
        lane: Option<String>,
        streamid: Option<Uuid>,
        /// The agent that had emitted the events, if it is not the agent of the stream that declares the loss.
        agentid: Option<Box<str>>,
        ranges: Vec<LostRange>,
    },
    /// Anything else.
    Other,
}

/// Reasons of a loss (docs/spec/events.md).
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
pub(super) fn read(envelope: &Envelope<'_>, short: &Short) -> Own {
    let Ok(data) = parse(envelope.data) else { return Own::Other };
    let lane = text(&data, "lane").map(Cow::into_owned);
    // The prefix of built-in types is configurable.
    let is = |name: &str| envelope.event_type.ends_with(name);
    if is("audit.chain") {
        return chain(&data, lane, short);
    }
    if is("heartbeat") {
        let heads = data.get("heads").map_or(&[][..], Value::items);
        return Own::Heartbeat {
            lane,
            heads: heads.iter().filter_map(|value| named(value, short)).collect(),
        };
    }
    if is("policy.breach") {
        return loss(&data, lane, short).unwrap_or(Own::Other);
    }
    Own::Other
}

fn chain(data: &Value, lane: Option<String>, short: &Short) -> Own {
    let action = text(data, "action").unwrap_or_default();
    match &*action {
        "opened" => {
            let follows = data.get("follows").and_then(|value| head(value, short));
            Own::Opened { lane, follows, sign: mode(data) }
        }
        "checkpoint" | "closed" => {
            let streams = data.get("streams").map_or(&[][..], Value::items);
            let own = head(data, short).map(|head| Named { head, agentid: None });
            let heads =
                own.into_iter().chain(streams.iter().filter_map(|value| named(value, short))).collect();
            Own::Checkpoint { lane, heads, closed: action == "closed" }
        }
        "key_retiring" => Own::KeyRetiring { keyid: text(data, "keyid").map(Cow::into_owned) },
        "key_active" => Own::KeyActive { sign: mode(data) },
        "retention" => {
            let ranges = data.get("ranges").map_or(&[][..], Value::items);
            let ranges = ranges.iter().filter_map(|range| {
                let agentid = text(range, "agentid")?.into();
                Some(ErasedRange { streamid: stream(range)?, agentid, range: bounds(range)? })
            });
            Own::Retention { ranges: ranges.collect() }
        }
        _ => Own::Other,
    }
}

fn loss(data: &Value, lane: Option<String>, short: &Short) -> Option<Own> {
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
            let prev = hash(range, "prev").map(|prev| short.of(&prev));
            Some(LostRange { streamid: stream(range), range: bounds(range)?, maybe, prev })
        })
        .collect();
    let count = count.unwrap_or_else(|| {
        ranges
            .iter()
            .filter(|range| !range.maybe)
            .fold(0, |n: u64, range| n.saturating_add(super::ranges::len(range.range)))
    });
    let agentid = text(data, "agentid").map(|agent| agent.into());
    Some(Own::Loss { reason, count, lane, streamid: stream(data), agentid, ranges })
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

fn hash(value: &Value, key: &str) -> Option<[u8; 32]> {
    crate::hex::read(value.get(key).and_then(Value::as_str)?.as_bytes())
}

fn head(value: &Value, short: &Short) -> Option<ClaimedHead> {
    let hash = short.of(&hash(value, "head")?);
    Some(ClaimedHead { streamid: stream(value)?, sequence: number(value, "sequence")?, hash })
}

fn named(value: &Value, short: &Short) -> Option<Named> {
    let agentid = text(value, "agentid").map(|agent| agent.into());
    Some(Named { head: head(value, short)?, agentid })
}

fn mode(data: &Value) -> Option<Mode> {
    match text(data, "sign")?.as_ref() {
        "none" => Some(Mode::None),
        "each" => Some(Mode::Each),
        "batch" => Some(Mode::Batch),
        _ => None,
    }
}

/// The points at which declared ranges of this stream continue the chain: the first number of each range, and the hash
/// before it.
pub(super) fn bridges(ranges: &[LostRange]) -> Vec<(u64, u64)> {
    let of_this = ranges.iter().filter(|range| range.streamid.is_none());
    of_this.filter_map(|range| Some((range.range.0, range.prev?))).collect()
}

impl Own {
    /// The memory that it takes while it waits for a signature, in bytes, roughly.
    pub(super) fn size(&self) -> usize {
        let many = match self {
            Self::Checkpoint { heads, .. } | Self::Heartbeat { heads, .. } => {
                heads.iter().map(|named| 64 + named.agentid.as_ref().map_or(0, |agent| agent.len())).sum()
            }
            Self::Retention { ranges } => ranges.iter().map(|range| 64 + range.agentid.len()).sum(),
            Self::Loss { ranges, reason, agentid, .. } => {
                ranges.len() * 64 + reason.len() + agentid.as_ref().map_or(0, |agent| agent.len())
            }
            _ => 0,
        };
        192 + many
    }
}
