//! When to sync: the lane's policy, without a clock of its own.

use crate::seam::Instant;
use crate::settings::SyncPolicy;

/// Tells a lane when its next sync is due.
#[derive(Clone, Copy, Debug)]
pub struct SyncSchedule {
    policy: SyncPolicy,
    /// When the oldest record that no sync covers yet was appended.
    unsynced_since: Option<Instant>,
}

impl SyncSchedule {
    /// A schedule with nothing to sync.
    #[must_use]
    pub fn new(policy: SyncPolicy) -> Self {
        Self { policy, unsynced_since: None }
    }

    /// The policy it follows.
    #[must_use]
    pub fn policy(&self) -> SyncPolicy {
        self.policy
    }

    /// Something was appended at `now`.
    pub fn appended(&mut self, now: Instant) {
        self.unsynced_since.get_or_insert(now);
    }

    /// A sync covered everything.
    pub fn synced(&mut self) {
        self.unsynced_since = None;
    }

    /// When the next sync is due; `None` when there is nothing to sync, or the operating system decides.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let since = self.unsynced_since?;
        match self.policy {
            SyncPolicy::Always => Some(since),
            SyncPolicy::Every(period) => Some(since.after(period)),
            SyncPolicy::Os => None,
        }
    }

    /// Whether a sync is due.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether records count as journaled before a sync: with `sync: os`, which survives the end of the process, but
    /// not a power failure.
    #[must_use]
    pub fn journaled_when_written(&self) -> bool {
        matches!(self.policy, SyncPolicy::Os)
    }
}
