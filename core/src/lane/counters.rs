//! What a lane has done with the events it was given.
//!
//! Guarantees: `admitted = delivered + dropped + rejected + pending` in every reading. All fields change
//! under the lane's lock, so a reading is one consistent snapshot.

use super::loss::Reason;
use super::shape::Filter;
use crate::json::{JsonError, ObjectWriter};
use crate::sink::Moved;

/// A snapshot of a lane's counters. They count the host's events, unless a field says otherwise; sinkwell's own
/// envelopes count only in `own` and `bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that this lane was to deliver.
    pub admitted: u64,
    /// Acknowledged by the sink.
    pub delivered: u64,
    /// Lost without having been refused: overflow, giving up.
    pub dropped: u64,
    /// Refused by the sink, or impossible to put into the receiver's form.
    pub rejected: u64,
    /// Held by the lane, in flight included.
    pub pending: u64,
    /// Kept out of this lane by a policy; these are not in `admitted`.
    pub filtered: u64,
    /// Envelopes sealed from host events.
    pub sealed: u64,
    /// Envelopes of host events that were written to the journal.
    pub journaled: u64,
    /// Events sent again: deliveries of an envelope beyond its first.
    pub retried: u64,
    /// Own envelopes acknowledged.
    pub own: u64,
    /// Bytes of envelopes acknowledged.
    pub bytes: u64,
    /// Age of the oldest event held, in milliseconds; 0 when none is.
    pub oldest_pending_ms: u64,
    dropped_by: [u64; Reason::ALL.len()],
    rejected_by: [u64; Reason::ALL.len()],
    filtered_by: [u64; Filter::ALL.len()],
    /// What the sink itself has moved, if it says so.
    pub(crate) moved: Option<Moved>,
}

impl Counters {
    /// Writes `{admitted, …, dropped_by: {reason: n}, rejected_by: {…}, filtered_by: {…}}`, as reports and heartbeats
    /// have it; with `sink: {bytes_raw, …}, sink_errors: {"REASON CODE": n}` where the sink says what it moves.
    pub(crate) fn write(&self, w: &mut ObjectWriter) -> Result<(), JsonError> {
        let number = |w: &mut ObjectWriter, key: &str, value: u64| {
            w.key(key)?;
            w.int(i128::from(value))
        };
        w.begin_object()?;
        for (name, value) in self.fields() {
            number(w, name, value)?;
        }
        for (name, reasons) in self.reasons() {
            w.key(name)?;
            w.begin_object()?;
            for (reason, n) in reasons {
                number(w, reason, n)?;
            }
            w.end_object()?;
        }
        if let Some(moved) = &self.moved {
            w.key("sink")?;
            w.begin_object()?;
            for &(name, value) in &moved.fields {
                number(w, name, value)?;
            }
            w.end_object()?;
            w.key("sink_errors")?;
            w.begin_object()?;
            for (code, reason, n) in &moved.errors {
                number(w, &format!("{reason} {code}"), *n)?;
            }
            w.end_object()?;
        }
        w.end_object()
    }

    /// `dropped`, by reason; reasons that did not occur are left out.
    pub fn dropped_by(&self) -> impl Iterator<Item = (Reason, u64)> {
        by(self.dropped_by)
    }

    /// `rejected`, by reason.
    pub fn rejected_by(&self) -> impl Iterator<Item = (Reason, u64)> {
        by(self.rejected_by)
    }

    /// `filtered`, by reason.
    pub fn filtered_by(&self) -> impl Iterator<Item = (Filter, u64)> {
        Filter::ALL.into_iter().zip(self.filtered_by).filter(|(_, n)| *n > 0)
    }

    /// The breakdowns by reason, each with its public name, in a fixed order.
    #[must_use]
    pub fn reasons(&self) -> [(&'static str, Vec<(&'static str, u64)>); 3] {
        [
            ("dropped_by", self.dropped_by().map(|(reason, n)| (reason.name(), n)).collect()),
            ("rejected_by", self.rejected_by().map(|(reason, n)| (reason.name(), n)).collect()),
            ("filtered_by", self.filtered_by().map(|(filter, n)| (filter.name(), n)).collect()),
        ]
    }

    /// Every integer with its public name, in a fixed order.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, u64); 12] {
        [
            ("admitted", self.admitted),
            ("delivered", self.delivered),
            ("dropped", self.dropped),
            ("rejected", self.rejected),
            ("pending", self.pending),
            ("filtered", self.filtered),
            ("sealed", self.sealed),
            ("journaled", self.journaled),
            ("retried", self.retried),
            ("own", self.own),
            ("bytes", self.bytes),
            ("oldest_pending_ms", self.oldest_pending_ms),
        ]
    }

    /// Counts an event that the lane is to deliver.
    pub(crate) fn admit(&mut self) {
        self.admitted += 1;
        self.pending += 1;
    }

    /// Counts an event that a policy keeps out of the lane.
    pub(crate) fn filter(&mut self, filter: Filter) {
        self.filtered += 1;
        self.filtered_by[filter as usize] += 1;
    }

    /// Counts events that the lane held as dropped.
    pub(crate) fn drop_pending(&mut self, reason: Reason, n: u64) {
        self.pending -= n;
        self.dropped += n;
        self.dropped_by[reason as usize] += n;
    }

    /// Counts events that the lane held as rejected.
    pub(crate) fn reject_pending(&mut self, reason: Reason, n: u64) {
        self.pending -= n;
        self.rejected += n;
        self.rejected_by[reason as usize] += n;
    }

    /// Counts events that the lane held as delivered.
    pub(crate) fn deliver_pending(&mut self, n: u64) {
        self.pending -= n;
        self.delivered += n;
    }
}

fn by(counts: [u64; Reason::ALL.len()]) -> impl Iterator<Item = (Reason, u64)> {
    Reason::ALL.into_iter().zip(counts).filter(|(_, n)| *n > 0)
}
