//! A lane's own side: what to seal, what to deliver, what to do with the answers.
//!
//! Guarantees: a state machine without threads, locks held across calls, or clocks of its own: it is told
//! the time. Whoever drives it (a worker thread, or `drain` on the caller's) runs the same code. One call
//! of the sink at a time, or `in_flight` of them where a repeat does no harm; a batch keeps its order, and so does
//! the cursor; a declaration that is refused is made again only after the sink has acknowledged something, so
//! nothing cascades.

mod answers;
mod episodes;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::answers::sealed_at;
use self::episodes::{EPISODE, Episode};
use super::bus::Bus;
use super::core::Life;
use super::deadletter::DeadLetters;
use super::durable::{Durable, Written};
use super::health::{LaneState, StateRecord};
use super::loss::Reason;
use super::own::{Fact, Note};
use super::sealer::{Item, Payload, SealContext, Sealer, SignerFailed};
use super::voice::{self, Voice, Word};
use super::{Lane, LaneCore, RoomWaiters};
use crate::lane::{EndState, Ending, Tracked};
use crate::seam::Instant;
use crate::settings::OwnPath;
use crate::sink::{Envelope, Failure, FailureKind, Upkeep};
use crate::sync::MutexGuard;

/// A batch's call of the sink.
#[derive(Clone, Copy)]
struct Flight {
    id: u64,
    since: Instant,
    /// It has run past the lane's timeout.
    overdue: bool,
}

/// Envelopes that go to the sink together.
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    /// While the sink has it.
    flight: Option<Flight>,
    /// When it first failed.
    failing_since: Option<Instant>,
    /// It holds what a dead process left.
    replayed: bool,
    /// The last envelope of what was this batch that the sink has, behind one that it has not: the cursor
    /// moves there when that one is settled.
    ahead: Option<(crate::seam::Uuid, u64)>,
    /// Of a durable lane, journaled and not given to the sink yet: it may still grow.
    grows: bool,
    /// Until when it may wait to grow; `None`: it goes as soon as it can.
    lingers: Option<Instant>,
    /// Bytes of its envelopes, while it grows.
    bytes: usize,
}

/// The earlier of what a delivery waits for and what a durable lane's sealer waits for.
fn wait_for(at: Option<Instant>, ahead: Option<(Option<Instant>, Pause)>) -> Step {
    match ahead {
        None => Step::Wait(at, Pause::Other),
        Some((sooner, pause)) => Step::Wait([at, sooner].into_iter().flatten().min(), pause),
    }
}

impl Batch {
    fn new(items: Vec<Item>) -> Self {
        Self {
            items,
            flight: None,
            failing_since: None,
            replayed: false,
            ahead: None,
            grows: false,
            lingers: None,
            bytes: 0,
        }
    }

    /// Of a durable lane: it is on disk, so its delivery may wait for more, as long as an event of its own would
    /// have. Own envelopes wait for nothing.
    fn growing(items: Vec<Item>, linger: Duration) -> Self {
        let mut lingers: Option<Instant> = None;
        let mut at_once = false;
        for item in &items {
            match &item.payload {
                Payload::Event(tracked) => {
                    let until = tracked.enqueued_at.after(linger);
                    lingers = Some(lingers.map_or(until, |before| before.min(until)));
                }
                _ => at_once = true,
            }
        }
        let bytes = items.iter().map(|item| item.envelope.bytes.len()).sum();
        Self { grows: true, lingers: lingers.filter(|_| !at_once), bytes, ..Self::new(items) }
    }

    /// Takes the envelopes of the next batch, if both together are within these limits.
    fn grow(&mut self, next: Self, limits: &crate::settings::BatchConfig) -> Option<Self> {
        let fits = self.items.len() + next.items.len() <= limits.events
            && self.bytes.saturating_add(next.bytes) <= limits.bytes;
        if !(fits && self.grows && next.grows && self.flight.is_none()) {
            return Some(next);
        }
        self.lingers = match (self.lingers, next.lingers) {
            (Some(one), Some(other)) => Some(one.min(other)),
            _ => None,
        };
        self.bytes += next.bytes;
        self.items.extend(next.items);
        None
    }

