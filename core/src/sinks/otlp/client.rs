//! One connection to one receiver, and requests over it, one at a time.
//!
//! Guarantees: a call ends within its timeout. Between calls nothing runs: there is no thread, no timer and
//! no task being polled, so an idle sink costs no CPU. What a receiver did to the connection meanwhile (a
//! GOAWAY, a close) is seen before the next request is written; if it comes too late to be seen, the
//! request is sent once more over a new connection, which is harmless, as an envelope's hash tells a repeat.
//! A child process never touches its parent's connection.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::{Builder, Runtime};

use crate::seam::fork::Process;
use crate::sink::{Failure, FailureKind};

use super::compress::Compression;
use super::connect::{Connected, Seen, Spoken, connect};
use super::endpoint::Protocol;
use super::proxy::Proxy;
use super::request::{GRPC_PREFIX, grpc_prefix};
use super::settings::Settings;
use super::tls;

/// As much of an answer as is read.
pub(super) const MOST_ANSWER: usize = 256 * 1024;

/// A receiver's answer.
pub(in crate::sinks) struct Reply {
    pub(in crate::sinks) status: StatusCode,
    pub(in crate::sinks) headers: HeaderMap,
    /// Cut to [`MOST_ANSWER`].
    pub(in crate::sinks) body: Bytes,
    pub(super) trailers: HeaderMap,
}

/// Keeps a connection.
pub(in crate::sinks) struct Client {
    /// `None` only while being dropped.
    runtime: Option<Runtime>,
    connection: Option<Connection>,
    process: Process,
    /// Bytes of the body of the last request, as it was sent.
    pub(super) sent: usize,
}

struct Connection {
    sender: Sender,
    seen: Seen,
    forwarder: Option<Proxy>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// A client that has yet to connect.
    pub(in crate::sinks) fn new() -> io::Result<Self> {
        Ok(Self { runtime: Some(runtime()?), connection: None, process: Process::this(), sent: 0 })
    }

    /// Sends one message (gRPC prefix in front) and waits for the answer, no longer than `timeout`.
    pub(in crate::sinks) fn call(
        &mut self,
        settings: &Settings,
        message: Bytes,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        self.leave_parent()?;
        let Self { runtime, connection, sent, .. } = self;
        *sent = 0;
        let Some(runtime) = runtime else {
            return Err(Failure::new(FailureKind::Network, "the sink is closed"));
        };
        let result = block_on(runtime, async {
            let timed = tokio::time::timeout(timeout, call(settings, connection, message, timeout, sent));
            timed.await.unwrap_or_else(|_| {
                let place = settings.endpoint.shown();
                let text = format!("{place}: no answer within {} ms", timeout.as_millis());
                Err(Failure::new(FailureKind::Timeout, text))
            })
        });
        if result.is_err() {
            // Whatever state it is in, it is not used again.
            self.connection = None;
        }
        result
    }

