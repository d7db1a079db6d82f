//! An opening waits for required sinks; a thread that runs such a sink's event loop never waits for itself.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use sinkwell::config::Source;
use sinkwell::home::Home;
use sinkwell::host::{self, HostSinkSpec, Opening};
use sinkwell::key::HostSigner;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Sink};
use sinkwell::{Emitter, ErrorKind, EventInput, Result};

/// An event loop of the thread that made it, as far as the core sees it: it answers nothing while that thread waits, unless it has
/// been left.
struct Loop {
    thread: ThreadId,
    /// Whether what is at home here can run elsewhere.
    can_leave: bool,
    /// How many have it run elsewhere now.
    left: Arc<AtomicUsize>,
    /// How often it was left.
    times: AtomicUsize,
}

impl Loop {
    fn here(can_leave: bool) -> Arc<Self> {
        let thread = std::thread::current().id();
        Arc::new(Self { thread, can_leave, left: Arc::default(), times: AtomicUsize::new(0) })
    }
}

struct Back(Arc<AtomicUsize>);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Home for Loop {
    fn is_held(&self) -> bool {
        std::thread::current().id() == self.thread
    }

    fn leave(&self) -> Option<Box<dyn Any>> {
        self.can_leave.then(|| {
            self.left.fetch_add(1, Ordering::SeqCst);
            self.times.fetch_add(1, Ordering::SeqCst);
            Box::new(Back(Arc::clone(&self.left))) as Box<dyn Any>
        })
    }
}

/// A sink at home on a loop: it answers once that has been left, or what `turns` says has come.
struct AtHome {
    home: Arc<Loop>,
    turns: Arc<Mutex<Receiver<()>>>,
    calls: Arc<AtomicUsize>,
}

impl Sink for AtHome {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.home.left.load(Ordering::SeqCst) == 0 {
            let _ = self.turns.lock().unwrap().recv();
        }
        Answers::Acknowledged
    }

    fn home(&self) -> Option<Arc<dyn Home>> {
        Some(Arc::clone(&self.home) as Arc<dyn Home>)
    }
}

/// A sink that any thread may wait for.
struct Free;

impl Sink for Free {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        Answers::Acknowledged
    }
}

/// A sink of `home`'s, how often it was called, and what lets it answer: once for a message, and always once that is dropped.
fn at_home(home: &Arc<Loop>) -> (HostSinkSpec, Arc<AtomicUsize>, Sender<()>) {
    let (turn, turns) = channel();
    let (home, turns, calls) = (Arc::clone(home), Arc::new(Mutex::new(turns)), Arc::<AtomicUsize>::default());
    let of = Arc::clone(&calls);
    let make = move || {
        Ok(Box::new(AtHome { home: Arc::clone(&home), turns: Arc::clone(&turns), calls: Arc::clone(&of) })
            as Box<dyn Sink>)
    };
    (spec("soc", Arc::new(make)), calls, turn)
}

fn free() -> HostSinkSpec {
    spec("free", Arc::new(|| Ok(Box::new(Free))))
}

/// With a `timeout` that no test lasts for.
fn spec(name: &str, make: sinkwell::SinkFactory) -> HostSinkSpec {
    let lane = Some(r#"{"timeout":"1h","batch":{"linger":"0ms"}}"#.to_owned());
    HostSinkSpec { name: name.to_owned(), classes: vec!["siem".to_owned()], lane, make }
}

const REQUIRED: &str =
    "agent: { id: a }\nheartbeat: off\nlanes: []\ngovernance: { required_sinks: [ { class: siem } ] }\n";

fn opening(text: &str, sinks: Vec<HostSinkSpec>) -> Opening {
    let source = Source::Text { text: text.to_owned(), name: None, format: Default::default() };
    Opening { source, sinks, signer: None, manual: false }
}

fn open(opening: Opening) -> Result<Emitter> {
    host::open(opening, &SystemEnv::default())
}

/// Runs it on a thread of its own, and fails where that waits for itself.
fn bounded<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    std::thread::spawn(move || done.send(test()));
    result.recv_timeout(Duration::from_secs(60)).expect("the test failed, or waits for itself")
}

