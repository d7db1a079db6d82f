//! An event's data as tokens, for hosts that walk their own values: all of its text in one piece, and beside it what
//! is to be made of it. The host neither escapes nor formats, and nothing is parsed again.
//!
//! Guarantees: tokens are held to the rules that JSON is held to, by the same writer; text is UTF-8 as a whole and in
//! each piece; whatever the tokens say, nothing outside the two arrays is read.

use std::cell::RefCell;

use sinkwell::event::{Data, invalid_data};
use sinkwell::json::{ObjectWriter, parse_into};
use sinkwell::{Attempt, Emitter, Error, EventInput, Result};

use crate::bytes::{SinkwellBytes, not_utf8};
use crate::emitter::{SINKWELL_ELSEWHERE, SinkwellEmitter, attempted, read_wait};
use crate::error::{SinkwellError, at, at_mut, guard};
use crate::event::SinkwellEvent;
use crate::receipt::SinkwellReceipt;

/// An event's data: an object, as tokens. A token is one word, its kind in the lowest byte; the kinds that have text
/// say in the other bytes how many bytes of it are theirs, and take the next ones. Numbers take the word that follows.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellTokens {
    /// The text of all tokens, back to back.
    pub text: SinkwellBytes,
    /// The first word.
    pub words: *const u64,
    /// How many.
    pub words_len: u64,
}

/// `null`
pub const SINKWELL_TOKEN_NULL: u64 = 0;
/// `false`
pub const SINKWELL_TOKEN_FALSE: u64 = 1;
/// `true`
pub const SINKWELL_TOKEN_TRUE: u64 = 2;
/// An integer: the next word, as two's complement.
pub const SINKWELL_TOKEN_INT: u64 = 3;
/// An integer: the next word.
pub const SINKWELL_TOKEN_UINT: u64 = 4;
/// A number: the bits of a double in the next word.
pub const SINKWELL_TOKEN_FLOAT: u64 = 5;
/// A string: its text, not escaped.
pub const SINKWELL_TOKEN_STRING: u64 = 6;
/// A member's key: its text, not escaped; the member's value follows.
pub const SINKWELL_TOKEN_KEY: u64 = 7;
/// A value: its text is JSON.
pub const SINKWELL_TOKEN_JSON: u64 = 8;
/// An object begins.
pub const SINKWELL_TOKEN_OBJECT: u64 = 9;
/// An object ends.
pub const SINKWELL_TOKEN_END_OBJECT: u64 = 10;
/// A list begins.
pub const SINKWELL_TOKEN_LIST: u64 = 11;
/// A list ends.
pub const SINKWELL_TOKEN_END_LIST: u64 = 12;

/// What is larger is written with a writer of its own, so that no thread keeps large buffers.
const KEEP: u64 = 64 << 10;

thread_local! {
    static WRITER: RefCell<ObjectWriter> = RefCell::new(ObjectWriter::new());
}

impl SinkwellTokens {
    /// Calls `emit` with the data.
    ///
    /// # Safety
    /// `text` and `words` are borrowed for the call.
    unsafe fn read<T>(&self, depth: usize, emit: impl FnOnce(Data<'_>) -> Result<T>) -> Result<T> {
        // SAFETY: the caller's promise.
        let text = unsafe { self.text.get("data")? }.unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|e| not_utf8(&e, Error::invalid_event).at("data"))?;
        // SAFETY: the caller's promise.
        let words = unsafe { self.words() }?;
        let run = |writer: &mut ObjectWriter| {
            writer.reset(depth);
            write(words, text, writer)?;
            emit(Data::Object(writer))
        };
        WRITER.with(|kept| match kept.try_borrow_mut() {
            Ok(mut kept) if self.text.len <= KEEP && self.words_len <= KEEP / 8 => run(&mut kept),
            // A large one, or an emit from inside an emit of the same thread.
            _ => run(&mut ObjectWriter::new()),
        })
    }

    /// # Safety
    /// `words` is NULL or points to `words_len` words that nobody changes for `'a`.
    unsafe fn words<'a>(&self) -> Result<&'a [u64]> {
        let bytes = self.words_len.checked_mul(8).and_then(|len| isize::try_from(len).ok());
        let (Some(_), Ok(len)) = (bytes, usize::try_from(self.words_len)) else {
            return Err(Error::invalid_argument("the length is larger than any memory").at("words"));
        };
        if self.words.is_null() {
            return Ok(&[]);
        }
        // SAFETY: the caller's promise, and the length fits.
        Ok(unsafe { std::slice::from_raw_parts(self.words, len) })
    }
}

