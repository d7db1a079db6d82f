//! Typed reading of a document's tree.
//!
//! Guarantees: every error names the document, line and column and the whole key path; an unknown key or
//! word is answered with the nearest known one; a value that came from an environment variable is never
//! quoted.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{Form, Key, names};
use super::suggest::nearest;
use super::tree::{Entry, Mark, Node, Text, Value, shown, shown_key};
use super::units::{self, DURATION_FORM, SIZE_FORM};
use crate::error::{Error, ErrorKind, Result};
use crate::seam::{Access, Env, absolute};

/// The document that is being read.
pub(crate) struct Document<'d> {
    /// What errors call it; `None` for a mapping of the host's language, which has no lines.
    pub(crate) name: Option<String>,
    /// What relative paths are relative to.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) env: &'d dyn Env,
    pub(crate) warnings: RefCell<Vec<String>>,
}

impl Document<'_> {
    fn place(&self, mark: Mark, path: &str) -> String {
        let Some(name) = &self.name else {
            return if path.is_empty() { "configuration".to_owned() } else { path.to_owned() };
        };
        let mut place = format!("{name}:{}:{}", mark.line, mark.column);
        if !path.is_empty() {
            let _ = write!(place, " {path}");
        }
        place
    }

    pub(crate) fn error(&self, kind: ErrorKind, mark: Mark, path: &str, message: impl Into<String>) -> Error {
        Error::new(kind, message).at(self.place(mark, path))
    }
}

/// `path` with one more key.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[\"{}\"]", shown_key(key)),
    }
}

/// A value in the document, and how to get there.
#[derive(Clone)]
pub(crate) struct Cursor<'d> {
    pub(crate) document: &'d Document<'d>,
    pub(crate) node: &'d Node,
    pub(crate) path: String,
    pub(crate) kind: ErrorKind,
}

/// A mapping whose keys are all known.
pub(crate) struct Table<'d> {
    pub(crate) cursor: Cursor<'d>,
    entries: &'d [Entry],
    known: &'static [Key],
}

impl<'d> Cursor<'d> {
    pub(crate) fn root(document: &'d Document<'d>, node: &'d Node, kind: ErrorKind) -> Self {
        Self { document, node, path: String::new(), kind }
    }

