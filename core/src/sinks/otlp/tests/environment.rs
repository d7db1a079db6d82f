//! The `OTEL_EXPORTER_OTLP_*` variables and the document, against the specification.

use std::time::Duration;

use super::settings;
use crate::ErrorKind;
use crate::secret::Secret;
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::compress::Compression;
use crate::sinks::otlp::endpoint::{Address, Protocol};

fn document(endpoint: &str) -> OtlpConfig {
    OtlpConfig { endpoint: Some(endpoint.to_owned()), ..OtlpConfig::default() }
}

fn resolve(variables: &[(&str, &str)]) -> (Protocol, bool, String) {
    let settings = settings(&OtlpConfig::default(), variables).unwrap();
    (settings.endpoint.protocol, settings.endpoint.tls, settings.endpoint.uri.to_string())
}

const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const LOGS: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const INSECURE: &str = "OTEL_EXPORTER_OTLP_INSECURE";
const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

#[test]
fn http_endpoints_follow_the_path_rules() {
    for (variables, uri) in [
        (vec![], "http://localhost:4318/v1/logs"),
        (vec![(ALL, "")], "http://localhost:4318/v1/logs"),
        (vec![(ALL, "http://c:4318")], "http://c:4318/v1/logs"),
        (vec![(ALL, "http://c:4318/")], "http://c:4318/v1/logs"),
        (vec![(ALL, "https://c/prefix")], "https://c/prefix/v1/logs"),
        (vec![(ALL, "https://c/prefix/")], "https://c/prefix/v1/logs"),
        (vec![(ALL, "https://c/v1/logs")], "https://c/v1/logs/v1/logs"),
        (vec![(ALL, "https://c/p?k=v")], "https://c/p/v1/logs?k=v"),
        (vec![(ALL, "http://a"), (LOGS, "http://b/own")], "http://b/own"),
        (vec![(LOGS, "http://b")], "http://b/"),
        (vec![(ALL, "http://[::1]:4318")], "http://[::1]:4318/v1/logs"),
    ] {
        assert_eq!(resolve(&variables), (Protocol::Http, uri.starts_with("https"), uri.to_owned()));
    }
    for (endpoint, uri) in
        [("https://c/v1/logs", "https://c/v1/logs"), ("https://c/x", "https://c/x/v1/logs")]
    {
        assert_eq!(settings(&document(endpoint), &[]).unwrap().endpoint.uri, uri);
    }
}

#[test]
fn grpc_endpoints_follow_scheme_and_insecure() {
    for (variables, tls, authority) in [
        (vec![], false, "localhost:4317"),
        (vec![(ALL, "http://c:4317")], false, "c:4317"),
        (vec![(ALL, "https://c:4317/")], true, "c:4317"),
        (vec![(ALL, "https://c:4317"), (INSECURE, "true")], true, "c:4317"),
        (vec![(ALL, "http://c:4317"), (INSECURE, "false")], false, "c:4317"),
        (vec![(ALL, "c:4317")], true, "c:4317"),
        (vec![(ALL, "c:4317"), (INSECURE, "TRUE")], false, "c:4317"),
        (
            vec![(ALL, "c:4317"), ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "true"), (INSECURE, "false")],
            false,
            "c:4317",
        ),
        (vec![(ALL, "dns:///c:4317"), (INSECURE, "true")], false, "c:4317"),
        (vec![(ALL, "[::1]:4317"), (INSECURE, "true")], false, "[::1]:4317"),
    ] {
        let variables = [vec![(PROTOCOL, "grpc")], variables].concat();
        let scheme = if tls { "https" } else { "http" };
        let expected = (Protocol::Grpc, tls, format!("{scheme}://{authority}{EXPORT}"));
        assert_eq!(resolve(&variables), expected);
    }
    let ip6 = settings(&document("http://[::1]:4317"), &[]).unwrap();
    assert_eq!(ip6.endpoint.address, Address::Tcp("::1".into(), 4317));
    assert_eq!(ip6.shown_endpoint(), "[::1]:4317");
}

#[test]
fn without_a_protocol_the_port_decides() {
    assert_eq!(resolve(&[(ALL, "http://c:4317")]).0, Protocol::Grpc);
    assert_eq!(resolve(&[(ALL, "https://c:4317")]).0, Protocol::Grpc);
    assert_eq!(resolve(&[(ALL, "https://c:14317")]).0, Protocol::Http);
    assert_eq!(resolve(&[(ALL, "http://c:4317"), (PROTOCOL, "http/protobuf")]).0, Protocol::Http);
}

#[test]
fn the_document_wins_over_variables_and_logs_over_all_signals() {
    let variables = [
        (PROTOCOL, "grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf"),
        (ALL, "http://env:1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=env,b=env"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "250"),
    ];
    let from_env = settings(&OtlpConfig::default(), &variables).unwrap();
    assert_eq!(from_env.protocol(), Protocol::Http);
    assert_eq!(from_env.compression, Compression::Gzip);
    assert_eq!(from_env.headers.len(), 2);
    assert_eq!(from_env.timeout, Duration::from_millis(250));
    let config = OtlpConfig {
        endpoint: Some("http://doc:2".into()),
        protocol: Some("grpc".into()),
        compression: Some("zstd".into()),
        headers: vec![("a".into(), Secret::new(b"doc".to_vec()))],
        ..OtlpConfig::default()
    };
    let from_document = settings(&config, &variables).unwrap();
    assert_eq!(from_document.protocol(), Protocol::Grpc);
    assert_eq!(from_document.shown_endpoint(), "doc:2");
    assert_eq!(from_document.compression, Compression::Zstd);
    assert_eq!(
        from_document.headers.iter().map(|(k, v)| (k.as_str(), v.as_bytes())).collect::<Vec<_>>(),
        [("a", &b"doc"[..])]
    );
}

