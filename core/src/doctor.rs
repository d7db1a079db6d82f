//! What `sinkwell doctor` does: reads a configuration as an agent would, tries everything that it names, and says for
//! each thing what is wrong and what to do.
//!
//! Guarantees: no journal is adopted, acknowledged or deleted, and no file is left behind that was not there before. A
//! sink that works gets one stream, opened and closed, sealed as the agent's own would be, so that a receiver that
//! accepts it accepts the real thing. No finding holds a secret or a word of content.
//!
//! How: one [`Finding`] per thing examined; a lane is tried by an emitter of its own, without threads, that has
//! only this lane and no journal.

use std::fmt;
use std::sync::Arc;

use crate::emitter::{Emitter, Options};
use crate::journal;
use crate::key::load_signing_key;
use crate::lane::LaneState;
use crate::seam::{Access, Env, Fs, RealFs, SharedFs, SystemEnv};
use crate::settings::{CheckpointTarget, Config, KeySource, LaneConfig, OwnPath};
pub use crate::sink::Grade;
use crate::sink::{Examined, Making};
use crate::sinks::trial::{existing, writable_file, writable_folder};

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How good or bad it is.
    pub grade: Grade,
    /// What it is about: `key`, `journal`, `lane collector`.
    pub place: String,
    /// What was found, and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Good => "ok",
            Grade::Untried => "--",
            Grade::Warning => "WARN",
            Grade::Wrong => "FAIL",
        };
        write!(f, "{grade:<4}  {}: {}", self.place, self.text)
    }
}

/// Examines all that the configuration names, in its order.
#[must_use]
pub fn examine(config: &Config) -> Vec<Finding> {
    let mut doctor = Doctor { fs: Arc::new(RealFs), config, findings: Vec::new() };
    for warning in &config.warnings {
        doctor.say(Grade::Warning, "configuration", warning.as_str());
    }
    let sealing = doctor.key();
    doctor.journal();
    doctor.places();
    doctor.required();
    doctor.policies();
    for lane in &config.lanes {
        doctor.lane(lane, sealing);
    }
    doctor.findings
}

/// Examines the sampler that the environment sets for spans: what it drops reaches no span processor, in any language.
#[must_use]
pub fn examine_spans(env: &dyn Env) -> Option<Finding> {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    let sampler = env.var(SAMPLER).filter(|name| !name.is_empty())?;
    if sampler == "always_on" || sampler == "parentbased_always_on" {
        return None;
    }
    let text = format!(
        "{SAMPLER} is {sampler}: spans that it drops reach no span processor, and their tool calls are no events and \
         counted nowhere; have all of them recorded (`recordAll`, `RecordAll`, `RecordAllSampler` around the sampler)"
    );
    Some(Finding { grade: Grade::Warning, place: "spans".to_owned(), text })
}

struct Doctor<'c> {
    fs: Arc<dyn Fs>,
    config: &'c Config,
    findings: Vec<Finding>,
}

