//! What an emitter measures about itself, once: as instruments for a host's OpenTelemetry meter, and as
//! Prometheus text.

use std::fmt::Write as _;

use crate::lane::{Counters, Health};
use crate::policy::telemetry::escape_label;

/// What kind of instrument a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl MetricKind {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A metric with what it reads now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// As OpenTelemetry names instruments: `sinkwell.lane.admitted`.
    pub name: String,
    /// Its kind.
    pub kind: MetricKind,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// What it counts.
    pub description: &'static str,
    /// A value for each set of attributes.
    pub points: Vec<MetricPoint>,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricPoint {
    /// Attributes: `lane`, `reason`, `state`.
    pub attributes: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

/// Unit and description of a counter's field.
fn about(field: &str) -> (&'static str, &'static str) {
    match field {
        "admitted" => ("{event}", "Events that the lane was to deliver"),
        "delivered" => ("{event}", "Events that the sink acknowledged"),
        "dropped" => ("{event}", "Events lost without having been refused"),
        "rejected" => ("{event}", "Events that the sink refused, or that could not be put into its form"),
        "pending" => ("{event}", "Events that the lane holds, in flight included"),
        "filtered" => ("{event}", "Events that a policy kept out of the lane"),
        "sealed" => ("{event}", "Events sealed"),
        "journaled" => ("{event}", "Events that the lane's journal has"),
        "retried" => ("{event}", "Deliveries of an event beyond its first"),
        "own" => ("{envelope}", "Envelopes about sinkwell itself that the sink acknowledged"),
        "bytes" => ("By", "Bytes of envelopes that the sink acknowledged"),
        _ => ("ms", "Age of the oldest event that waits in the lane's queue"),
    }
}

pub(super) fn metrics(
    counters: &[(String, Counters)],
    health: &[(String, Health)],
    refused: u64,
) -> Vec<Metric> {
    let lane = |lane: &String| ("lane", lane.clone());
    let mut all = Vec::new();
    for (i, (field, _)) in Counters::default().fields().into_iter().enumerate() {
        let (unit, description) = about(field);
        let gauge = matches!(field, "pending" | "oldest_pending_ms");
        all.push(Metric {
            name: format!("sinkwell.lane.{field}"),
            kind: if gauge { MetricKind::Gauge } else { MetricKind::Counter },
            unit,
            description,
            points: counters
                .iter()
                .map(|(id, c)| MetricPoint { attributes: vec![lane(id)], value: c.fields()[i].1 })
                .collect(),
        });
    }
    let about_reasons = [
        "Events lost without having been refused, by reason",
        "Events refused, by reason",
        "Events that a policy kept out of the lane, by reason",
    ];
    for (i, description) in about_reasons.into_iter().enumerate() {
        let (field, _) = &Counters::default().reasons()[i];
        let points = counters.iter().flat_map(|(id, c)| {
            let (_, reasons) = c.reasons()[i].clone();
            reasons.into_iter().map(|(reason, value)| MetricPoint {
                attributes: vec![lane(id), ("reason", reason.to_owned())],
                value,
            })
        });
        all.push(Metric {
            name: format!("sinkwell.lane.{field}"),
            kind: MetricKind::Counter,
            unit: "{event}",
            description,
            points: points.collect(),
        });
    }
    all.push(Metric {
        name: "sinkwell.lane.state".to_owned(),
        kind: MetricKind::Gauge,
        unit: "1",
        description: "1 for the state that the lane is in",
        points: health
            .iter()
            .map(|(id, h)| MetricPoint {
                attributes: vec![lane(id), ("state", h.state.name().to_owned())],
                value: 1,
            })
            .collect(),
    });
    all.push(Metric {
        name: "sinkwell.refused".to_owned(),
        kind: MetricKind::Counter,
        unit: "{event}",
        description: "Events that closed, backpressure and fail_closed kept out",
        points: vec![MetricPoint { attributes: Vec::new(), value: refused }],
    });
    all
}

/// The Prometheus text exposition format 0.0.4.
pub(super) fn prometheus(metrics: &[Metric]) -> String {
    let mut out = String::new();
    for metric in metrics {
        let suffix = if metric.kind == MetricKind::Counter { "_total" } else { "" };
        let name = format!("{}{suffix}", metric.name.replace('.', "_"));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", metric.description, metric.kind.name());
        for point in &metric.points {
            let labels: Vec<String> = point
                .attributes
                .iter()
                .map(|(key, value)| format!("{key}=\"{}\"", escape_label(value)))
                .collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(out, "{name}{labels} {}", point.value);
        }
    }
    out
}
