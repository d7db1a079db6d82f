//! Connections: kept, lost, mistaken for another kind, through proxies, over sockets.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::receiver::{GrpcReceiver, GrpcSay, HttpReceiver, Say, http, ok};
use super::{NOW, batch, settings, sink};
use crate::seam::ManualClock;
use crate::sink::{Answers, FailureKind, Sink as _};
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::OtlpSink;
use crate::sinks::otlp::connect::Resolver;
use crate::testing::TempDir;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

fn failure(answers: Answers) -> (FailureKind, String) {
    match answers {
        Answers::Retry(failure, None) => (failure.kind, failure.summary),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_http_connection_is_kept() {
    let receiver = HttpReceiver::new(Vec::new());
    let mut sink = sink(&[(ENDPOINT, &receiver.url())]);
    for _ in 0..3 {
        assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    }
    assert_eq!(receiver.got().iter().map(|got| got.connection).collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn a_kept_connection_that_the_receiver_has_closed_costs_no_failure() {
    let ok_then_close = || {
        let Say::Raw(raw) = ok() else { unreachable!() };
        Say::RawThenClose(raw)
    };
    let receiver = HttpReceiver::new(vec![ok_then_close(), ok(), Say::Hang, ok()]);
    let mut sink = sink(&[(ENDPOINT, &receiver.url())]);
    for _ in 0..3 {
        assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    }
    // The third request was read and not answered, and so was sent again.
    let got = receiver.got();
    assert_eq!(got.iter().map(|got| got.connection).collect::<Vec<_>>(), [0, 1, 1, 2]);
    assert_eq!(got[2].body, got[3].body);
}

#[test]
fn a_receiver_that_closes_every_time_is_a_failure_that_ends() {
    let receiver = HttpReceiver::new(vec![Say::Hang, Say::Hang]);
    let mut sink = sink(&[(ENDPOINT, &receiver.url())]);
    let (kind, text) = failure(sink.deliver(&batch(1)));
    assert_eq!(kind, FailureKind::Network);
    assert!(text.contains("closed the connection without a word"), "{text}");
    assert_eq!(receiver.got().len(), 1);
}

#[test]
fn after_go_away_the_next_request_takes_a_new_connection() {
    let last = GrpcSay { go_away: true, ..GrpcSay::status(0) };
    let receiver = GrpcReceiver::new(vec![GrpcSay::status(0), last]);
    let mut sink = sink(&[(ENDPOINT, &receiver.url()), (PROTOCOL, "grpc")]);
    // A graceful GOAWAY leaves it to the moment whether one more request goes over the old connection.
    let mut deliveries = 0;
    while receiver.got().last().is_none_or(|got| got.connection == 0) {
        assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
        deliveries += 1;
        assert!(deliveries < 10);
    }
    let connections: Vec<_> = receiver.got().iter().map(|got| got.connection).collect();
    assert!(connections.starts_with(&[0, 0]) && connections.ends_with(&[1]), "{connections:?}");
    assert_eq!(connections.len(), deliveries);
}

#[test]
fn a_receiver_that_does_not_answer_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for protocol in ["grpc", "http/protobuf"] {
        let mut sink = sink(&[(ENDPOINT, &url), (PROTOCOL, protocol), ("OTEL_EXPORTER_OTLP_TIMEOUT", "50")]);
        let (kind, text) = failure(sink.deliver(&batch(1)));
        assert_eq!(kind, FailureKind::Timeout);
        assert!(text.contains("50 ms"), "{text}");
    }
}

#[test]
fn where_nothing_listens_the_failure_says_so() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (kind, text) = failure(sink(&[(ENDPOINT, &format!("http://{address}"))]).deliver(&batch(1)));
    assert_eq!(kind, FailureKind::Network);
    assert!(text.starts_with(&format!("{address}: nothing listens there")), "{text}");
}

#[test]
fn a_name_without_an_address_is_named() {
    let (kind, text) = failure(sink(&[(ENDPOINT, "http://no-such-host.invalid:4318")]).deliver(&batch(1)));
    assert_eq!(kind, FailureKind::Network);
    assert!(text.starts_with("no-such-host.invalid:4318: the name has no address"), "{text}");
}

#[test]
fn a_name_that_moves_is_followed_by_the_next_connection() {
    let ok_then_close = || {
        let Say::Raw(raw) = ok() else { unreachable!() };
        Say::RawThenClose(raw)
    };
    let old = HttpReceiver::new(vec![ok(), ok_then_close()]);
    let port = old.address.port();
    // The same port at two addresses of this machine.
    let new = HttpReceiver::on(&format!("127.0.0.2:{port}"), vec![ok_then_close(), ok_then_close()]);
    let addresses: Arc<Mutex<Vec<IpAddr>>> = Arc::new(Mutex::new(vec![old.address.ip()]));
    let told = Arc::clone(&addresses);
    let endpoint = format!("http://collector.example:{port}");
    let mut settings = settings(&OtlpConfig::default(), &[(ENDPOINT, &endpoint)]).unwrap();
    settings.names = Resolver::Told(Arc::new(move |host| {
        assert_eq!(host, "collector.example");
        told.lock().unwrap().clone()
    }));
    let mut sink = OtlpSink::new(settings, Arc::new(ManualClock::new(NOW))).unwrap();
    assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    // A kept connection stays where it is, as long as the receiver keeps it.
    *addresses.lock().unwrap() = vec![new.address.ip()];
    assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    assert_eq!((old.got().len(), new.got().len()), (2, 0));
    assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    assert_eq!((old.got().len(), new.got().len()), (2, 1));
    // Every address of a name is tried.
    let nobody = IpAddr::from([127, 0, 0, 3]);
    *addresses.lock().unwrap() = vec![nobody, new.address.ip()];
    assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    assert_eq!(new.got().len(), 2);
    *addresses.lock().unwrap() = Vec::new();
    let (_, text) = failure(sink.deliver(&batch(1)));
    assert!(text.contains("the name has no address"), "{text}");
}

#[test]
fn a_grpc_receiver_spoken_to_in_http_is_recognized() {
    let receiver = GrpcReceiver::new(Vec::new());
    let (kind, text) = failure(sink(&[(ENDPOINT, &receiver.url())]).deliver(&batch(1)));
    assert_eq!(kind, FailureKind::Network);
    assert!(text.contains("set the protocol to `grpc`"), "{text}");
}

/// A server that reads something and then says `words`.
fn blurts(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 16]);
            let _ = stream.write_all(words);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    url
}

