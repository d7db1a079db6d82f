//! The messages of the stream, and how gRPC frames them.
//!
//! Guarantees: reading never panics, whatever the bytes, and holds no more than its limit.

use crate::sinks::otlp::http::{Field, Fields, put_bytes, put_varint};

/// Where our own stream is found.
pub(crate) const PATH: &str = "/sinkwell.stream.v1.Intake/Stream";
/// The header by which either end says what it speaks: `compact/1`.
pub(crate) const HEADER: &str = "sinkwell-stream";

/// The status of a batch that is there; whatever else it is, it is none.
const OK: u64 = 1;

/// Most bytes of a `BatchStatus`: the envelopes of a whole batch may be refused one by one.
pub(crate) const MOST_STATUS: usize = 4 << 20;

/// `BatchStatus`: what became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) batch: u64,
    pub(crate) ok: bool,
    /// Envelopes that are refused for good although the batch was read: their places in it, and why.
    pub(crate) refused: Vec<(usize, String)>,
}

impl Status {
    #[cfg(any(test, feature = "intake"))]
    /// As a message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![1 << 3];
        put_varint(&mut out, self.batch);
        out.push(2 << 3);
        put_varint(&mut out, if self.ok { OK } else { 0 });
        for (place, why) in &self.refused {
            let mut refused = vec![1 << 3];
            put_varint(&mut refused, *place as u64);
            put_bytes(&mut refused, 2 << 3 | 2, why.as_bytes());
            // A field of our own, which other peers skip.
            put_bytes(&mut out, 15 << 3 | 2, &refused);
        }
        out
    }

    /// `None`: it is none.
    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        let mut fields = Fields::new(message);
        for field in fields.by_ref() {
            match field {
                (1, Field::Varint(batch)) => status.batch = batch,
                (2, Field::Varint(value)) => status.ok = value == OK,
                (15, Field::Bytes(refused)) => {
                    let (mut place, mut why) = (0, String::new());
                    let mut fields = Fields::new(refused);
                    for field in fields.by_ref() {
                        match field {
                            (1, Field::Varint(n)) => place = usize::try_from(n).ok()?,
                            (2, Field::Bytes(text)) => why = String::from_utf8_lossy(text).into_owned(),
                            _ => {}
                        }
                    }
                    // No batch has more envelopes.
                    if fields.is_broken() || status.refused.len() == super::compact::MOST_EVENTS {
                        return None;
                    }
                    status.refused.push((place, why));
                }
                _ => {}
            }
        }
        (!fields.is_broken()).then_some(status)
    }
}

/// A `StatefulBatch`, behind its prefix.
pub(crate) fn frame_batch(batch: u64, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(data.len() + 16);
    message.push(1 << 3);
    put_varint(&mut message, batch);
    put_bytes(&mut message, 2 << 3 | 2, data);
    frame(&message)
}

#[cfg(any(test, feature = "intake"))]
/// The number and the data of a `StatefulBatch`; `None`: it is none.
pub(crate) fn read_batch(message: &[u8]) -> Option<(u64, &[u8])> {
    let (mut batch, mut data) = (0, None);
    let mut fields = Fields::new(message);
    for field in fields.by_ref() {
        match field {
            (1, Field::Varint(number)) => batch = number,
            (2, Field::Bytes(bytes)) => data = Some(bytes),
            _ => {}
        }
    }
    (!fields.is_broken()).then_some((batch, data?))
}

/// A message behind the prefix that gRPC puts before it, not compressed.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 5);
    out.push(0);
    out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// Puts messages together again from whatever pieces they come in.
pub(crate) struct Messages {
    held: Vec<u8>,
    most: usize,
}

/// What came is no message that may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Messages {
    /// Of messages no longer than that.
    pub(crate) fn new(most: usize) -> Self {
        Self { held: Vec::new(), most }
    }

    /// More bytes have come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// It is compressed, or too long.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Unreadable> {
        let Some((prefix, rest)) = self.held.split_first_chunk::<5>() else { return Ok(None) };
        let [flag, length @ ..] = prefix;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Unreadable)?;
        if *flag != 0 || length > self.most {
            return Err(Unreadable);
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message = message.to_vec();
        self.held.drain(..5 + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_whatever_the_pieces() {
        let status =
            Status { batch: 300, ok: true, refused: vec![(7, "too large".into()), (0, String::new())] };
        assert_eq!(Status::decode(&status.encode()), Some(status.clone()));
        let mut bytes = frame(&status.encode());
        bytes.extend(frame_batch(1, b"data"));
        let mut messages = Messages::new(100);
        let mut got = Vec::new();
        for byte in bytes {
            messages.push(&[byte]);
            got.extend(messages.next().unwrap());
        }
        assert_eq!(Status::decode(&got[0]), Some(status));
        assert_eq!(read_batch(&got[1]), Some((1, &b"data"[..])));
    }

    #[test]
    fn what_is_no_message_is_none() {
        // A status that is not there, or not known, is not OK.
        assert_eq!(Status::decode(&[8, 1]), Some(Status { batch: 1, ok: false, refused: vec![] }));
        assert!(!Status::decode(&[8, 1, 16, 2]).unwrap().ok);
        assert_eq!(Status::decode(&[8]), None);
        let endless = [15 << 3 | 2, 0].repeat(super::super::compact::MOST_EVENTS + 1);
        assert_eq!(Status::decode(&endless), None);
        assert_eq!(read_batch(&[8, 1]), None);
        let mut messages = Messages::new(10);
        messages.push(&[0, 0, 0, 0, 11]);
        assert_eq!(messages.next(), Err(Unreadable));
        let mut messages = Messages::new(10);
        messages.push(&[1, 0, 0, 0, 1, 0]);
        assert_eq!(messages.next(), Err(Unreadable));
    }
}
