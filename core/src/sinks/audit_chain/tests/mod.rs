//! Tests of the audit chain, and the sealed lines they use.

mod call;
mod chain;
mod crash;
mod depth;
mod format;
mod group;
mod retention;
mod taken;
mod tamper;

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::*;
use crate::hex;
use crate::json::Value;
use crate::key::SigningKey;
use crate::seam::{UnixNanos, Uuid, format_time};
use crate::sink::{Answers, Envelope, EnvelopeHash, EnvelopeInner, Sink};
use crate::testing::TempDir;

/// 2026-01-01T00:00:00Z
pub(super) const START: UnixNanos = 1_767_225_600_000_000_000;

/// What an event says, for [`Sealer::seal`].
#[derive(Clone, Default)]
pub(super) struct Said {
    pub(super) event_type: Option<&'static str>,
    pub(super) run: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) data: Vec<(String, Value)>,
    pub(super) own: bool,
}

/// Seals one stream as docs/spec/envelope.md says, without any of the sealer's code.
pub(super) struct Sealer {
    key: SigningKey,
    agentid: Arc<str>,
    pub(super) streamid: Uuid,
    next: u64,
    prevhash: Option<EnvelopeHash>,
    recorded: UnixNanos,
    /// The id of the next event, where it is not a new one.
    pub(super) id: Option<String>,
}

impl Sealer {
    pub(super) fn new(n: u8) -> Self {
        Self {
            key: SigningKey::hmac("k1", &[7; 32]).unwrap(),
            agentid: format!("urn:example:agent:{n}").into(),
            streamid: Uuid::v7(START, [n; 16]),
            next: 1,
            prevhash: None,
            recorded: START,
            id: None,
        }
    }

    pub(super) fn seal(&mut self, said: Said) -> Envelope {
        let Said { event_type, run, tenant, subject, data, own } = said;
        let event_type = event_type.unwrap_or("dev.sinkwell.tool.invocation");
        self.recorded += 1_000_000_000;
        let new = Uuid::v7(
            self.recorded,
            Sha256::digest([self.streamid.0[15], self.next as u8, (self.next >> 8) as u8])[..16]
                .try_into()
                .unwrap(),
        );
        let id = self.id.take().unwrap_or_else(|| new.to_string());
        let id = crate::event::EventId::read(&id).unwrap();
        let mut members: Vec<(String, Value)> = [
            ("specversion", "1.0"),
            ("source", &*self.agentid),
            ("type", event_type),
            ("datacontenttype", "application/json"),
            ("dataschema", "https://sinkwell.dev/schemas/governance-event/1.0"),
            ("agentid", &*self.agentid),
            ("severitytext", "INFO"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
        let mut put = |key: &str, value: Value| members.push((key.to_owned(), value));
        put("id", id.to_string().into());
        put("time", time(self.recorded - 500).into());
        put("recordedtime", time(self.recorded).into());
        put("severitynumber", Value::Int(9));
        put("streamid", self.streamid.to_string().into());
        put("sequence", format!("{:020}", self.next).into());
        put("data", Value::Object(data));
        for (key, value) in [("runid", run), ("tenantid", tenant), ("subject", subject)] {
            if let Some(value) = value {
                put(key, value.into());
            }
        }
        if own {
            put("origin", "core".into());
        }
        if let Some(prevhash) = self.prevhash {
            put("prevhash", hex::text(&prevhash).into());
        }
        let unsigned = Value::Object(members.clone()).to_canonical().unwrap();
        let mut reader = crate::envelope::line::Reader::default();
        let crate::envelope::line::Line::Envelope(read) = reader.read(&unsigned) else {
            panic!("no envelope")
        };
        let (digest, hash) = read.hashes();
        let signature = self.key.sign_local(&crate::envelope::seal_message(&hash));
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&signature);
        for (key, value) in [("sigalg", "hmac-sha256"), ("keyid", "k1"), ("signature", &text)] {
            members.push((key.into(), value.into()));
        }
        let envelope = Envelope::new(EnvelopeInner {
            bytes: Value::Object(members).to_canonical().unwrap(),
            id,
            event_type: event_type.into(),
            own,
            terminal: false,
            signed: true,
            streamid: self.streamid,
            sequence: self.next,
            span: None,
            hash,
            digest,
            prevhash: self.prevhash,
            agentid: Arc::clone(&self.agentid),
            time: self.recorded - 500,
            recordedtime: self.recorded,
            severity: 9,
        });
        self.prevhash = Some(hash);
        self.next += 1;
        envelope
    }

    /// `n` events of a tool, in runs of ten.
    pub(super) fn some(&mut self, n: u64) -> Vec<Envelope> {
        (0..n)
            .map(|_| {
                self.seal(Said {
                    run: Some(format!("run-{}", self.next / 10)),
                    tenant: Some("acme".into()),
                    subject: Some(format!("tool:search-{}", self.next)),
                    data: vec![("tool".into(), "search".into()), ("query".into(), "marker-in-data".into())],
                    ..Said::default()
                })
            })
            .collect()
    }
}

pub(super) fn time(nanos: UnixNanos) -> String {
    let mut out = Vec::new();
    format_time(&mut out, nanos);
    String::from_utf8(out).unwrap()
}

pub(super) struct Log {
    pub(super) dir: TempDir,
    pub(super) path: PathBuf,
    pub(super) sink: AuditSink,
}

impl Log {
    pub(super) fn new() -> Self {
        let dir = TempDir::new();
        let path = dir.path().join("audit.db");
        let mut options = AuditOptions::new(&path);
        options.origin = Some("example.com/audit".into());
        Self { dir, sink: AuditSink::open(options).unwrap(), path }
    }

    pub(super) fn deliver(&mut self, batch: &[Envelope]) {
        assert_eq!(self.sink.deliver(batch), Answers::Acknowledged);
    }

    pub(super) fn db(&self) -> AuditDb {
        AuditDb::open_read(&self.path).unwrap()
    }

    pub(super) fn verify(&self) -> AuditReport {
        self.db().verify(&VerifyOptions::default()).unwrap()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.db().export(&mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }
}
