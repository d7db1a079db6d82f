//! What a lane tells the host's logger when it loses events, cannot deliver them, or ends with some left.
//!
//! Guarantees: for each reason one warning at first, then at most one a minute, which counts what was lost meanwhile;
//! when the lane ends, it says what is still unsaid. A warning names lane, number, reason and what to do, and quotes a
//! sink no further than a state record does. Nothing is logged under the lane's lock.
//!
//! How: the counters know every loss; this module keeps how many of each were logged, and logs the difference.

use super::loss::Reason;
use super::{Counters, Health, LaneState};
use crate::diagnostics::Repeat;
use crate::seam::Instant;
use crate::sink::FailureKind;

/// Events that a lane still held when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// On disk: the next process that opens this journal sends them.
    pub(crate) journaled: u64,
    /// Given to the sink, which did not say whether it has them.
    pub(crate) unanswered: u64,
    /// Never given to the sink, and in memory only.
    pub(crate) gone: u64,
}

/// A line for the host's logger: a warning, or mere information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Warn(String),
    Info(String),
}

#[derive(Clone, Copy, Default)]
struct Said {
    count: u64,
    repeat: Repeat,
}

/// What one lane has said.
#[derive(Default)]
pub(crate) struct Voice {
    losses: [Said; Reason::ALL.len()],
    failures: [Repeat; FailureKind::ALL.len()],
    /// The sum of what `losses` says was logged, so that a check is cheap while nothing is lost.
    told: u64,
    failing: bool,
}

impl Voice {
    /// The lines to log now. `last`: the lane ends, so nothing can be logged later.
    pub(crate) fn look(
        &mut self,
        lane: &str,
        counters: &Counters,
        health: &Health,
        now: Instant,
        last: bool,
    ) -> Vec<Word> {
        let mut words = Vec::new();
        if counters.dropped + counters.rejected != self.told {
            self.look_at_losses(lane, counters, now, last, &mut words);
        }
        match (health.state, health.failure) {
            (LaneState::Degraded | LaneState::Failed, Some(kind)) => {
                self.failing = true;
                let repeat = &mut self.failures[kind as usize];
                if repeat.may_speak(now) {
                    repeat.speak(now);
                    words.push(Word::Warn(failing(lane, counters.pending, health, kind)));
                }
            }
            (LaneState::Healthy, _) if self.failing => {
                self.failing = false;
                words.push(Word::Info(format!("lane {lane:?} delivers again")));
            }
            _ => {}
        }
        words
    }

    fn look_at_losses(
        &mut self,
        lane: &str,
        counters: &Counters,
        now: Instant,
        last: bool,
        words: &mut Vec<Word>,
    ) {
        let mut lost = [0; Reason::ALL.len()];
        for (reason, n) in counters.dropped_by().chain(counters.rejected_by()) {
            lost[reason as usize] += n;
        }
        for (reason, total) in Reason::ALL.into_iter().zip(lost) {
            let said = &mut self.losses[reason as usize];
            let n = total - said.count;
            if n == 0 || !(last || said.repeat.may_speak(now)) {
                continue;
            }
            let more = if said.repeat.speak(now) { "more " } else { "" };
            words.push(Word::Warn(format!(
                "lane {lane:?}: {n} {more}{} lost ({}): {}",
                events(n),
                reason.name(),
                remedy(reason)
            )));
            said.count = total;
            self.told += n;
        }
    }

    /// When a line that waits for its minute may be logged.
    pub(crate) fn due(&self, counters: &Counters) -> Option<Instant> {
        if counters.dropped + counters.rejected == self.told {
            return None;
        }
        let unsaid = |(reason, n): (Reason, u64)| {
            let said = self.losses[reason as usize];
            (n > said.count).then(|| said.repeat.due()).flatten()
        };
        counters.dropped_by().chain(counters.rejected_by()).filter_map(unsaid).min()
    }
}

