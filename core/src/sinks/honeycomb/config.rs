//! `honeycomb` in a configuration.

use crate::document::keys::{Form, Key};
use crate::document::reader::Cursor;
use crate::error::Result;
use crate::secret::Secret;
use crate::sink::{Alone, Examined, Kind, Made, Making, Settings, SinkClass, SinkConfig};

/// `honeycomb`
pub(crate) const KIND: Kind = Kind {
    name: "honeycomb",
    about: "events of Honeycomb's batch API: `data` as columns of their own type, each event answered for by itself ([VACUUM.md](VACUUM.md#honeycomb))",
    classes: &[SinkClass::Observability],
    linger: crate::sinks::LINGER,
    keys: &[
        Key::new("api_key", Form::Text, "`HONEYCOMB_API_KEY`", "secret; one that may send events"),
        Key::new("dataset", Form::Text, "`HONEYCOMB_DATASET`", "where events go"),
        Key::new(
            "api_host",
            Form::Text,
            "`https://api.honeycomb.io`",
            "`https://api.eu1.honeycomb.io` in the EU",
        ),
        Key::new("compression", Form::Word(&["none", "gzip", "zstd"]), "`zstd`", "of requests"),
        Key::new(
            "body",
            Form::Word(&["none", "envelope"]),
            "`none`",
            "`envelope`: the sealed line as a column",
        ),
        Key::new("depth", Form::Int(1, 64), "5", "how deep `data` is flattened; what is deeper is JSON"),
        Key::new("max_fields", Form::Int(32, 2000), "2000", "most columns of an event"),
        Key::new("max_string", Form::Size, "64 KB", "most bytes of a text"),
        Key::new("max_event", Form::Size, "1 MB", "most bytes of an event, as JSON"),
    ],
    alone: Alone::Default(|| SinkConfig::new(HoneycombConfig::default())),
    read,
};

/// `honeycomb`: what the document says; the environment fills what it leaves out.
#[derive(Clone, Debug)]
pub struct HoneycombConfig {
    /// The key; none: `HONEYCOMB_API_KEY`.
    pub api_key: Option<Secret>,
    /// The dataset; none: `HONEYCOMB_DATASET`.
    pub dataset: Option<String>,
    /// Where the API is.
    pub api_host: String,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// Whether the sealed line is a column.
    pub envelope: bool,
    /// How deep `data` is flattened.
    pub depth: usize,
    /// Most columns of an event.
    pub max_fields: usize,
    /// Most bytes of a text.
    pub max_string: usize,
    /// Most bytes of an event.
    pub max_event: usize,
}

impl Default for HoneycombConfig {
    fn default() -> Self {
        Self {
            api_key: None,
            dataset: None,
            api_host: "https://api.honeycomb.io".to_owned(),
            compression: "zstd".to_owned(),
            envelope: false,
            depth: 5,
            max_fields: 2000,
            max_string: 64_000,
            max_event: 1_000_000,
        }
    }
}

impl Settings for HoneycombConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    #[cfg(feature = "otlp")]
    fn make(&self, making: &Making<'_>) -> Result<Made> {
        Ok(Made::new(super::sink::HoneycombSink::new(
            self,
            making.timeout,
            &crate::sinks::otlp::process_env,
        )?))
    }

    #[cfg(not(feature = "otlp"))]
    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Err(crate::error::Error::unsupported("this build is without the feature `otlp`, which has HTTP"))
    }

    #[cfg(feature = "otlp")]
    fn examine(&self, making: &Making<'_>) -> Examined {
        use crate::sink::Grade;
        let sink = super::sink::HoneycombSink::new(self, making.timeout, &crate::sinks::otlp::process_env);
        match sink.map(|mut sink| sink.ask()) {
            Err(e) => Examined::Found(Grade::Wrong, e.to_string()),
            Ok(Err(failure)) => Examined::Found(Grade::Wrong, crate::sinks::otlp::http::told(&failure)),
            Ok(Ok((grade, said))) => Examined::Found(grade, said),
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn examine(&self, _making: &Making<'_>) -> Examined {
        Examined::Deliver
    }
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let default = HoneycombConfig::default();
    let Some(table) = cursor.table_or_nothing(KIND.keys)? else { return Ok(SinkConfig::new(default)) };
    let count = |name: &str, usual: usize| -> Result<usize> { Ok(table.count(name)?.unwrap_or(usual)) };
    Ok(SinkConfig::new(HoneycombConfig {
        api_key: table.maybe("api_key", |c| Ok(Secret::new(c.name()?.as_bytes().to_vec())))?,
        dataset: table.maybe("dataset", |c| c.name().map(str::to_owned))?,
        api_host: table.or("api_host", default.api_host, |c| {
            let text = c.name()?;
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            match rest.map(|rest| rest.trim_end_matches('/')) {
                Some(host) if !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#']) => {
                    Ok(text.trim_end_matches('/').to_owned())
                }
                _ => Err(c.error("expected a URL without a path, as `https://api.honeycomb.io`")),
            }
        })?,
        compression: table.or("compression", default.compression, |c| {
            let words = [("none", "none"), ("gzip", "gzip"), ("zstd", "zstd")];
            c.choice("compression", &words, &[]).map(str::to_owned)
        })?,
        envelope: table
            .or("body", false, |c| c.choice("body", &[("none", false), ("envelope", true)], &[]))?,
        depth: count("depth", default.depth)?,
        max_fields: count("max_fields", default.max_fields)?,
        max_string: table.or("max_string", default.max_string, Cursor::size_in_memory)?,
        max_event: table.or("max_event", default.max_event, Cursor::size_in_memory)?,
    }))
}
