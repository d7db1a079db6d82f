//! Emitters with sinks that are closures.

use std::sync::Arc;

use sinkwell::config::Source;
use sinkwell::event::Data;
use sinkwell::host::{HostSinkSpec, Opening};
use sinkwell::key::VerifyingKey;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::verify::{Options, Report, TrustedKey, Verifier};
use sinkwell::{Emitter, EventInput, Receipt, Result};

type Deliver = Arc<dyn Fn(&[Envelope]) -> Answers + Send + Sync>;

struct Closure(Deliver);

impl Sink for Closure {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        (self.0)(batch)
    }
}

/// A lane whose sink is a closure; `keys` are the lane's, as JSON.
pub(crate) fn sink(
    name: &str,
    keys: &str,
    deliver: impl Fn(&[Envelope]) -> Answers + Send + Sync + 'static,
) -> HostSinkSpec {
    let deliver: Deliver = Arc::new(deliver);
    HostSinkSpec {
        name: name.to_owned(),
        classes: Vec::new(),
        lane: Some(keys.to_owned()),
        make: Arc::new(move || Ok(Box::new(Closure(Arc::clone(&deliver))))),
    }
}

pub(crate) const SECRET: &str = "a key for tests, thirty-two long";

/// An emitter; `more` is further configuration, as YAML lines.
pub(crate) fn open(more: &str, sinks: Vec<HostSinkSpec>) -> Emitter {
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.encode(SECRET);
    let text = format!(
        "agent: {{ id: own, allow: [\"agent-*\"] }}\nkey: {{ id: k, hmac_sha256: {{ base64: \"{key}\" }} }}\nheartbeat: off\n{more}"
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    sinkwell::host::open(Opening { source, sinks, signer: None, manual: false }, &SystemEnv::default())
        .unwrap()
}

pub(crate) fn emit(emitter: &Emitter, n: u64, agent: Option<&str>) -> Result<Receipt> {
    let data = format!(r#"{{"n":{n}}}"#);
    let mut input = EventInput::new("com.example.step");
    input.data = Data::Json(data.as_bytes());
    input.agent = agent;
    emitter.emit(input)
}

pub(crate) fn away() -> Failure {
    Failure::new(FailureKind::Network, "away")
}

pub(crate) fn soak() -> u64 {
    std::env::var("SINKWELL_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

pub(crate) fn verifier() -> Verifier {
    let mut options = Options::default();
    options.keys.push(TrustedKey::new("k", VerifyingKey::hmac(SECRET.as_bytes()).unwrap()));
    Verifier::new(options)
}

/// Has a verifier read a batch as the lines that a file would hold.
pub(crate) fn read(verifier: &std::sync::Mutex<Verifier>, batch: &[Envelope]) {
    let mut text = Vec::new();
    lines(&mut text, batch);
    verifier.lock().unwrap().read(&mut &*text, "sink").unwrap();
}

pub(crate) fn judge(bytes: &[u8]) -> Report {
    let mut verifier = verifier();
    verifier.read(&mut &*bytes, "sink").unwrap();
    verifier.finish().unwrap()
}

/// Appends a batch as the lines that a file would hold.
pub(crate) fn lines(into: &mut Vec<u8>, batch: &[Envelope]) {
    for envelope in batch {
        into.extend_from_slice(&envelope.bytes);
        into.push(b'\n');
    }
}
