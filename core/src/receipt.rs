//! Receipts: what became of one event in each lane.
//!
//! Guarantees: every lane that took the event ends it once, as `delivered`, `lost` or `uncertain`; whoever waits is
//! told exactly once; waiting costs only memory; no wait outlives the emitter.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::event::EventId;
pub use crate::lane::{Admission, EndState, Ending, Sealed, Stage};
use crate::lane::{Lane, Tracked};
use crate::patience::{self, Bell, Waited};
use crate::seam::fork::Process;
use crate::sync::{Mutex, lock};

/// What `emit` returns.
pub struct Receipt {
    tracked: Arc<Tracked>,
    lanes: Arc<[Arc<Lane>]>,
    /// The process that emitted. In a forked child nothing moves the receipt on, and its locks may be held for ever.
    process: Process,
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        self.tracked.watch();
        Self { tracked: Arc::clone(&self.tracked), lanes: Arc::clone(&self.lanes), process: self.process }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.tracked.unwatch();
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("id", &self.id())
            .field("lanes", &self.lanes().collect::<Vec<_>>())
            .finish()
    }
}

impl Receipt {
    /// The receipt that a new event is counted with: endings are kept only for receipts.
    pub(crate) fn first(tracked: Arc<Tracked>, lanes: Arc<[Arc<Lane>]>) -> Self {
        Self { tracked, lanes, process: Process::this() }
    }

    /// The lanes, each with its index and what it did with the event when it was emitted.
    pub(crate) fn admissions(&self) -> impl Iterator<Item = (usize, &Arc<Lane>, Admission)> {
        self.lanes.iter().enumerate().map(|(i, lane)| (i, lane, self.tracked.admission(i)))
    }

    /// The event, as it was frozen.
    pub(crate) fn event(&self) -> &crate::event::Event {
        &self.tracked.event
    }

    /// The event's id as it is sealed, the same in every lane.
    #[must_use]
    pub fn id(&self) -> &EventId {
        &self.tracked.event.id
    }

    /// What each lane did with it when it was emitted, in the order of the lanes.
    pub fn lanes(&self) -> impl Iterator<Item = (&str, Admission)> {
        self.admissions().map(|(_, lane, admission)| (lane.id(), admission))
    }

    /// How many queued events each lane evicted for this one; lanes that evicted none are left out.
    pub fn evicted(&self) -> impl Iterator<Item = (&str, u32)> {
        let lanes = self.lanes.iter().enumerate();
        let evicted = lanes.map(|(i, lane)| (lane.id(), self.tracked.evicted(i)));
        evicted.filter(|(_, evicted)| *evicted > 0)
    }

    /// The salt of a content part, with which the host can prove what the part said; `None` before the event is sealed,
    /// or if there is no such part.
    #[must_use]
    pub fn salt(&self, part: usize) -> Option<[u8; 16]> {
        self.tracked.prepared.get()?.as_ref()?.content.as_ref()?.salt(part).copied()
    }

    /// Whether the stage is reached.
    #[must_use]
    pub fn reached(&self, stage: Stage) -> bool {
        self.tracked.reached(stage)
    }

    /// Whether the receipt belongs to the process that this one was forked from.
    fn is_inherited(&self) -> bool {
        !self.process.is_this()
    }

    /// How the event ended in each lane, in the order of the lanes; `None` where it has not ended.
    #[must_use]
    pub fn endings(&self) -> Vec<(&str, Option<Ending>)> {
        let tracked = &self.tracked;
        let inherited = self.is_inherited();
        let all = self.admissions();
        all.map(|(i, lane, admission)| {
            let ending = match admission {
                Admission::Enqueued if inherited => None,
                Admission::Enqueued => tracked.ending(i),
                Admission::Filtered => Some(Ending {
                    state: EndState::Filtered,
                    reason: None,
                    sealed: None,
                    when: tracked.event.time,
                }),
                Admission::Dropped(reason) => Some(Ending {
                    state: EndState::Lost,
                    reason: Some(reason.name()),
                    sealed: None,
                    when: tracked.event.time,
                }),
            };
            (lane.id(), ending)
        })
        .collect()
    }

    /// Calls `done` once, when the stage is reached or the emitter has ended; at once if it already is.
    /// `done` runs on a lane's thread and must not block.
    ///
    /// # Errors
    /// `unsupported`: no lane that took the event is durable, for `journaled`; or the receipt belongs to the process
    /// that this one was forked from.
    pub fn on(&self, stage: Stage, done: impl FnOnce() + Send + 'static) -> Result<()> {
        self.check(stage)?;
        if self.reached(stage) {
            done();
            return Ok(());
        }
        // As long as somebody waits, a receipt must exist, so that endings are kept.
        let receipt = self.clone();
        let waiter = Box::new(move || {
            crate::reentry::inside(done);
            drop(receipt);
        });
        match self.tracked.wait(stage, waiter) {
            // The stage was reached meanwhile.
            Some(waiter) => waiter(),
            None => self.hurry(),
        }
        Ok(())
    }

    /// Waits until the stage is reached.
    ///
    /// # Errors
    /// `timeout`; `unsupported` as in [`on`](Self::on); `journal` when a durable lane ended the event
    /// without having it on disk.
    pub fn wait(&self, stage: Stage, timeout: Duration) -> Result<()> {
        self.wait_while(stage, timeout, &mut || true)
    }

