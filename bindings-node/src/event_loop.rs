//! How anything reaches JavaScript: one queue per environment (the main thread, each worker), one wake-up.
//!
//! Guarantees: however many results have come, the event loop is woken once and takes them all; a wait is a number in
//! Rust and a promise in JavaScript, so that 100 000 of them cost only memory; the wake-up is unreferenced, so that it
//! keeps no process alive; a call into JavaScript that can no longer be answered, because its environment has ended,
//! returns [`Gone`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use napi::bindgen_prelude::{Buffer, Env, Function, Uint8Array, Uint32Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use sinkwell::home::Home;
use sinkwell::{Error, Result};

type WakeUp = ThreadsafeFunction<(), (), (), napi::Status, false, true, 0>;

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why JavaScript will not answer.
pub(crate) enum Gone {
    /// Its environment has ended.
    Ended,
    /// The caller is on the thread that runs JavaScript, and would wait for itself.
    Here,
}

/// Something for JavaScript to do or to know.
#[napi(object, object_from_js = false)]
pub struct Message {
    /// `done`, `failed`: the action `token` has ended, with `text`; `deliver`, `sign`, `log`.
    pub kind: &'static str,
    /// Which promise, or which call to answer.
    pub token: u32,
    /// Which sink or signer is called.
    pub target: u32,
    /// JSON, or the text of a log line.
    pub text: String,
    /// The envelopes of a batch, or the inputs to sign, one after the other.
    pub bytes: Option<Buffer>,
    /// Where each ends in `bytes`.
    pub ends: Option<Uint32Array>,
}

impl Message {
    fn new(kind: &'static str, token: u32, text: String) -> Self {
        Self { kind, token, target: 0, text, bytes: None, ends: None }
    }
}

/// What JavaScript answered to a call.
pub(crate) enum Reply {
    /// A sink: empty if it took all; else a code per envelope ([`crate::sink`]), and the name of the failure.
    Delivered(Vec<u8>, String),
    /// A signer: `None` if it failed.
    Signed(Option<Vec<Vec<u8>>>),
}

/// The part that any thread may touch.
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    wake: WakeUp,
    calls: Mutex<HashMap<u32, SyncSender<Reply>>>,
    next_call: AtomicU32,
    ended: AtomicBool,
    thread: ThreadId,
}

#[derive(Default)]
struct Queue {
    reached: Vec<u32>,
    messages: Vec<Message>,
    woken: bool,
}

