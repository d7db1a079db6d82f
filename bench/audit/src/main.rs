//! How the audit chain does as it grows: `cargo run --release -p sinkwell-bench-audit -- [ROWS] [DIR]`.
//!
//! Delivers ROWS sealed envelopes (default 10⁶) in the default batches of 512 and prints the append rate
//! of each tenth, then, on a connection opened afresh, the times of heads, proofs and look-ups of a hundred
//! rows, and the file's size over the sealed bytes. Only `deliver` is timed, not the making of envelopes.
//! Their signatures are of an Ed25519 signature's length, but nobody's: the audit chain does not read them.
//! With SINKWELL_BENCH_CHECK=1 it exits 1 when a figure is beyond its bound.

mod envelopes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sinkwell::audit::{AuditDb, AuditOptions, AuditSink, Filter, Locator};
use sinkwell::sink::{Answers, Sink as _};

use envelopes::{AGENTS, Maker};

/// `batch.events` of a lane, unless configured otherwise.
const BATCH: u64 = 512;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let rows: u64 = args.next().map_or(Ok(1_000_000), |rows| rows.parse()).expect("ROWS is a number");
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = dir.join(format!("sinkwell-bench-audit-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory to write to");
    let good = measure(&dir.join("audit.db"), rows);
    std::fs::remove_dir_all(&dir).expect("the directory goes again");
    let checked = std::env::var_os("SINKWELL_BENCH_CHECK").is_some_and(|value| value == "1");
    if good || !checked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(path: &Path, rows: u64) -> bool {
    let mut sink = AuditSink::open(AuditOptions::new(path)).expect("a database");
    let mut maker = Maker::default();
    let (mut rates, mut slowest) = (Vec::new(), Duration::ZERO);
    let mut plain = Vec::new();
    for tenth in 1..=10 {
        let until = rows * tenth / 10;
        let (mut spent, start) = (Duration::ZERO, maker.made);
        while maker.made < until {
            let batch: Vec<_> = (0..BATCH.min(until - maker.made)).map(|_| maker.make()).collect();
            let begin = Instant::now();
            assert_eq!(sink.deliver(&batch), Answers::Acknowledged);
            let took = begin.elapsed();
            spent += took;
            slowest = slowest.max(took);
        }
        rates.push((maker.made - start) as f64 / spent.as_secs_f64());
        plain.push(fdatasyncs(path.parent().expect("a directory"), (until - start) / BATCH));
    }
    drop(sink);
    let size = std::fs::metadata(path).expect("the file").len();
    println!("rows             {rows}, {} sealed bytes each", maker.bytes / rows.max(1));
    let text = rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(" ");
    println!("append           {text} rows/s by tenths; slowest batch {:.1} ms", ms(slowest));
    let text = plain.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(" ");
    println!("fdatasync        {text} rows/s for as many bytes appended to a plain file, by tenths");
    let change = rates[9] / rates[0] - 1.0;
    let ratio = size as f64 / maker.bytes as f64;
    println!("end over start   {:+.1} %", change * 100.0);
    println!("file size        {size} bytes, {ratio:.3} of the sealed bytes");
    let reads = reads(path, rows);
    change > -0.1 && ratio <= 1.5 && reads
}

/// Rows a second of a plain file that gets the bytes of a batch and a sync, for scale.
fn fdatasyncs(dir: &Path, batches: u64) -> f64 {
    use std::io::Write as _;
    let batches = batches.clamp(1, 200);
    let path = dir.join("plain");
    let mut file = std::fs::File::create(&path).expect("a plain file");
    let bytes = vec![b'x'; 1024 * BATCH as usize];
    let begin = Instant::now();
    for _ in 0..batches {
        file.write_all(&bytes).and_then(|()| file.sync_data()).expect("a plain write");
    }
    let rate = (batches * BATCH) as f64 / begin.elapsed().as_secs_f64();
    std::fs::remove_file(path).expect("the plain file goes again");
    rate
}

fn reads(path: &Path, rows: u64) -> bool {
    let begin = Instant::now();
    let db = AuditDb::open_read(path).expect("a database");
    println!("open             {:.2} ms", ms(begin.elapsed()));
    let mut good = true;
    let mut time = |what: &str, bound: f64, work: &mut dyn FnMut(u64)| {
        let mut times: Vec<_> = (0..101)
            .map(|i| {
                let begin = Instant::now();
                work(i);
                begin.elapsed()
            })
            .collect();
        let first = ms(times[0]);
        times.sort_unstable();
        let (median, worst) = (ms(times[50]), ms(times[100]));
        println!("{what:<16} first {first:.2} ms, median {median:.2} ms, worst {worst:.2} ms");
        good &= worst < bound;
    };
    time("head", 5.0, &mut |_| assert_eq!(db.head().expect("a head").size, rows));
    // A step that visits leaves all over the file.
    let leaf = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % rows;
    time("prove", 5.0, &mut |i| {
        assert!(db.prove(&Locator::Index(leaf(i)), None).expect("a proof").verify());
    });
    time("consistency", 5.0, &mut |i| {
        assert!(db.consistency(leaf(i) + 1, None).expect("a proof").verify());
    });
    time("query by run", 20.0, &mut |i| {
        let run = Some(envelopes::run(leaf(i)));
        let found = db.query(&Filter { run, limit: Some(100), ..Filter::default() }).expect("rows");
        assert!(!found.is_empty());
    });
    time("query by agent", 20.0, &mut |i| {
        let filter = Filter {
            agent: Some(envelopes::agent(i % AGENTS)),
            after: Some(leaf(i) / 2),
            limit: Some(100),
            ..Filter::default()
        };
        assert!(!db.query(&filter).expect("rows").is_empty());
    });
    time("query by type", 20.0, &mut |i| {
        let filter = Filter {
            event_type: Some("policy.*".into()),
            after: Some(leaf(i) / 2),
            limit: Some(100),
            ..Filter::default()
        };
        assert!(!db.query(&filter).expect("rows").is_empty());
    });
    if std::env::var_os("SINKWELL_BENCH_VERIFY").is_some() {
        let begin = Instant::now();
        let report = db.verify(&Default::default()).expect("a report");
        println!("verify           {:.1} s, sound: {}", begin.elapsed().as_secs_f64(), report.sound());
        good &= report.sound();
    }
    good
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
