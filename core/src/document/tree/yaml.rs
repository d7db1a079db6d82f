//! YAML 1.2 into a tree: one document, core schema, no tags, aliases bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::{Assembly, MAX_DEPTH, Mark, Node, TreeError, Value, measure};

/// Reads a YAML text.
pub(crate) fn read(text: &str) -> Result<Node, TreeError> {
    refuse_control_characters(text)?;
    let mut assembly = Assembly::default();
    // Only finished nodes are kept here, so an alias to a node that is still open (to itself, too) finds nothing.
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut open_anchors = Vec::new();
    let mut documents = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| syntax_error(text, &e))?;
        let mark = mark(span.start);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(TreeError::new(mark, "a second document; one file holds one"));
                }
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), mark)?;
                assembly.begin(mark, true)?;
                open_anchors.push(anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), mark)?;
                if assembly.wants_key() {
                    return Err(TreeError::new(mark, "a key must be a string"));
                }
                assembly.begin(mark, false)?;
                open_anchors.push(anchor);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let anchor = open_anchors.pop().unwrap_or_default();
                if let Some(node) = assembly.end(anchor > 0)? {
                    anchors.insert(anchor, node);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_deref(), mark)?;
                if assembly.wants_key() {
                    assembly.key(text.into_owned(), mark)?;
                    continue;
                }
                assembly.count(1, mark)?;
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain { core_schema(&text) } else { Value::text(text) };
                let node = Node { mark, value };
                if anchor > 0 {
                    anchors.insert(anchor, node.clone());
                }
                assembly.put(node)?;
            }
            Event::Alias(anchor) => {
                if assembly.wants_key() {
                    return Err(TreeError::new(mark, "an alias cannot be a key"));
                }
                let Some(node) = anchors.get(&anchor) else {
                    return Err(TreeError::new(mark, "an alias to the very value it is part of"));
                };
                let (nodes, depth) = measure(node);
                assembly.count(nodes, mark)?;
                if assembly.open.len() + depth > MAX_DEPTH {
                    return Err(TreeError::new(mark, format!("nested deeper than {MAX_DEPTH}")));
                }
                assembly.put(node.clone())?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    Ok(assembly.root.unwrap_or(Node { mark: Mark::START, value: Value::Null }))
}

fn mark(marker: Marker) -> Mark {
    Mark { line: marker.line().max(1), column: marker.col() + 1 }
}

/// The parser's error, with its place kept within the text and a word about the likeliest cause.
fn syntax_error(text: &str, error: &ScanError) -> TreeError {
    let mut mark = mark(*error.marker());
    let lines: Vec<_> = text.lines().collect();
    if mark.line > lines.len() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        mark = Mark { line: lines.len().max(1), column: last + 1 };
    }
    let mut message = format!("not YAML: {}", error.info());
    let line = lines.get(mark.line - 1).copied().unwrap_or_default();
    if line.contains("${") {
        message.push_str("; between `{ }` and `[ ]`, put `${…}` in quotes");
    } else if line.starts_with('\t') {
        message.push_str("; YAML is indented by spaces, never by tabs");
    }
    TreeError::new(mark, message)
}

/// YAML allows few control characters, and the parser takes NUL for the end of the text: everything behind it would be
/// lost in silence.
fn refuse_control_characters(text: &str) -> Result<(), TreeError> {
    let mut mark = Mark::START;
    for c in text.chars() {
        match c {
            '\n' => mark = Mark { line: mark.line + 1, column: 1 },
            '\t' | '\r' => mark.column += 1,
            c if c.is_control() && c != '\u{85}' => {
                return Err(TreeError::new(mark, format!("the control character U+{:04X}", u32::from(c))));
            }
            _ => mark.column += 1,
        }
    }
    Ok(())
}

fn refuse_tag(tag: Option<&Tag>, mark: Mark) -> Result<(), TreeError> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == "str") => {
            Err(TreeError::new(mark, "tags are not used here, but for `!!str`"))
        }
        _ => Ok(()),
    }
}

/// What a plain scalar means (YAML 1.2.2, 10.3.2). `yes`, `no`, `on` and `off` are strings there.
fn core_schema(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::text(text)),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with(['-', '+']))
            .map(Value::Int);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8)
            .ok()
            .filter(|_| !digits.starts_with(['-', '+']))
            .map(Value::Int);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(int) = text.parse::<i64>()
    {
        return Some(Value::Int(int));
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Value::Float(f64::INFINITY));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Value::Float(f64::NAN));
    }
    let shape = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+'));
    if shape { text.parse().ok().map(Value::Float) } else { None }
}
