//! What the document and the `OTEL_*` variables say together, checked.
//!
//! Guarantees: the document wins over variables, a variable for logs over the general one. An unknown value
//! is [`invalid_config`](crate::ErrorKind::InvalidConfig) that names the key or variable; values of headers
//! and paths of endpoints are never quoted. Certificates are read here, once, so that a wrong path is seen
//! at the start.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::{OtlpBody, OtlpConfig};
use crate::error::{Error, Result};

use super::compress::Compression;
use super::connect::Resolver;
use super::endpoint::{Address, Endpoint, Protocol};
use super::env::{Env, Said, Signal, parse_list};
use super::proxy::Proxies;
use super::resource::{Facts, Resource};
use super::tls;

/// What requests are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sinks) enum RequestForm {
    /// OTLP's protobuf.
    #[default]
    Otlp,
    /// JSON that is sent.
    Json,
    /// A question without a body.
    Question,
}

impl RequestForm {
    pub(super) fn content_type(self, grpc: bool) -> &'static str {
        match self {
            Self::Otlp if grpc => "application/grpc",
            Self::Otlp => "application/x-protobuf",
            Self::Json | Self::Question => "application/json",
        }
    }

    pub(super) fn method(self) -> hyper::Method {
        if self == Self::Question { hyper::Method::GET } else { hyper::Method::POST }
    }
}

/// Everything that an OTLP sink needs to know; of it, what is about the connection serves other sinks over HTTP as well.
#[derive(Clone)]
pub struct Settings {
    pub(super) endpoint: Endpoint,
    pub(super) headers: HeaderMap,
    pub(super) compression: Compression,
    pub(super) timeout: Duration,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) proxies: Arc<Proxies>,
    pub(super) names: Resolver,
    pub(super) resource: Resource,
    pub(super) body: OtlpBody,
    pub(super) max_request_bytes: usize,
    pub(super) form: RequestForm,
}

/// gRPC servers refuse more than 4 MiB unless told otherwise.
const MAX_REQUEST: usize = 4 * 1024 * 1024;
/// The least that leaves room for a resource and one small event.
const LEAST_REQUEST: usize = 16 * 1024;
/// The lengths of gRPC messages are 32 bits.
const MOST_REQUEST: usize = 1 << 30;

