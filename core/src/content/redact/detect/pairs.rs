//! One reader of names and values for every syntax: JSON, YAML, TOML, INI, environments, command lines, URLs,
//! headers, connection strings, logs, XML and the literals of programming languages, also where they are
//! escaped within one another.
//!
//! A value is found whole: in quotes up to the quote that closes at the same depth of escapes, in braces up to
//! the closing one, else up to whatever ends a value in that syntax. If a value is no secret, names within it are
//! searched in turn.
//!
//! The time is linear: a name is read once, an unquoted value is read once and passed over, and each level of quoted
//! values within quoted values needs twice the backslashes, so that there are few levels.

use std::ops::Range;

use super::names::{Says, says};
use super::value::{is_drawn, is_expression, is_placeholder, is_type};
use super::{Kind, Scan, is_word};

/// Longest name looked at.
const NAME: usize = 64;
/// Most white space between a name, its sign and its value.
const BLANKS: usize = 64;

/// What this reader has read already.
#[derive(Default)]
pub(super) struct Read {
    name: usize,
    value: usize,
}

/// How a value is delimited.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    Quoted,
    Braces,
    Element,
    Bare,
}

/// A name that has been read, and how its value is assigned.
struct Pair {
    name: Range<usize>,
    /// `=`, `:`, or a space behind an option.
    sign: u8,
    /// Whether there is white space around an equals sign, as programming languages have it.
    spaced: bool,
    /// Part of a URL's query or of a form.
    query: bool,
    /// Whether the pair itself is written in a URL's escapes, so that escapes delimit its value.
    encoded: bool,
    /// Whether it is the first on its line, except for white space and `export`.
    leads: bool,
}

fn is_name(b: u8) -> bool {
    is_word(b) || matches!(b, b'-' | b'.')
}

fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'`')
}

/// Looks at the name around `trigger`, a word in it.
pub(super) fn look(scan: &mut Scan<'_>, read: &mut Read, trigger: Range<usize>) {
    if trigger.start < read.name || trigger.start < read.value {
        return;
    }
    let Some(name) = name_at(scan, trigger, read.value) else { return };
    read.name = name.end;
    let Some((kind, says)) = says(&scan.bytes[name.clone()]) else { return };
    let kind = if scan.enabled.has(kind) {
        kind
    } else if matches!(kind, Kind::Aws | Kind::Azure) && scan.enabled.has(Kind::Secrets) {
        Kind::Secrets
    } else {
        return;
    };
    // `pwd` in backquotes: a shell runs the command of that name.
    if scan.bytes[name.clone()] == *b"pwd" && scan.before(name.start) == b'`' && scan.at(name.end) == b'`' {
        return;
    }
    let Some((pair, at)) = sign(scan, name) else { return };
    let Some((value, held)) = value(scan, &pair, at) else { return };
    let mut value = unpacked(scan, &pair, value.clone(), held).unwrap_or(value);
    if held == Held::Bare {
        read.value = value.end.max(read.value);
        if says == Says::Token && !pair.query {
            // Letters of other scripts stand next to it, and are no part of it.
            let own = |i: &usize| scan.bytes[*i].is_ascii() && !scan.shadow.folded(*i);
            value.end = value.clone().find(|i| !own(i)).unwrap_or(value.end);
        }
    }
    if value.is_empty() {
        return;
    }
    let why = match says {
        Says::Password => "assigned to a name that says password",
        Says::Token => "drawn, and assigned to a name that says secret",
        Says::Authorization => "credentials of an authorization header",
    };
    if says == Says::Authorization {
        if let Some(token) = credentials(scan, value, held) {
            read.value = token.end;
            scan.found(kind, token, why);
        }
    } else if is_secret(scan, &pair, says, &value, held) {
        read.value = value.end;
        scan.found(kind, value, why);
    }
}

/// The whole name around `trigger`, not reaching back before `floor`, where a value that was found ends.
fn name_at(scan: &Scan<'_>, trigger: Range<usize>, floor: usize) -> Option<Range<usize>> {
    let low = trigger.start.saturating_sub(NAME).max(floor);
    let mut start = trigger.start;
    while start > low && is_name(scan.bytes[start - 1]) && !scan.escapes(start) {
        start -= 1;
    }
    let mut end = scan.run(trigger.end, NAME, is_name);
    while end > trigger.end && !is_word(scan.bytes[end - 1]) {
        end -= 1;
    }
    while start < trigger.start && !is_word(scan.bytes[start]) {
        start += 1;
    }
    (end - start <= NAME).then_some(start..end)
}

