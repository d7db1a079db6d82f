//! What the sink's answers mean: acknowledged, tried again, refused, lost.
//!
//! Guarantees: a batch keeps its order, and so does the cursor; an envelope that the sink may not have is declared, or
//! kept and tried again; no loss is counted twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Control;
use super::flights::{Ahead, Batch};
use super::news::Announcement;
use crate::lane::LaneCore;
use crate::lane::durable::Durable;
use crate::lane::health::{Cursor, LaneState, StateRecord};
use crate::lane::loss::Reason;
use crate::lane::own::{self, Note};
use crate::lane::sealer::{Item, Payload};
use crate::lane::{EndState, Ending, Sealed};
use crate::seam::{Instant, Uuid};
use crate::sink::{Answer, Answers, Envelope, Failure, FailureKind};

/// How many more envelopes an audit chain must hold before its head is announced again.
const HEAD_EVERY: u64 = 1024;

impl Control {
    /// Takes the sink's answers for the batch that was delivered under this number.
    pub(crate) fn answer(&mut self, call: u64, answers: Answers, now: Instant) {
        self.take_answers(call, answers, now);
        self.publish();
    }

    fn take_answers(&mut self, call: u64, answers: Answers, now: Instant) {
        let Some((at, flight, mut batch)) = self.flights.land(call) else { return };
        let was_overdue = flight.overdue;
        let stale = self.pacing.is_stale(flight.since);
        let lane = Arc::clone(&self.lane);
        let count = batch.items.len();
        match keep_on_auth(answers) {
            Answers::Acknowledged => {
                self.acknowledge(&batch.items, count, batch.ahead, at);
                self.sealer.reuse(batch.items);
                if !stale {
                    self.works();
                    self.send_again(now);
                }
            }
            Answers::Partial { refused, failure } => self.partial(batch, refused, &failure, now),
            Answers::Retry(failure, after) => self.retry(batch, at, &failure, after, now, was_overdue),
            Answers::Gone(failure) => {
                lane.lock().gone = true;
                lane.shared.room.notify_all();
                self.retry(batch, at, &failure, None, now, was_overdue);
            }
            Answers::RefusedBatch(failure) if count > 1 => {
                // Halve the batch until the refused envelope is alone; the others are delivered.
                let mut first = std::mem::take(&mut batch.items);
                let second = first.split_off(count / 2);
                let events: u64 = first.iter().chain(&second).map(|item| item.payload.events()).sum();
                for (items, ahead) in [(second, batch.ahead), (first, None)] {
                    self.flights.put_back(at, batch.part(items, ahead));
                }
                let mut core = lane.lock();
                core.counters.retried += events;
                core.health.note(&failure);
            }
            Answers::RefusedBatch(failure) => {
                let mut items = batch.items;
                if let Some(item) = items.pop() {
                    self.refuse(item, &failure, now);
                }
                self.reach(batch.ahead, at);
            }
            Answers::Each(each) if each.len() == count => self.each(batch, at, each, now),
            Answers::Each(each) => {
                let failure = Failure::new(
                    FailureKind::Panic,
                    format!("the sink answered {} of {count} envelopes", each.len()),
                );
                self.retry(batch, at, &failure, None, now, was_overdue);
            }
        }
    }

    fn each(&mut self, mut batch: Batch, at: usize, answers: Vec<Answer>, now: Instant) {
        let mut again = Vec::new();
        let mut acknowledged = Vec::new();
        let mut refused = Vec::new();
        let mut uncertain = Vec::new();
        let mut why: Option<(Failure, Option<Duration>)> = None;
        // The cursor moves only contiguously: up to the first envelope that is tried again.
        let mut contiguous = 0;
        for (item, answer) in std::mem::take(&mut batch.items).into_iter().zip(answers) {
            match answer {
                Answer::Acknowledged => {
                    acknowledged.push(item);
                    if again.is_empty() {
                        contiguous = acknowledged.len();
                    }
                }
                Answer::Refused(failure) => refused.push((item, failure)),
                Answer::Uncertain(failure) => uncertain.push((item, failure)),
                Answer::Retry(failure, after) => {
                    again.push(item);
                    let longer = why.take().and_then(|(_, after)| after).max(after);
                    why = Some((failure, longer));
                }
            }
        }
        let held_back = acknowledged[contiguous..].iter().rfind(|item| !item.payload.is_foreign());
        let ahead = held_back.map(|item| (item.envelope.streamid, item.envelope.sequence)).or(batch.ahead);
        self.acknowledge(&acknowledged, contiguous, if again.is_empty() { ahead } else { None }, at);
        if !acknowledged.is_empty() {
            self.works();
        }
        for (item, failure) in refused {
            self.refuse(item, &failure, now);
        }
        for (item, failure) in uncertain {
            self.partial(batch.part(vec![item], None), 1, &failure, now);
        }
        if let Some((failure, after)) = why {
            self.retry(batch.part(again, ahead), at, &failure, after, now, false);
        }
    }

