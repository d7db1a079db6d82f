use super::*;
use crate::json::{self, Value};
use crate::settings::{
    ContentCeiling, ContentLimits, ContentMode, ContentPolicy, ContentRule, RedactionConfig, RetentionConfig,
    SamplingConfig,
};
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
/// 2026-11-21T00:00:00Z
const TIME: i64 = 1_795_219_200 * SECOND;
const CANARY: &str = "canary-7f3a";

fn policy() -> ContentPolicy {
    ContentPolicy {
        mode: ContentMode::RedactedSummary,
        classes: vec![("prompt".into(), ContentRule { mode: ContentMode::Raw, ..Default::default() })],
        redaction: Some(RedactionConfig {
            id: "pii-1".into(),
            detectors: vec!["email".into()],
            ..Default::default()
        }),
        retention: Some(RetentionConfig { class: "short".into(), window: Duration::from_secs(60) }),
        sampling: Some(SamplingConfig { key: "run".into(), numerator: 1, denominator: 1 }),
        limits: ContentLimits { bytes: Some(1024), parts: Some(2), tokens: None, media_bytes: Some(16) },
        children: vec!["agent:researcher".into()],
    }
}

fn part(text: &str) -> Part {
    let mut part = Part::text("prompt", text).permit(ContentMode::Raw);
    part.summary = Some("asks a@example.com".into());
    part.reference = Some("store:1".into());
    part.role = Some("user".into());
    part.tokens = Some(7);
    part
}

fn facts<'a>() -> EventFacts<'a> {
    EventFacts { agent: Some("a"), time: TIME, ..Default::default() }
}

fn ceiling(mode: ContentMode) -> ContentCeiling {
    ContentCeiling { mode, classes: vec!["prompt".into()] }
}

fn prepare(parts: &[Part], policy: &ContentPolicy, facts: &EventFacts<'_>, now: i64) -> Prepared {
    let redactor = policy.redaction.as_ref().map(|r| Redactor::compile(r, None).unwrap());
    let salt = |i: usize| [u8::try_from(i).unwrap() + 1; 16];
    Prepared::new(parts, facts, Some(policy), redactor.as_ref(), salt, now).unwrap()
}

fn content(prepared: &Prepared, ceiling: &ContentCeiling) -> String {
    let mut out = Vec::new();
    prepared.append_content(&mut out, ceiling);
    String::from_utf8(out).unwrap()
}

fn disclosures(prepared: &Prepared, ceiling: &ContentCeiling, now: i64) -> Option<String> {
    let mut out = Vec::new();
    prepared.append_disclosures(&mut out, ceiling, now).then(|| String::from_utf8(out).unwrap())
}

/// A line as a sealer would write it, but for the attributes that do not matter here.
fn line(prepared: &Prepared, ceiling: &ContentCeiling, now: i64) -> String {
    let disclosed =
        disclosures(prepared, ceiling, now).map_or_else(String::new, |d| format!(",\"disclosures\":{d}"));
    format!(
        "{{\"agentid\":\"a\",\"data\":{{\"capture\":{},\"content\":{}{disclosed}}},\"id\":\"e-1\",\"recordedtime\":\"2026-11-21T00:00:00.000000000Z\",\"time\":\"2026-11-21T00:00:00.000000000Z\"}}",
        std::str::from_utf8(prepared.capture_json()).unwrap(),
        content(prepared, ceiling),
    )
}

#[test]
fn hidden_reasoning_is_refused_however_it_is_spelled() {
    for class in
        ["reasoning", "thinking", "chain_of_thought", "Thinking", "chain-of-thought", "chainOfThought"]
    {
        let e = Part::text(class, CANARY).check("content[2]").unwrap_err();
        assert_eq!((e.kind().name(), e.place()), ("invalid_event", Some("content[2].class")), "{class}");
    }
    Part::text("tool_result", "x").check("content[0]").unwrap();
    Part::text("vnd.acme.Plan-1", "x").check("content[0]").unwrap();
}

