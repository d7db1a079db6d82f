//! Decides what happens on a stream: when it is made, what goes over it, when it is given up, what became of each batch.
//!
//! Guarantees:
//! - Every batch that is submitted is answered once, whatever happens, unless its caller has withdrawn it.
//! - Batches go out in the order in which they came, numbered from 1 on each stream; on a new stream everything that is
//!   not acknowledged goes again, before anything newer.
//! - At most [`Limits::batches`] batches and [`Limits::bytes`] bytes are in flight, and a place is given back however a
//!   stream ends.
//! - What is acknowledged is not sent again, although its caller had given it up by then, unless many others were, too.
//! - An acknowledgement is taken in any state; one that is not for the oldest batch in flight ends the stream. Its status
//!   is looked at: only OK delivers.
//! - What an older stream says is ignored.
//!
//! How: a state machine without clock, randomness, input or output. [`Supervisor::on`] takes what happened and the time,
//! and answers what is to be done; [`Supervisor::due`] says when [`Happened::Tick`] is wanted. The states are those of the
//! table in docs/spec/stream.md, "States". What is retained are batches of envelopes, never their bytes on the wire.

use std::collections::VecDeque;
use std::time::Duration;

use crate::seam::Instant;

/// A batch, as its caller knows it.
pub(super) type Job = u64;
/// A stream, counted from 1.
pub(super) type StreamNo = u64;
/// What tells a batch from others, and is the same when it is submitted again.
pub(super) type Key = [u8; 32];

/// The bounds of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most batches in flight.
    pub(super) batches: usize,
    /// Most bytes of their lines, though one batch may always go.
    pub(super) bytes: usize,
    /// How long a stream is used; zero: for ever.
    pub(super) lifetime: Duration,
    /// How long what is in flight at its end may take.
    pub(super) drain: Duration,
    /// How long making a stream may take.
    pub(super) connect: Duration,
    /// How long the oldest batch in flight may wait for its acknowledgement.
    pub(super) silence: Duration,
    /// The first wait after a failure; it doubles.
    pub(super) backoff: Duration,
    /// The longest.
    pub(super) most_backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batches: 50,
            bytes: 64 << 20,
            lifetime: Duration::from_secs(15 * 60),
            drain: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            backoff: Duration::from_millis(500),
            most_backoff: Duration::from_secs(30),
        }
    }
}

/// How a stream ended, if not by our own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// The peer closed it in good order: it goes on elsewhere.
    Closed,
    /// Connection, time-out, a status that says to try again.
    Lost,
    /// The peer does not accept our credentials.
    Unauthorized,
    /// The peer does not speak this.
    NotSpoken,
    /// The peer cannot read what it was sent.
    Undecodable,
    /// The peer refuses the oldest batch.
    Invalid,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Happened {
    /// A batch is to be delivered.
    Submit { job: Job, key: Key, bytes: usize },
    /// Its caller no longer waits for an answer.
    Withdraw { job: Job },
    /// The stream is made.
    Opened { stream: StreamNo },
    /// The stream has ended, or could not be made.
    Ended { stream: StreamNo, end: End },
    /// A status came for a batch: whether it is there, and all of it.
    Status { stream: StreamNo, batch: u64, ok: bool, whole: bool },
    /// A batch cannot be encoded; nothing of it was sent, but the encoder is not to be trusted any more.
    Unencodable { stream: StreamNo, batch: u64 },
    /// Time has passed.
    Tick,
    /// The sink is closed.
    Shutdown,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// It is there.
    Delivered,
    /// The peer refused it for good.
    Refused,
    /// It cannot be encoded.
    Unencodable,
    /// It is to be tried again.
    Failed(Why),
}

/// Why a batch is to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// The stream ended so.
    Ended(End),
    /// No stream within the time for it.
    NotMade,
    /// No acknowledgement within the time for it.
    Silence,
    /// An acknowledgement out of order.
    OutOfOrder,
    /// The sink is closed.
    Shutdown,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Command {
    /// Make a stream, and an encoder with empty state.
    Open { stream: StreamNo },
    /// Encode a batch and send it.
    Send { stream: StreamNo, batch: u64, job: Job },
    /// Say that nothing more will be sent, and let go of the stream.
    Close { stream: StreamNo },
    /// Tell the caller.
    Answer { job: Job, outcome: Outcome },
}

