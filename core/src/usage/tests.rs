use super::*;

fn usage(provider: &str, json: &str) -> String {
    String::from_utf8(usage_from_json(provider, json.as_bytes()).unwrap()).unwrap()
}

#[test]
fn every_providers_words_become_the_same() {
    for (provider, given, want) in [
        (
            "openai",
            r#"{"model":"gpt-x","usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":20}}}"#,
            r#"{"cached_tokens":40,"input_tokens":100,"model":"gpt-x","output_tokens":50,"provider":"openai","reasoning_tokens":20,"source.family":"model","total_tokens":150}"#,
        ),
        (
            "openai",
            r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":40},"output_tokens":50,
                "output_tokens_details":{"reasoning_tokens":20},"total_tokens":150}"#,
            r#"{"cached_tokens":40,"input_tokens":100,"output_tokens":50,"provider":"openai","reasoning_tokens":20,"source.family":"model","total_tokens":150}"#,
        ),
        (
            "anthropic",
            r#"{"model":"claude-x","usage":{"input_tokens":50,"cache_creation_input_tokens":10,
                "cache_read_input_tokens":40,"output_tokens":50}}"#,
            r#"{"cached_tokens":40,"input_tokens":100,"model":"claude-x","output_tokens":50,"provider":"anthropic","source.family":"model","total_tokens":150}"#,
        ),
        (
            "google",
            r#"{"modelVersion":"gemini-x","usageMetadata":{"promptTokenCount":90,"toolUsePromptTokenCount":10,
                "candidatesTokenCount":30,"thoughtsTokenCount":20,"cachedContentTokenCount":40,"totalTokenCount":150}}"#,
            r#"{"cached_tokens":40,"input_tokens":100,"model":"gemini-x","output_tokens":50,"provider":"gcp.gemini","reasoning_tokens":20,"source.family":"model","total_tokens":150}"#,
        ),
        (
            "bedrock",
            r#"{"usage":{"inputTokens":50,"outputTokens":50,"totalTokens":150,"cacheReadInputTokens":40,"cacheWriteInputTokens":10}}"#,
            r#"{"cached_tokens":40,"input_tokens":100,"output_tokens":50,"provider":"aws.bedrock","source.family":"model","total_tokens":150}"#,
        ),
        (
            "cohere",
            r#"{"usage":{"billed_units":{"input_tokens":5,"output_tokens":50},"tokens":{"input_tokens":100,"output_tokens":50}}}"#,
            r#"{"input_tokens":100,"output_tokens":50,"provider":"cohere","source.family":"model","total_tokens":150}"#,
        ),
        (
            "cohere",
            r#"{"meta":{"billed_units":{"input_tokens":100,"output_tokens":50.0}}}"#,
            r#"{"input_tokens":100,"output_tokens":50,"provider":"cohere","source.family":"model","total_tokens":150}"#,
        ),
        (
            "mistral",
            r#"{"model":"mistral-x","usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150}}"#,
            r#"{"input_tokens":100,"model":"mistral-x","output_tokens":50,"provider":"mistral_ai","source.family":"model","total_tokens":150}"#,
        ),
        (
            "otel",
            r#"{"gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-x","gen_ai.usage.input_tokens":100,
                "gen_ai.usage.output_tokens":50,"gen_ai.usage.cache_read.input_tokens":40}"#,
            r#"{"cached_tokens":40,"input_tokens":100,"model":"gpt-x","output_tokens":50,"provider":"openai","source.family":"model","total_tokens":150}"#,
        ),
    ] {
        assert_eq!(usage(provider, given), want, "{provider}");
    }
}

