//! Recall and precision over a corpus that is generated from the formats' and the vendors' own grammars:
//! every detector × format × quoting × casing of names × neighbours × cuts, labelled by construction.
//!
//!     cargo test -p sinkwell --test redaction -- --nocapture
//!
//! The seed is fixed. A fifth of formats × quotings is held out: with `HELD_OUT=1` it alone is run, and only then.
//! `SHOW=detector` prints what that detector got wrong; `CORPUS=FILE` writes the cases and what was masked in
//! them as JSON lines, for a comparison with other tools.

use std::fmt::Write as _;
use std::ops::Range;

use crate::draw::{self, Draw};
use crate::finds::{Value, find};
use crate::forms::{FORMS, Form, Names, PLACES, name};
use crate::misses::miss;
use crate::{masks, redactor};

pub(crate) const DETECTORS: [&str; 13] = [
    "email", "phone", "card", "iban", "ip", "jwt", "aws", "gcp", "azure", "github", "pem", "bearer",
    "secrets",
];

/// Of each detector and of each way, finds and near misses.
const EACH: usize = 900;
/// At least so many must remain when a fifth is held out.
const LEAST: usize = 500;

pub(crate) struct Case {
    pub(crate) detector: &'static str,
    pub(crate) form: &'static Form,
    pub(crate) text: String,
    pub(crate) finds: Vec<Range<usize>>,
}

/// The cases of a detector, those to find first.
pub(crate) fn cases(detector: &'static str) -> Vec<Case> {
    let mut seed = detector.bytes().fold(20_261_128, |n, b| n * 31 + u64::from(b));
    let mut out = Vec::new();
    for make in [find as fn(&str, &mut Draw) -> Value, miss] {
        seed += 1;
        let draw = &mut Draw(seed);
        let before = out.len();
        while out.len() < before + EACH {
            let value = make(detector, draw);
            out.extend(case(detector, &value, draw));
        }
    }
    out
}

/// The value in a format, drawn; `None` where the format has no way to write it.
fn case(detector: &'static str, value: &Value, draw: &mut Draw) -> Option<Case> {
    const NEUTRAL: [&[&str]; 8] = [
        &["note"],
        &["text"],
        &["item"],
        &["body", "text"],
        &["user", "comment"],
        &["first", "line"],
        &["value"],
        &["what"],
    ];
    let form = if value.words.is_none() && draw.chance(45) { draw.one(PLACES) } else { draw.one(FORMS) };
    let words = value.words.clone().unwrap_or_else(|| draw.one(&NEUTRAL).to_vec());
    // What a bare word cannot hold: only a header's value, and a log's, may have blanks.
    let spaced = value.words.is_some() && detector == "bearer" || form.format == "log";
    let names = form.names();
    // An authorization is a header, an option or a member; a lone word `X` of a header starts no other.
    if detector == "bearer"
        && value.words.is_some()
        && !matches!(
            form.format,
            "header" | "json" | "yaml" | "python" | "javascript" | "toml" | "ruby" | "go" | "rust"
        )
    {
        return None;
    }
    let numbers = value.value.contains([' ', '\u{a0}', '\n']) && detector != "bearer";
    if form.format == "url" && numbers {
        return None;
    }
    let key = if detector == "bearer" && names == Names::Header {
        name(&words, Names::Option, draw).replace('_', "-")
    } else {
        name(&words, names, draw)
    };
    let key = if detector == "bearer" && form.format == "header" && draw.chance(60) {
        key.split('-').map(|w| w[..1].to_uppercase() + &w[1..]).collect::<Vec<_>>().join("-")
    } else {
        key
    };
    let marks: Vec<&str> = value.marks.iter().map(String::as_str).collect();
    let (text, spans) = form.write(&key, &value.value, &marks, spaced && form.format == "header")?;
    let finds: Vec<Range<usize>> = spans.into_iter().map(|(a, b)| a..b).collect();
    let (text, finds) =
        if finds.is_empty() { (text, finds) } else { vary(text, finds, &key, value, form, draw) };
    Some(Case { detector, form, text, finds })
}

/// Cuts it off at either end, indents it, or puts other lines around it.
fn vary(
    text: String,
    finds: Vec<Range<usize>>,
    key: &str,
    value: &Value,
    form: &Form,
    draw: &mut Draw,
) -> (String, Vec<Range<usize>>) {
    let last = finds.last().map_or(0, |f| f.end);
    let shift = |finds: Vec<Range<usize>>, by: isize| -> Vec<Range<usize>> {
        finds.into_iter().map(|f| f.start.wrapping_add_signed(by)..f.end.wrapping_add_signed(by)).collect()
    };
    match draw.below(12) {
        // Cut off directly behind it.
        0 | 1 => (text[..last].to_owned(), finds),
        // Cut off before it: what announces itself needs nothing, a value its name.
        2 | 3 => {
            let named = value.words.is_some() || finds.iter().any(|f| value.value.len() != f.len());
            let most = if named {
                text[..finds[0].start].rfind(key).map_or(0, |at| at.saturating_sub(2))
            } else {
                finds[0].start
            };
            // An address needs the bracket or the scheme that is part of its value.
            let most = if named && value.words.is_none() {
                most.min(finds[0].start.saturating_sub(value.value.len()))
            } else {
                most
            };
            let mut at = most;
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            (text[at..].to_owned(), shift(finds, -isize::try_from(at).unwrap()))
        }
        // Indented as a whole, where lines do not matter to the value.
        4 if !text[finds[0].start..last].contains('\n') && form.format != "url" => {
            let indent = *draw.one(&["  ", "        ", "\t", "> ", "// ", "# "]);
            let mut out = String::new();
            let mut by = 0;
            for (i, line) in text.split_inclusive('\n').enumerate() {
                if i == 0 || text[..finds[0].start].matches('\n').count() >= i {
                    by += indent.len();
                }
                out.push_str(indent);
                out.push_str(line);
            }
            (out, shift(finds, isize::try_from(by).unwrap()))
        }
        // Between other lines.
        5 | 6 => {
            let before = *draw.one(&[
                "ok 200\n",
                "# 设置\n",
                "Настройки:\n",
                "---\n",
                "x = 1\r\n",
                "}\n\n",
                "إعدادات\n",
            ]);
            let after = *draw.one(&["\nok 200", "\n# 结束", "\nконец", "\n---\n", "\r\nx = 1", "\n\n{"]);
            (format!("{before}{text}{after}"), shift(finds, isize::try_from(before.len()).unwrap()))
        }
        _ => (text, finds),
    }
}

