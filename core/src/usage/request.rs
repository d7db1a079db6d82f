//! The helpers as JSON in, JSON out: what every binding calls, so that a rule is written once.

use super::{Cost, RollUp};
use crate::error::{Error, Result};
use crate::json::{self, Value};

fn argument(message: impl Into<String>, place: impl Into<String>) -> Error {
    Error::invalid_argument(message.into()).at(place.into())
}

fn read(request: &[u8], what: &str) -> Result<Value> {
    json::parse(request).map_err(|e| argument(format!("it is not JSON: {}", e.message()), what))
}

/// Reads the members of an object; an unknown member is refused.
struct Members<'v> {
    of: &'v Value,
    place: String,
}

impl<'v> Members<'v> {
    fn of(value: &'v Value, place: &str, known: &[&str]) -> Result<Self> {
        let Value::Object(members) = value else {
            return Err(argument("must be an object", place));
        };
        for (name, _) in members {
            if !known.contains(&name.as_str()) {
                let message = format!("an unknown member; there are {}", known.join(", "));
                return Err(argument(message, format!("{place}.{name}")));
            }
        }
        Ok(Self { of: value, place: place.to_owned() })
    }

    fn given(&self, name: &str) -> Option<&'v Value> {
        self.of.get(name).filter(|value| !matches!(value, Value::Null))
    }

    fn text(&self, name: &str) -> Result<Option<&'v str>> {
        let wrong = || argument("must be a string", format!("{}.{name}", self.place));
        self.given(name).map(|value| value.as_str().ok_or_else(wrong)).transpose()
    }

    fn required(&self, name: &str) -> Result<&'v str> {
        self.text(name)?.ok_or_else(|| argument("is missing", format!("{}.{name}", self.place)))
    }
}

/// The data of a cost event from `{"amount_micros", "currency", "rate_table_version", "reported"?,
/// "correction_ref"?}`: of `cost.corrected` with a `correction_ref`, else of `cost.estimated`.
///
/// # Errors
/// `invalid_argument`: no such object; `invalid_event`, at the member of the data.
pub fn cost_from_json(request: &[u8]) -> Result<Vec<u8>> {
    let request = read(request, "cost")?;
    let known = ["amount_micros", "currency", "rate_table_version", "reported", "correction_ref"];
    let members = Members::of(&request, "cost", &known)?;
    let amount_micros = members
        .given("amount_micros")
        .and_then(Value::as_i64)
        .ok_or_else(|| super::refuse("must be an integer, in millionths of the currency", "amount_micros"))?;
    let cost = Cost {
        amount_micros,
        currency: members.text("currency")?.unwrap_or_default(),
        rate_table_version: members.text("rate_table_version")?.unwrap_or_default(),
    };
    let reported = match members.given("reported") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| argument("must be true or false", "cost.reported"))?,
    };
    match members.text("correction_ref")? {
        None => cost.estimated(reported),
        Some(_) if reported => {
            Err(argument("a correction has a status of its own; leave it out", "cost.reported"))
        }
        Some(correction_ref) => cost.corrected(correction_ref),
    }
}

/// The data of a parent's `model.usage` from a list of its children's: `[{"run", "id", "data"}]`, where `id`
/// is that of the event, so that one that comes twice counts once.
///
/// # Errors
/// `invalid_argument`: no such list; `invalid_event`: what is no usage, or a sum that no JSON number holds.
pub fn roll_up_from_json(facts: &[u8]) -> Result<Vec<u8>> {
    let facts = read(facts, "facts")?;
    let Value::Array(facts) = &facts else {
        return Err(argument("must be a list", "facts"));
    };
    let mut sum = RollUp::new();
    for (i, fact) in facts.iter().enumerate() {
        let place = format!("facts[{i}]");
        let members = Members::of(fact, &place, &["run", "id", "data"])?;
        let data =
            members.given("data").ok_or_else(|| argument("is missing", format!("{place}.data")))?.to_json();
        sum.add(members.required("run")?, members.required("id")?, data.as_bytes()).map_err(|e| {
            let within = e.place().map_or_else(|| place.clone(), |inner| format!("{place}.{inner}"));
            Error::new(e.kind(), e.message()).at(within)
        })?;
    }
    sum.data()
}
