//! The lane against a plain, slow model: after each random operation both must agree on the queue, the counters, the
//! receipts and the state; and what the verifier finds in the sink's lines must match the counters, to the last event.
//!
//! `SINKWELL_SOAK=N` runs N times as many episodes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::rig::{Dice, Rig, judge, outcome};
use crate::lane::control::Step;
use crate::lane::{Ask, LaneState, Reason};
use crate::receipt::{Admission, EndState, Receipt};
use crate::seam::{Instant, Uuid};
use crate::sink::{Answer, Answers, Envelope, EventId, Failure, FailureKind};
use crate::verify::Verdict;

#[derive(Clone)]
struct Held {
    id: Uuid,
    cost: usize,
    terminal: bool,
    run: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Delivered,
    Lost(Reason),
    Uncertain,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Block,
    DropOldest,
    DropProgress,
    Coalesce,
    FailSink,
}

/// What docs/LANES.md says, written down as plainly as possible.
struct Model {
    policy: Policy,
    events: usize,
    bytes: usize,
    reserved_events: usize,
    reserved_bytes: usize,
    queue: Vec<Held>,
    /// Sealed and neither delivered nor lost, in order, and since when they fail.
    sealed: Vec<(Uuid, Option<Instant>)>,
    fates: HashMap<Uuid, Fate>,
    admitted: u64,
    delivered: u64,
    dropped: BTreeMap<Reason, u64>,
    rejected: BTreeMap<Reason, u64>,
    state: LaneState,
    failures: u32,
    refusals: u32,
    overflowed: bool,
}

const BREAKER: u32 = 5;
const GIVE_UP: Duration = Duration::from_secs(300);

impl Model {
    fn has_room(&self, e: &Held) -> bool {
        let bytes: usize = self.queue.iter().map(|e| e.cost).sum();
        let loose = self.queue.iter().filter(|e| !e.terminal);
        let loose_bytes: usize = loose.clone().map(|e| e.cost).sum();
        self.queue.len() < self.events
            && bytes + e.cost <= self.bytes
            && (e.terminal
                || (loose.count() < self.events - self.reserved_events
                    && loose_bytes + e.cost <= self.bytes - self.reserved_bytes))
    }

    fn lose(&mut self, id: Uuid, reason: Reason) {
        *self.dropped.entry(reason).or_default() += 1;
        self.fates.insert(id, Fate::Lost(reason));
    }

    /// `None`: a blocking lane has no room, so that `emit` never offers the event.
    fn offer(&mut self, e: Held) -> Option<(Admission, u32)> {
        if self.policy == Policy::Block && !self.has_room(&e) {
            return None;
        }
        self.admitted += 1;
        let most = if e.terminal { self.bytes } else { self.bytes - self.reserved_bytes };
        if e.cost > most {
            self.lose(e.id, Reason::TooLarge);
            return Some((Admission::Dropped(Reason::TooLarge), 0));
        }
        let may_go = |old: &Held| {
            !old.terminal
                && (e.terminal
                    || self.policy == Policy::DropOldest
                    || (self.policy == Policy::Coalesce && old.run.is_some() && old.run == e.run))
        };
        // Tried on a copy: if evicting everything evictable would not help, nothing is evicted.
        let mut left = self.queue.clone();
        let mut gone = Vec::new();
        loop {
            let now = Self { queue: left.clone(), dropped: BTreeMap::new(), ..self.bare() };
            if now.has_room(&e) {
                break;
            }
            let Some(at) = left.iter().position(may_go) else {
                self.lose(e.id, Reason::Overflow);
                self.overflowed |= self.policy == Policy::FailSink;
                return Some((Admission::Dropped(Reason::Overflow), 0));
            };
            gone.push(left.remove(at).id);
        }
        self.queue = left;
        self.queue.push(e);
        for id in &gone {
            self.lose(*id, Reason::Overflow);
        }
        Some((Admission::Enqueued, gone.len() as u32))
    }

    fn bare(&self) -> Self {
        Self {
            policy: self.policy,
            events: self.events,
            bytes: self.bytes,
            reserved_events: self.reserved_events,
            reserved_bytes: self.reserved_bytes,
            queue: Vec::new(),
            sealed: Vec::new(),
            fates: HashMap::new(),
            admitted: 0,
            delivered: 0,
            dropped: BTreeMap::new(),
            rejected: BTreeMap::new(),
            state: self.state,
            failures: 0,
            refusals: 0,
            overflowed: false,
        }
    }

    /// The lane looks at what callers left.
    fn looked(&mut self) {
        if self.overflowed {
            self.state = LaneState::Failed;
        }
    }

