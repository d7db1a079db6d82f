//! What is made of digits: payment cards, phone numbers, IPv4 addresses; and the trigger for IBAN.
//!
//! Digits are read as groups with separators between them. A run of groups is read once, and each look at it
//! is bounded by the digits that a number may have.

use super::{Kind, Scan, iban, is_word};

/// One group of digits, and the separator behind it (0 when something else follows).
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    /// The separator behind it, spaces around it left out: one of space `-` `.` `/` `(` `)`.
    behind: u8,
    /// How many bytes that separator has.
    gap: usize,
}

impl Group {
    fn len(self) -> usize {
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

/// Reads the run of groups that begins at `start`; says where it ends.
fn read_run(scan: &Scan<'_>, start: usize, groups: &mut Vec<Group>) -> usize {
    groups.clear();
    let mut at = start;
    loop {
        let end = scan.run(at, usize::MAX, |b| b.is_ascii_digit());
        let next = scan.run(end, 3, |b| matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')'));
        let joined = next > end && scan.at(next).is_ascii_digit();
        let separator = &scan.bytes[end..next];
        let behind = separator.iter().copied().find(|b| *b != b' ').unwrap_or(b' ');
        // Two marks of punctuation, other than a bracket's, separate numbers.
        let marks = separator.iter().filter(|b| !matches!(b, b' ' | b'(' | b')')).count();
        let joined = joined && marks <= 1;
        groups.push(Group { start: at, end, behind: if joined { behind } else { 0 }, gap: next - end });
        if !joined {
            return end;
        }
        at = next;
    }
}

/// What stands before group `i`: the separator, or for the first group 0.
fn ahead(groups: &[Group], i: usize) -> u8 {
    if i == 0 { 0 } else { groups[i - 1].behind }
}

/// Shapes that cards are written in, by the lengths of their groups.
const CARD_SHAPES: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 4, 4, 1]];

fn cards(scan: &mut Scan<'_>, groups: &[Group]) {
    if !scan.enabled.has(Kind::Card) {
        return;
    }
    let mut i = 0;
    while i < groups.len() {
        let taken = card_at(scan, groups, i);
        if let Some(n) = taken {
            scan.found(Kind::Card, groups[i].start..groups[i + n - 1].end);
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
        let joined = part[..n - 1].iter().all(|g| matches!(g.behind, b' ' | b'-') && g.gap == 1);
        let free = ahead(groups, i) != b'.'
            && part[n - 1].behind != b'.'
            && !is_word(scan.before(part[0].start))
            && !is_word(scan.at(part[n - 1].end));
        (joined && free && is_card(scan, part)).then_some(n)
    };
    // Written out in another grouping, a card is the whole run.
    let whole = if i == 0 && (2..=19).contains(&groups.len()) { fits(groups.len()) } else { None };
    whole.or_else(|| fits(1)).or_else(|| {
        CARD_SHAPES
            .iter()
            .filter(|shape| {
                groups
                    .get(i..i + shape.len())
                    .is_some_and(|part| part.iter().zip(shape.iter()).all(|(group, len)| group.len() == *len))
            })
            .find_map(|shape| fits(shape.len()))
    })
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
    issued(number) && luhn(number)
}

/// Whether an issuer's numbers begin so and are this long (ISO/IEC 7812 ranges of the large schemes).
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
    digits.len() == number.len() && (13..=19).contains(&digits.len()) && issued(&digits) && luhn(&digits)
}

/// Whether one of `words` stands in the `reach` bytes before `at`.
fn follows(scan: &Scan<'_>, at: usize, reach: usize, words: &[&[u8]]) -> bool {
    let near = &scan.bytes[at.saturating_sub(reach)..at];
    words.iter().any(|word| {
        near.windows(word.len()).enumerate().any(|(i, window)| {
            window.eq_ignore_ascii_case(word) && (i == 0 || !near[i - 1].is_ascii_alphabetic())
        })
    })
}

