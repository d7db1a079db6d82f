//! Sinks and signers that are written in JavaScript: called on their own event loop, awaited on the lane's
//! thread.
//!
//! Guarantees: one call at a time, unless the sink is idempotent and its lane's `order` says more; an exception
//! is known here by the name of its type only, never by its text; a call that cannot be answered any more, since the event loop has ended, is a failure to be tried
//! again, never an acknowledgement.

use std::sync::Arc;

use sinkwell::key::HostSigner;
use sinkwell::sink::{Answer, Answers, Envelope, Failure, FailureKind, Outcome, Said, Sink, SinkHealth};

use crate::event_loop::{Gone, Reply, Shared};

/// A host's sink, as its lane sees it.
pub(crate) struct JsSink {
    pub(crate) event_loop: Arc<Shared>,
    pub(crate) target: u32,
    pub(crate) idempotent: bool,
}

/// What a code of JavaScript's says of an event; see `lib/sink.ts`.
fn outcome(code: u8) -> Outcome {
    match code {
        0 => Outcome::Taken,
        1 => Outcome::Refused,
        2 => Outcome::Retry(None),
        3 => Outcome::Uncertain,
        _ => Outcome::Nonsense,
    }
}

/// What JavaScript said of a batch: a code for how it was asked, then one per answer.
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
    fn sign(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        match self.event_loop.call("sign", self.target, inputs, String::new()) {
            Ok(Reply::Signed(Some(signatures))) => Ok(signatures),
            Ok(_) => Err("the signer failed".to_owned()),
            Err(_) => Err("the event loop of the signer does not run".to_owned()),
        }
    }
}
