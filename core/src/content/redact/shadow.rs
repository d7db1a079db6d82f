//! A shadow of the text, as a person reads it: full-width and other digits become ASCII, look-alike letters become the
//! Latin ones that they look like, characters without width are left out, and the escapes of URLs (`%3D`) and of strings
//! (`\u003d`, `\x3d`) are decoded.
//!
//! Guarantees: every offset of the shadow maps to a character boundary of the text, in the same order, and a
//! span always takes along the joiners and accents that hang on to its last character. ASCII text is its own
//! shadow and costs nothing.

use std::borrow::Cow;
use std::ops::Range;

/// A text as a person reads it, and where each of its characters stands in the original.
pub(super) struct Shadow<'a> {
    text: Cow<'a, str>,
    source: &'a [u8],
    /// For each byte of the shadow, and its end, where its character begins in the text.
    map: Option<Vec<u32>>,
}

impl<'a> Shadow<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        // Offsets are 32 bits wide, far more than any text that fits into an envelope needs.
        let plain = text.is_ascii()
            && !memchr::memchr2_iter(b'%', b'\\', text.as_bytes()).any(|at| match text.as_bytes()[at] {
                b'%' => escaped(&text[at..]).is_some(),
                _ => spelled(&text[at + 1..]).is_some(),
            });
        if plain || u32::try_from(text.len()).is_err() {
            return Self { text: Cow::Borrowed(text), source: text.as_bytes(), map: None };
        }
        let mut folded = String::with_capacity(text.len());
        let mut map = Vec::with_capacity(text.len() + 1);
        let mut until = 0;
        for (at, c) in text.char_indices() {
            if at < until {
                continue;
            }
            let c = match c {
                '%' => escaped(&text[at..]).map_or(c, |(c, n)| {
                    until = at + n;
                    c
                }),
                '\\' => {
                    // Strings within strings have more of them.
                    let slashes = text[at..].bytes().take_while(|b| *b == b'\\').count();
                    let spelled = spelled(&text[at + slashes..]);
                    // Those before a quote say within how many strings it stands, as they do where it is written plainly;
                    // with the end of a line likewise.
                    let plainly = |c| matches!(c, '"' | '\'' | '`' | '\\' | '\n' | '\r' | '\t');
                    let kept = spelled.is_none_or(|(c, _)| plainly(c));
                    if kept {
                        for slash in at..at + slashes {
                            #[allow(clippy::cast_possible_truncation, reason = "checked above")]
                            map.push(slash as u32);
                            folded.push(c);
                        }
                    }
                    until = at + slashes;
                    let Some((c, n)) = spelled else { continue };
                    let from = if kept { until } else { at };
                    until += n;
                    let c = match c {
                        '\n' => 'n',
                        '\r' => 'r',
                        '\t' => 't',
                        c => c,
                    };
                    if let Some(c) = fold(c) {
                        #[allow(clippy::cast_possible_truncation, reason = "checked above")]
                        map.resize(map.len() + c.len_utf8(), from as u32);
                        folded.push(c);
                    }
                    continue;
                }
                c => c,
            };
            if let Some(c) = fold(c) {
                #[allow(clippy::cast_possible_truncation, reason = "checked above")]
                map.resize(map.len() + c.len_utf8(), at as u32);
                folded.push(c);
            }
        }
        #[allow(clippy::cast_possible_truncation, reason = "checked above")]
        map.push(text.len() as u32);
        Self { text: Cow::Owned(folded), source: text.as_bytes(), map: Some(map) }
    }

    /// Whether the text is its own shadow.
    pub(super) fn is_plain(&self) -> bool {
        self.map.is_none()
    }

    /// Whether the byte of the shadow stands for a character beyond ASCII.
    pub(super) fn folded(&self, i: usize) -> bool {
        let Some(at) = self.map.as_ref().and_then(|map| map.get(i)) else { return false };
        let at = *at as usize;
        let byte = self.source.get(at).copied().unwrap_or(0);
        // An escape of a byte beyond ASCII begins with 8 to F.
        let beyond = || self.decoded(i) && self.source.get(at + 1).is_some_and(|b| *b >= b'8');
        !byte.is_ascii() || byte == b'%' && beyond()
    }

    /// Whether the byte of the shadow stands for an escape of a URL.
    pub(super) fn decoded(&self, i: usize) -> bool {
        let Some(map) = &self.map else { return false };
        map.get(i).is_some_and(|at| self.source.get(*at as usize) == Some(&b'%'))
            && self.text.as_bytes().get(i) != Some(&b'%')
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The span of the text that a span of the shadow stands for.
    pub(super) fn original(&self, span: Range<usize>) -> Range<usize> {
        match &self.map {
            None => span,
            // An end within a character would map to that character's start: detectors end on boundaries.
            Some(map) => map[span.start] as usize..map[span.end] as usize,
        }
    }
}

