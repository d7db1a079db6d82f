//! OpenTelemetry's consistent probability sampling.
//!
//! Guarantees: the same key decides alike in every language, process and lane; a higher rate keeps everything that a
//! lower one keeps; a threshold that came with the event is only ever raised, and forgotten where it contradicts the
//! randomness or the flag beside it, as is the threshold of what follows a parent of which none is known.
//!
//! How: an event has 56 bits of randomness and is kept where they are at least the threshold, which is the share of
//! events that are not kept, times 2^56.

use sha2::{Digest, Sha256};

use super::cel::{Machine, Program, Val};
use crate::event::{Attribute, Event};

#[cfg(test)]
mod tests;

/// Numerator and denominator: at most the denominator, which is at least 1.
pub(super) type Rate = (u64, u64);

/// 2^56: nothing is kept.
const NONE: u64 = 1 << 56;

/// What decides.
#[derive(Debug)]
pub(super) enum Key {
    /// `rv` of the trace's state, else the low 56 bits of its id.
    Trace,
    Run,
    Event,
    Cel(Program),
}

/// What becomes of a threshold that the event brings along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// The higher of the two holds: what remains is the rate of all there was.
    #[default]
    Equalizing,
    /// What remains is the rate of what came.
    Proportional,
}

/// `spec.sampling`
#[derive(Debug)]
pub(super) struct Sampling {
    pub(super) rate: Rate,
    pub(super) key: Key,
    pub(super) mode: Mode,
    /// Hexadecimal digits of a threshold, beyond those that are all 0 or all f.
    pub(super) precision: u32,
    /// The rate of events whose trace says that it is sampled; those of one that says it is not are left out.
    pub(super) parent: Option<Rate>,
    threshold: u64,
    parent_threshold: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            rate: (1, 1),
            key: Key::Trace,
            mode: Mode::Equalizing,
            precision: 4,
            parent: None,
            threshold: 0,
            parent_threshold: 0,
        }
    }
}

/// `spec.tracing`: what becomes of spans, beside the events that they came to.
#[derive(Debug, Default)]
pub(super) struct Tracing {
    pub(super) disabled: bool,
    /// None: as `spec.sampling` says.
    pub(super) sampling: Option<Sampling>,
}

/// What was decided of an event, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) kept: bool,
    /// None without a key: the event is kept, and nobody can reckon with it.
    pub(super) randomness: Option<u64>,
    /// None where it is unknown how many events this one stands for.
    pub(super) threshold: Option<u64>,
}

impl Sampling {
    /// Once all of it is read.
    pub(super) fn prepare(&mut self) {
        self.threshold = threshold(self.rate, self.precision);
        self.parent_threshold = self.parent.map_or(0, |rate| threshold(rate, self.precision));
    }

    /// Whether traces decide, so that a `tracestate` can say how.
    pub(super) fn is_by_trace(&self) -> bool {
        matches!(self.key, Key::Trace)
    }

    /// Whether the event is kept.
    pub(super) fn decide<'p>(&'p self, event: &Event, machine: &Machine<'p>) -> Decision {
        let hashed = |key: &[u8]| Some(randomness_of(key));
        let state = event.attribute(Attribute::Tracestate).map(TraceState::of).unwrap_or_default();
        let randomness = match &self.key {
            Key::Trace => state.randomness.or_else(|| trace_randomness(event)),
            Key::Run => event.attribute(Attribute::Run).and_then(|run| hashed(run.as_bytes())),
            Key::Event => hashed(event.id.to_string().as_bytes()),
            Key::Cel(program) => match machine.value(program) {
                Val::Text(text) => hashed(text),
                Val::Int(number) => hashed(itoa::Buffer::new().format(number).as_bytes()),
                Val::Bool(value) => hashed(if value { b"true" } else { b"false" }),
                _ => None,
            },
        };
        self.weigh(randomness, &state, event.attribute(Attribute::Traceparent).and_then(is_sampled))
    }

    /// Whether what has this randomness is kept; `sampled`: what its trace's parent says.
    fn weigh(&self, randomness: Option<u64>, state: &TraceState, sampled: Option<bool>) -> Decision {
        let Some(randomness) = randomness else {
            return Decision { kept: true, randomness: None, threshold: None };
        };
        let own = match (self.parent, sampled) {
            (Some(_), Some(false)) => NONE,
            (Some(_), Some(true)) => self.parent_threshold,
            _ => self.threshold,
        };
        let brought = self.brought(Some(randomness), state, sampled);
        let threshold = match (brought, self.mode) {
            (Brought::Nothing | Brought::Unknown, _) => own,
            (Brought::Threshold(brought), Mode::Equalizing) => own.max(brought),
            (Brought::Threshold(brought), Mode::Proportional) => {
                // The share of both: (1 - brought) * (1 - own).
                let kept = u128::from(NONE - brought) * u128::from(NONE - own) / u128::from(NONE);
                NONE - u64::try_from(kept).unwrap_or(NONE)
            }
        };
        Decision {
            kept: randomness >= threshold,
            randomness: Some(randomness),
            threshold: (brought != Brought::Unknown).then_some(threshold),
        }
    }

    /// What is said of an event that a rule exempts: it is kept whatever its randomness, so it stands for as many as it
    /// did before.
    pub(super) fn exempt(&self, event: &Event) -> Decision {
        let state = event.attribute(Attribute::Tracestate).map(TraceState::of).unwrap_or_default();
        let parent = event.attribute(Attribute::Traceparent);
        let randomness = state.randomness.or_else(|| trace_randomness(event));
        let threshold = match self.brought(randomness, &state, parent.and_then(is_sampled)) {
            Brought::Nothing => Some(0),
            Brought::Threshold(threshold) => Some(threshold),
            Brought::Unknown => None,
        };
        Decision { kept: true, randomness: None, threshold }
    }

    /// What is known of how the trace has been sampled before; it is about its trace's randomness, and means nothing for
    /// another key.
    fn brought(&self, randomness: Option<u64>, state: &TraceState, sampled: Option<bool>) -> Brought {
        match (&self.key, state.threshold) {
            (Key::Trace, Some(threshold)) => {
                let consistent = sampled != Some(false) && randomness.is_some_and(|r| r >= threshold);
                if consistent { Brought::Threshold(threshold) } else { Brought::Unknown }
            }
            // Whoever decided about the parent did not say at what rate.
            _ if self.parent.is_some() && sampled == Some(true) => Brought::Unknown,
            _ => Brought::Nothing,
        }
    }
}

