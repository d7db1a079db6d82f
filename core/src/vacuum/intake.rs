//! A vacuum at an emitter: which lanes get what it finds, and what they have already.
//!
//! Guarantees: off until the configuration (`vacuum`) or the environment says otherwise; then everything goes through. What
//! governance requires stays required: lanes of a required class get every event, whichever are picked. Where there are cursors,
//! a nonce that a lane has is not sent to that lane again, and each lane's cursor moves by itself (see `progress`).

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::sync::Arc;

use super::cursors::Cursors;
use super::progress::{Progress, Reading};
use super::transports::picked;
use super::{Format, Found, Report, Settings, Skipped, Taken, Taker, Vacuum};
use crate::emitter::{Attempt, Beside, Emitter, Wait, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::json::{Value, parse};
use crate::lane::{Aim, Lane};
use crate::seam::{Env, SystemEnv};

/// What a reader is asked for at once.
const READ: usize = 256 << 10;

/// What one call or stream is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whose log it is.
    pub process: Option<String>,
    /// The message, block or batch that the log is of: 0 to 2^53−1.
    pub nonce: Option<u64>,
    /// What carries the lines.
    pub format: Format,
}

impl Asked {
    /// As a binding says it: a JSON object `{"process", "nonce", "format"}`, all optional; nothing is an empty one.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let value = parse(text).map_err(|e| Error::invalid_argument(e.to_string()).at("options"))?;
        let wrong = |what: &str, at: &str| Err(Error::invalid_argument(what.to_owned()).at(at.to_owned()));
        if !matches!(value, Value::Object(_)) {
            return wrong("must be an object", "options");
        }
        let mut asked = Self::default();
        for (name, value) in value.members() {
            match (name.as_str(), value) {
                ("process" | "nonce" | "format", Value::Null) => {}
                ("process", Value::String(id)) => asked.process = Some(id.clone()),
                ("process", _) => return wrong("must be text", "process"),
                ("nonce", Value::Int(nonce)) if *nonce >= 0 => asked.nonce = Some(nonce.unsigned_abs()),
                ("nonce", _) => return wrong("must be an integer from 0 to 2^53-1", "nonce"),
                ("format", Value::String(name)) => asked.format = Format::named(name)?,
                ("format", _) => return wrong("must be text", "format"),
                (other, _) => return wrong("is no option; there are process, nonce, format", other),
            }
        }
        Ok(asked)
    }
}

impl Beside for Intake {
    fn settle(&self) {
        Self::settle(self);
    }
}

impl Emitter {
    /// Takes events out of a log: begins to read one, whose bytes are then given to the [`Drawing`]. Off, and everything goes
    /// through, until the configuration (`vacuum`) or `SINKWELL_VACUUM_TRANSPORTS` says otherwise.
    ///
    /// # Errors
    /// As [`Intake::of`] and [`Intake::start`].
    pub fn start_vacuum(&self, asked: Asked) -> Result<Drawing> {
        let beside = self.beside(|| Ok(Arc::new(Intake::of(self, &SystemEnv::default())?)))?;
        let beside: Arc<dyn std::any::Any + Send + Sync> = beside;
        let intake =
            beside.downcast::<Intake>().map_err(|_| Error::internal("another thing is kept there"))?;
        intake.start(self, asked)
    }

    /// Takes the events out of a log that is read to its end; answers with what went through, and what was done.
    ///
    /// # Errors
    /// As [`start_vacuum`](Self::start_vacuum); `invalid_argument`: the log cannot be read.
    pub fn vacuum(&self, mut log: impl Read, asked: Asked) -> Result<(Vec<u8>, Report)> {
        let mut passed = Vec::new();
        let report = self.start_vacuum(asked)?.read(&mut log, self, &Wait::Allowed, &mut passed)?;
        Ok((passed, report))
    }
}

/// An emitter's vacuum: which lanes get what is found, and how far each of them has got. One per emitter, so that
/// its calls know of each other.
pub struct Intake {
    on: bool,
    /// By their ids; none: every lane.
    transports: Option<Vec<String>>,
    progress: Option<Arc<Progress>>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("on", &self.on)
            .field("transports", &self.transports)
            .finish_non_exhaustive()
    }
}

