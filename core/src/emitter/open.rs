//! Opening an emitter: from a configuration to running lanes.

use std::sync::Arc;
use std::time::Duration;

use super::awaited::{Awaited, AwaitedLane};
use super::export::{Exporter, LIMIT};
use super::metrics::Gauges;
use super::scrape::Scrape;
use super::{Inner, Manual, signals};
use crate::envelope::ContentRules;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Freezer, Identity};
use crate::glob::Globs;
use crate::key::{HostSigner, load_signing_key, unasked_signer};
use crate::lane::control::{Control, Parts};
use crate::lane::durable::Durable;
use crate::lane::{Bus, CheckpointFile, InForce, Lane, Measuring, SealContext, Sealer, Shaping, Why, worker};
use crate::policy::telemetry::{self, Loaded, Meters, Place, Provider, Scene};
use crate::seam::SystemEnv;
use crate::seam::fork::Process;
use crate::settings::{CheckpointTarget, Config, JournalConfig, LaneConfig, OwnPath};
use crate::sink::{Attached, Made, Making, Sink, Traffic, Upkeep};
use crate::sinks;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, lock};
use crate::timeline::Timeline;

/// What `open` and `doctor` say of a journal that no lane uses.
pub(crate) const UNUSED_JOURNAL: &str = "journal: no lane is durable, so nothing is kept there; say `durable: true` in a lane, or give it the class `audit` or `siem`";

/// Makes a host's sink: called once in each process that uses the emitter, so that a forked child gets its own.
pub type SinkFactory = Arc<dyn Fn() -> Result<Box<dyn Sink>> + Send + Sync>;

/// A sink of the host's, and the lane it gets.
#[derive(Clone)]
pub struct HostSink {
    /// The name that a lane's `sink: { host: NAME }` refers to.
    pub name: String,
    /// The lane to make for it, unless a lane of the configuration names the sink.
    pub lane: LaneConfig,
    /// Makes the sink.
    pub make: SinkFactory,
}

impl std::fmt::Debug for HostSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostSink({})", self.name)
    }
}

/// What an emitter is opened with.
pub struct Options {
    /// The configuration.
    pub config: Config,
    /// Host sinks; they count as required sinks.
    pub sinks: Vec<HostSink>,
    /// The host's signer, where the configuration asks for it: where it does not, that is an error.
    pub signer: Option<Arc<dyn HostSigner>>,
    /// Whether to run without threads, so that only `drain` delivers.
    pub manual: bool,
}

impl Options {
    /// An emitter with threads and no host sinks.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, sinks: Vec::new(), signer: None, manual: false }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("sinks", &self.sinks)
            .field("manual", &self.manual)
            .finish_non_exhaustive()
    }
}

/// A lane to be started.
struct Planned {
    config: LaneConfig,
    make: Maker,
}

enum Maker {
    BuiltIn,
    Host(SinkFactory),
}

/// The lanes of the configuration, then a lane for each host sink that none of them names.
fn plan(options: &Options) -> Result<Vec<Planned>> {
    let mut planned: Vec<Planned> = Vec::new();
    let mut used = Vec::new();
    for config in &options.config.lanes {
        let make = match config.sink.host() {
            Some(name) => {
                let Some(sink) = options.sinks.iter().find(|sink| sink.name == name) else {
                    let known: Vec<&str> = options.sinks.iter().map(|sink| sink.name.as_str()).collect();
                    return Err(Error::invalid_config(format!(
                        "no host sink of the name {name:?} was given to open; there are: {}",
                        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                    ))
                    .at(format!("lanes: {}", config.id)));
                };
                used.push(name.to_owned());
                Maker::Host(Arc::clone(&sink.make))
            }
            None => Maker::BuiltIn,
        };
        planned.push(Planned { config: config.clone(), make });
    }
    for sink in options.sinks.iter().filter(|sink| !used.contains(&sink.name)) {
        if planned.iter().any(|lane| lane.config.id == sink.lane.id) {
            return Err(Error::invalid_config("two lanes have this id; give the sink's lane another")
                .at(&*sink.lane.id));
        }
        planned.push(Planned { config: sink.lane.clone(), make: Maker::Host(Arc::clone(&sink.make)) });
    }
    Ok(planned)
}

