//! Does what the supervisor decides: one thread that keeps one stream, for as long as its sink is there.
//!
//! Guarantees: the thread sleeps while nothing happens. A batch is answered through a channel of its caller's, whether
//! the caller still listens or not. A child process never touches its parent's stream. Dropping the link ends the thread.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::codec::{Encoder, Profile};
use super::proto::frame_batch;
use super::supervisor::{Command, End, Happened, Job, Key, Limits, Outcome, StreamNo, Supervisor, Why};
use super::wire::{self, Said};
use crate::seam::{Clock, Instant, Random, SystemClock, SystemRandom};
use crate::sink::{Envelope, Failure, FailureKind, Stateful, Traffic};
use crate::sinks::otlp::http::Settings;

/// How long a stream that is let go of may take to say its last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What became of a batch.
pub(super) enum Told {
    /// It is there, but for these of its envelopes.
    Delivered(Vec<(usize, String)>),
    /// It was refused.
    Refused(Failure),
    /// To be tried again.
    Failed(Failure, Why),
}

/// What a caller tells the thread.
enum Input {
    Submit { job: Job, key: Key, batch: Vec<Envelope>, answer: blocking::Sender<(Job, Told)> },
    Withdraw { job: Job },
}

/// What woke the thread.
enum Turn {
    Said(Option<(StreamNo, Said)>),
    Input(Option<Input>),
    Tick,
}

/// The callers' side.
pub(super) struct Link {
    input: mpsc::UnboundedSender<Input>,
    jobs: Job,
}

impl Link {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread or no event loop.
    pub(super) fn start(
        profile: Profile,
        settings: Settings,
        limits: Limits,
        traffic: Arc<Traffic>,
    ) -> io::Result<Self> {
        let (input, inputs) = mpsc::unbounded_channel();
        // The other threads are for name look-ups alone, and go soon after one.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .thread_keep_alive(Duration::from_millis(100))
            .thread_name("sinkwell-resolve")
            .build()?;
        std::thread::Builder::new().name("sinkwell-stream".to_owned()).spawn(move || {
            let thread = Thread::new(profile, settings, limits, traffic);
            runtime.block_on(thread.run(inputs));
            // A name look-up that hangs must not hold it.
            runtime.shutdown_background();
        })?;
        Ok(Self { input, jobs: 0 })
    }

    /// Submits a batch; its answer comes through `answer`.
    pub(super) fn submit(
        &mut self,
        key: Key,
        batch: Vec<Envelope>,
        answer: blocking::Sender<(Job, Told)>,
    ) -> Job {
        self.jobs += 1;
        // A thread that is gone drops `answer`, which the caller notices.
        let _ = self.input.send(Input::Submit { job: self.jobs, key, batch, answer });
        self.jobs
    }

    /// Says that nobody waits for this answer any more.
    pub(super) fn withdraw(&self, job: Job) {
        let _ = self.input.send(Input::Withdraw { job });
    }
}

/// A batch that the supervisor holds.
struct Waiting {
    batch: Vec<Envelope>,
    answer: blocking::Sender<(Job, Told)>,
}

/// A stream that is there.
struct Stream {
    number: StreamNo,
    encoder: Option<Encoder>,
    outgoing: mpsc::Sender<Bytes>,
    task: tokio::task::JoinHandle<()>,
}

struct Thread {
    profile: Profile,
    settings: Settings,
    limits: Limits,
    clock: Arc<dyn Clock>,
    draws: u64,
    supervisor: Supervisor,
    waiting: HashMap<Job, Waiting>,
    stream: Option<Stream>,
    said: mpsc::Sender<(StreamNo, Said)>,
    heard: Option<mpsc::Receiver<(StreamNo, Said)>>,
    /// Why the last stream ended.
    why: Option<Failure>,
    refused: Vec<(usize, String)>,
    traffic: Arc<Traffic>,
    /// What encoders of streams that are gone defined.
    defined: u64,
}

impl Thread {
    fn new(profile: Profile, settings: Settings, limits: Limits, traffic: Arc<Traffic>) -> Self {
        // What a peer says waits in the connection while nobody takes it.
        let (said, heard) = mpsc::channel(64);
        Self {
            profile,
            settings,
            limits,
            clock: Arc::new(SystemClock::default()),
            draws: 0,
            supervisor: Supervisor::new(limits),
            waiting: HashMap::new(),
            stream: None,
            said,
            heard: Some(heard),
            why: None,
            refused: Vec::new(),
            traffic,
            defined: 0,
        }
    }

