//! The vacuum: events out of log streams.
//!
//! Code in a sandbox can often do nothing but print. A line that is one JSON object with the member `"_e": 1` is an event;
//! every other line goes through untouched and in order, byte for byte, whatever ends it.
//!
//! Guarantees: a line is taken or goes through, never both and never neither: one that is flagged and cannot be sealed or
//! sent goes through and is counted, and the rest of the log goes on. Memory is bounded by the longest line that can be sealed, however long a line is. From a line
//! come an event's type (never one of sinkwell's own), its time and its data, and nothing else (see `lift`). With a nonce,
//! the same line has the same id whenever it is read (see `id`).
//!
//! How: [`Vacuum::push`] takes bytes as they come. `skim` finds flags at about the cost of a memory scan; `wrap` takes lines
//! out of what carries them; `held` puts lines together that come in parts; `lift` makes the data. What is found goes to a
//! [`Taker`]; that of a [`Drawing`] emits it.

mod cursors;
mod export;
mod held;
mod id;
mod intake;
mod lift;
mod progress;
mod report;
mod skim;
mod time;
mod transports;
mod wrap;

#[cfg(test)]
mod tests;

use memchr::{memchr, memrchr};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Data, EventInput};
use crate::json::{Canonical, ObjectWriter};
use crate::seam::format_time;
use crate::settings::Config;

pub use cursors::{Cursor, Cursors, Marks};
pub use id::MAX_NONCE;
pub use intake::{Asked, Drawing, Intake};
pub use report::{Report, Skipped};
pub use transports::{TRANSPORTS, pick, picked};
pub use wrap::Format;

use export::{Export, Fed};
use held::{Held, Join};
use wrap::{About, Inner};

/// The type of events that name none.
pub const EVENT_TYPE: &str = "vacuum.event";

/// What one vacuum reads, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose log it is.
    pub process: Option<String>,
    /// The message, block or batch that the log is of: 0 to 2^53−1.
    pub nonce: Option<u64>,
    /// What carries the lines.
    pub format: Format,
    /// Most bytes of an event.
    pub envelope: usize,
    /// Deepest nesting of an event's data.
    pub depth: usize,
    /// The prefix of built-in types.
    pub type_prefix: String,
}

impl Settings {
    /// For an emitter of this configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            envelope: config.limits.envelope,
            depth: config.limits.depth,
            type_prefix: config.type_prefix.clone(),
            ..Self::default()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            process: None,
            nonce: None,
            format: Format::Auto,
            envelope: 1 << 20,
            depth: crate::json::DEFAULT_DEPTH,
            type_prefix: crate::types::DEFAULT_PREFIX.to_owned(),
        }
    }
}

/// An event that was found in a line.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its type.
    pub event_type: &'a str,
    /// Its data.
    pub data: Canonical<'a>,
    /// The same, for whoever emits it.
    pub writer: &'a ObjectWriter,
    /// When it happened, as RFC 3339, if the line or what carried it says so.
    pub time: Option<&'a str>,
    /// Its id, where there are a process and a nonce: the same whenever the line is read.
    pub id: Option<&'a str>,
    /// The number of its line, from 0.
    pub index: u64,
}

impl<'a> Found<'a> {
    /// The event as `emit` takes it.
    #[must_use]
    pub fn input(&self) -> EventInput<'a> {
        EventInput {
            data: Data::Object(self.writer),
            time: self.time,
            id: self.id,
            ..EventInput::new(self.event_type)
        }
    }
}

/// What became of an event that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is on its way.
    Sent,
    /// Every lane that it is for has it already.
    Skipped,
}