#[test]
fn a_bad_part_names_its_member_and_never_its_text() {
    let long = "c".repeat(65);
    let number = format!("{{\"class\":\"prompt\",\"text\":\"{CANARY}\",\"tokens\":-1}}");
    for (json, place) in [
        (format!("{{\"class\":\"a {CANARY}\",\"text\":\"{CANARY}\"}}"), "content[0].class"),
        (format!("{{\"class\":\"{long}\",\"text\":\"{CANARY}\"}}"), "content[0].class"),
        (format!("{{\"text\":\"{CANARY}\"}}"), "content[0].class"),
        (format!("{{\"class\":\"prompt\",\"text\":\"{CANARY}\",\"bytes\":\"\"}}"), "content[0]"),
        ("{\"class\":\"prompt\"}".to_owned(), "content[0]"),
        (format!("{{\"class\":\"prompt\",\"bytes\":\"{CANARY}!\"}}"), "content[0].bytes"),
        (format!("{{\"class\":\"prompt\",\"text\":\"\",\"{CANARY}\":1}}"), "content[0]"),
        (format!("{{\"class\":\"prompt\",\"text\":\"\",\"permit\":\"{CANARY}\"}}"), "content[0].permit"),
        (format!("{{\"class\":\"prompt\",\"text\":\"\",\"role\":\"the {CANARY}\"}}"), "content[0].role"),
        (
            format!("{{\"class\":\"prompt\",\"text\":\"\",\"mediatype\":\"{CANARY}\"}}"),
            "content[0].mediatype",
        ),
        (number, "content[0].tokens"),
    ] {
        let e = Part::from_value(&json::parse(json.as_bytes()).unwrap(), "content[0]").unwrap_err();
        assert_eq!((e.kind().name(), e.place()), ("invalid_event", Some(place)), "{json}");
        assert!(!e.to_string().contains(CANARY), "{e}");
    }
}

#[test]
fn no_debug_output_shows_content() {
    let mut part = Part::text("prompt", CANARY);
    part.summary = Some(CANARY.into());
    part.reference = Some(CANARY.into());
    let prepared = prepare(std::slice::from_ref(&part), &policy(), &facts(), TIME);
    let bytes = Part::bytes("file", CANARY.as_bytes());
    let all =
        format!("{part:?} {prepared:?} {bytes:?} {:?}", Redactor::compile(&RedactionConfig::default(), None));
    assert!(!all.contains(CANARY) && !all.contains("99, 97, 110"), "{all}");
}

#[test]
fn each_lane_gets_the_lower_of_the_grant_and_its_ceiling() {
    let prepared = prepare(&[part("hello a@example.com")], &policy(), &facts(), TIME);
    let digest = "\"digest\":\"";
    for (mode, has_summary, has_ref, has_text) in [
        (ContentMode::Off, false, false, false),
        (ContentMode::RedactedSummary, true, false, false),
        (ContentMode::ContentRef, true, true, false),
        (ContentMode::Raw, true, true, true),
    ] {
        let seen = content(&prepared, &ceiling(mode));
        assert_eq!(seen.contains("\"summary\":\"asks [email]\""), has_summary, "{seen}");
        assert_eq!(seen.contains("\"ref\":\"store:1\""), has_ref, "{seen}");
        assert!(seen.contains(digest) && seen.contains("\"mode\":\"raw\"") && seen.contains("\"size\":13"));
        assert_eq!(disclosures(&prepared, &ceiling(mode), TIME).is_some(), has_text);
    }
    let other = ContentCeiling { mode: ContentMode::Raw, classes: vec!["completion".into()] };
    assert_eq!(content(&prepared, &other), content(&prepared, &ceiling(ContentMode::Off)));
    assert_eq!(
        disclosures(&prepared, &ceiling(ContentMode::Raw), TIME).unwrap(),
        "[{\"part\":0,\"salt\":\"AQEBAQEBAQEBAQEBAQEBAQ==\",\"text\":\"hello [email]\"}]"
    );
}