/// The character that a URL's escapes at the start of `text` stand for, and how long they are; `None` if they are no
/// UTF-8 text.
fn escaped(text: &str) -> Option<(char, usize)> {
    let byte = |i: usize| {
        let hex = text.as_bytes().get(3 * i..3 * i + 3).filter(|hex| hex[0] == b'%')?;
        let digit = |b: u8| char::from(b).to_digit(16);
        u8::try_from(digit(hex[1])? * 16 + digit(hex[2])?).ok()
    };
    let first = byte(0)?;
    let n = match first {
        b'\t' | b'\n' | b'\r' | 0x20..=0x24 | 0x26..=0x7E => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let bytes = (0..n).map(byte).collect::<Option<Vec<u8>>>()?;
    let c = std::str::from_utf8(&bytes).ok()?.chars().next()?;
    Some((c, 3 * n))
}

/// The character that is spelled by its number at the start of `text`, behind the backslashes of its escape, and how long that
/// is: `u003d` as JSON and most languages have it, `x3d` as some and logs do. Of control characters only the ends of lines and
/// tabs are read.
fn spelled(text: &str) -> Option<(char, usize)> {
    let readable = |c: &char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let unit = |at: usize, mark: u8, digits: usize| {
        let hex = text.as_bytes().get(at..=at + digits).filter(|hex| hex[0] == mark)?;
        hex[1..].iter().try_fold(0, |n, b| Some(n * 16 + char::from(*b).to_digit(16)?))
    };
    if let Some(code) = unit(0, b'x', 2) {
        return char::from_u32(code).filter(char::is_ascii).filter(readable).map(|c| (c, 3));
    }
    let first = unit(0, b'u', 4)?;
    if let 0xD800..=0xDBFF = first {
        // The second half has as many backslashes as the first.
        let slashes = text.as_bytes()[5..].iter().take_while(|b| **b == b'\\').count();
        let second = unit(5 + slashes, b'u', 4).filter(|unit| (0xDC00..=0xDFFF).contains(unit))?;
        let c = char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
        return Some((c, 10 + slashes));
    }
    char::from_u32(first).filter(readable).map(|c| (c, 5))
}

/// Zeroes of the digit blocks beyond ASCII that people type.
const ZEROES: [u32; 36] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0x2080, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xAA50, 0xABF0, 0x104A0,
];

fn ascii(byte: u32) -> Option<char> {
    char::from_u32(byte)
}

/// The character a person reads; `None` for what has no width of its own.
fn fold(c: char) -> Option<char> {
    let code = c as u32;
    if code < 0x80 {
        return Some(c);
    }
    match code {
        // No width: soft hyphen, joiners, marks of direction, variation selectors, tags, combining marks.
        0x00AD
        | 0x034F
        | 0x061C
        | 0x115F
        | 0x1160
        | 0x17B4
        | 0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0xFFA0
        | 0xFFF9..=0xFFFB
        | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF
        | 0x0300..=0x036F
        | 0x0483..=0x0489
        | 0x20D0..=0x20FF
        | 0xFE20..=0xFE2F => None,
        0x00A0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(' '),
        0x0085 | 0x2028 | 0x2029 => Some('\n'),
        0x2010..=0x2015 | 0x2043 | 0x2212 | 0xFE58 | 0xFE63 => Some('-'),
        0x2018..=0x201B => Some('\''),
        0x201C..=0x201F | 0x00AB | 0x00BB => Some('"'),
        0x2024 | 0x3002 | 0xFE52 | 0xFF61 => Some('.'),
        0x3001 | 0xFF64 => Some(','),
        0x2236 | 0xA789 | 0xFE55 => Some(':'),
        0xFE6B => Some('@'),
        0xFF01..=0xFF5E => ascii(code - 0xFEE0),
        // Superscripts, circled digits and letters, mathematical alphabets and digits.
        0x00B9 => Some('1'),
        0x00B2 | 0x00B3 => ascii(code - 0x00B2 + u32::from(b'2')),
        0x2070 => Some('0'),
        0x2074..=0x2079 => ascii(code - 0x2070 + u32::from(b'0')),
        0x2460..=0x2468 => ascii(code - 0x2460 + u32::from(b'1')),
        0x24EA => Some('0'),
        0x24B6..=0x24CF => ascii(code - 0x24B6 + u32::from(b'A')),
        0x24D0..=0x24E9 => ascii(code - 0x24D0 + u32::from(b'a')),
        0x1D400..=0x1D6A3 => {
            let letter = (code - 0x1D400) % 52;
            ascii(if letter < 26 { letter + u32::from(b'A') } else { letter - 26 + u32::from(b'a') })
        }
        0x1D7CE..=0x1D7FF => ascii((code - 0x1D7CE) % 10 + u32::from(b'0')),
        0x1FBF0..=0x1FBF9 => ascii(code - 0x1FBF0 + u32::from(b'0')),
        0x0100..=0x05FF => Some(look_alike(c)),
        _ => Some(
            ZEROES
                .iter()
                .find(|zero| (**zero..**zero + 10).contains(&code))
                .and_then(|zero| ascii(code - zero + u32::from(b'0')))
                .unwrap_or(c),
        ),
    }
}

/// Letters of other scripts, and odd Latin ones, that pass for a Latin letter.
fn look_alike(c: char) -> char {
    match c {
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'С' => 'C',
        'Е' | 'Ε' => 'E',
        'Н' | 'Η' => 'H',
        'І' | 'Ι' => 'I',
        'Ј' => 'J',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'Ν' => 'N',
        'О' | 'Ο' | 'Օ' => 'O',
        'Р' | 'Ρ' => 'P',
        'Ѕ' => 'S',
        'Т' | 'Τ' => 'T',
        'Х' | 'Χ' => 'X',
        'У' | 'Υ' => 'Y',
        'Ζ' => 'Z',
        'а' | 'α' | 'ɑ' => 'a',
        'с' => 'c',
        'ԁ' => 'd',
        'е' => 'e',
        'ɡ' => 'g',
        'һ' => 'h',
        'і' | 'ι' | 'ı' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' => 'l',
        'о' | 'ο' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' => 'w',
        'х' => 'x',
        'у' => 'y',
        _ => c,
    }
}