/// Takes what a vacuum finds.
pub trait Taker {
    /// An event.
    ///
    /// # Errors
    /// Its line goes through and is counted: as one that cannot be sealed where it is `invalid_event`, else as one that was
    /// not sent.
    fn take(&mut self, found: &Found<'_>) -> Result<Taken>;

    /// Bytes that go through: always whole lines, but for lines too long to be looked at.
    ///
    /// # Errors
    /// They end the call.
    fn pass(&mut self, bytes: &[u8]) -> Result<()>;
}

/// One stream of a log: bytes in as they come, events and what goes through out to a [`Taker`].
pub struct Vacuum {
    settings: Settings,
    /// The process as ids have it.
    process: Option<String>,
    /// Longest line that is looked at.
    longest: usize,
    /// The number of the next line.
    index: u64,
    /// A line of which more must come.
    rest: Vec<u8>,
    /// The end of a line that goes through as it comes, as it is too long; and whether a flag was seen in it.
    long: Option<(Vec<u8>, bool)>,
    held: Held,
    /// The journal's entry that has begun and not ended, as far as it has been read.
    export: Option<Export>,
    /// What went through last is a line that its part of the stream has not ended.
    torn: bool,
    writer: ObjectWriter,
    report: Report,
}

impl std::fmt::Debug for Vacuum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vacuum").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Vacuum {
    /// A vacuum that has read nothing.
    ///
    /// # Errors
    /// `invalid_argument`: a nonce above [`MAX_NONCE`], or one without a process.
    pub fn new(settings: Settings) -> Result<Self> {
        if settings.nonce.is_some_and(|nonce| nonce > MAX_NONCE) {
            return Err(Error::invalid_argument("must be an integer from 0 to 2^53-1").at("nonce"));
        }
        if settings.nonce.is_some() && settings.process.is_none() {
            return Err(Error::invalid_argument("a nonce counts within a process: name the process, too")
                .at("process"));
        }
        let process = settings.process.as_deref().map(id::process);
        // Escaped once more by what carries it, a line may be twice as long; and the carrier says some things.
        let longest = settings.envelope.saturating_mul(2).saturating_add(4096);
        Ok(Self {
            settings,
            process,
            longest,
            index: 0,
            rest: Vec::new(),
            long: None,
            held: Held::default(),
            export: None,
            torn: false,
            writer: ObjectWriter::new(),
            report: Report::default(),
        })
    }

    /// What it did so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Takes the next bytes of the stream, cut anywhere.
    ///
    /// # Errors
    /// What the taker says.
    pub fn push(&mut self, mut bytes: &[u8], to: &mut dyn Taker) -> Result<()> {
        if !self.rest.is_empty() || self.long.is_some() {
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let (piece, more) = bytes.split_at(end);
            bytes = more;
            let ended = piece.ends_with(b"\n");
            if self.long.is_none() && self.rest.len() + piece.len() <= self.longest {
                self.rest.extend_from_slice(piece);
                if ended {
                    let mut line = std::mem::take(&mut self.rest);
                    self.line(&line, to)?;
                    line.clear();
                    self.rest = line;
                }
            } else {
                let begun = std::mem::take(&mut self.rest);
                self.pass_long(&begun, to)?;
                self.pass_long(piece, to)?;
                if ended {
                    self.long_ended(true);
                }
            }
        }
        let whole = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        self.block(&bytes[..whole], to)?;
        let tail = &bytes[whole..];
        if tail.len() > self.longest {
            self.pass_long(tail, to)?;
        } else {
            self.rest.extend_from_slice(tail);
        }
        Ok(())
    }

