//! Hexadecimal digits, written and read: lower-case only, as everything that is sealed has one spelling.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The digits of every byte, side by side: each envelope has a hundred and more.
const PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The two digits of a byte.
pub(crate) const fn pair(byte: u8) -> [u8; 2] {
    PAIRS[byte as usize]
}

/// Appends the digits of `bytes`.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(2 * bytes.len());
    for piece in bytes.chunks(32) {
        let mut digits = [[0; 2]; 32];
        digits.iter_mut().zip(piece).for_each(|(digits, byte)| *digits = pair(*byte));
        out.extend_from_slice(&digits.as_flattened()[..2 * piece.len()]);
    }
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
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
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
