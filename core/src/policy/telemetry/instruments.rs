//! Metrics that are derived from events: `spec.metrics` of a policy.
//!
//! Guarantees: an event counts once, when it has entered its lanes, whatever is filtered or sampled out of them and
//! however often it is delivered, so that sums are exact and need no correction. No value of a dimension is shown that
//! the sealed event would not show. An instrument holds at most [`MAX_SERIES`] sets of dimensions, each of bounded size;
//! what is beyond counts under `otel.metric.overflow`. Nothing is allocated for a set of dimensions that is known, and
//! reading policies anew sets nothing back to zero.
//!
//! How: [`Derived`] is what a document says. An [`Instrument`] holds the values, in a [`Registry`] by name, and outlives
//! the set of policies that feeds it, for as long as the next one names it too.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::cel::{Machine, Program, Val};
use super::document::FieldValue;
use super::facts::Paths;
use super::raw::{Items, Raw};
use super::recordings::{Readers, Recording};
use crate::json::{self, write_f64};
use crate::seam::UnixNanos;
use crate::sink::{OVERFLOW, Point as Read, Reading, ReadingKind};
use crate::sync::{Mutex, lock};

/// Sets of dimensions of one instrument, as OpenTelemetry's SDKs limit them; one more holds what overflows.
pub(super) const MAX_SERIES: usize = 2000;
/// Bytes of a dimension's value; what is longer is cut.
const MAX_VALUE: usize = 256;
/// Where buckets end unless a policy says so: OpenTelemetry's.
pub(super) const BUCKETS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];
/// What an instrument is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A sum that only grows.
    Counter,
    /// How values are distributed, by where the buckets end.
    Histogram(Box<[f64]>),
}

/// An instrument that a policy derives.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) unit: String,
    pub(super) description: String,
    /// Absent: 1 for each event.
    pub(super) value: Option<Taken>,
    /// By key.
    pub(super) dimensions: Vec<(String, Taken)>,
}

/// `spec.metrics`
#[derive(Debug, Default)]
pub(super) struct Derived {
    pub(super) metrics: Vec<Metric>,
    /// Where they are sent, beside being read.
    pub(super) provider: Option<Provider>,
    /// What they ask for.
    pub(super) paths: Paths,
}

/// Where instruments are sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Provider {
    /// To where `OTEL_EXPORTER_OTLP_*` says.
    Environment,
    /// To where the sink of the lane with this id sends.
    Lane(String),
}

/// What an event adds to an instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    Some(f64),
    /// It says nothing of this instrument.
    None,
    /// The expression failed, or a counter would fall.
    Failed,
}

impl Metric {
    /// What an event adds.
    pub(super) fn amount<'p>(&'p self, machine: &Machine<'p>) -> Amount {
        let amount = match &self.value {
            None => 1.0,
            Some(value) => match value.value(machine) {
                Val::Bool(true) => 1.0,
                Val::Int(number) => number as f64,
                Val::Double(number) if number.is_finite() => number,
                Val::Fault(fault) if fault.is_failure() => return Amount::Failed,
                // `true` counts and `false` does not; what is absent or no number is about other events.
                _ => return Amount::None,
            },
        };
        if amount < 0.0 && self.kind == Kind::Counter { Amount::Failed } else { Amount::Some(amount) }
    }

    /// Writes the dimensions that the event has, each as its key and value behind their lengths.
    pub(super) fn write_key<'p>(&'p self, machine: &Machine<'p>, key: &mut Vec<u8>) {
        key.clear();
        for (name, value) in &self.dimensions {
            let start = key.len();
            push(key, name.as_bytes());
            if !with_text(value.value(machine), |text| push(key, text)) {
                key.truncate(start);
            }
        }
    }
}

/// Where a value or a dimension is taken from.
#[derive(Debug)]
pub(super) enum Taken {
    Number(f64),
    Text(String),
    /// What a slot of the paths holds.
    Slot(u16),
    Cel(Program),
}

impl Taken {
    /// `None` for a literal that is neither.
    pub(super) fn of(value: FieldValue) -> Option<Self> {
        Some(match value {
            FieldValue::Slot(slot) => Self::Slot(slot),
            FieldValue::Cel(program) => Self::Cel(program),
            FieldValue::Literal(literal) => match json::parse(&literal).ok()? {
                json::Value::String(text) => Self::Text(text),
                json::Value::Int(number) => Self::Number(number as f64),
                json::Value::Float(number) => Self::Number(number),
                json::Value::Bool(value) => Self::Text(value.to_string()),
                _ => return None,
            },
        })
    }

    fn value<'p>(&'p self, machine: &Machine<'p>) -> Val<'p> {
        match self {
            Self::Number(number) => Val::Double(*number),
            Self::Text(text) => Val::Text(text.as_bytes()),
            Self::Slot(slot) => machine.slot(*slot),
            Self::Cel(program) => machine.value(program),
        }
    }
}

/// Behind its length, so that no two lists of texts look alike.
fn push(key: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(text);
}

