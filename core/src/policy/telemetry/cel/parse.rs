//! From a source to a tree.
//!
//! Guarantees: a tree is at most [`MAX_DEPTH`](super::MAX_DEPTH) deep and has at most
//! [`MAX_NODES`](super::MAX_NODES) nodes, macros written out; reading one level takes three calls, so that a thread with
//! little stack reads any source. Chains of `&&` and of `||` are one node each, however long.

use super::lex::{Lexer, Token};
use super::{CelError, MAX_DEPTH, MAX_NODES};

/// A node, and where it begins in the source.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Literal(Literal),
    Ident(String),
    /// `a.b`
    Select(Box<Node>, String),
    /// `a[b]`
    Index(Box<Node>, Box<Node>),
    /// `f(a)` or `a.f(b)`
    Call(String, Option<Box<Node>>, Vec<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Choice(Box<[Node; 3]>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How tightly what stands between two operands binds.
const CHOICE: u8 = 1;
const ANY: u8 = 2;
const ALL: u8 = 3;
const RELATION: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;

fn binary(token: &Token) -> Option<(u8, Binary)> {
    Some(match token {
        Token::Sign("==") => (RELATION, Binary::Equal),
        Token::Sign("!=") => (RELATION, Binary::NotEqual),
        Token::Sign("<") => (RELATION, Binary::Less),
        Token::Sign("<=") => (RELATION, Binary::LessOrEqual),
        Token::Sign(">") => (RELATION, Binary::Greater),
        Token::Sign(">=") => (RELATION, Binary::GreaterOrEqual),
        Token::Ident(word) if word == "in" => (RELATION, Binary::In),
        Token::Sign("+") => (SUM, Binary::Add),
        Token::Sign("-") => (SUM, Binary::Subtract),
        Token::Sign("*") => (PRODUCT, Binary::Multiply),
        Token::Sign("/") => (PRODUCT, Binary::Divide),
        Token::Sign("%") => (PRODUCT, Binary::Remainder),
        _ => return None,
    })
}

/// Words that CEL keeps for itself.
const RESERVED: [&str; 20] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
    "true",
    "false",
];

pub(super) fn parse(source: &str) -> Result<Node, CelError> {
    let mut lexer = Lexer::new(source);
    let (token, at) = lexer.next()?;
    let mut parser = Parser { lexer, token, at, depth: 0, nodes: 0 };
    let node = parser.expression(0)?;
    match parser.token {
        Token::End => Ok(node),
        ref token => Err(CelError::new(parser.at, format!("unexpected {}", token.shown()))),
    }
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    /// What comes next, and where.
    token: Token,
    at: usize,
    depth: usize,
    nodes: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, CelError> {
        let (token, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(found) if found == sign)
    }

    fn accept(&mut self, sign: &str) -> Result<bool, CelError> {
        let found = self.is(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &str) -> Result<(), CelError> {
        if self.accept(sign)? {
            return Ok(());
        }
        Err(CelError::new(self.at, format!("expected `{sign}`, found {}", self.token.shown())))
    }

    fn node(&mut self, at: usize, kind: Kind) -> Result<Node, CelError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(CelError::new(at, format!("more than {MAX_NODES} parts; split the rule")));
        }
        Ok(Node { at, kind })
    }

    fn deeper(&mut self, at: usize) -> Result<(), CelError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CelError::new(at, format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }

    /// An expression whose operators bind tighter than `least`.
    fn expression(&mut self, least: u8) -> Result<Node, CelError> {
        let outer = self.depth;
        self.deeper(self.at)?;
        let mut left = self.operand()?;
        loop {
            let at = self.at;
            if self.is("?") && least < CHOICE {
                self.advance()?;
                let yes = self.expression(CHOICE)?;
                self.expect(":")?;
                let no = self.expression(0)?;
                left = self.node(at, Kind::Choice(Box::new([left, yes, no])))?;
            } else if self.is("||") && least < ANY {
                left = self.chain("||", ANY, Kind::Any, left)?;
            } else if self.is("&&") && least < ALL {
                left = self.chain("&&", ALL, Kind::All, left)?;
            } else if let Some((binds, binary)) = binary(&self.token).filter(|(binds, _)| *binds > least) {
                self.advance()?;
                // What it stands in grows deeper with each, as they bind to the left.
                self.deeper(at)?;
                let right = self.expression(binds)?;
                left = self.node(at, Kind::Binary(binary, Box::new(left), Box::new(right)))?;
            } else {
                self.depth = outer;
                return Ok(left);
            }
        }
    }

    fn chain(
        &mut self,
        sign: &str,
        binds: u8,
        kind: fn(Vec<Node>) -> Kind,
        first: Node,
    ) -> Result<Node, CelError> {
        let at = self.at;
        let mut parts = vec![first];
        while self.accept(sign)? {
            parts.push(self.expression(binds)?);
        }
        self.node(at, kind(parts))
    }

    /// What stands between operators: a value with what is asked of it.
    fn operand(&mut self) -> Result<Node, CelError> {
        let outer = self.depth;
        let at = self.at;
        // Not by recursion: a kilobyte of `!` is a kilobyte.
        let mut signs = Vec::new();
        while let Token::Sign(sign @ ("!" | "-")) = self.token {
            if signs.last().is_some_and(|last| *last != sign) {
                return Err(CelError::new(self.at, "`!` and `-` do not mix"));
            }
            signs.push(sign);
            self.advance()?;
            self.deeper(at)?;
        }
        let mut node = self.primary()?;
        loop {
            let at = self.at;
            if self.accept(".")? {
                self.deeper(at)?;
                let name = self.name()?;
                node = if self.is("(") {
                    let arguments = self.arguments(")")?;
                    self.method(at, node, name, arguments)?
                } else {
                    self.node(at, Kind::Select(Box::new(node), name))?
                };
            } else if self.accept("[")? {
                self.deeper(at)?;
                let index = self.expression(0)?;
                self.expect("]")?;
                node = self.node(at, Kind::Index(Box::new(node), Box::new(index)))?;
            } else {
                break;
            }
        }
        for sign in signs.into_iter().rev() {
            let kind = match (sign, &node.kind) {
                ("-", Kind::Literal(Literal::Int(n))) => Kind::Literal(Literal::Int(-n)),
                ("-", Kind::Literal(Literal::Double(n))) => Kind::Literal(Literal::Double(-n)),
                ("-", _) => Kind::Negate(Box::new(node)),
                _ => Kind::Not(Box::new(node)),
            };
            node = self.node(at, kind)?;
        }
        self.depth = outer;
        Ok(node)
    }

    fn name(&mut self) -> Result<String, CelError> {
        let at = self.at;
        match self.advance()? {
            Token::Ident(name) => Ok(name),
            other => Err(CelError::new(at, format!("expected a name, found {}", other.shown()))),
        }
    }

    fn primary(&mut self) -> Result<Node, CelError> {
        let at = self.at;
        match self.advance()? {
            Token::Int(n) => self.node(at, Kind::Literal(Literal::Int(n))),
            Token::Double(n) => self.node(at, Kind::Literal(Literal::Double(n))),
            Token::Text(text) => self.node(at, Kind::Literal(Literal::Text(text))),
            Token::Ident(word) => match word.as_str() {
                "true" => self.node(at, Kind::Literal(Literal::Bool(true))),
                "false" => self.node(at, Kind::Literal(Literal::Bool(false))),
                "null" => self.node(at, Kind::Literal(Literal::Null)),
                word if RESERVED.contains(&word) => {
                    Err(CelError::new(at, format!("`{word}` is a word of CEL's own")))
                }
                _ if self.is("(") => {
                    let arguments = self.arguments(")")?;
                    self.node(at, Kind::Call(word, None, arguments))
                }
                _ => self.node(at, Kind::Ident(word)),
            },
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                let items = self.items("]")?;
                self.node(at, Kind::List(items))
            }
            Token::Sign("{") => Err(CelError::new(at, "mappings are not part of the subset")),
            other => Err(CelError::new(at, format!("expected a value, found {}", other.shown()))),
        }
    }

    fn arguments(&mut self, close: &'static str) -> Result<Vec<Node>, CelError> {
        self.advance()?;
        self.items(close)
    }

    fn items(&mut self, close: &'static str) -> Result<Vec<Node>, CelError> {
        let mut items = Vec::new();
        while !self.accept(close)? {
            if !items.is_empty() {
                self.expect(",")?;
                if self.accept(close)? {
                    break;
                }
            }
            items.push(self.expression(0)?);
        }
        Ok(items)
    }

    /// A method, or a macro over a list that stands in the source: written out for each of its items.
    fn method(
        &mut self,
        at: usize,
        target: Node,
        name: String,
        mut arguments: Vec<Node>,
    ) -> Result<Node, CelError> {
        let joined: fn(Vec<Node>) -> Kind = match name.as_str() {
            "exists" => Kind::Any,
            "all" => Kind::All,
            "exists_one" | "map" | "filter" => {
                let message = format!("the macro `{name}` is not part of the subset; `exists` and `all` are");
                return Err(CelError::new(at, message));
            }
            _ => return self.node(at, Kind::Call(name, Some(Box::new(target)), arguments)),
        };
        let Kind::List(items) = target.kind else {
            let message =
                format!("`{name}` goes over a list that is written here, as its length must be known");
            return Err(CelError::new(at, message));
        };
        let (Some(body), Some(variable), true) = (arguments.pop(), arguments.pop(), arguments.is_empty())
        else {
            return Err(CelError::new(at, format!("`{name}` takes a name and a condition")));
        };
        let Kind::Ident(variable) = variable.kind else {
            return Err(CelError::new(variable.at, "expected a name"));
        };
        let mut parts = Vec::with_capacity(items.len());
        for item in &items {
            self.nodes += count(&body);
            let part = substitute(&body, &variable, item);
            self.nodes += count(&part).saturating_sub(count(&body));
            if self.nodes > MAX_NODES {
                return Err(CelError::new(at, format!("written out it has more than {MAX_NODES} parts")));
            }
            parts.push(part);
        }
        match parts.len() {
            0 => self.node(at, Kind::Literal(Literal::Bool(name == "all"))),
            1 => Ok(parts.remove(0)),
            _ => self.node(at, joined(parts)),
        }
    }
}

