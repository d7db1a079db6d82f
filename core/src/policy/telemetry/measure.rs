//! Adding an event to the instruments that its policy derives.

use smallvec::SmallVec;

use super::cel::Machine;
use super::facts::with_workspace;
use super::instruments::{Amount, Instrument, Metric, with_key};
use super::set::{Bound, add};
use crate::envelope::Redacted;
use crate::event::Event;
use crate::json::Value;
use crate::lane::Measuring;

impl Measuring for Bound {
    fn measure(&self, event: &Event) {
        let Some((at, meters)) = self.meters_of(event) else { return };
        let mut unknown: SmallVec<[(usize, f64); 8]> = SmallVec::new();
        self.with_metrics(at, event, None, |metrics, machine| {
            for (i, (metric, meter)) in metrics.iter().zip(meters).enumerate() {
                match metric.amount(machine) {
                    Amount::None => {}
                    Amount::Failed => add(&self.loaded.counters[at].failed),
                    Amount::Some(amount) => {
                        // What a series is called was redacted when the series began: whatever finds one by its own
                        // values has nothing to hide.
                        let known = with_key(|key| {
                            metric.write_key(machine, key);
                            meter.add_known(key, amount)
                        });
                        if !known {
                            unknown.push((i, amount));
                        }
                    }
                }
            }
        });
        if !unknown.is_empty() {
            self.add_redacted(at, meters, event, &unknown);
        }
    }
}

impl Bound {
    fn add_redacted(
        &self,
        at: usize,
        meters: &[std::sync::Arc<Instrument>],
        event: &Event,
        unknown: &[(usize, f64)],
    ) {
        let redactor = self.context.as_ref().and_then(|context| context.content.redactor.as_deref());
        // What cannot be redacted is sealed by no lane either.
        let Ok(redacted) = Redacted::of(event, redactor) else {
            return add(&self.loaded.counters[at].failed);
        };
        self.with_metrics(at, event, Some(&redacted), |metrics, machine| {
            for &(i, amount) in unknown {
                with_key(|key| {
                    metrics[i].write_key(machine, key);
                    meters[i].add(key, amount);
                });
            }
        });
    }

    /// Runs with what a policy derives, and the machine of the event.
    fn with_metrics<R>(
        &self,
        at: usize,
        event: &Event,
        redacted: Option<&Redacted>,
        run: impl for<'m> FnOnce(&'m [Metric], &Machine<'m>) -> R,
    ) -> Option<R> {
        let derived = self.loaded.policies[at].metrics.as_ref()?;
        Some(with_workspace(|workspace| {
            let finder = &self.loaded.meters[at];
            let found = match redacted {
                Some(redacted) => finder.find(redacted.data(event), workspace),
                None => finder.find_of(event, workspace),
            };
            let machine = Machine::new(event, found);
            match redacted {
                Some(redacted) => run(&derived.metrics, &machine.showing(redacted)),
                None => run(&derived.metrics, &machine),
            }
        }))
    }

    /// What an event would add, for `policy explain`.
    pub(super) fn measured(&self, event: &Event, redacted: &Redacted) -> Vec<Value> {
        let Some((at, _)) = self.meters_of(event) else { return Vec::new() };
        let told = self.with_metrics(at, event, Some(redacted), |metrics, machine| {
            let mut told = Vec::new();
            for metric in metrics {
                let Amount::Some(amount) = metric.amount(machine) else { continue };
                let dimensions = with_key(|key| {
                    metric.write_key(machine, key);
                    super::instruments::pairs(key)
                });
                let dimensions = dimensions.into_iter().map(|(key, value)| (key, Value::String(value)));
                told.push(super::status::object(vec![
                    ("name", Value::from(metric.name.as_str())),
                    ("value", Value::Float(amount)),
                    ("dimensions", Value::Object(dimensions.collect())),
                    ("policy", Value::from(self.loaded.policies[at].name.as_str())),
                ]));
            }
            told
        });
        told.unwrap_or_default()
    }
}
