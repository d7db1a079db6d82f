//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, as curl reads them.
//!
//! Guarantees: a proxy that cannot be used is an error naming the variable, never gone around; a variable that this
//! endpoint does not use stops nobody. TLS and gRPC go through a tunnel (CONNECT), plain HTTP/1.1 is forwarded.

use std::net::IpAddr;

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
    /// Reads the variables, as far as they concern requests to `destination`.
    pub(super) fn from_env(env: &Env<'_>, destination: &Uri) -> Result<Self> {
        let none = env.first(&["no_proxy", "NO_PROXY"]).map(|said| said.value).unwrap_or_default();
        if passed_by(&none, destination.host().unwrap_or_default()) {
            return Ok(Self::default());
        }
        let own: &[&str] = match destination.scheme_str() {
            Some("https") => &["https_proxy", "HTTPS_PROXY"],
            // A CGI program gets a request's `Proxy` header as HTTP_PROXY.
            _ if env.get("REQUEST_METHOD").is_some() => &["http_proxy"],
            _ => &["http_proxy", "HTTP_PROXY"],
        };
        let Some(said) = env.first(own).or_else(|| env.first(&["all_proxy", "ALL_PROXY"])) else {
            return Ok(Self::default());
        };
        check(&said)?;
        Ok(Self(Matcher::builder().all(said.value).build()))
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

/// Whether `NO_PROXY` names this host: `*` alone is every host; entries stand between commas and blanks; a name covers
/// itself and what is below it, with or without a dot before it, and dots at the end count on neither side; an
/// address may have a prefix's length.
fn passed_by(list: &str, host: &str) -> bool {
    if list.trim() == "*" {
        return !host.is_empty();
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let ip: Option<IpAddr> = host.parse().ok();
    let entries = list.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|entry| !entry.is_empty());
    entries.into_iter().any(|entry| match ip {
        Some(ip) => covers(entry, ip),
        None => {
            let name = entry.trim_end_matches('.');
            let name = name.strip_prefix('.').unwrap_or(name);
            let start = host.len().checked_sub(name.len());
            let tail = start.and_then(|start| host.get(start..));
            !name.is_empty()
                && tail.is_some_and(|tail| tail.eq_ignore_ascii_case(name))
                && start.is_some_and(|start| start == 0 || host.as_bytes()[start - 1] == b'.')
        }
    })
}

/// Whether an entry is this address, or a network around it.
fn covers(entry: &str, ip: IpAddr) -> bool {
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, length.parse::<u32>().ok()),
        None => (entry, Some(128)),
    };
    let address = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let (Ok(address), Some(length)) = (address, length) else { return false };
    match (address, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let shift = 32_u32.saturating_sub(length);
            let cut = |address: u32| u64::from(address) >> shift;
            cut(network.to_bits()) == cut(ip.to_bits())
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let cut = |address: u128| address.checked_shr(128_u32.saturating_sub(length)).unwrap_or(0);
            cut(network.to_bits()) == cut(ip.to_bits())
        }
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::passed_by;

    #[test]
    fn no_proxy_is_read_as_curl_reads_it() {
        for (list, host, expected) in [
            ("*", "collector.example", true),
            (" * ", "10.0.0.1", true),
            ("*,other.example", "collector.example", false),
            ("collector.example", "collector.example", true),
            ("collector.example.", "collector.example", true),
            ("collector.example", "collector.example.", true),
            ("COLLECTOR.Example", "collector.example", true),
            ("example", "collector.example", true),
            (".example", "collector.example", true),
            (".example", "example", true),
            ("example", "notexample", false),
            ("a.example b.example", "b.example", true),
            ("a.example, \tb.example ,c.example", "b.example", true),
            ("a.example,,", "b.example", false),
            ("", "b.example", false),
            (".", "b.example", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.0/0", "192.0.2.1", true),
            ("10.0.0.0/x", "10.0.0.0", false),
            ("0.1", "10.0.0.1", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("fd00::/8", "[fd12::1]", true),
            ("fd00::/8", "[fe80::1]", false),
            ("::/0", "[fe80::1]", true),
        ] {
            assert_eq!(passed_by(list, host), expected, "{list:?} {host:?}");
        }
    }
}
