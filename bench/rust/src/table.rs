//! Medians, spreads, and how they are printed.

use std::fmt::Write as _;

/// Low, median and high of the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        Some(Self { low, median: values[values.len() / 2], high })
    }
}

/// A line of the table.
pub(crate) struct Row {
    pub(crate) question: String,
    pub(crate) candidate: String,
    pub(crate) figure: String,
    pub(crate) spread: Spread,
    /// This median over the peer's.
    pub(crate) ratio: Option<f64>,
}

/// Digits as a reader needs them.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// As Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| load | who | figure | median | lowest … highest | ÷ peer |\n| --- | --- | --- | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let Spread { low, median, high } = row.spread;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} … {} | {ratio} |",
            row.question,
            row.candidate,
            row.figure,
            short(median),
            short(low),
            short(high)
        );
    }
    out
}

/// As JSON; the texts are our own, without anything to escape.
pub(crate) fn json(machine: &str, rows: &[Row]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let Spread { low, median, high } = row.spread;
            let ratio = row.ratio.map_or("null".to_owned(), |ratio| ratio.to_string());
            format!(
                r#"  {{"load":"{}","who":"{}","figure":"{}","median":{median},"low":{low},"high":{high},"ratio":{ratio}}}"#,
                row.question, row.candidate, row.figure
            )
        })
        .collect();
    format!("{{\"machine\":\"{machine}\",\"rows\":[\n{}\n]}}\n", rows.join(",\n"))
}

/// What the figures were measured on.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = rustix::system::uname();
    format!(
        "{cores} x {}, {} {}, load average before {load}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.sysname().to_string_lossy(),
        kernel.release().to_string_lossy()
    )
}
