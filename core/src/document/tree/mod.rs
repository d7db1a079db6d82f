//! A document as a tree in which every key and value knows its line and column.
//!
//! Guarantees: reading never panics, whatever the text; nesting, size and what aliases expand to are
//! bounded; a key that is there twice is refused. YAML 1.2 (core schema) and JSON give the same tree, so
//! everything after this module is written once.

mod json;
mod yaml;

pub(crate) use json::read as read_json;
pub(crate) use yaml::read as read_yaml;

/// How deep a document may nest.
pub(crate) const MAX_DEPTH: usize = 64;
/// How many keys and values a document may have once its aliases are expanded.
pub(crate) const MAX_NODES: usize = 20_000;

/// A place in the text, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Mark {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A value and where it begins.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    pub(crate) value: Value,
}

#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A string. If an environment variable contributed to it, it may be secret, so no error quotes it, and it may be read
/// as a number.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) from_env: bool,
}

/// A key with its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) mark: Mark,
    pub(crate) node: Node,
}

/// Why a text cannot be read as a tree.
pub(crate) struct TreeError {
    pub(crate) mark: Mark,
    pub(crate) message: String,
}

impl TreeError {
    pub(crate) fn new(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, message: message.into() }
    }
}

impl Node {
    /// The value under a key, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), from_env: false })
    }

    /// The kind of value, as an error names it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// What is being put together while a reader walks a document.
#[derive(Default)]
struct Assembly {
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

struct Open {
    mark: Mark,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<(String, Mark)>),
}

impl Assembly {
    /// Counts what is about to be added.
    fn count(&mut self, nodes: usize, mark: Mark) -> Result<(), TreeError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(TreeError::new(
                mark,
                format!("more than {MAX_NODES} keys and values (aliases count each time they are used)"),
            ));
        }
        Ok(())
    }

    fn begin(&mut self, mark: Mark, map: bool) -> Result<(), TreeError> {
        self.count(1, mark)?;
        if self.open.len() == MAX_DEPTH {
            return Err(TreeError::new(mark, format!("nested deeper than {MAX_DEPTH}")));
        }
        if map && self.wants_key() {
            return Err(TreeError::new(mark, "a key must be a string"));
        }
        let kind = if map { Kind::Map(Vec::new(), None) } else { Kind::List(Vec::new()) };
        self.open.push(Open { mark, kind });
        Ok(())
    }

    /// Ends the innermost list or mapping and adds it to its parent; with `keep`, answers a copy of it.
    fn end(&mut self, keep: bool) -> Result<Option<Node>, TreeError> {
        let Some(open) = self.open.pop() else { return Ok(None) };
        let value = match open.kind {
            Kind::List(items) => Value::List(items),
            Kind::Map(entries, _) => Value::Map(entries),
        };
        let node = Node { mark: open.mark, value };
        let copy = keep.then(|| node.clone());
        self.put(node)?;
        Ok(copy)
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Kind::Map(_, None), .. }))
    }

    fn key(&mut self, key: String, mark: Mark) -> Result<(), TreeError> {
        self.count(1, mark)?;
        if let Some(Open { kind: Kind::Map(entries, slot), .. }) = self.open.last_mut() {
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let line = first.mark.line;
                return Err(TreeError::new(
                    mark,
                    format!("the key `{}` is there twice, first in line {line}", shown_key(&key)),
                ));
            }
            *slot = Some((key, mark));
        }
        Ok(())
    }

    fn put(&mut self, node: Node) -> Result<(), TreeError> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { kind: Kind::List(items), .. }) => items.push(node),
            Some(Open { kind: Kind::Map(entries, slot), .. }) => match slot.take() {
                Some((key, mark)) => entries.push(Entry { key, mark, node }),
                None => return Err(TreeError::new(node.mark, "a key must be a string")),
            },
        }
        Ok(())
    }
}

/// A key or a word as an error may quote it: short, on one line.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        out.push('…');
    }
    out
}

/// A key, to be shown to whoever wrote the document. What follows a colon in it is mostly a value, as YAML wants a space after
/// the colon, and may be a secret.
pub(crate) fn shown_key(key: &str) -> String {
    match key.split_once(':') {
        Some((name, rest)) if !rest.is_empty() => format!("{}:…", shown(name)),
        _ => shown(key),
    }
}

/// How many keys and values a tree has, and how deep it nests.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<_> = match &node.value {
        Value::List(items) => items.iter().map(measure).collect(),
        Value::Map(entries) => {
            entries.iter().map(|entry| measure(&entry.node)).map(|(n, d)| (n + 1, d)).collect()
        }
        _ => return (1, 0),
    };
    children.into_iter().fold((1, 1), |(nodes, depth), (n, d)| (nodes + n, depth.max(d + 1)))
}
