//! Documents that configure something: read strictly, with errors that name the place.
//!
//! Guarantees: a key, word or value that is not understood gives an error that names the document, line, column, whole
//! key path and the nearest known key; nothing is read and ignored. No error, warning or debug output holds a secret or
//! the value of an environment variable.
//!
//! How: [`tree`] makes values of YAML or JSON that know their place, [`interpolate`] puts environment variables into
//! strings, [`reader`] reads typed values by [`keys`], which say of each key what it is: the reader, the table in the
//! documentation and the JSON Schema are all made from them.

pub(crate) mod interpolate;
pub(crate) mod keys;
pub(crate) mod reader;
pub(crate) mod suggest;
pub(crate) mod tree;
pub(crate) mod units;