    /// As [`wait`](Self::wait), but calls `go_on` ten times a second, for hosts whose waits can be interrupted. When
    /// `go_on` answers `false`, the wait ends as with a timeout.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while(&self, stage: Stage, timeout: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<()> {
        self.check(stage)?;
        let waiting = (stage == Stage::Journaled).then(patience::waiting);
        if waiting.as_ref().is_some_and(|waiting| waiting.look(timeout, || self.reached(stage))) {
            return self.check_journaled(stage);
        }
        let bell = Arc::new(Bell::default());
        let told = Arc::clone(&bell);
        self.on(stage, move || told.ring())?;
        if bell.wait(timeout, go_on) != Waited::Rung {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "not {} within {timeout:?} in {}; the event is still on its way there, and health() says how the \
                     sink is",
                    match stage {
                        Stage::Journaled => "journaled",
                        Stage::Delivered => "delivered",
                    },
                    self.awaited()
                ),
            ));
        }
        self.check_journaled(stage)
    }

    /// The lanes in which the event has not ended.
    fn awaited(&self) -> String {
        let lanes: Vec<String> = self
            .endings()
            .into_iter()
            .filter(|(_, ending)| ending.is_none())
            .map(|(lane, _)| format!("lane {lane:?}"))
            .collect();
        if lanes.is_empty() { "every lane".to_owned() } else { lanes.join(", ") }
    }

    /// An error if the stage is `journaled` and a durable lane ended the event without having it on disk.
    ///
    /// # Errors
    /// `journal`.
    pub fn check_journaled(&self, stage: Stage) -> Result<()> {
        if self.is_inherited() {
            return Ok(());
        }
        if stage == Stage::Journaled {
            if self.tracked.journal_failed() {
                return Err(Error::journal(
                    "the journal failed before the event was on disk; it is still being delivered from memory",
                ));
            }
            for (i, lane, admission) in self.admissions() {
                if admission == Admission::Enqueued && self.tracked.ended_unwritten(i) {
                    let reason = self.tracked.ending(i).and_then(|ending| ending.reason);
                    return Err(Error::journal(format!(
                        "the event ended before it was on disk: {}",
                        reason.unwrap_or_default()
                    ))
                    .at(lane.id()));
                }
            }
        }
        Ok(())
    }

    fn check(&self, stage: Stage) -> Result<()> {
        if self.is_inherited() {
            return Err(Error::unsupported(
                "this receipt is of the process that this one was forked from: it can be awaited only there",
            ));
        }
        let durable =
            self.admissions().any(|(_, lane, admission)| lane.durable() && admission == Admission::Enqueued);
        if stage == Stage::Journaled && !durable {
            return Err(Error::unsupported(
                "no durable lane took this event; set journal.dir, and durable: true on a lane",
            ));
        }
        Ok(())
    }

    /// Has the lanes that linger deliver at once, as somebody waits.
    pub(crate) fn hurry(&self) {
        for (_, lane, admission) in self.admissions() {
            if admission == Admission::Enqueued {
                lane.hurry();
            }
        }
    }
}

/// Waiting for a stage, without a thread and on any executor. Nothing limits the wait but the end of the emitter: a limit is
/// the executor's (`tokio::time::timeout`).
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Reached {
    receipt: Receipt,
    stage: Stage,
    /// Set once it has been polled.
    told: Option<Arc<Mutex<Told>>>,
}

#[derive(Debug)]
enum Told {
    /// Whom to wake.
    Waiting(Waker),
    Done,
}

impl Receipt {
    /// Resolves when every durable lane that took the event has it on disk.
    ///
    /// The future gives `unsupported` as [`on`](Self::on) does, and `journal` when a durable lane ended the event without
    /// having it on disk.
    pub fn journaled(&self) -> Reached {
        Reached { receipt: self.clone(), stage: Stage::Journaled, told: None }
    }

    /// Resolves when every lane that took the event has ended it; [`endings`](Self::endings) then says how.
    ///
    /// The future gives `unsupported` as [`on`](Self::on) does.
    pub fn delivered(&self) -> Reached {
        Reached { receipt: self.clone(), stage: Stage::Delivered, told: None }
    }
}

impl Future for Reached {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let told = match &self.told {
            Some(told) => Arc::clone(told),
            None => {
                let told = Arc::new(Mutex::new(Told::Waiting(context.waker().clone())));
                let tell = Arc::clone(&told);
                self.receipt.on(self.stage, move || {
                    let before = std::mem::replace(&mut *lock(&tell), Told::Done);
                    if let Told::Waiting(waker) = before {
                        waker.wake();
                    }
                })?;
                self.told.insert(told).clone()
            }
        };
        let mut told = lock(&told);
        match &mut *told {
            Told::Done => Poll::Ready(self.receipt.check_journaled(self.stage)),
            Told::Waiting(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
        }
    }
}

/// `receipt.await`: [`delivered`](Receipt::delivered), and then the receipt itself, to ask for its endings.
///
/// ```
/// # fn main() -> sinkwell::Result<()> {
/// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
/// # let config = sinkwell::config::Config::load(
/// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
/// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
/// use sinkwell::{Emitter, Event, receipt::EndState};
///
/// async fn search(emitter: &Emitter) -> sinkwell::Result<()> {
///     let event = Event::new("tool.invocation").with("tool", "search").with("outcome", "ok");
///     let receipt = event.emit_to(emitter)?.await?;
///     let (lane, ending) = &receipt.endings()[0];
///     assert_eq!((*lane, ending.as_ref().unwrap().state), ("memory", EndState::Delivered));
///     Ok(())
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(search(&emitter))
/// # }
/// ```
impl IntoFuture for Receipt {
    type Output = Result<Self>;
    type IntoFuture = Settled;

    fn into_future(self) -> Settled {
        Settled(self.delivered())
    }
}

/// What `receipt.await` awaits.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Settled(Reached);

impl Future for Settled {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Receipt>> {
        Pin::new(&mut self.0).poll(context).map_ok(|()| self.0.receipt.clone())
    }
}
