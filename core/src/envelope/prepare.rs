//! Prepares an event for sealing: redacts it, decides about its content, and commits to that. The first lane that seals
//! the event does this, once for all lanes; each lane then adds what it may see of the content.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::wire::Shown;
use super::{EventDigest, Wire};
use crate::content::{EventFacts, Prepared as PreparedContent, Redactor, sampling::Keys};
use crate::error::Result;
use crate::event::{Attribute, Event};
use crate::json::{Scan, unescape};
use crate::json::{compare_keys, write_string};
use crate::secret::Secret;
use crate::settings::{ContentCeiling, ContentPolicy};
use crate::timeline::Timeline;

/// What governance says about content, compiled.
#[derive(Default)]
pub(crate) struct ContentRules {
    pub(crate) policy: Option<ContentPolicy>,
    pub(crate) redactor: Option<Arc<Redactor>>,
}

/// An event as redaction leaves it.
#[derive(Default)]
pub(crate) struct Redacted {
    /// The redacted `data`, if redaction changed it.
    data: Option<Box<[u8]>>,
    /// The redacted attributes, if redaction changed one.
    shown: Option<Box<Shown>>,
}

impl Redacted {
    /// # Errors
    /// What cannot be redacted.
    pub(crate) fn of(event: &Event, redactor: Option<&Redactor>) -> Result<Self> {
        let Some(redactor) = redactor else { return Ok(Self::default()) };
        let (data, subject) = redactor.redact_event(event.data(), event.attribute(Attribute::Subject))?;
        let data = match data {
            Cow::Borrowed(_) => None,
            Cow::Owned(redacted) => Some(redacted.into_boxed_slice()),
        };
        let shown = Shown::of(event, redactor, subject)?;
        Ok(Self { data, shown: shown.differs().then(|| Box::new(shown)) })
    }

    /// `data` without content.
    pub(crate) fn data<'a>(&'a self, event: &'a Event) -> &'a [u8] {
        self.data.as_deref().unwrap_or_else(|| event.data())
    }

    pub(crate) fn attribute<'a>(&'a self, event: &'a Event, attribute: Attribute) -> Option<&'a str> {
        let shown = self.shown.as_ref().and_then(|shown| shown.attribute(attribute));
        shown.or_else(|| event.attribute(attribute))
    }

    pub(crate) fn tenant<'a>(&'a self, event: &'a Event) -> Option<&'a str> {
        self.shown.as_ref().and_then(|shown| shown.tenant()).or_else(|| event.tenant())
    }
}

/// See the module's head.
pub(crate) struct Prepared {
    pub(crate) wire: Wire,
    pub(crate) redacted: Redacted,
    pub(crate) content: Option<PreparedContent>,
    /// The digest of the form that the first lane sealed, for lanes that seal the event in the same form.
    digest: OnceLock<EventDigest>,
    /// What that first lane may see of the content: lanes without a view of their own differ in nothing else.
    form: OnceLock<ContentCeiling>,
}

/// The data of an envelope for one lane, and which of its bytes are outside of the digest.
pub(crate) struct LaneData {
    pub(crate) bytes: Vec<u8>,
    pub(crate) disclosed: Range<usize>,
}

impl ContentRules {
    /// Compiles what governance says about content.
    ///
    /// # Errors
    /// `policy`: a rule of redaction cannot be compiled.
    pub(crate) fn new(policy: Option<ContentPolicy>, hash_key: Option<&Secret>) -> Result<Self> {
        let redaction = policy.as_ref().and_then(|policy| policy.redaction.as_ref());
        let redactor = redaction.map(|redaction| Redactor::compile(redaction, hash_key)).transpose()?;
        Ok(Self { policy, redactor: redactor.map(Arc::new) })
    }
}

