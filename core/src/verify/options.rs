//! What a verifier is told: whom to trust, and how strict to be.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::key::VerifyingKey;

/// A key that the verifier's user trusts, and for whom.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// The id that envelopes name it by (`keyid`).
    pub id: String,
    /// The key; its file fixes the algorithm.
    pub key: VerifyingKey,
    /// The agents it may seal for: a pattern where `*` stands for any text; `None` means all.
    pub agent: Option<String>,
}

impl TrustedKey {
    /// A key that may seal for every agent.
    #[must_use]
    pub fn new(id: impl Into<String>, key: VerifyingKey) -> Self {
        Self { id: id.into(), key, agent: None }
    }

    /// Reads `ID=[ed25519:|hmac:]FILE[,agent=GLOB]`, the form of the command's `--key`.
    ///
    /// # Errors
    /// Kind `invalid_argument` for the form, `key` for the file.
    pub fn from_argument(argument: &str) -> Result<Self> {
        let bad = || {
            Error::invalid_argument(
                "expected ID=FILE or ID=FILE,agent=GLOB, as in k1=ed25519:agent.pem.pub or k1=hmac:agent.key",
            )
            .at(format!("--key {argument}"))
        };
        let (id, rest) = argument.split_once('=').ok_or_else(bad)?;
        let (file, agent) = match rest.rsplit_once(",agent=") {
            Some((file, agent)) => (file, Some(agent)),
            None => (rest, None),
        };
        if id.is_empty() || file.is_empty() || agent == Some("") {
            return Err(bad());
        }
        let key = VerifyingKey::from_named(file)?;
        Ok(Self { id: id.to_owned(), key, agent: agent.map(str::to_owned) })
    }

    /// Whether it may seal for `agent`.
    pub(super) fn covers(&self, agent: &str) -> bool {
        self.agent.as_deref().is_none_or(|pattern| matches_glob(pattern, agent))
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text, also none, and `?` for one character.
#[must_use]
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: it then stands for one character more.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How to verify. The default has no key, so that nothing can be better than `unchecked`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whom to trust. Without a key, chain and form are checked, but anyone could have made them.
    pub keys: Vec<TrustedKey>,
    /// Report a stream that is not closed and was not heard of for this long before the latest
    /// `recordedtime` of the input.
    pub silence: Option<Duration>,
    /// Report authorization edges (`data.authz`) that lead to no envelope of the input. Costs 8 bytes more
    /// per envelope.
    pub edges: bool,
    /// Notes, and losses that the producer declared, count as findings for the exit status.
    pub strict: bool,
    /// The input is a part of what was written (one file of a rotated set): what lies before the first
    /// envelope of a stream is not missing.
    pub partial: bool,
    /// The lanes of which the input should hold something; empty: those that its checkpoints name.
    pub lanes: Vec<String>,
    /// The longest line that is read, in bytes; a longer one is `malformed`.
    pub max_line: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            silence: None,
            edges: false,
            strict: false,
            partial: false,
            lanes: Vec::new(),
            max_line: 16 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches_glob;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("did:web:a:*", "did:web:a:b/c", true),
            ("did:web:a:*", "did:web:b", false),
            ("*:x:*y", "a:x:b:x:zy", true),
            ("*:x:*y", "a:x:bz", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("a", "a", true),
        ] {
            assert_eq!(matches_glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
