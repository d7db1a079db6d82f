//! Ambient context: the agent run that the calling code works for, which its events name.
//!
//! Guarantees: what the host says about an event takes precedence over what is ambient, member by member. Turn, attempt
//! and parent belong to their run, so an event of another run takes none of them (`tests/vectors/context`). Each
//! language keeps the ambient context in its own way (context variables, async-local storage, a context value).

use super::input::EventInput;

/// The context of the calling code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambient<'a> {
    /// The agent run.
    pub run: Option<&'a str>,
    /// The run that started it; in `data.parent_run` of events about the run itself (`run.*`).
    pub parent_run: Option<&'a str>,
    /// The turn in the run.
    pub turn: Option<&'a str>,
    /// The attempt in the turn.
    pub attempt: Option<&'a str>,
    /// Id of the event that caused what happens here.
    pub causation: Option<&'a str>,
    /// Id of the whole conversation.
    pub correlation: Option<&'a str>,
    /// Another agent than the emitter's.
    pub agent: Option<&'a str>,
}

impl<'a> EventInput<'a> {
    /// Fills members that the host did not give from the ambient context.
    #[must_use]
    pub fn within(mut self, ambient: &Ambient<'a>) -> Self {
        if self.run.is_none() || self.run == ambient.run {
            self.run = ambient.run;
            self.turn = self.turn.or(ambient.turn);
            self.attempt = self.attempt.or(ambient.attempt);
            self.parent_run = self.parent_run.or(ambient.parent_run);
        }
        self.causation = self.causation.or(ambient.causation);
        self.correlation = self.correlation.or(ambient.correlation);
        self.agent = self.agent.or(ambient.agent);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_before_what_is_ambient_member_by_member() {
        let here = Ambient {
            run: Some("r"),
            parent_run: Some("p"),
            turn: Some("t"),
            attempt: Some("1"),
            causation: Some("c"),
            correlation: Some("k"),
            agent: Some("a"),
        };
        let taken = EventInput::new("x").within(&here);
        assert_eq!((taken.run, taken.turn, taken.attempt), (Some("r"), Some("t"), Some("1")));
        assert_eq!((taken.parent_run, taken.causation), (Some("p"), Some("c")));
        assert_eq!((taken.correlation, taken.agent), (Some("k"), Some("a")));
        let said = EventInput { run: Some("s"), turn: Some("u"), agent: Some("b"), ..EventInput::new("x") };
        let said = said.within(&here);
        assert_eq!((said.run, said.turn, said.attempt, said.agent), (Some("s"), Some("u"), None, Some("b")));
    }
}
