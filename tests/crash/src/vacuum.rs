//! Replays of a log into two lanes, killed again and again.
//!
//! Nonces of a log are read in order by a process that is killed somewhere, then by the next one from the beginning or from
//! somewhere before where the cursors stand. After every kill each lane has, in its file or in its journal, every event of
//! every nonce that its cursor has passed; at the end each has every event of every nonce, and nothing else. Copies of one
//! event have one id, so that a receiver that looks at ids has each exactly once.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sinkwell::Wait;
use sinkwell::journal::{self, Position};
use sinkwell::json::{Value, parse};
use sinkwell::seam::{Fs, RealFs, SystemEnv};
use sinkwell::vacuum::{Asked, Cursors, Format, Intake};

use crate::agent;
use crate::random::Random;

const LANES: [&str; 2] = ["plain", "kept"];

/// The log of a nonce; every fifth has no event.
fn log(nonce: u64) -> String {
    let mut log = format!("nonce {nonce}\n");
    for n in 0..nonce % 5 {
        let event = format!("{{\"_e\":1,\"n\":{n},\"text\":\"{}\"}}", "x".repeat((nonce % 700) as usize));
        match n % 3 {
            0 => log.push_str(&format!("{event}\nwords\n")),
            1 => log.push_str(&format!("2026-01-31T12:00:00Z stdout F {event}\n")),
            _ => {
                let (begin, end) = event.split_at(12);
                log.push_str(&format!(
                    "2026-01-31T12:00:00Z stdout P {begin}\n2026-01-31T12:00:00Z stdout F {end}\n"
                ));
            }
        }
    }
    log
}

/// The ids of its events.
fn ids(nonce: u64) -> impl Iterator<Item = String> {
    let log = log(nonce);
    let lines: Vec<usize> = log
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("_e") || line.contains(" P "))
        .map(|(index, _)| index)
        .collect();
    lines.into_iter().map(move |index| format!("crash/{nonce}/{index}"))
}

/// `DIR FROM NONCES`: reads those nonces, telling each as a line, and ends in order.
pub(crate) fn run(arguments: &[String]) -> ! {
    let [dir, from, nonces] = arguments else { panic!("DIR FROM NONCES") };
    let (from, nonces): (u64, u64) = (from.parse().unwrap(), nonces.parse().unwrap());
    let tell = |line: &str| {
        if std::io::stdout().write_all(line.as_bytes()).is_err() {
            std::process::exit(0);
        }
    };
    let emitter = agent::open(Path::new(dir)).unwrap();
    let intake = Intake::of(&emitter, &SystemEnv::default()).unwrap();
    for nonce in from..nonces {
        let asked = Asked { process: Some("crash".to_owned()), nonce: Some(nonce), format: Format::Auto };
        let mut out = Vec::new();
        let report = intake
            .start(&emitter, asked)
            .and_then(|mut drawing| {
                drawing.read(&mut log(nonce).as_bytes(), &emitter, &Wait::Allowed, &mut out)
            })
            .unwrap();
        assert_eq!((report.events + report.skipped, report.unsent), (nonce % 5, 0));
        if report.skipped_by.len() < LANES.len() {
            tell(&format!("{nonce}\n"));
        }
    }
    for (lane, left) in emitter.shutdown(Duration::from_secs(60)) {
        assert_eq!(left.pending, 0, "{lane}");
    }
    intake.settle();
    tell("done\n");
    std::process::exit(0);
}

struct Replay {
    dir: PathBuf,
    nonces: u64,
}

/// What a lane has.
#[derive(Default)]
struct Has {
    ids: HashSet<String>,
    repeats: u64,
}

