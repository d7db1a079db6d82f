//! One lane (docs/LANES.md): its keys, and the defaults that follow from its sink and classes.

use std::time::Duration;

use super::{content, keys, sinks};
use crate::document::reader::{Cursor, Table, quoted};
use crate::error::Result;
use crate::settings::is_evidence;
use crate::settings::{
    BatchConfig, BreakerConfig, ContentCeiling, ContentMode, Governance, JournalConfig, LaneConfig, Overflow,
    QueueConfig, RetryConfig, SyncPolicy,
};
use crate::sink::{SinkClass, SinkConfig};
use crate::sinks::HostName;

/// The parts of the emitter's configuration that a lane's defaults depend on.
pub(super) struct Surrounding<'e> {
    pub(super) overflow: Option<Overflow>,
    pub(super) journal: Option<&'e JournalConfig>,
    pub(super) governance: Option<&'e Governance>,
}

/// One item of `lanes`. `host` is the sink of a lane that names none: a sink object of the host.
pub(super) fn read(cursor: &Cursor<'_>, emitter: &Surrounding<'_>, host: Option<&str>) -> Result<LaneConfig> {
    if cursor.as_str().is_some() {
        let sink = sinks::named(cursor)?;
        return assemble(cursor, None, sink, emitter);
    }
    let table = cursor.table_with_hint(keys::LANE, |key| {
        crate::sinks::kind(key).is_some().then(|| format!("a sink goes under `sink`: `sink: {{ {key}: … }}`"))
    })?;
    let sink = match (table.get("sink"), host) {
        (Some(sink), _) => sinks::read(&sink)?,
        (None, Some(name)) => SinkConfig::new(HostName(name.to_owned())),
        (None, None) => return Err(cursor.error("the key `sink` is missing")),
    };
    assemble(cursor, Some(&table), sink, emitter)
}

fn assemble(
    cursor: &Cursor<'_>,
    table: Option<&Table<'_>>,
    sink: SinkConfig,
    emitter: &Surrounding<'_>,
) -> Result<LaneConfig> {
    // A lane that is a bare name is the same as one with no other key.
    let get = |key: &str| table.and_then(|table| table.get(key));
    let preset = get("preset").map(|c| c.choice("preset", &[("agent_telemetry", ())], &[])).transpose()?;

    let id = match get("id") {
        Some(id) => lane_id(&id)?,
        None => default_id(&sink),
    };
    // Called in any case, as that is how a plug-in is found.
    let own = own_classes(cursor, &sink)?;
    let classes = get("classes").map_or(Ok(own), |classes| read_classes(&classes, &sink))?;
    let evidence = is_evidence(&classes);
    let overflow = read_overflow(cursor, get("overflow"), preset.is_some(), &id, evidence, emitter)?;
    let durable = match get("durable") {
        Some(c) => match (c.bool()?, emitter.journal) {
            (true, None) => {
                return Err(
                    c.error("a durable lane needs a journal; add `journal: { dir: state }` at the top")
                );
            }
            (durable, _) => durable,
        },
        None => evidence && emitter.journal.is_some(),
    };
    if evidence && !durable {
        let why = if emitter.journal.is_none() { "no journal is configured" } else { "`durable` is false" };
        cursor.warn(&format!(
            "the lane `{id}` is for {}, but {why}: what is not yet delivered is gone when the process is killed",
            quoted(&classes.iter().map(|class| class.name()).collect::<Vec<_>>())
        ));
    }
    let sync = match get("sync") {
        Some(c) if !durable => return Err(c.error("`sync` is for durable lanes, and this one is not")),
        Some(c) => read_sync(&c)?,
        None => emitter.journal.map_or(SyncPolicy::Always, |journal| journal.sync),
    };
    let mut queue = get("queue").map(|c| read_queue(&c)).transpose()?.unwrap_or_default();
    if preset.is_some() {
        queue.events.get_or_insert(64);
        queue.terminal_reserve.get_or_insert(4);
    }
    Ok(LaneConfig {
        queue,
        overflow,
        block_timeout: or(get("block_timeout"), Duration::from_secs(30), Cursor::duration)?,
        batch: read_batch(get("batch"), &sink)?,
        timeout: or(get("timeout"), Duration::from_secs(10), Cursor::span)?,
        retry: read_retry(get("retry"), evidence || durable)?,
        breaker: read_breaker(get("breaker"))?,
        durable,
        sync,
        in_flight: read_in_flight(table, &sink)?,
        content: or(get("content"), ContentCeiling::default(), read_ceiling)?,
        streams: table.map_or(Ok(None), |table| table.count("streams"))?.unwrap_or(1024),
        id,
        classes,
        sink,
    })
}

