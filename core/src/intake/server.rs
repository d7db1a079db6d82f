//! Accepts connections, and reads their streams.
//!
//! Guarantees: nothing of a stream is read before its peer is let in and speaks our version. Statuses go out in the order
//! of the batches, one for each, and only for what the writer is done with. A stream reads ahead of its acknowledgements
//! by no more than [`AHEAD`] batches.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch as signal};

use super::writer::{Door, Job};
use super::{Limits, Options, tls};
use crate::error::{Error, Result};
use crate::seam::{Env as _, Fs as _};
use crate::secret::Secret;
use crate::sinks::stream::compact::{self, Bounds, Defect, Rebuilt, VERSION};
use crate::sinks::stream::datadog::{self, LAYOUTS};
use crate::sinks::stream::proto::{HEADER, Messages, PATH, Status, frame, read_batch};

/// Batches of one stream that are read and not yet acknowledged.
const AHEAD: usize = 16;
/// How long a peer may take to say hello.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long another may have the folder of a socket to itself.
const ALONE: Duration = Duration::from_secs(5);
/// How long one may take after that to have a stream that is let in.
#[cfg(not(test))]
const LET_IN: Duration = Duration::from_secs(30);
#[cfg(test)]
const LET_IN: Duration = Duration::from_secs(2);
/// Room for what is around the lines of a batch: prefix, numbers, definitions.
const AROUND: usize = 1 << 20;

/// The threads that listen.
#[derive(Debug)]
pub(super) struct Server {
    address: String,
    threads: Vec<std::thread::JoinHandle<()>>,
    stop: signal::Sender<bool>,
    socket: Option<PathBuf>,
}

