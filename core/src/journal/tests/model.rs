//! The store against a plain list, under faults at every file-system call.
//!
//! After a kill or a power failure, whatever failed before, these must hold: every envelope that a sync covered and
//! nobody acknowledged is there, byte for byte and in order; nothing is there that was not appended; after a kill alone
//! everything appended is there; the newest durable head of each agent is known; damage is reported only where no sync
//! covered the data. `SINKWELL_JOURNAL_OPS` sets the number of operations, `SINKWELL_JOURNAL_SEED` the first seed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::support::*;
use crate::journal::{Adopted, AppendError, Journal, Position};
use crate::seam::Fs;
use crate::settings::JournalConfig;
use crate::testing::simfs::{Rng, SimFs};

/// What is known of one sub-journal.
#[derive(Default)]
struct Model {
    /// The envelopes by position - 1. Those of the last append, if that was refused, stand behind `appended`.
    list: Vec<u64>,
    appended: usize,
    /// Up to where a sync is known to have covered it.
    synced: usize,
    /// The highest position anybody tried to acknowledge.
    acknowledged: usize,
    /// Whether a loss of power may have taken what was not synced.
    power_lost: bool,
}

struct Test {
    fs: SimFs,
    rng: Rng,
    config: JournalConfig,
    models: HashMap<PathBuf, Model>,
    journal: Option<Journal>,
    adopted: Vec<Adopted>,
    /// The next envelope to be made.
    next: u64,
    /// Per agent the newest envelope known to be durable.
    durable: [Option<u64>; 3],
    fault_rate: u64,
    counts: HashMap<&'static str, u64>,
}

fn sample(n: u64) -> Sample {
    Sample::new(n, 40 + usize::try_from(n.wrapping_mul(2_654_435_761) % 3000).unwrap())
}

