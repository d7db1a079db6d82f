//! What a lane does for its audit chain beside delivering: announcing heads, keeping its retention policy.
//!
//! Guarantees: nothing is erased before the sealed envelope that announces it is in the database.

use std::sync::Arc;
use std::time::Duration;

use super::own::Note;
use crate::audit::AuditHandle;
use crate::config::AuditRetention;
use crate::key::SigningKey;
use crate::seam::{Instant, UnixNanos};
use crate::sink::EnvelopeHash;

/// A head is announced after so many more envelopes.
pub(crate) const HEAD_EVERY: u64 = 1024;

/// How often retention looks for what has grown too old.
const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// Envelopes that one `retention` envelope covers at most.
const RETENTION_LIMIT: u64 = 10_000;

/// See the module's head.
pub(crate) struct AuditKeeper {
    handle: AuditHandle,
    retention: Option<AuditRetention>,
    next: Option<Instant>,
    /// Announced, but not carried out to its end yet.
    unfinished: Option<EnvelopeHash>,
}

impl AuditKeeper {
    pub(crate) fn new(handle: AuditHandle, retention: Option<AuditRetention>, now: Instant) -> Self {
        let next = retention.as_ref().map(|_| now);
        Self { handle, retention, next, unfinished: None }
    }

    /// When retention looks next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// What retention announces now.
    pub(crate) fn plan(&mut self, now: Instant, unix: UnixNanos) -> Option<Note> {
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        if let Some(announced) = self.unfinished.take() {
            self.apply(&announced);
        }
        self.next = Some(now.after(RETENTION_EVERY));
        let retention = self.retention.as_ref()?;
        let age = i64::try_from(retention.max_age.as_nanos()).unwrap_or(i64::MAX);
        match self.handle.plan_retention(unix.saturating_sub(age), RETENTION_LIMIT) {
            Ok(ranges) if ranges.is_empty() => None,
            Ok(ranges) => Some(Note::Retention { policy: retention.policy.clone(), ranges }),
            Err(e) => {
                crate::diagnostics::warn(&e.to_string());
                None
            }
        }
    }

    /// The announcement is in the database: what it covers becomes stubs. There may be more to do then.
    pub(crate) fn apply(&mut self, announced: &EnvelopeHash) {
        match self.handle.apply_retention(announced) {
            Ok(_) => self.next = Some(Instant::default()),
            Err(e) => {
                // A reader had the database open, for example: it is tried again with the next plan.
                self.unfinished = Some(*announced);
                crate::diagnostics::warn(&e.to_string());
            }
        }
    }

    /// The head to announce, if the log has grown by `every`.
    pub(crate) fn head(&self, every: u64, lane: &Arc<str>, key: Option<&SigningKey>) -> Option<Note> {
        let head = self.handle.take_tree_head(every).ok()??;
        let note = head.note(key).ok()?.as_str().to_owned();
        Some(Note::TreeHead { lane: Arc::clone(lane), size: head.size, root: head.root, note })
    }
}
