//! Selective disclosure: an envelope commits to a part without containing it.
//!
//! Guarantees: the commitment is SHA-256 over `sinkwell-part-v1`, a newline, the part's 16-byte salt and its
//! redacted bytes, so without the salt even short content cannot be guessed. Every member of a disclosure is checked;
//! removing disclosures changes nothing that is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::hex;
use crate::json::{self, Value};

/// A part's salt.
pub type Salt = [u8; 16];

/// The digest that commits to a part's redacted bytes.
#[must_use]
pub fn commit(bytes: &[u8], salt: &Salt) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"sinkwell-part-v1\n");
    hash.update(salt);
    hash.update(bytes);
    hash.finalize().into()
}

fn altered(place: String, message: &str) -> Error {
    Error::verification(message).at(place)
}

/// Checks every disclosure of an envelope against what the envelope commits to. An envelope without any is
/// sound.
///
/// # Errors
/// Kind `verification`, at the first disclosure that is not exactly what it must be: the finding `altered`.
pub fn check_disclosures(envelope: &Value) -> Result<()> {
    let Some(data) = envelope.get("data") else { return Ok(()) };
    let Some(disclosures) = data.get("disclosures") else { return Ok(()) };
    let Value::Array(disclosures) = disclosures else {
        return Err(altered("data.disclosures".into(), "must be a list"));
    };
    if disclosures.is_empty() {
        return Err(altered("data.disclosures".into(), "is empty instead of absent"));
    }
    let parts = data.get("content").map_or(&[][..], Value::items);
    let mut last: Option<usize> = None;
    for (i, disclosure) in disclosures.iter().enumerate() {
        let place = |member: &str| {
            let dot = if member.is_empty() { "" } else { "." };
            format!("data.disclosures[{i}]{dot}{member}")
        };
        let index = disclosure
            .get("part")
            .and_then(Value::as_i64)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| altered(place("part"), "must be the index of a part"))?;
        if last.is_some_and(|last| index <= last) {
            return Err(altered(
                place("part"),
                "disclosures must be in ascending order, at most one per part",
            ));
        }
        last = Some(index);
        let part = parts.get(index).ok_or_else(|| altered(place("part"), "there is no such part"))?;
        check_one(part, disclosure, &place)?;
    }
    Ok(())
}

fn check_one(part: &Value, disclosure: &Value, place: &dyn Fn(&str) -> String) -> Result<()> {
    let salt = disclosure
        .get("salt")
        .and_then(Value::as_str)
        .and_then(|s| STANDARD.decode(s).ok())
        .and_then(|s| Salt::try_from(s).ok())
        .ok_or_else(|| altered(place("salt"), "must be 16 bytes in base64"))?;
    let bytes = match (disclosure.get("text"), disclosure.get("bytes")) {
        (Some(Value::String(text)), None) => text.as_bytes().to_vec(),
        (None, Some(Value::String(bytes))) => {
            STANDARD.decode(bytes).map_err(|_| altered(place("bytes"), "must be standard base64"))?
        }
        _ => return Err(altered(place(""), "must have exactly one of text and bytes, as a string")),
    };
    if disclosure.members().len() != 3 {
        return Err(altered(place(""), "must have exactly part, salt and one of text and bytes"));
    }
    let size = part.get("size").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
    if size != Some(bytes.len()) {
        return Err(altered(place(""), "its length is not the committed size"));
    }
    let mut digest = Vec::with_capacity(64);
    hex::push(&mut digest, &commit(&bytes, &salt));
    if part.get("digest").and_then(Value::as_str).map(str::as_bytes) != Some(&digest[..]) {
        return Err(altered(place(""), "is not what the envelope commits to"));
    }
    Ok(())
}

/// Takes the member `name` out of an object.
pub(super) fn remove(object: &mut Value, name: &str) -> Option<Value> {
    let Value::Object(members) = object else { return None };
    let at = members.iter().position(|(key, _)| key == name)?;
    Some(members.remove(at).1)
}

/// The member `name` of an object, to change it.
pub(super) fn member_mut<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let Value::Object(members) = object else { return None };
    members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Reads one line as an envelope.
pub(super) fn parse_line(line: &[u8]) -> Result<Value> {
    match json::parse(line) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Error::verification("not an envelope: must be a JSON object")),
        Err(e) => Err(Error::verification(format!("not an envelope: {e}"))),
    }
}

/// The envelope without its disclosures, in canonical form and without a newline. Its signing input and its
/// signature are what they were.
///
/// # Errors
/// Kind `verification`: the line is not an envelope.
pub fn strip(line: &[u8]) -> Result<Vec<u8>> {
    let mut envelope = parse_line(line)?;
    if let Some(data) = member_mut(&mut envelope, "data") {
        remove(data, "disclosures");
    }
    envelope.to_canonical().map_err(|e| Error::verification(e.message()))
}
