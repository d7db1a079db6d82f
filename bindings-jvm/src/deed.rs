//! Deeds: acts that a host does only once their intent is safe. Kotlin waits; every rule is the core's.
//!
//! Guarantee: what is dropped without an end seals one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sinkwell::deed::{Deed, End, Ended, Intended, Intent, Outcome, Terms, Until};
use sinkwell::{Emitter, Error, Result};

use crate::emit::{milliseconds, wait};
use crate::emitter::NativeEmitter;
use crate::error::{Failure, guarded};
use crate::event::with_input;
use crate::mail::Completion;

enum State {
    Intent(Intent),
    Act(Deed),
    Ended,
}

/// A deed, from its intent on.
#[derive(uniffi::Object)]
pub struct NativeDeed {
    emitter: Arc<Emitter>,
    id: String,
    timeout_ms: u64,
    state: Mutex<State>,
}

/// What an attempt to intend came to.
#[derive(uniffi::Enum)]
pub enum Attempted {
    /// The intent is in the lanes.
    Entered {
        /// The deed.
        deed: Arc<NativeDeed>,
    },
    /// A blocking lane has no room.
    NoRoom {
        /// For how many milliseconds the caller may wait, over all attempts.
        limit_ms: u64,
    },
}

impl NativeDeed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.state(), State::Ended)
    }
}

impl Drop for NativeDeed {
    fn drop(&mut self) {
        match self.take() {
            State::Ended => {}
            State::Intent(intent) => self.emitter.withdraw(intent),
            State::Act(deed) => self.emitter.give_up_deed(deed),
        }
    }
}

fn gone() -> Error {
    Error::invalid_argument("the deed has ended; say what came of it before it ends")
}

/// Seals an event, given as `Fast.emit` takes one, as a deed's intent.
pub(crate) fn intend(
    emitter: &Arc<Emitter>,
    buffer: &[u8],
    until: Option<&str>,
    timeout_ms: Option<u64>,
    waited_ms: i64,
) -> Result<Attempted> {
    let until = until.map(Until::parse).transpose()?;
    let timeout = timeout_ms.map_or(Terms::TIMEOUT, Duration::from_millis);
    let intended = with_input(buffer, &[], emitter.depth_limit(), |input| {
        emitter.intend(input, Terms { until, timeout }, &wait(waited_ms))
    })?;
    Ok(match intended {
        Intended::NoRoom(limit) => Attempted::NoRoom { limit_ms: milliseconds(limit) },
        Intended::Entered(intent) => Attempted::Entered {
            deed: Arc::new(NativeDeed {
                emitter: Arc::clone(emitter),
                id: intent.id(),
                timeout_ms: milliseconds(intent.timeout()),
                state: Mutex::new(State::Intent(intent)),
            }),
        },
    })
}

/// Who waits until an intent is settled.
struct Waiter {
    done: Option<Completion>,
    /// The caller waits for the mail.
    waits: bool,
    settled: bool,
}

impl NativeDeed {
    /// Has the token told when there is nothing more to wait for; whether that is so now, and nothing will be told.
    pub(crate) fn settle(&self, token: u64) -> bool {
        let State::Intent(intent) = &*self.state() else { return true };
        let waiter = Waiter { done: Some(Completion::new(token)), waits: false, settled: false };
        let waiter = Arc::new(Mutex::new(waiter));
        let later = Arc::clone(&waiter);
        intent.on_settled(move || {
            let mut waiter = later.lock().unwrap_or_else(PoisonError::into_inner);
            waiter.settled = true;
            let done = if waiter.waits { waiter.done.take() } else { None };
            drop(waiter);
            if let Some(done) = done {
                done.tell(Ok(Vec::new()));
            }
        });
        let mut waiter = waiter.lock().unwrap_or_else(PoisonError::into_inner);
        waiter.waits = true;
        if waiter.settled
            && let Some(done) = waiter.done.take()
        {
            done.forget();
        }
        waiter.settled
    }

    /// Lets the act begin, or says why not.
    pub(crate) fn begin(&self) -> Result<()> {
        let State::Intent(intent) = self.take() else { return Err(gone()) };
        let act = self.emitter.act(intent)?;
        *self.state() = State::Act(act);
        Ok(())
    }

    /// Says what came of the act: data and content of an event.
    pub(crate) fn told(&self, result: &[u8]) -> Result<()> {
        with_input(result, &[], self.emitter.depth_limit(), |input| match &mut *self.state() {
            State::Act(act) => self.emitter.say_of_deed_input(act, input),
            _ => Err(gone()),
        })
    }

    /// Seals the result; nothing, or for how many milliseconds the caller may wait for room.
    pub(crate) fn finish(
        &self,
        outcome: &str,
        error_type: Option<&str>,
        waited_ms: i64,
    ) -> Result<Option<u64>> {
        let outcome = Outcome::parse(outcome)?;
        let State::Act(mut act) = self.take() else { return Ok(None) };
        let end = End { outcome, error_type };
        // What is wrong with the record of an act that has happened is the core's to say.
        if let Ok(Ended::NoRoom(limit)) = guarded(|| self.emitter.end_deed(&mut act, end, &wait(waited_ms))) {
            *self.state() = State::Act(act);
            return Ok(Some(milliseconds(limit)));
        }
        Ok(None)
    }

    /// Nobody waits for it any more.
    pub(crate) fn give_up(&self) {
        if let State::Intent(intent) = self.take() {
            self.emitter.withdraw(intent);
        }
    }
}

#[uniffi::export]
impl NativeEmitter {
    /// Seals an event, given as `Fast.emit` takes one, as a deed's intent.
    fn intend(
        &self,
        buffer: Vec<u8>,
        until: Option<String>,
        timeout_ms: Option<u64>,
        waited_ms: i64,
    ) -> Result<Attempted, Failure> {
        Ok(guarded(|| intend(&self.emitter, &buffer, until.as_deref(), timeout_ms, waited_ms))?)
    }
}

#[uniffi::export]
impl NativeDeed {
    /// The intent's id.
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    /// For how many milliseconds the act may be held up.
    pub(crate) fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// Has the token told when there is nothing more to wait for.
    fn on_settled(&self, token: u64) {
        if self.settle(token) {
            Completion::new(token).tell(Ok(Vec::new()));
        }
    }

    /// Lets the act begin, or says why not.
    fn act(&self) -> Result<(), Failure> {
        Ok(guarded(|| self.begin())?)
    }

    /// Says what came of the act: data and content of an event.
    fn say(&self, result: Vec<u8>) -> Result<(), Failure> {
        Ok(guarded(|| self.told(&result))?)
    }

    /// Seals the result; nothing, or for how many milliseconds the caller may wait for room.
    fn end(
        &self,
        outcome: String,
        error_type: Option<String>,
        waited_ms: i64,
    ) -> Result<Option<u64>, Failure> {
        Ok(guarded(|| self.finish(&outcome, error_type.as_deref(), waited_ms))?)
    }

    /// Nobody waits for it any more.
    fn withdraw(&self) {
        self.give_up();
    }
}