    /// Moves the cursor to an envelope that the sink has, of a batch in place `at`. If an older batch is not settled
    /// yet, that one moves the cursor once it is.
    fn reach(&mut self, to: Ahead, at: usize) {
        let Some((streamid, sequence)) = to else { return };
        if !self.flights.leave_to_older(at, to) {
            self.lane.lock().health.acked = Some(Cursor { streamid, sequence, export: self.exported });
        }
    }

    /// Counts the envelopes that the sink has and tells their receipts. The cursor moves over the first `contiguous`,
    /// and to `ahead` if nothing between is open.
    fn acknowledge(&mut self, items: &[Item], contiguous: usize, ahead: Ahead, at: usize) {
        if items.is_empty() {
            self.reach(ahead, at);
            return;
        }
        let when = self.sealer.unix_nanos();
        let events: u64 = items.iter().map(|item| item.payload.events()).sum();
        let own = items.iter().filter(|item| item.envelope.own && !item.payload.is_foreign()).count() as u64;
        let bytes: usize = items.iter().map(|item| item.envelope.bytes.len()).sum();
        self.exported += items.len() as u64;
        self.left_journal(items.iter());
        {
            let mut core = self.lane.lock();
            core.counters.deliver_pending(events);
            core.counters.own += own;
            core.counters.bytes += bytes as u64;
            let capacity = core.queue.capacity();
            if core.queue.len() * 2 < capacity.events.max(1) && core.queue.bytes() * 2 < capacity.bytes.max(1)
            {
                core.overflowed = false;
            }
        }
        let last = items[..contiguous].iter().rfind(|item| !item.payload.is_foreign());
        self.reach(ahead.or(last.map(|item| (item.envelope.streamid, item.envelope.sequence))), at);
        self.announce_tree_head(HEAD_EVERY);
        let unsettled = items.iter().filter(|item| !item.payload.is_settled());
        self.sealer.settle_all(unsettled.map(|item| &item.envelope));
        if let Some(durable) = &mut self.durable {
            durable.acknowledge(items.iter().filter_map(|item| item.place));
        }
        for item in items {
            match &item.payload {
                Payload::Event(tracked) => {
                    tracked.end(self.lane.index, self.lane.durable(), || Ending {
                        state: EndState::Delivered,
                        reason: None,
                        sealed: Some(sealed_at(&item.envelope)),
                        when,
                    });
                }
                Payload::Note(note) if matches!(**note, Note::Retention { .. }) => {
                    if let Some(upkeep) = &mut self.upkeep {
                        upkeep.announced(&item.envelope.hash);
                    }
                }
                Payload::Checkpoint => self.news.push(Announcement::Checkpoint(item.envelope.clone())),
                _ => {}
            }
        }
    }

    /// The sink has acknowledged something: it works, and may get declarations again.
    fn works(&mut self) {
        self.pacing.works();
        self.sealer.may_declare = true;
        let unix = self.sealer.unix_nanos();
        let lane = Arc::clone(&self.lane);
        let mut core = lane.lock();
        if core.overflowed || self.durable.as_ref().is_some_and(Durable::is_broken) {
            // The sink works, but the lane does not: it overflowed, or has no journal.
            return;
        }
        let lost = core.health.lost.take();
        let starting = core.health.state == LaneState::Starting;
        if core.health.recover(unix) {
            self.news.push(Announcement::Changed);
            if !starting {
                let mut record = self.record(&mut core, None, true);
                if let Some(lost) = lost {
                    // Acknowledged envelopes may be lost: the record of the recovery is the only one that says so in
                    // the lane's own stream.
                    record.summary = format!("recovered; {lost}");
                }
                // The lane's own stream gets the record only now that the sink takes envelopes.
                own::merge(&mut core.notes, Note::State(record.clone()));
                self.news.push(Announcement::State(record));
            }
        }
    }

    fn degrade(&mut self, core: &mut LaneCore, failure: &Failure) {
        let failed = core.health.state == LaneState::Failed;
        self.fail(core, if failed { LaneState::Failed } else { LaneState::Degraded }, failure);
    }

    /// Notes a failure; a change of state is announced to the other lanes at once.
    pub(super) fn fail(&mut self, core: &mut LaneCore, state: LaneState, failure: &Failure) {
        if core.health.fail(state, failure, self.sealer.unix_nanos()) {
            let record = self.record(core, Some(failure), true);
            self.news.push(Announcement::State(record));
            self.news.push(Announcement::Changed);
        }
    }

