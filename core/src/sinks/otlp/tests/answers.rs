//! The table of docs/OTLP.md: what a receiver answers and what becomes of the batch.

use std::time::Duration;

use base64::Engine as _;
use prost::Message;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};

use super::receiver::{GrpcReceiver, GrpcSay, HttpReceiver, Say, http, ok};
use super::{batch, envelope, envelope_with, from_bytes, sink, sink_of};
use crate::sink::{Answer, Answers, FailureKind, Sink as _};
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::compress::Compression;

/// What is said of a receiver's own words: they must never be in a summary.
const SECRET: &str = "words-of-the-receiver";

fn partial(refused: i64) -> Vec<u8> {
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: refused,
            error_message: SECRET.into(),
        }),
    }
    .encode_to_vec()
}

/// `google.rpc.Status` with this message and, in `details`, these bytes of an Any.
fn rpc_status(message: &str, any: Option<&[u8]>) -> Vec<u8> {
    let mut out = vec![0x08, 8, 0x12, u8::try_from(message.len()).unwrap()];
    out.extend_from_slice(message.as_bytes());
    if let Some(any) = any {
        out.extend_from_slice(&[0x1a, u8::try_from(any.len()).unwrap()]);
        out.extend_from_slice(any);
    }
    out
}

/// `grpc-status-details-bin` that asks to wait 2.5 s.
fn retry_info() -> String {
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    // RetryInfo { retry_delay: Duration { seconds: 2, nanos: 500_000_000 } }
    let info = [0x0a, 8, 0x08, 2, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
    let mut any = vec![0x0a, u8::try_from(url.len()).unwrap()];
    any.extend_from_slice(url);
    any.extend_from_slice(&[0x12, u8::try_from(info.len()).unwrap()]);
    any.extend_from_slice(&info);
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(rpc_status("m", Some(&any)))
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    Compression::Gzip.compress(plain, Vec::new()).unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    Compression::Zstd.compress(plain, Vec::new()).unwrap()
}

/// What a batch ends as, in one line.
#[derive(Debug, PartialEq)]
enum End {
    Acknowledged,
    Partial(u64),
    Retry(FailureKind, Option<Duration>),
    RefusedBatch(FailureKind),
}

/// Delivers a batch, and holds what any failure must hold to.
fn deliver(sink: &mut crate::sinks::otlp::OtlpSink) -> (End, String) {
    let answers = sink.deliver(&batch(3));
    let (end, failure) = match answers {
        Answers::Acknowledged => return (End::Acknowledged, String::new()),
        Answers::Partial { refused, failure } => (End::Partial(refused), failure),
        Answers::Retry(failure, after) => (End::Retry(failure.kind, after), failure),
        Answers::RefusedBatch(failure) => (End::RefusedBatch(failure.kind), failure),
        other @ (Answers::Each(_) | Answers::Gone(_)) => panic!("{other:?}"),
    };
    assert!(!failure.summary.contains(SECRET), "{}", failure.summary);
    assert!(failure.detail.as_ref().is_none_or(|detail| detail.len() <= 512));
    (end, failure.summary)
}

use End::{Acknowledged, Partial, RefusedBatch, Retry};
use FailureKind::{Auth, Network, Rejected};

#[test]
fn http_answers() {
    let protobuf = "Content-Type: application/x-protobuf\r\n";
    let json = "Content-Type: application/json\r\n";
    let html = "Content-Type: text/html\r\n";
    let status = rpc_status(SECRET, None);
    let later = "Retry-After: 7\r\n";
    let date = "Retry-After: Thu, 01 Jan 2026 00:01:00 GMT\r\n";
    let past = "Retry-After: Wed, 31 Dec 2025 00:01:00 GMT\r\n";
    let json_partial =
        format!(r#"{{"partialSuccess":{{"rejectedLogRecords":"2","errorMessage":"{SECRET}"}}}}"#);
    let seconds = |s| Some(Duration::from_secs(s));
    let encoded =
        |encoding| format!("Content-Type: application/x-protobuf\r\nContent-Encoding: {encoding}\r\n");
    let rows: Vec<(Say, End, &str)> = vec![
        (ok(), Acknowledged, ""),
        (http("204 No Content", "", b""), Acknowledged, ""),
        (http("200 OK", protobuf, &partial(0)), Acknowledged, ""),
        (http("201 Created", "Content-Type: text/plain\r\n", b""), Acknowledged, ""),
        (http("200 OK", json, b"{}"), Acknowledged, ""),
        (http("200 OK", json, br#"{"partialSuccess":null}"#), Acknowledged, ""),
        (http("200 OK", protobuf, &partial(2)), Partial(2), "refused 2 records"),
        (http("200 OK", json, json_partial.as_bytes()), Partial(2), "refused 2 records"),
        // Media types have no case, and may have parameters.
        (
            http("200 OK", "Content-Type: Application/JSON; charset=utf-8\r\n", json_partial.as_bytes()),
            Partial(2),
            "refused 2 records",
        ),
        (http("200 OK", html, b"<html>"), Retry(Network, None), "web page"),
        (http("200 OK", "Content-Type: Text/HTML\r\n", b"<html>"), Retry(Network, None), "web page"),
        // Compressed although nobody asked.
        (http("200 OK", &encoded("GZip"), &gzip(&partial(2))), Partial(2), "refused 2 records"),
        (http("200 OK", &encoded("zstd"), &zstd(&partial(2))), Partial(2), "refused 2 records"),
        (http("200 OK", &encoded("identity"), &partial(2)), Partial(2), "refused 2 records"),
        (http("200 OK", &encoded("gzip"), b""), Acknowledged, ""),
        // What is not understood is no yes.
        (
            http("200 OK", &encoded("br"), &partial(2)),
            Retry(Network, None),
            "compression that cannot be read",
        ),
        (
            http("200 OK", &encoded("gzip"), &partial(2)),
            Retry(Network, None),
            "compression that cannot be read",
        ),
        (http("200 OK", &encoded("gzip"), &gzip(&[0; 1 << 20])), Retry(Network, None), "at a length"),
        (http("200 OK", protobuf, b"\xff\xff\xff"), Retry(Network, None), "damaged"),
        (http("200 OK", json, b"accepted"), Retry(Network, None), "damaged"),
        (
            http("200 OK", "Content-Type: text/plain\r\n", b"It works!"),
            Retry(Network, None),
            "neither protobuf",
        ),
        (http("302 Found", "Location: http://example.com/\r\n", b""), Retry(Network, None), "redirect"),
        (http("400 Bad Request", protobuf, &status), RefusedBatch(Rejected), "400"),
        (
            http("400 Bad Request", "", b"Client sent an HTTP request to an HTTPS server.\n"),
            Retry(Network, None),
            "https://",
        ),
        (http("401 Unauthorized", protobuf, &status), Retry(Auth, None), "credentials"),
        (http("403 Forbidden", protobuf, &status), Retry(Auth, None), "credentials"),
        (http("404 Not Found", "", SECRET.as_bytes()), Retry(Network, None), "/v1/logs"),
        (http("405 Method Not Allowed", "", b""), Retry(Network, None), "/v1/logs"),
        (http("408 Request Timeout", "", b""), RefusedBatch(Rejected), "408"),
        (http("413 Content Too Large", "", SECRET.as_bytes()), RefusedBatch(Rejected), "max_request_bytes"),
        (http("415 Unsupported Media Type", "", b""), Retry(Network, None), "protocol `grpc`"),
        (http("429 Too Many Requests", later, b""), Retry(Network, seconds(7)), "429"),
        (http("429 Too Many Requests", "", b""), Retry(Network, None), "429"),
        (http("500 Internal Server Error", protobuf, &status), RefusedBatch(Rejected), "500"),
        (http("502 Bad Gateway", "", SECRET.as_bytes()), Retry(Network, None), "502"),
        (http("503 Service Unavailable", date, b""), Retry(Network, seconds(60)), "503"),
        (http("503 Service Unavailable", past, b""), Retry(Network, seconds(0)), "503"),
        (http("504 Gateway Timeout", "Retry-After: soon\r\n", b""), Retry(Network, None), "504"),
    ];
    for (say, end, summary) in rows {
        let receiver = HttpReceiver::new(vec![say]);
        let mut sink = sink(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
        let (given, text) = deliver(&mut sink);
        assert_eq!(given, end, "{text}");
        assert!(text.contains(summary), "{text}");
        assert_eq!(receiver.got().len(), 1);
        let lines: Vec<_> = batch(3).iter().map(|e| String::from_utf8(e.bytes.to_vec()).unwrap()).collect();
        assert_eq!(receiver.got()[0].lines(), lines);
    }
}

#[test]
fn grpc_answers() {
    let asks = || GrpcSay::status(8).with("grpc-status-details-bin", retry_info());
    let delay = Some(Duration::from_millis(2500));
    let said = |code| GrpcSay::status(code).with("grpc-message", format!("{SECRET}%20x"));
    let compressed = |message, encoding| GrpcSay { message, encoding: Some(encoding), ..GrpcSay::status(0) };
    let trailers_only = |say: GrpcSay| GrpcSay { trailers_only: true, ..say };
    let html = |http| GrpcSay { http, content_type: Some("text/html"), ..GrpcSay::default() };
    let rows: Vec<(GrpcSay, End, &str)> = vec![
        (GrpcSay::status(0), Acknowledged, ""),
        (GrpcSay { message: partial(0), ..GrpcSay::status(0) }, Acknowledged, ""),
        (GrpcSay { message: partial(2), ..GrpcSay::status(0) }, Partial(2), "refused 2 records"),
        (compressed(gzip(&partial(2)), "gzip"), Partial(2), "refused 2 records"),
        (compressed(zstd(&partial(2)), "zstd"), Partial(2), "refused 2 records"),
        // What is not understood is no yes.
        (compressed(partial(2), "snappy"), Retry(Network, None), "cannot be read"),
        (compressed(gzip(&partial(2)), ""), Retry(Network, None), "cannot be read"),
        (compressed(partial(2), "gzip"), Retry(Network, None), "cannot be read"),
        (GrpcSay { message: vec![0xff; 3], ..GrpcSay::status(0) }, Retry(Network, None), "damaged"),
        (said(1), Retry(Network, None), "CANCELLED (1)"),
        (said(2), RefusedBatch(Rejected), "UNKNOWN (2)"),
        (said(3), RefusedBatch(Rejected), "INVALID_ARGUMENT (3)"),
        (said(4), Retry(Network, None), "DEADLINE_EXCEEDED (4)"),
        (said(5), RefusedBatch(Rejected), "NOT_FOUND (5)"),
        (said(6), RefusedBatch(Rejected), "ALREADY_EXISTS (6)"),
        (said(7), Retry(Auth, None), "PERMISSION_DENIED (7)"),
        (said(8), RefusedBatch(Rejected), "max_request_bytes"),
        (asks(), Retry(Network, delay), "RESOURCE_EXHAUSTED (8)"),
        (trailers_only(asks()), Retry(Network, delay), "RESOURCE_EXHAUSTED (8)"),
        (said(9), RefusedBatch(Rejected), "FAILED_PRECONDITION (9)"),
        (said(10), Retry(Network, None), "ABORTED (10)"),
        (said(11), Retry(Network, None), "OUT_OF_RANGE (11)"),
        (trailers_only(said(12)), Retry(Network, None), "logs pipeline"),
        (
            GrpcSay::status(12).with("grpc-message", "grpc: Decompressor is not installed for grpc-encoding"),
            Retry(Network, None),
            "logs pipeline",
        ),
        (said(13), RefusedBatch(Rejected), "INTERNAL (13)"),
        (said(14), Retry(Network, None), "UNAVAILABLE (14)"),
        (
            GrpcSay::status(14).with("grpc-status-details-bin", retry_info()),
            Retry(Network, delay),
            "UNAVAILABLE (14)",
        ),
        (said(15), Retry(Network, None), "DATA_LOSS (15)"),
        (said(16), Retry(Auth, None), "UNAUTHENTICATED (16)"),
        (said(99), RefusedBatch(Rejected), "unknown status"),
        (GrpcSay::default(), Retry(Network, None), "trailers"),
        (html(200), Retry(Network, None), "http/protobuf"),
        (html(404), Retry(Network, None), "http/protobuf"),
        (html(503), Retry(Network, None), "503"),
        (html(401), Retry(Auth, None), "401"),
    ];
    for (say, end, summary) in rows {
        let receiver = GrpcReceiver::new(vec![say]);
        let url = receiver.url();
        let mut sink =
            sink(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        let (given, text) = deliver(&mut sink);
        assert_eq!(given, end, "{text}");
        assert!(text.contains(summary), "{text}");
        let got = &receiver.got()[0];
        assert_eq!(got.line, "POST /opentelemetry.proto.collector.logs.v1.LogsService/Export");
        assert_eq!(got.header("te"), Some("trailers"));
        assert_eq!(got.header("grpc-timeout"), Some("10000m"));
        assert_eq!(got.lines().len(), 3);
    }
}

#[test]
fn a_receivers_words_are_for_the_hosts_eyes_only_and_bounded() {
    let long = format!("{SECRET}{}", "x".repeat(2000));
    let receiver = GrpcReceiver::new(vec![GrpcSay::status(14).with("grpc-message", long)]);
    let mut sink =
        sink(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    deliver(&mut sink);
    let health = sink.health();
    let detail = health.detail.unwrap();
    assert!(!health.healthy && detail.contains(SECRET) && detail.len() < 700, "{detail}");
    deliver(&mut sink);
    assert!(sink.health().healthy);
}

#[test]
fn what_is_too_large_for_a_request_is_refused_alone_and_the_rest_goes() {
    let receiver = HttpReceiver::new(Vec::new());
    let config = OtlpConfig {
        endpoint: Some(receiver.url()),
        max_request_bytes: Some(16 * 1024),
        ..OtlpConfig::default()
    };
    let mut sink = sink_of(&config, &[]);
    let large = envelope_with(2, &format!(r#"{{"a":"{}"}}"#, "x".repeat(16 * 1024)), &[]);
    let broken = from_bytes(4, b"{".to_vec());
    let answers = sink.deliver(&[envelope(1), large, envelope(3), broken, envelope(5)]);
    let Answers::Each(answers) = answers else { panic!("{answers:?}") };
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Acknowledged => None,
            Answer::Refused(failure) => Some(failure.kind),
            Answer::Uncertain(failure) | Answer::Retry(failure, _) => panic!("{failure:?}"),
        })
        .collect();
    assert_eq!(kinds, [None, Some(Rejected), None, Some(FailureKind::Serialization), None]);
    assert_eq!(receiver.got().len(), 3);
}

#[test]
fn a_batch_in_several_requests_stops_at_the_first_that_fails() {
    let script = || vec![ok(), http("503 Service Unavailable", "Retry-After: 3\r\n", b"")];
    let receiver = HttpReceiver::new(script());
    let config = OtlpConfig {
        endpoint: Some(receiver.url()),
        max_request_bytes: Some(16 * 1024),
        ..OtlpConfig::default()
    };
    let batch = batch(40);
    let Answers::Each(answers) = sink_of(&config, &[]).deliver(&batch) else { panic!("one request") };
    assert_eq!(receiver.got().len(), 2);
    let there = receiver.got()[0].lines().len();
    assert_eq!(answers.len(), 40);
    assert!(there > 0 && answers[..there].iter().all(|answer| *answer == Answer::Acknowledged));
    let waits = |answer: &Answer| matches!(answer, Answer::Retry(_, Some(after)) if after.as_secs() == 3);
    assert!(answers[there..].iter().all(waits));
}

#[test]
fn a_refusal_after_an_acceptance_comes_back_as_the_batch_of_its_own_that_the_lane_splits() {
    let refuse = || http("413 Content Too Large", "", b"");
    let receiver = HttpReceiver::new(vec![ok(), refuse(), refuse()]);
    let config = OtlpConfig {
        endpoint: Some(receiver.url()),
        max_request_bytes: Some(16 * 1024),
        ..OtlpConfig::default()
    };
    let batch = batch(40);
    let mut sink = sink_of(&config, &[]);
    let Answers::Each(answers) = sink.deliver(&batch) else { panic!("one request") };
    let there = answers.iter().filter(|answer| **answer == Answer::Acknowledged).count();
    assert_eq!(there, receiver.got()[0].lines().len());
    assert!(matches!(sink.deliver(&batch[there..]), Answers::RefusedBatch(_)));
}

#[test]
fn a_partial_success_among_several_requests_is_not_sent_again() {
    let protobuf = "Content-Type: application/x-protobuf\r\n";
    let receiver = HttpReceiver::new(vec![ok(), http("200 OK", protobuf, &partial(1))]);
    let config = OtlpConfig {
        endpoint: Some(receiver.url()),
        max_request_bytes: Some(16 * 1024),
        ..OtlpConfig::default()
    };
    let Answers::Each(answers) = sink_of(&config, &[]).deliver(&batch(40)) else { panic!("one request") };
    let got = receiver.got();
    let (first, second) = (got[0].lines().len(), got[1].lines().len());
    let refused = |answer: &Answer| matches!(answer, Answer::Refused(_));
    assert!(answers[first..first + second].iter().all(refused));
    assert_eq!(answers.iter().filter(|a| **a == Answer::Acknowledged).count(), 40 - second);
}

#[test]
fn a_probe_sends_no_record_and_says_what_is_wrong() {
    let receiver = HttpReceiver::new(vec![ok(), http("401 Unauthorized", "", b"")]);
    let mut sink = sink(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    assert!(sink.health().healthy);
    assert!(receiver.got()[0].lines().is_empty());
    let failure = sink.probe().unwrap_err();
    assert_eq!(failure.kind, Auth);
    assert!(!sink.health().healthy);
    assert_eq!(receiver.got().len(), 2);
}

#[test]
fn a_compression_that_the_receiver_lacks_is_no_verdict_on_the_events() {
    let no = || http("415 Unsupported Media Type", "", b"");
    let also = || http("400 Bad Request", "", b"unsupported Content-Encoding");
    let not = |code, words: &str| GrpcSay::status(code).with("grpc-message", words);
    let go = "grpc: Decompressor is not installed for grpc-encoding \"zstd\"";
    let http_scripts = [(vec![], "zstd"), (vec![no()], "gzip"), (vec![no(), also()], "none")];
    let grpc_scripts = [
        (vec![not(13, go)], "gzip"),
        (vec![not(12, go)], "gzip"),
        (vec![not(12, "Content is compressed with `zstd` which isn't supported"), not(13, go)], "none"),
    ];
    let check = |url: &str, protocol: &str, got: &dyn Fn() -> Vec<super::receiver::Got>, ends: &str| {
        let config = OtlpConfig {
            compression: Some("zstd".into()),
            protocol: Some(protocol.into()),
            ..OtlpConfig::default()
        };
        let mut sink = sink_of(&config, &[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
        assert_eq!(deliver(&mut sink).0, Acknowledged);
        let before = got().len();
        assert_eq!(deliver(&mut sink).0, Acknowledged);
        // The second batch begins with what the first ended with.
        assert_eq!(got().len(), before + 1);
        let header = if protocol == "grpc" { "grpc-encoding" } else { "content-encoding" };
        for got in &got()[before - 1..] {
            assert_eq!(got.header(header).unwrap_or("none"), ends);
            assert_eq!(got.lines().len(), 3);
        }
        let said = sink.health().detail.unwrap_or_default();
        assert_eq!(said.contains("does not read"), ends != "zstd", "{said}");
        assert!(ends == "zstd" || said.contains(&format!("set `compression: {ends}`")), "{said}");
    };
    for (script, ends) in http_scripts {
        let receiver = HttpReceiver::new(script);
        check(&receiver.url(), "http/protobuf", &|| receiver.got(), ends);
    }
    for (script, ends) in grpc_scripts {
        let receiver = GrpcReceiver::new(script);
        check(&receiver.url(), "grpc", &|| receiver.got(), ends);
    }
}
