//! The native half of the Python package: `sinkwell._native`.
//!
//! Guarantees: no rule of its own: no default, no check, no policy; values are converted, errors mapped and
//! waits moved to where Python waits. No lane of the core ever takes the GIL; messages from a lane to Python
//! go through one notifier thread. The host's Python code never runs on a lane's thread.
//!
//! The way of an event: [`emitter`] takes the call, [`convert`] walks the dictionary straight into the core's
//! writer, [`receipt`] is what comes back, [`wait`] resolves awaitables. [`sink`] and [`signer`] carry
//! envelopes and signing inputs to the host's own code; [`event`] is an envelope as Python sees it. [`plain`] walks the
//! values of spans and log records; [`vacuum`] takes logs. [`process`] is about forks and signals.

mod convert;
mod deed;
mod emitter;
mod error;
mod event;
mod plain;
mod process;
mod receipt;
mod signer;
mod sink;
mod tools;
mod vacuum;
mod wait;

use pyo3::prelude::*;

/// See `sinkwell`, the public package.
#[pymodule(name = "_native", gil_used = true)]
mod native {
    #[pymodule_export]
    use super::deed::{Act, Intent};
    #[pymodule_export]
    use super::emitter::{Emitter, default_forbids, end_all, flush_all, look_around, look_for_trace};
    #[pymodule_export]
    use super::event::Envelope;
    #[pymodule_export]
    use super::process::{end_on_signal, generation};
    #[pymodule_export]
    use super::receipt::Receipt;
    #[pymodule_export]
    use super::signer::SignJob;
    #[pymodule_export]
    use super::sink::{DeliverJob, HealthJob};
    #[pymodule_export]
    use super::tools::{
        audit, authority_boundary, command, cost, evaluate_content_capture, event_of_log, events_of_span,
        kinds, new_id, outside_text, outside_trace, roll_up, set_logger, severity, usage_from_json, verify,
    };
    #[pymodule_export]
    use super::vacuum::Vacuum;
    #[pymodule_export]
    use super::wait::{Mailbox, Room};

    use super::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        super::process::refuse_other_interpreters()?;
        super::process::watch_forks();
        super::process::watch_signals();
        m.add("_NoRoom", m.py().get_type::<super::wait::NoRoom>())?;
        m.add("MAX_SAFE_INTEGER", sinkwell::json::MAX_SAFE_INTEGER)?;
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
