//! The short way: events from single values, and the process's default emitter, which is one for this file.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use sinkwell::config::{Config, Source};
use sinkwell::content::Part;
use sinkwell::event::{Data, Trace};
use sinkwell::json::{ObjectWriter, Value};
use sinkwell::memory::MemorySink;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Sink};
use sinkwell::{Emitter, ErrorKind, Event, EventInput, HostSink, Options, SignedGovernanceEvent, emit};

const LIMIT: Duration = Duration::from_secs(30);

fn options() -> (Options, MemorySink) {
    options_with("")
}

fn options_with(more: &str) -> (Options, MemorySink) {
    let lane = r#"{"id":"out","sink":{"host":"kept"}}"#;
    let document = format!(r#"{{"agent":{{"id":"a"}},"heartbeat":"off","lanes":[{lane}]{more}}}"#);
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let kept = MemorySink::default();
    let sink = kept.clone();
    let make = Arc::new(move || Ok(Box::new(sink.clone()) as Box<dyn Sink>));
    let sinks = vec![HostSink { name: "kept".to_owned(), lane: config.lanes[0].clone(), make }];
    (Options { sinks, ..Options::new(config) }, kept)
}

fn emitter() -> (Emitter, MemorySink) {
    let (options, kept) = options();
    (Emitter::open(options).unwrap(), kept)
}

fn emitter_with(more: &str) -> (Emitter, MemorySink) {
    let (options, kept) = options_with(more);
    (Emitter::open(options).unwrap(), kept)
}

fn events(kept: &MemorySink) -> Vec<SignedGovernanceEvent> {
    let events = kept.envelopes().into_iter().map(SignedGovernanceEvent::from);
    events.filter(|event| !event.is_own()).collect()
}

#[test]
fn values_of_rust_are_members_as_they_are() {
    let (emitter, kept) = emitter();
    let name = String::from("search");
    let items: &[u16] = &[7, 8];
    Event::new("tool.invocation")
        .with("tool", &name)
        .with("usize", items.len())
        .with("u64", 9_007_199_254_740_991_u64)
        .with("i128", -9_007_199_254_740_991_i128)
        .with("f32", 0.1_f32)
        .with("some", Some(1_u8))
        .with("none", None::<&str>)
        .with("vec", vec![name.clone()])
        .with("slice", items)
        .with("array", [Some(true), None])
        .with("char", 'ü')
        .emit_to(&emitter)
        .unwrap();
    emitter.shutdown(LIMIT);
    let events = events(&kept);
    let data = events[0].data();
    let json = |member: &str| data.get(member).map(Value::to_json).unwrap_or_default();
    for (member, expected) in [
        ("tool", r#""search""#),
        ("usize", "2"),
        ("u64", "9007199254740991"),
        ("i128", "-9007199254740991"),
        ("f32", "0.1"),
        ("some", "1"),
        ("none", "null"),
        ("vec", r#"["search"]"#),
        ("slice", "[7,8]"),
        ("array", "[true,null]"),
        ("char", r#""ü""#),
    ] {
        assert_eq!(json(member), expected, "{member}");
    }
}

#[test]
fn an_integer_that_not_every_reader_takes_for_the_same_is_refused() {
    let (emitter, kept) = emitter();
    let refused = |value: Value| {
        let refused = Event::new("com.example.n").with("n", value).emit_to(&emitter).unwrap_err();
        assert_eq!((refused.kind(), refused.place()), (ErrorKind::InvalidEvent, Some("data.n")), "{refused}");
        assert!(refused.message().contains("outside ±(2^53−1)"), "{refused}");
    };
    refused((1_u64 << 53).into());
    refused((-(1_i64 << 53)).into());
    refused(u64::MAX.into());
    refused(usize::MAX.into());
    refused(i128::MIN.into());
    refused(u128::MAX.into());
    emitter.shutdown(LIMIT);
    assert!(events(&kept).is_empty());
}

#[test]
fn an_event_says_what_it_belongs_to_and_carries_content() {
    let (emitter, kept) = emitter();
    let trace = Trace {
        trace_id: "0af7651916cd43dd8448eb211c80319c",
        span_id: "b7ad6b7169203331",
        flags: 1,
        state: None,
    };
    let words = Part::text("tool_arguments", "Jane Doe");
    let event = || {
        let event = Event::new("tool.invocation").with("tool", "mail").run("r").turn("t").attempt("2");
        event.causation("c").correlation("k").trace(trace).content(words.clone())
    };
    event().emit_to(&emitter).unwrap();
    let sent = event().deed_on(&emitter, |act| {
        act.result(&Value::Object(vec![("message".to_owned(), 7_usize.into())])).unwrap();
        Ok::<_, std::io::Error>(7)
    });
    assert_eq!(sent.unwrap(), 7);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let never = std::future::pending::<()>();
    let sent = runtime.block_on(event().deed_async_on(&emitter, never, async |_| Err::<(), _>("no")));
    assert!(sent.is_err());
    emitter.shutdown(LIMIT);
    let events = events(&kept);
    assert_eq!(events.len(), 5);
    for (n, event) in events.iter().enumerate() {
        let is_result = event.data().get("phase").and_then(Value::as_str) == Some("result");
        assert_eq!(is_result, [2, 4].contains(&n), "{n}");
        let cause = if is_result { events[n - 1].id() } else { "c".to_owned() };
        for (attribute, expected) in [
            ("runid", "r"),
            ("turnid", "t"),
            ("attemptid", "2"),
            ("causationid", &cause),
            ("correlationid", "k"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ] {
            assert_eq!(event.attribute(attribute), Some(expected), "{n} {attribute}");
        }
        let text = String::from_utf8_lossy(event.bytes());
        assert_eq!(text.contains("tool_arguments"), !is_result, "{text}");
        assert!(!text.contains("Jane"), "{text}");
    }
    assert_eq!(events[2].data().get("message"), Some(&Value::Int(7)));
}

#[test]
fn the_default_emitter_is_what_the_program_configures() {
    assert!(sinkwell::flush(LIMIT).is_empty(), "it opens nothing");
    let (options, kept) = options();
    sinkwell::configure(options).unwrap();
    emit(Event::new("com.example.n").with("n", 1)).unwrap();
    let refused = sinkwell::configure(self::options().0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert_eq!(sinkwell::flush(LIMIT).len(), 1);
    assert_eq!(events(&kept).len(), 1);
    let admitted = || sinkwell::default_emitter().unwrap().counters()[0].1.admitted;
    assert_eq!(admitted(), 1);
    sinkwell::shutdown(LIMIT);
    // Opened anew, in the same way.
    emit(Event::new("com.example.n").with("n", 2)).unwrap();
    assert_eq!(admitted(), 1);
    assert!(sinkwell::shutdown(LIMIT).iter().all(|(_, lane)| lane.pending == 0));
    assert_eq!(events(&kept).len(), 2);

    // What runs for the opening, and a sink that it waits for, do not wait for it.
    let (told, said) = mpsc::channel();
    let document = r#"{"agent":{"id":"a"},"heartbeat":"off","governance":{"version":"1","requires_sink":"siem"},"lanes":[{"id":"out","classes":["siem"],"sink":{"host":"emits"}}]}"#;
    let config = Config::load(Source::Mapping(document.to_owned()), &SystemEnv::default()).unwrap();
    let make = Arc::new(move || {
        told.send(("the maker", emit_closed())).unwrap();
        Ok(Box::new(Emits(told.clone())) as Box<dyn Sink>)
    });
    let sinks = vec![HostSink { name: "emits".to_owned(), lane: config.lanes[0].clone(), make }];
    let options = Options { sinks, ..Options::new(config) };
    let opening = std::thread::spawn(|| sinkwell::configure(options).map(drop));
    for who in ["the maker", "the sink"] {
        assert_eq!(said.recv_timeout(LIMIT), Ok((who, true)));
    }
    opening.join().unwrap().unwrap();
    sinkwell::shutdown(LIMIT);
}

/// A sink that emits through the default emitter, and tells what comes of it.
struct Emits(mpsc::Sender<(&'static str, bool)>);

impl Sink for Emits {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        let _ = self.0.send(("the sink", emit_closed()));
        Answers::Acknowledged
    }
}

/// Whether the default emitter refuses an event at once, as closed.
fn emit_closed() -> bool {
    let start = Instant::now();
    let refused = emit(Event::new("com.example.n"));
    refused.is_err_and(|e| e.kind() == ErrorKind::Closed) && start.elapsed() < Duration::from_secs(5)
}

#[test]
fn what_an_event_cannot_carry_is_refused_by_the_path_that_came_first() {
    let (emitter, kept) = emitter_with(r#","limits":{"depth":2}"#);
    let refused = |event: Event<'_>| {
        let refused = event.emit_to(&emitter).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidEvent, "{refused}");
        refused.place().unwrap_or_default().to_owned()
    };
    let event = || Event::new("com.example.n").with("a", 1);
    let deep = || vec![vec![1]];
    // How deep values may nest is the emitter's to say.
    assert_eq!(refused(event().with("deep", deep()).with("b", f64::NAN)), "data.deep[0]");
    assert_eq!(refused(event().with("b", f64::NAN).with("deep", deep())), "data.b");
    assert_eq!(refused(event().with("list", vec![0.5, f64::NAN]).with("a", 1)), "data.list[1]");
    let object = Value::Object(vec![("x".to_owned(), 1.into()), ("x".to_owned(), 2.into())]);
    assert_eq!(refused(event().with("object", object)), "data.object.x");
    // A key that is there twice, next to the other and not, beside lists and not.
    assert_eq!(refused(event().with("a", 1)), "data.a");
    assert_eq!(refused(event().with("a", vec![1])), "data.a");
    assert_eq!(refused(Event::new("com.example.n").with("b", 1).with("a", 1).with("b", 2)), "data.b");
    assert_eq!(refused(Event::new("com.example.n").with("b", [1]).with("a", 1).with("b", 2)), "data.b");
    // What comes later changes nothing.
    assert_eq!(refused(event().with("b", 1_u64 << 60).with("c", 1).with("d", [1])), "data.b");
    let act = event().with("b", f64::NAN).deed_on(&emitter, |_| Ok::<_, std::io::Error>(()));
    assert!(matches!(act, Err(sinkwell::deed::DeedError::Refused(e)) if e.place() == Some("data.b")));
    emitter.shutdown(LIMIT);
    assert!(events(&kept).is_empty());
}

#[test]
fn members_are_those_of_an_object_that_is_written_by_hand() {
    let (emitter, kept) = emitter();
    let mut writer = ObjectWriter::new();
    let write = |writer: &mut ObjectWriter| {
        writer.begin_object()?;
        for (key, text) in [("z", "\"quoted\"\n"), ("ключ", "значение"), ("\u{e000}", ""), ("\u{10000}", "x")]
        {
            writer.key(key)?;
            writer.string(text)?;
        }
        writer.key("list")?;
        writer.begin_array()?;
        writer.string("a\\b")?;
        writer.end_array()?;
        writer.key("float")?;
        writer.float(1e-7)?;
        writer.end_object()
    };
    write(&mut writer).unwrap();
    emitter.emit(EventInput { data: Data::Object(&writer), ..EventInput::new("com.example.n") }).unwrap();
    let event = |list: bool| {
        // Neither a key nor a text has to live as long as the event.
        let (z, key) = (String::from("z"), String::from("ключ"));
        let event = Event::new("com.example.n").with(&z, "\"quoted\"\n").with(key.as_str(), "значение");
        let event =
            event.with(std::borrow::Cow::Borrowed("\u{e000}"), "").with(String::from("\u{10000}"), "x");
        let event = if list { event.with("list", vec!["a\\b"]) } else { event };
        event.with("float", 1e-7)
    };
    event(true).emit_to(&emitter).unwrap();
    // Several may be built at once, on a thread and on others; one that is dropped is nothing.
    let (first, dropped, second) = (event(false), event(true), event(true));
    drop(dropped);
    second.emit_to(&emitter).unwrap();
    first.with("list", vec!["a\\b"]).emit_to(&emitter).unwrap();
    Event::new("com.example.none").emit_to(&emitter).unwrap();
    emitter.shutdown(LIMIT);
    let events = events(&kept);
    let data: Vec<String> = events.iter().map(|event| event.data().to_json()).collect();
    assert_eq!(
        data[0],
        "{\"float\":1e-7,\"list\":[\"a\\\\b\"],\"z\":\"\\\"quoted\\\"\\n\",\"ключ\":\"значение\",\"\u{10000}\":\"x\",\"\u{e000}\":\"\"}"
    );
    assert_eq!(data[1..4], [data[0].clone(), data[0].clone(), data[0].clone()]);
    assert_eq!(data[4..], ["{}"]);
}

/// Building an event takes no memory that one written by hand does not take, but for the texts that its values are made of.
#[test]
fn the_builder_owns_no_key() {
    const KEYS: [&str; 6] = ["a.key", "b.key", "c.key", "d.key", "e.key", "f.key"];
    let (options, _kept) = options();
    // What is left of an emit when no lane is on: the event and its receipt are made.
    let config = Config { disabled: true, ..options.config.clone() };
    let emitter = Emitter::open(Options { config, ..options }).unwrap();
    let mut writer = ObjectWriter::new();
    writer.begin_object().unwrap();
    for key in KEYS {
        writer.key(key).unwrap();
        writer.string("text").unwrap();
    }
    writer.key("n").unwrap();
    writer.int(1).unwrap();
    writer.end_object().unwrap();
    let by_hand = || {
        let input = EventInput { data: Data::Object(&writer), ..EventInput::new("com.example.n") };
        drop(emitter.emit(input).unwrap());
    };
    let built = || {
        let event = KEYS.iter().fold(Event::new("com.example.n"), |event, key| event.with(key, "text"));
        drop(event.with("n", 1).emit_to(&emitter).unwrap());
    };
    // The first time, buffers that the thread keeps grow.
    by_hand();
    built();
    let counted = |emit: &dyn Fn()| allocation_counter::measure(emit).count_total;
    assert_eq!(counted(&built), counted(&by_hand) + KEYS.len() as u64);
    assert!(size_of::<Event<'_>>() <= 64, "each call moves it");
}

/// Without data of a `Serialize`, which may be of a thread alone, an event goes to other threads.
#[cfg(not(feature = "serde"))]
#[test]
fn an_event_goes_to_another_thread() {
    let (emitter, kept) = emitter();
    let event = Event::new("com.example.n").with("n", 1).with("list", [1]);
    std::thread::scope(|scope| drop(scope.spawn(|| event.with("m", 2).emit_to(&emitter).unwrap())));
    emitter.shutdown(LIMIT);
    assert_eq!(events(&kept)[0].data().to_json(), r#"{"list":[1],"m":2,"n":1}"#);
}
