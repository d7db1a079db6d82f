//! The forms that Rust code uses: one that blocks, and one that is awaited.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::Terms;
use super::intent::{Intended, Intent, check_thread};
use super::result::{Deed, End, Ended, Outcome};
use crate::content::Part;
use crate::emitter::{Emitter, Wait, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventInput;
use crate::json::Value;
use crate::receipt::Receipt;

/// Why a deed has no result of its own.
///
/// Where the act's error is a `std::error::Error`, this is one, too, and its [`source`](std::error::Error::source) is
/// sinkwell's [`Error`] or the act's own: `?` takes it into `anyhow` and the like, and a search of the chain finds either.
/// Where it is none (`anyhow::Error`, `Box<dyn Error>`), [`flatten`](Self::flatten) gives it back.
#[derive(Debug)]
pub enum DeedError<E> {
    /// The act did not run.
    Refused(Error),
    /// The act ran and failed.
    Failed(E),
}

impl<E> DeedError<E> {
    /// The one error that either is, for an act whose own error can hold sinkwell's.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use std::error::Error;
    /// use sinkwell::{Event, deed::DeedError};
    ///
    /// let event = Event::new("com.example.payment").with("amount", 42);
    /// let paid = event.deed_on(&emitter, |_| -> Result<u32, Box<dyn Error>> { Ok("42".parse()?) });
    /// assert_eq!(paid.map_err(DeedError::flatten)?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn flatten(self) -> E
    where
        E: From<Error>,
    {
        match self {
            Self::Refused(error) => error.into(),
            Self::Failed(error) => error,
        }
    }
}

impl<E: std::fmt::Display> std::fmt::Display for DeedError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "the act did not run: {error}"),
            Self::Failed(error) => write!(f, "the act ran and failed: {error}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for DeedError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Failed(error) => Some(error),
        }
    }
}

/// The act under way, as it sees itself. Dropped without an end, it was given up, or has panicked.
#[derive(Debug)]
pub struct Act<'a> {
    emitter: &'a Emitter,
    deed: Deed,
    /// Whether this thread may wait for room when the act has ended.
    wait: Wait,
}

impl Act<'_> {
    /// The intent's receipt.
    #[must_use]
    pub fn intent(&self) -> &Receipt {
        self.deed.intent()
    }

    /// Says what came of it, for the result: a JSON object. `outcome` may be among it. Said again, it replaces what was said.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use sinkwell::{Event, json::Value};
    ///
    /// Event::new("tool.invocation").with("tool", "pay").deed_on(&emitter, |deed| {
    ///     let receipt = "p-17";    // of the payment, which is made here
    ///     deed.result(&Value::from_iter([("receipt", receipt)]))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `invalid_event`, with the path; what was said before stays. Handed on by `?`, it is the act's own error, and the
    /// result says `error` of an act that is done: where that would be wrong, log it and go on.
    pub fn result(&mut self, data: &Value) -> Result<()> {
        self.result_with(data, Vec::new())
    }

    /// As [`result`](Self::result), with content parts.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub fn result_with(&mut self, data: &Value, content: Vec<Part>) -> Result<()> {
        self.emitter.say_of_deed(&mut self.deed, data, content)
    }

    fn end(&mut self, end: End<'_>) {
        // The act has happened: what became of its record is said by the emitter's log and counters.
        drop(self.emitter.end_deed(&mut self.deed, end, &self.wait));
    }
}

impl Drop for Act<'_> {
    fn drop(&mut self) {
        let end = if std::thread::panicking() {
            End { outcome: Outcome::Error, error_type: Some("panic") }
        } else {
            End { outcome: Outcome::Cancelled, error_type: None }
        };
        self.end(end);
    }
}

impl Emitter {
    /// Does `act` once its intent, `event`, is safe: see the [module](crate::deed). The act's error goes into the
    /// result by its type only.
    ///
    /// # Errors
    /// [`DeedError::Refused`]: the act did not run, as `emit` or the wait failed (`required_sink_unavailable`,
    /// `journal`, `backpressure`, `timeout`, `invalid_event`, `invalid_argument`). [`DeedError::Failed`]: it ran.
    ///
    /// ```
    /// # fn main() -> sinkwell::Result<()> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// use sinkwell::{EventInput, event::Data};
    ///
    /// let intent = EventInput { data: Data::Json(br#"{"tool":"pay"}"#), ..EventInput::new("tool.invocation") };
    /// let paid = emitter.deed(intent, |_| Ok::<_, std::io::Error>(42));
    /// assert_eq!(paid.unwrap(), 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deed<T, E>(
        &self,
        event: EventInput<'_>,
        act: impl FnOnce(&mut Act<'_>) -> Result<T, E>,
    ) -> Result<T, DeedError<E>> {
        self.deed_with(event, Terms::default(), act)
    }

