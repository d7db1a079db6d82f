//! Counting and adding up: events in groups that have the same members.
//!
//! Guarantees: each event counts once, also where a crash or a replay brought it to the log again: what has the id and the
//! agent of an earlier leaf is a repeat, counted apart. Sums are exact ([`super::decimal`]). Groups and the bytes that they
//! hold are bounded, and what is beyond a bound is an error, never an answer that leaves something out. What retention
//! erased is in no group; the answer says how much that is.
//!
//! How: the sealed lines that fit the filter are read once, one at a time, and only the groups are kept.

use std::collections::HashMap;

use super::bad_argument;
use super::db::AuditDb;
use super::decimal::Sum;
use super::query::{Filter, for_each_fitting};
use super::{number, unreadable, unsql};
use crate::error::{Error, Result};
use crate::json::{Value, parse};

/// Most members to group by, to add up, or to ask for.
const MOST_MEMBERS: usize = 16;

/// Most groups that may be asked for.
const MOST_GROUPS: u64 = 100_000;

/// The groups that there may be unless more are asked for.
const GROUPS: u64 = 1_000;

/// The most bytes that the values that make the groups take.
const MOST_BYTES: usize = 64 << 20;

/// Where a value is in an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    text: String,
    path: Vec<String>,
}

impl Member {
    /// `action` is the member of `data` of exactly that name; what begins with `/` is a JSON pointer (RFC 6901) into the
    /// envelope, as `/type` or `/data/order/0/total`.
    ///
    /// # Errors
    /// Kind `invalid_argument`: it is neither.
    pub fn read(text: &str) -> Result<Self> {
        let path = match text.strip_prefix('/') {
            None if text.is_empty() => {
                return Err(bad_argument("name a member of `data`, or give a JSON pointer as /type"));
            }
            None => vec!["data".to_owned(), text.to_owned()],
            Some(rest) => rest.split('/').map(unescaped).collect::<Option<_>>().ok_or_else(|| {
                bad_argument(format!(
                    "{text:?} is no JSON pointer: a ~ in it is written ~0, a / in a name ~1"
                ))
            })?,
        };
        Ok(Self { text: text.to_owned(), path })
    }

    fn of<'a>(&self, envelope: &'a Value) -> Option<&'a Value> {
        self.path.iter().try_fold(envelope, |value, name| match value {
            Value::Array(items) => {
                let plain =
                    name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
                items.get(plain.then(|| name.parse::<usize>().ok())??)
            }
            value => value.get(name),
        })
    }
}

fn unescaped(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        name.push(match part.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        name.push_str(&part[1..]);
    }
    Some(name)
}

/// What to count.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// Events with the same values here are a group; none: all are one.
    pub by: Vec<Member>,
    /// What to add up in each group.
    pub sum: Vec<Member>,
    /// Only events that have these members with these texts: a string's own, or the JSON of any other value.
    pub only: Vec<(Member, String)>,
    /// Only events that have these members.
    pub has: Vec<Member>,
    /// More groups than this are an error.
    pub groups: u64,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { by: Vec::new(), sum: Vec::new(), only: Vec::new(), has: Vec::new(), groups: GROUPS }
    }
}

/// What one member adds up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// In plain digits, exact.
    pub sum: String,
    /// How many numbers there were: JSON's, and strings that are written as one.
    pub numbers: u64,
    /// How many events have the member, and it is no number.
    pub others: u64,
}

/// Events with the same values.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// In the order of `by`; none: these events don't have the member.
    pub by: Vec<Option<Value>>,
    /// How many events.
    pub count: u64,
    /// In the order of `sum`.
    pub sums: Vec<Total>,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// The largest first, then by their values.
    pub groups: Vec<Group>,
    /// Events in all groups together.
    pub events: u64,
    /// Leaves that fit the filter and bring an event that an earlier leaf has brought already.
    pub repeated: u64,
    /// Leaves of the log that retention has erased: whether they would fit nobody knows.
    pub erased: u64,
}

impl Groups {
    /// As JSON: `events`, `repeated`, `erased`, `groups` with `by`, `count`, `sum`.
    #[must_use]
    pub fn to_value(&self, grouping: &Grouping) -> Value {
        let group = |group: &Group| {
            let by = grouping.by.iter().zip(&group.by);
            let by = by.filter_map(|(member, value)| Some((member.text.clone(), value.clone()?))).collect();
            let sum = grouping.sum.iter().zip(&group.sums).map(|(member, total)| {
                let members = vec![
                    ("sum".to_owned(), total.sum.as_str().into()),
                    ("numbers".to_owned(), number(total.numbers)),
                    ("others".to_owned(), number(total.others)),
                ];
                (member.text.clone(), Value::Object(members))
            });
            Value::Object(vec![
                ("by".into(), Value::Object(by)),
                ("count".into(), number(group.count)),
                ("sum".into(), Value::Object(sum.collect())),
            ])
        };
        Value::Object(vec![
            ("events".into(), number(self.events)),
            ("repeated".into(), number(self.repeated)),
            ("erased".into(), number(self.erased)),
            ("groups".into(), Value::Array(self.groups.iter().map(group).collect())),
        ])
    }
}

