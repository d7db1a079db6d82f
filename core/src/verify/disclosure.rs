//! Disclosures: clear bytes beside the envelope that commits to them (docs/CONTENT.md, "One event, two files").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::json::{Value, parse};

/// What a part's digest begins with.
const PREFIX: &[u8] = b"sinkwell-part-v1\n";

/// What is wrong with the disclosures of an envelope's `data`; `None` if nothing is. The text never quotes content.
pub(super) fn fault(data: &[u8]) -> Option<String> {
    let data = parse(data).ok()?;
    let Some(Value::Array(disclosures)) = data.get("disclosures") else {
        return Some("data.disclosures is not a list".into());
    };
    let parts = data.get("content").map_or(&[][..], Value::items);
    let mut last = None;
    disclosures.iter().enumerate().find_map(|(i, disclosure)| {
        check(disclosure, parts, &mut last).err().map(|why| format!("data.disclosures[{i}]: {why}"))
    })
}

fn check(disclosure: &Value, parts: &[Value], last: &mut Option<i64>) -> Result<(), &'static str> {
    let [_, _, _] = disclosure.members() else {
        return Err("not exactly part, salt, and text or bytes");
    };
    let part = disclosure.get("part").and_then(Value::as_i64).ok_or("no part")?;
    if last.is_some_and(|last| part <= last) {
        return Err("parts are not in ascending order, each once");
    }
    *last = Some(part);
    let committed = usize::try_from(part)
        .ok()
        .and_then(|part| parts.get(part))
        .ok_or("the envelope commits to no such part")?;
    let salt = disclosure
        .get("salt")
        .and_then(Value::as_str)
        .and_then(|salt| STANDARD.decode(salt).ok())
        .filter(|salt| salt.len() == 16)
        .ok_or("the salt is not 16 bytes of base64")?;
    let bytes = match (disclosure.get("text"), disclosure.get("bytes")) {
        (Some(Value::String(text)), None) => text.clone().into_bytes(),
        (None, Some(Value::String(bytes))) => STANDARD.decode(bytes).map_err(|_| "bytes are not base64")?,
        _ => return Err("neither a text nor bytes"),
    };
    let size = committed.get("size").and_then(Value::as_i64).and_then(|size| usize::try_from(size).ok());
    if size != Some(bytes.len()) {
        return Err("it does not have the size that the envelope commits to");
    }
    let digest =
        committed.get("digest").and_then(Value::as_str).and_then(|hex| crate::hex::read(hex.as_bytes()));
    let actual: [u8; 32] =
        Sha256::new().chain_update(PREFIX).chain_update(&salt).chain_update(&bytes).finalize().into();
    if digest != Some(actual) {
        return Err("it is not what the envelope commits to");
    }
    Ok(())
}
