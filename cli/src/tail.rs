//! `sinkwell tail`: envelopes for people, one line each.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sinkwell::json::{Value, parse};
use sinkwell::sqlite::open_plain;
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::{Out, warn};

/// Show envelopes, one line each; what is no envelope is passed over.
#[derive(Args)]
pub(crate) struct Command {
    /// Only types that match: * stands for any text; the prefix of built-in types may be left out.
    #[arg(long = "type", value_name = "GLOB")]
    event_type: Option<String>,
    /// Only this agent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Only this run.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Go on as the file grows, through its rotations; what was rotated away and removed unread is said.
    #[arg(long)]
    follow: bool,
    /// Files, one after the other; with --follow one. - or nothing is standard input.
    #[arg(value_name = "PATH", default_value = "-")]
    paths: Vec<PathBuf>,
}

/// How often a file that is followed is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(200);
/// A longer line is no envelope: as `sinkwell verify` has it by default.
pub(crate) const MAX_LINE: u64 = 16 << 20;

pub(crate) fn run(command: Command) -> Result<Outcome> {
    if command.follow && command.paths.len() > 1 {
        return Err(Error::invalid_argument("--follow follows one file; start one command for each"));
    }
    let mut out = Out::new();
    for path in &command.paths {
        if !tail(&command, path, &mut out)? {
            break;
        }
    }
    out.flush()?;
    Ok(Outcome::Good)
}

/// Shows one input. Returns whether somebody still reads the output.
fn tail(command: &Command, path: &Path, out: &mut Out) -> Result<bool> {
    // A line that is not finished yet waits here.
    let mut rest = Vec::new();
    if path == Path::new("-") {
        return Ok(drain(command, &mut BufReader::new(io::stdin()), &mut rest, out, "stdin")?
            && show(command, &rest, out)?);
    }
    let place = path.display().to_string();
    let open = || {
        open_plain(path)
            .map_err(|e| Error::invalid_argument(format!("it cannot be read: {e}")).at(place.clone()))
    };
    // Rotated files with this stamp or an earlier one were there before reading began.
    let mut known = rotated(path).last().map_or(0, |(stamp, _)| *stamp);
    let mut reader = BufReader::new(open()?);
    while drain(command, &mut reader, &mut rest, out, &place)? {
        if !command.follow {
            return show(command, &rest, out);
        }
        std::thread::sleep(POLL);
        // Another file has that name now, or the file is shorter: it was rotated or cut.
        if let (Ok(now), Ok(here)) = (std::fs::metadata(path), reader.get_ref().metadata())
            && (!same(&now, &here) || now.len() < position(&mut reader))
        {
            // The new file is opened before rotated files are listed, so that none that is made in between is missed.
            let Ok(next) = open_plain(path) else { continue };
            if !drain(command, &mut reader, &mut rest, out, &place)? {
                break;
            }
            if !between(command, path, &here, &next, &mut known, out)? {
                break;
            }
            reader = BufReader::new(next);
            rest.clear();
        }
    }
    Ok(false)
}

/// Shows the files that were rotated away between `before`, which has been read to its end, and `next`, oldest first.
/// Warns of files that can no longer be read. Returns whether somebody still reads the output.
fn between(
    command: &Command,
    path: &Path,
    before: &Metadata,
    next: &File,
    known: &mut u64,
    out: &mut Out,
) -> Result<bool> {
    let place = &path.display().to_string();
    let missed = |what: &str| {
        warn(format_args!("{place}: {what}; lines may be missing here"));
    };
    let Ok(now) = next.metadata() else { return Ok(true) };
    if same(&now, before) {
        missed("the file was cut while it was followed");
        return Ok(true);
    }
    let mut found = false;
    let seen = *known;
    for (stamp, rotated) in rotated(path).into_iter().filter(|(stamp, _)| *stamp > seen) {
        let Ok(file) = open_plain(&rotated) else {
            missed("a rotated file was removed before it was read");
            continue;
        };
        let Ok(here) = file.metadata() else { continue };
        if same(&here, &now) {
            // `next` itself has been rotated away since it was opened: the caller reads it.
            return Ok(true);
        }
        *known = stamp;
        if same(&here, before) {
            found = true;
            continue;
        }
        if !found {
            missed("rotated files were removed before they were read");
            found = true;
        }
        let mut rest = Vec::new();
        if !drain(command, &mut BufReader::new(file), &mut rest, out, place)? || !show(command, &rest, out)? {
            return Ok(false);
        }
    }
    if !found && !is_beside(path, before) {
        missed("the file was removed, or rotated more than once, before it was read");
    }
    Ok(true)
}

/// The files that the `file` sink rotated away, as `PATH.<20 digits>`, oldest first.
fn rotated(path: &Path) -> Vec<(u64, PathBuf)> {
    let stamp = |entry: &Path| {
        let entry = entry.file_name()?.to_str()?;
        let stamp = entry.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?;
        (stamp.len() == 20).then(|| stamp.parse().ok())?
    };
    let mut found: Vec<_> = beside(path).filter_map(|entry| Some((stamp(&entry)?, entry))).collect();
    found.sort();
    found
}

pub(crate) fn beside(path: &Path) -> impl Iterator<Item = PathBuf> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path()))
}

