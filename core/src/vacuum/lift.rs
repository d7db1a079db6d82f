//! A flagged line into the data of an event.
//!
//! Guarantees: of an event's attributes a line can set its type (never one of sinkwell's own) and its time, and nothing
//! else: all its members but the flag and the type are members of `data`. What we add there wins over what the line has
//! under the same name, and so do sinkwell's own words; the line's members are then kept under their name with `_` before
//! it, with as many as it takes, so that nothing is lost.

use super::time;
use super::wrap::About;
use crate::json::{Builder, JsonError, ObjectWriter, drive};
use crate::seam::UnixNanos;
use crate::types;

/// Members that are ours, or sinkwell's own words.
const OURS: [&str; 10] =
    ["process", "nonce", "index", "_log", "content", "capture", "disclosures", "lost", "phase", "view"];

/// The members that may be a line's time, the first that is one wins.
const TIMES: [&str; 3] = ["timestamp", "Timestamp", "time"];

/// The most `_` that are tried before a member's name.
const UNDERSCORES: usize = 8;

/// What is added to an event.
pub(super) struct Added<'a> {
    pub(super) process: Option<&'a str>,
    pub(super) nonce: Option<u64>,
    pub(super) index: u64,
    pub(super) about: &'a About,
}

/// What a line says beside its data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) event_type: Option<String>,
    pub(super) time: Option<UnixNanos>,
    /// Integers that became strings.
    pub(super) integers: u64,
}

/// Writes the data of the event that a flagged line is into `writer`; `prefix` is that of built-in types.
///
/// # Errors
/// The line is not JSON that can be sealed.
pub(super) fn lift(
    text: &[u8],
    added: &Added<'_>,
    prefix: &str,
    depth: usize,
    writer: &mut ObjectWriter,
) -> Result<Said, JsonError> {
    let mut underscores = 1;
    loop {
        writer.reset(depth);
        let mut lift = Lift {
            text,
            added,
            prefix,
            underscores,
            depth: 0,
            mark: 0,
            next: Next::Value,
            flags: 0,
            times: [None; TIMES.len()],
            said: Said::default(),
            types: 0,
            writer: &mut *writer,
        };
        let done = drive(text, &mut lift, crate::json::MAX_DEPTH);
        let (times, mut said) = (lift.times, lift.said);
        match done {
            Ok(()) => {
                said.time = times.into_iter().flatten().next();
                return Ok(said);
            }
            // The name with a `_` is the line's, too; a key that is really there twice stays so.
            Err(e) if underscores == UNDERSCORES || !e.message().ends_with("is there twice") => {
                return Err(e);
            }
            Err(_) => underscores += 1,
        }
    }
}

/// What the next value is.
enum Next {
    Value,
    Flag,
    Type,
    Time(usize),
}

struct Lift<'a, 'w> {
    text: &'a [u8],
    added: &'a Added<'a>,
    prefix: &'a str,
    underscores: usize,
    depth: usize,
    /// Where the key or value that comes next begins.
    mark: usize,
    next: Next,
    flags: usize,
    types: usize,
    times: [Option<UnixNanos>; TIMES.len()],
    said: Said,
    writer: &'w mut ObjectWriter,
}

impl Lift<'_, '_> {
    /// Before a value that is kept. Answers what it is.
    fn before(&mut self) -> Result<Next, JsonError> {
        let next = std::mem::replace(&mut self.next, Next::Value);
        if matches!(next, Next::Type) {
            // It is no type: a member as others.
            self.writer.key("_type")?;
        }
        Ok(next)
    }

    /// The number that begins at the mark, as it is written.
    fn number(&self) -> &str {
        let rest = &self.text[self.mark..];
        let number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        std::str::from_utf8(&rest[..rest.iter().take_while(number).count()]).unwrap_or_default()
    }

