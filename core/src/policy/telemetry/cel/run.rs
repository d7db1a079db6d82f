//! Running a program against one event.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::num::NonZeroI64;

use smallvec::SmallVec;

use super::list::Part;
use super::{
    Ask, Asked, Attr, BUDGET, Const, Fault, Joined, List, Memo, NameRun, Op, Pattern, Program, Quick, Test,
};
use crate::envelope::Redacted;
use crate::event::{Attribute, Event};
use crate::json::words::{begins, same};
use crate::policy::telemetry::facts::{Found, Slot};
use crate::policy::telemetry::raw::{self, Items, Members, Raw};
use crate::seam::format_time;

/// A value while a program runs. Texts are bytes: everything that is asked of them can be answered so.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy::telemetry) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a [u8]),
    Object(&'a [u8]),
    Array(&'a [u8]),
    List(ListVal<'a>),
    Fault(Fault),
}

/// A list that stands in the source.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy::telemetry) struct ListVal<'a>(&'a [Const]);

/// What a rule came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy::telemetry) enum Outcome {
    True,
    False,
    Fault(Fault),
}

impl Outcome {
    pub(super) fn of(value: Val<'_>) -> Self {
        match value {
            Val::Bool(true) => Self::True,
            Val::Bool(false) => Self::False,
            Val::Fault(fault) => Self::Fault(fault),
            _ => Self::Fault(Fault::Type),
        }
    }

    fn of_answer(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    /// As [`join`] of what came to nothing yet, or of a fault, with a fault.
    fn with(self, fault: Fault) -> Self {
        match self {
            Self::Fault(before) => Self::Fault(before.max(fault)),
            _ => Self::Fault(fault),
        }
    }
}

/// What programs run against: an event, and what was found in its data.
pub(in crate::policy::telemetry) struct Machine<'a> {
    event: &'a Event,
    /// As it is shown to others, where that is whom it is asked for.
    redacted: Option<&'a Redacted>,
    data: &'a [u8],
    slots: &'a [Slot],
    /// Texts that had escapes, by slot, and what is left of the room for them.
    plain: RefCell<SmallVec<[Plain<'a>; 16]>>,
    unescaped: Cell<&'a mut [u8]>,
    /// What is left of the room for texts that are put together.
    room: Cell<&'a mut [u8]>,
    memo: RefCell<&'a mut Memo>,
}

/// The text of a slot.
type Plain<'a> = (u16, &'a [u8]);

/// The stack of a program as deep as one may be: two values for each level.
type Stack<'a> = SmallVec<[Val<'a>; 48]>;

impl<'a> Machine<'a> {
    pub(in crate::policy::telemetry) fn new(event: &'a Event, found: Found<'a>) -> Self {
        let Found { data, slots, unescaped, bump, memo } = found;
        let (unescaped, room, memo) = (Cell::new(unescaped), Cell::new(bump), RefCell::new(memo));
        Self { event, redacted: None, data, slots, plain: RefCell::default(), unescaped, room, memo }
    }

    /// With the event's attributes as redaction leaves them.
    pub(in crate::policy::telemetry) fn showing(self, redacted: &'a Redacted) -> Self {
        Self { redacted: Some(redacted), ..self }
    }

    /// The first rule of a list that decides. `program` gives each by its number; `keeps`: whether one that fails decides as
    /// one that comes true does.
    #[inline(never)]
    pub(in crate::policy::telemetry) fn first(
        &self,
        list: &'a List,
        program: &dyn Fn(usize) -> &'a Program,
        keeps: bool,
    ) -> First {
        let mut first = First::default();
        let (mut at, mut budget, mut fault) = (0, BUDGET, None);
        while let Some(part) = list.parts.get(at) {
            budget = part.budget.map_or(budget, NonZeroI64::get);
            let rule = part.rule as usize;
            let one = match self.quickly(part.place, &part.quick, &mut budget) {
                Some(one) => one,
                None => self.slowly(program(rule), part, &mut budget),
            };
            let outcome = match one {
                Outcome::False if part.all => Outcome::False,
                Outcome::True if !part.all => Outcome::True,
                _ => {
                    if let Outcome::Fault(one) = one {
                        fault = fault.max(Some(one));
                    }
                    if !part.last {
                        at += 1;
                        continue;
                    }
                    fault.map_or(one, Outcome::Fault)
                }
            };
            (at, fault) = (part.next as usize, None);
            match outcome {
                Outcome::False => continue,
                Outcome::True => {}
                Outcome::Fault(fault) if fault.is_failure() => {
                    first.failed = true;
                    if !keeps {
                        continue;
                    }
                }
                Outcome::Fault(_) => {
                    first.unmatched = true;
                    continue;
                }
            }
            first.rule = Some(rule);
            break;
        }
        first
    }

