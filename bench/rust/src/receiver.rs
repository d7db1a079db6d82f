//! A receiver of OTLP/HTTP logs that only counts: the same for everything that is measured, a process of its
//! own so that its work is on nobody's bill.
//!
//! `POST /v1/logs` counts log records (protobuf, uncompressed, with a length or chunked). `GET /count`
//! answers `RECORDS BYTES REQUESTS`. `--delay MS` answers each post so much later.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Default)]
struct Totals {
    records: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
}

/// Prints the port and serves until standard input ends, so that it never outlives who started it.
pub(crate) fn serve(delay: Duration) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let totals = Arc::new(Totals::default());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let totals = Arc::clone(&totals);
            std::thread::spawn(move || drop(converse(&connection, &totals, delay)));
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(drop)
}

fn converse(connection: &TcpStream, totals: &Totals, delay: Duration) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 16, connection);
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let post = line.starts_with("POST");
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap_or(0),
                    "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
                    "expect" => (&mut &*connection).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
                    _ => {}
                }
            }
        }
        body.clear();
        if chunked {
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                let size = u64::from_str_radix(line.trim().split(';').next().unwrap_or("0"), 16).unwrap_or(0);
                (&mut reader).take(size).read_to_end(&mut body)?;
                line.clear();
                reader.read_line(&mut line)?;
                if size == 0 {
                    break;
                }
            }
        } else {
            (&mut reader).take(length).read_to_end(&mut body)?;
        }
        let text = if post {
            std::thread::sleep(delay);
            totals.records.fetch_add(log_records(&body), Ordering::SeqCst);
            totals.bytes.fetch_add(body.len() as u64, Ordering::SeqCst);
            totals.requests.fetch_add(1, Ordering::SeqCst);
            String::new()
        } else {
            let get = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
            format!("{} {} {}", get(&totals.records), get(&totals.bytes), get(&totals.requests))
        };
        let kind = if post { "application/x-protobuf" } else { "text/plain" };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", text.len());
        (&mut &*connection).write_all((head + &text).as_bytes())?;
    }
}

/// `ExportLogsServiceRequest.resource_logs` (1), `.scope_logs` (2), `.log_records` (2).
fn log_records(request: &[u8]) -> u64 {
    let mut records = 0;
    fields(request, 1, &mut |resource| {
        fields(resource, 2, &mut |scope| fields(scope, 2, &mut |_| records += 1));
    });
    records
}

/// Calls `with` for each length-delimited field of that number; stops at what is no protobuf.
fn fields<'a>(mut message: &'a [u8], number: u64, with: &mut dyn FnMut(&'a [u8])) {
    while let Some(tag) = varint(&mut message) {
        match tag & 7 {
            0 => drop(varint(&mut message)),
            1 => message = message.get(8..).unwrap_or_default(),
            5 => message = message.get(4..).unwrap_or_default(),
            2 => {
                let Some(length) = varint(&mut message) else { return };
                let Some((field, rest)) =
                    usize::try_from(length).ok().and_then(|n| message.split_at_checked(n))
                else {
                    return;
                };
                message = rest;
                if tag >> 3 == number {
                    with(field);
                }
            }
            _ => return,
        }
    }
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

/// The receiver as a process, ended when this is dropped.
pub(crate) struct Receiver {
    child: std::process::Child,
    pub(crate) port: u16,
}

impl Receiver {
    /// Answers each post so many milliseconds later.
    pub(crate) fn start(delay_ms: u64) -> std::io::Result<Self> {
        use std::process::{Command, Stdio};
        let mut child = Command::new(std::env::current_exe()?)
            .args(["receiver", "--delay", &delay_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(std::io::Error::other)?;
        Ok(Self { child, port })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// How many records a receiver has counted.
pub(crate) fn count(port: u16) -> std::io::Result<u64> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.write_all(b"GET /count HTTP/1.1\r\n\r\n")?;
    connection.shutdown(std::net::Shutdown::Write)?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    let body = text.rsplit("\r\n").next().unwrap_or_default();
    body.split(' ').next().unwrap_or_default().parse().map_err(std::io::Error::other)
}
