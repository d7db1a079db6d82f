//! One run of one candidate, in a process of its own: latencies, processor time, memory, what arrived.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How events come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// As fast as one thread can, so many.
    Hot(u64),
    /// So many a second, for so many events.
    Paced(u64, u64),
    /// So many a second, for so many events, offered every so many milliseconds: what nobody loses.
    Bursts(u64, u64, u64),
    /// One at a time, after everything has gone to sleep.
    Rested(u64),
    /// Nothing for so many seconds.
    Idle(u64),
    /// So many, a hundred at a time, and nothing is measured: for callgrind, which knows no clock of a thread.
    Counted(u64),
}

/// What is done once is not what an event costs: so many come before anything is measured.
pub(crate) const WARM_UP: u64 = 1_000;

impl Load {
    pub(crate) fn events(self) -> u64 {
        match self {
            Self::Hot(n) | Self::Paced(_, n) | Self::Bursts(_, n, _) | Self::Rested(n) | Self::Counted(n) => {
                n
            }
            Self::Idle(_) => 0,
        }
    }
}

/// What a run says, one line of `name value` pairs on its standard output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<(String, f64)>);

impl Figures {
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    pub(crate) fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn read(line: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(line.split_whitespace().filter_map(pair).collect())
    }
}

/// Runs `emit` under a load, whose events are numbered from 0, after a warm-up, whose numbers are negative; then `settle`, which waits until all is delivered and answers how many of ours
/// the emitter itself says arrived, if it can say.
pub(crate) fn run(load: Load, mut emit: impl FnMut(i64), settle: impl FnOnce() -> Figures) -> Figures {
    let mut calmly = |events: std::ops::Range<i64>| {
        for n in events {
            emit(n);
            if n.rem_euclid(100) == 99 {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    };
    calmly(-WARM_UP.cast_signed()..0);
    if let Load::Counted(events) = load {
        calmly(0..events.cast_signed());
        return settle();
    }
    std::thread::sleep(Duration::from_millis(600));
    let idle = resident("VmRSS:");
    let mut nanos: Vec<u32> = Vec::with_capacity(usize::try_from(load.events()).unwrap_or(0));
    // The room for them is not the candidate's.
    nanos.resize(nanos.capacity(), 1);
    nanos.clear();
    let own = (resident("VmRSS:") - idle).max(0.0);
    let (cpu, thread, start) = (cpu(), own_cpu(), Instant::now());
    let mut timed = |n: i64| {
        let before = Instant::now();
        emit(n);
        nanos.push(u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX));
    };
    match load {
        Load::Hot(events) => (0..events.cast_signed()).for_each(&mut timed),
        Load::Paced(rate, events) => {
            for n in 0..events {
                until(start + Duration::from_nanos(n * 1_000_000_000 / rate));
                timed(n.cast_signed());
            }
        }
        Load::Bursts(rate, events, every) => {
            let burst = (rate * every / 1_000).max(1);
            for n in 0..events {
                if n % burst == 0 {
                    until(start + Duration::from_millis(n / burst * every));
                }
                timed(n.cast_signed());
            }
        }
        Load::Rested(events) => {
            for n in 0..events {
                std::thread::sleep(Duration::from_millis(10));
                timed(n.cast_signed());
            }
        }
        Load::Idle(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
        Load::Counted(_) => {}
    }
    let wall = start.elapsed().as_secs_f64();
    let thread = own_cpu() - thread;
    let settled = settle();
    // Delivering what is queued at the end is part of it.
    let delivered = start.elapsed().as_secs_f64();
    let cpu = self::cpu() - cpu;
    let peak = resident("VmHWM:");
    let mut figures = Figures::default();
    figures.put("offered", load.events() as f64);
    figures.put("mean_ns", nanos.iter().map(|&n| f64::from(n)).sum::<f64>() / nanos.len() as f64);
    nanos.sort_unstable();
    for (name, share) in [("p50_ns", 0.5), ("p99_ns", 0.99), ("p999_ns", 0.999)] {
        let at = ((nanos.len() - 1) as f64 * share) as usize;
        figures.put(name, f64::from(nanos[at]));
    }
    figures.put("rate", load.events() as f64 / wall);
    figures.put("caller_cpu_ns", thread * 1e9 / load.events() as f64);
    figures.put("cpu_s", cpu);
    figures.put("wall_s", delivered);
    figures.put("idle_kb", idle);
    figures.put("growth_kb", peak - idle - own);
    figures.0.extend(settled.0);
    figures
}

fn until(time: Instant) {
    if let Some(left) = time.checked_duration_since(Instant::now()) {
        std::thread::sleep(left);
    }
}

/// Seconds of processor time this process has used, all threads.
pub(crate) fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds of processor time that the calling thread has used: what others do on the machine counts less
/// there than on a clock.
pub(crate) fn own_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A figure of `/proc/self/status` in kB.
pub(crate) fn resident(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse().ok()).unwrap_or(0.0)
}
