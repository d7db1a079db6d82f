//! A whole document: the keys at the top, and what they must agree on.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::content::Surroundings;
use super::lane::Surrounding;
use super::load::{format_of, parse, read_text};
use super::{governance, identity, keys, lane};
use crate::document::reader::{Cursor, Document, Table, access, quoted};
use crate::document::tree::{Mark, Node, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::seam::{Env, parse_time};
use crate::settings::{
    CheckpointTarget, Config, Governance, InlineDocument, JournalConfig, LaneConfig, Limits, MetricsConfig,
    OwnPath, PolicyTarget, QueueConfig, SyncPolicy, TelemetrySource, Testing, VacuumConfig,
};

/// Every key at the top.
pub(super) fn read(document: &Document<'_>, node: &Node) -> Result<Config> {
    let root = Cursor::root(document, node, ErrorKind::InvalidConfig);
    if !root.is_map() {
        return Err(
            root.error(format!("expected a mapping with keys as {}", quoted(&["agent", "key", "lanes"])))
        );
    }
    let table = root.table_with_hint(keys::TOP, |key| {
        if ["sinks", "exporters", "outputs"].contains(&key) {
            return Some("each sink has a lane: `lanes: [ { sink: { file: { path: … } } } ]`".to_owned());
        }
        keys::LANE
            .iter()
            .any(|known| known.name == key)
            .then(|| format!("`{key}` is a key of a lane: put it into an item of `lanes`"))
    })?;
    let testing = table.maybe("testing", testing)?;
    let redaction_hash_key = table.maybe("redaction", identity::redaction_hash_key)?.flatten();
    let surroundings = Surroundings {
        now: testing.map_or_else(|| document.env.now(), |testing| testing.clock),
        hash_key: redaction_hash_key.is_some(),
    };

    let agent = identity::agent(table.get("agent"), document.env)?;
    let source = table.maybe("source", identity::source)?;
    let governance = table.maybe("governance", |c| read_governance(c, surroundings))?;
    let journal = table.maybe("journal", journal)?;
    let overflow = table.maybe("overflow", lane::overflow)?;
    let emitter = Surrounding { overflow, journal: journal.as_ref(), governance: governance.as_ref() };
    let lanes_defaulted = table.get("lanes").is_none();
    let lanes = match table.get("lanes") {
        Some(lanes) => read_lanes(&lanes, &emitter)?,
        None => vec![default_lane(document, &emitter)?],
    };

    let config = Config {
        source: Some(source.unwrap_or_else(|| identity::uri_reference(&agent.id))),
        agent,
        type_prefix: table.or("type_prefix", "dev.sinkwell.".to_owned(), type_prefix)?,
        derived_ids: table
            .or("ids", false, |c| c.choice("kind of ids", &[("random", false), ("derived", true)], &[]))?,
        key: table.maybe("key", identity::key)?,
        heartbeat: table.or("heartbeat", Some(Duration::from_secs(30)), heartbeat)?,
        queue: table.or("queue", QueueConfig::default(), lane::read_queue)?,
        checkpoint: table.maybe("checkpoint", |c| checkpoint(c, &lanes))?,
        handle_signals: table.or("handle_signals", false, Cursor::bool)?,
        limits: table.or("limits", Limits { envelope: 1 << 20, depth: 64 }, limits)?,
        dead_letter: table.maybe("dead_letter", dead_letter)?,
        redaction_hash_key,
        overflow,
        lanes,
        lanes_defaulted,
        journal,
        governance,
        telemetry: table.or("telemetry", Vec::new(), telemetry)?,
        watch_policies: table.maybe("watch_policies", watch_policies)?,
        target: table.or("target", PolicyTarget::default(), target)?,
        metrics: metrics(table.get("metrics").as_ref(), document.env)?,
        vacuum: table.maybe("vacuum", vacuum)?,
        testing,
        disabled: false,
        warnings: Vec::new(),
    };
    warn_of_allow_drop(&config, &table);
    warn_of_ceilings(&config, &table);
    Ok(Config { warnings: document.warnings.take(), ..config })
}

/// A list of lanes with unique ids.
pub(super) fn read_lanes(cursor: &Cursor<'_>, emitter: &Surrounding<'_>) -> Result<Vec<LaneConfig>> {
    let mut lanes: Vec<LaneConfig> = Vec::new();
    for item in cursor.list()? {
        let lane = lane::read(&item, emitter, None)?;
        if lanes.iter().any(|known| known.id == lane.id) {
            return Err(duplicate(&item, &lane.id));
        }
        lanes.push(lane);
    }
    Ok(lanes)
}

/// The error for a lane whose id another lane has already.
pub(super) fn duplicate(lane: &Cursor<'_>, id: &str) -> Error {
    let given = lane.table(keys::LANE).ok().and_then(|table| table.get("id"));
    match given {
        Some(given) => given.error(format!("another lane has the id `{id}` already; ids are unique")),
        None => lane.error(format!(
            "another lane has the id `{id}` already, and a lane without `id` is called after its sink; give each an `id`"
        )),
    }
}

fn default_lane(document: &Document<'_>, emitter: &Surrounding<'_>) -> Result<LaneConfig> {
    let node = Node { mark: Mark::START, value: Value::text("console") };
    // The document only provides the environment: a default stands in no file.
    let document = Document { name: None, folder: None, env: document.env, warnings: RefCell::default() };
    lane::read(&Cursor::root(&document, &node, ErrorKind::InvalidConfig), emitter, None)
}

/// `governance`: inline, or the path of a file.
fn read_governance(cursor: &Cursor<'_>, surroundings: Surroundings) -> Result<Governance> {
    let mut cursor = cursor.clone();
    cursor.kind = ErrorKind::Policy;
    if cursor.as_str().is_none() {
        return governance::read(&cursor, surroundings);
    }
    let path = cursor.read_now()?;
    let name = path.display().to_string();
    let env = cursor.document.env;
    let text = read_text(&path, &name, env, ErrorKind::Policy)
        .map_err(|e| cursor.error(format!("{name}: {}", e.message())))?;
    let folder = path.parent().map(Path::to_owned);
    let document = Document { name: Some(name), folder, env, warnings: RefCell::default() };
    let node = parse(&text, format_of(&path), &document, ErrorKind::Policy)?;
    let governance = governance::read(&Cursor::root(&document, &node, ErrorKind::Policy), surroundings)?;
    cursor.document.warnings.borrow_mut().append(&mut document.warnings.take());
    Ok(governance)
}

/// If no lane has a name in `allow_drop`, it may be misspelt, or belong to a host's sink that is added later.
fn warn_of_allow_drop(config: &Config, table: &Table<'_>) {
    let (Some(governance), Some(cursor)) = (&config.governance, table.get("governance")) else { return };
    for id in &governance.allow_drop {
        if !config.lanes.iter().any(|lane| lane.id == *id) {
            cursor.warn(&format!("`allow_drop` names `{id}`, and no lane of the document has this id"));
        }
    }
}

/// A lane's ceiling may be higher than what the policy grants, as tomorrow's policy may differ; but whoever wrote the
/// ceiling should know that the lane gets the lower of the two.
fn warn_of_ceilings(config: &Config, table: &Table<'_>) {
    let Some(lanes) = table.get("lanes").and_then(|lanes| lanes.list().ok()) else { return };
    let content = config.governance.as_ref().and_then(|governance| governance.content.as_ref());
    for (lane, cursor) in config.lanes.iter().zip(lanes) {
        for class in &lane.content.classes {
            let granted = content.map(|content| {
                content
                    .classes
                    .iter()
                    .find(|(name, _)| name == class)
                    .map_or(content.mode, |(_, rule)| rule.mode)
            });
            let granted = granted.unwrap_or_default();
            if lane.content.mode > granted {
                cursor.warn(&format!(
                    "the lane `{}` may see `{class}` up to `{}`, but the content policy grants `{}`, which holds",
                    lane.id,
                    lane.content.mode.name(),
                    granted.name()
                ));
            }
        }
    }
}

fn type_prefix(cursor: &Cursor<'_>) -> Result<String> {
    let prefix = cursor.string()?;
    if prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Ok(prefix.to_owned());
    }
    Err(cursor.error("a prefix of types has letters, digits, `.`, `_` and `-`, as `com.example.`"))
}

