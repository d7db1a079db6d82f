//! IBAN (ISO 13616): country, its length, and the check of ISO 7064 mod 97-10.

use super::{Kind, Scan, is_word};

/// Lengths by country, from the registry.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Looks for an IBAN whose check digits begin at `digits`. Reads at most 34 characters and their spacing.
pub(super) fn check(scan: &mut Scan<'_>, digits: usize) {
    if !scan.enabled.has(Kind::Iban) || digits < 2 || !scan.at(digits + 1).is_ascii_digit() {
        return;
    }
    let start = digits - 2;
    let country = [scan.bytes[start].to_ascii_uppercase(), scan.bytes[start + 1].to_ascii_uppercase()];
    // A dash before it makes it part of something longer: a UUID may end like an IBAN.
    if scan.word_before(start) || scan.before(start) == b'-' || !country.iter().all(u8::is_ascii_uppercase) {
        return;
    }
    let Ok(at) = LENGTHS.binary_search_by(|(code, _)| (*code).cmp(&country)) else { return };
    let length = LENGTHS[at].1;
    // Country and check digits, six places as a number, move to the end; letters count from 10.
    let (mut head, mut rest) = (0_u32, 0_u32);
    let (mut n, mut i, mut dashed) = (0, start, false);
    while n < length {
        let digit = match scan.at(i) {
            b @ b'0'..=b'9' => u32::from(b - b'0'),
            b if b.is_ascii_alphabetic() => u32::from(b.to_ascii_uppercase() - b'A') + 10,
            b'\n'
                if n > 0
                    && n % 4 == 0
                    && matches!(scan.before(i), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') =>
            {
                i = scan.run(i + 1, 16, |b| matches!(b, b' ' | b'\t'));
                continue;
            }
            b @ (b' ' | b'-') if n > 0 && n % 4 == 0 && !matches!(scan.before(i), b' ' | b'-') => {
                dashed |= b == b'-';
                i += 1;
                continue;
            }
            _ => return,
        };
        let shift = if digit > 9 { 100 } else { 10 };
        if n < 4 {
            head = head * shift + digit;
        } else {
            rest = (rest * shift + digit) % 97;
        }
        n += 1;
        i += 1;
    }
    // Nor is it one if a further dash and more follow: a UUID may begin like an IBAN, too.
    let goes_on = dashed && scan.at(i) == b'-' && is_word(scan.at(i + 1));
    if (rest * (1_000_000 % 97) + head) % 97 == 1 && !scan.word_at(i) && !goes_on {
        scan.found(Kind::Iban, start..i, "an IBAN with its check digits");
    }
}
