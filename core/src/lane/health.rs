//! A lane's health, and the record of each change.

use std::sync::Arc;

use crate::seam::{UnixNanos, Uuid};
use crate::sink::{Failure, FailureKind};

/// The state of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaneState {
    /// Nothing has been acknowledged yet.
    Starting,
    /// The sink takes what it is given.
    Healthy,
    /// A delivery failed and is tried again.
    Degraded,
    /// The breaker is open, the queue overflowed under `fail_sink`, or the sink refuses for good.
    Failed,
    /// Shut down.
    Closed,
}

impl LaneState {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// How far a lane's sink has acknowledged: moves only on acknowledgement, and only contiguously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream of the last envelope.
    pub streamid: Uuid,
    /// Its number there.
    pub sequence: u64,
    /// How many envelopes the lane has exported.
    pub export: u64,
}

/// A lane's health, as only the host sees it.
#[derive(Clone, Debug)]
pub struct Health {
    /// The state.
    pub state: LaneState,
    /// Since when.
    pub since: UnixNanos,
    /// The kind of the last failure; cleared when the sink works again.
    pub failure: Option<FailureKind>,
    /// The failure in a few words, as records of it say.
    pub summary: Option<String>,
    /// What the sink itself said about it: bounded in length, and only for the host.
    pub detail: Option<String>,
    /// How far the sink has acknowledged.
    pub acked: Option<Cursor>,
    /// What was said when acknowledged envelopes turned out to be perhaps lost, for the record of the recovery.
    pub(crate) lost: Option<String>,
}

impl Health {
    pub(crate) fn new(now: UnixNanos) -> Self {
        Self {
            state: LaneState::Starting,
            since: now,
            failure: None,
            summary: None,
            detail: None,
            acked: None,
            lost: None,
        }
    }

    /// Notes a failure; answers whether the state changed.
    pub(crate) fn fail(&mut self, state: LaneState, failure: &Failure, now: UnixNanos) -> bool {
        self.note(failure);
        if failure.lost {
            self.lost = Some(failure.summary.clone());
        }
        self.turn(state, now)
    }

    /// Notes a failure that changes no state, such as one refused envelope.
    pub(crate) fn note(&mut self, failure: &Failure) {
        self.failure = Some(failure.kind);
        self.summary = Some(failure.summary.clone());
        self.detail.clone_from(&failure.detail);
    }

    /// Notes that the sink works; answers whether the state changed.
    pub(crate) fn recover(&mut self, now: UnixNanos) -> bool {
        self.failure = None;
        self.summary = None;
        self.detail = None;
        self.turn(LaneState::Healthy, now)
    }

    pub(crate) fn turn(&mut self, state: LaneState, now: UnixNanos) -> bool {
        let changed = self.state != state;
        if changed {
            self.state = state;
            self.since = now;
        }
        changed
    }
}

/// `sink.failed` and `sink.recovered`: one change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord {
    /// The lane.
    pub lane: Arc<str>,
    /// The kind of sink.
    pub kind: &'static str,
    /// The state it is in now.
    pub state: LaneState,
    /// Why.
    pub failure: Option<FailureKind>,
    /// A redacted summary.
    pub summary: String,
    /// Whether every terminal event is still held or delivered.
    pub terminal_preserved: bool,
    /// Events dropped since the last record.
    pub dropped: u64,
    /// The last acknowledged cursor.
    pub acked: Option<Cursor>,
    /// From where a repair would have to export again, when a durable source exists.
    pub repair: Option<Cursor>,
    /// Why sending again would be unsafe.
    pub unsafe_replay: Option<&'static str>,
}
