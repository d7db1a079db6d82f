//! What takes a lane's batches and sends them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::HoneycombConfig;
use super::answer::{judge, words};
use super::shape::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{Value, parse};
use crate::seam::{Clock, Instant, SystemClock};
use crate::secret::Secret;
use crate::sink::{Answer, Answers, Envelope, Failure, FailureKind, Grade, Sink, SinkHealth};
use crate::sinks::otlp::http::{Client, Compression, GRPC_PREFIX, Reply, Settings, told};

/// Honeycomb takes requests of 5 MB.
const MOST_REQUEST: usize = 5_000_000;
/// Its limits are met before compression, with room for what is around.
const AROUND: usize = 64;

/// Sends to one dataset.
pub(super) struct HoneycombSink {
    settings: Settings,
    shape: Shape,
    client: Client,
    clock: Arc<dyn Clock>,
    dataset: String,
    key: Secret,
    last: Option<SinkHealth>,
}

impl HoneycombSink {
    /// A sink that connects when it first has something to send.
    ///
    /// # Errors
    /// `invalid_config`: no key or dataset; `sink`: the operating system gives no event loop.
    pub(super) fn new(
        config: &HoneycombConfig,
        timeout: Duration,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let said = |name: &str| env(name).filter(|value| !value.is_empty());
        let missing = |key: &str, name: &str| {
            Error::invalid_config(format!("is missing; set it, or {name}")).at(format!("honeycomb.{key}"))
        };
        let key = config
            .api_key
            .clone()
            .or_else(|| said("HONEYCOMB_API_KEY").map(|key| Secret::new(key.into_bytes())));
        let key = key.ok_or_else(|| missing("api_key", "HONEYCOMB_API_KEY"))?;
        let dataset = config.dataset.clone().or_else(|| said("HONEYCOMB_DATASET"));
        let dataset = dataset.ok_or_else(|| missing("dataset", "HONEYCOMB_DATASET"))?;
        let mut headers = HeaderMap::new();
        // What is wrong with it is not said in its words.
        let mut value = HeaderValue::from_bytes(key.expose())
            .map_err(|_| Error::invalid_config("holds what no key has").at("honeycomb.api_key"))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-honeycomb-team"), value);
        let compression = match config.compression.as_str() {
            "gzip" => Compression::Gzip,
            "none" => Compression::None,
            _ => Compression::Zstd,
        };
        let url = format!("{}/1/batch/{}", config.api_host, encoded(&dataset));
        // It gives up a little before the lane does, so that it can say what it was waiting for.
        let timeout = timeout.mul_f32(0.9);
        let settings = Settings::json((&url, "honeycomb.api_host"), headers, compression, timeout, env)?;
        let client = Client::new().map_err(|e| {
            Error::new(ErrorKind::Sink, format!("no event loop for the Honeycomb sink: {}", e.kind()))
        })?;
        let shape = Shape { config: config.clone(), service: said("OTEL_SERVICE_NAME") };
        let clock = Arc::new(SystemClock::default());
        Ok(Self { settings, shape, client, clock, dataset, key, last: None })
    }

    fn key(&self) -> String {
        String::from_utf8_lossy(self.key.expose()).into_owned()
    }

    fn call(&mut self, message: &Bytes, deadline: Instant) -> Result<Reply, Failure> {
        let left = deadline.since(self.clock.now());
        self.client.call(&self.settings, message.clone(), left)
    }

