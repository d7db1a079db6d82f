//! What a receiver's answer means (docs/OTLP.md is the table).
//!
//! Guarantees: summaries hold status codes and our own words; a receiver's message goes into `detail` only,
//! and its body nowhere. Retryable is what the OTLP specification calls retryable. An answer that says that
//! we talk to the wrong place (404, UNIMPLEMENTED, a redirect, a web page) is no verdict on the events: they
//! are kept and tried again, so that mending the configuration loses nothing; nor is one that says that our compression
//! is not read: the same bytes are sent with another. What cannot be understood is no yes: an acceptance whose encoding,
//! media type or form is unknown leaves the batch to be sent again.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hyper::header::{self, HeaderMap};

use crate::json::{self, Value};
use crate::seam::UnixNanos;
use crate::sink::{Failure, FailureKind};

use super::client::{MOST_ANSWER, Reply};
use super::compress::{Compression, decompress};
use super::endpoint::{Endpoint, Protocol};
use super::env::Signal;
use super::request::GRPC_PREFIX;
use super::wire::{Field, Fields};

/// The meaning of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All records are there; the receiver may have had something to say.
    Accepted(Option<String>),
    /// All but this many.
    Partial(u64, Failure),
    /// Not now.
    Retry(Failure, Option<Duration>),
    /// Never, as one request.
    Refused(Failure),
    /// Not with this compression.
    Unread(Failure),
}

/// Judges an answer from `endpoint` to a request compressed so. `now` is for a Retry-After that names a time.
pub(super) fn judge(reply: &Reply, endpoint: &Endpoint, compression: Compression, now: UnixNanos) -> Verdict {
    let (signal, place) = (endpoint.signal, endpoint.shown());
    match endpoint.protocol {
        Protocol::Http => http(reply, signal, compression, &place, now),
        Protocol::Grpc => grpc(reply, signal, compression, &place, now),
    }
}

