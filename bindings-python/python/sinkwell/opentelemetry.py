"""Finished OpenTelemetry spans into events: register the processor, and every instrumented framework counts.

    provider.add_span_processor(sinkwell.opentelemetry.SpanProcessor())

Spans that follow the GenAI and MCP conventions become what they say: an agent's a run, a tool's or an MCP
call's a ``tool.invocation``, a model's a ``model.usage``; all others a ``span``. Names, ids, counts and
durations travel. Messages, arguments and results become content parts, which leave only through the gates.
Which span is which event is the core's to say: here a span is converted, and that is all.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

try:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.sdk.trace import SpanProcessor as _SpanProcessor
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
    from opentelemetry.trace import SpanContext
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "sinkwell.opentelemetry needs the OpenTelemetry SDK: pip install 'sinkwell[opentelemetry]'",
        name=error.name,
    ) from error

from ._emitter import Emitter, default_emitter, flush
from ._errors import Error
from ._metrics import register_metrics as register_metrics
from ._process import log_seldom

_MOST_HANDLED = 10_000


class SpanProcessor(_SpanProcessor):
    """Emits what each span stands for: an agent's when it starts, too, every other when it has ended.

    ``permit`` is the most that the content of these spans may be captured (``off``, ``redacted_summary``,
    ``content_ref``, ``raw``), as that of a content part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        self._emitter = emitter
        self._permit = permit
        # What was being handled when a span started is no exception of its own.
        self._handled: dict[tuple[Any, Any], int] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span that starts."""
        described = self._read(span)
        if described is None:
            return
        if (handled := sys.exc_info()[1]) is not None and len(self._handled) < _MOST_HANDLED:
            self._handled[_key(described)] = id(handled)
        self._emit(described)

    def on_end(self, span: ReadableSpan) -> None:
        """A finished span."""
        # The SDK records what is an `Exception`; a cancellation leaves the span without a word.
        raised = sys.exc_info()[1]
        described = self._read(span)
        if described is None:
            return
        handled = self._handled.pop(_key(described), None) if self._handled else None
        if raised is not None and id(raised) != handled:
            described["raised"] = f"{type(raised).__module__}.{type(raised).__qualname__}"
        self._emit(described)

    def record_span(
        self, name: str, start_time: float, end_time: float, attributes: Mapping[str, Any], status: str
    ) -> None:
        """A finished step of a saga or sandbox, from a runtime without OpenTelemetry; times in seconds."""
        start, end = (str(round(seconds * 1e9)) for seconds in (start_time, end_time))
        span = {"name": name, "start_unix_nano": start, "end_unix_nano": end, "status": status}
        self._emit({**span, "attributes": dict(attributes)})

    def shutdown(self) -> None:
        """Wait, five seconds at most, until every lane has delivered. The emitter is the host's, who ends it."""
        self.force_flush(5_000)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until every lane has delivered."""
        report = (
            flush(timeout_millis / 1000)
            if self._emitter is None
            else self._emitter.flush(timeout_millis / 1000)
        )
        return all(lane["pending"] == 0 for lane in report.values())

    def _read(self, span: ReadableSpan) -> dict[str, Any] | None:
        try:
            return _described(span)
        except Exception as error:
            # A value of the program's that raises while it is read costs its span, never the program.
            log_seldom("warning", f"a span was not emitted: reading it raised {type(error).__qualname__}")
            return None

    def _emit(self, span: dict[str, Any]) -> None:
        if self._permit is not None:
            span["permit"] = self._permit
        try:
            emitter = self._emitter or default_emitter()
        except Error as error:
            log_seldom("warning", f"a span was not emitted: {error.kind} {error.where or ''}".rstrip())
            return
        # Instrumentation never breaks what it watches; of what is refused the core counts and tells the logger.
        with contextlib.suppress(Error):
            emitter.emit_span(span)


class RecordAllSampler(Sampler):
    """Has every span recorded, whatever a sampler decides: what it drops reaches no processor, so that the tool calls
    of a trace that is not sampled would be no events, uncounted. Such a span stays unsampled: exporters leave it out,
    and its ``traceparent`` says so.

        TracerProvider(sampler=sinkwell.opentelemetry.RecordAllSampler(ParentBased(TraceIdRatioBased(0.1))))
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        *more: Any,
        **named: Any,
    ) -> SamplingResult:
        """As the sampler decides, but that nothing is dropped."""
        result = self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, *more, **named
        )
        if result.decision is not Decision.DROP:
            return result
        # A span has the attributes that its sampler answers with, and one that drops answers with none.
        return SamplingResult(Decision.RECORD_ONLY, attributes or result.attributes, result.trace_state)

    def get_description(self) -> str:
        """Whose decisions these are."""
        return f"RecordAll{{{self._sampler.get_description()}}}"


def _described(span: ReadableSpan) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": span.name,
        "kind": span.kind.name.lower(),
        "status": span.status.status_code.name.lower(),
        "attributes": dict(span.attributes or {}),
    }
    context = span.get_span_context()
    if context is not None:
        described.update(_identified(context))
    if span.parent is not None:
        described["parent_span_id"] = f"{span.parent.span_id:016x}"
        described["parent_is_remote"] = bool(span.parent.is_remote)
    for member, when in (("start_unix_nano", span.start_time), ("end_unix_nano", span.end_time)):
        if when is not None:
            described[member] = str(when)
    if span.events:
        described["events"] = [
            {
                "name": event.name,
                "time_unix_nano": str(event.timestamp),
                "attributes": dict(event.attributes or {}),
            }
            for event in span.events
        ]
    if span.links:
        described["links"] = [
            {**_identified(link.context), "attributes": dict(link.attributes or {})} for link in span.links
        ]
    return described


def _identified(context: SpanContext) -> dict[str, Any]:
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "flags": int(context.trace_flags) & 0xFF,
        "state": context.trace_state.to_header(),
    }


def _key(described: Mapping[str, Any]) -> tuple[Any, Any]:
    return described.get("trace_id"), described.get("span_id")