    /// Ends a part of the stream that ends with its line, if not with what ends a line: a file that was rotated away, or
    /// the first of two. If that line goes through and more comes after it, it is ended first, so that the two do not become
    /// one. A line that waits for its end goes on waiting.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn end_part(&mut self, to: &mut dyn Taker) -> Result<()> {
        if self.long.is_some() {
            self.long_ended(false);
        }
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.line(&line, to)?;
        }
        // No entry of a journal goes on in another file.
        self.end_export(to)
    }

    /// Ends the stream: what is not finished is taken as it stands.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, to: &mut dyn Taker) -> Result<()> {
        self.end_part(to)?;
        while let Some(stream) = self.held.first() {
            self.end_join(stream, to)?;
        }
        self.release(to)
    }

    /// Whole lines.
    fn block(&mut self, block: &[u8], to: &mut dyn Taker) -> Result<()> {
        let format = self.settings.format;
        let unmarked_matter = !matches!(format, Format::Plain | Format::Lambda);
        let (mut passed, mut at) = (0, 0);
        let mut mark = skim::mark(block);
        let mut in_bytes = wrap::has_bytes(format).then(|| skim::mark_in_bytes(block)).flatten();
        while at < block.len() {
            if !unmarked_matter && self.held.is_empty() {
                // Lines up to the next mark are none of ours, whatever is in them.
                let next = mark
                    .map_or(block.len(), |mark| memrchr(b'\n', &block[at..mark]).map_or(at, |n| at + n + 1));
                let lines = skim::lines(&block[at..next]);
                self.count_passed(lines);
                self.index += lines;
                self.report.lines += lines;
                at = next;
                if at == block.len() {
                    break;
                }
            }
            let end = memchr(b'\n', &block[at..]).map_or(block.len(), |n| at + n + 1);
            let line = &block[at..end];
            let mut marked = false;
            if mark.is_some_and(|mark| mark < end) {
                mark = skim::mark(&block[end..]).map(|mark| end + mark);
                marked = true;
            }
            if in_bytes.is_some_and(|mark| mark < end) {
                in_bytes = skim::mark_in_bytes(&block[end..]).map(|mark| end + mark);
                marked = true;
            }
            if marked || !self.held.is_empty() || (unmarked_matter && self.matters(line)) {
                self.through(&block[passed..at], to)?;
                self.line(line, to)?;
                passed = end;
            } else {
                self.index += 1;
                self.report.lines += 1;
                self.count_passed(1);
            }
            at = end;
        }
        self.through(&block[passed..], to)
    }

    /// Whether a line without a mark matters.
    fn matters(&self, line: &[u8]) -> bool {
        let matters = if self.held.has_begun() { wrap::goes_on } else { wrap::begins };
        matters(line, self.settings.format)
    }

    /// Lets bytes through that end with a line, or with their part of the stream.
    fn through(&mut self, bytes: &[u8], to: &mut dyn Taker) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.end_torn(to)?;
        self.torn = !bytes.ends_with(b"\n");
        to.pass(bytes)
    }

    /// Before more goes through: the last line of the part before it ends, if it has not.
    fn end_torn(&mut self, to: &mut dyn Taker) -> Result<()> {
        if std::mem::take(&mut self.torn) { to.pass(b"\n") } else { Ok(()) }
    }

    fn count_passed(&mut self, lines: u64) {
        self.report.passed += lines;
    }

    /// One line, with what ends it, that is to be looked at.
    fn line(&mut self, line: &[u8], to: &mut dyn Taker) -> Result<()> {
        let index = self.index;
        self.index += 1;
        self.report.lines += 1;
        if line.len() > self.longest {
            if skim::mark(line).is_some() {
                self.report.too_large += 1;
            }
            self.give_up(to)?;
            return self.pass_line(line, to);
        }
        if self.exported(line, index, to)? {
            return Ok(());
        }
        let format = self.settings.format;
        let marked =
            skim::mark(line).is_some() || (wrap::has_bytes(format) && skim::mark_in_bytes(line).is_some());
        if !marked && !self.matters(line) {
            // It is no event in any wrapper, however the stream was cut before it.
            return self.pass_line(line, to);
        }
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        let Inner { text, about, part, flagged } = wrap::unwrap(body, self.settings.format);
        let Some((stream, ends)) = part.filter(|(stream, ends)| !ends || self.held.join(*stream).is_some())
        else {
            let flagged = flagged.or_else(|| skim::flagged(&text));
            return match self.whole(&text, flagged, &about, index, to)? {
                true => Ok(()),
                false => self.pass_line(line, to),
            };
        };
        let longest = self.longest;
        match self.held.join(stream) {
            None => self.held.begin(Join::new(stream, text.into_owned(), about, index)),
            Some(join) if join.given_up => {
                if !join.counted && skim::mark(&text).is_some() {
                    join.counted = true;
                    self.report.too_large += 1;
                }
                if ends {
                    self.held.end(stream);
                }
                return self.pass_line(line, to);
            }
            Some(join) => join.text.extend_from_slice(&text),
        }
        self.held.wait(line, Some(stream));
        if ends {
            self.end_join(stream, to)?;
            return self.release(to);
        }
        // What waits is bounded as one line is: both streams' parts, as they came and as they are joined.
        if self.held.len() > longest.saturating_mul(4) {
            self.give_up(to)?;
        }
        Ok(())
    }

    /// The line of that stream has all its parts.
    fn end_join(&mut self, stream: wrap::Stream, to: &mut dyn Taker) -> Result<()> {
        let Some(join) = self.held.end(stream).filter(|join| !join.given_up) else { return Ok(()) };
        let taken = if stream == export::STREAM {
            match export::read(&join.text) {
                Some((message, about)) => {
                    self.whole(&message, skim::flagged(&message), &about, join.index, to)?
                }
                None => false,
            }
        } else {
            self.whole(&join.text, skim::flagged(&join.text), &join.about, join.index, to)?
        };
        self.held.settle(stream, taken);
        Ok(())
    }

    /// Takes a line that is part of a journal's entry, or begins one. Answers whether it was.
    fn exported(&mut self, line: &[u8], index: u64, to: &mut dyn Taker) -> Result<bool> {
        if self.export.is_none() && !export::begins(line, self.settings.format) {
            return Ok(false);
        }
        let fed = self.export.get_or_insert_default().feed(line);
        match fed {
            Fed::Another => {
                self.end_export(to)?;
                return self.exported(line, index, to);
            }
            // It was no entry after all.
            Fed::Not => {
                self.export = None;
                if self.held.end(export::STREAM).is_some() {
                    self.held.settle(export::STREAM, false);
                }
                self.release(to)?;
                return Ok(false);
            }
            Fed::More | Fed::End => {}
        }
        match self.held.join(export::STREAM) {
            Some(join) => join.text.extend_from_slice(line),
            None => self.held.begin(Join::new(export::STREAM, line.to_vec(), About::plain(), index)),
        }
        self.held.wait(line, Some(export::STREAM));
        if matches!(fed, Fed::End) {
            self.end_export(to)?;
        } else if self.held.len() > self.longest.saturating_mul(4) {
            self.give_up(to)?;
        }
        Ok(true)
    }

    /// The journal's entry that has begun, if one has, is whole.
    fn end_export(&mut self, to: &mut dyn Taker) -> Result<()> {
        if self.export.take().is_some() {
            self.end_join(export::STREAM, to)?;
            return self.release(to);
        }
        Ok(())
    }

    /// Lets everything through that waits.
    fn give_up(&mut self, to: &mut dyn Taker) -> Result<()> {
        let report = &mut self.report;
        self.held.give_up(|join| {
            join.counted = skim::mark(&join.text).is_some();
            report.too_large += u64::from(join.counted);
        });
        // The rest of an entry is lines as any others: whatever its lengths say, it hides nothing that comes after it.
        if self.export.take().is_some() {
            self.held.end(export::STREAM);
        }
        self.release(to)
    }

    fn release(&mut self, to: &mut dyn Taker) -> Result<()> {
        let Some((bytes, lines)) = self.held.release() else { return Ok(()) };
        self.count_passed(lines);
        self.through(&bytes, to)
    }

    /// A line that goes through: behind those that wait.
    fn pass_line(&mut self, line: &[u8], to: &mut dyn Taker) -> Result<()> {
        if self.held.is_empty() {
            self.count_passed(1);
            return self.through(line, to);
        }
        self.held.wait(line, None);
        if self.held.len() > self.longest.saturating_mul(4) { self.give_up(to) } else { Ok(()) }
    }

    /// More of a line that is too long to be looked at.
    fn pass_long(&mut self, piece: &[u8], to: &mut dyn Taker) -> Result<()> {
        /// What a flag has at most before it is whole.
        const FLAG: usize = 4;
        self.give_up(to)?;
        self.end_torn(to)?;
        let (end, flagged) = self.long.get_or_insert_default();
        if !*flagged {
            end.extend_from_slice(&piece[..piece.len().min(FLAG)]);
            *flagged = skim::mark(end).is_some() || skim::mark(piece).is_some();
            end.extend_from_slice(&piece[piece.len().saturating_sub(FLAG)..]);
            end.drain(..end.len().saturating_sub(FLAG));
        }
        to.pass(piece)
    }

    /// `whole`: with what ends a line.
    fn long_ended(&mut self, whole: bool) {
        let flagged = self.long.take().is_some_and(|(_, flagged)| flagged);
        self.torn = !whole;
        self.index += 1;
        self.report.lines += 1;
        self.report.too_large += u64::from(flagged);
        self.count_passed(1);
    }

    /// Takes a whole line out of its wrapper, if it is an event that can be sealed.
    fn whole(
        &mut self,
        text: &[u8],
        flagged: Option<skim::Flagged>,
        about: &About,
        index: u64,
        to: &mut dyn Taker,
    ) -> Result<bool> {
        let Some(flagged) = flagged else { return Ok(false) };
        let Self { settings, report, writer, .. } = self;
        report.formats[about.format as usize] += 1;
        if flagged.depth > settings.depth {
            report.too_deep += 1;
            return Ok(false);
        }
        let added = lift::Added { process: settings.process.as_deref(), nonce: settings.nonce, index, about };
        let mut refuse = |why: String| {
            report.refused += 1;
            report.first_refusal.get_or_insert((index, why));
        };
        let said = match lift::lift(text, &added, &settings.type_prefix, settings.depth, writer) {
            Ok(said) => said,
            Err(e) => {
                refuse(e.to_string());
                return Ok(false);
            }
        };
        let time = said.time.or_else(|| about.time.as_deref().and_then(time::read));
        let id = self
            .process
            .as_deref()
            .zip(settings.nonce)
            .map(|(process, nonce)| id::event(process, nonce, index));
        let time = time.map(|nanos| {
            let mut text = Vec::with_capacity(30);
            format_time(&mut text, nanos);
            String::from_utf8(text).unwrap_or_default()
        });
        let data = writer.finish().map_err(|e| Error::internal(e.message().to_owned()))?;
        let found = Found {
            event_type: said.event_type.as_deref().unwrap_or(EVENT_TYPE),
            data,
            writer,
            time: time.as_deref(),
            id: id.as_deref(),
            index,
        };
        match to.take(&found) {
            Ok(taken) => {
                match taken {
                    Taken::Sent => report.events += 1,
                    Taken::Skipped => report.skipped += 1,
                }
                report.integers += said.integers;
                Ok(true)
            }
            // Of what can be wrong with an event only its size is wrong with all of its data.
            Err(e) if e.kind() == ErrorKind::InvalidEvent && e.place() == Some("data") => {
                report.too_large += 1;
                Ok(false)
            }
            Err(e) if e.kind() == ErrorKind::InvalidEvent => {
                refuse(e.to_string());
                Ok(false)
            }
            // It is in no lane, and the line is not lost: it goes through, as the rest of the log does.
            Err(e) => {
                report.unsent += 1;
                report.first_unsent.get_or_insert_with(|| (index, e.to_string()));
                Ok(false)
            }
        }
    }
}