fn blanks(scan: &Scan<'_>, at: usize) -> usize {
    scan.run(at, BLANKS, |b| matches!(b, b' ' | b'\t'))
}

/// The position behind a quote and its backslashes; `at` if there is no quote.
fn quote(scan: &Scan<'_>, at: usize) -> usize {
    let slashes = scan.run(at, 15, |b| b == b'\\');
    if is_quote(scan.at(slashes)) {
        slashes + 1
    } else if scan.bytes[at..].starts_with(b"&quot;") {
        at + 6
    } else {
        at
    }
}

/// What assigns a value to the name, and where the value begins.
fn sign(scan: &Scan<'_>, name: Range<usize>) -> Option<(Pair, usize)> {
    let before = scan.before(name.start);
    let line = scan.bytes[..name.start]
        .iter()
        .rev()
        .take(BLANKS)
        .take_while(|b| !matches!(b, b'\n' | b'\r'))
        .count();
    let lead = scan.bytes[name.start - line..name.start].trim_ascii();
    let leads =
        line < BLANKS && matches!(lead, b"" | b"export" | b"set" | b"-" | b"ENV" | b"#" | b"//" | b">");
    let query = matches!(before, b'?' | b'&') || before == b'#' && !matches!(scan.at(name.end), b':' | b' ');
    let mut pair = Pair { sign: 0, spaced: false, query, encoded: false, leads, name };
    let end = pair.name.end;
    if before == b'<' && scan.at(end) == b'>' {
        pair.sign = b'>';
        return Some((pair, end + 1));
    }
    let mut at = quote(scan, end);
    let quoted = at > end;
    if quoted {
        at = scan.run(at, 1, |b| matches!(b, b']'));
    }
    let sign = blanks(scan, at);
    pair.encoded = scan.shadow.decoded(sign);
    match scan.at(sign) {
        b'=' => {
            pair.sign = b'=';
            at = scan.run(sign + 1, 2, |b| matches!(b, b'=' | b'>'));
            if scan.at(at) == b'~' {
                return None;
            }
        }
        b':' if scan.at(sign + 1) == b':' => return None,
        b':' => {
            let walrus = scan.at(sign + 1) == b'=';
            pair.sign = if walrus { b'=' } else { b':' };
            at = sign + 1 + usize::from(walrus);
        }
        b'%' if scan.bytes[sign..].starts_with(b"%3D") || scan.bytes[sign..].starts_with(b"%3d") => {
            pair.sign = b'=';
            pair.query = true;
            at = sign + 3;
        }
        _ if sign > at && option(scan, &pair.name) => {
            pair.sign = b' ';
            at = sign;
        }
        b'\\' if option(scan, &pair.name) => {
            pair.sign = b' ';
            at = sign;
        }
        _ => return None,
    }
    let from = blanks(scan, at);
    pair.spaced = pair.sign == b'=' && (sign > end || from > at);
    if !quoted
        && matches!(pair.sign, b':')
        && let Some(assigned) = annotation(scan, from)
    {
        pair.sign = b'=';
        pair.spaced = true;
        return Some((pair, assigned));
    }
    Some((pair, from))
}

/// Whether a name is an option of a command, `--password`.
fn option(scan: &Scan<'_>, name: &Range<usize>) -> bool {
    name.start >= 2 && &scan.bytes[name.start - 2..name.start] == b"--"
}

/// The position behind the type and the equals sign of `name: Type = "…"`.
fn annotation(scan: &Scan<'_>, from: usize) -> Option<usize> {
    let end = scan.run(from, 48, |b| {
        is_word(b) || matches!(b, b'&' | b'\'' | b'<' | b'>' | b'[' | b']' | b'.' | b'|' | b'?' | b'*' | b' ')
    });
    let named = end > from && scan.at(end) == b'=' && scan.before(end) == b' ';
    let at = blanks(scan, end + 1);
    (named && (is_quote(scan.at(at)) || is_quote(scan.at(at + 1)))).then_some(at)
}

