//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, as curl reads them.
//!
//! Guarantees: a proxy that cannot be used is an error naming the variable, never gone around. TLS and gRPC
//! go through a tunnel (CONNECT), plain HTTP/1.1 is forwarded.

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::error::Result;

use super::env::{Env, Said};

/// Which destinations go through which proxy.
#[derive(Debug)]
pub(super) struct Proxies(Matcher);

impl Default for Proxies {
    fn default() -> Self {
        Self(Matcher::builder().build())
    }
}

/// A proxy to go through.
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// Reads the variables.
    pub(super) fn from_env(env: &Env<'_>) -> Result<Self> {
        let checked = |names: &[&str]| -> Result<String> {
            let Some(said) = env.first(names) else { return Ok(String::new()) };
            check(&said)?;
            Ok(said.value)
        };
        // A CGI program gets a request's `Proxy` header as HTTP_PROXY.
        let http: &[&str] =
            if env.get("REQUEST_METHOD").is_some() { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
        let matcher = Matcher::builder()
            .all(checked(&["all_proxy", "ALL_PROXY"])?)
            .http(checked(http)?)
            .https(checked(&["https_proxy", "HTTPS_PROXY"])?)
            .no(env.first(&["no_proxy", "NO_PROXY"]).map(|said| said.value).unwrap_or_default());
        Ok(Self(matcher.build()))
    }

    /// The proxy for a destination.
    pub(super) fn of(&self, destination: &Uri) -> Option<Proxy> {
        let intercept: Intercept = self.0.intercept(destination)?;
        let host = intercept.uri().host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = intercept.uri().port_u16().unwrap_or(80);
        let mut authorization = intercept.basic_auth().cloned();
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Some(Proxy { host, port, authorization })
    }
}

fn check(said: &Said<String>) -> Result<()> {
    let text = if said.value.contains("://") { said.value.clone() } else { format!("http://{}", said.value) };
    let uri: Uri = text.parse().map_err(|_| said.error("the proxy is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(said.error("only proxies spoken to in plain HTTP (http://…) are supported"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(said.error("the proxy's URL names no host"));
    }
    Ok(())
}
