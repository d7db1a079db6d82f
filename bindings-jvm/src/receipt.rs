//! Receipts: what became of one event, now and in the end.

use std::sync::Arc;

use sinkwell::host;
use sinkwell::receipt::Stage;

use crate::error::Failure;
use crate::mail::Completion;

/// A receipt.
#[derive(uniffi::Object)]
pub struct NativeReceipt {
    pub(crate) receipt: sinkwell::Receipt,
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
    fn on(&self, journaled: bool, token: u64) -> Result<(), Failure> {
        let stage = if journaled { Stage::Journaled } else { Stage::Delivered };
        let (receipt, done) = (self.receipt.clone(), Completion::new(token));
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        let later = Arc::clone(&done);
        let take = |done: &std::sync::Mutex<Option<Completion>>| {
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        };
        self.receipt
            .on(stage, move || {
                let Some(done) = take(&later) else { return };
                done.tell(crate::error::guarded(|| {
                    receipt.check_journaled(stage)?;
                    Ok(host::endings_json(&receipt))
                }));
            })
            .map_err(|e| {
                if let Some(done) = take(&done) {
                    done.forget();
                }
                e.into()
            })
    }
}
