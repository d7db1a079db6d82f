//! `sinkwell verify`

use std::io::{self, BufRead, BufReader, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use sinkwell::audit::AuditDb;
use sinkwell::json::Value;
use sinkwell::verify::{Options, TrustedKey, Verifier};
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::Out;

/// Say what files of envelopes prove: sound, incomplete, unchecked, or what is wrong and where.
#[derive(Args)]
pub(crate) struct Command {
    /// A key to trust: ed25519:FILE, the public key's SPKI PEM, or hmac:FILE, the key's bytes as they are. Without a
    /// name only an SPKI PEM is taken. With agent=GLOB it may seal for those agents only. Repeatable.
    #[arg(long = "key", value_name = "ID=[ed25519:|hmac:]FILE[,agent=GLOB]")]
    keys: Vec<String>,
    /// Checkpoints kept elsewhere: they expose a cut-off tail and a stream that is missing as a whole.
    /// Repeatable.
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// A lane of which the input should hold something; one of which it holds nothing is a finding. Repeatable.
    #[arg(long = "lane", value_name = "ID")]
    lanes: Vec<String>,
    /// Report streams not closed and not heard of for this long (200ms, 90s, 5m, 2h) before the end of the
    /// input.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    silence: Option<Duration>,
    /// Report authorization edges (data.authz) that lead to no envelope of the input.
    #[arg(long)]
    edges: bool,
    /// Print, per seam of a program, from when to when it was watched by an integration.
    #[arg(long)]
    coverage: bool,
    /// Notes and declared losses are exit 1 too.
    #[arg(long)]
    strict: bool,
    /// The input is one file of a rotated set: what lies before its first envelopes is not missing.
    #[arg(long)]
    partial: bool,
    /// How to print the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Files, audit databases, or directories of *.ndjson, *.jsonl and *.log; - or nothing is standard input.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Reads `90s`, `200ms`, `1.5h`.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
    units
        .iter()
        .find_map(|(unit, seconds)| {
            let n: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            Duration::try_from_secs_f64(n * seconds).ok()
        })
        .ok_or_else(|| "a duration has a unit: 200ms, 90s, 5m, 2h, 1d".to_owned())
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let keys = command.keys.iter().map(|key| TrustedKey::from_argument(key)).collect::<Result<_>>()?;
    let mut verifier = Verifier::new(Options {
        keys,
        silence: command.silence,
        edges: command.edges,
        coverage: command.coverage,
        strict: command.strict,
        partial: command.partial,
        lanes: command.lanes,
        ..Options::default()
    });
    for path in &command.checkpoints {
        verifier.read_checkpoints(path)?;
    }
    read_all(&mut verifier, &command.paths)?;
    let (report, coverage) = verifier.coverage()?;
    let mut out = Out::new();
    match command.format {
        Format::Text => {
            out.text(&report.to_string())?;
            if command.coverage {
                out.text(&coverage.to_string())?;
            }
        }
        Format::Json => {
            let mut json = report.to_json();
            if let (Value::Object(members), true) = (&mut json, command.coverage) {
                members.push(("coverage".to_owned(), coverage.to_json()));
            }
            out.data((json.to_json() + "\n").as_bytes())?;
        }
    }
    out.flush()?;
    Ok(if report.is_good() { Outcome::Good } else { Outcome::Findings })
}

/// Reads what the command line names; nothing is standard input.
pub(crate) fn read_all(verifier: &mut Verifier, paths: &[PathBuf]) -> Result<()> {
    let stdin = [PathBuf::from("-")];
    let paths = if paths.is_empty() { &stdin[..] } else { paths };
    paths.iter().try_for_each(|path| read(verifier, path))
}

fn read(verifier: &mut Verifier, path: &Path) -> Result<()> {
    let progress = io::stderr().is_terminal();
    if path == Path::new("-") {
        return verifier.read(&mut reader(io::stdin(), None, progress), "stdin");
    }
    if path.is_file() && progress && !AuditDb::is_one(path) {
        let unreadable = |e: io::Error| {
            Error::verification(format!("it cannot be read: {e}")).at(path.display().to_string())
        };
        let file = sinkwell::sqlite::open_plain(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        verifier.look_beside(path);
        return verifier.read(&mut reader(file, Some(size), true), &path.display().to_string());
    }
    verifier.read_path(path)
}

fn reader(source: impl Read, size: Option<u64>, progress: bool) -> impl BufRead {
    BufReader::with_capacity(256 << 10, Progress { source, size, read: 0, progress })
}

/// Shows on the terminal how much was read: every 64 MiB, so that nothing is shown for small inputs.
struct Progress<R> {
    source: R,
    size: Option<u64>,
    read: u64,
    progress: bool,
}

const STEP: u64 = 64 << 20;

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        let before = self.read;
        self.read += n as u64;
        if self.progress && before / STEP != self.read / STEP {
            let of = self.size.map(|size| format!(" of {}", size >> 20)).unwrap_or_default();
            let _ = write!(io::stderr(), "\r{}{of} MiB read ", self.read >> 20);
        } else if self.progress && n == 0 && before >= STEP {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        for bad in ["90", "s", "-1s", "", "1e400s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
