//! Python values into the core, and the core's JSON texts into Python values.
//!
//! Guarantees: a value is walked once, straight into the core's writer, which checks it against the rules and names
//! the path; a value that JSON cannot carry is refused here, with the core's kind and path and what to do.

use std::ptr;

use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySet, PyString, PyTuple, PyType,
};
use sinkwell::Error;
use sinkwell::json::{JsonError, ObjectWriter};

/// Why a value could not be written: the core refused it, Python code of the host's raised an exception at a known
/// place, or the whole call must end (Ctrl-C).
pub(crate) enum Refusal {
    Json(JsonError),
    Thrown(Box<(JsonError, PyErr)>),
    Python(PyErr),
}

impl From<JsonError> for Refusal {
    fn from(e: JsonError) -> Self {
        Self::Json(e)
    }
}

impl From<PyErr> for Refusal {
    fn from(e: PyErr) -> Self {
        Self::Python(e)
    }
}

const SURROGATE: &str = "a lone surrogate is not a character; send the text as well-formed Unicode";

/// Writes `object` into an empty writer.
pub(crate) fn write_object(w: &mut ObjectWriter, object: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    write(w, object)
}

fn write(w: &mut ObjectWriter, value: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    // Exact types first: nearly all values have one, and each check is one comparison.
    if value.is_exact_instance_of::<PyString>() {
        return string(w, value);
    }
    if value.is_exact_instance_of::<PyDict>() {
        // SAFETY: the line above.
        return dict(w, unsafe { value.cast_unchecked::<PyDict>() });
    }
    if value.is_none() {
        return Ok(w.null()?);
    }
    if value.is_exact_instance_of::<PyBool>() {
        return Ok(w.bool(value.is_truthy()?)?);
    }
    if value.is_exact_instance_of::<PyInt>() {
        return int(w, value);
    }
    if value.is_exact_instance_of::<PyFloat>() {
        return Ok(w.float(value.extract()?)?);
    }
    if let Ok(list) = value.cast::<PyList>() {
        w.begin_array()?;
        for item in list {
            bounded(w)?;
            write(w, &item)?;
        }
        return Ok(w.end_array()?);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        w.begin_array()?;
        for item in tuple {
            bounded(w)?;
            write(w, &item)?;
        }
        return Ok(w.end_array()?);
    }
    other(w, value)
}

/// Writes subclasses of these types, and objects that behave like them.
#[cold]
fn other(w: &mut ObjectWriter, value: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    if value.is_instance_of::<PyString>() {
        return string(w, value);
    }
    if value.is_instance_of::<PyInt>() {
        return int(w, value);
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(w.float(value.extract()?)?);
    }
    if let Ok(map) = value.cast::<PyDict>() {
        return dict(w, map);
    }
    if value.cast::<PyMapping>().is_ok() {
        // One by one: there may be no last one.
        let items = value.call_method0(pyo3::intern!(value.py(), "items")).and_then(|items| items.try_iter());
        let items = read(w, items)?;
        w.begin_object()?;
        // The mapping's own: what reading it on raises is no member's fault.
        let place = w.path();
        for item in items {
            let pair = item.and_then(|item| item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>());
            let refuse = |message| JsonError::new(message).in_path(place.clone());
            let (key, value) = pair.map_err(|e| raised(e, refuse))?;
            member(w, &key, &value)?;
        }
        return Ok(w.end_object()?);
    }
    // Arrays and scalars of other libraries (numpy, pandas, array) can convert themselves to Python's own types.
    let py = value.py();
    if read(w, value.hasattr(pyo3::intern!(py, "tolist")))? && !value.is_instance_of::<PyType>() {
        let plain = read(w, value.call_method0(pyo3::intern!(py, "tolist")))?;
        if is_plain(&plain) {
            return write(w, &plain);
        }
    } else if read(w, value.hasattr(pyo3::intern!(py, "__index__")))? && !value.is_instance_of::<PyType>() {
        // Integers of other libraries.
        let index = read(w, value.call_method0(pyo3::intern!(py, "__index__")))?;
        if index.is_instance_of::<PyInt>() {
            return int(w, &index);
        }
    }
    let name = value.get_type().name()?;
    Err(refuse(w, &format!("a {name} has no JSON form; send {}", substitute(value))))
}