impl Grouping {
    fn check(&self) -> Result<()> {
        for (what, members) in [("by", &self.by), ("sum", &self.sum), ("has", &self.has)] {
            if members.len() > MOST_MEMBERS {
                return Err(bad_argument(format!("at most {MOST_MEMBERS} members")).at(what));
            }
            let twice =
                |(i, member): (usize, &Member)| members[..i].iter().any(|one| one.path == member.path);
            if what != "has" && members.iter().enumerate().any(twice) {
                return Err(bad_argument("the same member twice").at(what));
            }
        }
        if self.only.len() > MOST_MEMBERS {
            return Err(bad_argument(format!("at most {MOST_MEMBERS} members")).at("where"));
        }
        if self.groups == 0 || self.groups > MOST_GROUPS {
            return Err(bad_argument(format!("expected a number from 1 to {MOST_GROUPS}")).at("groups"));
        }
        Ok(())
    }

    fn fits(&self, envelope: &Value) -> bool {
        self.has.iter().all(|member| member.of(envelope).is_some())
            && self.only.iter().all(|(member, wanted)| {
                member.of(envelope).is_some_and(|value| match value {
                    Value::String(text) => text == wanted,
                    other => text_of(other) == *wanted,
                })
            })
    }
}

/// A value as the log has it.
pub(super) fn text_of(value: &Value) -> String {
    value
        .to_canonical()
        .map_or_else(|_| value.to_json(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[derive(Default)]
struct Adding {
    sum: Sum,
    numbers: u64,
    others: u64,
}

impl Adding {
    fn add(&mut self, value: Option<&Value>) {
        let counted = match value {
            None => return,
            Some(Value::String(text)) => self.sum.add(text),
            Some(value @ (Value::Int(_) | Value::Float(_))) => self.sum.add(&text_of(value)),
            Some(_) => false,
        };
        *(if counted { &mut self.numbers } else { &mut self.others }) += 1;
    }
}

struct Counted {
    by: Vec<Option<Value>>,
    count: u64,
    sums: Vec<Adding>,
}

/// The groups so far, by what makes them, as text.
struct Counting<'a> {
    grouping: &'a Grouping,
    groups: HashMap<String, Counted>,
    bytes: usize,
}

impl Counting<'_> {
    fn count(&mut self, envelope: &Value) -> Result<()> {
        let grouping = self.grouping;
        let mut key = String::new();
        for member in &grouping.by {
            match member.of(envelope) {
                Some(value) => key.push_str(&text_of(value)),
                // No JSON text is one dash.
                None => key.push('-'),
            }
            key.push(',');
        }
        if !self.groups.contains_key(&key) {
            if self.groups.len() as u64 >= grouping.groups {
                return Err(bad_argument(format!(
                    "there are more than {} groups; ask for more (at most {MOST_GROUPS}), group by less, or narrow what is counted",
                    grouping.groups
                ))
                .at("groups"));
            }
            // Twice: as text and as values.
            self.bytes = self.bytes.saturating_add(key.len().saturating_mul(2));
            if self.bytes > MOST_BYTES {
                return Err(bad_argument(format!(
                    "the values that make the groups take more than {} MiB; group by shorter ones, or narrow what is counted",
                    MOST_BYTES >> 20
                ))
                .at("by"));
            }
        }
        let group = self.groups.entry(key).or_insert_with(|| Counted {
            by: grouping.by.iter().map(|member| member.of(envelope).cloned()).collect(),
            count: 0,
            sums: grouping.sum.iter().map(|_| Adding::default()).collect(),
        });
        group.count += 1;
        for (member, adding) in grouping.sum.iter().zip(&mut group.sums) {
            adding.add(member.of(envelope));
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<Group> {
        if self.grouping.by.is_empty() && self.groups.is_empty() {
            // All events are one group, also if there are none.
            let sums = self.grouping.sum.iter().map(|_| Adding::default()).collect();
            self.groups.insert(String::new(), Counted { by: Vec::new(), count: 0, sums });
        }
        let mut groups: Vec<(String, Counted)> = self.groups.into_iter().collect();
        groups.sort_unstable_by(|a, b| (b.1.count, &a.0).cmp(&(a.1.count, &b.0)));
        let total =
            |adding: Adding| Total { sum: adding.sum.text(), numbers: adding.numbers, others: adding.others };
        let group = |(_, group): (String, Counted)| Group {
            by: group.by,
            count: group.count,
            sums: group.sums.into_iter().map(total).collect(),
        };
        groups.into_iter().map(group).collect()
    }
}

impl AuditDb {
    /// Counts the events that fit `filter` (its `limit` aside) in groups, and adds up members of them.
    ///
    /// # Errors
    /// Kind `invalid_argument`: too many groups, or what is asked makes no sense. Kind `verification`: the database
    /// cannot be read.
    pub fn group(&self, filter: &Filter, grouping: &Grouping) -> Result<Groups> {
        grouping.check()?;
        self.snapshot(|conn| {
            let mut counting = Counting { grouping, groups: HashMap::new(), bytes: 0 };
            let (mut events, mut repeated) = (0, 0);
            for_each_fitting(conn, filter, |leaf, sealed, repeat| {
                let envelope = parse(sealed).map_err(|_| {
                    let text = format!("leaf {leaf} is no envelope; see `sinkwell audit verify`");
                    Error::verification(text)
                })?;
                if !grouping.fits(&envelope) {
                    return Ok(());
                }
                if repeat {
                    repeated += 1;
                    return Ok(());
                }
                events += 1;
                counting.count(&envelope)
            })?;
            let erased = conn
                .prepare_cached("SELECT count(*) FROM stub")
                .and_then(|mut count| count.query_row([], |r| r.get(0)))
                .map_err(|e| unreadable(&e))?;
            Ok(Groups { groups: counting.finish(), events, repeated, erased: unsql(erased) })
        })
    }
}
