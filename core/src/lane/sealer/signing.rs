//! Which envelopes get a signature, and when.
//!
//! Guarantees: whatever is written or sent together ends, for each stream in it, with a signed envelope. Which
//! envelopes are signed is decided once, before the first of them is written or sent. A host's signer is called once
//! for all of them; while it fails nothing leaves, unless another key is to take over.

use std::collections::HashSet;

use super::{Item, Kind, Sealer, SignerFailed};
use crate::envelope::{Opening, members_len, seal_message, sign_later};
use crate::key::SigningKey;
use crate::settings::SignMode;

/// An envelope that has no signature yet.
pub(crate) struct Unsigned {
    /// Where the signature members go.
    pub(super) opening: Opening,
    /// It gets a signature even if its stream goes on in the same group.
    pub(super) always: bool,
}

/// The key that signs an envelope at once, if there is one, and the number of bytes to reserve for the signature. A
/// host's signer is called later, for many envelopes at once; and if only the last envelope is signed, which one that
/// is comes out later.
pub(super) fn at_once(key: Option<&SigningKey>, kind: Kind) -> (Option<&SigningKey>, usize) {
    let Some(key) = key else { return (None, 0) };
    let now = key.is_local() && (key.mode() == SignMode::Each || kind == Kind::Signed);
    (now.then_some(key), members_len(key))
}

impl Sealer {
    /// Signs what was sealed together, as the key's mode says. After a failure it must be called again with the same
    /// items. If a key is to retire and its signer has failed as often as opens the lane's breaker, the next key signs
    /// instead, which is sound, as no hash depends on the key.
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
        // The mode with which the streams were opened holds until `key_active`.
        let mode = if key.mode() == SignMode::Each { SignMode::Each } else { next.mode() };
        sign_by(next, mode, items).map(|_| ())
    }
}

/// Signs the items that are due; answers whether there were any.
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
    if items.iter().all(|item| item.unsigned.is_none()) {
        // As with a key of this process that signs each.
        return Vec::new();
    }
    let (mut ended, mut latest) = (HashSet::new(), None);
    let mut chosen: Vec<usize> = Vec::new();
    for (at, item) in items.iter().enumerate().rev() {
        if item.payload.is_foreign() {
            continue;
        }
        // Most envelopes follow one of the same stream.
        let streamid = item.envelope.streamid;
        let last = latest.replace(streamid) != Some(streamid) && ended.insert(streamid);
        let due = |unsigned: &Unsigned| mode == SignMode::Each || unsigned.always || last;
        if item.unsigned.as_ref().is_some_and(due) {
            chosen.push(at);
        }
    }
    chosen.reverse();
    chosen
}