/// Where the value is, without its delimiters.
fn value(scan: &Scan<'_>, pair: &Pair, at: usize) -> Option<(Range<usize>, Held)> {
    if pair.sign == b'>' {
        let end = scan.run(at, usize::MAX, |b| b != b'<');
        let whole =
            scan.at(end + 1) == b'/' || end == scan.bytes.len() && !scan.bytes[at..end].contains(&b'\n');
        return whole.then_some((at..end, Held::Element));
    }
    // In a query, an escaped quote is part of the value and does not delimit it.
    if pair.query && !pair.encoded && scan.shadow.decoded(at) {
        return Some((at..bare(scan, pair, at), Held::Bare));
    }
    // If the value is on the next line, it must be quoted: else the name has no value.
    let mut from = at;
    let folded = scan.run(at, BLANKS, |b| {
        b.is_ascii_whitespace() || matches!(b, b'(' | b'\\' | b'#' | b'>' | b'/' | b'*')
    });
    if folded > at {
        let quoted = quote(scan, folded) > folded;
        let continued = scan.bytes[at..folded].contains(&b'\\') && pair.sign == b' ';
        if quoted || continued {
            from = folded
                - if quoted {
                    scan.bytes[at..folded].iter().rev().take_while(|b| **b == b'\\').count()
                } else {
                    0
                };
        }
    }
    // A literal may have a prefix before its quote, as `b"…"`.
    let prefix =
        scan.run(from, 2, |b| matches!(b, b'b' | b'r' | b'u' | b'f' | b'B' | b'R' | b'U' | b'F' | b'@'));
    if prefix > from && is_quote(scan.at(prefix)) {
        from = prefix;
    }
    let open = quote(scan, from);
    if open > from {
        return quoted(scan, from, open).or_else(|| Some((open..bare(scan, pair, open), Held::Bare)));
    }
    if scan.at(from) == b'{'
        && pair.sign == b'='
        && !pair.spaced
        && let Some(end) = braced(scan, from + 1)
    {
        return Some((from + 1..end, Held::Braces));
    }
    Some((from..bare(scan, pair, from), Held::Bare))
}

/// A quoted value whose quote, with its backslashes, is `from..open`: up to the quote of the same depth.
fn quoted(scan: &Scan<'_>, from: usize, open: usize) -> Option<(Range<usize>, Held)> {
    if scan.at(from) == b'&' {
        let end = memchr::memmem::find(&scan.bytes[open..], b"&quot;").map_or(scan.bytes.len(), |n| open + n);
        return Some((open..end, Held::Quoted));
    }
    let mark = scan.bytes[open - 1];
    let depth = open - 1 - from;
    // At each depth a backslash of the value is written as twice as many.
    let unit = (depth + 1) * 2;
    let mut at = open;
    let mut last = None;
    loop {
        let next = match memchr::memchr2(mark, b'\n', &scan.bytes[at..]) {
            Some(n) => at + n,
            None => scan.bytes.len(),
        };
        if scan.at(next) != mark || next == scan.bytes.len() {
            if mark == b'`' && next < scan.bytes.len() {
                at = next + 1;
                continue;
            }
            // No quote closes it: the text was cut off, or the mark is an apostrophe.
            let end = match last {
                Some(last) => last,
                None if next == scan.bytes.len() && (mark != b'\'' || next - open < 256) => next,
                None => return None,
            };
            return Some((open..end, Held::Quoted));
        }
        let slashes = scan.bytes[open..next].iter().rev().take_while(|b| **b == b'\\').count();
        if slashes < depth {
            // A quote with fewer backslashes closes the string around this one, so that this one ends here too.
            return Some((open..next - slashes, Held::Quoted));
        }
        if (slashes - depth).is_multiple_of(unit) {
            // A doubled quote stands for one quote within the value.
            let doubled =
                depth == 0 && slashes == 0 && scan.at(next + 1) == mark && next > open && mark != b'`';
            if doubled && next + 2 < scan.bytes.len() && !matches!(scan.at(next + 2), b',' | b';' | b'\n') {
                at = next + 2;
                continue;
            }
            return Some((open..next - depth, Held::Quoted));
        }
        last = Some(next - depth.min(slashes));
        // Shells and TOML have no escapes between single quotes: whether this quote closes is told by what follows it.
        if mark == b'\''
            && depth == 0
            && slashes == 1
            && matches!(scan.at(next + 1), b'\n' | b';' | b',' | b')' | 0)
        {
            return Some((open..next, Held::Quoted));
        }
        at = next + 1;
    }
}

