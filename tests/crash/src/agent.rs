//! The program that is killed, in Rust. `agent.py` and `agent.mjs` do the same.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use sinkwell::config::Source;
use sinkwell::event::Data;
use sinkwell::host::Opening;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput};

use crate::random::Random;

const LONG: Duration = Duration::from_secs(60);

/// One write, so that a line is whole or not there.
pub(crate) fn tell(line: &str) {
    if std::io::stdout().write_all(line.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

/// Opens the emitter that `DIR/sinkwell.yaml` describes.
pub(crate) fn open(dir: &Path) -> sinkwell::Result<Emitter> {
    let source = Source::Path(dir.join("sinkwell.yaml"));
    sinkwell::host::open(
        Opening { source, sinks: vec![], signer: None, manual: false },
        &SystemEnv::default(),
    )
}

/// `DIR RUN SEED`.
pub(crate) fn run(arguments: &[String]) -> ! {
    let [dir, run, seed] = arguments else { panic!("DIR RUN SEED") };
    let (run, seed): (u64, u64) = (run.parse().unwrap(), seed.parse().unwrap());
    tell("opening\n");
    let emitter = open(Path::new(dir)).unwrap();
    tell("open\n");
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let emitter = &emitter;
            scope.spawn(move || emit(emitter, run, thread, Random(seed ^ thread)));
        }
    });
    unreachable!("the threads never end")
}

fn emit(emitter: &Emitter, run: u64, thread: u64, mut random: Random) {
    let mut n = 0;
    loop {
        let receipts: Vec<_> = (0..=random.below(8))
            .map(|_| {
                let text = "x".repeat(random.below(2000) as usize);
                let data = format!(r#"{{"n":{n},"run":{run},"text":"{text}","thread":{thread}}}"#);
                n += 1;
                let input =
                    EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.step") };
                (n - 1, emitter.emit(input).unwrap())
            })
            .collect();
        for (n, receipt) in receipts {
            receipt.wait(Stage::Journaled, LONG).unwrap();
            tell(&format!("{thread} {n} {}\n", receipt.id()));
        }
    }
}
