//! Where a configuration comes from: what the program passes, a file, the environment, or nothing.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::lane::Surrounding;
use super::top::{duplicate, read, read_lanes};
use super::{content, lane};
use crate::document::interpolate::interpolate;
use crate::document::reader::{Cursor, Document};
use crate::document::tree::{Mark, Node, Value, read_json, read_yaml};
use crate::error::{Error, ErrorKind, Result};
use crate::seam::Env;
use crate::settings::{Config, ContentCeiling, ContentPolicy, KeyConfig, LaneConfig};

/// The largest document, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

/// What the program passes.
#[derive(Clone, Debug)]
pub enum Source {
    /// Nothing: `SINKWELL_CONFIG`, `SINKWELL_LANES`, or the default lane decide.
    Environment,
    /// A file; `.json` is read as JSON, all else as YAML.
    Path(PathBuf),
    /// A document's text.
    Text {
        /// The text.
        text: String,
        /// What errors call it.
        name: Option<String>,
        /// How to read it.
        format: Format,
    },
    /// A mapping of the host's language, as JSON. Errors name the key, as there are no lines.
    Mapping(String),
}

/// How a text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2; a text that is JSON is read as that, with JSON's escapes and tabs.
    #[default]
    Yaml,
    /// JSON (RFC 8259), strictly.
    Json,
}

impl Config {
    /// Reads a configuration and fills in every default.
    ///
    /// # Errors
    /// Kind `invalid_config`, `key` for a key that cannot be used, `policy` for anything under
    /// `governance`, `unsupported` for what this build does not have, and `required_sink_unavailable`
    /// where `SINKWELL_DISABLED` would switch off a required sink. Each names its place.
    pub fn load(source: Source, env: &dyn Env) -> Result<Self> {
        let variable = |name: &str| env.var(name).filter(|value| !value.trim().is_empty());
        let config = match source {
            Source::Path(path) => from_file(&path, env)?,
            Source::Text { text, name, format } => {
                let folder = name.as_deref().and_then(|name| Path::new(name).parent()).map(Path::to_owned);
                let name = Some(name.unwrap_or_else(|| "<text>".to_owned()));
                from_text(&text, format, name, folder, env)?
            }
            Source::Mapping(json) => from_text(&json, Format::Json, None, None, env)?,
            Source::Environment => match (variable("SINKWELL_CONFIG"), variable("SINKWELL_LANES")) {
                (Some(path), _) => from_file(Path::new(&path), env)?,
                (None, Some(lanes)) => from_lanes(&lanes, env)?,
                (None, None) => from_node(empty(), env)?,
            },
        };
        disable(config, env)
    }

    /// Reads the keys of one lane, as `add_sink` takes them at run time: JSON or YAML. Without `sink` it
    /// is the lane of a host's sink. Beside the lane come warnings, for the host's logger.
    ///
    /// # Errors
    /// As [`Config::load`]; an id that the emitter already has is `invalid_config`.
    pub fn parse_lane(&self, text: &str, env: &dyn Env) -> Result<(LaneConfig, Vec<String>)> {
        let document = Document { name: None, folder: None, env, warnings: RefCell::default() };
        let node = parse(text, Format::Yaml, &document, ErrorKind::InvalidConfig)?;
        let cursor = Cursor::root(&document, &node, ErrorKind::InvalidConfig);
        let emitter = Surrounding {
            overflow: self.overflow,
            journal: self.journal.as_ref(),
            governance: self.governance.as_ref(),
        };
        let lane = lane::read(&cursor, &emitter, Some("host"))?;
        if self.lanes.iter().any(|known| known.id == lane.id) {
            return Err(duplicate(&cursor, &lane.id));
        }
        Ok((lane, document.warnings.take()))
    }
}

impl Config {
    /// Reads a `key:` section that stands alone, as `change_key` takes one: JSON or YAML.
    ///
    /// # Errors
    /// Kind `invalid_config` or `key`, naming the place.
    pub fn parse_key(text: &str, env: &dyn Env) -> Result<KeyConfig> {
        let document = Document { name: None, folder: None, env, warnings: RefCell::default() };
        let node = parse(text, Format::Yaml, &document, ErrorKind::InvalidConfig)?;
        super::identity::key(&Cursor::root(&document, &node, ErrorKind::InvalidConfig))
    }
}

impl ContentCeiling {
    /// Reads a lane's `content` that stands alone, as `evaluate_content_capture` takes one: JSON or YAML.
    ///
    /// # Errors
    /// Kind `invalid_config`, naming the key.
    pub fn parse(text: &str, env: &dyn Env) -> Result<Self> {
        let document = Document { name: None, folder: None, env, warnings: RefCell::default() };
        let node = parse(text, Format::Yaml, &document, ErrorKind::InvalidConfig)?;
        lane::read_ceiling(&Cursor::root(&document, &node, ErrorKind::InvalidConfig))
    }
}

