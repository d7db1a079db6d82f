//! The three loads.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::candidates::Store;

/// A sealed envelope of an event of about 500 B of JSON: 1 040 bytes.
fn envelope() -> Arc<[u8]> {
    let text =
        br#"{"agentid":"urn:sinkwell:agent:bench","data":{"outcome":"ok","tool":"search"},"id":"019b"}"#;
    text.iter().copied().cycle().take(1040).collect()
}

/// One caller, one envelope at a time: how long each took until it was on the disk.
pub(crate) fn alone(mut store: Store, time: Duration) -> Vec<Duration> {
    let batch = [envelope()];
    let mut taken = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        let before = Instant::now();
        store(&batch);
        taken.push(before.elapsed());
    }
    taken
}

/// What callers and the writer share.
#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<[u8]>>,
    /// How many were ever handed over, and how many are on the disk.
    handed: u64,
    stored: u64,
    over: bool,
}

/// `callers` threads that each hand one envelope to the one writer and wait until it is on the disk, again
/// and again; the writer takes whatever has come meanwhile. Envelopes per second.
pub(crate) fn together(mut store: Store, time: Duration, callers: usize) -> f64 {
    let shared = (Mutex::new(Queue::default()), Condvar::new(), Condvar::new());
    let (queue, work, done) = &shared;
    let start = Instant::now();
    let stored = std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let envelope = envelope();
                let mut q = queue.lock().expect("queue");
                while !q.over {
                    q.waiting.push(Arc::clone(&envelope));
                    q.handed += 1;
                    let mine = q.handed;
                    work.notify_one();
                    q = done.wait_while(q, |q| q.stored < mine && !q.over).expect("queue");
                }
            });
        }
        let mut batch = Vec::new();
        while start.elapsed() < time {
            {
                let q = queue.lock().expect("queue");
                let mut q = work.wait_while(q, |q| q.waiting.is_empty()).expect("queue");
                std::mem::swap(&mut batch, &mut q.waiting);
            }
            store(&batch);
            queue.lock().expect("queue").stored += batch.len() as u64;
            done.notify_all();
            batch.clear();
        }
        let mut q = queue.lock().expect("queue");
        q.over = true;
        done.notify_all();
        q.stored
    });
    stored as f64 / start.elapsed().as_secs_f64()
}

/// Always a batch of 512 ready: MB of envelopes per second.
pub(crate) fn saturated(mut store: Store, time: Duration) -> f64 {
    let batch = vec![envelope(); 512];
    let bytes = batch.iter().map(|envelope| envelope.len()).sum::<usize>();
    let mut batches = 0;
    let start = Instant::now();
    while start.elapsed() < time {
        store(&batch);
        batches += 1;
    }
    (batches * bytes) as f64 / 1e6 / start.elapsed().as_secs_f64()
}
