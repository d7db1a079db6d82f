//! `sinkwell intake`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sinkwell::config::{Config, Source};
use sinkwell::intake::{Intake, Limits, Options, Output, Tls, read_duration, read_size, read_tokens};
use sinkwell::seam::SystemEnv;
use sinkwell::verify::TrustedKey;
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::{Out, warn};

/// Take streams of agents (`sink: { stream: … }`), rebuild every envelope byte for byte, and write them to a file or to
/// the sink of a lane; nothing is acknowledged before it is there. Ends on SIGTERM or SIGINT; exit 1 if something failed
/// verification.
#[derive(Args)]
pub(crate) struct Command {
    /// Where to listen: HOST:PORT, or unix:PATH.
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Write lines to this file, made 0600, and sync before acknowledging.
    #[arg(long, value_name = "PATH", conflicts_with = "lane", required_unless_present = "lane")]
    out: Option<PathBuf>,
    /// Begin another file when this one would grow past that: 512MiB.
    #[arg(long, value_name = "SIZE", requires = "out", value_parser = size)]
    rotate_size: Option<u64>,
    /// Begin another file when this one is that old: 24h.
    #[arg(long, value_name = "DURATION", requires = "out", value_parser = duration)]
    rotate_age: Option<Duration>,
    /// Keep so many rotated files; without it, all.
    #[arg(long, value_name = "N", requires = "out")]
    keep: Option<usize>,
    /// Give envelopes to the sink of this lane of the configuration.
    #[arg(long, value_name = "ID")]
    lane: Option<String>,
    /// The configuration with the lane; default: as an agent finds it.
    #[arg(long, value_name = "FILE", requires = "lane")]
    config: Option<PathBuf>,
    /// Verify what comes with this key, as for `verify`; say what fails, and keep nothing out.
    #[arg(long = "key", value_name = "ID=FILE")]
    keys: Vec<String>,
    /// Speak TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM), in a file that nobody else can read.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Let in only clients with a certificate of a CA in this file (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    client_ca: Option<PathBuf>,
    /// Let in only who says `authorization: Bearer TOKEN`, with a token of this file, which nobody else can read: one a line.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Take a token file and a certificate's key that their group can read (0640), too.
    #[arg(long)]
    allow_group_readable: bool,
    /// Connections at a time.
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Streams of one connection.
    #[arg(long, value_name = "N")]
    max_streams: Option<u32>,
    /// Bytes that one stream may have the intake remember.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_state: Option<u64>,
    /// Bytes of the lines of one batch.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_batch: Option<u64>,
    /// Bytes of lines on their way to the file or the sink, of all streams together.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_pending: Option<u64>,
    /// Events a second of one stream.
    #[arg(long, value_name = "N")]
    max_rate: Option<u32>,
    /// How long to wait at the end for what was read to be written.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    grace: Duration,
}

fn size(text: &str) -> std::result::Result<u64, String> {
    read_size(text).ok_or_else(|| "a size is a number of bytes, or has a unit: 64MiB, 2GiB".to_owned())
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    read_duration(text).ok_or_else(|| "a duration has a unit: 200ms, 90s, 5m, 2h, 1d".to_owned())
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let output = match (command.out, command.lane) {
        (Some(path), _) => Output::File {
            path,
            rotate_bytes: command.rotate_size,
            rotate_age: command.rotate_age,
            keep: command.keep,
        },
        (None, Some(id)) => {
            let source = command.config.map_or(Source::Environment, Source::Path);
            let config = Config::load(source, &SystemEnv::with_program("sinkwell"))?;
            Output::Lane { config: Box::new(config), id }
        }
        (None, None) => return Err(Error::invalid_argument("say where to: --out or --lane")),
    };
    let usual = Limits::default();
    let in_memory = |size: Option<u64>, usual: usize| {
        size.map_or(usual, |size| usize::try_from(size).unwrap_or(usize::MAX))
    };
    let limits = Limits {
        connections: command.max_connections.unwrap_or(usual.connections),
        streams: command.max_streams.unwrap_or(usual.streams),
        state: in_memory(command.max_state, usual.state),
        batch: in_memory(command.max_batch, usual.batch),
        pending: in_memory(command.max_pending, usual.pending),
        rate: command.max_rate,
    };
    let allow_group_readable = command.allow_group_readable;
    let tls = match (command.tls_certificate, command.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(Tls { certificate, key, allow_group_readable, client_ca: command.client_ca })
        }
        _ => None,
    };
    let tokens = command.token_file.map(|path| read_tokens(&path, allow_group_readable));
    let tokens = tokens.transpose()?.unwrap_or_default();
    let keys = command.keys.iter().map(|key| TrustedKey::from_argument(key)).collect::<Result<Vec<_>>>()?;
    let open = tls.is_none() && !command.listen.starts_with("unix:");
    if tokens.is_empty()
        && tls.as_ref().is_none_or(|tls| tls.client_ca.is_none())
        && !command.listen.starts_with("unix:")
    {
        warn("anybody who reaches this address may send: use --token-file, or --client-ca");
    }
    if open && !tokens.is_empty() {
        warn("tokens go over the network in plain text: use --tls-certificate and --tls-key");
    }
    let intake = Intake::start(Options { listen: command.listen, output, tls, tokens, limits, keys })?;
    let mut out = Out::new();
    out.line(format_args!("listening on {}", intake.address()))?;
    out.flush()?;
    let totals = intake.until_signal(command.grace)?;
    out.line(format_args!(
        "{} envelopes in {} batches acknowledged, {} bytes; {} refused; {} findings",
        totals.envelopes, totals.batches, totals.bytes, totals.refused, totals.findings
    ))?;
    out.flush()?;
    Ok(if totals.findings > 0 { Outcome::Findings } else { Outcome::Good })
}
