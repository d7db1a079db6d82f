//! The checking side of a key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::SignatureAlgorithm;
use super::sign::MIN_HMAC_KEY;
use crate::error::{Error, Result};

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A key that checks signatures. Whoever provides the key names its algorithm; no envelope does.
#[derive(Clone)]
pub struct VerifyingKey(Inner);

#[derive(Clone)]
enum Inner {
    Hmac(Box<Hmac<Sha256>>, [u8; 32]),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

/// The words that name a key's algorithm, in front of its file or its bytes.
const NAMES: [(&str, SignatureAlgorithm); 2] =
    [("ed25519:", SignatureAlgorithm::Ed25519), ("hmac:", SignatureAlgorithm::HmacSha256)];

impl VerifyingKey {
    /// Reads the key in a file that a person names: `ed25519:FILE` for an SPKI PEM, or `hmac:FILE` for a file that
    /// holds exactly the key's bytes. Without such a word only an SPKI PEM is accepted: otherwise a public key in any
    /// other form would count as an HMAC key, one that everybody has.
    ///
    /// # Errors
    /// Kind `key`: unreadable, not what it is named, a weak Ed25519 key, or an HMAC key under 32 bytes.
    pub fn from_named(named: impl AsRef<Path>) -> Result<Self> {
        let named = named.as_ref();
        let (name, file) = split(named.as_os_str().as_bytes());
        let file = Path::new(OsStr::from_bytes(file));
        let bytes = zeroize::Zeroizing::new(crate::seam::read(file).map_err(|e| {
            Error::key(format!("the key file cannot be read: {e}")).at(file.display().to_string())
        })?);
        Self::of(name, &bytes, &file.display().to_string()).map_err(|e| e.at(file.display().to_string()))
    }

    /// As [`from_named`](Self::from_named), for a key at hand. The bytes begin with `hmac:`, followed by the key, or
    /// with `ed25519:`, followed by an SPKI PEM, or they are an SPKI PEM.
    ///
    /// # Errors
    /// Kind `key`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (name, bytes) = split(bytes);
        Self::of(name, bytes, "KEY")
    }

    fn of(name: Option<SignatureAlgorithm>, bytes: &[u8], place: &str) -> Result<Self> {
        let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
        match name {
            Some(SignatureAlgorithm::HmacSha256) => Self::hmac(bytes),
            _ if text.starts_with("-----BEGIN ") => Self::spki_pem(text),
            Some(SignatureAlgorithm::Ed25519) => Err(Error::key(
                "an Ed25519 key is given as SPKI PEM (`-----BEGIN PUBLIC KEY-----`), without anything before it",
            )),
            None => Err(Error::key(format!(
                "this is no SPKI PEM, and a key of another form must say what it is: ed25519:{place} (SPKI PEM) or \
                 hmac:{place} (the key's bytes as they are)"
            ))),
        }
    }

    /// An HMAC-SHA256 key.
    ///
    /// # Errors
    /// Kind `key`: under 32 bytes, or a PEM, which everybody may have.
    pub fn hmac(bytes: &[u8]) -> Result<Self> {
        if bytes.windows(PEM.len()).any(|at| at == PEM) {
            return Err(Error::key(
                "this is a PEM, and no HMAC key: everybody may have it; name it ed25519:",
            ));
        }
        if bytes.len() < MIN_HMAC_KEY {
            return Err(Error::key(format!(
                "an HMAC-SHA256 key needs at least {MIN_HMAC_KEY} bytes; this one has {}",
                bytes.len()
            )));
        }
        let mac = Hmac::new_from_slice(bytes).map_err(|_| Error::key("this HMAC key cannot be used"))?;
        Ok(Self(Inner::Hmac(Box::new(mac), sha256(bytes))))
    }

