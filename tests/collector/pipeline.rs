//! The whole way: emitted, sealed, delivered to a Collector that is killed, stopped and brought back, read
//! from its file, and verified.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sinkwell::config::{Config, Format, Source};
use sinkwell::event::Data;
use sinkwell::key::VerifyingKey;
use sinkwell::seam::SystemEnv;
use sinkwell::verify::{self, TrustedKey, Verdict, Verifier};
use sinkwell::{Emitter, EventInput, Options};

use crate::collector::{Collector, Dir, bodies};
use crate::scenarios::{PATIENCE, Ports, await_ready, grpc, pause, sink, to_file};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// An emitter whose lane keeps what is not yet acknowledged in a journal.
fn open(endpoint: &str, journal: &Path) -> Emitter {
    let document = format!(
        "agent: {{ id: \"urn:agent:pipeline\" }}\nkey: {{ id: k1, hmac_sha256: {{ base64: {KEY} }} }}\njournal: {{ dir: \"{}\" }}\nlanes:\n  - id: collector\n    sink: {{ otlp: {{ endpoint: \"{endpoint}\", protocol: grpc, compression: zstd }} }}\n    classes: [siem]\n    timeout: 500ms\n    retry: {{ initial: 20ms, cap: 200ms }}\n    breaker: {{ open: 200ms }}\n    batch: {{ events: 64, linger: 5ms }}\n",
        journal.display(),
    );
    let config = Config::load(
        Source::Text { text: document, name: None, format: Format::Yaml },
        &SystemEnv::default(),
    )
    .unwrap();
    Emitter::open(Options::new(config)).unwrap()
}

/// Emits this many events; the lane blocks rather than lose one.
fn emit(emitter: &Emitter, from: u32, count: u32) {
    for n in from..from + count {
        let data = format!(r#"{{"tool":"search","outcome":"ok","n":{n},"note":"\"é\" \u0001"}}"#);
        let mut event = EventInput::new("tool.invocation");
        event.data = Data::Json(data.as_bytes());
        emitter.emit(event).unwrap();
    }
}

fn await_delivered(emitter: &Emitter, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, counters) = &emitter.counters()[0];
        if counters.delivered >= count {
            return;
        }
        assert!(Instant::now() < deadline, "{counters:?} {:?}", emitter.health());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The CPU time that this process uses while its emitter has nothing to do.
fn cpu_of_idling(span: Duration) -> Duration {
    let used = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime, in hundredths of a second.
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    };
    // The lane's own lingering ends first.
    thread::sleep(Duration::from_millis(500));
    let before = used();
    thread::sleep(span);
    used() - before
}

pub(crate) fn sealed_delivered_and_verified(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let out = dir.path("out.json");
    let mut collector = Collector::start(binary, &dir, "collector", &to_file(&ports, ("", ""), &out));
    await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
    let emitter = open(&format!("http://127.0.0.1:{}", ports.grpc), &dir.path("journal"));

    emit(&emitter, 0, 1000);
    await_delivered(&emitter, 1000);
    // Stopped: its sockets stay open and nothing answers.
    collector.pause();
    emit(&emitter, 1000, 500);
    thread::sleep(pause());
    collector.resume();
    await_delivered(&emitter, 1500);
    // Away: it has put everything away and comes back on the same port.
    collector.stop();
    emit(&emitter, 1500, 500);
    collector.restart();
    await_delivered(&emitter, 2000);
    let idle = cpu_of_idling(Duration::from_secs(5));
    assert!(idle <= Duration::from_millis(20), "{idle:?} of CPU while there was nothing to send");
    let counters = emitter.counters()[0].1.clone();
    emitter.shutdown(PATIENCE);
    collector.stop();

    let found = bodies(&out);
    let key = VerifyingKey::hmac(b"0123456789abcdef0123456789abcdef").unwrap();
    let mut verifier = Verifier::new(verify::Options {
        keys: vec![TrustedKey::new("k1", key)],
        ..verify::Options::default()
    });
    // Every copy that came, repeats too.
    let lines: Vec<&str> =
        found.iter().flat_map(|(line, times)| std::iter::repeat_n(line.as_str(), *times)).collect();
    verifier.read_items(lines.iter().map(Ok), "collector").unwrap();
    let report = verifier.finish().unwrap();
    let findings: Vec<_> = report.all_findings().collect();
    assert_eq!(report.verdict, Verdict::Sound, "{findings:?}");
    assert!(report.streams.iter().all(|stream| stream.closed));
    let tools = found.keys().filter(|line| line.contains("dev.sinkwell.tool.invocation")).count();
    assert_eq!((tools, counters.dropped, counters.rejected), (2000, 0, 0));
    format!(
        "2000 emitted, {tools} out, {} repeats, {} retried, verdict {:?}, {idle:?} of CPU in 5 s of idling",
        lines.len() - found.len(),
        counters.retried,
        report.verdict
    )
}
