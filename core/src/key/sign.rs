//! The sealing side of a key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::home::Home;
use crate::json::write_string;
use crate::key::bounded::Bounded;
use crate::key::{SignMode, SignatureAlgorithm, VerifyingKey};

/// The shortest HMAC key that is accepted, in bytes (docs/spec/envelope.md).
pub(super) const MIN_HMAC_KEY: usize = 32;

/// A raw signature: of 32 or 64 bytes, so without allocation.
pub(crate) type Signature = SmallVec<[u8; 64]>;

/// A signer that the host brings (a KMS, an HSM). It signs many messages at once, of one stream or several, as no hash
/// depends on a signature. The message for an envelope is 49 bytes: `sinkwell-seal-v1`, a newline and the envelope's
/// hash.
pub trait HostSigner: Send + Sync {
    /// One raw signature per input, in order. Called from a thread of each lane's own, one call at a time; may block. A lane waits
    /// for as long as its `timeout` says, is then failed, and calls again when the call has returned.
    ///
    /// # Errors
    /// A text for the host's log. The lane waits and tries again; nothing is sent unsigned.
    fn sign(&self, inputs: &[&[u8]]) -> std::result::Result<Vec<Vec<u8>>, String>;

    /// The event loop that runs it, where a thread that waits for a signature may be the one that runs that loop.
    #[doc(hidden)]
    fn home(&self) -> Option<Arc<dyn Home>> {
        None
    }
}

/// Why a host's signer did not sign.
#[derive(Debug)]
pub(crate) struct SignFailure {
    text: String,
    late: bool,
}

impl SignFailure {
    pub(crate) fn said(text: String) -> Self {
        Self { text, late: false }
    }

    /// It was called so long ago, and has not returned.
    pub(crate) fn late(ago: Duration) -> Self {
        let text = format!(
            "it was called {:.1} s ago and has not answered; it is called again when that call returns",
            ago.as_secs_f64()
        );
        Self { text, late: true }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_late(&self) -> bool {
        self.late
    }
}

/// A key that seals.
#[derive(Clone)]
pub struct SigningKey {
    id: Arc<str>,
    inner: Inner,
    mode: SignMode,
    members: Arc<Members>,
}

/// What a line says of the key that signed it.
pub(crate) struct Members {
    /// `,"keyid":"…"`
    pub(crate) id: Vec<u8>,
    /// `,"sigalg":"…","signature":"`
    pub(crate) algorithm: Vec<u8>,
}

#[derive(Clone)]
enum Inner {
    /// The keyed state is cloned per signature, so that the key's own blocks are hashed once.
    Hmac(Box<Hmac<Sha256>>, Arc<[u8; 32]>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Host(SignatureAlgorithm, Arc<dyn HostSigner>),
    /// As a lane calls it.
    Bounded(SignatureAlgorithm, Arc<Bounded>),
}

impl Inner {
    fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Hmac(..) => SignatureAlgorithm::HmacSha256,
            Self::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Self::Host(algorithm, _) | Self::Bounded(algorithm, _) => *algorithm,
        }
    }
}

impl SigningKey {
    /// An HMAC-SHA256 key of at least 32 bytes.
    ///
    /// # Errors
    /// The key is too short.
    pub fn hmac(id: &str, key: &[u8]) -> Result<Self> {
        if key.len() < MIN_HMAC_KEY {
            return Err(Error::key(format!(
                "an HMAC-SHA256 key needs at least {MIN_HMAC_KEY} bytes, this one has {}; make one with `sinkwell keys new --alg hmac-sha256`",
                key.len()
            )));
        }
        let mac = Hmac::new_from_slice(key).map_err(|_| Error::key("this HMAC key cannot be used"))?;
        Ok(Self::of(id, Inner::Hmac(Box::new(mac), Arc::new(crate::key::verify::sha256(key)))))
    }

    /// An Ed25519 key.
    #[must_use]
    pub fn ed25519(id: &str, key: ed25519_dalek::SigningKey) -> Self {
        Self::of(id, Inner::Ed25519(Box::new(key)))
    }

    /// A host's signer.
    #[must_use]
    pub fn host(id: &str, algorithm: SignatureAlgorithm, signer: Arc<dyn HostSigner>) -> Self {
        Self::of(id, Inner::Host(algorithm, signer))
    }

