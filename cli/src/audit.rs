//! `sinkwell audit`: checks and queries of an audit database, and proofs for others.

mod table;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use sinkwell::audit::{self, AuditDb, AuditReport, Filter, Locator, Note, VerifyOptions};
use sinkwell::event::EventId;
use sinkwell::json::Value;
use sinkwell::seam::Uuid;
use sinkwell::terminal::Safe;
use sinkwell::{Error, ErrorKind, Result};

use crate::Outcome;
use crate::out::Out;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check everything: bytes, hashes, tree, erasures, triggers, indexes. Exit 1 when something is wrong.
    Verify {
        #[command(flatten)]
        db: Database,
        /// A tree head kept elsewhere: the log must still begin with it. May be repeated.
        #[arg(long = "head", value_name = "NOTE")]
        heads: Vec<PathBuf>,
    },
    /// Print the tree head as a note (C2SP tlog-checkpoint), signed when a key is given.
    Head {
        #[command(flatten)]
        db: Database,
        /// An Ed25519 private key (PKCS#8 PEM) to sign it with.
        #[arg(long, value_name = "FILE")]
        sign: Option<PathBuf>,
    },
    /// Prove that one envelope is in the log.
    Prove {
        #[command(flatten)]
        db: Database,
        #[command(flatten)]
        what: What,
        /// Prove it for the tree of this many leaves instead of all.
        #[arg(long, value_name = "N")]
        size: Option<u64>,
    },
    /// Prove that the log of NEW leaves (default: all) begins with the log of OLD leaves.
    Consistency {
        #[command(flatten)]
        db: Database,
        /// The earlier size.
        old: u64,
        /// The later size.
        new: Option<u64>,
    },
    /// Find envelopes, oldest first; or, with --by, --sum or --count, count events in groups and add up their members.
    Query {
        #[command(flatten)]
        db: Database,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        grouping: GroupingArgs,
    },
    /// Print the whole log, one envelope or stub a line, for `sinkwell verify` and other readers.
    Export {
        /// The audit database.
        db: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Database {
    /// The audit database.
    db: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct What {
    /// By the event's id.
    #[arg(long, value_name = "UUID", conflicts_with_all = ["index", "stream", "sequence"])]
    id: Option<String>,
    /// By the leaf's index, from 0.
    #[arg(long, value_name = "N", conflicts_with_all = ["stream", "sequence"])]
    index: Option<u64>,
    /// By stream, with --sequence.
    #[arg(long, value_name = "UUID", requires = "sequence")]
    stream: Option<String>,
    /// The sequence in the stream.
    #[arg(long, value_name = "N", requires = "stream")]
    sequence: Option<u64>,
}

#[derive(Args)]
pub(crate) struct FilterArgs {
    /// A glob over the type: `policy.*`, `*.breach`.
    #[arg(long = "type", value_name = "GLOB")]
    event_type: Option<String>,
    /// The emitting agent's id.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// The run's id.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// The tenant's id.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Not before this time (RFC 3339), or not longer ago than this: 48h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time (RFC 3339), or longer ago than this: 48h.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "counting")]
    limit: u64,
    /// Only leaves after this index, to go on where the last query ended.
    #[arg(long, value_name = "INDEX")]
    after: Option<u64>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("counting").multiple(true))]
pub(crate) struct GroupingArgs {
    /// Count events that have the same value here as one group: a member of `data` by its name, or a JSON pointer into the
    /// envelope, as /type. May be repeated.
    #[arg(long, value_name = "MEMBER", group = "counting")]
    by: Vec<String>,
    /// Add up the numbers that events have here, exactly. May be repeated.
    #[arg(long, value_name = "MEMBER", group = "counting")]
    sum: Vec<String>,
    /// Count events.
    #[arg(long, group = "counting")]
    count: bool,
    /// Count only events whose member is this: a string's own text, or the JSON of any other value. May be repeated.
    #[arg(long = "where", value_name = "MEMBER=VALUE", requires = "counting")]
    only: Vec<String>,
    /// Count only events that have this member. May be repeated.
    #[arg(long, value_name = "MEMBER", requires = "counting")]
    has: Vec<String>,
    /// More groups than this are an error [default: 1000].
    #[arg(long, value_name = "N", requires = "counting")]
    groups: Option<u64>,
}

impl GroupingArgs {
    fn asked(&self) -> bool {
        self.count || !self.by.is_empty() || !self.sum.is_empty()
    }

    fn arguments(&self, filter: &FilterArgs) -> Result<Value> {
        let list = |texts: &[String]| Value::Array(texts.iter().map(|text| text.as_str().into()).collect());
        let mut only: Vec<(String, Value)> = Vec::new();
        for text in &self.only {
            let (member, wanted) = text
                .split_once('=')
                .ok_or_else(|| bad_argument("expected MEMBER=VALUE, as action=transfer").at("--where"))?;
            if only.iter().any(|(name, _)| name == member) {
                return Err(bad_argument(format!("{member:?} is there twice")).at("--where"));
            }
            only.push((member.to_owned(), wanted.into()));
        }
        let mut members = vec![
            ("by".to_owned(), list(&self.by)),
            ("sum".to_owned(), list(&self.sum)),
            ("has".to_owned(), list(&self.has)),
            ("where".to_owned(), Value::Object(only)),
        ];
        for (name, text) in [
            ("type", &filter.event_type),
            ("agent", &filter.agent),
            ("run", &filter.run),
            ("tenant", &filter.tenant),
            ("since", &filter.since),
            ("until", &filter.until),
        ] {
            members.extend(text.as_deref().map(|text| (name.to_owned(), text.into())));
        }
        let count = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        members.extend(filter.after.map(|n| ("after".to_owned(), count(n))));
        members.extend(self.groups.map(|n| ("groups".to_owned(), count(n))));
        Ok(Value::Object(members))
    }
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Verify { db, heads } => verify(&db, &heads),
        Command::Head { db, sign } => head(&db, sign),
        Command::Prove { db, what, size } => {
            let proof = open(&db.db)?.prove(&what.locator()?, size)?;
            // A proof is JSON in either format; `text` only lays it out for reading.
            print_value(&proof.to_value(), db.format)
        }
        Command::Consistency { db, old, new } => {
            print_value(&open(&db.db)?.consistency(old, new)?.to_value(), db.format)
        }
        Command::Query { db, filter, grouping } if grouping.asked() => {
            let groups = audit::call(&db.db, "group", &grouping.arguments(&filter)?)?;
            match db.format {
                Format::Json => print_line(&groups)?,
                Format::Text => table::print(&groups, &grouping.by, &grouping.sum)?,
            }
            Ok(Outcome::Good)
        }
        Command::Query { db, filter, .. } => query(&db, &filter),
        Command::Export { db } => {
            let mut out = Out::new();
            let done = open(&db)?.export(&mut out);
            out.flush()?;
            if out.gone() { Ok(Outcome::Good) } else { done.map(|_| Outcome::Good) }
        }
    }
}

