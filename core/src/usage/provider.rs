//! From a provider's usage object to the data of `model.usage`.
//!
//! The counters mean the same for every provider, as in OpenTelemetry's GenAI conventions: `input_tokens` counts every
//! token that went in, cached ones included, `cached_tokens` those of them read from a cache, `output_tokens` every
//! token that came out, reasoning included, `reasoning_tokens` those of them spent on reasoning. Where a provider
//! reports parts separately, they are added.

use super::{look_up, seal};
use crate::error::{Error, Result};
use crate::json::{self, Value};

/// One provider's names for the counters: each counter is the sum of those listed members that are present.
struct Words {
    name: &'static str,
    /// Where a whole response keeps its usage, tried in order.
    within: &'static [&'static str],
    input: &'static [&'static [&'static str]],
    output: &'static [&'static [&'static str]],
    cached: &'static [&'static str],
    reasoning: &'static [&'static str],
    total: &'static [&'static str],
    model: &'static [&'static str],
    /// Where a framework or a span says which provider it was; `None`: it is the one of this name.
    provider: Option<&'static [&'static str]>,
}

const CHAT: Words = Words {
    name: "openai",
    within: &["usage", "response.usage"],
    // Chat completions, then responses.
    input: &[&["prompt_tokens"], &["input_tokens"]],
    output: &[&["completion_tokens"], &["output_tokens"]],
    cached: &["prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"],
    reasoning: &["completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"],
    total: &["total_tokens"],
    model: &["model", "response.model"],
    provider: None,
};