impl Shared {
    fn push(&self, put: impl FnOnce(&mut Queue)) {
        let mut queue = lock(&self.queue);
        put(&mut queue);
        let wake = !std::mem::replace(&mut queue.woken, true);
        drop(queue);
        if wake {
            // Fails only after the environment has ended, when nobody needs to be woken.
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// A wait on a receipt is over.
    pub(crate) fn reached(&self, token: u32) {
        self.push(|queue| queue.reached.push(token));
    }

    /// An action has ended.
    pub(crate) fn done(&self, token: u32, result: Result<String>) {
        let message = match result {
            Ok(text) => Message::new("done", token, text),
            Err(e) => Message::new("failed", token, crate::error::to_json(&e)),
        };
        self.push(|queue| queue.messages.push(message));
    }

    /// A line for the host's log.
    pub(crate) fn log(&self, level: u32, text: &str) -> bool {
        let ended = self.ended.load(Ordering::Acquire);
        if !ended {
            self.push(|queue| queue.messages.push(Message::new("log", level, text.to_owned())));
        }
        !ended
    }

    /// Runs slow work on a thread of its own: neither the event loop nor the four threads that Node has for files and
    /// name look-ups may be held up.
    pub(crate) fn run(self: &Arc<Self>, token: u32, work: impl FnOnce() -> Result<String> + Send + 'static) {
        let shared = Arc::clone(self);
        let guarded = move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            shared.done(token, result.unwrap_or_else(|_| Err(Error::internal("a panic; please report"))));
        };
        if let Err(e) = std::thread::Builder::new().name("sinkwell-action".into()).spawn(guarded) {
            self.done(token, Err(Error::internal(format!("no thread: {e}"))));
        }
    }

    /// Calls JavaScript and waits for its answer: for lane threads.
    pub(crate) fn call(
        &self,
        kind: &'static str,
        target: u32,
        parts: &[&[u8]],
        text: String,
    ) -> std::result::Result<Reply, Gone> {
        if std::thread::current().id() == self.thread {
            return Err(Gone::Here);
        }
        let (sender, answer) = sync_channel(1);
        let token = self.next_call.fetch_add(1, Ordering::Relaxed);
        lock(&self.calls).insert(token, sender);
        // Checked after the call is on the list: if the environment ends later, it finds the call there.
        if self.ended.load(Ordering::Acquire) {
            lock(&self.calls).remove(&token);
            return Err(Gone::Ended);
        }
        let mut end = 0_u32;
        let ends: Vec<u32> = parts
            .iter()
            .map(|part| {
                end = end.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
                end
            })
            .collect();
        let bytes = Some(parts.concat().into());
        let message = Message { kind, token, target, text, bytes, ends: Some(ends.into()) };
        self.push(|queue| queue.messages.push(message));
        answer.recv().map_err(|_| Gone::Ended)
    }

    fn answer(&self, token: u32, reply: Reply) {
        if let Some(sender) = lock(&self.calls).remove(&token) {
            // The receiver waits, or its thread has ended with the process.
            let _ = sender.send(reply);
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        lock(&self.calls).clear();
    }
}

/// JavaScript runs on its own thread only.
impl Home for Shared {
    fn is_held(&self) -> bool {
        std::thread::current().id() == self.thread || self.ended.load(Ordering::Acquire)
    }
}

/// The queue of this environment, as JavaScript sees it.
#[napi]
pub struct EventLoop {
    pub(crate) shared: Arc<Shared>,
}

#[napi]
impl EventLoop {
    /// `wake` is called on the event loop whenever something has come since the last `take…`.
    #[napi(constructor)]
    pub fn new(env: Env, wake: Function<'_, (), ()>) -> napi::Result<Self> {
        // Node has handlers of its own for the signals that end a process, and they would raise the signal
        // again, for ever; `lib/exit.ts` asks Node instead.
        sinkwell::leave_signals_to_host();
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build()?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake,
            calls: Mutex::default(),
            next_call: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            thread: std::thread::current().id(),
        });
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.end())?;
        Ok(Self { shared })
    }

    /// The waits on receipts that are over. To be taken after the messages.
    #[napi(catch_unwind)]
    pub fn take_reached(&self) -> Uint32Array {
        std::mem::take(&mut lock(&self.shared.queue).reached).into()
    }

    /// Everything else that has come. To be taken first: whatever comes from now on wakes the loop again.
    #[napi(catch_unwind)]
    pub fn take_messages(&self) -> Vec<Message> {
        let mut queue = lock(&self.shared.queue);
        queue.woken = false;
        std::mem::take(&mut queue.messages)
    }

    /// A sink's answer to `deliver`.
    #[napi(catch_unwind)]
    pub fn delivered(&self, token: u32, codes: Uint8Array, failure: String) {
        self.shared.answer(token, Reply::Delivered(codes.to_vec(), failure));
    }

    /// A signer's answer to `sign`; nothing if it failed.
    #[napi(catch_unwind)]
    pub fn signed(&self, token: u32, signatures: Option<Vec<Uint8Array>>) {
        let signatures = signatures.map(|all| all.iter().map(|one| one.to_vec()).collect());
        self.shared.answer(token, Reply::Signed(signatures));
    }

    /// JavaScript will not run again here: calls into it are not waited for any more.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        self.shared.end();
    }
}