/// The line for a lane that has ended while it held these events.
pub(crate) fn left(lane: &str, left: Left, health: &Health) -> Option<Word> {
    let Left { journaled, unanswered, gone } = left;
    let all = journaled + unanswered + gone;
    if all == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if gone > 0 {
        parts.push(format!("{gone} gone: in memory only"));
    }
    if unanswered > 0 {
        parts.push(format!("{unanswered} given to its sink, which did not answer"));
    }
    if journaled > 0 {
        parts.push(format!("{journaled} in its journal, from where the next process sends them"));
    }
    let why = health.summary.as_deref().map_or_else(String::new, |why| format!(" Its sink: {why}."));
    let what = if gone + unanswered > 0 {
        "Give shutdown a longer timeout, mend the sink, or give the lane a journal"
    } else {
        "Nothing is lost as long as that journal is kept"
    };
    Some(Word::Warn(format!(
        "lane {lane:?} ended with {all} {} undelivered (shutdown): {}.{why} {what}",
        events(all),
        parts.join("; ")
    )))
}

/// The line for a lane that a shutdown left behind, as its own thread did not come back in time.
pub(crate) fn stuck(lane: &str, pending: u64) -> Option<String> {
    (pending > 0).then(|| {
        format!(
            "lane {lane:?} did not end in time, and holds {pending} {} undelivered (shutdown): the signer of its key, or the \
             disk of its journal, does not answer. What is not in its journal is gone with the process: mend that, or \
             give shutdown a longer timeout",
            events(pending)
        )
    })
}

fn events(n: u64) -> &'static str {
    if n == 1 { "event" } else { "events" }
}

fn failing(lane: &str, pending: u64, health: &Health, kind: FailureKind) -> String {
    let state = health.state.name();
    let summary = health.summary.as_deref().unwrap_or("its sink does not take what it is given");
    let wait = if pending == 1 { "waits" } else { "wait" };
    format!(
        "lane {lane:?} is {state} ({}): {summary}; {pending} {} {wait}, and the lane goes on trying. Its health says more",
        kind.name(),
        events(pending)
    )
}

