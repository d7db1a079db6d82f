//! Asks each candidate of a language each question, in turn, and makes the table.
//!
//! What measures is a program of that language: `PROGRAM run CANDIDATE LOAD PORT DIR` warms up, runs the load
//! once, and answers with one line of `name=value` pairs; `PROGRAM facts` names versions. A file
//! `DIR/peer.ndjson` holds what arrived of a candidate that writes to a file; else the receiver knows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{Figures, WARM_UP};
use crate::questions::{self, Question};
use crate::receiver::{Receiver, count};
use crate::table::{self, Row, Spread};
use crate::{Failure, idioms, micro};

/// Which questions are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Those of the language.
    Peers,
    /// Broken lanes beside healthy ones.
    Isolation,
    /// What grows with what.
    Curves,
    /// What each way of signing costs.
    Signing,
}

pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) only: Option<String>,
    pub(crate) language: String,
    pub(crate) what: What,
    /// The program that measures, with its arguments; this one if empty.
    pub(crate) program: Vec<String>,
}

impl Settings {
    pub(crate) fn read(mut args: &[&str]) -> Result<Self, Failure> {
        let mut settings = Self {
            rounds: 5,
            quick: false,
            json: None,
            only: None,
            language: "rust".to_owned(),
            what: What::Peers,
            program: Vec::new(),
        };
        loop {
            args = match args {
                [] => break,
                ["isolation", rest @ ..] => {
                    settings.what = What::Isolation;
                    rest
                }
                ["curves", rest @ ..] => {
                    settings.what = What::Curves;
                    rest
                }
                ["signing", rest @ ..] => {
                    settings.what = What::Signing;
                    rest
                }
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
                ["--language", name, rest @ ..] if questions::LANGUAGES.contains(name) => {
                    settings.language = (*name).to_owned();
                    rest
                }
                ["--", program @ ..] => {
                    settings.program = program.iter().map(|&arg| arg.to_owned()).collect();
                    break;
                }
                [other, ..] => return Err(format!("unknown option {other}").into()),
            };
        }
        if settings.rounds == 0 {
            return Err("--rounds must be at least 1".into());
        }
        if settings.program.is_empty() {
            if settings.language != "rust" {
                return Err(format!("--language {} needs -- PROGRAM", settings.language).into());
            }
            settings.program = vec![std::env::current_exe()?.display().to_string()];
        }
        Ok(settings)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).stderr(Stdio::inherit()).stdin(Stdio::null());
        command
    }
}

pub(crate) fn compare(settings: &Settings) -> Result<(), Failure> {
    let mut machine = table::machine();
    if settings.language != "rust" {
        let facts = settings.command().arg("facts").output()?;
        machine = format!("{machine}; {}", String::from_utf8_lossy(&facts.stdout).trim());
    }
    let mut rows = Vec::new();
    let wanted = |what: &str| settings.only.as_deref().is_none_or(|only| only == what);
    let part = if settings.quick { 10 } else { 1 };
    if wanted("emit") {
        let questions = match settings.what {
            What::Peers => questions::of(&settings.language, part),
            What::Isolation => questions::isolation(part),
            What::Curves => questions::curves(part),
            What::Signing => questions::signing(part),
        };
        for question in questions {
            ask(settings, &question, &mut rows)?;
        }
    }
    if settings.what == What::Signing {
        micro::shared(settings.rounds, settings.quick, &mut rows)?;
    }
    if wanted("micro") && settings.what == What::Peers && settings.language == "rust" {
        micro::measure(settings.rounds, settings.quick, &mut rows)?;
    }
    if wanted("idioms") && settings.what == What::Peers && settings.language == "rust" {
        idioms::measure(settings.rounds, settings.quick, &mut rows)?;
    }
    if settings.only.as_deref() == Some("hand-over") {
        micro::hand_over_alone(settings.rounds, settings.quick, &mut rows)?;
    }
    finish(&machine, &rows, settings.json.as_deref())
}