#[test]
fn what_is_written_is_canonical() {
    let mut image = Part::bytes("file", [0_u8, 255, 1].as_slice()).permit(ContentMode::Raw);
    image.mediatype = "image/png".into();
    let mut policy = policy();
    policy.mode = ContentMode::Raw;
    let prepared = prepare(&[part("a\u{7f}\"é\n"), image], &policy, &facts(), TIME);
    let all = ContentCeiling { mode: ContentMode::Raw, classes: vec!["prompt".into(), "file".into()] };
    let line = line(&prepared, &all, TIME);
    let value = json::parse(line.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(value.to_canonical().unwrap()).unwrap(), line);
    assert!(line.contains("{\"bytes\":\"AP8B\",\"part\":1,"), "{line}");
    check_disclosures(&value).unwrap();
}

#[test]
fn the_decision_is_sealed_the_same_in_every_lane() {
    let prepared = prepare(&[part("hello")], &policy(), &facts(), TIME);
    assert_eq!(
        std::str::from_utf8(prepared.capture_json()).unwrap(),
        "{\"child_or_extension\":false,\
         \"parts\":[{\"effective\":\"raw\",\"failed\":[],\"requested\":\"raw\"}],\
         \"policy_refs\":[\"governance.content.classes.prompt\"],\"redaction_policy\":\"pii-1\",\
         \"retention\":{\"class\":\"short\",\"until\":\"2026-11-21T00:01:00.000000000Z\"},\
         \"sampling\":{\"included\":true,\"key\":\"run\",\"rate\":{\"denominator\":1,\"numerator\":1}}}"
    );
}

/// Shuts every subset of the gates that `emit` can meet and checks the decision, the summary's and the
/// text's way out.
#[test]
fn every_combination_of_shut_gates_keeps_content_in() {
    let gates = ["policy", "redaction", "retention", "sampling", "limits"];
    for shut in 0_u32..1 << gates.len() {
        let is = |gate: &str| shut & 1 << gates.iter().position(|g| *g == gate).unwrap() != 0;
        let mut policy = policy();
        if is("policy") {
            policy.classes[0].1.mode = ContentMode::ContentRef;
        }
        if is("redaction") {
            policy.redaction = None;
        }
        let now = if is("retention") { TIME + 60 * SECOND } else { TIME + 60 * SECOND - 1 };
        if is("sampling") {
            policy.sampling.as_mut().unwrap().numerator = 0;
        }
        if is("limits") {
            policy.limits.bytes = Some(4);
        }
        let prepared = prepare(&[part(CANARY)], &policy, &facts(), now);
        let capture = json::parse(prepared.capture_json()).unwrap();
        let decided = &capture.get("parts").unwrap().items()[0];
        let failed: Vec<_> =
            decided.get("failed").unwrap().items().iter().filter_map(Value::as_str).collect();
        let want: Vec<_> = gates.into_iter().filter(|gate| is(gate)).collect();
        assert_eq!(failed, want);
        assert_eq!(decided.get("reason").and_then(Value::as_str), want.first().copied());
        let effective = if shut == 0 { "raw" } else { "redacted_summary" };
        assert_eq!(decided.get("effective").and_then(Value::as_str), Some(effective));
        let line = line(&prepared, &ceiling(ContentMode::Raw), now);
        assert_eq!(line.contains(CANARY), shut == 0, "{line}");
    }
}

