//! What is asked, of whom, under which load: one list per language, the peer first.
//!
//! Sizes are such that five rounds of one language take three to four minutes; a run's start, warm-up and end
//! are one to two seconds of each.

/// A question, the load that asks it, who answers (the peer first), and which figures are the answer.
#[derive(Default)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    /// `hot:N`, `paced:RATE:N`, `bursts:RATE:N[:EVERY_MS]`, `rested:N` or `idle:SECONDS`.
    pub(crate) load: String,
    /// How much later than at once the receiver answers.
    pub(crate) delay_ms: u64,
    /// Long, and the same each time: not asked again in every round.
    pub(crate) once: bool,
    pub(crate) who: &'static [&'static str],
    pub(crate) figures: &'static [&'static str],
}

/// The languages that there are questions for.
pub(crate) const LANGUAGES: [&str; 6] = ["rust", "python", "node", "go", "dotnet", "jvm"];

const BESIDE: &[&str] = &[
    "alone",
    "alone, again",
    "beside a healthy one",
    "beside one that hangs",
    "beside one that panics",
    "beside one that blocks 10 s",
    "beside one that refuses",
];

const POLICIES: &[&str] = &[
    "overflow-block",
    "overflow-drop_oldest",
    "overflow-drop_progress",
    "overflow-coalesce_by_run",
    "overflow-fail_sink",
];

/// What a broken lane costs the caller and the other lanes.
pub(crate) fn isolation(part: u64) -> Vec<Question> {
    let ask = |name, load, figures| Question { name, load, who: BESIDE, figures, ..Question::default() };
    vec![
        ask("5 000/s", format!("paced:5000:{}", 7_500 / part), &["p50_ns", "p99_ns", "healthy_lost"]),
        ask(
            "hot loop, healthy lanes block",
            format!("hot:{}", 100_000 / part),
            &["p99_ns", "healthy_per_s", "healthy_lost"],
        ),
    ]
}

/// What grows with what. The smallest of each is what the others are compared to.
pub(crate) fn curves(part: u64) -> Vec<Question> {
    let ask = |name, load: String, who, figures| Question { name, load, who, figures, ..Question::default() };
    let late = |name, delay_ms| Question {
        name,
        load: format!("paced:5000:{}", 15_000 / part),
        delay_ms,
        who: &["otel", "three", "three-block"],
        figures: &["p50_ns", "p99_ns", "growth_kb", "lost_share", "told_share"],
        ..Question::default()
    };
    // So long that what is queued when it ends counts for little.
    let policies = |name, delay_ms, rate: u64| Question {
        name,
        load: format!("bursts:{rate}:{}:10", rate * 10 / part.min(2)),
        delay_ms,
        once: true,
        who: POLICIES,
        figures: &["delivered_per_s", "acted_share", "mean_ns", "growth_kb"],
    };
    let hot = |events: u64| format!("hot:{}", events / part);
    let cost: &[&str] = &["caller_cpu_ns", "mean_ns", "p50_ns", "p99_ns", "growth_kb", "refused"];
    vec![
        late("receiver answers at once, 5 000/s", 0),
        late("receiver answers after 100 ms, 5 000/s", 100),
        late("receiver answers after 500 ms, 5 000/s", 500),
        late("receiver answers after 1 000 ms, 5 000/s", 1_000),
        // A request takes 512 events, and one is under way.
        policies("receiver answers after 100 ms, 4 000/s", 100, 4_000),
        policies("receiver answers after 100 ms, 8 000/s", 100, 8_000),
        policies("receiver answers after 500 ms, 800/s", 500, 800),
        policies("receiver answers after 500 ms, 1 600/s", 500, 1_600),
        policies("receiver answers after 1 000 ms, 400/s", 1_000, 400),
        policies("receiver answers after 1 000 ms, 800/s", 1_000, 800),
        ask(
            "lanes",
            hot(50_000),
            &["lanes-1", "lanes-2", "lanes-4", "lanes-8", "lanes-16", "lanes-32"],
            cost,
        ),
        ask(
            "threads",
            hot(50_000),
            &["threads-1", "threads-2", "threads-4", "threads-8"],
            &["caller_cpu_ns", "mean_ns", "p50_ns", "p99_ns", "emitted_per_s", "refused"],
        ),
        ask(
            "bytes of text",
            hot(5_000),
            &["size-200", "size-500", "size-2048", "size-8192", "size-65536"],
            cost,
        ),
        ask(
            "streams",
            hot(50_000),
            &["streams-1", "streams-10", "streams-100", "streams-1000", "streams-10000"],
            cost,
        ),
        Question {
            name: "idle",
            load: format!("idle:{}", 60 / part),
            once: true,
            who: &["nobody", "three"],
            figures: &["cpu_ms_per_minute", "resident_kb"],
            ..Question::default()
        },
    ]
}

