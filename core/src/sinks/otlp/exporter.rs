//! What takes a lane's batches and sends them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::seam::{Clock, Instant};
use crate::sink::{Answer, Answers, Envelope, Failure, FailureKind, Sink, SinkHealth};

use super::answer::{Verdict, judge};
use super::client::Client;
use super::request::{self, Next, RequestWriter};
use super::settings::Settings;

/// Sends to one OTLP receiver.
pub struct OtlpSink {
    settings: Settings,
    writer: RequestWriter,
    client: Client,
    clock: Arc<dyn Clock>,
    /// How the last request went; `None` before the first.
    last: Option<SinkHealth>,
    /// What health says of a compression that the receiver does not read.
    plainer: Option<String>,
}

impl OtlpSink {
    /// A sink that connects when it first has something to send.
    ///
    /// # Errors
    /// The operating system gives no event loop (out of file descriptors).
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let client = Client::new().map_err(|e| {
            Error::new(crate::ErrorKind::Sink, format!("no event loop for the OTLP sink: {}", e.kind()))
        })?;
        let writer = RequestWriter::new(&settings.resource, settings.body, settings.max_request_bytes);
        Ok(Self { settings, writer, client, clock, last: None, plainer: None })
    }

    /// Tries the receiver with a request that holds no records.
    ///
    /// # Errors
    /// What stands between this process and the receiver, with what to do about it.
    pub fn probe(&mut self) -> Result<(), Failure> {
        let deadline = self.deadline();
        match self.call(RequestWriter::empty(), deadline) {
            Verdict::Accepted(_) | Verdict::Partial(..) => Ok(()),
            Verdict::Retry(failure, _) | Verdict::Refused(failure) | Verdict::Unread(failure) => Err(failure),
        }
    }

    /// What the first request for `batch` would hold: how many of its envelopes, in how many bytes, uncompressed. It is
    /// made, and not sent; none for an empty batch, and none if the first envelope fits into no request.
    pub fn request_size(&mut self, batch: &[Envelope]) -> Option<(usize, usize)> {
        if batch.is_empty() {
            return None;
        }
        match self.writer.next(batch) {
            Next::Request { message, envelopes } => Some((envelopes, message.len() - request::GRPC_PREFIX)),
            Next::TooLarge { .. } | Next::Malformed => None,
        }
    }

    /// When a delivery that begins now must have ended, however many requests it takes.
    fn deadline(&self) -> Instant {
        self.clock.now().after(self.settings.timeout)
    }

    fn call(&mut self, message: Bytes, deadline: Instant) -> Verdict {
        let place = self.settings.endpoint.shown();
        let left = deadline.since(self.clock.now());
        let compression = self.settings.compression;
        let verdict = match self.client.call(&self.settings, message.clone(), left) {
            Ok(reply) => {
                let now = self.clock.unix_nanos();
                judge(&reply, self.settings.endpoint.protocol, compression, &place, now)
            }
            Err(failure) => Verdict::Retry(failure, None),
        };
        if matches!(verdict, Verdict::Unread(_))
            && let Some(new) = self.settings.compress_less()
        {
            // The events are as good as they were: the same bytes go in another form, from now on.
            let old = compression.name();
            let said = format!(
                "{place} does not read {old}: requests go with compression `{new}`; set `compression: {new}`, or OTEL_EXPORTER_OTLP_COMPRESSION"
            );
            crate::diagnostics::warn(&said);
            self.plainer = Some(said);
            return self.call(message, deadline);
        }
        self.last = Some(match &verdict {
            Verdict::Accepted(note) => {
                let note = note.clone().map(bounded).or_else(|| self.plainer.clone());
                SinkHealth { healthy: true, detail: note }
            }
            Verdict::Partial(_, failure) => SinkHealth { healthy: true, detail: Some(told(failure)) },
            Verdict::Retry(failure, _) | Verdict::Unread(failure) => {
                SinkHealth { healthy: false, detail: Some(told(failure)) }
            }
            // The receiver is there and answers.
            Verdict::Refused(failure) => SinkHealth { healthy: true, detail: Some(told(failure)) },
        });
        verdict
    }

    /// The answers of a batch that took more than one request, or had envelopes that go into none.
    fn deliver_in_parts(&mut self, batch: &[Envelope], first: Next, deadline: Instant) -> Answers {
        let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
        let mut next = first;
        loop {
            match next {
                Next::TooLarge { size } => answers.push(Answer::Refused(Failure::new(
                    FailureKind::Rejected,
                    format!(
                        "as a request of its own the envelope takes {size} bytes, more than the {} of `max_request_bytes`",
                        self.settings.max_request_bytes
                    ),
                ))),
                Next::Malformed => answers.push(Answer::Refused(Failure::new(
                    FailureKind::Serialization,
                    "the envelope's bytes are not the JSON of an envelope",
                ))),
                Next::Request { message, envelopes } => match self.call(message, deadline) {
                    Verdict::Accepted(_) => answers.extend(vec![Answer::Acknowledged; envelopes]),
                    // Which of them the receiver refused it does not say, and they must not be sent again.
                    Verdict::Partial(_, failure) => answers.extend(vec![Answer::Refused(failure); envelopes]),
                    Verdict::Unread(failure) => answers.resize(batch.len(), Answer::Retry(failure, None)),
                    Verdict::Retry(failure, after) => {
                        answers.resize(batch.len(), Answer::Retry(failure, after));
                    }
                    // Tried again at once and alone, this request gets the answer that the lane splits by.
                    Verdict::Refused(failure) if answers.contains(&Answer::Acknowledged) => {
                        answers.resize(batch.len(), Answer::Retry(failure, Some(Duration::ZERO)));
                    }
                    Verdict::Refused(failure) => return Answers::RefusedBatch(failure),
                },
            }
            match batch.get(answers.len()..) {
                Some(rest) if !rest.is_empty() => next = self.writer.next(rest),
                _ if answers.iter().all(|answer| *answer == Answer::Acknowledged) => {
                    return Answers::Acknowledged;
                }
                _ => return Answers::Each(answers),
            }
        }
    }
}

impl Sink for OtlpSink {
    fn kind(&self) -> &'static str {
        "otlp"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        if batch.is_empty() {
            return Answers::Acknowledged;
        }
        let deadline = self.deadline();
        match self.writer.next(batch) {
            Next::Request { message, envelopes } if envelopes == batch.len() => {
                match self.call(message, deadline) {
                    Verdict::Accepted(_) => Answers::Acknowledged,
                    Verdict::Partial(refused, failure) => Answers::Partial { refused, failure },
                    Verdict::Unread(failure) => Answers::Retry(failure, None),
                    Verdict::Retry(failure, after) => Answers::Retry(failure, after),
                    Verdict::Refused(failure) => Answers::RefusedBatch(failure),
                }
            }
            first => self.deliver_in_parts(batch, first, deadline),
        }
    }

    /// As the last request went; if there was none, by trying.
    fn health(&mut self) -> SinkHealth {
        if self.last.is_none() {
            let _ = self.probe();
        }
        self.last.clone().unwrap_or_default()
    }
}

/// A failure as the host is told it.
pub(in crate::sinks) fn told(failure: &Failure) -> String {
    match &failure.detail {
        Some(detail) => format!("{} ({detail})", failure.summary),
        None => failure.summary.clone(),
    }
}

/// A receiver's own words, bounded as [`Failure::detail`] bounds them.
fn bounded(text: String) -> String {
    Failure::new(FailureKind::Rejected, "").detail(text).detail.unwrap_or_default()
}
