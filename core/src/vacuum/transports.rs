//! Which lanes get what the vacuum finds.
//!
//! Guarantees: a name is a lane of the configuration, or one of the sinks that need none of it; any other is an error that
//! lists what there is. What the configuration requires stays required: picking lanes is no way around a required sink.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::seam::Env;
use crate::settings::LaneConfig;

/// The variables that pick lanes; the first that is set and not empty counts.
pub const TRANSPORTS: [&str; 2] = ["SINKWELL_VACUUM_TRANSPORTS", "EVENT_VACUUM_TRANSPORTS"];

/// Sinks that can be picked by name where the configuration has no lane of that name.
const ALONE: [&str; 2] = ["console", "honeycomb"];

/// What the environment picks; none: the vacuum is off.
#[must_use]
pub fn picked(env: &dyn Env) -> Option<String> {
    TRANSPORTS.iter().filter_map(|name| env.var(name)).find(|list| names(list).next().is_some())
}

/// Leaves of a configuration the lanes that `names` picks, separated by `;`, in the order in which they are named.
///
/// # Errors
/// `invalid_config`: a name that is none; what a sink needs that it has not got.
pub fn pick(config: &mut Config, names: &str, env: &dyn Env) -> Result<()> {
    let mut lanes = Vec::new();
    for name in self::names(names) {
        let lane = match config.lanes.iter().find(|lane| lane.id == name) {
            Some(lane) => lane.clone(),
            None if ALONE.contains(&name) => alone(config, name, env)?,
            None => {
                let known = config.lanes.iter().map(|lane| &*lane.id).filter(|id| !ALONE.contains(id));
                return Err(unknown(known.chain(ALONE), name));
            }
        };
        if lanes.iter().all(|known: &LaneConfig| known.id != lane.id) {
            lanes.push(lane);
        }
    }
    config.lanes = lanes;
    Ok(())
}

/// A lane of that sink, as the rest of the configuration has it be.
fn alone(config: &Config, name: &str, env: &dyn Env) -> Result<LaneConfig> {
    let (lane, _) = config.parse_lane(&format!(r#"{{"sink":"{name}"}}"#), env)?;
    Ok(lane)
}

/// The names in a list of them, separated by `;`.
pub(super) fn names(names: &str) -> impl Iterator<Item = &str> {
    names.split(';').map(str::trim).filter(|name| !name.is_empty())
}

/// A name that is none of `known`.
pub(super) fn unknown<'a>(known: impl Iterator<Item = &'a str>, name: &str) -> Error {
    let known: Vec<&str> = known.collect();
    let mut text = format!("{name:?} is no transport; there are {}", known.join(", "));
    if name == "kinesis" {
        text.push_str("; for Kinesis, send an `otlp` lane to a collector that has an exporter for it");
    }
    Error::invalid_config(text).at(TRANSPORTS[0])
}