impl Test {
    fn new(seed: u64) -> Self {
        let mut config = config(Path::new("/state"));
        config.budget = 1 << 20;
        Self {
            fs: SimFs::new(seed),
            rng: Rng(seed ^ 0xABCD),
            config,
            models: HashMap::new(),
            journal: None,
            adopted: Vec::new(),
            next: 0,
            durable: [None; 3],
            fault_rate: 60,
            counts: HashMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn step(&mut self) {
        if self.journal.is_none() {
            return self.open();
        }
        self.fs.fail_one_in(if self.rng.one_in(3) { self.fault_rate } else { 0 });
        match self.rng.below(100) {
            0..45 => self.append(),
            45..70 => self.sync(),
            70..85 => self.ack(),
            85..91 => self.replay(),
            91..94 => self.read_back(),
            94..96 => self.crash(false),
            96..98 => self.crash(true),
            98 => self.close(),
            _ => self.drop_journal(),
        }
    }

    fn open(&mut self) {
        self.adopted.clear();
        let faulty = self.rng.one_in(2);
        self.fs.fail_one_in(if faulty { self.fault_rate } else { 0 });
        let fs: Arc<dyn Fs> = Arc::new(self.fs.clone());
        match open_with(fs, &self.config, "audit") {
            Err(e) => {
                assert!(faulty, "{e}");
                assert_eq!(e.kind(), crate::ErrorKind::Journal, "{e}");
                self.count("failed opens");
            }
            Ok((journal, adopted)) => {
                self.fs.fail_one_in(0);
                self.models.insert(journal.path().to_owned(), Model::default());
                for one in &adopted {
                    self.check_adopted(one);
                }
                for (agent, durable) in self.durable.iter().enumerate() {
                    let head = journal.head(&format!("urn:agent:{agent}")).map(|head| head.recordedtime);
                    let durable = durable.map(|n| i64::try_from(n).unwrap());
                    assert!(head >= durable, "agent {agent}: head {head:?}, durable {durable:?}");
                }
                (self.journal, self.adopted) = (Some(journal), adopted);
                self.count("opens");
            }
        }
    }

    fn check_adopted(&mut self, adopted: &Adopted) {
        let failed = self.fs.sync_failed(adopted.path());
        let model = self.models.entry(adopted.path().to_owned()).or_default();
        let mut found = Vec::new();
        let mut last = 0;
        for stored in adopted.records() {
            let stored = stored.unwrap();
            let position = usize::try_from(stored.position.0).unwrap();
            assert!(position > last, "order");
            last = position;
            let n = *model.list.get(position - 1).expect("nothing is invented");
            assert!(sample(n).is(&stored), "bytes");
            found.push(position);
        }
        let must = if model.power_lost { model.synced } else { model.appended };
        let mut there = found.iter().copied().peekable();
        for position in model.acknowledged + 1..=must {
            while there.peek().is_some_and(|&p| p < position) {
                there.next();
            }
            assert_eq!(there.peek(), Some(&position), "lost, of {must} that must be in {adopted:?}");
        }
        for damage in adopted.damage() {
            if let Some((from, to)) = damage.positions {
                let (from, to) = (usize::try_from(from.0).unwrap(), usize::try_from(to.0).unwrap());
                assert!(from > must || to <= model.acknowledged, "{damage:?} of what must be there");
            }
        }
        if !failed {
            // Taking over synced what was found, and nothing more is ever written.
            for &position in &found {
                let n = model.list[position - 1];
                let durable = &mut self.durable[usize::try_from(n % 3).unwrap()];
                *durable = (*durable).max(Some(n));
            }
            let whole = found.len() as u64 + adopted.acknowledged().0;
            if let Some(&last) = found.last().filter(|&&last| whole == last as u64) {
                model.synced = model.synced.max(last);
                model.appended = model.appended.max(last);
            }
        }
    }

    fn append(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        let model = self.models.get_mut(journal.path()).unwrap();
        // What was refused is appended again, as a lane does, and perhaps more with it.
        for _ in 0..self.rng.below(12) {
            model.list.push(self.next);
            self.next += 1;
        }
        let samples: Vec<_> = model.list[model.appended..].iter().map(|&n| sample(n)).collect();
        let records: Vec<_> = samples.iter().map(Sample::record).collect();
        match journal.append(&records) {
            Ok(position) => {
                model.appended = model.list.len();
                assert_eq!(position.0, model.appended as u64);
                self.count("appends");
            }
            Err(AppendError::Full(_)) => self.count("full"),
            Err(AppendError::Failed(_)) => {
                assert!(journal.failure().is_some());
                self.count("failed appends");
                self.drop_journal();
            }
            Err(AppendError::TooLarge(_)) => {
                // So many were refused that they no longer fit into the journal together.
                self.count("too large");
                self.drop_journal();
            }
        }
    }

    fn sync(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        let model = self.models.get_mut(journal.path()).unwrap();
        if let Ok(position) = journal.sync() {
            assert_eq!(position.0, model.appended as u64);
            for &n in &model.list[model.synced..model.appended] {
                self.durable[usize::try_from(n % 3).unwrap()] = Some(n);
            }
            model.synced = model.appended;
            self.count("syncs");
        } else {
            // The failure is final: everything that follows is refused, too.
            self.fs.fail_one_in(0);
            assert!(journal.sync().is_err() && journal.append(&[]).is_err());
            self.count("failed syncs");
            self.drop_journal();
        }
    }

    fn ack(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        let model = self.models.get_mut(journal.path()).unwrap();
        let position = self.rng.below(model.synced as u64 + 1);
        model.acknowledged = model.acknowledged.max(usize::try_from(position).unwrap());
        if journal.ack(Position(position)).is_err() {
            let over = journal.failure().is_some();
            self.count("failed acks");
            if over {
                self.drop_journal();
            }
        }
    }

    /// A lane's replay: acknowledge some of what was adopted, finish what can be.
    fn replay(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        for adopted in &mut self.adopted {
            let model = self.models.get_mut(adopted.path()).unwrap();
            let left = adopted.last().0 - adopted.acknowledged().0;
            let position = adopted.last().0 - self.rng.below(left + 1) * self.rng.below(2);
            model.acknowledged = model.acknowledged.max(usize::try_from(position).unwrap());
            if adopted.ack(Position(position)).is_err() {
                continue;
            }
            if position == adopted.last().0 && adopted.finish(journal).is_ok() {
                *self.counts.entry("finished").or_default() += 1;
            }
        }
        if journal.failure().is_some() {
            self.drop_journal();
        }
    }

    fn read_back(&mut self) {
        self.fs.fail_one_in(0);
        let Some(journal) = &self.journal else { return };
        let model = &self.models[journal.path()];
        let stored: Vec<_> = journal.read_from(Position(0)).unwrap().map(Result::unwrap).collect();
        let kept = &model.list[model.appended - stored.len()..model.appended];
        assert!(stored.len() >= model.appended - model.acknowledged);
        for (stored, &n) in stored.iter().zip(kept) {
            assert!(sample(n).is(stored));
            assert_eq!(model.list[usize::try_from(stored.position.0).unwrap() - 1], n);
        }
        self.count("read back");
    }

    fn crash(&mut self, power: bool) {
        self.count(if power { "power losses" } else { "kills" });
        if power {
            self.fs.lose_power();
            self.models.values_mut().for_each(|model| model.power_lost = true);
        } else {
            self.fs.kill();
        }
        self.journal = None;
        self.adopted.clear();
    }

    fn close(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        let path = journal.path().to_owned();
        self.adopted.clear();
        if journal.close().is_ok() {
            let model = self.models.get_mut(&path).unwrap();
            for &n in &model.list[model.synced..model.appended] {
                self.durable[usize::try_from(n % 3).unwrap()] = Some(n);
            }
            model.synced = model.appended;
            self.count("closes");
        }
    }

    fn drop_journal(&mut self) {
        self.journal = None;
        self.adopted.clear();
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn the_store_is_a_list_whatever_fails() {
    let total = setting("SINKWELL_JOURNAL_OPS", 30_000);
    let first = setting("SINKWELL_JOURNAL_SEED", 1);
    let (mut seed, mut done) = (first, 0);
    let mut counts: HashMap<&'static str, u64> = HashMap::new();
    while done < total {
        let mut test = Test::new(seed);
        let ops = 1000.min(total - done);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..ops {
                test.step();
            }
        }));
        if let Err(panic) = run {
            eprintln!("SINKWELL_JOURNAL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
        for (what, n) in test.counts {
            *counts.entry(what).or_default() += n;
        }
        *counts.entry("faults").or_default() += test.fs.faults();
        done += ops;
        seed += 1;
    }
    eprintln!("{done} operations: {counts:?}");
    for what in
        ["full", "failed appends", "failed syncs", "failed opens", "power losses", "kills", "finished"]
    {
        assert!(total < 10_000 || counts.contains_key(what), "{what} never happened: {counts:?}");
    }
}
