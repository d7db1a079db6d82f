//! A process whose environment prefers differences: what the Collector gets of it adds up to what happened.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sinkwell::json::{self, Value};

use crate::collector::{Collector, Dir};
use crate::policies::{emit, items, number, open};
use crate::scenarios::{PATIENCE, Ports, await_ready, grpc, sink, to_file};

/// Where the process below sends to.
pub(crate) const ENDPOINT: &str = "SINKWELL_TEST_DELTA_ENDPOINT";

/// The process: for each line of its input so many calls, and a line of its own.
pub(crate) fn agent(endpoint: &str) {
    let emitter = open(endpoint, "grpc");
    for line in std::io::stdin().lock().lines() {
        for n in 0..line.unwrap().parse().unwrap() {
            let data = format!(r#"{{"tool":"search","outcome":"ok","duration_ms":{},"n":1}}"#, n % 200);
            emit(&emitter, "tool.invocation", &data);
        }
        // Tells of them now, whether somebody is there or not.
        emitter.flush(Duration::from_secs(1));
        println!("told");
    }
    emitter.shutdown(PATIENCE);
}

fn start(endpoint: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env(ENDPOINT, endpoint)
        .env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a Collector was told of each metric and set of attributes: the sum of all differences, of each bucket too, and how
/// many there were.
fn sums(path: &Path) -> BTreeMap<String, (f64, usize)> {
    let mut sums: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    let mut until: BTreeMap<String, String> = BTreeMap::new();
    let text = fs::read_to_string(path).unwrap_or_default();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let request = json::parse(line.as_bytes()).unwrap();
        let scopes = items(&request, "resourceMetrics").into_iter().flat_map(|r| items(&r, "scopeMetrics"));
        for metric in scopes.flat_map(|scope| items(&scope, "metrics")) {
            let name = metric.get("name").and_then(Value::as_str).unwrap();
            let Some(data) = metric.get("sum").or(metric.get("histogram")) else { continue };
            assert_eq!(number(data, &["aggregationTemporality"]), Some(1.0), "{name} is told by differences");
            for point in items(data, "dataPoints") {
                let attributes: Vec<String> =
                    items(&point, "attributes").iter().map(Value::to_json).collect();
                let key = format!("{name} {}", attributes.join(" "));
                let time = |key: &str| point.get(key).and_then(Value::as_str).unwrap().to_owned();
                // No moment is told twice: each difference begins where the one before it ended, or later.
                let (since, now) = (time("startTimeUnixNano"), time("timeUnixNano"));
                let before = until.insert(key.clone(), now.clone()).unwrap_or_default();
                assert!(before <= since && since <= now, "{key}: {before} {since} {now}");
                for (i, count) in items(&point, "bucketCounts").iter().enumerate() {
                    let count: f64 = count.as_str().unwrap().parse().unwrap();
                    let of = sums.entry(format!("{key}#{i}")).or_default();
                    *of = (of.0 + count, of.1 + 1);
                }
                let value = number(&point, &["asInt", "asDouble", "count"]).unwrap();
                assert!(value > 0.0, "{key}: nothing is told of what was not counted");
                let of = sums.entry(key).or_default();
                *of = (of.0 + value, of.1 + 1);
            }
        }
    }
    sums
}

pub(crate) fn differences_add_up(binary: &Path) -> String {
    let (dir, ports) = (Dir::new(), Ports::new());
    let out = dir.path("out.json");
    let with_metrics = to_file(&ports, ("", ""), &out).replace(
        "  pipelines:\n",
        "  pipelines:\n    metrics: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [file] }\n",
    );
    let mut collector = Collector::start(binary, &dir, "collector", &with_metrics);
    await_ready(&mut collector, &mut sink(grpc(ports.grpc), PATIENCE));
    let mut agent = start(&format!("http://127.0.0.1:{}", ports.grpc));
    let mut say = agent.stdin.take().unwrap();
    let mut hear = std::io::BufReader::new(agent.stdout.take().unwrap());
    let of = |sums: &BTreeMap<String, (f64, usize)>, name: &str| {
        let of_name =
            sums.iter().filter(|(key, _)| key.starts_with(&format!("{name} ")) && !key.contains('#'));
        of_name.fold((0.0, 0), |all, (_, (sum, told))| (all.0 + sum, all.1.max(*told)))
    };
    let await_calls = |calls: f64| {
        let deadline = Instant::now() + PATIENCE;
        while of(&sums(&out), "by.number").0 != calls {
            assert!(Instant::now() < deadline, "{:?}", of(&sums(&out), "by.number"));
            thread::sleep(Duration::from_millis(50));
        }
    };
    let mut calls = |n: u32| {
        writeln!(say, "{n}").unwrap();
        hear.read_line(&mut String::new()).unwrap();
    };
    calls(1000);
    await_calls(1000.0);
    // Away, and what it missed is in the next difference.
    collector.stop();
    calls(400);
    collector.restart();
    await_calls(1400.0);
    calls(1600);
    drop(say);
    assert!(agent.wait().unwrap().success());
    collector.stop();
    let sums = sums(&out);
    let (calls, told) = of(&sums, "by.number");
    assert!(calls == 3000.0 && told > 2, "{calls} in {told}");
    let buckets: Vec<f64> = (0..3).map(|i| sums[&format!("tool.duration #{i}")].0).collect();
    assert_eq!(buckets, [11.0 * 15.0, 90.0 * 15.0, 99.0 * 15.0], "of 0 to 199 ms, 15 times");
    assert_eq!(of(&sums, "tool.duration").0, 3000.0);
    // What the emitter says of itself, too.
    let (admitted, filtered) = (of(&sums, "sinkwell.lane.admitted").0, of(&sums, "sinkwell.lane.filtered").0);
    format!("{calls} calls in {told} differences; {admitted} admitted, {filtered} sampled out")
}