fn journal(cursor: &Cursor<'_>) -> Result<JournalConfig> {
    let table = cursor.table(keys::JOURNAL)?;
    Ok(JournalConfig {
        dir: table.require("dir")?.file()?,
        sync: table.or("sync", SyncPolicy::Always, lane::read_sync)?,
        budget: table.or("budget", 1 << 30, Cursor::size)?,
        floor: table.or("floor", 256 << 20, Cursor::size_or_zero)?,
        access: access(&table)?,
    })
}

/// `{ every: 30s }` or `off`.
fn heartbeat(cursor: &Cursor<'_>) -> Result<Option<Duration>> {
    if cursor.as_str() == Some("off") || cursor.is_false() {
        return Ok(None);
    }
    if !cursor.is_map() {
        return Err(cursor.error("expected `{ every: 30s }` or `off`"));
    }
    cursor.table(keys::ONLY_EVERY)?.require("every")?.span().map(Some)
}

fn dead_letter(cursor: &Cursor<'_>) -> Result<OwnPath> {
    let table = cursor.table(keys::DEAD_LETTER)?;
    Ok(OwnPath { path: table.require("dir")?.file()?, access: access(&table)? })
}

fn checkpoint(cursor: &Cursor<'_>, lanes: &[LaneConfig]) -> Result<CheckpointTarget> {
    let table = cursor.table(keys::CHECKPOINT)?;
    let (which, value) = table.one_of(&["file", "lane"])?;
    let access = access(&table)?;
    if which == "file" {
        return Ok(CheckpointTarget::File(OwnPath { path: value.file()?, access }));
    }
    let id = value.string()?;
    if lanes.iter().any(|lane| lane.id == id) {
        return Ok(CheckpointTarget::Lane(id.to_owned()));
    }
    let known: Vec<_> = lanes.iter().map(|lane| lane.id.as_str()).collect();
    Err(value.unknown_word("lane", &known))
}

