//! One lane without threads: its clock moves when told, and its sink says what the test wants.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::config::{Config, Source};
use crate::envelope::ContentRules;
use crate::event::{Data, EventInput, Freezer, Identity};
use crate::glob::Globs;
use crate::key::{SigningKey, VerifyingKey};
use crate::lane::control::{Control, Parts, Step};
use crate::lane::{After, Lane, SealContext, Sealer, StateRecord, Why};
use crate::lane::{Ask, Bus, Fresh, Tracked};
use crate::receipt::{Admission, Receipt};
use crate::seam::{Clock, Instant, ManualClock, Random, SystemEnv, UnixNanos};
use crate::sink::{Answers, Envelope};
use crate::timeline::Timeline;
use crate::verify;

const KEY: [u8; 32] = *b"a key for tests, thirty-two long";

pub(super) struct Rig {
    pub(super) lane: Arc<Lane>,
    pub(super) control: Control,
    pub(super) clock: Arc<ManualClock>,
    freezer: Freezer,
    lanes: Arc<[Arc<Lane>]>,
    /// The last call of the sink.
    pub(super) call: u64,
    /// Set, reading the time of day panics.
    pub(super) broken: Arc<AtomicBool>,
}

/// A clock that panics when asked for the time of day, once it is broken.
struct Breakable {
    clock: Arc<ManualClock>,
    broken: Arc<AtomicBool>,
}

impl Clock for Breakable {
    fn unix_nanos(&self) -> UnixNanos {
        assert!(!self.broken.load(Ordering::SeqCst), "the clock is broken");
        self.clock.unix_nanos()
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }
}

/// Other random bytes at every draw, but the same sequence for the same seed.
struct Drawn(Mutex<Dice>);

impl Random for Drawn {
    fn bytes16(&self, _scope: &str, _n: u64) -> [u8; 16] {
        let mut dice = self.0.lock().unwrap();
        std::array::from_fn(|_| u8::try_from(dice.below(256)).unwrap())
    }
}

