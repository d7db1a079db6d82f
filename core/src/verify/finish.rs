//! The judgement, once all input has been read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chain::{Chain, Marks};
use super::claims::{Claim, Witness};
use super::coverage::CoverageReport;
use super::deeds::{DeedsReport, UnfinishedDeed};
use super::own::{ErasedRange, Mode};
use super::place::Place;
use super::ranges::{Range, Ranges, len};
use super::report::{FindingKind, Point, Report, StreamReport, Verdict, Weight};
use super::short::Short;
use super::stream::{End, Loss, Stream, Time};
use super::verifier::State;
use crate::error::{Error, Result};
use crate::seam::{Uuid, parse_time};

impl State {
    /// Judges all that was read: the report, and what a comparison needs to know of the streams.
    pub(super) fn finish(mut self) -> Result<(Report, Settled)> {
        self.settle_coverage();
        if self.prove_stubs() {
            self.settle_coverage();
        }
        let carried = self.carried();
        let keyed = !self.options.keys.is_empty();
        self.unsigned = self.streams.iter_mut().map(|stream| find_uncovered(stream, keyed)).sum();
        let erased = self.find_stubs();
        let elsewhere = self.account_for_losses();
        let (lost, lost_by) = (elsewhere.lost, elsewhere.by_agent);
        for (stream, &carried) in self.streams.iter_mut().zip(&carried) {
            if !carried {
                find_holes(stream, self.options.partial);
            }
        }
        self.settle_claims(&carried, &elsewhere.declared)?;
        self.find_silence(&carried);
        for edge in self.edges.finish() {
            let note = format!(
                "data.authz.{} leads to {:?}, which is no envelope of the input",
                edge.member, edge.id
            );
            self.streams[edge.stream].findings.at(FindingKind::MissingEdge, edge.sequence, edge.place, note);
        }
        let deeds = self.find_deeds(!lost.is_empty() || erased > 0);
        let open = self.find_open(&carried);
        if self.budget.exhausted {
            let note = "more than 64 MiB waited for a signature or fitted nowhere; what came after that is not believed";
            self.findings.add(FindingKind::Unsigned, None, None, note);
        }
        let coverage = self.find_coverage();
        let settled = Settled { deeds, coverage, ..self.settled(&carried, lost_by) };
        Ok((self.report(lost, erased, open), settled))
    }

    fn settled(&mut self, carried: &[bool], lost: BTreeMap<LostBy, u64>) -> Settled {
        let streams = self.streams.iter_mut().zip(carried).map(|(stream, &carried)| Shape {
            begins: stream.chain.first().is_some_and(|(_, prev, _)| prev.is_none()),
            closed: stream.closed.is_some(),
            lane: stream.lane,
            carried,
            chain: std::mem::take(&mut stream.chain),
        });
        let mut lanes = vec![String::new(); self.lanes.len()];
        for (name, &at) in &self.lanes {
            if let Some(lane) = usize::try_from(at).ok().and_then(|at| lanes.get_mut(at)) {
                lane.clone_from(name);
            }
        }
        Settled {
            streams: streams.collect(),
            index: std::mem::take(&mut self.index),
            lanes,
            lost,
            short: std::mem::take(&mut self.short),
            deeds: DeedsReport::default(),
            coverage: CoverageReport::default(),
        }
    }

