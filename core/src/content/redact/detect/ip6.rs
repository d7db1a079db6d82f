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
        let start = (colon.saturating_sub(5)..colon)
            .rev()
            .take_while(|&i| is_part(bytes[i]) && !scan.shadow.folded(i))
            .last()
            .unwrap_or(colon);
        let end = scan.run(colon, usize::MAX, is_part);
        done = end;
        let mut run = &text[start..end];
        let mut from = start;
        // The colon of `ip:` and the punctuation of a sentence are not the address's.
        while run.starts_with('.')
            || run.starts_with(":::")
            || (run.starts_with(':') && !run.starts_with("::"))
        {
            run = &run[1..];
            from += 1;
        }
        while run.ends_with('.') || (run.ends_with(':') && !run.ends_with("::")) {
            run = &run[..run.len() - 1];
        }
        let until = from + run.len();
        let joined = scan.word_at(until) || from == start && scan.word_before(start);
        if !joined && run.len() <= LONGEST && is_address(run) && !is_slice(scan, from) {
            scan.found(Kind::Ip, from..until, "an IPv6 address");
        }
    }
}

/// Whether a run that could be an IPv6 address is one. `std::fmt`, `f64::add` and `a::b` are paths of code, `::2` is a
/// slice's step, and eight pairs of digits are a hardware address. Therefore an address with `::` counts only if it
/// begins like addresses that are in use.
fn is_address(run: &str) -> bool {
    if run.parse::<Ipv6Addr>().is_err() || !run.bytes().any(|b| b.is_ascii_digit()) {
        return false;
    }
    // With an IPv4 address at its end, it is an IPv6 address as a whole.
    if run.contains('.') {
        return true;
    }
    let groups = run.split(':').filter(|group| !group.is_empty());
    if run.starts_with("::") {
        return groups.clone().count() > 1 || run == "::1";
    }
    let first = run.split(':').next().unwrap_or_default();
    if run.contains("::") {
        let given = first.len() == 4 && matches!(first.as_bytes()[0], b'2' | b'3' | b'f' | b'F');
        return given
            || first == "100"
            || run.starts_with("64:ff9b:")
            || first == "0" && groups.clone().count() > 1;
    }
    groups.clone().any(|group| group.len() != 2)
}

/// Whether it stands in the index of something, as in `a[1::2]`. The bracket of an address stands alone or behind `//`.
fn is_slice(scan: &Scan<'_>, from: usize) -> bool {
    let indexed = |at: usize| scan.word_before(at) || matches!(scan.before(at), b']' | b')');
    scan.before(from) == b'[' && indexed(from - 1)
}
