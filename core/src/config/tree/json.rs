//! JSON into a tree, by the strict reader in [`crate::json`].

use super::{Assembly, MAX_DEPTH, Mark, Node, TreeError, Value};
use crate::json::{Builder, JsonError, drive};

/// Reads a JSON text.
pub(in crate::config) fn read(text: &str) -> Result<Node, TreeError> {
    let lines = Lines::new(text);
    let mut builder = TreeBuilder { assembly: Assembly::default(), offset: 0, lines, refused: None };
    let result = drive(text.as_bytes(), &mut builder, MAX_DEPTH);
    if let Some(refused) = builder.refused {
        return Err(refused);
    }
    if let Err(e) = result {
        let mark = builder.lines.mark(e.offset().unwrap_or_default());
        return Err(TreeError::new(mark, format!("not JSON: {}", e.message())));
    }
    builder.assembly.root.ok_or_else(|| TreeError::new(Mark::START, "nothing there"))
}

/// Turns byte offsets into lines and columns.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn mark(&self, offset: usize) -> Mark {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line.saturating_sub(1)];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Mark { line, column: column + 1 }
    }
}

struct TreeBuilder<'t> {
    assembly: Assembly,
    offset: usize,
    lines: Lines<'t>,
    refused: Option<TreeError>,
}

impl TreeBuilder<'_> {
    fn here(&self) -> Mark {
        self.lines.mark(self.offset)
    }

    fn keep(&mut self, result: Result<(), TreeError>) -> Result<(), JsonError> {
        result.map_err(|e| {
            self.refused = Some(e);
            JsonError::new("refused")
        })
    }

    fn put(&mut self, value: Value) -> Result<(), JsonError> {
        let node = Node { mark: self.here(), value };
        let result = self.assembly.count(1, node.mark).and_then(|()| self.assembly.put(node));
        self.keep(result)
    }

    fn begin(&mut self, map: bool) -> Result<(), JsonError> {
        let result = self.assembly.begin(self.here(), map);
        self.keep(result)
    }

    fn end(&mut self) -> Result<(), JsonError> {
        let result = self.assembly.end(false).map(|_| ());
        self.keep(result)
    }
}

impl Builder for TreeBuilder<'_> {
    fn mark(&mut self, offset: usize) {
        self.offset = offset;
    }
    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.begin(true)
    }
    fn end_object(&mut self) -> Result<(), JsonError> {
        self.end()
    }
    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.begin(false)
    }
    fn end_array(&mut self) -> Result<(), JsonError> {
        self.end()
    }
    fn key(&mut self, key: &str) -> Result<(), JsonError> {
        let result = self.assembly.key(key.to_owned(), self.here());
        self.keep(result)
    }
    fn string(&mut self, s: &str) -> Result<(), JsonError> {
        self.put(Value::text(s))
    }
    fn int(&mut self, value: i64) -> Result<(), JsonError> {
        self.put(Value::Int(value))
    }
    fn float(&mut self, value: f64) -> Result<(), JsonError> {
        self.put(Value::Float(value))
    }
    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.put(Value::Bool(value))
    }
    fn null(&mut self) -> Result<(), JsonError> {
        self.put(Value::Null)
    }
    fn path(&self) -> String {
        String::new()
    }
}
