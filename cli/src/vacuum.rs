//! `sinkwell vacuum`: events out of log streams.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sinkwell::config::{Config, Source};
use sinkwell::json::Value;
use sinkwell::seam::{Env, SystemEnv};
use sinkwell::sqlite::open_plain;
use sinkwell::vacuum::{Emitting, Format, Found, Report, Settings, Taker, Vacuum, pick, picked};
use sinkwell::{Emitter, Error, Options, Result, Wait, Where};

use crate::Outcome;
use crate::out::{Out, warn};
use crate::tail::{POLL, beside, same};

/// Take events out of a log: a line that is a JSON object with "_e": 1 is sealed and sent, every other line goes to
/// standard output as it is. Off, and all lines go through, unless --config, --transports or SINKWELL_VACUUM_TRANSPORTS
/// says where events go. Exit 1 if an event could not be sealed or delivered.
#[derive(Args)]
pub(crate) struct Command {
    /// Whose log it is: `process` of each event.
    #[arg(long, value_name = "ID")]
    process: Option<String>,
    /// The message, block or batch that the log is of: the same line of it has the same id whenever it is read.
    #[arg(long, value_name = "N", requires = "process")]
    nonce: Option<u64>,
    /// What carries the lines: auto, plain, docker, cri, lambda or journald.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: String,
    /// Print the events that would be sent, one object a line, and send none.
    #[arg(long)]
    dry_run: bool,
    /// Go on as the file grows, through its rotations.
    #[arg(long)]
    follow: bool,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only these lanes, by their ids, separated by ';'; console needs no lane of the configuration.
    #[arg(long, value_name = "NAMES", conflicts_with = "dry_run")]
    transports: Option<String>,
    /// Report at the end, on standard error, as JSON.
    #[arg(long)]
    json: bool,
    /// Files, one after the other; - or nothing is standard input.
    #[arg(value_name = "PATH", default_value = "-")]
    paths: Vec<PathBuf>,
}

/// What is read at once.
const READ: usize = 256 << 10;
/// How long lanes may take for what they hold when the log has ended.
const END: Duration = Duration::from_secs(30);

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let env = SystemEnv::with_program("sinkwell");
    if command.follow && (command.paths.len() != 1 || command.paths[0] == Path::new("-")) {
        return Err(Error::invalid_argument("one file can be followed; name it").at("--follow"));
    }
    let config = match &command.config {
        Some(path) => Some(Config::load(Source::Path(path.clone()), &env)?),
        None => None,
    };
    let settings = |base: Settings| -> Result<Settings> {
        let (process, nonce) = (command.process.clone(), command.nonce);
        Ok(Settings { process, nonce, format: Format::named(&command.format)?, ..base })
    };
    if command.dry_run {
        let base = config.as_ref().map(Settings::of).unwrap_or_default();
        let mut vacuum = Vacuum::new(settings(base)?)?;
        let mut out = Out::new();
        suck(&command, &mut vacuum, &mut Dry(&mut out))?;
        out.flush()?;
        return tell(&command, vacuum.report(), false);
    }
    let Some(config) = send_where(&command, config, &env)? else {
        let mut out = Out::new();
        // Nothing is taken, so nothing is told.
        let mut off = Vacuum::new(settings(Settings { format: Format::Plain, ..Settings::default() })?)?;
        suck(&command, &mut off, &mut Off(&mut out))?;
        out.flush()?;
        return Ok(Outcome::Good);
    };
    let mut vacuum = Vacuum::new(settings(Settings::of(&config))?)?;
    let emitter = Emitter::open(Options::new(config))?;
    let mut out = Out::new();
    let done = {
        let mut emitting = Emitting { emitter: &emitter, waiter: &Wait::Allowed, out: &mut out };
        suck(&command, &mut vacuum, &mut Passing(&mut emitting))
    };
    let undelivered = end(&emitter);
    let told = tell(&command, vacuum.report(), undelivered);
    done.and_then(|()| out.flush())?;
    told
}

/// The configuration whose lanes get the events; none: the vacuum is off.
fn send_where(command: &Command, config: Option<Config>, env: &dyn Env) -> Result<Option<Config>> {
    let names = command.transports.clone().or_else(|| picked(env));
    let mut config = match (config, &names) {
        (Some(config), _) => config,
        (None, Some(_)) => Config::load(Source::Environment, env)?,
        (None, None) => return Ok(None),
    };
    if let Some(names) = &names {
        pick(&mut config, names, env)?;
    }
    if config.lanes.is_empty() || config.disabled {
        return Ok(None);
    }
    // On a signal, what is queued goes out before the process ends.
    config.handle_signals = true;
    Ok(Some(config))
}

