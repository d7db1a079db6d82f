//! What the killed programs told, and what was found of it: the books that must balance after every kill.
//!
//! Guarantees, each checked for every lane: an event that was told as journaled is delivered or waits in the
//! lane's journal; what the journal holds as acknowledged is delivered; no event was found that no program
//! emitted; no place of a stream is held by two different lines, wherever they were found.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use sinkwell::json::{Value, parse};

/// Bursts are at most so long: more than that cannot be there that was not told.
const BURST: u64 = 8;

/// An event: run, thread, number in the thread.
type Event = (u64, u64, u64);

/// A place: stream and sequence.
type Place = (String, String);

/// What programs told on their standard output.
#[derive(Default)]
pub(crate) struct Told {
    ids: HashMap<Event, String>,
    /// The numbers that each thread has told.
    counts: BTreeMap<(u64, u64), u64>,
}

impl Told {
    /// Takes a line `THREAD N ID`; what is cut off or says something else tells nothing.
    pub(crate) fn take(&mut self, run: u64, line: &str) -> Result<bool, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let [thread, n, id] = words[..] else { return Ok(false) };
        let (Ok(thread), Ok(n), 36) = (thread.parse(), n.parse(), id.len()) else { return Ok(false) };
        let count = self.counts.entry((run, thread)).or_default();
        if n != *count {
            return Err(format!("thread {thread} of run {run} told {n} after {count} others"));
        }
        *count += 1;
        self.ids.insert((run, thread, n), id.to_owned());
        Ok(true)
    }

    pub(crate) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    fn may_exist(&self, (run, thread, n): Event) -> bool {
        n < self.counts.get(&(run, thread)).copied().unwrap_or(0) + BURST
    }
}

/// The books of one lane.
#[derive(Default)]
pub(crate) struct Ledger {
    lines: HashMap<Place, Box<[u8]>>,
    events: HashMap<Event, Place>,
    delivered: HashSet<Place>,
    repeats: u64,
}

/// Where a line was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The sink has it.
    Delivered,
    /// It waits in the journal.
    Waiting,
    /// It is in the journal, acknowledged.
    Acknowledged,
}

impl Ledger {
    /// Books a line.
    pub(crate) fn book(&mut self, told: &Told, line: &[u8], found: Found) -> Result<(), String> {
        let value = parse(line).map_err(|e| format!("not JSON: {e}"))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = (text("streamid"), text("sequence"));
        match self.lines.get(&place) {
            None => drop(self.lines.insert(place.clone(), line.into())),
            Some(known) if **known == *line => {}
            Some(_) => return Err(format!("two different envelopes at {place:?}")),
        }
        match found {
            Found::Delivered if !self.delivered.insert(place.clone()) => self.repeats += 1,
            Found::Acknowledged if !self.delivered.contains(&place) => {
                return Err(format!("{place:?} is acknowledged in the journal, but the sink has not got it"));
            }
            _ => {}
        }
        if text("origin") == "core" {
            return Ok(());
        }
        let number = |key: &str| {
            let n = value.get("data").and_then(|data| data.get(key)).and_then(Value::as_i64);
            n.and_then(|n| u64::try_from(n).ok()).ok_or(format!("{place:?} is no event of ours"))
        };
        let event = (number("run")?, number("thread")?, number("n")?);
        if told.ids.get(&event).is_some_and(|id| *id != text("id")) || !told.may_exist(event) {
            return Err(format!("{event:?} at {place:?} is invented"));
        }
        match self.events.insert(event, place.clone()) {
            Some(other) if other != place => Err(format!("{event:?} is at {other:?} and at {place:?}")),
            _ => Ok(()),
        }
    }

    /// Everything told is somewhere; at the `end`, with the sink.
    pub(crate) fn balance(&self, told: &Told, end: bool) -> Result<(), String> {
        for event in told.ids.keys() {
            let place = self.events.get(event).ok_or(format!("{event:?} was journaled and is lost"))?;
            if end && !self.delivered.contains(place) {
                return Err(format!("{event:?} was journaled and is not delivered"));
            }
        }
        if !end {
            return Ok(());
        }
        // A thread's events are sealed in its order: of each thread there is a beginning, without a hole.
        for (run, thread, n) in self.events.keys() {
            if *n > 0 && !self.events.contains_key(&(*run, *thread, n - 1)) {
                return Err(format!("thread {thread} of run {run} has {n}, not {}", n - 1));
            }
        }
        Ok(())
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.events.values().filter(|place| self.delivered.contains(*place)).count() as u64
    }

    pub(crate) fn repeats(&self) -> u64 {
        self.repeats
    }
}