    /// A batch goes to the sink: its events are what was sealed before, or leave the queue in order.
    fn delivers(&mut self, batch: &[Envelope]) {
        let events: Vec<Uuid> = batch.iter().filter(|e| !e.own).map(|e| made(&e.id)).collect();
        for (n, id) in events.iter().enumerate() {
            if self.sealed.get(n).is_some_and(|(sealed, _)| sealed == id) {
                continue;
            }
            assert_eq!(n, self.sealed.len(), "a newer event overtook one that was sealed before");
            assert!(!self.queue.is_empty(), "an event that nobody holds is delivered");
            assert_eq!(self.queue.remove(0).id, *id, "events leave in the order in which they came");
            self.sealed.push((*id, None));
        }
    }

    fn settle(&mut self, id: Uuid) {
        self.sealed.retain(|(sealed, _)| *sealed != id);
    }

    fn works(&mut self) {
        self.failures = 0;
        self.refusals = 0;
        if self.queue.len() * 2 < self.events
            && self.queue.iter().map(|e| e.cost).sum::<usize>() * 2 < self.bytes
        {
            self.overflowed = false;
        }
        if !self.overflowed {
            self.state = LaneState::Healthy;
        }
    }

    fn refuses(&mut self, e: &Envelope) {
        self.refusals += 1;
        if self.refusals >= BREAKER {
            self.state = LaneState::Failed;
        }
        if !e.own {
            *self.rejected.entry(Reason::Rejected).or_default() += 1;
            self.fates.insert(made(&e.id), Fate::Lost(Reason::Rejected));
            self.settle(made(&e.id));
        }
    }

    /// `now`, `since`: when this batch first failed.
    fn retries(&mut self, batch: &[&Envelope], give_up: bool) {
        for e in batch.iter().filter(|e| !e.own && give_up) {
            self.lose(made(&e.id), Reason::GaveUp);
            self.settle(made(&e.id));
        }
        self.failures += 1;
        if self.failures >= BREAKER {
            self.state = LaneState::Failed;
        } else if self.state != LaneState::Failed {
            self.state = LaneState::Degraded;
        }
    }
}

struct Episode {
    rig: Rig,
    model: Model,
    dice: Dice,
    receipts: Vec<(Uuid, Receipt)>,
    /// Lines that the sink has.
    got: Vec<Envelope>,
    /// Since when the batch in flight fails, by its first envelope's hash.
    failing: HashMap<[u8; 32], Instant>,
    steps: u64,
}

/// The id of an event here, all of which are made.
fn made(id: &EventId) -> Uuid {
    let EventId::Uuid(id) = id else { panic!("{id}") };
    *id
}

fn failure() -> Failure {
    Failure::new(FailureKind::Network, "away")
}

impl Episode {
    fn new(policy: Policy, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let name = match policy {
            Policy::Block => "block",
            Policy::DropOldest => "drop_oldest",
            Policy::DropProgress => "drop_progress",
            Policy::Coalesce => "coalesce_by_run",
            Policy::FailSink => "fail_sink",
        };
        let events = 4 + dice.below(28) as usize;
        let reserve = 1 + dice.below(3);
        let batch = 1 + dice.below(12);
        let streams = 2 + dice.below(6);
        let keys = format!(
            "{{ id: l, sink: memory, overflow: {name}, queue: {{ events: {events}, bytes: 6000, terminal_reserve: {reserve} }}, batch: {{ events: {batch}, linger: 20ms }}, streams: {streams}, retry: {{ give_up: 300s }} }}"
        );
        let rig = Rig::new(&keys, seed);
        let capacity = rig.lane.lock().queue.capacity();
        let model = Model {
            policy,
            events: capacity.events,
            bytes: capacity.bytes,
            reserved_events: capacity.reserved_events,
            reserved_bytes: capacity.reserved_bytes,
            queue: Vec::new(),
            sealed: Vec::new(),
            fates: HashMap::new(),
            admitted: 0,
            delivered: 0,
            dropped: BTreeMap::new(),
            rejected: BTreeMap::new(),
            state: LaneState::Starting,
            failures: 0,
            refusals: 0,
            overflowed: false,
        };
        Self { rig, model, dice, receipts: Vec::new(), got: Vec::new(), failing: HashMap::new(), steps: 0 }
    }

    fn emit(&mut self) {
        let agents = 9;
        let agent = self.dice.chance(60).then(|| format!("agent-{}", self.dice.below(agents)));
        let run = self.dice.chance(70).then(|| format!("r{}", self.dice.below(5)));
        let terminal = self.dice.chance(20);
        let pad = if self.dice.chance(3) { 7000 } else { self.dice.below(300) as usize };
        let tracked = self.rig.event(run.as_deref(), agent.as_deref(), terminal, pad);
        let held = Held { id: made(&tracked.event.id), cost: tracked.event.cost(), terminal, run };
        let expected = self.model.offer(held);
        let receipt = self.rig.offer(&tracked);
        let got = receipt.as_ref().map(|r| (outcome(r), r.evicted().next().map_or(0, |(_, n)| n)));
        assert_eq!(got, expected);
        if let Some(receipt) = receipt {
            self.receipts.push((made(&tracked.event.id), receipt));
        }
    }

