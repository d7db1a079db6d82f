//! The checkpoint file: where other lanes' checkpoints go, beside what the lanes get.
//!
//! Guarantees: no lane ever waits for it. A thread of its own writes and syncs checkpoints from a bounded queue, each
//! as a whole line or not at all. A write that fails is tried again. When the queue is full, the oldest checkpoint is
//! given up, as the newest checkpoint of a stream says all that an older one does; what is given up is counted and
//! logged. The file has a health of its own, also while a write hangs, and the lanes seal each change of it as
//! `sink.failed` or `sink.recovered`. If somebody removes or cuts the file, the newest checkpoint of each stream is
//! written again. Several processes may append to one file: each holds its lock while it writes.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::lane::{Health, LaneState, StateRecord};
use crate::lines::{LineFile, Taken, Trouble};
use crate::reentry;
use crate::seam::{Access, Clock, Fs, Instant, SharedFs, Stat, Stopwatch, SystemClock, check_path};
use crate::settings::OwnPath;
use crate::sink::{Envelope, Failure, FailureKind};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, thread};

/// How many checkpoints may wait.
const ROOM: usize = 4096;
/// Streams whose newest checkpoint is kept, to be written again.
const KEPT: usize = 1024;
/// A write that takes longer counts as a failure.
const STALLED: Duration = Duration::from_secs(10);
/// How long opening waits to hear whether the path may be written.
const CHECK: Duration = Duration::from_secs(2);
/// The summary of that failure.
const HANGS: &str = "a write to the checkpoint file hangs";
/// The first pause after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long another process may hold the file's lock before that is a failure to be tried again.
const LOCK: Duration = Duration::from_secs(2);

/// The name under which the file's health is listed among the lanes'; no lane can have this id.
pub(crate) const NAME: &str = "checkpoint:file";

/// Called with each change of the file's state, so that the lanes seal it.
type Listener = Box<dyn Fn(StateRecord) + Send + Sync>;

/// See the module's head.
pub(crate) struct CheckpointFile {
    shared: Arc<Shared>,
}

struct Shared {
    target: OwnPath,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
    /// Without a thread, [`CheckpointFile::push`] writes by itself.
    inline: Option<Mutex<Writer>>,
    listener: OnceLock<Listener>,
}

struct State {
    waiting: VecDeque<Envelope>,
    /// When the write under way began, and how many checkpoints it writes.
    busy: Option<(Instant, usize)>,
    health: Health,
    /// The listener was told of a failure, but not yet of its end.
    told: bool,
    written: u64,
    given_up: u64,
    /// Counts the attempts, so that a flush does not wait for a file that cannot be written.
    attempts: u64,
    checked: Option<std::io::Result<()>>,
    stop: bool,
    ended: bool,
}

/// What the writer knows of the file.
#[derive(Default)]
struct Writer {
    /// A pipe or a device is kept open; a file is opened for each write.
    pipe: Option<LineFile>,
    /// The file's identity and length after the last write.
    left: Option<Stat>,
    /// The newest checkpoint of each stream, oldest first.
    newest: VecDeque<Envelope>,
    pause: Duration,
}

impl CheckpointFile {
    /// Starts the writer.
    ///
    /// # Errors
    /// `sink`: others could change the file or its folder, so that it is not safe to write. Anything else that is wrong
    /// is tried again, and shows in the file's health.
    pub(crate) fn open(target: OwnPath, inline: bool) -> Result<Self> {
        let fs = SharedFs(Access { pipes: true, ..target.access });
        Self::open_in(Arc::new(fs), Arc::new(SystemClock::default()), target, inline)
    }

    fn open_in(fs: Arc<dyn Fs>, clock: Arc<dyn Clock>, target: OwnPath, inline: bool) -> Result<Self> {
        let state = State {
            waiting: VecDeque::new(),
            busy: None,
            health: Health::new(clock.unix_nanos()),
            told: false,
            written: 0,
            given_up: 0,
            attempts: 0,
            checked: None,
            stop: false,
            ended: inline,
        };
        let shared = Arc::new(Shared {
            target,
            fs,
            clock,
            state: Mutex::new(state),
            changed: Condvar::new(),
            inline: inline.then(Mutex::default),
            listener: OnceLock::new(),
        });
        let checked = if inline {
            Some(check_path(&shared.target.path, shared.access()))
        } else {
            let of = Arc::clone(&shared);
            thread::Builder::new()
                .name("sinkwell-checkp".to_owned())
                .stack_size(256 * 1024)
                .spawn(move || {
                    if reentry::inside(|| of.run()).is_none() {
                        of.panicked();
                    }
                })
                .map_err(|e| Error::internal(format!("no thread for the checkpoint file: {e}")))?;
            let state = lock(&shared.state);
            let late = |state: &mut State| state.checked.is_none();
            shared.wait(state, CHECK, late).checked.take()
        };
        // Only an answer counts: if the check hangs, the path is not known to be unsafe.
        if let Some(Err(e)) = checked
            && e.kind() == std::io::ErrorKind::PermissionDenied
        {
            lock(&shared.state).stop = true;
            shared.changed.notify_all();
            return Err(Error::new(ErrorKind::Sink, format!("the checkpoint file cannot be written: {e}"))
                .at(shared.target.path.display().to_string()));
        }
        Ok(Self { shared })
    }