#[test]
fn what_is_no_usage_is_refused_with_its_place() {
    for (provider, given, kind, place) in [
        ("nobody", "{}", "invalid_argument", "provider"),
        ("openai", "[]", "invalid_argument", "usage"),
        ("openai", "{\"prompt\":", "invalid_argument", "usage"),
        ("anthropic", r#"{"usage":{}}"#, "invalid_argument", "usage"),
        ("openai", r#"{"prompt_tokens":-1}"#, "invalid_event", "data.input_tokens"),
        ("openai", r#"{"prompt_tokens":"12"}"#, "invalid_event", "data.input_tokens"),
        ("anthropic", r#"{"output_tokens":1.5}"#, "invalid_event", "data.output_tokens"),
    ] {
        let e = usage_from_json(provider, given.as_bytes()).unwrap_err();
        assert_eq!((e.kind().name(), e.place()), (kind, Some(place)), "{provider} {given}");
    }
}

#[test]
fn usage_is_admitted_from_model_run_and_subagent_only() {
    for (data, good) in [
        (r#"{"source.family":"model"}"#, true),
        (r#"{"source":{"family":"run"},"input_tokens":3}"#, true),
        (r#"{"source.family":"subagent"}"#, true),
        (r#"{"source.family":"observer"}"#, false),
        (r#"{"source.family":"vacuum","source":{"family":"model"}}"#, false),
        (r#"{"input_tokens":3}"#, false),
        (r#"{"source.family":"model","input_tokens":-3}"#, false),
        (r#"{"source.family":"model","input_tokens":"3"}"#, false),
    ] {
        let data_value = json::parse(data.as_bytes()).unwrap();
        assert_eq!(admit("model.usage", &data_value).is_ok(), good, "{data}");
    }
}

#[test]
fn a_correction_names_what_it_corrects() {
    let cost = Cost { amount_micros: -1_250, currency: "EUR", rate_table_version: "2026-11" };
    assert_eq!(
        String::from_utf8(cost.corrected("0190-id").unwrap()).unwrap(),
        r#"{"amount_micros":-1250,"correction_ref":"0190-id","currency":"EUR","rate_table_version":"2026-11","status":"corrected"}"#
    );
    assert_eq!(cost.corrected("").unwrap_err().place(), Some("data.correction_ref"));
    assert_eq!(
        String::from_utf8(cost.estimated(true).unwrap()).unwrap(),
        r#"{"amount_micros":-1250,"currency":"EUR","rate_table_version":"2026-11","status":"provider_reported"}"#
    );
    let nameless =
        json::parse(br#"{"amount_micros":1.5,"currency":"EUR","rate_table_version":"1"}"#).unwrap();
    assert_eq!(admit("cost.estimated", &nameless).unwrap_err().place(), Some("data.amount_micros"));
}

#[test]
fn children_roll_up_under_their_own_run_once() {
    let mut sum = RollUp::new();
    let fact = |n: i64| format!(r#"{{"source.family":"subagent","input_tokens":{n},"total_tokens":{n}}}"#);
    sum.add("r-2", "e1", fact(5).as_bytes()).unwrap();
    sum.add("r-1", "e2", fact(7).as_bytes()).unwrap();
    sum.add("r-2", "e3", fact(1).as_bytes()).unwrap();
    sum.add("r-2", "e3", fact(1).as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(sum.data().unwrap()).unwrap(),
        r#"{"children":[{"input_tokens":7,"run":"r-1","total_tokens":7},{"input_tokens":6,"run":"r-2","total_tokens":6}],"input_tokens":13,"source.family":"run","total_tokens":13}"#
    );
    let e = sum.add("r-3", "e4", br#"{"input_tokens":1}"#).unwrap_err();
    assert_eq!(e.place(), Some("data.source.family"));
    let huge = fact(9_007_199_254_740_991);
    assert_eq!(sum.add("r-1", "e5", huge.as_bytes()).unwrap_err().place(), Some("data.input_tokens"));
}

#[test]
fn requests_as_json_name_what_is_wrong() {
    for (given, kind, place) in [
        ("[]", "invalid_argument", "cost"),
        (r#"{"amount":1}"#, "invalid_argument", "cost.amount"),
        (r#"{"currency":"EUR","rate_table_version":"1"}"#, "invalid_event", "data.amount_micros"),
        (r#"{"amount_micros":1.5}"#, "invalid_event", "data.amount_micros"),
        (r#"{"amount_micros":1,"currency":7}"#, "invalid_argument", "cost.currency"),
        (r#"{"amount_micros":1,"currency":"EUR"}"#, "invalid_event", "data.rate_table_version"),
        (
            r#"{"amount_micros":1,"currency":"EUR","rate_table_version":"1","reported":true,"correction_ref":"e"}"#,
            "invalid_argument",
            "cost.reported",
        ),
    ] {
        let e = cost_from_json(given.as_bytes()).unwrap_err();
        assert_eq!((e.kind().name(), e.place()), (kind, Some(place)), "{given}");
    }
    for (given, kind, place) in [
        ("{}", "invalid_argument", "facts"),
        (r#"[{"run":"r","id":"e"}]"#, "invalid_argument", "facts[0].data"),
        (r#"[{"run":"r","id":"e","data":{}}]"#, "invalid_event", "facts[0].data.source.family"),
        (r#"[{"run":"r","data":{"source.family":"run"}}]"#, "invalid_argument", "facts[0].id"),
    ] {
        let e = roll_up_from_json(given.as_bytes()).unwrap_err();
        assert_eq!((e.kind().name(), e.place()), (kind, Some(place)), "{given}");
    }
}
