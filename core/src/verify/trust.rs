//! An envelope's own check: schema, signature, form, disclosures, without regard to its neighbours.

use std::borrow::Cow;

use super::disclosure;
use super::envelope::Envelope;
use super::options::TrustedKey;
use super::report::FindingKind;

/// What is wrong, and a note on it.
pub(super) type Fault = (FindingKind, Cow<'static, str>);

/// Checks an envelope by itself. The answer is the index of the key that sealed it; `None` when no keys are
/// given, in which case the form is all there is to check.
pub(super) fn check(envelope: &Envelope<'_>, keys: &[TrustedKey]) -> Result<Option<usize>, Fault> {
    if let Some(version) = &envelope.unknown_schema {
        let note = format!("this verifier knows version 1 of the schema, not {version}; use a newer one");
        return Err((FindingKind::UnknownSchema, note.into()));
    }
    let key = if keys.is_empty() { None } else { Some(signature(envelope, keys)?) };
    if let Some(form) = &envelope.form {
        return Err((FindingKind::Malformed, form.clone().into()));
    }
    let seal = &envelope.seal;
    let parts = [seal.sigalg.is_some(), seal.keyid.is_some(), seal.signature.is_some()];
    if key.is_none() && parts.contains(&true) {
        let good = matches!((&seal.sigalg, &seal.signature), (Some(alg), Some(Some(_))) if is_algorithm(alg));
        if parts.contains(&false) || !good {
            let note = "sigalg, keyid and signature are not all there, or not in the form that they have";
            return Err((FindingKind::Malformed, note.into()));
        }
    }
    Ok(key)
}

/// What is wrong with what travels outside of the signature.
pub(super) fn disclosures(envelope: &Envelope<'_>) -> Option<Fault> {
    if !envelope.has_disclosures {
        return None;
    }
    disclosure::fault(envelope.data).map(|note| (FindingKind::Altered, note.into()))
}

fn is_algorithm(name: &str) -> bool {
    matches!(name, "hmac-sha256" | "ed25519")
}

/// Checks the signature; answers which key made it.
fn signature(envelope: &Envelope<'_>, keys: &[TrustedKey]) -> Result<usize, Fault> {
    let altered = |note: &'static str| (FindingKind::Altered, Cow::Borrowed(note));
    let seal = &envelope.seal;
    let (alg, id, signature) = match (&seal.sigalg, &seal.keyid, &seal.signature) {
        (None, None, None) => {
            return Err((FindingKind::Unsigned, "no signature, though a key was given".into()));
        }
        (Some(alg), Some(id), Some(signature)) => (alg, id, signature),
        _ => return Err(altered("sigalg, keyid and signature are not all there")),
    };
    let mut named = keys.iter().enumerate().filter(|(_, key)| key.id == **id).peekable();
    if named.peek().is_none() {
        let note = format!("signed by the key {id:?}, which was not given");
        return Err((FindingKind::UnknownKey, note.into()));
    }
    let Some(signature) = signature else { return Err(altered("the signature is not base64")) };
    let mut fault = altered("the signature is not that of the key for these bytes");
    for (index, key) in named {
        if key.key.algorithm().name() != &**alg {
            fault = altered("sigalg is not the algorithm of the key");
        } else if key.key.verify(&envelope.signing_input(), signature) {
            if key.covers(&envelope.agentid) {
                return Ok(index);
            }
            return Err(altered("the key is not bound to this agent"));
        }
    }
    Err(fault)
}
