//! An object's canonical bytes (RFC 8785) in one pass.
//!
//! Guarantees: members come out sorted by UTF-16 code units, keys are unique, numbers are safe, nesting is
//! bounded. Values are written once, in the order given; an object whose keys did not come sorted is
//! permuted in place when it ends, and only then. The writer is reusable and keeps its buffers.

use std::cmp::Ordering;
use std::ops::Range;

use super::DEFAULT_DEPTH;
use super::keys::Keys;
use super::number::{safe, write_i64, write_safe_f64};
use super::parse::{Builder, JsonError};
use super::utf16::{LONE_SURROGATE, write_utf16};
use super::words::{below, equal};

/// Compares keys by UTF-16 code units, as RFC 8785 orders them.
#[must_use]
pub fn compare_keys(a: &str, b: &str) -> Ordering {
    match a.bytes().zip(b.bytes()).find(|(a, b)| a != b) {
        None => a.len().cmp(&b.len()),
        // UTF-8 sorts differently only where U+E000…U+FFFF (lead bytes 0xEE, 0xEF) meet characters that UTF-16 writes
        // as surrogates, which are lower (lead bytes from 0xF0).
        Some((a, b)) if a >= 0xEE && b >= 0xEE && (a >= 0xF0) != (b >= 0xF0) => b.cmp(&a),
        Some((a, b)) => a.cmp(&b),
    }
}

/// How many bytes at the start of `bytes` a JSON string holds unescaped.
fn plain(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let clean = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        below(word, b' ') | equal(word, b'"') | equal(word, b'\\') == 0
    };
    let start = words.iter().take_while(|word| clean(word)).count() * 8;
    // The rest, together with bytes before it that were checked already.
    if start == words.len() * 8
        && let Some(last) = bytes.last_chunk::<8>()
        && clean(last)
    {
        return bytes.len();
    }
    let escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    bytes[start..].iter().position(escaped).map_or(bytes.len(), |at| start + at)
}

/// Appends `s` as a JSON string with the escapes that RFC 8785 asks for, and no others.
pub fn write_string(out: &mut Vec<u8>, s: &str) {
    let (start, rest) = s.as_bytes().split_at(plain(s.as_bytes()));
    out.reserve(s.len() + 2);
    out.push(b'"');
    out.extend_from_slice(start);
    if !rest.is_empty() {
        escape(out, rest);
    }
    out.push(b'"');
}

/// Appends the rest of a string, from the first byte on that is escaped.
#[inline(never)]
fn escape(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some((byte, after)) = rest.split_first() {
        escape_one(out, *byte);
        let (start, escaped) = after.split_at(plain(after));
        out.extend_from_slice(start);
        rest = escaped;
    }
}

/// Appends a character that is escaped.
pub(super) fn escape_one(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        0x08 => out.extend_from_slice(b"\\b"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\n' => out.extend_from_slice(b"\\n"),
        0x0C => out.extend_from_slice(b"\\f"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&crate::hex::pair(byte));
        }
    }
}

/// Where a member of an open object lies: its decoded key in the key arena, `"key":value` in the buffer.
#[derive(Clone, Debug)]
struct Member {
    key: Range<usize>,
    whole: Range<usize>,
    value_at: usize,
    /// Whether its value, if that is a string, has escapes.
    escaped: bool,
}

#[derive(Clone, Debug)]
struct Frame {
    object: bool,
    /// Offset in the buffer of the container's opening bracket.
    start: usize,
    /// Index of the container's first member.
    members: usize,
    /// Offset in the key arena at which this container's keys begin.
    keys: usize,
    /// Items written so far.
    count: usize,
    sorted: bool,
    /// A key was written and waits for its value.
    pending_key: bool,
}

/// Writes one JSON object in RFC 8785 form, in one pass: members are sorted, keys are unique, numbers are safe, and
/// nesting is bounded.
#[derive(Clone)]
pub struct ObjectWriter {
    buf: Vec<u8>,
    keys: String,
    members: Vec<Member>,
    frames: Vec<Frame>,
    scratch: Vec<u8>,
    /// Room for texts that came as UTF-16.
    pub(super) narrowed: Vec<u8>,
    depth: usize,
    /// How many bytes it is meant to hold; see [`is_over`](Self::is_over).
    most: usize,
    done: bool,
    /// What the members' keys are, where they were known before.
    pub(super) known: Option<&'static Keys>,
}

