//! Readings as OTLP metrics, read back by an independent decoder, and what becomes of them at a receiver.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use prost::Message;

use super::receiver::{HttpReceiver, http, ok};
use super::{NOW, facts};
use crate::seam::UnixNanos;
use crate::sink::{OVERFLOW, Point, Reading, ReadingKind, Reporter};
use crate::sinks::otlp::env::{Env, Signal};
use crate::sinks::otlp::metrics::{Front, MetricsSender, requests};
use crate::sinks::otlp::request::GRPC_PREFIX;
use crate::sinks::otlp::temporality::{Temporality, Told};
use crate::sinks::otlp::{OtlpConfig, Settings};

const TIME: UnixNanos = NOW.cast_signed();

fn settings(config: &OtlpConfig, variables: &[(&str, &str)]) -> crate::Result<Settings> {
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::resolve_for(Signal::Metrics, config, &env, &facts(), Duration::from_secs(10))
}

fn reading(name: &str, kind: ReadingKind, points: Vec<Point>) -> Reading {
    Reading {
        name: name.to_owned(),
        unit: "{call}".to_owned(),
        description: "Calls".to_owned(),
        kind,
        whole: true,
        observed: false,
        since: TIME - 5,
        points,
    }
}

fn point(attributes: &[(&str, &str)], value: f64) -> Point {
    let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Point { attributes, value, count: 0, buckets: Box::default() }
}

fn decoded(limit: usize, readings: &[Reading]) -> Vec<ExportMetricsServiceRequest> {
    let config = OtlpConfig { max_request_bytes: Some(limit), ..OtlpConfig::default() };
    let front = Front::new(&settings(&config, &[]).unwrap());
    let decode = |message: &bytes::Bytes| {
        assert!(message.len() <= limit + GRPC_PREFIX, "{} bytes", message.len());
        assert_eq!(message[1..5], u32::try_from(message.len() - GRPC_PREFIX).unwrap().to_be_bytes());
        ExportMetricsServiceRequest::decode(&message[GRPC_PREFIX..]).unwrap()
    };
    let all = requests(&front, &Told::new(Temporality::Cumulative).tell(readings), TIME);
    all.iter().map(|(message, _)| decode(message)).collect()
}

#[test]
fn every_kind_of_instrument_is_what_otlp_has_for_it() {
    let ends: Box<[f64]> = Box::new([1.0, 10.5]);
    let of_values = Point { count: 4, buckets: Box::new([1, 2, 1]), ..point(&[("tool", "search")], 123.25) };
    let fractions = Reading { whole: false, ..reading("f", ReadingKind::Sum, vec![point(&[], 2.0)]) };
    let all = decoded(
        1 << 20,
        &[
            reading("calls", ReadingKind::Sum, vec![point(&[("tool", "a"), ("x.y", "é")], 3.0)]),
            fractions,
            reading("pending", ReadingKind::Gauge, vec![point(&[], 7.0)]),
            reading("tokens", ReadingKind::Histogram(ends), vec![of_values]),
            reading("many", ReadingKind::Sum, vec![point(&[(OVERFLOW, "true")], 9.0)]),
        ],
    );
    assert_eq!(all.len(), 1);
    let resource = &all[0].resource_metrics[0];
    let names: Vec<_> =
        resource.resource.as_ref().unwrap().attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert!(names.contains(&"service.name") && names.contains(&"process.pid"), "{names:?}");
    assert!(resource.schema_url.starts_with("https://opentelemetry.io/schemas/"));
    let scope = &resource.scope_metrics[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "sinkwell");
    let named: Vec<_> = scope.metrics.iter().map(|metric| (&*metric.name, &*metric.unit)).collect();
    let unit = "{call}";
    assert_eq!(named, [("calls", unit), ("f", unit), ("pending", unit), ("tokens", unit), ("many", unit)]);
    let sum = |at: usize| match &scope.metrics[at].data {
        Some(Data::Sum(sum)) => {
            assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
            sum.data_points[0].clone()
        }
        other => panic!("{other:?}"),
    };
    let calls = sum(0);
    assert_eq!(calls.value, Some(Number::AsInt(3)));
    assert_eq!((calls.start_time_unix_nano, calls.time_unix_nano), (NOW - 5, NOW));
    let text =
        |at: usize| (calls.attributes[at].key.clone(), calls.attributes[at].value.clone().unwrap().value);
    assert_eq!(text(0), ("tool".into(), Some(Any::StringValue("a".into()))));
    assert_eq!(text(1), ("x.y".into(), Some(Any::StringValue("é".into()))));
    assert_eq!(sum(1).value, Some(Number::AsDouble(2.0)));
    let overflow = sum(4).attributes[0].clone();
    assert_eq!(
        (overflow.key.as_str(), overflow.value.unwrap().value),
        (OVERFLOW, Some(Any::BoolValue(true)))
    );
    let Some(Data::Gauge(gauge)) = &scope.metrics[2].data else { panic!() };
    assert_eq!(
        (gauge.data_points[0].value, gauge.data_points[0].start_time_unix_nano),
        (Some(Number::AsInt(7)), 0)
    );
    let Some(Data::Histogram(histogram)) = &scope.metrics[3].data else { panic!() };
    assert_eq!(histogram.aggregation_temporality, 2);
    let of_values = &histogram.data_points[0];
    assert_eq!((of_values.count, of_values.sum), (4, Some(123.25)));
    assert_eq!((&*of_values.bucket_counts, &*of_values.explicit_bounds), (&[1, 2, 1][..], &[1.0, 10.5][..]));
    assert_eq!(of_values.attributes[0].key, "tool");
}

