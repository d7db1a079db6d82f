//! A set of policies in force: which holds where, and what it does to an event.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use super::Given;
use super::cel::{Fault, First, List, Machine, Outcome};
use super::document::{self, Events, Issue, MAX_POLICIES, Policy, Rule, Target, TargetKind};
use super::facts::{Finder, Paths, with_workspace};
use super::instruments::{Instrument, Provider, Registry};
use super::sampling::Decision;
use super::view::{Shape, view};
use crate::document::tree::Node;
use crate::envelope::Redacted;
use crate::event::Event;
use crate::glob::Globs;
use crate::lane::{Filter, Route, SealContext, Shapable, Shaping, may_be_shaped};
use crate::sink::{SinkClass, SpanForm, SpanThreshold};
use crate::terminal::Safe;

/// Documents that were read, whatever lanes there are.
pub(crate) struct Loaded {
    pub(super) policies: Vec<Policy>,
    pub(super) counters: Vec<PolicyCounters>,
    /// Of each policy, why a newer version of it was refused.
    pub(super) refused: Vec<Vec<Issue>>,
    /// Finds what rules ask for, of all policies at once.
    route: Finder,
    /// By policy: finds what its `fields` ask for.
    views: Vec<Finder>,
    /// By policy: finds what its metrics ask for.
    pub(super) meters: Vec<Finder>,
    /// Good documents, for when they turn bad.
    good: Vec<Good>,
}

struct Good {
    source: String,
    at: usize,
    name: String,
    node: Node,
}

/// What a policy has done since it was loaded.
#[derive(Debug, Default)]
pub(super) struct PolicyCounters {
    /// Events and lanes that it let through by no rule, which is counted by itself.
    passed: AtomicU64,
    /// Those of another policy's rules that it sampled out.
    sampled_out: AtomicU64,
    /// Those for which a rule or a field asked for what is not there, or is of another type.
    pub(super) unmatched: AtomicU64,
    /// Those for which a rule or a field failed.
    pub(super) failed: AtomicU64,
    /// Those without the key that sampling goes by.
    pub(super) without_key: AtomicU64,
    pub(super) filtered: [AtomicU64; Filter::ALL.len()],
    /// What each rule decided: `keep`, then `matches`.
    pub(super) rules: Vec<AtomicU64>,
}

impl PolicyCounters {
    /// Events and lanes that it let through. `discarding`: how many of its rules, the last, let none through.
    pub(super) fn matched(&self, discarding: usize) -> u64 {
        let letting = &self.rules[..self.rules.len().saturating_sub(discarding)];
        letting.iter().chain([&self.passed]).map(read).fold(0, u64::saturating_add)
    }

    /// Events and lanes it was asked about.
    pub(super) fn evaluated(&self, discarding: usize) -> u64 {
        let filtered = |filter: Filter| read(&self.filtered[filter as usize]);
        [Filter::Disabled, Filter::Matches, Filter::Drop]
            .into_iter()
            .map(filtered)
            .chain([read(&self.sampled_out)])
            .fold(self.matched(discarding), u64::saturating_add)
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loaded({} policies)", self.policies.len())
    }
}

impl Loaded {
    pub(super) fn new(given: Vec<Given>, previous: Option<&Self>) -> Self {
        let mut route = Paths::default();
        let mut policies: Vec<Policy> = Vec::new();
        let mut refused: Vec<Vec<Issue>> = Vec::new();
        let mut good = Vec::new();
        for Given { source, at, node } in given {
            let (policy, node) = match node {
                Ok(node) => (document::read(&node, &source, at, &mut route), Some(node)),
                Err(issue) => (document::unreadable(&source, at, issue), None),
            };
            if policy.invalid.is_empty() {
                let name = policy.name.clone();
                good.extend(node.map(|node| Good { source, at, name, node }));
                policies.push(policy);
                refused.push(Vec::new());
                continue;
            }
            // An unreadable file stands for all that it held.
            let before: Vec<&Good> = previous.map_or_else(Vec::new, |previous| {
                let same = |known: &&Good| {
                    known.source == source
                        && if node.is_none() { at == 0 } else { known.at == at || known.name == policy.name }
                };
                previous.good.iter().filter(same).collect()
            });
            if before.is_empty() {
                policies.push(policy);
                refused.push(Vec::new());
                continue;
            }
            for known in before {
                let old = document::read(&known.node, &known.source, known.at, &mut route);
                good.push(Good {
                    source: known.source.clone(),
                    at: known.at,
                    name: old.name.clone(),
                    node: known.node.clone(),
                });
                policies.push(old);
                refused.push(policy.invalid.clone());
            }
        }
        refuse_doubles(&mut policies);
        let counters = policies.iter().map(|policy| {
            let rules = policy.events.as_ref().map_or(0, |events| events.rules().count());
            let rules = std::iter::repeat_with(AtomicU64::default).take(rules).collect();
            PolicyCounters { rules, ..PolicyCounters::default() }
        });
        let views = policies
            .iter()
            .map(|policy| policy.events.as_ref().map(|events| events.paths.finder()).unwrap_or_default());
        let meters = policies
            .iter()
            .map(|policy| policy.metrics.as_ref().map(|derived| derived.paths.finder()).unwrap_or_default());
        let (counters, views, meters) = (counters.collect(), views.collect(), meters.collect());
        Self { policies, counters, refused, route: route.finder(), views, meters, good }
    }

