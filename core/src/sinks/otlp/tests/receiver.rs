//! Receivers on a port of their own that answer from a script and keep what they got.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    /// `POST /v1/logs`
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    /// As sent, still compressed.
    pub(super) body: Vec<u8>,
    /// Which connection it came over, counted from 0.
    pub(super) connection: usize,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The bodies of all records in it.
    pub(super) fn lines(&self) -> Vec<String> {
        self.request().lines()
    }

    pub(super) fn request(&self) -> ExportLogsServiceRequest {
        let grpc = self.header("content-type") == Some("application/grpc");
        let (message, encoding) = if grpc {
            assert_eq!(self.body.len() - 5, u32::from_be_bytes(self.body[1..5].try_into().unwrap()) as usize);
            let encoding = self.header("grpc-encoding");
            assert_eq!(self.body[0] == 1, encoding.is_some());
            (&self.body[5..], encoding)
        } else {
            (&self.body[..], self.header("content-encoding"))
        };
        let plain = match encoding {
            None => message.to_vec(),
            Some("gzip") => {
                let mut out = Vec::new();
                flate2::read::GzDecoder::new(message).read_to_end(&mut out).unwrap();
                out
            }
            Some("zstd") => zstd::decode_all(message).unwrap(),
            Some(other) => panic!("compressed as {other}"),
        };
        ExportLogsServiceRequest::decode(plain.as_slice()).unwrap()
    }
}

/// What can be read from a decoded request.
pub(super) trait Lines {
    fn lines(&self) -> Vec<String>;
}

impl Lines for ExportLogsServiceRequest {
    fn lines(&self) -> Vec<String> {
        use opentelemetry_proto::tonic::common::v1::any_value::Value;
        let records = self.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
        records
            .map(|record| match record.body.as_ref().and_then(|body| body.value.as_ref()) {
                Some(Value::StringValue(line)) => line.clone(),
                other => panic!("the body is {other:?}"),
            })
            .collect()
    }
}

/// One answer of a script.
pub(super) enum Say {
    /// These bytes, as an HTTP/1.1 answer is written.
    Raw(Vec<u8>),
    /// These bytes, then the connection is closed.
    RawThenClose(Vec<u8>),
    /// Nothing: the connection is closed when the request has been read.
    Hang,
}

/// `HTTP/1.1 200 OK` with this type and body.
pub(super) fn http(status: &str, headers: &str, body: &[u8]) -> Say {
    let mut raw =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    raw.extend_from_slice(body);
    Say::Raw(raw)
}

pub(super) fn ok() -> Say {
    http("200 OK", "Content-Type: application/x-protobuf\r\n", b"")
}

/// An HTTP/1.1 receiver. After its script it answers 200.
pub(super) struct HttpReceiver {
    pub(super) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl HttpReceiver {
    pub(super) fn new(script: Vec<Say>) -> Self {
        Self::on("127.0.0.1:0", script)
    }

    pub(super) fn on(address: &str, script: Vec<Say>) -> Self {
        Self::with(address, script, Ok)
    }

    /// A receiver whose connections pass through `wrap` first (TLS).
    pub(super) fn with<S: Read + Write + 'static>(
        address: &str,
        script: Vec<Say>,
        wrap: impl Fn(TcpStream) -> io::Result<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let seen = got.clone();
        thread::spawn(move || {
            let mut script = script.into_iter();
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream.and_then(&wrap) else { continue };
                // A broken connection is the client's right.
                let _ = serve(&mut stream, connection, &mut script, &seen);
            }
        });
        Self { address, got }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn serve(
    stream: &mut (impl Read + Write),
    connection: usize,
    script: &mut impl Iterator<Item = Say>,
    seen: &Mutex<Vec<Got>>,
) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        stream.read_exact(&mut body)?;
        seen.lock().unwrap().push(Got { line, headers, body, connection });
        match script.next().unwrap_or_else(ok) {
            Say::Raw(raw) => stream.write_all(&raw)?,
            Say::RawThenClose(raw) => {
                stream.write_all(&raw)?;
                return stream.flush();
            }
            Say::Hang => return Ok(()),
        }
        stream.flush()?;
    }
}

