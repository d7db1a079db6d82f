//! What a mapping may hold: each key declared once, with its form, its default and its meaning.
//!
//! Guarantees: the reader knows no key that is not declared here or in a sink's folder, and reads numbers within the
//! bounds that are declared; `docs/CONFIG.md` and `schemas/config` are made from the same tables, and a test holds
//! them to it.

use std::fmt::Write as _;

/// A key of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub form: Form,
    /// The default, in Markdown; `required` if the key must be there.
    pub default: &'static str,
    /// What it means, in Markdown.
    pub about: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// `true` or `false`.
    Bool,
    /// A string of at least one character.
    Text,
    /// The path of a file or directory.
    Path,
    /// A whole number within bounds.
    Int(u64, u64),
    /// A size: `64KiB`, or a number of bytes.
    Size,
    /// A duration: `200ms`.
    Duration,
    /// A time: `2026-01-01T00:00:00Z`.
    Time,
    /// One of a closed list of words.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Form),
    /// A mapping from names of the user's own.
    Map(&'static Form),
    /// A mapping with these keys.
    Table(&'static [Key]),
    /// One of several.
    Any(&'static [Form]),
    /// A lane's sink: a kind's word, or a mapping from it to its settings.
    Sink,
    /// Anything: it is read by other code.
    Free,
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Self {
        Self { name, form, default, about }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, default: "required", about }
    }

    /// A name that a key had once: still read, with a warning.
    #[must_use]
    pub const fn former(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, default: FORMER, about }
    }

    /// Whether it must be there.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.default == "required"
    }
}

/// `allow_links`, beside a path that is written to.
pub(crate) const ALLOW_LINKS: Key = Key::new(
    "allow_links",
    Form::Bool,
    "`false`",
    "a symbolic link as the last part of the path is followed",
);
/// `allow_shared_write`, beside a path that is written to.
pub(crate) const ALLOW_SHARED_WRITE: Key =
    Key::new("allow_shared_write", Form::Bool, "`false`", "others may write to it, or own it");

/// The names of keys for documentation and hints, without former names, which are only read in older documents.
pub(crate) fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().filter(|key| key.default != FORMER).map(|key| key.name).collect()
}

/// Stands in place of a default for a key's former name.
const FORMER: &str = "former";

/// Rows of a table in Markdown, a row per key, those of mappings within as `outer.inner`.
pub(crate) fn markdown(keys: &[Key], prefix: &str, out: &mut String) {
    for key in keys.iter().filter(|key| key.default != FORMER) {
        let path = format!("{prefix}{}", key.name);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{path}` | {} | {} |", key.default, key.about);
        if let Some(keys) = inner(&key.form) {
            markdown(keys, &format!("{path}."), out);
        }
    }
}

/// The keys of the mapping that a form may be.
fn inner(form: &Form) -> Option<&'static [Key]> {
    match form {
        Form::Table(keys) => Some(keys),
        Form::Any(forms) => forms.iter().find_map(inner),
        _ => None,
    }
}

/// The JSON Schema (2020-12) of a form. `sink` is that of [`Form::Sink`].
pub(crate) fn schema(form: &Form, sink: &str, out: &mut String) {
    match form {
        Form::Bool => scalar(r#"{"type":"boolean"}"#, out),
        Form::Text => out.push_str(r#"{"type":"string","minLength":1}"#),
        Form::Path => out.push_str(r#"{"type":"string","minLength":1}"#),
        Form::Int(min, max) => {
            let mut text = format!(r#"{{"type":"integer","minimum":{min}"#);
            if *max < u64::MAX {
                let _ = write!(text, r#","maximum":{max}"#);
            }
            scalar(&(text + "}"), out);
        }
        Form::Size => scalar(
            r#"{"type":"integer","minimum":0},{"type":"string","pattern":"^\\s*[0-9]+(\\.[0-9]+)? *(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)?\\s*$"}"#,
            out,
        ),
        Form::Duration => scalar(
            r#"{"const":0},{"type":"string","pattern":"^\\s*(0|[0-9]+(\\.[0-9]+)? *(ns|us|ms|s|m|h|d))\\s*$"}"#,
            out,
        ),
        Form::Time => scalar(r#"{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]"}"#, out),
        Form::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            scalar(&format!(r#"{{"enum":[{}]}}"#, words.join(",")), out);
        }
        Form::List(item) => {
            out.push_str(r#"{"type":"array","items":"#);
            schema(item, sink, out);
            out.push('}');
        }
        Form::Map(value) => {
            out.push_str(r#"{"type":"object","additionalProperties":"#);
            schema(value, sink, out);
            out.push('}');
        }
        Form::Table(keys) => table(keys, sink, out),
        Form::Any(forms) => {
            out.push_str(r#"{"anyOf":["#);
            for (i, form) in forms.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                schema(form, sink, out);
            }
            out.push_str("]}");
        }
        Form::Sink => out.push_str(sink),
        Form::Free => out.push_str("true"),
    }
}

/// A scalar, or a string that contains an environment variable in place of it.
fn scalar(schemas: &str, out: &mut String) {
    let _ = write!(out, r#"{{"anyOf":[{schemas},{{"type":"string","pattern":"\\$\\{{"}}]}}"#);
}

fn table(keys: &[Key], sink: &str, out: &mut String) {
    out.push_str(r#"{"type":"object","properties":{"#);
    for (i, key) in keys.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&text(key.name));
        out.push_str(r#":{"allOf":["#);
        schema(&key.form, sink, out);
        out.push_str(r#"],"description":"#);
        out.push_str(&text(&described(key)));
        out.push('}');
    }
    out.push_str(r#"},"additionalProperties":false"#);
    let required: Vec<_> = keys.iter().filter(|key| key.is_required()).collect();
    for (i, key) in required.iter().enumerate() {
        out.push_str(if i == 0 { r#","required":["# } else { "," });
        out.push_str(&text(key.name));
    }
    if !required.is_empty() {
        out.push(']');
    }
    out.push('}');
}

fn text(plain: &str) -> String {
    crate::json::Value::String(plain.to_owned()).to_json()
}

fn described(key: &Key) -> String {
    match (key.about, key.default) {
        (about, "" | "required" | FORMER) => about.to_owned(),
        ("", default) => format!("Default: {default}."),
        (about, default) => format!("{about}. Default: {default}."),
    }
}
