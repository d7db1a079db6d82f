//! Two threads for a lane: one that seals and decides, and one that calls the sink (up to `in_flight` of these, where a
//! repeat does no harm). A signer of the host's has a third, which begins when it is first asked (`key::bounded`).
//!
//! Guarantees: a caller wakes a worker only when that changes what the worker does: for the first event after a pause,
//! a full batch, or a hurry. A sink that hangs blocks only its own thread; a sink's panic counts as an answer.

use std::sync::Arc;
use std::time::Duration;

use super::Lane;
use super::control::{Control, Pause, Step};
use super::core::{Ask, Life, Phase};
use crate::error::{Error, Result};
use crate::reentry;
use crate::seam::Instant;
use crate::sink::{Answers, Envelope, Failure, FailureKind, Sink, on_one_line};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, thread};

/// A worker that wakes so much later than it wanted to was not running meanwhile: the process was stopped, the machine
/// slept, or the clock jumped.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// Calls the sink; a panic counts as a failure that is tried again.
pub(crate) fn deliver(sink: &mut dyn Sink, batch: &[Envelope]) -> Answers {
    reentry::inside(|| sink.deliver(batch))
        .unwrap_or_else(|| Answers::Retry(Failure::new(FailureKind::Panic, "the sink panicked"), None))
}

/// If a host's sink did not take a batch, keeps what the sink says of its health; a built-in sink says it in the
/// failure.
pub(crate) fn keep_own_word(lane: &Lane, sink: &mut dyn Sink, took: bool) {
    if sink.kind() != "host" {
        return;
    }
    let says = if took {
        None
    } else {
        reentry::inside(|| sink.health()).and_then(|health| health.detail).map(on_one_line)
    };
    lane.lock().says = says;
}

#[derive(Default)]
struct Slot {
    batch: Option<(u64, Vec<Envelope>)>,
    stop: bool,
}

/// A thread that calls the sink.
struct Courier {
    slot: Arc<(Mutex<Slot>, Condvar)>,
    /// The number of the call under way.
    call: Option<u64>,
}

impl Courier {
    fn start(lane: Arc<Lane>, mut sink: Box<dyn Sink>) -> Result<Self> {
        let slot: Arc<(Mutex<Slot>, Condvar)> = Arc::default();
        let shared = Arc::clone(&slot);
        lane.lock().couriers += 1;
        spawn(format!("sinkwell-{}-sink", lane.id()), move || {
            loop {
                let batch = {
                    let mut slot = lock(&shared.0);
                    loop {
                        if let Some(batch) = slot.batch.take() {
                            break Some(batch);
                        }
                        if slot.stop {
                            break None;
                        }
                        slot = shared.1.wait(slot).unwrap_or_else(std::sync::PoisonError::into_inner);
                    }
                };
                let Some((call, batch)) = batch else { break };
                let answers = deliver(&mut *sink, &batch);
                let took = answers.all_there();
                // So that the lane is the last to hold the envelopes, and can put others in their memory.
                drop(batch);
                let mut core = lane.lock();
                core.answers.push((call, answers));
                lane.wake(&mut core);
                drop(core);
                keep_own_word(&lane, &mut *sink, took);
            }
            // The sink writes out what it still holds; nobody is left who could be told of a failure.
            let _ = reentry::inside(|| sink.flush());
            drop(sink);
            lane.lock().couriers -= 1;
            lane.shared.room.notify_all();
        })?;
        Ok(Self { slot, call: None })
    }

    fn send(&mut self, call: u64, batch: Vec<Envelope>) {
        self.call = Some(call);
        lock(&self.slot.0).batch = Some((call, batch));
        self.slot.1.notify_one();
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        lock(&self.slot.0).stop = true;
        self.slot.1.notify_one();
    }
}

/// The stack of each of a lane's threads: enough for the deepest `data` that `limits.depth` allows, even in an
/// unoptimized build, and for a host's sink, whose language may need megabytes. The operating system provides pages
/// only as they are touched.
const STACK: usize = 4 << 20;

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<()> {
    // Linux keeps 15 characters of a thread's name.
    thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(run)
        .map(drop)
        .map_err(|e| Error::internal(format!("no thread for a lane: {e}")))
}