fn open(path: &Path) -> Result<AuditDb> {
    AuditDb::open_read(path)
}

fn verify(db: &Database, heads: &[PathBuf]) -> Result<Outcome> {
    let heads = heads.iter().map(|path| read_note(path)?.head()).collect::<Result<_>>()?;
    let report = open(&db.db)?.verify(&VerifyOptions { heads })?;
    match db.format {
        Format::Json => print_line(&report.to_value())?,
        Format::Text => print(&report_text(&report))?,
    }
    Ok(if report.sound() { Outcome::Good } else { Outcome::Findings })
}

fn report_text(report: &AuditReport) -> String {
    let mut out = format!(
        "{}\n  origin     {}\n  leaves     {}\n  envelopes  {}\n  erased     {}\n  conflicts  {}\n",
        if report.sound() { "sound" } else { "findings" },
        Safe(&report.head.origin),
        report.head.size,
        report.envelopes,
        report.erased,
        report.conflicts
    );
    for finding in &report.findings {
        out.push_str(&format!("{:<9}", finding.kind.name()));
        if let Some(index) = finding.index {
            out.push_str(&format!("  leaf {index}"));
        }
        if let Some((streamid, sequence)) = finding.place {
            out.push_str(&format!("  {streamid}/{sequence}"));
        }
        out.push_str(&format!("  {}\n", Safe(&finding.note)));
    }
    let more = report.found - report.findings.len() as u64;
    if more > 0 {
        out.push_str(&format!("and {more} more\n"));
    }
    out
}

