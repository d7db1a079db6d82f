//! `memory` and `null`: for tests and benchmarks.

use std::sync::Arc;

use crate::document::reader::Cursor;
use crate::error::Result;
use crate::sink::{
    Alone, Answers, Envelope, Examined, Grade, Kind, Made, Making, Settings, Sink, SinkClass, SinkConfig,
};
use crate::sync::{Mutex, lock};

/// `memory`
pub(super) const MEMORY: Kind = Kind {
    name: "memory",
    about: "keeps the newest envelopes; for tests",
    alone: Alone::Default(|| SinkConfig::new(Nowhere::Memory)),
    read: |cursor| read(cursor, Nowhere::Memory),
    ..COMMON
};

/// `null`
pub(super) const NULL: Kind = Kind {
    name: "null",
    about: "acknowledges and forgets; for benchmarks",
    alone: Alone::Default(|| SinkConfig::new(Nowhere::Null)),
    read: |cursor| read(cursor, Nowhere::Null),
    ..COMMON
};

const COMMON: Kind = Kind {
    name: "",
    about: "",
    classes: &[SinkClass::Debug],
    linger: super::LINGER,
    keys: &[],
    alone: Alone::Needs(""),
    read: |cursor| Err(cursor.error("no sink")),
};

fn read(cursor: &Cursor<'_>, which: Nowhere) -> Result<SinkConfig> {
    cursor.table_or_nothing(COMMON.keys)?;
    Ok(SinkConfig::new(which))
}

/// A sink that sends nothing anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nowhere {
    Memory,
    Null,
}

impl Settings for Nowhere {
    fn kind(&self) -> &'static Kind {
        match self {
            Self::Memory => &MEMORY,
            Self::Null => &NULL,
        }
    }

    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Ok(match self {
            Self::Memory => Made::new(MemorySink::keeping(KEEP)),
            Self::Null => Made::new(NullSink),
        })
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        let kind = self.kind().name;
        Examined::Found(Grade::Warning, format!("a `{kind}` sink keeps nothing; it is for tests"))
    }
}

/// How many envelopes a `memory` lane keeps: the newest. A program that wants to see more of them gives a
/// [`MemorySink`] of its own to `open`.
const KEEP: usize = 1024;

/// Keeps the newest envelopes.
#[derive(Clone)]
pub struct MemorySink {
    kept: Arc<Mutex<std::collections::VecDeque<Envelope>>>,
    keep: usize,
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::keeping(65_536)
    }
}

impl MemorySink {
    /// One that keeps the newest `keep` envelopes (65 536 by default).
    #[must_use]
    pub fn keeping(keep: usize) -> Self {
        Self { kept: Arc::default(), keep }
    }

    /// The envelopes that it holds, oldest first.
    #[must_use]
    pub fn envelopes(&self) -> Vec<Envelope> {
        lock(&self.kept).iter().cloned().collect()
    }
}

impl std::fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemorySink({})", lock(&self.kept).len())
    }
}

impl Sink for MemorySink {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut kept = lock(&self.kept);
        kept.extend(batch.iter().cloned());
        let excess = kept.len().saturating_sub(self.keep);
        kept.drain(..excess);
        Answers::Acknowledged
    }

    fn idempotent(&self) -> bool {
        false
    }
}

/// Acknowledges and forgets.
#[derive(Clone, Copy, Debug)]
pub struct NullSink;

impl Sink for NullSink {
    fn kind(&self) -> &'static str {
        "null"
    }

    fn deliver(&mut self, _batch: &[Envelope]) -> Answers {
        Answers::Acknowledged
    }

    fn idempotent(&self) -> bool {
        true
    }
}