/// A media type without its parameters, in small letters: it has no case (RFC 9110).
fn media_type(headers: &HeaderMap) -> String {
    let value = text(headers, "content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body of an HTTP answer as it was before its `Content-Encoding`; `None` if it cannot be read.
fn plain(reply: &Reply) -> Option<Cow<'_, [u8]>> {
    let encoding = text(&reply.headers, header::CONTENT_ENCODING.as_str());
    if reply.body.is_empty() {
        return Some(Cow::Borrowed(&[]));
    }
    match encoding {
        None if reply.headers.contains_key(header::CONTENT_ENCODING) => None,
        None => Some(Cow::Borrowed(&reply.body)),
        Some(encoding) => decompress(encoding, &reply.body, MOST_ANSWER),
    }
}

/// What an acceptance that cannot be read comes to: nobody knows whether it was one.
fn not_understood(place: &str, what: &str) -> Verdict {
    Verdict::Retry(
        network(
            place,
            &format!(
                "it accepts the request, and {what}; whether it took all of it cannot be told, so it is sent again"
            ),
        ),
        None,
    )
}

const UNREADABLE_ENCODING: &str = "answers in a compression that cannot be read: have it answer without";

fn http(reply: &Reply, signal: Signal, compression: Compression, place: &str, now: UnixNanos) -> Verdict {
    let (code, name) = (reply.status.as_u16(), signal.name());
    let media_type = media_type(&reply.headers);
    let body = plain(reply);
    if reply.status.is_success() {
        if matches!(media_type.as_str(), "text/html" | "application/xhtml+xml") {
            return Verdict::Retry(
                network(
                    place,
                    "it answers with a web page: this is no OTLP receiver; check host, port and path",
                ),
                None,
            );
        }
        let Some(body) = body else { return not_understood(place, UNREADABLE_ENCODING) };
        if body.is_empty() {
            return Verdict::Accepted(None);
        }
        if body.len() >= MOST_ANSWER {
            return not_understood(place, "answers at a length that no OTLP receiver does");
        }
        let json = media_type == "application/json" || media_type.ends_with("+json");
        let protobuf = media_type.is_empty() || media_type.contains("protobuf");
        let read = match (json, protobuf) {
            (true, _) => json_success(&body, signal),
            (_, true) => success(&body),
            _ => {
                return not_understood(
                    place,
                    "answers in a form that is neither protobuf nor JSON: check host, port and path",
                );
            }
        };
        return read.unwrap_or_else(|| not_understood(place, "its answer is damaged, or no OTLP receiver's"));
    }
    let body = body.unwrap_or_default();
    if compression != Compression::None && (code == 415 || (code == 400 && mentions_compression(&body))) {
        return Verdict::Unread(network(
            place,
            &format!("it answered {code}: it does not read {}", compression.name()),
        ));
    }
    let message = status_message(&body, &media_type);
    let with = |failure: Failure| match &message {
        Some(message) => failure.detail(message.as_str()),
        None => failure,
    };
    let after = || retry_after(&reply.headers, now);
    match code {
        401 => Verdict::Retry(with(auth(place, "401", UNAUTHENTICATED)), after()),
        403 => Verdict::Retry(with(auth(place, "403", FORBIDDEN)), after()),
        407 => Verdict::Retry(
            auth(place, "407", "the proxy wants credentials: put them into its variable"),
            None,
        ),
        429 | 502 | 503 | 504 => {
            Verdict::Retry(with(network(place, &format!("it answered {code} {}", phrase(code)))), after())
        }
        400 if mentions_https(&body) => {
            Verdict::Retry(network(place, "it expects TLS: write the endpoint with https://"), None)
        }
        413 => Verdict::Refused(rejected(
            place,
            "413: the request is too large for it; lower `max_request_bytes`",
        )),
        404 | 405 => Verdict::Retry(
            network(
                place,
                &format!(
                    "it answered {code}: no OTLP {name} are taken at this path. A base endpoint gets /v1/{name} appended, \
                 one for {name} (OTEL_EXPORTER_OTLP_{}_ENDPOINT) is used as it is; gRPC receivers need protocol `grpc`",
                    signal.variable(),
                ),
            ),
            None,
        ),
        415 => Verdict::Retry(
            network(place, "it answered 415: it takes no protobuf, or only gRPC; try protocol `grpc`"),
            None,
        ),
        300..=399 => Verdict::Retry(
            network(
                place,
                &format!("it answered {code}, a redirect: set the endpoint to the address it leads to"),
            ),
            None,
        ),
        _ => Verdict::Refused(with(rejected(place, &format!("it answered {code} {}", phrase(code))))),
    }
}

const UNAUTHENTICATED: &str = "it does not know us: set or renew the credentials in `headers`";
const FORBIDDEN: &str = "our credentials do not allow sending this: give them that right, or use others";

fn grpc(reply: &Reply, signal: Signal, compression: Compression, place: &str, now: UnixNanos) -> Verdict {
    let status = text(&reply.trailers, "grpc-status").map(|status| (status, &reply.trailers));
    // An answer without a message has its status among the headers.
    let status =
        status.or_else(|| text(&reply.headers, "grpc-status").map(|status| (status, &reply.headers)));
    let Some((status, trailers)) = status else {
        if reply.status.is_success() || matches!(reply.status.as_u16(), 400 | 404 | 405 | 415) {
            let what = if media_type(&reply.headers).starts_with("application/grpc") {
                "it ended its answer without a gRPC status: something between us cuts trailers off"
            } else {
                "it answers in HTTP, not gRPC: set the protocol to `http/protobuf` (often port 4318)"
            };
            return Verdict::Retry(network(place, what), None);
        }
        // A proxy in between.
        return http(reply, signal, compression, place, now);
    };
    let code: u32 = status.parse().unwrap_or(2);
    if code == 0 {
        if !reply.status.is_success() || !media_type(&reply.headers).starts_with("application/grpc") {
            let what = format!(
                "it says OK in gRPC, but answers {} in HTTP, or another media type: something between us answers in its place",
                reply.status.as_u16()
            );
            return Verdict::Retry(network(place, &what), None);
        }
        let Some(message) = grpc_message(reply) else {
            return not_understood(
                place,
                "its answer is damaged, or compressed in a way that cannot be read",
            );
        };
        return success(&message)
            .unwrap_or_else(|| not_understood(place, "its answer is damaged, or no OTLP receiver's"));
    }
    let message = text(trailers, "grpc-message").map(unquote);
    let with = |failure: Failure| match &message {
        Some(message) => failure.detail(message.as_str()),
        None => failure,
    };
    let delay = retry_info(trailers);
    let name = code_name(code);
    let said = || format!("it answered {name} ({code})");
    // A receiver says so in one of these; its words decide only that we send the same bytes in another form.
    if compression != Compression::None
        && matches!(code, 2 | 3 | 12 | 13)
        && message.as_deref().is_some_and(|message| mentions_compression(message.as_bytes()))
    {
        let text = format!("it answered {name} ({code}): it does not read {}", compression.name());
        return Verdict::Unread(with(network(place, &text)));
    }
    match code {
        1 | 4 | 10 | 11 | 14 | 15 => Verdict::Retry(with(network(place, &said())), delay),
        8 if delay.is_some() => Verdict::Retry(with(network(place, &said())), delay),
        8 => Verdict::Refused(with(rejected(
            place,
            "it answered RESOURCE_EXHAUSTED (8) and asks for no retry: the request is too large for it, or a quota \
             is used up; lower `max_request_bytes` or raise its limit",
        ))),
        7 => Verdict::Retry(with(auth(place, "PERMISSION_DENIED (7)", FORBIDDEN)), delay),
        16 => Verdict::Retry(with(auth(place, "UNAUTHENTICATED (16)", UNAUTHENTICATED)), delay),
        12 => Verdict::Retry(
            with(network(
                place,
                &format!(
                    "it answered UNIMPLEMENTED (12): it takes no OTLP {0}; give it a {0} pipeline, or check the address",
                    signal.name()
                ),
            )),
            None,
        ),
        _ => Verdict::Refused(with(rejected(place, &said()))),
    }
}

fn network(place: &str, text: &str) -> Failure {
    Failure::new(FailureKind::Network, format!("{place}: {text}"))
}

fn rejected(place: &str, text: &str) -> Failure {
    Failure::new(FailureKind::Rejected, format!("{place}: {text}"))
}

fn auth(place: &str, code: &str, text: &str) -> Failure {
    Failure::new(FailureKind::Auth, format!("{place}: {code}: {text}"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The message of a gRPC answer, which its prefix may say is compressed; empty where there is none. `None`: it
/// cannot be read.
fn grpc_message(reply: &Reply) -> Option<Cow<'_, [u8]>> {
    if reply.body.is_empty() {
        return Some(Cow::Borrowed(&[]));
    }
    let (prefix, message) = reply.body.split_first_chunk::<GRPC_PREFIX>()?;
    let [flag, length @ ..] = prefix;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let message = (message.len() == length).then_some(message)?;
    match flag {
        0 => Some(Cow::Borrowed(message)),
        1 => decompress(text(&reply.headers, "grpc-encoding")?, message, MOST_ANSWER)
            .filter(|plain| plain.len() < MOST_ANSWER),
        _ => None,
    }
}

/// Whether a receiver's words are about how a request was compressed.
fn mentions_compression(words: &[u8]) -> bool {
    let words = String::from_utf8_lossy(&words[..words.len().min(2048)]).to_ascii_lowercase();
    words.contains("compress") || words.contains("encoding")
}

/// Reads an `ExportLogsServiceResponse`; `None` if this is none.
fn success(body: &[u8]) -> Option<Verdict> {
    let (mut refused, mut message) = (0, None);
    let mut fields = Fields::new(body);
    for (number, field) in fields.by_ref() {
        let (1, Field::Bytes(partial)) = (number, field) else { continue };
        let mut fields = Fields::new(partial);
        for field in fields.by_ref() {
            match field {
                (1, Field::Varint(count)) => refused = count.cast_signed().max(0).cast_unsigned(),
                (2, Field::Bytes(text)) => message = Some(String::from_utf8_lossy(text).into_owned()),
                _ => {}
            }
        }
        if fields.is_broken() {
            return None;
        }
    }
    (!fields.is_broken()).then(|| partial(refused, message))
}

/// The same in OTLP's JSON, with which some receivers answer whatever they were sent.
fn json_success(body: &[u8], signal: Signal) -> Option<Verdict> {
    let body = json::parse(body).ok()?;
    let partial_success = body.get("partialSuccess");
    let refused = match partial_success.and_then(|partial| partial.get(signal.rejected())) {
        None | Some(Value::Null) => 0,
        // 64-bit integers are strings in protobuf's JSON.
        Some(r) => r.as_i64().or_else(|| r.as_str().and_then(|text| text.parse().ok()))?,
    };
    let message = partial_success.and_then(|partial| partial.get("errorMessage")).and_then(Value::as_str);
    matches!(body, Value::Object(_))
        .then(|| partial(refused.max(0).cast_unsigned(), message.map(str::to_owned)))
}

fn partial(refused: u64, message: Option<String>) -> Verdict {
    let message = message.filter(|message| !message.is_empty());
    if refused == 0 {
        return Verdict::Accepted(message);
    }
    let failure = Failure::new(
        FailureKind::Rejected,
        format!(
            "the receiver refused {refused} records of a request and does not say which (partial success)"
        ),
    );
    Verdict::Partial(
        refused,
        match message {
            Some(message) => failure.detail(message),
            None => failure,
        },
    )
}

/// The message of a `google.rpc.Status`, with which OTLP receivers explain an HTTP error.
fn status_message(body: &[u8], media_type: &str) -> Option<String> {
    if media_type.contains("json") {
        return json::parse(body).ok()?.get("message")?.as_str().map(str::to_owned);
    }
    if !media_type.contains("protobuf") {
        return None;
    }
    let message = Fields::new(body).find_map(|field| match field {
        (2, Field::Bytes(text)) => Some(text),
        _ => None,
    })?;
    Some(String::from_utf8_lossy(message).into_owned())
}

/// Whether a web server says that plain HTTP came to its TLS port (Go, nginx and Apache do, in these words).
fn mentions_https(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(&body[..body.len().min(2048)]).to_ascii_lowercase();
    body.contains("http request") && body.contains("https") || body.contains("speaking plain http")
}

/// Retry-After: seconds, or a date (RFC 9110).
pub(in crate::sinks) fn retry_after(headers: &HeaderMap, now: UnixNanos) -> Option<Duration> {
    let value = text(headers, header::RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let nanos = i128::from(now);
    Some(Duration::from_nanos(u64::try_from((date.as_nanosecond() - nanos).max(0)).ok()?))
}

/// The delay of a `google.rpc.RetryInfo` in `grpc-status-details-bin`.
fn retry_info(trailers: &HeaderMap) -> Option<Duration> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let details = trailers.get("grpc-status-details-bin")?;
    let status = GeneralPurpose::new(&STANDARD, config).decode(details.as_bytes()).ok()?;
    let bytes = |message: &[u8], number: u64| -> Vec<Vec<u8>> {
        let fields = Fields::new(message).filter_map(|field| match field {
            (n, Field::Bytes(bytes)) if n == number => Some(bytes.to_vec()),
            _ => None,
        });
        fields.collect()
    };
    let is_retry_info = |any: &Vec<u8>| {
        bytes(any, 1)
            .iter()
            .any(|url| url.ends_with(b"/google.rpc.RetryInfo") || url == b"google.rpc.RetryInfo")
    };
    let any = bytes(&status, 3).into_iter().find(is_retry_info)?;
    let info = bytes(&any, 2).pop().unwrap_or_default();
    let delay = bytes(&info, 1).pop().unwrap_or_default();
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::new(&delay) {
        match field {
            (1, Field::Varint(value)) => seconds = value.cast_signed().max(0).cast_unsigned(),
            (2, Field::Varint(value)) => nanos = u32::try_from(value).unwrap_or(0).min(999_999_999),
            _ => {}
        }
    }
    Some(Duration::new(seconds, nanos))
}

/// `grpc-message` is percent-encoded.
pub(in crate::sinks) fn unquote(text: &str) -> String {
    super::env::percent_decode(text).unwrap_or_else(|| text.to_owned())
}

fn phrase(code: u16) -> &'static str {
    hyper::StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or("")
}

pub(in crate::sinks) fn code_name(code: u32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).unwrap_or(&"an unknown status")
}