    fn spki_pem(text: &str) -> Result<Self> {
        if !text.starts_with("-----BEGIN PUBLIC KEY-----") {
            return Err(Error::key(
                "a verifier needs the public key: give the SPKI PEM (`-----BEGIN PUBLIC KEY-----`), the file that ends in .pub",
            ));
        }
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text)
            .map_err(|_| Error::key("this PEM holds no Ed25519 public key"))?;
        if key.is_weak() {
            return Err(Error::key("this Ed25519 public key has small order and proves nothing"));
        }
        Ok(Self::from_ed25519(key))
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
                .is_ok_and(|signature| strictly(key, &parts.concat(), &signature)),
        }
    }
}

/// The encodings of the eight points of small order (the torsion subgroup of edwards25519), in canonical form.
const SMALL_ORDER: [[u8; 32]; 8] = {
    const fn point(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        bytes[0] = first;
        bytes[31] = last;
        bytes
    }
    const EIGHTH: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const THREE_EIGHTHS: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    const fn mirrored(mut point: [u8; 32]) -> [u8; 32] {
        point[31] |= 0x80;
        point
    }
    [
        point(1, 0, 0),
        point(0xec, 0xff, 0x7f),
        point(0, 0, 0),
        point(0, 0, 0x80),
        EIGHTH,
        mirrored(EIGHTH),
        THREE_EIGHTHS,
        mirrored(THREE_EIGHTHS),
    ]
};

/// The same as `verify_strict`, without decompressing R: `verify` computes R and compares encodings, so an R that it
/// accepts is canonical, and is of small order only if its bytes are among these.
fn strictly(key: &ed25519_dalek::VerifyingKey, message: &[u8], signature: &ed25519_dalek::Signature) -> bool {
    use ed25519_dalek::Verifier as _;
    !SMALL_ORDER.contains(signature.r_bytes()) && !key.is_weak() && key.verify(message, signature).is_ok()
}

/// How a PEM begins, whatever stands before it.
const PEM: &[u8] = b"-----BEGIN ";

/// The algorithm that a key is named with, and what follows its name.
fn split(named: &[u8]) -> (Option<SignatureAlgorithm>, &[u8]) {
    NAMES
        .iter()
        .find_map(|(name, algorithm)| Some((Some(*algorithm), named.strip_prefix(name.as_bytes())?)))
        .unwrap_or((None, named))
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({})", self.algorithm().name())
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::scalar::Scalar;
    use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _};
    use sha2::{Digest as _, Sha512};

    use super::*;

    #[test]
    fn these_are_the_points_of_small_order() {
        let mut all: Vec<_> = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
        let mut ours = SMALL_ORDER.to_vec();
        all.sort_unstable();
        ours.sort_unstable();
        assert_eq!(all, ours);
    }

    #[test]
    fn strictly_is_what_verify_strict_says() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key();
        let judge = |message: &[u8], signature: &Signature| {
            let strict = public.verify_strict(message, signature).is_ok();
            assert_eq!(strictly(&public, message, signature), strict, "{signature:?}");
            strict
        };
        let good = key.sign(b"said");
        assert!(judge(b"said", &good) && !judge(b"told", &good));
        for bit in 0..512 {
            let mut bytes = good.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!judge(b"said", &Signature::from_bytes(&bytes)));
        }
        // With R the neutral element and S = k·a the equation holds: only strictness refuses this signature.
        let neutral = SMALL_ORDER[0];
        let k = Sha512::new().chain_update(neutral).chain_update(public.as_bytes()).chain_update(b"said");
        let s = Scalar::from_bytes_mod_order_wide(&k.finalize().into()) * key.to_scalar();
        let forged = Signature::from_components(neutral, s.to_bytes());
        assert!(public.verify(b"said", &forged).is_ok());
        assert!(!judge(b"said", &forged));
        // And a key of small order, with which anybody could sign.
        for point in SMALL_ORDER {
            let weak = ed25519_dalek::VerifyingKey::from_bytes(&point).unwrap();
            assert!(!strictly(&weak, b"said", &good));
        }
    }
}
