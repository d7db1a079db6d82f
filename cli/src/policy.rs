//! `sinkwell policy`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sinkwell::config::{Config, Source};
use sinkwell::policy::telemetry;
use sinkwell::seam::{Env as _, SystemEnv};
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::Out;

#[derive(Subcommand)]
pub(crate) enum Command {
    Check(Check),
    Explain(Explain),
}

/// Say what becomes of each document: a line for each condition of each target. Exit 1 if one is not accepted, or has
/// no effect.
#[derive(Args)]
pub(crate) struct Check {
    /// Files of telemetry policies.
    #[arg(value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// The configuration of the emitter that they are for, with its lanes, agent and target, and the policies that it
    /// names itself; without it, whatever a policy names is taken to be there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Say, lane by lane and rule by rule, what becomes of an event, as JSON: the rule that decided, the randomness and the
/// threshold, and the data as the lane sees it.
#[derive(Args)]
pub(crate) struct Explain {
    /// Files of telemetry policies.
    #[arg(value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// As in `check`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The event: JSON with the members that `emit` takes.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

fn read_config(path: Option<PathBuf>, env: &SystemEnv) -> Result<Option<Config>> {
    path.map(|path| Config::load(Source::Path(path), env)).transpose()
}

fn json_line(out: &mut Out, json: &[u8]) -> Result<()> {
    out.data(json)?;
    out.data(b"\n")
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let env = SystemEnv::with_program("sinkwell");
    let mut out = Out::new();
    let good = match command {
        Command::Check(check) => {
            let config = read_config(check.config, &env)?;
            let checked = telemetry::check(&check.files, config.as_ref(), &env);
            match check.format {
                Format::Json => json_line(&mut out, &checked.status)?,
                Format::Text => checked.lines.iter().try_for_each(|line| out.line(line))?,
            }
            checked.good
        }
        Command::Explain(explain) => {
            let config = read_config(explain.config, &env)?;
            let event = env.read(&explain.event).map_err(|e| {
                let name = explain.event.display().to_string();
                Error::invalid_argument(format!("the event cannot be read: {e}")).at(name)
            })?;
            let answer = telemetry::explain(&explain.files, config.as_ref(), &event, &env)?;
            json_line(&mut out, &answer)?;
            true
        }
    };
    out.flush()?;
    Ok(if good { Outcome::Good } else { Outcome::Findings })
}
