//! The record: one sealed envelope, or one stream's head, as bytes in a segment.
//!
//! Guarantees: a record is recognised only with its segment's salt and its own place in the sub-journal;
//! decoding never panics and never reads past the slice, whatever the bytes.
//!
//! ```text
//!  0  u32  length of the payload, without padding
//!  4  u32  CRC32C of: salt, then this header without this field
//!  8  u64  position: number of the envelope in the sub-journal, from 1
//! 16  u8   kind: 1 envelope, 2 head
//! 17  u8   flags: 1 own, 2 terminal, 4 closes its stream, 8 signed, 16 a span goes with it, 32 its threshold is unknown,
//!          64 its threshold is set
//! 18  u16  length of agentid
//! 20  u32  CRC32C of: salt, then the payload
//! 24       payload: streamid (16), sequence (u64), hash (32), digest (32), recorded time (i64), the span's threshold where
//!          it is set (u64), agentid, envelope
//!          zeros up to the next multiple of 8
//! ```
//!
//! Integers are little-endian. A head has no envelope, and the position of the envelope before it.

use std::fmt;
use std::sync::Arc;

use crate::seam::{UnixNanos, Uuid};
use crate::sink::{EnvelopeHash, SpanForm, SpanThreshold};

/// Number of an envelope within its sub-journal, from 1 and without gaps; 0 is before the first. It has
/// nothing to do with an envelope's `sequence`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A sealed envelope as the journal takes it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The stream it belongs to.
    pub streamid: Uuid,
    /// The stream's agent.
    pub agentid: &'a str,
    /// Its place in the stream.
    pub sequence: u64,
    /// Its hash: the stream's head after it.
    pub hash: EnvelopeHash,
    /// The digest of its event.
    pub digest: [u8; 32],
    /// When it was sealed.
    pub recordedtime: UnixNanos,
    /// Whether sinkwell made it about itself.
    pub own: bool,
    /// Whether it may never be sacrificed for progress.
    pub terminal: bool,
    /// Whether it is its stream's `closed`.
    pub closes: bool,
    /// Whether it carries a signature.
    pub signed: bool,
    /// What goes with it as a span, if anything.
    pub span: Option<SpanForm>,
    /// The line, exactly as it goes to the sink, disclosures included.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: they may hold content.
        write!(f, "Record({}/{}, {} bytes)", self.streamid, self.sequence, self.bytes.len())
    }
}

/// A sealed envelope as the journal gives it back.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the sub-journal, to acknowledge it by.
    pub position: Position,
    /// The stream it belongs to.
    pub streamid: Uuid,
    /// The stream's agent.
    pub agentid: Arc<str>,
    /// Its place in the stream.
    pub sequence: u64,
    /// Its hash.
    pub hash: EnvelopeHash,
    /// The digest of its event.
    pub digest: [u8; 32],
    /// When it was sealed.
    pub recordedtime: UnixNanos,
    /// Whether sinkwell made it about itself.
    pub own: bool,
    /// Whether it may never be sacrificed for progress.
    pub terminal: bool,
    /// Whether it is its stream's `closed`.
    pub closes: bool,
    /// Whether it carries a signature.
    pub signed: bool,
    /// What goes with it as a span, if anything.
    pub span: Option<SpanForm>,
    /// The line, exactly as it was appended.
    pub bytes: Box<[u8]>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, streamid, sequence, bytes, .. } = self;
        write!(f, "Stored({} {streamid}/{sequence}, {} bytes)", position.0, bytes.len())
    }
}

/// CRC32C of a segment's random salt: where every checksum in that segment starts.
pub(super) type Salt = u32;

pub(super) const HEADER: usize = 24;
const FIXED: usize = 16 + 8 + 32 + 32 + 8;
const FLAG_OWN: u8 = 1;
const FLAG_TERMINAL: u8 = 2;
const FLAG_CLOSES: u8 = 4;
const FLAG_SIGNED: u8 = 8;
const FLAG_SPAN: u8 = 16;
const FLAG_UNKNOWN: u8 = 32;
const FLAG_SET: u8 = 64;
const FLAGS: u8 = FLAG_OWN | FLAG_TERMINAL | FLAG_CLOSES | FLAG_SIGNED | FLAG_SPAN | FLAG_UNKNOWN | FLAG_SET;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Envelope = 1,
    Head = 2,
}

/// A record as it lies in a segment, borrowed.
pub(super) struct FoundRecord<'a> {
    pub(super) kind: Kind,
    pub(super) position: Position,
    pub(super) record: Record<'a>,
    /// Bytes it takes, padding included.
    pub(super) size: usize,
}

impl FoundRecord<'_> {
    pub(super) fn to_stored(&self) -> Stored {
        let r = &self.record;
        Stored {
            position: self.position,
            streamid: r.streamid,
            agentid: Arc::from(r.agentid),
            sequence: r.sequence,
            hash: r.hash,
            digest: r.digest,
            recordedtime: r.recordedtime,
            own: r.own,
            terminal: r.terminal,
            closes: r.closes,
            signed: r.signed,
            span: r.span,
            bytes: Box::from(r.bytes),
        }
    }
}

/// Why no record was found at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Nothing of this segment begins here.
    Nothing,
    /// A record of this segment begins here, but is not whole.
    Torn,
}

/// How long an agent id may be: its length is 16 bits.
pub(super) const MAX_AGENT: usize = u16::MAX as usize;

const THRESHOLD: usize = 8;

fn threshold(record: &Record<'_>) -> Option<u64> {
    match record.span?.threshold {
        SpanThreshold::Set(threshold) => Some(threshold),
        SpanThreshold::Brought | SpanThreshold::Unknown => None,
    }
}

