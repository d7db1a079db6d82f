//! What `emit` costs with so many events queued, in each overflow policy: every operation is to be O(1) in the
//! queue's length, whatever the mix.
//!
//!     cargo bench -p sinkwell --bench queue
//!
//! A manual emitter with one lane, its queue full with as many events as the column says, of a thousand runs.
//! Nanoseconds per event in the thread's own processor time, the median of seven rounds of 20 000 emits that find no
//! room, and what it takes to seal and deliver each of them to nothing. Where a policy keeps the new event, it takes
//! over from the oldest: cold memory, the more so the longer the queue.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use sinkwell::config::{Config, Source};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options, Wait};

const ROUNDS: usize = 7;
const EMITS: usize = 20_000;
const RUNS: usize = 1000;

/// The processor time this thread has had.
fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn each(start: Duration, count: usize) -> f64 {
    (now() - start).as_secs_f64() * 1e9 / count as f64
}

fn open(policy: &str, length: usize) -> Emitter {
    let queue = format!("{{events: {length}, bytes: 4GiB, terminal_reserve: 1}}");
    let text = format!(
        "agent: {{ id: bench }}\nheartbeat: off\nqueue: {queue}\nlanes: [ {{ id: out, sink: \"null\", overflow: {policy}, queue: {queue} }} ]\n"
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).expect("the configuration is valid");
    Emitter::open(Options { manual: true, ..Options::new(config) }).expect("a manual emitter opens")
}

/// What comes: nothing terminal, all terminal, or every eighth.
#[derive(Clone, Copy)]
enum Mix {
    Plain,
    Terminal,
    Both,
}

fn emit(emitter: &Emitter, runs: &[String], n: usize, terminal: bool) -> bool {
    let mut event = EventInput::new("com.example.step");
    event.run = Some(&runs[n % RUNS]);
    event.terminal = Some(terminal);
    // On a lane that blocks there is no room, and nobody waits: the answer is the operation.
    emitter.emit_with(event, Wait::Never).is_ok()
}

/// Nanoseconds per emit into the full queue, and per event sealed and delivered.
fn measure(policy: &str, mix: Mix, length: usize) -> (f64, f64) {
    let emitter = open(policy, length);
    let runs: Vec<String> = (0..RUNS).map(|n| format!("run-{n}")).collect();
    for n in 0..length {
        emit(&emitter, &runs, n, false);
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            for n in 0..EMITS {
                let terminal = matches!(mix, Mix::Terminal) || (matches!(mix, Mix::Both) && n % 8 == 0);
                emit(&emitter, &runs, n, terminal);
            }
            each(start, EMITS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let start = now();
    let drained = emitter.drain("out").expect("a manual lane is drained").count;
    (rounds[ROUNDS / 2], each(start, usize::try_from(drained).unwrap_or(1).max(1)))
}

fn main() {
    let lengths = [100, 10_000, 1_000_000];
    print!("{:40}", "ns per emit into a full queue of");
    lengths.iter().for_each(|length| print!("{length:>10}"));
    println!("   ns per event sealed and delivered");
    for policy in ["block", "drop_oldest", "drop_progress", "coalesce_by_run", "fail_sink"] {
        for (name, mix) in [("plain", Mix::Plain), ("terminal", Mix::Terminal), ("both", Mix::Both)] {
            print!("{:40}", format!("{policy}, {name}"));
            let figures: Vec<_> = lengths.iter().map(|length| measure(policy, mix, *length)).collect();
            figures.iter().for_each(|(emit, _)| print!("{emit:>10.0}"));
            print!("  ");
            figures.iter().for_each(|(_, drain)| print!("{drain:>8.0}"));
            println!();
        }
    }
}
