//! `tracing` into events: a [`Layer`] for `tracing_subscriber`.
//!
//! Guarantees: an event is a log record and a span is a span, by the core's bridges, so that they are what they are in every
//! language: message, fields and errors of an event are content, under the gates; of a span's fields `data` gets what the
//! span bridge lets into it. Spans that follow the GenAI conventions are runs, tool calls and usage. The layer never waits
//! unless it is told to, never panics, and does not feed itself: what is traced within a sink, or on a thread of sinkwell's
//! own, is left out.
//!
//! How: [`plan`] knows a place in the code beforehand; [`event`] reads an event into a reused buffer; [`span`] keeps what is known of an open span in the registry.

mod event;
mod plan;
mod span;

use std::fmt;
use std::sync::Arc;

use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::emitter::{Emitter, Wait};
use crate::seam::{Clock as _, SystemClock};
use crate::settings::ContentMode;
use crate::through::{self, Through};
use span::Open;

/// Emits what is traced: events as `log.record`, spans as what they stand for.
///
/// ```
/// # fn main() -> sinkwell::Result<()> {
/// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
/// # let config = sinkwell::config::Config::load(
/// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
/// # let emitter = std::sync::Arc::new(sinkwell::Emitter::open(sinkwell::Options::new(config))?);
/// use tracing_subscriber::prelude::*;
///
/// let layer = sinkwell::tracing::Layer::new().emitter(emitter.clone());
/// # let _here =
/// tracing_subscriber::registry().with(layer).set_default();
/// // In a program: `.init()`, and `Layer::new()` alone for the process's default emitter.
///
/// let span = tracing::info_span!("execute_tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "search");
/// span.in_scope(|| tracing::info!(hits = 3, "searched"));
/// drop(span);
/// # let counters = emitter.counters();
/// # assert_eq!(counters[0].1.admitted, 2);
/// # Ok(())
/// # }
/// ```
///
/// Filter it as any layer (`with_filter`): everything that reaches it is an event. Where `tracing-opentelemetry` brings the
/// spans to the feature `opentelemetry`'s span processor, switch them off here: [`spans(false)`](Self::spans).
#[must_use]
pub struct Layer {
    through: Through,
    permit: ContentMode,
    spans: bool,
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Layer");
        shown.field("permit", &self.permit.name()).field("spans", &self.spans).finish_non_exhaustive()
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self { through: Through::default(), permit: ContentMode::Off, spans: true }
    }
}

impl Layer {
    /// A layer that emits through the process's default emitter, which the first event opens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Emits through this one.
    pub fn emitter(mut self, emitter: Arc<Emitter>) -> Self {
        self.through.emitter = Some(emitter);
        self
    }

    /// The most that messages, fields and errors may be captured, as a content part's; default `Off`.
    pub fn permit(mut self, permit: ContentMode) -> Self {
        self.permit = permit;
        self
    }

    /// Whether spans are emitted, too; default `true`.
    pub fn spans(mut self, spans: bool) -> Self {
        self.spans = spans;
        self
    }

    /// Whether a thread that traces may wait, up to a lane's `block_timeout`, when a blocking lane is full. Default `false`,
    /// as it may be an executor's: such an event or span is then refused, counted, and told to the host's logger.
    pub fn wait(mut self, wait: bool) -> Self {
        self.through.wait = if wait { Wait::Allowed } else { Wait::Never };
        self
    }
}

/// Whether what is traced on this thread now is left out, as it would feed itself.
fn is_left_out(target: &str) -> bool {
    let own = target.strip_prefix("sinkwell").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    own || through::is_left_out()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Layer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !self.spans || is_left_out(attributes.metadata().target()) {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let around = span.parent().and_then(|parent| parent.extensions().get::<Open>().map(Open::ids));
        let mut open = Open::new(around);
        attributes.record(&mut open);
        let name = attributes.metadata().name();
        self.through.with("spans", |emitter| open.tell(emitter, name, self, None));
        span.extensions_mut().replace(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(open);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if is_left_out(event.metadata().target()) {
            return;
        }
        let span = if self.spans { context.event_span(event) } else { None };
        let mut ids = None;
        if let Some(span) = &span {
            ids = span.extensions().get::<Open>().map(Open::ids);
            if *event.metadata().level() == Level::ERROR
                && let Some(open) = span.extensions_mut().get_mut::<Open>()
            {
                open.failed();
            }
        }
        event::emit(self, event, ids);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let end = SystemClock::default().unix_nanos();
        self.through.with("spans", |emitter| open.tell(emitter, span.name(), self, Some(end)));
    }
}
