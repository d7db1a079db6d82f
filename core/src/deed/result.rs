//! A deed that was let happen, and the event that says what came of it.

use std::time::Duration;

use crate::content::Part;
use crate::emitter::{Attempt, Emitter, Wait, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Attribute, Data, EventInput, Phase, Trace, invalid_data, read_parts};
use crate::json::{JsonError, ObjectWriter, Value, parse};
use crate::receipt::Receipt;
use crate::seam::Instant;
use crate::seam::fork::Process;
use crate::types;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned.
    Ok,
    /// It failed.
    Error,
    /// Somebody who decides about it said no.
    Denied,
    /// It took too long.
    Timeout,
    /// It was given up.
    Cancelled,
    /// It was not begun, as its intent was not safe.
    Refused,
}

impl Outcome {
    /// The one of that name.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn parse(name: &str) -> Result<Self> {
        let all = [Self::Ok, Self::Error, Self::Denied, Self::Timeout, Self::Cancelled, Self::Refused];
        all.into_iter().find(|outcome| outcome.name() == name).ok_or_else(|| {
            Error::invalid_argument("an outcome is ok, error, denied, timeout, cancelled or refused")
                .at("outcome")
        })
    }

    /// The name in `data.outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

/// How an act ended, as the language that ran it tells.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// How. Where it is `ok`, or the host's own result says something other than `ok`, the host's `outcome` stands.
    pub outcome: Outcome,
    /// The type of what failed, never its text.
    pub error_type: Option<&'a str>,
}

/// What [`Emitter::end_deed`] came to.
#[derive(Debug)]
pub enum Ended {
    /// The result is in its lanes; `None` where this process has none to give: it was forked from the one whose deed it
    /// is, or the result was given before.
    Done(Option<Receipt>),
    /// A blocking lane has no room. As with [`Attempt::NoRoom`]: wait, and call again.
    NoRoom(Duration),
}

/// An act whose intent is safe. [`Emitter::end_deed`] seals its result.
pub struct Deed {
    intent: Receipt,
    started: Instant,
    process: Process,
    /// The members that the host says of the result.
    said: Vec<(String, Value)>,
    content: Vec<Part>,
    ended: bool,
}

impl std::fmt::Debug for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never what the host says of it: that ends up in logs.
        f.debug_struct("Deed").field("intent", &self.intent).finish_non_exhaustive()
    }
}

impl Deed {
    pub(super) fn new(intent: Receipt, started: Instant, process: Process) -> Self {
        Self { intent, started, process, said: Vec::new(), content: Vec::new(), ended: false }
    }

    /// The intent's receipt; its id is the result's `causationid`.
    #[must_use]
    pub fn intent(&self) -> &Receipt {
        &self.intent
    }

    #[cfg(test)]
    pub(super) fn pretend_of(&mut self, process: Process) {
        self.process = process;
    }
}

/// The members of a result that the core writes where the host does not.
const OUTCOME: &str = "outcome";
const DURATION: &str = "duration_ms";
const ERROR: &str = "error.type";

impl Emitter {
    /// What the host says of the result: `data`, a JSON object, and content parts. Said again, it replaces what was
    /// said before. `outcome` may be among it, and `error.type`.
    ///
    /// # Errors
    /// `invalid_event`, with the path: what the type of the deed does not allow. Nothing is kept then.
    pub fn say_of_deed(&self, deed: &mut Deed, data: &Value, content: Vec<Part>) -> Result<()> {
        let Value::Object(said) = data else {
            return Err(
                Error::invalid_event(format!("must be an object, not {}", data.type_name())).at("data")
            );
        };
        for (i, part) in content.iter().enumerate() {
            part.check(&format!("content[{i}]"))?;
        }
        if let Some(outcome) = data.get(OUTCOME) {
            let known = outcome.as_str().is_some_and(|name| Outcome::parse(name).is_ok());
            if !known {
                let error = Error::invalid_event("is ok, error, denied, timeout, cancelled or refused");
                return Err(error.at("data.outcome"));
            }
        }
        let members = merged(deed, self, said);
        let mut writer = ObjectWriter::new();
        writer.reset(self.depth_limit());
        Value::Object(members).write_into(&mut writer).map_err(|e| invalid_data(&e))?;
        let canonical = writer.finish().map_err(|e| invalid_data(&e))?;
        types::resolve(deed.intent.event().event_type(), &self.type_prefix())?.check(canonical.members())?;
        deed.said.clone_from(said);
        deed.content = content;
        Ok(())
    }

    /// As [`say_of_deed`](Self::say_of_deed), from JSON; `content` is a list of parts, as `emit` takes them.
    ///
    /// # Errors
    /// As [`say_of_deed`](Self::say_of_deed).
    pub fn say_of_deed_json(&self, deed: &mut Deed, data: &[u8], content: Option<&[u8]>) -> Result<()> {
        let data = parse(data).map_err(|e| invalid_data(&e))?;
        let content = match content {
            Some(text) => {
                let invalid = |e: JsonError| Error::invalid_event(e.message().to_owned()).at("content");
                read_parts(&parse(text).map_err(invalid)?)?
            }
            None => Vec::new(),
        };
        self.say_of_deed(deed, &data, content)
    }

    /// As [`say_of_deed`](Self::say_of_deed), with data and content of `input`, of which nothing else is read.
    ///
    /// # Errors
    /// As [`say_of_deed`](Self::say_of_deed).
    pub fn say_of_deed_input(&self, deed: &mut Deed, input: EventInput<'_>) -> Result<()> {
        let data = match input.data {
            Data::None => Value::Object(Vec::new()),
            Data::Json(text) => parse(text).map_err(|e| invalid_data(&e))?,
            Data::Object(writer) => {
                let written = writer.finish().map_err(|e| invalid_data(&e))?;
                parse(written.bytes()).map_err(|e| invalid_data(&e))?
            }
        };
        self.say_of_deed(deed, &data, input.content)
    }

