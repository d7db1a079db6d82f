//! The logs that are read.

/// The line of that number.
type Line = fn(usize) -> String;

/// Lines that are no events, as programs write them.
pub(crate) const PLAIN: [(&str, Line); 3] = [
    ("words", |n| {
        format!(
            "INFO  [worker-{}] request {n} of user {} was served in {} ms, nothing was cached\n",
            n % 16,
            n * 7919 % 10_007,
            n % 900
        )
    }),
    ("times", |n| {
        format!(
            "2026-01-31T12:{:02}:{:02}.{:03}Z INFO worker-{} request {n} of user {} was served in {} ms\n",
            n / 60 % 60,
            n % 60,
            n % 1000,
            n % 16,
            n * 7919 % 10_007,
            n % 900
        )
    }),
    ("JSON", |n| {
        format!(
            "{{\"level\":\"info\",\"ts\":\"2026-01-31T12:00:00.{:03}Z\",\"msg\":\"request served\",\"request\":{n},\"user\":{},\"took_ms\":{}}}\n",
            n % 1000,
            n * 7919 % 10_007,
            n % 900
        )
    }),
];

/// Lines up to so many bytes.
pub(crate) fn repeated(bytes: usize, line: Line) -> Vec<u8> {
    let mut log = Vec::with_capacity(bytes + 256);
    for n in 0.. {
        if log.len() >= bytes {
            break;
        }
        log.extend_from_slice(line(n).as_bytes());
    }
    log
}

/// So many flagged lines of 500 bytes, a dozen members each.
pub(crate) fn flagged(events: usize) -> Vec<u8> {
    let mut log = Vec::with_capacity(events * 500);
    for n in 0..events {
        let begin = format!(
            "{{\"_e\":1,\"timestamp\":{},\"action\":\"transfer\",\"handler\":\"transfer\",\"level\":\"info\",\"sender\":\"{:043}\",\"recipient\":\"{:043}\",\"value\":{},\"fee\":{}.25,\"ok\":true,\"tags\":[\"a\",\"b\",\"c\"],\"request\":{{\"id\":\"{n:016x}\",\"block\":{},\"slot\":null}},\"note\":\"",
            1_769_860_800_000 + n,
            n * 7919,
            n * 104_729,
            n % 100_000,
            n % 10,
            n / 100
        );
        log.extend_from_slice(begin.as_bytes());
        let words = b"a sandbox prints what it did, and goes on; ";
        log.extend(words.iter().cycle().take(500 - 3 - begin.len()));
        log.extend_from_slice(b"\"}\n");
    }
    log
}