/// Headers that the protocol itself sets.
const RESERVED: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Settings {
    /// Works out the settings. `env` looks a variable up; `timeout` is the lane's: the shorter of it and
    /// `OTEL_EXPORTER_OTLP_TIMEOUT` holds for one delivery.
    ///
    /// # Errors
    /// A value that cannot be meant, a certificate that cannot be read: `invalid_config` at its key or
    /// variable.
    pub fn resolve(
        config: &OtlpConfig,
        env: &dyn Fn(&str) -> Option<String>,
        facts: &Facts,
        timeout: Duration,
    ) -> Result<Self> {
        Self::resolve_for(Signal::Logs, config, env, facts, timeout)
    }

    /// As [`resolve`](Self::resolve), for spans.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_traces(
        config: &OtlpConfig,
        env: &dyn Fn(&str) -> Option<String>,
        facts: &Facts,
        timeout: Duration,
    ) -> Result<Self> {
        Self::resolve_for(Signal::Traces, config, env, facts, timeout)
    }

    /// As [`resolve`](Self::resolve), for another signal: what the document says is for all of them.
    pub(super) fn resolve_for(
        signal: Signal,
        config: &OtlpConfig,
        env: &dyn Fn(&str) -> Option<String>,
        facts: &Facts,
        timeout: Duration,
    ) -> Result<Self> {
        let env = Env::of(env, signal);
        let say = |value: &Option<String>, key: &str, name: &str| {
            let document = value.clone().map(|value| Said::document(value, key));
            document.or_else(|| env.exporter(name))
        };
        let protocol =
            say(&config.protocol, "protocol", "PROTOCOL").as_ref().map(Protocol::parse).transpose()?;
        let insecure = match config.insecure {
            Some(insecure) => Some(insecure),
            None => env.exporter("INSECURE").as_ref().map(boolean).transpose()?,
        };
        let endpoint = say(&config.endpoint, "endpoint", "ENDPOINT");
        let endpoint = Endpoint::resolve(endpoint, protocol, insecure, signal)?;
        let compression = say(&config.compression, "compression", "COMPRESSION");
        let compression = compression.as_ref().map(Compression::parse).transpose()?.unwrap_or_default();
        let path = |path: &Option<std::path::PathBuf>, key: &str, name: &str| {
            let document = path.clone().map(|path| Said::document(path, key));
            document.or_else(|| {
                env.exporter(name).map(|s| Said {
                    value: s.value.into(),
                    place: s.place,
                    for_signal: s.for_signal,
                })
            })
        };
        let files = tls::Files {
            ca: path(&config.ca, "ca", "CERTIFICATE"),
            certificate: path(&config.client_certificate, "client_certificate", "CLIENT_CERTIFICATE"),
            key: path(&config.client_key, "client_key", "CLIENT_KEY"),
        };
        let tls = if endpoint.tls { Some(tls::client(&files, endpoint.protocol)?) } else { None };
        let proxies = match endpoint.address {
            Address::Tcp(..) => Proxies::from_env(&env, &endpoint.uri)?,
            Address::Unix(_) => Proxies::default(),
        };
        Ok(Self {
            headers: headers(config, &env)?,
            compression,
            timeout: env
                .exporter("TIMEOUT")
                .as_ref()
                .map(milliseconds)
                .transpose()?
                .flatten()
                .map_or(timeout, |own| own.min(timeout)),
            tls,
            proxies: Arc::new(proxies),
            names: Resolver::System,
            resource: Resource::resolve(&config.resource, &env, facts)?,
            body: config.body,
            max_request_bytes: max_request_bytes(config.max_request_bytes)?,
            form: RequestForm::Otlp,
            endpoint,
        })
    }

    /// For a sink that sends JSON over HTTP to `url`, with the proxies that the environment names.
    ///
    /// # Errors
    /// `invalid_config` at `place`: the URL is none.
    pub(in crate::sinks) fn json(
        (url, place): (&str, &str),
        headers: HeaderMap,
        compression: Compression,
        timeout: Duration,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let said = Said { value: url.to_owned(), place: place.to_owned(), for_signal: true };
        let endpoint = Endpoint::resolve(Some(said), Some(Protocol::Http), None, Signal::Logs)?;
        let files = tls::Files { ca: None, certificate: None, key: None };
        let tls = if endpoint.tls { Some(tls::client(&files, endpoint.protocol)?) } else { None };
        let proxies = Arc::new(Proxies::from_env(&Env::of(env, Signal::Logs), &endpoint.uri)?);
        Ok(Self {
            headers,
            compression,
            timeout,
            tls,
            proxies,
            names: Resolver::System,
            resource: Resource::default(),
            body: OtlpBody::None,
            max_request_bytes: MAX_REQUEST,
            form: RequestForm::Json,
            endpoint,
        })
    }

    /// For a sink over a gRPC service of its own: where it is, and how TLS, headers and proxies are said, is as for OTLP;
    /// of the environment only the proxies count.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(in crate::sinks) fn grpc(
        config: &OtlpConfig,
        path: &'static str,
        timeout: Duration,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let proxies = |name: &str| if name.starts_with("OTEL_") { None } else { env(name) };
        let config = OtlpConfig { protocol: Some("grpc".to_owned()), ..config.clone() };
        let mut settings = Self::resolve(&config, &proxies, &Facts::default(), timeout)?;
        settings.endpoint.serve(path);
        Ok(settings)
    }

    /// What requests go to.
    pub(in crate::sinks) fn uri(&self) -> &hyper::Uri {
        &self.endpoint.uri
    }

    /// The headers that were configured.
    pub(in crate::sinks) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Requests go less compressed from now on: how they do, or `None` if they are not compressed at all.
    pub(in crate::sinks) fn compress_less(&mut self) -> Option<&'static str> {
        let plainer = self.compression.plainer();
        (self.compression != Compression::None).then(|| {
            self.compression = plainer;
            plainer.name()
        })
    }

    /// The same receiver, asked at another URL.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(in crate::sinks) fn question(&self, (url, place): (&str, &str)) -> Result<Self> {
        let said = Said { value: url.to_owned(), place: place.to_owned(), for_signal: true };
        let endpoint = Endpoint::resolve(Some(said), Some(Protocol::Http), None, Signal::Logs)?;
        Ok(Self { endpoint, form: RequestForm::Question, compression: Compression::None, ..self.clone() })
    }

    /// The longest that one delivery may take.
    pub(in crate::sinks) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How requests are carried.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.endpoint.protocol
    }

    /// Host and port, as far as they can be shown: paths may hold tokens.
    #[must_use]
    pub fn shown_endpoint(&self) -> String {
        self.endpoint.shown()
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Settings({} {})", self.endpoint.protocol.name(), self.endpoint.shown())
    }
}

fn max_request_bytes(said: Option<usize>) -> Result<usize> {
    match said.unwrap_or(MAX_REQUEST) {
        limit @ LEAST_REQUEST..=MOST_REQUEST => Ok(limit),
        _ => {
            Err(Error::invalid_config("the limit must be between 16KiB and 1GiB")
                .at("otlp.max_request_bytes"))
        }
    }
}

fn boolean(said: &Said<String>) -> Result<bool> {
    match said.value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(said.error("neither `true` nor `false`")),
    }
}

/// A timeout in milliseconds; 0 is none.
fn milliseconds(said: &Said<String>) -> Result<Option<Duration>> {
    let millis: u64 =
        said.value.trim().parse().map_err(|_| said.error("not a number of milliseconds, as in 10000"))?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

fn headers(config: &OtlpConfig, env: &Env<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if !config.headers.is_empty() {
        for (name, value) in &config.headers {
            insert(&mut headers, name, value.expose()).map_err(|e| e.at("otlp.headers"))?;
        }
    } else if let Some(said) = env.exporter("HEADERS") {
        for (name, value) in parse_list(&said.value).map_err(|e| e.at(said.place.as_str()))? {
            insert(&mut headers, &name, value.as_bytes()).map_err(|e| e.at(said.place.as_str()))?;
        }
    }
    Ok(headers)
}

fn insert(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<()> {
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::invalid_config(format!("`{}` is not a header name", name.escape_debug())))?;
    if RESERVED.contains(&known.as_str()) || known.as_str().starts_with("grpc-") {
        return Err(Error::invalid_config(format!("header `{known}` is set by the protocol; leave it out")));
    }
    let printable = value.iter().all(|&byte| matches!(byte, b'\t' | b' '..=b'~'));
    let value = HeaderValue::from_bytes(value).ok().filter(|_| printable);
    let mut value = value.ok_or_else(|| {
        Error::invalid_config(format!(
            "the value of header `{known}` is not printable ASCII; headers carry nothing else"
        ))
    })?;
    value.set_sensitive(true);
    headers.append(known, value);
    Ok(())
}