impl std::fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the bytes: they are an event's data, and a debug print ends up in logs.
        write!(f, "ObjectWriter({} bytes)", self.buf.len())
    }
}

/// A finished object: its bytes, and where its top-level members are.
#[derive(Clone, Copy, Debug)]
pub struct Canonical<'a> {
    writer: &'a ObjectWriter,
}

impl<'a> Canonical<'a> {
    /// The RFC 8785 bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        &self.writer.buf
    }

    /// The top-level members in canonical order: decoded key, canonical bytes of the value.
    pub fn members(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let writer = self.writer;
        writer
            .members
            .iter()
            .map(move |m| (&writer.keys[m.key.clone()], &writer.buf[m.value_at..m.whole.end]))
    }

    /// The decoded keys of the top-level members, as bytes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let keys = self.writer.keys.as_bytes();
        self.writer.members.iter().map(move |m| keys.get(m.key.clone()).unwrap_or_default())
    }

    /// Whether all keys are ordinary: whether `ordinary` holds for each. Where the keys were known before, so is that.
    #[inline]
    pub(crate) fn is_ordinary(&self, ordinary: impl Fn(&[u8]) -> bool) -> bool {
        let look = || self.keys().all(&ordinary);
        self.writer.known.map_or_else(look, |keys| keys.are_ordinary(look))
    }

    /// Where in the bytes the values of the top-level members begin and end, in canonical order, and whether those that are
    /// strings have escapes.
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = (Range<usize>, bool)> + use<'a> {
        self.writer.members.iter().map(|m| (m.value_at..m.whole.end, m.escaped))
    }

    /// The canonical bytes of a top-level member's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.members().find(|(k, _)| *k == key).map(|(_, v)| v)
    }
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::with_depth(DEFAULT_DEPTH)
    }
}

impl ObjectWriter {
    /// A writer with the default limit of depth.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer whose object may nest `depth` deep, itself included.
    #[must_use]
    pub fn with_depth(depth: usize) -> Self {
        Self {
            buf: Vec::new(),
            keys: String::new(),
            members: Vec::new(),
            frames: Vec::new(),
            scratch: Vec::new(),
            narrowed: Vec::new(),
            depth,
            most: usize::MAX,
            done: false,
            known: None,
        }
    }

    /// Empties the writer and keeps its buffers; `depth` as in [`with_depth`](Self::with_depth).
    pub fn reset(&mut self, depth: usize) {
        self.buf.clear();
        self.keys.clear();
        self.members.clear();
        self.frames.clear();
        self.depth = depth;
        self.most = usize::MAX;
        self.done = false;
        self.known = None;
    }

    /// How deep its object may nest.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Says how many bytes it is meant to hold, so that who walks a value without an end can ask.
    #[doc(hidden)]
    pub fn limit_to(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// The refusal of a value of which twice as much has been written as [`limit_to`](Self::limit_to) said: of what is a little too
    /// long, whoever takes it can still say how long it is.
    #[doc(hidden)]
    #[must_use]
    pub fn is_over(&self) -> Option<JsonError> {
        (self.buf.len() / 2 > self.most).then(|| {
            JsonError::new(format!(
                "over the limit of {} bytes; nothing is truncated: send less, or a reference",
                self.most
            ))
        })
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// The finished object.
    ///
    /// # Errors
    /// Something is still open, or nothing was written.
    pub fn finish(&self) -> Result<Canonical<'_>, JsonError> {
        if self.done {
            Ok(Canonical { writer: self })
        } else {
            Err(JsonError::new("the object was not finished"))
        }
    }

    /// The members of the outermost object, as they come, while no other is open: decoded key, canonical bytes of the value, and
    /// whether that, if it is a string, has escapes.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&str, &[u8], bool)> {
        let part = |m: &Member| (&self.keys[m.key.clone()], &self.buf[m.value_at..m.whole.end], m.escaped);
        self.members.iter().map(part)
    }

    /// How many bytes its buffers have room for.
    pub(crate) fn room(&self) -> usize {
        let members = self.members.capacity() * size_of::<Member>();
        self.buf.capacity() + self.keys.capacity() + self.scratch.capacity() + members
    }

