//! Numbers on the wire: varints, zigzag, and bits that no compressor can shrink.
//!
//! Guarantees: reading never panics, whatever the bytes; what does not fit is an error.

#[cfg(any(test, feature = "intake"))]
use super::Defect;

/// Appends a varint, seven bits a byte, the lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers for small differences of either sign.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(any(test, feature = "intake"))]
/// The number of which this is the zigzag form.
pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// How many bits a number has: its class. The topmost is always 1, so only those below it are written.
pub(super) const fn class(value: u64) -> u8 {
    (u64::BITS - value.leading_zeros()) as u8
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the `count` lowest bits of `value`.
    pub(super) fn put(&mut self, value: u128, count: u8) {
        let (mut value, mut left) = (value, u32::from(count));
        while left > 0 {
            let now = left.min(32);
            let mask = (1_u64 << now) - 1;
            self.held |= ((value as u64) & mask) << self.count;
            self.count += now;
            while self.count >= 8 {
                self.bytes.push(self.held as u8);
                self.held >>= 8;
                self.count -= 8;
            }
            value >>= now;
            left -= now;
        }
    }

    /// Appends what a number has below its topmost bit.
    pub(super) fn put_rest(&mut self, value: u64) {
        self.put(value.into(), class(value).saturating_sub(1));
    }

    /// The bytes so far, the last one filled with zeros; the writer begins again.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.held as u8);
        }
        (self.held, self.count) = (0, 0);
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(any(test, feature = "intake"))]
/// Reads what [`BitWriter`] wrote.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

#[cfg(any(test, feature = "intake"))]
impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 128.
    pub(super) fn take(&mut self, count: u8) -> Result<u128, Defect> {
        let end = self.at + usize::from(count);
        if end > self.bytes.len() * 8 {
            return Err(Defect("the bits end early"));
        }
        let (mut value, mut got) = (0_u128, 0_u32);
        while self.at < end {
            let (byte, from) = (self.bytes[self.at / 8], self.at % 8);
            let now = (8 - from).min(end - self.at);
            let bits = (u32::from(byte) >> from) & ((1 << now) - 1);
            value |= u128::from(bits) << got;
            got += now as u32;
            self.at += now;
        }
        Ok(value)
    }

    /// A number of this class.
    pub(super) fn number(&mut self, class: u8) -> Result<u64, Defect> {
        match class {
            0 => Ok(0),
            1..=64 => Ok(self.take(class - 1)? as u64 | 1 << (class - 1)),
            _ => Err(Defect("a number of more than 64 bits")),
        }
    }

    /// Whether only filling is left.
    pub(super) fn at_end(&self) -> bool {
        self.bytes.len() * 8 - self.at < 8
    }
}

#[cfg(any(test, feature = "intake"))]
/// Reads bytes in order.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

#[cfg(any(test, feature = "intake"))]
impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Defect> {
        let (&byte, rest) = self.0.split_first().ok_or(Defect("the batch ends early"))?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Defect> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Defect("the batch ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Defect> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Defect("a number of more than 64 bits"))
    }

    /// A count or a length, no more than `most`.
    pub(super) fn size(&mut self, most: usize) -> Result<usize, Defect> {
        let size = usize::try_from(self.varint()?).ok().filter(|&size| size <= most);
        size.ok_or(Defect("a count or a length is beyond what is allowed"))
    }

    /// Bytes after their length.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Defect> {
        let len = self.size(self.0.len())?;
        self.take(len)
    }
}
