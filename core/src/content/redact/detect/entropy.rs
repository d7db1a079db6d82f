//! Secrets that nothing announces: long tokens of high entropy that mix cases and digits as no name does.
//!
//! Hex digests, UUIDs, identifiers in camel case, paths and integrity hashes are none; what is longer than a
//! token is data.

use super::{Kind, Scan};

const SHORTEST: usize = 24;
const LONGEST: usize = 200;

/// Class of a token's byte: 0 none, 1 lower, 2 upper, 3 digit, 4 other token characters.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let b = i as u8;
        table[i] = match b {
            b'a'..=b'z' => 1,
            b'A'..=b'Z' => 2,
            b'0'..=b'9' => 3,
            b'+' | b'/' | b'_' | b'=' | b'-' => 4,
            _ => 0,
        };
        i += 1;
    }
    table
};

pub(super) fn scan(scan: &mut Scan<'_>) {
    let mut at = 0;
    while at < scan.bytes.len() {
        let Some(start) = (at..scan.bytes.len()).find(|&i| CLASS[usize::from(scan.bytes[i])] != 0) else {
            break;
        };
        let end = scan.run(start, usize::MAX, |b| CLASS[usize::from(b)] != 0);
        at = end + 1;
        if end - start < SHORTEST {
            continue;
        }
        // `key=TOKEN`: an equals sign separates, unless it pads.
        let mut from = start;
        for segment in scan.bytes[start..end].split(|b| *b == b'=') {
            let span = from..from + segment.len();
            from = span.end + 1;
            if is_random(segment) {
                let padded = scan.run(span.end, 2, |b| b == b'=');
                let until = if padded == end { padded } else { span.end };
                scan.found(Kind::Secrets, span.start..until);
            }
        }
    }
}

fn is_random(token: &[u8]) -> bool {
    if !(SHORTEST..=LONGEST).contains(&token.len()) || token.starts_with(b"sha") {
        return false;
    }
    let mut counts = [0_u32; 256];
    let mut classes = [0_usize; 5];
    let (mut last, mut changes) = (0, 0);
    for &b in token {
        counts[usize::from(b)] += 1;
        let class = CLASS[usize::from(b)];
        classes[usize::from(class)] += 1;
        if class != 4 {
            changes += usize::from(last != 0 && class != last);
            last = class;
        }
    }
    let mixed = classes[1] >= 2 && classes[2] >= 2 && classes[3] >= 1;
    if !mixed || changes * 100 < token.len() * 42 || classes[4] * 6 > token.len() {
        return false;
    }
    #[allow(clippy::cast_precision_loss, reason = "lengths up to 200")]
    let n = token.len() as f64;
    let entropy: f64 =
        counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / n).map(|p| -p * p.log2()).sum();
    entropy >= 3.9
}
