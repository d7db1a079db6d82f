//! Keys: brought by the owner, never made or rotated behind their back (docs/spec/envelope.md).
//!
//! Guarantees: a private key is zeroized when dropped and appears in no error, log or debug output;
//! Ed25519 is verified strictly; MACs are compared in constant time.

mod bounded;
mod config;
mod load;
mod sign;
mod verify;

#[cfg(test)]
mod tests;

pub use config::{KeyConfig, KeySource, SignMode, SignatureAlgorithm};
pub(crate) use load::unasked_signer;
pub use load::{NewKey, generate, load_signing_key};
pub use sign::{HostSigner, SigningKey};
pub(crate) use sign::{SignFailure, Signature};
pub use verify::VerifyingKey;
