//! Operations on the audit log, JSON in and JSON out: the packages of every language call this.
//!
//! Guarantees: the answers are those of `sinkwell audit … --format json`; a member that an operation does not
//! know is refused by name.
//!
//! | operation | arguments | answer |
//! | --- | --- | --- |
//! | `verify` | `heads`: notes that were kept | the report |
//! | `head` | `sign`: an Ed25519 key's file | `origin`, `size`, `root`, `note`, and, signed, `verifier_key` |
//! | `prove` | `id`, or `index`, or `stream` and `sequence`; `size` | an inclusion proof |
//! | `consistency` | `old`, `new` | a consistency proof |
//! | `query` | `type`, `agent`, `run`, `tenant`, `since`, `until`, `limit`, `after` | a list of `index` and `envelope` |
//! | `group` | as `query` without `limit`; `by`, `sum`, `has`: lists of members, `where`: what members must be, `groups` | `events`, `repeated`, `erased`, and a list of `groups` |
//! | `export` | `to`: the file to write | `lines` |

use std::path::{Path, PathBuf};

use super::group::text_of;
use super::{
    AuditDb, Filter, Grouping, Locator, Member, Note, TreeHead, VerifyOptions, bad_argument, number,
    verifier_key,
};
use crate::document::units::duration;
use crate::error::{Error, Result};
use crate::event::EventId;
use crate::json::Value;
use crate::seam::{Clock as _, SystemClock, UnixNanos, Uuid, parse_time};
use crate::settings::{KeyConfig, KeySource};

/// Runs an operation on the audit log at `path`; `arguments` is an object, or null for none.
///
/// # Errors
/// Kind `invalid_argument`, at the member that is wrong or unknown; else what the operation's own errors are.
pub fn call(path: &Path, operation: &str, arguments: &Value) -> Result<Value> {
    let given = Arguments(arguments);
    let known: &[&str] = match operation {
        "verify" => &["heads"],
        "head" => &["sign"],
        "prove" => &["id", "index", "stream", "sequence", "size"],
        "consistency" => &["old", "new"],
        "query" => &["type", "agent", "run", "tenant", "since", "until", "limit", "after"],
        "group" => &[
            "type", "agent", "run", "tenant", "since", "until", "after", "by", "sum", "where", "has",
            "groups",
        ],
        "export" => &["to"],
        other => return Err(bad_argument(format!("there is no operation {other:?} on an audit log"))),
    };
    given.only(known)?;
    let db = AuditDb::open_read(path)?;
    match operation {
        "verify" => Ok(db.verify(&VerifyOptions { heads: given.heads()? })?.to_value()),
        "head" => head(&db.head()?, given.text("sign")?.map(PathBuf::from)),
        "prove" => Ok(db.prove(&given.locator()?, given.count("size")?)?.to_value()),
        "consistency" => {
            let old =
                given.count("old")?.ok_or_else(|| bad_argument("the earlier size is missing").at("old"))?;
            Ok(db.consistency(old, given.count("new")?)?.to_value())
        }
        "group" => {
            let grouping = given.grouping()?;
            Ok(db.group(&given.filter()?, &grouping)?.to_value(&grouping))
        }
        "query" => Ok(Value::Array(db.query(&given.filter()?)?.iter().map(super::Found::to_value).collect())),
        _ => {
            let to =
                given.text("to")?.ok_or_else(|| bad_argument("the file to write is missing").at("to"))?;
            let failed = |e: std::io::Error| bad_argument(format!("cannot be written: {e}")).at(to);
            let file = crate::seam::create_file(Path::new(to)).map_err(failed)?;
            let lines = db.export(&mut std::io::BufWriter::new(file))?;
            Ok(Value::Object(vec![("lines".into(), number(lines))]))
        }
    }
}

/// A head as JSON with its note; `sign` is the file of a private key that signs the note.
///
/// # Errors
/// Kind `key`: the key cannot be used.
pub fn head(head: &TreeHead, sign: Option<PathBuf>) -> Result<Value> {
    let key = sign
        .map(|path| {
            let source = KeySource::Ed25519File(path);
            let config = KeyConfig {
                id: head.origin.clone(),
                source,
                allow_group_readable: false,
                sign: Default::default(),
            };
            crate::key::load_signing_key(&config, None)
        })
        .transpose()?;
    let note = head.note(key.as_ref())?;
    let Value::Object(mut members) = head.to_value() else {
        return Err(Error::internal("a tree head is an object"));
    };
    members.push(("note".into(), note.as_str().into()));
    let public = key.and_then(|key| key.public());
    if let Some(text) = public.and_then(|public| verifier_key(&head.origin, &public)) {
        members.push(("verifier_key".into(), text.into()));
    }
    Ok(Value::Object(members))
}

