"""Finished OpenTelemetry spans into events: register the processor, and every instrumented framework counts.

    provider.add_span_processor(sinkwell.opentelemetry.SpanProcessor())

Spans that follow the GenAI and MCP conventions become what they say: ``invoke_agent`` a run, ``execute_tool``
and MCP calls a ``tool.invocation``, a model call a ``model.usage``; all others a ``span``. Names, ids, counts
and durations travel; messages, arguments and results do not.
"""

from __future__ import annotations

import datetime
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace import SpanProcessor as _SpanProcessor
from opentelemetry.trace import StatusCode

from ._emitter import Emitter, default_emitter
from ._errors import Error
from ._metrics import register_metrics as register_metrics
from ._process import log

_MODEL = ("chat", "generate_content", "text_completion", "embeddings")
_TOKENS = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
}
# What a span may say of itself without saying what anybody said.
_KEPT = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.conversation.id",
    "gen_ai.request.model",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.tool.name",
    "gen_ai.tool.type",
    "gen_ai.tool.call.id",
    "mcp.method.name",
    "mcp.session.id",
    "mcp.protocol.version",
    "error.type",
)


class SpanProcessor(_SpanProcessor):
    """Emits an event for each span that starts or ends a run, and for each that is finished."""

    def __init__(self, emitter: Emitter | None = None) -> None:
        self._emitter = emitter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A run begins with its span."""
        attributes = dict(span.attributes or {})
        if attributes.get("gen_ai.operation.name") == "invoke_agent":
            self._emit(span, "run.started", _kept(attributes), _run(span, attributes), span.start_time)

    def on_end(self, span: ReadableSpan) -> None:
        """A finished span."""
        attributes = dict(span.attributes or {})
        operation = attributes.get("gen_ai.operation.name")
        data = _kept(attributes)
        failed = span.status.status_code is StatusCode.ERROR
        if span.start_time is not None and span.end_time is not None:
            data["duration_ms"] = (span.end_time - span.start_time) / 1e6
        run = _run(span, attributes)
        tool = attributes.get("gen_ai.tool.name")
        if operation == "invoke_agent":
            data["terminal_status"] = "failed" if failed else "completed"
            self._emit(span, "run.failed" if failed else "run.completed", data, run, span.end_time)
        elif operation == "execute_tool" or (tool and "mcp.method.name" in attributes):
            data["tool"] = str(tool or span.name)
            data["outcome"] = "error" if failed else "ok"
            self._emit(span, "tool.invocation", data, run, span.end_time, subject=f"tool:{data['tool']}")
        elif operation in _MODEL:
            self._emit(span, "model.usage", data | _usage(attributes), run, span.end_time)
        else:
            data |= {"name": span.name, "status": span.status.status_code.name.lower()}
            self._emit(span, "span", data, run, span.end_time)

    def shutdown(self) -> None:
        """The emitter is the host's, who ends it."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until every lane has delivered."""
        report = (self._emitter or default_emitter()).flush(timeout_millis / 1000)
        return all(lane["pending"] == 0 for lane in report.values())

    def _emit(
        self,
        span: ReadableSpan,
        type: str,
        data: dict[str, Any],
        run: str | None,
        when: int | None,
        *,
        subject: str | None = None,
    ) -> None:
        context = span.get_span_context()
        time = None if when is None else _moment(when)
        trace = context and {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "flags": int(context.trace_flags),
            "state": context.trace_state.to_header() or None,
        }
        try:
            emitter = self._emitter or default_emitter()
            emitter.emit(type, data, subject=subject, run=run, trace=trace, time=time)
        except Error as error:
            # Instrumentation never breaks what it watches; what was refused is counted by the emitter.
            log("warning", f"a span was not emitted: {error.kind}")


def _kept(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in _KEPT if name in attributes}


def _run(span: ReadableSpan, attributes: dict[str, Any]) -> str | None:
    """The run a span belongs to: its conversation, else its trace."""
    conversation = attributes.get("gen_ai.conversation.id")
    if conversation:
        return str(conversation)
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context else None


def _usage(attributes: dict[str, Any]) -> dict[str, Any]:
    counts = {name: attributes[key] for key, name in _TOKENS.items() if key in attributes}
    if "input_tokens" in counts and "output_tokens" in counts:
        counts["total_tokens"] = counts["input_tokens"] + counts["output_tokens"]
    model = attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
    provider = attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system")
    named = {"model": model, "provider": provider}
    return {"source.family": "model", **{k: str(v) for k, v in named.items() if v}, **counts}


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