    /// Everything that is wrong, for the log.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (policy, refused) in self.policies.iter().zip(&self.refused) {
            for issue in &policy.invalid {
                let Issue { field, message } = issue;
                warnings.push(format!("policy {} is inert: {field}: {message}", Safe(&policy.name)));
            }
            for Issue { field, message } in refused {
                let name = Safe(&policy.name);
                warnings.push(format!("policy {name}: the last good one stays in force: {field}: {message}"));
            }
        }
        warnings
    }
}

/// Two documents of one name: neither is more the policy of that name than the other.
fn refuse_doubles(policies: &mut [Policy]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for policy in policies.iter().filter(|policy| policy.invalid.is_empty()) {
        *seen.entry(policy.name.clone()).or_default() += 1;
    }
    for policy in policies.iter_mut().filter(|policy| policy.invalid.is_empty()) {
        if seen.get(&policy.name).is_some_and(|count| *count > 1) {
            let message = format!("{}: another document has this name; none of them holds", policy.source);
            policy.invalid.push(Issue { field: "metadata.name".to_owned(), message });
            policy.clear();
        }
    }
    for policy in policies.iter_mut().skip(MAX_POLICIES) {
        let message = format!("more than {MAX_POLICIES} documents");
        policy.invalid.push(Issue { field: String::new(), message });
        policy.clear();
    }
}

/// What a set is bound to, beside the lanes.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) agent: String,
    pub(crate) tenant: Option<String>,
    pub(crate) allow: Globs,
    pub(crate) namespace: Option<String>,
    pub(crate) gateway: Option<String>,
    /// Nothing is known of the emitter: whatever a policy names is taken to be there.
    pub(crate) anywhere: bool,
}

/// A lane, as far as policies ask.
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) classes: Vec<SinkClass>,
    /// Whether metrics can be sent to where its sink sends.
    pub(crate) reports: bool,
}

impl Place {
    /// Whether a policy may filter or shape what it gets.
    pub(super) fn is_open(&self) -> bool {
        may_be_shaped(&self.classes)
    }
}

/// Which policy each section is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) events: Option<u16>,
    pub(super) sampling: Option<u16>,
    pub(super) tracing: Option<u16>,
    /// Never from a policy on a lane: an event counts once, whatever lanes it goes to.
    pub(super) metrics: Option<u16>,
}

impl Sections {
    fn of(policy: &Policy, at: u16) -> Self {
        Self {
            events: policy.events.is_some().then_some(at),
            sampling: policy.sampling.is_some().then_some(at),
            tracing: policy.tracing.is_some().then_some(at),
            metrics: policy.metrics.is_some().then_some(at),
        }
    }

    /// As a lane has them.
    fn of_lane(self) -> Self {
        Self { metrics: None, ..self }
    }

    /// Whether none says anything of what lanes get.
    fn shapes_nothing(&self) -> bool {
        self.events.is_none() && self.sampling.is_none() && self.tracing.is_none()
    }

    fn or(self, other: Self) -> Self {
        Self {
            events: self.events.or(other.events),
            sampling: self.sampling.or(other.sampling),
            tracing: self.tracing.or(other.tracing),
            metrics: self.metrics.or(other.metrics),
        }
    }

    /// Whether every section of the policy is taken from elsewhere; by which.
    pub(super) fn covers(self, other: Self) -> Option<u16> {
        let events = other.events.is_none() || self.events.is_some();
        let sampling = other.sampling.is_none() || self.sampling.is_some();
        let metrics = other.metrics.is_none() || self.metrics.is_some();
        let tracing = other.tracing.is_none() || self.tracing.is_some();
        let first = self.events.or(self.sampling).or(self.tracing).or(self.metrics);
        (events && sampling && tracing && metrics).then_some(first).flatten()
    }
}

