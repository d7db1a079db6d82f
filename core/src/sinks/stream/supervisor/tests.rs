//! The state machine, explored: every order of what can happen, to a depth that covers two rotations and a refusal.

mod fuzz;

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::*;

const LIMITS: Limits = Limits {
    batches: 2,
    bytes: 25,
    lifetime: Duration::from_secs(60),
    drain: Duration::from_secs(5),
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(30),
    backoff: Duration::from_millis(500),
    most_backoff: Duration::from_secs(30),
};

fn key(n: u8) -> Key {
    [n; 32]
}

/// The machine, and what the world knows of it: each command is held to what the module's head promises.
#[derive(Clone)]
struct World {
    machine: Supervisor,
    now: Instant,
    jobs: Job,
    /// Submitted and neither answered nor withdrawn, with its key.
    waiting: BTreeMap<Job, u8>,
    /// Of the stream that is there: its number, and what was sent over it and has no status yet, by number.
    stream: Option<StreamNo>,
    opened: bool,
    flying: VecDeque<(u64, Job)>,
    sent: u64,
    shut: bool,
    delivered: HashSet<u8>,
    /// What the peer has said to be there.
    acknowledged: HashSet<u8>,
    keys: BTreeMap<Job, u8>,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Supervisor::new(LIMITS),
            now: Instant(1),
            jobs: 0,
            waiting: BTreeMap::new(),
            stream: None,
            opened: false,
            flying: VecDeque::new(),
            sent: 0,
            shut: false,
            delivered: HashSet::new(),
            acknowledged: HashSet::new(),
            keys: BTreeMap::new(),
        }
    }

    fn happen(&mut self, happened: Happened) -> Vec<Command> {
        match happened {
            Happened::Submit { job, key, .. } => {
                assert!(self.waiting.insert(job, key[0]).is_none());
                self.keys.insert(job, key[0]);
            }
            Happened::Withdraw { job } => assert!(self.waiting.remove(&job).is_some()),
            Happened::Opened { stream } if Some(stream) == self.stream => self.opened = true,
            // Whatever it says, it is settled; out of order it ends the stream.
            Happened::Status { stream, batch, ok, .. }
                if Some(stream) == self.stream && self.flying.front().is_some_and(|f| f.0 == batch) =>
            {
                let landed = self.flying.pop_front().map(|(_, job)| self.keys[&job]);
                self.acknowledged.extend(landed.filter(|_| ok));
            }
            Happened::Shutdown => self.shut = true,
            _ => {}
        }
        let commands = self.machine.on(happened, self.now, 1 << 62);
        for command in &commands {
            match *command {
                Command::Open { stream } => {
                    assert!(
                        self.stream.is_none() && !self.shut,
                        "one stream at a time, and none after the end"
                    );
                    (self.stream, self.opened, self.sent) = (Some(stream), false, 0);
                }
                Command::Send { stream, batch, job } => {
                    assert_eq!(
                        (Some(stream), self.opened),
                        (self.stream, true),
                        "only over a stream that is made"
                    );
                    let key = self.keys[&job];
                    assert!(!self.acknowledged.contains(&key), "what is acknowledged is not sent again");
                    self.sent += 1;
                    assert_eq!(batch, self.sent, "batches count from 1 on each stream");
                    assert!(
                        matches!(self.machine.state(), State::Active { .. }),
                        "nothing goes while draining"
                    );
                    self.flying.push_back((batch, job));
                }
                Command::Close { stream } => {
                    assert_eq!(Some(stream), self.stream, "a stream is closed once");
                    self.stream = None;
                    self.flying.clear();
                }
                Command::Answer { job, outcome } => {
                    let key = self.waiting.remove(&job);
                    assert!(key.is_some(), "{job} is answered once, while somebody waits");
                    if outcome == Outcome::Delivered {
                        self.delivered.extend(key);
                    }
                }
            }
        }
        self.check();
        commands
    }

    fn check(&self) {
        let machine = &self.machine;
        assert_eq!(machine.in_flight().0, self.flying.len(), "a place is given back however a stream ends");
        assert!(machine.flying <= LIMITS.batches);
        assert!(machine.flying_bytes <= LIMITS.bytes || machine.flying == 1);
        let bytes: usize = machine.held.iter().take(machine.flying).map(|held| held.bytes).sum();
        assert_eq!(bytes, machine.flying_bytes);
        let mut held: Vec<_> = machine.held.iter().filter(|held| held.wanted).map(|held| held.job).collect();
        // One that was brought again has its old place.
        held.sort_unstable();
        assert_eq!(
            held,
            self.waiting.keys().copied().collect::<Vec<_>>(),
            "what nobody has answered is held, and nothing else"
        );
        if self.shut {
            assert_eq!((machine.state(), self.stream), (State::Closed, None));
            assert!(self.waiting.is_empty() && machine.due().is_none(), "closed is closed");
        }
        // No deadlock: with something to do, either time brings it about or a stream's end does.
        if !self.waiting.is_empty() {
            let limited = LIMITS.lifetime > Duration::ZERO || machine.flying > 0;
            assert!(machine.due().is_some() || !limited);
            if matches!(machine.state(), State::Active { .. }) {
                assert!(machine.flying > 0, "what waits goes as soon as there is room");
            }
        }
    }

    /// What can happen next.
    fn choices(&self) -> Vec<Happened> {
        let mut all = vec![Happened::Shutdown, Happened::Tick];
        if self.waiting.len() < 3 && self.jobs < 5 {
            let again = self
                .machine
                .held
                .iter()
                .find(|held| !held.wanted)
                .map(|held| held.key[0])
                .or(self.machine.landed.front().map(|key| key[0]))
                .unwrap_or(self.jobs as u8);
            all.push(Happened::Submit { job: self.jobs, key: key(again), bytes: 10 });
        }
        all.extend(self.waiting.keys().next().map(|&job| Happened::Withdraw { job }));
        if let Some(stream) = self.stream {
            all.push(Happened::Opened { stream });
            for end in [End::Closed, End::Lost, End::NotSpoken, End::Undecodable, End::Invalid] {
                all.push(Happened::Ended { stream, end });
            }
            if let Some(&(batch, _)) = self.flying.front() {
                all.push(Happened::Status { stream, batch, ok: true, whole: true });
                all.push(Happened::Status { stream, batch, ok: false, whole: true });
                // Early, for one that was never sent, or twice.
                all.push(Happened::Status { stream, batch: batch + 1, ok: true, whole: true });
                all.push(Happened::Unencodable { stream, batch });
            } else {
                all.push(Happened::Status { stream, batch: self.sent, ok: true, whole: true });
            }
            if stream > 1 {
                all.push(Happened::Ended { stream: stream - 1, end: End::Lost });
                all.push(Happened::Status { stream: stream - 1, batch: 1, ok: true, whole: true });
                all.push(Happened::Opened { stream: stream - 1 });
            }
        }
        all
    }

    /// What tells this state from others, with times as they are from now on, and numbers as they are from the first.
    fn print(&self) -> String {
        let machine = &self.machine;
        let left = |until: Instant| until.since(self.now).as_millis();
        let state = match machine.state {
            State::Disconnected { until } => format!("disconnected {}", left(until)),
            State::Connecting { until, .. } => format!("connecting {}", left(until)),
            State::Active { until, .. } => format!("active {}", left(until)),
            State::Draining { until, .. } => format!("draining {}", left(until)),
            State::Closed => "closed".to_owned(),
        };
        let held: Vec<_> = machine.held.iter().map(|h| (h.key[0], h.wanted, h.again)).collect();
        let silence = if machine.flying > 0 { left(machine.waits_since.after(LIMITS.silence)) } else { 0 };
        format!(
            "{state} {held:?} {} {} {silence} {} {:?} {} {:?}",
            machine.flying,
            machine.oldest.min(3),
            machine.failures.min(4),
            machine.struck.map(|(key, n)| (key[0], n)),
            machine.streams.min(2),
            machine.counts.rotations.min(3),
        ) + &format!(" {} {} {:?}", self.jobs, self.opened, machine.landed)
    }
}

