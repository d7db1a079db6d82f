use std::time::Duration;

use super::names::Names;
use super::{emit_span, events_of_span};
use crate::config::{Config, Source};
use crate::emitter::{Emitter, Options, Wait};
use crate::json::Value;
use crate::seam::SystemEnv;

#[test]
fn the_data_file_has_every_name() {
    let names = Names::get();
    for name in [
        &names.operation,
        &names.tool,
        &names.prompt,
        &names.run,
        &names.conversation,
        &names.method,
        &names.error,
        &names.exception,
        &names.input_messages,
        &names.output_messages,
        &names.system_instructions,
        &names.tool_arguments,
        &names.tool_result,
        &names.sandbox,
        &names.sandbox_kind,
        &names.sandbox_resource,
        &names.saga,
        &names.saga_step,
        &names.saga_span,
    ] {
        assert!(!name.is_empty(), "{names:?}");
    }
    for set in [
        &names.agent_operations,
        &names.tool_operations,
        &names.model_operations,
        &names.kept,
        &names.cancelled,
        &names.timed_out,
    ] {
        assert!(!set.is_empty() && !set.contains(""), "{set:?}");
    }
    assert!(!names.aliases.is_empty() && !names.dialects.is_empty());
    for content in [
        &names.input_messages,
        &names.output_messages,
        &names.system_instructions,
        &names.tool_arguments,
        &names.tool_result,
    ] {
        assert!(!names.kept.contains(content), "{content} is content");
    }
}

fn emitter() -> Emitter {
    let document =
        r#"{"agent":{"id":"a"},"limits":{"envelope":"4KiB"},"lanes":[{"id":"m","sink":"memory"}]}"#;
    let config = Config::load(Source::Mapping(document.into()), &SystemEnv::default()).unwrap();
    Emitter::open(Options::new(config)).unwrap()
}

#[test]
fn content_that_is_too_large_does_not_keep_the_event_back() {
    let emitter = emitter();
    let words = "word ".repeat(2_000);
    let span = format!(
        r#"{{"name":"chat m","end_unix_nano":"1","attributes":{{"gen_ai.operation.name":"chat",
            "gen_ai.usage.input_tokens":3,"gen_ai.input.messages":"{words}"}}}}"#
    );
    assert_eq!(emit_span(&emitter, span.as_bytes(), &Wait::Allowed).unwrap(), 1);
    emitter.shutdown(Duration::from_secs(10));
    assert_eq!(emitter.counters()[0].1.fields().iter().find(|(name, _)| *name == "delivered").unwrap().1, 1);
    let mut event = events_of_span(span.as_bytes()).unwrap().remove(0);
    assert!(super::event::leave_content(&mut event));
    assert!(!super::event::leave_content(&mut event));
    let data = event.get("data").unwrap();
    assert_eq!(data.get("content_left_out"), Some(&Value::Int(1)));
    assert_eq!(data.get("input_tokens"), Some(&Value::Int(3)));
}

#[test]
fn whatever_a_span_says_its_events_are_admitted() {
    let emitter = emitter();
    let attributes = [
        r#""error.type":7"#,
        r#""error.type":["a"]"#,
        r#""gen_ai.tool.name":["x"]"#,
        r#""gen_ai.tool.name":"""#,
        r#""gen_ai.usage.input_tokens":-1,"gen_ai.usage.output_tokens":"3""#,
        r#""gen_ai.usage.output_tokens":2.5"#,
        r#""content":"x","capture":1,"disclosures":[1],"provenance":3,"authz":true"#,
        r#""tool":4,"outcome":9,"duration_ms":"x","name":2,"status":3,"kind":true"#,
        r#""gen_ai.input.messages":"[{\"role\":\"a b\",\"parts\":[7,null,{\"type\":\"blob\",\"content\":\"?\"}]}]""#,
        r#""gen_ai.output.messages":[{"role":"assistant","content":{"a":1}}]"#,
        r#""gen_ai.system_instructions":{"x":1}"#,
        r#""sandbox.kind":"started","sandbox.id":7"#,
        r#""agent.saga.id":7"#,
        r#""gen_ai.conversation.id":7,"gen_ai.agent.call.id":true"#,
    ];
    for operation in ["invoke_agent", "execute_tool", "chat", "other", ""] {
        for attribute in attributes {
            for end in [r#","end_unix_nano":"9223372036854775807""#, ""] {
                let span = format!(
                    r#"{{"name":"","start_unix_nano":"2"{end},"attributes":{{"gen_ai.operation.name":"{operation}",{attribute}}}}}"#
                );
                emit_span(&emitter, span.as_bytes(), &Wait::Allowed)
                    .unwrap_or_else(|e| panic!("{span}: {e}"));
            }
        }
    }
    emitter.shutdown(Duration::from_secs(10));
}
