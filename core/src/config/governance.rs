//! The governance policy (docs/CONFIG.md). It is there to be enforced, so the emitter does not open if any part of it
//! cannot be understood.
//!
//! Guarantees: every error about the policy has kind `policy`, whether it stands in the configuration or
//! in a file of its own.

use std::time::Duration;

use super::content::Surroundings;
use super::{content, keys, lane};
use crate::document::reader::{Cursor, Table};
use crate::error::Result;
use crate::settings::{Governance, OnUnhealthy, RequiredSink};

pub(super) fn read(cursor: &Cursor<'_>, surroundings: Surroundings) -> Result<Governance> {
    let table = cursor.table(keys::GOVERNANCE)?;
    Ok(Governance {
        version: table.maybe("version", |c| c.name().map(str::to_owned))?,
        required: required(&table)?,
        heartbeat: table.maybe("heartbeat", heartbeat)?,
        allow_drop: table.or("allow_drop", Vec::new(), |c| c.list()?.iter().map(lane::lane_id).collect())?,
        content: table.maybe("content", |c| content::read(c, Some(surroundings)))?,
    })
}

/// `heartbeat`: governance can ask for more frequent heartbeats, but cannot turn them off.
fn heartbeat(cursor: &Cursor<'_>) -> Result<Duration> {
    if cursor.as_str() == Some("off") || cursor.is_false() {
        return Err(cursor.error("governance can only make heartbeats more frequent; leave the key out"));
    }
    cursor.table(keys::ONLY_EVERY)?.require("every")?.span()
}

fn required(table: &Table<'_>) -> Result<Vec<RequiredSink>> {
    let mut required: Vec<RequiredSink> = Vec::new();
    for item in table.or("required_sinks", Vec::new(), Cursor::list)? {
        let entry = item.table_as(keys::REQUIRED, "{ class: audit, on_unhealthy: fail_closed }")?;
        entry.maybe("health", |c| c.choice("health", &[("required", ())], &[]))?;
        let class_at = entry.require("class")?;
        let class = lane::class(&class_at)?;
        if required.iter().any(|sink| sink.class == class) {
            return Err(class_at.error(format!("the class `{}` is required twice", class.name())));
        }
        required.push(RequiredSink {
            class,
            on_unhealthy: entry.or("on_unhealthy", OnUnhealthy::FailClosed, on_unhealthy)?,
        });
    }
    if let Some(cursor) = table.get("requires_sink") {
        let short = RequiredSink { class: lane::class(&cursor)?, on_unhealthy: OnUnhealthy::FailClosed };
        match required.iter().find(|sink| sink.class == short.class) {
            None => required.push(short),
            Some(same) if *same == short => {}
            Some(_) => {
                return Err(cursor.error(format!(
                    "`requires_sink: {0}` means `on_unhealthy: fail_closed`, but `required_sinks` says otherwise of `{0}`; keep one of the two",
                    short.class.name()
                )));
            }
        }
    }
    Ok(required)
}

fn on_unhealthy(cursor: &Cursor<'_>) -> Result<OnUnhealthy> {
    let words = [
        ("fail_closed", OnUnhealthy::FailClosed),
        ("degrade", OnUnhealthy::Degrade),
        ("alert_only", OnUnhealthy::AlertOnly),
    ];
    cursor.choice("on_unhealthy", &words, &[])
}
