//! `${NAME}` and `${NAME:-default}` in the strings of a document.
//!
//! Guarantees: an unset variable without default is an error that names it; the value of a variable never
//! appears in an error. `$${` stands for `${` itself.

use super::reader::Document;
use super::tree::{Node, Text, Value};
use crate::error::{ErrorKind, Result};
use crate::seam::Env;

/// Puts environment variables into every string of the tree. Keys stay as they are.
pub(crate) fn interpolate(
    node: &mut Node,
    path: &str,
    document: &Document<'_>,
    kind: ErrorKind,
) -> Result<()> {
    match &mut node.value {
        Value::Text(text) if text.text.contains("${") => match expand(&text.text, document.env) {
            Ok(expanded) => node.value = Value::Text(expanded),
            Err(message) => return Err(document.error(kind, node.mark, path, message)),
        },
        Value::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                interpolate(item, &format!("{path}[{i}]"), document, kind)?;
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let path = super::reader::join(path, &entry.key);
                let kind = match path.as_str() {
                    "governance" => ErrorKind::Policy,
                    "key" => ErrorKind::Key,
                    _ => kind,
                };
                interpolate(&mut entry.node, &path, document, kind)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn expand(text: &str, env: &dyn Env) -> Result<Text, String> {
    let mut out = String::with_capacity(text.len());
    let mut from_env = false;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let Some(end) = after.find('}') else {
            return Err("`${` without its `}`; write `$${` for the characters themselves".to_owned());
        };
        let (name, default) = match after[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&after[..end], None),
        };
        if !is_variable(name) {
            return Err(
                "between `${` and `}` goes the name of an environment variable, as `${NAME}` or `${NAME:-default}`; write `$${` for the characters themselves".to_owned(),
            );
        }
        // As in the shell, the default also stands in for an empty value.
        match (env.var(name), default) {
            (Some(value), None) => out.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
            (_, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(format!(
                    "the environment variable {name} is not set; set it, or give a default as `${{{name}:-…}}`"
                ));
            }
        }
        from_env = true;
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(Text { text: out, from_env })
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
