//! What instruments read, as OTLP metrics.
//!
//! Guarantees: values are cumulative, so a request that is lost or comes twice changes no sum, unless the user prefers
//! differences ([`temporality`](super::temporality)); points keep their
//! instrument's name, unit and buckets; no request is larger than the limit. What a receiver refuses is said, and the
//! next reading has it again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answer::Verdict;
use super::caller::Caller;
use super::env::{Env, Signal};
use super::request::{GRPC_PREFIX, grpc_prefix};
use super::semconv::Names;
use super::settings::Settings;
use super::temporality::{Telling, Temporality, Told};
use super::value::{Scalar, put_pair};
use super::wire::{field_len, fixed64_tag, len_tag, put_bytes, put_head, varint_len, varint_tag};
use super::{Facts, OtlpConfig, process_env};
use crate::error::Result;
use crate::seam::{SystemClock, UnixNanos};
use crate::sink::{Failure, OVERFLOW, Point, Reading, ReadingKind, Reporter};

/// `ExportMetricsServiceRequest.resource_metrics`, `ResourceMetrics.resource`, `ScopeMetrics.scope`
const FIRST: u8 = len_tag(1);
/// `ResourceMetrics.scope_metrics`, `ScopeMetrics.metrics`; of spans the same
pub(super) const SECOND: u8 = len_tag(2);
const SCHEMA_URL: u8 = len_tag(3);

const NAME: u8 = len_tag(1);
const DESCRIPTION: u8 = len_tag(2);
const UNIT: u8 = len_tag(3);
const GAUGE: u8 = len_tag(5);
const SUM: u8 = len_tag(7);
const HISTOGRAM: u8 = len_tag(9);

const DATA_POINTS: u8 = len_tag(1);
const TEMPORALITY: u8 = varint_tag(2);
const DELTA: u8 = 1;
const CUMULATIVE: u8 = 2;
const MONOTONIC: u8 = varint_tag(3);

const START: u8 = fixed64_tag(2);
const TIME: u8 = fixed64_tag(3);
/// `NumberDataPoint`
const AS_DOUBLE: u8 = fixed64_tag(4);
const AS_INT: u8 = fixed64_tag(6);
const ATTRIBUTES: u8 = len_tag(7);
/// `HistogramDataPoint`
const COUNT: u8 = fixed64_tag(4);
const TOTAL: u8 = fixed64_tag(5);
const BUCKETS: u8 = len_tag(6);
const BOUNDS: u8 = len_tag(7);
const OF_HISTOGRAM: u8 = len_tag(9);

/// Whole numbers up to here are the same as fractions.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Sends readings to one receiver.
pub(super) struct MetricsSender {
    caller: Caller,
    front: Front,
    told: Told,
}

/// What stands before and behind the metrics, or spans, of each request.
pub(super) struct Front {
    /// `resource` of `ResourceMetrics`, as a field.
    resource: Vec<u8>,
    /// `scope` of `ScopeMetrics`, as a field.
    scope: Vec<u8>,
    /// `schema_url` of both.
    schema: Vec<u8>,
    pub(super) limit: usize,
}

/// A sender to the receiver that a document and the variables for metrics name.
///
/// # Errors
/// As [`Settings::resolve`].
pub(in crate::sinks) fn reporter(config: &OtlpConfig, timeout: Duration) -> Result<Box<dyn Reporter>> {
    let settings =
        Settings::resolve_for(Signal::Metrics, config, &process_env, &Facts::of_process(), timeout)?;
    let preference = Temporality::of(&Env::of(&process_env, Signal::Metrics))?;
    Ok(Box::new(MetricsSender::new(settings, preference)?))
}

impl MetricsSender {
    pub(super) fn new(settings: Settings, preference: Temporality) -> Result<Self> {
        let front = Front::new(&settings);
        let caller = Caller::new(settings, Arc::new(SystemClock::default()))?;
        Ok(Self { caller, front, told: Told::new(preference) })
    }
}

impl Reporter for MetricsSender {
    fn report(&mut self, readings: &[Reading], now: UnixNanos, limit: Duration) -> Result<(), Failure> {
        let deadline = self.caller.deadline_within(limit);
        let mut partial = None;
        for (request, points) in requests(&self.front, &self.told.tell(readings), now) {
            match self.caller.call(request, 0, deadline) {
                Verdict::Accepted(_) => {}
                // Which points it refused the receiver does not say, and they must not be sent again.
                Verdict::Partial(_, failure) => partial = Some(failure),
                Verdict::Retry(failure, _) | Verdict::Refused(failure) | Verdict::Unread(failure) => {
                    return Err(failure);
                }
            }
            self.told.told(&points, now);
        }
        self.told.told_all(now);
        partial.map_or(Ok(()), Err)
    }
}