impl ContentPolicy {
    /// Reads a content policy that stands alone, as `evaluate_content_capture` takes one: JSON or YAML.
    /// A rule that has expired is read as it is; the evaluation judges it.
    ///
    /// # Errors
    /// Kind `policy`, naming the key.
    pub fn parse(text: &str, env: &dyn Env) -> Result<Self> {
        let document = Document { name: None, folder: None, env, warnings: RefCell::default() };
        let node = parse(text, Format::Yaml, &document, ErrorKind::Policy)?;
        content::read(&Cursor::root(&document, &node, ErrorKind::Policy), None)
    }
}

fn from_file(path: &Path, env: &dyn Env) -> Result<Config> {
    let name = path.display().to_string();
    // A document where a path belongs: it may hold a key, and is not repeated.
    if name.contains('\n') || name.trim_start().starts_with('{') {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "a path is expected here, and this is a document: give it as text where the package takes one \
             (`OpenText`, `sinkwell.Text`), else as a mapping, or the path of a file that holds it",
        )
        .at("configuration"));
    }
    let text = read_text(path, &name, env, ErrorKind::InvalidConfig)?;
    from_text(&text, format_of(path), Some(name), path.parent().map(Path::to_owned), env)
}

pub(super) fn read_text(path: &Path, name: &str, env: &dyn Env, kind: ErrorKind) -> Result<String> {
    let bytes =
        env.read(path).map_err(|e| Error::new(kind, format!("the file cannot be read: {e}")).at(name))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::new(kind, format!("the file is not UTF-8 from byte {at} on")).at(name)
    })
}

pub(super) fn format_of(path: &Path) -> Format {
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if json { Format::Json } else { Format::Yaml }
}

pub(super) fn parse(text: &str, format: Format, document: &Document<'_>, kind: ErrorKind) -> Result<Node> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.len() > MAX_DOCUMENT {
        let message = format!("the document has {} bytes; the most is {MAX_DOCUMENT}", text.len());
        return Err(document.error(kind, Mark::START, "", message));
    }
    let tree = match format {
        Format::Json => read_json(text),
        Format::Yaml if text.trim_start().starts_with('{') => read_json(text).or_else(|_| read_yaml(text)),
        Format::Yaml => read_yaml(text),
    };
    let mut node = tree.map_err(|e| document.error(kind, e.mark, "", e.message))?;
    interpolate(&mut node, "", document, kind)?;
    Ok(node)
}

fn empty() -> Node {
    Node { mark: Mark::START, value: Value::Map(Vec::new()) }
}

fn from_text(
    text: &str,
    format: Format,
    name: Option<String>,
    folder: Option<PathBuf>,
    env: &dyn Env,
) -> Result<Config> {
    let document = Document { name, folder, env, warnings: RefCell::default() };
    let mut node = parse(text, format, &document, ErrorKind::InvalidConfig)?;
    if matches!(node.value, Value::Null) {
        node = empty();
    }
    read(&document, &node)
}

fn from_node(node: Node, env: &dyn Env) -> Result<Config> {
    read(&Document { name: None, folder: None, env, warnings: RefCell::default() }, &node)
}

/// `SINKWELL_LANES`: names of sinks, separated by `;`.
fn from_lanes(lanes: &str, env: &dyn Env) -> Result<Config> {
    let names = lanes.split(';').map(str::trim).filter(|name| !name.is_empty());
    let items = names.map(|name| Node { mark: Mark::START, value: Value::text(name) }).collect();
    let document = Document { name: None, folder: None, env, warnings: RefCell::default() };
    let mut config = from_node(empty(), env)?;
    let node = Node { mark: Mark::START, value: Value::List(items) };
    let mut cursor = Cursor::root(&document, &node, ErrorKind::InvalidConfig);
    cursor.path = "SINKWELL_LANES".to_owned();
    config.lanes = read_lanes(&cursor, &Surrounding { overflow: None, journal: None, governance: None })?;
    config.lanes_defaulted = false;
    config.warnings = document.warnings.into_inner();
    Ok(config)
}

/// `SINKWELL_DISABLED` makes every call a no-op, unless governance requires a sink.
fn disable(mut config: Config, env: &dyn Env) -> Result<Config> {
    let value = env.var("SINKWELL_DISABLED").unwrap_or_default();
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => {}
        "" | "false" | "0" => return Ok(config),
        _ => {
            config
                .warnings
                .push("SINKWELL_DISABLED is neither `true` nor `false`; it has no effect".to_owned());
            return Ok(config);
        }
    }
    if let Some(required) = config.governance.as_ref().and_then(|governance| governance.required.first()) {
        return Err(Error::new(
            ErrorKind::RequiredSinkUnavailable,
            format!(
                "governance requires a `{}` sink, which no environment variable turns off; unset SINKWELL_DISABLED",
                required.class.name()
            ),
        )
        .at("SINKWELL_DISABLED"));
    }
    config.disabled = true;
    Ok(config)
}
