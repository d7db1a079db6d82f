//! Host sinks: a table of functions, and the replies they answer through.
//!
//! Guarantees: `deliver` is called for one batch at a time; each reply is taken once; the bytes that the views of a
//! batch point to live until the reply is answered; `free` is called once, when nothing uses the sink any
//! more. A sink whose answer is invalid, or that frees its reply unanswered, counts as failed.

use std::sync::Arc;
use std::time::Duration;

use sinkwell::event::EventId;
use sinkwell::host::HostSinkSpec;
use sinkwell::sink::{Answer, Answers, Attached, Envelope, Outcome, Said, Sink, SinkHealth};
use sinkwell::{Error, Result};

use crate::bytes::SinkwellBytes;
use crate::error::{SinkwellError, at, guard};
use crate::reply::{Reply, reply, take};
use crate::slice::Slice;

/// A sink of the host's. `name`, `classes` and `lane` are borrowed until the call that takes the sink returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellSink {
    /// The name that a lane's `sink: { host: NAME }` refers to, and the lane's id unless `lane` gives one.
    pub name: SinkwellBytes,
    /// The sink's own classes, separated by commas: `audit,siem`. Absent: the configuration's default.
    pub classes: SinkwellBytes,
    /// Any keys of a lane, as a JSON object; absent: none.
    pub lane: SinkwellBytes,
    /// The host's, passed to each function.
    pub user: u64,
    /// Takes a batch of `len` envelopes, oldest first, and answers through `reply`, now or later, from any
    /// thread. The views are valid until then. `timeout_ms` is how long the lane will wait before it counts
    /// the delivery as failed; it makes no second call before this one is answered.
    pub deliver: Option<
        unsafe extern "C" fn(
            user: u64,
            batch: *const SinkwellEnvelope,
            len: u64,
            timeout_ms: u64,
            reply: *mut SinkwellReply,
        ),
    >,
    /// Says how the sink is; NULL: it is healthy as long as it delivers.
    pub health: Option<unsafe extern "C" fn(user: u64, reply: *mut SinkwellHealthReply)>,
    /// Frees `user`; NULL: nothing is to be freed. Called once, from any thread.
    pub free: Option<unsafe extern "C" fn(user: u64)>,
    /// 1: a repeat of the same envelope does no harm.
    pub idempotent: u8,
    /// Zeros.
    pub reserved: [u8; 7],
}

/// A sealed envelope, borrowed until the reply to its batch.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellEnvelope {
    /// The line: the RFC 8785 form of the whole envelope, without a newline.
    pub bytes: SinkwellBytes,
    /// The full type, as on the wire.
    pub event_type: SinkwellBytes,
    /// The emitting agent.
    pub agentid: SinkwellBytes,
    /// The event's id, if it is the host's own and no UUID; else empty.
    pub own_id: SinkwellBytes,
    /// The event's id, if it is a UUID; else zeros.
    pub id: [u8; 16],
    /// The stream it belongs to.
    pub streamid: [u8; 16],
    /// Its hash: the idempotency key.
    pub hash: [u8; 32],
    /// The digest of its event: the same in every lane that sealed it in the same form.
    pub digest: [u8; 32],
    /// The hash of the one before it; counts only with `has_prevhash`.
    pub prevhash: [u8; 32],
    /// Its place in the stream.
    pub sequence: u64,
    /// When it occurred, in nanoseconds since 1970.
    pub time: i64,
    /// When it was sealed.
    pub recordedtime: i64,
    /// 1 if there is one before it.
    pub has_prevhash: u8,
    /// 1 if sinkwell made it about itself.
    pub own: u8,
    /// 1 if losing it would falsify a run's outcome.
    pub terminal: u8,
    /// `TRACE` 1 … `FATAL` 21.
    pub severity: u8,
    /// Zeros.
    pub reserved: [u8; 4],
}

/// `outcome`: the sink has it.
pub const SINKWELL_ACKNOWLEDGED: i32 = 0;
/// `outcome`: not now; it is tried again.
pub const SINKWELL_RETRY: i32 = 1;
/// `outcome`: it will never be taken.
pub const SINKWELL_REFUSED: i32 = 2;
/// `outcome`: nobody will know, as the receiver does not say; it is not tried again, and declared as maybe lost.
pub const SINKWELL_UNCERTAIN: i32 = 3;

/// What a sink says of an envelope, or of a whole batch. Zeros are an acknowledgement.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellAnswer {
    /// One of `SINKWELL_ACKNOWLEDGED`, `SINKWELL_RETRY`, `SINKWELL_REFUSED`, `SINKWELL_UNCERTAIN`.
    pub outcome: i32,
    /// Zero.
    pub reserved: i32,
    /// For a retry: not before so many milliseconds, if the receiver said so.
    pub after_ms: u64,
    /// Why: the name of the exception's or error's type, for sealed records. Never its text.
    pub reason: SinkwellBytes,
    /// Its text, for the health that only the host sees.
    pub detail: SinkwellBytes,
}