fn read_note(path: &Path) -> Result<Note> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::verification(format!("the tree head cannot be read: {e}")).at(&*place))?;
    Note::parse(&text).map_err(|e| e.at(place))
}

fn head(db: &Database, sign: Option<PathBuf>) -> Result<Outcome> {
    let head = audit::head(&open(&db.db)?.head()?, sign)?;
    match db.format {
        // The note is printed unchanged, as its signature covers the exact bytes.
        Format::Text => data(head.get("note").and_then(Value::as_str).unwrap_or_default().as_bytes())?,
        Format::Json => print_line(&head)?,
    }
    Ok(Outcome::Good)
}

impl What {
    fn locator(&self) -> Result<Locator> {
        let uuid = |text: &str, option: &str| {
            Uuid::parse(text).ok_or_else(|| bad_argument("expected a UUID").at(option))
        };
        match (&self.id, self.index, &self.stream, self.sequence) {
            (Some(id), ..) => {
                let id = EventId::read(id).ok_or_else(|| {
                    bad_argument("expected an id, 1 to 128 printable ASCII characters").at("--id")
                })?;
                Ok(Locator::Id(id))
            }
            (_, Some(index), ..) => Ok(Locator::Index(index)),
            (_, _, Some(stream), Some(sequence)) => {
                Ok(Locator::Place { streamid: uuid(stream, "--stream")?, sequence })
            }
            _ => Err(bad_argument("say which envelope: --id, --index, or --stream with --sequence")),
        }
    }
}

fn query(db: &Database, args: &FilterArgs) -> Result<Outcome> {
    let time = |text: &Option<String>, option: &str| {
        text.as_deref().map(|text| audit::moment(text).map_err(|e| e.at(option))).transpose()
    };
    let filter = Filter {
        event_type: args.event_type.clone(),
        agent: args.agent.clone(),
        run: args.run.clone(),
        tenant: args.tenant.clone(),
        since: time(&args.since, "--since")?,
        until: time(&args.until, "--until")?,
        limit: Some(args.limit),
        after: args.after,
    };
    let mut out = Out::new();
    for found in open(&db.db)?.query(&filter)? {
        if out.gone() {
            break;
        }
        match db.format {
            Format::Json => out.data(&json_line(&found.to_value())?)?,
            Format::Text => {
                let value = found.to_value();
                let envelope = value.get("envelope").unwrap_or(&Value::Null);
                let text = |key| envelope.get(key).and_then(Value::as_str).unwrap_or("-");
                out.line(format_args!(
                    "{:>8}  {}  {:<5}  {}  {}  {}",
                    found.index,
                    text("time"),
                    text("severitytext"),
                    text("type"),
                    text("agentid"),
                    text("subject")
                ))?;
            }
        }
    }
    out.flush()?;
    Ok(Outcome::Good)
}

fn print_value(value: &Value, format: Format) -> Result<Outcome> {
    match format {
        Format::Json => print_line(value)?,
        Format::Text => {
            let mut out = String::new();
            for (key, value) in value.members() {
                match value {
                    Value::Array(items) => {
                        for (i, item) in items.iter().enumerate() {
                            let label = if i == 0 { key.as_str() } else { "" };
                            out.push_str(&format!(
                                "{label:<9} {}\n",
                                Safe(item.as_str().unwrap_or_default())
                            ));
                        }
                    }
                    Value::Int(n) => out.push_str(&format!("{key:<9} {n}\n")),
                    other => {
                        out.push_str(&format!("{key:<9} {}\n", Safe(other.as_str().unwrap_or_default())));
                    }
                }
            }
            print(&out)?;
        }
    }
    Ok(Outcome::Good)
}

fn json_line(value: &Value) -> Result<Vec<u8>> {
    let mut line = value.to_canonical().map_err(|e| Error::internal(e.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

fn print_line(value: &Value) -> Result<()> {
    data(&json_line(value)?)
}

fn data(bytes: &[u8]) -> Result<()> {
    let mut out = Out::new();
    out.data(bytes)?;
    out.flush()
}

/// Prints lines whose fields have been made safe for a terminal.
fn print(text: &str) -> Result<()> {
    let mut out = Out::new();
    out.text(text)?;
    out.flush()
}

fn bad_argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
