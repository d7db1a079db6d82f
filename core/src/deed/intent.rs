//! An intent on its way to safety.

use std::sync::Arc;
use std::time::Duration;

use super::result::{Deed, End, Outcome};
use super::{Terms, Until};
use crate::emitter::{Attempt, Emitter, Wait, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventInput, Phase};
use crate::lane::{Admission, Aim, EndState, Ending, Follow, Lane, Stage};
use crate::patience::{self, Bell, Waited};
use crate::receipt::Receipt;
use crate::reentry;
use crate::seam::Instant;
use crate::seam::fork::Process;
use crate::sink::SinkClass;
use crate::sync::{Mutex, lock};

/// What [`Emitter::intend`] came to.
#[derive(Debug)]
pub enum Intended {
    /// The intent is in its lanes.
    Entered(Intent),
    /// A blocking lane has no room, and the intent is in no lane. As with [`Attempt::NoRoom`].
    NoRoom(Duration),
}

/// An intent in its lanes. Whoever holds it waits until [`is_settled`](Self::is_settled), or as long as it wants, and
/// then calls [`Emitter::act`], always: an intent that is only dropped stays unfinished.
pub struct Intent {
    receipt: Receipt,
    until: Until,
    watch: Option<Arc<Watch>>,
    timeout: Duration,
    manual: bool,
    disabled: bool,
    /// When it was emitted.
    at: Instant,
    process: Process,
}

impl std::fmt::Debug for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intent").field("receipt", &self.receipt).field("until", &self.until).finish()
    }
}

impl Emitter {
    /// Seals an intent and lets it enter its lanes. For bindings; see [`Emitter::deed`].
    ///
    /// # Errors
    /// Those of `emit`; `invalid_argument` where this thread may not wait, or where `terms` ask for what no lane can
    /// give. The intent is then in no lane.
    pub fn intend(&self, mut input: EventInput<'_>, terms: Terms, waiter: &dyn Waiter) -> Result<Intended> {
        check_outside(waiter)?;
        self.check_intent(&input)?;
        let waiter = AtMost { waiter, limit: terms.timeout };
        let at = self.now();
        let required = self.required();
        self.check_terms(terms, &required)?;
        let watch = (terms.until != Some(Until::Enqueued) && !required.is_empty())
            .then(|| Arc::new(Watch::new(&required, self)));
        let follow = watch.clone().map(|watch| watch as Arc<dyn Follow>);
        let aim = Aim { lanes: &|_| true, follow };
        let receipt = match self.enter(&mut input, Some(Phase::Intent), &waiter, Some(&aim))? {
            Attempt::Accepted(receipt) => receipt,
            Attempt::NoRoom(limit) => return Ok(Intended::NoRoom(limit)),
        };
        let durable = receipt
            .admissions()
            .any(|(_, lane, admission)| lane.durable() && admission != Admission::Filtered);
        let until = terms.until.unwrap_or(if durable {
            Until::Journaled
        } else if watch.is_some() {
            Until::Delivered
        } else {
            Until::Enqueued
        });
        if let Some(watch) = &watch {
            watch.entered_all();
        }
        let watch = watch.filter(|_| until == Until::Delivered);
        let (manual, disabled) = (self.is_manual(), self.is_disabled());
        let intent = Intent {
            receipt,
            until,
            watch,
            timeout: terms.timeout,
            manual,
            disabled,
            at,
            process: Process::this(),
        };
        self.drain_for(&intent);
        Ok(Intended::Entered(intent))
    }

    /// Lets the deed begin, if its intent is safe now; else the act must not run.
    ///
    /// # Errors
    /// Why not: `required_sink_unavailable`, `journal`, `backpressure`, `timeout`, `unsupported`; `invalid_argument` in a
    /// process that was forked meanwhile. A result with the outcome `refused` was then sealed, if a lane had room for it.
    pub fn act(&self, intent: Intent) -> Result<Deed> {
        match intent.judge().and_then(|()| if intent.disabled { Ok(()) } else { self.ensure_ready() }) {
            // The time counts that the act takes.
            Ok(()) => Ok(Deed::new(intent.receipt, self.now(), intent.process)),
            Err(error) => {
                self.refuse_deed(intent, error.kind().name());
                Err(error)
            }
        }
    }

