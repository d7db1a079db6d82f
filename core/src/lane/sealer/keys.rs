//! Another key takes over, said in every open stream.

use std::time::Duration;

use super::{Item, Payload, Sealer, SignerFailed};
use crate::key::SigningKey;
use crate::lane::own;

impl Sealer {
    /// The key that seals now.
    pub(crate) fn key(&self) -> Option<&SigningKey> {
        self.key.as_ref()
    }

    /// The key takes over with the next envelope; every open stream announces it.
    pub(crate) fn change_to(&mut self, key: SigningKey) {
        self.next_key = Some(self.bounded(key));
    }

    /// From now on a host's signer is called on a thread of its own, and waited for so long.
    pub(crate) fn bound_signer(&mut self, timeout: Duration) {
        self.signer_timeout = Some(timeout);
        self.key = self.key.take().map(|key| self.bounded(key));
    }

    fn bounded(&self, key: SigningKey) -> SigningKey {
        match self.signer_timeout {
            Some(timeout) => key.bounded(timeout),
            None => key,
        }
    }

    pub(crate) fn key_change_pending(&self) -> bool {
        self.next_key.is_some()
    }

    /// In every open stream: seals `key_retiring`, has the old key sign it and everything before it, and seals
    /// `key_active` for the new key. If the old key's signer fails, this is called again once the items in `out` are
    /// signed. If it goes on failing, the new key signs in its place ([`Sealer::sign`]), so that no lane waits for a
    /// dead signer.
    pub(crate) fn change_key(&mut self, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let Some(new) = self.next_key.clone() else { return Ok(()) };
        let Some(old) = self.key.clone() else {
            self.key = self.next_key.take();
            return Ok(());
        };
        let mut agents: Vec<_> = self.streams.keys().cloned().collect();
        agents.sort();
        let change =
            |by: &SigningKey, sign, of: &SigningKey, action| own::key_change(action, by.id(), sign, of);
        if !self.retiring {
            for agent in &agents {
                let body = change(&old, None, &new, "key_retiring");
                self.seal_own(agent, body, Payload::KeyChange { declared: false }, 0, out)?;
            }
            self.retiring = true;
        }
        self.sign(out)?;
        self.retiring = false;
        self.failed.set(0);
        self.next_key = None;
        self.key = Some(new.clone());
        for agent in &agents {
            let body = change(&new, Some(new.mode()), &old, "key_active");
            self.seal_own(agent, body, Payload::KeyChange { declared: false }, 0, out)?;
        }
        Ok(())
    }
}
