//! What takes a lane's batches and sends them.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::seam::{Clock, Instant};
use crate::sink::{Answer, Answers, Envelope, Failure, FailureKind, Sink, SinkHealth, Traffic};

use super::answer::Verdict;
use super::caller::Caller;
use super::request::{self, Next, RequestWriter};
use super::settings::Settings;
use super::spans::SpanSender;

/// Sends to one OTLP receiver.
pub struct OtlpSink {
    writer: RequestWriter,
    logs: Caller,
    spans: Option<SpanSender>,
}

impl OtlpSink {
    /// A sink that connects when it first has something to send.
    ///
    /// # Errors
    /// The operating system gives no event loop (out of file descriptors).
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let writer = RequestWriter::new(&settings.resource, settings.body, settings.max_request_bytes);
        Ok(Self { writer, logs: Caller::new(settings, clock)?, spans: None })
    }

    /// Has what finished spans came to go out as spans, too.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_traces(self, settings: Settings) -> Result<Self> {
        // By one clock, as both have one deadline.
        let spans = SpanSender::new(settings, self.logs.clock())?;
        Ok(Self { spans: Some(spans), ..self })
    }

    /// Where it notes what it moves.
    pub(super) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.logs.traffic)
    }

    /// Tries the receiver with a request that holds no records, and the spans' with one that holds no spans.
    ///
    /// # Errors
    /// What stands between this process and the receiver, with what to do about it.
    pub fn probe(&mut self) -> Result<(), Failure> {
        let deadline = self.logs.deadline();
        match self.logs.call(RequestWriter::empty(), 0, deadline) {
            Verdict::Accepted(_) | Verdict::Partial(..) => {}
            Verdict::Retry(failure, _) | Verdict::Refused(failure) | Verdict::Unread(failure) => {
                return Err(failure);
            }
        }
        self.spans.as_mut().map_or(Ok(()), SpanSender::probe)
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

    /// The messages of the requests for `batch`, one after the other, for measurements.
    #[cfg(test)]
    pub(in crate::sinks) fn encoded(&mut self, batch: &[Envelope]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), batch);
        while !rest.is_empty() {
            let Next::Request { message, envelopes } = self.writer.next(rest) else { panic!("no request") };
            out.extend_from_slice(&message[request::GRPC_PREFIX..]);
            rest = &rest[envelopes..];
        }
        out
    }

    fn deliver_records(&mut self, batch: &[Envelope], deadline: Instant) -> Answers {
        match self.writer.next(batch) {
            Next::Request { message, envelopes } if envelopes == batch.len() => {
                match self.logs.call(message, raw(batch), deadline) {
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
                        self.logs.settings.max_request_bytes
                    ),
                ))),
                Next::Malformed => answers.push(Answer::Refused(Failure::new(
                    FailureKind::Serialization,
                    "the envelope's bytes are not the JSON of an envelope",
                ))),
                Next::Request { message, envelopes } => match self.logs.call(
                    message,
                    raw(&batch[answers.len()..][..envelopes]),
                    deadline,
                ) {
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

/// Bytes of the lines of these.
fn raw(batch: &[Envelope]) -> usize {
    batch.iter().map(|envelope| envelope.bytes.len() + 1).sum()
}

/// Notes what the receiver refused for good. A batch that is refused as a whole counts once it is one envelope.
pub(in crate::sinks) fn note_dropped(traffic: &Traffic, batch: &[Envelope], answers: &Answers) {
    match answers {
        Answers::RefusedBatch(_) if batch.len() == 1 => traffic.dropped(raw(batch)),
        Answers::Each(each) => {
            let refused = batch.iter().zip(each).filter(|(_, answer)| matches!(answer, Answer::Refused(_)));
            traffic.dropped(refused.map(|(envelope, _)| envelope.bytes.len() + 1).sum());
        }
        _ => {}
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
        let deadline = self.logs.deadline();
        // Spans first: as long as they wait, so does what is the account of them.
        if let Some(spans) = &mut self.spans
            && let Err((failure, after)) = spans.send(batch, deadline)
        {
            return Answers::Retry(failure, after);
        }
        let answers = self.deliver_records(batch, deadline);
        note_dropped(&self.logs.traffic, batch, &answers);
        if let Some(spans) = &mut self.spans {
            spans.answered(batch, &answers);
        }
        answers
    }

    /// As the last request went; if there was none, by trying.
    fn health(&mut self) -> SinkHealth {
        if self.logs.last.is_none() {
            let _ = self.probe();
        }
        let logs = self.logs.last.clone().unwrap_or_default();
        match self.spans.as_ref().and_then(SpanSender::health) {
            Some(of_spans) if !of_spans.healthy || logs.detail.is_none() => {
                SinkHealth { healthy: logs.healthy && of_spans.healthy, detail: of_spans.detail }
            }
            _ => logs,
        }
    }
}
