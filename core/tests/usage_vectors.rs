//! Every case of `tests/vectors/usage` (tests/vectors/README.md).

use std::path::Path;

use sinkwell::json::{Value, parse};
use sinkwell::usage::{cost_from_json, roll_up_from_json, usage_from_json};

fn member<'v>(case: &'v Value, name: &str) -> &'v str {
    case.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} is missing in {case:?}"))
}

#[test]
fn usage_and_cost_are_those_of_the_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/usage");
    let mut groups = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let file = parse(&text).unwrap();
        assert!(file.members().iter().all(|(name, _)| ["group", "cases"].contains(&name.as_str())));
        let group = member(&file, "group").to_owned();
        let cases = file.get("cases").unwrap().items();
        assert!(!cases.is_empty(), "{group}");
        for case in cases {
            let known = ["name", "provider", "request", "answer", "error"];
            assert!(case.members().iter().all(|(name, _)| known.contains(&name.as_str())), "{case:?}");
            let name = format!("{group}: {}", member(case, "name"));
            let request = case.get("request").unwrap().to_json();
            let got = match group.as_str() {
                "model" => usage_from_json(member(case, "provider"), request.as_bytes()),
                "cost" => cost_from_json(request.as_bytes()),
                "roll_up" => roll_up_from_json(request.as_bytes()),
                _ => panic!("an unknown group: {group}"),
            };
            match case.get("error") {
                None => {
                    let want = case.get("answer").unwrap().to_canonical().unwrap();
                    let got = got.unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert_eq!(String::from_utf8(got).unwrap(), String::from_utf8(want).unwrap(), "{name}");
                }
                Some(error) => {
                    let e = got.expect_err(&name);
                    let want = (member(error, "kind"), Some(member(error, "where")));
                    assert_eq!((e.kind().name(), e.place()), want, "{name}");
                }
            }
        }
        groups.push(group);
    }
    groups.sort();
    assert_eq!(groups, ["cost", "model", "roll_up"]);
}