/// The texts of a key, in pairs.
pub(super) fn pairs(mut key: &[u8]) -> Vec<(String, String)> {
    let mut next = || {
        let (length, rest) = key.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        key = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let mut all = Vec::new();
    while let (Some(name), Some(value)) = (next(), next()) {
        all.push((name, value));
    }
    all
}

/// A value as the text of a dimension, bounded; whether it has one.
fn with_text(value: Val<'_>, take: impl FnOnce(&[u8])) -> bool {
    match value {
        Val::Text(text) => take(cut(text)),
        Val::Bool(value) => take(if value { b"true" } else { b"false" }),
        Val::Int(number) => take(itoa::Buffer::new().format(number).as_bytes()),
        Val::Double(number) if number.is_finite() => {
            let mut text = Vec::new();
            if write_f64(&mut text, number).is_err() {
                return false;
            }
            take(&text);
        }
        // OpenTelemetry writes a header as a list of its values: the first stands for it.
        Val::Array(list) => match Items::of(list).next().and_then(Raw::of) {
            Some(Raw::Text(text, false)) => take(cut(text)),
            _ => return false,
        },
        _ => return false,
    }
    true
}

/// At most [`MAX_VALUE`] bytes, of whole characters.
fn cut(text: &[u8]) -> &[u8] {
    let mut end = text.len().min(MAX_VALUE);
    while end < text.len() && end > 0 && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    &text[..end]
}

thread_local! {
    static KEY: RefCell<Vec<u8>> = RefCell::default();
}

/// Runs with the thread's room for a key; with a fresh one where that is in use.
pub(super) fn with_key<R>(run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    KEY.with(|key| match key.try_borrow_mut() {
        Ok(mut key) => run(&mut key),
        Err(_) => run(&mut Vec::new()),
    })
}

/// The values of an instrument.
#[derive(Debug)]
pub(crate) struct Instrument {
    name: String,
    kind: Kind,
    unit: String,
    description: String,
    since: UnixNanos,
    series: Mutex<Series>,
}

#[derive(Debug, Default)]
struct Series {
    /// Whether any amount was no whole number.
    fractions: bool,
    at: HashMap<Box<[u8]>, usize>,
    points: Vec<Point>,
}

#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) attributes: Vec<(String, String)>,
    sum: f64,
    count: u64,
    /// How many values lie in each bucket; the last is open.
    pub(super) buckets: Box<[u64]>,
    /// What those of each bucket come to.
    pub(super) sums: Box<[f64]>,
}

impl Instrument {
    /// Adds to a set of dimensions that is known; `false` where it is not.
    pub(super) fn add_known(&self, key: &[u8], amount: f64) -> bool {
        let mut series = lock(&self.series);
        let Some(&at) = series.at.get(key) else { return false };
        self.add_to(&mut series, at, amount);
        true
    }

    /// Adds to a set of dimensions, which is new or known.
    pub(super) fn add(&self, key: &[u8], amount: f64) {
        let mut series = lock(&self.series);
        let at = match series.at.get(key) {
            Some(&at) => at,
            None if series.at.len() < MAX_SERIES => self.start(&mut series, key),
            None => {
                let mut overflow = Vec::new();
                push(&mut overflow, OVERFLOW.as_bytes());
                push(&mut overflow, b"true");
                match series.at.get(overflow.as_slice()) {
                    Some(&at) => at,
                    None => self.start(&mut series, &overflow),
                }
            }
        };
        self.add_to(&mut series, at, amount);
    }

    fn start(&self, series: &mut Series, key: &[u8]) -> usize {
        let buckets = match &self.kind {
            Kind::Counter => 0,
            Kind::Histogram(ends) => ends.len() + 1,
        };
        let (buckets, sums) = (vec![0; buckets].into(), vec![0.0; buckets].into());
        series.points.push(Point { attributes: pairs(key), sum: 0.0, count: 0, buckets, sums });
        let at = series.points.len() - 1;
        series.at.insert(key.into(), at);
        at
    }

    fn add_to(&self, series: &mut Series, at: usize, amount: f64) {
        series.fractions |= amount.fract() != 0.0;
        let point = &mut series.points[at];
        point.sum += amount;
        point.count += 1;
        if let Kind::Histogram(ends) = &self.kind {
            // A bucket holds what is at most its end.
            let bucket = ends.partition_point(|end| *end < amount);
            point.buckets[bucket] += 1;
            point.sums[bucket] += amount;
        }
    }
}

/// The instruments of an emitter, in one process.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By the name that Prometheus knows them by, so that no two share one there.
    instruments: Mutex<BTreeMap<String, Arc<Instrument>>>,
    readers: Mutex<Readers>,
}

