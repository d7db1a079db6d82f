//! Numbers that look like a card's or a phone's and are none: constants, columns of tables, powers of two, digits that
//! count up or down.
//!
//! Every look is bounded: at most `LIST` bytes to either side.

use super::digits::{Group, is_card_number};
use super::{Scan, is_word};

/// How far a list of numbers is looked at, to either side.
const LIST: usize = 96;
/// A number with so many zeros at its end is a round number, and nobody's account.
const ROUND: usize = 8;

/// Whether nobody has this card number, though its check digit may be right: a round number, or digits that count up or
/// down.
pub(super) fn is_made_up(number: &[u8]) -> bool {
    // So many triples of neighbouring digits must count up or down: `2345 3456 4567 5678` has two in each group.
    const COUNTING: usize = 8;
    let round = number.iter().rev().take_while(|d| **d == 0).count() >= ROUND;
    let step = |pair: &[u8]| (pair[1] + 10 - pair[0]) % 10;
    let counting = number
        .windows(3)
        .filter(|three| matches!(step(&three[..2]), 1 | 9) && step(&three[..2]) == step(&three[1..]))
        .count();
    round || counting >= COUNTING
}

/// Whether digits behind a plus are a quantity: a power of two and its neighbours, or a round number.
pub(super) fn is_quantity(digits: &[u8]) -> bool {
    let round = digits.iter().rev().take_while(|b| **b == b'0').count() >= ROUND;
    let value = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
    round || value.is_some_and(|n| [n.saturating_sub(1), n, n + 1].iter().any(|n| n.is_power_of_two()))
}

/// Whether groups behind `00` are numbers padded with zeros: `003200 000018 18`, `0031 2044 0034`.
pub(super) fn is_padded(scan: &Scan<'_>, part: &[Group]) -> bool {
    let even = part.iter().all(|g| g.len() == 4);
    part[1..].iter().any(|g| {
        let digits = &scan.bytes[g.start..g.end];
        g.len() >= 5 && digits.starts_with(b"000") || even && digits.starts_with(b"00")
    })
}

/// Whether a minus sign stands directly before the number at `start`, and before that a blank, a bracket, `=` or `,`.
pub(super) fn is_negative(scan: &Scan<'_>, start: usize) -> bool {
    scan.before(start) == b'-' && matches!(scan.before(start - 1), b' ' | b'(' | b'=' | b',' | b'[')
}

/// Whether a number without separators, longer than most cards, stands where code and devices have such long numbers:
/// in a list of code or beside a comparison (64-bit hashes and powers), or joined to a name (serial numbers).
pub(super) fn is_table(scan: &Scan<'_>, part: &[Group]) -> bool {
    let [one] = part else { return false };
    if one.len() == 19 && scan.bytes[one.start] == b'4' {
        let compared =
            one.start >= 3 && matches!(scan.bytes[one.start - 3..one.start], [b' ', b'<' | b'>', b' ']);
        return scan.at(one.end) == b',' || matches!(scan.before(one.start), b'(' | b'[') || compared;
    }
    one.len() > 16 && scan.before(one.start) == b'-' && is_word(scan.before(one.start - 1))
}

/// What the list of a number holds on one side of it.
#[derive(Default)]
struct Side {
    /// Whether there is a number of similar length that is no card's.
    other: bool,
    /// Whether there is a number of 20 digits: a 64-bit integer.
    wide: bool,
    /// The list's next number is on another line.
    lines: bool,
}

impl Side {
    fn take(&mut self, number: &[u8]) {
        self.other |= (12..=20).contains(&number.len()) && !is_card(number);
        self.wide |= number.len() == 20;
    }
}

fn is_card(number: &[u8]) -> bool {
    std::str::from_utf8(number).is_ok_and(is_card_number)
}

/// Whether a number stands among numbers that are no cards: a constant in a list, a value in a column, a word of a
/// dump whose words have a number sign.
pub(super) fn among_numbers(scan: &Scan<'_>, group: Group) -> bool {
    let (before, behind) = (listed_before(scan, group.start), listed_behind(scan, group.end));
    before.other && (behind.other || before.lines)
        || behind.other && behind.lines
        || before.wide
        || behind.wide
        || in_column(scan, group)
        || in_words(scan, group)
}

/// The numbers before `at` in its list, commas and white space between.
fn listed_before(scan: &Scan<'_>, at: usize) -> Side {
    let low = at.saturating_sub(LIST);
    let mut side = Side::default();
    let (mut at, mut first) = (at, true);
    loop {
        let back = |at: usize, of: fn(&u8) -> bool| {
            at - scan.bytes[low..at].iter().rev().take_while(|b| of(b)).count()
        };
        let end = back(at, u8::is_ascii_whitespace);
        if end == at || end == low || scan.bytes[end - 1] != b',' {
            return side;
        }
        let start = back(end - 1, u8::is_ascii_digit);
        if start == end - 1 || start == low && low > 0 {
            return side;
        }
        side.lines |= first && scan.bytes[end..at].contains(&b'\n');
        side.take(&scan.bytes[start..end - 1]);
        (at, first) = (start, false);
    }
}

/// The numbers behind `at` in its list.
fn listed_behind(scan: &Scan<'_>, at: usize) -> Side {
    let most = at + LIST;
    let mut side = Side::default();
    let (mut at, mut first) = (at, true);
    while scan.at(at) == b',' {
        let start = scan.run(at + 1, most.saturating_sub(at), |b| b.is_ascii_whitespace());
        let end = scan.run(start, 21, |b| b.is_ascii_digit());
        if start == at + 1 || end == start || end > most {
            break;
        }
        side.lines |= first && scan.bytes[at..start].contains(&b'\n');
        side.take(&scan.bytes[start..end]);
        (at, first) = (end, false);
    }
    side
}

/// Whether a number of the same length that is no card's stands beside it, two or more blanks away.
fn in_column(scan: &Scan<'_>, group: Group) -> bool {
    let (low, long) = (group.start.saturating_sub(LIST), group.len());
    let before = &scan.bytes[low..group.start];
    let gap = before.iter().rev().take_while(|b| **b == b' ').count();
    let before = &before[..before.len() - gap];
    let digits = before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let left = gap >= 2 && digits == long && !is_card(&before[before.len() - digits..]);
    let from = scan.run(group.end, LIST, |b| b == b' ');
    let to = scan.run(from, 21, |b| b.is_ascii_digit());
    left || from >= group.end + 2 && to - from == long && !is_card(&scan.bytes[from..to])
}

/// Whether the number has a number sign, and so has, near it, a word in hex exactly as long: `#2238000000000059`
/// beside `#a2380000000003d0`.
fn in_words(scan: &Scan<'_>, group: Group) -> bool {
    let long = group.len();
    let word = |text: &[u8]| {
        text.first() == Some(&b'#')
            && text.get(1..=long).is_some_and(|w| w.iter().all(u8::is_ascii_hexdigit) && !is_card(w))
            && !text.get(long + 1).is_some_and(u8::is_ascii_alphanumeric)
    };
    scan.before(group.start) == b'#' && {
        let near = scan.bytes.len().min(group.end + LIST);
        let low = group.start.saturating_sub(LIST);
        (low..group.start - 1).chain(group.end..near).any(|i| word(&scan.bytes[i..near]))
    }
}