    /// Gives an intent up that nobody waits for any more; `why` is the `error.type` of the result `refused`.
    pub fn withdraw(&self, intent: Intent) {
        self.refuse_deed(intent, "cancelled");
    }

    fn refuse_deed(&self, intent: Intent, why: &str) {
        let mut deed = Deed::new(intent.receipt, intent.at, intent.process);
        let end = End { outcome: Outcome::Refused, error_type: Some(why) };
        // The caller hears why the act does not run. That this could not be sealed, too, is counted by the emitter, and
        // the intent stays unfinished.
        drop(self.end_deed(&mut deed, end, &Wait::Never));
    }

    /// Refuses what no intent can hold.
    fn check_intent(&self, input: &EventInput<'_>) -> Result<()> {
        let named = match input.data {
            crate::event::Data::Object(writer) => {
                writer.finish().is_ok_and(|data| data.get("outcome").is_some())
            }
            crate::event::Data::Json(text) => {
                crate::json::parse(text).is_ok_and(|data| data.get("outcome").is_some())
            }
            crate::event::Data::None => false,
        };
        if named {
            let error = Error::invalid_event("an intent has no outcome; give it to the deed's result");
            return Err(error.at("data.outcome"));
        }
        Ok(())
    }

    /// Refuses terms that this emitter can never meet.
    fn check_terms(&self, terms: Terms, required: &[SinkClass]) -> Result<()> {
        match terms.until {
            _ if self.is_disabled() => Ok(()),
            Some(Until::Delivered) if required.is_empty() => Err(Error::invalid_argument(
                "governance requires no class of sinks, so nothing says which sink must have the intent; name one under governance.required_sinks",
            )
            .at("until")),
            Some(Until::Journaled) if !self.lanes().iter().any(|lane| lane.durable()) => {
                Err(Error::unsupported("no lane is durable; set journal.dir, and durable: true on a lane")
                    .at("until"))
            }
            _ => Ok(()),
        }
    }

    /// On a manual emitter: delivers what the lanes hold that the intent waits for.
    fn drain_for(&self, intent: &Intent) {
        if !intent.manual {
            return;
        }
        for (_, lane, admission) in intent.receipt.admissions() {
            let asked = match intent.until {
                Until::Journaled => lane.durable(),
                Until::Delivered => self.required().iter().any(|class| lane.classes().contains(class)),
                Until::Enqueued => false,
            };
            if asked && admission == Admission::Enqueued {
                // If it is being drained already, the intent is not safe, and the deed says so.
                drop(self.drain(lane.id()));
            }
        }
    }
}

impl Intent {
    /// The intent's id as it is sealed.
    #[must_use]
    pub fn id(&self) -> String {
        self.receipt.id().to_string()
    }

