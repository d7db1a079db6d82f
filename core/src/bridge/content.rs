//! Content attributes into content parts: the conventions' message form taken apart.
//!
//! Guarantees: nothing of type `reasoning` or `thinking` gets into a part. A text that looks like JSON and
//! cannot be read as messages might hold some, so it is left out as a whole and counted.
//!
//! Both forms of messages are read: `{role, parts: [{type, content, …}]}` of the conventions, and `{role, content}`
//! as chat APIs have it. A message's text is one part; a tool's call and its result are parts of their own
//! classes; what has another type goes along as its JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::names::SpanNames;
use super::span::Span;
use crate::json::{Value, parse};

/// The content of a span: its parts, and how many attributes could not be read.
#[derive(Default)]
pub(super) struct Content {
    pub(super) parts: Vec<Value>,
    pub(super) left_out: i64,
}

/// Where messages stand in a span.
#[derive(Clone, Copy)]
enum Side {
    System,
    Input,
    Output,
}

impl Side {
    const fn class(self, role: Option<&str>) -> &'static str {
        match (self, role) {
            (Self::System, _) => "system",
            (Self::Output, _) => "completion",
            (Self::Input, role) => match role {
                Some(role) => match role.as_bytes() {
                    b"system" | b"developer" => "system",
                    b"assistant" => "message",
                    b"tool" => "tool_result",
                    _ => "prompt",
                },
                None => "prompt",
            },
        }
    }
}

/// The content that a span carries.
pub(super) fn of(span: &Span<'_>, names: &SpanNames) -> Content {
    let mut content = Content::default();
    let sides = [
        (&names.system_instructions, Side::System),
        (&names.input_messages, Side::Input),
        (&names.output_messages, Side::Output),
    ];
    for (name, side) in sides {
        if let Some(value) = span.get(name).or_else(|| span.messages(name)) {
            content.messages(value, side, span.permit);
        }
    }
    for (name, class) in [(&names.tool_arguments, "tool_arguments"), (&names.tool_result, "tool_result")] {
        if let Some(value) = span.get(name) {
            content.parts.push(whole(class, None, value, span.permit));
        }
    }
    for part in span.step.map(|step| step.content).unwrap_or_default() {
        let mut part = part.clone();
        if let (Value::Object(members), Some(permit)) = (&mut part, span.permit)
            && !members.iter().any(|(name, _)| name == "permit")
        {
            members.push(("permit".to_owned(), permit.into()));
        }
        content.parts.push(part);
    }
    content
}

impl Content {
    fn messages(&mut self, value: &Value, side: Side, permit: Option<&str>) {
        let parsed;
        let list = match value {
            Value::String(text) if looks_like_json(text) => match parse(text.as_bytes()) {
                Ok(value) => {
                    parsed = value;
                    &parsed
                }
                Err(_) => return self.left_out += 1,
            },
            other => other,
        };
        match list {
            Value::String(text) if text.is_empty() => {}
            Value::String(_) => self.parts.push(whole(side.class(None), role_of(side), list, permit)),
            Value::Array(messages) => {
                let before = self.parts.len();
                let mut skipped = false;
                for message in messages {
                    skipped |= !self.message(message, side, permit);
                }
                self.left_out += i64::from(skipped && self.parts.len() == before);
            }
            // A prompt given as `{system, prompt, messages}`.
            Value::Object(_) => {
                let known = [("system", Side::System), ("prompt", side), ("messages", side)];
                let found: Vec<_> =
                    known.iter().filter_map(|(key, side)| Some((list.get(key)?, *side))).collect();
                if found.is_empty() && !self.message(list, side, permit) {
                    self.left_out += 1;
                }
                for (value, side) in found {
                    self.messages(value, side, permit);
                }
            }
            _ => self.left_out += 1,
        }
    }

    /// Takes a message apart, or a part that stands alone (system instructions are such); `false` if it was neither.
    fn message(&mut self, message: &Value, side: Side, permit: Option<&str>) -> bool {
        let role = message.get("role").and_then(Value::as_str).or(role_of(side));
        let parts =
            message.get("parts").or_else(|| message.get("content").filter(|_| message.get("type").is_none()));
        match (message, parts) {
            (Value::String(_), _) => self.parts.push(whole(side.class(role), role, message, permit)),
            (_, Some(text @ Value::String(_))) => {
                self.parts.push(whole(side.class(role), role, text, permit));
            }
            (_, Some(Value::Array(parts))) => {
                parts.iter().for_each(|part| self.part(part, side, role, permit))
            }
            (Value::Object(_), None) if message.get("type").is_some() => {
                self.part(message, side, role, permit)
            }
            (_, Some(Value::Null)) => {}
            _ => return false,
        }
        true
    }

    fn part(&mut self, part: &Value, side: Side, role: Option<&str>, permit: Option<&str>) {
        let of = |names: &[&str]| names.iter().find_map(|name| part.get(name).filter(|v| **v != Value::Null));
        let class = side.class(role);
        let made = match part.get("type").and_then(Value::as_str) {
            Some("reasoning" | "thinking" | "redacted_thinking" | "chain_of_thought") => return,
            Some("text" | "input_text" | "output_text") | None => {
                match of(&["content", "text"]).or_else(|| part.as_str().map(|_| part)) {
                    Some(text @ Value::String(_)) => whole(class, role, text, permit),
                    _ => return self.left_out += 1,
                }
            }
            Some("tool_call" | "tool-call" | "function_call" | "tool_use") => {
                match of(&["arguments", "input", "args"]) {
                    Some(arguments) => whole("tool_arguments", role, arguments, permit),
                    None => return,
                }
            }
            Some("tool_call_response" | "tool-result" | "function_call_output" | "tool_result") => {
                match of(&["response", "result", "output", "content"]) {
                    Some(result) => whole("tool_result", role, result, permit),
                    None => return,
                }
            }
            Some("blob") => {
                match of(&["content"]).and_then(Value::as_str).filter(|text| STANDARD.decode(text).is_ok()) {
                    Some(bytes) => {
                        let mediatype = of(&["mime_type"]).and_then(Value::as_str);
                        built(
                            class,
                            role,
                            mediatype.unwrap_or("application/octet-stream"),
                            "bytes",
                            bytes,
                            permit,
                        )
                    }
                    None => return self.left_out += 1,
                }
            }
            Some(_) => whole(class, role, part, permit),
        };
        self.parts.push(made);
    }
}

/// Text is text; anything else is its JSON.
fn whole(class: &str, role: Option<&str>, value: &Value, permit: Option<&str>) -> Value {
    match value {
        Value::String(text) => {
            let mediatype = if looks_like_json(text) { "application/json" } else { "text/plain" };
            built(class, role, mediatype, "text", text, permit)
        }
        other => built(class, role, "application/json", "text", &other.to_json(), permit),
    }
}

fn built(
    class: &str,
    role: Option<&str>,
    mediatype: &str,
    kind: &str,
    body: &str,
    permit: Option<&str>,
) -> Value {
    let mut members = vec![
        ("class".to_owned(), class.into()),
        ("mediatype".to_owned(), mediatype.into()),
        (kind.to_owned(), body.into()),
    ];
    // A role of another form would have the event refused.
    members.extend(role.filter(|role| is_name(role)).map(|role| ("role".to_owned(), role.into())));
    members.extend(permit.map(|permit| ("permit".to_owned(), permit.into())));
    Value::Object(members)
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

const fn role_of(side: Side) -> Option<&'static str> {
    match side {
        Side::System => Some("system"),
        Side::Input => None,
        Side::Output => Some("assistant"),
    }
}
