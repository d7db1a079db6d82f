//! Tests of the OTLP sink against receivers that do as they are told.

mod answers;
mod connections;
mod encoding;
mod environment;
mod measure;
mod metrics;
mod receiver;
mod spans;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use crate::json::{self, Value};
use crate::seam::{ManualClock, Uuid, parse_time};
use crate::sink::{Envelope, EnvelopeInner};
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::{Facts, OtlpSink, Settings};

/// 2026-01-01T00:00:00Z
const NOW: u64 = 1_767_225_600_000_000_000;

/// An envelope of stream 1 with this `data`, as canonical as `extra` (further members) makes it.
fn envelope_with(sequence: u64, data: &str, extra: &[(&str, &str)]) -> Envelope {
    let text = format!(
        r#"{{"agentid":"urn:a","data":{data},"datacontenttype":"application/json","dataschema":"https://sinkwell.dev/schemas/governance-event/1.0","id":"0198c000-0000-7000-8000-{sequence:012}","prevhash":"{hash}","recordedtime":"2026-01-01T00:00:00.000000002Z","sequence":"{sequence:020}","severitynumber":9,"severitytext":"INFO","source":"urn:a","specversion":"1.0","streamid":"0198c000-0000-7000-8000-000000000000","time":"2026-01-01T00:00:00.000000001Z","type":"dev.sinkwell.tool.invocation"}}"#,
        hash = "ab".repeat(32),
    );
    let mut tree = json::parse(text.as_bytes()).unwrap();
    if let Value::Object(members) = &mut tree {
        for (key, value) in extra {
            members.push(((*key).to_owned(), json::parse(value.as_bytes()).unwrap()));
        }
    }
    from_bytes(sequence, tree.to_canonical().unwrap())
}

fn from_bytes(sequence: u64, bytes: Vec<u8>) -> Envelope {
    Envelope::new(EnvelopeInner {
        bytes,
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
        time: parse_time("2026-01-01T00:00:00.000000001Z").unwrap(),
        recordedtime: parse_time("2026-01-01T00:00:00.000000002Z").unwrap(),
        severity: 9,
    })
}

fn envelope(sequence: u64) -> Envelope {
    envelope_with(sequence, r#"{"outcome":"ok","tool":"search"}"#, &[])
}

fn batch(n: u64) -> Vec<Envelope> {
    (1..=n).map(envelope).collect()
}

fn facts() -> Facts {
    Facts { host_name: Some("box".into()), pid: 42, executable: Some("/opt/agent".into()) }
}

/// Settings for a document that says `config`, and these variables.
fn settings(config: &OtlpConfig, variables: &[(&str, &str)]) -> crate::Result<Settings> {
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::resolve(config, &env, &facts(), Duration::from_secs(10))
}

/// A sink that only variables configure.
fn sink(variables: &[(&str, &str)]) -> OtlpSink {
    sink_of(&OtlpConfig::default(), variables)
}

fn sink_of(config: &OtlpConfig, variables: &[(&str, &str)]) -> OtlpSink {
    OtlpSink::new(settings(config, variables).unwrap(), Arc::new(ManualClock::new(NOW))).unwrap()
}