#[test]
fn no_timeout_of_its_own_leaves_the_lanes() {
    for (value, expected) in [("0", 10_000), ("60000", 10_000), ("9999", 9999)] {
        let settings = settings(&OtlpConfig::default(), &[("OTEL_EXPORTER_OTLP_TIMEOUT", value)]).unwrap();
        assert_eq!(settings.timeout, Duration::from_millis(expected));
    }
}

#[test]
fn what_cannot_be_meant_is_an_error_that_names_its_variable() {
    const SECRET: &str = "s3cr3t";
    let rows = [
        (PROTOCOL, "http/json", "not supported"),
        (PROTOCOL, "GRPC", "unknown protocol"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "udp", "unknown protocol"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "deflate", "unknown compression"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "milliseconds"),
        (INSECURE, "yes", "neither"),
        (ALL, "collector:4318", "http://"),
        (ALL, "ftp://s3cr3t", "scheme"),
        (ALL, "http://", "not a URL"),
        (ALL, "http://user:s3cr3t@c", "header"),
        (ALL, "http://c:99999/s3cr3t", "65536"),
        (ALL, "http://c:0", "port"),
        (ALL, "http://c:4317/s3cr3t", "no path"),
        (LOGS, "unix:", "no path"),
        (LOGS, "unix://relative", "unix:"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cr3t", "key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "=s3cr3t", "key"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cr3t%zz", "percent"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cr3t%ff", "percent"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cr3t%C3%A9", "ASCII"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cr3té", "ASCII"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "key=s3cr3t%0D%0AX: y", "ASCII"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cr3t", "header name"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Content-Type=s3cr3t", "leave it out"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "grpc-timeout=s3cr3t", "leave it out"),
        ("OTEL_RESOURCE_ATTRIBUTES", "s3cr3t", "key=value"),
        ("HTTP_PROXY", "socks5://s3cr3t@p", "http://"),
        ("http_proxy", "http://s3cr3t^", "URL"),
    ];
    for (variable, value, message) in rows {
        let error = settings(&OtlpConfig::default(), &[(variable, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{variable}={value}");
        assert_eq!(error.place(), Some(variable), "{variable}={value}: {error}");
        assert!(error.message().contains(message), "{variable}={value}: {error}");
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

#[test]
fn errors_of_the_document_name_its_keys() {
    let config = OtlpConfig { protocol: Some("smoke".into()), ..OtlpConfig::default() };
    assert_eq!(settings(&config, &[]).unwrap_err().place(), Some("otlp.protocol"));
    let config = OtlpConfig { max_request_bytes: Some(100), ..OtlpConfig::default() };
    assert_eq!(settings(&config, &[]).unwrap_err().place(), Some("otlp.max_request_bytes"));
    let config = OtlpConfig { headers: vec![("é".into(), Secret::new(vec![]))], ..OtlpConfig::default() };
    assert_eq!(settings(&config, &[]).unwrap_err().place(), Some("otlp.headers"));
}

#[test]
fn a_proxy_variable_that_this_endpoint_does_not_use_stops_nobody() {
    for variables in [
        vec![(ALL, "http://c:4318"), ("HTTPS_PROXY", "socks5://p")],
        vec![(ALL, "http://c:4318"), ("HTTP_PROXY", "socks5://p"), ("NO_PROXY", "c")],
        vec![(ALL, "http://c:4318"), ("HTTP_PROXY", "http://p"), ("ALL_PROXY", "socks5://p")],
    ] {
        settings(&OtlpConfig::default(), &variables).unwrap();
    }
}

#[test]
fn a_document_may_name_a_grpc_target_without_a_scheme() {
    use crate::config::{Config, Source};
    let load = |endpoint: &str| {
        let text = format!(
            "agent: {{ id: a }}\nlanes:\n  - sink: {{ otlp: {{ endpoint: '{endpoint}', insecure: true }} }}\n"
        );
        let source = Source::Text { text, name: None, format: Default::default() };
        Config::load(source, &crate::seam::SystemEnv::default())
    };
    for endpoint in ["localhost:4317", "[::1]:4317", "dns:///c:4317"] {
        load(endpoint).unwrap();
        let settings = settings(&document(endpoint), &[(INSECURE, "true")]).unwrap();
        assert_eq!((settings.endpoint.protocol, settings.endpoint.tls), (Protocol::Grpc, false));
    }
    for endpoint in
        ["localhost", ":4317", "ftp://c:4317", "a:b:4317", "c:port", "c:0", "user@c:4317", "c:4317/x"]
    {
        load(endpoint).unwrap_err();
    }
}

#[test]
fn a_cgi_programs_http_proxy_is_a_strangers_header() {
    let variables = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:1"), (ALL, "http://c:4318")];
    let settings = settings(&OtlpConfig::default(), &variables).unwrap();
    assert!(settings.proxies.of(&settings.endpoint.uri).is_none());
}

#[test]
fn nothing_shows_a_token_in_the_endpoints_path_or_a_header() {
    let variables = [(ALL, "https://c/s3cr3t"), ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cr3t")];
    let settings = settings(&OtlpConfig::default(), &variables).unwrap();
    assert!(!format!("{settings:?} {:?} {}", settings.headers, settings.shown_endpoint()).contains("s3cr3t"));
}
