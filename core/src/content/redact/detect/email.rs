//! E-mail addresses: `@` (or `%40` in URLs) between a local part and a domain with a top-level name.

use super::{Kind, Scan};

/// Longest local part and domain looked at (RFC 5321: 64 and 255).
const LOCAL: usize = 64;
const DOMAIN: usize = 253;

pub(super) fn scan(text: &str, scan: &mut Scan<'_>) {
    let bytes = text.as_bytes();
    // A local part ends at the `@` before it at the latest, so that no byte is read twice.
    let mut floor = 0;
    for at in memchr::memchr2_iter(b'@', b'%', bytes) {
        let after = match bytes[at] {
            b'@' => at + 1,
            _ if bytes[at..].starts_with(b"%40") => at + 3,
            _ => continue,
        };
        let from = std::mem::replace(&mut floor, after);
        let Some(end) = domain(text, after).map(|end| without_foreign_end(scan, text, after, end)) else {
            continue;
        };
        let Some(start) = local(&text[from..at]).map(|n| without_foreign_start(scan, text, at - n, at))
        else {
            continue;
        };
        // `git@github.com:owner/repo` names a repository, and `git@` at a forge is no person.
        if &text[start..at] == "git"
            && (matches!(bytes.get(end), Some(b':' | b'/')) || is_forge(&text[after..end]))
        {
            continue;
        }
        // `:nick!user@host`: the sender in a line of IRC.
        if scan.before(start) == b':' && text[start..at].contains('!') {
            continue;
        }
        if is_unit(&text[after..end]) || is_message(scan, start, &text[start..at], &text[after..end]) {
            continue;
        }
        scan.found(Kind::Email, start..end, "an e-mail address");
    }
}

/// Letters of the Latin, Greek and Cyrillic blocks may stand in names; those of other scripts end them.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || ('\u{C0}'..'\u{600}').contains(&c) && c.is_alphabetic()
}

/// How many bytes at the end of `before` are a local part.
fn local(before: &str) -> Option<usize> {
    if let Some(quoted) = before.strip_suffix('"') {
        let (open, _) = quoted
            .char_indices()
            .rev()
            .take(LOCAL)
            .take_while(|(_, c)| *c != '\n')
            .find(|(_, c)| *c == '"')?;
        // A quoted name consists of words; else the quotes belong to two other strings, and this is the text between
        // them.
        let inner = &quoted[open + 1..];
        let words = inner.starts_with(char::is_alphanumeric)
            && inner.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '+' | '-'));
        return words.then_some(before.len() - open);
    }
    let mut start = before.len();
    for (i, c) in before.char_indices().rev().take(LOCAL) {
        // An apostrophe may be escaped, as in `'o\'neil@…'`.
        let apostrophe = c == '\\' && before[i + 1..].starts_with('\'') && i > 0 && start == i + 1;
        if !is_name(c)
            && !matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | '~' | '!' | '#' | '$' | '&' | '*')
            && !apostrophe
        {
            break;
        }
        start = i;
    }
    // A name begins with a letter, a digit or one of these two; what stands before is punctuation.
    let name = before[start..].trim_start_matches(|c: char| !is_name(c) && !matches!(c, '_' | '+'));
    (!name.is_empty() && !name.ends_with(['.', '\''])).then_some(name.len())
}

fn domain(text: &str, from: usize) -> Option<usize> {
    let mut end = from;
    for (i, c) in text[from..].char_indices().take(DOMAIN) {
        if !is_name(c) && !matches!(c, '.' | '-') {
            break;
        }
        end = from + i + c.len_utf8();
    }
    let whole = &text[from..end];
    let mut name = whole;
    // Cut from the end: punctuation of the sentence, and labels that cannot be a top-level name.
    loop {
        name = name.trim_end_matches(['.', '-']);
        let (rest, top) = name.rsplit_once('.')?;
        let letters = top.chars().all(|c| is_name(c) && !c.is_ascii_digit());
        if top.chars().count() >= 2 && (letters || top.starts_with("xn--")) {
            break;
        }
        name = rest;
    }
    let mut labels = name.split('.');
    let first = labels.next()?;
    let second = labels.next()?;
    let numeric = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    // `image@2x.png` and `package@1.2.3-rc.beta` are no addresses.
    let scaled = first.len() <= 2 && first.ends_with('x') && first.starts_with(|c: char| c.is_ascii_digit());
    // Nor is `width@100.px.1`: a domain that begins with a number may not also end with one.
    let cut = name.len() < whole.trim_end_matches(['.', '-']).len();
    let good = !(cut && numeric(first))
        && name.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    (good && !scaled && !(numeric(first) && second.starts_with(|c: char| c.is_ascii_digit())))
        .then_some(from + name.len())
}

/// Whether a host is one of those that serve repositories to the user `git`.
fn is_forge(domain: &str) -> bool {
    const FORGES: [&str; 5] = ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht"];
    FORGES.iter().any(|host| domain.eq_ignore_ascii_case(host))
}

/// `getty@tty1.service`: the units of systemd that have instances.
fn is_unit(domain: &str) -> bool {
    const UNITS: [&str; 9] =
        ["service", "socket", "timer", "target", "mount", "automount", "swap", "slice", "scope"];
    domain.rsplit('.').next().is_some_and(|top| UNITS.contains(&top))
}

