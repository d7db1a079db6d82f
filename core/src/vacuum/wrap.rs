//! What carries a log line, and what it knows of it.
//!
//! Guarantees: a line that is not in the form of a wrapper is taken as it stands; what a wrapper says is text of
//! strangers, kept beside the data and never an attribute but the time. `auto` looks at each line: a flagged object
//! is no wrapper, whatever its members are called.
//!
//! | format | a line | more |
//! | --- | --- | --- |
//! | `plain` | the text itself | |
//! | `docker` | `{"log":"text\n","stream":"stdout","time":"…"}` (json-file) | text without `\n` goes on in the stream's next line |
//! | `cri` | `time stream P text`, `time stream F text` (Kubernetes, containerd, CRI-O) | `P` goes on in the stream's next line |
//! | `lambda` | `time⇥id⇥LEVEL⇥text`, `time⇥id⇥text`, `[LEVEL]⇥time⇥id⇥text` | |
//! | `journald` | `journalctl -o json`, `journalctl -o export` | `MESSAGE` as text or as bytes; the second, see `export` |

use std::borrow::Cow;

use super::skim::Flagged;
use super::{export, skim};
use crate::error::{Error, Result};
use crate::json::{Value, parse_limited};

/// How lines are wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Each line as it looks.
    #[default]
    Auto,
    /// Not at all.
    Plain,
    /// Docker's json-file driver.
    Docker,
    /// The container runtime interface of Kubernetes.
    Cri,
    /// AWS Lambda's text form.
    Lambda,
    /// systemd's journal, as JSON or in its export form.
    Journald,
}

impl Format {
    /// Every format, `auto` first.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::Plain, Self::Docker, Self::Cri, Self::Lambda, Self::Journald];

    /// As options name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Plain => "plain",
            Self::Docker => "docker",
            Self::Cri => "cri",
            Self::Lambda => "lambda",
            Self::Journald => "journald",
        }
    }

    /// The format of that name.
    ///
    /// # Errors
    /// `invalid_argument`: there is none.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid_argument(format!("unknown; there are {known}")).at("format")
        })
    }
}

/// The two streams of a program whose lines may come in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) format: Format,
    pub(super) error: bool,
}

impl Stream {
    fn of(format: Format, name: &str) -> Option<Self> {
        match name {
            "stdout" => Some(Self { format, error: false }),
            "stderr" => Some(Self { format, error: true }),
            _ => None,
        }
    }
}

/// What the wrapper knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) format: Format,
    pub(super) time: Option<String>,
    pub(super) stream: Option<String>,
    pub(super) level: Option<String>,
    pub(super) request: Option<String>,
}

impl About {
    pub(super) fn plain() -> Self {
        Self { format: Format::Plain, ..Self::default() }
    }
}

/// A line out of its wrapper.
pub(super) struct Inner<'a> {
    pub(super) text: Cow<'a, [u8]>,
    pub(super) about: About,
    /// The stream, and whether the line ends here, where it may come in parts.
    pub(super) part: Option<(Stream, bool)>,
    /// What `auto` found already, as it looks for a flag first.
    pub(super) flagged: Option<Flagged>,
}

impl<'a> Inner<'a> {
    fn plain(text: &'a [u8]) -> Self {
        Self { text: Cow::Borrowed(text), about: About::plain(), part: None, flagged: None }
    }
}

/// Whether a line without a mark matters while no line waits for its end: one that begins a longer one, or a journal's entry.
/// Of most lines the first bytes tell.
pub(super) fn begins(line: &[u8], format: Format) -> bool {
    match (format, line.first()) {
        (Format::Cri | Format::Auto, Some(b'0'..=b'9')) => cri_tag(line) == Some(b'P'),
        (Format::Docker, Some(b'{')) => !docker_ends(line),
        (Format::Auto, Some(b'{')) => line.starts_with(b"{\"log\":") && !docker_ends(line),
        (Format::Journald, _) | (Format::Auto, Some(b'_')) => export::begins(line, format),
        _ => false,
    }
}

