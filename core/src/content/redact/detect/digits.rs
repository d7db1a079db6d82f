//! Numbers written in digits: payment cards, phone numbers, IPv4 addresses; also triggers the search for an IBAN.
//!
//! Digits are read as groups with separators between them. A run of groups is read once, and each detector looks at no
//! more digits of it than its kind of number may have.

use super::tables::{self, among_numbers, is_negative, is_table};
use super::{Kind, Scan, iban, is_word, names};

/// One group of digits, and the separator behind it (0 when something else follows).
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The separator behind it, spaces around it left out: one of space `-` `.` `/` `(` `)` and a line's end.
    behind: u8,
    /// How many bytes that separator has.
    gap: usize,
}

impl Group {
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }
}

pub(super) fn scan(scan: &mut Scan<'_>) {
    let mut groups = Vec::new();
    let mut at = 0;
    while let Some(start) = (at..scan.bytes.len()).find(|&i| scan.bytes[i].is_ascii_digit()) {
        at = read_run(scan, start, &mut groups);
        for group in &groups {
            iban::check(scan, group.start);
        }
        cards(scan, &groups);
        addresses(scan, &groups);
        phones(scan, &groups);
    }
}

/// Reads the run of groups that begins at `start` into `groups`; returns where it ends.
fn read_run(scan: &Scan<'_>, start: usize, groups: &mut Vec<Group>) -> usize {
    groups.clear();
    let mut at = start;
    loop {
        let end = scan.run(at, usize::MAX, |b| b.is_ascii_digit());
        let next = scan.run(end, 3, |b| matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')'));
        let joined = next > end && scan.at(next).is_ascii_digit();
        let separator = &scan.bytes[end..next];
        let behind = separator.iter().copied().find(|b| *b != b' ').unwrap_or(b' ');
        // Two punctuation marks that are not brackets end the run: another number follows.
        let marks = separator.iter().filter(|b| !matches!(b, b' ' | b'(' | b')')).count();
        let joined = joined && marks <= 1;
        // A card's number may be broken across two lines.
        let folded = if joined || !(3..=6).contains(&(end - at)) { None } else { folded(scan, end) };
        let (next, behind) = match folded {
            Some(next) => (next, b'\n'),
            None => (next, if joined { behind } else { 0 }),
        };
        groups.push(Group { start: at, end, behind, gap: next - end });
        if behind == 0 {
            return end;
        }
        at = next;
    }
}

/// If a line ends at `at` (with a newline or its escape) and the next line begins with a digit: where that digit is.
fn folded(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let end = scan.run(at, 2, |b| matches!(b, b' ' | b'\r'));
    let slashes = scan.run(end, 3, |b| b == b'\\');
    let escaped = slashes > end && scan.at(slashes) == b'n';
    let next = if escaped {
        slashes + 1
    } else if scan.at(end) == b'\n' {
        end + 1
    } else {
        return None;
    };
    let next = scan.run(next, 16, |b| matches!(b, b' ' | b'\t' | b'>' | b'#' | b'/' | b'*'));
    scan.at(next).is_ascii_digit().then_some(next)
}

/// The separator before group `i`; 0 for the first group.
fn ahead(groups: &[Group], i: usize) -> u8 {
    if i == 0 { 0 } else { groups[i - 1].behind }
}

/// Shapes that cards are written in, by the lengths of their groups.
const CARD_SHAPES: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1]];

fn cards(scan: &mut Scan<'_>, groups: &[Group]) {
    if !scan.enabled.has(Kind::Card) {
        return;
    }
    let mut i = 0;
    while i < groups.len() {
        let taken = card_at(scan, groups, i);
        if let Some(n) = taken {
            scan.found(
                Kind::Card,
                groups[i].start..groups[i + n - 1].end,
                "an issuer's number with its check digit",
            );
        }
        i += taken.unwrap_or(1);
    }
}