    async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        let Some(mut heard) = self.heard.take() else { return };
        loop {
            let now = self.clock.now();
            let wait = self.supervisor.due().map(|due| due.since(now));
            let mut sleep = wait.map(|wait| Box::pin(tokio::time::sleep(wait)));
            // What the peer has said comes first, so that an acknowledgement is never late.
            let turn = poll_fn(|cx| {
                if let Poll::Ready(said) = heard.poll_recv(cx) {
                    return Poll::Ready(Turn::Said(said));
                }
                if let Poll::Ready(input) = inputs.poll_recv(cx) {
                    return Poll::Ready(Turn::Input(input));
                }
                match &mut sleep {
                    Some(sleep) => sleep.as_mut().poll(cx).map(|()| Turn::Tick),
                    None => Poll::Pending,
                }
            });
            match turn.await {
                Turn::Said(Some((stream, said))) => self.hear(stream, said),
                Turn::Said(None) => return,
                Turn::Input(Some(Input::Submit { job, key, batch, answer })) => {
                    let bytes = batch.iter().map(|envelope| envelope.bytes.len() + 1).sum();
                    self.waiting.insert(job, Waiting { batch, answer });
                    self.happen(Happened::Submit { job, key, bytes });
                }
                Turn::Input(Some(Input::Withdraw { job })) => self.happen(Happened::Withdraw { job }),
                Turn::Input(None) => {
                    self.happen(Happened::Shutdown);
                    return;
                }
                Turn::Tick => self.happen(Happened::Tick),
            }
        }
    }

    fn hear(&mut self, stream: StreamNo, said: Said) {
        match said {
            Said::Opened => self.happen(Happened::Opened { stream }),
            Said::Status(status) => {
                self.refused = status.refused;
                let whole = self.refused.is_empty();
                self.happen(Happened::Status { stream, batch: status.batch, ok: status.ok, whole });
                self.refused.clear();
            }
            Said::Ended(end, failure, code) => {
                if end != End::Closed {
                    self.traffic.failed(code, failure.kind);
                }
                if self.stream.as_ref().is_some_and(|current| current.number == stream) {
                    self.why = Some(failure);
                }
                self.happen(Happened::Ended { stream, end });
            }
        }
    }

    fn chance(&mut self) -> u64 {
        self.draws += 1;
        let bytes = SystemRandom.bytes16("stream", self.draws);
        u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default())
    }

    fn happen(&mut self, happened: Happened) {
        let mut next = Some(happened);
        while let Some(happened) = next.take() {
            let chance = self.chance();
            let commands = self.supervisor.on(happened, self.clock.now(), chance);
            // Once, however many batches it was to be.
            let told = commands.iter().find_map(|command| match command {
                Command::Answer { outcome: Outcome::Failed(why), .. } => Some(*why),
                _ => None,
            });
            match told {
                Some(Why::NotMade | Why::Silence) => self.traffic.failed(0, FailureKind::Timeout),
                Some(Why::OutOfOrder) => self.traffic.failed(0, FailureKind::Network),
                // The others are counted where they are heard.
                _ => {}
            }
            for command in commands {
                if let Some(then) = self.obey(command) {
                    // What is still to be done belongs to a stream that is about to go.
                    next.get_or_insert(then);
                }
            }
            // A caller that withdrew, and whose batch is held no more, is forgotten.
            let supervisor = &self.supervisor;
            self.waiting.retain(|job, _| supervisor.holds(*job));
        }
        self.note();
    }

    /// Notes what the stream is like now.
    fn note(&self) {
        let (batches, bytes) = self.supervisor.in_flight();
        self.traffic.flies(batches, bytes);
        let counts = self.supervisor.counts();
        let encoder = self.stream.as_ref().and_then(|stream| stream.encoder.as_ref());
        self.traffic.is(Stateful {
            defined: self.defined + encoder.map_or(0, Encoder::defined),
            live: encoder.map_or(0, Encoder::live),
            state: encoder.map_or(0, |encoder| encoder.state_bytes() as u64),
            streams: counts.streams,
            rotations: counts.rotations,
            retransmissions: counts.retransmissions,
        });
    }

    fn obey(&mut self, command: Command) -> Option<Happened> {
        match command {
            Command::Open { stream } => {
                // As many as may be in flight, so that there is always room.
                let (outgoing, batches) = mpsc::channel(self.limits.batches + 1);
                let wire = wire::run(
                    self.profile.clone(),
                    self.settings.clone(),
                    stream,
                    batches,
                    self.said.clone(),
                );
                let task = tokio::spawn(wire);
                let encoder = self.profile.encoder().ok();
                self.why = None;
                self.stream = Some(Stream { number: stream, encoder, outgoing, task });
                None
            }
            Command::Send { stream, batch, job } => {
                let current = self.stream.as_mut().filter(|current| current.number == stream)?;
                let waiting = self.waiting.get(&job)?;
                match current.encoder.as_mut().map(|encoder| encoder.encode(&waiting.batch)) {
                    Some(Ok(bytes)) => {
                        let message = frame_batch(batch, &bytes);
                        let raw = waiting.batch.iter().map(|envelope| envelope.bytes.len() + 1).sum();
                        let encoded = current.encoder.as_ref().map_or(0, Encoder::uncompressed);
                        self.traffic.sent(raw, encoded, message.len());
                        let sent = current.outgoing.try_send(message.into());
                        sent.is_err().then_some(Happened::Ended { stream, end: End::Lost })
                    }
                    _ => {
                        // Whatever it knows by now, the peer does not.
                        self.defined += current.encoder.take().map_or(0, |encoder| encoder.defined());
                        Some(Happened::Unencodable { stream, batch })
                    }
                }
            }
            Command::Close { .. } => {
                if let Some(Stream { outgoing, task, encoder, .. }) = self.stream.take() {
                    self.defined += encoder.map_or(0, |encoder| encoder.defined());
                    drop(outgoing);
                    tokio::spawn(async move {
                        let abort = task.abort_handle();
                        if tokio::time::timeout(LAST_WORD, task).await.is_err() {
                            abort.abort();
                        }
                    });
                }
                None
            }
            Command::Answer { job, outcome } => {
                if let Some(Waiting { answer, .. }) = self.waiting.remove(&job) {
                    let told = self.tell(outcome);
                    let _ = answer.send((job, told));
                }
                None
            }
        }
    }

    fn tell(&mut self, outcome: Outcome) -> Told {
        let place = self.settings.shown_endpoint();
        let network = |text: &str| Failure::new(FailureKind::Network, format!("{place}: {text}"));
        match outcome {
            Outcome::Delivered => Told::Delivered(std::mem::take(&mut self.refused)),
            Outcome::Refused => {
                // One that ended a stream was counted with it.
                if self.why.is_none() {
                    self.traffic.failed(0, FailureKind::Rejected);
                }
                Told::Refused(
                    self.why.clone().filter(|why| why.kind == FailureKind::Rejected).unwrap_or_else(|| {
                        Failure::new(FailureKind::Rejected, format!("{place}: it refused the batch"))
                    }),
                )
            }
            Outcome::Unencodable => Told::Refused(Failure::new(
                FailureKind::Serialization,
                "the batch cannot be put in the form of the stream",
            )),
            Outcome::Failed(why) => {
                let failure = match why {
                    Why::Ended(_) => self.why.clone().unwrap_or_else(|| network("the stream was lost")),
                    Why::NotMade => Failure::new(
                        FailureKind::Timeout,
                        format!("{place}: no stream within {} ms", self.limits.connect.as_millis()),
                    ),
                    Why::Silence => Failure::new(
                        FailureKind::Timeout,
                        format!("{place}: no acknowledgement within {} ms", self.limits.silence.as_millis()),
                    ),
                    Why::OutOfOrder => {
                        network("it acknowledged a batch that it was not sent, or not in order")
                    }
                    Why::Shutdown => network("the sink is closed"),
                };
                Told::Failed(failure, why)
            }
        }
    }
}

/// Time left until `deadline`.
pub(super) fn left(clock: &dyn Clock, deadline: Instant) -> Duration {
    deadline.since(clock.now())
}
