//! What an emitter measures about itself, once: as instruments for a host's OpenTelemetry meter, and as
//! Prometheus text.

use std::fmt::Write as _;

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;

use crate::lane::{Bus, Counters, Health};
use crate::policy::telemetry::{Bound, Instrument, Provider, Registry, escape_label};
use crate::seam::UnixNanos;
use crate::sink::{FIELDS, Point, Reading, ReadingKind};
use crate::sync::atomic::{AtomicU64, Ordering};

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

/// What is read for metrics. It keeps no emitter alive.
#[derive(Clone)]
pub(super) struct Gauges {
    pub(super) bus: Weak<Bus>,
    pub(super) refused: Arc<AtomicU64>,
    pub(super) instruments: Arc<Registry>,
    pub(super) policies: Arc<ArcSwapOption<Bound>>,
    /// When the emitter was opened.
    pub(super) since: UnixNanos,
}

impl Gauges {
    /// What the emitter says of itself.
    pub(super) fn own(&self) -> Vec<Metric> {
        let lanes = self.bus.upgrade().map(|bus| bus.lanes()).unwrap_or_default();
        let counters: Vec<_> = lanes.iter().map(|lane| (lane.id().to_owned(), lane.counters())).collect();
        let health: Vec<_> = lanes.iter().map(|lane| (lane.id().to_owned(), lane.health())).collect();
        metrics(&counters, &health, self.refused.load(Ordering::Relaxed))
    }

    /// The Prometheus text exposition format 0.0.4.
    pub(super) fn prometheus(&self) -> String {
        prometheus(&self.own()) + &self.instruments.prometheus()
    }

    /// What is to be sent where: the instruments that policies name, and what the emitter says of itself.
    pub(super) fn sent(&self) -> Vec<(Provider, Vec<Reading>)> {
        let Some(policies) = self.policies.load_full() else { return Vec::new() };
        let with_own = |(provider, instruments): (Provider, Vec<_>)| {
            let own = self.own().into_iter().map(|metric| reading(metric, self.since));
            let derived = instruments.iter().map(|instrument: &Arc<Instrument>| instrument.reading());
            let all = derived.chain(own).filter(|reading| !reading.points.is_empty());
            (provider, all.collect())
        };
        policies.sent().into_iter().map(with_own).collect()
    }
}

fn reading(metric: Metric, since: UnixNanos) -> Reading {
    let point = |point: MetricPoint| Point {
        attributes: point.attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        #[allow(clippy::cast_precision_loss, reason = "counts up to 2^53 are exact")]
        value: point.value as f64,
        count: 0,
        buckets: Box::default(),
    };
    Reading {
        name: metric.name,
        unit: metric.unit.to_owned(),
        description: metric.description.to_owned(),
        kind: if metric.kind == MetricKind::Counter { ReadingKind::Sum } else { ReadingKind::Gauge },
        whole: true,
        observed: true,
        since,
        points: metric.points.into_iter().map(point).collect(),
    }
}

fn metrics(counters: &[(String, Counters)], health: &[(String, Health)], refused: u64) -> Vec<Metric> {
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
    all.extend(moved(counters));
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

/// What sinks say that they move; nothing if none does.
fn moved(counters: &[(String, Counters)]) -> Vec<Metric> {
    let lanes: Vec<_> = counters.iter().filter_map(|(id, c)| Some((id, c.moved.as_ref()?))).collect();
    let mut all = Vec::new();
    for field in &FIELDS {
        let points = lanes.iter().filter_map(|(id, moved)| {
            let (_, value) = moved.fields.iter().find(|(name, _)| *name == field.name)?;
            Some(MetricPoint { attributes: vec![("lane", (*id).clone())], value: *value })
        });
        all.push(Metric {
            name: format!("sinkwell.sink.{}", field.name),
            kind: if field.counter { MetricKind::Counter } else { MetricKind::Gauge },
            unit: field.unit,
            description: field.about,
            points: points.collect(),
        });
    }
    let errors = lanes.iter().flat_map(|(id, moved)| {
        moved.errors.iter().map(|(code, reason, n)| MetricPoint {
            attributes: vec![
                ("lane", (*id).clone()),
                ("code", code.to_string()),
                ("reason", (*reason).to_owned()),
            ],
            value: *n,
        })
    });
    let errors: Vec<_> = errors.collect();
    all.retain(|metric| !metric.points.is_empty());
    if !all.is_empty() {
        all.push(Metric {
            name: "sinkwell.sink.errors".to_owned(),
            kind: MetricKind::Counter,
            unit: "{error}",
            description: "Failures, by the receiver's code (0: it said none) and kind",
            points: errors,
        });
    }
    all
}

/// The Prometheus text exposition format 0.0.4.
fn prometheus(metrics: &[Metric]) -> String {
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