/// What each way of signing costs, by where the envelopes go and by how many agents, each with a stream of its own, take turns;
/// and whether a signer that takes 50 ms a call keeps up.
pub(crate) fn signing(part: u64) -> Vec<Question> {
    let ask = |name, who| Question {
        name,
        load: format!("bursts:20000:{}:10", 60_000 / part),
        who,
        figures: WORK,
        ..Question::default()
    };
    let signer = |name, who| Question {
        name,
        load: format!("bursts:10000:{}:10", 60_000 / part),
        who,
        figures: &["arrived_per_s", "lost", "told_share", "mean_ns", "p99_ns"],
        ..Question::default()
    };
    vec![
        ask(
            "OTLP, 1 agent",
            &[
                "signing otlp hmac each 1",
                "signing otlp hmac batch 1",
                "signing otlp ed25519 batch 1",
                "signing otlp ed25519 each 1",
            ],
        ),
        ask(
            "OTLP, 10 agents",
            &[
                "signing otlp hmac each 10",
                "signing otlp hmac batch 10",
                "signing otlp ed25519 batch 10",
                "signing otlp ed25519 each 10",
            ],
        ),
        ask(
            "OTLP, 100 agents",
            &[
                "signing otlp hmac each 100",
                "signing otlp hmac batch 100",
                "signing otlp ed25519 batch 100",
                "signing otlp ed25519 each 100",
            ],
        ),
        ask(
            "file, 1 agent",
            &[
                "signing file hmac each 1",
                "signing file hmac batch 1",
                "signing file ed25519 batch 1",
                "signing file ed25519 each 1",
            ],
        ),
        ask(
            "file, 10 agents",
            &[
                "signing file hmac each 10",
                "signing file hmac batch 10",
                "signing file ed25519 batch 10",
                "signing file ed25519 each 10",
            ],
        ),
        ask(
            "file, 100 agents",
            &[
                "signing file hmac each 100",
                "signing file hmac batch 100",
                "signing file ed25519 batch 100",
                "signing file ed25519 each 100",
            ],
        ),
        signer(
            "a signer that takes 50 ms, 10 000/s over OTLP",
            &["signing otlp host batch 1", "signing otlp host each 1", "signing otlp host batch 100"],
        ),
    ]
}

/// An emit whose lanes are all turned off, with the data and without.
const CONVERT: &[&str] = &["convert-nothing", "convert"];
const CONVERT_ATTRS: &[&str] = &["convert-nothing", "convert", "convert-attrs"];
const CONVERSION: &[&str] = &["p50_ns", "mean_ns", "alloc_bytes"];

const CALLER: &[&str] =
    &["caller_cpu_ns", "mean_ns", "p50_ns", "p99_ns", "p999_ns", "growth_kb", "lost_share"];
const READY: &[&str] = &["mean_ns", "p50_ns", "p99_ns"];
const WORK: &[&str] = &["cpu_s_per_million", "lost", "growth_kb"];
/// What `arrived_per_s` counts is there when everything has been delivered; `told_share` is what the
/// candidate itself says that it lost.
const FLAT_OUT: &[&str] = &[
    "mean_ns",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "alloc_bytes",
    "growth_kb",
    "arrived_per_s",
    "lost_share",
    "told_share",
];
const STEADY: &[&str] = &["mean_ns", "p50_ns", "p99_ns", "p999_ns", "alloc_bytes", "growth_kb", "lost_share"];