    /// Sends events in one request; their answers.
    fn send(&mut self, events: &[(usize, Vec<u8>)], deadline: Instant) -> Answers {
        let size = events.iter().map(|(_, event)| event.len() + 1).sum::<usize>() + 2;
        let mut message = Vec::with_capacity(GRPC_PREFIX + size);
        message.resize(GRPC_PREFIX, 0);
        message.push(b'[');
        for (i, (_, event)) in events.iter().enumerate() {
            if i > 0 {
                message.push(b',');
            }
            message.extend_from_slice(event);
        }
        message.push(b']');
        let message = Bytes::from(message);
        let mut called = self.call(&message, deadline);
        while called.as_ref().is_ok_and(|reply| reply.status.as_u16() == 415)
            && let Some(plainer) = self.settings.compress_less()
        {
            // A verdict on how requests are compressed is none on the events.
            crate::diagnostics::warn(&format!(
                "{} does not read such requests: they go with compression `{plainer}`; set `compression: {plainer}`",
                self.settings.shown_endpoint()
            ));
            called = self.call(&message, deadline);
        }
        let answers = match called {
            Ok(reply) => {
                let place = self.settings.shown_endpoint();
                judge(&reply, events.len(), &place, &self.dataset, &self.key(), self.clock.unix_nanos())
            }
            Err(failure) => Answers::Retry(failure, None),
        };
        self.last = Some(match &answers {
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
        answers
    }

    /// What the key may do, in which environment, and whether the dataset must be there: `GET /1/auth`.
    ///
    /// # Errors
    /// What stands between this process and the receiver.
    pub(super) fn ask(&mut self) -> std::result::Result<(Grade, String), Failure> {
        let place = self.settings.shown_endpoint();
        let url = format!("{}/1/auth", self.shape.config.api_host);
        let question = self
            .settings
            .question((&url, "honeycomb.api_host"))
            .map_err(|e| Failure::new(FailureKind::Network, e.message().to_owned()))?;
        let message = Bytes::from(vec![0; GRPC_PREFIX]);
        let reply = self.client.call(&question, message, self.settings.timeout())?;
        let key = self.key();
        match reply.status.as_u16() {
            200 => {}
            status @ (401 | 403) => {
                let text = format!(
                    "{place}: HTTP {status}: the key is not known here; see `api_key`, HONEYCOMB_API_KEY and `api_host`"
                );
                return Err(Failure::new(FailureKind::Auth, text));
            }
            status => {
                let text = format!("{place}: HTTP {status} to the question what the key may do");
                return Err(Failure::new(FailureKind::Network, text).detail(words(&reply, &key)));
            }
        }
        let said = parse(words(&reply, &key).as_bytes()).unwrap_or(Value::Null);
        let name = |of: &str| {
            said.get(of).and_then(|of| of.get("slug")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let may = |what: &str| {
            said.get("api_key_access").and_then(|access| access.get(what)) == Some(&Value::Bool(true))
        };
        let (team, environment) = (name("team"), name("environment"));
        let whose = if environment.is_empty() {
            format!("a Classic key of the team {team:?}")
        } else {
            format!("a key of the environment {environment:?} of the team {team:?}")
        };
        let dataset = &self.dataset;
        if !may("events") {
            return Ok((Grade::Wrong, format!("{whose}, which may not send events")));
        }
        let creates = if may("createDatasets") {
            format!("it makes the dataset {dataset:?} if that is not there")
        } else {
            format!("the dataset {dataset:?} must be there, as it may make none")
        };
        Ok((Grade::Good, format!("{whose}, which may send events; {creates}")))
    }
}

/// A name as part of a path.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

impl Sink for HoneycombSink {
    fn kind(&self) -> &'static str {
        "honeycomb"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let deadline = self.clock.now().after(self.settings.timeout());
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(batch.len());
        let mut events = Vec::new();
        for envelope in batch {
            match self.shape.event(envelope) {
                Ok(event) => {
                    events.push((answers.len(), event));
                    answers.push(None);
                }
                Err(failure) => answers.push(Some(Answer::Refused(failure))),
            }
        }
        let mut rest = &events[..];
        while !rest.is_empty() {
            let mut size = AROUND;
            let fits = rest.iter().take_while(|(_, event)| {
                size += event.len() + 1;
                size <= MOST_REQUEST
            });
            let n = fits.count().max(1);
            let (now, later) = rest.split_at(n);
            let mut again = None;
            match self.send(now, deadline) {
                Answers::Each(each) => {
                    for ((at, _), answer) in now.iter().zip(each) {
                        answers[*at] = Some(answer);
                    }
                }
                // The lane splits what is one request; of several the others are known, so this one comes again alone.
                Answers::RefusedBatch(failure) if n == batch.len() => return Answers::RefusedBatch(failure),
                Answers::RefusedBatch(failure) if n == 1 => {
                    answers[now[0].0] = Some(Answer::Refused(failure))
                }
                Answers::RefusedBatch(failure) => again = Some(Answer::Retry(failure, Some(Duration::ZERO))),
                Answers::Retry(failure, after) if n == batch.len() => return Answers::Retry(failure, after),
                Answers::Retry(failure, after) => again = Some(Answer::Retry(failure, after)),
                _ => {}
            }
            if let Some(again) = again {
                for (at, _) in rest {
                    answers[*at] = Some(again.clone());
                }
                break;
            }
            rest = later;
        }
        let unknown = || Answer::Retry(Failure::new(FailureKind::Network, "no answer"), None);
        let answers: Vec<Answer> = answers.into_iter().map(|answer| answer.unwrap_or_else(unknown)).collect();
        if answers.iter().all(|answer| *answer == Answer::Acknowledged) {
            return Answers::Acknowledged;
        }
        Answers::Each(answers)
    }

    fn health(&mut self) -> SinkHealth {
        self.last.clone().unwrap_or_default()
    }
}