fn addresses(scan: &mut Scan<'_>, groups: &[Group]) {
    if !scan.enabled.has(Kind::Ip) {
        return;
    }
    for i in 0..groups.len().saturating_sub(3) {
        let part = &groups[i..i + 4];
        let dotted = part[..3].iter().all(|g| g.behind == b'.' && g.gap == 1);
        let free = ahead(groups, i) != b'.'
            && ahead(groups, i) != b'-'
            && part[3].behind != b'.'
            && !is_word(scan.before(part[0].start))
            && !is_word(scan.at(part[3].end));
        if !dotted || !free {
            continue;
        }
        let octet = |g: &Group| {
            let text = &scan.bytes[g.start..g.end];
            text.len() <= 3
                && (text.len() == 1 || text[0] != b'0')
                && text.iter().fold(0_u32, |acc, b| acc * 10 + u32::from(b - b'0')) <= 255
        };
        if part.iter().all(octet)
            && !follows(scan, part[0].start, 10, &[b"version", b"ver", b"release", b"build", b"section"])
        {
            scan.found(Kind::Ip, part[0].start..part[3].end);
        }
    }
}

const CALL_WORDS: [&[u8]; 10] =
    [b"tel", b"telephone", b"phone", b"mobile", b"cell", b"fax", b"whatsapp", b"sms", b"telefon", b"handy"];

fn phones(scan: &mut Scan<'_>, groups: &[Group]) {
    if !scan.enabled.has(Kind::Phone) {
        return;
    }
    let mut i = 0;
    while i < groups.len() {
        let taken = phone_at(scan, groups, i);
        if let Some((n, start)) = taken {
            scan.found(Kind::Phone, start..groups[i + n - 1].end);
        }
        i += taken.map_or(1, |(n, _)| n);
    }
}

/// How many groups from `i` on are a phone number, and where it begins.
fn phone_at(scan: &Scan<'_>, groups: &[Group], i: usize) -> Option<(usize, usize)> {
    let first = groups[i];
    let before = scan.before(first.start);
    if is_word(before) || before == b':' && i == 0 && scan.before(first.start - 1).is_ascii_digit() {
        return None;
    }
    let digit = scan.bytes[first.start];
    if before == b'+' {
        let sign = first.start - 1;
        if is_word(scan.before(sign)) || digit == b'0' {
            return None;
        }
        let n = longest(scan, groups, i, 8, 15)?;
        // `+12345678.90` is an amount.
        let amount = n == 2 && first.behind == b'.';
        return (!amount).then(|| (n, opening(scan, groups, i, n, sign)));
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
        && let Some(n) = longest(scan, groups, i, 10, 17)
        && n > 1
    {
        return Some((n, opening(scan, groups, i, n, first.start)));
    }
    north_american(scan, groups, i)
        .or_else(|| national(scan, groups, i))
        .or_else(|| {
            // Anything else only where the text calls it a phone number.
            // The word stands before the run's first digits.
            let n = if i == 0 { longest(scan, groups, i, 7, 15)? } else { return None };
            follows(scan, first.start, 16, &CALL_WORDS).then_some(n)
        })
        .map(|n| (n, opening(scan, groups, i, n, first.start)))
}

/// Where a number that begins at `start` begins: a bracket before it is its own when it closes within.
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
        if digits >= least && !is_word(scan.at(group.end)) {
            best = Some(n + 1);
        }
        if group.behind == 0 {
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
        && part[..2].iter().all(|g| (b'2'..=b'9').contains(&scan.bytes[g.start]) && g.behind != b'/');
    let free = !matches!(part[2].behind, b'.' | b'-' | b'/') && !is_word(scan.at(part[2].end));
    (shaped && free).then_some(country + 3)
}

/// `020 7946 0958`, `06 12 34 56 78`, `030/1234567`: a trunk 0, two or more groups, nine to twelve digits.
fn national(scan: &Scan<'_>, groups: &[Group], i: usize) -> Option<usize> {
    let head = groups[i];
    if scan.bytes[head.start] != b'0' || !(2..=5).contains(&head.len()) || scan.at(head.start + 1) == b'0' {
        return None;
    }
    let n = longest(scan, groups, i, 9, 12)?;
    let part = &groups[i..i + n];
    let lengths: Vec<usize> = part.iter().map(|g| g.len()).collect();
    let dated =
        lengths.starts_with(&[2, 2, 4]) || lengths.starts_with(&[2, 2, 2, 2, 2]) && part[0].behind != b' ';
    let joined = part[..n - 1].iter().all(|g| g.behind != b'.') && lengths[1..].iter().all(|len| *len >= 2);
    (n >= 2 && joined && !dated && part[n - 1].behind != b'.').then_some(n)
}
