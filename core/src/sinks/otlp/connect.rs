//! From an endpoint to a connection that HTTP can be spoken over.
//!
//! Guarantees: names are resolved anew for every connection; every address of a name is tried; a failure
//! says which step it was and what to do. What the other end says first is remembered, so that a peer that
//! speaks another protocol is called by its name.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::sync::Notify;

use crate::sink::{Failure, FailureKind};

use super::endpoint::{Address, Protocol};
use super::proxy::Proxy;
use super::settings::Settings;
use super::tls;

/// A byte stream, whatever it runs over.
pub(in crate::sinks) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What a peer that is not what we took it for turned out to speak, judged by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
    Tls,
}

/// What a connection has shown of the other end: its first bytes, and a TLS error if there was one (HTTP/2
/// keeps only its text, and what to do depends on which it was).
#[derive(Clone, Default)]
pub(in crate::sinks) struct Seen(Arc<SeenInner>);

#[derive(Default)]
struct SeenInner {
    first: OnceLock<Vec<u8>>,
    tls: OnceLock<rustls::Error>,
    /// The first bytes have come, or none will.
    settled: Notify,
}

impl Seen {
    /// The protocol of the first bytes.
    pub(super) fn spoken(&self) -> Option<Spoken> {
        match self.0.first.get()?.as_slice() {
            [b'H', b'T', b'T', b'P', b'/', ..] => Some(Spoken::Http1),
            // A TLS record: alert or handshake, version 3.x.
            [0x15 | 0x16, 3, ..] => Some(Spoken::Tls),
            // An HTTP/2 frame on stream 0: SETTINGS or GOAWAY.
            [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Some(Spoken::Http2),
            _ => None,
        }
    }

    /// Whether the other end has not said anything at all.
    pub(super) fn is_silent(&self) -> bool {
        self.0.first.get().is_none()
    }

    /// Waits for the first bytes, or for [`Self::ended`].
    pub(in crate::sinks) async fn first_bytes(&self) {
        if self.0.first.get().is_none() {
            self.0.settled.notified().await;
        }
    }

    /// Says that no more bytes will come.
    pub(in crate::sinks) fn ended(&self) {
        self.0.settled.notify_one();
    }

    /// The TLS error that ended the connection.
    pub(super) fn tls_error(&self) -> Option<&rustls::Error> {
        self.0.tls.get()
    }

    fn note_error(&self, error: &io::Error) {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            let _ = self.0.tls.set(error.clone());
        }
    }
}

/// What a test says of a name.
#[cfg(test)]
pub(super) type Telling = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Who knows the addresses of a name.
#[derive(Clone)]
pub(super) enum Resolver {
    /// The operating system.
    System,
    /// A test, which may change its mind between two connections.
    #[cfg(test)]
    Told(Arc<Telling>),
}

impl Resolver {
    /// The addresses of a host; none if it has none, or nobody knows.
    async fn addresses(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        match self {
            Self::System => lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default(),
            #[cfg(test)]
            Self::Told(names) => names(host).into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        }
    }
}

/// A connection as made.
pub(in crate::sinks) struct Connected {
    pub(in crate::sinks) stream: Box<dyn Stream>,
    pub(in crate::sinks) seen: Seen,
    /// The proxy that forwards our requests, when it does so without a tunnel.
    pub(super) forwarder: Option<Proxy>,
}