/// Why a target is not a policy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Holds,
    NotFound(String),
    /// It names what no policy may touch.
    Untouchable(String),
    /// An older policy, or one that comes first, has this target.
    Conflicted(u16),
    /// More specific policies say all that this one does.
    Overridden(u16),
    /// Nothing that it is about may be shaped.
    Idle(String),
}

/// A set bound to an emitter's lanes.
pub(crate) struct Bound {
    pub(super) loaded: Arc<Loaded>,
    /// By lane.
    lanes: Vec<Sections>,
    agents: HashMap<Box<str>, Sections>,
    tenants: HashMap<Box<str>, Sections>,
    rest: Sections,
    /// By policy and target.
    pub(super) standing: Vec<Vec<Standing>>,
    /// By policy: the instruments that its metrics feed.
    meters: Vec<Vec<Arc<Instrument>>>,
    /// By policy: why its metrics are not sent.
    pub(super) unsent: Vec<Option<Issue>>,
    /// How redaction is done.
    pub(super) context: Option<Arc<SealContext>>,
    /// What holds for every event in every lane, where that is the same.
    same: Option<Sections>,
    /// Whether any lane may see another form of an event.
    has_views: bool,
}

/// What metrics need beside a set.
#[derive(Clone, Default)]
pub(crate) struct Meters {
    pub(crate) registry: Arc<Registry>,
    /// Of the emitter; none where nothing is counted.
    pub(crate) context: Option<Arc<SealContext>>,
}

/// Binds a set to lanes.
pub(crate) fn bind(loaded: Arc<Loaded>, scene: &Scene, lanes: &[Place], meters: &Meters) -> Bound {
    let policies = &loaded.policies;
    let index = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
    let mut standing: Vec<Vec<Standing>> =
        policies.iter().map(|policy| vec![Standing::Holds; policy.targets.len()]).collect();
    // Of each target the policy that has it.
    let mut held: HashMap<(TargetKind, Option<&str>), u16> = HashMap::new();
    let mut order: Vec<usize> = (0..policies.len()).collect();
    order.sort_by_key(|&at| {
        let policy = &policies[at];
        (policy.created.is_none(), policy.created, policy.name.clone())
    });
    for at in order.into_iter().filter(|&at| policies[at].invalid.is_empty()) {
        for (i, target) in policies[at].targets.iter().enumerate() {
            let name = match target.kind {
                TargetKind::Emitter => None,
                _ => target.name.as_deref(),
            };
            standing[at][i] = match find(target.kind, target.name.as_deref(), scene, lanes) {
                Standing::Holds => match held.get(&(target.kind, name)) {
                    Some(winner) if usize::from(*winner) != at => Standing::Conflicted(*winner),
                    _ => {
                        held.insert((target.kind, name), index(at));
                        Standing::Holds
                    }
                },
                other => other,
            };
        }
    }
    let sections = |kind: TargetKind, name: Option<&str>| {
        held.get(&(kind, name)).map(|&at| Sections::of(&policies[usize::from(at)], at)).unwrap_or_default()
    };
    let by_name = |kind: TargetKind| {
        let names = held.keys().filter(|(known, _)| *known == kind).filter_map(|(_, name)| *name);
        names.map(|name| (Box::from(name), sections(kind, Some(name)))).collect::<HashMap<Box<str>, _>>()
    };
    let by_lane: Vec<Sections> =
        lanes.iter().map(|lane| sections(TargetKind::Lane, Some(&lane.id)).of_lane()).collect();
    let gateway = sections(TargetKind::Gateway, scene.gateway.as_deref().filter(|_| scene.gateway.is_some()));
    let namespace = sections(TargetKind::Namespace, scene.namespace.as_deref());
    let emitter = sections(TargetKind::Emitter, None);
    let agents = by_name(TargetKind::Agent);
    let tenants = by_name(TargetKind::Tenant);
    // What every event of the emitter has above the level in question, where no event can be another's.
    let own_agent = match scene.allow.is_empty() {
        true => agents.get(scene.agent.as_str()).copied().unwrap_or_default(),
        false => Sections::default(),
    };
    let own_tenant = match (scene.allow.is_empty(), &scene.tenant) {
        (true, Some(tenant)) => tenants.get(tenant.as_str()).copied().unwrap_or_default(),
        _ => Sections::default(),
    };
    let open: Vec<usize> = (0..lanes.len()).filter(|&i| lanes[i].is_open()).collect();
    for (at, policy) in policies.iter().enumerate() {
        let own = Sections::of(policy, index(at));
        for (target, standing) in policy.targets.iter().zip(&mut standing[at]) {
            if *standing != Standing::Holds || target.kind == TargetKind::Lane {
                continue;
            }
            if open.is_empty() && own.metrics.is_none() {
                *standing = Standing::Idle("every lane is of the class audit or siem".to_owned());
                continue;
            }
            let above = match target.kind {
                TargetKind::Lane | TargetKind::Agent => Sections::default(),
                TargetKind::Tenant => own_agent,
                TargetKind::Gateway => own_agent.or(own_tenant),
                TargetKind::Namespace => own_agent.or(own_tenant).or(gateway),
                TargetKind::Emitter => own_agent.or(own_tenant).or(gateway).or(namespace),
                // Never holds.
                TargetKind::Route | TargetKind::Mesh => Sections::default(),
            };
            let covered: Option<Vec<u16>> = match open.as_slice() {
                // Only metrics are of any use here.
                [] => above.covers(own).map(|winner| vec![winner]),
                open => open.iter().map(|&lane| by_lane[lane].or(above).covers(own)).collect(),
            };
            if let Some(winner) = covered.and_then(|winners| winners.first().copied()) {
                *standing = Standing::Overridden(winner);
            }
        }
    }
    let rest = gateway.or(namespace).or(emitter);
    let now = meters.context.as_ref().map_or(0, |context| context.timeline.unix_nanos());
    let meter = |(at, policy): (usize, &Policy)| match &policy.metrics {
        Some(derived)
            if policy.targets.iter().zip(&standing[at]).any(|(target, standing)| {
                target.kind != TargetKind::Lane && *standing == Standing::Holds
            }) =>
        {
            derived.metrics.iter().map(|metric| meters.registry.instrument(metric, now)).collect()
        }
        _ => Vec::new(),
    };
    let instruments: Vec<Vec<_>> = policies.iter().enumerate().map(meter).collect();
    meters.registry.keep(instruments.iter().flatten());
    let unsent = policies.iter().map(|policy| unsent(policy, scene, lanes)).collect();
    let same = (agents.is_empty() && tenants.is_empty()).then(|| {
        let mut open = open.iter().map(|&lane| by_lane[lane].or(rest));
        let first = open.next()?;
        open.all(|other| other == first).then_some(first)
    });
    let has_views = policies.iter().any(|policy| {
        let shapes = |events: &Events| !(events.fields.is_empty() && events.drop.is_empty());
        policy.sampling.is_some() || policy.events.as_ref().is_some_and(shapes)
    });
    Bound {
        same: same.flatten(),
        has_views,
        lanes: by_lane,
        agents,
        tenants,
        rest,
        standing,
        meters: instruments,
        unsent,
        context: meters.context.clone(),
        loaded,
    }
}

