//! Gives what came to the sink, and says what became of it.
//!
//! Guarantees: batches of one stream are given on in their order, and answered in it. A sink that cannot take anything
//! now is asked again until it can; meanwhile nothing is acknowledged, and peers wait. An envelope that the sink refuses
//! for good is refused by itself.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch as signal};

use super::Shared;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::sink::{Answer, Answers, Attached, Envelope, Failure, Sink};
use crate::sinks::stream::compact::Rebuilt;
use crate::sync::lock;

/// Batches that are given to the sink together.
const TOGETHER: usize = 64;
/// Batches that wait for the sink at most, of all streams.
const WAITING: usize = 256;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What has come, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Envelopes that are acknowledged.
    pub envelopes: u64,
    /// Batches.
    pub batches: u64,
    /// Bytes of their lines.
    pub bytes: u64,
    /// Envelopes that the sink refused.
    pub refused: u64,
    /// Times that the sink could take nothing.
    pub waited: u64,
    /// Envelopes that failed verification.
    pub findings: u64,
}

/// Which of a batch are refused, and why.
pub(super) type Refused = Vec<(usize, String)>;
/// Is told what became of a batch.
pub(super) type Done = Box<dyn FnOnce(Refused) + Send>;

/// A batch on its way to the sink.
pub(super) struct Job {
    pub(super) lines: Vec<Rebuilt>,
    /// Told what was refused, in order of the jobs of one stream.
    pub(super) done: Done,
    /// Its bytes count as pending until it is done.
    pub(super) room: OwnedSemaphorePermit,
}

/// Where jobs are put.
pub(super) type Door = mpsc::Sender<Job>;

/// The thread that owns the sink.
#[derive(Debug)]
pub(super) struct Writer {
    thread: std::thread::JoinHandle<()>,
    totals: Shared<Totals>,
    stop: signal::Sender<bool>,
}

impl Writer {
    pub(super) fn start(mut sink: Box<dyn Sink>, watch: Option<Watch>) -> Result<(Self, Door)> {
        let (door, jobs) = mpsc::channel(WAITING);
        let (stop, stopped) = signal::channel(false);
        let totals = Shared::<Totals>::default();
        let counts = Shared::clone(&totals);
        let thread = std::thread::Builder::new()
            .name("intake-writer".to_owned())
            .spawn(move || {
                sink.attach(&Attached { id: "intake", timeout: Duration::from_secs(10) });
                let mut owner = Owner { sink, watch, totals: counts, stopped, failing: false };
                owner.run(jobs);
            })
            .map_err(|e| Error::internal(format!("no thread for the sink: {e}")))?;
        Ok((Self { thread, totals, stop }, door))
    }

    pub(super) fn totals(&self) -> Totals {
        *lock(&self.totals)
    }

    /// Waits until everything that is ready is given on; what the sink does not take within the limit is given up: its
    /// peers still have it.
    pub(super) fn stop(self, limit: Duration) -> Totals {
        let watch = crate::seam::Stopwatch::start();
        while !self.thread.is_finished() && watch.left(limit) > Duration::ZERO {
            crate::seam::pause(Duration::from_millis(5));
        }
        let _ = self.stop.send(true);
        // A sink that hangs is left alone: what it holds is not acknowledged.
        let watch = crate::seam::Stopwatch::start();
        while !self.thread.is_finished() && watch.left(Duration::from_secs(1)) > Duration::ZERO {
            crate::seam::pause(Duration::from_millis(5));
        }
        *lock(&self.totals)
    }
}

struct Owner {
    sink: Box<dyn Sink>,
    watch: Option<Watch>,
    totals: Shared<Totals>,
    stopped: signal::Receiver<bool>,
    failing: bool,
}

