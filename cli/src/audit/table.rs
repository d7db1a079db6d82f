//! Groups of events as a table, for people.

use sinkwell::Result;
use sinkwell::json::Value;
use sinkwell::terminal::Safe;

use crate::out::Out;

/// The longest value that is shown whole; `--format json` has all of each.
const LONGEST: usize = 60;

/// Prints what `audit::call` answers to `group`.
pub(super) fn print(groups: &Value, by: &[String], sum: &[String]) -> Result<()> {
    let count = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or(0);
    let head = std::iter::once("count").chain(by.iter().chain(sum).map(String::as_str));
    let mut rows = vec![head.map(cell).collect::<Vec<_>>()];
    let listed = groups.get("groups").map_or(&[][..], Value::items);
    let mut others = vec![0; sum.len()];
    for group in listed {
        let mut row = vec![count(group, "count").to_string()];
        for name in by {
            row.push(match group.get("by").and_then(|by| by.get(name)) {
                Some(Value::String(text)) => cell(text),
                Some(other) => cell(&other.to_json()),
                None => "-".to_owned(),
            });
        }
        for (name, others) in sum.iter().zip(&mut others) {
            let total = group.get("sum").and_then(|sums| sums.get(name));
            row.push(total.and_then(|total| total.get("sum")?.as_str()).unwrap_or("0").to_owned());
            *others += total.map_or(0, |total| count(total, "others"));
        }
        rows.push(row);
    }
    let mut out = Out::new();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (column, (text, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - text.chars().count());
            // Numbers stand under each other at their ends.
            let number = column == 0 || column > by.len();
            line.push_str(&if number { format!("{gap}{text}") } else { format!("{text}{gap}") });
            line.push_str("  ");
        }
        out.text(&format!("{}\n", line.trim_end()))?;
    }
    let mut told = format!("{} events in {} groups", count(groups, "events"), listed.len());
    for (n, what) in [
        (count(groups, "repeated"), "came again and count once"),
        (count(groups, "erased"), "envelopes of the log are erased and in no group"),
    ] {
        if n > 0 {
            told.push_str(&format!("; {n} {what}"));
        }
    }
    for (name, others) in sum.iter().zip(others) {
        if others > 0 {
            told.push_str(&format!("; {others} of {} are no numbers and not in its sum", cell(name)));
        }
    }
    out.text(&format!("{told}\n"))?;
    out.flush()
}

/// A text of strangers in one cell.
fn cell(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", Safe(&short))
}
