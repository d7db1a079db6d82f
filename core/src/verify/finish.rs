//! The judgement, when all input was read.

use std::collections::{BTreeMap, HashMap};

use super::claims::{Claim, Witness};
use super::ranges::{Range, Ranges, len};
use super::report::{FindingKind, Point, Report, StreamReport, Verdict, Weight};
use super::stream::{End, Loss, Stream, Time};
use super::verifier::State;
use crate::seam::{Uuid, parse_time};

impl State {
    pub(super) fn finish(mut self) -> Report {
        let carried = self.carried();
        self.spread_erasures();
        let elsewhere = self.account_for_losses();
        let lost = elsewhere.lost;
        for (stream, &carried) in self.streams.iter_mut().zip(&carried) {
            if !carried {
                find_holes(stream, self.options.partial);
            }
        }
        self.settle_claims(&carried, &elsewhere.declared);
        self.find_silence(&carried);
        for edge in self.edges.finish() {
            let note = format!(
                "data.authz.{} leads to {:?}, which is no envelope of the input",
                edge.member, edge.id
            );
            self.streams[edge.stream].findings.at(FindingKind::MissingEdge, edge.sequence, edge.place, note);
        }
        let erased = self.streams.iter_mut().map(find_stubs).sum();
        self.report(lost, erased)
    }

    fn report(self, lost: BTreeMap<String, u64>, erased: u64) -> Report {
        let strict = self.options.strict;
        let best = if self.options.keys.is_empty() { Verdict::Unchecked } else { Verdict::Sound };
        let streams: Vec<StreamReport> = self
            .streams
            .into_iter()
            .map(|stream| {
                let ends = stream.good.0.or(stream.bad.0);
                StreamReport {
                    streamid: stream.id.to_string(),
                    agentid: (!stream.agentid.is_empty()).then(|| stream.agentid.into_string()),
                    envelopes: stream.envelopes,
                    first: ends.map(|(first, _)| point(&first)),
                    last: ends.map(|(_, last)| point(&last)),
                    closed: stream.closed.is_some(),
                    head: stream.head.map(|(_, hash)| hex(&hash)),
                    verdict: stream.findings.judge(best, strict),
                    findings: stream.findings.finish(&self.sources),
                }
            })
            .collect();
        let verdict = streams.iter().map(|stream| stream.verdict).fold(best, Verdict::max);
        Report {
            verdict: self.findings.judge(verdict, strict),
            envelopes: streams.iter().map(|stream| stream.envelopes).sum(),
            unsigned: self.unsigned,
            malformed: self.malformed,
            streams,
            lost,
            erased,
            findings: self.findings.finish(&self.sources),
            strict,
        }
    }

    /// Which streams are not of this input but checkpoints of another lane, which a lane of this input
    /// takes (`checkpoint: { lane }`).
    fn carried(&self) -> Vec<bool> {
        let elsewhere = |lane| !self.lanes_here.is_empty() && !self.lanes_here.contains(&lane);
        self.streams
            .iter()
            .map(|stream| stream.only_checkpoints && stream.lane.is_some_and(elsewhere))
            .collect()
    }

    /// Gives each stream what retention says about it.
    fn spread_erasures(&mut self) {
        for erasure in std::mem::take(&mut self.erasures) {
            let Some(&index) = self.index.get(&erasure.streamid) else { continue };
            let stream = &mut self.streams[index];
            // A key that is bound to some agents erases only theirs.
            let may = match erasure.key.map(|key| &self.options.keys[key]) {
                None => true,
                Some(key) if stream.agent_proven => key.covers(&stream.agentid),
                Some(key) => key.agent.is_none(),
            };
            if may {
                stream.erasable.insert(erasure.range.0, erasure.range.1);
            }
        }
    }