/// Whether a line without a mark matters while one waits for its end: it may go on with it, too.
pub(super) fn goes_on(line: &[u8], format: Format) -> bool {
    match (format, line.first()) {
        (Format::Cri | Format::Auto, Some(b'0'..=b'9')) => cri_tag(line).is_some(),
        (Format::Docker, Some(b'{')) => true,
        (Format::Auto, Some(b'{')) => line.starts_with(b"{\"log\":"),
        _ => begins(line, format),
    }
}

/// Whether a message may come as a list of bytes.
pub(super) fn has_bytes(format: Format) -> bool {
    matches!(format, Format::Auto | Format::Journald)
}

/// What a line that may be of the container runtime interface has as its tag: behind its time and its stream.
fn cri_tag(line: &[u8]) -> Option<u8> {
    let time = memchr::memchr(b' ', &line[..line.len().min(LONGEST_TIME + 1)])?;
    let stream = line.get(time..time + b" stdout ".len())?;
    (stream == b" stdout " || stream == b" stderr ").then(|| line.get(time + stream.len()).copied())?
}

/// Whether a line of Docker's, as Docker writes it, surely has a text that ends: with `\n` before its closing quote.
fn docker_ends(line: &[u8]) -> bool {
    thread_local! {
        static FINDER: memchr::memmem::Finder<'static> = memchr::memmem::Finder::new(b"\\n\",\"stream\":");
    }
    let at = line.starts_with(b"{\"log\":\"").then(|| FINDER.with(|finder| finder.find(line))).flatten();
    // Behind another `\` it may be no line's end, but the letter n: then all of it is looked at.
    at.is_some_and(|at| at > 0 && line[at - 1] != b'\\')
}

/// Takes a line, without what ends it, out of its wrapper.
pub(super) fn unwrap(line: &[u8], format: Format) -> Inner<'_> {
    let found = match format {
        Format::Plain => None,
        Format::Docker => object(line).and_then(|object| docker(&object)),
        Format::Cri => cri(line),
        Format::Lambda => lambda(line, false),
        Format::Journald => object(line).and_then(|object| journald(&object)),
        Format::Auto => match line.first() {
            Some(b'{') => match skim::flagged(line) {
                Some(flagged) => Some(Inner { flagged: Some(flagged), ..Inner::plain(line) }),
                None => object(line).and_then(|object| docker(&object).or_else(|| journald(&object))),
            },
            Some(b'0'..=b'9') => cri(line).or_else(|| lambda(line, true)),
            Some(b'[') => lambda(line, true),
            _ => None,
        },
    };
    found.unwrap_or_else(|| Inner::plain(line))
}

/// The members of a wrapper nest no deeper than a journal's bytes in a list.
fn object(line: &[u8]) -> Option<Value> {
    parse_limited(line, 8).ok()
}

fn member(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn docker(object: &Value) -> Option<Inner<'static>> {
    let mut log = member(object, "log")?;
    let stream = member(object, "stream");
    let time = member(object, "time");
    if stream.is_none() && time.is_none() {
        return None;
    }
    let ends = log.ends_with('\n');
    if ends {
        log.pop();
    }
    let part = stream.as_deref().and_then(|name| Stream::of(Format::Docker, name));
    let about = About { format: Format::Docker, time, stream, ..About::default() };
    Some(Inner {
        text: Cow::Owned(log.into_bytes()),
        about,
        part: part.map(|stream| (stream, ends)),
        flagged: None,
    })
}

