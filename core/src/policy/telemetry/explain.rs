//! `policy check` and `policy explain`: what a set says, without an emitter.
//!
//! Guarantees: both run the code that an emitter runs; nothing is sent, and what is counted is forgotten. What the
//! configuration has redacted is not shown.

use std::path::PathBuf;
use std::sync::Arc;

use super::cel::{Machine, Outcome};
use super::document::{Rule, TargetKind};
use super::set::{Bound, Loaded, Meters, Place, Scene, Sections, bind};
use super::status::{object, status_value};
use super::{load, sampling};
use crate::config::{Config, Limits, TelemetrySource};
use crate::content::Redactor;
use crate::envelope::Redacted;
use crate::error::Result;
use crate::event::{Event, Freezer, Identity, read_event};
use crate::glob::Globs;
use crate::json::{ObjectWriter, Value, parse};
use crate::lane::{Shapable, Shaping};
use crate::seam::Env;
use crate::sink::SinkClass;
use crate::sinks::reports;
use crate::timeline::Timeline;
use crate::types::DEFAULT_PREFIX;

/// What [`check`] found.
#[derive(Debug)]
pub struct Checked {
    /// As [`crate::Emitter::policy_status`].
    pub status: Vec<u8>,
    /// A line for each condition.
    pub lines: Vec<String>,
    /// Whether every document is accepted and programmed for each of its targets.
    pub good: bool,
}

/// Reads documents and says what becomes of them in an emitter of this configuration; without one, whatever they name
/// is taken to be there.
#[must_use]
pub fn check(files: &[PathBuf], config: Option<&Config>, env: &dyn Env) -> Checked {
    let (bound, _) = prepare(files, config, env);
    let status = status_value(Some(&bound));
    let mut lines = Vec::new();
    let mut good = true;
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for policy in list(&status, "policies") {
        for target in list(policy, "targets") {
            for condition in list(target, "conditions") {
                good &= text(condition, "status") == "True";
                let target = format!("{} {}", text(target, "kind"), text(target, "name"));
                let mut line =
                    format!("{}: {}: {}", text(policy, "policy"), target.trim(), text(condition, "reason"));
                for part in ["field", "message"] {
                    let part = text(condition, part);
                    if !part.is_empty() {
                        line = format!("{line}: {part}");
                    }
                }
                lines.push(line);
            }
        }
    }
    Checked { status: status.to_canonical().unwrap_or_default(), lines, good }
}

/// What an emitter of this configuration would say in its log of the policies that the configuration names.
#[must_use]
pub(crate) fn warnings(config: &Config, env: &dyn Env) -> Vec<String> {
    prepare(&[], Some(config), env).0.warnings()
}

/// Says, rule by rule and lane by lane, what becomes of an event: a JSON object as `emit` takes it.
///
/// # Errors
/// `invalid_event`; `policy`: what the configuration says about redaction.
pub fn explain(files: &[PathBuf], config: Option<&Config>, event: &[u8], env: &dyn Env) -> Result<Vec<u8>> {
    let (bound, places) = prepare(files, config, env);
    let identity = Identity {
        agent: config.map_or("urn:sinkwell:agent:explain", |config| &config.agent.id).into(),
        tenant: config.and_then(|config| config.agent.tenant.as_deref()).map(Into::into),
        source: "explain".to_owned(),
        prefix: config.map_or(DEFAULT_PREFIX, |config| &config.type_prefix).to_owned(),
        // Whatever the event says of itself is taken as given.
        allow: Globs::new(vec!["*".to_owned()]),
        limits: config.map_or(Limits { envelope: 1 << 20, depth: 64 }, |config| config.limits),
        policy_version: None,
    };
    let depth = identity.limits.depth;
    let freezer = Freezer::new(Arc::new(identity), Arc::new(Timeline::new(None, false)));
    let event = read_event(event, depth, &mut ObjectWriter::new(), |input| freezer.freeze(input))?;
    // Rules see the event as it was given, lanes as it is redacted.
    let redacted = redact(config, &event)?;
    let lanes =
        places.iter().enumerate().map(|(at, place)| of_lane(&bound, at, place, &event, &redacted)).collect();
    let metrics = bound.measured(&event, &redacted);
    let answer = object(vec![("lanes", Value::Array(lanes)), ("metrics", Value::Array(metrics))]);
    Ok(answer.to_canonical().unwrap_or_default())
}