impl Front {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut resource = Vec::new();
        put_bytes(&mut resource, FIRST, &settings.resource.encode());
        let mut scope = Vec::new();
        put_bytes(&mut scope, len_tag(1), b"sinkwell");
        put_bytes(&mut scope, len_tag(2), env!("CARGO_PKG_VERSION").as_bytes());
        let mut scope_field = Vec::new();
        put_bytes(&mut scope_field, FIRST, &scope);
        let mut schema = Vec::new();
        put_bytes(&mut schema, SCHEMA_URL, Names::get().schema_url.as_bytes());
        Self { resource, scope: scope_field, schema, limit: settings.max_request_bytes }
    }

    /// Bytes of a request but for what it is about, at most.
    pub(super) fn room(&self) -> usize {
        self.resource.len() + self.scope.len() + 2 * self.schema.len() + 24
    }

    pub(super) fn request(&self, metrics: &[u8]) -> Bytes {
        let scoped = self.scope.len() + metrics.len() + self.schema.len();
        let resourced = self.resource.len() + 1 + varint_len(scoped) + scoped + self.schema.len();
        let message = field_len(resourced);
        let mut out = Vec::with_capacity(GRPC_PREFIX + message);
        out.extend_from_slice(&grpc_prefix(false, message));
        put_head(&mut out, FIRST, resourced);
        out.extend_from_slice(&self.resource);
        put_head(&mut out, SECOND, scoped);
        out.extend_from_slice(&self.scope);
        out.extend_from_slice(metrics);
        out.extend_from_slice(&self.schema);
        out.extend_from_slice(&self.schema);
        out.into()
    }
}

/// A request, and the points in it, each by its reading and its place there.
pub(super) type Request<'r> = (Bytes, Vec<(&'r Reading, usize)>);

/// The requests for what is to be told: each no larger than the limit, but for a point that alone exceeds it.
pub(super) fn requests<'r>(front: &Front, tellings: &[Telling<'r>], now: UnixNanos) -> Vec<Request<'r>> {
    let most = front.limit.saturating_sub(front.room());
    let mut all = Vec::new();
    let (mut metrics, mut held) = (Vec::new(), Vec::new());
    for telling in tellings {
        let reading = telling.reading;
        let head = reading.name.len() + reading.unit.len() + reading.description.len() + 64;
        let mut points: Vec<u8> = Vec::new();
        for (at, point, since) in &telling.points {
            let before = points.len();
            put_point(&mut points, reading, point, (*since, now));
            if metrics.len() + head + points.len() > most && (before > 0 || !metrics.is_empty()) {
                let last = points.split_off(before);
                if before > 0 {
                    put_metric(&mut metrics, telling, &points);
                }
                all.push((front.request(&metrics), std::mem::take(&mut held)));
                metrics.clear();
                points = last;
            }
            held.push((reading, *at));
        }
        if !points.is_empty() {
            put_metric(&mut metrics, telling, &points);
        }
    }
    if !metrics.is_empty() {
        all.push((front.request(&metrics), held));
    }
    all
}

fn put_metric(out: &mut Vec<u8>, telling: &Telling<'_>, points: &[u8]) {
    let reading = telling.reading;
    let temporality = if telling.delta { DELTA } else { CUMULATIVE };
    let mut data = points.to_vec();
    let tag = match reading.kind {
        ReadingKind::Gauge => GAUGE,
        ReadingKind::Sum => {
            data.extend_from_slice(&[TEMPORALITY, temporality, MONOTONIC, 1]);
            SUM
        }
        ReadingKind::Histogram(_) => {
            data.extend_from_slice(&[TEMPORALITY, temporality]);
            HISTOGRAM
        }
    };
    let mut metric = Vec::with_capacity(data.len() + 64);
    for (tag, text) in [(NAME, &reading.name), (DESCRIPTION, &reading.description), (UNIT, &reading.unit)] {
        if !text.is_empty() {
            put_bytes(&mut metric, tag, text.as_bytes());
        }
    }
    put_bytes(&mut metric, tag, &data);
    put_bytes(out, SECOND, &metric);
}

fn put_point(out: &mut Vec<u8>, reading: &Reading, point: &Point, (since, now): (UnixNanos, UnixNanos)) {
    let mut fields = Vec::with_capacity(128);
    let fixed = |fields: &mut Vec<u8>, tag: u8, bytes: [u8; 8]| {
        fields.push(tag);
        fields.extend_from_slice(&bytes);
    };
    if reading.kind != ReadingKind::Gauge {
        fixed(&mut fields, START, since.max(0).to_le_bytes());
    }
    fixed(&mut fields, TIME, now.max(0).to_le_bytes());
    let attributes = match &reading.kind {
        ReadingKind::Histogram(ends) => {
            fixed(&mut fields, COUNT, point.count.to_le_bytes());
            fixed(&mut fields, TOTAL, point.value.to_le_bytes());
            let counts: Vec<u8> = point.buckets.iter().flat_map(|count| count.to_le_bytes()).collect();
            put_bytes(&mut fields, BUCKETS, &counts);
            let ends: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
            put_bytes(&mut fields, BOUNDS, &ends);
            OF_HISTOGRAM
        }
        _ => {
            if reading.whole && point.value.abs() < EXACT {
                #[allow(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
                let whole = point.value as i64;
                fixed(&mut fields, AS_INT, whole.to_le_bytes());
            } else {
                fixed(&mut fields, AS_DOUBLE, point.value.to_le_bytes());
            }
            ATTRIBUTES
        }
    };
    for (key, value) in &point.attributes {
        let value = if key == OVERFLOW { Scalar::Bool(true) } else { Scalar::String(value.as_bytes()) };
        put_pair(&mut fields, attributes, key.as_bytes(), value);
    }
    put_bytes(out, DATA_POINTS, &fields);
}