#[test]
fn requests_stay_below_the_limit_and_no_point_is_left_out_or_sent_twice() {
    let long = "v".repeat(200);
    let points = |from: usize| {
        (from..from + 1500).map(|n| point(&[("n", &n.to_string()), ("long", &long)], n as f64)).collect()
    };
    let readings =
        [reading("a", ReadingKind::Sum, points(0)), reading("b", ReadingKind::Gauge, points(5000))];
    let all = decoded(64 * 1024, &readings);
    assert!(all.len() > 5, "{}", all.len());
    let mut values = Vec::new();
    for metric in all.iter().flat_map(|r| &r.resource_metrics[0].scope_metrics[0].metrics) {
        let points = match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => &sum.data_points,
            Data::Gauge(gauge) => &gauge.data_points,
            other => panic!("{other:?}"),
        };
        assert!(!points.is_empty());
        for point in points {
            let Some(Number::AsInt(value)) = point.value else { panic!() };
            assert_eq!(metric.name, if value < 5000 { "a" } else { "b" });
            values.push(value);
        }
    }
    assert_eq!(values, (0..1500).chain(5000..6500).collect::<Vec<i64>>());
    assert!(decoded(64 * 1024, &[]).is_empty(), "nothing to say, nothing sent");
}

#[test]
fn the_variables_for_metrics_hold_and_a_lanes_endpoint_is_the_base_of_both() {
    let uri = |config: &OtlpConfig, variables: &[(&str, &str)]| {
        settings(config, variables).unwrap().endpoint.uri.to_string()
    };
    let document = |endpoint: &str| OtlpConfig { endpoint: Some(endpoint.into()), ..OtlpConfig::default() };
    let none = OtlpConfig::default();
    for (config, variables, expected) in [
        (&none, &[][..], "http://localhost:4318/v1/metrics"),
        (&none, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")], "http://c:4318/v1/metrics"),
        (&none, &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:1/own")], "http://m:1/own"),
        (
            &none,
            &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://l:1/own")],
            "http://localhost:4318/v1/metrics",
        ),
        (&document("https://c/p"), &[], "https://c/p/v1/metrics"),
        (&document("https://c/p/v1/logs"), &[], "https://c/p/v1/metrics"),
        (
            &document("http://c:4317"),
            &[],
            "http://c:4317/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        ),
    ] {
        assert_eq!(uri(config, variables), expected);
    }
}

#[test]
fn a_receiver_that_fails_is_told_of_and_gets_the_whole_sum_with_the_next_reading() {
    let receiver = HttpReceiver::new(vec![http("503 Service Unavailable", "", b""), ok()]);
    let config = OtlpConfig { endpoint: Some(receiver.url()), ..OtlpConfig::default() };
    let mut sender = MetricsSender::new(
        settings(&config, &[("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "k=v")]).unwrap(),
        Temporality::default(),
    )
    .unwrap();
    let limit = Duration::from_secs(10);
    let of = |value: f64| [reading("calls", ReadingKind::Sum, vec![point(&[], value)])];
    let failure = sender.report(&of(3.0), TIME, limit).unwrap_err();
    assert!(failure.summary.contains("503"), "{failure:?}");
    sender.report(&of(5.0), TIME, limit).unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!((got[1].line.as_str(), got[1].header("k")), ("POST /v1/metrics", Some("v")));
    let request = ExportMetricsServiceRequest::decode(got[1].body.as_slice()).unwrap();
    let Some(Data::Sum(sum)) = &request.resource_metrics[0].scope_metrics[0].metrics[0].data else {
        panic!()
    };
    assert_eq!(sum.data_points[0].value, Some(Number::AsInt(5)));
    // A place that takes no metrics is named as such.
    let receiver = HttpReceiver::new(vec![http("404 Not Found", "", b"")]);
    let config = OtlpConfig { endpoint: Some(receiver.url()), ..OtlpConfig::default() };
    let mut sender = MetricsSender::new(settings(&config, &[]).unwrap(), Temporality::default()).unwrap();
    let failure = sender.report(&of(1.0), TIME, limit).unwrap_err();
    assert!(failure.summary.contains("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"), "{failure:?}");
}

/// "Metrics Exporter - OTLP": the words of the variable, in any case, and what each is for which instrument.
#[test]
fn the_preferred_temporality_is_as_the_specification_has_it() {
    let of = |word: &str| {
        let env = |name: &str| {
            (name == "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").then(|| word.to_owned())
        };
        Temporality::of(&Env::of(&env, Signal::Metrics))
    };
    for (word, preference) in [
        ("", Temporality::Cumulative),
        ("cumulative", Temporality::Cumulative),
        ("Delta", Temporality::Delta),
        ("LOWMEMORY", Temporality::LowMemory),
    ] {
        assert_eq!(of(word).unwrap(), preference);
    }
    let error = of("sometimes").unwrap_err();
    assert_eq!(error.place(), Some("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"));
    // Counter and histogram, asynchronous counter, gauge.
    let ends: Box<[f64]> = Box::new([1.0]);
    let values = Point { count: 1, buckets: Box::new([1, 0]), ..point(&[], 1.0) };
    let all = [
        reading("counter", ReadingKind::Sum, vec![point(&[], 1.0)]),
        reading("histogram", ReadingKind::Histogram(ends), vec![values]),
        Reading { observed: true, ..reading("observed", ReadingKind::Sum, vec![point(&[], 1.0)]) },
        reading("gauge", ReadingKind::Gauge, vec![point(&[], 1.0)]),
    ];
    for (preference, differences) in [
        (Temporality::Cumulative, [false, false, false, false]),
        (Temporality::Delta, [true, true, true, false]),
        (Temporality::LowMemory, [true, true, false, false]),
    ] {
        let told: Vec<_> = Told::new(preference).tell(&all).iter().map(|telling| telling.delta).collect();
        assert_eq!(told, differences, "{preference:?}");
    }
}

/// A sum's point as it was sent: its temporality, its value, and from when to when, counted from the instrument's start.
type Sent = (i32, f64, u64, u64);

#[test]
fn differences_are_of_what_the_receiver_has() {
    let refused = || http("400 Bad Request", "", b"");
    let receiver = HttpReceiver::new(vec![
        ok(),
        http("503 Service Unavailable", "", b""),
        refused(),
        ok(),
        ok(),
        ok(),
        ok(),
    ]);
    let config = OtlpConfig { endpoint: Some(receiver.url()), ..OtlpConfig::default() };
    let mut sender = MetricsSender::new(settings(&config, &[]).unwrap(), Temporality::Delta).unwrap();
    let start = TIME - 5;
    let limit = Duration::from_secs(10);
    let ends: Box<[f64]> = Box::new([1.0]);
    let mut at = |now: UnixNanos, calls: f64, buckets: [u64; 2], since: UnixNanos| {
        let values = Point { count: buckets.iter().sum(), buckets: Box::new(buckets), ..point(&[], 2.5) };
        let mut readings = vec![
            reading("calls", ReadingKind::Sum, vec![point(&[("tool", "a")], calls)]),
            reading("times", ReadingKind::Histogram(ends.clone()), vec![values]),
        ];
        readings.iter_mut().for_each(|reading| reading.since = since);
        if calls > 8.0 {
            readings[0].points.push(point(&[("tool", "b")], 1.0));
        }
        sender.report(&readings, start + now, limit).is_ok()
    };
    assert!(at(1, 3.0, [1, 0], start));
    assert!(!at(2, 4.0, [1, 0], start) && !at(3, 5.0, [1, 0], start), "what is not there is told again");
    assert!(at(4, 8.0, [1, 2], start));
    assert!(at(5, 8.0, [1, 2], start), "nothing was counted, so nothing is sent");
    assert!(at(6, 9.0, [1, 2], start));
    assert!(at(7, 10.0, [1, 2], start));
    assert!(at(9, 2.0, [0, 1], start + 8), "it began anew");
    let sums = |body: &[u8]| {
        let request = ExportMetricsServiceRequest::decode(body).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let of = |metric: &opentelemetry_proto::tonic::metrics::v1::Metric| -> Vec<Sent> {
            let from = |nanos: u64| nanos - start.cast_unsigned();
            match metric.data.as_ref().unwrap() {
                Data::Sum(sum) => {
                    let value = |value: &Option<Number>| match value {
                        Some(Number::AsInt(value)) => *value as f64,
                        other => panic!("{other:?}"),
                    };
                    let points = sum.data_points.iter();
                    points
                        .map(|p| {
                            let times = (from(p.start_time_unix_nano), from(p.time_unix_nano));
                            (sum.aggregation_temporality, value(&p.value), times.0, times.1)
                        })
                        .collect()
                }
                Data::Histogram(histogram) => {
                    let points = histogram.data_points.iter();
                    points
                        .map(|p| {
                            let times = (from(p.start_time_unix_nano), from(p.time_unix_nano));
                            assert_eq!(p.count, p.bucket_counts.iter().sum::<u64>());
                            (histogram.aggregation_temporality, p.count as f64, times.0, times.1)
                        })
                        .collect()
                }
                other => panic!("{other:?}"),
            }
        };
        metrics.iter().map(of).collect::<Vec<_>>()
    };
    let got: Vec<_> = receiver.got().iter().map(|request| sums(&request.body)).collect();
    assert_eq!(
        got,
        [
            vec![vec![(1, 3.0, 0, 1)], vec![(1, 1.0, 0, 1)]],
            vec![vec![(1, 1.0, 1, 2)]],
            vec![vec![(1, 2.0, 1, 3)]],
            vec![vec![(1, 5.0, 1, 4)], vec![(1, 2.0, 1, 4)]],
            // A new set of attributes has counted since the last time that everything was told.
            vec![vec![(1, 1.0, 5, 6), (1, 1.0, 5, 6)]],
            vec![vec![(1, 1.0, 6, 7)]],
            vec![vec![(1, 2.0, 8, 9)], vec![(1, 1.0, 8, 9)]],
        ]
    );
}
