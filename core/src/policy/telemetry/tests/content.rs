//! No policy widens content: what a lane gets to see of people's words under policies is a part of what it gets without.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::content::Part;
use crate::settings::ContentMode;

/// What lanes may see at most: everything of two classes, summaries of one, nothing.
const LANES: [(&str, &str); 3] = [
    ("thin", "content: { mode: raw, classes: [prompt, completion] }"),
    ("other", "content: { mode: redacted_summary, classes: [prompt] }"),
    ("blind", "content: { mode: off }"),
];
const GOVERNANCE: &str = "governance: { content: { mode: redacted_summary, classes: { prompt: raw, completion: content_ref }, redaction: { id: r, detectors: [email] }, retention: { class: short, window: 30d }, sampling: { key: run, rate: { numerator: 1, denominator: 1 } } } }\n";

/// A document that wants words: in members, in rules, in keys that decide, in metrics.
fn greedy(dice: &mut Dice, n: usize) -> String {
    const VALUES: [&str; 12] = [
        "{ attribute: content }",
        "{ attribute: disclosures }",
        "{ attribute: capture }",
        "{ attribute: content.text }",
        "{ attribute: note }",
        "{ header: x-words }",
        "{ cel: 'event.data.content' }",
        "{ cel: 'string(event.data.content[0].text)' }",
        "{ cel: 'event.data.content[0].digest' }",
        "{ cel: 'event.data.disclosures[0].text' }",
        "{ cel: 'event.data.content == event.data.content' }",
        "{ literal: mine }",
    ];
    // What no policy may set or drop, and what it may.
    const NOT_THEIRS: [&str; 5] = ["content", "disclosures", "capture", "content.text", "view"];
    const THEIRS: [&str; 5] = ["a", "note", "text", "words", "http"];
    const RULES: [&str; 6] = [
        "has(event.data.content)",
        "event.data.content[0].text.contains('w')",
        "event.data.n % 2 == 0",
        "size(event.data.disclosures) > 0",
        "event.data.capture.mode == 'raw'",
        "true",
    ];
    let keys = if dice.below(6) == 0 { NOT_THEIRS } else { THEIRS };
    let rule = |cel: &str| format!("{{ cel: \"{cel}\" }}");
    let keep = dice.some(&RULES, 2, rule);
    let matches = dice.some(&RULES, 2, rule);
    let values = keys.map(|_| dice.one(&VALUES).to_owned());
    let value = |key: &str| &values[keys.iter().position(|known| *known == key).unwrap()];
    let fields = dice.some(&keys, 3, |key| format!("{{ key: {key}, value: {} }}", value(key)));
    let drop = dice.some(&keys, 2, str::to_owned);
    let key = dice.one(&["run", "event", "'event.data.content[0].text'", "event.data.note"]);
    let sampling = match dice.below(3) {
        0 => {
            format!(", sampling: {{ key: {key}, rate: {{ numerator: {}, denominator: 4 }} }}", dice.below(5))
        }
        _ => String::new(),
    };
    let dimensions = dice.some(&keys, 2, |key| format!("{{ key: {key}, value: {} }}", value(key)));
    let metrics = match dice.below(3) {
        0 => format!(
            ", metrics: {{ overrides: [ {{ name: m{n}, type: Counter, dimensions: {dimensions} }} ] }}"
        ),
        _ => String::new(),
    };
    let target = dice.one(&[
        "{ kind: Lane, name: thin }",
        "{ kind: Lane, name: other }",
        "{ kind: Lane, name: blind }",
        "{ kind: Agent, name: a1 }",
        "{ kind: Emitter }",
    ]);
    let spec = format!(
        "events: {{ keep: {keep}, matches: {matches}, fields: {fields}, drop: {drop} }}{sampling}{metrics}"
    );
    policy(&format!("p{n}"), target, &spec)
}

/// The words in a text: `w`, `s` and `r` with the number of the event and of the part, as they were given.
fn words(text: &str) -> BTreeSet<String> {
    let ends = |c: char| !c.is_ascii_alphanumeric();
    let word = |text: &&str| {
        let inner = text.strip_prefix("zz").and_then(|text| text.strip_suffix("zz"));
        inner.is_some_and(|text| !text.is_empty())
    };
    text.split(ends).filter(word).map(str::to_owned).collect()
}

