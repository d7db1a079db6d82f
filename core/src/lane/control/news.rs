//! What a lane tells others: its state and losses to the other lanes, warnings to the host's logger, records to a
//! manual emitter.
//!
//! Guarantees: nothing is told under the lane's lock, as no thread may hold two lanes' locks; an episode of loss makes
//! one record, not one per event.

use std::sync::Arc;

use super::episodes::Episodes;
use crate::lane::health::StateRecord;
use crate::lane::own::{Fact, Note};
use crate::lane::voice::{self, Voice, Word};
use crate::lane::{Bus, Lane};
use crate::seam::Instant;
use crate::sink::Envelope;

/// News for the rest of the emitter.
pub(super) enum Announcement {
    TreeHead(Note),
    State(StateRecord),
    Loss(Fact),
    Checkpoint(Envelope),
    Changed,
}

/// See the module's head.
pub(super) struct News {
    /// What to tell the rest of the emitter once this lane's lock is free.
    outbox: Vec<Announcement>,
    /// Losses of which the others are still to be told.
    pub(super) episodes: Episodes,
    /// State records since they were last taken; kept for manual emitters only.
    records: Option<Vec<StateRecord>>,
    /// What the host's logger was told.
    voice: Voice,
    #[cfg(test)]
    pub(super) said: Vec<Word>,
}

impl News {
    pub(super) fn new(keep_records: bool) -> Self {
        Self {
            outbox: Vec::new(),
            episodes: Episodes::default(),
            records: keep_records.then(Vec::new),
            voice: Voice::default(),
            #[cfg(test)]
            said: Vec::new(),
        }
    }

    /// Adds an announcement for the next [`News::publish`].
    pub(super) fn push(&mut self, out: Announcement) {
        self.outbox.push(out);
    }

    /// Tells the `siem` and `audit` lanes of the episodes that are over, or of all.
    pub(super) fn end_episodes(&mut self, lane: &Lane, now: Instant, all: bool) {
        for episode in self.episodes.over(now, all) {
            self.outbox.push(Announcement::Loss(episode.fact(lane.id_arc())));
        }
    }

    /// When there will be something to tell.
    pub(super) fn due(&self, counters: &crate::lane::Counters) -> Option<Instant> {
        [self.voice.due(counters), self.episodes.due()].into_iter().flatten().min()
    }

    /// State records since the last call.
    pub(super) fn take_records(&mut self) -> Vec<StateRecord> {
        self.records.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Tells the other lanes and the host's logger everything that is pending.
    pub(super) fn publish(&mut self, lane: &Arc<Lane>, bus: &Bus) {
        for out in std::mem::take(&mut self.outbox) {
            match out {
                Announcement::State(record) => {
                    if let Some(records) = &mut self.records {
                        records.push(record.clone());
                    }
                    bus.announce(lane.index, record);
                }
                Announcement::TreeHead(note) => bus.tell_tree_head(lane.index, note),
                Announcement::Loss(fact) => bus.tell_losses(lane.index, fact),
                Announcement::Checkpoint(envelope) => bus.checkpoint(lane.index, &envelope),
                Announcement::Changed => bus.state_changed(),
            }
        }
        self.speak(lane, None);
    }

    /// Logs what the host's logger has not been told; `left` is what the lane held when it ended.
    pub(super) fn speak(&mut self, lane: &Lane, left: Option<voice::Left>) {
        let words: Vec<_> = {
            let core = lane.lock();
            let words = self.voice.look(lane.id(), &core.counters, &core.health, lane.now(), left.is_some());
            let left = left.and_then(|left| voice::left(lane.id(), left, &core.health));
            words.into_iter().chain(left).collect()
        };
        for word in words {
            match &word {
                Word::Warn(text) => crate::diagnostics::warn(text),
                Word::Info(text) => crate::diagnostics::info(text),
            }
            #[cfg(test)]
            self.said.push(word);
        }
    }
}