    pub(super) fn record(
        &mut self,
        core: &mut LaneCore,
        failure: Option<&Failure>,
        preserved: bool,
    ) -> StateRecord {
        let lost = core.counters.dropped + core.counters.rejected;
        let dropped = lost - self.dropped_reported;
        self.dropped_reported = lost;
        StateRecord {
            lane: self.lane.id_arc(),
            kind: self.kind,
            state: core.health.state,
            failure: failure.map(|failure| failure.kind),
            summary: failure.map_or_else(|| "recovered".to_owned(), |failure| failure.summary.clone()),
            terminal_preserved: preserved,
            dropped,
            acked: core.health.acked,
            repair: core.health.acked.filter(|_| self.lane.durable()),
            unsafe_replay: (!self.idempotent).then_some("the sink is not idempotent"),
        }
    }

    fn retry(
        &mut self,
        mut batch: Batch,
        at: usize,
        failure: &Failure,
        after: Option<Duration>,
        now: Instant,
        was_overdue: bool,
    ) {
        let lane = Arc::clone(&self.lane);
        let since = *batch.failing_since.get_or_insert(now);
        let give_up = lane.config.retry.give_up.filter(|_| failure.kind != FailureKind::Auth);
        if give_up.is_some_and(|limit| now.since(since) >= limit) {
            for item in batch.items {
                self.lose(item, Reason::GaveUp, now);
            }
            self.reach(batch.ahead, at);
        } else {
            let events: u64 = batch.items.iter().map(|item| item.payload.events()).sum();
            lane.lock().counters.retried += events;
            self.flights.put_back(at, batch);
        }
        let mut core = lane.lock();
        self.back_off(now, failure, after);
        if was_overdue || self.pacing.is_open() || failure.lost {
            self.fail(&mut core, LaneState::Failed, failure);
        } else {
            self.degrade(&mut core, failure);
        }
    }

    /// Counts a failure, and decides when to try next.
    pub(super) fn back_off(&mut self, now: Instant, failure: &Failure, after: Option<Duration>) {
        let lane = &self.lane;
        self.pacing.failed(now, failure, after, &lane.config, |draw| {
            let random = lane.timeline.bytes16(&format!("retry:{}", lane.id()), draw);
            u64::from_le_bytes(random[..8].try_into().unwrap_or_default())
        });
    }

    /// The receiver refused some of the batch and would not say which.
    fn partial(&mut self, batch: Batch, refused: u64, failure: &Failure, now: Instant) {
        let events: u64 = batch.items.iter().map(|item| item.payload.events()).sum();
        let rejected = refused.min(events);
        let own_refused =
            batch.items.iter().all(|item| item.envelope.own) && refused >= batch.items.len() as u64;
        self.left_journal(batch.items.iter());
        let when = self.sealer.unix_nanos();
        {
            let mut core = self.lane.lock();
            core.counters.reject_pending(Reason::Uncertain, rejected);
            core.counters.deliver_pending(events - rejected);
        }
        // Nobody knows which streams the refused envelopes belong to: each stream declares, once, the most that can be
        // its own.
        let mut of: HashMap<Uuid, u64> = HashMap::new();
        for item in batch.items.iter().filter(|item| !item.payload.is_foreign()) {
            *of.entry(item.envelope.streamid).or_default() += 1;
        }
        for item in batch.items {
            if item.payload.is_settled() {
                self.say_again(item, now);
                continue;
            }
            self.sealer.settle(&item.envelope);
            if matches!(item.payload, Payload::Foreign) {
                continue;
            }
            if let Some(durable) = &mut self.durable {
                durable.refuse(item.place);
            }
            let count = of.remove(&item.envelope.streamid).map_or(0, |most| refused.min(most));
            self.sealer.lose_maybe(&item, count);
            self.news.episodes.note(Reason::Uncertain, Some(&item.envelope), count, true, now);
            if let Payload::Event(tracked) = &item.payload {
                tracked.end(self.lane.index, self.lane.durable(), || Ending {
                    state: EndState::Uncertain,
                    reason: Some(Reason::Uncertain.name()),
                    sealed: Some(sealed_at(&item.envelope)),
                    when,
                });
            }
            // A declaration's count must not be declared twice; its ranges may be.
            if !matches!(&item.payload, Payload::Declaration(loss) if loss.ranges.is_empty()) {
                self.restore(&item);
            }
        }
        // The sink took the batch: it works, and may get declarations; but if it may have refused all of our own, the next
        // declaration waits until it has acknowledged something. Else each declaration would be told of by the next, at
        // once and for ever.
        self.works();
        self.sealer.may_declare = !own_refused;
        self.lane.lock().health.note(failure);
    }