    /// One turn of the lane; true when it has ended.
    fn turn(&mut self, force: bool, bad: u64) -> bool {
        self.model.looked();
        match self.rig.step(force) {
            Step::Deliver(_, batch) => {
                self.model.delivers(&batch);
                self.deliver(&batch, bad);
                false
            }
            Step::Wait(..) => false,
            Step::Done => true,
        }
    }

    fn acknowledged(&mut self, e: &Envelope) {
        self.got.push(e.clone());
        if !e.own {
            self.model.delivered += 1;
            self.model.fates.insert(made(&e.id), Fate::Delivered);
            self.model.settle(made(&e.id));
        }
    }

    fn retried(&mut self, batch: &[&Envelope], since: Option<Instant>) {
        let now = self.rig.lane.now();
        let since = since.unwrap_or(now);
        let give_up = now.since(since) >= GIVE_UP;
        if let Some(first) = batch.first().filter(|_| !give_up) {
            self.failing.insert(first.hash, since);
        }
        self.model.retries(batch, give_up);
    }

    /// The sink answers at random; `bad` times of a hundred it does not simply acknowledge.
    fn deliver(&mut self, batch: &[Envelope], bad: u64) {
        let since = self.failing.remove(&batch[0].hash);
        let all: Vec<&Envelope> = batch.iter().collect();
        if !self.dice.chance(bad) {
            batch.iter().for_each(|e| self.acknowledged(e));
            self.model.works();
            self.rig.answer(Answers::Acknowledged);
            return;
        }
        match self.dice.below(5) {
            0 | 1 => {
                if self.dice.chance(20) {
                    // The sink has the batch, but its answer is lost: the batch is sent again, or declared lost
                    // although it is there.
                    let part = batch.iter().filter(|e| !e.own).count() == 0;
                    if part {
                        self.got.extend(batch.iter().cloned());
                    }
                }
                self.retried(&all, since);
                self.rig.answer(Answers::Retry(failure(), None));
            }
            2 => {
                if batch.len() == 1 {
                    self.model.refuses(&batch[0]);
                } else if let Some(since) = since {
                    self.failing.insert(batch[0].hash, since);
                    self.failing.insert(batch[batch.len() / 2].hash, since);
                }
                self.rig.answer(Answers::RefusedBatch(failure()));
            }
            3 => self.each(batch, since),
            _ => self.partial(batch),
        }
    }

    fn each(&mut self, batch: &[Envelope], since: Option<Instant>) {
        let kinds: Vec<u64> = batch.iter().map(|_| self.dice.below(4)).collect();
        let mut answers = Vec::new();
        let mut again = Vec::new();
        let mut refused = Vec::new();
        for (e, kind) in batch.iter().zip(&kinds) {
            answers.push(match kind {
                0 | 1 => {
                    self.acknowledged(e);
                    Answer::Acknowledged
                }
                2 => {
                    refused.push(e);
                    Answer::Refused(failure())
                }
                _ => {
                    again.push(e);
                    Answer::Retry(failure(), None)
                }
            });
        }
        if kinds.iter().any(|kind| *kind < 2) {
            self.model.works();
        }
        refused.into_iter().for_each(|e| self.model.refuses(e));
        if !again.is_empty() {
            self.retried(&again, since);
        }
        self.rig.answer(Answers::Each(answers));
    }

    /// The sink takes the batch except for some events, and does not say which.
    fn partial(&mut self, batch: &[Envelope]) {
        let events = batch.iter().filter(|e| !e.own).count() as u64;
        let refused = if events == 0 { 0 } else { self.dice.below(events + 1) };
        let mut left = refused;
        for e in batch {
            if !e.own && left > 0 {
                left -= 1;
            } else {
                self.got.push(e.clone());
            }
            if !e.own {
                self.model.fates.insert(made(&e.id), Fate::Uncertain);
                self.model.settle(made(&e.id));
            }
        }
        self.model.delivered += events - refused;
        *self.model.rejected.entry(Reason::Uncertain).or_default() += refused;
        self.model.works_partly();
        self.rig.answer(Answers::Partial { refused, failure: failure() });
    }