pub(super) fn open(options: &Arc<Options>, forked: bool, tell: &mut dyn FnMut(&Awaited)) -> Result<Inner> {
    let config = &options.config;
    let key = match &config.key {
        Some(key) => Some(load_signing_key(key, options.signer.clone())?),
        None if options.signer.is_some() => return Err(unasked_signer()),
        None => None,
    };
    let governance = config.governance.as_ref();
    let identity = Arc::new(Identity {
        agent: config.agent.id.as_str().into(),
        tenant: config.agent.tenant.as_deref().map(Into::into),
        source: config.source.clone().unwrap_or_else(|| config.agent.id.clone()),
        prefix: config.type_prefix.clone(),
        allow: Globs::new(config.agent.allow.clone()),
        limits: config.limits,
        policy_version: governance.and_then(|governance| governance.version.clone()),
    });
    let timeline = Arc::new(Timeline::new(config.testing.as_ref(), config.derived_ids));
    let required = governance.map(|governance| governance.required.clone()).unwrap_or_default();
    let file = match &config.checkpoint {
        Some(CheckpointTarget::File(file)) if !config.disabled => {
            Some(CheckpointFile::open(file.clone(), options.manual)?)
        }
        _ => None,
    };
    let bus = Arc::new(Bus::new(required, config.checkpoint.clone(), file, key));
    if let Some(file) = bus.checkpoint_file() {
        let lanes = Arc::downgrade(&bus);
        file.listen(Box::new(move |record| {
            if let Some(bus) = lanes.upgrade() {
                bus.announce(usize::MAX, record);
            }
        }));
    }
    let context = Arc::new(SealContext {
        identity: Arc::clone(&identity),
        timeline: Arc::clone(&timeline),
        why: if forked { Why::Fork } else { Why::Start },
        content: ContentRules::new(
            config.governance.as_ref().and_then(|governance| governance.content.clone()),
            config.redaction_hash_key.as_ref(),
        )?,
    });
    let refused = Arc::<AtomicU64>::default();
    let gauges = Gauges {
        bus: Arc::downgrade(&bus),
        refused: Arc::clone(&refused),
        instruments: Arc::default(),
        policies: Arc::default(),
        since: timeline.unix_nanos(),
    };
    let exporter = exporter(options, &gauges, &timeline);
    let inner = Inner {
        process: Process::this(),
        freezer: Freezer::new(identity, timeline).redacting(context.content.redactor.clone()),
        bus,
        context,
        policies: Arc::clone(&gauges.policies),
        instruments: Arc::clone(&gauges.instruments),
        closed: AtomicBool::new(false),
        refused,
        gauges,
        exporter,
        scrape: Mutex::default(),
        watch: Mutex::default(),
        manual: options.manual.then(Vec::new),
        disabled: config.disabled,
        runs: crate::bridge::Runs::default(),
        deeds_before: Mutex::default(),
    };
    if config.disabled {
        return Ok(inner);
    }
    for warning in &config.warnings {
        crate::diagnostics::warn(warning);
    }
    let mut planned = plan(options)?;
    if config.lanes_defaulted && !options.sinks.is_empty() {
        // A program that passes its own sinks and configures no lanes wants only those, not the default console, too.
        planned.retain(|lane| matches!(lane.make, Maker::Host(_)));
    }
    if config.journal.is_some() && !planned.iter().any(|lane| lane.config.durable) {
        crate::diagnostics::warn(UNUSED_JOURNAL);
    }
    for class in crate::sink::SinkClass::ALL {
        if inner.bus.requires(class) && !planned.iter().any(|lane| lane.config.classes.contains(&class)) {
            return Err(inner.bus.unavailable(&[class]));
        }
    }
    let mut inner = inner;
    let mut known = Vec::new();
    if !config.telemetry.is_empty() {
        let loaded = telemetry::load(&config.telemetry, &SystemEnv::default(), None);
        known = loaded.warnings();
        known.iter().for_each(|warning| crate::diagnostics::warn(warning));
        put_in_force(&inner, config, loaded);
    }
    let result = start_all(&mut inner, options, planned, tell);
    if let Err(e) = result {
        // Nothing is left running.
        inner.shutdown(Duration::ZERO);
        return Err(e);
    }
    // Which lanes there are is known only now.
    warn_of_policies(&inner, &known);
    send_metrics(&inner);
    if let Some(address) = config.metrics.listen.filter(|_| !options.manual) {
        let gauges = inner.gauges.clone();
        *lock(&inner.scrape) = Scrape::open(address, move || gauges.prometheus());
    }
    if config.handle_signals {
        signals::handle(Arc::downgrade(&inner.bus))?;
    }
    Ok(inner)
}

