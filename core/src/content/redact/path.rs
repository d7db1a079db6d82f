//! JSON-path rules into `data`: the part of RFC 9535 that names places. `$.user.name`, `$['a.b']`,
//! `$.items[0].id`, `$.items[*].id`, `$..email`.
//!
//! Dotted names are literal members of `data` (docs/spec/events.md): `$.error.type` names the member `error.type` as
//! well as the member `type` of `error`.

use crate::error::{Error, Result};
use crate::json::Value;

/// One step down.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
    /// Any member or item.
    Any,
    /// Any depth, this one included.
    Descend,
}

/// A compiled path.
#[derive(Clone, Debug)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn compile(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::policy(format!("not a path: {what}; write it as $.user.name or $.items[*].id"))
        };
        let mut rest = text.strip_prefix('$').ok_or_else(|| wrong("it begins with $"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (step, after) = bracketed(bracket).ok_or_else(|| wrong("the bracket cannot be read"))?;
                steps.push(step);
                rest = after;
                continue;
            }
            if let Some(after) = rest.strip_prefix("..") {
                steps.push(Step::Descend);
                rest = after;
                if rest.starts_with('[') {
                    continue;
                }
            } else {
                rest = rest.strip_prefix('.').ok_or_else(|| wrong("a name follows a dot"))?;
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(match &rest[..end] {
                "" => return Err(wrong("a name is empty")),
                "*" => Step::Any,
                name => Step::Name(name.to_owned()),
            });
            rest = &rest[end..];
        }
        if steps.is_empty() || steps.last() == Some(&Step::Descend) {
            return Err(wrong("it names nothing"));
        }
        Ok(Self(steps))
    }

    /// Calls `replace` with every value below `value` that the path names, and puts its result there. For `None` the
    /// value is removed (an item of a list becomes `null`, so that the others keep their places).
    pub(super) fn apply(&self, value: &mut Value, replace: &mut dyn FnMut(&Value) -> Option<Value>) {
        walk(&self.0, value, replace);
    }
}

fn bracketed(text: &str) -> Option<(Step, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    if let Some(quote) = quote {
        let mut name = String::new();
        let mut chars = text[1..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => name.push(chars.next()?.1),
                c if c == quote => {
                    return Some((Step::Name(name), text[1 + i + 1..].strip_prefix(']')?));
                }
                c => name.push(c),
            }
        }
        return None;
    }
    let (inside, after) = text.split_once(']')?;
    let step = if inside == "*" { Step::Any } else { Step::Index(inside.parse().ok()?) };
    Some((step, after))
}

fn walk(steps: &[Step], value: &mut Value, replace: &mut dyn FnMut(&Value) -> Option<Value>) {
    let Some((step, rest)) = steps.split_first() else { return };
    match (step, value) {
        (Step::Descend, value) => {
            walk(rest, value, replace);
            match value {
                Value::Object(members) => members.iter_mut().for_each(|(_, v)| walk(steps, v, replace)),
                Value::Array(items) => items.iter_mut().for_each(|v| walk(steps, v, replace)),
                _ => {}
            }
        }
        (Step::Name(_), Value::Object(members)) => {
            // The names that follow, joined by dots, may be one literal member.
            let names =
                steps.iter().map_while(|s| if let Step::Name(n) = s { Some(n.as_str()) } else { None });
            let mut joined = String::new();
            for (n, name) in names.enumerate() {
                if n > 0 {
                    joined.push('.');
                }
                joined.push_str(name);
                step_into(members, |key| key == joined, &steps[n + 1..], replace);
            }
        }
        (Step::Any, Value::Object(members)) => step_into(members, |_| true, rest, replace),
        (Step::Any, Value::Array(items)) => items.iter_mut().for_each(|item| item_step(item, rest, replace)),
        (Step::Index(i), Value::Array(items)) => {
            if let Some(item) = items.get_mut(*i) {
                item_step(item, rest, replace);
            }
        }
        _ => {}
    }
}

fn item_step(item: &mut Value, rest: &[Step], replace: &mut dyn FnMut(&Value) -> Option<Value>) {
    if rest.is_empty() {
        *item = replace(item).unwrap_or(Value::Null);
    } else {
        walk(rest, item, replace);
    }
}

fn step_into(
    members: &mut Vec<(String, Value)>,
    names: impl Fn(&str) -> bool,
    rest: &[Step],
    replace: &mut dyn FnMut(&Value) -> Option<Value>,
) {
    members.retain_mut(|(key, value)| {
        if !names(key) {
            return true;
        }
        if !rest.is_empty() {
            walk(rest, value, replace);
            return true;
        }
        match replace(value) {
            Some(new) => {
                *value = new;
                true
            }
            None => false,
        }
    });
}
