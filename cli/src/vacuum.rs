//! `sinkwell vacuum`: events out of log streams.

mod cursors;
mod files;
mod signals;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use sinkwell::config::{Config, Source};
use sinkwell::json::Value;
use sinkwell::seam::{Env, SystemEnv};
use sinkwell::vacuum::{
    Asked, Cursors, Drawing, Format, Found, Intake, Report, Settings, TRANSPORTS, Taken, Taker, Vacuum, pick,
    picked,
};
use sinkwell::{Emitter, Error, Options, Result, Wait, Where};

use crate::Outcome;
use crate::out::{Out, warn, warn_json};

/// Take events out of a log: a line that is a JSON object with "_e": 1 is sealed and sent, every other line goes to
/// standard output as it is. Off, and all lines go through, unless --config, --transports or SINKWELL_VACUUM_TRANSPORTS
/// says where events go. Exit 1 if an event could not be sealed or delivered.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    other: Option<Other>,
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
    /// A database that holds how far each lane has got: what a lane has of a process's nonces is not sent to it again.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    cursors: Option<PathBuf>,
    /// Report at the end, on standard error, as JSON.
    #[arg(long)]
    json: bool,
    /// Files, one after the other; - or nothing is standard input.
    #[arg(value_name = "PATH", default_value = "-")]
    paths: Vec<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Other {
    /// How far each lane has got with each process's log.
    #[command(subcommand)]
    Cursors(cursors::Command),
}

/// How long lanes may take for what they hold when the log has ended.
const END: Duration = Duration::from_secs(30);

pub(crate) fn run(mut command: Command) -> Result<Outcome> {
    let env = SystemEnv::with_program("sinkwell");
    if let Some(Other::Cursors(command)) = command.other.take() {
        return cursors::run(&command, &env);
    }
    if command.follow && (command.paths.len() != 1 || command.paths[0] == Path::new("-")) {
        return Err(Error::invalid_argument("one file can be followed; name it").at("--follow"));
    }
    let config = match &command.config {
        Some(path) => Some(Config::load(Source::Path(path.clone()), &env)?),
        None => None,
    };
    let (process, nonce, format) = (command.process.clone(), command.nonce, Format::named(&command.format)?);
    let mut out = Out::new();
    if command.dry_run {
        let base = config.as_ref().map(Settings::of).unwrap_or_default();
        let vacuum = Vacuum::new(Settings { process, nonce, format, ..base })?;
        let mut trial = Trial { vacuum, out: &mut out };
        let done = files::suck(&command, &mut trial);
        let told = tell(&command, trial.vacuum.report(), false);
        return done.and(told);
    }
    let Some((config, cursors)) = send_where(&command, config, &env)? else {
        // Even so nobody learns first when it is on that an argument means nothing.
        Vacuum::new(Settings { process, nonce, ..Settings::default() })?;
        files::suck(&command, &mut Off(&mut out))?;
        return Ok(Outcome::Good);
    };
    let cursors = cursors.map(Cursors::open).transpose()?;
    signals::place();
    let emitter = Arc::new(Emitter::open(Options::new(config))?);
    let intake = Intake::to_all(cursors);
    let drawing = intake.start(&emitter, Asked { process, nonce, format })?;
    let sending = Arc::new(Mutex::new(Sending { drawing, emitter: Arc::clone(&emitter), out }));
    signals::ends(&sending);
    let done = files::suck(&command, &mut Shared(Arc::clone(&sending)));
    let report = locked(&sending).drawing.report();
    let undelivered = end(&emitter);
    intake.settle();
    let told = tell(&command, &report, undelivered);
    done.and(told)
}

