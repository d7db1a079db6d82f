//! Another key takes over, said in every open stream.

use super::{Item, Payload, Sealer, SignerFailed};
use crate::key::SigningKey;
use crate::lane::own;

impl Sealer {
    /// The key that seals now.
    pub(crate) fn key(&self) -> Option<&SigningKey> {
        self.key.as_ref()
    }

    /// Another key takes over with the next envelope, announced in every open stream.
    pub(crate) fn change_to(&mut self, key: SigningKey) {
        self.next_key = Some(key);
    }

    pub(crate) fn key_change_pending(&self) -> bool {
        self.next_key.is_some()
    }

    /// Seals `key_retiring` by the old key and `key_active` by the new one in every open stream.
    pub(crate) fn change_key(&mut self, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let Some(new) = self.next_key.take() else { return Ok(()) };
        let mut agents: Vec<_> = self.streams.keys().cloned().collect();
        agents.sort();
        if let Some(old) = self.key.clone() {
            for agent in &agents {
                let body = own::key_change("key_retiring", old.id(), &new);
                let payload = Payload::KeyChange { declared: false };
                if let Err(e) = self.seal_own(agent, body, payload, 0, out) {
                    self.next_key = Some(new);
                    return Err(e);
                }
            }
            self.key = Some(new.clone());
            for agent in &agents {
                let body = own::key_change("key_active", new.id(), &old);
                self.seal_own(agent, body, Payload::KeyChange { declared: false }, 0, out)?;
            }
        } else {
            self.key = Some(new);
        }
        Ok(())
    }
}