    fn is_due(&self, now: Instant, limits: &crate::settings::BatchConfig) -> bool {
        self.lingers.is_none_or(|until| now >= until)
            || self.items.len() >= limits.events
            || self.bytes >= limits.bytes
    }

    /// What is left of it, to be sent by itself.
    fn part(&self, items: Vec<Item>, ahead: Option<(crate::seam::Uuid, u64)>) -> Self {
        Self { failing_since: self.failing_since, replayed: self.replayed, ahead, ..Self::new(items) }
    }

    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        self.items.iter().map(|item| item.envelope.clone()).collect()
    }
}

/// What the driver is to do next.
pub(crate) enum Step {
    /// Give this to the sink, and the answers, under the same number, to [`Control::answer`].
    Deliver(u64, Vec<Envelope>),
    /// Ask again at that time, or when woken.
    Wait(Option<Instant>, Pause),
    /// The lane has ended.
    Done,
}

/// What a driver waits for, so that it sleeps through what does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nothing is queued.
    Idle,
    /// A batch's linger: only a full batch matters sooner.
    Linger,
    /// The sink's answer, or the end of a back-off.
    Other,
}

/// See the module's head.
pub(crate) struct Control {
    lane: Arc<Lane>,
    bus: Arc<Bus>,
    sealer: Sealer,
    durable: Option<Durable>,
    upkeep: Option<Box<dyn Upkeep>>,
    context: Arc<SealContext>,
    dead_letters: Option<DeadLetters>,
    /// One warning per episode.
    dead_letter_works: bool,
    idempotent: bool,
    kind: &'static str,
    /// Sealed and not yet acknowledged, oldest first; the first few are in flight.
    batches: VecDeque<Batch>,
    /// Calls of the sink so far.
    calls: u64,
    /// Taken from the queue, not yet sealed: a signer failed.
    unsealed: VecDeque<Arc<Tracked>>,
    /// Sealed and not yet signed: a signer failed. Nothing is sealed behind it until it is.
    group: Vec<Item>,
    /// No delivery before that.
    not_before: Option<Instant>,
    failures: u32,
    /// Since when the breaker is open.
    open: bool,
    /// With nothing else to deliver, an own envelope asks a sink that failed whether it works again.
    probe_at: Option<Instant>,
    /// Envelopes refused in a row.
    refusals: u32,
    /// Changes of key that were refused, and not before when they are sent again.
    again: Vec<Item>,
    again_at: Option<Instant>,
    /// When a terminal event was last lost: one record per episode.
    terminal_lost: Option<Instant>,
    /// Back-offs drawn so far.
    draws: u64,
    /// Since when something waits to be sealed that is not in the queue.
    own_since: Option<Instant>,
    heartbeat: Option<Duration>,
    next_heartbeat: Option<Instant>,
    episodes: Vec<Episode>,
    exported: u64,
    dropped_reported: u64,
    closed: bool,
    last_try: bool,
    last_failure: Instant,
    /// What the rest of the emitter is to hear once this lane's lock is free: lanes never hold two locks.
    outbox: Vec<Out>,
    /// State records since somebody last asked; kept for manual emitters only.
    records: Option<Vec<StateRecord>>,
    /// What the host's logger was told.
    voice: Voice,
    #[cfg(test)]
    pub(crate) said: Vec<Word>,
}

/// News for the rest of the emitter.
enum Out {
    TreeHead(Note),
    State(StateRecord),
    Loss(Fact),
    Checkpoint(Envelope),
    Changed,
}

/// What a lane brings to its controller.
pub(crate) struct Parts {
    pub(crate) sealer: Sealer,
    pub(crate) dead_letters: Option<OwnPath>,
    pub(crate) idempotent: bool,
    pub(crate) kind: &'static str,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) keep_records: bool,
    pub(crate) durable: Option<Durable>,
    pub(crate) upkeep: Option<Box<dyn Upkeep>>,
    pub(crate) rules: Arc<SealContext>,
}

