//! Random runs with planted faults: what is expected comes from the plan that planted them, never from the graph.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Graph, GraphFilter, GraphFindingKind as Kind};
use crate::envelope::line::{Line, Reader};
use crate::json::{Value, parse};
use crate::seam::{Uuid, format_time};
use crate::verify::{Options, Report, Verifier};

/// A plan's own dice.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What a host would emit.
#[derive(Clone, Debug, Default)]
struct Said {
    id: String,
    event_type: &'static str,
    agent: usize,
    data: String,
    cause: Option<String>,
    run: Option<String>,
    /// Seconds.
    at: i64,
}

const START: i64 = 1_767_225_600;

fn stamp(at: i64) -> String {
    let mut text = Vec::new();
    format_time(&mut text, at * 1_000_000_000);
    String::from_utf8(text).unwrap()
}

/// One stream's lines, chained, as a sealer without a key would write them.
fn sealed(stream: u8, agent: usize, events: &[Said]) -> String {
    let mut text = String::new();
    let mut prev = String::new();
    let mut reader = Reader::default();
    for (n, said) in events.iter().enumerate() {
        let data = parse(said.data.as_bytes()).unwrap_or_else(|e| panic!("{e}: {}", said.data));
        let data = String::from_utf8(data.to_canonical().unwrap()).unwrap();
        let cause = said.cause.as_ref().map_or(String::new(), |cause| format!(r#""causationid":"{cause}","#));
        let run = said.run.as_ref().map_or(String::new(), |run| format!(r#""runid":"{run}","#));
        let line = format!(
            r#"{{"agentid":"urn:agent:{agent}",{cause}"data":{data},"datacontenttype":"application/json","dataschema":"https://sinkwell.dev/schemas/governance-event/1.0","id":"{}",{prev}"recordedtime":"{time}",{run}"sequence":"{:020}","severitynumber":9,"severitytext":"INFO","source":"s","specversion":"1.0","streamid":"{}","time":"{time}","type":"dev.sinkwell.{}"}}"#,
            said.id,
            n + 1,
            Uuid([stream; 16]),
            said.event_type,
            time = stamp(said.at),
        );
        let Line::Envelope(envelope) = reader.read(line.as_bytes()) else { panic!("{line}") };
        assert_eq!(envelope.form, None, "{line}");
        prev = format!(r#""prevhash":"{}","#, crate::hex::text(&envelope.hash()));
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn graph_of(text: &str, filter: &GraphFilter) -> (Report, Graph) {
    let mut verifier = Verifier::new(Options { graph: true, ..Options::default() });
    verifier.read(&mut text.as_bytes(), "in").unwrap();
    verifier.graph(filter).unwrap()
}

/// One run, and what is wrong with it.
struct Plan {
    dice: Dice,
    events: Vec<Said>,
    clock: i64,
    expected: BTreeSet<(Kind, String)>,
    next: usize,
    agents: usize,
}

const WORDS: [&str; 6] = ["mail.read", "mail.send", "pay", "search", "files.*", "calendar.read"];

impl Plan {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let agents = 1 + usize::try_from(dice.below(3)).unwrap();
        Self { dice, events: Vec::new(), clock: START, expected: BTreeSet::new(), next: 0, agents }
    }

    fn id(&mut self, what: &str) -> String {
        self.next += 1;
        format!("{what}-{}", self.next)
    }

    fn agent(&mut self) -> usize {
        usize::try_from(self.dice.below(self.agents as u64)).unwrap()
    }

    fn say(&mut self, event_type: &'static str, agent: usize, id: &str, data: String, cause: Option<&str>) {
        self.clock += 1 + i64::try_from(self.dice.below(5)).unwrap();
        self.events.push(Said {
            id: id.into(),
            event_type,
            agent,
            data,
            cause: cause.map(Into::into),
            run: Some("run-1".into()),
            at: self.clock,
        });
    }

    fn expect(&mut self, kind: Kind, id: &str) {
        self.expected.insert((kind, id.into()));
    }

    /// A delegation of `scope` that comes from `parent`; of an end in so many seconds.
    fn delegate(&mut self, parent: Option<&str>, scope: &[&str], ends: Option<i64>) -> String {
        let (id, agent) = (self.id("auth"), self.agent());
        let scope = scope.join(" ");
        let parent =
            parent.map_or(String::new(), |parent| format!(r#","authz":{{"delegated_by":"{parent}"}}"#));
        // In both forms that an end may have.
        let ends = ends.map(|ends| self.clock + ends);
        let ends = match ends {
            None => String::new(),
            Some(at) if self.dice.one_in(2) => format!(r#","expires":{at}"#),
            Some(at) => format!(r#","expires":"{}""#, stamp(at)),
        };
        let data =
            format!(r#"{{"assertion":"issued","identity":"urn:id:{id}","scope":"{scope}"{ends}{parent}}}"#);
        self.say("identity.assertion", agent, &id, data, None);
        id
    }

    fn decide(&mut self, agent: usize, verdict: &str, more: &str) -> String {
        let id = self.id("decision");
        let data = format!(r#"{{"decision":"{verdict}","rule":"r"{more}}}"#);
        self.say("policy.decision", agent, &id, data, None);
        id
    }

    fn act(&mut self, agent: usize, under: Option<&str>, decision: Option<&str>, outcome: &str) -> String {
        let id = self.id("act");
        let mut authz = Vec::new();
        authz.extend(under.map(|under| format!(r#""identity":"{under}""#)));
        authz.extend(decision.map(|decision| format!(r#""decision":"{decision}""#)));
        authz.push(r#""principal":"user:ana""#.to_owned());
        let outcome = if outcome.is_empty() { String::new() } else { format!(r#","outcome":"{outcome}""#) };
        let data = format!(r#"{{"tool":"t"{outcome},"authz":{{{}}}}}"#, authz.join(","));
        self.say("tool.invocation", agent, &id, data, None);
        id
    }

    /// A delegation, or a chain of them, that holds: each lets less than the one that it came from.
    fn chain(&mut self) -> (String, Vec<&'static str>) {
        let mut scope: Vec<&str> = WORDS.to_vec();
        let mut at = self.delegate(None, &scope, Some(100_000));
        for _ in 0..self.dice.below(4) {
            let keep = 1 + usize::try_from(self.dice.below(scope.len() as u64)).unwrap();
            scope.truncate(keep);
            at = self.delegate(Some(&at), &scope, Some(90_000));
        }
        (at, scope)
    }

    /// One thing that a run does: often as it should be, else with a fault that is told.
    fn step(&mut self, under: &str, scope: &[&str]) {
        let agent = self.agent();
        match self.dice.below(20) {
            0..=4 => {
                let decision = self.decide(agent, "allow", "");
                let act = self.act(agent, Some(under), Some(&decision), "ok");
                if self.dice.one_in(3) {
                    let id = self.id("result");
                    let data = r#"{"tool":"t","outcome":"ok"}"#.to_owned();
                    // The act had an outcome already, so this is an act of its own that nothing let.
                    self.say("tool.invocation", agent, &id, data, Some(&act));
                    self.expect(Kind::NoDecision, &id);
                }
            }
            5 => {
                // An attempt, and its result.
                let decision = self.decide(agent, "allow", "");
                let act = self.act(agent, Some(under), Some(&decision), "");
                let id = self.id("result");
                let data = r#"{"tool":"t","outcome":"error"}"#.to_owned();
                self.say("tool.invocation", agent, &id, data, Some(&act));
            }
            6 => {
                let decision = self.decide(agent, "deny", "");
                let act = self.act(agent, Some(under), Some(&decision), "ok");
                self.expect(Kind::AfterDeny, &act);
            }
            7 => {
                // Denied and kept from happening; denied by a rule on trial.
                let decision = self.decide(agent, "deny", "");
                self.act(agent, Some(under), Some(&decision), "denied");
                let decision = self.decide(agent, "deny", r#","shadow":true"#);
                self.act(agent, Some(under), Some(&decision), "ok");
            }
            8 => {
                let act = self.act(agent, Some(under), None, "ok");
                self.expect(Kind::NoDecision, &act);
            }
            9 => {
                let act = self.act(agent, Some(under), Some("decision-that-nobody-took"), "ok");
                self.expect(Kind::EdgeToNothing, &act);
            }
            10 => {
                let verdict = if self.dice.one_in(2) { "ask" } else { "indeterminate" };
                let decision = self.decide(agent, verdict, "");
                let act = self.act(agent, Some(under), Some(&decision), "ok");
                self.expect(Kind::NoDecision, &act);
            }
            11 => {
                let brief = self.delegate(Some(under), &scope[..1], Some(3));
                self.clock += 60;
                let decision = self.decide(agent, "allow", "");
                let act = self.act(agent, Some(&brief), Some(&decision), "ok");
                self.expect(Kind::ExpiredAuthority, &act);
                // And what comes from it.
                let late = self.delegate(Some(&brief), &scope[..1], None);
                self.expect(Kind::ExpiredAuthority, &late);
            }
            12 => {
                let leave = self.delegate(Some(under), &scope[..1], None);
                let before = self.decide(agent, "allow", "");
                self.act(agent, Some(&leave), Some(&before), "ok");
                let (id, by) = (self.id("revocation"), self.agent());
                if self.dice.one_in(2) {
                    let data = r#"{"assertion":"revoked","revoked_by":"user:ana"}"#.to_owned();
                    self.say("identity.assertion", by, &id, data, Some(&leave));
                } else {
                    let data = format!(r#"{{"assertion":"revoked","identity":"urn:id:{leave}"}}"#);
                    self.say("identity.assertion", by, &id, data, None);
                }
                let decision = self.decide(agent, "allow", "");
                let act = self.act(agent, Some(&leave), Some(&decision), "ok");
                self.expect(Kind::RevokedAuthority, &act);
            }
            13 => {
                let wide = self.delegate(Some(under), &[scope[0], "root"], None);
                self.expect(Kind::WidenedScope, &wide);
            }
            14 => {
                // Less by a star, and as much.
                let parent = self.delegate(None, &["files.*", "pay"], None);
                self.delegate(Some(&parent), &["files.read", "files.w*", "pay"], None);
                let wide = self.delegate(Some(&parent), &["files"], None);
                self.expect(Kind::WidenedScope, &wide);
            }
            15 => {
                let (a, b) = (self.id("round"), self.id("round"));
                for (this, other) in [(&a, &b), (&b, &a)] {
                    let data = format!(r#"{{"assertion":"exchanged","authz":{{"delegated_by":"{other}"}}}}"#);
                    self.say("identity.assertion", agent, this, data, None);
                }
                self.expect(Kind::Cycle, &a);
            }
            16 => {
                let decision = self.decide(agent, "allow", "");
                let id = self.id("decision");
                self.say("policy.decision", agent, &id, r#"{"decision":"deny"}"#.into(), Some(&decision));
                let act = self.act(agent, Some(under), Some(&decision), "ok");
                self.expect(Kind::AfterDeny, &act);
            }
            17 => {
                let id = self.id("decision");
                let act = self.act(agent, Some(under), Some(&id), "ok");
                self.say("policy.decision", agent, &id, r#"{"decision":"allow"}"#.into(), None);
                self.expect(Kind::NoDecision, &act);
            }
            18 => {
                let id = self.id("auth");
                self.say("identity.assertion", agent, &id, r#"{"assertion":"refused"}"#.into(), None);
                let decision = self.decide(agent, "allow", "");
                let act = self.act(agent, Some(&id), Some(&decision), "ok");
                self.expect(Kind::RefusedAuthority, &act);
            }
            _ => {
                // What says nothing of authority, and what is under one and needs no leave.
                let id = self.id("usage");
                let data = format!(r#"{{"source.family":"model","authz":{{"identity":"{under}"}}}}"#);
                self.say("model.usage", agent, &id, data, None);
                let id = self.id("log");
                self.say("log.record", agent, &id, r#"{"message":"m"}"#.into(), None);
            }
        }
    }

    /// The lines of all streams, one stream after another, in an order of chance.
    fn text(&mut self) -> String {
        let mut streams: Vec<String> = (0..self.agents)
            .map(|agent| {
                let of: Vec<Said> = self.events.iter().filter(|said| said.agent == agent).cloned().collect();
                sealed(u8::try_from(agent + 1).unwrap(), agent, &of)
            })
            .collect();
        for at in (1..streams.len()).rev() {
            let other = usize::try_from(self.dice.below(at as u64 + 1)).unwrap();
            streams.swap(at, other);
        }
        // A second lane holds the same events.
        if self.dice.one_in(4) {
            let again: Vec<Said> = self.events.iter().filter(|said| said.agent == 0).cloned().collect();
            streams.push(sealed(9, 0, &again));
        }
        streams.concat()
    }
}

/// The lines of a random run, and what was planted in it.
fn planted_run(seed: u64) -> (String, Plan) {
    let mut plan = Plan::new(seed);
    let (under, scope) = plan.chain();
    for _ in 0..5 + plan.dice.below(10) {
        plan.step(&under, &scope);
    }
    (plan.text(), plan)
}

/// Writes such runs, and what was planted in each, for the graph of `viewer/`, which shares no code with this one.
#[test]
fn planted_runs_for_another_graph() {
    let Some(folder) = std::env::var_os("SINKWELL_GRAPH_RUNS").map(std::path::PathBuf::from) else { return };
    let count =
        std::env::var("SINKWELL_GRAPH_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    std::fs::create_dir_all(&folder).unwrap();
    for seed in 0..count {
        let (text, plan) = planted_run(seed);
        let mut expected = String::new();
        for (kind, id) in &plan.expected {
            writeln!(expected, "{} {id}", kind.name()).unwrap();
        }
        std::fs::write(folder.join(format!("{seed}.ndjson")), text).unwrap();
        std::fs::write(folder.join(format!("{seed}.expected")), expected).unwrap();
    }
}

#[test]
fn every_planted_fault_is_found_and_none_is_invented() {
    let mut planted = 0;
    for seed in 0..1000 {
        let (text, plan) = planted_run(seed);
        let (_, graph) = graph_of(&text, &GraphFilter::default());
        let found: BTreeSet<_> = graph.findings().into_iter().map(|found| (found.kind, found.id)).collect();
        assert_eq!(found.len(), graph.findings().len(), "seed {seed}: something is said twice");
        assert_eq!(found, plan.expected, "seed {seed}\n{text}\n{:?}", graph.findings());
        planted += plan.expected.len();
    }
    assert!(planted > 3000, "{planted}");
}

fn a_run() -> Plan {
    let mut plan = Plan::new(7);
    plan.agents = 1;
    let (under, scope) = plan.chain();
    let decision =
        plan.decide(0, "allow", r#","ruleset":"tools","ruleset_version":"2026.1","duration_ms":3"#);
    plan.act(0, Some(&under), Some(&decision), "ok");
    let decision = plan.decide(0, "deny", "");
    plan.act(0, Some(&under), Some(&decision), "ok");
    assert!(!scope.is_empty());
    plan
}

#[test]
fn a_filter_leaves_what_fits_and_what_that_rests_on() {
    let mut plan = a_run();
    let text = plan.text();
    let event = |id: &str| GraphFilter { event: Some(id.into()), ..GraphFilter::default() };
    let allowed = plan.events.iter().find(|said| said.event_type == "tool.invocation").unwrap().id.clone();
    let (_, graph) = graph_of(&text, &event(&allowed));
    assert!(graph.findings().is_empty());
    let kinds: Vec<_> = graph.nodes.iter().map(|node| node.kind.name()).collect();
    for (kind, count) in [("action", 1), ("decision", 1), ("run", 1), ("agent", 1), ("principal", 1)] {
        assert_eq!(kinds.iter().filter(|of| **of == kind).count(), count, "{kind}");
    }
    assert!(kinds.contains(&"delegation"));
    let said = graph.to_string();
    assert_eq!(said.matches("It was allowed").count(), 1, "{said}");
    assert!(said.contains("by the rule r of tools 2026.1"), "{said}");
    for (filter, findings) in [
        (GraphFilter { run: Some("run-1".into()), ..GraphFilter::default() }, 1),
        (GraphFilter { agent: Some("urn:agent:0".into()), ..GraphFilter::default() }, 1),
        (GraphFilter { since: Some(plan.clock * 1_000_000_000), ..GraphFilter::default() }, 1),
    ] {
        assert_eq!(graph_of(&text, &filter).1.findings().len(), findings, "{filter:?}");
    }
    for filter in [
        event("nothing"),
        GraphFilter { run: Some("run-2".into()), ..GraphFilter::default() },
        GraphFilter { agent: Some("urn:agent:0".into()), since: Some(i64::MAX), ..GraphFilter::default() },
    ] {
        let mut verifier = Verifier::new(Options { graph: true, ..Options::default() });
        verifier.read(&mut text.as_bytes(), "in").unwrap();
        assert!(verifier.graph(&filter).is_err(), "{filter:?}");
    }
}

#[test]
fn a_run_that_another_began_is_part_of_it_and_one_that_nobody_knows_leads_to_nothing() {
    let started = |id: &str, run: &str, parent: &str, at| Said {
        id: id.into(),
        event_type: "run.started",
        data: if parent.is_empty() { "{}".into() } else { format!(r#"{{"parent_run":"{parent}"}}"#) },
        run: Some(run.into()),
        at: START + at,
        ..Said::default()
    };
    let ended = Said {
        id: "e4".into(),
        event_type: "run.failed",
        data: r#"{"terminal_status":"timed_out"}"#.into(),
        run: Some("child".into()),
        at: START + 4,
        ..Said::default()
    };
    let events = [
        started("e1", "top", "", 1),
        started("e2", "child", "top", 2),
        started("e3", "other", "lost", 3),
        ended,
    ];
    let text = sealed(1, 0, &events);
    let (_, graph) = graph_of(&text, &GraphFilter { run: Some("top".into()), ..GraphFilter::default() });
    let mut names: Vec<_> =
        graph.nodes.iter().filter(|node| node.kind.name() == "run").map(|node| &*node.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["child", "top"]);
    let child = graph.nodes.iter().find(|node| &*node.name == "child").unwrap();
    assert_eq!(child.ended.as_deref(), Some("timed_out"));
    let (_, graph) = graph_of(&text, &GraphFilter::default());
    let found: Vec<_> = graph.findings().into_iter().map(|found| (found.kind, found.id)).collect();
    assert_eq!(found, [(Kind::EdgeToNothing, "other".to_owned())]);
}

#[test]
fn the_json_names_every_member_that_was_read() {
    let mut plan = a_run();
    plan.act(0, None, Some("nothing-there"), "ok");
    let (_, graph) = graph_of(&plan.text(), &GraphFilter::default());
    let json = parse(graph.to_json().to_json().as_bytes()).unwrap();
    let nodes = json.get("nodes").unwrap().items();
    let ids: BTreeSet<_> = nodes.iter().map(|node| node.get("id").unwrap().as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len());
    let mut members = BTreeSet::new();
    for edge in json.get("edges").unwrap().items() {
        let text = |name| edge.get(name).unwrap().as_str().unwrap();
        members.insert((text("kind"), text("member")));
        let there = ids.contains(text("from")) && ids.contains(text("to"));
        assert_eq!(edge.get("there"), Some(&Value::Bool(there)), "{}", edge.to_json());
    }
    for expected in [
        ("acted_for", "data.authz.principal"),
        ("delegated_by", "data.authz.delegated_by"),
        ("issued_by", "agentid"),
        ("decided_by", "data.authz.decision"),
        ("authorized", "data.authz.identity"),
        ("part_of", "runid"),
    ] {
        assert!(members.contains(&expected), "{expected:?} {members:?}");
    }
    for node in nodes {
        let Some(envelope) = node.get("envelope") else { continue };
        assert_eq!(envelope.get("verified"), Some(&Value::Null));
        assert_eq!(envelope.get("hash").unwrap().as_str().unwrap().len(), 64);
    }
}

#[test]
fn words_of_strangers_stay_in_their_labels() {
    let events = [Said {
        id: "a];b".into(),
        event_type: "tool.invocation",
        data: r#"{"tool":"x\"]; n9 [label=\"<script>\u001b[31m\\","outcome":"ok"}"#.into(),
        at: START,
        ..Said::default()
    }];
    let (_, graph) = graph_of(&sealed(1, 0, &events), &GraphFilter::default());
    let dot = graph.to_dot();
    let line = dot.lines().find(|line| line.contains("script")).unwrap();
    assert!(line.contains(r#"x\"]; n9 [label=\"<script>\\u{1b}[31m\\"#), "{line}");
    let mermaid = graph.to_mermaid();
    let line = mermaid.lines().find(|line| line.contains("script")).unwrap();
    assert!(line.contains("x#34;#93;#59; n9 #91;label#61;#34;#60;script#62;"), "{line}");
    assert!(!graph.to_string().contains('\u{1b}'));
}

#[test]
fn a_chain_of_any_length_needs_no_stack() {
    let events: Vec<Said> = (0..20_000)
        .map(|n: usize| Said {
            id: format!("a-{n}"),
            event_type: "identity.assertion",
            // The first comes from the second, so that no order helps.
            data: format!(r#"{{"assertion":"issued","authz":{{"delegated_by":"a-{}"}}}}"#, n + 1),
            cause: n.checked_sub(1).map(|before| format!("a-{before}")),
            at: START,
            ..Said::default()
        })
        .collect();
    let (_, graph) = graph_of(&sealed(1, 0, &events), &GraphFilter::default());
    assert_eq!(graph.findings().len(), 1, "the last one's parent is not there");
    assert!(graph.to_string().len() < 1000);
}

#[test]
fn two_events_of_one_id_that_differ_are_told() {
    let said = |verdict: &str, at| Said {
        id: "d".into(),
        event_type: "policy.decision",
        data: format!(r#"{{"decision":"{verdict}"}}"#),
        at: START + at,
        ..Said::default()
    };
    let (_, graph) = graph_of(&sealed(1, 0, &[said("deny", 1), said("allow", 2)]), &GraphFilter::default());
    assert_eq!(graph.findings()[0].kind, Kind::AmbiguousId);
    // A policy shaped it for one lane, which is no other event; what is whole is what counts.
    let with = |data: &str| Said {
        data: data.into(),
        id: "a".into(),
        event_type: "identity.assertion",
        at: START,
        ..Said::default()
    };
    let thin = with(r#"{"assertion":"issued","view":{"policy":"p","dropped":["expires"]}}"#);
    let whole = with(&format!(r#"{{"assertion":"issued","expires":{START}}}"#));
    let used = Said {
        data: r#"{"tool":"t","outcome":"ok","authz":{"identity":"a","decision":"d"}}"#.into(),
        id: "act".into(),
        event_type: "tool.invocation",
        at: START + 9,
        ..Said::default()
    };
    for first in [[thin.clone(), whole.clone()], [whole, thin]] {
        let [a, b] = first;
        let text = sealed(1, 0, &[a, said("allow", 1), used.clone()]) + &sealed(2, 0, &[b]);
        let (_, graph) = graph_of(&text, &GraphFilter::default());
        let found: Vec<_> = graph.findings().into_iter().map(|found| (found.kind, found.id)).collect();
        assert_eq!(found, [(Kind::ExpiredAuthority, "act".to_owned())]);
    }
    // The same event in two lanes is one.
    let twice = sealed(1, 0, &[said("deny", 1)]) + &sealed(2, 0, &[said("deny", 1)]);
    let (_, graph) = graph_of(&twice, &GraphFilter::default());
    assert_eq!((graph.findings().len(), graph.nodes.len()), (0, 2));
}