/// The questions for a language; with `part` 10, a tenth of the events.
pub(crate) fn of(language: &str, part: u64) -> Vec<Question> {
    let ask = |name, load: &str, events: u64, who, figures| Question {
        name,
        load: load.replace('N', &(events / part).to_string()),
        who,
        figures,
        ..Question::default()
    };
    match language {
        "python" => vec![
            ask(
                "hot loop",
                "hot:N",
                20_000,
                &["otel", "three", "three-block", "queuehandler", "structlog", "hand"],
                FLAT_OUT,
            ),
            ask("5 000/s", "paced:5000:N", 7_500, &["otel", "three", "queuehandler", "structlog"], STEADY),
            ask("2 000/s over OTLP", "bursts:2000:N:10", 5_000, &["otel", "otlp"], WORK),
            ask("conversion", "hot:N", 50_000, CONVERT, CONVERSION),
        ],
        "node" => vec![
            ask("hot loop", "hot:N", 100_000, &["otel", "three", "three-block", "pino", "hand"], FLAT_OUT),
            ask("5 000/s", "paced:5000:N", 7_500, &["otel", "three", "pino"], STEADY),
            ask("10 000/s over OTLP", "bursts:10000:N:10", 20_000, &["otel", "otlp"], WORK),
            ask("conversion", "hot:N", 100_000, CONVERT, CONVERSION),
        ],
        "go" => vec![
            ask(
                "hot loop",
                "hot:N",
                200_000,
                &["otel", "three", "three-attrs", "three-block", "slog", "zap", "hand"],
                FLAT_OUT,
            ),
            ask("5 000/s", "paced:5000:N", 7_500, &["otel", "three", "three-attrs", "slog"], STEADY),
            ask("20 000/s over OTLP", "bursts:20000:N:10", 40_000, &["otel", "otlp"], WORK),
            ask("conversion", "hot:N", 100_000, CONVERT_ATTRS, CONVERSION),
        ],
        "dotnet" => vec![
            ask(
                "hot loop",
                "hot:N",
                100_000,
                &[
                    "otel",
                    "otel-message",
                    "three",
                    "three-attrs",
                    "three-logger",
                    "three-block",
                    "logging",
                    "serilog",
                    "hand",
                ],
                FLAT_OUT,
            ),
            ask("5 000/s", "paced:5000:N", 5_000, &["otel", "three", "three-attrs"], STEADY),
            ask(
                "20 000/s",
                "bursts:20000:N:1",
                20_000,
                &["otel", "otel-message", "three", "three-attrs", "three-json", "three-logger"],
                STEADY,
            ),
            ask("20 000/s over OTLP", "bursts:20000:N:10", 40_000, &["otel", "otlp", "otlp-attrs"], WORK),
            ask("conversion", "hot:N", 100_000, CONVERT_ATTRS, CONVERSION),
        ],
        "jvm" => vec![
            ask(
                "hot loop",
                "hot:N",
                100_000,
                &[
                    "otel",
                    "three",
                    "three-put",
                    "three-attrs",
                    "three-logback",
                    "three-block",
                    "logback",
                    "logback-async",
                    "hand",
                ],
                FLAT_OUT,
            ),
            ask(
                "5 000/s",
                "paced:5000:N",
                7_500,
                &["otel", "three", "three-put", "three-attrs", "logback-async"],
                STEADY,
            ),
            ask(
                "20 000/s",
                "bursts:20000:N:1",
                20_000,
                &["otel", "three", "three-put", "three-attrs"],
                STEADY,
            ),
            ask("20 000/s over OTLP", "bursts:20000:N:10", 40_000, &["otel", "otlp"], WORK),
            ask("conversion", "hot:N", 100_000, CONVERT_ATTRS, CONVERSION),
        ],
        _ => vec![
            ask("hot loop", "hot:N", 300_000, &["otel", "three", "three-ready"], CALLER),
            ask("5 000/s", "paced:5000:N", 10_000, &["otel", "three", "three-ready"], CALLER),
            ask(
                "lanes asleep",
                "rested:N",
                200,
                &["otel", "queue-and-wake", "one-ready-rested", "three-ready-rested"],
                READY,
            ),
            ask(
                "20 000/s over OTLP",
                "bursts:20000:N",
                60_000,
                &["otel", "otlp", "otlp-block", "otlp-ed25519", "otlp-ed25519-batch"],
                WORK,
            ),
            ask(
                "sustained",
                "hot:N",
                200_000,
                &["otel", "three-block"],
                &["arrived_per_s", "lost_share", "told_share"],
            ),
        ],
    }
}