fn malformed(what: &str) -> Error {
    Error::invalid_argument(format!("the tokens are malformed: {what}")).at("words")
}

/// Writes the tokens; whether the object is whole, the writer says.
pub(crate) fn write(words: &[u64], text: &str, writer: &mut ObjectWriter) -> Result<()> {
    let (mut words, mut rest) = (words.iter(), text);
    while let Some(&word) = words.next() {
        let mut number = || words.next().copied().ok_or_else(|| malformed("a number is missing"));
        let mut piece = || {
            let length = usize::try_from(word >> 8).ok().filter(|length| *length <= rest.len());
            let length = length.ok_or_else(|| malformed("there is less text than they say"))?;
            // Two halves of a character, in two pieces, are no text either.
            let (piece, after) = rest.split_at_checked(length).ok_or_else(|| {
                Error::invalid_event("is not UTF-8; send text as UTF-8, other bytes as base64").at("data")
            })?;
            rest = after;
            Ok::<_, Error>(piece)
        };
        match word & 0xFF {
            SINKWELL_TOKEN_KEY => writer.key(piece()?),
            SINKWELL_TOKEN_STRING => writer.string(piece()?),
            SINKWELL_TOKEN_INT => writer.int(i128::from(number()?.cast_signed())),
            SINKWELL_TOKEN_UINT => writer.int(i128::from(number()?)),
            SINKWELL_TOKEN_FLOAT => writer.float(f64::from_bits(number()?)),
            SINKWELL_TOKEN_FALSE => writer.bool(false),
            SINKWELL_TOKEN_TRUE => writer.bool(true),
            SINKWELL_TOKEN_NULL => writer.null(),
            SINKWELL_TOKEN_JSON => parse_into(piece()?.as_bytes(), writer),
            SINKWELL_TOKEN_OBJECT => writer.begin_object(),
            SINKWELL_TOKEN_END_OBJECT => writer.end_object(),
            SINKWELL_TOKEN_LIST => writer.begin_array(),
            SINKWELL_TOKEN_END_LIST => writer.end_array(),
            _ => return Err(malformed("an unknown kind")),
        }
        .map_err(|e| invalid_data(&e))?;
    }
    if rest.is_empty() { Ok(()) } else { Err(malformed("text that is no token's")) }
}

/// Emits an event whose data is given as tokens, or with `data` NULL as the event has it. `wait` is as for
/// `sinkwell_emit`, where `waited_ms` says nothing; with `SINKWELL_ELSEWHERE` all is as for `sinkwell_try_emit`.
///
/// # Ownership
/// As `sinkwell_emit`; `data` stays the caller's.
///
/// # Safety
/// As `sinkwell_try_emit`; `data` is NULL, or it and what it points to are valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit_tokens(
    emitter: *const SinkwellEmitter,
    event: *const SinkwellEvent,
    data: *const SinkwellTokens,
    wait: i32,
    waited_ms: u64,
    receipted: *mut u8,
    limit_ms: *mut u64,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (receipted, limit_ms) = (at_mut(receipted, "receipted")?, at_mut(limit_ms, "limit_ms")?);
            let input = at(event, "event")?.input()?;
            let attempt = match data.as_ref() {
                None => emit(emitter, input, wait, waited_ms)?,
                Some(_) if !matches!(input.data, Data::None) => {
                    return Err(
                        Error::invalid_argument("give it once: in the event, or as tokens").at("data")
                    );
                }
                Some(tokens) => tokens.read(emitter.depth_limit(), |data| {
                    emit(emitter, EventInput { data, ..input }, wait, waited_ms)
                })?,
            };
            attempted(attempt, receipted, limit_ms, receipt);
            Ok(())
        })
    }
}

fn emit(emitter: &Emitter, input: EventInput<'_>, wait: i32, waited_ms: u64) -> Result<Attempt> {
    if wait == SINKWELL_ELSEWHERE {
        return emitter.try_emit(input, std::time::Duration::from_millis(waited_ms));
    }
    emitter.emit_with(input, read_wait(wait)?).map(Attempt::Accepted)
}

#[cfg(test)]
mod tests;
