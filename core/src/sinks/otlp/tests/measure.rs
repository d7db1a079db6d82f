//! What encoding costs beside the generated structures, on the same records:
//! `cargo test --release -p sinkwell --lib sinks::otlp::tests::measure -- --ignored --nocapture`

use std::hint::black_box;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;

use super::{envelope_with, settings};
use crate::sink::Envelope;
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::compress::Compression;
use crate::sinks::otlp::request::{GRPC_PREFIX, Next, RequestWriter};

const BATCH: u64 = 512;
const ROUNDS: usize = 101;

/// The time of one run over the batch, per event: median of the rounds.
fn per_event(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2] / u32::try_from(BATCH).unwrap()
}

#[test]
#[ignore = "a measurement"]
fn encoding() {
    let data = r#"{"action":"read","decision":"allow","duration_ms":12.5,"error.type":"none","evaluated_rules":7,"gen_ai.operation.name":"execute_tool","gen_ai.tool.name":"search","mcp.method.name":"tools/call","mcp.session.id":"191c4850af6c49e08843a3f6c80e5046","outcome":"ok","reason":"the rule set of the tenant allows it","shadow":false,"tool":"search"}"#;
    let extra = [
        ("runid", r#""r-17""#),
        ("traceparent", r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#),
        ("signature", r#""MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=""#),
        ("keyid", r#""k1""#),
        ("sigalg", r#""hmac-sha256""#),
    ];
    let batch: Vec<Envelope> = (1..=BATCH).map(|n| envelope_with(n, data, &extra)).collect();
    let settings = settings(&OtlpConfig::default(), &[]).unwrap();
    let mut writer = RequestWriter::new(&settings.resource, settings.body, settings.max_request_bytes);
    let mut message = bytes::Bytes::new();
    let ours = per_event(|| match writer.next(&batch) {
        Next::Request { message: made, .. } => message = black_box(made),
        Next::TooLarge { .. } | Next::Malformed => panic!("no request"),
    });
    let generated = ExportLogsServiceRequest::decode(&message[GRPC_PREFIX..]).unwrap();
    // What an SDK does for a batch: build the structures, then encode them.
    let built = per_event(|| {
        black_box(black_box(&generated).clone().encode_to_vec());
    });
    let encoded = per_event(|| {
        black_box(black_box(&generated).encode_to_vec());
    });
    let copied = per_event(|| {
        black_box(message.to_vec());
    });
    let envelope: usize = batch.iter().map(|envelope| envelope.bytes.len()).sum::<usize>() / batch.len();
    println!("per event: {envelope} bytes sealed, {} bytes encoded", message.len() / batch.len());
    println!("scan and encode            {ours:?}");
    println!("prost, structures at hand  {encoded:?}");
    println!("prost, structures built    {built:?}");
    println!("copy of the request        {copied:?}");
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut size = 0;
        let time = per_event(|| size = black_box(compression.compress(&message, Vec::new()).unwrap()).len());
        println!("{compression:?} {time:?}, to {} bytes an event", size / batch.len());
    }
}
