//! Receipts: what is known already is read at once, and each wait has a token.
//!
//! Guarantees: a receipt is kept for as long as JavaScript has a `Receipt` of the same block, and no longer.
//!
//! Receipts lie in blocks, because a native object with a finalizer costs JavaScript more than the rest of an `emit`.
//! A program that keeps one receipt keeps its whole block, so that blocks are small.

use std::cell::RefCell;
use std::rc::Rc;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sinkwell::host::{endings_json, receipt_json};
use sinkwell::receipt::Stage;
use sinkwell::{Error, Receipt};

use crate::emitter::text;
use crate::error::thrown;
use crate::event_loop::EventLoop;

/// So many receipts share an object of JavaScript's.
pub(crate) const BLOCK: usize = 32;

/// The receipts of consecutive events.
pub(crate) type Block = Rc<RefCell<Vec<Receipt>>>;

/// What became of some consecutive events; each is known by its place.
#[napi]
pub struct NativeReceipts {
    pub(crate) block: Block,
}

impl NativeReceipts {
    fn with<T>(&self, place: u32, f: impl FnOnce(&Receipt) -> T) -> napi::Result<T> {
        let block = self.block.borrow();
        block.get(place as usize).map(f).ok_or_else(|| thrown(Error::internal("no such receipt")))
    }
}

#[napi]
impl NativeReceipts {
    /// `{"id", "lanes", "evicted"}` as JSON.
    #[napi(catch_unwind)]
    pub fn summary(&self, place: u32) -> napi::Result<String> {
        self.with(place, |receipt| text(receipt_json(receipt)))
    }

    /// How it ended in each lane, as JSON.
    #[napi(catch_unwind)]
    pub fn endings(&self, place: u32) -> napi::Result<String> {
        self.with(place, |receipt| text(endings_json(receipt)))
    }

    /// Hands `token` to the event loop when the stage is reached.
    #[napi(catch_unwind)]
    pub fn on(&self, place: u32, event_loop: &EventLoop, stage: String, token: u32) -> napi::Result<()> {
        let shared = std::sync::Arc::clone(&event_loop.shared);
        let stage = Stage::parse(&stage).map_err(thrown)?;
        self.with(place, |receipt| receipt.on(stage, move || shared.reached(token)))?.map_err(thrown)
    }

    /// The salt of a content part.
    #[napi(catch_unwind)]
    pub fn salt(&self, place: u32, part: u32) -> napi::Result<Option<Buffer>> {
        self.with(place, |receipt| receipt.salt(part as usize).map(|salt| salt.to_vec().into()))
    }

    /// Throws if a durable lane ended the event without having it on disk.
    #[napi(catch_unwind)]
    pub fn check_journaled(&self, place: u32) -> napi::Result<()> {
        self.with(place, |receipt| receipt.check_journaled(Stage::Journaled))?.map_err(thrown)
    }
}