impl Registry {
    /// The instrument of that name; one of another kind begins anew, `now`.
    pub(super) fn instrument(&self, metric: &Metric, now: UnixNanos) -> Arc<Instrument> {
        let mut instruments = lock(&self.instruments);
        let name = prometheus_name(&metric.name);
        if let Some(known) = instruments.get(&name).filter(|known| known.kind == metric.kind) {
            return Arc::clone(known);
        }
        let instrument = Arc::new(Instrument {
            name: metric.name.clone(),
            kind: metric.kind.clone(),
            unit: metric.unit.clone(),
            description: metric.description.clone(),
            since: now,
            series: Mutex::default(),
        });
        instruments.insert(name, Arc::clone(&instrument));
        instrument
    }

    /// Forgets the instruments that are not among these.
    pub(super) fn keep<'i>(&self, named: impl Iterator<Item = &'i Arc<Instrument>>) {
        let named: HashSet<_> = named.map(Arc::as_ptr).collect();
        lock(&self.instruments).retain(|_, instrument| named.contains(&Arc::as_ptr(instrument)));
    }

    /// What every instrument reads now.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let instruments: Vec<_> = lock(&self.instruments).values().cloned().collect();
        instruments.iter().map(|instrument| instrument.reading()).collect()
    }

    /// What the reader of this number is to record of every histogram now, and its number ([`Readers::read`]).
    pub(crate) fn recordings(&self, reader: u32) -> (u32, Vec<Recording>) {
        let instruments: Vec<_> = lock(&self.instruments).values().cloned().collect();
        lock(&self.readers).read(reader, &instruments)
    }

    /// The Prometheus text exposition format 0.0.4.
    pub(crate) fn prometheus(&self) -> String {
        let mut out = String::new();
        for (name, instrument) in lock(&self.instruments).iter() {
            instrument.prometheus(name, &mut out);
        }
        out
    }
}

impl Instrument {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn unit(&self) -> &str {
        &self.unit
    }

    pub(super) fn description(&self) -> &str {
        &self.description
    }

    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Calls `read` with its sets of attributes, each of which keeps its place.
    pub(super) fn with_points(&self, read: impl FnOnce(&[Point])) {
        read(&lock(&self.series).points);
    }

    /// What it reads now.
    pub(crate) fn reading(&self) -> Reading {
        let series = lock(&self.series);
        let point = |point: &Point| Read {
            attributes: point.attributes.clone(),
            value: point.sum,
            count: point.count,
            buckets: point.buckets.clone(),
        };
        Reading {
            name: self.name.clone(),
            unit: self.unit.clone(),
            description: self.description.clone(),
            kind: match &self.kind {
                Kind::Counter => ReadingKind::Sum,
                Kind::Histogram(ends) => ReadingKind::Histogram(ends.clone()),
            },
            whole: !series.fractions,
            observed: false,
            since: self.since,
            points: series.points.iter().map(point).collect(),
        }
    }

    // Writing to a string cannot fail.
    fn prometheus(&self, name: &str, out: &mut String) {
        let help = match (self.description.as_str(), self.unit.as_str()) {
            ("", _) => self.name.clone(),
            (description, "") => description.to_owned(),
            (description, unit) => format!("{description} ({unit})"),
        };
        let (suffix, kind) = match self.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Histogram(_) => ("", "histogram"),
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
        // Keys that two policies write apart may be one to Prometheus: what then looks alike is one series.
        let mut alike: BTreeMap<String, Point> = BTreeMap::new();
        for point in &lock(&self.series).points {
            alike
                .entry(labels(point))
                .and_modify(|known| known.merge(point))
                .or_insert_with(|| point.clone());
        }
        for (labels, point) in alike {
            let all = |more: Option<String>| {
                let all: Vec<_> =
                    Some(labels.clone()).filter(|own| !own.is_empty()).into_iter().chain(more).collect();
                if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
            };
            let Kind::Histogram(ends) = &self.kind else {
                let _ = writeln!(out, "{name}_total{} {}", all(None), number(point.sum));
                continue;
            };
            let mut below = 0;
            for (i, count) in point.buckets.iter().enumerate() {
                below += count;
                let end = ends.get(i).map_or_else(|| "+Inf".to_owned(), |end| number(*end));
                let _ = writeln!(out, "{name}_bucket{} {below}", all(Some(format!("le=\"{end}\""))));
            }
            let labels = all(None);
            let _ = writeln!(out, "{name}_sum{labels} {}", number(point.sum));
            let _ = writeln!(out, "{name}_count{labels} {}", point.count);
        }
    }
}

impl Point {
    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, more)| *own += more);
    }
}

fn labels(point: &Point) -> String {
    let own = point
        .attributes
        .iter()
        .map(|(key, value)| format!("{}=\"{}\"", prometheus_name(key), escape_label(value)));
    own.collect::<Vec<_>>().join(",")
}

/// A label's value as Prometheus' text has it, without its quotes.
pub(crate) fn escape_label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A name as Prometheus allows it.
pub(super) fn prometheus_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let text: String = name.chars().map(allowed).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}

fn number(value: f64) -> String {
    let mut out = Vec::new();
    match write_f64(&mut out, value) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => "NaN".to_owned(),
    }
}
