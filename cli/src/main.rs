//! The `sinkwell` command. Results go to stdout, diagnostics to stderr; exit 0 good, 1 findings, 2 could
//! not do it.

mod audit;
mod keys;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "sinkwell",
    version,
    about = "Sealed governance and telemetry events: keys, verification, inspection"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read, check and prove from an audit database.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make a key.
    #[command(subcommand)]
    Keys(keys::Command),
}

/// How a command ended; errors are exit 2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Exit 0.
    Good,
    /// Exit 1.
    Findings,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Audit(command) => audit::run(command),
        Command::Keys(command) => keys::run(command),
    };
    match result {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(e) => {
            eprintln!("sinkwell: {e}");
            ExitCode::from(2)
        }
    }
}
