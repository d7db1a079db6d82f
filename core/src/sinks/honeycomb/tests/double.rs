//! A double of Honeycomb's API, on a port of its own.

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::json::{Value, parse};
use crate::sinks::otlp::http::decompress;

/// The key that it knows.
pub(super) const KEY: &str = "hcaik_01abcdefghijklmnopqrstuvwxyz";

/// What it does with a request, before it does as documented.
#[derive(Clone, Debug)]
pub(super) enum Say {
    Normal,
    NormalThenClose,
    /// These statuses, whatever came; only the events that are answered 202 are kept.
    Each(Vec<u16>),
    /// Of each four: 202, 202, 429, 400.
    Mixed,
    /// This status, headers and body, in which KEY stands for the key.
    Raw(u16, &'static str, &'static str),
    Text(u16, String),
    Bytes(u16, Vec<u8>),
    /// Half an answer.
    CutOff,
    /// None at all.
    Hang,
}

/// A request.
#[derive(Clone)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) encoding: Option<String>,
    pub(super) size: usize,
    pub(super) events: Vec<Value>,
}

#[derive(Default)]
struct Books {
    says: VecDeque<Say>,
    got: Vec<Got>,
    all: Vec<Value>,
}

pub(super) struct Double {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

impl Double {
    pub(super) fn new(says: impl IntoIterator<Item = Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Mutex::new(Books { says: says.into_iter().collect(), ..Books::default() }));
        let kept = Arc::clone(&books);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let books = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, &books));
            }
        });
        Self { address, books }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.books.lock().unwrap().got.clone()
    }

    /// The events that it took.
    pub(super) fn all(&self) -> Vec<Value> {
        self.books.lock().unwrap().all.clone()
    }

    /// Of them the ids of the host's; none came twice.
    pub(super) fn stored(&self) -> HashSet<String> {
        let all = self.all();
        let host =
            all.iter().filter_map(|event| event.get("data")).filter(|data| data.get("origin").is_none());
        let ids: Vec<String> =
            host.map(|data| data.get("id").unwrap().as_str().unwrap().to_owned()).collect();
        let different: HashSet<String> = ids.iter().cloned().collect();
        assert_eq!(different.len(), ids.len(), "an event came twice");
        different
    }
}

fn serve(stream: &TcpStream, books: &Mutex<Books>) {
    let mut reader = BufReader::new(stream);
    while let Some((path, encoding, key, body)) = request(&mut reader) {
        let say = books.lock().unwrap().says.pop_front().unwrap_or(Say::Normal);
        let text = decompress(encoding.as_deref().unwrap_or_default(), &body, 64 << 20).unwrap();
        let events = parse(&text).map(|value| value.items().to_vec()).unwrap_or_default();
        books.lock().unwrap().got.push(Got { path, encoding, size: text.len(), events: events.clone() });
        let statuses = match &say {
            Say::Each(statuses) => statuses.clone(),
            Say::Mixed => (0..events.len()).map(|i| [202, 202, 429, 400][i % 4]).collect(),
            _ => events.iter().map(judge).collect(),
        };
        let (status, headers, answer) = match &say {
            Say::Raw(status, headers, answer) => (*status, *headers, answer.replace("KEY", KEY)),
            Say::Text(status, answer) => (*status, "", answer.clone()),
            _ if key.as_deref() != Some(KEY) => (401, "", r#"{"error":"unknown API key"}"#.to_owned()),
            _ => (200, "", array(&statuses)),
        };
        if matches!(say, Say::Hang) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        let text =
            format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{headers}\r\n{answer}", answer.len());
        let text = match &say {
            Say::Bytes(status, body) => {
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
                [head.as_bytes(), body].concat()
            }
            _ => text.into_bytes(),
        };
        let end = if matches!(say, Say::CutOff) { text.len() / 2 } else { text.len() };
        if status == 200 && end == text.len() && statuses.len() == events.len() {
            let taken = events.into_iter().zip(&statuses).filter(|(_, status)| **status == 202);
            books.lock().unwrap().all.extend(taken.map(|(event, _)| event));
        }
        let mut to = stream;
        if to.write_all(&text[..end]).is_err() {
            return;
        }
        if matches!(say, Say::CutOff | Say::NormalThenClose) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// What the documentation says of an event.
fn judge(event: &Value) -> u16 {
    let Some(Value::Object(columns)) = event.get("data") else { return 400 };
    let texts = columns.iter().filter_map(|(_, value)| value.as_str());
    let ahead = event.get("time").and_then(Value::as_str).is_some_and(|time| time > "2100");
    let over = columns.len() > 2000 || texts.into_iter().any(|text| text.len() > 65_536);
    if over || ahead || columns.is_empty() || event.to_json().len() > 1_048_576 { 400 } else { 202 }
}

fn array(statuses: &[u16]) -> String {
    let element = |status: &u16| match status {
        202 => r#"{"status":202}"#.to_owned(),
        status => format!(r#"{{"status":{status},"error":"no"}}"#),
    };
    format!("[{}]", statuses.iter().map(element).collect::<Vec<_>>().join(","))
}

type Request = (String, Option<String>, Option<String>, Vec<u8>);

fn request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut encoding, mut key, mut length) = (None, None, 0);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "content-encoding" => encoding = Some(value),
            "x-honeycomb-team" => key = Some(value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, encoding, key, body))
}