impl Replay {
    fn book(&self, lane: &str) -> Result<Has, String> {
        let mut has = Has::default();
        let mut book = |line: &[u8]| -> Result<(), String> {
            let envelope = parse(line).map_err(|e| e.to_string())?;
            if envelope.get("origin").is_none() {
                let id = envelope.get("id").and_then(Value::as_str).ok_or("an envelope without an id")?;
                has.repeats += u64::from(!has.ids.insert(id.to_owned()));
            }
            Ok(())
        };
        let text = std::fs::read(self.dir.join(format!("{lane}.ndjson"))).unwrap_or_default();
        for line in text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            book(line)?;
        }
        if lane == "kept" {
            let fs: std::sync::Arc<dyn Fs> = std::sync::Arc::new(RealFs);
            let journals = journal::list(&fs, &self.dir.join("journal")).map(|found| found.journals);
            for sub in journals.unwrap_or_default() {
                for stored in sub.read_from(Position(0)).filter_map(Result::ok) {
                    book(&stored.bytes)?;
                }
            }
        }
        Ok(has)
    }

    /// Whether every lane has what its cursor says; answers the lower of the cursors.
    fn check(&self) -> Result<u64, String> {
        let Ok(cursors) = Cursors::open_known(self.dir.join("cursors.db")) else { return Ok(0) };
        let marks = cursors.read("crash").map_err(|e| e.to_string())?;
        let mut lowest = self.nonces;
        for lane in LANES {
            let taken = marks.iter().find(|(id, _)| id == lane).and_then(|(_, marks)| marks.taken());
            let has = self.book(lane)?;
            lowest = lowest.min(taken.unwrap_or(0));
            for nonce in (0..self.nonces).take_while(|nonce| Some(*nonce) <= taken) {
                if let Some(id) = ids(nonce).find(|id| !has.ids.contains(id)) {
                    return Err(format!(
                        "lane {lane}: the cursor stands at {taken:?}, and {id} is not there"
                    ));
                }
            }
        }
        Ok(lowest)
    }

    fn life(&self, from: u64, kill_after: Option<u64>) -> Result<bool, String> {
        let stderr = std::fs::File::create(self.dir.join("stderr")).map_err(|e| e.to_string())?;
        let mut child = Command::new(std::env::current_exe().map_err(|e| e.to_string())?)
            .arg("vacuum-agent")
            .arg(&self.dir)
            .args([from.to_string(), self.nonces.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines().map_while(Result::ok);
        let told = lines.by_ref().take(kill_after.map_or(usize::MAX, |n| n as usize));
        let done = told.last().is_some_and(|line| line == "done");
        if kill_after.is_some() && !done {
            child.kill().map_err(|e| e.to_string())?;
            child.wait().map_err(|e| e.to_string())?;
            return Ok(false);
        }
        let status = child.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            let errors = std::fs::read_to_string(self.dir.join("stderr")).unwrap_or_default();
            return Err(format!("a process that was not killed ended as {status}: {errors}"));
        }
        Ok(true)
    }
}

/// Kills `kills` processes that replay `nonces` nonces, and lets one more end in order.
pub(crate) fn replay(kills: u64, nonces: u64, seed: u64) -> Result<(), String> {
    let start = Instant::now();
    let dir = std::env::temp_dir().join(format!("sinkwell-crash-vacuum-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let lane = |id: &str, more: &str| {
        format!(
            "- {{ id: {id}, overflow: block, {more} batch: {{ events: 16, linger: 1ms }}, sink: {{ file: {{ path: {id}.ndjson }} }} }}\n"
        )
    };
    let text = format!(
        "agent: {{ id: 'urn:example:replay' }}\nheartbeat: off\njournal: {{ dir: journal, floor: 0 }}\n\
         vacuum: {{ cursors: cursors.db }}\nlanes:\n{}{}",
        lane(LANES[0], ""),
        lane(LANES[1], "durable: true,")
    );
    std::fs::write(dir.join("sinkwell.yaml"), text).map_err(|e| e.to_string())?;
    let replay = Replay { dir, nonces };
    let mut random = Random(seed);
    let (mut killed, mut lowest) = (0, 0);
    // So many are told before each kill that the log lasts for all of them.
    let most = (2 * nonces / kills).max(2);
    while killed < kills {
        let from = if random.below(2) == 0 { 0 } else { lowest - random.below(lowest.min(20) + 1) };
        // What ends before it is killed has nothing left to be killed in.
        if replay.life(from, Some(random.below(most)))? {
            break;
        }
        killed += 1;
        lowest =
            replay.check().map_err(|e| format!("after kill {killed}: {e}; see {}", replay.dir.display()))?;
    }
    replay.life(0, None)?;
    lowest = replay.check()?;
    let expected: HashSet<String> = (0..nonces).flat_map(ids).collect();
    let mut repeats = 0;
    for lane in LANES {
        let has = replay.book(lane)?;
        repeats += has.repeats;
        if has.ids != expected {
            let missing = expected.difference(&has.ids).count();
            let invented = has.ids.difference(&expected).count();
            return Err(format!(
                "lane {lane}: {missing} missing, {invented} invented; see {}",
                replay.dir.display()
            ));
        }
    }
    if lowest != nonces - 1 || killed < kills / 2 {
        return Err(format!(
            "{killed} kills of {kills}, the cursors at {lowest} of {nonces}: it shows nothing"
        ));
    }
    println!(
        "vacuum: {killed} kills in a replay of {nonces} nonces into 2 lanes: {} events, 0 missing, 0 invented, {repeats} \
         repeats under the same id or waiting in a journal, {:.1} s, seed {seed}",
        expected.len(),
        start.elapsed().as_secs_f64()
    );
    std::fs::remove_dir_all(&replay.dir).map_err(|e| e.to_string())
}