    /// Holds what was declared lost against what is missing.
    fn account_for_losses(&mut self) -> Accounts {
        let mut accounts = Accounts::default();
        let mut losses = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            for loss in std::mem::take(&mut stream.losses) {
                // The same facts go to the audit and siem lanes; there they are about another lane.
                let copy = match (stream.lane, loss.lane) {
                    (Some(here), Some(lane)) => here != lane,
                    _ => loss.streamid.is_some_and(|id| id != stream.id),
                };
                losses.push((copy, index, loss));
            }
        }
        // Copies come last, so that they count only where the declaration itself is missing.
        losses.sort_by_key(|(copy, _, loss)| (*copy, loss.place));
        for (declarer, loss) in losses.iter().filter(|(copy, _, _)| !copy).map(|(_, at, loss)| (*at, loss)) {
            for lost in loss.ranges.iter().filter(|lost| !lost.maybe) {
                let target = lost.streamid.or(loss.streamid).unwrap_or(self.streams[declarer].id);
                accounts.named.entry(target).or_default().insert(lost.range.0, lost.range.1);
            }
        }
        for (copy, declarer, loss) in losses {
            self.account_for(&mut accounts, copy, declarer, &loss);
        }
        accounts
    }

    fn account_for(&mut self, accounts: &mut Accounts, copy: bool, declarer: usize, loss: &Loss) {
        let fixed: u64 = loss.ranges.iter().filter(|range| !range.maybe).map(|range| len(range.range)).sum();
        let any_maybe = loss.ranges.iter().any(|range| range.maybe);
        // How many of the ranges marked `maybe` may be missing.
        let mut budget = loss.count.saturating_sub(fixed);
        let mut total = 0;
        for lost in &loss.ranges {
            let target = lost.streamid.or(loss.streamid).unwrap_or(self.streams[declarer].id);
            match self.index.get(&target).copied() {
                Some(index) if self.may_declare(declarer, index) => {
                    // A declaration is about what came before it.
                    let end = if index == declarer { loss.sequence - 1 } else { u64::MAX };
                    let range = (lost.range.0, lost.range.1.min(end));
                    if range.0 > range.1 {
                        continue;
                    }
                    let stream = &mut self.streams[index];
                    let mut missing = stream.filled.missing_of_all(&stream.runs.missing_of(range));
                    missing = stream.declared.missing_of_all(&missing);
                    if lost.maybe {
                        missing = take(missing, &mut budget);
                    }
                    for (from, to) in missing {
                        total += to - from + 1;
                        stream.declared.insert(from, to);
                        let note = format!("{} lost, and declared: {}", len((from, to)), loss.reason);
                        let range = Some((from, to));
                        stream.findings.add(FindingKind::DeclaredLoss, range, Some(loss.place), note);
                    }
                }
                Some(_) => {}
                None if copy => {}
                None => {
                    // A declaration that may not have arrived is made again: each number counts once.
                    let declared = accounts.declared.entry(target).or_default();
                    let mut n = declared.missing_of(lost.range).into_iter().map(len).sum();
                    declared.insert(lost.range.0, lost.range.1);
                    if lost.maybe {
                        n = budget.min(n);
                        budget -= n;
                    }
                    if n == 0 {
                        continue;
                    }
                    total += n;
                    let note = format!("{n} lost of the stream {target}, and declared: {}", loss.reason);
                    self.streams[declarer].findings.add(
                        FindingKind::DeclaredLoss,
                        None,
                        Some(loss.place),
                        note,
                    );
                }
            }
        }
        if loss.count == 0 {
            // Numbers that count nothing are those of own envelopes, which are no events.
            total = 0;
        }
        let unnumbered = if any_maybe { 0 } else { loss.count.saturating_sub(fixed) };
        // A declaration that is itself declared lost was made again, whether it arrived after all or not.
        let again = accounts.named.get(&self.streams[declarer].id);
        let again = again.is_some_and(|ranges| ranges.contains(loss.sequence));
        if unnumbered > 0 && !copy && !again {
            total += unnumbered;
            let note = format!("{unnumbered} lost without a number, and declared: {}", loss.reason);
            self.streams[declarer].findings.add(FindingKind::DeclaredLoss, None, Some(loss.place), note);
        }
        if total > 0 {
            *accounts.lost.entry(loss.reason.clone()).or_default() += total;
        }
    }

    /// Whether one stream may declare losses of another: its own and its agent's predecessors.
    fn may_declare(&self, declarer: usize, target: usize) -> bool {
        declarer == target
            || !self.streams[target].agent_proven
            || self.streams[declarer].agentid == self.streams[target].agentid
    }

    fn settle_claims(&mut self, carried: &[bool], declared: &HashMap<Uuid, Ranges>) {
        let mut claims = std::mem::take(&mut self.file_claims);
        // A lane is in the input if one of its streams is, or if a checkpoint names one that is.
        let is_here = |state: &Self, id: &Uuid| state.index.get(id).is_some_and(|&index| !carried[index]);
        let mut lanes = self.lanes_here.clone();
        let streams = self.streams.iter().zip(carried).filter(|(_, carried)| !**carried);
        lanes.extend(streams.filter_map(|(stream, _)| stream.lane));
        lanes.extend(claims.iter().filter(|c| is_here(self, &c.head.streamid)).filter_map(|c| c.lane));
        claims.extend(self.claims.finish());
        // The highest first, so that a stream is reported once, by what says most.
        claims.sort_by_key(|claim| {
            (claim.witness == Witness::Follower, std::cmp::Reverse(claim.head.sequence), claim.place)
        });
        let mut reported = std::collections::HashSet::new();
        for claim in claims {
            let id = claim.head.streamid;
            if is_here(self, &id) {
                let index = self.index[&id];
                if !self.settle(&claim, index) && self.is_cut_off(&claim, index) {
                    reported.insert(id);
                }
                continue;
            }
            let foreign = claim.lane.is_some_and(|lane| !lanes.is_empty() && !lanes.contains(&lane));
            let lost = declared.get(&id).is_some_and(|ranges| ranges.contains(claim.head.sequence));
            // In one file of a rotated set, streams that lie wholly in another file are not missing.
            let apart = self.options.partial && claim.witness == Witness::Input;
            if foreign || lost || apart || !reported.insert(id) {
                continue;
            }
            let (weight, who) = match claim.witness {
                Witness::Follower => (Weight::Note, "the stream that follows it"),
                Witness::Input => (Weight::Finding, "a checkpoint or heartbeat of the input"),
                Witness::File | Witness::Itself => (Weight::Finding, "a checkpoint"),
            };
            let note = format!("the stream {id} is not there; {who} names it, up to {}", claim.head.sequence);
            self.findings.add_as(weight, FindingKind::MissingStream, None, Some(claim.place), note);
        }
    }

    /// Reports a stream that ends before the number that a claim names; once per stream.
    fn is_cut_off(&mut self, claim: &Claim, index: usize) -> bool {
        let stream = &mut self.streams[index];
        let last = stream.last_claimed();
        if claim.head.sequence <= last {
            return false;
        }
        let missing = stream.declared.missing_of((last + 1, claim.head.sequence));
        let (Some(&(from, _)), Some(&(_, to))) = (missing.first(), missing.last()) else { return false };
        let who = match claim.witness {
            Witness::Follower => "the stream that follows it",
            _ => "a checkpoint or heartbeat",
        };
        let note = format!("the stream ends with {last}, but {who} names {}", claim.head.sequence);
        stream.findings.add(FindingKind::Truncated, Some((from, to)), Some(claim.place), note);
        // What is reported is accounted for.
        stream.declared.insert(from, to);
        true
    }

    fn find_silence(&mut self, carried: &[bool]) {
        let (Some(limit), Some(latest)) = (self.options.silence, self.latest.as_ref().and_then(nanos)) else {
            return;
        };
        for (stream, _) in self.streams.iter_mut().zip(carried).filter(|(_, carried)| !**carried) {
            let heard = stream.heard.max(self.heard.get(&stream.id).copied());
            let (Some(heard), None) = (heard, stream.closed) else { continue };
            let Some(silent) = nanos(&heard).and_then(|heard| u64::try_from(latest - heard).ok()) else {
                continue;
            };
            if u128::from(silent) > limit.as_nanos() {
                let note = format!(
                    "neither closed nor heard of since {}, {} s before the end of the input",
                    String::from_utf8_lossy(&heard),
                    silent / 1_000_000_000
                );
                let last = stream.good.0.map(|(_, last)| last);
                let range = last.map(|last| (last.sequence, last.sequence));
                stream.findings.add(FindingKind::Silence, range, last.map(|last| last.place), note);
            }
        }
    }
}