#[test]
fn limits_hold_for_each_part() {
    let mut policy = policy();
    policy.mode = ContentMode::Raw;
    policy.limits.tokens = Some(7);
    let image = |bytes: usize| {
        let mut part = Part::bytes("file", vec![0xFF; bytes]).permit(ContentMode::Raw);
        part.tokens = Some(1);
        part
    };
    let mut many = part("x");
    many.tokens = Some(8);
    let mut uncounted = part("x");
    uncounted.tokens = None;
    for (parts, want) in [
        (vec![part("x")], vec!["raw"]),
        (vec![part("")], vec!["redacted_summary"]),
        (vec![part("x"), part("y"), part("z")], vec!["raw", "raw", "redacted_summary"]),
        (vec![many], vec!["redacted_summary"]),
        (vec![uncounted], vec!["redacted_summary"]),
        (vec![image(16), image(17)], vec!["raw", "redacted_summary"]),
    ] {
        let prepared = prepare(&parts, &policy, &facts(), TIME);
        let capture = json::parse(prepared.capture_json()).unwrap();
        let effective: Vec<_> = capture
            .get("parts")
            .unwrap()
            .items()
            .iter()
            .map(|p| p.get("effective").and_then(Value::as_str).unwrap())
            .collect();
        assert_eq!(effective, want);
    }
}

#[test]
fn binary_that_holds_a_find_is_kept_in() {
    let mut policy = policy();
    policy.mode = ContentMode::Raw;
    policy.limits.media_bytes = None;
    let wide: Vec<u8> = "a@example.com".bytes().flat_map(|b| [b, 0]).collect();
    let all = ContentCeiling { mode: ContentMode::Raw, classes: vec!["file".into()] };
    for (bytes, out) in [
        (b"\xff\xfe clear".to_vec(), true),
        (b"\xff\xfe a@example.com".to_vec(), false),
        (wide, false),
        (b"text a@example.com".to_vec(), true),
    ] {
        let part = Part::bytes("file", bytes).permit(ContentMode::Raw);
        let prepared = prepare(&[part], &policy, &facts(), TIME);
        let disclosed = disclosures(&prepared, &all, TIME);
        assert_eq!(disclosed.is_some(), out);
        // `text [email]`
        assert!(disclosed.is_none_or(|d| !d.contains("YUBleGFtcGxlLmNvbQ")));
    }
}

#[test]
fn children_are_off_unless_named() {
    for (child, want) in
        [(None, true), (Some("agent:researcher"), true), (Some("agent:other"), false), (Some(""), false)]
    {
        let prepared = prepare(&[part(CANARY)], &policy(), &EventFacts { child, ..facts() }, TIME);
        let line = line(&prepared, &ceiling(ContentMode::Raw), TIME);
        assert_eq!(line.contains(CANARY), want, "{child:?}");
        assert_eq!(line.contains("asks"), want, "{child:?}");
    }
}

#[test]
fn stripping_leaves_what_a_lane_without_the_right_got() {
    let prepared = prepare(&[part(CANARY)], &policy(), &facts(), TIME);
    let with = line(&prepared, &ceiling(ContentMode::Raw), TIME);
    let without = line(&prepared, &ceiling(ContentMode::ContentRef), TIME);
    assert!(with.contains(CANARY) && !without.contains(CANARY));
    assert_eq!(String::from_utf8(strip(with.as_bytes()).unwrap()).unwrap(), without);
    assert_eq!(String::from_utf8(strip(without.as_bytes()).unwrap()).unwrap(), without);
    for bad in ["", "[]", "{\"data\":", "not json"] {
        assert_eq!(strip(bad.as_bytes()).unwrap_err().kind().name(), "verification");
    }
}

