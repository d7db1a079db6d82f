//! What sinkwell says about itself: the data of own envelopes (docs/spec/events.md).

use std::sync::Arc;

use super::counters::Counters;
use super::health::{LaneState, StateRecord};
use super::loss::{Loss, LostRange, Reason};
use crate::envelope::push_sequence;
use crate::json::{JsonError, ObjectWriter};
use crate::key::SigningKey;
use crate::seam::{UnixNanos, Uuid, format_time};
use crate::settings::SignMode;
use crate::sink::{Announcement, EnvelopeHash, ErasedRange, SinkClass};
use crate::types::Severity;

/// Why a stream was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Start,
    Fork,
    Restart,
    Reopened,
    JournalFailed,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Fork => "fork",
            Self::Restart => "restart",
            Self::Reopened => "reopened",
            Self::JournalFailed => "journal_failed",
        }
    }
}

/// The last envelope known of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamHead {
    pub(crate) streamid: Uuid,
    pub(crate) sequence: u64,
    pub(crate) head: EnvelopeHash,
}

/// A stream in a checkpoint's list.
#[derive(Clone, Debug)]
pub(crate) struct StreamNote {
    pub(crate) agent: Arc<str>,
    pub(crate) state: StreamState,
    pub(crate) head: StreamHead,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamState {
    Open,
    Closed,
    Left,
}

impl StreamState {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Left => "left",
        }
    }
}

/// A loss as the `siem` and `audit` lanes are told of it, once per episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) lane: Arc<str>,
    pub(crate) reason: Reason,
    pub(crate) streamid: Option<Uuid>,
    pub(crate) count: u64,
    pub(crate) lost: Vec<LostRange>,
}

/// A required class has no healthy sink, or has one again; `action` is what the configuration demands then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) class: SinkClass,
    pub(crate) action: &'static str,
    pub(crate) recovered: bool,
}

/// What other parts of the emitter ask a lane to say. Notes merge: see [`merge`].
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Fact(Fact),
    State(StateRecord),
    Breach(Breach),
    /// Retention is about to turn these envelopes of the lane's audit chain into stubs.
    Retention {
        policy: String,
        ranges: Vec<ErasedRange>,
    },
    /// The root of an audit chain.
    TreeHead {
        lane: Arc<str>,
        size: u64,
        root: [u8; 32],
        note: String,
    },
}

impl Note {
    /// The note for what the sink of that lane announces.
    pub(crate) fn announced(announcement: Announcement, lane: &Arc<str>) -> Self {
        match announcement {
            Announcement::Retention { policy, ranges } => Self::Retention { policy, ranges },
            Announcement::TreeHead { size, root, note } => {
                Self::TreeHead { lane: Arc::clone(lane), size, root, note }
            }
        }
    }
}

/// How many ranges a fact names; its count stays exact beyond them.
const RANGES: usize = 1024;

/// Adds a note to the lane's pending ones, merging it where possible: lanes and reasons bound their number.
pub(crate) fn merge(notes: &mut Vec<Note>, note: Note) {
    for held in notes.iter_mut() {
        match (held, &note) {
            (Note::Fact(a), Note::Fact(b))
                if a.lane == b.lane && a.reason == b.reason && a.streamid == b.streamid =>
            {
                a.count += b.count;
                let room = RANGES.saturating_sub(a.lost.len());
                a.lost.extend(b.lost.iter().take(room));
                return;
            }
            (Note::State(a), Note::State(b)) if a.lane == b.lane => {
                let dropped = a.dropped + b.dropped;
                let preserved = a.terminal_preserved && b.terminal_preserved;
                *a = b.clone();
                a.dropped = dropped;
                a.terminal_preserved = preserved;
                return;
            }
            (Note::Breach(a), Note::Breach(b)) if a.class == b.class => {
                *a = b.clone();
                return;
            }
            (Note::TreeHead { lane: a, .. }, Note::TreeHead { lane: b, .. }) if a == b => {}
            _ => continue,
        }
    }
    notes.retain(|held| match (held, &note) {
        (Note::TreeHead { lane: a, .. }, Note::TreeHead { lane: b, .. }) => a != b,
        _ => true,
    });
    notes.push(note);
}

/// An own envelope's type, severity and data.
pub(crate) struct Body {
    pub(crate) event_type: &'static str,
    pub(crate) severity: Severity,
    pub(crate) data: Box<[u8]>,
}

