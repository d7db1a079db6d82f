//! Where requests go: the endpoint rules of the OpenTelemetry specification.
//!
//! Guarantees: what cannot be meant is an error that names the variable or key, never something near it.
//!
//! - HTTP: a general endpoint gets the signal's path (`v1/logs`) appended, one for the signal is taken as it is. The
//!   document's endpoint is general, but one that already ends in `/v1/logs` is not extended; of other signals its end is
//!   replaced.
//! - gRPC: `http://` and `https://` decide about TLS; without a scheme `insecure` does, and TLS is the
//!   default. `unix:` names a socket. gRPC has no path.
//! - No protocol said: port 4317, sockets and `dns:` are gRPC's, anything else is HTTP.

use std::path::PathBuf;

use hyper::Uri;

use crate::error::Result;

use super::env::{Said, Signal};

/// How requests are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    Http,
}

impl Protocol {
    /// Its name in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }

    pub(super) fn parse(said: &Said<String>) -> Result<Self> {
        match said.value.as_str() {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::Http),
            "http/json" => Err(said.error(
                "protocol `http/json` is not supported; every receiver that takes it takes `http/protobuf` too",
            )),
            _ => Err(said.error("unknown protocol; use `grpc` or `http/protobuf`")),
        }
    }
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A host (an IPv6 literal without brackets) and a port.
    Tcp(String, u16),
    /// A Unix-domain socket.
    Unix(PathBuf),
}

/// An endpoint, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) signal: Signal,
    pub(super) protocol: Protocol,
    pub(super) tls: bool,
    pub(super) address: Address,
    /// The full URI of the service. It may hold a token in its path, so it is shown to nobody.
    pub(super) uri: Uri,
}

/// Where logs go: a document's endpoint may be written with it.
const LOGS_PATH: &str = "/v1/logs";

impl Endpoint {
    /// Works out where to go.
    pub(super) fn resolve(
        endpoint: Option<Said<String>>,
        protocol: Option<Protocol>,
        insecure: Option<bool>,
        signal: Signal,
    ) -> Result<Self> {
        let endpoint = endpoint.unwrap_or_else(|| {
            let port = if protocol == Some(Protocol::Grpc) { 4317 } else { 4318 };
            Said::document(format!("http://localhost:{port}"), "endpoint")
        });
        let unix = endpoint.value.starts_with("unix:");
        let protocol = protocol.unwrap_or_else(|| guess(&endpoint.value));
        match protocol {
            Protocol::Grpc if unix => Self::unix(&endpoint, signal),
            Protocol::Grpc => Self::grpc(&endpoint, insecure, signal),
            Protocol::Http if unix => Err(endpoint
                .error("a Unix-domain socket needs protocol `grpc`: OTLP over HTTP has no form for it")),
            Protocol::Http => Self::http(&endpoint, signal),
        }
    }

    fn unix(endpoint: &Said<String>, signal: Signal) -> Result<Self> {
        // gRPC's naming: unix:path or unix:///absolute/path
        let path = endpoint.value.trim_start_matches("unix:");
        let path = match path.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(_) => return Err(endpoint.error("write a socket as unix:path or unix:///absolute/path")),
            None => path,
        };
        if path.is_empty() {
            return Err(endpoint.error("the socket has no path; write unix:path or unix:///absolute/path"));
        }
        let uri = service_uri("http", "localhost", signal.grpc_path(), endpoint)?;
        Ok(Self { signal, protocol: Protocol::Grpc, tls: false, address: Address::Unix(path.into()), uri })
    }

    fn grpc(endpoint: &Said<String>, insecure: Option<bool>, signal: Signal) -> Result<Self> {
        let text = endpoint.value.trim_start_matches("dns:///").trim_start_matches("dns:");
        let text = if text.contains("://") {
            text.to_owned()
        } else {
            let scheme = if insecure == Some(true) { "http" } else { "https" };
            format!("{scheme}://{text}")
        };
        let (tls, address, uri) = parts(&text, endpoint)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(endpoint.error(
                "a gRPC endpoint has no path: leave it out, or set the protocol to `http/protobuf` (often port 4318)",
            ));
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let uri = service_uri(if tls { "https" } else { "http" }, &authority, signal.grpc_path(), endpoint)?;
        Ok(Self { signal, protocol: Protocol::Grpc, tls, address, uri })
    }

    fn http(endpoint: &Said<String>, signal: Signal) -> Result<Self> {
        if !endpoint.value.contains("://") {
            return Err(endpoint.error("an HTTP endpoint begins with http:// or https://"));
        }
        let (tls, address, uri) = parts(&endpoint.value, endpoint)?;
        let path = uri.path().trim_end_matches('/');
        let from_document = endpoint.place.starts_with("otlp.");
        let of_logs = path.strip_suffix(LOGS_PATH).filter(|_| from_document);
        let mut path = match of_logs {
            _ if endpoint.for_signal => uri.path().to_owned(),
            Some(_) if signal == Signal::Logs => uri.path().to_owned(),
            Some(base) => format!("{base}/{}", signal.http_path()),
            None => format!("{path}/{}", signal.http_path()),
        };
        if let Some(query) = uri.query() {
            path = format!("{path}?{query}");
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let uri = service_uri(if tls { "https" } else { "http" }, &authority, &path, endpoint)?;
        Ok(Self { signal, protocol: Protocol::Http, tls, address, uri })
    }

    /// The same place, another service of gRPC.
    pub(super) fn serve(&mut self, path: &'static str) {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(hyper::http::uri::PathAndQuery::from_static(path));
        if let Ok(uri) = Uri::from_parts(parts) {
            self.uri = uri;
        }
    }

    /// Host and port, for messages: all of the endpoint that can be shown.
    pub(super) fn shown(&self) -> String {
        match &self.address {
            Address::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp(host, port) => format!("{host}:{port}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// The protocol of an endpoint for which none was said.
fn guess(endpoint: &str) -> Protocol {
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    // Sockets and resolvers have names in gRPC only.
    if authority.ends_with(":4317") || endpoint.starts_with("unix:") || endpoint.starts_with("dns:") {
        Protocol::Grpc
    } else {
        Protocol::Http
    }
}

fn parts(text: &str, endpoint: &Said<String>) -> Result<(bool, Address, Uri)> {
    // The parser's own message would quote what may hold a token.
    let uri: Uri = text.parse().map_err(|_| endpoint.error("the endpoint is not a URL"))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(endpoint.error("the endpoint's scheme is neither http nor https")),
    };
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| endpoint.error("the endpoint names no host"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(endpoint.error(
            "the endpoint holds a user name or password; send them in a header: authorization=Basic%20…",
        ));
    }
    let has_port =
        uri.authority().is_some_and(|a| a.as_str()[a.as_str().rfind(']').unwrap_or(0)..].contains(':'));
    let port = match uri.port_u16() {
        Some(0) => return Err(endpoint.error("the endpoint's port is 0")),
        Some(port) => port,
        None if has_port => return Err(endpoint.error("the endpoint's port is not a number below 65536")),
        None if tls => 443,
        None => 80,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((tls, Address::Tcp(host, port), uri))
}

fn service_uri(scheme: &str, authority: &str, path: &str, endpoint: &Said<String>) -> Result<Uri> {
    let path = if path.is_empty() { "/" } else { path };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    uri.map_err(|_| endpoint.error("the endpoint is not a URL"))
}