#[test]
fn an_http_receiver_spoken_to_in_grpc_is_recognized() {
    let url = blurts(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let (_, text) = failure(sink(&[(ENDPOINT, &url), (PROTOCOL, "grpc")]).deliver(&batch(1)));
    assert!(text.contains("set the protocol to `http/protobuf`"), "{text}");
}

#[test]
fn a_tls_alert_to_plain_text_is_recognized() {
    let url = blurts(&[0x15, 3, 1, 0, 2, 2, 10]);
    for protocol in ["grpc", "http/protobuf"] {
        let (_, text) = failure(sink(&[(ENDPOINT, &url), (PROTOCOL, protocol)]).deliver(&batch(1)));
        assert!(text.contains("write the endpoint with https://"), "{text}");
    }
}

#[test]
fn a_tls_server_that_closes_on_plain_text_without_a_word_is_thought_of() {
    let url = blurts(b"");
    for protocol in ["grpc", "http/protobuf"] {
        let (_, text) = failure(sink(&[(ENDPOINT, &url), (PROTOCOL, protocol)]).deliver(&batch(1)));
        assert!(text.contains("if it expects TLS, write the endpoint with https://"), "{text}");
    }
}

#[test]
fn a_unix_domain_socket_carries_grpc() {
    let dir = TempDir::new();
    let path = dir.path().join("otlp.sock");
    let receiver = GrpcReceiver::on_socket(&path);
    for endpoint in [format!("unix:{}", path.display()), format!("unix://{}", path.display())] {
        assert_eq!(sink(&[(ENDPOINT, &endpoint)]).deliver(&batch(2)), Answers::Acknowledged);
    }
    assert_eq!(receiver.got().len(), 2);
    let missing = format!("unix:{}.not", path.display());
    let (_, text) = failure(sink(&[(ENDPOINT, &missing)]).deliver(&batch(1)));
    assert!(text.contains("no such socket"), "{text}");
}

#[test]
fn an_ipv6_literal_is_an_address() {
    let receiver = HttpReceiver::on("[::1]:0", Vec::new());
    assert_eq!(sink(&[(ENDPOINT, &receiver.url())]).deliver(&batch(1)), Answers::Acknowledged);
    assert_eq!(receiver.got()[0].header("host"), Some(receiver.address.to_string().as_str()));
}

#[test]
fn requests_can_be_compressed() {
    for protocol in ["grpc", "http/protobuf"] {
        for compression in ["none", "gzip", "zstd"] {
            let (http, grpc) = (HttpReceiver::new(Vec::new()), GrpcReceiver::new(Vec::new()));
            let url = if protocol == "grpc" { grpc.url() } else { http.url() };
            let mut sink = sink(&[
                (ENDPOINT, &url),
                (PROTOCOL, protocol),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ]);
            assert_eq!(sink.deliver(&batch(20)), Answers::Acknowledged);
            let got = if protocol == "grpc" { grpc.got() } else { http.got() };
            let lines: Vec<_> =
                batch(20).iter().map(|e| String::from_utf8(e.bytes.to_vec()).unwrap()).collect();
            assert_eq!(got[0].lines(), lines);
            let sum: usize = lines.iter().map(String::len).sum();
            assert_eq!(got[0].body.len() < sum / 2, compression != "none");
        }
    }
}

#[test]
fn headers_go_with_every_request() {
    let receiver = HttpReceiver::new(Vec::new());
    let variables =
        [(ENDPOINT, receiver.url()), ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,X-Two=2".into())];
    let variables = variables.each_ref().map(|(k, v)| (*k, v.as_str()));
    let mut sink = sink(&variables);
    for _ in 0..2 {
        assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    }
    for got in receiver.got() {
        assert_eq!(got.line, "POST /v1/logs");
        assert_eq!(got.header("api-key"), Some("a b"));
        assert_eq!(got.header("x-two"), Some("2"));
        assert_eq!(got.header("content-type"), Some("application/x-protobuf"));
        assert!(got.header("user-agent").unwrap().starts_with("sinkwell/"));
    }
}

#[test]
fn plain_http_is_forwarded_by_a_proxy() {
    let proxy = HttpReceiver::new(Vec::new());
    let with_password = format!("http://user:p%40ss@{}", proxy.address);
    let mut sink = sink(&[(ENDPOINT, "http://collector.example:4318/in"), ("HTTP_PROXY", &with_password)]);
    assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    let got = &proxy.got()[0];
    assert_eq!(got.line, "POST http://collector.example:4318/in/v1/logs");
    assert_eq!(got.header("proxy-authorization"), Some("Basic dXNlcjpwQHNz"));
    assert_eq!(got.header("host"), Some("collector.example:4318"));
}

#[test]
fn a_proxy_may_want_credentials_or_be_passed_by() {
    let proxy = HttpReceiver::new(vec![http("407 Proxy Authentication Required", "", b"")]);
    let receiver = HttpReceiver::new(Vec::new());
    let (url, through) = (receiver.url(), proxy.url());
    let (kind, text) = failure(sink(&[(ENDPOINT, &url), ("http_proxy", &through)]).deliver(&batch(1)));
    assert_eq!(kind, FailureKind::Auth);
    assert!(text.contains("proxy"), "{text}");
    for (n, none) in ["127.0.0.0/8", "*", "elsewhere.example 127.0.0.1"].into_iter().enumerate() {
        let mut around = sink(&[(ENDPOINT, &url), ("http_proxy", &through), ("NO_PROXY", none)]);
        assert_eq!(around.deliver(&batch(1)), Answers::Acknowledged);
        assert_eq!((proxy.got().len(), receiver.got().len()), (1, n + 1));
    }
}

/// A proxy that gives one tunnel to `to`, or refuses; sends the request's first line.
fn tunnel(to: std::net::SocketAddr, answer: &'static str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (lines, asked) = mpsc::channel();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        lines.send(head.lines().next().unwrap().to_owned()).unwrap();
        client.write_all(format!("HTTP/1.1 {answer}\r\nVia: x\r\n\r\n").as_bytes()).unwrap();
        if !answer.starts_with("200") {
            return;
        }
        let mut server = std::net::TcpStream::connect(to).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let _ = std::io::copy(&mut server, &mut client);
    });
    (url, asked)
}

