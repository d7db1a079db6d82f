//! How a lane comes to rest, and how it ends.
//!
//! Guarantees: whoever flushes is told whether anything is left; when the lane ends, each receipt of an event that is
//! left is told what became of it; a lane has ended only once its journal may be opened again.

use std::collections::HashSet;
use std::sync::Arc;

use super::answers::sealed_at;
use super::news::Announcement;
use super::{Control, Pause, Step};
use crate::lane::core::{LaneCore, Life};
use crate::lane::durable::Written;
use crate::lane::health::LaneState;
use crate::lane::sealer::Payload;
use crate::lane::tracked::{EndState, Ending, Tracked};
use crate::lane::voice;
use crate::seam::Instant;
use crate::sink::Envelope;
use crate::sync::MutexGuard;

impl Control {
    /// Everything is delivered: seals `closed`, or ends.
    pub(super) fn close(&mut self, mut core: MutexGuard<'_, LaneCore>, now: Instant) -> Option<Step> {
        if self.sealer.open_streams() == 0 {
            return Some(self.end(core));
        }
        if self.own_since.is_some() {
            if self.last_try {
                // The sink refuses even the declarations: the streams stay open.
                return Some(self.end(core));
            }
            self.last_try = true;
            self.sealer.may_declare = true;
            drop(core);
            return Some(Step::Wait(Some(now), Pause::Other));
        }
        core.life.shut();
        drop(core);
        self.closed = true;
        let mut items = Vec::new();
        // If a signer fails now, the streams stay open: nothing more can be done.
        if self.sealer.close_all(&mut items).and_then(|()| self.sealer.sign(&mut items)).is_err() {
            items.clear();
        }
        if items.is_empty() {
            return Some(self.end(self.lane.clone().lock()));
        }
        self.write_ahead(items, now);
        None
    }

    /// Answers the flushes asked for so far: notes whether the lane holds anything.
    pub(super) fn answer_flush(&mut self, core: &mut LaneCore) {
        let declared = (!self.sealer.owes() && core.dropped.is_empty()) || !self.sealer.may_declare;
        core.flushed = core.asked;
        core.at_rest = core.queue.len() == 0
            && self.unsealed.is_empty()
            && self.group.is_empty()
            && self.flights.is_empty()
            && (core.notes.is_empty() || !self.sealer.may_declare)
            && core.foreign.is_empty()
            && declared
            && self.journal_settled()
            && self.sealer.started();
        if core.waiting > 0 {
            self.lane.shared.room.notify_all();
        }
    }

    /// Ends the lane, and tells the receipts of what is left.
    pub(super) fn end(&mut self, mut core: MutexGuard<'_, LaneCore>) -> Step {
        let now = self.sealer.unix_nanos();
        let mut left: Vec<(Arc<Tracked>, Option<Envelope>, u32)> = Vec::new();
        // What is on disk. Not all that is in flight is: once a journal has failed, events are delivered from memory.
        let mut written = HashSet::new();
        for item in self.flights.drain() {
            if let Payload::Event(tracked) = item.payload {
                if self.durable.as_ref().is_some_and(|durable| durable.holds(item.place)) {
                    written.insert(Arc::as_ptr(&tracked));
                }
                // Of a journal that has failed nobody knows what the next process finds there.
                let tries = item.tries.max(item.place.is_some().into());
                left.push((Arc::clone(&tracked), Some(item.envelope), tries));
            }
        }
        for item in self.group.drain(..) {
            if let Payload::Event(tracked) = item.payload {
                left.push((Arc::clone(&tracked), Some(item.envelope), 0));
            }
        }
        left.extend(self.unsealed.drain(..).map(|tracked| (tracked, None, 0)));
        while let Some(tracked) = core.queue.pop() {
            left.push((tracked, None, 0));
        }
        core.life.shut();
        core.health.turn(LaneState::Closed, now);
        let waiters = self.lane.made_room(&mut core);
        drop(core);
        if let Some(durable) = &mut self.durable {
            let (synced, unwritten) = durable.give_back(self.lane.now());
            let (synced, failed) = match synced {
                Some(Written::Durable(items)) => {
                    self.lane.lock().in_journal +=
                        items.iter().map(|item| item.payload.events()).sum::<u64>();
                    (items, Vec::new())
                }
                Some(Written::Failed(items, _) | Written::Unwritable(items, _)) => (Vec::new(), items),
                Some(Written::Waits) | None => (Vec::new(), Vec::new()),
            };
            for item in synced {
                if let Payload::Event(tracked) = item.payload {
                    tracked.journaled(self.lane.index);
                    written.insert(Arc::as_ptr(&tracked));
                    left.push((Arc::clone(&tracked), Some(item.envelope), 0));
                }
            }
            for item in unwritten.into_iter().chain(failed) {
                if let Payload::Event(tracked) = item.payload {
                    left.push((Arc::clone(&tracked), Some(item.envelope), 0));
                }
            }
            durable.close();
        }
        self.news.push(Announcement::Changed);
        waiters.run();
        let mut held = voice::Left::default();
        for (tracked, envelope, tries) in left {
            // An event given to a sink that never answered may have arrived; a journaled one will be sent.
            let journaled = written.contains(&Arc::as_ptr(&tracked));
            let may_arrive = tries > 0 || journaled;
            *match (journaled, tries) {
                (true, _) => &mut held.journaled,
                (false, 0) => &mut held.gone,
                (false, _) => &mut held.unanswered,
            } += 1;
            let state = if may_arrive { EndState::Uncertain } else { EndState::Lost };
            tracked.end(self.lane.index, self.lane.durable(), || Ending {
                state,
                reason: Some("shutdown"),
                sealed: envelope.as_ref().map(sealed_at),
                when: now,
            });
        }
        // Logged before those who wait for the end let the process go.
        self.news.speak(&self.lane, Some(held));
        // Last: whoever waits for the end may then open the journal again.
        self.lane.lock().life = Life::Ended;
        self.lane.shared.room.notify_all();
        Step::Done
    }
}
