//! A batch of envelopes as export requests.
//!
//! Guarantees: the envelopes keep their order; no request is larger than the limit; an envelope that alone
//! would exceed it, or whose bytes are no envelope, is named and in no request. The bytes of a request are
//! written once and never moved again: what comes before the records (five bytes for gRPC, the resource, the
//! scope) fits into room kept in front of them.

use bytes::Bytes;

use super::OtlpBody;
use crate::sink::Envelope;

use super::record::RecordWriter;
use super::resource::Resource;
use super::semconv::Names;
use super::wire::{field_len, len_tag, put_bytes, put_head, varint_len};

/// `ExportLogsServiceRequest.resource_logs`
const RESOURCE_LOGS: u8 = len_tag(1);
/// `ResourceLogs.resource`
const RESOURCE: u8 = len_tag(1);
/// `ResourceLogs.scope_logs`
const SCOPE_LOGS: u8 = len_tag(2);
/// `ResourceLogs.schema_url`
const SCHEMA_URL: u8 = len_tag(3);
/// `ScopeLogs.scope`
const SCOPE: u8 = len_tag(1);

/// Bytes of a gRPC message's prefix: a flag and a length.
pub(in crate::sinks) const GRPC_PREFIX: usize = 5;

/// Makes requests; keeps its buffers.
pub(super) struct RequestWriter {
    /// `resource` and `schema_url` of `ResourceLogs`, as fields.
    resource: Vec<u8>,
    /// `scope` of `ScopeLogs`, as a field.
    scope: Vec<u8>,
    body: OtlpBody,
    limit: usize,
    records: RecordWriter,
}

/// What became of the next envelopes of a batch.
pub(super) enum Next {
    /// A request that holds this many of them.
    Request {
        /// Its bytes, as one uncompressed gRPC message: without the first [`GRPC_PREFIX`] bytes it is the
        /// body of an HTTP request.
        message: Bytes,
        /// How many.
        envelopes: usize,
    },
    /// The first of them alone is larger than a request may be.
    TooLarge {
        /// The size of a request with it alone.
        size: usize,
    },
    /// The first of them is not the JSON of an envelope.
    Malformed,
}

impl RequestWriter {
    /// A writer of requests of at most `limit` bytes.
    pub(super) fn new(resource: &Resource, body: OtlpBody, limit: usize) -> Self {
        let mut resource_fields = Vec::new();
        put_bytes(&mut resource_fields, RESOURCE, &resource.encode());
        put_bytes(&mut resource_fields, SCHEMA_URL, Names::get().schema_url.as_bytes());
        let mut scope = Vec::new();
        put_bytes(&mut scope, len_tag(1), b"sinkwell");
        put_bytes(&mut scope, len_tag(2), env!("CARGO_PKG_VERSION").as_bytes());
        let mut scope_field = Vec::new();
        put_bytes(&mut scope_field, SCOPE, &scope);
        Self { resource: resource_fields, scope: scope_field, body, limit, records: RecordWriter::default() }
    }

    /// Bytes in front of the records, at most.
    fn room(&self) -> usize {
        // Two heads of a tag and a length of at most five bytes.
        GRPC_PREFIX + 6 + self.resource.len() + 6 + self.scope.len()
    }

    /// The size of a request with `records` bytes of records.
    fn size(&self, records: usize) -> usize {
        field_len(self.resource.len() + field_len(self.scope.len() + records))
    }

    /// The request that begins with the first envelope of `batch`, which is not empty.
    pub(super) fn next(&mut self, batch: &[Envelope]) -> Next {
        let room = self.room();
        let guess: usize = batch.iter().map(|envelope| envelope.bytes.len() * 3 + 64).sum();
        let mut bytes = Vec::with_capacity(room + guess.min(self.limit + 64));
        bytes.resize(room, 0);
        let mut envelopes = 0;
        for envelope in batch {
            let before = bytes.len();
            if self.records.put(&mut bytes, envelope, self.body, Names::get()).is_err() {
                if envelopes == 0 {
                    return Next::Malformed;
                }
                break;
            }
            let size = self.size(bytes.len() - room);
            if size > self.limit {
                if envelopes == 0 {
                    return Next::TooLarge { size };
                }
                bytes.truncate(before);
                break;
            }
            envelopes += 1;
        }
        let start = self.put_front(&mut bytes, room);
        Next::Request { message: Bytes::from(bytes).slice(start..), envelopes }
    }

    /// A request without records, by which a receiver can be tried.
    pub(super) fn empty() -> Bytes {
        Bytes::from_static(&[0; GRPC_PREFIX])
    }

    /// Writes what comes before the records into the room; returns where it begins.
    fn put_front(&self, bytes: &mut [u8], room: usize) -> usize {
        let records = bytes.len() - room;
        let scope_logs = self.scope.len() + records;
        let resource_logs = self.resource.len() + 1 + varint_len(scope_logs) + scope_logs;
        let mut front = Vec::with_capacity(room);
        let message = 1 + varint_len(resource_logs) + resource_logs;
        front.extend_from_slice(&grpc_prefix(false, message));
        put_head(&mut front, RESOURCE_LOGS, resource_logs);
        front.extend_from_slice(&self.resource);
        put_head(&mut front, SCOPE_LOGS, scope_logs);
        front.extend_from_slice(&self.scope);
        let start = room - front.len();
        bytes[start..room].copy_from_slice(&front);
        start
    }
}

/// The prefix of a gRPC message of `len` bytes.
pub(super) fn grpc_prefix(compressed: bool, len: usize) -> [u8; GRPC_PREFIX] {
    // A request is far below 4 GiB: `max_request_bytes` is held to that.
    let [a, b, c, d] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}