    #[cold]
    #[inline(never)]
    fn slowly(&self, program: &'a Program, part: &Part, budget: &mut i64) -> Outcome {
        match part.place {
            Asked::Rule => self.rule(program),
            _ => self.asked_slowly(program, part.ask, budget),
        }
    }

    /// Runs a rule.
    #[inline(never)]
    pub(in crate::policy::telemetry) fn rule(&self, program: &'a Program) -> Outcome {
        match &program.test {
            Some(test) => {
                let mut budget = BUDGET - program.ops.len() as i64;
                self.test_all(program, test, &mut budget)
            }
            None => Outcome::of(self.value(program)),
        }
    }

    /// As [`Run::run`], for what is nothing but conditions.
    fn test_all(&self, program: &'a Program, test: &'a Joined, budget: &mut i64) -> Outcome {
        joined(test.all, *budget, &test.tests, |test, left| {
            let outcome = self.test(program, test, left);
            *budget = *left;
            outcome
        })
    }

    /// What is no question, or stands deeper.
    #[inline(never)]
    fn test(&self, program: &'a Program, test: &'a Test, budget: &mut i64) -> Outcome {
        match test {
            Test::Ask(number) => match program.asks.get(usize::from(*number)) {
                None => Outcome::Fault(Fault::Type),
                Some(ask) => match self.quickly(ask.place, &ask.quick, budget) {
                    Some(outcome) => outcome,
                    None => self.asked_slowly(program, *number, budget),
                },
            },
            Test::Has(Op::HasSlot(slot)) => self.has(*slot),
            Test::Has(Op::HasAttr(attr)) => Outcome::of(is_there(self.attr(*attr))),
            Test::Has(_) => Outcome::Fault(Fault::Type),
            Test::Not(test) => match self.test(program, test, budget) {
                Outcome::True => Outcome::False,
                Outcome::False => Outcome::True,
                fault @ Outcome::Fault(_) => fault,
            },
            Test::Joined(joined) => self.test_all(program, joined, budget),
        }
    }

    #[inline]
    fn has(&self, slot: u16) -> Outcome {
        match self.slots.get(usize::from(slot)) {
            None | Some(Slot::Absent) => Outcome::False,
            Some(Slot::Escaped(..)) => Outcome::of(is_there(self.slot(slot))),
            Some(_) => Outcome::True,
        }
    }

    /// What a question that is a condition comes to; `None` where the machine has to be asked.
    #[inline(always)]
    fn quickly(&self, place: Asked, quick: &Quick, budget: &mut i64) -> Option<Outcome> {
        match place {
            Asked::Slot(slot) => self.of_slot(slot, quick, budget),
            Asked::Attr(Attr::Severity) => of_number(i64::from(self.event.severity.number()), quick, *budget),
            Asked::Attr(attr) => self.of_attr(attr, quick, budget),
            Asked::Has(slot) => Some(self.has(slot)),
            Asked::Rule => None,
        }
    }

    #[inline(always)]
    fn of_slot(&self, slot: u16, quick: &Quick, budget: &mut i64) -> Option<Outcome> {
        match self.slots.get(usize::from(slot)) {
            Some(Slot::Text(from, to)) => self.of_text(self.part(*from, *to), quick, budget),
            Some(Slot::Int(number)) => of_number(*number, quick, *budget),
            Some(Slot::Escaped(from, to)) => self.of_written(self.part(*from, *to), quick, budget),
            // Whatever is asked of it.
            None | Some(Slot::Absent) if *budget >= 0 => Some(Outcome::Fault(Fault::Absent)),
            _ => None,
        }
    }

    #[inline(never)]
    fn of_attr(&self, attr: Attr, quick: &Quick, budget: &mut i64) -> Option<Outcome> {
        let text = match attr {
            Attr::Type => self.event.short_type_bytes(),
            Attr::Agent => self.event.agent_bytes(),
            _ if matches!(quick, Quick::Other) => return None,
            _ => match self.attr(attr) {
                Val::Text(text) => text,
                Val::Fault(fault) if *budget >= 0 => return Some(Outcome::Fault(fault)),
                _ => return None,
            },
        };
        self.of_text(text, quick, budget)
    }

