//! Deeds, as JavaScript sees them: what `lib/deed.ts` calls. It waits where JavaScript waits; every rule is the core's.
//!
//! Guarantees: nothing here waits; what is dropped without an end seals one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi_derive::napi;
use sinkwell::deed::{Deed, End, Ended, Intended, Intent, Outcome, Terms, Until};
use sinkwell::event::{Data, read_event};
use sinkwell::json::ObjectWriter;
use sinkwell::{Emitter, Error, EventInput, Result, Wait};

use crate::emitter::NativeEmitter;
use crate::error::thrown;
use crate::event_loop::EventLoop;
use crate::verify::duration;

enum State {
    Nothing,
    Intent(Intent),
    Act(Deed),
}

/// A deed's parts that a thread of its own may need, too.
struct Parts {
    emitter: Arc<Emitter>,
    terms: Terms,
    state: Mutex<State>,
}

impl Parts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.state(), State::Nothing)
    }

    /// How many milliseconds to wait for room, if the intent is in no lane.
    fn intend(&self, event: &Given, wait: Wait) -> Result<Option<f64>> {
        let intend = |input: EventInput<'_>| self.emitter.intend(input, self.terms, &wait);
        let data = event.data.as_deref().map_or(Data::None, |data| Data::Json(data.as_bytes()));
        let event_type = &*event.event_type;
        let intended = match &event.rest {
            None => intend(EventInput { event_type, data, ..EventInput::default() }),
            Some(rest) => {
                let (depth, mut writer) = (self.emitter.depth_limit(), ObjectWriter::new());
                read_event(rest.as_bytes(), depth, &mut writer, |other| {
                    intend(EventInput { event_type, data, ..other })
                })
            }
        };
        match intended? {
            Intended::Entered(intent) => {
                *self.state() = State::Intent(intent);
                Ok(None)
            }
            Intended::NoRoom(limit) => Ok(Some(limit.as_secs_f64() * 1e3)),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        match self.take() {
            State::Nothing => {}
            State::Intent(intent) => self.emitter.withdraw(intent),
            State::Act(deed) => self.emitter.give_up_deed(deed),
        }
    }
}

/// An event as JSON.
#[napi(object)]
pub struct Given {
    /// Its type.
    #[napi(js_name = "type")]
    pub event_type: String,
    /// Its data.
    pub data: Option<String>,
    /// Its other members.
    pub rest: Option<String>,
}

/// A deed, from before its intent to its result.
#[napi]
pub struct NativeDeed {
    parts: Arc<Parts>,
}

fn gone() -> napi::Error {
    thrown(Error::invalid_argument("the deed has ended; say what came of it before it ends"))
}

#[napi]
impl NativeDeed {
    /// One that has no intent yet.
    #[napi(factory, catch_unwind)]
    pub fn start(emitter: &NativeEmitter, until: Option<String>, timeout: Option<f64>) -> napi::Result<Self> {
        let until = until.as_deref().map(Until::parse).transpose().map_err(thrown)?;
        let timeout = timeout.map_or(Ok(Terms::TIMEOUT), duration).map_err(|e| thrown(e.at("timeout")))?;
        let parts = Parts {
            emitter: Arc::clone(emitter.get()?),
            terms: Terms { until, timeout },
            state: Mutex::new(State::Nothing),
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// How long the act may be held up, in milliseconds.
    #[napi(getter)]
    pub fn timeout(&self) -> f64 {
        self.parts.terms.timeout.as_secs_f64() * 1e3
    }

    /// Lets the intent enter its lanes, unless one has no room: the answer is then for how many milliseconds in all it
    /// may be waited.
    #[napi(catch_unwind)]
    pub fn intend(&self, event: Given, inside: bool, waited: f64) -> napi::Result<Option<f64>> {
        let wait = if inside { Wait::Inside } else { Wait::Elsewhere(duration(waited).map_err(thrown)?) };
        self.parts.intend(&event, wait).map_err(thrown)
    }

    /// As `intend`, on a thread of its own: a manual emitter drains lanes, and they may call sinks of JavaScript's. The
    /// answer is the number as text, or nothing.
    #[napi(catch_unwind)]
    pub fn intend_aside(
        &self,
        event_loop: &EventLoop,
        token: u32,
        event: Given,
        inside: bool,
        waited: f64,
    ) -> napi::Result<()> {
        let wait = if inside { Wait::Inside } else { Wait::Elsewhere(duration(waited).map_err(thrown)?) };
        let parts = Arc::clone(&self.parts);
        event_loop.shared.run(token, move || {
            Ok(parts.intend(&event, wait)?.map(|limit| limit.to_string()).unwrap_or_default())
        });
        Ok(())
    }

    /// Hands `token` to the event loop when there is nothing more to wait for.
    #[napi(catch_unwind)]
    pub fn on_settled(&self, event_loop: &EventLoop, token: u32) {
        let shared = Arc::clone(&event_loop.shared);
        match &*self.parts.state() {
            State::Intent(intent) => intent.on_settled(move || shared.reached(token)),
            _ => shared.reached(token),
        }
    }

    /// Lets the act begin, or throws why it may not.
    #[napi(catch_unwind)]
    pub fn act(&self) -> napi::Result<()> {
        let State::Intent(intent) = self.parts.take() else { return Err(gone()) };
        let deed = self.parts.emitter.act(intent).map_err(thrown)?;
        *self.parts.state() = State::Act(deed);
        Ok(())
    }

    /// Nobody waits for the intent any more.
    #[napi(catch_unwind)]
    pub fn withdraw(&self) {
        if let State::Intent(intent) = self.parts.take() {
            self.parts.emitter.withdraw(intent);
        }
    }

    /// The intent's id.
    #[napi(catch_unwind)]
    pub fn id(&self) -> napi::Result<String> {
        match &*self.parts.state() {
            State::Act(deed) => Ok(deed.intent().id().to_string()),
            _ => Err(gone()),
        }
    }

    /// What the host says of the result: an object as JSON, and a list of parts.
    #[napi(catch_unwind)]
    pub fn say(&self, data: String, content: Option<String>) -> napi::Result<()> {
        let content = content.as_deref().map(str::as_bytes);
        match &mut *self.parts.state() {
            State::Act(deed) => {
                self.parts.emitter.say_of_deed_json(deed, data.as_bytes(), content).map_err(thrown)
            }
            _ => Err(gone()),
        }
    }

    /// Seals the result, unless a lane has no room: the answer is then for how many milliseconds in all it may be
    /// waited. Without `waited` it is not waited for. The act has happened: what is wrong with its record is said by the
    /// core.
    #[napi(catch_unwind)]
    pub fn end(
        &self,
        outcome: String,
        error_type: Option<String>,
        waited: Option<f64>,
    ) -> napi::Result<Option<f64>> {
        let outcome = Outcome::parse(&outcome).map_err(thrown)?;
        let wait = match waited {
            Some(waited) => Wait::Elsewhere(duration(waited).map_err(thrown)?),
            None => Wait::Never,
        };
        let State::Act(mut deed) = self.parts.take() else { return Ok(None) };
        let end = End { outcome, error_type: error_type.as_deref() };
        let Ok(Ended::NoRoom(limit)) = self.parts.emitter.end_deed(&mut deed, end, &wait) else {
            return Ok(None);
        };
        *self.parts.state() = State::Act(deed);
        Ok(Some(limit.as_secs_f64() * 1e3))
    }
}