/// Connects.
pub(in crate::sinks) async fn connect(settings: &Settings) -> Result<Connected, Failure> {
    let endpoint = &settings.endpoint;
    let seen = Seen::default();
    let (host, port) = match &endpoint.address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|e| unreachable(&endpoint.shown(), &e))?;
            let stream = Box::new(Listening { inner: stream, seen: seen.clone() });
            return Ok(Connected { stream, seen, forwarder: None });
        }
        Address::Tcp(host, port) => (host.as_str(), *port),
    };
    let proxy = settings.proxies.of(&endpoint.uri);
    let mut tcp = match &proxy {
        Some(proxy) => tcp(&settings.names, &proxy.host, proxy.port).await?,
        None => tcp(&settings.names, host, port).await?,
    };
    let mut forwarder = None;
    if let Some(proxy) = proxy {
        if settings.tls.is_some() || endpoint.protocol == Protocol::Grpc {
            tunnel(&mut tcp, &proxy, &endpoint.shown()).await?;
        } else {
            forwarder = Some(proxy);
        }
    }
    let tcp = Listening { inner: tcp, seen: seen.clone() };
    let Some(config) = &settings.tls else {
        return Ok(Connected { stream: Box::new(tcp), seen, forwarder });
    };
    let place = endpoint.shown();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Failure::new(
            FailureKind::Network,
            format!("{place}: the host is no name that a certificate could carry"),
        )
    })?;
    match tokio_rustls::TlsConnector::from(config.clone()).connect(name, tcp).await {
        Ok(stream)
            if endpoint.protocol == Protocol::Grpc && stream.get_ref().1.alpn_protocol() != Some(b"h2") =>
        {
            Err(tls::explain(&rustls::Error::NoApplicationProtocol, &place))
        }
        Ok(stream) => {
            let stream = Box::new(Listening { inner: stream, seen: seen.clone() });
            Ok(Connected { stream, seen, forwarder })
        }
        Err(error) => Err(tls_failed(&error, &seen, &place)),
    }
}

/// What a failed handshake means.
fn tls_failed(error: &io::Error, seen: &Seen, place: &str) -> Failure {
    if matches!(seen.spoken(), Some(Spoken::Http1 | Spoken::Http2)) {
        return Failure::new(
            FailureKind::Network,
            format!("{place}: it answers in plain text, not TLS: write the endpoint with http://"),
        );
    }
    seen.note_error(error);
    match seen.tls_error() {
        Some(error) => tls::explain(error, place),
        None => Failure::new(
            FailureKind::Network,
            format!("{place}: it closed the connection during the TLS handshake: does it speak TLS?"),
        )
        .detail(error.to_string()),
    }
}

async fn tcp(names: &Resolver, host: &str, port: u16) -> Result<TcpStream, Failure> {
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => names.addresses(host, port).await,
    };
    let mut last = None;
    for address in &addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is written whole; waiting for more would only delay it.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => unreachable(&place, &error),
        None => Failure::new(
            FailureKind::Network,
            format!("{place}: the name has no address: check the endpoint and this machine's DNS"),
        ),
    })
}

fn unreachable(place: &str, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there: start the receiver or check the port",
        io::ErrorKind::NotFound => "there is no such socket: start the receiver or check the path",
        io::ErrorKind::PermissionDenied => "this process may not connect there",
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "no way there: check network, firewall and address"
        }
        _ => "the connection failed",
    };
    Failure::new(FailureKind::Network, format!("{place}: {advice}")).detail(error.to_string())
}

/// Asks a proxy for a tunnel (RFC 9110, CONNECT).
async fn tunnel(tcp: &mut TcpStream, proxy: &Proxy, destination: &str) -> Result<(), Failure> {
    let place = format!("proxy {}:{}", proxy.host, proxy.port);
    let mut head = format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let lost = |error: io::Error| unreachable(&place, &error);
    tcp.write_all(&head).await.map_err(lost)?;
    // One byte at a time: what follows the answer belongs to the tunnel.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < 16 * 1024 {
        answer.push(tcp.read_u8().await.map_err(lost)?);
    }
    let status = answer.split(|&byte| byte == b' ').nth(1).and_then(|code| std::str::from_utf8(code).ok());
    let status: u16 = status.and_then(|code| code.parse().ok()).unwrap_or(0);
    match status {
        200..=299 => Ok(()),
        407 => Err(Failure::new(
            FailureKind::Auth,
            format!(
                "{place} wants credentials (407): put them into the variable, as http://user:password@host"
            ),
        )),
        0 => Err(Failure::new(FailureKind::Network, format!("{place} does not answer as an HTTP proxy"))),
        status => Err(Failure::new(
            FailureKind::Network,
            format!("{place} refuses a tunnel to {destination} ({status}): allow it there, or set NO_PROXY"),
        )),
    }
}

/// A stream that keeps what [`Seen`] tells.
struct Listening<S> {
    inner: S,
    seen: Seen,
}

impl<S> Listening<S> {
    fn noted<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled {
            self.seen.note_error(error);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if !read.is_empty() && self.seen.0.first.get().is_none() {
            let _ = self.seen.0.first.set(read[..read.len().min(16)].to_vec());
            self.seen.0.settled.notify_one();
        }
        self.noted(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.noted(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.noted(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
