//! An in-process, deterministic fuzzer for the canonicalizer, the envelope reader and the verifier.
//!
//! Each target runs a fixed number of iterations from a fixed seed; with `SINKWELL_FUZZ_SECONDS=n` it runs for
//! n seconds, from the seed `SINKWELL_FUZZ_SEED` (default 1). A failure prints the iteration's seed. Mutations start
//! from the good files of `tests/vectors/verify/` and know their structure; each target has an oracle, so
//! that a wrong answer fails as a panic does.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Case, cases};
use sinkwell::json::{ObjectWriter, Scan, Value, parse, parse_into};
use sinkwell::key::VerifyingKey;
use sinkwell::verify::{GraphFilter, Options, Report, TrustedKey, Verdict, Verifier, verify_envelope};

/// splitmix64
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap()
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Calls `one` for many seeds; names the seed of a failure.
fn fuzz(iterations: u64, mut one: impl FnMut(&mut Rng)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let end = number("SINKWELL_FUZZ_SECONDS").map(|s| Instant::now() + Duration::from_secs(s));
    let first = number("SINKWELL_FUZZ_SEED").unwrap_or(1);
    let mut seed = first;
    while end.map_or(seed < first + iterations, |end| Instant::now() < end) {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(&mut Rng(seed))));
        assert!(run.is_ok(), "run again with SINKWELL_FUZZ_SEED={seed}");
        seed += 1;
    }
}

/// A random tree, with a taste for what canonical forms differ on.
fn tree(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(rng.below(2) == 0),
        2 => Value::Int(i64::try_from(rng.next() >> (11 + rng.below(50))).unwrap() * [1, -1][rng.below(2)]),
        3 => {
            let float = f64::from_bits(rng.next());
            parse(format!("{:e}", if float.is_finite() { float } else { 0.5 }).as_bytes()).unwrap()
        }
        4 => Value::String(text(rng)),
        5 => Value::Array((0..rng.below(4)).map(|_| tree(rng, depth - 1)).collect()),
        _ => {
            let members: BTreeMap<String, Value> =
                (0..rng.below(5)).map(|_| (text(rng), tree(rng, depth - 1))).collect();
            Value::Object(members.into_iter().collect())
        }
    }
}

fn text(rng: &mut Rng) -> String {
    let pieces = [
        "a",
        "b",
        "\"",
        "\\",
        "/",
        "\n",
        "\u{1}",
        "\u{8}",
        "\u{7f}",
        "é",
        "€",
        "😀",
        "\u{fb33}",
        "\u{ffff}",
        "signature",
    ];
    (0..rng.below(5)).map(|_| *rng.pick(&pieces)).collect()
}

/// Changes some bytes.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len());
        match rng.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
            1 if !bytes.is_empty() => drop(bytes.remove(at)),
            2 => bytes.insert(at, *rng.pick(b"{}[]\":,\\ u0e-+.1\n\xff\xc3\xed")),
            3 => bytes.truncate(at),
            _ => {
                let to = (at + rng.below(20)).min(bytes.len());
                let piece = bytes[at..to].to_vec();
                let into = rng.below(bytes.len());
                bytes.splice(into..into, piece);
            }
        }
    }
}