fn children(node: &Node) -> Vec<&Node> {
    match &node.kind {
        Kind::Literal(_) | Kind::Ident(_) => Vec::new(),
        Kind::Select(a, _) | Kind::Not(a) | Kind::Negate(a) => vec![a],
        Kind::Index(a, b) | Kind::Binary(_, a, b) => vec![a, b],
        Kind::Call(_, target, arguments) => target.as_deref().into_iter().chain(arguments.iter()).collect(),
        Kind::List(items) | Kind::All(items) | Kind::Any(items) => items.iter().collect(),
        Kind::Choice(parts) => parts.iter().collect(),
    }
}

fn count(node: &Node) -> usize {
    1 + children(node).into_iter().map(count).sum::<usize>()
}

/// A copy of `node` in which `item` stands wherever the variable does.
fn substitute(node: &Node, variable: &str, item: &Node) -> Node {
    let again = |node: &Node| substitute(node, variable, item);
    let boxed = |node: &Node| Box::new(again(node));
    let all = |nodes: &[Node]| nodes.iter().map(again).collect::<Vec<_>>();
    let kind = match &node.kind {
        Kind::Ident(name) if name == variable => item.kind.clone(),
        Kind::Literal(_) | Kind::Ident(_) => node.kind.clone(),
        Kind::Select(a, name) => Kind::Select(boxed(a), name.clone()),
        Kind::Not(a) => Kind::Not(boxed(a)),
        Kind::Negate(a) => Kind::Negate(boxed(a)),
        Kind::Index(a, b) => Kind::Index(boxed(a), boxed(b)),
        Kind::Binary(binary, a, b) => Kind::Binary(*binary, boxed(a), boxed(b)),
        Kind::Call(name, target, arguments) => {
            Kind::Call(name.clone(), target.as_deref().map(boxed), all(arguments))
        }
        Kind::List(items) => Kind::List(all(items)),
        Kind::All(items) => Kind::All(all(items)),
        Kind::Any(items) => Kind::Any(all(items)),
        Kind::Choice(parts) => Kind::Choice(Box::new([again(&parts[0]), again(&parts[1]), again(&parts[2])])),
    };
    Node { at: node.at, kind }
}
