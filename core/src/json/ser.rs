//! Any `serde::Serialize` straight into the canonical writer.
//!
//! Guarantees: the bytes are those of the same value's JSON text, as serde_json writes it, read by the parser here; there
//! is no tree and no text in between. What the writer refuses is refused with the same words and the same path. Three
//! things are refused that serde_json lets through: NaN and infinities (there they become `null`), keys that are no
//! strings (there they become strings), and bytes (there they become lists of numbers).
//!
//! How: [`Put`] is the serializer of one value, [`Open`] an object or list that is being written.

use std::fmt::Display;

use serde_core::ser::{
    Error, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::number::meant;
use super::parse::{JsonError, drive};
use super::stream::BYTES;
use super::writer::ObjectWriter;

type Result<T = (), E = JsonError> = std::result::Result<T, E>;

impl Error for JsonError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Data that can be serialized, whatever its type.
pub(crate) trait Members {
    /// Writes its members into the object that is open.
    fn write_members(&self, writer: &mut ObjectWriter) -> Result;
}

impl<T: Serialize + ?Sized> Members for T {
    fn write_members(&self, writer: &mut ObjectWriter) -> Result {
        write(self, Put { writer, members: true })
    }
}

/// Writes a value; an error of the value's own gets the place at which it arose.
fn write<T: Serialize + ?Sized>(value: &T, put: Put<'_>) -> Result {
    let writer = &mut *put.writer;
    value
        .serialize(Put { writer, members: put.members })
        .map_err(|e| if e.has_path() { e } else { e.in_path(put.writer.path()) })
}

impl ObjectWriter {
    /// Writes a struct or a map as the whole object, after [`reset`](Self::reset).
    ///
    /// # Errors
    /// What the writer refuses, with its path; `data` is no struct and no map; an error of its `Serialize`.
    ///
    /// ```
    /// # fn main() -> Result<(), sinkwell::json::JsonError> {
    /// use std::collections::BTreeMap;
    /// use sinkwell::json::ObjectWriter;
    ///
    /// let mut writer = ObjectWriter::new();
    /// writer.serialize(&BTreeMap::from([("b", 1.0), ("a", 0.5)]))?;
    /// assert_eq!(writer.finish()?.bytes(), br#"{"a":0.5,"b":1}"#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn serialize<T: Serialize + ?Sized>(&mut self, data: &T) -> Result {
        self.begin_object()?;
        data.write_members(self)?;
        self.end_object()
    }
}

/// The serializer of one value.
struct Put<'w> {
    writer: &'w mut ObjectWriter,
    /// Whether the value's members belong into the object that is open already: so an event's data begins.
    members: bool,
}

impl<'w> Put<'w> {
    /// The writer, for a value that is no object.
    fn scalar(self) -> Result<&'w mut ObjectWriter> {
        if self.members { Err(JsonError::new("data must be an object")) } else { Ok(self.writer) }
    }

    fn object(self) -> Result<Open<'w>> {
        if !self.members {
            self.writer.begin_object()?;
        }
        Ok(Open { writer: self.writer, end: if self.members { End::Nothing } else { End::Object } })
    }

    fn list(self) -> Result<Open<'w>> {
        let writer = self.scalar()?;
        writer.begin_array()?;
        Ok(Open { writer, end: End::List })
    }

    /// An enum's variant that holds something: an object with one member.
    fn variant(self, name: &str, object: bool) -> Result<Open<'w>> {
        let Self { writer, members } = self;
        if !members {
            writer.begin_object()?;
        }
        writer.key(name)?;
        if object { writer.begin_object() } else { writer.begin_array() }?;
        Ok(Open {
            writer,
            end: if object { End::VariantObject { members } } else { End::VariantList { members } },
        })
    }
}

/// What must be ended when a value is complete.
#[derive(Clone, Copy)]
enum End {
    /// The object is its caller's.
    Nothing,
    Object,
    List,
    VariantObject {
        members: bool,
    },
    VariantList {
        members: bool,
    },
    /// A value of serde_json's that is a JSON text: see [`Open::text`].
    Text,
}

/// An object or list that is being written.
struct Open<'w> {
    writer: &'w mut ObjectWriter,
    end: End,
}

impl Open<'_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        write(value, Put { writer: self.writer, members: false })
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result {
        self.writer.key(key)?;
        self.value(value)
    }

    fn close(self) -> Result {
        let within = |members: bool, writer: &mut ObjectWriter| {
            if members { Ok(()) } else { writer.end_object() }
        };
        match self.end {
            End::Nothing | End::Text => Ok(()),
            End::Object => self.writer.end_object(),
            End::List => self.writer.end_array(),
            End::VariantObject { members } => {
                self.writer.end_object()?;
                within(members, self.writer)
            }
            End::VariantList { members } => {
                self.writer.end_array()?;
                within(members, self.writer)
            }
        }
    }
}

/// How serde_json names a number that it keeps as text, and a JSON text that it passes through. They serialize as structs
/// of one member, of this name, which holds the text.
const TEXTS: [&str; 2] = ["$serde_json::private::Number", "$serde_json::private::RawValue"];

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, value: $type) -> Result {
            self.scalar()?.int(i128::from(value))
        })*
    };
}