/// Whether the address is a message's id (RFC 5322, 3.6.4): its header or its archive says so, or a machine made
/// it of a time, a process and a count.
fn is_message(scan: &Scan<'_>, start: usize, local: &str, domain: &str) -> bool {
    const URL: usize = 112;
    const WORDS: [&[u8]; 11] = [
        b"message-id",
        b"message_id",
        b"messageid",
        b"msg_id",
        b"msgid",
        b"content-id",
        b"envelope-id",
        b"in-reply-to",
        b"references",
        b"cid",
        b"mid",
    ];
    // Archives whose URLs end in the id of the message.
    const ARCHIVES: [&[u8]; 2] = [b"://lore.kernel.org/", b"://lkml.kernel.org/"];
    let before = &scan.bytes[start.saturating_sub(URL)..start];
    let word = before.iter().rposition(|b| b.is_ascii_whitespace() || *b == b'"').map_or(0, |n| n + 1);
    if ARCHIVES.iter().any(|archive| memchr::memmem::find(&before[word..], archive).is_some()) {
        return true;
    }
    let opened = before.strip_suffix(b"<").or(before.strip_suffix(b"&lt;"));
    // Between the word and the id only punctuation may stand.
    let signs = opened.unwrap_or(before);
    let signs = &signs[signs.len().saturating_sub(64)..];
    let end = signs.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |n| n + 1);
    let assigned = opened.is_some() || signs[end..].contains(&b':');
    let named = assigned
        && WORDS.iter().any(|word| {
            end >= word.len()
                && signs[end - word.len()..end].eq_ignore_ascii_case(word)
                && (end == word.len() || !signs[end - word.len() - 1].is_ascii_alphabetic() || word.len() > 3)
        });
    // `with SMTP id <…>` of a `Received:` header, and NNTP's `223 3000234 <…>`.
    let numbered = opened.is_some_and(|text| {
        let text = text.trim_ascii_end();
        text.ends_with(b" id")
            || text.last().is_some_and(u8::is_ascii_digit) && local.bytes().all(|b| b.is_ascii_digit())
    });
    // `"<45223423@example.com>"`, a column or a string by itself. Not at providers whose users have numbers for names.
    const NUMBERS: [&str; 5] = ["qq.com", "163.com", "126.com", "139.com", "189.cn"];
    let alone = local.len() >= 5
        && local.bytes().all(|b| b.is_ascii_digit())
        && !NUMBERS.iter().any(|host| domain.eq_ignore_ascii_case(host))
        && opened
            .is_some_and(|text| text.ends_with(b"\\t") || matches!(text.last(), Some(b'"' | b'\'' | b'\t')));
    named || numbered || alone || is_counted(local)
}

/// Whether a machine made the local part: `20070910183004.GA3299`, `461CF883.2030308`, `CAKgNAkgMA39AfoSoA5Pe…`.
fn is_counted(local: &str) -> bool {
    let digit = |s: &str| s.bytes().any(|b| b.is_ascii_digit());
    let hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some((time, rest)) = local.split_once(['.', '-'])
        && time.len() >= 8
        && hex(time)
        && digit(time)
        && rest.split(['.', '-']).next().is_some_and(digit)
    {
        return true;
    }
    // `15975.17901.207240.414604`, and Usenet's `hvalf7$ort$1`.
    let mut parts = local.split('.');
    let digits = |part: &str| part.len() >= 4 && part.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some_and(digits) && parts.next().is_some_and(digits)
        || local.bytes().filter(|b| *b == b'$').count() >= 2
    {
        return true;
    }
    let mixed = |s: &str| {
        digit(s) && s.bytes().any(|b| b.is_ascii_uppercase()) && s.bytes().any(|b| b.is_ascii_lowercase())
    };
    local.split('.').any(|part| part.len() >= 30 && mixed(part))
        || local.len() >= 30
            && local
                .split(['.', '-'])
                .filter(|part| part.len() >= 5 && part.bytes().all(|b| b.is_ascii_digit()))
                .count()
                >= 2
}

/// Whether the character at `i` is not Latin, though it may look so.
fn is_foreign(scan: &Scan<'_>, i: usize, c: char) -> bool {
    ('\u{370}'..'\u{600}').contains(&c) || c.is_ascii_alphabetic() && scan.shadow.folded(i)
}

/// If all letters of a foreign word look Latin, it must have at least so many to be taken for one.
const WORD: usize = 3;

/// Cuts a word of another script off the front that stands directly before the address: `рукаjane@example.com`.
fn without_foreign_start(scan: &Scan<'_>, text: &str, start: usize, at: usize) -> usize {
    // The letter that ends an escape is no part of the address.
    let start = if scan.escapes(start + 1) && scan.before(start) == b'\\' { start + 1 } else { start };
    let (mut end, mut letters, mut sure) = (start, 0, false);
    for (i, c) in text[start..at].char_indices() {
        if !is_foreign(scan, start + i, c) {
            break;
        }
        sure |= !c.is_ascii();
        letters += 1;
        end = start + i + c.len_utf8();
    }
    let goes_on = text[end..at].starts_with(|c: char| c.is_ascii_alphanumeric());
    if goes_on && (sure || letters >= WORD) { end } else { start }
}

/// Cuts such a word off the end.
fn without_foreign_end(scan: &Scan<'_>, text: &str, after: usize, end: usize) -> usize {
    let (mut start, mut letters, mut sure) = (end, 0, false);
    for (i, c) in text[after..end].char_indices().rev() {
        if !is_foreign(scan, after + i, c) {
            break;
        }
        sure |= !c.is_ascii();
        letters += 1;
        start = after + i;
    }
    let goes_on = text[after..start].ends_with(|c: char| c.is_ascii_alphanumeric());
    if goes_on && (sure || letters >= WORD) { start } else { end }
}
