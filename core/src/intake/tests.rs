use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::sync::mpsc;

use super::*;
use crate::config::Source;
use crate::seam::SystemEnv;
use crate::sink::{Answers, Envelope, Making, SinkConfig};
use crate::sinks::stream::Outgoing;
use crate::sinks::stream::compact::VERSION;
use crate::sinks::stream::proto::{HEADER, Messages, PATH, Status, frame, frame_batch};
use crate::testing::TempDir;

fn options(dir: &TempDir, listen: &str) -> Options {
    Options {
        listen: listen.to_owned(),
        output: Output::File {
            path: dir.path().join("got.ndjson"),
            rotate_bytes: None,
            rotate_age: None,
            keep: None,
        },
        tls: None,
        tokens: Vec::new(),
        limits: Limits::default(),
        keys: Vec::new(),
    }
}

/// The settings of a lane's sink, as a configuration says it.
fn sink(text: &str) -> SinkConfig {
    let text = format!("agent: {{ id: a }}\nlanes: [ {{ sink: {{ stream: {text} }} }} ]\n");
    let source = Source::Text { text, name: None, format: Default::default() };
    crate::config::Config::load(source, &SystemEnv::default()).unwrap().lanes[0].sink.clone()
}

fn deliver(sink: &SinkConfig, batch: &[Envelope]) -> Answers {
    let making = Making { timeout: Duration::from_secs(20), type_prefix: "" };
    sink.make(&making).unwrap().sink.deliver(batch)
}

fn sealed(n: u64) -> Vec<Envelope> {
    crate::sinks::audit_chain::sealed(n)
}

