//! JSON as the envelope needs it: read strictly, written in RFC 8785 form.
//!
//! Guarantees: whatever a JSON double, UTF-8 or a nesting of 64 cannot carry is refused; every refusal names the path.
//! [`ObjectWriter`] turns an object into its canonical bytes in one pass, whoever walks the object: the parser here, or
//! a binding that walks a dictionary of its own language. [`Value`] is a tree for the places where speed is not the
//! point (policy, verification of foreign files, reports).

mod canon;
#[cfg(feature = "serde")]
mod de;
#[cfg(feature = "tracing")]
mod flat;
mod keys;
mod number;
mod parse;
mod plain;
#[cfg(feature = "serde")]
mod ser;
mod stream;
mod utf16;
mod value;
pub(crate) mod words;
mod writer;

#[cfg(test)]
mod tests;

pub use canon::{Scan, Span, unescape};
#[cfg(feature = "tracing")]
pub(crate) use flat::Flat;
pub use keys::Keys;
pub(crate) use number::is_unsafe_integer;
pub use number::{MAX_SAFE_INTEGER, write_f64};
pub(crate) use parse::{Builder, drive};
pub use parse::{JsonError, parse, parse_into, parse_limited};
pub use plain::{Plain, Spelled, read_plain};
#[cfg(feature = "serde")]
pub(crate) use ser::Members;
pub use stream::{StreamError, stream_apart_into, stream_into, values_into};
pub use value::Value;
pub use writer::{Canonical, ObjectWriter, compare_keys, write_string};

/// How deep `data` may nest at most, whatever is configured.
pub const MAX_DATA_DEPTH: usize = 512;

/// How deep a line may nest: an envelope around `data`. Every reader of lines accepts this depth, so that it can read
/// all that can be sealed.
pub const MAX_DEPTH: usize = MAX_DATA_DEPTH + 1;

/// How deep `data` may nest unless configured otherwise; `data` itself is 1 (docs/spec/envelope.md).
pub const DEFAULT_DEPTH: usize = 64;
