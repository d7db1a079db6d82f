//! What flush, shutdown and metrics say.

use std::fmt::Write as _;

use super::Inner;
use crate::lane::{Counters, Health, Reason, StateRecord};

/// Where what is left lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Nothing is left.
    None,
    /// In this process only.
    Memory,
    /// In the journal: the next process sends it.
    Journal,
}

impl Where {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Memory => "memory",
            Self::Journal => "journal",
        }
    }
}

/// What a lane has delivered and still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneReport {
    /// Events delivered since the emitter was opened.
    pub delivered: u64,
    /// Events still held.
    pub pending: u64,
    /// Where they are.
    pub place: Where,
}

/// What one `drain` did.
#[derive(Clone, Debug)]
pub struct Drained {
    /// Events delivered.
    pub count: u64,
    /// Changes of the lane's state on the way.
    pub records: Vec<StateRecord>,
}

impl Inner {
    pub(super) fn report(&self) -> Vec<(String, LaneReport)> {
        let one = |lane: &std::sync::Arc<crate::lane::Lane>| {
            let counters = lane.counters();
            let place = match (counters.pending, lane.durable()) {
                (0, _) => Where::None,
                (_, true) => Where::Journal,
                (_, false) => Where::Memory,
            };
            (
                lane.id().to_owned(),
                LaneReport { delivered: counters.delivered, pending: counters.pending, place },
            )
        };
        self.bus.lanes().iter().map(one).collect()
    }
}

/// Counters and states in the Prometheus text exposition format 0.0.4.
pub(super) fn prometheus(
    counters: &[(String, Counters)],
    health: &[(String, Health)],
    refused: u64,
) -> String {
    let mut out = String::new();
    let gauges = ["pending", "oldest_pending_ms"];
    for (i, (name, _)) in Counters::default().fields().into_iter().enumerate() {
        let gauge = gauges.contains(&name);
        let (kind, suffix) = if gauge { ("gauge", "") } else { ("counter", "_total") };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# TYPE sinkwell_lane_{name}{suffix} {kind}");
        for (lane, counters) in counters {
            let value = counters.fields()[i].1;
            let _ = writeln!(out, "sinkwell_lane_{name}{suffix}{{lane=\"{}\"}} {value}", escape(lane));
        }
    }
    for name in ["dropped_by", "rejected_by"] {
        let _ = writeln!(out, "# TYPE sinkwell_lane_{name}_total counter");
        for (lane, counters) in counters {
            let by: Vec<(Reason, u64)> = if name == "dropped_by" {
                counters.dropped_by().collect()
            } else {
                counters.rejected_by().collect()
            };
            for (reason, n) in by {
                let (lane, reason) = (escape(lane), reason.name());
                let _ =
                    writeln!(out, "sinkwell_lane_{name}_total{{lane=\"{lane}\",reason=\"{reason}\"}} {n}");
            }
        }
    }
    let _ = writeln!(out, "# TYPE sinkwell_lane_state gauge");
    for (lane, health) in health {
        let _ = writeln!(
            out,
            "sinkwell_lane_state{{lane=\"{}\",state=\"{}\"}} 1",
            escape(lane),
            health.state.name()
        );
    }
    let _ = writeln!(out, "# TYPE sinkwell_refused_total counter\nsinkwell_refused_total {refused}");
    out
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// See [`super::Emitter::authority_boundary`]: a JSON object.
pub(super) const AUTHORITY_BOUNDARY: &str = concat!(
    r#"{"may_change":[],"#,
    r#""never_changes":["event","policy decision","run outcome","side effect"],"#,
    r#""reaches_caller_by":["blocking","required sinks","receipts","counters","health"]}"#
);