/// What sends metrics where policies want them.
fn exporter(options: &Options, gauges: &Gauges, timeline: &Arc<Timeline>) -> Exporter {
    let config = &options.config;
    let lanes: Vec<_> = config.lanes.iter().map(|lane| (lane.id.clone(), lane.sink.clone())).collect();
    let make = move |provider: &Provider| {
        let sink = match provider {
            Provider::Environment => None,
            Provider::Lane(id) => lanes.iter().find(|(known, _)| known == id).map(|(_, sink)| sink),
        };
        sinks::reporter(sink, LIMIT)
    };
    let gauges = gauges.clone();
    let source = move || gauges.sent();
    let (every, timeline) = (config.metrics.every, Arc::clone(timeline));
    Exporter::new(every, timeline, options.manual, Box::new(source), Box::new(make))
}

/// Has metrics sent from now on, if the policies in force want it.
fn send_metrics(inner: &Inner) {
    if inner.policies.load().as_ref().is_some_and(|policies| !policies.sent().is_empty()) {
        inner.exporter.start();
    }
}

/// Reads the policies again, and puts them in force as one set; what was known to be wrong is not said again.
pub(super) fn reload(inner: &Inner, config: &Config) {
    if inner.disabled || config.telemetry.is_empty() {
        return;
    }
    let _alone = inner.bus.reloading();
    let previous = inner.policies.load_full();
    let known = previous.as_ref().map(|policies| policies.warnings()).unwrap_or_default();
    let previous = previous.map(|policies| policies.loaded());
    let loaded = telemetry::load(&config.telemetry, &SystemEnv::default(), previous.as_deref());
    put_in_force(inner, config, loaded);
    // Whoever hears of it finds it so; and no host's logger keeps what is good from being in force.
    warn_of_policies(inner, &known);
}

/// Says what is wrong with the policies in force, but for what is known.
fn warn_of_policies(inner: &Inner, known: &[String]) {
    let warnings = inner.policies.load().as_ref().map(|policies| policies.warnings()).unwrap_or_default();
    for warning in warnings.iter().filter(|warning| !known.contains(warning)) {
        crate::diagnostics::warn(warning);
    }
}