    #[inline(always)]
    fn of_text(&self, text: &[u8], quick: &Quick, budget: &mut i64) -> Option<Outcome> {
        if *budget < 0 {
            return None;
        }
        let holds = match quick {
            Quick::Text(ask) => ask.holds(text, budget),
            Quick::OneOf(all, _) => all.iter().any(|one| same(one, text)),
            Quick::Matches(pattern) => {
                *budget -= regex_cost(text);
                if *budget < 0 {
                    return Some(Outcome::Fault(Fault::Cost));
                }
                self.is_match(pattern, text)
            }
            Quick::Number(..) | Quick::Other => return None,
        };
        Some(Outcome::of_answer(holds))
    }

    /// Of a text with escapes, as it is written.
    #[inline(never)]
    fn of_written(&self, written: &[u8], quick: &Quick, budget: &mut i64) -> Option<Outcome> {
        if *budget < 0 {
            return None;
        }
        Some(Outcome::of_answer(quick.of_written(written, budget)?))
    }

    /// Whether a text matches.
    #[inline]
    fn is_match(&self, pattern: &Pattern, text: &[u8]) -> bool {
        begins(text, &pattern.begins) && self.memo.borrow_mut().is_match(pattern, text)
    }

    #[cold]
    #[inline(never)]
    fn asked_slowly(&self, program: &'a Program, ask: u16, budget: &mut i64) -> Outcome {
        if *budget < 0 {
            return Outcome::Fault(Fault::Cost);
        }
        let Some(ask) = program.asks.get(usize::from(ask)) else { return Outcome::Fault(Fault::Type) };
        let mut run = Run { budget: *budget, ..self.begin(program) };
        let value = run.ask(ask);
        *budget = run.budget;
        Outcome::of(value)
    }

    /// Runs a program for its value.
    pub(in crate::policy::telemetry) fn value(&self, program: &'a Program) -> Val<'a> {
        self.begin(program).run()
    }

    fn begin(&self, program: &'a Program) -> Run<'_, 'a> {
        Run { machine: self, program, stack: Stack::new(), budget: BUDGET }
    }

    /// The value of a slot.
    pub(in crate::policy::telemetry) fn slot(&self, slot: u16) -> Val<'a> {
        match self.slots.get(usize::from(slot)).copied().unwrap_or(Slot::Absent) {
            Slot::Absent => Val::Fault(Fault::Absent),
            Slot::Null => Val::Null,
            Slot::Bool(value) => Val::Bool(value),
            Slot::Int(value) => Val::Int(value),
            Slot::Double(value) => Val::Double(value),
            Slot::Text(from, to) => Val::Text(self.part(from, to)),
            Slot::Escaped(from, to) => self.without_escapes(slot, self.part(from, to)),
            Slot::Object(from, to) => Val::Object(self.part(from, to)),
            Slot::Array(from, to) => Val::Array(self.part(from, to)),
        }
    }

