//! What the core has to say to the JVM, in the order in which it was said. One daemon thread of the JVM's fetches it.
//!
//! Guarantees: whoever puts something in never waits, and never enters the JVM. A completion is put in exactly once: one
//! that is dropped unsaid says `closed`.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sinkwell::{Error, ErrorKind, Result};

use crate::error::Failure;
use crate::sink::{DeliverJob, HealthJob, SignJob};

/// Something for the JVM.
#[derive(uniffi::Enum)]
pub enum Mail {
    /// What a token waits for has come to this: JSON, or nothing.
    Done {
        /// The token.
        token: u64,
        /// The result.
        result: String,
    },
    /// What a token waits for has failed.
    Failed {
        /// The token.
        token: u64,
        /// Why.
        failure: Failed,
    },
    /// A batch for a host's sink.
    Deliver {
        /// The sink.
        sink: u64,
        /// The batch, and how it is answered for.
        job: Arc<DeliverJob>,
    },
    /// A question for a host's sink: how it is.
    Health {
        /// The sink.
        sink: u64,
        /// How it is answered.
        job: Arc<HealthJob>,
    },
    /// Signing inputs for a host's signer.
    Sign {
        /// The signer.
        signer: u64,
        /// The inputs, and how they are answered for.
        job: Arc<SignJob>,
    },
    /// Nothing uses this sink or signer any more.
    Free {
        /// The sink or signer.
        host: u64,
    },
    /// A diagnostic for the host's logger.
    Log {
        /// 1 error, 2 warning, 3 information.
        level: u8,
        /// The text.
        message: String,
    },
}

/// An error as a value.
#[derive(uniffi::Record)]
pub struct Failed {
    kind: String,
    code: u8,
    what: String,
    place: Option<String>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let Failure::Core { kind, code, what, place } = error.into();
        Self { kind, code, what, place }
    }
}

struct Waiting {
    mail: VecDeque<Mail>,
    /// How many diagnostics there was no room for.
    left_out: u64,
}

static BOX: Mutex<Waiting> = Mutex::new(Waiting { mail: VecDeque::new(), left_out: 0 });
static ARRIVED: Condvar = Condvar::new();

/// The most that lies here unread of what nobody waits for.
const DIAGNOSTICS: usize = 1000;

/// Puts something in.
pub(crate) fn post(mail: Mail) {
    let mut waiting = BOX.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(mail, Mail::Log { .. }) && waiting.mail.len() > DIAGNOSTICS {
        waiting.left_out += 1;
        return;
    }
    waiting.mail.push_back(mail);
    drop(waiting);
    ARRIVED.notify_one();
}

/// Waits for mail, at most so many milliseconds, and takes all there is.
#[uniffi::export]
fn take_mail(timeout_ms: u64) -> Vec<Mail> {
    let until = Instant::now() + Duration::from_millis(timeout_ms);
    let mut waiting = BOX.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if !waiting.mail.is_empty() {
            let left_out = std::mem::take(&mut waiting.left_out);
            let said = (left_out > 0).then(|| Mail::Log {
                level: 2,
                message: format!(
                    "{left_out} diagnostics were left out, as nobody had fetched those before them"
                ),
            });
            return waiting.mail.drain(..).chain(said).collect();
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Vec::new();
        }
        waiting = ARRIVED.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// What a token of the JVM's waits for.
pub(crate) struct Completion {
    token: Option<u64>,
}

impl Completion {
    pub(crate) fn new(token: u64) -> Self {
        Self { token: Some(token) }
    }

    /// Says how it ended.
    pub(crate) fn tell(mut self, result: Result<Vec<u8>>) {
        self.say(result);
    }

    /// It never began: the caller was told so.
    pub(crate) fn forget(mut self) {
        self.token = None;
    }

    fn say(&mut self, result: Result<Vec<u8>>) {
        let Some(token) = self.token.take() else { return };
        post(match result {
            Ok(json) => Mail::Done { token, result: String::from_utf8(json).unwrap_or_default() },
            Err(e) => Mail::Failed { token, failure: e.into() },
        });
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.say(Err(Error::new(ErrorKind::Closed, "the emitter ended before this did")));
    }
}
