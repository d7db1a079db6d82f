//! What instruments read at one moment, and what sends that on.

use std::time::Duration;

use super::Failure;
use crate::seam::UnixNanos;

/// The attribute of the point that holds what went beyond an instrument's limit: OpenTelemetry's.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// What an instrument is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReadingKind {
    /// A sum that only grows.
    Sum,
    /// A value that comes and goes.
    Gauge,
    /// How values are distributed, by where the buckets end.
    Histogram(Box<[f64]>),
}

/// What an instrument reads, since it began.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) kind: ReadingKind,
    /// Whether it has counted whole numbers only.
    pub(crate) whole: bool,
    /// Whether it is looked up for a reading, and not counted as it happens: an asynchronous instrument.
    pub(crate) observed: bool,
    /// When it began at 0.
    pub(crate) since: UnixNanos,
    pub(crate) points: Vec<Point>,
}

/// What it reads for one set of attributes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) attributes: Vec<(String, String)>,
    /// Of a histogram the sum.
    pub(crate) value: f64,
    /// Of a histogram: how many values.
    pub(crate) count: u64,
    /// Of a histogram: how many in each bucket; the last is open.
    pub(crate) buckets: Box<[u64]>,
}

/// Sends readings to a receiver.
pub(crate) trait Reporter: Send {
    /// Sends what instruments read at `now`; ends within `limit`. What is not there then goes with the next reading, as a
    /// reading is of everything since an instrument began.
    fn report(&mut self, readings: &[Reading], now: UnixNanos, limit: Duration) -> Result<(), Failure>;
}