/// Puts a set of policies in force, for the present lanes and for those added later.
pub(super) fn put_in_force(inner: &Inner, config: &Config, loaded: Arc<Loaded>) {
    let identity = &inner.context.identity;
    let scene = Scene {
        agent: identity.agent.to_string(),
        tenant: identity.tenant.as_deref().map(str::to_owned),
        allow: identity.allow.clone(),
        namespace: config.target.namespace.clone(),
        gateway: config.target.gateway.clone(),
        anywhere: false,
    };
    let policies = Arc::clone(&inner.policies);
    let meters =
        Meters { registry: Arc::clone(&inner.instruments), context: Some(Arc::clone(&inner.context)) };
    inner.bus.shape(Arc::new(move |lanes| {
        let places = lanes.iter().map(|lane| Place {
            id: lane.id().to_owned(),
            classes: lane.classes().to_vec(),
            reports: sinks::reports(&lane.config.sink),
        });
        let places: Vec<_> = places.collect();
        let bound = Arc::new(telemetry::bind(Arc::clone(&loaded), &scene, &places, &meters));
        policies.store(Some(Arc::clone(&bound)));
        InForce {
            shaping: bound.shapes().then(|| Arc::clone(&bound) as Arc<dyn Shaping>),
            measuring: bound.measures().then_some(bound as Arc<dyn Measuring>),
        }
    }));
    let set = inner.bus.set();
    let asks = set.in_force.shaping.is_some() || set.in_force.measuring.is_some();
    inner.freezer.note_places(asks);
    send_metrics(inner);
}

fn start_all(
    inner: &mut Inner,
    options: &Options,
    planned: Vec<Planned>,
    tell: &mut dyn FnMut(&Awaited),
) -> Result<()> {
    // All sinks are made before a lane starts: what may not be waited for leaves nothing behind.
    let made = planned.into_iter().map(|planned| make(&options.config, planned));
    let made = made.collect::<Result<Vec<_>>>()?;
    let awaited = awaited(&inner.bus, options, &made);
    tell(&awaited);
    let away = awaited.may_wait().map_err(|held| inner.bus.held(held.class, &held.lanes))?;
    for ready in made {
        start(inner, &options.config, ready)?;
    }
    let mut longest = away.longest;
    if let Some(manual) = &inner.manual {
        // Nothing changes by waiting.
        longest = Duration::ZERO;
        for (lane, manual) in inner.bus.lanes().iter().zip(manual) {
            if lane.classes().iter().any(|class| inner.bus.requires(*class)) {
                super::drain(lane, &mut lock(manual));
            }
        }
    }
    inner.bus.await_required(longest)
}

/// What the opening will wait for.
fn awaited(bus: &Bus, options: &Options, made: &[Ready]) -> Awaited {
    let signer = options.signer.as_ref().and_then(|signer| signer.home());
    let lanes = made.iter().map(|ready| AwaitedLane {
        id: ready.config.id.clone(),
        classes: ready.config.classes.clone(),
        timeout: ready.config.timeout,
        homes: ready.sinks[0].home().into_iter().chain(signer.clone()).collect(),
    });
    let classes = bus.required();
    Awaited { lanes: if classes.is_empty() { Vec::new() } else { lanes.collect() }, classes }
}

/// Starts one lane.
fn start(inner: &mut Inner, config: &Config, ready: Ready) -> Result<()> {
    let (lane, control, mut sinks) = prepare(inner, config, ready)?;
    match &mut inner.manual {
        Some(manual) => {
            inner.bus.add(lane);
            manual.push(Mutex::new(Manual { control, sink: sinks.swap_remove(0) }));
        }
        None => {
            inner.bus.add(Arc::clone(&lane));
            if let Err(e) = worker::start(&lane, control, sinks) {
                inner.bus.remove_last();
                return Err(e);
            }
        }
    }
    Ok(())
}

/// One handle of the sink for each batch that may be in flight.
type Sinks = Vec<Box<dyn Sink>>;

/// A lane's sinks, once made, and their upkeep.
struct Ready {
    config: LaneConfig,
    sinks: Sinks,
    upkeep: Option<Box<dyn Upkeep>>,
    traffic: Vec<Arc<Traffic>>,
}

