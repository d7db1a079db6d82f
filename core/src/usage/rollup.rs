//! What the children of a run used, added up under the parent, each under its own run id.

use std::collections::{BTreeMap, HashSet};

use super::{COUNTERS, admit, seal};
use crate::error::{Error, Result};
use crate::json::{self, MAX_SAFE_INTEGER, Value};

/// Adds up the `model.usage` of child runs. A fact that is added twice, by its event id, counts once.
#[derive(Debug, Default)]
pub struct RollUp {
    children: BTreeMap<String, [Option<i64>; COUNTERS.len()]>,
    seen: HashSet<String>,
}

impl RollUp {
    /// A sum without any fact.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one fact of the child run `run`: the data of its `model.usage`, and that event's id.
    ///
    /// # Errors
    /// `invalid_event`: what is no usage; a sum that no JSON number holds.
    pub fn add(&mut self, run: &str, event_id: &str, data: &[u8]) -> Result<()> {
        let data = json::parse(data).map_err(|e| Error::invalid_event(e.message()).at("data"))?;
        admit("model.usage", &data)?;
        if self.seen.contains(event_id) {
            return Ok(());
        }
        let mut sums = self.children.get(run).copied().unwrap_or_default();
        for (sum, counter) in sums.iter_mut().zip(COUNTERS) {
            if let Some(n) = data.get(counter).and_then(Value::as_i64) {
                *sum = Some(safe_sum(*sum, n, counter)?);
            }
        }
        self.seen.insert(event_id.to_owned());
        self.children.insert(run.to_owned(), sums);
        Ok(())
    }

    /// The data of the parent's `model.usage`: `source.family` `run`, the sums, and under `children` each
    /// child's own sums with its `run`.
    ///
    /// # Errors
    /// `invalid_event`: a sum that no JSON number holds.
    pub fn data(&self) -> Result<Vec<u8>> {
        let mut totals = [None; COUNTERS.len()];
        let mut children = Vec::with_capacity(self.children.len());
        for (run, sums) in &self.children {
            for ((total, sum), counter) in totals.iter_mut().zip(sums).zip(COUNTERS) {
                if let Some(n) = sum {
                    *total = Some(safe_sum(*total, *n, counter)?);
                }
            }
            let mut members = counters(sums);
            members.push(("run".to_owned(), run.as_str().into()));
            children.push(Value::Object(members));
        }
        let mut members = counters(&totals);
        members.push(("source.family".to_owned(), "run".into()));
        members.push(("children".to_owned(), Value::Array(children)));
        seal("model.usage", members)
    }
}

fn counters(sums: &[Option<i64>]) -> Vec<(String, Value)> {
    COUNTERS.iter().zip(sums).filter_map(|(name, n)| n.map(|n| ((*name).to_owned(), Value::Int(n)))).collect()
}

fn safe_sum(sum: Option<i64>, n: i64, counter: &str) -> Result<i64> {
    sum.unwrap_or(0)
        .checked_add(n)
        .filter(|sum| sum.unsigned_abs() <= MAX_SAFE_INTEGER)
        .ok_or_else(|| super::refuse("the sum is larger than a JSON number holds", counter))
}
