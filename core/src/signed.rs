//! A sealed envelope with its attributes by name, as a sink of one's own gets it, or as it is read from a line.
//!
//! Guarantees: the bytes are the exact line; an attribute is read from them, and parsed only when somebody asks.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
#[allow(clippy::disallowed_types, reason = "a time to tell; the clock is not asked")]
use std::time::SystemTime;

use crate::envelope::line::{Line, Reader};
use crate::error::{Error, Result};
use crate::hex;
use crate::json::{self, Value};
use crate::seam::UnixNanos;
use crate::sink::{Envelope, EnvelopeInner};
use crate::verify::{TrustedKey, Verdict, verify_envelope};

/// A sealed envelope. A clone shares what it holds; nothing in it changes.
///
/// ```
/// # fn main() -> sinkwell::Result<()> {
/// use sinkwell::SignedGovernanceEvent;
///
/// # let line = r#"{"agentid":"urn:example:agent","data":{"tool":"search"},"sequence":"00000000000000000001",
/// #     "streamid":"019b76da-a800-7000-8000-000000001001"}"#;
/// let event = SignedGovernanceEvent::from_line(line.as_bytes())?;
/// assert_eq!((event.agent_id(), event.sequence()), ("urn:example:agent", 1));
/// assert_eq!(event.data().get("tool").and_then(|tool| tool.as_str()), Some("search"));
/// // Without a key anybody could have made it.
/// assert!(!event.verify(&[]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SignedGovernanceEvent(Arc<Inner>);

struct Inner {
    envelope: Envelope,
    members: OnceLock<Value>,
}

impl From<Envelope> for SignedGovernanceEvent {
    fn from(envelope: Envelope) -> Self {
        Self(Arc::new(Inner { envelope, members: OnceLock::new() }))
    }
}

/// Names the envelope; never its data.
impl fmt::Debug for SignedGovernanceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.envelope.fmt(f)
    }
}

impl SignedGovernanceEvent {
    /// Reads a line, without asking whether it is genuine: that is [`verify`](Self::verify)'s to say. A line that other
    /// software has written anew is put in canonical form.
    ///
    /// # Errors
    /// `verification`: the line is no envelope.
    pub fn from_line(line: &[u8]) -> Result<Self> {
        let mut reader = Reader::default();
        match reader.read(line.trim_ascii()) {
            Line::Envelope(read) => {
                let bytes = read.text().into();
                Ok(Envelope::new(EnvelopeInner { bytes, ..read.for_sink() }).into())
            }
            Line::Stub(_) | Line::BadStub { .. } => {
                Err(Error::verification("a stub: retention erased what it said"))
            }
            Line::Other { note, .. } => Err(Error::verification(note)),
        }
    }

    /// The exact line, without its newline.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.envelope.bytes
    }

    /// The id of the event, the same in every lane: a UUIDv7, or the host's own.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.envelope.id.to_string()
    }

    /// The full type, as on the wire.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.0.envelope.event_type
    }

    /// The emitting agent.
    #[must_use]
    pub fn agent_id(&self) -> &str {
        &self.0.envelope.agentid
    }

    /// The stream that it belongs to.
    #[must_use]
    pub fn stream_id(&self) -> String {
        self.0.envelope.streamid.to_string()
    }

    /// Its place in the stream, from 1 on.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.0.envelope.sequence
    }

    /// The hash of the one before it, 64 hex digits; `None` for the first.
    #[must_use]
    pub fn prev_hash(&self) -> Option<String> {
        self.0.envelope.prevhash.as_ref().map(|hash| hex::text(hash))
    }

    /// The SHA-256 of what happened, without its place, 64 hex digits: the same in every lane that sealed it in the same
    /// form.
    #[must_use]
    pub fn event_digest(&self) -> String {
        hex::text(&self.0.envelope.digest)
    }

    /// The envelope's hash, 64 hex digits: a repeat has the same.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        hex::text(&self.0.envelope.hash)
    }

    /// When it occurred.
    #[must_use]
    #[allow(clippy::disallowed_types, reason = "a time to tell; the clock is not asked")]
    pub fn time(&self) -> SystemTime {
        moment(self.0.envelope.time)
    }

    /// When it was sealed.
    #[must_use]
    #[allow(clippy::disallowed_types, reason = "a time to tell; the clock is not asked")]
    pub fn recorded_time(&self) -> SystemTime {
        moment(self.0.envelope.recordedtime)
    }

    /// 1 (trace), 5, 9, 13, 17 or 21 (fatal).
    #[must_use]
    pub fn severity_number(&self) -> u8 {
        self.0.envelope.severity
    }

    /// Whether sinkwell made it about itself (`origin: core`).
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.0.envelope.own
    }

    fn members(&self) -> &Value {
        self.0.members.get_or_init(|| json::parse(self.bytes()).unwrap_or(Value::Null))
    }

    /// What happened: an object.
    #[must_use]
    pub fn data(&self) -> &Value {
        self.members().get("data").unwrap_or(&Value::Null)
    }

    /// A text attribute by its name on the wire: `source`, `keyid`, `signature`, …
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.members().get(name).and_then(Value::as_str)
    }

    /// Whether this envelope is good by itself: its form, its own signature by one of these keys, and its disclosures.
    /// Whether its stream is whole only [`Verifier`](crate::verify::Verifier) says. Without a key nothing is good.
    #[must_use]
    pub fn verify(&self, keys: &[TrustedKey]) -> bool {
        verify_envelope(self.bytes(), keys).0 == Verdict::Sound
    }
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $method:ident = $name:literal;)*) => {
        impl SignedGovernanceEvent {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(&self) -> Option<&str> {
                self.attribute($name)
            })*
        }
    };
}

attributes! {
    /// The producer.
    source = "source";
    /// What it is about.
    subject = "subject";
    /// The tenant's scope.
    tenant_id = "tenantid";
    /// The agent run.
    run_id = "runid";
    /// The turn in the run.
    turn_id = "turnid";
    /// The attempt in the turn.
    attempt_id = "attemptid";
    /// The id of the event that caused this one.
    causation_id = "causationid";
    /// The id of the whole conversation.
    correlation_id = "correlationid";
    /// The W3C trace context.
    traceparent = "traceparent";
    /// W3C's `tracestate`.
    tracestate = "tracestate";
    /// `TRACE` … `FATAL`.
    severity_text = "severitytext";
    /// The version of the policy bundle in force.
    policy_version = "policyversion";
    /// Which key sealed it: a hint, never itself trusted.
    key_id = "keyid";
    /// `hmac-sha256` or `ed25519`; `None` where it has no signature of its own.
    sigalg = "sigalg";
    /// The signature in base64.
    signature = "signature";
}

#[allow(clippy::disallowed_types, reason = "a time to tell; the clock is not asked")]
fn moment(nanos: UnixNanos) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

#[cfg(feature = "serde")]
mod with_serde {
    use serde_core::de::{Deserialize, Deserializer, Error as _};
    use serde_core::ser::{Serialize, Serializer};

    use super::{SignedGovernanceEvent, Value};

    /// An envelope as an object of any format of serde's. Nothing is verified: ask
    /// [`verify`](SignedGovernanceEvent::verify).
    impl<'de> Deserialize<'de> for SignedGovernanceEvent {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let line = Value::deserialize(deserializer)?.to_canonical().map_err(D::Error::custom)?;
            Self::from_line(&line).map_err(D::Error::custom)
        }
    }

    impl Serialize for SignedGovernanceEvent {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.members().serialize(serializer)
        }
    }
}