/// What is known of an event's earlier sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brought {
    Nothing,
    Threshold(u64),
    /// It was sampled, and what is said of that is nothing, or contradicts itself.
    Unknown,
}

/// The rejection threshold of a rate, rounded to so many digits, and one more for each that is all 0 or all f.
pub(super) fn threshold((numerator, denominator): Rate, precision: u32) -> u64 {
    if numerator == 0 {
        return NONE;
    }
    if numerator == denominator {
        return 0;
    }
    let reject = (denominator - numerator).min(denominator);
    let exact = |digits: u32| {
        // round(reject / denominator * 16^digits)
        let scaled = (u128::from(reject) << (4 * digits)) * 2 + u128::from(denominator);
        u64::try_from(scaled / (2 * u128::from(denominator))).unwrap_or(NONE)
    };
    // How many digits stand before the first that tells: of a share below 1/16 one, below 1/256 two.
    let leading = |part: u64| {
        let mut digits = 0;
        while digits < 14 && (u128::from(part) << (4 * (digits + 1))) < u128::from(denominator) {
            digits += 1;
        }
        digits
    };
    let digits = (precision + leading(numerator).max(leading(reject))).min(14);
    let rounded = exact(digits) << (4 * (14 - digits));
    // Whatever the rounding, a rate above 0 keeps something.
    rounded.min(NONE - 1)
}

/// 14 hexadecimal digits.
pub(super) fn digits(randomness: u64) -> String {
    format!("{randomness:014x}")
}

/// A threshold as `th` has it: without the zeros at its end.
pub(super) fn threshold_digits(threshold: u64) -> String {
    let all = digits(threshold);
    let short = all.trim_end_matches('0');
    if short.is_empty() { "0".to_owned() } else { short.to_owned() }
}

/// The randomness of a key.
fn randomness_of(key: &[u8]) -> u64 {
    low_bits(&Sha256::new_with_prefix(b"sinkwell-sample-v1\n").chain_update(key).finalize())
}

fn low_bits(digest: &[u8]) -> u64 {
    let last = &digest[digest.len() - 7..];
    last.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// The low 56 bits of the trace's id: 00-<32 digits>-…
fn trace_randomness(event: &Event) -> Option<u64> {
    let parent = event.attribute(Attribute::Traceparent)?;
    u64::from_str_radix(parent.get(21..35)?, 16).ok()
}

/// Whether a `traceparent` says that the trace is sampled.
fn is_sampled(parent: &str) -> Option<bool> {
    let flags = u8::from_str_radix(parent.get(53..55)?, 16).ok()?;
    Some(flags & 1 == 1)
}

/// What OpenTelemetry's part of a `tracestate` says: `ot=th:8;rv:0123456789abcd`.
#[derive(Clone, Copy, Default)]
struct TraceState {
    threshold: Option<u64>,
    randomness: Option<u64>,
}

impl TraceState {
    fn of(text: &str) -> Self {
        let ours = text.split(',').find_map(|member| member.trim().strip_prefix("ot="));
        let mut state = Self::default();
        for part in ours.unwrap_or_default().split(';') {
            match part.split_once(':') {
                Some(("th", digits)) => state.threshold = hex(digits, 1..=14),
                Some(("rv", digits)) => state.randomness = hex(digits, 14..=14),
                _ => {}
            }
        }
        state
    }
}

/// Lower-case hexadecimal digits, filled up with zeros at the end.
fn hex(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let good = length.contains(&digits.len()) && crate::hex::is_digits(digits.as_bytes());
    let value = good.then(|| u64::from_str_radix(digits, 16).ok()).flatten()?;
    Some(value << (4 * (14 - digits.len())))
}
