//! What a sink has moved, and what it holds, for metrics: the same names for every sink that sends over a network.
//!
//! Guarantees: a reading never waits for the network. Counts only grow, also over streams and connections.
#![cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "no sink of such a build sends over a network"))]

use std::collections::BTreeMap;
use std::time::Duration;

use super::FailureKind;
use crate::seam::{Clock, Instant, SystemClock};
use crate::sync::{Mutex, lock};

/// How long utilization is measured before it is said anew.
const WINDOW: Duration = Duration::from_secs(10);

/// What a reading of a sink says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// By public name, in the order of [`FIELDS`].
    pub(crate) fields: Vec<(&'static str, u64)>,
    /// Errors: the receiver's code (0: none came), the kind of failure, and how many.
    pub(crate) errors: Vec<(u16, &'static str, u64)>,
}

/// A number of a [`Moved`].
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// It only grows.
    pub(crate) counter: bool,
    /// In UCUM; `[ppth]` are thousandths.
    pub(crate) unit: &'static str,
    pub(crate) about: &'static str,
    /// Only sinks whose receiver remembers have it.
    stateful: bool,
}

const fn field(
    name: &'static str,
    counter: bool,
    unit: &'static str,
    stateful: bool,
    about: &'static str,
) -> Field {
    Field { name, counter, unit, about, stateful }
}

/// Every number, in order.
pub(crate) const FIELDS: [Field; 15] = [
    field(
        "bytes_raw",
        true,
        "By",
        false,
        "Bytes of the lines of envelopes that were sent, each time they were",
    ),
    field("bytes_encoded", true, "By", false, "The same in the receiver's form, before compression"),
    field("bytes_wire", true, "By", false, "The same as messages, compressed"),
    field(
        "bytes_dropped",
        true,
        "By",
        false,
        "Bytes of the lines of envelopes that the receiver refused for good",
    ),
    field("compression_ratio", false, "[ppth]", false, "Raw bytes for each byte on the wire, in thousandths"),
    field(
        "utilization",
        false,
        "[ppth]",
        false,
        "The time with something in flight, in thousandths, of the last ten seconds or more",
    ),
    field("in_flight_batches", false, "{batch}", false, "Batches sent and not yet answered"),
    field("in_flight_bytes", false, "By", false, "Bytes of their lines"),
    field(
        "definitions_added",
        true,
        "{definition}",
        true,
        "Schemas and dictionary entries that the receiver was told",
    ),
    field("definitions_removed", true, "{definition}", true, "Those of them that it need no longer know"),
    field("definitions_live", false, "{definition}", true, "Those that it knows"),
    field("state_bytes", false, "By", true, "What this end remembers of the stream"),
    field("streams", true, "{stream}", true, "Streams begun"),
    field("rotations", true, "{stream}", true, "Streams replaced because their lifetime was over"),
    field("retransmissions", true, "{batch}", true, "Batches sent again over another stream"),
];

/// Where a sink notes what it moves, and its lane reads it.
pub(crate) struct Traffic {
    stateful: bool,
    clock: SystemClock,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    raw: u64,
    encoded: u64,
    wire: u64,
    dropped: u64,
    errors: BTreeMap<(u16, &'static str), u64>,
    stream: Stateful,
    flight: (u64, u64),
    busy_since: Option<Instant>,
    seen: Option<Instant>,
    window: Option<Instant>,
    busy: Duration,
    utilization: Option<u64>,
}

/// What only a sink has whose receiver remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stateful {
    pub(crate) defined: u64,
    pub(crate) live: u64,
    pub(crate) state: u64,
    pub(crate) streams: u64,
    pub(crate) rotations: u64,
    pub(crate) retransmissions: u64,
}

impl Traffic {
    /// Of a sink that has moved nothing.
    pub(crate) fn new(stateful: bool) -> Self {
        Self { stateful, clock: SystemClock::default(), inner: Mutex::new(Inner::default()) }
    }

    /// A batch goes out, in these forms.
    pub(crate) fn sent(&self, raw: usize, encoded: usize, wire: usize) {
        let mut inner = lock(&self.inner);
        inner.raw += raw as u64;
        inner.encoded += encoded as u64;
        inner.wire += wire as u64;
    }

    /// The receiver refused envelopes of so many bytes for good.
    pub(crate) fn dropped(&self, bytes: usize) {
        lock(&self.inner).dropped += bytes as u64;
    }

    /// Something failed.
    pub(crate) fn failed(&self, code: u16, kind: FailureKind) {
        *lock(&self.inner).errors.entry((code, kind.name())).or_insert(0) += 1;
    }

