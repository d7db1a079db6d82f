//! What Rust code awaits: receipts on any executor, and sinks of one's own whose methods are `async`.

use std::collections::HashSet;
use std::future::{Future, IntoFuture as _};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::key::HostSigner;
use sinkwell::receipt::{EndState, Stage};
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{SinkClass, SinkHealth};
use sinkwell::{
    AsyncSink, Emitter, Error, ErrorKind, Event, GovernanceEventSink, Options, SignedGovernanceEvent,
    SinkError, open,
};

const LIMIT: Duration = Duration::from_secs(30);

/// The smallest executor: wakes its own thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Here(std::thread::Thread);
    impl Wake for Here {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Here(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn event() -> Event<'static> {
    Event::new("tool.invocation").with("tool", "search").with("outcome", "ok")
}

fn emitter(manual: bool) -> Emitter {
    let document = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    Emitter::open(Options { manual, ..Options::new(config) }).unwrap()
}

#[test]
fn a_receipt_is_awaited_on_any_executor() {
    let emitter = emitter(false);
    let receipt = block_on(event().emit_to(&emitter).unwrap().into_future()).unwrap();
    assert_eq!(receipt.endings()[0].1.as_ref().unwrap().state, EndState::Delivered);
    // Again, as it has ended.
    block_on(receipt.delivered()).unwrap();
    let refused = block_on(receipt.journaled()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let receipts: Vec<_> = (0..100).map(|_| event().emit_to(&emitter).unwrap()).collect();
        for receipt in receipts {
            tokio::time::timeout(LIMIT, receipt.into_future()).await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_receipt_that_nobody_can_deliver_resolves_when_the_emitter_ends() {
    let emitter = emitter(true);
    let receipt = event().emit_to(&emitter).unwrap();
    let mut waiting = pin!(receipt.delivered());
    let woken = Arc::new(Mutex::new(0));
    struct Count(Arc<Mutex<u32>>);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let waker = Waker::from(Arc::new(Count(Arc::clone(&woken))));
    let mut context = Context::from_waker(&waker);
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    // Given up: it is told to nobody.
    drop(Box::pin(receipt.delivered()));
    emitter.shutdown(Duration::ZERO);
    drop(emitter);
    assert_eq!(*woken.lock().unwrap(), 1);
    assert!(waiting.as_mut().poll(&mut context).is_ready());
}

/// Takes, refuses and fails as events say, and notes what it took.
struct Scripted {
    classes: HashSet<SinkClass>,
    took: Arc<Mutex<Vec<String>>>,
    tokio: bool,
}

impl GovernanceEventSink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn classes(&self) -> &HashSet<SinkClass> {
        &self.classes
    }

    async fn emit(&self, event: &SignedGovernanceEvent) -> Result<(), SinkError> {
        if self.tokio {
            // Panics outside of a runtime.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let said = |key| event.data().get(key).and_then(sinkwell::json::Value::as_bool) == Some(true);
        if said("refuse") {
            return Err(SinkError::rejected("not this one: Jane Doe"));
        }
        if said("fail") && self.took.lock().unwrap().last().map(String::as_str) != Some("failed") {
            self.took.lock().unwrap().push("failed".to_owned());
            return Err(std::io::Error::other("Jane Doe is away").into());
        }
        if !event.is_own() {
            self.took.lock().unwrap().push(event.subject().unwrap_or_default().to_owned());
        }
        Ok(())
    }

    async fn health(&self) -> SinkHealth {
        SinkHealth { healthy: false, detail: Some("asked".to_owned()) }
    }
}

fn scripted(tokio: bool) -> (Scripted, Arc<Mutex<Vec<String>>>) {
    let took = Arc::default();
    (Scripted { classes: HashSet::from([SinkClass::Siem]), took: Arc::clone(&took), tokio }, took)
}

fn open_with(sink: AsyncSink) -> Emitter {
    let lane = r#"{"retry":{"initial":"1ms","cap":"5ms"}}"#;
    let document = r#"{"agent":{"id":"a"},"heartbeat":"off","lanes":[]}"#.to_owned();
    open(Source::Mapping(document), [sink.lane(lane)]).unwrap()
}

#[test]
fn a_sink_of_ones_own_takes_events_in_their_order() {
    let (sink, took) = scripted(false);
    let emitter = open_with(AsyncSink::new(sink));
    let kinds = [("a", None), ("b", Some("refuse")), ("c", Some("fail")), ("d", None)];
    let receipts: Vec<_> = kinds
        .map(|(subject, key)| {
            let event = Event::new("com.example.said").subject(subject);
            key.into_iter().fold(event, |event, key| event.with(key, true)).emit_to(&emitter).unwrap()
        })
        .into();
    let ends: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            receipt.wait(Stage::Delivered, LIMIT).unwrap();
            receipt.endings()[0].1.as_ref().unwrap().state
        })
        .collect();
    assert_eq!(ends, [EndState::Delivered, EndState::Lost, EndState::Delivered, EndState::Delivered]);
    assert_eq!(*took.lock().unwrap(), ["a", "failed", "c", "d"]);
    assert_eq!(emitter.lanes()[0].classes(), [SinkClass::Siem]);
    emitter.shutdown(LIMIT);
}

#[test]
fn a_sink_that_needs_a_runtime_gets_it() {
    let (sink, took) = scripted(true);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let handle = runtime.handle().clone();
    let emitter = open_with(AsyncSink::new(sink).run_on(move |task| handle.block_on(task)));
    let receipt = Event::new("com.example.said").subject("a").emit_to(&emitter).unwrap();
    receipt.wait(Stage::Delivered, LIMIT).unwrap();
    assert_eq!(*took.lock().unwrap(), ["a"]);
    emitter.shutdown(LIMIT);
}

#[test]
fn a_sink_can_be_added_and_must_have_a_name_of_its_own() {
    let (sink, took) = scripted(false);
    let emitter = emitter(false);
    emitter.add_async_sink(AsyncSink::new(sink)).unwrap();
    event().subject("late").emit_to(&emitter).unwrap().wait(Stage::Delivered, LIMIT).unwrap();
    assert_eq!(*took.lock().unwrap(), ["late"]);
    let again = emitter.add_async_sink(AsyncSink::new(scripted(false).0)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidConfig);
    emitter.shutdown(LIMIT);
}

#[test]
fn options_have_sinks_of_ones_own_and_a_signer() {
    struct Constant;
    impl HostSigner for Constant {
        fn sign(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
            Ok(inputs.iter().map(|_| vec![7; 32]).collect())
        }
    }
    let (sink, took) = scripted(false);
    // It is required, and so must be there when the emitter opens; the lane that names it has its class.
    let document = r#"{"agent":{"id":"a"},"key":{"id":"k","alg":"hmac-sha256","signer":"host"},
        "lanes":[{"id":"soc","sink":{"host":"scripted"}}],"governance":{"required_sinks":[{"class":"siem"}]}}"#;
    let mut options = Options::load(Source::Mapping(document.to_owned()), [AsyncSink::new(sink)]).unwrap();
    options.signer = Some(Arc::new(Constant));
    let emitter = Emitter::open(options).unwrap();
    event().subject("signed").emit_to(&emitter).unwrap().wait(Stage::Delivered, LIMIT).unwrap();
    assert_eq!(*took.lock().unwrap(), ["signed"]);
    assert_eq!(emitter.lanes()[0].id(), "soc");
    emitter.shutdown(LIMIT);
}

#[test]
fn what_a_receipt_shows_is_what_files_say() {
    let emitter = emitter(false);
    let receipt = event().emit_to(&emitter).unwrap();
    receipt.wait(Stage::Delivered, LIMIT).unwrap();
    let ending = receipt.endings()[0].1.clone().unwrap();
    let sealed = ending.sealed.unwrap();
    let shown = format!("{receipt:?} {ending:?}");
    let hash: String = sealed.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    for expected in [receipt.id().to_string(), sealed.streamid.to_string(), hash] {
        assert!(shown.contains(&expected), "{expected} is not in {shown}");
    }
    emitter.shutdown(LIMIT);
}

#[test]
fn errors_are_what_other_crates_expect() {
    fn expected<E: std::error::Error + Send + Sync + 'static>() {}
    expected::<Error>();
    expected::<SinkError>();
    expected::<sinkwell::json::JsonError>();
    expected::<sinkwell::deed::DeedError<std::io::Error>>();

    let boxed: Box<dyn std::error::Error + Send + Sync> = Error::invalid_event("no").at("data").into();
    let kind = boxed.downcast_ref::<Error>().map(Error::kind);
    assert!(matches!(kind, Some(ErrorKind::InvalidEvent)));
    let source = Failing(std::io::Error::other("why"));
    let error = SinkError::retry(source);
    assert_eq!(error.to_string(), "it failed");
    assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("why"));
}

