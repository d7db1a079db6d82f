//! `stdout` and `stderr`: one canonical line per envelope.
//!
//! Guarantees: whole lines, as [`Output`] says; a closed pipe is a failure like any other: the delivery is tried again,
//! the failure is announced, and the program does not crash.

use std::time::Duration;

use crate::document::reader::Cursor;
use crate::error::Result;
use crate::seam::Output;
use crate::sink::{
    Alone, Answers, Envelope, Examined, Failure, Grade, Kind, Made, Making, Settings, Sink, SinkClass,
    SinkConfig,
};

/// `stdout`
pub(super) const STDOUT: Kind = Kind {
    name: "stdout",
    about: "one line of JSON per envelope to standard output",
    alone: Alone::Default(|| SinkConfig::new(Standard::Output)),
    read: |cursor| read(cursor, Standard::Output),
    ..COMMON
};

/// `stderr`
pub(super) const STDERR: Kind = Kind {
    name: "stderr",
    about: "one line of JSON per envelope to standard error",
    alone: Alone::Default(|| SinkConfig::new(Standard::Error)),
    read: |cursor| read(cursor, Standard::Error),
    ..COMMON
};

const COMMON: Kind = Kind {
    name: "",
    about: "",
    classes: &[SinkClass::Debug, SinkClass::Observability],
    linger: Duration::ZERO,
    keys: &[],
    alone: Alone::Needs(""),
    read: |cursor| Err(cursor.error("no sink")),
};

fn read(cursor: &Cursor<'_>, which: Standard) -> Result<SinkConfig> {
    cursor.table_or_nothing(COMMON.keys)?;
    Ok(SinkConfig::new(which))
}

/// One of the process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    /// `stdout`
    Output,
    /// `stderr`
    Error,
}

impl Settings for Standard {
    fn kind(&self) -> &'static Kind {
        match self {
            Self::Output => &STDOUT,
            Self::Error => &STDERR,
        }
    }

    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        let out = match self {
            Self::Output => Output::stdout(),
            Self::Error => Output::stderr(),
        };
        Ok(Made::new(Lines { kind: self.kind().name, out, buf: Vec::new() }))
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        Examined::Found(Grade::Good, "goes to the agent's own output".to_owned())
    }
}

/// Writes lines to one of the process's streams, whole batches at a time.
struct Lines {
    kind: &'static str,
    out: Output,
    buf: Vec<u8>,
}

impl Sink for Lines {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.buf.clear();
        for envelope in batch {
            self.buf.extend_from_slice(&envelope.bytes);
            self.buf.push(b'\n');
        }
        match self.out.lines(&self.buf) {
            Ok(()) => Answers::Acknowledged,
            Err(cut) => {
                // An envelope has no line break within.
                let whole = memchr::memchr_iter(b'\n', &self.buf[..cut.done]).count();
                Answers::first_arrived(whole, batch.len(), &Failure::of_io(&cut.error))
            }
        }
    }
}