fn limits(cursor: &Cursor<'_>) -> Result<Limits> {
    let table = cursor.table(keys::LIMITS)?;
    Ok(Limits {
        envelope: table.or("envelope", 1 << 20, |c| match c.size_in_memory()? {
            0..1024 => Err(c.error("sinkwell's own envelopes would not fit; the least is 1KiB")),
            size => Ok(size),
        })?,
        depth: table.count("depth")?.unwrap_or(64),
    })
}

fn testing(cursor: &Cursor<'_>) -> Result<Testing> {
    if cursor.document.env.var("SINKWELL_TESTING").as_deref() != Some("1") {
        return Err(cursor.error(
            "`testing` fixes time, ids and salts, so it is refused unless SINKWELL_TESTING=1 is set",
        ));
    }
    let table = cursor.table(keys::TESTING)?;
    let clock = table.require("clock")?;
    let clock = parse_time(clock.string()?)
        .ok_or_else(|| clock.error("expected a time, as \"2026-01-01T00:00:00Z\""))?;
    Ok(Testing {
        clock,
        step: table.or("step", Duration::from_millis(1), Cursor::duration)?,
        seed: table.int("seed")?.unwrap_or(0),
    })
}

/// `telemetry`: files and documents. They are read only when the emitter opens: a bad one has no effect, and does not
/// prevent the opening.
fn telemetry(cursor: &Cursor<'_>) -> Result<Vec<TelemetrySource>> {
    let source = |item: Cursor<'_>| {
        if item.is_map() {
            let place = item.place();
            return Ok(TelemetrySource::Inline { place, document: InlineDocument(item.node.clone()) });
        }
        item.file().map(TelemetrySource::File)
    };
    cursor.list()?.into_iter().map(source).collect()
}

fn vacuum(cursor: &Cursor<'_>) -> Result<VacuumConfig> {
    let table = cursor.table(keys::VACUUM)?;
    let text = |item: Cursor<'_>| item.string().map(str::to_owned);
    Ok(VacuumConfig {
        transports: table.maybe("transports", |c| c.list()?.into_iter().map(text).collect::<Result<_>>())?,
        cursors: table.maybe("cursors", Cursor::file)?,
    })
}

/// How often; at most as often as is of any use.
fn watch_policies(cursor: &Cursor<'_>) -> Result<Duration> {
    let every = cursor.duration()?;
    if every < Duration::from_millis(10) {
        return Err(cursor.error("at least 10ms: every file of policies is read each time"));
    }
    Ok(every)
}

fn metrics(cursor: Option<&Cursor<'_>>, env: &dyn Env) -> Result<MetricsConfig> {
    const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
    let mut metrics = MetricsConfig::default();
    let table = cursor.map(|cursor| cursor.table(keys::METRICS)).transpose()?;
    if let Some(table) = &table {
        metrics.listen = table.maybe("listen", listen)?;
    }
    match table.map_or(Ok(None), |table| table.maybe("every", Cursor::span))? {
        Some(every) => metrics.every = every,
        None => {
            if let Some(text) = env.var(INTERVAL).filter(|text| !text.trim().is_empty()) {
                let millis = text.trim().parse().ok().filter(|millis| *millis > 0);
                let millis = millis.ok_or_else(|| {
                    Error::invalid_config("not a number of milliseconds above 0, as in 60000").at(INTERVAL)
                })?;
                metrics.every = Duration::from_millis(millis);
            }
        }
    }
    Ok(metrics)
}

/// A port of the loopback, or an address with a port.
fn listen(cursor: &Cursor<'_>) -> Result<SocketAddr> {
    let Some(text) = cursor.as_str() else {
        let port = u16::try_from(cursor.int(0, u64::from(u16::MAX))?).unwrap_or_default();
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    };
    text.parse().map_err(|_| {
        cursor.error("expected a port of the loopback, as 9464, or an address with one, as \"0.0.0.0:9464\"")
    })
}

fn target(cursor: &Cursor<'_>) -> Result<PolicyTarget> {
    let table = cursor.table(keys::TARGET)?;
    let name = |cursor: &Cursor<'_>| cursor.name().map(str::to_owned);
    Ok(PolicyTarget { namespace: table.maybe("namespace", name)?, gateway: table.maybe("gateway", name)? })
}
