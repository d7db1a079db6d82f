//! What a lane seals next, and how that gets signed.
//!
//! Guarantees: everything that is sealed together is signed together, and nothing is sealed after something that could
//! not be signed; own envelopes are sealed before the events that come after them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::episodes::EPISODE;
use super::news::Announcement;
use super::{Control, Pause, Step};
use crate::lane::health::LaneState;
use crate::lane::loss::Reason;
use crate::lane::own::{self, Note};
use crate::lane::sealer::{Item, Payload, SignerFailed};
use crate::lane::tracked::{EndState, Ending, Tracked};
use crate::lane::{Counters, LaneCore, RoomWaiters};
use crate::seam::Instant;
use crate::sink::{Failure, FailureKind};
use crate::sync::MutexGuard;

impl Control {
    /// Takes what callers and other lanes left for the sealer.
    pub(super) fn collect(&mut self, core: &mut LaneCore, now: Instant) {
        if let Some(key) = core.new_key.take() {
            self.sealer.change_to(key);
            if !self.group.is_empty() {
                // The lane waits for a signer: the new key may end that now.
                self.pacing.go_on();
            }
        }
        if core.overflowed && core.health.state != LaneState::Failed {
            let failure = self.lane.overflow_failure();
            self.fail(core, LaneState::Failed, &failure);
        }
        if self.sealer.started() && !core.dropped.is_empty() {
            let mut dropped: Vec<_> = core.dropped.drain().collect();
            dropped.sort();
            for (agent, counts) in dropped {
                for (reason, count) in Reason::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
                    self.sealer.lose_unsealed(&agent, reason, count);
                    self.news.episodes.note(reason, None, count, false, now);
                }
            }
        }
        if std::mem::take(&mut core.terminal_lost)
            && self.terminal_lost.replace(now).is_none_or(|last| now >= last.after(EPISODE))
        {
            let failure = self.lane.overflow_failure();
            let record = self.record(core, Some(&failure), false);
            own::merge(&mut core.notes, Note::State(record.clone()));
            self.news.push(Announcement::State(record));
        }
    }

    /// Seals the next batch; answers a step when there is nothing to seal yet.
    pub(super) fn seal_next(
        &mut self,
        mut core: MutexGuard<'_, LaneCore>,
        now: Instant,
        hurry: bool,
        ahead: bool,
    ) -> Option<Step> {
        if !self.group.is_empty() {
            drop(core);
            let items = std::mem::take(&mut self.group);
            return self.sign_and_write(items, Ok(()), now);
        }
        let lane = Arc::clone(&self.lane);
        let batch = lane.config.batch;
        let first = !self.sealer.started();
        let queued = core.queue.len();
        let full = queued >= batch.events || core.queue.bytes() >= batch.bytes;
        let oldest = core.queue.front().map(|front| front.event.made);
        if self.sealer.owes() {
            self.own_since.get_or_insert(now);
        } else {
            self.own_since = None;
        }
        let over = |since: Option<Instant>| since.is_some_and(|since| now >= since.after(batch.linger));
        let may_declare = self.sealer.may_declare;
        let declare = may_declare && (over(self.own_since) || (hurry && self.own_since.is_some()));
        let heartbeat = self.next_heartbeat.is_some_and(|at| now >= at);
        let say = (may_declare && !core.notes.is_empty())
            || !core.foreign.is_empty()
            || self.sealer.key_change_pending();
        let probe = !ahead && self.pacing.probe().is_some_and(|at| now >= at);
        // Events that a durable lane has not journaled are lost with the process, so they don't wait for a batch to
        // fill.
        let at_once = hurry || self.durable.is_some() || over(oldest);
        let take = full || !self.unsealed.is_empty() || (queued > 0 && at_once);
        if !(first || take || declare || heartbeat || say || probe) {
            if core.is_closing() && queued == 0 && self.flights.is_empty() && self.journal_settled() {
                return self.close(core, now);
            }
            let mut rests = None;
            if queued == 0 {
                core.hurry = false;
                rests = self.sealer.rest(now, batch.linger);
            }
            self.answer_flush(&mut core);
            let wake = [
                oldest.map(|since| since.after(batch.linger)),
                self.own_since.filter(|_| may_declare).map(|since| since.after(batch.linger)),
                self.next_heartbeat,
                self.pacing.probe().filter(|_| !ahead),
                self.upkeep.as_ref().and_then(|upkeep| upkeep.due()),
                rests,
            ];
            let pause = if queued == 0 { Pause::Idle } else { Pause::Linger };
            return Some(Step::Wait(wake.into_iter().flatten().min(), pause));
        }
        let notes = if may_declare { std::mem::take(&mut core.notes) } else { Vec::new() };
        let foreign = std::mem::take(&mut core.foreign);
        let state = core.health.state;
        let counters = (heartbeat || probe).then(|| lane.reading(&core));
        let mut waiters = None;
        let mut bytes: usize = self.unsealed.iter().map(|t| t.event.cost()).sum();
        if take {
            while self.unsealed.len() < batch.events
                && let Some(cost) = core.queue.front_cost()
                && (self.unsealed.is_empty() || bytes + cost <= batch.bytes)
            {
                bytes += cost;
                self.unsealed.extend(core.queue.pop());
            }
            waiters = Some(lane.made_room(&mut core));
        }
        core.at_rest = false;
        drop(core);
        waiters.into_iter().for_each(RoomWaiters::run);

        let mut items = Vec::with_capacity(self.unsealed.len() + 4);
        let mut notes: VecDeque<Note> = notes.into();
        let sealed = self.seal(&mut items, &mut notes, declare, counters.as_ref().map(|c| (state, c)));
        for envelope in foreign {
            items.push(Item::new(envelope, Payload::Foreign));
        }
        let events: u64 = items.iter().map(|item| item.payload.events()).sum();
        let mut core = lane.lock();
        core.counters.sealed += events;
        if probe {
            self.pacing.probed(now, &lane.config);
        }
        if heartbeat {
            self.next_heartbeat = self.heartbeat.map(|every| now.after(every));
        }
        for note in notes {
            own::merge(&mut core.notes, note);
        }
        drop(core);
        self.sign_and_write(items, sealed, now)
    }

    /// Signs what was sealed together and hands it to delivery; if the signer fails, keeps it in `group`.
    fn sign_and_write(
        &mut self,
        mut items: Vec<Item>,
        sealed: Result<(), SignerFailed>,
        now: Instant,
    ) -> Option<Step> {
        if let Err(SignerFailed(why)) = sealed.and_then(|()| self.sealer.sign(&mut items)) {
            self.group = items;
            // One failed call of a key service (throttled, perhaps) does not open the breaker: it is tried again soon. Of one
            // that does not answer nobody knows whether it ever will, as of a sink.
            let (state, summary) = if why.is_late() {
                (LaneState::Failed, "the signer has not answered in time; nothing is sent unsigned")
            } else {
                (LaneState::Degraded, "the signer failed; nothing is sent unsigned")
            };
            let failure = Failure::new(FailureKind::Signer, summary).detail(why.text());
            let lane = Arc::clone(&self.lane);
            let mut core = lane.lock();
            self.back_off(now, &failure, None);
            self.fail(&mut core, state, &failure);
            drop(core);
            return Some(Step::Wait(self.pacing.waits(false).or(Some(now)), Pause::Other));
        }
        if items.is_empty() {
            return Some(Step::Wait(Some(now), Pause::Other));
        }
        if let Some(durable) = &mut self.durable
            && !self.sealer.owes()
            && let Some(last) = items.iter_mut().rfind(|item| !matches!(item.payload, Payload::Foreign))
        {
            last.covers = durable.take_refused();
        }
        self.write_ahead(items, now);
        None
    }

    /// Seals, in this order: the lane's own stream's opening, a change of key, declarations, notes, a
    /// heartbeat, and the events taken from the queue.
    fn seal(
        &mut self,
        items: &mut Vec<Item>,
        notes: &mut VecDeque<Note>,
        declare: bool,
        heartbeat: Option<(LaneState, &Counters)>,
    ) -> Result<(), SignerFailed> {
        if !self.sealer.started() {
            self.sealer.start(items)?;
        }
        self.sealer.change_key(items)?;
        if declare || (self.sealer.may_declare && !self.unsealed.is_empty()) {
            self.sealer.declare(items)?;
        }
        while let Some(note) = notes.pop_front() {
            if let Err(e) = self.sealer.say(note.clone(), items) {
                notes.push_front(note);
                return Err(e);
            }
        }
        if let Some((state, counters)) = heartbeat {
            self.sealer.heartbeat(state, counters, items)?;
        }
        while let Some(tracked) = self.unsealed.front() {
            let tracked = Arc::clone(tracked);
            let lost = self.sealer.seal_event(&self.lane, &tracked, items)?;
            self.unsealed.pop_front();
            if let Some(reason) = lost {
                self.lost_at_sealing(&tracked, reason);
            }
        }
        Ok(())
    }

    /// An event that could not be sealed: refused by this lane, and declared like any loss.
    fn lost_at_sealing(&mut self, tracked: &Arc<Tracked>, reason: Reason) {
        self.news.episodes.note(reason, None, 1, false, self.lane.now());
        self.lane.lock().counters.reject_pending(reason, 1);
        let when = self.sealer.unix_nanos();
        tracked.end(self.lane.index, self.lane.durable(), || Ending {
            state: EndState::Lost,
            reason: Some(reason.name()),
            sealed: None,
            when,
        });
    }
}