#[test]
fn the_scanner_says_canonical_exactly_when_the_writer_would_change_nothing() {
    let mut scan = Scan::new();
    let mut canonical = 0;
    fuzz(30_000, |rng| {
        let value = Value::Object(vec![("data".into(), tree(rng, 4)), (text(rng), tree(rng, 2))]);
        // Two members of one name are not JSON that anybody agrees on.
        if value.members()[0].0 == value.members()[1].0 {
            return;
        }
        let mut bytes = value.to_canonical().unwrap();
        assert!(scan.run(&bytes, "data"), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(scan.members().len(), 2);
        assert_eq!(parse(&bytes).unwrap().to_canonical().unwrap(), bytes, "idempotent");
        damage(rng, &mut bytes);
        let expected = match parse(&bytes) {
            Ok(value @ Value::Object(_)) => value.to_canonical().is_ok_and(|form| form == bytes),
            _ => false,
        };
        assert_eq!(scan.run(&bytes, "data"), expected, "{}", String::from_utf8_lossy(&bytes));
        canonical += u64::from(expected);
        // The one-pass writer and the tree agree on what they both take.
        let mut writer = ObjectWriter::new();
        if parse_into(&bytes, &mut writer).is_ok() {
            assert_eq!(writer.finish().unwrap().bytes(), parse(&bytes).unwrap().to_canonical().unwrap());
        }
    });
    assert!(canonical > 0, "no damaged text stayed canonical: the oracle was never tried both ways");
}

/// A file of envelopes, and what it is verified with.
struct Seed {
    lines: Vec<String>,
    keys: Vec<TrustedKey>,
    /// Whether it is a sound file as it stands.
    sound: bool,
}

fn seeds() -> Vec<Seed> {
    // What a person gives as a key is not what is damaged here.
    let given = |case: &Case| {
        case.member(&case.value, "keys").items().iter().any(|key| key.get("given_base64").is_some())
    };
    cases("verify")
        .filter(|case| !given(case))
        .map(|case| seed(&case))
        .filter(|seed| !seed.lines.is_empty())
        .collect()
}

fn seed(case: &Case) -> Seed {
    case.only(&case.value, &["name", "about", "inputs", "checkpoints", "keys", "options", "expected"]);
    let lines =
        case.member(&case.value, "inputs").items().iter().flat_map(|file| file.get("lines").unwrap().items());
    let keys = case.member(&case.value, "keys").items().iter().map(|key| {
        let read = match key.get("spki_pem").and_then(Value::as_str) {
            Some(pem) => VerifyingKey::from_bytes(pem.as_bytes()),
            None => VerifyingKey::hmac(&STANDARD.decode(case.text(key, "hmac_base64")).unwrap()),
        };
        TrustedKey::new(case.text(key, "id"), read.unwrap())
    });
    let lines = lines.map(|line| line.as_str().unwrap().to_owned()).collect();
    Seed { lines, keys: keys.collect(), sound: case.name.starts_with("sound_") || case.name == "interleaved" }
}

/// Changes one member somewhere in a line, as a tree, and writes it back canonically or not.
fn tamper(rng: &mut Rng, line: &str) -> String {
    let Ok(mut value) = parse(line.as_bytes()) else { return line.to_owned() };
    let mut at = &mut value;
    while let Value::Object(members) = at
        && !members.is_empty()
    {
        let index = rng.below(members.len());
        match rng.below(6) {
            0 => drop(members.remove(index)),
            1 => members[index].1 = tree(rng, 2),
            2 => members[index].0 = text(rng),
            3 => {
                if let Value::String(text) = &mut members[index].1 {
                    let mut bytes = std::mem::take(text).into_bytes();
                    damage(rng, &mut bytes);
                    *text = String::from_utf8_lossy(&bytes).into_owned();
                }
            }
            _ => {
                at = &mut members[index].1;
                continue;
            }
        }
        break;
    }
    match value.to_canonical() {
        Ok(form) if rng.below(3) > 0 => String::from_utf8(form).unwrap(),
        _ => value.to_json(),
    }
}

/// Changes a file: lines dropped, repeated, swapped, tampered with, damaged, cut.
fn mutate(rng: &mut Rng, seed: &Seed, others: &[Seed]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = seed.lines.iter().map(|line| line.clone().into_bytes()).collect();
    for _ in 0..rng.below(4) {
        let (at, to) = (rng.below(lines.len()), rng.below(lines.len()));
        if lines.is_empty() {
            break;
        }
        match rng.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => lines.truncate(at),
            4 => {
                let other = rng.pick(others);
                lines.insert(at, rng.pick(&other.lines).clone().into_bytes());
            }
            5 => damage(rng, &mut lines[at]),
            _ => lines[at] = tamper(rng, &String::from_utf8_lossy(&lines[at])).into_bytes(),
        }
    }
    let mut bytes = lines.join(&b'\n');
    if rng.below(4) > 0 {
        bytes.push(b'\n');
    }
    bytes
}

fn report(rng: &mut Rng, bytes: &[u8], keys: &[TrustedKey], all: bool) -> Option<Report> {
    let mut flag = |n| all && rng.below(n) == 0;
    let graph = flag(2);
    let mut verifier = Verifier::new(Options {
        lanes: Vec::new(),
        keys: keys.to_vec(),
        strict: flag(2),
        partial: flag(3),
        edges: flag(2),
        deeds: flag(2),
        coverage: flag(2),
        graph,
        silence: flag(2).then_some(Duration::from_secs(60)),
        max_line: if flag(9) { 600 } else { 1 << 20 },
    });
    verifier.read(&mut { bytes }, "fuzz").unwrap();
    if all && rng.below(4) == 0 {
        let _ = verifier.read_checkpoints_from(&mut { bytes }, "checkpoints");
    }
    if !graph {
        return verifier.finish().ok();
    }
    // Whatever is in the input, all forms of its graph can be had.
    let (report, graph) = verifier.graph(&GraphFilter::default()).ok()?;
    let _ = (graph.to_string(), graph.to_json(), graph.to_dot(), graph.to_mermaid());
    Some(report)
}

