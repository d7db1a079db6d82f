//! What happens to a Collector, and what must come out of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sinkwell::config::OtlpConfig;
use sinkwell::json::Value;
use sinkwell::otlp::{Facts, OtlpSink, Settings};
use sinkwell::seam::{SystemClock, Uuid};
use sinkwell::sink::{Answer, Answers, Envelope, EnvelopeInner, FailureKind, Sink};

use crate::collector::{Collector, Dir, bodies, free_port};

/// A name, and what to run: the program in, the counts out.
type Scenario = (&'static str, fn(&Path) -> String);

pub(crate) const ALL: [Scenario; 12] = [
    ("every_protocol_and_compression", every_protocol_and_compression),
    ("killed_and_restarted", killed_and_restarted),
    ("its_queue_survives_while_the_next_hop_is_away", its_queue_survives),
    ("paused", paused),
    ("made_to_refuse_by_its_memory_limiter", made_to_refuse),
    ("requests_larger_than_it_takes", requests_larger_than_it_takes),
    ("spoken_to_in_the_wrong_protocol", wrong_protocol),
    ("examples_validated", crate::examples::validated),
    ("metrics_arrive_and_say_what_the_policy_says", crate::policies::metrics_arrive),
    ("differences_of_metrics_add_up", crate::delta::differences_add_up),
    ("traces_arrive_whole_or_not_at_all", crate::policies::traces_arrive),
    ("sealed_delivered_and_verified", crate::pipeline::sealed_delivered_and_verified),
];

/// How long a Collector is stopped: `SINKWELL_PAUSE_SECONDS`, else what is long enough to be noticed.
pub(crate) fn pause() -> Duration {
    let said = std::env::var("SINKWELL_PAUSE_SECONDS").ok();
    said.map_or(Duration::from_millis(1200), |seconds| Duration::from_secs(seconds.parse().unwrap()))
}

/// Long enough for a Collector to start on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Ports {
    pub(crate) grpc: u16,
    pub(crate) http: u16,
}

impl Ports {
    pub(crate) fn new() -> Self {
        Self { grpc: free_port(), http: free_port() }
    }

    /// The receivers section of a configuration.
    fn receivers(&self, grpc: &str, http: &str) -> String {
        format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{ endpoint: \"127.0.0.1:{}\"{grpc} }}\n      http: {{ endpoint: \"127.0.0.1:{}\"{http} }}\n",
            self.grpc, self.http
        )
    }
}

const QUIET: &str = "  telemetry: { metrics: { level: none }, logs: { level: warn } }\n";

/// otlp → memory limiter → batch → file
pub(crate) fn to_file(ports: &Ports, limits: (&str, &str), out: &Path) -> String {
    format!(
        "{}processors:\n  memory_limiter: {{ check_interval: 1s, limit_mib: 512 }}\n  batch: {{ timeout: 50ms }}\nexporters:\n  file: {{ path: \"{}\", flush_interval: 100ms, append: true }}\nservice:\n{QUIET}  pipelines:\n    logs: {{ receivers: [otlp], processors: [memory_limiter, batch], exporters: [file] }}\n",
        ports.receivers(limits.0, limits.1),
        out.display(),
    )
}

/// otlp → memory limiter → sending queue on disk → otlp
fn to_next_hop(ports: &Ports, next: u16, storage: &Path) -> String {
    std::fs::create_dir_all(storage).unwrap();
    format!(
        "{}processors:\n  memory_limiter: {{ check_interval: 1s, limit_mib: 512 }}\nextensions:\n  file_storage: {{ directory: \"{}\", fsync: true }}\nexporters:\n  otlp:\n    endpoint: \"127.0.0.1:{next}\"\n    tls: {{ insecure: true }}\n    retry_on_failure: {{ initial_interval: 50ms, max_interval: 500ms, max_elapsed_time: 0 }}\n    sending_queue: {{ storage: file_storage, queue_size: 10000 }}\nservice:\n{QUIET}  extensions: [file_storage]\n  pipelines:\n    logs: {{ receivers: [otlp], processors: [memory_limiter], exporters: [otlp] }}\n",
        ports.receivers("", ""),
        storage.display(),
    )
}