    /// The longest that the act may be held up.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether there is nothing more to wait for: the intent is safe, or cannot become so.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.until {
            _ if self.manual || self.disabled => true,
            Until::Enqueued => true,
            Until::Journaled => self.receipt.reached(Stage::Journaled),
            Until::Delivered => self.watch.as_ref().is_none_or(|watch| watch.standing() != Standing::Open),
        }
    }

    /// Calls `done` once: when the intent is settled, or the emitter has ended; at once if it is settled. It runs on a
    /// lane's thread, perhaps under the lane's lock, and must not wait for anything.
    pub fn on_settled(&self, done: impl FnOnce() + Send + 'static) {
        if self.is_settled() {
            return done();
        }
        match (&self.watch, self.until) {
            (Some(watch), Until::Delivered) => {
                watch.tell(Box::new(done));
                self.receipt.hurry();
            }
            _ => {
                let done = Arc::new(Mutex::new(Some(done)));
                let call = Arc::clone(&done);
                let tell = move || {
                    if let Some(done) = lock(&call).take() {
                        done();
                    }
                };
                if self.receipt.on(Stage::Journaled, tell).is_err()
                    && let Some(done) = lock(&done).take()
                {
                    // There is nothing to wait for: `act` says why.
                    done();
                }
            }
        }
    }

    /// Waits until it is settled, its time is over, or `go_on`, called ten times a second, answers `false`: then, so does
    /// this.
    pub fn wait(&self, left: Duration, go_on: &mut dyn FnMut() -> bool) -> bool {
        if self.is_settled() {
            return true;
        }
        let waiting = (self.until == Until::Journaled).then(patience::waiting);
        if waiting.as_ref().is_some_and(|waiting| waiting.look(left, || self.is_settled())) {
            return true;
        }
        let bell = Arc::new(Bell::default());
        let told = Arc::clone(&bell);
        self.on_settled(move || told.ring());
        bell.wait(left, go_on) != Waited::GivenUp
    }

    #[cfg(test)]
    pub(super) fn pretend_of(&mut self, process: Process) {
        self.process = process;
    }

    /// What is left of its time.
    pub(super) fn left(&self, emitter: &Emitter) -> Duration {
        self.timeout.saturating_sub(emitter.now().since(self.at))
    }

    /// Whether the intent is safe.
    fn judge(&self) -> Result<()> {
        if self.disabled {
            return Ok(());
        }
        if !self.process.is_this() {
            return Err(Error::invalid_argument(
                "the process was forked while the intent was on its way; its parent's is the act. Begin another deed here",
            ));
        }
        let mut entered =
            self.receipt.admissions().filter(|(.., admission)| *admission == Admission::Enqueued);
        if entered.next().is_none() {
            return Err(self.entered_nothing());
        }
        match self.until {
            Until::Enqueued => Ok(()),
            Until::Journaled => {
                let lost = self.receipt.admissions().find(|(_, lane, admission)| {
                    lane.durable() && matches!(admission, Admission::Dropped(_))
                });
                if let Some((_, lane, admission)) = lost {
                    return Err(not_taken(admission).at(lane.id()));
                }
                if !self.receipt.admissions().any(|(_, lane, admission)| {
                    lane.durable() && admission == Admission::Enqueued
                }) {
                    return Err(Error::unsupported("no durable lane took the intent; the act did not run"));
                }
                if !self.receipt.reached(Stage::Journaled) {
                    return Err(self.late("on disk", ErrorKind::Journal));
                }
                self.receipt.check_journaled(Stage::Journaled)
            }
            Until::Delivered => match self.watch.as_ref().map_or(Standing::Safe, |watch| watch.standing()) {
                Standing::Safe => Ok(()),
                Standing::Open => Err(self.late("acknowledged", ErrorKind::RequiredSinkUnavailable)),
                Standing::Lost(class) => Err(Error::new(
                    ErrorKind::RequiredSinkUnavailable,
                    format!(
                        "no sink of class {} took the intent; the act did not run. Mend the sink, and try again",
                        class.name()
                    ),
                )
                .at("governance.required_sinks")),
            },
        }
    }

    fn late(&self, what: &str, manual: ErrorKind) -> Error {
        let endings = self.receipt.endings();
        let lanes: Vec<&str> = self
            .receipt
            .admissions()
            .filter(|(i, lane, _)| {
                self.waits_for(*i, lane) && endings.get(*i).is_some_and(|(_, end)| end.is_none())
            })
            .map(|(_, lane, _)| lane.id())
            .collect();
        if self.manual {
            let what = format!("draining did not get the intent {what}; the act did not run");
            return Error::new(manual, what).at(lanes.join(", "));
        }
        Error::new(
            ErrorKind::Timeout,
            format!(
                "the intent was not {what} within {:?}; the act did not run. health() says how the sinks are",
                self.timeout
            ),
        )
        .at(lanes.join(", "))
    }

    /// Whether that lane's word is one that it waits for.
    fn waits_for(&self, i: usize, lane: &Lane) -> bool {
        match self.until {
            Until::Journaled => lane.durable(),
            Until::Delivered => self.watch.as_ref().is_some_and(|watch| watch.waits_for(i)),
            Until::Enqueued => false,
        }
    }

    fn entered_nothing(&self) -> Error {
        match self.receipt.admissions().find(|(.., admission)| matches!(admission, Admission::Dropped(_))) {
            Some((_, lane, admission)) => not_taken(admission).at(lane.id()),
            None => Error::invalid_argument(
                "the emitter has no lane that takes the intent; the act did not run. Add a lane",
            ),
        }
    }
}

fn not_taken(admission: Admission) -> Error {
    Error::new(ErrorKind::Backpressure, format!("the intent was {admission}; the act did not run"))
}

