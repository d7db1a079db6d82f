//! What is masked in text that nobody wrote for redaction: public sources and documentation.
//!
//! Every machine has crate sources by the time that tests run: 5 MB of them are looked at here. What is masked in
//! them was judged by hand, mask by mask (`tests/redaction/public-5mb.tsv`); what is masked beyond that counts as
//! wrong, and there may be one wrong mask per megabyte.
//!
//! The whole corpus, some 240 MB, is gathered by `bench/redaction/gather.py`, and judged on a sample drawn with a
//! fixed seed (`tests/redaction/public.tsv`):
//!
//!     REDACTION_CORPUS=$PWD/target/redaction-corpus \
//!         cargo test --release -p sinkwell --test redaction public -- --nocapture
//!
//! prints masks and wrong masks per detector and megabyte with the upper 95 % bound, and fails where more than one
//! together is found, or one is not judged.
//! `JUDGE=FILE` writes what is drawn and not judged yet, with its context; `JUDGE_ALL=1` all that is drawn. Judgements
//! are kept by place, so that no address of a person is copied here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::generated::DETECTORS;
use crate::redactor;

const SEED: &str = "sinkwell-redaction-20261129-3";
/// Drawn of each detector.
const EACH: usize = 300;
/// Of what is masked most often more must be drawn, or the bound says nothing.
const MORE: [(&str, usize); 1] = [("email", 900)];
/// Wrong masks per megabyte, all detectors together.
const MOST: f64 = 1.0;
/// Bytes of what runs with every test.
const SMALL: usize = 5_000_000;
/// Longest file that is looked at.
const FILE: u64 = 1 << 20;

/// Crates of the workspace's own lock that write of addresses, numbers, keys and tokens.
const CRATES: [&str; 22] = [
    "url",
    "ipnet",
    "hyper-util",
    "hyper",
    "http",
    "reqwest",
    "rustls",
    "rustls-webpki",
    "rustls-pki-types",
    "serde_json",
    "time",
    "jiff",
    "regex",
    "tokio",
    "curve25519-dalek",
    "der",
    "pkcs8",
    "const-oid",
    "syn",
    "clap_builder",
    "libc",
    "tracing",
];

struct Mask {
    detector: String,
    file: String,
    at: usize,
    text: String,
    context: String,
}

impl Mask {
    /// What it is drawn by.
    fn order(&self) -> [u8; 32] {
        let place = format!("{SEED}\n{}\n{}\n{}\n{}", self.detector, self.file, self.at, self.text.len());
        Sha256::digest(place.as_bytes()).into()
    }

    /// What it is known by wherever it stands.
    fn print(&self) -> String {
        let digest = Sha256::digest(format!("{}\n{}", self.detector, self.text).as_bytes());
        digest[..8].iter().fold(String::new(), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.metadata().is_ok_and(|m| m.len() <= FILE) {
            out.push(path);
        }
    }
}

/// Everything that is masked in the files under `folders`, and how many bytes were looked at, at most `each` of a
/// folder.
fn look(folders: &[PathBuf], base: &Path, each: usize) -> (Vec<Mask>, usize) {
    let redactor = redactor(&[]);
    let (mut masks, mut bytes) = (Vec::new(), 0);
    for folder in folders {
        let mut paths = Vec::new();
        let most = bytes + each.min(usize::MAX - bytes);
        files(folder, &mut paths);
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            if bytes + text.len() > most {
                continue;
            }
            bytes += text.len();
            let boundary = |mut i: usize| {
                while !text.is_char_boundary(i) {
                    i -= 1;
                }
                i
            };
            for find in redactor.explain(&text).unwrap() {
                let from = boundary(find.span.start.saturating_sub(90));
                let to = boundary((find.span.end + 40).min(text.len()));
                masks.push(Mask {
                    detector: find.label.to_owned(),
                    file: path.strip_prefix(base).unwrap().display().to_string(),
                    at: find.span.start,
                    text: text[find.span.clone()].to_owned(),
                    context: format!(
                        "{}⟦{}⟧{}",
                        text[from..find.span.start].escape_debug(),
                        text[find.span.clone()].escape_debug(),
                        text[find.span.end..to].escape_debug()
                    ),
                });
            }
        }
    }
    (masks, bytes)
}

fn kept(name: &str) -> String {
    let path = format!("{}/../tests/redaction/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_default()
}

/// Where the sources of a crate of the lock are.
fn sources(name: &str) -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).ok()?;
    let (_, rest) = lock.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    let version = rest.split('"').next()?;
    let registries = std::fs::read_dir(home.join("registry/src")).ok()?;
    registries.filter_map(Result::ok).map(|r| r.path().join(format!("{name}-{version}"))).find(|p| p.is_dir())
}

