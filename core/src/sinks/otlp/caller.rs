//! Requests of one signal to one receiver: sent, judged, and sent again in another form where the receiver does not read
//! ours.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::seam::{Clock, Instant};
use crate::sink::{Failure, FailureKind, SinkHealth, Traffic};

use super::answer::{Verdict, judge};
use super::client::{Client, Reply};
use super::request::GRPC_PREFIX;
use super::settings::Settings;

/// Sends requests and keeps how the last one went.
pub(super) struct Caller {
    pub(super) settings: Settings,
    client: Client,
    clock: Arc<dyn Clock>,
    /// `None` before the first.
    pub(super) last: Option<SinkHealth>,
    /// What health says of a compression that the receiver does not read.
    plainer: Option<String>,
    pub(super) traffic: Arc<Traffic>,
}

impl Caller {
    /// A caller that connects when it first has something to send.
    ///
    /// # Errors
    /// The operating system gives no event loop (out of file descriptors).
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let client = Client::new().map_err(|e| {
            Error::new(ErrorKind::Sink, format!("no event loop for the OTLP sink: {}", e.kind()))
        })?;
        Ok(Self {
            settings,
            client,
            clock,
            last: None,
            plainer: None,
            traffic: Arc::new(Traffic::new(false)),
        })
    }

    /// What its deadlines are told by.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// When a delivery that begins now must have ended, however many requests it takes.
    pub(super) fn deadline(&self) -> Instant {
        self.clock.now().after(self.settings.timeout)
    }

    /// The same, no later than `left` from now.
    pub(super) fn deadline_within(&self, left: std::time::Duration) -> Instant {
        self.clock.now().after(self.settings.timeout.min(left))
    }

    /// Sends a request that is made of `raw` bytes of lines.
    pub(super) fn call(&mut self, message: Bytes, raw: usize, deadline: Instant) -> Verdict {
        let left = deadline.since(self.clock.now());
        let compression = self.settings.compression;
        let mut code = 0;
        self.traffic.flies(1, raw);
        let verdict = match self.client.call(&self.settings, message.clone(), left) {
            Ok(reply) => {
                code = code_of(&reply);
                judge(&reply, &self.settings.endpoint, compression, self.clock.unix_nanos())
            }
            Err(failure) => Verdict::Retry(failure, None),
        };
        self.traffic.flies(0, 0);
        self.traffic.sent(raw, message.len().saturating_sub(GRPC_PREFIX), self.client.sent);
        match &verdict {
            Verdict::Accepted(_) => {}
            Verdict::Refused(failure)
            | Verdict::Retry(failure, _)
            | Verdict::Unread(failure)
            | Verdict::Partial(_, failure) => {
                self.traffic.failed(code, failure.kind);
            }
        }
        if matches!(verdict, Verdict::Unread(_))
            && let Some(new) = self.settings.compress_less()
        {
            // The events are as good as they were: the same bytes go in another form, from now on.
            let (place, old) = (self.settings.endpoint.shown(), compression.name());
            let said = format!(
                "{place} does not read {old}: requests go with compression `{new}`; set `compression: {new}`, or OTEL_EXPORTER_OTLP_COMPRESSION"
            );
            crate::diagnostics::warn(&said);
            self.plainer = Some(said);
            return self.call(message, raw, deadline);
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
}

/// The receiver's code: of gRPC, or of HTTP.
fn code_of(reply: &Reply) -> u16 {
    let grpc = [&reply.trailers, &reply.headers].into_iter().find_map(|headers| headers.get("grpc-status"));
    let grpc = grpc.and_then(|code| code.to_str().ok()?.parse().ok()).filter(|code| *code <= 16);
    grpc.unwrap_or_else(|| reply.status.as_u16())
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
