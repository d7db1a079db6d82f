//! The event loops of a host's that run its sinks and signers, as far as a thread must know of them that is about to wait for one.
//!
//! Guarantees: who asks first waits for nothing that it would have to run itself.

use std::any::Any;

/// An event loop that runs a sink or a signer of the host's.
pub trait Home: Send + Sync {
    /// Whether nothing at home here is run while the thread that asks waits: that thread runs the loop, or the loop has ended.
    fn is_held(&self) -> bool;

    /// Has what is at home here run elsewhere until what is given back is dropped; called by the thread that holds the loop and is
    /// about to wait. `None`: it runs nowhere else.
    fn leave(&self) -> Option<Box<dyn Any>> {
        None
    }
}
