//! The kinds of values, which encoder, decoder and docs/spec/stream.md have in common.

/// What kind of value stands in a place of a schema. The number is the byte that marks the place in the skeleton.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::sinks::stream) enum Kind {
    /// The inside of a JSON string, or a part of it, as it is written.
    Text = 1,
    /// A JSON number that is a mantissa and a scale.
    Number = 2,
    /// Any JSON value, as it is written.
    Json = 3,
    /// `true` or `false`.
    Bool = 4,
    /// The event's time, to which others of it refer.
    EventTime = 5,
    /// Another time.
    Time = 6,
    /// A UUID, in small letters.
    Uuid = 7,
    /// Hexadecimal digits, in small letters; the number of bytes follows in the skeleton.
    Hex = 8,
    /// Standard base64; the number of bytes follows in the skeleton.
    Base64 = 9,
    /// The UUID of the stream.
    Stream = 10,
    /// The hash of the envelope before.
    Previous = 11,
    /// The number in the stream.
    Sequence = 12,
}

/// Bytes of a skeleton up to this one are marks.
pub(super) const LAST_MARK: u8 = 0x1F;

impl Kind {
    #[cfg(any(test, feature = "intake"))]
    const ALL: [Self; 12] = [
        Self::Text,
        Self::Number,
        Self::Json,
        Self::Bool,
        Self::EventTime,
        Self::Time,
        Self::Uuid,
        Self::Hex,
        Self::Base64,
        Self::Stream,
        Self::Previous,
        Self::Sequence,
    ];

    #[cfg(any(test, feature = "intake"))]
    pub(super) fn of_mark(mark: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == mark)
    }

    #[cfg(any(test, feature = "intake"))]
    /// Whether a number of bytes follows the mark.
    pub(super) fn has_length(self) -> bool {
        matches!(self, Self::Hex | Self::Base64)
    }

    /// Whether every value is sent, so that the place has no bit that says whether it varies.
    pub(super) fn always_sent(self) -> bool {
        self == Self::Base64
    }
}

/// Codes of texts and JSON: the same as last in this place.
pub(super) const SAME: u64 = 0;
/// A text that is not kept.
pub(super) const ONCE: u64 = 1;
/// A text that becomes the newest entry of the column.
pub(super) const ENTRY: u64 = 2;
/// From here on: an entry of the column, counted from the newest.
pub(super) const TEXT_BACK: u64 = 3;

/// Codes of ids and digests: one not seen lately. Of ids it is a UUIDv7 with random bits.
pub(super) const NEW: u64 = 1;
/// From here on: one seen before, counted from the newest.
pub(super) const HEX_BACK: u64 = 2;
/// A UUID that is no version 7: its 16 bytes.
pub(super) const PLAIN: u64 = 2;
/// A UUIDv7 of which the random bits are near those of the last of the column's chain, of which it is the last then.
pub(super) const NEAR: u64 = 3;
/// One of which they are near those of the newest that was sent with random bits: the column's chain is that from then on.
pub(super) const CHAIN: u64 = 4;
/// From here on: one seen before, counted from the newest.
pub(super) const UUID_BACK: u64 = 5;

/// Codes of a place's own dictionary of numbers.
pub(super) const NUMBER_BACK: u64 = 2;
/// How many entries that dictionary has at most.
pub(super) const MOST_NUMBERS: usize = 256;
/// How far back ids and digests can be referred to.
pub(super) const FARTHEST: usize = 16 * 1024;

/// How the numbers of a place are sent in one batch: by the dictionary of the place.
pub(super) const BY_ENTRY: u8 = 0;
/// As they are.
pub(super) const BY_VALUE: u8 = 1;
/// As differences to the one before.
pub(super) const BY_DIFFERENCE: u8 = 2;
/// Set if their scales are listed.
pub(super) const SCALES: u8 = 0x10;

/// A batch begins with this set in its first byte if all state was emptied before it.
pub(super) const RESET: u8 = 1;

/// How the random bits of a UUIDv7 are packed: `rand_a` over `rand_b`.
pub(super) const V7_BITS: u8 = 74;

/// The milliseconds and the random bits of a UUIDv7; `None` if it is none.
pub(super) fn v7_parts(uuid: &[u8; 16]) -> Option<(i64, u128)> {
    let all = u128::from_be_bytes(*uuid);
    if (all >> 76) & 0xF != 7 || (all >> 62) & 3 != 2 {
        return None;
    }
    let random = ((all >> 64) & 0xFFF) << 62 | all & ((1 << 62) - 1);
    Some((i64::try_from(all >> 80).ok()?, random))
}

#[cfg(any(test, feature = "intake"))]
/// The UUIDv7 of these parts; `None` if the time is none that it can have.
pub(super) fn v7(millis: i64, random: u128) -> Option<[u8; 16]> {
    let millis = u128::try_from(millis).ok().filter(|millis| millis >> 48 == 0)?;
    let random = random & ((1 << V7_BITS) - 1);
    let all = millis << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & ((1 << 62) - 1);
    Some(all.to_be_bytes())
}

/// A number as it is written: digits, and how many of them stand behind the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::sinks::stream) struct Decimal {
    pub(in crate::sinks::stream) mantissa: i64,
    pub(in crate::sinks::stream) scale: u8,
}

impl Decimal {
    /// Most digits, so that every mantissa and every difference of two is an `i64`.
    const DIGITS: usize = 18;

    /// `None` if writing it again would not give the same text.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let point = digits.iter().position(|&b| b == b'.');
        let whole = point.unwrap_or(digits.len());
        let count = digits.len() - usize::from(point.is_some());
        let leading_zero = digits.first() == Some(&b'0') && whole > 1;
        if whole == 0 || count > Self::DIGITS || leading_zero || point == Some(digits.len() - 1) {
            return None;
        }
        let mut mantissa = 0_i64;
        for (at, &byte) in digits.iter().enumerate() {
            if Some(at) == point {
                continue;
            }
            if !byte.is_ascii_digit() {
                return None;
            }
            mantissa = mantissa * 10 + i64::from(byte - b'0');
        }
        if text.len() != digits.len() {
            // A mantissa has no −0.
            mantissa = Some(-mantissa).filter(|&mantissa| mantissa != 0)?;
        }
        Some(Self { mantissa, scale: (digits.len() - whole).saturating_sub(1) as u8 })
    }

    #[cfg(any(test, feature = "intake"))]
    /// Writes it.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        if self.mantissa < 0 {
            out.push(b'-');
        }
        let digits = self.mantissa.unsigned_abs();
        let scale = usize::from(self.scale);
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(digits).as_bytes();
        if scale == 0 {
            out.extend_from_slice(text);
            return;
        }
        if text.len() > scale {
            out.extend_from_slice(&text[..text.len() - scale]);
            out.push(b'.');
            out.extend_from_slice(&text[text.len() - scale..]);
        } else {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + scale - text.len(), b'0');
            out.extend_from_slice(text);
        }
    }
}
