//! From a tree to a program, with everything that is wrong with it.

use std::sync::Arc;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::Look;
use regex_syntax::hir::literal::Extractor;

use super::parse::{Binary, Kind, Literal, Node, parse};
use super::{
    ATTRS, Ask, Asked, Attr, CelError, Const, Joined, MAX_DEPTH, MAX_REGEXES, MAX_SOURCE, NameRun, Op,
    Pattern, Program, REGEX_DEPTH, REGEX_SIZE, folding,
};
use crate::policy::telemetry::facts::{MAX_STEPS, Paths, Step};
use crate::types::Severity;

/// What is known of a value's type at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// What the event's data holds: known when it is there.
    Dynamic,
    Null,
    Bool,
    Number,
    Text,
    List,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "a value of the event",
            Self::Null => "null",
            Self::Bool => "a condition",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
        }
    }

    /// Whether a rule may be of it.
    pub(crate) fn is_condition(self) -> bool {
        self.may_be(Self::Bool)
    }

    fn may_be(self, other: Self) -> bool {
        self == other || self == Self::Dynamic || other == Self::Dynamic
    }
}

/// Reads and checks a source; the paths that it asks for are put into `paths`.
pub(in crate::policy::telemetry) fn compile(
    source: &str,
    paths: &mut Paths,
) -> Result<(Program, Type), CelError> {
    if source.len() > MAX_SOURCE {
        let message = format!("{} bytes; the most is {MAX_SOURCE}", source.len());
        return Err(CelError::new(MAX_SOURCE, message));
    }
    let tree = parse(source)?;
    let mut writer = Writer {
        paths,
        ops: Vec::new(),
        consts: Vec::new(),
        regexes: Vec::new(),
        patterns: Vec::new(),
        folded: 0,
        runs: Vec::new(),
        asks: Vec::new(),
        depth: 0,
    };
    let found = writer.node(&tree)?;
    let Writer { ops, consts, regexes, runs, asks, .. } = writer;
    let program = Program {
        test: Joined::of(&ops, &asks),
        ops: ops.into(),
        consts: consts.into(),
        regexes: regexes.into(),
        runs: runs.into(),
        asks: asks.into(),
    };
    Ok((program, found))
}

struct Writer<'p> {
    paths: &'p mut Paths,
    ops: Vec<Op>,
    consts: Vec<Const>,
    regexes: Vec<Arc<Pattern>>,
    /// Of each regular expression its source.
    patterns: Vec<String>,
    /// Characters whose case they look up, all together.
    folded: usize,
    runs: Vec<NameRun>,
    asks: Vec<Ask>,
    depth: usize,
}

/// What a chain of names and indices begins with, and the names after it.
enum Place {
    Attr(Attr),
    Data(Vec<Step>),
}

