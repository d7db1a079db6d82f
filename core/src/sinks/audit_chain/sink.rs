//! The lane's side: [`AuditSink`] takes batches, [`AuditHandle`] is what the emitter keeps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::note::TreeHead;
use super::retention::{self, Retained};
use super::writer::{AuditOptions, Writer};
use crate::error::Result;
use crate::seam::UnixNanos;
use crate::sink::{
    Answer, Answers, Envelope, EnvelopeHash, ErasedRange, Failure, FailureKind, Sink, SinkHealth,
};

/// The `audit_chain` sink.
pub struct AuditSink {
    shared: Arc<Mutex<Shared>>,
}

/// What an emitter does with the audit log apart from delivering: announcing its heads, and retention.
#[derive(Clone)]
pub struct AuditHandle {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    writer: Writer,
    /// The size last given out as a head.
    announced: u64,
    /// The size after the last delivery.
    size: u64,
    /// The last failure, until a delivery succeeds.
    failure: Option<Failure>,
}

impl AuditSink {
    /// Opens the database, and makes it, 0600, if it is not there.
    ///
    /// # Errors
    /// Kind `sink`: the file cannot be opened or is something else. Kind `unsupported`: a newer version.
    /// Kind `invalid_config`: another origin. Nothing is changed then.
    pub fn open(options: AuditOptions) -> Result<Self> {
        let mut writer = Writer::open(options)?;
        let size = writer.head()?.size;
        Ok(Self { shared: Arc::new(Mutex::new(Shared { writer, announced: 0, size, failure: None })) })
    }

    /// A handle that stays with the emitter.
    #[must_use]
    pub fn handle(&self) -> AuditHandle {
        AuditHandle { shared: Arc::clone(&self.shared) }
    }
}

impl Sink for AuditSink {
    fn kind(&self) -> &'static str {
        "audit_chain"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut shared = lock(&self.shared);
        match shared.append(batch) {
            Ok(()) => Answers::Acknowledged,
            Err(failure) if failure.kind != FailureKind::Serialization => Answers::Retry(failure, None),
            // One envelope of the batch cannot be stored at all: each is stored by itself, and only that one refused.
            Err(_) => Answers::Each(
                batch
                    .iter()
                    .map(|envelope| match shared.append(std::slice::from_ref(envelope)) {
                        Ok(()) => Answer::Acknowledged,
                        Err(failure) if failure.kind == FailureKind::Serialization => {
                            Answer::Refused(failure)
                        }
                        Err(failure) => Answer::Retry(failure, None),
                    })
                    .collect(),
            ),
        }
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn health(&mut self) -> SinkHealth {
        let shared = lock(&self.shared);
        match &shared.failure {
            None => SinkHealth { healthy: true, detail: None },
            Some(failure) => SinkHealth {
                healthy: false,
                detail: Some(failure.detail.clone().unwrap_or_else(|| failure.summary.clone())),
            },
        }
    }
}

impl AuditHandle {
    /// The tree head now.
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read.
    pub fn head(&self) -> Result<TreeHead> {
        lock(&self.shared).writer.head()
    }

    /// The tree head to announce in an own `audit.chain` `tree_head`, if the log has grown by at least
    /// `every` envelopes (at a flush: 1) since the last one that was taken. When a log that is not empty is opened, a
    /// head is due at once, as it is not known whether the last one was delivered.
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read; the head stays due.
    pub fn take_tree_head(&self, every: u64) -> Result<Option<TreeHead>> {
        let mut shared = lock(&self.shared);
        if shared.size < shared.announced.saturating_add(every.max(1)) {
            return Ok(None);
        }
        let head = shared.writer.head()?;
        shared.announced = head.size;
        Ok(Some(head))
    }

    /// What retention would erase now: ranges of envelopes recorded before `cutoff`, oldest first, at most
    /// `limit` envelopes. Own envelopes stay. The emitter seals the ranges into an own `retention` envelope
    /// and delivers it here before [`apply_retention`](Self::apply_retention).
    ///
    /// # Errors
    /// Kind `verification`: the database cannot be read.
    pub fn plan_retention(&self, cutoff: UnixNanos, limit: u64) -> Result<Vec<ErasedRange>> {
        let lent = lock(&self.shared).writer.connection()?;
        retention::plan(&lent, cutoff, limit)
    }

    /// Turns the envelopes that a stored `retention` envelope covers into stubs and overwrites what they
    /// held. May be repeated, after a crash for example. Deliveries go on in between.
    ///
    /// # Errors
    /// Kind `invalid_argument`: no retention envelope of this hash is stored. Kind `sink`: SQLite refused.
    pub fn apply_retention(&self, retention: &EnvelopeHash) -> Result<Retained> {
        let ranges = retention::admit(&mut lock(&self.shared).writer, retention)?;
        let mut done = Retained::default();
        for mut range in ranges {
            // In small transactions, with the lock released between them, so that the lane never waits long.
            while !range.done {
                done.erased += retention::erase_some(&mut lock(&self.shared).writer, &mut range)?;
            }
        }
        retention::settle(&mut lock(&self.shared).writer)?;
        Ok(done)
    }
}

impl Shared {
    fn append(&mut self, batch: &[Envelope]) -> Result<(), Failure> {
        match self.writer.append(batch) {
            Ok(appended) => {
                self.size += appended.added;
                self.failure = None;
                Ok(())
            }
            Err(failure) => {
                self.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
impl AuditSink {
    /// Sets the number of frames from which on the write-ahead log is moved into the database.
    pub(super) fn checkpoint_at(&self, frames: u64) {
        lock(&self.shared).writer.log_frames = frames;
    }
}

/// A poisoned lock is no reason to stop: after a panic the writer reads its memory from the file again.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
