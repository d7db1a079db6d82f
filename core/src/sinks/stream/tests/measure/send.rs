//! What encoding and sending take of the processor, beside the `otlp` sink with zstd. Receivers, which read and say that all is
//! well, are processes of their own, so that what they do is on nobody's bill.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use rustix::time::ClockId;

use super::super::peer::{Script, peer};
use super::{EACH, Load, Sealed, count, events, median, ratio, take_turns};
use crate::config::{Config, Source};
use crate::seam::SystemEnv;
use crate::sink::{Answers, Making, Sink};

/// What a receiver speaks, for the process that is one.
const RECEIVES: &str = "SINKWELL_MEASURE_RECEIVES";

/// A receiver, ended when this is dropped.
struct Receiver(Child, String);

impl Receiver {
    fn start(what: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["sinks::stream::tests::measure::send::receiver", "--exact", "--ignored", "--nocapture"])
            .env(RECEIVES, what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url =
            lines.find_map(|line| line.unwrap().split_once("at http").map(|(_, url)| format!("http{url}")));
        Self(child, url.expect("it says where it is"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "a part of a measurement"]
fn receiver() {
    let Ok(what) = std::env::var(RECEIVES) else { return };
    let url = if what == "stream" { peer(vec![Script::default()]) } else { otlp() };
    println!("at {url}");
    // Until whoever started it is gone.
    let _ = std::io::stdin().read(&mut [0]);
}

/// A receiver of OTLP over HTTP that reads and answers 200; its URL.
fn otlp() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((io, _)) = listener.accept().await {
                let service =
                    hyper::service::service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
                        request.into_body().collect().await?;
                        Ok::<_, hyper::Error>(hyper::Response::new(Empty::<Bytes>::new()))
                    });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service),
                );
            }
        });
    });
    url
}

fn sink(sink: &str) -> Box<dyn Sink> {
    let text = format!("agent: {{ id: a }}\nlanes: [ {{ sink: {{ {sink} }} }} ]\n");
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let making = Making { timeout: Duration::from_secs(30), type_prefix: "" };
    config.lanes[0].sink.make(&making).unwrap().sink
}

#[test]
#[ignore = "a measurement"]
fn sending() {
    println!("\n### Encoding and sending: µs of processor for an event, all threads of the sender\n");
    println!("| | stream | OTLP with zstd | stream ÷ OTLP |\n| --- | --- | --- | --- |");
    let (peer, collector) = (Receiver::start("stream"), Receiver::start("otlp"));
    let mut stream = sink(&format!("stream: {{ endpoint: '{}' }}", peer.1));
    let mut otlp = sink(&format!("otlp: {{ endpoint: '{}', compression: zstd }}", collector.1));
    for sign in ["each", "batch"] {
        for batch in super::BATCHES {
            let lines = events(count(), Load::Agent, Sealed { sign, batch, ..EACH });
            let through = |sink: &mut Box<dyn Sink>| {
                for part in lines.chunks(batch) {
                    assert_eq!(sink.deliver(part), Answers::Acknowledged);
                }
            };
            let took = take_turns(
                ClockId::ProcessCPUTime,
                &mut [&mut || through(&mut stream), &mut || through(&mut otlp)],
            );
            let each = |at: usize| median(took[at].clone()) / lines.len() as f64;
            println!(
                "| `{sign}`, batches of {batch} | {:.2} | {:.2} | {:.2} |",
                each(0),
                each(1),
                ratio(&took, 0, 1)
            );
        }
    }
}