/// How many steps: submit, open, acknowledge and the end of the lifetime, twice, with a refusal and a drain among them,
/// take eleven.
const DEPTH: usize = 12;

#[test]
fn every_order_of_events_keeps_what_the_head_promises() {
    let mut seen = HashSet::new();
    let mut layer = vec![World::new()];
    let (mut transitions, mut two_rotations_and_a_refusal) = (0_u64, 0_u64);
    let depth = DEPTH + usize::from(crate::testing::soak() > 1);
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &layer {
            for happened in world.choices() {
                let mut after = world.clone();
                if happened == Happened::Tick {
                    // Time matters where something is due.
                    let Some(due) = after.machine.due() else { continue };
                    after.now = Instant(after.now.0.max(due.0));
                }
                if matches!(happened, Happened::Submit { .. }) {
                    after.jobs += 1;
                }
                let commands = after.happen(happened);
                transitions += 1;
                let refused =
                    commands.iter().any(|c| matches!(c, Command::Answer { outcome: Outcome::Refused, .. }));
                if refused && after.machine.counts.rotations >= 2 {
                    two_rotations_and_a_refusal += 1;
                }
                if seen.insert(after.print()) {
                    next.push(after);
                }
            }
        }
        layer = next;
    }
    println!("{} states, {transitions} transitions, to a depth of {depth}", seen.len());
    assert!(two_rotations_and_a_refusal > 0, "the depth covers two rotations and a refusal");
}

