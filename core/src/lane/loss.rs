//! Losses: their reasons, and which of them are still to be declared.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::seam::Uuid;
use crate::sink::EnvelopeHash;

/// Why an event did not arrive (docs/spec/events.md): a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No room in the queue.
    Overflow,
    /// Emitted from inside a sink or a callback where it would have had to wait.
    Reentrant,
    /// Larger than the queue, or after redaction than an envelope may be.
    TooLarge,
    /// The receiver refused it for good.
    Rejected,
    /// The lane gave up: retries ran out.
    GaveUp,
    /// The receiver refused some of a batch and would not say which.
    Uncertain,
    /// The journal was damaged where it was.
    JournalDamage,
    /// It could not be put into the receiver's form.
    Serialization,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Overflow,
        Self::Reentrant,
        Self::TooLarge,
        Self::Rejected,
        Self::GaveUp,
        Self::Uncertain,
        Self::JournalDamage,
        Self::Serialization,
    ];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Reentrant => "reentrant",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::GaveUp => "gave_up",
            Self::Uncertain => "uncertain",
            Self::JournalDamage => "journal_damage",
            Self::Serialization => "serialization",
        }
    }
}

/// Sequences that a declaration names, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostRange {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The `prevhash` of the first of them, if they were sealed: with it, the declaration's signature also covers what
    /// stands before the gap.
    pub(crate) prev: Option<EnvelopeHash>,
    /// The earlier stream they belong to, if that is not the declaring stream itself.
    pub(crate) streamid: Option<Uuid>,
    /// The receiver would not say which of them it refused.
    pub(crate) maybe: bool,
}

/// What is lost for one reason and not yet declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) reason: Reason,
    /// Set where the lane's own stream declares for an agent whose stream is not open: by count only.
    pub(crate) agent: Option<Arc<str>>,
    /// Only envelopes of our own were lost, which are no events, so `count` is 0. Kept apart, so that in each
    /// declaration the count matches the sequences.
    pub(crate) own: bool,
    /// Host events lost, those without a number included.
    pub(crate) count: u64,
    /// Events that had no sequence yet: the declaration skips so many sequences.
    pub(crate) unnumbered: u64,
    /// Sequences of envelopes that were lost after sealing.
    pub(crate) ranges: Vec<LostRange>,
}

/// How many agents without an open stream have their losses counted apart; those of others are counted together.
const ELSEWHERE: usize = 1024;

/// Losses of one stream, merged into one entry per reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    own: Vec<Loss>,
    /// Counts of agents whose stream is not open.
    elsewhere: BTreeMap<(Arc<str>, Reason), u64>,
}

impl Losses {
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.elsewhere.is_empty()
    }

    fn entry(&mut self, reason: Reason, own: bool) -> &mut Loss {
        let same = |loss: &Loss| loss.reason == reason && loss.own == own;
        let at = self.own.iter().position(same).unwrap_or_else(|| {
            self.own.push(Loss { reason, agent: None, own, count: 0, unnumbered: 0, ranges: Vec::new() });
            self.own.len() - 1
        });
        &mut self.own[at]
    }

    /// Events of an agent whose stream is not open.
    pub(crate) fn add_elsewhere(&mut self, reason: Reason, agent: &str, count: u64) {
        let key = (Arc::from(agent), reason);
        if agent.is_empty() || (self.elsewhere.len() >= ELSEWHERE && !self.elsewhere.contains_key(&key)) {
            self.entry(reason, false).count += count;
        } else {
            *self.elsewhere.entry(key).or_default() += count;
        }
    }

    /// Adds events that were dropped before they had a sequence.
    pub(crate) fn add_unnumbered(&mut self, reason: Reason, count: u64) {
        let loss = self.entry(reason, false);
        loss.count += count;
        loss.unnumbered += count;
    }

    /// Adds one envelope that was lost after sealing; `events` is 1, or 0 for an envelope of our own.
    pub(crate) fn add_range(&mut self, reason: Reason, events: u64, range: LostRange) {
        let loss = self.entry(reason, events == 0 && !range.maybe);
        loss.count += events;
        loss.push(range);
    }

    /// Adds what a damaged journal has lost of earlier streams.
    pub(crate) fn add_damage(&mut self, count: u64, ranges: Vec<LostRange>) {
        let loss = self.entry(Reason::JournalDamage, false);
        loss.count += count;
        ranges.into_iter().for_each(|range| loss.push(range));
    }

    /// Takes back a declaration that did not arrive. `of` is the stream it was made in, where that is
    /// another one.
    pub(crate) fn restore(&mut self, declared: Loss, of: Option<Uuid>) {
        if let Some(agent) = &declared.agent {
            self.add_elsewhere(declared.reason, agent, declared.count);
            return;
        }
        let loss = self.entry(declared.reason, declared.own);
        loss.count += declared.count;
        loss.unnumbered += declared.unnumbered;
        for range in declared.ranges {
            loss.push(LostRange { streamid: range.streamid.or(of), ..range });
        }
    }

    /// Takes over what an earlier stream, which is no longer open, has not declared.
    pub(crate) fn inherit(&mut self, mut from: Self, of: Uuid) {
        for loss in from.take() {
            self.restore(loss, Some(of));
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Loss> {
        let mut all = std::mem::take(&mut self.own);
        for ((agent, reason), count) in std::mem::take(&mut self.elsewhere) {
            all.push(Loss {
                reason,
                agent: Some(agent),
                own: false,
                count,
                unnumbered: 0,
                ranges: Vec::new(),
            });
        }
        all
    }
}

impl Loss {
    pub(crate) fn push(&mut self, range: LostRange) {
        if let Some(last) = self.ranges.last_mut()
            && last.streamid == range.streamid
            && last.maybe == range.maybe
            && last.to + 1 == range.from
        {
            last.to = range.to;
        } else {
            self.ranges.push(range);
        }
    }
}
