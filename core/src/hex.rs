//! Hexadecimal digits, written and read: lower-case only, as everything that is sealed has one spelling.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The digits of every byte, side by side.
const PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// What no digit stands for.
const NONE: u8 = 0xFF;

/// What each character stands for.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The two digits of a byte.
pub(crate) const fn pair(byte: u8) -> [u8; 2] {
    PAIRS[byte as usize]
}

/// Appends the digits of `bytes`.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(2 * bytes.len());
    let (hashes, rest) = bytes.as_chunks::<32>();
    hashes.iter().for_each(|hash| out.extend_from_slice(&of_hash(hash)));
    rest.iter().for_each(|byte| out.extend_from_slice(&pair(*byte)));
}

/// The digits of a hash: each envelope has three or four. Written so that the compiler takes many bytes at once.
pub(crate) fn of_hash(hash: &[u8; 32]) -> [u8; 64] {
    let digit = |half: u8| half + b'0' + if half > 9 { b'a' - b'0' - 10 } else { 0 };
    let (mut high, mut low) = ([0; 32], [0; 32]);
    for i in 0..32 {
        high[i] = digit(hash[i] >> 4);
        low[i] = digit(hash[i] & 15);
    }
    let mut digits = [0; 64];
    for i in 0..32 {
        digits[2 * i] = high[i];
        digits[2 * i + 1] = low[i];
    }
    digits
}

/// The digits of `bytes`.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| pair(*byte)).map(char::from).collect()
}

/// Whether these are lower-case digits and nothing else.
pub(crate) fn is_digits(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The `N` bytes that exactly `2 * N` digits stand for.
pub(crate) fn read<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let (mut out, mut found) = ([0; N], 0);
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        found |= high | low;
        *byte = high << 4 | low;
    }
    // One that is none would have set every bit.
    (found != NONE).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut digits = Vec::from("0x");
        push(&mut digits, &bytes);
        assert_eq!(&digits[2..], text(&bytes).as_bytes());
        assert!(digits.starts_with(b"0x000102") && digits.ends_with(b"feff"));
        assert_eq!(read::<256>(&digits[2..]).unwrap().as_slice(), bytes);
    }

    #[test]
    fn only_so_many_lower_case_digits_are_read() {
        assert_eq!(read(b"0a"), Some([10]));
        for wrong in ["0A", "0g", "0", "000", "", "+1", " 1"] {
            assert_eq!(read::<1>(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert!(is_digits(b"09af") && !is_digits(b"0F"));
    }
}
