//! Where the core has it.

pub(crate) mod redact;