/// What to send in place of a value that JSON does not know.
fn substitute(value: &Bound<'_, PyAny>) -> &'static str {
    let has = |name: &str| value.hasattr(name).unwrap_or(false);
    if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        "a list: sorted(…)"
    } else if has("__dataclass_fields__") {
        "a dict: dataclasses.asdict(…)"
    } else if has("model_dump") {
        "a dict: its model_dump(mode=\"json\")"
    } else if has("__await__") {
        "what it gives: await it"
    } else {
        "it as a string"
    }
}

pub(crate) fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyList>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyString>()
}

/// The result of the host's code; an exception becomes a refusal at the place that is being written.
fn read<T>(w: &mut ObjectWriter, given: PyResult<T>) -> Result<T, Refusal> {
    given.map_err(|e| thrown(w, e))
}

fn thrown(w: &mut ObjectWriter, error: PyErr) -> Refusal {
    raised(error, |message| w.refuse(message))
}

fn raised(error: PyErr, refuse: impl FnOnce(String) -> JsonError) -> Refusal {
    let refusal = Python::attach(|py| {
        // KeyboardInterrupt and its like must end the call, and say nothing of the value.
        if !error.is_instance_of::<PyException>(py) {
            return None;
        }
        let name =
            error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
        Some(refuse(format!("reading it raised {name}; send a plain value")))
    });
    match refusal {
        Some(refusal) => Refusal::Thrown(Box::new((refusal, error))),
        None => Refusal::Python(error),
    }
}

/// Not by `PyDict`'s own iterator, which panics where the dict changes under it: what reads a value may be the host's code.
fn dict(w: &mut ObjectWriter, map: &Bound<'_, PyDict>) -> Result<(), Refusal> {
    w.begin_object()?;
    let (length, mut position) = (map.len(), 0);
    for _ in 0..length {
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the dict is held, and so is the GIL. What it lends is made this function's own before any other code runs.
        let pair = unsafe {
            if ffi::PyDict_Next(map.as_ptr(), &raw mut position, &raw mut key, &raw mut value) == 0 {
                return Err(dict_changed(w));
            }
            (Bound::from_borrowed_ptr(map.py(), key), Bound::from_borrowed_ptr(map.py(), value))
        };
        member(w, &pair.0, &pair.1)?;
        if map.len() != length {
            return Err(dict_changed(w));
        }
    }
    Ok(w.end_object()?)
}

/// At the member that was read when it changed.
fn dict_changed(w: &ObjectWriter) -> Refusal {
    JsonError::new("the dict changed while it was read; give a copy").in_path(w.path()).into()
}

/// Refuses what has grown beyond the writer's limit: lists that hold others again and again are longer than any memory.
fn bounded(w: &ObjectWriter) -> Result<(), Refusal> {
    w.is_over().map_or(Ok(()), |over| Err(over.into()))
}

fn member(w: &mut ObjectWriter, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    bounded(w)?;
    match key.cast::<PyString>() {
        Ok(text) => match text.to_str() {
            Ok(text) => w.key(text)?,
            Err(_) => {
                w.key(&replaced(text)?)?;
                return Err(w.refuse(SURROGATE).into());
            }
        },
        Err(_) => {
            let name = key.get_type().name()?;
            let shown = match key.str() {
                Ok(shown) => shown.to_string_lossy().into_owned(),
                Err(e) => {
                    w.key(&format!("<{name}>"))?;
                    return Err(thrown(w, e));
                }
            };
            w.key(&shown)?;
            return Err(w.refuse(format!("a key must be a string, not {name}")).into());
        }
    }
    write(w, value)
}

