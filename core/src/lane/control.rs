//! A lane's controller: what to seal, what to deliver, what to do with the answers.
//!
//! Guarantees: a state machine without threads, without locks held across calls, and without a clock: it is told the
//! time. Whoever drives it (a worker thread, or `drain` on the caller's) runs the same code. It makes one call of the
//! sink at a time, or up to `in_flight` calls where a repeat does no harm. A batch keeps its order, and so does the
//! cursor. A declaration that the sink refused is made again only after the sink has acknowledged something, so that
//! one refusal doesn't lead to the next.

mod answers;
mod ending;
mod episodes;
mod flights;
mod journaling;
mod news;
mod pacing;
mod sealing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::flights::{Flights, Next};
use self::news::{Announcement, News};
use self::pacing::Pacing;
use super::bus::Bus;
use super::deadletter::DeadLetters;
use super::durable::Durable;
use super::health::{LaneState, StateRecord};
use super::own::Note;
use super::sealer::{Item, SealContext, Sealer};
use super::tracked::Tracked;
use super::{Lane, LaneCore};
use crate::seam::Instant;
use crate::settings::OwnPath;
use crate::sink::{Envelope, Failure, FailureKind, Upkeep};

/// The step to take while the delivery waits until `at` and, for a durable lane, the sealer for `ahead`: the earlier
/// one.
fn wait_for(at: Option<Instant>, ahead: Option<(Option<Instant>, Pause)>) -> Step {
    match ahead {
        None => Step::Wait(at, Pause::Other),
        Some((sooner, pause)) => Step::Wait([at, sooner].into_iter().flatten().min(), pause),
    }
}

/// What the driver is to do next.
pub(crate) enum Step {
    /// Give these envelopes to the sink, and its answers, with the same number, to [`Control::answer`].
    Deliver(u64, Vec<Envelope>),
    /// Call [`Control::step`] again at that time, or when woken.
    Wait(Option<Instant>, Pause),
    /// The lane has ended.
    Done,
}

/// What a driver waits for, so that nothing else wakes it.
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
    /// Whether the last dead letter could be written: only the first failure in a row is logged.
    dead_letter_works: bool,
    idempotent: bool,
    kind: &'static str,
    /// Sealed and not yet acknowledged.
    flights: Flights,
    /// When the sink is tried.
    pacing: Pacing,
    /// What the other lanes and the host's logger are to be told.
    news: News,
    /// Taken from the queue, and not yet sealed, as a signer failed.
    unsealed: VecDeque<Arc<Tracked>>,
    /// Sealed, and not yet signed, as a signer failed. Nothing more is sealed until these are signed.
    group: Vec<Item>,
    /// Changes of key that the sink refused; they are sent again, but not before `again_at`.
    again: Vec<Item>,
    again_at: Option<Instant>,
    /// When a terminal event was last lost, so that each episode gets one record.
    terminal_lost: Option<Instant>,
    /// Since when own envelopes (declarations, for instance) wait to be sealed.
    own_since: Option<Instant>,
    heartbeat: Option<Duration>,
    next_heartbeat: Option<Instant>,
    /// Envelopes that the sink has acknowledged.
    exported: u64,
    /// Losses that state records have counted.
    dropped_reported: u64,
    /// Its streams are closed: nothing is sealed any more.
    closed: bool,
    /// At the end: declarations are tried once more although the sink refused some.
    last_try: bool,
}

/// What a lane is made of, for [`Control::new`].
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

#[cfg(test)]
impl Control {
    /// How many envelopes are kept for their memory.
    pub(super) fn spare(&self) -> usize {
        self.sealer.spare()
    }
}