pub(crate) fn sink(config: OtlpConfig, timeout: Duration) -> OtlpSink {
    let settings = Settings::resolve(&config, &|_| None, &Facts::of_process(), timeout).unwrap();
    OtlpSink::new(settings, Arc::new(SystemClock::default())).unwrap()
}

pub(crate) fn grpc(port: u16) -> OtlpConfig {
    OtlpConfig {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        protocol: Some("grpc".into()),
        ..OtlpConfig::default()
    }
}

fn http(port: u16) -> OtlpConfig {
    OtlpConfig { endpoint: Some(format!("http://127.0.0.1:{port}")), ..OtlpConfig::default() }
}

/// Envelopes that look sealed; their text has what encoders get wrong.
fn envelopes(from: u64, count: u64) -> Vec<Envelope> {
    let envelope = |sequence: u64| {
        let text = |s: &str| Value::String(s.to_owned());
        let object = |members: Vec<(&str, Value)>| {
            Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        let data = object(vec![
            ("tool", text("search")),
            ("outcome", text("ok")),
            ("note", text("tab\t \"quoted\" \\ \u{1} é \u{1f980} </script>")),
            ("duration_ms", Value::Float(1.5e-7)),
            (
                "mcp",
                object(vec![("list", Value::Array(vec![Value::Null, Value::Bool(true), Value::Int(-1)]))]),
            ),
        ]);
        let whole = object(vec![
            ("specversion", text("1.0")),
            ("id", text(&format!("0198c000-0000-7000-8000-{sequence:012}"))),
            ("type", text("dev.sinkwell.tool.invocation")),
            ("data", data),
            ("sequence", text(&format!("{sequence:020}"))),
            ("prevhash", text(&"5a".repeat(32))),
            ("signature", text("c2lnbmF0dXJl")),
            ("severitytext", text("INFO")),
        ]);
        Envelope::new(EnvelopeInner {
            bytes: whole.to_canonical().unwrap(),
            id: Uuid([1; 16]).into(),
            event_type: "dev.sinkwell.tool.invocation".into(),
            own: false,
            terminal: false,
            signed: true,
            streamid: Uuid([0; 16]),
            sequence,
            span: None,
            hash: [0; 32],
            digest: [0; 32],
            prevhash: None,
            agentid: "urn:a".into(),
            time: 1_767_225_600_000_000_000,
            recordedtime: 1_767_225_600_000_000_000,
            severity: 9,
        })
    };
    (from..from + count).map(envelope).collect()
}

/// Waits until the Collector takes requests.
pub(crate) fn await_ready(collector: &mut Collector, sink: &mut OtlpSink) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(failure) = sink.probe() {
        assert!(!collector.died(), "{}", collector.log());
        assert!(Instant::now() < deadline, "{failure:?} {}", collector.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Delivers until all is acknowledged, as a lane does; returns how often it had to be tried again.
fn deliver(sink: &mut OtlpSink, batch: &[Envelope]) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let mut rest = batch.to_vec();
    let mut again = 0;
    loop {
        rest = match sink.deliver(&rest) {
            Answers::Acknowledged => return again,
            Answers::Retry(..) => rest,
            Answers::Each(answers) => {
                let left = rest.into_iter().zip(answers);
                left.filter(|(_, answer)| *answer != Answer::Acknowledged)
                    .map(|(envelope, _)| envelope)
                    .collect()
            }
            other => panic!("{other:?}"),
        };
        again += 1;
        assert!(Instant::now() < deadline, "not delivered: {:?}", sink.health());
        thread::sleep(Duration::from_millis(20));
    }
}

/// What was sent, once each.
fn expected(batches: &[Vec<Envelope>]) -> Vec<String> {
    batches.iter().flatten().map(|envelope| String::from_utf8(envelope.bytes.to_vec()).unwrap()).collect()
}

/// Everything that was sent came out, byte for byte, and nothing else did; repeats are repeats.
fn assert_all_there(found: &BTreeMap<String, usize>, sent: &[Vec<Envelope>]) -> String {
    let mut expected = expected(sent);
    expected.sort();
    let found_once: Vec<&String> = found.keys().collect();
    assert_eq!(found_once.len(), expected.len(), "some are missing or were changed");
    assert!(found_once.into_iter().eq(expected.iter()), "some were changed");
    let repeats: usize = found.values().map(|times| times - 1).sum();
    format!("{} sent, {} out, {repeats} repeats", expected.len(), found.len())
}

fn every_protocol_and_compression(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let out = dir.path("out.json");
    let mut collector = Collector::start(binary, &dir, "collector", &to_file(&ports, ("", ""), &out));
    await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
    let mut sent = Vec::new();
    for config in [grpc(ports.grpc), http(ports.http)] {
        for compression in ["none", "gzip", "zstd"] {
            let config = OtlpConfig { compression: Some(compression.into()), ..config.clone() };
            let mut sink = sink(config, PATIENCE);
            for _ in 0..3 {
                let batch = envelopes(sent.len() as u64 * 500, 500);
                assert_eq!(deliver(&mut sink, &batch), 0);
                sent.push(batch);
            }
        }
    }
    collector.stop();
    let found = bodies(&out);
    assert!(found.values().all(|times| *times == 1));
    assert_all_there(&found, &sent)
}

fn killed_and_restarted(binary: &Path) -> String {
    let dir = Dir::new();
    let (front_ports, back_ports) = (Ports::new(), Ports::new());
    let out = dir.path("out.json");
    let mut back = Collector::start(binary, &dir, "back", &to_file(&back_ports, ("", ""), &out));
    let config = to_next_hop(&front_ports, back_ports.grpc, &dir.path("storage"));
    let mut front = Collector::start(binary, &dir, "front", &config);
    await_ready(&mut back, &mut sink(grpc(back_ports.grpc), PATIENCE));
    let mut sink = sink(grpc(front_ports.grpc), PATIENCE);
    await_ready(&mut front, &mut sink);
    let (mut sent, mut again) = (Vec::new(), 0);
    for round in 0..30 {
        if round % 10 == 5 {
            front.kill();
            // What is delivered meanwhile waits here; the Collector comes back beside it.
            let batch = envelopes(round * 100, 100);
            assert!(matches!(sink.deliver(&batch), Answers::Retry(..)));
            front.restart();
            again += 1 + deliver(&mut sink, &batch);
            sent.push(batch);
            continue;
        }
        let batch = envelopes(round * 100, 100);
        again += deliver(&mut sink, &batch);
        sent.push(batch);
    }
    let found = await_bodies(&out, sent.len() * 100, || format!("{}{}", front.log(), back.log()));
    front.stop();
    back.stop();
    format!("{}, 3 kills, {again} retries", assert_all_there(&found, &sent))
}

fn its_queue_survives(binary: &Path) -> String {
    let dir = Dir::new();
    let (front_ports, back_ports) = (Ports::new(), Ports::new());
    let out = dir.path("out.json");
    let config = to_next_hop(&front_ports, back_ports.grpc, &dir.path("storage"));
    let mut front = Collector::start(binary, &dir, "front", &config);
    let mut sink = sink(http(front_ports.http), PATIENCE);
    await_ready(&mut front, &mut sink);
    let sent: Vec<_> = (0..10).map(|round| envelopes(round * 100, 100)).collect();
    for batch in &sent {
        assert_eq!(deliver(&mut sink, batch), 0);
    }
    front.kill();
    let back = Collector::start(binary, &dir, "back", &to_file(&back_ports, ("", ""), &out));
    front.restart();
    let found = await_bodies(&out, sent.len() * 100, || format!("{}{}", front.log(), back.log()));
    assert_all_there(&found, &sent)
}

/// Waits until the file holds this many different bodies.
fn await_bodies(path: &Path, count: usize, log: impl Fn() -> String) -> BTreeMap<String, usize> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let whole = std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'));
        let found = if whole { bodies(path) } else { BTreeMap::new() };
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "{} of {count} came out: {}", found.len(), log());
        thread::sleep(Duration::from_millis(50));
    }
}