    /// After a fork, lets go of what belongs to the parent without touching it: closing it here would
    /// deregister the parent's sockets.
    fn leave_parent(&mut self) -> Result<(), Failure> {
        if !self.process.is_this() {
            std::mem::forget(self.connection.take());
            std::mem::forget(self.runtime.take());
            let fresh = runtime()
                .map_err(|e| Failure::new(FailureKind::Network, format!("no event loop: {}", e.kind())))?;
            self.runtime = Some(fresh);
            self.process = Process::this();
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let connection = self.connection.take();
        let Some(runtime) = self.runtime.take() else { return };
        if self.process.is_this() {
            drop(connection);
            // A name look-up that hangs must not hold the caller.
            runtime.shutdown_background();
        } else {
            std::mem::forget(connection);
            std::mem::forget(runtime);
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    // The other threads are for name look-ups alone, and go soon after one.
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .thread_keep_alive(Duration::from_millis(100))
        .thread_name("sinkwell-resolve")
        .build()
}

/// Drives `future` on this thread; on a thread that already drives a runtime of its own, on another.
fn block_on<F: Future + Send>(runtime: &Runtime, future: F) -> F::Output
where
    F::Output: Send,
{
    if tokio::runtime::Handle::try_current().is_err() {
        return runtime.block_on(future);
    }
    let outcome = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn call(
    settings: &Settings,
    kept: &mut Option<Connection>,
    message: Bytes,
    timeout: Duration,
    sent: &mut usize,
) -> Result<Reply, Failure> {
    let request = prepare(settings, message, timeout)?;
    *sent = request.body.len();
    if let Some(mut connection) = kept.take() {
        // What came in since the last call has yet to be looked at: the driver and the connection's own
        // task each need their turn.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        if connection.sender.ready().await.is_ok()
            && let Ok(response) = connection.send(settings, &request).await
        {
            let reply = read(response).await.map_err(|e| connection.explain(settings, &e))?;
            *kept = Some(connection);
            return Ok(reply);
        }
    }
    let mut connection = Connection::open(settings).await?;
    let sent = match connection.sender.ready().await {
        Ok(()) => connection.send(settings, &request).await,
        Err(error) => Err(error),
    };
    let reply = match sent {
        Ok(response) => read(response).await,
        Err(error) => Err(error),
    };
    let reply = reply.map_err(|e| connection.explain(settings, &e))?;
    *kept = Some(connection);
    Ok(reply)
}

/// What is sent, whichever connection it goes over.
struct Prepared {
    body: Bytes,
    headers: HeaderMap,
}

fn prepare(settings: &Settings, message: Bytes, timeout: Duration) -> Result<Prepared, Failure> {
    let grpc = settings.endpoint.protocol == Protocol::Grpc;
    let mut headers = settings.headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(settings.form.content_type(grpc)));
    if !headers.contains_key(header::USER_AGENT) {
        let agent = concat!("sinkwell/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    }
    let encoding = settings.compression.encoding().map(HeaderValue::from_static);
    // Answers are small; one that comes compressed all the same is read too.
    let accepts =
        if grpc { HeaderName::from_static("grpc-accept-encoding") } else { header::ACCEPT_ENCODING };
    headers.insert(accepts, HeaderValue::from_static("identity"));
    if grpc {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let millis = timeout.as_millis().clamp(1, 99_999_999);
        if let Ok(timeout) = HeaderValue::from_str(&format!("{millis}m")) {
            headers.insert("grpc-timeout", timeout);
        }
        if let Some(encoding) = encoding {
            headers.insert("grpc-encoding", encoding);
        }
    } else if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    let body = match settings.compression {
        Compression::None if grpc => message,
        Compression::None => message.slice(GRPC_PREFIX..),
        compression => {
            let room = if grpc { vec![0; GRPC_PREFIX] } else { Vec::new() };
            let start = room.len();
            let compressed = compression.compress(&message[GRPC_PREFIX..], room);
            let mut compressed = compressed.map_err(|e| {
                let text = format!("compressing a request failed: {}", e.kind());
                Failure::new(FailureKind::Serialization, text)
            })?;
            let prefix = grpc_prefix(true, compressed.len() - start);
            compressed[..start].copy_from_slice(&prefix[..start]);
            compressed.into()
        }
    };
    Ok(Prepared { body, headers })
}

impl Sender {
    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        }
    }
}

impl Connection {
    async fn open(settings: &Settings) -> Result<Self, Failure> {
        let Connected { stream, seen, forwarder } = connect(settings).await?;
        let io = TokioIo::new(stream);
        // The tasks end when the connection does; why it ended is seen by the request.
        let sender = match settings.endpoint.protocol {
            Protocol::Http => http1::handshake(io).await.map(|(sender, driver)| {
                tokio::spawn(driver);
                Sender::Http1(sender)
            }),
            Protocol::Grpc => match http2::handshake(TokioExecutor::new(), io).await {
                Ok((sender, driver)) => {
                    let at_end = seen.clone();
                    tokio::spawn(async move {
                        let _ = driver.await;
                        at_end.ended();
                    });
                    // An HTTP/2 server speaks first. One that is none answers our preface in its own
                    // language and closes; with a request on the way to it that answer would be lost.
                    seen.first_bytes().await;
                    Ok(Sender::Http2(sender))
                }
                Err(error) => Err(error),
            },
        };
        match sender {
            Ok(sender) => Ok(Self { sender, seen, forwarder }),
            Err(error) => Err(explain(settings, &seen, &error)),
        }
    }

    async fn send(&mut self, settings: &Settings, prepared: &Prepared) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(prepared.body.clone()));
        *request.method_mut() = settings.form.method();
        *request.headers_mut() = prepared.headers.clone();
        let uri = &settings.endpoint.uri;
        match &mut self.sender {
            Sender::Http2(sender) => {
                *request.uri_mut() = uri.clone();
                *request.version_mut() = Version::HTTP_2;
                sender.send_request(request).await
            }
            Sender::Http1(sender) => {
                let host = uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
                request.headers_mut().extend(host.map(|host| (header::HOST, host)));
                if let Some(proxy) = &self.forwarder {
                    *request.uri_mut() = uri.clone();
                    let authorization = proxy.authorization.clone();
                    request.headers_mut().extend(authorization.map(|a| (header::PROXY_AUTHORIZATION, a)));
                } else if let Some(path) = uri.path_and_query() {
                    *request.uri_mut() = path.clone().into();
                }
                sender.send_request(request).await
            }
        }
    }

    fn explain(&self, settings: &Settings, error: &hyper::Error) -> Failure {
        explain(settings, &self.seen, error)
    }
}

async fn read(response: Response<Incoming>) -> hyper::Result<Reply> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = incoming.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                let room = MOST_ANSWER - body.len();
                body.extend_from_slice(&data[..data.len().min(room)]);
                if body.len() == MOST_ANSWER {
                    break;
                }
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok(Reply { status: head.status, headers: head.headers, body: body.freeze(), trailers })
}

