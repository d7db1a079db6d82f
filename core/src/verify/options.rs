//! What a verifier is told: whom to trust, and how strict to be.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::glob;
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
    #[cfg(feature = "intake")]
    pub(crate) fn may_seal_for(&self, agent: &str) -> bool {
        self.covers(agent)
    }

    pub(super) fn covers(&self, agent: &str) -> bool {
        self.agent.as_deref().is_none_or(|pattern| glob::matches(pattern, agent))
    }
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
    /// Keep what [`Verifier::graph`](super::Verifier::graph) needs: some 500 bytes per envelope that says something of
    /// authority, and 8 for each other envelope.
    pub graph: bool,
    /// Keep what [`Verifier::deeds`](super::Verifier::deeds) needs: the attributes of each intent without a result.
    pub deeds: bool,
    /// Keep what [`Verifier::coverage`](super::Verifier::coverage) needs.
    pub coverage: bool,
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
            graph: false,
            deeds: false,
            coverage: false,
            strict: false,
            partial: false,
            lanes: Vec::new(),
            max_line: 16 << 20,
        }
    }
}
