//! Makes parts of `docs/CONFIG.md`, and `schemas/config`, from the keys that the reader knows.

use std::fmt::Write as _;

use super::keys::{GOVERNANCE, JOURNAL, KEY, LANE, TOP};
use crate::document::keys::{Form, Key, markdown, schema};
use crate::sink::Alone;
use crate::sinks::KINDS;

/// The generated parts of `docs/CONFIG.md`, each with its name.
#[must_use]
pub fn parts() -> Vec<(&'static str, String)> {
    let below = ["key", "journal", "lanes", "governance"];
    let table = |keys: &[Key], prefix: &str| {
        let mut out = "| key | default | meaning |\n| --- | --- | --- |\n".to_owned();
        markdown(keys, prefix, &mut out);
        out
    };
    let mut top = "| key | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for key in TOP {
        let own = Key { form: Form::Free, ..*key };
        let shown = if below.contains(&key.name) { own } else { *key };
        markdown(&[shown], "", &mut top);
    }
    vec![
        ("top", top),
        ("key", table(KEY, "key.")),
        ("journal", table(JOURNAL, "journal.")),
        ("lanes", table(LANE, "")),
        ("sinks", sinks()),
        ("governance", table(GOVERNANCE, "governance.")),
    ]
}

fn sinks() -> String {
    let mut out = String::new();
    for kind in KINDS {
        let classes: Vec<String> = kind.classes.iter().map(|class| format!("`{}`", class.name())).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "### {}\n\n{}. Classes: {}, the first by default.\n",
            kind.name,
            capital(kind.about),
            classes.join(", ")
        );
        if !kind.keys.is_empty() {
            out.push_str("| key | default | meaning |\n| --- | --- | --- |\n");
            markdown(kind.keys, "", &mut out);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// The JSON Schema (2020-12) of a whole configuration, for editors. It knows every key and its form; only the reader
/// knows how keys must agree with each other.
#[must_use]
pub fn json_schema() -> String {
    let mut options = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for kind in KINDS {
        if matches!(kind.alone, Alone::Default(_)) {
            words.push(format!("\"{}\"", kind.name));
        }
        let mut form = String::new();
        if kind.name == "host" {
            schema(&Form::Text, "true", &mut form);
        } else {
            schema(&Form::Table(kind.keys), "true", &mut form);
            if matches!(kind.alone, Alone::Default(_)) {
                form = format!(r#"{{"anyOf":[{{"type":"null"}},{form}]}}"#);
            }
        }
        options.push(format!(
            r#"{{"type":"object","properties":{{"{0}":{form}}},"required":["{0}"],"additionalProperties":false}}"#,
            kind.name
        ));
    }
    let sink = format!(
        r#"{{"anyOf":[{{"enum":[{}]}},{{"type":"string","pattern":"\\$\\{{"}},{}]}}"#,
        words.join(","),
        options.join(",")
    );
    let mut body = String::new();
    schema(&Form::Table(TOP), &sink, &mut body);
    format!(
        r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://sinkwell.dev/schemas/config.json","title":"sinkwell configuration",{}"#,
        &body[1..]
    )
}