/// A batch to be answered for: by one call of `sinkwell_reply` or `sinkwell_reply_each`.
pub struct SinkwellReply(Reply<Said, Batch>);

/// A question for the sink's health, to be answered by one call of `sinkwell_health_reply`.
pub struct SinkwellHealthReply(Reply<SinkHealth, ()>);

/// What the views of a batch point to.
struct Batch {
    _envelopes: Vec<Envelope>,
    views: Box<[SinkwellEnvelope]>,
}

// SAFETY: the views point into the envelopes beside them, which are shared and never change.
unsafe impl Send for Batch {}

/// The host's table; freed with the last sink made from it.
struct Table {
    user: u64,
    deliver: unsafe extern "C" fn(u64, *const SinkwellEnvelope, u64, u64, *mut SinkwellReply),
    health: Option<unsafe extern "C" fn(u64, *mut SinkwellHealthReply)>,
    _free: Freed,
    idempotent: bool,
}

/// Calls the host's `free` once.
pub(crate) struct Freed {
    pub(crate) user: u64,
    pub(crate) free: Option<unsafe extern "C" fn(u64)>,
}

impl Drop for Freed {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the host said that it may be called, once, from any thread.
            unsafe { free(self.user) };
        }
    }
}

/// A sink as the core's front door takes it.
///
/// # Safety
/// What `sink` points to is valid for the call, its functions until `free` was called.
pub(crate) unsafe fn spec(sink: &SinkwellSink) -> Result<HostSinkSpec> {
    let free = Freed { user: sink.user, free: sink.free };
    // SAFETY: the caller's promise.
    let (name, classes, lane) = unsafe {
        (sink.name.required("sink.name")?, sink.classes.text("sink.classes")?, sink.lane.text("sink.lane")?)
    };
    let deliver = sink.deliver.ok_or_else(|| Error::invalid_argument("is NULL").at("sink.deliver"))?;
    let table = Arc::new(Table {
        user: sink.user,
        deliver,
        health: sink.health,
        _free: free,
        idempotent: sink.idempotent != 0,
    });
    Ok(HostSinkSpec {
        name: name.to_owned(),
        classes: classes
            .map(|list| list.split(',').map(|class| class.trim().to_owned()).collect())
            .unwrap_or_default(),
        lane: lane.map(str::to_owned),
        make: Arc::new(move || Ok(Box::new(HostSink { table: Arc::clone(&table), timeout: Duration::MAX }))),
    })
}

struct HostSink {
    table: Arc<Table>,
    timeout: Duration,
}

impl Sink for HostSink {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn attach(&mut self, lane: &Attached<'_>) {
        self.timeout = lane.timeout;
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let kept = Batch { _envelopes: batch.to_vec(), views: batch.iter().map(view).collect() };
        // The views are on the heap, so they stay where they are when the batch moves into the reply.
        let (first, len) = (kept.views.as_ptr(), kept.views.len() as u64);
        let (reply, answer) = reply(kept);
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let handle = Box::into_raw(Box::new(SinkwellReply(reply)));
        // SAFETY: the host's function, with what it was promised.
        unsafe { (self.table.deliver)(self.table.user, first, len, timeout, handle) };
        // The reply was freed unanswered.
        let none = |_| Said::AsOne(Outcome::Retry(None).answer("the sink gave no answer", None));
        answer.recv().unwrap_or_else(none).answers(batch.len())
    }

    fn idempotent(&self) -> bool {
        self.table.idempotent
    }

    fn health(&mut self) -> SinkHealth {
        let Some(health) = self.table.health else {
            return SinkHealth { healthy: true, detail: None };
        };
        let (reply, answer) = reply(());
        let handle = Box::into_raw(Box::new(SinkwellHealthReply(reply)));
        // SAFETY: the host's function, with what it was promised.
        unsafe { health(self.table.user, handle) };
        answer.recv().unwrap_or_else(|_| SinkHealth {
            healthy: false,
            detail: Some("the sink did not say how it is".to_owned()),
        })
    }
}

fn view(envelope: &Envelope) -> SinkwellEnvelope {
    SinkwellEnvelope {
        bytes: SinkwellBytes::of(&envelope.bytes),
        event_type: SinkwellBytes::of(envelope.event_type.as_bytes()),
        agentid: SinkwellBytes::of(envelope.agentid.as_bytes()),
        own_id: SinkwellBytes::of(envelope.id.own().unwrap_or_default().as_bytes()),
        id: if let EventId::Uuid(id) = &envelope.id { id.0 } else { [0; 16] },
        streamid: envelope.streamid.0,
        hash: envelope.hash,
        digest: envelope.digest,
        prevhash: envelope.prevhash.unwrap_or_default(),
        sequence: envelope.sequence,
        time: envelope.time,
        recordedtime: envelope.recordedtime,
        has_prevhash: envelope.prevhash.is_some().into(),
        own: envelope.own.into(),
        terminal: envelope.terminal.into(),
        severity: envelope.severity,
        reserved: [0; 4],
    }
}