fn paused(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let out = dir.path("out.json");
    let mut collector = Collector::start(binary, &dir, "collector", &to_file(&ports, ("", ""), &out));
    let mut timeouts = 0;
    let mut sent = Vec::new();
    for config in [grpc(ports.grpc), http(ports.http)] {
        let mut patient = sink(config.clone(), PATIENCE);
        await_ready(&mut collector, &mut patient);
        let mut sink = sink(config, Duration::from_millis(300));
        sent.push(envelopes(sent.len() as u64 * 100, 100));
        deliver(&mut sink, &sent[sent.len() - 1]);
        collector.pause();
        sent.push(envelopes(sent.len() as u64 * 100, 100));
        let stopped = Instant::now();
        while stopped.elapsed() < pause() {
            match sink.deliver(&sent[sent.len() - 1]) {
                Answers::Retry(failure, None) => assert_eq!(failure.kind, FailureKind::Timeout),
                other => panic!("{other:?}"),
            }
            timeouts += 1;
        }
        collector.resume();
        deliver(&mut sink, &sent[sent.len() - 1]);
    }
    collector.stop();
    format!("{}, {timeouts} timeouts", assert_all_there(&bodies(&out), &sent))
}

fn made_to_refuse(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let out = dir.path("out.json");
    // More than this is in use as soon as it runs.
    let config = to_file(&ports, ("", ""), &out).replace("limit_mib: 512", "limit_mib: 1");
    let config = config.replace("check_interval: 1s", "check_interval: 10ms");
    let mut collector = Collector::start(binary, &dir, "collector", &config);
    await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
    let batch = envelopes(0, 10);
    let mut said = Vec::new();
    for config in [grpc(ports.grpc), http(ports.http)] {
        let mut sink = sink(config, PATIENCE);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match sink.deliver(&batch) {
                // Before its first look at its memory.
                Answers::Acknowledged => assert!(Instant::now() < deadline, "it refuses nothing"),
                Answers::Retry(failure, _) => {
                    assert_eq!(failure.kind, FailureKind::Network);
                    said.push(failure.summary.split(": ").nth(1).unwrap_or_default().to_owned());
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    said.join(", ")
}

fn requests_larger_than_it_takes(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let out = dir.path("out.json");
    let limits = (", max_recv_msg_size_mib: 1", ", max_request_body_size: 1048576");
    let mut collector = Collector::start(binary, &dir, "collector", &to_file(&ports, limits, &out));
    await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
    let batch = envelopes(0, 2000);
    let mut said = Vec::new();
    for config in [grpc(ports.grpc), http(ports.http)] {
        match sink(config.clone(), PATIENCE).deliver(&batch) {
            Answers::RefusedBatch(failure) => {
                said.push(failure.summary.split(": ").nth(1).unwrap_or_default().to_owned());
            }
            other => panic!("{other:?}"),
        }
        // With the limit known, requests are split before it.
        let knowing = OtlpConfig { max_request_bytes: Some(1024 * 1024), ..config };
        assert_eq!(deliver(&mut sink(knowing, PATIENCE), &batch), 0);
    }
    collector.stop();
    format!("{}; refused as one: {}", assert_all_there(&bodies(&out), &[batch]), said.join(", "))
}

fn wrong_protocol(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let mut collector =
        Collector::start(binary, &dir, "collector", &to_file(&ports, ("", ""), &dir.path("out.json")));
    await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
    let elsewhere = |path: &str| OtlpConfig {
        endpoint: Some(format!("http://127.0.0.1:{}/{path}", ports.http)),
        ..OtlpConfig::default()
    };
    let tls = |protocol: &str, port: u16| OtlpConfig {
        endpoint: Some(format!("https://127.0.0.1:{port}")),
        protocol: Some(protocol.into()),
        ..OtlpConfig::default()
    };
    let rows = [
        (http(ports.grpc), "set the protocol to `grpc`"),
        (grpc(ports.http), "set the protocol to `http/protobuf`"),
        (elsewhere("elsewhere"), "/v1/logs"),
        (tls("grpc", ports.grpc), "http://"),
        (tls("http/protobuf", ports.http), "http://"),
    ];
    let count = rows.len();
    for (config, advice) in rows {
        match sink(config, PATIENCE).deliver(&envelopes(0, 1)) {
            Answers::Retry(failure, None) => assert!(failure.summary.contains(advice), "{failure:?}"),
            other => panic!("{other:?}"),
        }
    }
    format!("{count} mistakes named")
}
