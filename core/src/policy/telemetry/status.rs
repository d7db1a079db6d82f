//! What became of each document, as Kubernetes users know it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::document::{Issue, Policy, Target};
use super::set::{Bound, PolicyCounters, Standing};
use crate::json::Value;
use crate::lane::Filter;

/// One condition.
struct Condition {
    kind: &'static str,
    status: bool,
    reason: &'static str,
    message: String,
    field: Option<String>,
    winner: Option<String>,
}

impl Condition {
    fn new(kind: &'static str, status: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status, reason, message: message.into(), field: None, winner: None }
    }

    fn at(mut self, field: &str) -> Self {
        self.field = (!field.is_empty()).then(|| field.to_owned());
        self
    }

    fn value(self) -> Value {
        let mut members = vec![
            ("type", Value::from(self.kind)),
            ("status", Value::from(if self.status { "True" } else { "False" })),
            ("reason", Value::from(self.reason)),
        ];
        if !self.message.is_empty() {
            members.push(("message", Value::String(self.message)));
        }
        members.extend(self.field.map(|field| ("field", Value::String(field))));
        members.extend(self.winner.map(|winner| ("policy", Value::String(winner))));
        object(members)
    }
}

pub(super) fn object(members: Vec<(&str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn count(counter: &AtomicU64) -> Value {
    Value::Int(i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX))
}

fn refused(issues: &[Issue]) -> impl Iterator<Item = Condition> {
    issues
        .iter()
        .map(|Issue { field, message }| Condition::new("Accepted", false, "Invalid", message).at(field))
}

/// `{policies: [{policy, source, targets: [{kind, name?, conditions}], counters, rules}]}`
pub(crate) fn status_json(bound: Option<&Bound>) -> Vec<u8> {
    status_value(bound).to_canonical().unwrap_or_else(|_| b"{}".to_vec())
}

pub(super) fn status_value(bound: Option<&Bound>) -> Value {
    let policies = bound.map_or_else(Vec::new, |bound| {
        let loaded = &bound.loaded;
        let mut all: Vec<(&str, Value)> = loaded
            .policies
            .iter()
            .enumerate()
            .map(|(at, policy)| (policy.name.as_str(), of_policy(bound, at, policy)))
            .collect();
        // The order of documents changes nothing, here either.
        all.sort_by_key(|(name, _)| *name);
        all.into_iter().map(|(_, value)| value).collect()
    });
    object(vec![("policies", Value::Array(policies))])
}

fn of_policy(bound: &Bound, at: usize, policy: &Policy) -> Value {
    let loaded = &bound.loaded;
    let newer = &loaded.refused[at];
    let mut targets: Vec<Value> = policy
        .targets
        .iter()
        .zip(&bound.standing[at])
        .map(|(target, standing)| of_target(bound, at, newer, target, standing))
        .collect();
    if targets.is_empty() {
        let conditions = refused(&policy.invalid).map(Condition::value).collect();
        targets.push(object(vec![("conditions", Value::Array(conditions))]));
    }
    let mut members = vec![
        ("policy", Value::String(policy.name.clone())),
        ("source", Value::String(policy.source.clone())),
        ("targets", Value::Array(targets)),
    ];
    if policy.invalid.is_empty() {
        let counters = &loaded.counters[at];
        members.push(("counters", of_counters(policy, counters)));
        let rules = policy.events.iter().flat_map(|events| events.rules());
        let rules = rules.zip(&counters.rules).map(|(rule, n)| (rule.field.clone(), count(n)));
        members.push(("rules", Value::Object(rules.collect())));
    }
    object(members)
}

fn of_target(bound: &Bound, at: usize, newer: &[Issue], target: &Target, standing: &Standing) -> Value {
    let policy = &bound.loaded.policies[at];
    let name = |at: u16| bound.loaded.policies[usize::from(at)].name.clone();
    let unhonoured: Vec<&Issue> = policy.unhonoured.iter().chain(&bound.unsent[at]).collect();
    let accepted = || {
        if newer.is_empty() {
            return vec![Condition::new("Accepted", true, "Accepted", "")];
        }
        refused(newer)
            .map(|condition| {
                let message = format!("{}; the last good version stays in force", condition.message);
                Condition { message, ..condition }
            })
            .collect()
    };
    let mut conditions = match standing {
        _ if !policy.invalid.is_empty() => refused(&policy.invalid).collect(),
        Standing::NotFound(message) => {
            vec![Condition::new("Accepted", false, "TargetNotFound", message).at(&target.field)]
        }
        Standing::Untouchable(message) => {
            vec![Condition::new("Accepted", false, "Invalid", message).at(&target.field)]
        }
        Standing::Conflicted(winner) => {
            let message = format!("{} has this target: it is older, or comes first by name", name(*winner));
            let mut condition = Condition::new("Accepted", false, "Conflicted", message).at(&target.field);
            condition.winner = Some(name(*winner));
            vec![condition]
        }
        Standing::Holds | Standing::Overridden(_) | Standing::Idle(_) => accepted(),
    };
    if conditions.iter().all(|condition| condition.status) {
        conditions.push(match standing {
            Standing::Overridden(winner) => {
                let message = format!("everything it says is said more specifically by {}", name(*winner));
                let mut condition =
                    Condition::new("Programmed", false, "Overridden", message).at(&target.field);
                condition.winner = Some(name(*winner));
                condition
            }
            Standing::Idle(message) => Condition::new("Programmed", false, "PartiallyProgrammed", message),
            _ => match unhonoured.as_slice() {
                [] if policy.events.is_none()
                    && policy.sampling.is_none()
                    && policy.metrics.is_none()
                    && policy.tracing.is_none() =>
                {
                    Condition::new("Programmed", true, "Programmed", "it says nothing").at("spec")
                }
                [] => Condition::new("Programmed", true, "Programmed", ""),
                [first, ..] => {
                    let all: Vec<_> = unhonoured.iter().map(|issue| issue.message.as_str()).collect();
                    Condition::new("Programmed", true, "PartiallyProgrammed", all.join("; ")).at(&first.field)
                }
            },
        });
    }
    let conditions = Value::Array(conditions.into_iter().map(Condition::value).collect());
    let mut members = vec![("kind", Value::from(target.kind.name()))];
    members.extend(target.name.clone().map(|name| ("name", Value::String(name))));
    members.push(("conditions", conditions));
    object(members)
}

fn of_counters(policy: &Policy, counters: &PolicyCounters) -> Value {
    let discarding = policy.events.as_ref().map_or(0, |events| events.discard.len());
    let number = |value: u64| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
    let filtered =
        Filter::ALL.into_iter().map(|filter| (filter.name(), count(&counters.filtered[filter as usize])));
    object(vec![
        ("evaluated", number(counters.evaluated(discarding))),
        ("matched", number(counters.matched(discarding))),
        ("unmatched", count(&counters.unmatched)),
        ("failed", count(&counters.failed)),
        ("without_key", count(&counters.without_key)),
        ("dropped", object(filtered.collect())),
    ])
}
