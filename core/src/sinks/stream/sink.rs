//! What takes a lane's batches and hands them to the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::codec::Profile;
use super::link::{Link, Told, left};
use super::supervisor::{End, Key, Limits, Why};
use super::{DatadogMethod, StreamConfig, StreamProfile};
use crate::error::{Error, Result};
use crate::seam::fork::Process;
use crate::seam::{Clock, SystemClock};
use crate::sink::{
    Answer, Answers, Attached, Envelope, Failure, FailureKind, Making, Sink, SinkHealth, Traffic,
};
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::http::{Settings, note_dropped, told};

/// Most bytes of lines in one batch of the stream: below what gRPC receivers take unless told otherwise, even if nothing
/// of it can be compressed.
const MOST_BATCH: usize = 3 << 20;

/// Sends over one stream.
pub(super) struct StreamSink {
    profile: Profile,
    settings: Settings,
    limits: Limits,
    /// Made with the first batch, and made anew in a child process.
    link: Option<(Process, Link)>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    last: Option<SinkHealth>,
    fallback: Fallback,
    /// Its own, and that of its fallback.
    traffic: Vec<Arc<Traffic>>,
}

/// What is spoken to a peer that does not speak this.
enum Fallback {
    None,
    /// An OTLP sink that has not been needed.
    Ready(Box<dyn Sink>),
    /// One that is used, and what health says of that.
    Used(Box<dyn Sink>, String),
}

impl StreamSink {
    /// A sink that connects when it first has something to send.
    ///
    /// # Errors
    /// `invalid_config`: a certificate cannot be read, an endpoint is none.
    pub(super) fn new(
        config: &StreamConfig,
        making: &Making<'_>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        // It gives up a little before the lane does, so that it can say what it was waiting for.
        let timeout = making.timeout.mul_f32(0.9);
        let profile = match config.profile {
            StreamProfile::Compact => Profile::Compact,
            StreamProfile::Datadog(method) => {
                let layout = match method {
                    DatadogMethod::LogsStream => &super::datadog::LOGS_STREAM,
                    DatadogMethod::StatefulStream => &super::datadog::STATEFUL_STREAM,
                };
                Profile::Datadog(layout, config.tags.as_str().into())
            }
        };
        let as_otlp = OtlpConfig {
            endpoint: Some(config.endpoint.clone()),
            headers: config.headers.clone(),
            ca: config.ca.clone(),
            client_certificate: config.client_certificate.clone(),
            client_key: config.client_key.clone(),
            insecure: config.insecure,
            ..OtlpConfig::default()
        };
        let settings = Settings::grpc(&as_otlp, profile.path(), timeout, env).map_err(of_stream)?;
        let usual = Limits::default();
        let limits = Limits {
            lifetime: config.lifetime,
            drain: config.drain,
            connect: usual.connect.min(timeout),
            ..usual
        };
        let mut traffic = vec![Arc::new(Traffic::new(true))];
        let fallback = match &config.fallback {
            Some(otlp) => {
                let made = otlp.make(making)?;
                traffic.extend(made.traffic);
                Fallback::Ready(made.sink)
            }
            None => Fallback::None,
        };
        let clock = Arc::new(SystemClock::default());
        Ok(Self { profile, settings, limits, link: None, clock, timeout, last: None, fallback, traffic })
    }

    fn link(&mut self) -> Result<&mut Link, Failure> {
        match &self.link {
            Some((process, _)) if process.is_this() => {}
            // The thread stayed with the parent, and so did its sockets.
            Some(_) => std::mem::forget(self.link.take()),
            None => {}
        }
        if self.link.is_none() {
            let link = Link::start(
                self.profile.clone(),
                self.settings.clone(),
                self.limits,
                Arc::clone(&self.traffic[0]),
            )
            .map_err(|e| {
                Failure::new(FailureKind::Network, format!("no thread for the stream: {}", e.kind()))
            })?;
            self.link = Some((Process::this(), link));
        }
        match &mut self.link {
            Some((_, link)) => Ok(link),
            None => Err(Failure::new(FailureKind::Network, "no thread for the stream")),
        }
    }