/// The second value of `user, password = "wile", "coyote"`, where the name is the second of its line.
fn unpacked(scan: &Scan<'_>, pair: &Pair, value: Range<usize>, held: Held) -> Option<Range<usize>> {
    if !pair.spaced || held != Held::Quoted || !scan.bytes[value.end..].get(1..)?.starts_with(b", ") {
        return None;
    }
    let head = scan.bytes[..pair.name.start].strip_suffix(b", ")?;
    let start = head.iter().rev().take(NAME).take_while(|b| is_word(**b)).count();
    let line = &head[..head.len() - start];
    let indent = line.iter().rev().take(BLANKS).take_while(|b| matches!(b, b' ' | b'\t')).count();
    if start == 0 || !matches!(line[..line.len() - indent].last(), None | Some(b'\n')) {
        return None;
    }
    let from = value.end + 3;
    let open = quote(scan, from);
    let (second, _) = (open > from).then(|| quoted(scan, from, open))??;
    Some(second)
}

/// The end of a value in braces, within which a closing brace is written twice: `{a;b}}c}`.
fn braced(scan: &Scan<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let Some(n) = memchr::memchr2(b'}', b'\n', &scan.bytes[at..]) else {
            // The text was cut off.
            return (scan.bytes.len() > from + 3 && !scan.bytes[from..].contains(&b'"'))
                .then_some(scan.bytes.len());
        };
        let end = at + n;
        if scan.bytes[end] == b'\n' {
            return None;
        }
        if scan.at(end + 1) == b'}' {
            at = end + 2;
            continue;
        }
        return matches!(scan.at(end + 1), b';' | b'"' | b'\'' | b'\\' | b'\n' | b'\r' | b' ' | 0)
            .then_some(end);
    }
}

/// The end of a value without delimiters.
fn bare(scan: &Scan<'_>, pair: &Pair, from: usize) -> usize {
    let bytes = scan.bytes;
    let mut open = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        let b = bytes[at];
        let next = scan.at(at + 1);
        if !pair.encoded && scan.shadow.decoded(at) {
            at += 1;
            continue;
        }
        let ends = match b {
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'\\' => true,
            b'&' if pair.query || bytes[at..].starts_with(b"&quot;") || bytes[at..].starts_with(b"&amp;") => {
                true
            }
            b'#' if pair.query => true,
            b'&' | b';' | b',' => separates(scan, pair, at),
            b'<' => next == b'/',
            b'(' | b'[' | b'{' => {
                open += 1;
                false
            }
            b')' | b']' | b'}' | b'>' => {
                if open > 0 {
                    open -= 1;
                    false
                } else {
                    next.is_ascii_whitespace()
                        || matches!(
                            next,
                            0 | b',' | b';' | b')' | b']' | b'}' | b'"' | b'\'' | b'`' | b'.' | b':' | b'\\'
                        )
                }
            }
            _ => false,
        };
        if ends {
            break;
        }
        at += 1;
    }
    // Punctuation at the end belongs to the sentence or the line of code.
    while at > from
        && (matches!(bytes[at - 1], b'.' | b',' | b':') && !pair.query)
        && (at < bytes.len() || !pair.leads)
    {
        at -= 1;
    }
    at
}

/// Whether a comma, a semicolon or an ampersand ends the value: it does if another name follows, or nothing that could
/// be part of a value.
fn separates(scan: &Scan<'_>, pair: &Pair, at: usize) -> bool {
    if scan.bytes[at] == b';' && scan.before(pair.name.start) == b';' {
        return true;
    }
    let next = blanks(scan, at + 1);
    if next > at + 1
        || !scan.at(next).is_ascii()
        || matches!(scan.at(next), 0 | b'\r' | b'\n' | b'"' | b'\'' | b'}' | b'\\' | b'{' | b'[')
    {
        return true;
    }
    let end = scan.run(next, NAME, |b| is_name(b) || b == b' ');
    end > next && end < next + NAME && matches!(scan.at(end), b'=' | b':')
}