/// Whatever is done to a sound file: if it is still called sound, then every line of it was sealed just so,
/// and no stream has a hole or two envelopes in one place.
#[test]
fn only_what_was_sealed_and_all_of_its_beginning_is_sound() {
    let seeds = seeds();
    let good: Vec<&Seed> = seeds.iter().filter(|seed| seed.sound).collect();
    assert!(good.len() >= 3);
    // A line may be sealed by a key that another file's case gives, or by a later signature of its file; and one
    // written otherwise (a space, another order) is sealed again as soon as a mutation undoes that.
    let sealed: BTreeSet<Vec<u8>> = seeds
        .iter()
        .flat_map(|seed| seed.lines.iter().map(move |line| (seed, line)))
        .filter_map(|(seed, line)| {
            let value = parse(line.as_bytes()).ok()?;
            let form = value.to_canonical().ok()?;
            let alone = || seeds.iter().any(|seed| verify_envelope(&form, &seed.keys).0 == Verdict::Sound);
            (seed.sound || alone()).then(|| bare(value))
        })
        .collect();
    let (mut sound, mut unsound) = (0, 0);
    fuzz(6_000, |rng| {
        let seed = rng.pick(&good);
        let bytes = mutate(rng, seed, &seeds);
        match report(rng, &bytes, &seed.keys, false) {
            Some(report) if report.verdict == Verdict::Sound => {
                sound += 1;
                let shown = || String::from_utf8_lossy(&bytes).into_owned();
                let mut streams: BTreeMap<String, BTreeMap<u64, Vec<u8>>> = BTreeMap::new();
                for value in bytes.split(|&b| b == b'\n').filter_map(|line| parse(line).ok()) {
                    // A copy whose signature is gone is the same envelope, where its own signature or a later one is.
                    let form = bare(value.clone());
                    // A stub beside its envelope says nothing new.
                    if value.get("stub").is_some() {
                        continue;
                    }
                    assert!(sealed.contains(&form), "{}\nin {}", String::from_utf8_lossy(&form), shown());
                    let text = |key: &str| value.get(key).unwrap().as_str().unwrap().to_owned();
                    let stream = streams.entry(text("streamid")).or_default();
                    let before = stream.insert(text("sequence").parse().unwrap(), form.clone());
                    assert!(before.is_none_or(|before| before == form), "{}", shown());
                }
                for stream in streams.values() {
                    // Checkpoints of another lane may stand alone: a lane can take them (`checkpoint: { lane }`).
                    let data = |line: &Vec<u8>, key: &str| {
                        let data = parse(line).unwrap().get("data").cloned();
                        data.and_then(|data| data.get(key)?.as_str().map(str::to_owned)).unwrap_or_default()
                    };
                    if stream.values().all(|line| {
                        data(line, "lane") != "file"
                            && ["checkpoint", "closed"].contains(&&*data(line, "action"))
                    }) {
                        continue;
                    }
                    let (&first, opened) = stream.first_key_value().unwrap();
                    assert!(parse(opened).unwrap().get("prevhash").is_none(), "{}", shown());
                    assert!(stream.keys().copied().eq(first..first + stream.len() as u64), "{}", shown());
                }
            }
            _ => unsound += 1,
        }
    });
    assert!(sound > 0 && unsound > 0, "{sound} sound, {unsound} not: the oracle was never tried both ways");
}

/// An envelope without its signature members, which are in no hash.
fn bare(value: Value) -> Vec<u8> {
    let Value::Object(mut members) = value else { return value.to_canonical().unwrap() };
    members.retain(|(key, _)| !["keyid", "sigalg", "signature"].contains(&key.as_str()));
    Value::Object(members).to_canonical().unwrap()
}

#[test]
fn the_verifier_answers_whatever_it_reads() {
    let seeds = seeds();
    fuzz(10_000, |rng| {
        let seed = rng.pick(&seeds);
        let bytes = mutate(rng, seed, &seeds);
        let keys: &[TrustedKey] = if rng.below(4) == 0 { &[] } else { &seed.keys };
        if let Some(report) = report(rng, &bytes, keys, true) {
            let json = report.to_json().to_json();
            assert!(parse(json.as_bytes()).is_ok(), "{json}");
            assert!(!report.to_string().contains('\u{1b}'), "a terminal's control characters");
            if keys.is_empty() {
                assert!(report.verdict >= Verdict::Unchecked);
            }
            let findings = report.all_findings().next().is_some();
            assert!(findings || report.verdict != Verdict::Findings, "a verdict without a reason");
        }
    });
}

