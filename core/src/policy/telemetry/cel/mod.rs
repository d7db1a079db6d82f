//! CEL, the part of it that policies need: read and checked at load, run as a flat program.
//!
//! Guarantees: a source is at most [`MAX_SOURCE`] bytes, [`MAX_DEPTH`] deep and [`MAX_NODES`] parts, and reading it
//! needs little stack and time, whatever it is; every refusal names its place. What can be known before an event is
//! there is known at load: names, types, paths, regular expressions. Running never panics, allocates nothing, and costs
//! at most [`BUDGET`] steps, where a text counts by its length. What an expression that does not come out true means is
//! said once, in [`Fault`].
//!
//! How: [`parse`] makes a tree, [`check`] types it and writes the [`Program`], [`run`] is a machine with a stack;
//! [`folding`] bounds what the compiler of regular expressions does not; [`memo`] remembers what they said; [`list`] puts the
//! questions of many rules side by side.

mod check;
mod folding;
mod lex;
mod list;
mod memo;
mod parse;
mod run;

#[cfg(test)]
pub(super) mod tests;

pub(super) use check::compile;
pub(super) use list::List;
pub(super) use memo::Memo;
pub(super) use run::{First, Machine, Outcome, Val};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::facts::Step;
use crate::json::words::{begins, same};

/// Bytes of a source.
pub(super) const MAX_SOURCE: usize = 1024;
/// How deep it may nest.
pub(super) const MAX_DEPTH: usize = 32;
/// Parts that it may have, macros written out.
pub(super) const MAX_NODES: usize = 256;
/// What one run may cost: a step is 1 (those of a rule that is nothing but conditions all count at once), a text looked through 1 for each 8 bytes, by a regular expression 16 a byte.
pub(super) const BUDGET: i64 = 1 << 20;
/// Bytes that a compiled regular expression may take.
const REGEX_SIZE: usize = 64 * 1024;
/// Regular expressions of one source; the same one counts once.
pub(super) const MAX_REGEXES: usize = 16;
/// How deep a regular expression may nest.
const REGEX_DEPTH: u32 = 24;

/// Why a source is refused, and the byte of it that is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CelError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl CelError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Why an expression has no value for an event, in order of weight: of two, the heavier counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It asks for a member that the event does not have. The rule says nothing of such an event: no match.
    Absent,
    /// A value is of a type that cannot be asked this. No match either.
    Type,
    /// Arithmetic left the range of numbers. The rule failed: the event is kept.
    Overflow,
    /// It would have taken more than [`BUDGET`]. The rule failed: the event is kept.
    Cost,
}

impl Fault {
    /// Whether the rule failed, rather than not matching.
    pub(crate) const fn is_failure(self) -> bool {
        matches!(self, Self::Overflow | Self::Cost)
    }

    /// The public name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Type => "type",
            Self::Overflow => "overflow",
            Self::Cost => "cost",
        }
    }
}

/// An attribute of the event itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attr {
    Type,
    Id,
    Time,
    Subject,
    Severity,
    SeverityText,
    Agent,
    Tenant,
    Run,
    Turn,
    Attempt,
    Trace,
    Span,
    TraceState,
    Causation,
    Correlation,
}

/// Each by the name of `emit`, then by the name on the wire where that is another.
pub(super) const ATTRS: [(&str, Attr); 25] = [
    ("type", Attr::Type),
    ("id", Attr::Id),
    ("time", Attr::Time),
    ("subject", Attr::Subject),
    ("severity", Attr::Severity),
    ("agent", Attr::Agent),
    ("tenant", Attr::Tenant),
    ("run", Attr::Run),
    ("turn", Attr::Turn),
    ("attempt", Attr::Attempt),
    ("trace", Attr::Trace),
    ("span", Attr::Span),
    ("tracestate", Attr::TraceState),
    ("causation", Attr::Causation),
    ("correlation", Attr::Correlation),
    ("severitynumber", Attr::Severity),
    ("severitytext", Attr::SeverityText),
    ("agentid", Attr::Agent),
    ("tenantid", Attr::Tenant),
    ("runid", Attr::Run),
    ("turnid", Attr::Turn),
    ("attemptid", Attr::Attempt),
    ("causationid", Attr::Causation),
    ("correlationid", Attr::Correlation),
    ("traceid", Attr::Trace),
];

/// A value that stands in the source.
#[derive(Clone, Debug, PartialEq)]
enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<[u8]>),
    List(Box<[Const]>),
}

