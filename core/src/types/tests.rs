use proptest::prelude::*;

use super::*;
use crate::json::{ObjectWriter, parse_into};

fn check(name: &str, data: &str) -> Result<Severity> {
    let mut w = ObjectWriter::new();
    parse_into(data.as_bytes(), &mut w).unwrap();
    resolve(name, DEFAULT_PREFIX)?.check(w.finish().unwrap().members())
}

fn refused(name: &str, data: &str, place: &str, remedy: &str) {
    let e = check(name, data).expect_err(data);
    assert_eq!(e.kind(), crate::ErrorKind::InvalidEvent, "{name} {data}");
    assert_eq!(e.place(), Some(place), "{name} {data}: {e}");
    assert!(e.message().contains(remedy), "{name} {data}: {e}");
}

#[test]
fn the_tables_are_sorted_and_fit_the_pass() {
    let sorted = |members: &[Member]| members.windows(2).all(|pair| pair[0].name < pair[1].name);
    assert!(Builtin::all().windows(2).all(|pair| pair[0].name < pair[1].name));
    for builtin in Builtin::all() {
        assert!(sorted(builtin.members), "{}", builtin.name);
        assert!(builtin.members.len() <= 32, "{}: one bit each", builtin.name);
        let dotted = builtin.members.iter().filter(|member| member.name.contains('.')).count();
        assert!(dotted <= 1, "{}: the pass remembers one nested object", builtin.name);
        for member in builtin.members {
            assert!(table::common(member.name).is_none(), "{}", member.name);
            assert!(reserved(member.name).is_none(), "{}", member.name);
        }
    }
}

#[test]
fn names_resolve_with_and_without_prefix() {
    for (given, prefix, builtin, wire) in [
        ("policy.decision", "dev.sinkwell.", Some("policy.decision"), "dev.sinkwell.policy.decision"),
        ("policy.decision", "com.acme.", Some("policy.decision"), "com.acme.policy.decision"),
        ("policy.decision", "", Some("policy.decision"), "policy.decision"),
        ("com.acme.span", "com.acme.", Some("span"), "com.acme.span"),
        ("dev.sinkwell.span", "dev.sinkwell.", Some("span"), "dev.sinkwell.span"),
        ("dev.sinkwell.span", "com.acme.", Some("span"), "dev.sinkwell.span"),
        ("com.acme.span", "dev.sinkwell.", None, "com.acme.span"),
        ("Policy.Decision", "dev.sinkwell.", None, "Policy.Decision"),
        ("com.example.thing_2-x", "dev.sinkwell.", None, "com.example.thing_2-x"),
    ] {
        let resolved = resolve(given, prefix).unwrap();
        assert_eq!(resolved.builtin().map(Builtin::name), builtin, "{given} {prefix}");
        assert_eq!(resolved.wire_name(prefix), wire, "{given} {prefix}");
    }
}

#[test]
fn a_name_outside_the_charset_is_refused() {
    for name in ["", " ", "a b", "a/b", "ä", "a\0", "a\n", "a:b"] {
        let e = resolve(name, DEFAULT_PREFIX).unwrap_err();
        assert_eq!(e.place(), Some("type"), "{name:?}");
        assert_eq!(e.kind(), crate::ErrorKind::InvalidEvent);
    }
}

#[test]
fn what_is_sinkwells_own_is_refused_under_any_prefix_in_use() {
    for short in ["audit.chain", "heartbeat", "sink.failed", "sink.recovered"] {
        for prefix in ["", "dev.sinkwell.", "com.acme."] {
            let name = format!("{prefix}{short}");
            let resolved = resolve(&name, "com.acme.").unwrap();
            let e = resolved.check(std::iter::empty()).unwrap_err();
            assert_eq!(e.place(), Some("type"), "{name}");
            assert!(e.message().contains(short), "{e}");
        }
        assert!(resolve(&format!("org.other.{short}"), "com.acme.").unwrap().builtin().is_none());
    }
}