/// What was seen of an event: the words, and what was decided about its content.
type Sight = (BTreeSet<String>, Option<Value>, usize);

struct Seen {
    /// By lane and run.
    lanes: BTreeMap<(&'static str, String), Sight>,
    /// How many events policies have done something to.
    shaped: usize,
}

/// What each lane sees of the same events, made by this seed, under these documents.
fn seen(seed: u64, documents: &str) -> Seen {
    let dir = TempDir::new();
    let lanes = LANES.map(|(id, content)| {
        format!(
            "  - {{ id: {id}, {content}, sink: {{ file: {{ path: {}/{id} }} }} }}\n",
            dir.path().display()
        )
    });
    let telemetry = if documents.is_empty() { String::new() } else { format!("telemetry:\n{documents}") };
    let text =
        format!("agent: {{ id: a1 }}\nheartbeat: off\n{GOVERNANCE}lanes:\n{}{telemetry}", lanes.concat());
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap();
    let mut dice = Dice(seed);
    for n in 0..8 {
        let kind = dice.one(&["com.x", "tool.invocation", "run.completed"]).to_owned();
        let mut input = EventInput::new(&kind);
        let data = format!(
            r#"{{"n":{n},"note":"plain","tool":"t","http":{{"request":{{"header":{{"x-words":"h"}}}}}}}}"#
        );
        input.data = Data::Json(data.as_bytes());
        let run = format!("run-{n}");
        input.run = Some(&run);
        for k in 0..dice.below(3) {
            let class = dice.one(&["prompt", "completion", "tool_result"]).to_owned();
            let permit =
                [ContentMode::Off, ContentMode::RedactedSummary, ContentMode::ContentRef, ContentMode::Raw]
                    [dice.below(4)];
            let mut part = Part::text(&class, format!("say zzw{n}x{k}zz")).permit(permit);
            part.summary = Some(format!("about zzs{n}x{k}zz"));
            part.reference = Some(format!("store:zzr{n}x{k}zz"));
            input.content.push(part);
        }
        emitter.emit(input).unwrap();
    }
    assert_eq!(words(&emitter.prometheus()), BTreeSet::new(), "metrics show no words");
    emitter.shutdown(Duration::from_secs(5));
    let mut seen = Seen { lanes: BTreeMap::new(), shaped: 0 };
    for (lane, _) in LANES {
        let text = std::fs::read_to_string(dir.path().join(lane)).unwrap();
        for line in text.lines() {
            let value = parse(line.as_bytes()).unwrap();
            let Some(run) = value.get("runid").and_then(Value::as_str) else {
                assert_eq!(words(line), BTreeSet::new(), "an own envelope");
                continue;
            };
            let data = value.get("data").unwrap();
            seen.shaped += usize::from(data.get("view").is_some());
            let parts = data.get("content").map_or(0, |parts| items(parts).len());
            let capture = data.get("capture").map(|capture| {
                // But for when the window of retention ends.
                let members = capture.members().iter().filter(|(key, _)| key != "retention");
                Value::Object(members.cloned().collect())
            });
            let sight = (words(line), capture, parts);
            assert!(seen.lanes.insert((lane, run.to_owned()), sight).is_none());
        }
    }
    seen
}

#[test]
fn whatever_policies_say_no_lane_sees_more_of_content() {
    let rounds = if std::env::var_os("SINKWELL_LONG").is_some() { 1500 } else { 50 };
    let (mut shaped, mut disclosed, mut missing) = (0, 0, 0);
    for seed in 1..=rounds {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let documents: String = (0..1 + dice.below(4)).map(|n| greedy(&mut dice, n)).collect();
        let (without, with) = (seen(dice.0, ""), seen(dice.0, &documents));
        for (place, (words, capture, parts)) in &with.lanes {
            let (all, decided, whole) = &without.lanes[place];
            assert!(words.is_subset(all), "seed {seed}, {place:?}: {words:?} of {all:?}\n{documents}");
            // What was decided stands, and so does what is said of each part.
            assert_eq!((capture, parts), (decided, whole), "seed {seed}, {place:?}\n{documents}");
            disclosed += words.len();
        }
        shaped += with.shaped;
        missing += without.lanes.len() - with.lanes.len();
    }
    // The policies did something, there was something to see, and lanes differ in what they see.
    assert!(shaped > 100 && disclosed > 100 && missing > 100, "{shaped} {disclosed} {missing}");
}
