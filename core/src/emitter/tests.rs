use std::time::Duration;

use super::*;
use crate::config::Config;
use crate::event::Data;
use crate::receipt::Stage;
use crate::seam::SystemEnv;
use crate::testing::TempDir;

fn config(text: &str) -> Config {
    let source =
        crate::config::Source::Text { text: text.to_owned(), name: None, format: Default::default() };
    Config::load(source, &SystemEnv::default()).unwrap()
}

fn tool(emitter: &Emitter, n: usize) -> Result<Receipt> {
    let data = format!(r#"{{"tool":"search","outcome":"ok","n":{n}}}"#);
    let mut input = EventInput::new("tool.invocation");
    input.data = Data::Json(data.as_bytes());
    emitter.emit(input)
}

#[test]
fn events_reach_a_file_sealed_and_in_order() {
    let dir = TempDir::new();
    let path = dir.path().join("events.ndjson");
    let key = dir.path().join("k");
    crate::key::generate(crate::config::SignatureAlgorithm::HmacSha256, &key).unwrap();
    let text = format!(
        "agent: {{ id: a1 }}\nkey: {{ id: k1, hmac_sha256: {{ file: {} }} }}\nlanes:\n  - sink: {{ file: {{ path: {} }} }}\n",
        key.display(),
        path.display()
    );
    let emitter = Emitter::open(Options::new(config(&text))).unwrap();
    let receipts: Vec<_> = (0..3000).map(|n| tool(&emitter, n).unwrap()).collect();
    receipts[2999].wait(Stage::Delivered, Duration::from_secs(10)).unwrap();
    let endings = receipts[7].endings();
    assert_eq!(endings[0].1.as_ref().unwrap().state, crate::receipt::EndState::Delivered);
    let report = emitter.shutdown(Duration::from_secs(5));
    assert_eq!(report[0].1, LaneReport { delivered: 3000, pending: 0, place: Where::None });
    let lines = std::fs::read_to_string(&path).unwrap();
    // opened, 3000 events, two checkpoints, closed
    assert_eq!(lines.lines().count(), 3004, "{}", lines.lines().next().unwrap());
    for line in lines.lines() {
        let value = crate::json::parse(line.as_bytes()).unwrap();
        assert_eq!(value.to_canonical().unwrap(), line.as_bytes());
    }
    assert_eq!(emitter.emit(EventInput::new("com.x")).unwrap_err().kind(), ErrorKind::Closed);
}