/// What an error of a connection means and what to do about it.
pub(in crate::sinks) fn explain(settings: &Settings, seen: &Seen, error: &hyper::Error) -> Failure {
    let place = settings.endpoint.shown();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if let Some(error) = seen.tls_error() {
        return tls::explain(error, &place);
    }
    let network =
        |advice: &str| Failure::new(FailureKind::Network, format!("{place}: {advice}")).detail(text.as_str());
    if settings.tls.is_none() {
        match (seen.spoken(), settings.endpoint.protocol) {
            (Some(Spoken::Tls), _) => return network("it expects TLS: write the endpoint with https://"),
            (Some(Spoken::Http2), Protocol::Http) => {
                return network(
                    "it speaks gRPC, not HTTP/1.1: set the protocol to `grpc`, or use its HTTP port (often 4318)",
                );
            }
            (Some(Spoken::Http1), Protocol::Grpc) => {
                return network(
                    "it speaks HTTP/1.1, not gRPC: set the protocol to `http/protobuf`, or use its gRPC port (often 4317)",
                );
            }
            _ => {}
        }
    }
    if settings.tls.is_none() && seen.spoken().is_none() && seen.is_silent() {
        // What many TLS servers do with plain text, gRPC's among them.
        return network(
            "it closed the connection without a word: if it expects TLS, write the endpoint with https://",
        );
    }
    if settings.tls.as_ref().is_some_and(|tls| !tls.client_auth_cert_resolver.has_certs()) {
        // The alert that would say so is often lost with the connection.
        return network(
            "the connection was lost before an answer came: if it asks for a client certificate, set \
             `client_certificate` and `client_key`, or their variables",
        );
    }
    network("the connection was lost before an answer came")
}
