//! What `flush`, `shutdown` and `drain` report.

use super::Inner;
use crate::lane::StateRecord;

/// Where undelivered events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Nothing is left.
    None,
    /// At least some are only in this process's memory, and are lost when it ends.
    Memory,
    /// In the journal: the next process sends it.
    Journal,
}

impl Where {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Memory => "memory",
            Self::Journal => "journal",
        }
    }
}

/// What a lane has delivered and still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneReport {
    /// Events delivered since the emitter was opened.
    pub delivered: u64,
    /// Events still held.
    pub pending: u64,
    /// How many of these the journal has on disk: the next process sends them.
    pub journaled: u64,
    /// Where the pending events are: `journal` only if all of them are there.
    pub place: Where,
}

/// What one `drain` did.
#[derive(Clone, Debug)]
pub struct Drained {
    /// Events delivered.
    pub count: u64,
    /// Changes of the lane's state on the way.
    pub records: Vec<StateRecord>,
}

impl Inner {
    pub(super) fn report(&self) -> Vec<(String, LaneReport)> {
        let one = |lane: &std::sync::Arc<crate::lane::Lane>| {
            let (delivered, pending, in_journal) = lane.held();
            let journaled = in_journal.min(pending);
            let place = match pending {
                0 => Where::None,
                n if n == journaled => Where::Journal,
                _ => Where::Memory,
            };
            (lane.id().to_owned(), LaneReport { delivered, pending, journaled, place })
        };
        self.bus.lanes().iter().map(one).collect()
    }
}

/// See [`super::Emitter::authority_boundary`]: a JSON object.
pub(super) const AUTHORITY_BOUNDARY: &str = concat!(
    r#"{"may_change":[],"#,
    r#""never_changes":["event","policy decision","run outcome","side effect"],"#,
    r#""reaches_caller_by":["blocking","required sinks","receipts","counters","health"]}"#
);