/// Whether the file is now `PATH.1`, as other programs' rotation names the last one: then no other file was rotated
/// after it.
fn is_beside(path: &Path, file: &Metadata) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    std::fs::metadata(name).is_ok_and(|last| same(&last, file))
}

/// Whether both are of the same file, whatever its names.
pub(crate) fn same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn position(reader: &mut BufReader<File>) -> u64 {
    io::Seek::stream_position(reader).unwrap_or(0)
}

/// Why [`pump`] stopped.
#[derive(PartialEq, Eq)]
enum Pumped {
    /// It took a line, and there may be more.
    Line,
    /// There is nothing more to read for now.
    Dry,
    /// Nobody reads the output any more.
    Unread,
}

/// Takes one line. An unfinished one stays in `rest`.
fn pump(
    command: &Command,
    reader: &mut impl BufRead,
    rest: &mut Vec<u8>,
    out: &mut Out,
    place: &str,
) -> Result<Pumped> {
    let room = MAX_LINE.saturating_sub(rest.len() as u64).max(1);
    let n = reader
        .by_ref()
        .take(room)
        .read_until(b'\n', rest)
        .map_err(|e| Error::verification(format!("reading failed: {e}")).at(place))?;
    if n == 0 {
        return Ok(Pumped::Dry);
    }
    if rest.last() == Some(&b'\n') {
        if !show(command, rest, out)? {
            return Ok(Pumped::Unread);
        }
        rest.clear();
    } else if rest.len() as u64 >= MAX_LINE {
        rest.clear();
    }
    Ok(Pumped::Line)
}

/// Takes all lines that are there; returns whether somebody still reads the output.
fn drain(
    command: &Command,
    reader: &mut impl BufRead,
    rest: &mut Vec<u8>,
    out: &mut Out,
    place: &str,
) -> Result<bool> {
    loop {
        match pump(command, reader, rest, out, place)? {
            Pumped::Line => {}
            // Lines are shown before the next wait.
            Pumped::Dry => {
                out.flush()?;
                return Ok(!out.gone());
            }
            Pumped::Unread => return Ok(false),
        }
    }
}

/// Shows a line if it fits the options; returns whether somebody still reads the output.
fn show(command: &Command, line: &[u8], out: &mut Out) -> Result<bool> {
    let Ok(envelope) = parse(line.trim_ascii()) else { return Ok(true) };
    if envelope.get("streamid").is_none() || !wanted(command, &envelope) {
        return Ok(true);
    }
    out.line(render(&envelope))?;
    Ok(!out.gone())
}

fn text<'a>(envelope: &'a Value, key: &str) -> &'a str {
    envelope.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn wanted(command: &Command, envelope: &Value) -> bool {
    let equal = |wanted: &Option<String>, key| wanted.as_deref().is_none_or(|w| w == text(envelope, key));
    let event_type = text(envelope, "type");
    let of_type = command.event_type.as_deref().is_none_or(|glob| {
        sinkwell::glob::matches(glob, event_type) || sinkwell::glob::matches(&format!("*.{glob}"), event_type)
    });
    of_type && equal(&command.agent, "agentid") && equal(&command.run, "runid")
}

/// `time severity type subject sequence data`.
fn render(envelope: &Value) -> String {
    let sequence = text(envelope, "sequence").trim_start_matches('0');
    let mut line = format!(
        "{} {:<5} {:>6} {}",
        text(envelope, "time"),
        text(envelope, "severitytext"),
        sequence,
        text(envelope, "type")
    );
    for key in ["subject", "runid"] {
        let value = text(envelope, key);
        if !value.is_empty() {
            line.push_str(&format!(" {value}"));
        }
    }
    for (key, value) in envelope.get("data").map_or(&[][..], Value::members) {
        // Content may go only where the gates let it, and never to a terminal.
        if matches!(key.as_str(), "content" | "disclosures" | "capture") {
            continue;
        }
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_json(),
        };
        line.push_str(&format!(" {key}={value}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(event_type: Option<&str>, run: Option<&str>) -> Command {
        Command {
            event_type: event_type.map(Into::into),
            agent: None,
            run: run.map(Into::into),
            follow: false,
            paths: vec!["-".into()],
        }
    }

    fn envelope() -> Value {
        parse(
            br#"{"type":"dev.sinkwell.tool.invocation","streamid":"s","sequence":"00000000000000000007","severitytext":"INFO","time":"2026-01-01T00:00:00.000000000Z","runid":"r-1","data":{"tool":"ab","disclosures":["secret"],"n":{"b":1}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_line_shows_what_matters_and_no_content() {
        let line = render(&envelope());
        let expected = "2026-01-01T00:00:00.000000000Z INFO       7 dev.sinkwell.tool.invocation r-1 tool=ab n={\"b\":1}";
        assert_eq!(line, expected);
    }

    #[test]
    fn filters() {
        for (event_type, run, expected) in [
            (None, None, true),
            (Some("tool.*"), None, true),
            (Some("*.tool.invocation"), Some("r-1"), true),
            (Some("policy.*"), None, false),
            (None, Some("r-2"), false),
        ] {
            assert_eq!(wanted(&command(event_type, run), &envelope()), expected, "{event_type:?} {run:?}");
        }
    }
}
