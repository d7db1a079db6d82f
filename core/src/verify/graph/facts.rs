//! What the graph keeps of one envelope.

use crate::envelope::line::Envelope;
use crate::json::{Value, parse};
use crate::seam::{UnixNanos, Uuid, parse_time};
use crate::verify::authz;
use crate::verify::place::Place;

/// Text of strangers that is shown is no longer than this.
const LONGEST: usize = 256;

/// Of a longer word of a scope only the whole is compared.
const LONGEST_WORD: usize = 1024;

/// An envelope that is part of the graph.
pub(super) struct Fact {
    pub(super) id: Box<str>,
    pub(super) agent: Box<str>,
    /// Without the prefix, where it is a type that the graph knows.
    pub(super) event_type: Box<str>,
    pub(super) streamid: Uuid,
    pub(super) sequence: u64,
    pub(super) hash: [u8; 32],
    /// As the envelope writes it.
    pub(super) time: Box<str>,
    pub(super) at: UnixNanos,
    pub(super) place: Place,
    /// A policy added members for this lane, or dropped some.
    pub(super) viewed: bool,
    pub(super) run: Option<Box<str>>,
    pub(super) cause: Option<Box<str>>,
    pub(super) principal: Option<Box<str>>,
    pub(super) identity: Option<Box<str>>,
    pub(super) decision: Option<Box<str>>,
    pub(super) delegated_by: Option<Box<str>>,
    pub(super) what: What,
}

/// What an envelope says, by its type.
#[derive(PartialEq)]
pub(super) enum What {
    Authority(Authority),
    Decision(Decision),
    Act(Act),
    Run(Run),
}

impl What {
    /// Whether both say the same, as far as no policy can change it for one lane: by the members that their types
    /// require.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Authority(a), Self::Authority(b)) => a.assertion == b.assertion,
            (Self::Decision(a), Self::Decision(b)) => a.verdict == b.verdict,
            (Self::Act(a), Self::Act(b)) => a.tool == b.tool && a.phase == b.phase,
            (Self::Run(_), Self::Run(_)) => true,
            _ => false,
        }
    }
}

/// An authority that was given, or taken back.
#[derive(PartialEq)]
pub(super) struct Authority {
    pub(super) assertion: Box<str>,
    pub(super) identity: Option<Box<str>>,
    pub(super) issuer: Option<Box<str>>,
    /// What it lets; `None`: it does not say.
    pub(super) scope: Option<Vec<Box<str>>>,
    pub(super) expires: Option<UnixNanos>,
    pub(super) revoked_by: Option<Box<str>>,
}

#[derive(PartialEq)]
pub(super) struct Decision {
    pub(super) verdict: Box<str>,
    pub(super) rule: Option<Box<str>>,
    pub(super) ruleset: Option<Box<str>>,
    pub(super) version: Option<Box<str>>,
    pub(super) implicit: bool,
    /// Reckoned, and not enforced.
    pub(super) shadow: bool,
    pub(super) input_digest: Option<Box<str>>,
    pub(super) action: Option<Box<str>>,
    pub(super) reason: Option<Box<str>>,
    /// In milliseconds, as it is written.
    pub(super) took: Option<Box<str>>,
}

/// Something that was done.
#[derive(PartialEq)]
pub(super) struct Act {
    /// The tool, where it is one's call.
    pub(super) tool: Option<Box<str>>,
    pub(super) outcome: Option<Box<str>>,
    pub(super) phase: Option<Box<str>>,
    /// Whether it needs somebody's leave: a tool's call, or an intent.
    pub(super) governed: bool,
}

#[derive(PartialEq)]
pub(super) struct Run {
    pub(super) parent: Option<Box<str>>,
    pub(super) goal: Option<Box<str>>,
    /// How it ended, where this envelope says so.
    pub(super) ended: Option<Box<str>>,
    pub(super) started: bool,
}

/// A type's name without its prefix, if it is one that the graph knows.
fn known(event_type: &str) -> Option<&'static str> {
    const KNOWN: [&str; 8] = [
        "identity.assertion",
        "policy.decision",
        "tool.invocation",
        "run.started",
        "run.progress",
        "run.completed",
        "run.failed",
        "run.cancelled",
    ];
    KNOWN.into_iter().find(|name| {
        event_type.strip_suffix(name).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    })
}

/// Reads a fact from an envelope whose form is right; `None`: it is no part of the graph.
pub(super) fn read(envelope: &Envelope<'_>, hash: &[u8; 32], place: Place) -> Option<Fact> {
    let known = known(&envelope.event_type);
    if envelope.core || (known.is_none() && !envelope.has_authz) {
        return None;
    }
    let whole = parse(envelope.text()).ok()?;
    let data = whole.get("data")?;
    let attribute = |name: &str| whole.get(name).and_then(Value::as_str).map(Into::into);
    let event_type = known.unwrap_or(&envelope.event_type);
    let id = |member| authz::link(data, member).map(Into::into);
    Some(Fact {
        id: (*envelope.id).into(),
        agent: (*envelope.agentid).into(),
        event_type: event_type.into(),
        streamid: envelope.streamid,
        sequence: envelope.sequence,
        hash: *hash,
        time: (*envelope.time).into(),
        at: parse_time(&envelope.time)?,
        place,
        viewed: data.get("view").is_some(),
        run: attribute("runid"),
        cause: attribute("causationid"),
        principal: authz::principal(data).map(Into::into),
        identity: id("identity"),
        decision: id("decision"),
        delegated_by: id("delegated_by"),
        what: what(event_type, data),
    })
}

