//! What sinkwell costs beside the OpenTelemetry SDK, on the same events, to the same receiver, in one run.
//!
//! ```text
//! cargo run --release -p sinkwell-bench -- [--rounds 5] [--quick] [--json FILE] [--only emit|micro]
//! ```
//!
//! Candidates take turns within each round, each in a fresh process, so that a machine that slows down slows
//! them all; the table holds medians over the rounds with the lowest and the highest. The receiver counts
//! what arrives, in a process of its own. `caller_cpu_ns` is the processor time of the emitting thread per event
//! (of `5 000/s`, its sleeping included): where the machine is shared it tells more than a mean does. `receiver [--delay MS]` starts it alone, for other languages.

mod candidates;
mod event;
mod measure;
mod micro;
mod receiver;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use measure::{Figures, Load};
use receiver::{Receiver, count};
use table::{Row, Spread};

type Failure = Box<dyn std::error::Error>;

struct Settings {
    rounds: usize,
    quick: bool,
    json: Option<PathBuf>,
    only: Option<String>,
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["receiver"] => Ok(receiver::serve(Duration::ZERO)?),
        ["receiver", "--delay", ms] => Ok(receiver::serve(Duration::from_millis(ms.parse()?))?),
        ["run", candidate, load, port, dir] => {
            let load = read_load(load).ok_or("a load is hot:N, paced:RATE:N, bursts:RATE:N or rested:N")?;
            let figures = candidates::measure(candidate, load, port.parse()?, dir.as_ref())?;
            println!("{}", figures.line());
            Ok(())
        }
        options => compare(&settings(options)?),
    }
}

fn settings(mut args: &[&str]) -> Result<Settings, Failure> {
    let mut settings = Settings { rounds: 5, quick: false, json: None, only: None };
    loop {
        args = match args {
            [] => return Ok(settings),
            ["--quick", rest @ ..] => {
                settings.quick = true;
                rest
            }
            ["--rounds", n, rest @ ..] => {
                settings.rounds = n.parse()?;
                rest
            }
            ["--json", file, rest @ ..] => {
                settings.json = Some(file.into());
                rest
            }
            ["--only", what, rest @ ..] => {
                settings.only = Some((*what).to_owned());
                rest
            }
            [other, ..] => return Err(format!("unknown option {other}").into()),
        };
    }
}

fn read_load(text: &str) -> Option<Load> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |i: usize| parts.get(i)?.parse().ok();
    Some(match parts[0] {
        "hot" => Load::Hot(number(1)?),
        "paced" => Load::Paced(number(1)?, number(2)?),
        "bursts" => Load::Bursts(number(1)?, number(2)?),
        "rested" => Load::Rested(number(1)?),
        _ => return None,
    })
}

/// A question, the load that asks it, who answers (the peer first), and which figures are the answer.
struct Question {
    name: &'static str,
    load: String,
    who: &'static [&'static str],
    figures: &'static [&'static str],
}

const CALLER: &[&str] =
    &["caller_cpu_ns", "mean_ns", "p50_ns", "p99_ns", "p999_ns", "growth_kb", "lost_share"];
const READY: &[&str] = &["mean_ns", "p50_ns", "p99_ns"];
const WORK: &[&str] = &["cpu_s_per_million", "lost", "growth_kb"];

fn questions(quick: bool) -> Vec<Question> {
    let part = if quick { 10 } else { 1 };
    vec![
        Question {
            name: "hot loop",
            load: format!("hot:{}", 300_000 / part),
            who: &["otel", "three", "three-ready"],
            figures: CALLER,
        },
        Question {
            name: "5 000/s",
            load: format!("paced:5000:{}", 20_000 / part),
            who: &["otel", "three", "three-ready"],
            figures: CALLER,
        },
        Question {
            name: "lanes asleep",
            load: format!("rested:{}", 100 / part),
            who: &["otel", "three-ready-rested"],
            figures: READY,
        },
        Question {
            name: "20 000/s over OTLP",
            load: format!("bursts:20000:{}", 80_000 / part),
            who: &["otel", "otlp", "otlp-block", "otlp-ed25519"],
            figures: WORK,
        },
    ]
}

fn compare(settings: &Settings) -> Result<(), Failure> {
    let machine = table::machine();
    let mut rows = Vec::new();
    let wanted = |what: &str| settings.only.as_deref().is_none_or(|only| only == what);
    if wanted("emit") {
        for question in questions(settings.quick) {
            ask(&question, settings.rounds, &mut rows)?;
        }
    }
    if wanted("micro") {
        micro::measure(settings.rounds, settings.quick, &mut rows)?;
    }
    println!("{machine}\n\n{}", table::markdown(&rows));
    if let Some(path) = &settings.json {
        std::fs::write(path, table::json(&machine, &rows))?;
    }
    Ok(())
}

fn ask(question: &Question, rounds: usize, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let mut answers: Vec<Vec<Figures>> = question.who.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for i in 0..question.who.len() {
            // Another one begins each round.
            let i = (i + round) % question.who.len();
            answers[i].push(once(question.who[i], &question.load)?);
        }
    }
    for figure in question.figures {
        let mut peer = None;
        for (who, answers) in question.who.iter().zip(&answers) {
            let values = answers.iter().filter_map(|a| a.get(figure)).collect();
            let Some(spread) = Spread::of(values) else { continue };
            let peer = *peer.get_or_insert(spread.median);
            rows.push(Row {
                question: question.name.to_owned(),
                candidate: (*who).to_owned(),
                figure: (*figure).to_owned(),
                spread,
                ratio: (peer > 0.0).then_some(spread.median / peer),
            });
        }
    }
    Ok(())
}

/// One run of one candidate in a process of its own, with a receiver of its own.
fn once(who: &str, load: &str) -> Result<Figures, Failure> {
    let receiver = Receiver::start()?;
    let dir = std::env::temp_dir().join(format!("sinkwell-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let output = Command::new(std::env::current_exe()?)
        .args(["run", who, load, &receiver.port.to_string()])
        .arg(&dir)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    std::fs::remove_dir_all(&dir)?;
    if !output.status.success() {
        return Err(format!("{who} under {load} failed").into());
    }
    let mut figures = Figures::read(&String::from_utf8_lossy(&output.stdout));
    // What arrived, less what sinkwell says of itself and the warm-up.
    let offered = figures.get("offered").unwrap_or(0.0);
    let arrived = count(receiver.port)? as f64 - figures.get("otlp_own").unwrap_or(0.0) - 1_000.0;
    figures.put("lost", offered - arrived);
    figures.put("lost_share", (offered - arrived) / offered);
    figures.put("cpu_s_per_million", figures.get("cpu_s").unwrap_or(0.0) * 1e6 / arrived);
    Ok(figures)
}