#[test]
fn a_disclosure_is_checked_to_the_last_member() {
    let prepared = prepare(&[part("hello"), part("world")], &policy(), &facts(), TIME);
    let line = line(&prepared, &ceiling(ContentMode::Raw), TIME);
    check_disclosures(&json::parse(line.as_bytes()).unwrap()).unwrap();
    let second = "{\"part\":1,\"salt\":\"AgICAgICAgICAgICAgICAg==\",\"text\":\"world\"}";
    let first = second
        .replace("\"part\":1", "\"part\":0")
        .replace("AgICAgICAgICAgICAgICAg", "AQEBAQEBAQEBAQEBAQEBAQ")
        .replace("world", "hello");
    let list = format!("[{first},{second}]");
    assert!(line.contains(&list));
    for (from, to) in [
        ("hello\"}", "hullo\"}"),
        ("hello\"}", "hello \"}"),
        ("\"text\":\"hello\"", "\"bytes\":\"aGVsbG8\""),
        ("\"text\":\"hello\"", "\"bytes\":\"aGVsbG8=\",\"text\":\"hello\""),
        ("\"text\":\"hello\"", "\"note\":1,\"text\":\"hello\""),
        (",\"text\":\"hello\"", ""),
        ("\"salt\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"", "\"salt\":\"AgICAgICAgICAgICAgICAg==\""),
        ("\"salt\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"", "\"salt\":\"AQEBAQEBAQEBAQEBAQEB\""),
        ("\"salt\":\"AQEBAQEBAQEBAQEBAQEBAQ==\",", ""),
        ("{\"part\":0,", "{\"part\":1,"),
        ("{\"part\":0,", "{\"part\":2,"),
        ("{\"part\":0,", "{\"part\":-1,"),
        ("{\"part\":0,", "{\"part\":\"0\","),
        (list.as_str(), "[]"),
        (list.as_str(), "{}"),
        (list.as_str(), "null"),
        ("\"size\":5", "\"size\":6"),
    ] {
        let at = line.rfind(from).filter(|_| from != "\"size\":5").or_else(|| line.find(from)).unwrap();
        let bad = format!("{}{to}{}", &line[..at], &line[at + from.len()..]);
        let e = check_disclosures(&json::parse(bad.as_bytes()).unwrap()).expect_err(to);
        assert_eq!(e.kind().name(), "verification");
        assert!(e.place().unwrap().starts_with("data.disclosures"), "{e}");
        assert!(!e.to_string().contains("hello"));
    }
    let swapped = line.replace(&list, &format!("[{second},{first}]"));
    assert!(check_disclosures(&json::parse(swapped.as_bytes()).unwrap()).is_err());
    // The same bytes as `bytes` are the same content.
    let same = line.replace("\"text\":\"world\"}]", "\"bytes\":\"d29ybGQ=\"}]");
    check_disclosures(&json::parse(same.as_bytes()).unwrap()).unwrap();
}

#[test]
fn a_replay_is_judged_by_todays_policy() {
    let prepared = prepare(&[part(CANARY)], &policy(), &facts(), TIME);
    let raw = ceiling(ContentMode::Raw);
    let sealed = line(&prepared, &raw, TIME);
    let again = |policy: Option<&ContentPolicy>, ceiling: &ContentCeiling, now: i64| {
        let line = rejudge(sealed.as_bytes(), policy, ceiling, now).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(strip(line.as_bytes()).unwrap(), strip(sealed.as_bytes()).unwrap());
        line.contains(CANARY)
    };
    let today = policy();
    assert!(again(Some(&today), &raw, TIME));
    assert!(!again(None, &raw, TIME));
    assert!(!again(Some(&today), &ceiling(ContentMode::ContentRef), TIME));
    assert!(!again(Some(&today), &raw, TIME + 60 * SECOND));
    let mut shorter = policy();
    shorter.retention.as_mut().unwrap().window = Duration::from_secs(1);
    assert!(!again(Some(&shorter), &raw, TIME + 2 * SECOND));
    let mut longer = policy();
    longer.retention.as_mut().unwrap().window = Duration::from_secs(3600);
    assert!(!again(Some(&longer), &raw, TIME + 61 * SECOND), "a replay must not widen");
    let mut other = policy();
    other.redaction.as_mut().unwrap().id = "pii-2".into();
    assert!(!again(Some(&other), &raw, TIME));
    let mut lower = policy();
    lower.classes[0].1.mode = ContentMode::ContentRef;
    assert!(!again(Some(&lower), &raw, TIME));
    for limits in [
        ContentLimits { bytes: Some(CANARY.len() as u64 - 1), ..Default::default() },
        ContentLimits { parts: Some(0), ..Default::default() },
        ContentLimits { tokens: Some(6), ..Default::default() },
    ] {
        assert!(!again(Some(&ContentPolicy { limits, ..policy() }), &raw, TIME), "{limits:?}");
    }
    let mut unsampled = policy();
    unsampled.sampling = Some(SamplingConfig { key: "event".into(), numerator: 0, denominator: 1 });
    assert!(!again(Some(&unsampled), &raw, TIME));
    unsampled.sampling = None;
    assert!(!again(Some(&unsampled), &raw, TIME));
}