/// What all connections share.
struct House {
    tokens: Vec<Secret>,
    limits: Limits,
    /// Somebody looks at signatures.
    verifies: bool,
    door: Door,
    connections: Arc<Semaphore>,
    /// Bytes on their way to the sink, in KiB.
    pending: Arc<Semaphore>,
    tls: Option<Arc<rustls::ServerConfig>>,
    stopped: signal::Receiver<bool>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

impl Server {
    pub(super) fn start(options: &Options, door: Door) -> Result<Self> {
        let tls = options.tls.as_ref().map(tls::server).transpose()?;
        let cannot = |e: std::io::Error| {
            Error::invalid_argument(format!("cannot listen on {}: {e}", options.listen)).at("listen")
        };
        let (listener, address, socket) = match options.listen.strip_prefix("unix:") {
            Some(path) => {
                let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
                let listener = bind(&path, ALONE, &mut crate::seam::pause).map_err(cannot)?;
                listener.set_nonblocking(true).map_err(cannot)?;
                (Listener::Unix(listener), options.listen.clone(), Some(path))
            }
            None => {
                let listener = TcpListener::bind(&options.listen).map_err(cannot)?;
                listener.set_nonblocking(true).map_err(cannot)?;
                let address = listener.local_addr().map_err(cannot)?.to_string();
                (Listener::Tcp(listener), address, None)
            }
        };
        let (stop, stopped) = signal::channel(false);
        let house = Arc::new(House {
            tokens: options.tokens.clone(),
            limits: options.limits,
            verifies: !options.keys.is_empty(),
            door,
            connections: Arc::new(Semaphore::new(options.limits.connections)),
            pending: Arc::new(Semaphore::new((options.limits.pending / 1024).max(1))),
            tls,
            stopped,
        });
        let count = crate::seam::processors();
        let mut threads = Vec::new();
        for number in 0..count {
            let (listener, house) = (listener.try_clone().map_err(cannot)?, Arc::clone(&house));
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
            let thread = std::thread::Builder::new()
                .name(format!("intake-{number}"))
                .spawn(move || {
                    runtime.block_on(accept(listener, house));
                    runtime.shutdown_background();
                })
                .map_err(cannot)?;
            threads.push(thread);
        }
        Ok(Self { address, threads, stop, socket })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Accepts nothing more; streams end once what they have read is acknowledged, or after the limit.
    pub(super) fn stop(&mut self, limit: Duration) {
        let _ = self.stop.send(true);
        let watch = crate::seam::Stopwatch::start();
        while self.threads.iter().any(|thread| !thread.is_finished()) && watch.left(limit) > Duration::ZERO {
            crate::seam::pause(Duration::from_millis(5));
        }
        if let Some(path) = self.socket.take() {
            let _ = crate::seam::RealFs.remove_file(&path);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// Listens on a socket in the file system. Where an intake was killed its socket is still there, and nobody listens: then this
/// takes its place. Under a lock on the folder, so that of two that start at once the second does not take the first's away.
/// The lock is held for a moment only; who holds it longer is no intake, and is named.
pub(super) fn bind(
    path: &Path,
    limit: Duration,
    pause: &mut dyn FnMut(Duration),
) -> std::io::Result<UnixListener> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let alone = rustix::fs::open(folder, flags, Mode::empty())?;
    let watch = crate::seam::Stopwatch::start();
    while let Err(e) = rustix::fs::flock(&alone, FlockOperation::NonBlockingLockExclusive) {
        let left = watch.left(limit);
        match e {
            Errno::INTR => {}
            Errno::WOULDBLOCK if !left.is_zero() => pause(left.min(Duration::from_millis(5))),
            Errno::WOULDBLOCK => return Err(held(folder, &rustix::fs::fstat(&alone)?)),
            other => return Err(other.into()),
        }
    }
    let taken = match UnixListener::bind(path) {
        Err(e) if e.kind() == ErrorKind::AddrInUse => e,
        bound => return bound,
    };
    if !rustix::fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_socket()) {
        return Err(std::io::Error::new(taken.kind(), "something else than a socket is there"));
    }
    if is_listened_to(path)? {
        return Err(std::io::Error::new(taken.kind(), "another process listens there"));
    }
    crate::seam::RealFs.remove_file(path)?;
    UnixListener::bind(path)
}

/// Says who holds the lock on a folder: by number, where the system tells that.
fn held(folder: &Path, of: &rustix::fs::Stat) -> std::io::Error {
    let locks = crate::seam::SystemEnv::default().read(Path::new("/proc/locks")).unwrap_or_default();
    let who = match holder(&String::from_utf8_lossy(&locks), of) {
        Some(pid) => format!("process {pid} holds"),
        None => "another process holds".to_owned(),
    };
    let folder = folder.display();
    std::io::Error::new(
        ErrorKind::WouldBlock,
        format!(
            "{who} a lock (flock) on the folder {folder}, in which only one intake may start at a time; end that process, or put the socket \
             into a folder to which nobody else has access"
        ),
    )
}

/// Which process has a file locked by `flock`, from the text of `/proc/locks`. One of another namespace is 0 there.
fn holder(locks: &str, of: &rustix::fs::Stat) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(of.st_dev), rustix::fs::minor(of.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", of.st_ino);
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        // Then come whether it is mandatory, and how it is held; one that waits has an arrow here.
        let (kind, pid, locked) = (words.next()?, words.nth(2)?, words.next()?);
        (kind == "FLOCK" && locked == file).then(|| pid.parse().ok().filter(|pid| *pid > 0))?
    })
}

/// Whether a process listens to a socket. One that is not taking connections any more does, and is not waited for.
fn is_listened_to(path: &Path) -> std::io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) != Err(Errno::CONNREFUSED))
}

async fn accept(listener: Listener, house: Arc<House>) {
    enum Async {
        Tcp(tokio::net::TcpListener),
        Unix(tokio::net::UnixListener),
    }
    let listener = match listener {
        Listener::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Async::Tcp),
        Listener::Unix(listener) => tokio::net::UnixListener::from_std(listener).map(Async::Unix),
    };
    let Ok(listener) = listener else {
        return crate::diagnostics::warn("the intake cannot listen on one of its threads");
    };
    let mut stopped = house.stopped.clone();
    let mut open = tokio::task::JoinSet::new();
    loop {
        // A connection beyond the limit waits in the operating system's queue.
        let Ok(place) = Arc::clone(&house.connections).acquire_owned().await else { return };
        let accepted = either(told(&mut stopped), async {
            match &listener {
                Async::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    Box::new(stream) as Box<dyn Stream>
                }),
                Async::Unix(listener) => {
                    listener.accept().await.map(|(stream, _)| Box::new(stream) as Box<dyn Stream>)
                }
            }
        });
        match accepted.await {
            Either::First(_) => break,
            Either::Second(Ok(stream)) => {
                open.spawn(connection(stream, Arc::clone(&house), place));
            }
            // Out of file descriptors, most likely: it passes.
            Either::Second(Err(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while open.try_join_next().is_some() {}
    }
    drop(house);
    while open.join_next().await.is_some() {}
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Until the intake stops.
async fn told(stopped: &mut signal::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Which of two was first.
enum Either<A, B> {
    First(A),
    Second(B),
}

async fn either<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> Either<A, B> {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(first) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(first));
        }
        second.as_mut().poll(cx).map(Either::Second)
    })
    .await
}