    /// The path of the value being written, as `a.b[3]`; empty for the object itself.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (i, frame) in self.frames.iter().enumerate() {
            if frame.object {
                let end = self.frames.get(i + 1).map_or(self.members.len(), |next| next.members);
                // A frame's own last member is the one whose value is being written.
                if end > frame.members {
                    let key = &self.keys[self.members[end - 1].key.clone()];
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
            } else {
                path.push_str(&format!("[{}]", frame.count.saturating_sub(1)));
            }
        }
        path
    }

    fn located<T>(&self, result: Result<T, JsonError>) -> Result<T, JsonError> {
        result.map_err(|e| e.in_path(self.path()))
    }

    /// Makes room for a value: a comma in an array, nothing after a key.
    fn before_value(&mut self) -> Result<(), JsonError> {
        let Some(frame) = self.frames.last_mut() else {
            return Err(JsonError::new("data must be an object"));
        };
        if frame.object {
            if !frame.pending_key {
                return Err(JsonError::new("a value without a key"));
            }
            frame.pending_key = false;
        } else {
            if frame.count > 0 {
                self.buf.push(b',');
            }
            frame.count += 1;
        }
        Ok(())
    }

    fn after_value(&mut self) {
        if self.frames.last().is_some_and(|frame| frame.object)
            && let Some(member) = self.members.last_mut()
        {
            member.whole.end = self.buf.len();
        }
    }

    fn open(&mut self, object: bool) -> Result<(), JsonError> {
        if self.frames.is_empty() {
            if !object || self.done {
                return Err(JsonError::new("data must be an object"));
            }
        } else {
            self.before_value()?;
        }
        if self.frames.len() >= self.depth {
            let limit = self.depth;
            return self.located(Err(JsonError::new(format!(
                "nested deeper than {limit}; flatten the value or send it as a string"
            ))));
        }
        self.frames.push(Frame {
            object,
            start: self.buf.len(),
            members: self.members.len(),
            keys: self.keys.len(),
            count: 0,
            sorted: true,
            pending_key: false,
        });
        self.buf.push(if object { b'{' } else { b'[' });
        Ok(())
    }

    fn duplicate(path: String, key: &str) -> JsonError {
        JsonError::new(format!("the key {key:?} is there twice")).in_path(path)
    }

    /// Puts the members of an object that ended unsorted in order.
    fn permute(&mut self, frame: &Frame) -> Result<(), JsonError> {
        let keys = &self.keys;
        let text = |m: &Member| &keys[m.key.clone()];
        self.members[frame.members..].sort_by(|a, b| compare_keys(text(a), text(b)));
        for pair in self.members[frame.members..].windows(2) {
            if keys[pair[0].key.clone()] == keys[pair[1].key.clone()] {
                let key = text(&pair[0]);
                let parent = self.path();
                let dot = if parent.is_empty() { "" } else { "." };
                return Err(Self::duplicate(format!("{parent}{dot}{key}"), key));
            }
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.buf[frame.start..]);
        self.buf.truncate(frame.start + 1);
        for (i, member) in self.members[frame.members..].iter_mut().enumerate() {
            if i > 0 {
                self.buf.push(b',');
            }
            let at = self.buf.len();
            self.buf.extend_from_slice(
                &self.scratch[member.whole.start - frame.start..member.whole.end - frame.start],
            );
            member.value_at = member.value_at - member.whole.start + at;
            member.whole = at..self.buf.len();
        }
        Ok(())
    }

    /// Begins an object: the root, a member's value or an array's item.
    ///
    /// # Errors
    /// Too deep, or no place for a value.
    pub fn begin_object(&mut self) -> Result<(), JsonError> {
        self.open(true)
    }

    /// Ends the innermost object.
    ///
    /// # Errors
    /// A key is there twice, or waits for its value.
    pub fn end_object(&mut self) -> Result<(), JsonError> {
        let Some(frame) = self.frames.pop_if(|frame| frame.object && !frame.pending_key) else {
            return Err(JsonError::new("no object to end"));
        };
        if !frame.sorted {
            self.permute(&frame)?;
        }
        self.buf.push(b'}');
        if self.frames.is_empty() {
            self.done = true;
        } else {
            self.members.truncate(frame.members);
            self.keys.truncate(frame.keys);
            self.after_value();
        }
        Ok(())
    }

    /// Begins an array.
    ///
    /// # Errors
    /// As [`begin_object`](Self::begin_object).
    pub fn begin_array(&mut self) -> Result<(), JsonError> {
        self.open(false)
    }

    /// Ends the innermost array.
    ///
    /// # Errors
    /// There is none.
    pub fn end_array(&mut self) -> Result<(), JsonError> {
        if self.frames.pop_if(|frame| !frame.object).is_none() {
            return Err(JsonError::new("no list to end"));
        }
        self.buf.push(b']');
        self.after_value();
        Ok(())
    }

    /// Writes a member's key; its value must follow.
    ///
    /// # Errors
    /// The key is there already (found at once when keys come sorted, else at the object's end).
    pub fn key(&mut self, key: &str) -> Result<(), JsonError> {
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.object && !frame.pending_key) else {
            return Err(JsonError::new("a key outside an object"));
        };
        if frame.count > 0 {
            self.buf.push(b',');
            if frame.sorted
                && let Some(last) = self.members.last()
            {
                match compare_keys(&self.keys[last.key.clone()], key) {
                    Ordering::Less => {}
                    Ordering::Greater => frame.sorted = false,
                    Ordering::Equal => return Err(Self::duplicate(self.path(), key)),
                }
            }
        }
        frame.count += 1;
        frame.pending_key = true;
        let start = self.keys.len();
        self.keys.push_str(key);
        let at = self.buf.len();
        write_string(&mut self.buf, key);
        self.buf.push(b':');
        self.members.push(Member {
            key: start..self.keys.len(),
            whole: at..self.buf.len(),
            value_at: self.buf.len(),
            escaped: false,
        });
        Ok(())
    }

    /// Writes an object with these keys, and asks for the values in canonical order, by their places in the order in which they
    /// come. `simple` appends a value that is neither an object nor a list, and says whether it has escapes; or `value` writes it.
    pub(super) fn object_with<E: From<JsonError>>(
        &mut self,
        keys: &Keys,
        mut simple: impl FnMut(&mut Vec<u8>, usize) -> Result<Option<bool>, E>,
        mut value: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(true)?;
        let (inside, base) = (self.frames.len(), self.keys.len());
        self.keys.push_str(&keys.text);
        self.members.reserve(keys.len());
        let (mut from, mut quoted_from) = (0, 1);
        for (i, key) in keys.places.iter().enumerate() {
            let at = self.buf.len() + usize::from(i > 0);
            self.buf.extend_from_slice(&keys.quoted[quoted_from..key.quoted_end]);
            let value_at = self.buf.len();
            let written = simple(&mut self.buf, key.at)?;
            self.members.push(Member {
                key: base + from..base + key.end,
                whole: at..self.buf.len(),
                value_at,
                escaped: written.unwrap_or_default(),
            });
            (from, quoted_from) = (key.end, key.quoted_end);
            if written.is_some() {
                continue;
            }
            if let Some(frame) = self.frames.last_mut() {
                frame.count = i + 1;
                frame.pending_key = true;
            }
            value(self, key.at)?;
            let one = |frame: &Frame| !frame.pending_key && frame.count == i + 1;
            if self.frames.len() != inside || !self.frames.last().is_some_and(one) {
                return Err(JsonError::new("a key with another number of values than one").into());
            }
        }
        Ok(self.end_object()?)
    }

    /// Writes a string.
    ///
    /// # Errors
    /// No place for a value.
    pub fn string(&mut self, s: &str) -> Result<(), JsonError> {
        self.before_value()?;
        let start = self.buf.len();
        write_string(&mut self.buf, s);
        self.after_value();
        // Of a list of strings it says nothing that anybody asks for.
        if let Some(member) = self.members.last_mut() {
            member.escaped = self.buf.len() - start != s.len() + 2;
        }
        Ok(())
    }

    /// Writes a string that is UTF-16.
    ///
    /// # Errors
    /// As [`string`](Self::string); or it holds half of a character.
    pub(super) fn utf16(&mut self, units: &[u16]) -> Result<(), JsonError> {
        self.before_value()?;
        let Some(escaped) = write_utf16(&mut self.buf, units) else {
            return self.located(Err(JsonError::new(LONE_SURROGATE)));
        };
        self.after_value();
        if let Some(member) = self.members.last_mut() {
            member.escaped = escaped;
        }
        Ok(())
    }

    /// Writes an integer.
    ///
    /// # Errors
    /// Outside ±(2^53−1).
    pub fn int(&mut self, value: i128) -> Result<(), JsonError> {
        self.before_value()?;
        let value = self.located(safe(value))?;
        write_i64(&mut self.buf, value);
        self.after_value();
        Ok(())
    }

    /// Writes a double.
    ///
    /// # Errors
    /// NaN, an infinity, or an integral value outside ±(2^53−1).
    pub fn float(&mut self, value: f64) -> Result<(), JsonError> {
        self.before_value()?;
        if let Err(e) = write_safe_f64(&mut self.buf, value) {
            return self.located(Err(e));
        }
        self.after_value();
        Ok(())
    }

    /// Writes a boolean.
    ///
    /// # Errors
    /// No place for a value.
    pub fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.literal(if value { b"true" } else { b"false" })
    }

    /// Writes `null`.
    ///
    /// # Errors
    /// No place for a value.
    pub fn null(&mut self) -> Result<(), JsonError> {
        self.literal(b"null")
    }

    /// Refuses the value that would come now, with its path: for bindings whose language has values that JSON does not
    /// have.
    #[must_use]
    pub fn refuse(&mut self, message: impl Into<String>) -> JsonError {
        if let Err(e) = self.before_value() {
            return e;
        }
        JsonError::new(message).in_path(self.path())
    }

    /// Writes a member whose value is neither an object nor a list: what its key and that value by themselves do, looked at once.
    /// `value` appends it, and says whether it has escapes.
    #[inline]
    pub(super) fn member(
        &mut self,
        key: &str,
        value: impl FnOnce(&mut Vec<u8>) -> Result<bool, JsonError>,
    ) -> Result<(), JsonError> {
        self.key(key)?;
        let escaped = match value(&mut self.buf) {
            Ok(escaped) => escaped,
            Err(e) => return self.located(Err(e)),
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.pending_key = false;
        }
        if let Some(member) = self.members.last_mut() {
            member.whole.end = self.buf.len();
            member.escaped = escaped;
        }
        Ok(())
    }

    /// Writes a value that another writer wrote, of which [`written`](Self::written) says whether it has escapes.
    pub(crate) fn ready(&mut self, value: &[u8], escaped: bool) -> Result<(), JsonError> {
        self.literal(value)?;
        if let Some(member) = self.members.last_mut() {
            member.escaped = escaped;
        }
        Ok(())
    }

    fn literal(&mut self, text: &[u8]) -> Result<(), JsonError> {
        self.before_value()?;
        self.buf.extend_from_slice(text);
        self.after_value();
        Ok(())
    }
}

impl Builder for ObjectWriter {
    fn begin_object(&mut self) -> Result<(), JsonError> {
        Self::begin_object(self)
    }
    fn end_object(&mut self) -> Result<(), JsonError> {
        Self::end_object(self)
    }
    fn begin_array(&mut self) -> Result<(), JsonError> {
        Self::begin_array(self)
    }
    fn end_array(&mut self) -> Result<(), JsonError> {
        Self::end_array(self)
    }
    fn key(&mut self, key: &str) -> Result<(), JsonError> {
        Self::key(self, key)
    }
    fn string(&mut self, s: &str) -> Result<(), JsonError> {
        Self::string(self, s)
    }
    fn int(&mut self, value: i64) -> Result<(), JsonError> {
        Self::int(self, i128::from(value))
    }
    fn float(&mut self, value: f64) -> Result<(), JsonError> {
        Self::float(self, value)
    }
    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        Self::bool(self, value)
    }
    fn null(&mut self) -> Result<(), JsonError> {
        Self::null(self)
    }
    fn refused(&mut self) {
        // If no value may come here, that error has its own words.
        let _ = self.before_value();
    }
    fn path(&self) -> String {
        Self::path(self)
    }
}