/// Makes a lane's sinks. This may run the host's code.
fn make(config: &Config, planned: Planned) -> Result<Ready> {
    let Planned { config: lane_config, make } = planned;
    let making = Making { timeout: lane_config.timeout, type_prefix: &config.type_prefix };
    let Made { mut sink, upkeep, traffic } = match &make {
        Maker::BuiltIn => {
            let made = lane_config.sink.make(&making);
            made.map_err(|e| e.at(format!("lanes: {}", lane_config.id)))?
        }
        Maker::Host(make) => Made { sink: make()?, upkeep: None, traffic: Vec::new() },
    };
    let attached = Attached { id: &lane_config.id, timeout: lane_config.timeout };
    sink.attach(&attached);
    let mut sinks = vec![sink];
    if lane_config.in_flight > 1 {
        if !sinks[0].idempotent() {
            return Err(Error::invalid_config(
                "several batches in flight would repeat and reorder what this sink gets, and it does not declare itself idempotent; leave `in_flight` out",
            )
            .at(format!("lanes: {}: in_flight", lane_config.id)));
        }
        if let Maker::Host(make) = &make {
            for _ in 1..lane_config.in_flight {
                let mut sink = make()?;
                sink.attach(&attached);
                sinks.push(sink);
            }
        }
    }
    Ok(Ready { config: lane_config, sinks, upkeep, traffic })
}

/// Makes the lane for these sinks, with the next index: nobody else may add a lane meanwhile.
fn prepare(inner: &Inner, config: &Config, ready: Ready) -> Result<(Arc<Lane>, Control, Sinks)> {
    let Ready { config: lane_config, sinks, upkeep, traffic } = ready;
    let sink = &sinks[0];
    let index = inner.bus.lanes().len();
    let timeline = Arc::clone(&inner.freezer.timeline);
    let lane = Arc::new(Lane::new(lane_config, index, &config.queue, timeline).with_traffic(traffic));
    let mut sealer = Sealer::new(Arc::clone(&inner.context), &lane, inner.bus.key());
    let of_journal = |journal: &JournalConfig| OwnPath { path: journal.dir.clone(), access: journal.access };
    let dead_letters = config.dead_letter.clone().or_else(|| config.journal.as_ref().map(of_journal));
    let durable = match &config.journal {
        Some(journal) if lane.durable() => {
            let mut durable = Durable::open(journal, &lane, sink.kind(), &mut sealer)?;
            lock(&inner.deeds_before).extend(durable.take_deeds());
            Some(durable)
        }
        _ => None,
    };
    let parts = Parts {
        durable,
        upkeep,
        rules: Arc::clone(&inner.context),
        sealer,
        dead_letters,
        idempotent: sink.idempotent(),
        kind: sink.kind(),
        heartbeat: config.heartbeat_every(),
        keep_records: inner.manual.is_some(),
    };
    let control = Control::new(Arc::clone(&lane), Arc::clone(&inner.bus), parts);
    Ok((lane, control, sinks))
}

/// Adds a lane while the emitter runs.
pub(super) fn add(inner: &Inner, options: &Options, sink: HostSink) -> Result<()> {
    if inner.manual.is_some() {
        return Err(Error::new(ErrorKind::InvalidArgument, "a manual emitter takes its sinks at open"));
    }
    let taken = |id: &str| {
        let taken = inner.bus.lanes().iter().any(|lane| lane.id() == id);
        let what = "two lanes have this id; give the sink's lane another";
        if taken { Err(Error::invalid_config(what).at(id)) } else { Ok(()) }
    };
    taken(&sink.lane.id)?;
    let planned = Planned { config: sink.lane, make: Maker::Host(sink.make) };
    // Before any lock is held, as it runs the host's code.
    let ready = make(&options.config, planned)?;
    let _alone = inner.bus.adding();
    // A shutdown that begins now waits, and then ends this lane, too.
    drop(inner.bus.enter()?);
    taken(&ready.config.id)?;
    let (lane, control, sinks) = prepare(inner, &options.config, ready)?;
    inner.bus.add(Arc::clone(&lane));
    worker::start(&lane, control, sinks).inspect_err(|_| inner.bus.remove_last())
}