/// A step of the machine. Most take their operands from the stack and leave one value there.
#[derive(Clone, Copy, Debug)]
enum Op {
    Const(u16),
    Attr(Attr),
    Slot(u16),
    /// Is it there: a slot, an attribute, or what the names of a run lead to from the value on the stack.
    HasSlot(u16),
    HasAttr(Attr),
    HasNames(u16),
    /// The names of a run, from the value on the stack.
    Names(u16),
    Index,
    Not,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    StartsWith,
    EndsWith,
    Contains,
    Matches(u16),
    Size,
    /// Of a list its first, and what is no list.
    First,
    ToInt,
    ToDouble,
    ToText,
    /// Both: false beats a fault, a fault beats true.
    And,
    /// Either: true beats a fault, a fault beats false.
    Or,
    /// Goes there with the value left, if it is false, or true: the rest cannot change it.
    IfFalse(u16),
    IfTrue(u16),
    /// Takes a condition: goes on if true, to the first if false, with a fault left to the second otherwise.
    Choose(u16, u16),
    Jump(u16),
    /// What most rules ask, in one step: a place of the event, a value that stands in the source, and an operation on the
    /// two; or whether the place matches.
    Ask(u16),
}

/// A rule that asks nothing but conditions, as most do: by how they are joined.
#[derive(Debug)]
enum Test {
    /// `HasSlot` or `HasAttr`.
    Has(Op),
    /// The number of a question that is answered with yes or no.
    Ask(u16),
    Not(Box<Test>),
    Joined(Joined),
}

/// Conditions that are joined: all of them, or any. One alone is joined either way.
#[derive(Debug)]
struct Joined {
    all: bool,
    tests: Vec<Test>,
}

impl Joined {
    /// The same as these steps; `None` where one of them leaves another value than a condition.
    fn of(ops: &[Op], asks: &[Ask]) -> Option<Self> {
        Some(match Test::of(ops, asks)? {
            Test::Joined(joined) => joined,
            test => Self { all: true, tests: vec![test] },
        })
    }
}

impl Test {
    fn of(ops: &[Op], asks: &[Ask]) -> Option<Self> {
        let mut stack = Vec::new();
        for op in ops {
            let test = match op {
                Op::HasSlot(_) | Op::HasAttr(_) => Self::Has(*op),
                Op::Ask(n) if !asks.get(usize::from(*n))?.by.is_arithmetic() => Self::Ask(*n),
                Op::Not => Self::Not(Box::new(stack.pop()?)),
                // What they skip cannot change what comes of the two that are joined.
                Op::IfFalse(_) | Op::IfTrue(_) => continue,
                Op::And | Op::Or => {
                    let (second, first) = (stack.pop()?, stack.pop()?);
                    let all = matches!(op, Op::And);
                    // Which two of many are joined first changes nothing.
                    let tests = match first {
                        Self::Joined(Joined { all: same, mut tests }) if same == all => {
                            tests.push(second);
                            tests
                        }
                        first => vec![first, second],
                    };
                    Self::Joined(Joined { all, tests })
                }
                _ => return None,
            };
            stack.push(test);
        }
        stack.pop().filter(|_| stack.is_empty())
    }
}

impl Op {
    fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder)
    }
}

/// A place of the event that a question is about.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Slot(u16),
    Attr(Attr),
    /// Whether a slot is there.
    Has(u16),
    /// None: the rule is run.
    Rule,
}

impl Asked {
    fn of(op: Op) -> Option<Self> {
        match op {
            Op::Slot(slot) => Some(Self::Slot(slot)),
            Op::Attr(attr) => Some(Self::Attr(attr)),
            _ => None,
        }
    }
}

/// A question: see [`Op::Ask`].
#[derive(Debug)]
struct Ask {
    place: Asked,
    /// Where `by` takes one.
    value: Option<u16>,
    by: Op,
    quick: Quick,
}

impl Ask {
    /// `value`: where it stands, and what it is.
    fn new(place: Asked, (at, value): (u16, &Const), by: Op) -> Self {
        Self { place, value: Some(at), by, quick: Quick::of(by, value) }
    }

    /// Whether it matches the regular expression of this number.
    fn matches(place: Asked, number: u16, pattern: &Arc<Pattern>) -> Self {
        Self { place, value: None, by: Op::Matches(number), quick: Quick::Matches(Arc::clone(pattern)) }
    }
}

/// What most ask, ready to be answered without looking for the way of its operation.
#[derive(Clone, Debug)]
enum Quick {
    Other,
    /// How a number is to it: one bit each for less, equal and greater, the lowest first.
    Number(u8, i64),
    Text(TextAsk),
    /// Texts, and whether all are written as they are.
    OneOf(Box<[Box<[u8]>]>, bool),
    Matches(Arc<Pattern>),
}

