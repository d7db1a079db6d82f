//! What a host's sink said of a batch.
//!
//! Guarantees: a binding says what happened, in the few words of [`Said`], and no more; what that means for each
//! envelope is decided here, so that the same sink has the same counters in every language
//! (`tests/vectors/host-sinks`). There is a closed set of answers: taken, refused for good, uncertain, to be tried again.
//! Anything else is nonsense: it is tried again, and the lane's health and records say so. Never is what was not understood
//! taken for a yes.

use std::time::Duration;

use super::{Answer, Answers, Failure, FailureKind};

/// What became of one event, or of a batch as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it.
    Taken,
    /// It will never be taken.
    Refused,
    /// Nobody will ever know.
    Uncertain,
    /// Not now; not before so long, if the sink said so.
    Retry(Option<Duration>),
    /// The sink answered something that is no answer; its name is that of a type.
    Nonsense,
}

impl Outcome {
    /// The answer for one event. `name` is that of the exception's or error's type, for records; `detail` its text, for the
    /// host's eyes.
    #[must_use]
    pub fn answer(self, name: &str, detail: Option<String>) -> Answer {
        let failure = |kind, otherwise: &str| {
            let failure = Failure::new(kind, if name.is_empty() { otherwise } else { name });
            match detail {
                Some(detail) => failure.detail(detail),
                None => failure,
            }
        };
        match self {
            Self::Taken => Answer::Acknowledged,
            Self::Refused => Answer::Refused(failure(FailureKind::Rejected, "the sink refused it")),
            Self::Uncertain => Answer::Uncertain(failure(FailureKind::Rejected, "the sink cannot know")),
            Self::Retry(after) => Answer::Retry(failure(FailureKind::Panic, "the sink failed"), after),
            Self::Nonsense => Answer::Retry(Failure::new(FailureKind::Panic, no_answer(name)), None),
        }
    }
}

/// What a host's sink said of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was given the events one after the other, up to the first that is to be tried again.
    OneByOne(Vec<Answer>),
    /// It was given the batch and answered for each event.
    Each(Vec<Answer>),
    /// It was given the batch and answered, or raised, once for all of it.
    AsOne(Answer),
    /// It answered something that is no answer; of what kind, by the name of a type.
    Nonsense(String),
}

impl Said {
    /// The answers for a batch of so many.
    #[must_use]
    pub fn answers(self, batch: usize) -> Answers {
        match self {
            Self::OneByOne(mut answers) if answers.len() <= batch => {
                let stopped = answers.last().filter(|last| matches!(last, Answer::Retry(..))).cloned();
                match stopped {
                    // What comes after it must not arrive before it.
                    Some(last) => answers.resize(batch, last),
                    None if answers.len() < batch => return wrong_number(answers.len(), batch),
                    None => {}
                }
                each(answers)
            }
            Self::Each(answers) if answers.len() == batch => each(answers),
            Self::OneByOne(answers) | Self::Each(answers) => wrong_number(answers.len(), batch),
            Self::AsOne(Answer::Acknowledged) => Answers::Acknowledged,
            Self::AsOne(Answer::Retry(failure, after)) => Answers::Retry(failure, after),
            // Which of them it means, the lane finds out by halving the batch.
            Self::AsOne(Answer::Refused(failure)) => Answers::RefusedBatch(failure),
            // As many as the batch holds.
            Self::AsOne(Answer::Uncertain(failure)) => Answers::Partial { refused: u64::MAX, failure },
            Self::Nonsense(what) => nonsense(&no_answer(&what)),
        }
    }
}

fn each(answers: Vec<Answer>) -> Answers {
    let all = answers.iter().all(|answer| *answer == Answer::Acknowledged);
    if all { Answers::Acknowledged } else { Answers::Each(answers) }
}

fn wrong_number(given: usize, batch: usize) -> Answers {
    nonsense(&format!("the sink answered {given} of {batch} envelopes"))
}

fn no_answer(what: &str) -> String {
    format!("the sink's answer is none: {what}")
}

fn nonsense(summary: &str) -> Answers {
    Answers::Retry(Failure::new(FailureKind::Panic, summary), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(name: &str) -> Answer {
        Outcome::Retry(None).answer(name, None)
    }

    #[test]
    fn what_follows_a_retry_waits_for_it() {
        let refused = Outcome::Refused.answer("No", Some("text".to_owned()));
        let said = Said::OneByOne(vec![Answer::Acknowledged, refused.clone(), retry("Away")]);
        let expected = vec![Answer::Acknowledged, refused, retry("Away"), retry("Away")];
        assert_eq!(said.answers(4), Answers::Each(expected));
        assert_eq!(Said::OneByOne(vec![Answer::Acknowledged; 2]).answers(2), Answers::Acknowledged);
        assert_eq!(Said::OneByOne(Vec::new()).answers(0), Answers::Acknowledged);
    }

    #[test]
    fn what_is_no_answer_is_never_taken_for_a_yes() {
        for said in [
            Said::OneByOne(vec![Answer::Acknowledged]),
            Said::OneByOne(vec![Answer::Acknowledged; 3]),
            Said::Each(vec![Answer::Acknowledged, retry("Away")][..1].to_vec()),
            Said::Each(Vec::new()),
            Said::Nonsense("Response".to_owned()),
        ] {
            let Answers::Retry(failure, None) = said.clone().answers(2) else { panic!("{said:?}") };
            assert_eq!(failure.kind, FailureKind::Panic, "{said:?}");
            assert!(failure.summary.starts_with("the sink"), "{failure:?}");
        }
    }
}