    /// Seals what came of a deed, once. It is taken while a required sink is down, too.
    ///
    /// # Errors
    /// `backpressure`, `closed`: the result is in no lane, the emitter counts it as refused, and the intent stays
    /// unfinished. The act's own result stays as it is.
    pub fn end_deed(&self, deed: &mut Deed, end: End<'_>, waiter: &dyn Waiter) -> Result<Ended> {
        if deed.ended || !deed.process.is_this() || self.is_disabled() {
            return Ok(Ended::Done(None));
        }
        let lasted = self.lasted(deed.started);
        let entered = match self.enter_result(deed, &deed.said, deed.content.clone(), end, lasted, waiter) {
            // What the host said of it makes it too large, or fits nowhere: that it ended is worth more.
            Err(error) if error.kind() == ErrorKind::InvalidEvent => {
                crate::diagnostics::warn(&format!(
                    "what was said of a deed's result is left out, as it cannot be sealed: {error}"
                ));
                self.enter_result(deed, &[], Vec::new(), end, lasted, waiter)
            }
            entered => entered,
        };
        match entered {
            Ok(Attempt::Accepted(receipt)) => {
                deed.ended = true;
                Ok(Ended::Done(Some(receipt)))
            }
            Ok(Attempt::NoRoom(limit)) => Ok(Ended::NoRoom(limit)),
            Err(error) => {
                deed.ended = true;
                crate::diagnostics::warn(&format!(
                    "the result of the deed {} is in no lane, and its intent stays unfinished: {error}",
                    deed.intent.id()
                ));
                Err(error)
            }
        }
    }

    /// Ends a deed that its host dropped without saying how it ended: it was given up, and its outcome is `cancelled`. It
    /// does not wait; that no lane had room is said by the log and the counters.
    pub fn give_up_deed(&self, mut deed: Deed) {
        let end = End { outcome: Outcome::Cancelled, error_type: None };
        drop(self.end_deed(&mut deed, end, &Wait::Never));
    }

    fn enter_result(
        &self,
        deed: &Deed,
        said: &[(String, Value)],
        content: Vec<Part>,
        end: End<'_>,
        lasted: Duration,
        waiter: &dyn Waiter,
    ) -> Result<Attempt> {
        let mut members = merged(deed, self, said);
        let of_host = members.iter().find(|(key, _)| key == OUTCOME).and_then(|(_, value)| value.as_str());
        let of_host = of_host.and_then(|name| Outcome::parse(name).ok());
        let outcome = match of_host {
            Some(own) if end.outcome == Outcome::Ok || own != Outcome::Ok => own,
            _ => end.outcome,
        };
        members.retain(|(key, _)| key != OUTCOME);
        members.push((OUTCOME.to_owned(), outcome.name().into()));
        if !members.iter().any(|(key, _)| key == DURATION) {
            members.push((DURATION.to_owned(), milliseconds(lasted)));
        }
        if let Some(error_type) = end.error_type.filter(|_| !members.iter().any(|(key, _)| key == ERROR)) {
            members.push((ERROR.to_owned(), error_type.into()));
        }
        let mut writer = ObjectWriter::new();
        writer.reset(self.depth_limit());
        Value::Object(members).write_into(&mut writer).map_err(|e| invalid_data(&e))?;
        let event = deed.intent.event();
        let causation = deed.intent.id().to_string();
        let traceparent = event.attribute(Attribute::Traceparent);
        let parts =
            traceparent.and_then(|text| Some((text.get(3..35)?, text.get(36..52)?, text.get(53..55)?)));
        let trace = parts.map(|(trace_id, span_id, flags)| Trace {
            trace_id,
            span_id,
            flags: u8::from_str_radix(flags, 16).unwrap_or_default(),
            state: event.attribute(Attribute::Tracestate),
        });
        let mut input = EventInput {
            data: Data::Object(&writer),
            subject: event.attribute(Attribute::Subject),
            content,
            run: event.attribute(Attribute::Run),
            turn: event.attribute(Attribute::Turn),
            attempt: event.attribute(Attribute::Attempt),
            trace,
            agent: Some(event.agent()),
            tenant: event.tenant(),
            causation: Some(&causation),
            correlation: event.attribute(Attribute::Correlation),
            child: event.child(),
            ..EventInput::new(event.event_type())
        };
        self.enter(&mut input, Some(Phase::Result), waiter, None)
    }
}

/// What the host says of the result, and from the intent what the type requires.
fn merged(deed: &Deed, emitter: &Emitter, said: &[(String, Value)]) -> Vec<(String, Value)> {
    let mut members = said.to_vec();
    let event = deed.intent.event();
    let prefix = emitter.type_prefix();
    let Some(builtin) = types::resolve(event.event_type(), &prefix).ok().and_then(|found| found.builtin())
    else {
        return members;
    };
    let mut required = builtin.required().peekable();
    if required.peek().is_none() {
        return members;
    }
    let Ok(Value::Object(intent)) = parse(event.data()) else { return members };
    for name in required {
        let outer = name.split_once('.').map_or(name, |(outer, _)| outer);
        let given = |key: &str| members.iter().any(|(known, _)| known == key);
        if given(name) || given(outer) {
            continue;
        }
        // The literal name first, then the object that may hold it.
        let found = intent
            .iter()
            .find(|(key, _)| key == name)
            .or_else(|| intent.iter().find(|(key, _)| key == outer));
        members.extend(found.cloned());
    }
    members
}

/// Milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> Value {
    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    if micros % 1000 == 0 { Value::Int(micros / 1000) } else { Value::Float(micros as f64 / 1000.0) }
}