impl Intake {
    /// As an emitter's configuration and the environment say.
    ///
    /// # Errors
    /// `invalid_config`: a transport that is no lane of the emitter. `sink`: the database of cursors cannot be opened.
    pub fn of(emitter: &Emitter, env: &dyn Env) -> Result<Self> {
        let config = emitter.config();
        let settings = config.vacuum.clone().unwrap_or_default();
        let named = picked(env).map(|names| super::transports::names(&names).map(str::to_owned).collect());
        let transports = named.or(settings.transports);
        if let Some(names) = &transports {
            let lanes = emitter.lanes();
            if let Some(name) = names.iter().find(|name| !lanes.iter().any(|lane| lane.id() == **name)) {
                return Err(super::transports::unknown(lanes.iter().map(|lane| lane.id()), name));
            }
        }
        let on = (config.vacuum.is_some() || transports.is_some())
            && transports.as_ref().is_none_or(|names| !names.is_empty());
        let cursors = settings.cursors.filter(|_| on).map(Cursors::open).transpose()?;
        Ok(Self { on, transports, progress: cursors.map(|cursors| Arc::new(Progress::new(cursors))) })
    }

    /// To every lane of an emitter, whatever the environment says.
    #[must_use]
    pub fn to_all(cursors: Option<Cursors>) -> Self {
        Self { on: true, transports: None, progress: cursors.map(|cursors| Arc::new(Progress::new(cursors))) }
    }

    /// Whether anything is taken.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Writes down how far the lanes have got; to be called once an emitter has been flushed or shut down, for those who
    /// look at the cursors then.
    pub fn settle(&self) {
        if let Some(progress) = &self.progress {
            progress.settle();
        }
    }

    /// Begins to read a log.
    ///
    /// # Errors
    /// As [`Vacuum::new`]; `sink`: the cursors cannot be read.
    pub fn start(&self, emitter: &Emitter, asked: Asked) -> Result<Drawing> {
        let Asked { process, nonce, format } = asked;
        let vacuum = Vacuum::new(Settings {
            process: process.clone(),
            nonce,
            format,
            ..Settings::of(emitter.config())
        })?;
        let lanes = emitter.lanes();
        let chosen: Vec<bool> = lanes.iter().map(|lane| self.is_for(emitter, lane)).collect();
        let reading = match (&self.progress, process, nonce) {
            (Some(progress), Some(process), Some(nonce)) => {
                if !emitter.is_manual() {
                    progress.watch();
                }
                Some(progress.begin(&process, nonce, &lanes, |lane| chosen[lane])?)
            }
            _ => None,
        };
        let mut drawing = Drawing {
            vacuum,
            on: self.on,
            to: Vec::with_capacity(lanes.len()),
            skipping: Vec::new(),
            reading,
            ended: true,
            report: Report::default(),
        };
        for (i, lane) in lanes.iter().enumerate() {
            let taken = drawing.reading.as_ref().and_then(|reading| reading.passed[i]);
            drawing.to.push(chosen[i] && taken.is_none());
            if let (Some(cursor), Some(nonce)) = (taken, nonce) {
                drawing.skipping.push(Skipped { lane: lane.id().to_owned(), nonce, cursor, events: 0 });
            }
        }
        Ok(drawing)
    }

    fn is_for(&self, emitter: &Emitter, lane: &Lane) -> bool {
        let governance = emitter.config().governance.as_ref();
        let required = governance.is_some_and(|governance| {
            governance.required.iter().any(|required| lane.classes().contains(&required.class))
        });
        required || self.transports.as_ref().is_none_or(|names| names.iter().any(|name| name == lane.id()))
    }
}

/// A log that is being read. One that is dropped before its [`finish`](Self::finish) counts as not done.
#[derive(Debug)]
pub struct Drawing {
    vacuum: Vacuum,
    on: bool,
    /// By the lanes' indices: whether they get its events.
    to: Vec<bool>,
    /// The lanes that have it already.
    skipping: Vec<Skipped>,
    reading: Option<Reading>,
    /// While it is off: what went through last was the end of a line.
    ended: bool,
    report: Report,
}