#[test]
fn why_a_deed_has_no_result_is_found_in_the_chain_of_its_error() {
    type Deed = sinkwell::deed::DeedError<Failing>;

    fn first<'a, E: std::error::Error + 'static>(
        error: &'a (dyn std::error::Error + 'static),
    ) -> Option<&'a E> {
        std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
    }

    let refused = Deed::Refused(Error::invalid_event("no").at("data"));
    assert_eq!(first::<Error>(&refused).map(Error::kind), Some(ErrorKind::InvalidEvent));
    assert_eq!(refused.to_string(), "the act did not run: invalid_event: data: no");
    let failed = Deed::Failed(Failing(std::io::Error::other("why")));
    assert_eq!(first::<Failing>(&failed).map(ToString::to_string).as_deref(), Some("it failed"));
    assert_eq!(first::<std::io::Error>(&failed).map(ToString::to_string).as_deref(), Some("why"));
    assert_eq!(failed.to_string(), "the act ran and failed: it failed");

    // An error that holds any other: what it held is what it holds.
    type Any = Box<dyn std::error::Error + Send + Sync>;
    let flat = sinkwell::deed::DeedError::<Any>::Refused(Error::invalid_event("no")).flatten();
    assert!(flat.is::<Error>());
    let flat =
        sinkwell::deed::DeedError::<Any>::Failed(Failing(std::io::Error::other("why")).into()).flatten();
    assert!(flat.is::<Failing>());
}

#[derive(Debug)]
struct Failing(std::io::Error);

impl std::fmt::Display for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it failed")
    }
}

impl std::error::Error for Failing {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