impl Doctor<'_> {
    fn say(&mut self, grade: Grade, place: impl Into<String>, text: impl Into<String>) {
        self.findings.push(Finding { grade, place: place.into(), text: text.into() });
    }

    /// Examines the key; answers whether lanes can be tried, as they never get an envelope that the agent would not
    /// have sealed.
    fn key(&mut self) -> bool {
        let Some(key) = &self.config.key else {
            let text = "none: anyone could have made these envelopes; make one with `sinkwell keys new`";
            self.say(Grade::Warning, "key", text);
            return true;
        };
        if let KeySource::Host(algorithm) = key.source {
            let text =
                format!("{} is the host's signer ({}), which only the program has", key.id, algorithm.name());
            self.say(Grade::Untried, "key", text);
            return false;
        }
        match load_signing_key(key, None) {
            Ok(_) => self.say(Grade::Good, "key", format!("{} can seal", key.id)),
            Err(e) => {
                let place = e.place().map(|place| format!("{place}: ")).unwrap_or_default();
                self.say(Grade::Wrong, "key", format!("{place}{}", e.message()));
                return false;
            }
        }
        true
    }

    fn journal(&mut self) {
        let Some(journal) = &self.config.journal else { return };
        let dir = &journal.dir;
        let place = "journal";
        if let Err(e) = writable_folder(&SharedFs(journal.access), dir) {
            let shown = dir.display();
            let text =
                format!("{shown}: {e}; no lane can be durable: mend it, or point journal.dir elsewhere");
            return self.say(Grade::Wrong, place, text);
        }
        match self.fs.free_space(existing(dir)) {
            Ok(free) if free < journal.floor => {
                let text = format!(
                    "{}: {free} bytes are free, less than journal.floor ({}): durable lanes stand as if full; make room",
                    dir.display(),
                    journal.floor
                );
                self.say(Grade::Wrong, place, text);
            }
            _ => {}
        }
        let hosts = self.config.lanes.iter().any(|lane| lane.sink.host().is_some());
        if !hosts && !self.config.lanes.iter().any(|lane| lane.durable) {
            self.say(Grade::Wrong, place, crate::emitter::UNUSED_JOURNAL.to_owned());
        }
        if !crate::seam::exists(dir) {
            return self.say(Grade::Good, place, format!("{} will be made", dir.display()));
        }
        let overview = match journal::list(&self.fs, dir) {
            Ok(overview) => overview,
            // No agent has used this directory yet.
            Err(_) if self.fs.list(dir).is_ok_and(|entries| entries.is_empty()) => {
                return self.say(Grade::Good, place, format!("{} is empty", dir.display()));
            }
            Err(e) => return self.say(Grade::Wrong, place, e.to_string()),
        };
        let (mut waiting, mut bytes) = (0, 0);
        for sub in &overview.journals {
            waiting += sub.unacknowledged;
            bytes += sub.bytes;
            if let Some(text) = orphaned(sub, &self.config.lanes) {
                self.say(Grade::Wrong, place, text);
            }
            if !sub.damage.is_empty() && !sub.in_use {
                let text = format!(
                    "{}: {} damaged places, which its heir will declare; see `sinkwell journal show`",
                    sub.path.display(),
                    sub.damage.len()
                );
                self.say(Grade::Warning, place, text);
            }
        }
        if bytes >= journal.budget {
            let text = format!(
                "{bytes} bytes are in use, and journal.budget is {}: mend the sinks, or raise it",
                journal.budget
            );
            self.say(Grade::Warning, place, text);
        }
        self.say(Grade::Good, place, format!("{}: {waiting} envelopes wait", dir.display()));
    }

    /// Examines the other paths that are written to.
    fn places(&mut self) {
        if let Some(CheckpointTarget::File(OwnPath { path, access })) = &self.config.checkpoint {
            match writable_file(&SharedFs(Access { pipes: true, ..*access }), path) {
                Ok(()) => self.say(Grade::Good, "checkpoint", format!("{} can be written", path.display())),
                Err(e) => {
                    let text = format!("{}: {e}; a cut-off tail could not be shown: mend it", path.display());
                    self.say(Grade::Wrong, "checkpoint", text);
                }
            }
        }
        if let Some(OwnPath { path: dir, access }) = &self.config.dead_letter
            && let Err(e) =
                writable_folder(&SharedFs(*access), dir).and_then(|()| self.fs.list(dir).map(|_| ()))
        {
            let text = format!("{}: {e}; what a receiver refuses would not be kept: mend it", dir.display());
            self.say(Grade::Wrong, "dead_letter", text);
        }
    }

    fn required(&mut self) {
        let Some(governance) = &self.config.governance else { return };
        for required in &governance.required {
            let class = required.class;
            if !self.config.lanes.iter().any(|lane| lane.classes.contains(&class)) {
                let text = format!(
                    "a sink of class {} is required, and no lane has it: add one, or give a host sink to open",
                    class.name()
                );
                self.say(Grade::Wrong, "governance.required_sinks", text);
            }
        }
    }

    fn lane(&mut self, lane: &LaneConfig, sealing: bool) {
        let place = format!("lane {}", lane.id);
        let making = Making { timeout: lane.timeout, type_prefix: &self.config.type_prefix };
        if let Examined::Found(grade, text) = lane.sink.examine(&making) {
            return self.say(grade, place, text);
        }
        if !sealing {
            return self.say(
                Grade::Untried,
                place,
                "reached, but nothing was sent: the key cannot seal here",
            );
        }
        match try_lane(self.config, lane) {
            Ok(()) => self.say(Grade::Good, place, "took a sealed stream, opened and closed"),
            Err(text) => self.say(Grade::Wrong, place, text),
        }
    }
}

/// Why no process with this configuration will ever adopt a sub-journal, if that is so.
fn orphaned(sub: &journal::SubJournal, lanes: &[LaneConfig]) -> Option<String> {
    if sub.in_use || sub.unacknowledged == 0 {
        return None;
    }
    let (shown, waiting) = (sub.path.display(), sub.unacknowledged);
    let Some(identity) = &sub.identity else {
        return Some(format!(
            "{shown}: {waiting} envelopes wait, and nobody can tell whose they are: see `sinkwell journal show`"
        ));
    };
    let heir = lanes
        .iter()
        .any(|lane| lane.durable && lane.id == identity.lane && lane.sink.kind() == identity.sink);
    (!heir).then(|| {
        format!(
            "{shown}: {waiting} envelopes wait for a durable lane {:?} with a sink {:?}, which this configuration \
             does not have: bring it back, or take them out by `sinkwell journal replay`",
            identity.lane, identity.sink
        )
    })
}

impl Doctor<'_> {
    /// Says of the telemetry policies what the agent's log would.
    fn policies(&mut self) {
        for warning in crate::policy::telemetry::warnings(self.config, &SystemEnv::default()) {
            self.say(Grade::Warning, "telemetry", warning);
        }
    }
}

/// Delivers one stream through an emitter that has only this lane.
fn try_lane(config: &Config, lane: &LaneConfig) -> Result<(), String> {
    let mut alone = config.clone();
    let mut lane = lane.clone();
    lane.durable = false;
    let (id, timeout) = (lane.id.clone(), lane.timeout);
    alone.lanes = vec![lane];
    alone.lanes_defaulted = false;
    alone.journal = None;
    alone.checkpoint = None;
    alone.heartbeat = None;
    alone.handle_signals = false;
    alone.disabled = false;
    alone.warnings = Vec::new();
    // No policy touches what is tried here; the lanes that policies name are not there.
    alone.telemetry = Vec::new();
    if let Some(governance) = &mut alone.governance {
        governance.required = Vec::new();
        governance.heartbeat = None;
    }
    let options = Options { manual: true, ..Options::new(alone) };
    let emitter = Emitter::open(options).map_err(|e| e.to_string())?;
    emitter.drain(&id).map_err(|e| e.to_string())?;
    let health = emitter.health().pop().map(|(_, health)| health);
    emitter.shutdown(timeout);
    match health {
        Some(health) if health.state == LaneState::Healthy && health.acked.is_some() => Ok(()),
        Some(health) => {
            let summary = health.summary.unwrap_or_else(|| "nothing was acknowledged".to_owned());
            Err(health.detail.map_or_else(|| summary.clone(), |detail| format!("{summary} ({detail})")))
        }
        None => Err("the lane did not start".to_owned()),
    }
}