    fn of(id: &str, inner: Inner) -> Self {
        let mut members = Members { id: b",\"keyid\":".to_vec(), algorithm: Vec::new() };
        write_string(&mut members.id, id);
        members.algorithm.extend_from_slice(b",\"sigalg\":\"");
        members.algorithm.extend_from_slice(inner.algorithm().name().as_bytes());
        members.algorithm.extend_from_slice(b"\",\"signature\":\"");
        Self { id: id.into(), inner, mode: SignMode::Each, members: Arc::new(members) }
    }

    /// The same key, whose signer, if it is a host's, is called on a thread of its own and waited for so long.
    pub(crate) fn bounded(self, timeout: Duration) -> Self {
        match self.inner {
            Inner::Host(algorithm, signer) => {
                Self { inner: Inner::Bounded(algorithm, Arc::new(Bounded::new(signer, timeout))), ..self }
            }
            _ => self,
        }
    }

    /// The same key with another mode: it signs each envelope (the default) or one of each batch.
    #[must_use]
    pub fn signing(mut self, mode: SignMode) -> Self {
        self.mode = mode;
        self
    }

    /// Which envelopes it signs.
    #[must_use]
    pub fn mode(&self) -> SignMode {
        self.mode
    }

    /// Whether it signs in this process, at once and without failing.
    pub(crate) fn is_local(&self) -> bool {
        !matches!(self.inner, Inner::Host(..) | Inner::Bounded(..))
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    /// What a line says of it.
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// How many bytes a signature has: 32 or 64.
    #[must_use]
    pub fn signature_len(&self) -> usize {
        match self.algorithm() {
            SignatureAlgorithm::HmacSha256 => 32,
            SignatureAlgorithm::Ed25519 => 64,
        }
    }

    /// The key that verifies what this one signs; `None` for a host's signer.
    #[must_use]
    pub fn public(&self) -> Option<VerifyingKey> {
        match &self.inner {
            Inner::Ed25519(key) => Some(VerifyingKey::from_ed25519(key.verifying_key())),
            Inner::Hmac(..) | Inner::Host(..) | Inner::Bounded(..) => None,
        }
    }

    /// For `key_retiring` and `key_active`: SHA-256 of an HMAC key.
    #[must_use]
    pub fn hmac_sha256(&self) -> Option<&[u8; 32]> {
        match &self.inner {
            Inner::Hmac(_, digest) => Some(digest),
            _ => None,
        }
    }

    /// Signs with a key in this process; for a host's signer the answer is empty.
    pub(crate) fn sign_local(&self, message: &[u8]) -> Signature {
        match &self.inner {
            Inner::Hmac(mac, _) => {
                // Not the box: a signature needs no allocation.
                let mut mac = (**mac).clone();
                mac.update(message);
                Signature::from_slice(&mac.finalize().into_bytes())
            }
            Inner::Ed25519(key) => Signature::from_slice(&key.sign(message).to_bytes()),
            Inner::Host(..) | Inner::Bounded(..) => Signature::new(),
        }
    }

    /// Signs each of `messages`, with one call if it is a host's signer; answers the raw signatures.
    ///
    /// # Errors
    /// Only a host's signer can fail; the text is the host's.
    pub(crate) fn sign_all(&self, messages: &[&[u8]]) -> std::result::Result<Vec<Signature>, SignFailure> {
        if self.is_local() {
            return Ok(messages.iter().map(|message| self.sign_local(message)).collect());
        }
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let signatures = match &self.inner {
            Inner::Bounded(_, signer) => signer.sign(messages)?,
            Inner::Host(_, signer) => signer.sign(messages).map_err(SignFailure::said)?,
            Inner::Hmac(..) | Inner::Ed25519(_) => Vec::new(),
        };
        let length = self.signature_len();
        if signatures.len() != messages.len() || signatures.iter().any(|one| one.len() != length) {
            let text = format!("the signer must answer one signature of {length} bytes per input");
            return Err(SignFailure::said(text));
        }
        Ok(signatures.iter().map(|one| Signature::from_slice(one)).collect())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.id, self.algorithm().name())
    }
}
