//! `sinkwell graph`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sinkwell::Result;
use sinkwell::seam::{UnixNanos, parse_time};
use sinkwell::verify::{GraphFilter, Options, TrustedKey, Verdict, Verifier};

use crate::Outcome;
use crate::out::Out;

/// Say who did what, by whose leave: the authorization graph of what envelopes say.
///
/// The input is verified first, as verify does. What no signature covers is shown, marked, and lets nothing. The text
/// says of each action why it was allowed.
#[derive(Args)]
pub(crate) struct Command {
    /// A key to trust, as for verify. Repeatable.
    #[arg(long = "key", value_name = "ID=[ed25519:|hmac:]FILE[,agent=GLOB]")]
    keys: Vec<String>,
    /// This run, those that it began, and what they rest on.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// What this agent did, and what that rests on.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// What happened at this time (RFC 3339) or later, and what that rests on.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<UnixNanos>,
    /// One event, and what it rests on.
    #[arg(long, value_name = "ID")]
    event: Option<String>,
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

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Findings, and a paragraph on each action.
    Text,
    /// One JSON object.
    Json,
    /// A picture, by Graphviz' dot.
    Dot,
    /// A picture, by Mermaid.
    Mermaid,
}

fn time(text: &str) -> std::result::Result<UnixNanos, String> {
    parse_time(text).ok_or_else(|| "a time as in 2026-01-31T12:00:00Z".to_owned())
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let mut verifier = Verifier::new(Options {
        keys: command.keys.iter().map(|key| TrustedKey::from_argument(key)).collect::<Result<_>>()?,
        graph: true,
        partial: command.partial,
        ..Options::default()
    });
    crate::verify::read_all(&mut verifier, &command.paths)?;
    let filter =
        GraphFilter { run: command.run, agent: command.agent, since: command.since, event: command.event };
    let (report, graph) = verifier.graph(&filter)?;
    let mut out = Out::new();
    match command.format {
        Format::Text => out.text(&graph.to_string())?,
        Format::Json => out.data((graph.to_json().to_json() + "\n").as_bytes())?,
        Format::Dot => out.text(&graph.to_dot())?,
        Format::Mermaid => out.text(&graph.to_mermaid())?,
    }
    out.flush()?;
    let good = graph.findings().is_empty() && report.verdict <= Verdict::Incomplete;
    Ok(if good { Outcome::Good } else { Outcome::Findings })
}