/// The text with one replacement character for each lone surrogate, to name a place by.
pub(crate) fn replaced(text: &Bound<'_, PyString>) -> PyResult<String> {
    let units: Vec<u8> = text.call_method1("encode", ("utf-16-le", "surrogatepass"))?.extract()?;
    let units: Vec<u16> = units.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    Ok(String::from_utf16_lossy(&units))
}

fn string(w: &mut ObjectWriter, value: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    // SAFETY: every caller has checked that it is a string.
    let text = unsafe { value.cast_unchecked::<PyString>() };
    match text.to_str() {
        Ok(text) => Ok(w.string(text)?),
        Err(_) => Err(refuse(w, SURROGATE)),
    }
}

fn int(w: &mut ObjectWriter, value: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    let mut overflow = 0;
    // SAFETY: every caller has checked that it is an int, and the GIL is held.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &raw mut overflow) };
    // An integer that does not fit 64 bits does not fit 53 either: `i128::MAX` makes the core refuse it in its own
    // words.
    Ok(w.int(if overflow == 0 { number.into() } else { i128::MAX })?)
}

/// Refuses a value, at the path that the writer has reached.
fn refuse(w: &mut ObjectWriter, message: &str) -> Refusal {
    w.refuse(message).into()
}

/// The refusal as an exception; `invalid` makes the error if the core refused the value.
pub(crate) fn raise(py: Python<'_>, refusal: Refusal, invalid: impl FnOnce(&JsonError) -> Error) -> PyErr {
    match refusal {
        Refusal::Json(e) => crate::error::raise(py, &invalid(&e)),
        Refusal::Thrown(thrown) => {
            let (e, cause) = *thrown;
            let raised = crate::error::raise(py, &invalid(&e));
            raised.set_cause(py, Some(cause));
            raised
        }
        Refusal::Python(e) => e,
    }
}

/// An argument's text; `None` where it is absent.
pub(crate) fn text<'a>(name: &str, value: Option<&'a Bound<'_, PyAny>>) -> sinkwell::Result<Option<&'a str>> {
    let Some(value) = value else { return Ok(None) };
    let Ok(text) = value.cast::<PyString>() else {
        let kind = value.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string());
        return Err(Error::invalid_event(format!("must be a string, not {kind}")).at(name));
    };
    text.to_str().map(Some).map_err(|_| Error::invalid_event(SURROGATE).at(name))
}

/// Longer than any document, content part or request that crosses as JSON text.
const MOST: usize = 1 << 28;

/// A mapping as JSON text, for values that cross rarely; `invalid` makes the error of a refusal.
pub(crate) fn to_json(
    value: &Bound<'_, PyAny>,
    invalid: impl FnOnce(&JsonError) -> Error,
) -> PyResult<String> {
    let mut writer = ObjectWriter::new();
    writer.limit_to(MOST);
    write_object(&mut writer, value).map_err(|e| raise(value.py(), e, invalid))?;
    let done = writer.finish().map(|done| done.bytes().to_vec());
    let bytes = done.map_err(|e| crate::error::raise(value.py(), &Error::internal(e.to_string())))?;
    String::from_utf8(bytes).map_err(|e| crate::error::raise(value.py(), &Error::internal(e.to_string())))
}

static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A JSON text of the core as Python values.
pub(crate) fn from_json<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    LOADS.import(py, "json", "loads")?.call1((PyBytes::new(py, text),))
}

/// Seconds, as Python gives a time-out; `None` is no limit.
pub(crate) fn seconds(py: Python<'_>, timeout: Option<f64>) -> PyResult<std::time::Duration> {
    match timeout {
        None => Ok(std::time::Duration::MAX),
        // A time-out below zero has passed already.
        Some(seconds) if seconds <= 0.0 => Ok(std::time::Duration::ZERO),
        Some(f64::INFINITY) => Ok(std::time::Duration::MAX),
        Some(seconds) => std::time::Duration::try_from_secs_f64(seconds).map_err(|_| {
            let error = Error::invalid_argument("must be a number of seconds, or None for no limit");
            crate::error::raise(py, &error.at("timeout"))
        }),
    }
}