/// Prints the table, and writes it as JSON where that is asked for.
pub(crate) fn finish(machine: &str, rows: &[Row], json: Option<&Path>) -> Result<(), Failure> {
    println!("{machine}\n\n{}", table::markdown(rows));
    if let Some(path) = json {
        std::fs::write(path, table::json(machine, rows))?;
    }
    Ok(())
}

fn ask(settings: &Settings, question: &Question, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let mut answers: Vec<Vec<Figures>> = question.who.iter().map(|_| Vec::new()).collect();
    let rounds = if question.once { 1 } else { settings.rounds };
    for round in 0..rounds {
        for i in 0..question.who.len() {
            // Another one begins each round.
            let i = (i + round) % question.who.len();
            answers[i].push(once(settings, question.who[i], question)?);
        }
    }
    for figure in question.figures {
        let mut peer = None;
        for (who, answers) in question.who.iter().zip(&answers) {
            let values = answers.iter().filter_map(|a| a.get(figure)).collect();
            let Some(spread) = Spread::of(values) else { continue };
            // A ratio to another candidate than the peer would mislead.
            if *who == question.who[0] {
                peer = Some(spread.median);
            }
            rows.push(Row {
                question: question.name.to_owned(),
                candidate: (*who).to_owned(),
                figure: (*figure).to_owned(),
                spread,
                ratio: peer.filter(|&peer| peer > 0.0).map(|peer| spread.median / peer),
            });
        }
    }
    Ok(())
}

/// One run of one candidate in a process of its own, with a receiver of its own.
fn once(settings: &Settings, who: &str, question: &Question) -> Result<Figures, Failure> {
    let load = question.load.as_str();
    let receiver = Receiver::start(question.delay_ms)?;
    let dir = std::env::temp_dir().join(format!("sinkwell-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let mut command = settings.command();
    if who.starts_with("convert") {
        // No lane, no thread: what is left of an emit is the way of its data into the core.
        command.env("SINKWELL_DISABLED", "true");
    }
    let output = command.args(["run", who, load, &receiver.port.to_string()]).arg(&dir).output()?;
    let file = lines(&dir.join("peer.ndjson"));
    std::fs::remove_dir_all(&dir)?;
    if !output.status.success() {
        return Err(format!("{who} under {load} failed").into());
    }
    // The last line: whatever else a library of somebody's prints comes before.
    let text = String::from_utf8_lossy(&output.stdout);
    let mut figures = Figures::read(text.lines().last().unwrap_or_default());
    let get = |name: &str, otherwise: f64| figures.get(name).unwrap_or(otherwise);
    let offered = figures.get("offered").ok_or_else(|| format!("{who} under {load} measured nothing"))?;
    // What arrived, less what sinkwell says of itself and the warm-up.
    let total = match file {
        Some(lines) => lines as f64 - get("file_own", 0.0),
        None => count(receiver.port)? as f64 - get("otlp_own", 0.0),
    };
    let arrived = total - get("warm_up", WARM_UP as f64);
    let lost = offered - arrived;
    let told =
        (get("otlp_dropped", 0.0) + get("otlp_rejected", 0.0) + get("refused", 0.0) + get("told", 0.0))
            / offered;
    let (wall, cpu) = (get("wall_s", f64::NAN), get("cpu_s", 0.0));
    if offered > 0.0 {
        figures.put("lost", lost);
        figures.put("lost_share", lost / offered);
        figures.put("told_share", told);
    }
    // Per event that arrived; of none, nothing can be said.
    if arrived > 0.0 {
        figures.put("cpu_s_per_million", cpu * 1e6 / arrived);
    }
    if wall > 0.0 {
        figures.put("arrived_per_s", arrived / wall);
    }
    Ok(figures)
}

/// How many lines a file has; `None` where there is none.
fn lines(path: &Path) -> Option<usize> {
    let text = std::fs::read(path).ok()?;
    Some(text.iter().filter(|&&byte| byte == b'\n').count())
}