async fn connection(stream: Box<dyn Stream>, house: Arc<House>, _place: OwnedSemaphorePermit) {
    let stream: Box<dyn Stream> = match &house.tls {
        None => stream,
        Some(tls) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(tls));
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Box::new(stream),
                // Who is not let in says so itself.
                _ => return,
            }
        }
    };
    let mut stopped = house.stopped.clone();
    let limits = house.limits;
    let (known, mut met) = signal::channel(false);
    let service = service_fn(move |request| {
        let (response, let_in) = answer(request, Arc::clone(&house));
        if let_in {
            let _ = known.send(true);
        }
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20));
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // Who is never let in keeps no place of those who are.
    let late = async {
        if tokio::time::timeout(LET_IN, told(&mut met)).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let over = async { either(told(&mut stopped), late).await };
    if let Either::First(Either::First(())) = either(over, serving.as_mut()).await {
        serving.as_mut().graceful_shutdown();
        // A peer that keeps the connection without a stream has nothing that could be lost.
        let _ = tokio::time::timeout(Duration::from_secs(30), serving).await;
    }
}

/// The statuses of a stream on their way out.
struct Statuses(mpsc::UnboundedReceiver<Out>);

/// What goes out.
enum Out {
    /// A status; the place of its batch is free once it is on its way.
    Status(Bytes, OwnedSemaphorePermit),
    /// The end, with its gRPC status.
    End(HeaderMap),
}

impl Body for Statuses {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|out| {
            Some(Ok(match out? {
                Out::Status(bytes, place) => {
                    drop(place);
                    Frame::data(bytes)
                }
                Out::End(trailers) => Frame::trailers(trailers),
            }))
        })
    }
}

/// gRPC's codes, as far as they are used here.
#[derive(Clone, Copy)]
enum Code {
    Ok = 0,
    FailedPrecondition = 9,
    Unimplemented = 12,
    DataLoss = 15,
    Unauthenticated = 16,
}

fn said(code: Code, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from(code as u16));
    if let Ok(message) = HeaderValue::from_str(message)
        && !message.is_empty()
    {
        headers.insert("grpc-message", message);
    }
    headers
}

fn speaks() -> String {
    format!("compact/{VERSION}")
}