/// An envelope that was tampered with is good only if its canonical form is what it was.
#[test]
fn an_envelope_that_verifies_says_what_it_said() {
    let seeds = seeds();
    let good: Vec<&Seed> = seeds.iter().filter(|seed| seed.sound).collect();
    fuzz(15_000, |rng| {
        let seed = rng.pick(&good);
        let line = rng.pick(&seed.lines);
        let mut bytes = tamper(rng, line).into_bytes();
        if rng.below(2) == 0 {
            damage(rng, &mut bytes);
        }
        if verify_envelope(&bytes, &seed.keys).0 == Verdict::Sound {
            let form = parse(&bytes).unwrap().to_canonical().unwrap();
            assert_eq!(String::from_utf8(form).unwrap(), *line);
        }
    });
}

/// An environment whose only file has these bytes.
struct Held(Vec<u8>);

impl sinkwell::seam::Env for Held {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
    fn program(&self) -> Option<String> {
        None
    }
    fn now(&self) -> sinkwell::seam::UnixNanos {
        0
    }
    fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
    fn read_private(&self, _: &std::path::Path) -> sinkwell::Result<sinkwell::secret::Secret> {
        Err(sinkwell::Error::invalid_argument("there are no keys here"))
    }
}

/// A source that is nearly an expression.
fn expression(rng: &mut Rng) -> String {
    const WORDS: [&str; 44] = [
        "event",
        ".",
        "data",
        "a",
        "b",
        "n",
        "[",
        "]",
        "(",
        ")",
        "'x'",
        "\"a\\n\"",
        "r'\\d'",
        "1",
        "0",
        "9223372036854775807",
        "1.5e3",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "?",
        ":",
        ",",
        " in ",
        "true",
        "null",
        "has(",
        "size(",
        ".matches('^a+$')",
        ".contains('x')",
        ".exists(x,x==1)",
        "[1,2,'x']",
        "WARN",
        "event.data.a",
        "event.severity",
    ];
    (0..1 + rng.below(24)).map(|_| *rng.pick(&WORDS)).collect()
}

#[test]
fn policies_are_read_and_run_whatever_they_are() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/policy");
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let case = parse(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let telemetry = case.get("config").and_then(|config| config.get("telemetry")).unwrap();
        documents.extend(telemetry.items().iter().map(|document| document.to_canonical().unwrap()));
    }
    documents.sort();
    assert!(documents.len() > 10);
    let path = [std::path::PathBuf::from("policies.yaml")];
    fuzz(3000, |rng| {
        let mut file = Vec::new();
        for _ in 0..1 + rng.below(3) {
            let mut document = rng.pick(&documents).clone();
            if rng.below(2) == 0 {
                // Another source in place of one that is there.
                let text = String::from_utf8(document).unwrap();
                let source = Value::from(expression(rng).as_str()).to_canonical().unwrap();
                let source = format!("\"cel\":{}", String::from_utf8(source).unwrap());
                document = match text.split_once("\"cel\":\"") {
                    Some((before, after)) => {
                        let end = after.find("\"}").unwrap_or(0) + 1;
                        format!("{before}{source}{}", &after[end..]).into_bytes()
                    }
                    None => text.into_bytes(),
                };
            }
            if rng.below(3) == 0 {
                damage(rng, &mut document);
            }
            file.extend_from_slice(b"---\n");
            file.extend_from_slice(&document);
            file.push(b'\n');
        }
        let env = Held(file);
        let start = Instant::now();
        let checked = sinkwell::policy::telemetry::check(&path, None, &env);
        assert!(parse(&checked.status).is_ok());
        let event = Value::Object(vec![
            (
                "data".to_owned(),
                Value::Object(vec![("a".to_owned(), tree(rng, 3)), ("n".to_owned(), Value::Int(1))]),
            ),
            ("type".to_owned(), Value::from("com.example.x")),
        ]);
        let Ok(event) = event.to_canonical() else { return };
        if let Ok(answer) = sinkwell::policy::telemetry::explain(&path, None, &event, &env) {
            let answer = parse(&answer).unwrap();
            for lane in answer.get("lanes").unwrap().items() {
                // What no policy touched is as it was given.
                let given = parse(&event).unwrap();
                if let Some(data) = lane.get("data").filter(|data| data.get("view").is_none()) {
                    assert_eq!(Some(data), given.get("data"));
                }
            }
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    });
}

/// What a vacuum finds, and what it lets through.
#[derive(Default, PartialEq, Debug)]
struct Swept {
    events: Vec<(String, Vec<u8>, Option<String>)>,
    passed: Vec<u8>,
}