pub(crate) fn start(lane: &Arc<Lane>, mut control: Control, sinks: Vec<Box<dyn Sink>>) -> Result<()> {
    let mut couriers = Vec::with_capacity(sinks.len());
    for sink in sinks {
        couriers.push(Courier::start(Arc::clone(lane), sink)?);
    }
    let lane = Arc::clone(lane);
    control.bound_signer();
    spawn(format!("sinkwell-{}", lane.id()), move || {
        let ran = reentry::inside(|| run(&lane, &mut control, &mut couriers));
        if ran.is_none() {
            // A defect of ours: the lane ends, and everybody who waits for it is told.
            crate::diagnostics::warn(&format!(
                "lane {:?} itself panicked, and takes nothing more until the emitter is opened again; please report",
                lane.id()
            ));
            let mut core = lane.lock();
            let failure = Failure::new(FailureKind::Panic, "the lane itself panicked; please report");
            core.health.fail(super::LaneState::Failed, &failure, lane.timeline.unix_nanos());
            let now = lane.now();
            core.take(Ask::Close(now));
            drop(core);
            let _ = reentry::inside(|| control.step(now, false));
            // Even if that last step panicked, too, nobody must wait for a lane that has ended.
            let mut core = lane.lock();
            core.life = Life::Ended;
            core.health.fail(super::LaneState::Failed, &failure, lane.timeline.unix_nanos());
            let waiters = lane.made_room(&mut core);
            lane.shared.room.notify_all();
            drop(core);
            waiters.run();
        }
    })
}

fn run(lane: &Arc<Lane>, control: &mut Control, couriers: &mut [Courier]) {
    loop {
        match control.step(lane.now(), false) {
            Step::Deliver(call, batch) => {
                // There are as many couriers as calls that may be under way.
                if let Some(free) = couriers.iter_mut().find(|courier| courier.call.is_none()) {
                    free.send(call, batch);
                }
            }
            Step::Wait(until, pause) => {
                let answers = sleep(lane, until, pause);
                let now = lane.now();
                if until.is_some_and(|until| now.since(until) > STOOD_STILL) {
                    control.stood_still(now);
                }
                for (call, answers) in answers {
                    couriers.iter_mut().filter(|c| c.call == Some(call)).for_each(|c| c.call = None);
                    control.answer(call, answers, lane.now());
                }
            }
            Step::Done => return,
        }
    }
}

/// Sleeps until `until`, or until something comes that matters; hands over the sink's answers that came.
fn sleep(lane: &Lane, until: Option<Instant>, pause: Pause) -> Vec<(u64, Answers)> {
    let mut core = lane.lock();
    let batch = lane.config.batch;
    // After the last event a worker sleeps one more linger before it counts as idle, so that a steady trickle of events
    // wakes nobody: the next event finds the linger running. Not so a durable lane, which journals each event at once.
    let mut restless = pause == Pause::Idle && !batch.linger.is_zero() && !lane.durable();
    while core.answers.is_empty() && !core.attention {
        let now = lane.now();
        if until.is_some_and(|until| now >= until) {
            break;
        }
        let queued = core.queue.len();
        let full = queued >= batch.events || core.queue.bytes() >= batch.bytes;
        let enough = match pause {
            Pause::Idle => full || ((queued > 0 || !core.dropped.is_empty()) && !restless),
            Pause::Linger => full,
            Pause::Other => false,
        };
        if enough {
            break;
        }
        let left = until.map(|until| until.since(now));
        let left =
            if restless { Some(left.map_or(batch.linger, |left| left.min(batch.linger))) } else { left };
        core.phase = match pause {
            Pause::Idle if !restless => Phase::Idle,
            Pause::Idle | Pause::Linger => Phase::Lingering,
            Pause::Other => Phase::Waiting,
        };
        core = wait(lane, core, left);
        restless = false;
    }
    core.phase = Phase::Busy;
    core.relay.drain(..).for_each(|other| other.shared.work.notify_all());
    std::mem::take(&mut core.answers)
}

fn wait<'a>(
    lane: &'a Lane,
    core: MutexGuard<'a, super::LaneCore>,
    left: Option<Duration>,
) -> MutexGuard<'a, super::LaneCore> {
    match left {
        None => lane.shared.work.wait(core).unwrap_or_else(std::sync::PoisonError::into_inner),
        Some(left) => {
            lane.shared.work.wait_timeout(core, left).unwrap_or_else(std::sync::PoisonError::into_inner).0
        }
    }
}