const TABLE: &[Words] = &[
    CHAT,
    Words { name: "azure.ai.openai", ..CHAT },
    Words { name: "mistral_ai", ..CHAT },
    Words {
        name: "anthropic",
        within: &["usage", "message.usage"],
        input: &[&["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]],
        output: &[&["output_tokens"]],
        cached: &["cache_read_input_tokens"],
        reasoning: &[],
        total: &[],
        model: &["model", "message.model"],
        provider: None,
    },
    Words {
        name: "gcp.gemini",
        within: &["usageMetadata", "usage_metadata"],
        input: &[
            &["promptTokenCount", "toolUsePromptTokenCount"],
            &["prompt_token_count", "tool_use_prompt_token_count"],
        ],
        output: &[
            &["candidatesTokenCount", "thoughtsTokenCount"],
            &["candidates_token_count", "thoughts_token_count"],
        ],
        cached: &["cachedContentTokenCount", "cached_content_token_count"],
        reasoning: &["thoughtsTokenCount", "thoughts_token_count"],
        total: &["totalTokenCount", "total_token_count"],
        model: &["modelVersion", "model_version"],
        provider: None,
    },
    Words {
        name: "aws.bedrock",
        within: &["usage", "metadata.usage"],
        input: &[&["inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"]],
        output: &[&["outputTokens"]],
        cached: &["cacheReadInputTokens"],
        reasoning: &[],
        total: &["totalTokens"],
        model: &["modelId"],
        provider: None,
    },
    Words {
        name: "cohere",
        within: &["usage", "meta"],
        input: &[&["tokens.input_tokens"], &["billed_units.input_tokens"]],
        output: &[&["tokens.output_tokens"], &["billed_units.output_tokens"]],
        cached: &["cached_tokens"],
        reasoning: &[],
        total: &[],
        model: &["model"],
        provider: None,
    },
    Words {
        name: "otel",
        within: &["attributes"],
        input: &[&["gen_ai.usage.input_tokens"], &["gen_ai.usage.prompt_tokens"]],
        output: &[&["gen_ai.usage.output_tokens"], &["gen_ai.usage.completion_tokens"]],
        cached: &["gen_ai.usage.cache_read.input_tokens"],
        reasoning: &["gen_ai.usage.reasoning.output_tokens"],
        total: &["gen_ai.usage.total_tokens"],
        model: &["gen_ai.response.model", "gen_ai.request.model"],
        provider: Some(&["gen_ai.provider.name", "gen_ai.system"]),
    },
    Words {
        name: "ollama",
        within: &[],
        input: &[&["prompt_eval_count"]],
        output: &[&["eval_count"]],
        cached: &[],
        reasoning: &[],
        total: &[],
        model: &["model"],
        provider: None,
    },
    // The result of several steps has the usage of the last step beside the sum of all.
    Words {
        name: "ai_sdk",
        within: &["totalUsage", "usage"],
        input: &[&["inputTokens"], &["promptTokens"], &["tokens"]],
        output: &[&["outputTokens"], &["completionTokens"]],
        cached: &["inputTokenDetails.cacheReadTokens", "cachedInputTokens"],
        reasoning: &["outputTokenDetails.reasoningTokens", "reasoningTokens"],
        total: &["totalTokens"],
        model: &["response.modelId"],
        provider: Some(&[]),
    },
    Words {
        name: "langchain",
        within: &[
            "usage_metadata",
            "message.usage_metadata",
            "kwargs.usage_metadata",
            "response_metadata.tokenUsage",
            "response_metadata.token_usage",
            "llmOutput.tokenUsage",
            "llm_output.token_usage",
            "tokenUsage",
            "token_usage",
        ],
        input: &[&["input_tokens"], &["promptTokens"], &["prompt_tokens"]],
        output: &[&["output_tokens"], &["completionTokens"], &["completion_tokens"]],
        cached: &["input_token_details.cache_read"],
        reasoning: &["output_token_details.reasoning"],
        total: &["total_tokens", "totalTokens"],
        model: &[
            "response_metadata.model_name",
            "response_metadata.model",
            "message.response_metadata.model_name",
            "kwargs.response_metadata.model_name",
            "llm_output.model_name",
        ],
        provider: Some(&["response_metadata.model_provider", "message.response_metadata.model_provider"]),
    },
];

/// The names that [`usage_from_json`] takes, with the OpenTelemetry name each stands for.
pub const PROVIDERS: [(&str, &str); 16] = [
    ("openai", "openai"),
    ("azure", "azure.ai.openai"),
    ("azure.ai.openai", "azure.ai.openai"),
    ("mistral", "mistral_ai"),
    ("mistral_ai", "mistral_ai"),
    ("anthropic", "anthropic"),
    ("google", "gcp.gemini"),
    ("gemini", "gcp.gemini"),
    ("gcp.gemini", "gcp.gemini"),
    ("bedrock", "aws.bedrock"),
    ("aws.bedrock", "aws.bedrock"),
    ("cohere", "cohere"),
    ("ollama", "ollama"),
    ("ai_sdk", "ai_sdk"),
    ("langchain", "langchain"),
    ("otel", "otel"),
];

/// The data of `model.usage` (canonical JSON) from what a provider answered: its usage object, or the whole
/// response with the usage in it, whose model is then taken too. `ai_sdk` and `langchain` take what these frameworks
/// make of any provider's answer, `otel` takes the attributes of a span that follows the OpenTelemetry GenAI
/// conventions.
///
/// # Errors
/// `invalid_argument`: an unknown provider, no JSON object, or no usage in it; `invalid_event`: a count that is
/// no non-negative integer.
pub fn usage_from_json(provider: &str, usage: &[u8]) -> Result<Vec<u8>> {
    let words = PROVIDERS
        .iter()
        .find(|(alias, _)| *alias == provider)
        .and_then(|(_, name)| TABLE.iter().find(|words| words.name == *name))
        .ok_or_else(|| {
            let names: Vec<&str> = PROVIDERS.iter().map(|(alias, _)| *alias).collect();
            Error::invalid_argument(format!("an unknown provider; there are {}", names.join(", ")))
                .at("provider")
        })?;
    let response = json::parse(usage).map_err(|e| {
        Error::invalid_argument(format!("the usage is not JSON: {}", e.message())).at("usage")
    })?;
    let object = words
        .within
        .iter()
        .filter_map(|place| look_up(&response, place))
        .find(|v| matches!(v, Value::Object(_)))
        .unwrap_or(&response);
    let mut members = vec![("source.family".to_owned(), Value::from("model"))];
    let mut put = |name: &str, value: Option<Value>| {
        members.extend(value.map(|value| (name.to_owned(), value)));
    };
    let input = first_sum(object, words.input, "input_tokens")?;
    let output = first_sum(object, words.output, "output_tokens")?;
    if input.is_none() && output.is_none() {
        return Err(Error::invalid_argument("there is no usage of this provider in it").at("usage"));
    }
    let total = first(object, words.total, "total_tokens")?
        .or_else(|| input.unwrap_or(0).checked_add(output.unwrap_or(0)));
    put("input_tokens", input.map(Value::Int));
    put("output_tokens", output.map(Value::Int));
    put("cached_tokens", first(object, words.cached, "cached_tokens")?.map(Value::Int));
    put("reasoning_tokens", first(object, words.reasoning, "reasoning_tokens")?.map(Value::Int));
    put("total_tokens", total.map(Value::Int));
    let name = match words.provider {
        Some(places) => {
            places.iter().find_map(|place| text(object, place).or_else(|| text(&response, place)))
        }
        None => Some(words.name.to_owned()),
    };
    put("provider", name.map(Value::String));
    let model = words.model.iter().find_map(|place| text(&response, place).or_else(|| text(object, place)));
    put("model", model.map(Value::String));
    seal("model.usage", members)
}

/// The usage in a span's attributes: model, provider and counters, without a family. A malformed count is left out, as
/// a span is not refused for one attribute.
pub(crate) fn span_usage(attributes: &[(&str, &Value)]) -> Vec<(String, Value)> {
    let Some(words) = TABLE.iter().find(|words| words.name == "otel") else { return Vec::new() };
    let find = |name: &str| attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    #[allow(clippy::cast_possible_truncation, reason = "integral and bounded")]
    let count = |names: &[&str]| {
        names.iter().find_map(|name| match find(name)? {
            Value::Int(n) if *n >= 0 => Some(*n),
            Value::Float(f) if f.fract() == 0.0 && (0.0..9.0e15).contains(f) => Some(*f as i64),
            _ => None,
        })
    };
    let text = |names: &[&str]| names.iter().find_map(|name| find(name)?.as_str().filter(|s| !s.is_empty()));
    let (input, output) = (count(words.input.concat().as_slice()), count(words.output.concat().as_slice()));
    let total = count(words.total).or_else(|| match (input, output) {
        (None, None) => None,
        (input, output) => input.unwrap_or(0).checked_add(output.unwrap_or(0)),
    });
    let members = [
        ("input_tokens", input.map(Value::Int)),
        ("output_tokens", output.map(Value::Int)),
        ("cached_tokens", count(words.cached).map(Value::Int)),
        ("reasoning_tokens", count(words.reasoning).map(Value::Int)),
        ("total_tokens", total.map(Value::Int)),
        ("provider", text(&["gen_ai.provider.name", "gen_ai.system"]).map(Value::from)),
        ("model", text(words.model).map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(object: &Value, place: &str) -> Option<String> {
    look_up(object, place).and_then(Value::as_str).filter(|s| !s.is_empty()).map(str::to_owned)
}

/// A count, also one that is written as a fraction (`12.0`).
fn count(object: &Value, place: &str, member: &str) -> Result<Option<i64>> {
    let wrong = || super::refuse("the provider's count is not an integer of at least 0", member);
    match look_up(object, place) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Int(n)) if *n >= 0 => Ok(Some(*n)),
        #[allow(clippy::cast_possible_truncation, reason = "integral and bounded")]
        Some(Value::Float(f)) if f.fract() == 0.0 && (0.0..9.0e15).contains(f) => Ok(Some(*f as i64)),
        Some(_) => Err(wrong()),
    }
}

fn first(object: &Value, places: &[&str], member: &str) -> Result<Option<i64>> {
    for place in places {
        if let Some(n) = count(object, place, member)? {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

/// The sum of the first group of which at least one member is present.
fn first_sum(object: &Value, groups: &[&[&str]], member: &str) -> Result<Option<i64>> {
    for group in groups {
        let mut sum = None;
        for place in *group {
            if let Some(n) = count(object, place, member)? {
                sum = Some(sum.unwrap_or(0_i64).saturating_add(n));
            }
        }
        if sum.is_some() {
            return Ok(sum);
        }
    }
    Ok(None)
}