/// How many groups from `i` on are a card's number.
fn card_at(scan: &Scan<'_>, groups: &[Group], i: usize) -> Option<usize> {
    let fits = |n: usize| {
        let part = groups.get(i..i + n)?;
        let digits: usize = part.iter().map(|g| g.len()).sum();
        if !(13..=19).contains(&digits) {
            return None;
        }
        let joined =
            part[..n - 1].iter().all(|g| matches!(g.behind, b' ' | b'-') && g.gap == 1 || g.behind == b'\n');
        let in_name = scan.before(part[0].start) == b'.' && is_word(scan.before(part[0].start - 1));
        let free = ahead(groups, i) != b'.'
            && part[n - 1].behind != b'.'
            && !in_name
            && !is_negative(scan, part[0].start)
            && !is_table(scan, part)
            && !scan.word_before(part[0].start)
            && !scan.word_at(part[n - 1].end);
        (joined && free && is_card(scan, part)).then_some(n)
    };
    // A card in an unusual grouping is accepted only if it is the whole run.
    let apart = || groups.iter().any(|g| g.behind == b'\n');
    let whole = if i == 0 && (2..=19).contains(&groups.len()) && !apart() && is_even(groups) {
        fits(groups.len())
    } else {
        None
    };
    whole.or_else(|| fits(1).filter(|_| !among_numbers(scan, groups[i]))).or_else(|| {
        CARD_SHAPES
            .iter()
            .filter(|shape| {
                groups
                    .get(i..i + shape.len())
                    .is_some_and(|part| part.iter().zip(shape.iter()).all(|(group, len)| group.len() == *len))
            })
            .find_map(|shape| fits(shape.len()))
            .filter(|n| !in_list(groups, i, *n))
    })
}

/// Whether the groups look like one number: the same separator between all of them, and the same length, except that
/// the first and the last may be shorter.
fn is_even(groups: &[Group]) -> bool {
    let [first, middle @ .., last] = groups else { return false };
    middle.iter().all(|g| g.behind == first.behind && g.len() == groups[1].len())
        && (middle.is_empty() || last.len() <= groups[1].len() && first.len() <= groups[1].len())
}

/// Whether more groups like these stand before or behind them, as in a list of numbers: coordinates, a table's row.
fn in_list(groups: &[Group], i: usize, n: usize) -> bool {
    let mark = groups[i].behind;
    let before = i > 0 && groups[i - 1].behind == mark && mark != b'\n' && groups[i - 1].len() > 2;
    let behind = groups[i + n - 1].behind == mark
        && mark != b'\n'
        && groups.get(i + n).is_some_and(|g| g.len() == groups[i + n - 1].len().max(4));
    before || behind
}

fn is_card(scan: &Scan<'_>, part: &[Group]) -> bool {
    let mut number = [0_u8; 19];
    let mut n = 0;
    for group in part {
        for &b in &scan.bytes[group.start..group.end] {
            number[n] = b - b'0';
            n += 1;
        }
    }
    let number = &number[..n];
    issued(number) && luhn(number) && !tables::is_made_up(number)
}