/// Ends the emitter; whether something of it was not delivered.
fn end(emitter: &Emitter) -> bool {
    let mut undelivered = false;
    for (lane, left) in emitter.shutdown(END) {
        if left.pending > 0 && left.place != Where::Journal {
            undelivered = true;
            warn(format_args!("{lane}: {} events were not delivered in {END:?}", left.pending));
        }
    }
    for (lane, counters) in emitter.counters() {
        let lost = counters.dropped + counters.rejected;
        if lost > 0 {
            undelivered = true;
            warn(format_args!("{lane}: {lost} events were dropped or rejected; its stream says why"));
        }
    }
    undelivered
}

fn tell(command: &Command, report: &Report, undelivered: bool) -> Result<Outcome> {
    if command.json {
        warn(report.to_value().to_json());
    } else {
        warn(summary(report));
    }
    Ok(if report.unsealed() + report.unsent > 0 || undelivered { Outcome::Findings } else { Outcome::Good })
}

fn summary(report: &Report) -> String {
    let seen: Vec<String> = Format::ALL
        .iter()
        .zip(report.formats)
        .filter(|(_, n)| *n > 0)
        .map(|(format, n)| format!("{n} {}", format.name()))
        .collect();
    let mut text = format!(
        "{} lines: {} events{}, {} passed",
        report.lines,
        report.events,
        if seen.is_empty() { String::new() } else { format!(" (flagged lines: {})", seen.join(", ")) },
        report.passed,
    );
    for (n, what) in [
        (report.too_large, "flagged but too large"),
        (report.too_deep, "flagged but too deep"),
        (report.refused, "flagged but refused"),
        (report.unsent, "flagged but not sent"),
        (report.integers, "integers sent as strings"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {n} {what}"));
        }
    }
    for (what, first) in [("refused", &report.first_refusal), ("not sent", &report.first_unsent)] {
        if let Some((line, why)) = first {
            text.push_str(&format!("; the first {what}, line {line} (from 0): {why}"));
        }
    }
    text
}

/// What a vacuum finds goes there, and what has come so far is not kept back.
trait Flow: Taker {
    fn flow(&mut self) -> Result<()>;
}

fn suck(command: &Command, vacuum: &mut Vacuum, to: &mut dyn Flow) -> Result<()> {
    let done = draw(command, vacuum, to);
    // What was read waits for nothing any more, however reading ended.
    let last = vacuum.finish(to).and_then(|()| to.flow());
    done.and(last)
}

fn draw(command: &Command, vacuum: &mut Vacuum, to: &mut dyn Flow) -> Result<()> {
    if command.follow {
        return follow(&command.paths[0], vacuum, to);
    }
    for (i, path) in command.paths.iter().enumerate() {
        if i > 0 {
            vacuum.end_part(to)?;
        }
        if path == Path::new("-") {
            drain(&mut io::stdin().lock(), "stdin", vacuum, to)?;
        } else {
            drain(&mut open(path)?, &path.display().to_string(), vacuum, to)?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    open_plain(path).map_err(|e| {
        Error::invalid_argument(format!("it cannot be read: {e}")).at(path.display().to_string())
    })
}

/// Reads to the end that there is now; answers how much.
fn drain(reader: &mut dyn Read, place: &str, vacuum: &mut Vacuum, to: &mut dyn Flow) -> Result<u64> {
    let mut buffer = vec![0; READ];
    let mut all = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(n) => {
                all += n as u64;
                vacuum.push(&buffer[..n], to)?;
                to.flow()?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::invalid_argument(format!("it cannot be read: {e}")).at(place)),
        }
    }
}