fn what(event_type: &str, data: &Value) -> What {
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(short);
    let truth = |name: &str| data.get(name).and_then(Value::as_bool).unwrap_or(false);
    match event_type {
        "identity.assertion" => What::Authority(Authority {
            assertion: text("assertion").unwrap_or_default(),
            identity: text("identity"),
            issuer: text("issuer"),
            scope: data.get("scope").and_then(scope),
            expires: data.get("expires").and_then(expires),
            revoked_by: text("revoked_by"),
        }),
        "policy.decision" => What::Decision(Decision {
            verdict: text("decision").unwrap_or_default(),
            rule: text("rule"),
            ruleset: text("ruleset"),
            version: text("ruleset_version"),
            implicit: truth("implicit"),
            shadow: truth("shadow"),
            input_digest: text("input_digest"),
            action: text("action"),
            reason: text("reason"),
            took: match data.get("duration_ms") {
                Some(number @ (Value::Int(_) | Value::Float(_))) => Some(number.to_json().into()),
                _ => None,
            },
        }),
        _ if event_type.starts_with("run.") => What::Run(Run {
            parent: text("parent_run"),
            goal: text("goal"),
            ended: match event_type {
                "run.started" | "run.progress" => None,
                end => text("terminal_status").or_else(|| end.get(4..).map(Into::into)),
            },
            started: event_type == "run.started",
        }),
        _ => {
            let phase = text("phase");
            let governed = event_type == "tool.invocation" || phase.as_deref() == Some("intent");
            What::Act(Act { tool: text("tool"), outcome: text("outcome"), phase, governed })
        }
    }
}

/// A text that is shown, cut at a character.
fn short(text: &str) -> Box<str> {
    let end = (0..=LONGEST.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text[..end].into()
}

/// The words of a scope, sorted.
fn scope(scope: &Value) -> Option<Vec<Box<str>>> {
    let mut words: Vec<Box<str>> = match scope {
        Value::String(words) => words.split_ascii_whitespace().map(Into::into).collect(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).map(Into::into).collect(),
        _ => return None,
    };
    words.sort_unstable();
    words.dedup();
    Some(words)
}

/// RFC 3339, or seconds since 1970.
fn expires(expires: &Value) -> Option<UnixNanos> {
    const SECOND: i64 = 1_000_000_000;
    match expires {
        Value::String(time) => parse_time(time),
        // What is beyond the clock never comes.
        Value::Int(seconds) => Some(seconds.saturating_mul(SECOND)),
        Value::Float(seconds) => Some((seconds * 1e9) as i64),
        _ => None,
    }
}

/// Whether a scope, sorted, lets all that `word` lets: it has the same, or one that ends in `*` and begins `word`.
pub(super) fn covers(scope: &[Box<str>], word: &str) -> bool {
    let has = |word: &str| scope.binary_search_by(|probe| (**probe).cmp(word)).is_ok();
    if has(word) || word.len() > LONGEST_WORD {
        return has(word);
    }
    let mut begins = String::with_capacity(word.len() + 1);
    (0..=word.len()).filter(|&end| word.is_char_boundary(end)).any(|end| {
        begins.clear();
        begins.push_str(&word[..end]);
        begins.push('*');
        has(&begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_star_at_its_end_covers_what_begins_so() {
        for (wider, word, covered) in [
            ("mail.read", "mail.read", true),
            ("mail.read", "mail.readall", false),
            ("mail.*", "mail.read", true),
            ("mail.*", "mail.*", true),
            ("mail.*", "mail.r*", true),
            ("mail.r*", "mail.*", false),
            ("mail.*", "mail", false),
            ("*", "pay*", true),
            ("pay?", "pay1", false),
            ("*.read", "mail.read", false),
        ] {
            let mut scope: [Box<str>; 3] = ["a".into(), wider.into(), "z".into()];
            scope.sort();
            assert_eq!(covers(&scope, word), covered, "{wider} {word}");
        }
    }

    #[test]
    fn times_of_expiry_in_both_forms() {
        let of = |json: &str| expires(&parse(json.as_bytes()).unwrap());
        assert_eq!(of("1767225600"), Some(1_767_225_600_000_000_000));
        assert_eq!(of("1767225600.5"), Some(1_767_225_600_500_000_000));
        assert_eq!(of("\"2026-01-01T01:00:00+01:00\""), Some(1_767_225_600_000_000_000));
        assert_eq!(of("9007199254740991"), Some(i64::MAX));
        assert_eq!(of("\"never\""), None);
    }
}
