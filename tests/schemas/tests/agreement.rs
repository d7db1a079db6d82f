//! `emit`'s own check and a real validator over the published schemas say the same of any data.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jsonschema::Validator;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use sinkwell::json::{ObjectWriter, parse_into};
use sinkwell::types::{self, Builtin};
use sinkwell_schema_tests::Schemas;

/// What `emit` does with `data`.
fn accepts(name: &str, data: &Value) -> bool {
    let mut writer = ObjectWriter::new();
    parse_into(data.to_string().as_bytes(), &mut writer).expect("data that can be sealed");
    types::validate(name, writer.finish().expect("an object").members()).is_ok()
}

/// The enumerated strings of a schema, at any depth, so that valid values are not left to chance.
fn choices(schema: &Value, found: &mut Vec<Value>) {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        found.extend(values.iter().cloned());
    }
    match schema {
        Value::Object(members) => members.values().for_each(|inner| choices(inner, found)),
        Value::Array(items) => items.iter().for_each(|inner| choices(inner, found)),
        _ => {}
    }
}

/// Values of every shape that a schema tells apart.
fn pool() -> Vec<Value> {
    vec![
        json!("text"),
        json!(""),
        json!("quote \" brace } comma , \u{1f600}"),
        json!(0),
        json!(7),
        json!(-7),
        json!(9_007_199_254_740_991_i64),
        json!(0.5),
        json!(-0.5),
        json!(1e-7),
        json!(12.0),
        json!(-0.0),
        json!(true),
        json!(null),
        json!([]),
        json!(["a", "b"]),
        json!(["a", 1]),
        json!([["a"], {"b": "]"}]),
        json!({}),
        json!({"type": "timeout"}),
        json!({"type": 1}),
        json!({"a": {"family": 1}, "family": "run"}),
        json!({"family": "other"}),
        json!({"identity": "i", "decision": "d", "delegated_by": "g", "more": 1}),
        json!({"identity": 1}),
        json!({"policy_refs": ["a"], "privacy": 1, "source_cursor": 3, "event_kind": "k"}),
        json!({"policy_refs": ["a", null]}),
        json!({"tool": false}),
    ]
}

/// Names that belong to no table, or to every one.
const SHARED: [&str; 10] = [
    "provenance",
    "authz",
    "content",
    "capture",
    "disclosures",
    "phase",
    "view",
    "error",
    "source",
    "unknown",
];

#[test]
fn the_code_and_the_schemas_agree() {
    let schemas = Schemas::load();
    let host = schemas.validator("host");
    for builtin in Builtin::all().iter().filter(|builtin| !builtin.is_own_only()) {
        let schema = schemas.get(builtin.name());
        let validator = schemas.validator(builtin.name());
        let valid = agree(builtin.name(), schema, &validator, &host);
        assert!(valid[0] > 20 && valid[1] > 20, "{}: {valid:?} refused, accepted", builtin.name());
    }
}

/// Compares on generated data; answers how much of it was refused and how much accepted.
fn agree(name: &str, schema: &Value, validator: &Validator, host: &Validator) -> [usize; 2] {
    let mut values = pool();
    choices(schema, &mut values);
    let properties = schema["properties"].as_object().expect("properties");
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // A value that its own property accepts, four times out of five.
    let member = |name: String, property: Value| {
        let own = jsonschema::validator_for(&property).ok();
        let good: Vec<Value> = values
            .iter()
            .filter(|value| own.as_ref().is_none_or(|own| own.is_valid(value)))
            .cloned()
            .collect();
        (Just(name), prop_oneof![4 => select(good), 1 => select(values.clone())])
    };
    let named = |wanted: bool| {
        properties
            .iter()
            .filter(move |(name, _)| required.contains(&name.as_str()) == wanted)
            .map(|(name, property)| (name.clone(), property.clone()))
            .collect::<Vec<_>>()
    };
    let shared = SHARED.map(|name| (name.to_owned(), Value::Bool(true)));
    let must: Vec<_> = {
        let named = named.clone();
        named(true)
            .into_iter()
            .map(|(name, property)| (prop::bool::weighted(0.9), member(name, property)))
            .collect()
    };
    let may: Vec<_> = named(false)
        .into_iter()
        .map(|(name, property)| (prop::bool::weighted(0.3), member(name, property)))
        .chain(
            shared.into_iter().map(|(name, property)| (prop::bool::weighted(0.08), member(name, property))),
        )
        .collect();
    let counts = RefCell::new([0; 2]);
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(must, may, vec(any::<u8>(), 0..2)), |(must, may, extra)| {
            let mut data = Map::new();
            for (present, (name, value)) in must.into_iter().chain(may) {
                if present {
                    data.insert(name, value);
                }
            }
            for byte in extra {
                data.insert(format!("x{byte}"), json!(byte));
            }
            let data = Value::Object(data);
            let wanted = validator.is_valid(&data) && host.is_valid(&data);
            prop_assert_eq!(accepts(name, &data), wanted, "{} {}", name, data);
            counts.borrow_mut()[usize::from(wanted)] += 1;
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    counts.into_inner()
}

#[test]
fn every_type_has_a_schema_and_every_schema_a_type() {
    let schemas = Schemas::load();
    let mut wanted: Vec<&str> = Builtin::all().iter().map(Builtin::name).collect();
    wanted.extend(["common", "envelope", "host", "stub"]);
    wanted.sort_unstable();
    assert_eq!(schemas.all().map(|(name, _)| name).collect::<Vec<_>>(), wanted);
}

#[test]
fn the_schemas_are_schemas() {
    for (name, schema) in Schemas::load().all() {
        if let Err(e) = jsonschema::meta::validate(schema) {
            panic!("{name}: {e}");
        }
        let id = if name == "envelope" {
            sinkwell_schema_tests::BASE.to_owned()
        } else {
            format!("{}/{name}.json", sinkwell_schema_tests::BASE)
        };
        assert_eq!(schema["$id"], json!(id), "{name}");
    }
}

#[test]
fn the_envelopes_schema_dispatches_every_type() {
    let schemas = Schemas::load();
    let mut own = BTreeMap::new();
    for rule in schemas.get("envelope")["allOf"].as_array().expect("rules") {
        let name = rule["if"]["properties"]["type"]["const"].as_str().expect("a type");
        let short = name.strip_prefix(types::DEFAULT_PREFIX).expect("the default prefix");
        own.entry(short).or_insert(rule["then"].get("required").is_some());
    }
    let wanted: BTreeMap<_, _> = Builtin::all().iter().map(|b| (b.name(), b.is_own_only())).collect();
    assert_eq!(own, wanted);
}