/// A small seeded generator (xorshift64*), so that a failing seed fails again everywhere.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl Rig {
    /// A lane as `keys` describe it, one YAML flow mapping.
    pub(super) fn new(keys: &str, seed: u64) -> Self {
        let text = format!("agent: {{ id: own }}\nlanes:\n  - {keys}\n");
        let source = Source::Text { text, name: None, format: Default::default() };
        let config = Config::load(source, &SystemEnv::default()).unwrap();
        let clock = Arc::new(ManualClock::new(1_700_000_000_000_000_000));
        let broken = Arc::new(AtomicBool::new(false));
        let timeline = Arc::new(Timeline::with(
            Arc::new(Breakable { clock: Arc::clone(&clock), broken: Arc::clone(&broken) }),
            Arc::new(Drawn(Mutex::new(Dice::new(seed)))),
        ));
        let identity = Arc::new(Identity {
            agent: "own".into(),
            tenant: None,
            source: "own".to_owned(),
            prefix: config.type_prefix.clone(),
            allow: Globs::new(vec!["agent-*".to_owned()]),
            limits: config.limits,
            policy_version: None,
        });
        let key = SigningKey::hmac("k", &KEY).unwrap();
        let bus = Arc::new(Bus::new(Vec::new(), None, None, Some(key.clone())));
        let context = Arc::new(SealContext {
            identity: Arc::clone(&identity),
            timeline: Arc::clone(&timeline),
            why: Why::Start,
            content: ContentRules::default(),
        });
        let lane = Arc::new(Lane::new(config.lanes[0].clone(), 0, &config.queue, Arc::clone(&timeline)));
        bus.add(Arc::clone(&lane));
        let parts = Parts {
            sealer: Sealer::new(Arc::clone(&context), &lane, Some(key)),
            dead_letters: None,
            idempotent: config.lanes[0].in_flight > 1,
            kind: "memory",
            heartbeat: None,
            keep_records: true,
            durable: None,
            rules: context,
            upkeep: None,
        };
        let control = Control::new(Arc::clone(&lane), bus, parts);
        let lanes: Arc<[Arc<Lane>]> = Arc::from(vec![Arc::clone(&lane)]);
        Self { lane, control, clock, freezer: Freezer::new(identity, timeline), lanes, call: 0, broken }
    }

    /// An event, not yet offered.
    pub(super) fn event(
        &self,
        run: Option<&str>,
        agent: Option<&str>,
        terminal: bool,
        pad: usize,
    ) -> Arc<Tracked> {
        let data = format!(r#"{{"pad":"{}"}}"#, "x".repeat(pad));
        let mut input = EventInput::new("com.example.step");
        input.data = Data::Json(data.as_bytes());
        input.run = run;
        input.agent = agent;
        input.terminal = Some(terminal);
        let fresh = Fresh::make(|event| {
            self.freezer.freeze_into(event, &mut input, None, None)?;
            event.made = self.lane.now();
            Ok(())
        });
        fresh.unwrap().for_lanes(1, 1, [(0, self.lane.durable())].into_iter(), None, None)
    }

    /// Offers it as `emit` does; `None` where a blocking lane has no room.
    pub(super) fn offer(&self, tracked: &Arc<Tracked>) -> Option<Receipt> {
        let mut after = After::default();
        let mut core = self.lane.lock();
        let (cost, terminal) = (tracked.event.cost(), tracked.event.terminal);
        if self.lane.is_blocking() && !self.lane.has_room(&core, cost, terminal) {
            return None;
        }
        let receipt = Receipt::first(Arc::clone(tracked), Arc::clone(&self.lanes));
        tracked.admitted(0, self.lane.offer(&mut core, tracked, &mut after));
        drop(core);
        after.run(&self.lanes);
        Some(receipt)
    }

    pub(super) fn emit(&self, n: usize) -> Vec<Receipt> {
        (0..n).map(|_| self.offer(&self.event(None, None, false, 0)).unwrap()).collect()
    }

    pub(super) fn step(&mut self, force: bool) -> Step {
        let step = self.control.step(self.lane.now(), force);
        if let Step::Deliver(call, _) = &step {
            self.call = *call;
        }
        step
    }

    /// Answers the last call.
    pub(super) fn answer(&mut self, answers: Answers) {
        self.answer_call(self.call, answers);
    }

    pub(super) fn answer_call(&mut self, call: u64, answers: Answers) {
        self.control.answer(call, answers, self.lane.now());
    }

    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(super) fn records(&mut self) -> Vec<StateRecord> {
        self.control.take_records()
    }

    /// Delivers until the lane waits or ends, answering by `answer`; how many batches there were.
    pub(super) fn run(&mut self, force: bool, mut answer: impl FnMut(&[Envelope]) -> Answers) -> usize {
        let mut batches = 0;
        let mut idle = 0;
        loop {
            match self.step(force) {
                Step::Deliver(_, batch) => {
                    batches += 1;
                    assert!(batches < 100_000, "the lane delivers for ever");
                    idle = 0;
                    let answers = answer(&batch);
                    // As a courier does, so that the lane may put the next envelopes in the memory of these.
                    drop(batch);
                    self.answer(answers);
                }
                Step::Wait(Some(at), _) if at <= self.lane.now() => {
                    idle += 1;
                    assert!(idle < 10, "the lane asks to be asked at once, for ever");
                }
                Step::Wait(..) | Step::Done => return batches,
            }
        }
    }

    /// Shuts the lane down with a sink that answers by `answer`.
    pub(super) fn close(&mut self, answer: impl FnMut(&[Envelope]) -> Answers) {
        self.lane.ask(Ask::Close(Instant::NEVER));
        self.run(true, answer);
        self.lane.ask(Ask::Close(self.lane.now()));
        assert!(matches!(self.step(true), Step::Done));
    }
}

/// What the product's own verifier says of these lines.
pub(super) fn judge(lines: &[impl AsRef<[u8]>]) -> verify::Report {
    judge_with(lines, &[])
}

/// The same, with further keys.
pub(super) fn judge_with(lines: &[impl AsRef<[u8]>], keys: &[(&str, &[u8])]) -> verify::Report {
    let mut options = verify::Options::default();
    for (id, key) in keys {
        options.keys.push(verify::TrustedKey::new(*id, VerifyingKey::hmac(key).unwrap()));
    }
    options.keys.push(verify::TrustedKey::new("k", VerifyingKey::hmac(&KEY).unwrap()));
    let mut verifier = verify::Verifier::new(options);
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(line.as_ref());
        text.push(b'\n');
    }
    verifier.read(&mut &*text, "sink").unwrap();
    verifier.finish().unwrap()
}

pub(super) fn outcome(receipt: &Receipt) -> Admission {
    receipt.lanes().next().unwrap().1
}