impl Control {
    pub(crate) fn new(lane: Arc<Lane>, bus: Arc<Bus>, parts: Parts) -> Self {
        let now = lane.now();
        Self {
            dead_letters: parts.dead_letters.map(|dir| DeadLetters::open(dir, lane.id())),
            next_heartbeat: parts.heartbeat.map(|every| now.after(every)),
            dead_letter_works: true,
            lane,
            bus,
            sealer: parts.sealer,
            durable: parts.durable,
            upkeep: parts.upkeep,
            context: parts.rules,
            idempotent: parts.idempotent,
            kind: parts.kind,
            batches: VecDeque::new(),
            calls: 0,
            unsealed: VecDeque::new(),
            group: Vec::new(),
            not_before: None,
            failures: 0,
            open: false,
            probe_at: None,
            refusals: 0,
            again: Vec::new(),
            again_at: None,
            terminal_lost: None,
            draws: 0,
            own_since: None,
            heartbeat: parts.heartbeat,
            episodes: Vec::new(),
            exported: 0,
            dropped_reported: 0,
            closed: false,
            last_try: false,
            last_failure: now,
            outbox: Vec::new(),
            records: parts.keep_records.then(Vec::new),
            voice: Voice::default(),
            #[cfg(test)]
            said: Vec::new(),
        }
    }

    /// Decides what is next. `force` neither lingers nor sits out a back-off.
    pub(crate) fn step(&mut self, now: Instant, force: bool) -> Step {
        let step = self.decide(now, force);
        self.publish();
        match step {
            Step::Wait(at, pause) => {
                // Whatever it waits for, these go on.
                let (until, unsaid) = {
                    let core = self.lane.lock();
                    (core.life.until(), self.voice.due(&core.counters))
                };
                let episodes = self.episodes.iter().map(|episode| episode.last.after(EPISODE)).min();
                let journal = self.durable.as_ref().and_then(Durable::due);
                Step::Wait([at, until, unsaid, episodes, journal].into_iter().flatten().min(), pause)
            }
            step => step,
        }
    }

    /// Whether the last delivery failed and the next one waits.
    pub(crate) fn backs_off(&self) -> bool {
        self.not_before.is_some()
    }

