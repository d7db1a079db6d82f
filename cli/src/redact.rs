//! `sinkwell redact`: what a redaction policy does to a text, and why.
//!
//! Guarantees: with `--explain` no find is printed whole: at most its first quarter, and never more than four
//! characters. What is printed for people is harmless on a terminal.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sinkwell::config::{Config, RedactionConfig, Source};
use sinkwell::content::{Explained, Redactor};
use sinkwell::json::Value;
use sinkwell::seam::SystemEnv;
use sinkwell::{Error, Result};

use crate::Outcome;
use crate::out::Out;

/// The longest text, in bytes: it is read into memory as a whole.
const MOST: u64 = 1 << 28;
/// Most characters of a find that are shown.
const GLIMPSE: usize = 4;

/// Mask a text as a redaction policy would, or say what it would mask, by which detector and why.
#[derive(Args)]
pub(crate) struct Command {
    /// Say what would be masked instead of masking it; exit 1 if there is anything.
    #[arg(long)]
    explain: bool,
    /// A configuration, for the policy under `governance.content.redaction`; default: every detector.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to explain.
    #[arg(long, value_enum, default_value = "text", requires = "explain")]
    format: Format,
    /// A file of text; `-` or nothing is standard input.
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let redactor = redactor(command.config)?;
    let path = command.path.filter(|path| path.as_os_str() != "-");
    let name = path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let text = read(path.as_deref()).map_err(|e| e.at(name.clone()))?;
    let mut out = Out::new();
    if !command.explain {
        out.data(redactor.redact_text(&text)?.as_bytes())?;
        out.flush()?;
        return Ok(Outcome::Good);
    }
    let finds = redactor.explain(&text)?;
    let (mut line, mut start, mut done) = (1_usize, 0, 0);
    for find in &finds {
        // Finds come in order, so that every byte is counted once.
        for at in text[done..find.span.start].match_indices('\n').map(|(at, _)| done + at) {
            (line, start) = (line + 1, at + 1);
        }
        done = find.span.start;
        let column = text[start..done].chars().count() + 1;
        let shown = glimpse(&text[find.span.clone()]);
        match command.format {
            Format::Text => {
                let (label, why) = (find.label, find.why);
                out.line(format_args!("{name}:{line}:{column}: {label}: {shown}: {why}"))?;
            }
            Format::Json => out.data(&json(&name, line, column, find, &shown)?)?,
        }
        if out.gone() {
            break;
        }
    }
    if command.format == Format::Text {
        let n = finds.len();
        out.line(format_args!("{n} {} would be masked", if n == 1 { "place" } else { "places" }))?;
    }
    out.flush()?;
    Ok(if finds.is_empty() { Outcome::Good } else { Outcome::Findings })
}

fn redactor(config: Option<PathBuf>) -> Result<Redactor> {
    let Some(path) = config else {
        return Redactor::compile(
            &RedactionConfig { id: "every-detector".into(), ..Default::default() },
            None,
        );
    };
    let name = path.display().to_string();
    let config = Config::load(Source::Path(path), &SystemEnv::with_program("sinkwell"))?;
    let content = config.governance.as_ref().and_then(|governance| governance.content.as_ref());
    let policy = content.and_then(|content| content.redaction.as_ref()).ok_or_else(|| {
        Error::policy("there is no `governance.content.redaction`; leave out --config for every detector")
            .at(name)
    })?;
    Redactor::compile(policy, config.redaction_hash_key.as_ref())
}

fn read(path: Option<&Path>) -> Result<String> {
    let cannot = |e: io::Error| Error::invalid_argument(format!("cannot be read: {e}"));
    let mut bytes = Vec::new();
    match path {
        Some(path) => {
            sinkwell::sqlite::open_plain(path).map_err(cannot)?.take(MOST + 1).read_to_end(&mut bytes)
        }
        None => io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes),
    }
    .map_err(cannot)?;
    if bytes.len() as u64 > MOST {
        return Err(Error::invalid_argument("more than 256 MiB, which are looked at as a whole; split it"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::invalid_argument(format!("not UTF-8 text from byte {at} on; give it as text"))
    })
}

/// The first characters of a find, too few to give it away, and how many it has in all.
fn glimpse(find: &str) -> String {
    let n = find.chars().count();
    let shown: String = find.chars().take(GLIMPSE.min(n / 4)).collect();
    format!("{shown}… ({n} {})", if n == 1 { "character" } else { "characters" })
}

fn json(name: &str, line: usize, column: usize, find: &Explained<'_>, shown: &str) -> Result<Vec<u8>> {
    let int = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let member = |name: &str, value: Value| (name.to_owned(), value);
    let object = Value::Object(vec![
        member("column", int(column)),
        member("detector", Value::from(find.label)),
        member("end", int(find.span.end)),
        member("file", Value::from(name)),
        member("line", int(line)),
        member("start", int(find.span.start)),
        member("starts_with", Value::from(shown)),
        member("why", Value::from(find.why)),
    ]);
    let mut bytes = object.to_canonical().map_err(|e| Error::internal(e.message()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
