//! Precision and recall of each detector over the labelled corpus in `tests/redaction`.
//!
//!     cargo test -p sinkwell --test redaction curated -- --nocapture
//!
//! A find counts when it covers what the label names; `exact` also asks that it covers nothing else.

use sinkwell::json::{self, Value};

use crate::redactor;

/// Detector, floor of precision and floor of recall in percent.
const FLOORS: [(&str, f64, f64); 13] = [
    ("email", 98.0, 98.0),
    ("phone", 98.0, 98.0),
    ("card", 98.0, 98.0),
    ("iban", 98.0, 98.0),
    ("ip", 98.0, 98.0),
    ("jwt", 98.0, 98.0),
    ("aws", 98.0, 98.0),
    ("gcp", 98.0, 98.0),
    ("azure", 98.0, 98.0),
    ("github", 98.0, 98.0),
    ("pem", 98.0, 98.0),
    ("bearer", 98.0, 98.0),
    ("secrets", 96.0, 96.0),
];

/// At least so many cases each way, or the figures mean nothing.
const LEAST: usize = 40;

#[derive(Default)]
struct Score {
    positive: usize,
    negative: usize,
    exact: usize,
    hit: usize,
    wanted: usize,
    wrong: usize,
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "counts of a corpus")]
fn precision_and_recall() {
    println!(
        "{:8} {:>8} {:>8} {:>9} {:>7} {:>6}",
        "detector", "positive", "negative", "precision", "recall", "exact"
    );
    let mut below = Vec::new();
    for (detector, least_precision, least_recall) in FLOORS {
        let path = format!("{}/../tests/redaction/{detector}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path).unwrap();
        let redactor = redactor(&[detector]);
        let label = format!("[{detector}]");
        let mut score = Score::default();
        for line in file.lines() {
            let case = json::parse(line.as_bytes()).unwrap();
            let text = case.get("text").and_then(Value::as_str).unwrap();
            let finds: Vec<&str> =
                case.get("find").unwrap().items().iter().filter_map(Value::as_str).collect();
            let out = redactor.redact_text(text).unwrap();
            let replaced = out.matches(&label).count() - text.matches(&label).count();
            let mut rest = text;
            let mut want = String::new();
            for find in &finds {
                let (before, after) = rest.split_once(find).unwrap();
                want.push_str(before);
                want.push_str(&label);
                rest = after;
            }
            want.push_str(rest);
            let hit = finds.iter().filter(|find| !out.contains(*find)).count().min(replaced);
            score.hit += hit;
            score.wanted += finds.len();
            score.wrong += replaced - hit;
            score.exact += usize::from(out == want);
            *if finds.is_empty() { &mut score.negative } else { &mut score.positive } += 1;
            if out != want && std::env::var_os("SHOW").is_some() {
                println!("  {detector}: {text:?}\n    → {out:?}");
            }
        }
        assert!(score.positive >= LEAST && score.negative >= LEAST, "{path} has too few cases");
        let precision = 100.0 * score.hit as f64 / (score.hit + score.wrong) as f64;
        let recall = 100.0 * score.hit as f64 / score.wanted as f64;
        let exact = 100.0 * score.exact as f64 / (score.positive + score.negative) as f64;
        println!(
            "{detector:8} {:8} {:8} {precision:8.1}% {recall:6.1}% {exact:5.1}%",
            score.positive, score.negative
        );
        if precision < least_precision || recall < least_recall {
            below.push(detector);
        }
    }
    assert!(below.is_empty(), "below the floor: {below:?}");
}
