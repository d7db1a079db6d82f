//! The journal beside what one could use instead, on the same envelopes in the same run.
//!
//! ```text
//! cargo run --release -p sinkwell-bench-journal -- [--rounds 5] [--seconds 2] [--deeds [--alone]] [--json FILE] [DIR]
//! ```
//!
//! Candidates take turns within each round, so that a disk that slows down slows them all; the table holds
//! medians over the rounds, with the lowest and the highest. Three questions: how long one caller alone
//! waits for `journaled`; how many envelopes a second 64 callers get journaled that wait together; how many
//! MB/s go in when there is always a batch of 512 ready. Beside the stores stands the whole way, from `emit` to
//! `journaled`, sealed with HMAC-SHA256. Under each table: what the journal is beside its bounds. `--deeds` asks instead
//! how long a deed's act is held up (docs/DEEDS.md), alone, with 64 callers and with a thousand; `--alone`
//! leaves out those with many.

mod candidates;
mod emitter;
mod load;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candidates::Candidate;
use emitter::Key;

const ALONE: &str = "alone: p50 of one journaled envelope";
const P99: &str = "alone: p99";
const PROCESSOR: &str = "alone: processor time of each, all threads, its result included";
const TOGETHER: &str = "64 callers";
const THOUSAND: &str = "1 000 callers";
const SATURATED: &str = "saturated, batches of 512";

struct Settings {
    rounds: usize,
    seconds: u64,
    deeds: bool,
    alone: bool,
    json: Option<PathBuf>,
    dir: PathBuf,
}

fn settings() -> Result<Settings, String> {
    let mut settings = Settings {
        rounds: 5,
        seconds: 2,
        deeds: false,
        alone: false,
        json: None,
        dir: PathBuf::from("target/bench-journal"),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => settings.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
            "--seconds" => settings.seconds = value()?.parse().map_err(|e| format!("--seconds: {e}"))?,
            "--deeds" => settings.deeds = true,
            "--alone" => settings.alone = true,
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
    let candidates = if settings.deeds { &Candidate::DEEDS[..] } else { &Candidate::ALL[..] };
    let last = if settings.deeds { (THOUSAND, "/s") } else { (SATURATED, "MB/s") };
    let questions = [(ALONE, "µs"), (P99, "µs"), (PROCESSOR, "µs"), (TOGETHER, "/s"), last];
    for &(question, unit) in &questions[..if settings.alone { 3 } else { 5 }] {
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
    let deed = match candidate {
        Candidate::DeedHmac => Some(Key::Hmac),
        Candidate::DeedEd25519 => Some(Key::Ed25519),
        _ => None,
    };
    let value = if let Some(key) = deed {
        match question {
            ALONE | P99 | PROCESSOR => figure(question, || emitter::deed_alone(dir, time, key))?,
            TOGETHER => emitter::deeds_together(dir, time, 64, key)?,
            _ => emitter::deeds_together(dir, time, 1000, key)?,
        }
    } else if candidate == Candidate::Emitter {
        match question {
            ALONE | P99 | PROCESSOR => figure(question, || emitter::alone(dir, time))?,
            TOGETHER => emitter::together(dir, time, 64)?,
            THOUSAND => emitter::together(dir, time, 1000)?,
            _ => emitter::saturated(dir, time)?,
        }
    } else {
        let store = candidate.open(dir)?;
        match question {
            ALONE | P99 | PROCESSOR => figure(question, || Ok(load::alone(store, time)))?,
            TOGETHER => load::together(store, time, 64),
            THOUSAND => load::together(store, time, 1000),
            _ => load::saturated(store, time),
        }
    };
    std::fs::remove_dir_all(dir)?;
    Ok(value)
}

/// What one caller's times say to a question, in µs.
fn figure(
    question: &str,
    run: impl FnOnce() -> Result<Vec<Duration>, Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let before = processor_time()?;
    let mut taken = run()?;
    if question == PROCESSOR {
        return Ok((processor_time()? - before) * 1e6 / taken.len() as f64);
    }
    taken.sort_unstable();
    let percentile = if question == ALONE { 50 } else { 99 };
    Ok(taken[taken.len() * percentile / 100].as_secs_f64() * 1e6)
}

/// Processor time of this process so far, in seconds, of threads that have ended, too.
fn processor_time() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // Linux tells them in hundredths of a second.
    Ok(ticks / 100.0)
}

/// What the journal, and the whole way through it, are beside another candidate, by the medians.
fn beside(rows: &[Row], question: &str) -> String {
    let median = |candidate| {
        let row = rows.iter().find(|row| row.question == question && row.candidate == candidate);
        row.map_or(f64::NAN, |row| row.spread.1)
    };
    let mut out = String::new();
    if let Some(deed) =
        rows.iter().find(|row| row.question == question && row.candidate == Candidate::DeedHmac)
    {
        let bare = median(Candidate::Zeros);
        let _ = writeln!(out, "\ndeed, HMAC {:.2} of {}", deed.spread.1 / bare, Candidate::Zeros.name());
        return out;
    }
    for bound in [Candidate::Zeros, Candidate::Growing, Candidate::Sqlite] {
        let of = |candidate| median(candidate) / median(bound);
        let (journal, emitter) = (of(Candidate::Journal), of(Candidate::Emitter));
        let name = bound.name();
        let _ = writeln!(out, "\njournal {journal:.2}, emitter {emitter:.2} of {name}");
    }
    out
}

fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut question = "";
    for row in rows {
        if row.question != question {
            if !question.is_empty() {
                out.push_str(&beside(rows, question));
            }
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
    out.push_str(&beside(rows, question));
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
