//! The ten rules of `bench/policy` in the crate `vrl`, over the same event.
//!
//! ```text
//! cargo run --release --manifest-path bench/policy/vrl/Cargo.toml -- [--rounds 9] [--events 20000]
//! ```
//!
//! Its rows go under those of `cargo run --release -p sinkwell-bench-policy`: processor time of one thread for all ten rules
//! on one event, the median over the rounds with the lowest and the highest. All but the last come out false, as there.

use std::hint::black_box;

use vrl::compiler::runtime::Runtime;
use vrl::compiler::{Program, TargetValue, TimeZone, compile};
use vrl::value::{Secrets, Value};

#[allow(dead_code, reason = "the rules are spelled in vrl's language here")]
#[path = "../../src/ten.rs"]
mod ten;

type Failure = Box<dyn std::error::Error>;

/// What `ten.rs` asks, in the language of `vrl`, where what may fail says what it comes to then.
const RULES: [&str; 10] = [
    "(.severity >= 17) ?? false",
    "(.data.http.status >= 500) ?? false",
    ".type == \"policy.decision\" && .data.decision == \"deny\"",
    "includes([\"shell\", \"browser\", \"payments\"], .data.tool)",
    "match(string(.data.url.path) ?? \"\", r'^/admin(/|$)')",
    "match(string(.data.user_agent) ?? \"\", r'(?i)(curl|wget)/[0-9]+')",
    "((.data.duration_ms > 5000) ?? false) || ((.data.bytes > 1000000) ?? false)",
    "exists(.data.error) && .data.error != null",
    "starts_with(string(.data.message) ?? \"\", \"panic:\") || contains(string(.data.message) ?? \"\", \"out of memory\")",
    "starts_with(string(.agent) ?? \"\", \"urn:\") && .data.outcome != \"ignored\"",
];

fn target() -> Result<TargetValue, Failure> {
    let data: serde_json::Value = serde_json::from_str(black_box(ten::EVENT))?;
    let event = serde_json::json!({"type": "tool.invocation", "severity": 9, "agent": "urn:x", "data": data});
    Ok(TargetValue {
        value: event.into(),
        metadata: Value::Object(Default::default()),
        secrets: Secrets::new(),
    })
}

fn run(programs: &[Program], runtime: &mut Runtime, target: &mut TargetValue) -> Vec<bool> {
    let one = |program| {
        let came = runtime.resolve(target, program, &TimeZone::default());
        runtime.clear();
        matches!(came, Ok(Value::Boolean(true)))
    };
    programs.iter().map(one).collect()
}

/// Processor time of this thread, in seconds.
fn own_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Failure> {
    let (mut rounds, mut events) = (9_usize, 20_000_u64);
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        match pair {
            [name, value] if name == "--rounds" => rounds = value.parse::<usize>()?.max(1),
            [name, value] if name == "--events" => events = value.parse::<u64>()?.max(1),
            other => return Err(format!("unknown option {}", other.join(" ")).into()),
        }
    }
    let functions = vrl::stdlib::all();
    let mut programs = Vec::new();
    for rule in RULES {
        let compiled = compile(rule, &functions).map_err(|e| format!("{rule}: {e:?}"))?;
        programs.push(compiled.program);
    }
    let (mut runtime, mut event) = (Runtime::default(), target()?);
    let came = run(&programs, &mut runtime, &mut event);
    if !came.iter().copied().eq((1..=RULES.len()).map(|n| n == RULES.len())) {
        return Err(format!("vrl comes to something else: {came:?}").into());
    }
    let (mut at_hand, mut built) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let start = own_cpu();
        for _ in 0..events {
            black_box(run(&programs, &mut runtime, &mut event));
        }
        let run_only = own_cpu();
        for _ in 0..events {
            black_box(run(&programs, &mut runtime, &mut target()?));
        }
        let nanos = |from: f64, to: f64| (to - from) * 1e9 / events as f64;
        // A round before those that count.
        if round > 0 {
            at_hand.push(nanos(start, run_only));
            built.push(nanos(run_only, own_cpu()));
        }
    }
    for (what, mut values) in
        [("event at hand as its values", at_hand), ("values made of the event first", built)]
    {
        values.sort_by(f64::total_cmp);
        let (median, low, high) = (values[values.len() / 2], values[0], values[values.len() - 1]);
        println!("| the crate vrl, ten rules, {what} | {median:.0} | {low:.0} to {high:.0} |");
    }
    Ok(())
}
