//! Tells the host's logger of log records and spans that were refused, as their makers ask for no answer.
//!
//! Guarantees: for each reason one warning at first, then at most one a minute, which counts what was refused
//! meanwhile; what is still unsaid when the emitter is shut down or dropped is said then. A warning names the number,
//! the reason, the lane if there is one, and what to do, and quotes nothing of a record. Nothing is logged under a
//! lock.

use crate::bridge::Told;
use crate::diagnostics::Repeat;
use crate::error::{Error, ErrorKind};
use crate::seam::Instant;
use crate::seam::fork::PerProcess;
use crate::sync::{Mutex, lock};

/// What one emitter has refused to take from bridges, and how much of it was logged.
pub(super) struct Unheard(PerProcess<Mutex<Vec<Said>>>);

struct Said {
    what: Told,
    kind: ErrorKind,
    /// How many were refused since it was last logged.
    unsaid: u64,
    repeat: Repeat,
    /// The last of them.
    error: Error,
}

impl Unheard {
    pub(super) const fn new() -> Self {
        Self(PerProcess::new())
    }

    /// Counts one refusal; answers the warning to log now, if any.
    pub(super) fn count(&self, what: Told, error: &Error, now: Instant) -> Option<String> {
        let all = self.0.get();
        let mut all = lock(&all);
        let known = all.iter().position(|said| said.what == what && said.kind == error.kind());
        let at = known.unwrap_or_else(|| {
            all.push(Said {
                what,
                kind: error.kind(),
                unsaid: 0,
                repeat: Repeat::default(),
                error: error.clone(),
            });
            all.len() - 1
        });
        let said = &mut all[at];
        said.unsaid = said.unsaid.saturating_add(1);
        said.error = error.clone();
        said.repeat.may_speak(now).then(|| said.say(now))
    }

    /// The warnings still to be logged, as no later refusal may come with which to log them.
    pub(super) fn rest(&self, now: Instant) -> Vec<String> {
        let all = self.0.get();
        let mut all = lock(&all);
        all.iter_mut().filter(|said| said.unsaid > 0).map(|said| said.say(now)).collect()
    }
}

impl Said {
    fn say(&mut self, now: Instant) -> String {
        let n = std::mem::take(&mut self.unsaid);
        let more = if self.repeat.speak(now) { "more " } else { "" };
        let (what, was) = match (self.what, n) {
            (Told::Log, 1) => ("log record", "was"),
            (Told::Log, _) => ("log records", "were"),
            (Told::Span, 1) => ("event of a span", "was"),
            (Told::Span, _) => ("events of spans", "were"),
            (Told::Step, 1) => ("event of a step", "was"),
            (Told::Step, _) => ("events of steps", "were"),
        };
        let place = match (self.kind, self.error.place()) {
            (ErrorKind::Backpressure, Some(lane)) => format!(", lane {lane:?}"),
            _ => String::new(),
        };
        let own = || match self.error.place() {
            Some(place) => format!("{place}: {}", self.error.message()),
            None => self.error.message().to_owned(),
        };
        let why = remedy(self.kind).map_or_else(own, str::to_owned);
        format!("{n} {more}{what} {was} not emitted ({}{place}): {why}", self.kind.name())
    }
}

/// What to do about refusals that are not the record's fault; the messages of the others say it themselves.
const fn remedy(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Closed => Some(
            "the emitter has been shut down; do that last, or take its log handler and span processor out before",
        ),
        ErrorKind::Backpressure => Some(
            "the lane's queue was full; raise queue.events and queue.bytes, choose another overflow than block, or mend what keeps its sink slow",
        ),
        ErrorKind::RequiredSinkUnavailable => Some(
            "governance forbids going on while a required sink is not healthy; its lane's health says why",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnostics::EVERY;

    fn refused(kind: ErrorKind) -> Error {
        Error::new(kind, "no").at("slow")
    }

    #[test]
    fn a_refused_record_speaks_at_first_and_then_once_a_minute_for_each_reason() {
        let unheard = Unheard::new();
        let start = Instant::default();
        let full = refused(ErrorKind::Backpressure);
        assert_eq!(
            unheard.count(Told::Log, &full, start).as_deref(),
            Some(
                "1 log record was not emitted (backpressure, lane \"slow\"): the lane's queue was full; raise queue.events \
                 and queue.bytes, choose another overflow than block, or mend what keeps its sink slow"
            )
        );
        let soon = start.after(Duration::from_secs(59));
        for _ in 0..1000 {
            assert_eq!(unheard.count(Told::Log, &full, soon), None);
        }
        // Another reason, and another source, are told at once.
        let closed = refused(ErrorKind::Closed);
        let said = unheard.count(Told::Log, &closed, soon).unwrap();
        assert!(
            said.starts_with("1 log record was not emitted (closed): the emitter has been shut down"),
            "{said}"
        );
        let said = unheard.count(Told::Span, &closed, soon).unwrap();
        assert!(said.starts_with("1 event of a span was not emitted (closed): "), "{said}");

        let said = unheard.count(Told::Log, &full, start.after(EVERY)).unwrap();
        assert!(said.starts_with("1001 more log records were not emitted (backpressure, lane"), "{said}");
    }

    #[test]
    fn what_is_unsaid_at_the_end_is_said_once() {
        let unheard = Unheard::new();
        let now = Instant::default();
        assert!(unheard.rest(now).is_empty());
        for _ in 0..4 {
            let _ = unheard.count(Told::Span, &refused(ErrorKind::RequiredSinkUnavailable), now);
        }
        let rest = unheard.rest(now);
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert!(
            rest[0].starts_with("3 more events of spans were not emitted (required_sink_unavailable): gov")
        );
        assert!(unheard.rest(now).is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_record_itself_is_told_in_the_errors_own_words() {
        let said = Unheard::new().count(
            Told::Log,
            &Error::invalid_event("larger than it may be").at("data"),
            Instant::default(),
        );
        assert_eq!(
            said.as_deref(),
            Some("1 log record was not emitted (invalid_event): data: larger than it may be")
        );
    }
}
