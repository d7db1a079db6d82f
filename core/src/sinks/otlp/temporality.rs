//! Whether sums are told since they began or since a receiver was last told, as
//! `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says.
//!
//! Guarantees: a difference is taken from what this receiver acknowledged, point by point, so that what it did not get is
//! in the next one, and no difference is told twice unless an answer was lost. An instrument that began anew is told
//! from its beginning. Where nothing was counted nothing is told.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::env::Env;
use crate::error::{Error, Result};
use crate::seam::UnixNanos;
use crate::sink::{Point, Reading, ReadingKind};

const VARIABLE: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/// What a user prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Temporality {
    #[default]
    Cumulative,
    Delta,
    /// Differences only of what is counted as it happens, for which an SDK needs no memory.
    LowMemory,
}

impl Temporality {
    /// As the variable has it, in any case of its letters.
    ///
    /// # Errors
    /// `invalid_config`: a word that the specification does not know.
    pub(super) fn of(env: &Env<'_>) -> Result<Self> {
        let Some(word) = env.get(VARIABLE) else { return Ok(Self::default()) };
        match word.trim().to_ascii_lowercase().as_str() {
            "" | "cumulative" => Ok(Self::Cumulative),
            "delta" => Ok(Self::Delta),
            "lowmemory" => Ok(Self::LowMemory),
            _ => Err(Error::invalid_config("expected cumulative, delta or lowmemory").at(VARIABLE)),
        }
    }

    /// Whether an instrument is told by differences.
    fn differs(self, reading: &Reading) -> bool {
        match (self, &reading.kind) {
            (Self::Cumulative, _) | (_, ReadingKind::Gauge) => false,
            (Self::Delta, _) => true,
            (Self::LowMemory, _) => !reading.observed,
        }
    }
}

/// What is to be told of an instrument.
pub(super) struct Telling<'r> {
    pub(super) reading: &'r Reading,
    /// Whether it is told by differences.
    pub(super) delta: bool,
    /// Which point of the reading, what is told of it, and since when.
    pub(super) points: Vec<(usize, Cow<'r, Point>, UnixNanos)>,
}

/// What a receiver has been told.
#[derive(Default)]
pub(super) struct Told {
    preference: Temporality,
    instruments: HashMap<String, Instrument>,
    /// When it was last told everything.
    all: UnixNanos,
}

struct Instrument {
    since: UnixNanos,
    /// By attributes: what a point read, and when.
    points: HashMap<Vec<(String, String)>, (Point, UnixNanos)>,
}

impl Told {
    pub(super) fn new(preference: Temporality) -> Self {
        Self { preference, ..Self::default() }
    }

    /// What is to be told of these readings.
    pub(super) fn tell<'r>(&mut self, readings: &'r [Reading]) -> Vec<Telling<'r>> {
        let named: HashSet<&str> = readings.iter().map(|reading| reading.name.as_str()).collect();
        self.instruments.retain(|name, _| named.contains(name.as_str()));
        readings.iter().map(|reading| self.of(reading)).collect()
    }

    fn of<'r>(&self, reading: &'r Reading) -> Telling<'r> {
        let delta = self.preference.differs(reading);
        let known = self.instruments.get(&reading.name).filter(|known| known.since == reading.since);
        let mut points = Vec::with_capacity(reading.points.len());
        for (at, point) in reading.points.iter().enumerate() {
            if !delta {
                points.push((at, Cow::Borrowed(point), reading.since));
                continue;
            }
            let before = known.and_then(|known| known.points.get(&point.attributes));
            let since = before.map_or(reading.since, |(_, at)| *at).max(reading.since).max(self.all);
            let told = match before {
                None => Cow::Borrowed(point),
                Some((before, _)) => Cow::Owned(difference(point, before)),
            };
            if told.value != 0.0 || told.count != 0 {
                points.push((at, told, since));
            }
        }
        Telling { reading, delta, points }
    }

    /// The receiver has these points, each by its reading and its place there, as they read at `now`.
    pub(super) fn told(&mut self, points: &[(&Reading, usize)], now: UnixNanos) {
        for (reading, at) in points {
            if !self.preference.differs(reading) {
                continue;
            }
            let fresh = || Instrument { since: reading.since, points: HashMap::new() };
            let known = self.instruments.entry(reading.name.clone()).or_insert_with(fresh);
            if known.since != reading.since {
                *known = fresh();
            }
            let point = reading.points[*at].clone();
            known.points.insert(point.attributes.clone(), (point, now));
        }
    }

    /// The receiver has everything that was to be told.
    pub(super) fn told_all(&mut self, now: UnixNanos) {
        self.all = now;
    }
}

fn difference(now: &Point, before: &Point) -> Point {
    let older = |i: usize| before.buckets.get(i).copied().unwrap_or_default();
    Point {
        attributes: now.attributes.clone(),
        value: now.value - before.value,
        count: now.count.saturating_sub(before.count),
        buckets: now.buckets.iter().enumerate().map(|(i, n)| n.saturating_sub(older(i))).collect(),
    }
}