/// Bytes that `record` takes in a segment; `None` when it cannot be written at all.
pub(super) fn size(record: &Record<'_>) -> Option<usize> {
    let threshold = threshold(record).map_or(0, |_| THRESHOLD);
    let payload = (FIXED + threshold).checked_add(record.agentid.len())?.checked_add(record.bytes.len())?;
    if record.agentid.len() > MAX_AGENT || u32::try_from(payload).is_err() {
        return None;
    }
    Some((HEADER + payload).next_multiple_of(8))
}

/// Appends `record`, whose [`size`] is known to exist.
pub(super) fn encode(out: &mut Vec<u8>, salt: Salt, kind: Kind, position: Position, record: &Record<'_>) {
    let start = out.len();
    out.resize(start + HEADER, 0);
    out.extend_from_slice(&record.streamid.0);
    out.extend_from_slice(&record.sequence.to_le_bytes());
    out.extend_from_slice(&record.hash);
    out.extend_from_slice(&record.digest);
    out.extend_from_slice(&record.recordedtime.to_le_bytes());
    if let Some(threshold) = threshold(record) {
        out.extend_from_slice(&threshold.to_le_bytes());
    }
    out.extend_from_slice(record.agentid.as_bytes());
    out.extend_from_slice(record.bytes);

    let payload = &out[start + HEADER..];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let agent = u16::try_from(record.agentid.len()).unwrap_or(u16::MAX);
    let payload_crc = crc(salt, payload);
    let set = |on: bool, flag: u8| if on { flag } else { 0 };
    let flags = set(record.own, FLAG_OWN)
        | set(record.terminal, FLAG_TERMINAL)
        | set(record.closes, FLAG_CLOSES)
        | set(record.signed, FLAG_SIGNED)
        | record.span.map_or(0, |form| match form.threshold {
            SpanThreshold::Brought => FLAG_SPAN,
            SpanThreshold::Unknown => FLAG_SPAN | FLAG_UNKNOWN,
            SpanThreshold::Set(_) => FLAG_SPAN | FLAG_SET,
        });

    let header = &mut out[start..start + HEADER];
    header[0..4].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&position.0.to_le_bytes());
    header[16] = kind as u8;
    header[17] = flags;
    header[18..20].copy_from_slice(&agent.to_le_bytes());
    header[20..24].copy_from_slice(&payload_crc.to_le_bytes());
    let check = header_crc(salt, header);
    header[4..8].copy_from_slice(&check.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
}

/// Reads the record at the beginning of `bytes`.
pub(super) fn decode(bytes: &[u8], salt: Salt) -> Result<FoundRecord<'_>, Absent> {
    let Some(header) = bytes.get(..HEADER) else { return Err(Absent::Nothing) };
    if u32_at(header, 4) != header_crc(salt, header) {
        return Err(Absent::Nothing);
    }
    let kind = match header[16] {
        1 => Kind::Envelope,
        2 => Kind::Head,
        _ => return Err(Absent::Nothing),
    };
    let length = u32_at(header, 0) as usize;
    let agent = usize::from(u16::from_le_bytes([header[18], header[19]]));
    let flags = header[17];
    let form = match flags & (FLAG_SPAN | FLAG_UNKNOWN | FLAG_SET) {
        0 | FLAG_SPAN => Some(SpanThreshold::Brought),
        both if both == FLAG_SPAN | FLAG_UNKNOWN => Some(SpanThreshold::Unknown),
        both if both == FLAG_SPAN | FLAG_SET => Some(SpanThreshold::Set(0)),
        _ => None,
    };
    let Some(form) = form else { return Err(Absent::Nothing) };
    let fixed = FIXED + if flags & FLAG_SET == 0 { 0 } else { THRESHOLD };
    if length < fixed + agent || flags & !FLAGS != 0 {
        return Err(Absent::Nothing);
    }
    let payload = bytes.get(HEADER..HEADER + length).ok_or(Absent::Torn)?;
    if crc(salt, payload) != u32_at(header, 20) {
        return Err(Absent::Torn);
    }
    let agentid = std::str::from_utf8(&payload[fixed..fixed + agent]).map_err(|_| Absent::Torn)?;
    let threshold = match form {
        SpanThreshold::Set(_) => SpanThreshold::Set(u64::from_le_bytes(array(payload, FIXED))),
        other => other,
    };
    let record = Record {
        streamid: Uuid(array(payload, 0)),
        agentid,
        sequence: u64::from_le_bytes(array(payload, 16)),
        hash: array(payload, 24),
        digest: array(payload, 56),
        recordedtime: i64::from_le_bytes(array(payload, 88)),
        own: flags & FLAG_OWN != 0,
        terminal: flags & FLAG_TERMINAL != 0,
        closes: flags & FLAG_CLOSES != 0,
        signed: flags & FLAG_SIGNED != 0,
        span: (flags & FLAG_SPAN != 0).then_some(SpanForm { threshold }),
        bytes: &payload[fixed + agent..],
    };
    let position = Position(u64::from_le_bytes(array(header, 8)));
    Ok(FoundRecord { kind, position, record, size: (HEADER + length).next_multiple_of(8) })
}

/// CRC32C of the salt and `bytes`.
pub(super) fn crc(salt: Salt, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(salt, bytes)
}

fn header_crc(salt: Salt, header: &[u8]) -> u32 {
    crc32c::crc32c_append(crc(salt, &header[0..4]), &header[8..HEADER])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The `N` bytes at `at`; the caller has checked that they exist.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