    #[inline]
    fn part(&self, from: u32, to: u32) -> &'a [u8] {
        self.data.get(from as usize..to as usize).unwrap_or_default()
    }

    /// The text of a slot, which is written with escapes: they are undone when it is first asked for.
    fn without_escapes(&self, slot: u16, written: &'a [u8]) -> Val<'a> {
        if let Some((_, text)) = self.plain.borrow().iter().find(|(known, _)| *known == slot) {
            return Val::Text(text);
        }
        // There is room for all of them, and none is longer than what it is written as.
        let room = self.unescaped.take();
        let (text, rest) = room.split_at_mut(written.len().min(room.len()));
        self.unescaped.set(rest);
        match raw::unescape(written, text) {
            Some(length) => {
                let text = &text[..length];
                self.plain.borrow_mut().push((slot, text));
                Val::Text(text)
            }
            None => Val::Fault(Fault::Absent),
        }
    }

    /// Puts a text together in what room is left.
    fn text(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> Option<usize>) -> Val<'a> {
        let room = self.room.take();
        if room.len() < length {
            self.room.set(room);
            return Val::Fault(Fault::Cost);
        }
        let (text, rest) = room.split_at_mut(length);
        self.room.set(rest);
        match fill(text) {
            Some(length) => Val::Text(&text[..length]),
            None => Val::Fault(Fault::Type),
        }
    }

    fn copy(&self, text: &[u8]) -> Val<'a> {
        self.text(text.len(), |out| {
            out.copy_from_slice(text);
            Some(text.len())
        })
    }

    /// Copies what is written into a buffer that the thread keeps.
    fn written(&self, write: impl FnOnce(&mut Vec<u8>)) -> Val<'a> {
        thread_local! {
            static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        TEXT.with_borrow_mut(|text| {
            text.clear();
            write(text);
            self.copy(text)
        })
    }

    fn optional(value: Option<&'a str>) -> Val<'a> {
        value.map_or(Val::Fault(Fault::Absent), |text| Val::Text(text.as_bytes()))
    }

    pub(in crate::policy::telemetry) fn attr(&self, attr: Attr) -> Val<'a> {
        let event = self.event;
        let attribute = |attribute| {
            Self::optional(match self.redacted {
                Some(redacted) => redacted.attribute(event, attribute),
                None => event.attribute(attribute),
            })
        };
        let of_trace = |range: std::ops::Range<usize>| {
            Self::optional(event.attribute(Attribute::Traceparent).and_then(|parent| parent.get(range)))
        };
        match attr {
            // As hosts write it, so that a rule holds under any prefix.
            Attr::Type => Val::Text(event.short_type_bytes()),
            Attr::Id => self.copy(event.id.text().as_bytes()),
            Attr::Time => self.written(|text| format_time(text, event.time)),
            Attr::Severity => Val::Int(i64::from(event.severity.number())),
            Attr::SeverityText => Val::Text(event.severity.text().as_bytes()),
            Attr::Agent => Val::Text(event.agent_bytes()),
            Attr::Tenant => Self::optional(match self.redacted {
                Some(redacted) => redacted.tenant(event),
                None => event.tenant(),
            }),
            Attr::Subject => attribute(Attribute::Subject),
            Attr::Run => attribute(Attribute::Run),
            Attr::Turn => attribute(Attribute::Turn),
            Attr::Attempt => attribute(Attribute::Attempt),
            Attr::Causation => attribute(Attribute::Causation),
            Attr::Correlation => attribute(Attribute::Correlation),
            Attr::TraceState => attribute(Attribute::Tracestate),
            // 00-<trace id>-<span id>-<flags>
            Attr::Trace => of_trace(3..35),
            Attr::Span => of_trace(36..52),
        }
    }

    /// A value from its text.
    fn raw(&self, text: Option<&'a [u8]>) -> Val<'a> {
        match text.and_then(Raw::of) {
            None => Val::Fault(Fault::Absent),
            Some(Raw::Null) => Val::Null,
            Some(Raw::Bool(value)) => Val::Bool(value),
            Some(Raw::Int(value)) => Val::Int(value),
            Some(Raw::Double(value)) => Val::Double(value),
            Some(Raw::Text(text, false)) => Val::Text(text),
            Some(Raw::Text(text, true)) => self.text(text.len(), |out| raw::unescape(text, out)),
            Some(Raw::Object(text)) => Val::Object(text),
            Some(Raw::Array(text)) => Val::Array(text),
        }
    }
}

/// What came of a list of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::policy::telemetry) struct First {
    /// The rule that decided.
    pub(in crate::policy::telemetry) rule: Option<usize>,
    /// Whether one before it asked for what is not there, or is of another type.
    pub(in crate::policy::telemetry) unmatched: bool,
    /// Whether one failed.
    pub(in crate::policy::telemetry) failed: bool,
}

/// What comes of conditions of which all are to hold, or any.
#[inline(always)]
fn joined<'t, T>(
    all: bool,
    mut budget: i64,
    tests: &'t [T],
    mut test: impl FnMut(&'t T, &mut i64) -> Outcome,
) -> Outcome {
    let mut outcome = if all { Outcome::True } else { Outcome::False };
    for one in tests {
        match test(one, &mut budget) {
            Outcome::True if all => {}
            Outcome::False if !all => {}
            Outcome::Fault(fault) => outcome = outcome.with(fault),
            decides => return decides,
        }
    }
    outcome
}

struct Run<'m, 'a> {
    machine: &'m Machine<'a>,
    program: &'a Program,
    stack: Stack<'a>,
    budget: i64,
}