    /// What is in flight from now on.
    pub(crate) fn flies(&self, batches: usize, bytes: usize) {
        let now = self.clock.now();
        let mut inner = lock(&self.inner);
        inner.flight = (batches as u64, bytes as u64);
        inner.pass(now);
        inner.busy_since = (batches > 0).then_some(now);
    }

    /// What the stream is like now.
    pub(crate) fn is(&self, stream: Stateful) {
        lock(&self.inner).stream = stream;
    }

    /// What it all comes to.
    pub(crate) fn read(&self) -> Moved {
        let mut inner = lock(&self.inner);
        inner.pass(self.clock.now());
        let Inner { raw, encoded, wire, dropped, stream, flight, .. } = *inner;
        let ratio = raw.saturating_mul(1000).checked_div(wire).unwrap_or(0);
        let values = [
            raw,
            encoded,
            wire,
            dropped,
            ratio,
            inner.utilization(),
            flight.0,
            flight.1,
            stream.defined,
            stream.defined - stream.live.min(stream.defined),
            stream.live,
            stream.state,
            stream.streams,
            stream.rotations,
            stream.retransmissions,
        ];
        let fields = FIELDS.iter().zip(values).filter(|(field, _)| self.stateful || !field.stateful);
        Moved {
            fields: fields.map(|(field, value)| (field.name, value)).collect(),
            errors: inner.errors.iter().map(|((code, kind), n)| (*code, *kind, *n)).collect(),
        }
    }
}

impl Moved {
    /// What two sinks of one lane have moved together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (name, value) in other.fields {
            match self.fields.iter_mut().find(|(known, _)| *known == name) {
                // Of these the sink that is used has something to say.
                Some((_, known)) if matches!(name, "compression_ratio" | "utilization") => {
                    *known = value.max(*known)
                }
                Some((_, known)) => *known += value,
                None => self.fields.push((name, value)),
            }
        }
        for (code, kind, n) in other.errors {
            match self.errors.iter_mut().find(|(c, k, _)| (*c, *k) == (code, kind)) {
                Some((.., known)) => *known += n,
                None => self.errors.push((code, kind, n)),
            }
        }
        self
    }
}

impl Inner {
    /// Time passes up to now.
    fn pass(&mut self, now: Instant) {
        if let Some(since) = self.busy_since {
            self.busy += now.since(since);
            self.busy_since = Some(now);
        }
        self.seen = Some(now);
        let begun = *self.window.get_or_insert(now);
        let lasted = now.since(begun);
        if lasted >= WINDOW {
            self.utilization = Some(thousandths(self.busy, lasted));
            (self.window, self.busy) = (Some(now), Duration::ZERO);
        }
    }

    fn utilization(&self) -> u64 {
        let so_far = || match (self.window, self.seen) {
            (Some(begun), Some(now)) => thousandths(self.busy, now.since(begun)),
            _ => 0,
        };
        self.utilization.unwrap_or_else(so_far)
    }
}

fn thousandths(part: Duration, of: Duration) -> u64 {
    let (part, of) = (part.as_nanos(), of.as_nanos());
    u64::try_from(part * 1000 / of.max(1)).map_or(1000, |n| n.min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_says_what_was_noted_and_no_more_than_its_sink_has() {
        let traffic = Traffic::new(false);
        traffic.sent(1000, 400, 100);
        traffic.sent(1000, 400, 150);
        traffic.dropped(7);
        traffic.failed(14, FailureKind::Network);
        traffic.failed(14, FailureKind::Network);
        traffic.flies(1, 1000);
        let moved = traffic.read();
        let value = |name| moved.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        assert_eq!(value("bytes_raw"), Some(2000));
        assert_eq!((value("bytes_wire"), value("compression_ratio")), (Some(250), Some(8000)));
        assert_eq!((value("in_flight_batches"), value("definitions_live")), (Some(1), None));
        assert_eq!(moved.errors, [(14, "network", 2)]);
        let stateful = Traffic::new(true);
        stateful.is(Stateful { defined: 10, live: 4, ..Stateful::default() });
        let both = moved.and(stateful.read());
        let value = |name| both.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        assert_eq!((value("definitions_removed"), value("bytes_raw")), (Some(6), Some(2000)));
    }

    #[test]
    fn utilization_is_of_windows() {
        let at = |seconds: u64| Instant(1 + seconds * 1_000_000_000);
        let mut inner = Inner::default();
        inner.pass(at(0));
        inner.busy_since = Some(at(0));
        inner.pass(at(5));
        inner.busy_since = None;
        inner.pass(at(10));
        assert_eq!(inner.utilization(), 500);
        inner.pass(at(25));
        assert_eq!(inner.utilization(), 0);
    }
}