fn got(dir: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join("got.ndjson")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn who_holds_the_lock_on_a_sockets_folder_is_waited_for_so_long_and_named() {
    let dir = TempDir::new();
    let path = dir.path().join("intake.sock");
    let bind = |limit, pause: &mut dyn FnMut(Duration)| server::bind(&path, limit, pause);
    let stranger = fs::File::open(dir.path()).unwrap();
    stranger.lock_shared().unwrap();
    let refused = bind(Duration::from_millis(20), &mut crate::seam::pause).unwrap_err().to_string();
    assert!(
        refused.contains("a lock (flock) on the folder ") && refused.contains("put the socket"),
        "{refused}"
    );
    assert!(refused.contains(&dir.path().display().to_string()), "{refused}");
    // Some file systems have another number there than `stat` says, so that nobody is found.
    let ours = format!("process {} holds", std::process::id());
    assert!(refused.starts_with(&ours) || refused.starts_with("another process holds"), "{refused}");
    assert!(!path.exists());
    // Who gives it back in time stops nobody.
    let mut stranger = Some(stranger);
    let bound = bind(Duration::from_secs(60), &mut |_| drop(stranger.take()));
    drop(bound.unwrap());
    assert!(stranger.is_none(), "it did not wait");
    assert!(path.exists());
}

#[test]
fn tls_with_client_certificates_lets_in_who_has_one() {
    let dir = TempDir::new();
    let path = |name: &str| dir.path().join(name);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(path("ca.pem"), ca.pem()).unwrap();
    for name in ["localhost", "client"] {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        fs::write(path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        allow(&path(&format!("{name}.key")), 0o600);
    }
    let tls = Tls {
        certificate: path("localhost.pem"),
        key: path("localhost.key"),
        allow_group_readable: false,
        client_ca: Some(path("ca.pem")),
    };
    let intake = Intake::start(Options { tls: Some(tls.clone()), ..options(&dir, "localhost:0") }).unwrap();
    let port = intake.address().rsplit(':').next().unwrap().to_owned();
    let stream = |more: &str| {
        sink(&format!("{{ endpoint: 'localhost:{port}', ca: '{}'{more} }}", path("ca.pem").display()))
    };
    let batch = sealed(5);
    let with = format!(
        ", client_certificate: '{}', client_key: '{}'",
        path("client.pem").display(),
        path("client.key").display()
    );
    assert_eq!(deliver(&stream(&with), &batch), Answers::Acknowledged);
    assert_eq!(got(&dir).len(), 5);
    let Answers::Retry(failure, _) = deliver(&stream(""), &batch) else { panic!() };
    assert!(failure.summary.contains("certificate"), "{failure:?}");
    let Answers::Retry(failure, _) =
        deliver(&sink(&format!("{{ endpoint: 'http://localhost:{port}' }}")), &batch)
    else {
        panic!()
    };
    assert!(failure.summary.contains("https://"), "{failure:?}");
    assert_eq!(got(&dir).len(), 5);

    let other: PathBuf = path("client.key");
    let tls = Tls { key: other, client_ca: None, ..tls };
    let refused = |tls: &Tls| {
        Intake::start(Options { tls: Some(tls.clone()), ..options(&dir, "localhost:0") })
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&tls).contains("belong together"), "{}", refused(&tls));
    // As a sealing key's file.
    allow(&tls.key, 0o640);
    let said = refused(&tls);
    assert!(
        said.starts_with("key: ") && said.contains("others can read this private key (mode 0640)"),
        "{said}"
    );
    let said = refused(&Tls { allow_group_readable: true, ..tls.clone() });
    assert!(said.contains("belong together"), "{said}");
}

fn allow(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_of_tokens_is_for_its_owner_alone_unless_its_group_is_let_read_it() {
    let dir = TempDir::new();
    let path = dir.path().join("tokens");
    fs::write(&path, "# of the fleet\n\n first \nsecond").unwrap();
    for (mode, with_group, taken) in [
        (0o600, false, true),
        (0o400, false, true),
        (0o640, false, false),
        (0o440, true, true),
        (0o660, true, false),
        (0o604, true, false),
        (0o644, false, false),
    ] {
        allow(&path, mode);
        let read = read_tokens(&path, with_group);
        assert_eq!(read.is_ok(), taken, "{mode:o}");
        let Err(error) = read else { continue };
        assert_eq!(error.kind(), crate::error::ErrorKind::Key);
        assert_eq!(error.place(), path.to_str());
        let said = error.message();
        assert!(
            said.starts_with(&format!(
                "others can read this file of tokens (mode {mode:04o}); run `chmod 600`"
            ))
        );
        assert_eq!(said.contains("--allow-group-readable"), mode == 0o640 || mode == 0o660, "{said}");
        assert!(!said.contains("first"));
    }
    allow(&path, 0o600);
    let tokens = read_tokens(&path, false).unwrap();
    assert_eq!(tokens.iter().map(Secret::expose).collect::<Vec<_>>(), [&b"first"[..], b"second"]);
}

#[test]
fn a_snapshot_of_what_its_sender_knows_may_come_first() {
    use crate::sinks::stream::datadog::{LAYOUTS, snapshot};
    let dir = TempDir::new();
    let intake = Intake::start(options(&dir, "127.0.0.1:0")).unwrap();
    let ok = |batch| Status { batch, ok: true, refused: Vec::new() };
    for layout in LAYOUTS {
        let say = |said| {
            let (_, statuses, end) = say_within(1 << 16, intake.address(), layout.path, &[], said);
            (statuses, end.unwrap())
        };
        let (first, second) = snapshot(layout, &sealed(4));
        let (first, second) = (|n| frame_batch(n, &first), |n| frame_batch(n, &second));
        // The second is of no use without what the first has defined.
        assert_eq!(say(vec![first(0), second(1)]), (vec![ok(0), ok(1)], "0".to_owned()));
        assert_eq!(say(vec![second(1)]), (vec![], "15".to_owned()));
        // It comes once, and before everything else.
        assert_eq!(say(vec![first(0), second(0)]), (vec![ok(0)], "15".to_owned()));
        assert_eq!(say(vec![first(1), second(0)]), (vec![ok(1)], "15".to_owned()));
    }
    assert_eq!(got(&dir).len(), 2 * 4);
}

/// Says these bytes to an intake over a stream, and hears what it says: statuses, and the gRPC status at the end.
fn say(address: &str, headers: &[(&str, &str)], said: Vec<Vec<u8>>) -> (u16, Vec<Status>, Option<String>) {
    say_within(1 << 16, address, PATH, headers, said)
}

/// The same, with room for so many bytes that were not yet taken.
fn say_within(
    window: u32,
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    said: Vec<Vec<u8>>,
) -> (u16, Vec<Status>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let io = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(window);
        let (mut sender, driver) = client.handshake(TokioIo::new(io)).await.unwrap();
        tokio::spawn(driver);
        let (out, body) = mpsc::channel(said.len().max(1));
        for bytes in said {
            out.send(Bytes::from(bytes)).await.unwrap();
        }
        drop(out);
        let mut request = Request::builder().method("POST").version(Version::HTTP_2);
        request = request.uri(format!("http://{address}{path}")).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response: Response<_> = sender.send_request(request.body(Outgoing(body)).unwrap()).await.unwrap();
        let code = response.status().as_u16();
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
        let mut end = response.headers().get("grpc-status").map(text);
        let mut messages = Messages::new(1 << 20);
        let mut statuses = Vec::new();
        let mut body = response.into_body();
        while let Some(Ok(part)) = body.frame().await {
            match part.into_data() {
                Ok(data) => messages.push(&data),
                Err(part) => end = part.trailers_ref().and_then(|t| t.get("grpc-status")).map(text),
            }
            while let Ok(Some(message)) = messages.next() {
                statuses.push(Status::decode(&message).unwrap());
            }
        }
        (code, statuses, end)
    })
}