impl SinkwellAnswer {
    /// # Safety
    /// What it points to is valid for the call.
    unsafe fn read(&self) -> Option<Answer> {
        let outcome = match self.outcome {
            SINKWELL_ACKNOWLEDGED => Outcome::Taken,
            SINKWELL_RETRY => {
                Outcome::Retry((self.after_ms > 0).then(|| Duration::from_millis(self.after_ms)))
            }
            SINKWELL_REFUSED => Outcome::Refused,
            SINKWELL_UNCERTAIN => Outcome::Uncertain,
            _ => return None,
        };
        // SAFETY: the caller's promise. Text that is not UTF-8 is left out.
        let (reason, detail) = unsafe {
            (self.reason.text("reason").unwrap_or_default(), self.detail.text("detail").unwrap_or_default())
        };
        Some(outcome.answer(reason.unwrap_or_default(), detail.map(str::to_owned)))
    }
}

/// The answers of a host's sink in the form in which it was asked; `None`: one of them had an unknown outcome.
fn said(answers: Option<Vec<Answer>>, form: impl FnOnce(Vec<Answer>) -> Said) -> Said {
    answers.map_or_else(|| Said::Nonsense("an outcome that does not exist".to_owned()), form)
}

/// Answers a reply with one answer per event; `form` says how the sink was given them.
///
/// # Safety
/// As `sinkwell_reply_each`.
unsafe fn answer_events(
    reply: *mut *mut SinkwellReply,
    answers: Slice<SinkwellAnswer>,
    form: fn(Vec<Answer>) -> Said,
) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let answers = answers.get(|| "answers".to_owned())?;
        let answers = answers.iter().map(|answer| answer.read()).collect();
        take(reply)?.0.send(said(answers, form));
        Ok(())
    }
}

/// Answers for a whole batch: all acknowledged, all to be tried again, all uncertain, or refused as one (the lane
/// then splits it until the offender is alone).
///
/// # Ownership
/// Takes the reply, which becomes NULL; `answer` stays the caller's.
///
/// # Safety
/// `reply` points to a reply that no other call is using; `answer` and what it points to are valid for the
/// call; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_reply(
    reply: *mut *mut SinkwellReply,
    answer: *const SinkwellAnswer,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let answer = at(answer, "answer")?.read();
            let said = answer.map_or_else(|| said(None, Said::Each), Said::AsOne);
            take(reply)?.0.send(said);
            Ok(())
        })
    }
}

/// Answers for each envelope of a batch, in order. Another number of answers than of envelopes is a failure
/// of the sink.
///
/// # Ownership
/// Takes the reply, which becomes NULL; `answers` stay the caller's.
///
/// # Safety
/// `reply` points to a reply that no other call is using; `answers` points to `len` answers, valid with what
/// they point to for the call; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_reply_each(
    reply: *mut *mut SinkwellReply,
    answers: *const SinkwellAnswer,
    len: u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || answer_events(reply, Slice::new(answers, len), Said::Each)) }
}

/// Answers for the first envelopes of a batch, by a sink that was given one after the other: as far as it came, the last
/// of them to be tried again unless it took or settled all. What it was not asked about waits for that one.
///
/// # Ownership
/// Takes the reply, which becomes NULL; `answers` stay the caller's.
///
/// # Safety
/// As `sinkwell_reply_each`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_reply_first(
    reply: *mut *mut SinkwellReply,
    answers: *const SinkwellAnswer,
    len: u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || answer_events(reply, Slice::new(answers, len), Said::OneByOne)) }
}

/// Frees a reply unanswered: the delivery has failed. Does nothing with NULL.
///
/// # Ownership
/// Takes the reply, which becomes NULL.
///
/// # Safety
/// `reply` is NULL, or points to NULL or a reply that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_reply_free(reply: *mut *mut SinkwellReply) {
    // SAFETY: the caller's promise.
    drop(unsafe { take(reply) });
}

/// Says how a sink is. Without an answer, free the question by `healthy` 0.
///
/// # Ownership
/// Takes the reply, which becomes NULL; `detail` stays the caller's.
///
/// # Safety
/// `reply` points to a reply that no other call is using; `detail` is absent or text; `error` is NULL or valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_health_reply(
    reply: *mut *mut SinkwellHealthReply,
    healthy: u8,
    detail: SinkwellBytes,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let detail = detail.text("detail")?.map(str::to_owned);
            take(reply)?.0.send(SinkHealth { healthy: healthy != 0, detail });
            Ok(())
        })
    }
}
