//! `sink` of a lane (docs/CONFIG.md): finds its kind, which then reads its own settings.

use crate::document::reader::{Cursor, quoted};
use crate::document::suggest::nearest;
use crate::document::tree::shown_key;
use crate::error::{ErrorKind, Result};
use crate::sink::{Alone, Kind, SinkConfig};
use crate::sinks::{KINDS, LATER, kind, names};

/// `sink: stdout` or `sink: { file: { … } }`.
pub(super) fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    if cursor.as_str().is_some() {
        return named(cursor);
    }
    if !cursor.is_map() {
        // YAML reads an empty value as `null`, which is also a sink's name: an omission must not throw events away.
        let hint = if cursor.is_null() { "; the sink `null` is written in quotes" } else { "" };
        return Err(cursor.error(format!("expected a sink: one of {}{hint}", quoted(&names()))));
    }
    let mut members = cursor.members()?;
    for (name, member) in &members {
        known(name, member)?;
    }
    let (Some((name, options)), true) = (members.pop(), members.is_empty()) else {
        return Err(cursor.error("expected exactly one sink, as `{ file: { path: events.ndjson } }`"));
    };
    (known(name, &options)?.read)(&options)
}

/// A sink named by a word alone: its defaults.
pub(super) fn named(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    match known(cursor.as_str().unwrap_or_default(), cursor)?.alone {
        Alone::Default(settings) => Ok(settings()),
        Alone::Needs(what) => Err(cursor.error(what)),
    }
}

fn known(name: &str, cursor: &Cursor<'_>) -> Result<&'static Kind> {
    if let Some(kind) = kind(name) {
        return Ok(kind);
    }
    let sinks = quoted(&names());
    if LATER.contains(&name) {
        return Err(cursor.error_of(
            ErrorKind::Unsupported,
            format!("this build has no `{name}` sink; the sinks it has: {sinks}"),
        ));
    }
    let all: Vec<_> = KINDS.iter().map(|kind| kind.name).chain(LATER).collect();
    if cursor.is_from_env() {
        return Err(cursor.error(format!("the environment variable names no sink; known here: {sinks}")));
    }
    let hint = match nearest(name, &all) {
        _ if name.contains(['/', '.']) => "; a file is `{ sink: { file: { path: … } } }`".to_owned(),
        Some(word) => format!("; did you mean `{word}`? Known here: {sinks}"),
        None => format!("; known here: {sinks}"),
    };
    Err(cursor.error(format!("unknown sink `{}`{hint}", shown_key(name))))
}
