//! The `sinkwell` command. Results go to stdout, diagnostics to stderr; exit 0 good, 1 findings, 2 could
//! not do it.

mod audit;
mod compare;
mod deeds;
mod disclose;
mod doctor;
mod graph;
mod intake;
mod journal;
mod keys;
mod out;
mod policy;
mod redact;
mod tail;
mod vacuum;
mod verify;
mod view;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use sinkwell::terminal::Safe;

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
    /// Take disclosures out of a file of envelopes, or check them.
    #[command(subcommand)]
    Disclose(disclose::Command),
    /// Read, check and prove from an audit database.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make a key.
    #[command(subcommand)]
    Keys(keys::Command),
    Verify(verify::Command),
    Compare(compare::Command),
    Deeds(deeds::Command),
    Graph(graph::Command),
    Intake(intake::Command),
    Tail(tail::Command),
    /// Look into a journal directory; never harms one in use.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Look into telemetry policies.
    #[command(subcommand)]
    Policy(policy::Command),
    Doctor(doctor::Command),
    Redact(redact::Command),
    Vacuum(vacuum::Command),
    View(view::Command),
}

/// How a command ended; errors are exit 2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Exit 0.
    Good,
    /// Exit 1.
    Findings,
}

/// Runs the command with these arguments, the program's name first; returns the exit status. For the binary,
/// and for the packages that bring the command.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(e) => {
            tell(&arguments, &e);
            return u8::try_from(e.exit_code()).unwrap_or(2);
        }
    };
    let result = match cli.command {
        Command::Disclose(command) => disclose::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Verify(command) => verify::run(command),
        Command::Compare(command) => compare::run(command),
        Command::Deeds(command) => deeds::run(command),
        Command::Graph(command) => graph::run(command),
        Command::Intake(command) => intake::run(command),
        Command::Tail(command) => tail::run(command),
        Command::Journal(command) => journal::run(command),
        Command::Policy(command) => policy::run(command),
        Command::Doctor(command) => doctor::run(command),
        Command::Redact(command) => redact::run(command),
        Command::Vacuum(command) => vacuum::run(command),
        Command::View(command) => view::run(command),
    };
    match result {
        Ok(Outcome::Good) => 0,
        Ok(Outcome::Findings) => 1,
        Err(e) => {
            out::warn(e);
            2
        }
    }
}

/// Prints help and version to stdout, errors to stderr; if the stream is closed, the exit status stays the same.
///
/// An error quotes arguments, and a stranger may have written them: the shell puts names of files in place of `*`. So the
/// same error is made again of arguments that do nothing to a terminal.
fn tell(arguments: &[OsString], e: &clap::Error) {
    let safe = arguments.iter().map(|argument| Safe(&argument.to_string_lossy()).to_string());
    let again = || Cli::try_parse_from(safe).err().filter(|again| again.kind() == e.kind());
    if !e.use_stderr() {
        let _ = e.print();
    } else if let Some(again) = again() {
        let _ = again.print();
    } else {
        out::refuse(&e.render().to_string());
    }
}