#[test]
fn the_thread_that_would_have_to_run_the_only_sink_is_refused_at_once() {
    bounded(|| {
        let (sink, calls, _turn) = at_home(&Loop::here(false));
        let error = open(opening(REQUIRED, vec![sink])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequiredSinkUnavailable);
        assert!(
            error.message().contains(r#"siem; the event loop that runs what there is (lane "soc")"#),
            "{error}"
        );
        // Nothing was started for it.
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn another_thread_waits_for_it() {
    let (sink, calls, turn) = at_home(&Loop::here(false));
    bounded(move || {
        drop(turn);
        open(opening(REQUIRED, vec![sink])).unwrap().shutdown(Duration::from_secs(10));
        assert!(calls.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn another_sink_of_the_class_is_enough() {
    bounded(|| {
        let home = Loop::here(true);
        let (sink, _, turn) = at_home(&home);
        let emitter = open(opening(REQUIRED, vec![sink, free()])).unwrap();
        // So its loop needs not be left.
        assert_eq!(home.times.load(Ordering::SeqCst), 0);
        drop(turn);
        emitter.shutdown(Duration::from_secs(10));
    });
}

#[test]
fn a_loop_that_can_be_left_is_left_while_the_opening_waits() {
    bounded(|| {
        let home = Loop::here(true);
        let (sink, calls, turn) = at_home(&home);
        let emitter = open(opening(REQUIRED, vec![sink])).unwrap();
        assert!(calls.load(Ordering::SeqCst) > 0);
        assert_eq!((home.times.load(Ordering::SeqCst), home.left.load(Ordering::SeqCst)), (1, 0));
        drop(turn);
        emitter.shutdown(Duration::from_secs(10));
    });
}

#[test]
fn where_nothing_is_required_nothing_is_waited_for() {
    bounded(|| {
        let text = REQUIRED.split("governance").next().unwrap();
        let home = Loop::here(true);
        let (sink, _, turn) = at_home(&home);
        let emitter = open(opening(text, vec![sink])).unwrap();
        assert_eq!(home.times.load(Ordering::SeqCst), 0);
        drop(turn);
        emitter.shutdown(Duration::from_secs(10));
    });
}

struct SignsAtHome(Arc<Loop>);

impl HostSigner for SignsAtHome {
    fn sign(&self, _: &[&[u8]]) -> std::result::Result<Vec<Vec<u8>>, String> {
        panic!("it is not asked")
    }

    fn home(&self) -> Option<Arc<dyn Home>> {
        Some(Arc::clone(&self.0) as Arc<dyn Home>)
    }
}

#[test]
fn a_signer_that_this_thread_would_have_to_run_is_not_waited_for_whatever_the_sink() {
    bounded(|| {
        let text = format!("{REQUIRED}key: {{ id: k, alg: hmac-sha256, signer: host }}\n");
        let signer = Some(Arc::new(SignsAtHome(Loop::here(false))) as Arc<dyn HostSigner>);
        let error = open(Opening { signer, ..opening(&text, vec![free()]) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequiredSinkUnavailable);
    });
}

#[test]
fn a_manual_emitter_whose_required_sink_takes_nothing_is_refused_at_once() {
    struct Down;
    impl Sink for Down {
        fn kind(&self) -> &'static str {
            "host"
        }
        fn deliver(&mut self, _: &[Envelope]) -> Answers {
            let down = sinkwell::sink::Failure::new(sinkwell::sink::FailureKind::Network, "down");
            Answers::Retry(down, None)
        }
    }
    bounded(|| {
        let sinks = vec![spec("down", Arc::new(|| Ok(Box::new(Down))))];
        let error = open(Opening { manual: true, ..opening(REQUIRED, sinks) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequiredSinkUnavailable);
    });
}

/// All that has to do with the one default emitter of a process.
#[test]
fn the_default_emitter_is_not_waited_for_by_the_thread_that_its_opening_waits_for() {
    bounded(|| {
        let default = || host::default_emitter(&SystemEnv::default());
        let (sink, _, turn) = at_home(&Loop::here(false));
        // Before the other thread runs: what comes now must not open another.
        let taken = host::take_turn();
        assert!(taken.is_some() && host::take_turn().is_none());
        let elsewhere = std::thread::spawn(move || {
            host::configure_default_in(taken, opening(REQUIRED, vec![sink]), &SystemEnv::default())
        });
        assert_eq!(default().unwrap_err().kind(), ErrorKind::Closed);
        // A third thread waits for both.
        let third = std::thread::spawn(move || host::default_emitter(&SystemEnv::default()));
        drop(turn);
        let emitter = elsewhere.join().unwrap().unwrap();
        let third = third.join().unwrap().unwrap();
        assert!(Arc::ptr_eq(&emitter, &third) && Arc::ptr_eq(&emitter, &default().unwrap()));
        emitter.shutdown(Duration::from_secs(10));

        // It opens again with the same sink, which this thread runs: another thread may do that.
        assert_eq!(default().unwrap_err().kind(), ErrorKind::RequiredSinkUnavailable);
        let again = std::thread::spawn(move || host::default_emitter(&SystemEnv::default()));
        again.join().unwrap().unwrap();
        default().unwrap().emit(EventInput::new("com.example.n")).unwrap();
        drop(host::take_default());

        // A turn that is given up leaves the next one to whoever comes.
        drop(host::take_turn().unwrap());
        let last = host::configure_default(opening(REQUIRED, vec![free()]), &SystemEnv::default()).unwrap();
        last.shutdown(Duration::from_secs(10));
    });
}