    /// Speaks OTLP from now on, if that is configured; whether it does.
    fn fall_back(&mut self, why: &Failure) -> bool {
        let Fallback::Ready(_) = self.fallback else { return false };
        let Fallback::Ready(sink) = std::mem::replace(&mut self.fallback, Fallback::None) else {
            return false;
        };
        let said = format!("{}; OTLP is spoken instead, to the endpoint of `fallback`", why.summary);
        crate::diagnostics::warn(&said);
        self.fallback = Fallback::Used(sink, said);
        // Nothing more goes over it.
        self.link = None;
        true
    }

    /// Sends parts of a batch, all under way at once, and waits for what becomes of each.
    fn send(&mut self, parts: &[&[Envelope]]) -> (Vec<Answers>, Option<Failure>) {
        let deadline = self.clock.now().after(self.timeout);
        let clock = Arc::clone(&self.clock);
        let failure = Failure::new(
            FailureKind::Timeout,
            format!(
                "{}: no acknowledgement within {} ms",
                self.settings.shown_endpoint(),
                self.timeout.as_millis()
            ),
        );
        let mut answers = vec![Answers::Retry(failure, None); parts.len()];
        let mut not_spoken = None;
        let (answer, told) = mpsc::channel();
        let link = match self.link() {
            Ok(link) => link,
            Err(failure) => return (vec![Answers::Retry(failure, None); parts.len()], None),
        };
        let mut open: HashMap<_, _> = parts
            .iter()
            .enumerate()
            .map(|(at, part)| (link.submit(key(part), part.to_vec(), answer.clone()), at))
            .collect();
        drop(answer);
        while !open.is_empty() {
            match told.recv_timeout(left(&*clock, deadline)) {
                Ok((job, told)) => {
                    if let Some(at) = open.remove(&job) {
                        if let Told::Failed(failure, Why::Ended(End::NotSpoken)) = &told {
                            not_spoken = Some(failure.clone());
                        }
                        answers[at] = judge(told, parts[at].len());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let failure =
                        Failure::new(FailureKind::Panic, "the stream's own thread ended; please report");
                    open.drain().for_each(|(_, at)| answers[at] = Answers::Retry(failure.clone(), None));
                    self.link = None;
                    break;
                }
            }
        }
        if let Some((_, link)) = &self.link {
            open.into_keys().for_each(|job| link.withdraw(job));
        }
        (answers, not_spoken)
    }

    /// Where it notes what it moves.
    pub(super) fn traffic(&self) -> Vec<Arc<Traffic>> {
        self.traffic.clone()
    }

    fn note(&mut self, batch: &[Envelope], answers: &Answers) {
        note_dropped(&self.traffic[0], batch, answers);
        self.last = Some(match answers {
            Answers::Retry(failure, _) => SinkHealth { healthy: false, detail: Some(told(failure)) },
            Answers::RefusedBatch(failure) => SinkHealth { healthy: true, detail: Some(told(failure)) },
            Answers::Each(each) => {
                let first = each.iter().find_map(|answer| match answer {
                    Answer::Refused(failure) | Answer::Retry(failure, _) => Some(told(failure)),
                    _ => None,
                });
                SinkHealth { healthy: true, detail: first }
            }
            _ => SinkHealth { healthy: true, detail: None },
        });
    }

    /// Whether the peer is there and speaks this: an empty batch is acknowledged.
    ///
    /// # Errors
    /// What stands between this process and the receiver.
    pub(super) fn ask(&mut self) -> std::result::Result<String, Failure> {
        match self.send(&[&[]]).0.pop() {
            Some(Answers::Acknowledged) => Ok(format!(
                "{} speaks the stream's profile {}",
                self.settings.shown_endpoint(),
                self.profile.name()
            )),
            Some(Answers::Retry(failure, _) | Answers::RefusedBatch(failure)) => Err(failure),
            _ => Err(Failure::new(FailureKind::Network, "no answer")),
        }
    }
}

/// An error of what is shared with OTLP, at the key of this sink.
fn of_stream(error: Error) -> Error {
    match error.place().and_then(|place| place.strip_prefix("otlp.")) {
        Some(key) => {
            let key = format!("stream.{key}");
            Error::invalid_config(error.message().to_owned()).at(key)
        }
        None => error,
    }
}

/// The same for the same envelopes in the same order.
fn key(part: &[Envelope]) -> Key {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    part.iter().for_each(|envelope| hash.update(envelope.hash));
    hash.finalize().into()
}

fn judge(told: Told, envelopes: usize) -> Answers {
    match told {
        Told::Delivered(refused) if refused.is_empty() => Answers::Acknowledged,
        Told::Delivered(refused) => {
            let mut each = vec![Answer::Acknowledged; envelopes];
            for (place, why) in refused {
                if let Some(answer) = each.get_mut(place) {
                    let failure = Failure::new(FailureKind::Rejected, "the intake refused the envelope");
                    *answer = Answer::Refused(failure.detail(why));
                }
            }
            Answers::Each(each)
        }
        Told::Refused(failure) => Answers::RefusedBatch(failure),
        Told::Failed(failure, Why::Ended(End::Unauthorized)) => {
            Answers::Retry(Failure { kind: FailureKind::Auth, ..failure }, None)
        }
        Told::Failed(failure, _) => Answers::Retry(failure, None),
    }
}

impl Sink for StreamSink {
    fn kind(&self) -> &'static str {
        "stream"
    }

