//! Opening an emitter: from a configuration with the host's sinks and signer, or the process's default one.

use std::path::PathBuf;
use std::sync::Arc;

use sinkwell::config::{Format, Source};
use sinkwell::host::{self, Opening};
use sinkwell::{Error, Result};

use crate::bytes::SinkwellBytes;
use crate::emitter::{SinkwellEmitter, handle};
use crate::error::{SinkwellError, at, at_mut, guard, maybe};
use crate::process::system;
use crate::signer::{SinkwellSigner, host_signer};
use crate::sink::{SinkwellSink, spec};
use crate::slice::Slice;

/// `source`: nothing; environment variables, or the default, decide.
pub const SINKWELL_SOURCE_ENVIRONMENT: i32 = 0;
/// `source`: `config` is a file's path.
pub const SINKWELL_SOURCE_PATH: i32 = 1;
/// `source`: `config` is a document's text, YAML or JSON.
pub const SINKWELL_SOURCE_TEXT: i32 = 2;
/// `source`: `config` is a mapping of the host's language, as JSON: errors name the key only.
pub const SINKWELL_SOURCE_MAPPING: i32 = 3;

/// What an emitter is opened with. Zero it, then set what is to be said. Borrowed for the call, but for the
/// sinks and the signer, which live until their `free` is called.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellOpening {
    /// One of `SINKWELL_SOURCE_*`.
    pub source: i32,
    /// 1: no threads; `sinkwell_drain` delivers.
    pub manual: u8,
    /// Zeros.
    pub reserved: [u8; 3],
    /// The configuration, as `source` says.
    pub config: SinkwellBytes,
    /// What errors call a text; its folder is that of relative paths.
    pub name: SinkwellBytes,
    /// The program's name, for the default agent id, where the operating system knows only an interpreter.
    pub program: SinkwellBytes,
    /// Host sinks; they count as required sinks.
    pub sinks: *const SinkwellSink,
    /// How many.
    pub sinks_len: u64,
    /// The host's signer, or NULL.
    pub signer: *const SinkwellSigner,
}

/// # Safety
/// `opening` and what it points to are valid for the call.
unsafe fn source(opening: &SinkwellOpening) -> Result<Source> {
    // SAFETY: the caller's promise.
    let config = || unsafe { opening.config.required("config") };
    Ok(match opening.source {
        SINKWELL_SOURCE_ENVIRONMENT => Source::Environment,
        SINKWELL_SOURCE_PATH => Source::Path(PathBuf::from(config()?)),
        SINKWELL_SOURCE_TEXT => Source::Text {
            text: config()?.to_owned(),
            // SAFETY: the caller's promise.
            name: unsafe { opening.name.text("name")? }.map(str::to_owned),
            format: Format::default(),
        },
        SINKWELL_SOURCE_MAPPING => Source::Mapping(config()?.to_owned()),
        _ => return Err(Error::invalid_argument("must be one of SINKWELL_SOURCE_*").at("source")),
    })
}

/// Opens an emitter. Waits on this thread until every required class has a healthy sink.
///
/// # Ownership
/// `emitter` is owned by the caller then, and so are the sinks and the signer by sinkwell, whether it opens
/// or not: their `free` is called once, when nothing uses them any more.
///
/// # Safety
/// `opening` and what it points to are valid for the call; `emitter` is valid for a write; `error` is NULL or
/// valid for a write. The functions of sinks and signer may be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_open(
    opening: *const SinkwellOpening,
    emitter: *mut *mut SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            crate::process::watch_forks();
            let opening = at(opening, "opening")?;
            // First of all, so that `free` is called even if opening fails.
            let sinks = Slice::new(opening.sinks, opening.sinks_len)
                .get(|| "sinks".to_owned())
                .map(|sinks| sinks.iter().map(|sink| spec(sink)).collect::<Vec<_>>());
            let signer = maybe(opening.signer, "signer")
                .and_then(|signer| signer.map(|table| host_signer(table)).transpose());
            let out = at_mut(emitter, "emitter")?;
            let environment = system(opening.program.text("program")?);
            let opening = Opening {
                source: source(opening)?,
                sinks: sinks?.into_iter().collect::<Result<_>>()?,
                signer: signer?,
                manual: opening.manual != 0,
            };
            *out = handle(Arc::new(host::open(opening, &environment)?));
            Ok(())
        })
    }
}

/// The process's default emitter, opened from the environment on first use; the same for every caller.
///
/// # Ownership
/// `emitter` is a handle of the caller's own then; freeing it does not end the emitter.
///
/// # Safety
/// `emitter` is valid for a write; `program` is absent or text; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_default(
    program: SinkwellBytes,
    emitter: *mut *mut SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            crate::process::watch_forks();
            let out = at_mut(emitter, "emitter")?;
            *out = handle(host::default_emitter(&system(program.text("program")?))?);
            Ok(())
        })
    }
}

/// Takes the default emitter away, so that the process can end it; the next use opens another. `emitter` is
/// NULL then if there was none.
///
/// # Ownership
/// As `sinkwell_default`.
///
/// # Safety
/// `emitter` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_take_default(
    emitter: *mut *mut SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(emitter, "emitter")? = host::take_default().map_or(std::ptr::null_mut(), handle);
            Ok(())
        })
    }
}