    /// State records since the last call, for a manual emitter.
    pub(crate) fn take_records(&mut self) -> Vec<StateRecord> {
        self.records.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn publish(&mut self) {
        for out in std::mem::take(&mut self.outbox) {
            match out {
                Out::State(record) => {
                    if let Some(records) = &mut self.records {
                        records.push(record.clone());
                    }
                    self.bus.announce(self.lane.index, record);
                }
                Out::TreeHead(note) => self.bus.tell_tree_head(self.lane.index, note),
                Out::Loss(fact) => self.bus.tell_losses(self.lane.index, fact),
                Out::Checkpoint(envelope) => self.bus.checkpoint(self.lane.index, &envelope),
                Out::Changed => self.bus.state_changed(),
            }
        }
        self.speak(false, None);
    }

    /// Tells the host's logger what it has not been told; `left` is what the lane held when it ended.
    fn speak(&mut self, last: bool, left: Option<voice::Left>) {
        let mut words = {
            let core = self.lane.lock();
            let words = self.voice.look(self.lane.id(), &core.counters, &core.health, self.lane.now(), last);
            let left = left.and_then(|left| voice::left(self.lane.id(), left, &core.health));
            words.into_iter().chain(left).collect::<Vec<_>>()
        };
        for word in words.drain(..) {
            match &word {
                Word::Warn(text) => crate::diagnostics::warn(text),
                Word::Info(text) => crate::diagnostics::info(text),
            }
            #[cfg(test)]
            self.said.push(word);
        }
    }

    fn decide(&mut self, now: Instant, force: bool) -> Step {
        let lane = Arc::clone(&self.lane);
        let mut core = lane.lock();
        core.attention = false;
        if (core.is_closing() && core.gone) || core.life.until().is_some_and(|until| now >= until) {
            return self.end(core);
        }
        let hurry = force || core.hurry || core.is_closing();
        self.collect(&mut core, now);
        if hurry {
            // Also those that cannot go yet: who hurries waits for them.
            self.batches.iter_mut().for_each(|batch| batch.lingers = None);
        }
        let flushing = std::mem::take(&mut core.flushing);
        if flushing || self.upkeep.as_ref().and_then(|upkeep| upkeep.due()).is_some_and(|due| due <= now) {
            // The database answers in its own time: nobody waits for the lane's lock meanwhile.
            drop(core);
            let note = self.tend(now, flushing);
            core = lane.lock();
            if let Some(note) = note {
                super::own::merge(&mut core.notes, note);
            }
        }
        self.end_episodes(now, flushing || core.is_closing());
        // While an episode runs, its end is when the lane looks again: an emit need not wake it.
        core.hear_drop = self.sealer.started() && self.episodes.is_empty();
        let mut ahead = None;
        if self.durable.is_some() {
            drop(core);
            self.publish();
            self.tend_journal(now, hurry);
            core = lane.lock();
            if self.busy(now, force) && self.backlog_has_room(&core) && !self.closed {
                // A durable lane writes down what comes while its sink is busy or away.
                match self.seal_next(core, now, hurry, true) {
                    Some(Step::Wait(at, pause)) => ahead = Some((at, pause)),
                    Some(step) => return step,
                    None => ahead = Some((Some(now), Pause::Other)),
                }
                core = lane.lock();
            }
        }
        let in_flight = self.batches.iter().filter(|batch| batch.flight.is_some()).count();
        let answer_due = self.await_answers(&mut core, now);
        if in_flight > 0 && !self.may_send_another(in_flight) {
            return wait_for(answer_due, ahead);
        }
        if let Some(mut at) = self.not_before {
            if core.is_closing() {
                // A shutdown does not sit out a long back-off: it tries once a second.
                at = at.min(self.last_failure.after(Duration::from_secs(1)));
            }
            if now < at && !force {
                self.rest(&mut core);
                return wait_for(Some(at), ahead);
            }
        }
        self.not_before = None;
        if in_flight == 0
            && let Some(durable) = &mut self.durable
            && !self.batches.front().is_some_and(|batch| batch.replayed)
        {
            let items = durable.replay(&lane, &self.context.content, &mut self.sealer);
            if !items.is_empty() {
                self.batches.push_front(Batch { replayed: true, ..Batch::new(items) });
            }
        }
        if in_flight == self.batches.len() {
            if self.closed && in_flight == 0 && self.journal_settled() {
                return self.end(core);
            }
            if self.closed || self.durable.as_ref().is_some_and(Durable::is_full) {
                // What is sealed waits for the journal, and nothing may overtake it.
                self.rest(&mut core);
                return Step::Wait(answer_due, Pause::Other);
            }
            match self.seal_next(core, now, hurry, false) {
                Some(Step::Wait(at, pause)) => {
                    return Step::Wait([at, answer_due].into_iter().flatten().min(), pause);
                }
                Some(step) => return step,
                None => {}
            }
        } else {
            drop(core);
        }
        let full = self.durable.as_ref().is_some_and(Durable::is_full);
        let Some(batch) = self.batches.iter_mut().find(|batch| batch.flight.is_none()) else {
            return Step::Wait(Some(now), Pause::Other);
        };
        if !(full || hurry || batch.is_due(now, &lane.config.batch)) {
            // On disk already; what comes meanwhile is written down and goes with it.
            let due = [batch.lingers, answer_due].into_iter().flatten().min();
            let (sooner, pause) = ahead.unwrap_or((None, Pause::Idle));
            return Step::Wait([due, sooner].into_iter().flatten().min(), pause);
        }
        batch.grows = false;
        self.calls += 1;
        batch.flight = Some(Flight { id: self.calls, since: now, overdue: false });
        batch.items.iter_mut().for_each(|item| item.tries += 1);
        Step::Deliver(self.calls, batch.envelopes())
    }

    /// Whether a call may be made while others are under way: never to a sink that has just failed, or that has
    /// not answered in time, and never beside what a dead process left, which goes before anything newer.
    fn may_send_another(&self, in_flight: usize) -> bool {
        in_flight < self.lane.config.in_flight
            && self.idempotent
            && self.failures == 0
            && !self.batches.iter().any(|batch| batch.replayed || batch.flight.is_some_and(|f| f.overdue))
    }

    /// Fails the lane for a call that has run past its timeout; when the next one will have.
    fn await_answers(&mut self, core: &mut LaneCore, now: Instant) -> Option<Instant> {
        let timeout = self.lane.config.timeout;
        let mut next = None;
        let mut late = false;
        for flight in self.batches.iter_mut().filter_map(|batch| batch.flight.as_mut()) {
            let deadline = flight.since.after(timeout);
            if now >= deadline {
                late |= !std::mem::replace(&mut flight.overdue, true);
            } else {
                next = Some(next.map_or(deadline, |next: Instant| next.min(deadline)));
            }
        }
        if late {
            let failure = Failure::new(FailureKind::Timeout, format!("no answer within {timeout:?}"));
            self.fail(core, LaneState::Failed, &failure);
        }
        next
    }

    /// The process stood still, or its clock jumped: a call under way has had less time than it seems, and gets its
    /// timeout once more.
    pub(crate) fn stood_still(&mut self, now: Instant) {
        for flight in self.batches.iter_mut().filter_map(|batch| batch.flight.as_mut()) {
            flight.since = now;
        }
    }

    /// Takes what callers and other lanes left for the sealer.
    fn collect(&mut self, core: &mut LaneCore, now: Instant) {
        if let Some(key) = core.new_key.take() {
            self.sealer.change_to(key);
            if !self.group.is_empty() {
                // A signer keeps this lane waiting: the key that takes over may end that now.
                self.not_before = None;
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
                    self.note_episode(reason, None, count, false, now);
                }
            }
        }
        if std::mem::take(&mut core.terminal_lost)
            && self.terminal_lost.replace(now).is_none_or(|last| now >= last.after(EPISODE))
        {
            let failure = self.lane.overflow_failure();
            let record = self.record(core, Some(&failure), false);
            super::own::merge(&mut core.notes, Note::State(record.clone()));
            self.outbox.push(Out::State(record));
        }
    }

