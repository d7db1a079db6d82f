//! Policies. What governs (`governance`) is read with the configuration and refuses to start where it is not understood;
//! what shapes ([`telemetry`]) is here, and fails open.

pub mod telemetry;