const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Overflow => {
            "its queue was full; raise queue.events and queue.bytes, choose overflow: block, or mend what keeps its sink slow"
        }
        Reason::Reentrant => {
            "emitted from inside a sink or a callback, which may not wait for room; emit elsewhere, or choose another overflow than block"
        }
        Reason::TooLarge => {
            "larger than the lane's queue or than an envelope may be; send less, or raise queue.bytes and limits.envelope"
        }
        Reason::Rejected => {
            "its sink refused them for good; they are in the dead-letter file, where one is configured (dead_letter.dir), with the reason"
        }
        Reason::GaveUp => {
            "tried for as long as this lane tries; mend its sink, or give the lane a journal, which never gives up"
        }
        Reason::Uncertain => {
            "nobody can say whether they arrived: its receiver refused some of a request and does not say which, or a sink of the program's own said so; the receiver's log knows"
        }
        Reason::JournalDamage => {
            "the journal was damaged where they stood; `sinkwell journal ls` shows where"
        }
        Reason::Serialization => {
            "they cannot be put into the form that the sink asks for; the dead-letter file, where one is configured, has them"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnostics::EVERY;
    use crate::sink::Failure;

    fn warns(words: &[Word]) -> Vec<&str> {
        words
            .iter()
            .filter_map(|word| match word {
                Word::Warn(text) => Some(text.as_str()),
                Word::Info(_) => None,
            })
            .collect()
    }

    fn lose(counters: &mut Counters, reason: Reason, n: u64) {
        for _ in 0..n {
            counters.admit();
        }
        counters.drop_pending(reason, n);
    }

    #[test]
    fn a_loss_speaks_at_first_and_then_once_a_minute_for_each_reason() {
        let (mut voice, mut counters, health) = (Voice::default(), Counters::default(), Health::new(0));
        let start = Instant::default();
        assert!(voice.look("l", &counters, &health, start, false).is_empty());
        lose(&mut counters, Reason::Overflow, 1);
        let words = voice.look("l", &counters, &health, start, false);
        assert_eq!(warns(&words).len(), 1);
        assert!(
            warns(&words)[0].starts_with("lane \"l\": 1 event lost (overflow): its queue was full; raise")
        );

        lose(&mut counters, Reason::Overflow, 5);
        lose(&mut counters, Reason::GaveUp, 2);
        let soon = start.after(Duration::from_secs(59));
        let words = voice.look("l", &counters, &health, soon, false);
        assert_eq!(warns(&words).len(), 1, "{words:?}");
        assert!(warns(&words)[0].contains("2 events lost (gave_up)"));
        assert_eq!(voice.due(&counters), Some(start.after(EVERY)));

        let words = voice.look("l", &counters, &health, start.after(EVERY), false);
        assert_eq!(warns(&words).len(), 1, "{words:?}");
        assert!(warns(&words)[0].contains("5 more events lost (overflow)"));
        assert_eq!(voice.due(&counters), None);
        assert!(voice.look("l", &counters, &health, start.after(2 * EVERY), true).is_empty());
    }

    #[test]
    fn what_is_unsaid_at_the_end_is_said() {
        let (mut voice, mut counters, health) = (Voice::default(), Counters::default(), Health::new(0));
        lose(&mut counters, Reason::Overflow, 1);
        voice.look("l", &counters, &health, Instant::default(), false);
        lose(&mut counters, Reason::Overflow, 3);
        assert!(voice.look("l", &counters, &health, Instant::default(), false).is_empty());
        let words = voice.look("l", &counters, &health, Instant::default(), true);
        assert!(warns(&words)[0].contains("3 more events"), "{words:?}");
    }

    #[test]
    fn a_sink_that_fails_speaks_for_as_long_as_it_does() {
        let (mut voice, mut counters, mut health) = (Voice::default(), Counters::default(), Health::new(0));
        counters.admit();
        let refused = Failure::new(FailureKind::Network, "127.0.0.1:1: connection refused");
        health.fail(LaneState::Degraded, &refused, 0);
        let start = Instant::default();
        let words = voice.look("l", &counters, &health, start, false);
        assert_eq!(
            warns(&words),
            [
                "lane \"l\" is degraded (network): 127.0.0.1:1: connection refused; 1 event waits, and the lane goes on \
                 trying. Its health says more"
            ]
        );
        health.fail(LaneState::Failed, &refused, 0);
        assert!(voice.look("l", &counters, &health, start.after(EVERY / 2), false).is_empty());
        health.fail(LaneState::Failed, &Failure::new(FailureKind::Timeout, "late"), 0);
        assert_eq!(warns(&voice.look("l", &counters, &health, start.after(EVERY / 2), false)).len(), 1);
        health.fail(LaneState::Failed, &refused, 0);
        assert_eq!(warns(&voice.look("l", &counters, &health, start.after(EVERY), false)).len(), 1);
        health.recover(0);
        let words = voice.look("l", &counters, &health, start.after(EVERY), false);
        assert_eq!(words, [Word::Info("lane \"l\" delivers again".into())]);
    }

    #[test]
    fn an_end_says_what_is_left_and_where() {
        let health = Health::new(0);
        assert_eq!(left("l", Left::default(), &health), None);
        let some = Left { gone: 2, unanswered: 1, journaled: 0 };
        let Some(Word::Warn(text)) = left("l", some, &health) else { panic!("nothing said") };
        assert!(
            text.starts_with("lane \"l\" ended with 3 events undelivered (shutdown): 2 gone: in memory only"),
            "{text}"
        );
        let kept = Left { journaled: 4, ..Left::default() };
        let Some(Word::Warn(text)) = left("l", kept, &health) else { panic!("nothing said") };
        assert!(text.contains("4 in its journal") && text.contains("Nothing is lost"), "{text}");
    }
}
