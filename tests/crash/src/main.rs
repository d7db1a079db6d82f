//! Kills an emitting process again and again (see README.md beside it).
//!
//! Where a process is killed is drawn from the seed: before it opens, while it opens and takes over what its
//! predecessor left, or after so many receipts. Its threads go on while the signal is on its way, so what they
//! are at then is left to chance; everything that they had told by then counts.

mod agent;
mod deeds;
mod ledger;
mod life;
mod random;
mod vacuum;

use std::process::ExitCode;
use std::time::Instant;

use life::Totals;
use random::Random;

struct Arguments {
    kills: u64,
    seed: u64,
    /// Of a log that is replayed, instead of a program that emits.
    nonces: u64,
    /// Deeds, instead of events.
    deeds: bool,
    program: Vec<String>,
}

fn arguments() -> Result<Arguments, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let own = vec![own.display().to_string(), "agent".to_owned()];
    let mut parsed = Arguments { kills: 200, seed: 1, nonces: 0, deeds: false, program: own };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|n| n.parse().ok()).ok_or(format!("{argument} N"));
        match argument.as_str() {
            "--kills" => parsed.kills = number()?,
            "--seed" => parsed.seed = number()?,
            "--replay" => parsed.nonces = number()?,
            "--deeds" => parsed.deeds = true,
            "--" => {
                parsed.program = given.by_ref().collect();
                break;
            }
            other => return Err(format!("unknown argument {other}; see tests/crash/README.md")),
        }
    }
    if parsed.program.is_empty() || parsed.kills == 0 {
        return Err("a program and at least one kill are needed".to_owned());
    }
    Ok(parsed)
}

fn run() -> Result<(), String> {
    let arguments = arguments()?;
    if arguments.nonces > 0 {
        return vacuum::replay(arguments.kills, arguments.nonces, arguments.seed)
            .map_err(|e| format!("seed {}: {e}", arguments.seed));
    }
    if arguments.deeds {
        return deeds::kill(arguments.kills, arguments.seed)
            .map_err(|e| format!("seed {}: {e}", arguments.seed));
    }
    let mut random = Random(arguments.seed);
    let mut totals = Totals::default();
    let start = Instant::now();
    while totals.kills < arguments.kills {
        let kills = (8 + random.below(16)).min(arguments.kills - totals.kills);
        life::live(&arguments.program, kills, &mut random, &mut totals)
            .map_err(|e| format!("seed {}, after {} kills: {e}", arguments.seed, totals.kills))?;
    }
    println!("{totals}, {:.1} s, seed {}", start.elapsed().as_secs_f64(), arguments.seed);
    totals.check()
}

fn main() -> ExitCode {
    let rest = || std::env::args().skip(2).collect::<Vec<_>>();
    match std::env::args().nth(1).as_deref() {
        Some("agent") => agent::run(&rest()),
        Some("deed-agent") => deeds::run(&rest()),
        Some("vacuum-agent") => vacuum::run(&rest()),
        _ => {}
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("sinkwell-crash: {e}");
            ExitCode::FAILURE
        }
    }
}
