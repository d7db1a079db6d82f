//! What an audit chain's lane does apart from delivering: announcing the heads, and applying the retention policy.
//!
//! Guarantees: nothing is erased before the sealed envelope that announces it is in the database.

use std::time::Duration;

use super::AuditHandle;
use super::settings::AuditRetention;
use crate::key::SigningKey;
use crate::seam::{Instant, UnixNanos};
use crate::sink::{Announcement, EnvelopeHash, Upkeep};

/// How often retention looks for what has grown too old.
const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// Envelopes that one `retention` envelope covers at most.
const RETENTION_LIMIT: u64 = 10_000;

/// The upkeep of one audit chain.
pub(super) struct Keeper {
    handle: AuditHandle,
    retention: Option<AuditRetention>,
    next: Option<Instant>,
    /// A retention envelope that was announced and is not wholly applied yet.
    unfinished: Option<EnvelopeHash>,
}

impl Keeper {
    pub(super) fn new(handle: AuditHandle, retention: Option<AuditRetention>) -> Self {
        // Due at once: envelopes may have grown too old while no emitter ran.
        let next = retention.as_ref().map(|_| Instant::default());
        Self { handle, retention, next, unfinished: None }
    }

    /// Turns the envelopes that a retention envelope covers into stubs. As there may be more to erase, the next plan is
    /// then due at once.
    fn apply(&mut self, announced: &EnvelopeHash) {
        match self.handle.apply_retention(announced) {
            Ok(_) => self.next = Some(Instant::default()),
            Err(e) => {
                // A reader may have had the database open: tried again with the next plan.
                self.unfinished = Some(*announced);
                crate::diagnostics::warn(&e.to_string());
            }
        }
    }
}

impl Upkeep for Keeper {
    fn due(&self) -> Option<Instant> {
        self.next
    }

    fn plan(&mut self, now: Instant, unix: UnixNanos) -> Option<Announcement> {
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
            Ok(ranges) => Some(Announcement::Retention { policy: retention.policy.clone(), ranges }),
            Err(e) => {
                crate::diagnostics::warn(&e.to_string());
                None
            }
        }
    }

    fn announced(&mut self, hash: &EnvelopeHash) {
        self.apply(hash);
    }

    fn head(&self, every: u64, key: Option<&SigningKey>) -> Option<Announcement> {
        let head = self.handle.take_tree_head(every).ok()??;
        let note = head.note(key).ok()?.as_str().to_owned();
        Some(Announcement::TreeHead { size: head.size, root: head.root, note })
    }
}