/// Where the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// There is none. One is made when there is something to send, not before this time.
    Disconnected { until: Instant },
    /// It is being made.
    Connecting { stream: StreamNo, until: Instant },
    /// It carries batches; its lifetime ends then.
    Active { stream: StreamNo, until: Instant },
    /// Its lifetime is over; what is in flight is waited for until then.
    Draining { stream: StreamNo, until: Instant },
    /// For good.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    job: Job,
    key: Key,
    bytes: usize,
    /// Somebody waits for an answer.
    wanted: bool,
    /// It was sent on an earlier stream.
    again: bool,
}

/// Counts of what happened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rotations: u64,
    pub(super) retransmissions: u64,
    pub(super) streams: u64,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub(super) struct Supervisor {
    limits: Limits,
    state: State,
    /// Not yet acknowledged, oldest first. The first [`flying`](Self::flying) of them are in flight.
    held: VecDeque<Held>,
    flying: usize,
    flying_bytes: usize,
    /// Delivered after their callers had given them up, oldest first: they come again, and are not sent again.
    landed: VecDeque<Key>,
    /// The number of the oldest batch in flight, or of the next to be sent.
    oldest: u64,
    /// Since when the oldest in flight waits.
    waits_since: Instant,
    streams: StreamNo,
    /// Streams that ended before their first acknowledgement, in a row.
    failures: u32,
    /// The batch that ended fresh streams, and how many.
    struck: Option<(Key, u8)>,
    counts: Counts,
}

/// So many batches that nobody waited for any more are remembered as delivered.
const LANDED: usize = 64;

/// So many fresh streams a batch may end before it counts as the cause.
const STRIKES: u8 = 3;

impl Supervisor {
    /// Without a stream, and with nothing to send.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Disconnected { until: Instant(0) },
            held: VecDeque::new(),
            flying: 0,
            flying_bytes: 0,
            landed: VecDeque::new(),
            oldest: 1,
            waits_since: Instant(0),
            streams: 0,
            failures: 0,
            struck: None,
            counts: Counts::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether it holds this batch, and somebody waits for the answer or it is in flight.
    pub(super) fn holds(&self, job: Job) -> bool {
        self.held.iter().any(|held| held.job == job)
    }

    /// Batches and bytes in flight.
    pub(super) fn in_flight(&self) -> (usize, usize) {
        (self.flying, self.flying_bytes)
    }

