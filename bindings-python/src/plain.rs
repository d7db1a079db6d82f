//! Python values for spans and log records, where nothing is refused: the core writes as text what JSON cannot carry.
//!
//! Guarantees: every value becomes JSON, whatever its own code does: if reading it raises an exception, it is marked as
//! unreadable, with its type. The core bounds depth and number of values, so that a list that holds itself ends.

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySet, PyString, PyTuple,
    PyType,
};
use sinkwell::json::{DEFAULT_DEPTH, Plain, Spelled};

/// A value in the form that JSON can carry.
pub(crate) fn spelled(value: &Bound<'_, PyAny>) -> PyResult<Spelled> {
    let mut plain = Plain::new();
    walk(&mut plain, value, 0)?;
    Ok(plain.finish())
}

/// Writes a value. Returns only exceptions that end programs (`KeyboardInterrupt`).
fn walk(plain: &mut Plain, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    match read(plain, value, depth) {
        Err(e) if e.is_instance_of::<PyException>(value.py()) => {
            let kind = value.get_type().name();
            plain.unreadable_value(
                &kind.map_or_else(|_| "?".to_owned(), |kind| kind.to_string_lossy().into_owned()),
            );
            Ok(())
        }
        other => other,
    }
}

fn read(plain: &mut Plain, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    if let Ok(text) = value.cast::<PyString>() {
        match text.to_str() {
            Ok(text) => plain.text(text.as_bytes()),
            Err(_) => plain.spelled(crate::convert::replaced(text)?),
        }
        return Ok(());
    }
    if value.is_none() {
        plain.nothing();
    } else if value.is_instance_of::<PyBool>() {
        plain.truth(value.is_truthy()?);
    } else if value.is_instance_of::<PyInt>() {
        match value.extract::<i128>() {
            Ok(integer) => plain.integer(integer),
            // Python refuses to write integers of more than a few thousand digits: the error makes the value
            // unreadable.
            Err(_) => plain.spelled(value.str()?.to_string_lossy().into_owned()),
        }
    } else if value.is_instance_of::<PyFloat>() {
        plain.double(value.extract()?);
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        plain.binary(bytes.as_bytes());
    } else if let Ok(bytes) = value.cast::<PyByteArray>() {
        plain.binary(&bytes.to_vec());
    } else if value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.is_instance_of::<PySet>()
        || value.is_instance_of::<PyFrozenSet>()
    {
        let items = value.try_iter()?;
        plain.list();
        // Even if reading an item fails, the list must be ended.
        let walked = deeper(plain, depth, |plain| {
            for item in items {
                if plain.is_full() {
                    break;
                }
                walk(plain, &item?, depth + 1)?;
            }
            Ok(())
        });
        plain.end();
        return or_mark(plain, value, walked);
    } else if let Ok(map) = value.cast::<PyMapping>() {
        // One by one: there may be no last one.
        let items = map.call_method0(intern!(map.py(), "items"))?.try_iter()?;
        plain.object();
        let walked = deeper(plain, depth, |plain| {
            for item in items {
                if plain.is_full() {
                    break;
                }
                let (key, member): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
                match key.cast::<PyString>().map(|key| key.to_str().map(str::to_owned)) {
                    Ok(Ok(key)) => plain.name(&key),
                    Ok(Err(_)) => plain.name(&key.to_string()),
                    Err(_) => plain.name(&key.str()?.to_string_lossy()),
                }
                walk(plain, &member, depth + 1)?;
            }
            Ok(())
        });
        plain.end();
        return or_mark(plain, value, walked);
    } else if let Some(own) = in_own_types(value)? {
        return walk(plain, &own, depth);
    } else {
        plain.spelled(value.str()?.to_string_lossy().into_owned());
    }
    Ok(())
}

/// A larger array becomes its text, in which numpy leaves out the middle. As a list, the core would cut it at its limit
/// of values.
const LARGEST_ARRAY: usize = 10_000;

/// Arrays and scalars of other libraries (numpy, pandas, array), converted to Python's own types as for `data`.
fn in_own_types<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    let tolist = intern!(py, "tolist");
    if value.is_instance_of::<PyType>() || !value.hasattr(tolist)? {
        return Ok(None);
    }
    let size = value.getattr_opt(intern!(py, "size"))?.and_then(|size| size.extract::<usize>().ok());
    if size.or_else(|| value.len().ok()).is_some_and(|size| size > LARGEST_ARRAY) {
        return Ok(None);
    }
    Ok(Some(value.call_method0(tolist)?).filter(crate::convert::is_plain))
}

/// Walks into a container, unless it lies so deep that the core would leave its content out.
fn deeper(plain: &mut Plain, depth: usize, walk: impl FnOnce(&mut Plain) -> PyResult<()>) -> PyResult<()> {
    if depth >= DEFAULT_DEPTH { Ok(()) } else { walk(plain) }
}

/// If a container raised an exception half-way, the items that it gave are kept.
fn or_mark(plain: &mut Plain, value: &Bound<'_, PyAny>, walked: PyResult<()>) -> PyResult<()> {
    match walked {
        Err(e) if e.is_instance_of::<PyException>(value.py()) => {
            plain.note();
            Ok(())
        }
        other => other,
    }
}
