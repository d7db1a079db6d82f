//! `sinkwell disclose strip|check`

use std::io::{self, BufRead, BufReader, Read as _};
use std::path::PathBuf;

use clap::Subcommand;
use sinkwell::{Error, Result, content, json};

use crate::Outcome;
use crate::out::{Out, warn};
use crate::tail::MAX_LINE;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the envelopes without their disclosures; they verify as before.
    Strip {
        /// A file of envelopes, one a line; `-` or nothing is standard input.
        path: Option<PathBuf>,
    },
    /// Check every disclosure against what its envelope commits to.
    Check {
        /// A file of envelopes, one a line; `-` or nothing is standard input.
        path: Option<PathBuf>,
    },
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Strip { path } => strip(path),
        Command::Check { path } => check(path),
    }
}

/// Calls `each` with every line that is not blank, or why it was not read, and with its place, until it returns `false`.
fn lines(path: Option<PathBuf>, mut each: impl FnMut(Result<&[u8]>, &str) -> Result<bool>) -> Result<()> {
    let path = path.filter(|p| p.as_os_str() != "-");
    let name = path.as_ref().map_or_else(|| "-".to_owned(), |p| p.display().to_string());
    let cannot = |e: io::Error| Error::verification(format!("cannot be read: {e}")).at(name.clone());
    let mut input: Box<dyn BufRead> = match &path {
        Some(path) => Box::new(BufReader::new(sinkwell::sqlite::open_plain(path).map_err(cannot)?)),
        None => Box::new(io::stdin().lock()),
    };
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(cannot)? == 0 {
            break;
        }
        let text = if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            input.skip_until(b'\n').map_err(cannot)?;
            Err(Error::verification(format!("a line of more than {MAX_LINE} bytes is no envelope")))
        } else {
            Ok(line.trim_ascii())
        };
        if !text.as_ref().is_ok_and(|text| text.is_empty()) && !each(text, &format!("{name}:{number}"))? {
            break;
        }
    }
    Ok(())
}

fn strip(path: Option<PathBuf>) -> Result<Outcome> {
    let mut out = Out::new();
    let mut withheld = 0;
    lines(path, |line, place| {
        match line.and_then(content::strip) {
            Ok(mut stripped) => {
                stripped.push(b'\n');
                out.data(&stripped)?;
            }
            // A line that cannot be read may hold content: it is not passed on.
            Err(e) => {
                withheld += 1;
                warn(format_args!("left out: {}", e.at(place)));
            }
        }
        Ok(!out.gone())
    })?;
    out.flush()?;
    Ok(if withheld == 0 { Outcome::Good } else { Outcome::Findings })
}

fn check(path: Option<PathBuf>) -> Result<Outcome> {
    let mut out = Out::new();
    let (mut envelopes, mut disclosures, mut findings) = (0, 0, 0);
    lines(path, |line, place| {
        envelopes += 1;
        let parsed = line.and_then(|line| {
            json::parse(line).map_err(|e| Error::verification(format!("not an envelope: {e}")))
        });
        let result = match parsed {
            Ok(envelope) => {
                let given = envelope.get("data").and_then(|data| data.get("disclosures"));
                disclosures += given.map_or(0, |list| list.items().len());
                content::check_disclosures(&envelope)
            }
            Err(e) => Err(e),
        };
        if let Err(e) = result {
            findings += 1;
            out.line(format_args!("{place}: {}: {}", e.place().unwrap_or("envelope"), e.message()))?;
        }
        // Goes on even if nobody reads the output, so that the exit status is that of the whole file.
        Ok(true)
    })?;
    out.line(format_args!("{envelopes} envelopes, {disclosures} disclosures, {findings} altered"))?;
    out.flush()?;
    Ok(if findings == 0 { Outcome::Good } else { Outcome::Findings })
}
