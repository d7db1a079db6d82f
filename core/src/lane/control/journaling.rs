//! Between sealing and delivery, for a lane that has a journal.
//!
//! Guarantees: an envelope is delivered only once it is in the journal, or once the journal has failed; in that case
//! the lane's state and each event's receipt say so.

use std::sync::Arc;

use super::Control;
use crate::lane::durable::{Durable, Written};
use crate::lane::health::LaneState;
use crate::lane::sealer::{Item, Payload};
use crate::seam::Instant;
use crate::sink::{Failure, FailureKind};

impl Control {
    /// Hands sealed envelopes to delivery: through the journal if the lane has one.
    pub(super) fn write_ahead(&mut self, items: Vec<Item>, now: Instant) {
        match &mut self.durable {
            None => self.flights.push(items),
            Some(durable) => {
                let written = durable.write(items, now);
                self.written(written);
            }
        }
    }

    fn written(&mut self, written: Written) {
        let lane = Arc::clone(&self.lane);
        match written {
            Written::Waits => {
                let Some(durable) = &mut self.durable else { return };
                let why = durable.take_why_full();
                let mut core = lane.lock();
                core.full = durable.is_full();
                if let Some(why) = why {
                    let failure = Failure::new(FailureKind::Journal, "the journal has no room");
                    core.health.note(&failure.detail(why.to_string()));
                    drop(core);
                    durable.say(&lane, &why);
                }
            }
            Written::Durable(items) => {
                let events: u64 = items.iter().map(|item| item.payload.events()).sum();
                let mut core = lane.lock();
                core.counters.journaled += events;
                core.in_journal += items
                    .iter()
                    .filter(|item| item.place.is_some())
                    .map(|item| item.payload.events())
                    .sum::<u64>();
                core.full = self.durable.as_ref().is_some_and(Durable::is_full);
                let waiters = lane.made_room(&mut core);
                drop(core);
                waiters.run();
                for item in &items {
                    if let Payload::Event(tracked) = &item.payload {
                        tracked.journaled(lane.index);
                    }
                }
                self.flights.push_journaled(items, &lane.config.batch);
            }
            Written::Failed(items, e) | Written::Unwritable(items, e) => {
                let failure = Failure::new(FailureKind::Journal, "the journal failed").detail(e.to_string());
                let mut core = lane.lock();
                core.full = self.durable.as_ref().is_some_and(Durable::is_full);
                let waiters = lane.made_room(&mut core);
                self.fail(&mut core, LaneState::Failed, &failure);
                drop(core);
                waiters.run();
                for item in &items {
                    if let Payload::Event(tracked) = &item.payload {
                        tracked.not_journaled(lane.index);
                    }
                }
                self.flights.push(items);
                self.count_journaled();
            }
        }
    }

    /// Syncs what is due, tries again what found no room, opens another journal where one failed.
    pub(super) fn tend_journal(&mut self, now: Instant, hurry: bool) {
        let Some(durable) = &mut self.durable else { return };
        match durable.reopen(&self.lane, self.kind) {
            Ok(false) => {}
            Ok(true) => {
                self.sealer.begin_anew();
                let mut lacking: Vec<_> =
                    self.flights.items_mut().filter(|item| durable.lacks(item)).collect();
                if let Err(e) = durable.keep(&mut lacking, now) {
                    durable.say(&self.lane, &e);
                }
                self.count_journaled();
            }
            Err(e) => durable.say(&self.lane, &e),
        }
        let Some(durable) = &mut self.durable else { return };
        let synced = durable.sync_if_due(now, hurry);
        let sealer = &self.sealer;
        let again = durable.try_again(now, |items| sealer.sign(items));
        for written in [synced, again].into_iter().flatten() {
            self.written(written);
        }
        let asked = self.lane.lock().repair.take();
        if let Some((streamid, sequence)) = asked
            && let Some(durable) = &self.durable
        {
            match durable.from(streamid, sequence, &self.lane, &self.context.content) {
                Ok(items) if !items.is_empty() => self.flights.push(items),
                Ok(_) => {}
                Err(e) => crate::diagnostics::warn(&e.to_string()),
            }
        }
    }

    /// Counts anew how many pending events the journal has, as the lane's journal is another one now, or none.
    fn count_journaled(&mut self) {
        let Some(durable) = &self.durable else { return };
        let held = self.flights.items().filter(|item| durable.holds(item.place));
        let held = held.map(|item| item.payload.events()).sum();
        self.lane.lock().in_journal = held;
    }

    /// To be called with events that are no longer pending: subtracts those that the journal has.
    pub(super) fn left_journal<'i>(&self, items: impl Iterator<Item = &'i Item>) {
        if let Some(durable) = &self.durable {
            let gone: u64 =
                items.filter(|item| durable.holds(item.place)).map(|item| item.payload.events()).sum();
            let mut core = self.lane.lock();
            core.in_journal = core.in_journal.saturating_sub(gone);
        }
    }

    pub(super) fn journal_settled(&self) -> bool {
        self.durable.as_ref().is_none_or(Durable::is_settled)
    }
}