impl Owner {
    /// Until nobody can put anything through the door any more.
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut ready = Vec::new();
        while let Some(job) = jobs.blocking_recv() {
            ready.push(job);
            while ready.len() < TOGETHER
                && let Ok(job) = jobs.try_recv()
            {
                ready.push(job);
            }
            if !self.deliver(std::mem::take(&mut ready)) {
                return;
            }
        }
        let _ = self.sink.flush();
        if let Some(watch) = &mut self.watch {
            lock(&self.totals).findings += watch.finish();
        }
    }

    /// `false`: it was stopped before the sink took them.
    fn deliver(&mut self, jobs: Vec<Job>) -> bool {
        let mut batch = Vec::new();
        let mut places = Vec::new();
        let mut refused: Vec<Refused> = vec![Vec::new(); jobs.len()];
        for (number, job) in jobs.iter().enumerate() {
            for (at, line) in job.lines.iter().enumerate() {
                match line {
                    Rebuilt::Envelope(envelope, _) => {
                        batch.push(envelope.clone());
                        places.push((number, at));
                    }
                    Rebuilt::Other(_) => refused[number].push((at, "it is no envelope".to_owned())),
                }
            }
        }
        let Some(answers) = self.settle(&batch) else { return false };
        if let Some(watch) = &mut self.watch {
            let lines = jobs.iter().flat_map(|job| &job.lines);
            let findings = lines.map(|line| match line {
                Rebuilt::Envelope(envelope, signature) => watch.see(envelope, signature.as_ref()),
                Rebuilt::Other(_) => 0,
            });
            let findings = findings.sum::<u64>();
            lock(&self.totals).findings += findings;
        }
        for (failure, (number, at)) in answers.into_iter().zip(places) {
            refused[number].extend(failure.map(|failure| (at, failure.summary)));
        }
        for (job, mut refused) in jobs.into_iter().zip(refused) {
            refused.sort_unstable();
            let mut totals = lock(&self.totals);
            totals.batches += 1;
            totals.envelopes += (job.lines.len() - refused.len()) as u64;
            totals.refused += refused.len() as u64;
            totals.bytes += job.lines.iter().map(|line| line.line().len() as u64 + 1).sum::<u64>();
            drop(totals);
            (job.done)(refused);
            drop(job.room);
        }
        true
    }

    /// What the sink says of each for good: refused, or not. `None`: stopped before.
    fn settle(&mut self, batch: &[Envelope]) -> Option<Vec<Option<Failure>>> {
        let mut settled: Vec<Option<Option<Failure>>> = vec![None; batch.len()];
        let mut wait = FIRST_WAIT;
        loop {
            let open: Vec<usize> = (0..batch.len()).filter(|&at| settled[at].is_none()).collect();
            let rest: Vec<Envelope> = open.iter().map(|&at| batch[at].clone()).collect();
            let Some(why) = self.attempt(&rest, &open, &mut settled) else { break };
            // Not yet: nothing is acknowledged, so peers keep what they have.
            if !std::mem::replace(&mut self.failing, true) {
                crate::diagnostics::warn(&format!(
                    "the intake's sink takes nothing, so nothing is acknowledged: {}",
                    why.summary
                ));
            }
            lock(&self.totals).waited += 1;
            let watch = crate::seam::Stopwatch::start();
            while watch.left(wait) > Duration::ZERO {
                if *self.stopped.borrow() {
                    return None;
                }
                crate::seam::pause(watch.left(wait).min(Duration::from_millis(20)));
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        if std::mem::take(&mut self.failing) {
            crate::diagnostics::warn("the intake's sink works again");
        }
        Some(settled.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Gives these to the sink; the failure if some of them are to be tried again.
    fn attempt(
        &mut self,
        rest: &[Envelope],
        open: &[usize],
        settled: &mut [Option<Option<Failure>>],
    ) -> Option<Failure> {
        if rest.is_empty() {
            return None;
        }
        match self.sink.deliver(rest) {
            Answers::Acknowledged => open.iter().for_each(|&at| settled[at] = Some(None)),
            Answers::Retry(failure, _) | Answers::Gone(failure) => return Some(failure),
            Answers::RefusedBatch(failure) if rest.len() == 1 => settled[open[0]] = Some(Some(failure)),
            Answers::RefusedBatch(_) => {
                let (left, right) = rest.split_at(rest.len() / 2);
                let (open_left, open_right) = open.split_at(rest.len() / 2);
                let first = self.attempt(left, open_left, settled);
                return first.or(self.attempt(right, open_right, settled));
            }
            // Which of them it means nobody knows: whoever sent them declares all of them.
            Answers::Partial { failure, .. } => {
                open.iter().for_each(|&at| settled[at] = Some(Some(failure.clone())));
            }
            Answers::Each(each) => {
                let mut again = None;
                for (answer, &at) in each.into_iter().zip(open) {
                    match answer {
                        Answer::Acknowledged => settled[at] = Some(None),
                        Answer::Refused(failure) | Answer::Uncertain(failure) => {
                            settled[at] = Some(Some(failure));
                        }
                        Answer::Retry(failure, _) => again = Some(failure),
                    }
                }
                return again;
            }
        }
        None
    }
}