#[derive(Default)]
struct Score {
    positive: usize,
    negative: usize,
    wanted: usize,
    hit: usize,
    part: usize,
    wrong: usize,
    wide: usize,
}

/// Holds what was masked against what was to be.
fn judge(case: &Case, masks: &[Range<usize>], score: &mut Score) -> Option<&'static str> {
    let mut said = None;
    for find in &case.finds {
        score.wanted += 1;
        if masks.iter().any(|m| m.start <= find.start && m.end >= find.end) {
            score.hit += 1;
        } else if masks.iter().any(|m| m.start < find.end && m.end > find.start) {
            score.part += 1;
            said = Some("in part");
        } else {
            said = Some("missed");
        }
    }
    for mask in masks {
        match case.finds.iter().find(|f| mask.start < f.end && mask.end > f.start) {
            None => {
                score.wrong += 1;
                said = said.or(Some("wrong"));
            }
            // More than a quote or a bracket too many.
            Some(find) if mask.start + 2 < find.start || mask.end > find.end + 2 => {
                score.wide += 1;
                said = said.or(Some("too wide"));
            }
            Some(_) => {}
        }
    }
    *if case.finds.is_empty() { &mut score.negative } else { &mut score.positive } += 1;
    said
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "counts of a corpus")]
fn recall_and_precision_on_the_generated_corpus() {
    let held = std::env::var_os("HELD_OUT").is_some();
    let show = std::env::var("SHOW").unwrap_or_default();
    let mut dump = String::new();
    let mut below = Vec::new();
    println!(
        "{:8} {:>8} {:>8} {:>7} {:>9} {:>7} {:>6} {:>5}",
        "detector", "positive", "negative", "recall", "precision", "in part", "wrong", "wide"
    );
    for detector in DETECTORS {
        let redactor = redactor(&[detector]);
        let mut score = Score::default();
        for case in cases(detector) {
            if case.form.held_out() != held {
                continue;
            }
            let found = masks(&redactor, &case.text, detector);
            write_case(&mut dump, &case, &found);
            if let Some(what) = judge(&case, &found, &mut score)
                && show == detector
            {
                let marks: Vec<&str> = case.finds.iter().map(|f| &case.text[f.clone()]).collect();
                let masked: Vec<&str> = found.iter().map(|f| &case.text[f.clone()]).collect();
                println!(
                    "  {what} [{}/{}] {:?}\n      want {marks:?}\n      masked {masked:?}",
                    case.form.format, case.form.quoting, case.text
                );
            }
        }
        let recall = 100.0 * score.hit as f64 / score.wanted as f64;
        let wrong = score.wrong + score.wide;
        let precision = 100.0 * score.hit as f64 / (score.hit + wrong) as f64;
        println!(
            "{detector:8} {:8} {:8} {recall:6.2}% {precision:8.2}% {:7} {:6} {:5}",
            score.positive, score.negative, score.part, score.wrong, score.wide
        );
        if !held {
            assert!(score.positive >= LEAST && score.negative >= LEAST, "{detector}: too few cases");
        }
        if recall < crate::RECALL || precision < crate::PRECISION || score.part > crate::IN_PART {
            below.push(detector);
        }
    }
    if let Some(path) = std::env::var_os("CORPUS") {
        std::fs::write(path, dump).unwrap();
    }
    assert!(below.is_empty(), "below the floor: {below:?}");
}

/// Ids by which agents join their events, alone, in a sentence and as members of JSON: all detectors together.
#[test]
fn ids_of_the_providers_stay() {
    let redactor = redactor(&DETECTORS);
    let draw = &mut Draw(20_261_128);
    for _ in 0..10_000 {
        let id = crate::misses::id(draw);
        let words = *draw.one(&crate::misses::ID_NAMES);
        for text in [
            id.clone(),
            format!("the tool call {id} ended"),
            format!(r#"{{"{}":"{id}","gen_ai.tool.call.id":"{id}"}}"#, name(words, Names::Any, draw)),
        ] {
            assert_eq!(redactor.redact_text(&text).unwrap(), text);
        }
    }
}

fn write_case(out: &mut String, case: &Case, masks: &[Range<usize>]) {
    let json = |s: &str| {
        let text = draw::json(s).unwrap();
        text.chars().fold(String::new(), |mut out, c| {
            if c.is_control() {
                let _ = write!(out, "\\u{:04x}", c as u32);
            } else {
                out.push(c);
            }
            out
        })
    };
    let spans = |of: &[Range<usize>]| {
        of.iter().map(|f| format!("[{},{}]", f.start, f.end)).collect::<Vec<_>>().join(",")
    };
    let _ = writeln!(
        out,
        r#"{{"detector":"{}","form":"{}/{}","text":"{}","finds":[{}],"masks":[{}]}}"#,
        case.detector,
        case.form.format,
        case.form.quoting,
        json(&case.text),
        spans(&case.finds),
        spans(masks)
    );
}