/// Whether the value is a secret, by what its name says and how it is written.
fn is_secret(scan: &Scan<'_>, pair: &Pair, says: Says, span: &Range<usize>, held: Held) -> bool {
    let value = &scan.bytes[span.clone()];
    if held == Held::Braces && is_placeholder(value) {
        return false;
    }
    if held == Held::Braces {
        return says == Says::Password
            && !is_placeholder(&scan.bytes[span.start - 1..scan.bytes.len().min(span.end + 1)])
            && value.len() >= 3
            || is_drawn(value);
    }
    if is_placeholder(value) || says == Says::Password && repeats(scan, pair, value) {
        return false;
    }
    let has = |of: fn(&u8) -> bool| value.iter().any(of);
    let digit = has(u8::is_ascii_digit);
    let letters = String::from_utf8_lossy(value);
    if !letters.contains(char::is_alphanumeric) {
        return false;
    }
    let beyond = letters.chars().any(|c| !c.is_ascii() && c.is_alphanumeric());
    let symbol = value.iter().any(|b| b.is_ascii_punctuation() && !matches!(b, b'_' | b'-' | b'.' | b'/'));
    // `<type your password>`
    if held == Held::Bare && value[0] == b'<' && {
        let end = scan.run(span.end, 48, |b| b == b' ' || b == b'-' || b.is_ascii_alphanumeric());
        scan.at(end) == b'>' || scan.bytes[end..].starts_with(b"&gt;")
    } {
        return false;
    }
    let directory = matches!(value[0], b'/' | b'~') && value[1..].contains(&b'/')
        || value.len() > 3 && value[1] == b':' && matches!(value[2], b'\\' | b'/');
    if held != Held::Bare {
        let written = (value.len() >= 4 || value.len() == 3 && symbol) && !directory;
        return match says {
            Says::Password => written && value[value.len() - 1] != b':',
            _ => is_drawn(value) || held == Held::Quoted && value.len() >= 200 && !value.contains(&b' '),
        };
    }
    // `if password == …`, `token = next()`: code, not a value.
    let ends = scan.at(span.end);
    let identifier = value.iter().all(|b| is_word(*b));
    let code = is_expression(value)
        || is_type(value)
        || pair.spaced && identifier && matches!(ends, b';' | b',' | b')' | b'(') && value.len() < 24;
    if code
        || directory && (says == Says::Password || value.len() < 40)
        || value[0] == b'-' && pair.sign == b' '
        || matches!(value[0], b'{' | b'[' | b'(') && !pair.leads
    {
        return false;
    }
    match says {
        Says::Password if digit || symbol || beyond => value.len() >= 4,
        // `password=letmein`, as environments and queries have it.
        Says::Password => {
            pair.sign == b'='
                && !pair.spaced
                && value.len() >= 4
                && (pair.leads
                    || pair.query
                    || matches!(ends, 0 | b' ' | b'\n' | b'\r' | b';' | b'&' | b'"' | b'\''))
        }
        _ => is_drawn(value),
    }
}

/// Whether the value of a password only mentions the word, as a label, a message or a variable's name does.
fn repeats(scan: &Scan<'_>, pair: &Pair, value: &[u8]) -> bool {
    let name = &scan.bytes[pair.name.clone()];
    let digits = value.iter().any(u8::is_ascii_digit);
    !digits
        && ["password", "passwd", "passphrase", "passwort", "pwd", "credential"].iter().any(|word| {
            let word = word.as_bytes();
            let has = |text: &[u8]| text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
            has(value) && has(name)
        })
}

/// What follows the scheme in the value of an authorization header; the whole value where there is no scheme.
fn credentials(scan: &Scan<'_>, value: Range<usize>, held: Held) -> Option<Range<usize>> {
    let mut end = value.end;
    if held == Held::Bare {
        // Without quotes it ends with the line, or with the string in which the header stands.
        end =
            scan.run(value.start, usize::MAX, |b| !matches!(b, b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'\\'));
    }
    let scheme = scan.run(value.start, 32, |b| is_word(b) || b == b'-');
    let from = blanks(scan, scheme).min(end);
    let span = if scheme > value.start && from > scheme && from < end {
        let token = scan.run(from, usize::MAX, super::prefix::token68).min(end);
        // Parameters, as `Digest` and `AWS4-HMAC-SHA256` have them, belong together.
        let listed = matches!(scan.at(token), b',' | b'"' | b' ')
            && scan.bytes[from..token].contains(&b'=')
            && scan.bytes[token.saturating_sub(1)] != b'=';
        if listed || scan.bytes[from..end].starts_with(b"username=") {
            let end = if held == Held::Bare {
                scan.run(from, usize::MAX, |b| !matches!(b, b'\r' | b'\n' | b'\'' | b'\\'))
            } else {
                end
            };
            from..end
        } else {
            from..token
                - scan.bytes[from..token].iter().rev().take_while(|b| matches!(b, b'.' | b',')).count()
        }
    } else if held == Held::Bare {
        value.start..scan.run(value.start, usize::MAX, super::prefix::token68).min(end)
    } else {
        value
    };
    let token = &scan.bytes[span.clone()];
    let digits = token.iter().any(u8::is_ascii_digit);
    let good = token.len() >= 6
        && !is_placeholder(token)
        && !token.contains(&b'$')
        && (digits || token.len() >= 16)
        && (is_drawn(token) || digits && token.len() >= 8 && scheme < span.start);
    good.then_some(span)
}