/// Why a policy's metrics are not sent, where it wants them sent.
fn unsent(policy: &Policy, scene: &Scene, lanes: &[Place]) -> Option<Issue> {
    let Some(Provider::Lane(id)) = &policy.metrics.as_ref()?.provider else { return None };
    let message = match lanes.iter().find(|lane| lane.id == *id) {
        _ if scene.anywhere => return None,
        Some(lane) if lane.reports => return None,
        Some(_) => format!("the sink of lane {id:?} takes no metrics: they go to `otlp` only"),
        None => {
            let known: Vec<_> = lanes.iter().map(|lane| lane.id.as_str()).collect();
            format!("no lane has the id {id:?}; there are {}", known.join(", "))
        }
    };
    let field = "spec.metrics.provider.lane".to_owned();
    Some(Issue { field, message: format!("metrics are not sent: {message}") })
}

/// Whether there is what a policy names.
fn find(kind: TargetKind, name: Option<&str>, scene: &Scene, lanes: &[Place]) -> Standing {
    if matches!(kind, TargetKind::Route | TargetKind::Mesh) {
        let message = format!("an emitter is in no {}: name its Gateway or Namespace", kind.name());
        return Standing::NotFound(message);
    }
    if scene.anywhere {
        return Standing::Holds;
    }
    let text = name.unwrap_or_default();
    let found = |found: bool, what: String| if found { Standing::Holds } else { Standing::NotFound(what) };
    let own = |own: Option<&str>, what: &str| {
        let of = own.map_or_else(|| "has none".to_owned(), |own| format!("is {own:?}"));
        found(own == Some(text), format!("the emitter's {what} {of}"))
    };
    match kind {
        TargetKind::Lane => match lanes.iter().find(|lane| lane.id == text) {
            None => {
                let known: Vec<_> = lanes.iter().map(|lane| lane.id.as_str()).collect();
                Standing::NotFound(format!("no lane has this id; there are {}", known.join(", ")))
            }
            Some(lane) if !lane.is_open() => {
                let classes: Vec<_> = lane.classes.iter().map(|class| class.name()).collect();
                let classes = classes.join(", ");
                Standing::Untouchable(format!(
                    "the lane's classes are {classes}; no policy touches audit or siem"
                ))
            }
            Some(_) => Standing::Holds,
        },
        TargetKind::Agent => {
            let known = scene.agent == text || scene.allow.matches(text);
            found(
                known,
                format!(
                    "the emitter's agent is {:?}, and agent.allow covers no other of this name",
                    scene.agent
                ),
            )
        }
        TargetKind::Tenant => {
            let known = scene.tenant.as_deref() == Some(text) || scene.allow.matches(text);
            found(
                known,
                "it is not the emitter's tenant, and agent.allow covers none of this name".to_owned(),
            )
        }
        TargetKind::Gateway => own(scene.gateway.as_deref(), "target.gateway"),
        TargetKind::Namespace => own(scene.namespace.as_deref(), "target.namespace"),
        TargetKind::Emitter => {
            let known = name.is_none_or(|name| name == scene.agent);
            found(known, format!("the emitter is called after its agent, {:?}", scene.agent))
        }
        TargetKind::Route | TargetKind::Mesh => Standing::Holds,
    }
}

