//! Host sinks and signers: jobs that go to the JVM by the [`mail`](crate::mail), and their answers.
//!
//! Guarantees: a job is answered exactly once: one that the JVM drops has failed. Sealed records get only the type of an
//! exception; its text goes to the health that the host sees.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use sinkwell::host::HostSinkSpec;
use sinkwell::key::HostSigner;
use sinkwell::sink::{self, Answer, Answers, Attached, Outcome, Said, Sink, SinkHealth};

use crate::mail::{Mail, post};

/// A slot for the JVM's answer, for which a thread of the core waits; the lane has its own time-out.
struct Reply<T> {
    answer: Mutex<Option<T>>,
    ready: Condvar,
}

impl<T> Reply<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(None), ready: Condvar::new() })
    }

    /// The first answer counts.
    fn put(&self, answer: T) {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(answer);
        self.ready.notify_all();
    }

    fn take(&self) -> T {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match answer.take() {
                Some(answer) => return answer,
                None => answer = self.ready.wait(answer).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A sealed envelope: the exact line, and what is in no member of it.
#[derive(uniffi::Record)]
pub struct Envelope {
    bytes: Vec<u8>,
    hash: Vec<u8>,
    digest: Vec<u8>,
    own: bool,
    terminal: bool,
}

/// What a host's sink says of an envelope or of a batch.
#[derive(uniffi::Record)]
pub struct Told {
    /// `taken`, `refused`, `uncertain`, `retry`, `nonsense`.
    outcome: String,
    /// The type of the exception.
    name: String,
    /// Its text.
    detail: Option<String>,
}

fn answer(told: Told) -> Answer {
    let outcome = match told.outcome.as_str() {
        "taken" => return Answer::Acknowledged,
        "refused" => Outcome::Refused,
        "uncertain" => Outcome::Uncertain,
        "nonsense" => Outcome::Nonsense,
        _ => Outcome::Retry(None),
    };
    outcome.answer(&told.name, told.detail)
}

/// A batch for a host's sink.
#[derive(uniffi::Object)]
pub struct DeliverJob {
    batch: Vec<sink::Envelope>,
    timeout: Duration,
    reply: Arc<Reply<Said>>,
}

#[uniffi::export]
impl DeliverJob {
    /// The envelopes, oldest first.
    fn envelopes(&self) -> Vec<Envelope> {
        let one = |envelope: &sink::Envelope| Envelope {
            bytes: envelope.bytes.to_vec(),
            hash: envelope.hash.to_vec(),
            digest: envelope.digest.to_vec(),
            own: envelope.own,
            terminal: envelope.terminal,
        };
        self.batch.iter().map(one).collect()
    }

    /// For how many milliseconds the lane waits.
    fn timeout_ms(&self) -> u64 {
        u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// An answer for each envelope that a sink was given by itself, as far as it came.
    fn answer_first(&self, answers: Vec<Told>) {
        self.reply.put(Said::OneByOne(answers.into_iter().map(answer).collect()));
    }

    /// An answer for each envelope of the batch, in order.
    fn answer_each(&self, answers: Vec<Told>) {
        self.reply.put(Said::Each(answers.into_iter().map(answer).collect()));
    }

    /// One answer for the batch.
    fn answer_as_one(&self, told: Told) {
        self.reply.put(Said::AsOne(answer(told)));
    }
}

impl Drop for DeliverJob {
    fn drop(&mut self) {
        let dropped = Outcome::Retry(None).answer("the sink dropped the batch without an answer", None);
        self.reply.put(Said::AsOne(dropped));
    }
}

/// A question for a host's sink: how it is.
#[derive(uniffi::Object)]
pub struct HealthJob {
    reply: Arc<Reply<SinkHealth>>,
}

#[uniffi::export]
impl HealthJob {
    /// How it is.
    fn answer(&self, healthy: bool, detail: Option<String>) {
        self.reply.put(SinkHealth { healthy, detail });
    }
}

impl Drop for HealthJob {
    fn drop(&mut self) {
        self.reply
            .put(SinkHealth { healthy: false, detail: Some("the sink did not say how it is".to_owned()) });
    }
}

type Signed = std::result::Result<Vec<Vec<u8>>, String>;

/// Signing inputs for a host's signer.
#[derive(uniffi::Object)]
pub struct SignJob {
    inputs: Vec<Vec<u8>>,
    reply: Arc<Reply<Signed>>,
}

#[uniffi::export]
impl SignJob {
    /// What is to be signed.
    fn inputs(&self) -> Vec<Vec<u8>> {
        self.inputs.clone()
    }

    /// A raw signature per input, in order.
    fn answer(&self, signatures: Vec<Vec<u8>>) {
        self.reply.put(Ok(signatures));
    }

    /// Why there is none.
    fn fail(&self, why: String) {
        self.reply.put(Err(why));
    }
}

impl Drop for SignJob {
    fn drop(&mut self) {
        self.reply.put(Err("the signer gave no answer".to_owned()));
    }
}

/// A sink of the host's, as Kotlin describes it.
#[derive(uniffi::Record)]
pub struct HostSink {
    /// What the mail calls it by.
    id: u64,
    /// The name that a lane's `sink: { host: NAME }` refers to.
    name: String,
    /// Its own classes; empty: the configuration's default.
    classes: Vec<String>,
    /// Any keys of a lane, as a JSON object.
    lane: Option<String>,
    /// Whether a repeat of an envelope does no harm.
    idempotent: bool,
}

/// Says that nothing uses a sink or signer any more.
struct Freed(u64);

impl Drop for Freed {
    fn drop(&mut self) {
        post(Mail::Free { host: self.0 });
    }
}

struct Bridge {
    host: Arc<Freed>,
    idempotent: bool,
    timeout: Duration,
}

impl Sink for Bridge {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn attach(&mut self, lane: &Attached<'_>) {
        self.timeout = lane.timeout;
    }

    fn deliver(&mut self, batch: &[sink::Envelope]) -> Answers {
        let reply = Reply::new();
        let job = DeliverJob { batch: batch.to_vec(), timeout: self.timeout, reply: Arc::clone(&reply) };
        post(Mail::Deliver { sink: self.host.0, job: Arc::new(job) });
        reply.take().answers(batch.len())
    }

    fn idempotent(&self) -> bool {
        self.idempotent
    }

    fn health(&mut self) -> SinkHealth {
        let reply = Reply::new();
        let job = HealthJob { reply: Arc::clone(&reply) };
        post(Mail::Health { sink: self.host.0, job: Arc::new(job) });
        reply.take()
    }
}

/// A sink as the core's front door takes it.
pub(crate) fn spec(sink: HostSink) -> HostSinkSpec {
    let HostSink { id, name, classes, lane, idempotent } = sink;
    let host = Arc::new(Freed(id));
    HostSinkSpec {
        name,
        classes,
        lane,
        make: Arc::new(move || {
            Ok(Box::new(Bridge { host: Arc::clone(&host), idempotent, timeout: Duration::MAX }))
        }),
    }
}

struct Signer(Freed);

impl HostSigner for Signer {
    fn sign(&self, inputs: &[&[u8]]) -> Signed {
        let reply = Reply::new();
        let inputs = inputs.iter().map(|input| input.to_vec()).collect();
        let job = SignJob { inputs, reply: Arc::clone(&reply) };
        post(Mail::Sign { signer: self.0.0, job: Arc::new(job) });
        reply.take()
    }
}

/// A signer as the core takes it.
pub(crate) fn signer(id: u64) -> Arc<dyn HostSigner> {
    Arc::new(Signer(Freed(id)))
}