impl Quick {
    fn of(by: Op, value: &Const) -> Self {
        let order = match by {
            Op::Less => 0b001,
            Op::Equal => 0b010,
            Op::LessOrEqual => 0b011,
            Op::Greater => 0b100,
            Op::NotEqual => 0b101,
            Op::GreaterOrEqual => 0b110,
            _ => 0,
        };
        match (by, value) {
            (_, Const::Int(number)) if order != 0 => Self::Number(order, *number),
            (Op::Equal, Const::Text(text)) => Self::Text(TextAsk::new(How::Equal, text)),
            (Op::NotEqual, Const::Text(text)) => Self::Text(TextAsk::new(How::NotEqual, text)),
            (Op::StartsWith, Const::Text(text)) => Self::Text(TextAsk::new(How::StartsWith, text)),
            (Op::EndsWith, Const::Text(text)) => Self::Text(TextAsk::new(How::EndsWith, text)),
            (Op::Contains, Const::Text(text)) => {
                let finder = memchr::memmem::Finder::new(text).into_owned();
                Self::Text(TextAsk::new(How::Contains(Box::new(finder)), text))
            }
            (Op::In, Const::List(all)) => {
                let texts = all.iter().map(|one| match one {
                    Const::Text(text) => Some(text.clone()),
                    _ => None,
                });
                match texts.collect::<Option<Box<[_]>>>() {
                    Some(texts) => {
                        let plain = texts.iter().all(|text| is_plain(text));
                        Self::OneOf(texts, plain)
                    }
                    None => Self::Other,
                }
            }
            _ => Self::Other,
        }
    }

    /// Whether it holds of a text with escapes, as it is written; `None` where that cannot be said.
    fn of_written(&self, written: &[u8], budget: &mut i64) -> Option<bool> {
        match self {
            // What is without is another text.
            Self::OneOf(_, true) => Some(false),
            Self::Text(ask) if ask.plain => match ask.how {
                How::Equal => Some(false),
                How::NotEqual => Some(true),
                How::StartsWith => Some(begins(written, &ask.text)),
                How::EndsWith | How::Contains(_) => ask.aligned.then(|| ask.holds(written, budget)),
            },
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
enum How {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains(Box<memchr::memmem::Finder<'static>>),
}

/// What is asked of a text.
#[derive(Clone, Debug)]
struct TextAsk {
    how: How,
    text: Box<[u8]>,
    /// Whether nothing in it is written with escapes.
    plain: bool,
    /// Whether it can stand in a written text only where one of its characters begins, never inside an escape.
    aligned: bool,
}

impl TextAsk {
    fn new(how: How, text: &[u8]) -> Self {
        Self {
            how,
            text: text.into(),
            plain: is_plain(text),
            aligned: text
                .first()
                .is_some_and(|first| !matches!(first, b'0'..=b'9' | b'a'..=b'f' | b'n' | b'r' | b't' | b'u')),
        }
    }

    #[inline]
    fn holds(&self, text: &[u8], budget: &mut i64) -> bool {
        match &self.how {
            How::Equal => same(text, &self.text),
            How::NotEqual => !same(text, &self.text),
            How::StartsWith => begins(text, &self.text),
            How::EndsWith => text.ends_with(&self.text),
            How::Contains(finder) => {
                *budget -= i64::try_from((text.len() + self.text.len()) / 8).unwrap_or(i64::MAX);
                finder.find(text).is_some()
            }
        }
    }
}

/// Whether canonical JSON writes a text as it is.
fn is_plain(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| *super::raw::escaped(text) == *text.as_bytes())
}

/// Names after a value that is only known when the event is there, longest joined name first.
#[derive(Debug)]
struct NameRun {
    /// `keys[i][k]` is the key of the names from `i` on, `k + 1` of them joined, as canonical JSON writes it.
    keys: Vec<Vec<Box<[u8]>>>,
}

/// A regular expression.
#[derive(Debug)]
struct Pattern {
    regex: regex::bytes::Regex,
    /// What every text begins with that it matches, if it only matches at a text's beginning; else empty.
    begins: Box<[u8]>,
    /// Tells it from every other of this process; never zero.
    id: u64,
}

impl Pattern {
    fn new(regex: regex::bytes::Regex, begins: Box<[u8]>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { regex, begins, id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

/// What a source became.
#[derive(Debug)]
pub(super) struct Program {
    ops: Box<[Op]>,
    consts: Box<[Const]>,
    regexes: Box<[Arc<Pattern>]>,
    runs: Box<[NameRun]>,
    asks: Box<[Ask]>,
    /// The same, where it is nothing but conditions.
    test: Option<Joined>,
}

impl NameRun {
    fn new(steps: &[Step]) -> Self {
        let keys = (0..steps.len()).map(|from| {
            let longest = if steps[from].quoted {
                1
            } else {
                steps[from..].iter().position(|step| step.quoted).unwrap_or(steps.len() - from)
            };
            let joined = |count: usize| {
                let names: Vec<_> = steps[from..from + count].iter().map(|step| step.name.as_str()).collect();
                super::raw::escaped(&names.join("."))
            };
            (1..=longest).map(joined).collect()
        });
        Self { keys: keys.collect() }
    }
}