    /// The receiver will never take this envelope. One refusal does not make a sink fail; refusing everything does.
    fn refuse(&mut self, item: Item, failure: &Failure, now: Instant) {
        let reason = match failure.kind {
            FailureKind::Serialization => Reason::Serialization,
            _ => Reason::Rejected,
        };
        if let Some(dead) = &mut self.dead_letters
            && !matches!(item.payload, Payload::Foreign)
            && !item.payload.is_settled()
        {
            // If the dead letter cannot be written, the loss is declared all the same.
            let kept = dead.append(&item.envelope, reason, self.sealer.unix_nanos());
            if let Err(e) = &kept
                && self.dead_letter_works
            {
                crate::diagnostics::warn(&format!(
                    "lane {}: what its receiver refuses cannot be kept in {}: {e}",
                    self.lane.id(),
                    dead.path().display()
                ));
            }
            self.dead_letter_works = kept.is_ok();
        }
        self.lose(item, reason, now);
        let lane = Arc::clone(&self.lane);
        let mut core = lane.lock();
        if self.pacing.refused(now, &lane.config) {
            self.fail(&mut core, LaneState::Failed, failure);
        } else {
            core.health.note(failure);
        }
    }

    /// An envelope that was sealed will not arrive.
    fn lose(&mut self, item: Item, reason: Reason, now: Instant) {
        if item.payload.is_settled() {
            self.say_again(item, now);
            return;
        }
        self.sealer.settle(&item.envelope);
        self.left_journal(std::iter::once(&item));
        if let Some(durable) = &mut self.durable {
            durable.refuse(item.place);
        }
        let repaired = matches!(item.payload, Payload::Replayed) && item.place.is_none();
        if matches!(item.payload, Payload::Foreign) || repaired {
            return;
        }
        self.sealer.lose_sealed(&item, reason);
        self.restore(&item);
        let Payload::Event(tracked) = &item.payload else {
            self.sealer.may_declare &= !item.envelope.own;
            if !item.envelope.own {
                self.news.episodes.note(reason, Some(&item.envelope), 1, false, now);
            }
            if matches!(item.payload, Payload::KeyChange { .. }) {
                self.say_again(item, now);
            }
            return;
        };
        self.news.episodes.note(reason, Some(&item.envelope), 1, false, now);
        {
            let mut core = self.lane.lock();
            if reason == Reason::GaveUp {
                core.counters.drop_pending(reason, 1);
            } else {
                core.counters.reject_pending(reason, 1);
            }
        }
        let when = self.sealer.unix_nanos();
        tracked.end(self.lane.index, self.lane.durable(), || Ending {
            state: EndState::Lost,
            reason: Some(reason.name()),
            sealed: Some(sealed_at(&item.envelope)),
            when,
        });
    }

    /// The sink refused a change of key, which has been declared lost: the same bytes are sent again when the sink next
    /// takes something, but with a back-off as for a retry.
    fn say_again(&mut self, item: Item, now: Instant) {
        let config = &self.lane.config.retry;
        let wait = config.initial.saturating_mul(1 << item.tries.min(16)).min(config.cap);
        let at = now.after(wait);
        self.again_at = Some(self.again_at.map_or(at, |before: Instant| before.max(at)));
        let payload = Payload::KeyChange { declared: true };
        self.again.push(Item { payload, place: None, covers: Vec::new(), ..item });
    }

    fn send_again(&mut self, now: Instant) {
        if !self.closed && self.again_at.is_some_and(|at| now >= at) {
            self.again_at = None;
            self.flights.push(std::mem::take(&mut self.again));
        }
    }

    /// Has what a lost own envelope said sealed again, merged into the next one of its kind.
    fn restore(&mut self, item: &Item) {
        match &item.payload {
            Payload::Declaration(loss) => self.sealer.restore(&item.envelope, (**loss).clone()),
            Payload::Note(note) => own::merge(&mut self.lane.lock().notes, (**note).clone()),
            _ => {}
        }
    }
}

/// A failure of authentication says nothing about the envelopes: all are kept (docs/LANES.md).
fn keep_on_auth(answers: Answers) -> Answers {
    match answers {
        Answers::RefusedBatch(failure) if failure.kind == FailureKind::Auth => Answers::Retry(failure, None),
        Answers::Each(mut each) => {
            for answer in &mut each {
                if let Answer::Refused(failure) = answer
                    && failure.kind == FailureKind::Auth
                {
                    *answer = Answer::Retry(failure.clone(), None);
                }
            }
            Answers::Each(each)
        }
        answers => answers,
    }
}

pub(super) fn sealed_at(envelope: &Envelope) -> Sealed {
    Sealed {
        streamid: envelope.streamid,
        sequence: envelope.sequence,
        hash: envelope.hash,
        digest: envelope.digest,
    }
}
