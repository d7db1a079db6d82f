//! A lane that cannot deliver tells the host's logger, and so does one that ends with events left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::diagnostics::{Level, set_logger};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Event, Options};

static HEARD: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

#[test]
fn a_thousand_events_to_a_closed_port_do_not_end_without_a_word() {
    set_logger(|level, text| {
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push((level, text.to_owned()));
    });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let text = format!(
        r#"{{"agent":{{"id":"a"}},"lanes":[{{"id":"collector","sink":{{"otlp":{{"endpoint":"http://{address}","protocol":"http/protobuf"}}}}}}]}}"#
    );
    let config = Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    for _ in 0..1000 {
        Event::new("tool.invocation").with("tool", "search").emit_to(&emitter).unwrap();
    }
    emitter.flush(Duration::from_millis(1));
    let left = emitter.shutdown(Duration::from_secs(2));
    assert_eq!(left[0].1.pending, 1000);
    let heard = HEARD.lock().unwrap();
    let warned = |text: &str| {
        heard.iter().filter(|(level, said)| *level == Level::Warn && said.contains(text)).count()
    };
    assert_eq!(warned("lane \"collector\" is degraded (network)"), 1, "{heard:#?}");
    assert_eq!(warned("lane \"collector\" ended with 1000 events undelivered (shutdown)"), 1, "{heard:#?}");
    assert_eq!(heard.len(), 2, "{heard:#?}");
}