/// One answer of a gRPC script.
#[derive(Clone, Default)]
pub(super) struct GrpcSay {
    /// HTTP status; 0 is 200.
    pub(super) http: u16,
    /// `application/grpc` unless said otherwise.
    pub(super) content_type: Option<&'static str>,
    pub(super) message: Vec<u8>,
    /// `message` is compressed so; an empty name is one that the answer does not give.
    pub(super) encoding: Option<&'static str>,
    pub(super) trailers: Vec<(&'static str, String)>,
    /// No message and no trailers: all in the headers.
    pub(super) trailers_only: bool,
    /// Sends GOAWAY and closes after this answer.
    pub(super) go_away: bool,
}

impl GrpcSay {
    pub(super) fn status(code: u32) -> Self {
        Self { trailers: vec![("grpc-status", code.to_string())], ..Self::default() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.trailers.push((name, value.into()));
        self
    }
}

/// A gRPC receiver. After its script it answers OK.
pub(super) struct GrpcReceiver {
    pub(super) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

impl GrpcReceiver {
    pub(super) fn new(script: Vec<GrpcSay>) -> Self {
        Self::with(script, None)
    }

    pub(super) fn with(script: Vec<GrpcSay>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.into_iter()));
        let seen = got.clone();
        serve_on_a_thread(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen, tls) = (script.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve_grpc(stream, connection, script, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await {
                                serve_grpc(stream, connection, script, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, got }
    }

    /// On a Unix-domain socket.
    pub(super) fn on_socket(path: &std::path::Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let seen = got.clone();
        serve_on_a_thread(async move {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            let script = Arc::new(Mutex::new(Vec::new().into_iter()));
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve_grpc(stream, connection, script.clone(), seen.clone()));
            }
        });
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), got }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn serve_on_a_thread(server: impl Future<Output = ()> + Send + 'static) {
    thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(server);
    });
}

async fn serve_grpc(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    connection: usize,
    script: Arc<Mutex<std::vec::IntoIter<GrpcSay>>>,
    seen: Arc<Mutex<Vec<Got>>>,
) {
    let leave = Arc::new(tokio::sync::Notify::new());
    let going = leave.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (script, seen, leave) = (script.clone(), seen.clone(), leave.clone());
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let headers = request.headers().iter();
            let headers =
                headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap_or("?").to_owned())).collect();
            let body = request.into_body().collect().await.unwrap().to_bytes().to_vec();
            seen.lock().unwrap().push(Got { line, headers, body, connection });
            let say = script.lock().unwrap().next().unwrap_or_else(|| GrpcSay::status(0));
            if say.go_away {
                leave.notify_one();
            }
            Ok::<_, std::convert::Infallible>(response(say))
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = going.notified() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn response(say: GrpcSay) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    for (name, value) in &say.trailers {
        trailers.insert(*name, value.parse().unwrap());
    }
    let mut response = Response::builder()
        .status(if say.http == 0 { 200 } else { say.http })
        .header("content-type", say.content_type.unwrap_or("application/grpc"));
    if let Some(encoding) = say.encoding.filter(|encoding| !encoding.is_empty()) {
        response.headers_mut().unwrap().insert("grpc-encoding", encoding.parse().unwrap());
    }
    if say.trailers_only {
        response.headers_mut().unwrap().extend(trailers);
        return response.body(Full::default().boxed()).unwrap();
    }
    let mut body = Vec::new();
    if trailers.get("grpc-status").is_some_and(|status| status == "0") {
        body.push(u8::from(say.encoding.is_some()));
        body.extend_from_slice(&u32::try_from(say.message.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&say.message);
    }
    let trailers = (!trailers.is_empty()).then_some(Ok(trailers));
    response.body(Full::from(body).with_trailers(std::future::ready(trailers)).boxed()).unwrap()
}
