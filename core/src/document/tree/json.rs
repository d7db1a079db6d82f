//! JSON into a tree, by the strict reader in [`crate::json`].

use super::{Assembly, MAX_DEPTH, Mark, Node, TreeError, Value};
use crate::json::{Builder, JsonError, drive};

/// Reads a JSON text.
pub(crate) fn read(text: &str) -> Result<Node, TreeError> {
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

/// Turns byte offsets into lines and columns, each from the last one, as they only ever grow.
struct Lines<'t> {
    text: &'t str,
    offset: usize,
    last: Mark,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, offset: 0, last: Mark::START }
    }

    fn mark(&mut self, offset: usize) -> Mark {
        for c in self.text.get(self.offset..offset).unwrap_or_default().chars() {
            self.last = match c {
                '\n' => Mark { line: self.last.line + 1, column: 1 },
                _ => Mark { column: self.last.column + 1, ..self.last },
            };
        }
        self.offset = self.offset.max(offset);
        self.last
    }
}

struct TreeBuilder<'t> {
    assembly: Assembly,
    offset: usize,
    lines: Lines<'t>,
    refused: Option<TreeError>,
}

impl TreeBuilder<'_> {
    fn here(&mut self) -> Mark {
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
        let mark = self.here();
        let result = self.assembly.begin(mark, map);
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
        let mark = self.here();
        let result = self.assembly.key(key.to_owned(), mark);
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
