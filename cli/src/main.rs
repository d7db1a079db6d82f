//! The `sinkwell` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(sinkwell_cli::main(std::env::args_os()))
}
