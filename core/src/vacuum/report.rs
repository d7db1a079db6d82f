//! What a vacuum did.

use super::wrap::Format;
use crate::json::Value;

/// A nonce that a lane was not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The lane's id.
    pub lane: String,
    /// The nonce.
    pub nonce: u64,
    /// Where the lane's cursor stands: at this nonce, or above it, as it came late.
    pub cursor: u64,
    /// The events in it.
    pub events: u64,
}

/// Counts of one call or stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines that were read, as they stood: a line in three parts counts three times.
    pub lines: u64,
    /// Events that were taken.
    pub events: u64,
    /// Events that every lane they are for has already.
    pub skipped: u64,
    /// The lanes that had the nonce already.
    pub skipped_by: Vec<Skipped>,
    /// Lines that went through as they are.
    pub passed: u64,
    /// Flagged lines that went through, as they are too large to be sealed or to be looked at.
    pub too_large: u64,
    /// Flagged lines that went through, as they nest too deep.
    pub too_deep: u64,
    /// Flagged lines that went through, as they cannot be sealed for another reason.
    pub refused: u64,
    /// The number of the first line that was refused, and why.
    pub first_refusal: Option<(u64, String)>,
    /// Flagged lines that went through, as their events could not be sent: no lane has them.
    pub unsent: u64,
    /// The number of the first line that was not sent, and why.
    pub first_unsent: Option<(u64, String)>,
    /// Integers that JSON's doubles cannot hold, and that became strings.
    pub integers: u64,
    /// Flagged lines by the format in which they were found.
    pub formats: [u64; Format::ALL.len()],
}

impl Report {
    /// Flagged lines that could not be sealed.
    #[must_use]
    pub fn unsealed(&self) -> u64 {
        self.too_large + self.too_deep + self.refused
    }

    /// As JSON: the same members in every language.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let seen = Format::ALL.iter().zip(self.formats).filter(|(_, n)| *n > 0);
        let mut members = vec![
            ("lines", int(self.lines)),
            ("events", int(self.events)),
            ("skipped", int(self.skipped)),
            ("passed", int(self.passed)),
            ("too_large", int(self.too_large)),
            ("too_deep", int(self.too_deep)),
            ("refused", int(self.refused)),
            ("unsent", int(self.unsent)),
            ("integers_as_strings", int(self.integers)),
            ("formats", Value::Object(seen.map(|(format, n)| (format.name().to_owned(), int(n))).collect())),
        ];
        for (name, first) in [("first_refusal", &self.first_refusal), ("first_unsent", &self.first_unsent)] {
            if let Some((line, why)) = first {
                let why = Value::from(why.as_str());
                let first = vec![("line".to_owned(), int(*line)), ("why".to_owned(), why)];
                members.push((name, Value::Object(first)));
            }
        }
        if !self.skipped_by.is_empty() {
            let skipped = |Skipped { lane, nonce, cursor, events }: &Skipped| {
                let counts = [("nonce", nonce), ("cursor", cursor), ("events", events)];
                let counts = counts.map(|(name, n)| (name.to_owned(), int(*n)));
                let lane = ("lane".to_owned(), Value::from(lane.as_str()));
                Value::Object(std::iter::once(lane).chain(counts).collect())
            };
            members.push(("skipped_by", Value::Array(self.skipped_by.iter().map(skipped).collect())));
        }
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
