//! `sinkwell compare`

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sinkwell::Result;
use sinkwell::verify::{CompareOptions, TrustedKey, compare};

use crate::Outcome;
use crate::out::Out;
use crate::verify::Format;

/// Say whether two sinks of one emitter were told the same, event by event.
///
/// Both inputs are verified first, as verify does. An event is the same on both sides if its digest is. What is on one
/// side alone is a finding, unless the other declares the loss of as many events of its agent, does not reach there, or
/// counts as many that its lane filtered.
#[derive(Args)]
pub(crate) struct Command {
    /// A key to trust, as for verify. Repeatable.
    #[arg(long = "key", value_name = "ID=[ed25519:|hmac:]FILE[,agent=GLOB]")]
    keys: Vec<String>,
    /// Compare each lane of the first with each lane of the second, instead of all with all: an event that one of
    /// several lanes was not told shows only so.
    #[arg(long, value_name = "WHAT")]
    by: Option<By>,
    /// Notes and declared losses are exit 1 too.
    #[arg(long)]
    strict: bool,
    /// The inputs are files of a rotated set: what lies before their first envelopes is not missing.
    #[arg(long)]
    partial: bool,
    /// How to print what was found.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The first: a file, an audit database, or a directory of *.ndjson, *.jsonl and *.log.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The second.
    #[arg(value_name = "B")]
    b: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Lane by lane.
    Lane,
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let options = CompareOptions {
        keys: command.keys.iter().map(|key| TrustedKey::from_argument(key)).collect::<Result<_>>()?,
        by_lane: matches!(command.by, Some(By::Lane)),
        strict: command.strict,
        partial: command.partial,
    };
    let mut progress = Progress { on: io::stderr().is_terminal(), said: 0 };
    let found = compare(&command.a, &command.b, &options, &mut |read| progress.hear(read));
    progress.end();
    let found = found?;
    let mut out = Out::new();
    match command.format {
        Format::Text => out.text(&found.to_string())?,
        Format::Json => out.data((found.to_json().to_json() + "\n").as_bytes())?,
    }
    out.flush()?;
    Ok(if found.is_good() { Outcome::Good } else { Outcome::Findings })
}

/// Shows on the terminal how much was read: every 64 MiB, so that nothing is shown for small inputs.
struct Progress {
    on: bool,
    said: u64,
}

impl Progress {
    fn hear(&mut self, read: u64) {
        let steps = read >> 26;
        if self.on && steps > self.said {
            self.said = steps;
            let _ = write!(io::stderr(), "\r{} MiB read ", read >> 20);
        }
    }

    fn end(&self) {
        if self.said > 0 {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