fn speaks() -> String {
    format!("compact/{VERSION}")
}

#[test]
fn who_speaks_otherwise_is_told_so_before_anything_is_read() {
    let dir = TempDir::new();
    let intake = Intake::start(options(&dir, "127.0.0.1:0")).unwrap();
    let end = |headers: &[(&str, &str)]| say(intake.address(), headers, Vec::new()).2;
    assert_eq!(end(&[]).as_deref(), Some("9"));
    assert_eq!(end(&[(HEADER, "compact/2")]).as_deref(), Some("9"));
    assert_eq!(end(&[(HEADER, &speaks())]).as_deref(), Some("0"));

    let open = Options { tokens: vec![Secret::new(b"right".to_vec())], ..options(&dir, "127.0.0.1:0") };
    let intake = Intake::start(open).unwrap();
    for (said, code) in [("Bearer right", "0"), ("Bearer wrong", "16"), ("right", "16"), ("Bearer ", "16")] {
        let headers = [(HEADER, speaks()), ("authorization", said.to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(say(intake.address(), &headers, Vec::new()).2.as_deref(), Some(code), "{said}");
    }
}

#[test]
fn what_cannot_be_read_ends_its_own_stream_after_what_was_read_is_acknowledged() {
    let dir = TempDir::new();
    let limits = Limits { batch: 1 << 16, state: 1 << 16, ..Limits::default() };
    let intake = Intake::start(Options { limits, ..options(&dir, "127.0.0.1:0") }).unwrap();
    let lines = sealed(4);
    let good = |batch| {
        let mut encoder = crate::sinks::stream::compact::encoder();
        frame_batch(batch, &encoder.encode(&lines, usize::MAX).unwrap().unwrap())
    };
    let headers = [(HEADER, speaks())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ok = Status { batch: 1, ok: true, refused: Vec::new() };
    let lost = Some("15".to_owned());
    for (said, statuses, end) in [
        (vec![good(1)], vec![ok.clone()], Some("0".to_owned())),
        // The second begins as if nothing had been before it, which its stream knows better.
        (vec![good(1), good(2)], vec![ok.clone()], lost.clone()),
        (vec![good(2)], vec![], lost.clone()),
        (vec![good(1), good(1)], vec![ok.clone()], lost.clone()),
        (vec![good(1), frame_batch(2, b"nonsense that is no batch")], vec![ok.clone()], lost.clone()),
        (vec![frame(b"no message")], vec![], lost.clone()),
        (vec![frame(&[8, 1])], vec![], lost.clone()),
        // Longer than allowed, though it has yet to come; compressed; half a message, then the end.
        (vec![vec![0, 0x7F, 0, 0, 0]], vec![], lost.clone()),
        (vec![vec![1, 0, 0, 0, 1, 0]], vec![], lost),
        (vec![good(1)[..20].to_vec()], vec![], Some("0".to_owned())),
    ] {
        let said = say(intake.address(), &headers, said);
        assert_eq!((said.0, said.1, said.2), (200, statuses, end));
    }
    // And nobody else's.
    let stream = sink(&format!("{{ endpoint: 'http://{}' }}", intake.address()));
    assert_eq!(deliver(&stream, &lines), Answers::Acknowledged);
    let totals = intake.stop(Duration::from_secs(10));
    assert_eq!((totals.envelopes, totals.batches), (5 * 4, 5));
}

#[test]
fn who_is_never_let_in_keeps_no_connection() {
    let dir = TempDir::new();
    let limits = Limits { connections: 1, ..Limits::default() };
    let tokens = vec![Secret::new(b"right".to_vec())];
    let intake = Intake::start(Options { limits, tokens, ..options(&dir, "127.0.0.1:0") }).unwrap();
    // Says nothing; says hello and no more; is not known. Each holds the only place until it is cut off.
    let silent = std::net::TcpStream::connect(intake.address()).unwrap();
    let mut polite = std::net::TcpStream::connect(intake.address()).unwrap();
    std::io::Write::write_all(&mut polite, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let headers = [(HEADER, speaks()), ("authorization", "Bearer right".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(say(intake.address(), &headers, Vec::new()).2.as_deref(), Some("0"));
    for mut cut in [silent, polite] {
        cut.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut rest = Vec::new();
        match std::io::Read::read_to_end(&mut cut, &mut rest) {
            Ok(_) => {}
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "it is cut off"),
        }
    }
}

#[test]
fn an_acknowledgement_waits_for_a_peer_that_takes_none() {
    // A window too small for one status, and far more batches than an intake reads ahead: none is dropped, none is late.
    let dir = TempDir::new();
    let intake = Intake::start(options(&dir, "127.0.0.1:0")).unwrap();
    let lines = sealed(200);
    let mut encoder = crate::sinks::stream::compact::encoder();
    let batches: Vec<_> = lines
        .chunks(1)
        .zip(1..)
        .map(|(line, n)| frame_batch(n, &encoder.encode(line, usize::MAX).unwrap().unwrap()))
        .collect();
    let headers = [(HEADER, speaks())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (_, statuses, end) = say_within(8, intake.address(), PATH, &headers, batches);
    assert_eq!(end.as_deref(), Some("0"));
    assert_eq!(statuses.iter().map(|status| status.batch).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    assert_eq!(got(&dir).len(), 200);
}

#[test]
fn what_a_stream_moves_is_in_the_lanes_counters_and_in_prometheus_text() {
    let dir = TempDir::new();
    let intake = Intake::start(options(&dir, "127.0.0.1:0")).unwrap();
    let text = format!(
        "agent: {{ id: a }}\nheartbeat: off\nlanes: [ {{ id: out, sink: {{ stream: {{ endpoint: 'http://{}' }} }} }}, {{ id: here, sink: memory }} ]\n",
        intake.address()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = crate::config::Config::load(source, &SystemEnv::default()).unwrap();
    let emitter = crate::Emitter::open(crate::Options::new(config)).unwrap();
    for n in 0..200 {
        let data = format!(r#"{{"tool":"search","outcome":"ok","n":{n}}}"#);
        let mut input = crate::EventInput::new("tool.invocation");
        input.data = crate::event::Data::Json(data.as_bytes());
        emitter.emit(input).unwrap();
    }
    emitter.flush(Duration::from_secs(60));
    let prometheus = emitter.prometheus();
    let value = |name: &str| -> u64 {
        let line = prometheus
            .lines()
            .find(|line| line.starts_with(&format!("sinkwell_sink_{name}{{lane=\"out\"}} ")));
        line.unwrap_or_else(|| panic!("no {name} in {prometheus}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let delivered: u64 = emitter.counters()[0].1.bytes;
    assert_eq!(value("bytes_raw_total"), delivered + 201, "each with its newline");
    assert!(value("bytes_wire_total") < value("bytes_encoded_total"));
    assert!(value("bytes_encoded_total") < value("bytes_raw_total"));
    assert_eq!(value("compression_ratio"), value("bytes_raw_total") * 1000 / value("bytes_wire_total"));
    assert!(value("definitions_live") > 2 && value("definitions_added_total") == value("definitions_live"));
    assert_eq!((value("in_flight_batches"), value("streams_total"), value("rotations_total")), (0, 1, 0));
    assert!(value("state_bytes") > 100 && value("utilization") <= 1000);
    assert!(
        !prometheus.contains("lane=\"here\"} 0\nsinkwell_sink"),
        "a lane whose sink moves nothing has none"
    );
    let counters = String::from_utf8(crate::host::counters_json(&emitter)).unwrap();
    assert!(counters.contains("\"sink\":{\"bytes_dropped\":0,\"bytes_encoded\":"), "{counters}");
    // The intake goes away: what fails is counted by code and kind.
    intake.stop(Duration::from_secs(10));
    emitter.emit(crate::EventInput::new("x.y")).unwrap();
    let limit = std::time::Instant::now();
    while !emitter
        .prometheus()
        .contains("sinkwell_sink_errors_total{lane=\"out\",code=\"0\",reason=\"network\"}")
    {
        assert!(limit.elapsed() < Duration::from_secs(60), "{}", emitter.prometheus());
        std::thread::yield_now();
    }
    emitter.shutdown(Duration::ZERO);
}

/// A sink that says what a script says.
struct Scripted(std::collections::VecDeque<Answers>);

impl crate::sink::Sink for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn deliver(&mut self, _batch: &[Envelope]) -> Answers {
        self.0.pop_front().unwrap_or(Answers::Acknowledged)
    }
}

/// What the writer says of each of a batch when its sink answers so.
fn settled(script: Vec<Answers>, n: u64) -> (Vec<(usize, String)>, Totals) {
    let (writer, door) = writer::Writer::start(Box::new(Scripted(script.into())), None).unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let room = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
    let lines = sealed(n)
        .into_iter()
        .map(|line| crate::sinks::stream::compact::Rebuilt::Envelope(line, None))
        .collect();
    let done = Box::new(move |refused| told.send(refused).unwrap());
    assert!(door.try_send(writer::Job { lines, done, room }).is_ok());
    drop(door);
    let refused = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    (refused, writer.stop(Duration::from_secs(10)))
}

#[test]
fn the_sink_behind_it_decides_about_each_envelope() {
    use crate::sink::{Answer, Failure, FailureKind};
    let failure = || Failure::new(FailureKind::Rejected, "no");
    let refused = |places: &[usize]| places.iter().map(|&at| (at, "no".to_owned())).collect::<Vec<_>>();
    assert_eq!(settled(vec![], 4).0, []);
    // Not now, twice: then it takes them.
    let (none, totals) = settled(vec![Answers::Retry(failure(), None), Answers::Gone(failure())], 4);
    assert_eq!((none.len(), totals.waited, totals.envelopes), (0, 2, 4));
    // One by one, of which one is tried again.
    let each = Answers::Each(vec![
        Answer::Acknowledged,
        Answer::Refused(failure()),
        Answer::Retry(failure(), None),
        Answer::Uncertain(failure()),
    ]);
    let (said, totals) = settled(vec![each], 4);
    assert_eq!((said, totals.refused, totals.envelopes), (refused(&[1, 3]), 2, 2));
    // As a whole: it is halved until the one that is meant is alone.
    let whole = || Answers::RefusedBatch(failure());
    assert_eq!(settled(vec![whole(), Answers::Acknowledged, whole(), whole()], 4).0, refused(&[2]));
    // Nobody knows which.
    assert_eq!(settled(vec![Answers::Partial { refused: 1, failure: failure() }], 2).0, refused(&[0, 1]));
}

#[test]
fn what_is_altered_on_the_way_is_said() {
    let lines = sealed(6);
    let mut none = watch::Watch::new(Vec::new());
    let all: u64 = lines.iter().map(|line| none.see(line, None)).sum();
    assert!(
        all >= lines.iter().filter(|line| line.signed).count() as u64,
        "signed with a key that was not given"
    );
    let mut watch = watch::Watch::new(Vec::new());
    let unsigned: Vec<Envelope> = lines
        .iter()
        .map(|line| {
            let text = String::from_utf8(line.bytes.to_vec()).unwrap();
            let signature = text.find(",\"sigalg\"").map(|at| (at, text.find(",\"source\"").unwrap()));
            let text = signature.map_or(text.clone(), |(from, to)| text[..from].to_owned() + &text[to..]);
            Envelope::new(crate::sink::EnvelopeInner { bytes: text.into_bytes(), ..line.parts() })
        })
        .collect();
    assert_eq!(watch.see(&unsigned[0], None) + watch.see(&unsigned[1], None), 0);
    assert_eq!(watch.see(&unsigned[1], None), 0, "a repeat is none");
    assert_eq!(watch.see(&unsigned[4], None), 1, "the chain does not lead there");
    assert_eq!(watch.finish(), 1, "no signature covers them");
}

#[test]
fn a_socket_whose_listener_takes_nobody_any_more_is_another_process_s() {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    };
    let dir = TempDir::new();
    let path = dir.path().join("intake.sock");
    let there = SocketAddrUnix::new(&path).unwrap();
    let socket =
        || socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
    let listener = socket();
    bind(&listener, &there).unwrap();
    listen(&listener, 1).unwrap();
    // Until there is no room for another.
    let mut waiting = Vec::new();
    loop {
        let one = socket();
        match connect(&one, &there) {
            Ok(()) => waiting.push(one),
            Err(e) => break assert_eq!(e, rustix::io::Errno::AGAIN),
        }
    }
    let options = options(&dir, &format!("unix:{}", path.display()));
    let (told, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(Intake::start(options).map(|_| ()).unwrap_err().to_string()));
    let said = said.recv_timeout(Duration::from_secs(30)).expect("it waits for the other");
    assert!(said.contains("another process listens there"), "{said}");
    assert!(path.exists());
}