    fn report(self, lost: BTreeMap<String, u64>, erased: u64, open: u64) -> Report {
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
                    head: stream.head.map(|(_, hash)| crate::hex::text(&hash)),
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
            open,
            streams,
            lost,
            erased,
            findings: self.findings.finish(&self.sources),
            beside: super::beside::beside(&self.paths),
            strict,
        }
    }

    /// Which streams belong to another lane, and are here only because a lane of this input takes that lane's
    /// checkpoints (`checkpoint: { lane }`).
    fn carried(&self) -> Vec<bool> {
        let elsewhere = |lane| !self.lanes_here.is_empty() && !self.lanes_here.contains(&lane);
        self.streams
            .iter()
            .map(|stream| stream.only_checkpoints && stream.lane.is_some_and(elsewhere))
            .collect()
    }

    /// Reports deeds of which the input has only one half. `less`: something is missing that the producer declares, so
    /// that the other half may be among it.
    fn find_deeds(&mut self, less: bool) -> DeedsReport {
        let rest = self.deeds.finish();
        for at in &rest.unfinished {
            let note = "an intent without a result: nothing says whether the act was done, or how it ended";
            self.streams[at.stream].findings.at(FindingKind::Unfinished, at.sequence, at.place, note);
        }
        let weight = if less || self.options.partial { Weight::Note } else { Weight::Finding };
        for at in &rest.without_intent {
            let note = "a result whose intent is not there: nothing shows that the act was held up for it";
            let range = Some((at.sequence, at.sequence));
            let kind = FindingKind::ResultAlone;
            self.streams[at.stream].findings.add_as(weight, kind, range, Some(at.place), note);
        }
        let (intents, outcomes) = self.deeds.counts();
        let unfinished = rest.unfinished.iter().filter_map(|at| {
            let streamid = self.streams[at.stream].id.to_string();
            UnfinishedDeed::new(at, streamid, self.sources.show(at.place))
        });
        let mut unfinished: Vec<_> = unfinished.collect();
        unfinished.sort_by(|a, b| a.time.cmp(&b.time));
        DeedsReport { intents, outcomes, unfinished }
    }

    fn find_coverage(&mut self) -> CoverageReport {
        let streams = &self.streams;
        let heard = |stream: usize| {
            let heard = streams.get(stream)?.heard?;
            Some(String::from_utf8_lossy(&heard).into_owned())
        };
        std::mem::take(&mut self.coverage).finish(heard)
    }

    /// Reports streams that were not closed, whose end is therefore unproven; returns how many there are.
    fn find_open(&mut self, carried: &[bool]) -> u64 {
        let mut open = 0;
        for (stream, _) in self.streams.iter_mut().zip(carried).filter(|(_, carried)| !**carried) {
            let covered = stream.chain.iter().filter(|(_, marks)| marks.is_covered());
            let Some((end, _)) = covered.last() else { continue };
            if stream.closed.is_some() || stream.followed == end {
                continue;
            }
            open += 1;
            let place = stream.good.0.map(|(_, last)| last).filter(|last| last.sequence == end);
            let place = place.map(|last| last.place).or_else(|| stream.place(end));
            if self.options.partial {
                continue;
            }
            let note = match stream.checkpointed {
                0 => "nobody closed it: its end is unproven, and no checkpoint covers any of it".to_owned(),
                at => format!(
                    "nobody closed it: its end is unproven, and no checkpoint covers what follows {at}"
                ),
            };
            stream.findings.add(FindingKind::Open, Some((end, end)), place, note);
        }
        open
    }

    /// Checks whether the keys of stubs may seal for the stream's agent, which may be known only now. Returns whether
    /// any stub's signature was accepted.
    fn prove_stubs(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.streams.len() {
            let stream = &mut self.streams[index];
            let agent = if stream.agent_proven {
                stream.agentid.to_string()
            } else {
                // The stream consists of stubs alone: the retention that erased its events names the agent.
                let of_this = |(_, range): &&(u8, ErasedRange)| range.streamid == stream.id;
                let Some((_, range)) = self.erasures.iter().find(of_this) else { continue };
                range.agentid.to_string()
            };
            let covered = stream.prove_stubs(&self.options.keys, &agent);
            any |= stream.stubs_proven;
            self.believe_all(index, &covered);
        }
        any
    }

    /// Whether the key `by` may vouch for a retention that erased `range` of this stream.
    fn may_erase(&self, by: u8, range: &ErasedRange, stream: &Stream) -> bool {
        let keys = &self.options.keys;
        let covers = |key: u8| keys.get(usize::from(key)).is_none_or(|key| key.covers(&range.agentid));
        covers(by)
            && (!stream.agent_proven || *stream.agentid == *range.agentid)
            && stream.chain.stubs_are_of(range.range, covers)
    }

    /// Reports stubs; returns how many envelopes were erased.
    fn find_stubs(&mut self) -> u64 {
        for (by, range) in std::mem::take(&mut self.erasures) {
            let Some(&index) = self.index.get(&range.streamid) else { continue };
            if self.may_erase(by, &range, &self.streams[index]) {
                self.streams[index].erasable.insert(range.range.0, range.range.1);
            }
        }
        self.streams.iter_mut().map(find_stubs).sum()
    }

    /// Compares the declared losses with the numbers that are missing.
    fn account_for_losses(&mut self) -> Accounts {
        let mut accounts = Accounts::default();
        let mut losses = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            for loss in std::mem::take(&mut stream.losses) {
                // Audit and siem lanes get a copy of each declaration; in such a copy, the loss is that of another
                // lane.
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
        let fixed = loss.ranges.iter().filter(|range| !range.maybe);
        let fixed = fixed.fold(0_u64, |n, range| n.saturating_add(len(range.range)));
        let any_maybe = loss.ranges.iter().any(|range| range.maybe);
        // How many numbers of the ranges marked `maybe` may be missing.
        let mut budget = loss.count.saturating_sub(fixed);
        let mut total = 0_u64;
        for lost in &loss.ranges {
            let target = lost.streamid.or(loss.streamid).unwrap_or(self.streams[declarer].id);
            match self.index.get(&target).copied() {
                Some(index) if self.may_declare(declarer, index) => {
                    // A declaration speaks only of numbers before its own.
                    let end = if index == declarer { loss.sequence - 1 } else { u64::MAX };
                    let range = (lost.range.0, lost.range.1.min(end));
                    if range.0 > range.1 {
                        continue;
                    }
                    let stream = &mut self.streams[index];
                    if let Some(prev) = lost.prev
                        && let Some(before) = lost.range.0.checked_sub(1)
                        && stream.chain.holds(before, prev) == Some(false)
                    {
                        let note = "it is not the envelope that a declared loss names as the one before it";
                        stream.findings.at(FindingKind::Altered, before, loss.place, note);
                    }
                    let mut missing = stream.filled.missing_of_all(&stream.chain.missing_of(range));
                    missing = stream.declared.missing_of_all(&missing);
                    if lost.maybe {
                        missing = take(missing, &mut budget);
                    }
                    for (from, to) in missing {
                        total = total.saturating_add(len((from, to)));
                        stream.declared.insert(from, to);
                        let note = format!("{} lost, and declared: {}", len((from, to)), loss.reason);
                        let range = Some((from, to));
                        stream.findings.add(FindingKind::DeclaredLoss, range, Some(loss.place), note);
                    }
                }
                Some(_) => {}
                None if copy => {}
                None => {
                    // A lane repeats a declaration that may not have arrived, so that each number must be counted once
                    // only.
                    let declared = accounts.declared.entry(target).or_default();
                    let missing = declared.missing_of(lost.range).into_iter();
                    let mut n = missing.fold(0_u64, |n, range| n.saturating_add(len(range)));
                    declared.insert(lost.range.0, lost.range.1);
                    if lost.maybe {
                        n = budget.min(n);
                        budget -= n;
                    }
                    if n == 0 {
                        continue;
                    }
                    total = total.saturating_add(n);
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
            // The numbers are those of own envelopes, which are no events, so that the declaration counts none.
            total = 0;
        }
        let unnumbered = if any_maybe { 0 } else { loss.count.saturating_sub(fixed) };
        // If a later declaration says that this one was lost, that one repeats its count, even if this one did arrive.
        let again = accounts.named.get(&self.streams[declarer].id);
        let again = again.is_some_and(|ranges| ranges.contains(loss.sequence));
        if unnumbered > 0 && !copy && !again {
            total = total.saturating_add(unnumbered);
            let note = format!("{unnumbered} lost without a number, and declared: {}", loss.reason);
            self.streams[declarer].findings.add(FindingKind::DeclaredLoss, None, Some(loss.place), note);
        }
        if total > 0 {
            let stream = &self.streams[declarer];
            let agent = loss.agentid.clone().unwrap_or_else(|| stream.agentid.clone());
            let by = accounts.by_agent.entry((stream.lane, agent)).or_default();
            *by = by.saturating_add(total);
            let lost = accounts.lost.entry(loss.reason.clone()).or_default();
            *lost = lost.saturating_add(total);
        }
    }

    /// Whether one stream may declare losses of another: its own and its agent's predecessors.
    fn may_declare(&self, declarer: usize, target: usize) -> bool {
        declarer == target
            || !self.streams[target].agent_proven
            || self.streams[declarer].agentid == self.streams[target].agentid
    }

    fn settle_claims(&mut self, carried: &[bool], declared: &HashMap<Uuid, Ranges>) -> Result<()> {
        let mut claims = std::mem::take(&mut self.file_claims);
        // A lane is in the input if one of its streams is, or if a checkpoint names one that is.
        let is_here = |state: &Self, id: &Uuid| state.index.get(id).is_some_and(|&index| !carried[index]);
        let mut lanes = self.lanes_here.clone();
        let streams = self.streams.iter().zip(carried).filter(|(_, carried)| !**carried);
        lanes.extend(streams.filter_map(|(stream, _)| stream.lane));
        lanes.extend(claims.iter().filter(|c| is_here(self, &c.head.streamid)).filter_map(|c| c.lane));
        self.find_missing_lanes(&lanes);
        claims.extend(self.claims.finish());
        // The highest first, so that a stream is reported once, by what says most.
        claims.sort_by_key(|claim| {
            (claim.witness == Witness::Follower, std::cmp::Reverse(claim.head.sequence), claim.place)
        });
        let mut reported = std::collections::HashSet::new();
        let mut applied = std::collections::HashSet::new();
        for claim in claims {
            let id = claim.head.streamid;
            if is_here(self, &id) {
                let index = self.index[&id];
                if self.may_claim(&claim, index) != Some(true) {
                    continue;
                }
                applied.insert(claim.place.source);
                let stream = &mut self.streams[index];
                stream.checkpointed = stream.checkpointed.max(claim.head.sequence);
                if !self.settle(&claim, index) && self.is_cut_off(&claim, index) {
                    reported.insert(id);
                }
                continue;
            }
            let asked =
                |lane| self.lanes.iter().any(|(name, &at)| at == lane && self.options.lanes.contains(name));
            if claim.lane.is_some_and(asked) {
                applied.insert(claim.place.source);
            }
            let foreign = claim.lane.is_some_and(|lane| !lanes.is_empty() && !lanes.contains(&lane));
            if foreign || !self.may_name(&claim) {
                continue;
            }
            applied.insert(claim.place.source);
            // The stream need not be there if all its numbers were declared lost; some of them are not enough.
            let lost = declared
                .get(&id)
                .is_some_and(|ranges| ranges.missing_of((1, claim.head.sequence)).is_empty());
            // In one file of a rotated set, streams that lie wholly in another file are not missing.
            let apart = self.options.partial && claim.witness == Witness::Input;
            if lost || apart || !reported.insert(id) {
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
        let useless = |file: &&u32| !applied.contains(*file) && !self.faulty_files.contains(*file);
        match self.checkpoint_files.iter().find(useless) {
            None => Ok(()),
            Some(&file) => Err(Error::verification(
                "nothing in this checkpoint file is about the input, so nothing was held against it; give the file of the lanes that wrote the input",
            )
            .at(self.sources.name(file))),
        }
    }

    /// Whether the claim's key may speak about a stream that is not in the input.
    fn may_name(&self, claim: &Claim) -> bool {
        let Some(key) = self.options.keys.get(usize::from(claim.key)) else { return true };
        key.agent.is_none() || claim.agentid.as_deref().is_some_and(|agent| key.covers(agent))
    }

    /// Reports lanes of which the input holds nothing, though a checkpoint names them or the options ask for them.
    fn find_missing_lanes(&mut self, here: &BTreeSet<u32>) {
        let holds = |name: &String| self.lanes.get(name).is_some_and(|lane| here.contains(lane));
        let mut missing: Vec<(String, Weight, Option<Place>)> = Vec::new();
        if self.options.lanes.is_empty() {
            let named =
                self.lanes.iter().filter_map(|(name, lane)| Some((name, self.lanes_named.get(lane)?)));
            missing.extend(
                named
                    .filter(|(name, _)| !holds(name))
                    .map(|(name, place)| (name.clone(), Weight::Note, Some(*place))),
            );
        } else {
            let asked = self.options.lanes.iter().filter(|name| !holds(name));
            missing.extend(asked.map(|name| (name.clone(), Weight::Finding, None)));
        }
        for (lane, weight, place) in missing {
            let who = if place.is_some() { "a checkpoint names it" } else { "it should" };
            let note = format!("the input holds nothing of the lane {lane}, though {who}");
            self.findings.add_as(weight, FindingKind::MissingLane, None, place, note);
        }
    }

    /// Reports a stream that ends before the number that a claim names. Returns whether it did.
    fn is_cut_off(&mut self, claim: &Claim, index: usize) -> bool {
        let stream = &mut self.streams[index];
        // What no signature covers does not show how far the stream went; it only fills its own number.
        let claimed = stream.last_claimed();
        let last = match stream.chain.marks(claimed) {
            Some(marks) if marks.is_covered() => claimed,
            _ => {
                let covered = stream.chain.iter().filter(|(_, marks)| marks.is_covered());
                covered.map(|(sequence, _)| sequence).last().unwrap_or(claimed)
            }
        };
        if claim.head.sequence <= last {
            return false;
        }
        let mut there = stream.declared.clone();
        for (from, to) in stream.filled.iter() {
            there.insert(from, to);
        }
        for (sequence, _) in stream.chain.iter().filter(|(sequence, _)| *sequence > last) {
            there.insert(sequence, sequence);
        }
        let missing = there.missing_of((last + 1, claim.head.sequence));
        let (Some(&(from, _)), Some(&(_, to))) = (missing.first(), missing.last()) else { return false };
        let who = match claim.witness {
            Witness::Follower => "the stream that follows it",
            _ => "a checkpoint or heartbeat",
        };
        let note = format!("the stream ends with {last}, but {who} names {}", claim.head.sequence);
        stream.findings.add(FindingKind::Truncated, Some((from, to)), Some(claim.place), note);
        // These numbers are reported now: nothing else should report them again.
        stream.declared.insert(from, to);
        true
    }

    fn find_silence(&mut self, carried: &[bool]) {
        let (Some(limit), Some(latest)) = (self.options.silence, self.latest.as_ref().and_then(nanos)) else {
            return;
        };
        for (stream, _) in self.streams.iter_mut().zip(carried).filter(|(_, carried)| !**carried) {
            // A heartbeat counts only if it is of the stream's own lane, and its key may seal for the stream's agent.
            let named = self.heard.get(&stream.id).map_or(&[][..], |heard| heard.as_slice());
            let named = named.iter().filter(|(lane, key, _)| {
                let key = self.options.keys.get(usize::from(*key));
                (stream.lane.is_none() || *lane == stream.lane)
                    && key.is_none_or(|key| key.covers(&stream.agentid))
            });
            let heard = stream.heard.max(named.map(|(_, _, time)| *time).max());
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

/// The sums of all declarations of losses.
#[derive(Default)]
struct Accounts {
    /// Totals by reason.
    lost: BTreeMap<String, u64>,
    /// The numbers that declarations name, without the ranges marked `maybe`, by stream.
    named: HashMap<Uuid, Ranges>,
    /// Declared ranges of streams that are not in the input.
    declared: HashMap<Uuid, Ranges>,
    /// Totals by lane and agent.
    by_agent: BTreeMap<LostBy, u64>,
}

/// The lane that lost events, and the agent that had emitted them.
pub(super) type LostBy = (Option<u32>, Box<str>);

/// What a comparison needs to know of a verification: which envelopes are covered, and how far the streams go.
pub(super) struct Settled {
    pub(super) streams: Vec<Shape>,
    pub(super) index: HashMap<Uuid, usize>,
    /// The names of lanes, by their number.
    pub(super) lanes: Vec<String>,
    /// How many events were declared lost.
    pub(super) lost: BTreeMap<LostBy, u64>,
    short: Short,
    pub(super) deeds: DeedsReport,
    pub(super) coverage: CoverageReport,
}

/// A stream, as it was verified.
pub(super) struct Shape {
    chain: Chain,
    pub(super) lane: Option<u32>,
    /// Whether it is here only because a lane of the input takes another lane's checkpoints.
    pub(super) carried: bool,
    /// Whether the lowest envelope in the input is the first of the stream.
    pub(super) begins: bool,
    pub(super) closed: bool,
}

impl Settled {
    /// The index of the envelope's stream, if a good signature covers the envelope.
    pub(super) fn covering(&self, streamid: Uuid, sequence: u64, hash: &[u8; 32]) -> Option<usize> {
        let index = *self.index.get(&streamid)?;
        let held = self.streams[index].chain.holds(sequence, self.short.of(hash));
        (held == Some(true)).then_some(index)
    }
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
    for (sequence, place) in stream.chain.broken_links() {
        let note = "prevhash is not the hash of the envelope before it: one of the two was changed";
        stream.findings.at(FindingKind::Altered, sequence, place, note);
    }
    if let Some((first, begins, place)) = stream.chain.first_covered() {
        let start = stream.lowest_begun().filter(|&start| start < first).or(stream.start).unwrap_or(1);
        let place = place.or_else(|| stream.place(first));
        if first == 1 && !begins {
            let note = "the first of a stream has no prevhash; this one has";
            stream.findings.add(FindingKind::Altered, Some((first, first)), place, note);
        }
        if start < first && !partial {
            holes.push(((start, first - 1), begins, place));
        }
    }
    for hole in stream.chain.holes() {
        if hole.begins {
            let note = "it has no prevhash, as only the first of a stream has none";
            stream.findings.at(FindingKind::Altered, hole.range.1 + 1, hole.place, note);
        }
        holes.push((hole.range, hole.unbroken, Some(hole.place)));
    }
    for (range, unbroken, place) in holes {
        let open = stream.filled.missing_of_all(&stream.chain.missing_of(range));
        for (from, to) in stream.declared.missing_of_all(&open) {
            let n = len((from, to));
            let (kind, note) = if unbroken {
                (FindingKind::Gap, "no declaration, but the chain is unbroken: a defect of the producer")
            } else {
                (FindingKind::Removed, "no declaration, and the chain is broken: removed after sealing")
            };
            stream.findings.add(kind, Some((from, to)), place, format!("{n} missing; {note}"));
        }
    }
}

/// Reports envelopes that no signature covers; returns how many there are.
fn find_uncovered(stream: &mut Stream, keyed: bool) -> u64 {
    // The lowest envelope may have become covered only after it arrived.
    if let Some(lowest) = stream.lowest.covered(&stream.chain) {
        stream.good.observe(lowest);
    }
    if !keyed {
        return count_unsigned(stream);
    }
    // Stretches of uncovered envelopes without a finding of their own, and the marks of the envelope right behind each.
    let mut stretches: Vec<(Range, Option<Marks>)> = Vec::new();
    // Envelopes without a signature, in a stream that signs every envelope.
    let mut bare = Ranges::default();
    let mut current: Option<Range> = None;
    for (sequence, marks) in stream.chain.iter() {
        let each = marks.is_unsigned() && stream.mode(sequence) == Some(Mode::Each);
        if each {
            bare.insert(sequence, sequence);
        }
        let waits = !marks.is_covered() && !marks.is_noted() && !each;
        if let Some((from, to)) = current
            && (to + 1 != sequence || !waits)
        {
            stretches.push(((from, to), (to + 1 == sequence).then_some(marks)));
            current = None;
        }
        if waits {
            current = Some((current.map_or(sequence, |(from, _)| from), sequence));
        }
    }
    stretches.extend(current.map(|range| (range, None)));
    let mut unsigned = Ranges::default();
    for ((from, to), behind) in stretches {
        let place = stream.place(from);
        let filled = behind.is_none() && stream.filled.contains(to + 1);
        match behind {
            Some(behind) if behind.is_covered() => {
                stream.findings.add(FindingKind::Altered, Some((from, to)), place, STOPPED);
            }
            None if compared_over(stream, to) => {
                stream.findings.add(FindingKind::Altered, Some((from, to)), place, STOPPED);
            }
            Some(behind) if behind.is_noted() && stream.findings.reach_back(to + 1, from, place) => {}
            None if filled && stream.findings.reach_back(to + 1, from, place) => {}
            _ => unsigned.insert(from, to),
        }
    }
    for (from, to) in bare.iter() {
        unsigned.insert(from, to);
    }
    for (from, to) in unsigned.iter() {
        let place = stream.place(from);
        let note = "no signature covers it, neither its own nor a later one in the chain";
        let note = if bare.contains(from) { "no signature, though this stream signs each" } else { note };
        stream.findings.add(FindingKind::Unsigned, Some((from, to)), place, note);
    }
    let mut count = unsigned.count();
    let rivals: Vec<_> = stream.chain.uncovered_rivals().copied().collect();
    for rival in rivals {
        if !rival.marks.is_noted() {
            let note = "another line with this sequence, which no signature covers";
            stream.findings.at(FindingKind::Unsigned, rival.sequence, rival.place, note);
            count += 1;
        }
    }
    count
}

const STOPPED: &str =
    "its last hash is not what the signed envelope after it names: it was changed, or the last of them";

/// Whether the chain was compared across the hole behind `to`: because a declared loss names the hash before the hole,
/// or because the envelope right behind the hole is the declaration of exactly these numbers.
fn compared_over(stream: &Stream, to: u64) -> bool {
    if stream.bridges.iter().any(|&(from, _)| from == to + 1) {
        return true;
    }
    let Some((next, _)) = stream.chain.next_after(to) else { return false };
    stream.losses.iter().filter(|loss| loss.sequence == next).any(|loss| {
        loss.ranges
            .iter()
            .any(|lost| lost.streamid.is_none() && lost.prev.is_none() && lost.range == (to + 1, next - 1))
    })
}

/// Without a key: how many envelopes have no signature and are followed by none that could cover them.
fn count_unsigned(stream: &Stream) -> u64 {
    let mut unsigned = 0;
    let mut waiting = 0;
    for (sequence, marks) in stream.chain.iter() {
        if !marks.is_unsigned() {
            waiting = 0;
        } else if stream.mode(sequence) == Some(Mode::Batch) {
            waiting += 1;
        } else {
            unsigned += 1;
        }
    }
    unsigned + waiting
}

/// Reports the stubs of a stream; returns how many envelopes were erased.
fn find_stubs(stream: &mut Stream) -> u64 {
    let mut removed = Ranges::default();
    let mut erased = Ranges::default();
    let first = stream.chain.first();
    for (sequence, _) in stream.chain.iter().filter(|(_, marks)| marks.is_stub() && marks.is_covered()) {
        // Retention never erases own envelopes, and the first envelope of a stream is one.
        let opens = first.is_some_and(|(at, prev, _)| at == sequence && prev.is_none());
        let to = if stream.erasable.contains(sequence) && !opens { &mut erased } else { &mut removed };
        to.insert(sequence, sequence);
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
            let place = stream.place(from);
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
