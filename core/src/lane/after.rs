//! What an `emit` does after it has released the lanes' locks.
//!
//! Guarantees: receipts' callbacks run, and workers are woken, while no lock is held. Waking a thread costs some
//! microseconds, so a caller wakes only one of the lanes that sleep, and that lane's worker wakes the others before it
//! does anything else. This is what `emit` costs a caller whose lanes are idle.

use std::sync::Arc;

use smallvec::SmallVec;

use super::core::Phase;
use super::{Lane, Reason};
use crate::lane::Tracked;

/// An event that was lost before it was sealed: its receipt has yet to be told.
pub(crate) struct Lost {
    pub(crate) lane: usize,
    pub(crate) tracked: Arc<Tracked>,
    pub(crate) reason: Reason,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct After {
    pub(super) lost: Vec<Lost>,
    /// Lanes in [`Phase::Woken`], by their index.
    pub(super) sleepers: SmallVec<[usize; 4]>,
}

impl After {
    /// Whether there is nothing to do.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.sleepers.is_empty() && self.lost.is_empty()
    }

    /// Wakes the workers and tells the receipts.
    #[inline]
    pub(crate) fn run(self, lanes: &[Arc<Lane>]) {
        if !self.is_empty() {
            self.do_run(lanes);
        }
    }

    fn do_run(self, lanes: &[Arc<Lane>]) {
        if let Some((&first, others)) = self.sleepers.split_first() {
            let first = &lanes[first];
            if !others.is_empty() {
                let mut core = first.lock();
                // If the first worker is awake by now, it may be busy for long before it wakes the others: wake them
                // here.
                if core.phase == Phase::Woken {
                    core.relay.extend(others.iter().map(|&i| Arc::clone(&lanes[i])));
                } else {
                    others.iter().for_each(|&i| lanes[i].shared.work.notify_all());
                }
            }
            first.shared.work.notify_all();
        }
        for lost in &self.lost {
            lanes[lost.lane].tell_lost(lost);
        }
    }
}
