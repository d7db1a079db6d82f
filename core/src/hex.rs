//! Hexadecimal digits, written and read: lower-case only, as everything that is sealed has one spelling.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The two digits of a byte.
pub(crate) const fn pair(byte: u8) -> [u8; 2] {
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}

/// Appends the digits of `bytes`.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let at = out.len();
    out.resize(at + 2 * bytes.len(), 0);
    for (digits, byte) in out[at..].chunks_exact_mut(2).zip(bytes) {
        digits.copy_from_slice(&pair(*byte));
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