/// Writes one object of strings, numbers and lists. What we write ourselves has no NaN and no duplicate
/// key, so an error here is a defect, and yields the empty object rather than a panic.
fn object(write: impl FnOnce(&mut ObjectWriter) -> Result<(), JsonError>) -> Box<[u8]> {
    let mut w = ObjectWriter::new();
    let written = w.begin_object().and_then(|()| write(&mut w)).and_then(|()| w.end_object());
    debug_assert!(written.is_ok(), "{written:?}");
    w.finish().map_or_else(|_| (*b"{}").into(), |done| done.bytes().into())
}

fn text(w: &mut ObjectWriter, key: &str, value: &str) -> Result<(), JsonError> {
    w.key(key)?;
    w.string(value)
}

fn number(w: &mut ObjectWriter, key: &str, value: u64) -> Result<(), JsonError> {
    w.key(key)?;
    w.int(i128::from(value))
}

/// A sequence as envelopes write it.
fn sequence(w: &mut ObjectWriter, key: &str, value: u64) -> Result<(), JsonError> {
    let mut digits = Vec::with_capacity(20);
    push_sequence(&mut digits, value);
    text(w, key, std::str::from_utf8(&digits).unwrap_or_default())
}

fn hex(w: &mut ObjectWriter, key: &str, value: &[u8]) -> Result<(), JsonError> {
    text(w, key, &crate::hex::text(value))
}

fn uuid(w: &mut ObjectWriter, key: &str, value: Uuid) -> Result<(), JsonError> {
    text(w, key, std::str::from_utf8(&value.encode()).unwrap_or_default())
}

fn head(w: &mut ObjectWriter, head: &StreamHead) -> Result<(), JsonError> {
    uuid(w, "streamid", head.streamid)?;
    sequence(w, "sequence", head.sequence)?;
    hex(w, "head", &head.head)
}

fn list<T>(
    w: &mut ObjectWriter,
    key: &str,
    items: &[T],
    mut each: impl FnMut(&mut ObjectWriter, &T) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    w.key(key)?;
    w.begin_array()?;
    for item in items {
        w.begin_object()?;
        each(w, item)?;
        w.end_object()?;
    }
    w.end_array()
}

fn lost(w: &mut ObjectWriter, ranges: &[LostRange]) -> Result<(), JsonError> {
    list(w, "lost", ranges, |w, range| {
        sequence(w, "from", range.from)?;
        sequence(w, "to", range.to)?;
        if let Some(prev) = &range.prev {
            hex(w, "prev", prev)?;
        }
        if let Some(streamid) = range.streamid {
            uuid(w, "streamid", streamid)?;
        }
        if range.maybe {
            w.key("maybe")?;
            w.bool(true)?;
        }
        Ok(())
    })
}

fn audit_chain(data: Box<[u8]>) -> Body {
    Body { event_type: "audit.chain", severity: Severity::Info, data }
}

/// `audit.chain` `opened`
pub(crate) fn opened(
    why: Why,
    lane: &str,
    classes: &[SinkClass],
    key: Option<&SigningKey>,
    follows: Option<&StreamHead>,
) -> Body {
    audit_chain(object(|w| {
        text(w, "action", "opened")?;
        text(w, "why", why.name())?;
        text(w, "sign", key.map_or("none", |key| key.mode().name()))?;
        text(w, "lane", lane)?;
        w.key("classes")?;
        w.begin_array()?;
        for class in classes {
            w.string(class.name())?;
        }
        w.end_array()?;
        text(w, "version", env!("CARGO_PKG_VERSION"))?;
        if let Some(follows) = follows {
            w.key("follows")?;
            w.begin_object()?;
            head(w, follows)?;
            w.end_object()?;
        }
        Ok(())
    }))
}

/// `audit.chain` `checkpoint` or `closed`: about the envelope before it.
pub(crate) fn checkpoint(
    action: &str,
    lane: &str,
    before: &StreamHead,
    time: UnixNanos,
    streams: Option<&[StreamNote]>,
) -> Body {
    audit_chain(object(|w| {
        text(w, "action", action)?;
        text(w, "lane", lane)?;
        head(w, before)?;
        let mut at = Vec::with_capacity(30);
        format_time(&mut at, time);
        text(w, "time", std::str::from_utf8(&at).unwrap_or_default())?;
        if let Some(streams) = streams {
            list(w, "streams", streams, |w, stream| {
                text(w, "agentid", &stream.agent)?;
                text(w, "state", stream.state.name())?;
                head(w, &stream.head)
            })?;
        }
        Ok(())
    }))
}