    /// Model and lane agree.
    fn check(&self, receipts: bool) {
        let core = self.rig.lane.lock();
        let c = &core.counters;
        let m = &self.model;
        let nonzero = |by: &BTreeMap<Reason, u64>| -> Vec<(Reason, u64)> {
            by.iter().filter(|(_, n)| **n > 0).map(|(r, n)| (*r, *n)).collect()
        };
        assert_eq!(c.dropped_by().collect::<Vec<_>>(), nonzero(&m.dropped));
        assert_eq!(c.rejected_by().collect::<Vec<_>>(), nonzero(&m.rejected));
        assert_eq!((c.admitted, c.delivered), (m.admitted, m.delivered));
        assert_eq!(c.pending, (m.queue.len() + m.sealed.len()) as u64);
        assert_eq!(c.admitted, c.delivered + c.dropped + c.rejected + c.pending, "the ledger balances");
        assert_eq!(core.queue.len(), m.queue.len());
        assert_eq!(core.queue.bytes(), m.queue.iter().map(|e| e.cost).sum::<usize>());
        if !core.has_ended() {
            assert_eq!(core.health.state, m.state);
        }
        drop(core);
        if receipts {
            for (id, receipt) in &self.receipts {
                let ending = receipt.endings().remove(0).1;
                let got = ending.as_ref().map(|e| (e.state, e.reason));
                let expected = m.fates.get(id).map(|fate| match fate {
                    Fate::Delivered => (EndState::Delivered, None),
                    Fate::Lost(reason) => (EndState::Lost, Some(reason.name())),
                    Fate::Uncertain => (EndState::Uncertain, Some("uncertain")),
                });
                assert_eq!(got, expected);
            }
        }
    }

    fn run(mut self, steps: u64) -> (u64, u64) {
        for n in 0..steps {
            self.steps += 1;
            match self.dice.below(20) {
                0..=8 => self.emit(),
                9..=12 => drop(self.turn(false, 35)),
                13..=16 => drop(self.turn(true, 35)),
                17 => {
                    let most = [5, 50, 1_000, 30_000, 200_000][self.dice.below(5) as usize];
                    self.rig.advance(Duration::from_millis(self.dice.below(most)));
                }
                18 => drop(self.rig.lane.ask(Ask::Flush)),
                _ => self.rig.lane.hurry(),
            }
            self.check(n % 64 == 0);
        }
        // It recovers, and ends in good order.
        self.rig.lane.ask(Ask::Close(Instant::NEVER));
        let mut turns = 0;
        let ended = loop {
            turns += 1;
            assert!(turns < 10_000, "a lane whose sink works does not end");
            self.rig.advance(Duration::from_millis(100));
            if self.turn(true, 0) {
                break true;
            }
            self.check(false);
        };
        assert!(ended);
        self.check(true);
        let m = &self.model;
        assert_eq!((m.queue.len(), m.sealed.len()), (0, 0), "nothing is left");
        let lines: Vec<&[u8]> = self.got.iter().map(|e| &*e.bytes).collect();
        let report = judge(&lines);
        let counted = m.dropped.iter().chain(&m.rejected).filter(|(_, n)| **n > 0);
        let counted: BTreeMap<String, u64> = counted.map(|(r, n)| (r.name().to_owned(), *n)).collect();
        assert!(report.verdict <= Verdict::Incomplete, "{report:#?}");
        assert_eq!(report.lost, counted, "what the verifier finds declared is what was counted");
        (self.steps + turns, self.got.len() as u64)
    }
}

impl Model {
    /// The sink took a batch in part: it works, but an overflow under `fail_sink` goes on.
    fn works_partly(&mut self) {
        self.failures = 0;
        self.refusals = 0;
        if !self.overflowed {
            self.state = LaneState::Healthy;
        }
    }
}

fn episodes(policy: Policy, salt: u64) {
    let soak: u64 = std::env::var("SINKWELL_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let only: Option<u64> = std::env::var("SINKWELL_SEED").ok().and_then(|n| n.parse().ok());
    let (mut steps, mut envelopes) = (0, 0);
    for n in 0..EPISODES * soak {
        let seed = only.unwrap_or(salt * 1_000_000 + n);
        let ran = std::panic::catch_unwind(|| Episode::new(policy, seed).run(STEPS));
        let (s, e) = ran.unwrap_or_else(|_| panic!("{policy:?}: SINKWELL_SEED={seed} fails"));
        steps += s;
        envelopes += e;
        if only.is_some() {
            break;
        }
    }
    println!("model, {policy:?}: {steps} steps, {envelopes} envelopes verified");
}

const EPISODES: u64 = 100;
const STEPS: u64 = 2_100;

#[test]
fn block() {
    episodes(Policy::Block, 1);
}

#[test]
fn drop_oldest() {
    episodes(Policy::DropOldest, 2);
}

#[test]
fn drop_progress() {
    episodes(Policy::DropProgress, 3);
}

#[test]
fn coalesce_by_run() {
    episodes(Policy::Coalesce, 4);
}

#[test]
fn fail_sink() {
    episodes(Policy::FailSink, 5);
}
