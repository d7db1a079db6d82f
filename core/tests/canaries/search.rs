//! Searches every file of a folder for markers, and judges what it finds by the file's place.

use std::fmt;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

use crate::agent::place_of;
use crate::marker::{Marker, May, forms};

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Expected,
    Leak,
    /// Policy lets this place have it, and it is not there.
    Missing,
}

/// A marker in a place, or one that should be there.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    #[allow(dead_code, reason = "shown when the test fails")]
    pub(crate) place: PathBuf,
    #[allow(dead_code, reason = "shown when the test fails")]
    pub(crate) marker: Marker,
    pub(crate) verdict: Verdict,
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) places: usize,
    pub(crate) bytes: usize,
    pub(crate) markers: usize,
    pub(crate) found: usize,
    pub(crate) finds: Vec<Find>,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.places += other.places;
        self.bytes += other.bytes;
        self.markers += other.markers;
        self.found += other.found;
        self.finds.extend(other.finds.iter().cloned());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |verdict| self.finds.iter().filter(|find| find.verdict == verdict).count();
        writeln!(
            f,
            "canaries: {} places, {} bytes, {} markers: {} found where policy says yes, {} missing there, {} found where it says no",
            self.places,
            self.bytes,
            self.markers,
            self.found,
            count(Verdict::Missing),
            count(Verdict::Leak)
        )
    }
}

/// Everything below a folder.
pub(crate) fn search(folder: &Path, markers: &[Marker]) -> Report {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut report = search_files(&files, markers);
    report.markers = markers.len();
    report
}

pub(crate) fn search_files(files: &[PathBuf], markers: &[Marker]) -> Report {
    let (mut needles, mut whose) = (Vec::new(), Vec::new());
    for (i, marker) in markers.iter().enumerate() {
        for form in forms(&marker.text) {
            needles.push(form);
            whose.push(i);
        }
    }
    let automaton = AhoCorasick::new(&needles).unwrap();
    let mut report = Report::default();
    for path in files {
        let bytes = std::fs::read(path).unwrap();
        report.places += 1;
        report.bytes += bytes.len();
        let mut found = vec![false; markers.len()];
        for hit in automaton.find_overlapping_iter(&bytes) {
            found[whose[hit.pattern().as_usize()]] = true;
        }
        let place = place_of(path);
        for (marker, found) in markers.iter().zip(found) {
            let allowed = match marker.may {
                May::Never => false,
                May::Everywhere => place.envelopes,
                May::Ceiling { class, least } => place.ceiling(class, marker.sink) >= least,
                May::Host => place.host,
            };
            let must = allowed && place.complete && marker.may != May::Host;
            let verdict = match (found, allowed) {
                (true, true) => Verdict::Expected,
                (true, false) => Verdict::Leak,
                (false, _) if must => Verdict::Missing,
                (false, _) => continue,
            };
            report.found += usize::from(verdict == Verdict::Expected);
            report.finds.push(Find { place: path.clone(), marker: marker.clone(), verdict });
        }
    }
    report
}