#[test]
fn reserved_members_are_refused_in_every_type() {
    for name in ["tool.invocation", "com.example.thing"] {
        for member in ["content", "capture", "disclosures", "view", "phase"] {
            let remedy = if matches!(member, "view" | "phase") { "another name" } else { "content" };
            refused(name, &format!(r#"{{"tool":"t","{member}":[]}}"#), &format!("data.{member}"), remedy);
        }
    }
    assert!(check("com.example.thing", r#"{"contents":1,"x":{"content":1}}"#).is_ok());
}

#[test]
fn a_missing_or_wrong_member_is_named_with_its_remedy() {
    refused("policy.decision", "{}", "data.decision", "allow, deny, ask");
    refused("policy.decision", r#"{"decision":"maybe"}"#, "data.decision", "one of allow, deny, ask");
    refused("policy.decision", r#"{"decision":null}"#, "data.decision", "null here");
    refused("policy.decision", r#"{"decision":"ask","shadow":"yes"}"#, "data.shadow", "true or false");
    refused("tool.invocation", r#"{"tool":7}"#, "data.tool", "a string");
    refused("tool.invocation", r#"{"tool":"t","duration_ms":-1}"#, "data.duration_ms", "at least 0");
    refused("tool.invocation", r#"{"tool":"t","error":{"type":1}}"#, "data.error.type", "a string");
    refused(
        "cost.estimated",
        r#"{"amount_micros":0.5,"currency":"EUR","rate_table_version":"1"}"#,
        "data.amount_micros",
        "an integer",
    );
    refused(
        "cost.corrected",
        r#"{"amount_micros":5,"currency":"EUR","rate_table_version":"1"}"#,
        "data.correction_ref",
        "missing",
    );
    refused(
        "identity.assertion",
        r#"{"assertion":"issued","audience":["a",1]}"#,
        "data.audience[1]",
        "a string",
    );
    refused(
        "span",
        r#"{"provenance":{"policy_refs":["a",{}]}}"#,
        "data.provenance.policy_refs[1]",
        "an object here",
    );
    refused("com.example.thing", r#"{"authz":{"identity":3}}"#, "data.authz.identity", "a string");
    refused("com.example.thing", r#"{"authz":"me"}"#, "data.authz", "an object");
}

#[test]
fn an_error_never_holds_the_value() {
    let e = check("policy.decision", r#"{"decision":"s3cret"}"#).unwrap_err();
    assert!(!e.to_string().contains("s3cret"), "{e}");
}

#[test]
fn a_dotted_name_is_literal_first_then_nested() {
    assert!(check("model.usage", r#"{"source.family":"model"}"#).is_ok());
    assert!(check("model.usage", r#"{"source":{"a":"\"}","family":"run"}}"#).is_ok());
    assert!(check("model.usage", r#"{"source":{"family":7},"source.family":"run"}"#).is_ok());
    refused(
        "model.usage",
        r#"{"source":{"family":"run"},"source.family":7}"#,
        "data.source.family",
        "model, run",
    );
    refused("model.usage", r#"{"source":"model"}"#, "data.source.family", "missing");
    refused("model.usage", r#"{"source":{"deep":{"family":"run"}}}"#, "data.source.family", "missing");
    refused("model.usage", r#"{"source":{"family":"world"}}"#, "data.source.family", "subagent");
    assert!(check("run.failed", r#"{"error":"boom"}"#).is_ok());
}

#[test]
fn members_out_of_order_are_found_all_the_same() {
    let members: [(&str, &[u8]); 4] =
        [("tool", b"\"t\""), ("outcome", b"\"error\""), ("duration_ms", b"1"), ("zz", b"1")];
    let resolved = resolve("tool.invocation", DEFAULT_PREFIX).unwrap();
    assert_eq!(resolved.check(members.into_iter()).unwrap(), Severity::Warn);
    assert_eq!(resolved.check(members.into_iter().rev()).unwrap(), Severity::Warn);
}

#[test]
fn the_default_severity_follows_type_and_data() {
    for (name, data, severity) in [
        ("policy.decision", r#"{"decision":"allow"}"#, Severity::Info),
        ("policy.decision", r#"{"decision":"ask"}"#, Severity::Info),
        ("policy.decision", r#"{"decision":"deny"}"#, Severity::Warn),
        ("policy.breach", r#"{"reason":"r"}"#, Severity::Error),
        ("tool.invocation", r#"{"tool":"t"}"#, Severity::Info),
        ("tool.invocation", r#"{"tool":"t","outcome":"ok"}"#, Severity::Info),
        ("tool.invocation", r#"{"tool":"t","outcome":"timeout"}"#, Severity::Warn),
        ("run.completed", "{}", Severity::Info),
        ("run.cancelled", "{}", Severity::Warn),
        ("run.failed", "{}", Severity::Error),
        ("sandbox.event", r#"{"kind":"limit"}"#, Severity::Info),
        ("sandbox.event", r#"{"kind":"escape"}"#, Severity::Error),
        ("sandbox.event", r#"{"kind":"violation"}"#, Severity::Error),
        ("com.example.thing", r#"{"decision":"deny"}"#, Severity::Info),
    ] {
        assert_eq!(check(name, data).unwrap(), severity, "{name} {data}");
    }
    assert_eq!(Builtin::find("sink.failed").unwrap().severity, Severity::Error);
}

#[test]
fn terminal_types_are_those_of_the_table() {
    let terminal: Vec<_> = Builtin::all().iter().filter(|b| b.is_terminal()).map(Builtin::name).collect();
    assert_eq!(
        terminal,
        [
            "audit.chain",
            "cost.corrected",
            "cost.estimated",
            "coverage",
            "model.usage",
            "policy.breach",
            "run.cancelled",
            "run.completed",
            "run.failed",
            "sink.failed",
            "sink.recovered",
        ]
    );
}

#[test]
fn severities_have_opentelemetrys_names_and_numbers() {
    let got: Vec<_> = Severity::ALL.iter().map(|s| (s.name(), s.text(), s.number())).collect();
    assert_eq!(
        got,
        [
            ("trace", "TRACE", 1),
            ("debug", "DEBUG", 5),
            ("info", "INFO", 9),
            ("warn", "WARN", 13),
            ("error", "ERROR", 17),
            ("fatal", "FATAL", 21),
        ]
    );
    for severity in Severity::ALL {
        assert_eq!(severity.name().parse::<Severity>().unwrap(), severity);
        assert_eq!(severity.text().parse::<Severity>().unwrap(), severity);
        assert_eq!(Severity::from_number(severity.number()), Some(severity));
    }
    for (given, severity) in
        [("Warn", "warn"), ("FATAL", "fatal"), ("1", "trace"), ("12", "info"), ("24", "fatal")]
    {
        assert_eq!(given.parse::<Severity>().unwrap().name(), severity, "{given}");
    }
    for none in ["warning", "0", "25", "+5", "-1", "9.0", " 9", "", "99999999999999999999"] {
        assert_eq!(none.parse::<Severity>().unwrap_err().place(), Some("severity"), "{none}");
    }
    assert_eq!(Severity::from_number(10), None);
}

proptest! {
    /// Values come canonical from the writer; if ever one does not, the check is wrong at worst.
    #[test]
    fn no_bytes_make_the_check_panic(
        values in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"{}[]\",:\\a7-.t\xff"[..]), 0..24), 12),
    ) {
        for builtin in Builtin::all() {
            let names = builtin.members.iter().map(|member| member.name).chain(["authz", "provenance", "error", "source"]);
            let members = names.zip(values.iter().map(Vec::as_slice));
            let _ = resolve(builtin.name, "").unwrap().check(members);
        }
    }
}

#[test]
fn levels_of_loggers_have_one_rule() {
    use LevelScale::{LogLevel, Logging, Pino, Slog};
    for (scale, levels) in [
        (Logging, [5, 10, 20, 30, 40, 50]),
        (Pino, [10, 20, 30, 40, 50, 60]),
        (Slog, [-8, -4, 0, 4, 8, 12]),
        (LogLevel, [0, 1, 2, 3, 4, 5]),
    ] {
        assert_eq!(levels.map(|level| Severity::of_level(scale, level)), Severity::ALL, "{}", scale.name());
        for (least, severity) in levels.into_iter().zip(Severity::ALL).skip(1) {
            let below = Severity::of_level(scale, least - 1);
            assert!(below < severity, "{} {least}", scale.name());
        }
    }
    assert_eq!(Severity::of_level(Pino, 35), Severity::Info);
    assert_eq!(Severity::of_level(Slog, i64::MIN), Severity::Trace);
    assert_eq!(Severity::of_level(Slog, i64::MAX), Severity::Fatal);
}

#[test]
fn a_name_that_is_nearly_built_in_is_known() {
    let near = |name| super::near::nearly(name, "com.acme.").map(|builtin| builtin.name);
    for (given, meant) in [
        ("tool.invoked", "tool.invocation"),
        ("tool.invokation", "tool.invocation"),
        ("Tool.Invocation", "tool.invocation"),
        ("tool_invocation", "tool.invocation"),
        ("toolInvocation", "tool.invocation"),
        ("com.acme.run.complete", "run.completed"),
        ("dev.sinkwell.run.start", "run.started"),
        ("run.canceled", "run.cancelled"),
        ("cost.estimate", "cost.estimated"),
        ("policy.decide", "policy.decision"),
    ] {
        assert_eq!(near(given), Some(meant), "{given}");
    }
    for own in [
        "com.example.tool.invoked",
        "model.loaded",
        "tool",
        "tools.invoked",
        "run",
        "log",
        "",
        "heartbeats",
        "a",
    ] {
        assert_eq!(near(own), None, "{own}");
    }
}

#[test]
fn a_terminal_status_that_contradicts_its_type_is_refused() {
    for prefix in ["", DEFAULT_PREFIX, "com.acme."] {
        for (name, good) in [
            ("run.completed", &["completed", "unknown"][..]),
            ("run.failed", &["failed", "timed_out", "unknown"]),
            ("run.cancelled", &["cancelled", "timed_out", "unknown"]),
        ] {
            for status in ["completed", "failed", "cancelled", "timed_out", "unknown"] {
                let value = format!("\"{status}\"");
                let given = format!("{prefix}{name}");
                let resolved = resolve(&given, "com.acme.").unwrap();
                let checked = resolved.check([("terminal_status", value.as_bytes())].into_iter());
                assert_eq!(checked.is_ok(), good.contains(&status), "{given} {status}");
            }
        }
    }
}

/// By whatever name it is given.
#[test]
fn a_built_in_type_takes_no_other_types_data() {
    let cases: [(&str, &str, &[u8]); 4] = [
        ("tool.invocation", "decision", b"\"deny\""),
        ("policy.decision", "tool", b"\"search\""),
        ("model.usage", "tool", b"\"search\""),
        ("cost.estimated", "input_tokens", b"3"),
    ];
    for prefix in ["", DEFAULT_PREFIX, "com.acme."] {
        for (name, member, value) in cases {
            let given = format!("{prefix}{name}");
            let checked = resolve(&given, "com.acme.").unwrap().check([(member, value)].into_iter());
            assert_eq!(checked.unwrap_err().kind(), crate::error::ErrorKind::InvalidEvent, "{given}");
        }
        for own in Builtin::all().iter().filter(|builtin| builtin.is_own_only()) {
            let given = format!("{prefix}{}", own.name());
            assert!(resolve(&given, "com.acme.").unwrap().check(std::iter::empty()).is_err(), "{given}");
        }
    }
}

#[test]
fn every_member_that_any_event_may_or_may_not_carry_is_looked_for() {
    for name in super::table::KNOWN {
        assert!(super::table::common(name).is_some() || super::table::reserved(name).is_some(), "{name}");
        // In a host's own type, too, whatever stands beside it.
        for data in [format!(r#"{{"{name}":1}}"#), format!(r#"{{"a":1,"{name}":1,"zz":2}}"#)] {
            let mut writer = ObjectWriter::new();
            parse_into(data.as_bytes(), &mut writer).unwrap();
            let (written, own) = (writer.finish().unwrap(), Resolved::own("com.example.thing"));
            let (one, other) = (own.check_written(&written), own.check(written.members()));
            assert_eq!(one.unwrap_err().to_string(), other.unwrap_err().to_string(), "{data}");
        }
    }
}

#[test]
fn a_name_is_looked_at_until_it_is_remembered_and_never_taken_for_another() {
    let names = super::near::NearNames::default();
    let name = |n: usize| format!("com.example.thing{n}");
    assert!((0..200).all(|n| !names.knows(&name(n))), "nobody has looked at them");
    (0..200).for_each(|n| names.remember(&name(n)));
    let known: Vec<bool> = (0..200).map(|n| names.knows(&name(n))).collect();
    (0..200).for_each(|n| names.remember(&name(n)));
    assert!(known[0], "the first found its place free");
    assert!(known.contains(&false), "there are more names than places");
    assert_eq!(
        known,
        (0..200).map(|n| names.knows(&name(n))).collect::<Vec<_>>(),
        "who has a place keeps it"
    );
}
