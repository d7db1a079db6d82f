//! The protobuf wire format, as much of it as one request and its answer need.
//!
//! Guarantees: what is written is canonical protobuf (shortest varints); what is read is bounded by its own
//! length fields and never panics, whatever the bytes.
//!
//! A length prefix comes before what it measures. Where the length is known beforehand it is written at
//! once; where it is not, [`open`] leaves room for the prefix that is likely and [`close`] fills it in,
//! moving the content by the few bytes by which the guess was wrong.

/// Wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LEN: u8 = 2;
const FIXED32: u8 = 5;

/// The tag byte of a length-delimited field below 16.
pub(super) const fn len_tag(field: u8) -> u8 {
    field << 3 | LEN
}

/// The tag byte of a varint field below 16.
pub(super) const fn varint_tag(field: u8) -> u8 {
    field << 3 | VARINT
}

/// The tag byte of a 64-bit field below 16.
pub(super) const fn fixed64_tag(field: u8) -> u8 {
    field << 3 | FIXED64
}

/// The tag byte of a 32-bit field below 16.
pub(super) const fn fixed32_tag(field: u8) -> u8 {
    field << 3 | FIXED32
}

/// How many bytes `value` takes as a varint.
#[inline]
pub(super) const fn varint_len(value: usize) -> usize {
    if value < 0x80 {
        return 1;
    }
    // Seven bits a byte.
    ((usize::BITS - value.leading_zeros()) as usize).div_ceil(7)
}

/// Appends a varint.
#[inline]
pub(in crate::sinks) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a tag and a length.
pub(super) fn put_head(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    put_varint(out, len as u64);
}

/// Appends a length-delimited field.
pub(in crate::sinks) fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_head(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

/// How long a field of `len` bytes is with its tag and length.
pub(super) const fn field_len(len: usize) -> usize {
    1 + varint_len(len) + len
}

/// Begins a length-delimited field whose length is not yet known; `room` bytes are kept for it.
pub(super) fn open(out: &mut Vec<u8>, tag: u8, room: usize) -> Open {
    out.push(tag);
    out.resize(out.len() + room, 0);
    Open { content: out.len(), room }
}

/// A field that [`open`] began.
#[must_use]
pub(super) struct Open {
    content: usize,
    room: usize,
}

/// Ends the field: everything after [`open`] is its content.
pub(super) fn close(out: &mut Vec<u8>, field: Open) {
    let len = out.len() - field.content;
    let need = varint_len(len);
    if need > field.room {
        out.resize(out.len() + (need - field.room), 0);
        out.copy_within(field.content..field.content + len, field.content + need - field.room);
    } else if need < field.room {
        out.copy_within(field.content.., field.content - (field.room - need));
        out.truncate(out.len() - (field.room - need));
    }
    let mut value = len;
    let start = field.content - field.room;
    for byte in &mut out[start..start + need - 1] {
        *byte = (value & 0x7F) as u8 | 0x80;
        value >>= 7;
    }
    out[start + need - 1] = value as u8;
}

/// A field as read.
pub(in crate::sinks) enum Field<'a> {
    /// A varint.
    Varint(u64),
    /// A length-delimited field.
    Bytes(&'a [u8]),
    /// A field of another wire type, skipped.
    Other,
}

/// Reads the fields of a message, in order. Ends at the first byte that makes no sense.
pub(in crate::sinks) struct Fields<'a> {
    rest: &'a [u8],
    broken: bool,
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub(in crate::sinks) fn new(message: &'a [u8]) -> Self {
        Self { rest: message, broken: false }
    }

    /// Whether it ended at a byte that makes no sense.
    pub(in crate::sinks) fn is_broken(&self) -> bool {
        self.broken
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.varint()?;
        let field = match (tag & 7) as u8 {
            VARINT => Field::Varint(self.varint()?),
            LEN => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(len)?)
            }
            FIXED64 => self.take(8).map(|_| Field::Other)?,
            FIXED32 => self.take(4).map(|_| Field::Other)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
            self.broken = true;
        }
        field
    }
}
