//! Gives the page to a browser on this machine, and to nobody else.
//!
//! Guarantees: it listens on 127.0.0.1 only. It answers a request only where the address holds the token, `Host` is this
//! server (so that no other name can be made to lead here), and the request comes from the page itself or from the
//! address line (so that no other page can read it). There is nothing but `GET` of the page and of what it shows. It ends
//! with the command.

use std::io::{self, BufWriter, Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sinkwell::json::Value;
use sinkwell::{Error, Result};

use super::Told;
use super::collect::Collected;
use super::follow;
use super::page::{self, int, object};
use crate::out::Out;

/// A request's head may be so long, and take so long.
const HEAD: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the page's question for more waits for an answer.
const WAIT: Duration = Duration::from_secs(20);
/// So many requests are answered at a time.
const AT_ONCE: usize = 16;
/// So many bytes of pieces are given in one answer, compressed.
const ANSWER: usize = 4 << 20;

/// What the page is made of, and who waits for more of it.
pub(super) struct Shared {
    collected: Mutex<Collected>,
    more: Condvar,
    told: Told,
    /// `/TOKEN/`
    path: String,
    address: SocketAddr,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn grew(&self) {
        self.more.notify_all();
    }
}

/// Serves until the command is ended.
pub(super) fn run(collected: Collected, told: Told, port: u16, out: &mut Out) -> Result<()> {
    // What cannot be shown is said before there is an address.
    if !told.live {
        collected.judge(told.options(true))?;
    }
    let failed = |e: io::Error| {
        Error::invalid_argument(format!("127.0.0.1 cannot be listened on: {e}")).at(format!("--port {port}"))
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut token = [0_u8; 24];
    getrandom::fill(&mut token)
        .map_err(|e| Error::internal(format!("the system gives no randomness: {e}")))?;
    let path = format!("/{}/", sinkwell::hex::text(&token));
    out.line(format_args!("http://{address}{path}"))?;
    out.line(
        "open this address in a browser on this machine; whoever has it can read the events; Ctrl-C ends",
    )?;
    out.flush()?;
    let live = told.live;
    let shared =
        Arc::new(Shared { collected: Mutex::new(collected), more: Condvar::new(), told, path, address });
    if live {
        follow::start(&shared)?;
    }
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if busy.fetch_add(1, Ordering::SeqCst) >= AT_ONCE {
            busy.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (shared, slot) = (Arc::clone(&shared), Slot(Arc::clone(&busy)));
        let answer = move || {
            let _slot = slot;
            // A browser that went away is no failure.
            let _ = answer(&shared, stream);
        };
        // Without a thread the connection is closed, and its slot is free again.
        let _ = std::thread::Builder::new().name("sinkwell-view".into()).spawn(answer);
    }
    Ok(())
}

struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a request asks for, if it may.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Page,
    /// What the page has not yet: pieces from this one on.
    More(usize),
    /// What the core says of so many pieces.
    Core(usize),
    Refused(&'static str),
}

fn answer(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let head = read_head(&mut stream)?;
    match asked(&head, &shared.path, shared.address) {
        Asked::Refused(status) => {
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Asked::Page => {
            let collected = shared.lock().snapshot(usize::MAX);
            let meta = match page::Meta::of(&collected, &shared.told) {
                Ok(meta) => meta,
                Err(e) => return refuse(&mut stream, &e),
            };
            let mut body = Vec::new();
            page::write(&mut body, &collected, &meta, if shared.told.live { "'self'" } else { "'none'" })?;
            respond(&mut stream, "text/html; charset=utf-8", &body)
        }
        Asked::More(from) => {
            let (next, pieces) = wait_for_more(shared, from);
            let value = object([("next", int(next as u64)), ("pieces", Value::Array(pieces))]);
            respond(&mut stream, "application/json", value.to_json().as_bytes())
        }
        Asked::Core(of) => {
            // Judging takes a while, in which files go on growing: nobody waits for it.
            let collected = shared.lock().snapshot(of);
            let core = page::core(&collected, &shared.told);
            let pieces = collected.pieces.len();
            match core {
                Ok((core, graph)) => {
                    let mut members = vec![("pieces", int(pieces as u64)), ("core", core)];
                    members.extend(graph.map(|graph| ("graph", graph)));
                    let value = object(members);
                    respond(&mut stream, "application/json", value.to_json().as_bytes())
                }
                Err(e) => refuse(&mut stream, &e),
            }
        }
    }
}

fn refuse(stream: &mut TcpStream, e: &Error) -> io::Result<()> {
    let text = e.to_string();
    write!(
        stream,
        "HTTP/1.1 409 Conflict\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: \
         nosniff\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn wait_for_more(shared: &Shared, from: usize) -> (usize, Vec<Value>) {
    let until = Instant::now() + WAIT;
    let mut collected = shared.lock();
    while collected.pieces.len() <= from {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        collected = shared.more.wait_timeout(collected, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    let mut bytes = 0;
    let mut pieces = Vec::new();
    for piece in collected.pieces.iter().skip(from) {
        pieces.push(page::piece_value(piece));
        bytes += piece.lines.as_ref().map_or(0, Vec::len);
        if bytes > ANSWER {
            break;
        }
    }
    (from + pieces.len(), pieces)
}

/// Reads up to the empty line; what does not end in time or in room is an error.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut buffer = [0_u8; 2048];
    while !head.windows(4).any(|at| at == b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 || head.len() + read > HEAD || Instant::now() > until {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&buffer[..read]);
    }
    Ok(head)
}

fn asked(head: &[u8], path: &str, address: SocketAddr) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    if !matches!(request.parse(head), Ok(httparse::Status::Complete(_))) {
        return Asked::Refused("400 Bad Request");
    }
    let all = |name: &str| {
        let same = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        request.headers.iter().filter(same).map(|header| header.value).collect::<Vec<_>>()
    };
    // Under another name, or from another page, nothing is said, not even whether the token is right.
    if all("host") != [address.to_string().as_bytes()] {
        return Asked::Refused("421 Misdirected Request");
    }
    let origin = format!("http://{address}");
    let strange = all("origin").iter().any(|given| *given != origin.as_bytes())
        || all("sec-fetch-site").iter().any(|given| !matches!(*given, b"same-origin" | b"none"));
    if strange {
        return Asked::Refused("403 Forbidden");
    }
    let target = request.path.unwrap_or_default();
    let Some(rest) = target.get(path.len()..).filter(|_| alike(&target[..path.len()], path)) else {
        return Asked::Refused("404 Not Found");
    };
    if request.method != Some("GET") {
        return Asked::Refused("405 Method Not Allowed");
    }
    match rest {
        "" => Asked::Page,
        more => {
            let number = |name| more.strip_prefix(name).and_then(|n| n.parse().ok());
            let known = number("more?from=").map(Asked::More);
            known
                .or_else(|| number("core?pieces=").map(Asked::Core))
                .unwrap_or(Asked::Refused("404 Not Found"))
        }
    }
}

/// Whether two texts are the same, in a time that does not tell how far they are.
fn alike(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn respond(stream: &mut TcpStream, kind: &str, body: &[u8]) -> io::Result<()> {
    let mut out = BufWriter::new(stream);
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: \
         no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: \
         DENY\r\nContent-Security-Policy: frame-ancestors 'none'\r\nCross-Origin-Resource-Policy: \
         same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n\r\n",
        body.len()
    )?;
    out.write_all(body)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/0123/";

    fn ask(target: &str, headers: &str) -> Asked {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4711));
        asked(format!("{target} HTTP/1.1\r\n{headers}\r\n").as_bytes(), PATH, address)
    }

    #[test]
    fn only_the_page_itself_is_answered() {
        let host = "Host: 127.0.0.1:4711\r\n";
        assert_eq!(ask("GET /0123/", host), Asked::Page);
        assert_eq!(ask("GET /0123/more?from=7", host), Asked::More(7));
        let own = format!("{host}Origin: http://127.0.0.1:4711\r\nSec-Fetch-Site: same-origin\r\n");
        assert_eq!(ask("GET /0123/core?pieces=9", &own), Asked::Core(9));
        let refused = [
            // No token, a wrong one, a part of it.
            ("GET /", host.to_owned()),
            ("GET /0124/", host.to_owned()),
            ("GET /0123", host.to_owned()),
            ("GET /0123/../etc/passwd", host.to_owned()),
            ("GET /0123/more?from=-1", host.to_owned()),
            ("GET /0123/core", host.to_owned()),
            ("POST /0123/", host.to_owned()),
            // Another name that leads here, none, two.
            ("GET /0123/", "Host: evil.example:4711\r\n".to_owned()),
            ("GET /0123/", "Host: 127.0.0.1\r\n".to_owned()),
            ("GET /0123/", String::new()),
            ("GET /0123/", format!("{host}Host: evil.example\r\n")),
            // Another page, another port, a page from disk.
            ("GET /0123/", format!("{host}Origin: http://evil.example\r\n")),
            ("GET /0123/", format!("{host}Origin: http://127.0.0.1:4712\r\n")),
            ("GET /0123/", format!("{host}Origin: null\r\n")),
            ("GET /0123/", format!("{host}Sec-Fetch-Site: cross-site\r\n")),
            ("GET /0123/", format!("{host}Sec-Fetch-Site: same-site\r\n")),
        ];
        for (target, headers) in refused {
            assert!(matches!(ask(target, &headers), Asked::Refused(_)), "{target} {headers:?}");
        }
    }
}
