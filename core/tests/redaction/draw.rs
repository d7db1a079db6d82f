//! What is drawn: a generator of numbers with a fixed seed, alphabets, and the encodings that formats ask for.
//! Knows no sinkwell code.

use std::fmt::Write as _;

pub(crate) const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
pub(crate) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(crate) const DIGITS: &str = "0123456789";
pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(crate) const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub(crate) const B64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// SplitMix64.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of several names, each by its words.
    pub(crate) fn words(&mut self, of: &[&'static [&'static str]]) -> &'static [&'static str] {
        of[self.below(of.len())]
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// `n` characters; of 12 or more, some of every class that the alphabet has.
    pub(crate) fn of(&mut self, alphabet: &str, n: usize) -> String {
        let bytes = alphabet.as_bytes();
        loop {
            let text: String = (0..n).map(|_| char::from(*self.one(bytes))).collect();
            let has = |class: fn(&u8) -> bool, s: &str| s.bytes().any(|b| class(&b));
            let classes: [fn(&u8) -> bool; 3] =
                [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
            if n < 12 || classes.iter().all(|c| has(*c, &text) || !has(*c, alphabet)) {
                return text;
            }
        }
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

pub(crate) fn base64(bytes: &[u8], alphabet: &str, pad: bool) -> String {
    let alphabet = alphabet.as_bytes();
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(alphabet[n >> (18 - 6 * i) & 63]));
            } else if pad {
                out.push('=');
            }
        }
    }
    out
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    base64(bytes, URL, false)
}

/// CRC-32 as in zlib: the check of GitHub's and npm's tokens, written in six base-62 digits.
pub(crate) fn check62(text: &str) -> String {
    let mut crc = !0_u32;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let (mut n, mut out) = ((!crc) as usize, [b'0'; 6]);
    let digits = [DIGITS, UPPER, LOWER].concat().into_bytes();
    for place in out.iter_mut().rev() {
        *place = digits[n % 62];
        n /= 62;
    }
    String::from_utf8(out.to_vec()).unwrap()
}

// How a value is written in a format; `None` where the format has no way to write it.

pub(crate) fn raw(v: &str) -> Option<String> {
    Some(v.to_owned())
}

pub(crate) fn json(v: &str) -> Option<String> {
    let mut out = String::new();
    for c in v.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    Some(out)
}

pub(crate) fn json2(v: &str) -> Option<String> {
    json(&json(v)?)
}

pub(crate) fn json3(v: &str) -> Option<String> {
    json(&json2(v)?)
}

fn without(v: &str, none_of: &str) -> Option<String> {
    (!v.contains(|c: char| none_of.contains(c) || c.is_control())).then(|| v.to_owned())
}

/// Unquoted, where little more than letters and digits is safe: logs, arguments, headers.
pub(crate) fn bare(v: &str) -> Option<String> {
    without(v, " \"'`\\;&,(){}[]<>#|$*")
        .filter(|v| !v.ends_with(['.', ':', '?', '!', '=', '/']) || v.len() > 30)
}

/// A line of an environment file: to the end of the line.
pub(crate) fn envline(v: &str) -> Option<String> {
    without(v, " \"'`\\#$")
        .filter(|v| !v.starts_with(['(', '[', '{', '<']) && !v.ends_with([';', ',', '.', ')', ']', '}']))
}

/// YAML 1.2, 7.3.3: what a plain scalar cannot hold.
pub(crate) fn yaml_plain(v: &str) -> Option<String> {
    let first = v.chars().next()?;
    let marks = ",[]{}#&*!|>'\"%@`-?:= ";
    (!marks.contains(first)
        && !v.contains(": ")
        && !v.contains(" #")
        && !v.ends_with([':', ',', '.', ')', ']', '}']))
    .then(|| without(v, " \"'\\,;<"))?
}

pub(crate) fn yaml_single(v: &str) -> Option<String> {
    without(v, "").map(|v| v.replace('\'', "''"))
}

/// TOML's literal strings and the shell's single quotes: no escapes at all.
pub(crate) fn literal(v: &str) -> Option<String> {
    without(v, "'")
}

pub(crate) fn shell_double(v: &str) -> Option<String> {
    without(v, "").map(|v| escape(&v, "\"\\$`"))
}

pub(crate) fn single(v: &str) -> Option<String> {
    Some(escape(&json(v)?.replace("\\\"", "\""), "'"))
}

pub(crate) fn backtick(v: &str) -> Option<String> {
    without(v, "$").map(|v| escape(&v, "`\\"))
}

pub(crate) fn libpq(v: &str) -> Option<String> {
    without(v, "").map(|v| escape(&v, "'\\"))
}

fn escape(v: &str, which: &str) -> String {
    let mut out = String::new();
    for c in v.chars() {
        if which.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

pub(crate) fn percent(v: &str) -> Option<String> {
    let mut out = String::new();
    for b in v.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    Some(out)
}

pub(crate) fn xml(v: &str) -> Option<String> {
    Some(v.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"))
}

/// ODBC: braces around, a closing one doubled.
pub(crate) fn braces(v: &str) -> Option<String> {
    without(v, "\"'").map(|v| v.replace('}', "}}"))
}

/// ADO.NET: double quotes around, doubled within.
pub(crate) fn doubled(v: &str) -> Option<String> {
    without(v, "\\").map(|v| v.replace('"', "\"\""))
}
