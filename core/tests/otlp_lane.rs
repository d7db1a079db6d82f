//! What an OTLP lane costs the process it is in: memory while nobody answers, CPU while nobody emits.
//!
//! A process of its own: nothing else allocates in it. The idle figure is measured, not tested:
//! `cargo test --release -p sinkwell --test otlp_lane -- --ignored --nocapture`

#![cfg(all(feature = "otlp", target_os = "linux"))]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

fn open(endpoint: &str, lane: &str) -> Emitter {
    let document = format!(
        r#"{{"agent":{{"id":"urn:agent:load"}},"lanes":[{{"id":"otlp","sink":{{"otlp":{{"endpoint":"{endpoint}"}}}}{lane}}}]}}"#
    );
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    Emitter::open(Options::new(config)).unwrap()
}

/// What this process holds in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn memory_stays_within_the_cap_while_nobody_answers() {
    const CAP: usize = 8 << 20;
    const WORDS: usize = 1000;
    // Refused at once, and one that takes connections and never answers.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let lane = format!(
            r#","timeout":"200ms","retry":{{"initial":"10ms","cap":"100ms"}},"breaker":{{"open":"100ms"}},"queue":{{"events":1000000,"bytes":{CAP}}}"#
        );
        let emitter = open(&format!("http://{address}"), &lane);
        let data = format!(r#"{{"tool":"search","outcome":"ok","words":"{}"}}"#, "w".repeat(WORDS));
        let emit = |count: usize| {
            for _ in 0..count {
                let mut event = EventInput::new("tool.invocation");
                event.data = Data::Json(data.as_bytes());
                emitter.emit(event).unwrap();
            }
        };
        // Enough to fill the queue: what comes later takes the place of what is there.
        emit(2 * CAP / WORDS);
        let (full, mut most) = (resident(), 0);
        for _ in 0..20 {
            emit(CAP / WORDS / 4);
            most = most.max(resident());
            let counters = emitter.counters().remove(0).1;
            assert_eq!(
                counters.admitted,
                counters.delivered + counters.dropped + counters.rejected + counters.pending,
                "{counters:?}"
            );
            let held = usize::try_from(counters.pending).unwrap() * WORDS;
            assert!(held <= CAP, "{held} bytes of data are held under a cap of {CAP}");
            assert!(held >= CAP / 4, "{held} bytes: the queue is not full, so nothing was shown");
        }
        // Five more caps went through; nothing but the allocator's own slack may come on top.
        let grown = most.saturating_sub(full);
        assert!(grown <= CAP / 2, "grew by {grown} bytes under load, from {full}");
        assert!(most <= 4 * CAP + (16 << 20), "{most} bytes are resident");
        println!(
            "{address}: {} KiB resident at full load, {} KiB grown since it was full",
            most >> 10,
            grown >> 10
        );
        emitter.shutdown(Duration::ZERO);
    }
}

/// CPU time of all threads of this process.
fn cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let ran = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(ran.sum())
}

#[test]
#[ignore = "a measurement"]
fn idle() {
    let seconds = std::env::var("SINKWELL_IDLE_SECONDS").map_or(60, |text| text.parse().unwrap());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (what, lane) in [("defaults", ""), ("batches linger for 5 s", r#","batch":{"linger":"5s"}"#)] {
        let emitter = open(&format!("http://{}", silent.local_addr().unwrap()), lane);
        let start = Instant::now();
        // What opening costs is over by then.
        while start.elapsed() < Duration::from_secs(3) {
            std::thread::park_timeout(Duration::from_secs(1));
        }
        let (start, before) = (Instant::now(), cpu());
        while start.elapsed() < Duration::from_secs(seconds) {
            std::thread::park_timeout(Duration::from_secs(seconds));
        }
        println!("{what}: {:?} of CPU in {:?}", cpu() - before, start.elapsed());
        emitter.shutdown(Duration::ZERO);
    }
}
