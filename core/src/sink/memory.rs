//! `memory` and `null`: for tests and benchmarks.

use std::sync::Arc;

use super::{Answers, Envelope, Sink};
use crate::sync::{Mutex, lock};

/// How many envelopes a `memory` lane keeps: the newest. A program that wants to look at all gives a
/// [`MemorySink`] of its own to `open`.
pub(super) const KEEP: usize = 1024;

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

    /// What it holds, oldest first.
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
