//! What a configuration says about a key.

use std::path::PathBuf;

use crate::secret::Secret;

/// `key`
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// The key's id, a look-up hint in every envelope.
    pub id: String,
    /// Where the key comes from.
    pub source: KeySource,
    /// Accept a key file that its group can read. Default false.
    pub allow_group_readable: bool,
    /// Which envelopes it signs. Default: each.
    pub sign: SignMode,
}

/// Which envelopes a key signs (docs/spec/envelope.md, "What a signature covers").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignMode {
    /// Every one.
    #[default]
    Each,
    /// One of each stream in whatever is journaled, sent or written together; the hash chain carries the signature to
    /// the envelopes before it. Envelopes that open, close, checkpoint, declare or change a key are always signed.
    Batch,
}

impl SignMode {
    /// The public name: `each` or `batch`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Batch => "batch",
        }
    }
}

/// Where a key comes from, which also decides its algorithm.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// PKCS#8 PEM of an Ed25519 key in a file.
    Ed25519File(PathBuf),
    /// PKCS#8 PEM of an Ed25519 key, given by environment or inline.
    Ed25519Pem(Secret),
    /// The bytes of a file, as they are: an HMAC-SHA256 key.
    HmacFile(PathBuf),
    /// An HMAC-SHA256 key given by environment (its bytes as they are) or base64.
    HmacBytes(Secret),
    /// The host's own signer, and its algorithm.
    Host(SignatureAlgorithm),
}

/// `sigalg`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `ed25519`
    Ed25519,
}

impl SignatureAlgorithm {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
        }
    }
}
