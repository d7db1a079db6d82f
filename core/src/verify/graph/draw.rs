//! The graph for programs: JSON, and the languages that draw pictures.
//!
//! Guarantees: whatever strangers wrote stands in a label, escaped for its language; nodes are named by their number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use super::facts::{Fact, What};
use super::judge::time;
use super::{EdgeKind, End, Graph, GraphFindingKind, Node, NodeKind, Standing};
use crate::hex;
use crate::json::Value;
use crate::verify::report::{int, object};

/// What was found, by node.
type Faults = BTreeMap<usize, Vec<GraphFindingKind>>;

impl Graph {
    /// The object of `sinkwell graph --format json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let nodes = (0..self.nodes.len()).map(|node| self.node_json(node)).collect();
        let end = |end: &End, kind| match end {
            End::Node(node) => self.key(*node).into(),
            End::Missing(id) => Value::String(format!("{}:{id}", missing_kind(kind))),
        };
        let edges = self.edges.iter().map(|edge| {
            let there = !matches!((&edge.from, &edge.to), (End::Missing(_), _) | (_, End::Missing(_)));
            object([
                ("kind", edge.kind.name().into()),
                ("from", end(&edge.from, edge.kind)),
                ("to", end(&edge.to, edge.kind)),
                ("member", edge.member.into()),
                ("there", there.into()),
            ])
        });
        let findings = self.findings.iter().map(|found| {
            object([
                ("kind", found.kind.name().into()),
                ("node", self.key(found.node).into()),
                ("note", found.note.as_str().into()),
            ])
        });
        object([
            ("verdict", self.verdict.name().into()),
            ("nodes", Value::Array(nodes)),
            ("edges", Value::Array(edges.collect())),
            ("findings", Value::Array(findings.collect())),
        ])
    }

    /// What a node is called in JSON.
    fn key(&self, node: usize) -> String {
        let Node { kind, name, .. } = &self.nodes[node];
        match kind {
            NodeKind::Principal | NodeKind::Agent | NodeKind::Run => format!("{}:{name}", kind.name()),
            _ => format!("event:{name}"),
        }
    }

    fn node_json(&self, at: usize) -> Value {
        let node = &self.nodes[at];
        let mut members: Vec<(&str, Value)> = vec![
            ("id", self.key(at).into()),
            ("kind", node.kind.name().into()),
            ("name", (*node.name).into()),
        ];
        let mut put = |name, text: &Option<Box<str>>| {
            if let Some(text) = text {
                members.push((name, (**text).into()));
            }
        };
        if node.kind == NodeKind::Run {
            put("goal", &node.goal);
            put("ended", &node.ended);
        }
        let Some(fact) = self.fact(at) else { return object(members) };
        match &fact.what {
            What::Authority(authority) => {
                members.push(("assertion", (*authority.assertion).into()));
                put_text(&mut members, "identity", &authority.identity);
                put_text(&mut members, "issuer", &authority.issuer);
                if let Some(scope) = &authority.scope {
                    members.push(("scope", Value::Array(scope.iter().map(|word| (**word).into()).collect())));
                }
                members.push(("issued", (*fact.time).into()));
                members.extend(authority.expires.map(|expires| ("expires", time(expires).into())));
                put_text(&mut members, "revoked_by", &authority.revoked_by);
                if let Some(by) = node.revoked
                    && let Some(revoked) = self.fact(by)
                {
                    let revoked = [("at", (*revoked.time).into()), ("by", self.key(by).into())];
                    members.push(("revoked", object(revoked)));
                }
            }
            What::Decision(decision) => {
                members.push(("decision", (*decision.verdict).into()));
                put_text(&mut members, "rule", &decision.rule);
                put_text(&mut members, "ruleset", &decision.ruleset);
                put_text(&mut members, "ruleset_version", &decision.version);
                members.push(("implicit", decision.implicit.into()));
                if decision.shadow {
                    members.push(("shadow", true.into()));
                }
                put_text(&mut members, "input_digest", &decision.input_digest);
                put_text(&mut members, "action", &decision.action);
                put_text(&mut members, "reason", &decision.reason);
                let took = decision.took.as_ref().and_then(|took| crate::json::parse(took.as_bytes()).ok());
                members.extend(took.map(|took| ("duration_ms", took)));
            }
            What::Act(act) => {
                put_text(&mut members, "tool", &act.tool);
                put_text(&mut members, "outcome", &act.outcome);
                put_text(&mut members, "phase", &act.phase);
            }
            What::Run(_) => {}
        }
        members.push(("envelope", self.envelope_json(at, fact)));
        object(members)
    }

    fn envelope_json(&self, at: usize, fact: &Fact) -> Value {
        let verified = match self.standing(at) {
            Some(Standing::Verified) => true.into(),
            Some(Standing::Unchecked) => Value::Null,
            _ => false.into(),
        };
        object([
            ("id", (*fact.id).into()),
            ("type", (*fact.event_type).into()),
            ("agentid", (*fact.agent).into()),
            ("streamid", fact.streamid.to_string().into()),
            ("sequence", int(fact.sequence)),
            ("hash", hex::text(&fact.hash).into()),
            ("time", (*fact.time).into()),
            ("where", self.sources.show(fact.place).into()),
            ("verified", verified),
        ])
    }

    /// A few words on a node, a line each, and what was found of it.
    fn label(&self, at: usize, faults: &Faults) -> Vec<String> {
        let node = &self.nodes[at];
        let name = || node.name.to_string();
        let mut lines = match self.fact(at).map(|fact| &fact.what) {
            Some(What::Authority(authority)) => {
                let whose =
                    authority.identity.as_ref().map_or_else(name, |identity| format!("to {identity}"));
                vec![format!("delegation ({})", authority.assertion), whose]
            }
            Some(What::Decision(decision)) => {
                let rule =
                    decision.rule.as_deref().unwrap_or(if decision.implicit { "by default" } else { "" });
                vec![
                    format!("{} {}", decision.verdict, decision.action.as_deref().unwrap_or("")),
                    rule.to_owned(),
                ]
            }
            Some(What::Act(act)) => {
                let what = act.tool.as_deref().map_or_else(name, str::to_owned);
                vec![format!("{} {what}", node.kind.name()), act.outcome.as_deref().unwrap_or("").to_owned()]
            }
            _ => vec![node.kind.name().to_owned(), name()],
        };
        if node.kind == NodeKind::Run {
            lines.extend(node.ended.as_deref().map(str::to_owned));
        }
        if node.revoked.is_some() {
            lines.push("revoked".to_owned());
        }
        if self.standing(at) == Some(Standing::Unverified) {
            lines.push("not verified".to_owned());
        }
        lines.extend(faults.get(&at).into_iter().flatten().map(|kind| format!("! {}", kind.name())));
        lines.retain(|line| !line.trim().is_empty());
        lines.iter().map(|line| line.trim().chars().take(80).collect()).collect()
    }

    fn faults(&self) -> Faults {
        let mut faults = Faults::new();
        for found in &self.findings {
            faults.entry(found.node).or_default().push(found.kind);
        }
        faults
    }

    /// For `dot`.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut out = String::from(
            "digraph authority {\n  rankdir=LR;\n  node [fontname=\"Helvetica\", fontsize=10];\n  edge [fontname=\"Helvetica\", fontsize=8];\n",
        );
        let faults = self.faults();
        for at in 0..self.nodes.len() {
            let label: Vec<String> = self.label(at, &faults).iter().map(|line| dot(line)).collect();
            let shape = match self.nodes[at].kind {
                NodeKind::Principal => "house",
                NodeKind::Agent => "component",
                NodeKind::Delegation => "note",
                NodeKind::Decision => "diamond",
                NodeKind::Action => "box",
                NodeKind::Result => "ellipse",
                NodeKind::Run => "folder",
            };
            let colour = if faults.contains_key(&at) { ", color=red, fontcolor=red" } else { "" };
            let _ = writeln!(out, "  n{at} [label=\"{}\", shape={shape}{colour}];", label.join("\\n"));
        }
        for (name, number) in self.missing() {
            let _ = writeln!(
                out,
                "  m{number} [label=\"not there\\n{}\", shape=box, style=dashed, color=red];",
                dot(name)
            );
        }
        self.each_edge(|from, to, kind| {
            let _ = writeln!(out, "  {from} -> {to} [label=\"{}\"];", kind.name());
        });
        out.push_str("}\n");
        out
    }

    /// For Mermaid.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        let faults = self.faults();
        for at in 0..self.nodes.len() {
            let label: Vec<String> = self.label(at, &faults).iter().map(|line| mermaid(line)).collect();
            let (open, close) = match self.nodes[at].kind {
                NodeKind::Principal => ("([", "])"),
                NodeKind::Agent => ("[[", "]]"),
                NodeKind::Delegation => (">", "]"),
                NodeKind::Decision => ("{", "}"),
                NodeKind::Action => ("[", "]"),
                NodeKind::Result => ("(", ")"),
                NodeKind::Run => ("[/", "/]"),
            };
            let _ = writeln!(out, "  n{at}{open}\"{}\"{close}", label.join("<br>"));
        }
        for (name, number) in self.missing() {
            let _ = writeln!(out, "  m{number}[\"not there<br>{}\"]", mermaid(name));
        }
        self.each_edge(|from, to, kind| {
            let _ = writeln!(out, "  {from} -- {} --> {to}", kind.name());
        });
        let faulty = faults.keys().map(|at| format!("n{at}"));
        let faulty: Vec<String> =
            faulty.chain((0..self.missing().len()).map(|at| format!("m{at}"))).collect();
        if !faulty.is_empty() {
            let _ =
                writeln!(out, "  classDef found stroke:#c00,color:#c00\n  class {} found", faulty.join(","));
        }
        out
    }

    /// What edges lead to and is not there, with a number each.
    fn missing(&self) -> Vec<(&str, usize)> {
        let mut seen = HashSet::new();
        let ends = self.edges.iter().flat_map(|edge| [&edge.from, &edge.to]);
        let missing = ends.filter_map(|end| match end {
            End::Missing(id) => Some(&**id),
            End::Node(_) => None,
        });
        missing.filter(|id| seen.insert(*id)).enumerate().map(|(at, id)| (id, at)).collect()
    }

    fn each_edge(&self, mut take: impl FnMut(String, String, EdgeKind)) {
        let missing: HashMap<&str, usize> = self.missing().into_iter().collect();
        let name = |end: &End| match end {
            End::Node(node) => format!("n{node}"),
            End::Missing(id) => format!("m{}", missing.get(&**id).copied().unwrap_or_default()),
        };
        for edge in &self.edges {
            take(name(&edge.from), name(&edge.to), edge.kind);
        }
    }
}

/// What kind of thing an edge leads to where that is not there.
fn missing_kind(kind: EdgeKind) -> &'static str {
    if kind == EdgeKind::PartOf { "run" } else { "event" }
}

fn put_text(members: &mut Vec<(&'static str, Value)>, name: &'static str, text: &Option<Box<str>>) {
    if let Some(text) = text {
        members.push((name, (**text).into()));
    }
}

/// Text in quotes, for `dot`.
fn dot(text: &str) -> String {
    let shown = crate::terminal::Safe(text).to_string();
    shown.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Text in quotes, for Mermaid: whatever is no letter, digit or plain sign is written as its number.
fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::terminal::Safe(text).to_string().chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | ':' | '-' | '_' | '/' | '@' | '!' | '(' | ')')
        {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