    /// Seals the next batch; answers a step when there is nothing to seal yet.
    fn seal_next(
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
        let oldest = core.queue.front().map(|front| front.enqueued_at);
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
        let probe = !ahead && self.probe_at.is_some_and(|at| now >= at);
        // What a durable lane has not written down is lost with the process: it waits for no batch to fill.
        let at_once = hurry || self.durable.is_some() || over(oldest);
        let take = full || !self.unsealed.is_empty() || (queued > 0 && at_once);
        if !(first || take || declare || heartbeat || say || probe) {
            if core.is_closing() && queued == 0 && self.batches.is_empty() && self.journal_settled() {
                return self.close(core, now);
            }
            if queued == 0 {
                core.hurry = false;
            }
            self.rest(&mut core);
            let wake = [
                oldest.map(|since| since.after(batch.linger)),
                self.own_since.filter(|_| may_declare).map(|since| since.after(batch.linger)),
                self.next_heartbeat,
                self.probe_at.filter(|_| !ahead),
                self.upkeep.as_ref().and_then(|upkeep| upkeep.due()),
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
                && let Some(front) = core.queue.front()
                && (self.unsealed.is_empty() || bytes + front.event.cost() <= batch.bytes)
            {
                bytes += front.event.cost();
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
            self.probe_at = Some(now.after(lane.config.breaker.open));
        }
        if heartbeat {
            self.next_heartbeat = self.heartbeat.map(|every| now.after(every));
        }
        for note in notes {
            super::own::merge(&mut core.notes, note);
        }
        drop(core);
        self.sign_and_write(items, sealed, now)
    }

    /// Signs what was sealed together, and hands it to delivery; where the signer fails, it waits here.
    fn sign_and_write(
        &mut self,
        mut items: Vec<Item>,
        sealed: Result<(), SignerFailed>,
        now: Instant,
    ) -> Option<Step> {
        if let Err(SignerFailed(text)) = sealed.and_then(|()| self.sealer.sign(&mut items)) {
            self.group = items;
            // One throttled call of a key service is no reason to open the breaker: it is tried again soon.
            let failure =
                Failure::new(FailureKind::Signer, "the signer failed; nothing is sent unsigned").detail(text);
            let lane = Arc::clone(&self.lane);
            let mut core = lane.lock();
            self.back_off(now, &failure, None);
            self.fail(&mut core, LaneState::Degraded, &failure);
            drop(core);
            return Some(Step::Wait(self.not_before.or(Some(now)), Pause::Other));
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

    /// Hands sealed envelopes to delivery, by way of the journal where there is one.
    fn write_ahead(&mut self, items: Vec<Item>, now: Instant) {
        match &mut self.durable {
            None => self.batches.push_back(Batch::new(items)),
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
                let full = self.durable.as_ref().is_some_and(Durable::is_full);
                lane.lock().full = full;
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
                let next = Batch::growing(items, lane.config.batch.linger);
                let next = match self.batches.back_mut() {
                    Some(last) => last.grow(next, &lane.config.batch),
                    None => Some(next),
                };
                self.batches.extend(next);
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
                self.batches.push_back(Batch::new(items));
                self.count_journaled();
            }
        }
    }

    /// Syncs what is due, tries again what found no room, opens another journal where one failed.
    fn tend_journal(&mut self, now: Instant, hurry: bool) {
        let Some(durable) = &mut self.durable else { return };
        match durable.reopen(&self.lane, self.kind) {
            Ok(false) => {}
            Ok(true) => {
                self.sealer.begin_anew();
                let items = self.batches.iter_mut().flat_map(|batch| &mut batch.items);
                let mut lacking: Vec<_> = items.filter(|item| durable.lacks(item)).collect();
                if let Err(e) = durable.keep(&mut lacking, now) {
                    crate::diagnostics::warn(&e.to_string());
                }
                self.count_journaled();
            }
            Err(e) => crate::diagnostics::warn(&e.to_string()),
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
                Ok(items) if !items.is_empty() => self.batches.push_back(Batch::new(items)),
                Ok(_) => {}
                Err(e) => crate::diagnostics::warn(&e.to_string()),
            }
        }
    }

    /// Counts anew what the journal has of what is pending: it is another one now, or none.
    fn count_journaled(&mut self) {
        let Some(durable) = &self.durable else { return };
        let items = self.batches.iter().flat_map(|batch| &batch.items);
        let held = items.filter(|item| durable.holds(item.place)).map(|item| item.payload.events()).sum();
        self.lane.lock().in_journal = held;
    }

    /// Of these events, which are pending no more, as many were in the journal.
    fn left_journal<'i>(&self, items: impl Iterator<Item = &'i Item>) {
        if let Some(durable) = &self.durable {
            let gone: u64 =
                items.filter(|item| durable.holds(item.place)).map(|item| item.payload.events()).sum();
            let mut core = self.lane.lock();
            core.in_journal = core.in_journal.saturating_sub(gone);
        }
    }

    fn journal_settled(&self) -> bool {
        self.durable.as_ref().is_none_or(Durable::is_settled)
    }

    /// Whether nothing can be delivered now.
    fn busy(&self, now: Instant, force: bool) -> bool {
        (!force && self.not_before.is_some_and(|at| now < at)) || !self.batches.is_empty()
    }

    /// Whether a durable lane may seal ahead of its sink: as much again as its queue holds.
    fn backlog_has_room(&self, core: &LaneCore) -> bool {
        let held: usize = self.batches.iter().map(|batch| batch.items.len()).sum();
        held < core.queue.capacity().events && !core.full
    }

    /// Seals, in this order: the lane's own stream's opening, a change of key, declarations, notes, a
    /// heartbeat, and the events taken from the queue.
    fn seal(
        &mut self,
        items: &mut Vec<Item>,
        notes: &mut VecDeque<Note>,
        declare: bool,
        heartbeat: Option<(LaneState, &super::Counters)>,
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
        self.note_episode(reason, None, 1, false, self.lane.now());
        self.lane.lock().counters.reject_pending(reason, 1);
        let when = self.sealer.unix_nanos();
        tracked.end(self.lane.index, self.lane.durable(), || Ending {
            state: EndState::Lost,
            reason: Some(reason.name()),
            sealed: None,
            when,
        });
    }

    /// Everything is delivered: seals `closed`, or ends.
    fn close(&mut self, mut core: MutexGuard<'_, LaneCore>, now: Instant) -> Option<Step> {
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
        // A signer that fails now leaves the streams open; there is nothing else it could do.
        if self.sealer.close_all(&mut items).and_then(|()| self.sealer.sign(&mut items)).is_err() {
            items.clear();
        }
        if items.is_empty() {
            return Some(self.end(self.lane.clone().lock()));
        }
        self.write_ahead(items, now);
        None
    }

    /// Tells whoever flushes whether anything is left.
    fn rest(&mut self, core: &mut LaneCore) {
        let declared = (!self.sealer.owes() && core.dropped.is_empty()) || !self.sealer.may_declare;
        core.flushed = core.asked;
        core.at_rest = core.queue.len() == 0
            && self.unsealed.is_empty()
            && self.group.is_empty()
            && self.batches.is_empty()
            && (core.notes.is_empty() || !self.sealer.may_declare)
            && core.foreign.is_empty()
            && declared
            && self.journal_settled()
            && self.sealer.started();
        if core.waiting > 0 {
            self.lane.shared.room.notify_all();
        }
    }

    /// The lane ends: receipts of what is left are told so.
    fn end(&mut self, mut core: MutexGuard<'_, LaneCore>) -> Step {
        let now = self.sealer.unix_nanos();
        let mut left: Vec<(Arc<Tracked>, Option<Envelope>, u32)> = Vec::new();
        for item in self.batches.drain(..).flat_map(|batch| batch.items) {
            if let Payload::Event(tracked) = item.payload {
                left.push((Arc::clone(&tracked), Some(item.envelope), item.tries));
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
        let mut written = HashSet::new();
        if let Some(durable) = &mut self.durable {
            for (tracked, envelope, _) in &left {
                if envelope.is_some() {
                    written.insert(Arc::as_ptr(tracked));
                }
            }
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
        self.outbox.push(Out::Changed);
        waiters.run();
        let mut held = voice::Left::default();
        for (tracked, envelope, tries) in left {
            // What was given to a sink that never answered may have arrived; what is journaled will be sent.
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
        // Before anybody who waits for the end lets the process go.
        self.speak(true, Some(held));
        // Only now: whoever waits for the end may open the journal again.
        self.lane.lock().life = Life::Ended;
        self.lane.shared.room.notify_all();
        Step::Done
    }

    /// Beside what is delivered: at a flush the head as it is, and what retention announces now.
    fn tend(&mut self, now: Instant, flushing: bool) -> Option<Note> {
        if flushing {
            self.announce_tree_head(1);
            // Before this lane is seen at rest: who flushes means the others to have heard of it.
            self.publish();
        }
        // A clock that `testing` fixes stands where the lane's own envelopes begin.
        let planned = self.upkeep.as_mut()?.plan(now, self.lane.timeline.recorded(0))?;
        Some(Note::announced(planned, &self.lane.id_arc()))
    }

    /// The audit chain has grown: its head goes to the `siem` lanes now and then.
    fn announce_tree_head(&mut self, every: u64) {
        if let Some(upkeep) = &self.upkeep
            && let Some(head) = upkeep.head(every, self.sealer.key())
        {
            self.outbox.push(Out::TreeHead(Note::announced(head, &self.lane.id_arc())));
        }
    }
}