#[test]
fn public_text_that_every_machine_has() {
    let folders: Vec<PathBuf> = CRATES.iter().filter_map(|name| sources(name)).collect();
    let Some(base) = folders.first().and_then(|f| f.parent()).map(Path::to_path_buf) else {
        let required = std::env::var("SINKWELL_REQUIRE").is_ok_and(|v| v == "all");
        assert!(!required, "no crate sources in cargo's registry");
        eprintln!("public text: SKIPPED (no crate sources in cargo's registry)");
        return;
    };
    let (masks, bytes) = look(&folders, &base, SMALL / CRATES.len());
    let judged: HashMap<String, bool> = kept("public-5mb.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (verdict, print) = line.split_once('\t').unwrap();
            (print.to_owned(), verdict == "right")
        })
        .collect();
    let mut unjudged = BTreeMap::new();
    let mut wrong = 0;
    for mask in &masks {
        match judged.get(&mask.print()) {
            Some(true) => {}
            Some(false) => wrong += 1,
            None => {
                wrong += 1;
                unjudged.insert(mask.print(), mask);
            }
        }
    }
    if let Some(path) = std::env::var_os("JUDGE") {
        let out = unjudged.iter().fold(String::new(), |mut out, (print, mask)| {
            let _ = writeln!(out, "{}\t{print}\t{}\t{}", mask.detector, mask.file, mask.context);
            out
        });
        std::fs::write(path, out).unwrap();
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a corpus")]
    let (megabytes, rate) = (bytes as f64 / 1e6, wrong as f64 / (bytes as f64 / 1e6));
    println!("{megabytes:.1} MB, {} masks, {wrong} wrong or not judged: {rate:.2} per MB", masks.len());
    assert!(bytes > SMALL / 2, "too little to say anything: {bytes} bytes");
    assert!(rate <= MOST, "{} were not judged; see JUDGE in this file's head", unjudged.len());
}

/// The upper end of the one-sided 95 % interval for a share of which `wrong` of `drawn` were seen (Clopper and
/// Pearson).
#[allow(clippy::cast_precision_loss, reason = "counts of a corpus")]
fn upper(wrong: usize, drawn: usize) -> f64 {
    let chance = |p: f64| {
        // P(at most `wrong`), by its logarithms.
        let (mut term, mut sum) = (drawn as f64 * (1.0 - p).ln(), 0.0);
        for i in 0..=wrong {
            sum += term.exp();
            term += ((drawn - i) as f64).ln() - ((i + 1) as f64).ln() + p.ln() - (1.0 - p).ln();
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if chance(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[test]
fn the_bound_is_that_of_the_tables() {
    for (wrong, drawn, bound) in [(0, 300, 0.009_94), (1, 300, 0.015_72), (3, 100, 0.075_71)] {
        assert!((upper(wrong, drawn) - bound).abs() < 5e-5, "{wrong} of {drawn}: {}", upper(wrong, drawn));
    }
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "counts of a corpus")]
fn public_text_as_a_whole() {
    let Some(folder) = std::env::var_os("REDACTION_CORPUS").map(PathBuf::from) else { return };
    let (masks, bytes) = look(std::slice::from_ref(&folder), &folder, usize::MAX);
    let megabytes = bytes as f64 / 1e6;
    let file = kept("public.tsv");
    // Detector, place, length.
    let judged: HashMap<[&str; 4], bool> = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let part: Vec<&str> = line.split('\t').collect();
            ([part[1], part[2], part[3], part[4]], part[0] == "right")
        })
        .collect();
    let mut left = String::new();
    let again = std::env::var_os("JUDGE_ALL").is_some();
    let (mut middle, mut spread) = (0.0, 0.0_f64);
    println!("{megabytes:.1} MB");
    println!(
        "{:8} {:>7} {:>8} {:>6} {:>6} {:>10} {:>10}",
        "detector", "masks", "per MB", "drawn", "wrong", "wrong/MB", "at most"
    );
    let mut seen = HashSet::new();
    for detector in DETECTORS {
        let mut of: Vec<&Mask> = masks.iter().filter(|m| m.detector == detector).collect();
        let each = MORE.iter().find(|(name, _)| *name == detector).map_or(EACH, |(_, n)| *n);
        of.sort_by_key(|mask| mask.order());
        let all = of.len() <= each;
        let drawn = &of[..of.len().min(each)];
        let mut wrong = 0;
        for mask in drawn {
            let (at, length) = (mask.at.to_string(), mask.text.len().to_string());
            let verdict = judged.get(&[detector, mask.file.as_str(), &at, &length]);
            wrong += usize::from(verdict != Some(&true));
            if verdict.is_none() {
                seen.insert(detector);
            }
            if verdict.is_none() || again {
                let _ = writeln!(left, "{detector}\t{}\t{at}\t{length}\t{}", mask.file, mask.context);
            }
        }
        // Where all were judged there is nothing left to chance.
        let rate = of.len() as f64 / megabytes;
        let share = if drawn.is_empty() { 0.0 } else { wrong as f64 / drawn.len() as f64 };
        let bound = if all { share } else { upper(wrong, drawn.len()) };
        middle += rate * share;
        spread += (rate * (bound - share)).powi(2);
        println!(
            "{detector:8} {:7} {rate:8.3} {:6} {wrong:6} {:10.3} {:10.3}",
            of.len(),
            drawn.len(),
            rate * share,
            rate * bound
        );
    }
    // Bounds of independent parts combine by the squares of their distances (Zou and Donner, 2008).
    let bound = middle + spread.sqrt();
    println!(
        "together {:7} {:8.3} {:>13} {middle:10.3} {bound:10.3}",
        masks.len(),
        masks.len() as f64 / megabytes,
        ""
    );
    if let Some(path) = std::env::var_os("JUDGE") {
        std::fs::write(path, left).unwrap();
    }
    assert!(seen.is_empty(), "not all judged: {seen:?}");
    assert!(middle <= MOST, "more than {MOST} wrong masks per MB");
}