fn cri(line: &[u8]) -> Option<Inner<'_>> {
    cri_tag(line)?;
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(fields.next()?).ok().filter(|time| is_time(time))?;
    let name = std::str::from_utf8(fields.next()?).ok()?;
    let stream = Stream::of(Format::Cri, name)?;
    // Of the tags only the first is defined; others may follow it behind colons.
    let ends = match fields.next()?.split(|byte| *byte == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let about = About {
        format: Format::Cri,
        time: Some(time.to_owned()),
        stream: Some(name.to_owned()),
        ..About::default()
    };
    Some(Inner {
        text: Cow::Borrowed(fields.next().unwrap_or_default()),
        about,
        part: Some((stream, ends)),
        flagged: None,
    })
}

/// The most bytes of a time.
const LONGEST_TIME: usize = 40;

/// Whether something begins as RFC 3339 does, up to its seconds.
fn is_time(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    text.len() >= FORM.len()
        && text.len() <= LONGEST_TIME
        && FORM.iter().zip(text.bytes()).all(|(form, byte)| match form {
            b'0' => byte.is_ascii_digit(),
            form => *form == byte,
        })
}

/// `strict` where nobody said that it is Lambda's.
fn lambda(line: &[u8], strict: bool) -> Option<Inner<'_>> {
    const LEVELS: [&[u8]; 8] =
        [b"TRACE", b"DEBUG", b"INFO", b"WARN", b"WARNING", b"ERROR", b"FATAL", b"CRITICAL"];
    let (mut level, mut rest) = (None, line);
    let next = |rest: &mut &'_ [u8]| -> Option<(usize, usize)> {
        let from = line.len() - rest.len();
        let tab = memchr::memchr(b'\t', rest)?;
        *rest = &rest[tab + 1..];
        Some((from, from + tab))
    };
    if line.first() == Some(&b'[') {
        let (from, to) = next(&mut rest)?;
        let name = line[from..to].strip_prefix(b"[")?.strip_suffix(b"]")?;
        level = Some(LEVELS.into_iter().find(|known| *known == name)?);
    }
    let (from, to) = next(&mut rest)?;
    let time = std::str::from_utf8(&line[from..to]).ok().filter(|time| is_time(time))?;
    let (from, to) = next(&mut rest)?;
    let request = std::str::from_utf8(&line[from..to]).ok().filter(|id| id.len() <= 64)?;
    let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    // Outside a request the runtime for Node says so.
    if strict && request != "undefined" && !(request.len() == 36 && request.bytes().all(hex)) {
        return None;
    }
    if level.is_none()
        && let Some(tab) = memchr::memchr(b'\t', rest)
        && let Some(known) = LEVELS.into_iter().find(|known| *known == &rest[..tab])
    {
        level = Some(known);
        rest = &rest[tab + 1..];
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let about = About {
        format: Format::Lambda,
        time: Some(time.to_owned()),
        level: level.map(text),
        request: Some(request.to_owned()).filter(|id| id != "undefined"),
        ..About::default()
    };
    Some(Inner { text: Cow::Borrowed(rest), about, part: None, flagged: None })
}

/// The name of a `PRIORITY` of the journal.
pub(super) fn journal_level(priority: &str) -> Option<String> {
    const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let level = priority.parse::<usize>().ok().and_then(|n| LEVELS.get(n));
    level.map(|&name| name.to_owned())
}

fn journald(object: &Value) -> Option<Inner<'static>> {
    let received = object.get("__REALTIME_TIMESTAMP").and_then(Value::as_str)?;
    let text = match object.get("MESSAGE")? {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(bytes) => bytes
            .iter()
            .map(|byte| byte.as_i64().and_then(|byte| u8::try_from(byte).ok()))
            .collect::<Option<Vec<u8>>>()?,
        _ => return None,
    };
    let about = About {
        format: Format::Journald,
        time: member(object, "_SOURCE_REALTIME_TIMESTAMP").or_else(|| Some(received.to_owned())),
        stream: member(object, "_TRANSPORT"),
        level: object.get("PRIORITY").and_then(Value::as_str).and_then(journal_level),
        request: None,
    };
    Some(Inner { text: Cow::Owned(text), about, part: None, flagged: None })
}
