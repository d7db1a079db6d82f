//! `tally`, a toy: the smallest sink with a key of its own, there in unit tests alone. It shows what adding a sink takes
//! (CONTRIBUTING.md, "To add"), and its tests hold that nothing else is needed.

use std::path::PathBuf;

use crate::document::keys::{Form, Key};
use crate::document::reader::Cursor;
use crate::error::Result;
use crate::sink::{
    Alone, Answers, Envelope, Examined, Failure, FailureKind, Grade, Kind, Made, Making, Settings, Sink,
    SinkClass, SinkConfig,
};

/// `tally`
pub(super) const KIND: Kind = Kind {
    name: "tally",
    about: "writes how many envelopes it has taken",
    classes: &[SinkClass::Debug],
    linger: super::LINGER,
    keys: &[Key::required("count_in", Form::Path, "the file that the number is written to")],
    alone: Alone::Needs("a `tally` needs a file: `sink: { tally: { count_in: n.txt } }`"),
    read,
};

#[derive(Debug)]
struct TallyConfig {
    count_in: PathBuf,
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let table = cursor.table(KIND.keys)?;
    Ok(SinkConfig::new(TallyConfig { count_in: table.require("count_in")?.file()? }))
}

impl Settings for TallyConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Ok(Made::new(Tally { count_in: self.count_in.clone(), taken: 0 }))
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        Examined::Found(Grade::Warning, "a `tally` keeps nothing".into())
    }
}

struct Tally {
    count_in: PathBuf,
    taken: usize,
}

impl Sink for Tally {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let taken = self.taken + batch.len();
        if let Err(error) = std::fs::write(&self.count_in, taken.to_string()) {
            let failure = Failure::new(FailureKind::Network, "the number cannot be written");
            return Answers::Retry(failure.detail(error.to_string()), None);
        }
        self.taken = taken;
        Answers::Acknowledged
    }

    fn idempotent(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::config::{Source, reference};
    use crate::emitter::{Emitter, Options};
    use crate::event::EventInput;
    use crate::seam::SystemEnv;
    use crate::settings::Config;
    use crate::testing::TempDir;

    fn load(text: &str) -> crate::error::Result<Config> {
        let source = Source::Text { text: text.to_owned(), name: None, format: Default::default() };
        Config::load(source, &SystemEnv::default())
    }

    #[test]
    fn it_is_configured_examined_opened_and_documented() {
        let dir = TempDir::new();
        let (key, count) = (dir.path().join("k"), dir.path().join("n.txt"));
        crate::key::generate(crate::settings::SignatureAlgorithm::HmacSha256, &key).unwrap();
        let config = load(&format!(
            "agent: {{ id: a }}\nkey: {{ id: k, hmac_sha256: {{ file: {} }} }}\nlanes: [ {{ sink: {{ tally: {{ count_in: {} }} }} }} ]\n",
            key.display(),
            count.display()
        ))
        .unwrap();
        let examined = format!("{:?}", crate::doctor::examine(&config));
        assert!(examined.contains("a `tally` keeps nothing"), "{examined}");

        let emitter = Emitter::open(Options::new(config)).unwrap();
        emitter.emit(EventInput::new("com.example.n")).unwrap();
        let report = emitter.shutdown(Duration::from_secs(10));
        assert_eq!((report[0].1.delivered, report[0].1.pending), (1, 0));
        // The event, `opened` and `closed`, at the least.
        assert!(std::fs::read_to_string(&count).unwrap().parse::<u32>().unwrap() >= 3);

        let mistaken =
            load("agent: { id: a }\nlanes: [ { sink: { tally: { count_inn: n } } } ]\n").unwrap_err();
        assert!(mistaken.to_string().contains("did you mean `count_in`"), "{mistaken}");
        assert!(load("agent: { id: a }\nlanes: [ { sink: tally } ]\n").is_err());

        assert!(reference::json_schema().contains("count_in"));
        assert!(reference::parts().iter().any(|(_, table)| table.contains("`count_in`")));
    }

    #[test]
    fn nothing_but_its_folder_and_the_table_knows_it() {
        let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let mut knows = Vec::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                if text.contains("tally") {
                    knows.push(path.strip_prefix(src).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        knows.sort();
        assert_eq!(knows, ["sinks/mod.rs", "sinks/tally/mod.rs"]);
    }
}