/// What is noted of a decision, so that it can be counted once the event is in its lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Note {
    events: Option<u16>,
    sampling: Option<u16>,
    /// The rule that decided: `keep`, then `matches`.
    rule: Option<u8>,
    unmatched: bool,
    failed: bool,
    without_key: bool,
}

impl Note {
    fn pack(self) -> u64 {
        let number = |value: Option<u16>| value.map_or(0, |value| u64::from(value) + 1);
        number(self.events)
            | number(self.sampling) << 17
            | self.rule.map_or(0, |rule| u64::from(rule) + 1) << 34
            | u64::from(self.unmatched) << 43
            | u64::from(self.failed) << 44
            | u64::from(self.without_key) << 45
    }

    fn unpack(packed: u64) -> Self {
        let number = |value: u64| u16::try_from((value & 0x1_FFFF).wrapping_sub(1)).ok();
        Self {
            events: number(packed),
            sampling: number(packed >> 17),
            rule: u8::try_from((packed >> 34 & 0x1FF).wrapping_sub(1)).ok(),
            unmatched: packed >> 43 & 1 == 1,
            failed: packed >> 44 & 1 == 1,
            without_key: packed >> 45 & 1 == 1,
        }
    }
}

/// How many policies that conflict with others are named in the log, each in a line of its own.
const CONFLICTS_SAID: usize = 16;

/// What was decided of an event for a lane, step by step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decided {
    pub(super) filter: Option<Filter>,
    note: Note,
    pub(super) sampled: Option<Decision>,
}

