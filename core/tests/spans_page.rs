//! docs/SPANS.md: what each span of `tests/vectors/spans` becomes, and what it became before. `SINKWELL_BLESS=1` writes
//! the page's tables.
//!
//! `spans_before.txt` is what the mapping before the one of today (commit 8cdb9b2^) made of the same spans, by [`told`]:
//! recorded once, as that code is no more. It did not know the member `raised`, which was left out for it, nor
//! `parent_span_id`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sinkwell::bridge::events_of_span;
use sinkwell::json::Value;

mod common;
use common::cases;

/// The vectors' files, in the order of the page.
const SECTIONS: [&str; 14] = [
    "runs",
    "tools",
    "usage",
    "ended",
    "decisions",
    "mcp",
    "dialects",
    "openinference",
    "traceloop",
    "parents",
    "details",
    "content",
    "steps",
    "spans",
];

/// What is worth a word of an event, by its type.
fn told(events: &[Value]) -> String {
    let all: Vec<String> = events.iter().map(event).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn event(event: &Value) -> String {
    let mut said = event.get("type").and_then(Value::as_str).unwrap_or("?").to_owned();
    let data = event.get("data").unwrap_or(&Value::Null);
    let own = |name: &str| data.get(name).and_then(Value::as_str).map(|text| format!(" {name}={text}"));
    for name in ["tool", "outcome", "decision", "source.family", "parent_run"] {
        said += &own(name).unwrap_or_default();
    }
    if said.starts_with("run.") {
        let run = event.get("run").and_then(Value::as_str).unwrap_or("none");
        let short = if run.len() > 20 { format!("{}…", &run[..8]) } else { run.to_owned() };
        let _ = write!(said, " run={short}");
    }
    said
}

fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
    if text.contains("MARKER") {
        return "…".to_owned();
    }
    let cut: String = text.chars().take(24).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

/// A span by what tells it from others.
fn described(span: &Value) -> String {
    let mut said = vec![span.get("name").and_then(Value::as_str).unwrap_or("?").to_owned()];
    for member in ["status", "raised"] {
        let given = span.get(member).filter(|value| value.as_str() != Some("unset"));
        said.extend(given.map(|value| format!("{member}={}", short(value))));
    }
    if span.get("end_unix_nano").is_none() {
        said.push("started".to_owned());
    }
    let attributes = span.get("attributes").map(Value::members).unwrap_or_default();
    said.extend(attributes.iter().take(4).map(|(name, value)| format!("{name}={}", short(value))));
    if attributes.len() > 4 {
        said.push("…".to_owned());
    }
    said.join(", ").replace('|', "\\|")
}

fn tables(before: &BTreeMap<String, String>) -> String {
    let mut page = String::new();
    let files: Vec<_> = cases("spans").collect();
    for section in SECTIONS {
        let file = files.iter().find(|file| file.name == section).unwrap();
        file.only(&file.value, &["name", "about", "cases"]);
        let _ = write!(page, "\n## {}\n\n", file.text(&file.value, "about"));
        page += &format!(
            "`tests/vectors/spans/{section}.json`\n\n| | span | before | now |\n| --- | --- | --- | --- |\n"
        );
        for case in file.member(&file.value, "cases").items() {
            let Ok(events) = events_of_span(file.member(case, "span").to_json().as_bytes()) else { continue };
            let name = file.text(case, "name");
            let now = told(&events);
            let then = before.get(&format!("{section}/{name}")).map_or("not recorded", String::as_str);
            let then = if then == now { "the same" } else { then };
            let _ = writeln!(page, "| {name} | {} | {then} | {now} |", described(file.member(case, "span")));
        }
    }
    page
}

#[test]
fn the_page_says_what_each_span_becomes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = std::fs::read_to_string(root.join("tests/spans_before.txt")).unwrap();
    let before = recorded.lines().filter_map(|line| line.split_once('\t'));
    let before: BTreeMap<_, _> = before.map(|(name, said)| (name.to_owned(), said.to_owned())).collect();
    let path = root.join("../docs/SPANS.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, tables_there) = page.split_once("\n<!-- tables -->\n").unwrap();
    let tables = tables(&before);
    if std::env::var_os("SINKWELL_BLESS").is_some() {
        std::fs::write(path, format!("{head}\n<!-- tables -->\n{tables}")).unwrap();
        return;
    }
    assert!(tables_there == tables, "SINKWELL_BLESS=1 cargo test -p sinkwell --test spans_page");
}
