//! Keys from files, environment and the generator that a person asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use zeroize::Zeroizing;

use super::{HostSigner, KeyConfig, KeySource, SignatureAlgorithm, SigningKey};
use crate::error::{Error, Result};
use crate::seam::{self, PUBLIC_KEY, PUBLIC_PEM, read_private, remove, write_new};

/// Loads the key that a configuration names.
///
/// # Errors
/// Kind `key`: the key is unreadable, malformed, too short or readable by others, or the host has passed no signer, or one
/// that the configuration does not ask for.
pub fn load_signing_key(config: &KeyConfig, signer: Option<Arc<dyn HostSigner>>) -> Result<SigningKey> {
    load(config, signer).map(|key| key.signing(config.sign))
}

fn load(config: &KeyConfig, signer: Option<Arc<dyn HostSigner>>) -> Result<SigningKey> {
    let id = &config.id;
    if signer.is_some() && !matches!(config.source, KeySource::Host(_)) {
        return Err(unasked_signer());
    }
    match &config.source {
        KeySource::Ed25519File(path) => {
            let bytes = read_private(path, config.allow_group_readable)?;
            ed25519_from_pem(id, &bytes).map_err(|e| e.at(path.display().to_string()))
        }
        KeySource::Ed25519Pem(pem) => ed25519_from_pem(id, pem.expose()).map_err(|e| e.at("key.ed25519")),
        KeySource::HmacFile(path) => {
            let bytes = read_private(path, config.allow_group_readable)?;
            SigningKey::hmac(id, &bytes).map_err(|e| e.at(path.display().to_string()))
        }
        KeySource::HmacBytes(bytes) => {
            SigningKey::hmac(id, bytes.expose()).map_err(|e| e.at("key.hmac_sha256"))
        }
        KeySource::Host(algorithm) => match signer {
            Some(signer) => Ok(SigningKey::host(id, *algorithm, signer)),
            None => Err(Error::key(
                "the configuration asks for the program's signer; pass one where the key is opened",
            )
            .at("key.signer")),
        },
    }
}

/// What a signer of the host's comes to that would sign nothing: its owner believes that it does.
pub(crate) fn unasked_signer() -> Error {
    let what = "the program passes a signer that no key of the configuration asks for; say `key: { id: …, alg: …, signer: host }`, or \
                pass none";
    Error::key(what).at("key.signer")
}

fn ed25519_from_pem(id: &str, pem: &[u8]) -> Result<SigningKey> {
    let text = std::str::from_utf8(pem).unwrap_or_default().trim();
    if text.starts_with(PUBLIC_PEM) {
        return Err(Error::key(PUBLIC_KEY));
    }
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text).map_err(|_| {
        Error::key("not an Ed25519 private key in PKCS#8 PEM; make one with `sinkwell keys new`")
    })?;
    Ok(SigningKey::ed25519(id, key))
}

/// What [`generate`] wrote.
#[derive(Debug)]
pub struct NewKey {
    /// The private key, or the HMAC key; 0600.
    pub path: PathBuf,
    /// The SPKI PEM beside an Ed25519 key.
    pub public: Option<PathBuf>,
}

/// Makes a key, for a person who asks for one. Never overwrites a file.
///
/// # Errors
/// Kind `key`: the file exists or cannot be written.
pub fn generate(algorithm: SignatureAlgorithm, path: &Path) -> Result<NewKey> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    seam::fill(&mut *seed)
        .map_err(|e| Error::key(format!("the operating system gives no random bytes: {e}")))?;
    match algorithm {
        SignatureAlgorithm::HmacSha256 => {
            write_new(path, &*seed, 0o600)?;
            Ok(NewKey { path: path.to_owned(), public: None })
        }
        SignatureAlgorithm::Ed25519 => {
            let key = ed25519_dalek::SigningKey::from_bytes(&seed);
            let encode = |_| Error::internal("the new key could not be encoded");
            let private = key.to_pkcs8_pem(LineEnding::LF).map_err(encode)?;
            let public = key
                .verifying_key()
                .to_public_key_pem(LineEnding::LF)
                .map_err(|_| Error::internal("the new key could not be encoded"))?;
            let mut public_path = path.as_os_str().to_owned();
            public_path.push(".pub");
            let public_path = PathBuf::from(public_path);
            if seam::exists(&public_path) {
                return Err(Error::key("there is a file of that name already; nothing was changed")
                    .at(public_path.display().to_string()));
            }
            write_new(path, private.as_bytes(), 0o600)?;
            // Without its public half nobody could verify what the key seals.
            write_new(&public_path, public.as_bytes(), 0o644).inspect_err(|_| remove(path))?;
            Ok(NewKey { path: path.to_owned(), public: Some(public_path) })
        }
    }
}
