//! The journal beside what one could use instead, on the same envelopes in the same run.
//!
//! ```text
//! cargo run --release -p sinkwell-bench-journal -- [--rounds 5] [--seconds 2] [--json FILE] [DIR]
//! ```
//!
//! Candidates take turns within each round, so that a disk that slows down slows them all; the table holds
//! medians over the rounds, with the lowest and the highest. Three questions: how long one caller alone
//! waits for `journaled`; how many envelopes a second 64 callers get journaled that wait together; how many
//! MB/s go in when there is always a batch of 512 ready.

mod candidates;
mod load;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candidates::Candidate;

struct Settings {
    rounds: usize,
    seconds: u64,
    json: Option<PathBuf>,
    dir: PathBuf,
}

fn settings() -> Result<Settings, String> {
    let mut settings =
        Settings { rounds: 5, seconds: 2, json: None, dir: PathBuf::from("target/bench-journal") };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => settings.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
            "--seconds" => settings.seconds = value()?.parse().map_err(|e| format!("--seconds: {e}"))?,
            "--json" => settings.json = Some(value()?.into()),
            dir if !dir.starts_with('-') => settings.dir = dir.into(),
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(settings)
}

/// Low, median and high of the rounds.
struct Spread(f64, f64, f64);

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values[0], values[values.len() / 2], values[values.len() - 1])
    }
}

struct Row {
    question: &'static str,
    candidate: Candidate,
    unit: &'static str,
    spread: Spread,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings()?;
    let time = Duration::from_secs(settings.seconds);
    let mut rows = Vec::new();
    for (question, unit, candidates) in [
        ("alone: p50 of one journaled envelope", "µs", &Candidate::ALL[..]),
        ("alone: p99", "µs", &Candidate::ALL[..]),
        ("64 callers", "envelopes/s", &Candidate::ALL[..]),
        ("saturated, batches of 512", "MB/s", &Candidate::ALL[..]),
    ] {
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
        // The first round warms up and does not count.
        for round in 0..=settings.rounds {
            for (candidate, values) in candidates.iter().zip(&mut values) {
                let value = measure(question, *candidate, &settings.dir, time)?;
                if round > 0 {
                    values.push(value);
                }
            }
        }
        for (&candidate, values) in candidates.iter().zip(values) {
            rows.push(Row { question, candidate, unit, spread: Spread::of(values) });
        }
    }
    print!("{}", table(&rows));
    if let Some(path) = settings.json {
        std::fs::write(path, json(&rows))?;
    }
    Ok(())
}

fn measure(
    question: &str,
    candidate: Candidate,
    dir: &Path,
    time: Duration,
) -> Result<f64, Box<dyn std::error::Error>> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    let store = candidate.open(dir)?;
    let value = match question {
        "alone: p50 of one journaled envelope" => load::alone(store, time, 50),
        "alone: p99" => load::alone(store, time, 99),
        "64 callers" => load::together(store, time, 64),
        _ => load::saturated(store, time),
    };
    std::fs::remove_dir_all(dir)?;
    Ok(value)
}

fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut question = "";
    for row in rows {
        if row.question != question {
            question = row.question;
            let _ = writeln!(
                out,
                "\n| {question} | median {} | low | high |\n| --- | --- | --- | --- |",
                row.unit
            );
        }
        let Spread(low, median, high) = row.spread;
        let _ = writeln!(out, "| {} | {median:.0} | {low:.0} | {high:.0} |", row.candidate.name());
    }
    out
}

fn json(rows: &[Row]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let Spread(low, median, high) = row.spread;
            format!(
                "  {{\"question\": \"{}\", \"candidate\": \"{}\", \"unit\": \"{}\", \"low\": {low:.1}, \
                 \"median\": {median:.1}, \"high\": {high:.1}}}",
                row.question,
                row.candidate.name(),
                row.unit
            )
        })
        .collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}
