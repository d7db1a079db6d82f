//! `console`: one aligned, coloured line per event, for people.
//!
//! Guarantees: the output is for people to read, and proves nothing; an event's text cannot control the terminal
//! ([`crate::terminal`]); a narrow terminal gets shorter lines; NO_COLOR is honoured. Of own envelopes only losses and
//! states are shown.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use crate::document::keys::{Form, Key};
use crate::document::reader::Cursor;
use crate::error::Result;
use crate::json::{Value, parse};
use crate::seam::Output;
use crate::sink::{
    Alone, Answers, Envelope, Examined, Failure, Grade, Kind, Made, Making, Settings, Sink, SinkClass,
    SinkConfig,
};
use crate::terminal::Safe;

/// `console`
pub(super) const KIND: Kind = Kind {
    name: "console",
    about: "for people: one coloured, aligned line per event",
    classes: &[SinkClass::Debug],
    linger: Duration::ZERO,
    keys: &[
        Key::new(
            "color",
            Form::Word(&["auto", "always", "never"]),
            "`auto`",
            "`auto`: on a terminal, unless `NO_COLOR` is set",
        ),
        Key::new("stream", Form::Word(&["stderr", "stdout"]), "`stderr`", "where it prints"),
    ],
    alone: Alone::Default(|| SinkConfig::new(ConsoleConfig::default())),
    read,
};

/// `console`
#[derive(Clone, Debug, Default)]
pub struct ConsoleConfig {
    /// Colour: `auto` (default: a terminal without NO_COLOR), always, never.
    pub color: Option<bool>,
    /// Write to stdout instead of stderr.
    pub stdout: bool,
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let Some(table) = cursor.table_or_nothing(KIND.keys)? else {
        return Ok(SinkConfig::new(ConsoleConfig::default()));
    };
    Ok(SinkConfig::new(ConsoleConfig {
        color: table.or("color", None, |c| {
            c.choice("color", &[("auto", None), ("always", Some(true)), ("never", Some(false))], &[])
        })?,
        stdout: table
            .or("stream", false, |c| c.choice("stream", &[("stderr", false), ("stdout", true)], &[]))?,
    }))
}

impl Settings for ConsoleConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn make(&self, making: &Making<'_>) -> Result<Made> {
        Ok(Made::new(Console::new(self, making.type_prefix)))
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        Examined::Found(Grade::Good, "goes to the agent's own output".to_owned())
    }
}

/// The `console` sink.
struct Console {
    out: Output,
    color: bool,
    width: usize,
    prefix: String,
    buf: String,
}

impl Console {
    fn new(config: &ConsoleConfig, prefix: &str) -> Self {
        let terminal = if config.stdout { io::stdout().is_terminal() } else { io::stderr().is_terminal() };
        let quiet = crate::seam::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = config.color.unwrap_or(terminal && !quiet);
        let columns = crate::seam::var_os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let size = || {
            let size = if config.stdout {
                rustix::termios::tcgetwinsize(io::stdout())
            } else {
                rustix::termios::tcgetwinsize(io::stderr())
            };
            size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0)
        };
        let width = if terminal { size().or(columns).unwrap_or(120) } else { columns.unwrap_or(160) };
        Self {
            out: if config.stdout { Output::stdout() } else { Output::stderr() },
            color,
            width: width.max(40),
            prefix: prefix.to_owned(),
            buf: String::new(),
        }
    }

    fn line(&mut self, envelope: &Envelope) {
        let Ok(value) = parse(&envelope.bytes) else { return };
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let event_type = text("type").strip_prefix(&*self.prefix).unwrap_or(text("type"));
        if envelope.own && !matches!(event_type, "policy.breach" | "sink.failed" | "sink.recovered") {
            return;
        }
        let time = text("time").get(11..23).unwrap_or_default();
        let severity = text("severitytext");
        let subject = text("subject");
        let mut rest = String::new();
        for (key, member) in value.get("data").map(Value::members).unwrap_or_default() {
            if matches!(key.as_str(), "capture" | "content" | "disclosures" | "provenance" | "authz") {
                // Members that only a verifier needs are not shown.
                continue;
            }
            let shown = match member {
                Value::String(s) => s.clone(),
                other => String::from_utf8(other.to_canonical().unwrap_or_default()).unwrap_or_default(),
            };
            if !rest.is_empty() {
                rest.push_str("  ");
            }
            rest.push_str(key);
            rest.push('=');
            rest.push_str(&shown);
        }
        let plain = format!("{time} {severity:<5} {event_type:<18} {subject:<20} {rest}");
        let mut plain = Safe(&plain).to_string();
        if plain.chars().count() > self.width {
            plain = plain.chars().take(self.width - 1).chain(['…']).collect();
        }
        let plain = plain.trim_end();
        let code = match severity {
            _ if !self.color => "",
            "ERROR" | "FATAL" => "\x1b[31m",
            "WARN" => "\x1b[33m",
            "TRACE" | "DEBUG" => "\x1b[2m",
            _ => "",
        };
        self.buf.push_str(code);
        self.buf.push_str(plain);
        if !code.is_empty() {
            self.buf.push_str("\x1b[0m");
        }
        self.buf.push('\n');
    }
}

impl Sink for Console {
    fn kind(&self) -> &'static str {
        "console"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.buf.clear();
        for envelope in batch {
            self.line(envelope);
        }
        match self.out.lines(self.buf.as_bytes()) {
            Ok(()) => Answers::Acknowledged,
            // Not every own envelope has a line, so that the lines that were written don't tell which envelopes
            // arrived.
            Err(cut) => Answers::Retry(Failure::of_io(&cut.error), None),
        }
    }
}
