//! What the plain data comes to when emitter, lane and governance have all been heard.

use std::time::Duration;

use super::model::{Config, LaneConfig, QueueConfig};
use crate::sink::SinkClass;

impl Config {
    /// How often lanes tell their counters, `None` for never: the emitter's wish, made more frequent, but
    /// never less, by governance.
    #[must_use]
    pub fn heartbeat_every(&self) -> Option<Duration> {
        let governed = self.governance.as_ref().and_then(|governance| governance.heartbeat);
        [self.heartbeat, governed].into_iter().flatten().min()
    }
}

/// What a lane's queue holds, after lane and emitter have both been heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueCapacity {
    /// Most events.
    pub events: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Events that only terminal ones may fill.
    pub reserved_events: usize,
    /// Bytes that only terminal events may fill.
    pub reserved_bytes: usize,
}

/// Default of `queue.events`.
pub const DEFAULT_QUEUE_EVENTS: usize = 10_000;
/// Default of `queue.bytes`: 64 MiB.
pub const DEFAULT_QUEUE_BYTES: usize = 64 << 20;

impl LaneConfig {
    /// The lane's queue under the emitter's `ceilings`: the lower of the two capacities, the higher of the
    /// two reserves, at most the capacity. A lane that says nothing says the default, which a higher ceiling
    /// does not raise; without any wish the reserve is 1/16, at least one event.
    #[must_use]
    pub fn capacity(&self, ceilings: &QueueConfig) -> QueueCapacity {
        let lower = |lane: Option<usize>, ceiling: Option<usize>, default| {
            lane.unwrap_or(default).min(ceiling.unwrap_or(usize::MAX))
        };
        let events = lower(self.queue.events, ceilings.events, DEFAULT_QUEUE_EVENTS);
        let bytes = lower(self.queue.bytes, ceilings.bytes, DEFAULT_QUEUE_BYTES);
        let reserve = self.queue.terminal_reserve.max(ceilings.terminal_reserve);
        QueueCapacity {
            events,
            bytes,
            reserved_events: reserve.unwrap_or((events / 16).max(1)).min(events),
            reserved_bytes: if reserve == Some(0) { 0 } else { bytes / 16 },
        }
    }

    /// Whether nothing may be lost here unless governance allows it: the lane is for `audit` or `siem`.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        is_evidence(&self.classes)
    }
}

/// Whether one of the classes is `audit` or `siem`.
pub(super) fn is_evidence(classes: &[SinkClass]) -> bool {
    classes.iter().any(|class| matches!(class, SinkClass::Audit | SinkClass::Siem))
}
