//! What announces itself: keys with a known prefix, tokens behind `Bearer`, PEM blocks, and values that are
//! assigned to a name such as `password`.
//!
//! One automaton finds every prefix and name in one pass. What it finds is then looked at once: a position
//! that an earlier look has already covered is passed over, so that a text made of nothing but prefixes costs
//! no more than any other.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Kind, Scan, is_word};

/// What a prefix announces.
#[derive(Clone, Copy)]
enum Announces {
    /// A key: the prefix as it is written, then so many bytes of the alphabet.
    Key(Kind, usize, usize, fn(u8) -> bool),
    /// Three base64url segments, the first a JSON object.
    Jwt,
    /// `-----BEGIN`
    Pem,
    /// A scheme of HTTP authorization, the token behind it.
    Scheme,
    /// `AccountKey=`: the value belongs to the detector.
    Value(Kind),
    /// A name: what is assigned to it is secret.
    Name(Strength),
    /// `://user:password@`
    Url,
    /// `Q~` in the middle of an Azure client secret.
    AzureSecret,
}

/// How sure a name makes us.
#[derive(Clone, Copy, PartialEq)]
enum Strength {
    /// `password`: whatever is assigned.
    Password,
    /// `token`: what looks like one.
    Token,
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

fn url_safe(b: u8) -> bool {
    alnum(b) || matches!(b, b'-' | b'_')
}

fn dotted(b: u8) -> bool {
    url_safe(b) || b == b'.'
}

fn azure(b: u8) -> bool {
    dotted(b) || b == b'~'
}

/// RFC 7235 token68.
fn token68(b: u8) -> bool {
    alnum(b) || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

const ANY: usize = usize::MAX;

use Announces::{AzureSecret, Jwt, Key, Name, Pem, Scheme, Url, Value};
use Kind::{Aws, Azure, Bearer, Gcp, Github, Secrets};
use Strength::{Password, Token};

const TABLE: &[(&str, Announces)] = &[
    ("AKIA", Key(Aws, 16, 16, upper)),
    ("ASIA", Key(Aws, 16, 16, upper)),
    ("ABIA", Key(Aws, 16, 16, upper)),
    ("ACCA", Key(Aws, 16, 16, upper)),
    ("A3T", Key(Aws, 17, 17, upper)),
    ("aws_secret_access_key", Value(Aws)),
    ("aws_session_token", Value(Aws)),
    ("SecretAccessKey", Value(Aws)),
    ("AIza", Key(Gcp, 35, 35, url_safe)),
    ("ya29.", Key(Gcp, 20, ANY, dotted)),
    ("GOCSPX-", Key(Gcp, 20, 40, url_safe)),
    ("AccountKey", Value(Azure)),
    ("SharedAccessKey", Value(Azure)),
    ("SharedAccessSignature", Value(Azure)),
    ("sig=", Value(Azure)),
    ("Q~", AzureSecret),
    ("ghp_", Key(Github, 36, 255, alnum)),
    ("gho_", Key(Github, 36, 255, alnum)),
    ("ghu_", Key(Github, 36, 255, alnum)),
    ("ghs_", Key(Github, 36, 255, alnum)),
    ("ghr_", Key(Github, 36, 255, alnum)),
    ("github_pat_", Key(Github, 60, 255, url_safe)),
    ("eyJ", Jwt),
    ("-----BEGIN ", Pem),
    ("Bearer", Scheme),
    ("Authorization: Basic", Scheme),
    ("Authorization: Token", Scheme),
    ("sk-", Key(Secrets, 20, ANY, url_safe)),
    ("sk_live_", Key(Secrets, 16, ANY, alnum)),
    ("sk_test_", Key(Secrets, 16, ANY, alnum)),
    ("rk_live_", Key(Secrets, 16, ANY, alnum)),
    ("rk_test_", Key(Secrets, 16, ANY, alnum)),
    ("whsec_", Key(Secrets, 24, ANY, token68)),
    ("xoxb-", Key(Secrets, 20, ANY, url_safe)),
    ("xoxp-", Key(Secrets, 20, ANY, url_safe)),
    ("xoxa-", Key(Secrets, 20, ANY, url_safe)),
    ("xoxr-", Key(Secrets, 20, ANY, url_safe)),
    ("xoxs-", Key(Secrets, 20, ANY, url_safe)),
    ("xapp-", Key(Secrets, 20, ANY, url_safe)),
    ("glpat-", Key(Secrets, 20, ANY, url_safe)),
    ("npm_", Key(Secrets, 36, 36, alnum)),
    ("pypi-", Key(Secrets, 40, ANY, url_safe)),
    ("hf_", Key(Secrets, 30, ANY, alnum)),
    ("dop_v1_", Key(Secrets, 64, 64, alnum)),
    ("SG.", Key(Secrets, 60, ANY, dotted)),
    ("shpat_", Key(Secrets, 32, 32, alnum)),
    ("hvs.", Key(Secrets, 24, ANY, url_safe)),
    ("gsk_", Key(Secrets, 40, ANY, alnum)),
    ("r8_", Key(Secrets, 37, 40, alnum)),
    ("AGE-SECRET-KEY-1", Key(Secrets, 50, ANY, upper)),
    ("password", Name(Password)),
    ("passwd", Name(Password)),
    ("passphrase", Name(Password)),
    ("pwd", Name(Password)),
    ("secret", Name(Token)),
    ("token", Name(Token)),
    ("api_key", Name(Token)),
    ("apikey", Name(Token)),
    ("api-key", Name(Token)),
    ("access_key", Name(Token)),
    ("private_key", Name(Token)),
    ("encryption_key", Name(Token)),
    ("signing_key", Name(Token)),
    ("credential", Name(Token)),
    ("://", Url),
];

fn automaton() -> &'static AhoCorasick {
    static AUTOMATON: OnceLock<AhoCorasick> = OnceLock::new();
    AUTOMATON.get_or_init(|| {
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(TABLE.iter().map(|(prefix, _)| prefix))
            // The table is constant, and a test builds it.
            .unwrap_or_else(|e| unreachable!("the table of prefixes does not build: {e}"))
    })
}

/// Up to where each kind of look has read.
#[derive(Default)]
struct Done {
    key: usize,
    jwt: usize,
    pem: usize,
    scheme: usize,
    value: usize,
    url: usize,
    azure: usize,
    /// From here on there is no `-----END`.
    no_end: Option<usize>,
}

pub(super) fn scan(scan: &mut Scan<'_>) {
    let mut done = Done::default();
    let bytes = scan.bytes;
    for found in automaton().find_overlapping_iter(bytes) {
        let span = found.start()..found.end();
        let (prefix, announces) = TABLE[found.pattern().as_usize()];
        match announces {
            Key(kind, least, most, alphabet) => {
                if bytes[span.clone()] == *prefix.as_bytes() && span.start >= done.key {
                    key(scan, &mut done, span, kind, least..=most, alphabet);
                }
            }
            Jwt => jwt(scan, &mut done, span),
            Pem => pem(scan, &mut done, span),
            Scheme => scheme(scan, &mut done, span),
            Value(kind) => assigned(scan, &mut done, span, kind, None),
            Name(strength) => assigned(scan, &mut done, span, Secrets, Some(strength)),
            Url => url(scan, &mut done, span),
            AzureSecret => azure_secret(scan, &mut done, span),
        }
    }
}

fn key(
    scan: &mut Scan<'_>,
    done: &mut Done,
    prefix: Range<usize>,
    kind: Kind,
    length: std::ops::RangeInclusive<usize>,
    alphabet: fn(u8) -> bool,
) {
    let before = scan.before(prefix.start);
    if is_word(before) || before == b'-' {
        return;
    }
    let end = scan.run(prefix.end, ANY, alphabet);
    done.key = end;
    let body = &scan.bytes[prefix.end..end];
    // A key's body is drawn, not written: words joined by dashes have no digit or no letters.
    let drawn = body.iter().any(u8::is_ascii_digit) && body.iter().any(u8::is_ascii_alphabetic);
    let end = end - body.iter().rev().take_while(|b| matches!(b, b'.' | b'-')).count();
    if length.contains(&(end - prefix.end)) && (drawn || kind != Secrets) {
        scan.found(kind, prefix.start..end);
    }
}

fn jwt(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    let start = prefix.start;
    if start < done.jwt || is_word(scan.before(start)) || &scan.bytes[prefix] != b"eyJ" {
        return;
    }
    let end = scan.run(start, ANY, dotted);
    done.jwt = end;
    let mut segments = scan.bytes[start..end].split(|b| *b == b'.');
    let (Some(header), Some(payload), Some(signature)) = (segments.next(), segments.next(), segments.next())
    else {
        return;
    };
    let opens = URL_SAFE_NO_PAD
        .decode(&header[..header.len().min(64) / 4 * 4])
        .is_ok_and(|json| json.starts_with(b"{\""));
    if !opens || header.len() < 12 || payload.len() < 4 || payload.contains(&b'=') {
        return;
    }
    // An encrypted token has two segments more; the full stop of a sentence is not one.
    let more: Vec<&[u8]> = segments.take(2).collect();
    let tail = if more.len() == 2 && more.iter().all(|s| s.len() >= 4) {
        2 + more[0].len() + more[1].len()
    } else {
        0
    };
    scan.found(Kind::Jwt, start..start + header.len() + payload.len() + signature.len() + 2 + tail);
}

fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(&bytes[from..], needle).map(|at| from + at)
}

