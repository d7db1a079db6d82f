//! A host's signer on a thread of its own, so that one that does not answer is noticed.
//!
//! Guarantees: whoever asks waits no longer than the time-out. While a call has not returned there is no other, so that a
//! signer that hangs holds one thread, whatever is asked of it. An answer that comes too late is thrown away: what it was for
//! is asked again. The thread ends with whoever asks, or as soon as its call returns after that.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{HostSigner, SignFailure};
use crate::reentry;
use crate::seam::Stopwatch;
use crate::sync::{Condvar, Mutex, lock, thread};

/// As much as a lane's own threads have, as a host's language may need megabytes.
const STACK: usize = 4 << 20;

type Answer = Result<Vec<Vec<u8>>, String>;

/// See the module's head.
pub(crate) struct Bounded {
    signer: Arc<dyn HostSigner>,
    timeout: Duration,
    desk: Arc<(Mutex<Desk>, Condvar)>,
}

/// What the two threads hand each other.
#[derive(Default)]
struct Desk {
    /// The thread has been started.
    started: bool,
    /// Nobody will ask again.
    over: bool,
    question: Option<Vec<Vec<u8>>>,
    /// The call under way; whoever asked still waits for it if the second is true.
    under_way: Option<(Stopwatch, bool)>,
    answer: Option<Answer>,
}

impl Bounded {
    pub(crate) fn new(signer: Arc<dyn HostSigner>, timeout: Duration) -> Self {
        Self { signer, timeout, desk: Arc::default() }
    }

    /// Asks the signer.
    ///
    /// # Errors
    /// What the signer says; or that it has not answered.
    pub(crate) fn sign(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, SignFailure> {
        let (desk, changed) = &*self.desk;
        let mut on = lock(desk);
        if let Some((since, _)) = on.under_way {
            return Err(SignFailure::late(since.elapsed()));
        }
        if !on.started {
            self.start().map_err(|e| SignFailure::said(format!("no thread for the signer: {e}")))?;
            on.started = true;
        }
        let since = Stopwatch::start();
        on.question = Some(messages.iter().map(|message| message.to_vec()).collect());
        on.under_way = Some((since, true));
        changed.notify_all();
        loop {
            if let Some(answer) = on.answer.take() {
                return answer.map_err(SignFailure::said);
            }
            let left = since.left(self.timeout);
            if left.is_zero() {
                on.under_way = Some((since, false));
                return Err(SignFailure::late(since.elapsed()));
            }
            on = changed.wait_timeout(on, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(&self) -> std::io::Result<()> {
        let (signer, shared) = (Arc::clone(&self.signer), Arc::clone(&self.desk));
        let run = move || {
            let (desk, changed) = &*shared;
            let mut on = lock(desk);
            while !on.over {
                let Some(question) = on.question.take() else {
                    on = changed.wait(on).unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                drop(on);
                let messages: Vec<&[u8]> = question.iter().map(Vec::as_slice).collect();
                let answer = reentry::inside(|| signer.sign(&messages))
                    .unwrap_or_else(|| Err("the signer panicked".to_owned()));
                on = lock(desk);
                if let Some((_, true)) = on.under_way.take() {
                    on.answer = Some(answer);
                }
                changed.notify_all();
            }
        };
        thread::Builder::new().name("sinkwell-signer".to_owned()).stack_size(STACK).spawn(run).map(drop)
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        lock(&self.desk.0).over = true;
        self.desk.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Answers each call with what the test sends it, and says when it was called and when it is gone.
    struct Scripted(std::sync::Mutex<(Receiver<Answer>, Sender<usize>)>);

    impl HostSigner for Scripted {
        fn sign(&self, messages: &[&[u8]]) -> Answer {
            let script = self.0.lock().unwrap();
            script.1.send(messages.len()).unwrap();
            script.0.recv().unwrap_or_else(|_| panic!("the test is over"))
        }
    }

    #[test]
    fn a_signer_that_hangs_is_late_until_it_returns_and_its_late_answer_is_not_taken_for_another() {
        let (say, script) = channel();
        let (called, calls) = channel();
        let signer = Arc::new(Scripted(std::sync::Mutex::new((script, called))));
        let mut bounded = Bounded::new(signer, Duration::from_millis(50));
        let late = |bounded: &Bounded| bounded.sign(&[b"a", b"b"]).unwrap_err();
        assert!(late(&bounded).is_late(), "nothing was said");
        assert_eq!(calls.recv(), Ok(2));
        assert!(late(&bounded).text().contains("has not answered"), "{}", late(&bounded).text());
        assert!(calls.try_recv().is_err(), "there is one call at a time");
        // The late answer is thrown away; what was asked is asked again.
        say.send(Ok(vec![vec![1]])).unwrap();
        while lock(&bounded.desk.0).under_way.is_some() {
            std::thread::yield_now();
        }
        bounded.timeout = Duration::from_secs(60);
        say.send(Ok(vec![vec![2]])).unwrap();
        assert_eq!(bounded.sign(&[b"a"]).unwrap(), [[2]]);
        say.send(Err("no".to_owned())).unwrap();
        let failure = bounded.sign(&[b"a"]).unwrap_err();
        assert!(!failure.is_late() && failure.text() == "no");
        // A panic is an answer, too; and the thread goes with whoever asks.
        drop(say);
        assert!(bounded.sign(&[b"a"]).unwrap_err().text().contains("panicked"));
        let desk = Arc::downgrade(&bounded.desk);
        drop(bounded);
        while desk.strong_count() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(calls.iter().count(), 3);
    }
}
