//! Deeds: acts that a host does only once their intent is safe.
//!
//! The host's way: `sinkwell_deed_intend`, waiting for room as with `sinkwell_try_emit`; `sinkwell_deed_on_settled`, and a
//! timer beside it; `sinkwell_deed_act`; the act; `sinkwell_deed_say` from within it; `sinkwell_deed_end`; `sinkwell_deed_free`.
//! A deed that is freed before it has ended says that itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sinkwell::deed::{Deed, End, Ended, Intended, Intent, Outcome, Terms, Until};
use sinkwell::{Emitter, Error, Wait};

use crate::bytes::SinkwellBytes;
use crate::completion::{Completion, SinkwellCallback};
use crate::emit::{milliseconds, read_wait};
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, at_mut, free, guard};
use crate::event::SinkwellEvent;
use crate::receipt::put_id;

/// A deed: a handle, freed by `sinkwell_deed_free`. All calls may come from any thread.
#[derive(Debug)]
pub struct SinkwellDeed {
    emitter: Arc<Emitter>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Intent(Intent),
    Act(Deed),
    Ended,
}

impl SinkwellDeed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.state(), State::Ended)
    }
}

impl Drop for SinkwellDeed {
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

/// Seals an event as a deed's intent, without waiting on this thread. Where a blocking lane has no room, `entered` is 0 and
/// no deed is made: the caller waits as for `sinkwell_try_emit`, up to `limit_ms`. Otherwise `entered` is 1, and `limit_ms` is
/// for how long, from the first call on, the act may be held up. `until` is `journaled`, `delivered`, `enqueued`, or absent;
/// `timeout_ms` is that limit, or below 0 where the host sets none. `wait` is `SINKWELL_NO_WAIT`, or `SINKWELL_INSIDE`, which
/// is refused.
///
/// # Ownership
/// The event stays the caller's; `deed` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `event` and what it points to are valid for the call, so is `until`; `entered`, `limit_ms` and
/// `deed` are valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_intend(
    emitter: *const SinkwellEmitter,
    event: *const SinkwellEvent,
    until: SinkwellBytes,
    timeout_ms: i64,
    wait: i32,
    waited_ms: u64,
    entered: *mut u8,
    limit_ms: *mut u64,
    deed: *mut *mut SinkwellDeed,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (entered, limit_ms) = (at_mut(entered, "entered")?, at_mut(limit_ms, "limit_ms")?);
            let deed = at_mut(deed, "deed")?;
            let until = until.text("until")?.map(Until::parse).transpose()?;
            let timeout = u64::try_from(timeout_ms).map_or(Terms::TIMEOUT, Duration::from_millis);
            let wait = match read_wait(wait)? {
                Wait::Inside => Wait::Inside,
                _ => Wait::Elsewhere(Duration::from_millis(waited_ms)),
            };
            let terms = Terms { until, timeout };
            let intended =
                at(event, "event")?.with_input(emitter, |input| emitter.intend(input, terms, &wait))?;
            match intended {
                Intended::NoRoom(limit) => (*entered, *limit_ms) = (0, milliseconds(limit)),
                Intended::Entered(intent) => {
                    (*entered, *limit_ms) = (1, milliseconds(intent.timeout()));
                    let state = Mutex::new(State::Intent(intent));
                    *deed = Box::into_raw(Box::new(SinkwellDeed { emitter: Arc::clone(emitter), state }));
                }
            }
            Ok(())
        })
    }
}

/// Calls back when there is nothing more to wait for: the intent is safe, or cannot become so, as `sinkwell_deed_act` says
/// then. With a status of 0 and no bytes. A status other than 0 returned means that the callback will not come.
///
/// # Ownership
/// The token is the host's to free once the callback came.
///
/// # Safety
/// `deed` is a deed; `callback` may be called from any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_on_settled(
    deed: *const SinkwellDeed,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let deed = at(deed, "deed")?;
            Completion::new(token, callback)?.start(|completion| {
                let tell = move || completion.tell(Ok(Vec::new()));
                match &*deed.state() {
                    State::Intent(intent) => intent.on_settled(tell),
                    _ => tell(),
                }
                Ok(())
            })
        })
    }
}