    /// From now on `listener` is called with each change of the file's state, while none of our locks is held.
    pub(crate) fn listen(&self, listener: Listener) {
        let state = lock(&self.shared.state);
        let failed = state.health.state == LaneState::Failed;
        let summary = state.health.summary.clone().filter(|_| failed);
        drop(state);
        let _ = self.shared.listener.set(listener);
        if let Some(summary) = summary {
            self.shared.tell(LaneState::Failed, Some(FailureKind::Storage), summary);
        }
    }

    /// Queues a checkpoint that its lane's sink has acknowledged.
    pub(crate) fn push(&self, envelope: &Envelope) {
        let mut state = lock(&self.shared.state);
        let hangs = state.busy.is_some_and(|(since, _)| self.shared.clock.now().since(since) >= STALLED);
        if hangs && !state.told {
            drop(state);
            self.shared.tell(LaneState::Failed, Some(FailureKind::Timeout), HANGS.to_owned());
            state = lock(&self.shared.state);
        }
        if state.waiting.len() >= ROOM {
            state.waiting.pop_front();
            state.given_up += 1;
            if state.given_up == 1 {
                let path = self.shared.target.path.display().to_string();
                drop(state);
                crate::diagnostics::warn(&format!(
                    "the checkpoint file {path} takes nothing, and {ROOM} checkpoints wait for it: the oldest are given up; mend its place"
                ));
                state = lock(&self.shared.state);
            }
        }
        state.waiting.push_back(envelope.clone());
        drop(state);
        match &self.shared.inline {
            Some(writer) => drop(self.shared.write(&mut lock(writer))),
            None => self.shared.changed.notify_all(),
        }
    }

    /// The file's health, for the host.
    pub(crate) fn health(&self) -> Health {
        let state = lock(&self.shared.state);
        let mut health = state.health.clone();
        if let Some((since, _)) = state.busy {
            let for_long = self.shared.clock.now().since(since);
            if for_long >= STALLED {
                let failure = Failure::new(FailureKind::Timeout, HANGS);
                health.fail(LaneState::Failed, &failure, state.health.since);
            } else if for_long >= STALLED / 10 && health.state != LaneState::Failed {
                health.state = LaneState::Degraded;
                health.summary = Some("a write to the checkpoint file takes long".to_owned());
            }
        }
        let waiting = state.waiting.len() + state.busy.map_or(0, |(_, of)| of);
        let counts = format!("{} written, {waiting} wait, {} given up", state.written, state.given_up);
        health.detail = Some(match health.detail {
            Some(detail) => format!("{counts}; {detail}"),
            None => format!("{counts}; {}", self.shared.target.path.display()),
        });
        health
    }

    /// Waits until everything queued was written or failed to be, or until `timeout` is over.
    pub(crate) fn flush(&self, timeout: Duration) {
        let state = lock(&self.shared.state);
        let before = state.attempts;
        let busy = usize::from(state.busy.is_some()) as u64;
        let goes_on = |state: &mut State| {
            let idle = state.waiting.is_empty() && state.busy.is_none();
            // An attempt that was under way says nothing about what came after it.
            !(idle || state.ended || state.attempts > before + busy)
        };
        drop(self.shared.wait(state, timeout, goes_on));
    }

    /// Ends the writer after one last try to write what is queued; waits at most `timeout`.
    pub(crate) fn close(&self, timeout: Duration) {
        let mut state = lock(&self.shared.state);
        state.stop = true;
        self.shared.changed.notify_all();
        let mut state = self.shared.wait(state, timeout, |state| !state.ended);
        let now = self.shared.clock.unix_nanos();
        let left = state.waiting.len() + state.busy.map_or(0, |(_, of)| of);
        if left == 0 {
            state.health.turn(LaneState::Closed, now);
        } else if state.health.state != LaneState::Closed {
            drop(state);
            crate::diagnostics::warn(&format!(
                "{left} checkpoints were not written to {}",
                self.shared.target.path.display()
            ));
        }
    }
}

impl Drop for CheckpointFile {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn access(&self) -> Access {
        Access { pipes: true, ..self.target.access }
    }