impl sinkwell::vacuum::Taker for Swept {
    fn take(&mut self, found: &sinkwell::vacuum::Found<'_>) -> sinkwell::Result<sinkwell::vacuum::Taken> {
        let time = found.time.map(str::to_owned);
        self.events.push((found.event_type.to_owned(), found.data.bytes().to_vec(), time));
        Ok(sinkwell::vacuum::Taken::Sent)
    }

    fn pass(&mut self, bytes: &[u8]) -> sinkwell::Result<()> {
        self.passed.extend_from_slice(bytes);
        Ok(())
    }
}

/// However a log is damaged and cut: every line is taken or goes through, and what is taken can be sealed.
#[test]
fn the_vacuum_loses_nothing_and_fakes_nothing() {
    use sinkwell::vacuum::{Format, Settings, Vacuum};
    let (mut found, mut refused) = (0, 0);
    fuzz(20_000, |rng| {
        let mut log = Vec::new();
        for _ in 0..rng.below(8) {
            let mut members = vec![("_e".to_owned(), Value::Int(1))];
            for _ in 0..rng.below(4) {
                let key = ["_type", "time", "process", "_index", "content", "a", "_log", "id"][rng.below(8)];
                members.insert(rng.below(members.len() + 1), (key.to_owned(), tree(rng, 3)));
            }
            let inner = Value::Object(members).to_json();
            let quoted = Value::from(format!("{inner}\n").as_str()).to_json();
            let mut line = match rng.below(7) {
                0 => format!("2026-01-31T12:00:00Z stdout F {inner}"),
                1 => format!("2026-01-31T12:00:00Z stderr P {inner}"),
                2 => format!(r#"{{"log":{quoted},"stream":"stdout","time":"2026-01-31T12:00:00Z"}}"#),
                3 => format!(r#"{{"MESSAGE":{quoted},"__REALTIME_TIMESTAMP":"1769860800000000"}}"#),
                4 => format!("2026-01-31T12:00:00Z\t8f3c2b1e-0000-4000-8000-1234567890ab\tINFO\t{inner}"),
                5 => format!("__CURSOR=x\n__REALTIME_TIMESTAMP=1769860800000000\nMESSAGE={inner}\n"),
                _ => inner,
            }
            .into_bytes();
            if rng.below(3) == 0 {
                damage(rng, &mut line);
            }
            log.extend_from_slice(&line);
            log.extend_from_slice(["\n", "\r\n", "\n\n", ""][rng.below(4)].as_bytes());
        }
        let format = *rng.pick(&Format::ALL);
        let settings = Settings {
            process: Some("p".to_owned()),
            nonce: Some(rng.next() >> 11),
            format,
            envelope: [1 << 20, 100][rng.below(2)],
            ..Settings::default()
        };
        let sweep = |cuts: &mut dyn FnMut(usize) -> usize| {
            let mut vacuum = Vacuum::new(settings.clone()).unwrap();
            let (mut swept, mut rest) = (Swept::default(), &log[..]);
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(cuts(rest.len()).clamp(1, rest.len()));
                vacuum.push(piece, &mut swept).unwrap();
                rest = more;
            }
            vacuum.finish(&mut swept).unwrap();
            (swept, vacuum.report().clone())
        };
        let (whole, report) = sweep(&mut |all| all);
        let pieces = sweep(&mut |_| 1 + rng.below(40));
        assert_eq!(pieces.0, whole, "cut otherwise");
        assert_eq!(report.events, whole.events.len() as u64);
        // What went through is the log without some of its lines, in order.
        let mut passed = whole.passed.split_inclusive(|&b| b == b'\n').peekable();
        let missing =
            log.split_inclusive(|&b| b == b'\n').filter(|line| passed.next_if_eq(line).is_none()).count();
        assert!(passed.next().is_none());
        assert_eq!(missing == 0, whole.events.is_empty());
        for (event_type, data, _) in &whole.events {
            let data = parse(data).unwrap();
            let own = ["audit.chain", "heartbeat", "sink.failed", "sink.recovered"];
            assert!(!own.iter().any(|own| event_type.ends_with(own)), "{event_type}");
            for name in ["content", "capture", "disclosures", "view", "lost", "phase"] {
                assert!(data.get(name).is_none(), "{name}");
            }
            assert_eq!(data.get("process"), Some(&Value::from("p")));
        }
        found += whole.events.len();
        refused += report.unsealed();
    });
    assert!(
        found > 0 && refused > 0,
        "{found} found, {refused} not sealed: the oracle was never tried both ways"
    );
}