    /// What has happened so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// When [`Happened::Tick`] is wanted; `None`: not before something else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let silence = (self.flying > 0).then(|| self.waits_since.after(self.limits.silence));
        match self.state {
            State::Disconnected { until } => (!self.held.is_empty()).then_some(until),
            State::Connecting { until, .. } => Some(until),
            State::Active { until, .. } | State::Draining { until, .. } => {
                Some(silence.map_or(until, |silence| silence.min(until))).filter(|due| *due != Instant::NEVER)
            }
            State::Closed => None,
        }
    }

    /// Something happened: what is to be done, in this order. `chance` is any number, for jitter.
    pub(super) fn on(&mut self, happened: Happened, now: Instant, chance: u64) -> Vec<Command> {
        let mut todo = Vec::new();
        match happened {
            Happened::Submit { job, key, bytes } => self.submit(job, key, bytes, &mut todo),
            Happened::Withdraw { job } => self.withdraw(job),
            Happened::Opened { stream } => self.opened(stream, now, chance),
            Happened::Ended { stream, end } if self.is_current(stream) => {
                self.ended(end, now, chance, &mut todo)
            }
            Happened::Status { stream, batch, ok, whole } if self.is_current(stream) => {
                let outcome = if ok { Outcome::Delivered } else { Outcome::Refused };
                self.status(batch, outcome, whole, now, chance, &mut todo);
            }
            Happened::Unencodable { stream, batch } if self.is_current(stream) => {
                self.unencodable(batch, now, &mut todo);
            }
            // From a stream that is no more.
            Happened::Ended { .. }
            | Happened::Status { .. }
            | Happened::Unencodable { .. }
            | Happened::Tick => {}
            Happened::Shutdown => self.shutdown(&mut todo),
        }
        self.look_at_time(now, chance, &mut todo);
        self.go_on(now, &mut todo);
        todo
    }

    fn is_current(&self, stream: StreamNo) -> bool {
        self.stream() == Some(stream)
    }

    fn stream(&self) -> Option<StreamNo> {
        match self.state {
            State::Connecting { stream, .. }
            | State::Active { stream, .. }
            | State::Draining { stream, .. } => Some(stream),
            State::Disconnected { .. } | State::Closed => None,
        }
    }

    fn submit(&mut self, job: Job, key: Key, bytes: usize, todo: &mut Vec<Command>) {
        if self.state == State::Closed {
            todo.push(Command::Answer { job, outcome: Outcome::Failed(Why::Shutdown) });
            return;
        }
        // What its caller gave up and brings again is there by now,
        if let Some(at) = self.landed.iter().position(|landed| *landed == key) {
            self.landed.remove(at);
            todo.push(Command::Answer { job, outcome: Outcome::Delivered });
            return;
        }
        // or still on its way.
        if let Some(held) = self.held.iter_mut().find(|held| !held.wanted && held.key == key) {
            (held.job, held.wanted) = (job, true);
            return;
        }
        self.held.push_back(Held { job, key, bytes, wanted: true, again: false });
    }

    fn withdraw(&mut self, job: Job) {
        let Some(at) = self.held.iter().position(|held| held.job == job && held.wanted) else { return };
        if at < self.flying {
            // It keeps its place until the peer has answered or the stream has ended.
            self.held[at].wanted = false;
        } else {
            self.held.remove(at);
        }
    }

    fn opened(&mut self, stream: StreamNo, now: Instant, chance: u64) {
        if !matches!(self.state, State::Connecting { stream: current, .. } if current == stream) {
            return;
        }
        let until = match self.limits.lifetime {
            Duration::ZERO => Instant::NEVER,
            // Up to a quarter less, so that a fleet that began at once does not rotate at once.
            lifetime => now.after(lifetime - lifetime.mul_f64(0.25 * fraction(chance))),
        };
        self.state = State::Active { stream, until };
    }

    fn status(
        &mut self,
        batch: u64,
        outcome: Outcome,
        whole: bool,
        now: Instant,
        chance: u64,
        todo: &mut Vec<Command>,
    ) {
        if self.flying == 0 || batch != self.oldest {
            self.fail(Why::OutOfOrder, now, chance, todo);
            return;
        }
        self.failures = 0;
        self.oldest += 1;
        self.waits_since = now;
        let unwanted = self.held.front().filter(|held| !held.wanted).map(|held| held.key);
        if let Some(key) = unwanted.filter(|_| outcome == Outcome::Delivered && whole) {
            if self.landed.len() == LANDED {
                self.landed.pop_front();
            }
            self.landed.push_back(key);
        }
        self.land(outcome, todo);
    }

    /// The oldest in flight is settled.
    fn land(&mut self, outcome: Outcome, todo: &mut Vec<Command>) {
        let Some(held) = self.held.pop_front() else { return };
        self.flying -= 1;
        self.flying_bytes -= held.bytes;
        if self.struck.is_some_and(|(key, _)| key == held.key) {
            self.struck = None;
        }
        if held.wanted {
            todo.push(Command::Answer { job: held.job, outcome });
        }
    }

    fn unencodable(&mut self, batch: u64, now: Instant, todo: &mut Vec<Command>) {
        let Some(at) = batch.checked_sub(self.oldest).and_then(|at| usize::try_from(at).ok()) else { return };
        if at >= self.flying {
            return;
        }
        // It goes, and its definitions with it: the others go again over a new stream.
        if let Some(held) = self.held.remove(at) {
            self.flying -= 1;
            self.flying_bytes -= held.bytes;
            if held.wanted {
                todo.push(Command::Answer { job: held.job, outcome: Outcome::Unencodable });
            }
        }
        self.let_go(todo);
        self.state = State::Disconnected { until: now };
    }

    /// The stream is no more: what was in flight waits again.
    fn let_go(&mut self, todo: &mut Vec<Command>) {
        if let Some(stream) = self.stream() {
            todo.push(Command::Close { stream });
        }
        let flying = std::mem::take(&mut self.flying);
        self.flying_bytes = 0;
        self.held.iter_mut().take(flying).for_each(|held| held.again = true);
        // Nobody waits for an answer: nobody misses it either.
        self.held.retain(|held| held.wanted);
        self.oldest = 1;
    }

    fn ended(&mut self, end: End, now: Instant, chance: u64, todo: &mut Vec<Command>) {
        let fresh = self.oldest == 1;
        let oldest = self.held.front().filter(|_| self.flying > 0).copied();
        match (end, oldest) {
            // A peer that is shut down or rotates: the batches go on over the next stream. One that closes each stream
            // before it acknowledges anything is no such peer.
            (End::Closed, _) if !fresh || self.flying == 0 => {
                let idle = fresh && self.flying == 0;
                self.let_go(todo);
                let until = if idle && !self.held.is_empty() { self.back_off(now, chance) } else { now };
                self.state = State::Disconnected { until };
            }
            (End::Invalid, Some(_)) => {
                self.land(Outcome::Refused, todo);
                self.let_go(todo);
                let until = self.back_off(now, chance);
                self.state = State::Disconnected { until };
            }
            (End::Undecodable, Some(held)) => {
                if fresh {
                    let before = self.struck.filter(|(key, _)| *key == held.key).map_or(0, |(_, n)| n);
                    self.struck = Some((held.key, before + 1));
                    if before + 1 >= STRIKES {
                        self.land(Outcome::Refused, todo);
                    }
                }
                self.fail(Why::Ended(end), now, chance, todo);
            }
            _ => self.fail(Why::Ended(end), now, chance, todo),
        }
    }

    /// The stream is of no more use, and everybody who waits is told so: their lane knows what to do.
    fn fail(&mut self, why: Why, now: Instant, chance: u64, todo: &mut Vec<Command>) {
        self.let_go(todo);
        for held in self.held.drain(..) {
            todo.push(Command::Answer { job: held.job, outcome: Outcome::Failed(why) });
        }
        let until = self.back_off(now, chance);
        self.state = State::Disconnected { until };
    }

    /// When the next stream may be made. The wait starts over only after a stream's first batch was acknowledged.
    fn back_off(&mut self, now: Instant, chance: u64) -> Instant {
        let doubled = self.limits.backoff.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        now.after(doubled.min(self.limits.most_backoff).mul_f64(fraction(chance)))
    }

    fn shutdown(&mut self, todo: &mut Vec<Command>) {
        if self.state == State::Closed {
            return;
        }
        self.let_go(todo);
        for held in self.held.drain(..) {
            todo.push(Command::Answer { job: held.job, outcome: Outcome::Failed(Why::Shutdown) });
        }
        self.state = State::Closed;
    }

    fn look_at_time(&mut self, now: Instant, chance: u64, todo: &mut Vec<Command>) {
        if self.flying > 0 && now >= self.waits_since.after(self.limits.silence) {
            self.fail(Why::Silence, now, chance, todo);
        }
        match self.state {
            State::Connecting { until, .. } if now >= until => self.fail(Why::NotMade, now, chance, todo),
            State::Active { stream, until } if now >= until && self.flying > 0 => {
                self.state = State::Draining { stream, until: now.after(self.limits.drain) };
            }
            State::Active { until, .. } if now >= until => self.rotate(now, todo),
            State::Draining { until, .. } if now >= until || self.flying == 0 => self.rotate(now, todo),
            _ => {}
        }
    }

    fn rotate(&mut self, now: Instant, todo: &mut Vec<Command>) {
        self.counts.rotations += 1;
        self.let_go(todo);
        self.state = State::Disconnected { until: now };
    }

    /// Makes a stream if one is wanted, and sends what may go.
    fn go_on(&mut self, now: Instant, todo: &mut Vec<Command>) {
        if let State::Disconnected { until } = self.state
            && now >= until
            && !self.held.is_empty()
        {
            self.streams += 1;
            self.counts.streams += 1;
            let stream = self.streams;
            self.state = State::Connecting { stream, until: now.after(self.limits.connect) };
            todo.push(Command::Open { stream });
        }
        let State::Active { stream, .. } = self.state else { return };
        while let Some(next) = self.held.get(self.flying) {
            let fits = self.flying_bytes.saturating_add(next.bytes) <= self.limits.bytes;
            if self.flying >= self.limits.batches || !(fits || self.flying == 0) {
                break;
            }
            if self.flying == 0 {
                self.waits_since = now;
            }
            self.counts.retransmissions += u64::from(next.again);
            todo.push(Command::Send { stream, batch: self.oldest + self.flying as u64, job: next.job });
            self.flying += 1;
            self.flying_bytes += next.bytes;
        }
    }
}

/// Below 1.
fn fraction(chance: u64) -> f64 {
    (chance >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