    fn add(&mut self) -> Result<(), JsonError> {
        let Added { process, nonce, index, about } = *self.added;
        let writer = &mut *self.writer;
        let int = |n: u64| i128::from(n);
        if let Some(process) = process {
            writer.key("process")?;
            writer.string(process)?;
        }
        if let Some(nonce) = nonce {
            writer.key("nonce")?;
            writer.int(int(nonce))?;
        }
        writer.key("index")?;
        writer.int(int(index))?;
        let known = [
            ("level", &about.level),
            ("request_id", &about.request),
            ("stream", &about.stream),
            ("time", &about.time),
        ];
        if known.iter().any(|(_, value)| value.is_some()) {
            writer.key("_log")?;
            writer.begin_object()?;
            writer.key("format")?;
            writer.string(about.format.name())?;
            for (name, value) in known {
                if let Some(value) = value {
                    writer.key(name)?;
                    writer.string(value)?;
                }
            }
            writer.end_object()?;
        }
        Ok(())
    }
}

impl Builder for Lift<'_, '_> {
    fn mark(&mut self, offset: usize) {
        self.mark = offset;
    }

    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.before()?;
        self.depth += 1;
        self.writer.begin_object()
    }

    fn end_object(&mut self) -> Result<(), JsonError> {
        self.depth -= 1;
        if self.depth == 0 {
            self.add()?;
        }
        self.writer.end_object()
    }

    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.before()?;
        self.depth += 1;
        self.writer.begin_array()
    }

    fn end_array(&mut self) -> Result<(), JsonError> {
        self.depth -= 1;
        self.writer.end_array()
    }

    fn key(&mut self, key: &str) -> Result<(), JsonError> {
        if self.depth != 1 {
            return self.writer.key(key);
        }
        let twice = |count: &mut usize| {
            *count += 1;
            if *count > 1 { Err(JsonError::new(format!("the key {key:?} is there twice"))) } else { Ok(()) }
        };
        match key {
            "_e" => {
                self.next = Next::Flag;
                twice(&mut self.flags)
            }
            "_type" => {
                self.next = Next::Type;
                twice(&mut self.types)
            }
            _ if OURS.contains(&key) => {
                let mut kept = "_".repeat(self.underscores);
                kept.push_str(key);
                self.writer.key(&kept)
            }
            _ => {
                self.next = TIMES.iter().position(|name| *name == key).map_or(Next::Value, Next::Time);
                self.writer.key(key)
            }
        }
    }

    fn string(&mut self, s: &str) -> Result<(), JsonError> {
        if matches!(self.next, Next::Type) && types::may_be_sent(s, self.prefix) {
            self.next = Next::Value;
            self.said.event_type = Some(s.to_owned());
            return Ok(());
        }
        if let Next::Time(at) = self.before()? {
            self.times[at] = time::read(s);
        }
        self.writer.string(s)
    }

    fn int(&mut self, value: i64) -> Result<(), JsonError> {
        if matches!(self.next, Next::Flag) {
            self.next = Next::Value;
            return Ok(());
        }
        if let Next::Time(at) = self.before()? {
            self.times[at] = time::epoch(self.number());
        }
        self.writer.int(i128::from(value))
    }

    fn float(&mut self, value: f64) -> Result<(), JsonError> {
        if matches!(self.next, Next::Flag) {
            self.next = Next::Value;
            return Ok(());
        }
        if let Next::Time(at) = self.before()? {
            self.times[at] = time::epoch(self.number());
        }
        if crate::json::is_unsafe_integer(value) {
            self.said.integers += 1;
            let text = self.number().to_owned();
            return self.writer.string(&text);
        }
        self.writer.float(value)
    }

    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.before()?;
        self.writer.bool(value)
    }

    fn null(&mut self) -> Result<(), JsonError> {
        self.before()?;
        self.writer.null()
    }

    fn refused(&mut self) {
        Builder::refused(self.writer);
    }

    fn path(&self) -> String {
        self.writer.path()
    }
}
