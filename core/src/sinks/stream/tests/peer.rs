//! Peers that say what no intake would, and what the sink makes of it.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::config::Source;
use crate::seam::SystemEnv;
use crate::settings::Config;
use crate::sink::{Answer, Answers, Envelope, FailureKind, Making, Sink};
use crate::sinks::stream::proto::{HEADER, Status, frame, read_batch};

/// What a peer does on one stream.
#[derive(Clone)]
pub(super) struct Script {
    /// Among the headers of its answer.
    head: Vec<(&'static str, &'static str)>,
    /// Said to each batch; `None`: it says nothing more.
    each: Option<fn(u64) -> Vec<u8>>,
    /// The gRPC status with which it ends after the first batch.
    end: Option<&'static str>,
}

const SPEAKS: (&str, &str) = (HEADER, "compact/1");

impl Default for Script {
    fn default() -> Self {
        Self { head: vec![SPEAKS], each: Some(ok), end: None }
    }
}

fn said(batch: u64, ok: bool) -> Vec<u8> {
    frame(&Status { batch, ok, refused: Vec::new() }.encode())
}

fn ok(batch: u64) -> Vec<u8> {
    said(batch, true)
}

/// The answers of a peer as a body.
struct Saying(tokio::sync::mpsc::UnboundedReceiver<Frame<Bytes>>);

impl Body for Saying {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|next| next.map(Ok))
    }
}

/// A peer with a script for each stream, the last for all that follow; its URL.
pub(super) fn peer(scripts: Vec<Script>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let scripts = Arc::new(Mutex::new(scripts.into_iter()));
    let last = Arc::new(Mutex::new(Script::default()));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((io, _)) = listener.accept().await {
                let (scripts, last) = (Arc::clone(&scripts), Arc::clone(&last));
                let service = hyper::service::service_fn(move |request: Request<_>| {
                    let mut last = last.lock().unwrap();
                    if let Some(next) = scripts.lock().unwrap().next() {
                        *last = next;
                    }
                    let answer = answer(last.clone(), request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(serving.serve_connection(TokioIo::new(io), service));
            }
        });
    });
    url
}

fn answer(script: Script, request: Request<hyper::body::Incoming>) -> Response<Saying> {
    let (out, body) = tokio::sync::mpsc::unbounded_channel();
    let mut response = Response::builder().header("content-type", "application/grpc");
    for (name, value) in &script.head {
        response = response.header(*name, *value);
    }
    if script.head.iter().any(|(name, _)| *name == "grpc-status") {
        return response.body(Saying(body)).unwrap();
    }
    tokio::spawn(async move {
        let mut body = request.into_body();
        let say = |bytes: Vec<u8>| {
            let _ = out.send(Frame::data(bytes.into()));
        };
        let mut messages = crate::sinks::stream::proto::Messages::new(1 << 24);
        while let Some(Ok(part)) = body.frame().await {
            if let Some(data) = part.data_ref() {
                messages.push(data);
            }
            while let Ok(Some(message)) = messages.next() {
                let (batch, _) = read_batch(&message).unwrap();
                if let Some(end) = script.end {
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", end.parse().unwrap());
                    trailers.insert("grpc-message", "words%20of%20its%20own".parse().unwrap());
                    let _ = out.send(Frame::trailers(trailers));
                    return;
                }
                if let Some(each) = script.each {
                    say(each(batch));
                }
            }
        }
    });
    response.body(Saying(body)).unwrap()
}

fn sink(text: &str, timeout: Duration) -> Box<dyn Sink> {
    let text = format!("agent: {{ id: a }}\nlanes: [ {{ sink: {{ stream: {text} }} }} ]\n");
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    config.lanes[0].sink.make(&Making { timeout, type_prefix: "" }).unwrap().sink
}

fn batch() -> Vec<Envelope> {
    crate::sinks::audit_chain::sealed(4)
}

/// What the sink answers to its lane.
fn answers(script: Script) -> Answers {
    let url = peer(vec![script]);
    sink(&format!("{{ endpoint: '{url}' }}"), Duration::from_secs(30)).deliver(&batch())
}