/// In no form may a deed be inside a sink.
fn check_outside(waiter: &dyn Waiter) -> Result<()> {
    if reentry::is_inside() || waiter.may_wait() == Wait::Inside {
        return Err(Error::invalid_argument(
            "a deed inside a sink would wait for that sink; emit an event instead, which does not wait",
        ));
    }
    Ok(())
}

/// Whether this thread may be held up by a deed.
pub(super) fn check_thread(waiter: &dyn Waiter) -> Result<()> {
    check_outside(waiter)?;
    if waiter.may_wait() == Wait::Never {
        return Err(Error::invalid_argument(
            "a blocking deed would hold up this thread's event loop; use the awaitable form",
        ));
    }
    Ok(())
}

/// Waits for room as `waiter` does, and no longer than the deed may be held up.
struct AtMost<'a> {
    waiter: &'a dyn Waiter,
    limit: Duration,
}

impl Waiter for AtMost<'_> {
    fn may_wait(&self) -> Wait {
        self.waiter.may_wait()
    }

    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        self.waiter.pause(wait);
    }

    fn at_most(&self) -> Duration {
        self.limit.min(self.waiter.at_most())
    }

    fn when_room(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.waiter.when_room()
    }
}

/// How a deed's wait for required classes stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Safe,
    Lost(SinkClass),
}

/// Hears in which lanes an intent was delivered, for the classes that governance requires.
struct Watch {
    /// Each class, with the lanes that have it.
    classes: Vec<(SinkClass, Vec<usize>)>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// The intent has entered all of its lanes.
    all: bool,
    /// The lanes that took it, and how it ended there.
    lanes: Vec<(usize, Option<EndState>)>,
    done: Option<Box<dyn FnOnce() + Send>>,
}

impl Watch {
    fn new(required: &[SinkClass], emitter: &Emitter) -> Self {
        let lanes = emitter.lanes();
        let having = |class: SinkClass| {
            lanes
                .iter()
                .enumerate()
                .filter(|(_, lane)| lane.classes().contains(&class))
                .map(|(i, _)| i)
                .collect()
        };
        let classes = required.iter().map(|&class| (class, having(class))).collect();
        Self { classes, heard: Mutex::default() }
    }

    fn judge(&self, heard: &Heard) -> Standing {
        let mut standing = if heard.all { Standing::Safe } else { Standing::Open };
        for (class, lanes) in &self.classes {
            let mut of_class = heard.lanes.iter().filter(|(lane, _)| lanes.contains(lane));
            if of_class.clone().any(|(_, end)| *end == Some(EndState::Delivered)) {
                continue;
            }
            if of_class.any(|(_, end)| end.is_none()) || !heard.all {
                standing = Standing::Open;
            } else {
                return Standing::Lost(*class);
            }
        }
        standing
    }

    fn standing(&self) -> Standing {
        self.judge(&lock(&self.heard))
    }

    /// Whether the lane has a class that no sink has acknowledged yet.
    fn waits_for(&self, lane: usize) -> bool {
        let heard = lock(&self.heard);
        let delivered =
            |of: &usize| heard.lanes.iter().any(|(i, end)| i == of && *end == Some(EndState::Delivered));
        self.classes.iter().any(|(_, lanes)| lanes.contains(&lane) && !lanes.iter().any(delivered))
    }

    fn tell(&self, done: Box<dyn FnOnce() + Send>) {
        let mut heard = lock(&self.heard);
        if self.judge(&heard) == Standing::Open {
            heard.done = Some(done);
            return;
        }
        drop(heard);
        done();
    }

    fn entered_all(&self) {
        lock(&self.heard).all = true;
    }
}

impl Follow for Watch {
    fn entered(&self, lane: usize, _durable: bool) {
        lock(&self.heard).lanes.push((lane, None));
    }

    fn journaled(&self, _lane: usize, _written: bool) {}

    fn ended(&self, lane: usize, ending: &Ending) {
        let mut heard = lock(&self.heard);
        if let Some((_, end)) = heard.lanes.iter_mut().find(|(of, _)| *of == lane) {
            *end = Some(ending.state);
        }
        let done = if self.judge(&heard) == Standing::Open { None } else { heard.done.take() };
        drop(heard);
        if let Some(done) = done {
            reentry::inside(done);
        }
    }
}
