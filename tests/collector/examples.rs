//! The configurations that users are given, checked by the Collector itself.

use std::path::Path;
use std::process::Command;

use crate::collector::Dir;

/// Exporters that this Collector does not hold; of their configurations all but the exporter is checked.
const ELSEWHERE: [&str; 4] = ["awscloudwatchlogs", "azuremonitor", "datadog", "splunk_hec"];

/// What `validate` has to say about a configuration.
fn validate(binary: &Path, dir: &Dir, config: &Path) -> Result<(), String> {
    let output = Command::new(binary)
        .args(["validate", "--config"])
        .arg(config)
        .env("COLLECTOR_STORAGE", dir.path("storage"))
        .output()
        .map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

pub(crate) fn validated(binary: &Path) -> String {
    let dir = Dir::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/collector");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let (mut whole, mut but_exporter) = (Vec::new(), Vec::new());
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(exporter) = ELSEWHERE.into_iter().find(|exporter| text.contains(&format!("[{exporter}]")))
        else {
            validate(binary, &dir, &path).unwrap_or_else(|said| panic!("{name}: {said}"));
            whole.push(name);
            continue;
        };
        let (before, rest) = text.split_once("exporters:\n").unwrap();
        let (_, after) = rest.split_once("\nservice:\n").unwrap();
        let after = after.replace(&format!("[{exporter}]"), "[otlp_http]");
        let stand_in = "exporters:\n  otlp_http:\n    endpoint: http://localhost\n    sending_queue: { storage: file_storage }\n\nservice:\n";
        let without = dir.path(&format!("{name}.yaml"));
        std::fs::write(&without, format!("{before}{stand_in}{after}")).unwrap();
        validate(binary, &dir, &without).unwrap_or_else(|said| panic!("{name}: {said}"));
        but_exporter.push(name);
    }
    assert_eq!((whole.len(), but_exporter.len()), (2, 4));
    format!("whole: {}; all but the exporter: {}", whole.join(", "), but_exporter.join(", "))
}
