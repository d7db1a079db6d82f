//! Envelopes of finished spans as OTLP spans, read back by an independent decoder.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::receiver::{HttpReceiver, Say, http, ok};
use super::{envelope, envelope_with, sink_of};
use crate::sink::{Answers, Envelope, EnvelopeInner, Sink, SpanForm, SpanThreshold};
use crate::sinks::otlp::spans::{encode, trace_state};
use crate::sinks::otlp::{Facts, OtlpConfig, OtlpSink, Settings};

const PARENT: &str = r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#;

fn of_span(sequence: u64, data: &str, state: &str, form: Option<SpanForm>) -> Envelope {
    let state = format!("{state:?}");
    let envelope = envelope_with(sequence, data, &[("traceparent", PARENT), ("tracestate", &state)]);
    let inner = EnvelopeInner {
        span: form,
        hash: [u8::try_from(sequence).unwrap(); 32],
        bytes: envelope.bytes.clone(),
        ..envelope.parts()
    };
    Envelope::new(EnvelopeInner { time: 1_767_225_600_000_000_001, ..inner })
}

fn span(data: &str) -> Span {
    let bytes = encode(&of_span(1, data, "a=b", Some(SpanForm::default()))).unwrap();
    Span::decode(bytes.as_slice()).unwrap()
}

fn text<'s>(span: &'s Span, key: &str) -> Option<&'s str> {
    match span.attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text),
        _ => None,
    }
}