impl Bound {
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded)
    }

    /// Everything that is wrong, for the log: with the documents, and with what they name. A policy that is for other emitters
    /// says so, too, as a misspelt one looks the same; of many such there is one line, as a platform's documents are for all.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.loaded.warnings();
        let mut elsewhere: Vec<(Safe<'_>, String)> = Vec::new();
        self.warn_of_conflicts(&mut warnings);
        for (policy, standing) in self.loaded.policies.iter().zip(&self.standing) {
            let name = Safe(&policy.name);
            let targets = policy.targets.iter().zip(standing);
            let missed: Vec<(&Target, &String)> = targets
                .filter_map(|(target, standing)| match standing {
                    Standing::NotFound(why) | Standing::Untouchable(why) => Some((target, why)),
                    _ => None,
                })
                .collect();
            let said = |(target, why): (&Target, &String)| {
                let text = target.name.as_ref().map_or_else(String::new, |name| format!(" {name:?}"));
                format!("{}: {}{text}: {why}", target.field, target.kind.name())
            };
            let mut lanes = missed.iter().copied().filter(|(target, _)| target.kind == TargetKind::Lane);
            if missed.is_empty() {
                continue;
            }
            if missed.len() < policy.targets.len() {
                // Of those that say for whom a policy is, some may well be elsewhere.
                warnings.extend(lanes.map(|missed| format!("policy {name}: {}", said(missed))));
                continue;
            }
            let others = match missed.len() {
                1 => String::new(),
                all => format!("; nor has it by its other targets ({})", all - 1),
            };
            match lanes.next() {
                Some(lane) => {
                    warnings.push(format!("policy {name} has no effect here: {}{others}", said(lane)));
                }
                None => elsewhere.push((name, format!("{}{others}", said(missed[0])))),
            }
        }
        match elsewhere.as_slice() {
            [] => {}
            [(name, why)] => warnings.push(format!("policy {name} has no effect here: {why}")),
            [(one, why), (other, _), more @ ..] => {
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                warnings.push(format!(
                    "policies {one}, {other}{more} have no effect here, as they are for others ({one}: {why}); their status says why of each"
                ));
            }
        }
        warnings
    }

    /// Which policies others keep from targets of theirs: a line for each, as each asked for something that does not happen here;
    /// beyond the first few one for all.
    fn warn_of_conflicts(&self, warnings: &mut Vec<String>) {
        let mut more = 0_usize;
        let mut said = 0_usize;
        for (policy, standing) in self.loaded.policies.iter().zip(&self.standing) {
            let targets = policy.targets.iter().zip(standing);
            let mut lost = targets.filter_map(|(target, standing)| match standing {
                Standing::Conflicted(winner) => Some((target, &self.policy(*winner).name)),
                _ => None,
            });
            let Some((target, winner)) = lost.next() else { continue };
            if said == CONFLICTS_SAID {
                more += 1;
                continue;
            }
            said += 1;
            let (name, winner) = (Safe(&policy.name), Safe(winner));
            let (field, kind) = (&target.field, target.kind.name());
            let text = target.name.as_ref().map_or_else(String::new, |name| format!(" {name:?}"));
            let others = match lost.count() {
                0 => String::new(),
                more => format!("; and so with {more} of its other targets"),
            };
            warnings.push(format!(
                "policy {name} has no effect at {field}: {kind}{text}: policy {winner} has this target, as it is older or comes first by name{others}"
            ));
        }
        if more > 0 {
            warnings.push(format!(
                "{more} more policies have no effect at some of their targets, which others have; their status says which"
            ));
        }
    }

    pub(super) fn policy(&self, at: u16) -> &Policy {
        &self.loaded.policies[usize::from(at)]
    }

    /// Whether any policy filters, samples or shapes what lanes get.
    pub(crate) fn shapes(&self) -> bool {
        let all = || self.agents.values().chain(self.tenants.values()).chain([&self.rest]).chain(&self.lanes);
        !all().all(Sections::shapes_nothing)
    }

    /// Whether any policy derives metrics.
    pub(crate) fn measures(&self) -> bool {
        let mut all = self.agents.values().chain(self.tenants.values()).chain([&self.rest]);
        all.any(|sections| sections.metrics.is_some())
    }

    /// Which instruments are sent where.
    pub(crate) fn sent(&self) -> Vec<(Provider, Vec<Arc<Instrument>>)> {
        let mut all: Vec<(Provider, Vec<Arc<Instrument>>)> = Vec::new();
        for (at, policy) in self.loaded.policies.iter().enumerate() {
            let provider = policy.metrics.as_ref().and_then(|derived| derived.provider.clone());
            let Some(provider) = provider.filter(|_| self.unsent[at].is_none()) else { continue };
            let meters = self.meters.get(at).map(Vec::as_slice).unwrap_or_default();
            if meters.is_empty() {
                continue;
            }
            let known = all.iter().position(|(known, _)| *known == provider).unwrap_or_else(|| {
                all.push((provider, Vec::new()));
                all.len() - 1
            });
            let own = &mut all[known].1;
            own.extend(
                meters
                    .iter()
                    .filter(|meter| !own.iter().any(|own| Arc::ptr_eq(own, meter)))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
        all
    }

    /// The policy whose metrics an event feeds, with its instruments.
    pub(super) fn meters_of(&self, event: &Event) -> Option<(usize, &[Arc<Instrument>])> {
        let at = usize::from(self.of_event(event).metrics?);
        Some((at, self.meters.get(at)?))
    }

    /// The policies of an event's own, and of all.
    fn of_event(&self, event: &Event) -> Sections {
        let mut sections = Sections::default();
        if !self.agents.is_empty() {
            sections = sections.or(self.agents.get(event.agent()).copied().unwrap_or_default());
        }
        if !self.tenants.is_empty() {
            let tenant = event.tenant().and_then(|tenant| self.tenants.get(tenant));
            sections = sections.or(tenant.copied().unwrap_or_default());
        }
        sections.or(self.rest)
    }

    fn of_lane(&self, lane: usize) -> Sections {
        self.lanes.get(lane).copied().unwrap_or_default()
    }

    /// What holds for an event in a lane.
    pub(super) fn sections(&self, lane: usize, event: &Event) -> Sections {
        self.of_lane(lane).or(self.of_event(event))
    }

    /// The field of the rule that decided.
    pub(super) fn rule_of(&self, decided: &Decided) -> Option<&str> {
        let events = self.policy(decided.note.events?).events.as_ref()?;
        let rule = events.rules().nth(usize::from(decided.note.rule?))?;
        Some(&rule.field)
    }

    /// The first rule of a list that decides. Of one that lets events through, a rule that fails counts as one that comes
    /// true: nothing is lost to a fault; of one that keeps them out (`keeps` is false) it does not.
    fn first<'p>(
        rules: &'p [Rule],
        list: &'p List,
        keeps: bool,
        machine: &Machine<'p>,
        note: &mut Note,
    ) -> Option<usize> {
        if rules.is_empty() {
            return None;
        }
        let First { rule, unmatched, failed } = machine.first(list, &|at| &rules[at].program, keeps);
        note.unmatched |= unmatched;
        note.failed |= failed;
        rule
    }

    pub(super) fn decide<'p>(&'p self, sections: Sections, event: &Event, machine: &Machine<'p>) -> Decided {
        let mut decided = Decided::default();
        let note = &mut decided.note;
        note.events = sections.events;
        if let Some(events) = sections.events.and_then(|at| self.policy(at).events.as_ref()) {
            if events.disabled {
                decided.filter = Some(Filter::Disabled);
                return decided;
            }
            let [keep, matches, discard] = &events.lists;
            if let Some(rule) = Self::first(&events.keep, keep, true, machine, note) {
                note.rule = u8::try_from(rule).ok();
                let sampling = sections.sampling.and_then(|at| self.policy(at).sampling.as_ref());
                decided.sampled = sampling.map(|sampling| sampling.exempt(event));
                return decided;
            }
            if let Some(rule) = Self::first(&events.discard, discard, false, machine, note) {
                note.rule = u8::try_from(events.keep.len() + events.matches.len() + rule).ok();
                decided.filter = Some(Filter::Matches);
                return decided;
            }
            if !events.matches.is_empty() {
                match Self::first(&events.matches, matches, true, machine, note) {
                    Some(rule) => note.rule = u8::try_from(events.keep.len() + rule).ok(),
                    None => {
                        decided.filter = Some(Filter::Matches);
                        return decided;
                    }
                }
            }
        }
        if let Some(at) = sections.sampling
            && let Some(sampling) = &self.policy(at).sampling
        {
            let decision = sampling.decide(event, machine);
            note.sampling = Some(at);
            note.without_key = decision.randomness.is_none();
            decided.filter = (!decision.kept).then_some(Filter::Sampling);
            decided.sampled = Some(decision);
        }
        decided
    }

    /// Runs with the machine of an event.
    pub(super) fn with_machine<R>(
        &self,
        event: &Event,
        run: impl for<'m> FnOnce(&'m Self, &Machine<'m>) -> R,
    ) -> R {
        with_workspace(|workspace| {
            run(self, &Machine::new(event, self.loaded.route.find_of(event, workspace)))
        })
    }
}

