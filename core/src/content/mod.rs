//! Content parts.
use crate::error::{Error, Result};
use crate::json::Value;

/// A content part.
#[derive(Clone)]
pub struct Part {
    size: usize,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({} bytes)", self.size)
    }
}

impl Part {
    /// Reads a part of an event given as JSON.
    ///
    /// # Errors
    /// Always, in this build.
    pub fn from_value(_value: &Value, place: &str) -> Result<Self> {
        Err(Error::unsupported("content parts are not in this build").at(place))
    }

    pub(crate) fn check(&self, place: &str) -> Result<()> {
        Err(Error::unsupported("content parts are not in this build").at(place))
    }

    pub(crate) fn cost(&self) -> usize {
        self.size
    }
}
