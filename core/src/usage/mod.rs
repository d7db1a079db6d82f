//! Usage and cost: `model.usage`, `cost.estimated`, `cost.corrected`. Never needs content.
//!
//! Guarantees: usage is admitted from model, run and subagent facts only; a correction names the event that it
//! corrects, which stays as it is; a child's usage rolls up under its own run id, once per child and fact. The helpers
//! build exactly the data that a careful host would write by hand.

mod provider;
mod request;
mod rollup;

#[cfg(test)]
mod tests;

pub(crate) use provider::span_usage;
pub use provider::{PROVIDERS, usage_from_json};
pub use request::{cost_from_json, roll_up_from_json};
pub use rollup::RollUp;

use crate::error::{Error, Result};
use crate::json::{self, Value};

/// The counters of `model.usage`: non-negative integers.
pub const COUNTERS: [&str; 7] = [
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "total_tokens",
    "bytes",
    "media_ms",
];

/// The values of `source.family` that are admitted as usage.
pub const FAMILIES: [&str; 3] = ["model", "run", "subagent"];

/// Looks a dotted name up: the literal member first, then the nested one (docs/spec/events.md).
fn look_up<'v>(data: &'v Value, name: &str) -> Option<&'v Value> {
    data.get(name).or_else(|| {
        let (head, rest) = name.split_once('.')?;
        look_up(data.get(head)?, rest)
    })
}

fn refuse(message: &str, member: &str) -> Error {
    Error::invalid_event(message).at(format!("data.{member}"))
}

/// Checks the data of `model.usage`, `cost.estimated` or `cost.corrected` (names without prefix) against its admission
/// rule. Other types are admitted.
///
/// # Errors
/// `invalid_event`, at the member.
pub fn admit(event_type: &str, data: &Value) -> Result<()> {
    match event_type {
        "model.usage" => {
            let family = look_up(data, "source.family").and_then(Value::as_str);
            if !family.is_some_and(|family| FAMILIES.contains(&family)) {
                return Err(refuse(
                    "usage is taken from model, run or subagent facts only; say which",
                    "source.family",
                ));
            }
            for counter in COUNTERS {
                if data.get(counter).is_some_and(|v| v.as_i64().is_none_or(|n| n < 0)) {
                    return Err(refuse("must be an integer of at least 0", counter));
                }
            }
            Ok(())
        }
        "cost.estimated" | "cost.corrected" => {
            if data.get("amount_micros").and_then(Value::as_i64).is_none() {
                return Err(refuse("must be an integer, in millionths of the currency", "amount_micros"));
            }
            let mut needed = vec!["currency", "rate_table_version"];
            if event_type == "cost.corrected" {
                needed.push("correction_ref");
            }
            for member in needed {
                if data.get(member).and_then(Value::as_str).is_none_or(str::is_empty) {
                    return Err(refuse("must be a string that is not empty", member));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A cost, in millionths of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost<'a> {
    /// Millionths; a correction may be negative.
    pub amount_micros: i64,
    /// ISO 4217.
    pub currency: &'a str,
    /// The version of the price list that it was computed with.
    pub rate_table_version: &'a str,
}

impl Cost<'_> {
    /// The data of `cost.estimated`; `reported` when the provider itself names the cost.
    ///
    /// # Errors
    /// `invalid_event`, at the member.
    pub fn estimated(&self, reported: bool) -> Result<Vec<u8>> {
        self.data("cost.estimated", if reported { "provider_reported" } else { "estimated" }, None)
    }

    /// The data of `cost.corrected`: `correction_ref` is the id of the event it corrects, which stays as it is.
    ///
    /// # Errors
    /// `invalid_event`, at the member.
    pub fn corrected(&self, correction_ref: &str) -> Result<Vec<u8>> {
        self.data("cost.corrected", "corrected", Some(correction_ref))
    }

    fn data(&self, event_type: &str, status: &str, correction: Option<&str>) -> Result<Vec<u8>> {
        let mut members = vec![
            ("amount_micros".to_owned(), Value::Int(self.amount_micros)),
            ("currency".to_owned(), self.currency.into()),
            ("rate_table_version".to_owned(), self.rate_table_version.into()),
            ("status".to_owned(), status.into()),
        ];
        members.extend(correction.map(|c| ("correction_ref".to_owned(), c.into())));
        seal(event_type, members)
    }
}

/// Data in canonical form, checked against its own admission rule.
fn seal(event_type: &str, members: Vec<(String, Value)>) -> Result<Vec<u8>> {
    let data = Value::Object(members);
    admit(event_type, &data)?;
    let bytes = data.to_canonical().map_err(|e| Error::invalid_event(e.message()).at("data"))?;
    // Parsed again by the rules of data, which refuse integers that JSON cannot hold exactly.
    json::parse_into(&bytes, &mut json::ObjectWriter::new()).map_err(|e| {
        Error::invalid_event(e.message()).at(format!("data.{}", e.path().unwrap_or_default()))
    })?;
    Ok(bytes)
}
