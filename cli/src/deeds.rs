//! `sinkwell deeds`

use std::path::PathBuf;

use clap::Args;
use sinkwell::Result;
use sinkwell::verify::{Options, TrustedKey, Verdict, Verifier};

use crate::Outcome;
use crate::out::{Out, warn};
use crate::verify::Format;

/// List deeds that were begun and of which nothing says how they ended: what a crash leaves.
///
/// The input is verified first, as verify does; what no signature covers is not listed. Exit 1: something is unfinished,
/// the input is not sound, or no key was given to judge it by.
#[derive(Args)]
pub(crate) struct Command {
    /// A key to trust, as for verify. Repeatable.
    #[arg(long = "key", value_name = "ID=[ed25519:|hmac:]FILE[,agent=GLOB]")]
    keys: Vec<String>,
    /// The input is one file of a rotated set: what lies before its first envelopes is not missing.
    #[arg(long)]
    partial: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Files, audit databases, or directories of *.ndjson, *.jsonl and *.log; - or nothing is standard input.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let mut verifier = Verifier::new(Options {
        keys: command.keys.iter().map(|key| TrustedKey::from_argument(key)).collect::<Result<_>>()?,
        deeds: true,
        partial: command.partial,
        ..Options::default()
    });
    crate::verify::read_all(&mut verifier, &command.paths)?;
    let (report, deeds) = verifier.deeds()?;
    let mut out = Out::new();
    match command.format {
        Format::Text => out.text(&deeds.to_string())?,
        Format::Json => out.data((deeds.to_json().to_json() + "\n").as_bytes())?,
    }
    out.flush()?;
    match report.verdict {
        Verdict::Sound | Verdict::Incomplete => {}
        Verdict::Unchecked => warn("no key was given: anyone could have made this (give --key ID=FILE)"),
        Verdict::Findings => warn("the input is not sound; see sinkwell verify"),
    }
    let good = deeds.unfinished.is_empty() && report.verdict <= Verdict::Incomplete;
    Ok(if good { Outcome::Good } else { Outcome::Findings })
}