/// Follows a file for ever: renamed away, the old one is read to its end before the new one, and whatever was renamed away
/// between the two; cut, it is read from its beginning.
fn follow(path: &Path, vacuum: &mut Vacuum, to: &mut dyn Flow) -> Result<()> {
    let place = path.display().to_string();
    let mut file = open(path)?;
    let all = || rotated(path).map(|(_, file)| file).collect::<Vec<_>>();
    let (mut known, mut read) = (all(), 0);
    loop {
        read += drain(&mut file, &place, vacuum, to)?;
        std::thread::sleep(POLL);
        // Between a rename and the new file there is none, and until its writer has opened the new one, the old one may
        // still grow.
        let (Ok(there), Ok(here)) = (std::fs::metadata(path), file.metadata()) else { continue };
        if !same(&there, &here) {
            if there.len() == 0 {
                continue;
            }
            let Ok(next) = open_plain(path) else { continue };
            let Ok(now) = next.metadata() else { continue };
            drain(&mut file, &place, vacuum, to)?;
            vacuum.end_part(to)?;
            for mut between in between(path, &known, &here, &now) {
                drain(&mut between, &place, vacuum, to)?;
                vacuum.end_part(to)?;
            }
            (file, read, known) = (next, 0, all());
        } else if there.len() < read {
            warn(format_args!("{place}: the file was cut while it was followed; lines may be missing here"));
            vacuum.end_part(to)?;
            (file, read) = (open(path)?, 0);
        }
    }
}

/// Files that were rotated away from that name: what stands beside it under the name and a number or a date. `app.log.err`
/// may be another log.
fn rotated(path: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let of_rotation = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'T' | b'Z');
    let all = beside(path).filter(move |entry| {
        let entry = entry.file_name().unwrap_or_default().as_encoded_bytes();
        let end = entry.strip_prefix(name).unwrap_or_default();
        end.iter().any(u8::is_ascii_digit) && end.iter().all(of_rotation)
    });
    let all = all.filter_map(|entry| std::fs::metadata(&entry).ok().map(|metadata| (entry, metadata)));
    all.filter(|(_, metadata)| metadata.is_file())
}

/// The files that had the name between the file `before` and `next`, oldest first: those of which `known` did not know, or
/// that were written to after `before` was. Says so where `before` itself is no longer there, as others may be gone as well.
fn between(path: &Path, known: &[Metadata], before: &Metadata, next: &Metadata) -> Vec<File> {
    let all: Vec<_> = rotated(path).collect();
    if !all.iter().any(|(_, file)| same(file, before)) {
        warn(format_args!(
            "{}: the file was removed, or rotated more than once, before it was read; lines may be missing here",
            path.display()
        ));
    }
    let written = |file: &Metadata| file.modified().ok();
    let unread = |file: &Metadata| {
        let is_new = !known.iter().any(|known| same(known, file)) || written(file) > written(before);
        is_new && !same(file, before) && !same(file, next)
    };
    let mut found: Vec<_> = all.into_iter().filter(|(_, file)| unread(file)).collect();
    found.sort_by_key(|(_, file)| written(file));
    found.into_iter().filter_map(|(path, _)| open_plain(&path).ok()).collect()
}

/// Shows what would be sent.
struct Dry<'a>(&'a mut Out);

impl Taker for Dry<'_> {
    fn take(&mut self, found: &Found<'_>) -> Result<()> {
        let mut line = b"{\"data\":".to_vec();
        line.extend_from_slice(found.data.bytes());
        let members = [("id", found.id), ("time", found.time), ("type", Some(found.event_type))];
        for (name, value) in members {
            if let Some(value) = value {
                line.extend_from_slice(format!(",\"{name}\":{}", Value::from(value).to_json()).as_bytes());
            }
        }
        line.extend_from_slice(b"}\n");
        self.0.data(&line)
    }

    fn pass(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

impl Flow for Dry<'_> {
    fn flow(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// Lets everything through.
struct Off<'a>(&'a mut Out);

impl Taker for Off<'_> {
    fn take(&mut self, _: &Found<'_>) -> Result<()> {
        Err(Error::invalid_event("the vacuum is off"))
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.data(bytes)
    }
}

impl Flow for Off<'_> {
    fn flow(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// Emits; a reader of standard output that went away stops the printing, not the events.
struct Passing<'a, 'b>(&'a mut Emitting<'b, &'b mut Out>);

impl Taker for Passing<'_, '_> {
    fn take(&mut self, found: &Found<'_>) -> Result<()> {
        self.0.take(found)
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.out.data(bytes)
    }
}

impl Flow for Passing<'_, '_> {
    fn flow(&mut self) -> Result<()> {
        self.0.out.flush()
    }
}