impl Bound {
    /// As [`route`](Shaping::route), where what holds depends on the event or the lane.
    #[inline(never)]
    fn route_each(&self, event: &Event, route: &mut Route<'_>) {
        let of_event = self.of_event(event);
        self.with_machine(event, |bound, machine| {
            // Lanes under the same policies come to the same.
            let mut known: SmallVec<[(Sections, Decided); 4]> = SmallVec::new();
            route.decide(|lane| {
                let sections = bound.of_lane(lane).or(of_event);
                let decided = match known.iter().find(|(same, _)| *same == sections) {
                    Some((_, decided)) => *decided,
                    None => {
                        let decided = bound.decide(sections, event, machine);
                        known.push((sections, decided));
                        decided
                    }
                };
                (decided.filter, decided.note.pack())
            });
        });
    }

    /// Counts what was decided for so many lanes.
    fn count(&self, lanes: u64, filter: Option<Filter>, note: Note) {
        let add = |counter: &AtomicU64| {
            counter.fetch_add(lanes, Ordering::Relaxed);
        };
        if let Some(at) = note.events {
            let counters = &self.loaded.counters[usize::from(at)];
            let rule = note.rule.and_then(|rule| counters.rules.get(usize::from(rule)));
            if let Some(rule) = rule {
                add(rule);
            }
            match filter {
                Some(filter @ (Filter::Disabled | Filter::Matches | Filter::Drop)) => {
                    add(&counters.filtered[filter as usize]);
                }
                _ if rule.is_none() => add(&counters.passed),
                _ => {}
            }
            if note.unmatched {
                add(&counters.unmatched);
            }
            if note.failed {
                add(&counters.failed);
            }
        }
        if let Some(at) = note.sampling {
            let counters = &self.loaded.counters[usize::from(at)];
            let alone = note.events != Some(at);
            if filter == Some(Filter::Sampling) {
                add(&counters.filtered[Filter::Sampling as usize]);
                if alone {
                    add(&counters.sampled_out);
                }
            } else if alone {
                add(&counters.passed);
            }
            if note.without_key {
                add(&counters.without_key);
            }
        }
    }
}

