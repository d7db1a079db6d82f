//! Sinks and signers that are written in JavaScript: called on their own event loop, awaited on the lane's
//! thread.
//!
//! Guarantees: one call at a time, unless the sink is idempotent and its lane's `in_flight` says more; of an exception
//! only the name of its type is known here, never its text; a call that can no longer be answered, because the event
//! loop has ended, is never an acknowledgement.

use std::sync::Arc;

use sinkwell::home::Home;
use sinkwell::key::HostSigner;
use sinkwell::sink::{Answer, Answers, Envelope, Failure, FailureKind, Outcome, Said, Sink, SinkHealth};

use crate::event_loop::{Gone, Reply, Shared};

/// A host's sink, as its lane sees it.
pub(crate) struct JsSink {
    pub(crate) event_loop: Arc<Shared>,
    pub(crate) target: u32,
    pub(crate) idempotent: bool,
}

/// The outcome that a code of `lib/sink.ts` stands for.
fn outcome(code: u8) -> Outcome {
    match code {
        0 => Outcome::Taken,
        1 => Outcome::Refused,
        2 => Outcome::Retry(None),
        3 => Outcome::Uncertain,
        _ => Outcome::Nonsense,
    }
}

/// JavaScript's answer for a batch: the first code says how the sink was given the envelopes, and each further code is
/// an answer.
fn said(codes: &[u8], name: &str) -> Said {
    let Some((form, codes)) = codes.split_first() else { return Said::AsOne(Answer::Acknowledged) };
    let mut answers = codes.iter().map(|code| outcome(*code).answer(name, None));
    match form {
        0 => Said::OneByOne(answers.collect()),
        1 => Said::Each(answers.collect()),
        2 => answers.next().map_or_else(|| Said::Nonsense(name.to_owned()), Said::AsOne),
        _ => Said::Nonsense(name.to_owned()),
    }
}

impl Sink for JsSink {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn idempotent(&self) -> bool {
        self.idempotent
    }

    fn home(&self) -> Option<Arc<dyn Home>> {
        Some(Arc::clone(&self.event_loop) as Arc<dyn Home>)
    }

    fn health(&mut self) -> SinkHealth {
        match self.event_loop.call("health", self.target, &[], String::new()) {
            Ok(Reply::Delivered(codes, detail)) => SinkHealth {
                healthy: codes.first() == Some(&0),
                detail: (!detail.is_empty()).then_some(detail),
            },
            _ => SinkHealth { healthy: false, detail: Some("no answer".to_owned()) },
        }
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let lines: Vec<&[u8]> = batch.iter().map(|envelope| &*envelope.bytes).collect();
        let mut hashes = String::with_capacity(batch.len() * 128);
        for byte in batch.iter().flat_map(|envelope| envelope.hash.into_iter().chain(envelope.digest)) {
            hashes.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or_default());
            hashes.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or_default());
        }
        let failed = |summary: &str| Failure::new(FailureKind::Panic, summary);
        match self.event_loop.call("deliver", self.target, &lines, hashes) {
            Err(Gone::Ended) => Answers::Gone(failed("the event loop of the sink has ended")),
            Err(Gone::Here) => {
                Answers::Retry(failed("the event loop of the sink is held by this call"), None)
            }
            Ok(Reply::Delivered(codes, name)) => said(&codes, &name).answers(batch.len()),
            Ok(Reply::Signed(_)) => Said::Nonsense("signatures".to_owned()).answers(batch.len()),
        }
    }
}

/// A host's signer.
pub(crate) struct JsSigner {
    pub(crate) event_loop: Arc<Shared>,
    pub(crate) target: u32,
}

impl HostSigner for JsSigner {
    fn home(&self) -> Option<Arc<dyn Home>> {
        Some(Arc::clone(&self.event_loop) as Arc<dyn Home>)
    }

    fn sign(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        match self.event_loop.call("sign", self.target, inputs, String::new()) {
            Ok(Reply::Signed(Some(signatures))) => Ok(signatures),
            Ok(_) => Err("the signer failed".to_owned()),
            Err(_) => Err("the event loop of the signer does not run".to_owned()),
        }
    }
}
