//! Prints events for `sinkwell vacuum`: see docs/VACUUM.md. Without a crate: `serde_json::to_string` does the same.

use std::fmt::Write as _;

fn text(s: &str) -> String {
    let mut out = String::from('"');
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32).expect("a string takes all"),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Prints one event, on a line of its own; values are JSON.
fn emit(event: &[(&str, String)]) {
    let members: String = event.iter().map(|(key, value)| format!(",{}:{value}", text(key))).collect();
    println!("{{\"_e\":1{members}}}");
}

fn main() {
    emit(&[("action", text("transfer")), ("value", 7.to_string()), ("note", text("a \"quoted\"\nline, ü 🌍"))]);
}
