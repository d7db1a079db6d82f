//! What redaction finds and what it leaves alone: a corpus written by hand, and a generated one.

mod curated;
mod draw;
mod finds;
mod forms;
mod generated;
mod misses;
mod public;
mod spelled;

use std::ops::Range;

use sinkwell::config::RedactionConfig;
use sinkwell::content::Redactor;

/// Floors on the generated corpus, per detector: percent, percent, and secrets masked in part only.
const RECALL: f64 = 99.0;
const PRECISION: f64 = 99.0;
const IN_PART: usize = 0;

fn redactor(detectors: &[&str]) -> Redactor {
    let config = RedactionConfig {
        id: "corpus".into(),
        detectors: detectors.iter().map(|d| (*d).to_owned()).collect(),
        keep_identifiers: true,
        ..RedactionConfig::default()
    };
    Redactor::compile(&config, None).unwrap()
}

/// Where the text was masked: what lies between the pieces that were left.
fn masks(redactor: &Redactor, text: &str, detector: &str) -> Vec<Range<usize>> {
    let out = redactor.redact_text(text).unwrap();
    let label = format!("[{detector}]");
    let mut masks = Vec::new();
    let mut pieces = out.split(label.as_str());
    let mut at = pieces.next().map_or(0, str::len);
    let pieces: Vec<&str> = pieces.collect();
    for (i, piece) in pieces.iter().enumerate() {
        let last = i + 1 == pieces.len();
        // At least one byte was masked, up to where the next piece is found again.
        let next = if last {
            text.len() - piece.len()
        } else {
            text[at..].find(piece).map_or(text.len(), |n| at + n)
        };
        // A label that stood in the text before is no mask.
        if text[at..next] != *label {
            masks.push(at..next);
        }
        at = next + piece.len();
    }
    masks
}
