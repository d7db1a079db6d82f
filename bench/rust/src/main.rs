//! What sinkwell costs beside the OpenTelemetry SDK, on the same events, to the same receiver, in one run.
//!
//! ```text
//! cargo run --release -p sinkwell-bench -- [--rounds 5] [--quick] [--json FILE] [--only emit|micro|idioms|hand-over]
//!                                          [--language python|node|go|dotnet|jvm -- PROGRAM...]
//! cargo run --release -p sinkwell-bench -- isolation|curves|signing [--rounds 5] [--quick] [--json FILE]
//! ```
//!
//! Candidates take turns within each round, each in a fresh process, so that a machine that slows down slows
//! them all; the table holds medians over the rounds with the lowest and the highest. The receiver counts
//! what arrives, in a process of its own. `caller_cpu_ns` is the processor time of the emitting thread per event
//! (of `5 000/s`, its sleeping included): where the machine is shared it tells more than a mean does.
//!
//! Other languages have a program each that measures one candidate (`compare` says how it is called); who takes
//! turns, what is counted and how it is printed is the same for all. `receiver [--delay MS]` starts it alone;
//! `bursts LANES N [KEY]` hands over and seals on one thread, for callgrind, with a key of this kind (`ed25519-batch`).

mod candidates;
mod compare;
mod event;
mod idioms;
mod isolation;
mod measure;
mod micro;
mod questions;
mod receiver;
mod signing;
mod table;

use std::time::Duration;

use compare::Settings;
use measure::Load;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["receiver"] => Ok(receiver::serve(Duration::ZERO)?),
        ["receiver", "--delay", ms] => Ok(receiver::serve(Duration::from_millis(ms.parse()?))?),
        ["traced", who, fields, bursts] => idioms::count(who, fields, bursts.parse()?),
        ["bursts", lanes, bursts] => micro::bursts(lanes.parse()?, bursts.parse()?, "hmac"),
        ["bursts", lanes, bursts, key] => micro::bursts(lanes.parse()?, bursts.parse()?, key),
        ["run", candidate, load, port, dir] => {
            let load = read_load(load)
                .ok_or("a load is hot:N, paced:RATE:N, bursts:RATE:N[:EVERY_MS], rested:N, counted:N or idle:SECONDS")?;
            let figures = candidates::measure(candidate, load, port.parse()?, dir.as_ref())?;
            println!("{}", figures.line());
            Ok(())
        }
        options => compare::compare(&Settings::read(options)?),
    }
}

fn read_load(text: &str) -> Option<Load> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |i: usize| parts.get(i)?.parse().ok();
    Some(match parts[0] {
        "hot" => Load::Hot(number(1)?),
        "paced" => Load::Paced(number(1)?, number(2)?),
        "bursts" => Load::Bursts(number(1)?, number(2)?, number(3).unwrap_or(1)),
        "rested" => Load::Rested(number(1)?),
        "idle" => Load::Idle(number(1)?),
        "counted" => Load::Counted(number(1)?),
        _ => return None,
    })
}