/// `audit.chain` `key_retiring` or `key_active`: about the other key.
pub(crate) fn key_change(action: &str, keyid: &str, sign: Option<SignMode>, other: &SigningKey) -> Body {
    use base64::Engine as _;
    audit_chain(object(|w| {
        text(w, "action", action)?;
        if let Some(sign) = sign {
            text(w, "sign", sign.name())?;
        }
        text(w, "keyid", keyid)?;
        text(w, "other", other.id())?;
        text(w, "alg", other.algorithm().name())?;
        if let Some(spki) = other.public().and_then(|key| key.spki_der()) {
            text(w, "spki", &base64::engine::general_purpose::STANDARD.encode(spki))?;
        }
        if let Some(digest) = other.hmac_sha256() {
            hex(w, "sha256", digest)?;
        }
        Ok(())
    }))
}

/// `policy.breach` for a loss in this lane. `ranges` holds the lost sequences, skipped ones included.
pub(crate) fn loss(lane: &str, loss: &Loss, ranges: &[LostRange], agent: Option<&str>) -> Body {
    let data = object(|w| {
        text(w, "reason", loss.reason.name())?;
        number(w, "count", loss.count)?;
        text(w, "lane", lane)?;
        if let Some(agent) = agent {
            text(w, "agentid", agent)?;
        }
        if !ranges.is_empty() {
            lost(w, ranges)?;
        }
        Ok(())
    });
    Body { event_type: "policy.breach", severity: Severity::Error, data }
}

/// `sink.failed`, `sink.recovered`
fn state(record: &StateRecord) -> Body {
    let recovered = record.failure.is_none() && record.state == LaneState::Healthy;
    let data = object(|w| {
        text(w, "lane", &record.lane)?;
        text(w, "kind", record.kind)?;
        text(w, "state", record.state.name())?;
        if let Some(failure) = record.failure {
            text(w, "failure", failure.name())?;
        }
        text(w, "summary", &record.summary)?;
        w.key("terminal_preserved")?;
        w.bool(record.terminal_preserved)?;
        number(w, "dropped", record.dropped)?;
        for (key, cursor) in [("acked", &record.acked), ("repair", &record.repair)] {
            if let Some(cursor) = cursor {
                w.key(key)?;
                w.begin_object()?;
                uuid(w, "streamid", cursor.streamid)?;
                sequence(w, "sequence", cursor.sequence)?;
                number(w, "export", cursor.export)?;
                w.end_object()?;
            }
        }
        if let Some(why) = record.unsafe_replay {
            text(w, "unsafe_replay", why)?;
        }
        Ok(())
    });
    Body {
        event_type: if recovered { "sink.recovered" } else { "sink.failed" },
        severity: if recovered { Severity::Info } else { Severity::Error },
        data,
    }
}

pub(crate) fn note(note: &Note, own_lane: &str) -> Body {
    match note {
        Note::State(record) => state(record),
        Note::Fact(fact) => Body {
            event_type: "policy.breach",
            severity: Severity::Error,
            data: object(|w| {
                text(w, "reason", fact.reason.name())?;
                number(w, "count", fact.count)?;
                text(w, "lane", &fact.lane)?;
                if let Some(streamid) = fact.streamid {
                    uuid(w, "streamid", streamid)?;
                }
                if !fact.lost.is_empty() {
                    lost(w, &fact.lost)?;
                }
                Ok(())
            }),
        },
        Note::Breach(breach) => Body {
            event_type: "policy.breach",
            severity: if breach.recovered { Severity::Info } else { Severity::Error },
            data: object(|w| {
                let reason =
                    if breach.recovered { "required_sink_recovered" } else { "required_sink_unavailable" };
                text(w, "reason", reason)?;
                text(w, "rule", &format!("required_sinks.{}", breach.class.name()))?;
                text(w, "action", breach.action)
            }),
        },
        Note::Retention { policy, ranges } => audit_chain(object(|w| {
            text(w, "action", "retention")?;
            text(w, "lane", own_lane)?;
            text(w, "policy", policy)?;
            list(w, "ranges", ranges, |w, range| {
                text(w, "agentid", &range.agentid)?;
                uuid(w, "streamid", range.streamid)?;
                sequence(w, "from", range.from)?;
                sequence(w, "to", range.to)
            })
        })),
        Note::TreeHead { lane, size, root, note } => audit_chain(object(|w| {
            text(w, "action", "tree_head")?;
            text(w, "lane", lane)?;
            number(w, "size", *size)?;
            hex(w, "root", root)?;
            text(w, "note", note)
        })),
    }
}

pub(crate) fn heartbeat(lane: &str, state: LaneState, counters: &Counters, heads: &[StreamHead]) -> Body {
    let data = object(|w| {
        text(w, "lane", lane)?;
        text(w, "state", state.name())?;
        w.key("counters")?;
        counters.write(w)?;
        list(w, "heads", heads, head)
    });
    Body { event_type: "heartbeat", severity: Severity::Info, data }
}