fn pem(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    let start = prefix.start;
    if start < done.pem {
        return;
    }
    let end = if done.no_end.is_some_and(|from| prefix.end >= from) {
        None
    } else {
        find(scan.bytes, b"-----END ", prefix.end)
    };
    match end {
        Some(end) => {
            // The closing line's label and dashes.
            let label = scan.run(end + 9, 64, |b| b != b'-' && b != b'\n');
            let close = scan.run(label, 5, |b| b == b'-');
            done.pem = close;
            scan.found(Kind::Pem, start..close);
        }
        None => {
            done.no_end.get_or_insert(prefix.end);
            // Cut off: a label, and base64 lines up to where something else begins.
            let label = scan.run(prefix.end, 64, |b| b != b'-' && b != b'\n');
            let head = scan.run(label, 5, |b| b == b'-');
            let body = scan.run(head, ANY, |b| {
                alnum(b) || matches!(b, b'+' | b'/' | b'=' | b'\r' | b'\n' | b'\\' | b':' | b',' | b'-')
            });
            done.pem = body;
            let body = head + scan.bytes[head..body].trim_ascii_end().len();
            if head - label == 5 && body - head >= 32 {
                scan.found(Kind::Pem, start..body);
            }
        }
    }
}

fn scheme(scan: &mut Scan<'_>, done: &mut Done, prefix: Range<usize>) {
    if prefix.start < done.scheme || is_word(scan.before(prefix.start)) {
        return;
    }
    let from = scan.run(prefix.end, 4, |b| matches!(b, b' ' | b'\t' | b':' | b'='));
    if from == prefix.end {
        return;
    }
    let end = scan.run(from, ANY, token68);
    done.scheme = end;
    let end = end - scan.bytes[from..end].iter().rev().take_while(|b| **b == b'.').count();
    let token = &scan.bytes[from..end];
    // Words behind "bearer" are prose; a token is long, or has a digit and is no plain number.
    let digits = token.iter().filter(|b| b.is_ascii_digit()).count();
    let headed = {
        let near = &scan.bytes[prefix.start.saturating_sub(16)..prefix.start];
        prefix.len() > 6 || near.to_ascii_lowercase().windows(13).any(|w| w == b"authorization")
    };
    let mixed = digits > 0 && token.iter().any(u8::is_ascii_alphabetic);
    let long = token.len() >= 24 && !token.contains(&b'-');
    if token.len() >= 8 && (mixed || long || headed) {
        scan.found(Bearer, from..end);
    }
}

fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'`' | b'\\')
}

/// A value assigned to the name at `name`: `name = value`, `"name": "value"`, `name=value;`.
fn assigned(
    scan: &mut Scan<'_>,
    done: &mut Done,
    name: Range<usize>,
    kind: Kind,
    strength: Option<Strength>,
) {
    if name.start < done.value || !scan.enabled.has(kind) {
        return;
    }
    let mut at = name.end;
    let mut sign = 0;
    if scan.bytes[name.end - 1] == b'=' {
        if is_word(scan.before(name.start)) {
            return;
        }
        sign = b'=';
    } else {
        // What else the name has, as in `password_prod`; a plural counts tokens.
        if strength == Some(Token) && matches!(scan.at(at), b's' | b'S' | b'i' | b'_') && plural(scan, at) {
            return;
        }
        at = scan.run(at, 24, |b| is_word(b) || b == b'-');
        at = scan.run(at, 2, is_quote);
        at = scan.run(at, 2, |b| b == b' ');
        if matches!(scan.at(at), b'=' | b':') {
            sign = scan.at(at);
            at = scan.run(at, 2, |b| matches!(b, b'=' | b':' | b'>'));
        }
        at = scan.run(at, 2, |b| b == b' ');
    }
    if sign == 0 {
        return;
    }
    let quoted = is_quote(scan.at(at));
    let from = scan.run(at, 2, is_quote);
    let end = scan.run(from, ANY, |b| {
        !b.is_ascii_whitespace() && !is_quote(b) && !matches!(b, b',' | b';' | b'&' | b')' | b'}' | b'<')
    });
    done.value = end;
    let end = end - scan.bytes[from..end].iter().rev().take_while(|b| matches!(b, b'.' | b']')).count();
    if end <= from {
        return;
    }
    let value = &scan.bytes[from..end];
    if is_placeholder(value) {
        return;
    }
    let digit = value.iter().any(u8::is_ascii_digit);
    let letter = value.iter().any(u8::is_ascii_alphabetic);
    let symbol = value.iter().any(|b| b.is_ascii_punctuation() && !matches!(b, b'_' | b'-' | b'.' | b'/'));
    let secret = match strength {
        None => value.len() >= 16,
        Some(Password) => value.len() >= 4 && (sign == b'=' || quoted || digit || symbol),
        Some(Token) => value.len() >= 8 && digit && letter,
    };
    if secret {
        scan.found(kind, from..end);
    }
}

