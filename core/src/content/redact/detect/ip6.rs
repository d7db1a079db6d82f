//! IPv6 addresses: runs of hex digits, colons and dots that the standard library reads as one.

use std::net::Ipv6Addr;

use super::{Kind, Scan};

/// Longest textual form, with an embedded IPv4 address.
const LONGEST: usize = 45;

fn is_part(b: u8) -> bool {
    b.is_ascii_hexdigit() || matches!(b, b':' | b'.')
}

pub(super) fn scan(text: &str, scan: &mut Scan<'_>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for colon in memchr::memchr_iter(b':', bytes) {
        if colon < done {
            continue;
        }
        // Four hex digits at most stand before an address's first colon; more of them are no address.
        let start =
            (colon.saturating_sub(5)..colon).rev().take_while(|&i| is_part(bytes[i])).last().unwrap_or(colon);
        let end = scan.run(colon, usize::MAX, is_part);
        done = end;
        let mut run = &text[start..end];
        let mut from = start;
        // The colon of `ip:` and the punctuation of a sentence are not the address's.
        while run.starts_with('.') || (run.starts_with(':') && !run.starts_with("::")) {
            run = &run[1..];
            from += 1;
        }
        while run.ends_with('.') || (run.ends_with(':') && !run.ends_with("::")) {
            run = &run[..run.len() - 1];
        }
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let until = from + run.len();
        let joined = letter(scan.at(until)) || from == start && letter(scan.before(start));
        // `std::fmt` and `a::b` are paths; an address has a digit somewhere.
        let digit = run.bytes().any(|b| b.is_ascii_digit());
        if !joined && digit && run.len() <= LONGEST && run.parse::<Ipv6Addr>().is_ok() {
            scan.found(Kind::Ip, from..until);
        }
    }
}
