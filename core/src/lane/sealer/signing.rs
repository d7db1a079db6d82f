//! Which envelopes get a signature, and when.
//!
//! Guarantees: whatever is written or sent by itself ends, for each stream in it, with a signed envelope; which ones
//! are signed is decided once, before the first of them is written or sent; a host's signer is asked once for all of
//! them, and while it fails nothing leaves, unless another key is to take over from it.

use std::collections::HashSet;

use super::{Item, Kind, Sealer, SignerFailed};
use crate::envelope::{Opening, members_len, seal_message, sign_later};
use crate::key::SigningKey;
use crate::settings::SignMode;

/// An envelope that has no signature yet.
pub(crate) struct Unsigned {
    /// Where the signature members go.
    pub(super) opening: Opening,
    /// It gets one, whatever comes behind it.
    pub(super) always: bool,
}

/// The key that signs an envelope as it is sealed, if one does, and the bytes that its signature may take. A host's
/// signer is asked for many at once, and one signature a batch is made when its end is known.
pub(super) fn at_once(key: Option<&SigningKey>, kind: Kind) -> (Option<&SigningKey>, usize) {
    let Some(key) = key else { return (None, 0) };
    let now = key.is_local() && (key.mode() == SignMode::Each || kind == Kind::Signed);
    (now.then_some(key), members_len(key))
}

impl Sealer {
    /// Signs what was sealed together, as the key's mode says. To be called again with the same items after a
    /// failure. A key that is to retire and whose signer has failed as often as opens the lane's breaker is not waited
    /// for any longer: the key that takes over signs, which it may, as no hash holds the key.
    pub(crate) fn sign(&self, items: &mut [Item]) -> Result<(), SignerFailed> {
        let Some(key) = &self.key else { return Ok(()) };
        match sign_by(key, key.mode(), items) {
            Ok(any) => {
                if any {
                    self.failed.set(0);
                }
                return Ok(());
            }
            Err(e) => {
                let failed = self.failed.get().saturating_add(1);
                self.failed.set(failed);
                match &self.next_key {
                    Some(_) if failed >= self.patience => {}
                    _ => return Err(e),
                }
            }
        }
        let Some(next) = &self.next_key else { return Ok(()) };
        // What the streams were opened with holds until `key_active`.
        let mode = if key.mode() == SignMode::Each { SignMode::Each } else { next.mode() };
        sign_by(next, mode, items).map(|_| ())
    }
}

/// Signs those that are due; answers whether there were any.
fn sign_by(key: &SigningKey, mode: SignMode, items: &mut [Item]) -> Result<bool, SignerFailed> {
    let chosen = choose(items, mode);
    let messages: Vec<_> = chosen.iter().map(|&at| seal_message(&items[at].envelope.hash)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(<[u8; 49]>::as_slice).collect();
    let signatures = key.sign_all(&messages).map_err(SignerFailed)?;
    let any = !chosen.is_empty();
    for (at, signature) in chosen.into_iter().zip(&signatures) {
        let item = &mut items[at];
        if let Some(unsigned) = item.unsigned.take() {
            item.envelope = sign_later(&item.envelope, unsigned.opening, key, signature);
        }
    }
    Ok(any)
}

/// The items that are to be signed, in ascending order.
fn choose(items: &[Item], mode: SignMode) -> Vec<usize> {
    let mut ended = HashSet::new();
    let mut chosen: Vec<usize> = Vec::new();
    for (at, item) in items.iter().enumerate().rev() {
        if item.payload.is_foreign() {
            continue;
        }
        let last = ended.insert(item.envelope.streamid);
        let due = |unsigned: &Unsigned| mode == SignMode::Each || unsigned.always || last;
        if item.unsigned.as_ref().is_some_and(due) {
            chosen.push(at);
        }
    }
    chosen.reverse();
    chosen
}
