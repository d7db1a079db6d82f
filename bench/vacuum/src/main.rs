//! What the vacuum costs, beside a memory scan over the same bytes, plain Python and jq, in one run.
//!
//! ```text
//! cargo run --release -p sinkwell-bench-vacuum -- [--rounds 5] [--mib 256] [--events 200000] [--line-mib 1024] [DIR]
//! ```
//!
//! | part | what is measured |
//! | --- | --- |
//! | scan | lines that are no events, in memory, in the pieces that a reader gives: processor time of the one thread, beside `memchr` for a byte that is not there, which is the fastest that bytes can be read |
//! | events | flagged lines of 500 bytes: found; found and emitted; found, emitted, sealed and delivered, all on one thread |
//! | files | the same two logs as files, by programs that read them from their beginning: processor time of the whole process |
//! | line | one line without an end, through a pipe: the most memory that the process had |
//!
//! Candidates take turns within each round, so that a machine that slows down slows them all; the table has the median, and the
//! lowest and the highest. DIR (`/dev/shm`) is where the files are; in memory, so that no disk is measured.

mod logs;
mod peers;

use std::hint::black_box;
use std::path::PathBuf;

use sinkwell::config::{Config, Source};
use sinkwell::seam::SystemEnv;
use sinkwell::vacuum::{Asked, Format, Found, Intake, Settings, Taken, Taker, Vacuum};
use sinkwell::{Emitter, Options, Wait};

type Failure = Box<dyn std::error::Error>;

/// What a reader gives at once.
const PIECE: usize = 256 << 10;

/// Lets go of what it is given.
#[derive(Default)]
struct Nothing {
    events: u64,
    passed: u64,
}

impl Taker for Nothing {
    fn take(&mut self, found: &Found<'_>) -> sinkwell::Result<Taken> {
        black_box(found.data.bytes());
        self.events += 1;
        Ok(Taken::Sent)
    }

    fn pass(&mut self, bytes: &[u8]) -> sinkwell::Result<()> {
        self.passed += black_box(bytes).len() as u64;
        Ok(())
    }
}

fn vacuum(format: Format) -> Result<Vacuum, Failure> {
    let settings = Settings { process: Some("p".to_owned()), nonce: Some(1), format, ..Settings::default() };
    Ok(Vacuum::new(settings)?)
}

/// Processor time of this thread, in seconds.
fn own_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn timed(run: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = own_cpu();
    run()?;
    Ok(own_cpu() - start)
}

/// How often each byte is looked for that is not in the log.
fn memchr_absent(log: &[u8]) -> Result<(), Failure> {
    for piece in log.chunks(PIECE) {
        if memchr::memchr(0, black_box(piece)).is_some() {
            return Err("the log has the byte that it should not have".into());
        }
    }
    Ok(())
}

fn memchr_lines(log: &[u8]) -> Result<(), Failure> {
    for piece in log.chunks(PIECE) {
        for at in memchr::memchr_iter(b'\n', black_box(piece)) {
            black_box(at);
        }
    }
    Ok(())
}

fn scan(log: &[u8], format: Format) -> Result<(), Failure> {
    let (mut vacuum, mut to) = (vacuum(format)?, Nothing::default());
    for piece in log.chunks(PIECE) {
        vacuum.push(black_box(piece), &mut to)?;
    }
    vacuum.finish(&mut to)?;
    if to.passed != log.len() as u64 || to.events > 0 {
        return Err("what went through is not the log".into());
    }
    Ok(())
}

/// One candidate: what it is called, what it does, how long each round took.
type Candidate<'a> = (String, Box<dyn FnMut() -> Result<f64, Failure> + 'a>, Vec<f64>);

/// Runs candidates in turns, after a round that does not count.
fn rounds(candidates: &mut [Candidate<'_>], rounds: usize) -> Result<(), Failure> {
    for round in 0..=rounds {
        let count = candidates.len();
        for i in 0..count {
            let (_, run, took) = &mut candidates[(i + round) % count];
            let seconds = run()?;
            if round > 0 {
                took.push(seconds);
            }
        }
    }
    Ok(())
}

/// The median, the lowest and the highest.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

/// A row of so much of something in each of these times.
fn row(what: &str, took: &[f64], amount: f64, digits: usize) -> f64 {
    let rates: Vec<f64> = took.iter().map(|seconds| amount / seconds).collect();
    let (median, low, high) = spread(&rates);
    println!("| {what} | {median:.digits$} | {low:.digits$} to {high:.digits$} |");
    median
}

fn scans(mib: usize, count: usize) -> Result<(), Failure> {
    println!("\n| lines that are no events, in memory | GB/s | lowest to highest |\n| --- | ---: | ---: |");
    for (kind, line) in logs::PLAIN {
        let log = logs::repeated(mib << 20, line);
        let mut candidates: Vec<Candidate<'_>> = vec![
            (
                "`memchr`, a byte that is not there".into(),
                Box::new(|| timed(|| memchr_absent(&log))),
                Vec::new(),
            ),
            ("`memchr`, each line's end".into(), Box::new(|| timed(|| memchr_lines(&log))), Vec::new()),
        ];
        for format in [Format::Plain, Format::Auto, Format::Cri] {
            let log = &log;
            let run = move || timed(|| scan(log, format));
            candidates.push((format!("vacuum, `{}`", format.name()), Box::new(run), Vec::new()));
        }
        rounds(&mut candidates, count)?;
        for (what, _, took) in &candidates {
            row(&format!("{kind}: {what}"), took, log.len() as f64 / 1e9, 2);
        }
    }
    Ok(())
}

