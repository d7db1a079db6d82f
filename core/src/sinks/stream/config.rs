//! `stream` in a configuration.

use std::path::PathBuf;
use std::time::Duration;

use crate::document::keys::{Form, Key};
use crate::document::reader::Cursor;
use crate::error::Result;
use crate::secret::Secret;
use crate::sink::{Alone, Examined, Kind, Made, Making, Settings, SinkClass, SinkConfig};
use crate::sinks::otlp::{self, client_files, endpoint, headers};

/// `stream`
pub(crate) const KIND: Kind = Kind {
    name: "stream",
    about: "one long-lived gRPC stream on which both ends remember, so that an event takes few bytes; its other end is `sinkwell intake`: [INTAKE.md](INTAKE.md)",
    classes: &[SinkClass::Observability, SinkClass::Siem],
    linger: crate::sinks::LINGER,
    keys: &[
        Key::required("endpoint", Form::Text, "a URL, `HOST:PORT` with TLS, or `unix:PATH`"),
        Key::new(
            "profile",
            Form::Word(&["compact", "datadog"]),
            "`compact`",
            "what is spoken: our own columns, or the published stateful logs intake of Datadog ([spec/stream.md](spec/stream.md))",
        ),
        Key::new(
            "method",
            Form::Word(&["LogsStream", "StatefulStream"]),
            "`LogsStream`",
            "with `datadog`: which of its two published paths",
        ),
        Key::new(
            "tags",
            Form::Text,
            "`service:sinkwell,ddsource:sinkwell`",
            "with `datadog`: the tags of every log, with commas between them",
        ),
        Key::new("headers", Form::Map(&Form::Text), "none", "sent with every stream; values are secret"),
        Key::new("ca", Form::Path, "the system's", "certificates (PEM) that vouch for the receiver"),
        Key::new("client_certificate", Form::Path, "none", "PEM; together with `client_key`"),
        Key::new("client_key", Form::Path, "none", "PEM"),
        Key::new("insecure", Form::Bool, "by the URL", "plain text although `HOST:PORT` would use TLS"),
        Key::new(
            "lifetime",
            Form::Duration,
            "15m",
            "how long a stream is used, up to a quarter less; `0s`: for ever",
        ),
        Key::new(
            "fallback",
            Form::Table(otlp::KIND.keys),
            "none",
            "keys of an [`otlp`](#otlp) sink, which is spoken, and said so once, if the peer does not speak this",
        ),
        Key::new("drain", Form::Duration, "5s", "how long what is in flight at the end of that may take"),
    ],
    alone: Alone::Needs(
        "a `stream` needs an endpoint: `sink: { stream: { endpoint: 'https://intake:4320' } }`",
    ),
    read,
};

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamProfile {
    /// Our own columns.
    #[default]
    Compact,
    /// The published stateful logs intake, over one of its paths.
    Datadog(DatadogMethod),
}

/// The published paths of the stateful logs intake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatadogMethod {
    /// `StatefulLogsService/LogsStream`
    #[default]
    LogsStream,
    /// `StatefulIntake/StatefulStream`
    StatefulStream,
}

/// `stream`: what the document says.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Where the receiver is.
    pub endpoint: String,
    /// What is spoken there.
    pub profile: StreamProfile,
    /// With `datadog`: the tags of every log, with commas between them.
    pub tags: String,
    /// Extra headers; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// CA bundle (PEM).
    pub ca: Option<PathBuf>,
    /// Client certificate (PEM).
    pub client_certificate: Option<PathBuf>,
    /// Client key (PEM).
    pub client_key: Option<PathBuf>,
    /// Plain text although gRPC would use TLS.
    pub insecure: Option<bool>,
    /// How long a stream is used; zero: for ever.
    pub lifetime: Duration,
    /// How long what is in flight at its end may take.
    pub drain: Duration,
    /// What is spoken to a peer that does not speak this.
    pub fallback: Option<SinkConfig>,
}

impl Settings for StreamConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    #[cfg(feature = "otlp")]
    fn make(&self, making: &Making<'_>) -> Result<Made> {
        let sink = super::sink::StreamSink::new(self, making, &crate::sinks::otlp::process_env)?;
        let traffic = sink.traffic();
        Ok(Made { traffic, ..Made::new(sink) })
    }

    #[cfg(not(feature = "otlp"))]
    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Err(crate::error::Error::unsupported("this build is without the feature `otlp`, which has gRPC"))
    }

    #[cfg(feature = "otlp")]
    fn examine(&self, making: &Making<'_>) -> Examined {
        use crate::sink::Grade;
        let sink = super::sink::StreamSink::new(self, making, &crate::sinks::otlp::process_env);
        match sink.map(|mut sink| sink.ask()) {
            Err(e) => Examined::Found(Grade::Wrong, e.to_string()),
            Ok(Err(failure)) => Examined::Found(Grade::Wrong, crate::sinks::otlp::http::told(&failure)),
            Ok(Ok(said)) => Examined::Found(Grade::Good, said),
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn examine(&self, _making: &Making<'_>) -> Examined {
        Examined::Deliver
    }
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let table = cursor.table(KIND.keys)?;
    client_files(cursor, &table)?;
    let profile =
        table.or("profile", false, |c| c.choice("profile", &[("compact", false), ("datadog", true)], &[]))?;
    let method = table.maybe("method", |c| {
        let methods =
            [("LogsStream", DatadogMethod::LogsStream), ("StatefulStream", DatadogMethod::StatefulStream)];
        c.choice("method", &methods, &[])
    })?;
    let tags = table.maybe("tags", |c| c.string().map(str::to_owned))?;
    if !profile && (method.is_some() || tags.is_some()) {
        return Err(cursor.error("`method` and `tags` are for `profile: datadog` only"));
    }
    let profile = match profile {
        true => StreamProfile::Datadog(method.unwrap_or_default()),
        false => StreamProfile::Compact,
    };
    Ok(SinkConfig::new(StreamConfig {
        endpoint: endpoint(&table.require("endpoint")?)?,
        profile,
        tags: tags.unwrap_or_else(|| "service:sinkwell,ddsource:sinkwell".to_owned()),
        headers: table.or("headers", Vec::new(), |c| headers(c))?,
        ca: table.maybe("ca", Cursor::file)?,
        client_certificate: table.maybe("client_certificate", Cursor::file)?,
        client_key: table.maybe("client_key", Cursor::file)?,
        insecure: table.maybe("insecure", Cursor::bool)?,
        lifetime: table.or("lifetime", Duration::from_secs(15 * 60), Cursor::duration)?,
        drain: table.or("drain", Duration::from_secs(5), Cursor::duration)?,
        fallback: table.maybe("fallback", |c| (otlp::KIND.read)(c))?,
    }))
}
