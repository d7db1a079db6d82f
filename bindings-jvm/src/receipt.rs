//! Receipts: what became of one event, now and in the end.

use std::sync::{Arc, Mutex, PoisonError};

use sinkwell::receipt::Stage;
use sinkwell::{Receipt, Result, host};

use crate::error::{Failure, guarded};
use crate::mail::Completion;

/// A receipt.
#[derive(uniffi::Object)]
pub struct NativeReceipt {
    pub(crate) receipt: Receipt,
}

#[uniffi::export]
impl NativeReceipt {
    /// The event's id.
    fn id(&self) -> String {
        self.receipt.id().to_string()
    }

    /// `{"id", "lanes", "evicted"}`
    fn lanes(&self) -> Vec<u8> {
        host::receipt_json(&self.receipt)
    }

    /// `{lane: {…} or null}`
    fn endings(&self) -> Vec<u8> {
        host::endings_json(&self.receipt)
    }

    /// The salt of a content part.
    fn salt(&self, part: u64) -> Option<Vec<u8>> {
        usize::try_from(part).ok().and_then(|part| self.receipt.salt(part)).map(|salt| salt.to_vec())
    }

    /// Has the token told, with the endings, once a stage is reached.
    fn on(&self, journaled: bool, token: u64) -> std::result::Result<(), Failure> {
        Ok(on(&self.receipt, journaled, token)?)
    }
}

/// See [`NativeReceipt::on`].
pub(crate) fn on(receipt: &Receipt, journaled: bool, token: u64) -> Result<()> {
    let stage = if journaled { Stage::Journaled } else { Stage::Delivered };
    let done = Arc::new(Mutex::new(Some(Completion::new(token))));
    let (later, asked) = (Arc::clone(&done), receipt.clone());
    let take = |done: &Mutex<Option<Completion>>| done.lock().unwrap_or_else(PoisonError::into_inner).take();
    let told = move || {
        let Some(done) = take(&later) else { return };
        done.tell(guarded(|| {
            asked.check_journaled(stage)?;
            Ok(host::endings_json(&asked))
        }));
    };
    receipt.on(stage, told).inspect_err(|_| {
        if let Some(done) = take(&done) {
            done.forget();
        }
    })
}