/// The configuration whose lanes get the events, and the database of cursors; none: the vacuum is off.
fn send_where(
    command: &Command,
    config: Option<Config>,
    env: &dyn Env,
) -> Result<Option<(Config, Option<PathBuf>)>> {
    let given = command.transports.clone().map(|names| (names, Some("--transports")));
    let names = given.or_else(|| picked(env).map(|names| (names, None)));
    let mut config = match (config, &names) {
        (Some(config), _) => config,
        (None, Some(_)) => Config::load(Source::Environment, env)?,
        (None, None) => return Ok(None),
    };
    let said = config.vacuum.clone().unwrap_or_default();
    let configured = said.transports.map(|names| (names.join(";"), Some("vacuum.transports")));
    if let Some((names, place)) = names.or(configured) {
        pick(&mut config, &names, env).map_err(|e| match place {
            // The core knows of the environment alone.
            Some(place) if e.place() == Some(TRANSPORTS[0]) => Error::new(e.kind(), e.message()).at(place),
            _ => e,
        })?;
    }
    if config.lanes.is_empty() || config.disabled {
        return Ok(None);
    }
    // On a signal, what is queued goes out before the process ends.
    config.handle_signals = true;
    Ok(Some((config, command.cursors.clone().or(said.cursors))))
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
        warn_json(&report.to_value().to_json());
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
        (report.skipped, "events that every lane has already"),
        (report.integers, "integers sent as strings"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {n} {what}"));
        }
    }
    for skipped in &report.skipped_by {
        text.push_str(&format!(
            "; lane {} has nonce {} already, its cursor stands at {}",
            skipped.lane, skipped.nonce, skipped.cursor
        ));
    }
    for (what, first) in [("refused", &report.first_refusal), ("not sent", &report.first_unsent)] {
        if let Some((line, why)) = first {
            text.push_str(&format!("; the first {what}, line {line} (from 0): {why}"));
        }
    }
    text
}

/// Where what is read goes.
trait Draw {
    fn push(&mut self, bytes: &[u8]) -> Result<()>;

    /// A file ends, and another begins.
    fn end_part(&mut self) -> Result<()>;

    /// What is not finished is taken as it stands; `whole`: all was read.
    fn finish(&mut self, whole: bool) -> Result<()>;
}

/// Sends; a reader of standard output that went away stops the printing, not the events.
struct Sending {
    drawing: Drawing,
    emitter: Arc<Emitter>,
    out: Out,
}

/// What a signal may end while more is read.
struct Shared(Arc<Mutex<Sending>>);

fn locked(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Draw for Shared {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        locked(&self.0).push(bytes)
    }

    fn end_part(&mut self) -> Result<()> {
        locked(&self.0).end_part()
    }

    fn finish(&mut self, whole: bool) -> Result<()> {
        locked(&self.0).finish(whole)
    }
}

/// What passes through.
struct Through<'a>(&'a mut Out);

impl std::io::Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.data(bytes).map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Draw for Sending {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.drawing.push(bytes, &self.emitter, &Wait::Allowed, &mut Through(&mut self.out))?;
        // What has come so far is not kept back.
        self.out.flush()
    }

    fn end_part(&mut self) -> Result<()> {
        self.drawing.end_part(&self.emitter, &Wait::Allowed, &mut Through(&mut self.out))
    }

    fn finish(&mut self, whole: bool) -> Result<()> {
        self.drawing.finish(whole, &self.emitter, &Wait::Allowed, &mut Through(&mut self.out))?;
        self.out.flush()
    }
}

/// Shows what would be sent.
struct Trial<'a> {
    vacuum: Vacuum,
    out: &'a mut Out,
}

impl Draw for Trial<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.vacuum.push(bytes, &mut Dry(self.out))?;
        self.out.flush()
    }

    fn end_part(&mut self) -> Result<()> {
        self.vacuum.end_part(&mut Dry(self.out))
    }

    fn finish(&mut self, _: bool) -> Result<()> {
        self.vacuum.finish(&mut Dry(self.out))?;
        self.out.flush()
    }
}

/// Lets everything through.
struct Off<'a>(&'a mut Out);

impl Draw for Off<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.data(bytes)?;
        self.0.flush()
    }

    fn end_part(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: bool) -> Result<()> {
        self.0.flush()
    }
}

struct Dry<'a>(&'a mut Out);

impl Taker for Dry<'_> {
    fn take(&mut self, found: &Found<'_>) -> Result<Taken> {
        let mut line = b"{\"data\":".to_vec();
        line.extend_from_slice(found.data.bytes());
        let members = [("id", found.id), ("time", found.time), ("type", Some(found.event_type))];
        for (name, value) in members {
            if let Some(value) = value {
                line.extend_from_slice(format!(",\"{name}\":{}", Value::from(value).to_json()).as_bytes());
            }
        }
        line.extend_from_slice(b"}\n");
        self.0.data(&line)?;
        Ok(Taken::Sent)
    }

    fn pass(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}