/// A time: RFC 3339, or a duration such as `48h`, which is so long ago.
///
/// # Errors
/// Kind `invalid_argument`: it is neither.
pub fn moment(text: &str) -> Result<UnixNanos> {
    let ago = |text: &str| {
        let ago = i64::try_from(duration(text)?.as_nanos()).ok()?;
        Some(SystemClock::default().unix_nanos().saturating_sub(ago))
    };
    let what = "expected a time as 2026-01-01T00:00:00Z, or how long ago, as 48h";
    parse_time(text).or_else(|| ago(text)).ok_or_else(|| bad_argument(what))
}

/// The arguments that a host gave; null counts as absent.
struct Arguments<'a>(&'a Value);

impl<'a> Arguments<'a> {
    fn only(&self, known: &[&str]) -> Result<()> {
        if !matches!(self.0, Value::Object(_) | Value::Null) {
            return Err(bad_argument("the arguments of an audit log's operation are an object"));
        }
        match self.0.members().iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => {
                Err(bad_argument(format!("unknown; known are {}", known.join(", "))).at(&**key))
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| **value != Value::Null)
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| bad_argument("expected a string").at(key));
        self.get(key).map(text).transpose()
    }

    fn count(&self, key: &str) -> Result<Option<u64>> {
        let count = |value: &Value| {
            let count = value.as_i64().and_then(|n| u64::try_from(n).ok());
            count.ok_or_else(|| bad_argument("expected a whole number, at least 0").at(key))
        };
        self.get(key).map(count).transpose()
    }

    fn uuid(&self, key: &str) -> Result<Option<Uuid>> {
        let uuid = |text| Uuid::parse(text).ok_or_else(|| bad_argument("expected a UUID").at(key));
        self.text(key)?.map(uuid).transpose()
    }

    fn time(&self, key: &str) -> Result<Option<UnixNanos>> {
        self.text(key)?.map(|text| moment(text).map_err(|e| e.at(key))).transpose()
    }

    fn members(&self, key: &str) -> Result<Vec<Member>> {
        let list = match self.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(bad_argument("expected a list of members").at(key)),
        };
        let member = |(i, member): (usize, &Value)| {
            let place = format!("{key}[{i}]");
            let text = member.as_str().ok_or_else(|| bad_argument("expected a member's name").at(&*place))?;
            Member::read(text).map_err(|e| e.at(place))
        };
        list.iter().enumerate().map(member).collect()
    }

    fn grouping(&self) -> Result<Grouping> {
        let only = match self.get("where") {
            None => Vec::new(),
            Some(Value::Object(members)) => members
                .iter()
                .map(|(name, wanted)| {
                    let place = format!("where.{name}");
                    let member = Member::read(name).map_err(|e| e.at(&*place))?;
                    let text = match wanted {
                        Value::String(text) => text.clone(),
                        Value::Object(_) | Value::Array(_) => {
                            return Err(
                                bad_argument("expected a string, a number, a boolean or null").at(place)
                            );
                        }
                        other => text_of(other),
                    };
                    Ok((member, text))
                })
                .collect::<Result<_>>()?,
            Some(_) => return Err(bad_argument("expected members and what they must be").at("where")),
        };
        let (by, sum, has) = (self.members("by")?, self.members("sum")?, self.members("has")?);
        Ok(Grouping {
            by,
            sum,
            only,
            has,
            groups: self.count("groups")?.unwrap_or(Grouping::default().groups),
        })
    }

    fn heads(&self) -> Result<Vec<TreeHead>> {
        let notes = self.get("heads").map_or(&[][..], Value::items);
        let head = |(i, note): (usize, &Value)| {
            let place = format!("heads[{i}]");
            let text = note.as_str().ok_or_else(|| bad_argument("expected a note").at(&*place))?;
            Note::parse(text).and_then(|note| note.head()).map_err(|e| e.at(place))
        };
        notes.iter().enumerate().map(head).collect()
    }

    fn locator(&self) -> Result<Locator> {
        let place = (self.uuid("stream")?, self.count("sequence")?);
        let id = |text| EventId::read(text).ok_or_else(|| bad_argument("expected an event's id").at("id"));
        match (self.text("id")?.map(id).transpose()?, self.count("index")?, place) {
            (Some(id), None, (None, None)) => Ok(Locator::Id(id)),
            (None, Some(index), (None, None)) => Ok(Locator::Index(index)),
            (None, None, (Some(streamid), Some(sequence))) => Ok(Locator::Place { streamid, sequence }),
            _ => Err(bad_argument("say which envelope: by id, by index, or by stream and sequence")),
        }
    }

    fn filter(&self) -> Result<Filter> {
        let text = |key| Ok::<_, Error>(self.text(key)?.map(str::to_owned));
        Ok(Filter {
            event_type: text("type")?,
            agent: text("agent")?,
            run: text("run")?,
            tenant: text("tenant")?,
            since: self.time("since")?,
            until: self.time("until")?,
            limit: Some(self.count("limit")?.unwrap_or(100)),
            after: self.count("after")?,
        })
    }
}
