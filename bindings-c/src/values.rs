//! Data as a stream of values: the way in for hosts that would write JSON only for the core to read it again.
//!
//! Guarantees: nothing is read beyond the bytes, whatever they are; what comes out went through the core's own
//! writer, which holds it to every rule for data; bytes that are no such stream are `invalid_argument`.
//!
//! A value is a tag of one byte and what the tag announces. Lengths are 32 bits; they, and numbers, are
//! little-endian and not aligned.
//!
//! | tag | then | value |
//! | --- | --- | --- |
//! | `{` | members: `k`, length, UTF-8 of the key, a value; at their end `}` | object |
//! | `[` | values; at their end `]` | array |
//! | `s` | length, UTF-8 | string |
//! | `i` | 64 bits, two's complement | integer |
//! | `d` | 64 bits, IEEE 754 | double |
//! | `t`, `f`, `n` | | `true`, `false`, `null` |
//! | `j` | length, JSON text | what the text says |

use std::cell::RefCell;

use sinkwell::event::invalid_data;
use sinkwell::json::{JsonError, ObjectWriter, parse_into};
use sinkwell::{Error, Result};

use crate::bytes::not_utf8;

thread_local! {
    static WRITER: RefCell<ObjectWriter> = RefCell::new(ObjectWriter::new());
}

/// Reads a stream, one object, and passes what it says to `then`. `depth` is the limit for data.
pub(crate) fn with_values<T>(
    stream: &[u8],
    depth: usize,
    then: impl FnOnce(&ObjectWriter) -> Result<T>,
) -> Result<T> {
    let run = |writer: &mut ObjectWriter| {
        writer.reset(depth);
        Stream { rest: stream }.write(writer)?;
        then(writer)
    };
    WRITER.with(|writer| match writer.try_borrow_mut() {
        Ok(mut writer) => run(&mut writer),
        // An emit from inside an emit of the same thread.
        Err(_) => run(&mut ObjectWriter::new()),
    })
}

/// What is left to read.
struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    fn write(mut self, writer: &mut ObjectWriter) -> Result<()> {
        while let Some((tag, rest)) = self.rest.split_first() {
            self.rest = rest;
            let written = match tag {
                b'k' => writer.key(self.text()?),
                b's' => writer.string(self.text()?),
                b'i' => writer.int(i64::from_le_bytes(self.fixed()?).into()),
                b'd' => writer.float(f64::from_le_bytes(self.fixed()?)),
                b't' => writer.bool(true),
                b'f' => writer.bool(false),
                b'n' => writer.null(),
                b'{' => writer.begin_object(),
                b'}' => writer.end_object(),
                b'[' => writer.begin_array(),
                b']' => writer.end_array(),
                b'j' => parse_into(self.counted()?, writer),
                _ => return Err(broken()),
            };
            written.map_err(|e: JsonError| invalid_data(&e))?;
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(broken)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn counted(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(u32::from_le_bytes(self.fixed()?)).map_err(|_| broken())?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(broken)?;
        self.rest = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.counted()?).map_err(|e| not_utf8(&e, Error::invalid_event).at("data"))
    }
}

fn broken() -> Error {
    Error::invalid_argument("is no stream of values; see SINKWELL_DATA_VALUES").at("data")
}