#[test]
fn grpc_goes_through_a_tunnel() {
    let receiver = GrpcReceiver::new(Vec::new());
    let (url, asked) = tunnel(receiver.address, "200 Connection established");
    let mut sink = sink(&[(ENDPOINT, "http://collector.example:4317"), ("HTTP_PROXY", &url)]);
    assert_eq!(sink.deliver(&batch(2)), Answers::Acknowledged);
    assert_eq!(asked.recv().unwrap(), "CONNECT collector.example:4317 HTTP/1.1");
    assert_eq!(receiver.got()[0].lines().len(), 2);
}

#[test]
fn a_refused_tunnel_says_what_to_do() {
    for (answer, kind, text) in
        [("403 Forbidden", FailureKind::Network, "NO_PROXY"), ("407 Who", FailureKind::Auth, "credentials")]
    {
        let (url, _asked) = tunnel(([127, 0, 0, 1], 1).into(), answer);
        let variables = [(ENDPOINT, "http://collector.example:4317"), ("HTTP_PROXY", url.as_str())];
        let (given, summary) = failure(sink(&variables).deliver(&batch(1)));
        assert_eq!(given, kind);
        assert!(summary.contains(text), "{summary}");
    }
}

#[test]
fn a_thread_that_runs_an_event_loop_may_deliver() {
    let receiver = HttpReceiver::new(Vec::new());
    let mut sink = sink(&[(ENDPOINT, &receiver.url())]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(async { sink.deliver(&batch(1)) }), Answers::Acknowledged);
    drop(sink);
}
