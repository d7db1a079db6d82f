//! What an answer says of each event.
//!
//! | answer | what becomes of the events |
//! | --- | --- |
//! | 200 with an array of as many elements | each by its own: 2xx is there, 429 and 5xx again, else refused for good |
//! | 200 with anything else | all again: nobody said that they are there |
//! | 401, 403 | all wait: the key |
//! | 404 | all wait: the dataset |
//! | 408, 429, 5xx | all again, after what `Retry-After` or `RateLimit` say, else after the lane's own back-off |
//! | 415 | all again, less compressed (see `sink`); uncompressed already: all wait |
//! | 400, 413, 422 | refused as one: the lane splits the batch until the offender is alone |
//! | any other | all wait: whoever answers so is no API of Honeycomb's, which says nothing of the events |

use std::time::Duration;

use hyper::header::HeaderMap;

use crate::json::{Value, parse};
use crate::seam::UnixNanos;
use crate::sink::{Answer, Answers, Failure, FailureKind};
use crate::sinks::otlp::http::{Reply, decompress, retry_after};

/// The most of an answer that is read as JSON.
const MOST: usize = 1 << 20;

/// A receiver's own words, for the host's eyes: never with the key in them.
pub(super) fn words(reply: &Reply, key: &str) -> String {
    let encoding = reply.headers.get(hyper::header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let body = decompress(encoding.unwrap_or_default(), &reply.body, MOST).unwrap_or_default();
    String::from_utf8_lossy(&body).replace(key, "…").trim().to_owned()
}

/// How long to wait, if the answer says so.
pub(super) fn after(headers: &HeaderMap, now: UnixNanos) -> Option<Duration> {
    let limit = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // `RateLimit: limit=100, remaining=0, reset=30`
    let reset = limit("ratelimit").and_then(|value| {
        let parts: Vec<_> = value.split([',', ';']).filter_map(|part| part.trim().split_once('=')).collect();
        let of = |name: &str| {
            parts.iter().find(|(key, _)| *key == name).and_then(|(_, n)| n.trim().parse::<u64>().ok())
        };
        of("reset")
            .or_else(|| of("t"))
            .filter(|_| of("remaining").or_else(|| of("r")).is_none_or(|left| left == 0))
    });
    retry_after(headers, now).or_else(|| reset.map(Duration::from_secs))
}

/// The answers for `n` events that were sent in one request.
pub(super) fn judge(
    reply: &Reply,
    n: usize,
    place: &str,
    dataset: &str,
    key: &str,
    now: UnixNanos,
) -> Answers {
    let status = reply.status.as_u16();
    let after = after(&reply.headers, now);
    let failure =
        |kind, text: String| Failure::new(kind, format!("{place}: {text}")).detail(words(reply, key));
    match status {
        200..300 => match elements(reply, n) {
            Some(elements) => {
                Answers::Each(elements.iter().map(|element| of_one(element, place, key, after)).collect())
            }
            None => Answers::Retry(
                failure(
                    FailureKind::Network,
                    format!(
                        "HTTP {status} with an answer that does not say what became of each of {n} events"
                    ),
                ),
                after,
            ),
        },
        401 | 403 => Answers::Retry(
            failure(
                FailureKind::Auth,
                format!(
                    "HTTP {status}: the key is not accepted here; see `api_key`, HONEYCOMB_API_KEY and what the key may do"
                ),
            ),
            after,
        ),
        404 => Answers::Retry(
            failure(
                FailureKind::Rejected,
                format!(
                    "HTTP 404: there is no dataset {dataset:?} that this key may send to; make it, or set `dataset`"
                ),
            ),
            after,
        ),
        408 | 429 | 500.. => {
            let what = if status == 429 { ": it asks for less" } else { "" };
            Answers::Retry(failure(FailureKind::Network, format!("HTTP {status}{what}")), after)
        }
        400 | 413 | 422 => Answers::RefusedBatch(failure(FailureKind::Rejected, format!("HTTP {status}"))),
        _ => Answers::Retry(
            failure(
                FailureKind::Rejected,
                format!("HTTP {status}: this is no answer of Honeycomb's batch API; see `api_host`"),
            ),
            after,
        ),
    }
}

fn elements(reply: &Reply, n: usize) -> Option<Vec<Value>> {
    let encoding = reply.headers.get(hyper::header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let body = decompress(encoding.unwrap_or_default(), &reply.body, MOST)?;
    match parse(&body).ok()? {
        Value::Array(elements) if elements.len() == n => elements
            .iter()
            .all(|element| element.get("status").and_then(Value::as_i64).is_some())
            .then_some(elements),
        _ => None,
    }
}

fn of_one(element: &Value, place: &str, key: &str, after: Option<Duration>) -> Answer {
    let status = element.get("status").and_then(Value::as_i64).unwrap_or(0);
    let said = element.get("error").and_then(Value::as_str).unwrap_or_default().replace(key, "…");
    let failure =
        |kind| Failure::new(kind, format!("{place}: status {status} for the event")).detail(said.as_str());
    match status {
        200..300 => Answer::Acknowledged,
        429 | 500.. => Answer::Retry(failure(FailureKind::Network), after),
        _ => Answer::Refused(failure(FailureKind::Rejected)),
    }
}