/// Whether a large scheme issues numbers with this beginning and length (ISO/IEC 7812 ranges).
fn issued(number: &[u8]) -> bool {
    let head = |n: usize| number[..n].iter().fold(0_u32, |acc, d| acc * 10 + u32::from(*d));
    let (two, three, four) = (head(2), head(3), head(4));
    match number.len() {
        13 => two / 10 == 4,
        14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37) || matches!(four, 2131 | 1800),
        16 => {
            two / 10 == 4
                || matches!(two, 50..=55 | 62 | 65)
                || matches!(three, 644..=649)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011 | 2200..=2204 | 5018 | 5020 | 5038 | 6304 | 6759 | 6761..=6763)
        }
        17..=19 => {
            (number.len() == 19 && two / 10 == 4)
                || matches!(two, 62 | 65)
                || matches!(three, 644..=649)
                || matches!(four, 3528..=3589 | 6011 | 5018 | 5020 | 5038 | 6304 | 6759 | 6761..=6763)
        }
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let d = u32::from(*d);
            if i % 2 == 0 { d } else { d * 2 / 10 + d * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether `number`, written in digits, is a card's: for integers in data.
pub(in crate::content::redact) fn is_card_number(number: &str) -> bool {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    digits.len() == number.len()
        && (13..=19).contains(&digits.len())
        && issued(&digits)
        && luhn(&digits)
        && !tables::is_made_up(&digits)
}

/// Whether one of `words` stands in the `reach` bytes before `at`, on its line and without another number
/// between.
fn follows(scan: &Scan<'_>, at: usize, reach: usize, words: &[&[u8]]) -> bool {
    let near = &scan.bytes[at.saturating_sub(reach)..at];
    let clear = near.iter().rev().take_while(|b| !b.is_ascii_digit() && !matches!(b, b'\n' | b';')).count();
    let near = &near[near.len() - clear..];
    words.iter().any(|word| {
        near.windows(word.len()).enumerate().any(|(i, window)| {
            window.eq_ignore_ascii_case(word)
                && (i == 0
                    || !near[i - 1].is_ascii_alphabetic()
                    || near[i - 1].is_ascii_lowercase() && window[0].is_ascii_uppercase())
        })
    })
}

const VERSION_WORDS: [&[u8]; 14] = [
    b"identifier",
    b"version",
    b"ver",
    b"release",
    b"build",
    b"section",
    b"chapter",
    b"oid",
    b"firmware",
    b"revision",
    b"rev",
    b"driver",
    b"upgrade",
    b"upgraded",
];

fn addresses(scan: &mut Scan<'_>, groups: &[Group]) {
    if !scan.enabled.has(Kind::Ip) {
        return;
    }
    let dotted = |part: &[Group]| part[..3].iter().all(|g| g.behind == b'.' && g.gap == 1);
    for i in 0..groups.len().saturating_sub(3) {
        let part = &groups[i..i + 4];
        let ranged = i >= 4 && ahead(groups, i) == b'-' && dotted(&groups[i - 4..i]);
        let free = ahead(groups, i) != b'.'
            && (ahead(groups, i) != b'-' || ranged)
            && part[3].behind != b'.'
            && !scan.word_before(part[0].start)
            && !scan.word_at(part[3].end);
        if !dotted(part) || !free {
            continue;
        }
        let octet = |g: &Group| {
            let text = &scan.bytes[g.start..g.end];
            (text.len() <= 3 && (text.len() == 1 || text[0] != b'0'))
                .then(|| text.iter().fold(0_u32, |acc, b| acc * 10 + u32::from(b - b'0')))
                .filter(|n| *n <= 255)
        };
        let octets: Option<Vec<u32>> = part.iter().map(octet).collect();
        let more = part[3].behind == b'-' && !groups.get(i + 4..i + 8).is_some_and(dotted);
        if let Some(octets) = octets
            && !is_version(scan, &octets, part[0].start, part[3].end, more)
            && !is_section(scan, &octets, part[0].start, part[3].end)
        {
            scan.found(Kind::Ip, part[0].start..part[3].end, "an IPv4 address");
        }
    }
}

/// Whether four numbers with dots are a version, an object identifier, or part of a name; `more` says that a dash
/// and a number follow.
fn is_version(scan: &Scan<'_>, octets: &[u32], start: usize, end: usize, more: bool) -> bool {
    let before = scan.before(start);
    let behind = scan.at(end);
    let product = before == b'/' && {
        let name =
            scan.bytes[..start - 1].iter().rev().take(32).take_while(|b| is_word(**b) || **b == b'-').count();
        name > 0 && !matches!(scan.before(start - 1 - name), b'/' | b'.' | b':' | b'=' | b'@')
    };
    let compared = match before {
        b'=' => match scan.before(start - 1) {
            b'>' | b'<' | b'~' | b'!' | b'^' => true,
            b'=' => !follows(scan, start, 16, &[b"ip", b"addr", b"host", b"src", b"dst"]),
            _ => false,
        },
        b'^' | b'~' => true,
        _ => false,
    };
    let arcs = matches!(octets[..3], [1, 3, 6] | [2, 5, 4] | [2, 5, 29]);
    let padded = octets[1..] == [0, 0, 0] && !matches!(octets[0], 0 | 10 | 127) && behind != b'/';
    let name = matches!(before, b'-' | b'.') && is_word(scan.before(start - 1));
    let tail = matches!(behind, b'-' | b'.') && scan.at(end + 1).is_ascii_alphabetic()
        || matches!(behind, b'+' | b'~')
        || more && octets[0] < 10;
    product || compared || arcs || padded || name || tail || follows(scan, start, 24, &VERSION_WORDS)
}

/// Whether four small numbers count chapters or releases: `12.1.2.1` is an address only where something says so.
fn is_section(scan: &Scan<'_>, octets: &[u32], start: usize, end: usize) -> bool {
    const SMALL: u32 = 60;
    const SAID: [&[u8]; 18] = [
        b"ip",
        b"ips",
        b"ipv4",
        b"addr",
        b"address",
        b"host",
        b"server",
        b"nameserver",
        b"dns",
        b"peer",
        b"client",
        b"remote",
        b"gateway",
        b"ping",
        b"src",
        b"dst",
        b"from",
        b"via",
    ];
    let small = octets.iter().all(|n| *n <= SMALL) && !matches!(octets[0], 0 | 10);
    let known = octets.iter().all(|n| *n == octets[0]) || matches!(octets, [8, 8, 4, 4] | [1, 0, 0, 1]);
    let marked = matches!(scan.before(start), b'@' | b'/' | b'=' | b'[')
        || matches!(scan.at(end), b'/' | b':') && scan.at(end + 1).is_ascii_digit();
    // A heading's number: `§10.2.1.2`, or with a full stop and a title behind it.
    let opened = matches!(scan.before(start), b'"' | b'>' | 0xA7);
    let titled = octets.iter().all(|n| *n < 100)
        && opened
        && (scan.at(end) == b'.' && scan.at(end + 1) == b' ' || scan.before(start) == 0xA7);
    // Of a tag before it, only the name may say that it is an address, not the attributes.
    let near = &scan.bytes[start.saturating_sub(32)..start];
    let reach = match near {
        [head @ .., b'>'] => {
            let name = head.iter().rev().take_while(|b| is_word(**b) || **b == b'-').count();
            if head.len() > name && head[head.len() - name - 1] == b'<' { name + 1 } else { 0 }
        }
        _ => near.iter().rev().take_while(|b| **b != b'<').count(),
    };
    !known && !marked && (titled || small && !follows(scan, start, reach, &SAID))
}

/// Whether the groups are part of a dump, by their digits or what stands around them: bytes or words in hex, bits.
fn is_dump(scan: &Scan<'_>, groups: &[Group], i: usize, n: usize) -> bool {
    let part = &groups[i..i + n];
    let (start, end) = (part[0].start, part[n - 1].end);
    let digits = part.iter().flat_map(|g| &scan.bytes[g.start..g.end]);
    if digits.clone().all(|b| matches!(b, b'0' | b'1')) {
        return true;
    }
    let wide = part[0].len();
    let even = part.iter().all(|g| g.len() == wide) && matches!(wide, 2 | 4 | 8);
    if !even || wide == 8 {
        return even;
    }
    let word =
        |from: usize, to: usize| to - from == wide && scan.bytes[from..to].iter().all(u8::is_ascii_hexdigit);
    let before = {
        let low = start.saturating_sub(12);
        let gap = scan.bytes[low..start].iter().rev().take_while(|b| matches!(b, b' ' | b'\n')).count();
        let to = start - gap;
        let letters =
            scan.bytes[low.min(to)..to].iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count();
        gap > 0 && word(to - letters, to)
    };
    let behind = {
        let from = scan.run(end, 2, |b| matches!(b, b' ' | b'\n'));
        let to = scan.run(from, 9, |b| b.is_ascii_alphanumeric());
        from > end && word(from, to)
    };
    before || behind || follows(scan, start, 24, &[b"hex", b"bytes", b"mac", b"dump"])
}

fn phones(scan: &mut Scan<'_>, groups: &[Group]) {
    if !scan.enabled.has(Kind::Phone) {
        return;
    }
    let mut i = 0;
    while i < groups.len() {
        let taken = phone_at(scan, groups, i);
        if let Some((n, start, why)) = taken {
            scan.found(Kind::Phone, start..groups[i + n - 1].end, why);
        }
        i += taken.map_or(1, |(n, ..)| n);
    }
}

/// Whether the words before a number call it a phone number: the name that it is assigned to, or the last words
/// of the sentence.
fn called(scan: &Scan<'_>, start: usize) -> bool {
    let low = start.saturating_sub(64);
    let mut at = start;
    for _ in 0..4 {
        let mut breaks = 0;
        while at > low && !is_word(scan.bytes[at - 1]) {
            at -= 1;
            // Another value or sentence ends here: the words before it don't speak of this number.
            let apart = match scan.bytes[at] {
                b',' | b';' | b'}' | b')' => true,
                b'{' => scan.before(at) != b'=',
                b'&' => scan.before(at) != b' ',
                _ => false,
            };
            if apart {
                return false;
            }
            breaks += usize::from(scan.bytes[at] == b'\n');
        }
        if scan.escapes(at) {
            return false;
        }
        let end = at;
        while at > low
            && (is_word(scan.bytes[at - 1]) || matches!(scan.bytes[at - 1], b'-' | b'.' | b'+'))
            && !scan.escapes(at)
        {
            at -= 1;
        }
        if at == end || breaks > 1 || scan.bytes[at..end].iter().all(|b| !b.is_ascii_alphabetic()) {
            return false;
        }
        if names::calls(&scan.bytes[at..end]) {
            return true;
        }
        // Between that word and the number only filler words or a variable's type may stand.
        const FILLS: [&[u8]; 22] = [
            b"is", b"at", b"me", b"us", b"on", b"no", b"nr", b"number", b"str", b"string", b"value", b"my",
            b"the", b"n", b"h", b"s", b"call", b"b", b"u", b"r", b"f", b"under",
        ];
        if !FILLS.iter().any(|fill| scan.bytes[at..end].eq_ignore_ascii_case(fill)) {
            return false;
        }
    }
    false
}

/// How many groups from `i` on are a phone number, and where it begins.
fn phone_at(scan: &Scan<'_>, groups: &[Group], i: usize) -> Option<(usize, usize, &'static str)> {
    let first = groups[i];
    let mut before = scan.before(first.start);
    let mut mark = 1;
    if scan.bytes[..first.start].ends_with(b"%2B") {
        (before, mark) = (b'+', 3);
    }
    if mark == 1 && scan.word_before(first.start)
        || before == b':' && i == 0 && scan.before(first.start - 1).is_ascii_digit()
    {
        return None;
    }
    let digit = scan.bytes[first.start];
    if before == b'+' {
        let sign = first.start - mark;
        if scan.word_before(sign) || digit == b'0' {
            return None;
        }
        let n = longest(scan, groups, i, 8, 15)?;
        // `+12345678.90` is an amount, `+192.168.1.2` an address.
        let amount = n == 2 && first.behind == b'.' || groups[i + n - 1].behind == b'.';
        let address = n == 4
            && groups[i..i + 4].iter().all(|g| g.len() <= 3)
            && groups[i..i + 3].iter().all(|g| g.behind == b'.')
            && first.len() == 3;
        // A year with a sign, followed by the rest of a date.
        let part = &groups[i..i + n];
        let dated = part.len() >= 2 && part[0].behind == b'-' && part[0].len() >= 4 && part[1].len() <= 3
            || scan.at(part[n - 1].end) == b':' && scan.at(part[n - 1].end + 1).is_ascii_digit()
            || part[n - 1].behind == b'-';
        let binary = scan.bytes[part[0].start..part[n - 1].end].iter().all(|b| matches!(b, b'0' | b'1'));
        // `+35236450.6 -2`: the next number has a sign of its own.
        let signed = part[..n - 1].iter().any(|g| &scan.bytes[g.end..g.end + g.gap] == b" -");
        let number = n == 1 && tables::is_quantity(&scan.bytes[first.start..first.end]);
        return (!amount && !address && !dated && !binary && !signed && !number)
            .then(|| (n, opening(scan, groups, i, n, sign), "an international phone number"));
    }
    if i > 0 && matches!(ahead(groups, i), b'.' | b'-' | b'/') {
        return None;
    }
    // `00` and a country.
    let country =
        if first.len() > 2 { first.start + 2 } else { groups.get(i + 1).map_or(first.end, |g| g.start) };
    if scan.bytes[first.start..].starts_with(b"00")
        && (b'1'..=b'9').contains(&scan.at(country))
        && matches!(first.behind, b' ' | b'(')
        && first.len() <= 6
        && let Some(n) = longest(scan, groups, i, 10, 17)
        && n > 1
        && !groups[i..i + n].iter().all(|g| g.len() == 2)
        && !is_dump(scan, groups, i, n)
        && !tables::is_padded(scan, &groups[i..i + n])
    {
        return Some((n, opening(scan, groups, i, n, first.start), "an international phone number"));
    }
    let named = || {
        // A number in any other form is one only if the words before the run call it a phone number.
        let begins = i == 0 || ahead(groups, i) == b'\n';
        let n = if begins { longest(scan, groups, i, 7, 15)? } else { return None };
        called(scan, first.start).then_some((n, "called a phone number"))
    };
    let (n, why) = north_american(scan, groups, i)
        .or_else(|| national(scan, groups, i))
        .map(|n| (n, "a national phone number"))
        .or_else(named)?;
    Some((n, opening(scan, groups, i, n, first.start), why))
}

/// The start of the number at `start`, with the bracket before it if the number contains the closing one.
fn opening(scan: &Scan<'_>, groups: &[Group], i: usize, n: usize, start: usize) -> usize {
    let end = groups[i + n - 1].end;
    let own = scan.before(start) == b'(' && memchr::memchr(b')', &scan.bytes[start..end]).is_some();
    start - usize::from(own)
}

/// The most groups from `i` on that have between `least` and `most` digits together and end a word.
fn longest(scan: &Scan<'_>, groups: &[Group], i: usize, least: usize, most: usize) -> Option<usize> {
    let mut digits = 0;
    let mut best = None;
    for (n, group) in groups[i..].iter().enumerate().take(9) {
        digits += group.len();
        if digits > most {
            break;
        }
        if digits >= least && !scan.word_at(group.end) {
            best = Some(n + 1);
        }
        if matches!(group.behind, 0 | b'\n') {
            break;
        }
    }
    best
}

/// `(415) 555-2671`, `415-555-2671`, `1 415 555 2671`: area and exchange begin with 2 to 9.
fn north_american(scan: &Scan<'_>, groups: &[Group], i: usize) -> Option<usize> {
    let country = usize::from(groups[i].len() == 1 && scan.bytes[groups[i].start] == b'1');
    let part = groups.get(i + country..i + country + 3)?;
    let shaped = part.iter().map(|g| g.len()).eq([3, 3, 4])
        && part[..2]
            .iter()
            .all(|g| (b'2'..=b'9').contains(&scan.bytes[g.start]) && !matches!(g.behind, b'/' | b'\n'));
    let free = !matches!(part[2].behind, b'.' | b'-' | b'/') && !scan.word_at(part[2].end);
    // Groups separated by blanks, with another group beside them, are a row of numbers.
    let blank = part[..2].iter().all(|g| g.behind == b' ');
    let mixed = part[0].behind == b'.' && part[1].behind == b'-';
    let row = blank && (ahead(groups, i) == b' ' || part[2].behind == b' ');
    (shaped && free && !row && !mixed).then_some(country + 3)
}

/// `020 7946 0958`, `06 12 34 56 78`, `030/1234567`: a trunk 0, two or more groups, nine to twelve digits.
fn national(scan: &Scan<'_>, groups: &[Group], i: usize) -> Option<usize> {
    let head = groups[i];
    if scan.bytes[head.start] != b'0' || !(2..=5).contains(&head.len()) || scan.at(head.start + 1) == b'0' {
        return None;
    }
    let n = longest(scan, groups, i, 9, 12)?;
    if n < 2 {
        return None;
    }
    let part = &groups[i..i + n];
    // Part of an id, a time, bytes in brackets, a postal code.
    let before = scan.before(head.start);
    let end = part[n - 1].end;
    if before == b'-' && is_word(scan.before(head.start - 1))
        || scan.at(end) == b':' && scan.at(end + 1).is_ascii_digit()
        || before == b'[' && part.iter().all(|g| g.len() == 2)
        || follows(scan, head.start, 24, &[b"postal", b"postalcode", b"zip", b"zipcode"])
    {
        return None;
    }
    let lengths: Vec<usize> = part.iter().map(|g| g.len()).collect();
    let dated = lengths[..2] == [2, 2] && n == 3 && part[0].behind == b'-'
        || lengths.starts_with(&[2, 2, 4])
        || lengths.starts_with(&[2, 2, 2, 2, 2]) && part[0].behind != b' ';
    // `01 02 03 000004`: a time and its millionths.
    let timed = (n == 4 || n == 3 && ahead(groups, i) == b' ' && groups[i - 1].len() == 2)
        && lengths.iter().all(|len| matches!(len, 2 | 6))
        && lengths.iter().filter(|len| **len == 6).count() == 1;
    // `012 021 102 120 201 210`: a row of numbers of one length, which goes on.
    let row = lengths.iter().all(|len| *len == lengths[0])
        && (part[n - 1].behind == b' ' && groups.get(i + n).is_some_and(|g| g.len() == lengths[0])
            || ahead(groups, i) == b' ' && groups[i - 1].len() == lengths[0]);
    let joined = part[..n - 1].iter().all(|g| g.behind != b'.') && lengths[1..].iter().all(|len| *len >= 2);
    // Pairs of digits are a phone number only if there are five, as in `06 12 34 56 78`, and nothing beside them.
    let pairs = lengths.iter().all(|len| *len == 2);
    let even = !pairs || n == 5 && i == 0 && !matches!(part[n - 1].behind, b' ' | b'-');
    // `MA 02110-1301`
    let zip = lengths == [5, 4] && part[0].behind == b'-' && {
        let state = scan.bytes[..head.start].trim_ascii_end();
        state.len() < head.start
            && matches!(state, [.., b' ' | b',', a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase())
    };
    let spread = part[..n - 1]
        .iter()
        .any(|g| g.gap > 1 && scan.bytes[g.end..g.end + g.gap].iter().all(|b| *b == b' '));
    (n >= 2
        && joined
        && !dated
        && !timed
        && !row
        && even
        && !zip
        && !spread
        && !is_dump(scan, groups, i, n)
        && part[n - 1].behind != b'.')
        .then_some(n)
}
