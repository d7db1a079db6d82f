//! What an `emit` leaves to be done once it holds no lane's lock.
//!
//! Guarantees: receipts' callbacks run, and workers are woken, when no lock is held; of several lanes that sleep
//! the caller wakes one, which wakes the others before it does anything else. A wake costs whoever makes it
//! some microseconds, so this is what fan-out costs a caller whose lanes are idle.

use std::sync::Arc;

use smallvec::SmallVec;

use super::core::Phase;
use super::{Lane, Reason};
use crate::lane::Tracked;

/// An event that was lost before it was sealed, whose receipt is to be told.
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
    /// Does it.
    pub(crate) fn run(self, lanes: &[Arc<Lane>]) {
        if let Some((&first, others)) = self.sleepers.split_first() {
            let first = &lanes[first];
            if !others.is_empty() {
                let mut core = first.lock();
                // Whoever is awake already may be long at what it does, and nobody waits for that.
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