    /// An error about this value.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        self.error_of(self.kind, message)
    }

    pub(crate) fn error_of(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        self.document.error(kind, self.node.mark, &self.path, message)
    }

    /// The document and the key, without the line.
    pub(crate) fn place(&self) -> String {
        match &self.document.name {
            Some(name) => format!("{name} {}", self.path),
            None => self.path.clone(),
        }
    }

    /// A warning about this value, once.
    pub(crate) fn warn(&self, message: &str) {
        let place = self.document.place(self.node.mark, &self.path);
        self.document.warnings.borrow_mut().push(format!("{place}: {message}"));
    }

    fn child(&self, node: &'d Node, path: String) -> Self {
        Self { document: self.document, node, path, kind: self.kind }
    }

    fn expected(&self, what: &str) -> Error {
        let found = match &self.node.value {
            Value::Text(Text { from_env: true, .. }) => "what the environment variable holds".to_owned(),
            Value::Text(text) => format!("`{}`", shown(&text.text)),
            Value::Int(int) => format!("the number {int}"),
            Value::Float(float) => format!("the number {float:?}"),
            Value::Bool(bool) => format!("`{bool}`"),
            other => other.type_name().to_owned(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    /// As [`Cursor::expected`], naming only the type: for values that may be secret.
    fn expected_type(&self, what: &str) -> Error {
        self.error(format!("expected {what}, found {}", self.node.value.type_name()))
    }

    /// A mapping with any keys: the names are the user's own.
    pub(crate) fn members(&self) -> Result<Vec<(&'d str, Self)>> {
        let Value::Map(entries) = &self.node.value else { return Err(self.expected_type("a mapping")) };
        Ok(entries
            .iter()
            .map(|entry| (entry.key.as_str(), self.child(&entry.node, join(&self.path, &entry.key))))
            .collect())
    }

    /// A mapping with these keys only.
    pub(crate) fn table(&self, known: &'static [Key]) -> Result<Table<'d>> {
        self.table_with_hint(known, |_| None)
    }

    /// As [`Cursor::table`]; what is no mapping is told how one looks.
    pub(crate) fn table_as(&self, known: &'static [Key], example: &str) -> Result<Table<'d>> {
        if self.is_map() {
            self.table(known)
        } else {
            Err(self.expected_type(&format!("a mapping as `{example}`")))
        }
    }

    /// As [`Cursor::table`]; `None` if no value is written, as in `sink: { otlp: }`.
    pub(crate) fn table_or_nothing(&self, known: &'static [Key]) -> Result<Option<Table<'d>>> {
        if self.is_null() { Ok(None) } else { self.table(known).map(Some) }
    }

    /// As [`Cursor::table`]; `hint` may know better which key was meant.
    pub(crate) fn table_with_hint(
        &self,
        known: &'static [Key],
        hint: impl Fn(&str) -> Option<String>,
    ) -> Result<Table<'d>> {
        let Value::Map(entries) = &self.node.value else { return Err(self.expected_type("a mapping")) };
        if let Some(entry) = entries.iter().find(|entry| known.iter().all(|key| key.name != entry.key)) {
            let message = match hint(&entry.key) {
                Some(hint) => format!("unknown key `{}`; {hint}", shown_key(&entry.key)),
                None => unknown("key", &entry.key, &names(known)),
            };
            let path = join(&self.path, &entry.key);
            return Err(self.document.error(self.kind, entry.mark, &path, message));
        }
        Ok(Table { cursor: self.clone(), entries, known })
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Whether an environment variable contributed to the value.
    pub(crate) fn is_from_env(&self) -> bool {
        matches!(self.node.value, Value::Text(Text { from_env: true, .. }))
    }

    pub(crate) fn is_false(&self) -> bool {
        matches!(self.node.value, Value::Bool(false))
    }

    /// The string, if it is one.
    pub(crate) fn as_str(&self) -> Option<&'d str> {
        match &self.node.value {
            Value::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Self>> {
        let Value::List(items) = &self.node.value else { return Err(self.expected_type("a list")) };
        let item = |(i, node)| self.child(node, format!("{}[{i}]", self.path));
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// A string of at least one character.
    pub(crate) fn string(&self) -> Result<&'d str> {
        match &self.node.value {
            Value::Text(text) if text.text.is_empty() => Err(self.error("an empty string")),
            Value::Text(text) => Ok(&text.text),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => Err(self.error(format!(
                "expected a string, found {}; put it in quotes",
                self.node.value.type_name()
            ))),
            _ => Err(self.expected_type("a string")),
        }
    }

    /// A string on one line, without control characters: a name.
    pub(crate) fn name(&self) -> Result<&'d str> {
        let text = self.string()?;
        match text.chars().find(|c| c.is_control()) {
            Some(c) => Err(self.error(format!("the control character U+{:04X} in a name", u32::from(c)))),
            None => Ok(text),
        }
    }

    pub(crate) fn names(&self) -> Result<Vec<String>> {
        self.list()?.iter().map(|item| item.name().map(str::to_owned)).collect()
    }

    pub(crate) fn bool(&self) -> Result<bool> {
        match &self.node.value {
            Value::Bool(bool) => Ok(*bool),
            Value::Text(Text { text, from_env: true }) if text == "true" => Ok(true),
            Value::Text(Text { text, from_env: true }) if text == "false" => Ok(false),
            _ => Err(self.expected("`true` or `false`")),
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn int(&self, min: u64, max: u64) -> Result<u64> {
        let value = match &self.node.value {
            Value::Int(int) => Some(i128::from(*int)),
            Value::Text(Text { text, from_env: true }) => text.parse::<i64>().ok().map(i128::from),
            _ => None,
        };
        let Some(value) = value else { return Err(self.expected("a whole number")) };
        match u64::try_from(value) {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ if max == u64::MAX => Err(self.expected(&format!("a whole number of at least {min}"))),
            _ => Err(self.expected(&format!("a whole number from {min} to {max}"))),
        }
    }

    pub(crate) fn duration(&self) -> Result<Duration> {
        match &self.node.value {
            Value::Text(text) => {
                units::duration(text.text.trim()).ok_or_else(|| self.expected(DURATION_FORM))
            }
            Value::Int(0) => Ok(Duration::ZERO),
            Value::Int(int) => {
                Err(self.error(format!("a duration needs a unit: is `{int}s` or `{int}ms` meant?")))
            }
            _ => Err(self.expected(DURATION_FORM)),
        }
    }

    /// A duration above zero.
    pub(crate) fn span(&self) -> Result<Duration> {
        match self.duration()? {
            Duration::ZERO => Err(self.expected("a duration above zero")),
            span => Ok(span),
        }
    }

    /// A size of at least one byte.
    pub(crate) fn size(&self) -> Result<u64> {
        let size = match &self.node.value {
            Value::Text(text) => units::size(text.text.trim()),
            Value::Int(int) => u64::try_from(*int).ok(),
            _ => None,
        };
        size.filter(|size| *size > 0).ok_or_else(|| self.expected(SIZE_FORM))
    }

    /// A size that may be zero.
    pub(crate) fn size_or_zero(&self) -> Result<u64> {
        if matches!(self.node.value, Value::Int(0)) { Ok(0) } else { self.size() }
    }

    pub(crate) fn size_in_memory(&self) -> Result<usize> {
        usize::try_from(self.size()?).map_err(|_| self.expected("a size this platform can address"))
    }

    /// A path; a relative one is relative to the document's folder.
    pub(crate) fn file(&self) -> Result<PathBuf> {
        // Made absolute now, as the program may change its working directory later.
        self.read_now().map(|path| absolute(&path))
    }

    /// As [`Cursor::file`], for a file that is read at once: the path stays as written, for errors that name it.
    pub(crate) fn read_now(&self) -> Result<PathBuf> {
        let text = self.string()?;
        if text.contains('\0') {
            return Err(self.error("a path cannot hold the character NUL"));
        }
        Ok(match &self.document.folder {
            Some(folder) => folder.join(text),
            None => PathBuf::from(text),
        })
    }

    /// One of a closed list of words. An `alias` is read too, with a warning that names the word.
    pub(crate) fn choice<T: Copy>(
        &self,
        what: &str,
        words: &[(&'static str, T)],
        aliases: &[(&str, &str)],
    ) -> Result<T> {
        let found = |word: &str| words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        let Value::Text(text) = &self.node.value else {
            return Err(self.expected(&format!("one of {}", quoted(&names))));
        };
        if let Some(value) = found(&text.text) {
            return Ok(value);
        }
        if let Some((alias, word)) = aliases.iter().find(|(alias, _)| *alias == text.text)
            && let Some(value) = found(word)
        {
            self.warn(&format!("`{alias}` is read as `{word}`; write `{word}`"));
            return Ok(value);
        }
        Err(self.unknown_word(what, &names))
    }

    /// The error for a word that is none of `known`.
    pub(crate) fn unknown_word(&self, what: &str, known: &[&str]) -> Error {
        match &self.node.value {
            Value::Text(Text { text, from_env: false }) => self.error(unknown(what, text, known)),
            _ => self
                .error(format!("what the environment variable holds is no {what}; one of {}", quoted(known))),
        }
    }
}

impl<'d> Table<'d> {
    /// The value of a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Cursor<'d>> {
        debug_assert!(self.known.iter().any(|known| known.name == key), "`{key}` is declared nowhere");
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(self.cursor.child(&entry.node, join(&self.cursor.path, key)))
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&self, key: &str) -> Result<Cursor<'d>> {
        self.get(key).ok_or_else(|| self.cursor.error(format!("the key `{key}` is missing")))
    }

    /// The keys that are there, of these.
    pub(crate) fn present(&self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter().copied().filter(|key| self.get(key).is_some()).collect()
    }

    /// Exactly one of these keys.
    pub(crate) fn one_of(&self, keys: &[&'static str]) -> Result<(&'static str, Cursor<'d>)> {
        match self.present(keys)[..] {
            [key] => Ok((key, self.require(key)?)),
            [] => Err(self.cursor.error(format!("one of {} is needed", quoted(keys)))),
            [first, second, ..] => {
                let second = self.require(second)?;
                Err(second.error(format!("only one of {} can be given, and `{first}` is", quoted(keys))))
            }
        }
    }

    /// A whole number within the bounds that its key declares, if it is there.
    pub(crate) fn int(&self, key: &str) -> Result<Option<u64>> {
        let form = self.known.iter().find(|known| known.name == key).map(|known| known.form);
        let Some(Form::Int(min, max)) = form else {
            return Err(self.cursor.error(format!("`{key}` is declared as no number")));
        };
        self.maybe(key, |cursor| cursor.int(min, max))
    }

    /// As [`Table::int`], as a `usize`.
    pub(crate) fn count(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.int(key)? else { return Ok(None) };
        let too_large = || self.cursor.error(format!("`{key}` is no number that this platform can address"));
        usize::try_from(value).map(Some).map_err(|_| too_large())
    }

    /// What `read` makes of the key's value, or the default where the key is absent.
    pub(crate) fn or<T>(&self, key: &str, default: T, read: impl Fn(&Cursor<'d>) -> Result<T>) -> Result<T> {
        self.get(key).map_or(Ok(default), |cursor| read(&cursor))
    }

    /// What `read` makes of the key's value, if it is there.
    pub(crate) fn maybe<T>(&self, key: &str, read: impl Fn(&Cursor<'d>) -> Result<T>) -> Result<Option<T>> {
        self.get(key).map(|cursor| read(&cursor)).transpose()
    }
}

/// "unknown key `overfow`; did you mean `overflow`?", and the list where it is short.
fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    let mut message = format!("unknown {what} `{}`", shown_key(given));
    if let Some((name, _)) = given.split_once(':')
        && what == "key"
        && known.contains(&name)
    {
        let _ = write!(message, "; write a space after the colon: `{name}: …`");
        return message;
    }
    if let Some(word) = nearest(given, known) {
        let _ = write!(message, "; did you mean `{word}`?");
        if known.len() <= 16 {
            let _ = write!(message, " Known here: {}", quoted(known));
        }
    } else {
        let _ = write!(message, "; known here: {}", quoted(known));
    }
    message
}

/// `` `a`, `b` ``
pub(crate) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// `allow_links` and `allow_shared_write`, beside a path of ours.
pub(crate) fn access(table: &Table<'_>) -> Result<Access> {
    Ok(Access {
        links: table.or("allow_links", false, Cursor::bool)?,
        shared_write: table.or("allow_shared_write", false, Cursor::bool)?,
        pipes: false,
    })
}