#[test]
fn a_span_is_what_its_event_says() {
    let one = span(
        r#"{"content":[{"class":"prompt"}],"duration_ms":1.5,"error.type":"timeout","gen_ai":{"tool":{"name":"nested"}},"gen_ai.operation.name":"execute_tool","gen_ai.tool.name":"search","list":[1,"a"],"outcome":"timeout","parent_span_id":"00f067aa0ba902b7","tool":"search","view":{"policy":"p"}}"#,
    );
    assert_eq!(one.trace_id, *b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c");
    assert_eq!(one.span_id, *b"\xb7\xad\x6b\x71\x69\x20\x33\x31");
    assert_eq!(one.parent_span_id, *b"\x00\xf0\x67\xaa\x0b\xa9\x02\xb7");
    assert_eq!((one.trace_state.as_str(), one.flags), ("a=b", 1));
    assert_eq!((one.name.as_str(), one.kind), ("execute_tool search", 1));
    assert_eq!(
        (one.start_time_unix_nano, one.end_time_unix_nano),
        (1_767_225_599_998_500_001, 1_767_225_600_000_000_001)
    );
    assert_eq!(one.status.as_ref().unwrap().code, 2);
    let keys: Vec<_> = one.attributes.iter().map(|pair| pair.key.as_str()).collect();
    // Nothing of content, of what fields say, or of what policies noted; each name once, the less nested one.
    assert_eq!(
        keys,
        [
            "error.type",
            "gen_ai.operation.name",
            "gen_ai.tool.name",
            "list",
            "outcome",
            "tool",
            "cloudevents.event_id",
            "cloudevents.event_type",
            "sinkwell.hash"
        ]
    );
    assert_eq!(text(&one, "gen_ai.tool.name"), Some("search"));
    assert_eq!(text(&one, "cloudevents.event_type"), Some("dev.sinkwell.tool.invocation"));
    assert_eq!(text(&one, "sinkwell.hash"), Some("01".repeat(32).as_str()));

    let model = span(
        r#"{"gen_ai.operation.name":"chat","gen_ai.request.model":"large","source.family":"model","status":"ok"}"#,
    );
    assert_eq!((model.name.as_str(), model.kind, model.status.unwrap().code), ("chat large", 3, 1));
    assert_eq!((model.parent_span_id.len(), model.start_time_unix_nano), (0, model.end_time_unix_nano));
    let plain = span(r#"{"name":"GET /","status":"unset"}"#);
    assert_eq!((plain.name.as_str(), plain.status), ("GET /", None));
    assert!(encode(&of_span(1, "{}", "", None)).is_none(), "an event of no span");
    let bare = Envelope::new(EnvelopeInner {
        span: Some(SpanForm::default()),
        bytes: envelope(1).bytes.clone(),
        ..envelope(1).parts()
    });
    assert!(encode(&bare).is_none(), "without a trace context");
}

#[test]
fn a_span_has_its_kind_its_links_and_what_happened() {
    let kinds = ["", "internal", "server", "client", "producer", "consumer", "of another version"];
    let of =
        |kind: &str| span(&format!(r#"{{"name":"a","span_kind":"{kind}","mcp.method.name":"tools/call"}}"#));
    // What the span does not say is known of a call.
    assert_eq!(kinds.map(|kind| of(kind).kind), [3, 1, 2, 3, 4, 5, 3]);
    let one = span(
        r#"{"name":"a","span_events":[{"attributes":{"cache.size":3,"exception.type":"E","tags":["x"]},"name":"exception","time":"2023-11-14T22:13:21.000000001Z"},{"name":"bare"},{"nothing":1},7],"span_events_left_out":300,"span_kind":"consumer","span_links":[{"attributes":{"n.n":1.5},"flags":1,"span_id":"00f067aa0ba902b7","state":"a=b","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},{"span_id":"00f067aa0ba902b7","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},{"span_id":"x","trace_id":"y"}],"span_links_left_out":2}"#,
    );
    assert_eq!((one.dropped_events_count, one.dropped_links_count), (300, 2));
    let [exception, bare] = one.events.as_slice() else { panic!("{:?}", one.events) };
    assert_eq!((exception.name.as_str(), exception.time_unix_nano), ("exception", 1_700_000_001_000_000_001));
    let keys: Vec<_> = exception.attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(keys, ["cache.size", "exception.type", "tags"]);
    assert_eq!((bare.name.as_str(), bare.time_unix_nano, bare.attributes.len()), ("bare", 0, 0));
    let [whole, short] = one.links.as_slice() else { panic!("{:?}", one.links) };
    assert_eq!(whole.trace_id, *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36");
    assert_eq!(whole.span_id, *b"\x00\xf0\x67\xaa\x0b\xa9\x02\xb7");
    assert_eq!((whole.trace_state.as_str(), whole.flags, whole.attributes.len()), ("a=b", 1, 1));
    assert_eq!((short.trace_state.as_str(), short.flags, short.attributes.len()), ("", 0, 0));
    // They are fields, and no attributes.
    assert!(one.attributes.iter().all(|pair| !pair.key.starts_with("span_")), "{:?}", one.attributes);
    // What a policy made something else of is left out.
    let odd =
        span(r#"{"name":"a","span_events":"x","span_kind":7,"span_links":{},"span_links_left_out":-1}"#);
    assert_eq!((odd.kind, odd.events.len(), odd.links.len(), odd.dropped_links_count), (1, 0, 0, 0));
}

#[test]
fn a_threshold_goes_into_the_trace_state_and_all_else_stays() {
    let set = |threshold: u64| SpanThreshold::Set(threshold);
    for (given, threshold, expected) in [
        ("", SpanThreshold::Brought, ""),
        ("a=b , ot=th:8;rv:0123456789abcd", SpanThreshold::Brought, "a=b , ot=th:8;rv:0123456789abcd"),
        ("", set(0), "ot=th:0"),
        ("", set(0x00f3_3333_0000_0000), "ot=th:f33333"),
        ("a=b,c= d", set(0x0080_0000_0000_0000), "ot=th:8,a=b,c= d"),
        (
            "a=b,ot=th:4;rv:0123456789abcd;x:y,c=d",
            set(0x0080_0000_0000_0000),
            "ot=th:8;rv:0123456789abcd;x:y,a=b,c=d",
        ),
        ("a=b,ot=rv:0123456789abcd;th:4", SpanThreshold::Unknown, "ot=rv:0123456789abcd,a=b"),
        ("a=b,ot=th:4", SpanThreshold::Unknown, "a=b"),
        ("a=b", SpanThreshold::Unknown, "a=b"),
    ] {
        assert_eq!(trace_state(given, threshold), expected, "{given:?} {threshold:?}");
    }
    let long = format!("ot=th:4;x:{}", "y".repeat(240));
    assert_eq!(
        trace_state(&format!("{long},a=b"), set(0x00f3_3333_3333_3333)),
        format!("{},a=b", long.replace("th:4;", ""))
    );
    let full: Vec<String> = (0..32).map(|n| format!("m{n}=v")).collect();
    let full = full.join(",");
    assert_eq!(trace_state(&full, set(0)), full, "no room for another member");
}

#[test]
fn spans_go_before_the_records_of_their_events_and_once() {
    let (logs, spans) = (
        HttpReceiver::new(vec![http("503 Service Unavailable", "", b"")]),
        HttpReceiver::new(vec![
            http("503 Service Unavailable", "", b""),
            ok(),
            http("400 Bad Request", "", b""),
        ]),
    );
    let config = |url: String| OtlpConfig { endpoint: Some(url), traces: true, ..OtlpConfig::default() };
    let limit = std::time::Duration::from_secs(10);
    let traces = Settings::resolve_traces(&config(spans.url()), &|_| None, &Facts::default(), limit).unwrap();
    let mut sink = sink_of(&config(logs.url()), &[]).with_traces(traces).unwrap();
    let form = Some(SpanForm { threshold: SpanThreshold::Set(0x0080_0000_0000_0000) });
    let batch =
        [envelope(1), of_span(2, r#"{"name":"a"}"#, "", form), of_span(3, r#"{"name":"b"}"#, "", form)];
    // Spans are refused for now: no record goes either.
    assert!(matches!(sink.deliver(&batch), Answers::Retry(..)));
    assert_eq!((logs.got().len(), spans.got().len()), (0, 1));
    // They are there, and the records are refused for now; then the spans are not sent again.
    assert!(matches!(sink.deliver(&batch), Answers::Retry(..)));
    assert_eq!(sink.deliver(&batch), Answers::Acknowledged);
    assert_eq!((logs.got().len(), spans.got().len()), (2, 2));
    assert_eq!(spans.got()[1].line, "POST /v1/traces");
    let request = ExportTraceServiceRequest::decode(spans.got()[1].body.as_slice()).unwrap();
    let sent = &request.resource_spans[0].scope_spans[0].spans;
    assert_eq!(sent.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(sent.iter().all(|span| span.trace_state == "ot=th:8"));
    assert_eq!(logs.got()[1].lines().len(), 3, "every event is a record");
    // Without spans nothing is said of them; spans that are refused for good cost no event.
    assert_eq!(sink.deliver(&[envelope(4)]), Answers::Acknowledged);
    assert_eq!(spans.got().len(), 2);
    assert_eq!(sink.deliver(&[of_span(5, "{}", "", form)]), Answers::Acknowledged);
    assert_eq!((logs.got().len(), spans.got().len()), (4, 3));
    assert!(sink.health().detail.is_some_and(|detail| detail.contains("400")));
}

/// One lane's batch with three spans, and two receivers.
struct Both {
    sink: OtlpSink,
    logs: HttpReceiver,
    spans: HttpReceiver,
    batch: [Envelope; 3],
}

impl Both {
    fn new(logs: Vec<Say>, spans: Vec<Say>) -> Self {
        let (logs, spans) = (HttpReceiver::new(logs), HttpReceiver::new(spans));
        let config = |url: String| OtlpConfig { endpoint: Some(url), traces: true, ..OtlpConfig::default() };
        let limit = std::time::Duration::from_secs(10);
        let traces =
            Settings::resolve_traces(&config(spans.url()), &|_| None, &Facts::default(), limit).unwrap();
        let sink = sink_of(&config(logs.url()), &[]).with_traces(traces).unwrap();
        let form = Some(SpanForm::default());
        let batch = ["a", "b", "c"].map(|name| {
            of_span(u64::from(name.as_bytes()[0]), &format!("{{\"name\":\"{name}\"}}"), "", form)
        });
        Self { sink, logs, spans, batch }
    }

    /// The names in each request of spans.
    fn names(&self) -> Vec<String> {
        let names = |body: &[u8]| {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let spans =
                request.resource_spans.iter().flat_map(|of| of.scope_spans.iter()).flat_map(|of| &of.spans);
            spans.map(|span| span.name.clone()).collect::<String>()
        };
        self.spans.got().iter().map(|request| names(&request.body)).collect()
    }
}

#[test]
fn a_batch_that_the_lane_splits_does_not_send_its_spans_again() {
    let refused = || http("400 Bad Request", "", b"");
    let mut both = Both::new(vec![refused(), ok(), refused(), ok(), ok()], vec![]);
    let batch = both.batch.clone();
    assert!(matches!(both.sink.deliver(&batch), Answers::RefusedBatch(_)));
    assert_eq!(both.sink.deliver(&batch[..1]), Answers::Acknowledged);
    assert!(matches!(both.sink.deliver(&batch[1..2]), Answers::RefusedBatch(_)));
    assert_eq!(both.sink.deliver(&batch[2..]), Answers::Acknowledged);
    assert_eq!(both.names(), ["abc"]);
    // And nothing is remembered of what will not come again.
    assert_eq!(both.sink.deliver(&batch[..1]), Answers::Acknowledged);
    assert_eq!(both.names(), ["abc", "a"]);
    assert_eq!(both.logs.got().len(), 5);
}

#[test]
fn a_span_that_is_refused_costs_no_other() {
    let refused = || http("400 Bad Request", "", b"");
    let mut both = Both::new(vec![], vec![refused(), ok(), refused(), refused(), ok()]);
    let batch = both.batch.clone();
    assert_eq!(both.sink.deliver(&batch), Answers::Acknowledged);
    assert_eq!(both.names(), ["abc", "a", "bc", "b", "c"]);
}