/// Lets a stream in, or says why not; and whether it did.
fn answer(request: Request<Incoming>, house: Arc<House>) -> (Response<Statuses>, bool) {
    let (out, statuses) = mpsc::unbounded_channel();
    let mut response = Response::new(Statuses(statuses));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let grpc = header("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
    if !grpc {
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return (response, false);
    }
    let path = request.uri().path();
    let layout = LAYOUTS.into_iter().find(|layout| layout.path == path);
    // Peers of the published paths say a token as their key.
    let token = header("authorization").and_then(|said| said.strip_prefix("Bearer "));
    let token = token.or_else(|| layout.and_then(|_| header("dd-api-key")));
    let bounds = Bounds { batch: house.limits.batch, state: house.limits.state };
    let decoder = if request.method() != Method::POST || (path != PATH && layout.is_none()) {
        Err(said(Code::Unimplemented, "this is a sinkwell intake, which takes streams only"))
    } else if !house.tokens.is_empty() && !is_known(token, &house.tokens) {
        Err(said(Code::Unauthenticated, "the token is not known here"))
    } else if let Some(layout) = layout {
        let decoder = |zstd| Decoder::Datadog(Box::new(datadog::Decoder::new(layout, zstd, bounds)));
        match header("dd-content-encoding") {
            Some("zstd") | None => Ok(decoder(true)),
            Some("identity") => Ok(decoder(false)),
            _ => Err(said(Code::FailedPrecondition, "this intake reads zstd and identity")),
        }
    } else if header(HEADER) != Some(&speaks()) {
        Err(said(Code::FailedPrecondition, &format!("this intake speaks {}", speaks())))
    } else {
        let no_memory = |_| said(Code::FailedPrecondition, "no memory for a stream");
        compact::Decoder::new(bounds)
            .map(|decoder| Decoder::Compact(Box::new(decoder.noting_signatures(house.verifies))))
            .map_err(no_memory)
    };
    let decoder = match decoder {
        Ok(decoder) => decoder,
        Err(refusal) => {
            // Among the headers, as nothing follows.
            response.headers_mut().extend(refusal);
            return (response, false);
        }
    };
    if layout.is_none()
        && let Ok(speaks) = HeaderValue::try_from(speaks())
    {
        response.headers_mut().insert(HEADER, speaks);
    }
    tokio::spawn(async move {
        let ended = read(request.into_body(), decoder, &house, &out).await;
        let _ = out.send(Out::End(ended));
    });
    (response, true)
}

/// The decoder of a stream's profile.
enum Decoder {
    Compact(Box<compact::Decoder>),
    Datadog(Box<datadog::Decoder>),
}

impl Decoder {
    fn decode(&mut self, batch: &[u8]) -> std::result::Result<Vec<Rebuilt>, Defect> {
        match self {
            Self::Compact(decoder) => decoder.decode(batch),
            Self::Datadog(decoder) => decoder.decode(batch),
        }
    }
}

fn is_known(said: Option<&str>, tokens: &[Secret]) -> bool {
    let said = said.unwrap_or_default().as_bytes();
    // Each is compared, so that time says nothing of which.
    tokens.iter().fold(false, |known, token| known | bool::from(token.expose().ct_eq(said)))
}

/// Reads a stream to its end; what is said then.
async fn read(
    mut body: Incoming,
    mut decoder: Decoder,
    house: &House,
    out: &mpsc::UnboundedSender<Out>,
) -> HeaderMap {
    let limits = &house.limits;
    let mut messages = Messages::new(limits.batch + AROUND);
    let places = Arc::new(Semaphore::new(AHEAD));
    let mut stopped = house.stopped.clone();
    let (mut expected, mut nothing_yet) = (1, true);
    let mut rate = limits.rate.map(Rate::new);
    let ended = 'stream: loop {
        let message = loop {
            match messages.next() {
                Ok(Some(message)) => break message,
                Ok(None) => {}
                Err(_) => break 'stream said(Code::DataLoss, "a message is too long, or compressed"),
            }
            match either(told(&mut stopped), body.frame()).await {
                Either::First(_) | Either::Second(None) => break 'stream said(Code::Ok, ""),
                // The peer is gone: nobody hears what is said.
                Either::Second(Some(Err(_))) => break 'stream said(Code::Ok, ""),
                Either::Second(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        messages.push(data);
                    }
                }
            }
        };
        let Some((batch, data)) = read_batch(&message) else {
            break said(Code::DataLoss, "a message is no batch");
        };
        // Senders of the published paths may begin with what they know already.
        let snapshot = batch == 0 && nothing_yet && matches!(decoder, Decoder::Datadog(_));
        if batch != expected && !snapshot {
            break said(Code::DataLoss, "batches are not numbered in order");
        }
        nothing_yet = false;
        expected += u64::from(!snapshot);
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break said(Code::Ok, "") };
        let lines = match decoder.decode(data) {
            Ok(lines) => lines,
            Err(defect) => break said(Code::DataLoss, defect.0),
        };
        if let Some(rate) = &mut rate {
            rate.pass(lines.len()).await;
        }
        let size: usize = lines.iter().map(|line| line.line().len() + 1).sum();
        // One batch may always go.
        let room = (size.div_ceil(1024)).clamp(1, (limits.pending / 1024).max(1));
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&house.pending).acquire_many_owned(room).await else {
            break said(Code::Ok, "");
        };
        let to = out.clone();
        let done = Box::new(move |refused| {
            let status = Status { batch, ok: true, refused };
            let _ = to.send(Out::Status(frame(&status.encode()).into(), place));
        });
        if house.door.send(Job { lines, done, room }).await.is_err() {
            break said(Code::Ok, "");
        }
    };
    // What was read is acknowledged before the end is said.
    let _ = places.acquire_many(AHEAD as u32).await;
    ended
}

/// Holds a stream to a rate, by a second's worth at a time.
struct Rate {
    most: usize,
    sent: VecDeque<(tokio::time::Instant, usize)>,
}

impl Rate {
    fn new(most: u32) -> Self {
        Self { most: most as usize, sent: VecDeque::new() }
    }

    async fn pass(&mut self, events: usize) {
        loop {
            let now = tokio::time::Instant::now();
            while self.sent.front().is_some_and(|(at, _)| now.duration_since(*at) >= Duration::from_secs(1)) {
                self.sent.pop_front();
            }
            let lately: usize = self.sent.iter().map(|(_, events)| events).sum();
            match self.sent.front() {
                Some((at, _)) if lately + events > self.most => {
                    tokio::time::sleep_until(*at + Duration::from_secs(1)).await;
                }
                _ => break,
            }
        }
        self.sent.push_back((tokio::time::Instant::now(), events));
    }
}