    fn attach(&mut self, lane: &Attached<'_>) {
        if let Fallback::Ready(sink) = &mut self.fallback {
            sink.attach(lane);
        }
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        if batch.is_empty() {
            return Answers::Acknowledged;
        }
        if let Fallback::Used(sink, _) = &mut self.fallback {
            return sink.deliver(batch);
        }
        let mut parts = Vec::new();
        let mut rest = batch;
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|envelope| {
                size += envelope.bytes.len() + 1;
                size <= MOST_BATCH
            });
            let (part, after) = rest.split_at(fits.count().max(1));
            parts.push(part);
            rest = after;
        }
        let (mut answers, not_spoken) = self.send(&parts);
        // What it did not read before it said so has not arrived: all of it goes the other way.
        if not_spoken.is_some_and(|why| self.fall_back(&why))
            && let Fallback::Used(sink, _) = &mut self.fallback
        {
            return sink.deliver(batch);
        }
        let answers = match answers.len() {
            1 => answers.remove(0),
            _ => together(&parts, answers),
        };
        self.note(batch, &answers);
        answers
    }

    fn health(&mut self) -> SinkHealth {
        if let Fallback::Used(sink, said) = &mut self.fallback {
            let health = sink.health();
            let detail = health.detail.map_or_else(|| said.clone(), |own| format!("{said}; {own}"));
            return SinkHealth { detail: Some(detail), ..health };
        }
        self.last.clone().unwrap_or_default()
    }
}

/// The answers of all parts as those of the batch.
fn together(parts: &[&[Envelope]], answers: Vec<Answers>) -> Answers {
    let mut each = Vec::new();
    for (part, answers) in parts.iter().zip(answers) {
        match answers {
            Answers::Each(answers) => each.extend(answers),
            Answers::Retry(failure, after) => {
                each.extend(std::iter::repeat_n(Answer::Retry(failure, after), part.len()));
            }
            // Which of them it means the lane finds out when the part comes again, by itself.
            Answers::RefusedBatch(failure) if part.len() == 1 => each.push(Answer::Refused(failure)),
            Answers::RefusedBatch(failure) => {
                each.extend(std::iter::repeat_n(Answer::Retry(failure, Some(Duration::ZERO)), part.len()));
            }
            _ => each.extend(std::iter::repeat_n(Answer::Acknowledged, part.len())),
        }
    }
    let all = each.iter().all(|answer| *answer == Answer::Acknowledged);
    if all { Answers::Acknowledged } else { Answers::Each(each) }
}