/// Whether a replay of an event of that child discloses its words under a policy for those children.
fn replays(child: Option<&str>, allowed: &[&str]) -> bool {
    let mut facts = facts();
    facts.child = child;
    let mut then = policy();
    then.children = vec!["*".into()];
    let sealed = line(&prepare(&[part(CANARY)], &then, &facts, TIME), &ceiling(ContentMode::Raw), TIME);
    assert!(sealed.contains(CANARY));
    let today = ContentPolicy { children: allowed.iter().map(|&name| name.to_owned()).collect(), ..policy() };
    let line = rejudge(sealed.as_bytes(), Some(&today), &ceiling(ContentMode::Raw), TIME).unwrap();
    String::from_utf8(line).unwrap().contains(CANARY)
}

#[test]
fn a_replay_knows_a_childs_words_from_its_parents() {
    assert!(replays(None, &[]));
    assert!(replays(Some("agent:researcher"), &["agent:researcher"]));
    assert!(!replays(Some("agent:researcher"), &["agent:other"]));
    assert!(!replays(Some("agent:researcher"), &[]));
    assert!(!replays(Some(""), &["agent:researcher"]));
    // A name that redaction changed names nobody.
    assert!(!replays(Some("agent:a@example.com"), &["agent:a@example.com"]));
    // The envelope does not say whose words they are: they stay in.
    let sealed = line(&prepare(&[part(CANARY)], &policy(), &facts(), TIME), &ceiling(ContentMode::Raw), TIME);
    let silent = sealed.replace("\"child_or_extension\":false,", "");
    assert_ne!(silent, sealed);
    let again = rejudge(silent.as_bytes(), Some(&policy()), &ceiling(ContentMode::Raw), TIME).unwrap();
    assert!(!String::from_utf8(again).unwrap().contains(CANARY));
}

#[test]
fn a_replay_limits_media_by_their_own_limit() {
    let mut medium = part(CANARY);
    medium.body = Body::Bytes(CANARY.as_bytes().into());
    let sealed = line(&prepare(&[medium], &policy(), &facts(), TIME), &ceiling(ContentMode::Raw), TIME);
    for (limit, discloses) in [(16, true), (1, false)] {
        let mut today = policy();
        today.limits.media_bytes = Some(limit);
        let again = rejudge(sealed.as_bytes(), Some(&today), &ceiling(ContentMode::Raw), TIME).unwrap();
        assert_eq!(String::from_utf8(again).unwrap().contains("disclosures"), discloses, "{limit}");
    }
}

#[test]
fn a_window_begins_at_the_earlier_of_its_time_and_now() {
    for (occurred, now) in [(TIME + 9_000 * SECOND, TIME), (TIME, TIME + 30 * SECOND)] {
        let mut facts = facts();
        facts.time = occurred;
        let prepared = prepare(&[part(CANARY)], &policy(), &facts, now);
        let raw = ceiling(ContentMode::Raw);
        assert!(disclosures(&prepared, &raw, TIME + 59 * SECOND).is_some(), "{occurred}");
        assert!(disclosures(&prepared, &raw, TIME + 60 * SECOND).is_none(), "{occurred}");
        // And so it does at a replay, whatever was sealed.
        let sealed = line(&prepared, &raw, now)
            .replace("\"time\":\"2026", "\"time\":\"2260")
            .replace("\"until\":\"2026", "\"until\":\"2260");
        let again = |now| String::from_utf8(rejudge(sealed.as_bytes(), Some(&policy()), &raw, now).unwrap());
        assert!(again(TIME + 59 * SECOND).unwrap().contains(CANARY));
        assert!(!again(TIME + 60 * SECOND).unwrap().contains(CANARY));
    }
}
