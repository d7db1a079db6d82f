//! `sinkwell view`: a page that shows sealed events, and verifies them itself.
//!
//! [`collect`] reads what the page shows, once, and has the core judge the same bytes; [`page`] writes it into the page
//! that `viewer/` builds; [`serve`] gives that page to one browser on this machine; [`follow`] reads on as files grow.

mod collect;
mod follow;
mod page;
mod serve;

use std::path::{Path, PathBuf};

use clap::Args;
use sinkwell::verify::{Options, TrustedKey};
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::Out;
use crate::tail::same;
use collect::{Collected, Kind};

/// Show sealed events in a page that verifies them itself: served on this machine only, or written to a file.
///
/// The page asks nothing of any network. It says whether the command and its own verifier agree.
#[derive(Args)]
pub(crate) struct Command {
    /// A key to trust, as for verify. A public key goes into the page; a shared secret (hmac:) never into a file that
    /// --out writes: whoever opens that gives it to the page. Repeatable.
    #[arg(long = "key", value_name = "ID=[ed25519:|hmac:]FILE[,agent=GLOB]")]
    keys: Vec<String>,
    /// Checkpoints kept elsewhere, as for verify. Repeatable.
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// The input is one file of a rotated set: what lies before its first envelopes is not missing.
    #[arg(long)]
    partial: bool,
    /// Notes and declared losses are findings.
    #[arg(long)]
    strict: bool,
    /// Write the page to this file instead of serving it; it needs neither network nor server.
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    out: Option<PathBuf>,
    /// Go on as files and audit databases grow.
    #[arg(long)]
    live: bool,
    /// The port on 127.0.0.1; 0: a free one.
    #[arg(long, value_name = "PORT", default_value = "0")]
    port: u16,
    /// Files, audit databases, or directories of *.ndjson, *.jsonl and *.log; - or nothing is standard input.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What the page is told beside the events.
struct Told {
    /// The arguments of `--key`, and what was read by them.
    keys: Vec<(TrustedKey, String)>,
    partial: bool,
    strict: bool,
    /// Whether shared secrets go into the page.
    secrets: bool,
    live: bool,
}

impl Told {
    /// How the core verifies; `secrets`: with shared secrets, too.
    fn options(&self, secrets: bool) -> Options {
        let keys = self.keys.iter().map(|(key, _)| key);
        Options {
            keys: keys.filter(|key| secrets || key.key.ed25519_bytes().is_some()).cloned().collect(),
            graph: true,
            partial: self.partial,
            strict: self.strict,
            ..Options::default()
        }
    }
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let keys = command.keys.iter().map(|key| Ok((TrustedKey::from_argument(key)?, key.clone())));
    let told = Told {
        keys: keys.collect::<Result<_>>()?,
        partial: command.partial,
        strict: command.strict,
        secrets: command.out.is_none(),
        live: command.live,
    };
    let stdin = [PathBuf::from("-")];
    let paths = if command.paths.is_empty() { &stdin[..] } else { &command.paths };
    let mut collected = Collected::new(command.live);
    for path in paths {
        collected.read(path, Kind::Input)?;
    }
    for path in &command.checkpoints {
        collected.read(path, Kind::Checkpoint)?;
    }
    let mut out = Out::new();
    if let Some(path) = &command.out {
        let piped = Path::new("/dev/stdin");
        let read_piped = paths.iter().any(|path| path.as_os_str() == "-").then_some(piped);
        let keys = told.keys.iter().map(|(_, argument)| Path::new(key_file(argument)));
        if collected.paths().chain(read_piped).chain(keys).any(|input| is_same(input, path)) {
            let what = "this is one of the files that the page is made of, or a key's; name another one";
            return Err(Error::invalid_argument(what).at(path.display().to_string()));
        }
        page::write_file(path, &collected, &told)?;
        out.line(format_args!("{} is written; open it in a browser", path.display()))?;
        out.flush()?;
        return Ok(Outcome::Good);
    }
    serve::run(collected, told, command.port, &mut out)?;
    Ok(Outcome::Good)
}

/// The file that an argument of `--key` names.
fn key_file(argument: &str) -> &str {
    let named = argument.split_once('=').map_or(argument, |(_, named)| named);
    let named = named.rsplit_once(",agent=").map_or(named, |(named, _)| named);
    ["hmac:", "ed25519:"].iter().find_map(|form| named.strip_prefix(form)).unwrap_or(named)
}

/// Whether both are one file, whatever its names.
fn is_same(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.is_file() && same(&a, &b),
        _ => false,
    }
}
