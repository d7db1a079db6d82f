//! A receipt: what can be known at once is read, what must be waited for becomes a token.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sinkwell::Receipt;
use sinkwell::host::{endings_json, receipt_json};
use sinkwell::receipt::Stage;

use crate::emitter::text;
use crate::error::thrown;
use crate::event_loop::EventLoop;

/// What became of one event.
#[napi]
pub struct NativeReceipt {
    pub(crate) inner: Receipt,
}

#[napi]
impl NativeReceipt {
    /// The event's id.
    #[napi(catch_unwind)]
    pub fn id(&self) -> String {
        self.inner.id().to_string()
    }

    /// `{"id", "lanes", "evicted"}` as JSON.
    #[napi(catch_unwind)]
    pub fn summary(&self) -> String {
        text(receipt_json(&self.inner))
    }

    /// How it ended in each lane, as JSON.
    #[napi(catch_unwind)]
    pub fn endings(&self) -> String {
        text(endings_json(&self.inner))
    }

    /// Hands `token` to the event loop when the stage is reached.
    #[napi(catch_unwind)]
    pub fn on(&self, event_loop: &EventLoop, stage: String, token: u32) -> napi::Result<()> {
        let shared = std::sync::Arc::clone(&event_loop.shared);
        let stage = Stage::parse(&stage).map_err(thrown)?;
        self.inner.on(stage, move || shared.reached(token)).map_err(thrown)
    }

    /// The salt of a content part.
    #[napi(catch_unwind)]
    pub fn salt(&self, part: u32) -> Option<Buffer> {
        self.inner.salt(part as usize).map(|salt| salt.to_vec().into())
    }

    /// Throws if a durable lane ended the event without having it on disk.
    #[napi(catch_unwind)]
    pub fn check_journaled(&self) -> napi::Result<()> {
        self.inner.check_journaled(Stage::Journaled).map_err(thrown)
    }
}
