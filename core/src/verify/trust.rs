//! An envelope's own check: schema, form, signature, disclosures, without regard to its neighbours.

use std::borrow::Cow;

use super::disclosure;
use super::options::TrustedKey;
use super::report::FindingKind;
use crate::envelope::line::{Envelope, Seal};
use crate::envelope::seal_message;
use crate::sink::EnvelopeHash;

/// What is wrong, and a note on it.
pub(super) type Fault = (FindingKind, Cow<'static, str>);

/// What an envelope's own signature says of it.
pub(super) enum Standing {
    /// It is good, and made by the key with this index; without keys, form is all there is to check.
    Good(Option<usize>),
    /// It has none: a later one may cover it.
    Unsigned,
    /// It is wrong, or cannot be checked: a later one may cover the envelope all the same.
    Wrong(Fault),
}

/// The fault of an envelope whose schema this verifier does not know.
pub(super) fn schema(envelope: &Envelope<'_>) -> Option<Fault> {
    let version = envelope.unknown_schema.as_ref()?;
    let note = format!("this verifier knows version 1 of the schema, not {version}; use a newer one");
    Some((FindingKind::UnknownSchema, note.into()))
}

/// What a signature of `hash` by one of `keys` is worth; `agent` is whose envelope it is, where that is known.
pub(super) fn signature(
    seal: &Seal<'_>,
    hash: &EnvelopeHash,
    agent: Option<&str>,
    keys: &[TrustedKey],
) -> Standing {
    let altered = |note: &'static str| Standing::Wrong((FindingKind::Altered, Cow::Borrowed(note)));
    if seal.is_absent() {
        return if keys.is_empty() { Standing::Good(None) } else { Standing::Unsigned };
    }
    let (Some(alg), Some(id), Some(signature)) = (&seal.sigalg, &seal.keyid, &seal.signature) else {
        return altered("sigalg, keyid and signature are not all there");
    };
    if seal.odd {
        return altered("one of sigalg, keyid and signature is no string");
    }
    let Some(signature) = signature else { return altered("the signature is not base64") };
    if keys.is_empty() {
        return if is_algorithm(alg) {
            Standing::Good(None)
        } else {
            altered("sigalg is no algorithm that envelopes are signed by")
        };
    }
    let mut named = keys.iter().enumerate().filter(|(_, key)| key.id == **id).peekable();
    if named.peek().is_none() {
        let note = format!("signed by the key {id:?}, which was not given");
        return Standing::Wrong((FindingKind::UnknownKey, note.into()));
    }
    let message = seal_message(hash);
    let mut fault = "the signature is not that of the key for this envelope";
    let mut elsewhere = false;
    for (index, key) in named {
        if key.key.algorithm().name() != &**alg {
            fault = "sigalg is not the algorithm of the key";
        } else if key.key.verify(&[&message], signature) {
            if agent.is_none_or(|agent| key.covers(agent)) {
                return Standing::Good(Some(index));
            }
            // The same key may be given again, for other agents.
            elsewhere = true;
        }
    }
    altered(if elsewhere { "the key is not bound to this agent" } else { fault })
}

fn is_algorithm(name: &str) -> bool {
    matches!(name, "hmac-sha256" | "ed25519")
}

/// The fault of an envelope's disclosures, which the digest does not cover.
pub(super) fn disclosures(envelope: &Envelope<'_>) -> Option<Fault> {
    if !envelope.has_disclosures {
        return None;
    }
    disclosure::fault(envelope.data).map(|note| (FindingKind::Altered, note.into()))
}