impl<'a> Run<'_, 'a> {
    fn pop(&mut self) -> Val<'a> {
        self.stack.pop().unwrap_or(Val::Fault(Fault::Type))
    }

    /// Looking through so many bytes costs that, by a regular expression much more.
    fn charge(&mut self, bytes: usize, each: usize) {
        self.budget -= i64::try_from(bytes.saturating_mul(each) / 8).unwrap_or(i64::MAX);
    }

    fn run(&mut self) -> Val<'a> {
        let program = self.program;
        let mut at = 0;
        while let Some(op) = program.ops.get(at) {
            at += 1;
            self.budget -= 1;
            if self.budget < 0 {
                return Val::Fault(Fault::Cost);
            }
            let value = match *op {
                Op::Const(n) => constant(&program.consts[usize::from(n)]),
                Op::Attr(attr) => self.machine.attr(attr),
                Op::Slot(slot) => self.machine.slot(slot),
                Op::HasSlot(slot) => is_there(self.machine.slot(slot)),
                Op::HasAttr(attr) => is_there(self.machine.attr(attr)),
                Op::Names(run) => self.names(&program.runs[usize::from(run)]),
                Op::HasNames(run) => match self.names(&program.runs[usize::from(run)]) {
                    Val::Fault(Fault::Absent | Fault::Type) => Val::Bool(false),
                    value => is_there(value),
                },
                Op::Index => self.index(),
                Op::Not => match self.pop() {
                    Val::Bool(value) => Val::Bool(!value),
                    other => mistyped(other),
                },
                Op::Negate => match self.pop() {
                    Val::Int(value) => value.checked_neg().map_or(Val::Fault(Fault::Overflow), Val::Int),
                    Val::Double(value) => Val::Double(-value),
                    other => mistyped(other),
                },
                Op::Ask(n) => self.ask(&program.asks[usize::from(n)]),
                Op::Add
                | Op::Subtract
                | Op::Multiply
                | Op::Divide
                | Op::Remainder
                | Op::Equal
                | Op::NotEqual
                | Op::Less
                | Op::LessOrEqual
                | Op::Greater
                | Op::GreaterOrEqual
                | Op::In
                | Op::StartsWith
                | Op::EndsWith
                | Op::Contains => {
                    let (b, a) = (self.pop(), self.pop());
                    self.two(*op, a, b)
                }
                Op::Matches(n) => {
                    let value = self.pop();
                    self.matches(n, value)
                }
                Op::Size => self.size(),
                Op::First => match self.pop() {
                    list @ (Val::Array(_) | Val::List(_)) => {
                        self.stack.push(list);
                        self.stack.push(Val::Int(0));
                        self.index()
                    }
                    other => other,
                },
                Op::ToInt | Op::ToDouble | Op::ToText => {
                    let value = self.pop();
                    self.convert(*op, value)
                }
                Op::And => {
                    let (b, a) = (self.pop(), self.pop());
                    join(a, b, false)
                }
                Op::Or => {
                    let (b, a) = (self.pop(), self.pop());
                    join(a, b, true)
                }
                Op::IfFalse(to) => {
                    if let Some(Val::Bool(false)) = self.stack.last() {
                        at = usize::from(to);
                    }
                    continue;
                }
                Op::IfTrue(to) => {
                    if let Some(Val::Bool(true)) = self.stack.last() {
                        at = usize::from(to);
                    }
                    continue;
                }
                Op::Choose(otherwise, end) => match self.pop() {
                    Val::Bool(true) => continue,
                    Val::Bool(false) => {
                        at = usize::from(otherwise);
                        continue;
                    }
                    other => {
                        at = usize::from(end);
                        mistyped(other)
                    }
                },
                Op::Jump(to) => {
                    at = usize::from(to);
                    continue;
                }
            };
            self.stack.push(value);
        }
        self.pop()
    }

    fn matches(&mut self, regex: u16, value: Val<'a>) -> Val<'a> {
        match value {
            Val::Text(text) => {
                self.budget -= regex_cost(text);
                if self.budget < 0 {
                    return Val::Fault(Fault::Cost);
                }
                Val::Bool(self.machine.is_match(&self.program.regexes[usize::from(regex)], text))
            }
            other => mistyped(other),
        }
    }

    /// What a question is about.
    #[inline]
    fn place(&self, ask: &Ask) -> Val<'a> {
        match ask.place {
            Asked::Slot(slot) => self.machine.slot(slot),
            Asked::Attr(attr) => self.machine.attr(attr),
            Asked::Has(_) | Asked::Rule => Val::Fault(Fault::Type),
        }
    }

    /// Costs as much as the steps that it stands for.
    #[inline]
    fn ask(&mut self, ask: &'a Ask) -> Val<'a> {
        self.budget -= 1 + i64::from(ask.value.is_some());
        let a = self.place(ask);
        let Some(value) = ask.value else {
            let Op::Matches(regex) = ask.by else { return Val::Fault(Fault::Type) };
            return self.matches(regex, a);
        };
        self.two(ask.by, a, constant(&self.program.consts[usize::from(value)]))
    }

    /// An operation on two values.
    fn two(&mut self, op: Op, a: Val<'a>, b: Val<'a>) -> Val<'a> {
        match op {
            Op::Equal | Op::NotEqual => match self.equal(a, b) {
                Ok(equal) => Val::Bool(equal == matches!(op, Op::Equal)),
                Err(fault) => Val::Fault(fault),
            },
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => match compare(a, b) {
                Ok(Some(order)) => Val::Bool(match op {
                    Op::Less => order.is_lt(),
                    Op::LessOrEqual => order.is_le(),
                    Op::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }),
                Ok(None) => Val::Bool(false),
                Err(fault) => Val::Fault(fault),
            },
            Op::In => self.is_in(a, b),
            Op::StartsWith | Op::EndsWith | Op::Contains => self.search(op, a, b),
            _ => self.arithmetic(op, a, b),
        }
    }

    /// Follows the names of a run from the value on the stack.
    fn names(&mut self, run: &NameRun) -> Val<'a> {
        match self.pop() {
            Val::Object(text) => {
                let mut looked_at = 0;
                let found = lookup(text, &run.keys, &mut looked_at);
                self.charge(looked_at, 2);
                self.machine.raw(found)
            }
            other => mistyped(other),
        }
    }

    fn index(&mut self) -> Val<'a> {
        let (index, target) = (self.pop(), self.pop());
        match (target, index) {
            (Val::Fault(fault), _) | (_, Val::Fault(fault)) => Val::Fault(fault),
            (Val::Array(text), Val::Int(at)) => {
                self.charge(text.len(), 2);
                self.machine.raw(usize::try_from(at).ok().and_then(|at| Items::of(text).nth(at)))
            }
            (Val::List(ListVal(items)), Val::Int(at)) => {
                let item = usize::try_from(at).ok().and_then(|at| items.get(at));
                item.map_or(Val::Fault(Fault::Absent), constant)
            }
            (Val::Object(text), Val::Text(key)) => {
                self.charge(text.len(), 2);
                let value = Members::of(text).find(|(name, _)| is_text(name, key)).map(|(_, value)| value);
                self.machine.raw(value)
            }
            _ => Val::Fault(Fault::Type),
        }
    }

    fn size(&mut self) -> Val<'a> {
        let size = match self.pop() {
            Val::Text(text) => {
                self.charge(text.len(), 1);
                // Characters: all bytes that do not continue one.
                text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
            }
            Val::Array(text) => {
                self.charge(text.len(), 2);
                Items::of(text).count()
            }
            Val::Object(text) => {
                self.charge(text.len(), 2);
                Members::of(text).count()
            }
            Val::List(ListVal(items)) => items.len(),
            other => return mistyped(other),
        };
        i64::try_from(size).map_or(Val::Fault(Fault::Overflow), Val::Int)
    }

    fn search(&mut self, op: Op, a: Val<'a>, b: Val<'a>) -> Val<'a> {
        match (a, b) {
            (Val::Text(text), Val::Text(part)) => Val::Bool(match op {
                Op::StartsWith => text.starts_with(part),
                Op::EndsWith => text.ends_with(part),
                _ => {
                    self.charge(text.len() + part.len(), 1);
                    memchr::memmem::find(text, part).is_some()
                }
            }),
            (a, b) => heavier(a, b),
        }
    }

    fn equal(&mut self, a: Val<'a>, b: Val<'a>) -> Result<bool, Fault> {
        Ok(match (a, b) {
            (Val::Fault(a), Val::Fault(b)) => return Err(a.max(b)),
            (Val::Fault(fault), _) | (_, Val::Fault(fault)) => return Err(fault),
            (Val::Text(a), Val::Text(b)) => a == b,
            (Val::Null, Val::Null) => true,
            (Val::Null, _) | (_, Val::Null) => false,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => {
                compare(a, b)? == Some(Ordering::Equal)
            }
            // Canonical: the same value is the same text.
            (Val::Object(a), Val::Object(b)) | (Val::Array(a), Val::Array(b)) => {
                self.charge(a.len(), 1);
                a == b
            }
            (Val::List(ListVal(a)), Val::List(ListVal(b))) => a == b,
            (Val::Array(text), Val::List(ListVal(list))) | (Val::List(ListVal(list)), Val::Array(text)) => {
                self.charge(text.len(), 2);
                let mut items = Items::of(text);
                for wanted in list {
                    let Some(item) = items.next() else { return Ok(false) };
                    let item = self.machine.raw(Some(item));
                    if self.equal(item, constant(wanted)) != Ok(true) {
                        return Ok(false);
                    }
                }
                items.next().is_none()
            }
            _ => return Err(Fault::Type),
        })
    }

    /// Whether a value is one of a list's, or a name one of an object's.
    fn is_in(&mut self, value: Val<'a>, list: Val<'a>) -> Val<'a> {
        match (value, list) {
            (Val::Fault(a), Val::Fault(b)) => Val::Fault(a.max(b)),
            (Val::Fault(fault), _) | (_, Val::Fault(fault)) => Val::Fault(fault),
            (value, Val::List(ListVal(items))) => {
                let found = items.iter().any(|item| self.equal(value, constant(item)) == Ok(true));
                Val::Bool(found)
            }
            (value, Val::Array(text)) => {
                self.charge(text.len(), 2);
                for item in Items::of(text) {
                    let same = match (Raw::of(item), value) {
                        // Without undoing its escapes anywhere.
                        (Some(Raw::Text(item, true)), Val::Text(text)) => is_text(item, text),
                        (Some(Raw::Text(item, false)), Val::Text(text)) => item == text,
                        (Some(Raw::Text(..)), _) | (_, Val::Text(_)) => false,
                        _ => {
                            let item = self.machine.raw(Some(item));
                            self.equal(value, item) == Ok(true)
                        }
                    };
                    if same {
                        return Val::Bool(true);
                    }
                }
                Val::Bool(false)
            }
            (Val::Text(key), Val::Object(text)) => {
                self.charge(text.len(), 2);
                Val::Bool(Members::of(text).any(|(name, _)| is_text(name, key)))
            }
            _ => Val::Fault(Fault::Type),
        }
    }

    fn arithmetic(&mut self, op: Op, a: Val<'a>, b: Val<'a>) -> Val<'a> {
        match (a, b) {
            (Val::Int(a), Val::Int(b)) => {
                let whole = match op {
                    Op::Add => a.checked_add(b),
                    Op::Subtract => a.checked_sub(b),
                    Op::Multiply => a.checked_mul(b),
                    Op::Divide => a.checked_div(b),
                    _ => a.checked_rem(b),
                };
                whole.map_or(Val::Fault(Fault::Overflow), Val::Int)
            }
            (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => {
                let (a, b) = (double(a), double(b));
                Val::Double(match op {
                    Op::Add => a + b,
                    Op::Subtract => a - b,
                    Op::Multiply => a * b,
                    Op::Divide => a / b,
                    _ => a % b,
                })
            }
            (Val::Text(a), Val::Text(b)) if matches!(op, Op::Add) => {
                self.machine.text(a.len() + b.len(), |out| {
                    out[..a.len()].copy_from_slice(a);
                    out[a.len()..].copy_from_slice(b);
                    Some(out.len())
                })
            }
            (a, b) => heavier(a, b),
        }
    }

    fn convert(&mut self, op: Op, value: Val<'a>) -> Val<'a> {
        match (op, value) {
            (Op::ToInt, Val::Int(_)) | (Op::ToDouble, Val::Double(_)) | (Op::ToText, Val::Text(_)) => value,
            (Op::ToInt, Val::Double(number)) => {
                // Within what a double holds exactly; beyond it the whole part means nothing.
                if number.abs() < 9_007_199_254_740_992.0 {
                    Val::Int(number.trunc() as i64)
                } else {
                    Val::Fault(Fault::Overflow)
                }
            }
            (Op::ToDouble, Val::Int(number)) => Val::Double(number as f64),
            (Op::ToInt, Val::Text(text)) => match std::str::from_utf8(text).map(str::parse) {
                Ok(Ok(number)) => Val::Int(number),
                _ => Val::Fault(Fault::Type),
            },
            (Op::ToDouble, Val::Text(text)) => match std::str::from_utf8(text).map(str::parse) {
                Ok(Ok(number)) => Val::Double(number),
                _ => Val::Fault(Fault::Type),
            },
            (Op::ToText, Val::Int(number)) => {
                self.machine.copy(itoa::Buffer::new().format(number).as_bytes())
            }
            (Op::ToText, Val::Double(number)) => {
                self.machine.written(|text| {
                    // What is not finite has no text.
                    let _ = crate::json::write_f64(text, number);
                })
            }
            (Op::ToText, Val::Bool(value)) => Val::Text(if value { b"true" } else { b"false" }),
            (_, other) => mistyped(other),
        }
    }
}

