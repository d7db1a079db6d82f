//! Keys from files, environment and the generator that a person asks for.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use zeroize::Zeroizing;

use super::{HostSigner, SigningKey};
use crate::error::{Error, Result};
use crate::settings::{KeyConfig, KeySource, SignatureAlgorithm};

/// Loads the key that a configuration names.
///
/// # Errors
/// Kind `key`: unreadable, malformed, too short, readable by others, or a host's signer that is not there.
pub fn load_signing_key(config: &KeyConfig, signer: Option<Arc<dyn HostSigner>>) -> Result<SigningKey> {
    load(config, signer).map(|key| key.signing(config.sign))
}

fn load(config: &KeyConfig, signer: Option<Arc<dyn HostSigner>>) -> Result<SigningKey> {
    let id = &config.id;
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
            None => {
                Err(Error::key("the configuration asks for the host's signer; give one to open(…, signer=…)")
                    .at("key.signer"))
            }
        },
    }
}

const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----";
const PUBLIC: &str = "this is a public key; sealing needs the private one (PKCS#8 PEM), which `sinkwell keys new` writes \
                      beside it, without .pub";

/// Whether a file holds a public key in PEM form.
fn is_public(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).trim_start().starts_with(PUBLIC_PEM)
}

fn ed25519_from_pem(id: &str, pem: &[u8]) -> Result<SigningKey> {
    let text = std::str::from_utf8(pem).unwrap_or_default().trim();
    if text.starts_with(PUBLIC_PEM) {
        return Err(Error::key(PUBLIC));
    }
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text).map_err(|_| {
        Error::key("not an Ed25519 private key in PKCS#8 PEM; make one with `sinkwell keys new`")
    })?;
    Ok(SigningKey::ed25519(id, key))
}

/// Reads a private key's file, refusing one that others can read.
pub(crate) fn read_private(path: &Path, allow_group_readable: bool) -> Result<Zeroizing<Vec<u8>>> {
    let place = path.display().to_string();
    let unreadable = |e: std::io::Error| Error::key(format!("the key file cannot be read: {e}")).at(&*place);
    let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
    let forbidden = if allow_group_readable { 0o027 } else { 0o077 };
    if mode & forbidden != 0 {
        // Whose mode is none of anybody's business.
        if is_public(path) {
            return Err(Error::key(PUBLIC).at(place));
        }
        let remedy = if mode & 0o007 == 0 { ", or allow it with key.allow_group_readable: true" } else { "" };
        return Err(Error::key(format!(
            "others can read this private key (mode {mode:04o}); run `chmod 600` on it{remedy}"
        ))
        .at(place));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(unreadable)
}

/// What [`generate`] wrote.
#[derive(Debug)]
pub struct NewKey {
    /// The private key, or the HMAC key; 0600.
    pub path: PathBuf,
    /// The SPKI PEM beside an Ed25519 key.
    pub public: Option<PathBuf>,
}

/// Makes a key, because a person asked for one. Never overwrites.
///
/// # Errors
/// Kind `key`: the file exists or cannot be written.
pub fn generate(algorithm: SignatureAlgorithm, path: &Path) -> Result<NewKey> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *seed)
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
            if public_path.exists() {
                return Err(Error::key("there is a file of that name already; nothing was changed")
                    .at(public_path.display().to_string()));
            }
            write_new(path, private.as_bytes(), 0o600)?;
            write_new(&public_path, public.as_bytes(), 0o644)?;
            Ok(NewKey { path: path.to_owned(), public: Some(public_path) })
        }
    }
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let place = path.display().to_string();
    let result =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    result.map_err(|e| {
        let what = if e.kind() == std::io::ErrorKind::AlreadyExists {
            "there is a file of that name already; nothing was changed".to_owned()
        } else {
            format!("the key file cannot be written: {e}")
        };
        Error::key(what).at(place)
    })
}
