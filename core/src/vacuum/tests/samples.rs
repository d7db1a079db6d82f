//! Logs as each carrier writes them, by its own documentation: what it says itself among what the program says, both of the
//! program's streams at once, lines in parts across a rotation, and every way in which a line can end.

use super::*;

/// What one carrier's log is: its lines, the events' `n` among them, and the lines, by their numbers, that go through.
struct Sample {
    format: Format,
    lines: &'static [&'static str],
    events: &'static [i64],
    passed: &'static [usize],
}

const SAMPLES: [Sample; 6] = [
    Sample {
        format: Format::Plain,
        lines: &["starting", r#"{"_e":1,"n":1}"#, "", "a\tb", r#"  {"n":2,"_e":1} "#, r#"{"n":3}"#],
        events: &[1, 2],
        passed: &[0, 2, 3, 5],
    },
    // A line longer than 16 KiB comes in parts, of which only the last has the `\n`; `attrs` where labels are logged.
    Sample {
        format: Format::Docker,
        lines: &[
            r#"{"log":"starting\n","stream":"stdout","time":"2026-01-31T12:00:00.000000001Z"}"#,
            r#"{"log":"{\"_e\":1,","stream":"stdout","time":"2026-01-31T12:00:00.000000002Z"}"#,
            r#"{"log":"{\"_e\":1,\"n\":2,","stream":"stderr","attrs":{"tag":"web"},"time":"2026-01-31T12:00:00.000000003Z"}"#,
            r#"{"log":"\"n\":1}\r\n","stream":"stdout","time":"2026-01-31T12:00:00.000000004Z"}"#,
            r#"{"log":"\"b\":0}\n","stream":"stderr","attrs":{"tag":"web"},"time":"2026-01-31T12:00:00.000000005Z"}"#,
            r#"{"log":"panic: {\"_e\":1}\n","stream":"stderr","time":"2026-01-31T12:00:00.000000006Z"}"#,
        ],
        events: &[1, 2],
        passed: &[0, 5],
    },
    Sample {
        format: Format::Cri,
        lines: &[
            "2026-01-31T12:00:00.000000001Z stdout F starting",
            "2026-01-31T12:00:00.000000002Z stdout P {\"_e\":1,",
            "2026-01-31T12:00:00.000000003+09:00 stderr P {\"_e\":1,\"n\":2,",
            "2026-01-31T12:00:00.000000004Z stdout F \"n\":1}",
            "2026-01-31T12:00:00.000000005+09:00 stderr F \"b\":0}",
            "2026-01-31T12:00:00.000000006Z stderr F panic: {\"_e\":1}",
        ],
        events: &[1, 2],
        passed: &[0, 5],
    },
    // Around each request the platform has lines of its own; outside one, Node's runtime says `undefined`.
    Sample {
        format: Format::Lambda,
        lines: &[
            "INIT_START Runtime Version: nodejs:20.v19\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:0a",
            "2026-01-31T12:00:00.001Z\tundefined\tINFO\t{\"_e\":1,\"n\":1}",
            "START RequestId: 8f3c2b1e-0000-4000-8000-1234567890ab Version: $LATEST",
            "2026-01-31T12:00:00.002Z\t8f3c2b1e-0000-4000-8000-1234567890ab\tINFO\tserving {\"_e\":1}",
            "2026-01-31T12:00:00.003Z\t8f3c2b1e-0000-4000-8000-1234567890ab\tERROR\t{\"_e\":1,\"n\":2}",
            "[WARNING]\t2026-01-31T12:00:00.004Z\t8f3c2b1e-0000-4000-8000-1234567890ab\t{\"_e\":1,\"n\":3}",
            "END RequestId: 8f3c2b1e-0000-4000-8000-1234567890ab",
            "REPORT RequestId: 8f3c2b1e-0000-4000-8000-1234567890ab\tDuration: 5.12 ms\tBilled Duration: 6 ms\tMemory Size: 128 MB\tMax Memory Used: 66 MB",
        ],
        events: &[1, 2, 3],
        passed: &[0, 2, 3, 6, 7],
    },
    Sample {
        format: Format::Journald,
        lines: &[
            r#"{"__CURSOR":"s=1;i=1","__REALTIME_TIMESTAMP":"1769860800000001","__MONOTONIC_TIMESTAMP":"1","_BOOT_ID":"0","PRIORITY":"6","_TRANSPORT":"kernel","MESSAGE":"Linux version 6.1"}"#,
            r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1769860800000002","_SYSTEMD_UNIT":"app.service","PRIORITY":"6","_TRANSPORT":"stdout","MESSAGE":"{\"_e\":1,\"n\":1}"}"#,
            r#"{"__CURSOR":"s=1;i=3","__REALTIME_TIMESTAMP":"1769860800000003","PRIORITY":"3","_TRANSPORT":"stdout","MESSAGE":[123,34,95,101,34,58,49,44,34,110,34,58,50,125]}"#,
            // Larger than `journalctl` shows.
            r#"{"__CURSOR":"s=1;i=4","__REALTIME_TIMESTAMP":"1769860800000004","PRIORITY":"6","MESSAGE":null}"#,
        ],
        events: &[1, 2],
        passed: &[0, 3],
    },
    Sample {
        format: Format::Auto,
        lines: &[
            "2026-01-31T12:00:00Z stdout P {\"_e\":1,",
            r#"{"log":"{\"_e\":1,\"n\":2}\n","stream":"stdout","time":"2026-01-31T12:00:00Z"}"#,
            r#"{"_e":1,"n":3}"#,
            "2026-01-31T12:00:00.001Z\tundefined\tINFO\t{\"_e\":1,\"n\":4}",
            r#"{"__REALTIME_TIMESTAMP":"1769860800000002","MESSAGE":"{\"_e\":1,\"n\":5}"}"#,
            "2026-01-31 12:00:00,123 INFO app words",
            "2026-01-31T12:00:00Z stdout F \"n\":1}",
        ],
        // In the order in which they are whole.
        events: &[2, 3, 4, 5, 1],
        passed: &[5],
    },
];

fn numbers(kept: &Kept) -> Vec<i64> {
    kept.events.iter().map(|(_, data, ..)| data.get("n").unwrap().as_i64().unwrap()).collect()
}

/// Reads files one after the other, as they were rotated.
fn files(format: Format, files: &[String]) -> (Kept, Report) {
    let mut kept = Kept::default();
    let mut vacuum = Vacuum::new(Settings { format, ..Settings::default() }).unwrap();
    for file in files {
        vacuum.push(file.as_bytes(), &mut kept).unwrap();
        vacuum.end_part(&mut kept).unwrap();
    }
    vacuum.finish(&mut kept).unwrap();
    (kept, vacuum.report().clone())
}

#[test]
fn what_each_carrier_writes_is_read_whatever_ends_its_lines_and_wherever_its_files_are_rotated() {
    for Sample { format, lines, events, passed } in SAMPLES {
        for said in [format, Format::Auto] {
            for end in ["\n", "\r\n"] {
                let lines: Vec<String> = lines.iter().map(|line| format!("{line}{end}")).collect();
                let through: String = passed.iter().map(|at| &*lines[*at]).collect();
                // Cut into two files between any two lines.
                for cut in 0..=lines.len() {
                    let two = [lines[..cut].concat(), lines[cut..].concat()];
                    let (kept, report) = files(said, &two);
                    assert_eq!(numbers(&kept), events, "{format:?} as {said:?}, {end:?}, {cut}");
                    assert_eq!(
                        String::from_utf8(kept.passed).unwrap(),
                        through,
                        "{format:?} as {said:?}, {end:?}, {cut}"
                    );
                    assert_eq!(report.lines, lines.len() as u64);
                }
            }
        }
    }
}

#[test]
fn a_last_line_that_is_torn_is_an_event_if_it_is_whole_and_goes_through_if_not() {
    for Sample { format, lines, .. } in SAMPLES {
        for line in lines {
            let (whole, _) = files(format, &[format!("{line}\n")]);
            let (torn, _) = files(format, &[(*line).to_owned()]);
            assert_eq!(numbers(&torn), numbers(&whole), "{line}");
            // Torn anywhere: at most what it would have been, and never both an event and a line, nor neither.
            for at in line.char_indices().map(|(at, _)| at) {
                let (kept, _) = files(format, &["before\n".to_owned(), line[..at].to_owned()]);
                let rest = std::str::from_utf8(&kept.passed).unwrap().strip_prefix("before\n").unwrap();
                if kept.events.is_empty() {
                    assert_eq!(rest, &line[..at]);
                } else {
                    assert_eq!((numbers(&kept), rest), (numbers(&whole), ""), "{}", &line[..at]);
                }
            }
        }
    }
}

#[test]
fn a_carriers_time_counts_if_it_has_a_zone_and_the_lines_own_comes_first() {
    const ID: &str = "8f3c2b1e-0000-4000-8000-1234567890ab";
    for (time, at) in [
        ("2026-01-31T12:00:00.5Z", Some("2026-01-31T12:00:00.500000000Z")),
        ("2026-01-31T13:00:00.5+01:00", Some("2026-01-31T12:00:00.500000000Z")),
        ("2026-01-31T06:30:00.5-05:30", Some("2026-01-31T12:00:00.500000000Z")),
        // Nobody knows when that was; the carrier's word is kept.
        ("2026-01-31T12:00:00.5", None),
    ] {
        for (own, wins) in [("", at), (",\"time\":0", Some("1970-01-01T00:00:00.000000000Z"))] {
            let event = format!("{{\"_e\":1{own}}}");
            let quoted = Value::from(format!("{event}\n").as_str()).to_json();
            for (format, line) in [
                (Format::Cri, format!("{time} stdout F {event}")),
                (Format::Docker, format!(r#"{{"log":{quoted},"stream":"stdout","time":"{time}"}}"#)),
                (Format::Lambda, format!("{time}\t{ID}\tINFO\t{event}")),
                (Format::Lambda, format!("[INFO]\t{time}\t{ID}\t{event}")),
            ] {
                for said in [format, Format::Auto] {
                    let (kept, _) = read(said, &line);
                    let (_, data, found, _) = &kept.events[0];
                    assert_eq!(found.as_deref(), wins, "{line}");
                    let known = data.get("_log").and_then(|log| log.get("time"));
                    assert_eq!(known, Some(&Value::from(time)), "{line}");
                }
            }
        }
    }
}