impl Control {
    /// From now on a host's signer is waited for no longer than a sink: for a lane with threads of its own.
    pub(crate) fn bound_signer(&mut self) {
        self.sealer.bound_signer(self.lane.config.timeout);
    }

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
            flights: Flights::default(),
            pacing: Pacing::new(now),
            news: News::new(parts.keep_records),
            unsealed: VecDeque::new(),
            group: Vec::new(),
            again: Vec::new(),
            again_at: None,
            terminal_lost: None,
            own_since: None,
            heartbeat: parts.heartbeat,
            exported: 0,
            dropped_reported: 0,
            closed: false,
            last_try: false,
        }
    }

    /// Decides what is next. `force` neither lingers nor sits out a back-off.
    pub(crate) fn step(&mut self, now: Instant, force: bool) -> Step {
        let step = self.decide(now, force);
        self.publish();
        match step {
            Step::Wait(at, pause) => {
                // Whatever the step waits for, these must not be missed.
                let (until, news) = {
                    let core = self.lane.lock();
                    (core.life.until(), self.news.due(&core.counters))
                };
                let journal = self.durable.as_ref().and_then(Durable::due);
                Step::Wait([at, until, news, journal].into_iter().flatten().min(), pause)
            }
            step => step,
        }
    }

    /// Whether the last delivery failed and the next one waits.
    pub(crate) fn backs_off(&self) -> bool {
        self.pacing.waits(false).is_some()
    }

    /// State records since the last call, for a manual emitter.
    pub(crate) fn take_records(&mut self) -> Vec<StateRecord> {
        self.news.take_records()
    }

    /// What the host's logger was told.
    #[cfg(test)]
    pub(crate) fn said(&self) -> &[super::voice::Word] {
        &self.news.said
    }

    fn publish(&mut self) {
        self.news.publish(&self.lane, &self.bus);
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
            // Also batches that cannot go yet: whoever hurries waits for them, too.
            self.flights.hurry();
        }
        let flushing = std::mem::take(&mut core.flushing);
        if flushing || self.upkeep.as_ref().and_then(|upkeep| upkeep.due()).is_some_and(|due| due <= now) {
            // The audit database may take long to answer: others can take the lane's lock meanwhile.
            drop(core);
            let note = self.tend(now, flushing);
            core = lane.lock();
            if let Some(note) = note {
                super::own::merge(&mut core.notes, note);
            }
        }
        self.news.end_episodes(&lane, now, flushing || core.is_closing());
        // While an episode runs, the lane looks again at its end anyway, so a drop need not wake it.
        core.hear_drop = self.sealer.started() && self.news.episodes.is_empty();
        let mut ahead = None;
        if self.durable.is_some() {
            drop(core);
            self.publish();
            self.tend_journal(now, hurry);
            core = lane.lock();
            if self.busy(now, force) && self.backlog_has_room(&core) && !self.closed {
                // A durable lane journals new events while its sink is busy or away.
                match self.seal_next(core, now, hurry, true) {
                    Some(Step::Wait(at, pause)) => ahead = Some((at, pause)),
                    Some(step) => return step,
                    None => ahead = Some((Some(now), Pause::Other)),
                }
                core = lane.lock();
            }
        }
        let under_way = self.flights.under_way();
        let answer_due = self.await_answers(&mut core, now);
        if under_way > 0 && !self.may_send_beside(under_way) {
            return wait_for(answer_due, ahead);
        }
        if let Some(at) = self.pacing.waits(core.is_closing())
            && now < at
            && !force
        {
            self.answer_flush(&mut core);
            return wait_for(Some(at), ahead);
        }
        self.pacing.go_on();
        if under_way == 0
            && let Some(durable) = &mut self.durable
            && !self.flights.hold_replayed()
        {
            let items = durable.replay(&lane, &self.context.content, &mut self.sealer);
            if !items.is_empty() {
                self.flights.push_replayed(items);
            }
        }
        if self.flights.all_away() {
            if self.closed && under_way == 0 && self.journal_settled() {
                return self.end(core);
            }
            if self.closed || self.durable.as_ref().is_some_and(Durable::is_full) {
                // Sealed envelopes wait for the journal, and nothing newer may overtake them.
                self.answer_flush(&mut core);
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
        match self.flights.next(now, &lane.config.batch) {
            Next::Lingers(until) if !(full || hurry) => {
                // The batch is on disk already; events that come meanwhile are journaled and join it.
                let (sooner, pause) = ahead.unwrap_or((None, Pause::Idle));
                Step::Wait([until, answer_due, sooner].into_iter().flatten().min(), pause)
            }
            _ => match self.flights.send(now) {
                Some((call, envelopes)) => Step::Deliver(call, envelopes),
                None => Step::Wait(Some(now), Pause::Other),
            },
        }
    }

    /// Whether another call may be made while some are under way: never to a sink that has just failed or is late with
    /// an answer, and never beside what a dead process left, as that goes before anything newer.
    fn may_send_beside(&self, under_way: usize) -> bool {
        under_way < self.lane.config.in_flight
            && self.idempotent
            && self.pacing.is_smooth()
            && !self.flights.stand_alone()
    }

    /// Marks the lane as failed if a call has run past its timeout; answers when the next call will have.
    fn await_answers(&mut self, core: &mut LaneCore, now: Instant) -> Option<Instant> {
        let timeout = self.lane.config.timeout;
        let (late, next) = self.flights.look_for_late(now, timeout);
        if late {
            let failure = Failure::new(FailureKind::Timeout, format!("no answer within {timeout:?}"));
            self.fail(core, LaneState::Failed, &failure);
        }
        next
    }

    /// The process stood still, or its clock jumped: the calls under way had less time than it seems, so each gets its
    /// full timeout once more.
    pub(crate) fn stood_still(&mut self, now: Instant) {
        self.flights.begin_anew(now);
    }

    /// Whether nothing can be delivered now.
    fn busy(&self, now: Instant, force: bool) -> bool {
        (!force && self.pacing.waits(false).is_some_and(|at| now < at)) || !self.flights.is_empty()
    }

    /// Whether a durable lane may seal ahead of its sink: up to as many envelopes as its queue holds events.
    fn backlog_has_room(&self, core: &LaneCore) -> bool {
        self.flights.envelopes() < core.queue.capacity().events && !core.full
    }

    /// Work beside the delivery: at a flush, announces the audit chain's head; when it is due, lets retention plan, and
    /// answers the note that announces its plan.
    fn tend(&mut self, now: Instant, flushing: bool) -> Option<Note> {
        if flushing {
            self.announce_tree_head(1);
            // Published before this lane counts as at rest: whoever flushes wants the other lanes to have heard of it.
            self.publish();
        }
        // The plan is dated by the lane's own timeline: a clock that `testing` fixes stands where the lane's envelopes
        // begin.
        let planned = self.upkeep.as_mut()?.plan(now, self.lane.timeline.recorded(0))?;
        Some(Note::announced(planned, &self.lane.id_arc()))
    }

    /// Tells the `siem` lanes the audit chain's head, if the chain has grown by at least `every` envelopes.
    fn announce_tree_head(&mut self, every: u64) {
        if let Some(upkeep) = &self.upkeep
            && let Some(head) = upkeep.head(every, self.sealer.key())
        {
            self.news.push(Announcement::TreeHead(Note::announced(head, &self.lane.id_arc())));
        }
    }
}