impl Shaping for Bound {
    fn has_views(&self) -> bool {
        self.has_views
    }

    fn route(&self, event: Shapable<'_>, route: &mut Route<'_>) {
        let event: &Event = &event;
        let Some(same) = self.same else { return self.route_each(event, route) };
        let (filter, note) = self.with_machine(event, |bound, machine| {
            let decided = bound.decide(same, event, machine);
            (decided.filter, decided.note.pack())
        });
        route.decide_alike(filter, note);
    }

    fn routed(&self, _: Shapable<'_>, route: &Route<'_>) {
        route.verdicts(|lanes, filter, note| self.count(lanes.len() as u64, filter, Note::unpack(note)));
    }

    fn span(&self, lane: usize, event: &Event) -> Option<SpanForm> {
        let sections = self.sections(lane, event);
        let tracing = sections.tracing.and_then(|at| self.policy(at).tracing.as_ref());
        if tracing.is_some_and(|tracing| tracing.disabled) {
            return None;
        }
        let threshold = self.with_machine(event, |bound, machine| {
            let own = sections.tracing.and_then(|at| bound.policy(at).tracing.as_ref()?.sampling.as_ref());
            let of_events = sections.sampling.and_then(|at| bound.policy(at).sampling.as_ref());
            // It goes as its event does; that of a terminal event as the event would if policies saw it.
            let sampling = sections.sampling.filter(|_| own.is_none());
            let decided = bound.decide(Sections { sampling, ..sections }, event, machine);
            if decided.filter.is_some() {
                return None;
            }
            let Some(sampling) = own.or(of_events) else { return Some(SpanThreshold::Brought) };
            let decision =
                if own.is_some() { Some(sampling.decide(event, machine)) } else { decided.sampled };
            let Some(decision) = decision else { return Some(SpanThreshold::Brought) };
            decision.kept.then_some(match decision.threshold {
                Some(threshold) if sampling.is_by_trace() => SpanThreshold::Set(threshold),
                // What is said in `tracestate` is about the trace's randomness.
                _ => SpanThreshold::Unknown,
            })
        });
        threshold.map(|threshold| SpanForm { threshold })
    }

    fn view(&self, lane: usize, event: Shapable<'_>, redacted: &Redacted) -> Option<Vec<u8>> {
        let event: &Event = &event;
        let sections = self.of_lane(lane).or(self.of_event(event));
        let events = sections.events.and_then(|at| {
            let events = self.policy(at).events.as_ref()?;
            let shapes = !(events.fields.is_empty() && events.drop.is_empty());
            shapes.then_some((at, events))
        });
        if events.is_none() && sections.sampling.is_none() {
            return None;
        }
        // What was decided is decided again: the same event and the same set come to the same.
        let sampled = sections.sampling.and_then(|_| {
            self.with_machine(event, |bound, machine| bound.decide(sections, event, machine).sampled)
        });
        let both;
        let policy = match (events, sections.sampling) {
            (Some((one, _)), Some(other)) if one != other => {
                both = format!("{}, {}", self.policy(one).name, self.policy(other).name);
                both.as_str()
            }
            (Some((at, _)), _) | (None, Some(at)) => &self.policy(at).name,
            (None, None) => return None,
        };
        let shape = Shape {
            policy,
            events: events.map(|(at, events)| (events, &self.loaded.views[usize::from(at)])),
            sampled,
        };
        view(&shape, event, redacted, &mut |outcome| {
            let Some((at, _)) = events else { return };
            let counters = &self.loaded.counters[usize::from(at)];
            match outcome {
                Outcome::Fault(Fault::Overflow | Fault::Cost) => add(&counters.failed),
                _ => add(&counters.unmatched),
            }
        })
    }
}
