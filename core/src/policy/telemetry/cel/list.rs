//! The rules of a list as they are asked, one after the other, for every event.
//!
//! Guarantees: what comes of a list is what [`Machine::rule`](super::Machine::rule) says of each rule, up to the first that decides.
//!
//! How: what most rules ask stands side by side here, in the order in which it is asked, each with where to go on, so that an
//! event need not look for it in one program after the other; only a rule that asks something else is run.

use std::num::NonZeroI64;

use super::{Asked, BUDGET, Joined, Op, Program, Quick, Test};

/// See the module's head.
#[derive(Debug, Default)]
pub(in crate::policy::telemetry) struct List {
    pub(super) parts: Box<[Part]>,
}

/// A condition of a rule.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) place: Asked,
    /// Whether all of its rule's conditions are to hold, or any.
    pub(super) all: bool,
    /// Whether it is its rule's last.
    pub(super) last: bool,
    /// The question's number in the program.
    pub(super) ask: u16,
    pub(super) quick: Quick,
    /// The rule's number.
    pub(super) rule: u32,
    /// Where the next rule's conditions begin.
    pub(super) next: u32,
    /// Of a rule's first condition: what all of them may cost.
    pub(super) budget: Option<NonZeroI64>,
}

impl List {
    pub(in crate::policy::telemetry) fn of<'p>(programs: impl Iterator<Item = &'p Program>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for (rule, program) in (0..).zip(programs) {
            let begin = parts.len();
            match conditions(program) {
                Some((all, conditions)) => {
                    parts.extend(conditions.into_iter().map(|condition| Part { all, rule, ..condition }))
                }
                None => parts.push(Part { rule, ..Part::new(Asked::Rule, 0, Quick::Other) }),
            }
            let next = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            let own = parts.get_mut(begin..).unwrap_or_default();
            own.iter_mut().for_each(|part| part.next = next);
            if let [first, ..] = own {
                first.budget = NonZeroI64::new(BUDGET - program.ops.len() as i64);
            }
            if let [.., last] = own {
                last.last = true;
            }
        }
        Self { parts: parts.into() }
    }
}

/// What a rule asks, if that is nothing but questions and whether something is there; whether all are to hold, or any.
fn conditions(program: &Program) -> Option<(bool, Vec<Part>)> {
    let Joined { all, tests } = program.test.as_ref()?;
    let parts: Option<Vec<Part>> = tests.iter().map(|test| part(program, test)).collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| (*all, parts))
}

fn part(program: &Program, test: &Test) -> Option<Part> {
    match *test {
        Test::Ask(number) => {
            let ask = program.asks.get(usize::from(number))?;
            Some(Part::new(ask.place, number, ask.quick.clone()))
        }
        Test::Has(Op::HasSlot(slot)) => Some(Part::new(Asked::Has(slot), 0, Quick::Other)),
        _ => None,
    }
}

impl Part {
    fn new(place: Asked, ask: u16, quick: Quick) -> Self {
        Self { place, all: true, last: false, ask, quick, rule: 0, next: 0, budget: None }
    }
}