fn failure(answers: &Answers) -> (FailureKind, &str, Option<&str>) {
    match answers {
        Answers::Retry(failure, _) | Answers::RefusedBatch(failure) => {
            (failure.kind, &failure.summary, failure.detail.as_deref())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_an_acknowledgement_in_order_is_one() {
    assert_eq!(answers(Script::default()), Answers::Acknowledged);
    let wrong: [Script; 4] = [
        // Of another batch, of none, nonsense, too long. (One that is early and right is no other than one that is in time.)
        Script { each: Some(|batch| said(batch + 1, true)), ..Script::default() },
        Script { each: Some(|_| said(0, true)), ..Script::default() },
        Script { each: Some(|_| frame(&[8])), ..Script::default() },
        Script { each: Some(|_| vec![0, 0x7F, 0xFF, 0xFF, 0xFF]), ..Script::default() },
    ];
    for script in wrong {
        let answers = answers(script);
        assert!(matches!(answers, Answers::Retry(..)), "{answers:?}");
        assert_eq!(failure(&answers).0, FailureKind::Network);
    }
    let twice =
        Script { each: Some(|batch| [said(batch, true), said(batch, true)].concat()), ..Script::default() };
    let mut sink = sink(&format!("{{ endpoint: '{}' }}", peer(vec![twice])), Duration::from_secs(30));
    assert_eq!(sink.deliver(&batch()), Answers::Acknowledged);
    assert_eq!(sink.deliver(&batch()), Answers::Acknowledged, "over another stream");
}

#[test]
fn a_status_that_is_not_ok_is_a_refusal() {
    let answers = answers(Script { each: Some(|batch| said(batch, false)), ..Script::default() });
    assert!(matches!(answers, Answers::RefusedBatch(_)), "{answers:?}");
}

#[test]
fn refusals_are_for_the_envelopes_that_they_name() {
    let each = |batch| {
        let refused = vec![(2, "too old".to_owned()), (99, "of no envelope".to_owned())];
        frame(&Status { batch, ok: true, refused }.encode())
    };
    let answers = answers(Script { each: Some(each), ..Script::default() });
    let Answers::Each(each) = answers else { panic!("{answers:?}") };
    let refused: Vec<_> = each.iter().map(|answer| matches!(answer, Answer::Refused(_))).collect();
    assert_eq!(refused, [false, false, true, false]);
}

#[test]
fn every_way_to_end_a_stream_means_what_the_page_says() {
    let end = |code| answers(Script { end: Some(code), ..Script::default() });
    assert!(matches!(end("3"), Answers::RefusedBatch(_)));
    for (code, kind) in [("14", FailureKind::Network), ("16", FailureKind::Auth), ("7", FailureKind::Auth)] {
        let answers = end(code);
        assert!(matches!(answers, Answers::Retry(..)));
        let (said, summary, detail) = failure(&answers);
        assert_eq!((said, detail), (kind, Some("words of its own")), "a peer's words are for the host alone");
        assert!(!summary.contains("words"));
    }
    let head = |head: Vec<(&'static str, &'static str)>| answers(Script { head, ..Script::default() });
    for script in
        [vec![SPEAKS, ("grpc-status", "12")], vec![("grpc-status", "9")], vec![(HEADER, "compact/2")], vec![]]
    {
        let answers = head(script);
        let (_, summary, _) = failure(&answers);
        assert!(summary.contains("no `sinkwell intake`"), "{summary}");
    }
}

#[test]
fn what_no_fresh_stream_can_read_is_refused_at_the_third() {
    let script = Script { end: Some("15"), ..Script::default() };
    let url = peer(vec![script]);
    let mut sink = sink(&format!("{{ endpoint: '{url}' }}"), Duration::from_secs(30));
    let said: Vec<_> = (0..3).map(|_| matches!(sink.deliver(&batch()), Answers::RefusedBatch(_))).collect();
    assert_eq!(said, [false, false, true]);
}

#[test]
fn a_peer_that_never_answers_holds_nobody_longer_than_the_lane_waits() {
    let url = peer(vec![Script { each: None, ..Script::default() }, Script::default()]);
    let mut sink = sink(&format!("{{ endpoint: '{url}' }}"), Duration::from_millis(400));
    let answers = sink.deliver(&batch());
    assert_eq!(failure(&answers).0, FailureKind::Timeout);
}

#[test]
fn a_send_to_a_peer_that_takes_nothing_is_given_up_and_its_socket_closed() {
    // It accepts, and never reads: what is sent is neither taken nor refused.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            told.send(stream.unwrap()).unwrap();
        }
    });
    let mut sink = sink(&format!("{{ endpoint: '{url}' }}"), Duration::from_millis(400));
    let answers = sink.deliver(&batch());
    assert_eq!(failure(&answers).0, FailureKind::Timeout, "{answers:?}");
    drop(sink);
    let mut stream = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

/// An OTLP receiver over HTTP/1.1 that takes everything; its URL, and how many requests it had.
fn otlp() -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            loop {
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = n.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if length == 0 || reader.read_exact(&mut body).is_err() {
                    break;
                }
                *seen.lock().unwrap() += 1;
                let answer =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (url, count)
}

#[test]
fn to_a_peer_that_does_not_speak_it_otlp_is_spoken_where_that_is_configured() {
    let (otlp, count) = otlp();
    let unspoken = || peer(vec![Script { head: vec![("grpc-status", "12")], ..Script::default() }]);
    let with = format!(
        "{{ endpoint: '{}', fallback: {{ endpoint: '{otlp}', protocol: http/protobuf }} }}",
        unspoken()
    );
    let mut with = sink(&with, Duration::from_secs(30));
    for n in 1..=3 {
        assert_eq!(with.deliver(&batch()), Answers::Acknowledged);
        assert_eq!(*count.lock().unwrap(), n);
    }
    let detail = with.health().detail.unwrap();
    assert!(detail.contains("OTLP"), "{detail}");
    // Another reason to fail is none to fall back.
    let away = format!(
        "{{ endpoint: '{}', fallback: {{ endpoint: '{otlp}', protocol: http/protobuf }} }}",
        peer(vec![Script { end: Some("14"), ..Script::default() }])
    );
    assert!(matches!(sink(&away, Duration::from_secs(30)).deliver(&batch()), Answers::Retry(..)));
    assert_eq!(*count.lock().unwrap(), 3);
}
