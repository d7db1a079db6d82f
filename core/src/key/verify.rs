//! The checking side of a key.

use std::path::Path;

use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::sign::MIN_HMAC_KEY;
use crate::config::SignatureAlgorithm;
use crate::error::{Error, Result};

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A key that checks signatures. Its file fixes the algorithm.
#[derive(Clone)]
pub struct VerifyingKey(Inner);

#[derive(Clone)]
enum Inner {
    Hmac(Box<Hmac<Sha256>>, [u8; 32]),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

impl VerifyingKey {
    /// Reads a key file: SPKI PEM is Ed25519; any other bytes, exactly as they are, are an HMAC key.
    ///
    /// # Errors
    /// Kind `key`: unreadable, another PEM, a weak Ed25519 key, or an HMAC key under 32 bytes.
    pub fn from_file(path: &Path) -> Result<Self> {
        let bytes = zeroize::Zeroizing::new(std::fs::read(path).map_err(|e| {
            Error::key(format!("the key file cannot be read: {e}")).at(path.display().to_string())
        })?);
        Self::from_bytes(&bytes).map_err(|e| e.at(path.display().to_string()))
    }

    /// As [`from_file`](Self::from_file), from the file's bytes.
    ///
    /// # Errors
    /// Kind `key`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if let Ok(text) = std::str::from_utf8(bytes)
            && text.trim_start().starts_with("-----BEGIN ")
        {
            if !text.trim_start().starts_with("-----BEGIN PUBLIC KEY-----") {
                return Err(Error::key(
                    "a verifier needs the public key: give the SPKI PEM (`-----BEGIN PUBLIC KEY-----`), the file that ends in .pub",
                ));
            }
            let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text.trim())
                .map_err(|_| Error::key("this PEM holds no Ed25519 public key"))?;
            if key.is_weak() {
                return Err(Error::key("this Ed25519 public key has small order and proves nothing"));
            }
            return Ok(Self::from_ed25519(key));
        }
        if bytes.len() < MIN_HMAC_KEY {
            return Err(Error::key(format!(
                "not a PEM file, so an HMAC-SHA256 key, which needs at least {MIN_HMAC_KEY} bytes; this one has {}",
                bytes.len()
            )));
        }
        let mac = Hmac::new_from_slice(bytes).map_err(|_| Error::key("this HMAC key cannot be used"))?;
        Ok(Self(Inner::Hmac(Box::new(mac), sha256(bytes))))
    }

    pub(super) fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Self {
        Self(Inner::Ed25519(Box::new(key)))
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match &self.0 {
            Inner::Hmac(..) => SignatureAlgorithm::HmacSha256,
            Inner::Ed25519(_) => SignatureAlgorithm::Ed25519,
        }
    }

    /// The SPKI DER of an Ed25519 key.
    #[must_use]
    pub fn spki_der(&self) -> Option<Vec<u8>> {
        match &self.0 {
            Inner::Ed25519(key) => key.to_public_key_der().ok().map(|der| der.as_bytes().to_vec()),
            Inner::Hmac(..) => None,
        }
    }

    /// The raw 32 bytes of an Ed25519 public key.
    #[must_use]
    pub fn ed25519_bytes(&self) -> Option<[u8; 32]> {
        match &self.0 {
            Inner::Ed25519(key) => Some(key.to_bytes()),
            Inner::Hmac(..) => None,
        }
    }

    /// SHA-256 of an HMAC key, as `key_retiring` names it.
    #[must_use]
    pub fn hmac_sha256(&self) -> Option<[u8; 32]> {
        match &self.0 {
            Inner::Hmac(_, digest) => Some(*digest),
            Inner::Ed25519(_) => None,
        }
    }

    /// Whether `signature` over the concatenation of `parts` is this key's. Ed25519 strictly, HMAC in
    /// constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        match &self.0 {
            Inner::Hmac(mac, _) => {
                let mut mac = mac.clone();
                for part in parts {
                    mac.update(part);
                }
                mac.verify_slice(signature).is_ok()
            }
            Inner::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(&parts.concat(), &signature).is_ok()),
        }
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({})", self.algorithm().name())
    }
}
