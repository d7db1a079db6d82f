//! Disclosed content under the names of the GenAI semantic conventions.
//!
//! Guarantees: only what stands in `data.disclosures` is read, so a lane that may not see a part sends
//! nothing of it. The conventions' message form is used: `[{"role": …, "parts": [{"type": "text",
//! "content": …}]}]`. Classes for which there is no convention (`memory`, `file`, a host's own) stay in
//! the body only. Nothing is made up: a finish reason that nobody gave is absent.

use crate::json::{Value, parse};

use super::record::ATTRIBUTES;
use super::scan::{Malformed, Scanner};
use super::semconv::Names;
use super::value::{Scalar, put_pair, put_pair_nested};

/// Appends the attributes for the parts that `disclosures` discloses.
pub(super) fn put(
    out: &mut Vec<u8>,
    content: &[u8],
    disclosures: &[u8],
    names: &Names,
) -> Result<(), Malformed> {
    let content = parse(content).map_err(|_| Malformed)?;
    let disclosures = parse(disclosures).map_err(|_| Malformed)?;
    let (mut input, mut output, mut system) = (Vec::new(), Vec::new(), Vec::new());
    let mut tool: [Option<&str>; 2] = [None, None];
    for disclosure in disclosures.items() {
        let part = disclosure.get("part").and_then(Value::as_i64).and_then(|i| usize::try_from(i).ok());
        let Some(commitment) = part.and_then(|i| content.items().get(i)) else { continue };
        let class = commitment.get("class").and_then(Value::as_str).unwrap_or_default();
        let role = commitment.get("role").and_then(Value::as_str);
        let text = disclosure.get("text").and_then(Value::as_str);
        match (class, role) {
            ("system", _) => system.push(message_part(commitment, disclosure)),
            ("completion", _) | ("message", Some("assistant")) => {
                output.push(message(role.unwrap_or("assistant"), commitment, disclosure));
            }
            ("prompt" | "message", _) => {
                input.push(message(role.unwrap_or("user"), commitment, disclosure));
            }
            ("tool_arguments", _) => tool[0] = tool[0].or(text),
            ("tool_result", _) => tool[1] = tool[1].or(text),
            _ => {}
        }
    }
    let lists = [
        (&names.input_messages, input),
        (&names.output_messages, output),
        (&names.system_instructions, system),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            put_tree(out, name, &Value::Array(list))?;
        }
    }
    for (name, text) in [(&names.tool_arguments, tool[0]), (&names.tool_result, tool[1])] {
        if let Some(text) = text {
            put_pair(out, ATTRIBUTES, name.as_bytes(), Scalar::String(text.as_bytes()));
        }
    }
    Ok(())
}

fn message(role: &str, commitment: &Value, disclosure: &Value) -> Value {
    let parts = Value::Array(vec![message_part(commitment, disclosure)]);
    Value::Object(vec![("role".into(), role.into()), ("parts".into(), parts)])
}

/// A text part, or a blob with its media type and modality.
fn message_part(commitment: &Value, disclosure: &Value) -> Value {
    let string = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    if disclosure.get("text").is_some() {
        let text = string(disclosure, "text");
        return Value::Object(vec![("type".into(), "text".into()), ("content".into(), text.into())]);
    }
    let mediatype = string(commitment, "mediatype");
    let mut blob =
        vec![("type".into(), "blob".into()), ("content".into(), string(disclosure, "bytes").into())];
    if let Some((modality @ ("image" | "audio" | "video"), _)) = mediatype.split_once('/') {
        blob.push(("modality".into(), modality.into()));
    }
    blob.push(("mime_type".into(), mediatype.into()));
    Value::Object(blob)
}

fn put_tree(out: &mut Vec<u8>, name: &str, tree: &Value) -> Result<(), Malformed> {
    let text = tree.to_canonical().map_err(|_| Malformed)?;
    let mut scanner = Scanner::new(&text);
    let token = scanner.token()?;
    put_pair_nested(out, ATTRIBUTES, name.as_bytes(), &mut scanner, &token, &mut Vec::new())
}
