//! Bytes looked at many at a time: searched eight at once, in a word, and compared.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Sets the high bit of each byte of `word` that is less than `bound` (at most 128). Only the lowest bit that is set is
/// reliable; bits above it may be set wrongly.
#[inline]
pub(crate) fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHS
}

/// Likewise, of each byte that is `byte`.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// Whether two texts are the same. A call to compare memory takes longer than these do, and most texts that are compared for
/// every event, names and what rules ask for, are short.
#[inline(always)]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        8..=16 => ends::<8>(a) == ends::<8>(b),
        4..8 => ends::<4>(a) == ends::<4>(b),
        17..=32 => ends::<16>(a) == ends::<16>(b),
        33..=64 => ends::<32>(a) == ends::<32>(b),
        0..4 => a.iter().zip(b).all(|(a, b)| a == b),
        65.. => same_long(a, b),
    }
}

#[inline(never)]
fn same_long(a: &[u8], b: &[u8]) -> bool {
    let (chunks, others) = (a.as_chunks::<32>().0, b.as_chunks::<32>().0);
    // The last bytes, together with some before them that are compared twice.
    if a.len() > 256 { a == b } else { chunks.iter().eq(others) && a.last_chunk::<32>() == b.last_chunk() }
}

/// The first and the last bytes of a text, which are all of one that is at most twice as long.
#[inline(always)]
fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    Some((text.first_chunk()?, text.last_chunk()?))
}

/// Whether a text begins with another.
#[inline(always)]
pub(crate) fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|head| same(head, with))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Of every length that is compared in a way of its own, and beyond; with one byte that differs, wherever it is.
        #[test]
        fn texts_are_the_same_that_have_the_same_bytes(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..70),
                proptest::collection::vec(any::<u8>(), 0..300),
            ],
            at in any::<proptest::sample::Index>(),
            more in proptest::collection::vec(any::<u8>(), 0..3),
        ) {
            prop_assert!(same(&text, &text.clone()) && begins(&text, &text));
            if !text.is_empty() {
                let mut other = text.clone();
                other[at.index(text.len())] ^= 1;
                prop_assert!(!same(&text, &other) && !begins(&text, &other));
            }
            let longer = [text.as_slice(), &more].concat();
            prop_assert_eq!(same(&text, &longer), more.is_empty());
            prop_assert!(begins(&longer, &text));
            prop_assert_eq!(begins(&text, &longer), more.is_empty());
        }
    }
}
