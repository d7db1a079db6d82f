#[path = "../../../../../bench/policy/src/hostile.rs"]
mod hostile;

use proptest::prelude::*;

use super::super::facts::{Finder, Paths, with_workspace};
use super::*;
use crate::event::{Data, Event, EventInput, Freezer, Identity, Trace};
use crate::glob::Globs;
use crate::json;

pub(in crate::policy::telemetry) fn event(event_type: &str, data: &str) -> Event {
    let mut input = EventInput::new(event_type);
    input.data = Data::Json(data.as_bytes());
    input.run = Some("r-1");
    frozen(input)
}

/// An event with this trace context.
pub(in crate::policy::telemetry) fn traced(parent: &str, state: &str) -> Event {
    let mut input = EventInput::new("com.example.thing");
    let flags = u8::from_str_radix(&parent[53..], 16).unwrap();
    input.trace =
        Some(Trace { trace_id: &parent[3..35], span_id: &parent[36..52], flags, state: Some(state) });
    frozen(input)
}

fn frozen(input: EventInput<'_>) -> Event {
    let identity = Identity {
        agent: "urn:example:agent".into(),
        tenant: Some("acme".into()),
        source: "s".to_owned(),
        prefix: "dev.sinkwell.".to_owned(),
        allow: Globs::default(),
        limits: crate::config::Limits { envelope: 1 << 20, depth: 64 },
        policy_version: None,
    };
    let freezer =
        Freezer::new(identity.into(), std::sync::Arc::new(crate::timeline::Timeline::new(None, false)));
    freezer.freeze(input).unwrap()
}

fn run(source: &str, data: &str) -> Result<Outcome, CelError> {
    let mut paths = Paths::default();
    let (program, _) = compile(source, &mut paths)?;
    let event = event("com.example.thing", data);
    let finder = paths.finder();
    let program = (List::of([&program, &program].into_iter()), program);
    type Way<R> = for<'m> fn(&Machine<'m>, &'m (List, Program), bool) -> R;
    fn with<R>(event: &Event, finder: &Finder, program: &(List, Program), keeps: bool, of: Way<R>) -> R {
        with_workspace(|workspace| {
            of(&Machine::new(event, finder.find(event.data(), workspace)), program, keeps)
        })
    }
    let rule = with(&event, &finder, &program, true, |machine, (_, program), _| machine.rule(program));
    // A rule of nothing but conditions has a way of its own, which comes to the same.
    let value =
        with(&event, &finder, &program, true, |machine, (_, program), _| Outcome::of(machine.value(program)));
    assert_eq!(rule, value, "{source}");
    // So has a list of rules.
    for keeps in [true, false] {
        let first = with(&event, &finder, &program, keeps, |machine, (list, program), keeps| {
            machine.first(list, &|_| program, keeps)
        });
        let (failed, unmatched) = match rule {
            Outcome::Fault(fault) => (fault.is_failure(), !fault.is_failure()),
            _ => (false, false),
        };
        let decides = rule == Outcome::True || failed && keeps;
        assert_eq!(first, First { rule: decides.then_some(0), unmatched, failed }, "{source}");
    }
    Ok(rule)
}

const DATA: &str = r#"{"a.b":1,"a":{"b":2,"c":{"d":3}},"c":{"d.e":4,"d":{"e":5}},"n":null,"t":true,"x":2.5,"s":"hello w\u00f6rld","esc":"a\n\"b\"","list":[1,"two",{"k.l":7}],"big":9007199254740991,"m":{"k":1,"weird key":2},"http":{"status":503},"ключ":"да"}"#;

/// What a text is asked before a regular expression is changes nothing.
#[test]
fn what_an_anchored_pattern_begins_with_is_what_it_matches() {
    let begins = |pattern: &str| {
        let (program, _) =
            compile(&format!("event.data.s.matches(r'{pattern}')"), &mut Paths::default()).unwrap();
        let texts = [
            "",
            "/",
            "/admin",
            "/admin/x",
            "/administrator",
            "/adm",
            "x/admin",
            "/b\n/admin",
            "a",
            "b",
            "ADMIN",
        ];
        for text in texts {
            let expected = regex::bytes::Regex::new(pattern).unwrap().is_match(text.as_bytes());
            let outcome = run(&format!("event.data.s.matches(r'{pattern}')"), &format!("{{\"s\":{text:?}}}"));
            assert_eq!(outcome == Ok(Outcome::True), expected, "{pattern} of {text:?}");
        }
        String::from_utf8(program.regexes[0].begins.to_vec()).unwrap()
    };
    assert_eq!(begins("^/admin(/|$)"), "/admin");
    assert_eq!(begins("^/(admin|b)$"), "/");
    assert_eq!(begins("^/admin(/|$)|a"), "");
    assert_eq!(begins("^/admin?"), "/admi");
    assert_eq!(begins("^(/|a)"), "");
    assert_eq!(begins("^(?i)admin"), "");
    assert_eq!(begins("^(?:^/adm|/admin)"), "/adm");
    assert_eq!(begins("(?m)^/admin"), "");
    assert_eq!(begins("^(?m)|^/admin"), "");
    assert_eq!(begins("^/+b?"), "/");
    assert_eq!(begins("^$"), "");
    assert_eq!(begins("/admin"), "");
}