/// What declarations come to.
#[derive(Default)]
struct Accounts {
    /// Totals by reason.
    lost: BTreeMap<String, u64>,
    /// What declarations name, without `maybe`, by stream.
    named: HashMap<Uuid, Ranges>,
    /// Declared ranges of streams that are not in the input.
    declared: HashMap<Uuid, Ranges>,
}

/// The first `budget` numbers of `ranges`.
fn take(ranges: Vec<Range>, budget: &mut u64) -> Vec<Range> {
    let mut out = Vec::new();
    for (from, to) in ranges {
        let n = len((from, to)).min(*budget);
        if n > 0 {
            out.push((from, from + n - 1));
        }
        *budget -= n;
    }
    out
}

/// Reports the numbers of a stream that are missing without a declaration.
fn find_holes(stream: &mut Stream, partial: bool) {
    let mut holes = Vec::new();
    if let Some((first, prev, place)) = stream.runs.first() {
        let start = stream.filled_start.filter(|&start| start < first).or(stream.start).unwrap_or(1);
        if first == 1 && prev.is_some() {
            let note = "the first of a stream has no prevhash; this one has";
            stream.findings.at(FindingKind::Altered, first, place, note);
        }
        if start < first && !partial {
            holes.push(((start, first - 1), prev.is_none(), place));
        }
    }
    let false_starts: Vec<_> = stream.runs.false_starts().collect();
    for (sequence, place) in false_starts {
        let note = "it has no prevhash, as only the first of a stream has none";
        stream.findings.at(FindingKind::Altered, sequence, place, note);
    }
    holes.extend(stream.runs.holes().map(|hole| (hole.range, hole.unbroken, hole.place)));
    for (range, unbroken, place) in holes {
        let open = stream.filled.missing_of(range);
        for (from, to) in stream.declared.missing_of_all(&open) {
            let n = len((from, to));
            let (kind, note) = if unbroken {
                (FindingKind::Gap, "no declaration, but the chain is unbroken: a defect of the producer")
            } else {
                (FindingKind::Removed, "no declaration, and the chain is broken: removed after sealing")
            };
            stream.findings.add(kind, Some((from, to)), Some(place), format!("{n} missing; {note}"));
        }
    }
}

/// Reports the stubs of a stream; answers how many envelopes were erased.
fn find_stubs(stream: &mut Stream) -> u64 {
    let mut removed = Ranges::default();
    let mut erased = Ranges::default();
    for range in stream.stubs.iter() {
        for (from, to) in stream.erasable.missing_of(range) {
            removed.insert(from, to);
        }
        for (from, to) in removed.missing_of(range) {
            erased.insert(from, to);
        }
    }
    for (ranges, kind, note) in [
        (
            &removed,
            FindingKind::Removed,
            "only stubs are left, and no retention that can be believed covers them",
        ),
        (&erased, FindingKind::Erased, "erased by retention, sealed"),
    ] {
        for (from, to) in ranges.iter() {
            let place = stream.stub_place(from);
            stream.findings.add(kind, Some((from, to)), place, format!("{} {note}", len((from, to))));
        }
    }
    erased.count()
}

fn nanos(time: &Time) -> Option<i64> {
    std::str::from_utf8(time).ok().and_then(parse_time)
}

fn point(end: &End) -> Point {
    let time = std::str::from_utf8(&end.time).unwrap_or_default().trim_end_matches('\0');
    Point { sequence: end.sequence, time: time.to_owned() }
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
