//! How metrics leave the process: sent where a policy wants it, and read over HTTP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use super::super::export::Exporter;
use super::*;
use crate::policy::telemetry::Provider;
use crate::seam::UnixNanos;
use crate::sink::{Failure, FailureKind, Reading, ReadingKind, Reporter};
use crate::timeline::Timeline;

/// A receiver that counts, and refuses as long as it is told to.
struct Double {
    got: mpsc::Sender<f64>,
    refuses: Arc<AtomicBool>,
}

impl Reporter for Double {
    fn report(&mut self, readings: &[Reading], _: UnixNanos, _: Duration) -> Result<(), Failure> {
        self.got.send(readings[0].points[0].value).unwrap();
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureKind::Network, "away"));
        }
        Ok(())
    }
}

fn exporter(every: Duration, manual: bool) -> (Exporter, mpsc::Receiver<f64>, Arc<AtomicBool>) {
    let (sender, receiver) = mpsc::channel();
    let refuses = Arc::new(AtomicBool::new(false));
    let (count, refused) = (AtomicUsize::new(0), Arc::clone(&refuses));
    let source = move || {
        let value = count.fetch_add(1, Ordering::SeqCst) as f64;
        let reading = Reading {
            name: "n".to_owned(),
            unit: String::new(),
            description: String::new(),
            kind: ReadingKind::Sum,
            whole: true,
            observed: false,
            since: 0,
            points: vec![crate::sink::Point {
                attributes: Vec::new(),
                value,
                count: 0,
                buckets: Box::default(),
            }],
        };
        vec![(Provider::Environment, vec![reading])]
    };
    let make = move |_: &Provider| {
        let double = Double { got: sender.clone(), refuses: Arc::clone(&refused) };
        Ok(Box::new(double) as Box<dyn Reporter>)
    };
    let timeline = Arc::new(Timeline::new(None, false));
    (Exporter::new(every, timeline, manual, Box::new(source), Box::new(make)), receiver, refuses)
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn metrics_go_out_every_so_often_when_asked_and_once_more_at_the_end() {
    let (exporter, got, refuses) = exporter(Duration::from_millis(1), false);
    exporter.start();
    assert_eq!(got.recv_timeout(LONG), Ok(0.0));
    // One that fails is followed by the next, of everything so far.
    refuses.store(true, Ordering::SeqCst);
    assert_eq!(got.recv_timeout(LONG), Ok(1.0));
    exporter.stop(LONG);
    let rest: Vec<f64> = got.try_iter().collect();
    assert!(!rest.is_empty() && rest.is_sorted());
    // Nothing runs any more, and nothing starts again.
    exporter.start();
    exporter.flush(LONG);
    assert!(got.try_recv().is_err());
}

#[test]
fn a_flush_sends_what_there_is_and_the_end_sends_it_again() {
    let (exporter, got, _) = exporter(Duration::from_secs(3600), false);
    exporter.flush(LONG);
    assert!(got.try_recv().is_err(), "no policy sends metrics yet");
    exporter.start();
    exporter.flush(LONG);
    assert_eq!(got.try_recv(), Ok(0.0));
    exporter.stop(LONG);
    assert_eq!(got.try_recv(), Ok(1.0));
    exporter.stop(LONG);
    assert!(got.try_recv().is_err());
}

#[test]
fn a_manual_emitter_sends_in_its_flush_on_the_callers_thread() {
    let (exporter, got, _) = exporter(Duration::from_millis(1), true);
    exporter.start();
    assert!(got.try_recv().is_err());
    exporter.flush(LONG);
    assert_eq!(got.try_recv(), Ok(0.0));
    exporter.stop(LONG);
    assert_eq!(got.try_recv(), Ok(1.0));
}

fn ask(address: SocketAddr, request: &str) -> String {
    asked(TcpStream::connect(address).unwrap(), request)
}

fn asked(mut connection: TcpStream, request: &str) -> String {
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer);
    answer
}

#[test]
fn the_prometheus_text_is_read_over_http_and_nothing_else_is() {
    let emitter =
        Emitter::open(Options::new(config("lanes: [ { sink: memory } ]\nmetrics: { listen: 0 }\n"))).unwrap();
    tool(&emitter, 1).unwrap();
    emitter.flush(LONG);
    let address = lock(&emitter.inner.load().scrape).as_ref().unwrap().address();
    assert!(address.ip().is_loopback());
    let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("version=0.0.4"), "{head}");
    assert_eq!(body, emitter.prometheus());
    assert!(body.contains("sinkwell_lane_delivered_total{lane=\"memory\"} 1\n"), "{body}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    let head_only = ask(address, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head_only.starts_with("HTTP/1.1 200 OK\r\n") && head_only.ends_with("\r\n\r\n"));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics/../etc HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\r\n\r\n", "404"),
        ("\u{0}\u{1} \u{2}\r\n\r\n", "404"),
    ] {
        let answer = ask(address, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
    // What never ends is cut off, and the next is served.
    assert_eq!(ask(address, &"x".repeat(20_000)), "");
    assert!(ask(address, "GET /metrics?a=b HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK"));
    emitter.shutdown(LONG);
    // One connection: what is listened to now and not a moment later is no fault.
    let after =
        TcpStream::connect(address).map(|connection| asked(connection, "GET /metrics HTTP/1.1\r\n\r\n"));
    assert_eq!(after.unwrap_or_default(), "", "it ends with the emitter");
}

#[test]
fn an_address_that_another_has_is_no_reason_not_to_open() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!("lanes: [ {{ sink: memory }} ]\nmetrics: {{ listen: \"127.0.0.1:{port}\" }}\n");
    let emitter = Emitter::open(Options::new(config(&text))).unwrap();
    assert!(lock(&emitter.inner.load().scrape).is_none());
    tool(&emitter, 1).unwrap();
}