/// What it costs to look through a text with a regular expression.
fn regex_cost(text: &[u8]) -> i64 {
    // No slice is longer than half of what there is.
    (text.len() as i64).saturating_mul(16)
}

/// What a question of a number comes to; `None` where the machine has to be asked.
#[inline(always)]
fn of_number(number: i64, quick: &Quick, budget: i64) -> Option<Outcome> {
    let holds = match quick {
        Quick::Number(orders, than) if budget >= 0 => orders >> (number.cmp(than) as i8 + 1) & 1 == 1,
        _ => return None,
    };
    Some(Outcome::of_answer(holds))
}

/// Whether a text with escapes is that text.
fn is_text(escaped: &[u8], text: &[u8]) -> bool {
    if memchr::memchr(b'\\', escaped).is_none() {
        return escaped == text;
    }
    // Both are canonical: compared as the other would be written.
    let Ok(text) = std::str::from_utf8(text) else { return false };
    *raw::escaped(text) == *escaped
}

/// The longest joined name first.
fn lookup<'a>(object: &'a [u8], keys: &[Vec<Box<[u8]>>], looked_at: &mut usize) -> Option<&'a [u8]> {
    let Some((joined, _)) = keys.split_first() else { return Some(object) };
    for (more, key) in joined.iter().enumerate().rev() {
        *looked_at += object.len();
        if let Some(value) = raw::member(object, key) {
            let rest = &keys[more + 1..];
            if rest.is_empty() {
                return Some(value);
            }
            if value.first() == Some(&b'{')
                && let Some(found) = lookup(value, rest, looked_at)
            {
                return Some(found);
            }
        }
    }
    None
}