    /// As [`deed`](Self::deed), on other terms.
    ///
    /// # Errors
    /// As [`deed`](Self::deed).
    pub fn deed_with<T, E>(
        &self,
        event: EventInput<'_>,
        terms: Terms,
        act: impl FnOnce(&mut Act<'_>) -> Result<T, E>,
    ) -> Result<T, DeedError<E>> {
        let deed = self.begin_deed(event, terms, &Wait::Allowed, &mut || true).map_err(DeedError::Refused)?;
        let mut deed = Act { emitter: self, deed, wait: Wait::Allowed };
        let result = act(&mut deed);
        conclude(deed, result)
    }

    /// Waits, on this thread, until a deed may begin. For bindings: `go_on` is called ten times a second, and ends the
    /// wait by answering `false`: the intent is withdrawn then, even if it is safe by now.
    ///
    /// # Errors
    /// As [`deed`](Self::deed).
    pub fn begin_deed(
        &self,
        event: EventInput<'_>,
        terms: Terms,
        waiter: &dyn Waiter,
        go_on: &mut (dyn FnMut() -> bool + Send),
    ) -> Result<Deed> {
        check_thread(waiter)?;
        let intent = match self.intend(event, terms, waiter)? {
            Intended::Entered(intent) => intent,
            Intended::NoRoom(limit) => return Err(no_room(limit)),
        };
        let left = intent.left(self);
        let mut given_up = false;
        waiter.pause(&mut || given_up = !intent.wait(left, go_on));
        if given_up {
            self.withdraw(intent);
            return Err(Error::new(ErrorKind::Timeout, "the wait was given up; the act did not run"));
        }
        self.act(intent)
    }

    /// As [`deed_with`](Self::deed_with), without blocking a thread. The core has no timer: `deadline` is one of the
    /// host's runtime (as `tokio::time::sleep`), and when it is over before the intent is safe, the act does not run.
    /// Where the future is dropped meanwhile, the result's outcome is `cancelled`, or `refused` if the act had not
    /// begun.
    ///
    /// # Errors
    /// As [`deed`](Self::deed).
    pub async fn deed_async<T, E>(
        &self,
        event: EventInput<'_>,
        terms: Terms,
        deadline: impl Future<Output = ()>,
        act: impl AsyncFnOnce(&mut Act<'_>) -> Result<T, E>,
    ) -> Result<T, DeedError<E>> {
        let deed = self.await_deed(event, terms, deadline).await.map_err(DeedError::Refused)?;
        let mut deed = Act { emitter: self, deed, wait: Wait::Never };
        let result = act(&mut deed).await;
        let bell = Arc::new(Bell::default());
        let start = self.now();
        poll_fn(|context| {
            bell.set(context.waker());
            let room = Room { bell: Arc::clone(&bell), waited: self.now().since(start) };
            match self.end_deed(&mut deed.deed, end_of(&result), &room) {
                Ok(Ended::NoRoom(_)) => Poll::Pending,
                // The act has happened: what became of its record is said by the emitter's log and counters.
                Ok(Ended::Done(_)) | Err(_) => Poll::Ready(()),
            }
        })
        .await;
        result.map_err(DeedError::Failed)
    }

    async fn await_deed(
        &self,
        event: EventInput<'_>,
        terms: Terms,
        deadline: impl Future<Output = ()>,
    ) -> Result<Deed> {
        let mut deadline = pin!(deadline);
        let bell = Arc::new(Bell::default());
        let start = self.now();
        let mut pending = Pending { emitter: self, intent: None };
        poll_fn(|context| {
            bell.set(context.waker());
            let over = deadline.as_mut().poll(context).is_ready();
            if pending.intent.is_none() {
                let waited = self.now().since(start);
                match self.intend(event.clone(), terms, &Room { bell: Arc::clone(&bell), waited }) {
                    Ok(Intended::Entered(intent)) => {
                        let bell = Arc::clone(&bell);
                        intent.on_settled(move || bell.ring());
                        pending.intent = Some(intent);
                    }
                    Ok(Intended::NoRoom(limit)) if over => return Poll::Ready(Err(no_room(limit))),
                    Ok(Intended::NoRoom(_)) => return Poll::Pending,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if !over && !pending.intent.as_ref().is_some_and(Intent::is_settled) {
                return Poll::Pending;
            }
            pending.intent.take().map_or(Poll::Pending, |intent| Poll::Ready(self.act(intent)))
        })
        .await
    }
}

fn conclude<T, E>(mut act: Act<'_>, result: Result<T, E>) -> Result<T, DeedError<E>> {
    act.end(end_of(&result));
    result.map_err(DeedError::Failed)
}

fn end_of<T, E>(result: &Result<T, E>) -> End<'static> {
    match result {
        Ok(_) => End { outcome: Outcome::Ok, error_type: None },
        Err(_) => End { outcome: Outcome::Error, error_type: Some(std::any::type_name::<E>()) },
    }
}

fn no_room(limit: Duration) -> Error {
    Error::new(
        ErrorKind::Backpressure,
        format!("a blocking lane had no room within {limit:?}; the act did not run"),
    )
}

/// An intent whose future may be dropped.
struct Pending<'a> {
    emitter: &'a Emitter,
    intent: Option<Intent>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(intent) = self.intent.take() {
            self.emitter.withdraw(intent);
        }
    }
}

/// Wakes the task that polled last.
#[derive(Default)]
struct Bell(Mutex<Option<Waker>>);

impl Bell {
    fn set(&self, waker: &Waker) {
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !held.as_ref().is_some_and(|held| held.will_wake(waker)) {
            *held = Some(waker.clone());
        }
    }

    fn ring(&self) {
        let held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(waker) = held {
            waker.wake();
        }
    }
}

/// Waits for room elsewhere than on this thread.
struct Room {
    bell: Arc<Bell>,
    waited: Duration,
}

impl Waiter for Room {
    fn may_wait(&self) -> Wait {
        Wait::Elsewhere(self.waited)
    }

    fn when_room(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let bell = Arc::clone(&self.bell);
        Some(Box::new(move || bell.ring()))
    }
}
