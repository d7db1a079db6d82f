//! The OTLP sink against a real OpenTelemetry Collector, built from its published Go modules.
//!
//! Every scenario sends envelopes, reads what the Collector's file exporter wrote, takes the bodies out and
//! compares them byte for byte. The Collector is killed, stopped and made to refuse meanwhile; a batch is
//! tried again until it is acknowledged, as a lane would.
//!
//! `cargo test -p sinkwell --test collector [NAME]`. Without Go the scenarios are skipped, and this is said;
//! with `SINKWELL_REQUIRE_COLLECTOR=1` it is a failure.

mod collector;
mod delta;
mod examples;
mod pipeline;
mod policies;
mod scenarios;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Ok(endpoint) = std::env::var(delta::ENDPOINT) {
        delta::agent(&endpoint);
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let scenarios: Vec<_> = scenarios::ALL.into_iter().filter(|(name, _)| chosen(name)).collect();
    if scenarios.is_empty() {
        // `cargo test FILTER` runs every test binary with a filter that was meant for another.
        println!("0 passed, 0 failed");
        return ExitCode::SUCCESS;
    }
    let binary = match collector::binary() {
        Ok(binary) => binary,
        Err(why) => {
            eprintln!("\n*** SKIPPED: {} scenarios against a real Collector: {why}\n", scenarios.len());
            println!("0 passed, 0 failed, {} skipped", scenarios.len());
            let required = std::env::var_os("SINKWELL_REQUIRE_COLLECTOR").is_some();
            return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, scenario) in scenarios {
        let outcome = std::panic::catch_unwind(|| scenario(&binary));
        match outcome {
            Ok(counts) => {
                passed += 1;
                println!("{name} ... ok ({counts})");
            }
            Err(_) => {
                failed += 1;
                println!("{name} ... FAILED");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