fn constant(value: &Const) -> Val<'_> {
    match value {
        Const::Null => Val::Null,
        Const::Bool(value) => Val::Bool(*value),
        Const::Int(value) => Val::Int(*value),
        Const::Double(value) => Val::Double(*value),
        Const::Text(text) => Val::Text(text),
        Const::List(items) => Val::List(ListVal(items)),
    }
}

fn is_there(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Fault(Fault::Absent) => Val::Bool(false),
        Val::Fault(fault) => Val::Fault(fault),
        _ => Val::Bool(true),
    }
}

/// A value that cannot be asked this.
fn mistyped(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Fault(fault) => Val::Fault(fault),
        _ => Val::Fault(Fault::Type),
    }
}

/// Two values that do not go together.
fn heavier<'a>(a: Val<'a>, b: Val<'a>) -> Val<'a> {
    match (a, b) {
        (Val::Fault(a), Val::Fault(b)) => Val::Fault(a.max(b)),
        (Val::Fault(fault), _) | (_, Val::Fault(fault)) => Val::Fault(fault),
        _ => Val::Fault(Fault::Type),
    }
}

/// CEL's `||` (`absorbing` true) and `&&` (false), whichever side comes first.
fn join<'a>(a: Val<'a>, b: Val<'a>, absorbing: bool) -> Val<'a> {
    match (a, b) {
        (Val::Bool(value), _) | (_, Val::Bool(value)) if value == absorbing => Val::Bool(absorbing),
        (Val::Bool(_), Val::Bool(_)) => Val::Bool(!absorbing),
        (Val::Bool(_), other) | (other, Val::Bool(_)) => mistyped(other),
        (a, b) => heavier(a, b),
    }
}

fn double(value: Val<'_>) -> f64 {
    match value {
        Val::Int(number) => number as f64,
        Val::Double(number) => number,
        _ => f64::NAN,
    }
}

/// How two values are in order; `None` where one is not a number.
fn compare(a: Val<'_>, b: Val<'_>) -> Result<Option<Ordering>, Fault> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Ok(Some(a.cmp(&b))),
        (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => Ok(double(a).partial_cmp(&double(b))),
        (Val::Text(a), Val::Text(b)) => Ok(Some(a.cmp(b))),
        (Val::Bool(a), Val::Bool(b)) => Ok(Some(a.cmp(&b))),
        (a, b) => match heavier(a, b) {
            Val::Fault(fault) => Err(fault),
            _ => Err(Fault::Type),
        },
    }
}