fn or<'d, T>(cursor: Option<Cursor<'d>>, default: T, read: impl Fn(&Cursor<'d>) -> Result<T>) -> Result<T> {
    cursor.map_or(Ok(default), |cursor| read(&cursor))
}

/// A lane's id is used in the names of files and metrics, so it may hold only what all of these allow.
pub(super) fn lane_id(cursor: &Cursor<'_>) -> Result<String> {
    let id = cursor.string()?;
    if is_lane_id(id) {
        return Ok(id.to_owned());
    }
    Err(cursor
        .error("an id has up to 64 letters, digits, `.`, `_` and `-`, and starts with a letter or digit"))
}

fn is_lane_id(id: &str) -> bool {
    id.len() <= 64
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn default_id(sink: &SinkConfig) -> String {
    sink.host().filter(|name| is_lane_id(name)).unwrap_or(sink.kind()).to_owned()
}

/// The classes of a lane that names none: those that its host's sink declares, else the default of its kind.
fn own_classes(cursor: &Cursor<'_>, sink: &SinkConfig) -> Result<Vec<SinkClass>> {
    let named = sink.host().map(|name| cursor.document.env.host_classes(name)).unwrap_or_default();
    if named.is_empty() {
        return Ok(sink.settings_kind().classes[..1].to_vec());
    }
    let parse = |name: &String| {
        SinkClass::parse(name)
            .ok_or_else(|| cursor.error(format!("its sink says that it is for {name:?}, which is no class")))
    };
    named.iter().map(parse).collect()
}

fn read_classes(cursor: &Cursor<'_>, sink: &SinkConfig) -> Result<Vec<SinkClass>> {
    let allowed = sink.settings_kind().classes;
    let mut classes = Vec::new();
    for item in cursor.list()? {
        let class = class(&item)?;
        if !allowed.contains(&class) {
            let names: Vec<_> = allowed.iter().map(|class| class.name()).collect();
            let kind = sink.kind();
            return Err(item.error(format!(
                "a `{kind}` sink cannot be for `{}`; it may be {}",
                class.name(),
                quoted(&names)
            )));
        }
        if classes.contains(&class) {
            return Err(item.error(format!("the class `{}` is there twice", class.name())));
        }
        classes.push(class);
    }
    if classes.is_empty() {
        return Err(cursor.error("a lane needs at least one class; leave `classes` out for the sink's own"));
    }
    Ok(classes)
}

pub(super) fn class(cursor: &Cursor<'_>) -> Result<SinkClass> {
    cursor.choice("class", &SinkClass::ALL.map(|class| (class.name(), class)), &[])
}

const OVERFLOW_ALIASES: [(&str, &str); 3] = [
    ("drop_non_terminal_progress", "drop_progress"),
    ("coalesce_progress_by_run", "coalesce_by_run"),
    ("fail_sink_not_run", "fail_sink"),
];

/// An overflow policy, at the top or in a lane.
pub(super) fn overflow(cursor: &Cursor<'_>) -> Result<Overflow> {
    let words = Overflow::ALL.map(|overflow| (overflow.name(), overflow));
    cursor.choice("overflow policy", &words, &OVERFLOW_ALIASES)
}

fn read_overflow(
    lane: &Cursor<'_>,
    given: Option<Cursor<'_>>,
    preset: bool,
    id: &str,
    evidence: bool,
    emitter: &Surrounding<'_>,
) -> Result<Overflow> {
    let may_drop =
        !evidence || emitter.governance.is_some_and(|g| g.allow_drop.iter().any(|name| name == id));
    let asked = match &given {
        Some(c) => Some(overflow(c)?),
        None => preset.then_some(Overflow::DropProgress),
    };
    match asked {
        Some(asked) if asked != Overflow::Block && !may_drop => Err(given.as_ref().unwrap_or(lane).error(format!(
            "a lane for `audit` or `siem` blocks when it is full; `{}` needs `governance.allow_drop: [{id}]`",
            asked.name()
        ))),
        Some(asked) => Ok(asked),
        // The emitter's default is a wish for all lanes, but cannot allow `audit` and `siem` lanes to drop events.
        None if evidence && !may_drop => Ok(Overflow::Block),
        None => Ok(emitter.overflow.unwrap_or(if evidence { Overflow::Block } else { Overflow::DropOldest })),
    }
}

/// `queue`, at the top or in a lane.
pub(super) fn read_queue(cursor: &Cursor<'_>) -> Result<QueueConfig> {
    let table = cursor.table(keys::QUEUE)?;
    Ok(QueueConfig {
        events: table.count("events")?,
        bytes: table.maybe("bytes", Cursor::size_in_memory)?,
        terminal_reserve: table.count("terminal_reserve")?,
    })
}

fn read_batch(cursor: Option<Cursor<'_>>, sink: &SinkConfig) -> Result<BatchConfig> {
    let default = BatchConfig { events: 512, bytes: 1 << 20, linger: sink.settings_kind().linger };
    let Some(cursor) = cursor else { return Ok(default) };
    let table = cursor.table(keys::BATCH)?;
    Ok(BatchConfig {
        events: table.count("events")?.unwrap_or(default.events),
        bytes: table.or("bytes", default.bytes, Cursor::size_in_memory)?,
        linger: table.or("linger", default.linger, Cursor::duration)?,
    })
}

fn read_retry(cursor: Option<Cursor<'_>>, never: bool) -> Result<RetryConfig> {
    let default = RetryConfig {
        initial: Duration::from_millis(500),
        cap: Duration::from_secs(30),
        give_up: if never { None } else { Some(Duration::from_secs(300)) },
    };
    let Some(cursor) = cursor else { return Ok(default) };
    let table = cursor.table(keys::RETRY)?;
    let give_up = table.or("give_up", default.give_up, |c| {
        if c.as_str() == Some("never") {
            return Ok(None);
        }
        let span = c.span()?;
        if never {
            return Err(c.error(
                "a lane that is durable or for `audit` or `siem` never gives up; leave `give_up` out",
            ));
        }
        Ok(Some(span))
    })?;
    let initial = table.or("initial", default.initial, Cursor::span)?;
    let cap = table.or("cap", default.cap.max(initial), Cursor::span)?;
    if cap < initial {
        return Err(table
            .require("cap")?
            .error("the longest delay, `cap`, is shorter than the first, `initial`"));
    }
    Ok(RetryConfig { initial, cap, give_up })
}

fn read_breaker(cursor: Option<Cursor<'_>>) -> Result<BreakerConfig> {
    let default = BreakerConfig { failures: 5, open: Duration::from_secs(60) };
    let Some(cursor) = cursor else { return Ok(default) };
    let table = cursor.table(keys::BREAKER)?;
    Ok(BreakerConfig {
        failures: table
            .int("failures")?
            .map_or(default.failures, |failures| u32::try_from(failures).unwrap_or(u32::MAX)),
        open: table.or("open", default.open, Cursor::span)?,
    })
}

/// `in_flight`, which was called `order` once.
fn read_in_flight(table: Option<&Table<'_>>, sink: &SinkConfig) -> Result<usize> {
    let Some(table) = table else { return Ok(1) };
    let key = match table.present(&["in_flight", "order"])[..] {
        [] => return Ok(1),
        [key] => key,
        _ => {
            return Err(table.require("order")?.error("`order` is the former name of `in_flight`; keep one"));
        }
    };
    let cursor = table.require(key)?;
    if key == "order" {
        cursor.warn("`order` is read as `in_flight`; write `in_flight`");
    }
    let in_flight = table.count(key)?.unwrap_or(1);
    // Whether a host's sink is idempotent, only the sink itself knows: it is checked when the emitter opens.
    if in_flight > 1 && sink.host().is_none() {
        return Err(cursor.error(format!(
            "several batches in flight are for sinks of the host that declare themselves idempotent, and `{}` is none; leave `{key}` out",
            sink.kind()
        )));
    }
    Ok(in_flight)
}

/// `content` of a lane: `{ mode, classes }`, or `off` alone.
pub(super) fn read_ceiling(cursor: &Cursor<'_>) -> Result<ContentCeiling> {
    if !cursor.is_map() {
        return match content::mode(cursor)? {
            ContentMode::Off => Ok(ContentCeiling::default()),
            mode => Err(cursor.error(format!(
                "which classes may this lane see? Write `{{ mode: {}, classes: [prompt] }}`",
                mode.name()
            ))),
        };
    }
    let table = cursor.table(keys::CEILING)?;
    let mode = table.or("mode", ContentMode::Off, content::mode)?;
    let mut classes = Vec::new();
    for item in table.or("classes", Vec::new(), Cursor::list)? {
        let class = item.name()?;
        content::check_class(class, &item)?;
        if !classes.iter().any(|known| known == class) {
            classes.push(class.to_owned());
        }
    }
    if mode > ContentMode::Off && classes.is_empty() {
        cursor.warn("this lane names no class of content, so it sees none; add `classes`");
    }
    Ok(ContentCeiling { mode, classes })
}

/// `always`, `os` or `{ every: 5ms }`.
pub(super) fn read_sync(cursor: &Cursor<'_>) -> Result<SyncPolicy> {
    if cursor.is_map() {
        return Ok(SyncPolicy::Every(cursor.table(keys::ONLY_EVERY)?.require("every")?.span()?));
    }
    match cursor.as_str() {
        Some("always") => Ok(SyncPolicy::Always),
        Some("os") => Ok(SyncPolicy::Os),
        _ => Err(cursor.error("expected `always`, `os` or `{ every: 5ms }`")),
    }
}