impl<'w> Serializer for Put<'w> {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = Open<'w>;
    type SerializeTuple = Open<'w>;
    type SerializeTupleStruct = Open<'w>;
    type SerializeTupleVariant = Open<'w>;
    type SerializeMap = Open<'w>;
    type SerializeStruct = Open<'w>;
    type SerializeStructVariant = Open<'w>;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_u128(self, value: u128) -> Result {
        // Beyond either bound it is refused, in the same words.
        self.scalar()?.int(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_bool(self, value: bool) -> Result {
        self.scalar()?.bool(value)
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.scalar()?.float(meant(value))
    }

    fn serialize_f64(self, value: f64) -> Result {
        self.scalar()?.float(value)
    }

    fn serialize_char(self, value: char) -> Result {
        self.scalar()?.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.scalar()?.string(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result {
        Err(self.scalar()?.refuse(BYTES))
    }

    fn serialize_none(self) -> Result {
        self.scalar()?.null()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.scalar()?.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.scalar()?.null()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.scalar()?.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        let mut open = self.object()?;
        open.member(variant, value)?;
        open.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'w>> {
        self.list()
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'w>> {
        self.list()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'w>> {
        self.list()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'w>> {
        self.variant(variant, false)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'w>> {
        self.object()
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open<'w>> {
        if TEXTS.contains(&name) {
            return Ok(Open { writer: self.scalar()?, end: End::Text });
        }
        self.object()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'w>> {
        self.variant(variant, true)
    }
}

macro_rules! lists {
    ($($trait:ident $each:ident),*) => {
        $(impl $trait for Open<'_> {
            type Ok = ();
            type Error = JsonError;

            fn $each<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.value(value)
            }

            fn end(self) -> Result {
                self.close()
            }
        })*
    };
}

lists!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

impl SerializeStruct for Open<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        if matches!(self.end, End::Text) {
            value.serialize(Text(self.writer))
        } else {
            self.member(key, value)
        }
    }

    fn end(self) -> Result {
        self.close()
    }
}

impl SerializeStructVariant for Open<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        self.member(key, value)
    }

    fn end(self) -> Result {
        self.close()
    }
}

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        key.serialize(Key(self.writer))
            .map_err(|e| if e.has_path() { e } else { e.in_path(self.writer.path()) })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.value(value)
    }

    fn end(self) -> Result {
        self.close()
    }
}

/// A serializer that takes only some kinds of values.
macro_rules! refuse {
    ($self:ident, $refusal:expr; $($name:ident: $type:ty),* $(,)?) => {
        $(fn $name($self, value: $type) -> Result {
            $refusal(&value)
        })*
    };
}

/// What no key and no JSON text can be.
macro_rules! no_compounds {
    ($refuse:ident) => {
        type Ok = ();
        type Error = JsonError;
        type SerializeSeq = Impossible<(), JsonError>;
        type SerializeTuple = Impossible<(), JsonError>;
        type SerializeTupleStruct = Impossible<(), JsonError>;
        type SerializeTupleVariant = Impossible<(), JsonError>;
        type SerializeMap = Impossible<(), JsonError>;
        type SerializeStruct = Impossible<(), JsonError>;
        type SerializeStructVariant = Impossible<(), JsonError>;

        fn serialize_bytes(self, _: &[u8]) -> Result {
            Err(self.$refuse("bytes"))
        }
        fn serialize_none(self) -> Result {
            Err(self.$refuse("null"))
        }
        fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
            value.serialize(self)
        }
        fn serialize_unit(self) -> Result {
            Err(self.$refuse("null"))
        }
        fn serialize_unit_struct(self, _: &'static str) -> Result {
            Err(self.$refuse("null"))
        }
        fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
            self.serialize_str(variant)
        }
        fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
            value.serialize(self)
        }
        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result {
            Err(self.$refuse("an object"))
        }
        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
            Err(self.$refuse("a list"))
        }
        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
            Err(self.$refuse("a list"))
        }
        fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct> {
            Err(self.$refuse("a list"))
        }
        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant> {
            Err(self.$refuse("an object"))
        }
        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
            Err(self.$refuse("an object"))
        }
        fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct> {
            Err(self.$refuse("an object"))
        }
        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant> {
            Err(self.$refuse("an object"))
        }
    };
}

/// The serializer of a key.
struct Key<'w>(&'w mut ObjectWriter);

impl Key<'_> {
    /// Refuses a key that has no text to name its place by.
    fn none(self, what: &str) -> JsonError {
        self.no(&format_args!("<{what}>"), what)
    }

    fn no(self, shown: &dyn Display, what: &str) -> JsonError {
        match self.0.key(&shown.to_string()) {
            Ok(()) => self.0.refuse(format!("a key must be a string, not {what}")),
            Err(e) => e,
        }
    }
}

impl Serializer for Key<'_> {
    no_compounds!(none);

    refuse!(self, |value| Err(self.no(value, "a number"));
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64);
    refuse!(self, |value| Err(self.no(value, "a boolean")); serialize_bool: bool);

    fn serialize_char(self, value: char) -> Result {
        self.0.key(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.0.key(value)
    }
}

/// The serializer of a JSON text in [`TEXTS`].
struct Text<'w>(&'w mut ObjectWriter);

impl Text<'_> {
    fn none(self, what: &str) -> JsonError {
        self.0.refuse(format!("a JSON text of serde_json must be a string, not {what}"))
    }
}

impl Serializer for Text<'_> {
    no_compounds!(none);

    refuse!(self, |_: &dyn Display| Err(self.none("a number"));
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64);
    refuse!(self, |_: &dyn Display| Err(self.none("a boolean")); serialize_bool: bool);

    fn serialize_char(self, _: char) -> Result {
        Err(self.none("a character"))
    }

    fn serialize_str(self, value: &str) -> Result {
        drive(value.as_bytes(), self.0, super::MAX_DATA_DEPTH)
    }
}
