//! The part of a graph that is asked for.

use std::collections::HashMap;

use super::{Edge, EdgeKind, End, Graph, GraphFilter, NodeKind};
use crate::error::{Error, Result};

/// Leaves of a graph what fits the filter, what that rests on, and the findings about what fits.
pub(super) fn select(graph: &mut Graph, filter: &GraphFilter) -> Result<()> {
    let GraphFilter { run, agent, since, event } = filter;
    if run.is_none() && agent.is_none() && since.is_none() && event.is_none() {
        return Ok(());
    }
    let runs = run.as_deref().map(|run| runs_of(graph, run));
    let mut focus = vec![false; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        let fits_run = runs.as_ref().is_none_or(|runs| runs[at]);
        let Some(fact) = graph.fact(at) else {
            // Of a run that nothing told of only its name is known.
            focus[at] = fits_run
                && node.kind == NodeKind::Run
                && agent.is_none()
                && event.is_none()
                && since.is_none();
            continue;
        };
        focus[at] = fits_run
            && agent.as_deref().is_none_or(|agent| *fact.agent == *agent)
            && since.is_none_or(|since| fact.at.max(node.last) >= since)
            && event.as_deref().is_none_or(|event| *fact.id == *event);
    }
    if !focus.contains(&true) {
        let asked = [
            run.as_ref().map(|run| format!("the run {run:?}")),
            agent.as_ref().map(|agent| format!("the agent {agent:?}")),
            since.map(|since| format!("what happened since {}", super::judge::time(since))),
            event.as_ref().map(|event| format!("the event {event:?}")),
        ];
        let asked = asked.into_iter().flatten().collect::<Vec<_>>().join(", ");
        return Err(Error::invalid_argument(format!("nothing in the input says of authority for {asked}")));
    }
    let kept = with_grounds(graph, &focus);
    graph.findings.retain(|found| focus[found.node]);
    keep(graph, &kept);
    Ok(())
}

/// Which nodes are a run, one that it began, or part of one of them.
fn runs_of(graph: &Graph, run: &str) -> Vec<bool> {
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    for edge in graph.edges.iter().filter(|edge| edge.kind == EdgeKind::PartOf) {
        if let (&End::Node(from), &End::Node(to)) = (&edge.from, &edge.to) {
            children.entry(to).or_default().push(from);
        }
    }
    let named = graph.nodes.iter().position(|node| node.kind == NodeKind::Run && *node.name == *run);
    let mut within = vec![false; graph.nodes.len()];
    let mut open: Vec<usize> = named.into_iter().collect();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut within[node], true) {
            open.extend(children.get(&node).into_iter().flatten());
        }
    }
    within
}

/// What is in focus, and all that it rests on.
fn with_grounds(graph: &Graph, focus: &[bool]) -> Vec<bool> {
    let mut grounds: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut beside: HashMap<usize, Vec<usize>> = HashMap::new();
    for Edge { kind, from, to, .. } in &graph.edges {
        let (&End::Node(from), &End::Node(to)) = (from, to) else { continue };
        match kind {
            EdgeKind::Authorized => grounds.entry(to).or_default().push(from),
            EdgeKind::Caused => {
                beside.entry(to).or_default().push(from);
                if graph.nodes[to].kind == NodeKind::Result {
                    beside.entry(from).or_default().push(to);
                }
            }
            _ => grounds.entry(from).or_default().push(to),
        }
    }
    let mut kept = vec![false; graph.nodes.len()];
    let mut open = Vec::new();
    for (node, _) in focus.iter().enumerate().filter(|(_, focus)| **focus) {
        open.push(node);
        open.extend(beside.get(&node).into_iter().flatten());
    }
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut kept[node], true) {
            open.extend(grounds.get(&node).into_iter().flatten());
            open.extend(graph.nodes[node].revoked);
        }
    }
    kept
}

/// Leaves out what is not kept.
fn keep(graph: &mut Graph, kept: &[bool]) {
    let mut next = 0;
    let numbers: Vec<Option<usize>> = kept
        .iter()
        .map(|&kept| {
            let number = next;
            next += usize::from(kept);
            kept.then_some(number)
        })
        .collect();
    let mut at = 0;
    graph.nodes.retain_mut(|node| {
        at += 1;
        node.revoked = node.revoked.and_then(|by| numbers[by]);
        kept[at - 1]
    });
    let renumber = |end: &mut End| match end {
        End::Node(node) => numbers[*node].map(|number| *node = number).is_some(),
        End::Missing(_) => true,
    };
    graph.edges.retain_mut(|edge| renumber(&mut edge.from) && renumber(&mut edge.to));
    graph.findings.retain_mut(|found| numbers[found.node].map(|number| found.node = number).is_some());
}