/// A world with this many batches, of which the first two are in flight.
fn active(batches: u64) -> World {
    let mut world = World::new();
    submit(&mut world, batches);
    world.happen(Happened::Opened { stream: 1 });
    world
}

fn submit(world: &mut World, batches: u64) {
    for _ in 0..batches {
        let job = world.jobs;
        world.jobs += 1;
        world.happen(Happened::Submit { job, key: key(job as u8), bytes: 10 });
    }
}

fn answers(commands: &[Command]) -> Vec<(Job, Outcome)> {
    commands
        .iter()
        .filter_map(|command| match *command {
            Command::Answer { job, outcome } => Some((job, outcome)),
            _ => None,
        })
        .collect()
}

fn sends(commands: &[Command]) -> Vec<(u64, Job)> {
    commands
        .iter()
        .filter_map(|command| match *command {
            Command::Send { batch, job, .. } => Some((batch, job)),
            _ => None,
        })
        .collect()
}

// The faults below were each seen in a client that ships.

#[test]
fn a_shutdown_in_any_state_and_twice_closes_once() {
    for mut world in [World::new(), active(0), active(3)] {
        let before = world.stream;
        let commands = world.happen(Happened::Shutdown);
        let closes = commands.iter().filter(|c| matches!(c, Command::Close { .. })).count();
        assert_eq!(closes, usize::from(before.is_some()));
        assert_eq!(world.happen(Happened::Shutdown), [], "the second time there is nothing left to close");
    }
}

#[test]
fn a_status_is_looked_at() {
    let mut world = active(2);
    let commands = world.happen(Happened::Status { stream: 1, batch: 1, ok: false, whole: true });
    assert_eq!(answers(&commands), [(0, Outcome::Refused)]);
    let commands = world.happen(Happened::Status { stream: 1, batch: 2, ok: true, whole: true });
    assert_eq!(answers(&commands), [(1, Outcome::Delivered)]);
}

#[test]
fn a_batch_that_is_refused_or_unreadable_is_not_tried_for_ever() {
    let mut world = active(1);
    for strike in 1..=3 {
        let stream = world.stream.unwrap();
        world.happen(Happened::Opened { stream });
        let commands = world.happen(Happened::Ended { stream, end: End::Undecodable });
        if strike == 3 {
            assert_eq!(answers(&commands), [(2, Outcome::Refused)]);
            break;
        }
        // Its lane brings it again.
        let job = world.jobs;
        world.jobs += 1;
        assert_eq!(answers(&commands), [(job - 1, Outcome::Failed(Why::Ended(End::Undecodable)))]);
        world.happen(Happened::Submit { job, key: key(0), bytes: 10 });
        world.now = world.machine.due().unwrap();
        world.happen(Happened::Tick);
    }
}

#[test]
fn an_unreadable_batch_on_a_stream_that_worked_is_first_tried_on_a_fresh_one() {
    let mut world = active(2);
    world.happen(Happened::Status { stream: 1, batch: 1, ok: true, whole: true });
    world.happen(Happened::Ended { stream: 1, end: End::Undecodable });
    assert_eq!(world.machine.struck, None, "the fault may have been in what the stream remembered");
}

#[test]
fn a_batch_that_cannot_be_encoded_takes_its_definitions_with_it() {
    let mut world = active(3);
    let commands = world.happen(Happened::Unencodable { stream: 1, batch: 1 });
    assert_eq!(answers(&commands), [(0, Outcome::Unencodable)]);
    assert!(commands.contains(&Command::Close { stream: 1 }), "its encoder is not used again");
    let commands = world.happen(Happened::Opened { stream: 2 });
    assert_eq!(sends(&commands), [(1, 1), (2, 2)], "the others go, from the first on");
}

#[test]
fn an_acknowledgement_counts_in_every_state_and_for_callers_that_are_gone() {
    let mut world = active(2);
    world.happen(Happened::Withdraw { job: 0 });
    let commands = world.happen(Happened::Status { stream: 1, batch: 1, ok: true, whole: true });
    assert_eq!(answers(&commands), []);
    world.now = world.machine.due().unwrap();
    world.happen(Happened::Tick);
    submit(&mut world, 1);
    let mut world = active(1);
    world.now = world.now.after(LIMITS.lifetime);
    world.machine.waits_since = world.now;
    world.happen(Happened::Tick);
    assert!(matches!(world.machine.state(), State::Draining { .. }));
    let commands = world.happen(Happened::Status { stream: 1, batch: 1, ok: true, whole: true });
    assert_eq!(answers(&commands), [(0, Outcome::Delivered)], "while draining, too");
}