    fn wait<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        timeout: Duration,
        goes_on: impl Fn(&mut State) -> bool,
    ) -> MutexGuard<'s, State> {
        let start = Stopwatch::start();
        while goes_on(&mut state) {
            let left = start.left(timeout);
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        state
    }

    fn tell(&self, state: LaneState, failure: Option<FailureKind>, summary: String) {
        let Some(listener) = self.listener.get() else { return };
        lock(&self.state).told = state == LaneState::Failed;
        listener(StateRecord {
            lane: NAME.into(),
            kind: "file",
            state,
            failure,
            summary,
            terminal_preserved: true,
            dropped: 0,
            acked: None,
            repair: None,
            unsafe_replay: None,
        });
    }

    fn run(&self) {
        let mut writer = Writer::default();
        let checked = check_path(&self.target.path, self.access());
        lock(&self.state).checked = Some(checked);
        self.changed.notify_all();
        loop {
            let mut state = lock(&self.state);
            while state.waiting.is_empty() && !state.stop {
                state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            if state.waiting.is_empty() {
                break;
            }
            drop(state);
            if let Some(pause) = self.write(&mut writer) {
                let state = lock(&self.state);
                if self.wait(state, pause, |state| !state.stop).stop {
                    // One more try; `close` then says how many checkpoints are left.
                    let _ = self.write(&mut writer);
                    break;
                }
            }
        }
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    fn panicked(&self) {
        let now = self.clock.unix_nanos();
        let failure =
            Failure::new(FailureKind::Panic, "the checkpoint file's writer panicked; please report");
        let mut state = lock(&self.state);
        state.health.fail(LaneState::Failed, &failure, now);
        state.busy = None;
        state.ended = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Writes what waits; after a failure, how long to wait before the next try.
    fn write(&self, writer: &mut Writer) -> Option<Duration> {
        let batch: Vec<Envelope> = {
            let mut state = lock(&self.state);
            let batch: Vec<_> = state.waiting.drain(..).collect();
            state.busy = Some((self.clock.now(), batch.len()));
            batch
        };
        let written = self.append(writer, &batch);
        let mut state = lock(&self.state);
        state.busy = None;
        state.attempts += 1;
        let now = self.clock.unix_nanos();
        let mut tell = None;
        let (say, pause) = match written {
            Ok(taken) => {
                state.written += batch.len() as u64;
                writer.pause = Duration::ZERO;
                state.health.recover(now);
                if state.told {
                    tell =
                        Some((LaneState::Healthy, None, "the checkpoint file is written again".to_owned()));
                }
                let say = taken.map(|taken| {
                    let text = format!(
                        "{taken} since the last checkpoint; the newest checkpoint of each stream was written to it again"
                    );
                    // The state is healthy again, but the note stays visible until something else happens.
                    state.health.note(&Failure::new(FailureKind::Storage, text.clone()));
                    tell = Some((LaneState::Healthy, Some(FailureKind::Storage), text.clone()));
                    text
                });
                (say, None)
            }
            Err(trouble) => {
                for envelope in batch.into_iter().rev() {
                    state.waiting.push_front(envelope);
                }
                while state.waiting.len() > ROOM {
                    state.waiting.pop_front();
                    state.given_up += 1;
                }
                let failure = Failure::new(FailureKind::Storage, "the checkpoint file cannot be written")
                    .detail(format!("{}: {trouble}", self.target.path.display()));
                let news = state.health.fail(LaneState::Failed, &failure, now);
                if news {
                    tell = Some((LaneState::Failed, Some(FailureKind::Storage), failure.summary));
                }
                writer.pause = if writer.pause.is_zero() { PAUSE.0 } else { (writer.pause * 2).min(PAUSE.1) };
                (
                    news.then(|| format!("it cannot be written: {trouble}; it is tried again")),
                    Some(writer.pause),
                )
            }
        };
        drop(state);
        self.changed.notify_all();
        if let Some((state, failure, summary)) = tell {
            self.tell(state, failure, summary);
        }
        if let Some(text) = say {
            crate::diagnostics::warn(&format!("the checkpoint file {}: {text}", self.target.path.display()));
        }
        pause
    }

    /// Appends and syncs all lines or none; answers how somebody else changed the file since the last write.
    fn append(&self, writer: &mut Writer, batch: &[Envelope]) -> std::result::Result<Option<Taken>, Trouble> {
        let fs = &*self.fs;
        let mut file = match writer.pipe.take() {
            Some(pipe) => pipe,
            None => LineFile::open_in_turn(fs, &self.target.path, LOCK)?,
        };
        let taken = match writer.left {
            Some(left) => {
                let now = file.stat();
                if !now.same_file(&left) {
                    Some(Taken::Moved)
                } else if now.len < left.len {
                    Some(Taken::Cut(left.len, now.len))
                } else {
                    None
                }
            }
            None => None,
        };
        let again = writer.newest.iter().filter(|_| taken.is_some());
        let mut lines = Vec::new();
        for envelope in again.chain(batch) {
            lines.extend_from_slice(&envelope.bytes);
            lines.push(b'\n');
        }
        let sync = file.is_regular();
        file.append(fs, &lines, sync)?;
        if file.is_regular() {
            writer.left = Some(file.stat());
        } else {
            writer.pipe = Some(file);
        }
        for envelope in batch {
            writer.newest.retain(|held| held.streamid != envelope.streamid);
            if writer.newest.len() >= KEPT {
                writer.newest.pop_front();
            }
            writer.newest.push_back(envelope.clone());
        }
        Ok(taken)
    }
}
