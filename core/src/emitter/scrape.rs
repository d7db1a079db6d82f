//! `metrics.listen`: the Prometheus text over HTTP, for a scraper.
//!
//! Guarantees: nothing but `GET /metrics` (and `HEAD`) is answered with more than a status. A request is at most 8 KiB,
//! a connection lasts at most [`LIMIT`] and carries one request, and connections are served one after another: whoever
//! is slow gets a closed connection, and costs no memory. The endpoint is never why an emitter does not open: an address
//! that cannot be had is said in the log.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics;
use crate::reentry;
use crate::seam::Stopwatch;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread;

/// How long a connection may last.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes of a request.
const REQUEST: usize = 8 * 1024;

/// A listening endpoint; ends when it is dropped.
pub(super) struct Scrape {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Scrape {
    /// Listens; `text` makes what is read.
    pub(super) fn open(address: SocketAddr, text: impl Fn() -> String + Send + 'static) -> Option<Self> {
        let failed = |e: &io::Error| {
            diagnostics::warn(&format!("metrics.listen: nobody can read metrics at {address}: {}", e.kind()));
        };
        let listener = TcpListener::bind(address).inspect_err(failed).ok()?;
        let address = listener.local_addr().inspect_err(failed).ok()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::Builder::new()
            .name("sinkwell-scrape".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                for connection in listener.incoming() {
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    match connection {
                        // A broken connection is the other's affair.
                        Ok(connection) => drop(reentry::inside(|| serve(connection, &text))),
                        // Out of file descriptors, most likely. It passes, but is said again at once until then.
                        Err(_) => crate::seam::pause(Duration::from_millis(50)),
                    }
                }
            })
            .inspect_err(failed)
            .ok()?;
        Some(Self { address, stop })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Scrape {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread, which waits for a connection. An address of all interfaces is reached by the loopback.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let _ = TcpStream::connect_timeout(&address, Duration::from_millis(200));
    }
}

fn serve(mut connection: TcpStream, text: impl Fn() -> String) -> io::Result<()> {
    let start = Stopwatch::start();
    let mut request = Vec::new();
    let mut part = [0; 1024];
    let head = loop {
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break &request[..end];
        }
        let left = start.left(LIMIT);
        if request.len() >= REQUEST || left.is_zero() {
            return Ok(());
        }
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut part)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&part[..read]),
        }
    };
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, body) = match (path, method) {
        (b"/metrics", b"GET" | b"HEAD") => ("200 OK", text()),
        (b"/metrics", _) => ("405 Method Not Allowed\r\nAllow: GET, HEAD", String::new()),
        _ => ("404 Not Found", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut answer = head.into_bytes();
    if method != b"HEAD" {
        answer.extend_from_slice(body.as_bytes());
    }
    let mut rest = answer.as_slice();
    while !rest.is_empty() {
        let left = start.left(LIMIT);
        if left.is_zero() {
            return Ok(());
        }
        connection.set_write_timeout(Some(left))?;
        let written = connection.write(rest)?;
        rest = &rest[written..];
    }
    connection.shutdown(std::net::Shutdown::Write)
}