/// `tokens`, `token_count`, `tokenizer`, `secretary`: names that hold no secret.
fn plural(scan: &Scan<'_>, at: usize) -> bool {
    let rest = &scan.bytes[at..scan.bytes.len().min(at + 8)].to_ascii_lowercase();
    let ends = |n: usize| !rest.get(n).is_some_and(u8::is_ascii_alphabetic);
    (rest.starts_with(b"s") && ends(1))
        || rest.starts_with(b"_count")
        || rest.starts_with(b"_type")
        || rest.starts_with(b"iz")
}

/// Whether a value only stands for one: masked, templated, redacted already, or a word of a language.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 16] = [
        "null",
        "none",
        "true",
        "false",
        "undefined",
        "required",
        "optional",
        "string",
        "redacted",
        "changeme",
        "invalid",
        "missing",
        "expired",
        "hidden",
        "masked",
        "empty",
    ];
    let first = value[0];
    matches!(first, b'[' | b'{' | b'<' | b'$' | b'%' | b'(')
        || value.iter().all(|b| *b == first)
        || value.starts_with(b"***")
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
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
    let (Some(colon), Some(at)) = (memchr::memchr(b':', authority), memchr::memrchr(b'@', authority)) else {
        return;
    };
    if colon + 1 < at && !is_placeholder(&authority[colon + 1..at]) {
        scan.found(Secrets, prefix.end + colon + 1..prefix.end + at);
    }
}

/// Three characters, a digit, `Q~`, and 31 to 34 more: a client secret of Entra ID.
fn azure_secret(scan: &mut Scan<'_>, done: &mut Done, middle: Range<usize>) {
    let Some(start) = middle.start.checked_sub(4) else { return };
    if start < done.azure
        || &scan.bytes[middle.clone()] != b"Q~"
        || !scan.bytes[start..middle.start].iter().all(|b| azure(*b))
        || !scan.bytes[middle.start - 1].is_ascii_digit()
        || azure(scan.before(start))
    {
        return;
    }
    let end = scan.run(middle.end, 40, azure);
    done.azure = end;
    if (31..=34).contains(&(end - middle.end)) {
        scan.found(Azure, start..end);
    }
}

/// Whether a member of that name holds a secret: for data, where name and value are apart.
pub(in crate::content::redact) fn secret_key(name: &str) -> bool {
    const ENDS: [&str; 16] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "access_key",
        "private_key",
        "secret_key",
        "encryption_key",
        "signing_key",
        "credential",
        "credentials",
        "authorization",
    ];
    let name: String = name
        .chars()
        .map(|c| if matches!(c, '-' | '.' | ' ') { '_' } else { c.to_ascii_lowercase() })
        .collect();
    let bare = name.replace('_', "");
    ENDS.iter().any(|end| {
        name == *end
            || name.ends_with(&format!("_{end}"))
            || bare == end.replace('_', "")
            || end.contains('_') && bare.ends_with(&end.replace('_', ""))
    })
}
