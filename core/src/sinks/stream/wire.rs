//! One gRPC stream: moves bytes out, and statuses in. It decides nothing.
//!
//! Guarantees: nothing of our own profile is sent before the peer has said that it speaks this version. What the peer says is read within
//! bounds, and waits while nobody takes it. Every end is told once, with what it means.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;

use super::codec::{Profile, speaks};
use super::proto::{HEADER, MOST_STATUS, Messages, Status};
use super::supervisor::{End, StreamNo};
use crate::sink::{Failure, FailureKind};
use crate::sinks::otlp::http::{Connected, Settings, code_name, connect, explain, unquote};

/// What comes from a stream.
pub(super) enum Said {
    /// It is made.
    Opened,
    /// A status.
    Status(Status),
    /// It has ended, and this is what that means, with the peer's code (0: it said none).
    Ended(End, Failure, u16),
}

/// Batches on their way out.
pub(crate) struct Outgoing(pub(crate) mpsc::Receiver<Bytes>);

impl Body for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Makes a stream and serves it until it ends. Nobody takes what is said: it ends, too.
pub(super) async fn run(
    profile: Profile,
    settings: Settings,
    stream: StreamNo,
    outgoing: mpsc::Receiver<Bytes>,
    said: mpsc::Sender<(StreamNo, Said)>,
) {
    let (end, failure, code) = match serve(&profile, &settings, stream, outgoing, &said).await {
        Ok(never) => never,
        Err(Gone) => return,
    };
    let _ = said.send((stream, Said::Ended(end, failure, code))).await;
}

/// Nobody takes what is said any more.
struct Gone;

type Ended = (End, Failure, u16);

async fn serve(
    profile: &Profile,
    settings: &Settings,
    stream: StreamNo,
    outgoing: mpsc::Receiver<Bytes>,
    said: &mpsc::Sender<(StreamNo, Said)>,
) -> Result<Ended, Gone> {
    let place = settings.shown_endpoint();
    let Connected { stream: io, seen, .. } = match connect(settings).await {
        Ok(connected) => connected,
        Err(failure) => return Ok((End::Lost, failure, 0)),
    };
    let lost = |error: &hyper::Error| (End::Lost, explain(settings, &seen, error), 0);
    let (mut sender, driver) = match http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await {
        Ok(made) => made,
        Err(error) => return Ok(lost(&error)),
    };
    let at_end = seen.clone();
    tokio::spawn(async move {
        let _ = driver.await;
        at_end.ended();
    });
    // A peer that is none answers in its own language, which a request on its way would hide.
    seen.first_bytes().await;
    let mut request = Request::new(Outgoing(outgoing));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = settings.uri().clone();
    let headers = request.headers_mut();
    *headers = settings.headers().clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    profile.headers(headers);
    if !headers.contains_key(header::USER_AGENT) {
        let agent = concat!("sinkwell/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    }
    if !profile.asks_first() {
        said.send((stream, Said::Opened)).await.map_err(|_| Gone)?;
    }
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return Ok(lost(&error)),
    };
    if let Some(ended) = refused(profile, &response, &place) {
        return Ok(ended);
    }
    if profile.asks_first() {
        said.send((stream, Said::Opened)).await.map_err(|_| Gone)?;
    }
    let mut body = response.into_body();
    let mut messages = Messages::new(MOST_STATUS);
    loop {
        let frame = match body.frame().await {
            None => return Ok(none(&place, "it ended the stream without a gRPC status")),
            Some(Err(error)) => return Ok(lost(&error)),
            Some(Ok(frame)) => frame,
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let ended = status(&trailers, &place);
                return Ok(ended.unwrap_or_else(|| none(&place, "it ended the stream without a gRPC status")));
            }
        };
        messages.push(&data);
        loop {
            match messages.next() {
                Ok(None) => break,
                Ok(Some(message)) => match Status::decode(&message) {
                    Some(status) => said.send((stream, Said::Status(status))).await.map_err(|_| Gone)?,
                    None => return Ok(none(&place, "it answered with what is no status of a batch")),
                },
                Err(_) => return Ok(none(&place, "its answer is too long, or compressed")),
            }
        }
    }
}

fn none(place: &str, text: &str) -> Ended {
    (End::Lost, Failure::new(FailureKind::Network, format!("{place}: {text}")), 0)
}

/// What the head of an answer means if it is no yes.
fn refused(profile: &Profile, response: &Response<Incoming>, place: &str) -> Option<Ended> {
    let headers = response.headers();
    let code = response.status().as_u16();
    let network = |text: String| Failure::new(FailureKind::Network, format!("{place}: {text}"));
    let auth = |text: String| Failure::new(FailureKind::Auth, format!("{place}: {text}"));
    match code {
        200 => {}
        401 | 403 => {
            return Some((End::Unauthorized, auth(format!("it answered {code}: {CREDENTIALS}")), code));
        }
        404 | 405 | 415 => {
            return Some((End::NotSpoken, network(format!("it answered {code}: {NOT_SPOKEN}")), code));
        }
        _ => return Some((End::Lost, network(format!("it answered HTTP {code}")), code)),
    }
    if let Some(ended) = status(headers, place) {
        return Some(match ended {
            // A stream that ends before it began was none.
            (End::Closed, failure, code) => (End::Lost, failure, code),
            ended => ended,
        });
    }
    let same = !profile.asks_first() || headers.get(HEADER).is_some_and(|said| *said == speaks());
    (!same)
        .then(|| (End::NotSpoken, network(format!("it does not say that it speaks this: {NOT_SPOKEN}")), 0))
}

const CREDENTIALS: &str = "set or renew the credentials in `headers`, or the client certificate";
const NOT_SPOKEN: &str = "this is no `sinkwell intake` that knows this version; check the endpoint";

/// What a gRPC status means, if there is one.
fn status(trailers: &HeaderMap, place: &str) -> Option<Ended> {
    let status = trailers.get("grpc-status")?.to_str().unwrap_or("2");
    let code: u32 = status.parse().unwrap_or(2);
    let said = |what: &str| {
        let name = code_name(code);
        if what.is_empty() {
            format!("{place}: it ended the stream with {name} ({code})")
        } else {
            format!("{place}: it answered {name} ({code}): {what}")
        }
    };
    let (end, failure) = match code {
        0 => (End::Closed, Failure::new(FailureKind::Network, format!("{place}: it closed the stream"))),
        7 | 16 => (End::Unauthorized, Failure::new(FailureKind::Auth, said(CREDENTIALS))),
        9 | 12 => (End::NotSpoken, Failure::new(FailureKind::Network, said(NOT_SPOKEN))),
        3 => (End::Invalid, Failure::new(FailureKind::Rejected, said("it refuses the batch"))),
        13 | 15 => {
            (End::Undecodable, Failure::new(FailureKind::Rejected, said("it cannot read what it was sent")))
        }
        _ => (End::Lost, Failure::new(FailureKind::Network, said(""))),
    };
    let message = trailers.get("grpc-message").and_then(|message| message.to_str().ok()).map(unquote);
    Some((
        end,
        match message.filter(|message| !message.is_empty()) {
            Some(message) => failure.detail(message),
            None => failure,
        },
        // gRPC has no others.
        u16::try_from(code).ok().filter(|code| *code <= 16).unwrap_or(2),
    ))
}