impl Drawing {
    /// Takes the next bytes, cut anywhere; what goes through is written to `out`.
    ///
    /// # Errors
    /// `invalid_argument`: `out` cannot be written.
    pub fn push(
        &mut self,
        bytes: &[u8],
        emitter: &Emitter,
        waiter: &dyn Waiter,
        out: &mut dyn Write,
    ) -> Result<()> {
        if !self.on {
            self.report.lines += super::skim::lines(bytes);
            self.ended = bytes.last().map_or(self.ended, |last| *last == b'\n');
            return write(out, bytes);
        }
        self.with(emitter, waiter, out, |vacuum, to| vacuum.push(bytes, to))
    }

    /// As [`Vacuum::end_part`].
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn end_part(&mut self, emitter: &Emitter, waiter: &dyn Waiter, out: &mut dyn Write) -> Result<()> {
        self.with(emitter, waiter, out, Vacuum::end_part)
    }

    /// Ends the log: what was read and is not finished is taken as it stands. `whole`: it was read to its end; else its
    /// nonce does not count.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(
        &mut self,
        whole: bool,
        emitter: &Emitter,
        waiter: &dyn Waiter,
        out: &mut dyn Write,
    ) -> Result<Report> {
        if !whole {
            self.reading = None;
        }
        self.with(emitter, waiter, out, Vacuum::finish)?;
        if !std::mem::replace(&mut self.ended, true) {
            self.report.lines += 1;
        }
        if let Some(mut reading) = self.reading.take() {
            reading.end(self.vacuum.report().unsent == 0);
        }
        Ok(self.report())
    }

    /// Reads a reader to its end, and ends.
    ///
    /// # Errors
    /// As [`push`](Self::push); `invalid_argument`: it cannot be read.
    pub fn read(
        &mut self,
        reader: &mut dyn Read,
        emitter: &Emitter,
        waiter: &dyn Waiter,
        out: &mut dyn Write,
    ) -> Result<Report> {
        let mut buffer = vec![0; READ];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return self.finish(true, emitter, waiter, out),
                Ok(n) => self.push(&buffer[..n], emitter, waiter, out)?,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.finish(false, emitter, waiter, out)?;
                    return Err(unreadable(&e));
                }
            }
        }
    }

    /// What it did so far.
    #[must_use]
    pub fn report(&self) -> Report {
        if !self.on {
            return Report { passed: self.report.lines, ..self.report.clone() };
        }
        let mut report = self.vacuum.report().clone();
        report.skipped_by.clone_from(&self.skipping);
        for skipped in &mut report.skipped_by {
            skipped.events = report.events + report.skipped;
        }
        report
    }

    fn with(
        &mut self,
        emitter: &Emitter,
        waiter: &dyn Waiter,
        out: &mut dyn Write,
        run: impl FnOnce(&mut Vacuum, &mut dyn Taker) -> Result<()>,
    ) -> Result<()> {
        let Self { vacuum, to, reading, .. } = self;
        let follow = reading.as_ref().and_then(Reading::follow);
        let lanes = |lane: usize| to.get(lane).copied().unwrap_or(false);
        let aim = Aim { lanes: &lanes, follow };
        let mut taking = Taking { emitter, waiter, out, aim, any: to.contains(&true) };
        run(vacuum, &mut taking)
    }
}

/// Emits what is found, and writes what goes through.
struct Taking<'a> {
    emitter: &'a Emitter,
    waiter: &'a dyn Waiter,
    out: &'a mut dyn Write,
    aim: Aim<'a>,
    /// Whether any lane gets it.
    any: bool,
}

impl Taker for Taking<'_> {
    fn take(&mut self, found: &Found<'_>) -> Result<Taken> {
        if !self.any {
            return Ok(Taken::Skipped);
        }
        match self.emitter.emit_aimed(found.input(), self.waiter, Some(&self.aim))? {
            Attempt::Accepted(_) => Ok(Taken::Sent),
            Attempt::NoRoom(_) => Err(no_room()),
        }
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        write(self.out, bytes)
    }
}

fn no_room() -> Error {
    let text = "a blocking lane has no room for an event out of the log; read on when it has";
    Error::new(ErrorKind::Backpressure, text)
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::invalid_argument(format!("the log cannot be read: {error}"))
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes)
        .map_err(|e| Error::invalid_argument(format!("what passes through cannot be written: {e}")))
}
