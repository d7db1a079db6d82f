//! Checks that every reader of a policy's document makes: that of our own form, and those of foreign ones.
//!
//! Guarantees: each fault is told with its place in the text and the field as the document calls it, and reading goes on, so
//! that one look at the status shows them all.

use super::document::Issue;
use crate::document::tree::{Entry, Mark, Node, Text, Value};

/// What was found wrong with one document, and what of it is not honoured.
pub(super) struct Issues<'s> {
    source: &'s str,
    pub(super) invalid: Vec<Issue>,
    pub(super) unhonoured: Vec<Issue>,
}

impl<'s> Issues<'s> {
    pub(super) const fn new(source: &'s str) -> Self {
        Self { source, invalid: Vec::new(), unhonoured: Vec::new() }
    }
}

/// A message with its place.
pub(super) fn placed(source: &str, mark: Mark, message: &str) -> String {
    format!("{source}:{}:{}: {message}", mark.line, mark.column)
}

/// A field within a field.
pub(super) fn join(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

/// A reader that keeps [`Issues`].
pub(super) trait Checked<'s> {
    fn issues(&mut self) -> &mut Issues<'s>;

    /// What is said of a key that is none of `known`.
    fn unknown(key: &str, known: &[&str]) -> String;

    fn wrong(&mut self, mark: Mark, field: &str, message: impl AsRef<str>) {
        let issues = self.issues();
        let message = placed(issues.source, mark, message.as_ref());
        issues.invalid.push(Issue { field: field.to_owned(), message });
    }

    fn not_honoured(&mut self, mark: Mark, field: &str, message: &str) {
        let issues = self.issues();
        let message = placed(issues.source, mark, message);
        issues.unhonoured.push(Issue { field: field.to_owned(), message });
    }

    /// A mapping with these keys only.
    fn map<'n>(&mut self, node: &'n Node, field: &str, known: &[&str]) -> &'n [Entry] {
        let Value::Map(entries) = &node.value else {
            self.wrong(node.mark, field, format!("expected a mapping, found {}", node.value.type_name()));
            return &[];
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            self.wrong(entry.mark, &join(field, &entry.key), Self::unknown(&entry.key, known));
        }
        entries
    }

    fn list<'n>(&mut self, node: &'n Node, field: &str, most: usize) -> &'n [Node] {
        let Value::List(items) = &node.value else {
            self.wrong(node.mark, field, format!("expected a list, found {}", node.value.type_name()));
            return &[];
        };
        if items.len() > most {
            self.wrong(node.mark, field, format!("{} items; the most is {most}", items.len()));
        }
        items
    }

    fn text<'n>(&mut self, node: &'n Node, field: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(Text { text, .. }) if !text.is_empty() => Some(text),
            other => {
                self.wrong(node.mark, field, format!("expected a string, found {}", other.type_name()));
                None
            }
        }
    }

    /// What one of these words stands for.
    fn word<T: Copy>(&mut self, node: &Node, field: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, field)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(node.mark, field, format!("expected one of {}", known.join(", ")));
        }
        found
    }
}