/// A manual emitter with one lane that forgets what it is given, sealed with HMAC.
fn emitter(events: usize) -> Result<Emitter, Failure> {
    let queue = format!(r#""queue":{{"events":{},"bytes":"4GiB","terminal_reserve":0}}"#, events * 2);
    let text = format!(
        r#"{{"agent":{{"id":"urn:x"}},"heartbeat":"off",{queue},"key":{{"id":"k","hmac_sha256":{{"base64":"{}"}}}},"lanes":[{{"id":"l","sink":"null","overflow":"block",{queue}}}]}}"#,
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
    );
    let config = Config::load(Source::Mapping(text), &SystemEnv::default())?;
    Ok(Emitter::open(Options { manual: true, ..Options::new(config) })?)
}

fn emitted(log: &[u8], emitter: &Emitter, events: u64) -> Result<(), Failure> {
    let asked = Asked { process: Some("p".to_owned()), nonce: Some(1), format: Format::Auto };
    let mut drawing = Intake::to_all(None).start(emitter, asked)?;
    let report = drawing.read(&mut black_box(log), emitter, &Wait::Never, &mut std::io::sink())?;
    if (report.events, report.passed) == (events, 0) { Ok(()) } else { Err(format!("{report:?}").into()) }
}

/// Takes what is queued away.
fn drained(emitter: &Emitter) -> Result<(), Failure> {
    while emitter.drain("l")?.count > 0 {}
    Ok(())
}

fn events(events: usize, count: usize) -> Result<(), Failure> {
    let log = logs::flagged(events);
    let emitter = emitter(events)?;
    let all = events as u64;
    let found = |format| {
        let log = &log;
        move || {
            timed(|| {
                let (mut vacuum, mut to) = (vacuum(format)?, Nothing::default());
                for piece in log.chunks(PIECE) {
                    vacuum.push(black_box(piece), &mut to)?;
                }
                vacuum.finish(&mut to)?;
                if to.events == all { Ok(()) } else { Err("an event was not found".into()) }
            })
        }
    };
    let mut candidates: Vec<Candidate<'_>> = vec![
        ("found, `plain`".into(), Box::new(found(Format::Plain)), Vec::new()),
        ("found, `auto`".into(), Box::new(found(Format::Auto)), Vec::new()),
        (
            "found and emitted".into(),
            Box::new(|| {
                let took = timed(|| emitted(&log, &emitter, all))?;
                drained(&emitter)?;
                Ok(took)
            }),
            Vec::new(),
        ),
        (
            "found, emitted, sealed (HMAC) and given to a sink".into(),
            Box::new(|| {
                timed(|| {
                    emitted(&log, &emitter, all)?;
                    drained(&emitter)
                })
            }),
            Vec::new(),
        ),
    ];
    rounds(&mut candidates, count)?;
    println!(
        "\n| flagged lines of {} bytes, on one thread | a second | lowest to highest |\n| --- | ---: | ---: |",
        log.len() / events
    );
    for (what, _, took) in &candidates {
        row(what, took, events as f64, 0);
    }
    Ok(())
}

struct Chosen {
    rounds: usize,
    mib: usize,
    events: usize,
    line_mib: usize,
    dir: PathBuf,
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [what, rest @ ..] = &args[..]
        && what == "read"
    {
        return peers::read(rest);
    }
    let mut chosen =
        Chosen { rounds: 5, mib: 256, events: 200_000, line_mib: 1024, dir: PathBuf::from("/dev/shm") };
    let mut args = args.into_iter();
    while let Some(name) = args.next() {
        let mut number = || -> Result<usize, Failure> {
            Ok(args.next().ok_or(format!("{name} wants a number"))?.parse::<usize>()?.max(1))
        };
        match name.as_str() {
            "--rounds" => chosen.rounds = number()?,
            "--mib" => chosen.mib = number()?,
            "--events" => chosen.events = number()?,
            "--line-mib" => chosen.line_mib = number()?,
            option if option.starts_with("--") => return Err(format!("unknown option {option}").into()),
            dir => chosen.dir = PathBuf::from(dir),
        }
    }
    let peers = peers::there()?;
    scans(chosen.mib, chosen.rounds)?;
    events(chosen.events, chosen.rounds)?;
    peers::files(&peers, chosen.mib, chosen.events, chosen.rounds, &chosen.dir)?;
    peers::line(&peers, chosen.line_mib)
}
