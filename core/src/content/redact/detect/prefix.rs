//! Secrets with a known beginning: keys with a prefix, tokens behind `Bearer`, JWTs, PEM blocks, URLs with a
//! password; and the words that make the [reader of pairs](super::pairs) look at a name.
//!
//! One automaton finds every prefix and word in one pass. Each find is then examined once. A find within text that an
//! earlier examination has read already is skipped, so that a text made of nothing but prefixes costs no more than any
//! other.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::pairs::{self, Read};
use super::tokens::{HOOKS, KEYS, Key, dotted, hook_start, is_drawn};
use super::value::is_placeholder;
use super::{Kind, Scan, is_word};
use Kind::{Azure, Bearer, Secrets};

/// What a prefix announces.
#[derive(Clone, Copy)]
enum Announces {
    /// The key at that place of [`KEYS`].
    Key(&'static Key),
    /// The URL at that place of [`HOOKS`].
    Hook(usize, &'static str),
    /// Three base64url segments, the first a JSON object.
    Jwt,
    /// `-----BEGIN`
    Pem,
    /// A scheme of HTTP authorization, the token behind it.
    Scheme,
    /// A word of a name: what is assigned to the name may be secret.
    Name,
    /// `sig=`, in a URL's query.
    Signature,
    /// `://user:password@`
    Url,
    /// `Q~` in the middle of an Azure client secret.
    AzureSecret,
    /// `:AA` in the middle of a Telegram bot's token.
    Telegram,
}

fn azure(b: u8) -> bool {
    dotted(b) || b == b'~'
}

/// RFC 7235 token68.
pub(super) fn token68(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

const ANY: usize = usize::MAX;

const WORDS: [(&str, Announces); 17] = [
    ("eyJ", Announces::Jwt),
    ("eyAi", Announces::Jwt),
    ("-----BEGIN ", Announces::Pem),
    ("Bearer", Announces::Scheme),
    ("sig=", Announces::Signature),
    ("Q~", Announces::AzureSecret),
    (":AA", Announces::Telegram),
    ("://", Announces::Url),
    ("pass", Announces::Name),
    ("pwd", Announces::Name),
    ("kennwort", Announces::Name),
    ("contrase", Announces::Name),
    ("secret", Announces::Name),
    ("token", Announces::Name),
    ("cred", Announces::Name),
    ("key", Announces::Name),
    ("authorization", Announces::Name),
];

struct Table {
    automaton: AhoCorasick,
    announces: Vec<(&'static str, Announces)>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let keys = KEYS.iter().map(|key| (key.prefix, Announces::Key(key)));
        let hooks = HOOKS.iter().map(|(host, least, why)| (*host, Announces::Hook(*least, why)));
        let announces: Vec<_> = WORDS
            .into_iter()
            .chain([("sharedaccess", Announces::Name), ("shared_access", Announces::Name)])
            .chain(keys)
            .chain(hooks)
            .collect();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(announces.iter().map(|(prefix, _)| prefix))
            // The table is constant, and a test builds it.
            .unwrap_or_else(|e| unreachable!("the table of prefixes does not build: {e}"));
        Table { automaton, announces }
    })
}

/// How far each kind of examination has read.
#[derive(Default)]
struct Done {
    key: usize,
    /// Where the last key began: several prefixes may begin alike.
    key_start: usize,
    jwt: usize,
    pem: usize,
    scheme: usize,
    url: usize,
    azure: usize,
    pairs: Read,
    /// From here on there is no `-----END`.
    no_end: Option<usize>,
}

pub(super) fn scan(scan: &mut Scan<'_>) {
    let mut done = Done::default();
    let table = table();
    for found in table.automaton.find_overlapping_iter(scan.bytes) {
        let span = found.start()..found.end();
        let (prefix, announces) = table.announces[found.pattern().as_usize()];
        match announces {
            Announces::Name => pairs::look(scan, &mut done.pairs, span),
            Announces::Key(key) => {
                if scan.bytes[span.clone()] == *prefix.as_bytes()
                    && (span.start >= done.key || span.start == done.key_start)
                {
                    look_at_key(scan, &mut done, span, key);
                }
            }
            Announces::Hook(least, why) => {
                let end = scan.token(span.clone(), 256, |b| dotted(b) || b == b'/');
                if end - span.end >= least && scan.bytes[span.end..end].contains(&b'/') {
                    let start = hook_start(scan.bytes, span);
                    scan.found(Secrets, start..end, why);
                }
            }
            Announces::Jwt => jwt(scan, &mut done, span),
            Announces::Pem => pem(scan, &mut done, span),
            Announces::Scheme => scheme(scan, &mut done, span),
            Announces::Signature => signature(scan, &mut done, span),
            Announces::Url => url(scan, &mut done, span),
            Announces::AzureSecret => azure_secret(scan, &mut done, span),
            Announces::Telegram => telegram(scan, span),
        }
    }
}

fn look_at_key(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>, key: &Key) {
    if scan.word_before(prefix.start)
        || scan.before(prefix.start) == b'-' && !scan.bytes[..prefix.start].ends_with(b"--")
    {
        return;
    }
    let mut end = scan.token(prefix.clone(), ANY, key.of);
    let mut of_app = false;
    if key.prefix == "ghs_" {
        // An installation's newer tokens: the app's id, and a JWT.
        let app = scan.run(prefix.end, 12, |b| b.is_ascii_digit());
        if app > prefix.end && scan.bytes[app..].starts_with(b"_eyJ") {
            end = scan.token(prefix.clone(), ANY, dotted);
            of_app = true;
        }
    }
    (done.key, done.key_start) = (end, prefix.start);
    let body = &scan.bytes[prefix.end..end];
    let end = end - body.iter().rev().take_while(|b| **b == b'.' || **b == b'-' && !of_app).count();
    let body = &scan.bytes[prefix.end..end];
    if (of_app || (key.least..=key.most).contains(&body.len())) && (is_drawn(body) || key.kind != Secrets) {
        scan.found(key.kind, prefix.start..end, key.why);
    }
}

fn jwt(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    let start = prefix.start;
    if start < done.jwt || scan.word_before(start) || !matches!(&scan.bytes[prefix.clone()], b"eyJ" | b"eyAi")
    {
        return;
    }
    let end = scan.token(prefix, ANY, dotted);
    done.jwt = end;
    let mut segments = scan.bytes[start..end].split(|b| *b == b'.');
    let (Some(header), Some(payload), Some(signature)) = (segments.next(), segments.next(), segments.next())
    else {
        return;
    };
    let json = URL_SAFE_NO_PAD.decode(&header[..header.len().min(64) / 4 * 4]).unwrap_or_default();
    let opens = json.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""));
    if !opens || header.len() < 12 {
        return;
    }
    // An encrypted token has two segments more, and may have an empty second one; the full stop of a sentence is
    // not one.
    let more: Vec<&[u8]> = segments.take(2).collect();
    let encrypted = more.len() == 2 && more.iter().all(|s| s.len() >= 4);
    let tail = if encrypted { 2 + more[0].len() + more[1].len() } else { 0 };
    if encrypted || payload.len() >= 4 {
        let length = header.len() + payload.len() + signature.len() + 2 + tail;
        scan.found(
            Kind::Jwt,
            start..start + length,
            if encrypted { "an encrypted JWT" } else { "a signed JWT" },
        );
    }
}

fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(&bytes[from..], needle).map(|at| from + at)
}

/// What a block may have between its lines besides base64: white space, escapes, quotes, and its own head.
fn block(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || b.is_ascii_whitespace()
        || matches!(
            b,
            b'+' | b'/'
                | b'='
                | b'\\'
                | b':'
                | b','
                | b'-'
                | b'.'
                | b'"'
                | b'\''
                | b'>'
                | b'#'
                | b'|'
                | b'*'
                | b'('
                | b')'
        )
}

fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

fn pem(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    let start = prefix.start;
    if start < done.pem {
        return;
    }
    let label = scan.run(prefix.end, 64, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    let head = scan.run(label, 5, |b| b == b'-');
    if head - label != 5 || label == prefix.end {
        return;
    }
    // A signature is public.
    if scan.bytes[prefix.end..label] == *b"PGP SIGNATURE" {
        return;
    }
    let end = if done.no_end.is_some_and(|from| prefix.end >= from) {
        None
    } else {
        find(scan.bytes, b"-----END ", prefix.end)
    };
    if end.is_none() {
        done.no_end.get_or_insert(prefix.end);
    }
    if let Some(end) = end
        && scan.run(head, end - head.min(end), block) >= end
    {
        // The closing line's label and dashes.
        let label = scan.run(end + 9, 64, |b| b != b'-' && b != b'\n');
        let close = scan.run(label, 5, |b| b == b'-');
        let lines = scan.bytes[head..end].split(|b| !base64(*b)).map(<[u8]>::len);
        if lines.max().unwrap_or(0) >= 16 {
            done.pem = close;
            scan.found(Kind::Pem, start..close, "a PEM block");
        }
        return;
    }
    // The block was cut off: it goes on as long as there are base64 lines.
    let (mut at, mut body) = (head, head);
    loop {
        at = scan.run(at, 40, |b| b.is_ascii_whitespace() || matches!(b, b'\\' | b'"' | b'\''));
        // The letter of an escaped newline (`\n`, `\r`).
        if matches!(scan.at(at), b'n' | b'r') && scan.before(at) == b'\\' {
            at += 1;
            continue;
        }
        let end = scan.run(at, ANY, base64);
        if end - at < 16 {
            break;
        }
        (at, body) = (end, end);
    }
    done.pem = body.max(head);
    if body > head {
        scan.found(Kind::Pem, start..body, "a PEM block, cut off");
    }
}

fn scheme(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    if prefix.start < done.scheme || scan.word_before(prefix.start) {
        return;
    }
    let from = scan.run(prefix.end, 4, |b| matches!(b, b' ' | b'\t' | b':' | b'='));
    if from == prefix.end {
        return;
    }
    let end = scan.token(from..from, ANY, token68);
    done.scheme = end;
    let end = end - scan.bytes[from..end].iter().rev().take_while(|b| **b == b'.').count();
    let token = &scan.bytes[from..end];
    // Words behind "bearer" are prose; a token is long, or has a digit and is no plain number.
    let digits = token.iter().filter(|b| b.is_ascii_digit()).count();
    let mixed = digits > 0 && token.iter().any(u8::is_ascii_alphabetic);
    let long = token.len() >= 24 && !token.contains(&b'-');
    if token.len() >= 8 && (mixed || long) && !is_placeholder(token) {
        scan.found(Bearer, from..end, "a token behind `Bearer`");
    }
}

/// The signature of a shared access URL.
fn signature(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    if prefix.start < done.azure || is_word(scan.before(prefix.start)) {
        return;
    }
    let end = scan.token(prefix.clone(), ANY, |b| token68(b) || b == b'%');
    done.azure = end;
    let value = &scan.bytes[prefix.end..end];
    if value.len() >= 16 && !is_placeholder(value) {
        scan.found(Azure, prefix.end..end, "the signature of a shared access URL");
    }
}

/// `123456789:AA…`, as Telegram gives it to a bot.
fn telegram(scan: &mut Scan<'_>, middle: Range<usize>) {
    let id = scan.bytes[..middle.start].iter().rev().take(11).take_while(|b| b.is_ascii_digit()).count();
    let start = middle.start - id;
    let end = scan.run(middle.start + 1, 40, |b| dotted(b) && b != b'.');
    if (8..=10).contains(&id) && end - middle.start - 1 == 35 && !scan.word_before(start) {
        scan.found(Secrets, start..end, "a Telegram bot's token");
    }
}

/// `scheme://user:password@host`: the password.
fn url(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    if prefix.start < done.url {
        return;
    }
    let end = scan.run(prefix.end, 512, |b| {
        !b.is_ascii_whitespace() && !matches!(b, b'/' | b'"' | b'\'' | b'<' | b'>')
    });
    done.url = end;
    let authority = &scan.bytes[prefix.end..end];
    let Some(colon) = memchr::memchr(b':', authority) else { return };
    let at = match memchr::memrchr(b'@', authority) {
        Some(at) => at,
        // The text was cut off before the host. What follows the colon could be a port unless it has letters.
        None if end == scan.bytes.len() && authority[colon + 1..].iter().any(u8::is_ascii_digit) => {
            let password = &authority[colon + 1..];
            let letters = password.iter().any(u8::is_ascii_alphabetic);
            if letters && password.len() >= 6 { authority.len() } else { return }
        }
        None => return,
    };
    // `[protocol://][user[:password]@]host` describes one.
    let described =
        authority[..colon].contains(&b'[') || authority[colon + 1..at.max(colon + 1)].ends_with(b"]");
    if colon + 1 < at && !described && !is_placeholder(&authority[colon + 1..at]) {
        scan.found(Secrets, prefix.end + colon + 1..prefix.end + at, "the password in a URL");
    }
}

/// Three characters, a digit, `Q~`, and 31 to 34 more: a client secret of Entra ID.
fn azure_secret(scan: &mut Scan<'_>, done: &mut Done, middle: Range<usize>) {
    let Some(start) = middle.start.checked_sub(4) else { return };
    if start < done.azure
        || &scan.bytes[middle.clone()] != b"Q~"
        || !scan.bytes[start..middle.start].iter().all(|b| azure(*b))
        || !scan.bytes[middle.start - 1].is_ascii_digit()
        || azure(scan.before(start)) && scan.word_before(start)
    {
        return;
    }
    let end = scan.token(start..middle.end, 40, azure);
    done.azure = end;
    if (31..=34).contains(&(end - middle.end)) {
        scan.found(Azure, start..end, "a client secret of Entra ID");
    }
}
