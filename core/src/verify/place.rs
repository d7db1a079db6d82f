//! Where an envelope was read.

/// A line of an input; small, because one is kept per open gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: u32,
    pub(super) line: u64,
}

/// The names of the inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<String>);

impl Sources {
    pub(super) fn add(&mut self, name: &str) -> u32 {
        self.0.push(name.to_owned());
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    /// The source that was added last.
    pub(super) fn latest(&self) -> u32 {
        u32::try_from(self.0.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The name of a source.
    pub(super) fn name(&self, source: u32) -> &str {
        usize::try_from(source).ok().and_then(|i| self.0.get(i)).map_or("?", String::as_str)
    }

    /// `file:line`.
    pub(super) fn show(&self, place: Place) -> String {
        format!("{}:{}", self.name(place.source), place.line)
    }
}