impl Writer<'_> {
    fn here(&self) -> u16 {
        // At most two steps for each of a source's nodes.
        u16::try_from(self.ops.len()).unwrap_or(u16::MAX)
    }

    fn constant(&mut self, value: Const) {
        let at = self.consts.iter().position(|known| *known == value).unwrap_or_else(|| {
            self.consts.push(value);
            self.consts.len() - 1
        });
        self.ops.push(Op::Const(u16::try_from(at).unwrap_or(u16::MAX)));
    }

    /// An operation on the two values that the steps since `start` leave.
    fn two(&mut self, start: usize, by: Op) {
        if let [place, Op::Const(value)] = self.ops[start..]
            && let Some(place) = Asked::of(place)
        {
            let ask = Ask::new(place, (value, &self.consts[usize::from(value)]), by);
            self.ask(start, ask);
        } else {
            self.ops.push(by);
        }
    }

    /// A question instead of the steps since `start`.
    fn ask(&mut self, start: usize, ask: Ask) {
        self.asks.push(ask);
        self.ops.truncate(start);
        self.ops.push(Op::Ask(u16::try_from(self.asks.len() - 1).unwrap_or(u16::MAX)));
    }

    fn node(&mut self, node: &Node) -> Result<Type, CelError> {
        self.depth += 1;
        if self.depth > 2 * MAX_DEPTH {
            return Err(CelError::new(
                node.at,
                format!("nested deeper than {MAX_DEPTH} once it is written out"),
            ));
        }
        let found = self.kind(node)?;
        self.depth -= 1;
        Ok(found)
    }

    fn kind(&mut self, node: &Node) -> Result<Type, CelError> {
        match &node.kind {
            Kind::Literal(literal) => {
                let (value, found) = constant(literal);
                self.constant(value);
                Ok(found)
            }
            Kind::List(items) => {
                let items = items.iter().map(|item| self.list_item(item)).collect::<Result<Vec<_>, _>>()?;
                self.constant(Const::List(items.into()));
                Ok(Type::List)
            }
            Kind::Ident(_) | Kind::Select(..) | Kind::Index(..) => self.place(node),
            Kind::Not(inner) => {
                self.wanted(inner, Type::Bool)?;
                self.ops.push(Op::Not);
                Ok(Type::Bool)
            }
            Kind::Negate(inner) => {
                self.wanted(inner, Type::Number)?;
                self.ops.push(Op::Negate);
                Ok(Type::Number)
            }
            Kind::Binary(binary, left, right) => self.binary(*binary, left, right, node.at),
            Kind::All(parts) => self.joined(parts, Op::IfFalse, Op::And),
            Kind::Any(parts) => self.joined(parts, Op::IfTrue, Op::Or),
            Kind::Choice(parts) => self.choice(&parts[0], &parts[1], &parts[2]),
            Kind::Call(name, target, arguments) => self.call(name, target.as_deref(), arguments, node.at),
        }
    }

    /// A node that must be able to have that type.
    fn wanted(&mut self, node: &Node, wanted: Type) -> Result<Type, CelError> {
        let found = self.node(node)?;
        if found.may_be(wanted) {
            return Ok(found);
        }
        Err(CelError::new(node.at, format!("expected {}, and this is {}", wanted.name(), found.name())))
    }

    fn list_item(&mut self, node: &Node) -> Result<Const, CelError> {
        match &node.kind {
            Kind::Literal(literal) => Ok(constant(literal).0),
            Kind::Ident(name) => match severity(name) {
                Some(number) => Ok(Const::Int(number)),
                None => Err(CelError::new(node.at, "a list holds values that are written here")),
            },
            _ => Err(CelError::new(node.at, "a list holds values that are written here")),
        }
    }

    fn joined(&mut self, parts: &[Node], leave: fn(u16) -> Op, join: Op) -> Result<Type, CelError> {
        let mut exits = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            self.wanted(part, Type::Bool)?;
            if i > 0 {
                self.ops.push(join);
            }
            if i + 1 < parts.len() {
                exits.push(self.ops.len());
                self.ops.push(leave(0));
            }
        }
        let end = self.here();
        exits.into_iter().for_each(|at| self.ops[at] = leave(end));
        Ok(Type::Bool)
    }

    fn choice(&mut self, condition: &Node, yes: &Node, no: &Node) -> Result<Type, CelError> {
        self.wanted(condition, Type::Bool)?;
        let choose = self.ops.len();
        self.ops.push(Op::Choose(0, 0));
        let first = self.node(yes)?;
        let jump = self.ops.len();
        self.ops.push(Op::Jump(0));
        let otherwise = self.here();
        let second = self.node(no)?;
        let end = self.here();
        self.ops[choose] = Op::Choose(otherwise, end);
        self.ops[jump] = Op::Jump(end);
        if !first.may_be(second) {
            let message = format!("one side is {}, the other {}", first.name(), second.name());
            return Err(CelError::new(no.at, message));
        }
        Ok(if first == second { first } else { Type::Dynamic })
    }

    fn binary(&mut self, binary: Binary, left: &Node, right: &Node, at: usize) -> Result<Type, CelError> {
        let start = self.ops.len();
        let (a, b) = (self.node(left)?, self.node(right)?);
        let same = |what: &str| {
            let message = format!("{} {what} {} never makes sense", a.name(), b.name());
            if a.may_be(b) { Ok(()) } else { Err(CelError::new(at, message)) }
        };
        let one_of = |kinds: &[Type], what: &str| match [a, b]
            .iter()
            .find(|found| !kinds.iter().any(|kind| found.may_be(*kind)))
        {
            None => same(what),
            Some(found) => Err(CelError::new(at, format!("{} cannot be {what}", found.name()))),
        };
        let (op, found) = match binary {
            Binary::Equal | Binary::NotEqual => {
                // Anything may be null.
                if a != Type::Null && b != Type::Null {
                    same("compared with")?;
                }
                (if binary == Binary::Equal { Op::Equal } else { Op::NotEqual }, Type::Bool)
            }
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                one_of(&[Type::Number, Type::Text, Type::Bool], "put in order with")?;
                let op = match binary {
                    Binary::Less => Op::Less,
                    Binary::LessOrEqual => Op::LessOrEqual,
                    Binary::Greater => Op::Greater,
                    _ => Op::GreaterOrEqual,
                };
                (op, Type::Bool)
            }
            Binary::In => {
                if !b.may_be(Type::List) {
                    return Err(CelError::new(right.at, format!("nothing is `in` {}", b.name())));
                }
                (Op::In, Type::Bool)
            }
            Binary::Add => {
                one_of(&[Type::Number, Type::Text], "added to")?;
                let known = if a == Type::Dynamic { b } else { a };
                (Op::Add, known)
            }
            Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
                one_of(&[Type::Number], "reckoned with")?;
                let op = match binary {
                    Binary::Subtract => Op::Subtract,
                    Binary::Multiply => Op::Multiply,
                    Binary::Divide => Op::Divide,
                    _ => Op::Remainder,
                };
                (op, Type::Number)
            }
        };
        self.two(start, op);
        Ok(found)
    }

    fn call(
        &mut self,
        name: &str,
        target: Option<&Node>,
        arguments: &[Node],
        at: usize,
    ) -> Result<Type, CelError> {
        let start = self.ops.len();
        let text = |op| Ok((op, Type::Text, Type::Bool));
        let (op, wants, gives): (Op, Type, Type) = match (name, target, arguments) {
            ("has", None, [place]) => return self.has(place),
            ("matches", Some(target), [pattern]) | ("matches", None, [target, pattern]) => {
                self.wanted(target, Type::Text)?;
                let number = self.regex(pattern)?;
                if let [place] = self.ops[start..]
                    && let Some(place) = Asked::of(place)
                {
                    let ask = Ask::matches(place, number, &self.regexes[usize::from(number)]);
                    self.ask(start, ask);
                } else {
                    self.ops.push(Op::Matches(number));
                }
                return Ok(Type::Bool);
            }
            ("size", Some(value), []) | ("size", None, [value]) => {
                let found = self.node(value)?;
                if matches!(found, Type::Null | Type::Bool | Type::Number) {
                    return Err(CelError::new(value.at, format!("{} has no size", found.name())));
                }
                self.ops.push(Op::Size);
                return Ok(Type::Number);
            }
            ("first", None, [value]) => {
                let found = self.node(value)?;
                self.ops.push(Op::First);
                return Ok(if found == Type::List { Type::Dynamic } else { found });
            }
            ("int" | "double" | "string", None, [value]) => {
                self.node(value)?;
                let (op, found) = match name {
                    "int" => (Op::ToInt, Type::Number),
                    "double" => (Op::ToDouble, Type::Number),
                    _ => (Op::ToText, Type::Text),
                };
                self.ops.push(op);
                return Ok(found);
            }
            ("startsWith", Some(_), [_]) => text(Op::StartsWith),
            ("endsWith", Some(_), [_]) => text(Op::EndsWith),
            ("contains", Some(_), [_]) => text(Op::Contains),
            _ => {
                let known = "has, size, first, startsWith, endsWith, contains, matches, int, double, string";
                Err(CelError::new(
                    at,
                    format!("`{name}` is not a call of the subset, with so many values; there are {known}"),
                ))
            }
        }?;
        if let (Some(target), [argument]) = (target, arguments) {
            self.wanted(target, wants)?;
            self.wanted(argument, wants)?;
        }
        self.two(start, op);
        Ok(gives)
    }

    fn regex(&mut self, pattern: &Node) -> Result<u16, CelError> {
        let Kind::Literal(Literal::Text(text)) = &pattern.kind else {
            return Err(CelError::new(
                pattern.at,
                "a regular expression stands here as a string: it is compiled at load",
            ));
        };
        if let Some(known) = self.patterns.iter().position(|known| known == text) {
            return Ok(u16::try_from(known).unwrap_or(u16::MAX));
        }
        if self.regexes.len() >= MAX_REGEXES {
            let message = format!("more than {MAX_REGEXES} regular expressions; split the rule");
            return Err(CelError::new(pattern.at, message));
        }
        self.folded += folding::folded(text, REGEX_DEPTH);
        if self.folded > folding::MOST {
            let message = "under (?i) this looks up the case of too many characters: write classes of many as (?-i:[…]), and any character as (?s:.)";
            return Err(CelError::new(pattern.at, message));
        }
        let regex = regex::bytes::RegexBuilder::new(text)
            .size_limit(REGEX_SIZE)
            .dfa_size_limit(16 * REGEX_SIZE)
            .nest_limit(REGEX_DEPTH)
            .build()
            .map_err(|error| {
                let message = match error {
                    regex::Error::CompiledTooBig(_) => {
                        format!(
                            "the regular expression takes more than {REGEX_SIZE} bytes once it is compiled"
                        )
                    }
                    // Its last line says what is wrong; those before draw an arrow.
                    error => error.to_string().lines().last().unwrap_or_default().to_owned(),
                };
                CelError::new(pattern.at, message)
            })?;
        self.regexes.push(Arc::new(Pattern::new(regex, begins(text).unwrap_or_default())));
        self.patterns.push(text.clone());
        Ok(u16::try_from(self.regexes.len() - 1).unwrap_or(u16::MAX))
    }

    fn has(&mut self, node: &Node) -> Result<Type, CelError> {
        let (base, names) = chain(node);
        if names.is_empty() {
            return Err(CelError::new(node.at, "`has` asks for a member, as has(event.data.tool)"));
        }
        match self.resolve(base, &names)? {
            Some(Place::Attr(attr)) => self.ops.push(Op::HasAttr(attr)),
            Some(Place::Data(steps)) => {
                let slot = self.paths.slot(&steps);
                self.ops.push(Op::HasSlot(slot));
            }
            None => {
                self.node(base)?;
                let run = self.run(&names, node.at)?;
                self.ops.push(Op::HasNames(run));
            }
        }
        Ok(Type::Bool)
    }

    fn run(&mut self, names: &[Step], at: usize) -> Result<u16, CelError> {
        if names.len() > MAX_STEPS {
            return Err(CelError::new(at, format!("more than {MAX_STEPS} names in a row")));
        }
        self.runs.push(NameRun::new(names));
        Ok(u16::try_from(self.runs.len() - 1).unwrap_or(u16::MAX))
    }

    /// A name, a member, or an index.
    fn place(&mut self, node: &Node) -> Result<Type, CelError> {
        let (base, names) = chain(node);
        if let Kind::Ident(name) = &base.kind
            && names.is_empty()
            && let Some(number) = severity(name)
        {
            self.constant(Const::Int(number));
            return Ok(Type::Number);
        }
        match self.resolve(base, &names)? {
            Some(Place::Attr(attr)) => {
                self.ops.push(Op::Attr(attr));
                Ok(if attr == Attr::Severity { Type::Number } else { Type::Text })
            }
            Some(Place::Data(steps)) => {
                let slot = self.paths.slot(&steps);
                self.ops.push(Op::Slot(slot));
                Ok(Type::Dynamic)
            }
            None => {
                if names.is_empty() {
                    let Kind::Index(target, index) = &base.kind else {
                        return Err(CelError::new(base.at, "expected a value"));
                    };
                    let found = self.node(target)?;
                    if !found.may_be(Type::List) {
                        return Err(CelError::new(base.at, format!("{} has no members", found.name())));
                    }
                    let by = self.node(index)?;
                    if !(by.may_be(Type::Number) || by.may_be(Type::Text)) {
                        return Err(CelError::new(index.at, format!("{} is no index", by.name())));
                    }
                    self.ops.push(Op::Index);
                    return Ok(Type::Dynamic);
                }
                let found = self.node(base)?;
                if found != Type::Dynamic {
                    return Err(CelError::new(node.at, format!("{} has no members", found.name())));
                }
                let run = self.run(&names, node.at)?;
                self.ops.push(Op::Names(run));
                Ok(Type::Dynamic)
            }
        }
    }

    /// What a chain of names that begins with a name means; `None` where it begins with a value.
    fn resolve(&self, base: &Node, names: &[Step]) -> Result<Option<Place>, CelError> {
        let Kind::Ident(first) = &base.kind else { return Ok(None) };
        let too_long = |steps: &[Step]| {
            if steps.len() > MAX_STEPS {
                return Err(CelError::new(base.at, format!("more than {MAX_STEPS} names in a row")));
            }
            Ok(())
        };
        if first == "event" {
            let Some((member, rest)) = names.split_first() else {
                return Err(CelError::new(
                    base.at,
                    "`event` as a whole is no value; ask for a member, as event.type",
                ));
            };
            if member.name == "data" {
                too_long(rest)?;
                return Ok(Some(Place::Data(rest.to_vec())));
            }
            let Some((_, attr)) = ATTRS.iter().find(|(name, _)| *name == member.name) else {
                let known: Vec<_> = ATTRS.iter().map(|(name, _)| *name).take(15).collect();
                let message =
                    format!("an event has no `{}`; there are data, {}", member.name, known.join(", "));
                return Err(CelError::new(base.at, message));
            };
            if !rest.is_empty() {
                return Err(CelError::new(base.at, format!("`event.{}` has no members", member.name)));
            }
            return Ok(Some(Place::Attr(*attr)));
        }
        let message =
            format!("`{first}` is not known here; an event's members are asked for as event.data.{first}");
        Err(CelError::new(base.at, message))
    }
}

