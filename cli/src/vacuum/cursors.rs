//! `sinkwell vacuum cursors`: how far each lane has got with each process's log.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sinkwell::config::{Config, Source};
use sinkwell::seam::Env;
use sinkwell::vacuum::{Cursors, MAX_NONCE};
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::{Out, warn};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List them: process, lane, the nonce up to which all is delivered, the one up to which all is journaled, and one that
    /// ended undone, as far as there are.
    Ls {
        #[command(flatten)]
        database: Database,
        /// Only this process's.
        #[arg(long, value_name = "ID")]
        process: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Put a lane's cursor at a nonce, so that it is sent what comes after it; - is before the first.
    Set {
        #[command(flatten)]
        database: Database,
        /// Whose log.
        #[arg(long, value_name = "ID")]
        process: String,
        /// The lane.
        #[arg(long, value_name = "ID")]
        lane: String,
        /// The nonce.
        #[arg(value_name = "N")]
        nonce: String,
    },
    /// Forget a process's cursors, so that it is sent again from its beginning.
    Rm {
        #[command(flatten)]
        database: Database,
        /// Whose log.
        #[arg(long, value_name = "ID")]
        process: String,
        /// Only this lane's.
        #[arg(long, value_name = "ID")]
        lane: Option<String>,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Database {
    /// The database.
    #[arg(long, value_name = "FILE")]
    cursors: Option<PathBuf>,
    /// The configuration whose `vacuum.cursors` it is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Database {
    fn open(&self, env: &dyn Env) -> Result<Cursors> {
        let path = match (&self.cursors, &self.config) {
            (Some(path), _) => path.clone(),
            (None, Some(config)) => Config::load(Source::Path(config.clone()), env)?
                .vacuum
                .and_then(|vacuum| vacuum.cursors)
                .ok_or_else(|| {
                    Error::invalid_argument("the configuration names no database of cursors")
                        .at("vacuum.cursors")
                })?,
            (None, None) => return Err(Error::invalid_argument("name the database").at("--cursors")),
        };
        Cursors::open_known(path)
    }
}

pub(super) fn run(command: &Command, env: &dyn Env) -> Result<Outcome> {
    match command {
        Command::Ls { database, process, json } => {
            let mut out = Out::new();
            let cursors = database.open(env)?.list()?;
            for cursor in
                cursors.iter().filter(|cursor| process.as_ref().is_none_or(|id| *id == cursor.process))
            {
                if *json {
                    out.data(format!("{}\n", cursor.to_value().to_json()).as_bytes())?;
                    continue;
                }
                let marks = cursor.marks;
                let marks = [
                    ("delivered", marks.delivered),
                    ("journaled", marks.journaled),
                    ("undone", marks.undone),
                ];
                let marks: String = marks
                    .into_iter()
                    .filter_map(|(name, nonce)| nonce.map(|nonce| format!(" {name} {nonce}")))
                    .collect();
                out.line(format_args!("{} {}:{marks}", cursor.process, cursor.lane))?;
            }
            out.flush()?;
            Ok(Outcome::Good)
        }
        Command::Set { database, process, lane, nonce } => {
            let nonce = match nonce.as_str() {
                "-" => None,
                text => Some(text.parse().ok().filter(|n| *n <= MAX_NONCE).ok_or_else(|| {
                    Error::invalid_argument("must be an integer from 0 to 2^53-1, or -").at("N")
                })?),
            };
            database.open(env)?.set(process, lane, nonce)?;
            Ok(Outcome::Good)
        }
        Command::Rm { database, process, lane } => {
            if database.open(env)?.remove(process, lane.as_deref())? > 0 {
                return Ok(Outcome::Good);
            }
            warn("there is no such cursor");
            Ok(Outcome::Findings)
        }
    }
}
