//! The trace context of the code that emits: that of OpenTelemetry's span that is active on this thread, where the feature
//! `opentelemetry` is on; elsewhere Rust has none.

#[cfg(feature = "opentelemetry")]
use ::opentelemetry::Context;
#[cfg(feature = "opentelemetry")]
use ::opentelemetry::trace::{SpanContext, TraceContextExt as _};

use crate::event::Trace;

#[cfg(feature = "opentelemetry")]
pub(crate) struct Active {
    trace: String,
    span: String,
    state: String,
    flags: u8,
}

#[cfg(feature = "opentelemetry")]
impl Active {
    pub(crate) fn trace(&self) -> Trace<'_> {
        let state = Some(self.state.as_str()).filter(|state| !state.is_empty());
        Trace { trace_id: &self.trace, span_id: &self.span, flags: self.flags, state }
    }
}

#[cfg(feature = "opentelemetry")]
pub(crate) fn active() -> Option<Active> {
    let read = |context: &SpanContext| Active {
        trace: context.trace_id().to_string(),
        span: context.span_id().to_string(),
        state: context.trace_state().header(),
        flags: context.trace_flags().to_u8(),
    };
    Context::map_current(|context| context.has_active_span().then(|| context.span().span_context().clone()))
        .filter(SpanContext::is_valid)
        .map(|context| read(&context))
}

#[cfg(not(feature = "opentelemetry"))]
pub(crate) enum Active {}

#[cfg(not(feature = "opentelemetry"))]
impl Active {
    pub(crate) fn trace(&self) -> Trace<'_> {
        match *self {}
    }
}

#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn active() -> Option<Active> {
    None
}
