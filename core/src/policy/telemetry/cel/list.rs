//! The rules of a list as they are asked, one after the other, for every event.
//!
//! Guarantees: what comes of a list is what [`Machine::rule`](super::Machine::rule) says of each rule, up to the first that decides.
//!
//! How: what most rules ask stands side by side here, in the order in which it is asked, so that an event need not look for
//! it in one program after the other; only a rule that asks something else is run.

use super::{Joined, Op, Program, Quick, Test};

/// See the module's head.
#[derive(Debug, Default)]
pub(in crate::policy::telemetry) struct List {
    pub(super) entries: Box<[Entry]>,
    pub(super) parts: Box<[Part]>,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its parts end; they begin where those of the rule before end.
    pub(super) end: usize,
    /// What its steps cost; `None` if it is to be run.
    pub(super) cost: Option<u16>,
    /// Whether all of its parts are to hold, or any.
    pub(super) all: bool,
}

/// A condition: `HasSlot`, or a question.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) place: Op,
    /// Its number in the program.
    pub(super) ask: u16,
    pub(super) quick: Quick,
}

impl List {
    pub(in crate::policy::telemetry) fn of<'p>(programs: impl Iterator<Item = &'p Program>) -> Self {
        let mut parts = Vec::new();
        let mut entry = |program: &Program| {
            let own = program.test.as_ref().and_then(|test| {
                let all: Option<Vec<Part>> = test.tests.iter().map(|test| part(program, test)).collect();
                Some((all?, u16::try_from(program.ops.len()).ok()?))
            });
            let all = matches!(program.test, Some(Joined { all: true, .. }));
            let cost = own.map(|(own, cost)| {
                parts.extend(own);
                cost
            });
            Entry { end: parts.len(), cost, all }
        };
        let entries = programs.map(&mut entry).collect();
        Self { entries, parts: parts.into() }
    }
}

fn part(program: &Program, test: &Test) -> Option<Part> {
    match *test {
        Test::Ask(number) => {
            let ask = program.asks.get(usize::from(number))?;
            Some(Part { place: ask.place, ask: number, quick: ask.quick.clone() })
        }
        Test::Has(place @ Op::HasSlot(_)) => Some(Part { place, ask: 0, quick: Quick::Other }),
        _ => None,
    }
}
