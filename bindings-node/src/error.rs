//! Errors on their way to JavaScript: as JSON, from which `lib/errors.ts` makes an instance of the class of
//! its kind.

use sinkwell::Error;
use sinkwell::json::Value;

/// The error as `{"kind", "code", "where", "message"}`.
pub(crate) fn to_json(error: &Error) -> String {
    let members = [
        ("kind", error.kind().name().into()),
        ("code", Value::Int(i64::from(error.code()))),
        ("where", error.place().map_or(Value::Null, Value::from)),
        ("message", error.message().into()),
    ];
    Value::Object(members.map(|(key, value)| (key.to_owned(), value)).into()).to_json()
}

/// The error as one that napi throws.
pub(crate) fn thrown(error: Error) -> napi::Error {
    napi::Error::from_reason(to_json(&error))
}
