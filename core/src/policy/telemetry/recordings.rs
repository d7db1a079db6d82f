//! What histograms count, for a host's own meter: no instrument of OpenTelemetry can be asked for a distribution, so a
//! histogram of the host's has to be given its values.
//!
//! Guarantees: each reader is given every value that was counted since the instrument began once, in the bucket that it
//! fell into; the sum of them is the instrument's, but for rounding. How much a reader is given at once is bounded by the
//! buckets and not by the events: the values of a bucket since the last time are given as their mean, so many times.
//!
//! How: a reader has a number, by which is remembered what it was given. Whoever has not asked for the longest is
//! forgotten when there are too many.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::instruments::{Instrument, Kind, Point};

/// Readers that are remembered: a process has one for each of its meter providers.
const MOST: usize = 16;

/// What a histogram is, and values for it that its reader was not given before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) description: String,
    /// Where its buckets end.
    pub(crate) ends: Box<[f64]>,
    pub(crate) points: Vec<Recorded>,
}

/// Values under one set of attributes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) attributes: Vec<(String, String)>,
    /// Each with how often it is to be recorded.
    pub(crate) values: Vec<(f64, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Who asked last stands last.
    all: Vec<Reader>,
    last: u32,
}

#[derive(Debug)]
struct Reader {
    number: u32,
    /// By name.
    given: HashMap<String, Given>,
}

/// What a reader was given of an instrument.
#[derive(Debug)]
struct Given {
    instrument: Weak<Instrument>,
    /// By the place of its set of attributes, which stays: the count and the sum of each bucket.
    points: Vec<Box<[(u64, f64)]>>,
}

impl Readers {
    /// What the reader of this number is to be given now, and its number. 0 and whatever is not known is a new reader, which
    /// is told only what there is: its histograms are not there yet, and it will ask again.
    pub(super) fn read(&mut self, number: u32, instruments: &[Arc<Instrument>]) -> (u32, Vec<Recording>) {
        let known = self.all.iter().position(|reader| reader.number == number);
        let mut reader = match known {
            Some(at) => self.all.remove(at),
            None => {
                if self.all.len() == MOST {
                    self.all.remove(0);
                }
                self.last = self.last.wrapping_add(1).max(1);
                Reader { number: self.last, given: HashMap::new() }
            }
        };
        let number = reader.number;
        let mut all = Vec::new();
        let mut now = HashMap::new();
        for instrument in instruments {
            let Kind::Histogram(ends) = instrument.kind() else { continue };
            let given = reader.given.remove(instrument.name());
            let same = given.filter(|given| std::ptr::eq(given.instrument.as_ptr(), Arc::as_ptr(instrument)));
            let fresh = || Given { instrument: Arc::downgrade(instrument), points: Vec::new() };
            let mut given = same.unwrap_or_else(fresh);
            let mut points = Vec::new();
            instrument.with_points(|counted| {
                for (at, point) in counted.iter().enumerate().filter(|_| known.is_some()) {
                    let none = || vec![(0, 0.0); point.buckets.len()].into();
                    if at == given.points.len() {
                        given.points.push(none());
                    }
                    let values = values(ends, point, &mut given.points[at]);
                    if !values.is_empty() {
                        points.push(Recorded { attributes: point.attributes.clone(), values });
                    }
                }
            });
            all.push(Recording {
                name: instrument.name().to_owned(),
                unit: instrument.unit().to_owned(),
                description: instrument.description().to_owned(),
                ends: ends.clone(),
                points,
            });
            now.insert(instrument.name().to_owned(), given);
        }
        reader.given = now;
        self.all.push(reader);
        (number, all)
    }
}

/// What has come into each bucket, which is noted as given.
fn values(ends: &[f64], point: &Point, given: &mut [(u64, f64)]) -> Vec<(f64, u64)> {
    let mut values = Vec::new();
    for (i, given) in given.iter_mut().enumerate() {
        let now = (point.buckets[i], point.sums[i]);
        let count = now.0.saturating_sub(given.0);
        if count > 0 {
            let mean = (now.1 - given.1) / count as f64;
            values.push((within(ends, i, mean), count));
        }
        *given = now;
    }
    values
}

/// The mean of values of a bucket is in that bucket, whatever became of it in rounding.
fn within(ends: &[f64], bucket: usize, mean: f64) -> f64 {
    let above = bucket.checked_sub(1).and_then(|below| ends.get(below)).copied();
    match (above, ends.get(bucket).copied()) {
        (_, Some(end)) if mean > end || !mean.is_finite() => end,
        (Some(above), _) if mean <= above || !mean.is_finite() => above.next_up(),
        _ => mean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_stays_in_its_bucket() {
        let third = (0.1 + 0.1 + 0.1) / 3.0;
        assert!(third > 0.1, "what rounding can do");
        let ends = [0.1, 5.0];
        for (bucket, mean, expected) in [
            (0, third, 0.1),
            (0, -3.0, -3.0),
            (1, 0.1, 0.1_f64.next_up()),
            (1, 2.0, 2.0),
            (1, f64::INFINITY, 5.0),
            (2, 5.0, 5.0_f64.next_up()),
            (2, 9.0, 9.0),
            (2, f64::NAN, 5.0_f64.next_up()),
        ] {
            assert_eq!(within(&ends, bucket, mean), expected, "{bucket} {mean}");
            assert_eq!(ends.partition_point(|end| *end < expected), bucket);
        }
    }
}