/// What a text begins with that this pattern, which was compiled, matches at the beginning alone.
fn begins(pattern: &str) -> Option<Box<[u8]>> {
    // Most others say so with their first character, too.
    if !pattern.starts_with('^') {
        return None;
    }
    let hir = ParserBuilder::new().nest_limit(REGEX_DEPTH).utf8(false).build().parse(pattern).ok()?;
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return None;
    }
    Extractor::new().extract(&hir).longest_common_prefix().map(Box::from)
}

/// The names at the end of a chain, `["x"]` included, and what they are asked of.
fn chain(node: &Node) -> (&Node, Vec<Step>) {
    let mut names = Vec::new();
    let mut node = node;
    loop {
        match &node.kind {
            Kind::Select(inner, name) => {
                names.push(Step { name: name.clone(), quoted: false });
                node = inner;
            }
            Kind::Index(inner, index) => {
                let Kind::Literal(Literal::Text(name)) = &index.kind else { break };
                names.push(Step { name: name.clone(), quoted: true });
                node = inner;
            }
            _ => break,
        }
    }
    names.reverse();
    (node, names)
}

fn constant(literal: &Literal) -> (Const, Type) {
    match literal {
        Literal::Null => (Const::Null, Type::Null),
        Literal::Bool(value) => (Const::Bool(*value), Type::Bool),
        Literal::Int(value) => (Const::Int(*value), Type::Number),
        Literal::Double(value) => (Const::Double(*value), Type::Number),
        Literal::Text(value) => (Const::Text(value.as_bytes().into()), Type::Text),
    }
}

/// `WARN` and its kin are numbers.
fn severity(name: &str) -> Option<i64> {
    let upper = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let severity: Severity = if upper { name.parse().ok()? } else { return None };
    Some(i64::from(severity.number()))
}