/// What comes true, what comes false, and what has no value: by source.
#[test]
fn expressions_come_out_as_the_language_says() {
    use Fault::{Absent, Cost, Overflow, Type};
    use Outcome::{False, True};
    let fault = Outcome::Fault;
    let cases = [
        ("event.data.a.b == 1", True),
        ("event.data.a.c.d == 3", True),
        ("event.data.c.d.e == 4", True),
        ("event.data['a.b'] == 1", True),
        ("event.data['a']['b'] == 2", True),
        ("event.data.http.status >= 500 && event.type == 'com.example.thing'", True),
        ("event.severity >= WARN", False),
        ("event.severity == INFO && event.severitytext == 'INFO'", True),
        ("event.agent == 'urn:example:agent' && event.tenantid == 'acme' && event.runid == 'r-1'", True),
        ("event.subject == 'x'", fault(Absent)),
        ("event.data.nothing == 1", fault(Absent)),
        ("event.data.nothing == 1 || true", True),
        ("true || event.data.nothing == 1", True),
        ("event.data.nothing == 1 && false", False),
        ("event.data.nothing == 1 || false", fault(Absent)),
        ("has(event.data.nothing)", False),
        ("has(event.data.n) && event.data.n == null", True),
        ("has(event.data.a.c.d) && !has(event.data.a.c.e) && !has(event.subject) && has(event.run)", True),
        ("has(event.data.list[2].k.l) && event.data.list[2].k.l == 7 && !has(event.data.list[2].z)", True),
        ("event.data.s > 5", fault(Type)),
        ("event.data.s", fault(Type)),
        ("event.data.t", True),
        ("!event.data.t", False),
        (
            "event.data.s.startsWith('hello') && event.data.s.endsWith('rld') && event.data.s.contains('o w')",
            True,
        ),
        ("size(event.data.s) == 11 && event.data.list.size() == 3 && size(event.data.m) == 2", True),
        (
            "first([7, 8]) == 7 && first(event.data.s) == event.data.s && first(event.data.list) == event.data.list[0]",
            True,
        ),
        ("first([]) == 1", fault(Absent)),
        (
            r#"event.data.esc == "a\n\"b\"" && event.data.esc.contains('"b') && size(event.data.esc) == 5"#,
            True,
        ),
        ("event.data.s.matches('^h.*d$') && !event.data.s.matches('^w')", True),
        (r"matches(event.data.s, r'w\wrld')", True),
        (
            "event.data.x * 2 == 5 && event.data.x + 1 == 3.5 && 7 / 2 == 3 && 7 % 4 == 3 && -event.data.x < 0",
            True,
        ),
        ("event.data.big * 4096 > 0", fault(Overflow)),
        ("1 / 0 == 1", fault(Overflow)),
        ("event.data.nothing == 1 || 1 / 0 == 1", fault(Overflow)),
        ("'two' in event.data.list && 1 in event.data.list && !(3 in event.data.list)", True),
        ("event.type in ['com.example.thing', 'x']", True),
        ("'weird key' in event.data.m && event.data.m['weird key'] == 2", True),
        ("event.data.list[0] == 1 && event.data.list[1] == 'two'", True),
        ("event.data.list[9] == 1", fault(Absent)),
        ("event.data.list == [1]", False),
        ("event.data.a == event.data.a", True),
        ("event.data.t ? event.data.x > 2 : false", True),
        ("event.data.nothing ? true : true", fault(Absent)),
        (
            "['he', 'wo'].exists(p, event.data.s.startsWith(p)) && ['h', 'he'].all(p, event.data.s.startsWith(p))",
            True,
        ),
        ("[].exists(p, p == 1) || [].all(p, p == 1)", True),
        ("int('7') == 7 && double('1.5') == 1.5 && string(7) == '7' && string(event.data.x) == '2.5'", True),
        ("event.tenant + '/' + event.run == 'acme/r-1'", True),
        ("event.data.ключ == 'да'", fault(Type)),
        ("event.data['ключ'] == 'да'", True),
        ("event.data.n == null && event.data.s != null", True),
        ("event.time > '2020' && size(event.id) == 36", True),
        ("0x10 == 16 && 5u == 5 && 1e3 == 1000 && '\\x41' == 'A' // and a remark", True),
    ];
    for (source, expected) in cases {
        if source.contains("data.ключ") {
            assert!(run(source, DATA).is_err(), "an identifier is ASCII");
            continue;
        }
        assert_eq!(run(source, DATA), Ok(expected), "{source}");
    }
    let long = format!(r#"{{"s":"{}"}}"#, "a".repeat(400_000));
    assert_eq!(run("event.data.s.matches('b+$')", &long), Ok(fault(Cost)));
    assert_eq!(run("event.data.s.contains('b')", &long), Ok(False));
}

/// Characters that escapes are made of, characters that are escaped, and others.
fn awkward() -> impl proptest::strategy::Strategy<Value = String> {
    let character =
        proptest::sample::select(&['n', 'u', '0', '1', 'f', 'o', 'é', '\n', '"', '\\', '\u{1f}'][..]);
    proptest::collection::vec(character, 0..6).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whether a text is asked as it is written or without its escapes.
    #[test]
    fn texts_with_escapes_are_asked_as_any_other(text in awkward(), part in awkward(), by in 0..7) {
        let quoted = |text: &str| String::from_utf8(json::Value::from(text).to_canonical().unwrap()).unwrap();
        let (source, expected) = match by {
            0 => (format!("event.data.s == {}", quoted(&part)), text == part),
            1 => (format!("event.data.s != {}", quoted(&part)), text != part),
            2 => (format!("event.data.s.startsWith({})", quoted(&part)), text.starts_with(&part)),
            3 => (format!("event.data.s.endsWith({})", quoted(&part)), text.ends_with(&part)),
            4 => (format!("event.data.s.contains({})", quoted(&part)), text.contains(&part)),
            5 => (format!("event.data.s in ['x', {}]", quoted(&part)), text == part),
            _ => (format!("event.data.s < {}", quoted(&part)), text < part),
        };
        let data = format!("{{\"s\":{}}}", quoted(&text));
        prop_assert_eq!(run(&source, &data), Ok(Outcome::of(Val::Bool(expected))), "{}", source);
        // Asked for twice, of which the second is joined to it.
        let twice = format!("size(event.data.s) == {} && ({source})", text.chars().count());
        prop_assert_eq!(run(&twice, &data), Ok(Outcome::of(Val::Bool(expected))), "{}", twice);
    }
}

/// Rules that come true, false, absent, mistyped and too large; of one condition and of many, and some that are run.
const MIXED: [&str; 16] = [
    "event.severity >= WARN",
    "event.data.a.b == 1",
    "event.data.nothing == 1",
    "event.data.s > 5",
    "event.data.nothing == 1 || event.data.x > 100",
    "event.data.nothing == 1 && event.data.t == true",
    "event.data.nothing == 1 || event.data.s == 'hello'",
    "event.data.s.startsWith('hello') && event.type == 'com.example.thing'",
    "event.data.s.startsWith('x') || event.agent == 'x' || has(event.data.nothing)",
    "has(event.data.n) && event.data.big > 5 && event.data.s.matches('^w')",
    "event.data.esc == 'x' || event.subject == 'x'",
    "1 / 0 == 1",
    "event.data.nothing == 1 || 1 / 0 == 1",
    "size(event.data.s) == 3",
    "!event.data.t",
    "event.run in ['x', 'y']",
];

proptest! {
    /// What one rule of a list came to is nothing to the next.
    #[test]
    fn what_comes_of_a_list_is_what_comes_of_its_rules(
        rules in proptest::collection::vec(0..MIXED.len(), 1..8),
        keeps in any::<bool>(),
    ) {
        let mut paths = Paths::default();
        let programs: Vec<Program> =
            rules.iter().map(|rule| compile(MIXED[*rule], &mut paths).unwrap().0).collect();
        let list = List::of(programs.iter());
        let event = event("com.example.thing", DATA);
        let (expected, first) = with_workspace(|workspace| {
            let finder = paths.finder();
            let machine = Machine::new(&event, finder.find(event.data(), workspace));
            let mut expected = First::default();
            for (at, program) in programs.iter().enumerate() {
                let outcome = machine.rule(program);
                match outcome {
                    Outcome::Fault(fault) if fault.is_failure() => expected.failed = true,
                    Outcome::Fault(_) => expected.unmatched = true,
                    _ => {}
                }
                let failed = matches!(outcome, Outcome::Fault(fault) if fault.is_failure());
                if outcome == Outcome::True || failed && keeps {
                    expected.rule = Some(at);
                    break;
                }
            }
            (expected, machine.first(&list, &|at| &programs[at], keeps))
        });
        prop_assert_eq!(first, expected);
    }
}

#[test]
fn what_is_refused_names_its_place() {
    let cases = [
        ("", 0, "expected a value"),
        ("event.type == ", 14, "expected a value"),
        ("event.nothing == 1", 0, "an event has no `nothing`"),
        ("data.x == 1", 0, "event.data.data"),
        ("event.type > 5", 11, "never makes sense"),
        ("event.type && true", 5, "expected a condition"),
        ("event.data.s.matches('(')", 21, "unclosed group"),
        ("event.data.s.matches(event.type)", 26, "compiled at load"),
        (r"event.data.s.matches('\\pL{100}{100}')", 21, "takes more than"),
        ("event.data.list.exists(x, x == 1)", 15, "must be known"),
        ("event.data.list.map(x, x)", 15, "not part of the subset"),
        ("{'a': 1}.a == 1", 0, "mappings"),
        ("event.data.s.lower() == 'x'", 12, "not a call of the subset"),
        ("99999999999999999999 == 1", 0, "too large"),
        ("'a", 0, "does not end"),
        ("event.data.a.b.c.d.e.f.g.h.i == 1", 0, "more than 8 names"),
        ("event == 1", 0, "as a whole"),
        ("1 # 2", 2, "no meaning"),
        ("for == 1", 0, "a word of CEL's own"),
        ("1 == 'a'", 2, "never makes sense"),
    ];
    for (source, at, message) in cases {
        let error = run(source, "{}").expect_err(source);
        assert!(error.message.contains(message), "{source}: {error:?}");
        assert_eq!(error.at, at, "{source}: {error:?}");
    }
}

/// On a thread with little stack: refused or read, never an abort.
#[test]
fn hostile_sources_need_little_stack_and_name_their_place() {
    let read = || {
        for source in hostile::sources() {
            // How long it takes is measured by `bench/policy`; what bounds it is how much there is to do.
            let read = run(&source, "{}");
            if let Err(error) = read {
                assert!(error.at <= 1024, "{error:?}");
            }
        }
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(read).unwrap().join().unwrap();
}

/// What reading a source takes is bounded by what it becomes: steps, regular expressions, the characters whose case they
/// look up.
#[test]
fn what_a_source_may_become_is_bounded() {
    let compiled = |source: &str| compile(source, &mut Paths::default()).map(|(program, _)| program);
    let refused = |source: &str| compiled(source).expect_err(source).message;
    // A part is two steps at most.
    for source in [format!("true{}", "&&true".repeat(120)), format!("1{}>0", "+1".repeat(25))] {
        assert!(compiled(&source).unwrap().ops.len() <= 2 * MAX_NODES, "{source:.20}");
    }
    // Sixteen regular expressions, of which the same one is one, as in a macro that is written out.
    let matches = |n: usize| format!("event.data.s.matches('{n}')");
    let all = |n: usize| (0..n).map(matches).collect::<Vec<_>>().join("||");
    assert_eq!(compiled(&all(16)).unwrap().regexes.len(), MAX_REGEXES);
    assert!(refused(&all(17)).contains("more than 16 regular expressions"));
    let same = "['a','b','c'].exists(x, event.data.s.matches('^a') && event.data.s.contains(x))";
    assert_eq!(compiled(same).unwrap().regexes.len(), 1);
    // Of a pattern that is blind to case, the characters that are looked up: those of its classes, where any has a case.
    let looked_up = |pattern: &str| folding::folded(pattern, REGEX_DEPTH);
    for (pattern, few) in [
        ("[\\s\\S]\\PL", true),
        ("(?i)[\\W_]+secret[^,]*", true),
        ("(?-i:[\\s\\S])(?i)x", true),
        ("(?i:[a-z])[\\s\\S]", true),
        ("(?i)\\pL", true),
        ("(?i)[\\s\\S]", false),
        ("((?i)a|b)(?i:[\\S])", false),
        ("a|(?i)b|[\\D]", false),
        ("(?i)[^[^a]]", false),
        ("(?i)\\P{Greek}", true),
        ("(?i)\\p{Any}", false),
        ("(?i)[!-\\x{10ffff}&&a]", false),
    ] {
        assert_eq!(looked_up(pattern) <= folding::MOST, few, "{pattern}: {}", looked_up(pattern));
        let source = format!("event.data.s.matches(r'{pattern}')");
        match compiled(&source) {
            Ok(_) => assert!(few, "{pattern}"),
            Err(error) => {
                assert_eq!((error.message.contains("(?-i:"), error.at), (!few, 21), "{pattern}: {error:?}")
            }
        }
    }
    // All of a source together.
    let fifteen =
        (0..15).map(|n| format!("event.data.s.matches(r'(?i)\\pL{n}')")).collect::<Vec<_>>().join("||");
    assert!(refused(&fifteen).contains("(?-i:"));
    assert_eq!(looked_up("("), 0, "no pattern: the compiler says why");
}