fn redact(config: Option<&Config>, event: &Event) -> Result<Redacted> {
    let redaction = config
        .and_then(|config| Some((config, config.governance.as_ref()?.content.as_ref()?.redaction.as_ref()?)));
    let redactor = redaction
        .map(|(config, redaction)| Redactor::compile(redaction, config.redaction_hash_key.as_ref()))
        .transpose()?;
    Redacted::of(event, redactor.as_ref())
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    match value.get(key) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn prepare(files: &[PathBuf], config: Option<&Config>, env: &dyn Env) -> (Bound, Vec<Place>) {
    let mut sources: Vec<_> = config.map(|config| config.telemetry.clone()).unwrap_or_default();
    sources.extend(files.iter().cloned().map(TelemetrySource::File));
    let loaded: Arc<Loaded> = load(&sources, env, None);
    let mut scene = Scene {
        agent: String::new(),
        tenant: None,
        allow: Globs::new(vec!["*".to_owned()]),
        namespace: None,
        gateway: None,
        anywhere: true,
    };
    let mut places: Vec<Place> = Vec::new();
    let open = |id: &str| Place { id: id.to_owned(), classes: vec![SinkClass::Observability], reports: true };
    match config {
        Some(config) => {
            places.extend(config.lanes.iter().map(|lane| Place {
                id: lane.id.clone(),
                classes: lane.classes.clone(),
                reports: reports(&lane.sink),
            }));
            scene = Scene {
                agent: config.agent.id.clone(),
                tenant: config.agent.tenant.clone(),
                allow: Globs::new(config.agent.allow.clone()),
                namespace: config.target.namespace.clone(),
                gateway: config.target.gateway.clone(),
                anywhere: false,
            };
        }
        None => {
            let targets = loaded.policies.iter().flat_map(|policy| &policy.targets);
            for target in targets {
                match (target.kind, &target.name) {
                    (TargetKind::Lane, Some(id)) if !places.iter().any(|place| place.id == *id) => {
                        places.push(open(id));
                    }
                    (TargetKind::Namespace, name) => scene.namespace.clone_from(name),
                    (TargetKind::Gateway, name) => scene.gateway.clone_from(name),
                    _ => {}
                }
            }
            places.push(open("any other lane"));
        }
    }
    (bind(loaded, &scene, &places, &Meters::default()), places)
}

fn of_lane(bound: &Bound, at: usize, place: &Place, event: &Event, redacted: &Redacted) -> Value {
    let mut members = vec![("lane", Value::from(place.id.as_str()))];
    let Some(shapable) = Shapable::of(event).filter(|_| place.is_open()) else {
        let why = if event.terminal {
            "no policy touches a terminal event"
        } else {
            "no policy touches audit or siem"
        };
        let data = parse(redacted.data(event)).unwrap_or(Value::Null);
        members.extend([("verdict", Value::from("kept")), ("why", Value::from(why)), ("data", data)]);
        return object(members);
    };
    let sections: Sections = bound.sections(at, event);
    let name = |at: Option<u16>| at.map(|at| Value::from(bound.policy(at).name.as_str()));
    members.extend(name(sections.events).map(|name| ("events", name)));
    members.extend(name(sections.sampling).map(|name| ("sampling", name)));
    bound.with_machine(event, |bound, machine| {
        if let Some(events) = sections.events.and_then(|at| bound.policy(at).events.as_ref()) {
            let rules = [&events.keep, &events.matches, &events.discard].map(|rules| said(machine, rules));
            let rules = rules.into_iter().flatten().collect();
            members.push(("rules", Value::Array(rules)));
        }
        let decided = bound.decide(sections, event, machine);
        if let Some(decision) = decided.sampled {
            let digits = |value: Option<u64>| value.map(|value| Value::String(sampling::digits(value)));
            let mut sampled = vec![("kept", Value::Bool(decision.kept))];
            sampled.extend(digits(decision.randomness).map(|value| ("randomness", value)));
            sampled.extend(digits(decision.threshold).map(|value| ("threshold", value)));
            members.push(("sampled", object(sampled)));
        }
        let verdict =
            decided.filter.map_or_else(|| "kept".to_owned(), |filter| format!("filtered: {}", filter.name()));
        members.push(("verdict", Value::String(verdict)));
        let by = decided.filter.is_none().then(|| bound.rule_of(&decided)).flatten();
        members.extend(by.map(|rule| ("decided_by", Value::from(rule))));
        if decided.filter.is_none() {
            members.push(("data", parse(redacted.data(event)).unwrap_or(Value::Null)));
        }
    });
    if let Some(view) = bound.view(at, shapable, redacted)
        && let Some((_, data)) = members.iter_mut().find(|(key, _)| *key == "data")
    {
        *data = parse(&view).unwrap_or(Value::Null);
    }
    object(members)
}

/// What each rule comes to.
fn said<'p>(machine: &Machine<'p>, rules: &'p [Rule]) -> Vec<Value> {
    let outcome = |rule: &'p Rule| match machine.rule(&rule.program) {
        Outcome::True => "true",
        Outcome::False => "false",
        Outcome::Fault(fault) => fault.name(),
    };
    let said = |rule: &'p Rule| {
        object(vec![("rule", Value::from(rule.field.as_str())), ("outcome", Value::from(outcome(rule)))])
    };
    rules.iter().map(said).collect()
}
