//! Data as a stream of values; the core reads it (`sinkwell::json::stream_into`, which has the table of tags).

use std::cell::RefCell;

use sinkwell::event::invalid_data;
use sinkwell::json::{ObjectWriter, StreamError, stream_into};
use sinkwell::{Error, Result};

thread_local! {
    static WRITER: RefCell<ObjectWriter> = RefCell::new(ObjectWriter::new());
}

/// Reads a stream that holds one object, and calls `then` with the object. `depth` is the limit for data.
pub(crate) fn with_values<T>(
    stream: &[u8],
    depth: usize,
    then: impl FnOnce(&ObjectWriter) -> Result<T>,
) -> Result<T> {
    let run = |writer: &mut ObjectWriter| {
        writer.reset(depth);
        stream_into(stream, writer).map_err(|e| match e {
            StreamError::Broken => broken(),
            StreamError::Refused(e) => invalid_data(&e),
        })?;
        then(writer)
    };
    WRITER.with(|writer| match writer.try_borrow_mut() {
        Ok(mut writer) => run(&mut writer),
        // The thread's writer is in use: this emit runs inside another emit of the same thread.
        Err(_) => run(&mut ObjectWriter::new()),
    })
}

fn broken() -> Error {
    Error::invalid_argument("is no stream of values; see SINKWELL_DATA_VALUES").at("data")
}