#[test]
fn what_is_acknowledged_after_it_was_given_up_is_not_sent_again() {
    for (whole, again) in [(true, vec![]), (false, vec![(2, 1)])] {
        let mut world = active(1);
        world.happen(Happened::Withdraw { job: 0 });
        let commands =
            world.machine.on(Happened::Status { stream: 1, batch: 1, ok: true, whole }, world.now, 0);
        assert_eq!(commands, [], "nobody waits");
        // Its lane brings it once more, with its patience renewed.
        let commands = world.machine.on(Happened::Submit { job: 1, key: key(0), bytes: 10 }, world.now, 0);
        assert_eq!(
            sends(&commands),
            again,
            "of one that was refused in part, the lane must hear which parts"
        );
        assert_eq!(answers(&commands).len(), usize::from(whole));
    }
}

#[test]
fn places_are_given_back_however_a_stream_dies() {
    for end in [End::Closed, End::Lost, End::Unauthorized, End::NotSpoken, End::Undecodable, End::Invalid] {
        let mut world = World::new();
        for _ in 0..20 {
            if world.waiting.len() < 3 {
                let more = 3 - world.waiting.len() as u64;
                submit(&mut world, more);
            }
            if let (State::Disconnected { .. }, Some(due)) = (world.machine.state(), world.machine.due()) {
                world.now = world.now.max(due);
                world.happen(Happened::Tick);
            }
            let stream = world.stream.unwrap();
            let sent = sends(&world.happen(Happened::Opened { stream }));
            assert_eq!(sent.len(), LIMITS.batches, "all places are there again");
            world.happen(Happened::Ended { stream, end });
        }
    }
}

#[test]
fn a_send_that_hangs_ends_with_its_stream() {
    // A sender that cannot be cancelled would hold its batch; here whoever waits is answered by time alone.
    let mut world = active(2);
    world.now = world.machine.due().unwrap();
    let commands = world.happen(Happened::Tick);
    assert_eq!(answers(&commands), [(0, Outcome::Failed(Why::Silence)), (1, Outcome::Failed(Why::Silence))]);
    assert!(commands.contains(&Command::Close { stream: 1 }));
}

#[test]
fn what_is_answered_is_pending_no_more() {
    let mut world = active(3);
    world.happen(Happened::Ended { stream: 1, end: End::Lost });
    assert_eq!((world.machine.held.len(), world.machine.in_flight()), (0, (0, 0)));
}

#[test]
fn a_lifetime_of_zero_is_for_ever() {
    let mut world = World::new();
    world.machine.limits.lifetime = Duration::ZERO;
    submit(&mut world, 1);
    world.happen(Happened::Opened { stream: 1 });
    world.happen(Happened::Status { stream: 1, batch: 1, ok: true, whole: true });
    assert_eq!(world.machine.due(), None);
    world.now = world.now.after(Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(world.happen(Happened::Tick), []);
    assert_eq!(world.machine.counts().rotations, 0);
}

#[test]
fn back_off_starts_over_only_after_the_first_acknowledgement() {
    let mut world = World::new();
    let mut waits = Vec::new();
    for acknowledged in [false, false, false, true, false] {
        submit(&mut world, 1);
        if let State::Disconnected { until } = world.machine.state() {
            world.now = world.now.max(until);
            world.happen(Happened::Tick);
        }
        let stream = world.stream.unwrap();
        world.happen(Happened::Opened { stream });
        if acknowledged {
            world.happen(Happened::Status { stream, batch: 1, ok: true, whole: true });
        }
        world.happen(Happened::Ended { stream, end: End::Lost });
        let State::Disconnected { until } = world.machine.state() else { panic!() };
        waits.push(until.since(world.now));
    }
    assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
    assert_eq!(waits[3], waits[0], "{waits:?}");
}

#[test]
fn a_fleet_does_not_rotate_at_once() {
    let until = |chance| {
        let mut machine = Supervisor::new(LIMITS);
        machine.on(Happened::Submit { job: 0, key: key(0), bytes: 1 }, Instant(1), chance);
        machine.on(Happened::Opened { stream: 1 }, Instant(1), chance);
        let State::Active { until, .. } = machine.state() else { panic!() };
        until.since(Instant(1))
    };
    assert_eq!(until(0), LIMITS.lifetime);
    assert!(until(u64::MAX) <= LIMITS.lifetime.mul_f64(0.76) && until(1 << 63) < until(1 << 62));
}

#[test]
fn what_its_caller_gave_up_and_brings_again_is_not_sent_twice() {
    let mut world = active(1);
    world.happen(Happened::Withdraw { job: 0 });
    world.jobs += 1;
    let commands = world.happen(Happened::Submit { job: 1, key: key(0), bytes: 10 });
    assert_eq!(sends(&commands), []);
    let commands = world.happen(Happened::Status { stream: 1, batch: 1, ok: true, whole: true });
    assert_eq!(answers(&commands), [(1, Outcome::Delivered)]);
}
