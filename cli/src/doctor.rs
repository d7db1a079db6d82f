//! `sinkwell doctor`

use std::path::PathBuf;

use clap::Args;
use sinkwell::config::{Config, Source};
use sinkwell::doctor::{self, Grade};
use sinkwell::seam::SystemEnv;
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::Out;

/// Read the configuration, try every sink, and say in a line each what is wrong and what to do. Sinks that
/// are reached get one stream, opened and closed. Exit 1 if something does not work.
#[derive(Args)]
pub(crate) struct Command {
    /// The configuration; default: what SINKWELL_CONFIG names, else SINKWELL_LANES and the OTEL_* variables.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let source = command.config.map_or(Source::Environment, Source::Path);
    let env = SystemEnv::with_program("sinkwell");
    let config = Config::load(source, &env)?;
    if config.disabled {
        return Err(Error::invalid_config("SINKWELL_DISABLED is set: nothing would be sent; unset it"));
    }
    let mut findings = doctor::examine(&config);
    findings.extend(doctor::examine_spans(&env));
    let mut out = Out::new();
    for finding in &findings {
        out.line(finding)?;
    }
    out.flush()?;
    let wrong = findings.iter().any(|finding| finding.grade == Grade::Wrong);
    Ok(if wrong { Outcome::Findings } else { Outcome::Good })
}