/// Lets the act begin, if its intent is safe now. Any other status than 0 says why it must not.
///
/// # Ownership
/// Nothing changes hands.
///
/// # Safety
/// `deed` is a deed; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_act(deed: *const SinkwellDeed, error: *mut SinkwellError) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let deed = at(deed, "deed")?;
            let State::Intent(intent) = deed.take() else { return Err(gone()) };
            let act = deed.emitter.act(intent)?;
            *deed.state() = State::Act(act);
            Ok(())
        })
    }
}

/// The intent's id, as `sinkwell_receipt_id` gives one.
///
/// # Ownership
/// `id` stays the caller's.
///
/// # Safety
/// `deed` is a deed; `id` is valid for writing `SINKWELL_ID_MAX` bytes, `len` for a write; `error` is NULL or valid for a
/// write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_id(
    deed: *const SinkwellDeed,
    id: *mut u8,
    len: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let text = match &*at(deed, "deed")?.state() {
                State::Intent(intent) => intent.id(),
                State::Act(act) => act.intent().id().to_string(),
                State::Ended => return Err(gone()),
            };
            put_id(&text, id, len)
        })
    }
}

/// Says what came of the act, for its result: `data` and `content` of `result`, of which nothing else is read. Said again, it
/// replaces what was said. `outcome` may be among the data.
///
/// # Ownership
/// `result` stays the caller's.
///
/// # Safety
/// `deed` is a deed; `result` and what it points to are valid for the call; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_say(
    deed: *const SinkwellDeed,
    result: *const SinkwellEvent,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let deed = at(deed, "deed")?;
            at(result, "result")?.with_input(&deed.emitter, |input| match &mut *deed.state() {
                State::Act(act) => deed.emitter.say_of_deed_input(act, input),
                _ => Err(gone()),
            })
        })
    }
}

/// Seals the result, without waiting on this thread: `outcome` is `ok`, `error`, `timeout` or `cancelled`, `error_type` the
/// type of what failed, never its text, or absent. Where a blocking lane has no room, `ended` is 0: the caller waits as for
/// `sinkwell_try_emit`. Otherwise `ended` is 1: the act has happened, and what is wrong with its record is counted and said
/// to the host's logger.
///
/// # Ownership
/// Nothing changes hands.
///
/// # Safety
/// `deed` is a deed; `outcome` and `error_type` are valid for the call; `ended` and `limit_ms` are valid for a write; `error`
/// is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_end(
    deed: *const SinkwellDeed,
    outcome: SinkwellBytes,
    error_type: SinkwellBytes,
    waited_ms: u64,
    ended: *mut u8,
    limit_ms: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let deed = at(deed, "deed")?;
            let (ended, limit_ms) = (at_mut(ended, "ended")?, at_mut(limit_ms, "limit_ms")?);
            let outcome = Outcome::parse(outcome.required("outcome")?)?;
            let error_type = error_type.text("error_type")?;
            (*ended, *limit_ms) = (1, 0);
            let State::Act(mut act) = deed.take() else { return Ok(()) };
            let wait = Wait::Elsewhere(Duration::from_millis(waited_ms));
            if let Ok(Ended::NoRoom(limit)) =
                deed.emitter.end_deed(&mut act, End { outcome, error_type }, &wait)
            {
                (*ended, *limit_ms) = (0, milliseconds(limit));
                *deed.state() = State::Act(act);
            }
            Ok(())
        })
    }
}

/// Frees a deed and sets the handle to NULL. One whose act has not begun is withdrawn, one that has not ended was given up.
///
/// # Ownership
/// Takes the deed.
///
/// # Safety
/// `deed` is NULL, or points to NULL or a deed that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_deed_free(deed: *mut *mut SinkwellDeed) {
    // SAFETY: the caller's promise.
    unsafe { free(deed) };
}
