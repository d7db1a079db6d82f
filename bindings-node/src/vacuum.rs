//! Logs of JavaScript's: their bytes in as they come, what goes through out, each piece on a thread of its own, as an event may
//! have to wait for room.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sinkwell::vacuum::{Asked, Drawing};
use sinkwell::{Emitter, Wait};

use crate::emitter::NativeEmitter;
use crate::error::thrown;
use crate::event_loop::EventLoop;

struct State {
    drawing: Drawing,
    passed: Vec<u8>,
}

/// A log that is being read.
#[napi]
pub struct NativeVacuum {
    emitter: Arc<Emitter>,
    state: Arc<Mutex<State>>,
}

#[napi]
impl NativeVacuum {
    /// Begins to read one; `options` as JSON.
    #[napi(factory, catch_unwind)]
    pub fn start(emitter: &NativeEmitter, options: String) -> napi::Result<Self> {
        let emitter = Arc::clone(emitter.get()?);
        let asked = Asked::from_json(options.as_bytes()).map_err(thrown)?;
        let drawing = emitter.start_vacuum(asked).map_err(thrown)?;
        let state = Arc::new(Mutex::new(State { drawing, passed: Vec::new() }));
        Ok(Self { emitter, state })
    }

    /// Takes the next bytes.
    #[napi(catch_unwind)]
    pub fn push(&self, event_loop: &EventLoop, token: u32, bytes: Buffer) -> napi::Result<()> {
        let (emitter, state) = (Arc::clone(&self.emitter), Arc::clone(&self.state));
        let bytes = bytes.to_vec();
        event_loop.shared.run(token, move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { drawing, passed } = &mut *state;
            drawing.push(&bytes, &emitter, &Wait::Allowed, passed).map(|()| String::new())
        });
        Ok(())
    }

    /// Ends the log, whole or broken off; the answer is the report.
    #[napi(catch_unwind)]
    pub fn finish(&self, event_loop: &EventLoop, token: u32, whole: bool) -> napi::Result<()> {
        let (emitter, state) = (Arc::clone(&self.emitter), Arc::clone(&self.state));
        event_loop.shared.run(token, move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { drawing, passed } = &mut *state;
            Ok(drawing.finish(whole, &emitter, &Wait::Allowed, passed)?.to_value().to_json())
        });
        Ok(())
    }

    /// What has gone through since it was last taken.
    #[napi(catch_unwind)]
    pub fn take_passed(&self) -> Buffer {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.passed).into()
    }
}
