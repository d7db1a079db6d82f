//! Tree heads as signed notes: C2SP `tlog-checkpoint` and `signed-note`.
//!
//! Guarantees: the text is `origin`, size and base64 root, each on a line; the signature line is
//! `— name base64(key id ‖ Ed25519 signature)`, the signature over the text with its last newline, so that
//! an existing witness can check and co-sign it. The name is the origin. With an HMAC key, or a host's signer whose
//! public key is not known here, the note is unsigned; the sealed `tree_head` envelope then vouches for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::merkle::Hash;
use super::parse_count;
use crate::error::{Error, ErrorKind, Result};
use crate::hex;
use crate::json::Value;
use crate::key::{SigningKey, VerifyingKey};
use crate::settings::SignatureAlgorithm;

/// The signature type of Ed25519 in signed notes.
const ED25519: u8 = 0x01;

/// A tree head: the state of a log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// The log's name: unique, and fixed when the database is made.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A tree head as text, signed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

impl TreeHead {
    /// The unsigned text: three lines.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The note, signed where the key is Ed25519 and its public half is known.
    ///
    /// # Errors
    /// Kind `key`: the signer failed.
    pub fn note(&self, key: Option<&SigningKey>) -> Result<Note> {
        let mut text = self.text();
        let signer = key.filter(|key| key.algorithm() == SignatureAlgorithm::Ed25519);
        if let Some((key, public)) = signer.and_then(|key| Some((key, key.public()?.ed25519_bytes()?))) {
            let mut blob = key_id(&self.origin, &public).to_vec();
            // Where the public half is known, this process has the private key.
            let signature = key.sign_local(text.as_bytes());
            blob.extend_from_slice(&signature);
            text.push_str(&format!("\n— {} {}\n", self.origin, STANDARD.encode(blob)));
        } else {
            text.push('\n');
        }
        Ok(Note(text))
    }

    /// The head as JSON: `origin`, `size`, `root`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(vec![
            ("origin".into(), self.origin.as_str().into()),
            ("size".into(), super::number(self.size)),
            ("root".into(), hex::text(&self.root).into()),
        ])
    }
}

impl Note {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a note from its text, checking its form only.
    ///
    /// # Errors
    /// Kind `invalid_argument`: not a checkpoint.
    pub fn parse(text: &str) -> Result<Self> {
        let note = Self(text.to_owned());
        note.head()?;
        Ok(note)
    }

    /// The head that the note states; its signatures are not checked.
    ///
    /// # Errors
    /// Kind `invalid_argument`: not a checkpoint.
    pub fn head(&self) -> Result<TreeHead> {
        let bad = || {
            Error::new(
                ErrorKind::InvalidArgument,
                "not a tree head: expected a signed note of origin, size and base64 root (C2SP tlog-checkpoint)",
            )
        };
        let (text, _) = self.0.split_once("\n\n").ok_or_else(bad)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(bad());
        };
        Ok(TreeHead {
            origin: origin.to_owned(),
            size: parse_count(size).ok_or_else(bad)?,
            root: STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or_else(bad)?,
        })
    }

    /// Whether one of the signatures is by this key under the note's own origin.
    #[must_use]
    pub fn signed_by(&self, key: &VerifyingKey) -> bool {
        let (Some((body, signatures)), Some(public)) = (self.0.split_once("\n\n"), key.ed25519_bytes())
        else {
            return false;
        };
        let text = format!("{body}\n");
        let origin = body.split('\n').next().unwrap_or_default();
        signatures.lines().any(|line| {
            line.strip_prefix("— ")
                .and_then(|line| line.split_once(' '))
                .filter(|(name, _)| *name == origin)
                .and_then(|(_, blob)| STANDARD.decode(blob).ok())
                .and_then(|blob| blob.strip_prefix(&key_id(origin, &public)).map(<[u8]>::to_vec))
                .is_some_and(|signature| key.verify(&[text.as_bytes()], &signature))
        })
    }
}

/// The key in the form that witnesses and `sumdb` tools take: `name+id+base64(type ‖ key)`.
#[must_use]
pub fn verifier_key(origin: &str, key: &VerifyingKey) -> Option<String> {
    let public = key.ed25519_bytes()?;
    let mut blob = vec![ED25519];
    blob.extend_from_slice(&public);
    Some(format!("{origin}+{}+{}", hex::text(&key_id(origin, &public)), STANDARD.encode(blob)))
}

/// The first four bytes of `SHA-256(name ‖ "\n" ‖ type ‖ key)`.
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([b'\n', ED25519]);
    hash.update(public);
    let digest = hash.finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Checks that an origin may be the name in a note.
///
/// # Errors
/// Kind `invalid_config`: empty, with spaces, `+` or control characters, or the prefix of sealed bytes.
pub(super) fn check_origin(origin: &str) -> Result<()> {
    // One key may sign notes and envelopes, so that a note must never look like an envelope's signing input.
    let fits = !origin.is_empty()
        && !origin.starts_with("sinkwell-event-")
        && !origin.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control());
    if fits {
        Ok(())
    } else {
        Err(Error::invalid_config(
            "the origin of an audit log must be a name without spaces and `+`, as `example.com/audit`",
        ))
    }
}