impl Prepared {
    /// For envelopes of our own: the event unchanged, except for the tenant, which comes from the host. What `scratch`
    /// held is gone.
    pub(crate) fn plain(event: &Event, rules: &ContentRules, scratch: &mut Vec<u8>) -> Self {
        // An attribute is never too large to be redacted.
        let shown = rules.redactor.as_ref().and_then(|redactor| Shown::of(event, redactor, None).ok());
        Self {
            wire: Wire::of(event, &shown.unwrap_or_default(), scratch),
            redacted: Redacted::default(),
            content: None,
            digest: OnceLock::new(),
            form: OnceLock::new(),
        }
    }

    /// Redacts the event, decides about its content, and commits to that. What `scratch` held is gone.
    ///
    /// # Errors
    /// Data that cannot be redacted: the event is not sealed at all.
    pub(crate) fn of(
        event: &Event,
        rules: &ContentRules,
        timeline: &Timeline,
        scratch: &mut Vec<u8>,
    ) -> Result<Self> {
        let redacted = Redacted::of(event, rules.redactor.as_deref())?;
        let parts = event.parts();
        let content = if parts.is_empty() {
            None
        } else {
            let id = event.id.to_string();
            let trace = event.attribute(Attribute::Traceparent).and_then(|parent| parent.get(3..35));
            let facts = EventFacts {
                tenant: event.tenant(),
                agent: Some(event.agent()),
                child: event.child(),
                keys: Keys { run: event.attribute(Attribute::Run), trace, event: &id },
                time: event.time,
            };
            let salt = |part: usize| timeline.bytes16(&format!("salt:{id}"), part as u64);
            let now = timeline.judged_at(event.time);
            PreparedContent::new(&parts, &facts, rules.policy.as_ref(), rules.redactor.as_deref(), salt, now)
        };
        let unchanged = Shown::default();
        Ok(Self {
            wire: Wire::of(event, redacted.shown.as_deref().unwrap_or(&unchanged), scratch),
            redacted,
            content,
            digest: OnceLock::new(),
            form: OnceLock::new(),
        })
    }

    /// Where the digest of the form is kept that a lane under `ceiling` seals; `None` if that lane's form is its own.
    pub(crate) fn shared_digest(&self, ceiling: &ContentCeiling) -> Option<&OnceLock<EventDigest>> {
        let same = self.content.is_none() || self.form.get_or_init(|| ceiling.clone()) == ceiling;
        same.then_some(&self.digest)
    }

    /// `data` without content.
    pub(crate) fn data<'a>(&'a self, event: &'a Event) -> &'a [u8] {
        self.redacted.data(event)
    }

    /// The data that a lane under `ceiling` seals: `base`, which is `data` or a lane's view of it, with the content
    /// that the lane may see; `None` for an event without content.
    pub(crate) fn lane_data(
        &self,
        event: &Event,
        base: &[u8],
        ceiling: &ContentCeiling,
        timeline: &Timeline,
    ) -> Option<LaneData> {
        let content = self.content.as_ref()?;
        let mut scan = Scan::new();
        let canonical = scan.run(base, "");
        debug_assert!(canonical);
        let mut out = Vec::with_capacity(base.len() + 512);
        let mut disclosed = 0..0;
        out.push(b'{');
        let mut own = ["capture", "content", "disclosures"].into_iter().peekable();
        let mut put = |out: &mut Vec<u8>, name: &str| {
            let start = out.len();
            if out.len() > 1 {
                out.push(b',');
            }
            write_string(out, name);
            out.push(b':');
            match name {
                "capture" => out.extend_from_slice(content.capture_json()),
                "content" => content.append_content(out, ceiling),
                _ => {
                    if content.append_disclosures(out, ceiling, timeline.judged_at(event.time)) {
                        disclosed = start..out.len();
                    } else {
                        out.truncate(start);
                    }
                }
            }
        };
        for member in scan.members() {
            let key = unescape(&base[member.key.clone()]).unwrap_or_default();
            while let Some(name) = own.next_if(|name| compare_keys(name, &key).is_lt()) {
                put(&mut out, name);
            }
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&base[member.key.start - 1..member.value.end]);
        }
        for name in own {
            put(&mut out, name);
        }
        out.push(b'}');
        Some(LaneData { bytes: out, disclosed })
    }
}
